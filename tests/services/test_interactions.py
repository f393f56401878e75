"""The verbs of interactions, on every store: what is recorded, what is refused, and what follows from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crmkit import CRM, Household, Person
from crmkit.domain.interactions.effort import Effort, EffortLine, Group
from crmkit.domain.interactions.frequency import FrequencyCap
from crmkit.domain.interactions.interaction import Document, InteractionKind, Outcome, RequestStatus
from crmkit.domain.words import BuyingStep, Channel, Direction, Mode, Purpose, Stance
from crmkit.errors import Invalid, NotAllowed, NotFound, Refusal
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import field
from crmkit.services.policy import DefaultPolicy

DAY = timedelta(days=1)
IN, OUT = Direction.INBOUND, Direction.OUTBOUND


@pytest.fixture
def crm(crm):
    """Whoever acts in these tests is a representative."""
    return crm.acting_as("rep-lito")


@pytest.fixture
def ana(crm):
    return crm.customers.register(Person("Ana Reyes"))


@pytest.fixture
def ben(crm):
    return crm.customers.register(Person("Ben"))


def journal(crm):
    with crm.store.reader(crm.tenant_name) as reader:
        return reader.events()


# recording


def test_what_is_not_said_is_filled_in(crm, clock, ana):
    """Inbound is reactive, outbound proactive, a person acts, and that is the actor, now."""
    came = crm.interactions.record(ana, Channel.PHONE, IN)
    went = crm.interactions.record(ana, "visit", "outbound")
    assert (came.stance, came.mode, came.by, came.at, came.purpose) == (
        Stance.REACTIVE,
        Mode.OPERATIONAL,
        "rep-lito",
        clock(),
        Purpose.SERVICE,
    )
    assert (went.stance, went.channel, went.kind) == (Stance.PROACTIVE, Channel.VISIT, InteractionKind.CONVERSATION)
    tools = crm.interactions.record(ana, Channel.KIOSK, IN, mode=Mode.COLLABORATIVE)
    assert tools.by is None


def test_all_that_was_said_is_read_back(crm, clock, ana):
    """Every argument reaches the record, and the record the store."""
    order = crm.purchases.record(ana, "1 EUR")
    offer = Document(name="offer.pdf", media_type="application/pdf", size=5, sha256="0" * 64)
    made = crm.interactions.record(
        ana,
        Channel.VIDEO_CALL,
        IN,
        stance=Stance.PROACTIVE,
        purpose=Purpose.TRANSACTION,
        at=clock() - DAY,
        by="rep-ana",
        minutes=20,
        participants=["Ben"],
        summary="Wants two.",
        documents=[offer],
        about=order,
        topic="a quote",
        step=BuyingStep.EVALUATION,
        is_request=True,
    )
    assert crm.interactions.get(made.id) == made
    assert (made.stance, made.purpose, made.at, made.by, made.minutes) == (
        Stance.PROACTIVE,
        Purpose.TRANSACTION,
        clock() - DAY,
        "rep-ana",
        20,
    )
    assert (made.participants, made.summary, made.documents, made.about) == (
        ("Ben",),
        "Wants two.",
        (offer,),
        Ref("purchase", order.id),
    )
    assert (made.topic, made.step, made.request) == ("a quote", BuyingStep.EVALUATION, RequestStatus.OPEN)


def test_attempts_findings_and_notes_are_no_contact(crm, clock, ana):
    """All three show on the list and none counts."""
    crm.interactions.attempt(
        ana, Channel.PHONE, Outcome.VOICEMAIL, minutes=1, summary="x", topic="y", step="z", at=clock() - DAY
    )
    crm.interactions.finding(ana, "Buys every 40 days.", by="analyst", step=BuyingStep.USE, at=clock() - 2 * DAY)
    crm.interactions.note(ana, "Prefers blue.", step="own", at=clock() - 3 * DAY)
    assert [each.kind for each in crm.interactions.of(ana)] == ["attempt", "finding", "note"]
    counted = crm.interactions.frequency(ana)
    assert (counted.inbound, counted.outbound, counted.attempts, counted.last) == (0, 0, 1, None)
    assert crm.interactions.note(ana, "Somebody else's.", by="rep-ana").by == "rep-ana"


def test_what_it_is_about_must_be_there_and_the_customers_own(crm, ana, ben):
    """A record of somebody else's, or none at all, is refused; the host's own things are taken as they are named."""
    order = crm.purchases.record(ben, "1 EUR")
    for act in (
        lambda about: crm.interactions.record(ana, Channel.PHONE, IN, about=about),
        lambda about: crm.interactions.attempt(ana, Channel.PHONE, Outcome.BUSY, about=about),
        lambda about: crm.interactions.finding(ana, "x", about=about),
        lambda about: crm.interactions.note(ana, "x", about=about),
    ):
        with pytest.raises(Refusal) as told:
            act(order)
        assert told.value.rule == "interaction.other-customer"
        with pytest.raises(NotFound):
            act(Ref("purchase", "pur_none"))
        assert act(Ref("invoice", "inv_1")).about == Ref("invoice", "inv_1")
    note = crm.interactions.note(ana, "Mind the dog.", about=crm.purchases.record(None, "1 EUR"))
    assert crm.interactions.of(ana, about=note.about).items == (note,)
    assert crm.interactions.note(ana, "x", about=ana).about == Ref("customer", ana.id)


def test_notes_run_through_the_whole_cycle(crm, clock, ana):
    """Notes of each step, by their authors, on the customer and on what they are about."""
    order = crm.purchases.record(ana, "1 EUR")
    for step in BuyingStep:
        crm.interactions.note(ana, f"about {step}", step=step, about=order if step == "delivery" else None)
        clock.advance(DAY)
    notes = crm.interactions.of(ana, kind=InteractionKind.NOTE).items
    assert [each.step for each in reversed(notes)] == list(BuyingStep)
    assert [each.step for each in crm.interactions.of(ana, about=order)] == ["delivery"]
    assert len(crm.interactions.find(field("step") == BuyingStep.USE)) == 1


def test_documents_are_attached_once(crm, ana):
    """What was exchanged is attached to what was said, and the same content not twice."""
    note = crm.interactions.note(ana, "Sent.")
    offer = Document(name="offer.pdf", media_type="application/pdf", size=5, sha256="0" * 64)
    assert crm.interactions.attach(note, offer).documents == (offer,)
    with pytest.raises(Refusal):
        crm.interactions.attach(note, offer)
    assert crm.interactions.get(note).version == 2


@pytest.mark.parametrize(
    "act",
    [
        lambda crm, ana: crm.interactions.record(ana, "pigeon", IN),
        lambda crm, ana: crm.interactions.record(ana, Channel.PHONE, "sideways"),
        lambda crm, ana: crm.interactions.record(ana, Channel.PHONE, IN, mode=Mode.ANALYTICAL),
        lambda crm, ana: crm.interactions.record(ana, Channel.PHONE, IN, mode=Mode.COLLABORATIVE, by="rep-lito"),
        lambda crm, ana: crm.interactions.record(ana, Channel.PHONE, OUT, is_request=True),
        lambda crm, ana: crm.interactions.record(ana, Channel.PHONE, IN, at=datetime(2026, 1, 1)),  # noqa: DTZ001
        lambda crm, ana: crm.interactions.record(ana, Channel.PHONE, IN, minutes=1.5),
        lambda crm, ana: crm.interactions.record(ana, Channel.PHONE, IN, summary="a\0b"),
        lambda crm, ana: crm.interactions.attempt(ana, Channel.PHONE, ""),
        lambda crm, ana: crm.interactions.note(ana, ""),
        lambda crm, ana: crm.interactions.finding(ana, "\ud800"),
    ],
)
def test_what_cannot_be_leaves_no_trace(crm, ana, act):
    """Wrong words, contradictions, bad times and bad text are refused, and nothing is written."""
    before = journal(crm)
    with pytest.raises(Invalid):
        act(crm, ana)
    assert journal(crm) == before
    assert crm.interactions.of(ana).items == ()


# the types' rules


def test_a_relationship_that_forbids_contact_refuses_it(crm, ana):
    """Self-service knows no direct contact: neither a call nor an attempt at one; the customer may always come."""
    crm.relationships.begin(ana, "self-service")
    before = journal(crm)
    for act in (
        lambda: crm.interactions.record(ana, Channel.PHONE, OUT),
        lambda: crm.interactions.attempt(ana, Channel.PHONE, Outcome.NO_ANSWER),
    ):
        with pytest.raises(Refusal) as told:
            act()
        assert told.value.rule == "self-service.no-direct-contact"
        assert told.value.subject == f"customer {ana.id}"
    assert journal(crm) == before
    assert crm.interactions.record(ana, Channel.PHONE, IN).direction is IN


def test_a_transactional_customer_is_contacted_about_an_open_order_only(crm, ana):
    """The open order opens the door, the complete one shuts it, and another matter never had it open."""
    crm.relationships.begin(ana, "transactional")
    order = crm.purchases.record(ana, "1 EUR", is_open=True)
    assert crm.interactions.record(ana, Channel.EMAIL, OUT, about=order).about == Ref("purchase", order.id)
    with pytest.raises(Refusal) as told:
        crm.interactions.record(ana, Channel.EMAIL, OUT)
    assert told.value.rule == "transactional.open-transaction"
    crm.purchases.complete(order)
    with pytest.raises(Refusal):
        crm.interactions.record(ana, Channel.EMAIL, OUT, about=order)


def test_a_person_answers_where_the_type_says_so(crm, ana):
    """Personal assistance refuses an automated answer, and the request stays open until a person gives one."""
    crm.relationships.begin(ana, "personal-assistance")
    request = crm.interactions.record(ana, Channel.EMAIL, IN, is_request=True)
    with pytest.raises(Refusal) as told:
        crm.interactions.answer(request, mode=Mode.COLLABORATIVE)
    assert told.value.rule == "personal-assistance.person-answers"
    assert crm.interactions.open_requests(ana).items == (request,)
    assert crm.interactions.answer(request).by == "rep-lito"


def test_one_relationship_that_allows_it_is_enough_unless_one_is_named(crm, ana):
    """Who serves himself with one product may be called about another; about the first he may not."""
    alone = crm.relationships.begin(ana, "self-service")
    crm.relationships.begin(ana, "long-term")
    assert crm.interactions.record(ana, Channel.PHONE, OUT).direction is OUT
    with pytest.raises(Refusal) as told:
        crm.interactions.record(ana, Channel.PHONE, OUT, about=alone)
    assert told.value.rule == "self-service.no-direct-contact"


def test_an_ended_relationship_is_not_asked(crm, ana):
    """What is over neither allows nor forbids."""
    tie = crm.relationships.begin(ana, "self-service")
    crm.relationships.dissolve(tie, "needs changed", ended_by="customer", at_fault="neither", reason="moved")
    assert crm.interactions.record(ana, Channel.PHONE, OUT).direction is OUT


def test_a_relationship_that_time_has_ended_is_not_asked(crm, clock, ana):
    """Nobody has swept yet, and still what time has ended is over."""
    crm.relationships.begin(ana, "self-service")
    with pytest.raises(Refusal):
        crm.interactions.record(ana, Channel.PHONE, OUT)
    clock.advance(2000 * DAY)
    assert crm.interactions.record(ana, Channel.PHONE, OUT).direction is OUT


def test_marketing_needs_consent_with_a_relationship_or_without(crm, ana):
    """No is the default; a yes opens it, a withdrawal shuts it, and the purchase on the way needs none."""
    for _ in range(2):
        with pytest.raises(Refusal) as told:
            crm.interactions.record(ana, Channel.EMAIL, OUT, purpose=Purpose.MARKETING)
        assert told.value.rule == "consent"
        crm.consents.grant(ana, Purpose.MARKETING)
        assert crm.interactions.record(ana, Channel.EMAIL, OUT, purpose=Purpose.MARKETING).purpose is Purpose.MARKETING
        crm.consents.withdraw(ana, Purpose.MARKETING)
        with pytest.raises(Refusal):
            crm.interactions.record(ana, Channel.EMAIL, OUT, purpose=Purpose.MARKETING)
        if not crm.relationships.of(ana):
            crm.relationships.begin(ana, "long-term")
    crm.interactions.record(ana, Channel.EMAIL, OUT, purpose=Purpose.TRANSACTION)
    ben = crm.customers.register(Person("Ben"))
    assert crm.interactions.record(ben, Channel.EMAIL, IN, purpose=Purpose.MARKETING).direction is IN


def test_who_is_suppressed_is_contacted_about_transactions_only(crm, ana):
    """Do not contact means it, but for an order that is under way."""
    crm.consents.suppress(ana, cause="asked us to stop")
    with pytest.raises(Refusal) as told:
        crm.interactions.record(ana, Channel.PHONE, OUT)
    assert told.value.rule == "consent"
    assert crm.interactions.record(ana, Channel.PHONE, OUT, purpose=Purpose.TRANSACTION).direction is OUT


# requests


def test_a_request_waits_until_it_is_answered(crm, clock, ana, ben):
    """Open requests are listed the oldest first, from an age on; the answer takes over what is not said."""
    old = crm.interactions.record(ana, Channel.EMAIL, IN, is_request=True, topic="a quote", purpose=Purpose.TRANSACTION)
    clock.advance(3 * DAY)
    missed = crm.interactions.attempt(ben, Channel.PHONE, Outcome.VOICEMAIL, direction=IN, is_request=True)
    assert crm.interactions.open_requests().items == (old, missed)
    assert crm.interactions.open_requests(ben).items == (missed,)
    assert crm.interactions.open_requests(ana.id, older_than=3 * DAY).items == (old,)
    assert crm.interactions.open_requests(older_than=3 * DAY + timedelta(microseconds=1)).items == ()
    first = crm.interactions.open_requests(limit=1)
    assert first.items + crm.interactions.open_requests(limit=1, after=first.next).items == (old, missed)
    answer = crm.interactions.answer(old, minutes=5, summary="Tuesday.")
    assert (answer.channel, answer.direction, answer.stance, answer.purpose, answer.topic, answer.answers) == (
        Channel.EMAIL,
        OUT,
        Stance.REACTIVE,
        Purpose.TRANSACTION,
        "a quote",
        old.id,
    )
    assert crm.interactions.get(old).answered == clock()
    assert crm.interactions.open_requests().items == (missed,)
    with pytest.raises(Refusal) as told:
        crm.interactions.answer(old)
    assert told.value.rule == "interaction.answered"
    with pytest.raises(Refusal):
        crm.interactions.answer(answer)
    assert crm.interactions.answer(missed, channel=Channel.SMS, purpose=Purpose.SERVICE).channel is Channel.SMS


def test_a_request_that_no_means_can_serve_is_a_gap(crm, ana):
    """Where the customer helps himself, an unknown topic is a gap; a served one is not, and people serve everything."""
    tie = crm.relationships.begin(ana, "self-service")
    crm.interactions.record(ana, Channel.PORTAL, IN, mode=Mode.COLLABORATIVE, is_request=True, topic="order status")
    crm.interactions.record(ana, Channel.PORTAL, IN, mode=Mode.COLLABORATIVE, topic="engraving")
    crm.interactions.record(ana, Channel.PORTAL, IN, mode=Mode.COLLABORATIVE, is_request=True)
    assert crm.relationships.gaps().items == ()
    crm.interactions.record(ana, Channel.PORTAL, IN, mode=Mode.COLLABORATIVE, is_request=True, topic="engraving")
    (gap,) = crm.relationships.gaps()
    assert (gap.topic, gap.relationship, gap.customer) == ("engraving", tie.id, ana.id)
    crm.relationships.begin(ana, "personal-assistance")
    crm.interactions.record(ana, Channel.PORTAL, IN, mode=Mode.COLLABORATIVE, is_request=True, topic="gift wrapping")
    assert len(crm.relationships.gaps()) == 1


# questions


def test_may_contact_says_what_stands_in_the_way_and_how_long(crm, clock, ana):
    """Type, consent and frequency each object by their own rule, all at once, and nothing is written."""
    crm.relationships.begin(ana, "long-term")
    before = journal(crm)
    free = crm.interactions.may_contact(ana, Channel.PHONE)
    assert (free.allowed, free.objections) == (True, ())
    assert free.reasons[-1] == "long-term has nothing against it"
    no = crm.interactions.may_contact(ana, Channel.EMAIL, Purpose.MARKETING)
    assert (no.allowed, [each.rule for each in no.objections], no.reasons) == (False, ["consent"], ())
    assert journal(crm) == before
    crm.consents.grant(ana, Purpose.MARKETING)
    crm.interactions.record(ana, Channel.EMAIL, OUT, purpose=Purpose.MARKETING)
    cap = FrequencyCap(most=1, within=7 * DAY)
    capped = crm.interactions.may_contact(ana, Channel.EMAIL, Purpose.MARKETING, caps=[cap])
    assert (capped.allowed, [each.rule for each in capped.objections]) == (False, ["frequency-cap"])
    assert capped.objections[0].reasons == ("1 contact in 7 days, at most 1; the next one from 2026-01-08",)
    clock.advance(7 * DAY)
    assert crm.interactions.may_contact(ana, Channel.EMAIL, Purpose.MARKETING, caps=[cap]).allowed
    assert crm.interactions.may_contact(ana, Channel.EMAIL, Purpose.MARKETING, caps=[]).allowed


def test_may_contact_tells_type_and_cap_together(crm, ana):
    """One objection does not hide another."""
    crm.relationships.begin(ana, "self-service")
    cap = FrequencyCap(most=0, within=DAY)
    found = crm.interactions.may_contact(ana, Channel.PHONE, Purpose.RELATIONSHIP, caps=[cap])
    assert [each.rule for each in found.objections] == ["self-service.no-direct-contact", "frequency-cap"]


def test_without_a_relationship_consent_alone_decides(crm, ana):
    """Service is allowed, marketing is not; an address that is suppressed may not be used, another one may."""
    assert crm.interactions.may_contact(ana, Channel.EMAIL).reasons == (
        "service is allowed until the customer objects",
        "no relationship speaks against it",
    )
    assert not crm.interactions.may_contact(ana, Channel.EMAIL, Purpose.MARKETING).allowed


def test_frequency_counts_by_direction(crm, clock, ana):
    """Of two contacts that differ in direction alone, one counts towards the cap."""
    crm.interactions.record(ana, Channel.PHONE, IN)
    crm.interactions.record(ana, Channel.PHONE, OUT)
    clock.advance(DAY)
    assert crm.interactions.frequency(ana).outbound == 1
    assert crm.interactions.frequency(ana).inbound == 1
    assert crm.interactions.frequency(ana, within=DAY).counted == ()


def test_effort_on_new_against_existing_customers(crm, clock, ana):
    """By group, kind of customer, mode and direction; who has bought or has a relationship long enough is existing."""
    home = crm.customers.register(Household("Reyes"))
    crm.purchases.record(home, "1 EUR", at=clock() - 400 * DAY)
    crm.purchases.record(home, "1 EUR", at=clock() - 10 * DAY)
    tie = crm.customers.register(Person("Tia"))
    crm.relationships.begin(tie, "long-term")
    start = clock()
    crm.interactions.record(ana, Channel.VISIT, OUT, minutes=30)
    crm.interactions.record(home, Channel.PHONE, IN, minutes=5)
    crm.interactions.attempt(home, Channel.PHONE, Outcome.BUSY, minutes=1)
    crm.interactions.record(home, Channel.PORTAL, IN, mode=Mode.COLLABORATIVE)
    crm.interactions.record(tie, Channel.PHONE, OUT, minutes=7)
    crm.interactions.note(home, "x")
    crm.interactions.finding(home, "x")
    clock.advance(90 * DAY)
    crm.interactions.record(tie, Channel.PHONE, OUT, minutes=9)
    report = crm.interactions.effort(start, clock() + timedelta(seconds=1))
    assert report.lines == (
        EffortLine(Group.EXISTING, "household", Mode.COLLABORATIVE, IN, Effort(1, 0, 0)),
        EffortLine(Group.EXISTING, "household", Mode.OPERATIONAL, IN, Effort(1, 0, 5)),
        EffortLine(Group.EXISTING, "household", Mode.OPERATIONAL, OUT, Effort(0, 1, 1)),
        EffortLine(Group.EXISTING, "person", Mode.OPERATIONAL, OUT, Effort(1, 0, 9)),
        EffortLine(Group.NEW, "person", Mode.OPERATIONAL, OUT, Effort(2, 0, 37)),
    )
    assert report.of(Group.NEW) == Effort(2, 0, 37)
    assert crm.interactions.effort(start, clock()).of(Group.EXISTING) == Effort(2, 1, 6)
    assert crm.interactions.effort(clock(), clock()).lines == ()
    assert crm.interactions.effort(start, clock(), new_for=timedelta(0)).of(Group.NEW) == Effort(1, 0, 30)


# actors


def test_a_customer_in_the_portal_writes_what_is_his(address, clock):
    """A portal actor's contact is inbound at automated tools, on his own timeline, if the host allows it."""
    policy = DefaultPolicy(portal_may=["interactions.record"])
    with CRM.open(address, clock=clock, policy=policy) as crm:
        ana, ben = crm.customers.register(Person("Ana")), crm.customers.register(Person("Ben"))
        own = crm.portal(ana)
        said = own.interactions.record(ana, Channel.PORTAL, IN, summary="When will it come?", is_request=True)
        assert (said.mode, said.by) == (Mode.COLLABORATIVE, None)
        assert own.interactions.of(ana).items == (said,)
        with pytest.raises(NotFound):
            own.interactions.record(ben, Channel.PORTAL, IN)
        with pytest.raises(NotFound):
            own.interactions.of(ben)
        with pytest.raises(NotAllowed):
            own.interactions.note(ana, "x")
        crm.interactions.note(ben, "private")
        assert len(own.interactions.find()) == 1


def test_a_naive_time_is_refused_in_a_report(crm):
    """The report on effort wants instants."""
    with pytest.raises(Invalid):
        crm.interactions.effort(datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC))  # noqa: DTZ001
