"""Checks: what an annotation promises is held at construction, for every record, event and value object.

A field says what it takes in its annotation (`str`, `Annotated[str, Prose()]`, `Stage | None`, `tuple[ContactPoint, ...]`);
the check is generated from it once per class. Values are strict: exact types, so that nothing with a hostile `__eq__` gets
in; lists become tuples, dicts `FrozenDict`, instants UTC, texts of an enum its members. No field needs a validator of its own.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from itertools import count
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs

from crmkit.errors import DefinitionError, Invalid, redacted
from crmkit.kernel.dates import instant
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import ID, Ref, identifier
from crmkit.kernel.text import code, line, prose

T = TypeVar("T")
Full = Callable[[str, Any], Any]  # (field, value) -> the value as it is kept; raises Invalid


@attrs.frozen
class Line:
    """One line of text."""

    longest: int = 200
    empty: bool = False


@attrs.frozen
class Prose:
    """Text of several lines."""

    longest: int = 20_000
    empty: bool = False


@attrs.frozen
class Code:
    """An identifier given by others, such as an external order id or a tag."""

    longest: int = 200


@attrs.frozen
class Identifier:
    """An id of ours, or one that the host brings."""


@attrs.frozen
class Between:
    """A whole number, both ends included."""

    least: int
    most: int


@attrs.frozen
class AtMost:
    """How many items a container may hold; 1,000 where nothing is said."""

    items: int


@attrs.frozen
class _PersonalMark:
    """What `Personal` puts on a field."""


PERSONAL = _PersonalMark()
Personal = Annotated[T, PERSONAL]
"""A field that tells about a person: left out of reprs, kept apart in the journal, blanked by erasure."""

Id = Annotated[str, Identifier()]
Note = Annotated[str, Prose(empty=True)]
Percent = Annotated[int, Between(0, 100)]
Count = Annotated[int, Between(0, 2**53)]

_WHOLE = Between(-(2**63), 2**63 - 1)
_DAYS = (date(1800, 1, 1), date(2200, 12, 31))
_LONGEST_SPAN = timedelta(days=200 * 366)


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """Give the resolved annotations of the fields of an attrs class, `Annotated` kept, in the order of the fields."""
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: hints[f.name] for f in attrs.fields(cls)}


def bare(hint: Any) -> Any:
    """Strip `Annotated` from a hint."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint


def marks(hint: Any) -> tuple[Any, ...]:
    """Give what `Annotated` says about a hint."""
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def parts_of_union(hint: Any) -> tuple[Any, ...]:
    """Give the members of a union, None left out; the hint itself if it is none."""
    plain = bare(hint)
    if get_origin(plain) in (Union, types.UnionType):
        return tuple(a for a in get_args(plain) if a is not type(None))
    return (hint,)


def is_optional(hint: Any) -> bool:
    """Tell whether None is among what a hint takes."""
    return type(None) in get_args(bare(hint)) and get_origin(bare(hint)) in (Union, types.UnionType)


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def is_open_word(hint: Any) -> bool:
    """Tell whether a hint is an open vocabulary: `Stage | str`, where hosts bring words of their own."""
    some = parts_of_union(hint)
    return len(some) == 2 and _is_enum(bare(some[0])) and bare(some[1]) is str  # noqa: PLR2004 - an enum and str


class _Compiler:
    """Builds, for one class, the expressions of its quick checks and what they refer to."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"datetime": datetime, "utc": timezone.utc}
        self._numbers: Iterator[int] = count()

    def name(self, value: object) -> str:
        """Put a value where the generated code finds it."""
        name = f"k{next(self._numbers)}"
        self.space[name] = value
        return name

    def check(self, owner: str, hint: Any) -> tuple[str, Full]:
        """Give an expression over `v` that is true only if `v` is right as it is, and the full check."""
        some = parts_of_union(hint)
        if is_optional(hint):
            quick, full = self.some(owner, some, hint)
            return f"v is None or ({quick})", lambda f, v: None if v is None else full(f, v)
        return self.some(owner, some, hint)

    def some(self, owner: str, some: tuple[Any, ...], hint: Any) -> tuple[str, Full]:
        """Check against the members of a union, or the one hint there is."""
        if len(some) == 1:
            inner = some[0]
            if inner is not hint and marks(hint):
                inner = Annotated[(inner, *marks(hint))]
            return self.one(owner, inner)
        if is_open_word(hint):
            enum = cast("type[StrEnum]", bare(some[0]))
            words = {m.value: m for m in enum}

            def open_word(field: str, value: Any) -> Any:
                if type(value) is enum:
                    return value
                if isinstance(value, StrEnum):
                    value = value.value
                return words[value] if type(value) is str and value in words else line(field, value, longest=80)

            return f"type(v) is {self.name(enum)}", open_word
        return self._dispatch(owner, some)

    def _dispatch(self, owner: str, some: tuple[Any, ...]) -> tuple[str, Full]:
        checks = [(_python_types(bare(h)), *self.one(owner, h)) for h in some]
        by_type = {t: full for accepted, _, full in checks for t in accepted}
        names = " or ".join(h.__name__ for h in map(bare, some) if isinstance(h, type))

        def member(field: str, value: Any) -> Any:
            if (full := by_type.get(type(value))) is None:
                raise Invalid(field, "type", names, redacted(value))
            return full(field, value)

        return " or ".join(f"({quick})" for _, quick, _ in checks), member

    def one(self, owner: str, hint: Any) -> tuple[str, Full]:  # noqa: C901, PLR0911, PLR0912 - one case per kind of hint
        """Check against a hint that is no union."""
        plain, said = bare(hint), marks(hint)
        if plain is str:
            return self._text(next((m for m in said if isinstance(m, Line | Prose | Code | Identifier)), Line()))
        if plain is bool:
            return "v is True or v is False", _of_type(bool, "True or False")
        if plain is int:
            return self._whole(next((m for m in said if isinstance(m, Between)), _WHOLE))
        if plain is Decimal:
            return "False", _decimal
        if plain is datetime:
            return "type(v) is datetime and v.tzinfo is utc and 1900 <= v.year <= 2200", instant
        if plain is date:
            return "False", _day
        if plain is timedelta:
            return "False", _span
        if plain is Ref:
            return f"type(v) is {self.name(Ref)}", _ref
        if _is_enum(plain):
            return self._enum(plain)
        origin = get_origin(plain)
        if origin is tuple:
            return self._items(owner, hint, tuple)
        if origin is frozenset:
            return self._items(owner, hint, frozenset)
        if origin is FrozenDict:
            return self._mapping(owner, hint)
        if isinstance(plain, type) and attrs.has(plain):
            return f"type(v) is {self.name(plain)}", _of_type(plain, plain.__name__)
        problem = f"cannot check {hint!r}; use text, whole numbers, Decimal, instants, enums, value objects, tuples or FrozenDict"
        raise DefinitionError(owner, [problem])

    def _text(self, mark: Line | Prose | Code | Identifier) -> tuple[str, Full]:
        if isinstance(mark, Identifier):
            return f"type(v) is str and {self.name(ID.fullmatch)}(v) is not None", identifier
        least = 0 if not isinstance(mark, Code) and mark.empty else 1
        quick = f"type(v) is str and {least} <= len(v) <= {mark.longest} and v.isascii() and v.isprintable()"
        if least:
            quick += " and not v.isspace()"
        if isinstance(mark, Line):
            return quick, lambda f, v: line(f, _word(v), longest=mark.longest, empty=mark.empty)
        if isinstance(mark, Prose):
            return quick, lambda f, v: prose(f, _word(v), longest=mark.longest, empty=mark.empty)
        return "False", lambda f, v: code(f, _word(v), longest=mark.longest)

    def _whole(self, mark: Between) -> tuple[str, Full]:
        def whole(field: str, value: Any) -> int:
            if type(value) is not int:
                raise Invalid(field, "whole-number", "a whole number", redacted(value))
            if not mark.least <= value <= mark.most:
                bounds = f"a whole number from {mark.least} to {mark.most}"
                raise Invalid(field, "range", bounds, f"a number of {value.bit_length()} bits")
            return value

        return f"type(v) is int and {mark.least} <= v <= {mark.most}", whole

    def _enum(self, enum: type[Enum]) -> tuple[str, Full]:
        words = {m.value: m for m in enum}

        def member(field: str, value: Any) -> Any:
            if type(value) is enum:
                return value
            if type(value) is str and value in words:
                return words[value]
            raise Invalid(field, "word", f"one of {', '.join(map(str, words))}", redacted(value))

        return f"type(v) is {self.name(enum)}", member

    def _items(self, owner: str, hint: Any, kind: type[Any]) -> tuple[str, Full]:
        inner = get_args(bare(hint))[0]
        _, item = self.check(owner, inner)
        most = next((m.items for m in marks(hint) if isinstance(m, AtMost)), 1000)
        accepted = (tuple, list) if kind is tuple else (frozenset, set)

        def items(field: str, value: Any) -> Any:
            if type(value) not in accepted:
                raise Invalid(field, "type", f"a {accepted[1].__name__} or {kind.__name__}", redacted(value))
            if len(value) > most:
                raise Invalid(field, "too-many", f"at most {most} items", redacted(value))
            kept = [item(f"{field}[{i}]", v) for i, v in enumerate(value)]
            if type(value) is kind and all(map(_same, kept, value)):
                return value
            return kind(kept)

        return f"type(v) is {kind.__name__} and not v", items

    def _mapping(self, owner: str, hint: Any) -> tuple[str, Full]:
        _, item = self.check(owner, get_args(bare(hint))[-1])
        most = next((m.items for m in marks(hint) if isinstance(m, AtMost)), 1000)

        def mapping(field: str, value: Any) -> FrozenDict[Any]:
            if type(value) not in (FrozenDict, dict):
                raise Invalid(field, "type", "a dict or FrozenDict", redacted(value))
            if len(value) > most:
                raise Invalid(field, "too-many", f"at most {most} items", f"{len(value)} items")
            kept = {code(f"{field} key", _word(k), longest=100): item(f"{field}[…]", v) for k, v in value.items()}
            if type(value) is FrozenDict and all(map(_same, kept.values(), value.values())):
                return value
            return FrozenDict(kept)

        return f"type(v) is {self.name(FrozenDict)} and not v", mapping


def _same(a: object, b: object) -> bool:
    return a is b


def _word(value: Any) -> Any:
    """A member of a StrEnum is as good as its text."""
    return value.value if isinstance(value, StrEnum) else value


def _of_type(kind: type[Any], expected: str) -> Full:
    def of_type(field: str, value: Any) -> Any:
        if type(value) is not kind:
            raise Invalid(field, "type", expected, redacted(value))
        return value

    return of_type


def _decimal(field: str, value: Any) -> Decimal:
    if type(value) is not Decimal:
        raise Invalid(field, "decimal", "a Decimal (never a float)", redacted(value))
    if not value.is_finite():
        raise Invalid(field, "finite", "a finite number", redacted(value))
    if abs(value.adjusted()) > 18 or len(value.as_tuple().digits) > 28:  # noqa: PLR2004 - what a Decimal keeps exactly
        raise Invalid(field, "range", "at most 18 places before and after the point", redacted(value))
    return value + 0 if value == 0 else value


def _day(field: str, value: Any) -> date:
    if type(value) is not date:
        raise Invalid(field, "date", "a date without a time", redacted(value))
    if not _DAYS[0] <= value <= _DAYS[1]:
        raise Invalid(field, "range", "a date from 1800 to 2200", redacted(value))
    return value


def _span(field: str, value: Any) -> timedelta:
    if type(value) is not timedelta:
        raise Invalid(field, "span", "a timedelta", redacted(value))
    if not timedelta(0) <= value <= _LONGEST_SPAN:
        raise Invalid(field, "range", "a span from nothing to 200 years", redacted(value))
    return value


def _ref(field: str, value: Any) -> Ref:
    if type(value) is not Ref:
        raise Invalid(field, "type", "a Ref", redacted(value))
    return Ref(line(f"{field}.kind", value.kind, longest=80), identifier(f"{field}.id", value.id))


def _python_types(plain: Any) -> tuple[type[Any], ...]:
    origin = get_origin(plain)
    if origin is not None:
        return {tuple: (tuple, list), frozenset: (frozenset, set), FrozenDict: (FrozenDict, dict)}.get(origin, ())
    return (plain,)


def field_checks(cls: type[Any]) -> tuple[dict[str, tuple[str, str]], dict[str, Any]]:
    """Generate the checks of a class: by field an expression over `v` and the name of the full check, and their names' values.

    Raises:
        DefinitionError: an annotation says something that cannot be checked.
    """
    compiler = _Compiler()
    checks: dict[str, tuple[str, str]] = {}
    for name, hint in hints_of(cls).items():
        quick, full = compiler.check(f"{cls.__name__}.{name}", hint)
        checks[name] = (quick, compiler.name(full))
    return checks, compiler.space


_CHECKS: dict[type[Any], Callable[[Any], None]] = {}


def _check_all(cls: type[Any]) -> Callable[[Any], None]:
    checks, space = field_checks(cls)
    body = [
        f"    v = self.{n}\n    if not ({quick}):\n        w = {full}({f'{cls.__name__}.{n}'!r}, v)\n"
        f"        if w is not v: keep(self, {n!r}, w)"
        for n, (quick, full) in checks.items()
    ]
    if hasattr(cls, "__agree__"):
        body.append("    self.__agree__()")
    space["keep"] = object.__setattr__
    exec("def check(self):\n" + "\n".join(body or ["    pass"]), space)  # noqa: S102 - generated from the class's own annotations
    made = cast("Callable[[Any], None]", space["check"])
    _CHECKS[cls] = made
    return made


class Checked:
    """What is checked against its annotations when it is made. A class may add `__agree__`, which holds its fields together."""

    __slots__ = ()

    def __attrs_post_init__(self) -> None:
        (_CHECKS.get(type(self)) or _check_all(type(self)))(self)


@attrs.frozen
class Value(Checked):
    """A value object: equal by content, frozen, checked when it is made."""
