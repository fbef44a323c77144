"""Allowed types as patterns: which there are, what they allow, and whose list refuses."""

from collections.abc import Sequence

import pytest

from sangraha.content_types import (
    ContentType,
    Watcher,
    allows,
    checked_patterns,
    encoded,
    judge,
    judge_seen,
    takes_anything,
)
from sangraha.errors import (
    DamagedContent,
    EmptyBody,
    EncodingNotAllowed,
    InvalidParameter,
    TypeNotAllowed,
)
from sangraha.objects import ObjectType
from tests.samples import image, pdf, svg

SCRIPT = b"#!/bin/sh\nrm -rf ~\n"
WORDS = b"just some words\n"
ZIP = b"PK\x03\x04\x14\0" + bytes(60)
INI = b"[Unit]\nDescription=not JSON\n"


@pytest.mark.parametrize(
    ("type_", "content_type", "patterns", "allowed"),
    [
        ("json", "application/json", [], True),
        ("other", "image/png", [], True),
        ("other", "image/png", ["*/*"], True),
        ("other", "image/png", ["json", "other"], True),
        ("json", "application/json", ["json"], True),
        ("json", "application/json", ["image", "pdf"], False),
        ("json", "application/json", ["application/json"], True),
        ("json", "application/json", ["application/*"], True),
        ("json", "application/json", ["text/*"], False),
        ("json", "application/geo+json", ["application/json"], True),
        ("json", "application/geo+json", ["application/geo+json"], True),
        ("json", "application/json", ["application/geo+json"], False),
        ("json", "text/x+json", ["text/*"], False),
        ("json", "text/x+json", ["application/*"], True),
        ("image", "image/png", ["image"], True),
        ("image", "image/png", ["image/*"], True),
        ("image", "image/png", ["image/png"], True),
        ("image", "image/png", ["image/jpeg", "pdf"], False),
        ("pdf", "application/pdf", ["application/*"], True),
        ("pdf", "application/pdf", ["pdf"], True),
        ("other", "text/plain", ["text/*"], True),
        ("other", "text/plain; charset=utf-8", ["text/plain"], True),
        ("other", "TEXT/Plain", ["text/plain"], True),
        ("other", "text/plainer", ["text/plain"], False),
        ("other", "textual/plain", ["text/*"], False),
        ("other", "application/zip", ["text/*", "application/zip"], True),
        ("other", "image/vnd.microsoft.icon", ["image/*"], True),
        ("other", "image/vnd.microsoft.icon", ["image"], False),
        ("other", "image/png", ["image/*"], False),
        ("other", "image/png", ["image/png"], False),
        ("other", "application/json", ["json", "application/*"], False),
        ("other", "image/svg+xml", ["image/*", "text/*"], False),
    ],
)
def test_patterns_allow_what_they_name(
    type_: ObjectType, content_type: str, patterns: Sequence[str], *, allowed: bool
) -> None:
    assert allows(type_, content_type, patterns) is allowed


def test_nothing_and_everything_restrict_nothing() -> None:
    assert all(takes_anything(patterns) for patterns in ([], ["*/*"], ["json", "other"]))
    assert not any(takes_anything(patterns) for patterns in (["json"], ["text/*"], ["*"]))


def test_patterns_are_checked_and_written_in_one_way() -> None:
    given = ["JSON", " text/* ", "Application/VND.api+json", "image", "text/*", "*/*", "other"]
    expected = ["json", "text/*", "application/vnd.api+json", "image", "*/*", "other"]
    assert checked_patterns(given) == expected
    assert checked_patterns([]) == []
    assert len(checked_patterns([f"text/{n}" for n in range(50)])) == 50


@pytest.mark.parametrize(
    "pattern",
    [
        *["", "text", "jpeg", "*", "/", "text/", "/plain", "*/plain", "text/*; q=1", "text/pl*"],
        *["a/b/c", "text/plain, text/html", "text/дом", "text/ plain", "t/" + "a" * 128, "te*t/a"],
        *["text/plain\n\n*/*", ".text/plain"],
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidParameter, match="is no type"):
        checked_patterns(["json", pattern])


def test_there_are_at_most_fifty_patterns() -> None:
    with pytest.raises(InvalidParameter, match="51 allowed types are more than 50"):
        checked_patterns([f"text/{n}" for n in range(51)])


@pytest.mark.parametrize(
    ("body", "patterns", "found"),
    [
        (WORDS, ["text/*"], ContentType("other", "text/plain")),
        (WORDS, ["text/plain", "json"], ContentType("other", "text/plain")),
        (SCRIPT, ["text/*"], ContentType("other", "text/x-shellscript")),
        (ZIP, ["application/zip"], ContentType("other", "application/zip")),
        (INI, ["text/*"], ContentType("other", "text/plain")),
        (bytes(99), ["application/octet-stream"], ContentType("other", "application/octet-stream")),
        (image("PNG"), ["image/*"], ContentType("image", "image/png")),
        (image("ICO"), ["image/*"], ContentType("other", "image/vnd.microsoft.icon")),
        (pdf(), ["text/*", "application/pdf"], ContentType("pdf", "application/pdf")),
        (b"{}", ["application/*"], ContentType("json", "application/json")),
    ],
)
def test_what_only_libmagic_knows_is_taken_where_a_pattern_allows_it(
    body: bytes, patterns: Sequence[str], found: ContentType
) -> None:
    assert judge(body, patterns) == found
    assert judge(body, [], also_allowed=patterns) == found


@pytest.mark.parametrize(
    ("body", "patterns", "detected"),
    [
        (WORDS, ["json", "application/zip"], "text/plain"),
        (ZIP, ["text/*"], "application/zip"),
        (b'{"a": 1}', ["text/*"], "application/json"),
        (svg(), ["text/*"], "image/svg+xml"),
        (image("PNG")[:-9], ["text/*", "image/jpeg"], "image/png"),
    ],
)
def test_what_no_pattern_allows_is_refused(
    body: bytes, patterns: Sequence[str], detected: str
) -> None:
    with pytest.raises(TypeNotAllowed) as refused:
        judge(body, patterns)
    assert refused.value.members == {"detected": detected, "allowed": patterns}


@pytest.mark.parametrize("patterns", [["image"], ["image/*"], ["text/*", "image/png"]])
def test_what_is_damaged_is_refused_where_it_would_be_allowed_whole(
    patterns: Sequence[str],
) -> None:
    with pytest.raises(DamagedContent):
        judge(image("PNG")[:-9], patterns)


def test_a_broken_document_is_not_taken_for_text_where_documents_are_allowed() -> None:
    with pytest.raises(DamagedContent):
        judge(INI, ["text/*", "json"])


def test_no_declared_type_gets_a_document_past_a_pattern() -> None:
    with pytest.raises(TypeNotAllowed):
        judge(b"{}", ["text/*"], "text/x+json")
    assert judge(b"{}", ["application/geo+json"], "application/geo+json").type == "json"


def test_both_lists_must_allow_it() -> None:
    png = image("PNG")
    assert judge(png, ["image", "pdf"], also_allowed=["image/png"]).type == "image"
    for allowed, also_allowed, refusing, words in (
        (["pdf"], ["image"], ["pdf"], "but this address takes PDF documents"),
        (
            ["image"],
            ["pdf", "text/*"],
            ["pdf", "text/*"],
            "but this bucket takes PDF documents and text/*",
        ),
        (["pdf"], ["json"], ["pdf"], "but this address takes PDF documents"),
        ([], ["json"], ["json"], "but this bucket takes JSON documents"),
        (["*/*"], ["json"], ["json"], "but this bucket takes JSON documents"),
    ):
        with pytest.raises(TypeNotAllowed) as refused:
            judge(png, allowed, file_name="a.png", also_allowed=also_allowed)
        assert refused.value.members == {"detected": "image/png", "allowed": refusing}
        assert refused.value.detail == f"The bytes of 'a.png' are a PNG image, {words}"


def test_an_empty_or_damaged_body_is_refused_where_either_list_asks_for_a_type() -> None:
    for allowed, also_allowed in ((["image"], ()), ([], ["image"]), (["other"], ["image"])):
        with pytest.raises(EmptyBody):
            judge(b"", allowed, also_allowed=also_allowed)
        with pytest.raises(EmptyBody):
            judge_seen(Watcher().seen(), allowed, also_allowed=also_allowed)
        with pytest.raises(DamagedContent):
            judge(image("PNG")[:-9], allowed, also_allowed=also_allowed)
    assert judge(b"", ["*/*"], also_allowed=["other"]).type == "other"
    assert judge_seen(Watcher().seen(), []) == judge(b"", [])


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (None, "application/octet-stream"),
        ("Text/HTML;Charset=UTF-8", "text/html; charset=UTF-8"),
        ("image/svg+xml", "image/svg+xml"),
        ("not a type", "application/octet-stream"),
        ("text/html\r\nX-Evil: 1", "application/octet-stream"),
    ],
)
def test_encoded_bytes_are_what_they_were_declared_as(declared: str | None, expected: str) -> None:
    assert encoded(declared, "gzip", []) == ContentType("other", expected)
    assert encoded(declared, "gzip", ["*/*"], ["other"]) == ContentType("other", expected)


def test_encoded_bytes_are_refused_where_either_list_asks_for_a_type() -> None:
    for allowed, also_allowed in ((["json"], ["image"]), (["json"], []), ([], ["json"])):
        with pytest.raises(EncodingNotAllowed) as refused:
            encoded("application/json", "gzip", allowed, also_allowed)
        assert refused.value.members == {"allowed": ["json"]}
        assert "are encoded (gzip) and cannot be verified" in refused.value.detail
