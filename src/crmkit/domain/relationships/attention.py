"""Attention: which relationships are neglected, due for contact or at risk, each with its reasons and figures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from crmkit.domain.relationships.evidence import EvidenceKind, trust_index
from crmkit.domain.relationships.lifecycles import TRUST_NEEDED, Lifecycle, depths
from crmkit.domain.relationships.relationship import CadenceState, Relationship, cadence_state
from crmkit.domain.relationships.types import TypeRules
from crmkit.kernel.checks import Value
from crmkit.kernel.machine import Deadline
from crmkit.kernel.query import Where, field

# words

NEGLECTED_AFTER = timedelta(days=90)
"""After how long without attention a customer is neglected."""

LOW_SATISFACTION = 50


@frozen(kw_only=True)
class Reason(Value):
    """Why an answer is what it is.

    Attributes:
        rule: which rule found it, such as `"silence"`.
        text: in a sentence.
        have: the figure that was found.
        limit: the figure that it is held against.
    """

    rule: str
    text: str
    have: int | None = None
    limit: int | None = None


@frozen(kw_only=True)
class Answer:
    """What a question says of one relationship.

    Attributes:
        tie: the relationship.
        yes: the answer.
        reasons: why; for a no as well.
    """

    tie: Relationship
    yes: bool
    reasons: tuple[Reason, ...]


@frozen(kw_only=True)
class Upcoming:
    """What time will do to a relationship unless something happens before.

    Attributes:
        tie: the relationship.
        at: when.
        what: `"warn"`, `"end"` or `"move"`.
        stage: where it will stand then.
        reasons: why.
    """

    tie: Relationship
    at: datetime
    what: str
    stage: str
    reasons: tuple[Reason, ...]


# questions


def neglected(tie: Relationship, *, after: timedelta = NEGLECTED_AFTER, at: datetime) -> Answer:
    """Ask whether a customer is left without attention, whatever he is worth.

    Attention is contact with a person of the company, whoever turned to whom; for self-service, automated services and
    communities the use of the tools is enough. It does not matter what the customer buys.
    """
    if tie.ended is not None:
        return _over(tie)
    days = (at - tie.attended).days
    personal = "never" if tie.last_personal is None else f"{(at - tie.last_personal).days} days ago"
    reasons = (
        Reason(
            rule="attention",
            text=f"last attention {days} days ago, at most {after.days}",
            have=days,
            limit=after.days,
        ),
        Reason(rule="personal", text=f"last personal contact {personal}"),
    )
    return Answer(tie=tie, yes=at - tie.attended > after, reasons=reasons)


def neglected_where(after: timedelta, at: datetime) -> Where:
    """Give the condition that finds what `neglected` says yes to."""
    return (field("ended") == None) & (field("attended") < at - after)  # noqa: E711 - it builds a condition


def due_for_contact(tie: Relationship, rules: TypeRules, *, at: datetime) -> Answer:
    """Ask whether the company has to make contact of itself, by the cadence that was agreed."""
    state = cadence_state(tie, rules, at=at)
    if tie.contact_due is None or tie.cadence is None:
        return Answer(tie=tie, yes=False, reasons=(Reason(rule="cadence", text="no cadence is agreed, or it is over"),))
    days = (at - (tie.contact_due - tie.cadence)).days
    text = f"{state}: the company last made contact {days} days ago, agreed are {tie.cadence.days}"
    if state is CadenceState.MISSED:
        text += f" and {rules.grace.days} of grace"
    reasons = (Reason(rule=f"cadence {state}", text=text, have=days, limit=tie.cadence.days),)
    return Answer(tie=tie, yes=state is not CadenceState.KEPT, reasons=reasons)


def due_for_contact_where(at: datetime) -> Where:
    """Give the condition that finds what `due_for_contact` says yes to."""
    return field("contact_due") <= at


def at_risk(tie: Relationship, rules: TypeRules, machine: Lifecycle, *, at: datetime) -> Answer:
    """Ask whether a relationship is at risk: each reason alone is enough.

    - *silence*: a warning was told and nothing has happened since.
    - *cadence missed*: the company does not keep in touch as agreed.
    - *trust*: it went past the stage that trust opens, and has less now.
    - *promise broken*, *complaint open*: more than were put right.
    - *satisfaction*: the last score is below 50.
    - *new representative*: the type needs one grown over time, and has had this one for less.
    """
    if tie.ended is not None:
        return _over(tie)
    found: list[Reason] = []
    if tie.warned is not None:
        days = (at - tie.quiet_since).days
        found.append(
            Reason(rule="silence", text=f"warned of {tie.warned!r}, no sign of life for {days} days", have=days)
        )
    if cadence_state(tie, rules, at=at) is CadenceState.MISSED:
        found += due_for_contact(tie, rules, at=at).reasons
    depth = depths(machine).get(tie.stage, 0)
    trust = trust_index(tie.evidence).index
    if depth >= 2 and trust < TRUST_NEEDED:  # noqa: PLR2004 - the second step is the one that trust opens
        found.append(
            Reason(
                rule="trust", text=f"trust {trust} in {tie.stage}, needs {TRUST_NEEDED}", have=trust, limit=TRUST_NEEDED
            )
        )
    broken = _count(tie, EvidenceKind.PROMISE_BROKEN)
    if broken:
        found.append(
            Reason(rule="promise broken", text=f"{broken} broken promises in this episode", have=broken, limit=0)
        )
    complaints = _count(tie, EvidenceKind.COMPLAINT) - _count(tie, EvidenceKind.COMPLAINT_RESOLVED)
    if complaints > 0:
        found.append(
            Reason(rule="complaint open", text=f"{complaints} complaints not resolved", have=complaints, limit=0)
        )
    satisfaction = tie.evidence.get(EvidenceKind.SATISFACTION)
    if satisfaction is not None and satisfaction.score is not None and satisfaction.score < LOW_SATISFACTION:
        text = f"last satisfaction {satisfaction.score} of 100, at least {LOW_SATISFACTION}"
        found.append(Reason(rule="satisfaction", text=text, have=satisfaction.score, limit=LOW_SATISFACTION))
    if tie.owner_since is not None and tie.owner_since > tie.began and at - tie.owner_since < rules.settles_in:
        days = (at - tie.owner_since).days
        text = f"a new representative since {days} days, settles in {rules.settles_in.days}"
        found.append(Reason(rule="new representative", text=text, have=days, limit=rules.settles_in.days))
    return Answer(tie=tie, yes=bool(found), reasons=tuple(found) or (Reason(rule="none", text="no sign of risk"),))


def upcoming(tie: Relationship, machine: Lifecycle, deadline: Deadline[Any, Any]) -> Upcoming:
    """Say what a deadline will bring."""
    silent = (deadline.at - tie.quiet_since).days
    reasons = (Reason(rule="silence", text=f"no sign of life for {silent} days by then", have=silent, limit=silent),)
    if deadline.step.warns:
        return Upcoming(tie=tie, at=deadline.at, what="warn", stage=tie.stage, reasons=reasons)
    target = deadline.step.targets[0]
    what = "move" if target in depths(machine) else "end"
    return Upcoming(tie=tie, at=deadline.at, what=what, stage=target, reasons=reasons)


def _count(tie: Relationship, kind: str) -> int:
    tally = tie.evidence.get(kind)
    return 0 if tally is None else tally.count


def _over(tie: Relationship) -> Answer:
    return Answer(tie=tie, yes=False, reasons=(Reason(rule="ended", text=f"it is over, cause {tie.cause}"),))
