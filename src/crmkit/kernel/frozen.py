"""FrozenDict: a mapping that cannot change, for the fields of records and events."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeVar, cast, final

from crmkit.errors import Invalid, redacted

V = TypeVar("V")
_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


@final
class FrozenDict(Mapping[str, V]):
    """A mapping from text to values that was copied when it was made and stays as it is.

    It equals every mapping with the same content, in whatever order, and is hashable when its values are. What is
    inside the values is their own business: a list in it stays a list.

    >>> sizes = FrozenDict({"shoe": 42, "shirt": 50})
    >>> sizes["shoe"], sizes == {"shirt": 50, "shoe": 42}
    (42, True)
    >>> sizes.with_("shoe", 43)
    FrozenDict({'shoe': 43, 'shirt': 50})

    Raises:
        Invalid: it is not made from a mapping (`type`), or a key is neither plain text nor a `StrEnum` (`key`).
    """

    __slots__ = ("_items",)
    _items: Mapping[str, V]

    def __new__(cls, items: Mapping[str, V] = _EMPTY) -> FrozenDict[V]:  # noqa: D102 - described in its class
        if isinstance(items, FrozenDict):
            return items
        own = super().__new__(cls)
        object.__setattr__(own, "_items", MappingProxyType(_copied(items)))
        return own

    def __getitem__(self, key: str) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def keys(self) -> KeysView[str]:
        """The keys, in the order in which they were given."""
        return self._items.keys()

    def values(self) -> ValuesView[V]:
        """The values, in the order of their keys."""
        return self._items.values()

    def items(self) -> ItemsView[str, V]:
        """The pairs of key and value, in the order in which they were given."""
        return self._items.items()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping):
            return dict(self._items) == dict(cast("Mapping[object, object]", other))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return f"FrozenDict({dict(self._items)!r})"

    def __reduce__(self) -> tuple[type[FrozenDict[V]], tuple[dict[str, V]]]:
        return FrozenDict, (dict(self._items),)

    def __copy__(self) -> FrozenDict[V]:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(_UNCHANGEABLE)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(_UNCHANGEABLE)

    def merged(self, other: Mapping[str, V] = _EMPTY, /, **more: V) -> FrozenDict[V]:
        """Return these pairs with others put over them.

        >>> FrozenDict({"a": 1, "b": 2}).merged({"b": 3}, c=4)
        FrozenDict({'a': 1, 'b': 3, 'c': 4})

        Raises:
            Invalid: the same as when a `FrozenDict` is made.
        """
        return FrozenDict({**self._items, **_copied(other), **more})

    def with_(self, key: str, value: V) -> FrozenDict[V]:
        """Return these pairs with one of them set.

        >>> FrozenDict({"a": 1}).with_("b", 2)
        FrozenDict({'a': 1, 'b': 2})

        Raises:
            Invalid: the key is neither plain text nor a `StrEnum` (`key`).
        """
        return FrozenDict({**self._items, key: value})

    def without(self, key: str) -> FrozenDict[V]:
        """Return these pairs without one of them; a key that is not there is no error.

        >>> FrozenDict({"a": 1, "b": 2}).without("a").without("z")
        FrozenDict({'b': 2})
        """
        if key not in self._items:
            return self
        return FrozenDict({name: value for name, value in self._items.items() if name != key})


_UNCHANGEABLE: Final = "a FrozenDict cannot change; use with_, without or merged to make another"


def _copied(items: Mapping[Any, Any]) -> dict[str, Any]:
    if not isinstance(items, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise Invalid("FrozenDict", "type", "a mapping", redacted(items))
    copy = dict(items)
    for key in copy:
        if type(key) is not str:
            return {_key(name): value for name, value in copy.items()}
    return copy


def _key(key: object) -> str:
    if type(key) is str:
        return key
    if isinstance(key, StrEnum):
        return str.__str__(key)
    raise Invalid("FrozenDict", "key", "keys of plain text", redacted(key))
