"""Interactions: every contact with a customer, every attempt at one, every finding and every note.

What counts as contact is decided here, once. A conversation is a contact; an attempt, a finding and a note never are.
Who turned to whom (direction), whether anybody had asked (stance), and what the company's side was (mode) each change
answers of their own; `tests/domain/test_interactions.py` flips each of them alone and finds exactly this table (the
frequency cap and the report on effort are in `frequency` and `effort`):

| flipped alone | `keeps_cadence` | `is_attention` | `is_capped` | effort report | `is_personal` |
| --- | --- | --- | --- | --- | --- |
| direction: outbound to inbound | changes | | changes | changes | |
| stance: proactive to reactive | changes | | | | |
| mode: operational to collaborative | changes | changes | | changes | changes |
| kind: conversation to attempt | changes | changes | changes | changes | changes |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from attrs import frozen

from crmkit.domain.words import (
    PERSONAL_CHANNELS,
    BuyingStep,
    Channel,
    Contact,
    Direction,
    Mode,
    Purpose,
    Stance,
    happened,
)
from crmkit.errors import Invalid, Refusal, redacted
from crmkit.kernel.addresses import url
from crmkit.kernel.checks import AtMost, Between, Count, Id, Line, Note, Personal, Value
from crmkit.kernel.ids import Ref
from crmkit.kernel.record import Change, Event, Record, change, create, event, record

# words


class InteractionKind(StrEnum):
    """What was recorded. Only a conversation is a contact."""

    CONVERSATION = "conversation"
    ATTEMPT = "attempt"
    FINDING = "finding"
    NOTE = "note"


class Outcome(StrEnum):
    """How an attempt ended. Hosts bring words of their own."""

    NO_ANSWER = "no-answer"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    BOUNCED = "bounced"
    WRONG_ADDRESS = "wrong-address"
    NOT_AT_HOME = "not-at-home"


class RequestStatus(StrEnum):
    """Whether what a customer asked has been answered."""

    OPEN = "open"
    ANSWERED = "answered"


Minutes = Annotated[int, Between(0, 60 * 24 * 7)]
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}/[a-z0-9][a-z0-9.+-]{0,63}", re.ASCII)
_NOT_IN_FILE_NAME = re.compile(r'[/\\:*?"<>|]|^ |[ .]$')
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@frozen(kw_only=True)
class Document(Value):
    """A document that was exchanged. It is kept by the host; here stands what it was and where it is.

    Attributes:
        name: the file's name, without folders.
        media_type: what it is, such as `"application/pdf"`.
        size: how many bytes.
        sha256: the digest of its content, 64 hexadecimal digits, so that nobody can exchange it unnoticed.
        url: where the host keeps it, if there is a web address.

    >>> Document(name="offer.pdf", media_type="application/pdf", size=5, sha256="0" * 64).name
    'offer.pdf'
    """

    name: str
    media_type: str
    size: Count
    sha256: str
    url: str | None = None

    def __agree__(self) -> None:
        """Refuse names that lead elsewhere, and digests that are none."""
        if _NOT_IN_FILE_NAME.search(self.name) is not None:
            expected = "a file name without folders, reserved characters, or a space or dot at its end"
            raise Invalid("Document.name", "file-name", expected, redacted(self.name))
        if _MEDIA_TYPE.fullmatch(self.media_type) is None:
            expected = "a media type in lower case, such as application/pdf"
            raise Invalid("Document.media_type", "media-type", expected, redacted(self.media_type))
        if _SHA256.fullmatch(self.sha256) is None:
            raise Invalid("Document.sha256", "digest", "64 hexadecimal digits in lower case", redacted(self.sha256))
        if self.url is not None:
            url("Document.url", self.url)


@frozen(kw_only=True)
class Announcement(Value):
    """A visit or a callback that was announced at a contact. It becomes a task.

    Attributes:
        kind: `"visit"`, `"callback"`, or a word of the host's own.
        at: when it will be.
        owner: who will do it; who made the contact if nobody is named.
    """

    kind: str = "callback"
    at: datetime
    owner: Id | None = None


# records


def search_keys(interaction: Interaction) -> list[tuple[str, str]]:
    """Give what an interaction is found by: what it is about."""
    return [] if interaction.about is None else [("about", about_key(interaction.about))]


def about_key(about: Ref) -> str:
    """Give the search key of what an interaction is about.

    >>> about_key(Ref("purchase", "pur_1"))
    'purchase:pur_1'
    """
    return f"{about.kind}:{about.id}"


@record(
    "interaction",
    prefix="int",
    customer="customer",
    keys=search_keys,
    key_names=("about",),
    indexes=[("customer", "at"), ("request", "at"), ("at",)],
)
@frozen(kw_only=True)
class Interaction(Record):
    """A contact with a customer, an attempt at one, a finding, or a note.

    Attributes:
        customer: with whom, or about whom.
        kind: which of the four.
        at: when it took place.
        channel: how; None for findings and notes.
        direction: who turned to whom; None for findings and notes.
        stance: whether anybody had asked; None for findings and notes.
        mode: a person on the company's side, or automated tools; analytical for findings; None for notes.
        purpose: what it was for; None for findings and notes.
        by: who acted on the company's side, or wrote the note; None if nobody did.
        minutes: how many minutes of staff it took.
        participants: who else took part.
        summary: what was said, found or noted.
        documents: what was exchanged.
        about: what it is about: an order, a relationship, another interaction.
        topic: what a request asks for, in one line.
        trait: what in the customer's profile automated contact acted from.
        step: where in the buying cycle.
        request: whether it asks for an answer, and has got one; None if it asks for none.
        answered: when it got one.
        answers: the id of the request that this one answers.
        outcome: how an attempt ended; None for everything else.
        announces: what was announced at it.
    """

    customer: Id
    kind: InteractionKind
    at: datetime
    channel: Channel | None = None
    direction: Direction | None = None
    stance: Stance | None = None
    mode: Mode | None = None
    purpose: Purpose | None = None
    by: Id | None = None
    minutes: Minutes = 0
    participants: Personal[Annotated[tuple[str, ...], AtMost(100)]] = ()
    summary: Personal[Note] = ""
    documents: Personal[Annotated[tuple[Document, ...], AtMost(100)]] = ()
    about: Ref | None = None
    topic: Annotated[str, Line(120, empty=True)] = ""
    trait: Annotated[str, Line(120)] | None = None
    step: BuyingStep | str | None = None
    request: RequestStatus | None = None
    answered: datetime | None = None
    answers: Id | None = None
    outcome: Outcome | str | None = None
    announces: Announcement | None = None

    def __agree__(self) -> None:
        """Hold the fields to the kind."""
        tried = self.kind in (InteractionKind.CONVERSATION, InteractionKind.ATTEMPT)
        told = (self.channel, self.direction, self.stance, self.purpose)
        if tried and None in told:
            raise Invalid(
                "Interaction.channel", "required", "channel, direction, stance and purpose of a contact", "none"
            )
        if not tried and any(word is not None for word in told):
            raise Invalid("Interaction.channel", "no-contact", "no channel: findings and notes are no contact", "one")
        modes = _MODES[self.kind]
        if self.mode not in modes:
            expected = f"{' or '.join(str(m) for m in modes)} for kind {self.kind}"
            raise Invalid("Interaction.mode", "mode", expected, str(self.mode))
        if self.by is None and (self.mode is Mode.OPERATIONAL or self.kind is InteractionKind.NOTE):
            raise Invalid("Interaction.by", "required", "who acted on the company's side", "nobody")
        if self.by is not None and self.mode is Mode.COLLABORATIVE:
            raise Invalid("Interaction.by", "nobody", "nobody: the customer acted through automated tools", "somebody")
        if (self.outcome is None) == (self.kind is InteractionKind.ATTEMPT):
            raise Invalid(
                "Interaction.outcome",
                "outcome",
                "the outcome of an attempt, and of nothing else",
                redacted(self.outcome),
            )
        if self.request is not None and self.direction is not Direction.INBOUND:
            raise Invalid(
                "Interaction.request", "inbound", "an inbound contact: only customers ask for answers", "another"
            )
        if self.answers is not None and (self.direction, self.stance) != (Direction.OUTBOUND, Stance.REACTIVE):
            raise Invalid("Interaction.answers", "reactive", "an outbound, reactive contact", "another")
        if not (tried or self.summary):
            raise Invalid("Interaction.summary", "required", f"what the {self.kind} says", "nothing")


_MODES: Mapping[InteractionKind, tuple[Mode | None, ...]] = {
    InteractionKind.CONVERSATION: (Mode.OPERATIONAL, Mode.COLLABORATIVE),
    InteractionKind.ATTEMPT: (Mode.OPERATIONAL, Mode.COLLABORATIVE),
    InteractionKind.FINDING: (Mode.ANALYTICAL,),
    InteractionKind.NOTE: (None,),
}


# events


@event("interaction.recorded")
@frozen(kw_only=True)
class InteractionRecorded(Event[Interaction]):
    """There was a contact or an attempt, something was found, or a note was taken; `kind` tells which."""

    customer: Id
    kind: InteractionKind
    at: datetime
    channel: Channel | None = None
    direction: Direction | None = None
    stance: Stance | None = None
    mode: Mode | None = None
    purpose: Purpose | None = None
    by: Id | None = None
    minutes: Minutes = 0
    participants: Personal[Annotated[tuple[str, ...], AtMost(100)]] = ()
    summary: Personal[Note] = ""
    documents: Personal[Annotated[tuple[Document, ...], AtMost(100)]] = ()
    about: Ref | None = None
    topic: Annotated[str, Line(120, empty=True)] = ""
    trait: Annotated[str, Line(120)] | None = None
    step: BuyingStep | str | None = None
    request: RequestStatus | None = None
    answers: Id | None = None
    outcome: Outcome | str | None = None
    announces: Announcement | None = None


@event("interaction.document-attached")
@frozen(kw_only=True)
class DocumentAttached(Event[Interaction]):
    """A document was exchanged: the last of `documents`."""

    documents: Personal[Annotated[tuple[Document, ...], AtMost(100)]]


@event("interaction.answered")
@frozen(kw_only=True)
class RequestAnswered(Event[Interaction]):
    """What the customer asked was answered, by the interaction `answer`."""

    request: RequestStatus | None = RequestStatus.ANSWERED
    answered: datetime | None
    answer: Id


# rules


def converse(
    customer: str,
    contact: Contact,
    *,
    minutes: int = 0,
    participants: Sequence[str] = (),
    summary: str = "",
    documents: Sequence[Document] = (),
    about: Ref | None = None,
    topic: str = "",
    step: BuyingStep | str | None = None,
    is_request: bool = False,
    answers: str | None = None,
    announces: Announcement | None = None,
    when: datetime | None = None,
    at: datetime,
    id: str,  # noqa: A002
) -> Change[Interaction]:
    """Record a conversation: a contact that took place.

    Args:
        customer: with whom.
        contact: how, which way and what for; `by` is needed if a person acted, and nobody otherwise.
        minutes: how many minutes of staff it took.
        participants: who else took part.
        summary: what was said.
        documents: what was exchanged.
        about: what it is about.
        topic: what is asked for, if it is a request.
        step: where in the buying cycle.
        is_request: whether the customer asks for an answer.
        answers: the id of the request that it answers.
        announces: a visit or a callback that was announced.
        when: when it took place; `at` if nothing is said.
        at: the time now.
        id: the id of the new record.

    Raises:
        Invalid: rule `future`; `past` (what is announced is over); `mode`, `required`, `nobody`, `inbound` or
            `reactive`, the fields contradict each other; or a value cannot be.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> call = Contact(channel=Channel.PHONE, direction=Direction.INBOUND, by="rep-lito")
    >>> converse("cus_1", call, summary="Asks for a quote.", is_request=True, at=now, id="int_1").record.request
    <RequestStatus.OPEN: 'open'>
    """
    told = InteractionRecorded(
        customer=customer,
        kind=InteractionKind.CONVERSATION,
        at=happened("Interaction.at", when or at, at=at),
        **_told(contact),
        minutes=minutes,
        participants=tuple(participants),
        summary=summary,
        documents=tuple(documents),
        about=about,
        topic=topic,
        step=step,
        request=RequestStatus.OPEN if is_request else None,
        answers=answers,
        announces=_to_come(announces, at),
    )
    return create(id, told)


def attempt(
    customer: str,
    contact: Contact,
    outcome: Outcome | str,
    *,
    minutes: int = 0,
    summary: str = "",
    about: Ref | None = None,
    topic: str = "",
    step: BuyingStep | str | None = None,
    is_request: bool = False,
    announces: Announcement | None = None,
    when: datetime | None = None,
    at: datetime,
    id: str,  # noqa: A002
) -> Change[Interaction]:
    """Record an attempt at a contact, which never counts as one: nobody answered, the e-mail came back.

    The arguments are those of `converse`; a missed call of the customer's is an inbound attempt, and may be a request.

    Raises:
        Invalid: as `converse`.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> call = Contact(channel=Channel.PHONE, direction=Direction.OUTBOUND, stance=Stance.PROACTIVE, by="rep-lito")
    >>> is_contact(attempt("cus_1", call, Outcome.VOICEMAIL, at=now, id="int_1").record)
    False
    """
    told = InteractionRecorded(
        customer=customer,
        kind=InteractionKind.ATTEMPT,
        at=happened("Interaction.at", when or at, at=at),
        **_told(contact),
        minutes=minutes,
        summary=summary,
        about=about,
        topic=topic,
        step=step,
        request=RequestStatus.OPEN if is_request else None,
        outcome=outcome,
        announces=_to_come(announces, at),
    )
    return create(id, told)


def find(
    customer: str,
    summary: str,
    *,
    about: Ref | None = None,
    step: BuyingStep | str | None = None,
    by: str | None = None,
    when: datetime | None = None,
    at: datetime,
    id: str,  # noqa: A002
) -> Change[Interaction]:
    """Record what an analysis found about a customer. It shows on the timeline and never counts as contact.

    Raises:
        Invalid: rule `future`, or `required`: it says nothing.

    >>> from datetime import timezone
    >>> found = find("cus_1", "buys every 40 days", at=datetime(2026, 1, 5, tzinfo=timezone.utc), id="int_1").record
    >>> is_contact(found), is_attention(found)
    (False, False)
    """
    told = InteractionRecorded(
        customer=customer,
        kind=InteractionKind.FINDING,
        at=happened("Interaction.at", when or at, at=at),
        mode=Mode.ANALYTICAL,
        by=by,
        summary=summary,
        about=about,
        step=step,
    )
    return create(id, told)


def note(
    customer: str,
    text: str,
    *,
    by: str,
    about: Ref | None = None,
    step: BuyingStep | str | None = None,
    documents: Sequence[Document] = (),
    when: datetime | None = None,
    at: datetime,
    id: str,  # noqa: A002
) -> Change[Interaction]:
    """Take a note about a customer, anywhere in the sales cycle. It never counts as contact.

    Raises:
        Invalid: rule `future`, or `required`: it says nothing.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> note("cus_1", "Prefers blue.", by="rep-lito", step=BuyingStep.EVALUATION, at=now, id="int_1").record.by
    'rep-lito'
    """
    told = InteractionRecorded(
        customer=customer,
        kind=InteractionKind.NOTE,
        at=happened("Interaction.at", when or at, at=at),
        by=by,
        summary=text,
        documents=tuple(documents),
        about=about,
        step=step,
    )
    return create(id, told)


def attach(interaction: Interaction, document: Document, *, at: datetime) -> Change[Interaction]:  # noqa: ARG001
    """Attach a document that was exchanged.

    Raises:
        Refusal: rule `interaction.document-attached`, the same document is there already.
        Invalid: rule `too-many`, there are a hundred.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> offer = Document(name="offer.pdf", media_type="application/pdf", size=5, sha256="0" * 64)
    >>> len(attach(note("cus_1", "Sent.", by="rep-lito", at=now, id="int_1").record, offer, at=now).record.documents)
    1
    """
    if any(each.sha256 == document.sha256 for each in interaction.documents):
        reasons = ("a document with the same content is attached already",)
        raise Refusal(f"interaction {interaction.id}", "interaction.document-attached", reasons)
    return change(interaction, DocumentAttached(documents=(*interaction.documents, document)))


def answer(request: Interaction, by: Interaction, *, at: datetime) -> Change[Interaction]:  # noqa: ARG001
    """Tell that a request was answered by another interaction.

    Raises:
        Refusal: rule `interaction.no-request`, nobody asked; `interaction.answered`, it was answered before.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> asked = Contact(channel=Channel.EMAIL, direction=Direction.INBOUND, by="rep-lito")
    >>> told = Contact(channel=Channel.EMAIL, direction=Direction.OUTBOUND, by="rep-lito")
    >>> request = converse("cus_1", asked, is_request=True, at=now, id="int_1").record
    >>> answer(request, converse("cus_1", told, answers="int_1", at=now, id="int_2").record, at=now).record.request
    <RequestStatus.ANSWERED: 'answered'>
    """
    check_open(request)
    return change(request, RequestAnswered(answered=by.at, answer=by.id))


def check_open(request: Interaction) -> None:
    """Check that a request waits for an answer.

    Raises:
        Refusal: rule `interaction.no-request`, nobody asked; `interaction.answered`, it was answered before.
    """
    if request.request is None:
        reasons = ("it asks for no answer",)
        raise Refusal(f"interaction {request.id}", "interaction.no-request", reasons, ("record",))
    if request.answered is not None:
        reasons = (f"it was answered on {request.answered:%Y-%m-%d}",)
        raise Refusal(f"interaction {request.id}", "interaction.answered", reasons, ("record",))


def _told(contact: Contact) -> dict[str, Any]:
    return {name: getattr(contact, name) for name in _CONTACT}


_CONTACT = ("channel", "direction", "stance", "mode", "purpose", "by", "trait")


def _to_come(announces: Announcement | None, at: datetime) -> Announcement | None:
    if announces is not None and announces.at < at:
        raise Invalid("Announcement.at", "past", "an instant that is still to come", "an earlier one")
    return announces


# questions


def is_contact(interaction: Interaction) -> bool:
    """Tell whether somebody was in contact with the customer: attempts, findings and notes never are."""
    return interaction.kind is InteractionKind.CONVERSATION


def keeps_cadence(interaction: Interaction) -> bool:
    """Tell whether the company kept in touch of itself: a person made the contact, outbound, and nobody had asked."""
    return (
        is_attention(interaction)
        and interaction.direction is Direction.OUTBOUND
        and interaction.stance is Stance.PROACTIVE
    )


def is_attention(interaction: Interaction) -> bool:
    """Tell whether the customer had a person's attention, whoever turned to whom: what ends neglect."""
    return is_contact(interaction) and interaction.mode is Mode.OPERATIONAL


def is_personal(
    channel: Channel | None,
    mode: Mode | None,
    kind: InteractionKind,
    *,
    personal: frozenset[Channel] = PERSONAL_CHANNELS,
) -> bool:
    """Tell whether a person's touch was felt: somebody talked with the customer on a personal channel, no voicemail.

    >>> is_personal(Channel.PHONE, Mode.OPERATIONAL, InteractionKind.CONVERSATION)
    True
    >>> is_personal(Channel.PHONE, Mode.OPERATIONAL, InteractionKind.ATTEMPT)
    False
    """
    return kind is InteractionKind.CONVERSATION and mode is Mode.OPERATIONAL and channel in personal


def contact_of(interaction: Interaction) -> Contact | None:
    """Give a conversation as the rules of the relationship types see it; None for what is no contact."""
    if interaction.kind is not InteractionKind.CONVERSATION:
        return None
    about = interaction.about
    transaction = about.id if about is not None and about.kind == "purchase" else None
    return Contact(**{name: getattr(interaction, name) for name in _CONTACT}, transaction=transaction)
