"""Purchases: what was bought, when, where and why, exactly once per order, with every refund and correction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal
from enum import StrEnum
from typing import Annotated, Any

import attrs
from attrs import frozen

from crmkit.domain.words import Channel, happened
from crmkit.errors import Invalid, Refusal, redacted
from crmkit.kernel.checks import AtMost, Code, Id, Line, Note, Personal, Value
from crmkit.kernel.money import Money, money
from crmkit.kernel.record import Change, Event, Record, change, create, event, record

# words


class BuyingReason(StrEnum):
    """Why somebody buys, as they say when asked. Hosts bring words of their own."""

    NEED = "need"
    REPLACEMENT = "replacement"
    PRICE = "price"
    QUALITY = "quality"
    CONVENIENCE = "convenience"
    HABIT = "habit"
    BRAND = "brand"
    RECOMMENDATION = "recommendation"
    PROMOTION = "promotion"
    GIFT = "gift"
    CURIOSITY = "curiosity"


class RefundCause(StrEnum):
    """Why money was given back. Hosts bring words of their own."""

    RETURNED = "returned"
    DEFECTIVE = "defective"
    NOT_AS_PROMISED = "not-as-promised"
    NOT_DELIVERED = "not-delivered"
    OVERCHARGED = "overcharged"
    CANCELLED = "cancelled"
    GOODWILL = "goodwill"


class PurchaseStatus(StrEnum):
    """Whether there is still something to do about a purchase, such as a delivery."""

    OPEN = "open"
    COMPLETE = "complete"


_MOST, _FINEST, _EXACT = 10**10, Decimal("0.001"), Context(prec=40)


def _check_quantity(quantity: int | Decimal) -> None:
    if type(quantity) not in (int, Decimal):
        raise Invalid("Item.quantity", "type", "a whole number or a Decimal", redacted(quantity))
    exact = Decimal(quantity)
    if not (exact.is_finite() and 0 < exact < _MOST):
        raise Invalid("Item.quantity", "range", "more than 0 and less than 10^10", redacted(quantity))
    if exact != exact.quantize(_FINEST, context=_EXACT):
        raise Invalid("Item.quantity", "decimal-places", "at most 3 decimal places", redacted(quantity))


@frozen(kw_only=True)
class Item(Value):
    """One line of a purchase. `Item.priced` multiplies price and quantity.

    Attributes:
        product: the host's product id.
        quantity: how much: a whole number, or a `Decimal` of up to three places (0.250 kg), above 0.
        unit_price: the price of one, if it is known.
        amount: what was charged for the line: price times quantity, or less after a discount.
    """

    product: Annotated[str, Code()]
    quantity: int | Decimal = 1
    unit_price: Money | None = None
    amount: Money

    def __agree__(self) -> None:
        """Hold quantity, price and amount together."""
        _check_quantity(self.quantity)
        if self.amount.amount < 0:
            raise Invalid("Item.amount", "negative", "0 or more; money given back is a refund", "less")
        if self.unit_price is not None and self.amount > self.unit_price.times(self.quantity, rounding=ROUND_UP):
            expected = "at most price times quantity; what comes on top is a line of its own"
            raise Invalid("Item.amount", "above-price", expected, "more")

    @classmethod
    def priced(cls, product: str, unit_price: Money | str, quantity: int | Decimal = 1) -> Item:
        """Make a line whose amount is price times quantity.

        Raises:
            Invalid: rule `inexact`, the product has more decimals than the currency: say what was charged; or a value
                cannot be.

        >>> str(Item.priced("bike-24", "199.00 EUR", 2).amount)
        '398.00 EUR'
        """
        price = money(unit_price)
        _check_quantity(quantity)
        amount = price.times(quantity, rounding=ROUND_DOWN)
        if amount != price.times(quantity, rounding=ROUND_UP):
            expected = "the amount that was charged: price times quantity has more decimals than the currency"
            raise Invalid("Item.amount", "inexact", expected, "none")
        return cls(product=product, quantity=quantity, unit_price=price, amount=amount)


@frozen(kw_only=True)
class Sale(Value):
    """What a purchase says: what, when, where and why, and who bought.

    Attributes:
        customer: who bought; None for an anonymous buyer.
        at: when.
        total: what was paid; the sum of the items if there are some.
        items: what was bought, line by line.
        order_id: the order's id in the system that it comes from.
        source: the name of that system.
        channel: how it was bought.
        place: where: the shop, the web site, the fair.
        why: the reason to buy, if the customer was asked.

    >>> from datetime import timezone
    >>> Sale.of("12.50 EUR", at=datetime(2026, 1, 5, tzinfo=timezone.utc), order_id="1001").total.minor
    1250
    """

    customer: Id | None = None
    at: datetime
    total: Money
    items: tuple[Item, ...] = ()
    order_id: Annotated[str, Code()] | None = None
    source: Annotated[str, Code(80)] = "host"
    channel: Channel | str | None = None
    place: Annotated[str, Line(empty=True)] = ""
    why: BuyingReason | str | None = None

    def __agree__(self) -> None:
        """Hold items and total together."""
        _check_sum(self.items, self.total)

    @classmethod
    def of(cls, total: Money | str | None = None, /, *, items: Sequence[Item] = (), **rest: Any) -> Sale:
        """Make one from a total, from items, or from both, which must then agree.

        Raises:
            Invalid: rule `required` (neither), `sum` (they differ), or a value cannot be.

        >>> from datetime import timezone
        >>> items = [Item.priced("bell", "5.00 EUR"), Item.priced("lamp", "9.50 EUR")]
        >>> str(Sale.of(items=items, at=datetime(2026, 1, 5, tzinfo=timezone.utc)).total)
        '14.50 EUR'
        """
        return cls(total=total_of(total, items), items=tuple(items), **rest)


@frozen(kw_only=True)
class Refund(Value):
    """Money that was given back.

    Attributes:
        id: the refund's id in the system that it comes from: the same refund told twice counts once.
        at: when.
        amount: how much, in the currency of the purchase, above 0.
        cause: why.
    """

    id: Annotated[str, Code()]
    at: datetime
    amount: Money
    cause: RefundCause | str

    def __agree__(self) -> None:
        """Hold the amount above nothing."""
        if self.amount.amount <= 0:
            raise Invalid("Refund.amount", "positive", "more than 0", "0 or less")


def total_of(total: Money | str | None, items: Sequence[Item]) -> Money:
    """Give the total that is said, or the sum of the items where none is.

    Raises:
        Invalid: rule `required`, there is neither; `currency-mismatch`, the items are in several currencies.
    """
    if total is not None:
        return money(total)
    if not items:
        raise Invalid("Sale.total", "required", "a total, or items to add up", "neither")
    return Money.total((each.amount for each in items), items[0].amount.currency)


def _check_sum(items: Sequence[Item], total: Money) -> None:
    if total.amount < 0:
        raise Invalid("Sale.total", "negative", "0 or more; money given back is a refund", "less")
    if items and total != Money.total((each.amount for each in items), total.currency):
        raise Invalid("Sale.total", "sum", f"the sum of the {len(items)} items", "another amount")


# records


def order_key(purchase: Purchase) -> str | None:
    """Give what is unique about a purchase: the order in the system that it comes from."""
    return None if purchase.order_id is None else f"{purchase.source}|{purchase.order_id}"


@record(
    "purchase",
    prefix="pur",
    customer="customer",
    unique={"order": order_key},
    indexes=[("order_id",), ("customer", "at"), ("at",), ("status", "at")],
)
@frozen(kw_only=True)
class Purchase(Record):
    """What somebody bought. The fields of `Sale`, and what became of it.

    Attributes:
        customer: who bought; None for an anonymous buyer.
        at: when.
        total: what was paid; the sum of the items if there are some.
        items: what was bought, line by line.
        order_id: the order's id in the system that it comes from; each order is recorded once.
        source: the name of that system.
        channel: how it was bought.
        place: where: the shop, the web site, the fair.
        why: the reason to buy, if the customer was asked.
        words: what the customer said about that.
        status: open while something is still to be done about it, such as a delivery.
        refunds: what was given back.
        first: what was recorded first, if it has been corrected since.
    """

    customer: Id | None
    at: datetime
    total: Money
    items: tuple[Item, ...] = ()
    order_id: Annotated[str, Code()] | None = None
    source: Annotated[str, Code(80)] = "host"
    channel: Channel | str | None = None
    place: Annotated[str, Line(empty=True)] = ""
    why: BuyingReason | str | None = None
    words: Personal[Note] = ""
    status: PurchaseStatus = PurchaseStatus.COMPLETE
    refunds: Annotated[tuple[Refund, ...], AtMost(200)] = ()
    first: Sale | None = None

    def __agree__(self) -> None:
        """Hold items, total and refunds together."""
        _check_sum(self.items, self.total)
        if net(self).amount < 0:
            raise Invalid("Purchase.refunds", "above-total", "refunds of at most what was paid", "more")


# events


@event("purchase.recorded")
@frozen(kw_only=True)
class PurchaseRecorded(Event[Purchase]):
    """Somebody bought something."""

    customer: Id | None
    at: datetime
    total: Money
    items: tuple[Item, ...]
    order_id: Annotated[str, Code()] | None
    source: Annotated[str, Code(80)]
    channel: Channel | str | None
    place: Annotated[str, Line(empty=True)]
    why: BuyingReason | str | None
    words: Personal[Note]
    status: PurchaseStatus


@event("purchase.completed")
@frozen(kw_only=True)
class PurchaseCompleted(Event[Purchase]):
    """There is nothing left to do about it."""

    status: PurchaseStatus = PurchaseStatus.COMPLETE


@event("purchase.identified")
@frozen(kw_only=True)
class PurchaseIdentified(Event[Purchase]):
    """It came out who the anonymous buyer was."""

    customer: Id | None


@event("purchase.corrected")
@frozen(kw_only=True)
class PurchaseCorrected(Event[Purchase]):
    """It had been recorded wrongly. `before` tells what stood there."""

    at: datetime
    total: Money
    items: tuple[Item, ...]
    channel: Channel | str | None
    place: Annotated[str, Line(empty=True)]
    why: BuyingReason | str | None
    first: Sale | None
    before: Sale


@event("purchase.refunded")
@frozen(kw_only=True)
class PurchaseRefunded(Event[Purchase]):
    """Money was given back: the last of `refunds`."""

    refunds: Annotated[tuple[Refund, ...], AtMost(200)]


# rules


def buy(
    sale: Sale,
    *,
    words: str = "",
    is_open: bool = False,
    at: datetime,
    id: str,  # noqa: A002
) -> Change[Purchase]:
    """Record a purchase.

    Args:
        sale: what, when, where and why.
        words: what the customer said about the reason.
        is_open: whether something is still to be done about it.
        at: the time now.
        id: the id of the new record.

    Raises:
        Invalid: rule `future`, it has not happened yet.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> buy(Sale.of("12.50 EUR", customer="cus_1", at=now), at=now, id="pur_1").record.status
    <PurchaseStatus.COMPLETE: 'complete'>
    """
    happened("Sale.at", sale.at, at=at)
    status = PurchaseStatus.OPEN if is_open else PurchaseStatus.COMPLETE
    return create(id, PurchaseRecorded(**_fields(sale), words=words, status=status))


def check_same(purchase: Purchase, sale: Sale) -> None:
    """Check that an order that comes a second time says what it said the first time, or what it was corrected to.

    Raises:
        Refusal: rule `purchase.known-otherwise`; the reasons name the fields that differ.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> sale = Sale.of("12.50 EUR", customer="cus_1", at=now, order_id="1001")
    >>> check_same(buy(sale, at=now, id="pur_1").record, sale)
    """
    known = sale_of(purchase)
    if sale in (known, purchase.first):
        return
    if sale.customer is None and attrs.evolve(sale, customer=purchase.customer) in (known, purchase.first):
        return
    differ = [name for name in _fields(sale) if getattr(sale, name) != getattr(known, name)]
    reasons = [f"the order is recorded already, with another {name.replace('_', ' ')}" for name in differ]
    raise Refusal(f"purchase {purchase.id}", "purchase.known-otherwise", reasons, ("correct", "refund"))


def complete(purchase: Purchase, *, at: datetime) -> Change[Purchase]:  # noqa: ARG001 - every rule is told the time
    """Tell that there is nothing left to do about a purchase.

    Raises:
        Refusal: rule `purchase.complete`, it is so already.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> order = buy(Sale.of("12.50 EUR", at=now), is_open=True, at=now, id="pur_1").record
    >>> complete(order, at=now).record.status
    <PurchaseStatus.COMPLETE: 'complete'>
    """
    if purchase.status is PurchaseStatus.COMPLETE:
        raise Refusal(f"purchase {purchase.id}", "purchase.complete", ("it is complete already",))
    return change(purchase, PurchaseCompleted())


def identify(purchase: Purchase, customer: str, *, at: datetime) -> Change[Purchase]:  # noqa: ARG001
    """Tell who the anonymous buyer was.

    Raises:
        Refusal: rule `purchase.has-customer`, the buyer is known.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> anonymous = buy(Sale.of("12.50 EUR", at=now), at=now, id="pur_1").record
    >>> identify(anonymous, "cus_1", at=now).record.customer
    'cus_1'
    """
    if purchase.customer is not None:
        raise Refusal(f"purchase {purchase.id}", "purchase.has-customer", ("its buyer is known",), ("refund",))
    return change(purchase, PurchaseIdentified(customer=customer))


def correct(
    purchase: Purchase,
    *,
    when: datetime | None = None,
    total: Money | str | None = None,
    items: Sequence[Item] | None = None,
    channel: Channel | str | None = None,
    place: str | None = None,
    why: BuyingReason | str | None = None,
    at: datetime,
) -> Change[Purchase]:
    """Put right what had been recorded wrongly; what is not said stays.

    Args:
        purchase: the purchase as it stands.
        when: when it really was.
        total: what was really paid; the sum of the new items where they are given alone.
        items: what was really bought; without a total they give it.
        channel: how it was really bought.
        place: where it really was.
        why: the real reason.
        at: the time now.

    Raises:
        Refusal: rule `purchase.nothing-to-correct`, or `purchase.refunds-above-total`: more has been given back.
        Invalid: rule `sum`, `currency-mismatch` (what was refunded is in another currency), `future`.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> order = buy(Sale.of("12.50 EUR", at=now), at=now, id="pur_1").record
    >>> str(correct(order, total="12.05 EUR", at=now).record.total)
    '12.05 EUR'
    """
    before = sale_of(purchase)
    listed = before.items if items is None else tuple(items)
    after = attrs.evolve(
        before,
        at=happened("Sale.at", when or before.at, at=at),
        items=listed,
        total=before.total if total is None and items is None else total_of(total, listed),
        channel=channel or before.channel,
        place=before.place if place is None else place,
        why=why or before.why,
    )
    if after == before:
        raise Refusal(f"purchase {purchase.id}", "purchase.nothing-to-correct", ("it says so already",))
    returned = refunded(purchase)
    if purchase.refunds and returned > after.total:
        reasons = (f"{returned} was given back, the new total would be {after.total}",)
        raise Refusal(f"purchase {purchase.id}", "purchase.refunds-above-total", reasons)
    told = PurchaseCorrected(
        at=after.at,
        total=after.total,
        items=after.items,
        channel=after.channel,
        place=after.place,
        why=after.why,
        first=purchase.first or before,
        before=before,
    )
    return change(purchase, told)


def refund(purchase: Purchase, given: Refund, *, at: datetime) -> Change[Purchase] | None:
    """Record that money was given back; None if this refund is recorded already.

    Raises:
        Refusal: rule `purchase.refund-known-otherwise`, another refund has this id; `purchase.refunds-above-total`, it
            is more than what is left.
        Invalid: rule `currency-mismatch`, `future`.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> order = buy(Sale.of("12.50 EUR", at=now), at=now, id="pur_1").record
    >>> back = Refund(id="r-1", at=now, amount=Money("2.50", "EUR"), cause=RefundCause.GOODWILL)
    >>> str(net(refund(order, back, at=now).record))
    '10.00 EUR'
    """
    known = next((each for each in purchase.refunds if each.id == given.id), None)
    if known is not None:
        if (known.amount, known.cause) == (given.amount, given.cause):
            return None
        reasons = ("a refund of this id is recorded with another amount or cause",)
        raise Refusal(f"purchase {purchase.id}", "purchase.refund-known-otherwise", reasons)
    happened("Refund.at", given.at, at=at)
    left = net(purchase)
    if given.amount > left:
        reasons = (f"of {purchase.total} paid, {left} is left, {given.amount} was to be given back",)
        raise Refusal(f"purchase {purchase.id}", "purchase.refunds-above-total", reasons)
    return change(purchase, PurchaseRefunded(refunds=(*purchase.refunds, given)))


# questions


def sale_of(purchase: Purchase) -> Sale:
    """Give what a purchase says now, without what became of it."""
    return Sale(**{name: getattr(purchase, name) for name in _SALE})


def _fields(sale: Sale) -> dict[str, Any]:
    return {name: getattr(sale, name) for name in _SALE}


_SALE = tuple(each.name for each in attrs.fields(Sale))


def refunded(purchase: Purchase) -> Money:
    """Give what was given back, in the currency of the purchase.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> str(refunded(buy(Sale.of("12.50 EUR", at=now), at=now, id="pur_1").record))
    '0.00 EUR'
    """
    return Money.total((each.amount for each in purchase.refunds), purchase.total.currency)


def net(purchase: Purchase) -> Money:
    """Give what was paid less what was given back; never negative.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> str(net(buy(Sale.of("12.50 EUR", at=now), at=now, id="pur_1").record))
    '12.50 EUR'
    """
    return purchase.total - refunded(purchase)


def spent(purchases: Iterable[Purchase]) -> dict[str, Money]:
    """Give what was paid less what was given back, currency by currency: amounts in two currencies are never added.

    >>> from datetime import timezone
    >>> now = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> two = [buy(Sale.of(paid, at=now), at=now, id="pur_1").record for paid in ("12.50 EUR", "3 JPY")]
    >>> {currency: str(sum_) for currency, sum_ in spent(two).items()}
    {'EUR': '12.50 EUR', 'JPY': '3 JPY'}
    """
    sums: dict[str, Money] = {}
    for each in purchases:
        paid = net(each)
        sums[paid.currency] = sums[paid.currency] + paid if paid.currency in sums else paid
    return sums
