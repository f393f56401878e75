"""Codec: records to rows and back, events to journal bodies and back, old layouts included.

Columns are coded by a function generated per kind. Everything else goes through one cattrs converter, so that unions,
value objects and containers need no hook per concept. What was checked when it was made is not checked when it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
import cattrs

from crmkit.errors import DefinitionError, Unreadable
from crmkit.kernel.checks import (
    Checked,
    bare,
    hints_of,
    is_open_word,
    is_optional,
    is_scalar_union,
    is_value_union,
    parts_of_union,
)
from crmkit.kernel.dates import PartialDate, from_micros, micros
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref
from crmkit.kernel.money import Money
from crmkit.kernel.record import EVENTS, KINDS, Column, Document, Event, EventType, Kind, Record, Row, Scalar, Upgrade

R = TypeVar("R", bound=Record)

converter = cattrs.Converter(detailed_validation=False, forbid_extra_keys=True, omit_if_default=True)
dump = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), allow_nan=False).encode
load = json.JSONDecoder().decode


def _ignoring_type(back: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda raw, _: back(raw)


def _instant(raw: str) -> datetime:
    at = datetime.fromisoformat(raw)
    if at.tzinfo is not UTC:
        raise ValueError
    return at


def _plain_hooks() -> None:
    pairs: list[tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = [
        (datetime, datetime.isoformat, _instant),
        (date, date.isoformat, date.fromisoformat),
        (timedelta, lambda span: span // timedelta(microseconds=1), lambda us: timedelta(microseconds=us)),
        (Decimal, str, Decimal),
        (Money, str, Money.parse),
        (PartialDate, str, PartialDate.parse),
        (Ref, list, lambda pair: Ref(*pair)),
    ]
    for cls, there, back in pairs:
        converter.register_unstructure_hook(cls, there)
        converter.register_structure_hook(cls, _ignoring_type(back))


def _is_frozen_dict(hint: Any) -> bool:
    return get_origin(hint) is FrozenDict


def _frozen_dict_there(hint: Any) -> Callable[[Any], Any]:
    inner = converter.get_unstructure_hook(get_args(hint)[-1])
    return lambda mapping: {k: inner(v) for k, v in mapping.items()}


def _frozen_dict_back(hint: Any) -> Callable[[Any, Any], Any]:
    item = get_args(hint)[-1]
    inner = converter.get_structure_hook(item)
    return lambda raw, _: FrozenDict({k: inner(v, item) for k, v in raw.items()})


def _open_word_there(_: Any) -> Callable[[Any], Any]:
    return lambda word: None if word is None else str(word)


def _open_word_back(hint: Any) -> Callable[[Any, Any], Any]:
    words = _words(bare(parts_of_union(hint)[0]))
    return lambda raw, _: None if raw is None else words.get(raw, raw)


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _enum_back(enum: Any) -> Callable[[Any, Any], Any]:
    words = _words(enum)
    return lambda raw, _: words[raw]


def _is_items(hint: Any) -> bool:
    return get_origin(hint) in (tuple, frozenset)


def _items_back(hint: Any) -> Callable[[Any, Any], Any]:
    kind: Any = get_origin(hint)
    item = get_args(hint)[0]
    inner = converter.get_structure_hook(item)

    def back(raw: Any, _: Any) -> Any:
        if raw.__class__ is not list:
            raise TypeError
        return kind([inner(i, item) for i in raw])

    return back


def _is_frozenset(hint: Any) -> bool:
    return get_origin(hint) is frozenset


def _frozenset_there(hint: Any) -> Callable[[Any], Any]:
    inner = converter.get_unstructure_hook(get_args(hint)[0])
    return lambda items: sorted((inner(i) for i in items), key=dump)


_TAGS: dict[type[Any], str] = {Decimal: "decimal", date: "date", datetime: "instant", Money: "money"}
"""The scalars that JSON cannot tell from text, and what says so there."""


def _scalar_union_there(_: Any) -> Callable[[Any], Any]:
    hooks = {cls: (tag, converter.get_unstructure_hook(cls)) for cls, tag in _TAGS.items()}

    def there(value: object) -> Any:
        if (tagged := hooks.get(type(value))) is None:
            return value
        tag, hook = tagged
        return {tag: hook(value)}

    return there


def _scalar_union_back(_: Any) -> Callable[[Any, Any], Any]:
    hooks = {tag: (converter.get_structure_hook(cls), cls) for cls, tag in _TAGS.items()}

    def back(raw: Any, _: Any) -> Any:
        if type(raw) is not dict:
            return raw
        ((tag, inner),) = cast("dict[str, Any]", raw).items()
        hook, cls = hooks[tag]
        return hook(inner, cls)

    return back


def _value_union_there(hint: Any) -> Callable[[Any], Any]:
    classes = [bare(h) for h in parts_of_union(hint)]
    hooks = {cls: (converter.get_unstructure_hook(cls), _tag(cls)) for cls in classes}
    if len({tag for _, tag in hooks.values()}) < len(hooks):
        raise DefinitionError(
            str(hint), ["two of its classes have one name, which is what tells them apart in documents"]
        )

    def there(value: Any) -> Any:
        if value is None:
            return None
        hook, tag = hooks[type(value)]
        return {"is": tag, **hook(value)}

    return there


def _value_union_back(hint: Any) -> Callable[[Any, Any], Any]:
    hooks = {_tag(bare(h)): (converter.get_structure_hook(bare(h)), bare(h)) for h in parts_of_union(hint)}

    nothing = is_optional(hint)

    def back(raw: Any, _: Any) -> Any:
        if raw is None and nothing:
            return None
        body = dict(cast("Document", raw))
        hook, cls = hooks[body.pop("is")]
        return hook(body, cls)

    return back


def _tag(cls: type[Any]) -> str:
    return cls.__name__.lower()


def _defaults_of(cls: type[Any]) -> dict[str, Any]:
    """Give the default of each field, which is frozen and may be shared; `NOTHING` where there is none.

    What equals its default is left out of documents, so a default that changes is another layout.
    """
    found: dict[str, Any] = {}
    for f in attrs.fields(cls):
        default: Any = f.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = attrs.NOTHING if default.takes_self else default.factory()
        found[f.name] = default
    return found


def _is_value(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Checked)


def _value_back(cls: Any) -> Callable[[Any, Any], Any]:
    """Generate what makes a value object of its document: it was checked before it was written."""
    hints = hints_of(cls)
    space: dict[str, Any] = {"new": object.__new__, "cls": cls, "known": hints.keys()}
    defaults = _defaults_of(cls)
    body = ["n = new(cls)", "if not x.keys() <= known: raise KeyError"]
    for i, f in enumerate(attrs.fields(cls)):
        hint = hints[f.name]
        hook = converter.structure if cls in _classes_in(hint) else converter.get_structure_hook(hint)
        default = defaults[f.name]
        space |= {f"set{i}": getattr(cls, f.name).__set__, f"s{i}": hook, f"t{i}": hint, f"d{i}": default}
        missing = "" if default is attrs.NOTHING else f" if {f.name!r} in x else d{i}"
        body.append(f"set{i}(n, s{i}(x[{f.name!r}], t{i}){missing})")
    exec("def back(x, _):\n    " + "\n    ".join([*body, "return n"]), space)  # noqa: S102 - generated from annotations
    return cast("Callable[[Any, Any], Any]", space["back"])


_plain_hooks()
converter.register_unstructure_hook_factory(_is_frozen_dict, _frozen_dict_there)
converter.register_structure_hook_factory(_is_frozen_dict, _frozen_dict_back)
converter.register_unstructure_hook_factory(_is_frozenset, _frozenset_there)
converter.register_structure_hook_factory(_is_items, _items_back)
converter.register_structure_hook_factory(_is_enum, _enum_back)
converter.register_structure_hook_factory(_is_value, _value_back)
converter.register_unstructure_hook_factory(is_scalar_union, _scalar_union_there)
converter.register_structure_hook_factory(is_scalar_union, _scalar_union_back)
converter.register_unstructure_hook_factory(is_value_union, _value_union_there)
converter.register_structure_hook_factory(is_value_union, _value_union_back)
converter.register_unstructure_hook_factory(is_open_word, _open_word_there)
converter.register_structure_hook_factory(is_open_word, _open_word_back)


@cache
def _words(enum: Any) -> Mapping[str, Any]:
    return {m.value: m for m in enum}


def _there(column: Column, v: str) -> str:
    """The expression that takes a field's value to its column."""
    text = {
        "enum": f"{v}.value",
        "open": f"str({v})",
        "instant": f"micros({v})",
        "date": f"{v}.isoformat()",
        "partial": f"str({v})",
        "minor": f"{v}.minor",
        "currency": f"{v}.currency",
    }.get(column.how, f"int({v})" if column.holds == "bool" else v)
    return f"(None if {v} is None else {text})" if column.null and text != v else text


def _back(column: Column, v: str, enum: str) -> str:
    """The expression that takes a column to its field's value."""
    text = {
        "enum": f"{enum}[{v}]",
        "open": f"{enum}.get({v}, {v})",
        "instant": f"instant({v})",
        "date": f"day({v})",
        "partial": f"partial({v})",
    }.get(column.how, f"({v} == 1)" if column.holds == "bool" else v)
    return f"(None if {v} is None else {text})" if column.null and text != v else text


@cache
def encoder(kind: Kind[R]) -> Callable[[R], Row]:
    """Generate `record -> row` for a kind: its columns, then the rest as JSON text."""
    space: dict[str, Any] = {"micros": micros, "dump": dump}
    parts = [_there(c, f"r.{c.field}") for c in kind.columns]
    body = ["x = {}"]
    defaults = _defaults_of(kind.cls)
    for i, n in enumerate(kind.rest):
        space |= {f"u{i}": converter.get_unstructure_hook(kind.hints[n]), f"d{i}": defaults[n]}
        said = "" if defaults[n] is attrs.NOTHING else f"if r.{n} is not d{i} and r.{n} != d{i}: "
        body.append(f"{said}x[{n!r}] = u{i}(r.{n})")
    parts.append("dump(x) if x else '{}'")
    body.append(f"return ({', '.join(parts)},)")
    exec("def encode(r):\n    " + "\n    ".join(body), space)  # noqa: S102 - generated from annotations
    return cast("Callable[[R], Row]", space["encode"])


@cache
def _reader(kind: Kind[R]) -> Callable[[Row, int], R]:
    """Generate `(row, version) -> record`. What a row holds was checked before it was written."""
    space: dict[str, Any] = {
        "cls": kind.cls,
        "new": object.__new__,
        "instant": from_micros,
        "day": date.fromisoformat,
        "partial": PartialDate.parse,
        "money": Money.of_minor,
        "load": load,
    }
    defaults = _defaults_of(kind.cls)
    read = {"version": "version"}
    for i, c in enumerate(kind.columns):
        if c.enum is not None:
            space[f"e{i}"] = _words(c.enum)
        if c.how == "minor":
            some = f"money(v[{i}], v[{i + 1}])"
            read[c.field] = f"None if v[{i}] is None else {some}" if c.null else some
        elif c.how != "currency":
            read[c.field] = _back(c, f"v[{i}]", f"e{i}")
            # A row that was written before there was the column has nothing in it.
            if not c.null and (default := defaults[c.field]) is not attrs.NOTHING:
                space[f"c{i}"] = default
                read[c.field] = f"c{i} if v[{i}] is None else {read[c.field]}"
    for i, name in enumerate(kind.rest):
        hint, default = kind.hints[name], defaults[name]
        space |= {f"s{i}": converter.get_structure_hook(hint), f"t{i}": hint, f"d{i}": default}
        read[name] = f"s{i}(x[{name!r}], t{i})" + ("" if default is attrs.NOTHING else f" if {name!r} in x else d{i}")
    space |= {f"set_{name}": getattr(kind.cls, name).__set__ for name in read}
    rest = f"v[{len(kind.columns)}]"
    body = [f"x = load({rest}) if {rest} != '{{}}' else {{}}", "r = new(cls)"] if kind.rest else ["r = new(cls)"]
    body += [f"set_{name}(r, {value})" for name, value in read.items()]
    exec("def decode(v, version):\n    " + "\n    ".join([*body, "return r"]), space)  # noqa: S102
    return cast("Callable[[Row, int], R]", space["decode"])


def encode(record: Record) -> Row:
    """Give the row of a record: its columns in the order of its kind, and last the rest as JSON text."""
    kind: Kind[Any] = type(record).__kind__
    return encoder(kind)(record)


def decode(kind: Kind[R], row: Row, *, version: int, schema: int) -> R:
    """Give the record of a stored row. A row of an older schema goes through the kind's upgrades first.

    Raises:
        Unreadable: the row is damaged, or a newer library wrote it.
    """
    try:
        if schema != kind.schema:
            row = _upgraded_row(kind, row, schema)
        read: Callable[[Row, int], R] = _reader(kind)
        return read(row, version)
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever damage makes the parts raise; it could tell values
        raise _damaged(f"{kind.name} {row[0] if row else '?'}", error) from None


def _damaged(what: str, error: Exception) -> Unreadable:
    return Unreadable(what, f"damaged ({type(error).__name__})")


def document(kind: Kind[R], row: Row) -> Document:
    """Give a row as a document: column names and JSON fields to raw values."""
    return {**dict(zip((c.name for c in kind.columns), row, strict=False)), **load(str(row[-1]))}


def _upgraded_row(kind: Kind[R], row: Row, schema: int) -> Row:
    body = _upgraded(f"{kind.name} {row[0]}", document(kind, row), schema, kind.schema, kind.upgrades)
    columns = tuple(cast("Scalar", body.pop(c.name, None)) for c in kind.columns)
    for c, v in zip(kind.columns, columns, strict=True):
        if v is None and not c.null:
            raise Unreadable(f"{kind.name} {row[0]}", f"its upgrade from schema {schema} leaves {c.name} empty")
    return (*columns, dump({n: body[n] for n in kind.rest}))


def _upgraded(what: str, body: Document, schema: int, wanted: int, upgrades: Mapping[int, Upgrade]) -> Document:
    if schema > wanted:
        raise Unreadable(what, f"written with schema {schema}, this library knows {wanted}; update the library")
    for version in range(schema, wanted):
        body = upgrades[version](body)
    return body


@cache
def _event_hooks(
    kind: EventType,
) -> tuple[tuple[tuple[str, Callable[[Any], Any]], ...], tuple[tuple[str, Any, Callable[[Any, Any], Any]], ...]]:
    """By field, what takes an event's value to JSON, and what takes it back."""
    hints = hints_of(kind.cls)
    there = tuple((n, converter.get_unstructure_hook(h)) for n, h in hints.items())
    return there, tuple((n, h, converter.get_structure_hook(h)) for n, h in hints.items())


def encode_event(told: Event[Any]) -> tuple[str, str | None]:
    """Give the body of an event as JSON text: the lasting part, and the personal part, which erasure blanks."""
    kind = type(told).__event__
    fields, _ = _event_hooks(kind)
    hidden = kind.personal
    if not hidden:
        return dump({n: there(getattr(told, n)) for n, there in fields}), None
    lasting = {n: there(getattr(told, n)) for n, there in fields if n not in hidden}
    return dump(lasting), dump({n: there(getattr(told, n)) for n, there in fields if n in hidden})


@attrs.frozen
class Told:
    """An event whose class is unknown here, or whose personal part was erased: what can still be told of it.

    Attributes:
        type: its name in the journal.
        kept: the raw fields that are still there.
        erased: whether a personal part was blanked; otherwise no class of that name is loaded.
    """

    type: str
    kept: FrozenDict[Any]
    erased: bool


def _read_event(kind: EventType, body: Document) -> Event[Any]:
    made = object.__new__(kind.cls)
    for n, h, back in _event_hooks(kind)[1]:
        object.__setattr__(made, n, back(body[n], h))
    return made


def decode_event(type_: str, body: str, personal: str | None, *, schema: int) -> Event[Any] | Told:
    """Give the event of a journal entry. A body of an older schema goes through the event's upgrades first.

    Raises:
        Unreadable: the body is damaged, or a newer library wrote it.
    """
    kind = EVENTS.get(type_)
    try:
        kept = load(body)
        if kind is None:
            return Told(type_, FrozenDict(kept), erased=False)
        if kind.personal and personal is None:
            return Told(type_, FrozenDict(kept), erased=True)
        if personal is not None:
            kept |= load(personal)
        kept = _upgraded(f"event {type_}", kept, schema, kind.schema, kind.upgrades)
        return _read_event(kind, kept)
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001 - as in decode
        raise _damaged(f"event {type_}", error) from None


def _shape(cls: type[Any], out: dict[str, str]) -> dict[str, str]:
    """Collect the layout of a class and of what is in it, as text that changes when stored documents would."""
    for n, h in hints_of(cls).items():
        out[f"{cls.__name__}.{n}"] = _name_of(h)
        for inner in _classes_in(h):
            if issubclass(inner, Enum):
                out[inner.__name__] = " ".join(sorted(str(m.value) for m in inner))
            elif f"{inner.__name__}." not in out:
                out[f"{inner.__name__}."] = f"left out: {_defaults(inner)}"
                _shape(inner, out)
    return out


def _defaults(cls: type[Any]) -> str:
    """What a value object's document leaves out, because it is the default."""
    return ", ".join(f"{f.name}={f.default!r}" for f in attrs.fields(cls) if f.default is not attrs.NOTHING)


def _classes_in(hint: Any) -> list[type[Any]]:
    plain = bare(hint)
    if isinstance(plain, type) and issubclass(plain, Checked | Enum):
        return [plain]
    return [c for a in get_args(plain) for c in _classes_in(a)]


def _name_of(hint: Any) -> str:
    some = sorted(_plain_name(h) for h in parts_of_union(hint))
    return " | ".join([*some, "None"] if is_optional(hint) else some)


def _plain_name(hint: Any) -> str:
    plain = bare(hint)
    inner = [_name_of(a) for a in get_args(plain) if a is not Ellipsis]
    name = getattr(get_origin(plain) or plain, "__name__", str(plain))
    return f"{name}[{', '.join(inner)}]" if inner else name


def layout_lock() -> str:
    """Give the layout of every kind and event that is loaded, as text to commit.

    A test that holds it against the committed text tells when a layout changed without a new schema version.
    """
    lines: list[str] = []
    for name, kind in sorted(KINDS.items()):
        columns = {f"column {c.name}": f"{c.holds} {c.how}" for c in kind.columns}
        defaults = _defaults_of(kind.cls)
        left_out = {f"left out {n}": repr(defaults[n]) for n in kind.rest if defaults[n] is not attrs.NOTHING}
        lines.append(f"record {name} schema {kind.schema} {_digest(_shape(kind.cls, columns | left_out))}")
    for name, told in sorted(EVENTS.items()):
        personal = dict.fromkeys(sorted(told.personal), "personal")
        lines.append(f"event {name} schema {told.schema} {_digest(_shape(told.cls, personal))}")
    return "\n".join(lines) + "\n"


def _digest(shape: Mapping[str, str]) -> str:
    return hashlib.sha256(dump(dict(sorted(shape.items()))).encode()).hexdigest()[:16]
