"""Clocks: the only place that knows what time it is. Everything else is told."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from crmkit.errors import Invalid
from crmkit.kernel.dates import instant


def system_clock() -> datetime:
    """Give the time of this machine, in UTC."""
    return datetime.now(UTC)


class VirtualClock:
    """A clock that stands until it is moved: for tests, for rehearsals, and to play history forward.

    >>> from datetime import datetime, timedelta, timezone
    >>> clock = VirtualClock(datetime(1997, 1, 1, tzinfo=timezone.utc))
    >>> clock.advance(timedelta(days=1)).isoformat()
    '1997-01-02T00:00:00+00:00'
    >>> clock().isoformat()
    '1997-01-02T00:00:00+00:00'
    """

    def __init__(self, start: datetime) -> None:
        self._now = instant("start", start)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Give the time at which it stands."""
        return self._now

    def advance(self, to: datetime | timedelta) -> datetime:
        """Move on to an instant, or by a span, and give the new time.

        Raises:
            Invalid: rule `backwards`, the clock would go back; rules of `instant`.
        """
        with self._lock:
            try:
                then = instant("to", self._now + to if isinstance(to, timedelta) else to)
            except OverflowError:
                raise Invalid("to", "out-of-range", "an instant from 1900 to 2200", "one outside it") from None
            if then < self._now:
                raise Invalid("to", "backwards", "an instant at or after the clock's own", "an earlier one")
            self._now = then
            return then
