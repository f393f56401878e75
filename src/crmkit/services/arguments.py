"""Arguments: what was wrong with a call that failed, told as a typed error. A call that goes well costs nothing."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, ParamSpec, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from crmkit.errors import CRMError, Invalid, redacted
from crmkit.kernel.dates import instant

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST = timedelta(days=200 * 366)
_OPEN = (list, tuple, set, frozenset)
"""Collections whose items can be looked at without running anybody's code, and again afterwards."""


def blaming(fn: Callable[P, T]) -> Callable[P, T]:
    """Make a function say which argument it cannot take, where it fails with an error that is not crmkit's.

    Errors that no argument explains, such as those of the host's own policy, pass as they are.
    """

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return fn(*args, **kwargs)
        except CRMError:
            raise
        except Exception:
            blamed = blame(fn, args, kwargs)
            if blamed is None:
                raise
        raise blamed  # outside of the handler, so that the other error, which may tell values, is not chained

    return call


def blame(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Invalid | None:
    """Give what is wrong with the first argument that does not have the type that its annotation asks for.

    >>> def wait(days: int) -> None: ...
    >>> str(blame(wait, ("three",), {}))
    'days: expected int, found str of 5 characters (type)'
    """
    try:
        bound = signature(fn).bind(*args, **kwargs)
    except TypeError:
        return None  # a name too many or too few: Python's own error says which
    hints = get_type_hints(fn)
    for name, given in bound.arguments.items():
        hint, kind = hints.get(name, Any), signature(fn).parameters[name].kind
        if kind is Parameter.VAR_KEYWORD:
            continue
        for value in given if kind is Parameter.VAR_POSITIONAL else (given,):
            if not fits(hint, value):
                return Invalid(name, "type", _told(hint), redacted(value))
            if (found := _out_of_bounds(name, value)) is not None:
                return found
    return None


def fits(hint: Any, value: Any) -> bool:  # noqa: PLR0911 - one line per kind of annotation
    """Tell whether a value has the type that an annotation asks for, without asking the value anything."""
    kind = cast("type[object]", type(value))
    origin = get_origin(hint)
    if origin is Annotated:
        return fits(get_args(hint)[0], value)
    if origin in (Union, types.UnionType):
        return any(fits(each, value) for each in get_args(hint))
    if hint is None or hint is type(None):
        return value is None
    wanted = origin or hint
    if wanted is Any or not isinstance(wanted, type):
        return True
    if wanted is str:
        return kind is str or issubclass(kind, StrEnum)
    if wanted in (int, bool):
        return kind is wanted
    if not issubclass(kind, wanted):
        return False
    if issubclass(wanted, Mapping) or not issubclass(wanted, Iterable) or kind is wanted is tuple:
        return True
    if issubclass(kind, (str, bytes)):
        return False
    inner = get_args(hint)[:1]
    return not (inner and kind in _OPEN) or all(fits(inner[0], item) for item in cast("Collection[Any]", value))


def _out_of_bounds(name: str, value: Any) -> Invalid | None:
    """Tell what is wrong with an instant, a span or a number that no calculation can go well with."""
    if isinstance(value, datetime):
        try:
            instant(name, value)
        except Invalid as error:
            return error
    if type(value) is timedelta and abs(value) > _LONGEST:
        return Invalid(name, "range", "a span of at most 200 years", redacted(value))
    if type(value) is int and not -(2**63) <= value < 2**63:
        return Invalid(name, "range", "a whole number of 64 bits", f"a number of {value.bit_length()} bits")
    return None


def _told(hint: Any) -> str:
    some = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    names = ("nothing" if each is type(None) else getattr(each, "__name__", str(each)) for each in some)
    return " or ".join(dict.fromkeys(names))
