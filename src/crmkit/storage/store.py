"""The Store protocol: what a plugin author implements. Frozen values in, frozen values out, no transaction between.

Every "must" below is a promise that each store keeps and that the library relies on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol

import attrs

from crmkit.kernel.ids import Ref
from crmkit.kernel.query import Query, Where
from crmkit.kernel.record import Key, Kind, Row

Mode = Literal["check", "create", "upgrade"]


@attrs.frozen
class Features:
    """What a store declares of itself. The library reads it, and refuses with `NotSupported` what is not declared.

    Attributes:
        durable: an acknowledged commit survives a crash of the process and, at `durability="full"`, of the machine.
        processes: several processes may use the same store at once.
        snapshot: `reader(snapshot=True)` sees one moment throughout.
        embedded: the store lives in this process or in a file of its own; it lays out its schema when it is opened.
        remote: a commit's acknowledgement may get lost on the way; the library then gives every batch a key.
    """

    durable: bool = False
    processes: bool = False
    snapshot: bool = False
    embedded: bool = False
    remote: bool = False


@attrs.frozen
class Schema:
    """What a store has to lay out: the kinds of records."""

    kinds: tuple[Kind[Any], ...]


class Put(NamedTuple):
    """A record to write.

    Attributes:
        kind: its kind.
        id: its id.
        expected: the version that must be stored now; 0 means that there must be none.
        version: the version that it gets, above `expected`.
        schema: the layout version of the row.
        row: its columns in the order of the kind, and last the rest as JSON.
        unique: its unique keys in the order of the kind; None never collides.
        keys: its search keys.
    """

    kind: str
    id: str
    expected: int
    version: int
    schema: int
    row: Row
    unique: tuple[str | None, ...] = ()
    keys: tuple[Key, ...] = ()


class Drop(NamedTuple):
    """A record to remove, if it is at the expected version."""

    kind: str
    id: str
    expected: int


class Guard(NamedTuple):
    """A record that was read and must still be at this version (0: still absent) when the batch lands."""

    kind: str
    id: str
    expected: int


class Entry(NamedTuple):
    """A journal entry: an event in its envelope.

    Attributes:
        type: the event's name.
        schema: the layout version of its body.
        subject: the record that it happened to.
        version: the version that the record got by it.
        customer: the id of the customer whom it concerns, if any.
        at: when it took effect; for a timed move its deadline.
        recorded: when it was decided, by the clock of the library.
        by: the actor.
        verb: the verb that was called, such as `"relationships.advance"`.
        reason: why, as the actor said.
        correlation: what it belongs to, such as a request id.
        back: it was caused by the entry this many positions before it; None: by the verb itself.
        body: the lasting part of the event as JSON.
        personal: the personal part as JSON; None if there is none or it was erased.
    """

    type: str
    schema: int
    subject: Ref
    version: int
    customer: str | None
    at: datetime
    recorded: datetime
    by: str
    verb: str
    reason: str
    correlation: str
    back: int | None
    body: str
    personal: str | None


class Message(NamedTuple):
    """Something to send, written in the commit that decided to send it. Its id is unique in its tenant."""

    id: str
    queue: str
    body: str
    due: datetime


class Batch(NamedTuple):
    """All that one commit writes: all of it or nothing.

    Versions are held against what is there before the batch: those of guards first, then of drops, then of puts, and
    the first that does not hold makes the `Conflict`. Unique keys are held against what is there after it, in the order
    of the puts, so that records may swap a key or pass it on; then message ids. A conflict is told before a duplicate.

    Attributes:
        puts: records to write, each record at most once.
        drops: records to remove; a record that is put is not dropped, too.
        guards: records that must not have changed; they may be among those that are written.
        events: journal entries, in order.
        messages: what to send.
        erase: ids of customers whose personal parts in the journal are blanked, entries of this batch included: of the
            entries that name them as customer, and of those about the record `Ref("customer", id)` itself.
        key: if given, the batch applies once, however often it is committed; a refused one has not used its key.
    """

    puts: tuple[Put, ...] = ()
    drops: tuple[Drop, ...] = ()
    guards: tuple[Guard, ...] = ()
    events: tuple[Entry, ...] = ()
    messages: tuple[Message, ...] = ()
    erase: tuple[str, ...] = ()
    key: str | None = None


class Receipt(NamedTuple):
    """The answer to a commit: whether its key had been applied before, so that nothing was written now."""

    replayed: bool


class Stored(NamedTuple):
    """A record as a store has it."""

    id: str
    version: int
    schema: int
    row: Row


class Page(NamedTuple):
    """Some of what was asked for, and the cursor to the rest: None if there is no more."""

    items: tuple[Stored, ...]
    next: str | None


class Recorded(NamedTuple):
    """A journal entry at its position."""

    position: int
    entry: Entry


class Claim(NamedTuple):
    """A message that nobody else may handle until the lease ends.

    Attributes:
        tenant: whose message it is.
        message: what to send.
        token: what settles it; a new one for each claim.
        attempt: how often it was claimed, this time included.
        until: when the lease ends, by the store's clock.
    """

    tenant: str
    message: Message
    token: str
    attempt: int
    until: datetime


class Done(NamedTuple):
    """It was handled: it never comes back, its id stays taken, and its body need not be kept."""

    claim: Claim


class Retry(NamedTuple):
    """It was not handled; it is due again at `due`, or at once when that has passed."""

    claim: Claim
    due: datetime


class Dead(NamedTuple):
    """It can never be handled; it is kept with the reason and not claimed again."""

    claim: Claim
    why: str


class Extend(NamedTuple):
    """It takes longer; the lease ends `lease` from now."""

    claim: Claim
    lease: timedelta


Outcome = Done | Retry | Dead | Extend


class Reader(Protocol):
    """Reads of one tenant. It must never show a record, an entry or a count of another tenant."""

    def get(self, kind: str, ids: Sequence[str]) -> Mapping[str, Stored]:
        """Give the records that there are, by id; what is absent is left out."""
        ...

    def find(self, kind: str, query: Query) -> Page:
        """Give a page of records that meet a resolved query. It must answer as `predicate` and `sort_key` say.

        A page of nothing (limit 0) has the cursor that it was asked with.

        Raises:
            Invalid: rule `cursor`.
        """
        ...

    def count(self, kind: str, where: Where) -> int:
        """Tell how many records meet a resolved condition."""
        ...

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

        `about` is a record, or a customer (`Ref("customer", id)`): then all entries that concern them, which name them
        as customer or are about their own record.

        Raises:
            Truncated: the journal no longer holds what follows `after`; told to who follows all of it, oldest first.
        """
        ...


class Store(Protocol):
    """Where records, the journal and the outbox are kept. It must be safe to use from several threads at once."""

    @property
    def features(self) -> Features:
        """What the store declares of itself."""
        ...

    def prepare(self, schema: Schema, mode: Mode) -> None:
        """Make ready: `check` only looks, `create` lays out an empty store, `upgrade` adds what is missing.

        It must keep what is stored, must be safe when several processes start at once, and must do nothing the second
        time. An upgrade brings rows of older layouts to the present one, so that they are found by it.

        Raises:
            SchemaMismatch: what is stored does not fit; the error names the cure.
        """
        ...

    def reader(self, tenant: str, *, fresh: bool = True, snapshot: bool = False) -> AbstractContextManager[Reader]:
        """Open reads of a tenant. `fresh` sees every acknowledged commit; `snapshot` sees one moment throughout.

        Raises:
            NotSupported: `snapshot` is asked for and not declared.
        """
        ...

    def commit(self, tenant: str, batch: Batch) -> Receipt:
        """Write all of a batch or nothing.

        Events get the next positions of the tenant's journal, without gaps and in order; who has read up to a position
        must never miss an entry at or below it.

        Raises:
            Conflict: a put, drop or guard does not meet the version that it expects.
            Duplicate: a unique key is taken, also under racing writers; or a message id (kind `message`, key `id`).
            Misuse: the batch contradicts itself, or names a kind that the store was not prepared for.
            Busy: nothing was written, the same batch may be tried again.
            Unavailable: the store cannot be reached or written.
        """
        ...

    def claim(self, queue: str, *, now: datetime, limit: int, lease: timedelta) -> tuple[Claim, ...]:
        """Claim messages of all tenants that are due by `now`, the oldest first.

        A claim is exclusive until its lease ends by the store's own clock. An ended lease is simply due again; a lease
        of no time has ended at once.
        """
        ...

    def settle(self, outcomes: Sequence[Outcome]) -> tuple[bool, ...]:
        """Say what became of claims; False where the token no longer holds, and then nothing was changed.

        A token holds until its message is settled or claimed again, also after its lease has ended.
        """
        ...

    def close(self) -> None:
        """Let go of everything. Closing twice is harmless; any other call afterwards raises `Unavailable`."""
        ...
