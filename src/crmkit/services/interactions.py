"""Interactions: the verbs of contacts, attempts, findings and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from crmkit.domain import tasks
from crmkit.domain.customers.customer import Customer
from crmkit.domain.interactions import effort, frequency
from crmkit.domain.interactions import interaction as interactions
from crmkit.domain.interactions.effort import NEW_FOR, EffortReport
from crmkit.domain.interactions.frequency import CAPPED_WITHIN, CAPS, Frequency, FrequencyCap, Permission
from crmkit.domain.interactions.interaction import (
    Announcement,
    Document,
    Interaction,
    InteractionKind,
    InteractionRecorded,
    Outcome,
    RequestStatus,
)
from crmkit.domain.purchases import Purchase
from crmkit.domain.relationships import gaps
from crmkit.domain.relationships.gaps import Gap
from crmkit.domain.relationships.relationship import Relationship
from crmkit.domain.tasks import Task
from crmkit.domain.words import BuyingStep, Channel, Contact, Direction, Mode, Purpose, Stance
from crmkit.errors import Refusal
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import Where, everything, field
from crmkit.kernel.record import KINDS, Change, Record
from crmkit.services.paging import batches, every
from crmkit.services.permission import judged, lasting, refuse_unless_allowed
from crmkit.services.policy import PORTAL
from crmkit.services.ties import rules_for
from crmkit.services.unit import Listed, Service, Unit, customer_of, verb

BATCH = 500
"""How many interactions of the report on effort are looked at at once."""


class Interactions(Service):
    """Every contact with customers, every attempt at one, what was found, and what was noted."""

    @verb
    def record(
        self,
        customer: Customer | str,
        channel: Channel,
        direction: Direction,
        *,
        stance: Stance | None = None,
        mode: Mode | None = None,
        purpose: Purpose = Purpose.SERVICE,
        at: datetime | None = None,
        by: str | None = None,
        minutes: int = 0,
        participants: Sequence[str] = (),
        summary: str = "",
        documents: Sequence[Document] = (),
        about: Record | Ref | None = None,
        topic: str = "",
        trait: str | None = None,
        step: BuyingStep | str | None = None,
        is_request: bool = False,
        announces: Announcement | None = None,
        reason: str = "",
    ) -> Interaction:
        """Record a contact that took place. A visit or callback that was announced becomes a task in the same commit.

        Outbound contacts are held against the rules of the customer's relationships: of the one that `about` names,
        or of all that last; one that allows it is enough.

        Args:
            customer: with whom.
            channel: how.
            direction: who turned to whom.
            stance: whether anybody had asked; inbound contacts are taken for reactive, outbound ones for proactive.
            mode: a person on the company's side (operational), or the customer at automated tools (collaborative),
                which is what a portal actor's contacts are taken for.
            purpose: what it was for.
            at: when; now if nothing is said.
            by: who acted on the company's side; the actor if nobody is named, nobody for a collaborative contact.
            minutes: how many minutes of staff it took.
            participants: who else took part.
            summary: what was said.
            documents: what was exchanged.
            about: what it is about: a record, or a reference to something of the host's.
            topic: what is asked for, if it is a request.
            trait: what in the customer's profile an automated contact acted from.
            step: where in the buying cycle.
            is_request: whether the customer asks for an answer: see `answer` and `open_requests`.
            announces: a visit or a callback that was announced.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such customer, or nothing that `about` names.
            Refusal: no relationship of the customer allows it: the rules are those of `check_contact`; or rule
                `interaction.other-customer`, it is about somebody else's.
            Invalid: rule `future`, or values that contradict each other, as in `converse`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://").acting_as("rep-lito")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> call = crm.interactions.record(ana, Channel.PHONE, Direction.INBOUND, minutes=4)
        >>> call.by, str(call.mode), str(call.stance)
        ('rep-lito', 'operational', 'reactive')
        """
        u = self.unit
        whom = u.get(Customer, customer)
        ref = _about(u, whom.id, about)
        contact = _contact(
            u, channel, direction, stance=stance, mode=mode, purpose=purpose, by=by, about=ref, trait=trait
        )
        refuse_unless_allowed(u, whom, contact, ref, at=at)
        change = interactions.converse(
            whom.id,
            contact,
            minutes=minutes,
            participants=participants,
            summary=summary,
            documents=documents,
            about=ref,
            topic=topic,
            step=step,
            is_request=is_request,
            announces=announces,
            when=at,
            at=u.at,
            id=u.new_id(Interaction),
        )
        return _save(u, change)

    @verb
    def attempt(
        self,
        customer: Customer | str,
        channel: Channel,
        outcome: Outcome | str,
        *,
        direction: Direction = Direction.OUTBOUND,
        stance: Stance | None = None,
        mode: Mode | None = None,
        purpose: Purpose = Purpose.SERVICE,
        at: datetime | None = None,
        by: str | None = None,
        minutes: int = 0,
        summary: str = "",
        about: Record | Ref | None = None,
        topic: str = "",
        trait: str | None = None,
        step: BuyingStep | str | None = None,
        is_request: bool = False,
        announces: Announcement | None = None,
        reason: str = "",
    ) -> Interaction:
        """Record an attempt at a contact, which never counts as one: nobody answered, the e-mail came back.

        The arguments are those of `record`; a missed call of the customer's is an inbound attempt, and may be a
        request.

        Raises:
            NotFound: as `record`.
            Refusal: as `record`.
            Invalid: as `record`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://").acting_as("rep-lito")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> _ = crm.interactions.attempt(ana, Channel.PHONE, Outcome.VOICEMAIL)
        >>> crm.interactions.frequency(ana).outbound
        0
        """
        u = self.unit
        whom = u.get(Customer, customer)
        ref = _about(u, whom.id, about)
        contact = _contact(
            u, channel, direction, stance=stance, mode=mode, purpose=purpose, by=by, about=ref, trait=trait
        )
        refuse_unless_allowed(u, whom, contact, ref, at=at)
        change = interactions.attempt(
            whom.id,
            contact,
            outcome,
            minutes=minutes,
            summary=summary,
            about=ref,
            topic=topic,
            step=step,
            is_request=is_request,
            announces=announces,
            when=at,
            at=u.at,
            id=u.new_id(Interaction),
        )
        return _save(u, change)

    @verb
    def finding(
        self,
        customer: Customer | str,
        summary: str,
        *,
        about: Record | Ref | None = None,
        step: BuyingStep | str | None = None,
        by: str | None = None,
        at: datetime | None = None,
        reason: str = "",
    ) -> Interaction:
        """Record what an analysis found about a customer. It shows on the timeline and never counts as contact.

        Raises:
            NotFound: there is no such customer, or nothing that `about` names.
            Invalid: rule `future`, or `required`: it says nothing.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> str(crm.interactions.finding(ana, "Buys every 40 days.").mode)
        'analytical'
        """
        u = self.unit
        whom = u.get(Customer, customer).id
        ref = _about(u, whom, about)
        return _save(
            u,
            interactions.find(whom, summary, about=ref, step=step, by=by, when=at, at=u.at, id=u.new_id(Interaction)),
        )

    @verb
    def note(
        self,
        customer: Customer | str,
        text: str,
        *,
        about: Record | Ref | None = None,
        step: BuyingStep | str | None = None,
        documents: Sequence[Document] = (),
        by: str | None = None,
        at: datetime | None = None,
        reason: str = "",
    ) -> Interaction:
        """Take a note about a customer, a contact or an order, at any step of the sales cycle.

        Args:
            customer: about whom.
            text: what is noted.
            about: what it is about.
            step: where in the buying cycle.
            documents: what belongs to it.
            by: whose note it is; the actor's if nobody is named.
            at: when it was taken; now if nothing is said.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such customer, or nothing that `about` names.
            Invalid: rule `future`, or `required`: it says nothing.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://").acting_as("rep-lito")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> crm.interactions.note(ana, "Prefers blue.", step=BuyingStep.EVALUATION).by
        'rep-lito'
        """
        u = self.unit
        whom = u.get(Customer, customer).id
        ref = _about(u, whom, about)
        author = u.by if by is None else by
        return _save(
            u,
            interactions.note(
                whom,
                text,
                by=author,
                about=ref,
                step=step,
                documents=documents,
                when=at,
                at=u.at,
                id=u.new_id(Interaction),
            ),
        )

    @verb
    def answer(
        self,
        request: Interaction | str,
        *,
        channel: Channel | None = None,
        mode: Mode | None = None,
        purpose: Purpose | None = None,
        by: str | None = None,
        minutes: int = 0,
        participants: Sequence[str] = (),
        summary: str = "",
        documents: Sequence[Document] = (),
        trait: str | None = None,
        announces: Announcement | None = None,
        at: datetime | None = None,
        reason: str = "",
    ) -> Interaction:
        """Answer a request, and give the interaction that does. What is not said is taken from the request.

        Args:
            request: what is answered.
            channel: how; the channel of the request if nothing is said.
            mode: a person (operational), or automated tools (collaborative).
            purpose: what for; the purpose of the request if nothing is said.
            by: who answers; the actor if nobody is named, nobody for an automated answer.
            minutes: how many minutes of staff it took.
            participants: who else took part.
            summary: what was said.
            documents: what was exchanged.
            trait: what in the customer's profile an automated answer acted from.
            announces: a visit or a callback that was announced.
            at: when; now if nothing is said.
            reason: for the audit trail.

        Raises:
            NotFound: there is no such request.
            Refusal: rule `interaction.no-request` or `interaction.answered`, or as `record`.
            Invalid: as `record`.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://").acting_as("rep-lito")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> request = crm.interactions.record(ana, Channel.EMAIL, Direction.INBOUND, is_request=True)
        >>> answer = crm.interactions.answer(request, summary="Tuesday at ten.")
        >>> answer.answers == request.id, len(crm.interactions.open_requests(ana))
        (True, 0)
        """
        u = self.unit
        asked = u.act_on(Interaction, request)
        interactions.check_open(asked)
        whom = u.get(Customer, asked.customer)
        contact = _contact(
            u,
            channel or asked.channel or Channel.EMAIL,
            Direction.OUTBOUND,
            stance=Stance.REACTIVE,
            mode=mode,
            purpose=purpose or asked.purpose or Purpose.SERVICE,
            by=by,
            about=asked.about,
            trait=trait,
        )
        refuse_unless_allowed(u, whom, contact, asked.about, at=at)
        change = interactions.converse(
            whom.id,
            contact,
            minutes=minutes,
            participants=participants,
            summary=summary,
            documents=documents,
            about=asked.about,
            topic=asked.topic,
            step=asked.step,
            answers=asked.id,
            announces=announces,
            when=at,
            at=u.at,
            id=u.new_id(Interaction),
        )
        made = _save(u, change)
        u.save(interactions.answer(asked, made, at=u.at), at=made.at)
        return made

    @verb
    def attach(self, interaction: Interaction | str, document: Document, *, reason: str = "") -> Interaction:
        """Attach a document that was exchanged. The host keeps the file; here stands what it was and where it is.

        Raises:
            NotFound: there is no such interaction.
            Refusal: rule `interaction.document-attached`, the same content is there already.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> note = crm.interactions.note(ana, "Sent the offer.")
        >>> offer = Document(name="offer.pdf", media_type="application/pdf", size=48_200, sha256="0" * 64)
        >>> len(crm.interactions.attach(note, offer).documents)
        1
        """
        u = self.unit
        return u.save(interactions.attach(u.act_on(Interaction, interaction), document, at=u.at))

    @verb
    def get(self, interaction: Interaction | str) -> Interaction:
        """Give an interaction by its id.

        Raises:
            NotFound: there is none, or none that the actor may see.

        >>> from crmkit import CRM
        >>> CRM.open("memory://").interactions.get("int_1")
        Traceback (most recent call last):
        crmkit.errors.NotFound: interaction 'int_1': not found; check the id, the tenant and what the actor may see
        """
        return self.unit.get(Interaction, interaction)

    @verb
    def of(
        self,
        customer: Customer | str,
        *,
        kind: InteractionKind | None = None,
        about: Record | Ref | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Listed[Interaction]:
        """List interactions with a customer, the newest first, in pages: all, of one kind, or about one thing.

        Raises:
            NotFound: there is no such customer, or none that the actor may see.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> note = crm.interactions.note(ana, "Prefers blue.")
        >>> len(crm.interactions.of(ana, kind=InteractionKind.NOTE)), len(crm.interactions.of(ana, about=note))
        (1, 0)
        """
        u = self.unit
        ref = _ref(about)
        where: list[Where | None] = [
            field("customer") == u.get(Customer, customer).id,
            None if kind is None else field("kind") == kind,
            None if ref is None else field("about").has(interactions.about_key(ref)),
        ]
        return u.page(Interaction, everything(*where), order=("-at",), limit=limit, after=after)

    @verb
    def find(
        self, where: Where | None = None, *, order: Sequence[str] = ("-at",), limit: int = 100, after: str | None = None
    ) -> Listed[Interaction]:
        """List interactions that meet a condition, the newest first if nothing else is said, in pages.

        Raises:
            Invalid: the condition names no field of an interaction.

        >>> from crmkit import CRM
        >>> len(CRM.open("memory://").interactions.find(field("channel") == Channel.VISIT))
        0
        """
        return self.unit.page(Interaction, where, order=order, limit=limit, after=after)

    @verb
    def open_requests(
        self,
        customer: Customer | str | None = None,
        *,
        older_than: timedelta = timedelta(0),
        limit: int = 100,
        after: str | None = None,
    ) -> Listed[Interaction]:
        """List what customers asked and nobody has answered, the oldest first, in pages.

        Args:
            customer: whose; everybody's if nobody is named.
            older_than: only what has been waiting so long or longer.
            limit: how many on a page.
            after: the `next` of the page before.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> _ = crm.interactions.record(ana, Channel.EMAIL, Direction.INBOUND, topic="a quote", is_request=True)
        >>> [request.topic for request in crm.interactions.open_requests()]
        ['a quote']
        """
        u = self.unit
        whom = None if customer is None else customer if isinstance(customer, str) else customer.id
        where: list[Where | None] = [
            field("request") == RequestStatus.OPEN,
            field("at") <= u.at - older_than if older_than else None,
            None if whom is None else field("customer") == whom,
        ]
        return u.page(Interaction, everything(*where), order=("at",), limit=limit, after=after)

    # questions

    @verb
    def frequency(self, customer: Customer | str, *, within: timedelta = CAPPED_WITHIN) -> Frequency:
        """Count the contacts with a customer in a time up to now; attempts stand apart.

        Raises:
            NotFound: there is no such customer, or none that the actor may see.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> _ = crm.interactions.record(ana, Channel.VISIT, Direction.OUTBOUND)
        >>> crm.interactions.frequency(ana).outbound
        1
        """
        u = self.unit
        recent = _since(u, u.get(Customer, customer).id, u.at - within)
        return frequency.frequency(recent, within=within, at=u.at)

    @verb
    def may_contact(
        self,
        customer: Customer | str,
        channel: Channel,
        purpose: Purpose = Purpose.SERVICE,
        *,
        stance: Stance = Stance.PROACTIVE,
        mode: Mode | None = None,
        by: str | None = None,
        about: Record | Ref | None = None,
        trait: str | None = None,
        contact_point: str | None = None,
        caps: Sequence[FrequencyCap] = CAPS,
    ) -> Permission:
        """Say whether the company may make a contact now, and why: by type of relationship, consent and frequency cap.

        Args:
            customer: with whom.
            channel: how.
            purpose: what for.
            stance: whether the customer has asked for it.
            mode: by a person, or by automated tools.
            by: who would act on the company's side; the actor if nobody is named.
            about: what it would be about.
            trait: what in the customer's profile an automated contact would act from.
            contact_point: the id of the address that would be used; consent may be tied to it.
            caps: how often the company may turn to a customer.

        Raises:
            NotFound: there is no such customer, or none that the actor may see.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> tie = crm.relationships.begin(ana, "self-service")
        >>> answer = crm.interactions.may_contact(ana, Channel.PHONE)
        >>> answer.allowed, [objection.rule for objection in answer.objections]
        (False, ['self-service.no-direct-contact'])
        """
        u = self.unit
        whom = u.get(Customer, customer)
        ref = _about(u, whom.id, about)
        contact = _contact(
            u, channel, Direction.OUTBOUND, stance=stance, mode=mode, purpose=purpose, by=by, about=ref, trait=trait
        )
        by_rules = judged(u, whom, contact, ref, at=u.at, contact_point=contact_point)
        span = max((cap.within for cap in caps), default=timedelta(0))
        recent = tuple(_since(u, whom.id, u.at - span))
        by_caps = frequency.cap_objections(recent, caps, channel=contact.channel, purpose=contact.purpose, at=u.at)
        return Permission(by_rules.allowed and not by_caps, by_rules.reasons, by_rules.objections + by_caps)

    @verb
    def effort(self, since: datetime, until: datetime, *, new_for: timedelta = NEW_FOR) -> EffortReport:
        """Show the effort spent on new against existing customers in a time, by kind of customer, mode and direction.

        A customer is new until `new_for` after the first purchase or the beginning of the first relationship, and as
        long as there is neither.

        Args:
            since: from when.
            until: up to when, exclusive.
            new_for: how long a customer counts as new.

        >>> from crmkit import CRM, Person
        >>> crm = CRM.open("memory://")
        >>> ana = crm.customers.register(Person("Ana Reyes"))
        >>> visit = crm.interactions.record(ana, Channel.VISIT, Direction.OUTBOUND, minutes=45)
        >>> crm.interactions.effort(visit.at, visit.at + timedelta(hours=1)).of(effort.Group.NEW)
        Effort(contacts=1, attempts=0, minutes=45)
        """
        u = self.unit
        lines: effort.Lines = {}
        where = (field("at") >= since) & (field("at") < until)
        for some in batches(every(u, Interaction, where, order=("at",)), BATCH):
            customers = {each.customer for each in some}
            kinds = {id_: str(found.kind) for id_, found in u.get_many(Customer, customers).items()}
            effort.add_effort(lines, some, kinds=kinds, first=first_dates(u, customers), new_for=new_for)
        return effort.effort_report(lines, since=since, until=until, new_for=new_for)


# what the verbs share


def first_dates(u: Unit, customers: Iterable[str]) -> dict[str, datetime]:
    """Give when customers became customers: their first purchase or the beginning of their first relationship."""
    whose = field("customer").in_(customers)
    first: dict[str, datetime] = {}
    for bought in every(u, Purchase, whose):
        if bought.customer is not None:
            first[bought.customer] = min(first.get(bought.customer, bought.at), bought.at)
    for tie in every(u, Relationship, whose):
        first[tie.customer] = min(first.get(tie.customer, tie.began), tie.began)
    return first


def _since(u: Unit, customer: str, since: datetime) -> Iterable[Interaction]:
    return every(u, Interaction, (field("customer") == customer) & (field("at") >= since))


def _contact(
    u: Unit,
    channel: Channel,
    direction: Direction,
    *,
    stance: Stance | None,
    mode: Mode | None,
    purpose: Purpose,
    by: str | None,
    about: Ref | None,
    trait: str | None,
) -> Contact:
    """Fill in what was not said."""
    how = mode or (Mode.COLLABORATIVE if u.by.startswith(PORTAL) else Mode.OPERATIONAL)
    return Contact(
        channel=channel,
        direction=direction,
        stance=stance or (Stance.PROACTIVE if direction == Direction.OUTBOUND else Stance.REACTIVE),
        mode=how,
        purpose=purpose,
        by=u.by if by is None and how == Mode.OPERATIONAL else by,
        transaction=about.id if about is not None and about.kind == Purchase.__kind__.name else None,
        trait=trait,
    )


def _ref(about: Record | Ref | None) -> Ref | None:
    return Ref(type(about).__kind__.name, about.id) if isinstance(about, Record) else about


def _about(u: Unit, customer: str, about: Record | Ref | None) -> Ref | None:
    """Check that what an interaction is about is there and the customer's; the host's own things are not looked up."""
    ref = _ref(about)
    if ref is not None and ref.kind in KINDS:
        whose = customer_of(u.get(KINDS[ref.kind].cls, ref.id))
        if whose not in (None, customer):
            reasons = (f"{ref} belongs to somebody else",)
            raise Refusal(f"an interaction with customer {customer}", "interaction.other-customer", reasons)
    return ref


def _save(u: Unit, change: Change[Interaction]) -> Interaction:
    return u.save(change, at=change.record.at)


# reactions to what was recorded


def announced_is_planned(u: Unit, interaction: Interaction, _: InteractionRecorded) -> None:
    """An announced visit or callback becomes a task at that time."""
    announced = interaction.announces
    if announced is None:
        return
    title = f"{str(announced.kind).capitalize()} announced on {interaction.at:%Y-%m-%d}"
    owner = announced.owner or interaction.by or u.by
    u.save(
        tasks.plan(
            interaction.customer,
            title,
            due=announced.at,
            owner=owner,
            kind=announced.kind,
            interaction=interaction.id,
            at=u.at,
            id=u.new_id(Task),
        )
    )


def unserved_is_gap(u: Unit, interaction: Interaction, _: InteractionRecorded) -> None:
    """A request that no relationship of the customer can serve is recorded as a gap."""
    if interaction.request is None or not interaction.topic:
        return
    ties = lasting(u, interaction.customer)
    if ties and not any(gaps.means_for(rules_for(u, tie), interaction.topic) for tie in ties):
        u.save(gaps.find_gap(interaction.customer, ties[0].id, interaction.topic, id=u.new_id(Gap), at=u.at))
