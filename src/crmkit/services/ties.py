"""Ties: how verbs and reactions get at relationships: as time has left them, in the lifecycle's current version."""

from __future__ import annotations

from datetime import datetime

from crmkit.domain.customers.customer import Customer
from crmkit.domain.relationships import moves, proofs
from crmkit.domain.relationships import relationship as relationships
from crmkit.domain.relationships.evidence import Bought, Evidence
from crmkit.domain.relationships.lifecycles import Facts, Signal
from crmkit.domain.relationships.relationship import Known, Relationship
from crmkit.domain.relationships.types import TypeRules, rules_of
from crmkit.domain.words import Contact
from crmkit.kernel.ids import Ref
from crmkit.kernel.machine import Refused
from crmkit.kernel.record import Change
from crmkit.services.unit import Unit


def known(customer: Customer) -> Known:
    """Give what the profile says about whom the company has before it."""
    traits = {i.scheme for i in customer.identifiers} | {i.topic for i in customer.interests}
    return Known(named=not customer.is_anonymous, traits=frozenset(traits | customer.tags | set(customer.attributes)))


def note_purchase(
    u: Unit, customer: str, after: Bought | None, *, before: Bought | None = None, purchase: Ref | None = None
) -> None:
    """Let the relationships of a customer know of a purchase, its correction (`before`), or its end (`after` None).

    Every lasting relationship notes it and tries the steps that the mapping names; what is refused is left aside.
    If none lasts, the one that ended last begins anew, for the customer has come back of himself.
    """
    at = after.on if after is not None and before is None else u.at
    found = u.related(Relationship, "customer", [customer])[customer]
    ties = [caught_up(u, tie, until=min(at, u.at))[0] for tie in sorted(found, key=lambda tie: tie.began)]
    lasting = [tie for tie in ties if tie.ended is None]
    proof = () if purchase is None else (purchase,)
    if not lasting and after is not None and before is None:
        lasting = _back_of_himself(u, ties, proof, at)
    for tie in lasting:
        rules = rules_for(u, tie)
        mapping = u.setting.declared.evidence
        change, signals = proofs.note_purchase(tie, after, mapping, before=before, purchase=purchase)
        now = u.save(change, at=at)
        for signal in signals:
            facts = moves.facts_of(now, rules)
            now = _tried(u, now, rules, signal, facts, proof=proof, at=proofs.known_by(now, at)) or now


def _back_of_himself(u: Unit, ties: list[Relationship], proof: tuple[Ref, ...], at: datetime) -> list[Relationship]:
    """Begin the relationship that ended last anew, unless the purchase is older than its end."""
    last = max(ties, key=lambda tie: tie.ended or at, default=None)
    if last is None or last.ended is None or last.ended > at:
        return []
    rules = rules_for(u, last)
    facts = moves.facts_of(last, rules, own_purchase=True)
    back = _tried(u, last, rules, Signal.REENGAGE, facts, proof=proof, at=at)
    return [] if back is None else [back]


def note_contact(u: Unit, customer: str, contact: Contact, *, at: datetime) -> None:
    """Let the lasting relationships of a customer know of a contact that took place; attempts and findings are none."""
    for tie in _lasting(u, customer):
        now, _ = caught_up(u, tie, until=min(at, u.at))
        if now.ended is None:
            u.save(relationships.note_contact(now, rules_for(u, now), contact, at=at), at=at)


def note_evidence(u: Unit, customer: str, *evidence: Evidence, at: datetime) -> None:
    """Let the lasting relationships of a customer know of something that was shown."""
    for tie in _lasting(u, customer):
        now, _ = caught_up(u, tie, until=min(at, u.at))
        if now.ended is None:
            u.save(proofs.note_evidence(now, *evidence, at=at), at=at)


def _lasting(u: Unit, customer: str) -> tuple[Relationship, ...]:
    return tuple(tie for tie in u.related(Relationship, "customer", [customer])[customer] if tie.ended is None)


def rules_for(u: Unit, tie: Relationship) -> TypeRules:
    """Give the rules of a relationship's type, as the host has declared them.

    Raises:
        Invalid: rule `word`, the type is declared no more.
    """
    return rules_of(u.setting.declared.types, tie.type)


def acting(u: Unit, which: Relationship | str) -> tuple[Relationship, TypeRules]:
    """Give a relationship to act on, as time has left it, and the rules of its type."""
    tie, _ = caught_up(u, u.act_on(Relationship, which), until=u.at)
    return tie, rules_for(u, tie)


def reading(u: Unit, which: Relationship | str) -> tuple[Relationship, TypeRules]:
    """Give a relationship as time has left it, without writing that down."""
    return as_it_is(u, u.get(Relationship, which))


def as_it_is(u: Unit, tie: Relationship) -> tuple[Relationship, TypeRules]:
    """Give a relationship that was found as time has left it, and the rules of its type."""
    if (migration := migration_of(u, tie)) is not None:
        tie = migration.record
    rules = rules_for(u, tie)
    for change, _ in moves.catch_up(tie, u.setting.declared.lifecycle, rules, until=u.at):
        tie = change.record
    return tie, rules


def migration_of(u: Unit, tie: Relationship) -> Change[Relationship] | None:
    """Give what brings a relationship to the lifecycle's current version; None if it is there.

    Raises:
        Invalid: rule `word`, its type is declared no more.
        Refusal: rule `lifecycle`, its version or stage is not declared.
    """
    return moves.migrate(tie, u.setting.declared.versions, rules_for(u, tie), at=u.at)


def caught_up(u: Unit, tie: Relationship, *, until: datetime) -> tuple[Relationship, list[object]]:
    """Write down what time has done to a relationship, and give it with the events of that."""
    if (migration := migration_of(u, tie)) is not None:
        tie = u.save(migration)
    rules, machine = rules_for(u, tie), u.setting.declared.lifecycle
    events: list[object] = []
    # One at a time, because a reaction to the first may be what keeps the second from happening.
    while found := moves.catch_up(tie, machine, rules, until=until, limit=1):
        ((change, at),) = found
        tie = u.save(change, at=at)
        events.append(change.event)
    return tie, events


def _tried(
    u: Unit, tie: Relationship, rules: TypeRules, signal: str, facts: Facts, *, proof: tuple[Ref, ...], at: datetime
) -> Relationship | None:
    """Take a step if nothing is in its way; None if something is."""
    machine = u.setting.declared.lifecycle
    if isinstance(moves.could(tie, signal, facts, machine=machine, rules=rules, at=at), Refused):
        return None
    return u.save(moves.advance(tie, signal, facts, machine=machine, rules=rules, proof=proof, at=at), at=at)
