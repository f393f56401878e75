"""Customers: who we deal with, from the registration on, by the name they go by.

The concept is told in several modules: `parties`, `contact_points`, `attributes` and `facts` have the values that a
profile is made of; this one has the record; `profile` (noting, verifying and taking away facts), `reach` (by which
address and on which channel) and `households` have more events and rules of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial, reduce
from typing import Annotated, Any

import attrs
from attrs import frozen

from crmkit.domain.customers.attributes import Attribute, AttributeValue, attribute_keys, keys_of, with_values
from crmkit.domain.customers.contact_points import ContactPoint, joined
from crmkit.domain.customers.facts import (
    ChannelPreference,
    Dependant,
    FormerName,
    Identifier,
    ImportantDate,
    Interest,
    Provenance,
    SourceKind,
    all_of,
    check_names,
    local_day,
    not_to_come,
    relearned,
)
from crmkit.domain.customers.parties import Household, Party, PartyKind, Person, kind_of, name_keys
from crmkit.domain.words import happened
from crmkit.errors import Invalid, Refusal, redacted
from crmkit.kernel import addresses
from crmkit.kernel.checks import AtMost, Code, Id, Line, Personal
from crmkit.kernel.dates import PartialDate, instant
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.query import Typed
from crmkit.kernel.record import Change, Event, Key, Record, change, create, event, record
from crmkit.kernel.text import search_key

# words

OLDEST = 122
"""Years of the longest human life that is documented (Jeanne Calment); who was born before them is doubted."""


Contacts = Annotated[tuple[ContactPoint, ...], AtMost(100)]
Identifiers = Annotated[tuple[Identifier, ...], AtMost(50)]
Dates = Annotated[tuple[ImportantDate, ...], AtMost(100)]
Dependants = Annotated[tuple[Dependant, ...], AtMost(50)]
Interests = Annotated[tuple[Interest, ...], AtMost(500)]
Channels = Annotated[tuple[ChannelPreference, ...], AtMost(20)]
Attributes = Annotated[FrozenDict[AttributeValue], AtMost(200)]
Tags = Annotated[frozenset[Annotated[str, Code(80)]], AtMost(200)]
FormerNames = Annotated[tuple[FormerName, ...], AtMost(100)]
Learned = Annotated[FrozenDict[Provenance], AtMost(1_300)]
Language = Annotated[str, Line(35, empty=True)]
Zone = Annotated[str, Line(40, empty=True)]
Actor = Annotated[str, Line(120)]
Detail = Annotated[str, Line(empty=True)]
Path = Annotated[str, Line(120)]

# records


def search_keys(customer: Customer) -> list[Key]:
    """Give what a customer is found by, beside the columns."""
    keys: list[Key] = []
    if customer.party is not None:
        names = (customer.party.name, *(f.name for f in customer.former_names))
        keys += [("name", k) for name in names for k in name_keys(name)]
        if isinstance(customer.party, Household):
            keys += [("member", m) for m in customer.party.members]
    keys += [(c.means.value, c.key) for c in customer.contacts]
    keys += [("identifier", i.key) for i in customer.identifiers]
    keys += [(i.liking.value, search_key(i.topic)) for i in customer.interests]
    keys += [("tag", t) for t in customer.tags]
    return keys + keys_of(customer.attributes)


@record(
    "customer",
    customer="id",
    keys=search_keys,
    key_names=(
        "name",
        "email",
        "phone",
        "post",
        "chat",
        "social",
        "identifier",
        "likes",
        "dislikes",
        "tag",
        "member",
        "attributes.*",
    ),
    indexes=[("sort_name",), ("registered_at",), ("referrer",)],
)
@frozen(kw_only=True)
class Customer(Record):
    """A customer, as far as it is known.

    Attributes:
        party: the person, organisation or household; None if the customer is anonymous.
        kind: which of these; set from the party.
        sort_name: the search key that lists are sorted by; set from the party.
        registered_at, registered_by: when and by whom the customer was registered.
        source, source_detail: where the customer came from.
        referrer: the id of the customer who referred this one.
        language: the language they want to be spoken to in (BCP 47), or empty.
        zone: the time zone they live in (IANA), or empty.
        contacts: how they are reached, the ended contact points too.
        identifiers: what others call them.
        dates: important dates.
        dependants: whom they care for.
        interests: what they like and dislike.
        channels: which channels they prefer or avoid.
        attributes: the facts that the host declares.
        tags: words of the host's own.
        former_names: earlier names, the oldest first.
        learned: by path, the provenance of facts that were learned or verified after the registration.
    """

    party: Personal[Party | None] = None
    kind: PartyKind = PartyKind.ANONYMOUS
    sort_name: Personal[Annotated[str, Line(empty=True)]] = ""
    registered_at: datetime
    registered_by: Actor
    source: SourceKind | str = SourceKind.STAFF
    source_detail: Personal[Detail] = ""
    referrer: Id | None = None
    language: Language = ""
    zone: Zone = ""
    contacts: Personal[Contacts] = ()
    identifiers: Personal[Identifiers] = ()
    dates: Personal[Dates] = ()
    dependants: Personal[Dependants] = ()
    interests: Personal[Interests] = ()
    channels: Personal[Channels] = ()
    attributes: Personal[Attributes] = FrozenDict[AttributeValue]()  # noqa: RUF009 - it cannot change
    tags: Personal[Tags] = frozenset()
    former_names: Personal[FormerNames] = ()
    learned: Personal[Learned] = FrozenDict[Provenance]()  # noqa: RUF009

    def __agree__(self) -> None:
        """Set what follows from the party."""
        party = self.party
        object.__setattr__(self, "kind", kind_of(party))
        object.__setattr__(self, "sort_name", "" if party is None else party.sort_name[:200])

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody knows who the customer is."""
        return self.party is None

    @property
    def name(self) -> str:
        """The name the customer goes by now; empty if anonymous."""
        return "" if self.party is None else self.party.name

    def contact(self, id: str) -> ContactPoint:  # noqa: A002
        """Give one of the contact points.

        Raises:
            Invalid: rule `unknown-contact`.
        """
        for each in self.contacts:
            if each.id == id:
                return each
        raise Invalid("contact", "unknown-contact", f"the id of a contact point of customer {self.id}", redacted(id))


# events


@event("customer.registered")
@frozen(kw_only=True)
class CustomerRegistered(Event[Customer]):
    """Somebody became known as a customer, or an anonymous buyer did."""

    party: Personal[Party | None]
    registered_at: datetime
    registered_by: Actor
    source: SourceKind | str
    source_detail: Personal[Detail]
    referrer: Id | None
    language: Language
    zone: Zone
    contacts: Personal[Contacts]
    identifiers: Personal[Identifiers]
    attributes: Personal[Attributes]
    tags: Personal[Tags]

    def __agree__(self) -> None:
        """Hold language and zone to what there is."""
        _check_locale(self.language, self.zone)


@event("customer.renamed")
@frozen(kw_only=True)
class CustomerRenamed(Event[Customer]):
    """A customer goes by another name; the one before stays findable."""

    party: Personal[Party | None]
    former_names: Personal[FormerNames]
    learned: Personal[Learned]


@event("customer.party-changed")
@frozen(kw_only=True)
class PartyChanged(Event[Customer]):
    """Facts about the party itself were added or put right; `facts` are their paths."""

    party: Personal[Party | None]
    learned: Personal[Learned]
    facts: tuple[Path, ...]


@event("customer.locale-changed")
@frozen(kw_only=True)
class LocaleChanged(Event[Customer]):
    """The customer's language or time zone was set."""

    language: Language
    zone: Zone
    learned: Personal[Learned]

    def __agree__(self) -> None:
        """Hold language and zone to what there is."""
        _check_locale(self.language, self.zone)


# rules


def register(
    party: Party | None,
    *,
    id: str,  # noqa: A002
    learned: Provenance,
    contacts: Iterable[ContactPoint] = (),
    identifiers: Iterable[Identifier] = (),
    attributes: Mapping[str, object] | None = None,
    known: Mapping[str, Attribute] | None = None,
    tags: Iterable[str] = (),
    language: str = "",
    zone: str = "",
    referrer: str | None = None,
    since: datetime | None = None,
) -> Change[Customer]:
    """Make a customer of a party, or of somebody unknown (None).

    `learned` tells when, by whom and from where, `since` from when they were a customer if not from then on; `known`
    are the attributes that the host declares.

    Raises:
        Invalid: a value cannot be; rules `future` for a birthday or `since`, `required` for an attribute that is
            missing, `self-reference` for a customer who refers himself.
        Refusal: rule `contact.duplicate`, two contact points are the same.

    >>> from datetime import UTC
    >>> told = Provenance(at=datetime(2026, 1, 1, tzinfo=UTC), by="rep-lito", source=SourceKind.EVENT)
    >>> register(Person("Ana Reyes"), id="cus_1", learned=told).record.source
    <SourceKind.EVENT: 'event'>
    """
    if referrer is not None and referrer == id:
        raise Invalid("referrer", "self-reference", "the id of another customer", "the customer's own")
    values = with_values(FrozenDict[AttributeValue](), attributes or {}, known or {})
    missing = [n for n, a in (known or {}).items() if a.required and n not in values]
    if missing and party is not None:
        field = f"attributes.{missing[0]}"
        raise Invalid(field, "required", "a value: the host requires it of every customer", "nothing")
    told = CustomerRegistered(
        party=party,
        registered_at=learned.at if since is None else happened("since", since, at=learned.at),
        registered_by=learned.by,
        source=learned.source,
        source_detail=learned.detail,
        referrer=referrer,
        language=language,
        zone=zone,
        contacts=reduce(partial(joined, at=learned.at), all_of("contacts", contacts, ContactPoint), ()),
        identifiers=tuple(dict.fromkeys(all_of("identifiers", identifiers, Identifier))),
        attributes=values,
        tags=frozenset(all_of("tags", tags, str)),
    )
    if party is not None:
        _check_born(party, learned.at, told.zone)
    return create(id, told)


def reveal(customer: Customer, party: Party, *, learned: Provenance) -> Change[Customer]:
    """Say who an anonymous customer is.

    Raises:
        Refusal: rule `customer.known`, the customer is not anonymous.
        Invalid: rule `future`, as in `register`.
    """
    if customer.party is not None:
        reasons = [f"it is a {customer.kind} already, and stays one"]
        raise Refusal(f"customer {customer.id}", "customer.known", reasons, ["rename", "correct"])
    _check_born(party, learned.at, customer.zone)
    paths = party_paths(party)
    news = relearned(customer.learned, dict.fromkeys(paths, True), learned)
    return change(customer, PartyChanged(party=party, learned=news, facts=paths))


def rename(
    customer: Customer,
    name: str,
    *,
    learned: Provenance,
    given: str = "",
    family: str = "",
    other: str = "",
    as_of: datetime | None = None,
) -> Change[Customer] | None:
    """Give a customer another name, and keep the one before with from when until when it was theirs.

    The parts of a person's old name do not stay, those that are given are the new name's. `as_of` is when it became
    the name, if that is not when it was learned. A spelling mistake is for `correct`, which keeps no history. None: it
    is the name already.

    Raises:
        Refusal: rule `customer.anonymous`.
        Invalid: rule `unknown-fact` for parts of the name of what is no person; `out-of-order` for an `as_of` that is
            to come, or before the name that it ends.
    """
    party = _party_of(customer)
    parts = {n: v for n, v in (("given", given), ("family", family), ("other", other)) if v}
    if type(name) is str and name == party.name:
        return correct(customer, parts, learned=learned)
    if isinstance(party, Person):
        renamed: Party = attrs.evolve(party, name=name, given=given, family=family, other=other)
    else:
        check_names("party", parts, ["name"])
        renamed = attrs.evolve(party, name=name)
    since = customer.former_names[-1].valid_until if customer.former_names else customer.registered_at
    until = learned.at if as_of is None else instant("as_of", as_of)
    if not since <= until <= learned.at:
        raise Invalid("as_of", "out-of-order", "an instant after the present name began, and not to come", "another")
    former = FormerName(name=party.name, valid_from=since, valid_until=until)
    names = {p: p in party_paths(renamed) for p in ("party.name", "party.given", "party.family", "party.other")}
    news = relearned(customer.learned, names, learned)
    told = CustomerRenamed(party=renamed, former_names=(*customer.former_names, former), learned=news)
    return change(customer, told)


def correct(customer: Customer, facts: Mapping[str, Any], *, learned: Provenance) -> Change[Customer] | None:
    """Put facts about the party right or add them, by their names: `{"born": "1990-05-01", "title": "Dr"}`.

    None: they are as given already. A wrong name is corrected without a trace in the name history; a new one is given
    by `rename`.

    Raises:
        Refusal: rule `customer.anonymous`.
        Invalid: rule `unknown-fact`, the party has no such fact, or it is `members`, which has rules of its own;
            `future`, as in `register`.
    """
    party = _party_of(customer)
    check_names("party", facts, [f.name for f in attrs.fields(type(party)) if f.name != "members"])
    corrected: Party = attrs.evolve(party, **facts)
    _check_born(corrected, learned.at, customer.zone)
    paths = tuple(f"party.{n}" for n in facts if getattr(corrected, n) != getattr(party, n))
    if not paths:
        return None
    news = relearned(customer.learned, {p: p in party_paths(corrected) for p in paths}, learned)
    return change(customer, PartyChanged(party=corrected, learned=news, facts=paths))


def set_locale(
    customer: Customer, *, language: str | None = None, zone: str | None = None, learned: Provenance
) -> Change[Customer] | None:
    """Set language, time zone or both; the empty text takes one away. None: they are as given already.

    Raises:
        Invalid: rules `language` and `zone`.
    """
    given = {"language": language, "zone": zone}
    new = {n: v for n, v in given.items() if v is not None and v != getattr(customer, n)}
    if not new:
        return None
    after = {"language": customer.language, "zone": customer.zone, **new}
    news = relearned(customer.learned, {n: bool(v) for n, v in new.items()}, learned)
    return change(customer, LocaleChanged(language=after["language"], zone=after["zone"], learned=news))


def _party_of(customer: Customer) -> Party:
    if customer.party is None:
        raise Refusal(f"customer {customer.id}", "customer.anonymous", ["nobody knows who it is"], ["reveal"])
    return customer.party


def _check_locale(language: str, zone: str) -> None:
    if language:
        addresses.language("Customer.language", language)
    if zone:
        addresses.zone("Customer.zone", zone)


def _check_born(party: Party, at: datetime, zone: str) -> None:
    if isinstance(party, Person):
        not_to_come("Person.born", party.born, at=at, zone=zone)


# questions


def party_paths(party: Party) -> tuple[str, ...]:
    """Give the paths of the facts that are known of a party.

    >>> party_paths(Person("Ana Reyes", title="Dr"))
    ('party.name', 'party.title')
    """
    return tuple(f"party.{f.name}" for f in attrs.fields(type(party)) if getattr(party, f.name))


def name_at(customer: Customer, at: datetime) -> str:
    """Tell what name the customer went by at a moment; before the first one that is known, that."""
    return next((f.name for f in customer.former_names if at < f.valid_until), customer.name)


def doubts(customer: Customer, *, at: datetime) -> tuple[str, ...]:
    """Say what of a profile can hardly be right, one sentence each: worth a question, no reason to refuse it."""
    born = customer.party.born if isinstance(customer.party, Person) else None
    latest = born.latest if born else None  # of a year alone, its last day: who may be younger is not doubted
    age = PartialDate.of(latest).age(local_day(at, customer.zone)) if latest else None
    if age is None or age <= OLDEST:
        return ()
    return (f"party.born makes an age of {age} years, more than the {OLDEST} that are documented of anybody",)


def differences(customer: Customer, draft: Customer) -> tuple[str, ...]:
    """Name the fields in which a customer differs from the draft of a registration; ids of contacts do not count."""
    told = [n for n in CustomerRegistered.__event__.sets if n not in ("registered_at", "registered_by")]

    def said(record: Customer, name: str) -> object:
        value = getattr(record, name)
        return [attrs.evolve(c, id="") for c in value] if name == "contacts" else value

    return tuple(n for n in told if said(customer, n) != said(draft, n))


def typed_keys(known: Mapping[str, Attribute]) -> Mapping[str, Typed]:
    """Give the search keys that a query may compare with values as people write them, and declared attributes.

    >>> typed_keys({})["email"]("email", "Ana@Example.com")
    'ana@example.com'
    """
    return {**{name: _folded(fold) for name, fold in _FOLDS.items()}, **attribute_keys(known)}


_FOLDS: Mapping[str, Callable[[str], str]] = {
    "name": search_key,
    "email": addresses.email_key,
    "phone": addresses.phone_key,
    "post": search_key,
    "chat": addresses.handle_key,
    "social": addresses.handle_key,
    "likes": search_key,
    "dislikes": search_key,
}


def _folded(fold: Callable[[str], str]) -> Typed:
    return lambda _, value: fold(value)
