"""Texts and addresses, entries 1 to 38 of the catalogue: refused by name, or kept to the byte and found again."""

# ruff: noqa: RUF001 - confusable letters are what is tried

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input_world import DIGEST, START, entries_of, refuses

from crmkit import (
    CRM,
    BuyingStep,
    ContactPoint,
    Dependant,
    Document,
    Evidence,
    Household,
    Identifier,
    ImportantDate,
    Interest,
    Invalid,
    Means,
    Organisation,
    Person,
    PostalAddress,
    Proof,
    VirtualClock,
    field,
)

MARK = "Qz7x"  # stands in what must not be told

# (catalogue, what, the text, the rule for one line, the rule for prose, the rule for codes; None: it is kept)
REFUSED = [
    ("1", "NUL", f"{MARK}\0b", "control-character", "control-character", "control-character"),
    ("2", "high surrogate", f"{MARK}\ud800", "surrogate", "surrogate", "surrogate"),
    ("2", "low surrogate", f"\udfff{MARK}", "surrogate", "surrogate", "surrogate"),
    ("3", "escape", f"{MARK}\x1b[31m", "control-character", "control-character", "control-character"),
    ("3", "C1", f"{MARK}\x9b", "control-character", "control-character", "control-character"),
    ("3", "delete", f"{MARK}\x7f", "control-character", "control-character", "control-character"),
    ("4", "line feed", f"{MARK}\nBcc: a", "line-break", None, "line-break"),
    ("4", "carriage return", f"{MARK}\rBcc: a", "line-break", "line-break", "line-break"),
    ("4", "both", f"{MARK}\r\nBcc: a", "line-break", None, "line-break"),
    ("5", "line separator", f"{MARK}\u2028b", "line-break", "line-break", "line-break"),
    ("5", "paragraph separator", f"{MARK}\u2029b", "line-break", "line-break", "line-break"),
    ("5", "next line", f"{MARK}\x85b", "line-break", "line-break", "line-break"),
    ("6", "override", f"{MARK}\u202egpj", "bidi-control", "bidi-control", "bidi-control"),
    ("6", "isolate", f"{MARK}\u2066gpj", "bidi-control", "bidi-control", "bidi-control"),
    ("11", "zero-width space in front", f"\u200b{MARK}", "zero-width-end", "zero-width-end", "zero-width-end"),
    ("11", "zero-width space at the end", f"{MARK}\u200b", "zero-width-end", "zero-width-end", "zero-width-end"),
    ("12", "byte order mark in front", f"\ufeff{MARK}", "zero-width-end", "zero-width-end", "zero-width-end"),
    ("15", "marks", MARK + "\u0301" * 40_000, "too-long", "too-long", "too-long"),
    ("15", "a few marks", MARK + "\u0301" * 40, "combining-marks", "combining-marks", "combining-marks"),
    ("16", "U+FDFA x 200,000", MARK + "\ufdfa" * 200_000, "too-long", "too-long", "too-long"),
    ("16", "U+FDFA x 50", MARK + "\ufdfa" * 50, "expansion", None, "expansion"),
    ("17", "ten megabytes", MARK * 2_500_000, "too-long", "too-long", "too-long"),
    ("18", "spaces", "   ", "blank", "blank", "blank"),
    ("18", "no-break space", "\u00a0", "blank", "blank", "blank"),
    ("18", "nothing to see", "\u2060\u200d", "blank", "blank", "blank"),
]
IDS = [f"{number}-{what}" for number, what, *_ in REFUSED]

Enter = Callable[[CRM, str], object]

# Verbs that take one line of text, by the field that the error names.
LINES: dict[str, Enter] = {
    "Person.name": lambda crm, text: crm.customers.rename("ana", text),
    "Organisation.name": lambda crm, text: crm.customers.register(Organisation(text)),
    "Household.name": lambda crm, text: crm.customers.rename("home", text),
    "Person.title": lambda crm, text: crm.customers.correct("ana", title=text),
    "Person.family": lambda crm, text: crm.customers.rename("ana", "Ana", family=text),
    "Provenance.detail": lambda crm, text: crm.customers.tag("ana", "t", detail=text),
    "Provenance.source": lambda crm, text: crm.customers.register(source=text[:80] if text.strip() else text),
    "attributes.nickname": lambda crm, text: crm.customers.set_attributes("ana", {"nickname": text}),
    "Dependant.name": lambda crm, text: crm.customers.note("ana", Dependant(text)),
    "TaskPlanned.title": lambda crm, text: crm.tasks.plan("ana", text, due=START),
    "Sale.place": lambda crm, text: crm.purchases.record("ana", "1.00 EUR", place=text),
    "actor": lambda crm, text: crm.acting_as(text).customers.tag("ana", "t"),
    "correlation": lambda crm, text: crm.correlated(text).customers.tag("ana", "t"),
}
PROSES: dict[str, Enter] = {
    "reason": lambda crm, text: crm.customers.tag("ana", "t", reason=text),
    "InteractionRecorded.summary": lambda crm, text: crm.interactions.note("ana", text),
    "RelationshipBegun.origin_note": lambda crm, text: crm.relationships.begin("ana", "transactional", note=text),
    "SatisfactionMeasured.comment": lambda crm, text: crm.satisfaction.measure("ana", BuyingStep.USE, 4, comment=text),
}
CODES: dict[str, Enter] = {
    "CustomerRegistered.tags": lambda crm, text: crm.customers.register(tags=[text]),
    "Identifier.value": lambda crm, text: crm.customers.note("ana", Identifier("card", text)),
    "Interest.topic": lambda crm, text: crm.customers.note("ana", Interest(text)),
    "ImportantDate.label": lambda crm, text: crm.customers.note("ana", ImportantDate(text, "--05-01")),
    "Sale.order_id": lambda crm, text: crm.purchases.record("ana", "1.00 EUR", order_id=text),
}
"""Verbs that take text, by the field that the error names."""

LINE_VALUES: dict[str, Callable[[str], object]] = {
    "Person.name": Person,
    "Organisation.name": Organisation,
    "Household.name": Household,
    "PostalAddress.city": lambda text: PostalAddress(city=text),
    "Proof.source": lambda text: Proof(source=text),
    "Document.name": lambda text: Document(name=text, media_type="a/b", size=1, sha256=DIGEST),
}


@pytest.fixture
def crm(crm: CRM) -> CRM:
    """A CRM with a person and a household."""
    crm.customers.register(Person("Ana Reyes"), id="ana")
    crm.customers.register(Household("Reyes family"), id="home")
    return crm


def refused(  # noqa: PLR0917 - what is tried, and what is expected
    crm: CRM, enter: Enter, text: str, where: str, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    hidden = MARK if MARK in text else ""
    error = refuses(crm, lambda: enter(crm, text), hidden=hidden, caplog=caplog, rule=rule)
    assert isinstance(error, Invalid)
    assert error.field.startswith(where)


def optional(where: str, text: str) -> bool:
    """A field that may be left empty takes no text of mere spaces either, but a reason of spaces is none."""
    return where == "reason" and not text.strip()


@pytest.mark.parametrize(("text", "rule"), [(t, r) for _, _, t, r, _, _ in REFUSED], ids=IDS)
def test_no_value_takes_it_in_a_line(text: str, rule: str) -> None:
    """Values that have a line of text are not made of it, and say which field it is."""
    for where, make in LINE_VALUES.items():
        with pytest.raises(Invalid) as caught:
            make(text)
        assert (caught.value.field, caught.value.rule) == (where, rule)
        assert MARK not in str(caught.value)


@pytest.mark.parametrize(("text", "rule"), [(t, r) for _, _, t, r, _, _ in REFUSED], ids=IDS)
def test_no_verb_takes_it_in_a_line(crm: CRM, text: str, rule: str, caplog: pytest.LogCaptureFixture) -> None:
    """Verbs refuse it by field and rule, without telling it, and nothing has changed."""
    for where, enter in LINES.items():
        if where == "Provenance.source":
            continue
        refused(crm, enter, text, where, rule, caplog)


@pytest.mark.parametrize(("text", "rule"), [(t, r) for _, _, t, _, r, _ in REFUSED], ids=IDS)
def test_prose_takes_line_breaks_and_no_more(
    crm: CRM, text: str, rule: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Verbs that take several lines refuse the rest; what they take is kept to the byte."""
    for where, enter in PROSES.items():
        if optional(where, text):
            continue
        if rule is None:
            enter(crm, text)
        else:
            refused(crm, enter, text, where, rule, caplog)
    if rule is None:
        assert crm.interactions.of("ana").items[0].summary == text
        assert crm.timeline.all(newest_first=True, types=["customer"]).items[0].reason == text


@pytest.mark.parametrize(("text", "rule"), [(t, r) for *_, t, _, _, r in REFUSED], ids=IDS)
def test_no_verb_takes_it_in_a_code(crm: CRM, text: str, rule: str, caplog: pytest.LogCaptureFixture) -> None:
    """Tags, identifiers, topics, labels and order ids refuse it."""
    for where, enter in CODES.items():
        refused(crm, enter, text, where, rule, caplog)


@pytest.mark.parametrize("text", ["", "x"], ids=["18-empty", "19-one letter"])
def test_empty_names(crm: CRM, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """An empty name is refused, on construction and by a verb; a name of one letter is none."""
    if text:
        assert crm.customers.rename("ana", text).name == text
        return
    with pytest.raises(Invalid, match="empty"):
        Person(text)
    refused(crm, LINES["Person.name"], text, "Person.name", "empty", caplog)
    refuses(crm, lambda: crm.customers.by_name(text), rule="empty", field="text")


# kept

KEPT = [
    ("6", "a file name of a right-to-left script", "تقرير.pdf", "تقرير"),
    ("7", "Arabic", "محمد علي", "محمد"),
    ("7", "Hebrew", "יעל כהן", "יעל"),
    ("8", "decomposed", "Rene\u0301e", "Ren\u00e9e"),
    ("8", "composed", "Ren\u00e9e", "Rene\u0301e"),
    ("9", "full width", "ａdmin", "ADMIN"),
    ("10", "Cyrillic", "\u0430dmin", "\u0430DMIN"),
    ("11", "zero-width space inside", "Ana\u200bReyes", "Ana\u200breyes"),
    ("11", "joiners", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e"),
    ("12", "byte order mark inside", "Ana\ufeffReyes", "ana\ufeffr"),
    ("13", "noncharacter", "Ana\uffffReyes", "ana\uffff"),
    ("14", "emoji", "Ana 👩🏽\u200d👩🏽\u200d👧", "ana 👩🏽"),
    ("19", "one letter", "O", "o"),
    ("19", "200 characters", "W" + "x" * 199, "wxxx"),
    ("19", "apostrophe", "O'Brien", "o'b"),
    ("19", "null", "Null", "null"),
    ("19", "Vietnamese", "Nguyễn", "nguyễn"),
    ("19", "dotted capital", "İpek", "i\u0307pek"),
    ("19", "sharp s", "Straße", "STRASSE"),
    ("20", "SQL", "Robert'); DROP TABLE customers;--", "robert'); drop"),
    ("21", "markup", "<script>alert(1)</script>", "<script>"),
    ("21", "template", "{{7*7}} ${x} %s%n", "{{7*7}}"),
    ("22", "formula", "=cmd|' /C calc'!A0", "=cmd|"),
    ("23", "wildcards", "50%_off\\", "50%_"),
]


@pytest.mark.parametrize(("text", "spelled"), [(t, s) for _, _, t, s in KEPT], ids=[f"{n}-{w}" for n, w, *_ in KEPT])
def test_names_are_kept_and_found(tmp_path: Path, clock: VirtualClock, text: str, spelled: str) -> None:
    """Names of all kinds survive reopening to the byte, in the record and the journal, and are found as spelled."""
    address = f"sqlite:///{tmp_path}/kept.db"
    for url in (address, "memory://"):
        crm = CRM.open(url, clock=clock, durability="normal")
        crm.customers.register(Person(text), id="ana")
        crm.customers.register(Person("Somebody Else"), id="ben")
        if url == address:
            crm.close()
            crm = CRM.open(url, clock=clock, durability="normal")
        found = crm.customers.get("ana").name
        assert found.encode() == text.encode()
        (told,) = crm.timeline.of("ana")
        assert getattr(told.event, "party").name.encode() == text.encode()  # noqa: B009 - any event has a type
        assert [c.id for c in crm.customers.by_name(spelled)] == ["ana"]
        crm.close()


@pytest.mark.parametrize("text", ["50%", "a_b", "a\\b", "$..x", "50% off", "%", "_", "\\"], ids=lambda t: f"23-{t}")
def test_tags_match_literally(crm: CRM, text: str) -> None:
    """Wildcards of other languages are characters like any other, in equality and in prefixes."""
    crm.customers.tag("ana", text)
    crm.customers.tag("home", "50x off", "axb", "a/b", "anything")
    assert [c.id for c in crm.customers.find(field("tag").has(text))] == ["ana"]
    assert [c.id for c in crm.customers.find(field("tag").prefix(text))] == ["ana"]
    crm.customers.rename("ana", f"{text} Reyes")
    assert [c.id for c in crm.customers.by_name(text)] == ["ana"]


def test_lookalikes_are_told_apart(crm: CRM) -> None:
    """10: letters of other scripts are other letters; nothing merges by itself."""
    crm.customers.rename("ana", "admin")
    crm.customers.rename("home", "\u0430dmin")
    assert [c.id for c in crm.customers.by_name("admin")] == ["ana"]
    assert [c.id for c in crm.customers.by_name("\u0430dmin")] == ["home"]


# addresses

BAD_EMAILS = [
    ("24", "a list", f"{MARK}@b.co, d@e.fr", "email"),
    ("24", "a list with a semicolon", f"{MARK}@b.co;d@e.fr", "email"),
    ("25", "a header", f"{MARK}@b.co\r\nBcc:x", "line-break"),
    ("26", "with a name", f'"{MARK}@evil.com" <b@c.de>', "email"),
    ("27", "two at signs", f"{MARK},b@c@d.ee", "email"),
    ("27", "quoted", f'"{MARK} b"@d.ee', "email"),
    ("30", "a long local part", "Qz7x" * 17 + "@example.com", "too-long"),
    ("30", "a long domain", f"{MARK}@" + "a." * 130 + "com", "too-long"),
    ("30", "a long label", f"{MARK}@" + "a" * 64 + ".com", "too-long"),
    ("31", "a host without a dot", f"{MARK}@localhost", "email"),
    ("31", "an IP address", f"{MARK}@[127.0.0.1]", "email"),
    ("31", "an IP address without brackets", f"{MARK}@127.0.0.1", "email"),
]


@pytest.mark.parametrize(
    ("given", "rule"), [(a, r) for *_, a, r in BAD_EMAILS], ids=[f"{n}-{w}" for n, w, *_ in BAD_EMAILS]
)
def test_no_email(crm: CRM, given: str, rule: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is no single plain address is no contact point, however it gets in, and no question."""
    with pytest.raises(Invalid) as caught:
        ContactPoint(Means.EMAIL, given)
    assert (caught.value.field, caught.value.rule) == ("ContactPoint.address", rule)
    known = crm.customers.add_contact("ana", ContactPoint(Means.EMAIL, "ana@example.com")).contacts[0].id
    for enter in (
        lambda: crm.customers.register(Person("Ben"), email=given),
        lambda: crm.customers.change_contact("ana", known, address=given),
    ):
        refuses(crm, enter, hidden=MARK, caplog=caplog, field="ContactPoint.address", rule=rule)
    refuses(crm, lambda: crm.customers.by_email(given), hidden=MARK, caplog=caplog, field="email", rule=rule)


KEPT_EMAILS = [
    ("28", "a@bücher.de", "A@xn--bcher-kva.DE"),
    ("29", "ü@b.de", "\u0075\u0308@B.de"),
    ("32", "Ana.Reyes@Example.com", "ana.reyes@example.com"),
]


@pytest.mark.parametrize(("given", "spelled"), [k[1:] for k in KEPT_EMAILS], ids=[k[0] for k in KEPT_EMAILS])
def test_emails_are_kept_and_found(tmp_path: Path, clock: VirtualClock, given: str, spelled: str) -> None:
    """An address is kept to the byte and found by its key; two customers may have it."""
    url = f"sqlite:///{tmp_path}/kept.db"
    with CRM.open(url, clock=clock, durability="normal") as crm:
        crm.customers.register(Person("Ana"), id="ana", email=given)
        crm.customers.register(Person("Ben"), id="ben", email=spelled)
    for again in (CRM.open(url, clock=clock, durability="normal"), CRM.open("memory://", clock=clock)):
        if again.customers.count() == 0:
            again.customers.register(Person("Ana"), id="ana", email=given)
            again.customers.register(Person("Ben"), id="ben", email=spelled)
        assert again.customers.get("ana").contacts[0].address.encode() == given.encode()
        assert [c.id for c in again.customers.by_email(spelled)] == ["ana", "ben"]
        assert [c.id for c in again.customers.by_email(given)] == ["ana", "ben"]
        again.close()


BAD_PHONES = [
    ("34", "5,000 digits", "7391" * 1250, "too-long", "7391"),
    ("34", "21 digits", "739173917391739173917", "phone", "7391"),
    ("33", "letters", f"+1 {MARK}", "phone", MARK),
    ("33", "a header", "+1 7391\r\nBcc: x", "line-break", "7391"),
]


@pytest.mark.parametrize(
    ("number", "rule", "hidden"), [b[2:] for b in BAD_PHONES], ids=[f"{n}-{w}" for n, w, *_ in BAD_PHONES]
)
def test_no_phone(crm: CRM, number: str, rule: str, hidden: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is no telephone number is refused as a contact point and as a question."""
    with pytest.raises(Invalid):
        ContactPoint(Means.PHONE, number)
    where = {"hidden": hidden, "caplog": caplog, "rule": rule}
    refuses(crm, lambda: crm.customers.register(phone=number), field="ContactPoint.address", **where)
    refuses(crm, lambda: crm.customers.by_phone(number), field="phone", **where)


KEPT_PHONES = [
    ("33", "+1 (555) 0100 ext. 9", "+15550100"),
    ("33", "0917-555", "0917 555"),
    ("35", "+٦٣ ٩١٧ ٥٥٥ ٠١٠٠", "+63 917 555 0100"),
    ("35", "＋６３ ９１７", "+63917"),
]


@pytest.mark.parametrize(("number", "spelled"), [k[1:] for k in KEPT_PHONES], ids=[k[0] for k in KEPT_PHONES])
def test_phones_are_kept_and_found(tmp_path: Path, clock: VirtualClock, number: str, spelled: str) -> None:
    """A number is kept as given and found by its digits."""
    for url in (f"sqlite:///{tmp_path}/kept.db", "memory://"):
        crm = CRM.open(url, clock=clock, durability="normal")
        crm.customers.register(Person("Ana"), id="ana", phone=number)
        if url != "memory://":
            crm.close()
            crm = CRM.open(url, clock=clock, durability="normal")
        assert crm.customers.get("ana").contacts[0].address.encode() == number.encode()
        assert [c.id for c in crm.customers.by_phone(spelled)] == ["ana"]
        crm.close()


BAD_URLS = [
    ("36", f"javascript:alert('{MARK}')", "scheme"),
    ("36", f"data:text/html,{MARK}", "scheme"),
    ("36", f"//{MARK}.com/", "scheme"),
    ("37", f"http://{MARK}@example.com/", "userinfo"),
    ("37", f"http://127.1/{MARK}", "url"),
    ("37", f"http://0x7f000001/{MARK}", "url"),
    ("37", f"http://2130706433/{MARK}", "url"),
    ("37", f"http://exa\tmple.com/{MARK}", "line-break"),
    ("38", "https://example.com/" + MARK * 25_000, "too-long"),
]


@pytest.mark.parametrize(("url", "rule"), [b[1:] for b in BAD_URLS], ids=[f"{n}-{u[:24]}" for n, u, _ in BAD_URLS])
def test_no_url(crm: CRM, url: str, rule: str, caplog: pytest.LogCaptureFixture) -> None:
    """The address of a document is a complete and plain one; the caller's network is a webhook's business."""
    note = crm.interactions.note("ana", "sent")

    def attach() -> object:
        return crm.interactions.attach(
            note, Document(name="a.pdf", media_type="application/pdf", size=1, sha256=DIGEST, url=url)
        )

    error = refuses(crm, attach, hidden=MARK, caplog=caplog, field="Document.url")
    assert isinstance(error, Invalid)
    assert error.rule in (rule, "control-character")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "a\\b", "CON\0", "a:b", "nul\u202egpj.exe", "a. "])
def test_no_file_name(crm: CRM, name: str) -> None:
    """4, 6: names of files lead nowhere and show as what they are."""
    note = crm.interactions.note("ana", "sent")
    refuses(
        crm,
        lambda: crm.interactions.attach(note, Document(name=name, media_type="application/pdf", size=1, sha256=DIGEST)),
        hidden=name,
        field="Document.name",
    )


def test_words_of_hosts_are_lines(crm: CRM) -> None:
    """3, 4: open vocabularies take words of the host's own, and no controls in them."""
    refuses(crm, lambda: crm.customers.register(source=f"{MARK}\0"), hidden=MARK, rule="control-character")
    refuses(
        crm,
        lambda: crm.purchases.record("ana", "1.00 EUR", channel=f"{MARK}\n"),
        hidden=MARK,
        field="Sale.channel",
        rule="line-break",
    )
    begun = crm.relationships.begin("ana", "transactional")
    refuses(
        crm,
        lambda: crm.relationships.note_evidence(begun, Evidence(f"{MARK}\u202e")),
        hidden=MARK,
        field="Evidence.kind",
        rule="bidi-control",
    )


def test_the_journal_tells_what_was_kept_and_no_more(crm: CRM) -> None:
    """A refused text leaves no entry; an accepted one leaves one."""
    told = entries_of(crm)
    with pytest.raises(Invalid):
        crm.customers.rename("ana", "\0")
    assert entries_of(crm) == told
    crm.customers.rename("ana", "Ana Cruz")
    assert entries_of(crm) == [*told, "customer.renamed"]
