"""What only SQLite does so: its connections, its clock, its errors, and where it keeps its layout."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, Literal, NoReturn

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from crmkit.errors import Busy, Invalid, Misuse, SchemaMismatch, Unavailable
from crmkit.storage.sql.tables import Found, FoundTable

Durability = Literal["normal", "full"]

DIALECT: Final[Any] = SQLiteDialect_pysqlite(paramstyle="qmark")
CLOCK: Final[Any] = sa.literal_column(
    "(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000)", sa.BigInteger
)
"""The store's clock in microseconds; SQLite tells it to the millisecond."""

STORE: Final = "the SQLite store"
_UPGRADE: Final = 'call prepare(schema, "upgrade")'
_PAUSE: Final = 0.01  # seconds between tries where SQLite itself does not wait

_ROWS: Final = 1_000_000
_ALIKE: Final = 500
_COARSE: Final = {
    "crm_tenant": 1,
    "tenant": 1,
    "crm_index.kind": 4,
    "crm_index.name": 4,
    "crm_journal.kind": 4,
    "crm_outbox.queue": 4,
}
"""Columns that tell few rows apart: by how much each narrows down. Others leave fifty rows, then five, then one."""

_COLUMNS: Final = """
    SELECT m.name, c.name, c.type, c."notnull" AND c.dflt_value IS NULL
    FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
    WHERE m.type = 'table' AND m.name LIKE 'crm\\_%' ESCAPE '\\' ORDER BY m.name, c.cid
"""
_INDEXES: Final = """
    SELECT m.name, l.name, l."unique", i.name
    FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS l JOIN pragma_index_info(l.name) AS i
    WHERE m.type = 'table' AND m.name LIKE 'crm\\_%' ESCAPE '\\' AND l.origin = 'c' ORDER BY m.name, l.name, i.seqno
"""


def among(column: Any, bind: Any) -> Any:
    """Say that a column has one of the values of a bound JSON list, so that one statement serves lists of any length.

    SQLite cannot know that the list is short next to the table, and without the hint it would rather read the table.
    """
    values = sa.func.json_each(bind).table_valued("value")
    return sa.func.unlikely(column.in_(sa.select(values.c.value)))


def layout(connection: sqlite3.Connection) -> Found:
    """Tell which tables of ours there are."""
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    tables: dict[str, FoundTable] = {}
    for table, column, kind, needed in connection.execute(_COLUMNS):
        found = tables.setdefault(table, FoundTable({}, {}))
        found.columns[column] = (str(kind), bool(needed))
    indexes: defaultdict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for table, index, unique, column in connection.execute(_INDEXES):
        indexes[table, index, bool(unique)].append(column)
    for (table, index, unique), columns in indexes.items():
        tables[table].indexes[index] = (unique, tuple(columns))
    odd = [] if encoding == "UTF-8" else [f"the file keeps text as {encoding} and sorts it so; use a file of its own"]
    return Found(tables, odd)


def teach(connection: sqlite3.Connection, tables: Iterable[sa.Table]) -> None:
    """Tell the query planner what to expect, so that it chooses the same indexes whatever is stored now.

    Without statistics SQLite takes a tenant for ten rows, and reads all of them where an index would lead to one. It
    documents that the statistics may be written by hand; a host's own ANALYZE replaces them by what it counts.
    """
    connection.execute("ANALYZE crm_schema")  # makes sqlite_stat1, if there is none
    known = {(t, i) for t, i in connection.execute("SELECT tbl, idx FROM sqlite_stat1")}
    for table in tables:
        narrow = table.dialect_options["sqlite"]["with_rowid"] is False
        key = table.name if narrow else f"sqlite_autoindex_{table.name}_1"
        expected = {key: _expected(table.primary_key.columns, unique=True)}
        expected |= {str(i.name): _expected(i.columns, unique=bool(i.unique)) for i in table.indexes}
        for index, rows in expected.items():
            if (table.name, index) not in known:
                connection.execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table.name, index, rows))
    connection.execute("ANALYZE sqlite_master")  # reads them


def _expected(columns: Iterable[sa.Column[Any]], *, unique: bool) -> str:
    """Give how many rows there are, and how many have the same first column, the same first two columns, and so on."""
    rows = [_ROWS]
    for c in columns:
        coarse = _COARSE.get(c.name) or _COARSE.get(f"{c.table.name}.{c.name}")
        rows.append(rows[-1] // coarse if coarse else max(1, min(rows[-1], _ALIKE) // 10))
    if unique:
        rows[-1] = 1
    return " ".join(map(str, rows))


def translated(error: BaseException) -> BaseException:  # noqa: PLR0911 - one line per error
    """Give the error that the library promises for an error of the driver; any other error is given back."""
    if isinstance(error, UnicodeEncodeError):
        return Invalid("storage", "text", "text that can be stored")
    if isinstance(error, OverflowError):
        return Invalid("storage", "range", "a whole number of 64 bits")
    if not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return Busy(_BUSY[code])
    if code in _UNAVAILABLE:
        return Unavailable(_UNAVAILABLE[code])
    if code == sqlite3.SQLITE_ERROR and "no such" in str(error):
        return SchemaMismatch(STORE, ["a table or a column is missing"], _UPGRADE)
    if code == sqlite3.SQLITE_ERROR and any(limit in str(error) for limit in _LIMITS):
        return Invalid("query", "too-large", "a condition with fewer parts")
    if code == sqlite3.SQLITE_TOOBIG:
        return Invalid("storage", "too-long", "a value that SQLite can hold")
    if isinstance(error, sqlite3.ProgrammingError):
        closed = "closed" in str(error)
        return Unavailable("it was closed; open it again") if closed else Misuse("values that SQLite does not take")
    return Unavailable(f"SQLite says {getattr(error, 'sqlite_errorname', type(error).__name__)}")


def tell(error: BaseException) -> NoReturn:
    """Raise the error that the library promises for an error of the driver, caused by it; any other as it is."""
    told = translated(error)
    if told is error:
        raise error
    if isinstance(told, Invalid):
        raise told from None  # the driver's own error tells the value
    raise told from error


_LIMITS: Final = ("too many SQL variables", "too large", "stack overflow")
_BUSY: Final = {
    sqlite3.SQLITE_BUSY: "another connection is writing",
    sqlite3.SQLITE_LOCKED: "another connection holds a table",
    sqlite3.SQLITE_PROTOCOL: "too many connections at once",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
}
_UNAVAILABLE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the database can only be read; check the rights on the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check that its directory exists and may be written",
    sqlite3.SQLITE_PERM: "the file may not be opened",
    sqlite3.SQLITE_AUTH: "the file may not be opened",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}


class Pool:
    """Connections to a file: the one used last is used next. A forked child opens its own and lets its parent's be.

    Attributes:
        writing: held by the one thread that writes; other processes wait at `BEGIN IMMEDIATE`.
    """

    shared = False

    def __init__(self, path: str, durability: Durability, timeout: float) -> None:
        self._path, self._durability, self._timeout = path, durability, timeout
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self.writing: Any = threading.Lock()
        _POOLS.add(self)

    def acquire(self) -> sqlite3.Connection:
        """Take a connection.

        Raises:
            Unavailable: the store is closed, or the file cannot be opened.
        """
        if self._closed:
            raise Unavailable("it was closed; open it again")
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def release(self, connection: sqlite3.Connection) -> None:
        """Give a connection back."""
        self._idle.append(connection)
        if self._closed:
            self._empty()

    def discard(self, connection: sqlite3.Connection) -> None:
        """Let go of a connection that is in an unknown state."""
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path, self._timeout)
        try:
            self._make_ready(connection)
        except BaseException as error:  # noqa: BLE001 - it is told on
            connection.close()
            tell(error)
        return connection

    def _make_ready(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self._timeout
        while (mode := _write_ahead(connection)) is None:
            if time.monotonic() > deadline:
                raise Busy("another connection is laying out the file")
            time.sleep(_PAUSE)
        if mode != "wal":
            raise Unavailable("the file system has no write-ahead log for SQLite; use a local disk")
        connection.execute(f"PRAGMA synchronous={self._durability}")

    def close(self) -> None:
        """Close what is idle now, and the rest as it is given back."""
        self._closed = True
        self._empty()

    def _empty(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def forked(self) -> None:
        """In a forked child: begin anew, and never close what is the parent's."""
        _PARENTS.append(self._idle)
        self._idle = []
        self.writing = threading.Lock()


class SharedPool(Pool):
    """The one connection to a database in memory, which is used by one thread at a time."""

    shared = True

    def __init__(self, timeout: float) -> None:
        super().__init__(":memory:", "normal", timeout)
        self._only = connect(":memory:", timeout)
        self._turn = threading.RLock()

    def acquire(self) -> sqlite3.Connection:
        """Take the connection, when it is free.

        Raises:
            Busy: another thread does not give it back in time.
            Unavailable: the store is closed.
        """
        if not self._turn.acquire(timeout=self._timeout):
            raise Busy("another thread uses the database")
        if self._closed:
            self._turn.release()
            raise Unavailable("it was closed; open it again")
        return self._only

    def release(self, connection: sqlite3.Connection) -> None:  # noqa: ARG002 - there is only one
        """Let the next thread have it."""
        self._turn.release()

    def discard(self, connection: sqlite3.Connection) -> None:
        """Keep it: it is all that there is."""
        self.release(connection)

    def close(self) -> None:
        """Let go of the database, and of all that is in it."""
        with self._turn:
            self._closed = True
            self._only.close()

    def forked(self) -> None:
        """In a forked child: memory was copied, the locks begin anew."""
        self.writing, self._turn = threading.Lock(), threading.RLock()


def connect(path: str, timeout: float) -> sqlite3.Connection:
    """Open a connection that begins no transaction by itself.

    Raises:
        Unavailable: the file cannot be opened.
    """
    try:
        return sqlite3.connect(
            path, timeout=timeout, isolation_level=None, check_same_thread=False, cached_statements=512
        )
    except sqlite3.Error as error:
        tell(error)


def _write_ahead(connection: sqlite3.Connection) -> str | None:
    """Switch the file to a write-ahead log; None if a connection is in the way, for which SQLite does not wait."""
    try:
        return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return None
        raise


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()
_PARENTS: list[Iterable[sqlite3.Connection]] = []


def _forked() -> None:
    for pool in list(_POOLS):
        pool.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
