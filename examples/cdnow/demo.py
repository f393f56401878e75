"""A shop's eighteen months, played through crmkit: 6,919 real purchases of 2,357 customers, on a virtual clock.

Purchases become evidence by a mapping that is declared below, evidence moves relationships through their lifecycle,
silence warns and ends them, and a customer's own later purchase brings one back. Run it again, and it goes on where it
ended.

    python3 dev.py demo            plays everything into out/cdnow/
    python3 dev.py demo --help     tells what else it can do
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from crmkit import (
    CRM,
    LIFECYCLE,
    EvidenceKind,
    EvidenceRule,
    Money,
    MoveRefused,
    OpenUnit,
    Person,
    RelationshipType,
    Sale,
    Signal,
    Stage,
    TimelineEntry,
    VirtualClock,
    field,
)
from crmkit.domain.relationships.evidence import as_table
from crmkit.kernel.machine.svg import to_svg

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "cdnow_purchases.csv"
FIRST_DAY = datetime(1997, 1, 1, 12, tzinfo=UTC)
LAST_DAY = datetime(1998, 6, 30, 12, tzinfo=UTC)
QUARTERS = [
    datetime(y, m, 1, tzinfo=UTC) for y, m in ((1997, 4), (1997, 7), (1997, 10), (1998, 1), (1998, 4), (1998, 7))
]

MAPPING = (
    EvidenceRule(name="a second order", shows=EvidenceKind.TRIAL_PASSED, purchases=2),
    EvidenceRule(name="a third order", shows=EvidenceKind.VALUE_UNDERSTOOD, purchases=3, try_signal=Signal.UNDERSTAND),
    EvidenceRule(
        name="four orders in a year",
        shows="regular purchases",
        purchases=4,
        within=timedelta(days=365),
        try_signal=Signal.EXPAND,
    ),
    EvidenceRule(
        name="free delivery from 200 dollars on",
        shows=EvidenceKind.ADAPTED_TO_CUSTOMER,
        purchases=5,
        spent=Money("200", "USD"),
    ),
    EvidenceRule(
        name="first pick of new releases from 300 dollars on",
        shows=EvidenceKind.AIM_TO_EXCEL,
        purchases=6,
        spent=Money("300", "USD"),
        try_signal=Signal.COMMIT,
    ),
)
"""What this shop takes for evidence. The last two are what it does itself for customers who have come so far."""


class Row(NamedTuple):
    """One line of the data."""

    customer: str
    at: datetime
    order: str
    cds: int
    amount: str


def read(path: Path) -> list[Row]:
    """Read the purchases in the order in which they took place. An order's id is the line that it stands in."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            Row(
                f"cdnow-{r['customer_id']}",
                datetime.fromisoformat(f"{r['purchased_on']}T12:00+00:00"),
                f"line-{n}",
                int(r["cds"]),
                r["amount"],
            )
            for n, r in enumerate(csv.DictReader(file), 2)
        ]
    return sorted(rows, key=lambda row: row.at)


@contextmanager
def progress(days: int) -> Iterator[object]:
    """Show a bar on the terminal, with rich if it is there; give what is called after each day."""
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        done = 0

        def tick(day: str) -> None:
            nonlocal done
            done += 1
            if done % 30 == 0 or done == days:
                print(f"  {day}  {done * 100 // days:3} %", file=sys.stderr)

        yield tick
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("1997-01-01", total=days)

        def step(day: str) -> None:
            bar.update(task, advance=1, description=day)

        yield step


def play(crm: CRM, clock: VirtualClock, rows: Sequence[Row]) -> Counter[str]:
    """Play day after day: what silence does first, then the day's purchases, in one commit."""
    told: Counter[str] = Counter()
    days = [(day, list(some)) for day, some in groupby(rows, key=lambda row: row.at)]
    begun = clock()
    left = [(day, some) for day, some in days if day >= begun]
    with progress(len(left)) as tick:
        for day, some in left:
            clock.advance(day)
            swept = crm.relationships.run_due(reason="silence")
            told.update(moved=swept.moved, warned=swept.warned)
            tally = crm.together(lambda unit, some=some: buy(unit, some), reason="the day's orders")
            told.update(recorded=tally.recorded, known=tally.known)
            tick(f"{day:%Y-%m-%d}")
    clock.advance(max(clock(), LAST_DAY))
    swept = crm.relationships.run_due(reason="silence")
    told.update(moved=swept.moved, warned=swept.warned)
    return told


def buy(unit: OpenUnit, rows: Iterable[Row]) -> object:
    """Record a day's purchases. Who buys for the first time is registered, and a relationship begins."""
    rows = list(rows)
    buyers = dict.fromkeys(row.customer for row in rows)
    there = {known.id for known in unit.customers.find(field("id").in_(buyers), limit=1000)}
    for customer in buyers:
        if customer not in there:
            unit.customers.register(Person(f"Customer {customer[-4:]}"), id=customer)
            unit.relationships.begin(customer, RelationshipType.SELF_SERVICE, origin="web shop")
    return unit.purchases.record_batch(
        [
            Sale.of(
                Money(r.amount, "USD"),
                customer=r.customer,
                at=r.at,
                order_id=r.order,
                source="cdnow",
                place="cdnow.com",
            )
            for r in rows
        ]
    )


# what came of it


def walk(crm: CRM, *types: str) -> Iterator[TimelineEntry]:
    """Give everything that the journal tells of these types, page by page."""
    after: int | None = 0
    while after is not None:
        page = crm.timeline.all(types=types, after=after, limit=1000)
        yield from page
        after = page.next


def stages_by_quarter(crm: CRM) -> dict[datetime, Counter[str]]:
    """Tell how many relationships stood in each stage at the end of each quarter, from what the journal tells."""
    counts = {end: Counter[str]() for end in QUARTERS}
    stays: dict[str, list[tuple[datetime, str]]] = {}
    for entry in walk(crm, "relationship"):
        stage = getattr(entry.event, "stage", None)
        if stage is not None:
            stays.setdefault(entry.subject.id, []).append((entry.at, str(stage)))
    for stay in stays.values():
        for end, count in counts.items():
            reached = [stage for at, stage in stay if at < end]
            if reached:
                count[reached[-1]] += 1
    return counts


def show_table(counts: dict[datetime, Counter[str]]) -> None:
    """Print stages by quarter."""
    print(f"  {'at the end of':14}" + "".join(f"{stage:>13}" for stage in Stage))
    for end, count in counts.items():
        print(f"  {quarter(end):14}" + "".join(f"{count[stage]:13,}" for stage in Stage))


def show_chart(counts: dict[datetime, Counter[str]], width: int = 70) -> None:
    """Print stages by quarter as bars."""
    print(f"  {' ' * 9}" + "   ".join(f"{mark} {stage}" for stage, mark in MARKS.items()))
    most = max(sum(count.values()) for count in counts.values())
    for end, count in counts.items():
        print(
            f"  {quarter(end):9}" + "".join(mark * round(count[stage] * width / most) for stage, mark in MARKS.items())
        )


LEGIBLE = 14
MARKS = {
    Stage.EXPLORATION: "░",
    Stage.AWARENESS: "▒",
    Stage.EXPANSION: "▓",
    Stage.COMMITMENT: "█",
    Stage.DISSOLUTION: "·",
}
COLOURS = {
    Stage.EXPLORATION: "#9ecae1",
    Stage.AWARENESS: "#6baed6",
    Stage.EXPANSION: "#3182bd",
    Stage.COMMITMENT: "#08519c",
    Stage.DISSOLUTION: "#bdbdbd",
}


def quarter(end: datetime) -> str:
    """Name the quarter that ends then."""
    last = end - timedelta(days=1)
    return f"{last.year} Q{(last.month - 1) // 3 + 1}"


def draw(counts: dict[datetime, Counter[str]]) -> str:
    """Draw stages by quarter as an SVG of stacked bars."""
    width, height, left, bar, gap = 760, 330, 60, 76, 28
    most = max(sum(count.values()) for count in counts.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="22" font-size="15">Relationships by stage at the end of each quarter</text>',
    ]
    for n, (end, count) in enumerate(counts.items()):
        x, y = left + n * (bar + gap), height - 60.0
        for stage in Stage:
            tall = count[stage] * 200 / most
            y -= tall
            parts.append(f'<rect x="{x}" y="{y:.1f}" width="{bar}" height="{tall:.1f}" fill="{COLOURS[stage]}"/>')
            if tall > LEGIBLE:
                colour = "white" if stage in (Stage.EXPANSION, Stage.COMMITMENT) else "black"
                at = f'x="{x + bar / 2}" y="{y + tall / 2 + 4:.1f}"'
                parts.append(f'<text {at} fill="{colour}" text-anchor="middle">{count[stage]:,}</text>')
        parts.append(f'<text x="{x + bar / 2}" y="{height - 42}" text-anchor="middle">{quarter(end)}</text>')
    for n, (stage, colour) in enumerate(COLOURS.items()):
        x = left + n * 125
        parts.append(f'<rect x="{x}" y="{height - 24}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="{height - 13}">{stage}</text>')
    return "\n".join([*parts, "</svg>"])


def one_story(crm: CRM) -> str:
    """Find a customer who left and came back, and bought most since."""
    ties = {entry.subject.id for entry in walk(crm, "relationship.reengaged")}
    found = [crm.relationships.get(tie) for tie in sorted(ties)]
    return max(found, key=lambda tie: (tie.buying.count, tie.customer)).customer


def show_timeline(crm: CRM, customer: str) -> list[str]:
    """Give a customer's timeline as lines."""
    entries = list(crm.timeline.of(customer, newest_first=False, limit=200))
    return [f"{entry.at:%Y-%m-%d}  {entry.title}" for entry in entries]


def one_refusal(crm: CRM) -> list[str]:
    """Ask for a step that is not earned yet, and give the explanation."""
    tie = crm.relationships.find(field("stage") == Stage.AWARENESS, order=("-since",), limit=1).items[0]
    try:
        crm.relationships.advance(tie, Signal.EXPAND, reason="the sales team would like to")
    except MoveRefused as refused:
        return [str(refused), *(f"- {reason}" for reason in refused.reasons)]
    raise SystemExit("the step was not refused: the mapping is not what the demo thinks")


def report(crm: CRM, clock: VirtualClock, out: Path) -> None:
    """Print what came of it, and write it to files."""
    counts = stages_by_quarter(crm)
    print("\nStages per quarter")
    show_table(counts)
    print()
    show_chart(counts)

    customer = one_story(crm)
    lines = show_timeline(crm, customer)
    print(f"\nThe timeline of {customer}, who left and came back")
    for line in lines:
        print(f"  {line}")

    print("\nA step that is refused, and why")
    for line in one_refusal(crm):
        print(f"  {line}")

    soon = crm.relationships.due(clock() + timedelta(days=7), limit=10_000)
    print(f"\nDue in the week after {clock():%Y-%m-%d}: {len(soon)}")
    for what, some in groupby(sorted(soon, key=lambda each: (each.what, each.at)), key=lambda each: each.what):
        dues = list(some)
        print(f"  {what}: {len(dues)}")
        for each in dues[:3]:
            print(f"    {each.at:%Y-%m-%d}  {each.tie.customer}, in {each.tie.stage}: {each.reasons[0].text}")

    with (out / "stages.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["quarter", *Stage])
        table.writerows([quarter(end), *(count[stage] for stage in Stage)] for end, count in counts.items())
    (out / "stages.svg").write_text(draw(counts), encoding="utf-8")
    (out / "lifecycle.svg").write_text(to_svg(LIFECYCLE), encoding="utf-8")
    (out / "timeline.txt").write_text("\n".join([customer, *lines, ""]), encoding="utf-8")
    print("\nWritten")
    for name in ("cdnow.db", "stages.csv", "stages.svg", "lifecycle.svg", "timeline.txt"):
        print(f"  {out / name}  ({(out / name).stat().st_size / 1024:,.0f} KiB)")


def main() -> None:
    """Play, then tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/cdnow"), help="where the files go (out/cdnow)")
    parser.add_argument(
        "--until", type=day, default=LAST_DAY, help="play up to this day; the next run goes on from there"
    )
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()

    print("What this shop takes for evidence\n")
    print(as_table(MAPPING))
    print()
    clock = VirtualClock(FIRST_DAY)
    with CRM.open(f"sqlite:///{out / 'cdnow.db'}", clock=clock, evidence=MAPPING, durability="normal") as crm:
        newest = crm.timeline.all(newest_first=True, limit=1).items
        if newest:
            clock.advance(newest[0].recorded)
            print(f"Going on from {clock():%Y-%m-%d}\n")
        told = play(crm, clock, [row for row in read(DATA) if row.at <= arguments.until])
        print(
            f"\n{told['recorded']:,} purchases recorded, {told['known']:,} were there already; silence warned of"
            f" {told['warned']:,} relationships and moved {told['moved']:,};"
            f" {crm.customers.count():,} customers, {crm.purchases.count():,} purchases and"
            f" {crm.relationships.count():,} relationships in all"
        )
        report(crm, clock, out)
    print(f"\n{time.perf_counter() - began:.1f} s")


def day(text: str) -> datetime:
    """Read a day, and give its noon."""
    return datetime.fromisoformat(text).replace(hour=12, tzinfo=UTC)


if __name__ == "__main__":
    main()
