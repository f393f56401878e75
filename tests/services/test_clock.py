"""Clocks: one that runs, and one that stands until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from crmkit.errors import Invalid
from crmkit.services.clock import VirtualClock, system_clock

START = datetime(2026, 1, 1, 9, tzinfo=UTC)


def test_the_system_clock_tells_aware_utc() -> None:
    """And does not go back."""
    a, b = system_clock(), system_clock()
    assert a.tzinfo is UTC
    assert a <= b


def test_a_virtual_clock_stands_until_it_is_moved() -> None:
    """By a span or to an instant; standing still is no move back."""
    clock = VirtualClock(START.astimezone(timezone(timedelta(hours=2))))
    assert [clock(), clock()] == [START, START]
    assert clock().tzinfo is UTC
    assert clock.advance(timedelta(hours=1)) == clock() == START + timedelta(hours=1)
    assert clock.advance((START + timedelta(days=1)).astimezone(timezone(timedelta(hours=2)))) == START + timedelta(
        days=1
    )
    assert clock().tzinfo is UTC
    assert clock.advance(timedelta(0)) == clock.advance(clock()) == clock()


@pytest.mark.parametrize(
    ("to", "rule"),
    [
        (timedelta(microseconds=-1), "backwards"),
        (START - timedelta(seconds=1), "backwards"),
        (timedelta.max, "out-of-range"),
        (timedelta.min, "out-of-range"),
        (timedelta(days=100_000), "out-of-range"),
        (datetime(2027, 1, 1), "naive"),  # noqa: DTZ001
        (datetime(9999, 1, 1, tzinfo=UTC), "out-of-range"),
        (5, "type"),
    ],
)
def test_where_a_virtual_clock_does_not_go(to: object, rule: str) -> None:
    """Back, out of range, or anywhere that is no time; it then stands where it stood."""
    clock = VirtualClock(START)
    with pytest.raises(Invalid) as caught:
        clock.advance(to)  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.rule, clock()) == ("to", rule, START)


def test_a_virtual_clock_starts_at_an_instant() -> None:
    """Not at a naive time."""
    with pytest.raises(Invalid, match="start"):
        VirtualClock(datetime(2026, 1, 1))  # noqa: DTZ001
