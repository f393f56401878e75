"""The default policy: the host does everything, a customer in a portal what is theirs and what is opened to them."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from crmkit import CRM, Channel, NotFound, Person, Purpose, Refusal, VirtualClock
from crmkit.kernel.checks import Id
from crmkit.kernel.query import Compare, Or, Where, field
from crmkit.kernel.record import Kind, Record, record
from crmkit.services.policy import PORTAL, Act, DefaultPolicy


@record("p_note", customer="customer")
@frozen(kw_only=True)
class PNote(Record):
    """Something about a customer."""

    customer: Id | None = None


@record("p_price")
@frozen(kw_only=True)
class PPrice(Record):
    """Something about nobody."""


MINE, THEIRS, NOBODYS = PNote(id="1", customer="cus_1"), PNote(id="2", customer="cus_2"), PNote(id="3")
NOT_OPEN, NOT_MINE = "p_notes.add is not open to customers", "it belongs to somebody else"


@pytest.mark.parametrize(
    ("actor", "verb", "record_", "why"),
    [
        ("host", "p_notes.add", None, None),
        ("rep-lito", "p_notes.add", THEIRS, None),
        ("portal", "p_notes.add", THEIRS, None),
        ("portal:cus_1", "p_notes.add", None, NOT_OPEN),
        ("portal:cus_1", "p_notes.add", MINE, NOT_OPEN),
        ("portal:cus_1", "p_notes.edit", None, None),
        ("portal:cus_1", "p_notes.edit", MINE, None),
        ("portal:cus_1", "p_notes.edit", THEIRS, NOT_MINE),
        ("portal:cus_1", "p_notes.edit", NOBODYS, NOT_MINE),
        ("portal:cus_1", "p_notes.edit", PPrice(id="1"), NOT_MINE),
        ("portal:", "p_notes.edit", MINE, NOT_MINE),
    ],
)
def test_who_may_do_what(actor: str, verb: str, record_: Record | None, why: str | None) -> None:
    """A reason, or None where it is allowed; a draft is judged like a record."""
    policy = DefaultPolicy(portal_may=["p_notes.edit"])
    assert policy.refuses(Act(actor, verb, record_)) == why
    assert policy.refuses(Act(actor, verb, record_, is_new=True)) == why


def test_customers_may_do_nothing_unless_it_is_opened() -> None:
    """The host opts in, verb by verb."""
    assert DefaultPolicy().refuses(Act("portal:cus_1", "p_notes.edit", MINE)) == "p_notes.edit is not open to customers"


def test_who_sees_what() -> None:
    """The host everything, customers what is about them."""
    policy = DefaultPolicy()
    assert policy.sees("host", PNote.__kind__) is None
    assert policy.sees(PORTAL + "cus_1", PNote.__kind__) == Compare("customer", "eq", "cus_1")
    assert policy.sees(PORTAL + "cus_1", PPrice.__kind__) == Or(())


class OwnTies:
    """Representatives see the relationships that they own, and no consents."""

    def refuses(self, act: Act) -> str | None:
        """Refuse nothing."""
        return None

    def sees(self, actor: str, kind: Kind[Any]) -> Where | None:
        """Narrow what a representative sees."""
        if not actor.startswith("rep-"):
            return None
        return {"relationship": field("owner") == actor, "consent": Or(())}.get(kind.name)


def test_rules_hold_whether_the_actor_sees_what_they_rest_on_or_not(address: str, clock: VirtualClock) -> None:
    """Hiding a relationship or a consent lifts no protection, and takes no evidence away."""
    with CRM.open(address, clock=clock, policy=OwnTies()) as crm:
        ana = crm.customers.register(Person("Ana"), email="ana@example.com")
        tie = crm.relationships.begin(ana, "dedicated-assistance", owner="rep-lito")
        crm.consents.deny(ana, Purpose.MARKETING)
        mara = crm.acting_as("rep-mara")
        for asked in (crm, mara):
            assert not asked.interactions.may_contact(ana, Channel.PHONE, Purpose.SERVICE, by="rep-mara").allowed
            assert not asked.consents.state(ana, Purpose.MARKETING).allowed
        with pytest.raises(Refusal, match="dedicated"):
            mara.interactions.record(ana, Channel.PHONE, "outbound", by="rep-mara")
        mara.purchases.record(ana, "10 EUR", order_id="1")
        assert crm.relationships.get(tie).buying.count == 1
        with pytest.raises(Refusal, match="begun"):
            mara.relationships.begin(ana, "dedicated-assistance", owner="rep-mara")


def test_what_a_rule_has_read_stays_hidden_from_the_actor(address: str, clock: VirtualClock) -> None:
    """Not even the unit in which a reaction changed a hidden record shows it."""
    with CRM.open(address, clock=clock, policy=OwnTies()) as crm:
        ana = crm.customers.register(Person("Ana"))
        tie = crm.relationships.begin(ana, "dedicated-assistance", owner="rep-lito")
        with crm.acting_as("rep-mara").unit() as unit:
            unit.purchases.record(ana, "10 EUR")
            assert unit.relationships.of(ana) == ()
            assert unit.relationships.find().items == ()
            with pytest.raises(NotFound):
                unit.relationships.get(tie)
        assert crm.relationships.get(tie).buying.count == 1
