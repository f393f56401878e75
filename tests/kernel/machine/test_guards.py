"""Guards: verdicts with figures, names and words."""

from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import pytest
from tests.kernel.machine.lifecycles import contact_allowed, has_bought

from crmkit.errors import Misuse
from crmkit.kernel.machine import Unmet, exclusive, exhaustive, guard, need, require
from crmkit.kernel.machine.guards import name_of, words_of


@pytest.mark.parametrize(
    ("bounds", "have", "text"),
    [
        ({"at_least": 60}, 48, "trust 48, needs at least 60"),
        ({"at_least": 60}, 59.9, "trust 59.9, needs at least 60"),
        ({"at_least": 60}, None, "trust unknown, needs at least 60"),
        ({"at_least": 60}, float("nan"), "trust nan, needs at least 60"),
        ({"at_most": 3}, 4, "trust 4, needs at most 3"),
        ({"at_most": 3}, None, "trust unknown, needs at most 3"),
        ({"at_most": 3}, float("nan"), "trust nan, needs at most 3"),
        ({"at_least": 1, "at_most": 3}, 0, "trust 0, needs at least 1"),
        ({"at_least": 1, "at_most": 3}, 4, "trust 4, needs at most 3"),
        ({"equals": "ES"}, "PT", "trust PT, needs ES"),
        ({"equals": "ES"}, None, "trust unknown, needs ES"),
        ({"equals": None}, "ES", "trust ES, needs None"),
    ],
)
def test_an_unmet_need_tells_what_there_is_and_what_it_takes(bounds, have, text):
    """The sentence names the figure, or that it is unknown, and the bound that it misses."""
    verdict = need("trust", have=have, **bounds)
    assert isinstance(verdict, Unmet)
    assert str(verdict) == text


@pytest.mark.parametrize(
    ("bounds", "have"),
    [
        ({"at_least": 60}, 60),
        ({"at_most": 3}, 3),
        ({"at_least": 1, "at_most": 3}, 2),
        ({"equals": "ES"}, "ES"),
        ({"equals": None}, None),
        ({"at_least": date(2024, 1, 1)}, date(2024, 1, 1)),
        ({"at_most": timedelta(days=2)}, timedelta(days=1)),
        ({"at_least": Decimal("9.99")}, 10),
    ],
)
def test_a_need_that_is_met_is_plainly_true(bounds, have):
    """Bounds are inclusive, and any ordered figures will do."""
    assert need("figure", have=have, **bounds) is True


def test_a_need_without_a_bound_is_a_mistake():
    """A guard that could never fail is refused when it runs."""
    with pytest.raises(Misuse, match="give at_least=, at_most= or equals="):
        need("trust", have=1)


@pytest.mark.parametrize(("granted", "met"), [(True, True), (False, False), (None, False)])
def test_what_is_required_must_be_a_plain_yes(granted, met):
    """Unknown consent is no consent."""
    verdict = require("consent to contact", granted)
    assert (verdict is True) == met
    assert met or str(verdict) == "needs: consent to contact"


def test_figures_become_plain_json_values():
    """Numbers stay numbers; dates, durations and decimals become text."""
    assert Unmet("a", have=True, need=2.5, rule="equals").as_dict()["have"] is True
    told = Unmet("debt", Decimal("1.50"), date(2024, 2, 29), "at most").as_dict()
    assert told == {
        "what": "debt",
        "have": "1.50",
        "need": "2024-02-29",
        "rule": "at most",
        "text": "debt 1.50, needs at most 2024-02-29",
    }


def test_a_guard_keeps_being_the_function_that_it_was():
    """The decorator adds words, and neither a wrapper nor a call."""

    def plain(facts):
        return facts

    assert guard("it is plain")(plain) is plain
    assert words_of(plain) == "it is plain"


def test_a_guard_without_words_is_told_by_its_name():
    """The name, spelled out, has to do."""
    assert words_of(has_bought) == "has bought"
    assert words_of(contact_allowed) == "the customer may be contacted"


@pytest.mark.parametrize("nameless", [lambda facts: facts, partial(has_bought)])
def test_what_has_no_name_of_its_own_has_none(nameless):
    """A lambda or a partial cannot be told apart in a drawing or a lock file."""
    assert name_of(nameless) == ""


def test_claims_are_kept_as_data():
    """A claim says which guards it is about, and what."""
    assert exclusive(has_bought, contact_allowed).guards == (has_bought, contact_allowed)
    assert (exclusive(has_bought).kind, exhaustive(has_bought).kind) == ("exclusive", "exhaustive")
