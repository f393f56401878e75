"""Queries: what a host may ask, what it means, and pages that cover everything once."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from decimal import Context, Decimal, localcontext
from enum import StrEnum
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import Invalid, Misuse
from crmkit.kernel.checks import Id
from crmkit.kernel.dates import PartialDate, micros
from crmkit.kernel.money import Money
from crmkit.kernel.query import (
    DEEPEST,
    EVERYTHING,
    LONGEST_PAGE,
    And,
    Compare,
    Found,
    Has,
    In,
    Not,
    Or,
    Prefix,
    Query,
    Where,
    checked,
    cursor_after,
    everything,
    field,
    orders,
    place_of,
    predicate,
    resolve,
    scalar_of,
    scaled,
    sort_key,
)
from crmkit.kernel.record import Kind, Record, Row, record

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)


class Stage(StrEnum):
    """A vocabulary."""

    OPEN = "open"
    SHUT = "shut"


class Shape(StrEnum):
    """Another vocabulary."""

    OPEN = "open"
    ROUND = "round"


@record("q_thing", key_names=["tag", "email", "attribute.*"])
@frozen(kw_only=True)
class Thing(Record):
    """A record with columns of every kind."""

    name: str
    owner: Id | None = None
    stage: Stage = Stage.OPEN
    word: Stage | str = "x"
    score: int | None = None
    flag: bool = False
    at: datetime = AT
    day: date | None = None
    born: PartialDate | None = None
    paid: Money | None = None
    notes: tuple[str, ...] = ()
    low_minor: int = 0


KIND: Kind[Any] = Thing.__kind__
TYPED = {"attribute.size": scaled}


def rule(where: Any, typed: Any = None) -> tuple[str, str]:
    with pytest.raises(Invalid) as caught:
        resolve(where, KIND, typed)
    return caught.value.field, caught.value.rule


def said(where: Any) -> str:
    with pytest.raises(Invalid) as caught:
        resolve(where, KIND)
    return str(caught.value)


# building


def test_conditions_are_built_with_operators() -> None:
    """Each operator is one node."""
    f = field("score")
    assert [f == 1, f != 1, f < 1, f <= 1, f > 1, f >= 1] == [
        Compare("score", op, 1) for op in ("eq", "ne", "lt", "le", "gt", "ge")
    ]
    assert f.in_([1, None]) == In("score", (1, None))
    assert f.in_(i for i in (1, 2)) == In("score", (1, 2))
    assert f.prefix("a%") == Prefix("score", "a%")
    assert f.has("x") == Compare("score", "eq", "x")
    assert hash(f) == hash(field("score"))


def test_conditions_combine() -> None:
    """Chains of one operator stay flat, so that a loop may build one of any length."""
    a, b, c, d = (Compare("score", "eq", i) for i in range(4))
    assert a & b == And((a, b))
    assert a & b & c & d == And((a, b, c, d))
    assert a | b | c == Or((a, b, c))
    assert a & b | c == Or((And((a, b)), c))
    assert (a | b) & c == And((Or((a, b)), c))
    assert a & (b & c) == And((a, And((b, c))))
    assert ~a == Not(a)
    assert everything(a, None, b) == And((a, b))
    assert everything(None, a) is a
    assert everything() == everything(None) == EVERYTHING == And(())
    long = a
    for _ in range(500):
        long = long | b
    assert len(resolve(long, KIND).parts) == 501  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "use",
    [
        lambda a, b: a and b,
        lambda a, b: a or b,
        lambda a, b: not a,
        lambda a, b: 1 if a else b,
        lambda a, b: 1 < field("score") < 5,
    ],
)
def test_python_s_own_logic_is_refused(use: Any) -> None:
    """`and`, `or`, `not`, `if` and chains would silently drop conditions."""
    one, two = field("score") == 1, And(())
    with pytest.raises(Misuse, match=r"combine conditions with & \| ~"):
        use(one, two)


def test_a_field_alone_is_no_condition() -> None:
    """Nor has it a truth, and one text is no list of values."""
    with pytest.raises(Misuse, match=r"compare it, as in field\('flag'\) == True"):
        bool(field("flag"))
    with pytest.raises(Misuse, match=r"field\('stage'\)\.in_ takes several values"):
        field("stage").in_("open")
    assert rule(field("flag")) == ("query", "type")
    assert rule(field("score") == field("flag")) == ("score", "type")


# resolving


@pytest.mark.parametrize(
    ("where", "resolved"),
    [
        (field("stage") == Stage.OPEN, Compare("stage", "eq", "open")),
        (field("stage") == "shut", Compare("stage", "eq", "shut")),
        (field("word") == "our own", Compare("word", "eq", "our own")),
        (field("name") == Stage.OPEN, Compare("name", "eq", "open")),
        (field("score") >= 2**63 - 1, Compare("score", "ge", 2**63 - 1)),
        (field("score") == None, Compare("score", "eq", None)),  # noqa: E711
        (field("flag") == True, Compare("flag", "eq", 1)),  # noqa: E712
        (field("at") < AT, Compare("at", "lt", micros(AT))),
        (field("day") == date(2026, 1, 2), Compare("day", "eq", "2026-01-02")),
        (field("born") == PartialDate(1990), Compare("born", "eq", "1990")),
        (field("id") > "x", Compare("id", "gt", "x")),
        (field("score").in_([1, None, 1]), In("score", (1, None))),
        (field("stage").in_([]), In("stage", ())),
        (field("name").prefix("A%_"), Prefix("name", "A%_")),
        (field("tag") == "vip", Has("tag", "eq", "vip")),
        (field("tag").has(Stage.OPEN), Has("tag", "eq", "open")),
        (field("tag") != "vip", Not(Has("tag", "eq", "vip"))),
        (field("tag") > "a", Has("tag", "gt", "a")),
        (field("tag") == None, Not(Has("tag", "any", None))),  # noqa: E711
        (field("tag") != None, Has("tag", "any", None)),  # noqa: E711
        (field("tag") < None, Or(())),
        (field("tag").prefix("v"), Has("tag", "prefix", "v")),
        (field("tag").in_(["a", "b"]), Or((Has("tag", "eq", "a"), Has("tag", "eq", "b")))),
        (field("attribute.size") >= Decimal("1.5"), Has("attribute.size", "ge", 1_500_000)),
        (
            field("paid") >= Money("1.50", "EUR"),
            And((Compare("paid_currency", "eq", "EUR"), Compare("paid_minor", "ge", 150))),
        ),
        (
            field("paid") != Money("1.50", "EUR"),
            Not(And((Compare("paid_currency", "eq", "EUR"), Compare("paid_minor", "eq", 150)))),
        ),
        (field("paid") == None, Compare("paid_minor", "eq", None)),  # noqa: E711
        (field("paid") != None, Compare("paid_minor", "ne", None)),  # noqa: E711
        (field("paid_minor") > 5, Compare("paid_minor", "gt", 5)),
        (field("low_minor") == 5, Compare("low_minor", "eq", 5)),
        (~(field("score") == 1), Not(Compare("score", "eq", 1))),
        ((field("score") == 1) | EVERYTHING, Or((Compare("score", "eq", 1), And(())))),
    ],
    ids=str,
)
def test_what_stores_get(where: Where, resolved: Where) -> None:
    """Only columns, keys and scalars are left."""
    assert resolve(where, KIND, TYPED) == resolved


@pytest.mark.parametrize(
    ("where", "where_and_why"),
    [
        (field("score") == 2**63, ("score", "range")),  # 47
        (field("score") == -(2**63) - 1, ("score", "range")),
        (field("score") == True, ("score", "type")),  # noqa: E712
        (field("score") == 1.5, ("score", "type")),
        (field("score") == Decimal(1), ("score", "type")),
        (field("score").in_([1, "1"]), ("score", "type")),
        (field("flag") == 1, ("flag", "type")),
        (field("at") == datetime(2026, 1, 1), ("at", "naive")),  # noqa: DTZ001 - 49
        (field("at") == date(2026, 1, 1), ("at", "type")),
        (field("at") == "2026-01-01", ("at", "type")),
        (field("day") == AT, ("day", "type")),
        (field("stage") == "opne", ("stage", "word")),
        (field("stage") == Shape.ROUND, ("stage", "word")),
        (field("stage").in_([Stage.OPEN, "opne"]), ("stage", "word")),
        (field("name") == 5, ("name", "type")),
        (field("name") == b"x", ("name", "type")),
        (field("name") == "a\0", ("name", "text")),  # 1
        (field("name") == "\ud800", ("name", "text")),  # 2
        (field("name").in_(["a", "\udfff"]), ("name", "text")),
        (field("name").prefix("\0"), ("name", "text")),
        (field("name").prefix("\ud800"), ("name", "text")),
        (field("name").prefix(5), ("name", "type")),  # type: ignore[arg-type]
        (field("score").prefix("5"), ("score", "type")),
        (field("tag") == 5, ("tag", "type")),
        (field("tag") == "a\0", ("tag", "text")),
        (field("tag") == "\ud800", ("tag", "text")),
        (field("tag") == 1.5, ("tag", "type")),
        (field("tag").in_(["a", 5]), ("tag", "type")),
        (field("paid") == 5, ("paid", "type")),
        (field("paid") == "5 EUR", ("paid", "type")),
        (field("attribute.size") == Decimal("1E-7"), ("attribute.size", "decimal-places")),
        (In("score", tuple(range(LONGEST_PAGE + 1))), ("score", "too-many")),
        (In("score", [1]), ("score", "type")),  # type: ignore[arg-type]
        (In("score", None), ("score", "type")),  # type: ignore[arg-type]
        (And([field("score") == 1]), ("query", "type")),  # type: ignore[arg-type]
        (Or((True,)), ("query", "type")),  # type: ignore[arg-type]
        (Not(None), ("query", "type")),  # type: ignore[arg-type]
        (Has("tag", "eq", "x"), ("query", "type")),
        (Compare("score", "DROP", 1), ("query", "operator")),  # type: ignore[arg-type]
        (Compare("tag", "prefix", "x"), ("query", "operator")),  # type: ignore[arg-type]
        (True, ("query", "type")),
        (None, ("query", "type")),
    ],
    ids=lambda x: ascii(x)[:60],
)
def test_wrong_types_and_values(where: Any, where_and_why: tuple[str, str]) -> None:
    """They are refused before any store is asked."""
    assert rule(where, TYPED) == where_and_why


@pytest.mark.parametrize(
    "name",
    [
        "__class__",
        "id); DROP",
        'a"; DROP TABLE',
        "",
        "ID",
        "version",
        "notes",
        "attribute.*",
        "attribute.color",
        "low",
        "tag key",
        "paid.minor",
        "x" * 10000000,
        5,
        None,
        [],
        {},
    ],  # 79 81
    ids=lambda x: ascii(x)[:20],
)
def test_unknown_and_hostile_names(name: Any) -> None:
    """No name but a declared one gets through, of whatever type, by whatever node; the name is not repeated."""
    for where in (Compare(name, "eq", None), Compare(name, "eq", "x"), In(name, ("x",)), Prefix(name, "x")):
        assert rule(where, TYPED) == ("q_thing query", "unknown-field")
        if len(str(name)) > 7:
            assert str(name) not in said(where)
    with pytest.raises(Invalid, match="unknown-field"):
        orders([name], KIND)
    with pytest.raises(Invalid, match="unknown-field"):
        checked(Query(order=(name,)), KIND)


def test_the_nearest_names_are_told() -> None:
    """A typo is cured at once."""
    assert said(field("scroe") == 1) == (
        "q_thing query: expected a field of q_thing: did you mean score?, found str of 5 characters (unknown-field)"
    )
    assert said(field("tagg") == 1).startswith("q_thing query: expected a field of q_thing: did you mean tag")
    assert "did you mean paid_minor?" in said(field("paid_mino") == 1)
    assert said(field("zzz") == 1) == (
        "q_thing query: expected a field of q_thing: one of id, name, owner, stage, word, score, flag, at, day, born,"
        " paid_minor, paid_currency, low_minor, tag, email, found str of 3 characters (unknown-field)"
    )


def test_words_are_listed() -> None:
    """Whoever mistypes a word sees the vocabulary."""
    assert said(field("stage") == "opne") == "stage: expected one of open, shut, found str of 4 characters (word)"


@pytest.mark.parametrize("wrap", [lambda w: ~w, lambda w: And((w,)), lambda w: Or((w,))])
def test_how_deep_conditions_may_be(wrap: Any) -> None:
    """75: thirty levels, and no recursion error beyond."""
    where: Where = field("score") == 1
    for _ in range(DEEPEST):
        where = wrap(where)
    assert predicate(resolve(where, KIND), KIND)(found(score=1)) is True
    for _ in range(100_000):
        where = wrap(where)
    assert rule(where) == ("query", "too-deep")
    while not isinstance(where, Compare):  # let go of it level by level
        where = where.part if isinstance(where, Not) else where.parts[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("limit", [-1, LONGEST_PAGE + 1, True, 5.0, "5", None])
def test_limits(limit: Any) -> None:
    """From nothing to ten thousand."""
    with pytest.raises(Invalid, match=r"^limit: expected a whole number from 0 to 10000"):
        checked(Query(limit=limit), KIND)


def test_a_checked_query_keeps_the_rest() -> None:
    """Only the condition is another."""
    asked = Query(field("stage") == Stage.OPEN, ("-at", "name"), 0, "x")
    assert checked(asked, KIND) == Query(Compare("stage", "eq", "open"), ("-at", "name"), 0, "x")
    assert checked(Query(limit=LONGEST_PAGE), KIND).limit == LONGEST_PAGE


def test_orders() -> None:
    """A minus turns one round; each column once; no keys, and no text."""
    assert orders(["-at", "name"], KIND) == (("at", True), ("name", False))
    assert orders((), KIND) == ()
    with pytest.raises(Invalid, match=r"^order: expected each field once, found a field twice \(order\)$"):
        orders(["name", "-name"], KIND)
    for wrong in ("tag", "--at", "paid", "-"):
        with pytest.raises(Invalid, match="unknown-field"):
            orders([wrong], KIND)


# scalars


@pytest.mark.parametrize(
    ("value", "scalar"),
    [
        ("x", "x"),
        (None, None),
        (True, 1),
        (5, 5),
        (Stage.OPEN, "open"),
        (Decimal("1.500000"), 1_500_000),
        (Decimal("-0"), 0),
        (Decimal("9223372036854.775807"), 2**63 - 1),
        (Decimal("0E-999999"), 0),
        (AT, micros(AT)),
        (date(2026, 1, 2), "2026-01-02"),
        (PartialDate(month=2, day=29), "--02-29"),
    ],
)
def test_scalars(value: Any, scalar: Any) -> None:
    """What a store keeps for a value of a key."""
    found_ = scalar_of("k", value)
    assert (found_, type(found_)) == (scalar, type(scalar))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1.5, "type"),
        ([], "type"),
        (object(), "type"),
        (Money("1", "EUR"), "type"),
        (2**63, "range"),
        (Decimal("NaN"), "finite"),  # 39
        (Decimal("sNaN"), "finite"),
        (Decimal("Infinity"), "finite"),
        (Decimal("1E+1000000"), "finite"),  # 40
        (Decimal("1E+13"), "finite"),
        (Decimal("9223372036854.775808"), "range"),
        (Decimal("0.0000001"), "decimal-places"),
        (Decimal("1E-1000000"), "decimal-places"),
        (Decimal("1." + "0" * 40 + "1"), "decimal-places"),
        (datetime(2026, 1, 1), "naive"),  # noqa: DTZ001
    ],
    ids=str,
)
def test_what_is_no_scalar(value: Any, why: str) -> None:
    """What no store could keep exactly."""
    with pytest.raises(Invalid) as caught:
        scalar_of("k", value)
    assert caught.value.rule == why


def test_decimals_do_not_depend_on_the_context() -> None:
    """A host with three digits of precision loses none of ours."""
    with localcontext(Context(prec=3)):
        assert scaled("k", Decimal("12345.678901")) == 12_345_678_901


# meaning


def found(keys: tuple[tuple[str, Any], ...] = (), **columns: Any) -> Found:
    some = {"id": "x", "name": "Ana", "stage": "open", "word": "x", "flag": 0, "at": 0, "low_minor": 0, **columns}
    return Found((*(some.get(c.name) for c in KIND.columns), "{}"), keys)


def holds(where: Where, record_: Found) -> bool:
    return predicate(resolve(where, KIND, TYPED), KIND)(record_)


@pytest.mark.parametrize("value", [None, -1, 0, 1])
@pytest.mark.parametrize("other", [None, -1, 0, 1])
def test_comparing_numbers_and_nothing(value: int | None, other: int | None) -> None:
    """Nothing equals nothing, and stands in no order."""
    record_, f = found(score=value), field("score")
    ordered = value is not None and other is not None
    assert holds(f == other, record_) is (value == other)
    assert holds(f != other, record_) is (value != other)
    assert holds(f < other, record_) is (ordered and value < other)  # type: ignore[operator]
    assert holds(f <= other, record_) is (ordered and value <= other)  # type: ignore[operator]
    assert holds(f > other, record_) is (ordered and value > other)  # type: ignore[operator]
    assert holds(f >= other, record_) is (ordered and value >= other)  # type: ignore[operator]


def test_prefixes_are_literal() -> None:
    """23 37: a percent sign is a percent sign, and case matters."""
    assert holds(field("name").prefix("A%"), found(name="A%b"))
    assert not holds(field("name").prefix("A%"), found(name="Axb"))
    assert not holds(field("name").prefix("a"), found(name="Ab"))
    assert holds(field("name").prefix(""), found(name="A"))
    assert not holds(field("owner").prefix(""), found(owner=None))


def test_keys_are_any_of_several() -> None:
    """A record may have several keys of one name, and none."""
    keys = (("tag", "a"), ("tag", "c"), ("email", "b"), ("attribute.size", 1_500_000))
    record_, none_ = found(keys), found()
    assert [holds(field("tag") == t, record_) for t in "abc"] == [True, False, True]
    assert [holds(field("tag") != t, record_) for t in "abc"] == [False, True, False]
    assert holds(field("tag") > "b", record_)
    assert not holds(field("tag") > "c", record_)
    assert not holds(field("email") > "b", record_)
    assert holds(field("tag").prefix("c"), record_)
    assert not holds(field("attribute.size").prefix("1"), record_)
    assert holds(field("attribute.size") > Decimal(1), record_)
    assert (holds(field("tag") == None, none_), holds(field("tag") == None, record_)) == (True, False)  # noqa: E711
    assert (holds(field("tag") != None, none_), holds(field("tag") != None, record_)) == (False, True)  # noqa: E711
    assert not holds(field("tag") < None, record_)
    assert holds(field("tag").in_(["z", "c"]), record_)
    assert not holds(field("tag").in_([]), record_)


def test_money_compares_within_a_currency() -> None:
    """Nothing else would mean anything."""
    euro = found(paid_minor=150, paid_currency="EUR")
    assert holds(field("paid") >= Money("1.50", "EUR"), euro)
    assert not holds(field("paid") > Money("1.50", "EUR"), euro)
    assert not holds(field("paid") > Money("1", "JPY"), euro)
    assert holds(field("paid") != Money("150", "JPY"), euro)
    assert holds(field("paid") != Money("1.50", "EUR"), found())
    assert holds(field("paid").in_([None, Money("1.50", "EUR")]), euro)
    assert holds(field("paid").in_([None]), found())


def test_predicate_takes_resolved_conditions_only() -> None:
    """Anything else is a fault of the caller."""
    with pytest.raises(Misuse, match=r"^str is no condition$"):
        predicate("x", KIND)  # type: ignore[arg-type]


numbers = st.none() | st.integers(-2, 2)
texts = st.sampled_from(["", "a", "A", "ab", "a%", "ä", "b"])
rows = st.builds(
    lambda score, name, owner, stage, flag, paid, tags: found(
        tuple(("tag", t) for t in tags),
        score=score,
        name=name,
        owner=owner,
        stage=stage,
        flag=flag,
        paid_minor=paid,
        paid_currency=None if paid is None else "EUR",
    ),
    numbers,
    texts,
    st.none() | texts,
    st.sampled_from(["open", "shut"]),
    st.integers(0, 1),
    numbers,
    st.lists(texts, max_size=2),
)
ops = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"])
atoms = (
    st.builds(Compare, st.just("score"), ops, numbers)
    | st.builds(Compare, st.sampled_from(["name", "owner", "tag"]), ops, st.none() | texts)
    | st.builds(Compare, st.just("stage"), ops, st.sampled_from(Stage))
    | st.builds(Compare, st.just("flag"), ops, st.booleans())
    | st.builds(Compare, st.just("paid"), ops, st.none() | st.integers(-2, 2).map(lambda i: Money.of_minor(i, "EUR")))
    | st.builds(In, st.just("score"), st.lists(numbers).map(tuple))
    | st.builds(In, st.sampled_from(["name", "tag"]), st.lists(texts).map(tuple))
    | st.builds(Prefix, st.sampled_from(["name", "owner", "tag"]), texts)
)
wheres = st.recursive(
    atoms,
    lambda w: (
        st.builds(Not, w)
        | st.builds(And, st.lists(w, max_size=3).map(tuple))
        | st.builds(Or, st.lists(w, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


@given(wheres, wheres, rows)
def test_the_laws_of_logic(a: Where, b: Where, record_: Found) -> None:
    """Two values only, nothing included: a condition holds or its opposite does, and De Morgan is right."""
    x, y = holds(a, record_), holds(b, record_)
    assert type(x) is bool
    assert holds(~a, record_) is (not x)
    assert holds(~~a, record_) is x
    assert holds(a & b, record_) is (x and y)
    assert holds(a | b, record_) is (x or y)
    assert holds(~(a & b), record_) is holds(~a | ~b, record_)
    assert holds(~(a | b), record_) is holds(~a & ~b, record_)
    assert holds(everything(a, None), record_) is x
    assert holds(EVERYTHING & a, record_) is x
    assert holds(EVERYTHING, record_) is True
    assert holds(Or(()), record_) is False


@given(st.sampled_from(["score", "name", "owner"]), st.lists(numbers | texts), rows)
def test_in_is_any_of_the_equals(name: str, values: list[Any], record_: Found) -> None:
    """And nothing may be among the values."""
    fit = [v for v in values if v is None or (type(v) is int) == (name == "score")]
    some = field(name).in_(fit)
    assert holds(some, record_) is any(holds(field(name) == v, record_) for v in fit)
    assert holds(~some, record_) is all(holds(field(name) != v, record_) for v in fit)


# orders and pages


def naive_order(some: list[Row], order: tuple[str, ...]) -> list[Row]:
    """The meaning, from the last column to the first, by sorts that keep what was."""
    out = sorted(some, key=lambda r: str(r[0]))
    for name in reversed(order):
        at = KIND.position[name.removeprefix("-")]
        nothing = [r for r in out if r[at] is None]
        down = name.startswith("-")
        rest = sorted((r for r in out if r[at] is not None), key=lambda r: r[at], reverse=down)  # type: ignore[arg-type,return-value]
        out = rest + nothing if down else nothing + rest
    return out


some_orders = st.lists(st.sampled_from(["score", "name", "owner", "flag", "id"]), unique=True, max_size=3).flatmap(
    lambda names: st.tuples(*(st.sampled_from([n, "-" + n]) for n in names))
)
tables = st.lists(rows, max_size=12).map(lambda some: [(f"id_{i:02}", *f.row[1:]) for i, f in enumerate(some)])


@given(tables, some_orders)
def test_sort_key_is_the_order(table: list[Row], order: tuple[str, ...]) -> None:
    """Nothing first, or last when turned round; ties by id, which never turns."""
    key = sort_key(orders(order, KIND), KIND)
    assert sorted(table, key=key) == naive_order(table, order)


@given(tables, some_orders, wheres, st.integers(1, 5))
def test_pages_cover_everything_once(table: list[Row], order: tuple[str, ...], where: Where, size: int) -> None:
    """For any condition, order and size of page, following `next` lists what there is, in order, each once."""
    query = checked(Query(where, order, size), KIND)
    meets, key = predicate(query.where, KIND), sort_key(orders(order, KIND), KIND)
    every = sorted((r for r in table if meets(Found(r, ()))), key=key)
    listed: list[Row] = []
    after: str | None = None
    for _ in range(len(table) + 2):
        asked = checked(Query(where, order, size, after), KIND)
        place = place_of(asked, KIND, "main")
        rest = every
        if place is not None:
            as_row: list[Any] = [None] * len(KIND.columns)
            as_row[0] = place[-1]
            for (name, _), value in zip(orders(order, KIND), place, strict=False):
                as_row[KIND.position[name]] = value
            rest = [r for r in every if key(r) > key(tuple(as_row))]
        listed += rest[:size]
        if len(rest) <= size:
            break
        after = cursor_after(rest[size - 1], asked, KIND, "main")
    assert listed == every


ROW = found(score=None, name="Ana", owner="o").row
ASKED = checked(Query(field("stage") == Stage.OPEN, ("-score", "name", "flag"), 10), KIND)
CURSOR = cursor_after(ROW, ASKED, KIND, "main")
REFUSED = r"^after: expected the `next` of a page of the same question, order and tenant, found .* \(cursor\)$"


def place(after: Any, asked: Query = ASKED, tenant: str = "main") -> Any:
    return place_of(Query(asked.where, asked.order, asked.limit, after), KIND, tenant)


def test_a_cursor_is_text_for_addresses() -> None:
    """And goes on after the row that it was made from, whatever the size of the next page."""
    assert place(CURSOR) == (None, "Ana", 0, "x")
    assert place(CURSOR, Query(ASKED.where, ASKED.order, 3)) == (None, "Ana", 0, "x")
    assert CURSOR.replace("-", "").replace("_", "").isalnum()
    assert place(None) is None


@pytest.mark.parametrize(
    ("asked", "tenant"),
    [
        (ASKED, "other"),
        (Query(field("stage") == Stage.SHUT, ASKED.order), "main"),
        (Query(ASKED.where, ("score", "name", "flag")), "main"),
        (Query(ASKED.where, ("-score", "name")), "main"),
        (Query(ASKED.where, ("-score", "name", "flag", "at")), "main"),
        (Query(ASKED.where), "main"),
    ],
)
def test_a_cursor_of_another_question_is_refused(asked: Query, tenant: str) -> None:
    """Another condition, order or tenant."""
    with pytest.raises(Invalid, match=REFUSED):
        place(CURSOR, checked(asked, KIND), tenant)


def forged(*parts: Any) -> str:
    signature = json.loads(base64.urlsafe_b64decode(CURSOR + "=="))[0]
    told = json.dumps([signature, *parts])
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def test_a_cursor_of_another_kind_is_refused() -> None:
    """Although its columns may look the same."""

    @record("q_twin")
    @frozen(kw_only=True)
    class Twin(Thing):
        pass

    with pytest.raises(Invalid, match=REFUSED):
        place_of(Query(ASKED.where, ASKED.order, 10, CURSOR), Twin.__kind__, "main")


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "é",
        "====",
        5,
        b"x",
        [],
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"5").decode(),
        base64.urlsafe_b64encode(b"null").decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"9" * 5000).decode(),
        CURSOR[:-4],
        forged(),
        forged(1, "a", 0),
        forged(1, "a", 0, "x", "x"),
        forged("1", "a", 0, "x"),
        forged(True, "a", 0, "x"),
        forged(1.5, "a", 0, "x"),
        forged(2**63, "a", 0, "x"),
        forged(-(2**63) - 1, "a", 0, "x"),
        forged(1, None, 0, "x"),
        forged(1, "a", None, "x"),
        forged(1, "a", 0, None),
        forged(1, "a", 0, 5),
        forged(1, "a\0", 0, "x"),
        forged(1, "\ud800", 0, "x"),
        forged([1], "a", 0, "x"),
        forged({}, "a", 0, "x"),
    ],
    ids=lambda x: ascii(x)[:20],
)
def test_damaged_and_forged_cursors_are_refused(after: Any) -> None:
    """What a store would choke on never reaches it."""
    with pytest.raises(Invalid, match=REFUSED) as caught:
        place(after)
    assert not isinstance(after, str) or len(after) < 7 or after not in str(caught.value)


def test_a_forged_cursor_that_fits_only_goes_elsewhere() -> None:
    """It shows nothing that the question does not."""
    assert place(forged(1, "a", 0, "x")) == (1, "a", 0, "x")


@given(st.data())
def test_a_cursor_with_random_damage(data: st.DataObject) -> None:
    """It is refused, or is a place of the right types: never another error."""
    at = data.draw(st.integers(0, len(CURSOR)))
    to = data.draw(st.integers(at, min(at + 3, len(CURSOR))))
    after = CURSOR[:at] + data.draw(st.text(max_size=3) | st.text("ABCxyz019-_=", max_size=3)) + CURSOR[to:]
    try:
        score, name, flag, id_ = place(after)
    except Invalid as error:
        assert error.rule == "cursor"
    else:
        assert score is None or type(score) is int
        assert (type(name), type(flag), type(id_)) == (str, int, str)
