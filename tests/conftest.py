"""Fixtures that the tests share: a CRM on every store, on a clock that stands until it is moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crmkit.crm import CRM
from crmkit.services.clock import VirtualClock

START = datetime(2026, 1, 1, 9, tzinfo=UTC)


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands at nine in the morning of the first of January 2026, UTC."""
    return VirtualClock(START)


@pytest.fixture(params=["memory", "sqlite"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store, of each kind in turn."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/crm.db"


@pytest.fixture
def crm(address: str, clock: VirtualClock) -> Iterator[CRM]:
    """A CRM on an empty store, on the virtual clock."""
    with CRM.open(address, clock=clock, durability="normal") as opened:
        yield opened
