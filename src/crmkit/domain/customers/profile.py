"""Profile: what is noted of a customer bit by bit, verified, and taken away again; every fact with its provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import attrs
from attrs import frozen

from crmkit.domain.customers.attributes import Attribute, with_values
from crmkit.domain.customers.customer import (
    Attributes,
    Channels,
    Customer,
    Dates,
    Dependants,
    Identifiers,
    Interests,
    Learned,
    Path,
    Tags,
    party_paths,
)
from crmkit.domain.customers.facts import (
    ChannelPreference,
    Dependant,
    Edit,
    Fact,
    Identifier,
    ImportantDate,
    Interest,
    Provenance,
    all_of,
    check_names,
    not_to_come,
    relearned,
)
from crmkit.domain.customers.reach import ContactsChanged
from crmkit.errors import Invalid
from crmkit.kernel.checks import Personal
from crmkit.kernel.record import Change, Event, change, event

# events


@event("customer.facts-verified")
@frozen(kw_only=True)
class FactsVerified(Event[Customer]):
    """Facts were checked and found right; `facts` are their paths."""

    learned: Personal[Learned]
    facts: Personal[tuple[Path, ...]]


@event("customer.identifiers-changed")
@frozen(kw_only=True)
class IdentifiersChanged(Event[Customer]):
    """An identifier was added or removed."""

    identifiers: Personal[Identifiers]
    learned: Personal[Learned]
    fact: Personal[Path]
    edit: Edit


@event("customer.dates-changed")
@frozen(kw_only=True)
class DatesChanged(Event[Customer]):
    """An important date was added, changed or removed."""

    dates: Personal[Dates]
    learned: Personal[Learned]
    fact: Personal[Path]
    edit: Edit


@event("customer.dependants-changed")
@frozen(kw_only=True)
class DependantsChanged(Event[Customer]):
    """A dependant was added, changed or removed."""

    dependants: Personal[Dependants]
    learned: Personal[Learned]
    fact: Path
    edit: Edit


@event("customer.interests-changed")
@frozen(kw_only=True)
class InterestsChanged(Event[Customer]):
    """A like or dislike was added, changed or removed."""

    interests: Personal[Interests]
    learned: Personal[Learned]
    fact: Personal[Path]
    edit: Edit


@event("customer.channels-changed")
@frozen(kw_only=True)
class ChannelsChanged(Event[Customer]):
    """A channel preference was added, changed or removed."""

    channels: Personal[Channels]
    learned: Personal[Learned]
    fact: Path
    edit: Edit


@event("customer.attributes-changed")
@frozen(kw_only=True)
class AttributesChanged(Event[Customer]):
    """Attributes that the host declares were set or taken away; `facts` are their paths."""

    attributes: Personal[Attributes]
    learned: Personal[Learned]
    facts: tuple[Path, ...]


@event("customer.tags-changed")
@frozen(kw_only=True)
class TagsChanged(Event[Customer]):
    """Tags were put on or taken off; `facts` are their paths."""

    tags: Personal[Tags]
    learned: Personal[Learned]
    facts: Personal[tuple[Path, ...]]


# rules


_FAMILIES: Mapping[str, tuple[type[Any], Callable[[Any], str]]] = {
    "contacts": (ContactsChanged, attrgetter("id")),
    "identifiers": (IdentifiersChanged, attrgetter("key")),
    "dates": (DatesChanged, attrgetter("label")),
    "dependants": (DependantsChanged, attrgetter("id")),
    "interests": (InterestsChanged, attrgetter("topic")),
    "channels": (ChannelsChanged, attrgetter("channel")),
}
_FAMILY_OF: Mapping[type[Any], str] = {
    Identifier: "identifiers",
    ImportantDate: "dates",
    Dependant: "dependants",
    Interest: "interests",
    ChannelPreference: "channels",
}


def verify(customer: Customer, paths: Sequence[str], *, at: datetime, by: str) -> Change[Customer]:
    """Say that facts were checked and found right: an e-mail address that was confirmed, a birthday seen in a passport.

    Raises:
        Invalid: rule `unknown-fact`, for a path that is no fact of the customer; `required`, no path is given.

    >>> from datetime import UTC
    >>> from crmkit.domain.customers.customer import Person, register
    >>> day = datetime(2026, 1, 1, tzinfo=UTC)
    >>> ana = register(Person("Ana Reyes"), id="cus_1", learned=Provenance(at=day, by="web")).record
    >>> ana = verify(ana, ["party.name"], at=day, by="rep-lito").record
    >>> provenance(ana, "party.name").verified_by
    'rep-lito'
    """
    if not paths:
        raise Invalid("paths", "required", "at least one fact", "none")
    news = {p: attrs.evolve(provenance(customer, p), verified_at=at, verified_by=by) for p in paths}
    return change(customer, FactsVerified(learned=customer.learned.merged(news), facts=tuple(news)))


def note(customer: Customer, fact: Fact, *, learned: Provenance) -> Change[Customer] | None:
    """Note a fact: an identifier, an important date, a dependant, an interest, a channel preference.

    It takes the place of a fact with the same path: the same label, id, topic or channel. None: it is noted already.

    Raises:
        Invalid: rule `future`, for a dependant who is not born yet; `too-many`.

    >>> from datetime import UTC
    >>> from crmkit.domain.customers.customer import Person, register
    >>> told = Provenance(at=datetime(2026, 1, 1, tzinfo=UTC), by="rep-lito", detail="visit")
    >>> ana = register(Person("Ana Reyes"), id="cus_1", learned=told).record
    >>> done = note(ana, Interest("coffee"), learned=told)
    >>> done and done.event.fact
    'interests.coffee'
    """
    all_of("fact", [fact], *_FAMILY_OF)
    if isinstance(fact, Dependant):
        not_to_come("Dependant.born", fact.born, at=learned.at, zone=customer.zone)
    family = _FAMILY_OF[type(fact)]
    event_class, key = _FAMILIES[family]
    own, items = key(fact), getattr(customer, family)
    before = next((i for i in items if key(i) == own), None)
    if before == fact:
        return None
    kept = (*items, fact) if before is None else tuple(fact if i is before else i for i in items)
    path, edit = f"{family}.{own}", Edit.ADDED if before is None else Edit.CHANGED
    news = relearned(customer.learned, {path: True}, learned)
    return change(customer, event_class(**{family: kept}, learned=news, fact=path, edit=edit))


def forget(customer: Customer, path: str) -> Change[Customer]:
    """Take away a fact that was noted, or a contact point, by its path, such as `"interests.coffee"`.

    Raises:
        Invalid: rule `unknown-fact`, there is none of that path. Attributes and tags have rules of their own; facts
            about the party are taken away by `correct`.
    """
    check_names("path", [path], [p for p in facts(customer) if p.partition(".")[0] in _FAMILIES])
    family, _, own = path.partition(".")
    event_class, key = _FAMILIES[family]
    kept = tuple(i for i in getattr(customer, family) if key(i) != own)
    news = relearned(customer.learned, {path: False})
    return change(customer, event_class(**{family: kept}, learned=news, fact=path, edit=Edit.REMOVED))


def set_attributes(
    customer: Customer, values: Mapping[str, object], known: Mapping[str, Attribute], *, learned: Provenance
) -> Change[Customer] | None:
    """Set attributes that the host declares; None takes one away. The answer None: they are as given already.

    Raises:
        Invalid: rules `unknown-attribute`, `required`, and those of the attribute's type.
    """
    after = with_values(customer.attributes, values, known)
    paths = {f"attributes.{n}": n in after for n in values if after.get(n) != customer.attributes.get(n)}
    if not paths:
        return None
    news = relearned(customer.learned, paths, learned)
    return change(customer, AttributesChanged(attributes=after, learned=news, facts=tuple(paths)))


def tag(customer: Customer, tags: Iterable[str], *, learned: Provenance) -> Change[Customer] | None:
    """Put tags on a customer. None: they are all there."""
    new = frozenset(all_of("tags", tags, str)) - customer.tags
    return _tagged(customer, customer.tags | new, new, learned) if new else None


def untag(customer: Customer, tags: Iterable[str]) -> Change[Customer] | None:
    """Take tags off a customer. None: none of them is there."""
    old = customer.tags.intersection(all_of("tags", tags, str))
    return _tagged(customer, customer.tags - old, old, None) if old else None


def _tagged(
    customer: Customer, tags: frozenset[str], touched: frozenset[str], learned: Provenance | None
) -> Change[Customer]:
    paths = {f"tags.{t}": learned is not None for t in sorted(touched)}
    news = relearned(customer.learned, paths, learned)
    return change(customer, TagsChanged(tags=tags, learned=news, facts=tuple(paths)))


# questions


def facts(customer: Customer) -> Mapping[str, Provenance]:
    """Give every fact that is known of a customer, by its path, with its provenance.

    >>> from datetime import UTC
    >>> from crmkit.domain.customers.customer import Person, register
    >>> told = Provenance(at=datetime(2026, 1, 1, tzinfo=UTC), by="web", source="web")
    >>> ana = register(Person("Ana Reyes", born="1990-05"), id="cus_1", learned=told, tags=["vip"]).record
    >>> list(facts(ana))
    ['party.name', 'party.born', 'tags.vip']
    """
    paths = [] if customer.party is None else list(party_paths(customer.party))
    paths += [n for n in ("language", "zone") if getattr(customer, n)]
    for family, (_, key) in _FAMILIES.items():
        paths += [f"{family}.{key(i)}" for i in getattr(customer, family)]
    paths += [f"attributes.{n}" for n in customer.attributes]
    paths += [f"tags.{t}" for t in sorted(customer.tags)]
    first = _registration(customer)
    return {p: customer.learned.get(p, first) for p in paths}


def _registration(customer: Customer) -> Provenance:
    return Provenance(
        at=customer.registered_at, by=customer.registered_by, source=customer.source, detail=customer.source_detail
    )


def provenance(customer: Customer, path: str) -> Provenance:
    """Tell where a fact comes from, and who verified it last.

    Raises:
        Invalid: rule `unknown-fact`, the customer has no such fact.
    """
    known = facts(customer)
    check_names("path", [path], known)
    return known[path]


def facts_older_than(customer: Customer, moment: datetime) -> Mapping[str, Provenance]:
    """Give the facts that were neither learned nor verified since a moment, the oldest first: what to ask again."""
    old = {p: v for p, v in facts(customer).items() if v.known_at < moment}
    return dict(sorted(old.items(), key=lambda item: item[1].known_at))
