"""Outcomes: what a machine answers. All are values; nothing here is raised."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import Any, Generic

import attrs

from crmkit.errors import MoveRefused
from crmkit.kernel.machine.definition import Step
from crmkit.kernel.machine.edges import E_co, S_co
from crmkit.kernel.machine.guards import Unmet


@attrs.frozen
class Moved(Generic[S_co, E_co]):
    """The step is possible, and this is where it leads. Applying it is the caller's.

    Attributes:
        source: the state before.
        state: the state after.
        on: the signal, or `None` when time moved it.
        cause: the cause that the caller gave or the edge fixes.
        at: when a timed step happened, in most cases its deadline; `None` for a signal: that is the caller's moment.
        step: the step of the machine that was taken.
    """

    source: S_co
    state: S_co
    on: E_co | None = None
    cause: StrEnum | None = None
    at: datetime | None = None
    step: Step[S_co, E_co, Any] | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen
class Warned(Generic[S_co]):
    """A warning is due. The record stays where it is.

    Attributes:
        state: the state it stands in.
        warning: the name of the warning.
        at: when it became due.
    """

    state: S_co
    warning: str
    at: datetime


class Why(StrEnum):
    """Why a step was refused."""

    UNKNOWN_STATE = "unknown state"
    UNKNOWN_SIGNAL = "unknown signal"
    NO_SUCH_STEP = "no such step here"
    FINAL = "final state"
    GUARD = "guard unmet"
    CAUSE = "cause missing or wrong"
    PREVIOUS = "previous state missing or wrong"


@attrs.frozen
class Obstacle:
    """A guard in the way of one step.

    Attributes:
        guard: its name, with `"not "` before it when it must not hold.
        target: where the step would have led.
        unmet: what it says, with figures.
    """

    guard: str
    target: str
    unmet: Unmet

    def __str__(self) -> str:
        return str(self.unmet)

    def as_dict(self) -> dict[str, object]:
        """The same as plain JSON values: `guard`, `target` and the keys of `Unmet.as_dict`."""
        return {"guard": self.guard, "target": self.target, **self.unmet.as_dict()}


@attrs.frozen
class Option(Generic[S_co, E_co]):
    """What one signal would do now: a row of the table that buttons are drawn from.

    Attributes:
        signal: the signal.
        targets: where it leads now; while it is blocked, where it would lead.
        obstacles: the guards in the way, over all steps for this signal; empty when it is possible.
        causes: the caller must give one of these; empty when no cause is asked for.
    """

    signal: E_co
    targets: tuple[S_co, ...]
    obstacles: tuple[Obstacle, ...] = ()
    causes: tuple[StrEnum, ...] = ()

    @property
    def possible(self) -> bool:
        """Nothing is in the way but a cause, where one is asked for."""
        return not self.obstacles

    def as_dict(self) -> dict[str, object]:
        """The same as plain JSON values."""
        return {
            "signal": str(self.signal),
            "targets": [str(target) for target in self.targets],
            "possible": self.possible,
            "unmet": [obstacle.as_dict() for obstacle in self.obstacles],
            "causes": [str(cause) for cause in self.causes],
        }


@attrs.frozen
class Refused(Generic[S_co, E_co]):
    """The step is not possible: why, and what is. Survives pickling, and turns into JSON or an exception.

    Attributes:
        machine: the name of the machine.
        state: the state as it was given.
        signal: the signal as it was given.
        why: the kind of refusal.
        obstacles: every guard in the way, over all steps for this signal.
        expected: what the cause, or the previous state, may be when that is what is missing or wrong.
    """

    machine: str
    state: str
    signal: str
    why: Why
    obstacles: tuple[Obstacle, ...] = ()
    expected: tuple[StrEnum, ...] = ()
    _options: Callable[[], tuple[Option[S_co, E_co], ...]] = attrs.field(default=tuple, eq=False, repr=False)

    @property
    def options(self) -> tuple[Option[S_co, E_co], ...]:
        """What each signal of this state would do, as `Machine.explain` tells; judged when it is asked for."""
        return self._options()

    @property
    def allowed(self) -> tuple[E_co, ...]:
        """The signals that are possible now."""
        return tuple(option.signal for option in self.options if option.possible)

    @property
    def blocked(self) -> dict[E_co, tuple[Obstacle, ...]]:
        """The signals that exist here, with the guards in their way."""
        return {option.signal: option.obstacles for option in self.options if not option.possible}

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each thing in the way, without repetition."""
        if self.why in (Why.CAUSE, Why.PREVIOUS):
            return (f"expected one of {', '.join(self.expected)}" if self.expected else "expected none",)
        return tuple(dict.fromkeys(map(str, self.obstacles)))

    def error(self) -> MoveRefused:
        """Return the same as an exception, with plain data only."""
        unmet = [obstacle.as_dict() for obstacle in self.obstacles]
        allowed = [str(signal) for signal in self.allowed]
        return MoveRefused(self.machine, str(self.state), str(self.signal), str(self.why), self.reasons, unmet, allowed)

    def __str__(self) -> str:
        return str(self.error())

    def as_dict(self) -> dict[str, object]:
        """The same as plain JSON values."""
        return {
            "machine": self.machine,
            "state": str(self.state),
            "signal": str(self.signal),
            "why": str(self.why),
            "text": str(self),
            "unmet": [obstacle.as_dict() for obstacle in self.obstacles],
            "expected": [str(word) for word in self.expected],
            "allowed": [str(signal) for signal in self.allowed],
            "blocked": {str(on): [each.as_dict() for each in there] for on, there in self.blocked.items()},
        }

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in self.reasons)
        return f"<p>{escape(str(self))}</p><ul>{items}</ul>"

    def __reduce__(self) -> tuple[Any, ...]:
        # The question holds guards and facts, which need not pickle; the answer does.
        plain = (self.machine, self.state, self.signal, self.why, self.obstacles, self.expected)
        return Refused, (*plain, _Known(self.options))


@attrs.frozen
class _Known:
    """The options of a refusal that has been pickled."""

    options: tuple[Option[Any, Any], ...]

    def __call__(self) -> tuple[Option[Any, Any], ...]:
        return self.options


@attrs.frozen
class Deadline(Generic[S_co, E_co]):
    """When a timed step of a state is due.

    Attributes:
        at: the moment, `since` plus the delay.
        step: what is due.
    """

    at: datetime
    step: Step[S_co, E_co, Any]
