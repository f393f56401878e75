"""Money: the bad-input catalogue's section Numbers/money, and the laws of exact amounts."""

import decimal
import operator
import pickle
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from enum import StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import Invalid
from crmkit.kernel.money import CURRENCIES, MOST_MINOR, RETIRED, Money, money

USD = "USD"
EXAMPLES = {"12.5", "12.50 USD", "['12.50']", "12.50", "None"}  # stand in messages as what would be right
MINORS = st.integers(-MOST_MINOR, MOST_MINOR)
SMALL = st.integers(-(10**9), 10**9)
CODES = st.sampled_from(sorted(CURRENCIES))


class Word(StrEnum):
    USD = "USD"


EXAMPLES = {"12.5", "12.50 USD", "['12.50']", "12.50", "None"}  # stand in messages as what would be right


class LyingDecimal(Decimal):
    def is_finite(self) -> bool:
        raise AssertionError


def refused(call: Callable[[], Any], *, without: object = "") -> Invalid:
    with pytest.raises(Invalid) as caught:
        call()
    if len(told := str(without).strip()) > 3 and told not in EXAMPLES:
        assert told not in str(caught.value)
    return caught.value


REFUSED = [
    ("39", Decimal("NaN"), "not-finite"),
    ("39", Decimal("sNaN"), "not-finite"),
    ("39", Decimal("-NaN123456"), "not-finite"),
    ("39", Decimal("Infinity"), "not-finite"),
    ("39", Decimal("-Infinity"), "not-finite"),
    ("39", "NaN", "amount"),
    ("39", "Infinity", "amount"),
    ("40", Decimal("1E+1000000"), "out-of-range"),
    ("40", Decimal("-1E+1000000"), "out-of-range"),
    ("40", Decimal("1E-1000000"), "too-many-decimals"),
    ("40", "1E+1000000", "amount"),
    ("40", "1e3", "amount"),
    ("42", 0.1, "type"),
    ("42", 12.0, "type"),
    ("43", True, "type"),
    ("43", False, "type"),
    ("44", "\uff11\uff12", "amount"),
    ("44", "\u0661\u0662", "amount"),
    ("44", "1_0", "amount"),
    ("44", " 1 ", "amount"),
    ("44", "1\n", "amount"),
    ("44", "1,234.50", "amount"),
    ("44", "1.234,50", "amount"),
    ("44", "12,50", "amount"),
    ("44", "1 234.50", "amount"),
    ("44", "007.50", "amount"),
    ("44", "+1", "amount"),
    ("44", ".50", "amount"),
    ("44", "12.", "amount"),
    ("44", "", "amount"),
    ("44", "-", "amount"),
    ("44", "--1", "amount"),
    ("45", Decimal("12.345"), "too-many-decimals"),
    ("45", Decimal("0.001"), "too-many-decimals"),
    ("45", "12.345", "too-many-decimals"),
    ("45", "1.500", "too-many-decimals"),
    ("47", 2**63, "out-of-range"),
    ("47", -(2**63), "out-of-range"),
    ("47", Decimal(2**63) / 100, "out-of-range"),
    ("47", -Decimal(2**63) / 100, "out-of-range"),
    ("47", "92233720368547758.08", "out-of-range"),
    ("47", MOST_MINOR // 100 + 1, "out-of-range"),
    ("77", 10**5000, "out-of-range"),
    ("77", "1" * 5000, "amount"),
    ("77", Decimal("1" * 5000), "out-of-range"),
    ("81", ["12.50"], "type"),
    ("83", LyingDecimal("12.50"), "type"),
    ("83", None, "type"),
]


@pytest.mark.parametrize(
    ("amount", "rule"), [pytest.param(a, r, id=f"{n}-{r}-{i}") for i, (n, a, r) in enumerate(REFUSED)]
)
def test_an_amount_is_refused(amount: Any, rule: str) -> None:
    """Each entry of the catalogue is refused by its own rule, without telling the amount."""
    shown = "" if isinstance(amount, int) and amount > 2**70 else amount
    error = refused(lambda: Money(amount, USD), without=shown)
    assert (error.field, error.rule) == ("Money.amount", rule)


CODES_REFUSED = [
    "usd",
    "Usd",
    "US",
    "USDX",
    "",
    "ZZZ",
    "XXX",
    "XAU",
    "XTS",
    "XDR",
    "US\u0130",
    " USD",
    Word.USD,
    None,
    840,
    b"USD",
]


@pytest.mark.parametrize("currency", CODES_REFUSED, ids=repr)
def test_a_currency_is_refused(currency: Any) -> None:
    """Unknown, lower-case and unitless codes (46), and what is no plain text (83), are refused everywhere."""
    for call in (
        lambda: Money(1, currency),
        lambda: Money.of_minor(1, currency),
        lambda: Money.zero(currency),
        lambda: Money.total([], currency),
    ):
        error = refused(call)
        assert (error.field, error.rule) == ("Money.currency", "currency")


def test_retired_currencies_are_kept() -> None:
    """A purchase in kuna or lira stays readable (46)."""
    assert str(Money("12.50", "HRK")) == "12.50 HRK"
    assert str(Money(1000, "ITL")) == "1000 ITL"
    assert {"ANG", "BGN", "CUC", "HRK", "SLL", "ZWL"} < RETIRED < set(CURRENCIES)
    assert not RETIRED & {"EUR", "USD", "XCG", "ZWG"}


def test_the_table_is_that_of_the_standard() -> None:
    """Counts and samples of ISO 4217 as of 2026, and no way to change them."""
    current = {code: decimals for code, decimals in CURRENCIES.items() if code not in RETIRED}
    assert len(current) == 165
    assert sorted(set(current.values())) == [0, 2, 3, 4]
    assert [sum(d == n for d in current.values()) for n in (0, 2, 3, 4)] == [17, 139, 7, 2]
    samples = {
        "USD": 2,
        "EUR": 2,
        "JPY": 0,
        "KWD": 3,
        "CLF": 4,
        "UYW": 4,
        "ISK": 0,
        "PHP": 2,
        "XAD": 2,
        "MGA": 2,
        "VND": 0,
    }
    assert samples.items() <= current.items()
    assert all(code.isascii() and code.isupper() and len(code) == 3 for code in CURRENCIES)
    with pytest.raises(TypeError):
        CURRENCIES["USD"] = 3  # type: ignore[index]


@pytest.mark.parametrize(
    "zero", [Decimal("-0"), Decimal("-0.00"), Decimal("0E+7"), Decimal("0E-9"), "-0", "-0.00", "0", 0]
)
def test_minus_zero_becomes_zero(zero: Any) -> None:
    """There is one nothing in a currency (41)."""
    nothing = Money(zero, USD)
    assert nothing.amount.as_tuple() == Decimal("0.00").as_tuple()
    assert nothing == Money.zero(USD) == -Money.zero(USD) == Money.zero(USD) * -3
    assert str(nothing) == "0.00 USD"
    assert str(Money("0.01", USD).times(Decimal("-0.1"))) == "0.00 USD"
    assert str(-Money.zero("JPY")) == "0 JPY"
    assert (Money("1.50", USD) - Money("1.50", USD)).amount.as_tuple() == Decimal("0.00").as_tuple()


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("12.5", "USD", "12.50 USD"),
        (Decimal("12.500"), "USD", "12.50 USD"),
        (Decimal("1E+3"), "USD", "1000.00 USD"),
        (12, "KWD", "12.000 KWD"),
        ("-0.001", "KWD", "-0.001 KWD"),
        (Decimal("0.0001"), "CLF", "0.0001 CLF"),
        ("1250", "JPY", "1250 JPY"),
        ("92233720368547758.07", "USD", "92233720368547758.07 USD"),
        ("-9223372036854775807", "JPY", "-9223372036854775807 JPY"),
        (MOST_MINOR, "JPY", "9223372036854775807 JPY"),
        (Decimal("0.10"), "EUR", "0.10 EUR"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(amount: Any, currency: str, text: str) -> None:
    """Whatever exact way it was written, it is kept and printed in one way."""
    made = Money(amount, currency)
    assert str(made) == text
    assert made.amount.as_tuple().exponent == -CURRENCIES[currency]
    assert Money.parse(text) == made
    assert money(text) == money(made) == made


@given(MINORS, CODES)
def test_every_amount_survives_every_way_around(minor: int, currency: str) -> None:
    """Minor units, text, repr, pickle and copies give the same money back."""
    made = Money.of_minor(minor, currency)
    assert made.minor == minor
    assert type(made.minor) is int
    assert made.amount == Decimal(minor) / 10 ** CURRENCIES[currency]
    for again in (
        Money(made.amount, currency),
        Money.parse(str(made)),
        eval(repr(made)),
        pickle.loads(pickle.dumps(made)),
        deepcopy(made),
        attrs.evolve(made),
    ):
        assert again == made
        assert hash(again) == hash(made)
        assert again.amount.as_tuple() == made.amount.as_tuple()
        assert str(again) == str(made)


@given(SMALL, SMALL, st.integers(-1000, 1000), CODES)
def test_sums_differences_and_multiples_are_exact(one: int, other: int, times: int, currency: str) -> None:
    """Arithmetic is that of whole numbers of the smallest unit."""
    a, b = Money.of_minor(one, currency), Money.of_minor(other, currency)
    results = [a + b, a - b, a * times, times * a, -a, abs(a), Money.total([a, b, a], currency), sum([a, b], b)]
    minors = [one + other, one - other, one * times, one * times, -one, abs(one), 2 * one + other, one + 2 * other]
    assert [result.minor for result in results] == minors
    for result in results:
        assert result == Money.of_minor(result.minor, currency)
        assert result.amount.as_tuple() == Money.of_minor(result.minor, currency).amount.as_tuple()
        assert result.currency == currency


@given(MINORS, MINORS)
def test_order_is_that_of_the_amounts(one: int, other: int) -> None:
    """Exactly one of less, equal and greater holds, as for whole numbers."""
    a, b = Money.of_minor(one, USD), Money.of_minor(other, USD)
    assert (a < b, a <= b, a > b, a >= b, a == b) == (
        one < other,
        one <= other,
        one > other,
        one >= other,
        one == other,
    )


@pytest.mark.parametrize(
    "act",
    [operator.add, operator.sub, operator.lt, operator.le, operator.gt, operator.ge],
    ids=lambda act: act.__name__,
)
def test_currencies_do_not_mix(act: Callable[[Any, Any], Any]) -> None:
    """Sums and comparisons across currencies are refused (48), and with what is no money they are a TypeError."""
    error = refused(lambda: act(Money(1, "USD"), Money(1, "EUR")))
    assert (error.field, error.rule) == ("Money.currency", "currency-mismatch")
    assert str(error) == "Money.currency: expected money in USD, found money in EUR (currency-mismatch)"
    for other in (1, Decimal(1), "1.00 USD", None):
        with pytest.raises(TypeError):
            act(Money(1, "USD"), other)
        with pytest.raises(TypeError):
            act(other, Money(1, "USD"))


def test_equality_is_exact() -> None:
    """Other currencies, numbers and text are not equal, and ask for no error."""
    assert Money(1, "USD") != Money(1, "EUR")
    assert Money(1, "USD") != 1
    assert Money(1, "USD") != "1.00 USD"
    assert len({Money(1, "USD"), Money("1.00", "USD"), Money(1, "EUR"), Money(1, "AUD")}) == 3


def test_a_total_names_its_currency() -> None:
    """Mixed totals are refused (48), nothing sums up to zero, and only the outcome must fit."""
    assert Money.total([], USD) == Money.zero(USD)
    most = Money.of_minor(MOST_MINOR, USD)
    assert Money.total(iter([most, most, -most]), USD) == most
    assert refused(lambda: Money.total([most, most], USD)).rule == "out-of-range"
    error = refused(lambda: Money.total([Money(1, USD), Money(1, "EUR")], USD))
    assert (error.field, error.rule) == ("Money.currency", "currency-mismatch")
    assert refused(lambda: Money.total([Decimal(1)], USD)).rule == "type"  # type: ignore[list-item]
    with pytest.raises(TypeError):
        sum([Money(1, USD)])
    assert refused(lambda: sum([Money(1, "EUR")], Money.zero(USD))).rule == "currency-mismatch"


def test_what_leaves_the_range_is_refused() -> None:
    """Sums, differences, multiples and products stay within 64 bits (47)."""
    most, least = Money.of_minor(MOST_MINOR, USD), Money.of_minor(-MOST_MINOR, USD)
    cent = Money("0.01", USD)
    assert -most == least
    assert abs(least) == most
    for call in (
        lambda: most + cent,
        lambda: least - cent,
        lambda: most * 2,
        lambda: least * 10**5000,
        lambda: most.times(Decimal("1.1")),
        lambda: most.times(Decimal("1E+39")),
        lambda: Money.of_minor(MOST_MINOR + 1, USD),
        lambda: Money.of_minor(-MOST_MINOR - 1, USD),
    ):
        assert refused(call).rule == "out-of-range"
    assert most - cent + cent == most


@pytest.mark.parametrize("minor", [1.0, True, "1", Decimal(1), None])
def test_minor_units_are_whole_numbers(minor: Any) -> None:
    """of_minor takes an int and nothing that resembles one."""
    error = refused(lambda: Money.of_minor(minor, USD))
    assert (error.field, error.rule) == ("Money.minor", "type")


@pytest.mark.parametrize("times", [1.5, Decimal(2), True, "2", None])
def test_only_a_whole_number_multiplies(times: Any) -> None:
    """Everything that may need rounding goes through times()."""
    with pytest.raises(TypeError):
        Money(1, USD) * times
    with pytest.raises(TypeError):
        times * Money(1, USD)


@pytest.mark.parametrize(
    ("amount", "factor", "rounding", "text"),
    [
        ("0.25", "0.5", None, "0.12"),
        ("0.35", "0.5", None, "0.18"),
        ("0.25", "0.5", decimal.ROUND_HALF_UP, "0.13"),
        ("0.25", "0.5", decimal.ROUND_DOWN, "0.12"),
        ("-0.25", "0.5", decimal.ROUND_FLOOR, "-0.13"),
        ("0.21", "0.5", decimal.ROUND_CEILING, "0.11"),
        ("100.00", "0.19", None, "19.00"),
        ("19.99", "1.0825", None, "21.64"),
        ("1.00", "0", None, "0.00"),
        ("1.00", "0E+9999999", None, "0.00"),
        ("-1.00", "-1", None, "1.00"),
        ("1.00", "1E-40", decimal.ROUND_UP, "0.01"),
        ("0.01", "1E+18", None, "10000000000000000.00"),
    ],
)
def test_a_product_is_rounded_once_and_as_said(amount: str, factor: str, rounding: str | None, text: str) -> None:
    """Halves go to even unless another mode is named."""
    options = {} if rounding is None else {"rounding": rounding}
    assert str(Money(amount, USD).times(Decimal(factor), **options)) == f"{text} USD"


@given(SMALL, st.integers(-1000, 1000))
def test_a_whole_factor_is_a_multiple(minor: int, factor: int) -> None:
    """times(n) is * n, whether n is an int or a Decimal."""
    amount = Money.of_minor(minor, USD)
    assert amount.times(factor) == amount.times(Decimal(factor)) == amount * factor


@pytest.mark.parametrize(
    "factor",
    [
        0.5, True, "0.5", None, Decimal("NaN"), Decimal("Infinity"), Decimal("1E+40"), Decimal("1E+1000000"),
        Decimal("1E-41"), Decimal("0." + "3" * 41), 10**40, -(10**40), LyingDecimal(1),
    ],
)  # fmt: skip
def test_a_factor_is_exact_and_bounded(factor: Any) -> None:
    """Floats, infinities and giants are refused before anything is multiplied (39, 40, 42, 43)."""
    error = refused(lambda: Money(1, USD).times(factor))
    assert (error.field, error.rule) == ("factor", "factor")


@pytest.mark.parametrize("rounding", ["ROUND_SOMEHOW", "", None, 4, ["ROUND_UP"]])
def test_a_rounding_is_one_of_decimals_own(rounding: Any) -> None:
    """An unknown mode is refused by name."""
    error = refused(lambda: Money(1, USD).times(2, rounding=rounding))
    assert (error.field, error.rule) == ("rounding", "rounding")


@given(MINORS, st.lists(st.integers(0, MOST_MINOR), min_size=1, max_size=30).filter(any), CODES)
def test_shares_add_up_and_are_fair(minor: int, weights: list[int], currency: str) -> None:
    """Shares sum exactly, each is within one unit of its exact value, and nothing goes to a weight of nothing."""
    amount = Money.of_minor(minor, currency)
    shares = amount.allocate(weights)
    assert len(shares) == len(weights)
    assert Money.total(shares, currency) == amount
    whole = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share.minor * whole - minor * weight) < whole
        assert share.minor == 0 or weight > 0
    assert [-share for share in shares] == list((-amount).allocate(tuple(weights)))


@pytest.mark.parametrize(
    ("minor", "weights", "shares"),
    [
        (1000, [1, 1, 1], [334, 333, 333]),
        (-1000, [1, 1, 1], [-334, -333, -333]),
        (5, [1, 1, 1], [2, 2, 1]),
        (100, [50, 30, 20], [50, 30, 20]),
        (1, [1, 2], [0, 1]),
        (10, [0, 1, 0], [0, 10, 0]),
        (0, [1, 2], [0, 0]),
        (7, [3, 3, 1], [3, 3, 1]),
    ],
)
def test_the_largest_remainder_goes_first(minor: int, weights: list[int], shares: list[int]) -> None:
    """Left-over units go to the largest remainders, the earlier first."""
    assert [share.minor for share in Money.of_minor(minor, USD).allocate(weights)] == shares


@pytest.mark.parametrize(
    "weights", [[], [0], [0, 0], [1, -1], [1.0], [True], [MOST_MINOR + 1], "12", {1, 2}, None, [1, None]]
)
def test_weights_are_whole_and_some_positive(weights: Any) -> None:
    """Nothing to share by is refused."""
    error = refused(lambda: Money(1, USD).allocate(weights))
    assert (error.field, error.rule) == ("weights", "weights")


@pytest.mark.parametrize(
    ("text", "field", "rule"),
    [
        ("12.50USD", "Money", "amount"),
        ("", "Money", "amount"),
        ("12.50  USD", "Money.currency", "currency"),
        ("12.50 USD ", "Money.currency", "currency"),
        (" 12.50 USD", "Money.currency", "currency"),
        ("12.50 usd", "Money.currency", "currency"),
        ("12.50 JPY", "Money.amount", "too-many-decimals"),
        ("USD 12.50", "Money.currency", "currency"),
        ("12.50\u00a0USD", "Money", "amount"),
        (12.5, "Money", "type"),
        (None, "Money", "type"),
    ],
)
def test_only_what_str_writes_is_read(text: Any, field: str, rule: str) -> None:
    """Money.parse takes the amount, one space and the currency."""
    error = refused(lambda: Money.parse(text), without=text)
    assert (error.field, error.rule) == (field, rule)
    assert refused(lambda: money(text)).rule == rule


def test_money_is_frozen() -> None:
    """Neither part of an amount can be set."""
    made = Money(1, USD)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.amount = Decimal(2)  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.currency = "EUR"  # type: ignore[misc]
    with pytest.raises(Invalid):
        attrs.evolve(made, currency="JPY", amount=Decimal("0.5"))


def test_the_callers_decimal_context_has_no_say() -> None:
    """Results are the same under the crudest context, and it is left as it was."""
    with decimal.localcontext() as context:
        context.prec = 2
        context.Emax, context.Emin = 3, -3
        context.traps = dict.fromkeys(context.traps, True)  # type: ignore[assignment]
        context.clear_flags()
        a = Money("123456.78", USD)
        assert str(a + a) == "246913.56 USD"
        assert str(a - Money("0.01", USD)) == "123456.77 USD"
        assert a.minor == 12345678
        assert str(a.times(Decimal("1.01"))) == "124691.35 USD"
        assert [s.minor for s in a.allocate([1, 2])] == [4115226, 8230452]
        assert a > Money.of_minor(12345677, USD)
        assert refused(lambda: Money(Decimal("1.234"), USD)).rule == "too-many-decimals"
        assert refused(lambda: Money(Decimal("NaN"), USD)).rule == "not-finite"
        assert not any(context.flags.values())


def test_errors_chain_nothing_that_tells_the_amount() -> None:
    """No cause hangs on the refusal."""
    error = refused(lambda: Money(Decimal("12.345"), USD))
    assert error.__cause__ is None
    assert error.__suppress_context__
