"""Ids: their shape, their order, and what is no id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import Invalid
from crmkit.kernel.ids import ID, Ref, identifier, new_id

START = datetime(2026, 1, 1, tzinfo=UTC)
instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(instants, instants)
def test_ids_sort_by_time(a: datetime, b: datetime) -> None:
    """Later ids are greater, whatever chance adds."""
    first, second = new_id("cus", a), new_id("cus", b)
    assert a == b or (first < second) == (a < b)
    assert ID.fullmatch(first)
    assert len(first) == 34


def test_ids_of_one_moment_differ() -> None:
    """Sixty-four random bits tell them apart."""
    assert len({new_id("x", START) for _ in range(1000)}) == 1000


def test_the_parts_of_an_id() -> None:
    """The prefix, fourteen digits of time, sixteen of chance."""
    made = new_id("rel", START + timedelta(microseconds=1))
    assert made[:18] == "rel_06474846204001"
    assert new_id("rel", datetime(1969, 12, 31, 23, 59, 59, 999999, UTC))[:18] == "rel_ffffffffffffff"


@pytest.mark.parametrize("good", ["a", "0", "cus_01", "A.b:c-d_e", "x" * 80])
def test_ids_of_the_host_pass(good: str) -> None:
    """A host may bring its own, within reason."""
    assert identifier("id", good) is good


class _Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "_a",
        "-a",
        ".",
        "..",
        "a/b",
        "../etc",
        "a|b",
        "a b",
        "a\n",
        "\0",
        "é",
        "\u0661",
        "x" * 81,
        "x" * 300,
        5,
        True,
        None,
    ],  # 66
)
def test_what_is_no_id(bad: object) -> None:
    """Slashes, dots in front, blanks, other scripts and other types are refused, and not repeated."""
    with pytest.raises(Invalid) as caught:
        identifier("Thing.id", bad)
    assert (caught.value.field, caught.value.rule) == ("Thing.id", "identifier")
    assert len(str(bad)) < 3 or str(bad) not in str(caught.value)


def test_references_read_well() -> None:
    """A reference is a pair that prints as people say it."""
    assert str(Ref("customer", "cus_1")) == "customer cus_1"
    assert Ref("customer", "cus_1") == ("customer", "cus_1")
