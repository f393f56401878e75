"""Addresses: how somebody is reached, where and in which language; kept as given, with a separate key to find them by.

A check returns the very text that it was given, or raises `Invalid`. A key is what two spellings of one address have in
common. It is for finding and for pointing out likely duplicates: what is sent goes to the address, never to the key.

    type, empty, blank, too-long, line-break, control-character, bidi-control, …    as in `crmkit.kernel.text`
    email       not one plain address, such as a list, one with a name or quotes, or a host without a dot
    phone       too few or too many digits, letters, or characters that no telephone number has
    url         no complete http or https address
    scheme      another scheme than http and https
    userinfo    a user name or password in front of the host
    handle      white space in a handle
    language    no well-formed language tag of BCP 47
    country     no code of ISO 3166-1 in two capitals
    zone        no name in the time-zone database
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from crmkit.errors import Invalid, redacted
from crmkit.kernel.dates import zone
from crmkit.kernel.text import code, line, search_key

__all__ = [
    "COUNTRIES",
    "country",
    "email",
    "email_key",
    "handle",
    "handle_key",
    "language",
    "phone",
    "phone_key",
    "url",
    "zone",
]

_COUNTRY_CODES: Final = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""

COUNTRIES: Final = frozenset(_COUNTRY_CODES.split())
"""The countries of ISO 3166-1, and XK, which is in use for Kosovo."""

_LONGEST_EMAIL: Final = 254  # RFC 5321 4.5.3.1.3, less the angle brackets
_LONGEST_LOCAL: Final = 64
_LONGEST_HOST: Final = 253
_LONGEST_LABEL: Final = 63
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]+")
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_DOTS_BY_OTHER_NAMES: Final = re.compile("[\u3002\uff0e\uff61]")  # the idna codec would split labels at them

_LONGEST_URL: Final = 2_000
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NOT_IN_URL: Final = re.compile(r"[\s\x00-\x20\x7f\"<>\\^`{|}]")
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]*)?")
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

_LONGEST_PHONE: Final = 60
_FEWEST_DIGITS: Final = 2
_MOST_DIGITS: Final = 20  # fifteen of an international number (E.164), and what is dialled before them
_EXTENSION: Final = re.compile(r"(?:;ext=|extension|ext|x|#)[.: ]{0,2}([0-9]{1,11})")
_PLAIN_NUMBER: Final = re.compile(r"\+?[0-9 ().,/-]+")
_TO_PLAIN_NUMBER: Final[dict[int, str]] = {
    **{0xFF01 + offset: chr(0x21 + offset) for offset in range(94)},  # full-width forms
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0x30FC), "-"),
}
_FEWEST_NATIONAL: Final = 7
_MOST_INTERNATIONAL: Final = 15

_LONGEST_LANGUAGE: Final = 35  # what RFC 5646 4.4.1 asks everybody to have room for


class _Plan(NamedTuple):
    """How numbers are dialled in a country, as far as it takes to make them international."""

    calling: str
    abroad: str  # what is dialled before a number of another country
    trunk: str  # what is dialled before a number of the same country, and falls away from abroad
    lengths: range  # of a national number that is complete without a trunk prefix; empty where that cannot be told


def _plans() -> dict[str, _Plan]:
    """Numbering plans by country; a country is left out where a few words do not do justice to its plan."""
    with_zero = """AE+971 AT+43 BA+387 BE+32 BG+359 CH+41 CN+86 DE+49 DZ+213 EC+593 EG+20 FR+33 GB+44 GH+233 HR+385
        IE+353 IN+91 IR+98 JO+962 MA+212 MK+389 MY+60 NL+31 NZ+64 PE+51 PH+63 PK+92 PY+595 RO+40 RS+381 SA+966 SE+46
        SI+386 SK+421 TR+90 UA+380 UY+598 VN+84 ZA+27"""
    with_zero_and_abroad = "AU+61+0011 ID+62+001 JP+81+010 KE+254+000 NG+234+009 TH+66+001 TW+886+002"
    of_one_length = """CR+506+8 CY+357+8 CZ+420+9 DK+45+8 ES+34+9 GR+30+10 GT+502+8 HN+504+8 LV+371+8 MT+356+8 MX+52+10
        NI+505+8 NO+47+8 PL+48+9 PT+351+9 SV+503+8"""
    plans = {c: _Plan("1", "011", "1", range(10, 11)) for c in ("BB", "BS", "CA", "DO", "JM", "PR", "TT", "US")}
    for name, calling in (entry.split("+") for entry in with_zero.split()):
        plans[name] = _Plan(calling, "00", "0", range(0))
    for name, calling, abroad in (entry.split("+") for entry in with_zero_and_abroad.split()):
        plans[name] = _Plan(calling, abroad, "0", range(0))
    for name, calling, length in (entry.split("+") for entry in of_one_length.split()):
        plans[name] = _Plan(calling, "00", "", range(int(length), int(length) + 1))
    plans["HU"] = _Plan("36", "00", "06", range(0))
    plans["RU"] = plans["KZ"] = _Plan("7", "810", "8", range(10, 11))
    return plans


_PLANS: Final = _plans()


def email(field: str, value: object) -> str:
    """Check an e-mail address and return it as it is.

    One bare address: no list, no name, no comment, no quotes, and a host with a dot that is no IP address. Letters of
    all scripts may stand on both sides; whether they can be delivered to is for whoever sends to say.

    Raises:
        Invalid: rules `email`, `too-long` (before the @ 64 octets, after it 253 and 63 a label, 254 together), and
            those of `line`.

    >>> email("email", "Ana.Reyes@Example.com")
    'Ana.Reyes@Example.com'
    """
    text = line(field, value, longest=_LONGEST_EMAIL)
    _email_parts(field, text)
    return text


def email_key(value: str) -> str:
    """Give what the spellings of one e-mail address have in common: case folded throughout, the host in A-labels.

    Two different mailboxes can share a key, if rarely (the part before the @ may tell upper and lower case apart), so a
    key proves nothing about who somebody is. Hosts are written by IDNA 2003, as Python has it, which is not always what
    goes on the wire: never send to a key.

    Raises:
        Invalid: as `email`.

    >>> email_key("Ana.Reyes@B\u00fccher.de")
    'ana.reyes@xn--bcher-kva.de'
    """
    local, host = _email_parts("email", line("email", value, longest=_LONGEST_EMAIL))
    if not local.isascii():
        local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold())
    return f"{local.lower()}@{host}"


def phone(field: str, value: object) -> str:
    """Check a telephone number and return it as it is.

    Digits of any script, a plus in front, the usual separators, and an extension behind `ext`, `x` or `#`; from 2 to
    20 digits before the extension. Letters are refused: a word on the keypad is written as its digits.

    Raises:
        Invalid: rule `phone`, and those of `line`.

    >>> phone("phone", "+1 (555) 0100 ext. 9")
    '+1 (555) 0100 ext. 9'
    """
    text = line(field, value, longest=_LONGEST_PHONE)
    _phone_parts(field, text)
    return text


def phone_key(value: str, country: str | None = None) -> str:
    """Give what the spellings of one telephone number have in common: its digits, after a plus if it is international.

    The extension is left out. If a country is named whose numbering plan is known here, a number as dialled in it
    becomes international; a number that is too short for that, or whose country is not known, keeps its digits.

    Raises:
        Invalid: as `phone`, and `country`.

    >>> phone_key("+44 (0)20 7946-0958 x12"), phone_key("020 7946 0958", "GB"), phone_key("020 7946 0958")
    ('+442079460958', '+442079460958', '02079460958')
    """
    number = _phone_parts("phone", line("phone", value, longest=_LONGEST_PHONE))
    if country is None:
        return number
    plan = _PLANS.get(_country("country", country))
    if plan is None or number.startswith("+") or len(number) < _FEWEST_NATIONAL:
        return number
    international = _international(number, plan)
    return f"+{international}" if international and len(international) <= _MOST_INTERNATIONAL else number


def url(field: str, value: object) -> str:
    """Check a web address and return it as it is.

    Complete, with http or https in front, without user name and password, and with a host that everybody reads alike:
    no number that some programs take for an IP address. Whether it is safe to call is another question: an address
    inside the host's own network passes.

    Raises:
        Invalid: rules `scheme`, `userinfo`, `url`, and those of `line`.

    >>> url("site", "https://example.com/shop?item=1")
    'https://example.com/shop?item=1'
    """
    text = line(field, value, longest=_LONGEST_URL)
    if (match := _SCHEME.match(text)) is None or match[0].lower() not in ("http:", "https:"):
        raise Invalid(field, "scheme", "an address that begins with https:// or http://", redacted(text))
    expected = "a complete web address such as https://example.com/shop"
    if _NOT_IN_URL.search(text) is not None or not text[match.end() :].startswith("//"):
        raise Invalid(field, "url", expected, redacted(text))
    try:
        parts = urlsplit(text)
        sound = (parts.port is None or parts.port > 0) and _is_host(parts)
    except ValueError:
        sound, parts = False, None
    if parts is not None and "@" in parts.netloc:
        raise Invalid(field, "userinfo", "an address without user name and password", redacted(text))
    if not sound:
        raise Invalid(field, "url", expected, redacted(text))
    return text


def handle(field: str, value: object) -> str:
    """Check a name on a social network or a chat service, and return it as it is.

    Raises:
        Invalid: rule `handle` (white space), and those of `code`.

    >>> handle("handle", "@ana.reyes")
    '@ana.reyes'
    """
    text = code(field, value)
    if " " in text:
        raise Invalid(field, "handle", "a handle without spaces", redacted(text))
    return text


def handle_key(value: str) -> str:
    """Give what the spellings of one handle have in common: `search_key`, without an @ in front.

    Raises:
        Invalid: as `handle`.

    >>> handle_key("@Ana.Reyes")
    'ana.reyes'
    """
    return search_key(handle("handle", value)).removeprefix("@")


def language(field: str, value: object) -> str:
    """Check a language tag, such as "en", "pt-BR" or "zh-Hant-TW", and return it as it is.

    Well formed by BCP 47, with a language of two or three letters; whether its parts are registered is not looked up.
    Compare tags without regard to case.

    Raises:
        Invalid: rule `language`, and those of `line`.

    >>> language("language", "pt-BR")
    'pt-BR'
    """
    text = line(field, value, longest=_LONGEST_LANGUAGE)
    if not (text.isascii() and _is_language_tag(text.lower().split("-"))):
        raise Invalid(field, "language", "a language tag of BCP 47, such as en or pt-BR", redacted(text))
    return text


def country(field: str, value: object) -> str:
    """Check a country code and return it as it is.

    Raises:
        Invalid: rule `country`.

    >>> country("country", "PH")
    'PH'
    """
    return _country(field, value)


def _country(field: str, value: object) -> str:
    if type(value) is str and value in COUNTRIES:
        return value
    raise Invalid(field, "country", "a country code of ISO 3166-1 in two capitals, such as PH", redacted(value))


def _email_parts(field: str, text: str) -> tuple[str, str]:
    """Check an address, and give the part before the @ and the host in lower-case A-labels."""
    local, _, domain = text.partition("@")
    host = _ascii_host(domain) if _is_local_part(local) else None
    if host is not None:
        labels = host.split(".")
        if len(local.encode()) > _LONGEST_LOCAL or len(host) > _LONGEST_HOST or max(map(len, labels)) > _LONGEST_LABEL:
            expected = "at most 64 octets before the @, 253 after it, and 63 between two dots"
            raise Invalid(field, "too-long", expected, redacted(text))
        if len(labels) > 1 and not labels[-1].isdigit() and all(map(_LABEL.fullmatch, labels)):
            return local, host
    raise Invalid(field, "email", "one address such as ana@example.com, without a name or quotes", redacted(text))


def _is_local_part(local: str) -> bool:
    if _LOCAL.fullmatch(local) is None or local[0] == "." or local[-1] == "." or ".." in local:
        return False
    return local.isascii() or local.isprintable()  # of all spaces, only the ASCII one is printable


def _ascii_host(host: str) -> str | None:
    """Give a host in lower-case A-labels; None if IDNA cannot write it."""
    if not host.isascii():
        if _DOTS_BY_OTHER_NAMES.search(host) is not None:
            return None
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return host.lower()


def _phone_parts(field: str, text: str) -> str:
    """Check a telephone number, and give its digits, after a plus if it has one."""
    number = "".join(map(_plain_character, text.translate(_TO_PLAIN_NUMBER))).lower().strip()
    extension = _EXTENSION.search(number)
    if extension is not None and extension.end() == len(number):
        number = number[: extension.start()].rstrip(" ,;")
    if number.startswith("(+"):
        number = number.replace("(+", "+(", 1)
    if _PLAIN_NUMBER.fullmatch(number) is not None:
        plus = "+" if number[0] == "+" else ""
        dialled = number.replace("(0)", "", 1) if plus else number  # that zero is dialled inside the country only
        digits = "".join(filter(str.isdigit, dialled))
        if _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS:
            return plus + digits
    raise Invalid(field, "phone", "a telephone number such as +63 917 555 0100 or (02) 8555-0100", redacted(text))


def _international(number: str, plan: _Plan) -> str:
    """Give the digits of an international number that a number as dialled stands for; none if that cannot be told."""
    if number.startswith(plan.abroad):
        return number.removeprefix(plan.abroad)
    if len(number) in plan.lengths:
        return plan.calling + number
    if plan.trunk and number.startswith(plan.trunk):
        rest = number.removeprefix(plan.trunk)
        if len(rest) in plan.lengths or not (plan.lengths or rest.startswith("0")):
            return plan.calling + rest
    return ""


def _plain_character(character: str) -> str:
    """Write a digit of any script or a space of any width in ASCII; leave the rest."""
    if character.isascii():
        return character
    return " " if character.isspace() else str(unicodedata.decimal(character, character))


def _is_host(parts: SplitResult) -> bool:
    """Tell whether the host of an address is a name or an IP address in its usual form."""
    netloc, host = parts.netloc, parts.hostname
    if not host:
        return False
    if "[" in netloc:
        IPv6Address(host)  # raises ValueError
        return _BRACKETED.fullmatch(netloc) is not None
    name = _ascii_host(host)
    if name is None or len(name) > _LONGEST_HOST:
        return False
    labels = name.removesuffix(".").split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]) is not None:
        IPv4Address(name)  # raises ValueError
        return True
    return all(len(label) <= _LONGEST_LABEL and _LABEL.fullmatch(label.replace("_", "x")) for label in labels)


def _is_language_tag(tags: list[str]) -> bool:
    """Tell whether the parts of a lower-case tag stand in the order of RFC 5646 2.1."""
    if tags[0] == "x":
        return _are_private(tags[1:])
    if not (tags[0].isalpha() and len(tags[0]) in (2, 3)):
        return False
    place = 1
    extended = 0
    while place < len(tags) and extended < 3 and len(tags[place]) == 3 and tags[place].isalpha():  # noqa: PLR2004
        place, extended = place + 1, extended + 1
    if place < len(tags) and len(tags[place]) == 4 and tags[place].isalpha():  # noqa: PLR2004 - a script
        place += 1
    if place < len(tags) and _is_region(tags[place]):
        place += 1
    return _are_variants_and_extensions(tags[place:])


def _is_region(tag: str) -> bool:
    return (len(tag) == 2 and tag.isalpha()) or (len(tag) == 3 and tag.isdigit())  # noqa: PLR2004


def _are_variants_and_extensions(tags: list[str]) -> bool:
    seen: set[str] = set()
    place = 0
    while place < len(tags) and _is_variant(tags[place]) and tags[place] not in seen:
        seen.add(tags[place])
        place += 1
    while place < len(tags):
        singleton = tags[place]
        if singleton == "x":
            return _are_private(tags[place + 1 :])
        if len(singleton) != 1 or not singleton.isalnum() or singleton in seen:
            return False
        seen.add(singleton)
        place += 1
        first = place
        while place < len(tags) and 2 <= len(tags[place]) <= 8 and tags[place].isalnum():  # noqa: PLR2004
            place += 1
        if place == first:
            return False
    return True


def _is_variant(tag: str) -> bool:
    return tag.isalnum() and (5 <= len(tag) <= 8 or (len(tag) == 4 and tag[0].isdigit()))  # noqa: PLR2004


def _are_private(tags: list[str]) -> bool:
    return bool(tags) and all(tag.isalnum() and len(tag) <= 8 for tag in tags)  # noqa: PLR2004
