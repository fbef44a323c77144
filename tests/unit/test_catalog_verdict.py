"""What a request comes to, decided without a database."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from sangraha.catalog.verdict import Entry, Expired, storable, verdict
from sangraha.errors import RequestDead
from sangraha.ids import made_at
from sangraha.messages import Dead, Done, Rejected, WriteOutcome
from sangraha.objects import StoredObject
from tests.contract.catalog_samples import new_object, rejected

LIFE = timedelta(hours=1)
NEW = new_object()
REFUSAL = rejected(NEW.request_id)
THERE = new_object(NEW.request_id, content_type="text/plain").object
REFUSED = rejected(NEW.request_id, "said before")
DEAD = Dead(request_id=NEW.request_id, problem=RequestDead().problem())
IN_TIME = made_at(NEW.request_id) + LIFE
LATE = IN_TIME + timedelta(milliseconds=1)

DONE = Done(request_id=NEW.request_id, object=NEW.object)
DONE_BEFORE = Done(request_id=NEW.request_id, object=THERE)
EXPIRED = Expired(NEW.request_id)


@pytest.mark.parametrize(
    ("entry", "recorded", "earlier", "now", "expected"),
    [
        (NEW, None, None, IN_TIME, DONE),
        (NEW, None, None, LATE, EXPIRED),
        (NEW, None, DEAD, IN_TIME, DONE),
        (NEW, None, DEAD, LATE, DONE),
        (NEW, None, REFUSED, IN_TIME, REFUSED),
        (NEW, None, REFUSED, LATE, REFUSED),
        (NEW, THERE, None, IN_TIME, DONE_BEFORE),
        (NEW, THERE, None, LATE, DONE_BEFORE),
        (NEW, THERE, DEAD, LATE, DONE_BEFORE),
        (REFUSAL, None, None, IN_TIME, REFUSAL),
        (REFUSAL, None, None, LATE, REFUSAL),
        (REFUSAL, None, DEAD, IN_TIME, REFUSAL),
        (REFUSAL, None, REFUSED, IN_TIME, REFUSED),
        (REFUSAL, THERE, None, IN_TIME, DONE_BEFORE),
    ],
)
def test_what_is_recorded_comes_first_and_age_last(
    entry: Entry,
    recorded: StoredObject | None,
    earlier: Rejected | Dead | None,
    now: datetime,
    expected: WriteOutcome | Expired,
) -> None:
    assert verdict(entry, recorded=recorded, earlier=earlier, now=now, life=LIFE) == expected


@pytest.mark.parametrize("field", ["file_name", "content_type", "declared_content_type", "name"])
def test_text_with_a_nul_is_rejected(field: str) -> None:
    fields: dict[str, Any] = {field: "a\0b"}
    outcome = storable(new_object(NEW.request_id, **fields))
    assert isinstance(outcome, Rejected)
    assert outcome.request_id == NEW.request_id
    assert outcome.problem.status == 422


def test_other_text_and_any_metadata_is_storable() -> None:
    new = new_object(file_name="ü\u202e\U0010ffff", metadata={"\0": "\0"})
    assert storable(new) is new
    assert storable(REFUSAL) is REFUSAL
