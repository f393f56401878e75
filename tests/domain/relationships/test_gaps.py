"""Gaps: what was asked for and no means could serve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crmkit.domain.relationships.gaps import Served, close_gap, find_gap, means_for
from crmkit.domain.relationships.types import AUTOMATED_SERVICES, COMMUNITIES, SELF_SERVICE, TypeRules
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.codec import decode_event, encode_event

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "topic", "means"),
    [
        (SELF_SERVICE, "order", ("kiosk", "portal")),
        (SELF_SERVICE, "troubleshooting", ("help",)),
        (SELF_SERVICE, "engraving", ()),
        (AUTOMATED_SERVICES, "invoices", ("portal",)),
        (COMMUNITIES, "engraving", ("a person",)),
        (TypeRules(name="bare", says="No means at all.", self_help={}), "order", ()),
    ],
)
def test_what_serves_a_topic(rules: TypeRules, topic: str, means: tuple[str, ...]) -> None:
    """The means that are declared for it, by name; people where there are none."""
    assert means_for(rules, topic) == means


def test_a_gap_is_found_and_closed_once() -> None:
    """Who asked for what, where and when; later, what serves it now."""
    found = find_gap("cus_1", "rel_1", "engraving", note="For Eva.", id="gap_1", at=START)
    gap = found.record
    assert (gap.customer, gap.relationship, gap.topic, gap.note, gap.asked, gap.closed) == (
        "cus_1",
        "rel_1",
        "engraving",
        "For Eva.",
        START,
        None,
    )
    body, personal = encode_event(found.event)
    assert "Eva" not in body
    assert decode_event("gap.found", body, personal, schema=1) == found.event
    closed = close_gap(gap, "The kiosk engraves.", at=START + timedelta(days=1)).record
    assert (closed.closed, closed.remedy) == (START + timedelta(days=1), "The kiosk engraves.")
    with pytest.raises(Refusal, match="it was closed on 2026-01-02") as refused:
        close_gap(closed, "again", at=START)
    assert (refused.value.subject, refused.value.rule) == ("gap gap_1", "closed")


@pytest.mark.parametrize("topic", ["", " ", "a\nb", "x" * 121])
def test_a_topic_is_a_line(topic: str) -> None:
    """What cannot be asked for cannot be missing."""
    with pytest.raises(Invalid):
        find_gap("cus_1", "rel_1", topic, id="gap_1", at=START)
    with pytest.raises(Invalid):
        Served(topic=topic, means=())
