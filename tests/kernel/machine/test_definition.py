"""Definition: edges resolved into steps, and the fingerprint."""

import json
import subprocess
import sys

import pytest
from tests.kernel.machine.lifecycles import CASE, OPEN, RELATIONSHIP, Case, Event, Signal, Stage, trusted

from crmkit.kernel.machine import Finding, Machine, days, edge

# Changing these means that every lock file of every host changes.
FINGERPRINTS = {
    "relationship": "5b9f3bb3382f2b49e04c4a5c6386fa5b87f16300128edddf00cfac42a9811e6e",
    "case": "6b2ca7070a05043ef9219ab3a00711aaf91349df2f0783880d04a1cf159f3c49",
}


def test_an_edge_becomes_one_step_for_each_source_in_the_order_of_the_states():
    """Groups and sets have no order of their own; the enum has."""
    steps = [step for step in RELATIONSHIP.steps if step.on is Signal.DISSOLVE]
    assert [step.source for step in steps] == [s for s in Stage if s in OPEN]
    assert all(step.causes == ("needs not met", "inactivity") and not step.fixed for step in steps)


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (0, "exploration -understand-> awareness"),
        (2, "expansion -commit [has_bought, trusted]-> commitment"),
        (8, "exploration -silence after 180 days"),
        (13, "awareness -after 730 days [not open_contract]-> dissolution"),
    ],
)
def test_a_step_reads_as_an_arrow(position, text):
    """Source, trigger, guards and target, in one line."""
    assert str(RELATIONSHIP.steps[position]) == text


def test_a_step_back_names_all_its_targets():
    """The arrow cannot know where the record was."""
    [step] = [step for step in CASE.steps if step.returns]
    assert str(step) == "closed -reopen [not small]-> previous of open, waiting"
    assert step.keys == (("closed", "reopen", "open"), ("closed", "reopen", "waiting"))


def test_moves_are_counted_under_plain_text():
    """The keys are what a journal holds: source, signal or nothing, target."""
    timed = next(step for step in RELATIONSHIP.steps if step.after == days(365))
    assert timed.keys == (("exploration", None, "dissolution"),)


def test_groups_are_sets_of_states_by_name():
    """Queries ask by the word that edges and drawings use."""
    assert RELATIONSHIP.group("open") == OPEN
    with pytest.raises(KeyError):
        RELATIONSHIP.group("shut")


def test_words_are_found_by_their_text():
    """A definition may be read from a file: text that equals a member stands for it."""
    machine = Machine[Case, Event, object](
        "tiny",
        version=1,
        initial=Case.NEW,
        final=[Case.VOID],
        states=[Case.NEW, Case.VOID],
        signals=[Event.VOID],
        edges=[edge("new", "void", on="void it")],  # type: ignore[type-var]
    )
    [step] = machine.steps
    assert (step.source, step.targets[0], step.on) == (Case.NEW, Case.VOID, Event.VOID)
    assert type(step.targets[0]) is Case
    assert type(step.on) is Event


def test_the_definition_is_plain_data():
    """What is fingerprinted can be written down, and does not hold versions or texts."""
    told = json.loads(json.dumps(CASE.as_dict()))
    assert told["states"] == ["closed", "new", "open", "void", "waiting"]
    assert told["groups"] == {"live": ["new", "open", "waiting"], "ours": ["new", "open"]}
    assert "version" not in told
    assert {"source": "waiting", "targets": ["closed"], "returns": False, "on": None, "after": 14 * 86_400_000_000,
            "guards": [], "causes": [], "fixed": False, "warns": ""} in told["steps"]  # fmt: skip


@pytest.mark.parametrize("machine", [RELATIONSHIP, CASE])
def test_fingerprints_are_the_same_for_ever(machine):
    """In this run, in any other, and in every Python version."""
    assert machine.fingerprint == FINGERPRINTS[machine.name]


def test_fingerprints_do_not_depend_on_hash_seeds():
    """Sets have another order in every process; fingerprints have not."""
    code = "from tests.kernel.machine.lifecycles import CASE; print(CASE.fingerprint)"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout.strip()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert runs == [CASE.fingerprint] * 2


def test_the_fingerprint_sees_guards_causes_and_delays():
    """Each of these changes what a machine does."""
    cool = edge(Stage.COMMITMENT, Stage.EXPANSION, on=Signal.COOL)
    late = edge(Stage.EXPLORATION, Stage.DISSOLUTION, after=days(365))
    expand = edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND)
    others = [
        RELATIONSHIP.extend(version=1, remove=[cool], add=[cool]),
        RELATIONSHIP.extend(
            version=1, remove=[late], add=[edge(Stage.EXPLORATION, Stage.DISSOLUTION, after=days(300))]
        ),
        RELATIONSHIP.extend(version=1, remove=[expand], add=[expand]),
        RELATIONSHIP.extend(version=1, groups={"early": [Stage.EXPLORATION]}),
    ]
    assert len({RELATIONSHIP.fingerprint, *(other.fingerprint for other in others)}) == 5
    same = edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND, when=[trusted])
    assert RELATIONSHIP.extend(version=9, remove=[expand], add=[same]).fingerprint == RELATIONSHIP.fingerprint


def test_a_finding_reads_as_one_line():
    """Level, text, code."""
    assert str(Finding("warning", "stuck", "it may be stuck")) == "warning: it may be stuck (stuck)"
