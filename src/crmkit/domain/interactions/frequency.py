"""Frequency: how often the company turns to a customer, how often it may, and whether it may now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from attrs import frozen

from crmkit.domain.interactions.interaction import Interaction, InteractionKind, is_contact
from crmkit.domain.words import Channel, Direction, Purpose, in_days
from crmkit.kernel.checks import Count, Value
from crmkit.kernel.machine import days

# words


@frozen(kw_only=True)
class FrequencyCap(Value):
    """How many contacts the company may make in a time. Contacts for transactions and service do not count.

    Attributes:
        most: how many.
        within: in which time.
        channel: on which channel; None counts all channels together.
        purposes: for which purposes.

    >>> FrequencyCap(most=1, within=days(7)).channel is None
    True
    """

    most: Count
    within: timedelta
    channel: Channel | None = None
    purposes: frozenset[Purpose] = frozenset({Purpose.MARKETING, Purpose.RELATIONSHIP, Purpose.RESEARCH})


CAPPED_WITHIN = days(30)

CAPS = (FrequencyCap(most=4, within=CAPPED_WITHIN),)
"""What is held where a host declares nothing else: one contact a week that nobody needs to have."""


# questions


def is_capped(interaction: Interaction, cap: FrequencyCap) -> bool:
    """Tell whether a contact counts towards a cap: the company turned to the customer, by a person or a machine."""
    return (
        is_contact(interaction)
        and interaction.direction is Direction.OUTBOUND
        and interaction.purpose in cap.purposes
        and cap.channel in (None, interaction.channel)
    )


@frozen
class Frequency:
    """How often there was contact in a time.

    Attributes:
        inbound: how many contacts the customer made.
        outbound: how many the company made.
        attempts: how many attempts there were; they do not count as contact.
        last: when the last contact was.
        counted: the ids of the contacts, the oldest first.
    """

    inbound: int
    outbound: int
    attempts: int
    last: datetime | None
    counted: tuple[str, ...]


def frequency(interactions: Iterable[Interaction], *, within: timedelta, at: datetime) -> Frequency:
    """Count the contacts of a time up to now.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> from crmkit.domain.interactions.interaction import converse
    >>> from crmkit.domain.words import Contact
    >>> call = Contact(channel=Channel.PHONE, direction=Direction.INBOUND, by="rep-lito")
    >>> found = frequency([converse("cus_1", call, at=now, id="int_1").record], within=days(30), at=now)
    >>> found.inbound, found.outbound, found.counted
    (1, 0, ('int_1',))
    """
    recent = sorted((i for i in interactions if at - within < i.at <= at), key=lambda i: (i.at, i.id))
    contacts = [each for each in recent if is_contact(each)]
    inbound = sum(each.direction is Direction.INBOUND for each in contacts)
    attempts = sum(each.kind is InteractionKind.ATTEMPT for each in recent)
    last = contacts[-1].at if contacts else None
    return Frequency(inbound, len(contacts) - inbound, attempts, last, tuple(each.id for each in contacts))


@frozen
class Objection:
    """Something that speaks against a contact.

    Attributes:
        rule: the code of the rule, such as `"frequency-cap"`.
        reasons: why, one sentence each, with figures.
        instead: what would be possible.
    """

    rule: str
    reasons: tuple[str, ...]
    instead: tuple[str, ...] = ()


@frozen
class Permission:
    """Whether the company may make a contact now.

    Attributes:
        allowed: the answer.
        reasons: what speaks for it, one sentence each.
        objections: what speaks against it; one is enough for a no.
    """

    allowed: bool
    reasons: tuple[str, ...] = ()
    objections: tuple[Objection, ...] = ()


def cap_objections(
    interactions: Iterable[Interaction],
    caps: Iterable[FrequencyCap],
    *,
    channel: Channel,
    purpose: Purpose,
    at: datetime,
) -> tuple[Objection, ...]:
    """Give the frequency caps that one more contact would break, each with the time from which it would not.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> from crmkit.domain.interactions.interaction import converse
    >>> from crmkit.domain.words import Contact
    >>> mail = Contact(channel=Channel.EMAIL, direction=Direction.OUTBOUND, purpose=Purpose.MARKETING, by="rep-lito")
    >>> sent = [converse("cus_1", mail, at=now, id="int_1").record]
    >>> cap = FrequencyCap(most=1, within=days(7))
    >>> cap_objections(sent, [cap], channel=Channel.EMAIL, purpose=Purpose.MARKETING, at=now)[0].reasons
    ('1 contact in 7 days, at most 1; the next one from 2026-01-12',)
    """
    some = tuple(interactions)
    found: list[Objection] = []
    for cap in caps:
        if purpose not in cap.purposes or cap.channel not in (None, channel):
            continue
        counted = sorted(each.at for each in some if is_capped(each, cap) and at - cap.within < each.at <= at)
        if len(counted) < cap.most:
            continue
        on = f" by {cap.channel}" if cap.channel is not None else ""
        s = "" if len(counted) == 1 else "s"
        text = f"{len(counted)} contact{s}{on} in {in_days(cap.within.days)}, at most {cap.most}"
        if cap.most:
            text += f"; the next one from {counted[-cap.most] + cap.within:%Y-%m-%d}"
        found.append(Objection("frequency-cap", (text,)))
    return tuple(found)
