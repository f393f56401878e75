"""Verification: what can be known about a machine before it runs. `verify` reads the definition, `prove` tries facts.

Errors stop a definition: words that are unknown or stand twice (`unknown-state`, `unknown-signal`, `twice`, `group`,
`name`), edges that say too little or too much (`trigger`, `source`, `target`, `delay`, `guard`, `cause`, `previous`,
`warning-name`), steps that can never be taken (`duplicate`, `shadowed`), states that cannot be reached or left
(`unreachable`, `dead-end`, `final-exit`, `no-end`), signals that nothing listens to (`unused-signal`) and time that
goes round on the spot (`timed-loop`). Warnings ask to look again: `overlap`, `stuck`, `trap`, `timed-cycle`, `claim`.
Notes only tell: `unused-cause`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import chain, combinations, permutations
from typing import Any, Final, TypeAlias, TypeVar

from crmkit.kernel.machine.definition import AnyDefinition, Definition, Finding, Step
from crmkit.kernel.machine.guards import Guard, name_of

F = TypeVar("F")
_Step: TypeAlias = Step[Any, Any, Any]
_Graph: TypeAlias = Mapping[str, set[str]]
_ZERO: Final = timedelta(0)


def verify(machine: AnyDefinition) -> tuple[Finding, ...]:
    """Return everything that the definition alone can tell, errors first.

    A machine does this when it is made. Guards are taken to hold or fail at will, so that what is reported as
    unreachable, shadowed or without end is so for certain.

    >>> from enum import StrEnum
    >>> from crmkit.kernel.machine import Machine, edge
    >>> Door, Push = StrEnum("Door", "SHUT OPEN"), StrEnum("Push", "PUSH PULL")
    >>> Machine("door", version=1, initial=Door.SHUT, edges=[
    ...     edge(Door.SHUT, Door.OPEN, on=Push.PUSH)])
    Traceback (most recent call last):
        ...
    crmkit.errors.DefinitionError: machine door: open is not final, but nothing leads out of it; no edge listens to pull
    """
    found = dict.fromkeys(chain.from_iterable(check(machine) for check in _CHECKS))
    return tuple(sorted(found, key=lambda finding: ("error", "warning", "note").index(finding.level)))


def _error(code: str, text: str) -> Finding:
    return Finding("error", code, text)


def _warning(code: str, text: str) -> Finding:
    return Finding("warning", code, text)


def _named(words: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, words)))


# words


def _words(machine: AnyDefinition) -> Iterator[Finding]:
    for what, word in (("name", machine.name), ("version", str(machine.version))):
        if word.split() != [word]:
            yield _error("name", f"the {what} {word!r} is not one word")
    vocabularies: dict[str, Iterable[str]] = {"states": machine.states, "signals": machine.signals}
    vocabularies |= {f"{step}: causes": step.causes for step in machine.steps}
    for where, words in vocabularies.items():
        for word, times in Counter(map(str, words)).items():
            if times > 1:
                yield _error("twice", f"{where}: {word} stands twice")


def _states(machine: AnyDefinition) -> Iterator[Finding]:
    known: set[str] = set(machine.states)
    asked: list[tuple[str, Iterable[str]]] = [("initial", [machine.initial]), ("final", machine.final)]
    asked += [(f"group {name}", states) for name, states in machine.groups.items()]
    asked += [("source", set(edge.sources) - set(machine.groups)) for edge in machine.edges]
    asked += [(f"target of {step}", step.targets) for step in machine.steps]
    for where, states in asked:
        if unknown := set(states) - known:
            yield _error("unknown-state", f"{where}: unknown state {_named(unknown)}")
    for name, states in machine.groups.items():
        if name in known:
            yield _error("group", f"the group {name} is named like a state")
        if not states:
            yield _error("group", f"the group {name} is empty")
    if not all(edge.sources for edge in machine.edges):
        yield _error("source", "an edge has no source")


def _steps(machine: AnyDefinition) -> Iterator[Finding]:
    for step in machine.steps:
        signal, time = step.on is not None, step.after is not None
        wrong = (
            ("unknown-signal", signal and step.on not in machine.signals, f"unknown signal {step.on}"),
            ("trigger", signal == time, "give one of on= and after="),
            ("delay", step.after is not None and step.after <= _ZERO, "the delay is not positive"),
            ("previous", step.returns and (time or not step.targets), "previous() needs states, and a signal"),
            ("target", not (step.returns or step.targets or step.warns), "no target, and no name for a warning"),
            ("cause", bool(time and step.causes and not step.fixed), "nobody gives time a cause; fix a member"),
        )
        yield from (_error(code, f"{step}: {text}") for code, found, text in wrong if found)
    for (source, name), times in Counter((step.source, step.warns) for step in machine.steps if step.warns).items():
        if times > 1:
            yield _error("warning-name", f"{source} has {times} warnings {name}")


def _guards(machine: AnyDefinition) -> Iterator[Finding]:
    named: dict[str, Guard[Any]] = {}
    for step in machine.steps:
        checks = (*step.when, *step.unless)
        for check in checks:
            name = name_of(check)
            if not name:
                yield _error("guard", f"{step}: a guard without a name; write a function with def")
            elif named.setdefault(name, check) is not check:
                yield _error("guard", f"two guards are named {name}")
        if len(set(map(id, checks))) < len(checks):
            yield _error("guard", f"{step}: a guard stands twice")
    for claim in machine.claims:
        if unused := {name_of(check) for check in claim.guards} - set(named):
            yield _warning("claim", f"{claim.kind}: no edge asks {_named(unused)}")


# which of several steps


def _competing(machine: AnyDefinition) -> Iterator[Sequence[_Step]]:
    """Yield the steps that compete, in the order in which they are tried: those of a signal, those of time."""
    rivals: dict[tuple[str, str | None], list[_Step]] = defaultdict(list)
    for step in machine.steps:
        rivals[step.source, step.on].append(step)
    for (_, on), steps in rivals.items():
        yield steps if on is not None else sorted(steps, key=lambda step: step.after or _ZERO)


def _covers(steps: Iterable[_Step], machine: AnyDefinition) -> bool:
    """Whether one of these guarded steps is always possible, as far as the names of the guards can tell."""
    alone = {step.guards[0] for step in steps if len(step.guards) == 1}
    claimed = (set(map(name_of, claim.guards)) for claim in machine.claims if claim.kind == "exhaustive")
    return any(f"not {name}" in alone for name in alone) or any(names <= alone for names in claimed)


def _apart(one: _Step, other: _Step, machine: AnyDefinition) -> bool:
    """Whether two steps never hold together: one asks what the other excludes, or a claim says so."""
    if set(one.when) & set(other.unless) or set(one.unless) & set(other.when):
        return True
    claimed = (claim.guards for claim in machine.claims if claim.kind == "exclusive")
    return any(a in one.when and b in other.when for guards in claimed for a, b in permutations(guards, 2))


def _choices(machine: AnyDefinition) -> Iterator[Finding]:
    for steps in _competing(machine):
        for position, step in enumerate(steps):
            earlier = [other for other in steps[:position] if other.targets]
            same = [other for other in earlier if set(other.guards) <= set(step.guards)]
            if any(str(other) == str(step) for other in same):
                yield _error("duplicate", f"{step} stands twice")
            elif same:
                yield _error("shadowed", f"{step} is never taken: {same[0]} always comes first")
            elif _covers(earlier, machine):
                yield _error("shadowed", f"{step} is never taken: the steps before it leave nothing over")
            for other in earlier:
                rivals = step.targets and other.after == step.after and not step.overlaps and other not in same
                if rivals and not set(step.guards) < set(other.guards) and not _apart(other, step, machine):
                    yield _warning(
                        "overlap", f'{other} and {step} may both hold; say overlaps="first wins" or exclusive()'
                    )


# the graph


def _graph(machine: AnyDefinition, steps: Iterable[_Step]) -> _Graph:
    graph: dict[str, set[str]] = {str(state): set() for state in machine.states}
    for step in steps:
        graph[step.source].update(target for target in step.targets if target in graph)
    return graph


def _reached(graph: _Graph, starts: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    waiting = [start for start in starts if start in graph]
    while waiting:
        state = waiting.pop()
        if state not in seen:
            seen.add(state)
            waiting.extend(graph[state])
    return seen


def _paths(machine: AnyDefinition) -> Iterator[Finding]:
    graph = _graph(machine, machine.steps)
    reached = _reached(graph, [machine.initial])
    back: _Graph = {str(state): {source for source in graph if state in graph[source]} for state in graph}
    ending = _reached(back, machine.final)
    for state in machine.states:
        exits = [step for step in machine.steps if step.source == state]
        moves = [step for step in exits if step.targets]
        if state not in reached:
            yield _error("unreachable", f"{state} cannot be reached from {machine.initial}")
        if state in machine.final:
            if exits:
                yield _error("final-exit", f"{state} is final, but has {exits[0]}")
        elif not graph[state] - {state}:
            yield _error("dead-end", f"{state} is not final, but nothing leads out of it")
        elif machine.final and state not in ending:
            yield _error("no-end", f"from {state} no final state can be reached")
        elif all(step.guards for step in moves) and not any(_covers(some, machine) for some in _by_trigger(moves)):
            yield _warning("stuck", f"every step out of {state} has guards: a record may be stuck there")
    if not machine.final:
        yield from _traps(machine, graph)


def _by_trigger(steps: Iterable[_Step]) -> Iterable[list[_Step]]:
    found: dict[str, list[_Step]] = defaultdict(list)
    for step in steps:
        found[step.trigger].append(step)
    return found.values()


def _rings(onward: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the sets of states that lead to one another, given what each leads to."""
    rings = {frozenset(there for there in onward[one] if one in onward[there]) for one in onward if one in onward[one]}
    return sorted(map(sorted, rings))


def _traps(machine: AnyDefinition, graph: _Graph) -> Iterator[Finding]:
    """Without final states a lifecycle should stay in motion: some states that are never left again look wrong."""
    onward = {state: _reached(graph, graph[state]) for state in graph}
    for ring in _rings(onward):
        if onward[ring[0]] == set(ring) and machine.initial not in ring:
            yield _warning("trap", f"{_named(ring)} are never left again, and none of them is final")


def _clocks(machine: AnyDefinition) -> Iterator[Finding]:
    timed = [step for step in machine.steps if step.after is not None and step.targets and not step.guards]
    graph = _graph(machine, timed)
    for state in machine.states:
        if state in graph[state]:
            yield _error("timed-loop", f"time alone leads from {state} back to {state}, for ever")
    for ring in _rings({state: _reached(graph, graph[state]) for state in graph}):
        yield _warning("timed-cycle", f"time alone goes round for ever, through {_named(ring)}")


# words that nothing uses


def _unused(machine: AnyDefinition) -> Iterator[Finding]:
    used = {step.on for step in machine.steps}
    for signal in machine.signals:
        if signal not in used:
            yield _error("unused-signal", f"no edge listens to {signal}")
    asked = {cause for step in machine.steps for cause in step.causes}
    for kind in sorted({type(cause) for cause in asked}, key=lambda kind: kind.__name__):
        if spare := [cause for cause in kind if cause not in asked]:
            yield Finding("note", "unused-cause", f"no edge takes {_named(spare)} of {kind.__name__}")


_CHECKS: Final[Sequence[Callable[[AnyDefinition], Iterator[Finding]]]] = (
    _words,
    _states,
    _steps,
    _guards,
    _choices,
    _paths,
    _clocks,
    _unused,
)


# facts


def prove(machine: Definition[Any, Any, F], facts: Iterable[F]) -> tuple[Finding, ...]:
    """Hold claims and choices against facts: exact if all possible facts are given, a test if some are.

    Errors: a claim does not hold. Warnings: two steps that are not marked really hold together. Notes: a step that
    none of the facts makes possible.

    >>> from enum import StrEnum
    >>> from crmkit.kernel.machine import Machine, edge, exclusive
    >>> Door, Push = StrEnum("Door", "SHUT OPEN"), StrEnum("Push", "PUSH")
    >>> def weak(force: int) -> bool:
    ...     return force < 3
    >>> def strong(force: int) -> bool:
    ...     return force > 1
    >>> door = Machine("door", version=1, initial=Door.SHUT, final=[Door.OPEN], edges=[
    ...     edge(Door.SHUT, Door.SHUT, on=Push.PUSH, when=[weak]),
    ...     edge(Door.SHUT, Door.OPEN, on=Push.PUSH, when=[strong])], claims=[exclusive(weak, strong)])
    >>> print(prove(door, range(5))[0])
    error: weak, strong are claimed to be exclusive, but 2 of them hold together (claim)
    """
    tried = tuple(facts)
    found: dict[Finding, None] = {}
    for claim in machine.claims:
        names = ", ".join(map(name_of, claim.guards))
        for one in tried:
            holding = sum(check(one) is True for check in claim.guards)
            if holding > 1 and claim.kind == "exclusive":
                found[_error("claim", f"{names} are claimed to be exclusive, but {holding} of them hold together")] = (
                    None
                )
            if not holding and claim.kind == "exhaustive":
                found[_error("claim", f"{names} are claimed to be exhaustive, but none of them holds")] = None
    possible = {step: [_holds(step, one) for one in tried] for step in machine.steps}
    for step, held in possible.items():
        if not any(held):
            found[Finding("note", "never", f"{step}: none of the facts makes it possible")] = None
    for steps in _competing(machine):
        for first, second in combinations([step for step in steps if step.targets], 2):
            nested = set(second.guards) < set(first.guards) or second.overlaps or first.after != second.after
            if not nested and any(a and b for a, b in zip(possible[first], possible[second], strict=True)):
                found[_warning("overlap", f"{first} and {second} do hold together")] = None
    return tuple(found)


def _holds(step: _Step, facts: object) -> bool:
    return all(check(facts) is True for check in step.when) and not any(check(facts) is True for check in step.unless)
