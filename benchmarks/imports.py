"""`import crmkit` against importing its three dependencies: CPU time of fresh interpreters, interleaved.

Run it: `python benchmarks/imports.py`
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

CASES = {
    "nothing": "pass",
    "attrs, cattrs, dateutil": "import attrs, cattrs, dateutil.relativedelta, dateutil.rrule",
    "crmkit": "import crmkit",
    "crmkit, and a CRM opened on memory": "import crmkit; crmkit.CRM.open('memory://')",
}


def cpu_seconds(code: str) -> float:
    """Give the CPU seconds that a fresh interpreter takes to run some code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int = 15) -> None:
    """Print the median CPU time above a bare interpreter's, and the ratio to the dependencies'."""
    took: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, code in CASES.items():
            took[name].append(cpu_seconds(code))
    bare = took.pop("nothing")
    above = {name: [t - b for t, b in zip(times, bare, strict=True)] for name, times in took.items()}
    floor = above["attrs, cattrs, dateutil"]
    print(f"{'import':40} {'ms of CPU':>10} {'of the dependencies':>20}")
    for name, times in above.items():
        ratio = statistics.median(t / f for t, f in zip(times, floor, strict=True))
        print(f"{name:40} {statistics.median(times) * 1e3:10.1f} {ratio:20.2f}")
    print("bound: crmkit at most 1.50 of the dependencies")


if __name__ == "__main__":
    main()
