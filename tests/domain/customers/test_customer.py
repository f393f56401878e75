"""Customers: registration, names and their history, corrections, language and zone, search keys."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.domain.customers import customer as customers
from crmkit.domain.customers.attributes import Attribute, declared
from crmkit.domain.customers.contact_points import ContactPoint
from crmkit.domain.customers.customer import Customer, CustomerRegistered, CustomerRenamed, LocaleChanged, PartyChanged
from crmkit.domain.customers.facts import Identifier, Interest, Provenance, SourceKind
from crmkit.domain.customers.parties import Household, Organisation, Person
from crmkit.domain.customers.profile import note, provenance
from crmkit.domain.words import Means
from crmkit.errors import Invalid, Refusal
from crmkit.kernel.codec import decode, decode_event, encode, encode_event

DAY = datetime(2026, 3, 1, 9, tzinfo=UTC)
TOLD = Provenance(at=DAY, by="rep-lito", source=SourceKind.EVENT, detail="trade fair")
LATER = Provenance(at=DAY + timedelta(days=9), by="rep-mia", source="call", detail="int_7")


def ana(**more: Any) -> Customer:
    """Ana Reyes, as registered at the trade fair."""
    return customers.register(Person("Ana Reyes", born="1990-05-01"), id="cus_1", learned=TOLD, **more).record


# registration


def test_a_registration_tells_all_that_was_said_in_one_event() -> None:
    """The event's fields are the record's, and what follows from the party is set beside."""
    contact = ContactPoint(Means.EMAIL, "ana@example.com", id="ctp_1")
    made = customers.register(
        Person("Ana Reyes"),
        id="cus_1",
        learned=TOLD,
        contacts=[contact],
        identifiers=[Identifier("card", "77"), Identifier("card", "77"), Identifier("card", "78")],
        attributes={"size": 42},
        known=declared([Attribute("size", int)]),
        tags=["vip", "vip"],
        language="pt-BR",
        zone="America/Sao_Paulo",
        referrer="cus_0",
        since=DAY - timedelta(days=100),
    )
    assert made.before is None
    assert made.event == CustomerRegistered(
        party=Person("Ana Reyes"),
        registered_at=DAY - timedelta(days=100),
        registered_by="rep-lito",
        source=SourceKind.EVENT,
        source_detail="trade fair",
        referrer="cus_0",
        language="pt-BR",
        zone="America/Sao_Paulo",
        contacts=(contact,),
        identifiers=(Identifier("card", "77"), Identifier("card", "78")),
        attributes={"size": 42},
        tags=frozenset({"vip"}),
    )
    customer = made.record
    assert (customer.name, customer.kind, customer.sort_name, customer.version) == (
        "Ana Reyes",
        "person",
        "ana reyes",
        1,
    )
    assert (customer.is_anonymous, customer.contact("ctp_1"), dict(customer.learned)) == (False, contact, {})


def test_an_anonymous_buyer_has_no_name_and_needs_no_attributes() -> None:
    """Nobody in particular is a customer too, and is not asked for what the host requires of the others."""
    known = declared([Attribute("region", str, required=True)])
    buyer = customers.register(None, id="cus_2", learned=TOLD, known=known).record
    assert (buyer.is_anonymous, buyer.kind, buyer.name, buyer.sort_name) == (True, "anonymous", "", "")
    with pytest.raises(Invalid) as error:
        customers.register(Person("Ana"), id="cus_3", learned=TOLD, known=known)
    assert (error.value.field, error.value.rule) == ("attributes.region", "required")


@pytest.mark.parametrize(
    ("more", "field", "rule"),
    [
        ({"language": "portuguese!"}, "Customer.language", "language"),
        ({"zone": "../../etc/passwd"}, "Customer.zone", "zone"),
        ({"zone": "EST5EDT4,M3"}, "Customer.zone", "zone"),
        ({"language": 5}, "CustomerRegistered.language", "type"),
        ({"referrer": "cus_1"}, "referrer", "self-reference"),
        ({"referrer": "../x"}, "CustomerRegistered.referrer", "identifier"),
        ({"tags": "vip"}, "tags", "type"),
        ({"tags": [5]}, "tags", "type"),
        ({"tags": [["vip"]]}, "tags", "type"),
        ({"tags": 5}, "tags", "type"),
        ({"tags": [" vip"]}, "CustomerRegistered.tags[0]", "space"),
        ({"contacts": ["ana@example.com"]}, "contacts", "type"),
        ({"contacts": [ContactPoint(Means.EMAIL, "ana@example.com")]}, "ContactPoint.id", "identifier"),
        ({"identifiers": [("card", "77")]}, "identifiers", "type"),
        ({"attributes": {"size": 5}}, "attributes", "unknown-attribute"),
        ({"since": DAY + timedelta(days=1)}, "since", "future"),
        ({"since": datetime(2026, 3, 1)}, "since", "naive"),  # noqa: DTZ001 - the naive one is the point
    ],
)
def test_what_cannot_be_is_refused_at_registration(more: dict[str, Any], field: str, rule: str) -> None:
    """Each refusal names the field and the rule."""
    with pytest.raises(Invalid) as error:
        ana(**more)
    assert (error.value.field, error.value.rule) == (field, rule)


@pytest.mark.parametrize("party", ["Ana Reyes", 5, {"name": "Ana"}, [Person("Ana")]])
def test_only_a_party_can_become_a_customer(party: Any) -> None:
    """A bare name could be a person's or a company's; it is refused."""
    with pytest.raises(Invalid) as error:
        customers.register(party, id="cus_1", learned=TOLD)
    assert (error.value.field, error.value.rule) == ("CustomerRegistered.party", "type")


@pytest.mark.parametrize("id", ["", "a/b", "..", "a|b", "x" * 300, "-a", None, 5])
def test_ids_that_cannot_be_are_refused(id: Any) -> None:  # noqa: A002 - the field's own word
    """The rule for ids of the host's own is that for all ids."""
    with pytest.raises(Invalid) as error:
        customers.register(Person("Ana"), id=id, learned=TOLD)
    assert error.value.rule == "identifier"


def test_the_same_contact_twice_is_refused() -> None:
    """A registration does not name one address twice, however it is spelt."""
    twice = [ContactPoint(Means.EMAIL, "a@b.de", id="c1"), ContactPoint(Means.EMAIL, "A@B.de", id="c2")]
    with pytest.raises(Refusal) as error:
        ana(contacts=twice)
    assert error.value.rule == "contact.duplicate"


@pytest.mark.parametrize(
    ("born", "zone", "possible"),
    [
        ("2026-03-01", "", True),
        ("2026-03-02", "", False),
        ("2026-03-02", "Pacific/Kiritimati", False),
        ("2026-03", "", True),
        ("2026-04", "", False),
        ("2027", "", False),
        ("--12-31", "", True),
        ("1876-03-01", "", True),
    ],
)
def test_nobody_is_born_tomorrow(born: str, zone: str, possible: bool) -> None:
    """A birthday that is still to come in the customer's zone is refused, as far as it is known."""
    made = Person("Ana", born=born)
    if possible:
        assert customers.register(made, id="cus_1", learned=TOLD, zone=zone).record.party == made
        return
    with pytest.raises(Invalid) as error:
        customers.register(made, id="cus_1", learned=TOLD, zone=zone)
    assert (error.value.field, error.value.rule) == ("Person.born", "future")


def test_the_day_is_the_customers_own() -> None:
    """At ten in the evening UTC it is tomorrow in Kiritimati, and a child may be born there."""
    late = Provenance(at=DAY.replace(hour=22), by="rep-lito")
    born = Person("Tia", born="2026-03-02")
    assert customers.register(born, id="c", learned=late, zone="Pacific/Kiritimati").record.party == born
    with pytest.raises(Invalid):
        customers.register(born, id="c", learned=late)


# revealing, renaming, correcting


def test_an_anonymous_customer_can_be_revealed_once() -> None:
    """Who was nobody becomes somebody, with the provenance of that moment; somebody stays who he is."""
    buyer = customers.register(None, id="cus_2", learned=TOLD).record
    done = customers.reveal(buyer, Organisation("Acme", legal_form="GmbH"), learned=LATER)
    assert isinstance(done.event, PartyChanged)
    assert done.event.facts == ("party.name", "party.legal_form")
    assert (done.record.kind, done.record.sort_name, done.record.version) == ("organisation", "acme", 2)
    assert provenance(done.record, "party.legal_form") == LATER
    with pytest.raises(Refusal) as error:
        customers.reveal(done.record, Person("Ana"), learned=LATER)
    assert (error.value.rule, error.value.instead) == ("customer.known", ("rename", "correct"))
    with pytest.raises(Invalid) as future:
        customers.reveal(buyer, Person("Ana", born="2027"), learned=LATER)
    assert future.value.rule == "future"


def test_renaming_keeps_the_earlier_names_with_from_and_until() -> None:
    """Each former name ends where the next begins, the first begins at the registration."""
    once = customers.rename(ana(), "Ana Cruz", family="Cruz", learned=LATER)
    assert once is not None
    assert isinstance(once.event, CustomerRenamed)
    last = Provenance(at=LATER.at + timedelta(days=5), by="web")
    twice = customers.rename(once.record, "Ana Diaz", as_of=LATER.at + timedelta(days=2), learned=last)
    assert twice is not None
    names = [(f.name, f.valid_from, f.valid_until) for f in twice.record.former_names]
    assert names == [
        ("Ana Reyes", DAY, LATER.at),
        ("Ana Cruz", LATER.at, LATER.at + timedelta(days=2)),
    ]
    assert twice.record.party == Person("Ana Diaz", born="1990-05-01")
    assert provenance(once.record, "party.family") == LATER
    assert dict(twice.record.learned) == {"party.name": last}
    told = [(customers.name_at(twice.record, at)) for at in (DAY - timedelta(days=1), DAY, LATER.at, last.at)]
    assert told == ["Ana Reyes", "Ana Reyes", "Ana Cruz", "Ana Diaz"]
    assert [k for n, k in customers.search_keys(twice.record) if n == "name"] == [
        "ana diaz", "diaz", "ana reyes", "reyes", "ana cruz", "cruz",
    ]  # fmt: skip


def test_the_same_name_changes_nothing_and_new_parts_of_it_are_a_correction() -> None:
    """There is no history without another name, and parts that are known already do not get lost."""
    assert customers.rename(ana(), "Ana Reyes", learned=LATER) is None
    told = customers.rename(ana(), "Ana Reyes", family="Reyes", learned=LATER)
    assert told is not None
    assert isinstance(told.event, PartyChanged)
    assert (told.record.former_names, told.record.sort_name) == ((), "reyes")
    assert customers.rename(told.record, "Ana Reyes", learned=LATER) is None


@pytest.mark.parametrize("as_of", [DAY - timedelta.resolution, LATER.at + timedelta.resolution])
def test_a_name_cannot_end_before_it_began_or_after_now(as_of: datetime) -> None:
    """Names follow each other, and what is to come is not recorded."""
    with pytest.raises(Invalid) as error:
        customers.rename(ana(), "Ana Cruz", as_of=as_of, learned=LATER)
    assert error.value.rule == "out-of-order"


def test_only_people_have_parts_of_names() -> None:
    """An organisation is renamed, but has no family name; a renamed one keeps its other facts."""
    acme = customers.register(Organisation("Acme", legal_form="GmbH"), id="cus_1", learned=TOLD).record
    renamed = customers.rename(acme, "Apex", learned=LATER)
    assert renamed is not None
    assert renamed.record.party == Organisation("Apex", legal_form="GmbH")
    with pytest.raises(Invalid) as error:
        customers.rename(acme, "Apex", family="Apex", learned=LATER)
    assert error.value.rule == "unknown-fact"


def test_corrections_name_what_they_touched() -> None:
    """Only the facts that differ are told, and only these get a new provenance."""
    done = customers.correct(ana(), {"name": "Anna Reyes", "born": "1990-05-01", "title": "Dr"}, learned=LATER)
    assert done is not None
    assert isinstance(done.event, PartyChanged)
    assert done.event.facts == ("party.name", "party.title")
    assert (done.record.former_names, done.record.sort_name) == ((), "anna reyes")
    assert provenance(done.record, "party.born").at == DAY
    assert customers.correct(done.record, {"title": "Dr"}, learned=LATER) is None
    gone = customers.correct(done.record, {"title": ""}, learned=LATER)
    assert gone is not None
    assert set(gone.record.learned) == {"party.name"}


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"birthday": "1990"}, "unknown-fact"),
        ({"born": "2027"}, "future"),
        ({"born": "soon"}, "date"),
        ({"name": ""}, "empty"),
        ({"__class__": "x"}, "unknown-fact"),
    ],
)
def test_corrections_that_cannot_be_are_refused(facts: dict[str, Any], rule: str) -> None:
    """The customer keeps what was known."""
    with pytest.raises(Invalid) as error:
        customers.correct(ana(), facts, learned=LATER)
    assert error.value.rule == rule


def test_members_are_no_matter_of_correction() -> None:
    """A household's members have rules of their own."""
    home = customers.register(Household("Reyes"), id="cus_1", learned=TOLD).record
    with pytest.raises(Invalid) as error:
        customers.correct(home, {"members": ("cus_9",)}, learned=LATER)
    assert error.value.rule == "unknown-fact"


@pytest.mark.parametrize("act", [customers.rename, customers.correct])
def test_nobody_has_no_name_to_change(act: Any) -> None:
    """An anonymous customer is revealed first, and the refusal says so."""
    buyer = customers.register(None, id="cus_2", learned=TOLD).record
    with pytest.raises(Refusal) as error:
        act(buyer, "Ana" if act is customers.rename else {"name": "Ana"}, learned=LATER)
    assert (error.value.rule, error.value.instead) == ("customer.anonymous", ("reveal",))


# language and zone


def test_language_and_zone_are_set_and_taken_away_each_for_itself() -> None:
    """What is not named stays, the empty text takes away, and the same again changes nothing."""
    done = customers.set_locale(ana(language="en"), zone="Asia/Manila", learned=LATER)
    assert done is not None
    assert done.event == LocaleChanged(language="en", zone="Asia/Manila", learned={"zone": LATER})
    assert customers.set_locale(done.record, language="en", zone="Asia/Manila", learned=LATER) is None
    gone = customers.set_locale(done.record, zone="", learned=LATER)
    assert gone is not None
    assert (gone.record.language, gone.record.zone, dict(gone.record.learned)) == ("en", "", {})
    for bad in ({"language": "!!"}, {"zone": "Mars/Olympus"}):
        with pytest.raises(Invalid):
            customers.set_locale(done.record, learned=LATER, **bad)


# questions


def test_who_is_older_than_anybody_was_is_doubted() -> None:
    """150 years ago is kept and doubted; an age that cannot be told is not."""
    old = customers.register(Person("Ana", born="1876-03-01"), id="cus_1", learned=TOLD).record
    assert customers.doubts(old, at=DAY) == (
        "party.born makes an age of 150 years, more than the 122 that are documented of anybody",
    )
    at_122 = customers.register(Person("Ana", born="1904-03-01"), id="cus_1", learned=TOLD).record
    assert customers.doubts(at_122, at=DAY) == ()
    assert customers.doubts(at_122, at=datetime(2027, 3, 1, tzinfo=UTC)) != ()
    for party in (Person("Ana", born="--05-01"), Person("Ana"), Organisation("Acme", founded="1876"), None):
        assert customers.doubts(customers.register(party, id="c", learned=TOLD).record, at=DAY) == ()


def test_a_customer_is_found_by_all_that_is_known() -> None:
    """Names, addresses, identifiers, likes, tags, members and attributes, each as its key."""
    contact = ContactPoint(Means.EMAIL, "Ana@Example.com", id="c1")
    full = ana(
        contacts=[contact],
        identifiers=[Identifier("card", "Ab 7")],
        tags=["50% off"],
        attributes={"size": 42},
        known=declared([Attribute("size", int)]),
    )
    liked = note(full, Interest("\uff23offee", "dislikes"), learned=LATER)
    assert liked is not None
    assert customers.search_keys(liked.record) == [
        ("name", "ana reyes"),
        ("name", "reyes"),
        ("email", "ana@example.com"),
        ("identifier", "card:Ab 7"),
        ("dislikes", "coffee"),
        ("tag", "50% off"),
        ("attributes.size", 42),
    ]
    home = customers.register(Household("Reyes", members=("cus_1",)), id="cus_2", learned=TOLD).record
    assert customers.search_keys(home) == [("name", "reyes"), ("member", "cus_1")]


def test_a_draft_is_compared_by_what_was_said() -> None:
    """Ids of contact points, the time and the actor of the registration make no difference."""
    contact = ContactPoint(Means.EMAIL, "ana@example.com", id="c1")
    again = ContactPoint(Means.EMAIL, "ana@example.com", id="c2")
    other = customers.register(
        Person("Ana Reyes", born="1990-05-01"),
        id="cus_1",
        learned=Provenance(at=LATER.at, by="x", source=SourceKind.EVENT, detail="trade fair"),
        contacts=[again],
    ).record
    assert customers.differences(ana(contacts=[contact]), other) == ()
    assert customers.differences(ana(tags=["vip"]), other) == ("contacts", "tags")


def test_queries_may_be_asked_with_values_as_people_write_them() -> None:
    """The check of a search key folds what it is given, as the key was folded."""
    typed = customers.typed_keys(declared([Attribute("size", int)]))
    asked = {"email": "A@B.de", "phone": "+63 917 555-0100", "name": "Ana  REYES", "likes": "Coffee", "chat": "@Ana"}
    assert [typed[n](n, v) for n, v in asked.items()] == [
        "a@b.de", "+639175550100", "ana reyes", "coffee", "ana",
    ]  # fmt: skip
    assert typed["attributes.size"]("attributes.size", 42) == 42
    for name in ("email", "phone", "name"):
        with pytest.raises(Invalid):
            typed[name](name, 5)


def test_an_unknown_contact_point_is_refused() -> None:
    """The error names the customer, and not the address."""
    with pytest.raises(Invalid) as error:
        ana().contact("ctp_9")
    assert error.value.rule == "unknown-contact"


def test_a_customer_tells_nothing_personal_by_accident() -> None:
    """The representation masks what is personal, in the record and in its events."""
    made = customers.register(Person("Ana Reyes"), id="cus_1", learned=TOLD, tags=["secret"])
    for shown in (repr(made.record), repr(made.event)):
        assert "Reyes" not in shown
        assert "secret" not in shown
        assert "trade fair" not in shown


# laws

TEXT = st.text(min_size=1, max_size=20, alphabet=st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"]))
PARTIES = st.one_of(
    st.none(),
    st.builds(Person, TEXT, born=st.dates(date(1850, 1, 1), date(2026, 1, 1)) | st.none(), family=TEXT | st.just("")),
    st.builds(Organisation, TEXT, legal_form=TEXT | st.just("")),
    st.builds(Household, TEXT, members=st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True), unique=True, max_size=4)),
)


@given(PARTIES, st.frozensets(TEXT, max_size=3), st.lists(st.builds(Interest, TEXT), max_size=3))
def test_customers_and_their_events_survive_storage(
    party: Any, tags: frozenset[str], interests: list[Interest]
) -> None:
    """What is stored and read again is the same, record and event alike."""
    made = customers.register(party, id="cus_1", learned=TOLD, tags=tags)
    changes = [made]
    for interest in interests:
        if (noted := note(changes[-1].record, interest, learned=LATER)) is not None:
            changes.append(noted)
    for each in changes:
        record, told = each.record, each.event
        assert decode(Customer.__kind__, encode(record), version=record.version, schema=1) == record
        assert decode_event(type(told).__event__.name, *encode_event(told), schema=1) == told
