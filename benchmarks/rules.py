"""Rules: a step of a machine and the record that follows, against a bare floor and against the machines of others.

The floor is a dictionary look-up and `attrs.evolve` of the same record with its real checks. The others do their own
move:
`transitions` on one shared machine, `python-statemachine` on an instance for each entity, as they are meant to be used.

Run it: `python benchmarks/rules.py`
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import attrs
from statemachine import State, StateMachine
from transitions import Machine as Transitions

from crmkit import LIFECYCLE, Machine, Signal, Stage, change, edge, need
from crmkit.domain.relationships import moves
from crmkit.domain.relationships import relationship as relationships
from crmkit.domain.relationships.evidence import EvidenceKind, Tally
from crmkit.domain.relationships.types import LONG_TERM
from crmkit.kernel.frozen import FrozenDict
from rounds import ratio, rounds, show

AT = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS, NUMBER = 15, 5_000


class Phase(StrEnum):
    """Two stages between which every engine goes back and forth."""

    AWARENESS = "awareness"
    EXPANSION = "expansion"


class Sign(StrEnum):
    """What moves them."""

    EXPAND = "expand"
    COOL = "cool"


def trusted(trust: int) -> Any:
    """The guard of all engines."""
    return need("trust", have=trust, at_least=60)


OURS = Machine(
    "bench",
    version=1,
    initial=Phase.AWARENESS,
    edges=[
        edge(Phase.AWARENESS, Phase.EXPANSION, on=Sign.EXPAND, when=[trusted]),
        edge(Phase.EXPANSION, Phase.AWARENESS, on=Sign.COOL, when=[trusted]),
    ],
)


class Model:
    """An entity of `transitions`."""

    trust = 80

    def is_trusted(self) -> bool:
        """The same guard."""
        return self.trust >= 60  # noqa: PLR2004


class Theirs(StateMachine):
    """An entity of `python-statemachine`."""

    awareness = State(initial=True)
    expansion = State()
    expand = awareness.to(expansion, cond="is_trusted")
    cool = expansion.to(awareness, cond="is_trusted")
    trust = 80

    def is_trusted(self) -> bool:
        """The same guard."""
        return self.trust >= 60  # noqa: PLR2004


def back_and_forth(one: Callable[[], object], other: Callable[[], object]) -> Callable[[], object]:
    """Do one and the other in turn."""
    turns = [one, other]

    def turn() -> None:
        turns[0]()
        turns.reverse()

    return turn


def bytes_each(make: Callable[[], object], number: int = 2_000) -> float:
    """Give the memory that an entity takes, in bytes."""
    tracemalloc.start()
    kept = [make() for _ in range(number)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(kept)


def main() -> None:
    """Print moves as times and ratios, and what an entity takes of memory."""
    known = relationships.Known(named=True, traits=frozenset())
    begun = relationships.begin("cus_1", LONG_TERM, id="rel_1", machine=LIFECYCLE, known=known, at=AT).record
    shown = {
        k: Tally(count=6, last=AT)
        for k in (EvidenceKind.TRIAL_PASSED, EvidenceKind.VALUE_UNDERSTOOD, EvidenceKind.PURCHASE)
    }
    tie = attrs.evolve(begun, stage=Stage.AWARENESS, evidence=FrozenDict(shown))
    told = moves.RelationshipAdvanced(
        signal=Signal.EXPAND,
        source=tie.stage,
        stage=Stage.EXPANSION,
        since=AT,
        quiet_since=AT,
        warned=None,
        why=None,
        proof=(),
    )
    table = {(Stage.AWARENESS, Signal.EXPAND): Stage.EXPANSION}
    facts = moves.facts_of(tie, LONG_TERM)

    def floor() -> object:
        return attrs.evolve(tie, stage=table[tie.stage, Signal.EXPAND], since=AT)

    def step_and_record() -> object:
        OURS.step(Phase.AWARENESS, Sign.EXPAND, 80)
        return change(tie, told)

    def rule() -> object:
        return moves.advance(tie, Signal.EXPAND, facts, machine=LIFECYCLE, rules=LONG_TERM, at=AT)

    model = Model()
    Transitions(
        model,
        states=["awareness", "expansion"],
        initial="awareness",
        transitions=[
            {"trigger": "expand", "source": "awareness", "dest": "expansion", "conditions": "is_trusted"},
            {"trigger": "cool", "source": "expansion", "dest": "awareness", "conditions": "is_trusted"},
        ],
        auto_transitions=False,
    )
    theirs = Theirs()
    took = rounds(
        {
            "floor: dict look-up + attrs.evolve of a relationship": floor,
            "Machine.step, one guard": lambda: OURS.step(Phase.AWARENESS, Sign.EXPAND, 80),
            "Machine.step, one guard + the new relationship": step_and_record,
            "a whole rule: relationships advance": rule,
            "transitions: a move": back_and_forth(model.expand, model.cool),
        },
        times=ROUNDS,
        number=NUMBER,
    )
    slow = rounds(
        {
            "floor": floor,
            "step": step_and_record,
            "theirs": back_and_forth(lambda: theirs.send("expand"), lambda: theirs.send("cool")),
        },
        times=ROUNDS,
        number=NUMBER // 10,
    )
    took["python-statemachine: a move"] = slow["theirs"]
    name = "floor: dict look-up + attrs.evolve of a relationship"
    bounds = {
        "Machine.step, one guard + the new relationship": "at most 0.80",
        "a whole rule: relationships advance": "at most 2.00",
    }
    show("Moves", took, name, bounds)
    mine = "Machine.step, one guard + the new relationship"
    print(
        f"\n  transitions: {ratio(took, 'transitions: a move', mine):.1f} times as long as step and record (bound: 6)"
    )
    print(
        f"  transitions: {ratio(took, 'transitions: a move', 'Machine.step, one guard'):.1f} times as long as the step"
    )
    print(
        f"  python-statemachine takes {ratio(slow, 'theirs', 'step'):.1f} times as long as step and record (bound: 60)"
    )
    print("\nMemory of an entity, beyond its own fields")
    print("  crmkit                0 bytes: the state is a field of the record, the machine is shared")
    plain = bytes_each(type("Plain", (), {}))
    print(f"  python-statemachine   {bytes_each(Theirs) - plain:,.0f} bytes")


if __name__ == "__main__":
    main()
