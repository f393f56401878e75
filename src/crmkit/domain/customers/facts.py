"""Facts: what is known of a customer beside party and contact points, in small values, and where it was learned.

A fact has a path: `party.born`, `contacts.<id>`, `attributes.size`, `interests.coffee`. What was said at the
registration has the provenance of the registration; only what was learned later, or verified, has one of its own. So a
profile that nobody touches carries none, and yet every fact has one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import converters, field, frozen

from crmkit.domain.words import Channel
from crmkit.errors import Invalid, redacted
from crmkit.kernel.checks import Code, Line, Value
from crmkit.kernel.dates import PartialDate, partial_date
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.text import slug

# words

T = TypeVar("T")
_PERSONAL = frozenset({"dates", "identifiers", "interests", "tags"})
"""Paths that begin so tell about a person by themselves, and no error does."""
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class SourceKind(StrEnum):
    """Where a customer or a fact came from. Hosts add words of their own."""

    CUSTOMER = "customer"
    STAFF = "staff"
    REFERRAL = "referral"
    EVENT = "event"
    CAMPAIGN = "campaign"
    WEB = "web"
    PARTNER = "partner"
    PURCHASE = "purchase"
    OBSERVED = "observed"
    IMPORT = "import"


class Liking(StrEnum):
    """How somebody stands to a topic."""

    LIKES = "likes"
    DISLIKES = "dislikes"


class Preference(StrEnum):
    """How somebody stands to a channel."""

    PREFERRED = "preferred"
    AVOIDED = "avoided"


class Edit(StrEnum):
    """What happened to a fact."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@frozen(kw_only=True)
class Provenance(Value):
    """Where a fact comes from, and who checked it last.

    Attributes:
        at: when it was learned.
        by: the actor who entered it.
        source: what kind of source it came from.
        detail: which one, such as `"trade fair 2026"` or the id of an interaction.
        verified_at, verified_by: when and by whom it was last found right; empty if never.
    """

    at: datetime
    by: Annotated[str, Line(120)]
    source: SourceKind | str = SourceKind.STAFF
    detail: Annotated[str, Line(empty=True)] = ""
    verified_at: datetime | None = None
    verified_by: Annotated[str, Line(120, empty=True)] = ""

    @property
    def known_at(self) -> datetime:
        """The last moment at which the fact was known to be right: when it was verified, or else learned."""
        return self.verified_at or self.at


@frozen(kw_only=True)
class FormerName(Value):
    """A name that a customer went by, from one moment until another."""

    name: str
    valid_from: datetime
    valid_until: datetime


@frozen
class Identifier(Value):
    """What others call the customer: a loyalty card, a tax number, the id in the host's own system.

    Attributes:
        scheme: whose numbering it is, in lower-case letters and digits, such as `"card"` or `"vat"`.
        value: the number, exactly.
    """

    scheme: str
    value: Annotated[str, Code(64)]

    def __agree__(self) -> None:
        """Hold the scheme to a short name for machines.

        Raises:
            Invalid: rule `slug`, `too-long`.
        """
        slug("Identifier.scheme", self.scheme, longest=20)

    @property
    def key(self) -> str:
        """Scheme and value in one text, as `identifiers.<key>` and as the search key."""
        return f"{self.scheme}:{self.value}"


@frozen
class ImportantDate(Value):
    """A day that matters to a customer, such as a wedding anniversary; year, month or day may be unknown.

    Attributes:
        label: what it is the day of; a customer has one of each.
        on: the day, also as text such as `"2015-06-20"` or `"--06-20"`.
    """

    label: Annotated[str, Code(60)]
    on: PartialDate = field(converter=partial_date)


@frozen
class Dependant(Value):
    """Somebody whom the customer cares for and who is no customer: a child, a parent.

    Attributes:
        name: empty if it is not known.
        born: the birthday, as far as it is known.
        relation: what they are to the customer.
        id: its own id; a customer's verbs give it one.
    """

    name: Annotated[str, Line(empty=True)] = ""
    born: PartialDate | None = field(default=None, converter=converters.optional(partial_date), kw_only=True)
    relation: Annotated[str, Line(60)] = field(default="child", kw_only=True)
    id: Annotated[str, Line(80, empty=True)] = field(default="", kw_only=True)


@frozen
class Interest(Value):
    """Something that the customer likes or dislikes. Where it was learned is its provenance."""

    topic: Annotated[str, Code(80)]
    liking: Liking = Liking.LIKES


@frozen
class ChannelPreference(Value):
    """How the customer stands to a channel, and at what hours of their day it suits them best.

    Attributes:
        channel: the channel.
        preference: whether they prefer or avoid it; None if only the hours are known.
        best_from, best_until: local times such as `"18:00"`; the second may lie past midnight. Both or none.
    """

    channel: Channel
    preference: Preference | None = None
    best_from: Annotated[str, Line(5, empty=True)] = field(default="", kw_only=True)
    best_until: Annotated[str, Line(5, empty=True)] = field(default="", kw_only=True)

    def __agree__(self) -> None:
        """Hold the hours together.

        Raises:
            Invalid: rule `hours`, they are no times of day, the same one twice, or only one of them.
        """
        hours = self.best_from, self.best_until
        if any(hours) and not (all(map(_CLOCK.fullmatch, hours)) and hours[0] != hours[1]):
            expected = "two different times of day such as 18:00 and 20:00, or none"
            raise Invalid("ChannelPreference.best_from", "hours", expected, redacted(hours))

    def suits(self, time: str) -> bool:
        """Tell whether a local time such as `"18:30"` lies within the best hours; without hours every time does.

        >>> late = ChannelPreference(Channel.PHONE, best_from="22:00", best_until="01:00")
        >>> late.suits("23:30"), late.suits("00:59"), late.suits("01:00")
        (True, True, False)
        """
        if not self.best_from:
            return True
        if self.best_from < self.best_until:
            return self.best_from <= time < self.best_until
        return time >= self.best_from or time < self.best_until


Fact = Identifier | ImportantDate | Dependant | Interest | ChannelPreference
"""What can be noted of a customer, one by one."""

# rules


def relearned(
    learned: FrozenDict[Provenance], paths: Mapping[str, bool], now: Provenance | None = None
) -> FrozenDict[Provenance]:
    """Give each fact that is there from now on its provenance, and take it from each that is not.

    `paths` tells for each fact that was touched whether it is there.
    """
    kept = {p: v for p, v in learned.items() if paths.get(p, True)}
    if now is not None:
        kept |= {p: now for p, there in paths.items() if there}
    return FrozenDict(kept)


def all_of(field: str, items: Iterable[T], *classes: type[T]) -> tuple[T, ...]:
    """Give items as a tuple, once each of them is seen to be of a class that is asked for.

    Raises:
        Invalid: rule `type`.
    """
    names = " or ".join(c.__name__ for c in classes)
    if isinstance(items, str) or not isinstance(items, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise Invalid(field, "type", f"a collection of {names}", redacted(items))
    kept = tuple(items)
    for item in kept:
        if type(item) not in classes:
            raise Invalid(field, "type", names, redacted(item))
    return kept


def not_to_come(field: str, day: PartialDate | None, *, at: datetime, zone: str) -> None:
    """Hold a day to be today or gone, in the customer's time zone; one without a year can be.

    Raises:
        Invalid: rule `future`.
    """
    if day is not None and day.earliest is not None and day.earliest > local_day(at, zone):
        raise Invalid(field, "future", "a day that is not to come", "a later one")


def check_names(what: str, given: Iterable[str], names: Collection[str]) -> None:
    """Hold names against those there are.

    Raises:
        Invalid: rule `unknown-fact`, with the nearest right ones.
    """
    for name in given:
        if name not in names:
            told = [n for n in names if n.partition(".")[0] not in _PERSONAL]
            near = difflib.get_close_matches(str(name), told, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"one of {len(names)}"
            raise Invalid(what, "unknown-fact", f"the name of a fact there is: {hint}", redacted(name))


# questions


def local_time(at: datetime, zone: str) -> datetime | None:
    """Give the time it is in a customer's zone; None if they have none, or the time-zone database has dropped it."""
    try:
        return at.astimezone(ZoneInfo(zone)) if zone else None
    except ZoneInfoNotFoundError:
        return None


def local_day(at: datetime, zone: str) -> date:
    """Give the day it is in a customer's zone; in UTC where that is not known."""
    return (local_time(at, zone) or at).date()
