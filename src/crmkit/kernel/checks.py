"""Checks: what an annotation promises is held at construction, for every record, event and value object.

A field says what it takes in its annotation (`str`, `Annotated[str, Prose()]`, `Stage | None`, `tuple[Point, ...]`);
the check is generated from it once per class. Values are strict: exact types, so that nothing with a hostile `__eq__`
gets in; lists become tuples, dicts `FrozenDict`, instants UTC, texts of an enum its members. No field needs a validator
of its own.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from itertools import count
from typing import Annotated, Any, ClassVar, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs

from crmkit.errors import DefinitionError, Invalid, redacted
from crmkit.kernel.dates import PartialDate, instant
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import ID, Ref, identifier
from crmkit.kernel.money import Money
from crmkit.kernel.text import code, line, prose, search_key

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

    longest: ClassVar[int] = 80


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

SCALARS = frozenset({str, bool, int, Decimal, date, datetime, Money})
"""What may stand together in a union, such as the values of custom attributes."""

_WHOLE = Between(-(2**63), 2**63 - 1)
_MOST_PLACES, _MOST_DIGITS = 18, 28
_DAYS = (date(1800, 1, 1), date(2200, 12, 31))
_LONGEST_SPAN = timedelta(days=200 * 366)


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """Give the resolved annotations of the fields of an attrs class, `Annotated` kept, in the order of the fields."""
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        problem = (
            f"an annotation names {error.name!r}, which is not there at run time: import it or define it in the module"
        )
        raise DefinitionError(cls.__name__, [problem]) from None
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


def is_open_word(hint: Any) -> bool:
    """Tell whether a hint is an open vocabulary: `Stage | str`, where hosts bring words of their own."""
    some = parts_of_union(hint)
    return len(some) == 2 and _is(bare(some[0]), StrEnum) and bare(some[1]) is str  # noqa: PLR2004 - an enum and str


def is_scalar_union(hint: Any) -> bool:
    """Tell whether a hint is a union of `SCALARS`."""
    some = parts_of_union(hint)
    return len(some) > 1 and all(bare(h) in SCALARS for h in some)


def is_value_union(hint: Any) -> bool:
    """Tell whether a hint is a union of value objects: `Person | Organisation`."""
    some = parts_of_union(hint)
    return len(some) > 1 and all(_is(bare(h), Checked) for h in some)


def text_of(hint: Any) -> Line | Prose | Code | Identifier:
    """Give what a hint of text says about it; one line where nothing is said."""
    return next((m for m in marks(hint) if isinstance(m, Line | Prose | Code | Identifier)), Line())


def is_personal(hint: Any) -> bool:
    """Tell whether a hint, or anything in it, is marked as personal."""
    return _is_personal(hint, frozenset())


def _is_personal(hint: Any, above: frozenset[Any]) -> bool:
    plain = bare(hint)
    if PERSONAL in marks(hint):
        return True
    if _is(plain, Checked):
        return plain not in above and any(_is_personal(h, above | {plain}) for h in hints_of(plain).values())
    return any(_is_personal(h, above) for h in get_args(plain))


def _is(plain: Any, kind: type[Any]) -> bool:
    return isinstance(plain, type) and issubclass(plain, kind)


class _Compiler:
    """Builds, for one class, the expressions of its quick checks and what they refer to."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"datetime": datetime, "utc": UTC}
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
            nearly = {search_key(m.value): m.value for m in enum}

            def open_word(field: str, value: Any) -> Any:
                if type(value) is enum:
                    return value
                value = _word(value)
                if type(value) is str and value in words:
                    return words[value]
                own = line(field, value, longest=80)
                if (meant := nearly.get(search_key(own))) is not None:
                    raise Invalid(field, "word", f"{meant!r} exactly so, or a word of the host's own", redacted(own))
                return own

            return f"type(v) is {self.name(enum)}", open_word
        if is_scalar_union(hint) or is_value_union(hint):
            return self._dispatch(owner, some)
        union = "a union takes scalars, value objects, or one StrEnum and then str"
        problem = f"cannot tell the members of {hint!r} apart; {union}"
        raise DefinitionError(owner, [problem])

    def _dispatch(self, owner: str, some: tuple[Any, ...]) -> tuple[str, Full]:
        checks = [(bare(h), *self.one(owner, h)) for h in some]
        by_type = {plain: full for plain, _, full in checks}
        names = " or ".join(plain.__name__ for plain in by_type)

        def member(field: str, value: Any) -> Any:
            if (full := by_type.get(type(value))) is None:
                raise Invalid(field, "type", names, redacted(value))
            return full(field, value)

        return " or ".join(f"({quick})" for _, quick, _ in checks), member

    def one(self, owner: str, hint: Any) -> tuple[str, Full]:  # noqa: C901, PLR0911, PLR0912 - a case per hint
        """Check against a hint that is no union."""
        plain, said = bare(hint), marks(hint)
        if plain is str:
            return self._text(text_of(hint))
        if plain is bool:
            return "v is True or v is False", _of_type(bool, "True or False")
        if plain is int:
            return self._whole(next((m for m in said if isinstance(m, Between)), _WHOLE))
        if plain is Decimal:
            return "False", _decimal
        if plain is datetime:
            return "type(v) is datetime and v.tzinfo is utc and 1900 <= v.year <= 2200 and not v.fold", instant
        if plain is date:
            return "False", _day
        if plain is timedelta:
            return "False", _span
        if plain is Ref:
            return "False", _ref
        if _is(plain, Enum):
            return self._enum(plain)
        origin = get_origin(plain)
        if origin is tuple and get_args(plain)[1:] == (...,):
            return self._items(owner, hint, tuple)
        if origin is frozenset:
            return self._items(owner, hint, frozenset)
        if origin is FrozenDict:
            return self._mapping(owner, hint)
        if plain in (Money, PartialDate) or (_is(plain, Checked) and attrs.has(plain)):
            return f"type(v) is {self.name(plain)}", _of_type(plain, plain.__name__)
        problem = (
            f"cannot check {hint!r}; use text, whole numbers, Decimal, Money, instants, dates, enums, Refs,"
            " classes on Value, tuple[…, ...], frozenset or FrozenDict"
        )
        raise DefinitionError(owner, [problem])

    def _text(self, mark: Line | Prose | Code | Identifier) -> tuple[str, Full]:
        if isinstance(mark, Identifier):
            return f"type(v) is str and {self.name(ID.fullmatch)}(v) is not None", identifier
        least = 0 if not isinstance(mark, Code) and mark.empty else 1
        quick = f"type(v) is str and {least} <= len(v) <= {mark.longest} and v.isascii() and v.isprintable()"
        if isinstance(mark, Code):
            quick += " and ' ' != v[0] and v[-1] != ' ' and '  ' not in v"
            return quick, lambda f, v: code(f, _word(v), longest=mark.longest)
        checked, longest, empty = line if isinstance(mark, Line) else prose, mark.longest, mark.empty
        return f"{quick} and not v.isspace()", lambda f, v: checked(f, _word(v), longest=longest, empty=empty)

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
        quick, item = self.check(owner, get_args(bare(hint))[0])
        most = next((m.items for m in marks(hint) if isinstance(m, AtMost)), 1000)
        accepted: dict[type[Any], tuple[type[Any], ...]] = {tuple: (tuple, list), frozenset: (frozenset, set)}
        kinds = accepted[kind]

        def items(field: str, value: Any) -> Any:
            given = cast("type[object]", type(value))
            if given not in kinds:
                raise Invalid(field, "type", f"a {kinds[1].__name__} or {kind.__name__}", redacted(value))
            if len(value) > most:
                raise Invalid(field, "too-many", f"at most {most} items", redacted(value))
            kept = [item(f"{field}[{i}]", v) for i, v in enumerate(value)]
            return value if given is kind and all(map(_same, kept, value)) else kind(kept)

        return f"type(v) is {kind.__name__} and (not v or len(v) <= {most} and all([{quick} for v in v]))", items

    def _mapping(self, owner: str, hint: Any) -> tuple[str, Full]:
        quick, item = self.check(owner, get_args(bare(hint))[-1])
        key, _ = self._text(Code(100))
        most = next((m.items for m in marks(hint) if isinstance(m, AtMost)), 1000)

        def mapping(field: str, value: Any) -> FrozenDict[Any]:
            given = cast("type[object]", type(value))
            if given not in (FrozenDict, dict):
                raise Invalid(field, "type", "a dict or FrozenDict", redacted(value))
            if len(value) > most:
                raise Invalid(field, "too-many", f"at most {most} items", f"{len(value)} items")
            kept = {code(f"{field} key", _word(k), longest=100): item(f"{field}[…]", v) for k, v in value.items()}
            same = given is FrozenDict and all(map(_same, kept.values(), value.values()))
            return cast("FrozenDict[Any]", value) if same else FrozenDict(kept)

        right = f"len(v) <= {most} and all([{key} for v in v]) and all([{quick} for v in v.values()])"
        return f"type(v) is {self.name(FrozenDict)} and (not v or {right})", mapping


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
    _, digits, exponent = value.as_tuple()
    if value.adjusted() >= _MOST_PLACES or cast("int", exponent) < -_MOST_PLACES or len(digits) > _MOST_DIGITS:
        expected = f"at most {_MOST_PLACES} places before the point and after it, {_MOST_DIGITS} together"
        raise Invalid(field, "range", expected, redacted(value))
    return value.copy_abs() if value.is_signed() and not value else value


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
    line(f"{field}.kind", value.kind, longest=80)
    identifier(f"{field}.id", value.id)
    return value


def field_checks(cls: type[Any]) -> tuple[dict[str, tuple[str, str]], dict[str, Any]]:
    """Generate the checks of a class: by field an expression over `v` and the name of the full check; what names mean.

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
    exec("def check(self):\n" + "\n".join(body or ["    pass"]), space)  # noqa: S102 - generated from annotations
    made = cast("Callable[[Any], None]", space["check"])
    _CHECKS[cls] = made
    return made


class Checked:
    """What is checked against its annotations when it is made. `__agree__`, if there is one, holds fields together."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__attrs_post_init__" in cls.__dict__:
            raise DefinitionError(cls.__name__, ["its __attrs_post_init__ would replace the checks: call it __agree__"])

    def __attrs_post_init__(self) -> None:
        (_CHECKS.get(type(self)) or _check_all(type(self)))(self)


@attrs.frozen
class Value(Checked):
    """A value object: equal by content, frozen, checked when it is made."""
