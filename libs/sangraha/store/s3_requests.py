"""Requests to an S3 bucket that the minio library makes: streams, listings and the bucket itself.

obstore moves whole bodies. It does not stream them here: its timeout is for a request as a whole
and would cut a healthy one short, its uploads are not given up when their task is, its listings
fail at one foreign key, and its downloads reach three quarters of what these do.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from threading import Event
from typing import Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.datatypes import Part
from minio.error import MinioException, S3Error, ServerError
from urllib3.connection import HTTPConnection
from urllib3.response import BaseHTTPResponse

from sangraha.errors import BodyMissing, InvalidConfiguration, StoreUnavailable
from sangraha.store.failures import reason
from sangraha.store.keys import UPLOADS, is_key
from sangraha.store.protocol import StoredBody
from sangraha.store.s3_place import S3Place

_SENT_AT_ONCE: Final = 256 * 1024
# The kernel takes megabytes at once, and the wait for the answer would be for all of those as well.
_UNSENT: Final = (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _SENT_AT_ONCE)
_CONNECTIONS: Final = 64
_URL_LIFE: Final = timedelta(hours=1)
_FAILURES: Final = (MinioException, urllib3.exceptions.HTTPError, OSError, ValueError, ParseError)
_MISSING: Final = frozenset({"NoSuchKey", "InvalidRange"})
_NO_UPLOAD: Final = "NoSuchUpload"
_HOPELESS: Final = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "BucketAlreadyExists"}
    | {"InvalidBucketName", "AuthorizationHeaderMalformed"}
)


class S3Requests:
    """Each call blocks, so it belongs in a thread, and is one attempt. `timeout_seconds` bounds
    every wait for the server: to connect, to take the next bytes, to send the next.

    All raise StoreUnavailable.
    """

    def __init__(self, place: S3Place, *, timeout_seconds: float) -> None:
        self._place = place
        self._connections = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(connect=timeout_seconds, read=timeout_seconds),
            retries=False,
            socket_options=[*HTTPConnection.default_socket_options, _UNSENT],
        )
        endpoint = urlsplit(place.endpoint)
        # Multipart requests are private calls of the library; the contract tests make them all.
        self._minio = Minio(
            endpoint.netloc,
            secure=endpoint.scheme == "https",
            region=place.region,
            credentials=place.provider(self._connections),
            http_client=self._connections,
        )

    def make_bucket(self) -> None:
        """If it is not there; others may do so at the same time. Raises InvalidConfiguration."""
        bucket = self._place.bucket
        try:
            with _failing():
                if not self._minio.bucket_exists(bucket):
                    self._minio.make_bucket(bucket)
        except StoreUnavailable as error:
            code = error.__cause__.code if isinstance(error.__cause__, S3Error) else ""
            if code in _HOPELESS:
                raise InvalidConfiguration(
                    f"The store answered {code} about the bucket {bucket}"
                ) from error
            if code != "BucketAlreadyOwnedByYou":
                raise

    def put_body(self, key: str, size: int, pieces: Iterable[memoryview], given_up: Event) -> None:
        """Put a body of this size, as its pieces come, unless and until it is given up. Where they
        raise anything, nothing is kept; it may be raised as StoreUnavailable.
        """
        with _failing():
            url = self._minio.get_presigned_url("PUT", self._place.bucket, key, expires=_URL_LIFE)
            self._send(url, size, _unless(given_up, _blocks(pieces)))

    def begin_upload(self, key: str) -> str:
        """The id of a new multipart upload, noted under UPLOADS before it begins."""
        with _failing():
            self._minio.put_object(self._place.bucket, UPLOADS + key, BytesIO(), 0)
            return self._minio._create_multipart_upload(self._place.bucket, key, {})

    def put_part(
        self, key: str, upload: str, number: int, body: memoryview, given_up: Event
    ) -> Part:
        """Send one part, unless and until it is given up."""
        with _failing():
            url = self._minio.get_presigned_url(
                "PUT",
                self._place.bucket,
                key,
                expires=_URL_LIFE,
                extra_query_params={"partNumber": str(number), "uploadId": upload},
            )
            answer = self._send(url, len(body), _unless(given_up, _blocks([body])))
            return Part(number, answer.headers["ETag"].strip('"'))

    def complete_upload(self, key: str, upload: str, parts: list[Part]) -> None:
        """Make one body of the parts."""
        with _failing():
            done = self._minio._complete_multipart_upload(self._place.bucket, key, upload, parts)
        # The answer's status comes before it is known how it ends.
        if not done.etag:
            raise StoreUnavailable("The store failed: it did not complete an upload")

    def end_upload(self, key: str) -> None:
        """Forget that it was begun."""
        with _failing():
            self._minio.remove_object(self._place.bucket, UPLOADS + key)

    def abort_uploads(self, key: str) -> None:
        """All of exactly this key. MinIO lists uploads by nothing else, or not reliably."""
        bucket = self._place.bucket
        with _failing():
            # Where it is but a prefix, longer keys come after the exact one.
            found = self._minio._list_multipart_uploads(bucket, prefix=key)
            for each in found.uploads:
                if each.object_name == key and each.upload_id:
                    self._abort(key, each.upload_id)

    def open_body(self, key: str, offset: int, length: int) -> BaseHTTPResponse:
        """A response whose content is the range, not empty. Raises BodyMissing."""
        with _failing():
            try:
                answer = self._minio.get_object(self._place.bucket, key, offset, length)
            except S3Error as error:
                if error.code in _MISSING:
                    raise BodyMissing(f"the store has no such range of a body {key}") from error
                raise
            if answer.headers.get("Content-Length") != str(length):
                answer.close()
                raise BodyMissing(f"the body {key} is shorter than asked for")
            return answer

    def read(self, answer: BaseHTTPResponse, size: int) -> bytes:
        """The next bytes of a body, fewer only at its end."""
        with _failing():
            return answer.read(size, decode_content=False)

    def bodies(self, prefix: str = "") -> Iterator[StoredBody]:
        """What is there under keys that bodies may have, page by page."""
        with _failing():
            for each in self._minio.list_objects(self._place.bucket, prefix=prefix, recursive=True):
                if is_key(each.object_name):
                    yield StoredBody(each.object_name, each.size, each.last_modified)

    def close(self) -> None:
        """Let go of idle connections."""
        self._connections.clear()

    def _send(self, url: str, size: int, body: Iterator[memoryview]) -> BaseHTTPResponse:
        answer = self._connections.urlopen(
            "PUT", url, body=body, headers={"Content-Length": str(size)}
        )
        if answer.status != 200:
            raise _refusal(answer)
        return answer

    def _abort(self, key: str, upload: str) -> None:
        try:
            self._minio._abort_multipart_upload(self._place.bucket, key, upload)
        except S3Error as error:
            if error.code != _NO_UPLOAD:
                raise


def _blocks(pieces: Iterable[bytes | memoryview]) -> Iterator[memoryview]:
    """Small enough that each is sent well within the timeout, on a slow connection too."""
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), _SENT_AT_ONCE):
            yield view[start : start + _SENT_AT_ONCE]


def _unless(given_up: Event, blocks: Iterator[memoryview]) -> Iterator[memoryview]:
    for block in blocks:
        if given_up.is_set():
            raise StoreUnavailable("The store failed: the upload was given up")
        yield block


def _refusal(answer: BaseHTTPResponse) -> MinioException:
    if b"<Code>" in answer.data:
        return S3Error.fromxml(answer)
    return ServerError(f"status code {answer.status}", answer.status)


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise StoreUnavailable(f"The store failed: {reason(error)}") from error
