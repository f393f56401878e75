"""Unit: it sees its own changes, refuses superseded ones, writes one batch; verbs are atomic and know their unit."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import attrs
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import Conflict, Invalid, Misuse, NotAllowed, NotFound, Refusal, Stale, Unavailable
from crmkit.kernel.checks import Id, Personal
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import LONGEST_PAGE, Where, field
from crmkit.kernel.record import Change, Event, Kind, Record, change, create, event, record
from crmkit.services.clock import VirtualClock
from crmkit.services.policy import Act, DefaultPolicy
from crmkit.services.unit import (
    DEEPEST,
    ActRefused,
    Listed,
    Service,
    Setting,
    Unit,
    customer_of,
    opened,
    refuse_past_open,
    verb,
)
from crmkit.storage.memory import MemoryStore
from crmkit.storage.store import Batch, Drop, Features, Guard, Message, Put, Receipt, Schema

T = TypeVar("T")
START = datetime(2026, 1, 1, 9, tzinfo=UTC)


class Stage(StrEnum):
    """A vocabulary."""

    OPEN = "open"
    SHUT = "shut"


@record(
    "u_note",
    prefix="not",
    customer="customer",
    unique={"title": lambda n: n.title or None},
    keys=lambda n: [("tag", t) for t in n.tags],
    key_names=["tag"],
    indexes=[("stage",)],
)
@frozen(kw_only=True)
class UNote(Record):
    """Something about a customer."""

    customer: Id | None = None
    title: str = "x"
    rank: int = 0
    stage: Stage = Stage.OPEN
    tags: tuple[str, ...] = ()


@record("u_plain")
@frozen(kw_only=True)
class UPlain(Record):
    """Something about nobody."""

    count: int = 0


@event("u_note.made")
@frozen(kw_only=True)
class UNoteMade(Event[UNote]):
    """It began."""

    customer: Id | None
    title: Personal[str]
    rank: int = 0


@event("u_note.ranked")
@frozen(kw_only=True)
class UNoteRanked(Event[UNote]):
    """It stands elsewhere."""

    rank: int


@event("u_note.shut")
@frozen(kw_only=True)
class UNoteShut(Event[UNote]):
    """It is over."""

    stage: Stage = Stage.SHUT


@event("u_plain.made", note=True)
@frozen(kw_only=True)
class UPlainMade(Event[UPlain]):
    """It began."""


@event("u_plain.counted")
@frozen(kw_only=True)
class UPlainCounted(Event[UPlain]):
    """One more."""

    count: int


class CountingStore(MemoryStore):
    """A memory store that keeps what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads, self.batches, self.remote = 0, [], False

    @property
    def features(self) -> Features:
        """As declared."""
        return Features(snapshot=True, embedded=True, remote=self.remote)

    def reader(self, *args: Any, **options: Any) -> Any:
        """Count."""
        self.reads += 1
        return super().reader(*args, **options)

    def commit(self, tenant: str, batch: Batch) -> Receipt:
        """Keep the batch."""
        self.batches.append((tenant, batch))
        return super().commit(tenant, batch)


class Fixed:
    """A policy of the test's own."""

    def __init__(self, refuses: str | None = None, sees: Where | None = None) -> None:
        self.why, self.what, self.acts = refuses, sees, []

    def refuses(self, act: Act) -> str | None:
        """Answer the same always."""
        self.acts.append(act)
        return self.why

    def sees(self, actor: str, kind: Kind[Any]) -> Where | None:
        """Answer the same always."""
        del actor
        return self.what if kind is UNote.__kind__ else None


@pytest.fixture
def store() -> CountingStore:
    """An empty store."""
    made = CountingStore()
    made.prepare(Schema((UNote.__kind__, UPlain.__kind__)), "create")
    return made


@pytest.fixture
def setting(store: CountingStore) -> Setting:
    """What a CRM would hand to a unit."""
    numbers = iter(range(1000))
    return Setting(store, VirtualClock(START), DefaultPolicy(), {}, lambda prefix, _at: f"{prefix}_{next(numbers)}")


def made(title: str = "x", *, id: str = "n1", rank: int = 0, customer: str | None = "cus_1") -> Change[UNote]:  # noqa: A002
    return create(id, UNoteMade(customer=customer, title=title, rank=rank))


def kept(setting: Setting, *changes: Change[Any]) -> list[Any]:
    """Commit changes, and give the records."""
    unit = Unit(setting)
    out = [unit.save(c) for c in changes]
    unit.commit()
    setting.store.batches.clear()  # type: ignore[attr-defined]
    return out


def ranked(unit: Unit, id: str, rank: int) -> UNote:  # noqa: A002
    return unit.save(change(unit.get(UNote, id), UNoteRanked(rank=rank)))


# reading


def test_get_reads_once_and_by_id(setting: Setting, store: CountingStore) -> None:
    """Whatever copy the caller holds."""
    (note,) = kept(setting, made())
    unit, before = Unit(setting), store.reads
    assert unit.get(UNote, "n1") == unit.get(UNote, attrs.evolve(note, rank=9)) == note
    assert unit.get(UNote, "n1") is unit.get(UNote, note)
    assert (unit.get(UNote, "n1").version, store.reads - before) == (1, 1)


def test_what_is_not_there(setting: Setting) -> None:
    """`NotFound` for an id, `Invalid` for what is none; a record of another kind is none."""
    kept(setting, made())
    unit = Unit(setting)
    with pytest.raises(NotFound, match=r"^u_note 'n2': not found"):
        unit.get(UNote, "n2")
    for wrong in ("../n1", UPlain(id="n1"), None, 5):
        with pytest.raises(Invalid, match=r"^u_note: expected 1 to 80 ASCII letters"):
            unit.get(UNote, wrong)  # type: ignore[arg-type]


def test_get_many_reads_what_it_has_not(setting: Setting, store: CountingStore) -> None:
    """In one read, each once, in the order asked for; absent and dropped ones are left out."""
    notes = kept(setting, made("a"), made("b", id="n2"), made("c", id="n3"))
    unit = Unit(setting)
    unit.get(UNote, "n2")
    unit.drop(unit.get(UNote, "n3"))
    before = store.reads
    assert list(unit.get_many(UNote, ["n4", "n2", "n1", "n2", "n3"]).items()) == [("n2", notes[1]), ("n1", notes[0])]
    assert list(unit.get_many(UNote, ["n1"])) == ["n1"]
    assert unit.get_many(UNote, []) == {}
    assert store.reads - before == 1


def test_its_own_changes_show_everywhere_at_once(setting: Setting) -> None:
    """In get, get_many, find, first and page."""
    kept(setting, made("a", rank=1), made("b", id="n2", rank=2), made("c", id="n3", rank=3))
    unit = Unit(setting)
    ranked(unit, "n1", 5)
    unit.drop(unit.get(UNote, "n2"))
    unit.save(made("d", id="n4", rank=4))
    assert unit.get(UNote, "n1").rank == unit.get_many(UNote, ["n1"])["n1"].rank == 5
    assert [n.id for n in unit.find(UNote, order=["rank"])] == ["n3", "n4", "n1"]
    assert [n.id for n in unit.find(UNote, order=["-rank"], limit=2)] == ["n1", "n4"]
    assert [n.id for n in unit.find(UNote, field("rank") <= 4)] == ["n3", "n4"]
    assert [n.id for n in unit.find(UNote, field("rank") == 1)] == []
    assert unit.first(UNote, field("rank") > 3, order=["rank"]) == unit.get(UNote, "n4")
    assert unit.first(UNote, field("rank") > 9) is None
    with pytest.raises(NotFound):
        unit.get(UNote, "n2")
    page = unit.page(UNote, order=["id"])
    assert [(n.id, n.rank) for n in page] == [("n1", 5), ("n3", 3)]
    assert (len(page), page.next, page) == (2, None, Listed(page.items, None))
    assert unit.count(UNote) == 3


def test_a_limit_counts_what_is_shown(setting: Setting) -> None:
    """What the unit has changed away or dropped makes room for the next."""
    kept(setting, *(made(t, id=f"n{t}", rank=i) for i, t in enumerate("abcd")))
    unit = Unit(setting)
    ranked(unit, "na", 9)
    unit.drop(unit.get(UNote, "nb"))
    assert unit.first(UNote, field("rank") < 9, order=["rank"]).id == "nc"  # type: ignore[union-attr]
    assert [n.id for n in unit.find(UNote, field("rank") < 9, order=["rank"], limit=2)] == ["nc", "nd"]
    assert unit.find(UNote, limit=0) == ()


def test_keys_of_own_changes_are_searched(setting: Setting) -> None:
    """As the store would."""
    unit = Unit(setting)
    unit.save(Change(UNote(id="n1", tags=("vip",), version=1), UNoteRanked(rank=0), None))
    assert [n.id for n in unit.find(UNote, field("tag") == "vip")] == ["n1"]
    assert unit.find(UNote, field("tag") == "new") == ()


def test_find_without_a_limit_leaves_nothing_out(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses rather than to show some of it; who says a limit gets that many."""
    monkeypatch.setattr("crmkit.services.unit.LONGEST_PAGE", 2)
    kept(setting, made("a"), made("b", id="n2"))
    assert len(Unit(setting).find(UNote)) == 2
    kept(setting, made("c", id="n3"))
    with pytest.raises(
        Invalid, match=r"^find: expected at most 2 records; narrow the condition or use page, found more"
    ):
        Unit(setting).find(UNote)
    assert len(Unit(setting).find(UNote, limit=2)) == 2


def test_limits_are_checked(setting: Setting) -> None:
    """A negative one and one too many."""
    for limit in (-1, LONGEST_PAGE + 1):
        with pytest.raises(Invalid, match=r"^limit: "):
            Unit(setting).find(UNote, limit=limit)


def test_pages_go_on_where_the_last_ended(setting: Setting) -> None:
    """And do not keep what they list: it neither fills the unit nor guards its commit."""
    kept(setting, *(made(t, id=f"n{t}") for t in "abcde"))
    unit, after, listed = Unit(setting), None, []
    while True:
        page = unit.page(UNote, order=["title"], limit=2, after=after)
        listed += [n.title for n in page]
        if (after := page.next) is None:
            break
    assert listed == list("abcde")
    assert unit.batch().guards == ()
    with pytest.raises(Invalid, match="cursor"):
        unit.page(UNote, order=["rank"], after="nonsense")


@given(
    st.lists(st.integers(0, 3), max_size=6),
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["rank", "drop"]), st.integers(0, 3)), max_size=6),
    st.integers(0, 3),
    st.integers(0, 8),
    st.sampled_from([["rank"], ["-rank", "title"], []]),
)
def test_find_is_as_if_everything_were_committed(
    ranks: list[int], acts: list[tuple[int, str, int]], least: int, limit: int, order: list[str]
) -> None:
    """For any changes, condition, order and limit: the unit answers as the store will after its commit."""
    own = CountingStore()
    own.prepare(Schema((UNote.__kind__,)), "create")
    setting = Setting(own, VirtualClock(START), DefaultPolicy(), {}, lambda p, _: p)
    kept(setting, *(made(f"t{i}", id=f"n{i}", rank=r) for i, r in enumerate(ranks)))
    unit, there = Unit(setting), set(range(len(ranks)))
    for i, act, rank in acts:
        if act == "drop" and i in there:
            unit.drop(unit.get(UNote, f"n{i}"))
            there = {*there, i + 100} - {i}
        elif act == "rank" and i in there:
            ranked(unit, f"n{i}", rank)
        elif i not in there and i + 100 not in there:
            unit.save(made(f"t{i}", id=f"n{i}", rank=rank))
            there.add(i)
    found = unit.find(UNote, field("rank") >= least, order=order, limit=limit)
    unit.commit()
    assert found == Unit(setting).find(UNote, field("rank") >= least, order=order, limit=limit)


def test_related_records_are_read_once(setting: Setting, store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """By value, in as few reads as there may be; what the unit makes, changes or drops shows without another read."""
    monkeypatch.setattr("crmkit.services.unit.IN_ONE_READ", 2)
    kept(setting, *(made(t, id=f"n{t}", customer=f"cus_{c}") for t, c in zip("abcde", "11223", strict=True)))
    unit, before = Unit(setting), store.reads

    def titles(*values: str) -> dict[str, str]:
        return {v: "".join(n.title for n in some) for v, some in unit.related(UNote, "customer", values).items()}

    assert titles("cus_1", "cus_1", "cus_2", "cus_9") == {"cus_1": "ab", "cus_2": "cd", "cus_9": ""}
    assert store.reads - before == 2
    assert titles("cus_2", "cus_9", "cus_3") == {"cus_2": "cd", "cus_9": "", "cus_3": "e"}
    assert store.reads - before == 3
    unit.drop(unit.get(UNote, "na"))
    unit.save(made("f", id="nf", customer="cus_9"))
    unit.save(made("g", id="ng", customer="cus_8"))
    ranked(unit, "nf", 5)
    assert titles("cus_1", "cus_9") == {"cus_1": "b", "cus_9": "f"}
    assert unit.related(UNote, "customer", ["cus_9"])["cus_9"][0].rank == 5
    assert store.reads - before == 3
    assert titles("cus_8") == {"cus_8": "g"}


def test_related_records_of_a_verb_that_raised(setting: Setting) -> None:
    """What it had made is not there, and there once when it is made again."""
    unit = Unit(setting)
    unit.related(UNote, "customer", ["cus_1"])
    kept(setting, made("0", id="n0"), made("9", id="n9"))
    notes = Notes(unit)
    with pytest.raises(KeyError):
        notes.make_two(fail=KeyError)
    assert unit.related(UNote, "customer", ["cus_1"]) == {"cus_1": ()}
    notes.make_two()
    assert [n.id for n in unit.related(UNote, "customer", ["cus_1"])["cus_1"]] == ["n1"]


# saving


def test_one_change_is_one_put_and_one_entry(setting: Setting) -> None:
    """With everything that the envelope tells."""
    unit = Unit(attrs.evolve(setting, actor="rep-lito", correlation="req-1"), verb="notes.make", reason="he asked")
    note = unit.save(made("A"), at=START - timedelta(days=1))
    batch = unit.batch()
    assert batch.puts == (Put("u_note", "n1", 0, 1, 1, ("n1", "cus_1", "A", 0, "open", "{}"), ("A",), ()),)
    (entry,) = batch.events
    assert entry._asdict() == {
        "type": "u_note.made",
        "schema": 1,
        "subject": Ref("u_note", "n1"),
        "version": 1,
        "customer": "cus_1",
        "at": START - timedelta(days=1),
        "recorded": START,
        "by": "rep-lito",
        "verb": "notes.make",
        "reason": "he asked",
        "correlation": "req-1",
        "back": None,
        "body": '{"customer":"cus_1","rank":0}',
        "personal": '{"title":"A"}',
    }
    assert batch._replace(puts=(), events=()) == Batch()
    assert (note.version, unit.get(UNote, "n1")) == (1, note)


def test_several_changes_of_a_record_are_one_put(setting: Setting) -> None:
    """From the version that was read to the last; every event is told."""
    kept(setting, made())
    unit = Unit(setting)
    for rank in (1, 2, 3):
        ranked(unit, "n1", rank)
    batch = unit.batch()
    assert [(p.expected, p.version, p.row[3]) for p in batch.puts] == [(1, 4, 3)]
    assert [(e.version, e.at) for e in batch.events] == [(2, START), (3, START), (4, START)]
    assert batch.guards == ()


def test_what_was_read_guards_the_commit(setting: Setting) -> None:
    """Decisions rest on it: by get, find and first, but not what was written or dropped itself."""
    kept(setting, made("a"), made("b", id="n2", rank=7), made("c", id="n3"), made("d", id="n4"), made("e", id="n5"))
    unit = Unit(setting)
    unit.get(UNote, "n1")
    unit.first(UNote, field("rank") == 7)
    ranked(unit, "n3", 1)
    unit.drop(unit.get(UNote, "n4"))
    batch = unit.batch()
    assert set(batch.guards) == {Guard("u_note", "n1", 1), Guard("u_note", "n2", 1)}
    assert batch.drops == (Drop("u_note", "n4", 1),)
    other = Unit(setting)
    ranked(other, "n1", 5)
    other.commit()
    with pytest.raises(Conflict, match=r"^u_note 'n1': expected version 1, found 2"):
        unit.commit()
    assert Unit(setting).get(UNote, "n3").rank == 0


def test_a_superseded_copy_is_refused(setting: Setting) -> None:
    """Within the unit, which versions in the store would not notice."""
    (note,) = kept(setting, made())
    unit = Unit(setting)
    unit.save(change(note, UNoteRanked(rank=1)))
    for act in (lambda: unit.save(change(note, UNoteRanked(rank=2))), lambda: unit.drop(note)):
        with pytest.raises(Stale, match=r"^u_note 'n1': decided on version 1, found version 2"):
            act()
    with pytest.raises(Stale, match="decided on version 0, found version 2"):
        unit.save(made())
    assert unit.get(UNote, "n1").rank == 1


def test_a_copy_from_elsewhere_is_held_to_its_version(setting: Setting) -> None:
    """The store refuses it if somebody was faster."""
    (note,) = kept(setting, made())
    kept(setting, change(note, UNoteRanked(rank=1)))
    unit = Unit(setting)
    unit.save(change(note, UNoteRanked(rank=2)))
    with pytest.raises(Conflict, match="expected version 1, found 2"):
        unit.commit()


def test_drops(setting: Setting) -> None:
    """What was dropped is gone, what was never stored leaves nothing, and neither takes a change."""
    (note,) = kept(setting, made())
    unit = Unit(setting)
    unit.drop(note)
    fresh = unit.save(made("b", id="n2"))
    unit.drop(fresh)
    batch = unit.batch()
    assert (batch.drops, batch.puts) == ((Drop("u_note", "n1", 1),), ())
    assert [e.type for e in batch.events] == ["u_note.made"]
    for again in (made(), change(note, UNoteRanked(rank=1))):
        with pytest.raises(Misuse, match="u_note 'n1' was dropped in this unit; what is dropped takes no change"):
            unit.save(again)
    assert [n.id for n in unit.page(UNote)] == []
    unit.commit()
    assert Unit(setting).find(UNote) == ()


def test_expected_versions(setting: Setting) -> None:
    """The caller's version binds: when it is read, found, changed from a copy, and when it is not read at all."""
    (note, second) = kept(setting, made("a"), made("b", id="n2"))
    bound = attrs.evolve(setting, expected={("u_note", "n1"): 1, ("u_note", "n2"): 1})
    right = Unit(bound)
    assert right.act_on(UNote, "n1") == note
    ranked(right, "n1", 1)
    assert set(right.batch().guards) == {Guard("u_note", "n2", 1)}
    right.drop(second)
    assert (right.batch().guards, right.batch().drops) == ((), (Drop("u_note", "n2", 1),))
    later = kept(setting, change(note, UNoteRanked(rank=1)))[0]
    for read in (
        lambda u: u.get(UNote, "n1"),
        lambda u: u.find(UNote),
        lambda u: u.save(change(later, UNoteRanked(rank=5))),
        lambda u: u.drop(later),
        lambda u: u.save(made()),
    ):
        with pytest.raises(Stale, match=r"^u_note 'n1': decided on version 1, found version [02]"):
            read(Unit(bound))
    unread = Unit(bound)
    unread.save(made("c", id="n3"))
    with pytest.raises(Conflict, match="expected version 1, found 2"):
        unread.commit()


def test_messages_and_erasure(setting: Setting, store: CountingStore) -> None:
    """Both go into the batch; erasure blanks the personal part of what is told of a customer."""
    kept(setting, made("a"))
    unit = Unit(setting)
    assert unit.send("mail", "{}") == "msg_1"
    assert unit.send("mail", "{}", due=START + timedelta(hours=1), id="own") == "own"
    unit.forget("cus_1")
    unit.save(made("b", id="n2"))
    batch = unit.batch()
    assert batch.messages == (
        Message("msg_1", "mail", "{}", START),
        Message("own", "mail", "{}", START + timedelta(hours=1)),
    )
    assert batch.erase == ("cus_1",)
    unit.commit()
    told = Unit(setting).events(Ref("customer", "cus_1"))
    assert [r.entry.personal for r in told] == [None, None]
    assert [r.position for r in Unit(setting).events(None, after=1, limit=1)] == [2]
    assert [r.position for r in Unit(setting).events(None, newest_first=True, before=2)] == [1]
    assert store.claim("mail", now=START, limit=9, lease=timedelta(1))[0].message.id == "msg_1"


def test_a_message_alone_is_not_empty(setting: Setting, store: CountingStore) -> None:
    """Nor is an erasure, a drop or a note."""
    (note,) = kept(setting, made())
    for act in (
        lambda u: u.send("mail", ""),
        lambda u: u.forget("cus_1"),
        lambda u: u.drop(note),
    ):
        unit = Unit(setting)
        assert unit.is_empty
        act(unit)
        assert not unit.is_empty
        unit.commit()
    assert len(store.batches) == 3


def test_an_empty_unit_commits_nothing(setting: Setting, store: CountingStore) -> None:
    """Also after reads; it has a receipt all the same."""
    kept(setting, made())
    unit = Unit(setting)
    unit.find(UNote)
    assert unit.receipt is None
    assert unit.commit() == unit.receipt == Receipt(replayed=False)
    assert store.batches == []


def test_a_unit_is_committed_once(setting: Setting) -> None:
    """Also if the store failed."""
    unit = Unit(setting)
    unit.save(made())
    unit.commit()
    assert unit.is_over
    with pytest.raises(Misuse, match=r"^this unit is over; open a new one$"):
        unit.commit()
    setting.store.close()
    failed = Unit(setting)
    failed.save(made("b", id="n2"))
    with pytest.raises(Unavailable):
        failed.commit()
    with pytest.raises(Misuse, match="this unit is over"):
        failed.commit()


def test_keys_of_batches(setting: Setting, store: CountingStore) -> None:
    """The caller's, or one of its own for a remote store, where acknowledgements get lost."""
    assert Unit(setting).batch().key is None
    assert Unit(setting, key="order-1").batch().key == "order-1"
    store.remote = True
    a, b = Unit(setting).batch().key, Unit(setting).batch().key
    assert a is not None
    assert (len(a), a == b) == (24, False)
    assert Unit(setting, key="order-1").batch().key == "order-1"
    first, again = Unit(setting, key="k"), Unit(setting, key="k")
    for unit in (first, again):
        unit.save(made())
    assert (first.commit(), again.commit()) == (Receipt(replayed=False), Receipt(replayed=True))


@pytest.mark.parametrize("key", ["", "a\nb", " ", "x" * 101, 5, "a\0"])  # 90
def test_bad_keys(setting: Setting, key: Any) -> None:
    """A key is a code of the host's."""
    with pytest.raises(Invalid, match=r"^key: "):
        Unit(setting, key=key)


@pytest.mark.parametrize("reason", ["a\0", "\ud800", "x" * 2001, "  ", 5])  # 1 2 17 18
def test_bad_reasons(setting: Setting, reason: Any) -> None:
    """What is written for the audit trail is text that every store can hold."""
    with pytest.raises(Invalid, match=r"^reason: "):
        Unit(setting, reason=reason)
    with pytest.raises(Invalid, match=r"^reason: "):
        Notes(Unit(setting)).rank("n1", 1, reason=reason)
    with pytest.raises(Invalid, match=r"^reason: "):
        Notes(Alone(setting)).rank("n1", 1, reason=reason)


def test_a_reason_where_one_is_due(setting: Setting) -> None:
    """It is given back, or asked for."""
    assert Unit(setting, reason="because\nof it").need_reason() == "because\nof it"
    with pytest.raises(
        Invalid, match=r"^reason: expected why notes.rank is called, for the audit trail, found nothing"
    ):
        Unit(setting, verb="notes.rank").need_reason()


def test_correlation(setting: Setting) -> None:
    """One for a unit, made when it is needed; or the host's."""
    unit = Unit(setting)
    unit.save(made())
    ranked(unit, "n1", 1)
    assert {e.correlation for e in unit.batch().events} == {"act_0"}
    assert Unit(setting).correlation == "act_1"
    assert Unit(attrs.evolve(setting, correlation="req 1")).correlation == "req 1"
    assert Unit(setting).new_id(UNote) == "not_2"


def test_whom_a_record_is_about() -> None:
    """The customer that its kind names, if it does and there is one."""
    assert customer_of(UNote(id="x", customer="cus_1")) == "cus_1"
    assert customer_of(UNote(id="x")) is None
    assert customer_of(UPlain(id="x")) is None


# policy


def test_the_policy_is_asked_with_what_it_needs(setting: Setting) -> None:
    """The actor, the verb, the record or its draft."""
    (note,) = kept(setting, made())
    policy = Fixed()
    unit = Unit(attrs.evolve(setting, policy=policy, actor="rep"), verb="notes.rank")
    unit.act_on(UNote, "n1")
    draft = unit.save(made("b", id="n2"))
    unit.ask(None)
    ranked(unit, "n1", 1)
    assert policy.acts == [
        Act("rep", "notes.rank", note),
        Act("rep", "notes.rank", draft, is_new=True),
        Act("rep", "notes.rank", None),
    ]


def test_what_the_policy_refuses(setting: Setting) -> None:
    """Nothing of it is in the unit."""
    kept(setting, made())
    unit = Unit(attrs.evolve(setting, policy=Fixed("not today"), actor="rep"), verb="notes.rank")
    refusals = {
        "u_note n1": lambda: unit.act_on(UNote, "n1"),
        "u_note n2": lambda: unit.save(made("b", id="n2")),
        "a new record": lambda: unit.ask(None),
    }
    for subject, act in refusals.items():
        with pytest.raises(NotAllowed) as caught:
            act()
        assert str(caught.value) == f"{subject}: the policy does not let 'rep' call notes.rank: not today"
    assert unit.is_empty


def test_what_the_policy_hides_is_not_there_on_any_path(setting: Setting) -> None:
    """By id, in bulk, by condition, as the first, on pages and in counts; and it looks like what never was."""
    kept(setting, made("a"), made("b", id="n2", customer="cus_2"), made("c", id="n3", customer=None))
    portal = attrs.evolve(setting, actor="portal:cus_1")
    assert Unit(portal).get(UNote, "n1").title == "a"
    messages = []
    for id_ in ("n2", "n9"):
        with pytest.raises(NotFound) as caught:
            Unit(portal).act_on(UNote, id_)
        messages.append(str(caught.value).replace(id_, "…"))
    assert messages[0] == messages[1]
    unit = Unit(portal)
    assert list(unit.get_many(UNote, ["n1", "n2", "n3"])) == ["n1"]
    assert [n.id for n in unit.find(UNote)] == ["n1"]
    assert unit.first(UNote, field("title") == "b") is None
    assert [n.id for n in unit.page(UNote, limit=1)] == ["n1"]
    assert unit.page(UNote, limit=1).next is None
    assert (unit.count(UNote), unit.count(UNote, field("title") == "b")) == (1, 0)
    assert (unit.find(UPlain), unit.count(UPlain)) == ((), 0)
    assert [n.id for n in unit.find(UNote, (field("title") == "b") | (field("title") == "a"))] == ["n1"]


def test_own_changes_are_hidden_as_well(setting: Setting) -> None:
    """What an actor may not see is not shown because the same unit made it."""
    policy = Fixed(sees=field("rank") > 0)
    unit = Unit(attrs.evolve(setting, policy=policy))
    unit.save(made())
    assert unit.find(UNote) == ()
    ranked(unit, "n1", 1)
    assert [n.id for n in unit.find(UNote)] == ["n1"]


def test_a_policy_with_a_wrong_condition_shows_nothing(setting: Setting) -> None:
    """It fails closed."""
    kept(setting, made())
    unit = Unit(attrs.evolve(setting, policy=Fixed(sees=field("rnak") > 0)))
    for read in (lambda: unit.get(UNote, "n1"), lambda: unit.find(UNote), lambda: unit.count(UNote)):
        with pytest.raises(Invalid, match="did you mean rank"):
            read()


def test_a_cursor_of_another_actor_is_refused(setting: Setting) -> None:
    """What one may see is part of the question."""
    kept(setting, made("a"), made("b", id="n2"))
    after = Unit(setting).page(UNote, limit=1).next
    with pytest.raises(Invalid, match="cursor"):
        Unit(attrs.evolve(setting, actor="portal:cus_1")).page(UNote, limit=1, after=after)


def test_typed_keys_of_the_host(setting: Setting) -> None:
    """Declared attributes may be asked for, by hosts and by policies."""
    typed = {"u_note": {"attribute.size": lambda _name, value: value}}
    unit = Unit(attrs.evolve(setting, keys=typed, policy=Fixed(sees=field("attribute.size") == None)))  # noqa: E711
    unit.save(made())
    assert len(unit.find(UNote, field("attribute.size") != 5)) == 1
    with pytest.raises(Invalid, match="unknown-field"):
        Unit(setting).find(UNote, field("attribute.size") != 5)


def test_tenants_do_not_meet(setting: Setting) -> None:
    """67: neither by id nor by condition, and each has a journal of its own."""
    kept(setting, made())
    other = attrs.evolve(setting, tenant="other")
    with pytest.raises(NotFound):
        Unit(other).get(UNote, "n1")
    assert (Unit(other).find(UNote), Unit(other).count(UNote), Unit(other).events(None)) == ((), 0, ())
    kept(other, made("b"))
    assert [Unit(s).get(UNote, "n1").title for s in (setting, other)] == ["x", "b"]
    assert [r.position for r in Unit(other).events(None)] == [1]


def test_refusals_are_journalled_in_a_commit_of_their_own(setting: Setting, store: CountingStore) -> None:
    """Under the record, with what was refused and why; nothing else of the unit, and no guard."""
    kept(setting, made())
    bound = attrs.evolve(setting, policy=Fixed("not\ntoday " + "x" * 300), expected={("u_note", "n1"): 1}, actor="rep")
    unit = Unit(bound, verb="notes.rank", reason="he asked")
    ranked(unit, "n1", 1)
    with pytest.raises(NotAllowed) as caught:
        unit.act_on(UNote, "n1")
    unit.journal_refusal(caught.value)
    ((tenant, batch),) = store.batches
    assert (tenant, batch._replace(events=())) == ("main", Batch())
    (entry,) = batch.events
    assert (entry.type, entry.subject, entry.version, entry.customer) == ("act.refused", ("u_note", "n1"), 2, "cus_1")
    assert (entry.by, entry.verb, entry.reason, entry.correlation) == (
        "rep",
        "notes.rank",
        "he asked",
        unit.correlation,
    )
    assert entry.body == '{"refused":"notes.rank","why":"not\\ntoday ' + "x" * 300 + '"}'


def test_a_refused_act_on_no_record_has_a_subject_of_its_own(setting: Setting, store: CountingStore) -> None:
    """Whatever the correlation looks like."""
    unit = Unit(attrs.evolve(setting, policy=Fixed(""), correlation="req 1 of 2"), verb="notes.list")
    with pytest.raises(NotAllowed) as caught:
        unit.ask(None)
    unit.journal_refusal(caught.value)
    (entry,) = store.batches[0][1].events
    assert (entry.subject, entry.version, entry.customer) == (Ref("act", "act_0"), 0, None)
    assert entry.correlation == "req 1 of 2"
    assert ActRefused.__event__.personal == frozenset()


# reactions


def reacting(setting: Setting, **reactions: Callable[[Unit, Any, Any], None] | list[Any]) -> Setting:
    by_name = {
        "made": UNoteMade,
        "ranked": UNoteRanked,
        "shut": UNoteShut,
        "counted": UPlainCounted,
        "plain": UPlainMade,
    }
    listed = {by_name[n]: tuple(r) if isinstance(r, list) else (r,) for n, r in reactions.items()}
    return attrs.evolve(setting, reactions=listed)


def test_reactions_run_at_once_depth_first_and_say_what_caused_them(setting: Setting) -> None:
    """Each entry points back at its cause; the verb's record is given back as they left it."""
    log: list[str] = []

    def count(unit: Unit, note: UNote, _: Any) -> None:
        log.append(f"count {note.rank}")
        unit.save(change(unit.get(UPlain, "p"), UPlainCounted(count=note.rank)))

    def shut(unit: Unit, note: UNote, _: Any) -> None:
        log.append(f"shut {note.stage}")
        unit.save(change(note, UNoteShut()))

    def look(unit: Unit, note: UNote, _: Any) -> None:
        log.append(f"look {note.stage} {unit.get(UNote, note).version}")

    kept(setting, made(), create("p", UPlainMade()))
    unit = Unit(
        reacting(setting, ranked=[count, shut, look], counted=lambda *_: log.append("counted"), shut=look), verb="v"
    )
    after = ranked(unit, "n1", 5)
    assert log == ["count 5", "counted", "shut open", "look shut 3", "look shut 3"]
    assert (after.rank, after.stage, after.version) == (5, Stage.SHUT, 3)
    assert [(e.type, e.back, e.version, e.verb) for e in unit.batch().events] == [
        ("u_note.ranked", None, 2, "v"),
        ("u_plain.counted", 1, 2, "v"),
        ("u_note.shut", 2, 3, "v"),
    ]
    ranked(unit, "n1", 6)
    assert [e.back for e in unit.batch().events] == [None, 1, 2, None, 1, 2]


def again(unit: Unit, note: UNote, told: UNoteRanked) -> None:
    if told.rank:
        unit.save(change(note, UNoteRanked(rank=told.rank - 1)))


@pytest.mark.parametrize("deep", [DEEPEST - 1, DEEPEST])
def test_how_deep_reactions_go(setting: Setting, deep: int) -> None:
    """92: eight in a row; the ninth is refused, and names the record and the event."""
    kept(setting, made())
    unit = Unit(reacting(setting, ranked=again))
    if deep < DEEPEST:
        ranked(unit, "n1", deep)
        assert [e.back for e in unit.batch().events] == [None, *[1] * deep]
        return
    with pytest.raises(Refusal) as caught:
        ranked(unit, "n1", deep)
    assert str(caught.value) == (
        "u_note n1: refused by reactions.depth: u_note.ranked is caused by 8 reactions in a row;"
        " some of them cause each other"
    )
    assert caught.value.rule == "reactions.depth"


def test_reactions_may_create_and_drop(setting: Setting) -> None:
    """What they create is not asked of the policy again; who saved gets the last there was."""

    def tidy(unit: Unit, note: UNote, _: Any) -> None:
        unit.save(create("p", UPlainMade()))
        unit.drop(note)

    seen: list[Any] = []
    policy = Fixed()
    unit = Unit(attrs.evolve(reacting(setting, made=[tidy, lambda _u, note, _t: seen.append(note)]), policy=policy))
    note = unit.save(made())
    assert (note.id, seen, len(policy.acts)) == ("n1", [note], 1)
    assert [(p.kind, p.expected) for p in unit.batch().puts] == [("u_plain", 0)]


def test_a_reaction_that_fails_does_not_confuse_what_follows(setting: Setting) -> None:
    """The next entry of the unit has no cause."""

    def fail(*_: Any) -> None:
        raise Refusal("it", "no", ["no"])

    kept(setting, made(), made("b", id="n2"))
    unit = Unit(reacting(setting, shut=fail))
    with suppress(Refusal):
        unit.save(change(unit.get(UNote, "n1"), UNoteShut()))
    ranked(unit, "n2", 1)
    assert unit.batch().events[-1].back is None


# verbs


class Alone:
    """What gives every call a unit of its own, like a CRM."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.units = setting, []

    def run(self, act: Callable[[Unit], T], *, verb: str, reason: str = "") -> T:
        """Run it once."""
        unit = Unit(self.setting, verb=verb, reason=reason)
        self.units.append(unit)
        out = act(unit)
        unit.commit()
        return out


class Notes(Service):
    """Verbs on notes."""

    @verb
    def make(self, title: str, *, id: str = "n1", reason: str = "") -> UNote:  # noqa: A002
        """Make one."""
        return self.unit.save(made(title, id=id))

    @verb
    def rank(self, note: UNote | str, to: int, *, reason: str = "") -> UNote:
        """Rank one."""
        return ranked(self.unit, note.id if isinstance(note, UNote) else note, to)

    @verb
    def make_two(self, *, fail: type[BaseException] | None = None, reason: str = "") -> str:
        """Make two by another verb, and perhaps fail then."""
        self.make("one", id="n1", reason="inner")
        self.rank("n0", 9)
        self.unit.drop(self.unit.get(UNote, "n9"))
        self.unit.send("mail", "")
        self.unit.forget("cus_1")
        if fail is not None:
            raise fail
        return f"{self.unit.verb} {self.unit.reason}"


def test_a_verb_on_its_own_is_a_unit(setting: Setting, store: CountingStore) -> None:
    """Named after the concept and itself, with the reason that it was given."""
    alone = Alone(setting)
    note = Notes(alone).make("a", reason="why")
    assert (note.title, len(alone.units), alone.units[0].is_over) == ("a", 1, True)
    (entry,) = store.batches[0][1].events
    assert (entry.verb, entry.reason) == ("notes.make", "why")
    assert (Notes.make.__name__, Notes.make.__doc__) == ("make", "Make one.")


def test_a_verb_in_a_unit_is_part_of_it(setting: Setting, store: CountingStore) -> None:
    """Nothing is committed yet; each entry has the verb that told it, and the nearest reason."""
    kept(setting, made("0", id="n0"), made("9", id="n9"))
    unit = Unit(setting, reason="outer")
    notes = Notes(unit)
    assert notes.make_two() == "notes.make_two outer"
    assert notes.rank("n1", 1, reason="late").rank == 1
    assert store.batches == []
    assert [(e.verb, e.reason) for e in unit.batch().events] == [
        ("notes.make", "inner"),
        ("notes.rank", "outer"),
        ("notes.rank", "late"),
    ]
    assert (unit.verb, unit.reason) == ("unit", "outer")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_verb_that_raises_leaves_nothing_behind(setting: Setting, error: type[BaseException]) -> None:
    """The host may catch it and go on: the unit is as it was before, but for what was read."""
    kept(setting, made("0", id="n0"), made("9", id="n9"))
    unit = Unit(setting, reason="outer")
    notes = Notes(unit)
    notes.rank("n0", 1)
    before = unit.batch()
    with pytest.raises(error):
        notes.make_two(fail=error, reason="x")
    assert unit.batch()._replace(guards=()) == before._replace(guards=())
    assert set(unit.batch().guards) == {Guard("u_note", "n9", 1)}
    assert (unit.verb, unit.reason, unit.get(UNote, "n0").rank) == ("unit", "outer", 1)
    assert (unit.get(UNote, "n9").title, [n.id for n in unit.find(UNote)]) == ("9", ["n0", "n9"])
    notes.make_two()
    unit.commit()
    assert [n.rank for n in Unit(setting).find(UNote)] == [9, 0]


def test_a_verb_in_a_unit_that_is_over_is_refused(setting: Setting) -> None:
    """Its changes would go nowhere."""
    unit = Unit(setting)
    unit.commit()
    with pytest.raises(Misuse, match="this unit is over"):
        Notes(unit).make("a")
    failed = Unit(setting)
    with pytest.raises(KeyError), opened(failed):
        raise KeyError
    with pytest.raises(Misuse, match="this unit is over"):
        Notes(failed).make("a")


# calls past an open unit


def past(setting: Setting) -> str | None:
    try:
        refuse_past_open(setting, "notes.make")
    except Misuse as error:
        return str(error)
    return None


TOLD = "crm.notes.make was called inside `with crm.unit() as unit`; call unit.notes.make, or end the unit first"


def test_a_call_past_an_open_unit_is_noticed(setting: Setting) -> None:
    """On the same store and tenant, also by another actor, also in a nested unit; not before, after or elsewhere."""
    another = CountingStore()
    assert past(setting) is None
    with opened(Unit(setting)):
        assert past(setting) == past(attrs.evolve(setting, actor="rep")) == TOLD
        assert past(attrs.evolve(setting, tenant="other")) is None
        assert past(attrs.evolve(setting, store=another)) is None
        with opened(Unit(attrs.evolve(setting, tenant="other"))):
            assert past(setting) == past(attrs.evolve(setting, tenant="other")) == TOLD
        assert past(attrs.evolve(setting, tenant="other")) is None
    assert past(setting) is None


def test_other_threads_are_not_in_the_unit(setting: Setting) -> None:
    """Unless they were started in its context, as asyncio.to_thread does."""
    found: list[str | None] = []
    with opened(Unit(setting)):
        context = contextvars.copy_context()
        for target in (lambda: found.append(past(setting)), lambda: found.append(context.run(past, setting))):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert found == [None, TOLD]


def test_tasks_that_outlive_the_unit_are_free(setting: Setting) -> None:
    """A task started inside keeps the context, but the unit in it is over."""

    async def main() -> list[str | None]:
        go = asyncio.Event()

        async def job() -> list[str | None]:
            inside = past(setting)
            await go.wait()
            return [inside, past(setting), await asyncio.to_thread(past, setting)]

        unit = Unit(setting)
        with opened(unit):
            task = asyncio.create_task(job())
            await asyncio.sleep(0)
        unit.commit()
        go.set()
        return await task

    assert asyncio.run(main()) == [TOLD, None, None]


def test_a_generator_may_end_in_another_context(setting: Setting) -> None:
    """As FastAPI runs the two halves of a dependency: nothing breaks, and no mark is left that means anything."""
    unit = Unit(setting)

    def dependency() -> Iterator[Unit]:
        with opened(unit):
            yield unit

    generator = dependency()
    context = contextvars.copy_context()
    context.run(next, generator)
    assert next(generator, "ended") == "ended"
    unit.commit()
    assert (past(setting), context.run(past, setting)) == (None, None)
