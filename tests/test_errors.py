"""Errors: what each tells, word for word, and that it survives pickling."""

from __future__ import annotations

import inspect
import pickle
import re
from enum import StrEnum

import pytest

from crmkit import errors
from crmkit.errors import (
    Busy,
    Conflict,
    CRMError,
    DefinitionError,
    Duplicate,
    GuardFailed,
    Invalid,
    MissingExtra,
    Misuse,
    MoveRefused,
    NotAllowed,
    NotFound,
    NotSupported,
    Refusal,
    SchemaMismatch,
    Stale,
    StorageError,
    Truncated,
    Unavailable,
    Unreadable,
    redacted,
)

UNMET = {"guard": "trusted", "expected": 3, "found": 1}

SAID = [
    (CRMError("what"), "what"),
    (
        Invalid("Customer.name", "blank", "a name", "str of 1 character"),
        "Customer.name: expected a name, found str of 1 character (blank)",
    ),
    (Invalid("after", "cursor", "a cursor"), "after: expected a cursor (cursor)"),
    (
        Refusal("relationship rel_1", "owner.none", ["nobody owns it", "3 of 4 left"], ["hand_over"]),
        "relationship rel_1: refused by owner.none: nobody owns it; 3 of 4 left; possible now: hand_over",
    ),
    (Refusal("case cas_1", "closed", ["it is closed"]), "case cas_1: refused by closed: it is closed"),
    (
        MoveRefused("relationship", "awareness", "expand", "guard unmet", ["trust is 1 of 3"], [UNMET], ["dissolve"]),
        "relationship: 'expand' refused in 'awareness', guard unmet: trust is 1 of 3; allowed now: 'dissolve'",
    ),
    (
        MoveRefused("need", "met", "meet", "no such step", []),
        "need: 'meet' refused in 'met', no such step; allowed now: no signal",
    ),
    (
        NotAllowed("portal:cus_1", "tasks.plan", "task tas_1", "it belongs to somebody else"),
        "task tas_1: the policy does not let 'portal:cus_1' call tasks.plan: it belongs to somebody else",
    ),
    (
        NotFound("customer", "cus_1"),
        "customer 'cus_1': not found; check the id, the tenant and what the actor may see",
    ),
    (
        Stale("customer", "cus_1", 2, 3),
        "customer 'cus_1': decided on version 2, found version 3; read it again and decide again",
    ),
    (Misuse("call it so"), "call it so"),
    (DefinitionError("record thing", ["one", "two"]), "record thing: one; two"),
    (
        GuardFailed("need", "open -meet-> met", "affordable", "raised KeyError"),
        "need: the guard 'affordable' of 'open -meet-> met' raised KeyError",
    ),
    (MissingExtra("sql", "sqlite://"), 'sqlite:// needs an extra: pip install "crmkit[sql]"'),
    (StorageError("what"), "what"),
    (Conflict("task", "tas_1", 1, 0), "task 'tas_1': expected version 1, found 0; read again and retry"),
    (
        Duplicate("relationship", "open_tie"),
        "relationship: the unique key 'open_tie' is taken by another record; find and use that one",
    ),
    (Busy("a lock"), "the store is busy (a lock); nothing was written, try again"),
    (Unavailable("the disk is full"), "the store is unavailable: the disk is full"),
    (
        SchemaMismatch("sqlite:///crm.db", ["no table x", "no table y"], "call upgrade"),
        "sqlite:///crm.db: no table x; no table y; call upgrade",
    ),
    (Unreadable("customer cus_1", "damaged (KeyError)"), "customer cus_1: cannot be read: damaged (KeyError)"),
    (
        Truncated(5, 90),
        (
            "the journal begins at position 90, but what follows 5 was asked for;"
            " rebuild from the records and follow from there"
        ),
    ),
    (NotSupported("snapshot"), "this store does not declare the feature 'snapshot'; choose a store that does"),
]
EVERY = {e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, CRMError)}


@pytest.mark.parametrize(("error", "text"), SAID, ids=lambda x: type(x).__name__ if isinstance(x, CRMError) else "")
def test_each_error_says_what_happened(error: CRMError, text: str) -> None:
    """The message is the exact sentence that users see."""
    assert str(error) == text


@pytest.mark.parametrize("error", [e for e, _ in SAID], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_each_error_survives_pickling(error: CRMError, protocol: int) -> None:
    """A worker process can hand it back with every attribute."""
    back = pickle.loads(pickle.dumps(error, protocol))
    assert (type(back), str(back), back.args, vars(back)) == (type(error), str(error), error.args, vars(error))


def test_every_error_is_in_this_table() -> None:
    """Nobody adds an error without saying here what it says."""
    assert {type(e) for e, _ in SAID} == EVERY


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing names every class, under its parent, and its second base in parentheses."""
    assert errors.__doc__ is not None
    above: dict[int, str] = {}
    drawn: dict[str, tuple[str, str]] = {}
    for line in errors.__doc__.splitlines():
        if match := re.match(r"    ([│ ├└─]*)(\w+)(?: \((\w+)\))?(?:  .*)?$", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            drawn[match[2]] = (above.get(depth - 1, "Exception"), match[3] or "")
    bases = {e.__name__: tuple(b.__name__ for b in e.__bases__) for e in EVERY}
    assert {n: (b[0], b[1] if len(b) > 1 else "") for n, b in bases.items()} == drawn


def test_builtin_kin() -> None:
    """Code that knows only Python's own errors catches them too."""
    kin = {Invalid: ValueError, NotFound: LookupError, Misuse: RuntimeError, DefinitionError: TypeError}
    assert all(issubclass(mine, own) for mine, own in {**kin, MissingExtra: ImportError}.items())


def test_refusals_keep_plain_data() -> None:
    """What was handed over as a list or mapping is copied."""
    unmet, reasons = dict(UNMET), ["one"]
    refused = MoveRefused("m", "s", "x", "guard unmet", reasons, [unmet], ["y"])
    unmet["guard"], reasons[0] = "changed", "changed"
    assert refused.unmet == (UNMET,)
    assert (refused.subject, refused.rule, refused.reasons) == ("m in 's'", "guard unmet", ("one",))
    assert refused.allowed == refused.instead == ("y",)
    denied = NotAllowed("a", "v", "task t", "because")
    assert (denied.subject, denied.rule, denied.reasons, denied.instead) == ("task t", "policy", ("because",), ())


class _Colour(StrEnum):
    RED = "red"


class _Liar(str):
    __slots__ = ()

    def __len__(self) -> int:
        raise AssertionError


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", "str of 0 characters"),
        ("a", "str of 1 character"),
        ("secret", "str of 6 characters"),
        (b"x", "bytes of 1 byte"),
        (b"xy", "bytes of 2 bytes"),
        ([1], "list of 1 item"),
        ((), "tuple of 0 items"),
        ({"a": 1, "b": 2}, "dict of 2 items"),
        ({1}, "set of 1 item"),
        (frozenset(), "frozenset of 0 items"),
        (None, "nothing"),
        (True, "bool"),
        (5, "int"),
        (1.5, "float"),
        (_Colour.RED, "_Colour"),
        (object(), "object"),
    ],
)
def test_values_are_told_by_type_and_size(value: object, told: str) -> None:
    """Nothing of the value itself shows, and nothing of it is called."""
    assert redacted(value) == told


def test_a_hostile_value_is_not_asked() -> None:
    """What lies about itself is told by its type."""
    assert redacted(_Liar("secret")) == "_Liar"
