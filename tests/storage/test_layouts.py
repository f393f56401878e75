"""Laying out, checking and upgrading: every mode, older and newer layouts, rows of old schemas, tables of the host."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from storage_contract import PERSON, refused
from storage_world import COLUMNS, SCHEMA, World, entry, put

from crmkit.errors import DefinitionError, Duplicate, Misuse, SchemaMismatch, Unreadable
from crmkit.kernel.codec import decode
from crmkit.kernel.query import Compare, Has
from crmkit.kernel.record import KINDS, Kind, Record, record
from crmkit.storage.memory import MemoryStore
from crmkit.storage.sql.store import SQLStore
from crmkit.storage.store import Mode, Put, Schema, Store

MODES: tuple[Mode, ...] = ("check", "create", "upgrade")


def pets(**more: Any) -> Callable[[type[Any]], type[Any]]:
    """Declare the kind of pets anew, as a later release would."""
    KINDS.pop("t_stored_pet", None)
    return record("t_stored_pet", **more)


@pytest.fixture(autouse=True)
def no_pets_afterwards() -> Iterator[None]:
    yield
    KINDS.pop("t_stored_pet", None)


def first() -> Kind[Any]:
    """A kind as it was declared first: the number is in the JSON, the e-mail is not unique."""

    @pets(indexes=[("name",)])
    @frozen(kw_only=True)
    class Pet(Record):
        name: str
        gone: str | None = None
        size: int | str = 0
        mail: str | None = None

    return Pet.__kind__


def second() -> Kind[Any]:
    """The same kind later: renamed, moved, added, with a unique key, search keys and an index."""

    @pets(
        schema=2,
        upgrades={
            1: lambda d: {**d, "called": d["name"], "size": int(d["size"]), "tier": (d["gone"] or "plain").lower()}
        },
        unique={"mail": lambda p: p.mail},
        keys=lambda p: [("word", w) for w in p.called.split()],
        key_names=["word"],
        indexes=[("tier", "size")],
    )
    @frozen(kw_only=True)
    class Pet(Record):
        called: str
        size: int
        tier: str
        mail: str | None = None

    return Pet.__kind__


def pet(id_: str, name: str, gone: str | None = None, size: str = "7", mail: str | None = None) -> Put:
    return Put("t_stored_pet", id_, 0, 3, 1, (id_, name, gone, mail, f'{{"size":"{size}"}}'))


class Place:
    """A store that can be opened with the kinds of one time or another."""

    def __init__(self, kind: str, path: Path) -> None:
        self.memory = MemoryStore() if kind == "memory" else None
        self.path = path

    def open(self, kind: Kind[Any], mode: Mode = "upgrade") -> World:
        store: Store = self.memory or SQLStore(f"sqlite:///{self.path}")
        store.prepare(Schema((kind,)), mode)
        return World(store, lambda: store)


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(request.param, tmp_path / "crm.db")


def told(w: World, kind: Kind[Any], id_: str) -> Any:
    found = w.get(id_, kind=kind.name)[id_]
    return decode(kind, found.row, version=found.version, schema=found.schema)


def test_records_of_an_older_schema(place: Place) -> None:
    """After an upgrade old records load as new ones, at their version, and are found by the new layout."""
    old, new = first(), second()
    before = place.open(old)
    other = before.beside()
    before.commit(
        *(pet(f"p{i:04}", f"Rex {i}", "GOLD" if i % 2 else None, str(i), f"{i}@x") for i in range(1203)), entry()
    )
    other.commit(pet("p", "Bo"))
    with pytest.raises(SchemaMismatch, match="layout 1"):
        place.open(new, "check")
    after = place.open(new)
    after.tenant = before.tenant
    rex = told(after, new, "p0007")
    assert (rex.called, rex.size, rex.tier, rex.mail, rex.version) == ("Rex 7", 7, "gold", "7@x", 3)
    assert after.count(Compare("tier", "eq", "gold"), new.name) == 601
    assert after.ids(Has("word", "eq", "1202"), new.name) == ["p1202"]
    refused(
        Duplicate,
        lambda: after.commit(Put(new.name, "q", 0, 1, 2, ("q", "Q", 1, "x", "7@x", "{}"), ("7@x",))),
        key="mail",
    )
    after.commit(Put(new.name, "p0007", 3, 4, 2, ("p0007", "R", 1, "x", None, "{}"), (None,)))
    after.tenant = other.tenant
    assert told(after, new, "p").called == "Bo"
    after.tenant = before.tenant
    assert len(after.events()) == 1


def test_an_older_library_is_refused(place: Place) -> None:
    """What a newer layout has written is no business of an older one, in every mode, and stays as it is."""
    old, new = first(), second()
    place.open(new)
    for mode in MODES:
        error = refused(SchemaMismatch, lambda m=mode: place.open(old, m))
        assert "t_stored_pet has the layout 2" in str(error)
    place.open(new, "check")


def test_records_that_cannot_be_read_stay(place: Place) -> None:
    """A record that an upgrade cannot read is left as it was and tells when it is read; the others are upgraded."""
    old, new = first(), second()
    before = place.open(old)
    before.commit(pet("a", "A", size="no number"), pet("b", "B"))
    after = place.open(new)
    after.tenant = before.tenant
    assert told(after, new, "b").called == "B"
    refused(Unreadable, lambda: told(after, new, "a"))


def test_a_process_that_still_writes_the_old_layout(tmp_path: Path) -> None:
    """While an old process writes on, its rows load through the upgrades; the next change leaves nothing old behind."""
    old, new = first(), second()
    place = Place("sqlite", tmp_path / "crm.db")
    before = place.open(old)
    after = place.open(new)
    after.tenant = before.tenant
    before.commit(pet("a", "Rex", "GOLD"))
    found = told(after, new, "a")
    assert (found.called, found.tier) == ("Rex", "gold")
    assert [decode(new, s.row, version=s.version, schema=s.schema) for s in after.page(kind=new.name).items] == [found]
    after.commit(
        Put(new.name, "a", 3, 4, 2, ("a", "R", 1, "x", None, "{}"), (None,)),
        Put(new.name, "b", 0, 1, 2, ("b", "B", 1, "x", None, "{}"), (None,)),
    )
    assert ask(place.path, "SELECT name, gone FROM crm_t_stored_pet") == [(None, None)] * 2
    assert after.get("b", kind=new.name)["b"].schema == 2
    for each in (before, after):
        each.store.close()


def test_records_that_share_a_new_unique_key(place: Place) -> None:
    """An upgrade that declares a key which is not unique is refused, and leaves everything as it was."""
    old, new = first(), second()
    before = place.open(old)
    before.commit(pet("a", "A", mail="same"), pet("b", "B", mail="same"))
    assert "share a unique key" in str(refused(SchemaMismatch, lambda: place.open(new)))
    again = place.open(old, "check")
    again.tenant = before.tenant
    assert again.ids(kind=old.name) == ["a", "b"]


def test_a_unique_key_alone(tmp_path: Path) -> None:
    """A unique key that is added without a new schema holds for the records that there are."""

    def kind(**more: Any) -> Kind[Any]:
        @pets(**more)
        @frozen(kw_only=True)
        class Pet(Record):
            mail: str

        return Pet.__kind__

    place = Place("sqlite", tmp_path / "crm.db")
    before = place.open(kind())
    before.commit(Put("t_stored_pet", "a", 0, 1, 1, ("a", "x", "{}")))
    after = place.open(kind(unique={"mail": lambda p: p.mail}))
    after.tenant = before.tenant
    refused(Duplicate, lambda: after.commit(Put("t_stored_pet", "b", 0, 1, 1, ("b", "x", "{}"), ("x",))), key="mail")


def test_a_field_with_a_default_alone(place: Place) -> None:
    """A field with a default that is added without a new schema is there, and found, for the records that there are."""

    def kind(*, later: bool) -> Kind[Any]:
        fields = {"mail": str, **({"tier": str, "size": int, "words": tuple[str, ...]} if later else {})}
        values = {"tier": "plain", "size": 3, "words": ()} if later else {}
        made = type(
            "Pet", (Record,), {"__annotations__": fields, **values, "__module__": __name__, "__qualname__": "Pet"}
        )
        return pets()(frozen(kw_only=True)(made)).__kind__  # type: ignore[attr-defined,no-any-return]

    before = place.open(kind(later=False))
    before.commit(Put("t_stored_pet", "a", 0, 1, 1, ("a", "x", "{}")))
    new = kind(later=True)
    after = place.open(new)
    after.tenant = before.tenant
    rex = told(after, new, "a")
    assert (rex.mail, rex.tier, rex.size, rex.words) == ("x", "plain", 3, ())
    assert after.ids(Compare("tier", "eq", "plain"), new.name) == after.ids(Compare("size", "ge", 3), new.name) == ["a"]


# modes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "crm.db"


@pytest.fixture
def prepared(path: Path) -> Callable[[Mode], World]:
    def prepare(mode: Mode) -> World:
        store = SQLStore(f"sqlite:///{path}")
        try:
            store.prepare(SCHEMA, mode)
        except BaseException:
            store.close()
            raise
        return World(store, lambda: store)

    return prepare


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for each in statements:
            connection.execute(each)
        connection.commit()


def ask(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def layout(path: Path) -> list[Any]:
    found = ask(path, "SELECT type, name, sql FROM sqlite_master ORDER BY name")
    return found + ask(path, "SELECT * FROM sqlite_stat1 ORDER BY 1, 2")


def test_an_empty_file(path: Path, prepared: Callable[[Mode], World]) -> None:
    """`check` refuses a file without a layout; the other modes lay it out, and then `check` is content."""
    error = refused(SchemaMismatch, lambda: prepared("check"))
    assert 'prepare(schema, "create")' in str(error)
    assert "and 1 more" not in str(error)
    prepared("create")
    once = layout(path)
    for mode in MODES:
        prepared(mode).store.close()
    assert layout(path) == once
    refused(Misuse, lambda: prepared("sideways"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (["DROP TABLE crm_outbox"], "there is no table crm_outbox"),
        ([f"DROP TABLE crm_{PERSON}"], f"there is no table crm_{PERSON}"),
        ([f"DROP INDEX crm_{PERSON}__crm_u_email"], f"there is no index crm_{PERSON}__crm_u_email"),
        (["DROP INDEX crm_journal__customer"], "there is no index crm_journal__customer"),
        ([f"ALTER TABLE crm_{PERSON} DROP COLUMN nick"], f"there is no column crm_{PERSON}.nick"),
        (["ALTER TABLE crm_outbox DROP COLUMN why"], "there is no column crm_outbox.why"),
        (["DELETE FROM crm_schema"], "crmkit has the layout none, and needs 1"),
    ],
)
def test_what_is_missing(damage: list[str], what: str, path: Path, prepared: Callable[[Mode], World]) -> None:
    """`check` and `create` name what is missing and the cure; `upgrade` adds it and keeps what is stored."""
    w = prepared("create")
    w.commit(put("a", email="e"), entry())
    change(path, *damage)
    for mode in ("check", "create"):
        error = refused(SchemaMismatch, lambda m=mode: prepared(m), where="the SQLite store")
        assert what in str(error)
        assert 'prepare(schema, "upgrade")' in str(error)
    again = prepared("upgrade")
    again.tenant = w.tenant
    assert again.count() == (0 if "TABLE crm_t" in damage[0] and "DROP TABLE" in damage[0] else 1)
    assert len(again.events()) == 1
    prepared("check")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (
            ["UPDATE crm_schema SET version = 2 WHERE name = 'crmkit'"],
            "crmkit has the layout 2, and this library knows 1",
        ),
        (
            [f"UPDATE crm_schema SET version = 9 WHERE name = 'kind {PERSON}'"],
            "has the layout 9, and this library knows 1",
        ),
        (
            ["DROP TABLE crm_outbox", "CREATE TABLE crm_outbox (tenant INTEGER)"],
            "crm_outbox.tenant holds numbers and not text",
        ),
        (["ALTER TABLE crm_applied DROP COLUMN applied"], "there is no column crm_applied.applied"),
        (
            ["DROP INDEX crm_outbox__due", "CREATE INDEX crm_outbox__due ON crm_outbox (due)"],
            "the index crm_outbox__due is another one",
        ),
        (
            [
                "DROP TABLE crm_applied",
                "CREATE TABLE crm_applied (tenant VARCHAR, batch VARCHAR, applied BLOB, proof TEXT NOT NULL)",
            ],
            "crm_applied.proof is unknown here and must not be empty: a newer library has written it",
        ),
    ],
)
def test_what_cannot_be_cured(damage: list[str], what: str, path: Path, prepared: Callable[[Mode], World]) -> None:
    """What a newer library has written, or somebody has changed, is refused in every mode, and left alone."""
    prepared("create").store.close()
    change(path, *damage)
    before = layout(path)
    for mode in MODES:
        error = refused(SchemaMismatch, lambda m=mode: prepared(m))
        assert what in str(error)
        assert "update the library" in str(error)
    assert layout(path) == before


def test_many_differences_are_told_in_part(path: Path, prepared: Callable[[Mode], World]) -> None:
    """A long list of differences is cut."""
    prepared("create")
    change(
        path,
        *(f"ALTER TABLE crm_{PERSON} DROP COLUMN {c}" for c in COLUMNS if c not in ("id", "name", "score", "boss")),
    )
    change(path, *(f"DROP TABLE crm_{t}" for t in ("outbox", "applied", "index", "journal", "t_stored_note")))
    change(path, "DELETE FROM crm_schema")
    assert "and 3 more" in str(refused(SchemaMismatch, lambda: prepared("check")))


def test_files_that_sort_otherwise(path: Path, prepared: Callable[[Mode], World]) -> None:
    """A file that keeps its text as UTF-16 sorts it otherwise, and is refused."""
    change(path, "PRAGMA encoding = 'UTF-16'", "CREATE TABLE host (x)")
    assert "UTF-16" in str(refused(SchemaMismatch, lambda: prepared("upgrade")))


def test_tables_of_the_host(path: Path, prepared: Callable[[Mode], World]) -> None:
    """Tables, views and rows of the host in the same file stay as they are, whatever is laid out or written."""
    change(
        path,
        "CREATE TABLE shop (id INTEGER PRIMARY KEY, crm_note TEXT)",
        "CREATE TABLE crmsomething (x)",
        "CREATE TABLE crm_of_the_host (x TEXT NOT NULL)",
        "CREATE VIEW crm_view AS SELECT * FROM shop",
        "INSERT INTO shop VALUES (1, 'x')",
        "ANALYZE",
    )
    before = layout(path)
    w = prepared("create")
    w.commit(put("a"), entry())
    change(path, "DROP TABLE crm_outbox")
    prepared("upgrade")
    assert set(before) <= set(layout(path))
    assert ask(path, "SELECT * FROM shop") == [(1, "x")]


def test_names_that_cannot_stand_in_a_database() -> None:
    """A kind whose table is the library's own, or whose columns differ by case alone, is refused by the SQL store."""

    @record("outbox")
    @frozen(kw_only=True)
    class Outbox(Record):
        name: str

    @record("t_stored_case")
    @frozen(kw_only=True)
    class Case(Record):
        name: str
        Name: str

    for kind, what in ((Outbox, "the library's own"), (Case, "'name' names two columns")):
        with pytest.raises(DefinitionError, match=what):
            SQLStore("sqlite://").prepare(Schema((kind.__kind__,)), "create")
        del KINDS[kind.__kind__.name]


def test_long_names() -> None:
    """Indexes of long names get names that every engine takes, and different ones."""
    fields = {f"a_rather_long_name_of_a_field_{i}": i for i in range(3)}
    made = type("Long", (Record,), {"__annotations__": dict.fromkeys(fields, "str"), "__module__": __name__})
    kind = record("t_stored_long", indexes=[tuple(fields), tuple(reversed(fields))])(
        frozen(kw_only=True)(made)
    ).__kind__  # type: ignore[attr-defined]
    store = SQLStore("sqlite://")
    store.prepare(Schema((kind,)), "create")
    store.prepare(Schema((kind,)), "check")
    names = [
        r[0]
        for r in store._database.pool.acquire().execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'crm_t_stored_long%'"
        )
    ]
    assert len(names) == 3
    assert max(map(len, names)) == 60
    del KINDS["t_stored_long"]
