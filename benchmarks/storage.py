"""The SQL store on SQLite against hand-written sqlite3, and against eventsourcing: all in one run, on one disk.

Run it: `python benchmarks/storage.py`; eventsourcing is left out if it is not installed.

The floors are strong: one connection, the same pragmas and tables, prepared tuples, no locks, no error handling. "Same
promises" writes all that the store writes: the version checked, unique and search keys, a dense journal, the outbox.
"Barest" inserts or updates the record and inserts the event and the message; it checks nothing and has no search keys.
"Not even indexes" does the same on tables with nothing but their primary keys, where nothing could be found again.
"""

from __future__ import annotations

import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from attrs import frozen

from crmkit.kernel.checks import Code
from crmkit.kernel.codec import encode
from crmkit.kernel.dates import micros
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import Has, Query
from crmkit.kernel.record import Record, record
from crmkit.storage.sql.store import SQLStore
from crmkit.storage.store import Batch, Entry, Message, Put, Schema
from rounds import rounds

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
T = "main"
MANY = 1_000


@record(
    "b_customer",
    unique={"number": lambda c: c.number},
    keys=lambda c: (("email", c.mail), ("phone", c.call)),
    key_names=("email", "phone"),
    indexes=[("owner", "stage")],
)
@frozen(kw_only=True)
class BenchCustomer(Record):
    """A record of usual size: twelve columns, a JSON rest, a unique key, two search keys, one index."""

    number: Annotated[str, Code()]
    name: str
    mail: str
    call: str
    stage: str
    owner: str
    city: str
    language: str
    score: int
    since: datetime
    seen: datetime | None
    interests: tuple[str, ...]


KIND = BenchCustomer.__kind__
WIDTH = len(KIND.columns) + 1

# inputs: the same facts as a batch, and as the tuples that hand-written code would have made


def customer(n: int, changes: int = 0) -> BenchCustomer:
    """Make a customer."""
    return BenchCustomer(
        id=f"cus_{n:030x}",
        number=f"K-{n}",
        name=f"Customer {n} {changes}",
        mail=f"customer{n}@example.com",
        call=f"+49301{n:07d}",
        stage="expansion",
        owner=f"rep-{n % 50}",
        city="Berlin",
        language="de",
        score=n % 100,
        since=AT,
        seen=AT + timedelta(seconds=n),
        interests=("books", "coffee", "cycling"),
    )


def entry(c: BenchCustomer, version: int) -> Entry:
    """Make the event of a change."""
    body = '{"stage":"expansion","since":"2026-01-01T12:00:00+00:00","owner":"rep-1"}'
    personal = '{"name":"Customer","email":"customer@example.com"}'
    subject = Ref("b_customer", c.id)
    return Entry(
        "b_customer.changed",
        1,
        subject,
        version,
        c.id,
        AT,
        AT,
        "rep-1",
        "customers.change",
        "",
        "",
        None,
        body,
        personal,
    )


def batch(*numbers: int, version: int = 1) -> Batch:
    """Make a batch that creates or changes customers, each with an event, and one message."""
    made = [customer(n, version) for n in numbers]
    puts = tuple(
        Put("b_customer", c.id, version - 1, version, 1, encode(c), KIND.uniques(c), KIND.keys_of(c)) for c in made
    )
    message = Message(f"m{numbers[0]}.{version}", "mail", '{"to":"customer@example.com","template":"welcome"}', AT)
    return Batch(puts=puts, events=tuple(entry(c, version) for c in made), messages=(message,))


Rows = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]]]


def rows(of: Batch) -> Rows:
    """Give a batch as records, keys, events and messages for executemany; events without their positions."""
    records, keys = [], []
    for p in of.puts:
        records.append((T, *p.row, *p.unique, p.version, p.schema))
        keys += [(T, p.kind, p.id, n, name, value, None) for n, (name, value) in enumerate(p.keys)]
    events = [
        (e.type, e.schema, *e.subject, e.version, e.customer, micros(e.at), micros(e.recorded), *e[7:])
        for e in of.events
    ]
    return records, keys, events, [(T, m.id, m.queue, m.body, micros(m.due)) for m in of.messages]


# floors

COLUMNS = [c.name for c in KIND.columns]
NUMBERS = {"score", "since", "seen"}
RECORD = ", ".join(f"{c} {'INTEGER' if c in NUMBERS else 'TEXT'}" for c in ["crm_tenant", *COLUMNS])
JOURNAL = (
    "tenant TEXT, position INTEGER, type TEXT, layout INTEGER, kind TEXT, subject TEXT, version INTEGER, customer TEXT,"
    " at INTEGER, recorded INTEGER, actor TEXT, verb TEXT, reason TEXT, correlation TEXT, back INTEGER, body TEXT, personal TEXT"
)
OUTBOX = (
    "tenant TEXT, id TEXT, queue TEXT, body TEXT, due INTEGER, state TEXT, attempt INTEGER, token TEXT, until INTEGER,"
    " why TEXT"
)
TABLES = f"""
    CREATE TABLE customer (
        {RECORD}, extra TEXT, number_key TEXT, version INTEGER, layout INTEGER, PRIMARY KEY (crm_tenant, id)
    );
    CREATE TABLE journal ({JOURNAL}, PRIMARY KEY (tenant, position));
    CREATE TABLE outbox ({OUTBOX}, PRIMARY KEY (tenant, id)) WITHOUT ROWID;
"""
WITH_INDEXES = f"""{TABLES}
    CREATE UNIQUE INDEX number ON customer (crm_tenant, number_key);
    CREATE INDEX owner ON customer (crm_tenant, owner, stage, id);
    CREATE TABLE keys (tenant TEXT, kind TEXT, id TEXT, n INTEGER, name TEXT, text TEXT, num INTEGER,
        PRIMARY KEY (tenant, kind, id, n)) WITHOUT ROWID;
    CREATE INDEX key ON keys (tenant, kind, name, text, num, id);
    CREATE INDEX subject ON journal (tenant, kind, subject, position);
    CREATE INDEX concerned ON journal (tenant, customer, position);
    CREATE INDEX due ON outbox (queue, due);
"""
INSERT = f"INSERT INTO customer VALUES ({', '.join('?' * (WIDTH + 4))})"
UPDATE = (
    f"UPDATE customer SET {', '.join(f'{c}=?' for c in [*COLUMNS[1:], 'extra', 'number_key', 'version', 'layout'])}"
    " WHERE crm_tenant=? AND id=?"
)
TELL = f"INSERT INTO journal VALUES ({', '.join('?' * 17)})"
KEY = "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)"
KEYS = "SELECT name, text, num FROM keys WHERE tenant=? AND kind=? AND id=? ORDER BY n"
SEND = "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, 'open', 0, NULL, NULL, NULL)"
HEAD = "SELECT max(position) FROM journal WHERE tenant=?"
GET = f"SELECT version, layout, {', '.join(COLUMNS)}, extra FROM customer WHERE crm_tenant=? AND id=?"
BY_EMAIL = (
    f"SELECT version, layout, {', '.join(COLUMNS)}, extra FROM customer WHERE crm_tenant=? AND id IN"
    " (SELECT id FROM keys WHERE tenant=? AND kind='b_customer' AND name='email' AND text=?) ORDER BY id LIMIT ?"
)


def connect(path: Path, script: str, durability: str) -> sqlite3.Connection:
    """Open a hand-written database."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={durability}")
    connection.executescript(script)
    return connection


def same_promises(connection: sqlite3.Connection, made: Rows, expected: int) -> None:
    """Commit one record, its event and its message as the store does, written by hand."""
    execute = connection.execute
    (record_,), keys, (event,), (message,) = made
    execute("BEGIN IMMEDIATE")
    try:
        if expected:
            changed = execute(f"{UPDATE} AND version=?", (*record_[2:], T, record_[1], expected)).rowcount
            there = execute(KEYS, (T, "b_customer", record_[1])).fetchall()
            assert changed == 1
            assert there == [k[4:] for k in keys]
        else:
            execute(INSERT, record_)
            for k in keys:
                execute(KEY, k)
        execute(SEND, message)
        execute(TELL, (T, (execute(HEAD, (T,)).fetchone()[0] or 0) + 1, *event))
    except BaseException:
        execute("ROLLBACK")
        raise
    execute("COMMIT")


def barest(connection: sqlite3.Connection, made: Rows, expected: int, position: int) -> None:
    """Insert or update one record, insert its event and its message, check nothing and keep no search keys."""
    execute = connection.execute
    (record_,), _, (event,), (message,) = made
    execute("BEGIN IMMEDIATE")
    execute(UPDATE, (*record_[2:], T, record_[1])) if expected else execute(INSERT, record_)
    execute(TELL, (T, position, *event))
    execute(SEND, message)
    execute("COMMIT")


def many_by_hand(connection: sqlite3.Connection, made: Rows) -> None:
    """Commit a thousand new records as the store does, written by hand."""
    execute, records, keys, events, messages = connection.execute, *made
    execute("BEGIN IMMEDIATE")
    connection.executemany(INSERT, records)
    connection.executemany(KEY, keys)
    connection.executemany(SEND, messages)
    head = execute(HEAD, (T,)).fetchone()[0] or 0
    connection.executemany(TELL, [(T, head + 1 + i, *e) for i, e in enumerate(events)])
    execute("COMMIT")


# lines: what is run against what

Cases = Mapping[str, Callable[[], object]]


def opened(folder: Path, name: str, durability: Any) -> SQLStore:
    """Open a store of ours."""
    store = SQLStore(f"sqlite:///{folder}/{name}.db", durability=durability)
    store.prepare(Schema((KIND,)), "upgrade")
    return store


def commits(folder: Path, durability: str, size: int) -> Cases:
    """Commit: create a customer, and change it the next time, each with an event and a message."""
    store = opened(folder, "commit", durability)
    hand, bare, plain = (
        connect(folder / f"{name}.db", script, durability)
        for name, script in (("same", WITH_INDEXES), ("bare", WITH_INDEXES), ("plain", TABLES))
    )
    facts = [batch(n // 2, version=1 + n % 2) for n in range(size)]
    given = [rows(b) for b in facts]
    mine, theirs, barests, plains = iter(facts), *(iter(zip(given, count())) for _ in range(3))

    def by_hand() -> None:
        made, n = next(theirs)
        same_promises(hand, made, n % 2)

    def barely(connection: sqlite3.Connection, some: Iterator[tuple[Rows, int]]) -> None:
        made, n = next(some)
        barest(connection, made, n % 2, n + 1)

    return {
        "by hand, same promises": by_hand,
        "SQLStore": lambda: store.commit(T, next(mine)),
        "by hand, barest": lambda: barely(bare, barests),
        "by hand, barest, not even indexes": lambda: barely(plain, plains),
    }


def thousands(folder: Path, durability: str, size: int) -> Cases:
    """Commit a thousand new customers with an event each."""
    store, hand = opened(folder, "many", durability), connect(folder / "many-hand.db", WITH_INDEXES, durability)
    facts = [batch(*range(n * MANY, (n + 1) * MANY)) for n in range(size)]
    mine, theirs = iter(facts), iter([rows(b) for b in facts])
    return {
        "by hand, executemany, same promises": lambda: many_by_hand(hand, next(theirs)),
        "SQLStore": lambda: store.commit(T, next(mine)),
    }


def reads(folder: Path, durability: str, size: int) -> tuple[Cases, Cases]:
    """Get by id, and find by e-mail, among ten thousand."""
    store, hand = opened(folder, "reads", durability), connect(folder / "reads-hand.db", WITH_INDEXES, durability)
    for n in range(10):
        facts = batch(*range(n * MANY, (n + 1) * MANY))
        store.commit(T, facts)
        many_by_hand(hand, rows(facts))
    some = [(n * 7919) % (10 * MANY) for n in range(size)]
    ids = [customer(n).id for n in some]
    mails = [f"customer{n}@example.com" for n in some]

    def over(values: list[Any], act: Callable[[Any], object]) -> Callable[[], object]:
        left: Iterator[Any] = iter(values)
        return lambda: act(next(left))

    def get(id_: str) -> object:
        with store.reader(T) as reader:
            return reader.get("b_customer", (id_,))[id_]

    def find(query: Query) -> object:
        with store.reader(T) as reader:
            return reader.find("b_customer", query).items[0]

    gets = {
        "by hand": over(ids, lambda i: hand.execute(GET, (T, i)).fetchone()),
        "SQLStore": over(ids, get),
    }
    asked = [Query(Has("email", "eq", m), limit=1) for m in mails]
    finds = {
        "by hand": over(mails, lambda m: hand.execute(BY_EMAIL, (T, T, m, 2)).fetchall()),
        "SQLStore": over(asked, find),
    }
    return gets, finds


def peers(folder: Path, size: int) -> Cases:
    """Commit one fact: eventsourcing stores an event; we store the record, the event and a message."""
    from eventsourcing.persistence import StoredEvent  # noqa: PLC0415 - only if it is installed
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore  # noqa: PLC0415

    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(folder / "peer.db"), originator_id_type="text"))
    recorder.create_table()
    facts = [batch(n // 2, version=1 + n % 2) for n in range(size)]
    states = [f"{b.puts[0].row}{b.events[0].body}".encode() for b in facts]
    events = iter(
        [StoredEvent(b.puts[0].id, b.puts[0].version, "b:Changed", s) for b, s in zip(facts, states, strict=True)]
    )
    full, normal = (opened(folder, f"peer-{d}", d) for d in ("full", "normal"))
    mine, others = iter(facts), iter(facts)
    return {
        "eventsourcing, FULL (its only level)": lambda: recorder.insert_events([next(events)]),
        "SQLStore, full": lambda: full.commit(T, next(mine)),
        "SQLStore, normal": lambda: normal.commit(T, next(others)),
    }


def on_the_clock(cases: Cases, *, times: int, number: int) -> dict[str, list[float]]:
    """Run cases in rounds, and give the seconds by the clock on the wall: for what waits for the disk."""
    out: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(times):
        for name, case in cases.items():
            gc.collect()
            began = time.perf_counter()
            for _ in range(number):
                case()
            out[name].append((time.perf_counter() - began) / number)
    return out


def show(title: str, took: Mapping[str, list[float]], *bounds: str) -> None:
    """Print the cases with their speed as a share of the first one's, and of the others' where it says so."""
    first, *others = took
    print(f"\n{title}")
    for name, times in took.items():
        floors = [f for f in (first, *others) if not f.startswith("SQLStore")]
        shares = [f"{share(took, name, floor):6.2f} of {floor}" for floor in floors]
        told = "; ".join(shares) if name.startswith("SQLStore") else ""
        print(f"  {name:40} {statistics.median(times) * 1e6:10.1f} µs   {told}")
    for bound in bounds:
        print(f"  bound: {bound}")


def share(took: Mapping[str, list[float]], name: str, floor: str) -> float:
    """Give the median over the rounds of a case's speed as a share of the floor's in the same round."""
    return statistics.median(f / t for f, t in zip(took[floor], took[name], strict=True))


def main(times: int = 30, number: int = 100) -> None:
    """Print the ratios, the medians over interleaved rounds. CPU time, but for the lines that wait for the disk."""
    size = times * number + 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        took = rounds(commits(folder, "normal", size), times=times, number=number)
        show("commit of a record, an event and a message (normal)", took, "0.85 of same promises, 0.65 of barest")
        took = rounds(thousands(folder, "normal", 13), times=12, number=1)
        show("commit of 1,000 records and events (normal)", took, "0.70")
        gets, finds = reads(folder, "normal", 5 * size)
        show("get by id among 10,000", rounds(gets, times=times, number=5 * number), "0.70")
        show("find by e-mail among 10,000", rounds(finds, times=times, number=5 * number), "0.70")
        if find_spec("eventsourcing") is not None:
            took = on_the_clock(peers(folder, 15 * 40), times=15, number=40)
            show("commit of one fact, by the clock, the disk included", took)


if __name__ == "__main__":
    main()
