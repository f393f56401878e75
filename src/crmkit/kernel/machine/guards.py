"""Guards: named pure functions of the facts, which say why not, with figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, TypeVar

import attrs

from crmkit.errors import Misuse

F = TypeVar("F")
G = TypeVar("G", bound=Callable[..., Any])

Rule = Literal["holds", "fails", "at least", "at most", "equals"]
Figure: TypeAlias = bool | int | float | Decimal | str | date | timedelta | None


@attrs.frozen
class Unmet:
    """Why a guard does not let a step pass.

    Attributes:
        what: what was looked at, in words: `"trust"`.
        have: the figure found; `None` when it is not known.
        need: the figure that it is held against; `None` when the guard told no figures.
        rule: how the two were compared. `"holds"` and `"fails"`: a plain yes or no was expected.

    >>> str(Unmet("trust", 48, 60, "at least"))
    'trust 48, needs at least 60'
    >>> str(Unmet("consent to contact"))
    'needs: consent to contact'
    """

    what: str
    have: Figure = None
    need: Figure = None
    rule: Rule = "holds"

    def __str__(self) -> str:
        if self.rule == "holds":
            return f"needs: {self.what}"
        if self.rule == "fails":
            return f"in the way: {self.what}"
        have = "unknown" if self.have is None else self.have
        return f"{self.what} {have}, needs {'' if self.rule == 'equals' else self.rule + ' '}{self.need}"

    def as_dict(self) -> dict[str, object]:
        """The same as plain JSON values; dates, durations and decimals become text.

        >>> Unmet("trust", 48, 60, "at least").as_dict()
        {'what': 'trust', 'have': 48, 'need': 60, 'rule': 'at least', 'text': 'trust 48, needs at least 60'}
        """
        have, need = (
            figure if figure is None or isinstance(figure, bool | int | float) else str(figure)
            for figure in (self.have, self.need)
        )
        return {"what": self.what, "have": have, "need": need, "rule": self.rule, "text": str(self)}


Verdict: TypeAlias = bool | Unmet
Guard: TypeAlias = Callable[[F], Verdict]


_UNSET: Final[Any] = object()


def need(
    what: str, *, have: Figure, at_least: Figure = _UNSET, at_most: Figure = _UNSET, equals: Figure = _UNSET
) -> Verdict:
    """Hold a figure against one or two bounds: True, or an `Unmet` that tells figure and bound.

    A figure that is not known (`None`) meets no bound, unless `None` is what it should equal.

    Raises:
        Misuse: no bound was given.

    >>> need("trust", have=60, at_least=60)
    True
    >>> str(need("open complaints", have=3, at_most=0))
    'open complaints 3, needs at most 0'
    >>> str(need("country", have=None, equals="ES"))
    'country unknown, needs ES'
    """
    if at_least is _UNSET and at_most is _UNSET and equals is _UNSET:
        raise Misuse(f"need({what!r}): give at_least=, at_most= or equals=")
    figure: Any = have  # figures of one kind compare with each other; the type system cannot say so
    if at_least is not _UNSET and (have is None or not figure >= at_least):
        return Unmet(what, have, at_least, "at least")
    if at_most is not _UNSET and (have is None or not figure <= at_most):
        return Unmet(what, have, at_most, "at most")
    if equals is not _UNSET and have != equals:
        return Unmet(what, have, equals, "equals")
    return True


def require(what: str, granted: bool | None) -> Verdict:  # noqa: FBT001 - the one thing it is about
    """Ask for a plain yes: True, or an `Unmet` that says what is missing. `None` (not known) is no.

    >>> require("consent to contact", True)
    True
    >>> str(require("consent to contact", None))
    'needs: consent to contact'
    """
    return granted is True or Unmet(what)


def guard(says: str) -> Callable[[G], G]:
    """Give a guard that returns a plain bool the words to refuse with. The function stays what it is.

    >>> @guard("the customer has bought at least twice")
    ... def repeat_buyer(purchases: int) -> bool:
    ...     return purchases >= 2
    >>> repeat_buyer(2), words_of(repeat_buyer)
    (True, 'the customer has bought at least twice')
    """

    def tell(function: G) -> G:
        function.__says__ = says  # type: ignore[attr-defined]
        return function

    return tell


def name_of(check: Guard[Any]) -> str:
    """Return the name of a guard as drawings, diffs and fingerprints use it; empty if it has none.

    >>> name_of(require), name_of(lambda facts: True)
    ('require', '')
    """
    name = getattr(check, "__name__", "")
    return name if name.isidentifier() else ""


def words_of(check: Guard[Any]) -> str:
    """Return what a guard says when it only answers no: its words, or else its name, spelled out."""
    return getattr(check, "__says__", None) or name_of(check).replace("_", " ").strip()


@attrs.frozen
class Claim:
    """What the author says about guards taken together; `prove` holds it against facts."""

    kind: Literal["exclusive", "exhaustive"]
    guards: tuple[Guard[Any], ...]


def exclusive(*guards: Guard[F]) -> Claim:
    """Claim that never two of these guards hold at once, so that their edges cannot overlap."""
    return Claim("exclusive", guards)


def exhaustive(*guards: Guard[F]) -> Claim:
    """Claim that at least one of these guards always holds, so that nothing gets stuck between them."""
    return Claim("exhaustive", guards)
