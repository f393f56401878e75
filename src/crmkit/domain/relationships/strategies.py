"""Strategies: which type of relationship and which channels are meant for whom, and what contradicts that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import field, frozen

from crmkit.domain.relationships.relationship import Relationship
from crmkit.domain.relationships.types import RelationshipType
from crmkit.domain.words import Channel
from crmkit.errors import DefinitionError
from crmkit.kernel.query import EVERYTHING, Where

# words


def _channels(given: Iterable[Channel | str]) -> frozenset[str]:
    return frozenset(map(str, given))


@frozen(kw_only=True)
class Intention:
    """What is meant for some customers.

    Attributes:
        name: what the rule is called, such as `"key accounts"`.
        where: which customers: a condition over the fields and search keys of a customer.
        type: the type of relationship that is meant for them.
        channels: the channels that are meant for them; empty if any will do.
    """

    name: str
    type: RelationshipType | str
    where: Where = EVERYTHING
    channels: frozenset[str] = field(default=frozenset(), converter=_channels)


@frozen
class Strategy:
    """Intentions in the order of their precedence: the first whose condition a customer meets is the one for him.

    Raises:
        DefinitionError: there is none, two have one name, or one stands behind another that takes everybody.

    >>> from crmkit.kernel.query import field
    >>> strategy = Strategy("2026", (
    ...     Intention(name="key accounts", where=field("tag").has("key"), type="dedicated-assistance"),
    ...     Intention(name="everybody else", type="self-service"),
    ... ))
    >>> [each.name for each in strategy.intentions]
    ['key accounts', 'everybody else']
    """

    name: str
    intentions: tuple[Intention, ...] = field(converter=tuple)

    def __attrs_post_init__(self) -> None:
        names = [each.name for each in self.intentions]
        problems = [] if names else ["name at least one intention"]
        problems += [f"{name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
        last = next((i for i, each in enumerate(self.intentions) if each.where == EVERYTHING), len(names))
        problems += [
            f"{name!r} is never reached: {names[last]!r} before it takes everybody" for name in names[last + 1 :]
        ]
        if problems:
            raise DefinitionError(f"strategy {self.name}", problems)


@frozen(kw_only=True)
class Contradiction:
    """A relationship that is not what the strategy means it to be.

    Attributes:
        tie: the relationship.
        intention: what is meant.
        reasons: what contradicts it, one sentence each, with figures.
    """

    tie: Relationship
    intention: Intention
    reasons: tuple[str, ...]


# questions


def contradictions(tie: Relationship, intention: Intention, *, since: datetime | None = None) -> tuple[str, ...]:
    """Say in what a relationship contradicts what is meant: its type, and the channels on which there was contact.

    Args:
        tie: the relationship.
        intention: what is meant for the customer.
        since: look only at channels with contact at or after this; None at all since the relationship began.
    """
    found: list[str] = []
    if str(tie.type) != str(intention.type):
        found.append(f"type: {tie.type}, meant is {intention.type}")
    for channel, tally in sorted(tie.contacts.items()):
        if intention.channels and channel not in intention.channels and (since is None or tally.last >= since):
            meant = ", ".join(sorted(intention.channels))
            found.append(f"{channel}: {tally.count} contacts, the last on {tally.last:%Y-%m-%d}; meant is {meant}")
    return tuple(found)
