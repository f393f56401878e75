"""Customers: the verbs, on every store, from registering to finding again."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from crmkit.crm import CRM
from crmkit.domain.customers.attributes import Attribute
from crmkit.domain.customers.contact_points import ContactPoint, PostalAddress
from crmkit.domain.customers.customer import Customer
from crmkit.domain.customers.facts import (
    ChannelPreference,
    Dependant,
    Identifier,
    ImportantDate,
    Interest,
    Liking,
    Provenance,
    SourceKind,
)
from crmkit.domain.customers.parties import Household, Organisation, Person
from crmkit.domain.words import Channel, Means
from crmkit.errors import Invalid, NotAllowed, NotFound, Refusal, Stale
from crmkit.kernel.ids import Ref
from crmkit.kernel.query import field
from crmkit.services.clock import VirtualClock
from crmkit.services.policy import DefaultPolicy

ATTRIBUTES = [
    Attribute("size", int),
    Attribute("vegan", bool),
    Attribute("height", Decimal),
    Attribute("joined", date),
    Attribute("seen", datetime),
    Attribute("fit", ("slim", "wide")),
    Attribute("motto", str),
]


@pytest.fixture
def crm(address: str, clock: VirtualClock) -> Iterator[CRM]:
    """A CRM whose host has declared some attributes, on an empty store, on the virtual clock."""
    policy = DefaultPolicy(portal_may=["customers.note", "customers.get"])
    with CRM.open(address, clock=clock, attributes=ATTRIBUTES, policy=policy, durability="normal") as opened:
        yield opened


def state(crm: CRM) -> tuple[list[Customer], int]:
    """All customers, and the length of the journal."""
    with crm.store.reader(crm.tenant_name) as reader:
        return list(crm.customers.find(order=["id"], limit=10_000)), len(reader.events(limit=10_000))


def full(crm: CRM) -> Customer:
    """Ana Reyes with one fact of each kind."""
    ana = crm.customers.register(
        Person("Ana María Reyes", born="--02-29", given="Ana", family="Reyes", title="Dr", pronouns="she/her"),
        id="shop-17",
        email="Ana@Example.com",
        phone="+63 917 555 0100",
        contacts=[
            ContactPoint(
                Means.POST, postal=PostalAddress(lines=("12 Rizal St",), city="Manila", country="PH"), primary=True
            ),
            ContactPoint(Means.SOCIAL, "@ana.reyes", network="mastodon", purposes={"home", "club"}),
        ],
        identifiers=[Identifier("card", "77-1")],
        attributes={
            "size": 42,
            "vegan": False,
            "height": Decimal("1.75"),
            "joined": date(2020, 2, 29),
            "seen": datetime(2026, 1, 1, 8, 59, 59, 999_999, tzinfo=UTC),
            "fit": "slim",
            "motto": "100 % =cmd|' /C calc'!A0",
        },
        tags=["vip", "50%_off"],
        language="pt-BR",
        zone="Asia/Manila",
        source="event",
        detail="trade fair",
    )
    return crm.customers.note(
        ana,
        ImportantDate("wedding", "2015-06"),
        Dependant("Lia", born="2010-03"),
        Interest("coffee"),
        Interest("queues", Liking.DISLIKES),
        ChannelPreference(Channel.PHONE, best_from="18:00", best_until="20:00"),
        source="conversation",
        detail="visit",
    )


# registration


def test_a_full_profile_is_stored_without_loss(crm: CRM) -> None:
    """What was registered and noted is read again as it was, to the byte and the type."""
    ana = full(crm)
    found = crm.customers.get("shop-17")
    assert found == ana
    assert found.version == 6
    assert {n: type(v) for n, v in found.attributes.items()} == {
        "size": int, "vegan": bool, "height": Decimal, "joined": date, "seen": datetime, "fit": str, "motto": str,
    }  # fmt: skip
    assert found.party == Person(
        "Ana María Reyes", born="--02-29", given="Ana", family="Reyes", title="Dr", pronouns="she/her"
    )
    assert len({c.id for c in found.contacts}) == 4
    assert found.dependants[0].id.startswith("dep_")


def test_a_registration_is_one_event_that_says_who_when_and_why(crm: CRM) -> None:
    """The journal has it under the customer, at the time from which it holds."""
    since = datetime(2020, 1, 1, tzinfo=UTC)
    ana = crm.acting_as("rep-lito").customers.register(
        Person("Ana"), since=since, reason="moved over from the old list"
    )
    with crm.store.reader("main") as reader:
        (recorded,) = reader.events(about=Ref("customer", ana.id))
    entry = recorded.entry
    assert (entry.type, entry.by, entry.reason, entry.verb) == (
        "customer.registered", "rep-lito", "moved over from the old list", "customers.register",
    )  # fmt: skip
    assert (entry.at, entry.recorded, entry.customer) == (since, datetime(2026, 1, 1, 9, tzinfo=UTC), ana.id)
    assert (ana.registered_at, ana.registered_by) == (since, "rep-lito")


def test_the_hosts_own_id_registers_once(crm: CRM) -> None:
    """The same again is answered with the customer there is; anything else of that id is refused."""
    ana = full(crm)
    bare = crm.customers.register(Person("Ben"), id="shop-18", email="ben@example.com", tags=["vip"])
    before = state(crm)
    assert crm.customers.register(Person("Ben"), id="shop-18", email="ben@example.com", tags=["vip"]) == bare
    for more, named in (
        ({"email": "other@example.com", "tags": ["vip"]}, "contacts"),
        ({"email": "ben@example.com"}, "tags"),
        ({"email": "ben@example.com", "tags": ["vip"], "language": "en"}, "language"),
    ):
        with pytest.raises(Refusal) as error:
            crm.customers.register(Person("Ben"), id="shop-18", **more)  # type: ignore[arg-type]
        assert (error.value.rule, error.value.subject) == ("customer.exists", "customer shop-18")
        assert error.value.reasons == (f"it is registered, and what is given differs in {named}",)
    assert state(crm) == before
    assert crm.customers.get("shop-17") == ana


def test_registering_twice_in_one_unit_is_once(crm: CRM) -> None:
    """The unit sees its own registration."""
    with crm.unit() as unit:
        first = unit.customers.register(Person("Ben"), id="shop-18")
        assert unit.customers.register(Person("Ben"), id="shop-18") is first
    assert state(crm)[1] == 1


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"party": "Ana"}, "CustomerRegistered.party", "type"),
    ({"id": "a/b"}, "id", "identifier"),
    ({"id": "../x"}, "id", "identifier"),
    ({"id": "x" * 300}, "id", "identifier"),
    ({"id": ""}, "id", "identifier"),
    ({"email": "a@b.c, d@e.f"}, "ContactPoint.address", "email"),
    ({"email": "a@b.de\r\nBcc: x@y.z"}, "ContactPoint.address", "line-break"),
    ({"email": ""}, "ContactPoint.address", "empty"),
    ({"phone": "5" * 5000}, "ContactPoint.address", "too-long"),
    ({"contacts": ["ana@example.com"]}, "contacts", "type"),
    ({"contacts": 5}, "contacts", "type"),
    ({"language": "!!"}, "Customer.language", "language"),
    ({"zone": "../../etc/passwd"}, "Customer.zone", "zone"),
    ({"tags": "vip"}, "tags", "type"),
    ({"tags": ["\ud800"]}, "CustomerRegistered.tags[0]", "surrogate"),
    ({"attributes": {"__class__": 1}}, "attributes", "unknown-attribute"),
    ({"attributes": {"size": 2**63}}, "attributes.size", "range"),
    ({"attributes": [("size", 1)]}, "attributes", "type"),
    ({"identifiers": [{"card": "77"}]}, "identifiers", "type"),
    ({"referrer": "x/y"}, "customer", "identifier"),
    ({"source": ""}, "Provenance.source", "empty"),
    ({"detail": "x" * 201}, "Provenance.detail", "too-long"),
    ({"since": datetime(2030, 1, 1, tzinfo=UTC)}, "since", "future"),
]


@pytest.mark.parametrize(("more", "name", "rule"), BAD, ids=[f"{b[1]}-{b[2]}-{i}" for i, b in enumerate(BAD)])
def test_bad_input_is_refused_and_changes_nothing(crm: CRM, more: dict[str, Any], name: str, rule: str) -> None:
    """A typed error names field and rule and not the value; records and journal stay as they were."""
    crm.customers.register(Person("Ben"))
    before = state(crm)
    given: dict[str, Any] = {"party": Person("Ana")} | more
    with pytest.raises(Invalid) as error:
        crm.customers.register(given.pop("party"), **given)
    assert (error.value.field, error.value.rule) == (name, rule)
    assert state(crm) == before


def test_references_to_customers_that_are_not_there_are_refused(crm: CRM) -> None:
    """A referrer and the members of a household are customers of this tenant."""
    other = crm.tenant("other").customers.register(Person("Zoe"), id="zoe")
    before = state(crm)
    for act in (
        lambda: crm.customers.register(Person("Ana"), referrer="nobody"),
        lambda: crm.customers.register(Person("Ana"), referrer=other),
        lambda: crm.customers.get(other),
        lambda: crm.customers.tag("nobody", "vip"),
        lambda: crm.customers.add_member(crm.customers.register(Household("X"), id="x"), "zoe"),
    ):
        with pytest.raises(NotFound):
            act()
    with pytest.raises(Invalid) as error:
        crm.customers.register(Household("Reyes", members=("zoe",)))
    assert error.value.rule == "unknown-member"
    assert state(crm)[0] == [*before[0], crm.customers.get("x")]


def test_where_customers_come_from_is_kept_and_counted(crm: CRM) -> None:
    """Source and referrer are columns to ask by; where nothing is said, it was the staff."""
    ana = crm.customers.register(Person("Ana"), source="event", detail="trade fair")
    ben = crm.customers.register(Person("Ben"), source=SourceKind.REFERRAL, referrer=ana)
    eve = crm.customers.register(Person("Eve"), source="horoscope")
    assert [c.name for c in crm.customers.find(field("referrer") == ana.id)] == ["Ben"]
    assert [crm.customers.count(field("source") == s) for s in ("event", "referral", "horoscope", "staff")] == [
        1,
        1,
        1,
        0,
    ]
    assert crm.customers.register(Person("Zoe")).source is SourceKind.STAFF
    assert crm.customers.provenance(ana, "party.name") == Provenance(
        at=ana.registered_at, by="host", source="event", detail="trade fair"
    )
    assert (ben.referrer, eve.source) == (ana.id, "horoscope")


# portal


def test_customers_in_a_portal_note_facts_about_themselves(crm: CRM) -> None:
    """What they say comes from the customer; they see themselves and nobody else."""
    ana, ben = crm.customers.register(Person("Ana"), id="ana"), crm.customers.register(Person("Ben"), id="ben")
    portal = crm.portal(ana)
    noted = portal.customers.note(ana, Interest("coffee"))
    told = crm.customers.provenance(noted, "interests.coffee")
    assert (told.source, told.by) == (SourceKind.CUSTOMER, "portal:ana")
    with pytest.raises(NotFound):
        portal.customers.get(ben)
    with pytest.raises(NotAllowed):
        portal.customers.tag(ana, "vip")
    assert [c.id for c in portal.customers.find()] == ["ana"]
    assert portal.customers.by_name("b") == ()


# the party


def test_an_anonymous_buyer_becomes_somebody(crm: CRM) -> None:
    """The kind of a customer can be asked for."""
    buyer = crm.customers.register(source="purchase")
    assert crm.customers.count(field("kind") == "anonymous") == 1
    ana = crm.customers.reveal(buyer, Person("Ana Reyes"), detail="at the till")
    assert crm.customers.get(buyer.id) == ana
    assert crm.customers.provenance(ana, "party.name").detail == "at the till"
    assert crm.customers.count(field("kind") == "anonymous") == 0
    with pytest.raises(Refusal):
        crm.customers.reveal(buyer, Person("Ana Reyes"))
    home = crm.customers.register()
    with pytest.raises(Invalid):
        crm.customers.reveal(home, Household("Reyes", members=("nobody",)))
    assert crm.customers.reveal(home, Household("Reyes", members=(ana.id,))).kind == "household"


def test_names_have_a_history_and_all_of_them_find_the_customer(crm: CRM, clock: VirtualClock) -> None:
    """The name at a moment can be asked for; the same name again changes nothing."""
    ana = crm.customers.register(Person("Ana Reyes"))
    clock.advance(timedelta(days=10))
    renamed = crm.customers.rename(ana, "Ana Cruz", family="Cruz", source="customer", reason="married")
    assert crm.customers.get(ana) == renamed
    assert crm.customers.rename(ana, "Ana Cruz").version == 2
    assert [c.id for c in crm.customers.by_name("reyes")] == [c.id for c in crm.customers.by_name("CRU")] == [ana.id]
    assert crm.customers.name_at(ana, ana.registered_at) == "Ana Reyes"
    assert crm.customers.name_at(ana, clock()) == "Ana Cruz"
    corrected = crm.customers.correct(ana, name="Anna Cruz", born="1990")
    assert (corrected.name, len(corrected.former_names), corrected.version) == ("Anna Cruz", 1, 3)
    with pytest.raises(Invalid) as error:
        crm.customers.correct(ana, birthday="1990")
    assert error.value.rule == "unknown-fact"


def test_households_hold_people_and_people_find_their_households(crm: CRM) -> None:
    """Membership is looked up in one query; nothing but a person gets in, so no circles can come about."""
    ana, ben = crm.customers.register(Person("Ana"), id="ana"), crm.customers.register(Person("Ben"), id="ben")
    home = crm.customers.register(Household("Reyes", members=("ana",)), id="home")
    club = crm.customers.register(Household("Club"), id="club")
    assert crm.customers.add_member(home, ben).version == 2
    assert crm.customers.add_member(home, ben).version == 2
    crm.customers.add_member(club, "ana")
    assert {h.id for h in crm.customers.households_of(ana)} == {"home", "club"}
    crm.customers.remove_member(home, ana)
    assert [h.id for h in crm.customers.households_of(ana)] == ["club"]
    assert crm.customers.remove_member(home, "nobody").version == 3
    before = state(crm)
    for member in (home, club, crm.customers.get("home")):
        with pytest.raises(Refusal) as error:
            crm.customers.add_member(home, member)
        assert error.value.rule == "household.people"
    with pytest.raises(Refusal):
        crm.customers.register(Household("Street", members=("home", "club")))
    assert state(crm) == before


# contact points


def test_contact_points_are_added_changed_verified_and_ended(crm: CRM, clock: VirtualClock) -> None:
    """Old and new addresses find the customer; the choice follows what is known of them."""
    ana = crm.customers.register(Person("Ana"), email="Ana@Example.com")
    old = ana.contacts[0]
    ana = crm.customers.add_contact(ana, ContactPoint(Means.EMAIL, "ana@work.example"), source="call")
    new = ana.contacts[1]
    assert new.id.startswith("ctp_")
    assert crm.customers.contact_for(ana, Means.EMAIL) == old
    crm.customers.verify_contact(ana, new)
    assert crm.customers.contact_for(ana, Means.EMAIL) == new
    ana = crm.customers.change_contact(ana, old.id, primary=True, label="private")
    chosen = crm.customers.contact_for(ana, Means.EMAIL)
    assert chosen is not None
    assert (chosen.id, chosen.label) == (old.id, "private")
    clock.advance(timedelta(days=1))
    ana = crm.customers.end_contact(ana, chosen)
    assert crm.customers.contact_for(ana, Means.EMAIL) == new
    assert crm.customers.end_contact(ana, chosen).version == ana.version
    assert [c.id for c in crm.customers.by_email("ana@example.com")] == [ana.id]
    with pytest.raises(Refusal) as error:
        crm.customers.add_contact(ana, ContactPoint(Means.EMAIL, "ANA@work.example"))
    assert error.value.instead == (f"change_contact({new.id!r})",)
    ana = crm.customers.forget(ana, f"contacts.{old.id}")
    assert (len(ana.contacts), crm.customers.by_email("ana@example.com")) == (1, ())
    assert [str(c.channel) for c in crm.customers.channel_choices(ana)] == ["email"]
    with pytest.raises(Invalid):
        crm.customers.add_contact(ana, "ana@example.com")  # type: ignore[arg-type]


def test_two_customers_may_share_an_address(crm: CRM) -> None:
    """A family mailbox is no mistake: both are found, by an address of any spelling and a number of any form."""
    for name in ("Ana", "Ben"):
        crm.customers.register(
            Person(name), id=name, email=f"{'Family' if name == 'Ana' else 'family'}@bücher.de", phone="0917 555 0100"
        )
    assert {c.id for c in crm.customers.by_email("FAMILY@xn--bcher-kva.de")} == {"Ana", "Ben"}
    assert {c.id for c in crm.customers.by_phone("(0917) 555-0100")} == {"Ana", "Ben"}
    assert crm.customers.by_phone("+63 917 555 0100") == ()
    assert crm.customers.by_email("a.b@bücher.de") == ()
    with pytest.raises(Invalid):
        crm.customers.by_email("nobody")


# facts


def test_facts_are_noted_verified_and_forgotten(crm: CRM, clock: VirtualClock) -> None:
    """Several in one call are one commit; each keeps where it was learned."""
    ana = full(crm)
    assert crm.customers.provenance(ana, "interests.queues").source == "conversation"
    assert [c.id for c in crm.customers.find(field("dislikes") == "queues")] == ["shop-17"]
    assert crm.customers.find(field("likes") == "queues").items == ()
    clock.advance(timedelta(days=30))
    verified = crm.customers.verify(ana, "party.born", "interests.coffee", reason="asked her")
    assert crm.customers.facts(verified)["party.born"].verified_at == clock()
    old = crm.customers.facts_older_than(ana, clock())
    assert "party.name" in old
    assert "party.born" not in old
    assert "interests.coffee" not in old
    gone = crm.customers.forget(ana, "interests.coffee", "dates.wedding")
    assert (gone.dates, [i.topic for i in gone.interests]) == ((), ["queues"])
    before = state(crm)
    with pytest.raises(Invalid):
        crm.customers.forget(ana, "interests.queues", "dates.wedding")
    with pytest.raises(Invalid):
        crm.customers.note(ana, Interest("tea"), Dependant("Tia", born="2027"))
    assert state(crm) == before
    same = crm.customers.note(gone, Interest("queues", Liking.DISLIKES))
    assert same.version == gone.version


def test_a_dependant_is_changed_by_its_id(crm: CRM) -> None:
    """Without an id it is another child."""
    ana = crm.customers.note(crm.customers.register(Person("Ana")), Dependant("Lia"))
    lia = ana.dependants[0]
    ana = crm.customers.note(ana, Dependant("Lia", born="2010-03-04", id=lia.id), Dependant("Tia", relation="mother"))
    assert [(d.name, str(d.born), d.relation) for d in ana.dependants] == [
        ("Lia", "2010-03-04", "child"),
        ("Tia", "None", "mother"),
    ]


def test_an_identifier_belongs_to_one_customer(crm: CRM) -> None:
    """It finds them exactly, and nobody else gets it, neither later nor at the registration."""
    ana = crm.customers.register(Person("Ana"), identifiers=[Identifier("card", "77-1")])
    ben = crm.customers.note(
        crm.customers.register(Person("Ben")), Identifier("card", "77-2"), Identifier("vat", "77-1")
    )
    assert crm.customers.note(ana, Identifier("card", "77-1")).version == 1
    before = state(crm)
    for act in (
        lambda: crm.customers.note(ben, Identifier("card", "77-1")),
        lambda: crm.customers.register(Person("Eve"), identifiers=[Identifier("card", "77-1")]),
    ):
        with pytest.raises(Refusal) as error:
            act()
        assert error.value.rule == "identifier.taken"
        assert "77-1" not in str(error.value)
    assert state(crm) == before
    found = [crm.customers.by_identifier(*which) for which in (("card", "77-1"), ("vat", "77-1"), ("card", "77"))]
    assert [c.name if c else None for c in found] == ["Ana", "Ben", None]
    crm.customers.forget(ana, "identifiers.card:77-1")
    assert crm.customers.note(ben, Identifier("card", "77-1")).identifiers[-1].value == "77-1"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (field("attributes.size") >= 42, True),
        (field("attributes.size") > 42, False),
        (field("attributes.size").in_([1, 42]), True),
        (field("attributes.size") != 42, False),
        (field("attributes.size") == None, False),  # noqa: E711 - the query language's own
        (field("attributes.vegan") == False, True),  # noqa: E712 - the query language's own
        (field("attributes.height") < Decimal("1.750001"), True),
        (field("attributes.height") == Decimal("1.75"), True),
        (field("attributes.joined") <= date(2020, 2, 29), True),
        (field("attributes.seen") < datetime(2026, 1, 1, 9, tzinfo=UTC), True),
        (field("attributes.fit") == "slim", True),
        (field("attributes.motto").prefix("100 %"), True),
        (field("attributes.motto").prefix("100 x"), False),
        (field("tag").has("50%_off"), True),
        (field("tag").has("50xxoff"), False),
        (field("tag").prefix("50%"), True),
        (field("email") == "ANA@example.com", True),
        (field("phone") == "+63 (917) 555-0100", True),
        (field("social") == "ANA.reyes", True),
        (field("likes") == "Coffee", True),
        (field("name").prefix("maría"), True),
        (field("language") == "pt-BR", True),
        ((field("kind") == "person") & (field("attributes.size") == 42) & ~field("tag").has("x"), True),
    ],
)
def test_customers_are_found_by_any_fact(crm: CRM, where: Any, found: bool) -> None:
    """Every store answers alike, with values in the types that the host has declared."""
    full(crm)
    assert [c.id for c in crm.customers.find(where)] == (["shop-17"] if found else [])
    assert crm.customers.count(where) == int(found)


@pytest.mark.parametrize(
    ("where", "rule"),
    [
        (field("attributes.size") == "42", "type"),
        (field("attributes.size") == True, "type"),  # noqa: E712 - the query language's own
        (field("attributes.fit") == "huge", "word"),
        (field("attributes.sise") == 42, "unknown-field"),
        (field("attributes.__class__") == 42, "unknown-field"),
        (field("party") == "Ana", "unknown-field"),
    ],
)
def test_questions_that_make_no_sense_are_refused(crm: CRM, where: Any, rule: str) -> None:
    """A wrong type or name is told before any store is asked."""
    with pytest.raises(Invalid) as error:
        crm.customers.find(where)
    assert error.value.rule == rule


def test_attributes_and_tags_change_by_themselves(crm: CRM) -> None:
    """What is found follows what is set; the same again makes no event."""
    ana = crm.customers.register(Person("Ana"), id="ana")
    ana = crm.customers.set_attributes(ana, {"size": 40, "vegan": True})
    assert crm.customers.set_attributes(ana, {"size": 40}).version == 2
    crm.customers.set_attributes(ana, {"size": 41, "vegan": None})
    assert [crm.customers.count(field("attributes.size") == s) for s in (40, 41)] == [0, 1]
    assert crm.customers.count(field("attributes.vegan") == None) == 1  # noqa: E711 - the query language's own
    crm.customers.tag(ana, "a", "b")
    assert crm.customers.tag(ana, "a").version == 4
    assert crm.customers.untag(ana, "a", "x").tags == {"b"}
    assert crm.customers.set_locale(ana, language="en", zone="Asia/Manila").zone == "Asia/Manila"
    assert crm.customers.set_locale(ana, zone="").language == "en"
    assert crm.customers.set_locale(ana, zone="").version == 7
    assert crm.customers.doubts(crm.customers.correct(ana, born="1800-01-01")) != ()


def test_what_callers_change_later_has_no_effect(crm: CRM) -> None:
    """Mutable containers are copied when they are given."""
    values: dict[str, object] = {"size": 42}
    tags = ["vip"]
    ana = crm.customers.register(Person("Ana"), attributes=values, tags=tags)
    values["size"] = 1
    tags.append("x")
    assert (dict(ana.attributes), crm.customers.get(ana).tags) == ({"size": 42}, {"vip"})


# lists


def test_customers_are_listed_in_pages_by_name(crm: CRM) -> None:
    """Family name first, whatever case; a cursor leads through all of them, each once."""
    for number, name in enumerate(["ben Cruz", "Ana Reyes", "Élodie Ñu", "zoe Abad", "Acme"]):
        first, _, last = name.partition(" ")
        party = Person(name, given=first, family=last) if last else Organisation(name)
        crm.customers.register(party, id=f"c{number}")
    names, after = [], None
    while True:
        page = crm.customers.find(order=["sort_name"], limit=2, after=after)
        names += [c.name for c in page]
        if (after := page.next) is None:
            break
    assert names == ["zoe Abad", "Acme", "ben Cruz", "Ana Reyes", "Élodie Ñu"]
    assert [c.name for c in crm.customers.by_name("A")] == ["zoe Abad", "Acme", "Ana Reyes"]
    assert [c.name for c in crm.customers.by_name("a", limit=1)] == ["zoe Abad"]
    assert [c.name for c in crm.customers.by_name("e\u0301lo")] == ["Élodie Ñu"]
    assert crm.customers.by_name("%") == ()
    for nothing in ("", "  "):
        with pytest.raises(Invalid) as error:
            crm.customers.by_name(nothing)
        assert error.value.rule == "empty"


def test_a_customer_is_acted_on_as_it_is_now(crm: CRM) -> None:
    """Whatever copy the caller holds; who insists on their copy is told that it is stale."""
    ana = crm.customers.register(Person("Ana"))
    crm.customers.tag(ana, "a")
    assert crm.customers.tag(ana, "b").tags == {"a", "b"}
    with pytest.raises(Stale):
        crm.expecting(ana).customers.tag(ana, "c")
    assert crm.customers.get(ana).tags == {"a", "b"}


def test_several_verbs_make_one_commit_or_none(crm: CRM) -> None:
    """In a unit that fails nothing stays."""
    before = state(crm)
    with pytest.raises(Invalid), crm.unit() as unit:  # noqa: PT012 - the unit is what is tested
        ana = unit.customers.register(Person("Ana"), email="ana@example.com")
        assert [c.id for c in unit.customers.by_email("ana@example.com")] == [ana.id]
        unit.customers.tag(ana, "vip")
        unit.customers.forget(ana, "interests.none")
    assert state(crm) == before
