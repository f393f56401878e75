"""Checks: what annotations promise, the bad-input catalogue, and that the quick checks agree with the full."""

from __future__ import annotations

import decimal
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any

import attrs
import pytest
from attrs import frozen
from hypothesis import example, given
from hypothesis import strategies as st

from crmkit.errors import DefinitionError, Invalid
from crmkit.kernel.checks import (
    AtMost,
    Between,
    Checked,
    Code,
    Count,
    Id,
    Line,
    Note,
    Percent,
    Personal,
    Prose,
    Value,
    field_checks,
    is_open_word,
    is_optional,
    is_personal,
)
from crmkit.kernel.dates import PartialDate
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref
from crmkit.kernel.money import Money

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)


class Stage(StrEnum):
    """A vocabulary."""

    OPEN = "open"
    SHUT = "shut"


class Size(Enum):
    """A vocabulary whose values are no text."""

    SMALL = 1


@frozen
class Point(Value):
    """A value object."""

    text: str
    ok: bool = False


@frozen
class Other(Value):
    """Another value object."""

    text: str


@frozen(kw_only=True)
class Thing(Value):
    """One field of every kind."""

    line: str = "x"
    empty: Annotated[str, Line(empty=True)] = ""
    short: Annotated[str, Line(5)] = "x"
    prose: Annotated[str, Prose(50)] = "x"
    note: Note = ""
    code: Annotated[str, Code(10)] = "x"
    id: Id = "x"
    flag: bool = False
    whole: int = 0
    percent: Percent = 0
    count: Count = 0
    decimal: Decimal = Decimal(0)
    at: datetime = AT
    day: date = date(2026, 1, 1)
    span: timedelta = timedelta(0)
    ref: Ref = Ref("thing", "x")  # noqa: RUF009
    stage: Stage = Stage.OPEN
    size: Size = Size.SMALL
    word: Stage | str = Stage.OPEN
    maybe: str | None = None
    maybe_prose: Annotated[str | None, Prose(50)] = None
    money: Money | None = None
    born: PartialDate | None = None
    point: Point | None = None
    party: Personal[Point | Other] = Point("x")
    points: tuple[Point, ...] = ()
    names: Annotated[tuple[str, ...], AtMost(3)] = ()
    tags: frozenset[Annotated[str, Code()]] = frozenset()
    either: str | int | bool | Decimal | date | datetime | Money | None = None
    attributes: Annotated[FrozenDict[str | int | bool | datetime], AtMost(3)] = FrozenDict()  # noqa: RUF009


def refused(field: str, value: object) -> tuple[str, str]:
    with pytest.raises(Invalid) as caught:
        Thing(**{field: value})
    told = str(caught.value)
    for secret in value if isinstance(value, list | tuple | dict | set) else [value]:
        if isinstance(secret, str) and len(secret) > 2:
            assert secret not in told
    assert len(told) < 400
    return caught.value.field, caught.value.rule


# what is accepted becomes


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("line", Stage.OPEN, "open"),
        ("code", Stage.OPEN, "open"),
        ("note", Stage.OPEN, "open"),
        ("stage", "shut", Stage.SHUT),
        ("size", Size.SMALL, Size.SMALL),
        ("word", "shut", Stage.SHUT),
        ("word", "our own", "our own"),
        ("word", Stage.SHUT, Stage.SHUT),
        ("points", [Point("a")], (Point("a"),)),
        ("tags", {"a"}, frozenset({"a"})),
        ("tags", frozenset({Stage.OPEN}), frozenset({"open"})),
        ("names", [Stage.OPEN], ("open",)),
        ("attributes", {"a": 1}, FrozenDict({"a": 1})),
        ("attributes", {Stage.OPEN: 1}, FrozenDict({"open": 1})),
        ("at", AT.astimezone(timezone(timedelta(hours=2))), AT),
        ("either", AT.astimezone(timezone(timedelta(hours=2))), AT),
        ("maybe", None, None),
        ("money", Money("1", "JPY"), Money("1", "JPY")),
        ("decimal", Decimal("-0.00"), Decimal("0.00")),
        ("decimal", Decimal("999999999999999999.1234567890"), Decimal("999999999999999999.1234567890")),
        ("day", date(1800, 1, 1), date(1800, 1, 1)),
        ("day", date(2200, 12, 31), date(2200, 12, 31)),
        ("span", timedelta(days=200 * 366), timedelta(days=200 * 366)),
        ("whole", 2**63 - 1, 2**63 - 1),
        ("whole", -(2**63), -(2**63)),
        ("percent", 100, 100),
    ],
)
def test_what_a_value_becomes(field: str, given: object, kept: object) -> None:
    """Near kin of the right type become the right type: words members, lists tuples, instants UTC."""
    found = getattr(Thing(**{field: given}), field)
    assert (repr(found), type(found)) == (repr(kept), type(kept))


@pytest.mark.parametrize("value", [AT, AT.replace(fold=1)])
def test_instants_are_kept_in_one_spelling(value: datetime) -> None:
    """UTC without a fold, so that equal instants are the same in every way."""
    kept = Thing(at=value).at
    assert (kept.tzinfo, kept.fold) == (UTC, 0)


def test_minus_zero_does_not_depend_on_the_context() -> None:
    """A host that rounds down still gets zero."""  # 41
    with decimal.localcontext(rounding=decimal.ROUND_FLOOR):
        assert not Thing(decimal=Decimal("-0")).decimal.is_signed()


@pytest.mark.parametrize(
    "good",
    [
        "Ñandú",
        "محمد",
        "X",
        "O'Brien",
        "Null",
        "Nguyễn",
        "İ",
        "ß",
        "😀",
        "👨\u200d👩\u200d👧",
        "Robert'); DROP TABLE",
        "<script>{{7*7}}${x}%s%n",
        "=cmd|' /C calc'!A0",
        "50%_off",
        "é",
        "\uffff",
        "\u0430",
        "a\u200bb",
        "x" * 200,
    ],
)
def test_texts_are_kept_to_the_byte(good: str) -> None:
    """7 8 10 11 13 14 19 20 21 22 23: what people are called, and what only looks like an attack."""
    assert Thing(line=good).line is good


# what is refused


class _Text(str):
    __slots__ = ()


class _Hostile:
    def __eq__(self, _: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("open")

    def __str__(self) -> str:
        raise AssertionError

    __repr__ = __len__ = __str__  # type: ignore[assignment]


class _Int(int):
    pass


TEXTS: list[tuple[str, str, str, str]] = [  # catalogue number, field, value, rule
    ("1", "line", "An\0na", "control-character"),
    ("2", "line", "An\ud800na", "surrogate"),
    ("2", "prose", "An\udfffna", "surrogate"),
    ("3", "line", "An\x1bna", "control-character"),
    ("3", "line", "An\x9fna", "control-character"),
    ("4", "line", "Ana\r\nBcc: all", "line-break"),
    ("4", "code", "A1\n", "line-break"),
    ("5", "line", "Ana\u2028R", "line-break"),
    ("5", "line", "Ana\u2029R", "line-break"),
    ("5", "line", "Ana\x85R", "line-break"),
    ("6", "line", "Ana\u202etxt", "bidi-control"),
    ("11", "line", "\u200bAna", "zero-width-end"),
    ("12", "line", "\ufeffAna", "zero-width-end"),
    ("15", "note", "e" + "\u0301" * 15_000, "combining-marks"),
    ("16", "note", "\ufdfa" * 20_000, "expansion"),
    ("17", "line", "A" * 10_000_000, "too-long"),
    ("17", "line", "A" * 201, "too-long"),
    ("17", "short", "A" * 6, "too-long"),
    ("18", "line", "", "empty"),
    ("18", "line", "   ", "blank"),
    ("18", "line", "\u00a0", "blank"),
    ("18", "empty", "   ", "blank"),
    ("18", "note", "   ", "blank"),
    ("18", "maybe", "", "empty"),
    ("11", "code", "AB\u200bC", "invisible"),
    ("18", "code", " A1", "space"),
    ("18", "code", "A1 ", "space"),
    ("18", "code", "A  1", "space"),
    ("17", "code", "A" * 11, "too-long"),
    ("17", "word", "A" * 81, "too-long"),
    ("66", "id", "a/b", "identifier"),
    ("66", "id", "..", "identifier"),
    ("66", "id", "a|b", "identifier"),
    ("66", "id", "a" * 300, "identifier"),
    ("66", "id", "", "identifier"),
    ("80", "stage", "OPEN", "word"),
    ("80", "stage", "opne", "word"),
]


@pytest.mark.parametrize(("field", "value", "rule"), [t[1:] for t in TEXTS], ids=[f"{t[0]}-{t[3]}" for t in TEXTS])
def test_bad_texts(field: str, value: str, rule: str) -> None:
    """Text that hurts somewhere is refused here, by field and rule, without a word of it."""
    assert refused(field, value) == (f"Thing.{field}", rule)


VALUES: list[tuple[int, str, object, str]] = [
    (39, "decimal", Decimal("NaN"), "finite"),
    (39, "decimal", Decimal("sNaN"), "finite"),
    (39, "decimal", Decimal("-Infinity"), "finite"),
    (40, "decimal", Decimal("1E+1000000"), "range"),
    (40, "decimal", Decimal("1E-1000000"), "range"),
    (40, "decimal", Decimal("0E-1000000"), "range"),
    (40, "decimal", Decimal("1E+18"), "range"),
    (40, "decimal", Decimal("1E-19"), "range"),
    (40, "decimal", Decimal("12345678901.123456789012345678"), "range"),
    (42, "decimal", 0.1, "decimal"),
    (42, "money", 0.1, "type"),
    (43, "whole", True, "whole-number"),
    (43, "percent", False, "whole-number"),
    (44, "whole", "1_0", "whole-number"),
    (44, "decimal", "12.50", "decimal"),
    (47, "whole", 2**63, "range"),
    (47, "whole", -(2**63) - 1, "range"),
    (47, "count", 2**53 + 1, "range"),
    (47, "percent", 101, "range"),
    (47, "percent", -1, "range"),
    (47, "either", 2**63, "range"),
    (49, "at", datetime(2026, 1, 1), "naive"),  # noqa: DTZ001
    (49, "either", datetime(2026, 1, 1), "naive"),  # noqa: DTZ001
    (50, "at", datetime(1, 1, 1, tzinfo=UTC), "out-of-range"),
    (50, "at", datetime(9999, 12, 31, tzinfo=UTC), "out-of-range"),
    (64, "at", datetime(2201, 1, 1, tzinfo=UTC), "out-of-range"),
    (50, "day", date(1, 1, 1), "range"),
    (50, "day", date(9999, 12, 31), "range"),
    (50, "day", date(1799, 12, 31), "range"),
    (50, "day", AT, "date"),
    (49, "at", date(2026, 1, 1), "type"),
    (58, "at", AT.replace(tzinfo=timezone(timedelta(hours=23))), "offset"),
    (58, "at", AT.replace(tzinfo=timezone(timedelta(seconds=30))), "offset"),
    (61, "span", timedelta(-1), "range"),
    (61, "span", timedelta(days=200 * 366, microseconds=1), "range"),
    (61, "span", 5, "span"),
    (81, "line", ["a"], "type"),
    (81, "whole", [1], "whole-number"),
    (81, "stage", ["of"], "word"),
    (81, "points", Point("a"), "type"),
    (81, "points", "ab", "type"),
    (81, "points", iter(()), "type"),
    (81, "points", {Point("a")}, "type"),
    (81, "points", ["a"], "type"),
    (81, "tags", ["a"], "type"),
    (81, "attributes", [("a", 1)], "type"),
    (81, "attributes", {"a": [1]}, "type"),
    (81, "attributes", {5: 1}, "type"),
    (81, "names", ["a"] * 4, "too-many"),
    (81, "names", ("a",) * 4, "too-many"),
    (81, "attributes", {str(i): 1 for i in range(4)}, "too-many"),
    (81, "attributes", FrozenDict({str(i): 1 for i in range(4)}), "too-many"),
    (81, "points", [Point("a")] * 1001, "too-many"),
    (79, "attributes", {"a\0": 1}, "control-character"),
    (79, "attributes", FrozenDict({" a": 1}), "space"),
    (79, "attributes", FrozenDict({"a": 1, "x" * 101: 2}), "too-long"),
    (83, "line", _Text("Ana"), "type"),
    (83, "maybe", _Text("Ana"), "type"),
    (83, "stage", _Text("op"), "word"),
    (83, "whole", _Int(5), "whole-number"),
    (83, "point", "Ana", "type"),
    (83, "party", Stage.OPEN, "type"),
    (83, "party", None, "type"),
    (83, "flag", 1, "type"),
    (83, "ref", ("thing", "x"), "type"),
    (83, "ref", Ref("th\0ing", "x"), "control-character"),
    (83, "ref", Ref("thing", "a/b"), "identifier"),
    (83, "ref", Ref("thing", 5), "identifier"),  # type: ignore[arg-type]
    (83, "either", Stage.OPEN, "type"),
    (83, "either", 1.5, "type"),
    (83, "size", 2, "word"),
    (83, "size", "1", "word"),
]


@pytest.mark.parametrize(("field", "value", "rule"), [t[1:] for t in VALUES], ids=[f"{t[0]}-{t[3]}" for t in VALUES])
def test_bad_values(field: str, value: object, rule: str) -> None:
    """Numbers, times and structures that cannot be: refused with the field and the rule."""
    where, why = refused(field, value)
    assert where.startswith(f"Thing.{field}")
    assert why == rule


def test_a_number_of_five_thousand_digits() -> None:
    """77: it is refused without being written out."""
    with pytest.raises(Invalid, match="found a number of 16610 bits"):
        Thing(whole=10**5000)


@pytest.mark.parametrize("field", [f.name for f in attrs.fields(Thing)])
def test_hostile_objects_get_in_nowhere(field: str) -> None:
    """83: an object that equals everything, and breaks when it is printed, is refused by its type."""
    with pytest.raises(Invalid) as caught:
        Thing(**{field: _Hostile()})
    assert caught.value.field == f"Thing.{field}"
    assert "_Hostile" in str(caught.value) or caught.value.found == "a naive datetime"


def test_an_item_is_named_by_its_place() -> None:
    """Who reads the error finds the item."""
    with pytest.raises(Invalid, match=r"^Thing\.names\[1\]: expected text of one line, found empty text \(empty\)$"):
        Thing(names=["a", ""])
    with pytest.raises(Invalid, match=r"^Thing\.attributes\[…\]: expected str or int or bool or datetime, found float"):
        Thing(attributes={"secret": 1.5})


def test_numbers_are_told_by_their_bits() -> None:
    """A number may be a salary."""
    with pytest.raises(
        Invalid, match=r"^Thing\.percent: expected a whole number from 0 to 100, found a number of 7 bits"
    ):
        Thing(percent=101)


def test_what_the_caller_keeps_changing_has_no_effect() -> None:
    """82: containers are copied."""
    points, tags, attributes = [Point("a")], {"a"}, {"a": 1}
    made = Thing(points=points, tags=tags, attributes=attributes)  # type: ignore[arg-type]
    points.append(Point("b"))
    tags.add("b")
    attributes["a"] = 2
    assert (made.points, made.tags, made.attributes) == ((Point("a"),), frozenset({"a"}), {"a": 1})


def test_frozen_and_checked_on_every_way_in() -> None:
    """Neither an assignment nor `evolve` gets past the checks."""
    thing = Thing()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        thing.line = "y"  # type: ignore[misc]
    with pytest.raises(Invalid):
        attrs.evolve(thing, line="")
    assert attrs.evolve(thing, stage="shut").stage is Stage.SHUT


@frozen(kw_only=True)
class Range(Value):
    """Two fields that must agree."""

    low: int
    high: int

    def __agree__(self) -> None:
        """Hold the ends together."""
        if self.low > self.high:
            raise Invalid("Range", "order", "the low end first", "the high one")


def test_fields_are_held_together_after_each_is_right() -> None:
    """`__agree__` sees checked values only."""
    assert Range(low=1, high=1).high == 1
    with pytest.raises(Invalid, match="the low end first"):
        Range(low=2, high=1)
    with pytest.raises(Invalid, match=r"Range\.low"):
        Range(low="a", high=1)  # type: ignore[arg-type]


def test_a_class_without_fields() -> None:
    """There is nothing to check, and that is fine."""

    @frozen
    class Nothing(Value):
        pass

    assert Nothing() == Nothing()


# laws


POOLS: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(max_size=8) | st.sampled_from(["", " ", "a b", "a  b", "x" * 300, "open", "x\n", " a", "a "]),
    "number": st.integers(-(2**64), 2**64) | st.integers(-2, 102) | st.booleans(),
    "decimal": st.decimals(),
    "time": st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=1))])) | st.datetimes() | st.dates(),
    "span": st.timedeltas(),
    "other": st.sampled_from([None, Stage.OPEN, Size.SMALL, Point("a"), Other("a"), Money("1", "JPY"), AT])
    | st.sampled_from([Ref("a", "b"), Ref("", "b"), AT.replace(fold=1), PartialDate(2026)]),
}
SCALARS = st.one_of(*POOLS.values())
ANY = (
    SCALARS
    | st.lists(SCALARS, max_size=5)
    | st.lists(SCALARS, max_size=5).map(tuple)
    | st.sets(POOLS["text"], max_size=3)
    | st.frozensets(POOLS["text"], max_size=3)
    | st.dictionaries(POOLS["text"], SCALARS, max_size=5)
    | st.dictionaries(POOLS["text"], SCALARS, max_size=5).map(FrozenDict)
)
CHECKS, SPACE = field_checks(Thing)
QUICK = {n: eval(f"lambda v: ({quick})", SPACE) for n, (quick, _) in CHECKS.items()}
FULL = {n: SPACE[full] for n, (_, full) in CHECKS.items()}


@pytest.mark.parametrize("field", list(CHECKS))
@given(value=ANY)
@example(value=" ")
@example(value="  ")
@example(value=Ref("", ""))
@example(value=AT.replace(fold=1))
@example(value=("a", ""))
@example(value=("a",) * 4)
@example(value=FrozenDict({" ": 1}))
def test_what_is_quickly_right_is_right_and_stays_as_it_is(field: str, value: Any) -> None:
    """The quick check says yes only where the full check would give back the very value."""
    if QUICK[field](value):
        assert FULL[field]("f", value) is value


@pytest.mark.parametrize("field", list(CHECKS))
@given(value=ANY)
def test_what_was_accepted_once_is_accepted_unchanged(field: str, value: Any) -> None:
    """The full check gives what it would give back as it is, or refuses with `Invalid` and nothing else."""
    try:
        kept = FULL[field]("f", value)
    except Invalid:
        return
    assert FULL[field]("f", kept) is kept


# definitions


def _define(annotation: Any) -> type[Any]:
    return attrs.make_class("Made", {"x": attrs.field(type=annotation)}, bases=(Value,), frozen=True)


@attrs.define
class Loose:
    """Mutable, and checked by nobody."""

    x: int = 0


@pytest.mark.parametrize(
    "hint",
    [
        float,
        Any,
        list[int],
        dict[str, int],
        tuple[int, str],
        tuple[()],
        set[str],
        object,
        Loose,
        tuple[Loose, ...],
        FrozenDict[Any],
        Stage | int,
        Stage | Size,
        Size | str,
        str | Stage,
        Point | str,
        Point | PartialDate,
        PartialDate | str,
        tuple[str, ...] | str,
        timedelta | str,
    ],
    ids=str,
)
def test_what_cannot_be_checked_or_stored_is_refused_when_defined(hint: Any) -> None:
    """A field never silently goes unchecked, nor finds out at the first save that it cannot be stored."""
    with pytest.raises(DefinitionError, match=r"^Made\.x: cannot (check|tell)"):
        _define(hint)(1)


def test_a_name_that_is_not_there_at_run_time_is_told() -> None:
    """An import under TYPE_CHECKING is the usual cause."""
    with pytest.raises(DefinitionError, match=r"^Made: an annotation names 'Missing', which is not there at run time"):
        _define("Missing")(1)


def test_an_own_post_init_would_replace_the_checks() -> None:
    """So it is refused when the class is made."""
    with pytest.raises(
        DefinitionError, match=r"^Own: its __attrs_post_init__ would replace the checks: call it __agree__$"
    ):

        class Own(Checked):
            def __attrs_post_init__(self) -> None:
                """Check nothing."""


@frozen
class Address(Value):
    """A value object that tells about a person."""

    street: Personal[str]


@frozen
class Node(Value):
    """A value object of its own kind."""

    below: tuple[Node, ...] = ()


def test_a_class_may_hold_its_own_kind() -> None:
    """Trees are checked like everything else."""
    assert Node([Node()]).below == (Node(),)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        Node((Point("a"),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hint", "personal"),
    [
        (str, False),
        (Point, False),
        (Node, False),
        (Personal[str], True),
        (Personal[str | None], True),
        (Personal[str] | None, True),
        (tuple[Personal[str], ...], True),
        (FrozenDict[Personal[str]], True),
        (Address, True),
        (tuple[Address, ...] | None, True),
        (Point | Address, True),
    ],
    ids=str,
)
def test_personal_wherever_it_is_said(hint: Any, *, personal: bool) -> None:
    """A mark inside an option, a container or a value object counts; none is silently lost."""
    assert is_personal(hint) is personal


def test_reading_hints() -> None:
    """Options and open vocabularies are recognised, Annotated or not."""
    assert [is_optional(h) for h in (str | None, Personal[str | None], str)] == [True, True, False]
    assert [is_open_word(h) for h in (Stage | str, Personal[Stage | str | None], str | int, Stage)] == [
        True,
        True,
        False,
        False,
    ]


def test_bounds_are_what_the_annotation_says() -> None:
    """The least and the most are both accepted."""

    @frozen
    class Small(Value):
        x: Annotated[int, Between(-1, 2)]

    assert [Small(x).x for x in (-1, 0, 2)] == [-1, 0, 2]
    for x in (-2, 3):
        with pytest.raises(Invalid):
            Small(x)
