"""SQLStore: records, journal and outbox in a SQL database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from crmkit.errors import Conflict, Duplicate, Misuse, NotSupported
from crmkit.kernel.dates import micros
from crmkit.storage.rules import expectations, refuse_contradictions
from crmkit.storage.sql.database import Database
from crmkit.storage.sql.outbox import claim, settle
from crmkit.storage.sql.preparing import prepare
from crmkit.storage.sql.reading import SharedReader, SQLReader
from crmkit.storage.sql.sqlite import Durability, Pool, SharedPool
from crmkit.storage.sql.statements import Rows, pair
from crmkit.storage.store import (
    Batch,
    Claim,
    Drop,
    Entry,
    Features,
    Guard,
    Message,
    Mode,
    Outcome,
    Put,
    Receipt,
    Schema,
    Stored,
)

Execute = Callable[[str, Sequence[Any]], sqlite3.Cursor]


class _InDoubtError(Exception):
    """Something in a batch does not hold; what it is has to be found out one by one."""


class SQLStore:
    """A store in a SQL database, now SQLite: a file that several threads and processes may use, or memory.

    Args:
        url: `sqlite:///shop.db` (relative), `sqlite:////var/shop.db` (absolute), or `sqlite://` for one in memory.
        durability: what an acknowledged commit survives: `normal` a crash of the process, `full` also of the machine.
        timeout: for how many seconds a commit waits for another writer before it is `Busy`.

    Raises:
        Misuse: the address or an argument cannot be understood.
        MissingExtra: SQLAlchemy is not installed.
    """

    def __init__(self, url: str, *, durability: Durability = "full", timeout: float = 5.0) -> None:
        if durability not in ("normal", "full"):
            raise Misuse('durability is "normal" or "full"')
        path = _path_of(url)
        pool = SharedPool(timeout) if path is None else Pool(path, durability, timeout)
        self._database = Database(pool, timeout)
        self._widths: dict[str, tuple[int, int]] = {}

    @property
    def features(self) -> Features:
        """What it declares of itself: in memory it is neither durable nor shared, and cannot keep to one moment."""
        file = not self._database.pool.shared
        return Features(durable=file, processes=file, snapshot=file, embedded=True)

    def prepare(self, schema: Schema, mode: Mode) -> None:
        """Make ready for these kinds: `check` only looks, `create` lays out an empty store, `upgrade` adds to one.

        It writes only where something is missing, and then in one transaction, so that any number of processes may
        start at once, and one that is killed leaves nothing half done. An upgrade brings the rows of older layouts
        to the present one. Tables of the host in the same file are not touched.

        Raises:
            SchemaMismatch: what is stored does not fit; the error names the cure.
            DefinitionError: a kind's names cannot stand in a database.
            Busy: another process is laying out the file, and does not end in time.
            Unavailable: the store is closed, or cannot be reached or written.
        """
        made = prepare(self._database, schema, mode)
        self._database.records.update(made)
        self._widths.update({n: (len(r.kind.columns) + 1, len(r.unique)) for n, r in made.items()})

    def reader(self, tenant: str, *, fresh: bool = True, snapshot: bool = False) -> SQLReader:  # noqa: ARG002
        """Open reads of a tenant, always fresh; only a snapshot holds a transaction open.

        Raises:
            NotSupported: a snapshot of a database in memory is asked for.
            Unavailable: the store is closed, or cannot be reached.
        """
        if self._database.pool.shared:
            if snapshot:
                raise NotSupported("snapshot")
            return SharedReader(self._database, tenant, snapshot=False)
        return SQLReader(self._database, tenant, snapshot=snapshot)

    def commit(self, tenant: str, batch: Batch) -> Receipt:
        """Write all of a batch or nothing.

        Raises:
            Conflict: a guard, drop or put does not meet the version that it expects.
            Duplicate: a unique key or a message id is taken.
            Misuse: the batch contradicts itself, or names a kind that the store was not prepared for.
            Busy: nothing was written, the same batch may be tried again.
            Unavailable: the store is closed, full, or cannot be reached or written.
        """
        refuse_contradictions(batch, self._widths)
        try:
            return self._database.write(lambda connection: self._apply(connection.cursor(), tenant, batch))
        except _InDoubtError:
            return self._database.write(lambda connection: self._apply_with_care(connection.cursor(), tenant, batch))

    def _apply(self, cursor: sqlite3.Cursor, tenant: str, batch: Batch) -> Receipt:
        """Write a batch that is taken to hold; the database tells if it does not."""
        execute, sql = cursor.execute, self._database.sql
        if batch.key is not None and execute(sql.applied, (tenant, batch.key)).fetchone():
            return Receipt(replayed=True)
        for g in batch.guards:
            self._meet(execute, tenant, g)
        try:
            for d in batch.drops:
                self._drop(execute, tenant, d)
            if len(batch.puts) == 1:
                self._put(execute, tenant, batch.puts[0])
            elif batch.puts:
                self._put_many(cursor, tenant, batch.puts)
            self._send(execute, tenant, batch.messages)
        except sqlite3.IntegrityError:
            raise _InDoubtError from None
        self._tell(cursor, tenant, batch)
        return Receipt(replayed=False)

    def _apply_with_care(self, cursor: sqlite3.Cursor, tenant: str, batch: Batch) -> Receipt:  # noqa: C901
        """Write a batch one by one, asking first: finds what does not hold, and lets unique keys change hands.

        Versions are held against what was there before the batch, unique keys against what is there after it.
        """
        execute, sql, kinds = cursor.execute, self._database.sql, self._database.records
        if batch.key is not None and execute(sql.applied, (tenant, batch.key)).fetchone():
            return Receipt(replayed=True)
        for x in expectations(batch):
            self._meet(execute, tenant, x)
        for d in batch.drops:
            self._drop(execute, tenant, d)
        for p in batch.puts:
            if p.expected and p.unique:
                execute(kinds[p.kind].free, (tenant, p.id))
        for p in batch.puts:
            records = kinds[p.kind]
            for name, holder, value in zip(records.unique, records.holders, p.unique, strict=True):
                if value is not None and execute(holder, (tenant, value)).fetchone():
                    raise Duplicate(p.kind, name)
            self._put(execute, tenant, p)
        for m in batch.messages:
            if execute(sql.sent, (tenant, m.id)).fetchone():
                raise Duplicate("message", "id")
            self._send(execute, tenant, (m,))
        self._tell(cursor, tenant, batch)
        return Receipt(replayed=False)

    def _meet(self, execute: Execute, tenant: str, x: Guard | Drop | Put) -> None:
        row = execute(self._database.records[x.kind].version, (tenant, x.id)).fetchone()
        found = row[0] if row else 0
        if found != x.expected:
            raise Conflict(x.kind, x.id, x.expected, found)

    def _drop(self, execute: Execute, tenant: str, d: Drop) -> None:
        if execute(self._database.records[d.kind].delete, (tenant, d.id, d.expected)).rowcount != 1:
            self._meet(execute, tenant, d)
        execute(self._database.sql.unkey, (tenant, d.kind, d.id))

    def _put(self, execute: Execute, tenant: str, p: Put) -> None:
        records, sql = self._database.records[p.kind], self._database.sql
        if p.expected:
            values = (*p.row[1:], *p.unique, p.version, p.schema, tenant, p.id, p.expected)
            if execute(records.update, values).rowcount != 1:
                self._meet(execute, tenant, p)
        else:
            execute(records.insert, (tenant, *p.row, *p.unique, p.version, p.schema))
        if p.keys or records.keyed:
            pairs = [pair(k) for k in p.keys]
            if p.expected:
                if execute(sql.keys, (tenant, p.kind, p.id)).fetchall() == pairs:
                    return
                execute(sql.unkey, (tenant, p.kind, p.id))
            for n, made in enumerate(pairs):
                execute(sql.key, (tenant, p.kind, p.id, n, *made))

    def _put_many(self, cursor: sqlite3.Cursor, tenant: str, puts: Sequence[Put]) -> None:
        """Write many records, those of a kind together."""
        rows, sql = Rows(), self._database.sql
        for p in puts:
            records = self._database.records[p.kind]
            now = Stored(p.id, p.version, p.schema, p.row)
            if not p.expected:
                rows.insert(records, tenant, now, p.unique)
                rows.key(tenant, p.kind, p.id, p.keys)
                continue
            rows.update(records, tenant, now, p.unique, expected=p.expected)
            if p.keys or records.keyed:
                there = cursor.execute(sql.keys, (tenant, p.kind, p.id)).fetchall()
                if there != [pair(k) for k in p.keys]:
                    cursor.execute(sql.unkey, (tenant, p.kind, p.id))
                    rows.key(tenant, p.kind, p.id, p.keys)
        if not rows.write(cursor, sql):
            raise _InDoubtError

    def _send(self, execute: Execute, tenant: str, messages: Sequence[Message]) -> None:
        for m in messages:
            execute(self._database.sql.send, (tenant, m.id, m.queue, m.body, micros(m.due)))

    def _tell(self, cursor: sqlite3.Cursor, tenant: str, batch: Batch) -> None:
        """Write what no rule can refuse: the journal, erasures, the batch's key."""
        sql = self._database.sql
        if batch.events:
            head: int = cursor.execute(sql.head, (tenant,)).fetchone()[0] or 0
            if len(batch.events) == 1:
                cursor.execute(sql.record, _entry_row(tenant, head + 1, batch.events[0]))
            else:
                rows = [_entry_row(tenant, position, e) for position, e in enumerate(batch.events, head + 1)]
                cursor.executemany(sql.record, rows)
        for customer in batch.erase:
            cursor.execute(sql.erase, (tenant, customer))
            cursor.execute(sql.erase_own, (tenant, customer))
        if batch.key is not None:
            cursor.execute(sql.apply, (tenant, batch.key))

    def claim(self, queue: str, *, now: datetime, limit: int, lease: timedelta) -> tuple[Claim, ...]:
        """Claim messages of all tenants that are due by `now`, the oldest first; leases end by the database's clock.

        Raises:
            Misuse: the lease is negative.
            Busy: nothing was claimed, try again.
            Unavailable: the store is closed, or cannot be reached or written.
        """
        return claim(self._database, queue, now=now, limit=limit, lease=lease)

    def settle(self, outcomes: Sequence[Outcome]) -> tuple[bool, ...]:
        """Say what became of claims; False where the token no longer holds, which it does until the next claim.

        Of a message that is done the id is kept, so that it is never sent again, and the body is not.

        Raises:
            Misuse: an extension is negative.
            Busy: nothing was settled, try again.
            Unavailable: the store is closed, or cannot be reached or written.
        """
        return settle(self._database, outcomes)

    def close(self) -> None:
        """Let go of everything. Closing twice is harmless; any other call afterwards raises `Unavailable`."""
        self._database.pool.close()


def _path_of(url: str) -> str | None:
    """Give the path of an address; None for a database in memory."""
    try:
        made = sa.engine.make_url(url)
    except ArgumentError:
        made = None
    if made is None or made.drivername != "sqlite" or made.host or made.username or made.query:
        raise Misuse("expected sqlite:///shop.db, sqlite:////var/shop.db or sqlite://, without parameters")
    return None if made.database in (None, "", ":memory:") else made.database


def _entry_row(tenant: str, position: int, e: Entry) -> tuple[Any, ...]:
    type_, schema, subject, version, customer, at, recorded, *rest = e
    return (tenant, position, type_, schema, *subject, version, customer, micros(at), micros(recorded), *rest)
