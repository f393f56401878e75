"""FrozenDict: what a dict says, and nothing that changes it."""

import copy
import pickle
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import Invalid
from crmkit.kernel.frozen import FrozenDict

DICTS = st.dictionaries(st.text(max_size=5), st.integers(), max_size=6)


class Channel(StrEnum):
    EMAIL = "email"


class Sly(str):
    __slots__ = ()


@given(DICTS, DICTS, st.text(max_size=5))
def test_it_answers_like_the_dict_it_was_made_from(model: dict[str, int], other: dict[str, int], key: str) -> None:
    """Every question about content gives a dict's answer."""
    frozen = FrozenDict(model)
    assert list(frozen) == list(model)
    assert (len(frozen), key in frozen, frozen.get(key)) == (len(model), key in model, model.get(key))
    assert list(frozen.keys()) == list(model.keys())
    assert list(frozen.values()) == list(model.values())
    assert list(frozen.items()) == list(model.items())
    assert (frozen == other, frozen == FrozenDict(other), other == frozen) == (model == other,) * 3
    assert repr(frozen) == f"FrozenDict({model!r})"
    assert frozen.merged(other) == model | other
    assert frozen.with_(key, 1) == model | {key: 1}
    assert frozen.without(key) == {k: v for k, v in model.items() if k != key}
    assert frozen == model


@given(DICTS)
def test_equal_ones_have_one_hash_in_whatever_order(model: dict[str, int]) -> None:
    """Order matters for neither equality nor hash."""
    backwards = FrozenDict(dict(reversed(model.items())))
    assert backwards == FrozenDict(model)
    assert hash(backwards) == hash(FrozenDict(model))


@given(DICTS)
def test_it_survives_pickling_and_copying(model: dict[str, int]) -> None:
    """Pickle, copy and deepcopy give an equal FrozenDict back."""
    frozen = FrozenDict(model)
    for again in (pickle.loads(pickle.dumps(frozen)), copy.copy(frozen), copy.deepcopy(frozen)):
        assert type(again) is FrozenDict
        assert again == frozen


def test_it_equals_any_mapping_of_the_same_content_and_nothing_else() -> None:
    """A list of pairs is no mapping; a read-only view is one."""
    assert FrozenDict({"a": 1}) == MappingProxyType({"a": 1})
    assert FrozenDict({"a": 1}) != MappingProxyType({"a": 2})
    assert FrozenDict({"a": 1}) != [("a", 1)]
    assert isinstance(FrozenDict(), Mapping)
    assert FrozenDict() == {}


def test_what_the_caller_does_to_the_dict_afterwards_has_no_effect() -> None:
    """The content is copied (catalogue 82)."""
    source = {"a": 1}
    frozen = FrozenDict(source)
    source["a"], source["b"] = 2, 3
    assert frozen == {"a": 1}


def test_no_way_leads_to_a_change() -> None:
    """Neither items, attributes, views nor a second construction change it."""
    frozen = FrozenDict({"a": 1})
    with pytest.raises(TypeError):
        frozen["a"] = 2  # type: ignore[index]
    with pytest.raises(TypeError):
        del frozen["a"]  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        frozen._items["a"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError, match="with_"):
        frozen._items = {}
    with pytest.raises(AttributeError, match="with_"):
        frozen.more = {}  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="with_"):
        del frozen._items
    with pytest.raises(AttributeError):
        frozen.update(a=2)  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        frozen.keys().mapping["a"] = 2  # type: ignore[index]
    frozen.__init__({"a": 2})  # type: ignore[misc]
    assert frozen == {"a": 1}


def test_the_others_are_made_and_the_first_stays() -> None:
    """with_, without and merged return new ones, or the same if there is nothing to do."""
    frozen = FrozenDict({"a": 1, "b": 2})
    assert frozen.with_("c", 3) == {"a": 1, "b": 2, "c": 3}
    assert frozen.without("a") == {"b": 2}
    assert frozen.without("z") is frozen
    assert frozen.merged({"b": 5}, c=6) == {"a": 1, "b": 5, "c": 6}
    assert frozen == {"a": 1, "b": 2}
    assert FrozenDict(frozen) is frozen
    assert copy.copy(frozen) is frozen


def test_a_word_of_an_enum_becomes_its_plain_text() -> None:
    """StrEnum keys are kept as text, so that a mapping is the same after it was stored."""
    frozen = FrozenDict({Channel.EMAIL: 1, "sms": 2})
    assert [type(key) for key in frozen] == [str, str]
    assert frozen[Channel.EMAIL] == frozen["email"] == 1


@pytest.mark.parametrize("key", [1, None, Sly("secret-key"), b"secret-key", ("secret-key",)])
@pytest.mark.parametrize("way", ["make", "with_", "merged"])
def test_keys_are_plain_text(key: object, way: str) -> None:
    """Another key is refused by every way in, and not told in the message."""
    frozen = FrozenDict({"a": 1})
    ways = {"make": lambda: FrozenDict({key: 1}), "with_": lambda: frozen.with_(key, 1)}
    with pytest.raises(Invalid) as caught:
        ways.get(way, lambda: frozen.merged({key: 1}))()
    assert (caught.value.field, caught.value.rule) == ("FrozenDict", "key")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("items", [[("a", 1)], None, 5, "ab"])
def test_it_is_made_from_a_mapping(items: object) -> None:
    """Pairs, nothing and text are refused."""
    with pytest.raises(Invalid) as caught:
        FrozenDict(items)  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.rule) == ("FrozenDict", "type")


def test_it_has_a_hash_only_if_its_values_have() -> None:
    """A list inside makes it unhashable, as a tuple would be."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(FrozenDict({"a": []}))
    assert {FrozenDict({"a": (1,)}): "found"}[FrozenDict({"a": (1,)})] == "found"
