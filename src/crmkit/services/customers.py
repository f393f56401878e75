"""Customers: the verbs of profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from crmkit.domain.customers import customer as customers
from crmkit.domain.customers import households, profile, reach
from crmkit.domain.customers.contact_points import ContactPoint, ContactPurpose
from crmkit.domain.customers.customer import Customer
from crmkit.domain.customers.facts import Dependant, Fact, Identifier, Provenance, SourceKind, all_of
from crmkit.domain.customers.parties import Household, Party
from crmkit.domain.customers.reach import ChannelChoice
from crmkit.domain.words import Means
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.addresses import email_key, phone_key
from crmkit.kernel.ids import identifier
from crmkit.kernel.query import Where, field
from crmkit.kernel.record import Change
from crmkit.kernel.text import search_key
from crmkit.services.arguments import blaming
from crmkit.services.policy import PORTAL
from crmkit.services.unit import Listed, Service, verb

Source = SourceKind | str | None


class Customers(Service):
    """Profiles of people, organisations and households, and of buyers whom nobody knows.

    Every verb that notes a fact takes `source` and `detail`: where it was learned. If nothing is said, it was the
    customer who acts in a portal, and the staff elsewhere.
    """

    # registration

    @verb
    def register(
        self,
        party: Party | None = None,
        *,
        id: str | None = None,  # noqa: A002 - the field's own word
        email: str | None = None,
        phone: str | None = None,
        contacts: Iterable[ContactPoint] = (),
        identifiers: Iterable[Identifier] = (),
        attributes: Mapping[str, object] | None = None,
        tags: Iterable[str] = (),
        language: str = "",
        zone: str = "",
        referrer: Customer | str | None = None,
        source: Source = None,
        detail: str = "",
        since: datetime | None = None,
        reason: str = "",
    ) -> Customer:
        """Register a customer, known or anonymous; with an `id` of the host's own once, however often it is called.

        Args:
            party: a person, an organisation or a household; None for a buyer whom nobody knows.
            id: the host's own id for the customer; without one crmkit makes one.
            email: an address of theirs, the usual case.
            phone: a number of theirs, the usual case.
            contacts: further contact points.
            identifiers: what others call the customer.
            attributes: values of the attributes that the host has declared.
            tags: words of the host's own.
            language: how to speak to them, such as `"pt-BR"` (BCP 47).
            zone: where they live, such as `"Asia/Manila"` (IANA).
            referrer: the customer who referred them.
            source: where they came from.
            detail: the same more exactly, such as `"trade fair 2026"`.
            since: when they became a customer, if it was not now.
            reason: why, for the audit trail.

        Raises:
            Invalid: a value cannot be; the error names field and rule.
            NotFound: there is no such referrer.
            Refusal: rule `customer.exists`, the id is taken by a customer with another profile; `identifier.taken`,
                another customer has an identifier; `household.people`, a member is no person.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes", born="1990-05-01"), email="ana@example.com")
        >>> ana.name, str(ana.party.born), ana.contacts[0].address
        ('Ana Reyes', '1990-05-01', 'ana@example.com')
        """
        u = self.unit
        own = u.new_id(Customer) if id is None else identifier("id", id)
        points = [
            *([ContactPoint(Means.EMAIL, email)] if email is not None else []),
            *([ContactPoint(Means.PHONE, phone)] if phone is not None else []),
            *all_of("contacts", contacts, ContactPoint),
        ]
        learned = self._learned(source, detail)
        draft = customers.register(
            party,
            id=own,
            learned=learned,
            contacts=self._named(points),
            identifiers=identifiers,
            attributes=attributes,
            known=u.setting.declared.attributes,
            tags=tags,
            language=language,
            zone=zone,
            referrer=None if referrer is None else u.get(Customer, referrer).id,
            since=since,
        )
        if id is not None and (there := u.get_many(Customer, [own]).get(own)) is not None:
            return self._same(there, draft.record)
        if isinstance(party, Household) and party.members:
            households.check_members(party, u.get_many(Customer, party.members))
        for each in draft.record.identifiers:
            self._refuse_taken(each)
        return u.save(draft, at=draft.record.registered_at)

    @staticmethod
    def _same(there: Customer, draft: Customer) -> Customer:
        if other := customers.differences(there, draft):
            reasons = [f"it is registered, and what is given differs in {', '.join(other)}"]
            raise Refusal(f"customer {there.id}", "customer.exists", reasons, ["get", "rename", "correct", "note"])
        return there

    @verb
    def reveal(
        self,
        customer: Customer | str,
        party: Party,
        *,
        source: Source = None,
        detail: str = "",
        reason: str = "",
    ) -> Customer:
        """Say who an anonymous customer is.

        Raises:
            NotFound: there is no such customer.
            Refusal: rule `customer.known`, it is no anonymous one; `household.people`, a member is no person.
            Invalid: a value cannot be.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> buyer = crm.customers.register()
        >>> buyer.is_anonymous, crm.customers.reveal(buyer, Person("Ana Reyes")).is_anonymous
        (True, False)
        """
        u = self.unit
        found = u.act_on(Customer, customer)
        if isinstance(party, Household) and party.members:
            households.check_members(party, u.get_many(Customer, party.members))
        return u.save(customers.reveal(found, party, learned=self._learned(source, detail)))

    # names and other facts about the party

    @verb
    def rename(
        self,
        customer: Customer | str,
        name: str,
        *,
        given: str = "",
        family: str = "",
        other: str = "",
        as_of: datetime | None = None,
        source: Source = None,
        detail: str = "",
        reason: str = "",
    ) -> Customer:
        """Give a customer another name; the one before is kept with from when until when it was theirs, and findable.

        Args:
            customer: the customer.
            name: the new name.
            given: of a person, a part of the new name.
            family: of a person, another part of it.
            other: of a person, what else belongs to it.
            as_of: when it became the name, if it was not now.
            source: where it was learned.
            detail: the same more exactly.
            reason: why, for the audit trail.

        Raises:
            NotFound: there is no such customer.
            Refusal: rule `customer.anonymous`.
            Invalid: rule `name-parts`, `out-of-order`, or those of text.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.rename(crm.customers.register(Person("Ana Reyes")), "Ana Cruz")
        >>> ana.name, ana.former_names[0].name, len(crm.customers.by_name("reyes"))
        ('Ana Cruz', 'Ana Reyes', 1)
        """
        found, learned = self.unit.act_on(Customer, customer), self._learned(source, detail)
        change = customers.rename(found, name, given=given, family=family, other=other, as_of=as_of, learned=learned)
        return self._saved(found, change)

    @verb
    def correct(
        self,
        customer: Customer | str,
        /,
        *,
        source: Source = None,
        detail: str = "",
        reason: str = "",
        **facts: Any,
    ) -> Customer:
        """Put facts about the person, organisation or household right, or add them, by their names.

        A spelling mistake in a name is corrected so; a new name is given with `rename`.

        Raises:
            NotFound: there is no such customer.
            Refusal: rule `customer.anonymous`.
            Invalid: rule `unknown-fact`, or a value cannot be.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> crm.customers.correct(ana, born="1990-05", title="Dr").party.title
        'Dr'
        """
        found = self.unit.act_on(Customer, customer)
        return self._saved(found, customers.correct(found, facts, learned=self._learned(source, detail)))

    @verb
    def add_member(
        self,
        household: Customer | str,
        person: Customer | str,
        *,
        source: Source = None,
        detail: str = "",
        reason: str = "",
    ) -> Customer:
        """Take a person into a household, and give the household.

        Raises:
            NotFound: there is no such household or person.
            Refusal: rule `household.only` or `household.people`: a household holds people, and nothing else.
            Invalid: rule `too-many`, it holds 100 already.

        >>> from crmkit import CRM, Household, Person
        >>> crm = CRM.open("memory://")
        >>> ana, home = crm.customers.register(Person("Ana Reyes")), crm.customers.register(Household("Reyes family"))
        >>> crm.customers.add_member(home, ana).party.members == (ana.id,)
        True
        """
        u = self.unit
        found, whom = u.act_on(Customer, household), u.get(Customer, person)
        return self._saved(found, households.add_member(found, whom, learned=self._learned(source, detail)))

    @verb
    def remove_member(
        self,
        household: Customer | str,
        person: Customer | str,
        *,
        source: Source = None,
        detail: str = "",
        reason: str = "",
    ) -> Customer:
        """Take a person out of a household, and give the household.

        Raises:
            NotFound: there is no such household.
            Refusal: rule `household.only`.

        >>> from crmkit import CRM, Household, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> home = crm.customers.register(Household("Reyes family", members=(ana.id,)))
        >>> crm.customers.remove_member(home, ana).party.members
        ()
        """
        found = self.unit.act_on(Customer, household)
        who = person if isinstance(person, str) else person.id
        return self._saved(found, households.remove_member(found, who, learned=self._learned(source, detail)))

    # contact points

    @verb
    def add_contact(
        self,
        customer: Customer | str,
        contact: ContactPoint,
        *,
        source: Source = None,
        detail: str = "",
        reason: str = "",
    ) -> Customer:
        """Add a contact point; it gets an id unless it has one. A primary one becomes the first choice of its means.

        Raises:
            NotFound: there is no such customer.
            Refusal: rule `contact.duplicate`, the customer is reached at this address already.
            Invalid: rule `too-many`.

        >>> from crmkit import CRM, ContactPoint, Means, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> ana = crm.customers.add_contact(ana, ContactPoint(Means.PHONE, "+63 917 555 0100", purposes={"work"}))
        >>> ana.contacts[0].key
        '+639175550100'
        """
        found = self.unit.act_on(Customer, customer)
        (named,) = self._named([contact])
        return self.unit.save(reach.add_contact(found, named, learned=self._learned(source, detail)))

    @verb
    def change_contact(
        self,
        customer: Customer | str,
        contact: ContactPoint | str,
        /,
        *,
        source: Source = None,
        detail: str = "",
        reason: str = "",
        **changes: Any,
    ) -> Customer:
        """Change a contact point by the names of its fields. A new address is not verified yet.

        Raises:
            NotFound: there is no such customer.
            Refusal: rule `contact.duplicate`.
            Invalid: rule `unknown-contact`, `unknown-fact`, or a value cannot be.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com")
        >>> crm.customers.change_contact(ana, ana.contacts[0], label="private", primary=True).contacts[0].label
        'private'
        """
        found = self.unit.act_on(Customer, customer)
        learned = self._learned(source, detail)
        return self._saved(found, reach.change_contact(found, _id_of(contact), changes, learned=learned))

    @verb
    def end_contact(
        self,
        customer: Customer | str,
        contact: ContactPoint | str,
        *,
        until: datetime | None = None,
        reason: str = "",
    ) -> Customer:
        """Say that a contact point reaches the customer no longer, from now or from `until` on. It stays findable.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `unknown-contact`, `end-before-start`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com")
        >>> ana = crm.customers.end_contact(ana, ana.contacts[0])
        >>> ana.contacts[0].valid_until is None, len(crm.customers.by_email("ana@example.com"))
        (False, 1)
        """
        found = self.unit.act_on(Customer, customer)
        return self._saved(found, reach.end_contact(found, _id_of(contact), at=self.unit.at, until=until))

    # facts

    @verb
    def verify(self, customer: Customer | str, *paths: str, reason: str = "") -> Customer:
        """Say that facts were checked and found right, by their paths: `"party.born"`, `"contacts.<id>"`.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `unknown-fact`, `required`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes", born="1990-05-01"))
        >>> ana = crm.customers.verify(ana, "party.born", reason="saw the passport")
        >>> crm.customers.provenance(ana, "party.born").verified_by
        'host'
        """
        u = self.unit
        return u.save(profile.verify(u.act_on(Customer, customer), paths, at=u.at, by=u.by))

    @blaming
    def verify_contact(self, customer: Customer | str, contact: ContactPoint | str, *, reason: str = "") -> Customer:
        """Say that a contact point reaches the customer: the short form of `verify` with its path.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `unknown-fact`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com")
        >>> ana = crm.customers.verify_contact(ana, ana.contacts[0])
        >>> crm.customers.provenance(ana, f"contacts.{ana.contacts[0].id}").verified_at is not None
        True
        """
        return self.verify(customer, f"contacts.{_id_of(contact)}", reason=reason)

    @verb
    def note(
        self,
        customer: Customer | str,
        *facts: Fact,
        source: Source = None,
        detail: str = "",
        reason: str = "",
    ) -> Customer:
        """Note facts: interests, important dates, dependants, channel preferences, identifiers.

        A fact takes the place of one with the same path: a dislike that of a like, a date that of the date with the
        same label. A dependant gets an id unless it has one.

        Raises:
            NotFound: there is no such customer.
            Refusal: rule `identifier.taken`, another customer has that identifier.
            Invalid: rule `future`, `too-many`.

        >>> from crmkit import CRM, Dependant, ImportantDate, Interest, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> facts = Interest("coffee"), ImportantDate("wedding", "2015-06-20"), Dependant("Lia", born="2010-03")
        >>> ana = crm.customers.note(ana, *facts, source="customer", detail="visit of 3 May")
        >>> crm.customers.provenance(ana, "interests.coffee").detail
        'visit of 3 May'
        """
        found, learned = self.unit.act_on(Customer, customer), self._learned(source, detail)
        for fact in facts:
            if isinstance(fact, Identifier):
                self._refuse_taken(fact, but=found.id)
            named: Fact = fact
            if isinstance(fact, Dependant) and not fact.id:
                named = attrs.evolve(fact, id=self._new_id("dep"))
            found = self._saved(found, profile.note(found, named, learned=learned))
        return found

    @verb
    def forget(self, customer: Customer | str, *paths: str, reason: str = "") -> Customer:
        """Take facts away by their paths: noted ones such as `"interests.coffee"`, or a contact point.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `unknown-fact`.

        >>> from crmkit import CRM, Interest, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.note(crm.customers.register(Person("Ana Reyes")), Interest("coffee", "dislikes"))
        >>> crm.customers.forget(ana, "interests.coffee").interests
        ()
        """
        found = self.unit.act_on(Customer, customer)
        for path in paths:
            found = self.unit.save(profile.forget(found, path))
        return found

    @verb
    def set_attributes(
        self,
        customer: Customer | str,
        values: Mapping[str, object],
        *,
        source: Source = None,
        detail: str = "",
        reason: str = "",
    ) -> Customer:
        """Set attributes that the host has declared; None takes one away.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `unknown-attribute`, `required`, or those of the attribute's type.

        >>> from crmkit import CRM, Attribute, Person, field
        >>> crm = CRM.open("memory://", attributes=[Attribute("size", int)])
        >>> ana = crm.customers.set_attributes(crm.customers.register(Person("Ana Reyes")), {"size": 42})
        >>> [c.name for c in crm.customers.find(field("attributes.size") >= 40)]
        ['Ana Reyes']
        """
        u = self.unit
        found, known = u.act_on(Customer, customer), u.setting.declared.attributes
        return self._saved(found, profile.set_attributes(found, values, known, learned=self._learned(source, detail)))

    @verb
    def tag(
        self, customer: Customer | str, *tags: str, source: Source = None, detail: str = "", reason: str = ""
    ) -> Customer:
        """Put tags on a customer; those that are there already change nothing.

        Raises:
            NotFound: there is no such customer.
            Invalid: a tag is no code, see `crmkit.kernel.text`.

        >>> from crmkit import CRM, Person, field
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.tag(crm.customers.register(Person("Ana Reyes")), "vip", "50% off")
        >>> crm.customers.count(field("tag").has("50% off"))
        1
        """
        found = self.unit.act_on(Customer, customer)
        return self._saved(found, profile.tag(found, tags, learned=self._learned(source, detail)))

    @verb
    def untag(self, customer: Customer | str, *tags: str, reason: str = "") -> Customer:
        """Take tags off a customer; those that are not there change nothing.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), tags=["vip"])
        >>> sorted(crm.customers.untag(ana, "vip").tags)
        []
        """
        found = self.unit.act_on(Customer, customer)
        return self._saved(found, profile.untag(found, tags))

    @verb
    def set_locale(
        self,
        customer: Customer | str,
        *,
        language: str | None = None,
        zone: str | None = None,
        source: Source = None,
        detail: str = "",
        reason: str = "",
    ) -> Customer:
        """Set the language (BCP 47), the time zone (IANA) or both; the empty text takes one away.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `language` or `zone`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), language="en")
        >>> crm.customers.set_locale(ana, zone="Asia/Manila").zone
        'Asia/Manila'
        """
        found, learned = self.unit.act_on(Customer, customer), self._learned(source, detail)
        return self._saved(found, customers.set_locale(found, language=language, zone=zone, learned=learned))

    # finding

    @verb
    def get(self, customer: Customer | str) -> Customer:
        """Give a customer as it is now.

        Raises:
            NotFound: there is none of that id, or none that the actor may see.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> crm.customers.register(Person("Ana Reyes"), id="shop-17").id == crm.customers.get("shop-17").id
        True
        """
        return self.unit.get(Customer, customer)

    @verb
    def find(
        self, where: Where | None = None, *, order: Sequence[str] = (), limit: int = 100, after: str | None = None
    ) -> Listed[Customer]:
        """Give a page of the customers who meet a condition.

        Conditions are over the fields of `Customer` that hold one value, and over `name`, `email`, `phone`, `post`,
        `chat`, `social`, `identifier`, `likes`, `dislikes`, `tag`, `member` and `attributes.<name>`.

        Args:
            where: the condition; everybody if nothing is said.
            order: fields to sort by, such as `["sort_name"]` or `["-registered_at"]`.
            limit: how many on a page, at most 10,000.
            after: the `next` of the page before.

        Raises:
            Invalid: rule `unknown-field`, `type`, `cursor` and others of `crmkit.kernel.query`.

        >>> from crmkit import CRM, Organisation, field
        >>> crm = CRM.open("memory://")
        >>> acme = crm.customers.register(Organisation("Acme", legal_form="GmbH"))
        >>> [c.name for c in crm.customers.find(field("kind") == "organisation", order=["sort_name"])]
        ['Acme']
        """
        return self.unit.page(Customer, where, order=order, limit=limit, after=after)

    @verb
    def count(self, where: Where | None = None) -> int:
        """Tell how many customers meet a condition.

        Raises:
            Invalid: as `find`.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").customers.count()
        0
        """
        return self.unit.count(Customer, where)

    @verb
    def by_email(self, address: str) -> tuple[Customer, ...]:
        """Give all customers with an e-mail address, ended contact points included, however its case is written.

        Raises:
            Invalid: it is no e-mail address.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="Ana@Example.com")
        >>> [c.name for c in crm.customers.by_email("ana@example.com")]
        ['Ana Reyes']
        """
        return self.unit.find(Customer, field("email") == email_key(address))

    @verb
    def by_phone(self, number: str, *, country: str | None = None) -> tuple[Customer, ...]:
        """Give all customers with a telephone number, however it is spaced; `country` reads one without `+`.

        Raises:
            Invalid: it is no telephone number, or no country.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), phone="+63 917 555 0100")
        >>> [c.name for c in crm.customers.by_phone("0917 555-0100", country="PH")]
        ['Ana Reyes']
        """
        return self.unit.find(Customer, field("phone") == phone_key(number, country))

    @verb
    def by_identifier(self, scheme: str, value: str) -> Customer | None:
        """Give the customer whom others call so, or None.

        Raises:
            Invalid: scheme or value cannot be.

        >>> from crmkit import CRM, Identifier, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), identifiers=[Identifier("card", "77-1")])
        >>> crm.customers.by_identifier("card", "77-1").name
        'Ana Reyes'
        """
        return self.unit.first(Customer, field("identifier") == Identifier(scheme, value).key)

    @verb
    def by_name(self, text: str, *, limit: int = 100) -> tuple[Customer, ...]:
        """Give the customers of whose names, present or former, some word and what follows begins so; sorted by name.

        Case, width and composition of letters make no difference.

        Raises:
            Invalid: rule `empty`, or those of `search_key`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana María Reyes"))
        >>> [c.name for c in crm.customers.by_name("MARÍA R")]
        ['Ana María Reyes']
        """
        key = search_key(text)
        if not key:
            raise Invalid("text", "empty", "the beginning of a name", "nothing to search for")
        return self.unit.find(Customer, field("name").prefix(key), order=["sort_name"], limit=limit)

    @verb
    def households_of(self, person: Customer | str) -> tuple[Customer, ...]:
        """Give the households that a person belongs to.

        >>> from crmkit import CRM, Household, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> home = crm.customers.register(Household("Reyes family", members=(ana.id,)))
        >>> [h.name for h in crm.customers.households_of(ana)]
        ['Reyes family']
        """
        return self.unit.find(Customer, field("member") == _id_of(person))

    # questions

    @verb
    def provenance(self, customer: Customer | str, path: str) -> Provenance:
        """Tell where a fact comes from, and who verified it last.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `unknown-fact`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), source="event", detail="trade fair")
        >>> crm.customers.provenance(ana, "party.name").detail
        'trade fair'
        """
        return profile.provenance(self.unit.get(Customer, customer), path)

    @verb
    def facts(self, customer: Customer | str) -> Mapping[str, Provenance]:
        """Give every fact that is known of a customer, by its path, with its provenance.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> list(crm.customers.facts(crm.customers.register(Person("Ana Reyes"), language="en")))
        ['party.name', 'language']
        """
        return profile.facts(self.unit.get(Customer, customer))

    @verb
    def doubts(self, customer: Customer | str) -> tuple[str, ...]:
        """Say what of a profile can hardly be right, one sentence each: worth a question, no reason to refuse it.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> crm.customers.doubts(crm.customers.register(Person("Ana Reyes", born="1990")))
        ()
        """
        return customers.doubts(self.unit.get(Customer, customer), at=self.unit.at)

    @verb
    def name_at(self, customer: Customer | str, at: datetime) -> str:
        """Tell what name a customer went by at a moment; before the first one that is known, that.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> crm.customers.name_at(crm.customers.rename(ana, "Ana Cruz"), ana.registered_at)
        'Ana Reyes'
        """
        return customers.name_at(self.unit.get(Customer, customer), at)

    @verb
    def facts_older_than(self, customer: Customer | str, moment: datetime) -> Mapping[str, Provenance]:
        """Give the facts of a customer that were neither learned nor verified since a moment, the oldest first.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> list(crm.customers.facts_older_than(ana, ana.registered_at))
        []
        """
        return profile.facts_older_than(self.unit.get(Customer, customer), moment)

    @verb
    def contact_for(
        self,
        customer: Customer | str,
        means: Means,
        *,
        purpose: ContactPurpose | str | None = None,
        soliciting: bool = False,
    ) -> ContactPoint | None:
        """Choose the contact point by which to reach a customer now; None if there is none. See `reach.contact_for`.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Means, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com")
        >>> crm.customers.contact_for(ana, Means.EMAIL).address
        'ana@example.com'
        """
        found = self.unit.get(Customer, customer)
        return reach.contact_for(found, means, at=self.unit.at, purpose=purpose, soliciting=soliciting)

    @verb
    def channel_choices(self, customer: Customer | str, *, soliciting: bool = False) -> tuple[ChannelChoice, ...]:
        """Give the channels on which a customer can be reached now, the best first, each with its reasons.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, ChannelPreference, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com", phone="+63 917 555 0100")
        >>> ana = crm.customers.note(ana, ChannelPreference("phone", "avoided"), ChannelPreference("sms", "preferred"))
        >>> [str(c.channel) for c in crm.customers.channel_choices(ana)]
        ['sms', 'email', 'audio-call', 'phone']
        """
        return reach.channel_choices(self.unit.get(Customer, customer), at=self.unit.at, soliciting=soliciting)

    # what the verbs share

    def _learned(self, source: Source, detail: str) -> Provenance:
        u = self.unit
        said = source if source is not None else (SourceKind.CUSTOMER if u.by.startswith(PORTAL) else SourceKind.STAFF)
        return Provenance(at=u.at, by=u.by, source=said, detail=detail)

    def _named(self, contacts: Iterable[ContactPoint]) -> list[ContactPoint]:
        """Give each contact point an id unless it has one."""
        return [
            c if c.id else attrs.evolve(c, id=self._new_id("ctp")) for c in all_of("contacts", contacts, ContactPoint)
        ]

    def _new_id(self, prefix: str) -> str:
        return self.unit.setting.new_id(prefix, self.unit.at)

    def _saved(self, found: Customer, change: Change[Customer] | None) -> Customer:
        return found if change is None else self.unit.save(change)

    def _refuse_taken(self, wanted: Identifier, *, but: str | None = None) -> None:
        holders = self.unit.find(Customer, field("identifier") == wanted.key, limit=2, hidden_too=True)
        if any(h.id != but for h in holders):
            reasons = [f"another customer has this identifier of the scheme {wanted.scheme}"]
            raise Refusal(f"identifier of {wanted.scheme}", "identifier.taken", reasons, ["by_identifier"])


def _id_of(which: Customer | ContactPoint | str) -> str:
    return which if isinstance(which, str) else which.id
