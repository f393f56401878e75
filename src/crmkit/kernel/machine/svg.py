"""A picture of a machine: states in layers from top to bottom, laid out here, with nothing to install.

How it is laid out (after Sugiyama): lines that lead back are turned round while laying out, so that the rest has a
direction; a state stands one layer below the lowest state that leads to it; between two layers of states lies one of
labels, so that no label can cover anything; a line takes up a place in every layer that it crosses; the order within
a layer is improved until lines stop crossing less; places are then drawn to their neighbours as near as the order
allows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Final

import attrs

from crmkit.kernel.machine.definition import AnyDefinition
from crmkit.kernel.machine.drawing import Counts, arrows, warnings

_SIZE: Final = 13.0  # of letters, in pixels, as are all lengths here
_LINE: Final = 17.0
_GAP: Final = (22.0, 36.0)  # between places: across and down
_HEAD: Final = 10.0  # lines go straight where an arrow's head sits
_SWEEPS: Final = 16
_MARGIN: Final = 24.0

_STYLE: Final = """
.crm-machine { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif;
  --page: #ffffff; --ink: #1f2933; --soft: #52606d; --line: #7b8794; --time: #b45309;
  --state: #eef2ff; --edge: #4f63d2 }
@media (prefers-color-scheme: dark) { .crm-machine { --page: #15191f; --ink: #e6eaf0; --soft: #a9b4c2;
  --line: #8290a3; --time: #f0a94b; --state: #232b45; --edge: #8ea2ff } }
.crm-machine text { fill: var(--ink); text-anchor: middle; white-space: pre }
.crm-machine .page, .crm-machine .label rect { fill: var(--page) }
.crm-machine .title { text-anchor: start }
.crm-machine .title:not(.small) { font-weight: 600 }
.crm-machine .small { font-size: 11px; fill: var(--soft) }
.crm-machine .state rect { fill: var(--state); stroke: var(--edge); stroke-width: 1.4 }
.crm-machine .state .name { font-weight: 600 }
.crm-machine .line { fill: none; stroke: var(--line) }
.crm-machine .timed { stroke: var(--time); stroke-dasharray: 5 4 }
.crm-machine .time { fill: var(--time) }
.crm-machine .start, .crm-machine .head { fill: var(--line) }
.crm-machine .timed-head { fill: var(--time) }
"""


@attrs.define(eq=False)
class _Place:
    """Something that takes up room in a layer: a state, a label, or a line passing through."""

    layer: int
    left: float = 4.0
    right: float = 4.0
    height: float = 0.0
    x: float = 0.0
    state: str = ""
    lines: tuple[tuple[str, str], ...] = ()  # text and class
    run: list[_Place] = attrs.Factory(list["_Place"])  # the places that its line passes through
    above: list[_Place] = attrs.Factory(list["_Place"])
    below: list[_Place] = attrs.Factory(list["_Place"])

    @property
    def passing(self) -> bool:
        return not self.lines


@attrs.define(eq=False)
class _Line:
    """All arrows from one state to another, drawn as one line with one label."""

    source: str
    target: str
    words: list[tuple[str, str]]
    timed: bool
    count: int
    places: list[_Place] = attrs.Factory(list[_Place])  # downwards, the states at its ends included
    upwards: bool = False


def to_svg(machine: AnyDefinition, counts: Counts | None = None) -> str:
    """Draw a machine as an SVG picture, legible on light and dark pages. Lines that time moves are dashed.

    Args:
        machine: the machine.
        counts: how often history took a step, as for `to_mermaid`; lines grow thicker with it.

    >>> from enum import StrEnum
    >>> from crmkit.kernel.machine import Machine, edge
    >>> Door, Push = StrEnum("Door", "SHUT OPEN"), StrEnum("Push", "PUSH")
    >>> door = Machine("door", version=1, initial=Door.SHUT, final=[Door.OPEN], edges=[
    ...     edge(Door.SHUT, Door.OPEN, on=Push.PUSH)])
    >>> to_svg(door)[:35]
    '<svg xmlns="http://www.w3.org/2000/'
    """
    lines = _merged(machine, counts)
    loops = [line for line in lines if line.source == line.target]
    lines = [line for line in lines if line.source != line.target]
    states = {str(state): _state(machine, state) for state in machine.states}
    for loop in loops:
        place = states[loop.source]
        place.right += 26 + _width(loop.words)
        place.height = max(place.height, _LINE * len(loop.words) + 8)
    _rank(str(machine.initial), states, lines)
    layers = _layers(states, lines)
    _order(layers)
    _spread(layers)
    return _drawn(machine, layers, lines, loops)


def _width(words: Iterable[tuple[str, str]]) -> float:
    """Estimate how wide text is in an unknown font, rather too wide than too narrow."""
    widest = 0.0
    for text, kind in words:
        letters = sum(_letter(letter) for letter in text)
        widest = max(widest, letters * (11.0 if "small" in kind else _SIZE) * (1.08 if kind == "name" else 1.0))
    return widest


def _letter(letter: str) -> float:
    if letter >= "\u1100":  # East Asian letters are square, and what follows them at most as wide
        return 1.05
    return (
        0.36 if letter in "ijltfI.,:;'|!()[] " else 0.94 if letter in "mwMW@%—" else 0.72 if letter.isupper() else 0.6
    )


def _merged(machine: AnyDefinition, counts: Counts | None) -> list[_Line]:
    found: dict[tuple[str, str], _Line] = {}
    for arrow in arrows(machine, counts):
        key = str(arrow.step.source), str(arrow.target)
        line = found.setdefault(key, _Line(*key, words=[], timed=True, count=0))
        timed = arrow.step.after is not None
        trigger, *rest = arrow.words
        line.words += [(trigger, "time" if timed else ""), *((text, "small") for text in _wrapped(rest))]
        line.timed, line.count = line.timed and timed, line.count + (arrow.count or 0)
    return list(found.values())


def _wrapped(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from re.findall(r".{1,30}(?:,(?= )|$)|.+?(?:,(?= )|$)", text)


def _state(machine: AnyDefinition, state: str) -> _Place:
    groups = [name for name, inside in machine.groups.items() if state in inside]
    told = [("small", ", ".join(groups)), *(("small time", text) for text in warnings(machine, state))]
    words = ((str(state), "name"), *((text, kind) for kind, text in told if text))
    half = _width(words) / 2 + 16
    return _Place(0, half, half, _LINE * len(words) + 16, state=str(state), lines=words)


def _rank(initial: str, states: dict[str, _Place], lines: Sequence[_Line]) -> None:
    """Turn lines round that lead back, and put each state below all that lead to it. All can be reached: `verify`."""
    onward: dict[str, list[_Line]] = {state: [] for state in states}
    # The author wrote the states down in some order; where lines leave a choice, the picture follows it.
    for line in sorted(lines, key=lambda line: list(states).index(line.target)):
        onward[line.source].append(line)
    finished: list[str] = []
    path, trail = {initial: None}, [iter(onward[initial])]
    while trail:
        for line in trail[-1]:
            line.upwards = line.target in path
            if not line.upwards and line.target not in finished:
                path[line.target] = None
                trail.append(iter(onward[line.target]))
                break
        else:
            trail.pop()
            finished.append(path.popitem()[0])
    for state in reversed(finished):
        for line in onward[state]:
            if not line.upwards:
                states[line.target].layer = max(states[line.target].layer, states[state].layer + 2)


def _layers(states: dict[str, _Place], lines: Iterable[_Line]) -> list[list[_Place]]:
    """Give every line its label and its places, and return all places by layer."""
    layers: list[list[_Place]] = [[] for _ in range(max(place.layer for place in states.values()) + 1)]
    for place in states.values():
        layers[place.layer].append(place)
    for line in lines:
        upper, lower = states[line.source], states[line.target]
        labelled = upper.layer + 1
        if line.upwards:
            upper, lower, labelled = lower, upper, upper.layer - 1
        line.places = [upper]
        for layer in range(upper.layer + 1, lower.layer):
            place = _Place(layer)
            if layer == labelled:
                half = _width(line.words) / 2 + 4
                place = _Place(layer, half, half, _LINE * len(line.words) + 4, lines=tuple(line.words))
            layers[layer].append(place)
            line.places.append(place)
        line.places.append(lower)
        passing = [place for place in line.places if place.passing]
        for place in passing:
            place.run = passing
        for one, two in pairwise(line.places):
            one.below.append(two)
            two.above.append(one)
    return layers


def _order(layers: list[list[_Place]]) -> None:
    """Improve the order within the layers until lines cross least."""
    for layer in layers:
        for at, place in enumerate(layer):
            place.x = at
    best, fewest = [list(layer) for layer in layers], _crossings(layers)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            for place in layer:
                near = place.above if down else place.below
                place.x = sum(other.x for other in near) / len(near) if near else place.x
            layer.sort(key=lambda place: place.x)
            for at, place in enumerate(layer):
                place.x = at
        if (crossings := _crossings(layers)) < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _crossings(layers: Sequence[Sequence[_Place]]) -> int:
    count = 0
    for upper, lower in pairwise(layers):
        at = {id(place): position for position, place in enumerate(lower)}
        ends = [end for place in upper for end in sorted(at[id(below)] for below in place.below)]
        count += sum(one > two for position, one in enumerate(ends) for two in ends[position + 1 :])
    return count


def _spread(layers: Sequence[list[_Place]]) -> None:
    """Draw places to the middle of their neighbours, as near as the order within the layer allows."""
    for layer in layers:
        _settle(layer, lambda place: place.x)
    for sweep in range(4 * _SWEEPS):
        down = sweep % 2 == 0
        last = sweep >= 2 * _SWEEPS

        def wish(place: _Place, *, down: bool = down, last: bool = last) -> float:
            # In the end a line that passes through wants nothing but to be straight.
            near = place.run if last and place.passing else place.above if down else place.below
            return sum(other.x for other in near) / len(near) if near else place.x

        for layer in layers if down else reversed(layers):
            _settle(layer, wish)


def _settle(layer: Sequence[_Place], wish: Callable[[_Place], float]) -> None:
    """Move a layer's places to where they wish to be, in order and apart: the least squares solution.

    Without its distances from the left, a layer's places only have to stand in order; neighbours that would stand
    the wrong way round are pooled at their common mean (pool adjacent violators).
    """
    offsets: list[float] = []
    pools: list[tuple[float, float, int]] = []  # weighted mean, weight, number of places
    for at, place in enumerate(layer):
        offsets.append(offsets[-1] + layer[at - 1].right + _GAP[0] + place.left if at else 0.0)
        mean, weight, number = wish(place) - offsets[-1], 50.0 if place.passing else 1.0, 1
        while pools and pools[-1][0] > mean:
            other, heavy, more = pools.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, number = weight + heavy, number + more
        pools.append((mean, weight, number))
    means = [mean for mean, _, number in pools for _ in range(number)]
    for place, mean, offset in zip(layer, means, offsets, strict=True):
        place.x = mean + offset


@attrs.frozen
class _Bands:
    """Where each layer lies, from its top to its bottom."""

    tops: tuple[float, ...]
    heights: tuple[float, ...]

    def middle(self, place: _Place) -> float:
        return self.tops[place.layer] + self.heights[place.layer] / 2

    def top(self, place: _Place) -> float:
        return self.tops[place.layer]

    def bottom(self, place: _Place) -> float:
        return self.tops[place.layer] + self.heights[place.layer]


def _bands(layers: Sequence[Sequence[_Place]], top: float) -> _Bands:
    tops: list[float] = []
    heights = [max((place.height for place in layer), default=0.0) for layer in layers]
    for height in heights:
        tops.append(top)
        top += height + _GAP[1]
    return _Bands(tuple(tops), tuple(heights))


def _drawn(
    machine: AnyDefinition, layers: Sequence[Sequence[_Place]], lines: Sequence[_Line], loops: Sequence[_Line]
) -> str:
    places = [place for layer in layers for place in layer]
    title = [
        (f"{machine.name} version {machine.version}", "title"),
        *([(machine.doc, "title small")] if machine.doc else []),
    ]
    shift = _MARGIN - min(place.x - place.left for place in places)
    for place in places:
        place.x += shift
    bands = _bands(layers, _MARGIN + _LINE * len(title) + 34)
    wide = max(*(place.x + place.right for place in places), _MARGIN + _width(title)) + _MARGIN
    high = max(map(bands.bottom, places)) + _MARGIN
    mark = f"crm-{machine.fingerprint[:8]}"
    most = max([line.count for line in (*lines, *loops)], default=0)
    size = f'width="{wide:.0f}" height="{high:.0f}"'
    view = f'viewBox="0 0 {wide:.0f} {high:.0f}"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="crm-machine" role="img" {size} {view}>',
        f"<title>{_clean(title[0][0])}</title><style>{_STYLE}</style>",
        *(_marker(mark, kind) for kind in ("head", "timed-head")),
        f'<rect class="page" {size} rx="10"/>',
        *(_text(_MARGIN, _MARGIN + _LINE * (at + 0.6), *words) for at, words in enumerate(title)),
    ]
    ports = _ports(lines)
    drawn: list[tuple[_Line, str]] = [(line, _path(line, ports, bands)) for line in lines]
    by_state = {place.state: place for place in places if place.state}
    drawn += [(line, _loop(by_state[line.source], bands)) for line in loops]
    for line, path in drawn:
        kind, head = ("line timed", "timed-head") if line.timed else ("line", "head")
        end = "start" if line.upwards else "end"
        thick = 1.3 + (3.2 * line.count / most if most else 0)
        out.append(f'<path class="{kind}" stroke-width="{thick:.1f}" d="{path}" marker-{end}="url(#{mark}-{head})"/>')
    initial = by_state[str(machine.initial)]
    above = bands.middle(initial) - initial.height / 2
    out.append(f'<circle class="start" cx="{initial.x:.1f}" cy="{above - 28:.1f}" r="5"/>')
    start = f"M{initial.x:.1f} {above - 24:.1f}V{above:.1f}"
    out.append(f'<path class="line" stroke-width="1.3" d="{start}" marker-end="url(#{mark}-head)"/>')
    boxes = [place for place in places if not place.passing]
    out += [_box(place, bands.middle(place), final=place.state in machine.final) for place in boxes]
    for line in loops:
        place = by_state[line.source]
        x = place.x + place.left + 26 + _width(line.words) / 2
        out += _texts(line.words, x, bands.middle(place))
    return "\n".join([*out, "</svg>"])


def _marker(mark: str, kind: str) -> str:
    return (
        f'<marker id="{mark}-{kind}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="9" markerHeight="9"'
        f' markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path class="{kind}" d="M0 1 10 5 0 9z"/></marker>'
    )


def _ports(lines: Iterable[_Line]) -> dict[tuple[int, int], float]:
    """Spread the ends of lines along the lower and the upper side of states, in the order in which they go on."""
    sides: dict[tuple[int, bool], list[tuple[float, _Line, _Place]]] = defaultdict(list)
    for line in lines:
        first, second, *_ = line.places
        *_, before, last = line.places
        sides[id(first), True].append((second.x, line, first))
        sides[id(last), False].append((before.x, line, last))
    ports: dict[tuple[int, int], float] = {}
    for ends in sides.values():
        for at, (_, line, place) in enumerate(sorted(ends, key=lambda end: end[0])):
            half = place.left - 12
            ports[id(line), id(place)] = place.x - half + 2 * half * (at + 1) / (len(ends) + 1)
    return ports


def _path(line: _Line, ports: dict[tuple[int, int], float], bands: _Bands) -> str:
    first, *between, last = line.places
    x = ports[id(line), id(first)]
    path = [f"M{x:.1f} {bands.middle(first) + first.height / 2:.1f}"]
    y = bands.bottom(first) + _HEAD
    for place in (*between, last):
        there, top = (
            (ports[id(line), id(last)], bands.top(last) - _HEAD) if place is last else (place.x, bands.top(place))
        )
        middle = (y + top) / 2
        path.append(f"V{y:.1f}C{x:.1f} {middle:.1f} {there:.1f} {middle:.1f} {there:.1f} {top:.1f}")
        x, y = there, bands.bottom(place)
    return "".join([*path, f"V{bands.middle(last) - last.height / 2:.1f}"])


def _loop(place: _Place, bands: _Bands) -> str:
    x, y = place.x + place.left, bands.middle(place)
    return f"M{x:.1f} {y - 9:.1f}C{x + 26:.1f} {y - 16:.1f} {x + 26:.1f} {y + 16:.1f} {x:.1f} {y + 9:.1f}"


def _box(place: _Place, y: float, *, final: bool) -> str:
    inset = 0 if place.state else 2  # a label must not touch the lines beside it

    def rect(by: float, round_by: float) -> str:
        wide, high = 2 * (place.left - by), place.height - 2 * by
        left, top = place.x - place.left + by, y - place.height / 2 + by
        return f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="{round_by}"/>'

    frame = rect(inset, 9 if place.state else 3) + (rect(3.5, 6) if final else "")
    kind = "state" if place.state else "label"
    return f'<g class="{kind}">{frame}{"".join(_texts(place.lines, place.x, y))}</g>'


def _texts(lines: Sequence[tuple[str, str]], x: float, y: float) -> list[str]:
    top = y - _LINE * (len(lines) - 1) / 2 + _SIZE * 0.35
    return [_text(x, top + _LINE * at, *words) for at, words in enumerate(lines)]


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{_clean(text)}</text>'


def _clean(text: str) -> str:
    # XML knows no control characters and no half surrogates, however they are escaped.
    return escape(re.sub(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]", "\ufffd", text))
