"""What our stores do the same way: what they refuse of a batch, how an old row is read, how a page is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

from crmkit.errors import Misuse
from crmkit.kernel.codec import decode, dump, encode, load
from crmkit.kernel.query import Query, cursor_after
from crmkit.kernel.record import Key, Kind, Row
from crmkit.storage.store import Batch, Drop, Guard, Page, Put, Stored

V = TypeVar("V")


def known(kinds: Mapping[str, V], kind: str) -> V:
    """Give what a store keeps for a kind.

    Raises:
        Misuse: the store was not prepared for this kind.
    """
    try:
        return kinds[kind]
    except KeyError:
        raise Misuse(f"the store was not prepared for the kind {kind!r}; call prepare with its schema first") from None


def refuse_contradictions(batch: Batch, widths: Mapping[str, tuple[int, int]]) -> None:
    """Refuse a batch that cannot be meant so, before anything is looked at.

    `widths` tells of each kind how long its rows are, and how many unique keys it has.

    Raises:
        Misuse: a record is written twice, a put does not raise the version, or a row does not fit its kind.
    """
    for p in batch.puts:
        width = widths.get(p.kind) or known(widths, p.kind)
        if len(p.row) != width[0] or len(p.unique) != width[1] or p.row[0] != p.id:
            raise Misuse(f"{p.kind} {p.id!r}: a put takes the row and the unique keys that the kind declares, id first")
        if not 0 <= p.expected < p.version:
            raise Misuse(f"{p.kind} {p.id!r}: a put raises the version, found {p.expected} to {p.version}")
    for d in batch.drops:
        known(widths, d.kind)
        if d.expected < 1:
            raise Misuse(f"{d.kind} {d.id!r}: a drop expects a version from 1, found {d.expected}")
    for g in batch.guards:
        known(widths, g.kind)
    if len(batch.puts) + len(batch.drops) > 1:
        written = {(p.kind, p.id) for p in batch.puts} | {(d.kind, d.id) for d in batch.drops}
        if len(written) != len(batch.puts) + len(batch.drops):
            raise Misuse("a batch writes a record at most once; make one put of what belongs together")


def expectations(batch: Batch) -> tuple[Guard | Drop | Put, ...]:
    """Give what expects a version, in the order in which conflicts are told."""
    return (*batch.guards, *batch.drops, *batch.puts)


def refuse_negative(lease: timedelta) -> None:
    """Refuse a lease that would end before it begins.

    Raises:
        Misuse: the lease is negative.
    """
    if lease < timedelta(0):
        raise Misuse("a lease takes no negative time")


def relaid(row: Row, held: Sequence[str], kind: Kind[Any]) -> Row:
    """Lay a row out anew whose columns were `held`: what the kind has no column for goes to its JSON, for upgrades."""
    *columns, rest = row
    found = dict(zip(held, columns, strict=True))
    laid = tuple(found.pop(c.name, None) for c in kind.columns)
    if found:
        with suppress(ValueError, TypeError):  # damaged JSON stays as it is, for whoever decodes the row
            rest = dump({**found, **load(str(rest))})
    return (*laid, rest)


def renewed(stored: Stored, kind: Kind[Any]) -> tuple[Stored, tuple[str | None, ...], tuple[Key, ...]]:
    """Bring a row to the present layout of its kind, at its version, and derive its unique and search keys.

    Raises:
        Unreadable: the row is damaged, or a newer library wrote it.
    """
    made = decode(kind, stored.row, version=stored.version, schema=stored.schema)
    now = Stored(stored.id, stored.version, kind.schema, encode(made))
    return now, kind.uniques(made), kind.keys_of(made)


def cut(found: Sequence[Stored], query: Query, kind: Kind[Any], tenant: str) -> Page:
    """Make a page of what was found, which is one more than the limit if there is more."""
    if not query.limit:
        return Page((), query.after)
    items = tuple(found[: query.limit])
    return Page(items, cursor_after(items[-1].row, query, kind, tenant) if len(found) > query.limit else None)
