"""What the bytes are taken for, and the words in which they are refused."""

from collections.abc import Sequence

import pytest

from sangraha.content_types import ContentType, judge
from sangraha.errors import DamagedContent, EmptyBody, TypeNotAllowed
from sangraha.objects import ObjectType
from tests.samples import Sample, document, each_kind, image, mixed, pdf

SCRIPT = b"#!/bin/sh\nrm -rf ~\n"


def of_kind(content_type: str) -> Sample:
    return next(sample for sample in each_kind() if sample.content_type == content_type)


@pytest.mark.parametrize("sample", each_kind(), ids=lambda sample: sample.file_name)
def test_a_whole_file_is_what_it_is(sample: Sample) -> None:
    expected = ContentType(sample.type, sample.content_type)
    assert judge(sample.body, [sample.type]) == expected
    assert judge(sample.body, ["json", "image", "pdf"]) == expected
    assert judge(sample.body, []) == expected
    assert judge(sample.body, ["other"]) == expected


def test_larger_files_are_what_they_are() -> None:
    for sample in mixed(20):
        assert judge(sample.body, [sample.type]).content_type == sample.content_type


@pytest.mark.parametrize("sample", each_kind(), ids=lambda sample: sample.file_name)
def test_neither_header_nor_name_makes_it_another_type(sample: Sample) -> None:
    wrong: ObjectType = "pdf" if sample.type != "pdf" else "image"
    for declared, name in (("application/pdf", "a.pdf"), ("image/png", "a.png")):
        with pytest.raises(TypeNotAllowed) as refused:
            judge(sample.body, [wrong], declared, name)
        assert refused.value.members == {"detected": sample.content_type, "allowed": [wrong]}


@pytest.mark.parametrize("sample", each_kind(), ids=lambda sample: sample.file_name)
def test_without_its_last_bytes_a_file_is_cut_off(sample: Sample) -> None:
    for missing in (12, len(sample.body) // 4):
        with pytest.raises(DamagedContent, match="is cut off: its end is missing"):
            judge(sample.body[:-missing], [sample.type])


@pytest.mark.parametrize(
    "sample",
    [
        each
        for each in each_kind()
        if each.content_type not in ("application/json", "image/svg+xml")
    ],
    ids=lambda sample: sample.file_name,
)
def test_junk_after_a_whole_file_is_forgiven(sample: Sample) -> None:
    assert judge(sample.body + b"\0\njunk", [sample.type]).content_type == sample.content_type


@pytest.mark.parametrize(
    ("body", "allowed", "words"),
    [
        (image("PNG"), ["pdf"], "The bytes are a PNG image, but this address takes PDF documents"),
        (pdf(), ["image"], "The bytes are a PDF document, but this address takes images"),
        (image("AVIF"), ["json"], "The bytes are an AVIF image, but this address takes JSON"),
        (document(), ["image", "pdf"], "a JSON document, but this address takes images and PDF"),
        (SCRIPT, ["image"], "The bytes are a shell script, but this address takes images"),
        (b"<!DOCTYPE html><html><p>Hi</p></html>", ["image"], "are an HTML page"),
        (b"<html><body><svg xmlns='http://www.w3.org/2000/svg'/></body></html>", ["image"], "HTML"),
        (
            b"<?xml version='1.0'?><a><svg xmlns='http://www.w3.org/2000/svg'/></a>",
            ["image"],
            "XML",
        ),
        (b"just some words\n", ["json"], "are plain text"),
        (b"PK\x03\x04\x14\0" + bytes(60), ["pdf"], "are a ZIP archive"),
        (bytes(100), ["pdf"], "are of no type that is known here"),
        (b"{\\rtf1 hello}", ["json"], "of the type text/rtf"),
        (image("ICO"), ["image"], "an image of the type image/vnd.microsoft.icon"),
        (image("JPEG2000"), ["image"], "which cannot be verified"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_says_what_the_bytes_are_instead(
    body: bytes, allowed: Sequence[ObjectType], words: str
) -> None:
    with pytest.raises(TypeNotAllowed) as refused:
        judge(body, allowed)
    assert words in refused.value.detail


def test_a_script_named_like_a_picture_is_a_script() -> None:
    with pytest.raises(TypeNotAllowed) as refused:
        judge(SCRIPT, ["image"], "image/png", "holiday.png")
    assert "'holiday.png' are a shell script" in refused.value.detail
    assert refused.value.members["detected"] == "text/x-shellscript"


def test_an_empty_body_is_refused_where_a_type_is_asked_for() -> None:
    with pytest.raises(EmptyBody, match="the body is empty"):
        judge(b"", ["json"])
    assert judge(b"", []) == ContentType("other", "application/octet-stream")


@pytest.mark.parametrize("allowed", [[], ["other"], ["image", "other"]])
def test_where_anything_goes_what_is_not_whole_is_other(allowed: list[ObjectType]) -> None:
    assert judge(SCRIPT, allowed) == ContentType("other", "text/x-shellscript")
    assert judge(image("PNG")[:-5], allowed) == ContentType("other", "image/png")
    assert judge(bytes(9), allowed) == ContentType("other", "application/octet-stream")


def test_a_start_that_only_looks_like_a_kind_is_damage() -> None:
    with pytest.raises(DamagedContent, match="it does not have the structure of one"):
        judge(b"\x1b%-12345X@PJL\n" + pdf(), ["pdf"])


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (None, "application/json"),
        ("application/json", "application/json"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
        ("application/geo+json", "application/geo+json"),
        ('Application/LD+JSON ;Profile="a b"; q=1', 'application/ld+json; profile="a b"; q=1'),
        ('application/vnd.a+json; x="y"', "application/vnd.a+json; x=y"),
        ("image/png", "application/json"),
        ("text/html", "application/json"),
        ("image/svg+xml", "application/json"),
        ("+json", "application/json"),
        ("application/a+json; =", "application/json"),
        ("application/a+json\r\nX-Evil: 1", "application/json"),
        ('application/a+json; x="\n"', "application/json"),
        ("application/дом+json", "application/json"),
        ("application/" + "a" * 200 + "+json", "application/json"),
        ("application/a+json" + "; x=y" * 100, "application/json"),
        ("", "application/json"),
        ("😀", "application/json"),
    ],
)
def test_the_declared_type_only_refines(declared: str | None, expected: str) -> None:
    assert judge(b"{}", ["json"], declared).content_type == expected


def test_only_json_is_refined_by_another_name() -> None:
    png = of_kind("image/png").body
    assert judge(png, ["image"], "image/vnd.foo+png").content_type == "image/png"
    assert judge(png, ["image"], "IMAGE/PNG").content_type == "image/png"
    assert judge(SCRIPT, [], "text/html").content_type == "text/x-shellscript"
