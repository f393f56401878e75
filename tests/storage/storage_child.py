"""What tests run in processes of their own: `python storage_child.py <act> <path> [more]`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from storage_world import SCHEMA, World, entry, put

from crmkit.errors import Conflict
from crmkit.storage.sql.store import SQLStore


def opened(path: str) -> SQLStore:
    store = SQLStore(f"sqlite:///{path}", timeout=60)
    store.prepare(SCHEMA, "upgrade")
    return store


def at(store: SQLStore, tenant: str) -> World:
    w = World(store, lambda: store)
    w.tenant = w.queue = tenant
    return w


def start(path: str) -> None:
    """Lay the store out, at the same moment as others."""
    print("ready", flush=True)
    sys.stdin.readline()
    opened(path).close()


def count_up(path: str, name: str, times: str) -> None:
    """Count a record up, write an entry with each step, and claim what there is."""
    w = at(opened(path), "many")
    claimed: list[str] = []
    for n in range(int(times)):
        while True:
            found = w.get("a")["a"]
            try:
                w.commit(
                    put("a", found.version, score=found.row[3] + 1), entry(verb=f"{name}.{n}"), w.message(f"{name}.{n}")
                )
            except Conflict:
                continue
            break
        claimed += [c.message.id for c in w.claim(2)]
    print(" ".join(claimed), flush=True)


def write_until_killed(path: str) -> None:
    """Write records with an entry and a message each, and tell of each commit after it."""
    w = at(opened(path), "crash")
    for n in count(w.count()):
        w.commit(put(f"p{n}", keys=[("tag", f"t{n}")]), entry(f"p{n}"), w.message(f"p{n}"))
        print(n, flush=True)


def claim_and_die(path: str) -> None:
    """Claim a message for no time and end without a word."""
    at(opened(path), "claims").claim(1, lease=timedelta(0))
    os._exit(9)


def fork(path: str) -> None:
    """Use a store before, in and after a forked child, with a connection idle, one in use, and the write lock held."""
    w = at(opened(path), "fork")
    w.commit(put("before"))
    held = w.store._database.pool.acquire()  # type: ignore[attr-defined]
    w.store._database.pool.writing.acquire()  # type: ignore[attr-defined]
    child = os.fork()
    if child == 0:
        w.commit(put("child"))
        assert w.version("before") == 1
        w.store.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    w.store._database.pool.writing.release()  # type: ignore[attr-defined]
    assert held.execute("SELECT count(*) FROM crm_t_stored_person").fetchone() == (2,)
    w.store._database.pool.release(held)  # type: ignore[attr-defined]
    w.commit(put("after"))
    print(" ".join(w.ids()))


def fork_in_memory(_: str) -> None:
    """A child gets its own copy of a database in memory, and no locks."""
    store = SQLStore("sqlite://")
    store.prepare(SCHEMA, "create")
    w = at(store, "fork")
    w.commit(put("before"))
    store._database.pool.acquire()
    child = os.fork()
    if child == 0:
        w.commit(put("child"))
        os._exit(0 if w.ids() == ["before", "child"] else 1)
    assert os.waitpid(child, 0)[1] == 0
    print(" ".join(w.ids()))


ACTS: dict[str, Callable[..., None]] = {
    f.__name__: f for f in (start, count_up, write_until_killed, claim_and_die, fork, fork_in_memory)
}

if __name__ == "__main__":
    ACTS[sys.argv[1]](*sys.argv[2:])
