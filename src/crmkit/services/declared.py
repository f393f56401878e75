"""Declared: what a host tells crmkit about its own business, once, when it opens the CRM."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import Factory, field, frozen

from crmkit.domain.customers.attributes import Attribute
from crmkit.domain.relationships.evidence import PURCHASES_AS_EVIDENCE, EvidenceRule
from crmkit.domain.relationships.lifecycles import LIFECYCLE, Facts, Lifecycle
from crmkit.domain.relationships.types import TypeRules, declared
from crmkit.kernel.machine.migration import Versions


def _none() -> Mapping[str, Attribute]:
    return MappingProxyType({})


def _only_version(told: Declared) -> Versions[Any, Any, Facts]:
    return Versions(told.lifecycle)


@frozen(kw_only=True)
class Declared:
    """The host's declarations, as the rules are told of them.

    Attributes:
        attributes: custom attributes of customers, by name.
        types: the relationship types, by name: the seven and the host's own.
        lifecycle: the machine that relationships go through.
        versions: the same with its older versions, and how stored states are brought over from them.
        evidence: which purchases are evidence of what.
    """

    attributes: Mapping[str, Attribute] = field(factory=_none)
    types: Mapping[str, TypeRules] = field(factory=declared)
    lifecycle: Lifecycle = LIFECYCLE
    versions: Versions[Any, Any, Facts] = Factory(_only_version, takes_self=True)
    evidence: tuple[EvidenceRule, ...] = PURCHASES_AS_EVIDENCE
