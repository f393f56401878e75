"""Ids: short text with the kind in front, ordered by time, and references made of them."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from itertools import count
from typing import NamedTuple

from crmkit.errors import Invalid, redacted
from crmkit.kernel.dates import micros

_COUNT = count()
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}", re.ASCII)


class Ref(NamedTuple):
    """What a record is called from outside: its kind and its id."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


def identifier(field: str, value: object) -> str:
    """Check an id: ASCII letters, digits and `_ . : -`, 1 to 80 characters, a letter or digit first.

    The host may bring ids of its own (its user's id as a customer id), so the rule is wider than what `new_id` makes.

    Raises:
        Invalid: rule `identifier`.

    >>> identifier("id", "cus_0654")
    'cus_0654'
    """
    if type(value) is str and ID.fullmatch(value):
        return value
    raise Invalid(
        field, "identifier", "1 to 80 ASCII letters, digits or _ . : -, a letter or digit first", redacted(value)
    )


def new_id(prefix: str, at: datetime) -> str:
    """Make an id: `prefix`, then the microsecond, a count and 48 random bits.

    So ids sort by time, within one instant in the order in which this process made them (it counts to 65,535 and begins
    again), and cannot be guessed.

    >>> from datetime import datetime, timezone
    >>> made = new_id("cus", datetime(2026, 1, 1, tzinfo=timezone.utc))
    >>> made[:18], len(made)
    ('cus_06474846204000', 34)
    """
    return f"{prefix}_{micros(at) & 0xFFFFFFFFFFFFFF:014x}{next(_COUNT) & 0xFFFF:04x}{secrets.token_hex(6)}"
