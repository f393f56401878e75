"""Policy: the host's say in every act and every read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import attrs

from crmkit.kernel.query import Or, Where, field
from crmkit.kernel.record import Kind, Record

PORTAL = "portal:"
"""How the actor of a customer who acts for himself begins; the customer's id follows."""


@attrs.frozen
class Act:
    """What an actor is about to do.

    Attributes:
        actor: who acts.
        verb: the verb that was called, such as `"relationships.advance"`.
        record: the record to be acted on as it is now, or the draft of a new one; None for an act on no single record.
        is_new: whether `record` is a draft.
    """

    actor: str
    verb: str
    record: Record | None
    is_new: bool = False


class Policy(Protocol):
    """What the host allows. It is asked before every act, and its query is and-ed to every read, on every path."""

    def refuses(self, act: Act) -> str | None:
        """Say why an act is refused, in words that the actor may see; None allows it."""
        ...

    def sees(self, actor: str, kind: Kind[Any]) -> Where | None:
        """Give the condition on what an actor may see of a kind; None shows everything."""
        ...


class DefaultPolicy:
    """The host's own code may do everything; a portal actor sees what is theirs and does what `portal_may` names.

    >>> policy = DefaultPolicy(portal_may=["interactions.record"])
    >>> policy.refuses(Act("portal:cus_1", "customers.register", None))
    'customers.register is not open to customers'
    """

    def __init__(self, portal_may: Iterable[str] = ()) -> None:
        self._portal_may = frozenset(portal_may)

    def refuses(self, act: Act) -> str | None:
        """Refuse portal actors what is not named, and what is not theirs."""
        if not act.actor.startswith(PORTAL):
            return None
        if act.verb not in self._portal_may:
            return f"{act.verb} is not open to customers"
        if act.record is not None:
            about = type(act.record).__kind__.customer
            if about is None or getattr(act.record, about) != act.actor.removeprefix(PORTAL):
                return "it belongs to somebody else"
        return None

    def sees(self, actor: str, kind: Kind[Any]) -> Where | None:
        """Show portal actors the records about themselves, and nothing else."""
        if not actor.startswith(PORTAL):
            return None
        return Or(()) if kind.customer is None else field(kind.customer) == actor.removeprefix(PORTAL)
