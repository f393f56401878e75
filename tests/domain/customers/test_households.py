"""Households: who may belong to one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crmkit.domain.customers import households
from crmkit.domain.customers.customer import Customer, PartyChanged, register
from crmkit.domain.customers.facts import Provenance
from crmkit.domain.customers.parties import Household, Organisation, Person
from crmkit.domain.customers.profile import provenance
from crmkit.errors import Invalid, Refusal

TOLD = Provenance(at=datetime(2026, 3, 1, tzinfo=UTC), by="rep-lito")
LATER = Provenance(at=datetime(2026, 4, 1, tzinfo=UTC), by="rep-mia")


def customer(id: str, party: Any) -> Customer:  # noqa: A002 - the field's own word
    """A customer of this id and party."""
    return register(party, id=id, learned=TOLD).record


ANA, BEN = customer("ana", Person("Ana Reyes")), customer("ben", Person("Ben Reyes"))
HOME = customer("home", Household("Reyes"))


def test_people_join_and_leave_a_household() -> None:
    """Joining twice and leaving twice changes nothing; the members' provenance goes with the last of them."""
    one = households.add_member(HOME, ANA, learned=LATER)
    assert one is not None
    assert isinstance(one.event, PartyChanged)
    assert one.event.facts == ("party.members",)
    assert households.add_member(one.record, ANA, learned=LATER) is None
    two = households.add_member(one.record, BEN, learned=LATER)
    assert two is not None
    assert two.record.party == Household("Reyes", members=("ana", "ben"))
    assert provenance(two.record, "party.members") == LATER
    left = households.remove_member(two.record, "ana", learned=LATER)
    assert left is not None
    assert left.record.party == Household("Reyes", members=("ben",))
    assert households.remove_member(left.record, "ana", learned=LATER) is None
    empty = households.remove_member(left.record, "ben", learned=LATER)
    assert empty is not None
    assert (empty.record.party, dict(empty.record.learned)) == (Household("Reyes"), {})


@pytest.mark.parametrize(
    "member", [HOME, customer("other", Household("Cruz")), customer("acme", Organisation("Acme")), customer("x", None)]
)
def test_a_household_consists_of_people(member: Customer) -> None:
    """Neither itself nor another household nor a company nor nobody: so no circle of households can come about."""
    for act in (
        lambda: households.add_member(HOME, member, learned=LATER),
        lambda: households.check_members(Household("Reyes", members=(member.id,)), {member.id: member}),
    ):
        with pytest.raises(Refusal) as error:
            act()
        assert (error.value.rule, error.value.subject) == ("household.people", f"customer {member.id}")


@pytest.mark.parametrize("group", [ANA, customer("acme", Organisation("Acme")), customer("x", None)])
def test_only_households_have_members(group: Customer) -> None:
    """People and companies have none."""
    with pytest.raises(Refusal) as error:
        households.add_member(group, BEN, learned=LATER)
    assert error.value.rule == "household.only"
    with pytest.raises(Refusal) as error:
        households.remove_member(group, "ben", learned=LATER)
    assert error.value.rule == "household.only"


def test_members_are_customers_there_are() -> None:
    """A household that is registered with members names people who are found."""
    home = Household("Reyes", members=("ana", "ben"))
    households.check_members(home, {"ana": ANA, "ben": BEN})
    with pytest.raises(Invalid) as error:
        households.check_members(home, {"ana": ANA})
    assert (error.value.field, error.value.rule) == ("Household.members", "unknown-member")


def test_a_hundred_and_first_member_is_refused() -> None:
    """The cap holds for joining as well."""
    full = customer("full", Household("Big", members=tuple(f"cus_{i}" for i in range(100))))
    with pytest.raises(Invalid) as error:
        households.add_member(full, ANA, learned=LATER)
    assert error.value.rule == "too-many"
