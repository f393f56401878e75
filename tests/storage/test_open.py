"""Opening a store by its address, plugins included."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from crmkit.errors import Misuse
from crmkit.storage import open as opening
from crmkit.storage.memory import MemoryStore
from crmkit.storage.open import open_store
from crmkit.storage.sql.store import SQLStore


def plugin(url: str, **options: Any) -> tuple[str, dict[str, Any]]:
    return url, options


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    found = EntryPoints([EntryPoint("redis", f"{__name__}:plugin", "crmkit.storage")])
    monkeypatch.setattr(opening, "entry_points", lambda group: found.select(group=group))
    monkeypatch.setattr(EntryPoint, "load", lambda _: plugin)


def test_our_own(tmp_path: Path) -> None:
    """Memory and SQLite need no plugin, and the durability reaches the store."""
    assert type(open_store("memory://")) is MemoryStore
    store = open_store(f"SQLite:///{tmp_path}/crm.db", durability="full")
    assert type(store) is SQLStore
    assert store._database.pool._durability == "full"
    with pytest.raises(Misuse, match="durability"):
        open_store("sqlite://", durability="none")  # type: ignore[arg-type]


@pytest.mark.usefixtures("plugins")
def test_a_plugin() -> None:
    """A plugin's factory is found by the scheme, and called with the whole address and the options."""
    assert open_store("redis://u:pw@host/1", durability="full") == ("redis://u:pw@host/1", {"durability": "full"})


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("shop.db", "expected an address such as sqlite:///shop.db, its scheme one of memory, sqlite, redis"),
        ("", "expected an address"),
        (None, "expected an address"),
        ("u:pw@host", "expected an address"),
        ("s3cr3t pw://x", "expected an address"),
        (
            "mongo://u:pw@host/db",
            "no storage for the scheme 'mongo', only for memory, sqlite, redis; plugins bring more",
        ),
        ("memory://pw", "memory:// takes nothing after it"),
        ("sqlite://pw@host/x", "expected sqlite:///shop.db"),
    ],
)
def test_addresses_that_lead_nowhere(url: Any, why: str) -> None:
    """The error lists the schemes that there are, and never repeats an address, which may hold a password."""
    with pytest.raises(Misuse) as found:
        open_store(url)
    assert why in str(found.value)
    assert "pw" not in str(found.value)
