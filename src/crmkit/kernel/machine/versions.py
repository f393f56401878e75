"""Versions: a lock file, so that no definition changes unnoticed, and what differs between two definitions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import attrs

from crmkit.kernel.machine.definition import AnyDefinition, Finding, Step

_Bucket: TypeAlias = Sequence[Step[Any, Any, Any]]

# the lock file


def lock(machines: Iterable[AnyDefinition]) -> str:
    """Write the text of a lock file: a line `name version fingerprint` for each machine, sorted.

    >>> lock([])
    ''
    """
    return "".join(sorted(f"{machine.name} {machine.version} {machine.fingerprint}\n" for machine in machines))


def check_lock(machines: Iterable[AnyDefinition], text: str) -> tuple[Finding, ...]:
    r"""Hold machines against a lock file; a test asserts that nothing is found.

    Errors: a machine has changed without a new version (`changed`), or a line cannot be read (`unreadable`).
    Warnings: a machine or its version is not locked yet (`unlocked`). Notes: a locked one is gone (`gone`).

    >>> check_lock([], "case 1\n")
    (Finding(level='error', code='unreadable', text="line 1 is not 'name version fingerprint'"),)
    """
    found: list[Finding] = []
    locked: dict[tuple[str, str], str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case [name, version, fingerprint]:
                locked[name, version] = fingerprint
            case []:
                pass
            case _:
                found.append(Finding("error", "unreadable", f"line {number} is not 'name version fingerprint'"))
    for machine in machines:
        key = machine.name, str(machine.version)
        fingerprint = locked.pop(key, "")
        if not fingerprint:
            found.append(
                Finding("warning", "unlocked", f"{key[0]} version {key[1]} is not in the lock file: write it anew")
            )
        elif fingerprint != machine.fingerprint:
            found.append(Finding("error", "changed", f"{key[0]} has changed, but is still version {key[1]}: raise it"))
    found += [Finding("note", "gone", f"{name} version {version} is locked, but gone") for name, version in locked]
    return tuple(found)


# differences


@attrs.frozen
class Difference:
    """One thing in which two definitions differ.

    Attributes:
        kind: `"additive"`: whatever the old machine did, the new one does, in the same way. `"breaking"`: a record
            or a caller may be treated differently.
        text: one sentence that names it.
    """

    kind: Literal["additive", "breaking"]
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def diff(old: AnyDefinition, new: AnyDefinition) -> tuple[Difference, ...]:
    """Return how two definitions differ, breaking differences first; empty if their fingerprints are equal.

    With additive differences alone, every step that the old machine takes, on a signal or by time, the new one takes
    too, to the same target and with the same causes. Guards count by name: their code is not seen.

    >>> from enum import StrEnum
    >>> from crmkit.kernel.machine import Machine, edge
    >>> Door, Push = StrEnum("Door", "SHUT OPEN"), StrEnum("Push", "PUSH PULL")
    >>> push = edge(Door.SHUT, Door.OPEN, on=Push.PUSH)
    >>> pull = edge(Door.SHUT, Door.OPEN, on=Push.PULL)
    >>> one = Machine("door", version=1, initial=Door.SHUT, final=[Door.OPEN], edges=[push], signals=[Push.PUSH])
    >>> two = Machine("door", version=2, initial=Door.SHUT, final=[Door.OPEN], edges=[push, pull])
    >>> [str(difference) for difference in diff(one, two)]
    ['additive: signal pull is new', 'additive: shut -pull-> open is new']
    """
    found: list[Difference] = []
    if old.name != new.name:
        found.append(Difference("breaking", f"the name {old.name} is now {new.name}"))
    if old.initial != new.initial:
        found.append(Difference("breaking", f"new records start in {new.initial}, not in {old.initial}"))
    words: tuple[tuple[str, Iterable[str], Iterable[str]], ...] = (
        ("state", old.states, new.states),
        ("signal", old.signals, new.signals),
        ("final state", old.final, new.final),
        ("group", old.groups, new.groups),
        *((f"group {name}:", states, new.groups.get(name, ())) for name, states in old.groups.items()),
    )
    for what, before, after in words:
        found += [Difference("breaking", f"{what} {word} is gone") for word in sorted(set(before) - set(after))]
        found += [
            # A state that was there before and is now in a group answers a query differently.
            Difference("breaking" if what.endswith(":") and word in old.states else "additive", f"{what} {word} is new")
            for word in sorted(set(after) - set(before))
        ]
    steps, new_steps = _buckets(old), _buckets(new)
    for key in dict.fromkeys((*steps, *new_steps)):
        compare = _compare_choices if key[1] else _compare_timed
        found += compare(steps.get(key, ()), new_steps.get(key, ()))
    return tuple(sorted(found, key=lambda difference: difference.kind == "additive"))


def _buckets(machine: AnyDefinition) -> dict[tuple[str, str], _Bucket]:
    """Return the steps that compete, by state and signal; an empty signal stands for time."""
    found: dict[tuple[str, str], list[Step[Any, Any, Any]]] = defaultdict(list)
    for step in machine.steps:
        found[str(step.source), str(step.on or "")].append(step)
    return {key: steps if key[1] else sorted(steps, key=_by_time) for key, steps in sorted(found.items())}


def _by_time(step: Step[Any, Any, Any]) -> tuple[object, ...]:
    # Warnings compete with nothing: their order is told by their names.
    return bool(step.warns), step.after, step.warns


def _compare_choices(before: _Bucket, after: _Bucket) -> Iterator[Difference]:
    for position, (one, two) in enumerate(zip_longest(before, after)):
        if one is None:
            yield Difference("additive", f"{two} is new")
        elif two is None:
            yield Difference("breaking", f"{one} is gone")
        elif one.as_dict() != two.as_dict():
            alike = (set(one.targets), one.returns, one.fixed) == (set(two.targets), two.returns, two.fixed)
            wider = set(one.causes) <= set(two.causes) and bool(one.causes) == bool(two.causes)
            last = position == len(before) - 1
            freer = set(one.guards) == set(two.guards) or (last and set(two.guards) < set(one.guards))
            kind: Literal["additive", "breaking"] = "additive" if alike and wider and freer else "breaking"
            yield Difference(kind, f"{_told(one)} is now {_told(two)}")


def _compare_timed(before: _Bucket, after: _Bucket) -> Iterator[Difference]:
    for one in _missing(before, after):
        yield Difference("breaking", f"{_told(one)} is gone")
    for two in _missing(after, before):
        # Anything that time does to a record in a new way is a surprise; a warning moves nothing.
        yield Difference("additive" if two.warns else "breaking", f"{_told(two)} is new")
    if not (_missing(before, after) or _missing(after, before)) and list(map(_plain, before)) != list(
        map(_plain, after)
    ):
        yield Difference("breaking", f"{before[0].source}: timed steps come in another order")


def _plain(step: Step[Any, Any, Any]) -> str:
    return str(step.as_dict())


def _missing(some: _Bucket, others: _Bucket) -> _Bucket:
    there = set(map(_plain, others))
    return [step for step in some if _plain(step) not in there]


def _told(step: Step[Any, Any, Any]) -> str:
    return f"{step} with cause {' or '.join(step.causes)}" if step.causes else str(step)
