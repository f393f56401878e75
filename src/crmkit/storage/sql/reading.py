"""Reading: records, pages, counts and the journal of one tenant."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from crmkit.errors import Misuse, Truncated
from crmkit.kernel.dates import from_micros
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import Query, Where, place_of
from crmkit.storage.rules import cut, known, relaid
from crmkit.storage.sql import sqlite
from crmkit.storage.sql.database import Database
from crmkit.storage.sql.statements import Records
from crmkit.storage.store import Entry, Page, Recorded, Stored

_END: Final = 2**63 - 1


class SQLReader:
    """Reads of one tenant, on a connection of its own."""

    __slots__ = ("_connection", "_database", "_snapshot", "_tenant")

    def __init__(self, database: Database, tenant: str, *, snapshot: bool) -> None:
        self._database, self._tenant, self._snapshot = database, tenant, snapshot
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        self._connection = self._database.pool.acquire()
        if self._snapshot:
            try:
                self._rows("BEGIN", ())
                self._rows("SELECT 1 FROM crm_schema", ())  # from here on it sees this moment
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._snapshot:
                self._database.undo(connection)
            else:
                self._database.pool.release(connection)

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        if self._connection is None:
            raise Misuse("a reader is used inside its with block")
        try:
            return self._connection.execute(sql, values).fetchall()
        except Exception as error:  # noqa: BLE001 - it is told on
            sqlite.tell(error)

    def get(self, kind: str, ids: Sequence[str]) -> Mapping[str, Stored]:
        """Give the records that there are, by id; what is absent is left out."""
        records = self._database.records.get(kind) or known(self._database.records, kind)
        if len(ids) == 1:
            rows = self._rows(records.get, (self._tenant, ids[0]))
        else:
            rows = self._rows(records.get_all, (self._tenant, json.dumps(list(ids))))
        found = {r[2]: Stored(r[2], r[0], r[1], r[2:]) for r in rows}
        return self._completed(records, found) if records.left else found

    def _completed(self, records: Records, found: Mapping[str, Stored]) -> Mapping[str, Stored]:
        """Fold what older layouts have left behind into the rows of those layouts, so that upgrades find it."""
        kind = records.kind
        held = [*(c.name for c in kind.columns), *records.left]
        out = dict(found)
        for id_, s in found.items():
            if s.schema < kind.schema:
                for left in self._rows(records.left_behind, (self._tenant, id_)):
                    out[id_] = s._replace(row=relaid((*s.row[:-1], *left, s.row[-1]), held, kind))
        return out

    def find(self, kind: str, query: Query) -> Page:
        """Give a page of records that meet a resolved query, in its order.

        Raises:
            Invalid: rule `cursor`.
        """
        records = self._database.records.get(kind) or known(self._database.records, kind)
        place = None if query.after is None else place_of(query, records.kind, self._tenant)
        sql, values = records.questions.find(self._tenant, query.where, query.order, place, query.limit + 1)
        found: Sequence[Stored] = [Stored(r[2], r[0], r[1], r[2:]) for r in self._rows(sql, values)]
        if records.left:
            found = list(self._completed(records, {s.id: s for s in found}).values())
        return cut(found, query, records.kind, self._tenant)

    def count(self, kind: str, where: Where) -> int:
        """Tell how many records meet a resolved condition."""
        records = known(self._database.records, kind)
        ((found,),) = self._rows(*records.questions.count(self._tenant, where))
        return int(found)

    def events(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 500,
        about: Ref | None = None,
        newest_first: bool = False,
    ) -> tuple[Recorded, ...]:
        """Give journal entries at positions above `after` and below `before`, oldest first unless turned round.

        Raises:
            Truncated: the journal no longer holds what follows `after`; told to who follows all of it, oldest first.
        """
        sql = self._database.sql
        between = (self._tenant, max(after, 0), _END if before is None else before)
        most = max(limit, 0)
        if about is None:
            rows = self._rows(sql.events("all", newest_first=newest_first), (*between, most))
        elif about.kind == "customer":
            values = (*between, about.id, *between, *about, about.id, most)
            rows = self._rows(sql.events("customer", newest_first=newest_first), values)
        else:
            rows = self._rows(sql.events("record", newest_first=newest_first), (*between, *about, most))
        if rows and about is None and not newest_first and rows[0][0] > max(after, 0) + 1:
            raise Truncated(after, rows[0][0])
        return tuple(map(_recorded, rows))


class SharedReader(SQLReader):
    """Reads of one tenant on the one connection to a database in memory, taken for each read and given back."""

    __slots__ = ()

    def __enter__(self) -> Self:
        pool = self._database.pool
        self._connection = pool.acquire()
        pool.release(self._connection)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection = None

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        pool = self._database.pool
        connection = pool.acquire()
        try:
            return super()._rows(sql, values)
        finally:
            pool.release(connection)


def _recorded(r: Sequence[Any]) -> Recorded:
    position, type_, schema, kind, subject, version, customer, at, recorded, *rest = r
    about = Ref(kind, subject)
    entry = Entry(type_, schema, about, version, customer, from_micros(at), from_micros(recorded), *rest)
    return Recorded(position, entry)
