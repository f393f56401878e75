"""Parties: what a customer can be, a person, an organisation or a household.

Person and organisation are the subtypes of *Party* in Silverston, The Data Model Resource Book, vol. 1, ch. 2; a
household is people who live together and often buy together.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from attrs import converters, field, frozen

from crmkit.errors import Invalid
from crmkit.kernel.checks import AtMost, Id, Line, Value
from crmkit.kernel.dates import PartialDate, partial_date
from crmkit.kernel.text import search_key

# words

Part = Annotated[str, Line(empty=True)]
"""A part of a name, or a short text about a party; empty if it is not known."""

MOST_MEMBERS = 100
"""How many people one household holds."""


class PartyKind(StrEnum):
    """What a customer is."""

    PERSON = "person"
    ORGANISATION = "organisation"
    HOUSEHOLD = "household"
    ANONYMOUS = "anonymous"


@frozen
class Person(Value):
    """A human being, by the name they go by; the parts of the name and everything else may be unknown.

    Attributes:
        name: the whole name as it is said and written, one word or ten.
        born: the birthday, as far as it is known; text such as `"1990-05"` or `"--05-01"` will do.
        given, family, other: the parts of the name, where they are known and matter.
        title: how they are addressed, such as `"Dr"`.
        pronouns: what they ask to be called by, such as `"she/her"`.

    >>> Person("Ana Reyes", born="1990-05").born
    PartialDate(year=1990, month=5, day=None)
    """

    name: str
    born: PartialDate | None = field(default=None, converter=converters.optional(partial_date), kw_only=True)
    given: Part = field(default="", kw_only=True)
    family: Part = field(default="", kw_only=True)
    other: Part = field(default="", kw_only=True)
    title: Part = field(default="", kw_only=True)
    pronouns: Part = field(default="", kw_only=True)

    @property
    def sort_name(self) -> str:
        """The search key that lists are sorted by: family name first, where it is known."""
        return search_key(f"{self.family} {self.given}" if self.family else self.name)


@frozen
class Organisation(Value):
    """A company, an authority, an association.

    Attributes:
        name: the name it goes by.
        legal_form: such as `"GmbH"` or `"Inc."`; two organisations of one name may differ in it.
        registration: its number in the register of companies.
        founded: since when there is such an organisation.

    >>> Organisation("Acme", legal_form="GmbH", founded="1949").founded
    PartialDate(year=1949, month=None, day=None)
    """

    name: str
    legal_form: Part = field(default="", kw_only=True)
    registration: Part = field(default="", kw_only=True)
    founded: PartialDate | None = field(default=None, converter=converters.optional(partial_date), kw_only=True)

    @property
    def sort_name(self) -> str:
        """The search key that lists are sorted by."""
        return search_key(self.name)


@frozen
class Household(Value):
    """People who live together, each a customer of their own.

    Attributes:
        name: how the household is addressed.
        members: the ids of the people in it.

    >>> Household("Reyes family", members=("cus_1", "cus_2")).members
    ('cus_1', 'cus_2')
    """

    name: str
    members: Annotated[tuple[Id, ...], AtMost(MOST_MEMBERS)] = field(default=(), kw_only=True)

    def __agree__(self) -> None:
        """Hold the members apart.

        Raises:
            Invalid: rule `twice`, somebody is named as a member more than once.
        """
        if len(set(self.members)) < len(self.members):
            raise Invalid(
                "Household.members", "twice", "each member once", f"{len(self.members)} ids, some of them twice"
            )

    @property
    def sort_name(self) -> str:
        """The search key that lists are sorted by."""
        return search_key(self.name)


Party = Person | Organisation | Household

# questions


def kind_of(party: Party | None) -> PartyKind:
    """Tell what a party is; nobody in particular is anonymous.

    >>> kind_of(Household("Reyes family"))
    <PartyKind.HOUSEHOLD: 'household'>
    """
    match party:
        case Person():
            return PartyKind.PERSON
        case Organisation():
            return PartyKind.ORGANISATION
        case Household():
            return PartyKind.HOUSEHOLD
        case None:
            return PartyKind.ANONYMOUS


def name_keys(name: str) -> tuple[str, ...]:
    """Give the search keys of a name: what is left of it from each of its first eight words on.

    So a search by the beginning of any of these words finds the name.

    >>> name_keys("Ana María REYES")
    ('ana maría reyes', 'maría reyes', 'reyes')
    """
    words = search_key(name).split(" ")
    return tuple(" ".join(words[i:]) for i in range(min(len(words), 8)))
