"""Machine: asking about signals and time, and extending."""

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from attrs.exceptions import FrozenInstanceError
from tests.kernel.machine.lifecycles import (
    CASE,
    INACTIVITY,
    RELATIONSHIP,
    START,
    Case,
    CoolingCause,
    DissolutionCause,
    Event,
    Facts,
    Signal,
    Stage,
    has_bought,
    trusted,
)

from crmkit.errors import DefinitionError, GuardFailed, Misuse
from crmkit.kernel.machine import Machine, Moved, Option, Refused, Unmet, Warned, Why, days, edge, guard, warning

GOOD = Facts(purchases=2, trust=80)

# signals


def test_a_step_tells_where_it_leads_and_changes_nothing():
    """The answer is a value with the step that was taken."""
    moved = RELATIONSHIP.step(Stage.AWARENESS, Signal.EXPAND, GOOD)
    assert moved == Moved(Stage.AWARENESS, Stage.EXPANSION, Signal.EXPAND)
    assert str(moved.step) == "awareness -expand [trusted]-> expansion"
    assert moved.at is None


def test_text_stands_for_the_member_that_it_equals():
    """Stored text and form fields need no conversion; the answer has the members."""
    moved = RELATIONSHIP.step("commitment", "cool", GOOD, cause="price")
    assert moved == Moved(Stage.COMMITMENT, Stage.EXPANSION, Signal.COOL, CoolingCause.PRICE)
    assert [type(word) for word in (moved.source, moved.state, moved.on, moved.cause)] == [
        Stage,
        Stage,
        Signal,
        CoolingCause,
    ]


def test_the_same_question_gets_the_same_answer():
    """Nothing is kept between questions."""
    asked = [RELATIONSHIP.step(Stage.AWARENESS, Signal.EXPAND, GOOD) for _ in range(3)]
    assert asked[0] is asked[1] is asked[2]


def test_move_returns_what_step_returns():
    """The two differ in how they refuse."""
    assert RELATIONSHIP.move("awareness", "expand", GOOD) is RELATIONSHIP.step("awareness", "expand", GOOD)


def test_the_first_edge_whose_guards_hold_is_taken():
    """An edge without guards, written last, is the else."""
    assert CASE.step("open", "close", 9).state is Case.WAITING
    assert CASE.step("open", "close", 5).state is Case.CLOSED


def test_a_missing_cause_does_not_fall_through_to_the_next_edge():
    """Forgetting the cause must not lead somewhere else."""
    machine = CASE.extend(
        version=2,
        remove=[edge(Case.NEW, Case.OPEN, on=Event.TAKE)],
        add=[
            edge(Case.NEW, Case.OPEN, on=Event.TAKE, cause=CoolingCause, unless=[urgent_case]),
            edge(Case.NEW, Case.WAITING, on=Event.TAKE),
        ],
    )
    refused = machine.step("new", "take", 1)
    assert isinstance(refused, Refused)
    assert (refused.why, refused.expected) == (Why.CAUSE, tuple(CoolingCause))
    assert machine.step("new", "take", 1, cause=CoolingCause.PRICE).cause is CoolingCause.PRICE
    assert machine.step("new", "take", 9).state is Case.WAITING


def urgent_case(facts):
    return facts > 7


@pytest.mark.parametrize("cause", [None, "inactivity", INACTIVITY])
def test_a_fixed_cause_goes_with_the_step(cause):
    """Nobody has to give it; giving the same is fine, giving another is refused."""
    machine = RELATIONSHIP.extend(
        version=2,
        remove=[edge(Stage.EXPLORATION, Stage.DISSOLUTION, on=Signal.DISSOLVE)],
        add=[edge(Stage.EXPLORATION, Stage.DISSOLUTION, on=Signal.DISSOLVE, cause=INACTIVITY)],
    )
    assert machine.step("exploration", "dissolve", GOOD, cause=cause).cause is INACTIVITY
    other = machine.step("exploration", "dissolve", GOOD, cause=DissolutionCause.NEEDS_NOT_MET)
    assert (other.why, other.expected) == (Why.CAUSE, (INACTIVITY,))
    dissolve = next(option for option in machine.explain("exploration", GOOD) if option.signal == "dissolve")
    assert dissolve.causes == ()


def test_a_step_back_leads_to_the_state_before():
    """The machine is told where the record was, since it keeps nothing."""
    for before in (Case.OPEN, Case.WAITING):
        assert CASE.step("closed", "reopen", 5, previous=before) == Moved(Case.CLOSED, before, Event.REOPEN)
    refused = CASE.step("closed", "reopen", 5, previous="new")
    assert (refused.why, refused.expected) == (Why.PREVIOUS, (Case.OPEN, Case.WAITING))


def test_where_a_record_was_does_not_matter_to_other_steps():
    """A caller may always tell it."""
    assert CASE.step("new", "take", 5, previous="void").state is Case.OPEN


def test_explain_lists_every_signal_of_a_state():
    """In the order of the signals, with what is in the way and what must be given."""
    commit, dissolve = RELATIONSHIP.explain(Stage.EXPANSION, Facts())
    assert (commit.signal, commit.targets, commit.possible) == (Signal.COMMIT, (Stage.COMMITMENT,), False)
    assert [(o.guard, o.target, str(o)) for o in commit.obstacles] == [
        ("has_bought", "commitment", "purchases 0, needs at least 1"),
        ("trusted", "commitment", "trust 50, needs at least 60"),
    ]
    assert dissolve == Option(Signal.DISSOLVE, (Stage.DISSOLUTION,), (), tuple(DissolutionCause))
    assert RELATIONSHIP.explain("paradise", Facts()) == ()
    assert CASE.explain("void", 5) == ()


def test_explain_shows_all_targets_while_a_signal_is_blocked():
    """Which of them it will be depends on the guards."""
    machine = CASE.extend(version=2, guards={edge(Case.OPEN, Case.CLOSED, on=Event.CLOSE): [huge]})
    close = next(option for option in machine.explain("open", 1) if option.signal == "close")
    assert close.targets == (Case.WAITING, Case.CLOSED)
    assert [obstacle.guard for obstacle in close.obstacles] == ["urgent", "huge"]


def huge(facts):
    return facts > 100


# guards


def machine_with(check, **more):
    Door, Push = StrEnum("Door", "SHUT OPEN"), StrEnum("Push", "PUSH")  # noqa: N806
    return Machine(
        "door",
        version=1,
        initial=Door.SHUT,
        final=[Door.OPEN],
        edges=[
            edge(Door.SHUT, Door.SHUT, on=Push.PUSH, **more, overlaps="first wins"),
            edge(Door.SHUT, Door.OPEN, on=Push.PUSH, when=[check]),
        ],
    )


def broken(facts):
    raise KeyError(facts)


def truthy(_facts):
    return [1]


def number(_facts):
    return 1


def silent(_facts):
    return None


def never(_facts):
    return False


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        (broken, "raised KeyError"),
        (truthy, "returned list, expected True, False or Unmet"),
        (number, "returned int, expected True, False or Unmet"),
        (silent, "returned NoneType, expected True, False or Unmet"),
    ],
)
@pytest.mark.parametrize("lane", ["first", "later", "unless"])
def test_a_broken_guard_is_an_error_and_no_refusal(check, problem, lane):
    """It names machine, step and guard, never the facts, and chains what was raised."""
    edges = {"first": {"when": [check]}, "later": {"when": [never]}, "unless": {"unless": [check]}}
    machine = machine_with(check, **edges[lane]) if lane == "later" else machine_with(never, **edges[lane])
    with pytest.raises(GuardFailed) as caught:
        machine.step("shut", "push", "secret")
    error = caught.value
    assert isinstance(error, Misuse)
    assert (error.machine, error.guard, error.problem) == ("door", check.__name__, problem)
    assert str(error) == f"door: the guard {check.__name__!r} of {error.step!r} {problem}"
    assert "secret" not in str(error)
    assert isinstance(error.__cause__, KeyError) == (check is broken)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_guard_that_only_says_no_is_told_in_its_words():
    """Its text, or its name spelled out."""

    @guard("the door is unlocked")
    def unlocked(_facts):
        return False

    refused = machine_with(never, when=[unlocked]).step("shut", "push", None)
    assert [str(obstacle) for obstacle in refused.obstacles] == ["needs: the door is unlocked", "needs: never"]


def test_a_figure_for_a_guard_that_must_not_hold_lets_the_step_pass():
    """`unless` asks whether the guard holds, however it says no."""

    def many(_facts):
        return Unmet("many", 1, 2, "at least")

    assert machine_with(never, unless=[many]).step("shut", "push", None).state == "shut"


# time


def test_silence_warns_and_then_dissolves():
    """Each at its deadline, however late the sweep."""
    history = RELATIONSHIP.catch_up("exploration", START, Facts(), until=START + days(1000))
    assert history == (
        Warned(Stage.EXPLORATION, "silence", START + days(180)),
        Moved(Stage.EXPLORATION, Stage.DISSOLUTION, None, INACTIVITY, START + days(365)),
    )
    assert history[1].step.after == days(365)


@pytest.mark.parametrize(("early", "count"), [(timedelta(microseconds=1), 0), (timedelta(0), 1)])
def test_a_deadline_is_due_at_its_very_moment(early, count):
    """Not before, and not after."""
    assert len(RELATIONSHIP.catch_up("exploration", START, Facts(), until=START + days(180) - early)) == count


def test_a_warning_is_told_once_for_each_since():
    """The caller remembers what was told; a new since begins anew."""
    until = START + days(200)
    assert RELATIONSHIP.catch_up("awareness", START, Facts(), until=until, warned=["silence"]) == ()
    assert len(RELATIONSHIP.catch_up("awareness", START, Facts(), until=until, warned=["other"])) == 1


def test_a_move_starts_the_timers_of_the_next_state_at_its_own_deadline():
    """Several timed steps are caught up in one sweep."""
    history = CASE.catch_up("waiting", START, 5, until=START + days(100))
    assert [(o.state, o.at - START) for o in history] == [(Case.CLOSED, days(14)), (Case.VOID, days(44))]


def test_a_warning_told_is_forgotten_by_a_move():
    """The next state warns by itself, even under the same name."""
    machine = CASE.extend(version=2, add=[warning("late", [Case.WAITING, Case.CLOSED], after=days(7))])
    history = machine.catch_up("waiting", START, 5, until=START + days(100))
    assert [type(outcome) for outcome in history] == [Warned, Moved, Warned, Moved]
    assert [outcome.at - START for outcome in history] == [days(7), days(14), days(21), days(44)]


def test_a_guarded_deadline_stays_due_until_its_guard_holds():
    """It is never lost: each sweep tries again."""
    kept = {"open_contract": True, "trust": 50}
    for day in (730, 731, 900):
        assert RELATIONSHIP.due("awareness", START, Facts(**kept), now=START + days(day), warned={"silence"}) is None
    found = RELATIONSHIP.due("awareness", START, Facts(), now=START + days(901), warned={"silence"})
    assert found.at == START + days(730)


@pytest.mark.parametrize(
    ("since_day", "stamp_day"), [(None, 730), (10, 730), (730, 730), (800, 800), (900, 900), (901, None)]
)
def test_a_guarded_move_is_stamped_when_deadline_and_facts_had_both_come(since_day, stamp_day):
    """The later of the deadline and the instant from which the facts have been what they are."""
    found = RELATIONSHIP.due(
        "awareness",
        START,
        Facts(),
        now=START + days(900),
        warned={"silence"},
        facts_since=None if since_day is None else START + days(since_day),
    )
    assert (None if found is None else (found.at - START).days) == stamp_day


def test_what_needs_no_guard_does_not_care_how_old_the_facts_are():
    """Only guards look at facts."""
    found = RELATIONSHIP.due("exploration", START, Facts(), now=START + days(900), facts_since=START + days(800))
    assert found == Warned(Stage.EXPLORATION, "silence", START + days(180))


def test_a_late_guard_yields_to_what_happened_before_it():
    """History is in the order of the stamps, not of the deadlines."""
    machine = CASE.extend(version=2, add=[edge(Case.WAITING, Case.VOID, after=days(10), when=[urgent_case])])
    now = START + days(20)
    assert machine.due("waiting", START, 9, now=now).state is Case.VOID
    assert machine.due("waiting", START, 9, now=now, facts_since=START + days(15)).state is Case.CLOSED
    assert machine.due("waiting", START, 9, now=now, facts_since=START + days(14)).state is Case.VOID


def test_deadlines_are_told_in_order():
    """Whatever order the edges were written in."""
    assert [(d.at - START, str(d.step)) for d in RELATIONSHIP.deadlines("exploration", START)] == [
        (days(180), "exploration -silence after 180 days"),
        (days(365), "exploration -after 365 days-> dissolution"),
    ]
    assert RELATIONSHIP.deadlines("dissolution", START) == ()
    assert RELATIONSHIP.deadlines("paradise", START) == ()


def test_the_end_of_the_calendar_is_no_error():
    """A deadline after the year 9999 is never due."""
    late = datetime(9999, 12, 1, tzinfo=timezone(timedelta(hours=-5)))
    assert RELATIONSHIP.deadlines("exploration", late) == ()
    assert RELATIONSHIP.catch_up("exploration", late, Facts(), until=late + days(10)) == ()
    naive = datetime(9999, 12, 1)  # noqa: DTZ001
    assert RELATIONSHIP.deadlines("exploration", naive) == ()
    exact = datetime.max.replace(tzinfo=UTC) - days(180)
    assert len(RELATIONSHIP.deadlines("exploration", exact)) == 1
    assert RELATIONSHIP.deadlines("exploration", exact + timedelta(microseconds=1)) == ()


def test_windows_find_what_is_due_by_state_and_age():
    """A warning's delay and a move's; each pair once."""
    windows = RELATIONSHIP.due_windows()
    assert windows[:2] == ((Stage.EXPLORATION, days(180)), (Stage.EXPLORATION, days(365)))
    assert len(windows) == 8
    twice = CASE.extend(version=2, add=[warning(name, Case.CLOSED, after=days(7)) for name in ("soon", "later")])
    assert twice.due_windows().count((Case.CLOSED, days(7))) == 1


def test_time_does_nothing_in_an_unknown_state():
    """A list of stored records is swept to its end."""
    assert RELATIONSHIP.catch_up("paradise", START, Facts(), until=START + days(999)) == ()
    assert RELATIONSHIP.due("paradise", START, Facts(), now=START + days(999)) is None


# the machine itself


def test_a_machine_is_frozen():
    """What was verified stays as it was."""
    with pytest.raises(FrozenInstanceError):
        RELATIONSHIP.version = 2


@pytest.mark.parametrize("again", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_a_machine_can_be_copied(again):
    """Machines travel to other processes if their guards are importable."""
    there = again(RELATIONSHIP)
    assert there.fingerprint == RELATIONSHIP.fingerprint
    assert there.step("awareness", "expand", GOOD) == RELATIONSHIP.step("awareness", "expand", GOOD)


def test_a_machine_introduces_itself():
    """Briefly, and with its steps where there is room."""
    assert repr(RELATIONSHIP) == "<Machine relationship version 1: 5 states, 17 steps>"
    told = dict(RELATIONSHIP.__rich_repr__())
    assert (told["name"], told["version"], len(told["states"]), len(told["steps"])) == ("relationship", 1, 5, 17)
    assert RELATIONSHIP._repr_svg_().startswith("<svg ")


# extension


class ShopStage(StrEnum):
    TRIAL = "trial"


class ShopSignal(StrEnum):
    TRY = "try"


class ShopCause(StrEnum):
    MOVED_AWAY = "moved away"


SHOP: Machine[Stage | ShopStage, Signal | ShopSignal, Facts] = RELATIONSHIP.extend(
    version="1+shop",
    states=[ShopStage],
    signals=[ShopSignal],
    causes={DissolutionCause: ShopCause},
    groups={"open": [ShopStage.TRIAL], "early": [Stage.EXPLORATION, ShopStage.TRIAL]},
    add=[
        edge(Stage.EXPLORATION, ShopStage.TRIAL, on=ShopSignal.TRY),
        edge(ShopStage.TRIAL, Stage.AWARENESS, on=Signal.UNDERSTAND),
    ],
    guards={edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND): [has_bought]},
    remove=[edge(Stage.EXPLORATION, Stage.DISSOLUTION, after=days(365))],
)


def test_a_host_adds_states_of_its_own():
    """They stand beside the library's, and the library's machine stays as it was."""
    assert SHOP.step("exploration", "try", GOOD) == Moved(Stage.EXPLORATION, ShopStage.TRIAL, ShopSignal.TRY)
    assert SHOP.step(ShopStage.TRIAL, Signal.UNDERSTAND, GOOD).state is Stage.AWARENESS
    assert RELATIONSHIP.step("exploration", "try", GOOD).why is Why.UNKNOWN_SIGNAL
    assert (SHOP.version, SHOP.name, SHOP.doc) == ("1+shop", "relationship", RELATIONSHIP.doc)


def test_edges_that_leave_a_group_leave_the_states_that_a_host_adds_to_it():
    """A new open stage can be dissolved, and warns of silence."""
    assert SHOP.group("open") == {*RELATIONSHIP.group("open"), ShopStage.TRIAL}
    assert SHOP.group("early") == {Stage.EXPLORATION, ShopStage.TRIAL}
    assert SHOP.step("trial", "dissolve", GOOD, cause="moved away").cause is ShopCause.MOVED_AWAY
    assert [deadline.step.warns for deadline in SHOP.deadlines("trial", START)] == ["silence"]


def test_a_host_adds_causes_of_its_own():
    """Wherever the library's are taken, and nowhere else."""
    assert SHOP.step("expansion", "dissolve", GOOD, cause="inactivity").cause is INACTIVITY
    assert SHOP.step("commitment", "cool", GOOD, cause="moved away").why is Why.CAUSE
    again = SHOP.extend(version=3, causes={ShopCause: CoolingCause})
    assert again.step("trial", "dissolve", GOOD, cause="price").cause is CoolingCause.PRICE


def test_a_host_makes_steps_harder():
    """Its guards come after those that are there."""
    refused = SHOP.step("awareness", "expand", Facts())
    assert [obstacle.guard for obstacle in refused.obstacles] == ["trusted", "has_bought"]


def test_a_host_removes_one_of_several_sources():
    """The others keep the edge."""
    less = RELATIONSHIP.extend(version=2, remove=[edge(Stage.COMMITMENT, Stage.DISSOLUTION, on=Signal.DISSOLVE)])
    assert less.step("commitment", "dissolve", GOOD, cause="inactivity").why is Why.NO_SUCH_STEP
    assert less.step("expansion", "dissolve", GOOD, cause="inactivity").state is Stage.DISSOLUTION
    gone = RELATIONSHIP.extend(version=2, remove=[warning("silence", "open", after=days(180))])
    assert not any(step.warns for step in gone.steps)


def test_a_signal_that_nothing_listens_to_goes_with_its_last_edge():
    """Otherwise no step could be removed for good."""
    less = RELATIONSHIP.extend(version=2, remove=[edge(Stage.COMMITMENT, Stage.EXPANSION, on=Signal.COOL)])
    assert Signal.COOL not in less.signals
    assert less.step("commitment", "cool", GOOD).why is Why.UNKNOWN_SIGNAL


def test_a_host_guards_a_whole_group_at_once():
    """A pattern may name a group, as an edge does; two patterns add up."""
    dissolve = edge("open", Stage.DISSOLUTION, on=Signal.DISSOLVE)
    one = edge(Stage.EXPLORATION, Stage.DISSOLUTION, on=Signal.DISSOLVE)
    machine = RELATIONSHIP.extend(version=2, guards={dissolve: [trusted], one: [has_bought]})
    guards = {step.source: step.guards for step in machine.steps if step.on == "dissolve"}
    assert guards["exploration"] == ("trusted", "has_bought")
    assert guards["commitment"] == ("trusted",)


def test_a_host_adds_final_states():
    """A stage may become the end."""
    Gone = StrEnum("Gone", "BLOCKED")  # noqa: N806
    Block = StrEnum("Block", "BLOCK")  # noqa: N806
    machine = RELATIONSHIP.extend(
        version=2,
        states=[Gone],
        signals=[Block],
        final=[Gone.BLOCKED],
        add=[edge(Stage.DISSOLUTION, Gone.BLOCKED, on=Block.BLOCK)],
    )
    assert machine.final == {"blocked"}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (edge(Stage.COMMITMENT, Stage.EXPLORATION, on=Signal.COOL), "there is no edge commitment -cool-> exploration"),
        (edge("opne", Stage.DISSOLUTION, on=Signal.DISSOLVE), "there is no edge opne -dissolve-> dissolution"),
        (
            edge(Stage.EXPLORATION, Stage.DISSOLUTION, after=days(1)),
            "there is no edge exploration -1 day, 0:00:00-> dissolution",
        ),
    ],
)
def test_what_is_not_there_cannot_be_removed_or_guarded(pattern, text):
    """A host is told when the library's next release has no such edge any more."""
    for what in ({"remove": [pattern]}, {"guards": {pattern: [trusted]}}):
        with pytest.raises(DefinitionError) as caught:
            RELATIONSHIP.extend(version=2, **what)
        assert caught.value.problems == (text,)


def test_an_extension_is_verified_in_full():
    """A host cannot make a state unreachable."""
    with pytest.raises(DefinitionError, match="awareness cannot be reached"):
        RELATIONSHIP.extend(version=2, remove=[edge(Stage.EXPLORATION, Stage.AWARENESS, on=Signal.UNDERSTAND)])
