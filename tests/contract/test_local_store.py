"""The store in a local folder keeps the store contract, and what it promises about crashes."""

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sangraha.errors import BodyMissing, InvalidConfiguration, StoreUnavailable
from sangraha.store.local import UNFINISHED
from sangraha.store.open import open_store
from sangraha.store.protocol import Store, Unfinished
from tests.contract.store_contract import StoreContract
from tests.contract.store_samples import (
    BODY,
    IN_TIME,
    KEY,
    HeldBack,
    bodies_of,
    chunks_of,
    kill_while_writing,
    opened,
    streamed,
    unfinished_of,
)
from tests.waiting import eventually

WRITER = """
import asyncio, sys
from sangraha.store.open import open_store

async def main():
    store = open_store(sys.argv[1], timeout_seconds=60)
    await store.start()
    for number in range(1_000_000):
        await store.put(f"written/{number}", bytes([number % 256]) * 3_000_000)
        print(number, flush=True)

asyncio.run(main())
"""


class TestLocalStore(StoreContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "a folder" / "not made yet"

    @pytest.fixture
    def store_url(self, folder: Path) -> str:
        return folder.as_uri()

    @pytest.fixture
    def writer(self, store_url: str) -> Iterator[subprocess.Popen[str]]:
        """A process that puts one body after the other and tells each that it has put."""
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, store_url], stdout=subprocess.PIPE, text=True
        ) as process:
            yield process
            process.kill()

    async def test_what_was_put_survives_a_killed_process_and_leftovers_are_removed(
        self, store_url: str, folder: Path, writer: subprocess.Popen[str]
    ) -> None:
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        await eventually(stopped_while_writing(writer, folder / UNFINISHED), within_seconds=30)

        other = open_store(store_url, timeout_seconds=IN_TIME)
        await other.start()
        assert list((folder / UNFINISHED).iterdir()), "a living process's body was removed"

        writer.kill()
        told = 3 + len(writer.stdout.readlines())
        await other.start()
        assert not list((folder / UNFINISHED).iterdir())
        for number in range(told):
            body = await other.get(f"written/{number}")
            assert body == bytes([number % 256]) * 3_000_000
        await other.close()

    async def test_a_body_and_every_folder_on_its_way_is_synced_before_put_returns(
        self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = record_steps(monkeypatch)
        await store.put("new/place/body", BODY)
        await store.put("new/place/body", BODY)
        await store.delete("new/place/body")
        write = [f"sync {UNFINISHED}", "rename", "sync place"]
        again = removed = "sync place"
        assert steps == [f"sync {folder.name}", "sync new", *write, again, removed]

    async def test_a_streamed_body_is_synced_on_the_way_and_before_it_is_visible(
        self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = record_steps(monkeypatch)
        await store.put_stream("place/body", chunks_of(bytes(40_000_000), [3_000_000] * 13 + [1]))
        on_the_way, at_the_end = [f"sync {UNFINISHED}"] * 2, [f"sync {UNFINISHED}", "rename"]
        assert steps == [*on_the_way, f"sync {folder.name}", *at_the_end, "sync place"]

    async def test_a_disk_that_hangs_is_told_in_time_and_the_body_is_removed_once_it_goes_on(
        self, store_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        goes_on = threading.Event()
        async with opened(store_url, timeout_seconds=0.3) as store:
            await store.put(KEY, BODY)
            with monkeypatch.context() as hanging:
                hanging.setattr(os, "fsync", lambda _: goes_on.wait(IN_TIME))
                with pytest.raises(StoreUnavailable, match="did not answer in time"):
                    await store.put_stream(f"{KEY}-other", chunks_of(BODY, [len(BODY)]))
                assert len(list((folder / UNFINISHED).iterdir())) == 1
                assert await unfinished_of(store) == []
                goes_on.set()
                await eventually(lambda: not list((folder / UNFINISHED).iterdir()))
            assert [body.key for body in await bodies_of(store)] == [KEY]

    async def test_a_disk_that_fails_is_told_and_nothing_stays(
        self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as failing:
            failing.setattr(os, "fsync", fail)
            with pytest.raises(StoreUnavailable, match="No space left on device"):
                await store.put_stream(KEY, chunks_of(BODY, [len(BODY)]))
        assert not list((folder / UNFINISHED).iterdir())
        assert await bodies_of(store) == []

    async def test_what_another_may_count_on_stays_when_its_folder_cannot_be_synced(
        self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sync = os.fsync

        def fail_once_it_is_there(handle: int) -> None:
            if (folder / KEY).exists():
                raise OSError(errno.EIO, "Input/output error")
            sync(handle)

        with monkeypatch.context() as failing:
            failing.setattr(os, "fsync", fail_once_it_is_there)
            with pytest.raises(StoreUnavailable, match="Input/output error"):
                await store.put(KEY, BODY)
        assert await store.get(KEY) == BODY

    async def test_a_stream_that_ends_early_leaves_no_file_open(
        self, store: Store, folder: Path
    ) -> None:
        await store.put(KEY, bytes(5_000_000))
        for _ in range(20):
            async with aclosing(store.stream(KEY, 0, 5_000_000)) as chunks:
                await anext(chunks)
        assert open_files(folder) == []

    async def test_what_a_living_process_writes_is_not_unfinished(
        self, store: Store, folder: Path
    ) -> None:
        body = HeldBack(bytes(3_000_000))
        putting = asyncio.create_task(store.put_stream(KEY, body.chunks()))
        await body.reached.wait()
        (written,) = (folder / UNFINISHED).iterdir()
        assert await unfinished_of(store) == []
        await store.abandon(Unfinished(KEY, written.name, datetime.now(UTC)))
        body.may_end.set()
        await putting
        assert await store.get(KEY) == bytes(3_000_000)

    async def test_the_key_of_an_unfinished_body_is_told_though_it_is_long(
        self, store: Store, store_url: str
    ) -> None:
        key = "/".join(["a" * 100] * 9)
        await kill_while_writing(store_url, key)
        (left,) = await unfinished_of(store)
        assert len(left.key) > 200
        assert key.startswith(left.key)
        await store.abandon(left)
        assert await unfinished_of(store) == []

    async def test_starting_removes_what_a_killed_stream_left(
        self, store: Store, store_url: str, folder: Path
    ) -> None:
        await kill_while_writing(store_url, KEY)
        await store.start()
        assert not list((folder / UNFINISHED).iterdir())

    async def test_what_is_no_body_is_not_listed(self, store: Store, folder: Path) -> None:
        await store.put(KEY, BODY)
        (folder / "default" / ".hidden").write_bytes(b"1")
        (folder / "ü").mkdir()
        (folder / "ü" / "file").write_bytes(b"1")
        (folder / "empty").mkdir()
        (folder / "link").symlink_to(folder / KEY)
        assert [body.key for body in await bodies_of(store)] == [KEY]

    async def test_a_folder_that_vanished_is_an_unavailable_store_and_never_made_again(
        self, store: Store, folder: Path
    ) -> None:
        await store.put(KEY, BODY)
        shutil.rmtree(folder)
        with pytest.raises(StoreUnavailable):
            await store.check()
        with pytest.raises(StoreUnavailable):
            await store.get(KEY)
        with pytest.raises(StoreUnavailable):
            await store.put(KEY, BODY)
        with pytest.raises(StoreUnavailable):
            await store.delete(KEY)
        with pytest.raises(StoreUnavailable):
            await store.put_stream(KEY, chunks_of(BODY, [len(BODY)]))
        with pytest.raises(StoreUnavailable):
            await streamed(store, KEY, 0, 1)
        with pytest.raises(StoreUnavailable):
            await bodies_of(store)
        with pytest.raises(StoreUnavailable):
            await unfinished_of(store)
        assert not folder.exists()
        await store.start()
        await store.put(KEY, BODY)
        assert await store.get(KEY) == BODY

    async def test_a_bucket_folder_that_vanished_is_made_again_at_the_next_attempt(
        self, store: Store, folder: Path
    ) -> None:
        await store.put(KEY, BODY)
        shutil.rmtree(folder / "default")
        with pytest.raises(BodyMissing):
            await store.get(KEY)
        with pytest.raises(StoreUnavailable):
            await store.put(KEY, BODY)
        await store.put(KEY, BODY)
        assert await store.get(KEY) == BODY

    async def test_a_failed_put_leaves_nothing_unfinished(self, store: Store, folder: Path) -> None:
        (folder / KEY).mkdir(parents=True)
        with pytest.raises(StoreUnavailable):
            await store.put(KEY, BODY)
        with pytest.raises(StoreUnavailable):
            await store.put_stream(KEY, chunks_of(BODY, [len(BODY)]))
        assert not list((folder / UNFINISHED).iterdir())

    async def test_a_file_in_place_of_the_folder_will_never_work(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        for path in (tmp_path / "file", tmp_path / "file" / "folder"):
            store = open_store(path.as_uri(), timeout_seconds=IN_TIME)
            with pytest.raises(InvalidConfiguration, match=str(path)):
                await store.start()

    async def test_takes_a_folder_with_any_name(self, tmp_path: Path) -> None:
        folder = tmp_path / "über 100% #1?"
        store = open_store(folder.as_uri(), timeout_seconds=IN_TIME)
        await store.start()
        await store.put(KEY, BODY)
        assert (folder / KEY).read_bytes() == BODY
        await store.close()


def record_steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is really done from now on: the folders that are synced, or have a file synced."""
    steps: list[str] = []
    sync, rename = os.fsync, os.rename

    def fsync(handle: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        steps.append(f"sync {path.name if path.is_dir() else path.parent.name}")
        sync(handle)

    def move(source: str, target: Path) -> None:
        steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", move)
    return steps


def open_files(folder: Path) -> list[str]:
    """Those of the folder that this process holds open."""
    links = []
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(handle.readlink()))
    return [link for link in links if link.startswith(str(folder))]


def stopped_while_writing(process: subprocess.Popen[str], unfinished: Path) -> Callable[[], bool]:
    """Whether the process is stopped in the middle of a put; if it was not, it goes on."""

    def check() -> bool:
        process.send_signal(signal.SIGSTOP)
        if any(unfinished.iterdir()):
            return True
        process.send_signal(signal.SIGCONT)
        return False

    return check
