"""Lifecycles: the stages, what is in the way of each step, and what time does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest

from crmkit.domain.relationships.evidence import Tally
from crmkit.domain.relationships.lifecycles import (
    LIFECYCLE,
    OPEN,
    SILENCE,
    CoolingCause,
    DissolutionCause,
    Facts,
    Signal,
    Stage,
    depths,
    is_forward,
    is_open,
)
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.machine import Machine, Moved, Refused, days, edge, warning

START = datetime(2026, 1, 1, tzinfo=UTC)


def facts(*kinds: str, **more: Any) -> Facts:
    """Facts with one piece of evidence of each kind, one day after the other."""
    counts: dict[str, Tally] = {}
    for day, kind in enumerate(kinds):
        before = counts.get(kind)
        counts[kind] = Tally(count=before.count + 1 if before else 1, last=START + timedelta(days=day))
    return Facts(FrozenDict(counts), **more)


STEPS = [
    (Stage.EXPLORATION, Signal.UNDERSTAND, ("trial passed", "value understood"), None, Stage.AWARENESS),
    (Stage.EXPLORATION, Signal.FAIL, ("trial failed",), "needs not met", Stage.DISSOLUTION),
    (Stage.AWARENESS, Signal.EXPAND, (*["purchase"] * 4, *["promise kept"] * 2), None, Stage.EXPANSION),
    (Stage.EXPANSION, Signal.COMMIT, ("adapted to the customer", "aim to excel"), None, Stage.COMMITMENT),
    (Stage.COMMITMENT, Signal.COOL, (), "competitor", Stage.EXPANSION),
    (Stage.EXPANSION, Signal.COOL, (), "competitor", Stage.AWARENESS),
    (Stage.AWARENESS, Signal.COOL, (), "competitor", Stage.EXPLORATION),
    *((stage, Signal.DISSOLVE, (), "fraud", Stage.DISSOLUTION) for stage in SILENCE),
]


@pytest.mark.parametrize(("stage", "signal", "shown", "cause", "target"), STEPS)
def test_every_step_leads_where_it_should(
    stage: Stage, signal: Signal, shown: tuple[str, ...], cause: str | None, target: Stage
) -> None:
    """With all that it asks for, each step is taken, and the cause goes with it."""
    moved = LIFECYCLE.step(stage, signal, facts(*shown), cause=cause)
    assert isinstance(moved, Moved)
    assert (moved.state, moved.cause) == (target, cause)


def test_there_are_no_other_steps() -> None:
    """The steps above and the way back are all that signals do."""
    there = {(step.source, step.on, step.targets[0]) for step in LIFECYCLE.steps if step.on is not None}
    listed = {(stage, signal, target) for stage, signal, _, _, target in STEPS}
    assert there == listed | {(Stage.DISSOLUTION, Signal.REENGAGE, Stage.EXPLORATION)}


@pytest.mark.parametrize(
    ("stage", "signal", "given", "reasons"),
    [
        (
            Stage.EXPLORATION,
            Signal.UNDERSTAND,
            facts(),
            (
                "needs: the customer has tried the supplier and the last trial was passed",
                "signs that the value is understood 0, needs at least 1",
            ),
        ),
        (
            Stage.EXPLORATION,
            Signal.UNDERSTAND,
            facts("trial passed", "trial failed", "value understood"),
            ("needs: the customer has tried the supplier and the last trial was passed",),
        ),
        (
            Stage.EXPLORATION,
            Signal.FAIL,
            facts("trial failed", "trial passed"),
            ("needs: the customer has tried the supplier and the last trial failed",),
        ),
        (Stage.AWARENESS, Signal.EXPAND, facts(*["purchase"] * 9, "promise kept"), ("trust 50, needs at least 60",)),
        (
            Stage.EXPANSION,
            Signal.COMMIT,
            facts(),
            (
                "adaptations to the customer's rules 0, needs at least 1",
                "efforts to excel for the customer 0, needs at least 1",
            ),
        ),
        (
            Stage.DISSOLUTION,
            Signal.REENGAGE,
            facts(contact_allowed=False),
            ("needs: the customer's own purchase, or consent to contact",),
        ),
        (
            Stage.DISSOLUTION,
            Signal.REENGAGE,
            facts(),
            ("needs: the customer's own purchase, or consent to contact",),
        ),
    ],
)
def test_every_guard_says_why(stage: Stage, signal: Signal, given: Facts, reasons: tuple[str, ...]) -> None:
    """What is in the way is told in words and figures."""
    refused = LIFECYCLE.step(stage, signal, given)
    assert isinstance(refused, Refused)
    assert refused.reasons == reasons


def test_a_trial_that_was_passed_and_failed_at_once_stands_for_both() -> None:
    """At the very same moment neither result is the later one."""
    both = Facts(
        FrozenDict({k: Tally(count=1, last=START) for k in ("trial passed", "trial failed", "value understood")})
    )
    assert isinstance(LIFECYCLE.step(Stage.EXPLORATION, Signal.UNDERSTAND, both), Moved)
    assert isinstance(LIFECYCLE.step(Stage.EXPLORATION, Signal.FAIL, both, cause="fraud"), Moved)


@pytest.mark.parametrize("given", [{"own_purchase": True}, {"contact_allowed": True}])
def test_coming_back_takes_one_of_two(given: dict[str, bool]) -> None:
    """The customer's own purchase needs no consent, consent needs no purchase."""
    assert isinstance(LIFECYCLE.step(Stage.DISSOLUTION, Signal.REENGAGE, facts(**given)), Moved)


def test_exchanges_may_stand_for_a_trial() -> None:
    """Where members earn it from each other, an exchange is enough; without one, or elsewhere, it is not."""
    for suffices, shown, possible in (
        (True, ("exchange with a member",), True),
        (True, (), False),
        (False, ("exchange with a member",), False),
    ):
        outcome = LIFECYCLE.step(Stage.EXPLORATION, Signal.UNDERSTAND, facts(*shown, exchanges_suffice=suffices))
        assert isinstance(outcome, Moved) is possible


@pytest.mark.parametrize("signal", [Signal.COOL, Signal.DISSOLVE, Signal.FAIL])
def test_causes_are_asked_for(signal: Signal) -> None:
    """A step back and an end name their cause, each from its own vocabulary."""
    stage = Stage.EXPLORATION if signal is Signal.FAIL else Stage.COMMITMENT
    right, wrong = (CoolingCause.BUDGET, DissolutionCause.FRAUD)
    if signal is not Signal.COOL:
        right, wrong = wrong, right
    for cause, possible in ((right, True), (wrong, False), (None, False)):
        assert isinstance(LIFECYCLE.step(stage, signal, facts("trial failed"), cause=cause), Moved) is possible


@pytest.mark.parametrize("stage", SILENCE)
def test_silence_warns_and_then_ends(stage: Stage) -> None:
    """Each lasting stage has a warning and an end, with inactivity as the cause."""
    first, second = LIFECYCLE.deadlines(stage, START)
    warns, ends = SILENCE[stage]
    assert (first.at, first.step.warns) == (START + warns, "silence")
    assert (second.at, second.step.targets, second.step.causes) == (
        START + ends,
        (Stage.DISSOLUTION,),
        (DissolutionCause.INACTIVITY,),
    )


def test_what_is_over_has_no_deadline() -> None:
    """Nothing happens by itself after the end, and an exploration lasts a year."""
    assert LIFECYCLE.deadlines(Stage.DISSOLUTION, START) == ()
    assert SILENCE[Stage.EXPLORATION][1] == timedelta(days=365)


def test_causes_of_the_end_are_those_of_the_field() -> None:
    """Five of the customer's, three of the supplier's."""
    assert list(map(str, DissolutionCause)) == [
        "needs not met",
        "dissatisfied",
        "better offer elsewhere",
        "needs changed",
        "inactivity",
        "no growth in volume",
        "fraud",
        "better prospects",
    ]


def test_forward_is_away_from_the_beginning() -> None:
    """Depth counts signals from the first stage; steps back and ends are not forward."""
    assert [depths(LIFECYCLE).get(stage) for stage in Stage] == [0, 1, 2, 3, None]
    assert is_forward(LIFECYCLE, Stage.EXPLORATION, Stage.AWARENESS)
    assert not is_forward(LIFECYCLE, Stage.EXPANSION, Stage.AWARENESS)
    assert not is_forward(LIFECYCLE, Stage.EXPLORATION, Stage.DISSOLUTION)
    assert not is_forward(LIFECYCLE, Stage.DISSOLUTION, Stage.EXPLORATION)
    assert not is_forward(LIFECYCLE, Stage.AWARENESS, Stage.AWARENESS)


def test_open_is_the_group_or_what_is_not_final() -> None:
    """A host's machine may name the stages that last, or just its final ones."""

    class Phase(StrEnum):
        ON = "on"
        OFF = "off"

    class Sign(StrEnum):
        STOP = "stop"

    plain: Machine[Any, Any, Facts] = Machine(
        "m", version=1, initial=Phase.ON, final=[Phase.OFF], edges=[edge(Phase.ON, Phase.OFF, on=Sign.STOP)]
    )
    assert (is_open(plain, "on"), is_open(plain, "off")) == (True, False)
    assert [is_open(LIFECYCLE, stage) for stage in Stage] == [True, True, True, True, False]
    assert set(LIFECYCLE.group(OPEN)) == set(SILENCE)


def test_a_host_extends_the_lifecycle() -> None:
    """A further warning, say: a machine of its own, while this one stays as it is."""
    longer = LIFECYCLE.extend(version="1+shop", add=[warning("last call", Stage.EXPLORATION, after=days(300))])
    assert len(longer.deadlines(Stage.EXPLORATION, START)) == 3
    assert len(LIFECYCLE.deadlines(Stage.EXPLORATION, START)) == 2


def test_the_definition_is_sound() -> None:
    """The only doubt is told: who is gone and neither buys nor consents stays gone, which is meant."""
    assert [finding.code for finding in LIFECYCLE.findings] == ["stuck"]
