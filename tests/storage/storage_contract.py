"""What every store promises, one property each: a function of a world that fails if the promise is broken.

`PROPERTIES` has them all; `needs` names what a store must declare, or a world must offer, for a property to apply.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from storage_world import AT, HOUR, KINDS, SCHEMA, World, entry, note, put, row

from crmkit.errors import Busy, Conflict, Duplicate, Invalid, Misuse, NotSupported, Unavailable
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import EVERYTHING, Compare, Has, Not, Prefix
from crmkit.storage.store import Batch, Claim, Dead, Done, Drop, Extend, Guard, Retry, Stored

Property = Callable[[World], None]
PROPERTIES: dict[str, Property] = {}
NEEDS: dict[str, str] = {}
PERSON, NOTE = (kind.name for kind in KINDS)
NOTHING = timedelta(0)


def promise(property_: Property) -> Property:
    """Enter a property."""
    PROPERTIES[property_.__name__] = property_
    return property_


def needs(what: str) -> Callable[[Property], Property]:
    """Say that a property applies only to some stores."""

    def enter(property_: Property) -> Property:
        NEEDS[property_.__name__] = what
        return promise(property_)

    return enter


def at_once(acts: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run acts in threads that all begin at the same moment; give what each returned or raised."""
    some = list(acts)
    barrier = threading.Barrier(len(some))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - it is an answer
            return error

    with ThreadPoolExecutor(len(some)) as pool:
        return list(pool.map(run, some))


def refused(error: type[Exception], act: Callable[[], Any], **values: Any) -> Exception:
    """Expect an error with these values."""
    try:
        got = act()
    except error as found:
        for name, value in values.items():
            assert getattr(found, name) == value
        return found
    raise AssertionError(f"expected {error.__name__}, got {type(got).__name__}")


def claimed(w: World, **more: Any) -> Claim:
    """Claim the one message that is due."""
    found = w.claim(**more)
    assert len(found) == 1
    return found[0]


# records


@promise
def put_then_get_equal(w: World) -> None:
    """A record that was put is read again exactly as it was, edge values included."""
    columns = {
        "nick": "",
        "score": -(2**63),
        "active": 0,
        "seen": 2**63 - 1,
        "boss": "cus_1",
        "email": "ä@x",
        "badge": "\U0010ffff",
    }
    extra = '{"tags":["ñ","\\"","\U0001f600"],"sizes":[1]}'
    w.commit(put("a", name="x", extra=extra, version=7, schema=3, **columns))
    assert w.get("a") == {"a": Stored("a", 7, 3, row("a", name="x", extra=extra, **columns))}


@promise
def absent_is_left_out(w: World) -> None:
    """Reading gives what there is, once each, and leaves out what is absent."""
    w.commit(put("a"), put("b"))
    assert w.get("z") == {}
    assert w.get() == {}
    assert sorted(w.get("a", "z", "b", "a")) == ["a", "b"]


@promise
def creating_twice_conflicts(w: World) -> None:
    """A put that expects nothing is a conflict where there is a record."""
    w.commit(put("a"))
    refused(Conflict, lambda: w.commit(put("a")), kind=PERSON, id="a", expected=0, found=1)


@promise
def an_update_needs_the_exact_version(w: World) -> None:
    """A put that expects a version above or below the stored one is a conflict."""
    w.commit(put("a", version=3))
    for expected in (2, 4):
        refused(Conflict, lambda e=expected: w.commit(put("a", e)), expected=expected, found=3)
    w.commit(put("a", 3, version=5))
    assert w.version("a") == 5


@promise
def updating_what_is_absent_conflicts(w: World) -> None:
    """A put that expects a version is a conflict where there is no record."""
    refused(Conflict, lambda: w.commit(put("a", 1)), id="a", expected=1, found=0)


@promise
def a_drop_checks_the_version(w: World) -> None:
    """A record is dropped at exactly the expected version."""
    w.commit(put("a"))
    refused(Conflict, lambda: w.commit(Drop(PERSON, "a", 2)), expected=2, found=1)
    refused(Conflict, lambda: w.commit(Drop(PERSON, "b", 1)), expected=1, found=0)
    w.commit(Drop(PERSON, "a", 1))
    assert w.version("a") == 0
    assert w.ids() == []


@promise
def what_was_dropped_can_be_created_again(w: World) -> None:
    """After a drop the id is free, and nothing of the old record is left, its search keys included."""
    w.commit(put("a", keys=[("tag", "old")], email="e"))
    w.commit(Drop(PERSON, "a", 1))
    w.commit(put("a", keys=[("tag", "new")]))
    assert (w.version("a"), w.ids(Has("tag", "eq", "old")), w.ids(Has("tag", "eq", "new"))) == (1, [], ["a"])


@promise
def nothing_is_shared(w: World) -> None:
    """What was given or returned can be changed without changing the store."""
    given = list(row("a"))
    batch = Batch((put("a")._replace(row=given),))  # type: ignore[arg-type]
    w.store.commit(w.tenant, batch)
    given[1] = "changed"
    w.get("a").clear()
    assert w.get("a")["a"].row == row("a")


@promise
def text_is_kept_to_the_byte(w: World) -> None:
    """Text comes back as it was, and no two texts that differ are taken for one."""
    texts = [
        "",
        "a",
        "A",
        "a ",
        " a",
        "ä",
        "a\u0308",
        "ss",
        "ß",
        "%",
        "_",
        "'",
        "\U0001f600",
        "\ue000",
        "\U0010ffff",
        "\uffff",
        "0",
        "1.0",
    ]
    w.commit(*(put(f"p{i}", name=t) for i, t in enumerate(texts)))
    for i, t in enumerate(texts):
        assert w.get(f"p{i}")[f"p{i}"].row[1] == t
        assert w.ids(Compare("name", "eq", t)) == [f"p{i}"]


@promise
def kinds_do_not_mix(w: World) -> None:
    """Records of two kinds may have the same id."""
    w.commit(put("a"), note("a"))
    w.commit(Drop(NOTE, "a", 1))
    assert (w.version("a"), w.version("a", NOTE), w.count(), w.count(kind=NOTE)) == (1, 0, 1, 0)


@promise
def a_kind_that_was_not_prepared_is_refused(w: World) -> None:
    """A kind that the store does not know is misuse, in every call."""
    for act in (
        lambda: w.commit(put("a")._replace(kind="t_unknown")),
        lambda: w.commit(Drop("t_unknown", "a", 1)),
        lambda: w.commit(Guard("t_unknown", "a", 1)),
        lambda: w.get("a", kind="t_unknown"),
        lambda: w.ids(kind="t_unknown"),
        lambda: w.count(kind="t_unknown"),
    ):
        refused(Misuse, act)


# batches


@promise
def all_or_nothing_on_a_conflict(w: World) -> None:
    """A conflict anywhere in a batch leaves nothing of it, wherever it stands."""
    w.commit(put("x"), put("y"))
    good = [
        put("a", email="e", keys=[("tag", "t")]),
        put("b"),
        put("x", 1),
        Drop(PERSON, "y", 1),
        entry("a"),
        w.message(),
    ]
    for bad in (put("c", 1), put("x2", 3), Drop(PERSON, "q", 1), Guard(PERSON, "x", 2), Guard(PERSON, "q", 1)):
        refused(Conflict, lambda b=bad: w.commit(*good, b, key="k"))
        refused(Conflict, lambda b=bad: w.commit(b, *good, key="k"))
    assert (w.ids(), w.events(), w.claim(), w.version("x"), w.version("y")) == (["x", "y"], [], (), 1, 1)
    w.commit(*good, key="k")
    assert (w.ids(), len(w.events()), len(w.claim())) == (["a", "b", "x"], 1, 1)


@promise
def all_or_nothing_on_a_duplicate(w: World) -> None:
    """A unique key or a message id that is taken leaves nothing of the batch."""
    w.commit(put("x", email="e"), w.message("m1"))
    for bad in (put("b", email="e"), w.message("m1")):
        refused(Duplicate, lambda b=bad: w.commit(put("a"), put("c"), b, entry("a"), w.message("m2"), key="k"))
    assert (w.ids(), w.events(), [c.message.id for c in w.claim()]) == (["x"], [], ["m1"])
    assert w.commit(key="k").replayed is False


@promise
def guards_pass_and_fail(w: World) -> None:
    """A guard lets a batch land while its record is at the version, and not otherwise; 0 means absent."""
    w.commit(put("a"))
    w.commit(put("b"), Guard(PERSON, "a", 1), Guard(PERSON, "z", 0))
    refused(Conflict, lambda: w.commit(put("c"), Guard(PERSON, "a", 2)), id="a", expected=2, found=1)
    refused(Conflict, lambda: w.commit(put("c"), Guard(PERSON, "a", 0)), id="a", expected=0, found=1)
    refused(Conflict, lambda: w.commit(put("c"), Guard(PERSON, "z", 1)), id="z", expected=1, found=0)
    assert w.ids() == ["a", "b"]


@promise
def guards_see_what_was_before_the_batch(w: World) -> None:
    """A guard on a record that the batch writes holds against the version before it."""
    w.commit(put("a"), put("b"))
    w.commit(put("a", 1), Drop(PERSON, "b", 1), Guard(PERSON, "a", 1), Guard(PERSON, "b", 1), Guard(PERSON, "a", 1))
    assert (w.version("a"), w.version("b")) == (2, 0)


@promise
def conflicts_are_told_before_duplicates(w: World) -> None:
    """Versions are held first, in the order of guards, drops and puts; then unique keys, then message ids."""
    w.commit(put("x", email="e"), w.message("m1"))
    bad = (put("a", email="e"), put("b", 9), put("c", 8), Drop(PERSON, "x", 7), Guard(PERSON, "x", 6), w.message("m1"))
    for told, expected in ((4, 6), (3, 7), (1, 9), (2, 8)):
        refused(Conflict, lambda: w.commit(*bad), expected=expected)
        bad = tuple(p for p in bad if getattr(p, "expected", None) != expected)
        assert told
    refused(Duplicate, lambda: w.commit(*bad), kind=PERSON, key="email")
    refused(Duplicate, lambda: w.commit(*bad[1:]), kind="message", key="id")


@promise
def an_empty_batch_is_fine(w: World) -> None:
    """A batch of nothing is committed and changes nothing."""
    assert w.store.commit(w.tenant, Batch()).replayed is False
    assert (w.ids(), w.events()) == ([], [])


@promise
def a_key_applies_once(w: World) -> None:
    """A batch with a key is written once, however often it is committed, whatever has happened in between."""
    batch = w.batch(put("a"), entry("a"), w.message(), key="k")
    assert w.store.commit(w.tenant, batch).replayed is False
    w.commit(put("a", 1))
    assert w.store.commit(w.tenant, batch).replayed is True
    assert (w.version("a"), len(w.events()), len(w.claim())) == (2, 1, 1)
    assert w.beside().commit(put("a"), key="k").replayed is False


@promise
def a_refused_batch_does_not_use_its_key(w: World) -> None:
    """A key counts only with the commit that it came with."""
    refused(Conflict, lambda: w.commit(put("a", 4), key="k"))
    assert w.commit(put("a"), key="k").replayed is False


@promise
def a_large_batch(w: World) -> None:
    """A thousand records of two kinds with events and messages are one commit, created and changed."""
    ids = [f"p{i:04}" for i in range(1000)]
    first = [x for i in ids for x in (put(i, keys=[("tag", i)], email=i), note(i), entry(i), w.message(i))]
    w.commit(*first)
    assert (w.count(), w.count(kind=NOTE), len(w.events(limit=5000)), len(w.claim(5000))) == (1000,) * 4
    w.commit(*(put(i, 1, keys=[("tag", i if n % 2 else "even")], name="new") for n, i in enumerate(ids)))
    assert (w.count(Compare("name", "eq", "new")), w.count(Has("tag", "eq", "even"))) == (1000, 500)
    refused(Conflict, lambda: w.commit(*(put(i, 2 if i != "p0500" else 1) for i in ids)), id="p0500")
    assert w.version("p0000") == 2


@promise
def contradictions_are_refused(w: World) -> None:
    """A batch that writes a record twice, lowers a version or does not fit its kind is misuse, and changes nothing."""
    w.commit(put("x"))
    for bad in (
        (put("a"), put("a")),
        (put("x", 1), Drop(PERSON, "x", 1)),
        (Drop(PERSON, "x", 1), Drop(PERSON, "x", 1)),
        (put("x", 1, version=1),),
        (put("x", -1, version=1),),
        (Drop(PERSON, "x", 0),),
        (put("a")._replace(row=("a",)),),
        (put("a")._replace(row=row("b")),),
        (put("a")._replace(unique=()),),
    ):
        refused(Misuse, lambda b=bad: w.commit(put("c"), *b))
    assert (w.ids(), w.version("x")) == (["x"], 1)


# unique keys


@promise
def a_duplicate_is_named(w: World) -> None:
    """The error says of which kind the key is, and which key."""
    w.commit(put("a", email="e", badge="7"))
    refused(Duplicate, lambda: w.commit(put("b", email="e")), kind=PERSON, key="email")
    refused(Duplicate, lambda: w.commit(put("b", badge="7")), kind=PERSON, key="badge")
    refused(Duplicate, lambda: w.commit(put("b", email="e", badge="7")), key="email")
    refused(Duplicate, lambda: w.commit(put("b", email="f"), put("c", email="f")), key="email")
    w.commit(put("b"))
    refused(Duplicate, lambda: w.commit(put("b", 1, badge="7")), key="badge")


@promise
def unique_within_a_tenant(w: World) -> None:
    """Two tenants may have the same unique key, the same id and the same message id."""
    other = w.beside()
    for each in (w, other):
        each.commit(put("a", email="e"), each.message())
    assert w.version("a") == other.version("a") == 1


@promise
def nothing_never_collides(w: World) -> None:
    """None is no unique key; the empty text is one."""
    w.commit(put("a"), put("b"), put("c", email=""))
    refused(Duplicate, lambda: w.commit(put("d", email="")))
    assert w.count() == 3


@promise
def unique_keys_are_freed(w: World) -> None:
    """A drop or a change frees a unique key."""
    w.commit(put("a", email="e"), put("b", email="f"))
    w.commit(Drop(PERSON, "a", 1))
    w.commit(put("b", 1, email="e"))
    w.commit(put("c", email="f"))
    refused(Duplicate, lambda: w.commit(put("d", email="e")))


@promise
def unique_keys_change_hands_in_a_batch(w: World) -> None:
    """Unique keys are held against what is there after the batch: they may be swapped or passed on."""
    w.commit(put("a", email="1", badge="x"), put("b", email="2"), put("c", email="3"), put("d", email="4"))
    w.commit(put("a", 1, email="2", badge="y"), put("b", 1, email="1", badge="x"))
    w.commit(put("e", email="3"), put("c", 1, email="4"), Drop(PERSON, "d", 1))
    refused(Duplicate, lambda: w.commit(put("a", 2, email="1"), put("b", 2, email="9"), put("e", 1, email="4")))
    held = {i: s.row[-3:-1] for i, s in w.get("a", "b", "c", "e").items()}
    assert held == {"a": ("2", "y"), "b": ("1", "x"), "c": ("4", None), "e": ("3", None)}


@promise
def unique_keys_differ_by_case_and_blanks(w: World) -> None:
    """Unique keys are compared to the byte."""
    w.commit(*(put(f"p{i}", email=e) for i, e in enumerate(["e", "E", "e ", "é", "e\u0301"])))
    assert w.count() == 5


@promise
def one_of_many_creators_wins(w: World) -> None:
    """Of many who take a unique key at once one gets it, and the others are told of the duplicate."""
    found = at_once(lambda i=i: w.commit(put(f"p{i}", email="e")) for i in range(8))
    assert sorted(type(f).__name__ for f in found) == ["Duplicate"] * 7 + ["Receipt"]
    assert w.count() == 1


# queries; what they mean is in test_differential


@promise
def pages_cover_everything_once(w: World) -> None:
    """Pages of any size give every record once, in order, nothing first and ties by id."""
    scores = [None, 3, 1, None, 3, 2, 3]
    w.commit(*(put(f"p{i}", score=s, name="AB"[i % 2]) for i, s in enumerate(scores)))
    whole = ["p0", "p3", "p2", "p5", "p1", "p4", "p6"]
    for size in (1, 2, 3, 7, 8):
        assert [i for page in w.pages(order=("score",), limit=size) for i in page] == whole
        down = [i for page in w.pages(order=("-score",), limit=size) for i in page]
        assert down == ["p1", "p4", "p6", "p5", "p2", "p0", "p3"]
        mixed = [i for page in w.pages(order=("name", "-score"), limit=size) for i in page]
        assert mixed == ["p4", "p6", "p2", "p0", "p1", "p5", "p3"]
        assert [i for page in w.pages(limit=size) for i in page] == sorted(whole)


@promise
def the_limit_holds(w: World) -> None:
    """A page has at most so many records, and a cursor only if there are more."""
    w.commit(put("a"), put("b"))
    assert (w.ids(limit=0), w.ids(limit=1), w.ids(limit=2)) == ([], ["a"], ["a", "b"])
    assert w.page(limit=1).next is not None
    assert w.page(limit=2).next is w.page(limit=3).next is w.page(limit=0).next is None
    after = w.page(limit=1).next
    assert w.page(limit=0, after=after).next == after


@promise
def pages_stand_while_records_come_and_go(w: World) -> None:
    """What is inserted or changed before the cursor moves nothing behind it."""
    w.commit(*(put(i, name=i) for i in "cefg"))
    page = w.page(order=("name",), limit=2)
    w.commit(put("a", name="a"), put("d", name="d"), put("c", 1, name="b"), put("f", 1, name="f"), Drop(PERSON, "e", 1))
    assert w.ids(order=("name",), limit=9, after=page.next) == ["f", "g"]


@promise
def foreign_cursors_are_refused(w: World) -> None:
    """A cursor serves the question, the order and the tenant that it came from, and no other."""
    other = w.beside()
    for each in (w, other):
        each.commit(put("a"), put("b"), put("c"))
    after = w.page(order=("name",), limit=1).next
    for act in (
        lambda: w.page(order=("-name",), after=after),
        lambda: w.page(Prefix("name", "A"), order=("name",), after=after),
        lambda: other.page(order=("name",), after=after),
        lambda: w.page(order=("name",), after="nonsense"),
        lambda: w.page(order=("name",), after=after[:-2]),
    ):
        refused(Invalid, act, rule="cursor")


@promise
def a_prefix_has_no_wildcards(w: World) -> None:
    """A prefix is compared character by character; the empty one is the beginning of every text."""
    texts = ["%a", "_a", "aa", "AA", "a%", "\ud7ffz", "\U0010ffff", "\U0010ffffb", "é"]
    w.commit(*(put(f"p{i}", nick=t) for i, t in enumerate(texts)), put("none"))
    for start, found in {
        "%": [0],
        "_": [1],
        "a": [2, 4],
        "": range(9),
        "\U0010ffff": [6, 7],
        "\ud7ff": [5],
        "e": [],
    }.items():
        assert w.ids(Prefix("nick", start)) == [f"p{i}" for i in found]


@promise
def search_keys_follow_the_record(w: World) -> None:
    """Records are found by the search keys of their last put, numbers apart from text."""
    w.commit(put("a", keys=[("tag", "x"), ("tag", "y"), ("size", 3)]), put("b", keys=[("tag", "y"), ("size", None)]))
    assert w.ids(Has("tag", "eq", "y")) == ["a", "b"]
    assert (w.ids(Has("size", "ge", 3)), w.ids(Has("size", "eq", "3")), w.ids(Has("size", "any", None))) == (
        ["a"],
        [],
        ["a", "b"],
    )
    assert w.ids(Not(Has("tag", "eq", "x"))) == ["b"]
    w.commit(put("a", 1, keys=[("tag", "z")]))
    assert (w.ids(Has("tag", "eq", "y")), w.ids(Has("tag", "prefix", "z")), w.ids(Has("size", "lt", 9))) == (
        ["b"],
        ["a"],
        [],
    )
    w.commit(put("a", 2))
    assert w.ids(Has("tag", "any", None)) == ["b"]


# tenants


@promise
def no_call_crosses_tenants(w: World) -> None:
    """Records, counts, entries, guards, erasures and batch keys of a tenant are its own."""
    other = w.beside()
    other.commit(put("a", keys=[("tag", "t")], boss="c"), entry("a", customer="c"), key="k")
    assert (w.get("a"), w.ids(), w.ids(Has("tag", "eq", "t")), w.count(), w.events()) == ({}, [], [], 0, [])
    assert w.events(about=Ref("customer", "c")) == w.events(about=Ref(PERSON, "a")) == []
    w.commit(Guard(PERSON, "a", 0), erase=("c",), key="k")
    refused(Conflict, lambda: w.commit(Drop(PERSON, "a", 1)), found=0)
    assert (other.version("a"), other.events()[0][1].personal) == (1, "{}")


@promise
def a_claim_tells_its_tenant(w: World) -> None:
    """Messages of all tenants are claimed together, and settled each in its own."""
    other = w.beside()
    other.queue = w.queue
    w.commit(w.message("m"))
    other.commit(other.message("m"))
    claims = w.claim()
    assert sorted(c.tenant for c in claims) == sorted([w.tenant, other.tenant])
    mine = next(c for c in claims if c.tenant == w.tenant)
    assert w.store.settle([Done(mine._replace(tenant=other.tenant))]) == (False,)
    assert w.store.settle([Done(mine)]) == (True,)


# the journal


@promise
def positions_are_dense_from_one(w: World) -> None:
    """Entries stand at 1, 2, 3 and so on, those of a commit together and in order, and come back as they were."""
    full = entry("a", customer="c", at=AT, recorded=AT + HOUR, reason="ä", back=1, personal=None, schema=4, version=9)
    some = [entry("a", verb="1"), full, entry("b", verb="3", customer="d", correlation="r", kind=NOTE)]
    w.commit(*some[:1])
    w.commit(*some[1:])
    assert w.events() == list(enumerate(some, 1))
    other = w.beside()
    assert other.events() == []
    other.commit(entry())
    assert other.events() == [(1, entry())]


@promise
def a_refused_commit_leaves_no_gap(w: World) -> None:
    """Positions of refused batches are used by the next one that lands."""
    w.commit(put("a"), entry("a", verb="1"))
    refused(Conflict, lambda: w.commit(put("a"), entry("a")))
    refused(Duplicate, lambda: w.commit(put("b", email="e"), put("c", email="e"), entry("a"), entry("b")))
    w.commit(entry("a", verb="2"))
    assert [(p, e.verb) for p, e in w.events()] == [(1, "1"), (2, "2")]


@promise
def reading_the_journal_in_pieces(w: World) -> None:
    """`after`, `before`, `limit` and the direction choose entries; positions stay what they are."""
    w.commit(*(entry("a" if i % 2 else "b", customer="c" if i % 3 else None) for i in range(1, 13)))

    def positions(**more: Any) -> list[int]:
        return [p for p, _ in w.events(**more)]

    assert positions(after=3, before=7) == [4, 5, 6]
    assert positions(after=10, limit=5) == [11, 12]
    assert positions(limit=0) == positions(limit=-1) == positions(after=12) == positions(after=99) == []
    assert positions(newest_first=True, limit=2) == [12, 11]
    assert positions(newest_first=True, after=3, before=6) == [5, 4]
    assert positions(after=-5, before=2) == [1]
    assert positions(before=1) == positions(after=5, before=3) == []
    assert positions(about=Ref(PERSON, "a"), after=2, limit=3) == [3, 5, 7]
    assert positions(about=Ref("customer", "c"), newest_first=True, before=9, limit=3) == [8, 7, 5]
    assert positions(about=Ref(NOTE, "a")) == positions(about=Ref("customer", "z")) == []


@promise
def a_customers_entries_include_those_of_the_record(w: World) -> None:
    """What concerns a customer is what names it as customer, and what happened to its own record, each once."""
    own = entry("c", kind="customer")
    w.commit(own, own._replace(customer="c"), entry("a", customer="c"), entry("c"), own._replace(customer="d"))
    assert [p for p, _ in w.events(about=Ref("customer", "c"))] == [1, 2, 3, 5]
    assert [p for p, _ in w.events(about=Ref("customer", "d"))] == [5]


@promise
def erasure_blanks_what_is_personal(w: World) -> None:
    """The personal parts of a customer's entries are blanked, those of the batch included; the rest stays."""
    secret = {"personal": '{"name":"Ana"}'}
    before = [
        entry("a", customer="c", **secret),
        entry("c", kind="customer", **secret),
        entry("a", customer="d", **secret),
    ]
    w.commit(*before)
    w.commit(entry("b", customer="c", **secret), entry("b", **secret), erase=("c", "z"))
    now = [e for _, e in w.events()]
    assert [e.personal is None for e in now] == [True, True, False, True, False]
    assert [e._replace(personal="") for e in now[:3]] == [e._replace(personal="") for e in before]


@promise
def a_follower_misses_nothing(w: World) -> None:
    """Who reads by position while others write, and some are refused, sees every entry once and in order."""
    w.commit(put("x"))
    done = threading.Event()

    def write(n: int) -> None:
        for i in range(25):
            bad = [put("x")] if (n + i) % 7 == 0 else []
            try:
                w.commit(entry("a", verb=f"{n}.{i}"), entry("b", verb=f"{n}.{i}+"), *bad)
            except Conflict:
                assert bad

    def follow() -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        while True:
            last = done.is_set()
            new = w.events(after=seen[-1][0] if seen else 0, limit=7)
            seen += [(p, e.verb) for p, e in new]
            if last and not new:
                return seen

    with ThreadPoolExecutor(7) as pool:
        follower = pool.submit(follow)
        for f in [pool.submit(write, n) for n in range(6)]:
            f.result()
        done.set()
    verbs = [v for _, v in follower.result()]
    assert [p for p, _ in follower.result()] == list(range(1, len(verbs) + 1))
    assert verbs == [e.verb for _, e in w.events(limit=1000)]
    assert all(b == f"{a}+" for a, b in zip(verbs[::2], verbs[1::2], strict=True))
    assert len(verbs) == 2 * sum((n + i) % 7 != 0 for n in range(6) for i in range(25))


# concurrency


@promise
def no_update_is_lost(w: World) -> None:
    """Counting up by many threads that retry on conflict loses nothing."""
    w.commit(put("a", score=0))

    barrier = threading.Barrier(6)

    def count_up() -> None:
        for _ in range(10):
            barrier.wait()
            found = w.get("a")["a"]
            barrier.wait()
            while True:
                try:
                    w.commit(put("a", found.version, score=found.row[3] + 1))
                except (Conflict, Busy):
                    found = w.get("a")["a"]
                else:
                    break

    assert at_once([count_up] * 6) == [None] * 6
    assert (w.get("a")["a"].row[3], w.version("a")) == (60, 61)


@promise
def guards_stop_write_skew(w: World) -> None:
    """Of two batches that each read what the other writes one is refused."""
    for turn in range(10):
        a, b = f"a{turn}", f"b{turn}"
        w.commit(put(a), put(b))
        found = at_once(
            [lambda: w.commit(put(a, 1), Guard(PERSON, b, 1)), lambda: w.commit(put(b, 1), Guard(PERSON, a, 1))]
        )
        assert sorted(type(f).__name__ for f in found) == ["Conflict", "Receipt"]


@promise
def opposite_orders_do_not_deadlock(w: World) -> None:
    """Batches that write the same records in opposite orders all get through in the end."""
    w.commit(put("a"), put("b"))

    def write(one: str, two: str) -> None:
        for _ in range(10):
            while True:
                try:
                    w.commit(put(one, w.version(one)), put(two, w.version(two)))
                except (Conflict, Busy):
                    continue
                break

    assert at_once([lambda: write("a", "b"), lambda: write("b", "a")] * 2) == [None] * 4
    assert (w.version("a"), w.version("b")) == (41, 41)


@promise
def reads_see_whole_commits(w: World) -> None:
    """A single read never shows half of a commit."""
    w.commit(put("a", score=0), put("b", score=0))
    done = threading.Event()

    def move() -> None:
        for version in range(1, 40):
            amount = random.Random(version).randrange(100)
            w.commit(put("a", version, score=amount), put("b", version, score=-amount), entry(), entry())
        done.set()

    def watch() -> None:
        while not done.is_set():
            assert sum(s.row[3] for s in w.get("a", "b").values()) == 0
            assert sum(s.row[3] for s in w.page().items) == 0
            assert len(w.events(limit=1000)) % 2 == 0

    assert at_once([move, watch, watch]) == [None] * 3


@promise
def a_commit_is_read_at_once(w: World) -> None:
    """What was acknowledged is seen by readers that open afterwards, and by those that are no snapshots."""
    with w.store.reader(w.tenant) as reader:
        assert reader.get(PERSON, ["a"]) == {}
        w.commit(put("a"), entry())
        assert w.version("a") == 1
        assert list(reader.get(PERSON, ["a"])) == ["a"]
        assert len(reader.events()) == 1


@needs("snapshot")
def a_snapshot_is_one_moment(w: World) -> None:
    """A snapshot shows the moment at which it was opened, whatever is committed while it is open."""
    w.commit(put("a", score=1, keys=[("tag", "t")]), put("b"), entry(customer="c"))
    with w.store.reader(w.tenant, snapshot=True) as snapshot, w.store.reader(w.tenant, snapshot=True) as other:
        w.commit(put("a", 1, score=2), put("c"), Drop(PERSON, "b", 1), entry(), erase=("c",))
        w.commit(put("d"))
        assert snapshot.get(PERSON, ["a", "b", "c"])["a"].version == 1
        assert (snapshot.count(PERSON, EVERYTHING), other.count(PERSON, Has("tag", "eq", "t"))) == (2, 1)
        assert [e.personal for _, e in snapshot.events()] == ["{}"]
    assert (w.version("a"), w.ids()) == (2, ["a", "c", "d"])
    with w.store.reader(w.tenant, snapshot=True) as snapshot:
        assert (snapshot.count(PERSON, EVERYTHING), len(snapshot.events())) == (3, 2)


@needs("no snapshot")
def a_snapshot_that_is_not_declared_is_refused(w: World) -> None:
    """A store that cannot keep to one moment says so."""
    refused(NotSupported, lambda: w.store.reader(w.tenant, snapshot=True), feature="snapshot")


@promise
def a_reader_does_not_stand_in_the_way(w: World) -> None:
    """Somebody else commits while a reader is open."""
    w.commit(put("a"))
    with w.store.reader(w.tenant) as reader:
        reader.get(PERSON, ["a"])
        assert at_once([lambda: w.commit(put("b")).replayed]) == [False]


@promise
def a_reader_is_used_in_its_block(w: World) -> None:
    """Before and after its `with` block a reader refuses to read."""
    reader = w.store.reader(w.tenant)
    refused(Misuse, lambda: reader.get(PERSON, ["a"]))  # type: ignore[attr-defined]
    with reader as inside:
        inside.get(PERSON, ["a"])
    refused(Misuse, inside.events)


# the outbox


@promise
def a_message_comes_with_its_commit(w: World) -> None:
    """A message can be claimed as it was written, once its batch has landed, and when it is due."""
    later = w.message("m2", AT + HOUR, body="\U0001f600")
    w.commit(w.message("m1"), later)
    assert [(c.tenant, c.message, c.attempt) for c in w.claim()] == [(w.tenant, w.message("m1"), 1)]
    assert w.claim(now=AT + HOUR - timedelta(microseconds=1)) == ()
    assert [c.message for c in w.claim(now=AT + HOUR)] == [later]


@promise
def a_message_is_not_claimed_twice(w: World) -> None:
    """While a lease runs nobody else gets the message, also under racing claimers."""
    w.commit(*(w.message(f"m{i:02}") for i in range(40)))
    found = at_once([lambda: w.claim(limit=4)] * 8)
    claimed = sorted(c.message.id for claims in found for c in claims)
    assert claimed == [f"m{i:02}" for i in range(len(claimed))]
    assert len(w.claim(limit=100)) == 40 - len(claimed)
    assert len({c.token for claims in found for c in claims}) == len(claimed)


@promise
def an_ended_lease_is_due_again(w: World) -> None:
    """When a lease has ended the message is claimed anew, with a new token and one attempt more."""
    w.commit(w.message())
    first, second, third = claimed(w, lease=NOTHING), claimed(w, lease=NOTHING), claimed(w)
    assert [c.attempt for c in (first, second, third)] == [1, 2, 3]
    assert len({first.token, second.token, third.token}) == 3
    assert w.claim() == ()


@promise
def a_stale_token_settles_nothing(w: World) -> None:
    """Who was overtaken by another claim cannot settle, extend or delay the message."""
    w.commit(w.message())
    stale, fresh = claimed(w, lease=NOTHING), claimed(w)
    outcomes = [Done(stale), Retry(stale, AT), Dead(stale, "x"), Extend(stale, HOUR), Done(stale._replace(token=""))]
    assert w.store.settle(outcomes) == (False,) * 5
    assert w.claim() == ()
    assert w.store.settle([Done(fresh)]) == (True,)


@promise
def a_token_holds_until_the_next_claim(w: World) -> None:
    """Who is late but was not overtaken settles still."""
    w.commit(w.message())
    late = claimed(w, lease=NOTHING)
    assert w.store.settle([Extend(late, HOUR)]) == (True,)
    assert w.claim() == ()
    assert w.store.settle([Done(late)]) == (True,)


@promise
def done_never_returns(w: World) -> None:
    """A message that is done is never claimed again, settled only once, and its id stays taken."""
    w.commit(w.message())
    claim = claimed(w, lease=NOTHING)
    assert w.store.settle([Done(claim), Done(claim), Retry(claim, AT)]) == (True, False, False)
    assert w.claim(now=AT + 1000 * HOUR) == ()
    refused(Duplicate, lambda: w.commit(w.message()), kind="message", key="id")


@promise
def a_retry_waits_until_it_is_due(w: World) -> None:
    """A message that is tried again comes at its new time, with the same body, and counts its attempts."""
    w.commit(w.message())
    claim = claimed(w)
    assert w.store.settle([Retry(claim, AT + HOUR), Done(claim)]) == (True, False)
    assert w.claim() == ()
    again = claimed(w, now=AT + HOUR)
    assert (again.attempt, again.message) == (2, claim.message._replace(due=AT + HOUR))


@promise
def dead_is_not_claimed(w: World) -> None:
    """A message that can never be handled is kept and not claimed."""
    w.commit(w.message())
    assert w.store.settle([Dead(claimed(w), "no address")]) == (True,)
    assert w.claim(now=AT + 1000 * HOUR) == ()
    refused(Duplicate, lambda: w.commit(w.message()))


@promise
def extending_counts_from_now(w: World) -> None:
    """An extension sets the end of the lease anew, earlier included."""
    w.commit(w.message())
    claim = claimed(w)
    assert w.store.settle([Extend(claim, NOTHING)]) == (True,)
    assert [c.attempt for c in w.claim()] == [2]


@promise
def the_oldest_come_first(w: World) -> None:
    """Messages are claimed by the time that they are due, and at most so many."""
    w.commit(*(w.message(f"m{i}", AT - i * HOUR) for i in (1, 4, 2, 3)))
    assert [c.message.id for c in w.claim(limit=3)] == ["m4", "m3", "m2"]
    assert w.claim(limit=0) == w.claim(limit=-1) == ()
    assert w.beside().claim() == ()


@promise
def negative_leases_are_refused(w: World) -> None:
    """A lease cannot end before it begins."""
    w.commit(w.message())
    refused(Misuse, lambda: w.claim(lease=-HOUR))
    claim = claimed(w)
    refused(Misuse, lambda: w.store.settle([Done(claim), Extend(claim, -HOUR)]))
    assert w.store.settle([Done(claim)]) == (True,)


# several handles, closing, laying out


@needs("again")
def two_handles_are_one_store(w: World) -> None:
    """A second handle on the same data sees every commit, conflicts, and shares positions and claims."""
    other = w.beside(w.fresh())
    w.commit(put("a", email="e"), entry(), w.message())
    assert other.version("a") == 1
    refused(Conflict, lambda: other.commit(put("a")))
    refused(Duplicate, lambda: other.commit(put("b", email="e")))
    other.commit(entry())
    assert (len(w.events()), len(other.claim()), w.claim()) == (2, 1, ())
    other.store.close()
    assert w.version("a") == 1


@needs("durable")
def what_was_committed_is_there_after_reopening(w: World) -> None:
    """Closing and opening again loses nothing."""
    first = w.beside(w.fresh())
    first.commit(put("a", keys=[("tag", "t")]), entry(), w.message(), key="k")
    first.store.close()
    again = w.beside(w.fresh())
    assert (again.ids(Has("tag", "eq", "t")), len(again.events()), len(again.claim())) == (["a"], 1, 1)
    assert again.commit(put("a"), key="k").replayed is True
    again.store.close()


@promise
def preparing_twice_does_nothing(w: World) -> None:
    """Each mode finds a prepared store in order and keeps what is stored."""
    w.commit(put("a"))
    for mode in ("check", "create", "upgrade", "upgrade"):
        w.store.prepare(SCHEMA, mode)  # type: ignore[arg-type]
    assert w.ids() == ["a"]


@promise
def a_closed_store_refuses(w: World) -> None:
    """Closing twice is harmless, and every other call afterwards says that the store is closed."""
    closed = w.beside(w.fresh())
    closed.store.close()
    closed.store.close()
    for act in (
        lambda: closed.get("a"),
        closed.commit,
        closed.claim,
        lambda: closed.store.settle([]),
        lambda: closed.store.prepare(SCHEMA, "check"),
    ):
        refused(Unavailable, act)
