"""Worlds to try: the store in memory, SQLite in a file, SQLite in memory. Stores are shared, tenants are not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("storage_contract")

from storage_world import SCHEMA, World  # noqa: E402 - after the path

from crmkit.storage.memory import MemoryStore  # noqa: E402
from crmkit.storage.sql.store import SQLStore  # noqa: E402
from crmkit.storage.store import Store  # noqa: E402

STORES = ("memory", "file", "shared")


def opened(store: Store) -> Store:
    """Lay a store out."""
    store.prepare(SCHEMA, "upgrade")
    return store


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, World]]:
    """One store of each kind for the whole run."""
    path = f"{tmp_path_factory.mktemp('stores')}/crm.db"
    sorts: dict[str, Callable[[], Store]] = {
        "memory": lambda: opened(MemoryStore()),
        "file": lambda: opened(SQLStore(f"sqlite:///{path}")),
        "shared": lambda: opened(SQLStore("sqlite://")),
    }
    some = {name: World(fresh(), fresh, again=name == "file") for name, fresh in sorts.items()}
    yield some
    for each in some.values():
        each.store.close()


@pytest.fixture(params=STORES)
def w(request: pytest.FixtureRequest, worlds: dict[str, World]) -> World:
    """A world with a tenant of its own, on each store in turn."""
    return worlds[request.param].beside()
