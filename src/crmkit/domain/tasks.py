"""Tasks: what somebody on the company's side has to do for a customer, and by when."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import frozen

from crmkit.errors import Invalid
from crmkit.kernel.checks import Id, Note, Personal
from crmkit.kernel.machine import Machine, edge
from crmkit.kernel.record import Change, Event, Record, change, create, event, record

# words


class TaskKind(StrEnum):
    """What is to be done."""

    VISIT = "visit"
    CALLBACK = "callback"
    OTHER = "other"


class TaskStatus(StrEnum):
    """Where a task stands."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class TaskSignal(StrEnum):
    """What may be asked of a task."""

    DO = "do"
    CANCEL = "cancel"
    RESCHEDULE = "reschedule"


TASK: Machine[TaskStatus, TaskSignal, Any] = Machine(
    "task",
    version=1,
    initial=TaskStatus.OPEN,
    final=[TaskStatus.DONE, TaskStatus.CANCELLED],
    edges=[
        edge(TaskStatus.OPEN, TaskStatus.OPEN, on=TaskSignal.RESCHEDULE),
        edge(TaskStatus.OPEN, TaskStatus.DONE, on=TaskSignal.DO),
        edge(TaskStatus.OPEN, TaskStatus.CANCELLED, on=TaskSignal.CANCEL),
    ],
    doc="Something to do: open until it is done or cancelled.",
)


# records


@record("task", prefix="tsk", customer="customer", indexes=[("owner", "status", "due"), ("customer", "status", "due")])
@frozen(kw_only=True)
class Task(Record):
    """Something to do for a customer.

    Attributes:
        customer: for whom.
        title: what, in one line.
        kind: a visit, a callback, or a word of the host's own.
        due: when it has to happen.
        owner: who has to do it.
        status: open, done or cancelled.
        interaction: the contact at which it was announced, if any.
        closed: when it was done or cancelled.
        outcome: what came of it.
    """

    customer: Id
    title: Personal[str]
    kind: TaskKind | str = TaskKind.OTHER
    due: datetime
    owner: Id
    status: TaskStatus = TaskStatus.OPEN
    interaction: Id | None = None
    closed: datetime | None = None
    outcome: Personal[Note] = ""


# events


@event("task.planned")
@frozen(kw_only=True)
class TaskPlanned(Event[Task]):
    """There is something to do."""

    customer: Id
    title: Personal[str]
    kind: TaskKind | str
    due: datetime
    owner: Id
    interaction: Id | None


@event("task.rescheduled")
@frozen(kw_only=True)
class TaskRescheduled(Event[Task]):
    """It is due at another time, or somebody else has to do it. `was_due` and `was_owner` tell what held before."""

    due: datetime
    owner: Id
    was_due: datetime
    was_owner: Id


@event("task.done")
@frozen(kw_only=True)
class TaskDone(Event[Task]):
    """It was done."""

    status: TaskStatus = TaskStatus.DONE
    closed: datetime | None
    outcome: Personal[Note]


@event("task.cancelled")
@frozen(kw_only=True)
class TaskCancelled(Event[Task]):
    """It need not be done any more."""

    status: TaskStatus = TaskStatus.CANCELLED
    closed: datetime | None
    outcome: Personal[Note]


# rules


def plan(  # noqa: D417 - the rest is said in Task
    customer: str,
    title: str,
    *,
    due: datetime,
    owner: str,
    kind: TaskKind | str = TaskKind.OTHER,
    interaction: str | None = None,
    at: datetime,
    id: str,  # noqa: A002
) -> Change[Task]:
    """Plan something to do.

    Args:
        due: when it has to happen; not before `at`.

    Raises:
        Invalid: rule `past`, it would have been due already; or a field breaks what `Task` says.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
    >>> plan("cus_1", "Call back", due=now.replace(hour=15), owner="rep-lito", at=now, id="tsk_1").record.status
    <TaskStatus.OPEN: 'open'>
    """
    told = TaskPlanned(customer=customer, title=title, kind=kind, due=due, owner=owner, interaction=interaction)
    _ahead(told.due, at)
    return create(id, told)


def reschedule(task: Task, due: datetime | None = None, *, owner: str | None = None, at: datetime) -> Change[Task]:
    """Put a task off, bring it forward, or give it to somebody else; what is not said stays.

    Raises:
        MoveRefused: the task is over.
        Invalid: rule `past`, the new time has passed.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
    >>> task = plan("cus_1", "Call back", due=now, owner="rep-lito", at=now, id="tsk_1").record
    >>> reschedule(task, now.replace(day=6), at=now).record.due.day
    6
    """
    TASK.move(task.status, TaskSignal.RESCHEDULE, task)
    told = TaskRescheduled(due=due or task.due, owner=owner or task.owner, was_due=task.due, was_owner=task.owner)
    if due is not None:
        _ahead(told.due, at)
    return change(task, told)


def done(task: Task, outcome: str = "", *, at: datetime) -> Change[Task]:
    """Tell that a task was done, and what came of it.

    Raises:
        MoveRefused: the task is over already.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
    >>> task = plan("cus_1", "Call back", due=now, owner="rep-lito", at=now, id="tsk_1").record
    >>> done(task, "She takes both.", at=now).record.status
    <TaskStatus.DONE: 'done'>
    """
    TASK.move(task.status, TaskSignal.DO, task)
    return change(task, TaskDone(closed=at, outcome=outcome))


def cancel(task: Task, outcome: str = "", *, at: datetime) -> Change[Task]:
    """Tell that a task need not be done any more.

    Raises:
        MoveRefused: the task is over already.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
    >>> task = plan("cus_1", "Call back", due=now, owner="rep-lito", at=now, id="tsk_1").record
    >>> cancel(task, at=now).record.status
    <TaskStatus.CANCELLED: 'cancelled'>
    """
    TASK.move(task.status, TaskSignal.CANCEL, task)
    return change(task, TaskCancelled(closed=at, outcome=outcome))


def _ahead(due: datetime, at: datetime) -> None:
    if due < at:
        raise Invalid("Task.due", "past", "an instant that is still to come", "an earlier one")


# questions


def is_overdue(task: Task, *, at: datetime) -> bool:
    """Tell whether a task should have been done by now and was not.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
    >>> task = plan("cus_1", "Call back", due=now.replace(hour=15), owner="rep-lito", at=now, id="tsk_1").record
    >>> is_overdue(task, at=now), is_overdue(task, at=now.replace(day=6))
    (False, True)
    """
    return task.status is TaskStatus.OPEN and task.due < at
