"""Interactions: what is contact and what is not, and what each distinction changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.interactions import effort, frequency
from crmkit.domain.interactions.effort import Effort, EffortReport, Group, add_effort, effort_report
from crmkit.domain.interactions.frequency import FrequencyCap, cap_objections, is_capped
from crmkit.domain.interactions.interaction import (
    Announcement,
    Document,
    DocumentAttached,
    Interaction,
    InteractionKind,
    InteractionRecorded,
    Outcome,
    RequestAnswered,
    RequestStatus,
    answer,
    attach,
    attempt,
    check_open,
    contact_of,
    converse,
    find,
    is_attention,
    is_contact,
    is_personal,
    keeps_cadence,
    note,
    search_keys,
)
from crmkit.domain.words import BuyingStep, Channel, Contact, Direction, Mode, Purpose, Stance
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.codec import Told, decode, decode_event, encode, encode_event
from crmkit.kernel.ids import Ref

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
CALL = Contact(
    channel=Channel.PHONE,
    direction=Direction.OUTBOUND,
    stance=Stance.PROACTIVE,
    mode=Mode.OPERATIONAL,
    purpose=Purpose.RELATIONSHIP,
    by="rep-lito",
)
OFFER = Document(name="offer.pdf", media_type="application/pdf", size=5, sha256="0" * 64)


def talked(contact: Contact = CALL, *, name: str = "int_1", **more: object) -> Interaction:
    return converse("cus_1", contact, at=NOW, id=name, **more).record  # type: ignore[arg-type]


def asked(**more: object) -> Interaction:
    return talked(attrs.evolve(CALL, direction=Direction.INBOUND, stance=Stance.REACTIVE), is_request=True, **more)


# what each distinction changes

CAP = FrequencyCap(most=1, within=30 * DAY)


def report(interaction: Interaction) -> EffortReport:
    lines: effort.Lines = {}
    add_effort(lines, [interaction], kinds={"cus_1": "person"}, first={"cus_1": NOW - DAY})
    return effort_report(lines, since=NOW - DAY, until=NOW + DAY)


ANSWERS: dict[str, Callable[[Interaction], object]] = {
    "cadence": keeps_cadence,
    "attention": is_attention,
    "cap": lambda i: is_capped(i, CAP),
    "effort": report,
    "personal": lambda i: is_personal(i.channel, i.mode, i.kind),
}


@pytest.mark.parametrize(
    ("flipped", "changes"),
    [
        ({"direction": Direction.INBOUND}, {"cadence", "cap", "effort"}),
        ({"stance": Stance.REACTIVE}, {"cadence"}),
        ({"mode": Mode.COLLABORATIVE, "by": None}, {"cadence", "attention", "effort", "personal"}),
        (
            {"kind": InteractionKind.ATTEMPT, "outcome": Outcome.NO_ANSWER},
            {"cadence", "attention", "cap", "effort", "personal"},
        ),
        ({"channel": Channel.EMAIL}, {"personal"}),
        ({"purpose": Purpose.SERVICE}, {"cap"}),
    ],
)
def test_each_distinction_changes_its_own_answers(flipped, changes):
    """Of two contacts that differ in one respect alone, exactly the answers of the table differ.

    Who acted goes with the mode, and the outcome with the attempt: neither changes an answer of its own.
    """
    before = talked(minutes=10)
    after = attrs.evolve(before, **flipped)
    assert {name for name, ask in ANSWERS.items() if ask(before) != ask(after)} == changes


def test_findings_and_notes_change_no_count():
    """What was found and what was noted is no contact, no attention, no effort, and counts towards no cap."""
    silent = report(talked())
    for said in (
        find("cus_1", "x", at=NOW, id="int_1").record,
        note("cus_1", "x", by="rep-lito", at=NOW, id="int_1").record,
    ):
        assert [ask(said) for name, ask in ANSWERS.items() if name != "effort"] == [False] * 4
        assert report(said).lines == ()
        assert not is_contact(said)
        assert contact_of(said) is None
        assert frequency.frequency([said], within=DAY, at=NOW).counted == ()
    assert len(silent.lines) == 1


@pytest.mark.parametrize("channel", list(Channel))
def test_every_channel_is_recorded_and_five_are_personal(channel):
    """All twelve channels take a contact; a voice, a face and a hand that wrote are personal."""
    there = talked(attrs.evolve(CALL, channel=channel))
    personal = {Channel.VISIT, Channel.PHONE, Channel.AUDIO_CALL, Channel.VIDEO_CALL, Channel.LETTER}
    assert there.channel is channel
    assert is_personal(there.channel, there.mode, there.kind) == (channel in personal)


# recording


def test_a_conversation_keeps_all_that_was_said():
    """Everything given is on the record, and the event tells the same."""
    change = converse(
        "cus_1",
        attrs.evolve(CALL, trait="bicycles"),
        minutes=12,
        participants=["Ana", "Ben"],
        summary="Wants two.",
        documents=[OFFER],
        about=Ref("purchase", "pur_1"),
        topic="",
        step=BuyingStep.EVALUATION,
        announces=Announcement(kind="visit", at=NOW + DAY, owner="rep-ana"),
        when=NOW - DAY,
        at=NOW,
        id="int_1",
    )
    assert change.record == Interaction(
        id="int_1",
        customer="cus_1",
        kind=InteractionKind.CONVERSATION,
        at=NOW - DAY,
        channel=Channel.PHONE,
        direction=Direction.OUTBOUND,
        stance=Stance.PROACTIVE,
        mode=Mode.OPERATIONAL,
        purpose=Purpose.RELATIONSHIP,
        by="rep-lito",
        minutes=12,
        participants=("Ana", "Ben"),
        summary="Wants two.",
        documents=(OFFER,),
        about=Ref("purchase", "pur_1"),
        trait="bicycles",
        step=BuyingStep.EVALUATION,
        announces=Announcement(kind="visit", at=NOW + DAY, owner="rep-ana"),
    )
    assert isinstance(change.event, InteractionRecorded)
    assert contact_of(change.record) == attrs.evolve(CALL, trait="bicycles", transaction="pur_1")


def test_what_is_about_something_else_names_no_transaction():
    """Only a purchase is a transaction."""
    contact = contact_of(talked(about=Ref("need", "ned_1")))
    assert contact is not None
    assert contact.transaction is None
    assert contact == contact_of(talked())


def test_an_attempt_has_an_outcome_and_is_no_contact():
    """Nobody answered: the record says so, and nothing counts it as contact."""
    tried = attempt(
        "cus_1",
        CALL,
        "line-dead",
        minutes=2,
        summary="Twice.",
        topic="t",
        step="own",
        about=Ref("a", "b"),
        at=NOW,
        id="int_1",
    ).record
    assert (tried.kind, tried.outcome, tried.minutes) == (InteractionKind.ATTEMPT, "line-dead", 2)
    assert (tried.summary, tried.topic, tried.step, tried.about) == ("Twice.", "t", "own", Ref("a", "b"))
    assert not is_contact(tried)
    assert contact_of(tried) is None
    assert report(tried).lines[0].effort == Effort(contacts=0, attempts=1, minutes=2)


def test_a_missed_call_of_the_customer_may_be_a_request():
    """An inbound attempt can ask for an answer, and announce a callback."""
    inbound = attrs.evolve(CALL, direction=Direction.INBOUND, stance=Stance.REACTIVE)
    back = Announcement(at=NOW + DAY)
    missed = attempt("cus_1", inbound, Outcome.VOICEMAIL, is_request=True, announces=back, at=NOW, id="int_1").record
    assert (missed.request, missed.announces) == (RequestStatus.OPEN, back)


def test_findings_and_notes_keep_author_step_and_subject():
    """A note has an author, a finding may have one; both say where in the cycle they belong and what they are about."""
    about = Ref("relationship", "rel_1")
    found = find(
        "cus_1", "Buys every 40 days.", about=about, step=BuyingStep.USE, by="analyst", when=NOW - DAY, at=NOW, id="i"
    )
    assert (found.record.mode, found.record.by, found.record.at) == (Mode.ANALYTICAL, "analyst", NOW - DAY)
    said = note(
        "cus_1", "Blue.", by="rep-lito", about=about, step="own", documents=[OFFER], when=NOW - DAY, at=NOW, id="i"
    )
    assert (said.record.by, said.record.step, said.record.about, said.record.documents, said.record.at) == (
        "rep-lito",
        "own",
        about,
        (OFFER,),
        NOW - DAY,
    )
    assert (found.record.step, found.record.about) == (BuyingStep.USE, about)
    assert search_keys(said.record) == [("about", "relationship:rel_1")]
    assert search_keys(talked()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda when: converse("cus_1", CALL, when=when, at=NOW, id="i"),
        lambda when: attempt("cus_1", CALL, Outcome.BUSY, when=when, at=NOW, id="i"),
        lambda when: find("cus_1", "x", when=when, at=NOW, id="i"),
        lambda when: note("cus_1", "x", by="rep-lito", when=when, at=NOW, id="i"),
    ],
)
def test_nothing_is_recorded_before_it_happens(make):
    """Long ago is fine, five minutes of a fast clock are, and more is refused."""
    assert make(NOW - 9000 * DAY).record.at == NOW - 9000 * DAY
    assert make(NOW + timedelta(minutes=5)).record.at == NOW + timedelta(minutes=5)
    assert make(None).record.at == NOW
    with pytest.raises(Invalid) as told:
        make(NOW + timedelta(minutes=5, microseconds=1))
    assert (told.value.field, told.value.rule) == ("Interaction.at", "future")


@pytest.mark.parametrize(
    "make", [talked, lambda **kw: attempt("cus_1", CALL, Outcome.BUSY, at=NOW, id="i", **kw).record]
)
def test_an_announcement_lies_ahead(make):
    """A visit that should have been yesterday cannot be announced; one that is now can."""
    assert make(announces=Announcement(at=NOW)).announces == Announcement(kind="callback", at=NOW)
    with pytest.raises(Invalid) as told:
        make(announces=Announcement(at=NOW - timedelta(microseconds=1)))
    assert (told.value.field, told.value.rule) == ("Announcement.at", "past")


@pytest.mark.parametrize(
    ("changed", "field", "rule"),
    [
        ({"channel": None}, "channel", "required"),
        ({"direction": None}, "channel", "required"),
        ({"stance": None}, "channel", "required"),
        ({"purpose": None}, "channel", "required"),
        ({"mode": None}, "mode", "mode"),
        ({"mode": Mode.ANALYTICAL}, "mode", "mode"),
        ({"by": None}, "by", "required"),
        ({"mode": Mode.COLLABORATIVE}, "by", "nobody"),
        ({"outcome": Outcome.BUSY}, "outcome", "outcome"),
        ({"kind": InteractionKind.ATTEMPT}, "outcome", "outcome"),
        ({"request": RequestStatus.OPEN}, "request", "inbound"),
        ({"answers": "int_0"}, "answers", "reactive"),
        ({"answers": "int_0", "stance": Stance.REACTIVE, "direction": Direction.INBOUND}, "answers", "reactive"),
        ({"minutes": -1}, "minutes", "range"),
        ({"minutes": 10_081}, "minutes", "range"),
        ({"kind": InteractionKind.NOTE, "mode": None, "summary": "x"}, "channel", "no-contact"),
        ({"participants": ("",)}, "participants[0]", "empty"),
        ({"topic": "x" * 121}, "topic", "too-long"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(changed, field, rule):
    """Each kind holds its fields to what it is."""
    with pytest.raises(Invalid) as told:
        attrs.evolve(talked(), **changed)
    assert (told.value.field, told.value.rule) == (f"Interaction.{field}", rule)


@pytest.mark.parametrize(
    ("changed", "field", "rule"),
    [
        ({"mode": Mode.OPERATIONAL}, "mode", "mode"),
        ({"by": None}, "by", "required"),
        ({"summary": ""}, "summary", "required"),
        ({"direction": Direction.INBOUND}, "channel", "no-contact"),
        ({"stance": Stance.REACTIVE}, "channel", "no-contact"),
        ({"purpose": Purpose.SERVICE}, "channel", "no-contact"),
        ({"request": RequestStatus.OPEN}, "request", "inbound"),
    ],
)
def test_a_note_has_an_author_and_nothing_of_a_contact(changed, field, rule):
    """A note without text or author, or with a channel, a mode or a request, is refused."""
    said = note("cus_1", "x", by="rep-lito", at=NOW, id="int_1").record
    with pytest.raises(Invalid) as told:
        attrs.evolve(said, **changed)
    assert (told.value.field, told.value.rule) == (f"Interaction.{field}", rule)


# documents


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"name": "../../etc/passwd"}, "file-name"),
        ({"name": "a\\b"}, "file-name"),
        ({"name": ".."}, "file-name"),
        ({"name": "offer.pdf "}, "file-name"),
        ({"name": " offer.pdf"}, "file-name"),
        ({"name": "a|b"}, "file-name"),
        ({"name": "C:offer"}, "file-name"),
        ({"name": "offer\u202efdp.exe"}, "bidi-control"),
        ({"name": "a\0b"}, "control-character"),
        ({"name": ""}, "empty"),
        ({"media_type": "pdf"}, "media-type"),
        ({"media_type": "text/html; charset=x"}, "media-type"),
        ({"sha256": "0" * 63}, "digest"),
        ({"sha256": "A" * 64}, "digest"),
        ({"size": -1}, "range"),
        ({"url": "javascript:alert(1)"}, "scheme"),
        ({"url": "data:text/html,x"}, "scheme"),
    ],
)
def test_a_document_that_could_do_harm_is_refused(changed, rule):
    """Names that lead elsewhere or lie about themselves, and addresses that are none, are refused."""
    with pytest.raises(Invalid) as told:
        attrs.evolve(OFFER, **changed)
    assert (told.value.field, told.value.rule) == (f"Document.{next(iter(changed))}", rule)


@pytest.mark.parametrize("name", ["Angebot März.pdf", "عرض.pdf", ".profile", "a.tar.gz", "it's 50%.txt", "x"])
def test_a_document_of_any_script_is_taken(name):
    """A file name in any script is kept as it is."""
    assert attrs.evolve(OFFER, name=name, url="https://files.example.com/1").name == name


def test_a_document_is_attached_once():
    """Another document is added; the same content is refused, whatever its name."""
    change = attach(talked(), OFFER, at=NOW)
    assert change.record.documents == (OFFER,)
    assert change.event == DocumentAttached(documents=(OFFER,))
    other = attrs.evolve(OFFER, sha256="1" * 64)
    assert attach(change.record, other, at=NOW).record.documents == (OFFER, other)
    with pytest.raises(Refusal) as told:
        attach(change.record, attrs.evolve(OFFER, name="copy.pdf"), at=NOW)
    assert told.value.rule == "interaction.document-attached"


# requests


def test_a_request_is_open_until_it_is_answered_once():
    """The answer closes it and is named in the event; a second answer is refused with the day of the first."""
    reply = talked(attrs.evolve(CALL, stance=Stance.REACTIVE), name="int_2", answers="int_1", when=NOW - DAY)
    change = answer(asked(), reply, at=NOW)
    assert (change.record.request, change.record.answered) == (RequestStatus.ANSWERED, NOW - DAY)
    assert change.event == RequestAnswered(answered=NOW - DAY, answer="int_2")
    with pytest.raises(Refusal) as told:
        answer(change.record, reply, at=NOW)
    assert (told.value.rule, told.value.reasons) == ("interaction.answered", ("it was answered on 2026-03-01",))


def test_what_asks_for_nothing_is_not_answered():
    """Only requests are answered."""
    check_open(asked())
    with pytest.raises(Refusal) as told:
        check_open(talked())
    assert told.value.rule == "interaction.no-request"


# frequency


def contact_at(when: datetime, name: str = "int_1", **changed: object) -> Interaction:
    return converse("cus_1", attrs.evolve(CALL, **changed), when=when, at=NOW, id=name).record


def test_frequency_counts_contacts_of_the_window_and_attempts_apart():
    """The window is open at its start and closed at now; attempts are counted apart and are never the last contact."""
    found = frequency.frequency(
        [
            contact_at(NOW - 30 * DAY, "int_1"),
            contact_at(NOW, "int_4"),
            contact_at(NOW - 2 * DAY, "int_2", direction=Direction.INBOUND),
            attempt("cus_1", CALL, Outcome.BUSY, at=NOW, id="int_5").record,
            contact_at(NOW - 30 * DAY + timedelta(microseconds=1), "int_3"),
            contact_at(NOW + timedelta(minutes=1), "int_6"),
        ],
        within=30 * DAY,
        at=NOW,
    )
    assert found == frequency.Frequency(
        inbound=1, outbound=2, attempts=1, last=NOW, counted=("int_3", "int_2", "int_4")
    )


def test_no_contact_is_an_answer():
    """Nobody was ever in contact: nothing is counted, and there is no last time."""
    assert frequency.frequency([], within=DAY, at=NOW) == frequency.Frequency(0, 0, 0, None, ())


def objected(history: list[Interaction], *caps: FrequencyCap, purpose: Purpose = Purpose.MARKETING) -> list[str]:
    found = cap_objections(history, caps, channel=Channel.EMAIL, purpose=purpose, at=NOW)
    assert {each.rule for each in found} <= {"frequency-cap"}
    return [reason for each in found for reason in each.reasons]


def test_a_cap_objects_when_it_is_reached_and_says_until_when():
    """One below the cap is allowed; at the cap the next free day is told, which is when enough have left the window."""
    history = [contact_at(NOW - days * DAY, f"int_{days}") for days in (1, 3, 5)]
    assert objected(history, FrequencyCap(most=4, within=7 * DAY)) == []
    assert objected(history, FrequencyCap(most=3, within=7 * DAY)) == [
        "3 contacts in 7 days, at most 3; the next one from 2026-03-04"
    ]
    assert objected(history, FrequencyCap(most=2, within=7 * DAY)) == [
        "3 contacts in 7 days, at most 2; the next one from 2026-03-06"
    ]
    assert objected(history[:1], FrequencyCap(most=1, within=7 * DAY)) == [
        "1 contact in 7 days, at most 1; the next one from 2026-03-08"
    ]


def test_a_cap_of_none_allows_nothing_ever():
    """A cap of 0 objects to the first contact and promises no day."""
    assert objected([], FrequencyCap(most=0, within=DAY)) == ["0 contacts in 1 day, at most 0"]


def test_a_contact_leaves_the_window_exactly_at_its_end():
    """A contact a window ago counts no more; a microsecond less and it does."""
    cap = FrequencyCap(most=1, within=7 * DAY)
    assert objected([contact_at(NOW - 7 * DAY)], cap) == []
    assert objected([contact_at(NOW - 7 * DAY + timedelta(microseconds=1))], cap) != []


def test_a_cap_concerns_its_purposes_and_its_channel():
    """Transactions and service are never capped, and a cap on one channel does not concern another."""
    history = [contact_at(NOW, channel=Channel.EMAIL)]
    assert objected(history, FrequencyCap(most=1, within=DAY), purpose=Purpose.SERVICE) == []
    assert objected(history, FrequencyCap(most=1, within=DAY), purpose=Purpose.TRANSACTION) == []
    assert objected(history, FrequencyCap(most=0, within=DAY, channel=Channel.SMS)) == []
    assert objected(history, FrequencyCap(most=1, within=DAY, channel=Channel.EMAIL)) == [
        "1 contact by email in 1 day, at most 1; the next one from 2026-03-03"
    ]
    assert objected([contact_at(NOW)], FrequencyCap(most=1, within=DAY, channel=Channel.EMAIL)) == []


def test_every_cap_that_is_broken_objects():
    """The strictest does not hide the others."""
    assert len(objected([contact_at(NOW)], FrequencyCap(most=1, within=DAY), FrequencyCap(most=1, within=7 * DAY))) == 2


@given(ages=st.lists(st.integers(0, 40), max_size=12), most=st.integers(1, 6), days=st.integers(1, 30))
def test_from_the_day_that_is_told_on_the_cap_does_not_object(ages, most, days):
    """Whatever the history, waiting until the moment that the oldest of the last `most` leaves the window is enough."""
    cap = FrequencyCap(most=most, within=days * DAY)
    history = [contact_at(NOW - age * DAY, f"int_{n}") for n, age in enumerate(ages)]
    if objected(history, cap):
        free = sorted(NOW - age * DAY for age in ages)[-most] + cap.within
        assert cap_objections(history, [cap], channel=Channel.EMAIL, purpose=Purpose.MARKETING, at=free) == ()
        before = free - timedelta(microseconds=1)
        assert cap_objections(history, [cap], channel=Channel.EMAIL, purpose=Purpose.MARKETING, at=before) != ()


# effort


def test_effort_splits_new_from_existing_exactly_at_the_limit():
    """Ninety days after the first purchase a customer is an existing one; who has bought nothing is new."""
    for first, group in (
        ({"cus_1": NOW - 90 * DAY}, Group.EXISTING),
        ({"cus_1": NOW - 90 * DAY + timedelta(microseconds=1)}, Group.NEW),
        ({}, Group.NEW),
    ):
        lines: effort.Lines = {}
        add_effort(lines, [talked(minutes=5)], kinds={"cus_1": "person"}, first=first)
        found = effort_report(lines, since=NOW - DAY, until=NOW + DAY)
        assert found.of(group) == Effort(contacts=1, minutes=5)
        assert found.of(Group.NEW if group is Group.EXISTING else Group.EXISTING) == Effort()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cus_1", "cus_2", "cus_3"]),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.integers(0, 60),
        ),
        max_size=30,
    )
)
def test_the_lines_of_the_report_add_up_however_they_are_fed(said):
    """No contact and no minute gets lost or counted twice, in one go or one by one."""
    history = []
    for number, (customer, inbound, tools, failed, minutes) in enumerate(said):
        contact = attrs.evolve(
            CALL,
            direction=Direction.INBOUND if inbound else Direction.OUTBOUND,
            mode=Mode.COLLABORATIVE if tools else Mode.OPERATIONAL,
            by=None if tools else "rep-lito",
        )
        make = (
            attempt(customer, contact, Outcome.BUSY, minutes=minutes, at=NOW, id=f"i{number}")
            if failed
            else converse(customer, contact, minutes=minutes, at=NOW, id=f"i{number}")
        )
        history.append(make.record)
    given_ = {"kinds": {"cus_1": "person", "cus_2": "household"}, "first": {"cus_1": NOW, "cus_2": NOW - 99 * DAY}}
    at_once: effort.Lines = {}
    add_effort(at_once, history, **given_)
    one_by_one: effort.Lines = {}
    for each in history:
        add_effort(one_by_one, [each], **given_)
    found = effort_report(at_once, since=NOW, until=NOW + DAY)
    assert found == effort_report(one_by_one, since=NOW, until=NOW + DAY)
    whole = found.of(Group.NEW) + found.of(Group.EXISTING)
    assert whole == Effort(
        contacts=sum(not failed for *_, failed, _ in said),
        attempts=sum(failed for *_, failed, _ in said),
        minutes=sum(minutes for *_, minutes in said),
    )
    assert {line.customers for line in found.lines} <= {"person", "household", "unknown"}


# storing


def test_an_interaction_survives_storing_and_erasure_leaves_no_words():
    """Record and events read back equal; without its personal part an event keeps what is about nobody."""
    change = converse(
        "cus_1",
        CALL,
        participants=["Ana"],
        summary="Ana said yes.",
        documents=[OFFER],
        about=Ref("purchase", "pur_1"),
        announces=Announcement(at=NOW),
        at=NOW,
        id="int_1",
    )
    assert decode(Interaction.__kind__, encode(change.record), version=1, schema=1) == change.record
    body, personal = encode_event(change.event)
    assert "Ana" not in body
    assert "offer.pdf" not in body
    assert decode_event("interaction.recorded", body, personal, schema=1) == change.event
    erased = decode_event("interaction.recorded", body, None, schema=1)
    assert isinstance(erased, Told)
    assert erased.erased
    assert "Ana" not in repr(change.record)
