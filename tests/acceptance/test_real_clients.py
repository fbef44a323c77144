"""Other people's programs, unmodified: curl, wget, aria2c and httpx."""

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from development.software import ARIA2, CURL, WGET
from tests.acceptance.client import Client
from tests.acceptance.programs import run

MIB = 1024 * 1024
FOLDER = "/buckets/default/objects"


@pytest.fixture
def client(shared_client: Client) -> Client:
    return shared_client


@pytest.fixture
def body() -> bytes:
    """Larger than what travels inside messages, and of an odd size."""
    return random.Random(7).randbytes(3 * MIB + 17)


@pytest.fixture
async def address(client: Client, body: bytes) -> str:
    """Where a reader finds `body`."""
    answer = await client.put("film.bin", body)
    assert answer.is_success, answer.text
    return client.url("getter", f"{FOLDER}/film.bin")


async def curl(folder: Path, *arguments: str | Path, stdin: bytes | None = None) -> bytes:
    answer = await run(CURL, "-sS", "--fail-with-body", *arguments, folder=folder, stdin=stdin)
    return answer.ok()


async def test_curl_uploads_a_file_with_minus_t(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "ફાઇલ.bin"
    for size in (0, 100, 5 * MIB):
        file.write_bytes(os.urandom(size))
        await curl(tmp_path, "-T", file, client.url("receiver", f"{FOLDER}/from%20curl.bin"))
        source = client.url("getter", f"{FOLDER}/from%20curl.bin")
        assert await curl(tmp_path, source) == file.read_bytes()


async def test_curl_uploads_a_stream_without_a_length(
    client: Client, tmp_path: Path, body: bytes
) -> None:
    await curl(tmp_path, "-T", "-", client.url("receiver", f"{FOLDER}/piped"), stdin=body)
    assert await curl(tmp_path, client.url("getter", f"{FOLDER}/piped")) == body


async def test_curl_resumes_a_download(address: str, tmp_path: Path, body: bytes) -> None:
    part = tmp_path / "part"
    part.write_bytes(body[:MIB])
    await curl(tmp_path, "-C", "-", "-o", part, address)
    assert part.read_bytes() == body


async def test_curl_reads_ranges(address: str, tmp_path: Path, body: bytes) -> None:
    assert await curl(tmp_path, "-r", "10-19", address) == body[10:20]
    assert await curl(tmp_path, "-r", "-7", address) == body[-7:]
    assert await curl(tmp_path, "-r", f"{MIB}-", address) == body[MIB:]
    several = await curl(tmp_path, "-r", "0-1,100-104", address)
    assert body[:2] in several
    assert body[100:105] in several
    assert several.count(b"Content-Range: bytes ") == 2


async def test_curl_asks_only_for_what_is_newer(address: str, tmp_path: Path, body: bytes) -> None:
    status = ("-o", tmp_path / "out", "-w", "%{http_code}")
    assert await curl(tmp_path, "-z", "1 Jan 2001 00:00:00 GMT", *status, address) == b"200"
    assert (tmp_path / "out").read_bytes() == body
    (tmp_path / "out").unlink()
    assert await curl(tmp_path, "-z", "1 Jan 2037 00:00:00 GMT", *status, address) == b"304"
    assert not (tmp_path / "out").exists()


async def test_curl_keeps_the_entity_tag_of_what_it_has(address: str, tmp_path: Path) -> None:
    tags = ("--etag-save", tmp_path / "tag", "--etag-compare", tmp_path / "tag")
    status = ("-o", tmp_path / "out", "-w", "%{http_code}")
    assert await curl(tmp_path, *tags, *status, address) == b"200"
    assert await curl(tmp_path, *tags, *status, address) == b"304"


async def test_wget_continues_a_download(address: str, tmp_path: Path, body: bytes) -> None:
    part = tmp_path / "film.bin"
    part.write_bytes(body[: 2 * MIB])
    (await run(WGET, "-q", "-c", "--no-config", address, folder=tmp_path)).ok()
    assert part.read_bytes() == body
    # And once more: there is nothing left to get.
    (await run(WGET, "-q", "-c", "--no-config", address, folder=tmp_path)).ok()
    assert part.read_bytes() == body


async def test_aria2c_downloads_with_four_connections(
    address: str, tmp_path: Path, body: bytes
) -> None:
    options = ("--no-conf", "-q", "-x4", "-s4", "-k1M", "--file-allocation=none", "-o", "out")
    (await run(ARIA2, *options, address, folder=tmp_path)).ok()
    assert (tmp_path / "out").read_bytes() == body


async def test_httpx_streams_both_ways(client: Client, body: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    async with httpx.AsyncClient() as browser:
        written = await browser.put(
            client.url("receiver", f"{FOLDER}/streamed"),
            content=chunks(),
            headers={"Content-Type": "application/x-film"},
        )
        assert written.status_code == 201, written.text
        async with browser.stream("GET", client.url("getter", f"{FOLDER}/streamed")) as answer:
            assert answer.status_code == 200
            assert int(answer.headers["content-length"]) == len(body)
            received = [chunk async for chunk in answer.aiter_bytes()]
    assert b"".join(received) == body
