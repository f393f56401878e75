"""What only the memory store promises: leases by a clock that is handed in, cheap snapshots, and look-ups by index."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from storage_contract import PERSON
from storage_world import AT, HOUR, SCHEMA, World, entry, note, put

from crmkit.kernel.query import And, Compare, Has, In, Not, Where
from crmkit.storage import memory
from crmkit.storage.memory import MemoryStore
from crmkit.storage.store import Extend


def test_leases_end_by_the_stores_clock() -> None:
    """Whatever instant the library takes for now, a lease ends when the store's own clock says so."""
    clock = [AT]
    store = MemoryStore(now=lambda: clock[0])
    store.prepare(SCHEMA, "create")
    w = World(store, lambda: store)
    w.commit(w.message())
    (claim,) = w.claim(lease=HOUR)
    assert claim.until == AT + HOUR
    assert w.claim(now=AT + 1000 * HOUR) == ()
    clock[0] += HOUR - timedelta(microseconds=1)
    assert w.claim() == ()
    assert store.settle([Extend(claim, HOUR)]) == (True,)
    clock[0] += HOUR - timedelta(microseconds=1)
    assert w.claim() == ()
    clock[0] += timedelta(microseconds=1)
    assert [c.attempt for c in w.claim()] == [2]


def test_the_systems_clock_is_the_stores_own() -> None:
    """Without a clock handed in leases end by the system's."""
    store = MemoryStore()
    w = World(store, lambda: store)
    w.commit(w.message())
    assert abs(w.claim(lease=HOUR)[0].until - datetime.now(AT.tzinfo) - HOUR) < HOUR


@pytest.fixture
def w() -> World:
    store = MemoryStore()
    store.prepare(SCHEMA, "create")
    world = World(store, lambda: store)
    world.commit(
        *(put(f"p{i}", name=f"n{i}", boss=f"c{i % 10}", keys=[("tag", f"t{i}")]) for i in range(100)), note("n")
    )
    return world


@pytest.mark.parametrize(
    ("where", "most"),
    [
        (Has("tag", "eq", "t7"), 1),
        (Compare("boss", "eq", "c7"), 10),
        (Compare("name", "eq", "n7"), 1),
        (In("boss", ("c1", "c2", "c1", "none")), 20),
        (And((Compare("boss", "eq", "c7"), Has("tag", "eq", "t7"), Not(Compare("name", "eq", "x")))), 1),
        (And((Not(Has("tag", "eq", "x")), Compare("score", "eq", None))), 100),
        (Has("tag", "prefix", "t"), 100),
    ],
)
def test_look_ups_do_not_read_everything(where: Where, most: int, w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equality of a search key, of the customer and of the first column of an index reads only what matches."""
    tried: list[Any] = []
    predicate = memory.predicate

    def counting(*some: Any) -> Any:
        test = predicate(*some)
        return lambda found: tried.append(found) or test(found)

    monkeypatch.setattr(memory, "predicate", counting)
    assert len(w.ids(where)) == len(tried) == most


def test_snapshots_are_copied_only_when_somebody_commits(w: World) -> None:
    """A snapshot shares everything until the first commit while it is open, and nothing is copied afterwards."""
    tenants = w.store._memory.tenants  # type: ignore[attr-defined]
    before = tenants[w.tenant]
    with w.store.reader(w.tenant, snapshot=True) as one:
        with w.store.reader(w.tenant, snapshot=True) as two:
            assert tenants[w.tenant] is before
            w.commit(put("new"), entry())
            after = tenants[w.tenant]
            w.commit(put("new", 1))
            assert tenants[w.tenant] is after is not before
            assert one.count(PERSON, And(())) == two.count(PERSON, And(())) == 100
        assert (after.pins, before.pins) == (0, 1)
    w.commit(put("new", 2))
    assert tenants[w.tenant] is after
