"""Moves: how a relationship goes from stage to stage, on signals and by time, and what its type has against it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from attrs import frozen

from crmkit.domain.relationships.evidence import NO_TALLIES, NOTHING_BOUGHT, Buying, EvidenceKind, Tally
from crmkit.domain.relationships.lifecycles import (
    CoolingCause,
    DissolutionCause,
    EndedBy,
    Facts,
    Fault,
    Lifecycle,
    Stage,
    is_forward,
    is_open,
)
from crmkit.domain.relationships.relationship import Relationship, later, next_contact, subject
from crmkit.domain.relationships.types import TypeRules
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.checks import Count
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref
from crmkit.kernel.machine import Moved, Obstacle, Option, Refused, Unmet, Warned, Why, need
from crmkit.kernel.machine.migration import Unmigrated, Versions
from crmkit.kernel.record import Change, Event, change, event

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

# events


@event("relationship.advanced")
@frozen(kw_only=True)
class RelationshipAdvanced(Event[Relationship]):
    """It moved to another stage in which it lasts: on a signal, or (signal None) because its time had come."""

    signal: str | None
    source: Stage | str
    stage: Stage | str
    since: datetime
    quiet_since: datetime
    warned: str | None
    why: CoolingCause | str | None
    proof: tuple[Ref, ...]


@event("relationship.warned")
@frozen(kw_only=True)
class RelationshipWarned(Event[Relationship]):
    """Nothing had happened for so long that it is in danger."""

    warned: str | None
    stage: Stage | str


@event("relationship.dissolved")
@frozen(kw_only=True)
class RelationshipDissolved(Event[Relationship]):
    """It ended: on a signal, or (signal None) because nothing happened for too long."""

    signal: str | None
    source: Stage | str
    stage: Stage | str
    since: datetime
    quiet_since: datetime
    warned: str | None
    ended: datetime | None
    ended_by: EndedBy | str | None
    at_fault: Fault | str | None
    cause: DissolutionCause | str | None
    contact_due: datetime | None
    proof: tuple[Ref, ...]


@event("relationship.reengaged")
@frozen(kw_only=True)
class RelationshipReengaged(Event[Relationship]):
    """It began anew: an episode more, in which everything has to be shown again."""

    signal: str | None
    source: Stage | str
    own_purchase: bool
    stage: Stage | str
    since: datetime
    quiet_since: datetime
    warned: str | None
    episode: Count
    began: datetime
    contact_due: datetime | None
    evidence: FrozenDict[Tally]
    buying: Buying
    ended: datetime | None
    ended_by: EndedBy | str | None
    at_fault: Fault | str | None
    cause: DissolutionCause | str | None
    proof: tuple[Ref, ...]


@event("relationship.migrated")
@frozen(kw_only=True)
class RelationshipMigrated(Event[Relationship]):
    """It was stored under another version of the lifecycle, and stands where the host's map says. No step was taken."""

    source: Stage | str
    from_version: str
    stage: Stage | str
    lifecycle: str
    quiet_since: datetime
    warned: str | None


# rules


def facts_of(
    tie: Relationship, rules: TypeRules, *, own_purchase: bool = False, contact_allowed: bool | None = None
) -> Facts:
    """Gather what the guards may know about a relationship."""
    return Facts(tie.evidence, tie.buying, rules.community, own_purchase, contact_allowed)


def could(
    tie: Relationship,
    signal: str,
    facts: Facts,
    *,
    machine: Lifecycle,
    rules: TypeRules,
    cause: str | None = None,
    at: datetime,
) -> Moved[Any, Any] | Refused[Any, Any]:
    """Say where a signal leads, or what is in the way: a guard of the lifecycle, or a rule of the type."""
    refused: Refused[Any, Any]
    outcome = machine.step(tie.stage, signal, facts, cause=cause)
    if isinstance(outcome, Refused):
        refused = outcome
    elif in_the_way := type_obstacles(tie, rules, machine, outcome.state, at=at):
        refused = Refused(machine.name, str(tie.stage), str(signal), Why.GUARD, in_the_way)
    else:
        return outcome
    return attrs.evolve(refused, options=lambda: options(tie, facts, machine=machine, rules=rules, at=at))


def type_obstacles(
    tie: Relationship, rules: TypeRules, machine: Lifecycle, target: str, *, at: datetime
) -> tuple[Obstacle, ...]:
    """Give what the type has against a step to a stage."""
    unmet: dict[str, Unmet] = {}
    if target in rules.closed:
        unmet["open_to_type"] = Unmet(f"a change of type, for {rules.name} knows no {target}")
    forward = (rules.missed_cadence_stops or bool(rules.exchanges)) and is_forward(machine, tie.stage, target)
    if forward and rules.missed_cadence_stops and tie.cadence is not None:
        quiet, most = at - later(tie.last_proactive, tie.began), tie.cadence + rules.grace
        if quiet > most:
            unmet["cadence_kept"] = Unmet("days since the company last made contact", quiet.days, most.days, "at most")
    if forward and target in rules.exchanges:
        tally = tie.evidence.get(EvidenceKind.EXCHANGE)
        verdict = need(
            "exchanges with other members", have=tally.count if tally else 0, at_least=rules.exchanges[target]
        )
        if isinstance(verdict, Unmet):
            unmet["exchanged"] = verdict
    return tuple(Obstacle(guard, str(target), why) for guard, why in unmet.items()) if unmet else ()


def options(
    tie: Relationship, facts: Facts, *, machine: Lifecycle, rules: TypeRules, at: datetime
) -> tuple[Option[Any, Any], ...]:
    """Tell for each signal of the stage whether it is possible now, and all that is in its way."""
    found: list[Option[Any, Any]] = []
    for option in machine.explain(tie.stage, facts):
        mine = [o for target in option.targets for o in type_obstacles(tie, rules, machine, target, at=at)]
        found.append(attrs.evolve(option, obstacles=(*option.obstacles, *mine)) if mine else option)
    return tuple(found)


def advance(
    tie: Relationship,
    signal: str,
    facts: Facts,
    *,
    machine: Lifecycle,
    rules: TypeRules,
    cause: str | None = None,
    ended_by: EndedBy | str | None = None,
    at_fault: Fault | str | None = None,
    proof: tuple[Ref, ...] = (),
    at: datetime,
) -> Change[Relationship]:
    """Move a relationship on a signal.

    Args:
        tie: the relationship.
        signal: what is asked of it.
        facts: what the guards may know, see `facts_of`.
        machine: the lifecycle.
        rules: the rules of its type.
        cause: why, where the step asks for it.
        ended_by: who ended it, where the step ends it.
        at_fault: whose fault that was.
        proof: the records that prove it.
        at: when.

    Raises:
        MoveRefused: no such step, a guard is unmet, the cause is missing, or the type has something against it.
        Invalid: rule `required`, it ends and nobody says who ended it and whose fault that was.
    """
    moved = could(tie, signal, facts, machine=machine, rules=rules, cause=cause, at=at)
    if isinstance(moved, Refused):
        raise moved.error()
    return _moved(tie, moved, machine, facts, ended_by=ended_by, at_fault=at_fault, proof=proof, at=at)


def _moved(
    tie: Relationship,
    moved: Moved[Any, Any],
    machine: Lifecycle,
    facts: Facts,
    *,
    ended_by: EndedBy | str | None = None,
    at_fault: Fault | str | None = None,
    proof: tuple[Ref, ...] = (),
    at: datetime,
) -> Change[Relationship]:
    lasts = is_open(machine, moved.state)
    if lasts and tie.ended is None:
        told: Event[Relationship] = RelationshipAdvanced(
            signal=moved.on,
            source=tie.stage,
            stage=moved.state,
            since=at,
            quiet_since=max(tie.quiet_since, at),
            warned=None,
            why=moved.cause,
            proof=proof,
        )
    elif lasts:
        told = RelationshipReengaged(
            signal=moved.on,
            source=tie.stage,
            own_purchase=facts.own_purchase,
            stage=moved.state,
            since=at,
            quiet_since=max(tie.quiet_since, at),
            warned=None,
            episode=tie.episode + 1,
            began=at,
            contact_due=next_contact(at, None, tie.cadence),
            evidence=NO_TALLIES,
            buying=NOTHING_BOUGHT,
            ended=None,
            ended_by=None,
            at_fault=None,
            cause=None,
            proof=proof,
        )
    else:
        if moved.on is None:
            ended_by, at_fault = EndedBy.NOBODY, Fault.NEITHER
        for name, given in (("ended_by", ended_by), ("at_fault", at_fault)):
            if given is None:
                raise Invalid(
                    name,
                    "required",
                    f"who, since {moved.on!r} ends the relationship; 'unknown' is an answer",
                    "nothing",
                )
        told = RelationshipDissolved(
            signal=moved.on,
            source=tie.stage,
            stage=moved.state,
            since=at,
            quiet_since=max(tie.quiet_since, at),
            warned=None,
            ended=tie.ended or at,
            ended_by=ended_by,
            at_fault=at_fault,
            cause=moved.cause,
            contact_due=None,
            proof=proof,
        )
    return change(tie, told)


def warnings_told(tie: Relationship, machine: Lifecycle) -> tuple[str, ...]:
    """Give the warnings of the stage that were told since the last sign of life: the last one and those before it."""
    told: list[str] = []
    if tie.warned is not None:
        for deadline in machine.deadlines(tie.stage, tie.quiet_since):
            if deadline.step.warns:
                told.append(deadline.step.warns)
            if deadline.step.warns == tie.warned:
                return tuple(told)
    return ()


def catch_up(
    tie: Relationship, machine: Lifecycle, rules: TypeRules, *, until: datetime, limit: int = 1000
) -> tuple[tuple[Change[Relationship], datetime], ...]:
    """Give all that time has done to a relationship by then: each change with the deadline that it is stamped with.

    The history is the same however often anyone sweeps. More than `limit` changes are left to the next sweep.
    """
    facts = facts_of(tie, rules)
    told = warnings_told(tie, machine)
    changes: list[tuple[Change[Relationship], datetime]] = []
    for outcome in machine.catch_up(tie.stage, tie.quiet_since, facts, until=until, warned=told, limit=limit):
        if isinstance(outcome, Warned):
            at, made = outcome.at, change(tie, RelationshipWarned(warned=outcome.warning, stage=tie.stage))
        else:
            at = outcome.at or until
            made = _moved(tie, outcome, machine, facts, at=at)
        changes.append((made, at))
        tie = made.record
    return tuple(changes)


def migrate(
    tie: Relationship, versions: Versions[Any, Any, Facts], rules: TypeRules, *, at: datetime
) -> Change[Relationship] | None:
    """Bring a relationship to the current version of the lifecycle; None if it is stored under that.

    Raises:
        Refusal: rule `lifecycle`, its version or stage is not known, or the map leads nowhere.
    """
    if tie.lifecycle == str(versions.current.version):
        return None
    found = versions.migrate(str(tie.stage), tie.lifecycle, tie.quiet_since, facts_of(tie, rules), now=at)
    if isinstance(found, Unmigrated):
        raise Refusal(subject(tie), "lifecycle", (str(found),), ("declare the old version and a migration from it",))
    told = RelationshipMigrated(
        source=tie.stage,
        from_version=tie.lifecycle,
        stage=found.state,
        lifecycle=str(found.version),
        quiet_since=found.since,
        warned=tie.warned
        if found.since == tie.quiet_since and tie.warned in warned_states(versions.current, found.state)
        else None,
    )
    return change(tie, told)


def warned_states(machine: Lifecycle, stage: str) -> Mapping[str | None, timedelta]:
    """Give what `warned` may say in a stage (None: nothing yet), each with the delay of what time brings next.

    Whoever waits for something is found by these: one range of `quiet_since` for each stage and warning.
    """
    found: dict[str | None, timedelta] = {}
    told: list[str | None] = [None]
    for deadline in machine.deadlines(stage, _EPOCH):
        found.update((name, deadline.at - _EPOCH) for name in told)
        told = [deadline.step.warns] if deadline.step.warns else []
        if not told:
            break
    return found
