"""The push parser for forms: any cut of the stream, any file name, clear refusals."""

from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sangraha.errors import BodyTooLarge, InvalidParameter, MalformedRequest
from sangraha_receiver.forms import Form, parse_form

LIMIT = 1000


async def chunks_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def parse(request: httpx.Request, chunk: int = 7, cut: int | None = None) -> Form:
    content_type = request.headers["content-type"]
    return await parse_form(content_type, chunks_of(request.read()[:cut], chunk), LIMIT)


def form(body: bytes, file_name: str = "a.pdf", **fields: str) -> httpx.Request:
    return httpx.Request(
        "POST", "http://x", files={"file": (file_name, body, "application/pdf")}, data=fields
    )


@given(
    body=st.binary(max_size=LIMIT),
    chunk=st.integers(1, 300),
    file_name=st.text(
        st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50
    ).filter(lambda name: "%" not in name and "\\" not in name),
)
async def test_a_form_comes_out_as_it_went_in_however_the_stream_is_cut(
    body: bytes, chunk: int, file_name: str
) -> None:
    assert await parse(form(body, file_name, note="નોંધ"), chunk) == Form(
        body, file_name, "application/pdf", {"note": "નોંધ"}
    )


@given(st.data())
async def test_a_form_cut_anywhere_is_refused(data: st.DataObject) -> None:
    request = form(b"body")
    # The line end after the closing boundary is optional (RFC 2046, section 5.1.1).
    cut = data.draw(st.integers(0, len(request.read()) - len("--\r\n") - 1))
    with pytest.raises(MalformedRequest):
        await parse(request, cut=cut)


async def test_a_file_of_just_the_limit_passes_and_one_more_byte_does_not() -> None:
    assert (await parse(form(b"x" * LIMIT))).body == b"x" * LIMIT
    with pytest.raises(BodyTooLarge, match="1000 bytes"):
        await parse(form(b"x" * (LIMIT + 1)))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "boundary"),
        ([("document", ("a", b"x"))], "no part named `file`"),
        ([("file", ("a", b"x")), ("file", ("b", b"y"))], "more than one"),
        ([("file", ("a\nb", b"x"))], "control characters"),
        ([("file", ("n" * 1025, b"x"))], "1024 bytes"),
    ],
)
async def test_what_is_not_one_file_is_refused_with_a_reason(
    files: list[tuple[str, tuple[str, bytes]]], reason: str
) -> None:
    request = httpx.Request(
        "POST", "http://x", files=files, headers={"content-type": ""} if not files else None
    )
    with pytest.raises((MalformedRequest, InvalidParameter), match=reason):
        await parse(request)


async def test_a_name_in_the_extended_syntax_is_understood() -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; '
        b"filename*=UTF-8''%E0%AA%AA%E0%AA%BE.pdf\r\n\r\nx\r\n--B--\r\n"
    )
    parsed = await parse_form("multipart/form-data; boundary=B", chunks_of(body, 5), LIMIT)
    assert parsed.file_name == "પા.pdf"


async def test_a_broken_part_header_is_refused() -> None:
    body = b"--B\r\nContent-Disposition\x00: form-data\r\n\r\nx\r\n--B--\r\n"
    with pytest.raises(MalformedRequest):
        await parse_form("multipart/form-data; boundary=B", chunks_of(body, 5), LIMIT)
