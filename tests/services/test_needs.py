"""The verbs of wants and needs, on every store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crmkit import Person
from crmkit.domain.needs import DeclineCause, NeedKind, NeedStatus
from crmkit.domain.words import Channel, Direction
from crmkit.errors import Invalid, MoveRefused, NotFound, Refusal

DAY = timedelta(days=1)


@pytest.fixture
def ana(crm):
    return crm.customers.register(Person("Ana Reyes"))


@pytest.fixture
def ben(crm):
    return crm.customers.register(Person("Ben"))


def test_a_need_is_recorded_at_a_contact_and_met_by_a_purchase(crm, clock, ana):
    """What was learned at a call is followed until a purchase meets it, and its history tells both with reasons."""
    call = crm.interactions.record(ana, Channel.PHONE, Direction.INBOUND)
    need = crm.needs.record(
        ana,
        "a second bicycle",
        kind=NeedKind.WANT,
        products=["bike-24"],
        categories=["bicycles"],
        importance=5,
        interaction=call,
        at=clock() - DAY,
        reason="asked her",
    )
    assert (need.interaction, need.at, need.products, need.categories) == (
        call.id,
        clock() - DAY,
        ("bike-24",),
        ("bicycles",),
    )
    bought = crm.purchases.record(ana, "399.00 EUR")
    met = crm.needs.meet(need, bought, reason="took it at once")
    assert (met.status, met.purchase) == (NeedStatus.MET, bought.id)
    assert crm.needs.get(need.id) == met
    history = crm.timeline.about(need).items
    assert [(entry.title, entry.reason) for entry in history] == [
        ("Need recorded", "asked her"),
        ("Need met", "took it at once"),
    ]
    assert history[0].at == clock() - DAY


def test_a_need_is_declined_and_comes_back(crm, ana):
    """Declining asks for a cause, reopening for a reason."""
    need = crm.needs.record(ana, "a second bicycle")
    declined = crm.needs.decline(need, DeclineCause.TOO_EXPENSIVE, "Twice the budget.")
    assert (declined.status, declined.cause, declined.words) == (
        NeedStatus.DECLINED,
        DeclineCause.TOO_EXPENSIVE,
        "Twice the budget.",
    )
    with pytest.raises(Invalid) as told:
        crm.needs.reopen(need, reason="")
    assert (told.value.field, told.value.rule) == ("reason", "required")
    assert crm.needs.get(need) == declined
    assert crm.needs.reopen(need, reason="got a rise").status is NeedStatus.OPEN
    with pytest.raises(MoveRefused):
        crm.needs.reopen(need, reason="again")


def test_open_lists_the_oldest_first(crm, clock, ana, ben):
    """Of one customer or of all, of any age or from an age on, page by page."""
    old = crm.needs.record(ana, "old", at=clock() - 90 * DAY)
    new = crm.needs.record(ana, "new")
    other = crm.needs.record(ben, "other", at=clock() - DAY)
    crm.needs.meet(crm.needs.record(ben, "met", at=clock() - 99 * DAY))
    assert crm.needs.open().items == (old, other, new)
    assert crm.needs.open(ana).items == (old, new)
    assert crm.needs.open(older_than=90 * DAY).items == (old,)
    assert crm.needs.open(ben.id, older_than=DAY).items == (other,)
    assert crm.needs.open(older_than=90 * DAY + timedelta(microseconds=1)).items == ()
    first = crm.needs.open(limit=2)
    assert first.items + crm.needs.open(limit=2, after=first.next).items == (old, other, new)


def test_contact_and_purchase_must_be_the_customers_own(crm, ana, ben):
    """A need is neither learned at somebody else's contact nor met by somebody else's purchase."""
    call = crm.interactions.record(ben, Channel.PHONE, Direction.INBOUND)
    with pytest.raises(Refusal) as told:
        crm.needs.record(ana, "x", interaction=call)
    assert told.value.rule == "need.other-customer"
    need = crm.needs.record(ana, "x")
    with pytest.raises(Refusal) as told:
        crm.needs.meet(need, crm.purchases.record(ben, "1 EUR"))
    assert told.value.rule == "need.other-customer"
    with pytest.raises(Refusal):
        crm.needs.meet(need, crm.purchases.record(None, "1 EUR"))
    with pytest.raises(NotFound):
        crm.needs.meet(need, "pur_none")
    with pytest.raises(NotFound):
        crm.needs.record("cus_none", "x")
    assert crm.needs.open().items == (need,)
