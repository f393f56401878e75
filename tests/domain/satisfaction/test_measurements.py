"""Satisfaction and health: scores that keep what was answered, and explanations that add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.satisfaction.health import (
    HEALTH_RULES,
    HealthRules,
    Level,
    Part,
    Unattended,
    health,
    risk,
    unattended,
)
from crmkit.domain.satisfaction.measurements import (
    ENDS,
    Course,
    Satisfaction,
    SatisfactionMeasured,
    Scale,
    Source,
    by_step,
    measure,
    score_of,
    trend,
)
from crmkit.domain.words import BuyingStep
from crmkit.errors import Invalid
from crmkit.kernel.codec import decode, decode_event, encode, encode_event
from crmkit.kernel.frozen import FrozenDict

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def scored(score: int, days_ago: int = 0, step: str = BuyingStep.USE, number: int = 1) -> Satisfaction:
    when = NOW - days_ago * DAY
    return measure("cus_1", step, score, scale=Scale.PERCENT, when=when, at=NOW, id=f"sat_{number}").record


def series(*scores: int, step: str = BuyingStep.USE) -> list[Satisfaction]:
    """Scores a day apart, the last one now."""
    return [scored(score, len(scores) - n, step, n) for n, score in enumerate(scores, 1)]


# measuring


def test_measure_keeps_the_answer_and_the_score():
    """What was answered stays beside the score, with where it was asked."""
    change = measure(
        "cus_1",
        BuyingStep.DELIVERY,
        9,
        scale=Scale.ZERO_TO_TEN,
        source=Source.CALL,
        interaction="int_1",
        relationship="rel_1",
        comment="Two days late.",
        when=NOW - DAY,
        at=NOW,
        id="sat_1",
    )
    assert change.record == Satisfaction(
        id="sat_1",
        customer="cus_1",
        step=BuyingStep.DELIVERY,
        scale=Scale.ZERO_TO_TEN,
        answer=9,
        score=90,
        at=NOW - DAY,
        source=Source.CALL,
        interaction="int_1",
        relationship="rel_1",
        comment="Two days late.",
    )
    assert isinstance(change.event, SatisfactionMeasured)
    body, personal = encode_event(change.event)
    assert "late" not in body
    assert decode_event("satisfaction.measured", body, personal, schema=1) == change.event
    assert decode(Satisfaction.__kind__, encode(change.record), version=1, schema=1) == change.record


@pytest.mark.parametrize(
    ("scale", "scores"),
    [
        (Scale.ONE_TO_FIVE, [0, 25, 50, 75, 100]),
        (Scale.ONE_TO_SEVEN, [0, 17, 33, 50, 67, 83, 100]),
        (Scale.ZERO_TO_TEN, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),
        (Scale.PERCENT, list(range(101))),
    ],
)
def test_every_answer_of_every_scale_has_its_score(scale, scores):
    """The whole table: lowest is 0, highest 100, and between them the nearest whole number, halves up."""
    low, high = ENDS[scale]
    assert [score_of(answer, scale) for answer in range(low, high + 1)] == scores


@pytest.mark.parametrize("scale", list(Scale))
@pytest.mark.parametrize("beyond", [-1, 1])
def test_an_answer_off_the_scale_is_refused(scale, beyond):
    """One below the lowest and one above the highest are refused."""
    low, high = ENDS[scale]
    with pytest.raises(Invalid) as told:
        score_of(low - 1 if beyond < 0 else high + 1, scale)
    assert (told.value.field, told.value.rule) == ("Satisfaction.answer", "off-scale")


@pytest.mark.parametrize("answer", [True, 4.0, "4", None])
def test_an_answer_is_a_whole_number(answer):
    """Nothing that only looks like a number is taken for one."""
    with pytest.raises(Invalid, match="off-scale"):
        score_of(answer, Scale.ONE_TO_FIVE)


def test_a_scale_may_be_given_as_its_text_and_must_exist():
    """The text of a scale is as good as the member; another is refused with those that there are."""
    assert score_of(5, "1-5") == 100  # type: ignore[arg-type]
    with pytest.raises(Invalid, match=r"1-5, 1-7, 0-10, percent"):
        score_of(5, "stars")  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="word"):
        score_of(5, [1, 5])  # type: ignore[arg-type]


def test_nothing_is_measured_in_the_future():
    """Five minutes of a fast clock pass, more does not."""
    with pytest.raises(Invalid) as told:
        measure("cus_1", BuyingStep.USE, 4, when=NOW + timedelta(minutes=6), at=NOW, id="sat_1")
    assert (told.value.field, told.value.rule) == ("Satisfaction.at", "future")


# per step


def test_scores_come_in_the_order_of_the_buying_cycle():
    """Steps are in their order, the host's own last by name; each has the mean, how many, and which."""
    some = [
        scored(40, 1, "unboxing", 1),
        scored(81, 3, BuyingStep.SERVICE, 2),
        scored(80, 2, BuyingStep.SERVICE, 3),
        scored(10, 5, BuyingStep.EVALUATION, 4),
        scored(60, 9, "assembly", 5),
    ]
    found = by_step(some, at=NOW)
    assert [(each.step, each.score, each.count, each.measured) for each in found] == [
        (BuyingStep.EVALUATION, 10, 1, ("sat_4",)),
        (BuyingStep.SERVICE, 81, 2, ("sat_2", "sat_3")),
        ("assembly", 60, 1, ("sat_5",)),
        ("unboxing", 40, 1, ("sat_1",)),
    ]
    assert found[1].newest == NOW - 2 * DAY
    assert by_step([], at=NOW) == ()


def test_only_the_window_counts_both_ends_included():
    """What is older than the window, or not measured yet at the time asked about, does not count."""
    some = [scored(10, 30, number=1), scored(20, 0, number=2)]
    assert by_step(some, within=30 * DAY, at=NOW)[0].score == 15
    assert by_step(some, within=30 * DAY - timedelta(microseconds=1), at=NOW)[0].measured == ("sat_2",)
    assert by_step(some, within=30 * DAY, at=NOW - timedelta(microseconds=1))[0].measured == ("sat_1",)


# trend


@pytest.mark.parametrize(
    ("scores", "course", "change"),
    [
        ((50, 50), Course.STEADY, 0),
        ((50, 55), Course.STEADY, 5),
        ((50, 56), Course.RISING, 6),
        ((50, 45), Course.STEADY, -5),
        ((50, 44), Course.FALLING, -6),
        ((100, 0, 100), Course.RISING, 50),
        ((70, 71, 60), Course.FALLING, -11),
    ],
)
def test_the_newest_score_is_held_against_the_mean_of_the_earlier_ones(scores, course, change):
    """More than five points make a trend, and the mean of the earlier ones is rounded half up."""
    found = trend(series(*scores), at=NOW)
    assert (found.course, found.change, found.newest) == (course, change, scores[-1])
    assert found.before == scores[-1] - change
    assert found.measured == tuple(f"sat_{n}" for n in range(1, len(scores) + 1))


def test_one_score_is_not_enough_history():
    """Nothing measured, or one thing, is an answer of its own, and says how much is missing."""
    none, one = trend([], at=NOW), trend(series(70), at=NOW)
    assert (none.course, none.newest, none.change) == (Course.UNKNOWN, None, None)
    assert (one.course, one.newest, one.before, one.change) == (Course.UNKNOWN, 70, None, None)
    assert one.why == "1 measured in 365 days, two are needed"


def test_a_trend_says_why():
    """The sentence has the figures that the answer comes from."""
    assert (
        trend(series(80, 60), at=NOW).why == "the newest score is 60, those before it were 80 on average: falling by 20"
    )
    assert trend(series(80, 82), at=NOW).why == "the newest score is 82, those before it were 80 on average: steady"


# health


def test_health_by_hand():
    """A worked example: the weighted mean of five parts, and what each adds.

    satisfaction 60 x 40, trend 50 - 40 = 10 x 15, attention 100 x 90 / 180 = 50 x 20, purchases 100 x 73 / 365 = 20 x
    15, one request 75 x 10: 4600 of 100, so 46 points: 24 + 1.5 + 10 + 3 + 7.5; the point that the two halves make goes
    to the first of them.
    """
    found = health(
        series(80, 40),
        since=NOW - 900 * DAY,
        attended=NOW - 90 * DAY,
        bought=NOW - 292 * DAY,
        waiting=1,
        at=NOW,
    )
    assert found.score == 46
    assert [(each.part, each.figure, each.weight, each.points) for each in found.components] == [
        (Part.SATISFACTION, 60, 40, 24),
        (Part.TREND, 10, 15, 2),
        (Part.ATTENTION, 50, 20, 10),
        (Part.PURCHASES, 20, 15, 3),
        (Part.REQUESTS, 75, 10, 7),
    ]
    assert [each.why for each in found.components] == [
        "use 60",
        "the newest score is 40, those before it were 80 on average: falling by 40",
        "last had a person's attention 90 days ago",
        "last had a purchase 292 days ago",
        "1 waiting for an answer",
    ]
    assert found.why == "satisfaction 24 + trend 2 + attention 10 + purchases 3 + requests 7 = 46"


def test_a_part_that_is_not_known_does_not_count():
    """Without a trend and a purchase, the other parts share the whole weight."""
    found = health(series(80), since=NOW, attended=NOW, at=NOW)
    assert found.score == 89  # (80 x 40 + 100 x 20 + 100 x 10) / 70 = 88.57
    assert [(each.figure, each.points) for each in found.components] == [
        (80, 46),
        (None, 0),
        (100, 29),
        (None, 0),
        (100, 14),
    ]
    assert sum(each.points for each in found.components) == 89


def test_who_is_not_known_has_no_health():
    """Never measured, no purchase, nobody's attention: not enough history, not a good or a bad score."""
    found = health([], since=NOW - 900 * DAY, waiting=3, at=NOW)
    assert found.score is None
    assert found.why == "not enough history: never measured, no purchase, nobody's attention"
    assert [each.points for each in found.components] == [0] * 5
    assert risk(found).level is Level.UNKNOWN
    assert health([], since=NOW, bought=NOW, at=NOW).score is not None
    assert health([], since=NOW, attended=NOW, at=NOW).score is not None
    assert health(series(0), since=NOW, at=NOW).score is not None


@pytest.mark.parametrize(("scores", "figure"), [((100, 0), 0), ((0, 100), 100), ((90, 30), 0), ((30, 70), 90)])
def test_the_trend_counts_from_the_middle_and_stays_within_0_and_100(scores, figure):
    """Steady is 50; each point up or down is one more or less, to the end of the scale and not beyond."""
    assert health(series(*scores), since=NOW, at=NOW).components[1].figure == figure


def test_satisfaction_is_the_mean_of_the_steps():
    """A step that is measured often does not drown the others."""
    some = [*series(100, 100, 100), scored(0, 0, BuyingStep.DELIVERY, 9)]
    assert health(some, since=NOW, at=NOW).components[0].figure == 50


@pytest.mark.parametrize(
    ("days_ago", "figure"), [(0, 100), (1, 99), (18, 90), (90, 50), (179, 0), (180, 0), (5000, 0), (-90, 100)]
)
def test_attention_fades_evenly_within_its_span(days_ago, figure):
    """Just now is 100, half the span 50, the whole span and beyond 0; a fast clock gives no more than 100."""
    found = health([], since=NOW, attended=NOW - days_ago * DAY, at=NOW)
    assert found.components[2].figure == figure


def test_who_never_had_attention_is_counted_from_when_he_was_known():
    """A new customer is not neglected yet."""
    fresh = health(series(50), since=NOW - 18 * DAY, at=NOW).components[2]
    assert (fresh.figure, fresh.why) == (90, "never had a person's attention, known for 18 days")


@pytest.mark.parametrize(("waiting", "figure"), [(0, 100), (1, 75), (4, 0), (9, 0)])
def test_waiting_requests_take_off_their_share(waiting, figure):
    """Each open request costs 25, and nothing goes below 0."""
    assert health(series(50), since=NOW, waiting=waiting, at=NOW).components[4].figure == figure


@given(
    scores=st.lists(st.integers(0, 100), max_size=6),
    attended=st.none() | st.integers(0, 400),
    bought=st.none() | st.integers(0, 400),
    waiting=st.integers(0, 6),
    weights=st.dictionaries(st.sampled_from(list(Part)), st.integers(0, 100)),
)
def test_the_parts_add_up_to_the_health_exactly(scores, attended, bought, waiting, weights):
    """Whatever is known, however it is weighed: the points sum to the score, each less than one off its share."""
    rules = attrs.evolve(HEALTH_RULES, weights=FrozenDict(weights))
    found = health(
        series(*scores),
        since=NOW - 500 * DAY,
        attended=None if attended is None else NOW - attended * DAY,
        bought=None if bought is None else NOW - bought * DAY,
        waiting=waiting,
        rules=rules,
        at=NOW,
    )
    if not scores and attended is None and bought is None:
        assert found.score is None
        return
    assert found.score == sum(each.points for each in found.components)
    known = [each for each in found.components if each.figure is not None and each.weight]
    whole = sum(each.weight for each in known)
    assert all(each.points == 0 for each in found.components if each not in known)
    if whole:
        assert abs(found.score - Fraction(sum((e.figure or 0) * e.weight for e in known), whole)) <= Fraction(1, 2)
        for each in known:
            assert abs(each.points - Fraction((each.figure or 0) * each.weight, whole)) < 1


@given(st.integers(0, 99), st.integers(0, 300), st.integers(0, 5))
def test_more_of_anything_good_never_lowers_the_health(score, days_ago, waiting):
    """A better score, fresher attention and fewer waiting requests each leave the health as it is or raise it."""

    def judged(s: int, d: int, w: int) -> int:
        found = health(series(s), since=NOW, attended=NOW - d * DAY, waiting=w, at=NOW)
        assert found.score is not None
        return found.score

    here = judged(score, days_ago + 1, waiting + 1)
    assert judged(score + 1, days_ago + 1, waiting + 1) >= here
    assert judged(score, days_ago, waiting + 1) >= here
    assert judged(score, days_ago + 1, waiting) >= here


def test_health_rules_are_held_to_what_there_is():
    """A part that does not exist and a span of no time are refused."""
    with pytest.raises(Invalid) as told:
        HealthRules(weights=FrozenDict({"luck": 10}))
    assert (told.value.field, told.value.rule) == ("HealthRules.weights", "word")
    with pytest.raises(Invalid):
        HealthRules(alarms=FrozenDict({"luck": 10}))
    for span in ("window", "attention", "purchases"):
        with pytest.raises(Invalid) as told:
            HealthRules(**{span: timedelta(0)})  # type: ignore[arg-type]
        assert (told.value.field, told.value.rule) == (f"HealthRules.{span}", "range")


def test_no_weight_at_all_is_no_health_to_speak_of():
    """If the host weighs nothing, the score is 0 and says why."""
    found = health(series(80), since=NOW, rules=HealthRules(weights=FrozenDict({})), at=NOW)
    assert (found.score, found.why) == (0, "no part has a weight")
    assert risk(found).signs == ()


# risk


def test_each_part_at_its_alarm_is_a_sign():
    """At the alarm it is a sign, one above it is none; two signs are a high risk."""
    fine = health(series(51), since=NOW, attended=NOW, at=NOW)
    assert (risk(fine).level, risk(fine).signs) == (Level.LOW, ())
    low = risk(health(series(50), since=NOW, attended=NOW, at=NOW))
    assert low.level is Level.MEDIUM
    assert [(sign.part, sign.figure, sign.alarm, sign.why) for sign in low.signs] == [
        (Part.SATISFACTION, 50, 50, "use 50")
    ]
    both = risk(health(series(50), since=NOW, attended=NOW, waiting=1, at=NOW))
    assert (both.level, [sign.part for sign in both.signs]) == (Level.HIGH, [Part.SATISFACTION, Part.REQUESTS])


def test_a_falling_trend_silence_and_neglect_are_signs():
    """Each of the three alone makes the risk medium."""
    falling = risk(health(series(100, 90), since=NOW, at=NOW))
    assert [sign.part for sign in falling.signs] == [Part.TREND]
    neglected = risk(health(series(90), since=NOW - 180 * DAY, at=NOW))
    assert [sign.part for sign in neglected.signs] == [Part.ATTENTION]
    silent = risk(health([], since=NOW, bought=NOW - 365 * DAY, at=NOW))
    assert [sign.part for sign in silent.signs] == [Part.PURCHASES]
    assert {each.level for each in (falling, neglected, silent)} == {Level.MEDIUM}


def test_a_part_without_weight_or_alarm_is_no_sign():
    """What the host does not weigh, or sets no alarm on, does not frighten."""
    unhappy = series(10)
    unweighed = HealthRules(weights=FrozenDict({Part.REQUESTS: 1}))
    assert risk(health(unhappy, since=NOW, rules=unweighed, at=NOW), rules=unweighed).signs == ()
    silent = HealthRules(alarms=FrozenDict({}))
    assert risk(health(unhappy, since=NOW, rules=silent, at=NOW), rules=silent).level is Level.LOW
    bold = HealthRules(high=1)
    assert risk(health(unhappy, since=NOW, at=NOW), rules=bold).level is Level.HIGH


# attention


def test_unattended_begins_exactly_at_the_limit():
    """Ninety days without attention are too many, a microsecond less is not; it says for how long."""
    since = NOW - 500 * DAY
    assert (
        unattended("cus_1", since=since, attended=NOW - 90 * DAY + timedelta(microseconds=1), within=90 * DAY, at=NOW)
        is None
    )
    assert unattended("cus_1", since=since, attended=NOW - 90 * DAY, within=90 * DAY, at=NOW) == Unattended(
        customer="cus_1",
        attended=NOW - 90 * DAY,
        days=90,
        limit=90,
        why="last had a person's attention 90 days ago, 90 are too long",
    )
    never = unattended("cus_1", since=since, attended=None, within=90 * DAY, at=NOW)
    assert never is not None
    assert never.why == "never had a person's attention, known for 500 days, 90 are too long"
