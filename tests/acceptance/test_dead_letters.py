"""Dead letters as operators see them: over HTTP, by hand, and when whoever redrives is killed."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from development.servers import PostgresServer, RabbitmqServer
from sangraha import messages
from sangraha.broker.protocol import Fault, Message
from sangraha.catalog.catalog import Catalog, DeadLetter
from sangraha.ids import IdMint
from sangraha.messages import CreateObject, Inline, WriteGroup
from sangraha.settings import Settings, load_settings
from sangraha_orchestrator.deaths import letter_of
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.acceptance.programs import SANGRAHA, Ended, running, sangraha
from tests.waiting import eventually

MINT = IdMint(b"whoever's secret it is")


@pytest.fixture
def settings(operator: None, data_dir: Path) -> Settings:
    """Those with which the deployment was started, for whoever comes later."""
    return load_settings(data_dir=data_dir)


@pytest.fixture
async def catalog(settings: Settings, client: Client) -> AsyncIterator[Catalog]:
    """The catalog behind the client, seen from beside."""
    catalog = Catalog(settings.catalog, request_life_seconds=settings.request_life_seconds)
    await catalog.start(must_exist=True)
    yield catalog
    await catalog.close()


def is_embedded(deployment: Deployment) -> bool:
    return len(deployment.processes) == 1


async def by_hand(*arguments: str, data_dir: Path) -> Ended:
    return await sangraha("dead-letters", *arguments, data_dir=data_dir)


async def given_up(catalog: Catalog, text: str, *, error: str = "tired") -> DeadLetter:
    """The letter of a request to keep that text under the name `text`."""
    create = CreateObject(
        request_id=MINT.new(), name=text, content=Inline(json.dumps(text).encode())
    )
    group = WriteGroup(group_id=MINT.new(), requests=[create])
    return await recorded(catalog, messages.encode(group), f"it was {text}", error)


async def recorded(catalog: Catalog, body: bytes, reason: str, error: str = "odd") -> DeadLetter:
    message = Message(body=body, message_id=str(MINT.new()), headers={"origin": "\x1b[31mred"})
    now = datetime.now(UTC)
    fault = Fault(error=error, message=reason, attempts=21, host="w", failed_at=now)
    letter = letter_of(message, fault)
    await catalog.record_dead_letter(letter)
    return letter


async def waiting(client: Client, **wanted: Any) -> list[str]:
    """The ids of the letters that are listed, over as many pages as there are."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.call("list_dead_letters", params={**wanted, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [letter["letter_id"] for letter in page["dead_letters"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_letters_are_listed_looked_into_and_redriven_over_http(
    client: Client, catalog: Catalog
) -> None:
    letters = [await given_up(catalog, f"letter {n}") for n in range(3)]
    junk = await recorded(catalog, b"\x00\x1bjunk", "nobody knows", error="UndecodableMessage")
    ids = [str(letter.letter_id) for letter in [*letters, junk]]
    assert await waiting(client, limit=2) == ids[::-1]
    assert await waiting(client, error="tired", text="LETTER 1") == [ids[1]]
    assert await waiting(client, request_id=letters[2].request_ids[0]) == [ids[2]]
    moment = letters[1].recorded_at.isoformat()
    assert await waiting(client, recorded_before=moment) == [ids[0]]
    assert await waiting(client, recorded_after=moment, queue="object_write_queue") == ids[:0:-1]
    for wrong in ({"recorded_after": "2031-01-01T00:00:00"}, {"cursor": "x"}, {"text": "a\0"}):
        refused = await client.call("list_dead_letters", params=wrong)
        assert refused.status_code == 422, refused.text

    shown = (await client.call("get_dead_letter", path=ids[3])).json()
    assert bytes.fromhex(shown["first_bytes"]) == b"\x00\x1bjunk"
    assert shown["redriven_at"] is None
    request_id = str(letters[0].request_ids[0])
    assert (await client.status(request_id))["status"] == "dead"
    redriven = await client.call("redrive_dead_letter", path=ids[0])
    assert redriven.status_code == 200, redriven.text
    assert redriven.json()["redriven_at"] is not None
    assert (await client.ended(request_id))["status"] == "done"
    assert (await client.get("letter 0".replace(" ", "%20"))).json() == "letter 0"

    again = await client.call("redrive_dead_letter", path=ids[0])
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-redriven")
    unreadable = await client.call("redrive_dead_letter", path=ids[3])
    assert (unreadable.status_code, unreadable.json()["type"]) == (409, "/problems/not-redrivable")
    for operation in ("get_dead_letter", "redrive_dead_letter", "delete_dead_letter"):
        assert (await client.call(operation, path=MINT.new())).status_code == 404
    assert await waiting(client) == ids[:0:-1]
    assert await waiting(client, state="redriven") == [ids[0]]
    async with httpx.AsyncClient() as http:
        page = (await http.get(client.url("orchestrator", "/metrics"))).text
    assert 'sangraha_redriven_letters_total{reason="failed"} 1.0' in page


async def test_all_that_a_filter_means_are_redriven_in_batches(
    client: Client, catalog: Catalog
) -> None:
    letters = [await given_up(catalog, f"{n}") for n in range(5)]
    other = await given_up(catalog, "other", error="another")
    junk = await recorded(catalog, b"junk", "odd", error="tired")
    batch: dict[str, Any] = {"filter": {"error": "tired"}, "rate": 100, "limit": 4}
    first = (await client.call("redrive_dead_letters", json=batch)).json()
    assert first["redriven"] == [str(letter.letter_id) for letter in letters[:4]]
    assert first["refused"] == []
    rest = {**batch, "cursor": first["next_cursor"]}
    second = (await client.call("redrive_dead_letters", json=rest)).json()
    assert second["redriven"] == [str(letters[4].letter_id)]
    assert second["next_cursor"] is None
    (refused,) = second["refused"]
    assert refused["letter_id"] == str(junk.letter_id)
    assert refused["problem"]["type"] == "/problems/not-redrivable"
    for letter in letters:
        assert (await client.ended(str(letter.request_ids[0])))["status"] == "done"
    assert await waiting(client) == [str(junk.letter_id), str(other.letter_id)]
    for wrong in (
        {"rate": 20},
        {"filter": {"eror": "tired"}},
        {"filter": {}, "rate": 501},
        {"filter": {}, "rate": 0.09},
        {"filter": {}, "limit": 1001},
        {"filter": {}, "cursor": "x"},
        {"filter": {"recorded_after": "2031-01-01T00:00:00"}},
    ):
        answer = await client.call("redrive_dead_letters", json=wrong)
        assert answer.status_code == 422, answer.text


async def test_letters_are_deleted_one_by_one_and_many_only_when_that_is_confirmed(
    client: Client, catalog: Catalog
) -> None:
    letters = [await given_up(catalog, f"{n}") for n in range(4)]
    ids = [str(letter.letter_id) for letter in letters]
    assert (await client.call("delete_dead_letter", path=ids[0])).status_code == 204
    assert (await client.call("delete_dead_letter", path=ids[0])).status_code == 404
    for unconfirmed in ({}, {"confirm": "false"}):
        answer = await client.call("delete_dead_letters", params=unconfirmed)
        assert answer.status_code == 422
    confirmed = await client.call(
        "delete_dead_letters", params={"text": "it was 2", "confirm": "true"}
    )
    assert confirmed.json() == {"deleted": 1}
    assert await waiting(client) == [ids[3], ids[1]]
    every = await client.call("delete_dead_letters", params={"confirm": "true"})
    assert every.json() == {"deleted": 2}
    assert await waiting(client) == []
    for letter in letters:
        assert (await client.status(str(letter.request_ids[0])))["status"] == "dead"


async def test_letters_are_looked_after_by_hand_beside_what_is_running(
    client: Client, catalog: Catalog, deployment: Deployment, data_dir: Path
) -> None:
    letters = [await given_up(catalog, f"letter {n}") for n in range(3)]
    ids = [str(letter.letter_id) for letter in letters]
    table = (await by_hand("list", data_dir=data_dir)).ok().decode().splitlines()
    assert table[0].split() == ["LETTER", "RECORDED", "ERROR", "REQUESTS", "ATTEMPTS", "REASON"]
    assert [line.split()[0] for line in table[1:]] == ids[::-1]
    assert "it was letter 2" in table[1]
    found = await by_hand("list", "--text", "letter 1", "--json", data_dir=data_dir)
    (only,) = json.loads(found.ok())["dead_letters"]
    assert only["letter_id"] == ids[1]
    shown = (await by_hand("show", ids[0], data_dir=data_dir)).ok().decode()
    assert "reason: it was letter 0\n" in shown
    # What is in a message does nothing to a terminal.
    assert "header origin: \\x1b[31mred\n" in shown
    assert "00000000  53 47" in shown
    assert "\x1b" not in shown

    nobody = await by_hand("show", str(MINT.new()), data_dir=data_dir)
    assert (nobody.code, nobody.output) == (2, b"")
    for unclear in (["delete"], ["delete", "--all"], ["redrive"], ["redrive", ids[0], "--all"]):
        refused = await by_hand(*unclear, data_dir=data_dir)
        assert (refused.code, refused.output) == (2, b""), refused.errors
    deleted = await by_hand("delete", ids[0], "--yes", "--json", data_dir=data_dir)
    assert json.loads(deleted.ok()) == {"deleted": 1}

    if is_embedded(deployment):
        refused = await by_hand("redrive", "--all", data_dir=data_dir)
        assert refused.code == 2
        assert "POST /dead-letters/redrive" in refused.errors
        assert await waiting(client) == ids[:0:-1]
        await asyncio.to_thread(deployment.servers["orchestrator"].stop)
    redriven = await by_hand("redrive", "--all", data_dir=data_dir)
    assert redriven.ok().decode().splitlines() == [f"redriven {one}" for one in ids[1:]]
    listed = await by_hand("list", "--state", "redriven", "--json", data_dir=data_dir)
    assert len(json.loads(listed.ok())["dead_letters"]) == 2
    long_ago = ["list", "--state", "all", "--recorded-before", "2000-01-01T00:00:00"]
    assert len((await by_hand(*long_ago, data_dir=data_dir)).ok().splitlines()) == 1
    again = await by_hand("redrive", ids[1], "--json", data_dir=data_dir)
    assert again.code == 2
    assert json.loads(again.output)["problem"]["type"] == "/problems/already-redriven"
    if is_embedded(deployment):
        await asyncio.to_thread(deployment.servers["orchestrator"].start)
    for letter in letters[1:]:
        assert (await client.ended(str(letter.request_ids[0])))["status"] == "done"
    assert (await by_hand("delete", "--all", "--yes", data_dir=data_dir)).ok() == (
        b"deleted 0 dead letters\n"
    )


async def test_whoever_redrives_may_be_killed_and_nothing_is_lost_or_made_twice(
    client: Client, catalog: Catalog, deployment: Deployment, data_dir: Path
) -> None:
    letters = [await given_up(catalog, f"kept{n % 4}") for n in range(24)]
    await asyncio.to_thread(deployment.servers["orchestrator"].stop)
    redriven: set[UUID] = set()
    for _ in range(3):
        redriven |= await killed_after(4, data_dir)
    left = {letter.letter_id for letter in await catalog.dead_letters(limit=100)}
    # What it told of is noted; what it did not tell of waits, or is noted as well.
    assert redriven.isdisjoint(left)
    assert left
    if not is_embedded(deployment):
        (first, *_) = [one for one in letters if one.letter_id in redriven]
        assert (await client.status(str(first.request_ids[0])))["status"] == "accepted"
    ended = await by_hand("redrive", "--all", "--json", data_dir=data_dir)
    assert {UUID(json.loads(line)["letter_id"]) for line in ended.ok().splitlines()} == left
    await asyncio.to_thread(deployment.servers["orchestrator"].start)
    for letter in letters:
        assert (await client.ended(str(letter.request_ids[0])))["status"] == "done"
    kept = await catalog.dead_letters(limit=100, state="redriven")
    assert {one.letter_id for one in kept} == {one.letter_id for one in letters}
    for n in range(4):
        path = {"bucket": "default", "name": f"kept{n}"}
        listed = (await client.call("list_versions", path=path)).json()["versions"]
        assert sorted(version["version"] for version in listed) == [1, 2, 3, 4, 5, 6]


async def killed_after(count: int, data_dir: Path) -> set[UUID]:
    """Redrive all in a process that is killed once it has told of so many; those."""
    arguments = ("dead-letters", "redrive", "--all", "--rate", "100", "--data-dir", data_dir)
    async with running(
        SANGRAHA, "-m", "sangraha_cli", *arguments, folder=data_dir.parent
    ) as process:
        assert process.stdout is not None
        told = [await process.stdout.readline() for _ in range(count)]
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
    lines = [*told, *rest.splitlines(keepends=True)]
    return {UUID(line.split()[1].decode()) for line in lines if line.endswith(b"\n")}


async def test_while_broker_or_catalog_are_away_operators_are_told(
    own_rabbitmq_server: RabbitmqServer, minio_store_url: str, own_postgres_server: PostgresServer
) -> None:
    catalog_url = own_postgres_server.new_database()
    deployment = Deployment.services(
        own_rabbitmq_server.new_vhost(),
        minio_store_url,
        catalog_url,
        SANGRAHA_PUBLISH_TIMEOUT_SECONDS="1",
        SANGRAHA_CATALOG_TIMEOUT_SECONDS="1",
    )
    async with deployment.running() as client:
        catalog = Catalog(catalog_url, request_life_seconds=3600)
        await catalog.start(must_exist=True)
        letter = await given_up(catalog, "patient")
        await catalog.close()
        letter_id = str(letter.letter_id)

        async def says(operation: str, slug: str, **request: Any) -> None:
            answer = await client.call(operation, path=letter_id, **request)
            assert (answer.status_code, answer.json()["type"]) == (503, f"/problems/{slug}")
            assert "retry-after" in answer.headers

        await asyncio.to_thread(own_rabbitmq_server.stop)
        await says("redrive_dead_letter", "broker-unavailable")
        await says("redrive_dead_letters", "broker-unavailable", json={"filter": {}})
        assert await waiting(client) == [letter_id]
        await asyncio.to_thread(own_postgres_server.stop)
        for operation in ("get_dead_letter", "redrive_dead_letter", "delete_dead_letter"):
            await says(operation, "catalog-unavailable")
        await says("list_dead_letters", "catalog-unavailable")
        await says("redrive_dead_letters", "catalog-unavailable", json={"filter": {}})
        await says("delete_dead_letters", "catalog-unavailable", params={"confirm": "true"})
        for server in (own_rabbitmq_server, own_postgres_server):
            await asyncio.to_thread(server.start)

        async def redriven() -> bool:
            answer = await client.call("redrive_dead_letter", path=letter_id)
            return answer.status_code == 200

        await eventually(redriven, within_seconds=30)
        assert (await client.ended(str(letter.request_ids[0])))["status"] == "done"
