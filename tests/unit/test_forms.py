"""The push parser for forms: any cut of the stream, any file name, clear refusals."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sangraha.errors import InvalidParameter, MalformedRequest
from sangraha.http.bodies import ENVELOPE_BYTES
from sangraha_receiver.forms import FormReader

BOUNDARY = "multipart/form-data; boundary=B"
FILE_NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50
).filter(lambda name: "%" not in name and "\\" not in name)


async def chunks_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(request: httpx.Request, chunk: int = 7, cut: int | None = None) -> list[Any]:
    """Every part: a field's name and text, or a file's names, type and bytes."""
    body = chunks_of(request.read()[:cut], chunk)
    parts: list[Any] = []
    async for part in FormReader(request.headers["content-type"], body).parts():
        if part.is_file:
            data = b"".join([chunk async for chunk in part.chunks()])
            parts.append((part.name, part.file_name(), part.content_type, data))
        else:
            parts.append((part.name, await part.text()))
    return parts


def form(*files: tuple[str, tuple[str | None, bytes, str]], **fields: str) -> httpx.Request:
    return httpx.Request("POST", "http://x", files=files, data=fields)


@settings(deadline=None)
@given(
    files=st.lists(st.tuples(FILE_NAMES, st.binary(max_size=1000)), min_size=1, max_size=4),
    chunk=st.integers(1, 300),
)
async def test_a_form_comes_out_as_it_went_in_however_the_stream_is_cut(
    files: list[tuple[str, bytes]], chunk: int
) -> None:
    request = form(*(("file", (name, body, "application/pdf")) for name, body in files), note="નોંધ")
    assert await read(request, chunk) == [
        ("note", "નોંધ"),
        *(("file", name, "application/pdf", body) for name, body in files),
    ]


@settings(deadline=None)
@given(st.data())
async def test_a_form_cut_anywhere_is_refused(data: st.DataObject) -> None:
    request = form(("file", ("a", b"body", "text/plain")))
    # The line end after the closing boundary is optional (RFC 2046, section 5.1.1).
    cut = data.draw(st.integers(0, len(request.read()) - len("--\r\n") - 1))
    with pytest.raises(MalformedRequest):
        await read(request, cut=cut)


@settings(deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    chunk=st.integers(1, 100),
    taken=st.integers(0, 3),
)
async def test_what_is_left_unread_of_a_part_is_skipped(
    bodies: list[bytes], chunk: int, taken: int
) -> None:
    request = form(*((f"f{n}", (str(n), body, "x/y")) for n, body in enumerate(bodies)))
    reader = FormReader(request.headers["content-type"], chunks_of(request.read(), chunk))
    names = []
    async for part in reader.parts():
        names.append(part.name)
        chunks = part.chunks()
        for _ in range(taken):
            await anext(chunks, None)
    assert names == [f"f{n}" for n in range(len(bodies))]


async def test_the_data_of_a_large_part_is_handed_on_as_it_comes() -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    sent: list[int] = []

    async def source() -> AsyncIterator[bytes]:
        yield body
        for number in range(3):
            sent.append(number)
            yield bytes(1000)
        yield b"\r\n--B--\r\n"

    sent_when_it_came = []
    async for part in FormReader(BOUNDARY, source()).parts():
        sent_when_it_came += [(len(chunk), len(sent)) async for chunk in part.chunks()]
    assert sent_when_it_came == [(1000, 1), (1000, 2), (1000, 3)]


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=B"]
)
async def test_what_is_no_form_is_refused_before_it_is_read(content_type: str) -> None:
    with pytest.raises(MalformedRequest, match="boundary"):
        FormReader(content_type, chunks_of(b"", 1))


async def test_a_boundary_that_is_too_long_is_refused() -> None:
    with pytest.raises(MalformedRequest, match="broken"):
        FormReader(f"multipart/form-data; boundary={'b' * 300}", chunks_of(b"", 1))


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b'form-data; filename="a"', "no name"),
        (b"form-data", "no name"),
        (b'form-data; name=""', "no name"),
    ],
)
async def test_a_part_without_a_name_is_refused(head: bytes, reason: str) -> None:
    body = b"--B\r\nContent-Disposition: " + head + b"\r\n\r\nx\r\n--B--\r\n"
    with pytest.raises(MalformedRequest, match=reason):
        async for _ in FormReader(BOUNDARY, chunks_of(body, 5)).parts():
            pass


@pytest.mark.parametrize(
    ("name", "reason"), [("a\nb", "control characters"), ("n" * 1025, "1024 bytes")]
)
async def test_a_file_name_that_nobody_could_use_is_refused_when_it_is_asked_for(
    name: str, reason: str
) -> None:
    request = form(("file", (name, b"x", "text/plain")))
    reader = FormReader(request.headers["content-type"], chunks_of(request.read(), 50))
    async for part in reader.parts():
        assert part.is_file
        with pytest.raises(InvalidParameter, match=reason):
            part.file_name()


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b"filename*=UTF-8''%E0%AA%AA%E0%AA%BE.pdf", "પા.pdf"),
        (b'filename=""', ""),
        (b'filename="C:\\a.pdf"', "C:\\a.pdf"),
        ('filename="પા.pdf"'.encode(), "પા.pdf"),
    ],
)
async def test_file_names_are_understood_as_clients_write_them(
    disposition: bytes, name: str
) -> None:
    head = b'--B\r\nContent-Disposition: form-data; name="f"; ' + disposition
    body = head + b"\r\n\r\nx\r\n--B--\r\n"
    async for part in FormReader(BOUNDARY, chunks_of(body, 5)).parts():
        assert part.is_file
        assert part.file_name() == name


async def test_fields_may_have_so_many_bytes_in_all() -> None:
    half = (None, bytes(ENVELOPE_BYTES // 2 - 1), "text/plain")
    assert len(await read(form(("a", half), ("b", half)), 4000)) == 2
    with pytest.raises(MalformedRequest, match="65536 bytes"):
        await read(form(("a", half), ("b", half), ("c", (None, b"", "x/y"))), 4000)


async def test_a_form_of_fields_that_never_ends_is_refused() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b'--B\r\nContent-Disposition: form-data; name="f"\r\n\r\n\r\n'

    parts = FormReader(BOUNDARY, endless()).parts()
    with pytest.raises(MalformedRequest, match="fields"):
        [await part.text() async for part in parts]


async def test_a_broken_part_header_is_refused() -> None:
    body = b"--B\r\nContent-Disposition\x00: form-data\r\n\r\nx\r\n--B--\r\n"
    with pytest.raises(MalformedRequest):
        async for _ in FormReader(BOUNDARY, chunks_of(body, 5)).parts():
            pass


async def test_what_follows_the_form_is_read_and_means_nothing() -> None:
    left = chunks_of(
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--B--\r\nmore', 9
    )
    parts = [await part.text() async for part in FormReader(BOUNDARY, left).parts()]
    assert parts == ["x"]
    assert await anext(left, None) is None
