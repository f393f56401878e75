"""Reactions: what happens in one concept because of another. One function per pair, all of them in `REACTIONS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmkit.domain.interactions.interaction import Interaction, InteractionRecorded, contact_of
from crmkit.domain.purchases import (
    Purchase,
    PurchaseCorrected,
    PurchaseIdentified,
    PurchaseRecorded,
    PurchaseRefunded,
    net,
    refunded,
)
from crmkit.domain.relationships.evidence import Bought, Evidence, EvidenceKind
from crmkit.domain.satisfaction.measurements import Satisfaction, SatisfactionMeasured
from crmkit.kernel.ids import Ref
from crmkit.kernel.record import Event
from crmkit.services import ties
from crmkit.services.interactions import announced_is_planned, unserved_is_gap
from crmkit.services.unit import Reaction, Unit


def purchase_is_evidence(unit: Unit, purchase: Purchase, _: PurchaseRecorded | PurchaseIdentified) -> None:
    """A purchase is a sign of life and evidence for the relationships of who bought, and brings an ended one back."""
    if purchase.customer is not None:
        ties.note_purchase(unit, purchase.customer, _kept(purchase), purchase=_ref(purchase))


def correction_is_evidence(unit: Unit, purchase: Purchase, told: PurchaseCorrected) -> None:
    """What a purchase had shown is counted again as it was corrected."""
    if purchase.customer is not None:
        was = Bought(told.before.at, told.before.total - refunded(purchase))
        ties.note_purchase(unit, purchase.customer, _kept(purchase), before=was, purchase=_ref(purchase))


def refund_is_evidence(unit: Unit, purchase: Purchase, told: PurchaseRefunded) -> None:
    """Money given back counts no longer as spent; a purchase that was wholly refunded counts no longer at all."""
    if purchase.customer is not None:
        left = net(purchase)
        was = Bought(purchase.at, left + told.refunds[-1].amount)
        now = _kept(purchase) if left.amount else None
        ties.note_purchase(unit, purchase.customer, now, before=was, purchase=_ref(purchase))


def contact_is_noted(unit: Unit, interaction: Interaction, _: InteractionRecorded) -> None:
    """A conversation is a sign of life of the relationships of the customer; attempts and findings are none."""
    contact = contact_of(interaction)
    if contact is not None:
        ties.note_contact(unit, interaction.customer, contact, at=interaction.at)


def satisfaction_is_evidence(unit: Unit, measured: Satisfaction, _: SatisfactionMeasured) -> None:
    """How content a customer is, is evidence of how far he can trust the supplier."""
    shown = Evidence(EvidenceKind.SATISFACTION, score=measured.score, ref=Ref("satisfaction", measured.id))
    ties.note_evidence(unit, measured.customer, shown, at=measured.at)


def _kept(purchase: Purchase) -> Bought:
    return Bought(purchase.at, net(purchase))


def _ref(purchase: Purchase) -> Ref:
    return Ref("purchase", purchase.id)


REACTIONS: Mapping[type[Event[Any]], tuple[Reaction, ...]] = {
    PurchaseRecorded: (purchase_is_evidence,),
    PurchaseIdentified: (purchase_is_evidence,),
    PurchaseCorrected: (correction_is_evidence,),
    PurchaseRefunded: (refund_is_evidence,),
    InteractionRecorded: (announced_is_planned, unserved_is_gap, contact_is_noted),
    SatisfactionMeasured: (satisfaction_is_evidence,),
}
