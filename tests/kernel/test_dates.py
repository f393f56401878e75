"""Dates and instants: the bad-input catalogue's section Time, and the laws of round trips."""

import calendar
import pickle
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

import attrs
import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import Invalid
from crmkit.kernel.dates import (
    PartialDate,
    from_micros,
    instant,
    local_day,
    micros,
    parse_instant,
    partial_date,
    span,
    zone,
)

EXAMPLES = {
    "2026-03-01",
    "Europe",
    "Europe/Berlin",
    "2026-03-01T14:30:00",
    "None",
}  # stand in messages as what is right
BERLIN = ZoneInfo("Europe/Berlin")
DAYS = st.dates(date(1800, 1, 1), date(2200, 12, 31))
INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC))  # noqa: DTZ001
PARTIAL = st.one_of(
    DAYS.map(lambda d: PartialDate(d.year, d.month, d.day)),
    DAYS.map(lambda d: PartialDate(d.year, d.month)),
    DAYS.map(lambda d: PartialDate(d.year)),
    DAYS.map(lambda d: PartialDate(None, d.month, d.day)),
    DAYS.map(lambda d: PartialDate(None, d.month)),
)


class Later(datetime):
    """A datetime that may lie about itself."""


class Number(int):
    """A whole number that may lie about itself."""


class Odd(tzinfo):
    def utcoffset(self, _: datetime | None) -> None:
        return None


def refused(call: Callable[[], Any], *, without: object = "") -> Invalid:
    with pytest.raises(Invalid) as caught:
        call()
    if len(told := str(without)) > 3 and told not in EXAMPLES:
        assert told not in str(caught.value)
    return caught.value


@given(PARTIAL)
def test_a_partial_date_survives_every_way_around(born: PartialDate) -> None:
    """Text, repr, pickle, copies and the converter give the same date back."""
    for again in (
        PartialDate.parse(str(born)),
        partial_date(str(born)),
        partial_date(born),
        eval(repr(born)),
        pickle.loads(pickle.dumps(born)),
        deepcopy(born),
        attrs.evolve(born),
    ):
        assert again == born
        assert hash(again) == hash(born)


@given(DAYS)
def test_a_full_date_is_a_date(day: date) -> None:
    """of, str, earliest, latest and matches agree with the calendar."""
    full = PartialDate.of(day)
    assert str(full) == day.isoformat()
    assert full.earliest == full.latest == day
    assert full.is_full
    assert full.matches(day)
    assert not full.matches(day + timedelta(days=1 if day.year < 2200 else -1))
    assert partial_date(day) == full
    assert full.on(day.year) == day


@given(DAYS, st.integers(0, 4))
def test_days_match_what_is_known_of_them(day: date, known: int) -> None:
    """Whatever part of a day is forgotten, the day still matches and lies between the bounds."""
    y, m, d = day.year, day.month, day.day
    partial = [PartialDate(y, m, d), PartialDate(y, m), PartialDate(y), PartialDate(None, m, d), PartialDate(None, m)][
        known
    ]
    assert partial.matches(day)
    if partial.earliest is not None:
        assert partial.latest is not None
        assert partial.earliest <= day <= partial.latest
        assert partial.matches(partial.earliest)
        assert partial.matches(partial.latest)
        assert not partial.matches(partial.earliest - timedelta(days=1))
        assert not partial.matches(partial.latest + timedelta(days=1))
    assert partial.is_full == (known == 0)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((1990, 5, 1), "1990-05-01"),
        ((1990, 5), "1990-05"),
        ((1990,), "1990"),
        ((None, 5, 1), "--05-01"),
        ((None, 5), "--05"),
        pytest.param((2024, 2, 29), "2024-02-29", id="52"),
        pytest.param((2000, 2, 29), "2000-02-29", id="52-century"),
        pytest.param((None, 2, 29), "--02-29", id="53"),
        pytest.param((1876, 3, 4), "1876-03-04", id="51-150-years-ago"),
        pytest.param((1800, 1, 1), "1800-01-01", id="50-first"),
        pytest.param((2200, 12, 31), "2200-12-31", id="50-last"),
    ],
)
def test_a_partial_date_has_one_text(parts: tuple[Any, ...], text: str) -> None:
    """What is known is written like ISO 8601, and kept exactly."""
    born = PartialDate(*parts)
    assert str(born) == text
    assert PartialDate.parse(text) == born


@pytest.mark.parametrize(
    ("parts", "field", "rule"),
    [
        pytest.param((2025, 2, 29), "PartialDate.day", "no-such-day", id="54"),
        pytest.param((1900, 2, 29), "PartialDate.day", "no-such-day", id="54-century"),
        pytest.param((2023, 4, 31), "PartialDate.day", "no-such-day", id="54-april"),
        pytest.param((None, 2, 30), "PartialDate.day", "no-such-day", id="53-never"),
        pytest.param((2023, 1, 0), "PartialDate.day", "no-such-day", id="day-0"),
        pytest.param((2023, 1, 32), "PartialDate.day", "no-such-day", id="day-32"),
        pytest.param((2023, 0), "PartialDate.month", "no-such-day", id="month-0"),
        pytest.param((2023, 13), "PartialDate.month", "no-such-day", id="month-13"),
        pytest.param((1, 1, 1), "PartialDate.year", "out-of-range", id="50"),
        pytest.param((9999, 12, 31), "PartialDate.year", "out-of-range", id="50-far"),
        pytest.param((0,), "PartialDate.year", "out-of-range", id="50-year-0"),
        pytest.param((-44, 3, 15), "PartialDate.year", "out-of-range", id="50-bc"),
        pytest.param((1799, 12, 31), "PartialDate.year", "out-of-range", id="50-before"),
        pytest.param((2201, 1, 1), "PartialDate.year", "out-of-range", id="50-after"),
        pytest.param((), "PartialDate", "date", id="nothing"),
        pytest.param((None, None, 1), "PartialDate", "date", id="day-alone"),
        pytest.param((1990, None, 1), "PartialDate.day", "date", id="no-month"),
        pytest.param(("1990",), "PartialDate.year", "type", id="text-year"),
        pytest.param((1990.0,), "PartialDate.year", "type", id="float-year"),
        pytest.param((True,), "PartialDate.year", "type", id="bool-year"),
        pytest.param((Number(1990),), "PartialDate.year", "type", id="83-year"),
        pytest.param((1990, True), "PartialDate.month", "type", id="bool-month"),
        pytest.param((None, "5"), "PartialDate.month", "type", id="text-month"),
        pytest.param((1990, 5, 1.0), "PartialDate.day", "type", id="float-day"),
        pytest.param((1990, 5, True), "PartialDate.day", "type", id="bool-day"),
    ],
)
def test_parts_that_make_no_date_are_refused(parts: tuple[Any, ...], field: str, rule: str) -> None:
    """Impossible days, years out of range, gaps in what is known and wrong types are refused by field."""
    error = refused(lambda: PartialDate(*parts))
    assert (error.field, error.rule) == (field, rule)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("infinity", "date"),
        ("-0044-03-15", "date"),
        ("1990-5-1", "date"),
        ("1990/05/01", "date"),
        ("01.05.1990", "date"),
        ("19900501", "date"),
        ("1990-05-01T00:00", "date"),
        ("1990-05-01 ", "date"),
        ("1990-05-01\n", "date"),
        ("", "date"),
        ("---01", "date"),
        ("--5-1", "date"),
        ("\u0661\u0669\u0669\u0660", "date"),
        ("1" * 5000, "date"),
        ("2025-02-29", "no-such-day"),
        ("2025-13-01", "no-such-day"),
        ("--00-01", "no-such-day"),
        ("--01-00", "no-such-day"),
        ("2025-01-00", "no-such-day"),
        ("2025-00", "no-such-day"),
        ("0001-01-01", "out-of-range"),
        ("0000", "out-of-range"),
        ("9999-12-31", "out-of-range"),
        (19900501, "type"),
        (None, "type"),
        (b"1990", "type"),
    ],
)
def test_text_that_is_no_date_is_refused(text: Any, rule: str) -> None:
    """Only the five forms are read (50, 54), in ASCII digits, and the text is not told."""
    assert refused(lambda: PartialDate.parse(text), without=text).rule == rule
    assert refused(lambda: partial_date(text), without=text).rule == rule


def test_a_datetime_is_no_date() -> None:
    """Its day depends on the zone, so it is refused wherever a date is taken."""
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    born = PartialDate(1990, 5, 1)
    for call in (
        lambda: PartialDate.of(moment),
        lambda: partial_date(moment),
        lambda: born.matches(moment),
        lambda: born.age(moment),
        lambda: born.matches("2026-05-01"),  # type: ignore[arg-type]
    ):
        assert refused(call).rule == "type"
    assert refused(lambda: PartialDate.of(date(1, 1, 1))).rule == "out-of-range"


@given(PARTIAL, st.integers(1800, 2200), st.sampled_from(["feb28", "mar1", "none"]))
def test_an_anniversary_is_the_same_day_of_its_year(born: PartialDate, year: int, leap_day: Any) -> None:
    """on() gives the same month and day, or the policy's day, or nothing, never another."""
    day = born.on(year, leap_day)
    if born.day is None or born.month is None or (born.year or 1800) > year:
        assert day is None
    elif (born.month, born.day) != (2, 29) or calendar.isleap(year):
        assert day == date(year, born.month, born.day)
    else:
        assert day == {"feb28": date(year, 2, 28), "mar1": date(year, 3, 1), "none": None}[leap_day]


def test_the_leap_day_is_kept_and_greeted_as_told() -> None:
    """By default the 28th; 1900 and 2100 are no leap years (52, 53)."""
    for born in (PartialDate(1896, 2, 29), PartialDate(None, 2, 29)):
        assert born.on(2100) == date(2100, 2, 28)
        assert born.on(1900, "mar1") == date(1900, 3, 1)
        assert born.on(2000) == date(2000, 2, 29)
        assert born.on(2023, "none") is None
    assert PartialDate(1990, 5, 1).on(1989) is None
    assert PartialDate(1990, 5, 1).on(1990) == date(1990, 5, 1)


@pytest.mark.parametrize(
    ("year", "leap_day", "field", "rule"),
    [
        (2026, "feb29", "leap_day", "leap-day"),
        (2026, None, "leap_day", "leap-day"),
        ("2026", "feb28", "year", "type"),
        (True, "feb28", "year", "type"),
        (1799, "feb28", "year", "out-of-range"),
        (2201, "feb28", "year", "out-of-range"),
    ],
)
def test_an_anniversary_is_asked_for_a_year_and_a_policy(year: Any, leap_day: Any, field: str, rule: str) -> None:
    """Other years and policies are refused."""
    error = refused(lambda: PartialDate(1990, 5, 1).on(year, leap_day))
    assert (error.field, error.rule) == (field, rule)


@given(DAYS, DAYS, st.sampled_from(["feb28", "mar1"]))
def test_age_is_what_a_day_by_day_count_says(born: date, on: date, leap_day: Literal["feb28", "mar1"]) -> None:
    """Age is the number of birthdays since birth, by the same policy; dateutil agrees on feb28."""
    full = PartialDate.of(born)
    age = full.age(on, leap_day)
    if on < born:
        assert age is None
        return
    birthdays = [full.on(year, leap_day) for year in range(born.year + 1, on.year + 1)]
    assert age == sum(day is not None and day <= on for day in birthdays)
    if leap_day == "feb28":
        assert age == relativedelta(on, born).years


@given(DAYS, st.integers(1, 2), st.dates(date(1800, 1, 1), date(2300, 1, 1)))
def test_an_age_is_told_only_if_it_is_certain(born: date, known: int, on: date) -> None:
    """With unknown parts the age is that of every possible birth, or none."""
    partial = [PartialDate(born.year, born.month), PartialDate(born.year)][known - 1]
    assert partial.earliest is not None
    assert partial.latest is not None
    first, last = PartialDate.of(partial.earliest).age(on), PartialDate.of(partial.latest).age(on)
    age = partial.age(on)
    if first == last and last is not None:
        assert age == last == PartialDate.of(born).age(on)
    else:
        assert age is None


def test_ages_of_people() -> None:
    """Coming of age on the day, leap days by policy, unknown years never."""
    born = PartialDate(2008, 2, 29)
    assert born.age(date(2026, 2, 28)) == 17
    assert born.age(date(2026, 3, 1)) == 18
    assert born.age(date(2026, 2, 28), "feb28") == 18
    assert born.age(date(2028, 2, 28), "feb28") == 19
    assert born.age(date(2028, 2, 29)) == 20
    assert born.age(date(2008, 2, 29)) == 0
    assert born.age(date(2008, 2, 28)) is None
    assert PartialDate(1990).age(date(2026, 12, 30)) is None
    assert PartialDate(1990).age(date(2026, 12, 31)) == 36
    assert PartialDate(None, 5, 1).age(date(2026, 5, 1)) is None
    assert PartialDate(1876, 3, 4).age(date(2026, 3, 4)) == 150
    error = refused(lambda: born.age(date(2026, 1, 1), "none"))  # type: ignore[arg-type]
    assert (error.field, error.rule) == ("leap_day", "leap-day")


@given(INSTANTS)
def test_an_instant_survives_every_way_around(at: datetime) -> None:
    """Micros, text and instant() itself give the same instant back."""
    assert instant("at", at) == at
    assert instant("at", instant("at", at)) is instant("at", at) or at.fold
    assert from_micros(micros(at)) == at
    assert from_micros(micros(at)).tzinfo is UTC
    assert parse_instant(at.isoformat()) == at
    assert parse_instant(at.isoformat().replace("+00:00", "Z")) == at
    assert micros(at) == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@given(
    st.integers(-2_208_988_800_000_000, 7_289_654_399_999_999),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Europe/Amsterdam", "Pacific/Apia", "UTC"]),
)
def test_zones_and_offsets_make_no_other_instant(count: int, name: str) -> None:
    """An instant in any zone, both sides of a fold included, comes back as the same instant in UTC."""
    at = from_micros(count)
    assert micros(at) == count
    back = instant("at", at.astimezone(ZoneInfo(name)))
    assert (back, back.tzinfo, back.fold) == (at, UTC, 0)
    assert micros(at.astimezone(ZoneInfo(name))) == count
    fixed = at.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert instant("at", fixed) == at
    assert parse_instant(fixed.isoformat()) == at


def test_the_order_of_micros_is_that_of_time() -> None:
    """The bounds of the range are its first and its last microsecond (50, 64)."""
    first, last = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert from_micros(micros(first)) == first
    assert from_micros(micros(last)) == last
    for count in (micros(first) - 1, micros(last) + 1, 10**18, -(10**5000)):
        assert refused(lambda count=count: from_micros(count)).rule == "out-of-range"


NAIVE = datetime(2026, 5, 1, 12)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        pytest.param(NAIVE, "naive", id="49"),
        pytest.param(NAIVE.replace(tzinfo=Odd()), "naive", id="49-no-offset"),
        pytest.param(datetime(1, 1, 1, tzinfo=UTC), "out-of-range", id="50"),
        pytest.param(datetime(9999, 12, 31, tzinfo=UTC), "out-of-range", id="50-far"),
        pytest.param(datetime(1899, 12, 31, 23, 59, 59, tzinfo=UTC), "out-of-range", id="50-before"),
        pytest.param(datetime(2201, 1, 1, tzinfo=UTC), "out-of-range", id="50-after"),
        pytest.param(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "out-of-range", id="50-overflow"),
        pytest.param(
            datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-9))), "out-of-range", id="50-overflow-far"
        ),
        pytest.param(datetime(1900, 1, 1, tzinfo=timezone(timedelta(hours=1))), "out-of-range", id="50-by-offset"),
        pytest.param(
            datetime(2200, 12, 31, 23, tzinfo=timezone(timedelta(hours=-1))), "out-of-range", id="50-by-offset-far"
        ),
        pytest.param(datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN), "gap", id="55"),
        pytest.param(datetime(2026, 3, 29, 2, 30, fold=1, tzinfo=BERLIN), "gap", id="55-fold"),
        pytest.param(datetime(2026, 5, 1, tzinfo=timezone(timedelta(hours=16, minutes=1))), "offset", id="58"),
        pytest.param(datetime(2026, 5, 1, tzinfo=timezone(timedelta(hours=-23))), "offset", id="58-west"),
        pytest.param(datetime(2026, 5, 1, tzinfo=timezone(timedelta(hours=1, seconds=30))), "offset", id="58-seconds"),
        pytest.param(date(2026, 5, 1), "type", id="date"),
        pytest.param("2026-05-01T12:00:00Z", "type", id="text"),
        pytest.param(1_777_636_800, "type", id="64-number"),
        pytest.param(None, "type", id="none"),
    ],
)
def test_what_is_no_instant_is_refused(value: Any, rule: str) -> None:
    """Each entry of the catalogue is refused by its own rule, without telling the time."""
    error = refused(lambda: instant("visit.at", value), without=value)
    assert (error.field, error.rule) == ("visit.at", rule)


def test_a_subclass_of_datetime_becomes_a_plain_one() -> None:
    """What pandas or a library that freezes time gives is taken, and nothing of the subclass is kept (83)."""
    plain = instant("visit.at", Later(2026, 5, 1, 12, 30, 15, 7, tzinfo=BERLIN))
    assert (type(plain), plain) == (datetime, datetime(2026, 5, 1, 10, 30, 15, 7, tzinfo=UTC))


def test_a_time_that_happens_twice_is_the_first_unless_told() -> None:
    """The fold decides (56), and is gone in UTC."""
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    assert instant("at", twice) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant("at", twice.replace(fold=1)) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    folded = datetime(2026, 5, 1, fold=1, tzinfo=UTC)
    assert instant("at", folded).fold == 0
    assert instant("at", datetime(2026, 5, 1, fold=1, tzinfo=timezone(timedelta(hours=2)))).fold == 0


def test_offsets_of_real_places_pass() -> None:
    """Fourteen hours ahead, twelve behind, quarter hours, and the seconds of old local times."""
    for hours, minutes in ((14, 0), (-12, 0), (5, 45), (16, 0), (-16, 0)):
        offset = timedelta(hours=hours, minutes=minutes)
        at = datetime(2026, 5, 1, tzinfo=timezone(offset))
        assert instant("at", at) == datetime(2026, 5, 1, tzinfo=UTC) - offset
    amsterdam = datetime(1930, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam"))
    assert instant("at", amsterdam) == amsterdam


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01T14:30:00Z", datetime(2026, 3, 1, 14, 30, tzinfo=UTC)),
        ("2026-03-01T14:30:00+01:00", datetime(2026, 3, 1, 13, 30, tzinfo=UTC)),
        ("2026-03-01T14:30:00-00:00", datetime(2026, 3, 1, 14, 30, tzinfo=UTC)),
        ("2026-03-01T14:30:00.5-09:30", datetime(2026, 3, 2, 0, 0, 0, 500000, tzinfo=UTC)),
        ("2026-03-01T14:30:59.000001+16:00", datetime(2026, 2, 28, 22, 30, 59, 1, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_text_of_an_instant_is_read(text: str, at: datetime) -> None:
    """ISO 8601 with an offset, to the microsecond."""
    read = parse_instant(text)
    assert (read, read.tzinfo) == (at, UTC)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("2026-03-01T14:30:00", "naive", id="49"),
        pytest.param("2026-03-01T14:30:00.123", "naive", id="49-fraction"),
        pytest.param("0001-01-01T00:00:00Z", "out-of-range", id="50"),
        pytest.param("9999-12-31T23:59:59Z", "out-of-range", id="50-far"),
        pytest.param("0000-01-01T00:00:00Z", "no-such-day", id="50-year-0"),
        pytest.param("-0044-03-15T00:00:00Z", "instant", id="50-bc"),
        pytest.param("infinity", "instant", id="50-infinity"),
        pytest.param("1900-01-01T00:00:00+01:00", "out-of-range", id="50-by-offset"),
        pytest.param("2025-02-29T00:00:00Z", "no-such-day", id="54"),
        pytest.param("2026-03-01T24:00:00Z", "no-such-day", id="hour-24"),
        pytest.param("2026-03-01T14:60:00Z", "no-such-day", id="minute-60"),
        pytest.param("2026-03-01T14:30:61Z", "no-such-day", id="second-61"),
        pytest.param("2016-12-31T23:59:60Z", "leap-second", id="57"),
        pytest.param("2016-12-31T23:59:60", "leap-second", id="57-naive"),
        pytest.param("2026-03-01T14:30:00+25:00", "offset", id="58"),
        pytest.param("2026-03-01T14:30:00+16:01", "offset", id="58-far"),
        pytest.param("2026-03-01T14:30:00+01:60", "offset", id="58-minutes"),
        pytest.param("2026-03-01T14:30:00+01:00:30", "offset", id="58-seconds"),
        pytest.param("56000-01-01T00:00:00Z", "instant", id="64-year"),
        pytest.param("1777636800000", "instant", id="64-ms"),
        pytest.param("2026-03-01", "instant", id="date"),
        pytest.param("2026-03-01 14:30:00Z", "instant", id="space"),
        pytest.param("2026-03-01T14:30Z", "instant", id="no-seconds"),
        pytest.param("2026-03-01t14:30:00z", "instant", id="lower"),
        pytest.param("20260301T143000Z", "instant", id="basic"),
        pytest.param("2026-W09-7T14:30:00Z", "instant", id="week"),
        pytest.param("2026-03-01T14:30:00.1234567Z", "instant", id="finer"),
        pytest.param("2026-03-01T14:30:00,5Z", "instant", id="comma"),
        pytest.param("2026-03-01T14:30:00+0100", "instant", id="short-offset"),
        pytest.param("2026-03-01T14:30:00Z ", "instant", id="after"),
        pytest.param("2026-03-01T14:30:00Z\n", "instant", id="newline"),
        pytest.param("\u0662026-03-01T14:30:00Z", "instant", id="44"),
        pytest.param("2" * 10_000_000, "instant", id="17"),
        pytest.param("", "instant", id="empty"),
        pytest.param(None, "type", id="none"),
        pytest.param(b"2026-03-01T14:30:00Z", "type", id="bytes"),
    ],
)
def test_text_that_is_no_instant_is_refused(text: Any, rule: str) -> None:
    """Each entry of the catalogue is refused by its own rule and field, without telling the text."""
    error = refused(lambda: parse_instant(text, field="visit.at"), without=text)
    assert (error.field, error.rule) == ("visit.at", rule)
    assert error.__cause__ is None


def test_the_leap_second_is_explained() -> None:
    """The message says what to write instead (57)."""
    error = refused(lambda: parse_instant("2016-12-31T23:59:60Z"))
    assert str(error) == (
        "instant: expected seconds from 00 to 59; write a leap second as the second before it,"
        " found a sixtieth second (leap-second)"
    )


@pytest.mark.parametrize("count", [1.0, True, "1", None, Number(1)])
def test_micros_are_whole_numbers(count: Any) -> None:
    """from_micros takes an int and nothing that resembles one."""
    assert refused(lambda: from_micros(count)).rule == "type"


def test_milliseconds_taken_for_seconds_are_noticed() -> None:
    """An epoch a thousand times too large or in wrong units leaves the range (64)."""
    seconds = 1_777_636_800
    assert refused(lambda: from_micros(seconds * 1_000 * 1_000_000)).rule == "out-of-range"
    with pytest.raises(Invalid) as caught:
        micros(NAIVE)
    assert (caught.value.field, caught.value.rule) == ("instant", "naive")


def test_a_zone_is_one_of_the_database() -> None:
    """Known names are returned as they are, links and UTC included."""
    for name in ("Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "EST5EDT", "Asia/Calcutta"):
        assert zone("zone", name) is name


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd", "/etc/localtime", "EST5EDT4,M3", "Europe", "europe/berlin", "Europe/Berlin ", "",
        "localtime", "Factory", "right/UTC", "posix/UTC", "Mars/Olympus", "UTC+2",
        "Europe/Berlin\0", None, 2, BERLIN, ["UTC"],
    ],
)  # fmt: skip
def test_another_zone_is_refused(name: Any) -> None:
    """Paths, rules, folders and unknown names (59), and zones that the database lost (60), are refused."""
    error = refused(lambda: zone("person.zone", name), without=name)
    assert (error.field, error.rule) == ("person.zone", "zone")
    assert refused(lambda: local_day(datetime(2026, 1, 1, tzinfo=UTC), name)).rule == "zone"


@pytest.mark.parametrize(
    ("at", "name", "day"),
    [
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "Europe/Berlin", date(2027, 1, 1)),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "America/New_York", date(2026, 12, 31)),
        (datetime(2026, 12, 31, 10, 0, tzinfo=UTC), "Pacific/Kiritimati", date(2027, 1, 1)),
        (datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=9))), "UTC", date(2025, 12, 31)),
        (datetime(2026, 3, 28, 23, 30, tzinfo=UTC), "Europe/Berlin", date(2026, 3, 29)),
    ],
)
def test_the_day_is_that_of_the_zone(at: datetime, name: str, day: date) -> None:
    """The same instant falls on different days."""
    assert local_day(at, name) == day
    assert type(local_day(at, name)) is date


def test_a_local_day_needs_an_instant() -> None:
    """A naive time has no day elsewhere (49)."""
    assert refused(lambda: local_day(NAIVE, "UTC")).rule == "naive"


@given(INSTANTS, INSTANTS)
def test_a_span_ends_at_or_after_its_start(start: datetime, end: datetime) -> None:
    """Both ends come back in UTC, or the span is refused (61)."""
    if start <= end:
        assert span(start, end.astimezone(timezone(timedelta(hours=3)))) == (start, end)
    else:
        error = refused(lambda: span(start, end, field="visit"))
        assert (error.field, error.rule) == ("visit", "end-before-start")
    assert span(start, start) == (start, start)


def test_both_ends_of_a_span_are_instants() -> None:
    """The end that is none is named."""
    at = datetime(2026, 5, 1, tzinfo=UTC)
    assert refused(lambda: span(NAIVE, at)).field == "span.start"
    assert refused(lambda: span(at, NAIVE, field="visit")).field == "visit.end"
    assert refused(lambda: span(at, None)).rule == "type"  # type: ignore[arg-type]
    assert span(at, datetime.combine(date(2026, 5, 1), time(2, 0), BERLIN)) == (at, at)
