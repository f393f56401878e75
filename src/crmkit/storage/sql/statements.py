"""The statements that do not depend on a question: compiled once, with their parameters in the order of their names."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from crmkit.kernel.record import Key, Kind
from crmkit.storage.sql import sqlite
from crmkit.storage.sql.questions import Questions, in_order
from crmkit.storage.sql.tables import Fixed
from crmkit.storage.store import Stored


def _is(column: Any, name: str) -> Any:
    return column == sa.bindparam(name, type_=column.type)


def _to(column: Any) -> Any:
    return sa.bindparam(f"{column.name}_", type_=column.type)


def _sql(statement: Any, *names: str) -> str:
    return in_order(statement, sqlite.DIALECT, *names)


def _word(text: str) -> Any:
    return sa.literal_column(f"'{text}'", sa.String)


def _inserted(table: sa.Table, **given: Any) -> str:
    """Insert a row; what is `given` as SQL takes no parameter, the rest does in the order of the columns."""
    asked = [c.name for c in table.columns if c.name not in given]
    values: dict[str, Any] = {n: sa.bindparam(n) for n in asked}
    return _sql(table.insert().values(values | given), *asked)


class Statements:
    """The statements on the tables that every store has."""

    def __init__(self, fixed: Fixed) -> None:
        j, i, o, a, s = fixed.journal.c, fixed.index.c, fixed.outbox.c, fixed.applied.c, fixed.schema.c
        clock, nothing = sqlite.CLOCK, sa.null()

        self.head = _sql(sa.select(sa.func.max(j.position)).where(_is(j.tenant, "t")), "t")
        self.record = _inserted(fixed.journal)
        erased = fixed.journal.update().values(personal=nothing).where(_is(j.tenant, "t"), j.personal.is_not(None))
        self.erase = _sql(erased.where(_is(j.customer, "c")), "t", "c")
        self.erase_own = _sql(erased.where(j.kind == _word("customer"), _is(j.subject, "c")), "t", "c")

        keyed = sa.and_(_is(i.tenant, "t"), _is(i.kind, "k"), _is(i.id, "i"))
        self.keys = _sql(sa.select(i.name, i.text, i.num).where(keyed).order_by(i.n), "t", "k", "i")
        self.key = _inserted(fixed.index)
        self.unkey = _sql(fixed.index.delete().where(keyed), "t", "k", "i")

        self.applied = _sql(sa.select(a.batch).where(_is(a.tenant, "t"), _is(a.batch, "k")), "t", "k")
        self.apply = _inserted(fixed.applied, applied=clock)

        zero = sa.literal_column("0", sa.BigInteger)
        fresh = {"state": _word("open"), "attempt": zero, "token": nothing, "leased_until": nothing, "why": nothing}
        self.send = _inserted(fixed.outbox, **fresh)
        mine = sa.and_(_is(o.tenant, "t"), _is(o.id, "i"))
        self.sent = _sql(sa.select(o.id).where(mine), "t", "i")
        free = sa.or_(o.leased_until.is_(None), o.leased_until <= clock)
        due = sa.select(o.tenant, o.id, o.body, o.due, o.attempt, clock)
        due = due.where(_is(o.queue, "q"), o.due <= sa.bindparam("d", type_=o.due.type), free)
        self.due = f"{_sql(due.order_by(o.due, o.tenant, o.id), 'q', 'd')} LIMIT ?"
        claimed = {"attempt": _to(o.attempt), "token": _to(o.token), "leased_until": _to(o.leased_until)}
        taken = fixed.outbox.update().values(claimed).where(mine, o.due.is_not(None), free)
        self.claim = _sql(taken, "attempt_", "token_", "leased_until_", "t", "i")
        held = fixed.outbox.update().where(mine, _is(o.token, "h"))
        let_go = {"token": nothing, "leased_until": nothing}
        longer = clock + sa.bindparam("lease", type_=o.leased_until.type)
        self.extend = _sql(held.values(leased_until=longer), "lease", "t", "i", "h")
        self.retry = _sql(held.values(due=_to(o.due), **let_go), "due_", "t", "i", "h")
        done = held.values(body=_word(""), due=nothing, state=_word("done"), **let_go)
        self.done = _sql(done, "t", "i", "h")
        self.dead = _sql(held.values(due=nothing, state=_word("dead"), why=_to(o.why), **let_go), "why_", "t", "i", "h")

        self.versions = _sql(sa.select(s.name, s.version))
        self.version = _inserted(fixed.schema)
        self.outdate = _sql(fixed.schema.delete().where(_is(s.name, "n")), "n")

        self._journal = fixed.journal
        self._events: dict[tuple[str, bool], str] = {}

    def events(self, about: str, *, newest_first: bool) -> str:
        """Read the journal of `all`, about a `record` or about a `customer`."""
        if (made := self._events.get((about, newest_first))) is None:
            made = self._events[about, newest_first] = self._compiled(about, newest_first=newest_first)
        return made

    def _compiled(self, about: str, *, newest_first: bool) -> str:
        j = self._journal.c
        after, before = (sa.bindparam(n, type_=j.position.type) for n in ("a", "b"))
        between = sa.select(*[c for c in j if c.name != "tenant"])
        between = between.where(_is(j.tenant, "t"), j.position > after, j.position < before)
        whole = ("t", "a", "b")
        mine = (_is(j.kind, "k"), _is(j.subject, "s"))
        if about == "all":
            asked: Any = between
            names: tuple[str, ...] = whole
        elif about == "record":
            asked, names = between.where(*mine), (*whole, "k", "s")
        else:
            others = sa.or_(j.customer.is_(None), j.customer != sa.bindparam("s", type_=j.subject.type))
            asked = sa.union_all(between.where(_is(j.customer, "s")), between.where(*mine, others))
            names = (*whole, "s", *whole, "k", "s", "s")
        order = sa.text("position DESC" if newest_first else "position")
        return f"{_sql(asked.order_by(order), *names)} LIMIT ?"


class Records:
    """The statements on the table of a kind.

    Attributes:
        kind: the kind.
        unique: the names of its unique keys.
        keyed: whether it has search keys.
        left: columns that older layouts have left behind; each update empties them.
        questions: what can be asked about it.
    """

    def __init__(self, kind: Kind[Any], table: sa.Table, index: sa.Table, left: tuple[str, ...]) -> None:
        self.kind, self.left = kind, left
        self.unique = tuple(kind.unique)
        self.keyed = kind.keys is not None
        self.questions = Questions(kind, table, index, sqlite.DIALECT, sqlite.among)
        self._table = table
        self._mine = sa.and_(_is(table.c.crm_tenant, "t"), _is(table.c.id, "i"))

    @cached_property
    def get(self) -> str:
        """The record of an id."""
        return _sql(sa.select(*self.questions.columns).where(self._mine), "t", "i")

    @cached_property
    def get_all(self) -> str:
        """The records of a list of ids in JSON."""
        c = self._table.c
        some = sqlite.among(c.id, sa.bindparam("i", type_=sa.String))
        return _sql(sa.select(*self.questions.columns).where(_is(c.crm_tenant, "t"), some), "t", "i")

    @cached_property
    def version(self) -> str:
        """The version of the record of an id."""
        return _sql(sa.select(self._table.c.crm_version).where(self._mine), "t", "i")

    @cached_property
    def insert(self) -> str:
        """A new record: tenant, row, unique keys, version, layout."""
        return _inserted(self._table)

    @cached_property
    def update(self) -> str:
        """A record at the expected version: row after the id, unique keys, version, layout; tenant, id, expected."""
        columns = [c for c in self._table.columns if c.name not in ("crm_tenant", "id")]
        left: list[Any] = [sa.column(n) for n in self.left]
        table: Any = sa.table(self._table.name, *(sa.column(c.name, c.type) for c in self._table.columns), *left)
        mine = (_is(table.c.crm_tenant, "t"), _is(table.c.id, "i"), _is(table.c.crm_version, "v"))
        values: dict[Any, Any] = {table.c[c.name]: _to(c) for c in columns}
        values |= {table.c[n]: sa.null() for n in self.left}
        return _sql(table.update().values(values).where(*mine), *(f"{c.name}_" for c in columns), "t", "i", "v")

    @cached_property
    def delete(self) -> str:
        """A record at the expected version."""
        return _sql(self._table.delete().where(self._mine, _is(self._table.c.crm_version, "v")), "t", "i", "v")

    @cached_property
    def free(self) -> str:
        """Take the unique keys from a record, so that another one of the same batch may take them."""
        nothing = {f"crm_u_{n}": sa.null() for n in self.unique}
        return _sql(self._table.update().values(nothing).where(self._mine), "t", "i")

    @cached_property
    def holders(self) -> tuple[str, ...]:
        """For each unique key: who has it."""
        c = self._table.c
        columns = [c[f"crm_u_{n}"] for n in self.unique]
        return tuple(_sql(sa.select(c.id).where(_is(c.crm_tenant, "t"), _is(u, "u")), "t", "u") for u in columns)

    @cached_property
    def left_behind(self) -> str:
        """What older layouts have left behind in the record of an id."""
        columns: list[Any] = [sa.column(n) for n in self.left]
        return _sql(sa.select(*columns).select_from(self._table).where(self._mine), "t", "i")

    @cached_property
    def walk(self) -> str:
        """The rows of all tenants after one: tenant, version, layout, columns, what is left behind, the rest."""
        c = self._table.c
        *columns, rest = self.questions.columns
        left: list[Any] = [sa.column(n) for n in self.left]
        place = sa.tuple_(sa.bindparam("t", type_=sa.String), sa.bindparam("i", type_=sa.String))
        after = sa.tuple_(c.crm_tenant, c.id) > place
        walked = sa.select(c.crm_tenant, *columns, *left, rest).where(after).order_by(c.crm_tenant, c.id)
        return f"{_sql(walked, 't', 'i')} LIMIT ?"


def pair(key: Key) -> tuple[Any, ...]:
    """Give a search key as name, text and number."""
    name, value = key
    return (name, None, value) if type(value) is int else (name, value, None)


class Rows:
    """Rows to write together: those of a statement in one go."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._keys: list[tuple[Any, ...]] = []

    def insert(self, records: Records, tenant: str, now: Stored, unique: tuple[str | None, ...]) -> None:
        """Write a new record."""
        row = (tenant, *now.row, *unique, now.version, now.schema)
        self._rows.setdefault(records.insert, []).append(row)

    def update(
        self, records: Records, tenant: str, now: Stored, unique: tuple[str | None, ...], *, expected: int
    ) -> None:
        """Write a record that is at the expected version."""
        row = (*now.row[1:], *unique, now.version, now.schema, tenant, now.id, expected)
        self._rows.setdefault(records.update, []).append(row)

    def key(self, tenant: str, kind: str, id: str, keys: Iterable[Key]) -> None:  # noqa: A002 - the field's own word
        """Write the search keys of a record that has none."""
        self._keys += [(tenant, kind, id, n, *pair(k)) for n, k in enumerate(keys)]

    def write(self, cursor: sqlite3.Cursor, sql: Statements) -> bool:
        """Write them all; False if not all were at the version expected."""
        for statement, rows in self._rows.items():
            if cursor.executemany(statement, rows).rowcount != len(rows):
                return False
        cursor.executemany(sql.key, self._keys)
        return True
