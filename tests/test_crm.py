"""CRM: bindings, units, retries, refusals. What the concepts do is tested with them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from attrs import frozen

from crmkit import LIFECYCLE, Person, Signal, Stage, edge, previous
from crmkit.crm import CRM, LONGEST_WAIT, OpenUnit
from crmkit.errors import Busy, Conflict, Duplicate, Invalid, Misuse, NotAllowed, NotFound, Stale, Unavailable
from crmkit.kernel.checks import Id
from crmkit.kernel.ids import Ref
from crmkit.kernel.record import Event, Record, change, create, event, record
from crmkit.services.clock import VirtualClock
from crmkit.services.policy import Act, DefaultPolicy
from crmkit.services.unit import Service, Unit, verb
from crmkit.storage.memory import MemoryStore
from crmkit.storage.store import Batch, Features, Receipt, Schema

START = datetime(2026, 1, 1, 9, tzinfo=UTC)


@record("crm_tally", customer="customer", unique={"name": lambda t: t.name})
@frozen(kw_only=True)
class Tally(Record):
    """What the tests count."""

    customer: Id
    name: str
    count: int = 0


@event("crm_tally.begun")
@frozen(kw_only=True)
class TallyBegun(Event[Tally]):
    """It began."""

    customer: Id
    name: str


@event("crm_tally.bumped")
@frozen(kw_only=True)
class TallyBumped(Event[Tally]):
    """One more."""

    count: int


class Tallies(Service):
    """The verbs of the tests."""

    @verb
    def begin(self, name: str, *, customer: str = "cus_1", reason: str = "") -> Tally:
        """Begin one."""
        return self.unit.save(create(self.unit.new_id(Tally), TallyBegun(customer=customer, name=name)))

    @verb
    def bump(self, tally: Tally | str, *, reason: str = "") -> Tally:
        """Count one more."""
        now = self.unit.act_on(Tally, tally)
        return self.unit.save(change(now, TallyBumped(count=now.count + 1)))

    @verb
    def get(self, tally: Tally | str) -> Tally:
        """Look."""
        return self.unit.get(Tally, tally)

    @verb
    def all(self) -> list[Tally]:
        """Look at all of them."""
        return list(self.unit.find(Tally, order=["name"]))


class Flaky(MemoryStore):
    """A store whose commits raise what they are told to, in order, before they work."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception] = []
        self.commits = 0

    def commit(self, tenant: str, batch: Batch) -> Receipt:
        """Fail as often as told."""
        self.commits += 1
        if self.errors:
            raise self.errors.pop(0)
        return super().commit(tenant, batch)


class Ticking:
    """A clock that is later whenever it is asked."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """Tell, and go on."""
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def flaky() -> Flaky:
    """An empty store that works until it is told otherwise."""
    return Flaky()


@pytest.fixture
def crm(flaky: Flaky) -> CRM:
    """A CRM on it."""
    return CRM.open(flaky, clock=Ticking(), kinds=[Tally])


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for; time passes only so."""
    passed: list[float] = []
    monkeypatch.setattr("crmkit.crm.time.sleep", passed.append)
    monkeypatch.setattr("crmkit.crm.time.monotonic", lambda: sum(passed))
    monkeypatch.setattr("crmkit.crm.random.uniform", lambda _low, high: high)
    return passed


def entries(crm: CRM) -> list[Any]:
    with crm.store.reader(crm.tenant_name) as reader:
        return [r.entry for r in reader.events()]


# bindings


def test_who_and_whose(crm: CRM) -> None:
    """Each binding gives another CRM on the same store, and leaves the first as it was."""
    shop = crm.tenant("shop-2").acting_as("rep-lito")
    assert (crm.tenant_name, crm.actor, shop.tenant_name, shop.actor) == ("main", "host", "shop-2", "rep-lito")
    assert shop.store is crm.store
    assert crm.portal("cus_1").actor == "portal:cus_1"
    assert crm.portal(Tally(id="cus_2", customer="c", name="x")).actor == "portal:cus_2"
    assert repr(shop) == "CRM(tenant='shop-2', actor='rep-lito', store=Flaky)"
    tally = Tallies(shop.correlated("req 1")).begin("a", reason="why")
    assert [(e.by, e.correlation, e.reason, e.verb) for e in entries(shop)] == [
        ("rep-lito", "req 1", "why", "tallies.begin")
    ]
    assert entries(crm) == []
    with pytest.raises(NotFound):
        Tallies(crm).get(tally)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "x" * 81, "a\0", None])  # 66
def test_bad_tenants(crm: CRM, name: Any) -> None:
    """A tenant is an id."""
    with pytest.raises(Invalid, match=r"^tenant: "):
        crm.tenant(name)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0", "\u202ea", "x" * 121, 5])  # 1 4 6 18
def test_bad_actors_and_correlations(crm: CRM, name: Any) -> None:
    """Both are lines of text in every journal entry."""
    with pytest.raises(Invalid, match=r"^actor: "):
        crm.acting_as(name)
    with pytest.raises(Invalid, match=r"^correlation: "):
        crm.correlated(name)


def test_expecting(crm: CRM) -> None:
    """What the user saw is what the decision is made on; otherwise nothing happens."""
    tally = Tallies(crm).begin("a")
    bound = crm.expecting(tally)
    assert Tallies(bound).bump(tally).version == 2
    for act in (lambda: Tallies(bound).bump(tally), lambda: Tallies(bound).get(tally)):
        with pytest.raises(Stale, match="decided on version 1, found version 2"):
            act()
    assert Tallies(crm).get(tally).count == 1


def test_stores_are_opened_by_address_and_closed() -> None:
    """Closing twice is harmless; afterwards nothing works."""
    with CRM.open("memory://", kinds=[Tally]) as crm:
        tally = Tallies(crm).begin("a")
        assert Tallies(crm).get(tally.id) == tally
    crm.close()
    with pytest.raises(Unavailable):
        Tallies(crm).get(tally)


def test_which_schema_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """crmkit's kinds and the host's own; upgraded where the store is ours alone, checked where it is a server's."""
    asked: list[Any] = []

    class Server(MemoryStore):
        features = Features()  # type: ignore[assignment]

    monkeypatch.setattr(MemoryStore, "prepare", lambda _, schema, mode: asked.append((schema, mode)))
    CRM.open(MemoryStore(), kinds=[Tally, Tally])
    CRM.open(Server())
    CRM.open(Server(), schema="create")
    assert [mode for _, mode in asked] == ["upgrade", "check", "create"]
    schema: Schema = asked[0][0]
    names = [k.name for k in schema.kinds]
    assert (names.count("crm_tally"), names.count("customer")) == (1, 1)
    assert "crm_tally" not in [k.name for k in asked[1][0].kinds]


# units


def test_a_unit_is_one_commit(crm: CRM, flaky: Flaky) -> None:
    """At one time, under one correlation, with its reason."""
    with crm.unit(reason="order 1001") as unit:
        a = Tallies(unit._scope).begin("a")
        assert Tallies(unit._scope).bump(a).count == 1
        assert (flaky.commits, unit.receipt, entries(crm)) == (0, None, [])
        at = unit.at
    assert (flaky.commits, unit.receipt) == (1, Receipt(replayed=False))
    told = entries(crm)
    assert {(e.recorded, e.reason, e.correlation) for e in told} == {(at, "order 1001", told[0].correlation)}


def test_a_unit_that_raises_writes_nothing(crm: CRM, flaky: Flaky) -> None:
    """And cannot be used afterwards."""
    with pytest.raises(KeyError), crm.unit() as unit:  # noqa: PT012
        Tallies(unit._scope).begin("a")
        raise KeyError
    assert (flaky.commits, Tallies(crm).all()) == (0, [])
    with pytest.raises(Misuse, match="this unit is over"):
        Tallies(unit._scope).begin("b")


def test_a_unit_with_a_key_is_applied_once(crm: CRM) -> None:
    """The second time it says so."""
    receipts: list[Any] = []
    for _ in range(2):
        with crm.unit(key="order-1001") as unit:
            Tallies(unit._scope).begin("a")
        receipts.append(unit.receipt)
    assert receipts == [Receipt(replayed=False), Receipt(replayed=True)]
    assert len(Tallies(crm).all()) == 1


def test_a_unit_tells_the_conflict(crm: CRM, waits: list[float]) -> None:
    """Its body cannot be run again."""
    tally = Tallies(crm).begin("a")
    other = crm.tenant("main")
    with pytest.raises(Conflict, match="expected version 1, found 2"), crm.unit() as unit:  # noqa: PT012
        Tallies(unit._scope).bump(tally)
        thread = threading.Thread(target=lambda: Tallies(other).bump(tally))
        thread.start()
        thread.join()
    assert (Tallies(crm).get(tally).count, waits) == (1, [])


def test_calls_past_a_unit_are_noticed(crm: CRM) -> None:
    """A verb, another unit, `together`; in threads of the same context; not of another tenant."""
    with crm.unit() as unit:
        for call, name in (
            (lambda: Tallies(crm).begin("a"), "tallies.begin"),
            (lambda: Tallies(crm.acting_as("rep")).all(), "tallies.all"),
            (lambda: crm.together(lambda _: None), "unit"),
            (lambda: crm.unit().__enter__(), "unit"),
            (lambda: asyncio.run(asyncio.to_thread(Tallies(crm).all)), "tallies.all"),  # type: ignore[arg-type]
        ):
            with pytest.raises(Misuse, match=rf"^crm\.{name} was called inside `with crm.unit\(\) as unit`"):
                call()
        Tallies(crm.tenant("other")).begin("a")
        Tallies(unit._scope).begin("a")
    assert len(Tallies(crm).all()) == 1


def test_a_unit_across_two_contexts_commits(crm: CRM) -> None:
    """As FastAPI's dependencies with yield do."""

    def dependency() -> Iterator[OpenUnit]:
        with crm.unit() as unit:
            yield unit

    async def request() -> None:
        generator = dependency()
        unit = await asyncio.to_thread(next, generator)
        await asyncio.to_thread(Tallies(unit._scope).begin, "a")
        assert await asyncio.to_thread(next, generator, None) is None

    asyncio.run(request())
    assert len(Tallies(crm).all()) == 1


# again after a conflict


@pytest.mark.parametrize("errors", [[Conflict("crm_tally", "x", 1, 2)] * 3, [Busy("a lock")] * 3])
def test_verbs_run_again(crm: CRM, flaky: Flaky, waits: list[float], errors: list[Exception]) -> None:
    """With fresh records, at a new time, after waits that double."""
    tally = Tallies(crm).begin("a")
    flaky.errors = errors
    commits = flaky.commits
    begun = crm._setting.clock()
    assert Tallies(crm).bump(tally).count == 1
    assert (flaky.commits - commits, waits) == (4, [0.001, 0.002, 0.004])
    assert entries(crm)[-1].recorded == begun + timedelta(seconds=4)


def test_fresh_records_are_read(crm: CRM) -> None:
    """The second time the verb sees what the others did."""
    tally, seen = Tallies(crm).begin("a"), []

    def act(unit: OpenUnit) -> int:
        now = Tallies(unit._scope).get(tally)
        seen.append((now.count, unit.at))
        if len(seen) == 1:
            thread = threading.Thread(target=lambda: Tallies(crm).bump(tally))
            thread.start()
            thread.join()
        return Tallies(unit._scope).bump(tally).count

    assert crm.together(act, reason="both") == 2
    assert [count for count, _ in seen] == [0, 1]
    assert seen[0][1] < seen[1][1]
    assert entries(crm)[-1].reason == "both"


@pytest.mark.parametrize(("patience", "tries"), [(0.0, 1), (0.0009, 1), (0.001, 2), (0.0031, 3), (0.5, 11)])
def test_patience_ends(flaky: Flaky, waits: list[float], patience: float, tries: int) -> None:
    """Then the last conflict is told; no wait is longer than the longest."""
    crm = CRM.open(flaky, kinds=[Tally], patience=patience)
    flaky.errors = [Busy(f"lock {i}") for i in range(100)]
    with pytest.raises(Busy, match=rf"lock {tries - 1}\b"):
        Tallies(crm).begin("a")
    assert (flaky.commits, sum(waits) <= patience, max([0.0, *waits]) <= LONGEST_WAIT) == (tries, True, True)


def test_a_duplicate_is_looked_at_once_more(crm: CRM, flaky: Flaky, waits: list[float]) -> None:
    """Then it is told, also after a conflict between the two."""
    flaky.errors = [Duplicate("crm_tally", "name")]
    assert Tallies(crm).begin("a").name == "a"
    with pytest.raises(Duplicate, match="the unique key 'name' is taken"):
        Tallies(crm).begin("a")
    assert flaky.commits == 4
    flaky.errors = [Duplicate("crm_tally", "name"), Conflict("crm_tally", "x", 1, 2), Duplicate("crm_tally", "name")]
    with pytest.raises(Duplicate):
        Tallies(crm).begin("b")
    assert (flaky.commits, len(waits)) == (7, 4)


@pytest.mark.parametrize("error", [Unavailable("gone"), KeyError("bug")])
def test_other_errors_are_told_at_once(crm: CRM, flaky: Flaky, waits: list[float], error: Exception) -> None:
    """Trying again would not help, or would do it twice."""
    flaky.errors = [error]
    with pytest.raises(type(error)):
        Tallies(crm).begin("a")
    assert (flaky.commits, waits) == (1, [])


def test_many_threads_lose_no_count(crm: CRM) -> None:
    """Every one of them retries until it is through."""
    patient = CRM(attrs.evolve(crm._setting), patience=60)
    tally = Tallies(crm).begin("a")
    threads = [threading.Thread(target=lambda: [Tallies(patient).bump(tally) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Tallies(crm).get(tally).count, Tallies(crm).get(tally).version) == (20, 21)


# refusals


class NoBumps(DefaultPolicy):
    """Nobody may bump."""

    def refuses(self, act: Act) -> str | None:
        """Refuse bumps."""
        return "not today" if act.verb == "tallies.bump" else super().refuses(act)


def refusing(flaky: Flaky, **options: Any) -> tuple[CRM, Tally]:
    crm = CRM.open(flaky, clock=VirtualClock(START), policy=NoBumps(["tallies.begin"]), kinds=[Tally], **options)
    return crm, Tallies(crm).begin("a")


def test_refusals_are_journalled(flaky: Flaky) -> None:
    """Of a verb and of a unit, in a commit of their own; what the unit had done is not written."""
    crm, tally = refusing(flaky)
    told = r"^crm_tally .*: the policy does not let 'host' call tallies.bump: not today$"
    with pytest.raises(NotAllowed, match=told):
        Tallies(crm).bump(tally, reason="please")
    with pytest.raises(NotAllowed, match=told), crm.unit(reason="both") as unit:  # noqa: PT012
        Tallies(unit._scope).begin("b")
        Tallies(unit._scope).bump(tally)
    with pytest.raises(NotAllowed, match=told):
        crm.together(lambda unit: Tallies(unit._scope).bump(tally))
    assert [(e.type, e.subject, e.verb, e.reason) for e in entries(crm)[1:]] == [
        ("act.refused", Ref("crm_tally", tally.id), "tallies.bump", "please"),
        ("act.refused", Ref("crm_tally", tally.id), "tallies.bump", "both"),
        ("act.refused", Ref("crm_tally", tally.id), "tallies.bump", ""),
    ]
    assert [t.name for t in Tallies(crm).all()] == ["a"]


def test_refusals_are_not_journalled_where_the_host_says_so(flaky: Flaky) -> None:
    """Some hosts have a log of their own."""
    crm, tally = refusing(flaky, audit_refusals=False)
    with pytest.raises(NotAllowed):
        Tallies(crm).bump(tally)
    assert len(entries(crm)) == 1


def test_a_refusal_is_journalled_in_spite_of_a_busy_store(flaky: Flaky, waits: list[float]) -> None:
    """The verb runs again, is refused again, and then it is written."""
    crm, tally = refusing(flaky)
    flaky.errors = [Busy("a lock")]
    with pytest.raises(NotAllowed):
        Tallies(crm).bump(tally)
    assert ([e.type for e in entries(crm)][1:], len(waits)) == (["act.refused"], 1)


def test_a_customer_in_a_portal(flaky: Flaky) -> None:
    """Sees what is theirs, finds the rest not there, and does what is opened to them."""
    crm, tally = refusing(flaky)
    theirs = Tallies(crm).begin("b", customer="cus_2")
    portal = crm.portal("cus_1")
    assert Tallies(portal).all() == [tally]
    assert Tallies(portal).get(tally) == tally
    with pytest.raises(NotFound):
        Tallies(portal).get(theirs)
    assert Tallies(portal).begin("c").customer == "cus_1"
    with pytest.raises(NotAllowed, match="it belongs to somebody else"):
        Tallies(portal).begin("d", customer="cus_2")


def test_time_is_only_slept_between_tries(crm: CRM, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb that meets nobody never waits."""
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it slept"))
    Tallies(crm).begin("a")
    assert isinstance(Tallies(crm)._scope, CRM)
    assert not isinstance(Tallies(crm)._scope, Unit)


def test_a_lifecycle_that_goes_back_to_the_stage_before_is_refused() -> None:
    """A relationship does not keep that stage, so such a step could never be taken."""
    back = LIFECYCLE.extend(
        version=2, add=[edge(Stage.DISSOLUTION, previous(Stage.AWARENESS, Stage.EXPANSION), on=Signal.COOL)]
    )
    with pytest.raises(Misuse, match="keeps no stage before the last"):
        CRM.open("memory://", lifecycle=back)


def test_ids_sort_in_the_order_in_which_they_were_made() -> None:
    """Also within one instant, so that lists with ties are stable."""
    crm = CRM.open("memory://", clock=VirtualClock(START))
    made = [crm.customers.register(Person("Ana")).id for _ in range(50)]
    assert made == sorted(made)
