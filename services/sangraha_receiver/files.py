"""Forms of many files, each kept under its own name in a bucket, as they arrive."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import unquote_to_bytes

from fastapi import Query, Request
from starlette.responses import Response

from sangraha.errors import (
    AlreadyExists,
    BodyTooLarge,
    DigestMismatch,
    InvalidName,
    InvalidParameter,
    MalformedRequest,
    PreconditionFailed,
    Problem,
    RequestRefused,
    SangrahaError,
)
from sangraha.http.app import Endpoint
from sangraha.http.digests import expected_digests
from sangraha.http.metadata import header_metadata
from sangraha.http.names import bucket_of, checked_object_name
from sangraha.messages import CreateObject, Precondition
from sangraha.metadata import checked_metadata
from sangraha.store.keys import object_key
from sangraha_receiver.answers import identity, preferences_of
from sangraha_receiver.batch import Batch
from sangraha_receiver.described import BODY_ANSWERS, HOW, MANY, METADATA
from sangraha_receiver.forms import FormPart, FormReader
from sangraha_receiver.idempotency import key_of
from sangraha_receiver.receiver import Receiver
from sangraha_receiver.request_body import refuse_encoding

MAX_FILES: Final = 1000


def file_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handler of the address that takes forms of many files."""

    async def create_files(
        request: Request,
        overwrite: Annotated[
            bool, Query(description="Put a new version on top of a name that is taken")
        ] = False,
        prefix: Annotated[str, Query(description="What the names start with")] = "",
    ) -> Response:
        bucket, key = bucket_of(request), key_of(request)
        refuse_encoding(request)
        _check_query(request)
        if expected_digests(request.headers).claims:
            raise InvalidParameter("the digest of a file is sent with its part of the form")
        form = FormReader(request.headers.get("content-type", ""), request.stream())
        files = _Files(receiver, request, bucket, prefix, overwrite)
        preferences = preferences_of(request)
        wait_seconds = preferences.wait(otherwise=receiver.settings.wait_seconds)
        with receiver.submissions.open(key) as submission:
            batch = Batch(submission, _told if not overwrite else lambda problem: problem)
            try:
                await files.read(form, batch)
                await batch.send()
            except SangrahaError as error:
                await batch.give_up(error, receiver.uploads.discard_all)
                results = await batch.results(wait_seconds)
                if results.was_sent:
                    error.members.update(results.document())
                raise
            except BaseException:
                await batch.give_up(SangrahaError(), receiver.uploads.discard_all)
                raise
            return (await batch.results(wait_seconds)).answer(preferences)

    return {"create_files": Endpoint(create_files, _ANSWERS, _CONTENT, _FORM)}


class _Files:
    """Makes a write of each file of one form."""

    def __init__(
        self, receiver: Receiver, request: Request, bucket: str, prefix: str, overwrite: bool
    ) -> None:
        self._receiver = receiver
        self._request = request
        self._bucket = bucket
        self._prefix = prefix
        self._precondition = None if overwrite else Precondition(if_none_match=["*"])
        self._metadata = checked_metadata(header_metadata(request.headers.items()))

    async def read(self, form: FormReader, batch: Batch) -> None:
        """Add every file to the batch as it comes; fields are metadata of the files after them.

        A file that cannot be kept is refused alone. Raises what ends the form: MalformedRequest,
        InvalidParameter for too many files, and whatever keeps a body or a group from its way.
        """
        count = 0
        async for part in form.parts():
            if not part.is_file:
                self._metadata = {**self._metadata, part.name: await part.text()}
                continue
            count += 1
            if count > MAX_FILES:
                raise InvalidParameter(f"a form may have at most {MAX_FILES} files")
            await self._take(part, batch)
        if not count:
            raise MalformedRequest("the form has no part with a file name")

    async def _take(self, part: FormPart, batch: Batch) -> None:
        label: dict[str, Any] = {"name": None}
        try:
            file_name = part.file_name()
            if not file_name:
                raise InvalidName("the file has no name")
            label["name"] = self._prefix + file_name
            name = checked_object_name(self._prefix + file_name)
            metadata = checked_metadata(self._metadata)
            expected = expected_digests(part.headers)
        except RequestRefused as error:
            batch.refuse(label, error)
            return
        fields = identity(self._receiver, self._request)
        key = object_key(self._bucket, fields["request_id"], file_name)
        try:
            content = await self._receiver.uploads.take(part.chunks(), key, expected=expected)
        except (DigestMismatch, BodyTooLarge) as error:
            batch.refuse(label, error)
            return
        create = CreateObject(
            **fields,
            came_at=datetime.now(UTC),
            bucket=self._bucket,
            name=name,
            precondition=self._precondition,
            file_name=file_name,
            declared_content_type=part.content_type,
            metadata=metadata,
            content=content,
        )
        await batch.add(label, create)


def _check_query(request: Request) -> None:
    """The framework would make something else of bytes that are no UTF-8."""
    try:
        unquote_to_bytes(request.scope["query_string"]).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidParameter("the query is not UTF-8") from None


def _told(problem: Problem) -> Problem:
    """The precondition was ours: what the client hears is that the name is taken."""
    if problem.slug != PreconditionFailed.slug:
        return problem
    return AlreadyExists("the name is taken; ?overwrite=true puts a new version on top").problem()


_ANSWERS: Final = {
    200: "Every file was stored",
    207: "Not every file was stored; each one's result says why",
    **BODY_ANSWERS,
    202: "Every file was accepted; each one's status_url tells its outcome",
}
_CONTENT: Final = {200: MANY, 202: MANY, 207: MANY}
_FORM: Final[dict[str, Any]] = {
    "parameters": [*HOW, METADATA],
    "requestBody": {
        "required": True,
        "description": "Each part with a file name is a file; the others are metadata of the files "
        "after them",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                            "maxItems": MAX_FILES,
                        }
                    },
                    "required": ["file"],
                    "additionalProperties": {"type": "string"},
                }
            }
        },
    },
}
