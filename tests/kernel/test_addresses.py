"""Addresses: the bad-input catalogue's section Addresses, and the keys that spellings have in common."""

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import Invalid
from crmkit.kernel import addresses
from crmkit.kernel.addresses import (
    COUNTRIES,
    country,
    email,
    email_key,
    handle,
    handle_key,
    language,
    phone,
    phone_key,
    url,
    zone,
)

FIELD = "contact.address"


class Word(StrEnum):
    PH = "PH"
    EN = "en"


def refused(check: Callable[[str, Any], Any], value: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        check(FIELD, value)
    error = caught.value
    assert error.field == FIELD
    if type(value) is str and len(value.strip()) > 5:
        assert value.strip() not in str(error)
        assert error.__cause__ is None
        assert error.__context__ is None
    return error


EMAILS_REFUSED = [
    ("24", "a@b.c, d@e.f", "email"),
    ("24", "a@b.c;d@e.f", "email"),
    ("24", "a@b.c d@e.f", "email"),
    ("24", "a@b.c,", "email"),
    ("25", "a@b.c\r\nBcc:x", "line-break"),
    ("25", "a@b.c\nBcc:x@y.z", "line-break"),
    ("25", "a\0@b.c", "control-character"),
    ("26", '"a@evil.com" <b@c.d>', "email"),
    ("26", "<b@c.d>", "email"),
    ("26", "Ana <ana@c.d>", "email"),
    ("27", "a,b@c@d.e", "email"),
    ("27", '"a b"@c.de', "email"),
    ("27", "a(comment)@c.de", "email"),
    ("28", "a@b\u3002de", "email"),
    ("28", "a@b\uff0ede", "email"),
    ("28", "a@\u00fc..de", "email"),
    ("28", "a@\u00fc\u0627.de", "email"),
    ("28", "a@b\uff0fc.de", "email"),
    ("28", "a@" + "\u00fc" * 60 + ".de", "email"),
    ("30", "a" * 65 + "@b.de", "too-long"),
    ("30", "\u00fc" * 33 + "@b.de", "too-long"),
    ("30", "a@" + "b" * 64 + ".de", "too-long"),
    ("30", "a@" + "b." * 126 + "de", "too-long"),
    ("30", "a@" + "\u00fc.ab." * 40 + "de", "too-long"),
    ("30", "a" * 10_000_000 + "@b.de", "too-long"),
    ("31", "a@localhost", "email"),
    ("31", "a@[127.0.0.1]", "email"),
    ("31", "a@127.0.0.1", "email"),
    ("31", "a@b.1", "email"),
    ("dots", ".a@b.de", "email"),
    ("dots", "a.@b.de", "email"),
    ("dots", "a..b@b.de", "email"),
    ("dots", "a@.b.de", "email"),
    ("dots", "a@b.de.", "email"),
    ("dots", "a@b..de", "email"),
    ("hyphens", "a@-b.de", "email"),
    ("hyphens", "a@b-.de", "email"),
    ("underscore", "a@b_c.de", "email"),
    ("parts", "@b.de", "email"),
    ("parts", "a@", "email"),
    ("parts", "@", "email"),
    ("parts", "ana", "email"),
    ("spaces", " a@b.de", "email"),
    ("spaces", "a@b.de ", "email"),
    ("spaces", "a\u00a0b@c.de", "email"),
    ("spaces", "a@b\u00a0c.de", "email"),
    ("11", "a\u200bb@c.de", "email"),
    ("6", "a\u202eb@c.de", "bidi-control"),
    ("18", "", "empty"),
    ("81", ["a@b.de"], "type"),
    ("83", None, "type"),
]


@pytest.mark.parametrize(
    ("value", "rule"), [pytest.param(v, r, id=f"{n}-{i}") for i, (n, v, r) in enumerate(EMAILS_REFUSED)]
)
def test_an_email_address_is_refused(value: Any, rule: str) -> None:
    """Each entry of the catalogue is refused by its own rule, as an address and as what to look for."""
    assert refused(email, value).rule == rule
    with pytest.raises(Invalid) as caught:
        email_key(value)
    assert (caught.value.field, caught.value.rule) == ("email", rule)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Ana.REYES+crm@Example.COM", "ana.reyes+crm@example.com"),
        ("a@b.c", "a@b.c"),
        ("o'brien@b.co.uk", "o'brien@b.co.uk"),
        ("!#$%&'*+-/=?^_`{|}~@b.de", "!#$%&'*+-/=?^_`{|}~@b.de"),
        ("a" * 64 + "@b.de", "a" * 64 + "@b.de"),
        ("a@" + "b" * 63 + ".de", "a@" + "b" * 63 + ".de"),
        ("a@1.2.3.4.de", "a@1.2.3.4.de"),
        ("-a-@b--c.de", "-a-@b--c.de"),
        pytest.param("a@b\u00fccher.de", "a@xn--bcher-kva.de", id="28"),
        pytest.param("a@B\u00dcCHER.de", "a@xn--bcher-kva.de", id="28-case"),
        pytest.param("a@xn--bcher-kva.de", "a@xn--bcher-kva.de", id="28-a-label"),
        pytest.param("a@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444", "a@xn--e1afmkfd.xn--p1ai", id="28-all"),
        pytest.param("a@\uff42.de", "a@b.de", id="28-full-width"),
        pytest.param("\u00fc@b.de", "\u00fc@b.de", id="29"),
        pytest.param("u\u0308@b.de", "\u00fc@b.de", id="29-nfd"),
        pytest.param("\u00dc@b.de", "\u00fc@b.de", id="29-case"),
        pytest.param("\u7528\u6237@\u4f8b\u5b50.\u4e2d\u56fd", "\u7528\u6237@xn--fsqu00a.xn--fiqs8s", id="29-all"),
    ],
)
def test_an_email_address_is_kept_and_found_by_its_key(value: str, key: str) -> None:
    """The address stays to the byte, and its key has one case and A-labels (28, 29)."""
    assert email(FIELD, value) is value
    assert email_key(value) == key
    assert email_key(key) == key


def test_two_spellings_of_one_mailbox_are_a_likely_duplicate() -> None:
    """Case meets in one key; dots and tags do not, because only some hosts ignore them (32)."""
    assert email_key("Ana.Reyes@Example.com") == email_key("ana.reyes@EXAMPLE.com")
    assert email_key("anareyes@example.com") != email_key("ana.reyes@example.com")
    assert email_key("ana+shop@example.com") != email_key("ana@example.com")


LOCAL = st.from_regex(
    r"[a-zA-Z0-9]{1,8}([.+_-][a-zA-Z0-9\u00e0-\u00f6\u0400-\u044f\u0130\u00df]{1,8}){0,3}", fullmatch=True
)
HOST = st.from_regex(r"([a-zA-Z0-9\u00e0-\u00f6\u0400-\u044f]{1,8}\.){1,3}[a-z\u00e0-\u00f6]{2,8}", fullmatch=True)


@given(LOCAL, HOST)
def test_the_key_of_an_email_key_is_that_key(local: str, host: str) -> None:
    """email_key is idempotent, and blind to case and composition."""
    address = f"{local}@{host}"
    assert email(FIELD, address) is address
    key = email_key(address)
    assert email_key(key) == key
    assert email_key(unicodedata.normalize("NFD", address)) == key
    assert email_key(f"{local}@{host.upper()}") == key


@pytest.mark.parametrize(
    ("value", "key"),
    [
        pytest.param("+1 (555) 0100 ext. 9", "+15550100", id="33"),
        pytest.param("+1 555 0100 x9", "+15550100", id="33-x"),
        pytest.param("+1 555 0100;ext=9", "+15550100", id="33-uri"),
        pytest.param("+1 555 0100 #9", "+15550100", id="33-hash"),
        pytest.param("+1 555 0100, Extension: 9", "+15550100", id="33-word"),
        pytest.param("+1 555 0100 EXT9", "+15550100", id="33-capitals"),
        pytest.param("\u0660\u0669\u0661\u0667 \u0665\u0665\u0665 \u0660\u0661\u0660\u0660", "09175550100", id="35"),
        pytest.param("\u06f0\u06f9\u06f1\u06f7", "0917", id="35-persian"),
        pytest.param(
            "\uff0b\uff16\uff13\uff08\uff19\uff11\uff17\uff09\uff15\uff15\uff15\uff0d\uff10\uff11",
            "+6391755501",
            id="35-wide",
        ),
        pytest.param("03\u30fc1234\u22125678", "0312345678", id="35-dashes"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("(+44) 20 7946 0958", "+442079460958"),
        ("(02) 8555-0100", "0285550100"),
        ("02/8555.0100", "0285550100"),
        ("555\u20110100", "5550100"),
        ("555\u00a00100", "5550100"),
        ("112", "112"),
        ("12", "12"),
        ("5" * 20, "5" * 20),
        ("(0)20 7946", "0207946"),
    ],
)
def test_a_phone_number_is_kept_and_found_by_its_key(value: str, key: str) -> None:
    """The number stays to the byte, and its key is digits, after a plus if it has one (33, 35)."""
    assert phone(FIELD, value) is value
    assert phone_key(value) == key
    assert phone_key(key) == key


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        pytest.param("5" * 5000, "too-long", id="34"),
        pytest.param("5" * 60, "phone", id="34-60"),
        pytest.param("5" * 21, "phone", id="34-21"),
        pytest.param("1", "phone", id="one-digit"),
        pytest.param("+", "phone", id="no-digit"),
        pytest.param("+1;ext=5", "phone", id="short"),
        pytest.param("x12", "phone", id="extension-alone"),
        pytest.param("1-800-FLOWERS", "phone", id="letters"),
        pytest.param("call 555 0100", "phone", id="words"),
        pytest.param("555 0100 (home)", "phone", id="remark"),
        pytest.param("555 0100 ext", "phone", id="extension-without-digits"),
        pytest.param("555 0100 x9 x9", "phone", id="two-extensions"),
        pytest.param("555 0100 x9 home", "phone", id="after-extension"),
        pytest.param("555 0100 x" + "9" * 12, "phone", id="long-extension"),
        pytest.param("++1 555 0100", "phone", id="two-pluses"),
        pytest.param("1+555 0100", "phone", id="plus-inside"),
        pytest.param("((+1 555 0100", "phone", id="plus-behind-brackets"),
        pytest.param("tel:+15550100", "phone", id="scheme"),
        pytest.param("\u2460\u2461\u2462\u2463", "phone", id="circled"),
        pytest.param("555\u00b2\u00b30100", "phone", id="superscript"),
        pytest.param("555\u200e0100", "phone", id="mark"),
        pytest.param("\u202a+15550100\u202c", "bidi-control", id="6"),
        pytest.param("555\n0100", "line-break", id="4"),
        pytest.param("", "empty", id="18"),
        pytest.param("  ", "blank", id="18-spaces"),
        pytest.param(5550100, "type", id="number"),
    ],
)
def test_a_phone_number_is_refused(value: Any, rule: str) -> None:
    """Too many digits (34), letters, and characters that no number has are refused."""
    assert refused(phone, value).rule == rule
    with pytest.raises(Invalid) as caught:
        phone_key(value)
    assert (caught.value.field, caught.value.rule) == ("phone", rule)


@pytest.mark.parametrize(
    ("value", "code", "key"),
    [
        ("0917 555 0100", "PH", "+639175550100"),
        ("(02) 8555-0100", "PH", "+63285550100"),
        ("00 63 917 555 0100", "PH", "+639175550100"),
        ("+63 917 555 0100", "DE", "+639175550100"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("20 7946 0958", "GB", "2079460958"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("1 212 555 0100", "US", "+12125550100"),
        ("212 555 010", "US", "212555010"),
        ("1 212 555 01000", "US", "121255501000"),
        ("011 44 20 7946 0958", "CA", "+442079460958"),
        ("612 345 678", "ES", "+34612345678"),
        ("612 345 67", "ES", "61234567"),
        ("0034 612 345 678", "ES", "+34612345678"),
        ("112", "ES", "112"),
        ("0110", "DE", "0110"),
        ("033 123", "DE", "033123"),
        ("0331234", "DE", "+49331234"),
        ("8 916 123 45 67", "RU", "+79161234567"),
        ("916 123 45 67", "RU", "+79161234567"),
        ("810 44 20 7946 0958", "KZ", "+442079460958"),
        ("06 1 234 5678", "HU", "+3612345678"),
        ("0011 63 917 555 0100", "AU", "+639175550100"),
        ("007 44 20 7946 0958", "ID", "007442079460958"),
        ("06 1234 5678", "IT", "0612345678"),
        ("090-1234-5678", "JP", "+819012345678"),
        ("010 1 212 555 0100", "JP", "+12125550100"),
        ("(0)20 7946 0958", "GB", "+442079460958"),
        ("+12345678", "ES", "+12345678"),
        ("00 123456789012345", "DE", "+123456789012345"),
        ("00 1234567890123456", "DE", "001234567890123456"),
        ("0 12345678901234", "DE", "012345678901234"),
    ],
)
def test_a_number_as_dialled_in_a_country_becomes_international(value: str, code: str, key: str) -> None:
    """Prefixes of the country are replaced where its plan is known and the number is long enough."""
    assert phone_key(value, code) == key
    assert phone_key(key, code) == key or not key.startswith("+")


def test_a_country_of_a_number_is_a_country() -> None:
    """An unknown country is refused, and one without a plan here leaves the digits."""
    for code in ("ph", "ZZ", "", 5):
        with pytest.raises(Invalid) as caught:
            phone_key("0917 555 0100", code)  # type: ignore[arg-type]
        assert (caught.value.field, caught.value.rule) == ("country", "country")
    assert phone_key("06 1234 5678", "VA") == "0612345678"
    assert set(addresses._PLANS) < COUNTRIES


@given(st.from_regex(r"\+?[0-9]{2,20}", fullmatch=True), st.sampled_from([None, *sorted(addresses._PLANS)]))
def test_the_key_of_a_phone_key_is_that_key(digits: str, code: str | None) -> None:
    """Separators and scripts of digits make no difference, and an international key is final."""
    spread = "-".join(digits).replace("+-", "+")
    persian = "".join(chr(0x06F0 + int(d)) if d.isdigit() else d for d in digits)
    if len(spread) <= 60:
        assert phone_key(spread, code) == phone_key(persian, code) == phone_key(digits, code)
    key = phone_key(digits, code)
    assert re.fullmatch(r"\+[0-9]{2,20}|[0-9]{2,20}", key)
    assert phone_key(key) == key
    assert key in {digits, f"+{digits}"} or re.fullmatch(r"\+[0-9]{3,15}", key)


URLS_REFUSED = [
    ("36", "javascript:alert(1)", "scheme"),
    ("36", "JavaScript://example.com/%0aalert(1)", "scheme"),
    ("36", "data:text/html,<script>", "scheme"),
    ("36", "file:///etc/passwd", "scheme"),
    ("36", "ftp://example.com", "scheme"),
    ("36", "mailto:a@b.de", "scheme"),
    ("36", "example.com", "scheme"),
    ("36", "//example.com", "scheme"),
    ("36", "/path", "scheme"),
    ("36", " https://example.com", "scheme"),
    ("37", "http://127.1/", "url"),
    ("37", "http://0x7f000001", "url"),
    ("37", "http://0x7f.1/", "url"),
    ("37", "http://2130706433/", "url"),
    ("37", "http://017700000001/", "url"),
    ("37", "http://0177.0.0.1/", "url"),
    ("37", "http://256.1.1.1/", "url"),
    ("37", "http://1.2.3.4./", "url"),
    ("37", "http://exa\tmple.com", "control-character"),
    ("37", "http://exa\nmple.com", "line-break"),
    ("37", "http://user@host.de", "userinfo"),
    ("37", "http://user:secret@host.de/", "userinfo"),
    ("37", "http://@host.de/", "userinfo"),
    ("37", "http://good.de\\@evil.de/", "url"),
    ("37", "http://[fe80::1%25eth0]/", "url"),
    ("37", "http://[::1]evil.de/", "url"),
    ("37", "http://a[::1]/", "url"),
    ("37", "http://[::1/", "url"),
    ("37", "http://[v1.x]/", "url"),
    ("37", "http://[12345::]/", "url"),
    ("37", "http://ex%61mple.com/", "url"),
    ("37", "http://a\uff0fb.de/", "url"),
    ("37", "http://a\u3002de/", "url"),
    ("38", "https://example.com/" + "a" * 100_000, "too-long"),
    ("38", "https://" + "a" * 64 + ".de", "url"),
    ("38", "https://" + "a." * 127 + "de", "url"),
    ("host", "http://", "url"),
    ("host", "https:///path", "url"),
    ("host", "http:example.com", "url"),
    ("host", "http:/example.com", "url"),
    ("host", "http://a..b/", "url"),
    ("host", "http://-a.de/", "url"),
    ("host", "http://.de/", "url"),
    ("host", "http://a,b.de/", "url"),
    ("port", "http://h.de:99999/", "url"),
    ("port", "http://h.de:0/", "url"),
    ("port", "http://h.de:x/", "url"),
    ("port", "http://h.de:-1/", "url"),
    ("space", "http://h.de/a b", "url"),
    ("space", "http://h.de/a\u00a0b", "url"),
    ("signs", 'http://h.de/"><script>', "url"),
    ("signs", "http://h.de/{{7*7}}", "url"),
    ("6", "http://h.de/\u202efdp.exe", "bidi-control"),
    ("18", "", "empty"),
    ("83", None, "type"),
]


@pytest.mark.parametrize(
    ("value", "rule"), [pytest.param(v, r, id=f"{n}-{i}") for i, (n, v, r) in enumerate(URLS_REFUSED)]
)
def test_a_web_address_is_refused(value: Any, rule: str) -> None:
    """Each entry of the catalogue is refused by its own rule."""
    assert refused(url, value).rule == rule


@pytest.mark.parametrize(
    "value",
    [
        "https://example.com",
        "HTTPS://Example.com/",
        "http://example.com:8080/a/b?c=d&e=%20#f",
        "http://example.com:/",
        "http://example.com./",
        "https://b\u00fccher.de/\u00e4?x=\u00fc",
        "http://localhost:8000/hook",
        "http://1.2.3.4:80/",
        "http://[2001:db8::1]:8080/x",
        "http://[2001:db8::1]",
        "http://my_site.example.com/",
        "https://h.de/@ana",
        "https://h.de?mail=a@b.de",
        "https://x" + "/a" * 995,
    ],
)
def test_a_web_address_is_kept(value: str) -> None:
    """What is complete and says the same to every program stays to the byte."""
    assert url(FIELD, value) is value


@pytest.mark.parametrize("value", ["http://[::ffff:10.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://127.0.0.1/"])
def test_an_address_inside_is_an_address(value: str) -> None:
    """Where calls may go (37) is decided when calling: these are well-formed web addresses."""
    assert url(FIELD, value) is value


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("@Ana.Reyes", "ana.reyes"),
        ("ana.reyes", "ana.reyes"),
        ("ana#1234", "ana#1234"),
        ("@user:matrix.org", "user:matrix.org"),
        ("@user@mastodon.social", "user@mastodon.social"),
        ("U024BE7LH", "u024be7lh"),
        ("+639175550100", "+639175550100"),
        ("\u0430\u043d\u043d\u0430", "\u0430\u043d\u043d\u0430"),
        ("\uff20Ana", "ana"),
    ],
)
def test_a_handle_is_kept_and_found_by_its_key(value: str, key: str) -> None:
    """The handle stays to the byte; its key has one case and no @ in front."""
    assert handle(FIELD, value) is value
    assert handle_key(value) == key
    assert handle_key(key) == key


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("ana reyes", "handle"),
        (" ana", "space"),
        ("ana\u200breyes", "invisible"),
        ("ana\nreyes", "line-break"),
        ("x" * 101, "too-long"),
        ("", "empty"),
        (None, "type"),
    ],
)
def test_a_handle_is_refused(value: Any, rule: str) -> None:
    """Spaces and what cannot be seen are refused."""
    assert refused(handle, value).rule == rule
    with pytest.raises(Invalid):
        handle_key(value)


LANGUAGES = [
    "en", "fil", "EN-us", "pt-BR", "zh-Hant-TW", "sr-Latn-RS", "es-419", "zh-cmn-Hans-CN", "zh-min-nan",
    "aa-bbb-ccc-ddd", "sl-rozaj", "sl-rozaj-biske-1994", "de-1901", "de-CH-1901", "hy-Latn-IT-arevela",
    "en-US-u-ca-gregory", "en-a-bbb-x-a", "en-x-twain", "x-whatever", "x-a-1-b", "de-1901-u-co-phonebk",
    "en-a-aa-b-bb", "art-lojban", "en-0-abc", "ab-abcdefgh",
]  # fmt: skip


@pytest.mark.parametrize("value", LANGUAGES)
def test_a_language_is_kept(value: str) -> None:
    """Well-formed tags of BCP 47 stay as they are, in whatever case."""
    assert language(FIELD, value) is value
    assert language(FIELD, value.upper()) == value.upper()
    assert language(FIELD, value.lower()) == value.lower()


LANGUAGES_REFUSED = [
    "e", "e1", "12", "english", "engl", "en_US", "en-", "-en", "en--us", "en-US-", "en-u", "en-x", "x", "x-",
    "en-a-b", "en-a-bb-a-cc", "de-1901-1901", "en-abcdefghi", "en-US-GB", "en-Latn-Cyrl", "en-US-Latn",
    "aa-bbb-ccc-ddd-eee", "en-x-abcdefghi", "en-a-abcdefghi", "i-klingon", "a-DE", "en-!", "en-4x",
    "en-us-abcd", "\u0435n", "en-\u0661\u0662\u0663", "en us", "en;q=0.8", "*", "en-a-\u00e9\u00e9",
    "en-\u00b2-aa", "en-1a", "en-x-", "zh-1-",
]  # fmt: skip


@pytest.mark.parametrize("value", LANGUAGES_REFUSED)
def test_a_language_is_refused(value: str) -> None:
    """Names, locales, and tags out of order are refused."""
    assert refused(language, value).rule == "language"


@pytest.mark.parametrize(
    ("value", "rule"),
    [("", "empty"), ("en" * 20, "too-long"), ("en\n", "line-break"), (Word.EN, "type"), (None, "type")],
)
def test_a_language_is_a_line(value: Any, rule: str) -> None:
    """What is no line of 35 characters is no language."""
    assert refused(language, value).rule == rule


@pytest.mark.parametrize("value", ["PH", "DE", "US", "XK", "AX", "ZW"])
def test_a_country_is_kept(value: str) -> None:
    """Codes of ISO 3166-1, and XK."""
    assert country(FIELD, value) is value


@pytest.mark.parametrize(
    "value", ["ph", "Ph", "UK", "EU", "AN", "PHL", "P", "", "P\u041d", "PH ", "ZZ", Word.PH, None, 63, ["PH"]]
)
def test_a_country_is_refused(value: Any) -> None:
    """Lower case, other alphabets, retired and reserved codes are refused."""
    assert refused(country, value).rule == "country"


def test_the_table_of_countries_is_that_of_the_standard() -> None:
    """249 countries and Kosovo."""
    assert len(COUNTRIES) == 250
    assert all(re.fullmatch("[A-Z]{2}", code) for code in COUNTRIES)


def test_zones_are_here_as_well() -> None:
    """The check of zone names is that of dates."""
    assert zone(FIELD, "Europe/Berlin") == "Europe/Berlin"
    assert refused(zone, "Mars/Olympus").rule == "zone"
