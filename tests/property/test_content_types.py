"""No cut file passes, no bytes crash the judge, and no hostile body takes it long."""

import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sangraha.content_types import Watcher, allows, judge, judge_seen, takes_anything
from sangraha.content_types.seen import HEAD_BYTES, Seen
from sangraha.errors import DamagedContent, EmptyBody, TypeNotAllowed
from tests.samples import Sample, each_kind, each_kind_larger

LARGE = 8 * 1024 * 1024
IN_TIME = 1.5
"""Seconds of work for 8 MiB; each takes a fraction, what is not linear takes minutes."""

TYPES = ("json", "image", "pdf", "other", "text/*", "image/*", "application/json", "*/*")


def whole_without(sample: Sample) -> int:
    """How many bytes of the sample its kind can do without: space and padding at its end, and
    for a document with a second revision all of that.
    """
    if sample.file_name == "signed.pdf":
        return len(sample.body) - sample.body.index(b"%%EOF") - len(b"%%EOF")
    return len(sample.body) - len(sample.body.rstrip(b"\n\0"))


@pytest.mark.parametrize("sample", each_kind(), ids=lambda sample: sample.file_name)
def test_no_file_cut_anywhere_passes(sample: Sample) -> None:
    for length in range(len(sample.body) - whole_without(sample)):
        with pytest.raises((TypeNotAllowed, DamagedContent, EmptyBody)):
            judge(sample.body[:length], [sample.type])


unhurried = settings(deadline=None)
STARTS = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"RIFF\x20\0\0\0WEBP",
    b"II*\0\x08\0\0\0",
    b"MM\0+\0\x08\0\0\0\0\0\0\0\0\0\x10",
    b"BM....\0\0\0\0....\x28\0\0\0",
    b"\0\0\0\x0cftypavif",
    b"%PDF-1.7\n",
    b"<svg>",
    b"\xff\xfe<\0s\0",
    b"<?xml version='1.0' encoding='",
    b'{"',
]
starts = st.sampled_from(STARTS)
something = st.binary(max_size=300) | st.builds(bytes.__add__, starts, st.binary(max_size=300))


@unhurried
@given(
    something,
    st.lists(st.sampled_from(TYPES), unique=True),
    st.none() | st.text(max_size=60),
    st.none() | st.text(max_size=60),
)
def test_any_bytes_are_judged_or_refused(
    body: bytes, allowed: list[str], declared: str | None, file_name: str | None
) -> None:
    anything = takes_anything(allowed)
    try:
        found = judge(body, allowed, declared, file_name)
    except (TypeNotAllowed, DamagedContent, EmptyBody):
        assert not anything
    else:
        assert allows(found.type, found.content_type, allowed)
        assert found.content_type.isascii()
        assert found.content_type.isprintable()


@unhurried
@given(something, st.binary(max_size=40), st.binary(max_size=300), st.integers(0, 2**40))
def test_the_ends_of_any_bytes_are_judged_or_refused(
    start: bytes, filling: bytes, tail: bytes, more: int
) -> None:
    seen = Seen(
        size=HEAD_BYTES + len(tail) + more,
        head=(start + (filling or b"\0") * HEAD_BYTES)[:HEAD_BYTES],
        tail=tail,
    )
    with suppress(TypeNotAllowed, DamagedContent):
        assert judge_seen(seen, ["json", "image", "pdf"]).type != "other"
    assert judge_seen(seen, []).content_type.isascii()


@unhurried
@given(
    st.sampled_from(each_kind_larger()),
    st.lists(st.tuples(st.integers(-1024, 4095), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_watched_file_with_altered_ends_never_crashes_the_judge(
    sample: Sample, changes: list[tuple[int, int]]
) -> None:
    body = bytearray(sample.body)
    for at, value in changes:
        body[at] = value
    watcher = Watcher()
    watcher.feed(bytes(body))
    with suppress(TypeNotAllowed, DamagedContent):
        assert judge_seen(watcher.seen(), [sample.type]).type == sample.type


@unhurried
@given(
    st.sampled_from(each_kind()),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_file_with_altered_bytes_never_crashes_the_judge(
    sample: Sample, changes: list[tuple[int, int]]
) -> None:
    body = bytearray(sample.body)
    for at, value in changes:
        body[at % len(body)] = value
    with suppress(TypeNotAllowed, DamagedContent, EmptyBody):
        assert judge(bytes(body), [sample.type]).type == sample.type


@unhurried
@given(st.text(max_size=200))
@example('application/a+json; x="' + "\\" * 400)
def test_no_declared_type_changes_what_an_image_is(declared: str) -> None:
    sample = each_kind()[0]
    found = judge(sample.body, ["image"], declared).content_type
    assert found.partition(";")[0] == sample.content_type


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def chained_directories() -> bytes:
    body = bytearray(b"II*\0\x08\0\0\0")
    entries = b"".join(
        struct.pack("<HHII", *entry) for entry in ((256, 3, 1, 5), (273, 4, 1, 0), (279, 4, 1, 0))
    )
    while len(body) < LARGE:
        body += struct.pack("<H", 3) + entries + struct.pack("<I", len(body) + len(entries) + 6)
    return bytes(body)


def overlapping_directories() -> bytes:
    """Ten thousand directories of 65,535 entries, each two bytes after the other."""
    offsets = struct.pack("<9999I", *range(50_000, 50_000 + 2 * 9999, 2))
    entries = ((256, 3, 1, 5), (273, 4, 1, 0), (279, 4, 1, 0), (330, 4, 9999, 100))
    first = struct.pack("<H", 4) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (b"II*\0\x08\0\0\0" + first + bytes(4)).ljust(100) + offsets + b"\xff" * LARGE


def many_empty_extents() -> bytes:
    """Items with 65,535 extents each, which take no bytes at all."""
    locations = b"\0\0\0\0\0\0\xff\xff" + b"\0\1\0\0\xff\xff" * 65_535
    return box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", bytes(4) + box(b"iloc", locations))


def bomb() -> bytes:
    entities = b"".join(
        b'<!ENTITY a%d "%s">' % (n, (b"&a%d;" % (n - 1) if n else b"ha") * 10) for n in range(10)
    )
    return b"<!DOCTYPE svg [" + entities + b"]><svg>&a9;</svg>"


PNG_START = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
GIF_START = b"GIF89a\1\0\1\0\0\0\0"
JPEG_START = b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\1\1"
AVIF_START = box(b"ftyp", b"avif\0\0\0\0")
HOSTILE: dict[str, Callable[[], bytes]] = {
    "png of empty chunks": lambda: PNG_START + chunk(b"tEXt", b"") * (LARGE // 12),
    "png with a giant chunk": lambda: PNG_START + b"\xff\xff\xff\xffIDAT" + bytes(LARGE),
    "jpeg of fill bytes": lambda: b"\xff\xd8" + b"\xff" * LARGE,
    "jpeg of empty segments": lambda: b"\xff\xd8" + b"\xff\xe0\0\2" * (LARGE // 4),
    "jpeg of empty scans": lambda: JPEG_START + b"\xff\xda\0\2" * (LARGE // 4),
    "jpeg of stuffed bytes": lambda: JPEG_START + b"\xff\xda\0\2" + b"\xff\0" * (LARGE // 2),
    "gif of tiny blocks": lambda: GIF_START + b"," + bytes(9) + b"\x08" + b"\1\1" * (LARGE // 2),
    "gif of extensions": lambda: GIF_START + b"!\xfe\0" * (LARGE // 3),
    "webp of empty chunks": lambda: b"RIFF\xf8\xff\x7f\0WEBP" + b"abcd\0\0\0\0" * (LARGE // 8),
    "tiff of directories": chained_directories,
    "tiff of overlapping directories": overlapping_directories,
    "avif of empty boxes": lambda: AVIF_START + box(b"free", b"") * (LARGE // 8),
    "avif of empty extents": many_empty_extents,
    "svg of elements": lambda: b"<svg>" + b"<g/>" * (LARGE // 4) + b"</svg>",
    "svg of depth": lambda: b"<svg>" + b"<g>" * (LARGE // 9) + b" " * (LARGE // 3),
    "svg of one long attribute": lambda: b'<svg a="' + b"a" * LARGE + b'"/>',
    "svg of a comment": lambda: b"<!--" + b">" * LARGE + b"--><svg/>",
    "svg of entities of entities": bomb,
    "svg of one entity": lambda: (
        b'<!DOCTYPE svg [<!ENTITY a "%s">]><svg>%s</svg>' % (b"a" * 200, b"&a;" * (LARGE // 3))
    ),
    "svg of attribute defaults": lambda: (
        b"<!DOCTYPE svg [%s]><svg>%s</svg>"
        % (
            b"".join(b'<!ATTLIST g a%d CDATA "b">' % n for n in range(LARGE // 80)),
            b"<g/>" * (LARGE // 8),
        )
    ),
    "html of tags": lambda: b"<!DOCTYPE html><html>" + b"<p>" * (LARGE // 3),
    "xml of spaces": lambda: b"<?xml " + b" " * LARGE,
    "pdf of end markers": lambda: b"%PDF-1.7\n" + b"%%EOF\n" * (LARGE // 6),
    "pdf of digits": lambda: b"%PDF-1.7\n" + b"1 " * (LARGE // 2) + b"%%EOF",
    "json of depth": lambda: b"[" * LARGE,
    "json of one string": lambda: b'"' + b"a" * LARGE + b'"',
    "spaces": lambda: b" " * LARGE,
    "zeros": lambda: bytes(LARGE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_judged_in_no_time(name: str) -> None:
    judge(b"?", [])
    body = HOSTILE[name]()
    started = time.process_time()
    with suppress(TypeNotAllowed, DamagedContent):
        judge(body, ["json", "image", "pdf"])
    assert time.process_time() - started < IN_TIME
