"""Ids as statement parameters: few different lengths, nothing lost."""

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given
from hypothesis.strategies import lists, uuids

from sangraha.catalog.lookup import padded


@given(lists(uuids(), max_size=70))
def test_padding_keeps_the_ids_and_rounds_their_number_up(ids: Sequence[UUID]) -> None:
    found = padded(ids)["ids"]
    assert found[: len(ids)] == ids
    assert set(found) == set(ids)
    assert len(found).bit_count() <= 1
    assert len(ids) <= len(found) < 2 * max(len(ids), 1)
