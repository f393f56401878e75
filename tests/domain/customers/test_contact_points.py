"""Contact points: addresses kept as entered, keys to find them by, validity, first choices."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crmkit.domain.customers.contact_points import ContactPoint, ContactPurpose, PostalAddress, demoted, joined
from crmkit.domain.words import Means
from crmkit.errors import Invalid, Refusal

DAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("means", "address", "key"),
    [
        ("email", "Ana.Reyes@Example.COM", "ana.reyes@example.com"),
        ("email", "a@bücher.de", "a@xn--bcher-kva.de"),
        ("email", "ü@b.de", "ü@b.de"),
        ("phone", "+1 (555) 0100 ext. 9", "+15550100"),
        ("phone", "٠٩١٧ ٥٥٥", "0917555"),  # noqa: RUF001 - the digits of another script are the point
        ("chat", "@Ana.Reyes", "ana.reyes"),
        ("social", "ANA", "ana"),
        ("post", "12  Rizal Street\nManila", "12 rizal street manila"),
    ],
)
def test_an_address_is_kept_as_entered_and_has_a_key_beside(means: Any, address: str, key: str) -> None:
    """What was entered stays to the byte; the key is what its spellings have in common."""
    contact = ContactPoint(means, address)
    assert (contact.means, contact.address, contact.key) == (Means(means), address, key)


@pytest.mark.parametrize(
    ("means", "address", "rule"),
    [
        ("email", "a@b.c, d@e.f", "email"),
        ("email", "a@b.c\r\nBcc: x@y.z", "line-break"),
        ("email", '"a@evil.com" <b@c.d>', "email"),
        ("email", "a@localhost", "email"),
        ("email", "a@[127.0.0.1]", "email"),
        ("email", "x" * 65 + "@b.de", "too-long"),
        ("email", "", "empty"),
        ("phone", "5" * 5000, "too-long"),
        ("phone", "1-800-FLOWERS", "phone"),
        ("phone", "", "empty"),
        ("chat", "ana reyes", "handle"),
        ("social", "", "empty"),
        ("post", "", "empty"),
        ("post", "a\0b", "control-character"),
        ("pigeon", "coop 7", "word"),
        (None, "ana@example.com", "word"),
        ("email", 17, "type"),
        ("email", ["ana@example.com"], "type"),
    ],
)
def test_an_address_that_cannot_be_is_refused(means: Any, address: Any, rule: str) -> None:
    """The error names the contact point's field and the rule."""
    with pytest.raises(Invalid) as error:
        ContactPoint(means, address)
    assert error.value.rule == rule
    assert error.value.field in ("ContactPoint.address", "ContactPoint.means")


def test_a_number_without_plus_is_read_in_its_country() -> None:
    """With a country a number as dialled there meets its international form; without, it keeps its digits."""
    assert ContactPoint(Means.PHONE, "0917 555 0100", country="PH").key == "+639175550100"
    assert ContactPoint(Means.PHONE, "0917 555 0100").key == "09175550100"
    with pytest.raises(Invalid) as error:
        ContactPoint(Means.PHONE, "0917 555 0100", country="ph")
    assert error.value.rule == "country"


def test_a_postal_address_has_parts_and_a_text() -> None:
    """The text follows from the parts unless it was entered, and then it stays as it was entered."""
    parts = PostalAddress(
        lines=("12 Rizal Street", "Unit 3"), postcode="1000", city="Manila", region="NCR", country="PH"
    )
    assert parts.text == "12 Rizal Street\nUnit 3\n1000 Manila\nNCR\nPH"
    assert ContactPoint(Means.POST, postal=parts).address == parts.text
    assert ContactPoint(Means.POST, "as she wrote it", postal=parts).address == "as she wrote it"


@pytest.mark.parametrize(
    ("parts", "rule"), [({}, "empty"), ({"country": "XX"}, "country"), ({"lines": ["a"] * 7}, "too-many")]
)
def test_a_postal_address_that_cannot_be_is_refused(parts: dict[str, Any], rule: str) -> None:
    """Nothing at all, a country that there is not, and a seventh line are refused."""
    with pytest.raises(Invalid) as error:
        PostalAddress(**parts)
    assert error.value.rule == rule


def test_only_post_has_postal_parts() -> None:
    """An e-mail address with a city is a mix-up."""
    with pytest.raises(Invalid) as error:
        ContactPoint(Means.EMAIL, "ana@example.com", postal=PostalAddress(city="Manila"))
    assert error.value.rule == "postal"


@pytest.mark.parametrize("given", [{"work", "club"}, ["work", "club"], ("club", "work"), frozenset({"work", "club"})])
def test_purposes_are_words_of_the_house_or_of_the_host(given: Any) -> None:
    """Any collection of words will do; those of the house become members of the enumeration."""
    contact = ContactPoint(Means.EMAIL, "ana@example.com", purposes=given)
    assert contact.purposes == {ContactPurpose.WORK, "club"}
    assert {type(p) for p in contact.purposes} == {ContactPurpose, str}


@pytest.mark.parametrize("given", ["work", 5, [5], [["work"]], None])
def test_purposes_that_are_no_collection_of_words_are_refused(given: Any) -> None:
    """A single text would be a set of letters; it is refused, and so is what is no text."""
    with pytest.raises(Invalid) as error:
        ContactPoint(Means.EMAIL, "ana@example.com", purposes=given)
    assert error.value.rule == "type"


def test_purposes_do_not_change_with_the_callers_set() -> None:
    """What was given is copied."""
    words = {"work"}
    contact = ContactPoint(Means.EMAIL, "ana@example.com", purposes=words)
    words.add("home")
    assert contact.purposes == {"work"}


def test_validity_includes_its_first_moment_and_not_its_last() -> None:
    """A contact point is valid from its beginning on and until its end, without one for good."""
    contact = ContactPoint(Means.EMAIL, "a@b.de", valid_from=DAY, valid_until=DAY + timedelta(days=1))
    moments = [DAY - timedelta.resolution, DAY, DAY + timedelta(days=1, microseconds=-1), DAY + timedelta(days=1)]
    assert [contact.is_valid(m) for m in moments] == [False, True, True, False]
    assert ContactPoint(Means.EMAIL, "a@b.de").is_valid(DAY)
    assert ContactPoint(Means.EMAIL, "a@b.de", valid_from=DAY, valid_until=DAY).is_valid(DAY) is False
    with pytest.raises(Invalid) as error:
        ContactPoint(Means.EMAIL, "a@b.de", valid_from=DAY, valid_until=DAY - timedelta.resolution)
    assert error.value.rule == "end-before-start"


def test_joining_takes_the_first_place_within_the_same_means_only() -> None:
    """A new primary e-mail takes the place of the one before, and leaves the primary phone alone."""
    old = ContactPoint(Means.EMAIL, "old@b.de", primary=True, id="c1")
    call = ContactPoint(Means.PHONE, "+63 917 555 0100", primary=True, id="c2")
    new = ContactPoint(Means.EMAIL, "new@b.de", primary=True, id="c3")
    assert [(c.id, c.primary) for c in joined((old, call), new, at=DAY)] == [("c1", False), ("c2", True), ("c3", True)]
    other = ContactPoint(Means.EMAIL, "x@b.de", id="c4")
    assert demoted((old, call), other) == (old, call)


@pytest.mark.parametrize(
    ("contact", "rule"),
    [
        (ContactPoint(Means.EMAIL, "OLD@b.de", id="c9"), "contact.duplicate"),
        (ContactPoint(Means.EMAIL, "new@b.de", id="c1"), "contact.duplicate"),
    ],
)
def test_the_same_address_or_id_twice_is_refused(contact: ContactPoint, rule: str) -> None:
    """However it is spelt, an address of the customer is refused a second time; the refusal names the first."""
    old = ContactPoint(Means.EMAIL, "old@b.de", id="c1")
    with pytest.raises(Refusal) as error:
        joined((old,), contact, at=DAY)
    assert (error.value.rule, error.value.instead) == (rule, ("change_contact('c1')",))
    assert "old@b.de" not in str(error.value).lower()


def test_an_address_that_ended_may_come_back() -> None:
    """Only contact points that are valid stand in the way of the same address, and only those of the same means."""
    ended = ContactPoint(Means.CHAT, "ana", valid_until=DAY, id="c1")
    again = ContactPoint(Means.CHAT, "ana", id="c2")
    other = ContactPoint(Means.SOCIAL, "ana", id="c3")
    assert joined(joined((ended,), again, at=DAY), other, at=DAY) == (ended, again, other)


def test_a_contact_point_without_an_id_cannot_be_joined() -> None:
    """The id is what everything else refers to."""
    with pytest.raises(Invalid) as error:
        joined((), ContactPoint(Means.EMAIL, "a@b.de"), at=DAY)
    assert error.value.rule == "identifier"
