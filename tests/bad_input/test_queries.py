"""Questions: names, operators, orders and cursors come from closed lists, and values are only ever values (R6, R7)."""

# ruff: noqa: RUF001 - confusable letters are what is tried

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from bad_input_world import START, Ids, populate, refuses, state_of

from crmkit import CRM, CRMError, Invalid, Misuse, Where, field

WORDS = [
    *["_connector", "__class__", "__dict__", "__init__", "__kind__", "pk", "tenant", "body", "row", "rest"],
    *["version", "schema", "password", "rowid", "oid", "_rowid_", "sqlite_master", "sqlite_sequence"],
    *["customer.id", "main.customer", "customer__id", "party", "party.name", "party__name", "contacts"],
    *["contacts.address", "learned", "interests", "former_names", "attributes", "attributes.", "attributes.*"],
    *["attributes.nothing", "attributes.size.x", "attributes__size", "ID", "Id", "iD", "kind_", "kinds"],
    *["sort-name", "sort__name", "name_minor", "total", "registered_at_minor", "u_id", "k_name", "keys", "key"],
    *["value", "1", "0", "-1", "*", "?", ":id", "$1", "%s", "%(id)s", "{id}", "{0}", "[id]", "(id)", "id;"],
    *["id--", "id/*", "*/id", "id#", "@id", "&id", "|id", "~id", "!id", "^id", "=id", "<id", ">id", "+id"],
    *[",id", ".id", "id.", "id,id", "'id'", '"id"', "`id`", "\\id", "id\\", "id\\0", "NULL", "null", "None"],
    *["True", "False", "NaN", "select", "count(*)", "max(id)", "1=1", "true", "having", "group", "order"],
    *["limit", "offset", "union", "json_extract", "$..x", "$.party.name", "registered_at__date", "id__exact"],
    *["id__in", "id__isnull", "id__regex", "id__gt", "_id", "id_", "-id", "--id", "-sort_name"],
]
NAMES: list[Any] = [
    *WORDS,
    "",
    " ",
    " id",
    "id ",
    "id\0",
    "id\n",
    "\ud800",
    "\ufeffid",
    "ｉｄ",
    "і\u0501",
    "id\u200b",
    'a"; DROP TABLE customer; --',
    "id FROM customer; --",
    "id) OR (1=1",
    "id = id OR id",
    "x" * 100_000,
    None,
    0,
    True,
    1.5,
    b"id",
    ("id",),
    frozenset({"id"}),
    object(),
    str,
]


@pytest.fixture
def ids(crm: CRM) -> Ids:
    """Somebody with records of every kind."""
    return populate(crm, "ana")


def test_a_hundred_hostile_names(crm: CRM, ids: Ids) -> None:
    """R6: no name outside of the kind gets into a condition or an order, on any verb that takes one."""
    assert len(NAMES) > 100
    assert ids
    before = state_of(crm)
    for name in NAMES:
        conditions = [
            lambda name=name: field(name) == "x",
            lambda name=name: ~(field(name) > 1),
            lambda name=name: field(name).in_(["x"]),
            lambda name=name: field(name).prefix("x"),
            lambda name=name: field(name).has("x") & field("id").has("x"),
        ]
        for made in conditions:
            for ask in (crm.customers.find, crm.customers.count, crm.purchases.find, crm.relationships.count):
                with pytest.raises(Invalid) as caught:
                    ask(made())
                assert len(str(caught.value)) < 1_000
        if name in ("-sort_name", "-id", "version"):
            continue
        with pytest.raises(CRMError):
            crm.customers.find(order=[name])
    assert state_of(crm) == before


OPERATORS: list[Any] = ["like", "LIKE", "=", "eq ", "EQ", "regex", "is", "in", "any", "", "eq\0", None, 1, "eq; DROP"]


@pytest.mark.parametrize("op", OPERATORS, ids=repr)
def test_no_operator(crm: CRM, op: Any) -> None:
    """R6: operators come from a closed list."""
    condition: Any = type(field("id") == "x")("id", op, "x")
    refuses(crm, lambda: crm.customers.find(condition), field="query", rule="operator")


def test_no_condition(crm: CRM) -> None:
    """R6: what was not built with `field` is no condition; conditions have no truth of their own."""
    some: list[Any] = ["1=1", {"id": "x"}, ["id"], ("id", "=", "x"), True, 1, object(), Where, field("id")]
    for condition in some:
        refuses(crm, lambda condition=condition: crm.customers.find(condition))
    with pytest.raises(Misuse):
        bool(field("id") == "x")
    with pytest.raises(Misuse):
        field("id").in_("x")


VALUES: list[Any] = ["a\0", "\ud800", b"x", 1, 1.5, True, ["x"], {"x": 1}, START, object(), str]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_no_value(crm: CRM, value: Any) -> None:
    """R6, 83: a value of another type than the field's, or that cannot be stored, is refused before it is asked."""
    refuses(crm, lambda: crm.customers.find(field("sort_name") == value))
    refuses(crm, lambda: crm.customers.find(field("tag").has(value)))
    refuses(crm, lambda: crm.customers.find(field("sort_name").in_(["x", value])))
    refuses(crm, lambda: crm.customers.find(field("tag").prefix(value)))
    if not isinstance(value, (int, float)):
        refuses(crm, lambda: crm.customers.find(field("attributes.size") >= value))


@pytest.mark.parametrize(
    "text", ["%", "_", "\\", "%%", "a%", "[a]", "*", "?", "'", '"', "$..x", "') OR ('1'='1", "\\%"]
)
def test_values_match_literally(crm: CRM, text: str) -> None:
    """R7: what means something to a database means nothing in a value."""
    crm.customers.register(id="plain", tags=["anything at all", "xx", "aXb"])
    crm.customers.register(id="found", tags=[text, text + "tail"])
    for condition in (field("tag").has(text), field("tag").prefix(text)):
        assert [c.id for c in crm.customers.find(condition)] == ["found"]
        assert crm.customers.count(~condition) == 1


def deep(depth: int) -> Where:
    """Give a condition in a condition in a condition."""
    made: Where = field("id") == "x"
    for _ in range(depth):
        made = ~made
    return made


def test_conditions_have_a_depth(crm: CRM) -> None:
    """75, R13: conditions of any depth are refused by name and never run out of stack."""
    assert crm.customers.count(deep(20)) == 0
    for depth in (100, 100_000):
        refuses(crm, lambda depth=depth: crm.customers.find(deep(depth)), rule="too-deep")
    wide = field("id") == "x"
    whole: Where = wide
    for _ in range(3_000):
        whole = whole & wide
    try:
        crm.customers.count(whole)
    except Invalid as error:
        assert error.rule in ("too-large", "too-many")


def test_forged_cursors(crm: CRM, ids: Ids) -> None:
    """R6: a cursor goes on with the question it came from, and anything else is refused."""
    assert ids
    page = crm.customers.find(limit=1)
    assert page.next is not None
    inside = json.loads(base64.urlsafe_b64decode(page.next + "=" * (-len(page.next) % 4)))
    forged: list[Any] = [
        "",
        "x",
        "%",
        "\0",
        "é",
        "\ud800",
        "a" * 1_000_000,
        page.next[:-2],
        page.next + "A" * 8,
        page.next[::-1],
        b"x",
        7,
        ["x"],
        object(),
        *(
            base64.urlsafe_b64encode(json.dumps(each).encode()).decode()
            for each in (
                [],
                {},
                None,
                7,
                "x",
                ["0" * 16, "x"],
                [inside[0]],
                [inside[0], None],
                [inside[0], 7],
                [inside[0], ["x"]],
                [inside[0], "a\0"],
                [*inside, "more"],
                [None, *inside[1:]],
            )
        ),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ]
    for cursor in forged:
        refuses(crm, lambda cursor=cursor: crm.customers.find(limit=1, after=cursor))
        refuses(crm, lambda cursor=cursor: crm.relationships.sweep(after=cursor))
    others: list[Callable[[], object]] = [
        lambda: crm.customers.find(field("kind") == "person", limit=1, after=page.next),
        lambda: crm.customers.find(order=["sort_name"], limit=1, after=page.next),
        lambda: crm.purchases.find(limit=1, after=page.next),
        lambda: crm.tenant("other").customers.find(limit=1, after=page.next),
        lambda: crm.portal("ana-1").customers.find(limit=1, after=page.next),
    ]
    for other in others:
        refuses(crm, other, field="after", rule="cursor")


SWEEPS = ["2030-01-01T00:00:00+00:00|0|", "2026-01-01T00:00:00|0|", "x|0|", "||", "2026-01-01T09:00:00+00:00|-1|"]


@pytest.mark.parametrize("cursor", [*SWEEPS, "2026-01-01T09:00:00+00:00|" + "9" * 5_000 + "|", "0|0|0|0"])
def test_forged_cursors_of_a_sweep(crm: CRM, ids: Ids, cursor: str) -> None:
    """Where a sweep goes on is a place that a sweep has come to, and never one in the future."""
    assert ids
    refuses(crm, lambda: crm.relationships.sweep(after=cursor))


def test_limits(crm: CRM) -> None:
    """R13: pages have a length from 0 to 10,000, and positions are whole numbers."""
    some: list[Any] = [-1, 10_001, 10**6, 10**30, True, 1.0, "1", None, [1]]
    for limit in some:
        refuses(crm, lambda limit=limit: crm.customers.find(limit=limit))
        refuses(crm, lambda limit=limit: crm.satisfaction.at_risk(limit=limit))
    for position in ("1", 1.5, [1], "a\ud800", b"1"):
        given: Any = position
        refuses(crm, lambda given=given: crm.timeline.all(after=given))
        refuses(crm, lambda given=given: crm.timeline.all(before=given))
        refuses(crm, lambda given=given: crm.timeline.all(limit=given))
