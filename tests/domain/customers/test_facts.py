"""Facts: the small values of a profile, what they refuse, and provenance."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from crmkit.domain.customers.facts import (
    ChannelPreference,
    Dependant,
    Identifier,
    ImportantDate,
    Interest,
    Liking,
    Preference,
    Provenance,
    SourceKind,
    local_day,
    local_time,
    not_to_come,
    relearned,
)
from crmkit.domain.words import Channel
from crmkit.errors import Invalid
from crmkit.kernel.dates import PartialDate
from crmkit.kernel.frozen import FrozenDict

LATE = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
TOLD = Provenance(at=LATE, by="rep-lito")


def test_facts_take_words_and_dates_as_text() -> None:
    """Texts become the words and dates that they name; a source of the host's own stays a text."""
    assert Interest("coffee", "dislikes").liking is Liking.DISLIKES  # type: ignore[arg-type]
    assert ImportantDate("wedding", "2015-06-20").on == PartialDate(2015, 6, 20)
    assert Dependant("Lia", born="2010-03").born == PartialDate(2010, 3)
    assert ChannelPreference("phone", "avoided") == ChannelPreference(Channel.PHONE, Preference.AVOIDED)  # type: ignore[arg-type]
    assert Provenance(at=LATE, by="web", source="referral").source is SourceKind.REFERRAL
    assert Provenance(at=LATE, by="web", source="horoscope").source == "horoscope"


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Identifier("Card", "77"), "slug"),
        (lambda: Identifier("a:b", "77"), "slug"),
        (lambda: Identifier("x" * 21, "77"), "too-long"),
        (lambda: Identifier("card", " 77"), "space"),
        (lambda: Identifier("card", "x" * 65), "too-long"),
        (lambda: Identifier("card", ""), "empty"),
        (lambda: ImportantDate("", "2015"), "empty"),
        (lambda: ImportantDate("wedding", "soon"), "date"),
        (lambda: ImportantDate("wedding", None), "type"),  # type: ignore[arg-type]
        (lambda: Dependant("Lia", born="2025-02-29"), "no-such-day"),
        (lambda: Interest("coffee", "loves"), "word"),  # type: ignore[arg-type]
        (lambda: Interest("cof\nfee"), "line-break"),
        (lambda: ChannelPreference("pigeon"), "word"),  # type: ignore[arg-type]
        (lambda: ChannelPreference(Channel.PHONE, best_from="18:00"), "hours"),
        (lambda: ChannelPreference(Channel.PHONE, best_until="18:00"), "hours"),
        (lambda: ChannelPreference(Channel.PHONE, best_from="18:00", best_until="18:00"), "hours"),
        (lambda: ChannelPreference(Channel.PHONE, best_from="6pm", best_until="20:00"), "hours"),
        (lambda: ChannelPreference(Channel.PHONE, best_from="24:00", best_until="20:00"), "hours"),
        (lambda: ChannelPreference(Channel.PHONE, best_from="18:60", best_until="20:00"), "hours"),
        (lambda: Provenance(at=LATE, by=""), "empty"),
    ],
)
def test_facts_that_cannot_be_are_refused(make: Any, rule: str) -> None:
    """Each refusal has the code of its rule."""
    with pytest.raises(Invalid) as error:
        make()
    assert error.value.rule == rule


@pytest.mark.parametrize(
    ("hours", "time", "suits"),
    [
        (("18:00", "20:00"), "17:59", False),
        (("18:00", "20:00"), "18:00", True),
        (("18:00", "20:00"), "19:59", True),
        (("18:00", "20:00"), "20:00", False),
        (("22:00", "08:00"), "21:59", False),
        (("22:00", "08:00"), "22:00", True),
        (("22:00", "08:00"), "07:59", True),
        (("22:00", "08:00"), "08:00", False),
        (("", ""), "03:00", True),
    ],
)
def test_best_hours_may_lie_past_midnight(hours: tuple[str, str], time: str, suits: bool) -> None:
    """The first minute belongs to them, the last does not; without any, all hours are as good."""
    wish = ChannelPreference(Channel.PHONE, best_from=hours[0], best_until=hours[1])
    assert wish.suits(time) is suits


def test_a_fact_was_last_known_when_it_was_verified_or_else_learned() -> None:
    """Verifying renews a fact."""
    verified = Provenance(at=LATE, by="web", verified_at=datetime(2026, 4, 1, tzinfo=UTC), verified_by="rep")
    assert (TOLD.known_at, verified.known_at) == (LATE, datetime(2026, 4, 1, tzinfo=UTC))


def test_learning_again_replaces_and_taking_away_forgets() -> None:
    """Facts that were not touched keep the provenance that they have."""
    new = Provenance(at=LATE, by="rep-mia")
    kept = FrozenDict({"a": TOLD, "b": TOLD, "c": TOLD})
    assert relearned(kept, {"a": True, "b": False, "d": True, "e": False}, new) == {"a": new, "c": TOLD, "d": new}
    assert relearned(kept, {"a": False}) == {"b": TOLD, "c": TOLD}


def test_the_day_of_a_customer_is_that_of_their_zone() -> None:
    """Half an hour before midnight in UTC it is tomorrow in Manila; a zone that is gone counts as none."""
    assert local_day(LATE, "Asia/Manila") == date(2026, 3, 2)
    assert local_day(LATE, "") == date(2026, 3, 1)
    assert local_day(LATE, "Mars/Olympus") == date(2026, 3, 1)
    assert (local_time(LATE, ""), local_time(LATE, "Mars/Olympus")) == (None, None)
    not_to_come("born", PartialDate(2026, 3, 2), at=LATE, zone="Asia/Manila")
    not_to_come("born", None, at=LATE, zone="")
    with pytest.raises(Invalid) as error:
        not_to_come("born", PartialDate(2026, 3, 2), at=LATE, zone="Mars/Olympus")
    assert (error.value.field, error.value.rule) == ("born", "future")
