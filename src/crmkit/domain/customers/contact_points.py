"""Contact points: how a customer is reached, each an object of its own with purposes, validity and a search key.

OFBiz and Silverston call it *party contact mechanism*, with purpose, from and thru dates and "allow solicitation".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, cast

import attrs
from attrs import field, frozen

from crmkit.domain.words import Means
from crmkit.errors import Invalid, Refusal
from crmkit.kernel import addresses
from crmkit.kernel.checks import AtMost, Line, Prose, Value
from crmkit.kernel.ids import identifier
from crmkit.kernel.text import search_key

# words


class ContactPurpose(StrEnum):
    """What a contact point is for. Hosts add words of their own."""

    HOME = "home"
    WORK = "work"
    BILLING = "billing"
    DELIVERY = "delivery"
    EMERGENCY = "emergency"


def purposes(given: Iterable[ContactPurpose | str]) -> frozenset[ContactPurpose | str]:
    """Let a list, tuple or set of words be a frozen set; the check that follows refuses what is none of these."""
    try:
        return frozenset(given) if isinstance(given, list | tuple | set) else cast("frozenset[str]", given)
    except TypeError:  # something in it cannot be in a set
        return cast("frozenset[str]", given)


@frozen(kw_only=True)
class PostalAddress(Value):
    """An address for letters, parcels and visits, in the parts of vCard's ADR and of schema.org.

    Attributes:
        lines: street, house number, building, post box: what stands above the place.
        postcode, city, region: as far as the country has them.
        country: the code of ISO 3166-1, such as `"PH"`.

    >>> print(PostalAddress(lines=("12 Rizal Street",), postcode="1000", city="Manila", country="PH").text)
    12 Rizal Street
    1000 Manila
    PH
    """

    lines: Annotated[tuple[str, ...], AtMost(6)] = ()
    postcode: Annotated[str, Line(20, empty=True)] = ""
    city: Annotated[str, Line(100, empty=True)] = ""
    region: Annotated[str, Line(100, empty=True)] = ""
    country: Annotated[str, Line(2, empty=True)] = ""

    def __agree__(self) -> None:
        """Hold the parts together.

        Raises:
            Invalid: rule `country`, or `empty` for an address that says nothing.
        """
        if self.country:
            addresses.country("PostalAddress.country", self.country)
        if not self.text:
            raise Invalid("PostalAddress", "empty", "at least one part of an address", "none")

    @property
    def text(self) -> str:
        """The parts in the order in which most countries write them; formats of single countries are the host's."""
        place = " ".join(filter(None, (self.postcode, self.city)))
        return "\n".join(filter(None, (*self.lines, place, self.region, self.country)))


@frozen
class ContactPoint(Value):
    """One way to reach a customer.

    Attributes:
        means: what kind of address it is.
        address: the address as it was entered. For post it may be left out where `postal` has the parts.
        label: what people call it, such as `"office, mornings"`.
        purposes: what it is for; empty means anything.
        network: for chat and social networks, which one.
        country: for telephone numbers without `+`, where they are dialled (ISO 3166-1).
        postal: for post, the parts of the address.
        primary: whether it is the first choice among those of its means.
        may_solicit: whether unasked messages may go to it at all. Consents are kept apart and asked as well.
        valid_from, valid_until: from and until when it reaches the customer, the first moment included, the last not.
        id: its own id; a customer's verbs give it one.

    >>> ContactPoint(Means.EMAIL, "Ana@Example.com", purposes={"work"}).key
    'ana@example.com'
    """

    means: Means
    address: Annotated[str, Prose(1_000, empty=True)] = ""
    label: Annotated[str, Line(100, empty=True)] = field(default="", kw_only=True)
    purposes: Annotated[frozenset[ContactPurpose | str], AtMost(20)] = field(
        default=frozenset[ContactPurpose | str](), converter=purposes, kw_only=True
    )
    network: Annotated[str, Line(40, empty=True)] = field(default="", kw_only=True)
    country: Annotated[str, Line(2, empty=True)] = field(default="", kw_only=True)
    postal: PostalAddress | None = field(default=None, kw_only=True)
    primary: bool = field(default=False, kw_only=True)
    may_solicit: bool = field(default=True, kw_only=True)
    valid_from: datetime | None = field(default=None, kw_only=True)
    valid_until: datetime | None = field(default=None, kw_only=True)
    id: Annotated[str, Line(80, empty=True)] = field(default="", kw_only=True)

    def __agree__(self) -> None:
        """Hold the address against its means, and the ends of its validity together.

        Raises:
            Invalid: the rules of `crmkit.kernel.addresses` for the means; `end-before-start`; `postal`.
        """
        if self.postal is not None:
            if self.means is not Means.POST:
                raise Invalid(
                    "ContactPoint.postal", "postal", "a postal address only for post", f"one for {self.means}"
                )
            if not self.address:
                object.__setattr__(self, "address", self.postal.text)
        _check(self.means, self.address, self.country)
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise Invalid(
                "ContactPoint.valid_until", "end-before-start", "an end at or after the start", "an earlier one"
            )

    @property
    def key(self) -> str:
        """What the spellings of this address have in common; search by it, never send to it."""
        match self.means:
            case Means.EMAIL:
                return addresses.email_key(self.address)
            case Means.PHONE:
                return addresses.phone_key(self.address, self.country or None)
            case Means.POST:
                return search_key(self.address)
            case Means.CHAT | Means.SOCIAL:
                return addresses.handle_key(self.address)

    def is_valid(self, at: datetime) -> bool:
        """Tell whether the customer is reached here at a moment.

        >>> from datetime import UTC
        >>> moved = datetime(2026, 3, 1, tzinfo=UTC)
        >>> ContactPoint(Means.PHONE, "+63 2 8555 0100", valid_until=moved).is_valid(moved)
        False
        """
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_until is None or at < self.valid_until
        )


def _check(means: Means, address: str, country: str) -> None:
    where = "ContactPoint.address"
    match means:
        case Means.EMAIL:
            addresses.email(where, address)
        case Means.PHONE:
            addresses.phone(where, address)
            if country:
                addresses.country("ContactPoint.country", country)
        case Means.POST:
            if not address:
                raise Invalid(where, "empty", "an address, or its parts in `postal`", "neither")
        case Means.CHAT | Means.SOCIAL:
            addresses.handle(where, address)


# rules


def joined(contacts: tuple[ContactPoint, ...], contact: ContactPoint, *, at: datetime) -> tuple[ContactPoint, ...]:
    """Give contact points with another one among them, which takes the first place of its means if it is primary.

    Raises:
        Invalid: rule `identifier`, it has no id.
        Refusal: rule `contact.duplicate`, one with the same address is valid, or one has the same id.
    """
    identifier("ContactPoint.id", contact.id)
    for each in contacts:
        if each.id == contact.id or (each.means is contact.means and each.is_valid(at) and each.key == contact.key):
            reasons = [f"contact point {each.id} of the same customer has the same address or id"]
            raise Refusal(f"contact point {contact.id}", "contact.duplicate", reasons, [f"change_contact({each.id!r})"])
    return (*demoted(contacts, contact), contact)


def demoted(contacts: Iterable[ContactPoint], first: ContactPoint) -> tuple[ContactPoint, ...]:
    """Take the first place from the contact points of the same means, if another one has it now."""
    if not first.primary:
        return tuple(contacts)
    return tuple(attrs.evolve(c, primary=False) if c.primary and c.means is first.means else c for c in contacts)
