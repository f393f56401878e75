"""Machine: a lifecycle as frozen data, compiled once. It answers; it keeps nothing, and reads no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Generic, TypeAlias, overload

import attrs

from crmkit.errors import DefinitionError, GuardFailed
from crmkit.kernel.machine.definition import Definition, Finding, Step, Version, members, sources_of, steps_of
from crmkit.kernel.machine.edges import E, E_co, Edge, F_contra, S, S_co, Vocabulary
from crmkit.kernel.machine.guards import Claim, Guard, Unmet, Verdict, name_of, words_of
from crmkit.kernel.machine.outcomes import Deadline, Moved, Obstacle, Option, Refused, Warned, Why
from crmkit.kernel.machine.verify import verify

# What the guards have said in this step, by their identity; and a step's result by the cause that was given.
_Seen: TypeAlias = dict[int, Verdict]
_Results: TypeAlias = dict[str | None, Moved[S, E]]

_NOWHERE: Final[Mapping[str, Any]] = {}


class Machine(Definition[S_co, E_co, F_contra]):
    """A lifecycle: states, the steps between them, and what each step asks for.

    A definition that contradicts itself is refused when it is made; `findings` holds what is only doubtful.
    Wherever a state, a signal or a cause is asked for, text that equals the member does as well. Written as
    `Machine[Stage, Signal, Facts](…)`, type checkers hold every edge and guard against these three; `object` stands
    for facts that no guard asks about.

    Attributes:
        findings: warnings and notes about the definition (see `verify`).

    >>> from enum import StrEnum
    >>> from crmkit.kernel.machine import days, edge, need
    >>> class Stage(StrEnum):
    ...     LEAD = "lead"
    ...     BUYER = "buyer"
    ...     LOST = "lost"
    >>> class Signal(StrEnum):
    ...     BUY = "buy"
    >>> def trusted(trust: int) -> bool | Unmet:
    ...     return need("trust", have=trust, at_least=60)
    >>> customer = Machine[Stage, Signal, int](
    ...     "customer", version=1, initial=Stage.LEAD, final=[Stage.BUYER, Stage.LOST], edges=[
    ...         edge(Stage.LEAD, Stage.BUYER, on=Signal.BUY, when=[trusted]),
    ...         edge(Stage.LEAD, Stage.LOST, after=days(365)),
    ...     ])
    >>> customer.step(Stage.LEAD, Signal.BUY, 60).state
    <Stage.BUYER: 'buyer'>
    >>> print(customer.step(Stage.LEAD, Signal.BUY, 48))
    customer: 'buy' refused in 'lead', guard unmet: trust 48, needs at least 60; allowed now: no signal
    """

    findings: tuple[Finding, ...]
    # By state and signal, and by state with the shortest delay first.
    _table: dict[str, dict[Any, tuple[_Way[S_co, E_co, F_contra], ...]]]
    _timed: dict[str, tuple[_Way[S_co, E_co, F_contra], ...]]

    def __init__(
        self,
        name: str,
        *,
        version: Version,
        initial: S_co,
        edges: Iterable[Edge[S_co, E_co, F_contra]],
        final: Iterable[S_co] = (),
        groups: Mapping[str, Iterable[S_co]] | None = None,
        states: Iterable[type[S_co] | S_co] | None = None,
        signals: Iterable[type[E_co] | E_co] | None = None,
        claims: Iterable[Claim] = (),
        doc: str = "",
    ) -> None:
        """Make a machine and verify it.

        Args:
            name: what it is called in messages, drawings and lock files.
            version: a number or text without spaces; a changed definition gets a new one.
            initial: where a new record starts.
            edges: made by `edge` and `warning`. Those that compete are tried in this order.
            final: the states in which a lifecycle ends. None at all is fine.
            groups: named sets of states, for edges, queries and drawings.
            states: the enums (or single members) of the states; the enum of `initial` if not given.
            signals: the enums (or single members) of the signals; the enums of all `on=` if not given.
            claims: what `exclusive` and `exhaustive` say about the guards.
            doc: one sentence for whoever reads a drawing.

        Raises:
            DefinitionError: with every problem that was found.
        """
        edges = tuple(edges)
        all_states = members([type(initial)] if states is None else states)
        all_signals = members([type(e.on) for e in edges if e.on is not None] if signals is None else signals)
        named = {group: frozenset(inside) for group, inside in (groups or {}).items()}
        steps = tuple(steps_of(edges, all_states, all_signals, named))
        super().__init__(
            name, version, initial, frozenset(final), all_states, all_signals, named, edges, steps, tuple(claims), doc
        )
        self._set(findings=verify(self))
        if errors := [finding.text for finding in self.findings if finding.level == "error"]:
            raise DefinitionError(f"machine {name}", errors)
        ways = [_Way(step) for step in steps]
        table = {
            state: {on: there for on in all_signals if (there := tuple(w for w in ways if w.leaves(state, on)))}
            for state in all_states
        }
        timed = {
            state: tuple(sorted((w for w in ways if w.leaves(state, None)), key=lambda way: way.after))
            for state in all_states
        }
        self._set(_table=table, _timed=timed)

    def _set(self, **values: object) -> None:
        # What is derived from the definition, set once: the class is frozen.
        self.__dict__.update(values)

    # signals

    def step(
        self, state: str, signal: str, facts: F_contra, *, cause: str | None = None, previous: str | None = None
    ) -> Moved[S_co, E_co] | Refused[S_co, E_co]:
        """Say where a signal leads from a state, or why it leads nowhere.

        Of several edges, the first one whose guards hold is taken. It then decides about the cause alone: a
        missing cause never falls through to a later edge. Each guard is asked at most once.

        Args:
            state: where the record stands.
            signal: what is asked of it.
            facts: what the guards may know.
            cause: why, where the edge asks for it; a cause that no one asked for is refused, not lost.
            previous: the state before this one, for edges that lead back.

        Raises:
            GuardFailed: a guard raised, or returned neither a bool nor an `Unmet`.
        """
        try:
            ways = self._table[state][signal]
        except KeyError:
            return self._refused(self._absence(state, signal), state, signal, facts)
        seen: _Seen = {}
        # The common case, in which the first edge is taken, is the quick one.
        way = ways[0]
        if (moved := way.plain.get(cause)) is not None:
            for check in way.when:
                try:
                    verdict = check(facts)
                except Exception as error:
                    raise self._broken(way.step, check, f"raised {type(error).__name__}") from error
                if verdict is not True:
                    held = way.when[: way.when.index(check)]
                    seen = {**dict.fromkeys(map(id, held), True), id(check): verdict}
                    break
            else:
                return moved
        chosen, obstacles = self._choose(ways, facts, seen)
        if chosen is None:
            return self._refused(Why.GUARD, state, signal, facts, seen, obstacles)
        if (moves := chosen.back.get(previous) if chosen.back else chosen.moves) is None:
            return self._refused(Why.PREVIOUS, state, signal, facts, seen, (), chosen.step.targets)
        if (moved := moves.get(cause)) is None:
            return self._refused(Why.CAUSE, state, signal, facts, seen, (), chosen.step.causes)
        return moved

    def move(
        self, state: str, signal: str, facts: F_contra, *, cause: str | None = None, previous: str | None = None
    ) -> Moved[S_co, E_co]:
        """Do as `step` does, and raise a refusal.

        Raises:
            MoveRefused: with the values of the `Refused` as plain data.
            GuardFailed: a guard is broken.
        """
        outcome = self.step(state, signal, facts, cause=cause, previous=previous)
        if isinstance(outcome, Refused):
            raise outcome.error()
        return outcome

    def explain(self, state: str, facts: F_contra) -> tuple[Option[S_co, E_co], ...]:
        """Tell for each signal of a state whether it is possible now, and what is in its way: to draw buttons.

        An unknown state has no options.
        """
        return self._options(state, facts, {})

    # time

    def deadlines(self, state: str, since: datetime) -> tuple[Deadline[S_co, E_co], ...]:
        """Return when each timed step of a state is due, earliest first.

        Args:
            state: where the record stands.
            since: from when its timers count; the host decides what resets it.
        """
        return tuple(
            Deadline(since + way.after, way.step) for way in self._timed.get(state, ()) if _fits(since, way.after)
        )

    def due_windows(self) -> tuple[tuple[S_co, timedelta], ...]:
        """Return every pair (state, delay) with something timed, to find what is due by range queries.

        What is due at `now` stands in the state with `since <= now - delay`. The smallest delay of a state finds
        whatever its larger ones find.
        """
        return tuple(dict.fromkeys((state, way.after) for state in self.states for way in self._timed[state]))

    def due(
        self,
        state: str,
        since: datetime,
        facts: F_contra,
        *,
        now: datetime,
        warned: Collection[str] = (),
        facts_since: datetime | None = None,
    ) -> Moved[S_co, E_co] | Warned[S_co] | None:
        """Return the first thing that time has brought by `now`, or `None`. Arguments as for `catch_up`."""
        ripe: list[tuple[datetime, _Way[S_co, E_co, F_contra]]] = []
        for way in self._timed.get(state, ()):
            if now - since >= way.after and way.step.warns not in warned:
                at = since + way.after
                if facts_since is not None and at < facts_since and way.checks:
                    at = facts_since
                ripe.append((at, way))
        seen: _Seen = {}
        for at, way in sorted(ripe, key=lambda pair: pair[0]):
            if at <= now and not any(self._obstacles(way, facts, seen)):
                moved = way.moves.get(None)
                if moved is None:
                    return Warned(way.step.source, way.step.warns, at)
                return Moved(moved.source, moved.state, None, moved.cause, at, way.step)
        return None

    def catch_up(
        self,
        state: str,
        since: datetime,
        facts: F_contra,
        *,
        until: datetime,
        warned: Collection[str] = (),
        facts_since: datetime | None = None,
        limit: int = 1000,
    ) -> tuple[Moved[S_co, E_co] | Warned[S_co], ...]:
        """Return all that time has brought by `until`, in the order in which it happened.

        Everything is stamped with its deadline, `since` plus the delay, however late the sweep; a move starts the
        timers of the next state at its own stamp. So the history does not depend on how often anyone sweeps.

        Guards are the exception that has to be told about, because a machine knows the facts of today only. A timed
        edge whose guard fails stays due, and every sweep tries it again. Once it holds, the stamp is the deadline or
        `facts_since`, whichever is later. Told the instant of the last change to the facts, and swept before each
        such change, guarded edges have one history too; told nothing, the facts are taken to have held all along.

        Args:
            state: where the record stands.
            since: from when its timers count.
            facts: what the guards may know; they serve the whole way.
            until: the moment of the sweep. A deadline at exactly this moment is due.
            warned: the names of the warnings already told for this `since`. A move forgets them.
            facts_since: from when the facts have been what they are.
            limit: at most so many outcomes; the next sweep goes on from there.
        """
        history: list[Moved[S_co, E_co] | Warned[S_co]] = []
        told: set[str] = set(warned)
        while len(history) < limit:
            outcome = self.due(state, since, facts, now=until, warned=told, facts_since=facts_since)
            if outcome is None:
                break
            history.append(outcome)
            if isinstance(outcome, Warned):
                told.add(outcome.warning)
            else:
                state, since = outcome.state, outcome.at or since
                told.clear()
        return tuple(history)

    # judging

    def _choose(
        self, ways: Iterable[_Way[S_co, E_co, F_contra]], facts: F_contra, seen: _Seen
    ) -> tuple[_Way[S_co, E_co, F_contra] | None, tuple[Obstacle, ...]]:
        obstacles: list[Obstacle] = []
        for way in ways:
            here = list(self._obstacles(way, facts, seen))
            if not here:
                return way, ()
            obstacles += here
        return None, tuple(obstacles)

    def _obstacles(self, way: _Way[S_co, E_co, F_contra], facts: F_contra, seen: _Seen) -> Iterator[Obstacle]:
        for check, name, wanted in way.checks:
            verdict = self._ask(way.step, check, facts, seen)
            if wanted and verdict is not True:
                yield Obstacle(name, way.target, verdict or Unmet(words_of(check)))
            elif not wanted and verdict is True:
                yield Obstacle(name, way.target, Unmet(words_of(check), rule="fails"))

    def _ask(self, step: Step[S_co, E_co, F_contra], check: Guard[F_contra], facts: F_contra, seen: _Seen) -> Verdict:
        if id(check) not in seen:
            try:
                seen[id(check)] = check(facts)
            except Exception as error:
                raise self._broken(step, check, f"raised {type(error).__name__}") from error
        verdict = seen[id(check)]
        # A truthy accident, such as a list or an array's own bool, must not open a door.
        if type(verdict) not in {bool, Unmet}:
            problem = f"returned {type(verdict).__name__}, expected True, False or Unmet"
            raise self._broken(step, check, problem)
        return verdict

    def _broken(self, step: Step[S_co, E_co, F_contra], check: Guard[F_contra], problem: str) -> GuardFailed:
        return GuardFailed(self.name, str(step), name_of(check), problem)

    def _absence(self, state: str, signal: str) -> Why:
        if state not in self._table:
            return Why.UNKNOWN_STATE
        if signal not in self.signals:
            return Why.UNKNOWN_SIGNAL
        return Why.FINAL if state in self.final else Why.NO_SUCH_STEP

    def _refused(  # noqa: PLR0917 - the parts of the answer, gathered here alone
        self,
        why: Why,
        state: str,
        signal: str,
        facts: F_contra,
        seen: _Seen | None = None,
        obstacles: tuple[Obstacle, ...] = (),
        expected: tuple[StrEnum, ...] = (),
    ) -> Refused[S_co, E_co]:
        known: _Seen = {} if seen is None else seen
        return Refused(self.name, state, signal, why, obstacles, expected, lambda: self._options(state, facts, known))

    def _options(self, state: str, facts: F_contra, seen: _Seen) -> tuple[Option[S_co, E_co], ...]:
        options: list[Option[S_co, E_co]] = []
        here: Mapping[Any, tuple[_Way[S_co, E_co, F_contra], ...]] = self._table.get(state, _NOWHERE)
        for signal, ways in here.items():
            chosen, obstacles = self._choose(ways, facts, seen)
            steps = [way.step for way in (ways if chosen is None else (chosen,))]
            targets = tuple(dict.fromkeys(target for step in steps for target in step.targets))
            causes = () if chosen is None or chosen.step.fixed else chosen.step.causes
            options.append(Option(signal, targets, obstacles, causes))
        return tuple(options)

    # extension

    @overload
    def extend(
        self,
        *,
        version: Version,
        add: Iterable[Edge[S_co, E_co, F_contra]] = ...,
        remove: Iterable[Edge[S_co, E_co, Any]] = ...,
        guards: Mapping[Edge[S_co, E_co, Any], Sequence[Guard[F_contra]]] | None = ...,
        causes: Mapping[type[StrEnum], type[StrEnum]] | None = ...,
        groups: Mapping[str, Iterable[S_co]] | None = ...,
        final: Iterable[S_co] = ...,
        claims: Iterable[Claim] = ...,
    ) -> Machine[S_co, E_co, F_contra]: ...
    @overload
    def extend(
        self,
        *,
        version: Version,
        add: Iterable[Edge[S_co | S, E_co | E, F_contra]],
        remove: Iterable[Edge[S_co, E_co, Any]] = ...,
        guards: Mapping[Edge[S_co, E_co, Any], Sequence[Guard[F_contra]]] | None = ...,
        causes: Mapping[type[StrEnum], type[StrEnum]] | None = ...,
        groups: Mapping[str, Iterable[S_co | S]] | None = ...,
        states: Iterable[type[S] | S] = ...,
        signals: Iterable[type[E] | E] = ...,
        final: Iterable[S_co | S] = ...,
        claims: Iterable[Claim] = ...,
    ) -> Machine[S_co | S, E_co | E, F_contra]: ...
    def extend(
        self,
        *,
        version: Version,
        add: Iterable[Edge[Any, Any, F_contra]] = (),
        remove: Iterable[Edge[Any, Any, Any]] = (),
        guards: Mapping[Edge[Any, Any, Any], Sequence[Guard[F_contra]]] | None = None,
        causes: Mapping[type[StrEnum], type[StrEnum]] | None = None,
        groups: Mapping[str, Iterable[Any]] | None = None,
        states: Iterable[Any] = (),
        signals: Iterable[Any] = (),
        final: Iterable[Any] = (),
        claims: Iterable[Claim] = (),
    ) -> Machine[Any, Any, F_contra]:
        """Make a machine of the host's own out of this one, which stays as it is. The new one is verified in full.

        Args:
            version: the version of the new machine, such as `"1+shop"`.
            add: more edges; they are tried after those that are there.
            remove: edges to leave out, written as `edge(source, target, on=signal)`; sources that are not named stay.
                A signal that no edge listens to any more goes as well.
            guards: for edges written in the same way, guards that must hold as well.
            causes: for enums of causes, the host's enum of further ones; wherever the first is taken, both are.
            groups: more groups, and more states for those that are there: their edges leave these states too.
            states: the host's enum of further states.
            signals: the host's enum of further signals.
            final: more final states.
            claims: more claims.

        Raises:
            DefinitionError: with every problem that was found; an edge to remove or to guard that is not there, too.

        >>> from crmkit.kernel.machine import days, edge
        >>> Light = StrEnum("Light", "RED GREEN OFF")
        >>> Press = StrEnum("Press", "WALK BREAK")
        >>> light = Machine("light", version=1, initial=Light.RED, final=[Light.OFF], edges=[
        ...     edge(Light.RED, Light.GREEN, on=Press.WALK), edge(Light.GREEN, Light.OFF, on=Press.BREAK)])
        >>> light.extend(version="1+own", add=[edge(Light.GREEN, Light.RED, after=days(1))])
        <Machine light version 1+own: 3 states, 3 steps>
        """
        dropped, guarded = {*self._patterns(remove)}, dict[Any, tuple[Guard[F_contra], ...]]()
        for pattern, extra in (guards or {}).items():
            guarded |= {key: (*guarded.get(key, ()), *extra) for key in self._patterns([pattern])}
        kept: list[Edge[Any, Any, F_contra]] = []
        for written in self.edges:
            edge = attrs.evolve(written, cause=_widened(written.cause, causes or {}))
            keys = {source: _key(edge, source) for source in sources_of(edge, self.states, self.groups)}
            if not any(key in dropped or key in guarded for key in keys.values()):
                kept.append(edge)
                continue
            kept += [
                attrs.evolve(edge, sources=(source,), when=(*edge.when, *guarded.get(key, ())))
                for source, key in keys.items()
                if key not in dropped
            ]
        edges = (*kept, *add)
        names = {*self.groups, *(groups or {})}
        return Machine(
            self.name,
            version=version,
            initial=self.initial,
            edges=edges,
            final=(*self.final, *final),
            groups={name: (*self.groups.get(name, ()), *(groups or {}).get(name, ())) for name in sorted(names)},
            states=(*self.states, *states),
            signals=(*(signal for signal in self.signals if any(edge.on == signal for edge in edges)), *signals),
            claims=(*self.claims, *claims),
            doc=self.doc,
        )

    def _patterns(self, patterns: Iterable[Edge[Any, Any, Any]]) -> Iterator[tuple[object, ...]]:
        there = {_key(edge, source) for edge in self.edges for source in sources_of(edge, self.states, self.groups)}
        names = ((edge, self.groups.get(name, [name])) for edge in patterns for name in edge.sources)
        keys = [_key(edge, source) for edge, sources in names for source in sources]
        if missing := [f"there is no edge {key[0]} -{key[2] or key[3]}-> {key[1]}" for key in keys if key not in there]:
            raise DefinitionError(f"machine {self.name}", missing)
        yield from keys

    # telling

    def __repr__(self) -> str:
        return f"<Machine {self.name} version {self.version}: {len(self.states)} states, {len(self.steps)} steps>"

    def _repr_svg_(self) -> str:
        from crmkit.kernel.machine.svg import to_svg  # noqa: PLC0415 - only notebooks draw

        return to_svg(self)

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        yield "name", self.name
        yield "version", self.version
        yield "states", [str(state) for state in self.states]
        yield "steps", [str(step) for step in self.steps]


class _Way(Generic[S_co, E_co, F_contra]):
    """A step made ready to be taken: every result that it can have is there before anyone asks."""

    __slots__ = ("after", "back", "checks", "moves", "plain", "step", "target", "when")

    def __init__(self, step: Step[S_co, E_co, F_contra]) -> None:
        self.step, self.when, self.target, self.after = step, step.when, step.target, step.after or timedelta(0)
        # Each guard with the name that it is told by, and whether it has to hold.
        self.checks = [(check, name_of(check), True) for check in step.when]
        self.checks += [(check, f"not {name_of(check)}", False) for check in step.unless]
        # The results by cause; for a step back by the state before and the cause. Plain: all that asks `when` alone.
        results: dict[str | None, _Results[S_co, E_co]] = {target: _results(step, target) for target in step.targets}
        self.back = results if step.returns else {}
        self.moves: _Results[S_co, E_co] = {} if step.returns or not results else next(iter(results.values()))
        self.plain: _Results[S_co, E_co] = {} if step.unless else self.moves

    def leaves(self, state: str, on: str | None) -> bool:
        """Whether this is a step of a state on a signal, or on time."""
        return self.step.source == state and self.step.on == on


def _results(step: Step[S, E, Any], target: S) -> _Results[S, E]:
    causes: list[tuple[str | None, StrEnum | None]] = [(cause, cause) for cause in step.causes]
    if step.fixed or not causes:
        causes.append((None, step.causes[0] if step.fixed else None))
    return {given: Moved(step.source, target, step.on, cause, None, step) for given, cause in causes}


def _fits(since: datetime, after: timedelta) -> bool:
    # A deadline after the year 9999 is never due, and must not stop a sweep.
    return after <= datetime.max.replace(tzinfo=since.tzinfo) - since


def _key(edge: Edge[Any, Any, Any], source: str) -> tuple[object, ...]:
    """Tell edges apart as `extend` does: by what they connect and what triggers them."""
    return source, edge.target, edge.on, edge.after, edge.warns


def _widened(cause: Vocabulary, more: Mapping[type[StrEnum], type[StrEnum]]) -> Vocabulary:
    kinds = cause if isinstance(cause, tuple) else (cause,) if isinstance(cause, type) else ()
    added = tuple(more[kind] for kind in kinds if kind in more)
    return (*kinds, *added) if added else cause
