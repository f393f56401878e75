"""Profile: noting, verifying and taking away facts, each with its provenance."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crmkit.domain.customers import profile
from crmkit.domain.customers.attributes import Attribute, declared
from crmkit.domain.customers.contact_points import ContactPoint
from crmkit.domain.customers.customer import Customer, register
from crmkit.domain.customers.facts import (
    ChannelPreference,
    Dependant,
    Edit,
    Identifier,
    ImportantDate,
    Interest,
    Liking,
    Preference,
    Provenance,
    SourceKind,
)
from crmkit.domain.customers.parties import Person
from crmkit.domain.customers.profile import AttributesChanged, FactsVerified, TagsChanged
from crmkit.domain.words import Channel, Means
from crmkit.errors import Invalid

DAY = datetime(2026, 3, 1, 9, tzinfo=UTC)
TOLD = Provenance(at=DAY, by="rep-lito", source=SourceKind.EVENT, detail="trade fair")
LATER = Provenance(at=DAY + timedelta(days=9), by="rep-mia", source="call", detail="int_7")
LAST = Provenance(at=DAY + timedelta(days=20), by="web")
KNOWN = declared([Attribute("size", int), Attribute("vegan", bool), Attribute("region", str, required=True)])


def ana(**more: Any) -> Customer:
    """Ana Reyes, as registered at the trade fair."""
    return register(Person("Ana Reyes", born="1990-05-01"), id="cus_1", learned=TOLD, **more).record


FACTS = [
    (Identifier("card", "77"), "identifiers", "identifiers.card:77", None),
    (ImportantDate("wedding", "2015-06-20"), "dates", "dates.wedding", ImportantDate("wedding", "2015-06-21")),
    (
        Dependant("Lia", born="2010", id="dep_1"),
        "dependants",
        "dependants.dep_1",
        Dependant("Lia", born="2010-03", id="dep_1"),
    ),
    (Interest("coffee"), "interests", "interests.coffee", Interest("coffee", Liking.DISLIKES)),
    (
        ChannelPreference(Channel.PHONE, Preference.AVOIDED),
        "channels",
        "channels.phone",
        ChannelPreference(Channel.PHONE, Preference.PREFERRED),
    ),
]


@pytest.mark.parametrize(("fact", "family", "path", "other"), FACTS, ids=[f[1] for f in FACTS])
def test_facts_are_noted_changed_and_forgotten(fact: Any, family: str, path: str, other: Any) -> None:
    """A fact has a path; one with the same path takes its place, and keeps its place among the others."""
    noted = profile.note(ana(), fact, learned=LATER)
    assert noted is not None
    assert (getattr(noted.record, family), noted.event.fact, noted.event.edit) == ((fact,), path, Edit.ADDED)
    assert profile.provenance(noted.record, path) == LATER
    assert profile.note(noted.record, fact, learned=LAST) is None

    second = type(fact)(
        *{"identifiers": ("vat", "1"), "channels": (Channel.EMAIL,), "dates": ("x", "2000")}.get(family, ("x",))
    )
    both = profile.note(noted.record, second, learned=LATER)
    assert both is not None
    if other is not None:
        changed = profile.note(both.record, other, learned=LAST)
        assert changed is not None
        assert (getattr(changed.record, family), changed.event.edit) == ((other, second), Edit.CHANGED)
        assert profile.provenance(changed.record, path) == LAST

    gone = profile.forget(both.record, path)
    assert (getattr(gone.record, family), gone.event.fact, gone.event.edit) == ((second,), path, Edit.REMOVED)
    assert len(gone.record.learned) == 1
    with pytest.raises(Invalid) as error:
        profile.provenance(gone.record, path)
    assert error.value.rule == "unknown-fact"


@pytest.mark.parametrize("fact", ["coffee", None, Person("Lia"), {"topic": "coffee"}])
def test_only_facts_can_be_noted(fact: Any) -> None:
    """What is no fact is refused with a typed error."""
    with pytest.raises(Invalid) as error:
        profile.note(ana(), fact, learned=LATER)
    assert (error.value.field, error.value.rule) == ("fact", "type")


def test_a_child_is_born_by_the_day_it_is_noted() -> None:
    """A birthday that is to come is refused, for dependants too; one without a year is kept."""
    with pytest.raises(Invalid) as error:
        profile.note(ana(), Dependant("Lia", born="2026-04", id="dep_1"), learned=LATER)
    assert (error.value.field, error.value.rule) == ("Dependant.born", "future")
    assert profile.note(ana(), Dependant(born="--04-30", id="dep_1"), learned=LATER) is not None


def test_there_is_an_end_to_interests() -> None:
    """Five hundred are kept, one more is refused."""
    full = ana()
    for i in range(500):
        full = profile.note(full, Interest(f"topic {i}"), learned=LATER).record  # type: ignore[union-attr]
    with pytest.raises(Invalid) as error:
        profile.note(full, Interest("one more"), learned=LATER)
    assert error.value.rule == "too-many"


@pytest.mark.parametrize(
    "path", ["interests.tea", "party.name", "tags.vip", "attributes.size", "coffee", "", "contacts."]
)
def test_only_what_was_noted_can_be_forgotten(path: str) -> None:
    """Facts that are not there, and those that have rules of their own, are refused."""
    full = ana(tags=["vip"], attributes={"size": 1, "region": "x"}, known=KNOWN)
    with pytest.raises(Invalid) as error:
        profile.forget(full, path)
    assert (error.value.field, error.value.rule) == ("path", "unknown-fact")


def test_a_contact_point_that_never_was_can_be_forgotten() -> None:
    """Forgetting removes it from the record, where ending would keep it."""
    contact = ContactPoint(Means.EMAIL, "ana@example.com", id="c1")
    assert profile.forget(ana(contacts=[contact]), "contacts.c1").record.contacts == ()


# verifying


def test_verifying_keeps_where_a_fact_comes_from() -> None:
    """When and by whom it was found right is added to its provenance, for each fact named."""
    noted = profile.note(ana(), Interest("coffee"), learned=LATER)
    assert noted is not None
    done = profile.verify(noted.record, ["party.born", "interests.coffee"], at=LAST.at, by="rep-zoe")
    assert isinstance(done.event, FactsVerified)
    assert done.event.facts == ("party.born", "interests.coffee")
    assert profile.provenance(done.record, "party.born") == Provenance(
        at=DAY, by="rep-lito", source="event", detail="trade fair", verified_at=LAST.at, verified_by="rep-zoe"
    )
    assert profile.provenance(done.record, "interests.coffee").at == LATER.at
    assert profile.provenance(done.record, "party.name").verified_at is None


@pytest.mark.parametrize(
    ("paths", "rule"), [([], "required"), (["party.shoe"], "unknown-fact"), ([""], "unknown-fact")]
)
def test_only_facts_there_are_can_be_verified(paths: list[str], rule: str) -> None:
    """Nothing, and what is no fact of the customer, is refused."""
    with pytest.raises(Invalid) as error:
        profile.verify(ana(), paths, at=DAY, by="rep")
    assert error.value.rule == rule


def test_an_unknown_fact_is_answered_with_the_nearest() -> None:
    """The message helps with a slip of the pen."""
    with pytest.raises(Invalid, match=r"did you mean party\.born or party\.name"):
        profile.provenance(ana(), "party.borne")


def test_old_facts_are_listed_the_oldest_first() -> None:
    """What was learned or verified at the moment or after it is not old."""
    noted = profile.note(ana(language="en"), Interest("coffee"), learned=LATER)
    assert noted is not None
    done = profile.verify(noted.record, ["party.name"], at=LAST.at, by="rep").record
    assert list(profile.facts_older_than(done, DAY)) == []
    assert list(profile.facts_older_than(done, LATER.at)) == ["party.born", "language"]
    assert list(profile.facts_older_than(done, LAST.at)) == ["party.born", "language", "interests.coffee"]
    assert list(profile.facts_older_than(done, LAST.at + timedelta.resolution)) == [
        "party.born", "language", "interests.coffee", "party.name",
    ]  # fmt: skip


def test_every_fact_has_a_path_and_a_provenance() -> None:
    """The paths of a full profile, in their order; what was not learned later is as old as the registration."""
    full = ana(
        language="en",
        zone="Asia/Manila",
        contacts=[ContactPoint(Means.EMAIL, "ana@example.com", id="c1")],
        identifiers=[Identifier("card", "77")],
        attributes={"size": 42, "region": "NCR"},
        known=KNOWN,
        tags=["vip", "a.b"],
    )
    for fact, *_ in FACTS[1:]:
        full = profile.note(full, fact, learned=LATER).record  # type: ignore[union-attr]
    told = profile.facts(full)
    assert list(told) == [
        "party.name", "party.born", "language", "zone", "contacts.c1", "identifiers.card:77", "dates.wedding",
        "dependants.dep_1", "interests.coffee", "channels.phone", "attributes.size", "attributes.region",
        "tags.a.b", "tags.vip",
    ]  # fmt: skip
    assert [p for p, v in told.items() if v == LATER] == [f[2] for f in FACTS[1:]]
    assert all(v == TOLD for p, v in told.items() if p not in full.learned)


# attributes and tags


def test_attributes_are_set_and_only_what_differs_is_told() -> None:
    """A value that is there already is no news; None takes one away, and its provenance with it."""
    set_once = profile.set_attributes(ana(), {"size": 42, "vegan": True}, KNOWN, learned=LATER)
    assert set_once is not None
    again = profile.set_attributes(set_once.record, {"size": 42, "vegan": False}, KNOWN, learned=LAST)
    assert again is not None
    assert isinstance(again.event, AttributesChanged)
    assert again.event.facts == ("attributes.vegan",)
    assert profile.provenance(again.record, "attributes.size") == LATER
    assert profile.provenance(again.record, "attributes.vegan") == LAST
    assert profile.set_attributes(again.record, {"size": 42, "vegan": False}, KNOWN, learned=LAST) is None
    gone = profile.set_attributes(again.record, {"size": None}, KNOWN, learned=LAST)
    assert gone is not None
    assert (gone.record.attributes, set(gone.record.learned)) == ({"vegan": False}, {"attributes.vegan"})
    with pytest.raises(Invalid) as error:
        profile.set_attributes(gone.record, {"region": None}, KNOWN, learned=LAST)
    assert error.value.rule == "required"


def test_tags_are_put_on_once_and_taken_off_once() -> None:
    """Only what changes is told, in order; a tag is itself, whatever characters it has."""
    put = profile.tag(ana(tags=["vip"]), ["vip", "50% off", "a_b"], learned=LATER)
    assert put is not None
    assert isinstance(put.event, TagsChanged)
    assert put.event.facts == ("tags.50% off", "tags.a_b")
    assert put.record.tags == {"vip", "50% off", "a_b"}
    assert profile.provenance(put.record, "tags.a_b") == LATER
    assert profile.tag(put.record, ["vip"], learned=LATER) is None
    off = profile.untag(put.record, ["a_b", "vip", "never"])
    assert off is not None
    assert (off.record.tags, off.event.facts, set(off.record.learned)) == (  # type: ignore[attr-defined]
        {"50% off"},
        ("tags.a_b", "tags.vip"),
        {"tags.50% off"},
    )
    assert profile.untag(off.record, ["never"]) is None


@pytest.mark.parametrize("tags", ["vip", [5], 5, [["vip"]], [None]])
@pytest.mark.parametrize("act", ["tag", "untag"])
def test_tags_that_are_no_texts_are_refused(act: str, tags: Any) -> None:
    """A single text would be a set of its letters."""
    with pytest.raises(Invalid) as error:
        profile.tag(ana(), tags, learned=LATER) if act == "tag" else profile.untag(ana(), tags)
    assert (error.value.field, error.value.rule) == ("tags", "type")
