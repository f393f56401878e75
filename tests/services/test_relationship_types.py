"""Relationship types through the public verbs: what each of the seven refuses, the six others allow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs
import pytest

from crmkit.crm import CRM
from crmkit.domain.customers.customer import Customer
from crmkit.domain.customers.parties import Person
from crmkit.domain.purchases import Purchase
from crmkit.domain.relationships.evidence import Evidence
from crmkit.domain.relationships.lifecycles import Stage
from crmkit.domain.relationships.relationship import Relationship
from crmkit.domain.relationships.types import COMMUNITIES, PERSONAL_ASSISTANCE, RelationshipType
from crmkit.domain.words import Channel, Direction, Mode, Purpose, Stance
from crmkit.errors import Invalid, MoveRefused, Refusal
from crmkit.kernel.query import field
from crmkit.services.clock import VirtualClock

T = RelationshipType
UNDERSTOOD = ("trial passed", "value understood")
TRUSTED = ("promise kept", "promise kept", "promise kept", "promise kept")


def customer(crm: CRM, name: str = "Ana Reyes", *, recognised: bool = True) -> Customer:
    return crm.customers.register(Person(name), tags=["cyclist"] if recognised else [])


def begun(crm: CRM, kind: RelationshipType, name: str = "Ana Reyes") -> Relationship:
    """A relationship of a type that has all that any type asks for."""
    community = "cyclists" if kind is T.COMMUNITIES else None
    return crm.relationships.begin(customer(crm, name), kind, owner="rep-lito", community=community)


def exchange(crm: CRM, tie: Relationship, times: int) -> Relationship:
    """Some exchanges with another member, where the relationship belongs to a community."""
    if tie.community is None:
        return tie
    other = crm.relationships.begin(customer(crm, "Bo Lind"), tie.type, community=tie.community)
    for _ in range(times):
        tie, _ = crm.relationships.exchange(tie, other)
    return tie


def expands(crm: CRM, clock: VirtualClock, kind: RelationshipType) -> None:
    """The customer trusts the company and wants more."""
    tie = exchange(crm, begun(crm, kind), 3)
    tie = crm.relationships.advance(tie, "understand", evidence=UNDERSTOOD)
    assert crm.relationships.advance(tie, "expand", evidence=TRUSTED).stage is Stage.EXPANSION


def advances_after_silence(crm: CRM, clock: VirtualClock, kind: RelationshipType) -> None:
    """The company has not made contact for a hundred days, and the customer wants to go on."""
    tie = exchange(crm, begun(crm, kind), 3)
    clock.advance(timedelta(days=100))
    assert crm.relationships.advance(tie, "understand", evidence=UNDERSTOOD).stage is Stage.AWARENESS


def is_answered_by_a_machine(crm: CRM, clock: VirtualClock, kind: RelationshipType) -> None:
    """The customer asked about an open order, and an automated e-mail answers."""
    tie = begun(crm, kind)
    order = opened_order(crm, tie)
    crm.interactions.record(
        tie.customer,
        Channel.EMAIL,
        Direction.OUTBOUND,
        stance=Stance.REACTIVE,
        mode=Mode.COLLABORATIVE,
        purpose=Purpose.TRANSACTION,
        about=order,
    )


def begins_without_representative(crm: CRM, clock: VirtualClock, kind: RelationshipType) -> None:
    """Nobody in particular represents the company."""
    community = "cyclists" if kind is T.COMMUNITIES else None
    crm.relationships.begin(customer(crm), kind, community=community)


def is_called_about_an_order(crm: CRM, clock: VirtualClock, kind: RelationshipType) -> None:
    """The representative rings the customer up about an open order."""
    tie = begun(crm, kind)
    order = opened_order(crm, tie)
    crm.acting_as("rep-lito").interactions.record(
        tie.customer, Channel.PHONE, Direction.OUTBOUND, purpose=Purpose.TRANSACTION, about=order
    )


def begins_unrecognised(crm: CRM, clock: VirtualClock, kind: RelationshipType) -> None:
    """The profile tells the customer's name, and nothing that could be acted from."""
    community = "cyclists" if kind is T.COMMUNITIES else None
    crm.relationships.begin(customer(crm, recognised=False), kind, owner="rep-lito", community=community)


def understands_without_exchange(crm: CRM, clock: VirtualClock, kind: RelationshipType) -> None:
    """The customer has passed the trial and understands the value, and has not exchanged a word with other members."""
    tie = crm.relationships.advance(begun(crm, kind), "understand", evidence=UNDERSTOOD)
    assert tie.stage is Stage.AWARENESS


def opened_order(crm: CRM, tie: Relationship) -> Purchase:
    return crm.purchases.record(tie.customer, "12.50 EUR", is_open=True)


Scenario = Callable[[CRM, VirtualClock, RelationshipType], None]
SCENARIOS: dict[RelationshipType, tuple[Scenario, str, str]] = {
    T.TRANSACTIONAL: (expands, "guard unmet", "a change of type, for transactional knows no expansion"),
    T.LONG_TERM: (
        advances_after_silence,
        "guard unmet",
        "days since the company last made contact 100, needs at most 97",
    ),
    T.PERSONAL_ASSISTANCE: (is_answered_by_a_machine, "personal-assistance.person-answers", "found nobody"),
    T.DEDICATED_ASSISTANCE: (begins_without_representative, "dedicated-assistance.owner", "exactly one named"),
    T.SELF_SERVICE: (is_called_about_an_order, "self-service.no-direct-contact", "there are help, kiosk, portal"),
    T.AUTOMATED_SERVICES: (begins_unrecognised, "automated-services.recognised", "expected at least 1"),
    T.COMMUNITIES: (understands_without_exchange, "guard unmet", "exchanges with other members 0, needs at least 1"),
}


@pytest.mark.parametrize("kind", T)
@pytest.mark.parametrize("refusing", T)
def test_what_one_type_refuses_the_six_others_allow(
    crm: CRM, clock: VirtualClock, refusing: RelationshipType, kind: RelationshipType
) -> None:
    """Each type has a scenario that it alone refuses, through the public verb, with its reason."""
    scenario, rule, reason = SCENARIOS[refusing]
    if kind is not refusing:
        scenario(crm, clock, kind)
        return
    with pytest.raises(Refusal) as refused:
        scenario(crm, clock, kind)
    assert refused.value.rule == rule
    assert reason in "; ".join(refused.value.reasons)


def contact(crm: CRM, tie: Relationship, channel: Channel = Channel.EMAIL, **how: object) -> str:
    """Ask whether the company may make a contact: the rule that forbids it, or nothing."""
    answer = crm.acting_as("rep-lito").interactions.may_contact(tie.customer, channel, **how)
    return "" if answer.allowed else answer.objections[0].rule


def test_transactional_contact_is_about_an_open_transaction_only(crm: CRM) -> None:
    """No bond: without a transaction, and after it is complete, there is no contact."""
    tie = begun(crm, T.TRANSACTIONAL)
    order = opened_order(crm, tie)
    assert contact(crm, tie) == "transactional.open-transaction"
    assert contact(crm, tie, about=order) == ""
    crm.purchases.complete(order)
    assert contact(crm, tie, about=order) == "transactional.open-transaction"


def test_only_transactional_takes_anonymous_buyers(crm: CRM) -> None:
    """Who is not known by name can buy, and have no other relationship."""
    nobody = crm.customers.register(tags=["cyclist"])
    for kind in T:
        community = "cyclists" if kind is T.COMMUNITIES else None
        if kind is T.TRANSACTIONAL:
            assert crm.relationships.begin(nobody, kind, owner="rep-lito").stage is Stage.EXPLORATION
            continue
        with pytest.raises(Refusal, match="known by name") as refused:
            crm.relationships.begin(nobody, kind, owner="rep-lito", community=community)
        assert refused.value.rule == f"{kind}.named"
        assert refused.value.instead == ("transactional",)


def test_expansion_is_open_after_a_change_of_type(crm: CRM) -> None:
    """A transactional customer who trusts the company expands as soon as the kind is another."""
    tie = crm.relationships.advance(begun(crm, T.TRANSACTIONAL), "understand", evidence=UNDERSTOOD)
    tie = crm.relationships.note_evidence(tie, *TRUSTED)
    with pytest.raises(MoveRefused):
        crm.relationships.advance(tie, "expand")
    tie = crm.relationships.change_type(tie, T.LONG_TERM, evidence=["signed a contract"], reason="contract 7")
    assert crm.relationships.advance(tie, "expand").stage is Stage.EXPANSION


def test_a_missed_cadence_stops_until_the_company_makes_contact(crm: CRM, clock: VirtualClock) -> None:
    """A proactive call keeps the cadence again; an answered call of the customer's does not."""
    tie = begun(crm, T.LONG_TERM)
    rep = crm.acting_as("rep-lito")
    clock.advance(timedelta(days=98))
    rep.interactions.record(tie.customer, Channel.PHONE, Direction.INBOUND)
    tie = crm.relationships.note_evidence(tie, *UNDERSTOOD)
    assert "cadence_kept" in {o.guard for option in crm.relationships.options(tie) for o in option.obstacles}
    rep.interactions.record(tie.customer, Channel.PHONE, Direction.OUTBOUND)
    assert crm.relationships.advance(tie, "understand").stage is Stage.AWARENESS


def test_moving_back_and_ending_need_no_cadence(crm: CRM, clock: VirtualClock) -> None:
    """A missed cadence stops steps forward and no others."""
    tie = crm.relationships.advance(begun(crm, T.LONG_TERM), "understand", evidence=UNDERSTOOD)
    clock.advance(timedelta(days=98))
    assert crm.relationships.advance(tie, "cool", cause="less contact").stage is Stage.EXPLORATION


def test_personal_assistance_answers_by_a_person(crm: CRM) -> None:
    """An answer by a named person is fine on any channel; automated news that nobody asked for is no answer."""
    tie = begun(crm, T.PERSONAL_ASSISTANCE)
    for channel in Channel:
        assert contact(crm, tie, channel, stance=Stance.REACTIVE) == ""
    machine = {"mode": Mode.COLLABORATIVE}
    assert contact(crm, tie, stance=Stance.REACTIVE, **machine) == "personal-assistance.person-answers"
    assert contact(crm, tie, stance=Stance.PROACTIVE, **machine) == ""


def test_dedicated_assistance_has_one_representative(crm: CRM) -> None:
    """Nobody else turns to the customer until the relationship is handed over, and it is never without somebody."""
    tie = begun(crm, T.DEDICATED_ASSISTANCE)
    assert contact(crm, tie) == ""
    assert contact(crm, tie, by="rep-mara") == "dedicated-assistance.owner"
    with pytest.raises(Refusal, match="exactly one named representative"):
        crm.relationships.hand_over(tie, None, reason="left")
    tie = crm.relationships.hand_over(tie, "rep-mara", reason="left")
    assert contact(crm, tie, by="rep-mara") == ""
    assert contact(crm, tie) == "dedicated-assistance.owner"


def test_self_service_records_what_no_means_can_serve(crm: CRM) -> None:
    """A request is served by portal, kiosk or help; one that is not is a gap, until something serves it."""
    tie = begun(crm, T.SELF_SERVICE)
    assert crm.relationships.request(tie, "invoices").means == ("portal",)
    assert len(crm.relationships.gaps()) == 0
    served = crm.relationships.request(tie, "engraving", note="For my daughter.")
    (gap,) = crm.relationships.gaps("engraving")
    assert (served.means, served.gap) == ((), gap.id)
    assert (gap.customer, gap.relationship, gap.note) == (tie.customer, tie.id, "For my daughter.")
    assert crm.relationships.close_gap(gap, "The kiosk engraves.").remedy == "The kiosk engraves."
    assert len(crm.relationships.gaps()) == 0
    with pytest.raises(Refusal, match="it was closed"):
        crm.relationships.close_gap(gap, "again")


def test_where_people_serve_there_is_no_gap(crm: CRM) -> None:
    """In personal assistance a person serves whatever is asked for."""
    assert crm.relationships.request(begun(crm, T.PERSONAL_ASSISTANCE), "engraving").means == ("a person",)
    assert len(crm.relationships.gaps()) == 0


def test_automated_services_act_from_the_profile(crm: CRM) -> None:
    """Automated contact names the transaction or the trait that it acts from; people ring about transactions only."""
    tie = begun(crm, T.AUTOMATED_SERVICES)
    order = opened_order(crm, tie)
    machine = {"mode": Mode.COLLABORATIVE}
    assert contact(crm, tie, **machine) == "automated-services.acts-from-profile"
    assert contact(crm, tie, trait="swimmer", **machine) == "automated-services.acts-from-profile"
    assert contact(crm, tie, trait="cyclist", **machine) == ""
    assert contact(crm, tie, about=order, **machine) == ""
    assert contact(crm, tie, Channel.PHONE) == "automated-services.no-direct-contact"
    assert contact(crm, tie, Channel.PHONE, about=order) == ""


def test_prospects_are_members_and_members_answer_each_other(crm: CRM) -> None:
    """Who has never bought or tried anything earns understanding from other members alone."""
    prospect, member = begun(crm, T.COMMUNITIES), begun(crm, T.COMMUNITIES, "Bo Lind")
    prospect, member = crm.relationships.exchange(prospect, member, note="Which tyre?")
    assert (prospect.buying.count, prospect.evidence.keys()) == (0, {"exchange with a member"})
    assert crm.relationships.advance(prospect, "understand").stage is Stage.AWARENESS
    assert member.evidence["exchange with a member"].count == 1


def test_an_exchange_is_between_members_of_one_community(crm: CRM) -> None:
    """Members of different communities, no members, and one and the same member have nothing to exchange."""
    ana = begun(crm, T.COMMUNITIES)
    runner = crm.relationships.begin(customer(crm, "Bo Lind"), T.COMMUNITIES, community="runners")
    outside = begun(crm, T.LONG_TERM, "Cy Park")
    for other in (runner, outside, ana):
        with pytest.raises(Refusal, match="two different members of one community"):
            crm.relationships.exchange(ana, other)
    assert crm.relationships.get(ana) == ana


def test_one_may_belong_to_several_communities(crm: CRM) -> None:
    """One relationship per customer, type and community."""
    ana = customer(crm)
    for community in ("cyclists", "runners"):
        crm.relationships.begin(ana, T.COMMUNITIES, community=community)
    with pytest.raises(Refusal, match="there is one of type communities already") as refused:
        crm.relationships.begin(ana, T.COMMUNITIES, community="runners")
    assert (refused.value.rule, refused.value.instead) == ("begun", ("get",))
    assert len(crm.relationships.of(ana)) == 2


def test_a_community_is_for_communities(crm: CRM) -> None:
    """A type without community takes none, so that the name is not lost on it."""
    with pytest.raises(Refusal, match="belongs to no community"):
        crm.relationships.begin(customer(crm), T.LONG_TERM, community="cyclists")


def test_hosts_declare_types_by_the_same_means(address: str, clock: VirtualClock) -> None:
    """A type of the host's own is an evolved policy object, and its rules bite like those of the seven."""
    concierge = attrs.evolve(
        PERSONAL_ASSISTANCE,
        name="concierge",
        says="One person for everything.",
        dedicated=True,
        cadence=timedelta(days=14),
    )
    strict = attrs.evolve(COMMUNITIES, exchanges={"awareness": 5})
    with CRM.open(address, clock=clock, types=[concierge, strict]) as crm:
        with pytest.raises(Refusal) as refused:
            crm.relationships.begin(customer(crm), "concierge")
        assert refused.value.rule == "concierge.owner"
        tie = crm.relationships.begin(customer(crm, "Bo Lind"), "concierge", owner="rep-lito")
        assert (tie.type, tie.contact_due) == ("concierge", tie.began + timedelta(days=14))
        assert contact(crm, tie, stance=Stance.REACTIVE, mode=Mode.COLLABORATIVE) == "concierge.person-answers"
        member = exchange(crm, begun(crm, T.COMMUNITIES, "Cy Park"), 4)
        with pytest.raises(MoveRefused, match="exchanges with other members 4, needs at least 5"):
            crm.relationships.advance(member, "understand")


def test_an_undeclared_type_is_refused(crm: CRM) -> None:
    """Misspelt types are told what there is."""
    with pytest.raises(Invalid, match="one of transactional, long-term") as refused:
        crm.relationships.begin(customer(crm), "longterm")
    assert (refused.value.field, refused.value.rule) == ("type", "word")
    assert crm.relationships.count() == 0


def test_change_of_type_keeps_evidence_reason_actor_and_history(crm: CRM) -> None:
    """The journal tells who changed the type, why, from what evidence, and what it was before."""
    tie = begun(crm, T.TRANSACTIONAL)
    shown = Evidence("signed a contract", note="Three years.")
    changed = crm.acting_as("rep-lito").relationships.change_type(
        tie, T.LONG_TERM, evidence=[shown], cadence=timedelta(days=30), reason="contract 7"
    )
    assert (changed.type, changed.cadence) == (T.LONG_TERM, timedelta(days=30))
    with crm.store.reader("main") as reader:
        entries = [r.entry for r in reader.events() if r.entry.subject.id == tie.id]
    assert [e.type for e in entries] == [
        "relationship.begun",
        "relationship.evidence-noted",
        "relationship.type-changed",
    ]
    assert {(e.by, e.reason) for e in entries[1:]} == {("rep-lito", "contract 7")}
    assert '"previous":"transactional"' in entries[2].body
    assert "Three years." in (entries[1].personal or "")


def test_unmet_preconditions_refuse_a_change_of_type(crm: CRM) -> None:
    """What the new type asks for must be there, or nothing changes."""
    tie = crm.relationships.begin(customer(crm, recognised=False), T.TRANSACTIONAL)
    for kind, rule in (
        (T.DEDICATED_ASSISTANCE, "dedicated-assistance.owner"),
        (T.COMMUNITIES, "communities.community"),
        (T.AUTOMATED_SERVICES, "automated-services.recognised"),
        (T.TRANSACTIONAL, "same-type"),
    ):
        with pytest.raises(Refusal) as refused:
            crm.relationships.change_type(tie, kind, evidence=["asked for it"], reason="asked")
        assert refused.value.rule == rule
    assert crm.relationships.get(tie) == tie
    done = crm.relationships.change_type(
        tie, T.DEDICATED_ASSISTANCE, owner="rep-lito", evidence=["asked for it"], reason="asked"
    )
    assert (done.owner, done.owner_since) == ("rep-lito", done.began)


def test_a_type_that_does_not_know_the_stage_is_refused(crm: CRM) -> None:
    """An expanded relationship becomes transactional only after it has cooled."""
    tie = crm.relationships.advance(begun(crm, T.LONG_TERM), "understand", evidence=UNDERSTOOD)
    tie = crm.relationships.advance(tie, "expand", evidence=TRUSTED)
    with pytest.raises(Refusal, match="knows no expansion") as refused:
        crm.relationships.change_type(tie, T.TRANSACTIONAL, evidence=["stopped"], reason="asked")
    assert refused.value.instead == ("cool",)
    tie = crm.relationships.advance(tie, "cool", cause="smaller budget")
    assert crm.relationships.change_type(tie, T.TRANSACTIONAL, evidence=["stopped"], reason="asked").cadence is None


def test_a_change_of_type_needs_evidence_and_reason(crm: CRM) -> None:
    """Neither may be missing."""
    tie = begun(crm, T.TRANSACTIONAL)
    for given, name in (({"evidence": ["signed"]}, "reason"), ({"evidence": [], "reason": "asked"}, "evidence")):
        with pytest.raises(Invalid) as refused:
            crm.relationships.change_type(tie, T.LONG_TERM, **given)
        assert (refused.value.field, refused.value.rule) == (name, "required")


def test_a_cadence_needs_a_type_that_lets_the_company_make_contact(crm: CRM) -> None:
    """Where the company may not turn to the customer of itself, it cannot agree to."""
    for kind in T:
        tie = begun(crm, kind, name=f"Customer of {kind}")
        if kind in {T.TRANSACTIONAL, T.SELF_SERVICE, T.AUTOMATED_SERVICES}:
            with pytest.raises(Refusal) as refused:
                crm.relationships.agree_cadence(tie, timedelta(days=30))
            assert refused.value.rule == f"{kind}.cadence"
        else:
            agreed = crm.relationships.agree_cadence(tie, timedelta(days=30))
            assert agreed.contact_due == tie.began + timedelta(days=30)
            assert crm.relationships.agree_cadence(agreed, None).contact_due is None


def test_types_are_found_by_query(crm: CRM) -> None:
    """Stored types can be asked for by the words of the enum."""
    for kind in T:
        begun(crm, kind, name=f"Customer of {kind}")
    assert crm.relationships.count(field("type").in_([T.LONG_TERM, T.SELF_SERVICE])) == 2
