"""Record, Event, Change and Kind: what concepts are made of.

A rule makes an event first; `change` copies the event's fields into the record's fields of the same name, so that the
two cannot disagree. Both decorators stand over attrs' own; type checkers and `attrs.evolve` see plain attrs classes:

    @record("relationship", customer="customer")
    @frozen(kw_only=True)
    class Relationship(Record): ...

    @event("relationship.advanced")
    @frozen(kw_only=True)
    class RelationshipAdvanced(Event[Relationship]): ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, cast, get_args, get_origin

import attrs

from crmkit.errors import DefinitionError, Misuse
from crmkit.kernel.checks import (
    PERSONAL,
    Between,
    Checked,
    Id,
    bare,
    field_checks,
    hints_of,
    is_open_word,
    is_optional,
    is_personal,
    marks,
    parts_of_union,
    text_of,
)
from crmkit.kernel.dates import PartialDate
from crmkit.kernel.money import Money

T = TypeVar("T")
R = TypeVar("R", bound="Record")
R_co = TypeVar("R_co", bound="Record", covariant=True)

Scalar = str | int | None
"""What a store keeps in a column or key: text, a whole number (0 or 1 for truth, microseconds for time) or nothing."""

Row = tuple[Scalar, ...]
"""The columns of a record in the order of its kind, and last the rest of it as JSON text."""

Key = tuple[str, Scalar]
"""A search key of a record that is not a column, such as `("email", "ana@example.com")`; several may have one name."""

Holds = Literal["text", "int", "bool", "instant", "date"]
How = Literal["plain", "enum", "open", "instant", "date", "partial", "minor", "currency"]
Document = dict[str, Any]
Upgrade = Callable[[Document], Document]
"""Takes a stored document of one schema version to the next: column names and JSON fields to raw values."""


@attrs.frozen
class Column:
    """A scalar field of a record as stores see it.

    Attributes:
        name: the column's name, which queries and reports use.
        holds: what a store keeps in it; instants are microseconds since 1970 UTC, dates ISO text.
        null: whether it may be empty.
        longest: for text, the most characters that it takes.
        field: the field of the record that it comes from.
        how: how the codec gets from one to the other.
        enum: the vocabulary of the field, if it has one.
    """

    name: str
    holds: Holds
    null: bool
    longest: int
    field: str
    how: How
    enum: type[StrEnum] | None = None


@attrs.frozen(kw_only=True)
class Record(Checked):
    """What is kept of one thing: frozen, checked, versioned.

    Attributes:
        id: short text, its kind in front.
        version: how many changes made it what it is: 1 when created, one more with each event.
    """

    __kind__: ClassVar[Kind[Any]]

    id: Id
    version: Annotated[int, Between(0, 2**53)] = attrs.field(default=0, eq=False)


@attrs.frozen(kw_only=True)
class Event(Checked, Generic[R]):
    """What happened to a record. Who did it, when, why and on what occasion is on the envelope that the unit stamps."""

    __event__: ClassVar[EventType]


@attrs.frozen
class Change(Generic[R_co]):
    """What a rule decided: the record after it, the event that tells of it, and the record before, if there was one."""

    record: R_co
    event: Event[Any]
    before: R_co | None


@attrs.define(eq=False, slots=False)
class Kind(Generic[R]):
    """What everything outside the domain needs to know of a record class.

    Attributes:
        name: the kind's name, also in table names.
        cls: the record class.
        prefix: what its ids begin with.
        schema: the version of its layout; raised with an upgrade when the layout changes.
        upgrades: by schema version, what takes a stored document to the next one.
        unique: by name, a function of the record that gives its unique key; None never collides.
        keys: gives the search keys of a record.
        key_names: the names under which `keys` answers; one that ends in `*` stands for all that begin so.
        indexes: column names that are queried together.
        customer: the field that names the customer whom a record is about.
    """

    name: str
    cls: type[R]
    prefix: str
    schema: int
    upgrades: Mapping[int, Upgrade]
    unique: Mapping[str, Callable[[R], str | None]]
    keys: Callable[[R], Sequence[Key]] | None
    key_names: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...]
    customer: str | None

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        """The annotation of each field, `version` left out."""
        return MappingProxyType({n: h for n, h in hints_of(self.cls).items() if n != "version"})

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The scalar fields, `id` first."""
        return tuple(c for n, h in self.hints.items() for c in columns_of(n, h))

    @cached_property
    def rest(self) -> tuple[str, ...]:
        """The fields that are no columns."""
        fields = {c.field for c in self.columns}
        return tuple(n for n in self.hints if n not in fields)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each column stands in a row."""
        return MappingProxyType({c.name: i for i, c in enumerate(self.columns)})

    def uniques(self, record: R) -> tuple[str | None, ...]:
        """Give the unique keys of a record in the order of `unique`."""
        return tuple(f(record) for f in self.unique.values())

    def keys_of(self, record: R) -> tuple[Key, ...]:
        """Give the search keys of a record, each once."""
        return () if self.keys is None else tuple(dict.fromkeys(self.keys(record)))


@attrs.define(eq=False, slots=False)
class EventType:
    """What everything outside the domain needs to know of an event class.

    Attributes:
        name: what the journal calls it, such as `"relationship.advanced"`.
        cls: the event class.
        of: the record class whose events these are.
        schema: the version of its layout.
        upgrades: by schema version, what takes a stored body to the next one.
        sets: the fields that it gives the record.
        personal: the fields that erasure blanks.
    """

    name: str
    cls: type[Event[Any]]
    of: type[Record]
    schema: int
    upgrades: Mapping[int, Upgrade]
    sets: tuple[str, ...]
    personal: frozenset[str]


MOST_INDEXED = 500
"""The most characters that every engine can index; longer text is no column."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_EVENT_NAME = re.compile(r"[a-z][a-z0-9_.-]*")

KINDS: dict[str, Kind[Any]] = {}
EVENTS: dict[str, EventType] = {}


def columns_of(name: str, hint: Any) -> tuple[Column, ...]:  # noqa: C901, PLR0911 - one case per kind of scalar
    """Give the columns of a field: one, for money two, for what is no scalar none."""
    null, some = is_optional(hint), parts_of_union(hint)
    if is_open_word(hint):
        return (Column(name, "text", null, 80, name, "open", bare(some[0])),)
    if len(some) != 1:
        return ()
    plain = bare(some[0])
    if isinstance(plain, type):
        if issubclass(plain, StrEnum):
            return (Column(name, "text", null, max(len(m) for m in plain), name, "enum", plain),)
        if plain is str:
            longest = text_of(Annotated[(some[0], *marks(hint), PERSONAL)]).longest
            return () if longest > MOST_INDEXED else (Column(name, "text", null, longest, name, "plain"),)
        if plain is bool:
            return (Column(name, "bool", null, 0, name, "plain"),)
        if plain is int:
            return (Column(name, "int", null, 0, name, "plain"),)
        if plain is datetime:
            return (Column(name, "instant", null, 0, name, "instant"),)
        if plain is date:
            return (Column(name, "date", null, 10, name, "date"),)
        if plain is PartialDate:
            return (Column(name, "text", null, 10, name, "partial"),)
        if plain is Money:
            return (
                Column(f"{name}_minor", "int", null, 0, name, "minor"),
                Column(f"{name}_currency", "text", null, 3, name, "currency"),
            )
    return ()


def record(
    name: str,
    *,
    prefix: str | None = None,
    schema: int = 1,
    upgrades: Mapping[int, Upgrade] | None = None,
    unique: Mapping[str, Callable[[Any], str | None]] | None = None,
    keys: Callable[[Any], Sequence[Key]] | None = None,
    key_names: Sequence[str] = (),
    indexes: Sequence[Sequence[str]] = (),
    customer: str | None = None,
) -> Callable[[type[T]], type[T]]:
    """Declare a record class as a kind that stores keep. It stands over `@frozen(kw_only=True)`.

    Raises:
        DefinitionError: the class is no frozen attrs `Record`, the name is taken, an upgrade is missing, or a
            declaration names a field that there is not.
    """

    def declare(cls: type[T]) -> type[T]:
        made: Any = cls
        problems = _problems_of(cls, Record, _NAME.fullmatch(name), schema, upgrades or {})
        kind: Kind[Any] = Kind(
            name,
            made,
            prefix or name[:3],
            schema,
            upgrades or {},
            unique or {},
            keys,
            tuple(key_names),
            tuple(tuple(i) for i in indexes),
            customer,
        )
        if not problems:
            field_checks(made)
            named = {*(n for i in indexes for n in i), *([customer] if customer else [])}
            problems += [f"there is no column {n!r}" for n in sorted(named - set(kind.position))]
            problems += [f"{n!r} names two things" for n in _named_twice(kind)]
            problems += [f"{n} is the Record's own" for n in ("id", "version") if n in cls.__annotations__]
            problems += _taken(KINDS[name].cls if name in KINDS else None, cls)
        if problems:
            raise DefinitionError(f"record {name}", problems)
        made.__kind__ = KINDS[name] = kind
        _mask(made)
        return cls

    return declare


def event(
    name: str, *, schema: int = 1, upgrades: Mapping[int, Upgrade] | None = None, note: bool = False
) -> Callable[[type[T]], type[T]]:
    """Declare an event class `class RelationshipAdvanced(Event[Relationship])`. It stands over `@frozen(kw_only=True)`.

    Fields named like fields of the record are the record's new values; `note=True` says that there are none on purpose.

    Raises:
        DefinitionError: the class is no frozen attrs `Event[…]`, the name is taken, an upgrade is missing, none of its
            fields is the record's, or one differs from it in type or hides less.
    """

    def declare(cls: type[T]) -> type[T]:
        made: Any = cls
        problems = _problems_of(cls, Event, _EVENT_NAME.fullmatch(name), schema, upgrades or {})
        bases = [get_args(b)[0] for b in getattr(cls, "__orig_bases__", ()) if get_origin(b) is Event]
        if not bases:
            problems.append("name its record, as in Event[Customer]")
        if problems:
            raise DefinitionError(f"event {name}", problems)
        field_checks(made)
        mine, theirs = hints_of(made), hints_of(bases[0])
        sets = tuple(n for n in mine if n in theirs and n not in ("id", "version"))
        for n in sets:
            if _impersonal(mine[n]) != _impersonal(theirs[n]):
                problems.append(f"{n} is {mine[n]} here and {theirs[n]} in {bases[0].__name__}")
            elif is_personal(theirs[n]) and not is_personal(mine[n]):
                problems.append(f"{n} is Personal in {bases[0].__name__} and has to be here, or erasure would miss it")
        problems += [f"{n} is the record's own" for n in ("id", "version") if n in mine]
        if not sets and not note:
            problems.append(f"sets nothing of {bases[0].__name__}; say note=True if this is meant")
        problems += _taken(EVENTS[name].cls if name in EVENTS else None, cls)
        if problems:
            raise DefinitionError(f"event {name}", problems)
        personal = frozenset(n for n, h in mine.items() if is_personal(h))
        made.__event__ = EVENTS[name] = EventType(name, made, bases[0], schema, upgrades or {}, sets, personal)
        _mask(made)
        return cls

    return declare


def _problems_of(
    cls: type[Any], base: type[Any], name: re.Match[str] | None, schema: int, upgrades: Mapping[int, Upgrade]
) -> list[str]:
    if not (issubclass(cls, base) and "__attrs_attrs__" in cls.__dict__):
        return [f"{cls.__name__} is no attrs class on {base.__name__}: put @frozen(kw_only=True) under the decorator"]
    problems = (
        [] if name else ["its name takes lower-case letters, digits and _, a letter first; an event's also . and -"]
    )
    problems += [f"schema {schema} needs an upgrade from version {v}" for v in range(1, schema) if v not in upgrades]
    leading = sorted(v for v in upgrades if not 1 <= v < schema)
    return problems + [f"the upgrade from version {v} leads past schema {schema}" for v in leading]


def _named_twice(kind: Kind[Any]) -> list[str]:
    """Documents hold columns and other fields by name, and queries name columns, money and search keys."""
    columns = [c.name for c in kind.columns]
    stored, asked = [*columns, *kind.rest], [*{*columns, *(c.field for c in kind.columns)}, *kind.key_names]
    return sorted({n for names in (stored, asked) for n in names if names.count(n) > 1})


def _taken(holder: type[Any] | None, cls: type[Any]) -> list[str]:
    if holder is None or (holder.__module__, holder.__qualname__) == (cls.__module__, cls.__qualname__):
        return []
    return [f"the name is taken by {holder.__module__}.{holder.__qualname__}"]


def _impersonal(hint: Any) -> Any:
    said = tuple(m for m in marks(hint) if m is not PERSONAL)
    return Annotated[(bare(hint), *said)] if said else bare(hint)


def _mask(cls: type[Any]) -> None:
    hidden = frozenset(n for n, h in hints_of(cls).items() if is_personal(h))
    if not hidden:
        return
    names = [f.name for f in attrs.fields(cls)]

    def masked(self: Any) -> str:
        values = ((n, getattr(self, n)) for n in names)
        told = (f"{n}={'…' if n in hidden and v is not None else repr(v)}" for n, v in values)
        return f"{cls.__name__}({', '.join(told)})"

    cls.__repr__ = masked  # type: ignore[assignment]


_COPIERS: dict[tuple[type[Any], type[Any]], Callable[[Any, Any], Any]] = {}


def _copier(cls: type[Any], told: type[Any]) -> Callable[[Any, Any], Any]:
    """Generate `(record, event) -> the record after it`. The event's values were checked by the same rules."""
    of: EventType = told.__event__
    if not issubclass(cls, of.of):
        raise Misuse(f"{told.__name__} happens to a {of.of.__name__}, not to a {cls.__name__}")
    if [n for n in of.sets if _impersonal(hints_of(cls)[n]) != _impersonal(hints_of(told)[n])]:
        raise Misuse(f"{cls.__name__} narrows what {told.__name__} sets; give it an event of its own")
    space: dict[str, Any] = {"new": object.__new__, "cls": cls}
    body = ["n = new(cls)"]
    for f in attrs.fields(cls):
        space[f"set_{f.name}"] = getattr(cls, f.name).__set__  # the slot's own, which is not frozen
        value = f"e.{f.name}" if f.name in of.sets else f"r.{f.name}{' + 1' if f.name == 'version' else ''}"
        body.append(f"set_{f.name}(n, {value})")
    if hasattr(cls, "__agree__"):
        body.append("n.__agree__()")
    exec("def copy(r, e):\n    " + "\n    ".join([*body, "return n"]), space)  # noqa: S102 - generated from annotations
    made = _COPIERS[cls, told] = cast("Callable[[Any, Any], Any]", space["copy"])
    return made


def change(before: R, told: Event[R]) -> Change[R]:
    """Make the record that an event tells of: the event's fields replace the record's fields of the same name.

    Raises:
        Invalid: the new values break what the record's `__agree__` promises.
        Misuse: such an event does not happen to such a record.
    """
    copy = _COPIERS.get((type(before), type(told))) or _copier(type(before), type(told))
    return Change(copy(before, told), told, before)


def create(id: str, told: Event[R]) -> Change[R]:  # noqa: A002 - the field's own word
    """Make a new record from the event that tells of its beginning. Fields that it does not name keep their defaults.

    Raises:
        Invalid: a value breaks what the record's annotations or its `__agree__` promise.
    """
    of = type(told).__event__
    given = {n: getattr(told, n) for n in of.sets}
    return Change(cast("R", of.of(id=id, version=1, **given)), told, None)
