"""Idempotency keys: what each stands for, whoever asks at once, and when it is forgotten."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sangraha.buckets import BucketSettings
from sangraha.catalog.catalog import Catalog, Reservation
from sangraha.catalog.database import Database
from sangraha.catalog.idempotency_keys import KEPT
from sangraha.catalog.tables import idempotency_keys
from sangraha.errors import IdempotencyKeyReused
from sangraha.messages import CreateBucket, DeleteBucket, DeleteObject, Underway
from tests.contract.catalog_samples import MINT, new_object, rejected
from tests.contract.catalog_samples import dead_letter as letter_about
from tests.contract.catalog_suite import LIFE_SECONDS, CatalogSuite, count, done

MANY = 20
OLD = KEPT + timedelta(minutes=1)
LIFE = timedelta(seconds=LIFE_SECONDS)


def wanted(key: str = "key", **fields: Any) -> Reservation:
    """A reservation for a new request."""
    plain: dict[str, Any] = {
        "caller": "anonymous",
        "key": key,
        "member": 0,
        "fingerprint": "same",
        "request_id": MINT.new(),
    }
    return Reservation(**{**plain, **fields})


def form(length: int, **fields: Any) -> list[Reservation]:
    """Reservations for all members of a form."""
    return [wanted(member=member, **fields) for member in range(length)]


async def reserved(catalog: Catalog, request_id: UUID) -> None:
    """Have a key of its own stand for the request."""
    await catalog.reserve([wanted(str(request_id), request_id=request_id)])


async def make_older(database: Database, age: timedelta) -> None:
    """Have all keys been reserved so long ago."""
    async with database.write() as connection:
        then = datetime.now(UTC) - age
        await connection.execute(idempotency_keys.update().values(reserved_at=then))


class IdempotencyContract(CatalogSuite):
    """A key stands for one request, and for no other while that one may be done."""

    async def test_a_key_stands_for_whoever_came_first(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        first = wanted()
        assert await catalog.reserve([first]) == [first.request_id]
        for replica in (catalog, another):
            assert await replica.reserve([wanted()]) == [first.request_id]
        other = wanted("another key")
        assert await another.reserve([other]) == [other.request_id]
        theirs = wanted(caller="somebody else", fingerprint="other")
        assert await catalog.reserve([theirs]) == [theirs.request_id]

    async def test_a_key_is_refused_to_another_payload(self, catalog: Catalog) -> None:
        first = wanted()
        await catalog.reserve([first])
        for _ in range(2):
            with pytest.raises(IdempotencyKeyReused):
                await catalog.reserve([wanted(fingerprint="other")])
        assert await catalog.reserve([wanted()]) == [first.request_id]

    async def test_of_many_members_each_stands_for_its_own(self, catalog: Catalog) -> None:
        first = form(1000)
        ids = [one.request_id for one in first]
        assert await catalog.reserve(first[:400]) == ids[:400]
        later = form(1000)
        ids[400:] = [one.request_id for one in later[400:]]
        assert await catalog.reserve(later[::-1]) == ids[::-1]

    async def test_where_one_member_is_another_none_is_reserved(
        self, catalog: Catalog, database: Database
    ) -> None:
        await catalog.reserve([wanted(member=2)])
        with pytest.raises(IdempotencyKeyReused):
            await catalog.reserve([*form(2), wanted(member=2, fingerprint="other")])
        assert await count(database, "idempotency_keys") == 1

    async def test_many_at_once_come_to_one_request(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        answers = await asyncio.gather(
            *(replica.reserve([wanted()]) for replica in (catalog, another) * (MANY // 2))
        )
        assert len({request_id for (request_id,) in answers}) == 1

    async def test_many_forms_at_once_come_to_the_same_requests(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        answers = await asyncio.gather(
            *(
                replica.reserve(form(50)[:: 1 if number % 3 else -1])
                for number, replica in enumerate((catalog, another) * (MANY // 2))
            )
        )
        told = [answer[:: 1 if number % 3 else -1] for number, answer in enumerate(answers)]
        assert all(answer == told[0] for answer in told)

    async def test_of_two_payloads_at_once_one_is_refused(
        self, catalog: Catalog, another: Catalog
    ) -> None:
        for number in range(MANY):
            answers = await asyncio.gather(
                catalog.reserve([wanted(f"{number}", fingerprint="one")]),
                another.reserve([wanted(f"{number}", fingerprint="other")]),
                return_exceptions=True,
            )
            assert {type(answer) for answer in answers} == {list, IdempotencyKeyReused}

    async def test_a_key_is_forgotten_after_a_day_once_its_request_has_ended(
        self, catalog: Catalog, database: Database
    ) -> None:
        new, refusal = new_object(), rejected()
        deletion = DeleteObject(request_id=MINT.new(), object_id=new.request_id)
        for entry in (new, refusal, deletion):
            await reserved(catalog, entry.request_id)
            await catalog.commit([entry])
        await make_older(database, KEPT - timedelta(minutes=1))
        assert await catalog.forget_idempotency_keys(10) == 0
        await make_older(database, OLD)
        assert await catalog.forget_idempotency_keys(2) == 2
        assert await catalog.forget_idempotency_keys(2) == 1
        again = wanted(str(new.request_id))
        assert await catalog.reserve([again]) == [again.request_id]

    async def test_a_key_stays_for_as_long_as_its_request_may_be_done(
        self, catalog: Catalog, catalog_url: str, database: Database
    ) -> None:
        patient = Catalog(catalog_url, request_life_seconds=3 * KEPT.total_seconds())
        await patient.start()
        first = wanted()
        await catalog.reserve([first])
        await make_older(database, 2 * KEPT)
        assert await patient.forget_idempotency_keys(10) == 0
        assert await patient.reserve([wanted()]) == [first.request_id]
        await make_older(database, 4 * KEPT)
        assert await patient.forget_idempotency_keys(10) == 1
        await patient.close()

    async def test_the_key_of_a_dead_request_stays(
        self, catalog: Catalog, database: Database
    ) -> None:
        new = new_object()
        await reserved(catalog, new.request_id)
        await catalog.record_dead_letter(letter_about(new.request_id))
        await make_older(database, OLD + LIFE * 2)
        assert await catalog.forget_idempotency_keys(10) == 0
        await done(catalog, new)
        assert await catalog.forget_idempotency_keys(10) == 1

    async def test_the_key_of_a_request_that_is_underway_stays(
        self, catalog: Catalog, database: Database
    ) -> None:
        make = CreateBucket(request_id=MINT.new(), bucket="photos", settings=BucketSettings())
        await catalog.commit([make, new_object(bucket="photos")])
        purge = DeleteBucket(request_id=MINT.new(), bucket="photos", purge=True)
        await reserved(catalog, purge.request_id)
        (outcome,) = await catalog.commit([purge])
        assert isinstance(outcome, Underway)
        await make_older(database, OLD + LIFE * 2)
        assert await catalog.forget_idempotency_keys(10) == 0
        while await catalog.purge_step(10):
            pass
        assert await catalog.forget_idempotency_keys(10) == 1
