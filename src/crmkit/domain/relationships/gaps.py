"""Gaps: what customers asked for where they help themselves, and no means could serve."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from attrs import frozen

from crmkit.domain.relationships.types import TypeRules
from crmkit.errors import Refusal
from crmkit.kernel.checks import Id, Line, Note, Personal, Value
from crmkit.kernel.record import Change, Event, Record, change, create, event, record

# words

PERSON = "a person"

Topic = Annotated[str, Line(longest=120)]


@frozen(kw_only=True)
class Served(Value):
    """What became of a request.

    Attributes:
        topic: what was asked for.
        means: what can serve it: the names of the means, or `"a person"` where people do that.
        gap: the id of the gap that was recorded, if nothing can.
    """

    topic: Topic
    means: tuple[str, ...]
    gap: Id | None = None


# records


@record("gap", prefix="gap", customer="customer", indexes=[("topic", "closed"), ("asked",)])
@frozen(kw_only=True)
class Gap(Record):
    """A request that no means could serve.

    Attributes:
        customer: who asked.
        relationship: in which relationship.
        topic: for what.
        note: in the customer's words.
        asked: when.
        closed: since when something serves it.
        remedy: what that is.
    """

    customer: Id
    relationship: Id
    topic: Topic
    note: Personal[Note] = ""
    asked: datetime
    closed: datetime | None = None
    remedy: Note = ""


# events


@event("gap.found")
@frozen(kw_only=True)
class GapFound(Event[Gap]):
    """A customer asked for what no means can serve."""

    customer: Id
    relationship: Id
    topic: Topic
    note: Personal[Note]
    asked: datetime


@event("gap.closed")
@frozen(kw_only=True)
class GapClosed(Event[Gap]):
    """There is something now that serves it."""

    closed: datetime | None
    remedy: Note


# rules


def means_for(rules: TypeRules, topic: str) -> tuple[str, ...]:
    """Give the means that serve a topic in a type of relationship; none of them: there is a gap.

    >>> from crmkit.domain.relationships.types import PERSONAL_ASSISTANCE, SELF_SERVICE
    >>> means_for(SELF_SERVICE, "order status"), means_for(SELF_SERVICE, "engraving")
    (('kiosk', 'portal'), ())
    >>> means_for(PERSONAL_ASSISTANCE, "engraving")
    ('a person',)
    """
    if rules.self_help is None:
        return (PERSON,)
    return tuple(sorted(name for name, topics in rules.self_help.items() if topic in topics))


def find_gap(customer: str, relationship: str, topic: str, *, note: str = "", id: str, at: datetime) -> Change[Gap]:  # noqa: A002
    """Record a request that no means can serve."""
    return create(id, GapFound(customer=customer, relationship=relationship, topic=topic, note=note, asked=at))


def close_gap(gap: Gap, remedy: str, *, at: datetime) -> Change[Gap]:
    """Record that there is something now that serves it.

    Raises:
        Refusal: rule `closed`, it is closed already.
    """
    if gap.closed is not None:
        raise Refusal(f"gap {gap.id}", "closed", (f"it was closed on {gap.closed:%Y-%m-%d}",))
    return change(gap, GapClosed(closed=at, remedy=remedy))
