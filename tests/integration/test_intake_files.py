"""Forms of many files: each its own write, sent in groups as they come."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sangraha.errors import PreconditionFailed, TypeNotAllowed
from sangraha.messages import (
    Claimed,
    CreateObject,
    Done,
    Inline,
    Precondition,
    Rejected,
    WriteOutcome,
    WriteRequest,
)
from tests.integration.intake import Intake, done, open_intake, raw_request, stored
from tests.waiting import eventually

LIMIT = 1000
ADDRESS = "/buckets/scans/objects"
FORM = {"Content-Type": "multipart/form-data; boundary=B"}


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    async with open_intake(tmp_path) as intake:
        yield intake


def part(name: str | None, body: bytes, headers: str = "") -> bytes:
    """A part with this file name, or a field."""
    file_name = "" if name is None else f'; filename="{name}"'
    head = f'--B\r\nContent-Disposition: form-data; name="f"{file_name}\r\n{headers}\r\n'
    return head.encode() + body + b"\r\n"


def field(name: str, text: str) -> bytes:
    return f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()


END = b"--B--\r\n"


async def send(intake: Intake, *parts: bytes, query: str = "", **headers: str) -> httpx.Response:
    async def chunks() -> AsyncIterator[bytes]:
        for each in parts:
            for start in range(0, len(each), 64 * 1024):
                yield each[start : start + 64 * 1024]

    return await intake.http.post(ADDRESS + query, content=chunks(), headers={**FORM, **headers})


async def test_each_file_is_a_write_of_its_own_of_whatever_size(intake: Intake) -> None:
    large = bytes(range(250)) * 800
    answer = await send(
        intake,
        field("project", "tower"),
        part("a.txt", b"first", "Content-Type: text/plain\r\n"),
        field("note", "good"),
        part("large.bin", large),
        part("sub/c.txt", b"third"),
        END,
        query="?prefix=2026/",
        **{"Sangraha-Meta-From": "me"},
    )
    assert answer.status_code == 200
    first, second, third = (one for one in intake.requests if isinstance(one, CreateObject))
    assert len(intake.groups) == 1
    assert [one.name for one in (first, second, third)] == [
        "2026/a.txt",
        "2026/large.bin",
        "2026/sub/c.txt",
    ]
    assert [one.file_name for one in (first, third)] == ["a.txt", "sub/c.txt"]
    assert all(one.bucket == "scans" for one in (first, second, third))
    assert all(one.precondition == Precondition(if_none_match=["*"]) for one in (first, third))
    assert first.metadata == {"from": "me", "project": "tower"}
    assert third.metadata == {"from": "me", "project": "tower", "note": "good"}
    assert first.declared_content_type == "text/plain"
    assert (first.content, third.content) == (Inline(b"first"), Inline(b"third"))
    assert isinstance(second.content, Claimed)
    assert await intake.store.get(second.content.key) == large
    document = answer.json()
    assert (document["succeeded"], document["accepted"], document["failed"]) == (3, 0, 0)
    assert [(one["index"], one["name"], one["status"]) for one in document["results"]] == [
        (0, "2026/a.txt", 201),
        (1, "2026/large.bin", 201),
        (2, "2026/sub/c.txt", 201),
    ]
    assert document["results"][0]["object"]["object_id"] == str(first.request_id)


async def test_a_name_that_is_taken_is_a_conflict_unless_it_may_be_overwritten(
    intake: Intake,
) -> None:
    def taken(request: WriteRequest) -> WriteOutcome:
        assert isinstance(request, CreateObject)
        if request.precondition is None:
            return Done(request_id=request.request_id, object=stored(request), replaced=True)
        return Rejected(request_id=request.request_id, problem=PreconditionFailed().problem())

    intake.answer = taken
    answer = await send(intake, part("a", b"x"), END)
    assert answer.status_code == 207
    (result,) = answer.json()["results"]
    assert result["status"] == 409
    assert result["problem"]["type"] == "/problems/already-exists"
    assert result["problem"]["request_id"] == str(intake.requests[0].request_id)
    answer = await send(intake, part("a", b"x"), END, query="?overwrite=true")
    assert answer.status_code == 200
    assert answer.json()["results"][0]["status"] == 200


async def test_a_file_that_cannot_be_kept_is_refused_alone(intake: Intake) -> None:
    def choosy(request: WriteRequest) -> WriteOutcome:
        if getattr(request, "name", "") == "bad.type":
            problem = TypeNotAllowed().problem()
            return Rejected(request_id=request.request_id, problem=problem)
        return done(request)

    intake.answer = choosy
    digest = base64.b64encode(bytes(32)).decode()
    wrong = f"Repr-Digest: sha-256=:{digest}:\r\n"
    answer = await send(
        intake,
        part("good", b"1"),
        part("../up", b"2" * 5000),
        part("", b"3"),
        part("bad.digest", b"4" * 5000, wrong),
        part("bad.type", b"5"),
        part("also good", b"6" * 5000),
        END,
    )
    assert answer.status_code == 207
    document = answer.json()
    assert [(one["status"], one["name"]) for one in document["results"]] == [
        (201, "good"),
        (422, "../up"),
        (422, None),
        (400, "bad.digest"),
        (415, "bad.type"),
        (201, "also good"),
    ]
    assert (document["succeeded"], document["failed"]) == (2, 4)
    assert len(await intake.kept()) == 1


async def test_one_who_does_not_wait_is_told_each_files_status_address(intake: Intake) -> None:
    answer = await send(intake, part("a", b"1"), part("b", b"2"), END, Prefer="respond-async")
    assert answer.status_code == 202
    await eventually(lambda: len(intake.requests) == 2)
    assert [one["status_url"] for one in answer.json()["results"]] == [
        f"/requests/{request.request_id}" for request in intake.requests
    ]
    assert answer.json()["accepted"] == 2


async def test_what_has_no_answer_yet_is_accepted(intake: Intake) -> None:
    intake.answer = lambda one: done(one) if getattr(one, "name", "") == "a" else None
    answer = await send(intake, part("a", b"1"), part("b", b"2"), END, Prefer="wait=1")
    assert answer.status_code == 207
    document = answer.json()
    assert [one["status"] for one in document["results"]] == [201, 202]
    assert (document["succeeded"], document["accepted"], document["failed"]) == (1, 1, 0)


async def test_groups_are_sent_while_the_form_still_comes_in(tmp_path: Path) -> None:
    size, count = 250_000, 100
    async with open_intake(tmp_path, inline_body_bytes=256 * 1024) as intake:
        sent_when_asked = []

        async def chunks() -> AsyncIterator[bytes]:
            for number in range(count):
                sent_when_asked.append(sum(len(group.requests) for group in intake.groups))
                yield part(f"file {number}", bytes(size))
            yield END

        answer = await intake.http.post(ADDRESS, content=chunks(), headers=FORM)
        assert answer.status_code == 200
        assert answer.json()["succeeded"] == count
        assert len(intake.groups) > 5
        names = [one.name for one in intake.requests if isinstance(one, CreateObject)]
        assert names == [f"file {number}" for number in range(count)]
        # Never more than about two groups of 4 MiB were held back.
        assert all(at - sent <= 36 for at, sent in enumerate(sent_when_asked))


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([END], "no part with a file name"),
        ([field("a", "b"), END], "no part with a file name"),
        ([part("a", bytes(5000))], "cut off"),
        ([part("a", bytes(5000)), b"--B\r\nbroken\0: 1\r\n\r\n"], "broken"),
        ([part("a", b"1"), field("a", "x" * 70_000), END], "fields"),
    ],
)
async def test_of_a_form_that_breaks_nothing_is_kept_that_was_not_sent(
    intake: Intake, parts: list[bytes], reason: str
) -> None:
    answer = await send(intake, *parts)
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
    assert "results" not in answer.json()
    assert intake.requests == []
    assert await intake.kept() == []


async def test_what_was_sent_before_the_form_broke_is_told(tmp_path: Path) -> None:
    async with open_intake(tmp_path, inline_body_bytes=256 * 1024) as intake:
        files = [part(f"file {number}", bytes(250_000)) for number in range(20)]
        claimed = part("claimed", bytes(300_000))
        answer = await send(intake, *files, claimed, b"--B\r\n")
        assert answer.status_code == 400
        document = answer.json()
        sent = len(intake.requests)
        assert 10 < sent < 20
        assert [one["status"] for one in document["results"]] == [201] * sent + [400] * (21 - sent)
        assert document["succeeded"] == sent
        assert document["failed"] == 21 - sent
        assert await intake.kept() == []


async def test_a_client_that_goes_away_leaves_nothing_that_was_not_sent(intake: Intake) -> None:
    chunks = [part("a", bytes(5000)), part("b", b"1"), part("c", bytes(100_000))[:50_000]]
    headers = {**FORM, "Content-Length": "999999"}
    await raw_request(intake.app, "POST", ADDRESS, headers, chunks, is_cut=True)
    assert intake.requests == []
    assert await intake.kept() == []


async def test_a_form_has_a_thousand_files_at_most(intake: Intake) -> None:
    files = [part(f"{number}", b"x") for number in range(1000)]
    answer = await send(intake, *files, END)
    assert answer.status_code == 200
    assert answer.json()["succeeded"] == 1000
    answer = await send(intake, *files, part("one more", b"x"), END)
    assert answer.status_code == 422
    assert "1000 files" in answer.json()["detail"]
    assert len(intake.requests) == 1000


async def test_groups_that_the_queue_refuses_are_told_as_such(tmp_path: Path) -> None:
    given: dict[str, Any] = {"inline_body_bytes": 256 * 1024, "wait_seconds": 0}
    async with open_intake(tmp_path, longest_queue=1, **given) as intake:
        files = [part(f"file {number}", bytes(250_000)) for number in range(40)]
        answer = await send(intake, part("claimed", bytes(300_000)), *files, END)
        assert answer.status_code == 503
        document = answer.json()
        assert document["type"] == "/problems/queue-full"
        statuses = [one["status"] for one in document["results"]]
        assert statuses == sorted(statuses)
        assert set(statuses) == {202, 503}
        assert document["accepted"] == statuses.count(202) > 10
        # What the first group claimed will be committed.
        assert len(await intake.kept()) == 1
        refused = await send(intake, part("claimed", bytes(300_000)), END)
        assert refused.status_code == 503
        assert "results" not in refused.json()
        assert len(await intake.kept()) == 1


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?prefix=%FF", {}, 422),
        ("?overwrite=maybe", {}, 422),
        ("", {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"}, 422),
        ("", {"Content-Encoding": "gzip"}, 415),
        ("", {"Content-Type": "text/plain"}, 400),
    ],
)
async def test_what_cannot_be_understood_is_refused_before_the_form_is_read(
    intake: Intake, query: str, headers: dict[str, str], status: int
) -> None:
    answer = await send(intake, part("a", b"x"), END, query=query, **headers)
    assert answer.status_code == status
    assert intake.requests == []
