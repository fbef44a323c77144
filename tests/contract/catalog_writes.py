"""Random writes on a few names, objects and buckets, so that they meet. It asserts nothing."""

import random
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Entry, NewObject
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    MoveObject,
    PatchBucket,
    PatchInfo,
    Precondition,
)
from tests.contract.catalog_samples import id_made, new_object, rejected

BUCKETS = ("default", "photos", "scans")
NAMES = ("a", "b/ü", "c")
DIGESTS = tuple(f"{number:064x}" for number in range(4))


class RandomWrites:
    """The same ones for the same seed, but for their ids. Ages spread over `spread_seconds`."""

    def __init__(self, seed: int, spread_seconds: float = 30) -> None:
        self._random = random.Random(seed)
        self._spread_seconds = spread_seconds
        self._objects: list[UUID] = []
        self._others: list[UUID] = []

    def some(self, count: int) -> list[Entry]:
        """That many, each of any kind."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Entry:
        request_id = id_made(self._random.random() ** 2 * self._spread_seconds)
        kinds: Sequence[Callable[[UUID], Entry]] = (
            [self._create] * 8
            + [self._delete_name, self._delete, self._patch] * 2
            + [self._copy, self._move] * 4
            + [self._create_bucket] * 2
            + [self._patch_bucket, self._delete_bucket, self._reject]
        )
        entry = self._random.choice(kinds)(request_id)
        (self._objects if isinstance(entry, NewObject) else self._others).append(request_id)
        return entry

    def _create(self, request_id: UUID) -> Entry:
        new = new_object(
            request_id,
            name=self._name(),
            bucket=self._bucket(),
            sha256=self._random.choice(DIGESTS),
        )
        return msgspec.structs.replace(new, precondition=self._precondition())

    def _delete_name(self, request_id: UUID) -> Entry:
        return DeleteName(
            request_id=request_id,
            bucket=self._bucket(),
            name=self._random.choice(NAMES),
            precondition=self._precondition(),
        )

    def _delete(self, request_id: UUID) -> Entry:
        return DeleteObject(
            request_id=request_id, object_id=self._target(), precondition=self._precondition()
        )

    def _patch(self, request_id: UUID) -> Entry:
        return PatchInfo(
            request_id=request_id,
            object_id=self._target(),
            metadata={self._random.choice("xyz"): self._random.choice(["1", "2", None])},
            revisions=self._random.choice([None, None, [1], [1, 2]]),
        )

    def _copy(self, request_id: UUID) -> Entry:
        return CopyObject(
            request_id=request_id,
            object_id=self._target(),
            bucket=self._bucket(),
            name=self._name(),
            overwrite=self._random.random() < 0.6,
            metadata=self._random.choice([None, {"copied": "yes"}]),
        )

    def _move(self, request_id: UUID) -> Entry:
        return MoveObject(
            request_id=request_id,
            object_id=self._target(),
            bucket=self._bucket(),
            name=self._random.choice(NAMES),
            overwrite=self._random.random() < 0.6,
        )

    def _create_bucket(self, request_id: UUID) -> Entry:
        settings = BucketSettings(
            versions_to_keep=self._random.choice([None, None, 1, 2]),
            allowed_types=self._random.choice([[], [], ["json"], ["image"]]),
            max_object_bytes=self._random.choice([None, None, 1000, 100]),
        )
        return CreateBucket(
            request_id=request_id, bucket=self._random.choice(BUCKETS), settings=settings
        )

    def _patch_bucket(self, request_id: UUID) -> Entry:
        return PatchBucket(
            request_id=request_id,
            bucket=self._bucket(),
            changes={"versions_to_keep": self._random.choice([None, 1, 2, 3])},
            revisions=self._random.choice([None, None, [1]]),
        )

    def _delete_bucket(self, request_id: UUID) -> Entry:
        return DeleteBucket(
            request_id=request_id,
            bucket=self._random.choice(BUCKETS),
            purge=self._random.random() < 0.3,
        )

    def _reject(self, request_id: UUID) -> Entry:
        return rejected(request_id)

    def _bucket(self) -> str:
        return self._random.choice((*["default"] * 4, *BUCKETS))

    def _name(self) -> str | None:
        return self._random.choice((*NAMES, *NAMES, None))

    def _target(self) -> UUID:
        """What made an object, most likely, or something else: a marker, a copy, or nothing."""
        ids = self._objects if self._random.random() < 0.7 else self._others
        return self._random.choice(ids[-10:] or [id_made(1)])

    def _precondition(self) -> Precondition | None:
        kind = self._random.choice(".........*+=-")
        digests = [self._random.choice(DIGESTS)]
        return {
            "*": Precondition(if_none_match=["*"]),
            "+": Precondition(if_match=["*"]),
            "=": Precondition(if_match=digests),
            "-": Precondition(if_none_match=digests),
        }.get(kind)
