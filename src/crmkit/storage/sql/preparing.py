"""Preparing: the tables are checked, laid out or brought up to date, and the rows of older layouts with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from crmkit.errors import Misuse, SchemaMismatch, Unreadable
from crmkit.kernel.record import Kind
from crmkit.storage.rules import relaid, renewed
from crmkit.storage.sql import sqlite
from crmkit.storage.sql.database import Database
from crmkit.storage.sql.statements import Records, Rows
from crmkit.storage.sql.tables import LAYOUT, Difference, Fixed, Found, differences, table_of
from crmkit.storage.store import Mode, Schema, Stored

_AT_ONCE: Final = 500
_MOST_TOLD: Final = 10


def prepare(database: Database, schema: Schema, mode: Mode) -> dict[str, Records]:
    """Look first, and write only where something is missing, in one transaction; give the statements of each kind."""
    if mode not in ("check", "create", "upgrade"):
        raise Misuse('mode is "check", "create" or "upgrade"')
    plan = _Plan(database, schema.kinds, mode)
    found, some = database.read(plan.look)
    if some:
        if mode == "check":
            plan.refuse(found, some)
        found = database.write(plan.lay_out)
    return {kind.name: plan.records(kind, found) for kind in schema.kinds}


class _Plan:
    """What has to be there, and how to get there."""

    def __init__(self, database: Database, kinds: Sequence[Kind[Any]], mode: Mode) -> None:
        metadata = sa.MetaData()
        self._sql, self._kinds, self._mode = database.sql, kinds, mode
        self._fixed = Fixed(metadata)
        self._tables = {kind.name: table_of(kind, metadata) for kind in kinds}
        self._every = [*self._fixed.tables, *self._tables.values()]
        self._layouts = {"crmkit": LAYOUT, **{f"kind {kind.name}": kind.schema for kind in kinds}}

    def records(self, kind: Kind[Any], found: Found) -> Records:
        """Give the statements of a kind, on the table that was found."""
        table = self._tables[kind.name]
        stored = found.tables.get(table.name)
        left = tuple(n for n in (stored.columns if stored else ()) if n not in table.c)
        return Records(kind, table, self._fixed.index, left)

    def look(self, connection: sqlite3.Connection) -> tuple[Found, list[Difference]]:
        """Tell what is there, and how it differs."""
        found = sqlite.layout(connection)
        some = differences(found, self._every, sqlite.DIALECT)
        return found, [*some, *self._outdated(connection, found)]

    def _now(self, connection: sqlite3.Connection) -> Mapping[str, int]:
        return dict(connection.execute(self._sql.versions))

    def _outdated(self, connection: sqlite3.Connection, found: Found) -> Iterable[Difference]:
        """Tell which layouts are older than what is needed, or newer, which nothing here cures."""
        now: Mapping[str, int] = self._now(connection) if "crm_schema" in found.tables else {}
        for name, version in self._layouts.items():
            if (is_ := now.get(name, 0)) > version:
                told = f"{name} has the layout {is_}, and this library knows {version}: a newer one has written it"
                yield Difference(told, None)
            elif is_ < version:
                stale = name.removeprefix("kind ") if is_ else None
                yield Difference(f"{name} has the layout {is_ or 'none'}, and needs {version}", (), stale)

    def refuse(self, found: Found, some: Sequence[Difference]) -> None:
        """Refuse what this mode does not cure.

        Raises:
            SchemaMismatch: there is such a thing; it names the cure.
        """
        laid_out = "crm_schema" in found.tables
        cures = self._mode == "upgrade" or (self._mode == "create" and not laid_out)
        wrong = [d.told for d in some if d.cure is None or not cures]
        if not wrong:
            return
        told = wrong[:_MOST_TOLD]
        if len(wrong) > len(told):
            told.append(f"and {len(wrong) - len(told)} more")
        if any(d.cure is None for d in some):
            remedy = "update the library, or use another file"
        elif laid_out:
            remedy = 'back the file up and call prepare(schema, "upgrade")'
        else:
            remedy = 'call prepare(schema, "create")'
        raise SchemaMismatch(sqlite.STORE, told, remedy)

    def lay_out(self, connection: sqlite3.Connection) -> Found:
        """Add what is missing, bring rows to the present layout, and tell what was there before."""
        found, some = self.look(connection)
        self.refuse(found, some)
        for difference in some:
            for step in difference.cure or ():
                connection.execute(str(step.compile(dialect=sqlite.DIALECT)))
        sqlite.teach(connection, self._every)
        stale = {difference.stale for difference in some}
        for kind in self._kinds:
            if kind.name in stale:
                self._renew(connection, self.records(kind, found))
        now = self._now(connection)
        for name, version in self._layouts.items():
            if now.get(name) != version:
                connection.execute(self._sql.outdate, (name,))
                connection.execute(self._sql.version, (name, version))
        return found

    def _renew(self, connection: sqlite3.Connection, records: Records) -> None:
        """Bring the rows of a kind to its present layout. What cannot be read stays as it is, for its readers to hear.

        Raises:
            SchemaMismatch: records share a unique key that the new layout declares.
        """
        kind, cursor = records.kind, connection.cursor()
        held = [*(c.name for c in kind.columns), *records.left]
        place: tuple[str, str] = ("", "")
        while some := cursor.execute(records.walk, (*place, _AT_ONCE)).fetchall():
            rows = Rows()
            for tenant, version, layout, *row in some:
                place = (tenant, row[0])
                laid = relaid(tuple(row), held, kind)
                try:
                    now, unique, keys = renewed(Stored(row[0], version, layout, laid), kind)
                except Unreadable:
                    continue
                cursor.execute(self._sql.unkey, (tenant, kind.name, now.id))
                rows.update(records, tenant, now, unique, expected=version)
                rows.key(tenant, kind.name, now.id, keys)
            try:
                rows.write(cursor, self._sql)
            except sqlite3.IntegrityError:
                told = f"two records of {kind.name} share a unique key that the new layout declares"
                raise SchemaMismatch(sqlite.STORE, [told], "merge or change one of them first") from None
