"""Effort: what was done for new customers and for existing ones, by people and by tools, outbound and inbound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen

from crmkit.domain.interactions.interaction import Interaction, is_contact
from crmkit.domain.words import Direction, Mode
from crmkit.kernel.machine import days

# words


class Group(StrEnum):
    """Whether effort was spent on a new customer or on an existing one."""

    NEW = "new"
    EXISTING = "existing"


NEW_FOR = days(90)
"""For how long after the first purchase, or the beginning of the first relationship, a customer counts as new."""


# questions


@frozen
class Effort:
    """What was done in a part of the report.

    Attributes:
        contacts: how many contacts.
        attempts: how many attempts.
        minutes: how many minutes of staff, attempts included.
    """

    contacts: int = 0
    attempts: int = 0
    minutes: int = 0

    def __add__(self, other: Effort) -> Effort:
        return Effort(self.contacts + other.contacts, self.attempts + other.attempts, self.minutes + other.minutes)


@frozen
class EffortLine:
    """One line of the report on effort.

    Attributes:
        group: new or existing customers.
        customers: the kind of customer: person, organisation, household.
        mode: by people or by tools.
        direction: who turned to whom.
        effort: what was done.
    """

    group: Group
    customers: str
    mode: Mode
    direction: Direction
    effort: Effort


@frozen
class EffortReport:
    """Effort spent on new against existing customers in a time.

    Attributes:
        since: from when.
        until: up to when, exclusive.
        new_for: for how long after the first purchase or relationship a customer was taken for new.
        lines: by group, kind of customer, mode and direction; what is 0 is left out.
    """

    since: datetime
    until: datetime
    new_for: timedelta
    lines: tuple[EffortLine, ...]

    def of(self, group: Group) -> Effort:
        """Give the sum over one group: the lines add up to it."""
        return sum((line.effort for line in self.lines if line.group is group), Effort())


Lines = dict[tuple[Group, str, Mode, Direction], Effort]


def add_effort(
    lines: Lines,
    interactions: Iterable[Interaction],
    *,
    kinds: Mapping[str, str],
    first: Mapping[str, datetime],
    new_for: timedelta = NEW_FOR,
) -> None:
    """Add interactions to the lines of a report, so that any number of them takes constant memory.

    Args:
        lines: what was added up before; changed in place.
        interactions: what to add; findings and notes are no effort on a customer and are left out.
        kinds: by customer, the kind of customer.
        first: by customer, the first purchase or the beginning of the first relationship; who has neither is new.
        new_for: for how long after that a customer is new.
    """
    for each in interactions:
        if each.mode is None or each.direction is None:
            continue
        began = first.get(each.customer)
        group = Group.NEW if began is None or each.at - began < new_for else Group.EXISTING
        is_talk = is_contact(each)
        line = group, kinds.get(each.customer, "unknown"), each.mode, each.direction
        lines[line] = lines.get(line, Effort()) + Effort(int(is_talk), int(not is_talk), each.minutes)


def effort_report(lines: Lines, *, since: datetime, until: datetime, new_for: timedelta = NEW_FOR) -> EffortReport:
    """Make the report of lines that were added up."""
    told = tuple(EffortLine(*where, effort) for where, effort in sorted(lines.items(), key=lambda pair: pair[0]))
    return EffortReport(since, until, new_for, told)
