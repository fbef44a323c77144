"""Bodies through the queue: inside messages and claimed, refused, swept, and buckets' rules."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sangraha.broker.topology import WRITE_QUEUE
from sangraha.buckets import Bucket, BucketSettings
from sangraha.errors import StoreUnavailable
from sangraha.messages import (
    Claimed,
    CreateBucket,
    CreateObject,
    Dead,
    DeleteBucket,
    Done,
    Inline,
    PatchBucket,
    Precondition,
    Rejected,
    WriteOutcome,
)
from sangraha.store.keys import next_key, object_key
from sangraha.store.timed import TimedStore
from tests.integration.conftest import House
from tests.integration.writer import Writer, claim, create
from tests.samples import image
from tests.waiting import eventually

WRITES = {"queue": WRITE_QUEUE.name}
JSON = b'{"readings": [' + b"1, " * 200_000 + b"2]}"


def slug(outcome: WriteOutcome) -> str:
    assert isinstance(outcome, Rejected), outcome
    return outcome.problem.slug


async def make_bucket(house: House, writer: Writer, name: str, **rules: object) -> None:
    made = await writer.one(
        CreateBucket(
            request_id=house.mint.new(),
            bucket=name,
            settings=BucketSettings(**rules),  # type: ignore[arg-type]
        )
    )
    assert isinstance(made, Done), made


async def gone(house: House, key: str) -> None:
    async def is_gone() -> bool:
        return not await house.is_kept(key)

    await eventually(is_gone)


async def test_a_claimed_body_becomes_an_object_where_it_lies(house: House) -> None:
    writer = await Writer(house).open()
    picture = image("PNG", 700, 500)
    request = await claim(house, picture, name="a/b.png", file_name="b.png", metadata={"a": "b"})
    outcome = await writer.one(request)
    assert isinstance(outcome, Done), outcome
    stored = outcome.object
    assert stored is not None
    assert (stored.object_id, stored.name, stored.file_name) == (
        request.request_id,
        "a/b.png",
        "b.png",
    )
    assert (stored.type, stored.content_type, stored.size) == ("image", "image/png", len(picture))
    assert await house.body_of(request.request_id) == picture
    place = await house.place_of(request.request_id)
    assert place is not None
    assert place.key == object_key("default", request.request_id, "b.png")


async def test_claimed_json_is_json_if_all_of_it_was_parsed(house: House) -> None:
    writer = await Writer(house).open()
    whole = await claim(house, JSON, allowed=["json"])
    broken = await claim(house, JSON[:-100] + b"\n}" + JSON[-98:], allowed=["json"])
    anything = await claim(house, JSON[:-1])
    outcomes = await writer.send(whole, broken, anything)
    assert slug(outcomes[1]) == "damaged-content"
    assert [one.object.type for one in outcomes if isinstance(one, Done) and one.object] == [
        "json",
        "other",
    ]


async def test_of_two_bodies_that_one_request_brings_one_is_kept(house: House) -> None:
    """Each attempt under an idempotency key brings its own."""
    writer = await Writer(house).open()
    first = await claim(house, JSON, name="a")
    spare = (await claim(house, JSON, name="a")).content
    second = msgspec.structs.replace(first, content=spare)
    outcome = await writer.one(first)
    assert isinstance(outcome, Done), outcome
    assert await writer.one(second) == outcome
    assert isinstance(spare, Claimed)
    await gone(house, spare.key)
    assert await writer.one(first) == outcome
    place = await house.place_of(first.request_id)
    assert place is not None
    assert place.key == object_key("default", first.request_id, None)
    assert await house.body_of(first.request_id) == JSON


@pytest.mark.parametrize("way", ["inline", "claimed"])
async def test_a_wrong_type_in_a_restricted_bucket_is_refused_and_nothing_of_it_kept(
    house: House, way: str
) -> None:
    writer = await Writer(house).open()
    await make_bucket(house, writer, "pictures", allowed_types=["image"])
    fields: dict[str, Any] = {"bucket": "pictures", "name": "a.png", "allowed": []}
    wrong: CreateObject
    if way == "claimed":
        wrong = await claim(house, JSON, **fields)
    else:
        wrong = create(house, b"{}", **fields)
    good = create(house, image("PNG"), **fields)
    refused, kept = await writer.send(wrong, good)
    assert slug(refused) == "type-not-allowed"
    assert isinstance(kept, Done)
    await gone(house, object_key("pictures", wrong.request_id, None))
    assert await house.body_of(good.request_id) == image("PNG")


async def test_address_and_bucket_must_both_allow_a_type(house: House) -> None:
    writer = await Writer(house).open()
    await make_bucket(house, writer, "pictures", allowed_types=["image/png", "pdf"])
    bodies = {"png": image("PNG"), "gif": image("GIF"), "json": b"{}"}
    outcomes = await writer.send(
        *(
            create(house, body, bucket="pictures", allowed=allowed)
            for allowed in (["image"], ["json"], [])
            for body in bodies.values()
        )
    )
    assert [isinstance(one, Done) for one in outcomes] == [
        *(True, False, False),
        *(False, False, False),
        *(True, False, False),
    ]
    assert {slug(one) for one in outcomes if isinstance(one, Rejected)} == {"type-not-allowed"}


async def test_encoded_bytes_are_kept_as_declared_and_refused_where_types_are_restricted(
    house: House,
) -> None:
    writer = await Writer(house).open()
    await make_bucket(house, writer, "texts", allowed_types=["text/*"])
    encoded = {"content_encoding": "gzip", "declared_content_type": "Text/CSV"}
    outcomes = await writer.send(
        create(house, b"\x1f\x8b\x08", allowed=[], **encoded),
        create(house, b"\x1f\x8b\x08", allowed=[], bucket="texts", **encoded),
        create(house, b"\x1f\x8b\x08", allowed=["json"], **encoded),
    )
    assert isinstance(outcomes[0], Done)
    assert outcomes[0].object is not None
    assert (outcomes[0].object.type, outcomes[0].object.content_type) == ("other", "text/csv")
    assert outcomes[0].object.content_encoding == "gzip"
    assert [slug(one) for one in outcomes[1:]] == ["encoding-not-allowed"] * 2


async def test_a_buckets_size_and_metadata_rules_hold(house: House) -> None:
    writer = await Writer(house).open()
    await make_bucket(
        house,
        writer,
        "small",
        max_object_bytes=1000,
        default_metadata={"station": "Surat", "unit": "mm"},
    )
    exact, over = (
        create(house, b'"%s"' % (b"x" * size), bucket="small", metadata={"unit": "cm"})
        for size in (998, 999)
    )
    large = await claim(house, JSON, bucket="small")
    outcomes = await writer.send(exact, over, large)
    assert isinstance(outcomes[0], Done)
    assert outcomes[0].object is not None
    assert outcomes[0].object.metadata == {"station": "Surat", "unit": "cm"}
    assert [slug(one) for one in outcomes[1:]] == ["body-too-large"] * 2
    await gone(house, object_key("small", large.request_id, None))


async def test_rules_that_a_group_changes_hold_for_what_comes_after_in_it(house: House) -> None:
    writer = await Writer(house).open()

    def document() -> CreateObject:
        return create(house, b"{}", bucket="fresh", allowed=[])

    def changed(**changes: object) -> PatchBucket:
        return PatchBucket(request_id=house.mint.new(), bucket="fresh", changes=changes)

    outcomes = await writer.send(
        document(),
        CreateBucket(
            request_id=house.mint.new(),
            bucket="fresh",
            settings=BucketSettings(allowed_types=["image"]),
        ),
        document(),
        changed(allowed_types=["json"]),
        document(),
        changed(max_object_bytes=1),
        document(),
        DeleteBucket(request_id=house.mint.new(), bucket="fresh"),
        document(),
    )
    assert [one.problem.slug if isinstance(one, Rejected) else "" for one in outcomes] == [
        *("not-found", "", "type-not-allowed", "", "", "", "body-too-large"),
        *("bucket-not-empty", "body-too-large"),
    ]


async def test_rules_are_read_once_and_hold_as_they_are_at_the_commit(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = await Writer(house).open()
    await make_bucket(house, writer, "scans", allowed_types=["json"])
    reads = 0
    read = house.catalog.buckets

    async def count_and_read(names: Collection[str]) -> dict[str, Bucket]:
        nonlocal reads
        reads += 1
        return await read(names)

    async def change_elsewhere(**changes: object) -> None:
        patch = PatchBucket(request_id=house.mint.new(), bucket="scans", changes=changes)
        (outcome,) = await house.catalog.commit([patch])
        assert isinstance(outcome, Done)

    def document() -> CreateObject:
        return create(house, b"{}", bucket="scans", name="a")

    monkeypatch.setattr(house.catalog, "buckets", count_and_read)
    for _ in range(3):
        assert isinstance(await writer.one(document()), Done)
    assert reads == 1
    # Stricter: what is remembered would take it. Its body was stored by then.
    await change_elsewhere(allowed_types=["image"])
    strict = document()
    assert slug(await writer.one(strict)) == "type-not-allowed"
    await gone(house, object_key("scans", strict.request_id, None))
    # Laxer: what is remembered would refuse it.
    await change_elsewhere(allowed_types=[], default_metadata={"station": "Surat"})
    lax = await writer.one(document())
    assert isinstance(lax, Done)
    assert lax.object is not None
    assert lax.object.metadata == {"station": "Surat"}
    await change_elsewhere(default_metadata={"station": "Pune"})
    moved = await writer.one(document())
    assert isinstance(moved, Done)
    assert moved.object is not None
    assert moved.object.metadata == {"station": "Pune"}
    assert reads == 4


async def test_the_body_of_what_a_precondition_refused_is_removed(house: House) -> None:
    writer = await Writer(house).open()
    await writer.one(create(house, b"1", name="taken"))
    only_new = Precondition(if_none_match=["*"])
    inline = create(house, b"2", name="taken", precondition=only_new)
    claimed = await claim(house, JSON, name="taken", precondition=only_new)
    outcomes = await writer.send(inline, claimed)
    assert [slug(one) for one in outcomes] == ["precondition-failed"] * 2
    for request in (inline, claimed):
        await gone(house, object_key("default", request.request_id, None))


async def test_a_refused_body_that_cannot_be_removed_is_left_for_the_sweep(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: TimedStore, key: str) -> None:
        raise StoreUnavailable("away for a moment")

    writer = await Writer(house).open()
    with monkeypatch.context() as broken:
        broken.setattr(TimedStore, "delete", away)
        wrong = await claim(house, JSON, allowed=["pdf"])
        assert slug(await writer.one(wrong)) == "type-not-allowed"
        # What was acknowledged is not given back, whatever fails afterwards.
        await eventually(lambda: house.metric("sangraha_groups_in_flight", **WRITES) == 0)
    assert await house.broker.depth(WRITE_QUEUE.name) == 0
    assert house.metric("sangraha_redeliveries_total", **WRITES) == 0
    key = object_key("default", wrong.request_id, None)
    assert await house.is_kept(key)
    assert await house.catalog.orphans([key]) == {key}


async def condemn(house: House, request_id: UUID) -> str:
    """Decide to remove the body of this request, as a sweep does that thinks it an orphan."""
    key = object_key("default", request_id, None)
    assert await house.catalog.condemn([key]) == {key}
    return key


async def test_an_inline_body_that_was_swept_goes_to_another_key(house: House) -> None:
    writer = await Writer(house).open()
    request, neighbour = create(house, b'"again"'), create(house, b"1")
    key = await condemn(house, request.request_id)
    outcomes = await writer.send(request, neighbour)
    assert [type(one) for one in outcomes] == [Done, Done]
    # Whoever condemned it may remove it now, or any time later.
    await house.store.delete(key)
    await house.catalog.removed([key])
    assert await house.body_of(request.request_id) == b'"again"'
    assert await writer.send(request) == outcomes[:1]


async def test_a_body_is_swept_however_often(house: House) -> None:
    writer = await Writer(house).open()
    request = create(house, b'"again"', file_name="a.json")
    key = object_key("default", request.request_id, "a.json")
    keys = [key, next_key(key), next_key(next_key(key))]
    assert await house.catalog.condemn(keys) == set(keys)
    assert isinstance(await writer.one(request), Done)
    for key in keys:
        await house.store.delete(key)
    assert await house.body_of(request.request_id) == b'"again"'


async def test_a_claimed_body_that_was_swept_makes_a_dead_letter_that_names_it(
    house: House,
) -> None:
    writer = await Writer(house).open()
    request = await claim(house, JSON)
    neighbour = create(house, b"1", name="neighbour")
    key = await condemn(house, request.request_id)
    outcomes = await writer.send(request, neighbour)
    assert [type(one) for one in outcomes] == [Dead, Done]
    (letter,) = await house.catalog.dead_letters(limit=9)
    assert letter.fault.error == "swept"
    assert letter.request_ids == [request.request_id]
    assert letter.body_keys == [key]
    assert house.metric("sangraha_dead_letters_total", reason="swept") == 1


async def test_a_dead_letter_keeps_the_sweep_from_the_bodies_it_names(house: House) -> None:
    writer = await Writer(house).open()
    taken = create(house, b"1")
    await writer.one(taken)
    # The same id with other content: nothing a receiver would send.
    clash = await claim(house, JSON, request_id=taken.request_id, file_name="other")
    assert isinstance(clash, CreateObject)
    assert isinstance(await writer.one(clash), Dead)
    (letter,) = await house.catalog.dead_letters(limit=9)
    assert letter.body_keys == [object_key("default", taken.request_id, "other")]
    assert await house.catalog.condemn(letter.body_keys) == set()
    assert await house.is_kept(letter.body_keys[0])
    inline = create(house, b"2", request_id=taken.request_id, file_name="third")
    assert isinstance(inline.content, Inline)
    assert isinstance(await writer.one(inline), Dead)
    third = object_key("default", taken.request_id, "third")
    assert await house.catalog.condemn([third]) == set()
