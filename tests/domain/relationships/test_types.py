"""Relationship types: policy objects, the seven and a host's own."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType

import attrs
import pytest

from crmkit.domain.relationships.types import (
    AUTOMATED_SERVICES,
    COMMUNITIES,
    DEDICATED_ASSISTANCE,
    LONG_TERM,
    PERSONAL_ASSISTANCE,
    SELF_SERVICE,
    SEVEN,
    TRANSACTIONAL,
    Direct,
    RelationshipType,
    TypeRules,
    declared,
    rules_of,
)
from crmkit.errors import Invalid


def test_there_are_seven_each_by_its_name() -> None:
    """One policy object for each word of the field."""
    assert [rules.name for rules in SEVEN] == list(RelationshipType)
    assert all(rules.says for rules in SEVEN)


def test_who_may_keep_in_touch() -> None:
    """A cadence needs a company that may turn to the customer in person, without a transaction."""
    assert {rules for rules in SEVEN if rules.may_keep_in_touch} == {
        LONG_TERM,
        PERSONAL_ASSISTANCE,
        DEDICATED_ASSISTANCE,
        COMMUNITIES,
    }


def test_where_tools_are_attention_enough() -> None:
    """Where customers help themselves, or each other, nobody of the company has to be there."""
    assert {rules for rules in SEVEN if rules.tools_attend} == {SELF_SERVICE, AUTOMATED_SERVICES, COMMUNITIES}


def test_each_reason_for_tools_stands_alone() -> None:
    """Self-help, acting from the profile, and a community are each enough."""
    for given in ({"self_help": {"portal": frozenset({"order"})}}, {"acts_from_profile": True}, {"community": True}):
        assert TypeRules(name="own", says="Own.", **given).tools_attend
    assert not TypeRules(name="own", says="Own.").tools_attend


def test_a_host_derives_its_own() -> None:
    """Evolved under another name it stands beside the seven; under one of theirs it takes the place of that."""
    club = attrs.evolve(COMMUNITIES, name="wine-club", exchanges={"awareness": 2})
    monthly = attrs.evolve(LONG_TERM, cadence=timedelta(days=30))
    types = declared(club, monthly)
    assert list(types) == [*map(str, RelationshipType), "wine-club"]
    assert (types["wine-club"], types["long-term"]) == (club, monthly)
    assert rules_of(types, RelationshipType.LONG_TERM) is monthly
    assert isinstance(types, MappingProxyType)


def test_a_host_may_do_without_the_seven() -> None:
    """Only what is declared is there."""
    assert list(declared(TRANSACTIONAL, seven=())) == ["transactional"]


def test_an_undeclared_type_is_told_what_there_is() -> None:
    """The refusal names all declared types, and not what was asked for."""
    with pytest.raises(Invalid) as refused:
        rules_of(declared(TRANSACTIONAL, seven=()), "secret")
    assert (refused.value.field, refused.value.rule) == ("type", "word")
    assert "one of transactional;" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "name", "rule"),
    [
        ({"name": "Wine Club"}, "TypeRules.name", "slug"),
        ({"name": "a|b"}, "TypeRules.name", "slug"),
        ({"says": ""}, "TypeRules.says", "empty"),
        ({"direct": "sometimes"}, "TypeRules.direct", "word"),
        ({"cadence": timedelta(days=-1)}, "TypeRules.cadence", "range"),
        ({"anonymous": 1}, "TypeRules.anonymous", "type"),
        ({"exchanges": {"awareness": -1}}, "TypeRules.exchanges[…]", "range"),
        ({"self_help": ["portal"]}, "TypeRules.self_help", "type"),
        ({"closed": "expansion"}, "TypeRules.closed", "type"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], name: str, rule: str) -> None:
    """A policy is checked when it is made."""
    with pytest.raises(Invalid) as refused:
        TypeRules(**{"name": "own", "says": "Own.", **given})
    assert (refused.value.field, refused.value.rule) == (name, rule)


def test_words_may_be_given_as_text() -> None:
    """Text that equals a member becomes that member."""
    rules = TypeRules(name="long-term", says="Own.", direct="never", closed={"expansion", "own stage"})
    assert (rules.name, rules.direct) == (RelationshipType.LONG_TERM, Direct.NEVER)
    assert rules.closed == {"expansion", "own stage"}
