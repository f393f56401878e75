"""Numbers, money and time, entries 39 to 64, and bounds (R13): refused before any calculation, or kept exactly."""

# ruff: noqa: RUF001 - confusable letters are what is tried

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from bad_input_world import ATTRIBUTES, START, refuses

from crmkit import (
    CRM,
    Attribute,
    BuyingStep,
    ContactPoint,
    Dependant,
    Document,
    Household,
    Identifier,
    ImportantDate,
    Interest,
    Invalid,
    Item,
    Means,
    Money,
    PartialDate,
    Person,
    Refund,
    Sale,
    VirtualClock,
    field,
)

MARK = "Qz7x"


@pytest.fixture
def crm(crm: CRM) -> CRM:
    """A CRM with a person."""
    crm.customers.register(Person("Ana Reyes"), id="ana")
    return crm


# money

BAD_AMOUNTS: list[tuple[str, Any, str]] = [
    ("39-NaN", Decimal("NaN"), "not-finite"),
    ("39-sNaN", Decimal("sNaN"), "not-finite"),
    ("39-infinity", Decimal("Infinity"), "not-finite"),
    ("39-minus infinity", Decimal("-Infinity"), "not-finite"),
    ("39-NaN as text", "NaN", "amount"),
    ("40-exponent", Decimal("1E+1000000"), "out-of-range"),
    ("40-exponent as text", "1E+1000000", "amount"),
    ("40-small exponent", Decimal("1E-1000000"), "too-many-decimals"),
    ("42-float", 0.1, "type"),
    ("43-True", True, "type"),
    ("44-full width", "１２", "amount"),
    ("44-underscore", "1_0", "amount"),
    ("44-spaces", " 1 ", "amount"),
    ("44-thousands", "1,234.50", "amount"),
    ("44-thousands by points", "1.234,50", "amount"),
    ("44-plus", "+1", "amount"),
    ("44-hexadecimal", "0x10", "amount"),
    ("45-decimals", "1.005", "too-many-decimals"),
    ("45-decimals of a Decimal", Decimal("1.005"), "too-many-decimals"),
    ("47-2**63", 2**63, "out-of-range"),
    ("47-as text", "9223372036854775808", "out-of-range"),
    ("47-in the smallest unit", "92233720368547758.08", "out-of-range"),
    ("77-digits", 10**5000, "out-of-range"),
]


@pytest.mark.parametrize(("amount", "rule"), [b[1:] for b in BAD_AMOUNTS], ids=[b[0] for b in BAD_AMOUNTS])
def test_no_amount(crm: CRM, amount: Any, rule: str) -> None:
    """What is no exact amount is no money, and no purchase, item, refund or correction is made of it."""
    with pytest.raises(Invalid) as caught:
        Money(amount, "EUR")
    assert (caught.value.field, caught.value.rule) == ("Money.amount", rule)
    bought = crm.purchases.record("ana", "12.50 EUR")
    if isinstance(amount, str):
        given = f"{amount} EUR"
        refuses(crm, lambda: crm.purchases.record("ana", given))
        refuses(crm, lambda: crm.purchases.refund(bought, given, cause="goodwill"))
        refuses(crm, lambda: crm.purchases.correct(bought, total=given, reason="typo"))
    else:
        refuses(crm, lambda: crm.purchases.record("ana", amount))
        refuses(crm, lambda: crm.purchases.refund(bought, amount, cause="goodwill"))
        refuses(crm, lambda: crm.purchases.correct(bought, total=amount, reason="typo"))


BAD_CURRENCIES: list[Any] = ["ZZZ", "eur", "", "EURO", "E\0R", "€", 978, None, b"EUR", ["EUR"]]


@pytest.mark.parametrize("currency", BAD_CURRENCIES, ids=lambda c: f"46-{c!r}")
def test_no_currency(crm: CRM, currency: Any) -> None:
    """46: a currency that there is not is refused."""
    with pytest.raises(Invalid) as caught:
        Money(1, currency)
    assert (caught.value.field, caught.value.rule) == ("Money.currency", "currency")
    refuses(crm, lambda: crm.purchases.record("ana", f"1 {currency}"))


KEPT_MONEY = ["0.01 EUR", "0 JPY", "12.500 KWD", "92233720368547758.07 EUR", "5.00 DEM", "9223372036854775807 JPY"]


@pytest.mark.parametrize("paid", KEPT_MONEY, ids=lambda paid: f"47-{paid}")
def test_money_is_kept_exactly(tmp_path: Path, clock: VirtualClock, paid: str) -> None:
    """46, 47: amounts up to the last unit of 64 bits, retired currencies too, are the same after reopening."""
    for url in (f"sqlite:///{tmp_path}/kept.db", "memory://"):
        crm = CRM.open(url, clock=clock, durability="normal")
        bought = crm.purchases.record(None, paid, order_id="1")
        if url != "memory://":
            crm.close()
            crm = CRM.open(url, clock=clock, durability="normal")
        assert str(crm.purchases.get(bought.id).total) == paid
        assert crm.purchases.count(field("total") == Money.parse(paid)) == 1
        crm.close()


def test_minus_nothing_is_nothing(crm: CRM) -> None:
    """41: minus zero becomes zero, in money and in attributes."""
    assert str(Money(Decimal("-0.00"), "EUR")) == "0.00 EUR"
    assert str(crm.purchases.record("ana", Money("-0", "EUR")).total) == "0.00 EUR"
    crm.customers.set_attributes("ana", {"rate": Decimal("-0.0")})
    assert crm.customers.count(field("attributes.rate") == Decimal(0)) == 1
    refuses(crm, lambda: crm.purchases.record("ana", "-0.01 EUR"), field="Sale.total", rule="negative")


def test_currencies_are_never_added(crm: CRM) -> None:
    """48: sums over currencies are refused."""
    euro, yen = Money(1, "EUR"), Money(1, "JPY")
    for add in (lambda: euro + yen, lambda: Money.total([euro, yen], "EUR"), lambda: euro < yen):
        with pytest.raises(Invalid, match="currency-mismatch"):
            add()
    with pytest.raises(TypeError):
        sum([euro, euro])
    items = [Item(product="a", quantity=1, amount=euro), Item(product="b", quantity=1, amount=yen)]
    refuses(crm, lambda: crm.purchases.record("ana", items=items), rule="currency-mismatch")
    bought = crm.purchases.record("ana", euro)
    refuses(crm, lambda: crm.purchases.refund(bought, yen, cause="goodwill"), rule="currency-mismatch")


BAD_NUMBERS: list[tuple[str, dict[str, Any]]] = [
    ("39-NaN", {"rate": Decimal("NaN")}),
    ("39-sNaN", {"rate": Decimal("sNaN")}),
    ("39-infinity", {"rate": Decimal("-Infinity")}),
    ("40-exponent", {"rate": Decimal("1E+1000000")}),
    ("40-small exponent", {"rate": Decimal("1E-1000000")}),
    ("42-float", {"rate": 0.5}),
    ("42-float for a whole number", {"size": 42.0}),
    ("43-True", {"size": True}),
    ("43-True for a decimal", {"rate": True}),
    ("43-one for a truth", {"loyal": 1}),
    ("44-text", {"size": "42"}),
    ("44-full width", {"size": "４２"}),
    ("45-decimals", {"rate": Decimal("0.0000001")}),
    ("47-2**63", {"size": 2**63}),
    ("47-minus 2**63 - 1", {"size": -(2**63) - 1}),
    ("77-digits", {"size": 10**5000}),
    ("49-naive", {"seen": datetime(2026, 1, 1)}),  # noqa: DTZ001 - that it is naive is the point
    ("50-first day", {"joined": date.min}),
    ("50-last day", {"joined": date.max}),
    ("50-an instant for a day", {"joined": START}),
    ("64-milliseconds", {"seen": datetime(9999, 1, 1, tzinfo=UTC)}),
    ("80-wrong case", {"colour": "Red"}),
    ("80-another word", {"colour": "green"}),
    ("81-list", {"size": [42]}),
    ("78-unknown", {f"{MARK}": 1}),
    ("79-__class__", {"__class__": "x"}),
    ("79-id", {"id": "x"}),
    ("79-_connector", {"_connector": "x"}),
    ("79-injection", {'a"; DROP TABLE customer; --': 1}),
    ("83-key", {7: 1}),
]


@pytest.mark.parametrize("values", [b[1] for b in BAD_NUMBERS], ids=[b[0] for b in BAD_NUMBERS])
def test_no_value_of_an_attribute(crm: CRM, values: dict[str, Any]) -> None:
    """Values that an attribute is not declared for are refused when set, at a registration, and in questions."""
    (name,) = values
    refuses(crm, lambda: crm.customers.set_attributes("ana", values), hidden=MARK)
    refuses(crm, lambda: crm.customers.register(Person("Ben"), attributes=values), hidden=MARK)
    refuses(crm, lambda: crm.customers.count(field(f"attributes.{name}") == values[name]), hidden=MARK)


KEPT_NUMBERS: list[tuple[str, dict[str, Any]]] = [
    ("47-most", {"size": 2**63 - 1}),
    ("47-least", {"size": -(2**63)}),
    ("45-six places", {"rate": Decimal("0.000001")}),
    ("52-leap day", {"joined": date(2024, 2, 29)}),
    ("50-early day", {"joined": date(1800, 1, 1)}),
    ("64-late instant", {"seen": datetime(2200, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)}),
    ("20-SQL", {"nickname": "'); DROP TABLE customer;--"}),
]


@pytest.mark.parametrize("values", [k[1] for k in KEPT_NUMBERS], ids=[k[0] for k in KEPT_NUMBERS])
def test_values_of_attributes_are_kept(tmp_path: Path, clock: VirtualClock, values: dict[str, Any]) -> None:
    """The outermost values are the same after reopening, and found."""
    ((name, value),) = values.items()
    for url in (f"sqlite:///{tmp_path}/kept.db", "memory://"):
        crm = CRM.open(url, clock=clock, attributes=ATTRIBUTES, durability="normal")
        crm.customers.register(Person("Ana"), id="ana", attributes=values)
        if url != "memory://":
            crm.close()
            crm = CRM.open(url, clock=clock, attributes=ATTRIBUTES, durability="normal")
        found = crm.customers.get("ana").attributes[name]
        assert found == value
        assert type(found) is type(value)
        assert [c.id for c in crm.customers.find(field(f"attributes.{name}") == value)] == ["ana"]
        crm.close()


@pytest.mark.parametrize("name", ["__class__", "id", "tenant", "_connector", 'a"; DROP', "A", "", "a b", "é", "a" * 65])
def test_no_name_of_an_attribute(name: str) -> None:
    """79: names that could be taken for something else are refused when they are declared."""
    with pytest.raises(Invalid) as caught:
        Attribute(name, str)
    assert caught.value.field == "Attribute.name"
    with pytest.raises(Invalid):
        CRM.open("memory://", attributes=[Attribute("fine", str), Attribute("fine", int)])


BAD_COUNTS: list[tuple[str, Any]] = [
    ("43-True", True),
    ("42-float", 4.0),
    ("44-text", "4"),
    ("47-2**63", 2**63),
    ("77-digits", 10**5000),
    ("81-list", [4]),
    ("83-none", None),
]


@pytest.mark.parametrize("count", [b[1] for b in BAD_COUNTS], ids=[b[0] for b in BAD_COUNTS])
def test_no_count(crm: CRM, count: Any) -> None:
    """Whole numbers are plain and within their bounds: minutes, importance, answers, sizes, limits."""
    refuses(crm, lambda: crm.interactions.record("ana", "phone", "inbound", minutes=count))  # type: ignore[arg-type]
    refuses(crm, lambda: crm.needs.record("ana", "a bell", importance=count))
    refuses(crm, lambda: crm.satisfaction.measure("ana", BuyingStep.USE, count))
    refuses(crm, lambda: crm.customers.find(limit=count))
    with pytest.raises(Invalid):
        Document(name="a", media_type="a/b", size=count, sha256="0" * 64)


# time

ZONE = ZoneInfo("Europe/Berlin")
BAD_INSTANTS: list[tuple[str, Any, str]] = [
    ("49-naive", datetime(2025, 1, 1), "naive"),  # noqa: DTZ001
    ("50-first", datetime.min.replace(tzinfo=UTC), "out-of-range"),
    ("50-last", datetime.max.replace(tzinfo=UTC), "out-of-range"),
    ("50-text", "infinity", "type"),
    ("50-day", date(2025, 1, 1), "type"),
    ("55-gap", datetime(2025, 3, 30, 2, 30, tzinfo=ZONE), "gap"),
    ("57-leap second", "2016-12-31T23:59:60Z", "type"),
    ("58-offset", datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=23))), "offset"),
    ("58-seconds", datetime(2025, 1, 1, tzinfo=timezone(timedelta(seconds=61))), "offset"),
    ("64-milliseconds", datetime(9999, 1, 1, tzinfo=UTC), "out-of-range"),
    ("64-a number", 1_767_225_600_000, "type"),
]


@pytest.mark.parametrize(("at", "rule"), [b[1:] for b in BAD_INSTANTS], ids=[b[0] for b in BAD_INSTANTS])
def test_no_instant(crm: CRM, clock: VirtualClock, at: Any, rule: str) -> None:
    """What is no instant of this age is refused by values, verbs, questions and the clock."""
    with pytest.raises(Invalid) as caught:
        Sale(at=at, total=Money(1, "EUR"))
    assert (caught.value.field, caught.value.rule) == ("Sale.at", rule)
    enters: list[Callable[[], object]] = [
        lambda: crm.purchases.record("ana", "1 EUR", at=at),
        lambda: crm.interactions.note("ana", "x", at=at),
        lambda: crm.tasks.plan("ana", "x", due=at),
        lambda: crm.customers.register(Person("Ben"), since=at),
        lambda: crm.customers.rename("ana", "Ana Cruz", as_of=at),
        lambda: crm.consents.grant("ana", "service", captured_at=at),
        lambda: crm.customers.add_contact("ana", ContactPoint(Means.CHAT, "x", valid_until=at)),
        lambda: crm.relationships.due(at),
    ]
    for enter in enters:
        refuses(crm, enter)
    with pytest.raises(Invalid):
        clock.advance(at)
    with pytest.raises(Invalid):
        CRM.open("memory://", clock=lambda: at).customers.register()
    refuses(crm, lambda: crm.purchases.find(field("at") > at))


def test_a_time_that_happens_twice_is_the_first(crm: CRM) -> None:
    """56: without fold the first of the two; both come back as one instant in UTC."""
    first = datetime(2025, 10, 26, 2, 30, tzinfo=ZONE)
    bought = crm.purchases.record("ana", "1 EUR", at=first)
    assert crm.purchases.get(bought.id).at == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    again = crm.purchases.record("ana", "1 EUR", at=first.replace(fold=1))
    assert crm.purchases.get(again.id).at == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


BAD_DAYS = [
    ("50-year 0", "0000-01-01"),
    ("50-year 1", "0001-01-01"),
    ("50-year 9999", "9999-12-31"),
    ("50-BC", "-0044-03-15"),
    ("50-infinity", "infinity"),
    ("51-tomorrow", "2026-01-02"),
    ("54-no leap year", "2025-02-29"),
    ("54-no such day", "2025-04-31"),
    ("54-no such month", "2025-13-01"),
    ("44-full width", "１９９０-05-01"),
    ("44-spaces", " 1990-05-01 "),
]


@pytest.mark.parametrize("day", [b[1] for b in BAD_DAYS], ids=[b[0] for b in BAD_DAYS])
def test_no_birthday(crm: CRM, day: str) -> None:
    """Days that there are not, or that are to come, are nobody's birthday."""
    refuses(crm, lambda: crm.customers.register(Person("Ben", born=day)))
    refuses(crm, lambda: crm.customers.correct("ana", born=day))
    refuses(crm, lambda: crm.customers.note("ana", Dependant("Lia", born=day)))
    if day != "2026-01-02":
        with pytest.raises(Invalid):
            PartialDate.parse(day)
        refuses(crm, lambda: crm.customers.note("ana", ImportantDate("wedding", day)))


@pytest.mark.parametrize("day", ["1992-02-29", "--02-29", "1880-05", "1876", "--05", "2026-01-01"])
def test_birthdays_are_kept(tmp_path: Path, clock: VirtualClock, day: str) -> None:
    """51 to 53: leap days, days without a year, and old ones are kept as they are; the very old are doubted."""
    for url in (f"sqlite:///{tmp_path}/kept.db", "memory://"):
        crm = CRM.open(url, clock=clock, durability="normal")
        crm.customers.register(Person("Ana", born=day), id="ana")
        if url != "memory://":
            crm.close()
            crm = CRM.open(url, clock=clock, durability="normal")
        assert str(getattr(crm.customers.get("ana").party, "born")) == day  # noqa: B009 - of a party of any kind
        assert bool(crm.customers.doubts("ana")) == (day in ("1880-05", "1876"))
        crm.close()


ZONES = ["Nowhere/Land", "../../etc/passwd", "EST5EDT4,M3", "/etc/localtime", "europe/berlin", "UTC\0", "a" * 5000]


@pytest.mark.parametrize("zone", ZONES, ids=lambda z: f"59-{z[:16]}")
def test_no_zone(crm: CRM, zone: str) -> None:
    """59: names of zones are those of the database, and no paths."""
    refuses(crm, lambda: crm.customers.register(Person("Ben"), zone=zone), hidden=zone)
    refuses(crm, lambda: crm.customers.set_locale("ana", zone=zone), hidden=zone)


def test_a_zone_that_has_gone(crm: CRM, monkeypatch: pytest.MonkeyPatch) -> None:
    """60: a zone that the database has dropped stays with the customer, who can be dealt with as before."""
    crm.customers.set_locale("ana", zone="Asia/Manila")
    asks = [m for n, m in list(sys.modules.items()) if n.startswith("crmkit.domain") and "ZoneInfo" in vars(m)]
    assert asks
    for module in asks:
        monkeypatch.setattr(module, "ZoneInfo", _gone)
    assert crm.customers.get("ana").zone == "Asia/Manila"
    assert crm.customers.rename("ana", "Ana Cruz").zone == "Asia/Manila"
    assert crm.customers.correct("ana", born="1990").name == "Ana Cruz"
    assert crm.customers.channel_choices("ana") == ()


def _gone(_: str) -> object:
    raise ZoneInfoNotFoundError


def test_ends_before_starts(crm: CRM) -> None:
    """61: what ends before it begins is refused."""
    before = START - timedelta(days=1)
    point = ContactPoint(Means.CHAT, "ana", valid_from=START)
    crm.customers.add_contact("ana", point)
    known = crm.customers.get("ana").contacts[0].id
    refuses(crm, lambda: crm.customers.end_contact("ana", known, until=before), rule="end-before-start")
    refuses(
        crm,
        lambda: crm.consents.grant("ana", "service", effective_from=START, effective_until=before),
        rule="end-before-start",
    )
    refuses(crm, lambda: crm.tasks.plan("ana", "x", due=before), rule="past")
    with pytest.raises(Invalid):
        ContactPoint(Means.CHAT, "ana", valid_from=START, valid_until=before)


# bounds, R13: ten times what a field or an argument takes


def test_ten_times_the_bound(crm: CRM) -> None:
    """R13, 73: whatever has a bound refuses ten times as much, before the work."""
    many = range(2_000)
    refuses(crm, lambda: crm.customers.register(tags=[f"t{n}" for n in many]), rule="too-many")
    refuses(crm, lambda: crm.customers.tag("ana", *(f"t{n}" for n in many)), rule="too-many")
    refuses(crm, lambda: crm.customers.note("ana", *(Interest(f"t{n}") for n in range(5_000))), rule="too-many")
    refuses(crm, lambda: crm.customers.note("ana", *(Dependant(f"d{n}") for n in range(500))), rule="too-many")
    points = [ContactPoint(Means.CHAT, f"h{n}") for n in range(1_000)]
    refuses(crm, lambda: crm.customers.register(contacts=points), rule="too-many")
    cards = [Identifier("card", str(n)) for n in range(500)]
    refuses(crm, lambda: crm.customers.register(identifiers=cards), rule="too-many")
    members = tuple(f"c{n}" for n in range(100_000))
    refuses(crm, lambda: crm.customers.register(Household("h", members=members)), rule="too-many")
    items = [Item(product="a", quantity=1, amount=Money(1, "EUR"))] * 10_000
    refuses(crm, lambda: crm.purchases.record("ana", items=items), rule="too-many")
    people = [f"p{n}" for n in range(1_000)]
    refuses(
        crm,
        lambda: crm.interactions.record("ana", "phone", "inbound", participants=people),  # type: ignore[arg-type]
        rule="too-many",
    )
    tie = crm.relationships.begin("ana", "transactional")
    shown = ["value understood"] * 1_000
    refuses(crm, lambda: crm.relationships.note_evidence(tie, *shown), field="evidence", rule="too-many")
    refuses(crm, lambda: crm.relationships.advance(tie, "understand", evidence=shown), field="evidence")
    refuses(crm, lambda: crm.relationships.advance(tie, "understand", evidence=shown[0]), rule="type")
    refuses(crm, lambda: crm.needs.record("ana", "x", products=[str(n) for n in range(10_000)]), rule="too-many")
    refuses(crm, lambda: crm.customers.find(limit=100_000), field="limit", rule="range")
    refuses(crm, lambda: crm.customers.find(field("id").in_([str(n) for n in range(100_000)])), rule="too-many")
    refuses(crm, lambda: crm.purchases.refund("p", "1 EUR", cause="x" * 800), error=LookupError)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        Refund(id="r" * 2_000, at=START, amount=Money(1, "EUR"), cause="goodwill")


def test_the_largest_household_is_kept(crm: CRM) -> None:
    """73: a household holds a hundred people, and not one more."""
    people = tuple(crm.customers.register(Person(f"P{n}")).id for n in range(100))
    home = crm.customers.register(Household("Large", members=people))
    refuses(crm, lambda: crm.customers.add_member(home, "ana"), rule="too-many")
    assert len(getattr(crm.customers.get(home).party, "members")) == 100  # noqa: B009 - of a party of any kind
