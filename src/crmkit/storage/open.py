"""Opening a store by its address: `memory://`, `sqlite:///shop.db`, or the scheme of a plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Final, Literal, cast

from crmkit.errors import Misuse
from crmkit.storage.memory import MemoryStore
from crmkit.storage.store import Store

PLUGINS: Final = "crmkit.storage"
"""The entry-point group in which a plugin names its scheme."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,40})://")


def open_store(url: str, *, durability: Literal["normal", "full"] = "full") -> Store:
    """Open the store at an address. A plugin's factory, found by the scheme, is called with the address and options.

    Raises:
        Misuse: the address cannot be understood; its text, which may hold a password, is not repeated.
        MissingExtra: what the scheme needs is not installed.
        Unavailable: the store cannot be reached.
    """
    plugins = {p.name: p for p in entry_points(group=PLUGINS)}
    match = _SCHEME.match(url) if type(url) is str else None
    if match is None:
        raise Misuse(f"expected an address such as sqlite:///shop.db, its scheme one of {_schemes(plugins)}")
    scheme = match[1].lower()
    if scheme == "memory":
        if match.end() < len(url):
            raise Misuse("memory:// takes nothing after it")
        return MemoryStore()
    if scheme == "sqlite":
        from crmkit.storage.sql.store import SQLStore  # noqa: PLC0415 - SQLAlchemy is loaded when it is needed

        return SQLStore(f"sqlite{url[len(scheme) :]}", durability=durability)
    if scheme in plugins:
        return cast("Store", plugins[scheme].load()(url, durability=durability))
    raise Misuse(f"no storage for the scheme {scheme!r}, only for {_schemes(plugins)}; plugins bring more")


def _schemes(plugins: Iterable[str]) -> str:
    return ", ".join(["memory", "sqlite", *sorted(plugins)])
