"""Drawing: a machine as Mermaid, DOT, Markdown or JSON. Pure text; `svg` makes a picture without other programs.

Each takes `counts`, how often history took a step, under the keys (source, signal or `None` for time, target).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from crmkit.kernel.machine.definition import AnyDefinition, Step

Counts: TypeAlias = Mapping[tuple[str, str | None, str], int]


@attrs.frozen
class Arrow:
    """One line from state to state: a step, and one of its targets.

    Attributes:
        step: the step.
        target: where this line ends.
        count: how often history took it; `None` when nobody counted.
    """

    step: Step[Any, Any, Any]
    target: str
    count: int | None

    @property
    def words(self) -> tuple[str, ...]:
        """What stands beside it: the trigger, the guards in brackets, the count; one line each."""
        step = self.step
        trigger = f"{step.trigger} (previous)" if step.returns else step.trigger
        guards = f"[{', '.join(step.guards)}]" if step.guards else ""
        count = "" if self.count is None else f"×{self.count:,}"
        return tuple(word for word in (trigger, guards, count) if word)


def arrows(machine: AnyDefinition, counts: Counts | None = None) -> Iterator[Arrow]:
    """Yield every line of a drawing, in the order of the steps; warnings are none."""
    for step in machine.steps:
        for key in step.keys:
            yield Arrow(step, key[2], None if counts is None else counts.get(key, 0))


def warnings(machine: AnyDefinition, state: str) -> list[str]:
    """Return what a state warns of, in words."""
    return [step.label for step in machine.steps if step.warns and step.source == state]


def to_mermaid(machine: AnyDefinition, counts: Counts | None = None) -> str:
    r"""Draw a Mermaid state diagram. A state stands in the first of its groups that fits; others become comments.

    >>> from enum import StrEnum
    >>> from crmkit.kernel.machine import Machine, edge
    >>> Door, Push = StrEnum("Door", "SHUT OPEN"), StrEnum("Push", "PUSH")
    >>> door = Machine("door", version=1, initial=Door.SHUT, final=[Door.OPEN], edges=[
    ...     edge(Door.SHUT, Door.OPEN, on=Push.PUSH)])
    >>> print(to_mermaid(door))
    stateDiagram-v2
        state "shut" as s0
        state "open" as s1
        [*] --> s0
        s0 --> s1: push
        s1 --> [*]
    <BLANKLINE>
    """
    ids = {str(state): f"s{number}" for number, state in enumerate(machine.states)}
    lines = [f'state "{_mermaid(state)}" as {name}' for state, name in ids.items()]
    grouped: set[str] = set()
    for number, (group, states) in enumerate(machine.groups.items()):
        inside = [name for state, name in ids.items() if state in states]
        if grouped.isdisjoint(inside):
            grouped.update(inside)
            lines += [f'state "{_mermaid(group)}" as g{number} {{', *(f"    {name}" for name in inside), "}"]
        else:
            lines.append(f"%% group {_mermaid(group)}: {', '.join(inside)}")
    lines.append(f"[*] --> {ids[machine.initial]}")
    lines += [
        f"{ids[arrow.step.source]} --> {ids[arrow.target]}: {_mermaid(' '.join(arrow.words))}"
        for arrow in arrows(machine, counts)
    ]
    lines += [
        f"note right of {name}: {_mermaid(warning)}"
        for state, name in ids.items()
        for warning in warnings(machine, state)
    ]
    lines += [f"{name} --> [*]" for state, name in ids.items() if state in machine.final]
    return "\n    ".join(["stateDiagram-v2", *lines]) + "\n"


def to_dot(machine: AnyDefinition, counts: Counts | None = None) -> str:
    """Draw a graph for Graphviz, groups as clusters."""
    lines = ["rankdir=TB; node [shape=box, style=rounded];", "start [shape=point];"]
    for state in machine.states:
        label = _dot("\n".join([state, *warnings(machine, state)]))
        lines.append(f"{_dot(state)} [label={label}, peripheries={2 if state in machine.final else 1}];")
    for number, (group, states) in enumerate(machine.groups.items()):
        inside = " ".join(f"{_dot(state)};" for state in machine.states if state in states)
        lines.append(f"subgraph cluster_{number} {{ label={_dot(group)}; {inside} }}")
    lines.append(f"start -> {_dot(machine.initial)};")
    for arrow in arrows(machine, counts):
        style = "dashed" if arrow.step.after else "solid"
        label = _dot("\n".join(arrow.words))
        lines.append(f"{_dot(arrow.step.source)} -> {_dot(arrow.target)} [label={label}, style={style}];")
    return "\n    ".join([f"digraph {_dot(machine.name)} {{", *lines]) + "\n}\n"


def to_markdown(machine: AnyDefinition, counts: Counts | None = None) -> str:
    """Write a table with a row for each step; a warning leads to nowhere."""
    head = ["from", "on", "to", "when", "cause", *([] if counts is None else ["count"])]
    rows = [head, ["---"] * len(head)]
    for step in machine.steps:
        row = [str(step.source), step.trigger, step.target, ", ".join(step.guards), ", ".join(step.causes)]
        if counts is not None:
            row.append(str(sum(counts.get(key, 0) for key in step.keys)) if step.targets else "")
        rows.append(row)
    return "".join(f"| {' | '.join(map(_markdown, row))} |\n" for row in rows)


def to_json(machine: AnyDefinition, counts: Counts | None = None) -> str:
    """Write the definition with its version, fingerprint and texts, for programs."""
    told: dict[str, object] = {
        "version": machine.version,
        "fingerprint": machine.fingerprint,
        "doc": machine.doc,
        **machine.as_dict(),
    }
    if counts is not None:
        told["counts"] = [[*arrow.step.keys[0][:2], arrow.target, arrow.count] for arrow in arrows(machine, counts)]
    return json.dumps(told, indent=2, ensure_ascii=False)


def _mermaid(text: str) -> str:
    # Mermaid has no quoting: whatever might mean something becomes the number of its character.
    return re.sub(r"[^\w \[\](),.×/-]", lambda found: f"#{ord(found[0])};", text)


def _dot(text: str) -> str:
    # Graphviz reads entities, such as &lt;, in any label.
    escaped = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]|<>&])", r"\\\1", " ".join(text.split())) if text != "---" else text
