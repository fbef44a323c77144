"""Dead letters, and what they mean for their requests."""

import asyncio
from datetime import UTC, datetime, timedelta

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.database import Database
from sangraha.catalog.tables import outcomes
from sangraha.messages import Dead, Done
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
        rest = await catalog.dead_letters(limit=3, before=first[-1].letter_id)
        assert [letter.recorded_at.minute for letter in first + rest] == [5, 4, 3, 2, 1]
        assert [letter.body_keys for letter in first] == [["key 5"], ["key 4"], ["key 3"]]
        assert {letter.body for letter in first} == {None}
        assert {letter.body_size for letter in first} == {16}
        assert await catalog.dead_letters(limit=3, before=rest[-1].letter_id) == []
        assert await catalog.dead_letter(MINT.new()) is None
