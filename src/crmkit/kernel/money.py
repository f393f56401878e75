"""Money: an exact amount in a currency, never rounded unless the caller says how.

A `Money` holds a `Decimal` with exactly the decimals that its currency has, at most 2**63 - 1 of the smallest unit
either way, so that every store keeps it as one whole number. It is made from a `Decimal`, an `int` or strictly written
text; a `float` is refused, because 0.1 is not what it says. Nothing here depends on the caller's decimal context.

    type               not a Decimal, int or text (float and bool are neither), or not a Money where one is needed
    amount             text that is not written like "12.50" or "-3"
    not-finite         NaN or an infinity
    too-many-decimals  more decimals than the currency has
    out-of-range       more than 2**63 - 1 of the smallest unit
    currency           no code of ISO 4217 with a smallest unit, in capitals
    currency-mismatch  two currencies in one sum or comparison
    factor, weights    what an amount cannot be multiplied with or shared out by
    rounding           no rounding mode of `decimal`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import (
    ROUND_05UP,
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    Inexact,
    InvalidOperation,
    Overflow,
)
from types import MappingProxyType
from typing import Final, cast, final

import attrs

from crmkit.errors import Invalid, redacted

# ISO 4217, list one of 2026-01-01, by the number of decimals. Left out are the codes without a smallest unit: metals,
# bond units, accounting units of banks (XDR, XSU, XUA), XTS and XXX.
_DECIMALS_OF_CURRENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW
        CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
        IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
        MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP
        SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG
        YER ZAR ZMW ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
# What a customer may have paid in since 1999, and what has been retired since: records of it must stay readable.
_DECIMALS_OF_RETIRED: Final = {
    0: "BEF BYR ESP GRD ITL LUF MGF PTE TRL",
    2: """ANG ATS AZM BGN CSD CUC CYP DEM EEK FIM FRF GHC HRK IEP LTL LVL MRO MTL MZM NLG ROL SDD SIT SKK SLL SRG STD
        TMM VEB VEF ZMK ZWL""",
}

RETIRED: Final = frozenset(" ".join(_DECIMALS_OF_RETIRED.values()).split())
"""The currencies that exist no more. Amounts in them are kept, for purchases of the time."""

_DECIMALS: Final = {
    currency: decimals
    for table in (_DECIMALS_OF_CURRENT, _DECIMALS_OF_RETIRED)
    for decimals, currencies in table.items()
    for currency in currencies.split()
}

CURRENCIES: Final[Mapping[str, int]] = MappingProxyType(_DECIMALS)
"""The number of decimals of every currency that `Money` takes, the retired ones included."""

MOST_MINOR: Final = 2**63 - 1
"""The most of the smallest unit either way: what a signed 64-bit column holds, symmetric so that `-money` exists."""

_EXACT: Final = Context(prec=120, Emin=-999, Emax=999, traps=[InvalidOperation, Overflow, Inexact])
_ROUNDING: Final = Context(prec=120, Emin=-999, Emax=999, traps=[InvalidOperation, Overflow])
_ROUNDINGS: Final = frozenset(
    {ROUND_05UP, ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP}
)
_QUANTUM: Final = {currency: Decimal((0, (1,), -decimals)) for currency, decimals in _DECIMALS.items()}
_ZERO: Final = {currency: Decimal((0, (0,), -decimals)) for currency, decimals in _DECIMALS.items()}
_MOST: Final = {currency: _EXACT.multiply(quantum, MOST_MINOR) for currency, quantum in _QUANTUM.items()}
_LEAST: Final = {currency: _EXACT.minus(most) for currency, most in _MOST.items()}  # -most asks the caller's context
_WRITTEN: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.([0-9]+))?")
_LONGEST_WRITTEN: Final = 40
_FACTOR_DIGITS: Final = 40
_set = object.__setattr__


@final
@attrs.frozen(init=False, order=False)
class Money:
    """An exact amount in a currency.

    Attributes:
        amount: the amount, with exactly as many decimals as the currency has.
        currency: the code of the currency in ISO 4217.

    Raises:
        Invalid: rules `type`, `amount`, `not-finite`, `too-many-decimals`, `out-of-range`, `currency`. Text with more
            decimals than the currency has is refused even if they are zeros, because "1.500" may mean 1500 somewhere;
            a `Decimal` may have more zeros. Minus zero becomes zero.

    >>> Money("12.5", "USD")
    Money(amount=Decimal('12.50'), currency='USD')
    >>> Money(2, "USD") * 3 + Money("0.50", "USD")
    Money(amount=Decimal('6.50'), currency='USD')
    """

    amount: Decimal
    currency: str

    def __init__(self, amount: Decimal | int | str, currency: str) -> None:
        decimals = _decimals(currency)
        if type(amount) is Decimal:
            exact = _from_decimal(amount, currency)
        elif type(amount) is str:
            exact = _from_text(amount, currency, decimals)
        elif type(amount) is int:
            if not -MOST_MINOR <= amount <= MOST_MINOR:
                raise _out_of_range("int")
            exact = _from_decimal(Decimal(amount), currency)
        else:
            raise Invalid("Money.amount", "type", "a Decimal, an int or text such as '12.50'", redacted(amount))
        _set(self, "amount", exact)
        _set(self, "currency", currency)

    @classmethod
    def of_minor(cls, minor: int, currency: str) -> Money:
        """Make money from a whole number of the currency's smallest unit.

        Raises:
            Invalid: rules `type`, `out-of-range`, `currency`.

        >>> Money.of_minor(1250, "USD"), Money.of_minor(1250, "JPY")
        (Money(amount=Decimal('12.50'), currency='USD'), Money(amount=Decimal('1250'), currency='JPY'))
        """
        decimals = _decimals(currency)
        if type(minor) is not int:
            raise Invalid("Money.minor", "type", "a whole number of the smallest unit", redacted(minor))
        if not -MOST_MINOR <= minor <= MOST_MINOR:
            raise _out_of_range("int")
        own = object.__new__(cls)
        _set(own, "amount", Decimal(minor).scaleb(-decimals, _EXACT))
        _set(own, "currency", currency)
        return own

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Make the amount of nothing in a currency.

        Raises:
            Invalid: rule `currency`.

        >>> str(Money.zero("EUR"))
        '0.00 EUR'
        """
        return cls.of_minor(0, currency)

    @classmethod
    def parse(cls, text: str) -> Money:
        """Read what `str(money)` writes: the amount, one space, the currency.

        Raises:
            Invalid: rules `type`, `amount`, `too-many-decimals`, `out-of-range`, `currency`.

        >>> Money.parse("12.50 USD")
        Money(amount=Decimal('12.50'), currency='USD')
        """
        if type(text) is not str:
            raise Invalid("Money", "type", "text such as '12.50 USD'", redacted(text))
        amount, space, currency = text.partition(" ")
        if not space:
            raise Invalid("Money", "amount", "an amount, a space and a currency, such as '12.50 USD'", redacted(text))
        return cls(amount, currency)

    @classmethod
    def total(cls, moneys: Iterable[Money], currency: str) -> Money:
        """Add up any number of amounts, none included, in the currency that is named.

        `sum(moneys)` alone raises a `TypeError`: it begins with a 0 that has no currency.

        Raises:
            Invalid: rules `type`, `currency`, `currency-mismatch`, `out-of-range` (of the total, not on the way).

        >>> Money.total([Money(1, "EUR"), Money("0.25", "EUR")], "EUR")
        Money(amount=Decimal('1.25'), currency='EUR')
        """
        decimals = _decimals(currency)
        minor = 0
        for money in moneys:
            if type(money) is not Money:
                raise Invalid("Money", "type", "money", redacted(money))
            if money.currency != currency:
                raise _mismatch(currency, money.currency)
            minor += int(money.amount.scaleb(decimals, _EXACT))
        return cls.of_minor(minor, currency)

    @property
    def minor(self) -> int:
        """The amount as a whole number of the currency's smallest unit.

        >>> Money("12.50", "USD").minor
        1250
        """
        return int(self.amount.scaleb(_DECIMALS[self.currency], _EXACT))

    def __str__(self) -> str:
        return f"{self.amount!s} {self.currency}"

    def __add__(self, other: Money) -> Money:
        if type(other) is not Money:
            return NotImplemented
        self._agree(other)
        return self._like(_EXACT.add(self.amount, other.amount))

    def __sub__(self, other: Money) -> Money:
        if type(other) is not Money:
            return NotImplemented
        self._agree(other)
        return self._like(_EXACT.subtract(self.amount, other.amount))

    def __mul__(self, times: int) -> Money:
        if type(times) is not int:
            return NotImplemented
        return self.of_minor(self.minor * times, self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        return self.of_minor(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return self.of_minor(abs(self.minor), self.currency)

    def __lt__(self, other: Money) -> bool:
        if type(other) is not Money:
            return NotImplemented
        self._agree(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        if type(other) is not Money:
            return NotImplemented
        self._agree(other)
        return self.amount <= other.amount

    def __gt__(self, other: Money) -> bool:
        if type(other) is not Money:
            return NotImplemented
        self._agree(other)
        return self.amount > other.amount

    def __ge__(self, other: Money) -> bool:
        if type(other) is not Money:
            return NotImplemented
        self._agree(other)
        return self.amount >= other.amount

    def times(self, factor: Decimal | int, *, rounding: str = ROUND_HALF_EVEN) -> Money:
        """Multiply by a factor, such as a discount or a tax rate, and round once, to the currency's decimals.

        Halves go to the even neighbour unless another mode of `decimal` is named.

        Raises:
            Invalid: rule `factor` (not a finite Decimal or int of at most 40 digits before and after the point),
                `rounding`, `out-of-range`.

        >>> str(Money("0.25", "USD").times(Decimal("0.5")))
        '0.12 USD'
        >>> str(Money("0.25", "USD").times(Decimal("0.5"), rounding=ROUND_HALF_UP))
        '0.13 USD'
        """
        if type(rounding) is not str or rounding not in _ROUNDINGS:
            expected = "a rounding mode of decimal, such as ROUND_HALF_EVEN"
            raise Invalid("rounding", "rounding", expected, redacted(rounding))
        product = _EXACT.multiply(self.amount, _factor(factor))
        return Money(product.quantize(_QUANTUM[self.currency], rounding, _ROUNDING), self.currency)

    def allocate(self, weights: Sequence[int]) -> tuple[Money, ...]:
        """Share the amount out by weights, so that the shares add up to it exactly.

        Every share is at most one smallest unit off its exact value: what rounding down leaves over goes, one unit
        each, to the shares that lost most by it, and to the earlier of two that lost the same.

        Raises:
            Invalid: rule `weights` (not a sequence of whole numbers from 0 to 2**63 - 1 that are not all 0).

        >>> [str(share) for share in Money(10, "EUR").allocate([1, 1, 1])]
        ['3.34 EUR', '3.33 EUR', '3.33 EUR']
        """
        shares = _weights(weights)
        whole, minor = sum(shares), self.minor
        parts = [divmod(abs(minor) * share, whole) for share in shares]
        left = abs(minor) - sum(part for part, _ in parts)
        most_lost = sorted(range(len(parts)), key=lambda place: (-parts[place][1], place))
        lucky = frozenset(most_lost[:left])
        sign = -1 if minor < 0 else 1
        return tuple(
            self.of_minor(sign * (part + (place in lucky)), self.currency) for place, (part, _) in enumerate(parts)
        )

    def _like(self, amount: Decimal) -> Money:
        """Make money of the same currency from an amount that has its decimals already."""
        currency = self.currency
        if not _LEAST[currency] <= amount <= _MOST[currency]:
            raise _out_of_range("a sum beyond it")
        own = object.__new__(Money)
        _set(own, "amount", amount)
        _set(own, "currency", currency)
        return own

    def _agree(self, other: Money) -> None:
        if self.currency != other.currency:
            raise _mismatch(self.currency, other.currency)


def money(value: Money | str) -> Money:
    """Let money pass, and read it from text such as "12.50 USD"; a converter for fields.

    Raises:
        Invalid: as `Money.parse`.

    >>> money("3 JPY")
    Money(amount=Decimal('3'), currency='JPY')
    """
    return value if isinstance(value, Money) else Money.parse(value)


def _decimals(currency: object) -> int:
    if type(currency) is str:
        decimals = _DECIMALS.get(currency)
        if decimals is not None:
            return decimals
    expected = "a currency code of ISO 4217 in capitals that has a smallest unit, such as 'EUR'"
    raise Invalid("Money.currency", "currency", expected, redacted(currency))


def _from_decimal(amount: Decimal, currency: str) -> Decimal:
    """Give an amount exactly the decimals of its currency, or refuse it before calculating with it."""
    if not amount.is_finite():
        raise Invalid("Money.amount", "not-finite", "a finite amount", redacted(amount))
    if not amount:
        return _ZERO[currency]
    if amount.adjusted() > _LONGEST_WRITTEN:
        raise _out_of_range("Decimal")
    try:
        exact = amount.quantize(_QUANTUM[currency], None, _EXACT)
    except Inexact:
        raise _too_many_decimals(currency, "Decimal") from None
    if not _LEAST[currency] <= exact <= _MOST[currency]:
        raise _out_of_range("Decimal")
    return exact


def _from_text(text: str, currency: str, decimals: int) -> Decimal:
    if len(text) > _LONGEST_WRITTEN or (match := _WRITTEN.fullmatch(text)) is None:
        expected = "an amount in ASCII digits with a point before the decimals, such as '1234.50'"
        raise Invalid("Money.amount", "amount", expected, redacted(text))
    if match[1] is not None and len(match[1]) > decimals:
        raise _too_many_decimals(currency, redacted(text))
    return _from_decimal(Decimal(text), currency)


def _factor(factor: object) -> Decimal:
    if type(factor) is int and -(10**_FACTOR_DIGITS) < factor < 10**_FACTOR_DIGITS:
        return Decimal(factor)
    if type(factor) is Decimal and factor.is_finite():
        if not factor:
            return Decimal(0)
        digits, exponent = len(factor.as_tuple().digits), int(factor.as_tuple().exponent)
        if exponent >= -_FACTOR_DIGITS and exponent + digits <= _FACTOR_DIGITS:
            return factor
    expected = f"a finite Decimal or int of at most {_FACTOR_DIGITS} digits before and after the point"
    raise Invalid("factor", "factor", expected, redacted(factor))


def _weights(weights: object) -> Sequence[int]:
    if type(weights) in (list, tuple) and weights:
        given = cast("Sequence[object]", weights)
        shares = [weight for weight in given if type(weight) is int and 0 <= weight <= MOST_MINOR]
        if len(shares) == len(given) and any(shares):
            return shares
    expected = "a list or tuple of whole numbers from 0 to 2**63 - 1 that are not all 0"
    raise Invalid("weights", "weights", expected, redacted(weights))


def _mismatch(one: str, other: str) -> Invalid:
    return Invalid("Money.currency", "currency-mismatch", f"money in {one}", f"money in {other}")


def _out_of_range(found: str) -> Invalid:
    expected = "at most 2**63 - 1 of the currency's smallest unit either way"
    return Invalid("Money.amount", "out-of-range", expected, found)


def _too_many_decimals(currency: str, found: str) -> Invalid:
    decimals = _DECIMALS[currency]
    expected = f"at most {decimals} decimals, as {currency} has; round it first, and say how"
    return Invalid("Money.amount", "too-many-decimals", expected, found)
