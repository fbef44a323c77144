"""The store in an S3 bucket keeps the store contract on MinIO, through its outages too."""

import asyncio
import time
from datetime import UTC, datetime

import psutil
import pytest

from development.servers.minio import MinioServer
from sangraha.errors import InvalidConfiguration, SangrahaError, StoreUnavailable
from sangraha.store.open import open_store
from sangraha.store.protocol import PART_BYTES, Store, Unfinished
from tests.contract.store_contract import StoreContract
from tests.contract.store_samples import (
    BODY,
    IN_TIME,
    KEY,
    bodies_of,
    chunks_of,
    streamed,
    unfinished_of,
)
from tests.waiting import eventually

TIMEOUT_SECONDS = 1.0


class TestS3Store(StoreContract):
    @pytest.fixture
    def store_url(self, minio_store_url: str) -> str:
        return minio_store_url

    async def test_without_its_bucket_the_store_is_unavailable(self, store_url: str) -> None:
        store = open_store(store_url, timeout_seconds=IN_TIME)
        for attempt in (
            store.check(),
            store.put(KEY, BODY),
            store.get(KEY),
            store.get(KEY, 1, 2),
            store.delete(KEY),
        ):
            with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
                await attempt
        await store.start()
        await store.put(KEY, BODY)
        assert await store.get(KEY, 1, 2) == BODY[1:3]

    @pytest.mark.parametrize("name", ["access_key_id", "secret_access_key"])
    async def test_wrong_keys_will_never_work_and_are_not_told(
        self, store: Store, store_url: str, name: str
    ) -> None:
        wrong = store_url.replace(f"{name}=", f"{name}=WRONG")
        other = open_store(wrong, timeout_seconds=IN_TIME)
        with pytest.raises(InvalidConfiguration) as at_start:
            await other.start()
        with pytest.raises(StoreUnavailable) as at_put:
            await other.put(KEY, BODY)
        for error in (at_start.value, at_put.value):
            assert "WRONG" not in str(error)

    async def test_keys_come_from_the_environment_where_the_url_has_none(
        self, minio_server: MinioServer, store_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", minio_server.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", minio_server.secret_access_key)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        bucket = store_url.partition("?")[0]
        store = open_store(
            f"{bucket}?endpoint={minio_server.endpoint}&allow_http=true", timeout_seconds=IN_TIME
        )
        await store.start()
        await store.put(KEY, BODY)
        assert await store.get(KEY) == BODY

    async def test_the_environment_does_not_mix_with_the_keys_of_the_url(
        self, store_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-elses")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody-elses")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "somebody-elses")
        store = open_store(store_url, timeout_seconds=IN_TIME)
        await store.start()
        await store.put(KEY, BODY)
        assert await store.get(KEY) == BODY


async def test_an_outage_is_told_in_time_and_ends_by_itself(own_minio_server: MinioServer) -> None:
    store = open_store(own_minio_server.store_url("outage"), timeout_seconds=TIMEOUT_SECONDS)
    await store.start()
    await store.put(KEY, BODY)

    own_minio_server.stop()
    await all_attempts_are_refused(store, "cannot be reached")
    own_minio_server.start()
    await eventually(lambda: works(store), within_seconds=30)
    assert await store.get(KEY) == BODY

    own_minio_server.freeze()
    await eventually(lambda: is_frozen(own_minio_server))
    await all_attempts_are_refused(store, "did not answer in time|cannot be reached")
    own_minio_server.thaw()
    await eventually(lambda: works(store), within_seconds=30)
    assert await store.get(KEY, 3, 4) == BODY[3:7]
    await store.close()


async def all_attempts_are_refused(store: Store, why: str) -> None:
    started = time.monotonic()
    outcomes = await asyncio.gather(
        store.start(),
        store.check(),
        store.put(KEY, BODY),
        store.get(KEY),
        store.get(KEY, 1, 2),
        store.get(KEY, 1),
        store.delete(KEY),
        store.put_stream(f"{KEY}-small", chunks_of(BODY, [len(BODY)])),
        store.put_stream(f"{KEY}-large", chunks_of(bytes(PART_BYTES + 1), [PART_BYTES + 1])),
        streamed(store, KEY, 0, 5),
        bodies_of(store),
        unfinished_of(store),
        store.abandon(Unfinished(KEY, KEY, datetime.now(UTC))),
        return_exceptions=True,
    )
    assert time.monotonic() - started < TIMEOUT_SECONDS + 1
    for outcome in outcomes:
        assert isinstance(outcome, StoreUnavailable)
    for outcome in outcomes[1:]:
        assert isinstance(outcome, StoreUnavailable)
        assert any(words in outcome.detail for words in why.split("|")), outcome.detail


def is_frozen(server: MinioServer) -> bool:
    """A stopped process may still answer what it had begun to."""
    return all(
        psutil.Process(thread.id).status() == psutil.STATUS_STOPPED
        for pid in server.pids()
        for thread in psutil.Process(pid).threads()
    )


async def works(store: Store) -> bool:
    try:
        await store.check()
    except SangrahaError:
        return False
    return True
