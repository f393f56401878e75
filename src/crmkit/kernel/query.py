"""Query: one closed language to ask for records; the Python predicate is its meaning, every store must answer alike.

    (field("stage") == Stage.EXPANSION) & field("owner").in_(["rep-1", "rep-2"])

A host writes conditions over fields and search keys with the domain's own values. `resolve` holds them against the kind
(unknown names and wrong types are refused with the nearest right ones) and leaves only columns, keys and scalars, which
is all that a store ever sees.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import Enum, StrEnum
from functools import cache
from typing import Any, Literal, NamedTuple, NoReturn, cast, get_args

import attrs

from crmkit.errors import Invalid, Misuse, redacted
from crmkit.kernel.dates import PartialDate, instant, micros
from crmkit.kernel.money import Money
from crmkit.kernel.record import Column, Key, Kind, Row, Scalar

Op = Literal["eq", "ne", "lt", "le", "gt", "ge"]
_OPS = get_args(Op)
Value = str | int | bool | Decimal | datetime | date | Enum | PartialDate | Money | None
Typed = Callable[[str, Any], Scalar]
"""Checks a value against the type of a search key and gives its scalar: `(name, value) -> scalar`."""

DECIMAL_PLACES = 6
LONGEST_PAGE = 10_000
DEEPEST = 30

_MILLIONTH = Decimal(1).scaleb(-DECIMAL_PLACES)
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
_LONGEST_NAME = 200


class Where:
    """A condition. Combine with `&`, `|` and `~`; `and`, `or` and `not` cannot work and say so."""

    __slots__ = ()

    def __and__(self, other: Where) -> And:
        return And((self, other))

    def __or__(self, other: Where) -> Or:
        return Or((self, other))

    def __invert__(self) -> Not:
        return Not(self)

    def __bool__(self) -> NoReturn:
        raise Misuse("a condition has no truth of its own: combine conditions with & | ~ and put each in parentheses")


@attrs.frozen
class Compare(Where):
    """A field against a value. Nothing (None) equals only itself and is neither less nor more than anything."""

    field: str
    op: Op
    value: Any


@attrs.frozen
class In(Where):
    """A field that has one of several values."""

    field: str
    values: tuple[Any, ...]


@attrs.frozen
class Prefix(Where):
    """A text field that begins so, character by character."""

    field: str
    text: str


@attrs.frozen
class Has(Where):
    """Some search key of this name stands so to a value: an e-mail, a tag, a custom attribute. `resolve` makes it."""

    key: str
    op: Literal["eq", "lt", "le", "gt", "ge", "prefix", "any"]
    value: Scalar


@attrs.frozen
class And(Where):
    """All of them; none of none is true."""

    parts: tuple[Where, ...]

    def __and__(self, other: Where) -> And:
        return And((*self.parts, other))


@attrs.frozen
class Or(Where):
    """Any of them; any of none is false."""

    parts: tuple[Where, ...]

    def __or__(self, other: Where) -> Or:
        return Or((*self.parts, other))


@attrs.frozen
class Not(Where):
    """The opposite."""

    part: Where


EVERYTHING = And(())


@attrs.frozen(eq=False, order=False)
class Field:
    """A field to compare: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in_`, `prefix`, `has`."""

    name: str

    def __eq__(self, other: object) -> Compare:  # type: ignore[override]  # it builds a condition
        return Compare(self.name, "eq", other)

    def __ne__(self, other: object) -> Compare:  # type: ignore[override]  # it builds a condition
        return Compare(self.name, "ne", other)

    def __lt__(self, other: Value) -> Compare:
        return Compare(self.name, "lt", other)

    def __le__(self, other: Value) -> Compare:
        return Compare(self.name, "le", other)

    def __gt__(self, other: Value) -> Compare:
        return Compare(self.name, "gt", other)

    def __ge__(self, other: Value) -> Compare:
        return Compare(self.name, "ge", other)

    def __hash__(self) -> int:
        return hash(self.name)

    def __bool__(self) -> NoReturn:
        raise Misuse(f"a field has no truth of its own: compare it, as in field({self.name!r}) == True")

    def in_(self, values: Iterable[Value]) -> In:
        """One of these values; None may be among them.

        Raises:
            Misuse: it is one text, which is no list of values.
        """
        if isinstance(values, str):
            raise Misuse(f"field({self.name!r}).in_ takes several values; put the one into a list, or use ==")
        return In(self.name, tuple(values))

    def prefix(self, text: str) -> Prefix:
        """Text that begins so; `%` and `_` are characters like any other."""
        return Prefix(self.name, text)

    def has(self, value: Value) -> Compare:
        """Some search key of this name equals the value."""
        return Compare(self.name, "eq", value)


def field(name: str) -> Field:
    """Name a field or a search key, to build a condition with.

    >>> field("stage") == "expansion"
    Compare(field='stage', op='eq', value='expansion')
    >>> (field("score") >= 60) & ~field("tag").has("vip")
    And(parts=(Compare(field='score', op='ge', value=60), Not(part=Compare(field='tag', op='eq', value='vip'))))
    """
    return Field(name)


def everything(*parts: Where | None) -> Where:
    """All of the conditions that are given, None left out."""
    some = tuple(p for p in parts if p is not None)
    return some[0] if len(some) == 1 else And(some)


@attrs.frozen
class Query:
    """What to find: a condition, an order, how many, and where to go on.

    Attributes:
        where: the condition; everything if nothing is said.
        order: column names; `-` in front turns one round. Nothing comes first (last when turned round), ties go by id.
        limit: how many on a page, 0 to 10,000.
        after: the `next` of the page before.
    """

    where: Where = EVERYTHING
    order: tuple[str, ...] = ()
    limit: int = 100
    after: str | None = None


class Found(NamedTuple):
    """What a predicate is asked about: the columns and the search keys of one record."""

    row: Row
    keys: Sequence[Key]


# resolving: the domain's words become columns, keys and scalars


def scalar_of(name: str, value: Any) -> Scalar:  # noqa: PLR0911 - one case per kind of scalar
    """Give what a store keeps for a value of a search key; decimals are scaled to six places.

    Raises:
        Invalid: rule `type` for what cannot be a key, `range` for what 64 bits cannot hold.
    """
    if isinstance(value, StrEnum):
        return value.value
    kind = cast("type[object]", type(value))
    if kind in (str, type(None)):
        return cast("Scalar", value)
    if kind is bool:
        return int(value)
    if kind is int:
        return _whole(name, value)
    if kind is Decimal:
        return _whole(name, scaled(name, value))
    if kind is datetime:
        return micros(instant(name, value))
    if kind is date:
        return cast("date", value).isoformat()
    if kind is PartialDate:
        return str(value)
    raise Invalid(name, "type", "text, a number, an instant, a date or a word of an enum", redacted(value))


def scaled(name: str, value: Decimal) -> int:
    """Give a decimal as a whole number of millionths.

    Raises:
        Invalid: rule `decimal-places`, there are more than six.
    """
    if not value.is_finite() or value.adjusted() > 12:  # noqa: PLR2004 - what 64 bits hold
        raise Invalid(name, "finite", "a finite number below 10^13 either way", redacted(value))
    try:
        units = value.quantize(_MILLIONTH, context=_EXACT)
    except Inexact:
        expected = f"at most {DECIMAL_PLACES} decimal places"
        raise Invalid(name, "decimal-places", expected, redacted(value)) from None
    return int(units.scaleb(DECIMAL_PLACES, _EXACT))


def _whole(name: str, value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise Invalid(name, "range", "a whole number of 64 bits", f"a number of {value.bit_length()} bits")
    return value


_FITS: dict[str, tuple[tuple[type[Any], ...], str]] = {
    "text": ((str, PartialDate), "text"),
    "int": ((int,), "a whole number"),
    "bool": ((bool,), "True or False"),
    "instant": ((datetime,), "an aware instant"),
    "date": ((date,), "a date"),
}


def _column_scalar(column: Column, value: Any) -> Scalar:
    """Check a value against a column's type and give its scalar."""
    name = column.name
    if value is None:
        return None
    fits, expected = _FITS[column.holds]
    if type(value) not in fits and not (column.holds == "text" and isinstance(value, StrEnum)):
        raise Invalid(name, "type", expected, redacted(value))
    found = scalar_of(name, value)
    if column.how == "enum" and found not in _words(column.enum):
        raise Invalid(name, "word", f"one of {', '.join(_words(column.enum))}", redacted(value))
    return _storable(name, found) if type(found) is str else found


@cache
def _words(enum: Any) -> dict[str, None]:
    return {m.value: None for m in enum}


def _storable(name: str, text: str) -> str:
    if "\0" in text or not _encodable(text):
        raise Invalid(name, "text", "text that can be stored", redacted(text))
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Names(NamedTuple):
    """The names that a query on a kind may use."""

    kind: Kind[Any]
    typed: Mapping[str, Typed]

    def column(self, name: object) -> Column | None:
        at = self.kind.position.get(name) if type(name) is str else None
        return None if at is None else self.kind.columns[at]

    def money(self, name: object) -> Column | None:
        """The column of the amount, if the name is that of a field of money."""
        column = self.column(f"{name}_minor")
        return column if column is not None and column.how == "minor" and column.field == name else None

    def is_key(self, name: object) -> bool:
        return type(name) is str and (name in self.typed or (name in self.kind.key_names and not name.endswith("*")))

    def unknown(self, name: object) -> Invalid:
        all_names = [*self.kind.position, *(k for k in self.kind.key_names if not k.endswith("*")), *self.typed]
        short = type(name) is str and len(name) <= _LONGEST_NAME
        near = difflib.get_close_matches(str(name), all_names, 3) if short else []
        known = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(all_names)}"
        return Invalid(
            f"{self.kind.name} query", "unknown-field", f"a field of {self.kind.name}: {known}", redacted(name)
        )


def resolve(where: Where, kind: Kind[Any], typed: Mapping[str, Typed] | None = None) -> Where:
    """Turn a condition over fields into one over columns, keys and scalars: what stores and `predicate` take.

    `typed` names further search keys, such as the attributes that the host declares, with the check of their type.

    Raises:
        Invalid: rule `unknown-field`, `type`, `word` or `range`, before any store is asked.
    """
    return _resolve(where, _Names(kind, typed or {}), 0)


def _resolve(where: Where, names: _Names, depth: int) -> Where:  # noqa: C901, PLR0911, PLR0912 - one case per node
    if depth > DEEPEST:
        raise Invalid("query", "too-deep", f"at most {DEEPEST} levels")
    match where:
        case Compare(name, op, value):
            return _resolve_compare(name, op, value, names)
        case In(name, values):
            if type(values) is not tuple:
                raise Invalid(str(name), "type", "a tuple of values", redacted(values))
            if len(values) > LONGEST_PAGE:
                raise Invalid(name, "too-many", f"at most {LONGEST_PAGE} values", f"{len(values)} values")
            column = names.column(name)
            if column is not None:
                return In(name, tuple(dict.fromkeys(_column_scalar(column, v) for v in values)))
            return Or(tuple(_resolve_compare(name, "eq", v, names) for v in values))
        case Prefix(name, text):
            if type(text) is not str:
                raise Invalid(str(name), "type", "text", redacted(text))
            _storable(str(name), text)
            if (column := names.column(name)) is not None:
                if column.holds != "text":
                    raise Invalid(name, "type", "a text field for prefix", f"a field of {column.holds}")
                return where
            if names.is_key(name):
                return Has(name, "prefix", text)
            raise names.unknown(name)
        case And(parts) | Or(parts):
            if type(parts) is not tuple:
                raise Invalid("query", "type", "a tuple of conditions", redacted(parts))
            return type(where)(tuple(_resolve(p, names, depth + 1) for p in parts))
        case Not(part):
            return Not(_resolve(part, names, depth + 1))
        case _:
            raise Invalid("query", "type", "a condition built with field(…)", redacted(where))


def _resolve_compare(name: str, op: Op, value: Any, names: _Names) -> Where:
    if op not in _OPS:
        raise Invalid("query", "operator", f"one of {', '.join(_OPS)}", redacted(op))
    if (column := names.column(name)) is not None:
        return Compare(name, op, _column_scalar(column, value))
    if names.money(name) is not None:
        return _resolve_money(name, op, value)
    if not names.is_key(name):
        raise names.unknown(name)
    typed = names.typed.get(name, _key_text)
    if value is None:
        there = Has(name, "any", None)
        return Or(()) if op not in ("eq", "ne") else there if op == "ne" else Not(there)
    found = typed(name, value)
    return Not(Has(name, "eq", found)) if op == "ne" else Has(name, op, found)


def _key_text(name: str, value: Any) -> Scalar:
    found = scalar_of(name, value)
    if type(found) is not str:
        raise Invalid(name, "type", "text", redacted(value))
    return _storable(name, found)


def _resolve_money(name: str, op: Op, value: Any) -> Where:
    if value is None:
        return Compare(f"{name}_minor", op, None)
    if type(value) is not Money:
        raise Invalid(name, "type", "Money", redacted(value))
    same = Compare(f"{name}_currency", "eq", value.currency)
    if op == "ne":
        return Not(And((same, Compare(f"{name}_minor", "eq", value.minor))))
    return And((same, Compare(f"{name}_minor", op, value.minor)))


# meaning: what a resolved condition says of one record


def _lt(a: Any, b: Any) -> bool:
    return a is not None and type(a) is type(b) and a < b


def _le(a: Any, b: Any) -> bool:
    return a is not None and type(a) is type(b) and a <= b


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": _lt,
    "le": _le,
    "gt": lambda a, b: _lt(b, a),
    "ge": lambda a, b: _le(b, a),
    "prefix": lambda a, b: isinstance(a, str) and a.startswith(b),
    "any": lambda _a, _b: True,
}


def predicate(where: Where, kind: Kind[Any]) -> Callable[[Found], bool]:  # noqa: PLR0911 - one case per node
    """Give the meaning of a resolved condition: a function that tells whether a record meets it."""
    match where:
        case Compare(name, op, value):
            i, test = kind.position[name], _TESTS[op]
            return lambda f: test(f.row[i], value)
        case In(name, values):
            i, some = kind.position[name], frozenset(values)
            return lambda f: f.row[i] in some
        case Prefix(name, text):
            i = kind.position[name]
            return lambda f: isinstance(v := f.row[i], str) and v.startswith(text)
        case Has(key, op, value):
            test = _TESTS[op]
            return lambda f: any(k == key and test(v, value) for k, v in f.keys)
        case And(parts):
            tests = [predicate(p, kind) for p in parts]
            return lambda f: all(t(f) for t in tests)
        case Or(parts):
            tests = [predicate(p, kind) for p in parts]
            return lambda f: any(t(f) for t in tests)
        case Not(part):
            inner = predicate(part, kind)
            return lambda f: not inner(f)
        case _:
            raise Misuse(f"{type(where).__name__} is no condition")


def orders(order: Sequence[str], kind: Kind[Any]) -> tuple[tuple[str, bool], ...]:
    """Give an order as pairs of column and whether it is turned round.

    Raises:
        Invalid: rule `unknown-field`, it names no column; rule `order`, it names one twice.
    """
    out: list[tuple[str, bool]] = []
    for given in order:
        name = given.removeprefix("-") if type(given) is str else given
        if type(name) is not str or name not in kind.position:
            raise _Names(kind, {}).unknown(name)
        if any(n == name for n, _ in out):
            raise Invalid("order", "order", "each field once", "a field twice")
        out.append((name, given.startswith("-")))
    return tuple(out)


def sort_key(order: Sequence[tuple[str, bool]], kind: Kind[Any]) -> Callable[[Row], Any]:
    """Give the meaning of an order, a key to sort rows by: nothing first, or last when turned round; ties by id."""
    at = [(kind.position[n], down) for n, down in order]
    return lambda row: (*(_Backward(row[i]) if down else _forward(row[i]) for i, down in at), row[0])


def _forward(value: Scalar) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


class _Backward:
    """Sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Scalar) -> None:
        self.value = _forward(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backward) and self.value == other.value

    def __lt__(self, other: _Backward) -> bool:
        return other.value < self.value

    __hash__ = None  # type: ignore[assignment]  # it only sorts


# pages: a cursor carries the last row's place in the order, and what it is a cursor of


def _signature(query: Query, kind: Kind[Any], tenant: str) -> str:
    told = repr((kind.name, tenant, query.where, query.order))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cursor_after(row: Row, query: Query, kind: Kind[Any], tenant: str) -> str:
    """Give the cursor for what follows a row in the order of a resolved query."""
    place = [row[kind.position[n]] for n, _ in orders(query.order, kind)]
    told = json.dumps([_signature(query, kind, tenant), *place, row[0]], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def place_of(query: Query, kind: Kind[Any], tenant: str) -> tuple[Scalar, ...] | None:
    """Give the place that a query goes on after: the last row's ordering columns and its id; None from the start.

    Raises:
        Invalid: rule `cursor`, it is damaged or comes from another question, tenant or order.
    """
    if query.after is None:
        return None
    expected = "the `next` of a page of the same question, order and tenant"
    try:
        padded = query.after + "=" * (-len(query.after) % 4)
        signature, *place = cast("list[Any]", json.loads(base64.urlsafe_b64decode(padded.encode("ascii"))))
    except (ValueError, binascii.Error, UnicodeError, RecursionError, AttributeError, TypeError):
        raise Invalid("after", "cursor", expected, redacted(query.after)) from None
    columns = [kind.columns[kind.position[n]] for n, _ in orders(query.order, kind)]
    ends = [*columns, kind.columns[0]]
    if signature != _signature(query, kind, tenant) or len(place) != len(ends) or not all(map(_is_place, place, ends)):
        raise Invalid("after", "cursor", expected, redacted(query.after))
    return tuple(place)


def _is_place(value: Any, column: Column) -> bool:
    """Tell whether a column may hold a value. Somebody may have written the cursor, and stores trust it."""
    if value is None:
        return column.null
    if column.holds in ("text", "date"):
        return type(value) is str and "\0" not in value and _encodable(value)
    return type(value) is int and -(2**63) <= value < 2**63


def checked(query: Query, kind: Kind[Any], typed: Mapping[str, Typed] | None = None) -> Query:
    """Resolve a query against a kind, its order and bounds included.

    Raises:
        Invalid: as `resolve` and `orders`; rule `range` for a limit below 0 or above 10,000.
    """
    if type(query.limit) is not int or not 0 <= query.limit <= LONGEST_PAGE:
        raise Invalid("limit", "range", f"a whole number from 0 to {LONGEST_PAGE}", redacted(query.limit))
    orders(query.order, kind)
    return Query(resolve(query.where, kind, typed), query.order, query.limit, query.after)
