"""CRM: binds a store, a clock, a policy and the host's declarations to the services that a host calls."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, Self, TypeVar

import attrs

from crmkit.domain.customers.attributes import Attribute
from crmkit.domain.customers.attributes import declared as attributes_by_name
from crmkit.domain.customers.customer import typed_keys
from crmkit.domain.relationships.evidence import PURCHASES_AS_EVIDENCE, EvidenceRule
from crmkit.domain.relationships.lifecycles import LIFECYCLE, Facts, Lifecycle
from crmkit.domain.relationships.types import TypeRules
from crmkit.domain.relationships.types import declared as types_by_name
from crmkit.errors import Busy, Conflict, Duplicate, Invalid, Misuse, NotAllowed, Stale, redacted
from crmkit.kernel.ids import identifier, new_id
from crmkit.kernel.machine.migration import Versions
from crmkit.kernel.record import KINDS, Event, Kind, Record
from crmkit.kernel.text import line, search_key
from crmkit.services.clock import system_clock
from crmkit.services.consents import Consents
from crmkit.services.customers import Customers
from crmkit.services.declared import Declared
from crmkit.services.interactions import Interactions
from crmkit.services.needs import Needs
from crmkit.services.policy import PORTAL, DefaultPolicy, Policy
from crmkit.services.purchases import Purchases
from crmkit.services.reactions import REACTIONS
from crmkit.services.relationships import Relationships, Swept
from crmkit.services.satisfaction import Satisfaction
from crmkit.services.tasks import Tasks
from crmkit.services.timeline import Timeline, TimelineEntry, told
from crmkit.services.unit import Reaction, Scope, Setting, Unit, opened, refuse_past_open
from crmkit.storage.open import open_store
from crmkit.storage.store import Mode, Receipt, Recorded, Schema, Store

T = TypeVar("T")
FIRST_WAIT, LONGEST_WAIT = 0.001, 0.1


class Services(Scope):
    """The verbs by concept: the same on a CRM, where each call is a unit of its own, and on an open unit."""

    @property
    def customers(self) -> Customers:
        """Profiles of people, organisations and households."""
        return Customers(self._scope)

    @property
    def consents(self) -> Consents:
        """What customers have agreed to and objected to, and what may be done therefore."""
        return Consents(self._scope)

    @property
    def relationships(self) -> Relationships:
        """What ties customers to the company: types, lifecycles, owners, timers."""
        return Relationships(self._scope)

    @property
    def interactions(self) -> Interactions:
        """Contacts, attempts, findings and notes."""
        return Interactions(self._scope)

    @property
    def tasks(self) -> Tasks:
        """What somebody has to do at a time."""
        return Tasks(self._scope)

    @property
    def purchases(self) -> Purchases:
        """What was bought, when, where and why."""
        return Purchases(self._scope)

    @property
    def timeline(self) -> Timeline:
        """Everything that the journal tells, of every concept."""
        return Timeline(self._scope)

    @property
    def needs(self) -> Needs:
        """Wants and needs, until they are met or declined."""
        return Needs(self._scope)

    @property
    def satisfaction(self) -> Satisfaction:
        """How content customers are, step by step, and what follows."""
        return Satisfaction(self._scope)


class OpenUnit(Services):
    """Several verbs, one commit: what `with crm.unit() as unit` gives."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(unit)
        self._unit = unit

    @property
    def at(self) -> datetime:
        """The time at which everything in this unit happens."""
        return self._unit.at

    @property
    def receipt(self) -> Receipt | None:
        """The store's answer once the unit is committed; None before."""
        return self._unit.receipt


class CRM(Services):
    """Customer-relationship logic over a store, for one tenant and one actor.

    Open it once per process and share it between threads; `tenant`, `acting_as`, `correlated` and `expecting` give
    others bound to the same store.

    >>> crm = CRM.open("memory://")
    >>> crm.acting_as("rep-lito").actor
    'rep-lito'
    """

    def __init__(self, setting: Setting, *, patience: float = 5.0) -> None:
        super().__init__(self)
        self._setting = setting
        self._patience = patience

    @classmethod
    def open(
        cls,
        store: str | Store,
        *,
        clock: Callable[[], datetime] = system_clock,
        policy: Policy | None = None,
        attributes: Iterable[Attribute] = (),
        types: Iterable[TypeRules] = (),
        lifecycle: Lifecycle | Versions[Any, Any, Facts] = LIFECYCLE,
        evidence: Iterable[EvidenceRule] = PURCHASES_AS_EVIDENCE,
        reactions: Mapping[type[Event[Any]], Sequence[Reaction]] | None = None,
        kinds: Iterable[type[Record]] = (),
        durability: Literal["full", "normal"] = "full",
        schema: Mode | None = None,
        patience: float = 5.0,
        audit_refusals: bool = True,
    ) -> CRM:
        """Open a CRM on a store, or on the address of one: `memory://`, `sqlite:///file`, or a plugin's scheme.

        Args:
            store: an address, or a store that is already open.
            clock: tells the time; a `VirtualClock` plays history.
            policy: the host's say in every act and read; by default the host's code may do everything, and customers
                in a portal see what is theirs.
            attributes: custom attributes of customers.
            types: relationship types of the host's own; one with the name of one of the seven takes its place.
            lifecycle: the machine that relationships go through; with its older versions where stored relationships may
                still be on one of them.
            evidence: which purchases are evidence of what.
            reactions: what else happens after an event, beside what crmkit does.
            kinds: record classes of the host's own to keep in the same store.
            durability: `full` survives a power cut, `normal` a crash of the process.
            schema: `check`, `create` or `upgrade`; by default a store of its own is upgraded and a server's is checked.
            patience: for how many seconds a verb is tried again when others change the same records.
            audit_refusals: whether acts that the policy refuses are journalled.

        Raises:
            Misuse: no store is known for the address, or a declaration is not what it should be.
            MissingExtra: the address needs an extra that is not installed.
            SchemaMismatch: what is stored was laid out for another version.
            Unavailable: the store cannot be reached.
        """
        custom = attributes_by_name(_all(attributes, Attribute, "attributes"))
        named = types_by_name(*_all(types, TypeRules, "types"))
        rules = _all(evidence, EvidenceRule, "evidence")
        versions = lifecycle if isinstance(lifecycle, Versions) else Versions(lifecycle)
        if any(step.returns for step in versions.current.steps):
            raise Misuse("CRM.open: a relationship keeps no stage before the last; name targets instead of previous")
        merged = _merged(reactions or {})
        own = [k.__kind__ for k in kinds if _is_declared(k, Record, "__kind__", "kinds: a class with @record")]
        known = [k for k in KINDS.values() if k.cls.__module__.startswith("crmkit.")]
        opened_store = open_store(store, durability=durability) if isinstance(store, str) else store
        mode: Mode = schema or ("upgrade" if opened_store.features.embedded else "check")
        kept: tuple[Kind[Any], ...] = tuple(dict.fromkeys((*known, *own)))
        opened_store.prepare(Schema(kept), mode)
        setting = Setting(
            opened_store,
            clock,
            policy or DefaultPolicy(),
            merged,
            new_id,
            Declared(
                attributes=custom,
                types=named,
                lifecycle=versions.current,
                versions=versions,
                evidence=rules,
            ),
            {"customer": typed_keys(custom)},
            frozenset(k.name for k in kept),
            audit_refusals=audit_refusals,
        )
        return cls(setting, patience=patience)

    # bound to something

    @property
    def actor(self) -> str:
        """Who acts through this CRM."""
        return self._setting.actor

    @property
    def tenant_name(self) -> str:
        """Whose data this CRM reads and writes."""
        return self._setting.tenant

    @property
    def store(self) -> Store:
        """The store underneath."""
        return self._setting.store

    def _bound(self, **changes: Any) -> CRM:
        return CRM(attrs.evolve(self._setting, **changes), patience=self._patience)

    def tenant(self, name: str) -> CRM:
        """Give a CRM for another tenant of the same store. No call crosses from one tenant to another.

        Raises:
            Invalid: rule `identifier`.
        """
        return self._bound(tenant=identifier("tenant", name))

    def acting_as(self, actor: str) -> CRM:
        """Give a CRM whose acts and reads are this actor's.

        Raises:
            Invalid: the name is empty, too long or no line of text; rule `portal`, it looks like the actor of a
                customer and is none; `identifier`, there is no customer's id in it.
        """
        name = line("actor", actor, longest=120)
        if name.startswith(PORTAL):
            identifier("actor", name.removeprefix(PORTAL))
        elif search_key(name).startswith(PORTAL):
            raise Invalid("actor", "portal", f"{PORTAL!r} in front of a customer's id, exactly so", redacted(name))
        return self._bound(actor=name)

    def portal(self, customer: Record | str) -> CRM:
        """Give a CRM for a customer who acts for himself: the policy shows what is theirs, and nothing else."""
        return self.acting_as(PORTAL + identifier("customer", customer if isinstance(customer, str) else customer.id))

    def correlated(self, correlation: str) -> CRM:
        """Give a CRM whose acts carry this id in the journal, such as the id of a web request."""
        return self._bound(correlation=line("correlation", correlation, longest=120))

    def expecting(self, *records: Record) -> CRM:
        """Give a CRM that acts only if these records are still as the caller has them; otherwise it raises `Stale`.

        For forms: what the user saw is what the decision is made on.
        """
        versions = {(type(r).__kind__.name, r.id): r.version for r in records}
        return self._bound(expected={**self._setting.expected, **versions})

    # units

    @contextmanager
    def unit(self, *, reason: str = "", key: str | None = None) -> Generator[OpenUnit]:
        """Open a unit: several verbs, one commit at the end of the `with` body, nothing if it raises.

        With a `key` the unit is applied once, however often it is run: `unit.receipt.replayed` tells the second time.

        Raises:
            Conflict: somebody changed what the body had read; it cannot be run again here, see `together`.
        """
        unit = Unit(self._setting, reason=reason, key=key)
        refuse_past_open(self._setting, "unit")
        try:
            with opened(unit):
                yield OpenUnit(unit)
            unit.commit()
        except NotAllowed as error:
            self._journal(unit, error)
            raise
        except Conflict as error:
            self._refuse_stale(error)
            raise

    def together(self, act: Callable[[OpenUnit], T], *, reason: str = "") -> T:
        """Run several verbs as one commit, again with fresh records when others were faster.

        Raises:
            Conflict: others were faster all the time, for as long as the CRM has patience.
        """

        def body(unit: Unit) -> T:
            with opened(unit):
                return act(OpenUnit(unit))

        return self.run(body, verb="unit", reason=reason)

    def run(self, act: Callable[[Unit], T], *, verb: str, reason: str = "") -> T:
        """Run an act in a unit of its own and commit it, again after a conflict, within the CRM's patience.

        Raises:
            Misuse: a unit on the same store and tenant is open.
        """
        refuse_past_open(self._setting, verb)
        wait, collided, end = FIRST_WAIT, False, time.monotonic() + self._patience
        while True:
            unit = Unit(self._setting, verb=verb, reason=reason)
            try:
                try:
                    out = act(unit)
                except NotAllowed as error:
                    self._journal(unit, error)
                    raise
                unit.commit()
            except (Conflict, Busy) as error:
                self._refuse_stale(error)
                if time.monotonic() + wait > end:
                    raise
            except Duplicate:
                # Somebody else made it between our look and our commit: a second look finds theirs.
                if collided:
                    raise
                collided = True
            else:
                return out
            time.sleep(random.uniform(0, wait))  # noqa: S311 - spreads retries, guards nothing
            wait = min(wait * 2, LONGEST_WAIT)

    def _refuse_stale(self, error: Conflict | Busy) -> None:
        """Tell a conflict over a record that the caller insists on as what it is: trying again cannot help."""
        if isinstance(error, Conflict):
            insisted = self._setting.expected.get((error.kind, error.id))
            if insisted is not None and insisted != error.found:
                raise Stale(error.kind, error.id, insisted, error.found) from error

    def _journal(self, unit: Unit, error: NotAllowed) -> None:
        if self._setting.audit_refusals:
            unit.journal_refusal(error)

    # time

    def run_due(self, *, until: datetime | None = None, reason: str = "") -> Swept:
        """Make happen whatever time has brought: the one call for a cron job, however often it runs.

        Each move and warning is stamped with its deadline, so the history does not depend on when this is called. It
        works in batches, each in a commit of its own; broken off, the next call goes on.

        Args:
            until: up to when; now if nothing is said, and never later.
            reason: for the audit trail.

        Raises:
            Invalid: rule `future`, `until` has not come yet.

        >>> from datetime import timedelta
        >>> from crmkit import Person, VirtualClock
        >>> clock = VirtualClock(datetime.fromisoformat("2026-01-01T09:00+00:00"))
        >>> crm = CRM.open("memory://", clock=clock)
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "transactional")
        >>> _ = clock.advance(timedelta(days=400))
        >>> swept = crm.run_due()
        >>> swept.moved, swept.warned
        (1, 1)
        >>> str(crm.relationships.get(tie).stage)
        'dissolution'
        """
        return self.relationships.run_due(until=until, reason=reason)

    def rehearse(self, until: datetime) -> tuple[TimelineEntry, ...]:
        """Tell what `run_due` would do if nothing else happened until then, entry by entry, and change nothing.

        All of it is kept in memory, so rehearse a stretch that you want to read.

        >>> from datetime import timedelta
        >>> from crmkit import Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "transactional")
        >>> [entry.title for entry in crm.rehearse(tie.since + timedelta(days=400))]
        ['Warned: no sign of life in exploration', 'Relationship ended: inactivity']
        >>> str(crm.relationships.get(tie).stage)
        'exploration'
        """
        unit = Unit(attrs.evolve(self._setting, clock=lambda: until), verb="rehearse")
        after: str | None = None
        while True:
            after = Relationships(unit).sweep(after=after).next
            if after is None:
                return tuple(told(Recorded(n, entry)) for n, entry in enumerate(unit.batch().events, 1))

    # the end

    def close(self) -> None:
        """Let go of the store. Closing twice is harmless."""
        self._setting.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CRM(tenant={self.tenant_name!r}, actor={self.actor!r}, store={type(self.store).__name__})"


def _all(given: Iterable[T], cls: type[T], what: str) -> tuple[T, ...]:
    """Give what a host has declared.

    Raises:
        Misuse: something else is among it.
    """
    some = tuple(given)
    for each in some:
        if not isinstance(each, cls):
            raise Misuse(f"CRM.open: {what} takes {cls.__name__}, found {redacted(each)}")
    return some


def _is_declared(cls: object, base: type[Any], mark: str, what: str) -> bool:
    if not (isinstance(cls, type) and issubclass(cls, base) and hasattr(cls, mark)):
        raise Misuse(f"CRM.open: {what}, found {cls.__name__ if isinstance(cls, type) else redacted(cls)}")
    return True


def _merged(also: Mapping[type[Event[Any]], Sequence[Reaction]]) -> dict[type[Event[Any]], tuple[Reaction, ...]]:
    """Give what happens after each event: what crmkit does, then what the host does."""
    merged = dict(REACTIONS)
    for cls, some in also.items():
        _is_declared(cls, Event, "__event__", "reactions: by a class with @event")
        if not isinstance(some, list | tuple) or not all(map(callable, some)):
            raise Misuse(f"CRM.open: reactions to {cls.__name__} are a list of functions, found {redacted(some)}")
        merged[cls] = (*merged.get(cls, ()), *some)
    return merged
