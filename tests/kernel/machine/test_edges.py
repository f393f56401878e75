"""Edges: what an author writes."""

from datetime import timedelta

import pytest
from tests.kernel.machine.lifecycles import OPEN, Signal, Stage, has_bought, trusted

from crmkit.kernel.machine import Previous, days, edge, hours, minutes, previous, seconds, warning, weeks
from crmkit.kernel.machine.edges import told


def test_an_edge_keeps_what_was_written():
    """Nothing is looked up yet."""
    written = edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND, when=[trusted], unless=[has_bought])
    assert written.sources == ("awareness",)
    assert (written.target, written.on, written.after) == (Stage.EXPANSION, Signal.EXPAND, None)
    assert (written.when, written.unless, written.overlaps) == ((trusted,), (has_bought,), False)


@pytest.mark.parametrize(
    ("source", "sources"),
    [
        (Stage.AWARENESS, {Stage.AWARENESS}),
        ([Stage.AWARENESS, Stage.EXPANSION], {Stage.AWARENESS, Stage.EXPANSION}),
        (OPEN, OPEN),
        ("open", {"open"}),
        (Stage, set(Stage)),
    ],
)
def test_a_source_is_a_state_some_states_or_a_group(source, sources):
    """Text is one name, never its letters."""
    assert set(edge(source, Stage.DISSOLUTION, on=Signal.DISSOLVE).sources) == sources
    assert set(warning("silence", source, after=days(1)).sources) == sources


def test_an_overlap_is_marked_in_words():
    """The mark says what happens."""
    assert edge("open", Stage.DISSOLUTION, on=Signal.DISSOLVE, overlaps="first wins").overlaps


def test_a_way_back_lists_where_it_may_lead():
    """The target is one of several states."""
    assert previous(Stage.AWARENESS, Stage.EXPANSION) == Previous((Stage.AWARENESS, Stage.EXPANSION))


@pytest.mark.parametrize(
    ("made", "exact"),
    [
        (seconds(1.5), timedelta(milliseconds=1500)),
        (minutes(2), timedelta(seconds=120)),
        (hours(3), timedelta(seconds=10800)),
        (days(4), timedelta(hours=96)),
        (weeks(5), timedelta(days=35)),
    ],
)
def test_delays_are_exact_durations(made, exact):
    """A day has 24 hours, wherever the customer lives."""
    assert made == exact


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (days(365), "365 days"),
        (days(1), "1 day"),
        (hours(25), "25 hours"),
        (minutes(90), "90 minutes"),
        (seconds(1), "1 second"),
        (seconds(61), "61 seconds"),
        (seconds(0.25), "0.25 seconds"),
        (timedelta(microseconds=1), "0.000001 seconds"),
        (timedelta(0), "0 seconds"),
        (seconds(100), "100 seconds"),
        (timedelta(days=1000, microseconds=500000), "86400000.5 seconds"),
    ],
)
def test_a_duration_is_told_in_its_largest_whole_unit(duration, text):
    """Labels are short and exact."""
    assert told(duration) == text
