"""MemoryStore: everything in this process, gone when it ends. The reference that every other store is held against."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self, assert_never

from crmkit.errors import Conflict, Duplicate, Misuse, SchemaMismatch, Unavailable, Unreadable
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import And, Compare, Found, Has, In, Query, Where, orders, place_of, predicate, sort_key
from crmkit.kernel.record import Key, Kind, Scalar
from crmkit.storage.rules import cut, expectations, known, refuse_contradictions, refuse_negative, relaid, renewed
from crmkit.storage.store import (
    Batch,
    Claim,
    Dead,
    Done,
    Extend,
    Features,
    Message,
    Mode,
    Outcome,
    Page,
    Put,
    Receipt,
    Recorded,
    Retry,
    Schema,
    Stored,
)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _Kept(NamedTuple):
    """A record with what else its put said."""

    stored: Stored
    unique: tuple[str | None, ...]
    keys: tuple[Key, ...]

    @classmethod
    def of(cls, p: Put) -> _Kept:
        return cls(Stored(p.id, p.version, p.schema, tuple(p.row)), tuple(p.unique), tuple(p.keys))


def _renewed(kept: _Kept, held: Sequence[str], kind: Kind[Any]) -> _Kept:
    """Bring a record to a new layout. What cannot be read stays as it is, for its readers to hear."""
    laid = kept.stored._replace(row=relaid(kept.stored.row, held, kind))
    try:
        return _Kept(*renewed(laid, kind))
    except Unreadable:
        return _Kept(laid, (None,) * len(kind.unique), kept.keys)


class _Mail:
    """A message and what has become of it."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.open = True
        self.attempt = 0
        self.token: str | None = None
        self.until: datetime | None = None
        self.why: str | None = None


class _Layout(NamedTuple):
    """A kind, and which of its columns are indexed and where they stand."""

    kind: Kind[Any]
    indexed: Mapping[str, int]

    @classmethod
    def of(cls, kind: Kind[Any]) -> _Layout:
        names = [*([kind.customer] if kind.customer else []), *(i[0] for i in kind.indexes if i)]
        return cls(kind, {n: kind.position[n] for n in names})


class _Tenant:
    """All records and the journal of one tenant, and indexes into them."""

    def __init__(self) -> None:
        self.pins = 0  # how many snapshots look at it
        self.records: defaultdict[str, dict[str, _Kept]] = defaultdict(dict)
        self.unique: dict[tuple[str, str, str], str] = {}
        self.index: defaultdict[tuple[str, str, Scalar], dict[str, None]] = defaultdict(dict)  # ids in an ordered set
        self.journal: list[Recorded] = []
        self.concerning: defaultdict[Ref, list[int]] = defaultdict(list)  # places in the journal
        self.applied: set[str] = set()

    def copy(self) -> _Tenant:
        """Copy everything that a commit changes, so that a snapshot keeps what it has."""
        twin = _Tenant()
        twin.records.update({kind: dict(some) for kind, some in self.records.items()})
        twin.index.update({entry: dict(ids) for entry, ids in self.index.items()})
        twin.concerning.update({about: list(places) for about, places in self.concerning.items()})
        twin.unique, twin.journal, twin.applied = dict(self.unique), list(self.journal), set(self.applied)
        return twin

    def version(self, kind: str, id: str) -> int:  # noqa: A002 - the field's own word
        """Tell the version of a record, 0 if there is none."""
        found = self.records[kind].get(id)
        return found.stored.version if found else 0

    def remove(self, layout: _Layout, id: str) -> None:  # noqa: A002
        """Take a record out, if it is there."""
        kind = layout.kind
        if (kept := self.records[kind.name].pop(id, None)) is None:
            return
        for name, value in zip(kind.unique, kept.unique, strict=True):
            if value is not None:
                del self.unique[kind.name, name, value]
        for entry in self._entries(layout, kept):
            self.index[entry].pop(id, None)
            if not self.index[entry]:
                del self.index[entry]

    def add(self, layout: _Layout, kept: _Kept) -> None:
        """Put a record in that is not there."""
        kind, id_ = layout.kind, kept.stored.id
        self.records[kind.name][id_] = kept
        for name, value in zip(kind.unique, kept.unique, strict=True):
            if value is not None:
                self.unique[kind.name, name, value] = id_
        for entry in self._entries(layout, kept):
            self.index[entry][id_] = None

    @staticmethod
    def _entries(layout: _Layout, kept: _Kept) -> Iterable[tuple[str, str, Scalar]]:
        name, row = layout.kind.name, kept.stored.row
        for column, at in layout.indexed.items():
            yield name, column, row[at]
        for key, value in kept.keys:
            yield name, f"key {key}", value

    def candidates(self, layout: _Layout, where: Where) -> Iterable[str] | None:
        """Give ids among which are all that meet a condition; None: any may."""
        name = layout.kind.name
        match where:
            case Has(key, "eq", value):
                return self.index.get((name, f"key {key}", value), ())
            case Compare(column, "eq", value) if column in layout.indexed:
                return self.index.get((name, column, value), ())
            case In(column, values) if column in layout.indexed:
                return [i for v in dict.fromkeys(values) for i in self.index.get((name, column, v), ())]
            case And(parts):
                some = [list(ids) for p in parts if (ids := self.candidates(layout, p)) is not None]
                return min(some, key=len) if some else None
            case _:
                return None

    def matching(self, layout: _Layout, where: Where) -> list[Stored]:
        """Give the records that meet a condition."""
        records, test = self.records[layout.kind.name], predicate(where, layout.kind)
        ids = self.candidates(layout, where)
        some = records.values() if ids is None else [records[i] for i in ids]
        return [kept.stored for kept in some if test(Found(kept.stored.row, kept.keys))]

    def apply(self, layouts: Mapping[str, _Layout], batch: Batch) -> None:
        """Write the records and the journal of a batch that holds."""
        for d in batch.drops:
            self.remove(layouts[d.kind], d.id)
        for p in batch.puts:
            self.remove(layouts[p.kind], p.id)
        for p in batch.puts:
            self.add(layouts[p.kind], _Kept.of(p))
        for e in batch.events:
            concerned = {e.subject} if e.customer is None else {e.subject, Ref("customer", e.customer)}
            for about in concerned:
                self.concerning[about].append(len(self.journal))
            self.journal.append(Recorded(len(self.journal) + 1, e))
        for customer in batch.erase:
            for place in self.concerning.get(Ref("customer", customer), ()):
                position, entry = self.journal[place]
                self.journal[place] = Recorded(position, entry._replace(personal=None))
        if batch.key is not None:
            self.applied.add(batch.key)


class _Memory:
    """What a memory store and its readers share; whoever touches it holds its lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.tenants: dict[str, _Tenant] = {}
        self.layouts: dict[str, _Layout] = {}
        self.closed = False

    def refuse_when_closed(self) -> None:
        """Refuse every call after `close`."""
        if self.closed:
            raise Unavailable("it was closed; open it again")

    def tenant(self, name: str) -> _Tenant:
        """Give a tenant, a new one if there is none of this name."""
        self.refuse_when_closed()
        return self.tenants.get(name) or self.tenants.setdefault(name, _Tenant())


class MemoryStore:
    """A store in memory: simple, and right. It keeps rows and not records, so nothing given or returned is shared.

    Args:
        now: the clock by which leases end, the system's if nothing is said.
    """

    def __init__(self, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._now = now
        self._memory = _Memory()
        self._widths: dict[str, tuple[int, int]] = {}
        self._mail: dict[tuple[str, str], _Mail] = {}
        self._open: defaultdict[str, dict[tuple[str, str], _Mail]] = defaultdict(dict)  # by queue

    @property
    def features(self) -> Features:
        """It sees one moment when asked to, and lives in this process."""
        return Features(snapshot=True, embedded=True)

    def prepare(self, schema: Schema, mode: Mode) -> None:
        """Make ready for these kinds. There is nothing to lay out, so the modes differ only for a kind known before.

        Raises:
            SchemaMismatch: a kind is older than the one before, or newer and the mode is not `upgrade`.
            Unavailable: the store is closed.
        """
        with self._memory.lock:
            self._memory.refuse_when_closed()
            layouts = self._memory.layouts
            made = {kind.name: _Layout.of(kind) for kind in schema.kinds}
            old = [layouts[n] for n, new in made.items() if n in layouts and layouts[n].kind is not new.kind]
            for before, tenant, some in [x for was in old for x in self._renewed(was, made[was.kind.name].kind, mode)]:
                for kept in some:
                    tenant.remove(before, kept.stored.id)
                for kept in some:
                    tenant.add(made[before.kind.name], kept)
            layouts.update(made)
            self._widths.update({k.name: (len(k.columns) + 1, len(k.unique)) for k in schema.kinds})

    def _renewed(self, before: _Layout, kind: Kind[Any], mode: Mode) -> Iterable[tuple[_Layout, _Tenant, list[_Kept]]]:
        """Give the records of a kind in its new layout, by tenant."""
        was, cure = before.kind.schema, 'call prepare(schema, "upgrade") with the newest kinds'
        if kind.schema < was or (kind.schema > was and mode != "upgrade"):
            told = f"{kind.name} has the layout {was}, and {kind.schema} is asked for"
            raise SchemaMismatch("the memory store", [told], cure)
        held = [c.name for c in before.kind.columns]
        for tenant in self._memory.tenants.values():
            some = [_renewed(kept, held, kind) for kept in tenant.records[kind.name].values()]
            keys = [(n, v) for kept in some for n, v in zip(kind.unique, kept.unique, strict=True) if v is not None]
            if len(set(keys)) < len(keys):
                told = f"two records of {kind.name} share a unique key that the new layout declares"
                raise SchemaMismatch("the memory store", [told], "merge or change one of them first")
            yield before, tenant, some

    def reader(self, tenant: str, *, fresh: bool = True, snapshot: bool = False) -> _MemoryReader:  # noqa: ARG002
        """Open reads of a tenant, always fresh; a snapshot costs nothing until somebody commits while it is open.

        Raises:
            Unavailable: the store is closed.
        """
        return _MemoryReader(self._memory, tenant, snapshot=snapshot)

    def commit(self, tenant: str, batch: Batch) -> Receipt:
        """Write all of a batch or nothing.

        Raises:
            Conflict: a guard, drop or put does not meet the version that it expects.
            Duplicate: a unique key or a message id is taken.
            Misuse: the batch contradicts itself, or names a kind that the store was not prepared for.
            Unavailable: the store is closed.
        """
        memory = self._memory
        with memory.lock:
            found = memory.tenant(tenant)
            refuse_contradictions(batch, self._widths)
            if batch.key is not None and batch.key in found.applied:
                return Receipt(replayed=True)
            self._refuse_conflicts(found, batch)
            self._refuse_duplicates(found, tenant, batch)
            if found.pins:
                found = memory.tenants[tenant] = found.copy()
            found.apply(memory.layouts, batch)
            for m in batch.messages:
                self._mail[tenant, m.id] = self._open[m.queue][tenant, m.id] = _Mail(m)
            return Receipt(replayed=False)

    def _refuse_conflicts(self, found: _Tenant, batch: Batch) -> None:
        for x in expectations(batch):
            version = found.version(x.kind, x.id)
            if version != x.expected:
                raise Conflict(x.kind, x.id, x.expected, version)

    def _refuse_duplicates(self, found: _Tenant, tenant: str, batch: Batch) -> None:
        written = {(p.kind, p.id) for p in batch.puts} | {(d.kind, d.id) for d in batch.drops}
        taken: set[tuple[str, str, str]] = set()
        for p in batch.puts:
            for name, value in zip(self._memory.layouts[p.kind].kind.unique, p.unique, strict=True):
                if value is None:
                    continue
                key = (p.kind, name, value)
                holder = found.unique.get(key)
                if key in taken or (holder is not None and (p.kind, holder) not in written):
                    raise Duplicate(p.kind, name)
                taken.add(key)
        sent = {m.id for m in batch.messages}
        if len(sent) < len(batch.messages) or any((tenant, i) in self._mail for i in sent):
            raise Duplicate("message", "id")

    def claim(self, queue: str, *, now: datetime, limit: int, lease: timedelta) -> tuple[Claim, ...]:
        """Claim messages of all tenants that are due by `now`, the oldest first; leases end by the store's clock.

        Raises:
            Misuse: the lease is negative.
            Unavailable: the store is closed.
        """
        refuse_negative(lease)
        with self._memory.lock:
            self._memory.refuse_when_closed()
            clock = self._now()
            due = [
                (m.message.due, *place)
                for place, m in self._open[queue].items()
                if m.message.due <= now and (m.until is None or m.until <= clock)
            ]
            claims: list[Claim] = []
            for _, tenant, id_ in sorted(due)[: max(limit, 0)]:
                mail = self._mail[tenant, id_]
                mail.token, mail.until = secrets.token_hex(16), clock + lease
                mail.attempt += 1
                claims.append(Claim(tenant, mail.message, mail.token, mail.attempt, mail.until))
            return tuple(claims)

    def settle(self, outcomes: Sequence[Outcome]) -> tuple[bool, ...]:
        """Say what became of claims; False where the token no longer holds, which it does until the next claim.

        Raises:
            Misuse: an extension is negative.
            Unavailable: the store is closed.
        """
        for outcome in outcomes:
            if isinstance(outcome, Extend):
                refuse_negative(outcome.lease)
        with self._memory.lock:
            self._memory.refuse_when_closed()
            return tuple(map(self._settle, outcomes))

    def _settle(self, outcome: Outcome) -> bool:
        claim = outcome.claim
        place = (claim.tenant, claim.message.id)
        mail = self._mail.get(place)
        if mail is None or mail.token is None or mail.token != claim.token:
            return False
        match outcome:
            case Extend(lease=lease):
                mail.until = self._now() + lease
                return True
            case Retry(due=due):
                mail.message = mail.message._replace(due=due)
            case Done():
                mail.open, mail.message = False, mail.message._replace(body="")
            case Dead(why=why):
                mail.open, mail.why = False, why
            case _:
                assert_never(outcome)
        mail.token = mail.until = None
        if not mail.open:
            del self._open[mail.message.queue][place]
        return True

    def close(self) -> None:
        """Let go of everything. Closing twice is harmless; any other call afterwards raises `Unavailable`."""
        with self._memory.lock:
            self._memory.closed = True
            self._memory.tenants.clear()
            self._mail.clear()
            self._open.clear()


class _MemoryReader:
    """Reads of one tenant in memory."""

    def __init__(self, memory: _Memory, tenant: str, *, snapshot: bool) -> None:
        self._memory, self._name, self._snapshot = memory, tenant, snapshot
        self._pinned: _Tenant | None = None
        self._entered = False

    def __enter__(self) -> Self:
        with self._memory.lock:
            found = self._memory.tenant(self._name)
            if self._snapshot:
                self._pinned = found
                found.pins += 1
        self._entered = True
        return self

    def __exit__(self, *_: object) -> None:
        self._entered = False
        if self._pinned is not None:
            with self._memory.lock:
                self._pinned.pins -= 1
                self._pinned = None

    def _tenant(self) -> _Tenant:
        if not self._entered:
            raise Misuse("a reader is used inside its with block")
        found = self._memory.tenant(self._name)
        return self._pinned or found

    def get(self, kind: str, ids: Sequence[str]) -> Mapping[str, Stored]:
        """Give the records that there are, by id; what is absent is left out."""
        with self._memory.lock:
            known(self._memory.layouts, kind)
            records = self._tenant().records[kind]
            return {i: kept.stored for i in ids if (kept := records.get(i))}

    def find(self, kind: str, query: Query) -> Page:
        """Give a page of records that meet a resolved query, in its order.

        Raises:
            Invalid: rule `cursor`.
        """
        with self._memory.lock:
            layout = known(self._memory.layouts, kind)
            some = self._tenant().matching(layout, query.where)
        order = orders(query.order, layout.kind)
        key, place = sort_key(order, layout.kind), place_of(query, layout.kind, self._name)
        if place is not None:
            last: list[Scalar] = [None] * len(layout.kind.columns)
            last[0] = place[-1]
            for (name, _), value in zip(order, place, strict=False):
                last[layout.kind.position[name]] = value
            bound = key(tuple(last))
            some = [s for s in some if key(s.row) > bound]
        some.sort(key=lambda s: key(s.row))
        return cut(some, query, layout.kind, self._name)

    def count(self, kind: str, where: Where) -> int:
        """Tell how many records meet a resolved condition."""
        with self._memory.lock:
            return len(self._tenant().matching(known(self._memory.layouts, kind), where))

    def events(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 500,
        about: Ref | None = None,
        newest_first: bool = False,
    ) -> tuple[Recorded, ...]:
        """Give journal entries at positions above `after` and below `before`; nothing is ever truncated here."""
        with self._memory.lock:
            found = self._tenant()
            start, end = max(after, 0), len(found.journal) if before is None else min(before - 1, len(found.journal))
            if about is None:
                places: Sequence[int] = range(start, max(end, start))
            else:
                places = [p for p in found.concerning.get(about, ()) if start <= p < end]
            chosen = (places[::-1] if newest_first else places)[: max(limit, 0)]
            return tuple(found.journal[p] for p in chosen)
