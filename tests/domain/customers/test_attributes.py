"""Attributes: what a host declares, how values are held against it, and how they are found."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.customers.attributes import Attribute, attribute_keys, declared, keys_of, with_values
from crmkit.errors import Invalid
from crmkit.kernel.frozen import FrozenDict


class Colour(StrEnum):
    """What the hypothetical shirts come in."""

    RED = "red"
    BLUE = "blue"


KNOWN = declared(
    [
        Attribute("text", str),
        Attribute("size", int, description="shoe size, EU"),
        Attribute("vegan", bool),
        Attribute("height", Decimal),
        Attribute("joined", date),
        Attribute("seen", datetime),
        Attribute("fit", ("slim", "wide")),
        Attribute("colour", Colour),
        Attribute("region", str, required=True),
    ]
)


@pytest.mark.parametrize(
    "name",
    [
        "__class__",
        "_connector",
        "id",
        "version",
        "kind",
        "customer",
        "tenant",
        'a"; DROP',
        "Size",
        "1st",
        "",
        "a b",
        "x" * 65,
        None,
        5,
    ],
)
def test_names_that_are_dangerous_or_taken_are_refused(name: Any) -> None:
    """An attribute is called by a slug, and not like what every record has of its own."""
    with pytest.raises(Invalid) as error:
        Attribute(name, int)
    assert error.value.field == "Attribute.name"


@pytest.mark.parametrize("of", [float, list, None, "int", 5, (), ("a", 5), ("a", " b"), ["a"]])
def test_types_that_cannot_be_kept_exactly_are_refused(of: Any) -> None:
    """No floats, no containers, no choice of nothing."""
    with pytest.raises(Invalid):
        Attribute("size", of)


def test_two_attributes_of_one_name_are_refused() -> None:
    """A name means one thing."""
    with pytest.raises(Invalid) as error:
        declared([Attribute("size", int), Attribute("size", str)])
    assert error.value.rule == "twice"


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "scalar"),
    [
        ("text", "100 % cotton_", "100 % cotton_"),
        ("size", 42, 42),
        ("size", -(2**63), -(2**63)),
        ("vegan", True, 1),
        ("vegan", False, 0),
        ("height", Decimal("1.75"), 1_750_000),
        ("joined", date(2026, 3, 1), "2026-03-01"),
        ("seen", NOON, 1_772_366_400_000_000),
        ("fit", "slim", "slim"),
        ("colour", "red", "red"),
    ],
)
def test_values_are_kept_in_their_types_and_found_by_their_scalars(name: str, value: Any, scalar: Any) -> None:
    """A value comes out as it went in, and its search key is what a query for it asks for."""
    kept = with_values(FrozenDict(), {name: value}, KNOWN)
    assert kept == {name: value}
    assert type(kept[name]) is type(value)
    assert keys_of(kept) == [(f"attributes.{name}", scalar)]
    assert attribute_keys(KNOWN)[f"attributes.{name}"](f"attributes.{name}", value) == scalar


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("text", 5, "type"),
        ("text", "a\nb", "line-break"),
        ("text", "x" * 201, "too-long"),
        ("size", True, "type"),
        ("size", "42", "type"),
        ("size", 42.0, "type"),
        ("size", 2**63, "range"),
        pytest.param("size", 10**5000, "range", id="size-of-5000-digits"),
        ("vegan", 1, "type"),
        ("height", 1.75, "type"),
        ("height", Decimal("NaN"), "finite"),
        ("height", Decimal("sNaN"), "finite"),
        ("height", Decimal("Infinity"), "finite"),
        ("height", Decimal("1E+1000000"), "finite"),
        ("height", Decimal("0.0000001"), "decimal-places"),
        ("joined", NOON, "type"),
        ("joined", "2026-03-01", "type"),
        ("joined", date(1799, 12, 31), "range"),
        ("joined", date(2201, 1, 1), "range"),
        ("seen", datetime(2026, 3, 1, 12), "naive"),  # noqa: DTZ001 - the naive one is the point
        ("seen", date(2026, 3, 1), "type"),
        ("fit", "huge", "word"),
        ("fit", 5, "word"),
        ("colour", "RED", "word"),
        ("sise", 42, "unknown-attribute"),
        (5, 42, "unknown-attribute"),
        ("region", None, "required"),
    ],
)
def test_values_of_other_types_are_refused(name: Any, value: Any, rule: str) -> None:
    """The error names the attribute and the rule, and never the value."""
    with pytest.raises(Invalid) as error:
        with_values(FrozenDict(), {name: value}, KNOWN)
    assert error.value.rule == rule
    if rule != "unknown-attribute":
        assert error.value.field == f"attributes.{name}"


def test_an_unknown_attribute_is_answered_with_the_nearest() -> None:
    """A slip of the pen is told apart from an attribute that nobody has declared."""
    with pytest.raises(Invalid, match="did you mean size"):
        with_values(FrozenDict(), {"sise": 42}, KNOWN)
    with pytest.raises(Invalid, match="one of none, for none is declared"):
        with_values(FrozenDict(), {"size": 42}, {})


@pytest.mark.parametrize("values", [[("size", 42)], "size", None, 5])
def test_values_come_in_a_mapping(values: Any) -> None:
    """A list where pairs were meant is refused with a typed error."""
    with pytest.raises(Invalid) as error:
        with_values(FrozenDict(), values, KNOWN)
    assert error.value.rule == "type"


def test_members_of_the_declared_enumeration_are_kept_as_plain_words() -> None:
    """So that a stored value means the same without the host's class."""
    kept = with_values(FrozenDict(), {"colour": Colour.RED}, KNOWN)
    assert type(kept["colour"]) is str


def test_instants_are_kept_in_utc_and_minus_zero_as_zero() -> None:
    """Two spellings of one value are kept alike."""
    manila = datetime(2026, 3, 1, 20, tzinfo=timezone(timedelta(hours=8)))
    kept = with_values(FrozenDict(), {"seen": manila, "height": Decimal("-0.00")}, KNOWN)
    assert kept["seen"] == NOON
    assert kept["seen"].tzinfo is UTC
    assert str(kept["height"]) == "0.00"


def test_none_takes_a_value_away_and_leaves_the_others() -> None:
    """A value that is not there can be taken away as well."""
    kept = FrozenDict({"size": 42, "vegan": True})
    assert with_values(kept, {"size": None, "text": None}, KNOWN) == {"vegan": True}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_decimals_sort_as_their_keys_do(value: Decimal) -> None:
    """The scalar of a decimal is the decimal in millionths, exactly."""
    assert keys_of({"height": Attribute("height", Decimal).check(value)}) == [("attributes.height", int(value * 10**6))]
