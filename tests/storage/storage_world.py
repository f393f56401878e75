"""A small world to try stores in: two kinds, rows made by hand, and one store with a tenant and a queue of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from attrs import frozen

from crmkit.kernel.checks import Id
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import EVERYTHING, Query, Where
from crmkit.kernel.record import Record, record
from crmkit.storage.store import Batch, Claim, Drop, Entry, Guard, Message, Page, Put, Receipt, Schema, Store, Stored

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
_numbers = count(1)


@record(
    "t_stored_person",
    unique={"email": lambda p: p.email, "badge": lambda p: p.badge},
    keys=lambda p: (*(("tag", t) for t in p.tags), *(("size", s) for s in p.sizes)),
    key_names=("tag", "size"),
    indexes=[("name", "score")],
    customer="boss",
)
@frozen(kw_only=True)
class Person(Record):
    name: str = "Ana"
    nick: str | None = None
    score: int | None = None
    active: bool = True
    seen: datetime | None = None
    boss: Id | None = None
    email: str | None = None
    badge: str | None = None
    tags: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()


@record("t_stored_note", customer="customer")
@frozen(kw_only=True)
class Note(Record):
    customer: Id | None = None
    text: str = "."


KINDS = (Person.__kind__, Note.__kind__)
SCHEMA = Schema(KINDS)
COLUMNS = tuple(c.name for c in Person.__kind__.columns)


def row(id_: str, **columns: Any) -> tuple[Any, ...]:
    """Make a row of a person by hand, so that nothing is checked but by the store."""
    values = {"name": "Ana", "active": 1, "id": id_} | columns
    return (*(values.pop(c, None) for c in COLUMNS), values.pop("extra", '{"tags":[],"sizes":[]}'))


def put(
    id_: str, expected: int = 0, *, keys: Any = (), version: int | None = None, schema: int = 1, **columns: Any
) -> Put:
    """Make a put of a person."""
    unique = (columns.get("email"), columns.get("badge"))
    return Put(
        "t_stored_person", id_, expected, version or expected + 1, schema, row(id_, **columns), unique, tuple(keys)
    )


def note(id_: str, expected: int = 0, customer: str | None = None) -> Put:
    """Make a put of a note."""
    return Put("t_stored_note", id_, expected, expected + 1, 1, (id_, customer, ".", "{}"))


def entry(subject: str = "a", *, customer: str | None = None, kind: str = "t_stored_person", **more: Any) -> Entry:
    """Make a journal entry."""
    plain = Entry(
        "t_stored_person.told",
        1,
        Ref(kind, subject),
        1,
        customer,
        AT,
        AT,
        "rep",
        "people.tell",
        "",
        "",
        None,
        "{}",
        "{}",
    )
    return plain._replace(**more)


class World:
    """A store, with a tenant and a queue that nobody else uses.

    Attributes:
        fresh: opens a store of the same sort on no data, or on the same data if `again`.
        again: whether there can be several stores on the same data.
    """

    def __init__(self, store: Store, fresh: Callable[[], Store], *, again: bool = False) -> None:
        number = next(_numbers)
        self.store, self.fresh, self.again = store, fresh, again
        self.tenant, self.queue = f"t{number}-{secrets.token_hex(4)}", f"q{number}-{secrets.token_hex(4)}"

    def beside(self, store: Store | None = None) -> World:
        """Give a world beside this one: another tenant and queue, or another store with the same ones."""
        twin = World(store or self.store, self.fresh, again=self.again)
        if store is not None:
            twin.tenant, twin.queue = self.tenant, self.queue
        return twin

    def commit(
        self, *parts: Put | Drop | Guard | Entry | Message, erase: tuple[str, ...] = (), key: str | None = None
    ) -> Receipt:
        """Commit a batch of these."""
        return self.store.commit(self.tenant, self.batch(*parts, erase=erase, key=key))

    @staticmethod
    def batch(
        *parts: Put | Drop | Guard | Entry | Message, erase: tuple[str, ...] = (), key: str | None = None
    ) -> Batch:
        def of(kind: type[Any]) -> tuple[Any, ...]:
            return tuple(p for p in parts if type(p) is kind)

        return Batch(of(Put), of(Drop), of(Guard), of(Entry), of(Message), erase, key)

    def get(self, *ids: str, kind: str = "t_stored_person") -> dict[str, Stored]:
        """Give records by id."""
        with self.store.reader(self.tenant) as reader:
            return dict(reader.get(kind, ids))

    def version(self, id_: str, kind: str = "t_stored_person") -> int:
        """Tell the version of a record, 0 if there is none."""
        found = self.get(id_, kind=kind)
        return found[id_].version if found else 0

    def page(self, where: Where = EVERYTHING, kind: str = "t_stored_person", **more: Any) -> Page:
        """Give a page."""
        with self.store.reader(self.tenant) as reader:
            return reader.find(kind, Query(where, **more))

    def ids(self, where: Where = EVERYTHING, kind: str = "t_stored_person", **more: Any) -> list[str]:
        """Give the ids on a page."""
        return [s.id for s in self.page(where, kind, **more).items]

    def pages(self, where: Where = EVERYTHING, *, limit: int, **more: Any) -> Iterator[list[str]]:
        """Give page after page."""
        after = None
        for _ in range(1000):
            page = self.page(where, limit=limit, after=after, **more)
            yield [s.id for s in page.items]
            if (after := page.next) is None:
                return
        raise AssertionError("pages without end")

    def count(self, where: Where = EVERYTHING, kind: str = "t_stored_person") -> int:
        """Count records."""
        with self.store.reader(self.tenant) as reader:
            return reader.count(kind, where)

    def events(self, **more: Any) -> list[tuple[int, Entry]]:
        """Give journal entries."""
        with self.store.reader(self.tenant) as reader:
            return [(position, entry) for position, entry in reader.events(**more)]

    def message(self, id_: str = "m", due: datetime = AT, body: str = "hello") -> Message:
        """Make a message."""
        return Message(id_, self.queue, body, due)

    def claim(self, limit: int = 10, lease: timedelta = HOUR, now: datetime = AT) -> tuple[Claim, ...]:
        """Claim messages; a lease of nothing has ended at once."""
        return self.store.claim(self.queue, now=now, limit=limit, lease=lease)
