"""The stores, CRMs and worlds that bad input is tried on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("bad_input_world")

from bad_input_world import ATTRIBUTES  # noqa: E402 - after the path

from crmkit import CRM, VirtualClock  # noqa: E402


@pytest.fixture
def crm(address: str, clock: VirtualClock) -> Iterator[CRM]:
    """A CRM on an empty store with declared attributes, on the virtual clock."""
    with CRM.open(address, clock=clock, attributes=ATTRIBUTES, durability="normal") as opened:
        yield opened
