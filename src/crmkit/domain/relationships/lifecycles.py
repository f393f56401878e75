"""Lifecycles: the stages that a relationship goes through, what leads from one to the next, and what is in the way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Never, TypeAlias

from attrs import frozen

from crmkit.domain.relationships.evidence import NO_TALLIES, NOTHING_BOUGHT, Buying, EvidenceKind, Tallies, trust_index
from crmkit.kernel.machine import Edge, Machine, Verdict, days, edge, guard, need, warning

# words


class Stage(StrEnum):
    """How far a relationship has come: the phases of Dwyer, Schurr and Oh 1987, with the customer's trial first."""

    EXPLORATION = "exploration"
    AWARENESS = "awareness"
    EXPANSION = "expansion"
    COMMITMENT = "commitment"
    DISSOLUTION = "dissolution"


class Signal(StrEnum):
    """What asks for a step."""

    UNDERSTAND = "understand"
    EXPAND = "expand"
    COMMIT = "commit"
    COOL = "cool"
    FAIL = "fail"
    DISSOLVE = "dissolve"
    REENGAGE = "reengage"


class CoolingCause(StrEnum):
    """Why a relationship moved back."""

    FEWER_PURCHASES = "fewer purchases"
    LESS_CONTACT = "less contact"
    DISSATISFIED = "dissatisfied"
    BROKEN_PROMISE = "broken promise"
    COMPETITOR = "competitor"
    NEW_PEOPLE = "new people on either side"
    BUDGET = "smaller budget"


class DissolutionCause(StrEnum):
    """Why a relationship ended: the first five are the customer's causes, the last three the supplier's."""

    NEEDS_NOT_MET = "needs not met"
    DISSATISFIED = "dissatisfied"
    BETTER_OFFER = "better offer elsewhere"
    NEEDS_CHANGED = "needs changed"
    INACTIVITY = "inactivity"
    NO_GROWTH = "no growth in volume"
    FRAUD = "fraud"
    BETTER_PROSPECTS = "better prospects"


class EndedBy(StrEnum):
    """Who ended a relationship."""

    CUSTOMER = "customer"
    SUPPLIER = "supplier"
    BOTH = "both"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """Whose fault the end was."""

    CUSTOMER = "customer"
    SUPPLIER = "supplier"
    BOTH = "both"
    NEITHER = "neither"
    THIRD_PARTY = "third party"
    UNKNOWN = "unknown"


@frozen
class Facts:
    """What the guards may know: gathered before, never fetched by a guard.

    Attributes:
        evidence: what was shown in this episode, as tallies.
        buying: what was bought in this episode.
        exchanges_suffice: members earn their understanding from each other, without a trial of their own.
        own_purchase: the customer acts by buying.
        contact_allowed: the customer allows the supplier to make contact; None if that is not known.
    """

    evidence: Tallies = NO_TALLIES
    buying: Buying = NOTHING_BOUGHT
    exchanges_suffice: bool = False
    own_purchase: bool = False
    contact_allowed: bool | None = None

    def count(self, kind: str) -> int:
        """Tell how much there is of a kind of evidence."""
        tally = self.evidence.get(kind)
        return 0 if tally is None else tally.count


Lifecycle: TypeAlias = Machine[Any, Any, Facts]
"""A machine for relationships, over the stages and signals here or a host's own."""

# guards

TRUST_NEEDED = 60


@guard("the customer has tried the supplier and the last trial was passed")
def trial_passed(facts: Facts) -> bool:
    """The customer has tried and checked the supplier, and the last result was good."""
    if facts.exchanges_suffice and EvidenceKind.EXCHANGE in facts.evidence:
        return True
    passed, failed = (facts.evidence.get(k) for k in (EvidenceKind.TRIAL_PASSED, EvidenceKind.TRIAL_FAILED))
    return passed is not None and (failed is None or failed.last <= passed.last)


@guard("the customer has tried the supplier and the last trial failed")
def trial_failed(facts: Facts) -> bool:
    """The customer has tried and checked the supplier, and the last result was bad."""
    passed, failed = (facts.evidence.get(k) for k in (EvidenceKind.TRIAL_PASSED, EvidenceKind.TRIAL_FAILED))
    return failed is not None and (passed is None or passed.last <= failed.last)


def value_understood(facts: Facts) -> Verdict:
    """The customer understands what supplier and products are worth to him."""
    if facts.exchanges_suffice and EvidenceKind.EXCHANGE in facts.evidence:
        return True
    return need("signs that the value is understood", have=facts.count(EvidenceKind.VALUE_UNDERSTOOD), at_least=1)


def trusted(facts: Facts) -> Verdict:
    """Trust is earned: the index of `trust_index` has reached 60."""
    return need("trust", have=trust_index(facts.evidence).index, at_least=TRUST_NEEDED)


def adapted_to_customer(facts: Facts) -> Verdict:
    """The supplier has adapted to the customer's rules, with evidence."""
    return need("adaptations to the customer's rules", have=facts.count(EvidenceKind.ADAPTED_TO_CUSTOMER), at_least=1)


def aims_to_excel(facts: Facts) -> Verdict:
    """The supplier aims to excel for this customer, with evidence."""
    return need("efforts to excel for the customer", have=facts.count(EvidenceKind.AIM_TO_EXCEL), at_least=1)


@guard("the customer's own purchase, or consent to contact")
def own_purchase_or_contact_allowed(facts: Facts) -> bool:
    """The customer comes back of himself, or has allowed the supplier to ask."""
    return facts.own_purchase or facts.contact_allowed is True


# the lifecycle

OPEN = "open"
"""The group of stages in which a relationship lasts. A host's own machine names its own so."""

SILENCE: Mapping[Stage, tuple[timedelta, timedelta]] = {
    Stage.EXPLORATION: (days(180), days(365)),
    Stage.AWARENESS: (days(180), days(365)),
    Stage.EXPANSION: (days(180), days(540)),
    Stage.COMMITMENT: (days(180), days(730)),
}
"""For each stage, after how much silence there is a warning and after how much the relationship is over."""

_WARNINGS: list[Edge[Stage, Never, object]] = [
    warning("silence", stage, after=warns) for stage, (warns, _) in SILENCE.items()
]
_ENDS: list[Edge[Stage, Never, object]] = [
    edge(stage, Stage.DISSOLUTION, after=ends, cause=DissolutionCause.INACTIVITY)
    for stage, (_, ends) in SILENCE.items()
]

LIFECYCLE: Lifecycle = Machine(
    "relationship",
    version=1,
    initial=Stage.EXPLORATION,
    groups={OPEN: SILENCE},
    doc="The phases of Dwyer, Schurr and Oh 1987, the trial first; a customer may come back after the end.",
    edges=[
        edge(Stage.EXPLORATION, Stage.AWARENESS, on=Signal.UNDERSTAND, when=[trial_passed, value_understood]),
        edge(Stage.AWARENESS, Stage.EXPANSION, on=Signal.EXPAND, when=[trusted]),
        edge(Stage.EXPANSION, Stage.COMMITMENT, on=Signal.COMMIT, when=[adapted_to_customer, aims_to_excel]),
        edge(Stage.COMMITMENT, Stage.EXPANSION, on=Signal.COOL, cause=CoolingCause),
        edge(Stage.EXPANSION, Stage.AWARENESS, on=Signal.COOL, cause=CoolingCause),
        edge(Stage.AWARENESS, Stage.EXPLORATION, on=Signal.COOL, cause=CoolingCause),
        edge(Stage.EXPLORATION, Stage.DISSOLUTION, on=Signal.FAIL, when=[trial_failed], cause=DissolutionCause),
        edge(OPEN, Stage.DISSOLUTION, on=Signal.DISSOLVE, cause=DissolutionCause),
        edge(Stage.DISSOLUTION, Stage.EXPLORATION, on=Signal.REENGAGE, when=[own_purchase_or_contact_allowed]),
        *_WARNINGS,
        *_ENDS,
    ],
)
"""The lifecycle unless the host brings another. Silence counts from the last sign of life."""


def is_open(machine: Lifecycle, stage: str) -> bool:
    """Tell whether a relationship lasts in a stage; without a group `open`, wherever it is not final."""
    return stage in machine.groups[OPEN] if OPEN in machine.groups else stage not in machine.final


@cache
def depths(machine: Lifecycle) -> Mapping[str, int]:
    """Tell for each open stage how many signals it is away from the beginning: what is forward and what is back."""
    found: dict[str, int] = {machine.initial: 0}
    ways = [(s.source, target) for s in machine.steps if s.on is not None for target in s.targets]
    queue = [machine.initial]
    for state in queue:
        for source, target in ways:
            if source == state and target not in found and is_open(machine, target):
                found[target] = found[state] + 1
                queue.append(target)
    return found


def is_forward(machine: Lifecycle, source: str, target: str) -> bool:
    """Tell whether a step leads on: to an open stage that is further from the beginning."""
    depth = depths(machine)
    return source in depth and target in depth and depth[target] > depth[source]
