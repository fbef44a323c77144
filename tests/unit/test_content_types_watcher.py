"""What a watcher keeps of a body, and what can be read of it."""

import random

import pytest

from sangraha.content_types import Watcher
from sangraha.content_types.seen import HEAD_BYTES, TAIL_BYTES, Seen, Unseen
from tests.samples import document


def watched(body: bytes, chunk: int = 1500) -> Seen:
    watcher = Watcher()
    for at in range(0, len(body), chunk):
        watcher.feed(body[at : at + chunk])
    return watcher.seen()


@pytest.mark.parametrize("chunk", [1, 100, 4096, 10_000, 100_000])
def test_a_watcher_keeps_the_size_and_both_ends(chunk: int) -> None:
    body = random.Random(chunk).randbytes(9000)
    for length in (0, 1, 1023, 1024, 1025, 4095, 4096, 4097, 5120, 9000):
        seen = watched(body[:length], chunk)
        assert (seen.size, seen.head) == (length, body[:length][:HEAD_BYTES])
        assert seen.tail == body[:length][-TAIL_BYTES:]


def test_what_was_seen_does_not_change_by_asking() -> None:
    watcher = Watcher()
    watcher.feed(b'{"a": 1')
    assert watcher.seen() == watcher.seen()
    watcher = Watcher()
    watcher.feed(document())
    assert watcher.seen() == watcher.seen()
    assert watcher.seen().is_json


def test_head_and_tail_are_joined_where_they_are_all_there_is() -> None:
    body = random.Random(1).randbytes(HEAD_BYTES + TAIL_BYTES + 1)
    for length in (0, 500, HEAD_BYTES, HEAD_BYTES + 1, HEAD_BYTES + TAIL_BYTES):
        assert watched(body[:length]).joined().head == body[:length]
    assert not watched(body).joined().is_whole


def test_only_what_was_kept_can_be_read() -> None:
    seen = watched(body := random.Random(1).randbytes(9000))
    assert seen.at(0, 4096) == body[:4096]
    assert seen.at(9000 - 1024, 1024) == body[-1024:]
    assert seen.at(8990, 3) == body[8990:8993]
    for start, length in ((4090, 7), (5000, 1), (9000 - 1025, 2)):
        with pytest.raises(Unseen):
            seen.at(start, length)


@pytest.mark.parametrize("chunk", [1, 2, 3, 4])
def test_a_byte_order_mark_is_seen_however_it_is_cut_into_chunks(chunk: int) -> None:
    seen = watched(b"\xef\xbb\xbf \n[1]", chunk)
    assert seen.json_damage == "The JSON document is broken: it starts with a byte order mark"
    assert watched(b"\xef\xbb\xbf\n [1,]", chunk).json_damage == (
        "The JSON document is broken: trailing comma in array (byte 8)"
    )
    for body in (b"\xef\xbb", b"\xef\xbb\xbf", b"\xef\xbb\xbf ", b"\xef\xbb{}", b" \xef\xbb\xbf{}"):
        assert watched(body, chunk).json_damage is None
        assert not watched(body, chunk).is_json
