"""Every store keeps every promise that applies to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from storage_contract import NEEDS, PROPERTIES

if TYPE_CHECKING:
    from storage_world import World

LACKS = {
    "again": lambda w: not w.again,
    "durable": lambda w: not w.store.features.durable,
    "snapshot": lambda w: not w.store.features.snapshot,
    "no snapshot": lambda w: w.store.features.snapshot,
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_promise(name: str, w: World) -> None:
    need = NEEDS.get(name)
    if need is not None and LACKS[need](w):
        pytest.skip(f"it lacks what this needs: {need}")
    PROPERTIES[name](w)
