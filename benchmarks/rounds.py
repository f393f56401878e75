"""Interleaved rounds: every case runs once per round, and a ratio is the median of the ratios within the rounds.

So a machine that slows down half-way slows every case alike, and the ratios hold.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping


def rounds(cases: Mapping[str, Callable[[], object]], *, times: int, number: int) -> dict[str, list[float]]:
    """Run each case `number` times per round, and give the CPU seconds per run, by case and round."""
    out: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case()
    for _ in range(times):
        for name, case in cases.items():
            gc.collect()
            gc.disable()
            began = time.process_time()
            for _ in range(number):
                case()
            out[name].append((time.process_time() - began) / number)
            gc.enable()
    return out


def ratio(took: Mapping[str, list[float]], case: str, floor: str) -> float:
    """Give the median over the rounds of a case's time as a multiple of the floor's in the same round."""
    return statistics.median(a / b for a, b in zip(took[case], took[floor], strict=True))


def show(title: str, took: Mapping[str, list[float]], floor: str, bounds: Mapping[str, str] | None = None) -> None:
    """Print the cases as a table of microseconds and of ratios to the floor."""
    print(f"\n{title}")
    print(f"  {'case':58} {'µs':>10} {'of the floor':>13}  bound")
    for name, times in took.items():
        bound = (bounds or {}).get(name, "")
        print(f"  {name:58} {statistics.median(times) * 1e6:10.2f} {ratio(took, name, floor):13.3f}  {bound}")
