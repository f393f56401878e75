"""Outcomes: answers as data, sentences and exceptions."""

import copy
import json
import pickle

import pytest
from tests.kernel.machine.lifecycles import CASE, RELATIONSHIP, CoolingCause, Facts, Signal, Stage

from crmkit.errors import MoveRefused, Refusal
from crmkit.kernel.machine import Refused, Why

GUARDED = RELATIONSHIP.step(Stage.EXPANSION, Signal.COMMIT, Facts(trust=48))


@pytest.mark.parametrize(
    ("refused", "text"),
    [
        (
            GUARDED,
            (
                "relationship: 'commit' refused in 'expansion', guard unmet: purchases 0, needs at least 1;"
                " trust 48, needs at least 60; allowed now: 'dissolve'"
            ),
        ),
        (
            RELATIONSHIP.step("expansion", "cool", Facts()),
            "relationship: 'cool' refused in 'expansion', no such step here; allowed now: 'dissolve'",
        ),
        (
            RELATIONSHIP.step("expansion", "dance", Facts()),
            "relationship: 'dance' refused in 'expansion', unknown signal; allowed now: 'dissolve'",
        ),
        (
            RELATIONSHIP.step("paradise", "commit", Facts()),
            "relationship: 'commit' refused in 'paradise', unknown state; allowed now: no signal",
        ),
        (
            RELATIONSHIP.step("dissolution", "reengage", Facts(contact_allowed=False)),
            (
                "relationship: 'reengage' refused in 'dissolution', guard unmet:"
                " needs: the customer may be contacted; allowed now: no signal"
            ),
        ),
        (
            RELATIONSHIP.step("commitment", "cool", Facts(), cause="boredom"),
            (
                "relationship: 'cool' refused in 'commitment', cause missing or wrong:"
                " expected one of price, service; allowed now: 'cool', 'dissolve'"
            ),
        ),
        (
            RELATIONSHIP.step("exploration", "understand", Facts(), cause=CoolingCause.PRICE),
            (
                "relationship: 'understand' refused in 'exploration', cause missing or wrong:"
                " expected none; allowed now: 'understand', 'dissolve'"
            ),
        ),
        (
            CASE.step("void", "take", 5),
            "case: 'take' refused in 'void', final state; allowed now: no signal",
        ),
        (
            CASE.step("closed", "reopen", 1, previous="open"),
            "case: 'reopen' refused in 'closed', guard unmet: in the way: small; allowed now: no signal",
        ),
        (
            CASE.step("closed", "reopen", 5),
            (
                "case: 'reopen' refused in 'closed', previous state missing or wrong:"
                " expected one of open, waiting; allowed now: 'reopen'"
            ),
        ),
    ],
)
def test_a_refusal_is_one_clear_sentence(refused, text):
    """What was asked, where, why not, and what is possible instead."""
    assert isinstance(refused, Refused)
    assert str(refused) == text


def test_a_refusal_is_data():
    """Everything in it becomes plain JSON values."""
    told = GUARDED.as_dict()
    assert json.loads(json.dumps(told)) == told
    bought = {
        "guard": "has_bought",
        "target": "commitment",
        "what": "purchases",
        "have": 0,
        "need": 1,
        "rule": "at least",
        "text": "purchases 0, needs at least 1",
    }
    assert told["unmet"][0] == bought
    assert told["blocked"] == {"commit": told["unmet"]}
    assert (told["why"], told["allowed"], told["expected"]) == ("guard unmet", ["dissolve"], [])


def test_a_refusal_lists_each_reason_once():
    """Two edges with the same guard in the way say so in one sentence, and as two obstacles."""
    wait = RELATIONSHIP.step("expansion", "commit", Facts(purchases=1, trust=None))
    assert wait.reasons == ("trust unknown, needs at least 60",)
    assert [obstacle.guard for obstacle in wait.obstacles] == ["trusted"]


def test_a_refusal_tells_what_is_blocked_and_by_what():
    """The same table that buttons are drawn from."""
    refused = RELATIONSHIP.step("expansion", "understand", Facts(trust=70))
    assert refused.allowed == (Signal.DISSOLVE,)
    assert {signal: [str(o) for o in there] for signal, there in refused.blocked.items()} == {
        Signal.COMMIT: ["purchases 0, needs at least 1"]
    }
    assert refused.options == RELATIONSHIP.explain("expansion", Facts(trust=70))


def test_an_option_is_data():
    """A form needs the signal, where it leads, and the causes to choose from."""
    _, dissolve = RELATIONSHIP.explain("exploration", Facts())
    assert dissolve.as_dict() == {
        "signal": "dissolve",
        "targets": ["dissolution"],
        "possible": True,
        "unmet": [],
        "causes": ["needs not met", "inactivity"],
    }


@pytest.mark.parametrize("again", [lambda r: pickle.loads(pickle.dumps(r)), copy.deepcopy, copy.copy])
def test_a_refusal_survives_copying(again):
    """The answer travels between processes; the guards and facts behind it stay."""
    there = again(GUARDED)
    assert there == GUARDED
    assert there.as_dict() == GUARDED.as_dict()


def test_a_refusal_can_be_raised():
    """The exception says the same, holds plain data only, and survives pickling."""
    with pytest.raises(MoveRefused) as caught:
        RELATIONSHIP.move(Stage.EXPANSION, Signal.COMMIT, Facts(trust=48))
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert isinstance(error, Refusal)
        assert str(error) == str(GUARDED)
        assert (error.machine, error.state, error.signal) == ("relationship", "expansion", "commit")
        assert (error.why, error.rule, error.allowed) == ("guard unmet", "guard unmet", ("dissolve",))
        assert error.unmet == tuple(GUARDED.as_dict()["unmet"])
        assert error.subject == "relationship in 'expansion'"
        plain = (error.machine, error.state, error.signal, error.why, *error.allowed, *error.reasons)
        assert {type(value) for value in plain} == {str}


def test_a_notebook_shows_a_refusal_without_running_it():
    """Whatever stands in a state or a signal is text."""
    shown = RELATIONSHIP.step("<script>", "<b>", Facts())._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert RELATIONSHIP.step("expansion", "commit", Facts())._repr_html_().count("<li>") == 2


def test_the_kinds_of_refusal_are_words():
    """They are compared, stored and shown as text."""
    assert Why.GUARD == "guard unmet"
    assert GUARDED.why is Why.GUARD
