"""The default policy: the host does everything, a customer in a portal what is theirs and what is opened to them."""

from __future__ import annotations

import pytest
from attrs import frozen

from crmkit.kernel.checks import Id
from crmkit.kernel.query import Compare, Or
from crmkit.kernel.record import Record, record
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
