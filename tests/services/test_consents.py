"""Consents: the verbs, on every store."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from crmkit.crm import CRM
from crmkit.domain.consents import Consent, LegalBasis, Proof, Why
from crmkit.domain.customers.customer import Customer
from crmkit.domain.customers.parties import Person
from crmkit.domain.words import Channel, Purpose
from crmkit.errors import Invalid, NotAllowed, NotFound, Refusal
from crmkit.kernel.ids import Ref
from crmkit.services.clock import VirtualClock

MARKETING, MAIL = Purpose.MARKETING, Channel.EMAIL
WEEK = timedelta(days=7)


@pytest.fixture
def ana(crm: CRM) -> Customer:
    """Ana Reyes, with an e-mail address."""
    return crm.customers.register(Person("Ana Reyes"), id="ana", email="ana@example.com")


def journal(crm: CRM) -> int:
    """The length of the journal."""
    with crm.store.reader(crm.tenant_name) as reader:
        return len(reader.events(limit=10_000))


def test_the_log_grows_and_tells_what_held_at_any_moment(crm: CRM, clock: VirtualClock, ana: Customer) -> None:
    """Every verb adds one entry; none changes; the state of each moment stays what it was."""
    start = clock()
    form = Proof(source="form", wording="I agree.", wording_version="7", locale="en", evidence="post/1")
    verbs: list[Any] = [
        lambda: crm.consents.grant(ana, MARKETING, MAIL, proof=form, reason="newsletter form"),
        lambda: crm.consents.withdraw(ana, MARKETING, cause="too many"),
        lambda: crm.consents.grant(ana, MARKETING, MAIL, ana.contacts[0], basis=LegalBasis.LEGITIMATE_INTERESTS),
        lambda: crm.consents.suppress(ana, "bounced", contact_point=ana.contacts[0].id),
        lambda: crm.consents.lift(ana, "works again"),
        lambda: crm.consents.deny(ana, MARKETING, MAIL, effective_until=clock() + WEEK),
    ]
    made: list[Consent] = []
    for verb in verbs:
        made.append(verb())
        clock.advance(timedelta(days=1))
    assert crm.consents.history(ana) == tuple(made)
    assert [(e.number, str(e.status), e.by, e.version) for e in made] == [
        (1, "granted", "host", 1), (2, "withdrawn", "host", 1), (3, "granted", "host", 1),
        (4, "suppressed", "host", 1), (5, "lifted", "host", 1), (6, "denied", "host", 1),
    ]  # fmt: skip

    def told(point: Any, day: float) -> Why:
        return crm.consents.state(ana, MARKETING, MAIL, point, at=start + timedelta(days=day)).why

    general = [told(None, d) for d in (-1, 0, 1, 2, 3, 4, 5, 12)]
    assert general == [
        Why.DEFAULT, Why.GRANTED, Why.WITHDRAWN, Why.WITHDRAWN, Why.WITHDRAWN, Why.WITHDRAWN, Why.DENIED, Why.WITHDRAWN,
    ]  # fmt: skip
    mine = [told(ana.contacts[0], d) for d in (0, 1, 2, 3, 4, 5, 12)]
    assert mine == [
        Why.GRANTED, Why.WITHDRAWN, Why.GRANTED, Why.SUPPRESSED, Why.GRANTED, Why.DENIED, Why.GRANTED,
    ]  # fmt: skip
    assert crm.consents.state(ana, MARKETING, MAIL).why is Why.DENIED  # now, on the sixth day
    before_the_suppression = start + timedelta(days=2)
    known = crm.consents.state(ana, MARKETING, MAIL, ana.contacts[0], at=clock(), known_at=before_the_suppression)
    assert known.why is Why.GRANTED


def test_an_entry_is_journalled_under_its_customer(crm: CRM, clock: VirtualClock, ana: Customer) -> None:
    """At the time from which it holds, with actor and reason; the evidence is personal and the rest is not."""
    entry = crm.acting_as("rep-lito").consents.grant(
        ana, MARKETING, proof=Proof(evidence="scan/7.pdf"), captured_at=clock() - WEEK, reason="paper form"
    )
    with crm.store.reader("main") as reader:
        *_, recorded = reader.events(about=Ref("customer", "ana"))
    told = recorded.entry
    assert (told.type, told.subject, told.customer, told.by, told.reason, told.at, told.recorded) == (
        "consent.recorded", Ref("consent", entry.id), "ana", "rep-lito", "paper form", clock() - WEEK, clock(),
    )  # fmt: skip
    assert told.personal is not None
    assert "scan/7.pdf" in told.personal
    assert "scan/7.pdf" not in told.body
    assert crm.consents.history("ana") == (entry,)


@pytest.mark.parametrize(
    ("act", "error", "rule"),
    [
        (lambda c: c.grant("nobody", MARKETING), NotFound, None),
        (lambda c: c.state("nobody", MARKETING), NotFound, None),
        (lambda c: c.history("nobody"), NotFound, None),
        (lambda c: c.grant("ana", MARKETING, MAIL, "ctp_9"), Invalid, "unknown-contact"),
        (lambda c: c.grant("ana", MARKETING, basis=LegalBasis.CONTRACT), Refusal, "consent.basis"),
        (lambda c: c.grant("ana", MARKETING, captured_at=datetime(2026, 1, 1)), Invalid, "naive"),  # noqa: DTZ001
        (lambda c: c.grant("ana", ""), Invalid, "empty"),
        (lambda c: c.grant("ana", MARKETING, "pigeon"), Invalid, "word"),
        (lambda c: c.suppress("ana", "a\0b"), Invalid, "control-character"),
        (lambda c: c.request_double_opt_in("ana", MARKETING, within=timedelta(0)), Invalid, "end-before-start"),
        (lambda c: c.confirm_double_opt_in("con_9"), NotFound, None),
        (lambda c: c.state("ana", MARKETING, at=datetime(2026, 1, 1)), Invalid, "naive"),  # noqa: DTZ001
        (lambda c: c.state("ana", MARKETING, "pigeon"), Invalid, "word"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    crm: CRM, ana: Customer, act: Any, error: type[Exception], rule: str | None
) -> None:
    """A typed error, and the log and the journal as they were."""
    before = journal(crm)
    with pytest.raises(error) as caught:
        act(crm.consents)
    assert getattr(caught.value, "rule", None) == rule
    assert (crm.consents.history(ana), journal(crm)) == ((), before)


def test_words_in_one_commit_count_in_the_order_in_which_they_are_said(crm: CRM, ana: Customer) -> None:
    """A preference page saves all at once: everything off, then the newsletter on."""
    with crm.unit() as unit:
        unit.consents.deny(ana, MARKETING)
        unit.consents.grant(ana, MARKETING, MAIL)
        assert unit.consents.state(ana, MARKETING, MAIL)
    assert crm.consents.state(ana, MARKETING, MAIL)
    assert not crm.consents.state(ana, MARKETING, Channel.SMS)
    with crm.unit() as unit:
        unit.consents.grant(ana, MARKETING, MAIL)
        unit.consents.deny(ana, MARKETING)
    assert not crm.consents.state(ana, MARKETING, MAIL)
    assert [e.number for e in crm.consents.history(ana)] == [1, 2, 3, 4]


# double opt-in


def test_a_double_opt_in_is_confirmed_once_and_in_time(crm: CRM, clock: VirtualClock, ana: Customer) -> None:
    """Only the click grants, only the first one, and only within the week."""
    request = crm.consents.request_double_opt_in(
        ana, MARKETING, MAIL, ana.contacts[0], proof=Proof(wording_version="7")
    )
    assert request.effective_until == clock() + WEEK
    assert not crm.consents.state(ana, MARKETING, MAIL, ana.contacts[0])
    clock.advance(WEEK - timedelta(seconds=1))
    yes = crm.consents.confirm_double_opt_in(request, evidence="click/9")
    assert (yes.request, yes.double_opt_in_at, yes.wording_version, yes.evidence) == (
        request.id,
        clock(),
        "7",
        "click/9",
    )
    decision = crm.consents.state(ana, MARKETING, MAIL, ana.contacts[0])
    assert (decision.allowed, decision.entry) == (True, yes)
    with pytest.raises(Refusal) as again:
        crm.consents.confirm_double_opt_in(request.id)
    assert again.value.rule == "consent.already-confirmed"

    late = crm.consents.request_double_opt_in(ana, MARKETING, within=timedelta(hours=1))
    clock.advance(timedelta(hours=1))
    with pytest.raises(Refusal) as expired:
        crm.consents.confirm_double_opt_in(late)
    assert expired.value.rule == "consent.request-expired"
    with pytest.raises(Invalid) as other:
        crm.consents.confirm_double_opt_in(yes)
    assert other.value.rule == "unknown-request"
    assert len(crm.consents.history(ana)) == 3


def test_an_old_link_does_not_outweigh_a_withdrawal(crm: CRM, clock: VirtualClock, ana: Customer) -> None:
    """The customer would have to ask again."""
    request = crm.consents.request_double_opt_in(ana, MARKETING, MAIL)
    clock.advance(timedelta(hours=1))
    crm.consents.withdraw(ana, MARKETING)
    with pytest.raises(Refusal) as error:
        crm.consents.confirm_double_opt_in(request)
    assert error.value.rule == "consent.refused-since"


# batches


def test_many_customers_are_asked_in_one_query(crm: CRM, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are; each answer is the one that asking for the customer alone gives."""
    people = [crm.customers.register(Person(f"P{i}"), id=f"p{i}", email=f"p{i}@example.com") for i in range(6)]
    crm.consents.grant("p0", MARKETING)
    crm.consents.grant("p1", MARKETING, MAIL)
    crm.consents.grant("p2", MARKETING, Channel.SMS)
    crm.consents.grant("p3", MARKETING, MAIL, people[3].contacts[0])
    crm.consents.grant("p4", MARKETING)
    crm.consents.suppress("p4", "bounced", contact_point=people[4].contacts[0])
    crm.consents.grant("p5", Purpose.RESEARCH)
    points = {p.id: p.contacts[0].id for p in people}

    reads = 0
    opened = type(crm.store).reader

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal reads
        reads += 1
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(type(crm.store), "reader", counting)
    general = crm.consents.permitted([*people, "nobody", "p0"], MARKETING, MAIL)
    exactly = crm.consents.permitted(points, MARKETING, MAIL, points)
    assert reads == 2
    monkeypatch.undo()
    assert [i for i, d in general.items() if d] == ["p0", "p1", "p4"]
    assert [i for i, d in exactly.items() if d] == ["p0", "p1", "p3"]
    assert list(general) == ["p0", "p1", "p2", "p3", "p4", "p5", "nobody"]
    for person in people:
        assert general[person.id] == crm.consents.state(person, MARKETING, MAIL)
        assert exactly[person.id] == crm.consents.state(person, MARKETING, MAIL, person.contacts[0])
    assert crm.consents.permitted([], MARKETING) == {}
    yesterday = people[0].registered_at - timedelta(days=1)
    assert not any(crm.consents.permitted(people, MARKETING, at=yesterday).values())


# who may


def test_customers_in_a_portal_see_their_own_log(crm: CRM, ana: Customer) -> None:
    """And nobody else's; entering is open to them where the host says so."""
    ben = crm.customers.register(Person("Ben"), id="ben")
    crm.consents.grant(ben, MARKETING)
    yes = crm.consents.grant(ana, MARKETING)
    portal = crm.portal(ana)
    assert portal.consents.history(ana) == (yes,)
    assert portal.consents.state(ana, MARKETING)
    with pytest.raises(NotFound):
        portal.consents.state(ben, MARKETING)
    assert not portal.consents.permitted(["ben"], MARKETING)["ben"]
    with pytest.raises(NotAllowed):
        portal.consents.withdraw(ana, MARKETING)


def test_tenants_have_logs_of_their_own(crm: CRM, ana: Customer) -> None:
    """A customer of the same id elsewhere has said nothing."""
    crm.consents.grant(ana, MARKETING)
    shop = crm.tenant("shop-2")
    shop.customers.register(Person("Ana Cruz"), id="ana")
    assert not shop.consents.state("ana", MARKETING)
    assert shop.consents.history("ana") == ()
