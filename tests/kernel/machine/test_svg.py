"""The picture: well-formed, complete, and nothing on top of anything else."""

import itertools
import math
import re
from enum import StrEnum
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.machine.lifecycles import CASE, RELATIONSHIP, Node, Push, machines
from tests.kernel.machine.test_drawing import COUNTS, NASTY

from crmkit.kernel.machine import Machine, edge
from crmkit.kernel.machine.svg import to_svg

SVG = "{http://www.w3.org/2000/svg}"


def parts(machine, counts=None):
    return ET.fromstring(to_svg(machine, counts))


def boxes(root):
    """The frames of states and labels: left, top, right, bottom."""
    frames = [group.find(f"{SVG}rect") for group in root.iter(f"{SVG}g")]
    sides = [tuple(float(frame.get(name)) for name in ("x", "y", "width", "height")) for frame in frames]
    return [(x, y, x + wide, y + high) for x, y, wide, high in sides]


def texts(root):
    return [text.text for text in root.iter(f"{SVG}text")]


def points(path):
    """Points along the lines and curves of a path."""
    words = re.findall(r"[MCV]|-?[\d.]+", path.get("d"))
    found, at = [], 0
    while at < len(words):
        command, at = words[at], at + 1
        number = {"M": 2, "C": 6, "V": 1}[command]
        values, at = [float(word) for word in words[at : at + number]], at + number
        if command == "M":
            found.append((values[0], values[1]))
            continue
        (x0, y0) = found[-1]
        if command == "V":
            values = [x0, y0, x0, values[0], x0, values[0]]
        x1, y1, x2, y2, x3, y3 = values
        for n in range(1, 21):
            t = n / 20
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            found.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return found


def check_layout(root):
    wide, high = float(root.get("width")), float(root.get("height"))
    all_boxes = boxes(root)
    for one, two in itertools.combinations(all_boxes, 2):
        assert one[2] < two[0] or two[2] < one[0] or one[3] < two[1] or two[3] < one[1], (one, two)
    for left, top, right, bottom in all_boxes:
        assert 0 < left < right < wide
        assert 0 < top < bottom < high
    states = [box for group, box in zip(root.iter(f"{SVG}g"), all_boxes, strict=True) if group.get("class") == "state"]
    for path in root.findall(f"{SVG}path"):
        for x, y in points(path):
            assert 0 < x < wide
            assert 0 < y < high
            for left, top, right, bottom in states:
                assert not (left + 1 < x < right - 1 and top + 1 < y < bottom - 1), "a line runs through a state"


@pytest.mark.parametrize("machine", [RELATIONSHIP, CASE, NASTY])
@pytest.mark.parametrize("counts", [None, COUNTS])
def test_nothing_lies_on_anything_else(machine, counts):
    """States and labels keep apart, lines do not run through states, and all is on the page."""
    check_layout(parts(machine, counts))


@given(machines())
def test_nothing_lies_on_anything_else_in_any_machine(machine):
    """The same for machines that nobody drew before."""
    check_layout(parts(machine))


@pytest.mark.parametrize("size", [1, 2, 40])
def test_small_and_large_machines_are_drawn(size):
    """A ring of states with a short cut from each to the first."""
    Many = StrEnum("Many", [f"STATE_{n}" for n in range(size)])  # noqa: N806
    nodes = list(Many)
    edges = [edge(one, nodes[(n + 1) % size], on=Push.P) for n, one in enumerate(nodes)]
    edges += [edge(one, nodes[0], on=Push.Q) for one in nodes[2:]]
    if size == 1:
        edges, final = [], nodes
    else:
        final = []
    machine = Machine(
        "many", version=1, initial=nodes[0], final=final, edges=edges, signals=sorted({e.on for e in edges})
    )
    root = parts(machine)
    check_layout(root)
    assert len(root.findall(f"{SVG}g[@class='state']")) == size


def test_everything_is_in_the_picture():
    """Name, version, states, groups, warnings, triggers, guards and counts."""
    told = texts(parts(CASE, COUNTS))
    for text in ("case version 1+shop", "waiting", "live, ours", "late after 4 hours", "take", "×1,234", "[urgent]",
                 "after 14 days", "×5", "reopen (previous)", "[not small]"):  # fmt: skip
        assert text in told
    assert "How far a relationship has come." in texts(parts(RELATIONSHIP))
    assert parts(CASE).find(f"{SVG}title").text == "case version 1+shop"


def test_time_is_dashed_and_an_end_has_two_borders():
    """What moves by itself, and where it stops, is seen at a glance."""
    root = parts(CASE)
    kinds = [path.get("class") for path in root.findall(f"{SVG}path")]
    assert kinds.count("line timed") == 1  # closed to void; waiting to closed is also a signal
    final = [g for g in root.iter(f"{SVG}g") if len(g.findall(f"{SVG}rect")) == 2]
    assert [g.find(f"{SVG}text").text for g in final] == ["void"]


def test_a_line_grows_with_its_count():
    """The busiest is the thickest."""

    def widths(counts):
        return sorted({float(path.get("stroke-width")) for path in parts(CASE, counts).findall(f"{SVG}path")})

    assert widths(None) == [1.3]
    assert widths(COUNTS) == [1.3, 4.5]
    assert widths({("new", "take", "open"): 10, ("open", "wait", "waiting"): 5}) == [1.3, 2.9, 4.5]


def test_arrows_point_at_their_targets():
    """The head of each line touches the state that it leads to, however the layout turned the line."""
    root = parts(RELATIONSHIP)
    named = {g.findall(f"{SVG}text")[0].text: box for g, box in zip(root.iter(f"{SVG}g"), boxes(root), strict=True)}
    ends = []
    for path in root.findall(f"{SVG}path"):
        found = points(path)
        x, y = found[0] if path.get("marker-start") else found[-1]
        ends.append(next(name for name, (left, top, right, bottom) in named.items()
                         if left < x < right and min(abs(y - top), abs(y - bottom)) < 0.2))  # fmt: skip
    arrows = [(s.source, t) for s in RELATIONSHIP.steps for t in s.targets]
    assert sorted(ends) == sorted([*(target for _, target in set(arrows)), "exploration"])


def test_a_label_stands_beside_the_state_that_its_line_leaves():
    """Also where the line leads upwards: this is where a reader looks for it."""
    root = parts(RELATIONSHIP)
    named = {g.find(f"{SVG}text").text: box for g, box in zip(root.iter(f"{SVG}g"), boxes(root), strict=True)}
    assert 0 < named["awareness"][1] - named["understand"][3] < 60
    assert 0 < named["dissolution"][1] - named["reengage"][3] < 60


def test_lines_leave_and_arrive_straight():
    """Arrow heads sit on a vertical piece, so that they point the right way."""
    for path in parts(RELATIONSHIP).findall(f"{SVG}path"):
        found = points(path)
        assert math.isclose(found[0][0], found[1][0])
        assert math.isclose(found[-1][0], found[-2][0], abs_tol=0.1)


def test_hostile_labels_are_only_text():
    """Markup is escaped, and what XML cannot hold becomes a replacement character."""
    root = parts(NASTY)
    assert 'a "quoted" <b>&amp;' in texts(root)
    assert not list(root.iter(f"{SVG}b"))


@given(st.text(alphabet=st.characters(), max_size=20))
def test_any_text_makes_a_well_formed_picture(text):
    """Control characters, half surrogates and markup alike."""
    machine = Machine("any", version=1, initial=Node.A, states=[Node.A], signals=[], edges=[], final=[Node.A], doc=text)
    assert ET.fromstring(to_svg(machine)) is not None


def test_two_pictures_on_one_page_do_not_mix():
    """Arrow heads are named by the fingerprint, and all styles stay inside."""
    one, two = to_svg(CASE), to_svg(RELATIONSHIP)
    assert set(re.findall(r'id="([^"]*)"', one)).isdisjoint(re.findall(r'id="([^"]*)"', two))
    style = ET.fromstring(one).find(f"{SVG}style").text
    selectors = re.findall(r"([^{}]+)\{", style.replace("@media (prefers-color-scheme: dark) {", ""))
    assert all(part.strip().startswith(".crm-machine") for selector in selectors for part in selector.split(","))


def test_a_picture_is_the_same_every_time():
    """It can be kept under version control."""
    assert to_svg(CASE) == to_svg(CASE)
