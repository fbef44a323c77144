"""Damage in the middle of files: what each kind is checked for besides its end."""

import struct
import zlib

import pytest

from sangraha.content_types import ContentType, judge
from sangraha.errors import DamagedContent
from sangraha.objects import ObjectType
from tests.samples import animation, image, pdf, updated_pdf

SVG_TYPE = "http://www.w3.org/2000/svg"


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


HEADER = (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
PIXELS = (b"IDAT", b"pixels")
END = (b"IEND", b"")
JPEG_FRAME = b"\xff\xc0\0\x0b\x08\0\1\0\1\1\1\1\1"


def tiff(*entries: tuple[int, int, int, int], after: int = 0, tail: bytes = b"") -> bytes:
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    )
    return b"II*\0\x08\0\0\0" + directory + struct.pack("<I", after) + tail


WIDTH = (256, 3, 1, 4)
STRIP = (273, 4, 1, 8)
STRIP_SIZE = (279, 4, 1, 10)


def refusal(body: bytes, kind: ObjectType = "image") -> str:
    with pytest.raises(DamagedContent) as refused:
        judge(body, [kind])
    return refused.value.detail


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (png(PIXELS, END), "does not start with a valid IHDR"),
        (png((b"IHDR", bytes(13)), PIXELS, END), "does not start with a valid IHDR"),
        (png(HEADER, END), "it has no pixels"),
        (png(HEADER, (b"ID T", b"x"), END), "no valid name"),
        (png(HEADER, PIXELS, END).replace(b"pixels", b"pixelS"), "checksum of its IDAT"),
        (png(HEADER)[:33] + b"\xff\xff\xff\xffIDATxxxx", "is cut off"),
        (image("JPEG")[:2] + image("JPEG")[-2:], "no marker|no pixels"),
        (b"\xff\xd8" + b"\xff\xda\0\2" + b"\xff\xd9", "its pixels come before their frame"),
        (b"\xff\xd8\xff\xe0\0\1" + b"\xff\xd9", "no valid length"),
        (b"\xff\xd8" + JPEG_FRAME + b"\xff\xd9", "it has no pixels"),
        (b"\xff\xd8\xff\xe0\0\4ab" + b"junk", "there is no marker at byte 8"),
        (b"\xff\xd8" + JPEG_FRAME[:7] + b"\0\0" + JPEG_FRAME[9:] + b"\xff\xd9", "no width"),
        (b"GIF89a\1\0\1\0\0\0\0;", "it has no pixels"),
        (b"GIF89a\1\0\1\0\0\0\0junk", "there is no block at byte 13"),
        (b"RIFF\x0c\0\0\0WEBPabcd\0\0\0\0", "it has no pixels"),
        (b"RIFF\x0c\0\0\0WEBPVP8 \xff\0\0\0", "longer than the whole"),
        (image("BMP")[:28] + b"\7\0" + image("BMP")[30:], "7 bits a pixel"),
        (image("BMP")[:18] + bytes(4) + image("BMP")[22:], "contradict"),
        (b"\0\0\0\x0cftypavif\0\0\0\x0cmeta\0\0\0\0", "does not say where its pixels are"),
        (animation("AVIF").partition(b"moov")[0][:-4], "is cut off"),
        (animation("AVIF").replace(b"moov", b"free"), "is cut off"),
        (tiff(WIDTH, STRIP, STRIP_SIZE, after=8, tail=bytes(20)), "form a loop"),
        (tiff(WIDTH, tail=bytes(20)), "it has no pixels"),
        (tiff(STRIP, STRIP_SIZE, tail=bytes(20)), "it has no width"),
        (tiff(WIDTH, STRIP, tail=bytes(20)), "how long its pixels are"),
        (tiff(tail=bytes(20)), "directories is empty"),
        (tiff(WIDTH, STRIP, (279, 4, 1, 99)), "is cut off"),
        (tiff(WIDTH, STRIP, STRIP_SIZE, (270, 2, 500, 60)), "is cut off"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_broken_images_are_refused_with_the_reason(body: bytes, why: str) -> None:
    found = refusal(body)
    assert any(words in found for words in why.split("|")), found


def test_a_wrong_checksum_of_an_ancillary_chunk_is_forgiven() -> None:
    body = png(HEADER, (b"tEXt", b"wrong"), PIXELS, END).replace(b"wrong", b"wrung")
    assert judge(body, ["image"]).content_type == "image/png"


def test_a_bmp_upside_down_or_with_a_wrong_file_size_is_whole() -> None:
    body = image("BMP")
    flipped = body[:22] + struct.pack("<i", -18) + body[26:]
    assert judge(flipped, ["image"]).content_type == "image/bmp"
    assert judge(body[:2] + bytes(4) + body[6:], ["image"]).content_type == "image/bmp"


@pytest.mark.parametrize(
    "body",
    [
        b"<svg/>",
        b"\xef\xbb\xbf\n <svg/>",
        b"<!-- <html> --><svg/>",
        f"<x:svg xmlns:x='{SVG_TYPE}'/>".encode(),
        "<?xml version='1.0' encoding='UTF-16'?><svg/>".encode("utf-16"),
        "<?xml version='1.0' encoding='ISO-8859-1'?><svg>é</svg>".encode("latin-1"),
        f"<!DOCTYPE svg [<!ENTITY ns '{SVG_TYPE}'>]><svg xmlns='&ns;'/>".encode(),
    ],
)
def test_takes_svg_however_it_starts(body: bytes) -> None:
    assert judge(body, ["image"]) == ContentType("image", "image/svg+xml")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<svg><g></svg>", "mismatched tag in line 1"),
        (b"<svg>" + b"<g>" * 1000 + b"</g>" * 1000 + b"</svg>", "more than 1,000 levels"),
        (b"<svg>" + b"<g/>" * 1_000_000 + b"</svg>", "more than 1,000,000 tags"),
        (b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>" + b"&a;" * 10_001 + b"</svg>", "declares"),
        (b"<svg></svg>\njunk", "junk after document element in line 2"),
        (b"<svg>\xff</svg>", "not well-formed"),
        (b"<svg>&nbsp;</svg>", "undefined entity"),
        (b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>', "declares"),
        (b'<!DOCTYPE svg [<!ENTITY % x "y">%x;]><svg/>', "declares"),
        (b'<!DOCTYPE svg [<!ATTLIST svg a CDATA "b">]><svg/>', "declares"),
    ],
)
def test_broken_svg_is_refused_with_the_reason(body: bytes, why: str) -> None:
    assert why in refusal(body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a": NaN}', "invalid character (byte 6)"),
        (b"[1,]", "trailing comma in array (byte 3)"),
        (b'{"a": 1} {"b": 2}', "trailing characters"),
        (b'["\xff"]', "byte 2 is not UTF-8"),
        (b'["\xed\xa0\x80"]', "byte 2 is not UTF-8"),
        (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
        (b"[" * 100_000 + b"]" * 100_000, "more than 500 levels deep"),
        (b'{"a": 1', "is cut off"),
        (b'{"a": 1.', "is cut off"),
        (b"tru", "is cut off"),
    ],
)
def test_json_that_is_not_strictly_json_is_refused_with_the_reason(body: bytes, why: str) -> None:
    assert why in refusal(body, "json")


@pytest.mark.parametrize(
    "body", [b" [1e999, -0, 1E5]\n", b'{"a":1,"a":2}', b'"\\u0000\x7f"', b"0", b"null", b"1" * 5000]
)
def test_takes_whatever_is_json(body: bytes) -> None:
    assert judge(body, ["json"]) == ContentType("json", "application/json")


def linearized(cut: int = 0) -> bytes:
    """What matters of a linearized document: its first part has an end marker of its own."""
    whole = pdf(1)
    start = b"%PDF-1.4\n1 0 obj<</Linearized 1/L 12345>>endobj\n"
    first = start + b"xref\n0 1\ntrailer<<>>\nstartxref\n0\n%%EOF\n"
    body = first + whole[9:]
    at = body.rindex(b"startxref")
    body = body[:at] + b"startxref\n%d\n%%%%EOF\n" % body.rindex(b"xref\n", 0, at)
    body = body.replace(b"12345", b"%05d" % len(body))
    return body[: cut or len(body)]


def test_a_pdf_may_have_a_little_around_it() -> None:
    for body in (pdf() + b"\0" * 1000, b"\r\n\r\n" + pdf(), pdf().rstrip(), linearized()):
        assert judge(body, ["pdf"]) == ContentType("pdf", "application/pdf")


def test_a_pdf_cut_after_an_inner_end_marker_is_cut_off() -> None:
    after_first_part = linearized().index(b"%%EOF") + 6
    assert "is cut off" in refusal(linearized(after_first_part), "pdf")
    updated = updated_pdf()
    in_the_update = updated.index(b" obj", updated.index(b"%%EOF")) + 6
    assert "is cut off" in refusal(updated[:in_the_update], "pdf")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"%PDF-1.4\n%%EOF", "does not say where its cross-reference is"),
        (b"%PDF-1.4\nstartxref\n5\n%%EOF", "not where its last line says"),
        (b"%PDF-1.4\nstartxref\n999999\n%%EOF", "not where its last line says"),
        (pdf() + b"\0" * 3000, "is cut off"),
    ],
)
def test_a_pdf_without_a_cross_reference_is_broken(body: bytes, why: str) -> None:
    assert why in refusal(body, "pdf")
