"""Text at the boundary: checked once, kept to the byte, and a separate key to search it by.

Nothing here repairs text. A function returns the very text that it was given, or raises `Invalid` with the field, the
rule, what is expected, and the size and place of what was found, never its content:

    type                  not plain text (a subclass of `str` may lie about itself, so it is refused too)
    empty, blank          no character at all; none that can be seen
    too-long              more characters than the field takes; looked at before anything else
    surrogate             half of a character, which no file and no database can hold
    line-break            a line break in text of one line; in prose, one other than LF and CR LF
    control-character     NUL and the other C0 and C1 controls
    bidi-control          an override, embedding or isolate, which makes text show as something else
    zero-width-end        a zero-width space, word joiner or byte order mark at either end
    combining-marks       more than thirty marks on one character
    expansion             compatibility normalisation would more than double what the field takes
    space                 in a code: white space other than single spaces inside
    invisible             in a code: a character that cannot be seen, other than the joiners
    slug                  not a slug

Every check is linear: the length comes first, then one pass each of expressions that cannot backtrack.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from crmkit.errors import Invalid, redacted

LONGEST_LINE: Final = 200
LONGEST_PROSE: Final = 20_000
LONGEST_CODE: Final = 100
LONGEST_SLUG: Final = 64
MOST_MARKS: Final = 30
"""How many marks may stand on one character: what Unicode calls the Stream-Safe Text Format (UAX #15)."""

_MOST_GROWTH: Final = 18  # U+FDFA becomes eighteen characters; no other grows more
_CONTROLS: Final = r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069"
_LINE_BREAKS: Final = "\n\v\f\r\x85\u2028\u2029"
_NOT_IN_LINE: Final = re.compile(f"[\\t{_LINE_BREAKS}{_CONTROLS}]")
_NOT_IN_PROSE: Final = re.compile(f"[\v\f\x85\u2028\u2029{_CONTROLS}]|\r(?!\n)")
_VISIBLE: Final = re.compile(
    r"[^\s\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_ZERO_WIDTH: Final = ("\u200b", "\u2060", "\ufeff")
_LONG_RUN_OF_MARKS: Final = re.compile(f"[^\\w\\x00-\\u02ff]{{{MOST_MARKS + 1}}}")  # marks are no word characters
_SPACE_IN_CODE: Final = re.compile(r"^\s|\s$|[^\S ]| {2}")
_JOINERS: Final = "\u200c\u200d"
_INVISIBLE: Final = frozenset({"Cf", "Co"})
_SLUG: Final = re.compile(r"[a-z](?:[-_]?[a-z0-9])*")


def line(field: str, value: object, *, longest: int = LONGEST_LINE, empty: bool = False) -> str:
    r"""Check a text of one line, such as a name or a subject, and return it as it is.

    Names of all scripts, emoji, joiners, apostrophes, markup and formulas are kept; what they mean is the business of
    whoever shows them. `empty` lets the empty text pass, but no text of mere spaces.

    Raises:
        Invalid: rules `type`, `empty`, `blank`, `too-long`, `surrogate`, `line-break`, `control-character`,
            `bidi-control`, `zero-width-end`, `combining-marks`, `expansion`.

    >>> line("name", "Ana Reyes")
    'Ana Reyes'
    >>> line("name", "Ana\nReyes")
    Traceback (most recent call last):
    crmkit.errors.Invalid: name: expected text of one line, found str of 9 characters, at index 3 (line-break)
    """
    if type(value) is str:
        if 0 < len(value) <= longest and value.isascii() and value.isprintable() and not value.isspace():
            return value
        if not value and empty:
            return value
    return _checked(field, value, longest, _NOT_IN_LINE, "text of one line")


def prose(field: str, value: object, *, longest: int = LONGEST_PROSE, empty: bool = False) -> str:
    r"""Check a text of any number of lines, such as a note, and return it as it is.

    Lines end in LF or CR LF, and tabs may stand anywhere; the rest is as in `line`.

    Raises:
        Invalid: rules `type`, `empty`, `blank`, `too-long`, `surrogate`, `line-break`, `control-character`,
            `bidi-control`, `zero-width-end`, `combining-marks`, `expansion`.

    >>> prose("note", "Called.\nShe will think about it.")
    'Called.\nShe will think about it.'
    """
    if type(value) is str:
        quick = 0 < len(value) <= longest and value.isascii() and not value.isspace()
        if quick and _NOT_IN_PROSE.search(value) is None:
            return value
        if not value and empty:
            return value
    return _checked(field, value, longest, _NOT_IN_PROSE, "text of lines that end in LF or CR LF")


def code(field: str, value: object, *, longest: int = LONGEST_CODE) -> str:
    r"""Check an identifier that others gave, such as an order number or a tag, and return it as it is.

    It is a line in which everything can be seen: single spaces inside, no other white space, and no invisible character
    but the joiners that emoji and Persian need. Upper and lower case differ, and so do composed and decomposed letters.

    Raises:
        Invalid: rules `space`, `invisible`, and those of `line`.

    >>> code("order", "INV 2026/001-A")
    'INV 2026/001-A'
    >>> code("order", "INV 2026/001 ")
    Traceback (most recent call last):
    crmkit.errors.Invalid: order: expected a code without spaces around it, found str of 13 characters (space)
    """
    text = line(field, value, longest=longest)
    if _SPACE_IN_CODE.search(text) is not None:
        if text.strip() != text:
            raise Invalid(field, "space", "a code without spaces around it", redacted(text))
        raise Invalid(field, "space", "a code with single spaces inside and no other white space", redacted(text))
    if not text.isprintable():
        for index, character in enumerate(text):
            if unicodedata.category(character) in _INVISIBLE and character not in _JOINERS:
                found = f"{redacted(text)}, at index {index}"
                raise Invalid(field, "invisible", "a code in which every character can be seen", found)
    return text


def slug(field: str, value: object, *, longest: int = LONGEST_SLUG) -> str:
    """Check a name for machines, such as that of a custom attribute, and return it as it is.

    Lower-case ASCII letters and digits, a letter first, with single `-` or `_` between them.

    Raises:
        Invalid: rules `type`, `too-long`, `slug`.

    >>> slug("attribute", "shoe_size")
    'shoe_size'
    """
    text = _plain(field, value, longest, "a slug")
    if _SLUG.fullmatch(text) is None:
        expected = "lower-case letters and digits with single - or _ between them, a letter first, such as shoe_size"
        raise Invalid(field, "slug", expected, redacted(text))
    return text


def search_key(text: str) -> str:
    r"""Give the text that equal-looking texts have in common; store it beside the original and search by it.

    Compatibility normalisation (NFKC), full case folding, and runs of white space made one space, none at the ends.
    Composed and decomposed letters, full-width and plain ones, upper and lower case meet; letters of different scripts
    that look alike stay apart. The key of a key is that key. It may be longer than the text.

    Raises:
        Invalid: rules `type`, `too-long` (more than 20,000 characters), `combining-marks`; so that what a user types
            into a search box is bounded as well.

    >>> search_key("  \uff21\uff2e\uff21\u00a0 REYES ")
    'ana reyes'
    >>> search_key("Straße") == search_key("STRASSE")
    True
    """
    _plain("text", text, LONGEST_PROSE, "text to search for")
    if text.isascii():
        return " ".join(text.lower().split())
    _refuse_heaps_of_marks("text", text)
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _plain(field: str, value: object, longest: int, expected: str) -> str:
    if type(value) is not str:
        raise Invalid(field, "type", expected, redacted(value))
    if len(value) > longest:
        raise Invalid(field, "too-long", f"{expected} of at most {longest:,} characters", redacted(value))
    return value


def _checked(field: str, value: object, longest: int, refused: re.Pattern[str], expected: str) -> str:
    """Check a text in full: what the quick path of the caller could not say yes to."""
    text = _plain(field, value, longest, expected)
    if not text:
        raise Invalid(field, "empty", expected, "empty text")
    if (match := refused.search(text)) is not None:
        raise Invalid(field, _rule_against(match[0]), expected, f"{redacted(text)}, at index {match.start()}")
    if _VISIBLE.search(text) is None:
        raise Invalid(field, "blank", f"{expected} with something to see in it", redacted(text))
    if text.startswith(_ZERO_WIDTH) or text.endswith(_ZERO_WIDTH):
        raise Invalid(field, "zero-width-end", f"{expected} without zero-width characters at the ends", redacted(text))
    _refuse_heaps_of_marks(field, text)
    most = 2 * longest
    if len(text) * _MOST_GROWTH > most and len(unicodedata.normalize("NFKC", text)) > most:
        expected = f"{expected} that normalises to at most {most:,} characters"
        raise Invalid(field, "expansion", expected, redacted(text))
    return text


def _rule_against(character: str) -> str:
    if character in _LINE_BREAKS:
        return "line-break"
    if "\ud800" <= character <= "\udfff":
        return "surrogate"
    return "bidi-control" if character >= "\u202a" else "control-character"


def _refuse_heaps_of_marks(field: str, text: str) -> None:
    """Refuse long runs of marks, which cost normalisation quadratic time."""
    if _LONG_RUN_OF_MARKS.search(text) is None:
        return
    run = 0
    for index, character in enumerate(text):
        run = run + 1 if unicodedata.category(character)[0] == "M" else 0
        if run > MOST_MARKS:
            found = f"{redacted(text)}, at index {index}"
            raise Invalid(field, "combining-marks", f"at most {MOST_MARKS} marks on one character", found)
