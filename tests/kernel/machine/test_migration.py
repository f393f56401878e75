"""Migration: stored states of old versions, one by one and in bulk."""

from enum import StrEnum

import pytest
from tests.kernel.machine.lifecycles import CASE, RELATIONSHIP, START, Facts, Signal, Stage

from crmkit.errors import DefinitionError, GuardFailed
from crmkit.kernel.machine import days, edge
from crmkit.kernel.machine.migration import Migrated, Migration, Stored, Unmigrated, Versions, choose

NOW = START + days(500)
CURRENT = RELATIONSHIP.extend(version=3)


def buyer_or_not(facts):
    return Stage.EXPANSION if facts.purchases else Stage.AWARENESS


TO_TWO = Migration(
    1, 2, {"prospect": Stage.EXPLORATION, "lapsed": choose(buyer_or_not, Stage.EXPANSION, Stage.AWARENESS)}
)
TO_THREE = Migration(2, 3, {"hibernation": Stage.DISSOLUTION}, since="now")
STATES_1 = ["prospect", "awareness", "lapsed", "hibernation"]
STATES_2 = [*Stage, "hibernation"]
VERSIONS = Versions(CURRENT, old={1: STATES_1, 2: STATES_2}, migrations=[TO_TWO, TO_THREE])


def migrated(state, version, facts=None, versions=VERSIONS):
    return versions.migrate(state, version, START, facts or Facts(), now=NOW)


@pytest.mark.parametrize(
    ("state", "version", "facts", "found"),
    [
        ("awareness", 3, None, Migrated(Stage.AWARENESS, START, 3)),
        ("awareness", "3", None, Migrated(Stage.AWARENESS, START, 3)),
        ("awareness", 2, None, Migrated(Stage.AWARENESS, NOW, 3, ((2, "awareness"),))),
        ("hibernation", 2, None, Migrated(Stage.DISSOLUTION, NOW, 3, ((2, "hibernation"),))),
        ("prospect", 1, None, Migrated(Stage.EXPLORATION, NOW, 3, ((1, "prospect"), (2, "exploration")))),
        ("hibernation", 1, None, Migrated(Stage.DISSOLUTION, NOW, 3, ((1, "hibernation"), (2, "hibernation")))),
        ("lapsed", 1, Facts(), Migrated(Stage.AWARENESS, NOW, 3, ((1, "lapsed"), (2, "awareness")))),
        ("lapsed", 1, Facts(purchases=1), Migrated(Stage.EXPANSION, NOW, 3, ((1, "lapsed"), (2, "expansion")))),
    ],
)
def test_a_stored_state_comes_to_the_current_version(state, version, facts, found):
    """Through every version between, with the timers kept or begun anew as each migration says."""
    there = migrated(state, version, facts)
    assert there == found
    assert type(there.state) is Stage


def test_timers_are_kept_unless_a_migration_begins_them_anew():
    """A new version alone does not move a deadline."""
    known = Versions(CURRENT, old={1: STATES_2}, migrations=[Migration(1, 3, {"hibernation": Stage.DISSOLUTION})])
    assert migrated("awareness", 1, versions=known).since == START


def test_a_version_without_a_migration_goes_straight_to_the_current_one():
    """If it has no state that is gone, nobody has to write anything."""
    known = Versions(CURRENT, old={1: RELATIONSHIP, 2: ["awareness"]})
    assert migrated("commitment", 1, versions=known) == Migrated(Stage.COMMITMENT, START, 3, ((1, "commitment"),))


@pytest.mark.parametrize(
    ("state", "version", "text"),
    [
        ("paradise", 3, "relationship: state 'paradise' of version 3: unknown state"),
        ("prospect", 3, "relationship: state 'prospect' of version 3: unknown state"),
        ("paradise", 1, "relationship: state 'paradise' of version 1: unknown state"),
        ("awareness", 4, "relationship: state 'awareness' of version 4: unknown version"),
    ],
)
def test_what_cannot_be_understood_is_a_value(state, version, text):
    """A list of records is read to its end."""
    found = migrated(state, version)
    assert isinstance(found, Unmigrated)
    assert str(found) == text


def test_a_choice_keeps_to_its_targets():
    """An answer that was not declared is a value; a failure is an error with a name."""
    wrong = Migration(1, 3, {"prospect": choose(buyer_or_not, Stage.COMMITMENT)})
    known = Versions(CURRENT, old={1: ["prospect"]}, migrations=[wrong])
    assert str(migrated("prospect", 1, versions=known)) == "relationship: state 'prospect' of version 1: no such target"

    def fails(_facts):
        raise ValueError

    known = Versions(
        CURRENT, old={1: ["prospect"]}, migrations=[Migration(1, 3, {"prospect": choose(fails, Stage.AWARENESS)})]
    )
    with pytest.raises(GuardFailed) as caught:
        migrated("prospect", 1, versions=known)
    assert str(caught.value) == "relationship: the guard 'fails' of 'migration 1 to 3 of prospect' raised ValueError"


@pytest.mark.parametrize(
    ("old", "migrations", "problem"),
    [
        ({1: STATES_1}, [], "migration 1 to 3: hibernation is gone, and is sent nowhere"),
        ({1: STATES_1, 2: STATES_2}, [TO_TWO], "migration 2 to 3: hibernation is gone, and is sent nowhere"),
        ({1: ["open"]}, [Migration(1, 3, {"lost": Stage.AWARENESS})], "migration 1 to 3: version 1 has no state lost"),
        ({1: ["open"]}, [Migration(1, 3, {"open": Signal.COOL})], "migration 1 to 3: version 3 has no state cool"),
        (
            {1: ["prospect"]},
            [Migration(1, 3, {"prospect": choose(buyer_or_not, Stage.AWARENESS, Signal.COOL)})],
            "migration 1 to 3: version 3 has no state cool",
        ),
        ({1: ["prospect"]}, [Migration(1, 3, {"prospect": choose(buyer_or_not)})],
         "migration 1 to 3: the choice for prospect names no targets"),
        ({1: ["awareness"]}, [Migration(1, 2)], "migration 1 to 2: version 2 is not known"),
        ({1: ["awareness"]}, [Migration(0, 3)], "migration 0 to 3: version 0 is not known"),
        ({1: ["awareness"]}, [Migration(1, 3), Migration(1, 3)], "2 migrations from version 1"),
        ({3: ["awareness"]}, [], "version 3 is current, and cannot be old as well"),
        ({1: ["awareness"]}, [Migration(3, 1)], "version 3 is current, and cannot be old as well"),
        (
            {1: ["awareness"], 2: ["awareness"]},
            [Migration(1, 2), Migration(2, 1)],
            "migration 1 to 2: goes round and never comes to version 3",
        ),
    ],
)  # fmt: skip
def test_a_migration_that_would_lose_a_state_is_refused(old, migrations, problem):
    """When it is made, with everything that is wrong with it."""
    with pytest.raises(DefinitionError) as caught:
        Versions(CURRENT, old=old, migrations=migrations)
    assert caught.value.name == "versions of relationship"
    assert problem in caught.value.problems


def test_old_machines_stay_at_hand():
    """A record may stay with the version that it began with."""
    known = Versions(CURRENT, old={1: RELATIONSHIP, 2: ["awareness"]})
    assert known.machine(1) is RELATIONSHIP
    assert known.machine(3) is CURRENT
    for version in (2, 4):
        with pytest.raises(KeyError):
            known.machine(version)


def test_a_deploy_is_rehearsed_before_it_happens():
    """How many records move where, how many timers would fire at once, and which records are not understood."""
    sooner = RELATIONSHIP.extend(
        version=2,
        remove=[edge(Stage.EXPLORATION, Stage.DISSOLUTION, after=days(365))],
        add=[edge(Stage.EXPLORATION, Stage.DISSOLUTION, after=days(200), when=[unhappy])],
    )
    known = Versions(sooner, old={1: RELATIONSHIP})
    records = [
        *(Stored(f"rel_{n}", "exploration", 1, START, Facts(trust=10)) for n in range(40)),
        *(Stored(f"rel_{n}", "exploration", 1, START + days(n), Facts(trust=10)) for n in range(40, 50)),
        Stored("rel_happy", "exploration", 1, START, Facts(trust=90)),
        Stored("rel_current", "exploration", 2, START, Facts(trust=10)),
        Stored("rel_commitment", "commitment", 1, START, Facts()),
        Stored("rel_odd", "paradise", 1, START, Facts()),
        Stored("rel_old", "exploration", 0, START, Facts()),
    ]
    plan = known.plan(iter(records), now=START + days(245))
    assert plan.moves == {("exploration (1)", "exploration"): 51, ("commitment (1)", "commitment"): 1}
    assert plan.due == {"exploration -after 200 days [unhappy]-> dissolution": 46}
    assert plan.due_at_once == 46
    assert [(known_as, str(why)) for known_as, why in plan.refused] == [
        ("rel_odd", "relationship: state 'paradise' of version 1: unknown state"),
        ("rel_old", "relationship: state 'exploration' of version 0: unknown version"),
    ]


def unhappy(facts):
    return facts.trust < 20


def test_beginning_the_timers_anew_avoids_the_flood():
    """The same deploy with `since="now"` moves nobody at once."""
    known = Versions(CURRENT, old={1: RELATIONSHIP}, migrations=[Migration(1, 3, since="now")])
    records = [Stored("rel_1", "exploration", 1, START, Facts())]
    assert known.plan(records, now=NOW).due_at_once == 0
    assert Versions(CURRENT, old={1: RELATIONSHIP}).plan(records, now=NOW).due_at_once == 1


def test_warnings_are_no_moves():
    """They are told at the next sweep, and move nobody."""
    known = Versions(CASE.extend(version=2), old={"1+shop": CASE})
    plan = known.plan([Stored("cas_1", "new", "1+shop", START, 5)], now=NOW)
    assert (plan.due_at_once, plan.moves) == (0, {("new (1+shop)", "new"): 1})


def test_states_of_old_versions_may_be_given_as_an_enum():
    """An old enum that is kept in the code will do."""
    Old = StrEnum("Old", "AWARENESS LOST")  # noqa: N806
    known = Versions(CURRENT, old={1: Old}, migrations=[Migration(1, 3, {"lost": Stage.DISSOLUTION})])
    assert migrated(Old.LOST, 1, versions=known).state is Stage.DISSOLUTION
    assert migrated(Old.LOST, 1, versions=known).path == ((1, "lost"),)
