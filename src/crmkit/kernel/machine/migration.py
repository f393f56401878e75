"""Migration: bringing stored states to the current version of a machine, one by one as they load, or all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Literal

import attrs

from crmkit.errors import DefinitionError, GuardFailed
from crmkit.kernel.machine.definition import AnyDefinition, Definition, Version
from crmkit.kernel.machine.edges import E_co, F, F_contra, S, S_co
from crmkit.kernel.machine.machine import Machine
from crmkit.kernel.machine.outcomes import Moved


@attrs.frozen
class Choice(Generic[S_co]):
    """Where a stored state goes when its record has to be looked at. Made by `choose`."""

    pick: Callable[[Any], S_co]
    targets: tuple[S_co, ...]


def choose(pick: Callable[[F], S], *targets: S) -> Choice[S]:
    """Let a function of the facts say where a stored state goes; it answers with one of these targets."""
    return Choice(pick, targets)


@attrs.frozen
class Migration(Generic[S_co]):
    """What becomes of the states of one version in another.

    Attributes:
        from_version: the version that records were stored under.
        to_version: the version that they come to.
        states: by the text of the old state, the new state or a `choose(…)`. A state that is not named stays as it is.
        since: `"keep"`, or `"now"`: timers start anew, for every record that passes here.
    """

    from_version: Version
    to_version: Version
    states: Mapping[str, S_co | Choice[S_co]] = attrs.field(factory=dict[str, Any])
    since: Literal["keep", "now"] = "keep"


@attrs.frozen
class Stored(Generic[F_contra]):
    """What is stored of one record, as `Versions.plan` needs it."""

    id: str
    state: str
    version: Version
    since: datetime
    facts: F_contra
    warned: tuple[str, ...] = ()


@attrs.frozen
class Migrated(Generic[S_co]):
    """Where a stored record stands in the current version.

    Attributes:
        state: its state now.
        since: from when its timers count now.
        version: the current version.
        path: the (version, state) pairs that it came through; empty if it was up to date.
    """

    state: S_co
    since: datetime
    version: Version
    path: tuple[tuple[Version, str], ...] = ()


@attrs.frozen
class Unmigrated:
    """A stored record that cannot be understood. It stays as it is, for someone to look at.

    Attributes:
        machine: the name of the machine.
        state: the state as it was stored, or as far as it came.
        version: the version that it was stored under, or came to.
        why: what is the matter.
    """

    machine: str
    state: str
    version: Version
    why: Literal["unknown version", "unknown state", "no such target"]

    def __str__(self) -> str:
        return f"{self.machine}: state {self.state!r} of version {self.version}: {self.why}"


@attrs.frozen
class Plan:
    """What a deploy would do to stored records.

    Attributes:
        moves: how many records go from which old state (with its version) to which new one.
        due: how many timed moves would be due at once, by step: a new delay may move thousands.
        refused: the records that cannot be understood, by id.
    """

    moves: Mapping[tuple[str, str], int]
    due: Mapping[str, int]
    refused: tuple[tuple[str, Unmigrated], ...]

    @property
    def due_at_once(self) -> int:
        """How many timed moves the deploy would make due at once, in all."""
        return sum(self.due.values())


class Versions(Generic[S_co, E_co, F_contra]):
    """A machine and its older versions: takes stored states to the current version, lazily or in bulk.

    Every state that a version no longer has must be sent somewhere that exists: this is checked when it is made.

    >>> from enum import StrEnum
    >>> from crmkit.kernel.machine import edge
    >>> Stage, Sign = StrEnum("Stage", "LEAD BUYER"), StrEnum("Sign", "BUY")
    >>> two = Machine("customer", version=2, initial=Stage.LEAD, final=[Stage.BUYER], edges=[
    ...     edge(Stage.LEAD, Stage.BUYER, on=Sign.BUY)])
    >>> known = Versions(two, old={1: ["prospect", "buyer"]}, migrations=[Migration(1, 2, {"prospect": Stage.LEAD})])
    >>> at = datetime(2024, 1, 1)
    >>> known.migrate("prospect", 1, at, None, now=at).state
    <Stage.LEAD: 'lead'>
    >>> print(known.migrate("lost", 1, at, None, now=at))
    customer: state 'lost' of version 1: unknown state
    """

    def __init__(
        self,
        current: Machine[S_co, E_co, F_contra],
        *,
        old: Mapping[Version, AnyDefinition | Iterable[str]] | None = None,
        migrations: Iterable[Migration[StrEnum]] = (),
    ) -> None:
        """Register versions, and check the way from each to the current one.

        Args:
            current: the machine that records are brought to.
            old: by version, the old machine, or just the names of its states. A version that no migration starts
                from goes straight to the current one.
            migrations: one for each old version that has states which are gone.

        Raises:
            DefinitionError: with every state that would be lost, and every target that does not exist.
        """
        self.current = current
        self.old = dict(old or {})
        self._known = {
            str(version): tuple(map(str, there.states if isinstance(there, Definition) else there))
            for version, there in (*self.old.items(), (current.version, current))
        }
        self._hops = {str(version): Migration[StrEnum](version, current.version) for version in self.old}
        given = list(migrations)
        self._hops.update((str(migration.from_version), migration) for migration in given)
        starts = Counter(str(migration.from_version) for migration in given)
        problems = [f"{times} migrations from version {version}" for version, times in starts.items() if times > 1]
        if str(current.version) in set(map(str, self.old)) | set(starts):
            problems.append(f"version {current.version} is current, and cannot be old as well")
        for migration in self._hops.values():
            problems += self._problems(migration)
        if problems:
            raise DefinitionError(f"versions of {current.name}", problems)

    def _problems(self, migration: Migration[StrEnum]) -> Iterator[str]:
        where = f"migration {migration.from_version} to {migration.to_version}"
        before = self._known.get(str(migration.from_version))
        after = self._known.get(str(migration.to_version))
        if before is None or after is None:
            yield f"{where}: version {migration.from_version if before is None else migration.to_version} is not known"
            return
        for state in sorted(set(before) - set(after) - set(migration.states)):
            yield f"{where}: {state} is gone, and is sent nowhere"
        for state, target in migration.states.items():
            targets = target.targets if isinstance(target, Choice) else (target,)
            if state not in before:
                yield f"{where}: version {migration.from_version} has no state {state}"
            if not targets:
                yield f"{where}: the choice for {state} names no targets"
            for gone in sorted(set(targets) - set(after)):
                yield f"{where}: version {migration.to_version} has no state {gone}"
        seen, version = {str(migration.from_version)}, str(migration.to_version)
        while version in self._hops and version not in seen:
            seen.add(version)
            version = str(self._hops[version].to_version)
        if version in seen:
            yield f"{where}: goes round and never comes to version {self.current.version}"

    def machine(self, version: Version) -> AnyDefinition:
        """Return the machine of a version, for records that stay with the version they began with.

        Raises:
            KeyError: the version is not known, or only the names of its states are.
        """
        there = self.current if version == self.current.version else self.old[version]
        if isinstance(there, Definition):
            return there
        raise KeyError(version)

    def migrate(
        self, state: str, version: Version, since: datetime, facts: F_contra, *, now: datetime
    ) -> Migrated[S_co] | Unmigrated:
        """Bring one stored state to the current version. This is no step: nothing is emitted, no guard is asked.

        Raises:
            GuardFailed: the function of a `choose` raised.
        """
        path: list[tuple[Version, str]] = []
        while True:
            known = self._known.get(str(version))
            if known is None or state not in known:
                why: Literal["unknown version", "unknown state"] = (
                    "unknown version" if known is None else "unknown state"
                )
                return Unmigrated(self.current.name, state, version, why)
            hop = self._hops.get(str(version))
            if hop is None:
                found = next(each for each in self.current.states if each == state)
                return Migrated(found, since, self.current.version, tuple(path))
            target = hop.states.get(state, state)
            if isinstance(target, Choice):
                picked = self._pick(target, hop, state, facts)
                if picked not in target.targets:
                    return Unmigrated(self.current.name, state, version, "no such target")
                target = picked
            path.append((version, str(state)))
            state, version, since = target, hop.to_version, since if hop.since == "keep" else now

    def _pick(self, choice: Choice[StrEnum], hop: Migration[StrEnum], state: str, facts: F_contra) -> StrEnum:
        try:
            return choice.pick(facts)
        except Exception as error:
            where = f"migration {hop.from_version} to {hop.to_version} of {state}"
            raise GuardFailed(
                self.current.name, where, getattr(choice.pick, "__name__", ""), f"raised {type(error).__name__}"
            ) from error

    def plan(self, records: Iterable[Stored[F_contra]], *, now: datetime) -> Plan:
        """Say what bringing all these records to the current version would do, without doing it.

        Records that are up to date are left out. The old version is taken to have been swept up to `now`, so that
        every timed move found is one that the new version brings.

        Raises:
            GuardFailed: a guard, or the function of a `choose`, is broken.
        """
        moves, due = Counter[tuple[str, str]](), Counter[str]()
        refused: list[tuple[str, Unmigrated]] = []
        for record in records:
            found = self.migrate(record.state, record.version, record.since, record.facts, now=now)
            if isinstance(found, Unmigrated):
                refused.append((record.id, found))
            elif found.path:
                moves[f"{record.state} ({record.version})", str(found.state)] += 1
                history = self.current.catch_up(found.state, found.since, record.facts, until=now, warned=record.warned)
                due.update(str(outcome.step) for outcome in history if isinstance(outcome, Moved))
        return Plan(dict(moves), dict(due), tuple(refused))
