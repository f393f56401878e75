"""What only the SQL store promises: which indexes it uses, and what it says, and does not write, when something fails."""

from __future__ import annotations

import gc
import importlib
import itertools
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from storage_contract import PERSON, at_once, refused
from storage_world import AT, HOUR, SCHEMA, World, entry, put

from crmkit.errors import (
    Busy,
    Conflict,
    Duplicate,
    Invalid,
    MissingExtra,
    Misuse,
    SchemaMismatch,
    Truncated,
    Unavailable,
)
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import EVERYTHING, And, Compare, Has, In, Not, Or, Prefix, Where
from crmkit.storage.sql import questions, sqlite
from crmkit.storage.sql.sqlite import Pool, translated
from crmkit.storage.sql.store import SQLStore, _InDoubtError
from crmkit.storage.store import Dead, Done, Drop, Guard


def laid_out(path: Path, **more: Any) -> World:
    store = SQLStore(f"sqlite:///{path}", **more)
    store.prepare(SCHEMA, "create")
    return World(store, lambda: store)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "crm.db"


@pytest.fixture
def w(path: Path) -> Iterator[World]:
    world = laid_out(path, timeout=0.05)
    yield world
    world.store.close()


@pytest.fixture
def raw(path: Path, w: World) -> Iterator[sqlite3.Connection]:
    """A connection of somebody else's to the same file."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    yield connection
    connection.close()


def pool_of(w: World) -> Pool:
    return w.store._database.pool  # type: ignore[attr-defined,no-any-return]


# plans

BY_TAG = "crm_index USING COVERING INDEX crm_index__name (tenant=? AND kind=? AND name=? AND text"
BY_ID = "SEARCH P USING INDEX sqlite_autoindex_P_1 (crm_tenant=? AND id"


def plan_of(w: World, ask: Callable[[World], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what SQLite will do for the last statement of a question."""
    asked: list[Any] = []
    rows = "crmkit.storage.sql.reading.SQLReader._rows"
    original = importlib.import_module("crmkit.storage.sql.reading").SQLReader._rows
    with monkeypatch.context() as patch:
        patch.setattr(rows, lambda self, *some: asked.append(some) or original(self, *some))
        ask(w)
    connection = pool_of(w).acquire()
    found = connection.execute(f"EXPLAIN QUERY PLAN {asked[-1][0]}", asked[-1][1]).fetchall()
    pool_of(w).release(connection)
    return [r[3].replace(f"crm_{PERSON}", "P") for r in found]


def second(where: Where = EVERYTHING, *order: str) -> Callable[[World], object]:
    return lambda w: w.page(where, order=order, limit=1, after=w.page(where, order=order, limit=1).next)


PLANS: dict[str, tuple[Callable[[World], object], list[str]]] = {
    "by key": (lambda w: w.ids(Has("tag", "eq", "t")), [BY_ID, BY_TAG]),
    "by key, ordered": (lambda w: w.ids(Has("tag", "eq", "t"), order=("name",)), [BY_ID, BY_TAG, "TEMP B-TREE"]),
    "by key, of a customer": (
        lambda w: w.ids(And((Has("tag", "eq", "t"), Compare("boss", "eq", "c"))), order=("-seen",)),
        ["P__boss (crm_tenant=? AND boss=? AND id=?)", BY_TAG],
    ),
    "by one of many keys": (lambda w: w.ids(Or((Has("tag", "eq", "t"), Has("tag", "eq", "u")))), [BY_ID, BY_TAG]),
    "by the beginning of a key": (lambda w: w.ids(Has("tag", "prefix", "t")), [BY_ID, f"{BY_TAG}>? AND text<?)"]),
    "by a number": (lambda w: w.ids(Has("size", "lt", 4)), [BY_ID, "text=? AND num<?)"]),
    "of a customer": (lambda w: w.ids(Compare("boss", "eq", "c")), ["P__boss (crm_tenant=? AND boss=?)"]),
    "of some customers": (lambda w: w.ids(In("boss", ("c", "d"))), ["P__boss (crm_tenant=? AND boss=?)"]),
    "by the beginning of a name": (
        lambda w: w.ids(Prefix("name", "A")),
        ["P__name__score (crm_tenant=? AND name>? AND name<?)"],
    ),
    "ordered by an index": (
        lambda w: w.ids(Compare("name", "eq", "A"), order=("score",)),
        ["P__name__score (crm_tenant=? AND name=?)"],
    ),
    "some": (lambda w: w.get("a", "b"), [BY_ID]),
    "next by id": (second(), [f"{BY_ID}>?)"]),
    "next by customer": (second(EVERYTHING, "boss"), ["P__boss (crm_tenant=? AND boss>?)"]),
    "next by two": (second(EVERYTHING, "name", "score"), ["name=?", "name>?"]),
    "next, turned round": (
        second(EVERYTHING, "-name"),
        ["name=?", "P__name__score (crm_tenant=? AND name<?)", "name=?"],
    ),
    "journal": (
        lambda w: w.events(after=3),
        ["sqlite_autoindex_crm_journal_1 (tenant=? AND position>? AND position<?)"],
    ),
    "of a record": (
        lambda w: w.events(about=Ref(PERSON, "a")),
        ["crm_journal__subject (tenant=? AND kind=? AND subject=? AND position"],
    ),
    "timeline": (
        lambda w: w.events(about=Ref("customer", "c"), newest_first=True),
        [
            "crm_journal__customer (tenant=? AND customer=? AND position",
            "crm_journal__subject (tenant=? AND kind=? AND subject=? AND p",
        ],
    ),
}
UNSORTED = {
    "by key",
    "of a customer",
    "ordered by an index",
    "next by id",
    "next by customer",
    "journal",
    "of a record",
    "timeline",
}


@pytest.mark.parametrize("name", PLANS)
def test_questions_go_by_an_index(name: str, w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is stored, an index leads to what is asked for."""
    w.commit(put("a"), put("b"), put("c"))
    ask, wanted = PLANS[name]
    found = "\n".join(plan_of(w, ask, monkeypatch)).replace("(boss,id)>(?,?)", "boss>?")
    place = 0
    for part in wanted:
        assert (place := found.find(part, place)) >= 0, found
    assert "SCAN P" not in found
    assert "SCAN crm_" not in found
    assert ("TEMP B-TREE" in found) <= (name not in UNSORTED)


def test_sql_is_compiled_once_per_shape(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions of one shape share their SQL, whatever their values; made-up shapes do not fill the memory."""
    made: list[str] = []
    compiled = questions.compiled
    monkeypatch.setattr(questions, "compiled", lambda *some, **more: made.append("") or compiled(*some, **more))
    for i in range(5):
        w.ids(
            And((Compare("name", "eq", str(i)), In("score", tuple(range(i + 1))), Has("tag", "eq", str(i)))),
            limit=i + 1,
        )
        w.count(Not(Compare("score", "gt", i)))
    assert len(made) == 2
    monkeypatch.setattr(questions, "_KEPT", 4)
    for i in range(20):
        w.ids(And((Compare("name", "eq", "x"),) * (i + 2)))
        assert len(w.store._database.records[PERSON].questions._made) <= 4  # type: ignore[attr-defined]


def test_a_place_for_every_value() -> None:
    """A statement with a parameter that nobody gives, or in another order, is never run."""
    with pytest.raises(Misuse):
        questions.compiled(sa.select(sa.bindparam("a"), sa.literal("b")), sqlite.DIALECT, ["a"])
    with pytest.raises(Misuse):
        questions.in_order(sa.select(sa.bindparam("a"), sa.bindparam("b")), sqlite.DIALECT, "b", "a")
    with pytest.raises(Misuse):
        questions.plan(Where(), [])


# waiting and failing


def test_busy_while_somebody_writes(w: World, raw: sqlite3.Connection) -> None:
    """While another connection or thread writes, a commit is busy, writes nothing and can be tried again."""
    w.commit(put("a"), w.message())
    raw.execute("BEGIN IMMEDIATE")
    refused(Busy, lambda: w.commit(put("b"), entry()))
    refused(Busy, w.claim)
    assert w.ids() == ["a"]
    raw.execute("ROLLBACK")
    w.commit(put("b"), entry())
    with pool_of(w).writing:
        refused(Busy, lambda: w.commit(put("c")))
    assert (w.ids(), len(w.events()), len(w.claim())) == (["a", "b"], 1, 1)


def test_the_shared_connection_is_waited_for() -> None:
    """A database in memory is used by one thread at a time, and says so if that takes too long."""
    w = World(SQLStore("sqlite://", timeout=0.05), lambda: w.store)
    w.store.prepare(SCHEMA, "create")
    pool_of(w).acquire()
    assert [type(x) for x in at_once([w.commit, w.ids, w.store.reader("t").__enter__])] == [Busy] * 3
    pool_of(w).release(None)  # type: ignore[arg-type]
    w.commit(put("a"))


def test_a_full_disk(w: World) -> None:
    """When the disk is full the commit says so, writes nothing, and the store goes on reading."""
    w.commit(put("a"))
    connection = pool_of(w).acquire()
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    pool_of(w).release(connection)
    big = [put(f"p{i}", extra='{"x":"' + "y" * 3000 + '"}') for i in range(50)]
    error = refused(Unavailable, lambda: w.commit(*big, entry()))
    assert "the disk is full" in str(error)
    assert (w.ids(), w.events()) == (["a"], [])


def test_a_file_that_can_only_be_read(w: World) -> None:
    """What cannot be written says so."""
    connection = pool_of(w).acquire()
    connection.execute("PRAGMA query_only = 1")
    pool_of(w).release(connection)
    assert "can only be read" in str(refused(Unavailable, lambda: w.commit(put("a"))))
    assert w.ids() == []


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    """A missing directory, a directory, and a file that is no database: told without the path."""
    (tmp_path / "other.db").write_text("no database, but long enough to look like a file with something in it" * 20)
    for name in ("ana-reyes/crm.db", ".", "other.db"):
        store = SQLStore(f"sqlite:///{tmp_path}/{name}")
        error = refused(Unavailable, lambda s=store: s.prepare(SCHEMA, "upgrade"))
        assert "ana-reyes" not in str(error)
        assert str(tmp_path) not in str(error)
        store.close()


def test_a_table_that_is_gone(w: World, raw: sqlite3.Connection) -> None:
    """A table dropped under the store's feet is a mismatch with a cure."""
    raw.execute("DROP TABLE crm_journal")
    assert "upgrade" in str(refused(SchemaMismatch, w.events))
    refused(SchemaMismatch, lambda: w.commit(put("a"), entry()))
    assert w.ids() == []
    w.store.prepare(SCHEMA, "upgrade")
    w.commit(put("a"), entry())


def test_values_that_cannot_be_stored(w: World) -> None:
    """What no database holds is refused, and the batch with it."""
    for bad in (put("x", name="\ud800"), put("x", score=2**63), put("x", name=["list"])):
        with pytest.raises((Invalid, Misuse)):
            w.commit(put("a"), bad)
        with pytest.raises((Invalid, Misuse)):
            w.commit(bad)
    assert w.ids() == []


def driver(kind: type[sqlite3.Error], code: int = 0, text: str = "") -> sqlite3.Error:
    error = kind(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (driver(sqlite3.OperationalError, sqlite3.SQLITE_BUSY_SNAPSHOT), Busy),
        (driver(sqlite3.OperationalError, sqlite3.SQLITE_LOCKED_SHAREDCACHE), Busy),
        (driver(sqlite3.OperationalError, sqlite3.SQLITE_PROTOCOL), Busy),
        (driver(sqlite3.OperationalError, sqlite3.SQLITE_IOERR_FSYNC), Unavailable),
        (driver(sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT_INDEX), Unavailable),
        (driver(sqlite3.OperationalError, sqlite3.SQLITE_ERROR, "ana@example.com"), Unavailable),
        (driver(sqlite3.OperationalError, sqlite3.SQLITE_ERROR, "parser stack overflow"), Invalid),
        (driver(sqlite3.OperationalError, sqlite3.SQLITE_ERROR, "too many SQL variables"), Invalid),
        (driver(sqlite3.OperationalError, sqlite3.SQLITE_ERROR, "no such column: x"), SchemaMismatch),
        (driver(sqlite3.DataError, sqlite3.SQLITE_TOOBIG), Invalid),
        (sqlite3.ProgrammingError("Cannot operate on a closed database."), Unavailable),
        (sqlite3.ProgrammingError("Incorrect number of bindings supplied."), Misuse),
        (OverflowError(), Invalid),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (Conflict("k", "i", 1, 2), Conflict),
    ],
)
def test_errors_are_translated(error: BaseException, wanted: type[BaseException]) -> None:
    """Every error of the driver becomes one that the library promises, and tells nothing of what is stored."""
    told = translated(error)
    assert type(told) is wanted
    assert "ana@example.com" not in str(told)
    with pytest.raises(wanted):
        sqlite.tell(error)


class Failing:
    """A connection that fails at its n-th statement."""

    def __init__(self, connection: Any, at: int, error: BaseException) -> None:
        self.real, self.left, self.error = connection, at, error

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name, None)
        if name not in ("execute", "executemany"):
            return found if name != "cursor" else lambda: Failing.sharing(self, self.real.cursor())

        def act(sql: str, *some: Any) -> Any:
            if sql != "ROLLBACK":
                self.step()
            return found(sql, *some)

        return act

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error

    @classmethod
    def sharing(cls, parent: Failing, real: Any) -> Failing:
        twin = cls(real, 0, parent.error)
        twin.step = parent.step  # type: ignore[method-assign]
        return twin


def acts(w: World) -> dict[str, tuple[int, Callable[[], object]]]:
    """Give acts that write, and at least how many statements each takes."""
    some = [put("x", 1, keys=[("tag", "n")]), put("a", keys=[("tag", "t")], email="e"), put("b"), Drop(PERSON, "y", 1)]
    rest = [Guard(PERSON, "z", 0), entry(), entry(), w.message("m1"), w.message("m2")]
    return {
        "commit of one": (8, lambda: w.commit(put("a", keys=[("tag", "t")]), entry(), w.message("m1"), key="k")),
        "commit of many": (17, lambda: w.commit(*some, *rest, erase=("c",), key="k")),
        "commit with care": (
            20,
            lambda: w.commit(put("a", email="e"), put("x", 1), Drop(PERSON, "y", 1), *rest[3:], key="k"),
        ),
        "claim": (5, w.claim),
        "settle": (3, lambda: w.store.settle([Done(c) for c in w.claim(lease=0 * HOUR)])),
    }


@pytest.mark.parametrize(
    "error", [driver(sqlite3.OperationalError, sqlite3.SQLITE_IOERR), KeyboardInterrupt()], ids=["disk", "interrupt"]
)
@pytest.mark.parametrize("name", acts(World(None, None)))  # type: ignore[arg-type]
def test_failing_at_every_statement_writes_nothing(
    name: str, error: BaseException, w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever statement of an act fails, nothing of it is written, and nothing stays locked."""
    w.commit(put("x", email="e", keys=[("tag", "x")]), put("y"), entry(customer="c"), w.message("m0"))
    least, act = acts(w)[name]
    pool = pool_of(w)
    acquire, release = pool.acquire, pool.release
    for n in itertools.count(1):
        taken: list[Any] = []
        failing = Failing(acquire(), n, error)
        with monkeypatch.context() as patch:
            patch.setattr(pool, "acquire", lambda f=failing: f)
            patch.setattr(pool, "release", taken.append)
            try:
                act()
            except BaseException as found:  # noqa: BLE001
                assert type(found) is (Unavailable if isinstance(error, sqlite3.Error) else type(error))
        assert not failing.real.in_transaction
        release(failing.real)
        assert not pool.writing.locked()
        if failing.left > 0:
            break
        state = (w.ids(), w.ids(Has("tag", "any", None)), len(w.events()), w.events()[0][1].personal)
        assert state == (["x", "y"], ["x"], 1, "{}")
    assert n > least
    assert [c.message.id for c in w.claim()] == {"claim": [], "settle": []}.get(
        name, ["m0", "m1", "m2"][: 2 if least == 8 else 3]
    )


def test_a_connection_that_cannot_roll_back_is_let_go(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection in an unknown state is closed, and another one opened for the next call."""
    w.commit(put("a"))
    pool = pool_of(w)
    broken = pool.acquire()
    broken.close()
    pool.release(broken)
    refused(Unavailable, lambda: w.commit(put("b")))
    w.commit(put("b"))
    assert w.ids() == ["a", "b"]


def test_the_shared_connection_that_cannot_roll_back() -> None:
    """Even when nothing works any more the shared connection is given back, so that nobody waits for it."""
    w = World(SQLStore("sqlite://", timeout=5), lambda: w.store)
    w.store.prepare(SCHEMA, "create")
    pool_of(w)._only.close()  # type: ignore[attr-defined]
    assert [type(x) for x in at_once([lambda: w.commit(put("a")), w.ids, lambda: w.commit(put("a"))])] == [
        Unavailable
    ] * 3


def test_a_key_that_is_applied_in_between(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch in doubt, whose key another process has applied meanwhile, is not applied again."""
    batch = w.batch(put("a"), key="k")
    apply = SQLStore._apply

    def overtaken(*some: Any) -> Any:
        monkeypatch.undo()
        apply(*some)
        some[1].execute("COMMIT")
        some[1].execute("BEGIN IMMEDIATE")
        raise _InDoubtError

    monkeypatch.setattr(SQLStore, "_apply", overtaken)
    assert w.store.commit(w.tenant, batch).replayed is True
    assert w.version("a") == 1


# connections


def test_a_store_that_nobody_closes(path: Path) -> None:
    """A store that is forgotten closes its connections, though not while a reader of it is open."""
    w = laid_out(path)
    w.commit(put("a"))
    pool, reader = pool_of(w), w.store.reader(w.tenant)
    del w
    with reader as inside:
        assert inside.count(PERSON, And(())) == 1
    del reader, inside
    gc.collect()
    assert pool._idle == []
    refused(Unavailable, pool.acquire)


def test_durability_is_what_was_asked_for(tmp_path: Path) -> None:
    """Every connection writes ahead, and syncs at each commit if durability is full."""
    for durability, level in (("full", 2), ("normal", 1)):
        w = laid_out(tmp_path / f"{durability}.db", durability=durability)
        for connection in [pool_of(w).acquire() for _ in range(3)]:
            assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            connection.close()
        w.store.close()
    refused(Misuse, lambda: SQLStore("sqlite://", durability="none"))  # type: ignore[arg-type]


def test_connections_are_used_again(w: World) -> None:
    """One thread needs one connection, however often it reads and writes."""
    w.commit(put("a"))
    for _ in range(5):
        w.commit(entry())
        w.get("a")
    assert len(pool_of(w)._idle) == 1
    with w.store.reader(w.tenant), w.store.reader(w.tenant):
        assert len(pool_of(w)._idle) == 0
    assert len(pool_of(w)._idle) == 2


def test_closing_while_a_reader_is_open(w: World) -> None:
    """A reader that is open when the store is closed can end, and its connection is closed then."""
    with w.store.reader(w.tenant, snapshot=True) as reader:
        connection = reader._connection  # type: ignore[attr-defined]
        w.store.close()
        refused(Unavailable, w.ids)
    assert pool_of(w)._idle == []
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")


def test_a_snapshot_that_cannot_begin(w: World, raw: sqlite3.Connection) -> None:
    """A snapshot that fails to open gives its connection back."""
    raw.execute("DROP TABLE crm_schema")
    refused(SchemaMismatch, lambda: w.store.reader(w.tenant, snapshot=True).__enter__())
    connection = pool_of(w).acquire()
    assert not connection.in_transaction
    connection.close()


def test_many_threads_one_file(w: World) -> None:
    """Threads that use the store at once each get a connection."""
    store = SQLStore(f"sqlite:///{pool_of(w)._path}")
    store.prepare(SCHEMA, "check")
    twin = w.beside(store)
    assert at_once([lambda i=i: twin.commit(put(f"p{i}")).replayed for i in range(12)]) == [False] * 12
    assert at_once([twin.count] * 12) == [12] * 12
    store.close()


def test_the_file_system_must_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a write-ahead log the store refuses to open; where somebody is in the way it waits, for a while."""
    modes: list[str | None] = [None, None, "wal"]
    monkeypatch.setattr(sqlite, "_write_ahead", lambda _: modes.pop(0))
    monkeypatch.setattr(sqlite.time, "sleep", lambda _: None)
    pool = Pool(str(tmp_path / "a.db"), "normal", 5)
    pool.acquire().close()
    modes.append("delete")
    refused(Unavailable, pool.acquire)
    clock = iter([0.0, 1.0, 9.0])
    monkeypatch.setattr(sqlite.time, "monotonic", lambda: next(clock))
    modes += [None, None]
    refused(Busy, pool.acquire)


def test_waiting_for_the_write_ahead_log(path: Path) -> None:
    """Somebody who holds the whole file is waited for, and any other error is told."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE host (x)")
    holder.execute("BEGIN EXCLUSIVE")
    mine = sqlite3.connect(path, isolation_level=None, timeout=0)
    assert sqlite._write_ahead(mine) is None
    holder.execute("ROLLBACK")
    assert sqlite._write_ahead(mine) == "wal"
    for each in (mine, holder):
        each.close()
    path.write_bytes(b"no database" * 500)
    other = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError):
        sqlite._write_ahead(other)
    other.close()
    with pytest.raises(sqlite3.OperationalError):
        sqlite._write_ahead(Failing(None, 1, driver(sqlite3.OperationalError, sqlite3.SQLITE_IOERR)))  # type: ignore[arg-type]


def test_the_forked_child_leaves_what_is_its_parents(w: World) -> None:
    """What runs in a forked child: it begins with no connection, its own lock, and closes nothing."""
    w.commit(put("a"))
    pool = pool_of(w)
    (parents,) = pool._idle
    pool.writing.acquire()
    sqlite._forked()
    assert pool._idle == []
    w.commit(put("b"))
    assert parents.execute("SELECT 1").fetchone() == (1,)
    parents.close()
    threading.Thread(target=w.store.close).run()


def test_ending_what_has_not_begun(w: World) -> None:
    """A reader that was not opened has nothing to give back."""
    before = list(pool_of(w)._idle)
    w.store.reader(w.tenant).__exit__(None, None, None)
    assert pool_of(w)._idle == before


def test_what_somebody_else_took_is_not_claimed(w: World) -> None:
    """Where others may look at the same time, as on a server, the guarded update decides who has claimed."""
    w.commit(w.message())
    w.store._database.sql.claim += " AND 0"  # type: ignore[attr-defined]
    assert w.claim() == ()


# addresses


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.db",
        "sqlite:/shop.db",
        "sqlite://host/shop.db",
        "sqlite://u:pw@/shop.db",
        "sqlite:///a.db?x=1",
        "sqlite+x:///a",
        None,
        7,
    ],
)
def test_addresses_that_are_none(url: Any) -> None:
    """What is no address is refused, and not repeated."""
    assert "pw" not in str(refused(Misuse, lambda: SQLStore(url)))


def test_relative_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes begin a relative path, four an absolute one; none at all is memory."""
    monkeypatch.chdir(tmp_path)
    laid_out(Path("one.db")).store.close()
    laid_out(tmp_path / "two.db").store.close()
    for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///"):
        assert SQLStore(url).features.durable is False
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.db", "two.db"]


def test_without_sqlalchemy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQL address without SQLAlchemy names the extra to install."""
    import crmkit.storage.sql as package

    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r'pip install "crmkit\[sql\]"'):
        importlib.reload(package)
    monkeypatch.undo()
    importlib.reload(package)
    assert sys.modules["crmkit.storage.sql"] is package


def test_a_truncated_journal(w: World, raw: sqlite3.Connection) -> None:
    """Who follows the journal from a place that is no longer there is told, and where it begins now."""
    w.commit(*(entry(verb=str(i)) for i in range(6)))
    raw.execute("DELETE FROM crm_journal WHERE position <= 4")
    refused(Truncated, w.events, after=0, first=5)
    refused(Truncated, lambda: w.events(after=3), after=3, first=5)
    assert [p for p, _ in w.events(after=4)] == [5, 6]
    assert [p for p, _ in w.events(newest_first=True)] == [6, 5]
    assert [p for p, _ in w.events(about=Ref(PERSON, "a"))] == [5, 6]
    w.commit(entry())
    assert [p for p, _ in w.events(after=4)] == [5, 6, 7]


def test_the_outbox_keeps_what_it_should(w: World, raw: sqlite3.Connection) -> None:
    """Of a message that is done the body goes; one that is dead stays; leases end by the database's clock."""
    w.commit(w.message("m1"), w.message("m2"), w.message("m3"))
    one, two, three = w.claim()
    raw.execute("UPDATE crm_outbox SET leased_until = leased_until - 3600000000 WHERE id = 'm3'")
    assert [c.message.id for c in w.claim()] == ["m3"]
    assert w.store.settle([Done(one), Dead(two, "no address"), Done(three)]) == (True, True, False)
    rows = raw.execute("SELECT id, state, body, due, why, token IS NULL FROM crm_outbox ORDER BY id").fetchall()
    assert rows[:2] == [("m1", "done", "", None, None, 1), ("m2", "dead", "hello", None, "no address", 1)]
    assert rows[2][:2] == ("m3", "open")
    (clock,) = raw.execute(f"SELECT {sqlite.CLOCK}").fetchone()
    assert abs(clock - raw.execute("SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000000").fetchone()[0]) < 2_000_000


def test_the_tables_are_the_hosts_to_read(w: World, raw: sqlite3.Connection) -> None:
    """Names, columns and their meaning are stable."""
    w.commit(put("a", email="e", score=5, keys=[("tag", "t"), ("size", 4)]), entry(customer="c"), w.message(), key="k")
    seen = AT.timestamp() * 1e6
    assert raw.execute(
        f"SELECT crm_tenant, id, name, score, email, crm_u_email, crm_version, crm_layout FROM crm_{PERSON}"
    ).fetchall() == [(w.tenant, "a", "Ana", 5, "e", "e", 1, 1)]
    assert raw.execute("SELECT tenant, kind, id, name, text, num FROM crm_index ORDER BY n").fetchall() == [
        (w.tenant, PERSON, "a", "tag", "t", None),
        (w.tenant, PERSON, "a", "size", None, 4),
    ]
    assert raw.execute(
        "SELECT tenant, position, type, kind, subject, customer, at, recorded, actor, verb FROM crm_journal"
    ).fetchall() == [(w.tenant, 1, f"{PERSON}.told", PERSON, "a", "c", seen, seen, "rep", "people.tell")]
    assert raw.execute("SELECT tenant, id, queue, body, due, state, attempt FROM crm_outbox").fetchall() == [
        (w.tenant, "m", w.queue, "hello", seen, "open", 0)
    ]
    assert raw.execute("SELECT tenant, batch FROM crm_applied").fetchall() == [(w.tenant, "k")]


def test_two_writers_of_a_swap(w: World) -> None:
    """A batch that must be written with care holds its promises under racing writers, too."""
    twin = w.beside(SQLStore(f"sqlite:///{pool_of(w)._path}"))
    twin.store.prepare(SCHEMA, "check")
    for turn in range(6):
        a, b = f"a{turn}", f"b{turn}"
        twin.commit(put(a, email=f"1{turn}"), put(b, email=f"2{turn}"))
        swap = (put(a, 1, email=f"2{turn}"), put(b, 1, email=f"1{turn}"))
        found = at_once(
            [
                lambda: twin.commit(*swap),
                lambda: twin.commit(*swap),
                lambda: twin.commit(put(f"c{turn}", email=f"1{turn}")),
            ]
        )
        assert sorted(type(f).__name__ for f in found[:2]) == ["Conflict", "Receipt"]
        assert type(found[2]) is Duplicate
    twin.store.close()
