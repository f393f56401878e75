"""Records, events and changes: the event wins, the version counts, definitions that contradict themselves do not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import attrs
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import DefinitionError, Invalid, Misuse
from crmkit.kernel.checks import Between, Code, Id, Line, Note, Personal, Prose, Value
from crmkit.kernel.dates import PartialDate
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.money import Money
from crmkit.kernel.record import EVENTS, KINDS, Change, Column, Event, Record, change, columns_of, create, event, record

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)


class Stage(StrEnum):
    """A vocabulary."""

    OPEN = "open"
    COMMITTED = "committed"


@frozen
class Point(Value):
    """A value object that tells about a person."""

    text: Personal[str]


@record(
    "r_card",
    customer="customer",
    unique={"number": lambda c: c.number, "one_open": lambda c: c.customer if c.stage is Stage.OPEN else None},
    keys=lambda c: [("tag", t) for t in (*c.tags, *c.tags)],
    key_names=["tag", "attribute.*"],
    indexes=[("customer", "stage")],
)
@frozen(kw_only=True)
class Card(Record):
    """A record."""

    customer: Id
    number: Annotated[str, Code(20)]
    stage: Stage = Stage.OPEN
    points: int = 0
    cap: int = 100
    name: Personal[str] | None = None
    secret: Personal[int] = 0
    seen: tuple[Point, ...] = ()
    tags: tuple[str, ...] = ()
    paid: Money | None = None

    def __agree__(self) -> None:
        """Hold the points under the cap."""
        if self.points > self.cap:
            raise Invalid("Card.points", "cap", f"at most {self.cap}", "more")


@event("r_card.issued")
@frozen(kw_only=True)
class CardIssued(Event[Card]):
    """The card was made."""

    customer: Id
    number: Annotated[str, Code(20)]
    name: Personal[str] | None = None


@event("r_card.earned")
@frozen(kw_only=True)
class CardEarned(Event[Card]):
    """Points came in; `earned` is no field of the card."""

    points: int
    earned: int


@event("r_card.changed")
@frozen(kw_only=True)
class CardChanged(Event[Card]):
    """Several fields are new."""

    stage: Stage
    tags: tuple[str, ...]
    name: Personal[str] | None
    secret: Personal[int]


@event("r_card.seen", note=True)
@frozen(kw_only=True)
class CardSeen(Event[Card]):
    """Nothing changed."""

    where: str


def card(**given_: Any) -> Card:
    return create("r_c_1", CardIssued(customer="cus_1", number="A1", **given_)).record


# change and create


def test_create_makes_version_one_from_the_event_and_defaults() -> None:
    """What the event does not name keeps its default."""
    told = CardIssued(customer="cus_1", number="A1", name="Ana")
    made = create("r_c_1", told)
    assert made == Change(Card(id="r_c_1", customer="cus_1", number="A1", name="Ana", version=1), told, None)
    assert (made.record.version, made.event, made.before) == (1, told, None)


def test_create_checks() -> None:
    """A bad id, and fields that do not agree, are refused."""
    with pytest.raises(Invalid, match=r"Card\.id"):
        create("a/b", CardIssued(customer="cus_1", number="A1"))


@given(
    stage=st.sampled_from(Stage),
    tags=st.lists(st.sampled_from(["a", "b"])).map(tuple),
    name=st.none() | st.just("Ana"),
    secret=st.integers(0, 9),
    points=st.integers(0, 100),
    version=st.integers(0, 2**53 - 1),
)
def test_the_event_wins_and_the_rest_stays(  # noqa: PLR0917
    stage: Stage, tags: tuple[str, ...], name: str | None, secret: int, points: int, version: int
) -> None:
    """`change` is `evolve` with the event's fields, one version on."""
    before = attrs.evolve(card(), points=points, version=version)
    told = CardChanged(stage=stage, tags=tags, name=name, secret=secret)
    made = change(before, told)
    after = attrs.evolve(before, stage=stage, tags=tags, name=name, secret=secret, version=version + 1)
    assert (made.record, made.record.version) == (after, version + 1)
    assert (type(made.record), made.event, made.before) == (Card, told, before)
    assert before.version == version
    assert hash(made.record) == hash(after)


def test_what_was_changed_is_frozen_and_holds_together() -> None:
    """A changed record is as frozen as a new one, and `__agree__` is asked again."""
    after = change(card(), CardEarned(points=100, earned=100)).record
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        after.points = 1  # type: ignore[misc]
    with pytest.raises(Invalid, match="at most 100, found more"):
        change(after, CardEarned(points=101, earned=1))


def test_events_are_checked_by_the_rules_of_the_record() -> None:
    """So that `change` does not have to look again."""
    with pytest.raises(Invalid, match=r"CardEarned\.points"):
        CardEarned(points="5", earned=5)  # type: ignore[arg-type]
    assert CardChanged(stage="open", tags=["a"], name=None, secret=1).tags == ("a",)  # type: ignore[arg-type]


def test_a_note_only_counts() -> None:
    """An event that sets nothing still makes a version."""
    before = card()
    after = change(before, CardSeen(where="shop")).record
    assert (after, after.version) == (before, 2)


def test_version_is_no_part_of_equality() -> None:
    """Two copies of the same content are equal, whatever their version."""
    assert card() == attrs.evolve(card(), version=7)


@record("r_other")
@frozen(kw_only=True)
class OtherThing(Record):
    """Another kind."""

    points: int = 0


def test_an_event_happens_to_its_own_kind_only() -> None:
    """Also where the type checker was not asked."""
    with pytest.raises(Misuse, match=r"^CardEarned happens to a Card, not to a OtherThing$"):
        change(OtherThing(id="x"), CardEarned(points=1, earned=1))  # type: ignore[arg-type]


@record("r_gold")
@frozen(kw_only=True)
class GoldCard(Card):
    """A kind on another kind."""

    perks: tuple[str, ...] = ()


@record("r_tight")
@frozen(kw_only=True)
class TightCard(Card):
    """A kind that takes less."""

    points: Annotated[int, Between(0, 5)] = 0


def test_events_of_a_base_kind() -> None:
    """They happen to kinds on it, unless these narrow what the event sets."""
    gold = GoldCard(id="g", customer="c", number="1", perks=("lounge",))
    after = change(gold, CardEarned(points=1, earned=1)).record
    assert after == attrs.evolve(gold, points=1)
    with pytest.raises(Misuse, match=r"^TightCard narrows what CardEarned sets; give it an event of its own$"):
        change(TightCard(id="t", customer="c", number="1"), CardEarned(points=9, earned=9))


# what a kind tells


def test_what_a_kind_tells_of_a_record() -> None:
    """Columns, unique keys and search keys are read off the class and the declaration."""
    kind = Card.__kind__
    assert KINDS["r_card"] is kind
    assert (kind.name, kind.cls, kind.prefix, kind.schema, kind.customer) == ("r_card", Card, "r_c", 1, "customer")
    assert [c.name for c in kind.columns] == [
        "id", "customer", "number", "stage", "points", "cap", "name", "secret", "paid_minor", "paid_currency",
    ]  # fmt: skip
    assert kind.rest == ("seen", "tags")
    assert dict(kind.position) == {c.name: i for i, c in enumerate(kind.columns)}
    assert "version" not in kind.hints
    made = attrs.evolve(card(), tags=("a", "b"))
    assert kind.uniques(made) == ("A1", "cus_1")
    assert kind.uniques(attrs.evolve(made, stage=Stage.COMMITTED)) == ("A1", None)
    assert kind.keys_of(made) == (("tag", "a"), ("tag", "b"))
    assert OtherThing.__kind__.keys_of(OtherThing(id="x")) == ()


def test_what_an_event_type_tells() -> None:
    """Which fields it gives the record, and which of them erasure blanks."""
    kind = CardChanged.__event__
    assert EVENTS["r_card.changed"] is kind
    assert (kind.name, kind.cls, kind.of, kind.schema) == ("r_card.changed", CardChanged, Card, 1)
    assert kind.sets == ("stage", "tags", "name", "secret")
    assert kind.personal == {"name", "secret"}
    assert CardEarned.__event__.sets == ("points",)


@pytest.mark.parametrize(
    ("hint", "columns"),
    [
        (str, [Column("x", "text", False, 200, "x", "plain")]),
        (str | None, [Column("x", "text", True, 200, "x", "plain")]),
        (Personal[str], [Column("x", "text", False, 200, "x", "plain")]),
        (Personal[str | None], [Column("x", "text", True, 200, "x", "plain")]),
        (Annotated[str | None, Line(7)], [Column("x", "text", True, 7, "x", "plain")]),
        (Personal[Annotated[str, Line(300)]], [Column("x", "text", False, 300, "x", "plain")]),
        (Annotated[str, Prose(500)], [Column("x", "text", False, 500, "x", "plain")]),
        (Annotated[str, Prose(501)], []),
        (Note, []),
        (Annotated[str, Code(30)], [Column("x", "text", False, 30, "x", "plain")]),
        (Id, [Column("x", "text", False, 80, "x", "plain")]),
        (Id | None, [Column("x", "text", True, 80, "x", "plain")]),
        (Personal[Id], [Column("x", "text", False, 80, "x", "plain")]),
        (Stage, [Column("x", "text", False, 9, "x", "enum", Stage)]),
        (Stage | str | None, [Column("x", "text", True, 80, "x", "open", Stage)]),
        (bool, [Column("x", "bool", False, 0, "x", "plain")]),
        (int | None, [Column("x", "int", True, 0, "x", "plain")]),
        (datetime, [Column("x", "instant", False, 0, "x", "instant")]),
        (PartialDate | None, [Column("x", "text", True, 10, "x", "partial")]),
        (
            Money | None,
            [
                Column("x_minor", "int", True, 0, "x", "minor"),
                Column("x_currency", "text", True, 3, "x", "currency"),
            ],
        ),
        (Decimal, []),
        (Point, []),
        (tuple[str, ...], []),
        (FrozenDict[str], []),
        (str | int, []),
    ],
    ids=str,
)
def test_the_columns_of_a_field(hint: Any, columns: list[Column]) -> None:
    """Scalars are columns, as wide as what the check lets in; money is two; the rest is none."""
    assert columns_of("x", hint) == tuple(columns)


# what is hidden


def test_reprs_hide_what_is_personal() -> None:
    """Also a zero, also inside value objects and options; nothing stays nothing."""
    told = repr(attrs.evolve(card(name="Ana Reyes"), seen=(Point("ana@example.com"),)))
    assert told == (
        "Card(id='r_c_1', version=1, customer='cus_1', number='A1', stage=<Stage.OPEN: 'open'>, points=0, cap=100,"
        " name=…, secret=…, seen=…, tags=(), paid=None)"
    )
    assert "name=None" in repr(card())
    assert repr(CardIssued(customer="c", number="1", name="Ana")) == "CardIssued(customer='c', number='1', name=…)"
    assert repr(CardSeen(where="shop")) == "CardSeen(where='shop')"


# definitions


def problems(make: Any) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(DefinitionError) as caught:
        make()
    return caught.value.name, caught.value.problems


def test_all_problems_of_a_record_are_told_at_once() -> None:
    """Whoever fixes one should not meet the next only then."""

    def make() -> None:
        @record("r_bad", customer="nobody", indexes=[("stage", "tags")], key_names=["stage", "stage"])
        @frozen(kw_only=True)
        class Bad(Record):
            id: Id = "x"
            stage: Stage = Stage.OPEN
            tags: tuple[str, ...] = ()
            paid: Money
            paid_minor: int

    assert problems(make) == (
        "record r_bad",
        (
            "there is no column 'nobody'",
            "there is no column 'tags'",
            "'paid_minor' names two things",
            "'stage' names two things",
            "id is the Record's own",
        ),
    )
    assert "r_bad" not in KINDS


def test_names_and_upgrades_of_a_record() -> None:
    """The name becomes that of a table; every step from an older layout must be there, and no other."""

    def make() -> None:
        @record("Bad; DROP", schema=4, upgrades={2: dict, 4: dict, 0: dict})
        @frozen(kw_only=True)
        class Bad(Record):
            pass

    assert problems(make) == (
        "record Bad; DROP",
        (
            "its name takes lower-case letters, digits and _, a letter first; an event's also . and -",
            "schema 4 needs an upgrade from version 1",
            "schema 4 needs an upgrade from version 3",
            "the upgrade from version 0 leads past schema 4",
            "the upgrade from version 4 leads past schema 4",
        ),
    )


def test_what_is_no_record_or_event() -> None:
    """attrs' own decorator is missing, or the base is another."""

    class Bare(Record):
        pass

    sentence = "{} is no attrs class on {}: put @frozen(kw_only=True) under the decorator"
    assert problems(lambda: record("r_bare")(Bare)) == ("record r_bare", (sentence.format("Bare", "Record"),))
    assert problems(lambda: record("r_bare")(Point)) == ("record r_bare", (sentence.format("Point", "Record"),))
    assert problems(lambda: event("r_bare")(Point)) == (
        "event r_bare",
        (sentence.format("Point", "Event"), "name its record, as in Event[Customer]"),
    )


def test_a_name_is_taken_once() -> None:
    """By a record and by an event; the same class may come again, as it does when a module is reloaded."""

    @frozen(kw_only=True)
    class Second(Record):
        pass

    @frozen(kw_only=True)
    class SecondEvent(Event[Card]):
        points: int

    here = f"the name is taken by {__name__}"
    assert problems(lambda: record("r_card")(Second)) == ("record r_card", (f"{here}.Card",))
    assert problems(lambda: event("r_card.earned")(SecondEvent)) == ("event r_card.earned", (f"{here}.CardEarned",))
    assert record("r_other")(OtherThing) is OtherThing


def test_all_problems_of_an_event_are_told_at_once() -> None:
    """A field of another type, one that hides less, one that is the record's own."""

    def make() -> None:
        @event("r_card.bad")
        @frozen(kw_only=True)
        class Bad(Event[Card]):
            points: str
            secret: int
            version: int

    assert problems(make) == (
        "event r_card.bad",
        (
            "points is <class 'str'> here and <class 'int'> in Card",
            "secret is Personal in Card and has to be here, or erasure would miss it",
            "version is the record's own",
        ),
    )
    assert "r_card.bad" not in EVENTS


def test_an_event_that_sets_nothing_says_so() -> None:
    """Or a misspelt field would go unnoticed."""

    @frozen(kw_only=True)
    class Misspelt(Event[Card]):
        pionts: int

    told = ("sets nothing of Card; say note=True if this is meant",)
    assert problems(lambda: event("r_card.misspelt")(Misspelt)) == ("event r_card.misspelt", told)


def test_an_event_may_hide_more() -> None:
    """Personal in the event alone is fine: the journal keeps less."""

    @event("r_card.hidden")
    @frozen(kw_only=True)
    class Hidden(Event[Card]):
        points: Personal[int]

    assert Hidden.__event__.personal == {"points"}
    assert change(card(), Hidden(points=5)).record.points == 5


def test_an_unknown_annotation_is_a_definition_error() -> None:
    """Not a surprise at the first save."""

    def make() -> None:
        @record("r_float")
        @frozen(kw_only=True)
        class Bad(Record):
            score: float

    name, told = problems(make)
    assert name == "Bad.score"
    assert told[0].startswith("cannot check <class 'float'>; use text")
