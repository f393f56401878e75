"""Relationships: beginning, contact, type, owner and cadence as pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.relationships.lifecycles import LIFECYCLE, Stage
from crmkit.domain.relationships.relationship import (
    CadenceState,
    Known,
    Relationship,
    RelationshipBegun,
    agree_cadence,
    begin,
    cadence_state,
    change_type,
    check_contact,
    check_type,
    hand_over,
    note_contact,
    open_tie,
    tell_origin,
)
from crmkit.domain.relationships.types import (
    AUTOMATED_SERVICES,
    COMMUNITIES,
    DEDICATED_ASSISTANCE,
    LONG_TERM,
    PERSONAL_ASSISTANCE,
    SELF_SERVICE,
    SEVEN,
    TRANSACTIONAL,
    TypeRules,
)
from crmkit.domain.words import Channel, Contact, Direction, Mode, Purpose, Stance
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.codec import decode, decode_event, encode, encode_event

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def tie_of(rules: TypeRules = LONG_TERM, **more: Any) -> Relationship:
    given: dict[str, Any] = {"owner": "rep-lito", "community": "cyclists" if rules.community else None, **more}
    return begin("cus_1", rules, id="rel_1", machine=LIFECYCLE, at=START, **given).record


def contact(channel: Channel = Channel.EMAIL, **more: Any) -> Contact:
    """The company writes of itself, unless something else is said."""
    given = {"direction": Direction.OUTBOUND, "stance": Stance.PROACTIVE, "by": "rep-lito", **more}
    return Contact(channel=channel, **given)


def test_a_beginning() -> None:
    """The event tells everything, and the record is what it tells."""
    made = begin("cus_1", LONG_TERM, id="rel_1", machine=LIFECYCLE, origin="offer", origin_note="Half price.", at=START)
    tie = made.record
    assert isinstance(made.event, RelationshipBegun)
    assert made.before is None
    assert (tie.id, tie.version, tie.customer, tie.type, tie.stage) == (
        "rel_1",
        1,
        "cus_1",
        "long-term",
        Stage.EXPLORATION,
    )
    assert tie.since == tie.quiet_since == tie.began == tie.attended == START
    assert (tie.lifecycle, tie.episode, tie.owner, tie.owner_since) == ("1", 1, None, None)
    assert (tie.cadence, tie.contact_due) == (90 * DAY, START + 90 * DAY)
    assert (tie.origin, tie.origin_note) == ("offer", "Half price.")
    assert tie_of(TRANSACTIONAL).contact_due is None
    assert tie_of(LONG_TERM, cadence=7 * DAY).contact_due == START + 7 * DAY


def test_it_survives_storage() -> None:
    """Record and events come back from rows and journal bodies as they were."""
    tie = tie_of(COMMUNITIES, origin="own word", origin_note="note")
    for change in (
        note_contact(tie, COMMUNITIES, contact(), at=START + DAY),
        tell_origin(tie, "need", "x"),
        hand_over(tie, COMMUNITIES, "rep-mara", at=START),
        agree_cadence(tie, COMMUNITIES, 9 * DAY),
        change_type(tie, LONG_TERM, at=START),
    ):
        kept = decode(Relationship.__kind__, encode(change.record), version=2, schema=1)
        assert kept == change.record
        told = type(change.event).__event__
        assert decode_event(told.name, *encode_event(change.event), schema=1) == change.event


def test_the_unique_key_holds_while_it_lasts() -> None:
    """One lasting relationship per customer, type and community; an ended one collides with nothing."""
    assert open_tie(tie_of()) == "cus_1|long-term|"
    assert open_tie(tie_of(COMMUNITIES)) == "cus_1|communities|cyclists"
    assert open_tie(attrs.evolve(tie_of(), ended=START)) is None


@pytest.mark.parametrize(
    ("rules", "given", "rule"),
    [
        (DEDICATED_ASSISTANCE, {}, "dedicated-assistance.owner"),
        (COMMUNITIES, {}, "communities.community"),
        (LONG_TERM, {"community": "cyclists"}, "long-term.community"),
        (LONG_TERM, {"known": Known(named=False)}, "long-term.named"),
        (AUTOMATED_SERVICES, {"known": Known()}, "automated-services.recognised"),
    ],
)
def test_what_a_type_asks_for(rules: TypeRules, given: dict[str, Any], rule: str) -> None:
    """Each thing that is missing is refused by a rule of the type's own."""
    wanted: dict[str, Any] = {"owner": None, "community": None, "known": None, **given}
    with pytest.raises(Refusal) as refused:
        check_type(None, rules, **wanted)
    assert (refused.value.subject, refused.value.rule) == ("a new relationship", rule)


def test_what_a_type_asks_for_can_be_there() -> None:
    """With all of it, nothing is refused."""
    check_type(None, DEDICATED_ASSISTANCE, owner="rep", community=None, known=Known())
    check_type(None, COMMUNITIES, owner=None, community="cyclists", known=Known())
    check_type(None, TRANSACTIONAL, owner=None, community=None, known=Known(named=False))
    check_type(None, AUTOMATED_SERVICES, owner=None, community=None, known=Known(traits=frozenset({"card"})))
    check_type(tie_of(), TRANSACTIONAL, owner=None, community=None, known=None)


# contact


@pytest.mark.parametrize("rules", SEVEN, ids=lambda rules: rules.name)
def test_customers_may_always_turn_to_the_company(rules: TypeRules) -> None:
    """Inbound contact is allowed in every type, whatever the customer has said about contact; findings are none."""
    tie = tie_of(rules)
    inbound = contact(direction=Direction.INBOUND, purpose=Purpose.MARKETING)
    assert check_contact(tie, rules, inbound, consent=False, at=START) == ("the customer turns to the company",)
    finding = contact(mode=Mode.ANALYTICAL, purpose=Purpose.MARKETING)
    assert check_contact(tie, rules, finding, consent=False, at=START) == ("an analytical finding is no contact",)


@pytest.mark.parametrize(
    ("purpose", "consent", "allowed"),
    [
        (Purpose.MARKETING, None, False),
        (Purpose.MARKETING, False, False),
        (Purpose.MARKETING, True, True),
        (Purpose.RESEARCH, None, False),
        (Purpose.PROFILING, None, False),
        (Purpose.SERVICE, None, True),
        (Purpose.SERVICE, False, False),
        (Purpose.RELATIONSHIP, False, False),
        (Purpose.TRANSACTION, False, True),
    ],
)
def test_consent(*, purpose: Purpose, consent: bool | None, allowed: bool) -> None:
    """Some purposes need a yes, the others end with a no, and a transaction goes on."""
    tie = tie_of(PERSONAL_ASSISTANCE)
    if allowed:
        reasons = check_contact(tie, PERSONAL_ASSISTANCE, contact(purpose=purpose), consent=consent, at=START)
        assert (f"the customer agreed to {purpose} by email" in reasons) is (consent is True)
    else:
        with pytest.raises(Refusal) as refused:
            check_contact(tie, PERSONAL_ASSISTANCE, contact(purpose=purpose), consent=consent, at=START)
        assert (refused.value.subject, refused.value.rule) == ("relationship rel_1", "consent")


def test_a_refusal_says_what_the_customer_said() -> None:
    """Nothing said and a refusal are told apart."""
    for consent, found in ((None, "found nothing"), (False, "found a refusal")):
        with pytest.raises(Refusal, match=found) as refused:
            check_contact(tie_of(), LONG_TERM, contact(purpose=Purpose.MARKETING), consent=consent, at=START)
        assert refused.value.instead == ("ask for consent",)


MACHINE = {"mode": Mode.COLLABORATIVE, "by": None}


@pytest.mark.parametrize(
    ("rules", "given", "rule"),
    [
        (TRANSACTIONAL, {}, "open-transaction"),
        (TRANSACTIONAL, {"transaction": "1002"}, "open-transaction"),
        (TRANSACTIONAL, {"transaction": "1001"}, ""),
        (LONG_TERM, {}, ""),
        (PERSONAL_ASSISTANCE, {"stance": Stance.REACTIVE, **MACHINE}, "person-answers"),
        (PERSONAL_ASSISTANCE, {"stance": Stance.REACTIVE, "by": None}, "person-answers"),
        (PERSONAL_ASSISTANCE, {"stance": Stance.REACTIVE, "mode": Mode.COLLABORATIVE}, "person-answers"),
        (PERSONAL_ASSISTANCE, {"stance": Stance.REACTIVE}, ""),
        (PERSONAL_ASSISTANCE, MACHINE, ""),
        (DEDICATED_ASSISTANCE, {}, ""),
        (DEDICATED_ASSISTANCE, {"by": "rep-mara"}, "owner"),
        (DEDICATED_ASSISTANCE, MACHINE, ""),
        (SELF_SERVICE, {}, "no-direct-contact"),
        (SELF_SERVICE, {"transaction": "1001"}, "no-direct-contact"),
        (SELF_SERVICE, MACHINE, ""),
        (AUTOMATED_SERVICES, {}, "no-direct-contact"),
        (AUTOMATED_SERVICES, {"transaction": "1001"}, ""),
        (AUTOMATED_SERVICES, {"trait": "cyclist"}, "no-direct-contact"),
        (AUTOMATED_SERVICES, MACHINE, "acts-from-profile"),
        (AUTOMATED_SERVICES, {"trait": "swimmer", **MACHINE}, "acts-from-profile"),
        (AUTOMATED_SERVICES, {"trait": "cyclist", **MACHINE}, ""),
        (AUTOMATED_SERVICES, {"transaction": "9999", **MACHINE}, ""),
        (COMMUNITIES, {}, ""),
        (COMMUNITIES, MACHINE, ""),
    ],
)
def test_what_each_type_says_to_contact(rules: TypeRules, given: dict[str, Any], rule: str) -> None:
    """Order 1001 is open, and the profile has the trait cyclist."""
    how: dict[str, Any] = {"consent": None, "open_transactions": ["1001"], "traits": ["cyclist"], "at": START}
    if not rule:
        reasons = check_contact(tie_of(rules), rules, contact(**given), **how)
        assert reasons[-1] == f"{rules.name} has nothing against it"
        assert ("it is about the open transaction 1001" in reasons) is (given.get("transaction") == "1001")
        return
    with pytest.raises(Refusal) as refused:
        check_contact(tie_of(rules), rules, contact(**given), **how)
    assert refused.value.rule == f"{rules.name}.{rule}"


def test_refusals_tell_figures_and_nothing_personal() -> None:
    """How many transactions are open, how many traits there are; never which traits."""
    with pytest.raises(Refusal, match="none is named, 2 open"):
        check_contact(
            tie_of(TRANSACTIONAL), TRANSACTIONAL, contact(), consent=None, open_transactions=["1", "2"], at=START
        )
    seventh = contact(transaction="7")
    with pytest.raises(Refusal, match="7 is not open, 2 open"):
        check_contact(
            tie_of(TRANSACTIONAL), TRANSACTIONAL, seventh, consent=None, open_transactions=["1", "2"], at=START
        )
    for trait, found in (
        (None, "found neither, of 1 traits"),
        ("gout", "found a trait that the profile does not have"),
    ):
        asked = contact(trait=trait, **MACHINE)
        with pytest.raises(Refusal, match=found) as refused:
            check_contact(tie_of(AUTOMATED_SERVICES), AUTOMATED_SERVICES, asked, consent=None, traits=["flu"], at=START)
        assert "gout" not in str(refused.value)
        assert "flu" not in str(refused.value)


def test_an_agreed_cadence_speaks_for_contact() -> None:
    """A contact that the company makes of itself is held against the cadence; an answer is not."""
    reasons = check_contact(tie_of(), LONG_TERM, contact(), consent=None, at=START + 95 * DAY)
    assert reasons[0] == "the agreed cadence is due, contact is due on 2026-04-01"
    answer = contact(stance=Stance.REACTIVE)
    assert check_contact(tie_of(), LONG_TERM, answer, consent=None, at=START) == ("long-term has nothing against it",)


LATER = START + 10 * DAY


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {"attended", "last_proactive", "contact_due"}),
        ({"stance": Stance.REACTIVE}, {"attended"}),
        ({"direction": Direction.INBOUND}, {"attended", "quiet_since"}),
        ({"channel": Channel.PHONE}, {"attended", "last_proactive", "contact_due", "quiet_since", "last_personal"}),
        ({"channel": Channel.LETTER}, {"attended", "last_proactive", "contact_due", "last_personal"}),
        ({"mode": Mode.COLLABORATIVE}, set()),
        ({"mode": Mode.COLLABORATIVE, "direction": Direction.INBOUND}, {"quiet_since"}),
        ({"mode": Mode.COLLABORATIVE, "channel": Channel.PHONE}, {"quiet_since"}),
    ],
)
def test_each_distinction_of_contact_changes_something(given: dict[str, Any], changed: set[str]) -> None:
    """Direction, stance, mode and channel decide on attention, cadence, sign of life and personal touch."""
    tie = tie_of()
    after = note_contact(tie, LONG_TERM, contact(**given), at=LATER).record
    names = ("attended", "last_proactive", "contact_due", "quiet_since", "last_personal")
    assert {name for name in names if getattr(after, name) != getattr(tie, name)} == changed
    channel = given.get("channel", Channel.EMAIL)
    assert (after.contacts.keys(), after.contacts[channel].count, after.contacts[channel].last) == ({channel}, 1, LATER)
    if "contact_due" in changed:
        assert after.contact_due == LATER + 90 * DAY


def test_where_tools_attend_their_use_is_attention() -> None:
    """In self-service the customer's own use of the portal is attention enough."""
    portal = contact(Channel.PORTAL, direction=Direction.INBOUND, **MACHINE)
    assert note_contact(tie_of(SELF_SERVICE), SELF_SERVICE, portal, at=LATER).record.attended == LATER
    assert note_contact(tie_of(LONG_TERM), LONG_TERM, portal, at=LATER).record.attended == START


def test_a_finding_is_no_contact() -> None:
    """It shows on the timeline, and has no place here."""
    with pytest.raises(Invalid) as refused:
        note_contact(tie_of(), LONG_TERM, contact(mode=Mode.ANALYTICAL), at=LATER)
    assert (refused.value.field, refused.value.rule) == ("contact.mode", "no-contact")


@given(st.permutations([(1, Channel.PHONE), (5, Channel.VISIT), (3, Channel.EMAIL), (4, Channel.PHONE)]))
def test_contacts_may_come_in_in_any_order(contacts: list[tuple[int, Channel]]) -> None:
    """What is recorded late leads to the same summary."""
    tie = attrs.evolve(tie_of(), warned="silence")
    for day, channel in contacts:
        tie = note_contact(tie, LONG_TERM, contact(channel), at=START + day * DAY).record
    assert tie.attended == tie.last_personal == tie.last_proactive == tie.quiet_since == START + 5 * DAY
    assert (tie.contact_due, tie.warned) == (START + 95 * DAY, None)
    assert {channel: tally.count for channel, tally in tie.contacts.items()} == {"phone": 2, "visit": 1, "email": 1}


def test_what_is_older_than_the_last_sign_of_life_takes_no_warning_back() -> None:
    """A call from before the silence began does not end the silence."""
    tie = attrs.evolve(tie_of(), warned="silence", quiet_since=LATER)
    called = note_contact(tie, LONG_TERM, contact(Channel.PHONE), at=LATER).record
    assert (called.warned, called.quiet_since) == ("silence", LATER)
    assert note_contact(tie, LONG_TERM, contact(Channel.PHONE), at=LATER + DAY).record.warned is None


def test_after_the_end_contact_starts_no_timer() -> None:
    """It is counted; nothing becomes due by it, and the silence is not broken."""
    tie = attrs.evolve(tie_of(), ended=START)
    after = note_contact(tie, LONG_TERM, contact(Channel.PHONE), at=LATER).record
    assert (after.contact_due, after.quiet_since, after.contacts["phone"].count) == (None, START, 1)


# cadence


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (0, CadenceState.KEPT),
        (89, CadenceState.KEPT),
        (90, CadenceState.DUE),
        (97, CadenceState.DUE),
        (98, CadenceState.MISSED),
    ],
)
def test_how_a_cadence_stands(day: int, state: CadenceState) -> None:
    """Kept for ninety days, due for seven days of grace, then missed."""
    assert cadence_state(tie_of(), LONG_TERM, at=START + day * DAY) is state
    if state is not CadenceState.KEPT:
        early = START + day * DAY - timedelta(microseconds=1)
        assert (cadence_state(tie_of(), LONG_TERM, at=early) is state) is (day in {97, 98})


def test_without_a_cadence_there_is_nothing_to_keep() -> None:
    """Neither due nor missed."""
    assert cadence_state(tie_of(TRANSACTIONAL), TRANSACTIONAL, at=LATER) is CadenceState.NONE


def test_a_cadence_counts_from_the_last_contact_or_the_beginning() -> None:
    """Agreeing on one takes into account when the company last made contact."""
    tie = note_contact(tie_of(), LONG_TERM, contact(), at=LATER).record
    agreed = agree_cadence(tie, LONG_TERM, 7 * DAY).record
    assert (agreed.cadence, agreed.contact_due) == (7 * DAY, LATER + 7 * DAY)
    assert agree_cadence(agreed, LONG_TERM, None).record.contact_due is None
    assert agree_cadence(tie_of(), LONG_TERM, DAY).record.contact_due == START + DAY
    for too_short in (timedelta(0), DAY - timedelta(microseconds=1)):
        with pytest.raises(Invalid):
            agree_cadence(tie, LONG_TERM, too_short)


# type and owner


def test_a_change_of_type() -> None:
    """The new type's cadence takes over, the community goes where there is none, the owner stays unless named."""
    tie = tie_of(COMMUNITIES)
    changed = change_type(tie, LONG_TERM, at=LATER).record
    assert (changed.type, changed.community, changed.owner, changed.owner_since) == (
        "long-term",
        None,
        "rep-lito",
        START,
    )
    assert (changed.cadence, changed.contact_due) == (90 * DAY, LATER + 90 * DAY)
    back = change_type(changed, COMMUNITIES, community="runners", owner="rep-mara", at=LATER).record
    assert (back.community, back.owner, back.owner_since, back.cadence) == ("runners", "rep-mara", LATER, None)
    fortnightly = change_type(tie, PERSONAL_ASSISTANCE, cadence=14 * DAY, at=LATER).record
    assert fortnightly.contact_due == LATER + 14 * DAY


def test_a_change_between_types_of_community_keeps_it() -> None:
    """Where both types have a community, its name goes along."""
    club = attrs.evolve(COMMUNITIES, name="wine-club")
    assert change_type(tie_of(COMMUNITIES), club, at=LATER).record.community == "cyclists"


def test_what_is_over_keeps_its_type_owner_and_cadence() -> None:
    """A relationship that has ended begins anew before anything is changed about it."""
    over = attrs.evolve(tie_of(), ended=LATER, cause="fraud")
    for call in (
        lambda: change_type(over, TRANSACTIONAL, at=LATER),
        lambda: hand_over(over, LONG_TERM, "rep-mara", at=LATER),
        lambda: agree_cadence(over, LONG_TERM, 7 * DAY),
    ):
        with pytest.raises(Refusal, match="it ended on 2026-01-11, cause fraud") as refused:
            call()
        assert (refused.value.rule, refused.value.instead) == ("ended", ("reengage",))


def test_a_hand_over() -> None:
    """Who it was stands in the event, who it is and since when in the record."""
    made = hand_over(tie_of(), LONG_TERM, "rep-mara", at=LATER)
    assert (made.record.owner, made.record.owner_since) == ("rep-mara", LATER)
    assert getattr(made.event, "previous", None) == "rep-lito"
    assert hand_over(tie_of(), LONG_TERM, None, at=LATER).record.owner_since is None
    with pytest.raises(Refusal) as refused:
        hand_over(tie_of(DEDICATED_ASSISTANCE), DEDICATED_ASSISTANCE, None, at=LATER)
    assert refused.value.rule == "dedicated-assistance.owner"
