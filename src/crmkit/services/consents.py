"""Consents: the verbs of what customers have agreed to and objected to, and what may be done therefore."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from crmkit.domain import consents
from crmkit.domain.consents import CONFIRM_WITHIN, NO_PROOF, Consent, ConsentStatus, Decision, LegalBasis, Proof, Scope
from crmkit.domain.customers.contact_points import ContactPoint
from crmkit.domain.customers.customer import Customer
from crmkit.domain.words import Channel, Purpose
from crmkit.kernel.query import Where, everything, field
from crmkit.services.unit import Service, verb


class Consents(Service):
    """What customers have agreed to, refused and objected to: an append-only log, and the answer for any moment.

    Every entry is about a purpose, a channel and a contact point; a channel or contact point that is not named is any.
    How they resolve is told at `crmkit.domain.consents.effective`. An actor from whom the host's policy hides entries
    gets answers without them.
    """

    # entering

    @verb
    def grant(
        self,
        customer: Customer | str,
        purpose: Purpose | str,
        channel: Channel | None = None,
        contact_point: ContactPoint | str | None = None,
        *,
        basis: LegalBasis = LegalBasis.CONSENT,
        proof: Proof = NO_PROOF,
        captured_at: datetime | None = None,
        effective_from: datetime | None = None,
        effective_until: datetime | None = None,
        reason: str = "",
    ) -> Consent:
        """Enter that a customer says yes, or that another legal basis carries the contact.

        Args:
            customer: whose yes it is.
            purpose: what for.
            channel: how; None is any.
            contact_point: to which address; None is any.
            basis: the legal basis.
            proof: how the yes can be shown later.
            captured_at: when it was said, if not now.
            effective_from: from when it holds, if not at once.
            effective_until: until when it holds, if not for good.
            reason: why, for the audit trail.

        Raises:
            NotFound: there is no such customer.
            Refusal: rule `consent.basis`, the purpose cannot rest on that basis.
            Invalid: rule `unknown-contact`, `future`, `before-captured`, `end-before-start`, or a value cannot be.

        >>> from crmkit import CRM, Channel, Person, Proof, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com")
        >>> form = Proof(source="web form", wording="I agree to receive news.", wording_version="2026-01", locale="en")
        >>> entry = crm.consents.grant(ana, Purpose.MARKETING, Channel.EMAIL, proof=form)
        >>> bool(crm.consents.state(ana, Purpose.MARKETING, Channel.EMAIL))
        True
        >>> bool(crm.consents.state(ana, Purpose.MARKETING, Channel.PHONE))
        False
        """
        return self._enter(
            customer,
            ConsentStatus.GRANTED,
            purpose,
            channel,
            contact_point,
            basis=basis,
            proof=proof,
            captured_at=captured_at,
            effective_from=effective_from,
            effective_until=effective_until,
        )

    @verb
    def deny(
        self,
        customer: Customer | str,
        purpose: Purpose | str,
        channel: Channel | None = None,
        contact_point: ContactPoint | str | None = None,
        *,
        proof: Proof = NO_PROOF,
        captured_at: datetime | None = None,
        effective_from: datetime | None = None,
        effective_until: datetime | None = None,
        reason: str = "",
    ) -> Consent:
        """Enter that a customer says no, for good or until a moment.

        Raises:
            NotFound: there is no such customer.
            Invalid: as `grant`.

        >>> from crmkit import CRM, Channel, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> entry = crm.consents.deny(ana, Purpose.SERVICE, Channel.PHONE)
        >>> str(crm.consents.state(ana, Purpose.SERVICE, Channel.PHONE).why)
        'denied'
        """
        return self._enter(
            customer,
            ConsentStatus.DENIED,
            purpose,
            channel,
            contact_point,
            proof=proof,
            captured_at=captured_at,
            effective_from=effective_from,
            effective_until=effective_until,
        )

    @verb
    def withdraw(
        self,
        customer: Customer | str,
        purpose: Purpose | str,
        channel: Channel | None = None,
        contact_point: ContactPoint | str | None = None,
        *,
        cause: str = "",
        proof: Proof = NO_PROOF,
        captured_at: datetime | None = None,
        effective_from: datetime | None = None,
        reason: str = "",
    ) -> Consent:
        """Enter that a customer takes a yes back. It ends every earlier yes of the same or narrower reach.

        Raises:
            NotFound: there is no such customer.
            Invalid: as `grant`.

        >>> from crmkit import CRM, Channel, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> yes = crm.consents.grant(ana, Purpose.MARKETING, Channel.EMAIL)
        >>> no = crm.consents.withdraw(ana, Purpose.MARKETING)
        >>> str(crm.consents.state(ana, Purpose.MARKETING, Channel.EMAIL).why)
        'withdrawn'
        """
        return self._enter(
            customer,
            ConsentStatus.WITHDRAWN,
            purpose,
            channel,
            contact_point,
            cause=cause,
            proof=proof,
            captured_at=captured_at,
            effective_from=effective_from,
        )

    @verb
    def suppress(
        self,
        customer: Customer | str,
        cause: str,
        *,
        purpose: Purpose | str | None = None,
        channel: Channel | None = None,
        contact_point: ContactPoint | str | None = None,
        proof: Proof = NO_PROOF,
        effective_until: datetime | None = None,
        reason: str = "",
    ) -> Consent:
        """Enter that a customer must not be contacted, whatever was granted: an objection, a bounce, a block by hand.

        What is left open is any; with nothing named there is no contact at all. No later yes ends it, only `lift` does.

        Raises:
            NotFound: there is no such customer.
            Invalid: as `grant`.

        >>> from crmkit import CRM, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com")
        >>> entry = crm.consents.suppress(ana, "bounced", contact_point=ana.contacts[0])
        >>> bool(crm.consents.state(ana, Purpose.SERVICE, contact_point=ana.contacts[0]))
        False
        """
        return self._enter(
            customer,
            ConsentStatus.SUPPRESSED,
            purpose,
            channel,
            contact_point,
            cause=cause,
            proof=proof,
            effective_until=effective_until,
        )

    @verb
    def lift(
        self,
        customer: Customer | str,
        cause: str,
        *,
        purpose: Purpose | str | None = None,
        channel: Channel | None = None,
        contact_point: ContactPoint | str | None = None,
        proof: Proof = NO_PROOF,
        reason: str = "",
    ) -> Consent:
        """End every earlier suppression of the same or narrower reach. It grants nothing by itself.

        Raises:
            NotFound: there is no such customer.
            Invalid: as `grant`.

        >>> from crmkit import CRM, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> crm.consents.suppress(ana, "asked to be left alone").cause
        'asked to be left alone'
        >>> lifted = crm.consents.lift(ana, "called and wants to hear from us")
        >>> bool(crm.consents.state(ana, Purpose.SERVICE)), bool(crm.consents.state(ana, Purpose.MARKETING))
        (True, False)
        """
        return self._enter(customer, ConsentStatus.LIFTED, purpose, channel, contact_point, cause=cause, proof=proof)

    @verb
    def request_double_opt_in(
        self,
        customer: Customer | str,
        purpose: Purpose | str,
        channel: Channel | None = None,
        contact_point: ContactPoint | str | None = None,
        *,
        proof: Proof = NO_PROOF,
        within: timedelta = CONFIRM_WITHIN,
        reason: str = "",
    ) -> Consent:
        """Begin a double opt-in: nothing is granted until it is confirmed, within seven days unless told otherwise.

        The id of the entry cannot be guessed: put it into the link that the customer clicks.

        Raises:
            NotFound: there is no such customer.
            Invalid: as `grant`.

        >>> from crmkit import CRM, Channel, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com")
        >>> request = crm.consents.request_double_opt_in(ana, Purpose.MARKETING, Channel.EMAIL, ana.contacts[0])
        >>> bool(crm.consents.state(ana, Purpose.MARKETING, Channel.EMAIL, ana.contacts[0]))
        False
        """
        return self._enter(
            customer,
            ConsentStatus.REQUESTED,
            purpose,
            channel,
            contact_point,
            proof=proof,
            effective_until=self.unit.at + within,
        )

    @verb
    def confirm_double_opt_in(self, request: Consent | str, *, evidence: str = "", reason: str = "") -> Consent:
        """Confirm a double opt-in: the yes is entered, with when it was confirmed. It can be done once.

        Raises:
            NotFound: there is no such entry.
            Invalid: rule `unknown-request`, the entry is no request.
            Refusal: rule `consent.already-confirmed`, `consent.request-expired`, or `consent.refused-since`, the
                customer has said no after the request.

        >>> from crmkit import CRM, Channel, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), email="ana@example.com")
        >>> request = crm.consents.request_double_opt_in(ana, Purpose.MARKETING, Channel.EMAIL)
        >>> entry = crm.consents.confirm_double_opt_in(request.id)
        >>> bool(crm.consents.state(ana, Purpose.MARKETING, Channel.EMAIL))
        True
        """
        u = self.unit
        asked = u.act_on(Consent, request)
        log = u.find(Consent, field("customer") == asked.customer, hidden_too=True)
        return u.save(consents.confirm(log, asked.id, at=u.at, id=u.new_id(Consent), by=u.by, evidence=evidence))

    # asking

    @verb
    def state(
        self,
        customer: Customer | str,
        purpose: Purpose | str,
        channel: Channel | None = None,
        contact_point: ContactPoint | str | None = None,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Decision:
        """Tell whether a customer may be contacted, now or at any moment, and why.

        Args:
            customer: the customer.
            purpose: what for.
            channel: how; None asks in general.
            contact_point: to which address; None asks in general.
            at: the moment, if not now.
            known_at: leave out what was entered later.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> crm.consents.state(ana, Purpose.SERVICE).reasons
        ('service is allowed until the customer objects',)
        """
        u = self.unit
        found, point = u.get(Customer, customer), _id_of(contact_point)
        where = everything(
            field("customer") == found.id,
            _about(purpose, channel),
            field("contact_point").in_(dict.fromkeys((point, None))),
        )
        log = u.find(Consent, where, hidden_too=True)
        return consents.effective(log, purpose, channel, point, at=at or u.at, known_at=known_at)

    @verb
    def permitted(
        self,
        customers: Iterable[Customer | str],
        purpose: Purpose | str,
        channel: Channel | None = None,
        contact_points: Mapping[str, str] | None = None,
        *,
        at: datetime | None = None,
    ) -> dict[str, Decision]:
        """Tell for many customers at once who may be contacted, in one query, by their ids.

        Args:
            customers: the customers, at most 10,000; of an id that there is not, the default is told.
            purpose: what for.
            channel: how.
            contact_points: by customer, the id of the contact point that would be used.
            at: the moment, if not now.

        Raises:
            Invalid: rule `too-many`, there are more than 10,000 customers, or entries about them.

        >>> from crmkit import CRM, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"), id="ana")
        >>> yes = crm.consents.grant(ana, Purpose.MARKETING)
        >>> {who: bool(answer) for who, answer in crm.consents.permitted(["ana", "ben"], Purpose.MARKETING).items()}
        {'ana': True, 'ben': False}
        """
        u = self.unit
        ids = tuple(dict.fromkeys(c if isinstance(c, str) else c.id for c in customers))
        logs: dict[str, list[Consent]] = {i: [] for i in ids}
        for entry in u.find(Consent, field("customer").in_(ids) & _about(purpose, channel)):
            logs[entry.customer].append(entry)
        points = contact_points or {}
        moment = at or u.at
        return {i: consents.effective(log, purpose, channel, points.get(i), at=moment) for i, log in logs.items()}

    @verb
    def history(self, customer: Customer | str) -> tuple[Consent, ...]:
        """Give the whole log of a customer, in the order in which it was entered.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Person, Purpose
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> yes, no = crm.consents.grant(ana, Purpose.RESEARCH), crm.consents.withdraw(ana, Purpose.RESEARCH)
        >>> [str(entry.status) for entry in crm.consents.history(ana)]
        ['granted', 'withdrawn']
        """
        whom = self.unit.get(Customer, customer).id
        return self.unit.find(Consent, field("customer") == whom, order=["number"])

    # what the verbs share

    def _enter(
        self,
        customer: Customer | str,
        status: ConsentStatus,
        purpose: Purpose | str | None,
        channel: Channel | None,
        contact_point: ContactPoint | str | None,
        *,
        basis: LegalBasis = LegalBasis.CONSENT,
        proof: Proof = NO_PROOF,
        cause: str = "",
        captured_at: datetime | None = None,
        effective_from: datetime | None = None,
        effective_until: datetime | None = None,
    ) -> Consent:
        u = self.unit
        found, point = u.get(Customer, customer), _id_of(contact_point)
        if point is not None:
            found.contact(point)
        last = u.first(Consent, field("customer") == found.id, order=["-number"], hidden_too=True)
        change = consents.enter(
            found.id,
            1 if last is None else last.number + 1,
            status,
            Scope(purpose=purpose, channel=channel, contact_point=point),
            at=u.at,
            id=u.new_id(Consent),
            by=u.by,
            basis=basis,
            proof=proof,
            cause=cause,
            captured_at=captured_at,
            effective_from=effective_from,
            effective_until=effective_until,
        )
        return u.save(change, at=change.record.effective_from)


def _id_of(contact_point: ContactPoint | str | None) -> str | None:
    return contact_point.id if isinstance(contact_point, ContactPoint) else contact_point


def _about(purpose: Purpose | str, channel: Channel | None) -> Where:
    """Entries that could speak of a purpose on a channel."""
    return field("purpose").in_([purpose, None]) & field("channel").in_(dict.fromkeys((channel, None)))
