"""`sangraha verify`: what operators are told of bodies whole, gone, altered or nobody's."""

from pathlib import Path

import pytest

from sangraha.store.open import open_store
from sangraha.store.protocol import Store
from tests.acceptance.client import Client
from tests.acceptance.programs import sangraha
from tests.acceptance.stored import keys_in

LARGE = bytes(range(256)) * 20_000
SMALL = b"small"
FOUND_FAULTS = 3

pytestmark = pytest.mark.usefixtures("operator")


async def put(client: Client, store: Store, name: str, body: bytes) -> tuple[str, str]:
    """The id and the key of what is put under the name."""
    before = await keys_in(store)
    answer = await client.put(name, body)
    assert answer.status_code in (200, 201)
    (key,) = await keys_in(store) - before
    return answer.json()["object_id"], key


async def test_all_versions_are_read_back_and_nothing_is_found(
    client: Client, store: Store, data_dir: Path
) -> None:
    await put(client, store, "a", LARGE)
    await put(client, store, "a", SMALL)
    await put(client, store, "b", b"")
    gone, _ = await put(client, store, "gone", LARGE)
    assert (await client.call("delete_object", path=gone)).status_code == 204
    size = len(LARGE) + len(SMALL)
    assert (await sangraha("verify", data_dir=data_dir)).ok().decode() == (
        f"read 3 objects, {size} bytes: 0 missing, 0 damaged; 0 orphaned bodies\n"
    )
    assert (
        (await sangraha("verify", "--sample", "0", data_dir=data_dir))
        .ok()
        .decode()
        .startswith("read 0 objects, 0 bytes")
    )


async def test_bodies_that_are_gone_or_altered_are_told_by_name(
    client: Client, store: Store, data_dir: Path
) -> None:
    missing, missing_key = await put(client, store, "reports/missing", LARGE)
    altered, altered_key = await put(client, store, "reports/altered", LARGE)
    short, short_key = await put(client, store, "reports/short", SMALL)
    await put(client, store, "reports/sound", LARGE)
    for key, instead in (
        (missing_key, None),
        (altered_key, b"X" + LARGE[1:]),
        (short_key, SMALL[:-1]),
    ):
        await store.delete(key)
        if instead is not None:
            await store.put(key, instead)
    ended = await sangraha("verify", data_dir=data_dir)
    assert ended.code == FOUND_FAULTS
    *told, summary = ended.output.decode().splitlines()
    assert sorted(told) == sorted(
        [
            f"missing {missing} {missing_key} default/reports/missing version 1",
            f"damaged {altered} {altered_key} default/reports/altered version 1",
            f"missing {short} {short_key} default/reports/short version 1",
        ]
    )
    assert "read 4 objects" in summary
    assert "2 missing, 1 damaged" in summary


async def test_another_store_than_the_catalogs_is_refused(
    client: Client,
    store: Store,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await put(client, store, "a", SMALL)
    other = f"file://{tmp_path / 'other'}"
    fresh = open_store(other, timeout_seconds=10)
    await fresh.start()
    await fresh.close()
    monkeypatch.setenv("SANGRAHA_STORE_URL", other)
    ended = await sangraha("verify", data_dir=data_dir)
    assert ended.code == 2
    assert "does not say which catalog it belongs to" in ended.errors


async def test_a_store_that_is_away_is_told_and_nothing_is_called_missing(
    client: Client,
    store: Store,
    store_url: str,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await put(client, store, "a", SMALL)
    nowhere = store_url.replace("127.0.0.1", "127.0.0.2") if "s3:" in store_url else f"{store_url}2"
    monkeypatch.setenv("SANGRAHA_STORE_URL", nowhere)
    ended = await sangraha("verify", data_dir=data_dir)
    assert ended.code == 1
    assert ended.output == b""
    assert "try again later" in ended.errors
