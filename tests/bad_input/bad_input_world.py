"""What the tests of bad input share: a populated world, every public verb with good arguments, and what is stored."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs
import pytest

import crmkit
from crmkit import (
    CRM,
    Attribute,
    BuyingStep,
    Channel,
    ContactPoint,
    CRMError,
    DeclineCause,
    Dependant,
    Direction,
    Document,
    Household,
    Identifier,
    ImportantDate,
    Intention,
    Interest,
    Means,
    Outcome,
    Person,
    Purpose,
    Query,
    Record,
    Ref,
    Sale,
    Signal,
    Strategy,
    field,
)

START = datetime(2026, 1, 1, 9, tzinfo=UTC)
ATTRIBUTES = (
    Attribute("nickname", str),
    Attribute("size", int),
    Attribute("loyal", bool),
    Attribute("rate", Decimal),
    Attribute("joined", date),
    Attribute("seen", datetime),
    Attribute("colour", ("red", "blue")),
)
SERVICES = (
    "customers",
    "consents",
    "relationships",
    "interactions",
    "tasks",
    "purchases",
    "timeline",
    "needs",
    "satisfaction",
)
KINDS = tuple(
    made
    for name in crmkit.__all__
    if isinstance(made := getattr(crmkit, name), type) and issubclass(made, Record) and "__kind__" in vars(made)
)
DIGEST = "0" * 64

# what is stored


def state_of(crm: CRM) -> tuple[object, ...]:
    """Give all that a tenant holds: every record of every kind, and the whole journal."""
    with crm.store.reader(crm.tenant_name) as reader:
        records = tuple((k.__kind__.name, *reader.find(k.__kind__.name, Query(limit=10_000)).items) for k in KINDS)
        return (*records, reader.events(limit=10_000))


def entries_of(crm: CRM) -> list[str]:
    """Give the types of all entries of the journal."""
    with crm.store.reader(crm.tenant_name) as reader:
        return [each.entry.type for each in reader.events(limit=10_000)]


# what an error says


def said_by(error: BaseException) -> str:
    """Give everything that an error tells: its text, its attributes, and what is chained to it and shown."""
    parts: list[str] = []
    while error is not None:
        parts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        parts += getattr(error, "__notes__", [])
        nested = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if nested is None:
            break
        error = nested
    return "\n".join(parts)


def shown_by(error: BaseException) -> str:
    """Give the last lines of the traceback that a log would show, chained errors included, without source lines."""
    told = traceback.TracebackException.from_exception(error)
    lines: list[str] = []
    while told is not None:
        lines += told.format_exception_only()
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    return "".join(lines)


def refuses(
    crm: CRM,
    act: Callable[[], object],
    *,
    hidden: str = "",
    error: type[CRMError] = crmkit.Invalid,
    caplog: pytest.LogCaptureFixture | None = None,
    **attributes: str,
) -> CRMError:
    """Check that an act is refused with a typed error that hides the value, and that nothing has changed."""
    before = state_of(crm)
    with pytest.raises(error) as caught:
        act()
    assert state_of(crm) == before
    assert {name: getattr(caught.value, name) for name in attributes} == attributes
    if hidden:
        assert hidden not in said_by(caught.value)
        assert hidden not in shown_by(caught.value)
        if caplog is not None:
            assert hidden not in caplog.text
    if isinstance(caught.value, crmkit.Invalid):
        assert caught.value.field
        assert caught.value.rule
        assert caught.value.expected
    return caught.value


def texts_in(value: object, seen: frozenset[int] = frozenset()) -> Iterator[str]:  # noqa: C901 - a case per kind
    """Give every text that an answer holds, however deep."""
    if id(value) in seen:
        return
    if isinstance(value, Enum):
        yield str(value.value)
    elif isinstance(value, str):
        yield str(value)
    elif isinstance(value, BaseException):
        yield said_by(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts_in(key, seen | {id(value)})
            yield from texts_in(item, seen | {id(value)})
    elif attrs.has(type(value)) and not isinstance(value, type):
        for each in attrs.fields(type(value)):
            yield from texts_in(getattr(value, each.name), seen | {id(value)})
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from texts_in(item, seen | {id(value)})


# a world


@dataclass(frozen=True)
class Ids:
    """The ids of one customer's records, of every kind."""

    customer: str
    relative: str
    household: str
    anonymous: str
    contact: str
    tie: str
    ended: str
    member: str
    other_member: str
    interaction: str
    request: str
    purchase: str
    unknown_purchase: str
    open_purchase: str
    need: str
    met: str
    task: str
    measurement: str
    gap: str
    opt_in: str
    fresh: str

    def absent(self) -> Ids:
        """Give ids of the same length that name nothing."""
        return replace(self, **{name: "zz" + value[2:] for name, value in vars(self).items()})


def populate(crm: CRM, name: str, at: datetime = START) -> Ids:
    """Make a customer with records of every kind; everything that is text holds the name."""
    c = crm.customers
    who = c.register(
        Person(f"{name} Reyes"),
        id=f"{name}-1",
        email=f"{name}@example.com",
        identifiers=[Identifier("card", f"{name}-77")],
        tags=[f"{name}-vip"],
    )
    relative = c.register(Person(f"{name} Cruz"), id=f"{name}-2", referrer=who)
    home = c.register(Household(f"{name} family", members=(who.id,)), id=f"{name}-3")
    unknown = c.register(id=f"{name}-4")
    c.note(who, Interest(f"{name} coffee"), ImportantDate(f"{name} day", "--05-01"), Dependant(f"{name} junior"))
    tie = crm.relationships.begin(who, "transactional", owner=f"{name}-rep")
    ended = crm.relationships.begin(who, "long-term", owner=f"{name}-rep")
    crm.relationships.dissolve(ended, "needs not met", ended_by="customer", at_fault="unknown", reason=f"{name} left")
    member = crm.relationships.begin(who, "communities", community=f"{name}-club", note=f"{name} note")
    other = crm.relationships.begin(relative, "communities", community=f"{name}-club")
    helped = crm.relationships.begin(relative, "self-service")
    gap = crm.relationships.request(helped, f"{name} topic").gap
    opt_in = crm.consents.request_double_opt_in(who, Purpose.MARKETING, Channel.EMAIL)
    call = crm.interactions.record(who, Channel.PHONE, Direction.INBOUND, summary=f"{name} called", at=at)
    asked = crm.interactions.record(who, Channel.EMAIL, Direction.INBOUND, topic=f"{name} topic", is_request=True)
    bought = crm.purchases.record(who, "12.50 EUR", order_id=f"{name}-1001", place=f"{name} shop")
    unknown_bought = crm.purchases.record(None, "12.50 EUR", order_id=f"{name}-1002", place=f"{name} shop")
    still = crm.purchases.record(who, "12.50 EUR", order_id=f"{name}-1003", is_open=True)
    need = crm.needs.record(who, f"{name} bicycle")
    met = crm.needs.meet(crm.needs.record(who, f"{name} helmet"))
    task = crm.tasks.plan(who, f"{name} visit", due=at + timedelta(days=3), owner=f"{name}-rep")
    score = crm.satisfaction.measure(who, BuyingStep.USE, 4, comment=f"{name} said")
    assert gap is not None
    return Ids(
        customer=who.id,
        relative=relative.id,
        household=home.id,
        anonymous=unknown.id,
        contact=who.contacts[0].id,
        tie=tie.id,
        ended=ended.id,
        member=member.id,
        other_member=other.id,
        interaction=call.id,
        request=asked.id,
        purchase=bought.id,
        unknown_purchase=unknown_bought.id,
        open_purchase=still.id,
        need=need.id,
        met=met.id,
        task=task.id,
        measurement=score.id,
        gap=gap,
        opt_in=opt_in.id,
        fresh=f"{name}-new",
    )


# every public verb, with arguments that are right

Arguments = dict[str, Any]
_STRATEGY = Strategy("2026", [Intention(name="everybody", type="self-service")])
_LATER = START + timedelta(days=30)

CALLS: Mapping[str, Callable[[Ids], Arguments]] = {
    "customers.add_contact": lambda i: {"customer": i.customer, "contact": ContactPoint(Means.PHONE, "+63 917 555 01")},
    "customers.add_member": lambda i: {"household": i.household, "person": i.relative},
    "customers.by_email": lambda i: {"address": f"{i.customer}@example.com"},
    "customers.by_identifier": lambda i: {"scheme": "card", "value": f"{i.customer[:-2]}-77"},
    "customers.by_name": lambda i: {"text": i.customer[:-2], "limit": 10},
    "customers.by_phone": lambda _: {"number": "+63 917 555 01", "country": "PH"},
    "customers.change_contact": lambda i: {"customer": i.customer, "contact": i.contact, "changes": {"label": "home"}},
    "customers.channel_choices": lambda i: {"customer": i.customer, "soliciting": False},
    "customers.contact_for": lambda i: {"customer": i.customer, "means": Means.EMAIL, "purpose": None},
    "customers.correct": lambda i: {"customer": i.customer, "facts": {"title": "Dr"}},
    "customers.count": lambda _: {"where": field("kind") == "person"},
    "customers.doubts": lambda i: {"customer": i.customer},
    "customers.end_contact": lambda i: {"customer": i.customer, "contact": i.contact, "until": _LATER},
    "customers.facts": lambda i: {"customer": i.customer},
    "customers.facts_older_than": lambda i: {"customer": i.customer, "moment": _LATER},
    "customers.find": lambda _: {"where": field("kind") == "person", "order": ["sort_name"], "limit": 50},
    "customers.forget": lambda i: {"customer": i.customer, "paths": (f"interests.{i.customer[:-2]} coffee",)},
    "customers.get": lambda i: {"customer": i.customer},
    "customers.households_of": lambda i: {"person": i.customer},
    "customers.name_at": lambda i: {"customer": i.customer, "at": _LATER},
    "customers.note": lambda i: {"customer": i.customer, "facts": (Interest("tea"),), "source": "web", "detail": "x"},
    "customers.provenance": lambda i: {"customer": i.customer, "path": "party.name"},
    "customers.register": lambda i: {
        "party": Person("New One"),
        "id": i.fresh,
        "email": "new@example.com",
        "phone": "+63 917 555 02",
        "contacts": [ContactPoint(Means.CHAT, "new")],
        "identifiers": [Identifier("vat", "1")],
        "attributes": {"size": 4},
        "tags": ["new"],
        "language": "en",
        "zone": "Asia/Manila",
        "referrer": i.relative,
        "source": "web",
        "detail": "x",
        "since": START,
        "reason": "asked",
    },
    "customers.remove_member": lambda i: {"household": i.household, "person": i.customer},
    "customers.rename": lambda i: {"customer": i.customer, "name": "Ana Cruz", "given": "Ana", "as_of": START},
    "customers.reveal": lambda i: {"customer": i.anonymous, "party": Person("Known Now")},
    "customers.set_attributes": lambda i: {"customer": i.customer, "values": {"size": 42}},
    "customers.set_locale": lambda i: {"customer": i.customer, "language": "en", "zone": "Asia/Manila"},
    "customers.tag": lambda i: {"customer": i.customer, "tags": ("vip",)},
    "customers.untag": lambda i: {"customer": i.customer, "tags": (f"{i.customer[:-2]}-vip",)},
    "customers.verify": lambda i: {"customer": i.customer, "paths": ("party.name",)},
    "customers.verify_contact": lambda i: {"customer": i.customer, "contact": i.contact},
    "consents.confirm_double_opt_in": lambda i: {"request": i.opt_in, "evidence": "clicked"},
    "consents.deny": lambda i: {"customer": i.customer, "purpose": "service", "captured_at": START},
    "consents.grant": lambda i: {"customer": i.customer, "purpose": "service", "effective_from": START},
    "consents.history": lambda i: {"customer": i.customer},
    "consents.lift": lambda i: {"customer": i.customer, "cause": "called"},
    "consents.permitted": lambda i: {"customers": [i.customer], "purpose": "service", "at": _LATER},
    "consents.request_double_opt_in": lambda i: {"customer": i.customer, "purpose": "service"},
    "consents.state": lambda i: {"customer": i.customer, "purpose": "service", "at": _LATER, "known_at": _LATER},
    "consents.suppress": lambda i: {"customer": i.customer, "cause": "bounced", "effective_until": None},
    "consents.withdraw": lambda i: {"customer": i.customer, "purpose": "service", "cause": "asked"},
    "relationships.advance": lambda i: {
        "tie": i.tie,
        "signal": Signal.UNDERSTAND,
        "evidence": ["value-understood", "product-used", "service-used"],
    },
    "relationships.agree_cadence": lambda i: {"tie": i.member, "cadence": timedelta(days=30)},
    "relationships.at_risk": lambda _: {"limit": 10},
    "relationships.begin": lambda i: {
        "customer": i.customer,
        "type": "self-service",
        "note": "told",
        "origin": "nearby",
    },
    "relationships.change_type": lambda i: {
        "tie": i.tie,
        "type": "self-service",
        "evidence": ["value-understood"],
        "reason": "asked",
    },
    "relationships.close_gap": lambda i: {"gap": i.gap, "remedy": "a page"},
    "relationships.contradictions": lambda _: {"strategy": _STRATEGY, "since": START, "limit": 10},
    "relationships.could": lambda i: {"tie": i.tie, "signal": "understand"},
    "relationships.count": lambda _: {"where": field("type") == "transactional"},
    "relationships.dissolve": lambda i: {
        "tie": i.tie,
        "cause": "needs not met",
        "ended_by": "customer",
        "at_fault": "unknown",
        "reason": "left",
    },
    "relationships.due": lambda _: {"until": _LATER, "limit": 10},
    "relationships.due_for_contact": lambda _: {"limit": 10},
    "relationships.exchange": lambda i: {"asked": i.member, "answered": i.other_member, "note": "helped"},
    "relationships.find": lambda _: {"where": field("type") == "transactional", "order": ["began"], "limit": 10},
    "relationships.gaps": lambda _: {"topic": "t", "limit": 10},
    "relationships.get": lambda i: {"tie": i.tie},
    "relationships.hand_over": lambda i: {"tie": i.tie, "to": "rep-2", "reason": "left"},
    "relationships.intended": lambda i: {"customer": i.customer, "strategy": _STRATEGY},
    "relationships.migrate": lambda _: {"batch": 10},
    "relationships.migrate_batch": lambda _: {"limit": 10},
    "relationships.neglected": lambda _: {"after_span": timedelta(days=1), "limit": 10},
    "relationships.note_evidence": lambda i: {"tie": i.tie, "evidence": ("value-understood",)},
    "relationships.of": lambda i: {"customer": i.customer},
    "relationships.options": lambda i: {"tie": i.tie},
    "relationships.owned_by": lambda i: {"owner": f"{i.customer[:-2]}-rep", "limit": 10},
    "relationships.plan_migration": lambda _: {},
    "relationships.record_trial": lambda i: {"tie": i.tie, "passed": True, "score": 70, "note": "fine"},
    "relationships.reengage": lambda i: {"tie": i.ended, "own_purchase": True},
    "relationships.request": lambda i: {"tie": i.tie, "topic": "invoice", "note": "asked"},
    "relationships.run_due": lambda _: {"until": START, "limit": 10, "batch": 5},
    "relationships.stage_counts": lambda _: {},
    "relationships.sweep": lambda _: {"until": START, "limit": 10},
    "relationships.tell_origin": lambda i: {"tie": i.tie, "origin": "nearby", "note": "told"},
    "interactions.answer": lambda i: {"request": i.request, "channel": Channel.EMAIL, "summary": "done", "minutes": 5},
    "interactions.attach": lambda i: {
        "interaction": i.interaction,
        "document": Document(name="offer.pdf", media_type="application/pdf", size=5, sha256=DIGEST),
    },
    "interactions.attempt": lambda i: {"customer": i.customer, "channel": Channel.PHONE, "outcome": Outcome.VOICEMAIL},
    "interactions.effort": lambda _: {"since": START - timedelta(days=9), "until": _LATER},
    "interactions.find": lambda _: {"where": field("channel") == "phone", "order": ["-at"], "limit": 10},
    "interactions.finding": lambda i: {"customer": i.customer, "summary": "buys", "about": Ref("purchase", i.purchase)},
    "interactions.frequency": lambda i: {"customer": i.customer, "within": timedelta(days=30)},
    "interactions.get": lambda i: {"interaction": i.interaction},
    "interactions.may_contact": lambda i: {"customer": i.customer, "channel": Channel.EMAIL},
    "interactions.note": lambda i: {"customer": i.customer, "text": "blue", "about": Ref("purchase", i.purchase)},
    "interactions.of": lambda i: {"customer": i.customer, "about": Ref("purchase", i.purchase), "limit": 10},
    "interactions.open_requests": lambda i: {"customer": i.customer, "older_than": timedelta(0), "limit": 10},
    "interactions.record": lambda i: {
        "customer": i.customer,
        "channel": Channel.PHONE,
        "direction": Direction.INBOUND,
        "summary": "called",
        "participants": ["wife"],
        "documents": [],
        "at": START,
        "minutes": 4,
        "about": Ref("purchase", i.purchase),
    },
    "tasks.cancel": lambda i: {"task": i.task, "outcome": "no"},
    "tasks.done": lambda i: {"task": i.task, "outcome": "yes"},
    "tasks.get": lambda i: {"task": i.task},
    "tasks.open": lambda i: {"owner": f"{i.customer[:-2]}-rep", "customer": i.customer, "until": _LATER, "limit": 10},
    "tasks.plan": lambda i: {"customer": i.customer, "title": "call", "due": _LATER, "owner": "rep"},
    "tasks.reschedule": lambda i: {"task": i.task, "due": _LATER, "owner": "rep"},
    "purchases.by_order": lambda i: {"order_id": f"{i.customer[:-2]}-1001", "source": "host"},
    "purchases.complete": lambda i: {"purchase": i.open_purchase},
    "purchases.correct": lambda i: {"purchase": i.purchase, "total": "12.05 EUR", "reason": "typo"},
    "purchases.count": lambda _: {"where": field("status") == "open"},
    "purchases.find": lambda _: {"where": field("status") == "open", "order": ["-at"], "limit": 10},
    "purchases.get": lambda i: {"purchase": i.purchase},
    "purchases.identify": lambda i: {"purchase": i.unknown_purchase, "customer": i.customer},
    "purchases.of": lambda i: {"customer": i.customer, "limit": 10},
    "purchases.record": lambda i: {
        "customer": i.customer,
        "total": "9.00 EUR",
        "items": (),
        "at": START,
        "order_id": "n-1",
        "source": "shop",
        "channel": "phone",
        "place": "Madrid",
        "words": "cheap",
    },
    "purchases.record_batch": lambda i: {"sales": [Sale.of("9.00 EUR", customer=i.customer, at=START)]},
    "purchases.record_many": lambda i: {"sales": [Sale.of("9.00 EUR", customer=i.customer, at=START)], "batch": 3},
    "purchases.refund": lambda i: {"purchase": i.purchase, "amount": "1.00 EUR", "cause": "goodwill", "at": START},
    "purchases.spent": lambda i: {"customer": i.customer},
    "timeline.about": lambda i: {"record": Ref("purchase", i.purchase), "after": 0, "before": None, "limit": 10},
    "timeline.all": lambda _: {"types": (), "after": 0, "before": None, "limit": 200},
    "timeline.of": lambda i: {"customer": i.customer, "types": (), "after": 0, "before": None, "limit": 50},
    "needs.decline": lambda i: {"need": i.need, "cause": DeclineCause.TOO_EXPENSIVE, "words": "no"},
    "needs.get": lambda i: {"need": i.need},
    "needs.meet": lambda i: {"need": i.need, "purchase": i.purchase},
    "needs.open": lambda i: {"customer": i.customer, "older_than": timedelta(0), "limit": 10},
    "needs.record": lambda i: {
        "customer": i.customer,
        "what": "a bell",
        "products": ["b-1"],
        "categories": ["bells"],
        "importance": 3,
        "interaction": i.interaction,
        "at": START,
    },
    "needs.reopen": lambda i: {"need": i.met, "reason": "stolen"},
    "satisfaction.at_risk": lambda _: {"limit": 10},
    "satisfaction.get": lambda i: {"measurement": i.measurement},
    "satisfaction.health": lambda i: {"customer": i.customer, "relationship": i.tie},
    "satisfaction.measure": lambda i: {
        "customer": i.customer,
        "step": "use",
        "answer": 4,
        "comment": "fine",
        "interaction": i.interaction,
        "relationship": i.tie,
    },
    "satisfaction.of": lambda i: {"customer": i.customer, "limit": 10},
    "satisfaction.risk": lambda i: {"customer": i.customer},
    "satisfaction.scores": lambda i: {"customer": i.customer, "relationship": i.tie},
    "satisfaction.trend": lambda i: {"customer": i.customer, "relationship": i.tie, "step": "use"},
    "satisfaction.unattended": lambda _: {"within": timedelta(days=30), "limit": 10},
}


def public_verbs() -> set[str]:
    """Give the names of all public verbs, by reflection."""
    with CRM.open("memory://") as crm:
        return {
            f"{service}.{name}"
            for service in SERVICES
            for name, _ in inspect.getmembers(type(getattr(crm, service)), inspect.isfunction)
            if not name.startswith("_")
        }


def call(services: Any, verb: str, arguments: Mapping[str, Any]) -> Any:
    """Call a verb by its name with arguments by name, those that it takes by position included."""
    service, name = verb.split(".")
    method = getattr(getattr(services, service), name)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in inspect.signature(method).parameters.values():
        if parameter.name not in arguments:
            continue
        given = arguments[parameter.name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += given
        elif parameter.kind is parameter.VAR_KEYWORD:
            kwargs.update(given)
        elif parameter.kind is parameter.POSITIONAL_ONLY or (
            parameter.kind is parameter.POSITIONAL_OR_KEYWORD and not kwargs and parameter.default is parameter.empty
        ):
            args.append(given)
        else:
            kwargs[parameter.name] = given
    return method(*args, **kwargs)


def parameters_of(verb: str) -> list[str]:
    """Give the names of the parameters of a verb."""
    service, name = verb.split(".")
    with CRM.open("memory://") as crm:
        return list(inspect.signature(getattr(getattr(crm, service), name)).parameters)
