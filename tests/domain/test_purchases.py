"""Purchases: exact money, once per order, refunds and corrections that can never lose or make any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.purchases import (
    BuyingReason,
    Item,
    Purchase,
    PurchaseCompleted,
    PurchaseCorrected,
    PurchaseIdentified,
    PurchaseRecorded,
    PurchaseRefunded,
    PurchaseStatus,
    Refund,
    RefundCause,
    Sale,
    buy,
    check_same,
    complete,
    correct,
    identify,
    net,
    order_key,
    refund,
    refunded,
    sale_of,
    spent,
    total_of,
)
from crmkit.domain.words import Channel
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.codec import decode, decode_event, encode, encode_event
from crmkit.kernel.money import Money

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def eur(amount: str | int) -> Money:
    return Money(amount, "EUR")


def bought(total: str = "12.50 EUR", **more: object) -> Purchase:
    given = {"customer": "cus_1", "at": NOW, **more}
    return buy(Sale.of(total, **given), at=NOW, id="pur_1").record  # type: ignore[arg-type]


def back(amount: str, name: str = "r-1", **more: object) -> Refund:
    return Refund(id=name, **{"at": NOW, "amount": Money.parse(amount), "cause": RefundCause.RETURNED, **more})  # type: ignore[arg-type]


# items


def test_an_item_multiplies_price_and_quantity_exactly():
    """The amount of a priced line is price times quantity, whole or in parts."""
    assert Item.priced("bike", eur("199.99"), 3).amount == eur("599.97")
    assert Item.priced("ham", "20.00 EUR", Decimal("0.250")).amount == eur("5.00")
    assert Item.priced("bell", "5.00 EUR") == Item(product="bell", unit_price=eur("5.00"), amount=eur("5.00"))


def test_an_item_that_does_not_come_out_even_needs_its_amount():
    """A third of a cent is not rounded behind the caller's back."""
    with pytest.raises(Invalid) as told:
        Item.priced("ham", "1.00 EUR", Decimal("0.333"))
    assert (told.value.field, told.value.rule) == ("Item.amount", "inexact")
    assert Item(product="ham", quantity=Decimal("0.333"), unit_price=eur(1), amount=eur("0.33")).amount == eur("0.33")


def test_an_item_is_exact_whatever_the_decimal_context():
    """The caller's precision does not decide whether an amount comes out even."""
    with localcontext() as context:
        context.prec = 2
        assert Item.priced("a", "199.99 EUR", 3).amount == eur("599.97")
        assert Item(product="a", quantity=Decimal("1234.567"), amount=eur(1)).quantity == Decimal("1234.567")


def test_an_item_may_cost_less_than_price_times_quantity_but_not_more():
    """A discount shows in the amount, rounded up at most; a surcharge is a line of its own."""
    price = eur("1.00")
    assert Item(product="a", quantity=2, unit_price=price, amount=eur("1.80")).amount == eur("1.80")
    assert Item(product="a", quantity=Decimal("0.333"), unit_price=price, amount=eur("0.34")).amount == eur("0.34")
    with pytest.raises(Invalid) as told:
        Item(product="a", quantity=Decimal("0.333"), unit_price=price, amount=eur("0.35"))
    assert (told.value.field, told.value.rule) == ("Item.amount", "above-price")


@pytest.mark.parametrize(
    ("quantity", "rule"),
    [
        (0, "range"),
        (-1, "range"),
        (Decimal(0), "range"),
        (Decimal("-0.5"), "range"),
        (10**10, "range"),
        (Decimal("NaN"), "finite"),
        (Decimal("Infinity"), "finite"),
        (Decimal("0.0001"), "decimal-places"),
        (1.5, "type"),
        (True, "type"),
        ("2", "type"),
    ],
)
def test_a_quantity_is_positive_and_has_three_places(quantity, rule):
    """What is no positive quantity of at most three places is refused, in a line and in a priced one."""
    with pytest.raises(Invalid) as told:
        Item(product="a", quantity=quantity, amount=eur(1))
    assert (told.value.field, told.value.rule) == ("Item.quantity", rule)
    with pytest.raises(Invalid) as told:
        Item.priced("a", eur(1), quantity)
    assert told.value.field == "Item.quantity"


def test_the_greatest_and_the_least_quantity_are_taken():
    """The bounds are where they are said to be."""
    for quantity in (10**10 - 1, Decimal("9999999999.999"), Decimal("0.001"), Decimal("1.5000")):
        assert Item(product="a", quantity=quantity, amount=eur(1)).quantity == quantity


def test_an_item_has_one_currency_and_is_not_negative():
    """A price in another currency and an amount below nothing are refused."""
    with pytest.raises(Invalid) as told:
        Item(product="a", unit_price=Money(1, "USD"), amount=eur(1))
    assert told.value.rule == "currency-mismatch"
    with pytest.raises(Invalid) as told:
        Item(product="a", amount=eur("-0.01"))
    assert (told.value.field, told.value.rule) == ("Item.amount", "negative")


# sales


def test_a_total_is_said_or_added_up():
    """A total as text or money, the sum of the items, or both if they agree."""
    items = [Item(product="bell", amount=eur("5.00")), Item(product="lamp", amount=eur("9.50"))]
    assert Sale.of(items=items, at=NOW).total == eur("14.50")
    assert Sale.of("14.50 EUR", items=items, at=NOW).total == eur("14.50")
    assert Sale.of(eur("14.50"), at=NOW).total == eur("14.50")
    assert total_of("1 EUR", ()) == eur(1)


@pytest.mark.parametrize(
    ("total", "items", "field", "rule"),
    [
        (None, [], "Sale.total", "required"),
        ("14.51 EUR", [Item(product="a", amount=eur("14.50"))], "Sale.total", "sum"),
        ("14.50 USD", [Item(product="a", amount=eur("14.50"))], "Money.currency", "currency-mismatch"),
        (
            None,
            [Item(product="a", amount=eur(1)), Item(product="b", amount=Money(1, "USD"))],
            "Money.currency",
            "currency-mismatch",
        ),
        ("-1 EUR", [], "Sale.total", "negative"),
        ("1.005 EUR", [], "Money.amount", "too-many-decimals"),
        ("NaN EUR", [], "Money.amount", "amount"),
        ("1 eur", [], "Money.currency", "currency"),
    ],
)
def test_a_total_that_cannot_be_is_refused(total, items, field, rule):
    """Missing, different, negative, mixed or malformed totals are refused with field and rule."""
    with pytest.raises(Invalid) as told:
        Sale.of(total, items=items, at=NOW)
    assert (told.value.field, told.value.rule) == (field, rule)


def test_nothing_can_be_bought_for_nothing_at_all():
    """A free purchase is a purchase."""
    assert bought("0 EUR").total == eur(0)


# recording


def test_buy_keeps_what_when_where_and_why():
    """A purchase holds everything that was said, and its event tells the same."""
    sale = Sale.of(
        "12.50 EUR",
        customer="cus_1",
        at=NOW - DAY,
        order_id="1001",
        source="shop",
        channel=Channel.WEB_FORM,
        place="Madrid",
        why=BuyingReason.GIFT,
    )
    change = buy(sale, words="For my daughter.", is_open=True, at=NOW, id="pur_1")
    assert change.record == Purchase(
        id="pur_1",
        customer="cus_1",
        at=NOW - DAY,
        total=eur("12.50"),
        order_id="1001",
        source="shop",
        channel=Channel.WEB_FORM,
        place="Madrid",
        why=BuyingReason.GIFT,
        words="For my daughter.",
        status=PurchaseStatus.OPEN,
    )
    assert isinstance(change.event, PurchaseRecorded)
    assert sale_of(change.record) == sale
    assert order_key(change.record) == "shop|1001"
    assert order_key(bought()) is None


def test_a_purchase_is_not_recorded_before_it_happens():
    """Five minutes of a fast clock pass, more does not."""
    assert buy(Sale.of("1 EUR", at=NOW + timedelta(minutes=5)), at=NOW, id="pur_1").record.at > NOW
    with pytest.raises(Invalid) as told:
        buy(Sale.of("1 EUR", at=NOW + timedelta(minutes=6)), at=NOW, id="pur_1")
    assert (told.value.field, told.value.rule) == ("Sale.at", "future")


def test_a_naive_time_is_refused():
    """A time without an offset could be any of twenty-six."""
    with pytest.raises(Invalid) as told:
        Sale.of("1 EUR", at=datetime(2026, 1, 1))  # noqa: DTZ001
    assert told.value.rule == "naive"


def test_complete_happens_once():
    """An open purchase is completed; a complete one says that it is."""
    change = complete(bought_open(), at=NOW)
    assert change.record.status is PurchaseStatus.COMPLETE
    assert change.event == PurchaseCompleted()
    with pytest.raises(Refusal) as told:
        complete(change.record, at=NOW)
    assert told.value.rule == "purchase.complete"


def bought_open() -> Purchase:
    return buy(Sale.of("12.50 EUR", at=NOW), is_open=True, at=NOW, id="pur_1").record


def test_identify_names_an_anonymous_buyer_once():
    """Who bought anonymously may come out; who is known stays."""
    change = identify(bought_open(), "cus_2", at=NOW)
    assert change.record.customer == "cus_2"
    assert change.event == PurchaseIdentified(customer="cus_2")
    with pytest.raises(Refusal) as told:
        identify(change.record, "cus_3", at=NOW)
    assert told.value.rule == "purchase.has-customer"


# once per order


def test_the_same_order_told_again_is_the_same():
    """Equal content passes, as recorded, as corrected, and as it was before the correction."""
    sale = Sale.of("12.50 EUR", customer="cus_1", at=NOW, order_id="1001")
    there = buy(sale, at=NOW, id="pur_1").record
    check_same(there, sale)
    corrected = correct(there, total="12.05 EUR", at=NOW).record
    check_same(corrected, sale)
    check_same(corrected, sale_of(corrected))
    twice = correct(corrected, total="12.06 EUR", at=NOW).record
    check_same(twice, sale)
    check_same(twice, sale_of(twice))


def test_the_same_order_with_other_content_is_refused_by_name():
    """The refusal names the fields that differ, and no value of theirs."""
    there = buy(
        Sale.of("12.50 EUR", customer="cus_1", at=NOW, order_id="1001", place="Madrid"), at=NOW, id="pur_1"
    ).record
    other = Sale.of("13.50 EUR", customer="cus_1", at=NOW - DAY, order_id="1001", place="Cádiz")
    with pytest.raises(Refusal) as told:
        check_same(there, other)
    assert told.value.rule == "purchase.known-otherwise"
    assert told.value.reasons == (
        "the order is recorded already, with another at",
        "the order is recorded already, with another total",
        "the order is recorded already, with another place",
    )
    assert told.value.instead == ("correct", "refund")
    assert not any(word in str(told.value) for word in ("13.50", "12.50", "Madrid", "Cádiz"))


def test_an_anonymous_order_told_again_after_the_buyer_was_identified_is_the_same():
    """What the order system says stays the same when the company learns more; another buyer is something else."""
    sale = Sale.of("12.50 EUR", at=NOW, order_id="1001")
    there = identify(buy(sale, at=NOW, id="pur_1").record, "cus_1", at=NOW).record
    check_same(there, sale)
    check_same(correct(there, total="12.05 EUR", at=NOW).record, sale)
    with pytest.raises(Refusal, match="another customer"):
        check_same(there, Sale.of("12.50 EUR", customer="cus_2", at=NOW, order_id="1001"))


# corrections


def test_correct_keeps_before_and_after():
    """The event has what stood there and what stands there now, and the record what came first."""
    there = bought(place="Madrid")
    first = sale_of(there)
    change = correct(
        there, total="12.05 EUR", place="Cádiz", when=NOW - DAY, why="nostalgia", channel=Channel.KIOSK, at=NOW
    )
    record = change.record
    assert (record.total, record.place, record.at, record.why, record.channel) == (
        eur("12.05"),
        "Cádiz",
        NOW - DAY,
        "nostalgia",
        Channel.KIOSK,
    )
    assert record.first == first
    assert isinstance(change.event, PurchaseCorrected)
    assert change.event.before == first
    again = correct(record, total="12.06 EUR", at=NOW)
    assert again.record.first == first
    assert again.event.before == sale_of(record)
    assert again.record.place == "Cádiz"


def test_corrected_items_give_the_total():
    """New items without a total add up to it; a total alone must agree with the items that stay."""
    there = buy(Sale.of(items=[Item(product="a", amount=eur(5))], at=NOW), at=NOW, id="pur_1").record
    assert correct(there, items=[Item(product="b", amount=eur(7))], at=NOW).record.total == eur(7)
    with pytest.raises(Invalid) as told:
        correct(there, total="6 EUR", at=NOW)
    assert told.value.rule == "sum"
    assert correct(there, items=[], total="6 EUR", at=NOW).record.items == ()


def test_a_correction_that_changes_nothing_is_refused():
    """What stands there already needs no correction."""
    for change in ({}, {"total": "12.50 EUR"}, {"place": ""}):
        with pytest.raises(Refusal) as told:
            correct(bought(), at=NOW, **change)
        assert told.value.rule == "purchase.nothing-to-correct"


def test_a_correction_cannot_leave_more_refunded_than_paid():
    """The new total may equal what was given back, and not be less, nor in another currency."""
    there = refund(bought(), back("10 EUR"), at=NOW)
    assert there is not None
    assert net(correct(there.record, total="10 EUR", at=NOW).record) == eur(0)
    with pytest.raises(Refusal) as told:
        correct(there.record, total="9.99 EUR", at=NOW)
    assert told.value.rule == "purchase.refunds-above-total"
    assert told.value.reasons == ("10.00 EUR was given back, the new total would be 9.99 EUR",)
    with pytest.raises(Invalid) as wrong:
        correct(there.record, total="10 USD", at=NOW)
    assert wrong.value.rule == "currency-mismatch"
    assert correct(bought(), total="10 USD", at=NOW).record.total == Money(10, "USD")


def test_a_correction_does_not_reach_into_the_future():
    """The corrected time must have come as well."""
    with pytest.raises(Invalid) as told:
        correct(bought(), when=NOW + DAY, at=NOW)
    assert told.value.rule == "future"


# refunds


def test_refund_takes_off_the_net():
    """What is given back is kept with its cause, and taken off what was paid."""
    change = refund(bought(), back("2.50 EUR"), at=NOW)
    assert change is not None
    assert change.record.refunds == (back("2.50 EUR"),)
    assert (refunded(change.record), net(change.record)) == (eur("2.50"), eur(10))
    assert change.event == PurchaseRefunded(refunds=(back("2.50 EUR"),))


def test_the_same_refund_told_twice_counts_once():
    """Told again it changes nothing; with other content it is refused."""
    there = refund(bought(), back("2.50 EUR"), at=NOW)
    assert there is not None
    assert refund(there.record, back("2.50 EUR", at=NOW - DAY), at=NOW) is None
    for other in (back("2.51 EUR"), back("2.50 EUR", cause="goodwill")):
        with pytest.raises(Refusal) as told:
            refund(there.record, other, at=NOW)
        assert told.value.rule == "purchase.refund-known-otherwise"


def test_refunds_never_exceed_what_was_paid():
    """All of it may be given back, in parts, and not a cent more."""
    there = refund(bought(), back("12.49 EUR"), at=NOW)
    assert there is not None
    with pytest.raises(Refusal) as told:
        refund(there.record, back("0.02 EUR", "r-2"), at=NOW)
    assert told.value.rule == "purchase.refunds-above-total"
    assert told.value.reasons == ("of 12.50 EUR paid, 0.01 EUR is left, 0.02 EUR was to be given back",)
    rest = refund(there.record, back("0.01 EUR", "r-2"), at=NOW)
    assert rest is not None
    assert net(rest.record) == eur(0)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (lambda: back("0 EUR"), "positive"),
        (lambda: back("-1 EUR"), "positive"),
        (lambda: back("1 USD"), "currency-mismatch"),
        (lambda: back("1 EUR", at=NOW + DAY), "future"),
        (lambda: back("1 EUR", " r"), "space"),
    ],
)
def test_a_refund_that_cannot_be_is_refused(given, rule):
    """Nothing, less than nothing, another currency, the future and an unreadable id are refused."""
    with pytest.raises(Invalid) as told:
        refund(bought(), given(), at=NOW)
    assert told.value.rule == rule


def test_a_record_with_more_refunds_than_money_cannot_be_made():
    """Not even the record itself holds more refunds than were paid."""
    with pytest.raises(Invalid) as told:
        Purchase(id="pur_1", customer=None, at=NOW, total=eur(1), refunds=(back("2 EUR"),))
    assert told.value.rule == "above-total"
    with pytest.raises(Invalid) as told:
        Purchase(id="pur_1", customer=None, at=NOW, total=eur(1), items=(Item(product="a", amount=eur(2)),))
    assert told.value.rule == "sum"


@given(
    paid=st.integers(0, 10_000),
    parts=st.lists(st.tuples(st.integers(1, 4_000), st.integers(1, 5)), max_size=12),
)
def test_whatever_is_refunded_the_net_is_exact_and_never_negative(paid, parts):
    """Total is net plus refunds after every step, each id counts once, and what does not fit is refused."""
    there = bought(f"{Decimal(paid) / 100} EUR")
    given_back: dict[str, int] = {}
    for cents, number in parts:
        wanted = back(f"{Decimal(cents) / 100} EUR", f"r-{number}")
        known = given_back.get(wanted.id)
        if known == cents:
            assert refund(there, wanted, at=NOW) is None
        elif known is not None or cents > paid - sum(given_back.values()):
            with pytest.raises(Refusal) as told:
                refund(there, wanted, at=NOW)
            why = "refunds-above-total" if known is None else "refund-known-otherwise"
            assert told.value.rule == f"purchase.{why}"
        else:
            change = refund(there, wanted, at=NOW)
            assert change is not None
            there, given_back[wanted.id] = change.record, cents
        assert net(there).minor == paid - sum(given_back.values()) >= 0
        assert net(there) + refunded(there) == there.total


# questions


def test_spent_keeps_currencies_apart():
    """Net amounts are added per currency, and none with another."""
    returned = refund(bought("20 EUR"), back("5 EUR"), at=NOW)
    assert returned is not None
    assert spent([returned.record, bought("1.25 EUR"), bought("3 JPY")]) == {
        "EUR": eur("16.25"),
        "JPY": Money(3, "JPY"),
    }
    assert spent([]) == {}


def test_a_purchase_survives_storing():
    """Everything reads back equal: items in parts of a unit, refunds, the first content, and the events."""
    items = [
        Item.priced("ham", "20.00 EUR", Decimal("0.250")),
        Item(product="fee", amount=eur("1.00")),
    ]
    there = buy(
        Sale.of(items=items, customer="cus_1", at=NOW, order_id="1", why="own word"), words="Ana", at=NOW, id="p"
    ).record
    change = refund(there, back("2.50 EUR"), at=NOW)
    assert change is not None
    final = correct(change.record, place="Cádiz", at=NOW)
    assert decode(Purchase.__kind__, encode(final.record), version=3, schema=1) == final.record
    for told in (change.event, final.event):
        body, personal = encode_event(told)
        assert decode_event(type(told).__event__.name, body, personal, schema=1) == told
    body, _ = encode_event(buy(sale_of(there), words="Ana", at=NOW, id="p").event)
    assert "Ana" not in body
