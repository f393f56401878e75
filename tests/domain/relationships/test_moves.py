"""Moves: steps on signals and by time as pure rules, and another version of the lifecycle."""

from __future__ import annotations

import timeit
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.relationships.evidence import Bought, Evidence
from crmkit.domain.relationships.lifecycles import (
    LIFECYCLE,
    DissolutionCause,
    EndedBy,
    Facts,
    Fault,
    Lifecycle,
    Signal,
    Stage,
)
from crmkit.domain.relationships.moves import (
    RelationshipAdvanced,
    RelationshipDissolved,
    RelationshipReengaged,
    RelationshipWarned,
    advance,
    catch_up,
    could,
    facts_of,
    migrate,
    options,
    type_obstacles,
    warned_states,
    warnings_told,
)
from crmkit.domain.relationships.proofs import note_evidence, note_purchase
from crmkit.domain.relationships.relationship import Relationship, begin
from crmkit.domain.relationships.types import COMMUNITIES, LONG_TERM, PERSONAL_ASSISTANCE, TRANSACTIONAL, TypeRules
from crmkit.errors import Invalid, MoveRefused, Refusal
from crmkit.kernel.codec import decode_event, encode_event
from crmkit.kernel.ids import Ref
from crmkit.kernel.machine import Machine, Moved, Refused, days, edge, warning
from crmkit.kernel.machine.migration import Migration, Versions

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LATER = START + 10 * DAY
UNDERSTOOD = (Evidence("trial passed"), Evidence("value understood"))


def tie_of(rules: TypeRules = PERSONAL_ASSISTANCE, **changes: Any) -> Relationship:
    community = "cyclists" if rules.community else None
    tie = begin("cus_1", rules, id="rel_1", machine=LIFECYCLE, owner="rep", community=community, at=START).record
    return attrs.evolve(tie, **changes) if changes else tie


def move(tie: Relationship, signal: str, rules: TypeRules = PERSONAL_ASSISTANCE, **more: Any) -> Any:
    facts = facts_of(tie, rules, own_purchase=more.pop("own_purchase", False))
    return advance(tie, signal, facts, machine=LIFECYCLE, rules=rules, **{"at": LATER, **more})


def test_a_step_tells_everything() -> None:
    """Signal, source, target, proof; the stage is entered now, and that is a sign of life."""
    tie = attrs.evolve(note_evidence(tie_of(), *UNDERSTOOD, at=START).record, warned="silence")
    made = move(tie, Signal.UNDERSTAND, proof=(Ref("interaction", "int_1"),))
    assert made.event == RelationshipAdvanced(
        signal="understand",
        source=Stage.EXPLORATION,
        stage=Stage.AWARENESS,
        since=LATER,
        quiet_since=LATER,
        warned=None,
        why=None,
        proof=(Ref("interaction", "int_1"),),
    )
    assert (made.record.stage, made.record.since, made.record.warned) == (Stage.AWARENESS, LATER, None)
    assert made.before is tie


def test_a_step_back_keeps_its_cause() -> None:
    """Why it cooled stands in the event."""
    made = move(tie_of(stage=Stage.COMMITMENT), Signal.COOL, cause="smaller budget")
    assert (made.record.stage, made.event.why, made.record.cause) == (Stage.EXPANSION, "smaller budget", None)


def test_an_end_tells_who_why_and_whose_fault() -> None:
    """The end is kept on the record, and nothing is due any more."""
    made = move(
        tie_of(LONG_TERM), Signal.DISSOLVE, LONG_TERM, cause="fraud", ended_by=EndedBy.SUPPLIER, at_fault="own word"
    )
    assert isinstance(made.event, RelationshipDissolved)
    tie = made.record
    assert (tie.stage, tie.ended, tie.ended_by, tie.at_fault, tie.cause, tie.contact_due) == (
        Stage.DISSOLUTION,
        LATER,
        EndedBy.SUPPLIER,
        "own word",
        DissolutionCause.FRAUD,
        None,
    )


def test_coming_back_begins_an_episode() -> None:
    """Evidence and purchases are to be shown anew; origin, owner and contact history stay."""
    tie = note_purchase(note_evidence(tie_of(LONG_TERM), *UNDERSTOOD, at=START).record, Bought(START))[0].record
    over = move(tie, Signal.DISSOLVE, LONG_TERM, cause="fraud", ended_by="customer", at_fault="neither").record
    made = move(over, Signal.REENGAGE, LONG_TERM, own_purchase=True, at=LATER + DAY)
    assert isinstance(made.event, RelationshipReengaged)
    assert made.event.own_purchase
    back = made.record
    assert (back.stage, back.episode, back.began, back.since) == (Stage.EXPLORATION, 2, LATER + DAY, LATER + DAY)
    assert (back.evidence, back.buying.count, back.owner) == ({}, 0, "rep")
    assert (back.ended, back.ended_by, back.at_fault, back.cause) == (None, None, None, None)
    assert back.contact_due == LATER + 91 * DAY


def test_events_survive_the_journal() -> None:
    """Every event comes back from its journal body as it was."""
    over = move(tie_of(), Signal.DISSOLVE, cause="fraud", ended_by="customer", at_fault="neither")
    for change in (
        over,
        move(over.record, Signal.REENGAGE, own_purchase=True),
        move(tie_of(stage=Stage.COMMITMENT), Signal.COOL, cause="smaller budget", proof=(Ref("a", "b"),)),
        *(each for each, _ in catch_up(tie_of(), LIFECYCLE, PERSONAL_ASSISTANCE, until=START + 999 * DAY)),
    ):
        told = type(change.event).__event__
        assert decode_event(told.name, *encode_event(change.event), schema=1) == change.event


@pytest.mark.parametrize("missing", ["ended_by", "at_fault"])
def test_an_end_without_who_is_refused(missing: str) -> None:
    """Unknown is an answer, nothing is none."""
    given = {"ended_by": "unknown", "at_fault": "unknown", missing: None}
    with pytest.raises(Invalid) as refused:
        move(tie_of(), Signal.DISSOLVE, cause="fraud", **given)
    assert (refused.value.field, refused.value.rule) == (missing, "required")


def test_a_type_closes_stages_and_says_so() -> None:
    """What the type has against a step looks like a guard, in refusals and in options."""
    tie = tie_of(TRANSACTIONAL, stage=Stage.AWARENESS)
    facts = Facts(note_evidence(tie, *[Evidence("promise kept")] * 4, *UNDERSTOOD, at=START).record.evidence)
    refused = could(tie, "expand", facts, machine=LIFECYCLE, rules=TRANSACTIONAL, at=LATER)
    assert isinstance(refused, Refused)
    assert refused.reasons == ("needs: a change of type, for transactional knows no expansion",)
    assert [o.guard for o in refused.obstacles] == ["open_to_type"]
    assert refused.allowed == (Signal.COOL, Signal.DISSOLVE)
    with pytest.raises(MoveRefused) as raised:
        advance(tie, "expand", facts, machine=LIFECYCLE, rules=TRANSACTIONAL, at=LATER)
    assert raised.value.allowed == ("cool", "dissolve")
    assert isinstance(could(tie, "expand", facts, machine=LIFECYCLE, rules=PERSONAL_ASSISTANCE, at=LATER), Moved)


def test_what_a_guard_refuses_also_respects_the_type() -> None:
    """What is allowed instead is held against the type as well."""
    tie = tie_of(COMMUNITIES)
    refused = could(tie, "fail", facts_of(tie, COMMUNITIES), machine=LIFECYCLE, rules=COMMUNITIES, at=LATER)
    assert isinstance(refused, Refused)
    assert refused.blocked[Signal.UNDERSTAND][-1].unmet.need == 1


def test_a_missed_cadence_stops_at_the_very_moment() -> None:
    """Ninety days agreed and seven of grace: until then it goes on, a moment later it does not."""
    tie = tie_of(LONG_TERM)
    last = START + 97 * DAY
    assert type_obstacles(tie, LONG_TERM, LIFECYCLE, Stage.AWARENESS, at=last) == ()
    (obstacle,) = type_obstacles(tie, LONG_TERM, LIFECYCLE, Stage.AWARENESS, at=last + timedelta(microseconds=1))
    assert (obstacle.guard, obstacle.unmet.have, obstacle.unmet.need) == ("cadence_kept", 97, 97)
    assert type_obstacles(tie, LONG_TERM, LIFECYCLE, Stage.DISSOLUTION, at=last + DAY) == ()
    recent = attrs.evolve(tie, last_proactive=last)
    assert type_obstacles(recent, LONG_TERM, LIFECYCLE, Stage.AWARENESS, at=last + DAY) == ()
    without = attrs.evolve(tie, cadence=None)
    assert type_obstacles(without, LONG_TERM, LIFECYCLE, Stage.AWARENESS, at=last + DAY) == ()
    assert type_obstacles(tie, PERSONAL_ASSISTANCE, LIFECYCLE, Stage.AWARENESS, at=last + DAY) == ()


@pytest.mark.parametrize(
    ("source", "target", "exchanges", "needs"),
    [
        (Stage.EXPLORATION, Stage.AWARENESS, 0, 1),
        (Stage.EXPLORATION, Stage.AWARENESS, 1, None),
        (Stage.AWARENESS, Stage.EXPANSION, 2, 3),
        (Stage.AWARENESS, Stage.EXPANSION, 3, None),
        (Stage.EXPANSION, Stage.AWARENESS, 0, None),
        (Stage.EXPANSION, Stage.COMMITMENT, 0, None),
    ],
)
def test_exchanges_open_stages(source: Stage, target: Stage, exchanges: int, needs: int | None) -> None:
    """So many exchanges for a step forward to a stage; none for steps back."""
    tie = tie_of(COMMUNITIES, stage=source)
    if exchanges:
        tie = note_evidence(tie, *[Evidence("exchange with a member")] * exchanges, at=START).record
    found = type_obstacles(tie, COMMUNITIES, LIFECYCLE, target, at=LATER)
    assert [(o.guard, o.unmet.have, o.unmet.need) for o in found] == (
        [("exchanged", exchanges, needs)] if needs else []
    )


def test_options_are_a_table_for_buttons() -> None:
    """Type and guards together, for each signal of the stage."""
    tie = tie_of(COMMUNITIES)
    table = options(tie, facts_of(tie, COMMUNITIES), machine=LIFECYCLE, rules=COMMUNITIES, at=LATER)
    assert [(str(o.signal), o.possible, len(o.obstacles)) for o in table] == [
        ("understand", False, 3),
        ("fail", False, 1),
        ("dissolve", True, 0),
    ]


# time


def swept(tie: Relationship, until: datetime, machine: Lifecycle = LIFECYCLE) -> list[tuple[str, datetime]]:
    found = catch_up(tie, machine, PERSONAL_ASSISTANCE, until=until)
    return [(type(change.event).__name__, at) for change, at in found]


def test_time_is_exact() -> None:
    """Nothing a moment before the deadline, everything at it, each with the stamp of its deadline."""
    warned, over = START + 180 * DAY, START + 365 * DAY
    tick = timedelta(microseconds=1)
    assert swept(tie_of(), warned - tick) == []
    assert swept(tie_of(), warned) == [("RelationshipWarned", warned)]
    assert swept(tie_of(), over - tick) == [("RelationshipWarned", warned)]
    everything = catch_up(tie_of(), LIFECYCLE, PERSONAL_ASSISTANCE, until=over + 999 * DAY)
    assert [at for _, at in everything] == [warned, over]
    tie = everything[-1][0].record
    assert (tie.ended, tie.ended_by, tie.at_fault, tie.cause) == (
        over,
        EndedBy.NOBODY,
        Fault.NEITHER,
        DissolutionCause.INACTIVITY,
    )
    assert everything[0][0].event == RelationshipWarned(warned="silence", stage=Stage.EXPLORATION)
    assert catch_up(tie, LIFECYCLE, PERSONAL_ASSISTANCE, until=over + 999 * DAY) == ()


def test_what_was_warned_of_is_not_told_again() -> None:
    """Until there is a sign of life, a warning stands."""
    tie = tie_of(warned="silence")
    assert swept(tie, START + 200 * DAY) == []
    assert swept(attrs.evolve(tie, warned="of another lifecycle"), START + 200 * DAY) == [
        ("RelationshipWarned", START + 180 * DAY)
    ]


class Phase(StrEnum):
    A = "a"
    B = "b"
    C = "c"


class Sign(StrEnum):
    GO = "go"


def never(_: Facts) -> bool:
    return False


CHAIN: Lifecycle = Machine(
    "chain",
    version=1,
    initial=Phase.A,
    final=[Phase.C],
    edges=[
        edge(Phase.A, Phase.B, on=Sign.GO),
        warning("one", Phase.A, after=days(10)),
        warning("two", Phase.A, after=days(20)),
        edge(Phase.A, Phase.B, after=days(30)),
        warning("one", Phase.B, after=days(5)),
        edge(Phase.B, Phase.C, after=days(7), cause=DissolutionCause.INACTIVITY),
    ],
)


@given(st.lists(st.integers(1, 20), max_size=12))
def test_history_does_not_depend_on_the_sweeps(waits: list[int]) -> None:
    """Chains of warnings and moves come out the same for every cadence."""

    def play(moments: list[datetime]) -> list[tuple[str, datetime]]:
        tie, history = tie_of(stage=Phase.A), []
        for moment in moments:
            for change, at in catch_up(tie, CHAIN, PERSONAL_ASSISTANCE, until=moment):
                history.append((f"{type(change.event).__name__} {change.record.warned} {change.record.stage}", at))
                tie = change.record
        return history

    moments = [START + sum(waits[: n + 1]) * DAY for n in range(len(waits))]
    end = START + 300 * DAY
    assert play([*moments, end]) == play([end])
    assert len(play([end])) == 5


def test_whoever_waits_is_found_by_stage_and_warning() -> None:
    """For each stage, what was told last and how long until the next thing."""
    assert warned_states(CHAIN, "a") == {None: 10 * DAY, "one": 20 * DAY, "two": 30 * DAY}
    assert warned_states(CHAIN, "b") == {None: 5 * DAY, "one": 7 * DAY}
    assert warned_states(CHAIN, "c") == {}
    assert warned_states(LIFECYCLE, Stage.EXPLORATION) == {None: 180 * DAY, "silence": 365 * DAY}


def test_a_guarded_move_hides_nothing_behind_it() -> None:
    """What waits behind a timed move whose guard may fail is found with it."""
    guarded: Lifecycle = Machine(
        "guarded",
        version=1,
        initial=Phase.A,
        final=[Phase.C],
        edges=[
            edge(Phase.A, Phase.B, on=Sign.GO),
            edge(Phase.A, Phase.B, after=days(10), when=[never]),
            warning("late", Phase.A, after=days(20)),
            edge(Phase.B, Phase.C, after=days(7)),
        ],
    )
    assert warned_states(guarded, "a") == {None: 10 * DAY}
    assert swept(tie_of(stage=Phase.A), START + 25 * DAY, guarded) == [("RelationshipWarned", START + 20 * DAY)]
    told = attrs.evolve(tie_of(stage=Phase.A), warned="late")
    assert swept(told, START + 99 * DAY, guarded) == []


def test_the_warnings_told_are_the_last_and_those_before() -> None:
    """From one name all earlier ones follow."""
    assert warnings_told(tie_of(stage=Phase.A), CHAIN) == ()
    assert warnings_told(tie_of(stage=Phase.A, warned="one"), CHAIN) == ("one",)
    assert warnings_told(tie_of(stage=Phase.A, warned="two"), CHAIN) == ("one", "two")
    assert warnings_told(tie_of(stage=Phase.A, warned="unheard of"), CHAIN) == ()


# another version


def test_migration_keeps_what_still_means_something() -> None:
    """A warning stays if the new stage knows it and the timers go on; otherwise it is forgotten."""
    two: Lifecycle = LIFECYCLE.extend(version=2)
    tie = tie_of(warned="silence")
    kept = migrate(tie, Versions(two, old={1: LIFECYCLE}), PERSONAL_ASSISTANCE, at=LATER)
    assert kept is not None
    assert (kept.record.lifecycle, kept.record.stage, kept.record.warned) == ("2", Stage.EXPLORATION, "silence")
    anew = Versions(two, old={1: LIFECYCLE}, migrations=[Migration(1, 2, since="now")])
    fresh = migrate(tie, anew, PERSONAL_ASSISTANCE, at=LATER)
    assert fresh is not None
    assert (fresh.record.quiet_since, fresh.record.warned) == (LATER, None)


def test_a_warning_of_another_name_is_forgotten() -> None:
    """The new lifecycle warns by other names, so what was told means nothing there."""
    chain = Versions(
        CHAIN.extend(version=2),
        old={1: LIFECYCLE},
        migrations=[Migration(1, 2, dict.fromkeys(map(str, Stage), Phase.A))],
    )
    found = migrate(tie_of(warned="silence"), chain, PERSONAL_ASSISTANCE, at=LATER)
    assert found is not None
    assert (found.record.stage, found.record.warned, found.record.quiet_since) == ("a", None, START)


def test_what_is_current_is_not_migrated() -> None:
    """Nothing to do is no change."""
    assert migrate(tie_of(), Versions(LIFECYCLE), PERSONAL_ASSISTANCE, at=LATER) is None


def test_what_cannot_be_understood_is_refused() -> None:
    """An unknown version or stage is told with what to do about it."""
    for tie in (tie_of(lifecycle="0"), tie_of(lifecycle="1", stage="unheard of")):
        with pytest.raises(Refusal) as refused:
            migrate(tie, Versions(LIFECYCLE.extend(version=2), old={1: LIFECYCLE}), PERSONAL_ASSISTANCE, at=LATER)
        assert refused.value.rule == "lifecycle"
        assert refused.value.instead == ("declare the old version and a migration from it",)


# speed


@pytest.mark.timeout(60)
def test_a_whole_rule_costs_less_than_three_times_looking_up_and_copying() -> None:
    """The rule, its event and the new record against a dict look-up and attrs.evolve; the benchmark holds it to two."""
    tie = attrs.evolve(note_evidence(tie_of(), *UNDERSTOOD, at=START).record)
    table = {(Stage.EXPLORATION, Signal.UNDERSTAND): Stage.AWARENESS}

    def floor() -> Relationship:
        return attrs.evolve(tie, stage=table[Stage.EXPLORATION, Signal.UNDERSTAND], since=LATER, quiet_since=LATER)

    def rule() -> Any:
        return move(tie, Signal.UNDERSTAND)

    rule()
    ratio = min(timeit.timeit(rule, number=500) / timeit.timeit(floor, number=500) for _ in range(5))
    assert ratio < 3
