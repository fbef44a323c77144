"""What became of a request."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from sangraha.http.app import Endpoint
from sangraha.http.json import json_response
from sangraha_receiver.answers import preferences_of, status_document
from sangraha_receiver.described import PREFER, STATUS
from sangraha_receiver.receiver import Receiver


def request_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handler of the status address."""

    async def get_request(request: Request, request_id: UUID) -> Response:
        preferences = preferences_of(request)
        outcome = await receiver.outcome(request_id, preferences.wait(otherwise=0))
        return json_response(status_document(request_id, outcome), headers=preferences.applied())

    answers = {
        200: "The request's state: accepted, done, rejected or dead",
        404: "No such request",
        422: "Not an id",
        500: "Something failed inside Sangraha",
        503: "The catalog is away",
    }
    described = {"parameters": [PREFER]}
    return {"get_request": Endpoint(get_request, answers, {200: STATUS}, described)}
