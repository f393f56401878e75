"""Lifecycles as data: write edges, make a `Machine`, ask it.

    guards       named pure functions of the facts, which say why not, with figures
    edges        what an author writes down
    definition   the same, resolved: steps with one source each, and the fingerprint
    outcomes     what a machine answers
    machine      asking it: signals, time, extension
    verify       what is checked when a machine is made, and what facts can prove
    versions     lock files, and what differs between two definitions
    migration    bringing stored states to a new version
    drawing      Mermaid, DOT, Markdown and JSON
    svg          a picture

What a program needs to define and ask machines is here; the last four are imported by those who use them.
"""

from crmkit.kernel.machine.definition import Definition, Finding, Step, Version
from crmkit.kernel.machine.edges import (
    Edge,
    Previous,
    days,
    edge,
    hours,
    minutes,
    previous,
    seconds,
    warning,
    weeks,
)
from crmkit.kernel.machine.guards import Claim, Guard, Unmet, Verdict, exclusive, exhaustive, guard, need, require
from crmkit.kernel.machine.machine import Machine
from crmkit.kernel.machine.outcomes import Deadline, Moved, Obstacle, Option, Refused, Warned, Why

__all__ = [
    "Claim",
    "Deadline",
    "Definition",
    "Edge",
    "Finding",
    "Guard",
    "Machine",
    "Moved",
    "Obstacle",
    "Option",
    "Previous",
    "Refused",
    "Step",
    "Unmet",
    "Verdict",
    "Version",
    "Warned",
    "Why",
    "days",
    "edge",
    "exclusive",
    "exhaustive",
    "guard",
    "hours",
    "minutes",
    "need",
    "previous",
    "require",
    "seconds",
    "warning",
    "weeks",
]
