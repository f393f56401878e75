"""Conditions, orders and pages as SQL that answers exactly like `predicate` and `sort_key`, compiled once per shape.

`plan` takes a condition apart into its shape, which decides the SQL, and its values, which are bound. What makes SQL
answer like Python: text is compared by code point (binary collations); a prefix is a range, never LIKE; nothing (NULL)
comes first; and `Not` turns round what is true, so that "unknown" counts as false, as it does at the top anyway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.sql.elements import Grouping

from crmkit.errors import Misuse
from crmkit.kernel.query import And, Compare, Has, In, Not, Or, Prefix, Where, orders
from crmkit.kernel.record import Kind, Scalar

Plan = tuple[Any, ...]
Among = Callable[[Any, Any], Any]

_LAST: Final = "\U0010ffff"
_FEW: Final = 8  # engines limit how deep an expression and its parentheses may be: SQLite at 1,000 and 100
_MANY: Final = 50
_KEPT: Final = 1000  # more shapes than a program asks; whoever makes them up begins again


class Statement(NamedTuple):
    """SQL text, and what picks its parameters, in their order, from the values."""

    sql: str
    pick: Callable[[Sequence[Any]], tuple[Any, ...]]


def compiled(statement: Any, dialect: Any, names: Sequence[str], end: str = "") -> Statement:
    """Compile a statement whose parameters have these names, in whatever order they stand in it.

    Raises:
        Misuse: SQLAlchemy has made a parameter of its own, out of a literal.
    """
    made = statement.compile(dialect=dialect)
    asked = [*(made.positiontup or ()), *([end] if end else [])]
    if unknown := set(asked) - set(names):
        raise Misuse(f"{made} takes parameters that nobody gives: {unknown}")
    sql = f"{made} LIMIT ?" if end else str(made)
    places = [names.index(n) for n in asked]
    if len(places) > 1:
        return Statement(sql, itemgetter(*places))
    return Statement(sql, itemgetter(slice(places[0], places[0] + 1) if places else slice(0)))


def in_order(statement: Any, dialect: Any, *names: str) -> str:
    """Compile a statement whose parameters stand in this order.

    Raises:
        Misuse: they do not, so that a value would get to the wrong place.
    """
    made = statement.compile(dialect=dialect)
    if tuple(made.positiontup or ()) != names:
        raise Misuse(f"the parameters of {made} do not stand in the order {names}")
    return str(made)


def plan(where: Where, values: list[Any]) -> Plan:
    """Take a resolved condition apart: give its shape, and add its values in the order in which SQL binds them."""
    return _taken(where, values, negated=False)[0]


def _taken(where: Where, values: list[Any], *, negated: bool) -> tuple[Plan, int]:
    """Give the shape and how deep it is. `Not` is pushed down to the single conditions, and what can be flat is."""
    kind = type(where)
    if kind is Not:
        return _taken(cast("Not", where).part, values, negated=not negated)
    if kind is And:
        return _joined("or" if negated else "and", cast("And", where).parts, values, negated=negated)
    if kind is Or:
        return _joined("and" if negated else "or", _gathered(cast("Or", where).parts), values, negated=negated)
    shape = _single(where, values)
    return (("not", shape) if negated else shape), 0


def _joined(op: str, parts: Sequence[Where], values: list[Any], *, negated: bool) -> tuple[Plan, int]:
    """Join conditions, the deepest first: parsers remember less of what comes after."""
    if len(parts) == 1:
        return _taken(parts[0], values, negated=negated)
    taken: list[tuple[int, Plan, list[Any]]] = []
    for p in parts:
        own: list[Any] = []
        shape, depth = _taken(p, own, negated=negated)
        taken.append((-depth, shape, own))
    if any(depth for depth, _, _ in taken):
        taken.sort(key=lambda t: t[0])
    shapes: list[Plan] = []
    for _, shape, own in taken:
        values += own
        shapes += shape[1:] if shape[0] == op else [shape]
    return (op, *shapes), 1 - min((depth for depth, _, _ in taken), default=0)


def _single(where: Where, values: list[Any]) -> Plan:
    if isinstance(where, Compare):
        name, op, value = where.field, where.op, where.value
        if value is None:
            return ("null", name) if op == "eq" else ("some", name) if op == "ne" else ("never",)
        values.append(value)
        return (op, name)
    if isinstance(where, Has):
        return _plan_key(where.key, where.op, where.value, values)
    if isinstance(where, In):
        there = [v for v in where.values if v is not None]
        if there:
            values.append(_listed(there))
        return ("in", where.field, len(there) > 0, len(there) < len(where.values))
    if isinstance(where, Prefix):
        return ("prefix", where.field, _bounds(where.text, values)) if where.text else ("some", where.field)
    if isinstance(where, _KeyIn):
        values += [where.key, _listed(where.values)]
        return ("key in", type(where.values[0]) is str)
    raise Misuse(f"{type(where).__name__} is no condition")


def _plan_key(key: str, op: str, value: Scalar, values: list[Any]) -> Plan:
    if value is None and op not in ("any", "eq"):
        return ("never",)
    values.append(key)
    if op == "prefix":
        text = cast("str", value)
        return ("key prefix", _bounds(text, values)) if text else ("key text",)
    if op == "any":
        return ("key any",)
    if value is None:
        return ("key null",)
    values.append(value)
    return ("key", op, type(value) is str)


def _bounds(text: str, values: list[Any]) -> bool:
    """Bind the range of texts that begin so; False if it has no end."""
    values.append(text)
    if (end := after_all(text)) is None:
        return False
    values.append(end)
    return True


def after_all(prefix: str) -> str | None:
    """Give the least text that comes after every text that begins so, by code point; None if there is none.

    >>> after_all("ab")
    'ac'
    """
    head = prefix.rstrip(_LAST)
    if not head:
        return None
    code = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if code == 0xD800 else code)  # noqa: PLR2004 - surrogates are no characters


def _listed(some: Sequence[Scalar]) -> str:
    return json.dumps(some, ensure_ascii=False)


class _KeyIn(Where):
    """Some search key of this name equals one of several values of one type."""

    __slots__ = ("key", "values")

    def __init__(self, key: str, values: Sequence[Scalar]) -> None:
        self.key, self.values = key, values


def _gathered(parts: Sequence[Where]) -> Sequence[Where]:
    """Make one question of many equalities of a search key."""
    if len(parts) <= 1:
        return parts
    some: dict[tuple[str, bool], list[Scalar]] = {}
    rest: list[Where] = []
    for p in parts:
        if isinstance(p, Has) and p.op == "eq" and p.value is not None:
            some.setdefault((p.key, type(p.value) is str), []).append(p.value)
        else:
            rest.append(p)
    return [*(Has(k, "eq", v[0]) if len(v) == 1 else _KeyIn(k, v) for (k, _), v in some.items()), *rest]


class Questions:
    """The questions that can be asked about one kind, each compiled when it is first asked."""

    def __init__(self, kind: Kind[Any], table: sa.Table, index: sa.Table, dialect: Any, among: Among) -> None:
        self._kind, self._index, self._dialect, self._among = kind, index, dialect, among
        self._table, self._c = table, cast("Mapping[str, Any]", table.c)
        self._made: dict[object, Statement] = {}
        self.columns = [self._c[n] for n in ("crm_version", "crm_layout", *kind.position, "crm_extra")]

    def find(
        self, tenant: str, where: Where, order: tuple[str, ...], place: Sequence[Scalar] | None, limit: int
    ) -> tuple[str, Any]:
        """Give the SQL of a page and its parameters."""
        values: list[Any] = [tenant, limit]
        gaps = None
        if place is not None:
            values += place
            gaps = tuple(v is None for v in place)
        shape = plan(where, values)
        key = (shape, order, gaps)
        if (made := self._made.get(key)) is None:
            given = [f"p{i}" for i in range(len(gaps or ()))]
            asked = [f"v{i}" for i in range(len(values) - 2 - len(given))]
            names = ["tenant", "limit", *given, *asked]
            made = self._keep(key, compiled(self._find(shape, order, gaps), self._dialect, names, end="limit"))
        return made.sql, made.pick(values)

    def count(self, tenant: str, where: Where) -> tuple[str, Any]:
        """Give the SQL of a count and its parameters."""
        values: list[Any] = [tenant]
        shape = plan(where, values)
        if (made := self._made.get(shape)) is None:
            asked = self._asked(sa.select(sa.func.count(sa.literal_column("*"))).select_from(self._table), shape)
            names = ["tenant", *(f"v{i}" for i in range(len(values) - 1))]
            made = self._keep(shape, compiled(asked, self._dialect, names))
        return made.sql, made.pick(values)

    def _keep(self, key: object, made: Statement) -> Statement:
        if len(self._made) >= _KEPT:
            self._made.clear()
        self._made[key] = made
        return made

    def _asked(self, statement: Any, shape: Plan) -> Any:
        if shape != ("and",):
            statement = statement.where(self._clause(shape, (f"v{i}" for i in count())))
        return statement.where(self._c["crm_tenant"] == sa.bindparam("tenant", type_=sa.String))

    def _find(self, shape: Plan, order: tuple[str, ...], gaps: tuple[bool, ...] | None) -> Any:
        ways = [*orders(order, self._kind)]
        if all(name != "id" for name, _ in ways):
            ways.append(("id", False))
        asked = self._asked(sa.select(*self.columns), shape)
        arms = [asked] if gaps is None else [asked.where(s) for s in self._segments(ways, gaps)]
        if len(arms) == 1:
            columns = [(self._c[name], down) for name, down in ways]
            return arms[0].order_by(*(c.desc() if down else c for c, down in columns))
        named: list[tuple[Any, bool]] = [(sa.column(name), down) for name, down in ways]
        return sa.union_all(*arms).order_by(*(c.desc() if down else c for c, down in named))

    def _segments(self, ways: Sequence[tuple[str, bool]], gaps: Sequence[bool]) -> list[Any]:
        """Say which rows come after a place: in pieces that do not overlap, and to each of which an index can go."""
        columns = [self._c[name] for name, _ in ways]
        place = [sa.bindparam(f"p{i}", type_=c.type) for i, c in enumerate(columns)]
        if not any(gaps) and not any(down for _, down in ways):
            return [sa.tuple_(*columns) > sa.tuple_(*place) if len(columns) > 1 else columns[0] > place[0]]
        same, beyond = self._split(columns[0], place[0], gap=gaps[0], down=ways[0][1])
        rest = self._rest(columns[1:], place[1:], gaps[1:], [down for _, down in ways[1:]])
        return [*([sa.and_(same, rest)] if rest is not None else []), *beyond]

    def _rest(self, columns: Sequence[Any], place: Sequence[Any], gaps: Sequence[bool], downs: Sequence[bool]) -> Any:
        if not columns:
            return None
        same, beyond = self._split(columns[0], place[0], gap=gaps[0], down=downs[0])
        rest = self._rest(columns[1:], place[1:], gaps[1:], downs[1:])
        some = [*([sa.and_(same, rest)] if rest is not None else []), *beyond]
        return sa.or_(*some) if some else None

    @staticmethod
    def _split(column: Any, value: Any, *, gap: bool, down: bool) -> tuple[Any, list[Any]]:
        """Say what is at a value, and what comes after it: nothing (NULL) comes first, and last when turned round."""
        if gap:
            return column.is_(None), [] if down else [column.is_not(None)]
        return column == value, [column < value, column.is_(None)] if down else [column > value]

    def _clause(self, shape: Plan, names: Iterator[str]) -> Any:  # noqa: C901, PLR0911 - one case per shape
        match shape:
            case ("and", *parts):
                return _wide(sa.and_, sa.true(), [self._clause(p, names) for p in parts], _deep(parts))
            case ("or", *parts):
                return _wide(sa.or_, sa.false(), [self._clause(p, names) for p in parts], _deep(parts))
            case ("not", part):
                return Grouping(self._clause(part, names)).is_not(sa.true())
            case ("never",):
                return sa.false()
            case ("null", name):
                return self._c[name].is_(None)
            case ("some", name):
                return self._c[name].is_not(None)
            case ("in", name, some, none):
                column = self._c[name]
                parts = [self._among(column, self._bind(names, sa.String))] if some else []
                return sa.or_(sa.false(), *parts, *([column.is_(None)] if none else []))
            case ("prefix", name, bounded):
                return self._begins(self._c[name], names, bounded=bounded)
            case ("ne", name):
                column = self._c[name]
                return column.is_distinct_from(self._bind(names, column.type))
            case (("eq" | "lt" | "le" | "gt" | "ge") as op, name):
                return self._compared(self._c[name], op, names)
            case _:
                return self._has(shape, names)

    def _has(self, shape: Plan, names: Iterator[str]) -> Any:
        index = self._index.c
        mine = [
            index.tenant == sa.bindparam("tenant", type_=sa.String),
            index.kind == sa.literal_column("'" + self._kind.name.replace("'", "''") + "'", sa.String),
            index.name == self._bind(names, sa.String),
        ]
        match shape:
            case ("key", op, True):
                mine.append(self._compared(index.text, op, names))
            case ("key", op, False):
                mine += [index.text.is_(None), self._compared(index.num, op, names)]
            case ("key in", True):
                mine.append(self._among(index.text, self._bind(names, sa.String)))
            case ("key in", False):
                mine += [index.text.is_(None), self._among(index.num, self._bind(names, sa.String))]
            case ("key prefix", bounded):
                mine.append(self._begins(index.text, names, bounded=bounded))
            case ("key text",):
                mine.append(index.text.is_not(None))
            case ("key null",):
                mine += [index.text.is_(None), index.num.is_(None)]
            case _:  # ("key any",)
                pass
        return self._c["id"].in_(sa.select(index.id).where(*mine))

    @staticmethod
    def _bind(names: Iterator[str], kind: Any) -> Any:
        return sa.bindparam(next(names), type_=kind)

    def _compared(self, column: Any, op: str, names: Iterator[str]) -> Any:
        value = self._bind(names, column.type)
        if op == "eq":
            return column == value
        if op in ("lt", "le"):
            return column < value if op == "lt" else column <= value
        return column > value if op == "gt" else column >= value

    def _begins(self, column: Any, names: Iterator[str], *, bounded: bool) -> Any:
        least = column >= self._bind(names, column.type)
        return sa.and_(least, column < self._bind(names, column.type)) if bounded else least


class _Apart(Grouping[Any]):
    """Parentheses that SQLAlchemy does not take away again."""

    __visit_name__ = "grouping"
    inherit_cache = True
    operator = None


def _deep(parts: Sequence[Plan]) -> int:
    """Tell how many parts, at the beginning, are joined ones."""
    return sum(p[0] in ("and", "or") for p in parts)


def _wide(join: Callable[..., Any], empty: Any, parts: Sequence[Any], deep: int) -> Any:
    """Join any number of conditions; if they are many, in groups, and the deep ones apart from the rest."""
    if len(parts) <= _FEW:
        return join(empty, *parts)
    if deep and deep < len(parts):
        return join(*(_Apart(_wide(join, empty, some, 0)) for some in (parts[:deep], parts[deep:])))
    if len(parts) <= _MANY:
        return join(empty, *parts)
    groups = [_Apart(join(empty, *parts[i : i + _MANY])) for i in range(0, len(parts), _MANY)]
    return _wide(join, empty, groups, 0)
