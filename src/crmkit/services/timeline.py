"""Timeline: all that the journal tells about a customer or a record, in pages, each entry with a title for people."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from crmkit.domain import consents, needs, purchases, tasks
from crmkit.domain.customers.customer import Customer
from crmkit.domain.interactions import interaction as interactions
from crmkit.domain.relationships import moves, proofs
from crmkit.domain.relationships import relationship as relationships
from crmkit.domain.satisfaction import measurements
from crmkit.errors import Invalid, Misuse, redacted
from crmkit.kernel.codec import Told, decode_event
from crmkit.kernel.ids import Ref
from crmkit.kernel.record import EVENTS, KINDS, Event, Record
from crmkit.services.policy import PORTAL
from crmkit.services.unit import Service, Unit, verb
from crmkit.storage.store import Recorded

CHUNK = 500
"""How many entries are read at once."""


@frozen
class TimelineEntry:
    """One entry: what happened, in its envelope.

    Attributes:
        position: its place in the journal.
        type: the name of the event, such as `"purchase.recorded"`.
        title: the same for people; personal only in so far as the event is.
        subject: the record that it happened to.
        version: the version that the record got by it.
        at: when it took effect.
        recorded: when it was recorded.
        by: who acted; this, `verb`, `reason` and `correlation` are empty where a customer reads in a portal and
            somebody of the company acted.
        verb: what they called.
        reason: why, as they said.
        correlation: what it belongs to, such as a request id.
        cause: the position of the entry that caused it, if one did.
        event: the event; `Told` if its personal part was erased or its class is not known here.
    """

    position: int
    type: str
    title: str
    subject: Ref
    version: int
    at: datetime
    recorded: datetime
    by: str
    verb: str
    reason: str
    correlation: str
    cause: int | None
    event: Event[Any] | Told


@frozen
class TimelinePage:
    """Some entries, and where to go on: the position to pass as `before` (newest first) or `after` (oldest first).

    Attributes:
        items: the entries, in order.
        next: the position to go on from; None if there is no more.
    """

    items: tuple[TimelineEntry, ...]
    next: int | None

    def __iter__(self) -> Iterator[TimelineEntry]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class Timeline(Service):
    """Everything that the journal tells, of every concept, as far as the actor may see it."""

    @verb
    def of(
        self,
        customer: Customer | str,
        *,
        types: Collection[str] = (),
        before: int | None = None,
        after: int = 0,
        limit: int = 50,
        newest_first: bool = True,
    ) -> TimelinePage:
        """Give a page of all that happened to a customer and to whatever concerns them.

        Args:
            customer: whose timeline.
            types: only these: names of events (`"purchase.recorded"`) or of kinds (`"purchase"`); all if nothing is
                said.
            before: only entries before this position.
            after: only entries after this position.
            limit: how many on a page, at least one.
            newest_first: in which order.

        Raises:
            NotFound: there is no such customer, or none that the actor may see.
            Truncated: the journal no longer holds what follows `after`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> _ = crm.purchases.record(ana, "12.50 EUR")
        >>> [entry.title for entry in crm.timeline.of(ana, types=["purchase"])]
        ['Bought for 12.50 EUR']
        """
        u = self.unit
        about = Ref(Customer.__kind__.name, u.get(Customer, customer).id)
        return _page(u, about, types, before, after, limit, newest_first=newest_first)

    @verb
    def about(
        self,
        record: Record | Ref,
        *,
        before: int | None = None,
        after: int = 0,
        limit: int = 50,
        newest_first: bool = False,
    ) -> TimelinePage:
        """Give a page of the history of one record, the oldest entry first if nothing else is said.

        Raises:
            NotFound: there is no such record, or none that the actor may see.
            Misuse: no kind of this name is known.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> need = crm.needs.record(crm.customers.register(Person("Ana Reyes")), "a second bicycle")
        >>> _ = crm.needs.meet(need)
        >>> [entry.title for entry in crm.timeline.about(need)]
        ['Need recorded', 'Need met']
        """
        u = self.unit
        ref = record if isinstance(record, Ref) else Ref(type(record).__kind__.name, record.id)
        if ref.kind not in KINDS:
            raise Misuse(f"no kind {ref.kind!r} is known; one of {', '.join(sorted(KINDS))}")
        u.get(KINDS[ref.kind].cls, ref.id)
        return _page(u, ref, (), before, after, limit, newest_first=newest_first, only=ref)

    @verb
    def all(
        self,
        *,
        types: Collection[str] = (),
        before: int | None = None,
        after: int = 0,
        limit: int = 50,
        newest_first: bool = False,
    ) -> TimelinePage:
        """Give a page of the whole journal of the tenant, the audit trail, the oldest entry first.

        Args:
            types: only these, as for `of`.
            before: only entries before this position.
            after: only entries after this position.
            limit: how many on a page, at least one.
            newest_first: in which order.

        Raises:
            Truncated: the journal no longer holds what follows `after`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> _ = crm.acting_as("rep-lito").customers.register(Person("Ana Reyes"), reason="met at the fair")
        >>> [(entry.title, entry.by, entry.reason) for entry in crm.timeline.all()]
        [('Customer registered', 'rep-lito', 'met at the fair')]
        """
        return _page(self.unit, None, types, before, after, limit, newest_first=newest_first)


def _page(  # noqa: PLR0917 - the window, as the journal takes it
    u: Unit,
    about: Ref | None,
    types: Collection[str],
    before: int | None,
    after: int,
    limit: int,
    *,
    newest_first: bool,
    only: Ref | None = None,
) -> TimelinePage:
    """Read on until a page is full: what the actor may not see, or did not ask for, takes no place on it."""
    for name, place in (("before", before), ("after", after), ("limit", limit)):
        if place is not None and type(place) is not int:
            raise Invalid(name, "type", "a whole number", redacted(place))
    if limit < 1:
        raise Misuse(f"limit={limit}: a page of a timeline has at least one entry")
    _refuse_unknown(types)
    found: list[Recorded] = []
    while len(found) <= limit:
        size = CHUNK if types else min(CHUNK, limit + 1 - len(found))
        chunk = u.events(about, after=after, before=before, limit=size, newest_first=newest_first)
        found += [each for each in _visible(u, chunk) if _asked(each, types, only)]
        if len(chunk) < size:
            break
        if newest_first:
            before = chunk[-1].position
        else:
            after = chunk[-1].position
    items = tuple(_for(u.by, told(each)) for each in found[:limit])
    return TimelinePage(items, items[-1].position if len(found) > limit else None)


def _refuse_unknown(types: Collection[str]) -> None:
    known = {*EVENTS, *(name.partition(".")[0] for name in EVENTS)}
    if isinstance(types, str):
        raise Invalid("types", "type", "a collection of names, such as ['purchase']", redacted(types))
    for name in types:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(sorted(known))}"
            raise Invalid("types", "unknown-type", f"names of events or kinds: {hint}", redacted(name))


def _for(actor: str, entry: TimelineEntry) -> TimelineEntry:
    """Keep from a customer in a portal who of the company did something, and why: that is the company's own."""
    if not actor.startswith(PORTAL) or entry.by == actor:
        return entry
    return evolve(entry, by="", verb="", reason="", correlation="")


def _asked(recorded: Recorded, types: Collection[str], only: Ref | None) -> bool:
    entry = recorded.entry
    if only is not None and entry.subject != only:
        return False
    return not types or entry.type in types or entry.type.partition(".")[0] in types


def _visible(u: Unit, chunk: tuple[Recorded, ...]) -> list[Recorded]:
    """Leave out entries on records that the actor may not see; where the policy shows all, nothing is read."""
    policy, actor = u.setting.policy, u.setting.actor
    ids: dict[str, set[str]] = {}
    for each in chunk:
        ids.setdefault(each.entry.subject.kind, set()).add(each.entry.subject.id)
    seen: dict[str, Collection[str]] = {}
    for name, some in ids.items():
        kind = KINDS.get(name, Customer.__kind__)
        if policy.sees(actor, kind) is None:
            seen[name] = some
        else:
            seen[name] = u.get_many(kind.cls, some) if name in u.setting.kinds else ()
    found = [each for each in chunk if each.entry.subject.id in seen[each.entry.subject.kind]]
    if not actor.startswith(PORTAL):
        return found
    return [each for each in found if each.entry.type != "act.refused" or each.entry.by == actor]


def told(recorded: Recorded) -> TimelineEntry:
    """Give a journal entry with its event decoded and a title.

    Raises:
        Unreadable: the event is damaged, or a newer library wrote it.
    """
    position, entry = recorded
    event = decode_event(entry.type, entry.body, entry.personal, schema=entry.schema)
    return TimelineEntry(
        position=position,
        type=entry.type,
        title=title_of(event),
        subject=entry.subject,
        version=entry.version,
        at=entry.at,
        recorded=entry.recorded,
        by=entry.by,
        verb=entry.verb,
        reason=entry.reason,
        correlation=entry.correlation,
        cause=None if entry.back is None else position - entry.back,
        event=event,
    )


# titles


def title_of(event: Event[Any] | Told) -> str:
    """Give what happened in a few words for people; an event without words of its own is called by its name.

    >>> from crmkit.kernel.frozen import FrozenDict
    >>> title_of(Told("case.handed-over", FrozenDict(), erased=False))
    'Case handed over'
    """
    if isinstance(event, Told):
        return _spelled(event.type)
    tell = TITLES.get(type(event))
    return _spelled(type(event).__event__.name) if tell is None else tell(event)


def _spelled(name: str) -> str:
    words = " ".join(name.replace(".", " ").replace("-", " ").replace("_", " ").split())
    return words[:1].upper() + words[1:]


def _contact(event: interactions.InteractionRecorded) -> str:
    if event.channel is None:
        return _spelled(str(event.kind))
    what = _spelled(str(event.channel))
    if event.outcome is not None:
        return f"{what}, {event.direction}: {_spelled(str(event.outcome)).lower()}"
    asked = ", asks for an answer" if event.request is not None else ""
    return f"{what}, {event.direction}, {event.stance}{asked}"


def _score(event: measurements.SatisfactionMeasured) -> str:
    return f"Satisfaction with {_spelled(str(event.step)).lower()}: {event.score} of 100"


def _shown(event: proofs.PurchaseNoted) -> str:
    shows = f", shows {' and '.join(event.shown)}" if event.shown else ""
    return f"Purchase {event.buying.count} of this episode noted{shows}"


def _corrected(event: purchases.PurchaseCorrected) -> str:
    was = event.before.total
    return "Purchase corrected" if was == event.total else f"Purchase corrected, {event.total} instead of {was}"


def _planned(event: tasks.TaskPlanned) -> str:
    what = "Task" if event.kind == tasks.TaskKind.OTHER else _spelled(str(event.kind))
    return f"{what} planned for {event.due:%Y-%m-%d}"


TITLES: Mapping[type[Event[Any]], Callable[[Any], str]] = {
    relationships.RelationshipBegun: lambda event: f"Relationship begun: {event.type}, in {event.stage}",
    relationships.TypeChanged: lambda event: f"Relationship changed from {event.previous} to {event.type}",
    relationships.HandedOver: lambda event: f"Handed over to {event.owner or 'nobody'}",
    moves.RelationshipAdvanced: lambda event: f"Moved from {event.source} to {event.stage}",
    moves.RelationshipWarned: lambda event: f"Warned: no sign of life in {event.stage}",
    moves.RelationshipDissolved: lambda event: f"Relationship ended: {event.cause or 'no cause given'}",
    moves.RelationshipReengaged: lambda event: (
        f"Came back{' by a purchase' if event.own_purchase else ''}: episode {event.episode}"
    ),
    proofs.PurchaseNoted: _shown,
    consents.ConsentRecorded: lambda event: (
        f"Consent {_spelled(str(event.status)).lower()}: {event.purpose or 'any contact'}"
    ),
    interactions.InteractionRecorded: _contact,
    purchases.PurchaseRecorded: lambda event: f"Bought for {event.total}",
    purchases.PurchaseRefunded: lambda event: f"Refunded {event.refunds[-1].amount}",
    purchases.PurchaseCorrected: _corrected,
    proofs.EvidenceNoted: lambda event: f"Shown: {', '.join(dict.fromkeys(str(each.kind) for each in event.shown))}",
    needs.NeedDeclined: lambda event: f"Need declined: {_spelled(str(event.cause)).lower()}",
    measurements.SatisfactionMeasured: _score,
    tasks.TaskPlanned: _planned,
}
"""How the title of an event is made; all others are called by their names."""
