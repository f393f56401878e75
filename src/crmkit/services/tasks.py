"""Tasks: the verbs of what has to be done for customers."""

from __future__ import annotations

from datetime import datetime

from crmkit.domain import tasks
from crmkit.domain.customers.customer import Customer
from crmkit.domain.tasks import Task, TaskKind, TaskStatus
from crmkit.kernel.query import Where, everything, field
from crmkit.services.unit import Listed, Service, verb


class Tasks(Service):
    """What has to be done for customers, by whom and by when.

    A visit or callback that is announced at a contact becomes a task by itself, see `Interactions.record`.
    """

    @verb
    def plan(
        self,
        customer: Customer | str,
        title: str,
        *,
        due: datetime,
        owner: str | None = None,
        kind: TaskKind | str = TaskKind.OTHER,
        reason: str = "",
    ) -> Task:
        """Plan something to do.

        Args:
            customer: for whom.
            title: what, in one line.
            due: when it has to happen; not in the past.
            owner: who has to do it; the actor if nobody is named.
            kind: a visit, a callback, or a word of the host's own.
            reason: why, for the audit trail.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `past`, or a value cannot be.

        >>> from datetime import timedelta
        >>> from crmkit import CRM, Person
        >>> from crmkit.services.clock import system_clock
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> task = crm.tasks.plan(ana, "Send the catalogue", due=system_clock() + timedelta(days=1))
        >>> task.owner, str(task.status)
        ('host', 'open')
        """
        u = self.unit
        whom = u.get(Customer, customer).id
        who = u.by if owner is None else owner
        return u.save(tasks.plan(whom, title, due=due, owner=who, kind=kind, at=u.at, id=u.new_id(Task)))

    @verb
    def reschedule(
        self, task: Task | str, due: datetime | None = None, *, owner: str | None = None, reason: str = ""
    ) -> Task:
        """Put a task off, bring it forward, or give it to somebody else; what is not said stays.

        Raises:
            NotFound: there is no such task.
            MoveRefused: the task is over.
            Invalid: rule `past`.

        >>> from datetime import timedelta
        >>> from crmkit import CRM, Person
        >>> from crmkit.services.clock import system_clock
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> task = crm.tasks.plan(ana, "Send the catalogue", due=system_clock() + timedelta(days=1))
        >>> crm.tasks.reschedule(task, owner="rep-lito").owner
        'rep-lito'
        """
        u = self.unit
        return u.save(tasks.reschedule(u.act_on(Task, task), due, owner=owner, at=u.at))

    @verb
    def done(self, task: Task | str, outcome: str = "", *, reason: str = "") -> Task:
        """Tell that a task was done, and what came of it.

        Raises:
            NotFound: there is no such task.
            MoveRefused: the task is over already.

        >>> from datetime import timedelta
        >>> from crmkit import CRM, Person
        >>> from crmkit.services.clock import system_clock
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> task = crm.tasks.plan(ana, "Send the catalogue", due=system_clock() + timedelta(days=1))
        >>> str(crm.tasks.done(task, "Sent.").status)
        'done'
        """
        u = self.unit
        return u.save(tasks.done(u.act_on(Task, task), outcome, at=u.at))

    @verb
    def cancel(self, task: Task | str, outcome: str = "", *, reason: str = "") -> Task:
        """Tell that a task need not be done any more.

        Raises:
            NotFound: there is no such task.
            MoveRefused: the task is over already.

        >>> from datetime import timedelta
        >>> from crmkit import CRM, Person
        >>> from crmkit.services.clock import system_clock
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> task = crm.tasks.plan(ana, "Send the catalogue", due=system_clock() + timedelta(days=1))
        >>> str(crm.tasks.cancel(task, reason="she has it already").status)
        'cancelled'
        """
        u = self.unit
        return u.save(tasks.cancel(u.act_on(Task, task), outcome, at=u.at))

    @verb
    def get(self, task: Task | str) -> Task:
        """Give a task by its id.

        Raises:
            NotFound: there is none, or none that the actor may see.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").tasks.get("tsk_1")
        Traceback (most recent call last):
        crmkit.errors.NotFound: task 'tsk_1': not found; check the id, the tenant and what the actor may see
        """
        return self.unit.get(Task, task)

    @verb
    def open(
        self,
        *,
        owner: str | None = None,
        customer: Customer | str | None = None,
        until: datetime | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Listed[Task]:
        """List what is still to be done, the most urgent first, in pages.

        Args:
            owner: only what this one has to do.
            customer: only what is to be done for this customer.
            until: only what is due by then.
            limit: how many on a page.
            after: the `next` of the page before.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").tasks.open(owner="rep-lito").items
        ()
        """
        whom = None if customer is None else customer if isinstance(customer, str) else customer.id
        where: list[Where | None] = [
            field("status") == TaskStatus.OPEN,
            None if owner is None else field("owner") == owner,
            None if whom is None else field("customer") == whom,
            None if until is None else field("due") <= until,
        ]
        return self.unit.page(Task, everything(*where), order=("due",), limit=limit, after=after)
