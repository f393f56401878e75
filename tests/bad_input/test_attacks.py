"""Attacks on what a commit promises: races, units that are broken off, reactions that fail, clocks that lie."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bad_input_world import START, entries_of, refuses, state_of

from crmkit import (
    CRM,
    Act,
    CRMError,
    DefaultPolicy,
    Event,
    Identifier,
    Interest,
    Invalid,
    Misuse,
    Person,
    Refusal,
    Stale,
    VirtualClock,
    Where,
    field,
)

Acts = list[Callable[[], object]]


def at_once(acts: Acts) -> list[BaseException]:
    """Run acts in threads that begin together, and give what they raise."""
    gate, errors = threading.Barrier(len(acts)), list[BaseException]()

    def run(act: Callable[[], object]) -> None:
        gate.wait()
        try:
            act()
        except CRMError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return errors


def test_no_update_is_lost(crm: CRM) -> None:
    """R18: what many threads note on one record at once is all there, each once."""
    crm.customers.register(Person("Ana"), id="ana")
    acts: Acts = [lambda n=n: crm.customers.tag("ana", f"t{n}") for n in range(16)]  # type: ignore[misc]
    errors = at_once(acts)
    found = crm.customers.get("ana")
    assert len(found.tags) == 16 - len(errors)
    assert found.version == 1 + len(found.tags)
    assert entries_of(crm).count("customer.tags-changed") in (0, len(found.tags))


def test_an_order_is_recorded_once_by_many(crm: CRM) -> None:
    """65: the same order told by many threads at once is one purchase, and no effect of it is doubled."""
    crm.customers.register(Person("Ana"), id="ana")
    tie = crm.relationships.begin("ana", "transactional")
    errors = at_once([lambda: crm.purchases.record("ana", "5 EUR", at=START, order_id="1")] * 8)
    assert not errors
    assert crm.purchases.count() == 1
    assert entries_of(crm).count("purchase.recorded") == 1
    assert crm.relationships.get(tie).buying.count == 1


def test_one_relationship_of_a_type_by_many(crm: CRM) -> None:
    """R18: of many threads that begin the same relationship, one does."""
    crm.customers.register(Person("Ana"), id="ana")
    errors = at_once([lambda: crm.relationships.begin("ana", "transactional")] * 8)
    assert len(errors) == 7
    assert crm.relationships.count() == 1


def test_a_refund_is_not_given_twice_by_many(crm: CRM) -> None:
    """R18: the refunds of many threads never exceed what was paid."""
    bought = crm.purchases.record(None, "10 EUR")
    errors = at_once([lambda: crm.purchases.refund(bought, "6 EUR", cause="goodwill")] * 6)
    assert len(errors) == 5
    assert len(crm.purchases.get(bought).refunds) == 1


# units


def test_a_unit_that_raises_leaves_nothing(crm: CRM) -> None:
    """Whatever ends a unit, nothing of it is written, and the CRM can be used again at once."""
    crm.customers.register(Person("Ana"), id="ana")
    before = state_of(crm)
    for error in (RuntimeError, KeyboardInterrupt, GeneratorExit, SystemExit, Invalid):
        with pytest.raises(error), crm.unit() as unit:  # noqa: PT012 - what is tried takes a few steps
            unit.customers.tag("ana", "vip")
            unit.purchases.record("ana", "1 EUR")
            raise error("a", "b", "c") if error is Invalid else error
        assert state_of(crm) == before
    assert crm.customers.count() == 1


def _suspended(crm: CRM) -> Generator[None]:
    with crm.unit() as unit:
        unit.customers.tag("ana", "vip")
        yield


def test_a_generator_closed_midway(crm: CRM) -> None:
    """A unit in a generator that nobody finishes is given up when the generator is closed."""
    crm.customers.register(Person("Ana"), id="ana")
    before = state_of(crm)
    half = _suspended(crm)
    next(half)
    with pytest.raises(Misuse):
        crm.customers.get("ana")
    half.close()
    assert state_of(crm) == before
    assert crm.customers.get("ana").tags == frozenset()
    again = _suspended(crm)
    next(again)
    with pytest.raises(RuntimeError):
        again.throw(RuntimeError())
    assert state_of(crm) == before


def test_a_unit_that_is_over(crm: CRM) -> None:
    """A unit that has been committed, or given up, takes no further verb; one in another goes nowhere."""
    with crm.unit() as unit:
        made = unit.customers.register(Person("Ana"))
    refuses(crm, lambda: unit.customers.tag(made, "x"), error=Misuse)
    with pytest.raises(RuntimeError), crm.unit() as broken:
        raise RuntimeError
    refuses(crm, lambda: broken.customers.tag(made, "x"), error=Misuse)
    before = state_of(crm)
    with pytest.raises(Misuse), crm.unit():
        crm.customers.tag(made, "x")
    with pytest.raises(Misuse), crm.unit(), crm.unit():
        pass
    with pytest.raises(Misuse):
        crm.together(lambda _: crm.customers.tag(made, "x"))
    assert state_of(crm) == before


def test_a_verb_that_fails_in_a_unit_that_goes_on(crm: CRM) -> None:
    """A verb that raises halfway leaves nothing in the unit, which may go on and commit the rest."""
    crm.customers.register(Person("Ana"), id="ana")
    with crm.unit() as unit:
        unit.customers.tag("ana", "kept")
        with pytest.raises(Invalid):
            unit.customers.note("ana", Interest("coffee"), Identifier("card", "1"), 7)  # type: ignore[arg-type]
        with pytest.raises(CRMError):
            unit.customers.forget("ana", "tags.kept", "interests.nothing")
    found = crm.customers.get("ana")
    assert (found.tags, found.interests, found.identifiers, found.version) == ({"kept"}, (), (), 2)
    assert [e for e in entries_of(crm) if "noted" in e] == []


def test_a_key_is_applied_once(crm: CRM) -> None:
    """89: a unit that is run again with its key does nothing; the same key in another tenant is another key."""
    for attempt in range(3):
        with crm.unit(key="k-1") as unit:
            unit.customers.register(Person("Ana"))
        assert unit.receipt is not None
        assert unit.receipt.replayed == (attempt > 0)
    assert crm.customers.count() == 1
    other = crm.tenant("other")
    with other.unit(key="k-1") as unit:
        unit.customers.register(Person("Ana"))
    assert other.customers.count() == 1
    bad: list[Any] = ["", "a\0", "a" * 5_000, 7, b"x", " x"]
    for key in bad:
        with pytest.raises(Invalid), crm.unit(key=key):
            pass


# reactions, policies, clocks of the host


def registered() -> type[Event[Any]]:
    """Give the class of the event that tells of a registration."""
    with CRM.open("memory://", clock=VirtualClock(START)) as crm:
        crm.customers.register(Person("Ana"))
        (told,) = crm.timeline.all()
        return type(told.event)  # type: ignore[return-value]


def test_a_reaction_that_fails(address: str, clock: VirtualClock) -> None:
    """What a host's reaction raises ends the verb, with nothing written, its own work before included."""

    def fails(unit: Any, made: Any, _: Any) -> None:
        unit.send("mail", "x")
        unit.find(type(made))
        raise ZeroDivisionError

    with CRM.open(address, clock=clock, reactions={registered(): [fails]}, durability="normal") as crm:
        before = state_of(crm)
        with pytest.raises(ZeroDivisionError):
            crm.customers.register(Person("Ana"))
        with pytest.raises(ZeroDivisionError):
            crm.together(lambda u: u.customers.register(Person("Ana")))
        assert state_of(crm) == before
        assert crm.store.claim("mail", now=START + timedelta(days=1), limit=10, lease=timedelta(0)) == ()


def test_reactions_that_cause_each_other(address: str, clock: VirtualClock) -> None:
    """R22: a reaction that causes itself is stopped at its depth, with nothing written."""

    def again(unit: Any, _: Any, told: Any) -> None:
        from crmkit.kernel.record import create

        unit.save(create(unit.new_id(type(_)), told))

    with CRM.open(address, clock=clock, reactions={registered(): [again]}, durability="normal") as crm:
        refuses(crm, lambda: crm.customers.register(Person("Ana")), error=Refusal, rule="reactions.depth")


class Broken:
    """A policy that fails, as its mood says."""

    def __init__(self, mood: str) -> None:
        self.mood = mood

    def refuses(self, act: Act) -> str | None:
        """Fail, or allow."""
        if self.mood == "refuses" and act.is_new:
            raise ZeroDivisionError
        return None

    def sees(self, actor: str, kind: Any) -> Where | None:
        """Fail, ask for what there is not, or show everything."""
        if self.mood == "sees":
            raise ZeroDivisionError(actor, kind)
        return field("nothing") == 1 if self.mood == "unknown" else None


@pytest.mark.parametrize("mood", ["refuses", "sees", "unknown"])
def test_a_policy_that_fails(address: str, clock: VirtualClock, mood: str) -> None:
    """R2: a policy that fails allows nothing and shows nothing."""
    with CRM.open(address, clock=clock, durability="normal") as host:
        host.customers.register(Person("Ana"), id="ana")
        with CRM.open(host.store, clock=clock, policy=Broken(mood)) as crm:
            before = state_of(host)
            with pytest.raises((ZeroDivisionError, Invalid)):
                crm.customers.register(Person("Ben"), id="ben")
            if mood != "refuses":
                for read in (crm.customers.find, crm.customers.count, lambda: crm.timeline.of("ana")):
                    with pytest.raises((ZeroDivisionError, Invalid)):
                        read()
            assert state_of(host) == before


def test_a_clock_that_goes_back(address: str) -> None:
    """When the host's clock is set back, records stay as they are or follow; nothing breaks, nothing moves twice."""
    now = [START]
    with CRM.open(address, clock=lambda: now[0], durability="normal") as crm:
        crm.customers.register(Person("Ana"), id="ana")
        tie = crm.relationships.begin("ana", "transactional")
        now[0] = START + timedelta(days=400)
        crm.run_due()
        ended = crm.relationships.get(tie)
        now[0] = START - timedelta(days=30)
        told = len(entries_of(crm))
        crm.run_due()
        assert len(entries_of(crm)) == told
        assert crm.relationships.get(tie) == ended
        crm.customers.tag("ana", "vip")
        refuses(crm, lambda: crm.customers.rename("ana", "Ana Cruz"), rule="out-of-order")
        refuses(crm, lambda: crm.run_due(until=START), rule="future")


BAD_CLOCKS: list[Any] = [
    datetime(2026, 1, 1),  # noqa: DTZ001 - that it is naive is the point
    None,
    0,
    "2026-01-01",
    datetime.max.replace(tzinfo=UTC),
]


@pytest.mark.parametrize("now", BAD_CLOCKS, ids=lambda n: f"49-{n!r:.20}")
def test_a_clock_that_lies(now: Any) -> None:
    """49: a clock that gives no instant is refused by every verb, reads included."""
    crm = CRM.open("memory://", clock=lambda: now)
    for act in (crm.customers.register, crm.customers.count, crm.run_due, crm.timeline.all):
        with pytest.raises(Invalid, match="clock"):
            act()


def test_run_due_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    """What time brings happens once, however often the call is broken off between two batches."""
    clock = VirtualClock(START)
    crm = CRM.open(f"sqlite:///{tmp_path}/due.db", clock=clock, durability="normal")
    for n in range(7):
        crm.relationships.begin(crm.customers.register(Person("Ana"), id=f"c{n}"), "transactional")
    clock.advance(timedelta(days=400))
    half = crm.relationships.sweep(limit=3)
    crm.close()
    crm = CRM.open(f"sqlite:///{tmp_path}/due.db", clock=clock, durability="normal")
    rest = crm.run_due()
    assert (half + rest).moved == 7
    assert crm.run_due().moved == 0
    assert entries_of(crm).count("relationship.dissolved") == 7
    crm.close()


def test_a_customer_learns_nothing_by_asking(crm: CRM) -> None:
    """R3, R4: no condition, order, count, cursor or refusal of a customer's tells about another one."""
    crm.customers.register(Person("Ana"), id="ana", email="ana@example.com")
    crm.customers.register(Person("Ben"), id="ben", email="ben@example.com", tags=["vip"], referrer="ana")
    crm.purchases.record("ben", "99 EUR", order_id="1", at=START)
    me = crm.portal("ana")
    assert me.customers.count(field("tag").has("vip")) == 0
    assert me.customers.count(~field("tag").has("vip")) == 1
    assert me.customers.by_email("ben@example.com") == ()
    assert me.purchases.by_order("1") is None
    assert [c.id for c in me.customers.find(order=["-sort_name"], limit=1)] == ["ana"]
    assert me.customers.find(limit=1).next is None
    assert me.customers.households_of("ben") == ()
    assert {e.subject.id for e in me.timeline.all()} == {"ana"}
    assert [str(d) for d in me.consents.permitted(["ben"], "service").values()] == [
        str(d) for d in me.consents.permitted(["zzz"], "service").values()
    ]


@pytest.mark.xfail(reason="open: identifiers have no unique key, so two writers at once may take the same one")
def test_an_identifier_is_taken_once_by_many(crm: CRM) -> None:
    """R18: what others call a customer is one customer's, whoever is first."""
    crm.customers.register(Person("Zero"), id="zero")
    gate, taken = threading.Event(), threading.Event()

    def second() -> None:
        gate.wait(10)
        crm.customers.register(Person("Ben"), identifiers=[Identifier("card", "1")])
        taken.set()

    other = threading.Thread(target=second)
    other.start()
    with crm.unit() as unit:
        unit.customers.register(Person("Ana"), identifiers=[Identifier("card", "1")])
        gate.set()
        other.join()
        assert taken.is_set()
    assert len(crm.customers.find(field("identifier") == "card:1")) == 1


def test_an_identifier_is_taken_once_by_customers(clock: VirtualClock) -> None:
    """R2: what an actor does not see is taken all the same."""
    crm = CRM.open("memory://", clock=clock, policy=DefaultPolicy(portal_may=["customers.note"]))
    crm.customers.register(Person("Ana"), id="ana", identifiers=[Identifier("card", "1")])
    crm.customers.register(Person("Ben"), id="ben")
    with pytest.raises(Refusal):
        crm.portal("ben").customers.note("ben", Identifier("card", "1"))


def test_expecting_is_kept_by_everything_bound_to_it(crm: CRM) -> None:
    """74: what the caller insists on holds through actors, correlations and further expectations."""
    ana = crm.customers.register(Person("Ana"), id="ana")
    ben = crm.customers.register(Person("Ben"), id="ben")
    crm.customers.tag("ana", "x")
    bound = crm.expecting(ana).acting_as("rep").correlated("c-1").expecting(ben)
    refuses(crm, lambda: bound.customers.tag("ben", "x"), error=Stale)
