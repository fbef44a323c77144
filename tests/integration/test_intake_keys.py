"""Idempotency keys at the receiver: what is published under one, and when a key is forgotten."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sangraha.catalog.catalog import Reservation
from sangraha.catalog.database import Database
from sangraha.catalog.tables import idempotency_keys
from sangraha.errors import RequestDead
from sangraha.http.routes import ROUTES
from sangraha.messages import Claimed, Dead
from sangraha.metrics import Metrics
from sangraha_orchestrator.housekeeping import Housekeeping
from tests.contract.catalog_samples import dead_letter, rejected
from tests.integration.conftest import House
from tests.integration.intake import Intake, open_intake
from tests.waiting import eventually

NAME = "/buckets/default/objects/a"
KEY = {"Idempotency-Key": "key"}
LARGE = b"7" * 100_000


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    async with open_intake(tmp_path) as intake:
        yield intake


def test_every_write_takes_a_key(intake: Intake) -> None:
    document = intake.app.openapi()
    writes = [one for one in ROUTES if one.service == "receiver" and one.method != "GET"]
    for route in writes:
        operation = document["paths"][route.path][route.method.lower()]
        assert "Idempotency-Key" in [one["name"] for one in operation["parameters"]], route
        for status, answer in operation["responses"].items():
            assert "$ref" in answer or "Idempotency-Replayed" in answer["headers"], status


async def test_what_has_no_outcome_is_published_again_under_the_same_id(intake: Intake) -> None:
    intake.answer = lambda _: None
    for _ in range(2):
        answer = await intake.http.put(NAME, content=LARGE, headers={**KEY, "Prefer": "wait=0"})
        assert answer.status_code == 202
        assert "idempotency-replayed" not in answer.headers
    await eventually(lambda: len(intake.requests) == 2)
    first, second = (request for request in intake.requests)
    assert first.request_id == second.request_id
    contents = [getattr(request, "content", None) for request in (first, second)]
    keys = [content.key for content in contents if isinstance(content, Claimed)]
    assert sorted(set(keys)) == sorted(await intake.kept())
    assert len(keys) == 2


async def test_a_refused_publish_is_continued_by_the_next_attempt(tmp_path: Path) -> None:
    async with open_intake(tmp_path, longest_queue=1) as intake:
        asynchronously = {"Prefer": "respond-async"}
        await intake.http.put(NAME, content=b"1", headers=asynchronously)
        full = await intake.http.put(NAME, content=LARGE, headers={**KEY, **asynchronously})
        assert full.status_code == 503
        assert full.json()["type"] == "/problems/queue-full"
        assert await intake.kept() == []
        await intake.broker.consume("object_write_queue", intake.work, prefetch=10)
        again = await intake.http.put(NAME, content=LARGE, headers=KEY)
        assert again.status_code == 201
        other = await intake.http.put(NAME, content=b"2", headers=KEY)
        assert other.status_code == 422


async def test_a_request_that_is_dead_is_told_to_be_so_and_not_sent_again(intake: Intake) -> None:
    intake.answer = lambda request: Dead(
        request_id=request.request_id, problem=RequestDead().problem()
    )
    first = await intake.http.put(NAME, content=LARGE, headers=KEY)
    assert first.status_code == 500
    (request,) = intake.requests
    await intake.parts.catalog.record_dead_letter(dead_letter(request.request_id))
    again = await intake.http.put(NAME, content=LARGE, headers=KEY)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.status_code == 500
    for member in ("type", "request_id", "status_url"):
        assert again.json()[member] == first.json()[member]
    assert len(intake.requests) == 1
    assert len(await intake.kept()) == 1


async def test_a_request_whose_letter_was_redriven_is_followed_and_not_replayed(
    intake: Intake,
) -> None:
    intake.answer = lambda _: None
    asynchronously = {**KEY, "Prefer": "wait=0"}
    await intake.http.put(NAME, content=LARGE, headers=asynchronously)
    (request,) = await eventually(lambda: intake.requests)
    letter = dead_letter(request.request_id)
    await intake.parts.catalog.record_dead_letter(letter)
    await intake.parts.catalog.note_redriven(letter.letter_id)
    again = await intake.http.put(NAME, content=LARGE, headers=asynchronously)
    assert again.status_code == 202
    assert "idempotency-replayed" not in again.headers
    assert again.json()["request_id"] == str(request.request_id)


async def test_orchestrators_forget_old_keys(house: House) -> None:
    refusal = rejected(house.mint.new())
    await house.catalog.commit([refusal])
    wanted = Reservation(
        caller="anonymous",
        key="old",
        member=0,
        fingerprint="same",
        request_id=refusal.request_id,
    )
    await house.catalog.reserve([wanted])
    database = Database(house.settings.catalog, timeout_seconds=10)
    async with database.write() as connection:
        then = datetime.now(UTC) - timedelta(days=2)
        await connection.execute(idempotency_keys.update().values(reserved_at=then))
    housekeeping = Housekeeping(house.store, house.catalog, house.settings, Metrics())
    housekeeping.start()

    async def is_forgotten() -> bool:
        async with database.read() as connection:
            return not (await connection.execute(idempotency_keys.select())).all()

    await eventually(is_forgotten)
    await housekeeping.stop()
    await database.close()
