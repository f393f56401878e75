"""The outbox: messages are claimed with a token and for a time, and settled by the token."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from crmkit.kernel.dates import from_micros, micros
from crmkit.storage.rules import refuse_negative
from crmkit.storage.sql.database import Database
from crmkit.storage.store import Claim, Dead, Done, Extend, Message, Outcome, Retry

_MICROSECOND: Final = timedelta(microseconds=1)


def claim(database: Database, queue: str, *, now: datetime, limit: int, lease: timedelta) -> tuple[Claim, ...]:
    """Claim what is due; the update is guarded, so that a message goes to one claimer whoever else looked."""
    refuse_negative(lease)
    sql, due, most, span = database.sql, micros(now), max(limit, 0), lease // _MICROSECOND

    def look(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
        return connection.execute(sql.due, (queue, due, most)).fetchall()

    def take(connection: sqlite3.Connection) -> tuple[Claim, ...]:
        claims: list[Claim] = []
        for tenant, id_, body, was_due, attempt, clock in look(connection):
            token, until = secrets.token_hex(16), clock + span
            if connection.execute(sql.claim, (attempt + 1, token, until, tenant, id_)).rowcount == 1:
                message = Message(id_, queue, body, from_micros(was_due))
                claims.append(Claim(tenant, message, token, attempt + 1, from_micros(until)))
        return tuple(claims)

    return database.write(take) if database.read(look) else ()


def settle(database: Database, outcomes: Sequence[Outcome]) -> tuple[bool, ...]:
    """Settle what the tokens still hold."""
    some = [_settling(database, outcome) for outcome in outcomes]
    return database.write(lambda connection: tuple(connection.execute(*one).rowcount == 1 for one in some))


def _settling(database: Database, outcome: Outcome) -> tuple[str, tuple[Any, ...]]:
    sql = database.sql
    held = (outcome.claim.tenant, outcome.claim.message.id, outcome.claim.token)
    match outcome:
        case Done():
            return sql.done, held
        case Retry(due=due):
            return sql.retry, (micros(due), *held)
        case Dead(why=why):
            return sql.dead, (why, *held)
        case Extend(lease=lease):
            refuse_negative(lease)
            return sql.extend, (lease // _MICROSECOND, *held)
        case _:
            assert_never(outcome)
