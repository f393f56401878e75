"""Words that several concepts share: how, which way and what for the company and a customer are in contact."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from attrs import field, frozen

from crmkit.errors import Invalid
from crmkit.kernel.checks import Id, Value
from crmkit.kernel.dates import instant


class Channel(StrEnum):
    """How a contact takes place."""

    VISIT = "visit"
    PHONE = "phone"
    LETTER = "letter"
    EMAIL = "email"
    AUDIO_CALL = "audio-call"
    VIDEO_CALL = "video-call"
    INSTANT_MESSAGE = "instant-message"
    SMS = "sms"
    SOCIAL_NETWORK = "social-network"
    WEB_FORM = "web-form"
    KIOSK = "kiosk"
    PORTAL = "portal"


class Means(StrEnum):
    """What kind of address reaches a customer."""

    EMAIL = "email"
    PHONE = "phone"
    POST = "post"
    CHAT = "chat"
    SOCIAL = "social"


REACHED_BY: dict[Channel, Means] = {
    Channel.VISIT: Means.POST,
    Channel.PHONE: Means.PHONE,
    Channel.LETTER: Means.POST,
    Channel.EMAIL: Means.EMAIL,
    Channel.AUDIO_CALL: Means.PHONE,
    Channel.VIDEO_CALL: Means.CHAT,
    Channel.INSTANT_MESSAGE: Means.CHAT,
    Channel.SMS: Means.PHONE,
    Channel.SOCIAL_NETWORK: Means.SOCIAL,
}
"""What kind of address a channel needs; the customer comes to the others of himself."""

SELF_SERVICE_CHANNELS = frozenset({Channel.WEB_FORM, Channel.KIOSK, Channel.PORTAL})

PERSONAL_CHANNELS = frozenset({Channel.VISIT, Channel.PHONE, Channel.AUDIO_CALL, Channel.VIDEO_CALL, Channel.LETTER})
"""Channels on which a person's touch is felt: a voice, a face, a hand that wrote."""


class Direction(StrEnum):
    """Who turned to whom."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Stance(StrEnum):
    """Whether a contact answers something, or somebody thought of it first."""

    REACTIVE = "reactive"
    PROACTIVE = "proactive"


class Mode(StrEnum):
    """What the company's side was: a person (operational), automated tools (collaborative), or an analysis.

    The three are the field's own: operational, collaborative and analytical CRM. An analytical finding is no contact.
    """

    OPERATIONAL = "operational"
    COLLABORATIVE = "collaborative"
    ANALYTICAL = "analytical"


class Purpose(StrEnum):
    """What a contact is for, and what a consent is given for."""

    TRANSACTION = "transaction"
    SERVICE = "service"
    RELATIONSHIP = "relationship"
    MARKETING = "marketing"
    RESEARCH = "research"
    PROFILING = "profiling"


NEEDS_CONSENT = frozenset({Purpose.MARKETING, Purpose.RESEARCH, Purpose.PROFILING})
"""Purposes for which the answer is no until the customer has said yes."""


@frozen(kw_only=True)
class Contact(Value):
    """A contact as the rules of the relationship types see it.

    Attributes:
        channel: how it takes place.
        direction: who turned to whom.
        stance: whether it answers something.
        mode: what the company's side was.
        purpose: what it is for.
        by: who acted on the company's side; None if nobody did.
        transaction: the open order that it is about, if any.
        trait: what in the customer's profile it acts from, if anything: the name of an attribute, an interest or a tag.
    """

    channel: Channel
    direction: Direction
    stance: Stance = Stance.REACTIVE
    mode: Mode = Mode.OPERATIONAL
    purpose: Purpose = Purpose.SERVICE
    by: Id | None = field(default=None)
    transaction: Id | None = field(default=None)
    trait: str | None = field(default=None)


class BuyingStep(StrEnum):
    """Where somebody stands in the buying cycle, in its order: what contacts, notes and satisfaction are about.

    The first four and the last are the buyer decision process of Engel, Kollat and Blackwell, as every textbook of
    marketing has it; what happens between the purchase and the time after it is told apart, because satisfaction
    differs there.
    """

    PROBLEM_RECOGNITION = "problem-recognition"
    INFORMATION_SEARCH = "information-search"
    EVALUATION = "evaluation"
    PURCHASE = "purchase"
    DELIVERY = "delivery"
    USE = "use"
    SERVICE = "service"
    POST_PURCHASE = "post-purchase"


CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead of the library's clock a host's clock may run."""


def happened(name: str, when: datetime, *, at: datetime) -> datetime:
    """Check that something that is being recorded has taken place, however long ago, and give the instant in UTC.

    Raises:
        Invalid: rule `future`, it lies more than five minutes ahead; and the rules of `instant`.

    >>> from datetime import timezone
    >>> happened("at", datetime(2026, 1, 1, tzinfo=timezone.utc), at=datetime(2026, 1, 2, tzinfo=timezone.utc)).day
    1
    """
    then = instant(name, when)
    if then > at + CLOCK_TOLERANCE:
        raise Invalid(
            name, "future", "an instant that has come: what is to come is planned, not recorded", "a later one"
        )
    return then


def in_days(count: int) -> str:
    """Say a number of days, for the reasons that decisions give.

    >>> in_days(1), in_days(30)
    ('1 day', '30 days')
    """
    return f"{count} day{'' if count == 1 else 's'}"
