"""Satisfaction: the verbs of how content customers are, how well their relationships are, and who is left alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import attrs

from crmkit.domain.customers.customer import Customer
from crmkit.domain.interactions.interaction import Interaction, InteractionKind, RequestStatus
from crmkit.domain.purchases import Purchase
from crmkit.domain.relationships.relationship import Relationship
from crmkit.domain.satisfaction import health, measurements
from crmkit.domain.satisfaction.health import (
    HEALTH_RULES,
    UNATTENDED_AFTER,
    Health,
    HealthRules,
    Level,
    Risk,
    Unattended,
)
from crmkit.domain.satisfaction.measurements import WINDOW, Scale, Source, StepScore, Trend
from crmkit.domain.satisfaction.measurements import Satisfaction as Measurement
from crmkit.domain.words import BuyingStep, Mode
from crmkit.errors import Refusal
from crmkit.kernel.query import Where, everything, field
from crmkit.services.interactions import first_dates
from crmkit.services.paging import Results, every
from crmkit.services.unit import Listed, Service, Unit, verb


@attrs.frozen
class Judged:
    """What is known of how well one customer is.

    Attributes:
        customer: whose id.
        health: 0 to 100, with the parts that add up to it.
        risk: how much is to be feared that the customer leaves, with its signs.
    """

    customer: str
    health: Health
    risk: Risk


class Satisfaction(Service):
    """How content customers are through the whole buying cycle and after it, and what follows from it."""

    @verb
    def measure(
        self,
        customer: Customer | str,
        step: BuyingStep | str,
        answer: int,
        *,
        scale: Scale = Scale.ONE_TO_FIVE,
        source: Source | str = Source.SURVEY,
        interaction: Interaction | str | None = None,
        relationship: Relationship | str | None = None,
        comment: str = "",
        at: datetime | None = None,
        reason: str = "",
    ) -> Measurement:
        """Record how content a customer is with one step of the buying cycle.

        Args:
            customer: who was asked or observed.
            step: the step of the buying cycle, or a word of the host's own.
            answer: the answer as it was given, a whole number on the scale.
            scale: how the question was asked.
            source: a survey, a call, an observation, or a word of the host's own.
            interaction: the contact at which it was asked.
            relationship: the relationship that it is about, if it is not about all of them.
            comment: what the customer said.
            at: when it was; now if nothing is said.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such customer, contact or relationship.
            Refusal: rule `satisfaction.other-customer`, contact or relationship are somebody else's.
            Invalid: rule `off-scale` or `future`, or a value cannot be.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> crm.satisfaction.measure(ana, BuyingStep.DELIVERY, 4).score
        75
        """
        u = self.unit
        whom = u.get(Customer, customer).id
        asked_at = None if interaction is None else _own(whom, u.get(Interaction, interaction))
        tie = None if relationship is None else _own(whom, u.get(Relationship, relationship))
        change = measurements.measure(
            whom,
            step,
            answer,
            scale=scale,
            source=source,
            interaction=asked_at,
            relationship=tie,
            comment=comment,
            when=at,
            at=u.at,
            id=u.new_id(Measurement),
        )
        return u.save(change, at=change.record.at)

    @verb
    def get(self, measurement: Measurement | str) -> Measurement:
        """Give a measurement by its id.

        Raises:
            NotFound: there is none, or none that the actor may see.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").satisfaction.get("sat_1")
        Traceback (most recent call last):
        crmkit.errors.NotFound: satisfaction 'sat_1': not found; check the id, the tenant and what the actor may see
        """
        return self.unit.get(Measurement, measurement)

    @verb
    def of(self, customer: Customer | str, *, limit: int = 100, after: str | None = None) -> Listed[Measurement]:
        """List the measurements of a customer, the newest first, in pages.

        Raises:
            NotFound: there is no such customer, or none that the actor may see.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> len(crm.satisfaction.of(crm.customers.register(Person("Ana Reyes"))))
        0
        """
        u = self.unit
        where = field("customer") == u.get(Customer, customer).id
        return u.page(Measurement, where, order=("-at",), limit=limit, after=after)

    @verb
    def scores(
        self,
        customer: Customer | str,
        *,
        relationship: Relationship | str | None = None,
        within: timedelta = WINDOW,
    ) -> tuple[StepScore, ...]:
        """Give the score of each step of the buying cycle that was measured, in its order.

        Args:
            customer: whose.
            relationship: only what is about this one, or about none in particular.
            within: how old a measurement may be.

        Raises:
            NotFound: there is no such customer or relationship.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> _ = crm.satisfaction.measure(ana, BuyingStep.USE, 9, scale=Scale.ZERO_TO_TEN)
        >>> [(str(each.step), each.score) for each in crm.satisfaction.scores(ana)]
        [('use', 90)]
        """
        u = self.unit
        return measurements.by_step(_measured(u, customer, relationship, within), within=within, at=u.at)

    @verb
    def trend(
        self,
        customer: Customer | str,
        *,
        relationship: Relationship | str | None = None,
        step: BuyingStep | str | None = None,
        within: timedelta = WINDOW,
    ) -> Trend:
        """Say where the satisfaction of a customer is going; "not enough history" is an answer.

        Args:
            customer: whose.
            relationship: only what is about this one, or about none in particular.
            step: only what is about this step.
            within: how old a measurement may be.

        Raises:
            NotFound: there is no such customer or relationship.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> crm.satisfaction.trend(ana).why
        '0 measured in 365 days, two are needed'
        """
        u = self.unit
        found = _measured(u, customer, relationship, within)
        return measurements.trend([m for m in found if step in (None, m.step)], within=within, at=u.at)

    @verb
    def health(
        self,
        customer: Customer | str,
        *,
        relationship: Relationship | str | None = None,
        rules: HealthRules = HEALTH_RULES,
    ) -> Health:
        """Judge how well a customer's relationship is, 0 to 100, with the parts that add up to it exactly.

        Args:
            customer: whose.
            relationship: take the measurements about this one, or about none in particular; all if nothing is said.
            rules: weights and limits.

        Raises:
            NotFound: there is no such customer or relationship.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> crm.satisfaction.health(ana).score is None
        True
        >>> _ = crm.satisfaction.measure(ana, BuyingStep.USE, 5)
        >>> found = crm.satisfaction.health(ana)
        >>> found.score == sum(component.points for component in found.components)
        True
        """
        u = self.unit
        whom = u.get(Customer, customer)
        about = None if relationship is None else _own(whom.id, u.get(Relationship, relationship))
        return _judge(u, (whom,), rules, about)[0].health

    @verb
    def risk(self, customer: Customer | str, *, rules: HealthRules = HEALTH_RULES) -> Risk:
        """Judge how much is to be feared that a customer leaves, with the signs that say so.

        Raises:
            NotFound: there is no such customer.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> _ = crm.satisfaction.measure(ana, BuyingStep.USE, 1)
        >>> [str(sign.part) for sign in crm.satisfaction.risk(ana).signs]
        ['satisfaction']
        """
        u = self.unit
        return _judge(u, (u.get(Customer, customer),), rules)[0].risk

    @verb
    def at_risk(
        self, *, rules: HealthRules = HEALTH_RULES, limit: int = 100, after: str | None = None
    ) -> Results[Judged]:
        """Look at a page of customers, in the order of their ids, and give those at a medium or high risk.

        Args:
            rules: weights and limits.
            limit: how many customers to look at.
            after: the `next` of the page before.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> _ = crm.satisfaction.measure(ana, BuyingStep.USE, 1)
        >>> [str(found.risk.level) for found in crm.satisfaction.at_risk()]
        ['medium']
        """
        u = self.unit
        page = u.page(Customer, limit=limit, after=after)
        judged = _judge(u, page.items, rules)
        return Results(tuple(j for j in judged if j.risk.level in (Level.MEDIUM, Level.HIGH)), page.next)

    @verb
    def unattended(
        self, *, within: timedelta = UNATTENDED_AFTER, limit: int = 100, after: str | None = None
    ) -> Results[Unattended]:
        """Look at a page of customers, in the order of their ids, and give the existing ones left without attention.

        Existing is who has bought or has a relationship. Attention is a conversation with a person of the company,
        whoever turned to whom. What a customer is worth is not asked. `relationships.neglected` tells the same per
        relationship, where the use of tools is attention enough if its type says so.

        Args:
            within: how long without attention is too long.
            limit: how many customers to look at.
            after: the `next` of the page before.

        >>> from datetime import datetime, timezone
        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> _ = crm.purchases.record(ana, "399.00 EUR", at=datetime(2020, 1, 5, tzinfo=timezone.utc))
        >>> [found.customer == ana.id for found in crm.satisfaction.unattended()]
        [True]
        """
        u = self.unit
        page = u.page(Customer, limit=limit, after=after)
        first = first_dates(u, [customer.id for customer in page])
        attended = _attended(u, first, within)
        found = (
            health.unattended(customer, since=since, attended=attended.get(customer), within=within, at=u.at)
            for customer, since in first.items()
        )
        return Results(tuple(sorted((f for f in found if f is not None), key=lambda f: f.customer)), page.next)


# what the verbs share


def _own(customer: str, other: Interaction | Relationship) -> str:
    if other.customer != customer:
        reasons = (f"{type(other).__kind__.name} {other.id} belongs to somebody else",)
        raise Refusal(f"satisfaction of customer {customer}", "satisfaction.other-customer", reasons)
    return other.id


def _measured(
    u: Unit, customer: Customer | str, relationship: Relationship | str | None, within: timedelta
) -> tuple[Measurement, ...]:
    whom = u.get(Customer, customer).id
    about = None if relationship is None else _own(whom, u.get(Relationship, relationship))
    return tuple(every(u, Measurement, _about((whom,), about, u.at - within)))


def _about(customers: Iterable[str], relationship: str | None, since: datetime) -> Where:
    return everything(
        field("customer").in_(customers),
        field("at") >= since,
        None if relationship is None else field("relationship").in_([relationship, None]),
    )


def _judge(
    u: Unit, customers: Collection[Customer], rules: HealthRules, relationship: str | None = None
) -> tuple[Judged, ...]:
    """Judge customers with a handful of reads, however many they are."""
    ids = [customer.id for customer in customers]
    if not ids:
        return ()
    measured: dict[str, list[Measurement]] = {}
    for each in every(u, Measurement, _about(ids, relationship, u.at - rules.window)):
        measured.setdefault(each.customer, []).append(each)
    waiting: dict[str, int] = {}
    still_open = field("customer").in_(ids) & (field("request") == RequestStatus.OPEN)
    for request in every(u, Interaction, still_open):
        waiting[request.customer] = waiting.get(request.customer, 0) + 1
    attended = _attended(u, ids, rules.attention)
    bought: dict[str, datetime] = {}
    for purchase in every(u, Purchase, field("customer").in_(ids)):
        if purchase.customer is not None:
            bought[purchase.customer] = max(bought.get(purchase.customer, purchase.at), purchase.at)
    judged: list[Judged] = []
    for customer in customers:
        found = health.health(
            measured.get(customer.id, ()),
            since=customer.registered_at,
            attended=attended.get(customer.id),
            bought=bought.get(customer.id),
            waiting=waiting.get(customer.id, 0),
            rules=rules,
            at=u.at,
        )
        judged.append(Judged(customer.id, found, health.risk(found, rules=rules)))
    return tuple(judged)


def _attended(u: Unit, customers: Iterable[str], within: timedelta) -> dict[str, datetime]:
    """Give when customers last had a person's attention. Older contacts are read only of those without a recent one."""
    attended: dict[str, datetime] = {}
    old = u.at - within
    for when in (field("at") > old, field("at") <= old):
        left = [customer for customer in customers if customer not in attended]
        talked = (field("kind") == InteractionKind.CONVERSATION) & (field("mode") == Mode.OPERATIONAL)
        if left:
            for each in every(u, Interaction, field("customer").in_(left) & when & talked):
                attended[each.customer] = max(attended.get(each.customer, each.at), each.at)
    return attended
