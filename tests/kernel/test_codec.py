"""Codec: what goes in comes out, old layouts come up to date, and damage is `Unreadable` and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any

import attrs
import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import DefinitionError, Unreadable
from crmkit.kernel.checks import Code, Id, Line, Note, Personal, Prose, Value
from crmkit.kernel.codec import (
    Told,
    converter,
    decode,
    decode_event,
    document,
    encode,
    encode_event,
    layout_lock,
)
from crmkit.kernel.dates import PartialDate, micros
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref
from crmkit.kernel.money import CURRENCIES, Money
from crmkit.kernel.record import EVENTS, KINDS, Document, Event, Record, event, record

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)


class Stage(StrEnum):
    """A vocabulary."""

    OPEN = "open"
    SHUT = "shut"


class Size(Enum):
    """A vocabulary of numbers."""

    SMALL = 1
    BIG = 2


@frozen
class Point(Value):
    """A value object with everything that is no column in it."""

    stage: Stage
    text: str | None = None
    when: datetime | None = None
    day: date | None = None
    paid: Money | None = None
    born: PartialDate | None = None
    word: Stage | str | None = None
    ok: bool = False


@frozen
class Person(Value):
    """One party."""

    name: str
    born: PartialDate | None = None


@frozen
class Firm(Value):
    """Another party, with value objects inside."""

    name: str
    points: tuple[Point, ...] = ()
    sizes: FrozenDict[int] = field(factory=FrozenDict)


@frozen
class Node(Value):
    """A tree."""

    name: str
    below: tuple[Node, ...] = ()


@record("c_all")
@frozen(kw_only=True)
class All(Record):
    """One field of every kind, and one that may be nothing of each."""

    name: Annotated[str, Line(empty=True)]
    maybe_name: Personal[str] | None
    prose: Annotated[str, Prose(empty=True)]
    maybe_prose: Annotated[str, Prose()] | None
    ref_id: Id | None
    flag: bool
    maybe_flag: bool | None
    whole: int
    maybe_whole: int | None
    at: datetime
    maybe_at: datetime | None
    day: date
    maybe_day: date | None
    born: PartialDate
    maybe_born: PartialDate | None
    stage: Stage
    maybe_stage: Stage | None
    word: Stage | str
    maybe_word: Stage | str | None
    paid: Money
    maybe_paid: Personal[Money | None]
    amount: Decimal
    maybe_amount: Decimal | None
    span: timedelta
    maybe_span: timedelta | None
    size: Size
    maybe_size: Size | None
    ref: Ref
    maybe_ref: Ref | None
    point: Point
    maybe_point: Point | None
    party: Personal[Person | Firm]
    maybe_party: Person | Firm | None
    node: Node
    points: tuple[Point, ...]
    names: tuple[str, ...]
    words: tuple[Stage | str, ...]
    parties: tuple[Person | Firm, ...]
    maybe_names: tuple[str, ...] | None
    tags: frozenset[Annotated[str, Code()]]
    stages: frozenset[Stage]
    maybe_tags: frozenset[str] | None
    moneys: tuple[Money, ...]
    either: str | int | bool | Decimal | date | datetime | Money
    maybe_either: Personal[str | int | None]
    attributes: Personal[FrozenDict[str | int | bool | Decimal | date | datetime | Money]]
    maybe_attributes: FrozenDict[str | int] | None
    sizes: FrozenDict[tuple[int, ...]]


@event("c_all.told")
@frozen(kw_only=True)
class AllTold(Event[All]):
    """Everything, some of it personal."""

    name: Annotated[str, Line(empty=True)]
    maybe_name: Personal[str] | None
    flag: bool
    at: datetime
    maybe_day: date | None
    born: PartialDate
    stage: Stage
    maybe_word: Stage | str | None
    maybe_paid: Personal[Money | None]
    amount: Decimal
    span: timedelta
    ref: Ref
    party: Personal[Person | Firm]
    points: tuple[Point, ...]
    tags: frozenset[Annotated[str, Code()]]
    either: str | int | bool | Decimal | date | datetime | Money
    attributes: Personal[FrozenDict[str | int | bool | Decimal | date | datetime | Money]]
    own: int


@event("c_all.noted")
@frozen(kw_only=True)
class AllNoted(Event[All]):
    """Nothing personal in it."""

    stage: Stage
    points: tuple[Point, ...]


lines = st.sampled_from(["a", "Ñandú", "O'Brien", '"', "\\", "😀", "e\u0301", "x" * 200]) | st.from_regex(
    r"[A-Za-z][A-Za-z0-9 ]{0,10}[a-z]", fullmatch=True
).filter(lambda t: "  " not in t)
whole = st.integers(-(2**63), 2**63 - 1)
instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
days = st.dates(date(1800, 1, 1), date(2200, 12, 31))
partial = (
    days.map(PartialDate.of) | st.builds(PartialDate, st.integers(1800, 2200)) | st.just(PartialDate(month=2, day=29))
)
moneys = st.builds(Money.of_minor, st.integers(-(2**63) + 1, 2**63 - 1), st.sampled_from(sorted(CURRENCIES)))
amounts = st.decimals("-1E17", "1E17", places=4)
spans = st.timedeltas(timedelta(0), timedelta(days=200 * 366))
stages, words = st.sampled_from(Stage), st.sampled_from(Stage) | st.just("our own")
scalars = lines | whole | st.booleans() | amounts | days | instants | moneys
none = st.none()
points = st.builds(
    Point,
    stages,
    none | lines,
    none | instants,
    none | days,
    none | moneys,
    none | partial,
    none | words,
    st.booleans(),
)
parties = st.builds(Person, lines, none | partial) | st.builds(
    Firm,
    lines,
    st.lists(points, max_size=2).map(tuple),
    st.dictionaries(lines.filter(lambda t: len(t) < 99), whole, max_size=2),
)
nodes = st.recursive(
    st.builds(Node, lines), lambda n: st.builds(Node, lines, st.lists(n, max_size=2).map(tuple)), max_leaves=4
)
refs = st.builds(Ref, st.just("customer"), st.just("cus_1"))
names = st.lists(lines, max_size=3).map(tuple)
keys = st.sampled_from(["shoe", "id", "__class__", 'a"; DROP', "instant", "is"])
ALL: dict[str, st.SearchStrategy[Any]] = {
    "name": st.just("") | lines,
    "prose": st.just("") | st.just("a\nb\tc"),
    "ref_id": none | st.just("cus_1"),
    "flag": st.booleans(),
    "whole": whole,
    "at": instants,
    "day": days,
    "born": partial,
    "stage": stages,
    "word": words,
    "paid": moneys,
    "amount": amounts,
    "span": spans,
    "size": st.sampled_from(Size),
    "ref": refs,
    "point": points,
    "party": parties,
    "node": nodes,
    "points": st.lists(points, max_size=3).map(tuple),
    "names": names,
    "words": st.lists(words, max_size=3).map(tuple),
    "parties": st.lists(parties, max_size=2).map(tuple),
    "tags": st.frozensets(st.sampled_from(["a", "b", "ß"])),
    "stages": st.frozensets(stages),
    "moneys": st.lists(moneys, max_size=2).map(tuple),
    "either": scalars,
    "attributes": st.dictionaries(keys, scalars, max_size=3),
    "sizes": st.dictionaries(keys, st.lists(st.integers(0, 9), max_size=2).map(tuple), max_size=2),
}
MAYBE = {
    "maybe_name": lines,
    "maybe_prose": lines,
    "maybe_names": names,
    "maybe_either": lines | whole,
    "maybe_tags": st.frozensets(lines, max_size=2),
    "maybe_attributes": st.dictionaries(keys, lines | whole, max_size=2),
}
for f in attrs.fields(All):
    if f.name.startswith("maybe_"):
        ALL[f.name] = none | MAYBE.get(f.name, ALL.get(f.name[6:], none))
records = st.fixed_dictionaries(ALL).map(lambda d: All(id="c_1", version=3, **d))
events = st.fixed_dictionaries({f.name: ALL[f.name] for f in attrs.fields(AllTold) if f.name != "own"}).map(
    lambda d: AllTold(own=1, **d)
)


# round trips


def spelt(made: Any) -> dict[str, str]:
    """Give the fields as they print, which tells types apart that are equal; sets have no order."""
    values = {f.name: getattr(made, f.name) for f in attrs.fields(type(made))}
    return {n: repr(sorted(map(repr, v)) if type(v) is frozenset else v) for n, v in values.items()}


def there_and_back(made: All) -> All:
    return decode(All.__kind__, encode(made), version=made.version, schema=1)


@given(records)
def test_a_record_comes_back_as_it_was(made: All) -> None:
    """Equal, of the same types all the way down, at the version that the store has."""
    back = there_and_back(made)
    assert back == made
    assert (back.version, type(back), spelt(back)) == (3, All, spelt(made))


@settings(max_examples=50)
@given(records)
def test_a_row_fits_its_columns(made: All) -> None:
    """Every column holds what it says, and equal records have equal rows."""
    kind, row = All.__kind__, encode(made)
    assert len(row) == len(kind.columns) + 1
    for column, value in zip(kind.columns, row, strict=False):
        assert type(value) in (
            (str if column.holds in ("text", "date") else int),
            *([type(None)] if column.null else []),
        )
        if column.holds == "text":
            assert len(str(value or "")) <= column.longest
        if column.holds == "bool":
            assert value in (0, 1, None)
    assert set(json.loads(str(row[-1]))) == set(kind.rest)
    assert encode(there_and_back(made)) == row
    assert document(kind, row) == {**dict(zip(kind.position, row, strict=False)), **json.loads(str(row[-1]))}


@given(events)
def test_an_event_comes_back_as_it_was(told: AllTold) -> None:
    """Its personal part apart from the lasting one, and together again."""
    body, personal = encode_event(told)
    assert personal is not None
    assert set(json.loads(personal)) == {"maybe_name", "maybe_paid", "party", "attributes"}
    assert not set(json.loads(personal)) & set(json.loads(body))
    back = decode_event("c_all.told", body, personal, schema=1)
    assert back == told
    assert spelt(back) == spelt(told)


@given(events)
def test_an_erased_event_tells_the_rest(told: AllTold) -> None:
    """What is left is the lasting part, as it was written."""
    body, _ = encode_event(told)
    assert decode_event("c_all.told", body, None, schema=1) == Told(
        "c_all.told", FrozenDict(json.loads(body)), erased=True
    )


def test_an_event_without_personal_fields_has_no_personal_part() -> None:
    """And is never taken for erased."""
    told = AllNoted(stage=Stage.OPEN, points=(Point(Stage.SHUT),))
    assert encode_event(told) == ('{"stage":"open","points":[{"stage":"shut"}]}', None)
    assert decode_event("c_all.noted", *encode_event(told), schema=1) == told


def test_an_unknown_event_is_told_raw() -> None:
    """A plugin that wrote it may be gone."""
    assert decode_event("gone.away", '{"a":1}', '{"b":2}', schema=9) == Told(
        "gone.away", FrozenDict({"a": 1}), erased=False
    )


def test_what_is_stored_reads_well() -> None:
    """Hosts report on the columns, and look into the JSON."""
    row = encode(
        Small(id="x", party=Firm("Ñ", sizes=FrozenDict({"a": 1})), at=AT, paid=Money("1.50", "USD"), flag=True)
    )
    assert row == ("x", micros(AT), 150, "USD", 1, '{"party":{"is":"firm","name":"Ñ","sizes":{"a":1}}}')


def test_what_equals_its_default_is_left_out() -> None:
    """And is there again when the record is read, also where nothing but defaults is left."""
    plain = Small(id="x", party=Person("A"), at=AT, paid=None, flag=False)
    row = encode(plain)
    assert row[-1] == '{"party":{"is":"person","name":"A"}}'
    assert decode(Small.__kind__, row, version=0, schema=1) == plain
    full = attrs.evolve(plain, extra=FrozenDict({"a": "b"}))
    assert encode(full)[-1] == '{"party":{"is":"person","name":"A"},"extra":{"a":"b"}}'


@record("c_small")
@frozen(kw_only=True)
class Small(Record):
    """A record with little in it."""

    at: datetime
    paid: Money | None
    flag: bool
    party: Person | Firm
    extra: FrozenDict[str | datetime | Money] = FrozenDict()  # noqa: RUF009


def test_values_are_not_checked_again_when_read() -> None:
    """A rule that became stricter does not make what is stored unreadable."""
    row = (
        *encode(Small(id="x", party=Person("Ana"), at=AT, paid=None, flag=False))[:-1],
        '{"party":{"is":"person","name":""},"extra":{}}',
    )
    found = decode(Small.__kind__, row, version=1, schema=1).party
    assert (type(found), found.name, found.born) == (Person, "", None)


def test_scalars_that_json_cannot_tell_apart_are_tagged() -> None:
    """An instant in an attribute stays an instant."""
    made = Small(
        id="x",
        party=Person("A"),
        at=AT,
        paid=None,
        flag=False,
        extra=FrozenDict({"a": AT, "m": Money("1", "JPY"), "t": "1 JPY"}),
    )
    assert json.loads(str(encode(made)[-1]))["extra"] == {
        "a": {"instant": "2026-01-01T09:00:00+00:00"},
        "m": {"money": "1 JPY"},
        "t": "1 JPY",
    }
    assert decode(Small.__kind__, encode(made), version=1, schema=1) == made


# old layouts


def _to_2(old: Document) -> Document:
    first, _, last = old.pop("name").partition(" ")
    return {**old, "first": first, "last": last or None}


def _to_3(old: Document) -> Document:
    return {**old, "tags": [old.pop("tag")] if "tag" in old else [], "minor": 0}


@record("c_moved", schema=3, upgrades={1: _to_2, 2: _to_3})
@frozen(kw_only=True)
class Moved(Record):
    """Its third layout: first had `name` and `tag`, second `first`, `last` and `tag`."""

    first: str
    last: str | None
    minor: int
    tags: tuple[str, ...]


@event("c_moved.made", schema=3, upgrades={1: _to_2, 2: _to_3})
@frozen(kw_only=True)
class MovedMade(Event[Moved]):
    """An event with the same past."""

    first: str
    last: Personal[str | None]
    tags: tuple[str, ...]
    minor: int


NEW = Moved(id="x", first="Ana", last="Reyes", minor=0, tags=("vip",))


@pytest.mark.parametrize(
    ("schema", "row"),
    [
        (1, ("x", None, None, None, '{"name":"Ana Reyes","tag":"vip"}')),
        (2, ("x", "Ana", "Reyes", None, '{"tag":"vip"}')),
        (3, ("x", "Ana", "Reyes", 0, '{"tags":["vip"]}')),
    ],
)
def test_old_rows_come_up_to_date(schema: int, row: tuple[Any, ...]) -> None:
    """Through every upgrade from theirs on, in order. A column that is gone is found in the JSON."""
    assert decode(Moved.__kind__, row, version=1, schema=schema) == NEW


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (1, '{"name":"Ana Reyes","tag":"vip"}'),
        (2, '{"first":"Ana","last":"Reyes","tag":"vip"}'),
        (3, '{"first":"Ana","last":"Reyes","tags":["vip"],"minor":0}'),
    ],
)
def test_old_events_come_up_to_date(schema: int, body: str) -> None:
    """As records do."""
    told = MovedMade(first="Ana", last="Reyes", tags=("vip",), minor=0)
    assert decode_event("c_moved.made", body, "{}", schema=schema) == told


def unreadable(row: tuple[Any, ...], schema: int = 3) -> str:
    with pytest.raises(Unreadable) as caught:
        decode(Moved.__kind__, row, version=1, schema=schema)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_what_a_newer_library_wrote_says_so() -> None:
    """And what to do: records and events."""
    told = "cannot be read: written with schema 4, this library knows 3; update the library"
    assert unreadable(("x", "Ana", None, 0, "{}"), 4) == f"c_moved x: {told}"
    with pytest.raises(Unreadable, match=f"^event c_moved.made: {told}$"):
        decode_event("c_moved.made", "{}", "{}", schema=4)


def test_an_upgrade_that_leaves_something_out() -> None:
    """It is told which column, or that the rest is damaged."""
    with contradicting(Moved, {1: _to_2, 2: lambda old: {**old, "tags": [], "minor": None}}):
        assert unreadable(("x", "Ana", None, None, "{}"), 2).endswith("its upgrade from schema 2 leaves minor empty")
    with contradicting(Moved, {1: _to_2, 2: lambda old: {**old, "minor": 1}}):
        assert unreadable(("x", "Ana", None, None, "{}"), 2).endswith("damaged (KeyError)")
    with contradicting(Moved, {2: _to_3}):
        assert unreadable(("x", "Ana", None, None, "{}"), 1).endswith("damaged (KeyError)")


@contextmanager
def contradicting(cls: type[Record], upgrades: dict[int, Any]) -> Iterator[None]:
    kind = cls.__kind__
    before, kind.upgrades = kind.upgrades, upgrades
    try:
        yield
    finally:
        kind.upgrades = before


# damage


@pytest.mark.parametrize(
    "row",
    [
        (),
        ("x",),
        ("x", "Ana", None, 0),
        ("x", "Ana", None, 0, None),
        ("x", "Ana", None, 0, ""),
        ("x", "Ana", None, 0, "{"),
        ("x", "Ana", None, 0, "[]"),
        ("x", "Ana", None, 0, "5"),
        ("x", "Ana", None, 0, "{}"),
        ("x", "Ana", None, 0, '{"tags":"vip"}'),
        ("x", "Ana", None, 0, '{"tags":{"a":1}}'),
        ("x", "Ana", None, 0, "[" * 100_000),  # 75
        ("x", "Ana", None, 0, '{"tags":' + "[" * 100_000 + "]" * 100_000 + "}"),
        ("x", "Ana", None, 0, '{"tags":' + "9" * 5000 + "}"),  # 77
    ],
    ids=lambda row: str(len(str(row))),
)
def test_a_damaged_row(row: tuple[Any, ...]) -> None:
    """It names the record and the kind of damage, and none of what it says."""
    told = unreadable(row)
    assert told.startswith(f"c_moved {'x' if row else '?'}: cannot be read: damaged (")


GOOD = Small(id="x", party=Firm("F", (Point(Stage.OPEN, when=AT),)), at=AT, paid=Money("1", "JPY"), flag=True)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, None),
        (1, "2026"),
        (1, 2**62),
        (2, None),
        (2, 2**70),
        (2, "1"),
        (3, "XXX"),
        (3, None),
        (5, '{"party":{"is":"robot"},"extra":{}}'),
        (5, '{"party":{"name":"A"},"extra":{}}'),
        (5, '{"party":{"is":"person","name":"A","more":1},"extra":{}}'),
        (5, '{"party":{"is":"person"},"extra":{}}'),
        (5, '{"party":{"is":"firm","name":"F","points":[{"stage":"gone"}]},"extra":{}}'),
        (5, '{"party":{"is":"firm","name":"F","points":[{"stage":"open","when":"2026-01-01"}]},"extra":{}}'),
        (5, '{"party":{"is":"firm","name":"F","points":[{"stage":"open","when":"2026-01-01T00:00:00"}]},"extra":{}}'),
        (5, '{"party":{"is":"person","name":"A"},"extra":{"a":{"instant":"never"}}}'),
        (5, '{"party":{"is":"person","name":"A"},"extra":{"a":{"wormhole":1}}}'),
        (5, '{"party":{"is":"person","name":"A"},"extra":{"a":{}}}'),
        (5, '{"party":{"is":"person","name":"A"},"extra":{"a":{"money":"1 XXX"}}}'),
        (5, '{"party":{"is":"person","name":"A"},"extra":[]}'),
        (5, '{"party":null}'),
    ],
)
def test_damage_that_only_the_parts_notice(place: int, value: object) -> None:
    """Whatever a part raises, `Invalid` included, becomes `Unreadable`."""
    row = list(encode(GOOD))
    row[place] = value  # type: ignore[call-overload]
    if (place, value) == (2, None):
        assert decode(Small.__kind__, tuple(row), version=1, schema=1).paid is None
        return
    with pytest.raises(Unreadable, match=r"^c_small x: cannot be read: damaged \(\w+\)$"):
        decode(Small.__kind__, tuple(row), version=1, schema=1)


junk = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5) | st.just([])
)


@settings(max_examples=50)
@given(records, st.data())
def test_random_damage_to_a_row(made: All, data: st.DataObject) -> None:
    """A row with anything in any place is read or `Unreadable`."""
    row: list[Any] = list(encode(made))
    for _ in range(data.draw(st.integers(1, 3))):
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(junk)
    read_or_unreadable(tuple(row[: data.draw(st.integers(0, len(row)) | st.just(len(row)))]))


def mutated(data: st.DataObject, text: str) -> str:
    for _ in range(data.draw(st.integers(1, 3))):
        at, to = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
        at = data.draw(st.sampled_from([at, max(to - 1, 0)]))
        text = (
            text[:at]
            + data.draw(st.sampled_from(['"', "{", "}", "[", "]", "null", "1", "true", ",", ":", "", "a"]))
            + text[to:]
        )
    return text


@settings(max_examples=50)
@given(records, st.data())
def test_random_damage_to_the_json_of_a_row(made: All, data: st.DataObject) -> None:
    """JSON that was cut, spliced and retyped is read or `Unreadable`."""
    row = encode(made)
    read_or_unreadable((*row[:-1], mutated(data, str(row[-1]))))


leaves = st.recursive(
    junk.filter(lambda x: type(x) is not bytes),
    lambda x: st.lists(x, max_size=2) | st.dictionaries(st.text(max_size=3), x, max_size=2),
    max_leaves=4,
)


@settings(max_examples=50)
@given(records, st.data())
def test_wrong_values_in_the_json_of_a_row(made: All, data: st.DataObject) -> None:
    """JSON that is sound and says something else is read or `Unreadable`."""
    row = encode(made)
    body = json.loads(str(row[-1]))
    body[data.draw(st.sampled_from(sorted(body)))] = data.draw(leaves)
    read_or_unreadable((*row[:-1], json.dumps(body)))


def read_or_unreadable(row: tuple[Any, ...]) -> None:
    try:
        found = decode(All.__kind__, row, version=1, schema=1)
    except Unreadable:
        return
    assert type(found) is All


@settings(max_examples=50)
@given(events, st.data())
def test_random_damage_to_an_event(told: AllTold, data: st.DataObject) -> None:
    """An entry with anything in it is read, told raw, or `Unreadable`."""
    body, personal = encode_event(told)
    assert personal is not None
    damaged = data.draw(
        st.sampled_from([(mutated(data, body), personal), (body, mutated(data, personal)), (body, None), ("[]", None)])
    )
    try:
        found = decode_event("c_all.told", *damaged, schema=1)
    except Unreadable:
        return
    assert isinstance(found, AllTold | Told)


@pytest.mark.parametrize("body", ["", "[]", "5", "null", "{", "[" * 100_000, '{"a":' + "9" * 5000 + "}"])
@pytest.mark.parametrize("type_", ["c_all.noted", "c_all.told", "gone.away"])
def test_damaged_events(type_: str, body: str) -> None:
    """Known or unknown, `Unreadable` names the event."""
    for personal in (None, "{}", "["):
        with pytest.raises(Unreadable, match=rf"^event {type_}: cannot be read: damaged \(\w+\)$"):
            decode_event(type_, body, personal, schema=1)


# definitions


def test_two_classes_of_one_name_cannot_be_told_apart() -> None:
    """Their name is what stands in the document."""
    twin = attrs.make_class("Person", {"age": attrs.field(type=int)}, bases=(Value,), frozen=True)
    with pytest.raises(DefinitionError, match="two of its classes have one name"):
        converter.get_unstructure_hook(Person | twin)


# the layout lock


@contextmanager
def loaded(cls: type[Any]) -> Iterator[str]:
    """Give the line of a class that is loaded for a moment."""
    made = (
        record("c_locked", schema=1)(frozen(kw_only=True)(cls))
        if issubclass(cls, Record)
        else event("c_locked.told", note=True)(frozen(kw_only=True)(cls))
    )
    try:
        (line,) = [told for told in layout_lock().splitlines() if "c_locked" in told]
        yield line
    finally:
        KINDS.pop("c_locked", None)
        EVENTS.pop("c_locked.told", None)
    assert made


def lock_of(**hints: Any) -> str:
    defaults = {n: h[1] for n, h in hints.items() if type(h) is tuple}
    body = {
        "__annotations__": {n: h[0] if n in defaults else h for n, h in hints.items()},
        **defaults,
        "__module__": __name__,
    }
    with loaded(type("Locked", (Record,), body)) as line:
        return line


def words(**members: str) -> Any:
    return StrEnum("Words", members)


def value_class(name: str = "Inner", **hints: Any) -> Any:
    defaults = {n: h[1] for n, h in hints.items() if type(h) is tuple}
    fields = {
        n: attrs.field(type=h[0], default=h[1]) if n in defaults else attrs.field(type=h) for n, h in hints.items()
    }
    return attrs.make_class(name, fields, bases=(Value,), frozen=True)


SAME = [
    (lock_of(x=int), lock_of(x=int)),
    (lock_of(x=int), lock_of(x=(int, 5))),  # a record's defaults are written out
    (lock_of(x=str), lock_of(x=Annotated[str, Line(100)])),
    (lock_of(x=str | None), lock_of(x=Personal[str | None])),
    (lock_of(x=str | int), lock_of(x=int | str)),
    (lock_of(x=value_class(a=int)), lock_of(x=value_class(a=int))),
    (lock_of(x=words(A="a", B="b")), lock_of(x=words(B="b", A="a"))),
    (lock_of(x=Node), lock_of(x=Node)),
]
DIFFERENT = [
    (lock_of(x=int), lock_of(y=int)),
    (lock_of(x=int), lock_of(x=bool)),
    (lock_of(x=int), lock_of(x=int | None)),
    (lock_of(x=int), lock_of(x=int, y=int)),
    (lock_of(x=str), lock_of(x=Note)),  # from a column into the JSON
    (lock_of(x=tuple[str, ...]), lock_of(x=frozenset[str])),
    (lock_of(x=tuple[str, ...]), lock_of(x=tuple[int, ...])),
    (lock_of(x=FrozenDict[str | int]), lock_of(x=FrozenDict[str | bool])),
    (lock_of(x=Stage), lock_of(x=Stage | str)),
    (lock_of(x=value_class(a=int)), lock_of(x=value_class(a=str))),
    (lock_of(x=value_class(a=int)), lock_of(x=value_class(a=(int, 0)))),
    (lock_of(x=value_class(a=(int, 0))), lock_of(x=value_class(a=(int, 1)))),  # documents leave defaults out
    (
        lock_of(x=tuple[value_class(a=value_class("Deep", b=int)), ...]),
        lock_of(x=tuple[value_class(a=value_class("Deep", b=str)), ...]),
    ),
    (lock_of(x=words(A="a", B="b")), lock_of(x=words(A="a"))),
    (lock_of(x=words(A="a")), lock_of(x=words(A="b"))),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_the_lock_stays_while_documents_stay(a: str, b: str) -> None:
    """What does not change stored documents does not change the lock."""
    assert a == b
    assert a.startswith("record c_locked schema 1 ")


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_the_lock_changes_when_documents_would(a: str, b: str) -> None:
    """A field, a type, a word, a default that is left out: all of these need a thought about what is stored."""
    assert a != b


def test_the_lock_of_events() -> None:
    """Which part a field stands in belongs to the layout, too."""

    def lock(hint: Any) -> str:
        body = {"__annotations__": {"x": hint}, "__module__": __name__, "__orig_bases__": (Event[All],)}
        with loaded(type("LockedTold", (Event,), body)) as line:
            return line

    assert lock(str).startswith("event c_locked.told schema 1 ")
    assert lock(str) == lock(Annotated[str, Line(5)])
    assert len({lock(str), lock(Personal[str]), lock(int)}) == 3


def test_the_lock_lists_everything_that_is_loaded() -> None:
    """Records first, then events, each by name."""
    told = [tuple(line.split()[:4]) for line in layout_lock().splitlines()]
    assert told == [("record", n, "schema", str(k.schema)) for n, k in sorted(KINDS.items())] + [
        ("event", n, "schema", str(e.schema)) for n, e in sorted(EVENTS.items())
    ]
    assert layout_lock().endswith("\n")
