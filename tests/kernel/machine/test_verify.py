"""Verification: one wrong machine for each thing that can be wrong with one."""

from enum import StrEnum

import pytest
from tests.kernel.machine.lifecycles import CASE, RELATIONSHIP

from crmkit.errors import DefinitionError
from crmkit.kernel.machine import Machine, Verdict, days, edge, exclusive, exhaustive, previous, warning
from crmkit.kernel.machine.verify import prove

Door = StrEnum("Door", "SHUT OPEN LOCKED")
Push = StrEnum("Push", "PUSH PULL TURN")
Why = StrEnum("Why", "WIND HAND")
SHUT, OPEN, LOCKED = Door
PUSH, PULL, TURN = Push


def strong(force: int) -> Verdict:
    return force > 5


def heavy(force: int) -> Verdict:
    return force > 7


def weak(force: int) -> Verdict:
    return force <= 5


def small(force: int) -> Verdict:
    return force < 2


def _weak(force: int) -> Verdict:
    return force <= 5


_weak.__name__ = "weak"

# A door that is in order; each case below adds to it, or takes another one.
ORDER = [edge(SHUT, OPEN, on=PUSH), edge(OPEN, SHUT, on=PULL), edge(SHUT, LOCKED, on=TURN), edge(LOCKED, SHUT, on=TURN)]


def door(*edges, **more):
    return Machine(**{"name": "door", "version": 1, "initial": SHUT, "states": [Door], "edges": edges, **more})


def problems(*edges, **more):
    try:
        return [f"{f.level} {f.code}: {f.text}" for f in door(*edges, **more).findings]
    except DefinitionError as error:
        return list(error.problems)


def test_a_door_that_is_in_order_gives_no_findings():
    """Silence is the answer to a good definition."""
    assert door(*ORDER).findings == ()


@pytest.mark.parametrize(
    ("edges", "more", "problem"),
    [
        ([], {"name": "the door"}, "the name 'the door' is not one word"),
        ([], {"name": ""}, "the name '' is not one word"),
        ([], {"version": "1 b"}, "the version '1 b' is not one word"),
        ([], {"states": [Door, StrEnum("Gate", "OPEN")]}, "states: open stands twice"),
        ([], {"signals": [Push, StrEnum("Pull", "PULL")]}, "signals: pull stands twice"),
        ([], {"initial": Why.WIND}, "initial: unknown state wind"),
        ([], {"final": [Why.WIND]}, "final: unknown state wind"),
        ([], {"groups": {"some": [Why.WIND]}}, "group some: unknown state wind"),
        ([], {"groups": {"open": [OPEN]}}, "the group open is named like a state"),
        ([], {"groups": {"none": []}}, "the group none is empty"),
        ([edge("ajar", OPEN, on=TURN)], {}, "source: unknown state ajar"),
        ([edge(OPEN, Why.WIND, on=TURN)], {}, "target of open -turn-> wind: unknown state wind"),
        ([edge([], OPEN, on=TURN)], {}, "an edge has no source"),
        ([edge(OPEN, LOCKED, on=Why.WIND)], {"signals": [Push]}, "open -wind-> locked: unknown signal wind"),
        ([edge(OPEN, LOCKED)], {}, "open -None-> locked: give one of on= and after="),
        ([edge(OPEN, LOCKED, on=TURN, after=days(1))], {}, "open -after 1 day-> locked: give one of on= and after="),
        ([edge(OPEN, LOCKED, after=days(0))], {}, "open -after 0 seconds-> locked: the delay is not positive"),
        ([edge(OPEN, LOCKED, after=days(-1))], {}, "open -after -1 days-> locked: the delay is not positive"),
        ([edge(OPEN, previous(), on=TURN)], {}, "open -turn: previous() needs states, and a signal"),
        (
            [edge(OPEN, previous(SHUT), after=days(1))],
            {},
            "open -after 1 day-> previous of shut: previous() needs states, and a signal",
        ),
        ([warning("", OPEN, after=days(1))], {}, "open -after 1 day: no target, and no name for a warning"),
        (
            [edge(OPEN, LOCKED, after=days(1), cause=Why)],
            {},
            "open -after 1 day-> locked: nobody gives time a cause; fix a member",
        ),
        (
            [edge(OPEN, LOCKED, on=TURN, cause=(Why, StrEnum("More", "HAND")))],
            {},
            "open -turn-> locked: causes: hand stands twice",
        ),
        ([warning("old", OPEN, after=days(n)) for n in (1, 2)], {}, "open has 2 warnings old"),
        (
            [edge(OPEN, LOCKED, on=TURN, when=[lambda _: True])],
            {},
            "open -turn []-> locked: a guard without a name; write a function with def",
        ),
        (
            [edge(OPEN, LOCKED, on=TURN, when=[weak]), edge(LOCKED, OPEN, on=PULL, unless=[_weak])],
            {},
            "two guards are named weak",
        ),
        (
            [edge(OPEN, LOCKED, on=TURN, when=[weak, weak])],
            {},
            "open -turn [weak, weak]-> locked: a guard stands twice",
        ),
        (
            [edge(OPEN, LOCKED, on=TURN, when=[weak], unless=[weak])],
            {},
            "open -turn [weak, not weak]-> locked: a guard stands twice",
        ),
        ([edge(SHUT, OPEN, on=PUSH)], {}, "shut -push-> open stands twice"),
        (
            [edge(SHUT, LOCKED, on=PUSH)],
            {},
            "shut -push-> locked is never taken: shut -push-> open always comes first",
        ),
        (
            [edge(OPEN, LOCKED, on=TURN, when=[weak]), edge(OPEN, SHUT, on=TURN, when=[weak, strong])],
            {},
            "open -turn [weak, strong]-> shut is never taken: open -turn [weak]-> locked always comes first",
        ),
        (
            [
                edge(OPEN, LOCKED, on=TURN, when=[weak]),
                edge(OPEN, SHUT, on=TURN, unless=[weak]),
                edge(OPEN, OPEN, on=TURN),
            ],
            {},
            "open -turn-> open is never taken: the steps before it leave nothing over",
        ),
        (
            [
                edge(OPEN, LOCKED, on=TURN, when=[weak]),
                edge(OPEN, SHUT, on=TURN, when=[strong]),
                edge(OPEN, OPEN, on=TURN),
            ],
            {"claims": [exhaustive(weak, strong)]},
            "open -turn-> open is never taken: the steps before it leave nothing over",
        ),
        (
            [edge(OPEN, LOCKED, after=days(1)), edge(OPEN, SHUT, after=days(2), when=[weak])],
            {},
            "open -after 2 days [weak]-> shut is never taken: open -after 1 day-> locked always comes first",
        ),
        (
            [warning("old", OPEN, after=days(2)), edge(OPEN, SHUT, after=days(2)), edge(OPEN, LOCKED, after=days(1))],
            {},
            "open -old after 2 days is never taken: open -after 1 day-> locked always comes first",
        ),
        ([], {"initial": OPEN, "states": [Door]}, None),
        (
            [edge(OPEN, OPEN, after=days(1))],
            {},
            "time alone leads from open back to open, for ever",
        ),
        ([], {"signals": [Push, StrEnum("Kick", "KICK")]}, "no edge listens to kick"),
        ([], {"final": [OPEN]}, "open is final, but has open -pull-> shut"),
    ],
)
def test_what_is_wrong_is_told(edges, more, problem):
    """One sentence that names the edge or the word."""
    told = problems(*ORDER, *edges, **more)
    assert told == [] if problem is None else problem in told


def test_the_duplicate_of_an_edge_is_not_called_shadowed_as_well():
    """One mistake, one sentence."""
    assert problems(*ORDER, edge(SHUT, OPEN, on=PUSH)) == ["shut -push-> open stands twice"]


@pytest.mark.parametrize(
    ("edges", "more", "told"),
    [
        (
            [edge(SHUT, OPEN, on=PUSH), edge(OPEN, SHUT, on=PULL), edge(LOCKED, SHUT, on=TURN)],
            {},
            ["locked cannot be reached from shut"],
        ),
        ([edge(SHUT, OPEN, on=PUSH), edge(OPEN, OPEN, on=PULL), edge(OPEN, LOCKED, on=TURN)], {}, [
            "locked is not final, but nothing leads out of it"]),
        (
            [edge(SHUT, OPEN, on=PUSH), edge(OPEN, LOCKED, on=PULL), edge(LOCKED, LOCKED, on=TURN)],
            {},
            ["locked is not final, but nothing leads out of it"],
        ),
        (
            [edge(SHUT, OPEN, on=PUSH), edge(SHUT, LOCKED, on=TURN), edge(SHUT, SHUT, on=PULL)],
            {"final": [LOCKED]},
            ["open is not final, but nothing leads out of it"],
        ),
        (
            [edge(SHUT, OPEN, on=PUSH), edge(SHUT, LOCKED, on=TURN), edge(OPEN, SHUT, on=PULL)],
            {"final": [LOCKED], "states": [Door, Why.WIND, Why.HAND], "signals": [Push]},
            ["wind cannot be reached from shut", "wind is not final, but nothing leads out of it",
             "hand cannot be reached from shut", "hand is not final, but nothing leads out of it"],
        ),
    ],
)  # fmt: skip
def test_states_that_cannot_be_reached_or_left_are_told(edges, more, told):
    """All of them, and nothing else."""
    assert problems(*edges, **more) == told


def test_states_from_which_no_end_can_be_reached_are_told():
    """If there are final states, each state must have a way to one."""
    ring = [edge(SHUT, OPEN, on=PUSH), edge(OPEN, Why.WIND, on=PULL), edge(Why.WIND, OPEN, on=PUSH)]
    told = problems(*ring, edge(SHUT, LOCKED, on=TURN), final=[LOCKED], states=[Door, Why.WIND])
    assert told == ["from open no final state can be reached", "from wind no final state can be reached"]


def test_a_ring_that_leads_to_another_ring_is_no_trap():
    """Only what is never left is."""
    one = [edge(SHUT, OPEN, on=PUSH), edge(OPEN, Why.WIND, on=PULL), edge(Why.WIND, OPEN, on=PUSH)]
    two = [edge(OPEN, LOCKED, on=TURN), edge(LOCKED, Why.HAND, on=PULL), edge(Why.HAND, LOCKED, on=PULL)]
    told = problems(*one, *two, states=[Door, Why])
    assert told == ["warning trap: hand, locked are never left again, and none of them is final"]


def test_without_final_states_a_ring_that_is_never_left_is_a_trap():
    """It may be meant, so it is a warning; the whole machine going round is no trap."""
    ring = [edge(SHUT, OPEN, on=PUSH), edge(OPEN, LOCKED, on=PULL), edge(LOCKED, OPEN, on=TURN)]
    assert problems(*ring) == ["warning trap: locked, open are never left again, and none of them is final"]


@pytest.mark.parametrize(
    ("first", "second", "more", "found"),
    [
        ({"when": [strong]}, {"when": [heavy]}, {}, True),
        ({"when": [strong]}, {"when": [heavy], "overlaps": "first wins"}, {}, False),
        ({"when": [strong], "overlaps": "first wins"}, {"when": [heavy]}, {}, True),
        ({"when": [strong]}, {"unless": [strong]}, {}, False),
        ({"unless": [strong]}, {"when": [strong]}, {}, False),
        ({"when": [strong]}, {"unless": [heavy]}, {}, True),
        ({"when": [strong]}, {"when": [weak]}, {"claims": [exclusive(strong, weak)]}, False),
        ({"when": [strong]}, {"when": [weak]}, {"claims": [exclusive(strong, heavy, weak)]}, False),
        ({"when": [weak]}, {"when": [strong]}, {"claims": [exclusive(strong, weak)]}, False),
        ({"when": [strong]}, {"when": [weak]}, {"claims": [exhaustive(strong, weak)]}, True),
        ({"when": [strong, heavy]}, {"when": [strong]}, {}, False),
        ({"when": [strong]}, {}, {}, False),
        ({"when": [strong]}, {"when": [heavy]}, {"claims": [exclusive(strong, weak)]}, True),
        ({"when": [weak, strong]}, {"when": [weak, small]}, {"claims": [exclusive(weak, heavy)]}, True),
    ],
)
def test_steps_that_may_both_hold_want_a_word(first, second, more, found):
    """Unless one excludes the other, is the else of the other, or the author says that it is meant."""
    rivals = [edge(OPEN, LOCKED, on=TURN, **first), edge(OPEN, SHUT, on=TURN, **second)]
    told = [f for f in door(*ORDER, *rivals, **more).findings if f.code == "overlap"]
    assert bool(told) == found
    assert all('may both hold; say overlaps="first wins" or exclusive()' in f.text for f in told)


def test_timed_steps_overlap_only_at_the_same_delay():
    """Otherwise the earlier deadline decides, and warnings never compete."""

    def timed(after, second):
        rivals = [edge(OPEN, LOCKED, after=days(1), when=[strong]), second(OPEN, after=days(after), when=[heavy])]
        return [f.code for f in door(*ORDER, *rivals).findings]

    assert timed(1, lambda source, **more: edge(source, SHUT, **more)) == ["overlap"]
    assert timed(2, lambda source, **more: edge(source, SHUT, **more)) == []
    assert timed(1, lambda source, **more: warning("old", source, **more)) == []


@pytest.mark.parametrize(
    ("exits", "more", "stuck"),
    [
        ([{"on": PULL, "when": [strong]}], {}, True),
        ([{"on": PULL, "when": [strong]}, {"on": TURN, "when": [weak]}], {}, True),
        ([{"on": PULL, "when": [strong]}, {"on": TURN}], {}, False),
        ([{"on": PULL, "when": [strong]}, {"after": days(1)}], {}, False),
        ([{"on": PULL, "when": [strong]}, {"after": days(1), "when": [weak]}], {}, True),
        ([{"on": PULL, "when": [strong]}, {"on": PULL, "unless": [strong]}], {}, False),
        ([{"on": PULL, "when": [strong]}, {"on": PULL, "when": [weak]}],
         {"claims": [exhaustive(strong, weak), exclusive(strong, weak)]}, False),
        ([{"on": PULL, "when": [strong]}, {"on": TURN, "when": [weak]}],
         {"claims": [exhaustive(strong, weak)]}, True),
    ],
)  # fmt: skip
def test_a_state_whose_every_exit_is_guarded_may_hold_a_record_for_ever(exits, more, stuck):
    """Unless the guards of one signal leave nothing over."""
    edges = [edge(SHUT, OPEN, on=PUSH), edge(SHUT, LOCKED, on=TURN), edge(LOCKED, SHUT, on=TURN)]
    found = door(
        *edges,
        *(edge(OPEN, SHUT if n else LOCKED, **e) for n, e in enumerate(exits)),
        **more,
        signals=[e for e in Push if e is not PULL or any(x.get("on") is PULL for x in exits)],
    ).findings
    assert [f.code for f in found if f.code in {"stuck", "overlap"}] == (["stuck"] if stuck else [])


def test_time_that_goes_round_through_several_states_is_a_warning():
    """It may be a reminder that comes again and again; guards and signals break the round."""
    there, back = edge(SHUT, OPEN, after=days(1)), edge(OPEN, SHUT, after=days(1))
    rest = [edge(SHUT, LOCKED, on=TURN), edge(LOCKED, SHUT, on=TURN)]
    found = [f.text for f in door(there, back, *rest, signals=[TURN]).findings]
    assert found == ["time alone goes round for ever, through open, shut"]
    guarded = edge(OPEN, SHUT, after=days(1), when=[weak])
    assert [f.code for f in door(there, guarded, *rest, signals=[TURN]).findings] == ["stuck"]
    assert door(there, edge(OPEN, SHUT, on=PULL), *rest, signals=[PULL, TURN]).findings == ()


def test_a_claim_about_a_guard_that_no_edge_asks_is_a_warning():
    """A renamed guard leaves its claim behind."""
    assert problems(*ORDER, claims=[exclusive(weak, strong)]) == ["warning claim: exclusive: no edge asks strong, weak"]


def test_causes_that_no_edge_takes_are_a_note():
    """An edge may fix one member and forget the rest."""
    told = problems(*ORDER, edge(OPEN, LOCKED, after=days(1), cause=Why.WIND))
    assert told == ["note unused-cause: no edge takes hand of Why"]
    assert problems(*ORDER, edge(OPEN, LOCKED, on=TURN, cause=Why)) == []


def test_all_problems_are_told_at_once():
    """Whoever writes a machine wants the whole list."""
    with pytest.raises(DefinitionError) as caught:
        door(edge(SHUT, OPEN, on=PUSH), edge("ajar", OPEN), name="a door", final=[LOCKED])
    assert caught.value.name == "machine a door"
    assert set(caught.value.problems) == {
        "the name 'a door' is not one word",
        "source: unknown state ajar",
        "from shut no final state can be reached",
        "open is not final, but nothing leads out of it",
        "locked cannot be reached from shut",
        "no edge listens to pull",
        "no edge listens to turn",
    }


def test_errors_come_before_warnings_and_notes():
    """The order of what is found is the order in which to look at it."""
    levels = [f.level for f in door(*ORDER, edge(OPEN, LOCKED, after=days(1), cause=Why.WIND, when=[weak]),
                                    edge(OPEN, SHUT, after=days(1), when=[strong])).findings]  # fmt: skip
    assert levels == ["warning", "note"]


def test_the_shared_machines_are_as_doubtful_as_they_are():
    """Both have a state whose only way out is guarded."""
    assert [str(f) for f in RELATIONSHIP.findings] == [
        "warning: every step out of dissolution has guards: a record may be stuck there (stuck)"
    ]
    assert CASE.findings == ()


# facts


def test_facts_prove_claims_wrong():
    """Each broken claim is told once, with the guards that it is about."""
    rivals = [edge(OPEN, LOCKED, on=TURN, when=[strong]), edge(OPEN, SHUT, on=TURN, when=[heavy])]
    machine = door(*ORDER, *rivals, claims=[exclusive(strong, heavy), exhaustive(strong, heavy)])
    assert [str(f) for f in prove(machine, range(10))] == [
        "error: strong, heavy are claimed to be exclusive, but 2 of them hold together (claim)",
        "error: strong, heavy are claimed to be exhaustive, but none of them holds (claim)",
        "warning: open -turn [strong]-> locked and open -turn [heavy]-> shut do hold together (overlap)",
    ]


def test_facts_prove_claims_right():
    """Weak and strong exclude each other, and leave nothing over."""
    rivals = [edge(OPEN, LOCKED, on=TURN, when=[strong]), edge(OPEN, SHUT, on=TURN, when=[weak])]
    assert prove(door(*ORDER, *rivals, claims=[exclusive(strong, weak), exhaustive(strong, weak)]), range(10)) == ()


def test_facts_show_what_never_happens():
    """A step that none of the facts makes possible is a note."""
    steps = [edge(OPEN, LOCKED, on=TURN, when=[heavy]), edge(OPEN, OPEN, on=TURN)]
    assert [str(f) for f in prove(door(*ORDER, *steps), range(7))] == [
        "note: open -turn [heavy]-> locked: none of the facts makes it possible (never)"
    ]


def test_overlaps_that_are_meant_are_not_proved():
    """Neither marked ones, nor a special case before the general one."""
    marked = [edge(OPEN, LOCKED, on=TURN, when=[strong]),
              edge(OPEN, SHUT, on=TURN, when=[heavy], overlaps="first wins")]  # fmt: skip
    nested = [edge(OPEN, LOCKED, on=PUSH, when=[strong, heavy]), edge(OPEN, SHUT, on=PUSH, when=[strong])]
    timed = [edge(OPEN, LOCKED, after=days(1), when=[strong]), edge(OPEN, SHUT, after=days(2), when=[heavy])]
    assert prove(door(*ORDER, *marked, *nested, *timed), range(10)) == ()
