"""Lifecycles that the tests of this folder share: one of a relationship, one of a case, and any at all."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import attrs
from hypothesis import strategies as st

from crmkit.errors import DefinitionError
from crmkit.kernel.machine import Edge, Machine, Verdict, days, edge, guard, hours, need, previous, warning

START = datetime(2024, 1, 1, tzinfo=UTC)


class Stage(StrEnum):
    EXPLORATION = "exploration"
    AWARENESS = "awareness"
    EXPANSION = "expansion"
    COMMITMENT = "commitment"
    DISSOLUTION = "dissolution"


class Signal(StrEnum):
    UNDERSTAND = "understand"
    EXPAND = "expand"
    COMMIT = "commit"
    COOL = "cool"
    DISSOLVE = "dissolve"
    REENGAGE = "reengage"


class CoolingCause(StrEnum):
    PRICE = "price"
    SERVICE = "service"


class DissolutionCause(StrEnum):
    NEEDS_NOT_MET = "needs not met"
    INACTIVITY = "inactivity"


@attrs.frozen
class Facts:
    purchases: int = 0
    trust: int | None = 50
    contact_allowed: bool = True
    open_contract: bool = False


def has_bought(facts: Facts) -> Verdict:
    return need("purchases", have=facts.purchases, at_least=1)


def trusted(facts: Facts) -> Verdict:
    return need("trust", have=facts.trust, at_least=60)


@guard("the customer may be contacted")
def contact_allowed(facts: Facts) -> bool:
    return facts.contact_allowed


def open_contract(facts: Facts) -> bool:
    return facts.open_contract


OPEN = frozenset(Stage) - {Stage.DISSOLUTION}
INACTIVITY = DissolutionCause.INACTIVITY

RELATIONSHIP = Machine[Stage, Signal, Facts](
    "relationship",
    version=1,
    initial=Stage.EXPLORATION,
    groups={"open": OPEN},
    edges=[
        edge(Stage.EXPLORATION, Stage.AWARENESS, on=Signal.UNDERSTAND),
        edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND, when=[trusted]),
        edge(Stage.EXPANSION, Stage.COMMITMENT, on=Signal.COMMIT, when=[has_bought, trusted]),
        edge(Stage.COMMITMENT, Stage.EXPANSION, on=Signal.COOL, cause=CoolingCause),
        edge("open", Stage.DISSOLUTION, on=Signal.DISSOLVE, cause=DissolutionCause),
        warning("silence", "open", after=days(180)),
        edge(Stage.EXPLORATION, Stage.DISSOLUTION, after=days(365), cause=INACTIVITY),
        edge(
            [Stage.AWARENESS, Stage.EXPANSION, Stage.COMMITMENT],
            Stage.DISSOLUTION,
            after=days(730),
            unless=[open_contract],
            cause=INACTIVITY,
        ),
        edge(Stage.DISSOLUTION, Stage.EXPLORATION, on=Signal.REENGAGE, when=[contact_allowed]),
    ],
    doc="How far a relationship has come.",
)


class Case(StrEnum):
    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"
    VOID = "void"


class Event(StrEnum):
    TAKE = "take"
    WAIT = "wait"
    REPLY = "reply"
    CLOSE = "close"
    REOPEN = "reopen"
    VOID = "void it"


def urgent(facts: int) -> bool:
    return facts >= 8


def small(facts: int) -> bool:
    return facts <= 2


CASE = Machine[Case, Event, int](
    "case",
    version="1+shop",
    initial=Case.NEW,
    final=[Case.VOID],
    groups={"live": [Case.NEW, Case.OPEN, Case.WAITING], "ours": [Case.NEW, Case.OPEN]},
    edges=[
        edge(Case.NEW, Case.OPEN, on=Event.TAKE),
        edge(Case.OPEN, Case.WAITING, on=Event.WAIT),
        edge(Case.WAITING, Case.OPEN, on=Event.REPLY),
        edge([Case.OPEN, Case.WAITING], Case.WAITING, on=Event.CLOSE, when=[urgent]),
        edge([Case.OPEN, Case.WAITING], Case.CLOSED, on=Event.CLOSE),
        edge(Case.CLOSED, previous(Case.OPEN, Case.WAITING), on=Event.REOPEN, unless=[small]),
        edge("live", Case.VOID, on=Event.VOID),
        edge(Case.CLOSED, Case.VOID, after=days(30)),
        edge(Case.WAITING, Case.CLOSED, after=days(14)),
        warning("late", "ours", after=hours(4)),
    ],
)


# any machine at all: facts are a number whose bits are what the guards look at


def first(facts: int) -> bool:
    return bool(facts & 1)


def second(facts: int) -> bool:
    return bool(facts & 2)


def third(facts: int) -> Verdict:
    return need("third", have=facts & 4, at_least=4)


GUARDS = (first, second, third)
ALL_FACTS = tuple(range(8))
Node = StrEnum("Node", "A B C D E")
Push = StrEnum("Push", "P Q R S T U")
Cause = StrEnum("Cause", "WHIM NEED")


def machine_of(edges: list[Edge[Node, Push, int]], count: int, version: int = 1) -> Machine[Node, Push, int]:
    return Machine[Node, Push, int](
        "any",
        version=version,
        initial=Node.A,
        edges=edges,
        states=list(Node)[:count],
        signals=[push for push in Push if any(one.on is push for one in edges)],
    )


@st.composite
def edges(draw: st.DrawFn, count: int) -> Edge[Node, Push, int]:
    """One edge among the first states, on a signal or after a time, or a warning; any guards, perhaps a cause."""
    nodes = st.sampled_from(list(Node)[:count])
    when = draw(st.lists(st.sampled_from(GUARDS), unique=True, max_size=2))
    unless = draw(st.lists(st.sampled_from([one for one in GUARDS if one not in when]), unique=True, max_size=1))
    kind = draw(st.sampled_from(["signal", "signal", "time", "warning", "previous"]))
    after = timedelta(days=draw(st.integers(1, 9)))
    if kind == "time":
        cause = draw(st.sampled_from([None, Cause.NEED]))
        return edge(draw(nodes), draw(nodes), after=after, when=when, unless=unless, cause=cause)
    if kind == "warning":
        return warning(draw(st.sampled_from(["soon", "late"])), draw(nodes), after=after, when=when, unless=unless)
    target = draw(nodes) if kind == "signal" else previous(*draw(st.lists(nodes, min_size=1, unique=True)))
    cause = draw(st.sampled_from([None, Cause, Cause.WHIM]))
    on = draw(st.sampled_from(Push))
    return edge(draw(nodes), target, on=on, when=when, unless=unless, cause=cause, overlaps="first wins")


@st.composite
def machines(draw: st.DrawFn) -> Machine[Node, Push, int]:
    """A machine that passes verification: a tree that reaches all states, ways back, and more edges where they fit."""
    count = draw(st.integers(2, 5))
    nodes = list(Node)[:count]
    written: list[Edge[Node, Push, int]] = []
    for at, node in enumerate(nodes[1:], 1):
        parent = nodes[draw(st.integers(0, at - 1))]
        written.append(edge(parent, node, on=list(Push)[at - 1]))
        written.append(edge(node, parent, on=Push.T))
    for extra in draw(st.lists(edges(count), max_size=8)):
        try:
            machine_of([*written, extra], count)
        except DefinitionError:
            continue
        written.append(extra)
    return machine_of(written, count)
