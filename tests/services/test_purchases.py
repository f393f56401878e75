"""The verbs of purchases, on every store: once per order whatever is retried, in bulk, and never a cent lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from crmkit import Person
from crmkit.domain.purchases import BuyingReason, Item, PurchaseStatus, RefundCause, Sale, net, sale_of
from crmkit.domain.words import Channel
from crmkit.errors import Duplicate, Invalid, Misuse, NotFound, Refusal
from crmkit.kernel.money import Money
from crmkit.kernel.query import field
from crmkit.services.purchases import Tally

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ana(crm):
    return crm.customers.register(Person("Ana Reyes"))


def journal(crm):
    with crm.store.reader(crm.tenant_name) as reader:
        return reader.events()


def eur(amount):
    return Money(amount, "EUR")


def test_a_purchase_is_read_back_as_it_was_recorded(crm, clock, ana):
    """What, when, where and why come back, by id, by order, and on the customer's list."""
    bought = crm.purchases.record(
        ana,
        items=[Item.priced("bike-24", "199.99 EUR", 2), Item(product="bell", amount=eur("5.00"))],
        at=clock() - DAY,
        order_id="1001",
        source="shop",
        channel=Channel.KIOSK,
        place="Madrid",
        why=BuyingReason.GIFT,
        words="For my daughter.",
        is_open=True,
    )
    assert (bought.total, bought.status, bought.customer) == (eur("404.98"), PurchaseStatus.OPEN, ana.id)
    assert (bought.at, bought.place, bought.why, bought.words) == (clock() - DAY, "Madrid", "gift", "For my daughter.")
    assert crm.purchases.get(bought.id) == bought
    assert crm.purchases.by_order("1001", source="shop") == bought
    assert crm.purchases.by_order("1001") is None
    assert crm.purchases.of(ana).items == (bought,)
    (entry,) = crm.timeline.of(ana, types=["purchase.recorded"]).items
    assert (entry.at, entry.recorded) == (clock() - DAY, clock())


def test_the_same_order_is_recorded_once(crm, clock, ana):
    """Told again it gives what is there and writes nothing; told otherwise it is refused and writes nothing."""
    bought = crm.purchases.record(ana, "12.50 EUR", at=clock(), order_id="1001")
    before = journal(crm)
    clock.advance(DAY)
    assert crm.purchases.record(ana, "12.50 EUR", at=clock() - DAY, order_id="1001") == bought
    with pytest.raises(Refusal) as told:
        crm.purchases.record(ana, "12.51 EUR", at=clock() - DAY, order_id="1001")
    assert told.value.reasons == ("the order is recorded already, with another total",)
    assert journal(crm) == before
    assert crm.purchases.record(ana, "12.51 EUR", order_id="1001", source="fair").id != bought.id


def test_an_order_stays_one_after_a_correction(crm, clock, ana):
    """An import that is run again finds its order, as it was before the correction and as it is after it."""
    bought = crm.purchases.record(ana, "12.50 EUR", at=clock(), order_id="1001")
    corrected = crm.purchases.correct(bought, total="12.05 EUR", reason="digits swapped")
    assert crm.purchases.record(ana, "12.50 EUR", at=clock(), order_id="1001") == corrected
    assert crm.purchases.record(ana, "12.05 EUR", at=clock(), order_id="1001") == corrected


def test_orders_are_one_even_within_a_unit(crm, clock, ana):
    """Two calls in one unit, before anything is committed, make one purchase."""
    with crm.unit() as unit:
        one = unit.purchases.record(ana, "1 EUR", at=clock(), order_id="1001")
        assert unit.purchases.record(ana, "1 EUR", at=clock(), order_id="1001") == one
        with pytest.raises(Refusal):
            unit.purchases.record(ana, "2 EUR", at=clock(), order_id="1001")
    assert crm.purchases.of(ana).items == (one,)


def test_racing_units_cannot_double_an_order(crm, clock):
    """Whoever commits second is told that the order is taken."""

    def overtaken():
        with crm.unit() as unit:
            unit.purchases.record(None, "1 EUR", at=clock(), order_id="1001")
            faster = Thread(target=crm.purchases.record_batch, args=([Sale.of("1 EUR", at=clock(), order_id="1001")],))
            faster.start()
            faster.join()

    with pytest.raises(Duplicate):
        overtaken()
    assert len(crm.purchases.find()) == 1


def test_anonymous_purchases_and_who_it_was(crm, ana):
    """A buyer whom nobody knows is no customer's business until somebody tells who it was."""
    bought = crm.purchases.record(None, "12.50 EUR")
    assert bought.customer is None
    assert crm.purchases.of(ana).items == ()
    known = crm.purchases.identify(bought, ana, reason="showed the receipt")
    assert crm.purchases.of(ana).items == (known,)
    with pytest.raises(Refusal):
        crm.purchases.identify(bought, ana)
    with pytest.raises(NotFound):
        crm.purchases.identify(crm.purchases.record(None, "1 EUR"), "cus_none")


def test_complete_correct_and_refund(crm, clock, ana):
    """Each changes what it says, keeps the rest, and stands in the journal with its reason."""
    order = crm.purchases.record(ana, "12.50 EUR", is_open=True)
    order = crm.purchases.complete(order)
    assert order.status is PurchaseStatus.COMPLETE
    order = crm.purchases.correct(
        order,
        at=clock() - DAY,
        items=[Item(product="bell", amount=eur("12.00"))],
        channel=Channel.PHONE,
        place="Cádiz",
        why="own word",
        reason="wrong ticket",
    )
    assert (order.total, order.place, order.channel, order.why) == (eur("12.00"), "Cádiz", Channel.PHONE, "own word")
    order = crm.purchases.refund(order, "2.00 EUR", cause=RefundCause.DEFECTIVE, refund_id="r-1")
    order = crm.purchases.refund(order, eur("1.00"), cause="own cause", at=clock() - timedelta(hours=1))
    assert net(order) == eur("9.00")
    assert [each.id for each in order.refunds] == ["r-1", f"{order.id}.2"]
    titles = [entry.title for entry in crm.timeline.about(order)]
    assert titles == [
        "Bought for 12.50 EUR",
        "Purchase completed",
        "Purchase corrected, 12.00 EUR instead of 12.50 EUR",
        "Refunded 2.00 EUR",
        "Refunded 1.00 EUR",
    ]
    assert [entry.reason for entry in crm.timeline.about(order)][2] == "wrong ticket"
    assert [entry.at for entry in crm.timeline.about(order)][3:] == [clock(), clock() - timedelta(hours=1)]


def test_a_refund_told_twice_writes_once(crm, ana):
    """The second call gives what is there and leaves the journal alone."""
    order = crm.purchases.record(ana, "12.50 EUR")
    order = crm.purchases.refund(order, "2.00 EUR", cause="goodwill", refund_id="r-1")
    before = journal(crm)
    assert crm.purchases.refund(order, "2.00 EUR", cause="goodwill", refund_id="r-1") == order
    assert journal(crm) == before


@pytest.mark.parametrize(
    ("act", "error", "rule"),
    [
        (
            lambda crm, p: crm.purchases.refund(p, "12.51 EUR", cause="goodwill"),
            Refusal,
            "purchase.refunds-above-total",
        ),
        (lambda crm, p: crm.purchases.refund(p, "1 USD", cause="goodwill"), Invalid, "currency-mismatch"),
        (lambda crm, p: crm.purchases.refund(p, "0 EUR", cause="goodwill"), Invalid, "positive"),
        (lambda crm, p: crm.purchases.correct(p, total="-1 EUR", reason="x"), Invalid, "negative"),
        (lambda crm, p: crm.purchases.correct(p, total="1 EUR", reason=""), Invalid, "required"),
        (lambda crm, p: crm.purchases.correct(p, reason="x"), Refusal, "purchase.nothing-to-correct"),
        (lambda crm, p: crm.purchases.complete(p), Refusal, "purchase.complete"),
        (lambda crm, p: crm.purchases.record(p.customer, "1.001 EUR"), Invalid, "too-many-decimals"),
        (lambda crm, p: crm.purchases.record(p.customer), Invalid, "required"),
        (lambda crm, _: crm.purchases.record("cus_none", "1 EUR"), NotFound, None),
        (lambda crm, _: crm.purchases.record("a/b", "1 EUR"), Invalid, "identifier"),
        (lambda crm, p: crm.purchases.record(p.customer, "1 EUR", order_id="a\0"), Invalid, "control-character"),
        (lambda crm, p: crm.purchases.record(p.customer, "1 EUR", at=p.at + DAY), Invalid, "future"),
    ],
)
def test_what_cannot_be_leaves_no_trace(crm, ana, act, error, rule):
    """A refused purchase, refund or correction changes neither records nor journal."""
    order = crm.purchases.record(ana, "12.50 EUR")
    before = journal(crm)
    with pytest.raises(error) as told:
        act(crm, order)
    assert getattr(told.value, "rule", None) == rule
    assert journal(crm) == before
    assert crm.purchases.get(order) == order


def test_lists_are_newest_first_in_pages_and_can_be_asked(crm, clock, ana):
    """A customer's list and any condition, page by page."""
    three = [crm.purchases.record(ana, f"{n} EUR", at=clock() - n * DAY, is_open=n == 2) for n in (3, 1, 2)]
    newest = tuple(sorted(three, key=lambda p: p.at, reverse=True))
    assert crm.purchases.of(ana).items == newest
    first = crm.purchases.of(ana, limit=2)
    assert first.items + crm.purchases.of(ana, limit=2, after=first.next).items == newest
    assert crm.purchases.find(field("status") == PurchaseStatus.OPEN).items == (newest[1],)
    assert crm.purchases.find(field("total") >= eur(2), order=("total_minor",)).items == (newest[1], newest[2])
    with pytest.raises(NotFound):
        crm.purchases.of("cus_none")


def test_spent_is_net_and_per_currency(crm, ana):
    """Refunds are taken off and currencies kept apart."""
    assert crm.purchases.spent(ana) == {}
    crm.purchases.refund(crm.purchases.record(ana, "12.50 EUR"), "2.50 EUR", cause="returned")
    crm.purchases.record(ana, "0.01 EUR")
    crm.purchases.record(ana, "3 JPY")
    crm.purchases.record(None, "100 EUR")
    assert crm.purchases.spent(ana) == {"EUR": eur("10.01"), "JPY": Money(3, "JPY")}


# in bulk


def sales(crm, customers, count: int) -> Iterator[Sale]:
    at = crm._setting.clock()
    for number in range(count):
        whom = customers[number % len(customers)].id
        yield Sale.of(f"{number}.50 EUR", customer=whom, at=at - DAY, order_id=f"o-{number}", source="shop")


def test_many_are_recorded_once_however_often_and_wherever_it_broke_off(crm, ana):
    """One run breaks off, the second goes on, the third finds all done: nothing is doubled or lost."""
    customers = [ana, crm.customers.register(Person("Ben"))]

    def breaking() -> Iterator[Sale]:
        for number, sale in enumerate(sales(crm, customers, 25)):
            if number == 17:
                raise ConnectionError
            yield sale

    with pytest.raises(ConnectionError):
        crm.purchases.record_many(breaking(), batch=5)
    assert len(crm.purchases.find()) == 15
    assert crm.purchases.record_many(sales(crm, customers, 25), batch=5) == Tally(recorded=10, known=15)
    before = journal(crm)
    assert crm.purchases.record_many(sales(crm, customers, 25), batch=7, reason="again") == Tally(recorded=0, known=25)
    assert journal(crm) == before
    assert {sale_of(p) for p in crm.purchases.find()} == set(sales(crm, customers, 25))


def test_an_order_twice_in_one_batch_is_one(crm, clock):
    """Within a batch too; without an order id each is a purchase of its own."""
    one = Sale.of("1 EUR", at=clock(), order_id="1")
    loose = Sale.of("1 EUR", at=clock())
    assert crm.purchases.record_many([one, one, loose, loose]) == Tally(recorded=3, known=1)
    assert len(crm.purchases.find()) == 3


def test_a_batch_is_recorded_whole_or_not_at_all(crm, clock, ana):
    """One sale that cannot be takes its batch with it, and leaves the batches before it."""
    good = list(sales(crm, [ana], 4))
    for bad, error in (
        (Sale.of("1 EUR", customer="cus_none", at=clock(), order_id="x"), NotFound),
        (Sale.of("9 EUR", customer=ana.id, at=clock() - DAY, order_id="o-0", source="shop"), Refusal),
        (Sale.of("1 EUR", at=clock() + DAY, order_id="y"), Invalid),
    ):
        with pytest.raises(error):
            crm.purchases.record_many([*good[:3], bad], batch=2)
        assert {p.order_id for p in crm.purchases.find()} == {"o-0", "o-1"}


def test_many_in_a_unit_are_one_commit(crm, ana):
    """In a unit nothing is written before its end, and what is refused leaves nothing at all."""
    bad = Sale.of("1 EUR", customer="cus_none", at=START, order_id="x")

    def record(*more):
        with crm.unit() as unit:
            return unit.purchases.record_many([*sales(crm, [ana], 5), *more], batch=2)

    with pytest.raises(NotFound):
        record(bad)
    assert crm.purchases.find().items == ()
    assert record() == Tally(recorded=5, known=0)
    assert len(crm.purchases.find()) == 5


def test_a_batch_takes_at_least_one(crm):
    """A batch of none would never end."""
    with pytest.raises(Misuse):
        crm.purchases.record_many([], batch=0)
    assert crm.purchases.record_many([]) == Tally()
    assert crm.purchases.record_batch([]) == Tally()


def test_a_batch_takes_few_reads(crm, monkeypatch):
    """However many sales: one read for the orders and one for the customers, not one per sale."""
    opened = []
    real = crm.store.reader
    monkeypatch.setattr(type(crm.store), "reader", lambda _, *a, **kw: opened.append(a) or real(*a, **kw))
    crm.purchases.record_batch([Sale.of("1 EUR", at=crm._setting.clock(), order_id=str(n)) for n in range(50)])
    assert len(opened) == 1


def test_tenants_have_their_own_orders(crm, clock):
    """The same order id in another tenant is another order, and neither sees the other's."""
    mine = crm.purchases.record(None, "1 EUR", at=clock(), order_id="1")
    shop = crm.tenant("shop-2")
    assert shop.purchases.by_order("1") is None
    theirs = shop.purchases.record(None, "2 EUR", at=clock(), order_id="1")
    assert crm.purchases.by_order("1") == mine
    with pytest.raises(NotFound):
        shop.purchases.get(mine.id)
    assert shop.purchases.by_order("1") == theirs
