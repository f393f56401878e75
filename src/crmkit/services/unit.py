"""Unit: what was read, what changed, one commit. Service and verb: how a host's calls reach it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast

import attrs

from crmkit.errors import Invalid, Misuse, NotAllowed, NotFound, Refusal, Stale
from crmkit.kernel.codec import decode, encode, encode_event
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref, identifier
from crmkit.kernel.query import EVERYTHING, LONGEST_PAGE, Found, Query, Typed, Where, checked, everything, predicate, resolve, sort_key
from crmkit.kernel.query import orders as order_of
from crmkit.kernel.record import Change, Event, Kind, Record, event
from crmkit.services.policy import Act, Policy
from crmkit.storage.store import Batch, Drop, Entry, Guard, Message, Put, Receipt, Recorded, Store, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

R = TypeVar("R", bound=Record)
T = TypeVar("T")
P = ParamSpec("P")
DEEPEST = 8

Reaction = Callable[["Unit", Any, Any], None]
"""What happens in one concept because of another: `(unit, record, event)`, in the same commit."""


@event("act.refused", note=True)
@attrs.frozen(kw_only=True)
class ActRefused(Event[Record]):
    """The policy refused an act. It is journalled under the record that it was about."""

    refused: str
    why: str


@attrs.frozen
class Setting:
    """All that a unit needs of the shell.

    Attributes:
        store: where everything is kept.
        clock: tells the time.
        policy: the host's say.
        reactions: by event class, what else happens.
        new_id: makes ids, from a prefix and the time.
        settings: what concepts are told by the host, by name, such as the declared attributes.
        keys: by kind, the typed search keys that the host has declared.
        tenant: whose data.
        actor: who acts.
        correlation: what the acts belong to; empty makes a new one for each unit.
        expected: the versions that the caller insists on, by kind and id.
        audit_refusals: whether acts that the policy refused are journalled.
    """

    store: Store
    clock: Callable[[], datetime]
    policy: Policy
    reactions: Mapping[type[Event[Any]], tuple[Reaction, ...]]
    new_id: Callable[[str, datetime], str]
    settings: Mapping[str, Any] = FrozenDict()
    keys: Mapping[str, Mapping[str, Typed]] = FrozenDict()
    tenant: str = "main"
    actor: str = "host"
    correlation: str = ""
    expected: Mapping[tuple[str, str], int] = attrs.field(factory=dict[tuple[str, str], int])
    audit_refusals: bool = True


@attrs.frozen
class Listed(Generic[R]):
    """A page of records, and the cursor to the rest: None if there is no more.

    Attributes:
        items: the records, in order.
        next: what to pass as `after` for the next page.
    """

    items: tuple[R, ...]
    next: str | None

    def __iter__(self) -> Iterator[R]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class Unit:
    """One piece of work: it keeps what it has read, collects changes, and commits once."""

    def __init__(self, setting: Setting, *, verb: str = "unit", reason: str = "", key: str | None = None) -> None:
        self.setting = setting
        self.at, self.by = setting.clock(), setting.actor
        self.verb, self.reason, self.key = verb, reason, key
        self.correlation = setting.correlation or setting.new_id("act", self.at)
        self.receipt: Receipt | None = None
        self._seen: dict[tuple[str, str], Record] = {}
        self._base: dict[tuple[str, str], int] = {}
        self._dirty: dict[tuple[str, str], None] = {}
        self._drops: dict[tuple[str, str], int] = {}
        self._entries: list[Entry] = []
        self._messages: list[Message] = []
        self._erase: list[str] = []
        self._causes: list[int] = []
        self._denied: Record | None = None
        self._over = False

    # reading

    def get(self, cls: type[R], which: R | str) -> R:
        """Give a record as this unit sees it: by its id, whatever copy the caller holds.

        Raises:
            NotFound: there is none, or none that the actor may see.
            Stale: the caller insists on another version.
        """
        kind = cls.__kind__
        key = (kind.name, self._id_of(kind, which))
        seen = self._seen.get(key)
        if seen is None and key not in self._drops:
            self._read(cls, (key[1],))
            seen = self._seen.get(key)
        if seen is None:
            raise NotFound(*key)
        return cast("R", seen)

    def get_many(self, cls: type[R], ids: Iterable[str]) -> dict[str, R]:
        """Give the records of these ids that there are and that the actor may see, in one read."""
        kind = cls.__kind__
        wanted = tuple(dict.fromkeys(self._id_of(kind, i) for i in ids))
        if unread := tuple(i for i in wanted if (kind.name, i) not in self._seen and (kind.name, i) not in self._drops):
            self._read(cls, unread)
        return {i: cast("R", self._seen[kind.name, i]) for i in wanted if (kind.name, i) in self._seen}

    def _id_of(self, kind: Kind[R], which: R | str) -> str:
        if isinstance(which, kind.cls):
            return which.id
        return identifier(kind.name, which)

    def _read(self, cls: type[R], ids: Sequence[str]) -> None:
        kind = cls.__kind__
        with self.setting.store.reader(self.setting.tenant) as reader:
            found = reader.get(kind.name, ids)
        sees = self._sees(kind)
        for stored in found.values():
            if sees is None or self._visible(kind, stored, sees):
                self._adopt(kind, stored)

    def _sees(self, kind: Kind[Any]) -> Where | None:
        seen = self.setting.policy.sees(self.setting.actor, kind)
        return None if seen is None else resolve(seen, kind, self.setting.keys.get(kind.name))

    def _visible(self, kind: Kind[Any], stored: Stored, sees: Where) -> bool:
        record = decode(kind, stored.row, version=stored.version, schema=stored.schema)
        return predicate(sees, kind)(Found(encode(record), kind.keys_of(record)))

    def _adopt(self, kind: Kind[R], stored: Stored) -> R:
        key = (kind.name, stored.id)
        if (seen := self._seen.get(key)) is not None:
            return cast("R", seen)
        insisted = self.setting.expected.get(key)
        if insisted is not None and insisted != stored.version:
            raise Stale(*key, insisted, stored.version)
        made = decode(kind, stored.row, version=stored.version, schema=stored.schema)
        self._seen[key], self._base[key] = made, stored.version
        return made

    def find(
        self, cls: type[R], where: Where | None = None, *, order: Sequence[str] = (), limit: int = LONGEST_PAGE
    ) -> tuple[R, ...]:
        """Give all records that meet a condition, this unit's own changes included.

        Raises:
            Invalid: the condition names no field of the kind, or there are more than `limit` where none was said.
        """
        kind = cls.__kind__
        query = self._query(kind, where, order, limit, None)
        with self.setting.store.reader(self.setting.tenant) as reader:
            page = reader.find(kind.name, query)
        touched = [k for k in (*self._dirty, *self._drops) if k[0] == kind.name]
        out = [self._adopt(kind, s) for s in page.items if (kind.name, s.id) not in touched]
        if mine := [self._seen[k] for k in touched if k in self._dirty]:
            meets = predicate(query.where, kind)
            rows = {r.id: encode(r) for r in (*out, *mine)}
            fresh = [cast("R", r) for r in mine if meets(Found(rows[r.id], kind.keys_of(r)))]
            place = sort_key(order_of(query.order, kind), kind)
            out = sorted([*out, *fresh], key=lambda r: place(rows[r.id]))
        return tuple(out[:limit])

    def first(self, cls: type[R], where: Where, *, order: Sequence[str] = ()) -> R | None:
        """Give the first record that meets a condition, or None."""
        return next(iter(self.find(cls, where, order=order, limit=1)), None)

    def page(
        self, cls: type[R], where: Where | None = None, *, order: Sequence[str] = (), limit: int = 100, after: str | None = None
    ) -> Listed[R]:
        """Give a page of what is committed; this unit's own changes show on it but do not move records between pages.

        Raises:
            Invalid: the condition names no field of the kind, or rule `cursor`.
        """
        kind = cls.__kind__
        query = self._query(kind, where, order, limit, after)
        with self.setting.store.reader(self.setting.tenant) as reader:
            page = reader.find(kind.name, query)
        return Listed(tuple(self._adopt(kind, s) for s in page.items), page.next)

    def count(self, cls: type[Record], where: Where | None = None) -> int:
        """Tell how many committed records meet a condition."""
        kind = cls.__kind__
        query = self._query(kind, where, (), 1, None)
        with self.setting.store.reader(self.setting.tenant) as reader:
            return reader.count(kind.name, query.where)

    def _query(self, kind: Kind[Any], where: Where | None, order: Sequence[str], limit: int, after: str | None) -> Query:
        asked = EVERYTHING if where is None else where
        sees = self.setting.policy.sees(self.setting.actor, kind)
        query = Query(asked if sees is None else everything(asked, sees), tuple(order), limit, after)
        return checked(query, kind, self.setting.keys.get(kind.name))

    def events(
        self, about: Ref | None, *, after: int = 0, before: int | None = None, limit: int = 500, newest_first: bool = False
    ) -> tuple[Recorded, ...]:
        """Give journal entries. The caller has made sure that the actor may see what they are about."""
        with self.setting.store.reader(self.setting.tenant) as reader:
            return reader.events(after=after, before=before, limit=limit, about=about, newest_first=newest_first)

    # acting

    def new_id(self, cls: type[Record]) -> str:
        """Make an id for a record of a class."""
        return self.setting.new_id(cls.__kind__.prefix, self.at)

    def act_on(self, cls: type[R], which: R | str) -> R:
        """Give a record to act on, once the policy has allowed it.

        Raises:
            NotFound: there is none, or none that the actor may see.
            NotAllowed: the policy refuses.
        """
        found = self.get(cls, which)
        self.ask(found)
        return found

    def ask(self, record: Record | None, *, is_new: bool = False) -> None:
        """Ask the policy about the verb that is running.

        Raises:
            NotAllowed: it refuses.
        """
        why = self.setting.policy.refuses(Act(self.by, self.verb, record, is_new))
        if why is not None:
            self._denied = record
            subject = "a new record" if record is None else str(Ref(type(record).__kind__.name, record.id))
            raise NotAllowed(self.by, self.verb, subject, why)

    def need_reason(self) -> str:
        """Give the reason of the act, where one is due.

        Raises:
            Invalid: rule `required`, none was given.
        """
        if not self.reason.strip():
            raise Invalid("reason", "required", f"why {self.verb} is called, for the audit trail", "nothing")
        return self.reason

    def save(self, change: Change[R], *, at: datetime | None = None) -> R:
        """Take a change into the unit, run the reactions to its event, and give the record as it is after these.

        `at` is when it took effect, if that is not now.

        Raises:
            Stale: the change was made from a record that this unit has changed since.
            NotAllowed: the policy refuses the new record.
            Refusal: rule `reactions.depth`, reactions cause each other more than eight deep.
        """
        record, told, before = change.record, change.event, change.before
        kind = type(record).__kind__
        key = (kind.name, record.id)
        seen = self._seen.get(key)
        if before is None:
            if seen is not None:
                raise Stale(*key, 0, seen.version)
            if not self._causes:
                self.ask(record, is_new=True)
            self._base.setdefault(key, 0)
        elif seen is None:
            self._base[key] = before.version
        elif seen.version != before.version:
            raise Stale(*key, before.version, seen.version)
        self._seen[key] = record
        self._dirty[key] = None
        self._tell(told, Ref(*key), record.version, customer_of(record), at)
        return cast("R", self._seen[key])

    def _tell(self, told: Event[Any], subject: Ref, version: int, customer: str | None, at: datetime | None) -> None:
        body, personal = encode_event(told)
        kind = type(told).__event__
        index = len(self._entries)
        entry = Entry(
            kind.name,
            kind.schema,
            subject,
            version,
            customer,
            at or self.at,
            self.at,
            self.by,
            self.verb,
            self.reason,
            self.correlation,
            index - self._causes[-1] if self._causes else None,
            body,
            personal,
        )
        self._entries.append(entry)
        reactions = self.setting.reactions.get(type(told), ())
        if not reactions:
            return
        if len(self._causes) >= DEEPEST:
            reasons = [f"{kind.name} is caused by {DEEPEST} reactions in a row; some of them cause each other"]
            raise Refusal(str(subject), "reactions.depth", reasons)
        self._causes.append(index)
        for reaction in reactions:
            reaction(self, self._seen[subject.kind, subject.id], told)
        self._causes.pop()

    def drop(self, record: Record) -> None:
        """Remove a record when the unit commits. The journal keeps what happened to it."""
        kind = type(record).__kind__
        key = (kind.name, record.id)
        self._seen.pop(key, None)
        self._dirty.pop(key, None)
        if base := self._base.pop(key, record.version):
            self._drops[key] = base

    def send(self, queue: str, body: str, *, due: datetime | None = None, id: str | None = None) -> str:  # noqa: A002
        """Put a message into the outbox when the unit commits, and give its id."""
        made = id or self.setting.new_id("msg", self.at)
        self._messages.append(Message(made, queue, body, due or self.at))
        return made

    def forget(self, customer: str) -> None:
        """Blank the personal part of all that the journal tells about a customer, when the unit commits."""
        self._erase.append(customer)

    # committing

    def batch(self) -> Batch:
        """Give all that this unit would write."""
        puts = tuple(self._put(where, self._seen[where]) for where in self._dirty)
        guards = [Guard(*k, v) for k, v in self._base.items() if k not in self._dirty]
        insisted = [Guard(*k, v) for k, v in self.setting.expected.items() if k not in self._base]
        drops = [Drop(*k, v) for k, v in self._drops.items()]
        key = self.key
        if key is None and self.setting.store.features.remote:
            key = secrets.token_hex(12)
        return Batch(
            puts,
            tuple(drops),
            (*guards, *insisted),
            tuple(self._entries),
            tuple(self._messages),
            tuple(self._erase),
            key,
        )

    def _put(self, where: tuple[str, str], record: Record) -> Put:
        kind: Kind[Any] = type(record).__kind__
        unique, keys = kind.uniques(record), kind.keys_of(record)
        return Put(*where, self._base[where], record.version, kind.schema, encode(record), unique, keys)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self._dirty or self._drops or self._entries or self._messages or self._erase)

    def commit(self) -> Receipt:
        """Write everything at once.

        Raises:
            Misuse: the unit is over.
            StorageError: as `Store.commit`; nothing was written.
        """
        if self._over:
            raise Misuse("this unit is over; open a new one")
        self._over = True
        self.receipt = Receipt(False) if self.is_empty else self.setting.store.commit(self.setting.tenant, self.batch())
        return self.receipt

    def journal_refusal(self, error: NotAllowed) -> None:
        """Journal that the policy refused an act of this unit, in a commit of its own."""
        fresh = Unit(self.setting, verb=error.verb, reason=self.reason)
        fresh.correlation = self.correlation
        record = self._denied
        told = ActRefused(refused=error.verb, why=error.reasons[0])
        if record is None:
            fresh._tell(told, Ref("act", self.correlation), 0, None, None)
        else:
            fresh._tell(told, Ref(type(record).__kind__.name, record.id), record.version, customer_of(record), None)
        fresh.commit()


def customer_of(record: Record) -> str | None:
    """Give the id of the customer whom a record is about, if its kind names one."""
    about = type(record).__kind__.customer
    return None if about is None else cast("str | None", getattr(record, about))


# how a host's calls reach a unit

_OPEN: ContextVar[tuple[Unit, ...]] = ContextVar("crmkit_open_units", default=())


@contextmanager
def opened(unit: Unit) -> Iterator[Unit]:
    """Mark a unit as open, so that a call past it is noticed."""
    token = _OPEN.set((*_OPEN.get(), unit))
    try:
        yield unit
    finally:
        _OPEN.reset(token)


def refuse_past_open(setting: Setting, verb: str) -> None:
    """Notice a verb that is called on the CRM while a unit on the same store and tenant is open.

    Raises:
        Misuse: its changes would not be part of the unit.
    """
    for unit in _OPEN.get():
        if unit.setting.store is setting.store and unit.setting.tenant == setting.tenant:
            raise Misuse(f"crm.{verb} was called inside `with crm.unit() as unit`; call unit.{verb}, or end the unit first")


class Runner(Protocol):
    """What gives every call a unit of its own."""

    def run(self, act: Callable[[Unit], T], *, verb: str, reason: str = "") -> T:
        """Run an act in a unit and commit it."""
        ...


class Service:
    """The verbs of one concept over a scope: a unit, or what gives every call one of its own."""

    def __init__(self, scope: Unit | Runner) -> None:
        self._scope = scope

    @property
    def unit(self) -> Unit:
        """The unit that the running verb belongs to."""
        return cast("Unit", self._scope)


S = TypeVar("S", bound=Service)


def verb(fn: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Make a method a verb: in a unit it runs as written, on a CRM in a unit of its own, and again after a conflict.

    A `reason` that it is called with becomes the reason of the act.
    """
    concept, _, method = fn.__qualname__.rpartition(".")
    name = f"{concept.lower()}.{method}"

    @wraps(fn)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        scope = self._scope  # pyright: ignore[reportPrivateUsage]
        given = cast("str", kwargs.get("reason", ""))
        if not isinstance(scope, Unit):
            return scope.run(lambda unit: fn(type(self)(unit), *args, **kwargs), verb=name, reason=given)
        outer = scope.verb, scope.reason
        scope.verb, scope.reason = name, given or scope.reason
        try:
            return fn(self, *args, **kwargs)
        finally:
            scope.verb, scope.reason = outer

    return call
