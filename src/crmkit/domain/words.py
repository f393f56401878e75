"""Words that several concepts share: how, which way and what for the company and a customer are in contact."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from crmkit.kernel.checks import Id, Value


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


class Direction(StrEnum):
    """Who turned to whom."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Stance(StrEnum):
    """Whether a contact answers something, or somebody thought of it first."""

    REACTIVE = "reactive"
    PROACTIVE = "proactive"


class Mode(StrEnum):
    """What the company's side was: a person (operational), the customer at automated tools (collaborative), or an analysis.

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
    """

    channel: Channel
    direction: Direction
    stance: Stance = Stance.REACTIVE
    mode: Mode = Mode.OPERATIONAL
    purpose: Purpose = Purpose.SERVICE
    by: Id | None = field(default=None)
    transaction: Id | None = field(default=None)
