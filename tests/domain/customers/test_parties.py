"""Parties: persons, organisations, households, and the keys of their names."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.customers.parties import Household, Organisation, Person, kind_of, name_keys
from crmkit.errors import Invalid
from crmkit.kernel.dates import PartialDate


@pytest.mark.parametrize(
    ("born", "kept"),
    [
        ("1990-05-01", PartialDate(1990, 5, 1)),
        ("1990-05", PartialDate(1990, 5)),
        ("1990", PartialDate(1990)),
        ("--02-29", PartialDate(None, 2, 29)),
        ("1880-02-29", PartialDate(1880, 2, 29)),
        (date(1990, 5, 1), PartialDate(1990, 5, 1)),
        (PartialDate(month=5), PartialDate(month=5)),
        (None, None),
    ],
)
def test_a_birthday_is_kept_as_far_as_it_is_known(born: Any, kept: PartialDate | None) -> None:
    """Text, dates and partial dates all make the birthday that they tell of."""
    assert Person("Ana Reyes", born=born).born == kept


@pytest.mark.parametrize(
    ("born", "rule"),
    [("2025-02-29", "no-such-day"), ("1st of May", "date"), (1990, "type"), ("1799", "out-of-range")],
)
def test_a_birthday_that_cannot_be_is_refused(born: Any, rule: str) -> None:
    """A day that no calendar has, other text, numbers and years out of range are refused."""
    with pytest.raises(Invalid) as error:
        Person("Ana Reyes", born=born)
    assert error.value.rule == rule


def test_an_instant_is_no_birthday() -> None:
    """The day of an instant depends on the zone, so that it is refused."""
    with pytest.raises(Invalid) as error:
        Person("Ana Reyes", born=datetime(1990, 5, 1, tzinfo=UTC))
    assert error.value.rule == "type"


@pytest.mark.parametrize(
    "name", ["A", "Prince", "O'Brien", "Null", "Nguyễn", "İ", "ß", "نور", "x" * 200, "🦊", "A\u200cB"]
)
@pytest.mark.parametrize("cls", [Person, Organisation, Household])
def test_names_of_all_kinds_are_kept_to_the_byte(cls: Any, name: str) -> None:
    """One letter, one word, any script, marks and joiners: a name is what its bearer says it is."""
    assert cls(name).name == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "empty"),
        (" ", "blank"),
        ("\u00a0", "blank"),
        ("A\0B", "control-character"),
        ("Ana\nReyes", "line-break"),
        ("Ana\u2028Reyes", "line-break"),
        ("\ud800", "surrogate"),
        ("Ana\u202eReyes", "bidi-control"),
        ("\u200bAna", "zero-width-end"),
        ("x" * 201, "too-long"),
        (17, "type"),
        (None, "type"),
        (["Ana"], "type"),
    ],
)
@pytest.mark.parametrize("cls", [Person, Organisation, Household])
def test_a_name_that_cannot_be_is_refused(cls: Any, name: Any, rule: str) -> None:
    """The error names the field and the rule, and never the name."""
    with pytest.raises(Invalid) as error:
        cls(name)
    assert (error.value.field, error.value.rule) == (f"{cls.__name__}.name", rule)
    assert "Reyes" not in str(error.value)


def test_lists_sort_people_by_their_family_names_where_these_are_known() -> None:
    """Family name and given name make the sort name; without a family name the whole name does."""
    assert Person("Ana María Reyes", given="Ana", family="Reyes").sort_name == "reyes ana"
    assert Person("Prince").sort_name == "prince"
    assert Organisation("ACME").sort_name == "acme"
    assert Household("The Reyes").sort_name == "the reyes"


def test_parties_tell_their_kinds() -> None:
    """A person, an organisation, a household, and nobody in particular."""
    parties = Person("A"), Organisation("B"), Household("C"), None
    assert [str(kind_of(p)) for p in parties] == ["person", "organisation", "household", "anonymous"]


def test_a_household_names_a_member_once() -> None:
    """The same id twice is refused."""
    with pytest.raises(Invalid) as error:
        Household("Reyes", members=("cus_1", "cus_1"))
    assert error.value.rule == "twice"


def test_a_household_holds_a_hundred_people() -> None:
    """A hundred members are kept, one more is refused, and a hundred thousand at once as well."""
    hundred = tuple(f"cus_{i}" for i in range(100))
    assert Household("Big", members=hundred).members == hundred
    for count in (101, 100_000):
        with pytest.raises(Invalid) as error:
            Household("Bigger", members=tuple(f"cus_{i}" for i in range(count)))
        assert error.value.rule == "too-many"


def test_a_name_of_many_words_has_eight_keys() -> None:
    """From the ninth word on a name is not searched by its beginning, so that its keys stay few."""
    keys = name_keys("One two three four five six seven eight nine ten")
    assert (len(keys), keys[0], keys[-1]) == (8, "one two three four five six seven eight nine ten", "eight nine ten")


@given(st.text(alphabet="aBç Ü\u0301ßx", min_size=1, max_size=40).filter(str.strip))
def test_every_word_of_a_name_begins_one_of_its_keys(name: str) -> None:
    """A name is found by each of its first eight words, and its first key is all of it."""
    keys = name_keys(name)
    words = keys[0].split(" ")
    assert len(keys) == min(len(words), 8)
    assert all(key == keys[0] or keys[0].endswith(f" {key}") for key in keys)
    assert [key.split(" ")[0] for key in keys] == words[:8]
