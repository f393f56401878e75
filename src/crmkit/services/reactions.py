"""Reactions: what happens in one concept because of another. One function per pair, all of them in `REACTIONS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmkit.kernel.record import Event
from crmkit.services.unit import Reaction

REACTIONS: Mapping[type[Event[Any]], tuple[Reaction, ...]] = {}
