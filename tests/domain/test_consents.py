"""Consents: the log of what customers agree and object to, and what holds at a moment."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.consents import (
    Consent,
    ConsentRecorded,
    ConsentStatus,
    Decision,
    LegalBasis,
    Proof,
    Scope,
    Why,
    confirm,
    covers,
    effective,
    enter,
)
from crmkit.domain.words import Channel, Purpose
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.codec import decode, decode_event, encode, encode_event

DAY = datetime(2026, 3, 1, tzinfo=UTC)
MAIL, SMS = Channel.EMAIL, Channel.SMS


def day(number: float) -> datetime:
    """So many days after the first of March."""
    return DAY + timedelta(days=number)


def said(
    status: str,
    on: float,
    channel: Channel | None = None,
    point: str | None = None,
    *,
    purpose: str | None = "marketing",
    number: int = 1,
    **more: Any,
) -> Consent:
    """An entry of the log, said and entered on a day."""
    scope = Scope(purpose=purpose, channel=channel, contact_point=point)
    made = enter(
        "cus_1", number, ConsentStatus(status), scope, at=day(on), id=f"con_{status}_{on}_{number}", by="web", **more
    )
    return made.record


def asked(
    log: list[Consent], on: float, channel: Channel | None = None, point: str | None = None, **more: Any
) -> Decision:
    """What holds for marketing on a day."""
    return effective(log, more.pop("purpose", Purpose.MARKETING), channel, point, at=day(on), **more)


# entering


def test_an_entry_keeps_the_word_and_its_proof() -> None:
    """The text itself is kept as its hash; what was said earlier is entered with both times."""
    proof = Proof(source="paper", wording="I agree.", wording_version="2026-01", locale="pt-BR", evidence="scan/7.pdf")
    made = enter(
        "cus_1",
        7,
        ConsentStatus.GRANTED,
        Scope(purpose="marketing", channel=MAIL, contact_point="ctp_1"),
        at=day(5),
        id="con_1",
        by="rep-lito",
        basis=LegalBasis.LEGITIMATE_INTERESTS,
        proof=proof,
        cause="bought a coat",
        captured_at=day(1),
        effective_from=day(2),
        effective_until=day(9),
    )
    assert made.event == ConsentRecorded(
        customer="cus_1",
        number=7,
        status=ConsentStatus.GRANTED,
        purpose=Purpose.MARKETING,
        channel=MAIL,
        contact_point="ctp_1",
        basis=LegalBasis.LEGITIMATE_INTERESTS,
        captured_at=day(1),
        recorded_at=day(5),
        by="rep-lito",
        effective_from=day(2),
        effective_until=day(9),
        cause="bought a coat",
        source="paper",
        wording_version="2026-01",
        wording_hash=hashlib.sha256(b"I agree.").hexdigest(),
        locale="pt-BR",
        evidence="scan/7.pdf",
        request=None,
        double_opt_in_at=None,
    )
    record = made.record
    assert (record.id, record.version, record.scope) == (
        "con_1", 1, Scope(purpose="marketing", channel=MAIL, contact_point="ctp_1"),
    )  # fmt: skip
    assert decode(Consent.__kind__, encode(record), version=1, schema=1) == record
    assert decode_event("consent.recorded", *encode_event(made.event), schema=1) == made.event
    assert "scan/7.pdf" not in repr(record) + repr(made.event)


def test_only_a_yes_rests_on_a_basis() -> None:
    """A no needs none."""
    assert said("granted", 0).basis is LegalBasis.CONSENT
    assert said("requested", 0).basis is LegalBasis.CONSENT
    assert [said(s, 0).basis for s in ("denied", "withdrawn", "suppressed", "lifted")] == [None] * 4


@pytest.mark.parametrize("basis", LegalBasis)
@pytest.mark.parametrize("purpose", Purpose)
def test_marketing_rests_on_consent_or_a_legitimate_interest(basis: LegalBasis, purpose: Purpose) -> None:
    """And so do research and profiling; the others rest on any basis."""
    needs = purpose in ("marketing", "research", "profiling")
    if not needs or basis in ("consent", "legitimate-interests"):
        assert said("granted", 0, purpose=purpose, basis=basis).basis is basis
        return
    for status in ("granted", "requested"):
        with pytest.raises(Refusal) as error:
            said(status, 0, purpose=purpose, basis=basis)
        assert (error.value.rule, error.value.instead) == ("consent.basis", ("consent", "legitimate-interests"))


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"purpose": None}, "required"),
        ({"captured_at": day(0.5)}, "future"),
        ({"captured_at": datetime(2026, 1, 1)}, "naive"),  # noqa: DTZ001 - the naive one is the point
        ({"effective_from": day(-1)}, "before-captured"),
        ({"effective_from": datetime(2026, 4, 1)}, "naive"),  # noqa: DTZ001
        ({"effective_until": day(0)}, "end-before-start"),
        ({"effective_from": day(3), "effective_until": day(2)}, "end-before-start"),
        ({"effective_until": datetime(2026, 4, 1)}, "naive"),  # noqa: DTZ001
        ({"cause": "a\nb"}, "line-break"),
        ({"channel": "pigeon"}, "word"),
        ({"purpose": ""}, "empty"),
        ({"point": "../x"}, "identifier"),
        ({"basis": "whim"}, "word"),
        ({"number": 0}, "range"),
    ],
)
def test_entries_that_cannot_be_are_refused(more: dict[str, Any], rule: str) -> None:
    """Each refusal has the code of its rule."""
    with pytest.raises(Invalid) as error:
        said("granted", 0, **({"purpose": "service"} | more))
    assert error.value.rule == rule


@pytest.mark.parametrize(
    ("status", "fine"), [("suppressed", True), ("lifted", True), ("denied", False), ("withdrawn", False)]
)
def test_only_suppressions_can_be_for_any_purpose(status: str, fine: bool) -> None:
    """A yes or no is about something."""
    if fine:
        assert said(status, 0, purpose=None).purpose is None
    else:
        with pytest.raises(Invalid) as error:
            said(status, 0, purpose=None)
        assert error.value.rule == "required"


def test_a_proof_has_a_language_there_is() -> None:
    """The locale is a language tag."""
    with pytest.raises(Invalid) as error:
        Proof(locale="brazilian!")
    assert (error.value.rule, Proof().wording_hash) == ("language", "")


# what holds: the default


@pytest.mark.parametrize(
    ("purpose", "allowed"),
    [
        ("transaction", True),
        ("service", True),
        ("relationship", True),
        ("marketing", False),
        ("research", False),
        ("profiling", False),
        ("horoscopes", False),
    ],
)
def test_without_a_word_the_purpose_decides(purpose: str, allowed: bool) -> None:
    """Transaction, service and relationship are allowed; marketing, and what the host invents, are not."""
    answer = asked([], 0, purpose=purpose)
    assert (answer.allowed, bool(answer), answer.why, answer.entry, answer.said) == (
        allowed, allowed, Why.DEFAULT, None, None,
    )  # fmt: skip
    because = (
        f"{purpose} is allowed until the customer objects" if allowed else f"{purpose} needs a yes, and there is none"
    )
    assert answer.reasons == (because,)


@pytest.mark.parametrize("status", ["denied", "withdrawn"])
@pytest.mark.parametrize("purpose", ["transaction", "service", "marketing"])
def test_a_no_is_an_objection_whatever_the_purpose(status: str, purpose: str) -> None:
    """Even what is allowed by default is not allowed against the customer's word."""
    no = said(status, 0, purpose=purpose)
    assert asked([no], 1, purpose=purpose) == Decision(
        allowed=False, why=Why(status), reasons=(f"{purpose} was {status} on 2026-03-01T00:00:00+00:00",), entry=no
    )
    assert asked([no], 1, purpose=purpose).said is False


# what holds: scopes


@pytest.mark.parametrize(
    ("entry", "query", "allowed"),
    [
        ((None, None), (None, None), True),
        ((None, None), (MAIL, None), True),
        ((None, None), (MAIL, "p"), True),
        ((MAIL, None), (None, None), False),
        ((MAIL, None), (MAIL, None), True),
        ((MAIL, None), (SMS, None), False),
        ((MAIL, None), (MAIL, "p"), True),
        ((None, "p"), (MAIL, "p"), True),
        ((None, "p"), (MAIL, "q"), False),
        ((None, "p"), (MAIL, None), False),
        ((MAIL, "p"), (MAIL, "p"), True),
        ((MAIL, "p"), (SMS, "p"), False),
    ],
)
def test_a_yes_reaches_as_far_as_it_names(entry: Any, query: Any, allowed: bool) -> None:
    """What it leaves open is any; what it names must be asked."""
    yes = said("granted", 0, *entry)
    assert asked([yes], 1, *query).allowed is allowed
    assert asked([yes], 1, *query, purpose="research").allowed is False
    assert covers(yes, Scope(purpose="marketing", channel=query[0], contact_point=query[1])) is allowed


@pytest.mark.parametrize(
    ("log", "query", "expected"),
    [
        # the narrower word decides
        ([("denied", 0, None), ("granted", 1, MAIL)], (MAIL, None), "granted"),
        ([("denied", 0, None), ("granted", 1, MAIL)], (SMS, None), "denied"),
        ([("granted", 0, None), ("denied", 1, MAIL)], (MAIL, None), "denied"),
        ([("granted", 0, None), ("denied", 1, MAIL)], (SMS, None), "granted"),
        ([("granted", 0, MAIL), ("denied", 1, MAIL, "p")], (MAIL, "p"), "denied"),
        ([("granted", 0, MAIL), ("denied", 1, MAIL, "p")], (MAIL, "q"), "granted"),
        # a later wider no ends an earlier narrower yes, a later wider yes does not end an earlier narrower no
        ([("granted", 0, MAIL), ("withdrawn", 1, None)], (MAIL, None), "withdrawn"),
        ([("granted", 0, MAIL, "p"), ("withdrawn", 1, None)], (MAIL, "p"), "withdrawn"),
        ([("granted", 0, MAIL, "p"), ("withdrawn", 1, MAIL)], (MAIL, "p"), "withdrawn"),
        ([("denied", 0, MAIL), ("granted", 1, None)], (MAIL, None), "denied"),
        ([("granted", 2, MAIL), ("withdrawn", 1, None)], (MAIL, None), "granted"),
        ([("granted", 3, MAIL, "p"), ("withdrawn", 2, MAIL), ("withdrawn", 4, None)], (MAIL, "p"), "withdrawn"),
        # of equal reach the later word
        ([("granted", 0, MAIL), ("withdrawn", 1, MAIL), ("granted", 2, MAIL)], (MAIL, None), "granted"),
        ([("granted", 0, MAIL), ("granted", 1, MAIL), ("denied", 2, MAIL)], (MAIL, None), "denied"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_narrower_word_decides_unless_a_wider_no_is_later(
    log: Any,
    query: Any,
    expected: str,
    turned: bool,
) -> None:
    """However the entries are ordered."""
    entries = [said(*each) for each in log]
    answer = asked(entries[::-1] if turned else entries, 9, *query)
    assert (answer.why, answer.allowed) == (Why(expected), expected == "granted")


def test_of_words_at_one_moment_the_last_entered_counts() -> None:
    """Several may be entered in one commit: all marketing off, then the newsletter on, keeps the newsletter."""
    off, on = said("denied", 0, number=1), said("granted", 0, MAIL, number=2)
    assert asked([on, off], 0, MAIL).allowed
    assert not asked([said("denied", 0, number=2), said("granted", 0, MAIL, number=1)], 0, MAIL).allowed
    assert not asked([said("granted", 0, number=1), said("denied", 0, number=2)], 0).allowed
    assert asked([said("denied", 0, number=1), said("granted", 0, number=2)], 0).allowed


def test_of_words_that_racing_workers_entered_at_one_moment_the_no_counts() -> None:
    """Same moment, same number: nobody can say which was last, so the customer is left alone."""
    both = [said("granted", 0), said("denied", 0)]
    assert asked(both, 0).why is Why.DENIED
    assert asked(both[::-1], 0).why is Why.DENIED


# what holds: time


def test_a_word_holds_from_its_moment_on() -> None:
    """Not before, and an end is the first moment when it no longer does; a yes that ran out is a no."""
    yes = said("granted", 0, MAIL, effective_from=day(2), effective_until=day(5))
    told = [asked([yes], d, MAIL).why for d in (1.999, 2, 4.999, 5, 9)]
    assert told == [Why.DEFAULT, Why.GRANTED, Why.GRANTED, Why.EXPIRED, Why.EXPIRED]
    (reason,) = asked([yes], 5, MAIL).reasons
    ended = "and ended on 2026-03-06T00:00:00+00:00 (consent)"
    assert reason == f"marketing by email was granted on 2026-03-03T00:00:00+00:00 {ended}"
    assert asked([yes], 5, MAIL).allowed is False


def test_a_yes_that_ran_out_yields_to_a_later_word_of_wider_reach() -> None:
    """It replaced what was said before it, but not what is said after it."""
    limited = said("granted", 2, MAIL, effective_until=day(5))
    assert asked([limited, said("granted", 1)], 6, MAIL).why is Why.EXPIRED
    assert asked([limited, said("granted", 3)], 6, MAIL).why is Why.GRANTED
    assert asked([limited, said("granted", 1, MAIL)], 6, MAIL).why is Why.EXPIRED


def test_a_no_that_ran_out_counts_for_nothing() -> None:
    """After a pause what was said before it holds again."""
    pause = said("denied", 2, MAIL, effective_until=day(5))
    assert [asked([said("granted", 1, MAIL), pause], d, MAIL).why for d in (3, 5)] == [Why.DENIED, Why.GRANTED]
    assert [asked([pause], d, MAIL, purpose="marketing").why for d in (3, 5)] == [Why.DENIED, Why.DEFAULT]


def test_a_word_entered_later_holds_for_the_time_that_it_is_about() -> None:
    """The paper form of the first of March counts from then on; what was known then can be asked as well."""
    paper = said("granted", 5, captured_at=day(0))
    assert asked([paper], 3).allowed
    assert not asked([paper], 3, known_at=day(3)).allowed
    assert asked([paper], 3, known_at=day(5)).allowed
    withdrawal = said("withdrawn", 2)
    assert asked([paper, withdrawal], 1).allowed
    assert not asked([paper, withdrawal], 6).allowed


@pytest.mark.parametrize("field", ["at", "known_at"])
def test_moments_need_an_offset(field: str) -> None:
    """A naive datetime is refused."""
    with pytest.raises(Invalid) as error:
        effective([], "marketing", **({"at": DAY} | {field: datetime(2026, 3, 1)}))  # type: ignore[arg-type]  # noqa: DTZ001
    assert (error.value.field, error.value.rule) == (field, "naive")


# what holds: suppressions


def test_a_suppression_stops_everything_until_it_is_lifted() -> None:
    """No later yes ends it, and lifting it grants nothing."""
    block = said("suppressed", 1, purpose=None, cause="asked to be left alone")
    log = [said("granted", 0), block, said("granted", 2)]
    assert asked(log, 3) == Decision(
        allowed=False,
        why=Why.SUPPRESSED,
        reasons=("all contact was suppressed on 2026-03-02T00:00:00+00:00, because: asked to be left alone",),
        entry=block,
    )
    assert not asked(log, 3, purpose="transaction").allowed
    lifted = [*log, said("lifted", 4, purpose=None)]
    assert (asked(lifted, 3).why, asked(lifted, 4).why) == (Why.SUPPRESSED, Why.GRANTED)
    assert asked([block, said("lifted", 4, purpose=None)], 5).why is Why.DEFAULT
    assert asked([*lifted, said("suppressed", 5, purpose=None)], 5).why is Why.SUPPRESSED


@pytest.mark.parametrize(
    ("block", "lift", "free"),
    [
        ((MAIL, "p"), (MAIL, "p"), True),
        ((MAIL, "p"), (None, "p"), True),
        ((MAIL, "p"), (None, None), True),
        ((MAIL, None), (MAIL, "p"), False),
        ((None, None), (MAIL, None), False),
        ((MAIL, None), (SMS, None), False),
    ],
)
def test_lifting_reaches_suppressions_of_equal_or_narrower_reach(block: Any, lift: Any, free: bool) -> None:
    """What was stopped more widely stays stopped."""
    log = [said("suppressed", 0, *block, purpose="service"), said("lifted", 1, *lift, purpose="service")]
    assert asked(log, 2, MAIL, "p", purpose="service").allowed is free


def test_a_bounced_address_is_stopped_and_the_others_are_not() -> None:
    """A suppression of one contact point is asked with that contact point."""
    bounced = said("suppressed", 0, None, "p", purpose=None, cause="bounced")
    assert asked([bounced], 1, MAIL, "p", purpose="service").reasons == (
        "all contact at this address was suppressed on 2026-03-01T00:00:00+00:00, because: bounced",
    )
    assert asked([bounced], 1, MAIL, "q", purpose="service").allowed
    assert asked([bounced], 1, MAIL, purpose="service").allowed


def test_a_suppression_can_end_by_itself() -> None:
    """From its end on it counts for nothing."""
    block = said("suppressed", 0, purpose=None, effective_until=day(2))
    assert [asked([block], d, purpose="service").allowed for d in (1, 2)] == [False, True]


# double opt-in


def test_a_request_grants_nothing_until_it_is_confirmed() -> None:
    """The decision says that it waits; the confirmation carries scope and proof of the request."""
    proof = Proof(source="form", wording="I agree.", wording_version="7", locale="en", evidence="post/1")
    request = said("requested", 0, MAIL, "p", effective_until=day(7), proof=proof)
    waiting = asked([request], 1, MAIL, "p")
    assert (waiting.allowed, waiting.why, waiting.reasons) == (
        False,
        Why.DEFAULT,
        (
            "marketing needs a yes, and there is none",
            "a double opt-in was requested on 2026-03-01T00:00:00+00:00 and is not confirmed",
        ),
    )
    done = confirm([request], request.id, at=day(2), id="con_9", by="portal:cus_1").record
    assert (done.status, done.number, done.scope, done.basis) == ("granted", 2, request.scope, LegalBasis.CONSENT)
    assert (done.request, done.double_opt_in_at, done.captured_at, done.effective_from) == (
        request.id,
        day(2),
        day(2),
        day(2),
    )
    assert (done.effective_until, done.recorded_at, done.by) == (None, day(2), "portal:cus_1")
    assert (done.wording_hash, done.wording_version, done.source, done.evidence) == (
        request.wording_hash, "7", "form", "post/1",
    )  # fmt: skip
    assert [asked([request, done], d, MAIL, "p").why for d in (1, 2, 99)] == [Why.DEFAULT, Why.GRANTED, Why.GRANTED]
    assert Consent.__kind__.uniques(done) == (request.id,)
    assert Consent.__kind__.uniques(request) == (None,)
    assert confirm([request], request.id, at=day(2), id="x", by="web", evidence="click/9").record.evidence == "click/9"


def test_a_request_beside_an_earlier_yes_changes_nothing() -> None:
    """It counts as nothing in either direction."""
    assert asked([said("granted", 0), said("requested", 1)], 2).why is Why.GRANTED
    assert asked([said("denied", 0), said("requested", 1)], 2).why is Why.DENIED


def test_a_request_is_confirmed_once_and_in_time() -> None:
    """A second click, a late one, and one for something else are refused."""
    request = said("requested", 0, MAIL, effective_until=day(7))
    done = confirm([request], request.id, at=day(6.99), id="con_9", by="web").record
    for log, at, rule in (
        ([request, done], day(6.999), "consent.already-confirmed"),
        ([request], day(7), "consent.request-expired"),
    ):
        with pytest.raises(Refusal) as error:
            confirm(log, request.id, at=at, id="con_10", by="web")
        assert error.value.rule == rule
    for log in ([], [said("granted", 0)], [done]):
        with pytest.raises(Invalid) as unknown:
            confirm(log, log[0].id if log else "con_0", at=day(1), id="con_10", by="web")
        assert unknown.value.rule == "unknown-request"
    endless = said("requested", 0, MAIL)
    assert confirm([endless], endless.id, at=day(999), id="con_11", by="web").record.status == "granted"


@pytest.mark.parametrize(
    ("no", "refused"),
    [
        (("withdrawn", 2, MAIL), True),
        (("denied", 2), True),
        (("suppressed", 2), True),
        (("withdrawn", 2, SMS), False),
        (("withdrawn", 0), False),
        (("granted", 2), False),
    ],
)
def test_who_said_no_after_the_request_is_not_signed_up_by_an_old_link(no: Any, refused: bool) -> None:
    """A click on the old mail, by whomever or whatever, does not outweigh the no."""
    request = said("requested", 1, MAIL, effective_until=day(9))
    log = [said(*no), request]
    if not refused:
        assert confirm(log, request.id, at=day(3), id="con_9", by="web").record.status == "granted"
        return
    with pytest.raises(Refusal) as error:
        confirm(log, request.id, at=day(3), id="con_9", by="web")
    assert (error.value.rule, error.value.instead) == ("consent.refused-since", ("request_double_opt_in",))


# laws

ENTRIES = st.lists(
    st.builds(
        lambda status, on, channel, point, purpose, until, number: said(
            status,
            on,
            channel,
            point,
            purpose=purpose,
            number=number,
            effective_until=None if until is None else day(on + until),
        ),
        st.sampled_from([str(s) for s in ConsentStatus]),
        st.integers(0, 9),
        st.sampled_from([None, MAIL, SMS]),
        st.sampled_from([None, "p", "q"]),
        st.sampled_from(["marketing", "service"]),
        st.none() | st.integers(1, 9),
        st.integers(1, 9),
    ),
    max_size=8,
    unique_by=lambda e: (e.effective_from, e.number),
)
QUERIES = st.tuples(st.sampled_from([None, MAIL, SMS]), st.sampled_from([None, "p", "q"]))


@given(st.data(), ENTRIES, QUERIES, st.integers(0, 20), st.sampled_from(["marketing", "service"]))
def test_the_answer_does_not_depend_on_the_order_of_the_entries(
    data: st.DataObject, log: list[Consent], query: Any, on: int, purpose: str
) -> None:
    """A fold over facts is the same from whatever side they come."""
    shuffled = data.draw(st.permutations(log))
    assert asked(shuffled, on, *query, purpose=purpose) == asked(log, on, *query, purpose=purpose)


@given(ENTRIES, QUERIES, st.integers(0, 20), st.sampled_from(["marketing", "service"]))
def test_what_takes_effect_later_does_not_change_what_held(
    log: list[Consent], query: Any, on: int, purpose: str
) -> None:
    """The state at a moment is told by the log up to it."""
    before = [e for e in log if e.effective_from <= day(on)]
    assert asked(before, on, *query, purpose=purpose) == asked(log, on, *query, purpose=purpose)


@given(ENTRIES, QUERIES, st.integers(0, 20))
def test_marketing_is_allowed_by_a_yes_in_force_and_by_nothing_else(log: list[Consent], query: Any, on: int) -> None:
    """Whatever else is in the log; and the entry that decided is one that covers what was asked."""
    answer = asked(log, on, *query)
    entry = answer.entry
    assert answer.allowed == (entry is not None and entry.status is ConsentStatus.GRANTED and answer.why is Why.GRANTED)
    if entry is not None:
        assert entry in log
        assert covers(entry, Scope(purpose="marketing", channel=query[0], contact_point=query[1]))
        assert entry.effective_from <= day(on)
        assert answer.allowed == (
            entry.status is ConsentStatus.GRANTED and (entry.effective_until is None or entry.effective_until > day(on))
        )


@given(ENTRIES, QUERIES)
def test_a_withdrawal_of_everything_ends_every_yes_before_it(log: list[Consent], query: Any) -> None:
    """Whatever was granted, at whatever reach, nothing of it is left."""
    assert not asked([*log, said("withdrawn", 30)], 31, *query).allowed


@given(ENTRIES, QUERIES, st.sampled_from(["marketing", "service", "transaction", "horoscopes"]))
def test_a_suppression_of_everything_stops_everything(log: list[Consent], query: Any, purpose: str) -> None:
    """Until it is lifted, whatever is granted after it."""
    late = [said("suppressed", 30, purpose=None), said("granted", 31, *query, purpose=purpose)]
    assert asked([*log, *late], 32, *query, purpose=purpose).why is Why.SUPPRESSED
