"""Drawing: text that other programs draw from."""

import json
from enum import StrEnum

import pytest
from tests.kernel.machine.lifecycles import CASE, RELATIONSHIP

from crmkit.kernel.machine import Machine, days, edge, warning
from crmkit.kernel.machine.drawing import to_dot, to_json, to_markdown, to_mermaid

COUNTS = {("new", "take", "open"): 1234, ("waiting", None, "closed"): 5, ("closed", "reopen", "waiting"): 2}


class Nasty(StrEnum):
    QUOTE = 'a "quoted" <b>&amp;'
    COLON = "b: c; d #1 \\ end"
    LINES = "one\ntwo | three"


class Do(StrEnum):
    IT = 'do "it"; [*] --> x'
    BACK = "|back|"


NASTY = Machine[Nasty, Do, object](
    "nasty",
    version=1,
    initial=Nasty.QUOTE,
    final=[Nasty.LINES],
    groups={'g "1"': [Nasty.QUOTE, Nasty.COLON]},
    edges=[
        edge(Nasty.QUOTE, Nasty.COLON, on=Do.IT),
        edge(Nasty.COLON, Nasty.LINES, on=Do.BACK),
        warning('w "x"', Nasty.COLON, after=days(1)),
    ],
)

MERMAID = """\
stateDiagram-v2
    state "new" as s0
    state "open" as s1
    state "waiting" as s2
    state "closed" as s3
    state "void" as s4
    state "live" as g0 {
        s0
        s1
        s2
    }
    %% group ours: s0, s1
    [*] --> s0
    s0 --> s1: take ×1,234
    s1 --> s2: wait ×0
    s2 --> s1: reply ×0
    s1 --> s2: close [urgent] ×0
    s2 --> s2: close [urgent] ×0
    s1 --> s3: close ×0
    s2 --> s3: close ×0
    s3 --> s1: reopen (previous) [not small] ×0
    s3 --> s2: reopen (previous) [not small] ×2
    s0 --> s4: void it ×0
    s1 --> s4: void it ×0
    s2 --> s4: void it ×0
    s3 --> s4: after 30 days ×0
    s2 --> s3: after 14 days ×5
    note right of s0: late after 4 hours
    note right of s1: late after 4 hours
    s4 --> [*]
"""


def test_mermaid_has_groups_guards_delays_and_counts():
    """A group is a box; one that overlaps an earlier box can only be a comment."""
    assert to_mermaid(CASE, COUNTS) == MERMAID
    assert to_mermaid(CASE) == "".join(line.split(" ×")[0].rstrip("\n") + "\n" for line in MERMAID.splitlines())


def test_mermaid_has_nothing_that_could_be_taken_for_syntax():
    """Whatever is in a label becomes the number of its character."""
    drawn = to_mermaid(NASTY)
    assert 'state "a #34;quoted#34; #60;b#62;#38;amp#59;" as s0' in drawn
    assert 'state "b#58; c#59; d #35;1 #92; end" as s1' in drawn
    assert 'state "one#10;two #124; three" as s2' in drawn
    assert "s0 --> s1: do #34;it#34;#59; [#42;] --#62; x" in drawn
    assert "note right of s1: w #34;x#34; after 1 day" in drawn


def test_dot_has_groups_styles_and_counts():
    """Time is dashed, an end has two borders, a group is a cluster."""
    drawn = to_dot(CASE, COUNTS)
    assert drawn.startswith('digraph "case" {\n')
    assert drawn.endswith("\n}\n")
    assert '"new" [label="new\\nlate after 4 hours", peripheries=1];' in drawn
    assert '"void" [label="void", peripheries=2];' in drawn
    assert 'subgraph cluster_0 { label="live"; "new"; "open"; "waiting"; }' in drawn
    assert 'start -> "new";' in drawn
    assert '"new" -> "open" [label="take\\n×1,234", style=solid];' in drawn
    assert '"waiting" -> "closed" [label="after 14 days\\n×5", style=dashed];' in drawn
    assert "×" not in to_dot(CASE)


def test_dot_quotes_what_needs_quoting():
    """Quotes, backslashes and line ends stay inside their label."""
    drawn = to_dot(NASTY)
    assert '"b: c; d #1 \\\\ end" [label="b: c; d #1 \\\\ end\\nw \\"x\\" after 1 day"' in drawn
    assert drawn.count("\n") == len(drawn.splitlines())
    assert "one\\ntwo | three" in drawn
    assert '"a \\"quoted\\" <b>&amp;amp;"' in drawn


def test_a_table_has_a_row_for_each_step():
    """Source, trigger, target, guards, causes, and how often."""
    rows = to_markdown(RELATIONSHIP).splitlines()
    assert rows[:3] == [
        "| from | on | to | when | cause |",
        "| --- | --- | --- | --- | --- |",
        "| exploration | understand | awareness |  |  |",
    ]
    assert "| expansion | commit | commitment | has\\_bought, trusted |  |" in rows
    assert "| commitment | cool | expansion |  | price, service |" in rows
    assert "| exploration | silence after 180 days |  |  |  |" in rows
    counted = to_markdown(CASE, COUNTS).splitlines()
    assert counted[0] == "| from | on | to | when | cause | count |"
    assert "| new | take | open |  |  | 1234 |" in counted
    assert "| closed | reopen | previous of open, waiting | not small |  | 2 |" in counted
    assert "| new | late after 4 hours |  |  |  |  |" in counted


def test_a_table_stays_a_table():
    """Bars, line ends and markup in a label are only text."""
    rows = to_markdown(NASTY).splitlines()
    assert len(rows) == 5
    assert rows[2] == '| a "quoted" \\<b\\>\\&amp; | do "it"; \\[\\*\\] --\\> x | b: c; d #1 \\\\ end |  |  |'
    assert rows[3] == "| b: c; d #1 \\\\ end | \\|back\\| | one two \\| three |  |  |"


def test_json_has_everything():
    """The definition, with version, fingerprint, text and counts."""
    told = json.loads(to_json(CASE, COUNTS))
    assert (told["version"], told["fingerprint"], told["doc"]) == ("1+shop", CASE.fingerprint, "")
    assert told["steps"] == CASE.as_dict()["steps"]
    assert ["waiting", None, "closed", 5] in told["counts"]
    assert len(told["counts"]) == 14
    assert "counts" not in json.loads(to_json(RELATIONSHIP))


@pytest.mark.parametrize("draw", [to_mermaid, to_dot, to_markdown, to_json])
def test_a_drawing_is_the_same_every_time(draw):
    """It can be kept under version control."""
    assert draw(CASE) == draw(CASE)
