"""Verbs: what the layers above the store cost, against hand-written sqlite3 and against a bare commit.

Run it: `python benchmarks/verbs.py`
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

from crmkit import CRM, Person, RelationshipType, Signal, VirtualClock
from crmkit.services.unit import Unit
from rounds import rounds, show

START = datetime(2026, 1, 1, tzinfo=UTC)
NUMBER, TIES = 2_000, 1_500


def opened(folder: str) -> CRM:
    """Open a CRM on a file."""
    return CRM.open(f"sqlite:///{folder}/verbs.db", clock=VirtualClock(START), durability="normal")


def reads(crm: CRM, path: Path) -> None:
    """Compare reads of one relationship and of one customer by their ids."""
    customers = [crm.customers.register(Person(f"Customer {n}"), email=f"c{n}@example.com") for n in range(200)]
    ties = [crm.relationships.begin(c, RelationshipType.TRANSACTIONAL) for c in customers]
    raw = sqlite3.connect(path, isolation_level=None)
    columns = ", ".join(name for _, name, *_ in raw.execute("PRAGMA table_info(crm_relationship)"))
    by_hand = f"SELECT {columns} FROM crm_relationship WHERE crm_tenant = ? AND id = ?"
    whose = f"SELECT * FROM crm_customer WHERE crm_tenant = ? AND id = ?"  # noqa: F541

    def turning(act: Callable[[str], object], ids: list[str]) -> Callable[[], object]:
        turn = cycle(ids)
        return lambda: act(next(turn))

    def stored(kind: str) -> Callable[[str], object]:
        def read(i: str) -> object:
            with crm.store.reader("main") as reader:
                return reader.get(kind, (i,))

        return read

    tie_ids, customer_ids = [t.id for t in ties], [c.id for c in customers]
    took = rounds(
        {
            "by hand: a relationship's row": turning(lambda i: raw.execute(by_hand, ("main", i)).fetchone(), tie_ids),
            "Store.get": turning(stored("relationship"), tie_ids),
            "crm.relationships.get": turning(crm.relationships.get, tie_ids),
        },
        times=9,
        number=NUMBER,
    )
    bounds = {"Store.get": "0.70 of its rate: at most 1.43", "crm.relationships.get": "0.40 of its rate: at most 2.50"}
    show("Reads of a relationship", took, "by hand: a relationship's row", bounds)
    took = rounds(
        {
            "by hand: a customer's row": turning(lambda i: raw.execute(whose, ("main", i)).fetchone(), customer_ids),
            "Store.get": turning(stored("customer"), customer_ids),
            "crm.customers.get": turning(crm.customers.get, customer_ids),
        },
        times=9,
        number=NUMBER,
    )
    bounds = {k.replace("relationships", "customers"): v for k, v in bounds.items()}
    show("Reads of a customer", took, "by hand: a customer's row", bounds)
    raw.close()


def writes(crm: CRM) -> None:
    """Compare a whole verb with the bare commit of the same batch, turn by turn."""

    def fresh() -> Iterator[str]:
        while True:
            with crm.unit() as unit:
                made = [unit.customers.register(Person("Ana Reyes")) for _ in range(100)]
                ties = [unit.relationships.begin(c, RelationshipType.TRANSACTIONAL) for c in made]
            with crm.unit() as unit:
                for tie in ties:
                    unit.relationships.note_evidence(tie, "trial passed", "value understood")
            yield from (tie.id for tie in ties)

    ids = fresh()
    whole, bare = [], []
    setting = crm._setting  # noqa: SLF001 - to build a batch without committing it
    for _ in range(TIES):
        mine, theirs = next(ids), next(ids)
        began = time.perf_counter()
        crm.relationships.advance(mine, Signal.UNDERSTAND, reason="second visit")
        whole.append(time.perf_counter() - began)
        unit = Unit(setting, verb="relationships.advance", reason="second visit")
        type(crm.relationships)(unit).advance(theirs, Signal.UNDERSTAND, reason="second visit")
        batch = unit.batch()
        began = time.perf_counter()
        crm.store.commit("main", batch)
        bare.append(time.perf_counter() - began)
    verb, commit = statistics.median(whole), statistics.median(bare)
    print(f"\nA whole verb on SQLite, against the bare commit of the same batch ({TIES:,} turns)")
    print(f"  bare commit                  {commit * 1e6:8.1f} µs")
    print(f"  crm.relationships.advance    {verb * 1e6:8.1f} µs   {commit / verb:.2f} of its rate (bound: 0.55)")


def main() -> None:
    """Print reads and writes."""
    with tempfile.TemporaryDirectory() as folder, opened(folder) as crm:
        reads(crm, Path(folder) / "verbs.db")
        writes(crm)


if __name__ == "__main__":
    main()
