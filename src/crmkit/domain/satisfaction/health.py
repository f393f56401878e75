"""Health: how well a customer's relationship is, in parts that add up to it exactly; the risk, and who is left alone.

Health is a number from 0 to 100. Nothing here asks what a customer is worth. All arithmetic is in whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen

from crmkit.domain.satisfaction.measurements import (
    WINDOW,
    Satisfaction,
    StepScore,
    by_step,
    mean,
    recent,
    rounded,
    trend,
)
from crmkit.domain.words import in_days
from crmkit.errors import Invalid
from crmkit.kernel.checks import Count, Percent, Value
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.machine import days

# words


class Part(StrEnum):
    """What health is made of."""

    SATISFACTION = "satisfaction"
    TREND = "trend"
    ATTENTION = "attention"
    PURCHASES = "purchases"
    REQUESTS = "requests"


class Level(StrEnum):
    """How much is to be feared that a customer leaves."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNKNOWN = "not enough history"


WEIGHTS: FrozenDict[int] = FrozenDict(
    {Part.SATISFACTION: 40, Part.TREND: 15, Part.ATTENTION: 20, Part.PURCHASES: 15, Part.REQUESTS: 10}
)
ALARMS: FrozenDict[int] = FrozenDict(
    {Part.SATISFACTION: 50, Part.TREND: 40, Part.ATTENTION: 0, Part.PURCHASES: 0, Part.REQUESTS: 75}
)
HALF_A_YEAR, A_YEAR = days(180), days(365)

UNATTENDED_AFTER = days(90)
"""After how long without a person's attention an existing customer has been left alone."""


@frozen(kw_only=True)
class HealthRules(Value):
    """How health and risk are judged. Derive your own with `attrs.evolve`.

    Attributes:
        weights: how much each part counts; a part that is left out, or weighs 0, does not count.
        window: how old a measurement may be.
        attention: after how long without a person's attention that part is down to 0.
        purchases: after how long without a purchase that part is down to 0.
        per_request: what each request that waits for an answer takes off its part.
        alarms: a part that is at or below its figure is a sign of risk.
        high: how many signs make the risk high; one sign makes it medium.
    """

    weights: FrozenDict[Percent] = WEIGHTS
    window: timedelta = WINDOW
    attention: timedelta = HALF_A_YEAR
    purchases: timedelta = A_YEAR
    per_request: Percent = 25
    alarms: FrozenDict[Percent] = ALARMS
    high: Count = 2

    def __agree__(self) -> None:
        """Hold names to the parts that there are, and spans above nothing."""
        for name, given in (("weights", self.weights), ("alarms", self.alarms)):
            if unknown := set(given) - set(Part):
                raise Invalid(f"HealthRules.{name}", "word", f"parts: {', '.join(Part)}", f"{len(unknown)} others")
        for name, span in (("window", self.window), ("attention", self.attention), ("purchases", self.purchases)):
            if not span:
                raise Invalid(f"HealthRules.{name}", "range", "more than no time", "none")


HEALTH_RULES = HealthRules()


# questions


@frozen
class Component:
    """One part of health.

    Attributes:
        part: which.
        figure: how well that part is, 0 to 100; None if it cannot be told.
        weight: how much it counts.
        points: what it adds to the health. The points of all parts add up to it exactly.
        why: what the figure comes from.
    """

    part: Part
    figure: int | None
    weight: int
    points: int
    why: str


@frozen
class Health:
    """How well a relationship is, and what that is made of.

    Attributes:
        score: 0 to 100; None if there is not enough history.
        components: its parts; their points add up to the score.
        why: the same as a sentence.
    """

    score: int | None
    components: tuple[Component, ...]
    why: str


def health(
    measurements: Iterable[Satisfaction],
    *,
    since: datetime,
    attended: datetime | None = None,
    bought: datetime | None = None,
    waiting: int = 0,
    rules: HealthRules = HEALTH_RULES,
    at: datetime,
) -> Health:
    """Judge how well a relationship is, 0 to 100: the weighted mean of the parts that are known.

    The points of the parts add up to the score exactly: what rounding leaves over goes, one each, to the parts that
    lost most by it (the method of largest remainders). Who was never measured, bought nothing and had nobody's
    attention has no health yet: the answer is "not enough history".

    Args:
        measurements: of the customer or of one relationship, in any order.
        since: from when the customer has been known.
        attended: when somebody last gave them attention.
        bought: when they last bought.
        waiting: how many of their requests wait for an answer.
        rules: weights and limits.
        at: the time now.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> from crmkit.domain.satisfaction.measurements import measure
    >>> from crmkit.domain.words import BuyingStep
    >>> one = measure("cus_1", BuyingStep.USE, 4, at=now, id="sat_1").record
    >>> found = health([one], since=now, bought=now, waiting=1, at=now)
    >>> found.score, [(str(each.part), each.points) for each in found.components]
    (85, [('satisfaction', 35), ('trend', 0), ('attention', 23), ('purchases', 18), ('requests', 9)])
    """
    found = recent(measurements, rules.window, at)
    going = trend(found, within=rules.window, at=at)
    figures: dict[Part, tuple[int | None, str]] = {
        Part.SATISFACTION: _content(by_step(found, within=rules.window, at=at)),
        Part.TREND: (None if going.change is None else min(100, max(0, 50 + going.change)), going.why),
        Part.ATTENTION: (
            _freshness(attended or since, rules.attention, at),
            _told(attended, "a person's attention", since, at),
        ),
        Part.PURCHASES: (
            None if bought is None else _freshness(bought, rules.purchases, at),
            _told(bought, "a purchase", since, at),
        ),
        Part.REQUESTS: (max(0, 100 - rules.per_request * waiting), f"{waiting} waiting for an answer"),
    }
    weights = {part: rules.weights.get(part, 0) for part in Part}
    if not found and attended is None and bought is None:
        parts = tuple(Component(part, *figures[part][:1], weights[part], 0, figures[part][1]) for part in Part)
        return Health(None, parts, "not enough history: never measured, no purchase, nobody's attention")
    known = {part: figure for part, (figure, _) in figures.items() if figure is not None and weights[part]}
    score, points = _shares({part: figure * weights[part] for part, figure in known.items()}, weights)
    parts = tuple(Component(p, figures[p][0], weights[p], points.get(p, 0), figures[p][1]) for p in Part)
    sum_ = " + ".join(f"{each.part} {each.points}" for each in parts if each.part in known)
    return Health(score, parts, f"{sum_} = {score}" if known else "no part has a weight")


@frozen
class Sign:
    """Something that tells of risk.

    Attributes:
        part: the part of health that it shows in.
        figure: how well that part is.
        alarm: the figure at or below which it is a sign.
        why: what the figure comes from.
    """

    part: Part
    figure: int
    alarm: int
    why: str


@frozen
class Risk:
    """How much is to be feared that a customer leaves, and why.

    Attributes:
        level: low, medium, high, or not enough history.
        signs: what speaks for it; none at a low risk.
    """

    level: Level
    signs: tuple[Sign, ...]


def risk(health: Health, *, rules: HealthRules = HEALTH_RULES) -> Risk:
    """Judge the risk from the parts of health: each part at or below its alarm is a sign, and the signs make the level.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> from crmkit.domain.satisfaction.measurements import measure
    >>> from crmkit.domain.words import BuyingStep
    >>> one = measure("cus_1", BuyingStep.USE, 2, at=now, id="sat_1").record
    >>> found = risk(health([one], since=now, at=now))
    >>> str(found.level), [str(sign.part) for sign in found.signs]
    ('medium', ['satisfaction'])
    """
    if health.score is None:
        return Risk(Level.UNKNOWN, ())
    signs = tuple(
        Sign(each.part, each.figure, rules.alarms[each.part], each.why)
        for each in health.components
        if each.figure is not None and each.weight and each.figure <= rules.alarms.get(each.part, -1)
    )
    level = Level.LOW if not signs else Level.HIGH if len(signs) >= rules.high else Level.MEDIUM
    return Risk(level, signs)


@frozen
class Unattended:
    """An existing customer whom nobody has given attention for too long.

    Attributes:
        customer: whose id.
        attended: when somebody last did; None if never.
        days: for how many whole days nobody has.
        limit: how many days are too long.
        why: the same as a sentence.
    """

    customer: str
    attended: datetime | None
    days: int
    limit: int
    why: str


def unattended(
    customer: str, *, since: datetime, attended: datetime | None, within: timedelta, at: datetime
) -> Unattended | None:
    """Tell whether nobody has given a customer attention for too long. What the customer is worth is not asked.

    Args:
        customer: whose id.
        since: from when they have been a customer.
        attended: when a person last gave them attention.
        within: how long is too long.
        at: the time now.

    >>> from datetime import timezone
    >>> now = datetime(2026, 7, 5, tzinfo=timezone.utc)
    >>> unattended("cus_1", since=now.replace(month=1), attended=None, within=days(90), at=now).why
    "never had a person's attention, known for 181 days, 90 are too long"
    """
    gone = at - (attended or since)
    if gone < within:
        return None
    told = _told(attended, "a person's attention", since, at)
    return Unattended(customer, attended, gone.days, within.days, f"{told}, {within.days} are too long")


def _content(steps: Sequence[StepScore]) -> tuple[int | None, str]:
    """Give the mean over the steps, so that a step that is measured often does not drown the others."""
    if not steps:
        return None, "not measured"
    return mean(each.score for each in steps), ", ".join(f"{each.step} {each.score}" for each in steps)


def _freshness(last: datetime, span: timedelta, at: datetime) -> int:
    """Give 100 for just now, falling evenly to 0 when a span has passed."""
    left = span - max(at - last, timedelta(0))
    return max(0, 100 * left // span)


def _told(last: datetime | None, what: str, since: datetime, at: datetime) -> str:
    if last is None:
        return f"never had {what}, known for {in_days(max(0, (at - since).days))}"
    return f"last had {what} {in_days(max(0, (at - last).days))} ago"


def _shares(products: Mapping[Part, int], weights: Mapping[Part, int]) -> tuple[int, dict[Part, int]]:
    """Give the weighted mean and what each part adds to it, exactly, by the method of largest remainders."""
    whole = sum(weights[part] for part in products) or 1
    score = rounded(sum(products.values()), whole)
    shares = {part: product // whole for part, product in products.items()}
    most_lost = sorted(products, key=lambda part: -(products[part] % whole))
    for part in most_lost[: score - sum(shares.values())]:
        shares[part] += 1
    return score, shares
