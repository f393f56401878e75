"""Edges: what an author writes down. `edge` moves on a signal or after a time, `warning` only tells after a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Generic, Literal, LiteralString, Never, TypeAlias, TypeVar

import attrs

from crmkit.kernel.machine.guards import Guard

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)
F = TypeVar("F")
S_co = TypeVar("S_co", bound=StrEnum, covariant=True)
E_co = TypeVar("E_co", bound=StrEnum, covariant=True)
F_contra = TypeVar("F_contra", contravariant=True)

Vocabulary: TypeAlias = type[StrEnum] | tuple[type[StrEnum], ...] | StrEnum | None


@attrs.frozen
class Previous(Generic[S_co]):
    """The target of a step back: one of these states, whichever the record was in before."""

    states: tuple[S_co, ...]


@attrs.frozen
class Edge(Generic[S_co, E_co, F_contra]):
    """One edge as it was written; a machine makes one `Step` of it for each source. Made by `edge` and `warning`."""

    sources: tuple[str, ...]
    target: S_co | Previous[S_co] | None
    on: E_co | None = None
    after: timedelta | None = None
    when: tuple[Guard[F_contra], ...] = ()
    unless: tuple[Guard[F_contra], ...] = ()
    cause: Vocabulary = None
    overlaps: bool = False
    warns: str = ""


def edge(
    source: S | Iterable[S] | LiteralString,
    target: S | Previous[S],
    *,
    on: E | None = None,
    after: timedelta | None = None,
    when: Sequence[Guard[F]] = (),
    unless: Sequence[Guard[F]] = (),
    cause: Vocabulary = None,
    overlaps: Literal["first wins"] | None = None,
) -> Edge[S, E, F]:
    """Write one edge of a machine: from the source to the target, on a signal or after a time.

    Args:
        source: a state, several states, or the name of a group of the machine.
        target: the state moved to, or `previous(…)`.
        on: the signal that asks for the step. Give this or `after`.
        after: how long after `since` the step is due by itself.
        when: guards that must all hold.
        unless: guards of which none may hold.
        cause: an enum (or a tuple of enums): the caller must give a member. A member: fixed, it goes with the step.
        overlaps: `"first wins"` says that an earlier edge on the same signal may hold too, and that this is meant.

    >>> from enum import StrEnum
    >>> class Light(StrEnum):
    ...     RED = "red"
    ...     GREEN = "green"
    >>> edge(Light.RED, Light.GREEN, after=seconds(30)).after
    datetime.timedelta(seconds=30)
    """
    return Edge(_sources(source), target, on, after, tuple(when), tuple(unless), cause, overlaps is not None)


def warning(
    name: str,
    source: S | Iterable[S] | LiteralString,
    *,
    after: timedelta,
    when: Sequence[Guard[F]] = (),
    unless: Sequence[Guard[F]] = (),
) -> Edge[S, Never, F]:
    """Write a warning: told once per `since` and name when the time is up; the record does not move.

    >>> warning("silence", "open", after=days(180)).warns
    'silence'
    """
    return Edge(_sources(source), None, None, after, tuple(when), tuple(unless), warns=name)


def previous(*states: S) -> Previous[S]:
    """Make a target of "where it was before", limited to these states; `step` is told with `previous=`."""
    return Previous(states)


def _sources(source: Iterable[str] | str) -> tuple[str, ...]:
    # A group's name stays one word: text is iterable too, letter by letter.
    return (source,) if isinstance(source, str) else tuple(source)


def seconds(n: float) -> timedelta:
    """Return so many seconds. Delays are exact durations between instants in UTC: a day is 24 hours."""
    return timedelta(seconds=n)


def minutes(n: float) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=n)


def hours(n: float) -> timedelta:
    """Return so many hours."""
    return timedelta(hours=n)


def days(n: float) -> timedelta:
    """Return so many days of 24 hours.

    >>> days(2)
    datetime.timedelta(days=2)
    """
    return timedelta(days=n)


def weeks(n: float) -> timedelta:
    """Return so many weeks of 7 days."""
    return timedelta(weeks=n)


def told(duration: timedelta) -> str:
    """Write a duration in its largest whole unit, exactly, as labels do.

    >>> told(days(365)), told(hours(1)), told(seconds(90.5))
    ('365 days', '1 hour', '90.5 seconds')
    """
    for unit, size in (("day", days(1)), ("hour", hours(1)), ("minute", minutes(1)), ("second", seconds(1))):
        if duration and not duration % size:
            return f"{duration // size} {unit}{'' if duration == size else 's'}"
    return f"{duration.total_seconds():.6f}".rstrip("0").rstrip(".") + " seconds"
