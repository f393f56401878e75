"""Proofs: what is shown in a relationship: single pieces of evidence, purchases, exchanges between members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from crmkit.domain.relationships.evidence import (
    FROM_CUSTOMER,
    Bought,
    Buying,
    Evidence,
    EvidenceKind,
    EvidenceRule,
    Tally,
    counted,
    noted,
    shown_by,
    uncounted,
    with_purchase,
    without_purchase,
)
from crmkit.domain.relationships.relationship import Relationship, after_life, must_last, subject
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.checks import Personal
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref
from crmkit.kernel.record import Change, Event, change, event

# events


@event("relationship.evidence-noted")
@frozen(kw_only=True)
class EvidenceNoted(Event[Relationship]):
    """Something was shown."""

    shown: Personal[tuple[Evidence, ...]]
    evidence: FrozenDict[Tally]
    quiet_since: datetime
    warned: str | None


@event("relationship.purchase-noted")
@frozen(kw_only=True)
class PurchaseNoted(Event[Relationship]):
    """The customer bought, or what he had bought was corrected or cancelled."""

    shown: tuple[str, ...]
    purchase: Ref | None
    buying: Buying
    evidence: FrozenDict[Tally]
    quiet_since: datetime
    warned: str | None


# rules


def note_evidence(tie: Relationship, *evidence: Evidence, at: datetime) -> Change[Relationship]:
    """Note what was shown. What the customer does is a sign of life as well.

    Raises:
        Refusal: rule `ended`, the relationship is over.
        Invalid: rule `required`, there is no evidence.
    """
    must_last(tie)
    if not evidence:
        raise Invalid("evidence", "required", "at least one piece of evidence", "none")
    alive = any(each.kind in FROM_CUSTOMER for each in evidence)
    quiet_since, warned = after_life(tie, at) if alive else (tie.quiet_since, tie.warned)
    tallies = noted(tie.evidence, evidence, at=at)
    return change(tie, EvidenceNoted(shown=evidence, evidence=tallies, quiet_since=quiet_since, warned=warned))


def note_purchase(
    tie: Relationship,
    after: Bought | None,
    mapping: Sequence[EvidenceRule] = (),
    *,
    before: Bought | None = None,
    purchase: Ref | None = None,
) -> tuple[Change[Relationship], tuple[str, ...]]:
    """Note a purchase and what it shows by the mapping; with `before`, correct that one, or (`after` None) cancel it.

    Returns:
        The change, and the signals that the mapping would try now. What purchases have shown is not taken back when one
        of them is corrected: it was shown at the time, and the journal tells of both.

    Raises:
        Refusal: rule `ended`, the relationship is over.
    """
    must_last(tie)
    buying, tallies = tie.buying, tie.evidence
    if before is not None:
        buying, tallies = without_purchase(buying, before), uncounted(tallies, EvidenceKind.PURCHASE)
    quiet_since, warned = tie.quiet_since, tie.warned
    found: tuple[EvidenceRule, ...] = ()
    if after is not None:
        buying, tallies = with_purchase(buying, after), counted(tallies, EvidenceKind.PURCHASE, at=after.on)
        quiet_since, warned = after_life(tie, after.on)
        found = shown_by(buying, mapping, tallies)
        for rule in found:
            tallies = counted(tallies, rule.shows, at=after.on)
    told = PurchaseNoted(
        shown=tuple(rule.name for rule in found),
        purchase=purchase,
        buying=buying,
        evidence=tallies,
        quiet_since=quiet_since,
        warned=warned,
    )
    return change(tie, told), signals_to_try(buying, mapping) if after is not None else ()


def signals_to_try(buying: Buying, mapping: Sequence[EvidenceRule]) -> tuple[str, ...]:
    """Give the signals of all rules that hold: one that was refused before is tried again with the next purchase."""
    tried = (rule.try_signal for rule in mapping if rule.try_signal is not None and rule.holds(buying))
    return tuple(dict.fromkeys(tried))


def known_by(tie: Relationship, at: datetime) -> datetime:
    """Give when all that a step would rest on was known: it is not stamped before its evidence, or the stage."""
    return max(at, tie.since, *(tally.last for tally in tie.evidence.values()))


def exchange(
    asked: Relationship, answered: Relationship, *, note: str = "", at: datetime
) -> tuple[Change[Relationship], Change[Relationship]]:
    """Note that one member of a community answered another: evidence for both, each with the other as its proof.

    Raises:
        Refusal: rule `community`, they are not different members of one community; or `ended`.
    """
    for tie in (asked, answered):
        must_last(tie)
    if asked.community is None or asked.community != answered.community or asked.customer == answered.customer:
        raise Refusal(subject(asked), "community", ("an exchange is between two different members of one community",))
    pairs = ((asked, answered), (answered, asked))
    one, other = (
        note_evidence(tie, Evidence(EvidenceKind.EXCHANGE, ref=Ref("relationship", member.id), note=note), at=at)
        for tie, member in pairs
    )
    return one, other
