"""Households: who belongs to one. Only people do, so that no household contains itself, however deep."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from crmkit.domain.customers.customer import Customer, PartyChanged
from crmkit.domain.customers.facts import Provenance, relearned
from crmkit.domain.customers.parties import Household, PartyKind
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.record import Change, change

# rules


def check_members(household: Household, found: Mapping[str, Customer]) -> None:
    """Hold the members of a household that is to be registered against the customers there are.

    Raises:
        Invalid: rule `unknown-member`.
        Refusal: as `add_member`.
    """
    for member in household.members:
        if member not in found:
            raise Invalid("Household.members", "unknown-member", "ids of customers", "one that is not found")
        _check_person(found[member])


def add_member(customer: Customer, person: Customer, *, learned: Provenance) -> Change[Customer] | None:
    """Take a person into a household. None: they are in it already.

    Raises:
        Refusal: rule `household.only`, the first is no household; `household.people`, the second is no person.
        Invalid: rule `too-many`.
    """
    party = _household_of(customer)
    _check_person(person)
    if person.id in party.members:
        return None
    return _with_members(customer, party, (*party.members, person.id), learned)


def remove_member(customer: Customer, person: str, *, learned: Provenance) -> Change[Customer] | None:
    """Take a person out of a household. None: they are not in it.

    Raises:
        Refusal: rule `household.only`.
    """
    party = _household_of(customer)
    if person not in party.members:
        return None
    return _with_members(customer, party, tuple(m for m in party.members if m != person), learned)


def _household_of(customer: Customer) -> Household:
    if not isinstance(customer.party, Household):
        raise Refusal(
            f"customer {customer.id}", "household.only", [f"it is {customer.kind}, and only a household has members"]
        )
    return customer.party


def _check_person(customer: Customer) -> None:
    if customer.kind is not PartyKind.PERSON:
        reasons = [f"it is {customer.kind}, and a household consists of people"]
        raise Refusal(f"customer {customer.id}", "household.people", reasons)


def _with_members(
    customer: Customer, party: Household, members: tuple[str, ...], learned: Provenance
) -> Change[Customer]:
    news = relearned(customer.learned, {"party.members": bool(members)}, learned)
    told = PartyChanged(party=attrs.evolve(party, members=members), learned=news, facts=("party.members",))
    return change(customer, told)
