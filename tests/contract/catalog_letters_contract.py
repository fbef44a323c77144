"""Dead letters, what they mean for their requests, and how they leave."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sangraha.catalog.catalog import Catalog, DeadLetter, LetterFilter, NewObject
from sangraha.catalog.database import Database
from sangraha.catalog.tables import outcomes
from sangraha.errors import AlreadyRedriven, InvalidParameter
from sangraha.messages import Dead, DeleteObject, Done
from tests.contract.catalog_samples import (
    MINT,
    dead_letter,
    id_made,
    new_object,
    rejected,
)
from tests.contract.catalog_suite import LIFE_SECONDS, CatalogSuite, count


class LettersContract(CatalogSuite):
    """Letters are kept whole and once; a dead request may still be done."""

    async def test_a_dead_request_may_still_be_done(
        self, catalog: Catalog, database: Database
    ) -> None:
        new, old = new_object(), new_object(id_made(2 * LIFE_SECONDS))
        refusal, waiting = rejected(), MINT.new()
        letter = dead_letter(new.request_id, old.request_id, refusal.request_id, waiting)
        await catalog.record_dead_letter(letter)
        dead = await catalog.outcomes(letter.request_ids)
        assert {type(outcome) for outcome in dead.values()} == {Dead}
        again = await catalog.commit([new, old, refusal])
        assert again == [
            Done(request_id=new.request_id, object=new.object),
            Done(request_id=old.request_id, object=old.object),
            refusal,
        ]
        assert await catalog.outcomes(letter.request_ids) == {
            **dict(zip(letter.request_ids, again, strict=False)),
            waiting: dead[waiting],
        }
        assert await count(database, "outcomes") == 2

    async def test_a_letter_that_comes_again_changes_nothing(
        self, catalog: Catalog, database: Database
    ) -> None:
        letter = dead_letter(MINT.new())
        await catalog.record_dead_letter(letter)
        async with database.write() as connection:
            await connection.execute(outcomes.delete())
        await catalog.record_dead_letter(letter)
        assert await catalog.outcome(letter.request_ids[0]) is None

    async def test_a_dead_letter_is_kept_whole_and_once(
        self, catalog: Catalog, database: Database
    ) -> None:
        done, refusal, lost = new_object(), rejected(), MINT.new()
        before = await catalog.commit([done, refusal])
        keys = [new_object().location.key for _ in range(3)]
        letter = dead_letter(
            done.request_id, lost, refusal.request_id, lost, body_keys=sorted(keys)
        )
        await asyncio.gather(*(catalog.record_dead_letter(letter) for _ in range(3)))
        assert await catalog.dead_letter(letter.letter_id) == letter
        assert await count(database, "dead_letters") == 1
        assert await count(database, "outcomes") == 2
        assert [await catalog.outcome(e.request_id) for e in (done, refusal)] == before
        dead = await catalog.outcome(lost)
        assert isinstance(dead, Dead)
        assert dead.problem.slug == "request-dead"
        assert dead.problem.members == {"letter_id": str(letter.letter_id)}

    async def test_any_foreign_message_can_be_a_dead_letter(self, catalog: Catalog) -> None:
        keys = ["default/objects/1", "default/objects/1", "a\0b", "\ud800"]
        letter = dead_letter(message_id="a\0b\ud800", body=None, body_size=2**33, body_keys=keys)
        await catalog.record_dead_letter(letter)
        kept = await catalog.dead_letter(letter.letter_id)
        assert kept is not None
        assert kept.message_id == "a\ufffdb?"
        assert (kept.body, kept.body_size, kept.request_ids) == (None, 2**33, [])
        assert kept.body_keys == ["default/objects/1"]

    async def test_dead_letters_are_listed_newest_first(self, catalog: Catalog) -> None:
        start = datetime(2031, 1, 1, tzinfo=UTC)
        letters = [
            dead_letter(recorded_at=start + timedelta(minutes=minute), body_keys=[f"key {minute}"])
            for minute in (2, 5, 1, 4, 3)
        ]
        for letter in letters:
            await catalog.record_dead_letter(letter)
        first = await catalog.dead_letters(limit=3)
        rest = await catalog.dead_letters(limit=3, after=first[-1].position)
        assert [letter.recorded_at.minute for letter in first + rest] == [5, 4, 3, 2, 1]
        assert [letter.body_keys for letter in first] == [["key 5"], ["key 4"], ["key 3"]]
        assert {letter.body for letter in first} == {None}
        assert {letter.body_size for letter in first} == {16}
        assert await catalog.dead_letters(limit=3, after=rest[-1].position) == []
        assert await catalog.dead_letter(MINT.new()) is None

    async def test_letters_are_filtered_by_all_that_is_told_of_them(self, catalog: Catalog) -> None:
        start = datetime(2031, 1, 1, tzinfo=UTC)
        request_id = MINT.new()
        cut = letter_about(request_id, "the MESSAGE was cut at 100%", recorded_at=start)
        odd = letter_about(MINT.new(), "odd \0 and \ud800", recorded_at=start + HOUR)
        late = letter_about(
            MINT.new(), "cut off", error="delivery-limit", recorded_at=start + 2 * HOUR, queue="q"
        )
        for letter in (cut, odd, late):
            await catalog.record_dead_letter(letter)

        async def found(**wanted: Any) -> set[UUID]:
            letters = await catalog.dead_letters(LetterFilter(**wanted), limit=10)
            return {letter.letter_id for letter in letters}

        every = {cut.letter_id, odd.letter_id, late.letter_id}
        assert await found() == every
        assert await found(error="delivery-limit") == await found(queue="q") == {late.letter_id}
        assert await found(error="delivery") == await found(error="", text="cut") == set()
        assert await found(request_id=request_id) == {cut.letter_id}
        assert await found(text="cut") == {cut.letter_id, late.letter_id}
        assert await found(text="message") == await found(text="100%") == {cut.letter_id}
        assert await found(text="%") == {cut.letter_id}
        assert await found(text="_") == set()
        assert await found(recorded_after=start + HOUR) == {odd.letter_id, late.letter_id}
        assert await found(recorded_before=start + HOUR) == {cut.letter_id}
        assert await found(recorded_before=datetime.max.replace(tzinfo=UTC)) == every
        assert await found(text="cut", error="delivery-limit") == {late.letter_id}
        west = timezone(timedelta(hours=-12))
        for never in ({"text": "a\0"}, {"recorded_after": datetime.max.replace(tzinfo=west)}):
            with pytest.raises(InvalidParameter):
                await found(**never)

    async def test_a_page_goes_on_where_the_last_one_ended_though_letters_went(
        self, catalog: Catalog
    ) -> None:
        start = datetime(2031, 1, 1, tzinfo=UTC)
        letters = [dead_letter(recorded_at=start + n * HOUR) for n in range(4)]
        for letter in letters:
            await catalog.record_dead_letter(letter)
        first, second, third, fourth = (letter.letter_id for letter in letters)
        after = letters[1].position
        assert await catalog.delete_dead_letter(second)
        older = await catalog.dead_letters(limit=9, after=after)
        newer = await catalog.dead_letters(limit=9, after=after, oldest_first=True)
        assert [letter.letter_id for letter in older] == [first]
        assert [letter.letter_id for letter in newer] == [third, fourth]

    async def test_a_redriven_letter_stays_and_pins_until_its_requests_are_settled(
        self, catalog: Catalog
    ) -> None:
        one, other = new_object(id_made(2 * LIFE_SECONDS)), new_object()
        keys = sorted(new.location.key for new in (one, other))
        letter = dead_letter(one.request_id, other.request_id, body_keys=keys)
        await catalog.record_dead_letter(letter)
        assert await catalog.retire_letters(10) is None
        redriven_at = await catalog.note_redriven(letter.letter_id)
        redriven = await catalog.dead_letter(letter.letter_id)
        assert redriven == msgspec.structs.replace(letter, redriven_at=redriven_at)
        assert await catalog.dead_letters(limit=9) == []
        assert len(await catalog.dead_letters(limit=9, state="redriven")) == 1
        assert len(await catalog.dead_letters(limit=9, state="all")) == 1
        for outcome in (await catalog.outcomes(letter.request_ids)).values():
            assert isinstance(outcome, Dead)
            assert outcome.is_redriven
        with pytest.raises(AlreadyRedriven):
            await catalog.delete_dead_letter(letter.letter_id)
        assert await catalog.delete_dead_letters(LetterFilter(), limit=9) == 0

        (done,) = await catalog.commit([one])
        assert isinstance(done, Done)
        assert await catalog.retire_letters(10) == letter.position
        assert await catalog.condemn(keys) == set()
        await catalog.commit([other])
        assert await catalog.retire_letters(10, letter.position) is None
        assert await catalog.dead_letter(letter.letter_id) is not None
        assert await catalog.retire_letters(10) == letter.position
        assert await catalog.dead_letter(letter.letter_id) is None
        assert await catalog.note_redriven(letter.letter_id) is None
        await catalog.commit([deletion(one)])
        await catalog.commit([deletion(other)])
        assert await catalog.condemn_released(-60, 10) == keys

    async def test_what_comes_back_dead_is_another_letter_whoever_is_first(
        self, catalog: Catalog
    ) -> None:
        for is_noted_first in (True, False):
            request_id = MINT.new()
            key = f"default/objects/{request_id}"
            before, again = (dead_letter(request_id, body_keys=[key]) for _ in range(2))
            await catalog.record_dead_letter(before)
            if is_noted_first:
                await catalog.note_redriven(before.letter_id)
            await catalog.record_dead_letter(again)
            if not is_noted_first:
                await catalog.note_redriven(before.letter_id)
            outcome = await catalog.outcome(request_id)
            assert isinstance(outcome, Dead)
            assert not outcome.is_redriven
            assert outcome.problem.members == {"letter_id": str(again.letter_id)}
            await catalog.retire_letters(10)
            assert await catalog.dead_letter(before.letter_id) is None
            assert await catalog.dead_letter(again.letter_id) == again
            assert await catalog.condemn([key]) == set()

    async def test_what_is_settled_before_the_redrive_is_noted_stays_settled(
        self, catalog: Catalog
    ) -> None:
        new, refusal = new_object(), rejected()
        letter = dead_letter(new.request_id, refusal.request_id)
        await catalog.record_dead_letter(letter)
        settled = await catalog.commit([new, refusal])
        await catalog.note_redriven(letter.letter_id)
        outcomes = await catalog.outcomes(letter.request_ids)
        assert [outcomes[request_id] for request_id in letter.request_ids] == settled
        assert await catalog.delete_dead_letter(letter.letter_id)

    async def test_a_deleted_letter_pins_nothing_and_its_requests_stay_dead(
        self, catalog: Catalog, database: Database
    ) -> None:
        news = [new_object() for _ in range(4)]
        letters = [dead_letter(new.request_id, body_keys=[new.location.key]) for new in news]
        for letter in letters:
            await catalog.record_dead_letter(letter)
        keys = {new.location.key for new in news}
        assert await catalog.delete_dead_letter(letters[0].letter_id)
        assert not await catalog.delete_dead_letter(letters[0].letter_id)
        assert await catalog.condemn(keys) == {news[0].location.key}
        other = LetterFilter(request_id=news[1].request_id)
        assert await catalog.delete_dead_letters(other, limit=9) == 1
        assert [await catalog.delete_dead_letters(LetterFilter(), limit=1) for _ in range(3)] == [
            1,
            1,
            0,
        ]
        assert await catalog.condemn(keys) == keys
        assert await count(database, "dead_letter_bodies") == 0
        for outcome in (await catalog.outcomes([new.request_id for new in news])).values():
            assert isinstance(outcome, Dead)


HOUR = timedelta(hours=1)


def letter_about(
    request_id: UUID, message: str, *, error: str = "UndecodableMessage", **fields: Any
) -> DeadLetter:
    """A letter about that request, with this reason."""
    letter = dead_letter(request_id, **fields)
    fault = msgspec.structs.replace(letter.fault, error=error, message=message)
    return msgspec.structs.replace(letter, fault=fault)


def deletion(new: NewObject) -> DeleteObject:
    """The request that deletes the object."""
    return DeleteObject(request_id=MINT.new(), object_id=new.request_id)
