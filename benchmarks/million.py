"""One million customers: import in constant memory, then get, find and timeline page against ten thousand.

Run it: `python benchmarks/million.py` (some ten minutes), or with `--customers 100000` for a smaller one.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crmkit import CRM, Person, VirtualClock

BATCH = 1_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def fill(crm: CRM, clock: VirtualClock, customers: int) -> tuple[list[str], float, list[int]]:
    """Register customers in batches; give some ids, the rate per second, and the peak memory at each tenth in KiB."""
    some: list[str] = []
    peaks: list[int] = []
    began = time.perf_counter()
    for first in range(0, customers, BATCH):
        clock.advance(timedelta(seconds=1))
        with crm.unit(reason="import") as unit:
            for n in range(first, min(first + BATCH, customers)):
                made = unit.customers.register(Person(f"Customer {n:07d}"), email=f"c{n}@example.com")
                if n % (customers // 1000) == 0:
                    some.append(made.id)
        if (first // BATCH) % max(1, customers // BATCH // 10) == 0:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            print(f"  {first:>9,} of {customers:,}", file=sys.stderr)
    return some, customers / (time.perf_counter() - began), peaks


def micros(act: Callable[[str], object], ids: list[str]) -> float:
    """Give the median microseconds of an act over ids, the first pass not counted."""
    took: list[float] = []
    for turn in range(3):
        for i in ids:
            began = time.perf_counter()
            act(i)
            if turn:
                took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


def measure(folder: Path, customers: int) -> dict[str, float]:
    """Fill a store and measure reads on it."""
    clock = VirtualClock(START)
    with CRM.open(f"sqlite:///{folder}/{customers}.db", clock=clock, durability="normal") as crm:
        some, rate, peaks = fill(crm, clock, customers)
        print(
            f"{customers:>9,} customers: {rate:,.0f} registered per second;"
            f" peak memory {', '.join(f'{p / 1024:.0f}' for p in peaks)} MiB"
        )
        random.Random(1).shuffle(some)
        known = {i: crm.customers.get(i).party.name for i in some}
        mails = {i: f"c{int(name.split()[1])}@example.com" for i, name in known.items()}
        return {
            "get": micros(crm.customers.get, some),
            "find by e-mail": micros(lambda i: crm.customers.by_email(mails[i]), some),
            "timeline page": micros(lambda i: crm.timeline.of(i), some),
        }


def main() -> None:
    """Print the medians at both sizes and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    wanted = parser.parse_args().customers
    with tempfile.TemporaryDirectory() as folder:
        small, large = measure(Path(folder), 10_000), measure(Path(folder), wanted)
    print(f"\n{'µs, median':20} {'at 10,000':>12} {f'at {wanted:,}':>14} {'ratio':>8}   bound 1.50")
    for name, took in large.items():
        print(f"{name:20} {small[name]:12.1f} {took:14.1f} {took / small[name]:8.2f}")


if __name__ == "__main__":
    main()
