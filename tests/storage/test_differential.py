"""SQLite answers like memory, and both like a small model that knows neither of them.

The model says what conditions, orders and pages mean without a line of the kernel's; the machine at the end holds the
two stores against each other over whole histories, refusals included.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from storage_world import AT, COLUMNS, HOUR, SCHEMA, World, entry, note, put

from crmkit.errors import CRMError
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import DEEPEST, And, Compare, Has, In, Not, Or, Prefix, Where
from crmkit.storage.memory import MemoryStore
from crmkit.storage.sql.store import SQLStore
from crmkit.storage.store import Done, Drop, Extend, Guard, Retry

TEXTS = [
    "",
    "a",
    "A",
    "a ",
    "ab",
    "b",
    "ä",
    "a\u0308",
    "%",
    "_",
    "'",
    "\\",
    "\U0001f600",
    "\ue000",
    "\uffff",
    "\ud7ff",
    "\U0010ffff",
    "10",
    "9",
]
NUMBERS = [0, 1, -1, 9, 10, 2**63 - 1, -(2**63)]
text = st.sampled_from(TEXTS)
number = st.sampled_from(NUMBERS)
OPS = ["eq", "ne", "lt", "le", "gt", "ge"]
TYPES: dict[str, st.SearchStrategy[Any]] = {
    "name": text,
    "nick": text | st.none(),
    "score": number | st.none(),
    "active": st.sampled_from([0, 1]),
    "seen": number | st.none(),
    "boss": st.sampled_from(["c1", "c2", "C1"]) | st.none(),
}
keys = st.lists(st.tuples(st.sampled_from(["tag", "size"]), text | number | st.none()), max_size=4, unique=True)
people = st.lists(st.tuples(st.fixed_dictionaries(TYPES), keys), max_size=9)


def compared() -> st.SearchStrategy[Where]:
    def of(name: str) -> st.SearchStrategy[Where]:
        value = TYPES[name] | st.none()
        plain = st.builds(Compare, st.just(name), st.sampled_from(OPS), value)
        some = st.builds(In, st.just(name), st.lists(value, max_size=4).map(tuple))
        return plain | some

    return st.sampled_from([*TYPES]).flatmap(of) | st.builds(
        Compare, st.just("id"), st.just("eq"), st.sampled_from(["p0", "p1"])
    )


prefix = st.builds(Prefix, st.sampled_from(["name", "nick", "boss"]), text)
plain_key = st.builds(
    Has, st.sampled_from(["tag", "size"]), st.sampled_from(["eq", "lt", "le", "gt", "ge"]), text | number | st.none()
)
other_key = st.builds(Has, st.sampled_from(["tag", "size", "none"]), st.just("prefix"), text) | st.builds(
    Has, st.sampled_from(["tag", "size", "none"]), st.just("any"), st.none()
)
atom = compared() | prefix | plain_key | other_key
conditions = st.recursive(
    atom,
    lambda inner: (
        st.builds(And, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=6,
)
orders = st.lists(st.sampled_from([*TYPES, "id"]), unique=True, max_size=3).flatmap(
    lambda names: st.tuples(*(st.sampled_from([n, f"-{n}"]) for n in names))
)


# the model


def compare(op: str, a: Any, b: Any) -> bool:
    if op in ("eq", "ne"):
        return (type(a) is type(b) and a == b) == (op == "eq")
    if a is None or b is None or type(a) is not type(b):
        return False
    return {"lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}[op]


def begins(value: Any, start: str) -> bool:
    return type(value) is str and value[: len(start)] == start


def meets(where: Where, row: dict[str, Any], some: list[tuple[str, Any]]) -> bool:
    if isinstance(where, Compare):
        return compare(where.op, row[where.field], where.value)
    if isinstance(where, In):
        return any(compare("eq", row[where.field], v) for v in where.values)
    if isinstance(where, Prefix):
        return begins(row[where.field], where.text)
    if isinstance(where, Has):
        mine = [v for k, v in some if k == where.key]
        if where.op == "any":
            return bool(mine)
        return any(
            begins(v, str(where.value)) if where.op == "prefix" else compare(where.op, v, where.value) for v in mine
        )
    if isinstance(where, Not):
        return not meets(where.part, row, some)
    assert isinstance(where, And | Or)
    return (all if isinstance(where, And) else any)(meets(p, row, some) for p in where.parts)


def in_order(rows: list[dict[str, Any]], order: tuple[str, ...]) -> list[str]:
    def before(a: dict[str, Any], b: dict[str, Any]) -> int:
        for name in (*order, "id"):
            x, y = a[name.removeprefix("-")], b[name.removeprefix("-")]
            if x != y:
                less = x is None or (y is not None and x < y)
                return (-1 if less else 1) * (-1 if name.startswith("-") else 1)
        return 0

    return [r["id"] for r in sorted(rows, key=functools.cmp_to_key(before))]


STORES = {"memory": MemoryStore(), "sqlite": SQLStore("sqlite://")}
for each in STORES.values():
    each.prepare(SCHEMA, "create")


def filled(people: Any) -> tuple[list[World], list[tuple[dict[str, Any], list[tuple[str, Any]]]]]:
    """Put the same people into both stores, and into the model."""
    puts = [put(f"p{i}", keys=some, **columns) for i, (columns, some) in enumerate(people)]
    worlds = [World(store, lambda s=store: s) for store in STORES.values()]
    for w in worlds:
        w.commit(*puts)
    return worlds, [(dict(zip(COLUMNS, p.row, strict=False)), list(p.keys)) for p in puts]


def singles() -> list[Where]:
    """Give every single condition there can be over the nasty values."""
    values: list[Any] = [*TEXTS, *NUMBERS, None]
    compared = [Compare(f, op, v) for f in TYPES for op in OPS for v in values if fits(f, v)]
    some = [In(f, (a, b)) for f in TYPES for a in values for b in values[::5] if fits(f, a) and fits(f, b)]
    starts = [Prefix(f, t) for f in ("name", "nick", "boss") for t in TEXTS]
    keyed = [Has("tag", op, v) for op in OPS if op != "ne" for v in values]  # type: ignore[arg-type]
    sets = [Or((Has("tag", "eq", a), Has("tag", "eq", b))) for a in values for b in values[::5]]
    rest = [Has("tag", "prefix", t) for t in TEXTS] + [Has("tag", "any", None), Has("none", "any", None)]
    return [*compared, *some, *starts, *keyed, *sets, *rest, And(()), Or(()), In("name", ())]


def fits(name: str, value: Any) -> bool:
    text_column = name in ("name", "nick", "boss")
    return value is None or (type(value) is str) == text_column


def test_every_single_condition() -> None:
    """Each comparison with each nasty value, and its opposite, finds what the model finds among all nasty values."""
    mixed = [*TEXTS, *NUMBERS, None]
    people = [
        ({"name": t, "nick": t, "score": n, "active": 1, "seen": n, "boss": t or None}, [("tag", k), ("size", n)])
        for t, n, k in zip(TEXTS * 2, [*NUMBERS, None] * 5, mixed[::-1] * 2, strict=False)
    ]
    people.append(({"name": "z", "nick": None, "score": None, "active": 0, "seen": None, "boss": None}, []))
    worlds, model = filled(people)
    for where in singles():
        for asked in (where, Not(where), Not(Not(where)), Not(And((where, Compare("active", "eq", 1))))):
            wanted = sorted(row["id"] for row, some in model if meets(asked, row, some))
            for w in worlds:
                assert w.ids(asked) == wanted


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(people=people, asked=st.lists(conditions, min_size=4, max_size=4), order=orders, limit=st.integers(1, 5))
def test_conditions_orders_and_pages(people: Any, asked: list[Where], order: tuple[str, ...], limit: int) -> None:
    """Both stores give the records that the model gives, in its order, whole or in pages of any size."""
    worlds, model = filled(people)
    for where in [*asked, And(())]:
        wanted = in_order([row for row, some in model if meets(where, row, some)], order)
        for w in worlds:
            assert w.ids(where, order=order) == wanted
            assert w.count(where) == len(wanted)
            assert [i for page in w.pages(where, order=order, limit=limit) for i in page] == wanted


@settings(max_examples=60)
@given(before=people, after=people, order=orders, limit=st.integers(1, 3))
def test_pages_go_on_at_their_place(before: Any, after: Any, order: tuple[str, ...], limit: int) -> None:
    """Whatever is changed between two pages, the second gives what comes after the first one's last record."""
    assume(len(before) > limit)
    found = []
    for store in STORES.values():
        w = World(store, lambda: store)
        w.commit(*(put(f"p{i}", keys=some, **columns) for i, (columns, some) in enumerate(before)))
        page = w.page(order=order, limit=limit)
        w.commit(*(put(f"p{i}", w.version(f"p{i}"), keys=some, **columns) for i, (columns, some) in enumerate(after)))
        found.append((w.ids(order=order, limit=limit), w.ids(order=order, after=page.next) if page.next else None))
    assert found[0] == found[1]


@pytest.mark.parametrize("size", [1, 7, 8, 9, 100, 2_500])
def test_wide_conditions(size: int) -> None:
    """Thousands of parts are no matter, whether of one search key, of several, or of columns."""
    for store in STORES.values():
        w = World(store, lambda: store)
        w.commit(put("a", name="5", keys=[("tag", "7"), ("size", 7)]), put("b", name="x"))
        tags = Or(
            tuple(Has("tag", "eq", str(i)) for i in range(size, size + 1))
            + tuple(Has("tag", "eq", str(i)) for i in range(size))
        )
        mixed = Or(tuple(Has("size" if i % 2 else "tag", "eq", i) for i in range(size)))
        names = Or(tuple(Compare("name", "eq", str(i)) for i in range(size)))
        assert w.ids(tags) == (["a"] if size >= 7 else [])
        assert w.ids(mixed) == (["a"] if size > 7 else [])
        assert w.ids(names) == (["a"] if size > 5 else [])
        assert w.ids(And(tuple(Not(p) for p in names.parts))) == (["b"] if size > 5 else ["a", "b"])
        assert w.ids(In("name", tuple(map(str, range(size))))) == (["a"] if size > 5 else [])
        assert len(w.get(*(f"z{i}" for i in range(size)), "a")) == 1


@pytest.mark.parametrize("width", [1, 20, 400])
def test_deep_conditions(width: int) -> None:
    """As deep as conditions may be, and wide besides, with what is deep in front or behind."""
    for behind in (False, True):
        where: Where = Compare("name", "eq", "x")
        for level in range(DEEPEST):
            atoms: tuple[Where, ...] = (*[Has("tag", "eq", "u"), Compare("name", "eq", "1")] * width,)[:width]
            parts = (*atoms, where) if behind else (where, *atoms)
            where = (Not(where), Or(parts), And(tuple(Not(p) if p is not where else p for p in parts)))[level % 3]
        found = []
        for store in STORES.values():
            w = World(store, lambda s=store: s)
            w.commit(put("a", name="x"), put("b", keys=[("tag", "u")]))
            found.append(w.ids(where))
        assert found[0] == found[1]


class Histories(RuleBasedStateMachine):
    """Both stores are told the same; they must answer alike, and hold alike."""

    def __init__(self) -> None:
        super().__init__()
        self.worlds = [World(store, lambda: store) for store in STORES.values()]
        self.messages = 0
        self.claims: list[tuple[Any, Any]] = []

    def both(self, act: Any) -> Any:
        """Do something in both worlds; the answers or the refusals are alike."""

        def answer(w: World) -> Any:
            try:
                return act(w)
            except CRMError as error:
                return type(error), error.args

        one, two = map(answer, self.worlds)
        assert one == two
        return one

    ids = st.sampled_from(["a", "b", "c", "d"])
    uniques = st.fixed_dictionaries(
        {"email": st.sampled_from(["1", "2", "3"]) | st.none(), "badge": st.sampled_from(["x", "y"]) | st.none()}
    )
    writes = st.lists(
        st.tuples(ids, uniques, keys, st.integers(-1, 1), st.sampled_from(["put", "put", "put", "drop", "guard"])),
        max_size=4,
    )
    tellings = st.lists(st.tuples(ids, st.sampled_from([None, "c1", "c2"]), st.sampled_from([None, "{}"])), max_size=3)

    @rule(
        writes=writes,
        told=tellings,
        erase=st.sets(st.sampled_from(["c1", "a"]), max_size=1),
        key=st.sampled_from([None, None, "k1", "k2"]),
        send=st.booleans(),
    )
    def commit(self, writes: Any, told: Any, erase: set[str], key: str | None, send: bool) -> None:
        parts: list[Any] = []
        for id_, unique, some, off, what in writes:
            version = max(self.worlds[0].version(id_) + (off if off * off == 1 and len(some) == 4 else 0), 0)
            if what == "put":
                parts.append(put(id_, version, keys=some, name=f"{len(some)}", **unique))
            elif what == "drop":
                parts.append(Drop(put(id_).kind, id_, version))
            else:
                parts.append(Guard(put(id_).kind, id_, version))
        parts += [entry(i, customer=c, personal=p) for i, c, p in told]
        number, self.messages = self.messages, self.messages + send
        messages = [f"m{number - (number % 5 == 4)}"] if send else []
        self.both(
            lambda w: w.commit(
                *parts,
                note("n", w.version("n", note("n").kind)),
                *map(w.message, messages),
                erase=tuple(erase),
                key=key,
            )
        )

    @rule(limit=st.integers(0, 3), lease=st.sampled_from([0, 1]))
    def claim(self, limit: int, lease: int) -> None:
        one, two = (w.claim(limit, lease * HOUR) for w in self.worlds)
        assert [(c.message.id, c.attempt) for c in one] == [(c.message.id, c.attempt) for c in two]
        self.claims += zip(one, two, strict=True)

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(
            [Done, lambda c: Retry(c, AT), lambda c: Extend(c, HOUR), lambda c: Extend(c, 0 * HOUR)]
        ),
    )
    def settle(self, data: st.DataObject, outcome: Any) -> None:
        pair = data.draw(st.sampled_from(self.claims))
        one, two = (w.store.settle([outcome(c)]) for w, c in zip(self.worlds, pair, strict=True))
        assert one == two

    @invariant()
    def records_are_alike(self) -> None:
        self.both(lambda w: w.page())
        self.both(lambda w: w.get("a", "b", "c", "d"))
        self.both(lambda w: w.page(Has("tag", "any", None), order=("-name",)))

    @rule(
        after=st.integers(0, 9),
        before=st.integers(0, 30) | st.none(),
        limit=st.integers(0, 9),
        newest=st.booleans(),
        about=st.sampled_from([None, Ref("customer", "c1"), Ref("customer", "a"), Ref(put("a").kind, "a")]),
    )
    def read(self, after: int, before: int | None, limit: int, newest: bool, about: Any) -> None:
        self.both(lambda w: w.events(after=after, before=before, limit=limit, newest_first=newest, about=about))


Histories.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
test_histories = Histories.TestCase
