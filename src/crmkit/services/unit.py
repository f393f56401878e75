"""Unit: what was read, what changed, one commit. Service and verb: how a host's calls reach it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast

import attrs

from crmkit.errors import Invalid, Misuse, NotAllowed, NotFound, Refusal, Stale
from crmkit.kernel.checks import Prose
from crmkit.kernel.codec import decode, encode, encode_event
from crmkit.kernel.dates import instant
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref, identifier
from crmkit.kernel.query import (
    EVERYTHING,
    LONGEST_PAGE,
    Found,
    Query,
    Typed,
    Where,
    checked,
    everything,
    field,
    predicate,
    resolve,
    sort_key,
)
from crmkit.kernel.query import orders as order_of
from crmkit.kernel.record import Change, Event, Kind, Record, Row, event
from crmkit.kernel.text import code, prose
from crmkit.services.arguments import blaming
from crmkit.services.declared import Declared
from crmkit.services.policy import Act, Policy
from crmkit.storage.store import Batch, Drop, Entry, Guard, Message, Put, Receipt, Recorded, Store, Stored

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

R = TypeVar("R", bound=Record)
T = TypeVar("T")
P = ParamSpec("P")
DEEPEST = 8
IN_ONE_READ = 500
LONGEST_REASON = 2000

Reaction = Callable[["Unit", Any, Any], None]
"""What happens in one concept because of another: `(unit, record, event)`, in the same commit."""


@event("act.refused", note=True)
@attrs.frozen(kw_only=True)
class ActRefused(Event[Record]):
    """The policy refused an act. It is journalled under the record that it was about."""

    refused: str
    why: Annotated[str, Prose(empty=True)]


@attrs.frozen
class Setting:
    """All that a unit needs of the shell.

    Attributes:
        store: where everything is kept.
        clock: tells the time.
        policy: the host's say.
        reactions: by event class, what else happens.
        new_id: makes ids, from a prefix and the time.
        declared: what the host has declared about its business.
        keys: by kind, the typed search keys that the host has declared.
        kinds: the names of the kinds that the store was prepared for.
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
    declared: Declared = attrs.field(factory=Declared)
    keys: Mapping[str, Mapping[str, Typed]] = FrozenDict()
    kinds: frozenset[str] = frozenset()
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
        self.at, self.by = instant("clock", setting.clock()), setting.actor
        self.verb, self.reason = verb, checked_reason(reason)
        self.key = None if key is None else code("key", key)
        self.receipt: Receipt | None = None
        self._seen: dict[tuple[str, str], Record] = {}
        self._base: dict[tuple[str, str], int] = {}
        self._dirty: dict[tuple[str, str], None] = {}
        self._drops: dict[tuple[str, str], int] = {}
        self._entries: list[Entry] = []
        self._messages: list[Message] = []
        self._erase: list[str] = []
        self._causes: list[int] = []
        self._hidden: set[tuple[str, str]] = set()
        self._rows: dict[tuple[str, str], tuple[Record, Row]] = {}
        self._related: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
        self._undo: list[tuple[tuple[str, str], Record | None, int | None, bool, int | None]] = []
        self._denied: Record | None = None
        self._over = False

    @cached_property
    def correlation(self) -> str:
        """What the acts of this unit belong to."""
        return self.setting.correlation or self.setting.new_id("act", self.at)

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
        if seen is None or key in self._hidden:
            raise NotFound(*key)
        return cast("R", seen)

    def get_many(self, cls: type[R], ids: Iterable[str]) -> dict[str, R]:
        """Give the records of these ids that there are and that the actor may see, in one read."""
        kind = cls.__kind__
        wanted = tuple(dict.fromkeys(self._id_of(kind, i) for i in ids))
        if unread := tuple(i for i in wanted if (kind.name, i) not in self._seen and (kind.name, i) not in self._drops):
            self._read(cls, unread)
        shown = self._seen.keys() - self._hidden
        return {i: cast("R", self._seen[kind.name, i]) for i in wanted if (kind.name, i) in shown}

    def _id_of(self, kind: Kind[R], which: R | str) -> str:
        if isinstance(which, kind.cls):
            return which.id
        return identifier(kind.name, which)

    def _read(self, cls: type[R], ids: Sequence[str]) -> None:
        kind = cls.__kind__
        with self.setting.store.reader(self.setting.tenant) as reader:
            found = reader.get(kind.name, ids)
        sees = self.setting.policy.sees(self.setting.actor, kind)
        meets = None if sees is None else predicate(resolve(sees, kind, self.setting.keys.get(kind.name)), kind)
        for stored in found.values():
            made = _record_of(kind, stored)
            if meets is None or meets(Found(encode(made), kind.keys_of(made))):
                self._keep((kind.name, stored.id), made)

    def _adopt(self, kind: Kind[R], stored: Stored) -> R:
        """Give the record as this unit sees it: as it was first read, or as the unit has changed it."""
        key = (kind.name, stored.id)
        if (seen := self._seen.get(key)) is None:
            seen = self._keep(key, _record_of(kind, stored))
        return cast("R", seen)

    def _keep(self, key: tuple[str, str], record: R) -> R:
        self._insist(key, record.version)
        self._seen[key], self._base[key] = record, record.version
        return record

    def _insist(self, key: tuple[str, str], version: int) -> None:
        insisted = self.setting.expected.get(key)
        if insisted is not None and insisted != version:
            raise Stale(*key, insisted, version)

    def find(
        self,
        cls: type[R],
        where: Where | None = None,
        *,
        order: Sequence[str] = (),
        limit: int | None = None,
        hidden_too: bool = False,
    ) -> tuple[R, ...]:
        """Give all records that meet a condition, or the first `limit`, this unit's own changes included.

        `hidden_too` is for rules, which hold whether the actor sees what they rest on or not. What is found so never
        goes to the caller: it stays hidden from `get` and the like.

        Raises:
            Invalid: the condition names no field of the kind; rule `too-many`, no limit was said and there are more
                than 10,000.
        """
        kind = cls.__kind__
        touched = {k for k in (*self._dirty, *self._drops) if k[0] == kind.name}
        wanted = LONGEST_PAGE if limit is None else limit
        query = self._query(kind, where, order, wanted, None, hidden_too=hidden_too)
        most = query.limit
        if touched:  # the page may hold as many that this unit has changed or dropped
            query = Query(query.where, query.order, min(most + len(touched), LONGEST_PAGE))
        with self.setting.store.reader(self.setting.tenant) as reader:
            page = reader.find(kind.name, query)
        if limit is None and page.next is not None:
            raise Invalid(
                "find", "too-many", f"at most {LONGEST_PAGE:,} records; narrow the condition or use page", "more"
            )
        out = [self._adopt(kind, s) for s in page.items if (kind.name, s.id) not in touched]
        if mine := [self._seen[k] for k in self._dirty if k in touched]:
            meets = predicate(query.where, kind)
            rows = {r.id: self._row(r) for r in (*out, *mine)}
            fresh = [cast("R", r) for r in mine if meets(Found(rows[r.id], kind.keys_of(r)))]
            place = sort_key(order_of(query.order, kind), kind)
            out = sorted([*out, *fresh], key=lambda r: place(rows[r.id]))
        if hidden_too:
            self._hide(kind, out)
        return tuple(out[:most])

    def _hide(self, kind: Kind[Any], found: Iterable[Record]) -> None:
        """Remember which of these the actor may not see."""
        sees = self.setting.policy.sees(self.setting.actor, kind)
        if sees is not None:
            meets = predicate(resolve(sees, kind, self.setting.keys.get(kind.name)), kind)
            hidden = (r for r in found if not meets(Found(self._row(r), kind.keys_of(r))))
            self._hidden.update((kind.name, r.id) for r in hidden)

    def _row(self, record: Record) -> Row:
        """Give the row of a record, encoded once for as long as this unit sees it so."""
        key = (type(record).__kind__.name, record.id)
        kept = self._rows.get(key)
        if kept is None or kept[0] is not record:
            kept = self._rows[key] = record, encode(record)
        return kept[1]

    def first(self, cls: type[R], where: Where, *, order: Sequence[str] = (), hidden_too: bool = False) -> R | None:
        """Give the first record that meets a condition, or None. `hidden_too` is for rules, as in `find`."""
        return next(iter(self.find(cls, where, order=order, limit=1, hidden_too=hidden_too)), None)

    def related(self, cls: type[R], column: str, values: Iterable[str]) -> dict[str, tuple[R, ...]]:
        """Give by value all records whose column has it, in one read, and without any the next time in this unit.

        So a verb on many records reads what its reactions will ask for at once. For columns that never change, such as
        the customer whom a record is about. It is for rules: what the actor may not see is among it, as with
        `hidden_too`.
        """
        name = cls.__kind__.name
        known = self._related.setdefault((name, column), {})
        wanted = tuple(dict.fromkeys(values))
        unread = [v for v in wanted if v not in known]
        for some in (unread[i : i + IN_ONE_READ] for i in range(0, len(unread), IN_ONE_READ)):
            found = self.find(cls, field(column).in_(some), hidden_too=True)
            known.update({v: {} for v in some})
            for record in found:
                known[getattr(record, column)][record.id] = None
        return {v: tuple(cast("R", r) for i in known[v] if (r := self._seen.get((name, i)))) for v in wanted}

    def _relate(self, record: Record) -> None:
        """Let a new record be found by `related`, where its like was read before."""
        for (name, column), known in self._related.items():
            if name == type(record).__kind__.name and (ids := known.get(getattr(record, column))) is not None:
                ids[record.id] = None

    def page(
        self,
        cls: type[R],
        where: Where | None = None,
        *,
        order: Sequence[str] = (),
        limit: int = 100,
        after: str | None = None,
    ) -> Listed[R]:
        """Give a page of what is committed; this unit's own changes show on it but do not move records between pages.

        What is only listed is not kept, so that any number of pages takes the memory of one, and its versions do not
        guard the commit.

        Raises:
            Invalid: the condition names no field of the kind, or rule `cursor`.
        """
        kind = cls.__kind__
        query = self._query(kind, where, order, limit, after)
        with self.setting.store.reader(self.setting.tenant) as reader:
            page = reader.find(kind.name, query)
        items = tuple(self._shown(kind, s) for s in page.items if (kind.name, s.id) not in self._drops)
        return Listed(items, page.next)

    def _shown(self, kind: Kind[R], stored: Stored) -> R:
        seen = self._seen.get((kind.name, stored.id))
        return _record_of(kind, stored) if seen is None else cast("R", seen)

    def count(self, cls: type[Record], where: Where | None = None) -> int:
        """Tell how many committed records meet a condition."""
        kind = cls.__kind__
        query = self._query(kind, where, (), 1, None)
        with self.setting.store.reader(self.setting.tenant) as reader:
            return reader.count(kind.name, query.where)

    def _query(
        self,
        kind: Kind[Any],
        where: Where | None,
        order: Sequence[str],
        limit: int,
        after: str | None,
        *,
        hidden_too: bool = False,
    ) -> Query:
        asked = EVERYTHING if where is None else where
        sees = None if hidden_too else self.setting.policy.sees(self.setting.actor, kind)
        query = Query(asked if sees is None else everything(asked, sees), tuple(order), limit, after)
        return checked(query, kind, self.setting.keys.get(kind.name))

    def events(
        self,
        about: Ref | None,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 500,
        newest_first: bool = False,
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
        key = (type(record).__kind__.name, record.id)
        if key in self._drops:
            raise Misuse(f"{key[0]} {key[1]!r} was dropped in this unit; what is dropped takes no change")
        self._refuse_superseded(key, 0 if before is None else before.version)
        if before is None and not self._causes:
            self.ask(record, is_new=True)
        self._remember(key)
        if key not in self._base:
            self._base[key] = 0 if before is None else before.version
        self._seen[key] = record
        self._dirty[key] = None
        if before is None:
            self._relate(record)
        self._tell(told, record, at)
        return cast("R", self._seen.get(key, record))

    def _refuse_superseded(self, key: tuple[str, str], version: int) -> None:
        seen = self._seen.get(key)
        if seen is None:
            self._insist(key, version)
        elif seen.version != version:
            raise Stale(*key, version, seen.version)

    def _tell(self, told: Event[Any], record: Record, at: datetime | None) -> None:
        index = len(self._entries)
        subject = Ref(type(record).__kind__.name, record.id)
        self._write(told, subject, record.version, customer_of(record), at)
        reactions = self.setting.reactions.get(type(told), ())
        if not reactions:
            return
        if len(self._causes) >= DEEPEST:
            name = type(told).__event__.name
            reasons = [f"{name} is caused by {DEEPEST} reactions in a row; some of them cause each other"]
            raise Refusal(str(subject), "reactions.depth", reasons)
        self._causes.append(index)
        try:
            for reaction in reactions:
                reaction(self, self._seen.get(subject, record), told)
        finally:
            self._causes.pop()

    def _write(self, told: Event[Any], subject: Ref, version: int, customer: str | None, at: datetime | None) -> None:
        body, personal = encode_event(told)
        kind = type(told).__event__
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
            len(self._entries) - self._causes[-1] if self._causes else None,
            body,
            personal,
        )
        self._entries.append(entry)

    def drop(self, record: Record) -> None:
        """Remove a record when the unit commits. The journal keeps what happened to it.

        Raises:
            Stale: this unit has changed the record since.
        """
        key = (type(record).__kind__.name, record.id)
        self._refuse_superseded(key, record.version)
        self._remember(key)
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

    # a verb that raises leaves nothing behind

    def _remember(self, key: tuple[str, str]) -> None:
        self._undo.append((key, self._seen.get(key), self._base.get(key), key in self._dirty, self._drops.get(key)))

    def mark(self) -> tuple[int, int, int, int]:
        """Give the point to which `back_to` goes back."""
        return len(self._undo), len(self._entries), len(self._messages), len(self._erase)

    def back_to(self, mark: tuple[int, int, int, int]) -> None:
        """Take back what was changed since a mark. What was read since stays read."""
        undo, entries, messages, erase = mark
        while len(self._undo) > undo:
            key, seen, base, dirty, dropped = self._undo.pop()
            for table in (self._seen, self._base, self._dirty, self._drops):
                cast("dict[tuple[str, str], Any]", table).pop(key, None)
            if seen is not None:
                self._seen[key] = seen
            if base is not None:
                self._base[key] = base
            if dirty:
                self._dirty[key] = None
            if dropped is not None:
                self._drops[key] = dropped
        del self._entries[entries:], self._messages[messages:], self._erase[erase:]

    # committing

    def batch(self) -> Batch:
        """Give all that this unit would write."""
        puts = tuple(self._put(where, self._seen[where]) for where in self._dirty)
        guards = [Guard(*k, v) for k, v in self._base.items() if k not in self._dirty]
        known = {**self._base, **self._drops}
        insisted = [Guard(*k, v) for k, v in self.setting.expected.items() if k not in known]
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
        return Put(*where, self._base[where], record.version, kind.schema, self._row(record), unique, keys)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self._dirty or self._drops or self._entries or self._messages or self._erase)

    @property
    def is_over(self) -> bool:
        """Whether it was committed, or given up."""
        return self._over

    def end(self) -> None:
        """Give up what was not committed."""
        self._over = True

    def refuse_when_over(self) -> None:
        """Refuse what could not be committed any more.

        Raises:
            Misuse: the unit is over.
        """
        if self._over:
            raise Misuse("this unit is over; open a new one")

    def commit(self) -> Receipt:
        """Write everything at once.

        Raises:
            Misuse: the unit is over.
            StorageError: as `Store.commit`; nothing was written.
        """
        self.refuse_when_over()
        self._over = True
        done = self.is_empty
        self.receipt = Receipt(replayed=False) if done else self.setting.store.commit(self.setting.tenant, self.batch())
        return self.receipt

    def journal_refusal(self, error: NotAllowed) -> None:
        """Journal that the policy refused an act of this unit, in a commit of its own."""
        fresh = Unit(attrs.evolve(self.setting, expected={}), verb=error.verb, reason=self.reason)
        fresh.correlation = self.correlation
        told = ActRefused(refused=error.verb, why=error.reasons[0])
        if (record := self._denied) is None:
            fresh._write(told, Ref("act", fresh.setting.new_id("act", fresh.at)), 0, None, None)
        else:
            fresh._write(told, Ref(type(record).__kind__.name, record.id), record.version, customer_of(record), None)
        fresh.commit()


def checked_reason(reason: str | None) -> str:
    """Check what an actor gives as the reason of an act.

    Raises:
        Invalid: it is no text, or longer than 2,000 characters.
    """
    return prose("reason", reason, longest=LONGEST_REASON, empty=True) if reason else ""


def _record_of(kind: Kind[R], stored: Stored) -> R:
    return decode(kind, stored.row, version=stored.version, schema=stored.schema)


def customer_of(record: Record) -> str | None:
    """Give the id of the customer whom a record is about, if its kind names one."""
    about = type(record).__kind__.customer
    return None if about is None else cast("str | None", getattr(record, about))


# how a host's calls reach a unit

_OPEN: ContextVar[tuple[Unit, ...]] = ContextVar("crmkit_open_units", default=())


@contextmanager
def opened(unit: Unit) -> Generator[Unit]:
    """Mark a unit as open, so that a call past it is noticed. What raises ends it."""
    token = _OPEN.set((*_OPEN.get(), unit))
    try:
        yield unit
    except BaseException:
        unit.end()
        raise
    finally:
        # Web frameworks run the two halves of a generator in two contexts: the mark is left behind, and means nothing
        # once its unit is over.
        with suppress(ValueError):
            _OPEN.reset(token)


def refuse_past_open(setting: Setting, verb: str) -> None:
    """Notice a verb that is called on the CRM while a unit on the same store and tenant is open.

    Raises:
        Misuse: its changes would not be part of the unit.
    """
    for unit in _OPEN.get():
        if not unit.is_over and unit.setting.store is setting.store and unit.setting.tenant == setting.tenant:
            raise Misuse(
                f"crm.{verb} was called inside `with crm.unit() as unit`; call unit.{verb}, or end the unit first"
            )


class Runner(Protocol):
    """What gives every call a unit of its own."""

    def run(self, act: Callable[[Unit], T], *, verb: str, reason: str = "") -> T:
        """Run an act in a unit and commit it."""
        ...


class Scope:
    """What has verbs: a CRM, or an open unit."""

    def __init__(self, scope: Unit | Runner) -> None:
        self._scope = scope

    @property
    def scope(self) -> Unit | Runner:
        """What the verbs run in."""
        return self._scope


class Service:
    """The verbs of one concept over a scope: a CRM, where each call is a unit of its own, or an open unit.

    A host's own services take what crmkit's take: `Bikes(crm)`, and `Bikes(unit)` inside `with crm.unit() as unit`.
    """

    def __init__(self, scope: Unit | Runner | Scope) -> None:
        self._scope = scope.scope if isinstance(scope, Scope) else scope

    @property
    def unit(self) -> Unit:
        """The unit that the running verb belongs to."""
        return cast("Unit", self._scope)


S = TypeVar("S", bound=Service)


def verb(fn: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Make a method a verb: in a unit it runs as written, on a CRM in a unit of its own, and again after a conflict.

    A `reason` that it is called with becomes the reason of the act.
    """
    name = ".".join(fn.__qualname__.split(".")[-2:]).lower()

    @blaming
    @wraps(fn)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        scope = self._scope  # pyright: ignore[reportPrivateUsage]
        given = cast("str", kwargs.get("reason", ""))
        if not isinstance(scope, Unit):
            return scope.run(lambda unit: fn(type(self)(unit), *args, **kwargs), verb=name, reason=given)
        scope.refuse_when_over()
        outer, mark = (scope.verb, scope.reason), scope.mark()
        scope.verb, scope.reason = name, checked_reason(given) or scope.reason
        try:
            return fn(self, *args, **kwargs)
        except BaseException:
            scope.back_to(mark)
            raise
        finally:
            scope.verb, scope.reason = outer

    return call
