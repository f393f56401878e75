"""Evidence: what a relationship has shown, summed up; the trust that follows; and how purchases become evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from attrs import field, frozen

from crmkit.errors import Invalid
from crmkit.kernel.checks import AtMost, Between, Count, Note, Percent, Value
from crmkit.kernel.frozen import FrozenDict
from crmkit.kernel.ids import Ref
from crmkit.kernel.money import Money

# words


class EvidenceKind(StrEnum):
    """What can show how far a relationship has come. Hosts add words of their own."""

    TRIAL_PASSED = "trial passed"
    TRIAL_FAILED = "trial failed"
    VALUE_UNDERSTOOD = "value understood"
    PURCHASE = "purchase"
    PROMISE_KEPT = "promise kept"
    PROMISE_BROKEN = "promise broken"
    SATISFACTION = "satisfaction"
    COMPLAINT = "complaint"
    COMPLAINT_RESOLVED = "complaint resolved"
    RECOMMENDATION = "recommendation"
    EXCHANGE = "exchange with a member"
    ADAPTED_TO_CUSTOMER = "adapted to the customer"
    AIM_TO_EXCEL = "aim to excel"


FROM_CUSTOMER = frozenset(
    {
        EvidenceKind.TRIAL_PASSED,
        EvidenceKind.TRIAL_FAILED,
        EvidenceKind.VALUE_UNDERSTOOD,
        EvidenceKind.PURCHASE,
        EvidenceKind.SATISFACTION,
        EvidenceKind.COMPLAINT,
        EvidenceKind.RECOMMENDATION,
        EvidenceKind.EXCHANGE,
    }
)
"""What the customer does: each of these is a sign of life and starts the timers anew."""


@frozen
class Evidence(Value):
    """One thing that was shown.

    Attributes:
        kind: what it shows.
        ref: the record that proves it, such as a purchase or an interaction.
        score: how good, from 0 to 100, where that can be said.
        note: in words.
    """

    kind: EvidenceKind | str
    ref: Ref | None = field(default=None, kw_only=True)
    score: Percent | None = field(default=None, kw_only=True)
    note: Note = field(default="", kw_only=True)


@frozen(kw_only=True)
class Tally(Value):
    """How often something happened, and when last.

    Attributes:
        count: how often.
        last: when last.
        score: the score of the last one that had a score.
        best: the best score of all.
    """

    count: Count
    last: datetime
    score: Percent | None = None
    best: Percent | None = None


Tallies = FrozenDict[Tally]
REMEMBERED = 10
"""How many of the newest purchases a relationship remembers one by one; of all it knows the number and the sum."""


@frozen
class Bought(Value):
    """One purchase, as far as a relationship remembers it."""

    on: datetime
    paid: Money | None = None


@frozen(kw_only=True)
class Buying(Value):
    """What was bought in an episode of a relationship: numbers and sums of all, the newest ones one by one.

    Attributes:
        count: how many purchases.
        spent: what they came to, by currency.
        recent: the newest of them, at most ten, oldest first.
    """

    count: Count = 0
    spent: FrozenDict[Money] = field(factory=FrozenDict[Money])
    recent: Annotated[tuple[Bought, ...], AtMost(REMEMBERED)] = ()


NO_TALLIES: Tallies = FrozenDict()
NOTHING_BOUGHT = Buying()


# rules


def counted(tallies: Tallies, kind: str, *, at: datetime, score: int | None = None) -> Tallies:
    """Give the tallies with one more of a kind. What comes in late counts, but does not pass for the last.

    >>> from datetime import timezone
    >>> day = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> counted(NO_TALLIES, "visit", at=day)["visit"].count
    1
    """
    before = tallies.get(kind)
    if before is None:
        return tallies.with_(kind, Tally(count=1, last=at, score=score, best=score))
    newest = at >= before.last
    scores = [s for s in (before.best, score) if s is not None]
    return tallies.with_(
        kind,
        Tally(
            count=before.count + 1,
            last=max(before.last, at),
            score=score if score is not None and (newest or before.score is None) else before.score,
            best=max(scores, default=None),
        ),
    )


def noted(tallies: Tallies, evidence: Iterable[Evidence], *, at: datetime) -> Tallies:
    """Give the tallies with all of this evidence."""
    for each in evidence:
        tallies = counted(tallies, each.kind, at=at, score=each.score)
    return tallies


def uncounted(tallies: Tallies, kind: str) -> Tallies:
    """Give the tallies with one less of a kind: what had been noted turned out not to be so."""
    before = tallies.get(kind)
    if before is None or before.count <= 1:
        return tallies.without(kind)
    return tallies.with_(kind, Tally(count=before.count - 1, last=before.last, score=before.score, best=before.best))


def with_purchase(buying: Buying, bought: Bought) -> Buying:
    """Give the summary with one more purchase.

    >>> from datetime import timezone
    >>> day = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> str(with_purchase(NOTHING_BOUGHT, Bought(day, Money(5, "USD"))).spent["USD"])
    '5.00 USD'
    """
    recent = sorted((*buying.recent, bought), key=lambda each: each.on)[-REMEMBERED:]
    return Buying(count=buying.count + 1, spent=_added(buying.spent, bought.paid), recent=tuple(recent))


def without_purchase(buying: Buying, bought: Bought) -> Buying:
    """Give the summary without a purchase that was in it: it was cancelled, or is about to be put in corrected."""
    recent = list(buying.recent)
    if bought in recent:
        recent.remove(bought)
    paid = None if bought.paid is None else -bought.paid
    return Buying(count=max(0, buying.count - 1), spent=_added(buying.spent, paid), recent=tuple(recent))


def _added(spent: FrozenDict[Money], paid: Money | None) -> FrozenDict[Money]:
    if paid is None:
        return spent
    return spent.with_(paid.currency, spent.get(paid.currency, Money.zero(paid.currency)) + paid)


# trust


@frozen
class Weight(Value):
    """What evidence of a kind is worth for trust.

    Attributes:
        points: what each one gives, or takes.
        most: how many of them count.
    """

    points: Annotated[int, Between(-100, 100)]
    most: Annotated[int, Between(1, 100)]


TRUST: Mapping[str, Weight] = {
    EvidenceKind.TRIAL_PASSED: Weight(10, 1),
    EvidenceKind.VALUE_UNDERSTOOD: Weight(10, 1),
    EvidenceKind.PURCHASE: Weight(10, 4),
    EvidenceKind.PROMISE_KEPT: Weight(10, 4),
    EvidenceKind.RECOMMENDATION: Weight(10, 2),
    EvidenceKind.EXCHANGE: Weight(5, 8),
    EvidenceKind.COMPLAINT_RESOLVED: Weight(10, 10),
    EvidenceKind.COMPLAINT: Weight(-15, 10),
    EvidenceKind.PROMISE_BROKEN: Weight(-25, 4),
}
"""What trust is made of by default; kinds of a host's own weigh nothing until it says what."""

SATISFACTION_POINTS = 20
"""What a full score of the last satisfaction check gives; one of 50 gives nothing, one of 0 takes as much."""


@frozen(kw_only=True)
class Part:
    """One part of a sum.

    Attributes:
        what: what it is about.
        figure: the figure that was found.
        points: what it adds to the sum.
    """

    what: str
    figure: int
    points: int


@frozen(kw_only=True)
class Trust:
    """How far the customer can trust the supplier, from what was shown.

    Attributes:
        index: from 0 to 100; the sum of the points of all parts.
        parts: what it is made of.
    """

    index: int
    parts: tuple[Part, ...]


def trust_index(evidence: Tallies, weights: Mapping[str, Weight] = TRUST) -> Trust:
    """Derive the trust index, with an explanation that adds up to it.

    Trust is what makes further business possible, and rests on credibility (what was promised was kept) and
    benevolence (what went wrong was put right): Morgan and Hunt 1994, Ganesan 1994, Doney and Cannon 1997. The
    weights are ours, and data:

        index = sum over kinds of evidence of points × min(count, most), see `TRUST`
              + 20 × (last satisfaction score - 50) / 50, rounded towards zero,
                where there is one
        held within 0 and 100; what that cuts off, or adds, is the last part.

    >>> from datetime import timezone
    >>> day = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> kinds = [EvidenceKind.TRIAL_PASSED, EvidenceKind.PURCHASE, EvidenceKind.PURCHASE, EvidenceKind.COMPLAINT]
    >>> trust = trust_index(noted(NO_TALLIES, map(Evidence, kinds), at=day))
    >>> trust.index, [(part.what, part.figure, part.points) for part in trust.parts]
    (15, [('trial passed', 1, 10), ('purchase', 2, 20), ('complaint', 1, -15)])
    """
    parts: list[Part] = []
    for kind, tally in evidence.items():
        if (weight := weights.get(kind)) is not None:
            parts.append(Part(what=kind, figure=tally.count, points=weight.points * min(tally.count, weight.most)))
        elif kind == EvidenceKind.SATISFACTION and (score := tally.score) is not None:
            points = int(SATISFACTION_POINTS * (score - 50) / 50)
            parts.append(Part(what=kind, figure=score, points=points))
    total = sum(part.points for part in parts)
    index = min(100, max(0, total))
    if index != total:
        parts.append(Part(what="held within 0 and 100", figure=total, points=index - total))
    return Trust(index=index, parts=tuple(parts))


# purchases as evidence


@frozen(kw_only=True)
class EvidenceRule(Value):
    """When purchases are evidence of something, and which step of the lifecycle that may bring.

    Attributes:
        name: what the rule is called.
        shows: the kind of evidence; noted once per episode.
        purchases: at least so many purchases …
        spent: … that came to at least so much …
        within: … in a span that ends with the newest of them; None looks at the whole episode.
        try_signal: the signal that is tried then; a refusal is no error, the step comes when its guards hold.
    """

    name: str
    shows: EvidenceKind | str
    purchases: Count = 1
    spent: Money | None = None
    within: timedelta | None = None
    try_signal: str | None = None

    def __agree__(self) -> None:
        if self.within is not None and self.purchases > REMEMBERED:
            expected = f"at most {REMEMBERED} purchases where a span is given, for no more are remembered one by one"
            raise Invalid("EvidenceRule.purchases", "range", expected, str(self.purchases))

    def holds(self, buying: Buying) -> bool:
        """Tell whether the purchases show it."""
        if self.within is None:
            count, spent = buying.count, buying.spent
        else:
            newest = buying.recent[-1:]
            counted = [each for each in buying.recent if each.on >= newest[0].on - self.within]
            count, spent = len(counted), NOTHING_BOUGHT.spent
            for each in counted:
                spent = _added(spent, each.paid)
        if count < self.purchases:
            return False
        if self.spent is None:
            return True
        paid = spent.get(self.spent.currency)
        return paid is not None and paid >= self.spent


PURCHASES_AS_EVIDENCE = (
    EvidenceRule(name="came back", shows=EvidenceKind.TRIAL_PASSED, purchases=2),
    EvidenceRule(name="keeps buying", shows=EvidenceKind.VALUE_UNDERSTOOD, purchases=3, try_signal="understand"),
    EvidenceRule(
        name="buys regularly",
        shows="regular purchases",
        purchases=4,
        within=timedelta(days=365),
        try_signal="expand",
    ),
)
"""The default is careful, for a purchase alone shows little. None tries to commit: that, the supplier shows."""


def shown_by(buying: Buying, rules: Sequence[EvidenceRule], evidence: Tallies) -> tuple[EvidenceRule, ...]:
    """Give the rules that hold for the purchases and whose evidence is not there yet."""
    return tuple(rule for rule in rules if rule.shows not in evidence and rule.holds(buying))


def as_table(rules: Sequence[EvidenceRule]) -> str:
    """Draw the rules as a Markdown table.

    >>> print(as_table(PURCHASES_AS_EVIDENCE[:1]))
    | rule | when | shows | then tries |
    | --- | --- | --- | --- |
    | came back | at least 2 purchases | trial passed | – |
    """
    lines = ["| rule | when | shows | then tries |", "| --- | --- | --- | --- |"]
    for rule in rules:
        when = f"at least {rule.purchases} purchase{'' if rule.purchases == 1 else 's'}"
        if rule.spent is not None:
            when += f" of at least {rule.spent}"
        if rule.within is not None:
            when += f" within {rule.within.days} days"
        lines.append(f"| {rule.name} | {when} | {rule.shows} | {rule.try_signal or '–'} |")
    return "\n".join(lines)
