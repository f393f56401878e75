"""Reach: adding, changing and ending contact points, and choosing among them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crmkit.domain.customers import reach
from crmkit.domain.customers.contact_points import ContactPoint, PostalAddress
from crmkit.domain.customers.customer import Customer, register
from crmkit.domain.customers.facts import ChannelPreference, Edit, Preference, Provenance
from crmkit.domain.customers.parties import Person
from crmkit.domain.customers.profile import note, provenance, verify
from crmkit.domain.words import Channel, Means
from crmkit.errors import Invalid, Refusal

DAY = datetime(2026, 3, 1, 9, tzinfo=UTC)
TOLD = Provenance(at=DAY, by="rep-lito")
LATER = Provenance(at=DAY + timedelta(days=9), by="rep-mia")
EMAIL = ContactPoint(Means.EMAIL, "ana@example.com", primary=True, id="c1")
PHONE = ContactPoint(Means.PHONE, "+63 917 555 0100", id="c2")


def ana(*contacts: ContactPoint, **more: Any) -> Customer:
    """Ana Reyes with these contact points."""
    return register(Person("Ana Reyes"), id="cus_1", learned=TOLD, contacts=contacts, **more).record


def test_a_new_contact_point_has_a_provenance_and_may_be_the_first_choice() -> None:
    """The one that was first of its means steps back."""
    done = reach.add_contact(ana(EMAIL), ContactPoint(Means.EMAIL, "a@b.de", primary=True, id="c3"), learned=LATER)
    assert [(c.id, c.primary) for c in done.record.contacts] == [("c1", False), ("c3", True)]
    assert (done.event.fact, done.event.edit) == ("contacts.c3", Edit.ADDED)  # type: ignore[attr-defined]
    assert (provenance(done.record, "contacts.c3"), provenance(done.record, "contacts.c1")) == (LATER, TOLD)


def test_there_is_an_end_to_contact_points() -> None:
    """A hundred are kept, one more is refused."""
    full = ana(*(ContactPoint(Means.CHAT, f"ana{i}", id=f"c{i}") for i in range(100)))
    with pytest.raises(Invalid) as error:
        reach.add_contact(full, ContactPoint(Means.CHAT, "one.more", id="x"), learned=LATER)
    assert error.value.rule == "too-many"


def test_a_new_address_is_not_verified_and_a_new_label_stays_so() -> None:
    """Provenance belongs to the address, not to what is said about it; the contact point keeps its place."""
    verified = verify(ana(EMAIL, PHONE), ["contacts.c1"], at=DAY, by="rep-zoe").record
    labelled = reach.change_contact(verified, "c1", {"label": "private", "purposes": ["home"]}, learned=LATER)
    assert labelled is not None
    assert (labelled.record.contacts[0].label, labelled.event.edit) == ("private", Edit.CHANGED)  # type: ignore[attr-defined]
    assert provenance(labelled.record, "contacts.c1").verified_by == "rep-zoe"
    moved = reach.change_contact(labelled.record, "c1", {"address": "ana@example.org"}, learned=LATER)
    assert moved is not None
    assert provenance(moved.record, "contacts.c1") == LATER
    assert [c.id for c in moved.record.contacts] == ["c1", "c2"]
    other = reach.change_contact(labelled.record, "c1", {"means": "chat"}, learned=LATER)
    assert other is not None
    assert provenance(other.record, "contacts.c1") == LATER
    assert reach.change_contact(moved.record, "c1", {"label": "private"}, learned=LATER) is None


def test_a_contact_point_can_become_the_first_choice() -> None:
    """Wherever it stands among the others."""
    second = ContactPoint(Means.EMAIL, "b@c.de", id="c3")
    done = reach.change_contact(ana(EMAIL, second), "c3", {"primary": True}, learned=LATER)
    assert done is not None
    assert [(c.id, c.primary) for c in done.record.contacts] == [("c1", False), ("c3", True)]
    back = reach.change_contact(done.record, "c1", {"primary": True}, learned=LATER)
    assert back is not None
    assert [(c.id, c.primary) for c in back.record.contacts] == [("c1", True), ("c3", False)]


def test_the_text_of_a_postal_address_follows_its_parts() -> None:
    """Unless a text is given with them."""
    home = ContactPoint(Means.POST, postal=PostalAddress(city="Manila"), id="c4")
    moved = reach.change_contact(ana(home), "c4", {"postal": PostalAddress(city="Cebu")}, learned=LATER)
    assert moved is not None
    assert (moved.record.contacts[0].address, provenance(moved.record, "contacts.c4")) == ("Cebu", LATER)
    both = reach.change_contact(
        ana(home), "c4", {"postal": PostalAddress(city="Cebu"), "address": "Cebu City"}, learned=LATER
    )
    assert both is not None
    assert both.record.contacts[0].address == "Cebu City"


@pytest.mark.parametrize(
    ("contact", "changes", "rule"),
    [
        ("c9", {"label": "x"}, "unknown-contact"),
        ("c1", {"id": "c9"}, "unknown-fact"),
        ("c1", {"colour": "red"}, "unknown-fact"),
        ("c1", {"address": "nobody"}, "email"),
        ("c1", {"means": "phone"}, "phone"),
        ("c1", {"label": None}, "type"),
    ],
)
def test_changes_that_cannot_be_are_refused(contact: str, changes: dict[str, Any], rule: str) -> None:
    """The address has to suit the means, and the id is for good."""
    with pytest.raises(Invalid) as error:
        reach.change_contact(ana(EMAIL, PHONE), contact, changes, learned=LATER)
    assert error.value.rule == rule


def test_no_address_becomes_that_of_another_contact_point() -> None:
    """The customer would be reached there twice."""
    second = ContactPoint(Means.EMAIL, "b@c.de", id="c3")
    with pytest.raises(Refusal) as error:
        reach.change_contact(ana(EMAIL, second), "c3", {"address": "ANA@example.com"}, learned=LATER)
    assert error.value.rule == "contact.duplicate"


def test_a_contact_point_ends_once_and_stays_findable() -> None:
    """It ends now or later; ending it later than it ends already changes nothing, ending it sooner does."""
    now, soon = LATER.at, LATER.at + timedelta(days=3)
    ending = reach.end_contact(ana(EMAIL), "c1", at=now, until=soon)
    assert ending is not None
    assert ending.record.contacts[0].valid_until == soon
    assert reach.end_contact(ending.record, "c1", at=now, until=soon) is None
    ended = reach.end_contact(ending.record, "c1", at=now)
    assert ended is not None
    assert (ended.record.contacts[0].valid_until, ended.event.edit) == (now, Edit.CHANGED)  # type: ignore[attr-defined]
    assert reach.end_contact(ended.record, "c1", at=soon) is None
    assert ("email", "ana@example.com") in Customer.__kind__.keys_of(ended.record)
    assert reach.add_contact(ended.record, ContactPoint(Means.EMAIL, "ana@example.com", id="c9"), learned=LATER)
    with pytest.raises(Invalid) as error:
        reach.end_contact(ana(ContactPoint(Means.EMAIL, "a@b.de", valid_from=soon, id="c1")), "c1", at=now)
    assert error.value.rule == "end-before-start"
    with pytest.raises(Invalid) as error:
        reach.end_contact(ana(EMAIL), "c9", at=now)
    assert error.value.rule == "unknown-contact"


# choosing


def point(id: str, **more: Any) -> ContactPoint:  # noqa: A002 - the field's own word
    """An e-mail address of this id."""
    return ContactPoint(Means.EMAIL, f"{id}@example.com", id=id, **more)


@pytest.mark.parametrize(
    ("contacts", "asked", "chosen"),
    [
        ([], {}, None),
        ([PHONE], {}, None),
        ([point("a"), point("b")], {}, "a"),
        ([point("a"), point("b", primary=True)], {}, "b"),
        ([point("a", valid_until=DAY), point("b")], {}, "b"),
        ([point("a", valid_from=DAY + timedelta(days=1)), point("b")], {}, "b"),
        ([point("a", primary=True, may_solicit=False), point("b")], {"soliciting": True}, "b"),
        ([point("a", primary=True, may_solicit=False), point("b")], {}, "a"),
        ([point("a", may_solicit=False)], {"soliciting": True}, None),
        ([point("a", purposes={"home"}), point("b", purposes={"billing"})], {"purpose": "billing"}, "b"),
        ([point("a", primary=True), point("b", purposes={"billing"})], {"purpose": "billing"}, "b"),
        ([point("a", purposes={"home"}), point("b")], {"purpose": "billing"}, "b"),
        ([point("a", purposes={"home"})], {"purpose": "billing"}, None),
        ([point("a", purposes={"home"}), point("b")], {}, "a"),
    ],
)
def test_the_contact_point_is_chosen_by_validity_purpose_and_rank(
    contacts: list[ContactPoint], asked: dict[str, Any], chosen: str | None
) -> None:
    """Each field of a contact point changes the answer."""
    found = reach.contact_for(ana(*contacts), Means.EMAIL, at=DAY, **asked)
    assert (found.id if found else None) == chosen


def test_a_verified_address_comes_before_one_that_is_not() -> None:
    """And the one that was verified last before those verified earlier."""
    both = verify(ana(point("a"), point("b"), point("c")), ["contacts.b"], at=DAY, by="rep").record
    first = reach.contact_for(both, Means.EMAIL, at=DAY)
    assert first is not None
    assert first.id == "b"
    newer = verify(both, ["contacts.c"], at=LATER.at, by="rep").record
    later = reach.contact_for(newer, Means.EMAIL, at=DAY)
    assert later is not None
    assert later.id == "c"


def wishing(*wishes: ChannelPreference, zone: str = "Asia/Manila") -> Customer:
    """Ana with an e-mail address and a phone, and these wishes."""
    customer = ana(EMAIL, PHONE, zone=zone)
    for wish in wishes:
        customer = note(customer, wish, learned=LATER).record  # type: ignore[union-attr]
    return customer


def test_channels_are_ranked_by_what_the_customer_prefers() -> None:
    """Only channels for which there is an address are told; the avoided one comes last, with its reason."""
    customer = wishing(
        ChannelPreference(Channel.SMS, Preference.PREFERRED), ChannelPreference(Channel.PHONE, Preference.AVOIDED)
    )
    choices = reach.channel_choices(customer, at=DAY)
    assert [(c.channel, c.contact.id) for c in choices] == [
        (Channel.SMS, "c2"),
        (Channel.EMAIL, "c1"),
        (Channel.AUDIO_CALL, "c2"),
        (Channel.PHONE, "c2"),
    ]
    assert choices[0].reasons == ("contact point c2 is valid", "sms is preferred")
    assert choices[1].reasons == ("contact point c1 is valid",)
    assert choices[3].reasons == ("contact point c2 is valid", "phone is avoided")


@pytest.mark.parametrize(
    ("zone", "first", "reason"),
    [
        ("Asia/Manila", Channel.EMAIL, "best from 18:00 until 20:00, and it is 17:00 there"),
        ("Asia/Tokyo", Channel.PHONE, "best from 18:00 until 20:00, and it is 18:00 there"),
        ("", Channel.PHONE, "best from 18:00 until 20:00, at a local time that is not known"),
    ],
)
def test_best_hours_are_those_of_the_customers_zone(zone: str, first: Channel, reason: str) -> None:
    """At nine UTC it is five in Manila and six in Tokyo; where the zone is not known, hours count for nothing."""
    customer = wishing(ChannelPreference(Channel.PHONE, best_from="18:00", best_until="20:00"), zone=zone)
    choices = reach.channel_choices(customer, at=DAY)
    assert choices[0].channel == first
    assert reason in next(c for c in choices if c.channel is Channel.PHONE).reasons


def test_channels_for_unasked_messages_use_addresses_that_take_them() -> None:
    """A phone that may not be solicited is left out."""
    customer = ana(EMAIL, ContactPoint(Means.PHONE, "+63 917 555 0100", may_solicit=False, id="c2"))
    assert [c.channel for c in reach.channel_choices(customer, at=DAY, soliciting=True)] == [Channel.EMAIL]
