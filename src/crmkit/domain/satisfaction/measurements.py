"""Satisfaction: how content customers are at each step of the buying cycle and after it, and what follows for them.

A customer is measured on whatever scale was asked; every answer is kept as it was given, and as a score from 0 to
100. From the scores come the score per step and the trend; `health` goes on from there. All arithmetic is in whole
numbers, halves up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from attrs import frozen

from crmkit.domain.words import BuyingStep, happened, in_days
from crmkit.errors import Invalid, redacted
from crmkit.kernel.checks import Id, Note, Percent, Personal
from crmkit.kernel.machine import days
from crmkit.kernel.record import Change, Event, Record, create, event, record

# words


class Scale(StrEnum):
    """How the question was asked. The higher, the more content."""

    ONE_TO_FIVE = "1-5"
    ONE_TO_SEVEN = "1-7"
    ZERO_TO_TEN = "0-10"
    PERCENT = "percent"


ENDS: Mapping[Scale, tuple[int, int]] = {
    Scale.ONE_TO_FIVE: (1, 5),
    Scale.ONE_TO_SEVEN: (1, 7),
    Scale.ZERO_TO_TEN: (0, 10),
    Scale.PERCENT: (0, 100),
}
"""The lowest and the highest answer of each scale."""


class Source(StrEnum):
    """Where a measurement comes from. Hosts bring words of their own."""

    SURVEY = "survey"
    CALL = "call"
    OBSERVED = "observed"


class Course(StrEnum):
    """Where satisfaction is going."""

    RISING = "rising"
    STEADY = "steady"
    FALLING = "falling"
    UNKNOWN = "not enough history"


WINDOW = days(365)
"""How old a measurement may be."""

STEADY = 5
"""How many points of difference are no trend yet."""


# records


@record(
    "satisfaction", prefix="sat", customer="customer", indexes=[("customer", "at"), ("relationship", "at"), ("at",)]
)
@frozen(kw_only=True)
class Satisfaction(Record):
    """One measurement of how content a customer is.

    Attributes:
        customer: who was asked or observed.
        step: the step of the buying cycle that it is about, or a word of the host's own.
        scale: how the question was asked.
        answer: the answer as it was given.
        score: the answer from 0 to 100.
        at: when.
        source: a survey, a call, an observation, or a word of the host's own.
        interaction: the contact at which it was asked, if any.
        relationship: the relationship that it is about, if it is not about all of them.
        comment: what the customer said.
    """

    customer: Id
    step: BuyingStep | str
    scale: Scale
    answer: Percent
    score: Percent
    at: datetime
    source: Source | str = Source.SURVEY
    interaction: Id | None = None
    relationship: Id | None = None
    comment: Personal[Note] = ""


# events


@event("satisfaction.measured")
@frozen(kw_only=True)
class SatisfactionMeasured(Event[Satisfaction]):
    """A customer said, or showed, how content they are."""

    customer: Id
    step: BuyingStep | str
    scale: Scale
    answer: Percent
    score: Percent
    at: datetime
    source: Source | str
    interaction: Id | None
    relationship: Id | None
    comment: Personal[Note]


# rules


def measure(
    customer: str,
    step: BuyingStep | str,
    answer: int,
    *,
    scale: Scale = Scale.ONE_TO_FIVE,
    source: Source | str = Source.SURVEY,
    interaction: str | None = None,
    relationship: str | None = None,
    comment: str = "",
    when: datetime | None = None,
    at: datetime,
    id: str,  # noqa: A002
) -> Change[Satisfaction]:
    """Record how content a customer is.

    Args:
        customer: who was asked or observed.
        step: the step of the buying cycle that it is about.
        answer: the answer as it was given, a whole number on the scale.
        scale: how the question was asked.
        source: where it comes from.
        interaction: the contact at which it was asked.
        relationship: the relationship that it is about.
        comment: what the customer said.
        when: when it was; `at` if nothing is said.
        at: the time now.
        id: the id of the new record.

    Raises:
        Invalid: rule `off-scale`, `future`, or a field breaks what `Satisfaction` says.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> measure("cus_1", BuyingStep.DELIVERY, 4, at=now, id="sat_1").record.score
    75
    """
    told = SatisfactionMeasured(
        customer=customer,
        step=step,
        scale=scale,
        answer=answer,
        score=score_of(answer, scale),
        at=happened("Satisfaction.at", when or at, at=at),
        source=source,
        interaction=interaction,
        relationship=relationship,
        comment=comment,
    )
    return create(id, told)


def score_of(answer: int, scale: Scale) -> int:
    """Give an answer as a score: its place between the lowest (0) and the highest (100) answer of the scale, halves up.

    This is min-max normalisation, known from surveys as percent of maximum possible (Cohen and others 1999).

    Raises:
        Invalid: rule `off-scale`, the scale has no such answer; `word`, there is no such scale.

    >>> [score_of(answer, Scale.ONE_TO_SEVEN) for answer in range(1, 8)]
    [0, 17, 33, 50, 67, 83, 100]
    """
    if type(scale) not in (Scale, str) or scale not in ENDS:
        raise Invalid("Satisfaction.scale", "word", f"one of {', '.join(Scale)}", redacted(scale))
    low, high = ENDS[Scale(scale)]
    if type(answer) is not int or not low <= answer <= high:
        raise Invalid("Satisfaction.answer", "off-scale", f"a whole number from {low} to {high}", redacted(answer))
    return rounded((answer - low) * 100, high - low)


# questions


@frozen
class StepScore:
    """How content a customer is with one step of the buying cycle.

    Attributes:
        step: which.
        score: the mean of the measurements, 0 to 100.
        count: how many there are.
        newest: when the last one was.
        measured: the ids of the measurements.
    """

    step: BuyingStep | str
    score: int
    count: int
    newest: datetime
    measured: tuple[str, ...]


def by_step(measurements: Iterable[Satisfaction], *, within: timedelta = WINDOW, at: datetime) -> tuple[StepScore, ...]:
    """Give the score of each step that was measured, in the order of the buying cycle; the host's own steps come last.

    Args:
        measurements: in any order.
        within: how old a measurement may be.
        at: the time now; what was measured later does not count.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> one = measure("cus_1", BuyingStep.USE, 5, at=now, id="sat_1").record
    >>> two = measure("cus_1", BuyingStep.USE, 4, at=now, id="sat_2").record
    >>> [(str(each.step), each.score, each.count) for each in by_step([one, two], at=now)]
    [('use', 88, 2)]
    """
    found = sorted(recent(measurements, within, at), key=lambda each: _place(each.step))
    scores: list[StepScore] = []
    for step, grouped in groupby(found, key=lambda each: each.step):
        some = tuple(grouped)
        score = mean(each.score for each in some)
        scores.append(StepScore(step, score, len(some), some[-1].at, tuple(each.id for each in some)))
    return tuple(scores)


@frozen
class Trend:
    """Where satisfaction is going, and how that is known.

    Attributes:
        course: rising, steady, falling, or not enough history.
        newest: the newest score; None if there is none.
        before: the mean of the earlier ones; None if there are none.
        change: the newest less those before; None if it cannot be told.
        measured: the ids of the measurements, the newest last.
        why: the same as a sentence.
    """

    course: Course
    newest: int | None
    before: int | None
    change: int | None
    measured: tuple[str, ...]
    why: str


def trend(measurements: Iterable[Satisfaction], *, within: timedelta = WINDOW, at: datetime) -> Trend:
    """Hold the newest score against the mean of the earlier ones. One score alone is not enough history.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> one = measure("cus_1", BuyingStep.USE, 5, when=now.replace(day=1), at=now, id="sat_1").record
    >>> two = measure("cus_1", BuyingStep.USE, 3, at=now, id="sat_2").record
    >>> trend([one, two], at=now).why
    'the newest score is 50, those before it were 100 on average: falling by 50'
    """
    found = recent(measurements, within, at)
    measured = tuple(each.id for each in found)
    if len(found) < 2:  # noqa: PLR2004 - a newest and an earlier one
        newest = found[-1].score if found else None
        why = f"{len(found)} measured in {in_days(within.days)}, two are needed"
        return Trend(Course.UNKNOWN, newest, None, None, measured, why)
    newest, before = found[-1].score, mean(each.score for each in found[:-1])
    change = newest - before
    course = Course.RISING if change > STEADY else Course.FALLING if change < -STEADY else Course.STEADY
    by = f" by {abs(change)}" if course is not Course.STEADY else ""
    why = f"the newest score is {newest}, those before it were {before} on average: {course}{by}"
    return Trend(course, newest, before, change, measured, why)


def _place(step: BuyingStep | str) -> tuple[int, str]:
    return (list(BuyingStep).index(step) if isinstance(step, BuyingStep) else len(BuyingStep), str(step))


def recent(measurements: Iterable[Satisfaction], within: timedelta, at: datetime) -> list[Satisfaction]:
    """Give what was measured within a time up to now, the newest last."""
    found = [each for each in measurements if timedelta(0) <= at - each.at <= within]
    return sorted(found, key=lambda each: (each.at, each.id))


def mean(scores: Iterable[int]) -> int:
    """Give the mean of some scores, halves up."""
    some = list(scores)
    return rounded(sum(some), len(some))


def rounded(dividend: int, divisor: int) -> int:
    """Divide, halves up; neither is negative."""
    return (2 * dividend + divisor) // (2 * divisor)
