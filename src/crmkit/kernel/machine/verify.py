"""Verification."""

from __future__ import annotations
from crmkit.kernel.machine.definition import AnyDefinition, Finding


def verify(machine: AnyDefinition) -> tuple[Finding, ...]:
    return ()
