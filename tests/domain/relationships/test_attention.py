"""Attention: neglected, due for contact, at risk, and what is coming, each with reasons and figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.relationships.attention import (
    Answer,
    Reason,
    at_risk,
    due_for_contact,
    due_for_contact_where,
    neglected,
    neglected_where,
    upcoming,
)
from crmkit.domain.relationships.evidence import Evidence
from crmkit.domain.relationships.lifecycles import LIFECYCLE, Stage
from crmkit.domain.relationships.proofs import note_evidence
from crmkit.domain.relationships.relationship import Relationship, begin
from crmkit.domain.relationships.types import DEDICATED_ASSISTANCE, LONG_TERM, PERSONAL_ASSISTANCE, TypeRules
from crmkit.kernel.codec import encode
from crmkit.kernel.machine import days, edge
from crmkit.kernel.query import Found, Where, predicate, resolve

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KIND = Relationship.__kind__


def tie_of(rules: TypeRules = LONG_TERM, **changes: Any) -> Relationship:
    tie = begin("cus_1", rules, id="rel_1", machine=LIFECYCLE, owner="rep", at=START).record
    return attrs.evolve(tie, **changes) if changes else tie


def finds(where: Where, tie: Relationship) -> bool:
    return predicate(resolve(where, KIND), KIND)(Found(encode(tie), KIND.keys_of(tie)))


def rules_of(answer: Answer) -> list[str]:
    return [reason.rule for reason in answer.reasons]


def test_neglect_has_figures_and_the_last_personal_contact() -> None:
    """More than ninety days without attention is neglect, ninety are not."""
    tie = tie_of(last_personal=START + 20 * DAY)
    answer = neglected(tie, at=START + 90 * DAY)
    assert (answer.yes, answer.tie) == (False, tie)
    assert answer.reasons == (
        Reason(rule="attention", text="last attention 90 days ago, at most 90", have=90, limit=90),
        Reason(rule="personal", text="last personal contact 70 days ago"),
    )
    assert neglected(tie, at=START + 90 * DAY + timedelta(microseconds=1)).yes
    assert neglected(tie, after=10 * DAY, at=START + 11 * DAY).yes
    assert not finds(neglected_where(90 * DAY, START + 90 * DAY), tie)


def test_what_is_over_is_neither_neglected_nor_at_risk() -> None:
    """The answer says that it is over, and why it ended."""
    over = tie_of(ended=START, cause="fraud", warned="silence", contact_due=None)
    for answer in (neglected(over, at=START + 999 * DAY), at_risk(over, LONG_TERM, LIFECYCLE, at=START + 999 * DAY)):
        assert (answer.yes, answer.reasons) == (False, (Reason(rule="ended", text="it is over, cause fraud"),))


@pytest.mark.parametrize(
    ("day", "yes", "rule", "text"),
    [
        (89, False, "cadence kept", "kept: the company last made contact 89 days ago, agreed are 90"),
        (90, True, "cadence due", "due: the company last made contact 90 days ago, agreed are 90"),
        (98, True, "cadence missed", "missed: the company last made contact 98 days ago, agreed are 90 and 7 of grace"),
    ],
)
def test_contact_is_due_with_figures(*, day: int, yes: bool, rule: str, text: str) -> None:
    """Kept, due, missed."""
    answer = due_for_contact(tie_of(), LONG_TERM, at=START + day * DAY)
    assert (answer.yes, answer.reasons) == (yes, (Reason(rule=rule, text=text, have=day, limit=90),))


def test_without_a_cadence_nothing_is_due() -> None:
    """Nothing was agreed, or it is over."""
    answer = due_for_contact(tie_of(PERSONAL_ASSISTANCE), PERSONAL_ASSISTANCE, at=START + 999 * DAY)
    assert (answer.yes, rules_of(answer)) == (False, ["cadence"])


@given(day=st.integers(0, 200), attended=st.integers(0, 100), over=st.booleans(), agreed=st.booleans())
def test_conditions_find_what_the_questions_say_yes_to(*, day: int, attended: int, over: bool, agreed: bool) -> None:
    """What an index finds is what the rule would answer, for every relationship."""
    at = START + day * DAY
    tie = tie_of(LONG_TERM if agreed else PERSONAL_ASSISTANCE, attended=START + attended * DAY)
    if over:
        tie = attrs.evolve(tie, ended=START, contact_due=None)
    assert finds(neglected_where(90 * DAY, at), tie) == neglected(tie, at=at).yes
    assert finds(due_for_contact_where(at), tie) == due_for_contact(tie, LONG_TERM, at=at).yes


def shown(tie: Relationship, *kinds: str) -> Relationship:
    return note_evidence(tie, *(Evidence(kind) for kind in kinds), at=START).record


@pytest.mark.parametrize(
    ("tie", "reasons"),
    [
        (tie_of(PERSONAL_ASSISTANCE), [("none", None, None)]),
        (tie_of(PERSONAL_ASSISTANCE, warned="silence"), [("silence", 30, None)]),
        (tie_of(PERSONAL_ASSISTANCE, contact_due=START + 22 * DAY, cadence=22 * DAY), [("cadence missed", 30, 22)]),
        (tie_of(PERSONAL_ASSISTANCE, contact_due=START + 23 * DAY, cadence=23 * DAY), [("none", None, None)]),
        (tie_of(PERSONAL_ASSISTANCE, stage=Stage.AWARENESS), [("none", None, None)]),
        (tie_of(PERSONAL_ASSISTANCE, stage=Stage.EXPANSION), [("trust", 0, 60)]),
        (shown(tie_of(PERSONAL_ASSISTANCE, stage=Stage.COMMITMENT), *["promise kept"] * 4), [("trust", 40, 60)]),
        (
            shown(tie_of(PERSONAL_ASSISTANCE, stage=Stage.EXPANSION), *["promise kept"] * 4, *["recommendation"] * 2),
            [("none", None, None)],
        ),
        (shown(tie_of(PERSONAL_ASSISTANCE), "promise broken"), [("promise broken", 1, 0)]),
        (
            shown(tie_of(PERSONAL_ASSISTANCE), "complaint", "complaint", "complaint resolved"),
            [("complaint open", 1, 0)],
        ),
        (shown(tie_of(PERSONAL_ASSISTANCE), "complaint", "complaint resolved"), [("none", None, None)]),
        (shown(tie_of(PERSONAL_ASSISTANCE), "satisfaction"), [("none", None, None)]),
    ],
)
def test_each_reason_for_risk(tie: Relationship, reasons: list[tuple[str, int | None, int | None]]) -> None:
    """After thirty days: every reason alone is enough, and none is none."""
    answer = at_risk(tie, PERSONAL_ASSISTANCE, LIFECYCLE, at=START + 30 * DAY)
    assert [(r.rule, r.have, r.limit) for r in answer.reasons] == reasons
    assert answer.yes is (reasons[0][0] != "none")


@pytest.mark.parametrize(("score", "risky"), [(49, True), (50, False)])
def test_low_satisfaction_is_a_risk(*, score: int, risky: bool) -> None:
    """Below the middle."""
    tie = note_evidence(tie_of(PERSONAL_ASSISTANCE), Evidence("satisfaction", score=score), at=START).record
    answer = at_risk(tie, PERSONAL_ASSISTANCE, LIFECYCLE, at=START)
    assert (answer.yes, rules_of(answer)) == (risky, ["satisfaction" if risky else "none"])


@pytest.mark.parametrize(
    ("since", "at", "risky"),
    [(START, 10, False), (START + DAY, 10, True), (START + DAY, 90, True), (START + DAY, 91, False)],
)
def test_a_new_representative_has_to_settle_in(*, since: datetime, at: int, risky: bool) -> None:
    """Who was there from the beginning is not new; after ninety days nobody is."""
    tie = tie_of(DEDICATED_ASSISTANCE, owner_since=since)
    answer = at_risk(tie, DEDICATED_ASSISTANCE, LIFECYCLE, at=START + at * DAY)
    assert (answer.yes, rules_of(answer)) == (risky, ["new representative" if risky else "none"])
    assert not at_risk(tie, PERSONAL_ASSISTANCE, LIFECYCLE, at=START + at * DAY).yes


def test_what_is_coming() -> None:
    """A warning, a move to another stage, and an end are told apart, with the silence by then."""
    warn, end = (upcoming(tie_of(), LIFECYCLE, each) for each in LIFECYCLE.deadlines(Stage.EXPLORATION, START))
    assert (warn.what, warn.at, warn.stage) == ("warn", START + 180 * DAY, Stage.EXPLORATION)
    assert warn.reasons == (Reason(rule="silence", text="no sign of life for 180 days by then", have=180, limit=180),)
    assert (end.what, end.at, end.stage) == ("end", START + 365 * DAY, Stage.DISSOLUTION)
    shorter = LIFECYCLE.extend(
        version="1+back",
        remove=[edge(Stage.EXPANSION, Stage.DISSOLUTION, after=days(540))],
        add=[edge(Stage.EXPANSION, Stage.AWARENESS, after=days(200))],
    )
    tie = tie_of(stage=Stage.EXPANSION)
    back = upcoming(tie, shorter, shorter.deadlines(Stage.EXPANSION, START)[-1])
    assert (back.what, back.stage) == ("move", Stage.AWARENESS)
