"""Strategies: what is meant for whom, and what contradicts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from crmkit.domain.relationships.evidence import Tally
from crmkit.domain.relationships.lifecycles import LIFECYCLE
from crmkit.domain.relationships.relationship import begin
from crmkit.domain.relationships.strategies import Intention, Strategy, contradictions
from crmkit.domain.relationships.types import PERSONAL_ASSISTANCE
from crmkit.domain.words import Channel
from crmkit.errors import DefinitionError
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.query import field

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TIE = attrs.evolve(
    begin("cus_1", PERSONAL_ASSISTANCE, id="rel_1", machine=LIFECYCLE, at=START).record,
    contacts=FrozenDict({"visit": Tally(count=3, last=START), "email": Tally(count=1, last=START + 9 * DAY)}),
)


def test_type_and_channels_that_are_not_meant() -> None:
    """Each contradiction is a sentence with figures, the type first, the channels by name."""
    intention = Intention(name="x", type="self-service", channels=[Channel.PORTAL, "kiosk"])
    assert contradictions(TIE, intention) == (
        "type: personal-assistance, meant is self-service",
        "email: 1 contacts, the last on 2026-01-10; meant is kiosk, portal",
        "visit: 3 contacts, the last on 2026-01-01; meant is kiosk, portal",
    )


def test_what_is_meant_is_no_contradiction() -> None:
    """The right type by the right channels; without channels any will do."""
    assert contradictions(TIE, Intention(name="x", type="personal-assistance", channels=["visit", "email"])) == ()
    assert contradictions(TIE, Intention(name="x", type="personal-assistance")) == ()


def test_a_window_leaves_older_contact_out() -> None:
    """Contact at the beginning of the window is in it."""
    only_visits = Intention(name="x", type="personal-assistance", channels=["visit"])
    assert len(contradictions(TIE, only_visits, since=START + 9 * DAY)) == 1
    assert contradictions(TIE, only_visits, since=START + 10 * DAY) == ()


def intention(name: str, *, everybody: bool = False) -> Intention:
    condition = {} if everybody else {"where": field("kind") == "person"}
    return Intention(name=name, type="long-term", **condition)


@pytest.mark.parametrize(
    ("intentions", "problems"),
    [
        ([], ("name at least one intention",)),
        ([intention("a"), intention("a")], ("'a' is there twice",)),
        (
            [intention("a", everybody=True), intention("b"), intention("c", everybody=True)],
            (
                "'b' is never reached: 'a' before it takes everybody",
                "'c' is never reached: 'a' before it takes everybody",
            ),
        ),
    ],
)
def test_a_strategy_that_contradicts_itself_is_refused(intentions: list[Intention], problems: tuple[str, ...]) -> None:
    """With everything that is wrong with it."""
    with pytest.raises(DefinitionError) as refused:
        Strategy("2026", intentions)
    assert (refused.value.name, refused.value.problems) == ("strategy 2026", problems)


def test_everybody_comes_last() -> None:
    """The last intention may take all who are left."""
    strategy = Strategy("2026", [intention("a"), intention("b", everybody=True)])
    assert [each.name for each in strategy.intentions] == ["a", "b"]
