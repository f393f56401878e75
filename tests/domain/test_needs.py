"""Needs: learned at any contact, followed until met or declined, and again when they come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crmkit.domain.needs import (
    NEED,
    DeclineCause,
    Need,
    NeedDeclined,
    NeedKind,
    NeedMet,
    NeedReopened,
    NeedStatus,
    decline,
    is_unmet,
    learn,
    meet,
    reopen,
)
from crmkit.errors import Invalid, MoveRefused
from crmkit.kernel.codec import decode, decode_event, encode, encode_event

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def learned(**more: object) -> Need:
    return learn("cus_1", "a second bicycle", at=NOW, id="ned_1", **more).record  # type: ignore[arg-type]


def test_learn_keeps_what_was_said():
    """A need holds what, how much it matters, what would meet it, and where it was learned."""
    need = learned(
        kind=NeedKind.WANT,
        products=["bike-24"],
        categories=["bicycles"],
        importance=5,
        interaction="int_1",
        when=NOW - DAY,
    )
    assert need == Need(
        id="ned_1",
        customer="cus_1",
        what="a second bicycle",
        kind=NeedKind.WANT,
        products=("bike-24",),
        categories=("bicycles",),
        importance=5,
        interaction="int_1",
        at=NOW - DAY,
    )
    assert (need.version, need.status) == (1, NeedStatus.OPEN)


def test_a_need_is_learned_now_unless_said_otherwise_and_never_in_the_future():
    """Five minutes of a fast clock pass, more does not."""
    assert learned().at == NOW
    assert learned(when=NOW + timedelta(minutes=5)).at == NOW + timedelta(minutes=5)
    with pytest.raises(Invalid) as told:
        learned(when=NOW + timedelta(minutes=5, microseconds=1))
    assert (told.value.field, told.value.rule) == ("Need.at", "future")


@pytest.mark.parametrize("importance", [0, 6, True, 2.0])
def test_importance_is_one_to_five(importance):
    """Anything but a whole number from 1 to 5 is refused."""
    with pytest.raises(Invalid, match="importance"):
        learned(importance=importance)


def test_meet_says_by_what():
    """A purchase or other means meet a need; the event tells the same."""
    change = meet(learned(), "pur_1", at=NOW + DAY)
    assert (change.record.status, change.record.settled, change.record.purchase) == (NeedStatus.MET, NOW + DAY, "pur_1")
    assert change.event == NeedMet(settled=NOW + DAY, purchase="pur_1")
    assert meet(learned(), at=NOW).record.purchase is None


def test_decline_says_why():
    """The cause is one of the known ones, given as a member or as its text; words may be added."""
    change = decline(learned(), DeclineCause.TOO_EXPENSIVE, "Twice his budget.", at=NOW)
    record = change.record
    assert (record.status, record.settled, record.cause) == (NeedStatus.DECLINED, NOW, DeclineCause.TOO_EXPENSIVE)
    assert record.words == "Twice his budget."
    assert isinstance(change.event, NeedDeclined)
    assert decline(learned(), "other", at=NOW).record.cause is DeclineCause.OTHER  # type: ignore[arg-type]


@pytest.mark.parametrize("cause", ["boring", None])
def test_decline_needs_a_known_cause(cause):
    """A cause that there is not, or none, is refused with those that there are."""
    with pytest.raises(MoveRefused) as told:
        decline(learned(), cause, at=NOW)
    assert told.value.why == "cause missing or wrong"
    assert "too-expensive" in str(told.value)


def test_reopen_forgets_how_it_had_ended():
    """A need that comes back is open as on the first day, and the event tells what it had been."""
    declined = decline(learned(), DeclineCause.OTHER, "Later.", at=NOW).record
    change = reopen(declined, at=NOW + DAY)
    assert change.record == learned()
    assert change.record.version == 3
    assert change.event == NeedReopened(was=NeedStatus.DECLINED)
    assert reopen(meet(learned(), "pur_1", at=NOW).record, at=NOW).record == learned()


def test_what_is_settled_is_not_settled_again():
    """Met or declined, only reopening is left; open, it is not."""
    for settled in (meet(learned(), at=NOW).record, decline(learned(), DeclineCause.OTHER, at=NOW).record):
        with pytest.raises(MoveRefused) as told:
            meet(settled, at=NOW)
        assert told.value.allowed == ("reopen",)
        with pytest.raises(MoveRefused):
            decline(settled, DeclineCause.OTHER, at=NOW)
    with pytest.raises(MoveRefused):
        reopen(learned(), at=NOW)


def test_is_unmet_counts_from_when_it_was_learned():
    """A need is unmet for as long as it is open, and old enough from exactly its age on."""
    need = learned()
    assert is_unmet(need, at=NOW)
    assert is_unmet(need, older_than=DAY, at=NOW + DAY)
    assert not is_unmet(need, older_than=DAY, at=NOW + DAY - timedelta(microseconds=1))
    assert not is_unmet(meet(need, at=NOW).record, at=NOW + DAY)


def test_a_need_survives_storing():
    """Record and events read back equal, and the customer's words stand apart in the journal."""
    change = decline(learned(products=["a", "b"]), DeclineCause.OTHER, "Ana moved.", at=NOW)
    assert decode(Need.__kind__, encode(change.record), version=2, schema=1) == change.record
    body, personal = encode_event(change.event)
    assert "Ana" not in body
    assert decode_event("need.declined", body, personal, schema=1) == change.event


def test_the_machine_is_sound():
    """The definition has nothing doubtful in it."""
    assert [finding for finding in NEED.findings if finding.level != "note"] == []
