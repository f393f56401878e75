"""Permission: whether the company may make a contact, by consent and by the rules of the customer's relationships."""

from __future__ import annotations

from datetime import datetime

from crmkit.domain import consents
from crmkit.domain.consents import Consent
from crmkit.domain.customers.customer import Customer
from crmkit.domain.interactions.frequency import Objection, Permission
from crmkit.domain.purchases import Purchase, PurchaseStatus
from crmkit.domain.relationships.relationship import Relationship, check_contact
from crmkit.domain.words import Contact, Direction, Purpose
from crmkit.errors import Refusal
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import field
from crmkit.services.ties import as_it_is, known
from crmkit.services.unit import Unit


def judged(
    u: Unit, customer: Customer, contact: Contact, about: Ref | None, *, at: datetime, contact_point: str | None = None
) -> Permission:
    """Ask the customer's consent, and the relationships that a contact may belong to: one that allows it is enough.

    Args:
        u: the unit.
        customer: with whom.
        contact: what is about to take place.
        about: what it is about; a relationship that is named here is the only one that is asked.
        at: when it takes place.
        contact_point: the id of the address that would be used.
    """
    log = u.find(Consent, field("customer") == customer.id, hidden_too=True)
    decision = consents.effective(log, contact.purpose, contact.channel, contact_point, at=at)
    asked = (as_it_is(u, tie) for tie in lasting(u, customer.id) if _concerns(about, tie))
    ties = [(tie, rules) for tie, rules in asked if tie.ended is None]
    if not ties:
        if decision.allowed or contact.purpose is Purpose.TRANSACTION:
            return Permission(allowed=True, reasons=(*decision.reasons, "no relationship speaks against it"))
        return Permission(allowed=False, objections=(Objection("consent", decision.reasons, ("ask for consent",)),))
    still_open = (field("customer") == customer.id) & (field("status") == PurchaseStatus.OPEN)
    transactions = [each.id for each in u.find(Purchase, still_open, hidden_too=True)]
    traits = known(customer).traits
    objections: list[Objection] = []
    for tie, rules in ties:
        try:
            reasons = check_contact(
                tie,
                rules,
                contact,
                consent=decision.said,
                open_transactions=transactions,
                traits=traits,
                at=at,
            )
        except Refusal as refusal:
            objections.append(Objection(refusal.rule, refusal.reasons, refusal.instead))
        else:
            return Permission(allowed=True, reasons=reasons)
    return Permission(allowed=False, objections=tuple(objections))


def refuse_unless_allowed(
    u: Unit, customer: Customer, contact: Contact, about: Ref | None, *, at: datetime | None
) -> None:
    """Refuse an outbound contact that consent or every relationship speaks against; customers may always come.

    Raises:
        Refusal: by the rule of the first objection, with the reasons of all.
    """
    if contact.direction is not Direction.OUTBOUND:
        return
    permission = judged(u, customer, contact, about, at=at or u.at)
    if not permission.allowed:
        first = permission.objections[0]
        reasons = tuple(reason for each in permission.objections for reason in each.reasons)
        raise Refusal(f"customer {customer.id}", first.rule, reasons, first.instead)


def lasting(u: Unit, customer: str) -> tuple[Relationship, ...]:
    """Give the relationships of a customer that have not ended, the oldest first."""
    where = (field("customer") == customer) & (field("ended") == None)  # noqa: E711 - it builds a condition
    return u.find(Relationship, where, order=("began",), hidden_too=True)


def _concerns(about: Ref | None, tie: Relationship) -> bool:
    return about is None or about.kind != Relationship.__kind__.name or about.id == tie.id
