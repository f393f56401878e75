"""The timeline, on every store: everything about a customer, in order, in pages, as far as the actor may see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crmkit import CRM, Person
from crmkit.domain.interactions.interaction import Announcement, InteractionKind, InteractionRecorded, Outcome
from crmkit.domain.needs import DeclineCause
from crmkit.domain.words import BuyingStep, Channel, Direction, Mode
from crmkit.errors import Invalid, Misuse, NotAllowed, NotFound
from crmkit.kernel.codec import Told
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import field
from crmkit.services import timeline
from crmkit.services.policy import DefaultPolicy
from crmkit.services.timeline import title_of

DAY = timedelta(days=1)
IN, OUT = Direction.INBOUND, Direction.OUTBOUND
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ana(crm):
    return crm.customers.register(Person("Ana Reyes"))


def test_everything_that_happened_is_on_it(crm, clock, ana):
    """Contacts, attempts, findings, notes, purchases, needs, satisfaction and tasks, each with a title for people."""
    rep = crm.acting_as("rep-lito")
    rep.interactions.record(
        ana, Channel.PHONE, IN, is_request=True, announces=Announcement(kind="visit", at=clock() + DAY)
    )
    rep.interactions.attempt(ana, Channel.AUDIO_CALL, Outcome.NO_ANSWER)
    rep.interactions.finding(ana, "Buys every 40 days.")
    rep.interactions.note(ana, "Prefers blue.")
    order = rep.purchases.record(ana, "12.50 EUR")
    rep.purchases.correct(order, total="12.00 EUR", reason="typo")
    rep.purchases.refund(order, "2.00 EUR", cause="goodwill")
    rep.needs.decline(rep.needs.record(ana, "a second bicycle"), DeclineCause.TOO_EXPENSIVE)
    rep.satisfaction.measure(ana, BuyingStep.POST_PURCHASE, 4)
    other = crm.customers.register(Person("Ben"))
    crm.interactions.note(other, "not hers")
    found = crm.timeline.of(ana, newest_first=False)
    assert [entry.title for entry in found][1:] == [
        "Phone, inbound, reactive, asks for an answer",
        "Visit planned for 2026-01-02",
        "Audio call, outbound: no answer",
        "Finding",
        "Note",
        "Bought for 12.50 EUR",
        "Purchase corrected, 12.00 EUR instead of 12.50 EUR",
        "Refunded 2.00 EUR",
        "Need recorded",
        "Need declined: too expensive",
        "Satisfaction with post purchase: 75 of 100",
    ]
    assert found.next is None
    assert len(found) == 12


def test_an_entry_tells_who_when_why_and_because_of_what(crm, clock, ana):
    """The whole envelope: position, both times, actor, verb, reason, correlation, subject, and the cause."""
    web = crm.acting_as("rep-lito").correlated("request-7")
    call = web.interactions.record(
        ana,
        Channel.PHONE,
        IN,
        at=clock() - DAY,
        announces=Announcement(at=clock() + DAY),
        reason="she called",
    )
    call_entry, task_entry = crm.timeline.of(ana, newest_first=False).items[1:]
    assert (call_entry.at, call_entry.recorded) == (clock() - DAY, clock())
    assert (call_entry.by, call_entry.verb, call_entry.reason) == ("rep-lito", "interactions.record", "she called")
    assert (call_entry.correlation, task_entry.correlation) == ("request-7", "request-7")
    assert (call_entry.subject, call_entry.version, call_entry.cause) == (Ref("interaction", call.id), 1, None)
    assert (task_entry.type, task_entry.cause) == ("task.planned", call_entry.position)
    assert isinstance(call_entry.event, InteractionRecorded)
    assert call_entry.event.kind is InteractionKind.CONVERSATION


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7, 50])
def test_pages_hold_every_entry_once(crm, ana, newest_first, limit, monkeypatch):
    """Whatever the size of a page, in whichever order: all entries, none twice, and the last page says so."""
    monkeypatch.setattr(timeline, "CHUNK", 3)
    for number in range(5):
        crm.interactions.note(ana, f"note {number}")
    whole = crm.timeline.of(ana, newest_first=newest_first).items
    assert [entry.position for entry in whole] == sorted((e.position for e in whole), reverse=newest_first)
    found, cursor = [], {}
    for _ in range(10):
        page = crm.timeline.of(ana, limit=limit, newest_first=newest_first, **cursor)
        assert 0 < len(page) <= limit
        found += page.items
        if page.next is None:
            break
        cursor = {"before" if newest_first else "after": page.next}
    assert tuple(found) == whole
    assert len(whole) == 6


def test_pages_stay_as_they_are_while_more_happens(crm, ana):
    """What happens after the first page was read does not move entries between pages."""
    for number in range(4):
        crm.interactions.note(ana, f"note {number}")
    first = crm.timeline.of(ana, limit=2)
    crm.interactions.note(ana, "new")
    rest = crm.timeline.of(ana, before=first.next)
    positions = [entry.position for entry in (*first, *rest)]
    assert positions == sorted(positions, reverse=True)
    assert len(set(positions)) == 5


def test_types_are_names_of_events_or_of_kinds(crm, ana, monkeypatch):
    """Only what was asked for shows, and pages fill up with it."""
    monkeypatch.setattr(timeline, "CHUNK", 2)
    for number in range(3):
        crm.interactions.note(ana, "x")
        order = crm.purchases.record(ana, f"{number} EUR", is_open=True)
    crm.purchases.complete(order)
    asked = crm.timeline
    assert [e.type for e in asked.of(ana, types=["purchase.completed"])] == ["purchase.completed"]
    assert {e.type for e in asked.of(ana, types=["purchase"])} == {"purchase.recorded", "purchase.completed"}
    assert len(asked.of(ana, types=["purchase", "interaction"])) == 7
    assert len(asked.of(ana, types=["purchase"], limit=3)) == 3
    with pytest.raises(Invalid, match="did you mean purchase"):
        asked.of(ana, types=["purchas"])
    with pytest.raises(Invalid, match="a collection of names"):
        asked.of(ana, types="purchase")


def test_a_customer_in_a_portal_does_not_see_who_of_the_company_acted_and_why(crm, ana):
    """What happened and when is theirs; names, reasons and refusals of staff are the company's."""
    crm.acting_as("rep-lito").customers.tag(ana, "difficult", reason="argues about every invoice")
    portal = crm.portal(ana)
    with pytest.raises(NotAllowed):
        portal.customers.tag(ana, "nice")
    staff, own = portal.timeline.of(ana, newest_first=False).items[1:]
    assert (staff.title, staff.by, staff.verb, staff.reason, staff.correlation) == (
        "Customer tags changed",
        "",
        "",
        "",
        "",
    )
    assert (own.type, own.by) == ("act.refused", f"portal:{ana.id}")
    assert next(e.reason for e in crm.timeline.of(ana, types=["customer"])) == "argues about every invoice"


def test_the_history_of_one_record(crm, ana):
    """Only what happened to the record itself, the oldest first; of a customer only the profile."""
    order = crm.purchases.record(ana, "1 EUR", is_open=True)
    crm.interactions.note(ana, "x", about=order)
    crm.purchases.complete(order)
    history = crm.timeline.about(order)
    assert [entry.type for entry in history] == ["purchase.recorded", "purchase.completed"]
    assert [entry.version for entry in crm.timeline.about(Ref("purchase", order.id), newest_first=True)] == [2, 1]
    assert [entry.type for entry in crm.timeline.about(ana)] == ["customer.registered"]
    page = crm.timeline.about(order, limit=1)
    assert crm.timeline.about(order, after=page.next).items == history.items[1:]
    with pytest.raises(NotFound):
        crm.timeline.about(Ref("purchase", "pur_none"))
    with pytest.raises(Misuse):
        crm.timeline.about(Ref("dragon", "d_1"))


def test_a_page_has_at_least_one_entry(crm, ana):
    """A page of none would never end."""
    with pytest.raises(Misuse):
        crm.timeline.of(ana, limit=0)


def test_who_may_not_see_the_customer_sees_no_timeline(crm, ana):
    """A customer in the portal sees his own timeline and finds no other; another tenant finds none either."""
    ben = crm.customers.register(Person("Ben"))
    crm.interactions.note(ana, "x")
    assert len(crm.portal(ana).timeline.of(ana)) == 2
    with pytest.raises(NotFound):
        crm.portal(ben).timeline.of(ana)
    with pytest.raises(NotFound):
        crm.tenant("shop-2").timeline.of(ana)
    with pytest.raises(NotFound):
        crm.timeline.of("cus_none")


class NotesAreInternal(DefaultPolicy):
    """A host's policy that shows customers no notes and no findings."""

    def sees(self, actor, kind):
        seen = super().sees(actor, kind)
        if seen is None or kind.name != "interaction":
            return seen
        return seen & field("kind").in_([InteractionKind.CONVERSATION, InteractionKind.ATTEMPT])


def test_the_policy_holds_on_the_timeline_too(address, clock, monkeypatch):
    """What a list would not show does not show on the timeline, pages fill up nevertheless, and the staff see all."""
    monkeypatch.setattr(timeline, "CHUNK", 2)
    with CRM.open(address, clock=clock, policy=NotesAreInternal()) as crm:
        ana = crm.customers.register(Person("Ana"))
        secret = crm.interactions.note(ana, "internal")
        crm.interactions.finding(ana, "internal")
        for _ in range(2):
            crm.interactions.record(ana, Channel.PHONE, IN)
        crm.interactions.note(ana, "internal")
        own = crm.portal(ana).timeline
        assert [entry.title for entry in own.of(ana)] == [
            "Phone, inbound, reactive",
            "Phone, inbound, reactive",
            "Customer registered",
        ]
        assert len(own.of(ana, limit=2)) == 2
        assert own.of(ana, limit=2).next is not None
        assert len(crm.timeline.of(ana)) == 6
        with pytest.raises(NotFound):
            own.about(secret)


def test_what_no_class_is_known_for_is_told_by_name():
    """A title for anything: an event whose class is not loaded, and words of the host's own."""
    assert title_of(Told("loyalty-card.points_earned", FrozenDict(), erased=False)) == "Loyalty card points earned"
    said = InteractionRecorded(
        customer="c", kind="conversation", at=AT, channel="kiosk", direction="inbound", stance="proactive"
    )
    assert title_of(said) == "Kiosk, inbound, proactive"
    own = InteractionRecorded(
        customer="c",
        kind="attempt",
        at=AT,
        channel="phone",
        direction="outbound",
        mode=Mode.OPERATIONAL,
        outcome="line-dead",
    )
    assert title_of(own) == "Phone, outbound: line dead"
