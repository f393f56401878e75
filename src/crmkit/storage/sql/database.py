"""Database: what a SQL store, its readers and its outbox share: the connections, the statements, the kinds."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from crmkit.errors import Busy
from crmkit.storage.sql import sqlite
from crmkit.storage.sql.sqlite import Pool
from crmkit.storage.sql.statements import Records, Statements
from crmkit.storage.sql.tables import Fixed

T = TypeVar("T")


class Database:
    """The connections to a database, and the statements to use on them.

    Attributes:
        pool: the connections.
        sql: the statements on the tables that every store has.
        records: by kind the statements on its table.
    """

    def __init__(self, pool: Pool, timeout: float) -> None:
        self.pool = pool
        self.sql = Statements(Fixed(sa.MetaData()))
        self.records: dict[str, Records] = {}
        self._timeout = timeout
        weakref.finalize(self, pool.close)  # whoever forgets to close a store leaves no connection open

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some reads, each of them by itself.

        Raises:
            StorageError: as the library promises for the driver's error.
        """
        connection = self.pool.acquire()
        try:
            return work(connection)
        except BaseException as error:  # noqa: BLE001 - it is told on
            sqlite.tell(error)
        finally:
            self.pool.release(connection)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in a transaction of its own: all of it, or nothing.

        Raises:
            Busy: another connection or thread is writing, and does not end in time.
            StorageError: as the library promises for the driver's error.
        """
        pool = self.pool
        writing = pool.writing
        if not writing.acquire(timeout=self._timeout):
            raise Busy("another thread is writing")
        try:
            connection = pool.acquire()
            try:
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException as error:  # noqa: BLE001 - it is told on
                self.undo(connection)
                sqlite.tell(error)
            pool.release(connection)
            return result
        finally:
            writing.release()

    def undo(self, connection: sqlite3.Connection) -> None:
        """Roll back what a connection has begun, and give it back."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.pool.discard(connection)
        else:
            self.pool.release(connection)
