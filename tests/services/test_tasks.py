"""The verbs of tasks, on every store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crmkit import Person
from crmkit.domain.interactions.interaction import Announcement
from crmkit.domain.tasks import TaskKind, TaskStatus
from crmkit.domain.words import Channel, Direction
from crmkit.errors import Invalid, MoveRefused, NotFound

DAY = timedelta(days=1)


@pytest.fixture
def ana(crm):
    return crm.customers.register(Person("Ana Reyes"))


def test_a_task_is_planned_put_off_and_done(crm, clock, ana):
    """What was planned is what is read back, through every change."""
    task = crm.tasks.plan(ana, "Send the catalogue", due=clock() + DAY, kind="post", reason="asked at the fair")
    assert (task.owner, task.kind, task.due) == ("host", "post", clock() + DAY)
    task = crm.tasks.reschedule(task, clock() + 2 * DAY, owner="rep-lito")
    clock.advance(DAY)
    task = crm.tasks.done(task, "Sent.")
    assert (task.status, task.closed, task.outcome, task.version) == (TaskStatus.DONE, clock(), "Sent.", 3)
    assert crm.tasks.get(task.id) == task
    with pytest.raises(MoveRefused):
        crm.tasks.cancel(task)
    assert crm.tasks.get(task.id) == task


def test_open_lists_the_most_urgent_first_in_pages(crm, clock, ana):
    """Only open tasks show, by due time, for an owner, a customer, up to a time, page by page."""
    ben = crm.customers.register(Person("Ben"))
    late, soon, done, other = (
        crm.tasks.plan(ana, "late", due=clock() + 3 * DAY, owner="rep-lito"),
        crm.tasks.plan(ana, "soon", due=clock() + DAY, owner="rep-lito"),
        crm.tasks.plan(ana, "done", due=clock() + DAY, owner="rep-lito"),
        crm.tasks.plan(ben, "other", due=clock() + 2 * DAY, owner="rep-ana"),
    )
    crm.tasks.done(done)
    assert crm.tasks.open().items == (soon, other, late)
    assert crm.tasks.open(owner="rep-lito").items == (soon, late)
    assert crm.tasks.open(customer=ben).items == (other,)
    assert crm.tasks.open(customer=ben.id, owner="rep-lito").items == ()
    assert crm.tasks.open(until=clock() + 2 * DAY).items == (soon, other)
    first = crm.tasks.open(limit=2)
    assert first.items + crm.tasks.open(limit=2, after=first.next).items == (soon, other, late)


def test_an_announced_visit_becomes_a_task_in_the_same_commit(crm, clock, ana):
    """The task has the time, the kind and the contact, and both are written at once or not at all."""
    call = crm.acting_as("rep-lito").interactions.record(
        ana, Channel.PHONE, Direction.INBOUND, announces=Announcement(kind="visit", at=clock() + 2 * DAY)
    )
    (task,) = crm.tasks.open(customer=ana)
    assert (task.kind, task.due, task.owner, task.interaction) == (
        TaskKind.VISIT,
        clock() + 2 * DAY,
        "rep-lito",
        call.id,
    )
    assert task.title == "Visit announced on 2026-01-01"
    before = journal(crm)
    with pytest.raises(Invalid):
        crm.interactions.record(ana, Channel.PHONE, "inbound", announces=Announcement(at=clock() + DAY, kind="x\ny"))
    assert (crm.tasks.open(customer=ana).items, journal(crm)) == ((task,), before)


def test_who_is_announced_owns_the_task(crm, clock, ana):
    """The named owner comes before whoever made the contact, who comes before the actor."""
    named = Announcement(at=clock() + DAY, owner="rep-ana")
    crm.interactions.record(ana, Channel.PHONE, Direction.INBOUND, by="rep-lito", announces=named)
    assert crm.tasks.open(owner="rep-ana").items[0].kind is TaskKind.CALLBACK
    crm.portal(ana)
    plain = Announcement(at=clock() + DAY)
    crm.interactions.record(ana, Channel.PORTAL, Direction.INBOUND, mode="collaborative", announces=plain)
    assert crm.tasks.open(owner="host").items[0].due == clock() + DAY


def test_what_cannot_be_leaves_no_trace(crm, clock, ana):
    """A past due time, an unknown customer and a bad title are refused, and nothing is written."""
    before = [entry.position for entry in journal(crm)]
    with pytest.raises(Invalid):
        crm.tasks.plan(ana, "x", due=clock() - DAY)
    with pytest.raises(NotFound):
        crm.tasks.plan("cus_none", "x", due=clock() + DAY)
    with pytest.raises(Invalid):
        crm.tasks.plan(ana, "two\nlines", due=clock() + DAY)
    with pytest.raises(NotFound):
        crm.tasks.done("tsk_none")
    assert crm.tasks.open().items == ()
    assert [entry.position for entry in journal(crm)] == before


def journal(crm):
    with crm.store.reader("main") as reader:
        return reader.events()
