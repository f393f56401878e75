"""Needs: the verbs of what customers want and need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from crmkit.domain import needs
from crmkit.domain.customers.customer import Customer
from crmkit.domain.interactions.interaction import Interaction
from crmkit.domain.needs import DeclineCause, Need, NeedKind, NeedStatus
from crmkit.domain.purchases import Purchase
from crmkit.errors import Refusal
from crmkit.kernel.query import Where, everything, field
from crmkit.services.unit import Listed, Service, verb


class Needs(Service):
    """What customers want and need: recorded at any contact and followed until it is met or declined."""

    @verb
    def record(
        self,
        customer: Customer | str,
        what: str,
        *,
        kind: NeedKind = NeedKind.NEED,
        products: Sequence[str] = (),
        categories: Sequence[str] = (),
        importance: int = 3,
        interaction: Interaction | str | None = None,
        at: datetime | None = None,
        reason: str = "",
    ) -> Need:
        """Record that a customer wants or needs something.

        Args:
            customer: who.
            what: what, in the customer's words, up to 400 characters.
            kind: a want or a need.
            products: the products that would meet it, by the host's product ids.
            categories: the kinds of products that would.
            importance: 1 (little) to 5 (more than anything).
            interaction: the contact at which it was learned.
            at: when it was learned; now if nothing is said.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such customer or contact.
            Refusal: rule `need.other-customer`, the contact was with somebody else.
            Invalid: rule `future`, or a value cannot be.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> need = crm.needs.record(ana, "a second bicycle", importance=4)
        >>> str(need.status)
        'open'
        """
        u = self.unit
        whom = u.get(Customer, customer).id
        met_at = None if interaction is None else u.get(Interaction, interaction)
        if met_at is not None:
            _same_customer(whom, met_at)
        change = needs.learn(
            whom,
            what,
            kind=kind,
            products=products,
            categories=categories,
            importance=importance,
            interaction=None if met_at is None else met_at.id,
            when=at,
            at=u.at,
            id=u.new_id(Need),
        )
        return u.save(change, at=change.record.at)

    @verb
    def meet(self, need: Need | str, purchase: Purchase | str | None = None, *, reason: str = "") -> Need:
        """Tell that the customer has it now, by a purchase or by other means.

        Raises:
            NotFound: there is no such need or purchase.
            MoveRefused: it is not open.
            Refusal: rule `need.other-customer`, somebody else made the purchase.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> need = crm.needs.record(ana, "a second bicycle")
        >>> bought = crm.purchases.record(ana, "399.00 EUR")
        >>> crm.needs.meet(need, bought).purchase == bought.id
        True
        """
        u = self.unit
        open_need = u.act_on(Need, need)
        bought = None if purchase is None else u.get(Purchase, purchase)
        if bought is not None:
            _same_customer(open_need.customer, bought)
        return u.save(needs.meet(open_need, None if bought is None else bought.id, at=u.at))

    @verb
    def decline(self, need: Need | str, cause: DeclineCause, words: str = "", *, reason: str = "") -> Need:
        """Tell that it is not followed any more, and why.

        Raises:
            NotFound: there is no such need.
            MoveRefused: it is not open, or the cause is none of `DeclineCause`.

        >>> from crmkit import CRM, Person
        >>> from crmkit.domain.needs import DeclineCause
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> need = crm.needs.record(ana, "a second bicycle")
        >>> str(crm.needs.decline(need, DeclineCause.TOO_EXPENSIVE).status)
        'declined'
        """
        u = self.unit
        return u.save(needs.decline(u.act_on(Need, need), cause, words, at=u.at))

    @verb
    def reopen(self, need: Need | str, *, reason: str) -> Need:
        """Follow a want or need again; the audit trail asks why.

        Raises:
            NotFound: there is no such need.
            MoveRefused: it is open.
            Invalid: rule `required`, no reason was given.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> need = crm.needs.meet(crm.needs.record(ana, "a second bicycle"))
        >>> str(crm.needs.reopen(need, reason="it was stolen").status)
        'open'
        """
        u = self.unit
        u.need_reason()
        return u.save(needs.reopen(u.act_on(Need, need), at=u.at))

    @verb
    def get(self, need: Need | str) -> Need:
        """Give a want or need by its id.

        Raises:
            NotFound: there is none, or none that the actor may see.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").needs.get("ned_1")
        Traceback (most recent call last):
        crmkit.errors.NotFound: need 'ned_1': not found; check the id, the tenant and what the actor may see
        """
        return self.unit.get(Need, need)

    @verb
    def open(
        self,
        customer: Customer | str | None = None,
        *,
        older_than: timedelta = timedelta(0),
        limit: int = 100,
        after: str | None = None,
    ) -> Listed[Need]:
        """List what is wanted or needed and was neither met nor declined, the oldest first, in pages.

        Args:
            customer: whose; everybody's if nobody is named.
            older_than: only what was learned so long ago or longer.
            limit: how many on a page.
            after: the `next` of the page before.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> need = crm.needs.record(ana, "a second bicycle")
        >>> len(crm.needs.open(ana)), len(crm.needs.open(older_than=timedelta(days=90)))
        (1, 0)
        """
        u = self.unit
        whom = None if customer is None else customer if isinstance(customer, str) else customer.id
        where: list[Where | None] = [
            field("status") == NeedStatus.OPEN,
            field("at") <= u.at - older_than if older_than else None,
            None if whom is None else field("customer") == whom,
        ]
        return u.page(Need, everything(*where), order=("at",), limit=limit, after=after)


def _same_customer(customer: str, other: Interaction | Purchase) -> None:
    if other.customer != customer:
        reasons = (f"{type(other).__kind__.name} {other.id} belongs to somebody else",)
        raise Refusal(f"a need of customer {customer}", "need.other-customer", reasons)
