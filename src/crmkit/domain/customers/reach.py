"""Reach: by which address and on which channel a customer is reached, and how that changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from attrs import frozen

from crmkit.domain.customers.contact_points import ContactPoint, ContactPurpose, joined
from crmkit.domain.customers.customer import Contacts, Customer, Learned, Path
from crmkit.domain.customers.facts import (
    ChannelPreference,
    Edit,
    Preference,
    Provenance,
    check_names,
    local_time,
    relearned,
)
from crmkit.domain.words import REACHED_BY, Channel, Means
from crmkit.kernel.checks import Personal
from crmkit.kernel.record import Change, Event, change, event

# words


@frozen
class ChannelChoice:
    """A channel on which a customer can be reached now, and why it stands where it stands among the others."""

    channel: Channel
    contact: ContactPoint
    reasons: tuple[str, ...]


# events


@event("customer.contacts-changed")
@frozen(kw_only=True)
class ContactsChanged(Event[Customer]):
    """A contact point was added, changed or removed."""

    contacts: Personal[Contacts]
    learned: Personal[Learned]
    fact: Path
    edit: Edit


# rules


def add_contact(customer: Customer, contact: ContactPoint, *, learned: Provenance) -> Change[Customer]:
    """Add a contact point, which has its id by now. A primary one becomes the first choice of its means.

    Raises:
        Refusal: rule `contact.duplicate`, the customer is reached at this very address already.
        Invalid: rule `identifier`, it has no id; `too-many`.
    """
    contacts = joined(customer.contacts, contact, at=learned.at)
    path = f"contacts.{contact.id}"
    news = relearned(customer.learned, {path: True}, learned)
    return change(customer, ContactsChanged(contacts=contacts, learned=news, fact=path, edit=Edit.ADDED))


def change_contact(
    customer: Customer, contact: str, changes: Mapping[str, Any], *, learned: Provenance
) -> Change[Customer] | None:
    """Change a contact point, named by its id, by the names of its fields. None: it is as given already.

    A new address has a new provenance and is not verified; a new label or purpose leaves that as it was.

    Raises:
        Invalid: rule `unknown-contact`, `unknown-fact`, or as `ContactPoint`.
        Refusal: rule `contact.duplicate`.
    """
    before = customer.contact(contact)
    check_names("contact", changes, [f.name for f in attrs.fields(ContactPoint) if f.name != "id"])
    text = {"address": ""} if "postal" in changes else {}  # the text follows from the parts unless it is given as well
    after = attrs.evolve(before, **{**text, **changes})
    if after == before:
        return None
    others = tuple(c for c in customer.contacts if c is not before)
    kept = {c.id: c for c in joined(others, after, at=learned.at)}
    moved = after.means is not before.means or after.address != before.address
    path = f"contacts.{contact}"
    news = relearned(customer.learned, {path: True}, learned) if moved else customer.learned
    contacts = tuple(kept[c.id] for c in customer.contacts)
    return change(customer, ContactsChanged(contacts=contacts, learned=news, fact=path, edit=Edit.CHANGED))


def end_contact(
    customer: Customer, contact: str, *, at: datetime, until: datetime | None = None
) -> Change[Customer] | None:
    """Say that a contact point no longer reaches the customer, or will not from `until` on. None: it has ended by then.

    It stays on record, so that old letters and e-mails still find the customer.

    Raises:
        Invalid: rule `unknown-contact`; `end-before-start`.
    """
    before, end = customer.contact(contact), until or at
    if before.valid_until is not None and before.valid_until <= end:
        return None
    after = attrs.evolve(before, valid_until=end)
    contacts = tuple(after if c is before else c for c in customer.contacts)
    path = f"contacts.{contact}"
    return change(customer, ContactsChanged(contacts=contacts, learned=customer.learned, fact=path, edit=Edit.CHANGED))


# questions


def contact_for(
    customer: Customer,
    means: Means,
    *,
    at: datetime,
    purpose: ContactPurpose | str | None = None,
    soliciting: bool = False,
) -> ContactPoint | None:
    """Choose the contact point by which to reach a customer at a moment; None if there is none.

    It is valid, it is for the purpose or for any, and if the message is unasked (`soliciting`), it takes those. Of
    several, one for the very purpose comes before one for any, then the primary one, then the one verified last, then
    the oldest.
    """
    usable = [
        c
        for c in customer.contacts
        if c.means is means
        and c.is_valid(at)
        and (c.may_solicit or not soliciting)
        and (purpose is None or not c.purposes or purpose in c.purposes)
    ]

    def rank(contact: ContactPoint) -> tuple[bool, bool, float]:
        learned = customer.learned.get(f"contacts.{contact.id}")
        verified = learned.verified_at.timestamp() if learned and learned.verified_at else 0.0
        return purpose in contact.purposes, contact.primary, verified

    return max(usable, key=rank, default=None)


def channel_choices(customer: Customer, *, at: datetime, soliciting: bool = False) -> tuple[ChannelChoice, ...]:
    """Give the channels on which a customer can be reached, the best first, each with its reasons.

    Preferred channels come before the others, avoided ones after all; among equals, those whose best hours it is now in
    the customer's time zone. Whether a contact is allowed is for the consents and the relationship to say.
    """
    wishes = {p.channel: p for p in customer.channels}
    local = local_time(at, customer.zone)
    ranked: list[tuple[tuple[int, bool], ChannelChoice]] = []
    for channel, means in REACHED_BY.items():
        contact = contact_for(customer, means, at=at, soliciting=soliciting)
        if contact is None:
            continue
        wish = wishes.get(channel, ChannelPreference(channel))
        reasons = [f"contact point {contact.id} is valid"]
        if wish.preference is not None:
            reasons.append(f"{channel} is {wish.preference}")
        suits = local is None or wish.suits(local.strftime("%H:%M"))
        if wish.best_from:
            hours = f"best from {wish.best_from} until {wish.best_until}"
            reasons.append(
                f"{hours}, and it is {local:%H:%M} there" if local else f"{hours}, at a local time that is not known"
            )
        rank = {Preference.PREFERRED: 0, None: 1, Preference.AVOIDED: 2}[wish.preference]
        ranked.append(((rank, not suits), ChannelChoice(channel, contact, tuple(reasons))))
    return tuple(choice for _, choice in sorted(ranked, key=lambda pair: pair[0]))
