"""Needs: what a customer wants or needs, learned at any contact and followed until it is met or declined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from attrs import frozen

from crmkit.domain.words import happened
from crmkit.kernel.checks import Between, Code, Id, Line, Note, Personal
from crmkit.kernel.machine import Machine, edge
from crmkit.kernel.record import Change, Event, Record, change, create, event, record

# words


class NeedKind(StrEnum):
    """Whether somebody cannot do without it, or would like to have it."""

    NEED = "need"
    WANT = "want"


class NeedStatus(StrEnum):
    """Where a want or need stands."""

    OPEN = "open"
    MET = "met"
    DECLINED = "declined"


class NeedSignal(StrEnum):
    """What may happen to a want or need."""

    MEET = "meet"
    DECLINE = "decline"
    REOPEN = "reopen"


class DeclineCause(StrEnum):
    """Why a want or need is not followed any more."""

    TOO_EXPENSIVE = "too-expensive"
    BOUGHT_ELSEWHERE = "bought-elsewhere"
    NO_LONGER_NEEDED = "no-longer-needed"
    NOT_AVAILABLE = "not-available"
    NOT_CONVINCED = "not-convinced"
    OTHER = "other"


NEED: Machine[NeedStatus, NeedSignal, Any] = Machine(
    "need",
    version=1,
    initial=NeedStatus.OPEN,
    edges=[
        edge(NeedStatus.OPEN, NeedStatus.MET, on=NeedSignal.MEET),
        edge(NeedStatus.OPEN, NeedStatus.DECLINED, on=NeedSignal.DECLINE, cause=DeclineCause),
        edge([NeedStatus.MET, NeedStatus.DECLINED], NeedStatus.OPEN, on=NeedSignal.REOPEN),
    ],
    doc="A want or need: followed until it is met or declined, and again when it comes back.",
)

Importance = Annotated[int, Between(1, 5)]
"""How much it matters to the customer: 1 little, 5 more than anything."""


# records


@record("need", prefix="ned", customer="customer", indexes=[("customer", "status"), ("status", "at")])
@frozen(kw_only=True)
class Need(Record):
    """Something that a customer wants or needs.

    Attributes:
        customer: who has it.
        what: what it is, in the customer's words.
        kind: a want or a need.
        products: the products that would meet it, by the host's product ids.
        categories: the kinds of products that would.
        importance: how much it matters, 1 to 5.
        interaction: the contact at which it was learned, if any.
        at: when it was learned.
        status: open, met or declined.
        settled: when it was met or declined.
        purchase: what met it, if a purchase did.
        cause: why it was declined.
        words: what was said about that.
    """

    customer: Id
    what: Personal[Annotated[str, Line(400)]]
    kind: NeedKind = NeedKind.NEED
    products: tuple[Annotated[str, Code()], ...] = ()
    categories: tuple[Annotated[str, Code()], ...] = ()
    importance: Importance = 3
    interaction: Id | None = None
    at: datetime
    status: NeedStatus = NeedStatus.OPEN
    settled: datetime | None = None
    purchase: Id | None = None
    cause: DeclineCause | None = None
    words: Personal[Note] = ""


# events


@event("need.recorded")
@frozen(kw_only=True)
class NeedRecorded(Event[Need]):
    """A want or need was learned."""

    customer: Id
    what: Personal[Annotated[str, Line(400)]]
    kind: NeedKind
    products: tuple[Annotated[str, Code()], ...]
    categories: tuple[Annotated[str, Code()], ...]
    importance: Importance
    interaction: Id | None
    at: datetime


@event("need.met")
@frozen(kw_only=True)
class NeedMet(Event[Need]):
    """The customer has what was wanted; `purchase` says by what, None if by other means."""

    status: NeedStatus = NeedStatus.MET
    settled: datetime | None
    purchase: Id | None


@event("need.declined")
@frozen(kw_only=True)
class NeedDeclined(Event[Need]):
    """It is not followed any more."""

    status: NeedStatus = NeedStatus.DECLINED
    settled: datetime | None
    cause: DeclineCause | None
    words: Personal[Note]


@event("need.reopened")
@frozen(kw_only=True)
class NeedReopened(Event[Need]):
    """It is there again. `was` tells what had become of it."""

    status: NeedStatus = NeedStatus.OPEN
    settled: datetime | None = None
    purchase: Id | None = None
    cause: DeclineCause | None = None
    words: Personal[Note] = ""
    was: NeedStatus


# rules


def learn(  # noqa: D417 - the rest is said in Need
    customer: str,
    what: str,
    *,
    kind: NeedKind = NeedKind.NEED,
    products: Sequence[str] = (),
    categories: Sequence[str] = (),
    importance: int = 3,
    interaction: str | None = None,
    when: datetime | None = None,
    at: datetime,
    id: str,  # noqa: A002
) -> Change[Need]:
    """Record that a customer wants or needs something.

    Args:
        when: when it was learned; `at` if nothing is said.

    Raises:
        Invalid: rule `future`, or a field breaks what `Need` says.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> learn("cus_1", "a second bicycle", kind=NeedKind.WANT, at=now, id="ned_1").record.status
    <NeedStatus.OPEN: 'open'>
    """
    told = NeedRecorded(
        customer=customer,
        what=what,
        kind=kind,
        products=tuple(products),
        categories=tuple(categories),
        importance=importance,
        interaction=interaction,
        at=happened("Need.at", when or at, at=at),
    )
    return create(id, told)


def meet(need: Need, purchase: str | None = None, *, at: datetime) -> Change[Need]:
    """Tell that the customer has it now, by a purchase or by other means.

    Raises:
        MoveRefused: it is not open.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> need = learn("cus_1", "a second bicycle", at=now, id="ned_1").record
    >>> meet(need, "pur_1", at=now).record.purchase
    'pur_1'
    """
    NEED.move(need.status, NeedSignal.MEET, need)
    return change(need, NeedMet(settled=at, purchase=purchase))


def decline(need: Need, cause: DeclineCause, words: str = "", *, at: datetime) -> Change[Need]:
    """Tell that it is not followed any more, and why.

    Raises:
        MoveRefused: it is not open, or the cause is none of `DeclineCause`.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> need = learn("cus_1", "a second bicycle", at=now, id="ned_1").record
    >>> decline(need, DeclineCause.TOO_EXPENSIVE, at=now).record.status
    <NeedStatus.DECLINED: 'declined'>
    """
    NEED.move(need.status, NeedSignal.DECLINE, need, cause=cause)
    return change(need, NeedDeclined(settled=at, cause=cause, words=words))


def reopen(need: Need, *, at: datetime) -> Change[Need]:  # noqa: ARG001 - every rule is told the time
    """Follow it again: the customer changed their mind, or what should have met it did not.

    Raises:
        MoveRefused: it is open.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> need = meet(learn("cus_1", "a second bicycle", at=now, id="ned_1").record, at=now).record
    >>> reopen(need, at=now).record.status
    <NeedStatus.OPEN: 'open'>
    """
    NEED.move(need.status, NeedSignal.REOPEN, need)
    return change(need, NeedReopened(was=need.status))


# questions


def is_unmet(need: Need, *, older_than: timedelta = timedelta(0), at: datetime) -> bool:
    """Tell whether a want or need is still followed and was learned so long ago or longer.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> need = learn("cus_1", "a second bicycle", at=now, id="ned_1").record
    >>> is_unmet(need, at=now), is_unmet(need, older_than=timedelta(days=1), at=now)
    (True, False)
    """
    return need.status is NeedStatus.OPEN and at - need.at >= older_than
