"""Dates and instants: days of which parts may be unknown, and points in time, always in UTC.

A `PartialDate` is a day as people know it: a birthday without a year, a year without a day. An instant is an aware
`datetime` in UTC between 1900 and 2200, a range in which no mix-up of seconds and milliseconds stays unnoticed. Nothing
here reads a clock; zones come from the host's time-zone database, which is read once and kept.

    type              not exactly a datetime, date, int or text, whichever is needed
    date              text that is no date, or parts that make none
    no-such-day       a day that the calendar does not have, such as 2025-02-29
    out-of-range      a year outside 1800 to 2200 (days) or 1900 to 2200 (instants)
    instant           text that is no instant
    naive             no offset from UTC
    offset            an offset that no place has: more than 16 hours, or with seconds
    leap-second       a sixtieth second
    gap               a local time that the clocks skipped
    zone              no name in the time-zone database
    end-before-start  a span that ends before it begins
    leap-day          no policy for the 29th of February
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from typing import Final, Literal, final

import attrs

from crmkit.errors import Invalid, redacted

LeapDay = Literal["feb28", "mar1", "none"]
"""When something of the 29th of February is due in a year without one: the day before, the day after, or not at all."""

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
FIRST_YEAR_OF_DATES: Final = 1800
"""Days go back further than instants: somebody born in 1880 may be in an old register."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND
_FIRST_MICROS: Final = (datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH).days * _DAY
_END_MICROS: Final = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH).days * _DAY
_FURTHEST_OFFSET: Final = timedelta(hours=16)
_LEAP_YEAR: Final = 2000
_DAYS_OF_MONTH: Final = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?|--([0-9]{2})(?:-([0-9]{2}))?")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:([0-9]{2})(?:\.[0-9]{1,6})?(?:Z|[+-]([0-9]{2}):([0-9]{2})(:[0-9]{2})?)?"
)
_LONGEST_INSTANT: Final = 40
_NOT_EVERYWHERE: Final = frozenset({"Factory", "localtime"})  # listed by some systems, and no zones


@final
@attrs.frozen
class PartialDate:
    """A day of which the year, the day, or the month and the day may be unknown.

    Known may be: year, month and day; year and month; the year; month and day; the month. The 29th of February is kept
    as it is, with a leap year or without a year.

    Attributes:
        year: from 1800 to 2200, or None.
        month: from 1 to 12, or None.
        day: from 1 to as many as the month has, or None.

    Raises:
        Invalid: rules `type`, `out-of-range`, `no-such-day`, `date` (a day without a month, nothing at all).

    >>> str(PartialDate(1990, 5, 1)), str(PartialDate(1990, 5)), str(PartialDate(month=5, day=1))
    ('1990-05-01', '1990-05', '--05-01')
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None

    def __attrs_post_init__(self) -> None:
        year, month, day = self.year, self.month, self.day
        if year is not None:
            if type(year) is not int:
                raise Invalid("PartialDate.year", "type", "a whole number or nothing", redacted(year))
            if not FIRST_YEAR_OF_DATES <= year <= LAST_YEAR:
                expected = f"a year from {FIRST_YEAR_OF_DATES} to {LAST_YEAR}"
                raise Invalid("PartialDate.year", "out-of-range", expected, redacted(year))
        elif month is None:
            raise Invalid("PartialDate", "date", "a year or a month", "neither")
        if month is not None:
            if type(month) is not int:
                raise Invalid("PartialDate.month", "type", "a whole number or nothing", redacted(month))
            if not 1 <= month <= 12:  # noqa: PLR2004 - the months of a year
                raise Invalid("PartialDate.month", "no-such-day", "a month from 1 to 12", redacted(month))
            if day is not None:
                _check_day(year, month, day)
        elif day is not None:
            raise Invalid("PartialDate.day", "date", "a month together with the day", "a day without one")

    @classmethod
    def parse(cls, text: str) -> PartialDate:
        """Read what `str(partial_date)` writes: "1990-05-01", "1990-05", "1990", "--05-01" or "--05".

        Raises:
            Invalid: rules `type`, `date`, `no-such-day`, `out-of-range`.

        >>> PartialDate.parse("--02-29")
        PartialDate(year=None, month=2, day=29)
        """
        if type(text) is not str:
            raise Invalid("PartialDate", "type", "text such as '1990-05-01'", redacted(text))
        if (match := _DATE.fullmatch(text)) is None:
            expected = "a date written like 1990-05-01, 1990-05, 1990, --05-01 or --05"
            raise Invalid("PartialDate", "date", expected, redacted(text))
        year, month, day, bare_month, bare_day = match.groups()
        if year is None:
            return cls(None, int(bare_month), int(bare_day) if bare_day else None)
        return cls(int(year), int(month) if month else None, int(day) if day else None)

    @classmethod
    def of(cls, day: date) -> PartialDate:
        """Make a full one from a date; a datetime is refused, because its day depends on the zone.

        Raises:
            Invalid: rules `type`, `out-of-range`.

        >>> PartialDate.of(date(1990, 5, 1))
        PartialDate(year=1990, month=5, day=1)
        """
        _check_date("PartialDate", day)
        return cls(day.year, day.month, day.day)

    def __str__(self) -> str:
        year = "-" if self.year is None else f"{self.year:04}"
        month = "" if self.month is None else f"-{self.month:02}"
        return year + month if self.day is None else f"{year}{month}-{self.day:02}"

    @property
    def is_full(self) -> bool:
        """Whether year, month and day are known.

        >>> PartialDate(1990, 5, 1).is_full, PartialDate(1990, 5).is_full
        (True, False)
        """
        return self.year is not None and self.day is not None

    @property
    def earliest(self) -> date | None:
        """The first day that it can be, which is the day itself of a full one; None if the year is unknown.

        >>> PartialDate(1990, 5).earliest
        datetime.date(1990, 5, 1)
        """
        return None if self.year is None else date(self.year, self.month or 1, self.day or 1)

    @property
    def latest(self) -> date | None:
        """The last day that it can be, which is the day itself of a full one; None if the year is unknown.

        >>> PartialDate(1992, 2).latest
        datetime.date(1992, 2, 29)
        """
        if self.year is None:
            return None
        month = self.month or 12
        return date(self.year, month, self.day or _days_of(self.year, month))

    def matches(self, day: date) -> bool:
        """Tell whether a date agrees with everything that is known.

        Raises:
            Invalid: rule `type` (a datetime, whose day depends on the zone).

        >>> PartialDate(month=5, day=1).matches(date(2026, 5, 1)), PartialDate(1990, 5).matches(date(1990, 6, 1))
        (True, False)
        """
        _check_date("day", day)
        return (
            (self.year is None or self.year == day.year)
            and (self.month is None or self.month == day.month)
            and (self.day is None or self.day == day.day)
        )

    def on(self, year: int, leap_day: LeapDay = "feb28") -> date | None:
        """Give the day on which it falls in a year: a birthday, an anniversary.

        None if month or day is unknown, if it only happens in a later year, or if the year has no such day and the
        policy says none.

        Raises:
            Invalid: rules `type` and `out-of-range` (of the year), `leap-day`.

        >>> PartialDate(1992, 2, 29).on(2026), PartialDate(1992, 2, 29).on(2026, "mar1")
        (datetime.date(2026, 2, 28), datetime.date(2026, 3, 1))
        """
        if leap_day not in ("feb28", "mar1", "none"):
            raise Invalid("leap_day", "leap-day", "feb28, mar1 or none", redacted(leap_day))
        if type(year) is not int:
            raise Invalid("year", "type", "a whole number", redacted(year))
        if not FIRST_YEAR_OF_DATES <= year <= LAST_YEAR:
            raise Invalid("year", "out-of-range", f"a year from {FIRST_YEAR_OF_DATES} to {LAST_YEAR}", redacted(year))
        if self.month is None or self.day is None or (self.year is not None and year < self.year):
            return None
        return _anniversary(year, self.month, self.day, leap_day)

    def age(self, on: date, leap_day: Literal["feb28", "mar1"] = "mar1") -> int | None:
        """Give the completed years on a day; None if they cannot be told, or before it.

        Who was born on the 29th of February completes a year of 365 days on the 1st of March unless told otherwise:
        where the law matters, say what it says. If month or day is unknown, the answer is given when it is the same
        for every day that it can be.

        Raises:
            Invalid: rules `type` (a datetime, whose day depends on the zone), `leap-day`.

        >>> born = PartialDate(1990, 5)
        >>> born.age(date(2026, 4, 30)), born.age(date(2026, 5, 2)), born.age(date(2026, 5, 31))
        (35, None, 36)
        """
        _check_date("on", on)
        if leap_day not in ("feb28", "mar1"):
            raise Invalid("leap_day", "leap-day", "feb28 or mar1", redacted(leap_day))
        earliest, latest = self.earliest, self.latest
        if earliest is None or latest is None or on < latest:
            return None
        most, least = _years(earliest, on, leap_day), _years(latest, on, leap_day)
        return least if least == most else None


def partial_date(value: PartialDate | date | str) -> PartialDate:
    """Let a partial date pass, and make one from a date or from text; a converter for fields.

    Raises:
        Invalid: as `PartialDate.of` and `PartialDate.parse`.

    >>> partial_date("1990-05-01") == partial_date(date(1990, 5, 1))
    True
    """
    if isinstance(value, PartialDate):
        return value
    return PartialDate.of(value) if isinstance(value, date) else PartialDate.parse(value)


def instant(field: str, value: object) -> datetime:
    """Check a point in time and return it in UTC.

    A local time that happens twice is the first of the two unless its `fold` says the second. A subclass of datetime,
    such as those of pandas and of libraries that freeze time in tests, becomes a plain one.

    Raises:
        Invalid: rules `type`, `naive`, `offset`, `gap`, `out-of-range`.

    >>> instant("at", datetime(2026, 3, 1, 14, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")))
    datetime.datetime(2026, 3, 1, 13, 30, tzinfo=datetime.timezone.utc)
    """
    if type(value) is not datetime:
        if not isinstance(value, datetime):
            raise Invalid(field, "type", "a datetime with an offset", redacted(value))
        value = datetime.combine(value.date(), value.timetz())
    if value.tzinfo is UTC:
        if FIRST_YEAR <= value.year <= LAST_YEAR:
            return value if not value.fold else value.replace(fold=0)
        raise _out_of_range(field)
    return _in_utc(field, value)


def parse_instant(text: str, *, field: str = "instant") -> datetime:
    """Read an instant as ISO 8601 writes it, to the second or finer, with an offset, and return it in UTC.

    Raises:
        Invalid: rules `type`, `instant`, `naive`, `offset`, `leap-second`, `no-such-day`, `out-of-range`.

    >>> parse_instant("2026-03-01T14:30:00+01:00")
    datetime.datetime(2026, 3, 1, 13, 30, tzinfo=datetime.timezone.utc)
    """
    if type(text) is not str:
        raise Invalid(field, "type", "text such as '2026-03-01T14:30:00Z'", redacted(text))
    if len(text) > _LONGEST_INSTANT or (match := _INSTANT.fullmatch(text)) is None:
        raise Invalid(field, "instant", "an instant written like 2026-03-01T14:30:00Z", redacted(text))
    seconds, hours, minutes, more = match.groups()
    if seconds == "60":
        expected = "seconds from 00 to 59; write a leap second as the second before it"
        raise Invalid(field, "leap-second", expected, "a sixtieth second")
    if hours is None and text[-1] != "Z":
        raise Invalid(field, "naive", "an offset from UTC at the end, such as Z or +01:00", "none")
    if hours is not None and (more is not None or int(minutes) > 59 or int(hours) > 16):  # noqa: PLR2004
        raise _bad_offset(field)
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field, "no-such-day", "a day and a time that exist", redacted(text)) from None
    return _in_utc(field, value)


def micros(at: datetime) -> int:
    """Give the microseconds from 1970 to an instant, as stores keep it.

    Raises:
        Invalid: rule `naive`.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    try:
        since = at - _EPOCH
    except TypeError:
        raise Invalid("instant", "naive", "a datetime with an offset", redacted(at)) from None
    return since.days * _DAY + since.seconds * _SECOND + since.microseconds


def from_micros(count: int) -> datetime:
    """Give the instant that is so many microseconds from 1970.

    Raises:
        Invalid: rules `type`, `out-of-range`.

    >>> from_micros(1_000_000)
    datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc)
    """
    if type(count) is not int:
        raise Invalid("instant", "type", "a whole number of microseconds", redacted(count))
    if not _FIRST_MICROS <= count < _END_MICROS:
        raise _out_of_range("instant")
    return _EPOCH + timedelta(0, 0, count)


def zone(field: str, value: object) -> str:
    """Check the name of a time zone, such as "Europe/Berlin", and return it as it is.

    The names are those of the time-zone database that Python finds, read at the first call.

    Raises:
        Invalid: rule `zone`.

    >>> zone("zone", "Europe/Berlin")
    'Europe/Berlin'
    """
    if type(value) is str and value in _zones():
        return value
    raise Invalid(field, "zone", "a name in the IANA time-zone database, such as Europe/Berlin", redacted(value))


def local_day(at: datetime, zone_name: str) -> date:
    """Give the day that it is in a time zone at an instant.

    Raises:
        Invalid: rules `zone`, and those of `instant`.

    >>> local_day(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "Europe/Berlin")
    datetime.date(2027, 1, 1)
    """
    return instant("at", at).astimezone(_zone_info(zone("zone", zone_name))).date()


def span(start: datetime, end: datetime, *, field: str = "span") -> tuple[datetime, datetime]:
    """Check that a span of time does not end before it begins, and return both ends in UTC; it may take no time.

    Raises:
        Invalid: rule `end-before-start`, and those of `instant`.

    >>> begun = datetime(2026, 3, 1, 14, tzinfo=UTC)
    >>> span(begun, begun - timedelta(hours=1))
    Traceback (most recent call last):
    crmkit.errors.Invalid: span: expected an end at or after the start, found an earlier one (end-before-start)
    """
    first, last = instant(f"{field}.start", start), instant(f"{field}.end", end)
    if last < first:
        raise Invalid(field, "end-before-start", "an end at or after the start", "an earlier one")
    return first, last


def _check_date(field: str, day: object) -> None:
    if type(day) is not date:
        raise Invalid(field, "type", "a date without a time", redacted(day))


def _check_day(year: int | None, month: int, day: object) -> None:
    if type(day) is not int:
        raise Invalid("PartialDate.day", "type", "a whole number or nothing", redacted(day))
    if not 1 <= day <= _days_of(_LEAP_YEAR if year is None else year, month):
        raise Invalid("PartialDate.day", "no-such-day", "a day that the month has in that year", redacted(day))


def _days_of(year: int, month: int) -> int:
    if month == 2 and (year % 4 != 0 or (year % 100 == 0 and year % 400 != 0)):  # noqa: PLR2004 - the calendar's own
        return 28
    return _DAYS_OF_MONTH[month]


def _anniversary(year: int, month: int, day: int, leap_day: LeapDay) -> date | None:
    if day <= _days_of(year, month):
        return date(year, month, day)
    if leap_day == "none":
        return None
    return date(year, 2, 28) if leap_day == "feb28" else date(year, 3, 1)


def _years(born: date, on: date, leap_day: LeapDay) -> int:
    birthday = _anniversary(on.year, born.month, born.day, leap_day)
    return on.year - born.year - (birthday is None or on < birthday)


def _in_utc(field: str, value: datetime) -> datetime:
    offset = value.utcoffset()
    if offset is None:
        raise Invalid(field, "naive", "a datetime with an offset", "a naive datetime")
    fixed = isinstance(value.tzinfo, timezone)
    if abs(offset) > _FURTHEST_OFFSET or (fixed and offset % timedelta(minutes=1)):
        raise _bad_offset(field)
    if not FIRST_YEAR - 1 <= value.year <= LAST_YEAR + 1:
        raise _out_of_range(field)
    at = value.astimezone(UTC)
    if not fixed and at.astimezone(value.tzinfo).replace(tzinfo=None) != value.replace(tzinfo=None):
        raise Invalid(field, "gap", "a local time that exists: the clocks skipped this one", "a time in the gap")
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise _out_of_range(field)
    return at


def _out_of_range(field: str) -> Invalid:
    expected = f"an instant from {FIRST_YEAR} to {LAST_YEAR}, in seconds or microseconds as the call says"
    return Invalid(field, "out-of-range", expected, "one outside it")


def _bad_offset(field: str) -> Invalid:
    return Invalid(field, "offset", "an offset of whole minutes, at most 16 hours from UTC", "another one")


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - _NOT_EVERYWHERE


@cache
def _zone_info(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)
