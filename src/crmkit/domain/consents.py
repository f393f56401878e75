"""Consents: what a customer has agreed to, refused and objected to, as a log to which is only ever added.

Each entry is a record of its own and never changes. What holds at a moment is a fold of the log up to it
(`effective`), so that it can be told for any moment, the past ones too. The words are those of the GDPR: consent (Art.
4(11), 7), withdrawal (7(3)), objection (21), legal bases (6(1)). Double opt-in is the field's own proof that an
address belongs to who gave it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from attrs import frozen

from crmkit.domain.words import NEEDS_CONSENT, Channel, Purpose, happened
from crmkit.errors import Invalid, Refusal
from crmkit.kernel import addresses
from crmkit.kernel.checks import Between, Id, Line, Personal, Prose, Value
from crmkit.kernel.dates import instant
from crmkit.kernel.record import Change, Event, Record, create, event, record

# words


class ConsentStatus(StrEnum):
    """What an entry of the log says."""

    GRANTED = "granted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    REQUESTED = "requested"
    """A double opt-in was begun: nothing is granted until it is confirmed."""
    SUPPRESSED = "suppressed"
    """Do not contact: an objection, a hard bounce, a block by hand. Only lifting it ends it."""
    LIFTED = "lifted"


class LegalBasis(StrEnum):
    """What makes the processing lawful, in the order of Art. 6(1) GDPR."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal-obligation"
    VITAL_INTERESTS = "vital-interests"
    PUBLIC_TASK = "public-task"
    LEGITIMATE_INTERESTS = "legitimate-interests"


ALLOWS_UNASKED = frozenset({LegalBasis.CONSENT, LegalBasis.LEGITIMATE_INTERESTS})
"""The bases that can carry marketing, research and profiling; a contract or a duty never does."""


class Why(StrEnum):
    """What decided, in the order in which it is asked."""

    SUPPRESSED = "suppressed"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    GRANTED = "granted"
    DEFAULT = "default"


CONFIRM_WITHIN = timedelta(days=7)
"""For how long a double opt-in can be confirmed, unless the request says otherwise."""


@frozen(kw_only=True)
class Scope(Value):
    """What an entry is about. What is left open (None) is any.

    Attributes:
        purpose: what for; only a suppression may leave it open.
        channel: how.
        contact_point: to which address, by the id of the contact point.
    """

    purpose: Purpose | str | None = None
    channel: Channel | None = None
    contact_point: Id | None = None


@frozen(kw_only=True)
class Proof(Value):
    """How a customer's word can be shown later (Art. 7(1) GDPR).

    Attributes:
        source: where it was given, such as `"web form"` or `"call"`.
        wording: the text that they agreed to, exactly; only its hash is kept in the log.
        wording_version: the host's name for that text.
        locale: the language in which they saw it (BCP 47).
        evidence: where the evidence lies: a file, an address, the id of an interaction.
    """

    source: Annotated[str, Line(empty=True)] = ""
    wording: Annotated[str, Prose(empty=True)] = ""
    wording_version: Annotated[str, Line(80, empty=True)] = ""
    locale: Annotated[str, Line(35, empty=True)] = ""
    evidence: Annotated[str, Line(500, empty=True)] = ""

    def __agree__(self) -> None:
        """Hold the locale to what there is.

        Raises:
            Invalid: rule `language`.
        """
        if self.locale:
            addresses.language("Proof.locale", self.locale)

    @property
    def wording_hash(self) -> str:
        """SHA-256 of the text in hexadecimal digits; empty without one.

        >>> Proof(wording="I agree to receive news.").wording_hash[:16]
        '64df1f8028a11662'
        """
        return hashlib.sha256(self.wording.encode()).hexdigest() if self.wording else ""


NO_PROOF = Proof()

# records


def confirmed_request(entry: Consent) -> str | None:
    """Give the unique key of a confirmation: one request is confirmed once."""
    return entry.request


@record(
    "consent",
    customer="customer",
    unique={"confirmed_request": confirmed_request},
    indexes=[("customer", "number")],
)
@frozen(kw_only=True)
class Consent(Record):
    """One entry of the log. It never changes.

    Attributes:
        customer: whose word it is.
        number: its place in the customer's log, from 1 on.
        status: what it says.
        purpose, channel, contact_point: what it is about; None is any.
        basis: the legal basis of a grant; None for all else.
        captured_at: when the customer said it.
        recorded_at: when it was entered.
        by: the actor who entered it.
        effective_from, effective_until: from and until when it holds; None is without an end. A request can be
            confirmed until then.
        cause: why contact is suppressed, such as `"bounced"`, or what was said when it was withdrawn or lifted.
        source, wording_version, wording_hash, locale, evidence: the proof.
        request: of a grant by double opt-in, the entry that it confirms.
        double_opt_in_at: when it was confirmed.
    """

    customer: Id
    number: Annotated[int, Between(1, 1_000_000)]
    status: ConsentStatus
    purpose: Purpose | str | None
    channel: Channel | None
    contact_point: Id | None
    basis: LegalBasis | None
    captured_at: datetime
    recorded_at: datetime
    by: Annotated[str, Line(120)]
    effective_from: datetime
    effective_until: datetime | None
    cause: Annotated[str, Line(empty=True)]
    source: Annotated[str, Line(empty=True)]
    wording_version: Annotated[str, Line(80, empty=True)]
    wording_hash: Annotated[str, Line(64, empty=True)]
    locale: Annotated[str, Line(35, empty=True)]
    evidence: Personal[Annotated[str, Line(500, empty=True)]]
    request: Id | None = None
    double_opt_in_at: datetime | None = None

    @property
    def scope(self) -> Scope:
        """What it is about."""
        return Scope(purpose=self.purpose, channel=self.channel, contact_point=self.contact_point)


# events


@event("consent.recorded")
@frozen(kw_only=True)
class ConsentRecorded(Event[Consent]):
    """A customer said yes or no, or somebody noted that they must not be contacted; `status` tells which."""

    customer: Id
    number: Annotated[int, Between(1, 1_000_000)]
    status: ConsentStatus
    purpose: Purpose | str | None
    channel: Channel | None
    contact_point: Id | None
    basis: LegalBasis | None
    captured_at: datetime
    recorded_at: datetime
    by: Annotated[str, Line(120)]
    effective_from: datetime
    effective_until: datetime | None
    cause: Annotated[str, Line(empty=True)]
    source: Annotated[str, Line(empty=True)]
    wording_version: Annotated[str, Line(80, empty=True)]
    wording_hash: Annotated[str, Line(64, empty=True)]
    locale: Annotated[str, Line(35, empty=True)]
    evidence: Personal[Annotated[str, Line(500, empty=True)]]
    request: Id | None
    double_opt_in_at: datetime | None


# rules


def enter(
    customer: str,
    number: int,
    status: ConsentStatus,
    scope: Scope,
    *,
    at: datetime,
    id: str,  # noqa: A002
    by: str,
    basis: LegalBasis = LegalBasis.CONSENT,
    proof: Proof = NO_PROOF,
    cause: str = "",
    captured_at: datetime | None = None,
    effective_from: datetime | None = None,
    effective_until: datetime | None = None,
) -> Change[Consent]:
    """Add an entry to a customer's log, with the number that follows its last.

    Raises:
        Refusal: rule `consent.basis`, marketing, research and profiling need a consent or a legitimate interest.
        Invalid: rule `required`, only a suppression can be for any purpose; `future`, it cannot have been said after
            now; `before-captured`, it cannot hold before it was said; `end-before-start`.
    """
    said = at if captured_at is None else happened("Consent.captured_at", captured_at, at=at)
    start = said if effective_from is None else instant("Consent.effective_from", effective_from)
    until = None if effective_until is None else instant("Consent.effective_until", effective_until)
    if scope.purpose is None and status not in (ConsentStatus.SUPPRESSED, ConsentStatus.LIFTED):
        raise Invalid("Consent.purpose", "required", "what it is for", "nothing")
    if start < said:
        raise Invalid("Consent.effective_from", "before-captured", "a moment at or after it was said", "an earlier one")
    if until is not None and until <= start:
        raise Invalid("Consent.effective_until", "end-before-start", "an end after the start", "one at or before it")
    grants = status in (ConsentStatus.GRANTED, ConsentStatus.REQUESTED)
    if grants and basis not in ALLOWS_UNASKED and scope.purpose in NEEDS_CONSENT:
        reasons = [f"{scope.purpose} cannot rest on {basis}"]
        raise Refusal(f"customer {customer}", "consent.basis", reasons, sorted(ALLOWS_UNASKED))
    return create(
        id,
        ConsentRecorded(
            customer=customer,
            number=number,
            status=status,
            purpose=scope.purpose,
            channel=scope.channel,
            contact_point=scope.contact_point,
            basis=basis if grants else None,
            captured_at=said,
            recorded_at=at,
            by=by,
            effective_from=start,
            effective_until=until,
            cause=cause,
            source=proof.source,
            wording_version=proof.wording_version,
            wording_hash=proof.wording_hash,
            locale=proof.locale,
            evidence=proof.evidence,
            request=None,
            double_opt_in_at=None,
        ),
    )


def confirm(
    entries: Iterable[Consent],
    request: str,
    *,
    at: datetime,
    id: str,  # noqa: A002
    by: str,
    evidence: str = "",
) -> Change[Consent]:
    """Confirm a double opt-in: the grant that was requested is entered, with the request's scope and proof.

    `entries` is the customer's log, the request among them.

    Raises:
        Invalid: rule `unknown-request`, there is no such request.
        Refusal: rule `consent.already-confirmed`; `consent.request-expired`; `consent.refused-since`, the customer has
            said no to the same thing after the request.
    """
    log = tuple(entries)
    asked = next((e for e in log if e.id == request and e.status is ConsentStatus.REQUESTED), None)
    if asked is None:
        raise Invalid("request", "unknown-request", "the id of a double opt-in that was requested", "another")
    subject = f"consent {asked.id}"
    if any(e.request == request for e in log):
        raise Refusal(subject, "consent.already-confirmed", ["it was confirmed before"])
    if asked.effective_until is not None and at >= asked.effective_until:
        ended = f"it could be confirmed until {asked.effective_until.isoformat()}"
        raise Refusal(subject, "consent.request-expired", [ended], ["request_double_opt_in"])
    for entry in log:
        if entry.status in _REFUSALS and covers(entry, asked.scope) and _newer(entry, asked):
            since = f"contact was {entry.status} on {entry.effective_from.isoformat()}, after the request"
            raise Refusal(subject, "consent.refused-since", [since], ["request_double_opt_in"])
    kept: dict[str, Any] = {n: getattr(asked, n) for n in ConsentRecorded.__event__.sets}
    kept |= {
        "number": max(e.number for e in log) + 1,
        "status": ConsentStatus.GRANTED,
        "captured_at": at,
        "recorded_at": at,
        "by": by,
        "effective_from": at,
        "effective_until": None,
        "evidence": evidence or asked.evidence,
        "request": asked.id,
        "double_opt_in_at": at,
    }
    return create(id, ConsentRecorded(**kept))


# questions

ALLOWED_BY_DEFAULT = frozenset({Purpose.TRANSACTION, Purpose.SERVICE, Purpose.RELATIONSHIP})
"""Purposes that are allowed until the customer objects; all others, the host's own too, need a yes."""

_REFUSALS = frozenset({ConsentStatus.DENIED, ConsentStatus.WITHDRAWN, ConsentStatus.SUPPRESSED})
_WORDS = frozenset({ConsentStatus.GRANTED, ConsentStatus.DENIED, ConsentStatus.WITHDRAWN})


@frozen(kw_only=True)
class Decision:
    """Whether contact is allowed, and why. A decision is true if it allows, so that `if decision:` does not deceive.

    Attributes:
        allowed: the answer.
        why: what decided.
        reasons: the same in sentences.
        entry: the entry of the log that decided; None if the default did.
    """

    allowed: bool
    why: Why
    reasons: tuple[str, ...]
    entry: Consent | None = None

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def said(self) -> bool | None:
        """What the customer has said about it; None if nothing, and the default decided."""
        return None if self.why is Why.DEFAULT else self.allowed


def covers(entry: Consent | Scope, asked: Scope) -> bool:
    """Tell whether an entry, or its scope, speaks of what is asked: what it leaves open is any."""
    return (
        entry.purpose in (None, asked.purpose)
        and entry.channel in (None, asked.channel)
        and entry.contact_point in (None, asked.contact_point)
    )


def effective(
    entries: Iterable[Consent],
    purpose: Purpose | str,
    channel: Channel | None = None,
    contact_point: str | None = None,
    *,
    at: datetime,
    known_at: datetime | None = None,
) -> Decision:
    """Tell whether a customer may be contacted at a moment, from the log of their consents.

    It is asked in this order, and the first that answers decides:

    1. a suppression that covers it and was not lifted: no;
    2. the customer's last word on the contact point, or else on the channel, or else on the purpose. A later no of
       wider reach ends an earlier yes of narrower reach: who withdraws from all marketing has withdrawn from its
       e-mails. A yes that has run out is a no, unless a later word of wider reach stands; a no that has run out counts
       for nothing;
    3. the default: transaction, service and relationship are allowed, everything else is not.

    A double opt-in that was requested and not confirmed counts as nothing. Of entries of equal reach the one that took
    effect last counts, and of those the one that was entered last.

    Args:
        entries: the log of one customer, in any order.
        purpose: what for.
        channel: how; None asks in general, where what was said of single channels does not count.
        contact_point: the id of the contact point; None as for the channel.
        at: the moment, past or to come.
        known_at: leave out what was entered later: what could be known at that moment.

    Raises:
        Invalid: rules of `instant` for the moments.

    >>> from datetime import UTC
    >>> effective([], Purpose.MARKETING, at=datetime(2026, 1, 1, tzinfo=UTC)).reasons
    ('marketing needs a yes, and there is none',)
    """
    moment = instant("at", at)
    known = None if known_at is None else instant("known_at", known_at)
    asked = Scope(purpose=purpose, channel=channel, contact_point=contact_point)
    log = sorted(
        (
            e
            for e in entries
            if covers(e, asked) and e.effective_from <= moment and (known is None or e.recorded_at <= known)
        ),
        key=_age,
        reverse=True,
    )
    if (suppressed := _suppression(log, moment)) is not None:
        return _decided(suppressed, Why.SUPPRESSED)
    word = _last_word(log, moment)
    if word is None:
        return _default(asked, log)
    if word.status is ConsentStatus.GRANTED:
        return _decided(word, Why.EXPIRED if _is_over(word, moment) else Why.GRANTED)
    return _decided(word, Why.DENIED if word.status is ConsentStatus.DENIED else Why.WITHDRAWN)


def _age(entry: Consent) -> tuple[datetime, datetime, int, bool, str]:
    return entry.effective_from, entry.recorded_at, entry.number, entry.status in _REFUSALS, entry.id


def _newer(one: Consent, other: Consent) -> bool:
    return _age(one) > _age(other)


def _is_over(entry: Consent, at: datetime) -> bool:
    return entry.effective_until is not None and entry.effective_until <= at


def _suppression(log: Sequence[Consent], at: datetime) -> Consent | None:
    """Give the newest suppression that is not lifted, from a log with the newest first."""
    lifted: list[Scope] = []
    for entry in log:
        if entry.status is ConsentStatus.LIFTED:
            lifted.append(entry.scope)
            continue
        held = entry.status is ConsentStatus.SUPPRESSED and not _is_over(entry, at)
        if held and not any(covers(each, entry.scope) for each in lifted):
            return entry
    return None


def _last_word(log: Sequence[Consent], at: datetime) -> Consent | None:
    """Give the word of the customer that decides, from a log with the newest first."""
    words: dict[int, Consent] = {}
    for entry in log:
        is_void = entry.status not in _WORDS or (entry.status in _REFUSALS and _is_over(entry, at))
        if not is_void:
            words.setdefault(0 if entry.contact_point else 1 if entry.channel else 2, entry)
    decides: Consent | None = None
    for _, word in sorted(words.items()):
        if decides is None or (_newer(word, decides) and (word.status in _REFUSALS or _is_over(decides, at))):
            decides = word
    return decides


def _decided(entry: Consent, why: Why) -> Decision:
    of = "all contact" if entry.purpose is None else str(entry.purpose)
    where = "".join(
        [f" by {entry.channel}" if entry.channel else "", " at this address" if entry.contact_point else ""]
    )
    when = entry.effective_from.isoformat()
    ended = f" and ended on {entry.effective_until.isoformat()}" if why is Why.EXPIRED and entry.effective_until else ""
    cause = f", because: {entry.cause}" if entry.cause else ""
    basis = f" ({entry.basis})" if entry.basis else ""
    reason = f"{of}{where} was {entry.status} on {when}{ended}{basis}{cause}"
    return Decision(allowed=why is Why.GRANTED, why=why, reasons=(reason,), entry=entry)


def _default(asked: Scope, log: Sequence[Consent]) -> Decision:
    if asked.purpose in ALLOWED_BY_DEFAULT:
        reasons = [f"{asked.purpose} is allowed until the customer objects"]
    else:
        reasons = [f"{asked.purpose} needs a yes, and there is none"]
    for entry in log:
        if entry.status is ConsentStatus.REQUESTED:
            reasons.append(f"a double opt-in was requested on {entry.effective_from.isoformat()} and is not confirmed")
    return Decision(allowed=asked.purpose in ALLOWED_BY_DEFAULT, why=Why.DEFAULT, reasons=tuple(reasons))
