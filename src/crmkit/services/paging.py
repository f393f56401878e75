"""Paging: every record that meets a condition, a page at a time, so that memory stays constant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

from attrs import frozen

from crmkit.kernel.query import Where
from crmkit.kernel.record import Record
from crmkit.services.unit import Unit

R = TypeVar("R", bound=Record)
T = TypeVar("T")
PAGE = 1000


def every(u: Unit, cls: type[R], where: Where | None = None, *, order: Sequence[str] = ()) -> Iterator[R]:
    """Give every committed record that meets a condition and that the actor may see, however many there are."""
    after: str | None = None
    while True:
        page = u.page(cls, where, order=order, limit=PAGE, after=after)
        yield from page
        if (after := page.next) is None:
            return


def batches(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Give items in tuples of a size, the last one perhaps shorter."""
    rest = iter(items)
    while batch := tuple(islice(rest, size)):
        yield batch


@frozen
class Results(Generic[T]):
    """A page of answers, and the cursor to the rest: None if there is no more.

    A page holds what is left of the records that were looked at, so it may be short, or empty, and still have a `next`.

    Attributes:
        items: the answers, in order.
        next: what to pass as `after` for the next page.
    """

    items: tuple[T, ...]
    next: str | None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
