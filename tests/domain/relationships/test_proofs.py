"""Proofs: single pieces of evidence, purchases, and exchanges between members, as pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from crmkit.domain.relationships.evidence import Bought, Evidence, EvidenceRule
from crmkit.domain.relationships.lifecycles import LIFECYCLE
from crmkit.domain.relationships.proofs import (
    EvidenceNoted,
    PurchaseNoted,
    exchange,
    known_by,
    note_evidence,
    note_purchase,
    signals_to_try,
)
from crmkit.domain.relationships.relationship import Relationship, begin
from crmkit.domain.relationships.types import COMMUNITIES, LONG_TERM
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.codec import decode_event, encode_event
from crmkit.kernel.ids import Ref
from crmkit.kernel.money import Money

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MAPPING = (
    EvidenceRule(name="first", shows="tried", purchases=1, try_signal="understand"),
    EvidenceRule(name="second", shows="came back", purchases=2, try_signal="understand"),
    EvidenceRule(name="third", shows="regular", purchases=3, try_signal="expand"),
)


def tie_of(customer: str = "cus_1", community: str | None = None) -> Relationship:
    rules = COMMUNITIES if community else LONG_TERM
    return begin(customer, rules, id=f"rel_{customer}", machine=LIFECYCLE, community=community, at=START).record


def euros(amount: int, day: int = 1) -> Bought:
    return Bought(START + day * DAY, Money(amount, "EUR"))


def test_evidence_of_the_customer_is_a_sign_of_life() -> None:
    """What the customer does ends a silence; what the company does for him does not."""
    quiet = attrs.evolve(tie_of(), warned="silence")
    for kind, alive in (("recommendation", True), ("promise kept", False), ("host's own", False)):
        tie = note_evidence(quiet, Evidence(kind), at=START + DAY).record
        assert (tie.quiet_since, tie.warned) == ((START + DAY, None) if alive else (START, "silence"))
    both = note_evidence(quiet, Evidence("promise kept"), Evidence("recommendation"), at=START + DAY).record
    assert (both.quiet_since, both.evidence.keys()) == (START + DAY, {"promise kept", "recommendation"})


def test_single_pieces_live_in_the_event_and_sums_on_the_record() -> None:
    """The event keeps each piece whole, notes apart as personal; the record counts."""
    piece = Evidence("satisfaction", ref=Ref("survey", "s_1"), score=70, note="She said so.")
    made = note_evidence(tie_of(), piece, at=START)
    assert isinstance(made.event, EvidenceNoted)
    assert made.event.shown == (piece,)
    body, personal = encode_event(made.event)
    assert "She said so." in (personal or "")
    assert "She said so." not in body
    assert decode_event("relationship.evidence-noted", body, personal, schema=1) == made.event
    assert made.record.evidence["satisfaction"].score == 70


def test_evidence_is_due_and_needs_a_lasting_relationship() -> None:
    """None at all is a mistake; after the end there is nothing to show."""
    with pytest.raises(Invalid) as nothing:
        note_evidence(tie_of(), at=START)
    assert (nothing.value.field, nothing.value.rule) == ("evidence", "required")
    over = attrs.evolve(tie_of(), ended=START)
    for call in (lambda: note_evidence(over, Evidence("x"), at=START), lambda: note_purchase(over, euros(1))):
        with pytest.raises(Refusal) as refused:
            call()
        assert refused.value.rule == "ended"


def test_a_purchase_counts_shows_and_tries() -> None:
    """Summary, tally, what the mapping shows once, and the signals of every rule that holds."""
    made, signals = note_purchase(tie_of(), euros(5), MAPPING, purchase=Ref("purchase", "pur_1"))
    assert isinstance(made.event, PurchaseNoted)
    assert (made.event.shown, made.event.purchase, signals) == (("first",), Ref("purchase", "pur_1"), ("understand",))
    tie = made.record
    assert (tie.buying.count, tie.quiet_since, tie.evidence.keys()) == (1, START + DAY, {"purchase", "tried"})
    made, signals = note_purchase(tie, euros(5, 2), MAPPING)
    assert (made.event.shown, signals) == (("second",), ("understand",))  # type: ignore[attr-defined]
    made, signals = note_purchase(made.record, euros(5, 3), MAPPING)
    assert signals == ("understand", "expand")
    assert {kind: tally.count for kind, tally in made.record.evidence.items()} == {
        "purchase": 3,
        "tried": 1,
        "came back": 1,
        "regular": 1,
    }
    assert decode_event("relationship.purchase-noted", *encode_event(made.event), schema=1) == made.event


def test_a_purchase_without_mapping_shows_nothing_else() -> None:
    """It is counted, and no more."""
    made, signals = note_purchase(tie_of(), euros(5))
    assert (made.record.evidence.keys(), signals) == ({"purchase"}, ())


def test_a_correction_and_a_cancellation() -> None:
    """One purchase is replaced or taken out; what it had shown stays, and nothing is tried by a cancellation."""
    tie = note_purchase(tie_of(), euros(5), MAPPING)[0].record
    corrected, signals = note_purchase(tie, euros(4, 2), MAPPING, before=euros(5))
    assert (corrected.record.buying.count, str(corrected.record.buying.spent["EUR"])) == (1, "4.00 EUR")
    assert (corrected.record.evidence["purchase"].count, signals) == (1, ("understand",))
    cancelled, signals = note_purchase(corrected.record, None, MAPPING, before=euros(4, 2))
    assert (cancelled.record.buying.count, cancelled.record.evidence.keys(), signals) == (0, {"tried"}, ())
    assert cancelled.record.quiet_since == START + 2 * DAY


def test_a_cancellation_tries_nothing() -> None:
    """Even if what is left would be enough for a step."""
    tie = note_purchase(note_purchase(tie_of(), euros(5), MAPPING)[0].record, euros(6, 2), MAPPING)[0].record
    assert signals_to_try(note_purchase(tie, None, MAPPING, before=euros(6, 2))[0].record.buying, MAPPING) != ()
    assert note_purchase(tie, None, MAPPING, before=euros(6, 2))[1] == ()


def test_signals_are_tried_again_and_named_once() -> None:
    """A rule that holds keeps trying its step with each purchase."""
    tie = note_purchase(tie_of(), euros(5), MAPPING)[0].record
    assert signals_to_try(tie.buying, MAPPING) == ("understand",)
    assert signals_to_try(tie.buying, MAPPING[2:]) == ()


def test_no_step_is_stamped_before_its_evidence() -> None:
    """The newest evidence, the stage and the moment itself: the latest of them."""
    tie = note_evidence(tie_of(), Evidence("promise kept"), at=START + 5 * DAY).record
    assert known_by(tie, START + DAY) == START + 5 * DAY
    assert known_by(tie, START + 9 * DAY) == START + 9 * DAY
    assert known_by(tie_of(), START - DAY) == START


def test_an_exchange_is_evidence_for_both() -> None:
    """Each has the other's membership as its proof."""
    ana, bo = tie_of("cus_1", "cyclists"), tie_of("cus_2", "cyclists")
    one, other = exchange(ana, bo, note="Chains.", at=START + DAY)
    for made, member in ((one, bo), (other, ana)):
        assert isinstance(made.event, EvidenceNoted)
        (piece,) = made.event.shown
        assert (piece.kind, piece.ref, piece.note) == (
            "exchange with a member",
            Ref("relationship", member.id),
            "Chains.",
        )
        assert made.record.quiet_since == START + DAY


def test_an_exchange_needs_two_members_of_one_community() -> None:
    """Strangers, one and the same, who has left, and who belongs to none do not exchange."""
    ana = tie_of("cus_1", "cyclists")
    for other in (tie_of("cus_2", "runners"), tie_of("cus_1", "cyclists"), tie_of("cus_2")):
        with pytest.raises(Refusal) as refused:
            exchange(ana, other, at=START)
        assert refused.value.rule == "community"
    with pytest.raises(Refusal) as refused:
        exchange(tie_of("cus_1"), tie_of("cus_2"), at=START)
    assert refused.value.rule == "community"
    gone = attrs.evolve(tie_of("cus_2", "cyclists"), ended=START)
    for pair in ((ana, gone), (gone, ana)):
        with pytest.raises(Refusal) as refused:
            exchange(*pair, at=START)
        assert refused.value.rule == "ended"
