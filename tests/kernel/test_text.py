"""Text: the bad-input catalogue's section Text, entry by entry, and the laws of search keys."""

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmkit.errors import Invalid
from crmkit.kernel import addresses, dates, money, text
from crmkit.kernel.text import code, line, prose, search_key, slug

Check = Callable[..., str]
CHECKS = {"line": line, "prose": prose, "code": code}
MARKS = "\u0301"


class Hostile(str):
    """Text that lies about itself."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __len__(self) -> int:
        raise AssertionError

    def __str__(self) -> str:
        raise AssertionError

    __hash__ = str.__hash__


class Word(StrEnum):
    ANA = "Ana"


def refused(check: Callable[..., Any], value: Any, **options: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        check("person.name", value, **options)
    error = caught.value
    assert error.field == "person.name"
    if type(value) is str and len(value) > 3:
        assert value not in str(error)
        assert value.strip() == "" or value.strip() not in str(error)
    return error


REFUSED = [
    ("1", "Ana\0Reyes", "control-character"),
    ("1", "\0", "control-character"),
    ("2", "Ana\ud800", "surrogate"),
    ("2", "\udfffAna", "surrogate"),
    ("3", "Ana\x1bReyes", "control-character"),
    ("3", "Ana\x01", "control-character"),
    ("3", "\x08Ana", "control-character"),
    ("3", "Ana\x0eReyes", "control-character"),
    ("3", "Ana\x1fReyes", "control-character"),
    ("3", "Ana\x7fReyes", "control-character"),
    ("3", "Ana\x80Reyes", "control-character"),
    ("3", "Ana\x9fReyes", "control-character"),
    ("3", "Ana\tReyes", "control-character"),
    ("4", "Ana\rReyes", "line-break"),
    ("4", "Ana\nReyes", "line-break"),
    ("4", "Ana\r\nBcc: victim", "line-break"),
    ("4", "Ana Reyes\n", "line-break"),
    ("4", "Ana\vReyes", "line-break"),
    ("4", "Ana\fReyes", "line-break"),
    ("5", "Ana\u2028Reyes", "line-break"),
    ("5", "Ana\u2029Reyes", "line-break"),
    ("5", "Ana\u0085Reyes", "line-break"),
    *(("6", f"invoice{chr(bidi)}fdp.exe", "bidi-control") for bidi in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
    ("11", "\u200bAna Reyes", "zero-width-end"),
    ("11", "Ana Reyes\u200b", "zero-width-end"),
    ("11", "Ana Reyes\u2060", "zero-width-end"),
    ("12", "\ufeffAna Reyes", "zero-width-end"),
    ("15", "a" + MARKS * 40_000, "too-long"),
    ("15", "a" + MARKS * 31, "combining-marks"),
    ("15", "Ana" + "\u0489\u20dd" * 16, "combining-marks"),
    ("16", "\ufdfa" * 200_000, "too-long"),
    ("16", "\ufdfa" * 23, "expansion"),
    ("17", "x" * 10_000_000, "too-long"),
    ("17", "x" * 201, "too-long"),
    ("17", "é" * 201, "too-long"),
    ("18", "", "empty"),
    ("18", " ", "blank"),
    ("18", "    ", "blank"),
    ("18", "\u00a0", "blank"),
    ("18", " \u3000\u2009 ", "blank"),
    ("18", "\u200d\u200c", "blank"),
    ("18", "\u200b", "blank"),
    ("18", "\u3164\u2800\u00ad\ufe0f", "blank"),
]


@pytest.mark.parametrize(("value", "rule"), [pytest.param(v, r, id=f"{n}-{r}") for n, v, r in REFUSED])
def test_a_line_is_refused(value: str, rule: str) -> None:
    """Each entry of the catalogue is refused by its own rule."""
    assert refused(line, value).rule == rule
    assert refused(code, value, longest=200).rule == rule


@pytest.mark.parametrize(("value", "rule"), [pytest.param(v, r, id=f"{n}-{r}") for n, v, r in REFUSED])
def test_prose_is_refused_where_it_is_no_matter_of_lines(value: str, rule: str) -> None:
    """Prose keeps LF, CR LF and tabs, and refuses the rest of the catalogue."""
    if value in ("Ana\tReyes", "Ana\nReyes", "Ana\r\nBcc: victim", "Ana Reyes\n"):
        assert prose("person.name", value) is value
    else:
        assert refused(prose, value, longest=200).rule == rule


KEPT = [
    ("7", "محمد بن سلمان"),
    ("7", "יצחק רבין"),
    ("8", "Jose\u0301"),
    ("8", "Jos\u00e9"),
    ("9", "\uff41dmin"),
    ("10", "\u0430dmin"),
    ("11", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
    ("11", "\U0001f469\u200d\U0001f4bb"),
    ("13", "Ana\uffff"),
    ("13", "Ana\U0010ffff"),
    ("14", "\U0001f600"),
    ("15", "a" + MARKS * 30),
    ("15", ("e" + MARKS * 20) * 9),
    ("15", "—" * 40 + "\U0001f600" * 40),
    ("16", "\ufdfa" * 22),
    ("19", "X"),
    ("19", "x" * 100),
    ("19", "Suharto"),
    ("19", "O'Brien"),
    ("19", "Null"),
    ("19", "Nguy\u1ec5n"),
    ("19", "\u0130"),
    ("19", "\u00df"),
    ("20", "Robert'); DROP TABLE students;--"),
    ("21", "<script>alert(1)</script>"),
    ("21", "{{7*7}}"),
    ("21", "${x}"),
    ("21", "%s%n"),
    ("22", "=cmd|' /C calc'!A0"),
    ("23", "100%"),
    ("23", "tag_name"),
]


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("value", [pytest.param(v, id=n) for n, v in KEPT])
def test_text_is_kept_to_the_byte(value: str, check: Check) -> None:
    """What the catalogue stores is returned as the very same object."""
    assert check("person.name", value, longest=200) is value


@pytest.mark.parametrize("value", ["x" * 200, "Ana\u200bReyes", "Ana\ufeffReyes", " Ana ", "\u200eAna", "Ana\u200c"])
def test_a_line_keeps_what_a_code_would_not(value: str) -> None:
    """Zero-width characters inside (11, 12), spaces around and 200 characters (19) stay in a line and in prose."""
    assert line("person.name", value) is value
    assert prose("person.name", value) is value


@pytest.mark.parametrize("check", [*CHECKS.values(), slug], ids=[*CHECKS, "slug"])
@pytest.mark.parametrize("value", [None, 5, b"Ana", ["Ana"], Hostile("Ana"), Word.ANA, True], ids=repr)
def test_only_plain_text_is_text(value: object, check: Check) -> None:
    """Numbers, bytes, lists (81) and subclasses of str (83) are refused before any method of theirs is called."""
    assert refused(check, value).rule == "type"


def test_the_empty_text_passes_where_it_may() -> None:
    """`empty` lets the empty text pass, and no text of spaces."""
    assert line("person.name", "", empty=True) == ""
    assert prose("person.name", "", empty=True) == ""
    assert refused(line, " ", empty=True).rule == "blank"
    assert refused(prose, " \n", empty=True).rule == "blank"
    assert refused(prose, "").rule == "empty"


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_longest_text_passes_and_one_more_character_does_not(check: Check) -> None:
    """Length is counted in characters, also outside ASCII."""
    for letter in ("x", "ж", "\U0001f600"):
        assert check("person.name", letter * 7, longest=7) == letter * 7
        error = refused(check, letter * 8, longest=7)
        assert error.rule == "too-long"
        assert "7" in error.expected
        assert error.found == "str of 8 characters"


def test_prose_has_lines_and_a_bound_of_its_own() -> None:
    """LF, CR LF and tabs stay; a lone CR and the other breaks do not."""
    kept = "Called.\r\n\tShe will\nthink about it.\n\n\u0414\u0430."
    assert prose("note", kept) is kept
    for value in ("a\rb", "a\r", "a\r\r\nb", "é\rb"):
        assert refused(prose, value).rule == "line-break"
    for value in ("a\x00b", "é\x00b", "a\x7f"):
        assert refused(prose, value).rule == "control-character"
    assert prose("note", "x" * 20_000)
    assert refused(prose, "x" * 20_001).rule == "too-long"
    assert refused(prose, "\ufdfa" * 2_223).rule == "expansion"
    assert prose("note", "\ufdfa" * 2_222)
    assert refused(prose, "\n\t\r\n").rule == "blank"


def test_the_error_tells_where_it_is_and_not_what() -> None:
    """The message has field, expectation, size, place and rule."""
    error = refused(line, "Ana\nReyes")
    assert str(error) == ("person.name: expected text of one line, found str of 9 characters, at index 3 (line-break)")
    assert refused(line, "x" * 201).expected == "text of one line of at most 200 characters"
    assert refused(line, "").found == "empty text"


@pytest.mark.parametrize("value", [" INV", "INV ", "\u00a0INV", "INV\u2009"])
def test_a_code_has_no_spaces_around_it(value: str) -> None:
    """Spaces at the ends make two codes that look alike."""
    error = refused(code, value)
    assert (error.rule, error.expected) == ("space", "a code without spaces around it")


@pytest.mark.parametrize("value", ["INV  1", "INV\u00a01", "INV\u30001", "INV   1"])
def test_a_code_has_single_plain_spaces_inside(value: str) -> None:
    """Double, wide and unbreakable spaces inside are refused."""
    error = refused(code, value)
    assert (error.rule, error.expected) == ("space", "a code with single spaces inside and no other white space")


@pytest.mark.parametrize("hidden", ["\u200b", "\ufeff", "\u2060", "\u00ad", "\u200e", "\ue000"])
def test_everything_in_a_code_can_be_seen(hidden: str) -> None:
    """An invisible character inside a code is refused with its place."""
    error = refused(code, f"INV{hidden}1")
    assert error.rule == "invisible"
    assert error.found.endswith("at index 3")
    assert refused(code, f"\u200dv{hidden}1").found.endswith("at index 2")


@pytest.mark.parametrize("value", ["INV 2026/001-A", "#vip", "ÅÄÖ-1", "\U0001fadc", "a\uffffb", "A|B", "\u0378x"])
def test_a_code_keeps_what_others_put_into_theirs(value: str) -> None:
    """Slashes, signs, letters of all scripts, and characters that Python does not know yet stay."""
    assert code("order", value) is value
    assert code("order", "x" * 100)
    assert refused(code, "x" * 101).rule == "too-long"


@pytest.mark.parametrize("value", ["a", "shoe_size", "shoe-size", "a1", "a_1-b", "x" * 64])
def test_a_slug_is_kept(value: str) -> None:
    """Lower-case words with single joints."""
    assert slug("attribute", value) is value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "A",
        "1a",
        "_connector",
        "__class__",
        "a__b",
        "a_",
        "-a",
        "a-",
        "a b",
        "é",
        "a\n",
        'a"; DROP',
        "a.b",
        "a\u0661",
    ],
)
def test_what_is_no_slug_is_refused(value: str) -> None:
    """Dunder names, quotes (79), capitals, spaces and other scripts are refused."""
    assert refused(slug, value).rule == "slug"


def test_a_slug_has_a_length() -> None:
    """64 characters at most, or as many as the field says."""
    assert refused(slug, "x" * 65).rule == "too-long"
    assert refused(slug, "x" * 6, longest=5).rule == "too-long"


ANY_TEXT = st.text(st.characters(codec="utf-16", exclude_categories=()), max_size=40)
TANGLED = st.text(
    st.sampled_from(
        "aA\u00df\u0130\u0131\ufb03\u03a3\u03c2\u01c5\u0345\u0301\u0307\u0323 \u00a0\u3000\u2028\t\u1100\u1161"
        "\uff9e\uff76\u00a8\u00b4\u0390\ufdfa\u200d"
    )
)


@given(ANY_TEXT | TANGLED)
@example("\u1fb4\u0345")
@example("\u00a8")
def test_the_key_of_a_key_is_that_key(value: str) -> None:
    """search_key is idempotent."""
    key = search_key(value)
    assert search_key(key) == key
    assert unicodedata.is_normalized("NFKC", key)


@given(ANY_TEXT | TANGLED)
def test_composed_and_decomposed_letters_have_one_key(value: str) -> None:
    """NFC, NFD, NFKC and NFKD of a text meet in its key (8, 9)."""
    keys = {search_key(unicodedata.normalize(form, value)) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert keys == {search_key(value)}


@given(ANY_TEXT, st.sampled_from([" ", "\u00a0", "\t", "\n", "\u3000  "]))
def test_case_and_space_make_no_difference(value: str, space: str) -> None:
    """Upper case and white space around change no key."""
    assert search_key(f"{space}{value}{space}") == search_key(value)
    assert search_key(value.casefold()) == search_key(search_key(value).casefold())


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("Ana  Reyes", "ana reyes"),
        (" ANA\u00a0REYES\n", "ana reyes"),
        ("\uff21\uff2e\uff21", "ana"),
        ("Straße", "strasse"),
        ("İ", "i\u0307"),
        ("Jose\u0301", "jos\u00e9"),
        ("\ufb01", "fi"),
        ("\u0390", "\u0390"),
        ("", ""),
        (" ", ""),
        ("\u0430dmin", "\u0430dmin"),
    ],
)
def test_the_key_is_what_it_says(value: str, key: str) -> None:
    """Known texts have known keys; homoglyphs (10) stay apart."""
    assert search_key(value) == key


def test_every_single_character_has_a_stable_key() -> None:
    """The law of keys holds for every code point that Python knows."""
    for point in range(0x110000):
        key = search_key(chr(point))
        assert search_key(key) == key


def test_a_search_is_bounded_too() -> None:
    """What is typed into a search box is refused before it costs anything."""
    for value, rule in ((5, "type"), ("x" * 20_001, "too-long"), ("e" + MARKS * 31, "combining-marks")):
        with pytest.raises(Invalid) as caught:
            search_key(value)  # type: ignore[arg-type]
        assert (caught.value.field, caught.value.rule) == ("text", rule)
    assert len(search_key("\ufdfa" * 20_000)) == 18 * 20_000
    assert search_key("e" + MARKS * 30)


def test_heaps_of_marks_are_refused_before_anything_is_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quadratic work is never begun, and the count of marks stops where it is decided."""
    looked_at: list[str] = []

    class Spy:
        @staticmethod
        def category(character: str) -> str:
            looked_at.append(character)
            return unicodedata.category(character)

        @staticmethod
        def normalize(form: str, value: str) -> str:
            raise AssertionError(form, len(value))

    monkeypatch.setattr(text, "unicodedata", Spy)
    for check in (line, prose, code):
        assert refused(check, "e" + MARKS * 19_000, longest=20_000).rule == "combining-marks"
    assert len(looked_at) == 3 * 32
    with pytest.raises(Invalid):
        search_key("e" + MARKS * 19_000)
    assert line("person.name", "Zoë" + MARKS * 8)
    assert refused(line, "ﷺ" * 10**6).rule == "too-long"


def test_no_character_grows_more_than_it_is_reckoned_with() -> None:
    """The shortcut before normalising is right for this Python's Unicode."""
    assert max(len(unicodedata.normalize("NFKC", chr(point))) for point in range(0x110000)) == text._MOST_GROWTH


def test_every_mark_is_found_by_the_quick_look() -> None:
    """The expression that looks for runs of marks passes over no mark."""
    for point in range(0x110000):
        if unicodedata.category(chr(point)).startswith("M"):
            assert text._LONG_RUN_OF_MARKS.search(chr(point) * 31), hex(point)


def _repeats(parsed: Any, *, inside: bool) -> bool:
    """Whether a repetition stands inside a repetition, which is how expressions become slow."""
    parser: Any = re._parser  # type: ignore[attr-defined]
    for operator, argument in parsed:
        repeat = operator in (parser.MAX_REPEAT, parser.MIN_REPEAT)
        if repeat and inside and argument[1] > 1:
            return True
        parts = argument if isinstance(argument, (list, tuple)) else (argument,)
        for part in parts:
            nested = part if isinstance(part, list) else [part]
            for one in nested:
                deeper = inside or (repeat and argument[1] > 1)
                if isinstance(one, parser.SubPattern) and _repeats(one, inside=deeper):
                    return True
    return False


@pytest.mark.parametrize("module", [text, addresses, money, dates])
def test_no_expression_repeats_a_repetition(module: Any) -> None:
    """Every expression of these modules is free of nested repetition, so it cannot explode."""
    patterns = [value for value in vars(module).values() if isinstance(value, re.Pattern)]
    assert patterns
    for pattern in patterns:
        assert not _repeats(re._parser.parse(pattern.pattern), inside=False), pattern  # type: ignore[attr-defined]
    assert _repeats(re._parser.parse(r"(?:a+b?)*"), inside=False)  # type: ignore[attr-defined]
    assert _repeats(re._parser.parse(r"x|(?:y(a+)z){2,}"), inside=False)  # type: ignore[attr-defined]
