"""Evidence: tallies, what was bought, the trust index that adds up, and purchases as evidence."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.relationships.evidence import (
    NO_TALLIES,
    NOTHING_BOUGHT,
    PURCHASES_AS_EVIDENCE,
    REMEMBERED,
    TRUST,
    Bought,
    Buying,
    Evidence,
    EvidenceKind,
    EvidenceRule,
    Tallies,
    Tally,
    Weight,
    as_table,
    counted,
    noted,
    shown_by,
    trust_index,
    uncounted,
    with_purchase,
    without_purchase,
)
from crmkit.errors import Invalid
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.money import Money

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENTS = st.integers(0, 1000).map(lambda n: START + n * DAY)


def tallies(**counts: int) -> Tallies:
    return FrozenDict({kind.replace("_", " "): Tally(count=n, last=START) for kind, n in counts.items()})


def euros(amount: int | str, day: int = 0) -> Bought:
    return Bought(START + day * DAY, Money(amount, "EUR"))


def test_tallies_keep_count_last_and_best() -> None:
    """Each piece counts; the last score is that of the newest that had one, the best is the best of all."""
    found = NO_TALLIES
    for day, score in ((1, 60), (3, None), (2, 90), (4, 70)):
        found = counted(found, "visit", at=START + day * DAY, score=score)
    assert found == {"visit": Tally(count=4, last=START + 4 * DAY, score=70, best=90)}


def test_what_comes_in_late_does_not_pass_for_the_last() -> None:
    """An older score does not replace a newer one, but fills in where there was none."""
    newest = counted(NO_TALLIES, "visit", at=START + 5 * DAY, score=50)
    assert counted(newest, "visit", at=START, score=90)["visit"] == Tally(
        count=2, last=START + 5 * DAY, score=50, best=90
    )
    unscored = counted(NO_TALLIES, "visit", at=START + 5 * DAY)
    assert counted(unscored, "visit", at=START, score=90)["visit"].score == 90


def test_an_equal_moment_is_the_newer_one() -> None:
    """Of two at the same moment the one that was noted later is the last."""
    first = counted(NO_TALLIES, "visit", at=START, score=50)
    assert counted(first, "visit", at=START, score=60)["visit"].score == 60


def test_uncounting_takes_one_away() -> None:
    """One less, the kind gone with its last one, and nothing where there was none."""
    two = noted(NO_TALLIES, [Evidence("visit"), Evidence("visit")], at=START)
    assert uncounted(two, "visit")["visit"].count == 1
    assert uncounted(uncounted(two, "visit"), "visit") == {}
    assert uncounted(NO_TALLIES, "visit") == {}


@given(st.lists(st.tuples(MOMENTS, st.none() | st.integers(0, 100)), max_size=20))
def test_tallies_do_not_depend_on_the_order_but_for_ties(pieces: list[tuple[datetime, int | None]]) -> None:
    """Count, last and best are the same in whatever order evidence comes in."""

    def total(some: list[tuple[datetime, int | None]]) -> tuple[int, datetime, int | None] | None:
        found = NO_TALLIES
        for at, score in some:
            found = counted(found, "visit", at=at, score=score)
        tally = found.get("visit")
        return None if tally is None else (tally.count, tally.last, tally.best)

    assert total(pieces) == total(pieces[::-1])


def test_buying_sums_by_currency_and_remembers_ten() -> None:
    """Number and sums of all purchases, the newest ten one by one, oldest first, in whatever order they come."""
    buying = NOTHING_BOUGHT
    for day in (5, 1, 4, 2, 3, 9, 8, 7, 6, 11, 10, 0):
        buying = with_purchase(buying, euros(day + 1, day))
    buying = with_purchase(buying, Bought(START + 20 * DAY, Money(7, "USD")))
    buying = with_purchase(buying, Bought(START + 21 * DAY))
    assert (buying.count, {k: str(v) for k, v in buying.spent.items()}) == (14, {"EUR": "78.00 EUR", "USD": "7.00 USD"})
    assert [(each.on - START).days for each in buying.recent] == [4, 5, 6, 7, 8, 9, 10, 11, 20, 21]
    assert len(buying.recent) == REMEMBERED


@given(st.lists(st.tuples(MOMENTS, st.integers(1, 500)), min_size=1, max_size=REMEMBERED))
def test_taking_a_purchase_out_undoes_putting_it_in(pieces: list[tuple[datetime, int]]) -> None:
    """As long as all of them are remembered, with and without are inverse."""
    buying = NOTHING_BOUGHT
    for at, amount in pieces[1:]:
        buying = with_purchase(buying, Bought(at, Money(amount, "EUR")))
    bought = Bought(pieces[0][0], Money(pieces[0][1], "EUR"))
    back = without_purchase(with_purchase(buying, bought), bought)
    assert (back.count, Counter(back.recent)) == (buying.count, Counter(buying.recent))
    assert back.spent.get("EUR", Money.zero("EUR")) == buying.spent.get("EUR", Money.zero("EUR"))


def test_a_purchase_that_is_remembered_no_more_is_still_taken_out() -> None:
    """Number and sum are corrected even if it is not among the newest; the number never falls below nothing."""
    buying = Buying(count=3, spent=FrozenDict({"EUR": Money(30, "EUR")}), recent=(euros(10, 5),))
    gone = without_purchase(buying, euros(4, 0))
    assert (gone.count, str(gone.spent["EUR"]), gone.recent) == (2, "26.00 EUR", buying.recent)
    assert without_purchase(NOTHING_BOUGHT, Bought(START)).count == 0


def test_trust_adds_up() -> None:
    """Every part says what it is about, its figure and its points; what is cut off is a part too."""
    trust = trust_index(tallies(purchase=7, promise_broken=1, visits=3, complaint=1, complaint_resolved=1))
    assert trust.index == 10
    assert {(part.what, part.figure, part.points) for part in trust.parts} == {
        ("purchase", 7, 40),
        ("promise broken", 1, -25),
        ("complaint", 1, -15),
        ("complaint resolved", 1, 10),
    }


@pytest.mark.parametrize(("score", "points"), [(0, -20), (49, 0), (50, 0), (75, 10), (100, 20), (20, -12)])
def test_satisfaction_weighs_by_its_distance_from_the_middle(score: int, points: int) -> None:
    """A score of 50 gives nothing; fractions are rounded towards nothing."""
    some = tallies(purchase=4).with_("satisfaction", Tally(count=1, last=START, score=score))
    assert trust_index(some).index == 40 + points


def test_satisfaction_without_a_score_weighs_nothing() -> None:
    """That a customer was asked says nothing."""
    assert trust_index(tallies(satisfaction=3)).parts == ()


def test_a_host_weighs_for_itself() -> None:
    """Weights are data: further kinds count once they are given points."""
    assert trust_index(tallies(visits=3)).index == 0
    assert trust_index(tallies(visits=3), {**TRUST, "visits": Weight(20, 2)}).index == 40


@given(st.dictionaries(st.sampled_from([*map(str, EvidenceKind), "own"]), st.integers(1, 50)), st.integers(0, 100))
def test_trust_stays_in_bounds_and_always_adds_up(counts: dict[str, int], score: int) -> None:
    """From 0 to 100, and the points of all parts make the index."""
    some = FrozenDict({kind: Tally(count=n, last=START, score=score) for kind, n in counts.items()})
    trust = trust_index(some)
    assert 0 <= trust.index <= 100
    assert sum(part.points for part in trust.parts) == trust.index


def buying(*purchases: Bought) -> Buying:
    found = NOTHING_BOUGHT
    for each in purchases:
        found = with_purchase(found, each)
    return found


@pytest.mark.parametrize(
    ("rule", "purchases", "holds"),
    [
        ({"purchases": 2}, [euros(1)], False),
        ({"purchases": 2}, [euros(1), euros(1)], True),
        ({"purchases": 1, "spent": Money(10, "EUR")}, [euros("9.99")], False),
        ({"purchases": 1, "spent": Money(10, "EUR")}, [euros(4), euros(6)], True),
        ({"purchases": 1, "spent": Money(10, "USD")}, [euros(100)], False),
        ({"purchases": 2, "within": 10 * DAY}, [euros(1, 0), euros(1, 11)], False),
        ({"purchases": 2, "within": 10 * DAY}, [euros(1, 0), euros(1, 10)], True),
        ({"purchases": 2, "within": 10 * DAY}, [euros(1, 0), euros(1, 5), euros(1, 30)], False),
        ({"purchases": 1, "within": 10 * DAY, "spent": Money(10, "EUR")}, [euros(9, 0), euros(9, 11)], False),
        ({"purchases": 1, "within": 10 * DAY, "spent": Money(10, "EUR")}, [euros(9, 0), euros(9, 10)], True),
        ({"purchases": 1, "within": DAY}, [], False),
        ({"purchases": 0}, [], True),
    ],
)
def test_rules_hold_over_figures(*, rule: dict[str, object], purchases: list[Bought], holds: bool) -> None:
    """At least so many purchases, of at least so much, within a span that ends with the newest."""
    assert EvidenceRule(name="r", shows="x", **rule).holds(buying(*purchases)) is holds


def test_what_was_shown_is_not_shown_again() -> None:
    """A rule's evidence is noted once."""
    regular = buying(*(euros(1, day) for day in range(4)))
    assert [rule.name for rule in shown_by(regular, PURCHASES_AS_EVIDENCE, NO_TALLIES)] == [
        "came back",
        "keeps buying",
        "buys regularly",
    ]
    assert [rule.name for rule in shown_by(regular, PURCHASES_AS_EVIDENCE, tallies(trial_passed=1))] == [
        "keeps buying",
        "buys regularly",
    ]


def test_a_span_cannot_ask_for_more_than_is_remembered() -> None:
    """With a span a rule counts single purchases, of which ten are remembered."""
    assert EvidenceRule(name="r", shows="x", purchases=10, within=DAY).purchases == 10
    assert EvidenceRule(name="r", shows="x", purchases=11).purchases == 11
    with pytest.raises(Invalid) as refused:
        EvidenceRule(name="r", shows="x", purchases=11, within=DAY)
    assert (refused.value.field, refused.value.rule) == ("EvidenceRule.purchases", "range")


def test_the_table_tells_every_rule() -> None:
    """What a host prints: conditions with figures, what they show, what is tried."""
    rule = EvidenceRule(name="big", shows="trust", purchases=1, spent=Money(100, "EUR"), within=30 * DAY)
    assert as_table([*PURCHASES_AS_EVIDENCE, rule]) == (
        "| rule | when | shows | then tries |\n"
        "| --- | --- | --- | --- |\n"
        "| came back | at least 2 purchases | trial passed | – |\n"
        "| keeps buying | at least 3 purchases | value understood | understand |\n"
        "| buys regularly | at least 4 purchases within 365 days | regular purchases | expand |\n"
        "| big | at least 1 purchase of at least 100.00 EUR within 30 days | trust | – |"
    )
