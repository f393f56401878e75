"""Attributes: typed facts about customers that the host declares; checked when set, found by value or range."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from attrs import field, frozen

from crmkit.errors import Invalid, redacted
from crmkit.kernel.dates import FIRST_YEAR_OF_DATES, LAST_YEAR, instant
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.query import Typed, scalar_of
from crmkit.kernel.record import Key
from crmkit.kernel.text import code, line, prose, slug

# words

AttributeValue = str | int | bool | Decimal | date | datetime
Of = type[str] | type[int] | type[bool] | type[Decimal] | type[date] | type[datetime] | type[StrEnum] | tuple[str, ...]

RESERVED = frozenset({"customer", "id", "kind", "tenant", "version"})
"""Names that every record has of its own."""


@frozen
class Attribute:
    """A fact about customers that this host keeps.

    Attributes:
        name: lower-case letters, digits, and `-` or `_` between them; queries call it `attributes.<name>`.
        of: the type of its values: `str` (one line), `int` (64 bits), `bool`, `Decimal` (at most
            six places), `date`, `datetime` (aware); or the words to choose from, as a tuple of texts or a `StrEnum`.
        description: what it means, for those who enter it.
        required: whether a customer who is not anonymous must have it from the registration on.

    Raises:
        Invalid: rules `slug` and `reserved` for the name, `attribute-type` for the type, and those of `code` for words.

    >>> Attribute("size", int).check(42)
    42
    >>> Attribute("Size", int)
    Traceback (most recent call last):
    crmkit.errors.Invalid: Attribute.name: expected lower-case letters and digits ..., found str of 4 characters (slug)
    """

    name: str
    of: Of
    description: str = field(default="", kw_only=True)
    required: bool = field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        slug("Attribute.name", self.name)
        if self.name in RESERVED:
            raise Invalid("Attribute.name", "reserved", f"none of {', '.join(sorted(RESERVED))}", redacted(self.name))
        prose("Attribute.description", self.description, empty=True)
        if not self.words and self.of not in tuple(_CHECKS):
            expected = "str, int, bool, Decimal, date, datetime, a StrEnum, or a tuple of words"
            raise Invalid(f"Attribute {self.name}", "attribute-type", expected, redacted(self.of))
        for word in self.words:
            code(f"Attribute {self.name}", word)

    @property
    def words(self) -> tuple[str, ...]:
        """The words to choose from; none if its type is no choice."""
        of: Any = self.of  # whatever a host declares: the checks of the declaration ask for its words as well
        if isinstance(of, type) and issubclass(of, StrEnum):
            return tuple(m.value for m in of)
        return cast("tuple[str, ...]", of) if isinstance(of, tuple) else ()

    def check(self, value: object) -> AttributeValue:
        """Check a value against the type, and give it as it is kept: instants in UTC, words as plain text.

        Raises:
            Invalid: rule `type`, `word`, `range`, `finite`, `decimal-places`, or those of `line` and `instant`.
        """
        name = f"attributes.{self.name}"
        if words := self.words:
            found = value.value if isinstance(value, StrEnum) else value
            if type(found) is not str or found not in words:
                raise Invalid(name, "word", f"one of {', '.join(words)}", redacted(value))
            return found
        return _CHECKS[cast("type[Any]", self.of)](name, value)


def _exactly(kind: type[Any], name: str, value: object) -> None:
    if type(value) is not kind:
        raise Invalid(name, "type", f"a value of type {kind.__name__}", redacted(value))


def _text(name: str, value: object) -> str:
    return line(name, value)


def _whole(name: str, value: object) -> int:
    _exactly(int, name, value)
    scalar_of(name, value)
    return cast("int", value)


def _truth(name: str, value: object) -> bool:
    _exactly(bool, name, value)
    return cast("bool", value)


def _decimal(name: str, value: object) -> Decimal:
    _exactly(Decimal, name, value)
    scalar_of(name, value)
    return cast("Decimal", value) + 0


def _day(name: str, value: object) -> date:
    _exactly(date, name, value)
    day = cast("date", value)
    if not FIRST_YEAR_OF_DATES <= day.year <= LAST_YEAR:
        raise Invalid(name, "range", f"a date from {FIRST_YEAR_OF_DATES} to {LAST_YEAR}", redacted(value))
    return day


_CHECKS: Mapping[Any, Callable[[str, object], AttributeValue]] = {
    str: _text,
    int: _whole,
    bool: _truth,
    Decimal: _decimal,
    date: _day,
    datetime: instant,
}

# rules


def declared(attributes: Iterable[Attribute]) -> Mapping[str, Attribute]:
    """Give attributes by their names.

    Raises:
        Invalid: rule `twice`, two of them have one name.
    """
    found: dict[str, Attribute] = {}
    for each in attributes:
        if each.name in found:
            raise Invalid("attributes", "twice", "each name once", f"{each.name} twice")
        found[each.name] = each
    return found


def with_values(
    kept: FrozenDict[AttributeValue], given: Mapping[str, object], known: Mapping[str, Attribute]
) -> FrozenDict[AttributeValue]:
    """Put values over those that are kept, each held against its declaration; None takes one away.

    Raises:
        Invalid: rule `type`, `unknown-attribute`, `required`, or as `Attribute.check`.

    >>> sizes = declared([Attribute("shoe", int), Attribute("shirt", ("S", "M", "L"))])
    >>> with_values(FrozenDict(), {"shoe": 42, "shirt": "M"}, sizes)
    FrozenDict({'shoe': 42, 'shirt': 'M'})
    """
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise Invalid("attributes", "type", "values by the names of attributes", redacted(given))
    out = dict(kept)
    for name, value in given.items():
        attribute = _named(name, known)
        if value is not None:
            out[attribute.name] = attribute.check(value)
        elif attribute.required:
            raise Invalid(
                f"attributes.{name}", "required", "a value: the host requires it of every customer", "nothing"
            )
        else:
            out.pop(name, None)
    return FrozenDict(out)


def _named(name: object, known: Mapping[str, Attribute]) -> Attribute:
    if isinstance(name, str) and name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 3) if isinstance(name, str) else []
    hint = (
        f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(known) or 'none, for none is declared'}"
    )
    raise Invalid("attributes", "unknown-attribute", f"a declared attribute: {hint}", redacted(name))


# questions


def keys_of(attributes: Mapping[str, AttributeValue]) -> list[Key]:
    """Give the search keys of attributes, with their scalars as a query has them."""
    return [(f"attributes.{name}", scalar_of(name, value)) for name, value in attributes.items()]


def attribute_keys(known: Mapping[str, Attribute]) -> Mapping[str, Typed]:
    """Give the names that queries may use for declared attributes, each with the check of its type.

    >>> attribute_keys(declared([Attribute("size", int)]))["attributes.size"]("attributes.size", 42)
    42
    """
    return {f"attributes.{name}": _typed(attribute) for name, attribute in known.items()}


def _typed(attribute: Attribute) -> Typed:
    return lambda name, value: scalar_of(name, attribute.check(value))
