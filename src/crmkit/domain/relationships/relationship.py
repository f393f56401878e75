"""Relationships: what ties a customer to the company, of what type, whose it is, and what it allows of contact."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import field, frozen

from crmkit.domain.relationships.evidence import NO_TALLIES, NOTHING_BOUGHT, Buying, Tally, counted
from crmkit.domain.relationships.lifecycles import DissolutionCause, EndedBy, Fault, Lifecycle, Signal, Stage
from crmkit.domain.relationships.types import Direct, RelationshipType, TypeRules
from crmkit.domain.words import NEEDS_CONSENT, Channel, Contact, Direction, Mode, Purpose, Stance
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.checks import Count, Id, Note, Personal, Value
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.record import Change, Event, Record, change, create, event, record

# words


class Origin(StrEnum):
    """Why a relationship began, as the customer says. None on the record: not asked yet."""

    NEED = "need"
    RECOMMENDATION = "recommendation"
    ADVERTISEMENT = "advertisement"
    OFFER = "offer"
    NEARBY = "nearby"
    DISSATISFIED_ELSEWHERE = "dissatisfied elsewhere"
    CURIOSITY = "curiosity"
    NOT_SAID = "asked, not said"


class CadenceState(StrEnum):
    """How an agreed contact cadence stands."""

    NONE = "none agreed"
    KEPT = "kept"
    DUE = "due"
    MISSED = "missed"


@frozen(kw_only=True)
class Known(Value):
    """What the profile says about whom the company has before it.

    Attributes:
        named: it says who the customer is.
        traits: the names of what it can act from: identifiers, attributes, interests, tags.
    """

    named: bool = True
    traits: frozenset[str] = frozenset()


SPOKEN = frozenset({Channel.VISIT, Channel.PHONE, Channel.AUDIO_CALL, Channel.VIDEO_CALL})
"""Channels on which both sides take part: a contact on these is a sign of life, whoever turned to whom."""

PERSONAL_CHANNELS = SPOKEN | {Channel.LETTER}
"""Channels on which a person's touch is felt."""

# records


def open_tie(tie: Relationship) -> str | None:
    """One lasting relationship per customer, type and community."""
    return None if tie.ended is not None else f"{tie.customer}|{tie.type}|{tie.community or ''}"


@record(
    "relationship",
    prefix="rel",
    customer="customer",
    unique={"open_tie": open_tie},
    indexes=[
        ("customer",),
        ("stage", "warned", "quiet_since"),
        ("ended", "attended"),
        ("contact_due",),
        ("owner",),
        ("type",),
    ],
)
@frozen(kw_only=True)
class Relationship(Record):
    """What ties a customer to the company.

    Attributes:
        customer: whose relationship it is.
        type: its type; the rules are the declared `TypeRules` of that name.
        stage: how far it has come.
        since: when it entered the stage.
        quiet_since: the last sign of life: from then on its timers count.
        warned: the warning that was told last since then, or None.
        lifecycle: the version of the machine that it was last decided on.
        episode: 1, and one more with each re-engagement.
        began: when the episode began.
        owner: who represents the company.
        owner_since: since when.
        community: the name of the community that it belongs to.
        origin: why it began, as the customer says; None until asked.
        origin_note: the same in the customer's words.
        cadence: how often the company is to make contact of itself.
        contact_due: when it is to do so next.
        attended: when the customer last had the company's attention.
        last_personal: the last contact with a person's touch.
        last_proactive: the last contact that the company made of itself.
        contacts: by channel, how often there was contact and when last.
        evidence: by kind, what was shown in this episode.
        buying: what was bought in this episode.
        ended: when it ended; None while it lasts.
        ended_by: who ended it.
        at_fault: whose fault that was.
        cause: why it ended.
    """

    customer: Id
    type: RelationshipType | str
    stage: Stage | str
    since: datetime
    quiet_since: datetime
    warned: str | None = None
    lifecycle: str
    episode: Count = 1
    began: datetime
    owner: Id | None = None
    owner_since: datetime | None = None
    community: str | None = None
    origin: Origin | str | None = None
    origin_note: Personal[Note] = ""
    cadence: timedelta | None = None
    contact_due: datetime | None = None
    attended: datetime
    last_personal: datetime | None = None
    last_proactive: datetime | None = None
    contacts: FrozenDict[Tally] = field(default=NO_TALLIES)
    evidence: FrozenDict[Tally] = field(default=NO_TALLIES)
    buying: Buying = field(default=NOTHING_BOUGHT)
    ended: datetime | None = None
    ended_by: EndedBy | str | None = None
    at_fault: Fault | str | None = None
    cause: DissolutionCause | str | None = None


# events


@event("relationship.begun")
@frozen(kw_only=True)
class RelationshipBegun(Event[Relationship]):
    """A relationship began."""

    customer: Id
    type: RelationshipType | str
    stage: Stage | str
    since: datetime
    quiet_since: datetime
    lifecycle: str
    began: datetime
    owner: Id | None
    owner_since: datetime | None
    community: str | None
    origin: Origin | str | None
    origin_note: Personal[Note]
    cadence: timedelta | None
    contact_due: datetime | None
    attended: datetime


@event("relationship.origin-told")
@frozen(kw_only=True)
class OriginTold(Event[Relationship]):
    """The customer was asked why it began."""

    origin: Origin | str | None
    origin_note: Personal[Note]


@event("relationship.contact-noted")
@frozen(kw_only=True)
class ContactNoted(Event[Relationship]):
    """There was contact."""

    contacts: FrozenDict[Tally]
    attended: datetime
    last_personal: datetime | None
    last_proactive: datetime | None
    contact_due: datetime | None
    quiet_since: datetime
    warned: str | None


@event("relationship.type-changed")
@frozen(kw_only=True)
class TypeChanged(Event[Relationship]):
    """Its type changed: from here on other rules hold."""

    previous: RelationshipType | str
    type: RelationshipType | str
    owner: Id | None
    owner_since: datetime | None
    community: str | None
    cadence: timedelta | None
    contact_due: datetime | None


@event("relationship.handed-over")
@frozen(kw_only=True)
class HandedOver(Event[Relationship]):
    """Somebody else represents the company."""

    previous: Id | None
    owner: Id | None
    owner_since: datetime | None


@event("relationship.cadence-agreed")
@frozen(kw_only=True)
class CadenceAgreed(Event[Relationship]):
    """How often the company makes contact was agreed, or (None) that it need not."""

    cadence: timedelta | None
    contact_due: datetime | None


# rules on the beginning


def subject(tie: Relationship | None) -> str:
    """Say which relationship a refusal is about."""
    return "a new relationship" if tie is None else f"relationship {tie.id}"


def check_type(
    tie: Relationship | None, rules: TypeRules, *, owner: str | None, community: str | None, known: Known | None
) -> None:
    """Hold what a type asks for against what there is.

    Raises:
        Refusal: rules `<type>.owner`, `<type>.community`, `<type>.recognised`, `<type>.named`, `<type>.stage`.
    """
    if rules.dedicated and owner is None:
        raise refused(tie, rules, "owner", f"{rules.name} needs exactly one named representative, found none")
    if rules.community and community is None:
        raise refused(tie, rules, "community", f"{rules.name} needs the name of the community, found none")
    if not rules.community and community is not None:
        raise refused(tie, rules, "community", f"{rules.name} belongs to no community, found one")
    if known is not None and not known.named and not rules.anonymous:
        raise refused(
            tie, rules, "named", f"{rules.name} needs a customer who is known by name", RelationshipType.TRANSACTIONAL
        )
    if known is not None and rules.recognises and not known.traits:
        found = "expected at least 1 identifier, attribute, interest or tag, found 0"
        reason = f"{rules.name} recognises the customer by the profile: {found}"
        raise refused(tie, rules, "recognised", reason)
    if tie is not None and tie.stage in rules.closed:
        raise refused(
            tie, rules, "stage", f"{rules.name} knows no {tie.stage}; the relationship stands there", Signal.COOL
        )


def refused(tie: Relationship | None, rules: TypeRules, rule: str, reason: str, *instead: str) -> Refusal:
    """Make a refusal by a rule of a type."""
    return Refusal(subject(tie), f"{rules.name}.{rule}", (reason,), tuple(map(str, instead)))


def begin(
    customer: str,
    rules: TypeRules,
    *,
    id: str,  # noqa: A002 - the field's own word
    machine: Lifecycle,
    at: datetime,
    known: Known | None = None,
    owner: str | None = None,
    community: str | None = None,
    origin: Origin | str | None = None,
    origin_note: str = "",
    cadence: timedelta | None = None,
) -> Change[Relationship]:
    """Begin a relationship of a type, at the machine's first stage.

    Raises:
        Refusal: the type asks for what is not there, see `check_type`; or it has no cadence, see `agree_cadence`.
    """
    check_type(None, rules, owner=owner, community=community, known=known)
    cadence = rules.cadence if cadence is None else _cadence(None, rules, cadence)
    return create(
        id,
        RelationshipBegun(
            customer=customer,
            type=rules.name,
            stage=machine.initial,
            since=at,
            quiet_since=at,
            lifecycle=str(machine.version),
            began=at,
            owner=owner,
            owner_since=None if owner is None else at,
            community=community,
            origin=origin,
            origin_note=origin_note,
            cadence=cadence,
            contact_due=None if cadence is None else at + cadence,
            attended=at,
        ),
    )


def tell_origin(tie: Relationship, origin: Origin | str, note: str = "") -> Change[Relationship]:
    """Keep why it began, as the customer says when asked."""
    return change(tie, OriginTold(origin=origin, origin_note=note))


# rules on contact


def after_life(tie: Relationship, at: datetime) -> tuple[datetime, str | None]:
    """Give `quiet_since` and `warned` after a sign of life: what is older than the last one changes neither."""
    return (at, None) if at > tie.quiet_since else (tie.quiet_since, tie.warned)


def later(before: datetime | None, at: datetime) -> datetime:
    """Give the later of two moments, of which the first may be missing."""
    return at if before is None else max(before, at)


def next_contact(began: datetime, last: datetime | None, cadence: timedelta | None) -> datetime | None:
    """Give when the company is to make contact next: a cadence after it last did, or after the episode began."""
    return None if cadence is None else later(last, began) + cadence


def must_last(tie: Relationship) -> None:
    """Refuse what only a lasting relationship can have.

    Raises:
        Refusal: rule `ended`.
    """
    if tie.ended is not None:
        reasons = (f"it ended on {tie.ended:%Y-%m-%d}, cause {tie.cause}",)
        raise Refusal(subject(tie), "ended", reasons, (str(Signal.REENGAGE),))


def note_contact(tie: Relationship, rules: TypeRules, contact: Contact, *, at: datetime) -> Change[Relationship]:
    """Note a contact that took place. Attempts and findings are no contact and have no place here.

    - It is *attention* if a person of the company took part, or if the type leaves that to tools.
    - It keeps the *cadence* if the company made it of itself: outbound, proactive, a person.
    - It is a *sign of life* if the customer turned to the company, or spoke with it.
    - It is *personal* if a person took part on a personal channel.

    Raises:
        Invalid: rule `no-contact`, it is an analytical finding.
    """
    if contact.mode is Mode.ANALYTICAL:
        raise Invalid(
            "contact.mode", "no-contact", "an operational or collaborative contact: a finding is none", "analytical"
        )
    person = contact.mode is Mode.OPERATIONAL
    alive = contact.direction is Direction.INBOUND or contact.channel in SPOKEN
    quiet_since, warned = after_life(tie, at) if alive and tie.ended is None else (tie.quiet_since, tie.warned)
    last_proactive = later(tie.last_proactive, at) if _by_itself(contact) else tie.last_proactive
    return change(
        tie,
        ContactNoted(
            contacts=counted(tie.contacts, contact.channel, at=at),
            attended=max(tie.attended, at) if person or rules.tools_attend else tie.attended,
            last_personal=later(tie.last_personal, at)
            if person and contact.channel in PERSONAL_CHANNELS
            else tie.last_personal,
            last_proactive=last_proactive,
            contact_due=next_contact(tie.began, last_proactive, tie.cadence) if tie.ended is None else None,
            quiet_since=quiet_since,
            warned=warned,
        ),
    )


def check_contact(
    tie: Relationship,
    rules: TypeRules,
    contact: Contact,
    *,
    consent: bool | None,
    open_transactions: Collection[str] = (),
    traits: Collection[str] = (),
    at: datetime,
) -> tuple[str, ...]:
    """Ask a relationship whether the company may make a contact. Customers may always turn to the company.

    Args:
        tie: the relationship.
        rules: the rules of its type.
        contact: what is about to take place.
        consent: what the customer has decided about this purpose and channel; None if nothing.
        open_transactions: the customer's orders that are still open.
        traits: the names of what the profile can be acted from, see `Known`.
        at: when it takes place.

    Returns:
        Why it is allowed, one sentence each.

    Raises:
        Refusal: rules `consent`, `<type>.open-transaction`, `<type>.person-answers`, `<type>.owner`,
            `<type>.no-direct-contact`, `<type>.acts-from-profile`.

    >>> from datetime import timezone
    >>> from crmkit.domain.relationships.lifecycles import LIFECYCLE
    >>> from crmkit.domain.relationships.types import TRANSACTIONAL
    >>> day = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> tie = begin("cus_1", TRANSACTIONAL, id="rel_1", machine=LIFECYCLE, at=day).record
    >>> call = Contact(channel=Channel.PHONE, direction=Direction.OUTBOUND, by="rep-lito", transaction="1001")
    >>> check_contact(tie, TRANSACTIONAL, call, consent=None, open_transactions=["1001"], at=day)
    ('it is about the open transaction 1001', 'transactional has nothing against it')
    """
    if contact.mode is Mode.ANALYTICAL:
        return ("an analytical finding is no contact",)
    if contact.direction is Direction.INBOUND:
        return ("the customer turns to the company",)
    reasons: list[str] = []
    if contact.purpose in NEEDS_CONSENT and consent is not True:
        found = "a refusal" if consent is False else "nothing"
        reason = f"{contact.purpose} by {contact.channel} needs the customer's consent, found {found}"
        raise Refusal(subject(tie), "consent", (reason,), ("ask for consent",))
    if consent is False and contact.purpose is not Purpose.TRANSACTION:
        raise Refusal(subject(tie), "consent", (f"the customer does not want {contact.purpose} by {contact.channel}",))
    if consent is True:
        reasons.append(f"the customer agreed to {contact.purpose} by {contact.channel}")
    open_one = contact.transaction in open_transactions
    for rule, objection in (
        ("open-transaction", None if open_one else _needs_open_transaction(rules, contact, len(open_transactions))),
        ("person-answers", _needs_person(rules, contact)),
        ("owner", _needs_owner(rules, contact, tie.owner)),
        ("no-direct-contact", _needs_distance(rules, contact)),
        ("acts-from-profile", _needs_profile(rules, contact, traits)),
    ):
        if objection is not None:
            raise refused(tie, rules, rule, f"{rules.name} {objection}")
    if open_one:
        reasons.append(f"it is about the open transaction {contact.transaction}")
    if tie.contact_due is not None and _by_itself(contact):
        state = cadence_state(tie, rules, at=at)
        reasons.append(f"the agreed cadence is {state}, contact is due on {tie.contact_due:%Y-%m-%d}")
    return (*reasons, f"{rules.name} has nothing against it")


def _by_itself(contact: Contact) -> bool:
    """Tell whether the company makes contact of itself, in person: what a cadence asks for."""
    outbound = contact.direction is Direction.OUTBOUND and contact.mode is Mode.OPERATIONAL
    return outbound and contact.stance is Stance.PROACTIVE


def _needs_open_transaction(rules: TypeRules, contact: Contact, how_many: int) -> str | None:
    if not rules.only_open_transactions:
        return None
    found = "none is named" if contact.transaction is None else f"{contact.transaction} is not open"
    return f"allows contact about an open transaction only; {found}, {how_many} open"


def _needs_person(rules: TypeRules, contact: Contact) -> str | None:
    by_person = contact.mode is Mode.OPERATIONAL and contact.by is not None
    if not rules.person_answers or contact.stance is not Stance.REACTIVE or by_person:
        return None
    return "answers by a person; expected who answers, found nobody"


def _needs_owner(rules: TypeRules, contact: Contact, owner: str | None) -> str | None:
    if not rules.dedicated or contact.by in (None, owner):
        return None
    return f"has one representative, {owner}; found {contact.by}"


def _needs_distance(rules: TypeRules, contact: Contact) -> str | None:
    about_transaction = rules.direct is Direct.ABOUT_TRANSACTIONS and contact.transaction is not None
    if contact.mode is not Mode.OPERATIONAL or rules.direct is Direct.ALWAYS or about_transaction:
        return None
    means = f"; there are {', '.join(sorted(rules.self_help))}" if rules.self_help else ""
    return f"knows no direct contact{' but about transactions' if rules.direct is not Direct.NEVER else ''}{means}"


def _needs_profile(rules: TypeRules, contact: Contact, traits: Collection[str]) -> str | None:
    acts_from_something = contact.transaction is not None or contact.trait in traits
    if not rules.acts_from_profile or contact.mode is Mode.OPERATIONAL or acts_from_something:
        return None
    found = "neither" if contact.trait is None else "a trait that the profile does not have"
    return f"acts from a transaction or a trait of the profile; found {found}, of {len(traits)} traits"


# rules on type, owner and cadence


def change_type(
    tie: Relationship,
    rules: TypeRules,
    *,
    owner: str | None = None,
    community: str | None = None,
    cadence: timedelta | None = None,
    known: Known | None = None,
    at: datetime,
) -> Change[Relationship]:
    """Change the type: the new rules hold from here on, and the new type's cadence unless one is given.

    Raises:
        Refusal: rules `ended`, `same-type`, or what the new type asks for is not there, see `check_type`.
    """
    must_last(tie)
    if str(rules.name) == str(tie.type):
        raise Refusal(subject(tie), "same-type", (f"it is {rules.name} already",))
    owner = tie.owner if owner is None else owner
    community = community if community is not None or not rules.community else tie.community
    check_type(tie, rules, owner=owner, community=community, known=known)
    cadence = rules.cadence if cadence is None else _cadence(tie, rules, cadence)
    return change(
        tie,
        TypeChanged(
            previous=tie.type,
            type=rules.name,
            owner=owner,
            owner_since=tie.owner_since if owner == tie.owner else at,
            community=community,
            cadence=cadence,
            contact_due=next_contact(at, tie.last_proactive, cadence),
        ),
    )


def hand_over(tie: Relationship, rules: TypeRules, to: str | None, *, at: datetime) -> Change[Relationship]:
    """Hand a relationship over to another representative, or (None) to nobody.

    Raises:
        Refusal: rules `ended`, `same-owner`, `<type>.owner`: the type needs a representative.
    """
    must_last(tie)
    if to == tie.owner:
        raise Refusal(subject(tie), "same-owner", (f"{to or 'nobody'} represents the company already",))
    check_type(tie, rules, owner=to, community=tie.community, known=None)
    return change(tie, HandedOver(previous=tie.owner, owner=to, owner_since=None if to is None else at))


def agree_cadence(tie: Relationship, rules: TypeRules, cadence: timedelta | None) -> Change[Relationship]:
    """Agree how often the company makes contact of itself, or (None) that it need not.

    Raises:
        Refusal: rules `ended`, `<type>.cadence`: the type does not let the company do that.
        Invalid: rule `range`, less than a day.
    """
    must_last(tie)
    kept = None if cadence is None else _cadence(tie, rules, cadence)
    return change(tie, CadenceAgreed(cadence=kept, contact_due=next_contact(tie.began, tie.last_proactive, kept)))


def _cadence(tie: Relationship | None, rules: TypeRules, cadence: timedelta) -> timedelta:
    if not rules.may_keep_in_touch:
        raise refused(
            tie,
            rules,
            "cadence",
            f"{rules.name} does not let the company make contact of itself, so it can keep no cadence",
        )
    if cadence < timedelta(days=1):
        raise Invalid("cadence", "range", "a span of at least a day", "a shorter one")
    return cadence


# questions


def cadence_state(tie: Relationship, rules: TypeRules, *, at: datetime) -> CadenceState:
    """Tell how the cadence stands: kept until the contact is due, due for the type's days of grace, then missed."""
    if tie.contact_due is None:
        return CadenceState.NONE
    if at < tie.contact_due:
        return CadenceState.KEPT
    return CadenceState.DUE if at <= tie.contact_due + rules.grace else CadenceState.MISSED
