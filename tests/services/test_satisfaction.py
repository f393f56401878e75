"""The verbs of satisfaction, on every store: measured, judged, and who is left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crmkit import Person
from crmkit.domain.satisfaction.health import HealthRules, Level, Part
from crmkit.domain.satisfaction.measurements import Course, Scale, Source
from crmkit.domain.words import BuyingStep, Channel, Direction, Mode
from crmkit.errors import Invalid, NotFound, Refusal

DAY = timedelta(days=1)


@pytest.fixture
def ana(crm):
    return crm.customers.register(Person("Ana Reyes"), id="ana")


@pytest.fixture
def ben(crm):
    return crm.customers.register(Person("Ben"), id="ben")


def test_a_measurement_is_read_back(crm, clock, ana):
    """What was answered, where and when comes back with its score."""
    call = crm.interactions.record(ana, Channel.PHONE, Direction.INBOUND)
    tie = crm.relationships.begin(ana, "long-term")
    made = crm.satisfaction.measure(
        ana,
        BuyingStep.DELIVERY,
        9,
        scale=Scale.ZERO_TO_TEN,
        source=Source.CALL,
        interaction=call,
        relationship=tie,
        comment="Two days late.",
        at=clock() - DAY,
    )
    assert (made.score, made.answer, made.interaction, made.relationship) == (90, 9, call.id, tie.id)
    assert (made.at, made.source, made.comment) == (clock() - DAY, Source.CALL, "Two days late.")
    assert crm.satisfaction.get(made.id) == made
    assert crm.satisfaction.of(ana).items == (made,)


def test_contact_and_relationship_must_be_the_customers_own(crm, ana, ben):
    """Nobody is measured at somebody else's contact, nor judged by somebody else's relationship."""
    call = crm.interactions.record(ben, Channel.PHONE, Direction.INBOUND)
    tie = crm.relationships.begin(ben, "long-term")
    for act in (
        lambda: crm.satisfaction.measure(ana, BuyingStep.USE, 4, interaction=call),
        lambda: crm.satisfaction.measure(ana, BuyingStep.USE, 4, relationship=tie),
        lambda: crm.satisfaction.scores(ana, relationship=tie),
        lambda: crm.satisfaction.health(ana, relationship=tie),
    ):
        with pytest.raises(Refusal) as told:
            act()
        assert told.value.rule == "satisfaction.other-customer"
    for error, act in (
        (NotFound, lambda: crm.satisfaction.measure("none", BuyingStep.USE, 4)),
        (NotFound, lambda: crm.satisfaction.measure(ana, BuyingStep.USE, 4, interaction="int_none")),
        (Invalid, lambda: crm.satisfaction.measure(ana, BuyingStep.USE, 6)),
        (Invalid, lambda: crm.satisfaction.measure(ana, "", 4)),
    ):
        with pytest.raises(error):
            act()
    assert crm.satisfaction.of(ana).items == ()


def test_scores_and_trend_of_a_customer_and_of_one_relationship(crm, clock, ana):
    """What is about one relationship, or about none in particular, counts for it; what is about another does not."""
    one = crm.relationships.begin(ana, "long-term")
    two = crm.relationships.begin(ana, "transactional")
    for days, answer, tie in ((4, 5, one), (3, 4, None), (2, 1, two)):
        crm.satisfaction.measure(ana, BuyingStep.USE, answer, relationship=tie, at=clock() - days * DAY)
    crm.satisfaction.measure(ana, "unboxing", 3, at=clock() - DAY)
    assert [(each.step, each.score, each.count) for each in crm.satisfaction.scores(ana)] == [
        ("use", 58, 3),
        ("unboxing", 50, 1),
    ]
    assert [each.score for each in crm.satisfaction.scores(ana, relationship=one)] == [88, 50]
    assert [each.score for each in crm.satisfaction.scores(ana, relationship=two)] == [38, 50]
    assert [each.count for each in crm.satisfaction.scores(ana, within=2 * DAY)] == [1, 1]
    assert crm.satisfaction.trend(ana).change == 50 - 58
    assert crm.satisfaction.trend(ana, step=BuyingStep.USE).change == 0 - 88
    assert crm.satisfaction.trend(ana, relationship=one, step=BuyingStep.USE).course is Course.FALLING
    assert crm.satisfaction.trend(ana, within=DAY).course is Course.UNKNOWN


def test_health_takes_everything_into_account(crm, clock, ana):
    """Measurements, a person's attention, purchases and open requests each change exactly their part."""

    def figures():
        return {str(each.part): each.figure for each in crm.satisfaction.health(ana).components}

    assert crm.satisfaction.health(ana).score is None
    clock.advance(90 * DAY)
    before = figures()
    assert before == {"satisfaction": None, "trend": None, "attention": 50, "purchases": None, "requests": 100}
    crm.satisfaction.measure(ana, BuyingStep.USE, 5, at=clock() - DAY)
    assert figures() == before | {"satisfaction": 100}
    crm.satisfaction.measure(ana, BuyingStep.USE, 4)
    assert figures() == before | {"satisfaction": 88, "trend": 25}
    crm.purchases.record(ana, "1 EUR", at=clock() - 73 * DAY)
    crm.purchases.record(ana, "1 EUR", at=clock() - 200 * DAY)
    assert figures() == before | {"satisfaction": 88, "trend": 25, "purchases": 80}
    tools = {"mode": Mode.COLLABORATIVE, "is_request": True}
    request = crm.interactions.record(ana, Channel.PORTAL, Direction.INBOUND, **tools)
    assert figures() == before | {"satisfaction": 88, "trend": 25, "purchases": 80, "requests": 75}
    crm.interactions.answer(request)
    assert figures() == {"satisfaction": 88, "trend": 25, "attention": 100, "purchases": 80, "requests": 100}
    found = crm.satisfaction.health(ana)
    assert found.score == sum(each.points for each in found.components) == 81


def test_attempts_and_tools_are_no_attention(crm, clock, ana):
    """Of contacts that differ in mode or kind alone, only the conversation with a person is attention."""
    crm.satisfaction.measure(ana, BuyingStep.USE, 5)
    clock.advance(90 * DAY)

    def attention():
        return crm.satisfaction.health(ana).components[2].figure

    crm.interactions.attempt(ana, Channel.PHONE, "no-answer")
    crm.interactions.record(ana, Channel.EMAIL, Direction.OUTBOUND, mode=Mode.COLLABORATIVE)
    assert attention() == 50
    crm.interactions.record(ana, Channel.EMAIL, Direction.OUTBOUND)
    assert attention() == 100
    crm.interactions.record(ana, Channel.EMAIL, Direction.OUTBOUND, at=clock() - 90 * DAY)
    assert attention() == 100


def test_health_of_one_relationship_takes_its_measurements(crm, ana):
    """The measurements about another relationship are left out."""
    one = crm.relationships.begin(ana, "long-term")
    two = crm.relationships.begin(ana, "transactional")
    crm.satisfaction.measure(ana, BuyingStep.USE, 5, relationship=one)
    crm.satisfaction.measure(ana, BuyingStep.USE, 1, relationship=two)
    assert crm.satisfaction.health(ana, relationship=one).components[0].figure == 100
    assert crm.satisfaction.health(ana, relationship=two.id).components[0].figure == 0
    assert crm.satisfaction.health(ana).components[0].figure == 50


def test_risk_is_listed_in_pages(crm, ana, ben):
    """Each page looks at so many customers and gives those at risk, with health and signs."""
    cid = crm.customers.register(Person("Cid"), id="cid")
    for customer, answer in ((ana, 1), (ben, 5), (cid, 2)):
        crm.satisfaction.measure(customer, BuyingStep.USE, answer)
    crm.customers.register(Person("Dan"), id="dan")
    found = crm.satisfaction.at_risk()
    assert [(each.customer, each.risk.level) for each in found] == [("ana", Level.MEDIUM), ("cid", Level.MEDIUM)]
    assert [sign.part for sign in found.items[0].risk.signs] == [Part.SATISFACTION]
    assert found.items[0].health == crm.satisfaction.health(ana)
    assert found.items[0].risk == crm.satisfaction.risk(ana)
    first = crm.satisfaction.at_risk(limit=2)
    assert [each.customer for each in first] == ["ana"]
    assert len(first) == 1
    rest = crm.satisfaction.at_risk(limit=2, after=first.next)
    assert ([each.customer for each in rest], rest.next) == (["cid"], None)
    strict = HealthRules(high=1)
    assert [each.risk.level for each in crm.satisfaction.at_risk(rules=strict)] == [Level.HIGH, Level.HIGH]


def test_nobody_is_at_risk_where_nobody_is(crm):
    """An empty CRM gives an empty page."""
    assert crm.satisfaction.at_risk().items == ()
    assert crm.satisfaction.unattended().items == ()


def test_existing_customers_without_attention_are_listed_whatever_their_value(crm, clock, ana, ben):
    """A cent or a million, bought or bound: who had nobody's attention too long is listed, and prospects are not."""
    crm.customers.register(Person("Prospect"), id="prospect")
    tied = crm.customers.register(Person("Tia"), id="tia")
    rich = crm.customers.register(Person("Rich"), id="rich")
    crm.relationships.begin(tied, "long-term")
    for customer, paid in ((ana, "0.01 EUR"), (ben, "5 EUR"), (rich, "1000000 EUR")):
        crm.purchases.record(customer, paid)
    clock.advance(50 * DAY)
    crm.interactions.record(ben, Channel.PHONE, Direction.INBOUND)
    clock.advance(40 * DAY)
    found = crm.satisfaction.unattended(within=90 * DAY)
    assert [(each.customer, each.days, each.attended) for each in found] == [
        ("ana", 90, None),
        ("rich", 90, None),
        ("tia", 90, None),
    ]
    assert found.items[0].why == "never had a person's attention, known for 90 days, 90 are too long"
    clock.advance(50 * DAY)
    again = crm.satisfaction.unattended(within=90 * DAY)
    assert [(each.customer, each.days) for each in again] == [("ana", 140), ("ben", 90), ("rich", 140), ("tia", 140)]
    assert again.items[1].why == "last had a person's attention 90 days ago, 90 are too long"
    first = crm.satisfaction.unattended(limit=2)
    assert [each.customer for each in first] == ["ana", "ben"]
    assert [each.customer for each in crm.satisfaction.unattended(limit=9, after=first.next)] == ["rich", "tia"]


def test_many_customers_are_judged_with_few_reads(crm, monkeypatch):
    """A page of customers takes the same handful of reads, however many customers are on it."""
    for number in range(12):
        customer = crm.customers.register(Person(f"N{number}"))
        crm.purchases.record(customer, "1 EUR")
        crm.satisfaction.measure(customer, BuyingStep.USE, 1)
    opened = []
    real = crm.store.reader
    monkeypatch.setattr(type(crm.store), "reader", lambda _, *a, **kw: opened.append(a) or real(*a, **kw))
    counts = []
    for ask in (crm.satisfaction.at_risk, crm.satisfaction.unattended):
        for limit in (2, 12):
            opened.clear()
            ask(limit=limit)
            counts.append(len(opened))
    assert counts[0] == counts[1] <= 6
    assert counts[2] == counts[3] <= 5
