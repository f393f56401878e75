"""Every public verb: what it makes of arguments that are none, of other tenants, and of customers in a portal."""

# ruff: noqa: RUF001 - confusable letters are what is tried

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bad_input_world import (
    ATTRIBUTES,
    CALLS,
    START,
    Ids,
    call,
    parameters_of,
    populate,
    public_verbs,
    said_by,
    state_of,
    texts_in,
)

from crmkit import CRM, CRMError, DefaultPolicy, MoveRefused, NotAllowed, NotFound, VirtualClock

VERBS = sorted(CALLS)


def test_the_table_is_complete() -> None:
    """A verb that is new stands in the table, or all that follows would not see it."""
    assert public_verbs() == set(CALLS)


# arguments that are none: entries 49, 50, 64, 77, 80, 81, 83, and R13


class HostileText(str):
    """A text that lies about itself."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = str.__hash__


class Hostile:
    """An object that fails at whatever is asked of it."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError

    def __repr__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError


def nested(depth: int) -> list[Any]:
    """Give a list in a list in a list."""
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


MARK = "Qz7x"
POOL: dict[str, Any] = {
    "18-empty": "",
    "1-NUL": f"{MARK}\0",
    "2-surrogate": f"{MARK}\ud800",
    "17-long": MARK * 250_000,
    "39-NaN": Decimal("NaN"),
    "42-float": 0.1,
    "43-True": True,
    "49-naive": datetime(2026, 1, 1),  # noqa: DTZ001 - that it is naive is the point
    "50-first instant": datetime.min.replace(tzinfo=UTC),
    "50-last instant": datetime.max.replace(tzinfo=UTC),
    "61-negative span": timedelta(days=-5),
    "61-endless span": timedelta.max,
    "64-milliseconds": datetime(9999, 1, 1, tzinfo=UTC),
    "75-depth": nested(100_000),
    "77-digits": 10**5000,
    "81-list": [MARK],
    "81-dict": {MARK: 1},
    "81-set": {MARK},
    "81-tuple": (1, 2),
    "83-text": HostileText(MARK),
    "83-object": Hostile(),
    "83-bytes": MARK.encode() + b"\x80",
    "83-class": str,
    "83-none": None,
    "83-negative": -1,
}


class GivenUp(Exception):
    """Ends a unit whose verb has gone well."""


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CRM, Ids]]:
    """A populated CRM on each store; tests leave it as it is."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path_factory.mktemp('world')}/crm.db"
    with CRM.open(url, clock=VirtualClock(START), attributes=ATTRIBUTES, durability="normal") as crm:
        yield crm, populate(crm, "ana")


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_that_are_none(world: tuple[CRM, Ids], verb: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a verb is given for an argument, it takes it or raises a typed error, and nothing half done stays."""
    crm, ids = world
    before = state_of(crm)
    service, name = verb.split(".")
    parameters = inspect.signature(getattr(getattr(crm, service), name)).parameters
    for parameter, (_, hostile) in itertools.product(parameters_of(verb), POOL.items()):
        arguments = dict(CALLS[verb](ids))
        kind = parameters[parameter].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            arguments[parameter] = dict.fromkeys(arguments[parameter], hostile)
        else:
            arguments[parameter] = (hostile,) if kind is inspect.Parameter.VAR_POSITIONAL else hostile
        try:
            with crm.unit() as unit:
                call(unit, verb, arguments)
                raise GivenUp  # noqa: TRY301 - ends the unit
        except GivenUp:
            continue
        except (NotFound, MoveRefused):
            continue  # it names the id, or the signal, that was asked for
        except CRMError as error:
            assert MARK not in said_by(error), (parameter, error)
    assert state_of(crm) == before
    assert MARK not in caplog.text


def test_fields_that_there_are_not(world: tuple[CRM, Ids]) -> None:
    """78: a keyword or a fact that is unknown is refused by its name or by its type, and never taken along."""
    crm, ids = world
    before = state_of(crm)
    for verb in VERBS:
        for name in ("tenant", "owner_id", "id_", "version", "_connector", "__class__"):
            given = {**CALLS[verb](ids)}
            service, method = verb.split(".")
            with pytest.raises((TypeError, CRMError)):
                getattr(getattr(crm, service), method)(**{**_plain(verb, given), name: "x"})
    assert state_of(crm) == before


def _plain(verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is given by position."""
    service, name = verb.split(".")
    with CRM.open("memory://") as crm:
        parameters = inspect.signature(getattr(getattr(crm, service), name)).parameters
    keywords = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {n: v for n, v in arguments.items() if parameters[n].kind in keywords}


# R1: two tenants with the same ids


@pytest.fixture
def tenants(address: str, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[CRM, CRM, Ids]]:
    """Two tenants whose records have the same ids, and different contents."""
    numbers = itertools.count()
    monkeypatch.setattr("crmkit.crm.new_id", lambda prefix, _: f"{prefix}_{next(numbers)}")
    with CRM.open(address, clock=clock, attributes=ATTRIBUTES, durability="normal") as crm:
        north, south = crm.tenant("north"), crm.tenant("south")
        found = []
        for tenant in (north, south):
            numbers = itertools.count()
            found.append(populate(tenant, "ana"))
            tenant.customers.rename("ana-1", f"{tenant.tenant_name.title()}er Reyes")
            tenant.interactions.note("ana-1", f"only {tenant.tenant_name.title()}ern")
        assert found[0] == found[1]
        yield north, south, found[0]


def test_nothing_crosses_between_tenants(tenants: tuple[CRM, CRM, Ids]) -> None:
    """R1: every verb reads and writes in its own tenant, though the ids are those of the other one as well."""
    north, south, ids = tenants
    theirs = state_of(south)
    for verb in VERBS:
        try:
            with north.unit() as unit:
                told = call(unit, verb, CALLS[verb](ids))
        except CRMError as error:
            told = error
        assert state_of(south) == theirs, verb
        assert not [text for text in texts_in(told) if "South" in text], verb
    empty = north.tenant("empty")
    for verb in VERBS:
        try:
            told = call(empty, verb, CALLS[verb](replace(ids, fresh="fresh")))
        except CRMError as error:
            told = error
        assert not [text for text in texts_in(told) if "South" in text or "North" in text], verb
    assert state_of(south) == theirs


@pytest.mark.parametrize("name", ["nort", "northern", "north:", "North", "north.", "n", "north-south"])
def test_tenants_with_names_alike(tenants: tuple[CRM, CRM, Ids], name: str) -> None:
    """67: a tenant whose name begins, or ends, like another one sees nothing of it."""
    north, _, ids = tenants
    alike = north.tenant(name)
    assert alike.customers.count() == 0
    assert len(alike.timeline.all()) == 0
    with pytest.raises(NotFound):
        alike.customers.get(ids.customer)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a|b", "a b", "é", "a" * 81, "a\0", "'; --", "%", 7, None])
def test_no_name_of_a_tenant(crm: CRM, name: Any) -> None:
    """66: a tenant's name is an id like any other."""
    with pytest.raises(CRMError, match="identifier"):
        crm.tenant(name)


# R2, R4: customers in a portal


@pytest.fixture(params=["may nothing", "may everything"])
def portal(request: pytest.FixtureRequest, address: str, clock: VirtualClock) -> Iterator[tuple[CRM, CRM, Ids, Ids]]:
    """A customer in a portal who may call no verb, or every verb; the host's CRM; whose records are theirs or not."""
    may = [] if request.param == "may nothing" else public_verbs()
    policy = DefaultPolicy(portal_may=may)
    with CRM.open(address, clock=clock, attributes=ATTRIBUTES, policy=policy, durability="normal") as crm:
        mine, theirs = populate(crm, "ana"), populate(crm, "ben")
        yield crm, crm.portal(mine.customer), mine, theirs


def outcome(crm: CRM, verb: str, ids: Ids) -> str:
    """Give what a verb answers or raises, with the ids that were asked for taken out."""
    try:
        told = call(crm, verb, CALLS[verb](ids))
    except CRMError as error:
        text = f"{type(error).__name__}: {error}"
    else:
        text = "\n".join(texts_in(told))
    for name, value in sorted(vars(ids).items(), key=lambda pair: -len(pair[1])):
        text = text.replace(value, f"<{name}>")
    return text.replace(ids.customer[:-2], "<name>")


def test_what_is_not_theirs_is_not_there(portal: tuple[CRM, CRM, Ids, Ids]) -> None:
    """R4: with the ids of somebody else every verb answers as with ids of nobody, and nothing has changed."""
    crm, me, _, theirs = portal
    for verb in VERBS:
        before = state_of(crm)
        foreign, absent = outcome(me, verb, theirs), outcome(me, verb, theirs.absent())
        after = state_of(crm)
        assert foreign == absent, verb
        assert after[:-1] == before[:-1] or not _of(theirs, before, after), verb


def _of(ids: Ids, before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether a record of somebody has changed."""
    kept = {(k[0], s.id): s for k in before[:-1] for s in k[1:]}
    now = {(k[0], s.id): s for k in after[:-1] for s in k[1:]}
    return any(now[where] != stored for where, stored in kept.items() if where[1] in astuple(ids))


def test_what_they_are_told_is_theirs(portal: tuple[CRM, CRM, Ids, Ids]) -> None:
    """R4: with their own ids, and without any, no answer and no error tells of anybody else."""
    crm, me, mine, theirs = portal
    foreign = [value for value in astuple(theirs) if value != theirs.fresh]
    before = state_of(crm)
    for verb in VERBS:
        try:
            with me.unit() as unit:
                told = call(unit, verb, CALLS[verb](mine))
                assert not [t for t in texts_in(told) if "ben" in t or t in foreign], verb
                raise GivenUp  # noqa: TRY301 - ends the unit
        except GivenUp:
            continue
        except CRMError as error:
            assert "ben" not in str(error), verb
    assert state_of(crm)[:-1] == before[:-1]
    told = "\n".join(texts_in(me.timeline.all(limit=500)))
    assert "ben" not in told


ACTORS = ["portal:", "portal: ", "portal:cus_x extra", "portal:ana-1 ", "portal:ana-1\u200d", "portal:%", "portal:*"]
NEARLY = [" portal:ana-1", "Portal:ana-1", "PORTAL:ana-1", "ｐortal:ana-1", "portal：ana-1", "\u00a0portal:x"]


@pytest.mark.parametrize("actor", [*ACTORS, *NEARLY])
def test_actors_that_look_like_a_customer(world: tuple[CRM, Ids], actor: str) -> None:
    """R2: who looks like a customer in a portal is one, exactly, or nobody; never the host."""
    crm, _ = world
    with pytest.raises(CRMError):
        crm.acting_as(actor)


def test_a_portal_actor_may_nothing_unless_told(world: tuple[CRM, Ids]) -> None:
    """R2: every verb that writes is refused to a customer unless the host names it."""
    crm, ids = world
    me = crm.portal(ids.customer)
    before = state_of(crm)
    for verb in VERBS:
        try:
            with me.unit() as unit:
                call(unit, verb, CALLS[verb](ids))
        except CRMError:
            pass
    after = state_of(crm)
    assert after[:-1] == before[:-1]
    news = after[-1][len(before[-1]) :]  # type: ignore[index, arg-type]
    assert {each.entry.type for each in news} <= {"act.refused"}
    with pytest.raises(NotAllowed):
        me.customers.tag(ids.customer, "vip")
