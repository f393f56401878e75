"""Relationship types: seven kinds of relationship as policy objects, and any number of a host's own made like them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from attrs import field, frozen

from crmkit.domain.relationships.lifecycles import Stage
from crmkit.errors import Invalid
from crmkit.kernel.checks import Count, Prose, Value
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.machine import days
from crmkit.kernel.text import slug

# words


class RelationshipType(StrEnum):
    """The kinds of relationship of the field; Osterwalder and Pigneur 2010 have all but the long-term one."""

    TRANSACTIONAL = "transactional"
    LONG_TERM = "long-term"
    PERSONAL_ASSISTANCE = "personal-assistance"
    DEDICATED_ASSISTANCE = "dedicated-assistance"
    SELF_SERVICE = "self-service"
    AUTOMATED_SERVICES = "automated-services"
    COMMUNITIES = "communities"


class Direct(StrEnum):
    """When somebody of the company may turn to the customer in person."""

    ALWAYS = "always"
    ABOUT_TRANSACTIONS = "about transactions"
    NEVER = "never"


@frozen(kw_only=True)
class TypeRules(Value):
    """What a type of relationship asks for and does not allow. Derive your own with `attrs.evolve`, under another name.

    Attributes:
        name: what the type is called: lower-case letters, digits and hyphens.
        says: the type in a sentence.
        closed: stages that it never reaches; going there needs a change of type.
        anonymous: the customer need not be known by name.
        only_open_transactions: the company turns to the customer about an open transaction or not at all.
        cadence: how often the company makes contact, unless something else is agreed.
        grace: for how long after that a contact is due before it is missed.
        missed_cadence_stops: no step forward while a contact is missed.
        person_answers: what the customer asks is answered by a person.
        dedicated: exactly one named representative, and nobody else, turns to the customer.
        settles_in: how long a new representative needs until the relationship counts as settled.
        direct: when somebody of the company may turn to the customer in person.
        self_help: the means by which customers help themselves, each with the topics that it serves; None if people
            serve them.
        recognises: the customer must be recognised by something on the profile.
        acts_from_profile: automated contact names the transaction or the trait of the profile that it acts from.
        community: it belongs to a community, by name, whose members exchange knowledge.
        exchanges: how many exchanges with other members each stage takes.
    """

    name: RelationshipType | str
    says: Annotated[str, Prose(longest=500)]
    closed: frozenset[Stage | str] = frozenset()
    anonymous: bool = False
    only_open_transactions: bool = False
    cadence: timedelta | None = None
    grace: timedelta = timedelta(days=7)
    missed_cadence_stops: bool = False
    person_answers: bool = False
    dedicated: bool = False
    settles_in: timedelta = timedelta(0)
    direct: Direct = Direct.ALWAYS
    self_help: FrozenDict[frozenset[str]] | None = None
    recognises: bool = False
    acts_from_profile: bool = False
    community: bool = False
    exchanges: FrozenDict[Count] = field(factory=FrozenDict[Count])

    def __agree__(self) -> None:
        slug("TypeRules.name", str(self.name))

    @property
    def may_keep_in_touch(self) -> bool:
        """The company may turn to the customer in person, without a transaction: what a cadence needs."""
        return self.direct is Direct.ALWAYS and not self.only_open_transactions

    @property
    def tools_attend(self) -> bool:
        """The customer's own use of the company's tools is attention enough."""
        return self.self_help is not None or self.acts_from_profile or self.community


# the seven

TRANSACTIONAL = TypeRules(
    name=RelationshipType.TRANSACTIONAL,
    says="No bond: each transaction stands for itself.",
    closed=frozenset({Stage.EXPANSION, Stage.COMMITMENT}),
    anonymous=True,
    only_open_transactions=True,
)
LONG_TERM = TypeRules(
    name=RelationshipType.LONG_TERM,
    says="Repeated and deep: the company keeps in touch, and no step forward is taken while it does not.",
    cadence=days(90),
    missed_cadence_stops=True,
)
PERSONAL_ASSISTANCE = TypeRules(
    name=RelationshipType.PERSONAL_ASSISTANCE,
    says="A person answers, during the sale and after it, by any channel.",
    person_answers=True,
)
DEDICATED_ASSISTANCE = TypeRules(
    name=RelationshipType.DEDICATED_ASSISTANCE,
    says="Exactly one named representative, grown over time: the closest of all (key account manager, private banker).",
    dedicated=True,
    settles_in=days(90),
)
SELF_SERVICE = TypeRules(
    name=RelationshipType.SELF_SERVICE,
    says="No direct contact, and all the means to help oneself.",
    direct=Direct.NEVER,
    self_help=FrozenDict(
        {
            "portal": frozenset({"account", "consents", "invoices", "order", "order status"}),
            "kiosk": frozenset({"order", "order status", "prices"}),
            "help": frozenset({"how to use", "troubleshooting", "warranty terms"}),
        }
    ),
)
AUTOMATED_SERVICES = TypeRules(
    name=RelationshipType.AUTOMATED_SERVICES,
    says="Self-service refined: recognises the customer, tells of orders and transactions, acts from the profile.",
    direct=Direct.ABOUT_TRANSACTIONS,
    self_help=SELF_SERVICE.self_help,
    recognises=True,
    acts_from_profile=True,
)
COMMUNITIES = TypeRules(
    name=RelationshipType.COMMUNITIES,
    says="Members, prospects among them, exchange knowledge and solve each other's problems.",
    community=True,
    exchanges=FrozenDict({Stage.AWARENESS: 1, Stage.EXPANSION: 3}),
)

SEVEN = (
    TRANSACTIONAL,
    LONG_TERM,
    PERSONAL_ASSISTANCE,
    DEDICATED_ASSISTANCE,
    SELF_SERVICE,
    AUTOMATED_SERVICES,
    COMMUNITIES,
)

# questions


def declared(*more: TypeRules, seven: Iterable[TypeRules] = SEVEN) -> Mapping[str, TypeRules]:
    """Give the seven types and a host's own by name; a host's rules for one of the seven take its place.

    >>> from attrs import evolve
    >>> club = evolve(COMMUNITIES, name="wine-club", says="Members who taste together.")
    >>> sorted(declared(club))[-1]
    'wine-club'
    """
    return MappingProxyType({str(rules.name): rules for rules in (*seven, *more)})


def rules_of(types: Mapping[str, TypeRules], name: str) -> TypeRules:
    """Give the rules of a type.

    Raises:
        Invalid: rule `word`, no type of this name is declared.
    """
    found = types.get(name)
    if found is None:
        raise Invalid(
            "type", "word", f"one of {', '.join(types)}; a host declares further types when the CRM is opened"
        )
    return found
