"""Versions: the lock file, and what differs between two definitions."""

from enum import StrEnum

import pytest
from tests.kernel.machine.lifecycles import (
    CASE,
    INACTIVITY,
    RELATIONSHIP,
    Case,
    CoolingCause,
    DissolutionCause,
    Event,
    Signal,
    Stage,
    has_bought,
    small,
    trusted,
    urgent,
)

from crmkit.kernel.machine import days, edge, previous, warning
from crmkit.kernel.machine.versions import check_lock, diff, lock

TEXT = lock([RELATIONSHIP, CASE])

# the lock file


def test_a_lock_file_has_a_line_for_each_machine():
    """Sorted, so that it does not change with the order of registration."""
    assert f"case 1+shop {CASE.fingerprint}\nrelationship 1 {RELATIONSHIP.fingerprint}\n" == TEXT
    assert lock([CASE, RELATIONSHIP]) == TEXT
    assert check_lock([CASE, RELATIONSHIP], TEXT) == ()


def test_a_change_without_a_new_version_is_an_error():
    """With a new version it only has to be locked."""
    harder = {edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND): [has_bought]}
    changed = RELATIONSHIP.extend(version=1, guards=harder)
    assert [str(f) for f in check_lock([CASE, changed], TEXT)] == [
        "error: relationship has changed, but is still version 1: raise it (changed)"
    ]
    raised = RELATIONSHIP.extend(version=2, guards=harder)
    assert [str(f) for f in check_lock([CASE, raised], TEXT)] == [
        "warning: relationship version 2 is not in the lock file: write it anew (unlocked)",
        "note: relationship version 1 is locked, but gone (gone)",
    ]


def test_two_versions_of_a_machine_may_be_locked():
    """Old versions stay registered while records are on them."""
    newer = RELATIONSHIP.extend(version=2)
    assert check_lock([RELATIONSHIP, newer], lock([newer, RELATIONSHIP])) == ()


def test_a_damaged_lock_file_is_an_error():
    """A merge conflict must not pass."""
    text = f"<<<<<<< ours\n\n{TEXT}"
    assert [str(f) for f in check_lock([CASE, RELATIONSHIP], text)] == [
        "error: line 1 is not 'name version fingerprint' (unreadable)"
    ]


# differences


def differences(old, **changes):
    return [str(difference) for difference in diff(old, old.extend(version=2, **changes))]


ADDED = StrEnum("Added", "PARKED")
PARK = StrEnum("Park", "PARK")
OPEN_CLOSE = edge(Case.OPEN, Case.CLOSED, on=Event.CLOSE)


@pytest.mark.parametrize(
    ("old", "changes", "told"),
    [
        (CASE, {}, []),
        (
            CASE,
            {
                "states": ADDED,
                "signals": [PARK],
                "groups": {"live": [ADDED.PARKED], "resting": [ADDED.PARKED]},
                "remove": [],
                "add": [edge(Case.OPEN, ADDED.PARKED, on=PARK.PARK)],
            },
            [
                "additive: state parked is new",
                "additive: signal park is new",
                "additive: group resting is new",
                "additive: group live: parked is new",
                "additive: open -park-> parked is new",
                "additive: parked -void it-> void is new",
            ],
        ),
        (CASE, {"groups": {"ours": [Case.CLOSED]}}, [
            "breaking: group ours: closed is new",
            "additive: closed -late after 4 hours is new",
        ]),
        (CASE, {"groups": {"done": [Case.CLOSED]}}, ["additive: group done is new"]),
        (CASE, {"remove": [edge(Case.NEW, Case.VOID, on=Event.VOID)]}, ["breaking: new -void it-> void is gone"]),
        (
            CASE,
            {"guards": {edge(Case.NEW, Case.OPEN, on=Event.TAKE): [urgent]}},
            ["breaking: new -take-> open is now new -take [urgent]-> open"],
        ),
        (
            CASE,
            {"add": [edge(Case.NEW, Case.CLOSED, on=Event.CLOSE)]},
            ["additive: new -close-> closed is new"],
        ),
        (
            CASE,
            {"remove": [OPEN_CLOSE], "add": [edge(Case.OPEN, Case.VOID, on=Event.CLOSE)]},
            ["breaking: open -close-> closed is now open -close-> void"],
        ),
        (
            CASE,
            {
                "remove": [edge(Case.CLOSED, previous(Case.OPEN, Case.WAITING), on=Event.REOPEN)],
                "add": [edge(Case.CLOSED, Case.OPEN, on=Event.REOPEN, unless=[small])],
            },
            [
                (
                    "breaking: closed -reopen [not small]-> previous of open, waiting"
                    " is now closed -reopen [not small]-> open"
                )
            ],
        ),
        (
            CASE,
            {"remove": [edge(Case.CLOSED, Case.VOID, after=days(30))],
             "add": [edge(Case.CLOSED, Case.VOID, after=days(60))]},
            ["breaking: closed -after 30 days-> void is gone", "breaking: closed -after 60 days-> void is new"],
        ),
        (CASE, {"add": [warning("old", Case.WAITING, after=days(7))]}, ["additive: waiting -old after 7 days is new"]),
        (
            CASE,
            {"remove": [warning("late", Case.NEW, after=CASE.due_windows()[0][1])]},
            ["breaking: new -late after 4 hours is gone"],
        ),
        (CASE, {"add": [edge(Case.OPEN, Case.VOID, after=days(99))]}, ["breaking: open -after 99 days-> void is new"]),
    ],
)  # fmt: skip
def test_each_difference_is_named_and_classified(old, changes, told):
    """Breaking ones first; nothing that differs is left out."""
    assert differences(old, **changes) == told


def test_a_wider_vocabulary_is_additive_and_a_narrower_one_breaking():
    """Whoever gave a cause can still give it, or cannot."""
    more = StrEnum("More", "MOVED")
    wider = RELATIONSHIP.extend(version=2, causes={CoolingCause: more})
    assert [str(d) for d in diff(RELATIONSHIP, wider)] == [
        (
            "additive: commitment -cool-> expansion with cause price or service"
            " is now commitment -cool-> expansion with cause price or service or moved"
        )
    ]
    assert [d.kind for d in diff(wider, RELATIONSHIP)] == ["breaking"]


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        (None, CoolingCause, "breaking"),
        (CoolingCause, None, "breaking"),
        (CoolingCause.PRICE, CoolingCause.SERVICE, "breaking"),
        (CoolingCause.PRICE, CoolingCause, "breaking"),
        (CoolingCause, CoolingCause.PRICE, "breaking"),
        (CoolingCause, (CoolingCause, DissolutionCause), "additive"),
    ],
)
def test_asking_for_a_cause_or_no_more_is_breaking(was, now, kind):
    """A caller that gave none is refused, and one that gave one too."""

    def machine(cause):
        cool = edge(Stage.COMMITMENT, Stage.EXPANSION, on=Signal.COOL, cause=cause)
        return RELATIONSHIP.extend(version=2, remove=[cool], add=[cool])

    assert {d.kind for d in diff(machine(was), machine(now))} == {kind}


def test_a_guard_less_is_additive_only_where_nothing_comes_after():
    """A freer first edge would take what a later one used to take."""

    def machine(*closing):
        return CASE.extend(
            version=2,
            remove=[edge(Case.OPEN, Case.WAITING, on=Event.CLOSE), OPEN_CLOSE],
            add=closing,
        )

    waiting = edge(Case.OPEN, Case.WAITING, on=Event.CLOSE, when=[urgent], unless=[small])
    freer = edge(Case.OPEN, Case.WAITING, on=Event.CLOSE, when=[urgent])
    last = edge(Case.OPEN, Case.CLOSED, on=Event.CLOSE)
    assert [d.kind for d in diff(machine(waiting), machine(freer))] == ["additive"]
    assert [d.kind for d in diff(machine(freer), machine(waiting))] == ["breaking"]
    assert [d.kind for d in diff(machine(waiting, last), machine(freer, last))] == ["breaking"]
    assert [d.kind for d in diff(machine(waiting), machine(waiting, last))] == ["additive"]


def test_the_order_of_guards_and_of_states_to_return_to_tells_nothing():
    """They are sets, however they are written."""
    commit = edge(Stage.EXPANSION, Stage.COMMITMENT, on=Signal.COMMIT)
    swapped = edge(Stage.EXPANSION, Stage.COMMITMENT, on=Signal.COMMIT, when=[trusted, has_bought])
    assert diff(RELATIONSHIP, RELATIONSHIP.extend(version=2, remove=[commit], add=[swapped])) == ()
    reopen = edge(Case.CLOSED, previous(Case.OPEN, Case.WAITING), on=Event.REOPEN)

    def machine(*states, cause):
        unless = [small, urgent] if states[0] is Case.OPEN else [urgent, small]
        back = edge(Case.CLOSED, previous(*states), on=Event.REOPEN, unless=unless, cause=cause)
        return CASE.extend(version=2, remove=[reopen], add=[back])

    one, two = (Case.OPEN, Case.WAITING), (Case.WAITING, Case.OPEN)
    assert diff(machine(*one, cause=CoolingCause), machine(*two, cause=CoolingCause)) == ()
    wider = machine(*two, cause=(DissolutionCause, CoolingCause))
    assert [d.kind for d in diff(machine(*one, cause=CoolingCause), wider)] == ["additive"]


def test_another_order_is_breaking():
    """The first edge whose guards hold is taken, on a signal and at a deadline."""
    one = edge(Case.WAITING, Case.OPEN, after=days(9), when=[urgent])
    two = edge(Case.WAITING, Case.VOID, after=days(9), when=[small])
    found = diff(CASE.extend(version=2, add=[one, two]), CASE.extend(version=2, add=[two, one]))
    assert [str(d) for d in found] == ["breaking: waiting: timed steps come in another order"]
    assert diff(CASE.extend(version=2, add=[warning("a", Case.WAITING, after=days(1)), one]),
                CASE.extend(version=2, add=[one, warning("a", Case.WAITING, after=days(1))])) == ()  # fmt: skip


def test_another_beginning_another_end_and_another_name_are_told():
    """Machines of different concepts differ in everything."""
    found = [str(d) for d in diff(RELATIONSHIP, CASE)]
    assert found[:2] == [
        "breaking: the name relationship is now case",
        "breaking: new records start in new, not in exploration",
    ]
    assert "breaking: state exploration is gone" in found
    assert "additive: final state void is new" in found
    assert f"breaking: exploration -after 365 days-> dissolution with cause {INACTIVITY} is gone" in found


def test_guards_are_told_apart_by_name():
    """Two guards that differ only in code look the same; another name does not."""
    expand = edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND)
    other = RELATIONSHIP.extend(
        version=2, remove=[expand], add=[edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND, when=[has_bought])]
    )
    assert [str(d) for d in diff(RELATIONSHIP, other)] == [
        "breaking: awareness -expand [trusted]-> expansion is now awareness -expand [has_bought]-> expansion"
    ]
    assert trusted.__name__ == "trusted"
