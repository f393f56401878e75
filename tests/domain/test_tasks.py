"""Tasks: planned ahead, put off, done or cancelled, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crmkit.domain.tasks import (
    TASK,
    Task,
    TaskCancelled,
    TaskDone,
    TaskKind,
    TaskPlanned,
    TaskRescheduled,
    TaskStatus,
    cancel,
    done,
    is_overdue,
    plan,
    reschedule,
)
from crmkit.errors import Invalid, MoveRefused
from crmkit.kernel.codec import decode, decode_event, encode, encode_event

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=6)


def planned(**more: object) -> Task:
    given = {"due": LATER, "owner": "rep-lito", "at": NOW, "id": "tsk_1", **more}
    return plan("cus_1", "Call back", **given).record  # type: ignore[arg-type]


def test_plan_tells_everything_about_the_task():
    """A planned task holds what was said, and its event tells the same."""
    change = plan(
        "cus_1", "See her", due=LATER, owner="rep-lito", kind=TaskKind.VISIT, interaction="int_1", at=NOW, id="tsk_1"
    )
    assert change.before is None
    assert change.record == Task(
        id="tsk_1",
        customer="cus_1",
        title="See her",
        kind=TaskKind.VISIT,
        due=LATER,
        owner="rep-lito",
        interaction="int_1",
    )
    assert change.record.version == 1
    assert isinstance(change.event, TaskPlanned)
    assert change.event.due == LATER


def test_a_task_may_be_due_at_once_but_not_before():
    """What is due now is planned; what was due a microsecond ago is refused."""
    assert planned(due=NOW).due == NOW
    with pytest.raises(Invalid) as told:
        planned(due=NOW - timedelta(microseconds=1))
    assert (told.value.field, told.value.rule) == ("Task.due", "past")


def test_reschedule_keeps_what_is_not_said_and_tells_what_held_before():
    """A new time keeps the owner, a new owner keeps the time, and the event has both before and after."""
    task = planned()
    later = reschedule(task, LATER + timedelta(days=1), at=NOW)
    assert (later.record.due, later.record.owner, later.record.version) == (LATER + timedelta(days=1), "rep-lito", 2)
    given = reschedule(later.record, owner="rep-ana", at=NOW)
    assert (given.record.due, given.record.owner) == (LATER + timedelta(days=1), "rep-ana")
    assert given.event == TaskRescheduled(
        due=LATER + timedelta(days=1), owner="rep-ana", was_due=LATER + timedelta(days=1), was_owner="rep-lito"
    )


def test_reschedule_refuses_the_past_but_hands_an_overdue_task_over():
    """No task is put off into the past; one that is overdue can still be given to somebody else."""
    task = planned()
    with pytest.raises(Invalid, match=r"Task\.due"):
        reschedule(task, NOW, at=NOW + timedelta(seconds=1))
    assert reschedule(task, owner="rep-ana", at=LATER + timedelta(days=9)).record.owner == "rep-ana"


def test_done_and_cancelled_close_the_task_with_the_outcome():
    """Both ends keep when it was and what came of it."""
    finished = done(planned(), "She takes both.", at=LATER)
    assert (finished.record.status, finished.record.closed, finished.record.outcome) == (
        TaskStatus.DONE,
        LATER,
        "She takes both.",
    )
    assert isinstance(finished.event, TaskDone)
    ended = cancel(planned(), at=LATER)
    assert (ended.record.status, ended.record.closed, ended.record.outcome) == (TaskStatus.CANCELLED, LATER, "")
    assert isinstance(ended.event, TaskCancelled)


@pytest.mark.parametrize("end", [done, cancel])
@pytest.mark.parametrize("rule", [done, cancel, lambda task, at: reschedule(task, at + timedelta(days=1), at=at)])
def test_nothing_happens_to_a_task_that_is_over(end, rule):
    """A task that is done or cancelled refuses everything, and says so."""
    over = end(planned(), at=LATER).record
    with pytest.raises(MoveRefused) as told:
        rule(over, at=LATER)
    assert (told.value.machine, told.value.state, told.value.why) == ("task", str(over.status), "final state")


def test_is_overdue_only_while_open_and_only_after_its_time():
    """At its time a task is not overdue, just after it is, and never once it is done."""
    task = planned()
    assert not is_overdue(task, at=LATER)
    assert is_overdue(task, at=LATER + timedelta(microseconds=1))
    assert not is_overdue(done(task, at=LATER).record, at=LATER + timedelta(days=1))


def test_the_host_brings_its_own_kinds():
    """A kind that crmkit does not know is kept as it is, and a known word becomes the member."""
    assert planned(kind="demo").kind == "demo"
    assert planned(kind="visit").kind is TaskKind.VISIT


def test_a_task_survives_storing():
    """What is stored reads back equal, record and events, and personal words stand apart in the journal."""
    change = done(planned(), "Ana said yes.", at=LATER)
    row = encode(change.record)
    assert decode(Task.__kind__, row, version=2, schema=1) == change.record
    body, personal = encode_event(change.event)
    assert "Ana" not in body
    assert decode_event("task.done", body, personal, schema=1) == change.event


def test_the_machine_is_sound():
    """The definition has nothing doubtful in it."""
    assert [finding for finding in TASK.findings if finding.level != "note"] == []


def test_personal_words_do_not_show():
    """Title and outcome are left out of what a log might print."""
    task = done(planned(), "She moved to Madrid.", at=LATER).record
    assert "Madrid" not in repr(task)
    assert "Call back" not in repr(task)
