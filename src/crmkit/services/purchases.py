"""Purchases: the verbs of what was bought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from crmkit.domain import purchases
from crmkit.domain.customers.customer import Customer
from crmkit.domain.purchases import BuyingReason, Item, Purchase, Refund, RefundCause, Sale
from crmkit.domain.relationships.relationship import Relationship
from crmkit.domain.words import Channel
from crmkit.errors import Misuse
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.money import Money, money
from crmkit.kernel.query import Where, field
from crmkit.services.arguments import blaming
from crmkit.services.paging import batches, every
from crmkit.services.unit import Listed, Service, Unit, verb

BATCH = 500


@attrs.frozen
class Tally:
    """What became of many sales.

    Attributes:
        recorded: how many were new.
        known: how many had been recorded before, with the same content.
    """

    recorded: int = 0
    known: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.recorded + other.recorded, self.known + other.known)


class Purchases(Service):
    """What was bought: once per order of the host's own order system, refunds and corrections included."""

    @verb
    def record(
        self,
        customer: Customer | str | None,
        total: Money | str | None = None,
        *,
        items: Sequence[Item] = (),
        at: datetime | None = None,
        order_id: str | None = None,
        source: str = "host",
        channel: Channel | str | None = None,
        place: str = "",
        why: BuyingReason | str | None = None,
        words: str = "",
        is_open: bool = False,
        reason: str = "",
    ) -> Purchase:
        """Record a purchase. The same order told twice is recorded once, and the second call gives what is there.

        Args:
            customer: who bought; None for an anonymous buyer.
            total: what was paid; the sum of the items if nothing is said.
            items: what was bought, line by line.
            at: when; now if nothing is said.
            order_id: the order's id in the system that it comes from.
            source: the name of that system.
            channel: how it was bought.
            place: where: the shop, the web site, the fair.
            why: the reason to buy, if the customer was asked.
            words: what the customer said about that.
            is_open: whether something is still to be done about it, such as a delivery: see `complete`.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such customer.
            Refusal: rule `purchase.known-otherwise`, the order is recorded with other content; use `correct`.
            Invalid: rule `sum`, `required` or `future`, or a value cannot be.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> bought = crm.purchases.record(ana, "399.00 EUR", order_id="1001", place="Madrid")
        >>> again = crm.purchases.record(ana, "399.00 EUR", at=bought.at, order_id="1001", place="Madrid")
        >>> again == bought
        True
        """
        u = self.unit
        whom = customer if customer is None or isinstance(customer, str) else customer.id
        sale = Sale.of(
            total,
            items=items,
            customer=whom,
            at=at or u.at,
            order_id=order_id,
            source=source,
            channel=channel,
            place=place,
            why=why,
        )
        return self._recorded(self._known(u, (sale,)), sale) or self._save(u, sale, words=words, is_open=is_open)

    @blaming
    def record_many(self, sales: Iterable[Sale], *, batch: int = BATCH, reason: str = "") -> Tally:
        """Record any number of purchases in batches, each in one commit with a few queries, in constant memory.

        Orders that are there already are left as they are: what broke off is run again and goes on where it ended. Give
        every sale an `order_id` for that; a sale without one is a new purchase each time.

        Args:
            sales: what was bought; read as it goes.
            batch: how many go into one commit.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such customer; batches before this one are recorded.
            Refusal: as `record`; batches before this one are recorded.

        >>> from datetime import datetime, timezone
        >>> from crmkit import CRM
        >>> crm = CRM.open("memory://")
        >>> day = datetime(2026, 1, 5, tzinfo=timezone.utc)
        >>> sales = [Sale.of("12.50 EUR", at=day, order_id=str(number)) for number in range(3)]
        >>> crm.purchases.record_many(sales), crm.purchases.record_many(sales)
        (Tally(recorded=3, known=0), Tally(recorded=0, known=3))
        """
        if batch < 1:
            raise Misuse(f"record_many: batch={batch}; a batch takes at least one sale")
        tally = Tally()
        for some in batches(sales, batch):
            tally += self.record_batch(some, reason=reason)
        return tally

    @verb
    def record_batch(self, sales: Sequence[Sale], *, reason: str = "") -> Tally:
        """Record several purchases in one commit: all of them or none. `record_many` makes batches of any number.

        Raises:
            NotFound: there is no such customer.
            Refusal: as `record`.

        >>> from datetime import datetime, timezone
        >>> from crmkit import CRM
        >>> crm = CRM.open("memory://")
        >>> crm.purchases.record_batch([Sale.of("12.50 EUR", at=datetime(2026, 1, 5, tzinfo=timezone.utc))])
        Tally(recorded=1, known=0)
        """
        u = self.unit
        known = self._known(u, sales)
        buyers = [sale.customer for sale in sales if sale.customer is not None]
        u.get_many(Customer, buyers)
        u.related(Relationship, "customer", buyers)  # what the reactions will ask for, in one read
        new = 0
        for sale in sales:
            if self._recorded(known, sale) is None:
                new += 1
                known[_order(sale)] = self._save(u, sale)
        return Tally(new, len(sales) - new)

    @verb
    def complete(self, purchase: Purchase | str, *, reason: str = "") -> Purchase:
        """Tell that there is nothing left to do about a purchase: it was delivered.

        Raises:
            NotFound: there is no such purchase.
            Refusal: rule `purchase.complete`, it is so already.

        >>> from crmkit import CRM
        >>> crm = CRM.open("memory://")
        >>> order = crm.purchases.record(None, "12.50 EUR", is_open=True)
        >>> str(crm.purchases.complete(order).status)
        'complete'
        """
        u = self.unit
        return u.save(purchases.complete(u.act_on(Purchase, purchase), at=u.at))

    @verb
    def identify(self, purchase: Purchase | str, customer: Customer | str, *, reason: str = "") -> Purchase:
        """Tell who the anonymous buyer was.

        Raises:
            NotFound: there is no such purchase or customer.
            Refusal: rule `purchase.has-customer`, the buyer is known.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> order = crm.purchases.record(None, "12.50 EUR")
        >>> crm.purchases.identify(order, ana).customer == ana.id
        True
        """
        u = self.unit
        whom = u.get(Customer, customer).id
        return u.save(purchases.identify(u.act_on(Purchase, purchase), whom, at=u.at))

    @verb
    def correct(
        self,
        purchase: Purchase | str,
        *,
        at: datetime | None = None,
        total: Money | str | None = None,
        items: Sequence[Item] | None = None,
        channel: Channel | str | None = None,
        place: str | None = None,
        why: BuyingReason | str | None = None,
        reason: str,
    ) -> Purchase:
        """Put right what had been recorded wrongly; what is not said stays, and the audit trail asks why.

        Args:
            purchase: what to correct.
            at: when it really was.
            total: what was really paid.
            items: what was really bought; without a total they give it.
            channel: how it was really bought.
            place: where it really was.
            why: the real reason.
            reason: why it has to be corrected.

        Raises:
            NotFound: there is no such purchase.
            Refusal: rule `purchase.nothing-to-correct`, or `purchase.refunds-above-total`.
            Invalid: rule `required` (no reason), `sum`, `currency-mismatch` or `future`, or a value cannot be.

        >>> from crmkit import CRM
        >>> crm = CRM.open("memory://")
        >>> order = crm.purchases.record(None, "12.50 EUR")
        >>> str(crm.purchases.correct(order, total="12.05 EUR", reason="digits swapped").total)
        '12.05 EUR'
        """
        u = self.unit
        u.need_reason()
        found = u.act_on(Purchase, purchase)
        change = purchases.correct(
            found, when=at, total=total, items=items, channel=channel, place=place, why=why, at=u.at
        )
        return u.save(change)

    @verb
    def refund(
        self,
        purchase: Purchase | str,
        amount: Money | str,
        *,
        cause: RefundCause | str,
        at: datetime | None = None,
        refund_id: str | None = None,
        reason: str = "",
    ) -> Purchase:
        """Record that money was given back. The same refund told twice counts once.

        Args:
            purchase: what it was paid for.
            amount: how much, in the currency of the purchase.
            cause: why; hosts bring words of their own.
            at: when; now if nothing is said.
            refund_id: its id in the system that it comes from; without one, every call is a new refund.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such purchase.
            Refusal: rule `purchase.refunds-above-total`, it is more than is left; `purchase.refund-known-otherwise`.
            Invalid: rule `currency-mismatch`, `positive` or `future`, or a value cannot be.

        >>> from crmkit import CRM
        >>> crm = CRM.open("memory://")
        >>> order = crm.purchases.record(None, "12.50 EUR")
        >>> for _ in range(2):
        ...     order = crm.purchases.refund(order, "2.50 EUR", cause="goodwill", refund_id="r-1")
        >>> str(purchases.net(order))
        '10.00 EUR'
        """
        u = self.unit
        found = u.act_on(Purchase, purchase)
        given = Refund(
            id=refund_id or f"{found.id}.{len(found.refunds) + 1}", at=at or u.at, amount=money(amount), cause=cause
        )
        change = purchases.refund(found, given, at=u.at)
        return found if change is None else u.save(change, at=given.at)

    @verb
    def get(self, purchase: Purchase | str) -> Purchase:
        """Give a purchase by its id.

        Raises:
            NotFound: there is none, or none that the actor may see.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").purchases.get("pur_1")
        Traceback (most recent call last):
        crmkit.errors.NotFound: purchase 'pur_1': not found; check the id, the tenant and what the actor may see
        """
        return self.unit.get(Purchase, purchase)

    @verb
    def by_order(self, order_id: str, *, source: str = "host") -> Purchase | None:
        """Give the purchase of an order of another system, or None if it was not recorded.

        >>> from crmkit import CRM
        >>> crm = CRM.open("memory://")
        >>> bought = crm.purchases.record(None, "12.50 EUR", order_id="1001")
        >>> crm.purchases.by_order("1001") == bought, crm.purchases.by_order("1002")
        (True, None)
        """
        where = (field("order_id") == order_id) & (field("source") == source)
        return self.unit.first(Purchase, where)

    @verb
    def of(self, customer: Customer | str, *, limit: int = 100, after: str | None = None) -> Listed[Purchase]:
        """List what a customer bought, the newest first, in pages.

        Raises:
            NotFound: there is no such customer, or none that the actor may see.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> bought = crm.purchases.record(ana, "12.50 EUR")
        >>> crm.purchases.of(ana).items == (bought,)
        True
        """
        u = self.unit
        where = field("customer") == u.get(Customer, customer).id
        return u.page(Purchase, where, order=("-at",), limit=limit, after=after)

    @verb
    def find(
        self, where: Where | None = None, *, order: Sequence[str] = ("-at",), limit: int = 100, after: str | None = None
    ) -> Listed[Purchase]:
        """List purchases that meet a condition, the newest first if nothing else is said, in pages.

        Raises:
            Invalid: the condition names no field of a purchase.

        >>> from crmkit import CRM
        >>> crm = CRM.open("memory://")
        >>> bought = crm.purchases.record(None, "12.50 EUR", is_open=True)
        >>> len(crm.purchases.find(field("status") == "open"))
        1
        """
        return self.unit.page(Purchase, where, order=order, limit=limit, after=after)

    @verb
    def count(self, where: Where | None = None) -> int:
        """Tell how many purchases meet a condition.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").purchases.count()
        0
        """
        return self.unit.count(Purchase, where)

    @verb
    def spent(self, customer: Customer | str) -> FrozenDict[Money]:
        """Give what a customer paid less what was given back, currency by currency, over all committed purchases.

        Raises:
            NotFound: there is no such customer, or none that the actor may see.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> for paid in ("12.50 EUR", "7.50 EUR", "3 JPY"):
        ...     _ = crm.purchases.record(ana, paid)
        >>> {currency: str(paid) for currency, paid in crm.purchases.spent(ana).items()}
        {'EUR': '20.00 EUR', 'JPY': '3 JPY'}
        """
        u = self.unit
        where = field("customer") == u.get(Customer, customer).id
        return FrozenDict(purchases.spent(every(u, Purchase, where)))

    def _known(self, u: Unit, sales: Iterable[Sale]) -> dict[tuple[str, str | None], Purchase]:
        """Give what is recorded of the orders of some sales, by source and order id, in one read."""
        orders = {sale.order_id for sale in sales} - {None}
        found = u.find(Purchase, field("order_id").in_(orders)) if orders else ()
        return {(each.source, each.order_id): each for each in found}

    def _recorded(self, known: dict[tuple[str, str | None], Purchase], sale: Sale) -> Purchase | None:
        there = None if sale.order_id is None else known.get(_order(sale))
        if there is not None:
            purchases.check_same(there, sale)
        return there

    def _save(self, u: Unit, sale: Sale, *, words: str = "", is_open: bool = False) -> Purchase:
        if sale.customer is not None:
            u.get(Customer, sale.customer)
        change = purchases.buy(sale, words=words, is_open=is_open, at=u.at, id=u.new_id(Purchase))
        return u.save(change, at=sale.at)


def _order(sale: Sale) -> tuple[str, str | None]:
    return sale.source, sale.order_id
