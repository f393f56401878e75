"""Concepts of a host's own beside crmkit's: their services, and their records as the library of the host moves on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from crmkit import (
    CRM,
    Customer,
    Event,
    Id,
    Misuse,
    MoveRefused,
    Person,
    PurchaseRecorded,
    Record,
    Service,
    create,
    event,
    field,
    record,
    verb,
)
from crmkit.kernel.record import EVENTS, KINDS


def bikes_of_the_first_release() -> type[Any]:
    """Declare a kind as its first release has it."""
    KINDS.pop("x_bike", None)

    @record("x_bike", customer="customer")
    @frozen(kw_only=True)
    class Bike(Record):
        """A bicycle."""

        customer: Id
        name: str

    return Bike


def bikes_of_the_second_release() -> type[Any]:
    """Declare the same kind with two more fields, each with a default."""
    KINDS.pop("x_bike", None)

    @record("x_bike", customer="customer")
    @frozen(kw_only=True)
    class Bike(Record):
        """A bicycle, its colour and what was added to it."""

        customer: Id
        name: str
        colour: str = "black"
        extras: tuple[str, ...] = ()

    return Bike


class Bikes(Service):
    """The host's verbs."""

    @verb
    def sell(self, customer: Customer, name: str) -> Any:
        """Sell a bicycle."""
        cls = KINDS["x_bike"].cls

        @event("x_bike.sold")
        @frozen(kw_only=True)
        class Sold(Event[cls]):  # type: ignore[valid-type]
            """It was sold."""

            customer: Id
            name: str

        return self.unit.save(create(self.unit.new_id(cls), Sold(customer=customer.id, name=name)))

    @verb
    def called(self, **values: str) -> list[str]:
        """Give the names of those with these values."""
        ((name, value),) = values.items()
        return [bike.name for bike in self.unit.find(KINDS["x_bike"].cls, field(name) == value)]


@pytest.fixture(autouse=True)
def _events() -> Any:
    yield
    KINDS.pop("x_bike", None)
    EVENTS.pop("x_bike.sold", None)


def test_a_host_s_service_takes_a_crm_an_open_unit_and_what_together_gives() -> None:
    """One commit for each call, or one for all of them."""
    crm = CRM.open("memory://", kinds=[bikes_of_the_first_release()])
    ana = crm.customers.register(Person("Ana"))
    Bikes(crm).sell(ana, "one")
    with crm.unit() as unit:
        Bikes(unit).sell(ana, "two")
        assert Bikes(unit).called(name="two") == ["two"]
    crm.together(lambda unit: Bikes(unit).sell(ana, "three"))
    assert [Bikes(crm).called(name=name) for name in ("one", "two", "three")] == [["one"], ["two"], ["three"]]


def test_a_unit_that_failed_takes_the_host_s_changes_with_it() -> None:
    """Nothing of a unit stays when its body raises."""
    crm = CRM.open("memory://", kinds=[bikes_of_the_first_release()])
    ana = crm.customers.register(Person("Ana"))
    tie = crm.relationships.begin(ana, "long-term")

    def sell_and_fail() -> None:
        with crm.unit() as unit:
            Bikes(unit).sell(ana, "one")
            unit.relationships.advance(tie, "commit")

    with pytest.raises(MoveRefused):
        sell_and_fail()
    assert Bikes(crm).called(name="one") == []


def test_fields_with_defaults_may_be_added_without_an_upgrade(tmp_path: Path) -> None:
    """What was written before has the defaults when it is read, and is found by them."""
    address = f"sqlite:///{tmp_path}/x.db"
    with CRM.open(address, kinds=[bikes_of_the_first_release()]) as crm:
        Bikes(crm).sell(crm.customers.register(Person("Ana"), id="ana"), "one")
    bike = bikes_of_the_second_release()
    with CRM.open(address, kinds=[bike]) as crm:
        assert Bikes(crm).called(colour="black") == ["one"]
        Bikes(crm).sell(crm.customers.get("ana"), "two")
        found = crm.run(lambda unit: unit.find(bike, order=("name",)), verb="test")
    assert [(b.name, b.colour, b.extras) for b in found] == [("one", "black", ()), ("two", "black", ())]


def test_a_portal_shows_nothing_of_kinds_that_this_crm_was_not_opened_with(tmp_path: Path) -> None:
    """A process that does not know a host's kind reads the rest of the timeline."""
    address = f"sqlite:///{tmp_path}/x.db"
    with CRM.open(address, kinds=[bikes_of_the_first_release()]) as crm:
        Bikes(crm).sell(crm.customers.register(Person("Ana"), id="ana"), "one")
        assert [e.type for e in crm.portal("ana").timeline.of("ana")] == ["x_bike.sold", "customer.registered"]
    with CRM.open(address) as crm:
        assert [e.type for e in crm.portal("ana").timeline.of("ana")] == ["customer.registered"]
        assert [e.type for e in crm.timeline.of("ana")] == ["x_bike.sold", "customer.registered"]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"kinds": [dict]}, "kinds: a class with @record, found dict"),
        ({"kinds": ["bike"]}, "kinds: a class with @record, found str of 4 characters"),
        ({"types": ["vip"]}, "types takes TypeRules, found str"),
        ({"attributes": [int]}, "attributes takes Attribute, found type"),
        ({"evidence": [1]}, "evidence takes EvidenceRule, found int"),
        ({"reactions": {Customer: [print]}}, "reactions: by a class with @event, found Customer"),
        ({"reactions": {PurchaseRecorded: print}}, "reactions to PurchaseRecorded are a list of functions"),
        ({"reactions": {PurchaseRecorded: ["x"]}}, "reactions to PurchaseRecorded are a list of functions"),
    ],
)
def test_declarations_are_checked_before_a_store_is_opened(declared: dict[str, Any], told: str, tmp_path: Path) -> None:
    """What cannot be meant so is refused by name, and no file is made."""
    with pytest.raises(Misuse, match=told):
        CRM.open(f"sqlite:///{tmp_path}/x.db", **declared)
    assert list(tmp_path.iterdir()) == []
