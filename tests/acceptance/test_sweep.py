"""The sweep as those who run Sangraha see it: by hand, in the background, and in the metrics."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from development.servers import PostgresServer
from sangraha.catalog.catalog import Catalog
from sangraha.metrics import Metrics
from sangraha.settings import Settings, load_settings
from sangraha.store.protocol import Store
from sangraha_orchestrator.sweep import Reason, Sweeper, Sweepings
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.acceptance.programs import sangraha
from tests.acceptance.stored import keys_in, unfinished_in
from tests.acceptance.wire import Connection
from tests.waiting import eventually

MIB = 1024 * 1024
LARGE = bytes(range(256)) * (5 * MIB // 256)
NOTHING = "0 orphaned, 0 released and 0 unfinished bodies"
AT_ONCE = {"SANGRAHA_SWEEP_RELEASED_SECONDS": "0"}
ALL_THE_TIME = {**AT_ONCE, "SANGRAHA_SWEEP_INTERVAL_SECONDS": "0.2"}


@pytest.fixture
def settings(operator: None, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those with which the deployment was started, for whoever comes later."""
    monkeypatch.setenv("SANGRAHA_SWEEP_RELEASED_SECONDS", "0")
    return load_settings(data_dir=data_dir)


async def sweep_in_nine_days(store: Store, settings: Settings, *, dry_run: bool) -> list[str]:
    """Sweep as if all that is there were old; what went, or would."""
    catalog = Catalog(settings.catalog, request_life_seconds=settings.request_life_seconds)
    await catalog.start()
    sweeper = Sweeper(store, catalog, settings, Metrics())
    sweeper._grace = -timedelta(hours=1)
    told: list[str] = []

    def tell(reason: Reason, key: str) -> None:
        told.append(f"{reason} {key}")

    swept = await sweeper.sweep(dry_run=dry_run, tell=tell)
    await catalog.close()
    counted = {reason: sum(one.startswith(reason) for one in told) for reason in swept_reasons()}
    assert swept == Sweepings(**counted)
    return told


def swept_reasons() -> tuple[str, ...]:
    return Sweepings.__struct_fields__


async def test_what_a_killed_receiver_left_is_kept_for_a_while_and_then_swept(
    client: Client, deployment: Deployment, store: Store, settings: Settings, data_dir: Path
) -> None:
    assert (await client.put("kept", LARGE)).status_code == 201
    kept = await keys_in(store)
    port = int(client.url("receiver", "").rpartition(":")[2])
    # Of unknown length: one that was told goes to S3 in one request, of which nothing would stay.
    head = b"PUT /buckets/default/objects/half HTTP/1.1\r\nHost: a\r\n"
    chunk = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (100 * MIB)
    async with Connection.to(port) as connection:
        await connection.send(head + chunk + LARGE * 6)
        deployment.servers["receiver"].kill()
    (left,) = await eventually(lambda: unfinished_in(store))

    young = await sangraha("sweep", data_dir=data_dir)
    assert young.ok().decode() == f"removed {NOTHING}\n"
    assert await unfinished_in(store) == [left]
    assert await sweep_in_nine_days(store, settings, dry_run=True) == [f"unfinished {left}"]
    assert await unfinished_in(store) == [left]
    assert await sweep_in_nine_days(store, settings, dry_run=False) == [f"unfinished {left}"]
    assert await unfinished_in(store) == []
    assert await sweep_in_nine_days(store, settings, dry_run=False) == []
    assert await keys_in(store) == kept
    deployment.servers["receiver"].start()
    assert (await client.get("kept")).content == LARGE


@pytest.mark.usefixtures("settings")
async def test_what_was_deleted_is_listed_and_then_removed_by_hand(
    client: Client, store: Store, data_dir: Path
) -> None:
    kept = (await client.put("a", LARGE)).json()["object_id"]
    before = await keys_in(store)
    deleted = (await client.put("a", LARGE)).json()["object_id"]
    (key,) = await keys_in(store) - before
    hidden = (await client.call("delete_name", path={"bucket": "default", "name": "a"})).status_code
    gone = (await client.call("delete_object", path=deleted)).status_code
    assert (hidden, gone) == (204, 204)

    summary = "0 orphaned, 1 released and 0 unfinished bodies"
    for _ in range(2):
        listed = await sangraha("sweep", "--dry-run", data_dir=data_dir)
        assert listed.ok().decode().splitlines() == [f"released {key}", f"would remove {summary}"]
    removed = await sangraha("sweep", data_dir=data_dir)
    assert removed.ok().decode().splitlines() == [f"released {key}", f"removed {summary}"]
    assert await keys_in(store) == before
    again = await sangraha("sweep", data_dir=data_dir)
    assert again.ok().decode() == f"removed {NOTHING}\n"
    # Hidden by a marker is not deleted.
    assert (await client.read(kept)).content == LARGE
    assert (await client.read(deleted)).status_code == 410


@pytest.mark.parametrize("deployment_settings", [ALL_THE_TIME])
async def test_what_was_deleted_goes_in_the_background_and_is_counted(
    client: Client, store: Store
) -> None:
    async def counted() -> bool:
        async with httpx.AsyncClient() as http:
            page = (await http.get(client.url("orchestrator", "/metrics"))).text
        return 'sangraha_swept_bodies_total{reason="released"} 1.0' in page

    assert (await client.put("kept", LARGE)).status_code == 201
    kept = await keys_in(store)
    object_id = (await client.put("other", LARGE)).json()["object_id"]
    assert (await client.call("delete_object", path=object_id)).status_code == 204
    await eventually(counted, within_seconds=20)
    assert await keys_in(store) == kept
    assert (await client.get("kept")).content == LARGE


@pytest.mark.usefixtures("settings")
async def test_another_catalog_does_not_sweep_this_store(
    client: Client,
    deployment: Deployment,
    store: Store,
    data_dir: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (await client.put("kept", LARGE)).status_code == 201
    kept = await keys_in(store)
    if len(deployment.processes) == 1:
        another = f"sqlite:///{data_dir / 'another.sqlite'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        another = server.new_database()
    catalog = Catalog(another, request_life_seconds=3600)
    await catalog.start()
    await catalog.close()
    monkeypatch.setenv("SANGRAHA_CATALOG_URL", another)
    for arguments in (["sweep"], ["sweep", "--dry-run"]):
        refused = await sangraha(*arguments, data_dir=data_dir)
        assert refused.code == 2
        assert refused.output == b""
        assert "the store belongs to the catalog" in refused.errors
    assert await keys_in(store) == kept


async def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    refused = await sangraha("sweep", data_dir=tmp_path / "mistyped")
    assert refused.code == 1
    assert "The store's folder failed: it is gone or cannot be written" in refused.errors
    assert list(tmp_path.iterdir()) == []


async def test_a_catalog_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANGRAHA_STORE_URL", "memory://")
    refused = await sangraha("sweep", "--dry-run", data_dir=tmp_path / "mistyped")
    assert refused.code == 2
    assert "there is no catalog at" in refused.errors
    assert list(tmp_path.iterdir()) == []
