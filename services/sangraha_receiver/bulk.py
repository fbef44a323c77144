"""Many objects and names deleted at once."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from fastapi import Request
from starlette.responses import Response

from sangraha.broker.topology import MIB
from sangraha.buckets import DEFAULT_BUCKET
from sangraha.errors import InvalidName, InvalidParameter
from sangraha.http.app import Endpoint
from sangraha.http.json import json_body
from sangraha.http.names import bucket_name, checked_object_name
from sangraha.messages import DeleteName, DeleteObject
from sangraha_receiver.answers import identity, preferences_of
from sangraha_receiver.batch import Batch
from sangraha_receiver.described import HOW, MANY, WRITE_ANSWERS, json_request
from sangraha_receiver.idempotency import key_of
from sangraha_receiver.receiver import Receiver

MAX_ITEMS: Final = 1000
_MAX_BYTES: Final = 4 * MIB


class ManyToDelete(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Objects by their ids, and names in one bucket."""

    object_ids: list[UUID] = []
    bucket: str = DEFAULT_BUCKET
    names: list[str] = []


def bulk_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handler of the address that deletes many at once."""

    async def delete_objects(request: Request) -> Response:
        key = key_of(request)
        wanted = await json_body(request, ManyToDelete, _MAX_BYTES)
        bucket = bucket_name(wanted.bucket)
        if not 1 <= len(wanted.object_ids) + len(wanted.names) <= MAX_ITEMS:
            raise InvalidParameter(f"name 1 to {MAX_ITEMS} objects in all")
        preferences = preferences_of(request)
        with receiver.submissions.open(key) as submission:
            # So many deletions never fill a group: they are sent as one, and done together.
            batch = Batch(submission)
            for object_id in wanted.object_ids:
                delete = DeleteObject(**identity(receiver, request), object_id=object_id)
                await batch.add({"object_id": object_id}, delete)
            for name in wanted.names:
                try:
                    checked_object_name(name)
                except InvalidName as error:
                    batch.refuse({"name": name}, error)
                    continue
                marker = DeleteName(**identity(receiver, request), bucket=bucket, name=name)
                await batch.add({"name": name}, marker)
            await batch.send()
            results = await batch.results(
                preferences.wait(otherwise=receiver.settings.wait_seconds)
            )
        return results.answer(preferences)

    return {"delete_objects": Endpoint(delete_objects, _ANSWERS, _CONTENT, _BODY, (ManyToDelete,))}


_ANSWERS: Final = {
    **WRITE_ANSWERS,
    200: "All of them were deleted",
    202: "All were accepted; each one's status_url tells its outcome",
    207: "Not all of them were deleted; each one's result says why",
    413: "The list is too long",
    415: "The body is not JSON",
}
_CONTENT: Final = {200: MANY, 202: MANY, 207: MANY}
_BODY: Final[dict[str, Any]] = {
    "parameters": [*HOW],
    "requestBody": json_request(
        "ManyToDelete", {"bucket": "default", "names": ["reports/2026/july.pdf"]}
    ),
}
