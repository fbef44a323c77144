"""What is decided of a body of which only the ends were kept, against what its bytes would say."""

import random
import struct

import pytest

from sangraha.content_types import ContentType, Watcher, judge, judge_seen
from sangraha.content_types.seen import HEAD_BYTES, TAIL_BYTES, Seen
from sangraha.errors import DamagedContent, EmptyBody, TypeNotAllowed
from tests.samples import Sample, animation, document, each_kind, each_kind_larger, image, pdf

TYPES = ["json", "image", "pdf"]


def watched(body: bytes, chunk: int = 1500) -> Seen:
    watcher = Watcher()
    for at in range(0, len(body), chunk):
        watcher.feed(body[at : at + chunk])
    return watcher.seen()


def refusal(body: bytes, kind: str = "image") -> str:
    with pytest.raises(DamagedContent) as refused:
        judge_seen(watched(body), [kind])
    return refused.value.detail


def larger(file_name: str) -> bytes:
    return next(each.body for each in each_kind_larger() if each.file_name == file_name)


@pytest.mark.parametrize(
    "sample", each_kind() + each_kind_larger(), ids=lambda sample: f"{len(sample.body)} {sample!r}"
)
def test_a_whole_file_is_what_it_is(sample: Sample) -> None:
    seen = watched(sample.body)
    expected = ContentType(sample.type, sample.content_type)
    assert judge_seen(seen, [sample.type]) == judge(sample.body, [sample.type]) == expected
    assert judge_seen(seen, [], None, "a.txt") == expected
    with pytest.raises(TypeNotAllowed) as refused:
        judge_seen(seen, ["text/*"])
    assert refused.value.members["detected"] == sample.content_type


@pytest.mark.parametrize(
    "sample", each_kind_larger(), ids=lambda sample: f"{len(sample.body)} {sample!r}"
)
def test_no_file_cut_anywhere_passes(sample: Sample) -> None:
    end = len(sample.body.rstrip(b"\n\0"))
    lengths = random.Random(1).sample(range(end), 150)
    for length in (*lengths, *range(end - 30, end)):
        with pytest.raises((DamagedContent, TypeNotAllowed, EmptyBody)):
            judge_seen(watched(sample.body[:length], 8192), [sample.type])
    assert judge_seen(watched(sample.body[: end - 20]), []).type == "other"


@pytest.mark.parametrize(
    "sample",
    [each for each in each_kind_larger() if each.file_name not in ("record.json", "still.gif")],
    ids=lambda sample: sample.file_name,
)
def test_a_little_junk_after_a_whole_file_is_forgiven(sample: Sample) -> None:
    if sample.content_type == "image/svg+xml":
        return
    seen = watched(sample.body + b"\0\njunk" * 20)
    assert judge_seen(seen, [sample.type]).content_type == sample.content_type


def test_padding_after_an_animation_is_forgiven() -> None:
    assert judge_seen(watched(larger("still.gif") + bytes(500)), ["image"]).type == "image"


@pytest.mark.parametrize(
    "body",
    [
        image("PNG", 200, 150) + bytes(2000),
        image("JPEG", 300, 200, quality=98) + bytes(2000),
        image("GIF", 200, 150) + b"\0;junk",
        pdf(100) + bytes(2000),
    ],
)
def test_where_the_end_is_not_at_the_end_it_is_cut_off(body: bytes) -> None:
    assert "is cut off" in refusal(body, "pdf" if body.startswith(b"%PDF") else "image")


def test_animations_are_told_by_their_ends() -> None:
    for form in ("GIF", "WEBP", "AVIF"):
        body = animation(form, 40)
        assert len(body) > HEAD_BYTES + TAIL_BYTES
        assert judge_seen(watched(body), ["image"]) == judge(body, ["image"])
        assert "is cut off" in refusal(body[:-30])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (larger("plain.png")[:8] + larger("plain.png")[33:], "does not start with a valid IHDR"),
        (larger("plain.png").replace(b"\x08\x02\0\0\0", b"\x08\x02\0\0\1", 1), "checksum of its"),
        (larger("photo.jpg")[:2] + b"\xff\xe0\0\1" + larger("photo.jpg")[2:], "no valid length"),
        (larger("photo.jpg")[:20] + b"junk" + larger("photo.jpg")[20:], "no marker at byte 20"),
        (larger("still.gif")[:13] + b"\1" * 900 + larger("still.gif")[13:], "there is no block"),
        (larger("paint.bmp")[:28] + b"\7\0" + larger("paint.bmp")[30:], "7 bits a pixel"),
        (larger("drawing.svg").replace(b"<title>", b"<titel>", 1), "mismatched tag in line 1"),
        (larger("drawing.svg").replace(b"</g>", b"</G>", 1), "mismatched tag in line 1"),
        (b"<!DOCTYPE svg [<!ENTITY % x 'y'>]>" + larger("drawing.svg"), "declares entities"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_damage_in_the_head_is_seen(body: bytes, why: str) -> None:
    assert why in refusal(body)


def test_the_end_marker_of_a_thumbnail_is_not_that_of_the_photograph() -> None:
    thumbnail = image("JPEG", 200, 150, quality=98)
    plain = image("JPEG", 300, 200, quality=98)
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    body = plain[:2] + segment + plain[2:]
    assert judge_seen(watched(body), ["image"]).content_type == "image/jpeg"
    for after in (0, 1, 100, 900):
        assert "is cut off" in refusal(body[: 2 + len(segment) + after])


def tiff_with_directory_at_the_end(strips: int, last: int = 10) -> bytes:
    """As libtiff writes: pixels first, then the directory. `last` is the size of the last strip."""
    pixels = bytes(20_000)
    offsets = struct.pack(f"<{strips}I", *(8 + 10 * n for n in range(strips)))
    counts = struct.pack(f"<{strips}I", *([10] * (strips - 1) + [last]))
    at = 8 + len(pixels)
    entries = ((256, 3, 1, 5), (273, 4, strips, at), (279, 4, strips, at + len(offsets)))
    directory = struct.pack("<H", 3) + b"".join(struct.pack("<HHII", *each) for each in entries)
    start = b"II*\0" + struct.pack("<I", at + len(offsets) + len(counts))
    return start + pixels + offsets + counts + directory + bytes(4)


def test_a_tiff_is_read_where_its_directory_was_kept() -> None:
    body = tiff_with_directory_at_the_end(100)
    assert judge_seen(watched(body), ["image"]).content_type == "image/tiff"
    assert "is cut off" in refusal(body[:-10])
    assert "is cut off" in refusal(body[:10_000])
    assert "is cut off" in refusal(tiff_with_directory_at_the_end(100, last=90_000))


def test_a_tiff_whose_directory_was_not_kept_is_taken_by_its_signature() -> None:
    body = tiff_with_directory_at_the_end(100) + bytes(9000)
    assert judge_seen(watched(body), ["image"]).content_type == "image/tiff"


def test_an_avif_whose_boxes_are_far_apart_is_taken_by_what_was_kept() -> None:
    body = larger("still.avif")
    at = struct.unpack_from(">I", body)[0]
    spread = body[:at] + struct.pack(">I", 8008) + b"free" + bytes(8000) + body[at:]
    assert judge_seen(watched(spread), ["image"]).content_type == "image/avif"
    assert "is cut off" in refusal(spread[:7000])


def test_an_avif_whose_last_box_has_no_size_is_measured_by_its_items() -> None:
    body = larger("still.avif")
    at = body.index(b"mdat") - 4
    body = body[:at] + bytes(4) + body[at + 4 :]
    assert judge_seen(watched(body), ["image"]) == judge(body, ["image"])
    assert "is cut off" in refusal(body[:-30])


def linearized(promised: int, size: int) -> bytes:
    start = b"%%PDF-1.4\n1 0 obj<</Linearized 1/L %d>>endobj\n" % promised
    references = b"xref\n0 1\ntrailer<<>>\nstartxref\n%d\n%%%%EOF\n"
    body = start.ljust(size, b"%")
    return body + references % len(body)


def test_the_ends_of_a_pdf_are_checked() -> None:
    whole = linearized(9000, 9000)
    assert judge_seen(watched(whole), ["pdf"]).type == "pdf"
    assert judge_seen(watched(whole + b"\n" * 900), ["pdf"]).type == "pdf"
    for body, why in (
        (linearized(20_000, 9000), "is cut off"),
        (whole[:-3], "is cut off"),
        (whole + b"7 0 obj", "is cut off"),
        (whole.replace(b"startxref\n9000", b"startxref\n9003"), "is not where its last line says"),
        (whole.replace(b"startxref\n9000", b"startxref\n9999"), "is not where its last line says"),
        (whole.replace(b"startxref\n9000", b"startxref\n0000"), "is not where its last line says"),
        (whole.replace(b"startxref", b"startxxxx"), "does not say where"),
        (whole.replace(b"trailer", b"traller"), "is not where its last line says"),
    ):
        assert why in refusal(body, "pdf"), body[-60:]
    in_the_middle = whole.replace(b"startxref\n9000", b"startxref\n5000")
    assert judge_seen(watched(in_the_middle), ["pdf"]).type == "pdf"


@pytest.mark.parametrize(
    "end", [b"</svg>", b"</svg >\r\n", b"</svg><!-- <end> --> \n<?an end?>\n", b"</svg>\n\n\n"]
)
def test_an_svg_may_end_with_what_xml_allows(end: bytes) -> None:
    body = larger("drawing.svg").rstrip().removesuffix(b"</svg>") + end
    assert judge(body, ["image"]) == judge_seen(watched(body), ["image"])
    assert "is cut off" in refusal(body + b"junk")


def test_an_svg_with_a_prefix_or_a_long_start_is_one() -> None:
    inner = b"<x:g/>" * 2000
    prefixed = b"<x:svg xmlns:x='http://www.w3.org/2000/svg'>" + inner + b"</x:svg>"
    long_start = b"<svg a='" + b"a" * 8000 + b"'><g/></svg>"
    late = b"<!--" + b" " * 3000 + b"--><svg a='" + b"a" * 8000 + b"'></svg>"
    for body in (prefixed, long_start, late):
        assert judge_seen(watched(body), ["image"]) == ContentType("image", "image/svg+xml")
        assert "is cut off" in refusal(body[:-4])
    html = b"<html><body>" + b"<p/>" * 3000 + b"<svg></svg>"
    with pytest.raises(TypeNotAllowed, match="HTML"):
        judge_seen(watched(html), ["image"])


def test_a_broken_document_is_damage_however_large() -> None:
    whole = b"[" + b",".join([document(2)] * 300) + b"]"
    assert judge_seen(watched(whole, 65_536), ["json"]).type == "json"
    for body, why in (
        (whole[:-1], "cut off"),
        (whole[:-1] + b",]", f"trailing comma in array (byte {len(whole)})"),
        (whole + b"x", f"trailing characters (byte {len(whole) + 1})"),
        (whole.replace(b'"reading"', b'"r\xe9ading"'), "is not UTF-8"),
        (b"\xef\xbb\xbf" + whole, "it starts with a byte order mark"),
    ):
        assert why in refusal(body, "json")
        with pytest.raises(DamagedContent) as refused:
            judge(body, ["json"])
        assert refused.value.detail == refusal(body, "json")
        assert judge_seen(watched(body), []).type == "other"
        with pytest.raises(TypeNotAllowed, match="a JSON document"):
            judge_seen(watched(body), ["image"])


@pytest.mark.parametrize(
    ("start", "unit", "detected"),
    [
        (b"{\\rtf1\\ansi ", b"words ", "text/rtf"),
        (b"just ", b"words\n", "text/plain"),
        (b'"quoted" ', b"words\n", "text/plain"),
        (b"PK\x03\x04\x14\0", bytes(60), "application/zip"),
        (b"", bytes(10), "application/octet-stream"),
        (b"", b" ", "text/plain"),
    ],
)
def test_what_is_no_document_is_what_its_head_says(
    start: bytes, unit: bytes, detected: str
) -> None:
    body = start + unit * (100_000 // len(unit))
    assert judge_seen(watched(body), []) == ContentType("other", detected)
    assert judge(body, []) == ContentType("other", detected)
    for decide in (judge_seen(watched(body), [detected]), judge(body, [detected])):
        assert decide == ContentType("other", detected)
    with pytest.raises(TypeNotAllowed) as refused:
        judge_seen(watched(body), TYPES)
    assert refused.value.members == {"detected": detected, "allowed": TYPES}


def test_text_that_starts_like_a_document_is_text_where_only_text_is_allowed() -> None:
    body = b"[section]\nkey = value\n" * 1000
    assert judge_seen(watched(body), ["text/*"]) == ContentType("other", "text/plain")
    assert "expected" in refusal(body, "json") or "invalid" in refusal(body, "json")


def test_a_document_is_refined_by_what_it_was_declared_as() -> None:
    seen = watched(b"[" + b"1," * 9000 + b"1]")
    assert judge_seen(seen, ["json"], "application/geo+json").content_type == "application/geo+json"
    with pytest.raises(TypeNotAllowed) as refused:
        judge_seen(seen, ["json"], also_allowed=["image"], file_name="a.json")
    assert refused.value.members["allowed"] == ["image"]
