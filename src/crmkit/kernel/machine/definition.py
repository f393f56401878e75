"""Definition: a machine as data. Edges resolved into steps, with one source each; what all other modules read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from itertools import chain
from typing import Any, Generic, Literal, TypeAlias

import attrs

from crmkit.kernel.machine.edges import E_co, Edge, F_contra, Previous, S_co, Vocabulary, told
from crmkit.kernel.machine.guards import Claim, Guard, name_of

Version: TypeAlias = int | str


@attrs.frozen
class Finding:
    """One thing to know about a definition.

    Attributes:
        level: `"error"` (the machine is refused), `"warning"` (probably wrong) or `"note"`.
        code: which check found it, such as `"unreachable"`.
        text: one sentence that names what it is about.
    """

    level: Literal["error", "warning", "note"]
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.level}: {self.text} ({self.code})"


@attrs.frozen(eq=False)
class Step(Generic[S_co, E_co, F_contra]):
    """One arrow: what an edge means for one source.

    Attributes:
        source: the state it leaves.
        targets: where it leads: one state; several for `previous(…)`; none for a warning.
        on: the signal that asks for it, or `None` if time does.
        after: the delay that makes it due, or `None`.
        when: guards that must all hold.
        unless: guards of which none may hold.
        causes: the vocabulary that the caller's cause must come from; a single member if `fixed`.
        fixed: the cause goes with the step; nobody has to give it.
        returns: the target is the one of `targets` that the record was in before.
        overlaps: an earlier edge may hold too, and that is meant.
        warns: the name of the warning, or empty.
    """

    source: S_co
    targets: tuple[S_co, ...]
    on: E_co | None
    after: timedelta | None
    when: tuple[Guard[F_contra], ...]
    unless: tuple[Guard[F_contra], ...]
    causes: tuple[StrEnum, ...]
    fixed: bool
    returns: bool
    overlaps: bool
    warns: str

    @property
    def trigger(self) -> str:
        """The signal, or the delay: `"expand"`, `"after 365 days"`, `"silence after 180 days"`."""
        if self.after is None:
            return str(self.on)
        return f"{self.warns} after {told(self.after)}".strip()

    @property
    def guards(self) -> tuple[str, ...]:
        """The names of the guards, those that must not hold with `"not "` before them."""
        return (*map(name_of, self.when), *(f"not {name_of(check)}" for check in self.unless))

    @property
    def label(self) -> str:
        """What is written beside the arrow: `"expand [has_bought]"`."""
        return f"{self.trigger} [{', '.join(self.guards)}]" if self.guards else self.trigger

    @property
    def target(self) -> str:
        """Where it leads, in words: `"expansion"`, `"previous of new, open"`; empty for a warning."""
        names = ", ".join(self.targets)
        return f"previous of {names}" if self.returns else names

    @property
    def keys(self) -> tuple[tuple[str, str | None, str], ...]:
        """(source, signal or None, target) for each target: the keys under which moves are counted."""
        on = None if self.on is None else str(self.on)
        return tuple((str(self.source), on, str(target)) for target in self.targets)

    def as_dict(self) -> dict[str, object]:
        """The step as plain JSON values, the delay in microseconds; sorted where order tells nothing."""
        return {
            "source": str(self.source),
            "targets": sorted(map(str, self.targets)),
            "returns": self.returns,
            "on": None if self.on is None else str(self.on),
            "after": None if self.after is None else self.after // timedelta(microseconds=1),
            "guards": sorted(self.guards),
            "causes": sorted(map(str, self.causes)),
            "fixed": self.fixed,
            "warns": self.warns,
        }

    def __str__(self) -> str:
        return f"{self.source} -{self.label}-> {self.target}" if self.targets else f"{self.source} -{self.label}"


@attrs.frozen(eq=False, repr=False, slots=False)
class Definition(Generic[S_co, E_co, F_contra]):
    """What a machine is: its words and its steps. `Machine` adds what it does."""

    name: str
    version: Version
    initial: S_co
    final: frozenset[S_co]
    states: tuple[S_co, ...]
    signals: tuple[E_co, ...]
    groups: Mapping[str, frozenset[S_co]]
    edges: tuple[Edge[S_co, E_co, F_contra], ...]
    steps: tuple[Step[S_co, E_co, F_contra], ...]
    claims: tuple[Claim, ...]
    doc: str

    def group(self, name: str) -> frozenset[S_co]:
        """Return the states of a group, for queries such as "is it still open?".

        Raises:
            KeyError: there is no such group.
        """
        return self.groups[name]

    def as_dict(self) -> dict[str, object]:
        """The whole definition as plain JSON values, in an order that does not depend on how it was written down.

        Only the order of steps that compete for one signal or one delay tells something, and stays.
        """
        return {
            "name": self.name,
            "initial": str(self.initial),
            "final": sorted(map(str, self.final)),
            "states": sorted(map(str, self.states)),
            "signals": sorted(map(str, self.signals)),
            "groups": {name: sorted(map(str, states)) for name, states in sorted(self.groups.items())},
            "steps": [step.as_dict() for step in sorted(self.steps, key=lambda step: (step.source, step.trigger))],
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 (64 hex digits) of states, signals, groups, steps, guard names, delays and causes.

        The code of guards, the texts and the version are left out. Equal in every run and Python version.
        """
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


AnyDefinition: TypeAlias = Definition[StrEnum, StrEnum, Any]


def members(words: Iterable[type[StrEnum] | StrEnum]) -> tuple[Any, ...]:
    """Return the members of enums, and single members as they are, in order; the very same member only once."""
    found = chain.from_iterable(tuple(word) if isinstance(word, type) else (word,) for word in words)
    return tuple({id(member): member for member in found}.values())


def vocabulary(cause: Vocabulary) -> tuple[StrEnum, ...]:
    """Return every cause that an edge takes."""
    return () if cause is None else members(cause if isinstance(cause, tuple) else (cause,))


def sources_of(edge: Edge[S_co, Any, Any], states: Iterable[S_co], groups: Mapping[str, Iterable[str]]) -> list[S_co]:
    """Return the states that an edge leaves, its groups opened, in the order of the states."""
    wanted = {name for word in edge.sources for name in groups.get(word, (word,))}
    return [state for state in states if state in wanted]


def steps_of(
    edges: Iterable[Edge[S_co, E_co, F_contra]],
    states: tuple[S_co, ...],
    signals: tuple[E_co, ...],
    groups: Mapping[str, Iterable[str]],
) -> Iterator[Step[S_co, E_co, F_contra]]:
    """Make one step of each edge and source. Words that are unknown stay as they are, for `verify` to tell."""
    state_named: dict[str, Any] = {state: state for state in states}
    signal_named: dict[str, Any] = {signal: signal for signal in signals}
    for edge in edges:
        returns = isinstance(edge.target, Previous)
        targets = edge.target.states if isinstance(edge.target, Previous) else (edge.target,)
        for source in sources_of(edge, states, groups):
            yield Step(
                source=source,
                targets=tuple(state_named.get(target, target) for target in targets if target is not None),
                on=None if edge.on is None else signal_named.get(edge.on, edge.on),
                after=edge.after,
                when=edge.when,
                unless=edge.unless,
                causes=vocabulary(edge.cause),
                fixed=isinstance(edge.cause, StrEnum),
                returns=returns,
                overlaps=edge.overlaps,
                warns=edge.warns,
            )
