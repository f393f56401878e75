"""Paging: everything is given once, a page at a time."""

from __future__ import annotations

import pytest

from crmkit.kernel.money import Money
from crmkit.services import paging
from crmkit.services.paging import Results, batches


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_every_record_is_given_once_whatever_the_page(crm, monkeypatch, size):
    """What adds up over all records adds up the same over pages of any size."""
    monkeypatch.setattr(paging, "PAGE", size)
    ana = crm.customers.register()
    for _ in range(4):
        crm.purchases.record(ana, "1 EUR")
    assert crm.purchases.spent(ana) == {"EUR": Money(4, "EUR")}


def test_batches_hold_everything_in_order_and_read_as_they_go():
    """Full batches and a shorter last one; nothing is read before it is asked for."""
    read = []
    some = batches((read.append(n) or n for n in range(5)), 2)
    assert read == []
    assert next(some) == (0, 1)
    assert read == [0, 1]
    assert list(some) == [(2, 3), (4,)]
    assert list(batches([], 2)) == []


def test_results_are_a_page():
    """A page is counted and gone through like what is on it."""
    page = Results((1, 2), "next")
    assert (len(page), list(page), page.next) == (2, [1, 2], "next")
