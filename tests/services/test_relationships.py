"""Relationships through their verbs: a whole story, time, strategy, attention, versions, on every store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.crm import CRM, OpenUnit
from crmkit.domain.customers.customer import Customer
from crmkit.domain.customers.parties import Person
from crmkit.domain.relationships.evidence import Evidence, EvidenceRule
from crmkit.domain.relationships.lifecycles import LIFECYCLE, DissolutionCause, EndedBy, Facts, Fault, Signal, Stage
from crmkit.domain.relationships.moves import RelationshipWarned
from crmkit.domain.relationships.relationship import CadenceState, Relationship
from crmkit.domain.relationships.strategies import Intention, Strategy
from crmkit.domain.relationships.types import TRANSACTIONAL, RelationshipType
from crmkit.domain.words import Channel, Direction, Mode, Purpose
from crmkit.errors import Invalid, MoveRefused, NotAllowed, NotFound, Refusal, Stale
from crmkit.kernel.ids import Ref
from crmkit.kernel.machine import Machine, Moved, Refused, days, edge, warning
from crmkit.kernel.machine.migration import Migration, Versions, choose
from crmkit.kernel.query import field
from crmkit.services import ties
from crmkit.services.clock import VirtualClock
from crmkit.services.policy import DefaultPolicy
from crmkit.services.unit import Unit
from crmkit.storage.store import Entry, Store

DAY = timedelta(days=1)
UNDERSTOOD = ("trial passed", "value understood")
TRUSTED = ("promise kept",) * 4
EXCELLENT = ("adapted to the customer", "aim to excel")
T = RelationshipType


def customer(crm: CRM, name: str = "Ana Reyes") -> Customer:
    return crm.customers.register(Person(name), tags=["cyclist"])


def begun(crm: CRM, kind: str = T.LONG_TERM, name: str = "Ana Reyes", **more: Any) -> Relationship:
    return crm.relationships.begin(customer(crm, name), kind, **more)


def journal(crm: CRM, tie: Relationship) -> list[Entry]:
    """What the journal tells of one relationship, in order."""
    with crm.store.reader(crm.tenant_name) as reader:
        return [r.entry for r in reader.events(limit=10_000) if r.entry.subject == Ref("relationship", tie.id)]


def history(crm: CRM, tie: Relationship) -> list[tuple[str, datetime]]:
    return [(e.type.removeprefix("relationship."), e.at) for e in journal(crm, tie)]


# one customer's story


def test_the_whole_story_of_one_customer(crm: CRM, clock: VirtualClock) -> None:
    """Through all stages, back, to the end, and anew: every move has its signal, actor, time, reason and evidence."""
    rep = crm.acting_as("rep-lito")
    start = clock()
    tie = rep.relationships.begin(
        customer(crm),
        T.DEDICATED_ASSISTANCE,
        owner="rep-lito",
        origin="recommendation",
        note="Bo told me.",
        reason="fair",
    )
    assert (tie.stage, tie.since, tie.episode, tie.origin, tie.ended) == (
        Stage.EXPLORATION,
        start,
        1,
        "recommendation",
        None,
    )

    clock.advance(10 * DAY)
    visit = Ref("interaction", "int_1")
    tie = rep.relationships.record_trial(
        tie, passed=True, score=80, ref=visit, note="Rode it for a week.", reason="test ride"
    )
    assert tie.stage is Stage.EXPLORATION
    assert (tie.evidence["trial passed"].count, tie.evidence["trial passed"].score) == (1, 80)

    refused = rep.relationships.could(tie, Signal.UNDERSTAND)
    assert isinstance(refused, Refused)
    assert refused.reasons == ("signs that the value is understood 0, needs at least 1",)
    assert refused.allowed == (Signal.DISSOLVE,)
    tie = rep.relationships.advance(
        tie, Signal.UNDERSTAND, evidence=[Evidence("value understood", ref=visit)], reason="asked for a second quote"
    )
    assert (tie.stage, tie.since) == (Stage.AWARENESS, start + 10 * DAY)

    with pytest.raises(MoveRefused) as untrusted:
        rep.relationships.advance(tie, Signal.EXPAND)
    assert untrusted.value.unmet == (
        {
            "guard": "trusted",
            "target": "expansion",
            "what": "trust",
            "have": 20,
            "need": 60,
            "rule": "at least",
            "text": "trust 20, needs at least 60",
        },
    )
    assert set(untrusted.value.allowed) == {"cool", "dissolve"}
    clock.advance(20 * DAY)
    tie = rep.relationships.advance(tie, Signal.EXPAND, evidence=TRUSTED, reason="framework order")
    tie = rep.relationships.advance(tie, Signal.COMMIT, evidence=EXCELLENT, reason="own assembly line for her")
    assert tie.stage is Stage.COMMITMENT

    clock.advance(30 * DAY)
    with pytest.raises(MoveRefused, match="expected one of fewer purchases"):
        rep.relationships.advance(tie, Signal.COOL)
    tie = rep.relationships.advance(tie, Signal.COOL, cause="new people on either side", reason="her buyer left")
    assert tie.stage is Stage.EXPANSION

    clock.advance(5 * DAY)
    tie = rep.relationships.dissolve(
        tie, "better offer elsewhere", ended_by="customer", at_fault="neither", evidence=[visit], reason="her letter"
    )
    ended = clock()
    assert (tie.stage, tie.ended, tie.ended_by, tie.at_fault, tie.cause) == (
        Stage.DISSOLUTION,
        ended,
        EndedBy.CUSTOMER,
        Fault.NEITHER,
        DissolutionCause.BETTER_OFFER,
    )

    clock.advance(100 * DAY)
    with pytest.raises(MoveRefused, match="the customer's own purchase, or consent to contact"):
        rep.relationships.reengage(tie, reason="win-back")
    crm.purchases.record(tie.customer, "12.50 EUR")
    tie = crm.relationships.get(tie)
    assert (tie.stage, tie.episode, tie.began, tie.ended, tie.cause) == (Stage.EXPLORATION, 2, clock(), None, None)
    assert (tie.origin, tie.owner, tie.evidence.keys(), tie.buying.count) == (
        "recommendation",
        "rep-lito",
        {"purchase"},
        1,
    )

    entries = journal(crm, tie)
    moves = [e for e in entries if e.type.split(".")[1] in ("advanced", "dissolved", "reengaged")]
    told = [(e.at, e.by, e.reason) for e in moves]
    assert told == [
        (start + 10 * DAY, "rep-lito", "asked for a second quote"),
        (start + 30 * DAY, "rep-lito", "framework order"),
        (start + 30 * DAY, "rep-lito", "own assembly line for her"),
        (start + 60 * DAY, "rep-lito", "her buyer left"),
        (ended, "rep-lito", "her letter"),
        (clock(), "host", ""),
    ]
    assert '"signal":"understand"' in moves[0].body
    assert '["interaction","int_1"]' in moves[0].body
    assert '"why":"new people on either side"' in moves[3].body
    assert '["interaction","int_1"]' in moves[4].body
    assert '"own_purchase":true' in moves[5].body
    assert '["purchase"' in moves[5].body


def test_a_failed_trial_ends_an_exploration(crm: CRM) -> None:
    """The customer tried and checked the supplier, it was no good, and that was that."""
    tie = begun(crm)
    tie = crm.relationships.record_trial(tie, passed=False, score=10, at_fault="supplier", ref=Ref("purchase", "pur_1"))
    assert (tie.stage, tie.cause, tie.ended_by, tie.at_fault) == (
        Stage.DISSOLUTION,
        DissolutionCause.NEEDS_NOT_MET,
        EndedBy.CUSTOMER,
        Fault.SUPPLIER,
    )
    with pytest.raises(Refusal, match="it ended on 2026-01-01, cause needs not met") as refused:
        crm.relationships.record_trial(tie, passed=True)
    assert (refused.value.rule, refused.value.instead) == ("ended", ("reengage",))


def test_a_failed_trial_later_on_is_evidence_and_no_end(crm: CRM) -> None:
    """Trying something new that fails does not end what has grown."""
    tie = crm.relationships.advance(begun(crm), "understand", evidence=UNDERSTOOD)
    tie = crm.relationships.record_trial(tie, passed=False)
    assert (tie.stage, tie.evidence["trial failed"].count) == (Stage.AWARENESS, 1)


def test_a_passed_trial_ends_nothing(crm: CRM) -> None:
    """Not even if another one failed at the same moment."""
    tie = crm.relationships.advance(begun(crm), "understand", evidence=UNDERSTOOD)
    crm.relationships.record_trial(tie, passed=False)
    tie = crm.relationships.advance(tie, "cool", cause="dissatisfied")
    assert crm.relationships.record_trial(tie, passed=True).stage is Stage.EXPLORATION


def test_fail_needs_a_failed_trial(crm: CRM) -> None:
    """Without a failed trial nothing has failed; passed once and failed later has."""
    tie = begun(crm)
    with pytest.raises(MoveRefused, match="the last trial failed"):
        crm.relationships.advance(tie, "fail", cause="needs not met", ended_by="customer", at_fault="neither")


def test_the_end_keeps_who_and_whose_fault(crm: CRM) -> None:
    """Without these it is refused, and unknown is an answer."""
    tie = begun(crm)
    for missing in ("ended_by", "at_fault"):
        given = {"ended_by": "customer", "at_fault": "unknown", missing: None}
        with pytest.raises(Invalid) as refused:
            crm.relationships.advance(tie, "dissolve", cause="fraud", **given)
        assert (refused.value.field, refused.value.rule) == (missing, "required")
    with pytest.raises(MoveRefused, match="expected one of needs not met") as unheard:
        crm.relationships.dissolve(tie, "bad weather", ended_by="customer", at_fault="neither", reason="storm")
    assert unheard.value.why == "cause missing or wrong"
    with pytest.raises(Invalid, match="for the audit trail"):
        crm.relationships.dissolve(tie, "fraud", ended_by="supplier", at_fault="customer")
    assert crm.relationships.get(tie) == tie
    assert len(journal(crm, tie)) == 1


def test_hosts_add_causes(address: str, clock: VirtualClock) -> None:
    """The vocabulary of causes is the machine's, and a host widens it."""

    class Weather(StrEnum):
        STORM = "storm"

    machine = LIFECYCLE.extend(version="1+weather", causes={DissolutionCause: Weather})
    with CRM.open(address, clock=clock, lifecycle=machine) as crm:
        tie = crm.relationships.dissolve(
            begun(crm), "storm", ended_by="both", at_fault="third party", reason="the roof is gone"
        )
        assert (tie.cause, tie.at_fault, tie.lifecycle) == ("storm", Fault.THIRD_PARTY, "1+weather")


def test_the_order_is_data(address: str, clock: VirtualClock) -> None:
    """A host's machine begins with awareness, has stages and signals of its own, and everything else works on it."""

    class Phase(StrEnum):
        AWARENESS = "awareness"
        EXPLORATION = "exploration"
        REGULAR = "regular"
        GONE = "gone"

    class Sign(StrEnum):
        TRY = "try"
        STAY = "stay"
        LEAVE = "leave"
        REENGAGE = "reengage"

    lasting = [Phase.AWARENESS, Phase.EXPLORATION, Phase.REGULAR]
    machine: Machine[Any, Any, Facts] = Machine(
        "shop",
        version="shop-1",
        initial=Phase.AWARENESS,
        groups={"open": lasting},
        edges=[
            edge(Phase.AWARENESS, Phase.EXPLORATION, on=Sign.TRY),
            edge(Phase.EXPLORATION, Phase.REGULAR, on=Sign.STAY),
            edge(lasting, Phase.GONE, on=Sign.LEAVE, cause=DissolutionCause),
            edge(Phase.GONE, Phase.AWARENESS, on=Sign.REENGAGE),
            warning("quiet", Phase.REGULAR, after=days(30)),
            edge(Phase.REGULAR, Phase.EXPLORATION, after=days(60)),
            edge(Phase.EXPLORATION, Phase.GONE, after=days(90), cause=DissolutionCause.INACTIVITY),
        ],
    )
    with CRM.open(address, clock=clock, lifecycle=machine) as crm:
        tie = begun(crm, T.PERSONAL_ASSISTANCE)
        assert (tie.stage, tie.lifecycle) == ("awareness", "shop-1")
        tie = crm.relationships.advance(tie, Sign.TRY)
        tie = crm.relationships.advance(tie, "stay")
        assert tie.stage == "regular"
        assert crm.relationships.record_trial(tie, passed=False).stage == "regular"
        start = clock()
        clock.advance(200 * DAY)
        assert crm.relationships.run_due().moved == 2
        assert history(crm, tie)[-3:] == [
            ("warned", start + 30 * DAY),
            ("advanced", start + 60 * DAY),
            ("dissolved", start + 150 * DAY),
        ]
        assert crm.relationships.stage_counts() == {"awareness": 0, "exploration": 0, "regular": 0, "gone": 1}
        crm.purchases.record(tie.customer, "5 EUR")
        assert crm.relationships.get(tie).episode == 2


# beginning, and reading


def test_one_relationship_of_a_type_which_begins_anew(crm: CRM, clock: VirtualClock) -> None:
    """A second one is refused; one that has ended is to be re-engaged, so that consent cannot be passed by."""
    tie = begun(crm)
    with pytest.raises(Refusal) as refused:
        crm.relationships.begin(tie.customer, T.LONG_TERM)
    assert (refused.value.rule, refused.value.instead) == ("begun", ("get",))
    crm.relationships.dissolve(tie, "needs changed", ended_by="customer", at_fault="neither", reason="asked")
    with pytest.raises(Refusal, match="which ended") as over:
        crm.relationships.begin(tie.customer, T.LONG_TERM)
    assert over.value.instead == ("reengage",)
    clock.advance(DAY)
    other = crm.relationships.begin(tie.customer, T.TRANSACTIONAL)
    assert [each.id for each in crm.relationships.of(tie.customer)] == [tie.id, other.id]
    with pytest.raises(Refusal, match="of type long-term already"):
        crm.relationships.change_type(other, T.LONG_TERM, evidence=["asked"], reason="asked")


def test_why_it_began_is_asked_and_kept(crm: CRM) -> None:
    """Who was not asked is listed; what the customer says is kept, personal words apart."""
    tie = begun(crm)
    unasked = field("origin") == None  # noqa: E711 - it builds a condition
    assert [each.id for each in crm.relationships.find(unasked)] == [tie.id]
    tie = crm.relationships.tell_origin(tie, "my neighbour", note="She rides too.")
    assert (tie.origin, tie.origin_note) == ("my neighbour", "She rides too.")
    assert len(crm.relationships.find(unasked)) == 0
    assert "She rides too." in (journal(crm, tie)[-1].personal or "")
    assert "She rides too." not in repr(tie)
    assert crm.relationships.tell_origin(tie, "asked, not said").origin == "asked, not said"


def test_what_is_not_there_is_not_found(crm: CRM) -> None:
    """Unknown customers and relationships are told apart from everything else."""
    for call in (
        lambda: crm.relationships.begin("cus_none", T.LONG_TERM),
        lambda: crm.relationships.get("rel_none"),
        lambda: crm.relationships.of("cus_none"),
        lambda: crm.relationships.advance("rel_none", "expand"),
    ):
        with pytest.raises(NotFound):
            call()


def test_owners_and_hand_over(crm: CRM, clock: VirtualClock) -> None:
    """Each hand-over is recorded with who, to whom, why and when; lasting relationships are found by their owner."""
    tie, other = begun(crm, owner="rep-lito"), begun(crm, name="Bo Lind", owner="rep-lito")
    crm.relationships.dissolve(other, "fraud", ended_by="supplier", at_fault="customer", reason="court")
    assert [each.id for each in crm.relationships.owned_by("rep-lito")] == [tie.id]
    clock.advance(DAY)
    tie = crm.relationships.hand_over(tie, "rep-mara", reason="parental leave")
    assert (tie.owner, tie.owner_since) == ("rep-mara", clock())
    assert len(crm.relationships.owned_by("rep-lito")) == 0
    entry = journal(crm, tie)[-1]
    assert (entry.type, entry.reason) == ("relationship.handed-over", "parental leave")
    assert '"previous":"rep-lito"' in entry.body
    with pytest.raises(Refusal, match="rep-mara represents the company already"):
        crm.relationships.hand_over(tie, "rep-mara", reason="again")
    with pytest.raises(Invalid, match="for the audit trail"):
        crm.relationships.hand_over(tie, "rep-lito")
    assert crm.relationships.hand_over(tie, None, reason="nobody left").owner_since is None
    with pytest.raises(Refusal, match="nobody represents the company already"):
        crm.relationships.hand_over(tie, None, reason="again")


def test_verbs_share_a_unit(crm: CRM) -> None:
    """Several verbs in one unit see each other's changes and are written at once, or not at all."""
    tie = begun(crm)

    def talk(unit: OpenUnit) -> None:
        unit.relationships.note_evidence(tie, *UNDERSTOOD)
        unit.relationships.advance(tie, "understand")
        unit.relationships.advance(tie, "expand")

    with pytest.raises(MoveRefused):
        crm.together(talk)
    assert crm.relationships.get(tie) == tie
    with crm.unit(reason="one talk") as unit:
        unit.relationships.note_evidence(tie, *UNDERSTOOD)
        assert unit.relationships.advance(tie, "understand").stage is Stage.AWARENESS
        assert isinstance(unit.relationships.could(tie, "cool", cause="competitor"), Moved)
    assert crm.relationships.get(tie).stage is Stage.AWARENESS


def test_who_insists_on_what_they_saw_is_told(crm: CRM) -> None:
    """A decision made on an older version is refused where the caller asks for that."""
    tie = begun(crm)
    crm.relationships.note_evidence(tie, "promise kept")
    with pytest.raises(Stale):
        crm.expecting(tie).relationships.advance(tie, "dissolve")


def test_customers_see_their_own(crm: CRM) -> None:
    """A customer in the portal sees their own relationships, in lists and counts too, and acts on none by default."""
    mine, other = begun(crm), begun(crm, name="Bo Lind")
    portal = crm.portal(mine.customer)
    assert portal.relationships.get(mine) == mine
    assert [each.id for each in portal.relationships.find()] == [mine.id]
    assert portal.relationships.count() == 1
    with pytest.raises(NotFound):
        portal.relationships.get(other)
    for act in (
        lambda: portal.relationships.dissolve(mine, "fraud", ended_by="customer", at_fault="neither", reason="bye"),
        portal.relationships.run_due,
        portal.relationships.migrate,
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_policy_lets_customers_end_their_own(clock: VirtualClock) -> None:
    """With the verb opened to the portal, a customer ends the relationship and gives the cause."""
    with CRM.open("memory://", clock=clock, policy=DefaultPolicy(["relationships.dissolve"])) as crm:
        tie = begun(crm)
        portal = crm.portal(tie.customer)
        tie = portal.relationships.dissolve(tie, "needs changed", ended_by="customer", at_fault="neither", reason="bye")
        assert tie.cause is DissolutionCause.NEEDS_CHANGED
        assert journal(crm, tie)[-1].by == f"portal:{tie.customer}"


def test_options_tell_what_is_in_the_way(crm: CRM) -> None:
    """Every signal of the stage, the guards and the type's own rules in its way, and the causes it asks for."""
    tie = begun(crm, T.COMMUNITIES, community="cyclists")
    table = {
        str(o.signal): ([each.guard for each in o.obstacles], len(o.causes)) for o in crm.relationships.options(tie)
    }
    assert table == {
        "understand": (["trial_passed", "value_understood", "exchanged"], 0),
        "fail": (["trial_failed"], 0),
        "dissolve": ([], 8),
    }
    refused = crm.relationships.could(crm.relationships.note_evidence(tie, *UNDERSTOOD), "understand")
    assert isinstance(refused, Refused)
    assert refused.allowed == (Signal.DISSOLVE,)
    assert list(refused.blocked) == [Signal.UNDERSTAND, Signal.FAIL]


# coming back


def ended(crm: CRM, clock: VirtualClock, **more: Any) -> Relationship:
    tie = begun(crm, **more)
    clock.advance(DAY)
    return crm.relationships.dissolve(tie, "needs changed", ended_by="customer", at_fault="neither", reason="asked")


def test_the_companys_attempt_needs_consent(crm: CRM, clock: VirtualClock) -> None:
    """Consent to marketing by the channel lets the company ask; without it, or after a withdrawal, it may not."""
    tie = ended(crm, clock)
    crm.consents.grant(tie.customer, Purpose.MARKETING, Channel.EMAIL)
    with pytest.raises(MoveRefused, match="or consent to contact"):
        crm.relationships.reengage(tie, channel=Channel.PHONE)
    back = crm.relationships.reengage(tie, channel=Channel.EMAIL, evidence=[Ref("campaign", "win-back")])
    assert (back.stage, back.episode, back.contact_due) == (Stage.EXPLORATION, 2, clock() + 90 * DAY)
    assert '["campaign","win-back"]' in journal(crm, tie)[-1].body
    crm.relationships.dissolve(tie, "needs changed", ended_by="customer", at_fault="neither", reason="asked")
    clock.advance(DAY)
    crm.consents.withdraw(tie.customer, Purpose.MARKETING)
    with pytest.raises(MoveRefused):
        crm.relationships.reengage(tie, channel=Channel.EMAIL)
    assert crm.relationships.reengage(tie, own_purchase=True).episode == 3


def test_reengaging_asks_the_type_again(crm: CRM, clock: VirtualClock) -> None:
    """What the type asks for must still be there when a relationship begins anew."""
    tie = ended(crm, clock, kind=T.AUTOMATED_SERVICES)
    crm.customers.untag(tie.customer, "cyclist")
    with pytest.raises(Refusal) as refused:
        crm.relationships.reengage(tie, own_purchase=True)
    assert refused.value.rule == "automated-services.recognised"


def test_what_lasts_cannot_be_reengaged(crm: CRM) -> None:
    """There is no such step for a relationship that has not ended."""
    with pytest.raises(MoveRefused, match="no such step here"):
        crm.relationships.reengage(begun(crm), own_purchase=True)


def test_a_purchase_brings_back_what_ended_last(crm: CRM, clock: VirtualClock) -> None:
    """Of several that ended the last one begins anew; where one lasts, the purchase belongs to that."""
    first = ended(crm, clock)
    second = crm.relationships.begin(first.customer, T.TRANSACTIONAL)
    crm.purchases.record(first.customer, "5 EUR")
    assert crm.relationships.get(first).ended is not None
    assert crm.relationships.get(second).buying.count == 1
    clock.advance(DAY)
    crm.relationships.dissolve(second, "needs changed", ended_by="customer", at_fault="neither", reason="asked")
    clock.advance(DAY)
    crm.purchases.record(first.customer, "5 EUR")
    assert (crm.relationships.get(first).episode, crm.relationships.get(second).episode) == (1, 2)


def test_a_purchase_from_before_the_end_brings_nothing_back(crm: CRM, clock: VirtualClock) -> None:
    """An order that is only recorded later tells of the time before."""
    tie = ended(crm, clock)
    before = clock() - timedelta(hours=1)
    clock.advance(DAY)
    crm.purchases.record(tie.customer, "5 EUR", at=before)
    assert crm.relationships.get(tie).ended is not None


# purchases as evidence


def test_purchases_move_relationships_by_the_mapping(address: str, clock: VirtualClock) -> None:
    """Each rule notes its evidence once, and tries its step until its guards hold; what is refused is left aside."""
    mapping = (
        EvidenceRule(name="tried", shows="trial passed", purchases=1),
        EvidenceRule(name="knows", shows="value understood", purchases=2, try_signal="understand"),
        EvidenceRule(name="regular", shows="regular", purchases=3, try_signal="expand"),
    )
    with CRM.open(address, clock=clock, evidence=mapping, durability="normal") as crm:
        tie = begun(crm, T.PERSONAL_ASSISTANCE)
        stages = []
        for _ in range(5):
            clock.advance(DAY)
            crm.purchases.record(tie.customer, "10 EUR")
            stages.append(str(crm.relationships.get(tie).stage))
        assert stages == ["exploration", "awareness", "awareness", "expansion", "expansion"]
        assert [e.type.removeprefix("relationship.") for e in journal(crm, tie)] == [
            "begun",
            "purchase-noted",
            "purchase-noted",
            "advanced",
            "purchase-noted",
            "purchase-noted",
            "advanced",
            "purchase-noted",
        ]
        now = crm.relationships.get(tie)
        assert (now.evidence["regular"].count, now.buying.count, str(now.buying.spent["EUR"])) == (1, 5, "50.00 EUR")
        assert now.quiet_since == clock()


def test_a_correction_is_counted_instead(crm: CRM, clock: VirtualClock) -> None:
    """A corrected purchase replaces what was noted; one that is refunded in full does not count any more."""
    tie = begun(crm, T.PERSONAL_ASSISTANCE)
    bought = crm.purchases.record(tie.customer, "10 EUR")
    crm.purchases.record(tie.customer, "7 EUR")
    clock.advance(DAY)
    crm.purchases.correct(bought, total="4 EUR", reason="typed wrongly")
    now = crm.relationships.get(tie)
    assert (now.buying.count, str(now.buying.spent["EUR"])) == (2, "11.00 EUR")
    assert history(crm, tie)[-1] == ("purchase-noted", clock())
    crm.purchases.refund(bought, "4 EUR", cause="returned")
    now = crm.relationships.get(tie)
    assert (now.buying.count, now.evidence["purchase"].count, len(now.buying.recent)) == (1, 1, 1)


def test_a_refund_after_the_end_changes_nothing(crm: CRM, clock: VirtualClock) -> None:
    """Money given back later does not touch what is over, nor bring it back."""
    tie = begun(crm)
    bought = crm.purchases.record(tie.customer, "10 EUR")
    over = crm.relationships.dissolve(tie, "dissatisfied", ended_by="customer", at_fault="supplier", reason="asked")
    clock.advance(DAY)
    crm.purchases.refund(bought, "10 EUR", cause="returned")
    assert crm.relationships.get(tie) == over


def test_a_late_purchase_does_not_turn_time_back(crm: CRM, clock: VirtualClock) -> None:
    """What comes in late counts, and no step is stamped before the evidence that it rests on."""
    tie = begun(crm, T.PERSONAL_ASSISTANCE)
    clock.advance(10 * DAY)
    crm.relationships.note_evidence(tie, *UNDERSTOOD, *TRUSTED)
    proven = clock()
    clock.advance(10 * DAY)
    for days_ago in (12, 13, 14):
        crm.purchases.record(tie.customer, "5 EUR", at=clock() - days_ago * DAY)
    now = crm.relationships.get(tie)
    assert (now.quiet_since, now.buying.count, now.stage, now.since) == (proven, 3, Stage.AWARENESS, proven)
    crm.purchases.record(tie.customer, "5 EUR", at=clock() - 5 * DAY)
    now = crm.relationships.get(tie)
    assert (now.stage, now.since, now.quiet_since) == (Stage.EXPANSION, clock() - 5 * DAY, clock() - 5 * DAY)
    assert history(crm, tie)[-3:] == [
        ("advanced", proven),
        ("purchase-noted", clock() - 5 * DAY),
        ("advanced", clock() - 5 * DAY),
    ]


def test_a_late_purchase_takes_back_a_silence_that_nobody_has_noticed(crm: CRM, clock: VirtualClock) -> None:
    """Time is caught up to when the purchase was made, for after that there was no silence."""
    tie = begun(crm)
    clock.advance(200 * DAY)
    crm.purchases.record(tie.customer, "5 EUR", at=clock() - 30 * DAY)
    assert history(crm, tie)[1:] == [("purchase-noted", clock() - 30 * DAY)]
    assert crm.relationships.run_due().warned == 0


# time


def test_silence_warns_and_then_ends(crm: CRM, clock: VirtualClock) -> None:
    """Each is stamped with its deadline, however late the sweep, and told once."""
    start, tie = clock(), begun(crm)
    clock.advance(179 * DAY)
    assert crm.relationships.run_due().warned == 0
    clock.advance(2 * DAY)
    assert [(each.what, each.at) for each in crm.relationships.due(clock() + 7 * DAY)] == [("warn", start + 180 * DAY)]
    assert (crm.relationships.run_due().warned, crm.relationships.run_due().warned) == (1, 0)
    assert crm.relationships.get(tie).warned == "silence"
    upcoming = crm.relationships.due(start + 365 * DAY)
    assert [(each.what, each.at, each.stage) for each in upcoming] == [("end", start + 365 * DAY, "dissolution")]
    assert crm.relationships.due(start + 364 * DAY) == ()
    clock.advance(300 * DAY)
    assert crm.relationships.run_due().moved == 1
    now = crm.relationships.get(tie)
    assert (now.ended, now.ended_by, now.at_fault, now.cause) == (
        start + 365 * DAY,
        EndedBy.NOBODY,
        Fault.NEITHER,
        DissolutionCause.INACTIVITY,
    )
    assert history(crm, tie)[1:] == [("warned", start + 180 * DAY), ("dissolved", start + 365 * DAY)]
    assert {e.verb for e in journal(crm, tie)[1:]} == {"relationships.sweep"}
    assert crm.relationships.due(clock() + 1000 * DAY) == ()


def test_a_sign_of_life_starts_the_timers_anew(crm: CRM, clock: VirtualClock) -> None:
    """Inbound contact and conversations do; letters that nobody answers do not."""
    tie = begun(crm)
    rep = crm.acting_as("rep-lito")
    clock.advance(170 * DAY)
    rep.interactions.record(tie.customer, Channel.LETTER, Direction.OUTBOUND)
    assert crm.relationships.get(tie).quiet_since == tie.since
    clock.advance(11 * DAY)
    crm.relationships.run_due()
    assert crm.relationships.get(tie).warned == "silence"
    rep.interactions.record(tie.customer, Channel.PHONE, Direction.OUTBOUND)
    now = crm.relationships.get(tie)
    assert (now.quiet_since, now.warned) == (clock(), None)
    clock.advance(181 * DAY)
    assert crm.relationships.run_due().warned == 1
    rep.interactions.record(tie.customer, Channel.EMAIL, Direction.INBOUND)
    assert crm.relationships.get(tie).warned is None


def test_acts_find_a_relationship_as_time_has_left_it(crm: CRM, clock: VirtualClock) -> None:
    """Nobody has swept, and yet an act comes after what time has done; reading alone writes nothing."""
    start, tie = clock(), begun(crm)
    clock.advance(400 * DAY)
    refused = crm.relationships.could(tie, "understand")
    assert isinstance(refused, Refused)
    assert (refused.state, crm.relationships.options(tie)[0].signal) == ("dissolution", Signal.REENGAGE)
    assert len(journal(crm, tie)) == 1
    with pytest.raises(Refusal, match="it ended on 2027-01-01, cause inactivity"):
        crm.relationships.note_evidence(tie, "trial passed")
    assert len(journal(crm, tie)) == 1
    crm.purchases.record(tie.customer, "5 EUR")
    assert history(crm, tie)[1:] == [
        ("warned", start + 180 * DAY),
        ("dissolved", start + 365 * DAY),
        ("reengaged", clock()),
        ("purchase-noted", clock()),
    ]


def test_contact_and_satisfaction_find_it_so_too(crm: CRM, clock: VirtualClock) -> None:
    """What happens after the end is on the customer's timeline, and no part of the relationship."""
    tie = begun(crm)
    clock.advance(400 * DAY)
    crm.acting_as("rep-lito").interactions.record(tie.customer, Channel.VISIT, Direction.INBOUND)
    now = crm.relationships.get(tie)
    assert (now.stage, now.contacts, now.quiet_since) == (Stage.DISSOLUTION, {}, now.ended)


def test_satisfaction_is_evidence_while_it_lasts(crm: CRM, clock: VirtualClock) -> None:
    """A measured step of the buying cycle is a score for the relationships that last, and a sign of life."""
    tie = begun(crm)
    clock.advance(DAY)
    crm.satisfaction.measure(tie.customer, "purchase", 5)
    now = crm.relationships.get(tie)
    assert (now.evidence["satisfaction"].score, now.quiet_since) == (100, clock())
    clock.advance(400 * DAY)
    crm.satisfaction.measure(tie.customer, "use", 1)
    assert crm.relationships.get(tie).evidence["satisfaction"].count == 1


def test_sweeps_go_in_batches_and_may_stop_anywhere(crm: CRM, clock: VirtualClock) -> None:
    """Limits, cursors and repeated calls look at each relationship once and double nothing."""
    seven = [begun(crm, name=f"Customer {n}") for n in range(7)]
    clock.advance(200 * DAY)
    assert crm.relationships.run_due(limit=3).warned == 3
    first = crm.relationships.sweep(limit=2)
    assert (first.warned, first.next is None) == (2, False)
    rest = crm.relationships.sweep(limit=2, after=first.next)
    assert rest.warned == 2
    assert crm.relationships.run_due().warned == 0
    assert [len(journal(crm, tie)) for tie in seven] == [2] * 7
    clock.advance(300 * DAY)
    assert crm.relationships.run_due(limit=100).moved == 7


def test_a_limit_holds_over_warnings_and_ends(crm: CRM, clock: VirtualClock) -> None:
    """A batch looks at so many in all, and its cursor leads on to whatever else is due."""
    for n in range(3):
        begun(crm, name=f"Early {n}")
    clock.advance(190 * DAY)
    assert crm.relationships.run_due().warned == 3
    for n in range(3):
        begun(crm, name=f"Late {n}")
    clock.advance(181 * DAY)
    found, after = [], None
    while True:
        done = crm.relationships.sweep(limit=2, after=after)
        found.append((done.warned, done.moved))
        if (after := done.next) is None:
            break
    assert found == [(2, 0), (1, 1), (0, 2), (0, 0)]


def test_a_sweep_goes_no_further_than_now(crm: CRM, clock: VirtualClock) -> None:
    """What has not come cannot be swept, and a cursor is one that a batch gave."""
    begun(crm)
    with pytest.raises(Invalid) as later:
        crm.relationships.run_due(until=clock() + DAY)
    assert (later.value.field, later.value.rule) == ("until", "future")
    with pytest.raises(Invalid) as none:
        crm.relationships.run_due(batch=0)
    assert (none.value.field, none.value.rule) == ("limit", "range")
    for cursor in ("", "x", "2026-01-01T00:00:00+00:00|x|", "2026-01-01T00:00:00+00:00|-1|"):
        with pytest.raises(Invalid) as bad:
            crm.relationships.sweep(after=cursor)
        assert (bad.value.field, bad.value.rule) == ("after", "cursor")
    clock.advance(400 * DAY)
    assert crm.relationships.run_due(until=clock() - 100 * DAY).moved == 0
    assert crm.relationships.run_due().moved == 1


def test_what_cannot_be_understood_does_not_stop_a_sweep(crm: CRM, clock: VirtualClock) -> None:
    """A type that is declared no more is told each time, left as it is, and the others are swept."""
    own = CRM.open(crm.store, clock=clock, types=[attrs.evolve(TRANSACTIONAL, name="own")])
    odd, fine = begun(own, "own"), begun(crm, T.TRANSACTIONAL, "Bo Lind")
    clock.advance(400 * DAY)
    for moved in (1, 0):
        done = crm.relationships.run_due()
        assert (done.moved, len(done.refused)) == (moved, 1)
        assert done.refused[0].startswith(f"relationship {odd.id}: type: expected one of transactional,")
    assert (len(journal(crm, odd)), len(journal(crm, fine))) == (1, 3)
    assert own.relationships.run_due().moved == 1


def test_a_reaction_may_stop_what_time_would_bring(address: str, clock: VirtualClock) -> None:
    """What happens because of a warning may keep the end from coming."""

    def talk(unit: Unit, tie: Relationship, _: RelationshipWarned) -> None:
        ties.note_evidence(unit, tie.customer, Evidence("recommendation"), at=tie.quiet_since + 181 * DAY)

    with CRM.open(address, clock=clock, reactions={RelationshipWarned: [talk]}) as crm:
        tie = begun(crm)
        clock.advance(400 * DAY)
        assert crm.relationships.run_due().warned == 2
        assert history(crm, tie)[1:] == [
            ("warned", tie.since + 180 * DAY),
            ("evidence-noted", tie.since + 181 * DAY),
            ("warned", tie.since + 361 * DAY),
            ("evidence-noted", tie.since + 362 * DAY),
        ]


def test_a_sweep_inside_a_unit_is_part_of_it(crm: CRM, clock: VirtualClock) -> None:
    """One commit with whatever else the unit does."""
    tie = begun(crm)
    clock.advance(200 * DAY)
    with crm.unit() as unit:
        assert unit.relationships.run_due().warned == 1
    assert crm.relationships.get(tie).warned == "silence"
    with crm.unit(reason="court") as unit:
        unit.relationships.dissolve(tie, "fraud", ended_by="supplier", at_fault="customer")
        assert unit.relationships.due(clock() + 999 * DAY) == ()


ACTS = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from(["buy", "call", "prove", "sweep"])), min_size=1, max_size=6
)


@settings(max_examples=30)
@given(acts=ACTS, cadence=st.integers(20, 200))
def test_history_is_the_same_for_any_cadence_of_sweeps(acts: list[tuple[int, str]], cadence: int) -> None:
    """Sweeping every few days, now and then, or never until the end: the journal tells the same."""

    def play(every: int | None) -> list[tuple[str, datetime]]:
        clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
        with CRM.open("memory://", clock=clock) as crm:
            tie = begun(crm, T.PERSONAL_ASSISTANCE)
            for wait, act in acts:
                until = clock() + wait * DAY
                while every is not None and clock() + every * DAY < until:
                    clock.advance(every * DAY)
                    crm.relationships.run_due()
                clock.advance(until)
                if act == "buy":
                    crm.purchases.record(tie.customer, "5 EUR")
                elif act == "call":
                    crm.acting_as("rep").interactions.record(tie.customer, Channel.PHONE, Direction.INBOUND)
                elif act == "prove":
                    with suppress(Refusal):
                        crm.relationships.advance(tie, "understand", evidence=UNDERSTOOD)
                elif every is not None:
                    crm.relationships.run_due()
            crm.relationships.run_due()
            return history(crm, tie)

    assert play(cadence) == play(None)


# cadence, neglect, risk


def test_contact_is_due_by_the_agreed_cadence(crm: CRM, clock: VirtualClock) -> None:
    """Kept, due, and after the days of grace missed, with figures; the longest due first."""
    tie = begun(crm)
    clock.advance(timedelta(seconds=1))
    weekly = crm.relationships.agree_cadence(begun(crm, T.PERSONAL_ASSISTANCE, "Bo Lind"), 7 * DAY)
    clock.advance(8 * DAY)
    (answer,) = crm.relationships.due_for_contact()
    assert (answer.tie, answer.yes) == (weekly, True)
    (reason,) = answer.reasons
    assert (reason.rule, reason.have, reason.limit) == ("cadence due", 8, 7)
    clock.advance(84 * DAY)
    first, second = crm.relationships.due_for_contact()
    assert (first.tie.id, second.tie.id) == (weekly.id, tie.id)
    assert first.reasons[0].text == "missed: the company last made contact 92 days ago, agreed are 7 and 7 of grace"
    crm.acting_as("rep-lito").interactions.record(weekly.customer, Channel.PHONE, Direction.OUTBOUND)
    assert [each.tie.id for each in crm.relationships.due_for_contact()] == [tie.id]
    page = crm.relationships.due_for_contact(limit=1)
    assert (len(page), page.next) == (1, None)
    with pytest.raises(Invalid) as short:
        crm.relationships.agree_cadence(tie, timedelta(hours=23))
    assert (short.value.field, short.value.rule) == ("cadence", "range")


def test_neglected_whatever_they_buy(crm: CRM, clock: VirtualClock) -> None:
    """Customers without attention are listed, the longest neglected first, those who spend much too."""
    rich = begun(crm, T.PERSONAL_ASSISTANCE)
    clock.advance(10 * DAY)
    poor = begun(crm, T.PERSONAL_ASSISTANCE, "Bo Lind")
    clock.advance(85 * DAY)
    crm.purchases.record(rich.customer, "100000 EUR")
    (answer,) = crm.relationships.neglected()
    assert answer.tie.id == rich.id
    assert [(r.rule, r.have, r.limit) for r in answer.reasons] == [("attention", 95, 90), ("personal", None, None)]
    assert answer.reasons[1].text == "last personal contact never"
    assert [each.tie.id for each in crm.relationships.neglected(after_span=30 * DAY)] == [rich.id, poor.id]
    crm.acting_as("rep-lito").interactions.record(rich.customer, Channel.VISIT, Direction.INBOUND)
    assert [each.tie.id for each in crm.relationships.neglected(after_span=30 * DAY)] == [poor.id]
    clock.advance(95 * DAY)
    assert [each.tie.id for each in crm.relationships.neglected()] == [poor.id, rich.id]


def test_at_risk_with_every_reason(crm: CRM, clock: VirtualClock) -> None:
    """Silence, a missed cadence, broken promises, complaints, satisfaction, lost trust, a new representative."""
    tie = begun(crm, T.DEDICATED_ASSISTANCE, owner="rep-lito", cadence=30 * DAY)
    fine = begun(crm, T.TRANSACTIONAL, "Bo Lind")
    assert len(crm.relationships.at_risk()) == 0
    tie = crm.relationships.advance(tie, "understand", evidence=UNDERSTOOD)
    tie = crm.relationships.advance(tie, "expand", evidence=TRUSTED)
    clock.advance(175 * DAY)
    crm.relationships.hand_over(tie, "rep-mara", reason="left")
    crm.relationships.note_evidence(tie, "promise broken")
    clock.advance(10 * DAY)
    crm.relationships.run_due()
    answers = {answer.tie.id: answer for answer in crm.relationships.at_risk()}
    assert [r.rule for r in answers.pop(fine.id).reasons] == ["silence"]
    (found,) = answers.values()
    assert [(r.rule, r.have, r.limit) for r in found.reasons] == [
        ("silence", 185, None),
        ("cadence missed", 185, 30),
        ("trust", 35, 60),
        ("promise broken", 1, 0),
        ("new representative", 10, 90),
    ]
    crm.relationships.note_evidence(tie, "complaint", Evidence("satisfaction", score=20))
    found = next(each for each in crm.relationships.at_risk() if each.tie.id == tie.id)
    assert [r.rule for r in found.reasons] == [
        "cadence missed",
        "trust",
        "promise broken",
        "complaint open",
        "satisfaction",
        "new representative",
    ]


def test_questions_come_in_pages(crm: CRM, clock: VirtualClock) -> None:
    """Cursors lead through all pages, and every relationship is on one of them."""
    all_of_them = {begun(crm, T.LONG_TERM, f"Customer {n}").id for n in range(5)}
    clock.advance(400 * DAY)

    def through(ask: Any) -> Iterator[str]:
        after = None
        while True:
            page = ask(limit=2, after=after)
            yield from (each.tie.id for each in page)
            if (after := page.next) is None:
                return

    for ask in (crm.relationships.neglected, crm.relationships.due_for_contact):
        assert set(through(ask)) == all_of_them
    strategy = Strategy("all", [Intention(name="everybody", type=T.SELF_SERVICE)])
    found = set(through(lambda limit, after: crm.relationships.contradictions(strategy, limit=limit, after=after)))
    assert found == all_of_them


class Counting:
    """A store that counts how often it is asked."""

    def __init__(self, store: Store) -> None:
        self._store, self.asked = store, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def reader(self, *given: Any, **more: Any) -> Any:
        self.asked += 1
        return self._store.reader(*given, **more)


def test_lists_ask_the_store_a_fixed_number_of_times(crm: CRM, clock: VirtualClock) -> None:
    """However many relationships there are on a page."""
    strategy = Strategy("all", [Intention(name="everybody", type=T.SELF_SERVICE)])
    counts = []
    for n in range(6):
        begun(crm, name=f"Customer {n}")
        clock.advance(100 * DAY)
        store = Counting(crm.store)
        asked = []
        listing = CRM.open(store, clock=clock).relationships  # type: ignore[arg-type]
        for ask in (
            listing.neglected,
            listing.due_for_contact,
            listing.at_risk,
            lambda ask=listing: ask.contradictions(strategy),
            lambda ask=listing: ask.due(clock() + 999 * DAY),
            listing.plan_migration,
        ):
            store.asked = 0
            ask()
            asked.append(store.asked)
        counts.append(asked)
    assert counts == [[1, 1, 1, 2, 8, 1]] * 6


# strategy


STRATEGY = Strategy(
    "2026",
    [
        Intention(
            name="key accounts", where=field("tag").has("key"), type=T.DEDICATED_ASSISTANCE, channels=["visit", "phone"]
        ),
        Intention(name="families", where=field("kind") == "household", type=T.COMMUNITIES),
        Intention(name="people", where=field("kind") == "person", type=T.SELF_SERVICE, channels=["portal", "kiosk"]),
    ],
)


def test_a_strategy_says_what_is_meant_for_whom(crm: CRM) -> None:
    """The first intention whose condition the customer meets; none where none does."""
    key = crm.customers.register(Person("Ana Reyes"), tags=["key"])
    assert crm.relationships.intended(key, STRATEGY).name == "key accounts"
    assert crm.relationships.intended(customer(crm, "Bo Lind"), STRATEGY).name == "people"
    assert crm.relationships.intended(crm.customers.register(), STRATEGY) is None
    wrong = Strategy("x", [Intention(name="y", type=T.LONG_TERM, where=field("shoe") == 42)])
    with pytest.raises(Invalid) as refused:
        crm.relationships.intended(key, wrong)
    assert refused.value.rule == "unknown-field"


def test_contradictions_of_type_and_of_actual_contacts(crm: CRM, clock: VirtualClock) -> None:
    """Every lasting relationship that is not what is meant, with its reasons; a window leaves older contact out."""
    rep = crm.acting_as("rep-lito")
    key = crm.customers.register(Person("Ana Reyes"), tags=["key"])
    wrong_type = crm.relationships.begin(key, T.TRANSACTIONAL)
    right = crm.relationships.begin(customer(crm, "Bo Lind"), T.SELF_SERVICE)
    ended_one = crm.relationships.begin(customer(crm, "Cy Park"), T.LONG_TERM)
    crm.relationships.begin(crm.customers.register(), T.TRANSACTIONAL)
    crm.relationships.dissolve(ended_one, "fraud", ended_by="supplier", at_fault="customer", reason="court")
    rep.interactions.record(right.customer, Channel.PORTAL, Direction.INBOUND, mode=Mode.COLLABORATIVE)
    assert [(c.tie.id, c.reasons) for c in crm.relationships.contradictions(STRATEGY)] == [
        (wrong_type.id, ("type: transactional, meant is dedicated-assistance",))
    ]
    for _ in range(2):
        rep.interactions.record(right.customer, Channel.PHONE, Direction.INBOUND)
    found = {c.tie.id: (c.intention.name, c.reasons) for c in crm.relationships.contradictions(STRATEGY)}
    assert found[right.id] == ("people", ("phone: 2 contacts, the last on 2026-01-01; meant is kiosk, portal",))
    clock.advance(DAY)
    assert right.id not in {c.tie.id for c in crm.relationships.contradictions(STRATEGY, since=clock())}


# another version of the lifecycle


class Phase(StrEnum):
    TRIAL = "trial"
    CLIENT = "client"
    GONE = "gone"


class Sign(StrEnum):
    STAY = "stay"
    REENGAGE = "reengage"


NEW: Machine[Any, Any, Facts] = Machine(
    "relationship",
    version=2,
    initial=Phase.TRIAL,
    groups={"open": [Phase.TRIAL, Phase.CLIENT]},
    edges=[
        edge(Phase.TRIAL, Phase.CLIENT, on=Sign.STAY),
        warning("silence", Phase.CLIENT, after=days(20)),
        edge(Phase.CLIENT, Phase.GONE, after=days(40), cause=DissolutionCause.INACTIVITY),
        edge(Phase.GONE, Phase.TRIAL, on=Sign.REENGAGE),
    ],
)


def bought_much(facts: Facts) -> Phase:
    return Phase.CLIENT if facts.count("purchase") > 1 else Phase.TRIAL


VERSIONS = Versions(
    NEW,
    old={1: LIFECYCLE},
    migrations=[
        Migration(
            1,
            2,
            {
                "exploration": Phase.TRIAL,
                "awareness": choose(bought_much, Phase.TRIAL, Phase.CLIENT),
                "expansion": Phase.CLIENT,
                "commitment": Phase.CLIENT,
                "dissolution": Phase.GONE,
            },
        )
    ],
)


def upgraded(crm: CRM, clock: VirtualClock, lifecycle: Any = VERSIONS) -> CRM:
    """The same store after a deploy with another lifecycle."""
    return CRM.open(crm.store, clock=clock, lifecycle=lifecycle)


def test_a_changed_lifecycle_migrates_in_bulk(crm: CRM, clock: VirtualClock) -> None:
    """The plan tells what goes where and what becomes due at once; the migration does that, as events; time acts."""
    one = begun(crm)
    two = crm.relationships.advance(begun(crm, T.PERSONAL_ASSISTANCE, "Bo Lind"), "understand", evidence=UNDERSTOOD)
    crm.purchases.record(two.customer, "5 EUR")
    crm.purchases.record(two.customer, "5 EUR")
    clock.advance(100 * DAY)
    new = upgraded(crm, clock)
    plan = new.relationships.plan_migration()
    assert dict(plan.moves) == {("exploration (1)", "trial"): 1, ("awareness (1)", "client"): 1}
    assert (plan.due_at_once, dict(plan.due)) == (1, {"client -after 40 days-> gone": 1})
    done = new.relationships.migrate(batch=1)
    assert (done.migrated, done.refused, done.next) == (2, (), None)
    assert new.relationships.migrate().migrated == 0
    with pytest.raises(Invalid):
        new.relationships.migrate(batch=0)
    stages = {tie.id: (tie.stage, tie.lifecycle) for tie in new.relationships.find()}
    assert stages == {one.id: ("trial", "2"), two.id: ("client", "2")}
    entry = journal(crm, one)[-1]
    assert entry.type == "relationship.migrated"
    assert '"source":"exploration"' in entry.body
    assert '"from_version":"1"' in entry.body
    assert new.relationships.plan_migration().moves == {}
    assert new.relationships.run_due().moved == 1
    assert new.relationships.get(two).ended == two.since + 40 * DAY


def test_a_changed_lifecycle_migrates_when_acted_on(crm: CRM, clock: VirtualClock) -> None:
    """Reading shows where it stands, acting writes it down first."""
    tie = begun(crm)
    new = upgraded(crm, clock)
    assert [str(o.signal) for o in new.relationships.options(tie)] == ["stay"]
    assert len(journal(crm, tie)) == 1
    assert new.relationships.advance(tie, "stay").stage == "client"
    assert [e.type for e in journal(crm, tie)][1:] == ["relationship.migrated", "relationship.advanced"]


def test_an_unknown_version_is_told_and_left_alone(crm: CRM, clock: VirtualClock) -> None:
    """What cannot be understood stays as it is, in bulk and one by one."""
    tie = begun(upgraded(crm, clock, LIFECYCLE.extend(version="0")))
    new = upgraded(crm, clock)
    (told,) = new.relationships.migrate().refused
    assert told.startswith(
        f"relationship {tie.id}: refused by lifecycle: relationship: state 'exploration' of version 0:"
    )
    assert told.endswith("unknown version; possible now: declare the old version and a migration from it")
    assert new.relationships.plan_migration().refused[0][0] == tie.id
    with pytest.raises(Refusal, match="unknown version"):
        new.relationships.advance(tie, "stay")
    assert crm.relationships.get(tie) == tie


# bad input


@pytest.mark.parametrize(
    ("call", "name", "rule"),
    [
        (
            lambda c, t: c.begin(t.customer, "communities", community="a\nb"),
            "RelationshipBegun.community",
            "line-break",
        ),
        (lambda c, t: c.begin(t.customer, "communities", community=" "), "RelationshipBegun.community", "blank"),
        (lambda c, t: c.begin(t.customer, "transactional", owner="rep/../x"), "RelationshipBegun.owner", "identifier"),
        (lambda c, t: c.begin(t.customer, "transactional", origin="x" * 81), "RelationshipBegun.origin", "too-long"),
        (
            lambda c, t: c.begin(t.customer, "transactional", note="\ud800"),
            "RelationshipBegun.origin_note",
            "surrogate",
        ),
        (lambda c, _: c.begin("../etc", "transactional"), "customer", "identifier"),
        (lambda c, t: c.note_evidence(t), "evidence", "required"),
        (lambda c, t: c.note_evidence(t, Evidence("x", score=101)), "Evidence.score", "range"),
        (lambda c, t: c.note_evidence(t, Evidence("x", score=True)), "Evidence.score", "whole-number"),
        (lambda c, t: c.note_evidence(t, "\x00"), "Evidence.kind", "control-character"),
        (lambda c, t: c.note_evidence(t, Evidence("x", ref=("a", "b"))), "Evidence.ref", "type"),
        (lambda c, t: c.hand_over(t, "", reason="x"), "HandedOver.owner", "identifier"),
        (lambda c, t: c.agree_cadence(t, timedelta(days=10**6)), "CadenceAgreed.cadence", "range"),
        (lambda c, t: c.request(t, ""), "Served.topic", "empty"),
        (lambda c, _: c.find(field("stag") == "x"), "relationship query", "unknown-field"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(crm: CRM, call: Any, name: str, rule: str) -> None:
    """A typed error names the field and the rule, tells no value, and leaves record and journal as they were."""
    tie = begun(crm)
    with pytest.raises(Invalid) as refused:
        call(crm.relationships, tie)
    assert (refused.value.field, refused.value.rule) == (name, rule)
    assert crm.relationships.get(tie) == tie
    assert len(journal(crm, tie)) == 1


@pytest.mark.parametrize(
    "text", ["Robert'); DROP TABLE", "<script>", "=cmd|' /C calc'!A0", "Nguyễn", "e\u0301", "\U0001f984", "100 % _"]
)
def test_hostile_text_is_kept_as_it_is(crm: CRM, text: str) -> None:
    """What is allowed comes back exactly, from every store, and is found by what it says."""
    tie = begun(crm, T.COMMUNITIES, community=text, origin=text, note=text)
    assert crm.relationships.get(tie) == tie
    assert (tie.community, tie.origin, tie.origin_note) == (text, text, text)
    assert [each.id for each in crm.relationships.find(field("community") == text)] == [tie.id]


def test_cadence_states_are_words() -> None:
    """The words of a cadence's state are stable."""
    assert [str(state) for state in CadenceState] == ["none agreed", "kept", "due", "missed"]
