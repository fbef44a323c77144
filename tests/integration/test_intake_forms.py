"""Objects without a name: JSON in an envelope, images and PDFs as the file of a form."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sangraha.messages import Claimed, Inline
from tests.integration.intake import Intake, open_intake, raw_request
from tests.waiting import eventually

LIMIT = 1000
DISPOSITION = b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    async with open_intake(tmp_path) as intake:
        yield intake


def envelope(size: int, head: str = '"') -> tuple[str, str]:
    """An envelope whose value has that many bytes, and the value."""
    value = f'[{head}{"x" * (size - len(head) - 3)}"]'
    return f'{{ "file_name": "a.json", "data" :{value} }}', value


@pytest.mark.parametrize("size", [5, LIMIT, LIMIT + 1, 70_000, 200_000, 9 * 1024 * 1024])
async def test_the_value_of_an_envelope_is_kept_to_the_byte_whatever_its_size(
    intake: Intake, size: int
) -> None:
    document, value = envelope(size)
    headers = {"Sangraha-Meta-A": "1", "Sangraha-Meta-B": "2"}
    answer = await intake.http.post("/objects", content=document, headers=headers)
    assert answer.status_code == 201
    create = await intake.create()
    assert create.allowed == ["json"]
    assert (create.bucket, create.name, create.file_name) == ("default", None, "a.json")
    assert create.metadata == {"a": "1", "b": "2"}
    assert answer.headers["location"] == f"/objects/{create.request_id}"
    if size <= LIMIT:
        assert create.content == Inline(value.encode())
    else:
        assert isinstance(create.content, Claimed)
        assert create.content.seen.is_json
        assert await intake.store.get(create.content.key) == value.encode()


async def test_an_envelope_has_so_many_bytes_at_most_and_the_refusal_says_what_to_do(
    intake: Intake,
) -> None:
    limit = 16 * 1024 * 1024
    document = envelope(limit)[0]
    for content in (document, chunks_of(document.encode())):
        answer = await intake.http.post("/objects", content=content)
        assert answer.status_code == 413
        assert "PUT" in answer.json()["detail"]
        assert answer.json()["max_bytes"] == limit
    assert intake.requests == []


async def chunks_of(body: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_a_large_envelope_needs_the_store_and_one_with_a_small_value_does_not(
    intake: Intake, tmp_path: Path
) -> None:
    (tmp_path / "store" / ".unfinished").rename(tmp_path / "elsewhere")
    for size, status in ((LIMIT, 201), (LIMIT + 1, 503)):
        answer = await intake.http.post("/objects", content=envelope(size)[0])
        assert answer.status_code == status
    headers = {"Content-Length": "100000"}
    refused = await raw_request(intake.app, "POST", "/objects", headers, [b"x"])
    assert (refused.status, refused.chunks_read_before_it) == (503, 0)
    chunks = [b"x" * 1000] * 1000
    refused = await raw_request(intake.app, "POST", "/objects", {}, chunks)
    assert refused.status == 503
    assert refused.chunks_read_before_it == (LIMIT + 64 * 1024) // 1000 + 1


async def test_a_large_form_is_not_read_while_the_store_is_away(
    intake: Intake, tmp_path: Path
) -> None:
    (tmp_path / "store" / ".unfinished").rename(tmp_path / "elsewhere")
    headers = {"Content-Type": "multipart/form-data; boundary=B", "Content-Length": "100000"}
    refused = await raw_request(intake.app, "POST", "/objects/pdf", headers, [b"x"])
    assert (refused.status, refused.chunks_read_before_it) == (503, 0)


async def test_a_large_value_waits_for_its_turn_in_whatever_it_comes(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"stream_concurrency": 1, "publish_timeout_seconds": 0.05}
    file = {"file": ("a", bytes(LIMIT + 1), "x/y")}
    async with open_intake(tmp_path, **limits) as intake:
        async with intake.receiver.uploads.turn() as another:
            await another.take()
            answers = [
                await intake.http.post("/objects", content=envelope(LIMIT + 1)[0]),
                await intake.http.post("/objects", content=envelope(200_000)[0]),
                await intake.http.post("/objects/pdf", files=file),
                await intake.http.post("/buckets/default/objects", files=file),
                await intake.http.put("/buckets/default/objects/a", content=bytes(LIMIT + 1)),
            ]
            for answer in answers:
                assert answer.status_code == 503
                assert answer.json()["type"] == "/problems/too-many-uploads"
                assert int(answer.headers["retry-after"]) > 0

        async def is_taken() -> bool:
            # Within so short a time not every disk has synced the journal.
            return (await intake.http.post("/objects/pdf", files=file)).status_code == 201

        await eventually(is_taken)


@pytest.mark.parametrize("address", ["/objects", "/objects/image"])
async def test_an_encoded_body_that_has_to_be_understood_is_refused(
    intake: Intake, address: str
) -> None:
    answer = await intake.http.post(address, content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/encoding-not-allowed"


@pytest.mark.parametrize(("address", "allowed"), [("image", "image"), ("pdf", "pdf")])
@pytest.mark.parametrize("size", [0, LIMIT, LIMIT + 1, 300_000])
async def test_the_file_of_a_form_is_taken_with_its_fields(
    intake: Intake, address: str, allowed: str, size: int
) -> None:
    body = bytes(size)
    answer = await intake.http.post(
        f"/objects/{address}",
        files={"file": ("પા.bin", body, "image/png")},
        data={"project": "નોંધ"},
        headers={"Sangraha-Meta-Project": "other", "Sangraha-Meta-A": "1"},
    )
    assert answer.status_code == 201
    create = await intake.create()
    assert create.allowed == [allowed]
    assert create.file_name == "પા.bin"
    assert create.declared_content_type == "image/png"
    assert create.metadata == {"project": "નોંધ", "a": "1"}
    if size <= LIMIT:
        assert create.content == Inline(body)
    else:
        assert isinstance(create.content, Claimed)
        assert await intake.store.get(create.content.key) == body


LARGE = b"--B\r\n" + DISPOSITION + bytes(5000) + b"\r\n"


@pytest.mark.parametrize(
    "form",
    [
        LARGE,
        LARGE + b"--B\r\n",
        LARGE + b"--B\r\nbroken\0: 1\r\n\r\n\r\n--B--\r\n",
        LARGE + b"--B\r\n" + DISPOSITION + b"another\r\n--B--\r\n",
        LARGE + b'--B\r\nContent-Disposition: form-data; filename="b"\r\n\r\nx\r\n--B--\r\n',
        LARGE[:3000],
        b'--B\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--B--\r\n',
        b"",
    ],
    ids=["cut", "cut later", "broken", "two files", "no name", "cut within", "no file", "empty"],
)
async def test_of_a_form_that_is_no_whole_form_with_one_file_nothing_is_kept(
    intake: Intake, form: bytes
) -> None:
    answer = await intake.http.post(
        "/objects/pdf",
        content=chunks_of(form, 999),
        headers={"Content-Type": "multipart/form-data; boundary=B"},
    )
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-request"
    assert intake.requests == []
    assert await intake.kept() == []


async def test_of_a_form_whose_metadata_is_too_much_nothing_is_kept(intake: Intake) -> None:
    files = [("file", ("a", bytes(5000), "x/y")), ("note", (None, b"n" * 9000, "text/plain"))]
    answer = await intake.http.post("/objects/pdf", files=files)
    assert answer.status_code == 422
    assert await intake.kept() == []


async def test_of_a_client_that_goes_away_within_its_form_nothing_is_kept(intake: Intake) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=B", "Content-Length": "99999"}
    for chunks in ([LARGE[:200]], [LARGE[:4000]], [LARGE]):
        await raw_request(intake.app, "POST", "/objects/pdf", headers, chunks, is_cut=True)
    assert intake.requests == []
    assert await intake.kept() == []


async def test_the_digest_of_a_form_and_that_of_its_file_are_checked(intake: Intake) -> None:
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    wrong = {"Repr-Digest": f"sha-256=:{digest}:"}
    files = {"file": ("a", bytes(5000), "x/y")}
    answers = [
        await intake.http.post("/objects/pdf", files=files, headers=wrong),
        await intake.http.post("/objects/pdf", files={"file": ("a", bytes(50), "x/y", wrong)}),
        await intake.http.post("/objects/pdf", files={"file": ("a", bytes(5000), "x/y", wrong)}),
        await intake.http.post("/objects", content=b'{"data": 1}', headers=wrong),
    ]
    for answer in answers:
        assert answer.json()["type"] == "/problems/digest-mismatch"
    assert intake.requests == []
    assert await intake.kept() == []
    form = httpx.Request("POST", "http://x", files=files)
    right = base64.b64encode(hashlib.sha256(form.read()).digest()).decode()
    answer = await intake.http.post(
        "/objects/pdf",
        content=form.content,
        headers={**form.headers, "Repr-Digest": f"sha-256=:{right}:"},
    )
    assert answer.status_code == 201
