"""Ids: genuine ones are told from invented ones, and they say when they were made."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
import uuid_utils

from sangraha.ids import IdMint, made_at

SECRET = b"a secret of replicas"


def test_every_replica_with_the_secret_recognises_an_id() -> None:
    first, second = IdMint(SECRET), IdMint(SECRET)
    for _ in range(100):
        assert second.is_genuine(first.new())


def test_an_id_of_another_secret_is_not_genuine() -> None:
    ours, theirs = IdMint(SECRET), IdMint(SECRET + b"!")
    assert not any(ours.is_genuine(theirs.new()) for _ in range(100))


def test_an_invented_id_is_not_genuine() -> None:
    mint = IdMint(SECRET)
    invented = [UUID(int=0), UUID(int=2**128 - 1), uuid4()]
    invented += [UUID(bytes=uuid_utils.uuid7().bytes) for _ in range(100)]
    assert not any(mint.is_genuine(each) for each in invented)


def test_changing_any_bit_makes_an_id_invented() -> None:
    mint = IdMint(SECRET)
    genuine = mint.new()
    assert not any(mint.is_genuine(UUID(int=genuine.int ^ (1 << bit))) for bit in range(128))


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = IdMint(SECRET).new()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_ids_of_one_process_ascend_and_never_repeat() -> None:
    mint = IdMint(SECRET)
    made = [mint.new() for _ in range(100_000)]
    assert all(earlier < later for earlier, later in pairwise(made))


def test_two_mints_of_one_process_never_make_the_same_id() -> None:
    first, second = IdMint(SECRET), IdMint(SECRET)
    made = [mint.new() for _ in range(20_000) for mint in (first, second)]
    assert len(set(made)) == len(made)


def test_an_id_says_when_it_was_made() -> None:
    before = datetime.fromtimestamp(time.time(), UTC)
    made = made_at(IdMint(SECRET).new())
    after = datetime.fromtimestamp(time.time(), UTC)
    assert before - timedelta(milliseconds=1) <= made <= after
    assert made.tzinfo is UTC


def test_a_known_id_was_made_at_its_time() -> None:
    assert made_at(UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")) == datetime(
        2022, 2, 22, 19, 22, 22, tzinfo=UTC
    )


@pytest.mark.parametrize("length", [0, 15])
def test_a_short_secret_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        IdMint(b"x" * length)


def test_a_long_secret_counts_whole() -> None:
    assert not IdMint(b"x" * 99 + b"a").is_genuine(IdMint(b"x" * 99 + b"b").new())
