"""Relationships: the verbs of what ties customers to the company, of what type, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any, Generic, TypeVar

import attrs

from crmkit.domain import consents
from crmkit.domain.consents import Consent
from crmkit.domain.customers.customer import Customer
from crmkit.domain.relationships import attention, gaps, moves, proofs, strategies
from crmkit.domain.relationships import relationship as relationships
from crmkit.domain.relationships.attention import NEGLECTED_AFTER, Answer, Upcoming
from crmkit.domain.relationships.evidence import Evidence, EvidenceKind
from crmkit.domain.relationships.gaps import Gap, Served
from crmkit.domain.relationships.lifecycles import DissolutionCause, EndedBy, Facts, Fault, Lifecycle, Signal
from crmkit.domain.relationships.moves import RelationshipWarned
from crmkit.domain.relationships.relationship import Origin, Relationship
from crmkit.domain.relationships.strategies import Contradiction, Intention, Strategy
from crmkit.domain.relationships.types import TypeRules, rules_of
from crmkit.domain.words import Channel, Purpose
from crmkit.errors import Invalid, Refusal, redacted
from crmkit.kernel.codec import encode
from crmkit.kernel.dates import instant
from crmkit.kernel.ids import Ref
from crmkit.kernel.machine import Moved, Option, Refused
from crmkit.kernel.machine.migration import Plan, Stored
from crmkit.kernel.query import Found, Where, everything, field, predicate, resolve
from crmkit.kernel.record import Change
from crmkit.services.arguments import blaming
from crmkit.services.paging import every
from crmkit.services.ties import acting, caught_up, known, migration_of, reading, rules_for
from crmkit.services.unit import Listed, Service, Unit, verb

T = TypeVar("T")
BATCH = 500
"""How many relationships go into one commit when many are swept or migrated."""
MOST_EVIDENCE = 100
"""How many pieces of evidence one call notes."""


@attrs.frozen
class Answers(Generic[T]):
    """A page of answers to a question. `next` leads to the rest, and None says that there is no more.

    A page holds what is left of the records that it looked at, so it may be short, or empty, and still have a `next`.
    """

    items: tuple[T, ...]
    next: str | None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@attrs.frozen
class Swept:
    """What a sweep did.

    Attributes:
        moved: how many moves time made.
        warned: how many warnings were told.
        next: what to pass as `after` to go on; None if there is no more.
        refused: what could not be understood, one sentence each: its type or version is declared no more. It stays as
            it is, and is told again each time.
    """

    moved: int = 0
    warned: int = 0
    next: str | None = None
    refused: tuple[str, ...] = ()

    def __add__(self, rest: Swept) -> Swept:
        moved, warned = self.moved + rest.moved, self.warned + rest.warned
        return Swept(moved, warned, rest.next, (*self.refused, *rest.refused))


@attrs.frozen
class Migrated:
    """What bringing relationships to another version of the lifecycle did.

    Attributes:
        migrated: how many were brought over.
        refused: what could not be understood, one sentence each; it stays as it is.
        next: what to pass as `after` to go on; None if there is no more.
    """

    migrated: int = 0
    refused: tuple[str, ...] = ()
    next: str | None = None


class Relationships(Service):
    """What ties customers to the company: types whose rules bite, and a lifecycle that time moves as well."""

    # beginning

    @verb
    def begin(
        self,
        customer: Customer | str,
        type: str,  # noqa: A002 - the field's own word
        *,
        owner: str | None = None,
        community: str | None = None,
        origin: Origin | str | None = None,
        note: str = "",
        cadence: timedelta | None = None,
        reason: str = "",
    ) -> Relationship:
        """Begin a relationship of a type: one of the seven, or one that the host has declared.

        Args:
            customer: with whom.
            type: the name of the type.
            owner: who represents the company.
            community: the community that it belongs to, for types that have one.
            origin: why it begins, as the customer says when asked; `tell_origin` later.
            note: the same in the customer's words.
            cadence: how often the company is to make contact of itself; the type's own if nothing is said.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such customer.
            Invalid: rule `word`, no such type is declared.
            Refusal: what the type asks for is not there; rule `begun`: there is one already, or one that ended and that
                `reengage` begins anew.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> tie = crm.relationships.begin(ana, "dedicated-assistance", owner="rep-lito", origin="recommendation")
        >>> str(tie.stage), tie.owner
        ('exploration', 'rep-lito')
        """
        u = self.unit
        whom = u.get(Customer, customer)
        declared = u.setting.declared
        rules = rules_of(declared.types, type)
        _refuse_second(u, whom.id, rules, community)
        return u.save(
            relationships.begin(
                whom.id,
                rules,
                id=u.new_id(Relationship),
                machine=declared.lifecycle,
                known=known(whom),
                owner=owner,
                community=community,
                origin=origin,
                origin_note=note,
                cadence=cadence,
                at=u.at,
            )
        )

    @verb
    def tell_origin(
        self, tie: Relationship | str, origin: Origin | str, *, note: str = "", reason: str = ""
    ) -> Relationship:
        """Keep why a relationship began, as the customer says; `find(field("origin") == None)` lists who was not asked.

        Raises:
            NotFound: there is no such relationship.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "transactional")
        >>> str(crm.relationships.tell_origin(tie, "nearby", note="Lives round the corner.").origin)
        'nearby'
        """
        u = self.unit
        return u.save(relationships.tell_origin(u.act_on(Relationship, tie), origin, note))

    # reading

    @verb
    def get(self, tie: Relationship | str) -> Relationship:
        """Give a relationship.

        Raises:
            NotFound: there is none, or none that the actor may see.
        """
        return self.unit.get(Relationship, tie)

    @verb
    def of(self, customer: Customer | str) -> tuple[Relationship, ...]:
        """Give all relationships of a customer, ended ones included, the oldest first.

        Raises:
            NotFound: there is no such customer.
        """
        u = self.unit
        return u.find(Relationship, field("customer") == u.get(Customer, customer).id, order=("began",))

    @verb
    def find(
        self, where: Where | None = None, *, order: Sequence[str] = (), limit: int = 100, after: str | None = None
    ) -> Listed[Relationship]:
        """Give a page of the relationships that meet a condition.

        Raises:
            Invalid: the condition names no field of a relationship.
        """
        return self.unit.page(Relationship, where, order=order, limit=limit, after=after)

    @verb
    def count(self, where: Where | None = None) -> int:
        """Tell how many relationships meet a condition."""
        return self.unit.count(Relationship, where)

    @verb
    def owned_by(self, owner: str, *, limit: int = 100, after: str | None = None) -> Listed[Relationship]:
        """Give a page of the lasting relationships that somebody represents the company in."""
        where = (field("owner") == owner) & (field("ended") == None)  # noqa: E711 - it builds a condition
        return self.unit.page(Relationship, where, limit=limit, after=after)

    @verb
    def stage_counts(self) -> dict[str, int]:
        """Tell how many relationships stand in each stage of the lifecycle."""
        u = self.unit
        return {
            str(stage): u.count(Relationship, field("stage") == stage) for stage in u.setting.declared.lifecycle.states
        }

    # the lifecycle

    @verb
    def advance(
        self,
        tie: Relationship | str,
        signal: str,
        *,
        cause: str | None = None,
        evidence: Sequence[Evidence | str] = (),
        ended_by: EndedBy | str | None = None,
        at_fault: Fault | str | None = None,
        reason: str = "",
    ) -> Relationship:
        """Move a relationship on a signal. What is given as evidence is noted first, and may be what makes it possible.

        Args:
            tie: the relationship.
            signal: what is asked of it, such as `Signal.EXPAND`.
            cause: why, where the step asks for it.
            evidence: what shows it: evidence, or just a kind of it.
            ended_by: who ended it, where the step ends it.
            at_fault: whose fault that was.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such relationship.
            MoveRefused: no such step, a guard is unmet, the cause is missing, or the type has something against it.
            Invalid: rule `required`, the step ends it and nobody says who ended it.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "long-term")
        >>> tie = crm.relationships.advance(tie, "understand", evidence=["trial passed", "value understood"])
        >>> str(tie.stage)
        'awareness'
        >>> crm.relationships.advance(tie, "expand")
        Traceback (most recent call last):
        crmkit.errors.MoveRefused: ... 'expand' refused in 'awareness', guard unmet: trust 20, needs at least 60; ...
        """
        u = self.unit
        now, rules = acting(u, tie)
        shown = _shown(evidence)
        if shown:
            now = u.save(proofs.note_evidence(now, *shown, at=u.at))
        facts = moves.facts_of(now, rules)
        proof = tuple(each.ref for each in shown if each.ref is not None)
        return _step(u, now, rules, signal, facts, cause=cause, ended_by=ended_by, at_fault=at_fault, proof=proof)

    @verb
    def could(
        self, tie: Relationship | str, signal: str, *, cause: str | None = None
    ) -> Moved[Any, Any] | Refused[Any, Any]:
        """Say where a signal would lead, or what is in the way, as a value. Nothing is changed.

        Raises:
            NotFound: there is no such relationship.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "long-term")
        >>> crm.relationships.could(tie, "understand").reasons[1]
        'signs that the value is understood 0, needs at least 1'
        """
        u = self.unit
        now, rules = reading(u, tie)
        facts = moves.facts_of(now, rules)
        return moves.could(now, signal, facts, machine=u.setting.declared.lifecycle, rules=rules, cause=cause, at=u.at)

    @verb
    def options(self, tie: Relationship | str) -> tuple[Option[Any, Any], ...]:
        """Tell for each signal of the stage whether it is possible now and what is in its way: to draw buttons.

        Raises:
            NotFound: there is no such relationship.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "long-term")
        >>> [(str(option.signal), option.possible) for option in crm.relationships.options(tie)]
        [('understand', False), ('fail', False), ('dissolve', True)]
        """
        u = self.unit
        now, rules = reading(u, tie)
        facts = moves.facts_of(now, rules)
        return moves.options(now, facts, machine=u.setting.declared.lifecycle, rules=rules, at=u.at)

    @verb
    def note_evidence(self, tie: Relationship | str, *evidence: Evidence | str, reason: str = "") -> Relationship:
        """Note what was shown.

        Raises:
            NotFound: there is no such relationship.
            Refusal: rule `ended`.
            Invalid: rule `required`, there is no evidence.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "long-term")
        >>> crm.relationships.note_evidence(tie, "promise kept", "promise kept").evidence["promise kept"].count
        2
        """
        u = self.unit
        now, _ = acting(u, tie)
        shown = _shown(evidence)
        return u.save(proofs.note_evidence(now, *shown, at=u.at))

    @verb
    def record_trial(
        self,
        tie: Relationship | str,
        *,
        passed: bool,
        score: int | None = None,
        ref: Ref | None = None,
        note: str = "",
        cause: str = DissolutionCause.NEEDS_NOT_MET,
        ended_by: EndedBy | str = EndedBy.CUSTOMER,
        at_fault: Fault | str = Fault.UNKNOWN,
        reason: str = "",
    ) -> Relationship:
        """Record the result of a trial: the customer has tried and checked the supplier. Failing ends an exploration.

        Args:
            tie: the relationship.
            passed: the result.
            score: how good, from 0 to 100.
            ref: the record that tells of it.
            note: the same in words.
            cause: why it ends, if it does.
            ended_by: who ends it then.
            at_fault: whose fault that is.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such relationship.
            Refusal: rule `ended`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "long-term")
        >>> tie = crm.relationships.record_trial(tie, passed=False, note="The sample broke.", at_fault="supplier")
        >>> str(tie.stage), str(tie.cause), str(tie.at_fault)
        ('dissolution', 'needs not met', 'supplier')
        """
        u = self.unit
        now, rules = acting(u, tie)
        kind = EvidenceKind.TRIAL_PASSED if passed else EvidenceKind.TRIAL_FAILED
        now = u.save(proofs.note_evidence(now, Evidence(kind, ref=ref, score=score, note=note), at=u.at))
        facts = moves.facts_of(now, rules)
        machine = u.setting.declared.lifecycle
        if passed or isinstance(machine.step(now.stage, Signal.FAIL, facts, cause=cause), Refused):
            return now
        proof = () if ref is None else (ref,)
        return _step(u, now, rules, Signal.FAIL, facts, cause=cause, ended_by=ended_by, at_fault=at_fault, proof=proof)

    @verb
    def dissolve(
        self,
        tie: Relationship | str,
        cause: str,
        *,
        ended_by: EndedBy | str,
        at_fault: Fault | str,
        evidence: Sequence[Ref] = (),
        reason: str = "",
    ) -> Relationship:
        """End a relationship, and keep who ended it, whose fault that was, and why.

        Args:
            tie: the relationship.
            cause: a `DissolutionCause`, or one that the host's lifecycle adds.
            ended_by: who ended it; `"unknown"` is an answer.
            at_fault: whose fault it was; `"unknown"` is an answer.
            evidence: the records that show it.
            reason: for the audit trail; it is due.

        Raises:
            NotFound: there is no such relationship.
            MoveRefused: it is over, or the lifecycle does not know the cause.
            Invalid: rule `required`, no reason was given.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "long-term")
        >>> why = "better offer elsewhere"
        >>> tie = crm.relationships.dissolve(tie, why, ended_by="customer", at_fault="neither", reason="her letter")
        >>> str(tie.ended_by), str(tie.cause)
        ('customer', 'better offer elsewhere')
        """
        u = self.unit
        u.need_reason()
        now, rules = acting(u, tie)
        facts = moves.facts_of(now, rules)
        return _step(
            u,
            now,
            rules,
            Signal.DISSOLVE,
            facts,
            cause=cause,
            ended_by=ended_by,
            at_fault=at_fault,
            proof=tuple(evidence),
        )

    @verb
    def reengage(
        self,
        tie: Relationship | str,
        *,
        own_purchase: bool = False,
        channel: Channel | None = None,
        evidence: Sequence[Ref] = (),
        reason: str = "",
    ) -> Relationship:
        """Begin a relationship that had ended anew, as its next episode.

        A customer's own purchase does it without consent to contact, and by itself as soon as it is recorded; the
        company's attempt needs the customer's consent.

        Args:
            tie: the relationship.
            own_purchase: the customer comes back by buying.
            channel: how the company makes contact; what the customer has said about marketing by it decides.
            evidence: the records that show it.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such relationship.
            MoveRefused: it is not over, or the customer's consent is missing.
            Refusal: what the type asks for is not there any more.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "long-term")
        >>> why = "needs changed"
        >>> tie = crm.relationships.dissolve(tie, why, ended_by="customer", at_fault="neither", reason="her letter")
        >>> tie = crm.relationships.reengage(tie, own_purchase=True)
        >>> str(tie.stage), tie.episode
        ('exploration', 2)
        """
        u = self.unit
        now, rules = acting(u, tie)
        relationships.check_type(
            None, rules, owner=now.owner, community=now.community, known=known(u.get(Customer, now.customer))
        )
        log = () if own_purchase else u.find(Consent, field("customer") == now.customer, hidden_too=True)
        allowed = consents.effective(log, Purpose.MARKETING, channel, at=u.at).allowed
        facts = moves.facts_of(now, rules, own_purchase=own_purchase, contact_allowed=allowed)
        return _step(u, now, rules, Signal.REENGAGE, facts, proof=tuple(evidence))

    # type, owner, cadence

    @verb
    def change_type(
        self,
        tie: Relationship | str,
        type: str,  # noqa: A002 - the field's own word
        *,
        evidence: Sequence[Evidence | str],
        owner: str | None = None,
        community: str | None = None,
        cadence: timedelta | None = None,
        reason: str = "",
    ) -> Relationship:
        """Change the type of a relationship: the new type's rules hold from this moment.

        Args:
            tie: the relationship.
            type: the name of the new type.
            evidence: what shows that the relationship is of that type now; some is due.
            owner: who represents the company from now on; whoever did if nothing is said.
            community: the community, for types that have one.
            cadence: how often the company makes contact; the type's own if nothing is said.
            reason: for the audit trail; it is due.

        Raises:
            NotFound: there is no such relationship.
            Invalid: rule `word`, no such type; `required`, no evidence or no reason.
            Refusal: it is over or of that type already, or what the type asks for is not there.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "transactional")
        >>> shown = ["asked for a contract"]
        >>> tie = crm.relationships.change_type(tie, "long-term", evidence=shown, reason="wants more")
        >>> str(tie.type), tie.cadence.days
        ('long-term', 90)
        """
        u = self.unit
        u.need_reason()
        now, _ = acting(u, tie)
        rules = rules_of(u.setting.declared.types, type)
        whom = u.get(Customer, now.customer)
        _refuse_second(u, now.customer, rules, community or now.community, but=now.id)
        shown = _shown(evidence)
        noted = u.save(proofs.note_evidence(now, *shown, at=u.at))
        return u.save(
            relationships.change_type(
                noted, rules, owner=owner, community=community, cadence=cadence, known=known(whom), at=u.at
            )
        )

    @verb
    def hand_over(self, tie: Relationship | str, to: str | None, *, reason: str = "") -> Relationship:
        """Hand a relationship over to another representative.

        Raises:
            NotFound: there is no such relationship.
            Invalid: rule `required`, no reason was given.
            Refusal: it is over, or theirs already, or the type needs a representative.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> tie = crm.relationships.begin(ana, "dedicated-assistance", owner="rep-lito")
        >>> crm.relationships.hand_over(tie, "rep-mara", reason="parental leave").owner
        'rep-mara'
        """
        u = self.unit
        u.need_reason()
        now, rules = acting(u, tie)
        return u.save(relationships.hand_over(now, rules, to, at=u.at))

    @verb
    def agree_cadence(self, tie: Relationship | str, cadence: timedelta | None, *, reason: str = "") -> Relationship:
        """Agree how often the company makes contact of itself, or (None) that it need not.

        Raises:
            NotFound: there is no such relationship.
            Refusal: it is over, or its type does not let the company do that.
            Invalid: rule `range`.

        >>> from datetime import timedelta
        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "personal-assistance")
        >>> tie = crm.relationships.agree_cadence(tie, timedelta(days=30))
        >>> (tie.contact_due - tie.began).days
        30
        """
        u = self.unit
        now, rules = acting(u, tie)
        return u.save(relationships.agree_cadence(now, rules, cadence))

    # helping oneself, and each other

    @verb
    def request(self, tie: Relationship | str, topic: str, *, note: str = "", reason: str = "") -> Served:
        """Say what serves a request; where customers help themselves and no means can, record it as a gap.

        Raises:
            NotFound: there is no such relationship.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "self-service")
        >>> crm.relationships.request(tie, "order status").means
        ('kiosk', 'portal')
        >>> crm.relationships.request(tie, "engraving").gap is None
        False
        """
        u = self.unit
        now, rules = acting(u, tie)
        if means := gaps.means_for(rules, topic):
            return Served(topic=topic, means=means)
        found = u.save(gaps.find_gap(now.customer, now.id, topic, note=note, id=u.new_id(Gap), at=u.at))
        return Served(topic=topic, means=(), gap=found.id)

    @verb
    def gaps(self, topic: str | None = None, *, limit: int = 100, after: str | None = None) -> Listed[Gap]:
        """Give a page of the open gaps, of one topic or all, the newest first."""
        there = field("closed") == None  # noqa: E711 - it builds a condition
        where = there if topic is None else there & (field("topic") == topic)
        return self.unit.page(Gap, where, order=("-asked",), limit=limit, after=after)

    @verb
    def close_gap(self, gap: Gap | str, remedy: str, *, reason: str = "") -> Gap:
        """Record that there is something now that serves it.

        Raises:
            NotFound: there is no such gap.
            Refusal: rule `closed`.
        """
        u = self.unit
        return u.save(gaps.close_gap(u.act_on(Gap, gap), remedy, at=u.at))

    @verb
    def exchange(
        self, asked: Relationship | str, answered: Relationship | str, *, note: str = "", reason: str = ""
    ) -> tuple[Relationship, Relationship]:
        """Record that one member of a community answered another: evidence for both. Prospects may be members.

        Raises:
            NotFound: there is no such relationship.
            Refusal: rule `community`, the two are not different members of one community.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> members = [crm.customers.register(Person(name)) for name in ("Ana Reyes", "Bo Lind")]
        >>> ana, bo = (crm.relationships.begin(each, "communities", community="cyclists") for each in members)
        >>> ana, bo = crm.relationships.exchange(ana, bo, note="How to true a wheel")
        >>> bo.evidence["exchange with a member"].count
        1
        """
        u = self.unit
        one, _ = acting(u, asked)
        other, _ = acting(u, answered)
        told = proofs.exchange(one, other, note=note, at=u.at)
        return u.save(told[0]), u.save(told[1])

    # the strategy

    @verb
    def intended(self, customer: Customer | str, strategy: Strategy) -> Intention | None:
        """Say which type and channels a strategy means for a customer; None if it says nothing.

        Raises:
            NotFound: there is no such customer.
            Invalid: a condition of the strategy names no field of a customer.

        >>> from crmkit import CRM, Person
        >>> from crmkit.domain.relationships.strategies import Intention, Strategy
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> strategy = Strategy("2026", [Intention(name="everybody", type="self-service", channels=["portal"])])
        >>> crm.relationships.intended(ana, strategy).name
        'everybody'
        """
        u = self.unit
        return _intends(u, strategy)(u.get(Customer, customer))

    @verb
    def contradictions(
        self, strategy: Strategy, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> Answers[Contradiction]:
        """Look at a page of lasting relationships, and give those whose type or actual contacts contradict a strategy.

        Args:
            strategy: what is meant.
            since: look only at channels with contact at or after this.
            limit: how many relationships to look at.
            after: the `next` of the page before.

        Raises:
            Invalid: a condition of the strategy names no field of a customer.

        >>> from crmkit import CRM, Person
        >>> from crmkit.domain.relationships.strategies import Intention, Strategy
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "transactional")
        >>> strategy = Strategy("2026", [Intention(name="everybody", type="self-service")])
        >>> [each.reasons for each in crm.relationships.contradictions(strategy)]
        [('type: transactional, meant is self-service',)]
        """
        u = self.unit
        page = u.page(Relationship, field("ended") == None, limit=limit, after=after)  # noqa: E711 - a condition
        customers = u.get_many(Customer, (tie.customer for tie in page))
        intends = _intends(u, strategy)
        found: list[Contradiction] = []
        for tie in page:
            meant = intends(customers[tie.customer]) if tie.customer in customers else None
            if meant is not None and (reasons := strategies.contradictions(tie, meant, since=since)):
                found.append(Contradiction(tie=tie, intention=meant, reasons=reasons))
        return Answers(tuple(found), page.next)

    # attention

    @verb
    def neglected(
        self, *, after_span: timedelta = NEGLECTED_AFTER, limit: int = 100, after: str | None = None
    ) -> Answers[Answer]:
        """Give a page of the customers left without attention, whatever they are worth: the longest neglected first.

        >>> from crmkit import CRM
        >>> len(CRM.open("memory://").relationships.neglected())
        0
        """
        u = self.unit
        where = attention.neglected_where(after_span, u.at)
        page = u.page(Relationship, where, order=("attended",), limit=limit, after=after)
        return Answers(tuple(attention.neglected(tie, after=after_span, at=u.at) for tie in page), page.next)

    @verb
    def due_for_contact(self, *, limit: int = 100, after: str | None = None) -> Answers[Answer]:
        """Give a page of the relationships in which the company has to make contact, the longest due first.

        >>> from crmkit import CRM
        >>> len(CRM.open("memory://").relationships.due_for_contact())
        0
        """
        u = self.unit
        page = u.page(
            Relationship, attention.due_for_contact_where(u.at), order=("contact_due",), limit=limit, after=after
        )
        return Answers(tuple(attention.due_for_contact(tie, rules_for(u, tie), at=u.at) for tie in page), page.next)

    @verb
    def at_risk(self, *, limit: int = 100, after: str | None = None) -> Answers[Answer]:
        """Look at a page of lasting relationships, the longest quiet first, and give those that are at risk.

        >>> from crmkit import CRM
        >>> len(CRM.open("memory://").relationships.at_risk())
        0
        """
        u = self.unit
        where = field("ended") == None  # noqa: E711 - it builds a condition
        page = u.page(Relationship, where, order=("quiet_since",), limit=limit, after=after)
        machine = u.setting.declared.lifecycle
        answers = (attention.at_risk(tie, rules_for(u, tie), machine, at=u.at) for tie in page)
        return Answers(tuple(answer for answer in answers if answer.yes), page.next)

    # time

    @verb
    def due(self, until: datetime, *, limit: int = 100) -> tuple[Upcoming, ...]:
        """Tell what time will do by then unless something happens before, the earliest first.

        Takes one range query on an index for each timed step of the lifecycle, however many relationships there are.

        >>> from datetime import timedelta
        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> tie = crm.relationships.begin(crm.customers.register(Person("Ana Reyes")), "long-term")
        >>> [(each.what, each.reasons[0].text) for each in crm.relationships.due(tie.since + timedelta(days=200))]
        [('warn', 'no sign of life for 180 days by then')]
        """
        u = self.unit
        machine = u.setting.declared.lifecycle
        until, most = instant("until", until), _at_least_one(limit)
        streams = [_upcoming(u, machine, where, until, most) for where in _windows(machine)]
        return tuple(islice(merge(*streams, key=lambda each: each.at), most))

    @blaming
    def run_due(
        self, *, until: datetime | None = None, limit: int | None = None, batch: int = BATCH, reason: str = ""
    ) -> Swept:
        """Make happen what time has brought: warnings, moves, ends, each stamped with its deadline.

        Works in batches, each in one commit, so it may be stopped anywhere and called again: what is done is not due
        any more. The history is the same however often it is called.

        Args:
            until: up to when; now if nothing is said, and never later.
            limit: how many relationships to look at; all that are due if nothing is said.
            batch: how many go into one commit.
            reason: for the audit trail.

        Raises:
            Invalid: rule `future`, `until` has not come yet; or `range`, the batch.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").relationships.run_due()
        Swept(moved=0, warned=0, next=None, refused=())
        """
        done, left = Swept(), limit
        while left is None or left > 0:
            size = batch if left is None else min(batch, left)
            done += self.sweep(until=until, limit=size, after=done.next, reason=reason)
            left = None if left is None else left - size
            if done.next is None:
                break
        return done

    @verb
    def sweep(
        self, *, until: datetime | None = None, limit: int = BATCH, after: str | None = None, reason: str = ""
    ) -> Swept:
        """Do one batch of `run_due`, in one commit.

        Args:
            until: up to when; now if nothing is said, and never later.
            limit: how many relationships to look at.
            after: the `next` of the batch before, which knows its `until`.
            reason: for the audit trail.

        Raises:
            Invalid: rule `future`, `until` has not come yet; `range`, the limit; or `cursor`.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").relationships.sweep()
        Swept(moved=0, warned=0, next=None, refused=())
        """
        u = self.unit
        u.ask(None)
        declared = u.setting.declared
        windows = _windows(declared.lifecycle)
        at, first, cursor = _Place.read(after, until or u.at)
        if at > u.at:
            raise Invalid("until", "future", "an instant that has come", "a later one")
        left, done = _at_least_one(limit), Swept()
        for index in range(first, len(windows)):
            if left == 0:
                return attrs.evolve(done, next=_Place(at, index, None).text())
            page = u.page(Relationship, windows[index].where(at), order=("quiet_since",), limit=left, after=cursor)
            for tie in page:
                done += _swept(u, tie, at)
            if page.next is not None:
                return attrs.evolve(done, next=_Place(at, index, page.next).text())
            left, cursor = left - len(page), None
        return done

    # another version of the lifecycle

    @verb
    def plan_migration(self) -> Plan:
        """Say what bringing every relationship to the current version of the lifecycle would do, without doing it.

        Tells how many come from which stage to which, how many timed moves would be due at once, and what cannot be
        understood.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").relationships.plan_migration().due_at_once
        0
        """
        u = self.unit
        versions = u.setting.declared.versions
        stored = (
            Stored(
                tie.id,
                tie.stage,
                tie.lifecycle,
                tie.quiet_since,
                moves.facts_of(tie, rules_for(u, tie)),
                moves.warnings_told(tie, versions.current),
            )
            for tie in every(u, Relationship, field("lifecycle") != str(versions.current.version))
        )
        return versions.plan(stored, now=u.at)

    @blaming
    def migrate(self, *, batch: int = BATCH, reason: str = "") -> Migrated:
        """Bring every relationship to the current version of the lifecycle, a batch in a commit. See `plan_migration`.

        One that is not brought over here is brought over when it is acted on, or when its time comes. None of it is a
        step: what time brings in the new version happens with `run_due`.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").relationships.migrate()
        Migrated(migrated=0, refused=(), next=None)
        """
        done = Migrated()
        while True:
            some = self.migrate_batch(limit=batch, after=done.next, reason=reason)
            done = Migrated(done.migrated + some.migrated, (*done.refused, *some.refused), some.next)
            if done.next is None:
                return done

    @verb
    def migrate_batch(self, *, limit: int = BATCH, after: str | None = None, reason: str = "") -> Migrated:
        """Do one batch of `migrate`, in one commit.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").relationships.migrate_batch()
        Migrated(migrated=0, refused=(), next=None)
        """
        u = self.unit
        u.ask(None)
        versions = u.setting.declared.versions
        where = field("lifecycle") != str(versions.current.version)
        page = u.page(Relationship, where, limit=_at_least_one(limit), after=after)
        changes, refused = list[Change[Relationship]](), list[str]()
        for tie in page:
            try:
                changes += filter(None, [migration_of(u, tie)])
            except (Invalid, Refusal) as error:
                refused.append(str(error))
        for change in changes:
            u.save(change)
        return Migrated(len(changes), tuple(refused), page.next)


def _shown(evidence: Sequence[Evidence | str]) -> tuple[Evidence, ...]:
    """Read a kind of evidence as evidence of that kind; one text alone is not taken for its letters."""
    if isinstance(evidence, str):
        raise Invalid("evidence", "type", "several pieces of evidence, or a list of one", redacted(evidence))
    if len(evidence) > MOST_EVIDENCE:
        raise Invalid("evidence", "too-many", f"at most {MOST_EVIDENCE} pieces of evidence", redacted(evidence))
    return tuple(Evidence(each) if isinstance(each, str) else each for each in evidence)


def _at_least_one(limit: int) -> int:
    if limit < 1:
        raise Invalid("limit", "range", "at least 1", str(limit))
    return limit


def _swept(u: Unit, tie: Relationship, until: datetime) -> Swept:
    """Do to one relationship what time has brought; one that cannot be understood must not stop the others."""
    try:
        migration_of(u, tie)
    except (Invalid, Refusal) as error:
        return Swept(refused=(f"relationship {tie.id}: {error}",))
    _, events = caught_up(u, tie, until=until)
    warned = sum(isinstance(event, RelationshipWarned) for event in events)
    return Swept(len(events) - warned, warned)


def _step(
    u: Unit,
    tie: Relationship,
    rules: TypeRules,
    signal: str,
    facts: Facts,
    *,
    cause: str | None = None,
    ended_by: EndedBy | str | None = None,
    at_fault: Fault | str | None = None,
    proof: tuple[Ref, ...] = (),
) -> Relationship:
    return u.save(
        moves.advance(
            tie,
            signal,
            facts,
            machine=u.setting.declared.lifecycle,
            rules=rules,
            cause=cause,
            ended_by=ended_by,
            at_fault=at_fault,
            proof=proof,
            at=u.at,
        )
    )


def _refuse_second(u: Unit, customer: str, rules: TypeRules, community: str | None, *, but: str = "") -> None:
    """Refuse a second relationship of one type with a customer: an ended one begins anew, as another episode."""
    same = [field("customer") == customer, field("type") == rules.name]
    if rules.community:
        same.append(field("community") == community)
    there = u.first(Relationship, everything(*same), order=("ended",), hidden_too=True)
    if there is not None and there.id != but:
        ended = there.ended is not None
        reason = f"there is one of type {rules.name} already, {there.id}{', which ended' if ended else ''}"
        raise Refusal("a new relationship", "begun", (reason,), ("reengage",) if ended else ("get",))


def _intends(u: Unit, strategy: Strategy) -> Callable[[Customer], Intention | None]:
    """Compile a strategy into a function of a customer."""
    kind = Customer.__kind__
    typed = u.setting.keys.get(kind.name)
    tests = [(each, predicate(resolve(each.where, kind, typed), kind)) for each in strategy.intentions]

    def intends(customer: Customer) -> Intention | None:
        found = Found(encode(customer), kind.keys_of(customer))
        return next((each for each, test in tests if test(found)), None)

    return intends


# finding what is due: one range of an index for each stage and warning


@attrs.frozen
class _Window:
    stage: str
    warned: str | None
    after: timedelta

    def where(self, until: datetime) -> Where:
        return everything(
            field("stage") == self.stage, field("warned") == self.warned, field("quiet_since") <= until - self.after
        )


def _windows(machine: Lifecycle) -> list[_Window]:
    return [
        _Window(str(stage), warned, after)
        for stage in machine.states
        for warned, after in moves.warned_states(machine, stage).items()
    ]


def _upcoming(u: Unit, machine: Lifecycle, window: _Window, until: datetime, limit: int) -> Iterator[Upcoming]:
    for tie in u.page(Relationship, window.where(until), order=("quiet_since",), limit=limit):
        told = moves.warnings_told(tie, machine)
        coming = (d for d in machine.deadlines(tie.stage, tie.quiet_since) if d.step.warns not in told)
        for deadline in islice(coming, 1):
            yield attention.upcoming(tie, machine, deadline)


@attrs.frozen
class _Place:
    """Where a sweep has come to: up to when it goes, in which window it is, and where in that."""

    until: datetime
    window: int
    cursor: str | None

    def text(self) -> str:
        return f"{self.until.isoformat()}|{self.window}|{self.cursor or ''}"

    @staticmethod
    def read(text: str | None, until: datetime) -> tuple[datetime, int, str | None]:
        if text is None:
            return until, 0, None
        try:
            at, window, cursor = text.split("|", 2)
            place = instant("after", datetime.fromisoformat(at)), int(window), cursor or None
        except ValueError:
            place = until, -1, None
        if place[1] < 0:
            raise Invalid("after", "cursor", "the next of an earlier batch", redacted(text))
        return place
