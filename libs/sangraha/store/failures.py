"""Why a store failed, in a few words that hold no secret: a server's code, or what went wrong
on the way to it. The libraries' own messages quote whole answers and are not passed on.
"""

import re
from typing import Final

import urllib3
from minio.error import S3Error

_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS: Final = re.compile(r"status code:? (\d{3})\b")
_NO_BUCKET: Final = "<Code>NoSuchBucket</Code>"
_KINDS: Final = {
    "kind: Timeout": "it did not answer in time",
    "kind: Connect": "it cannot be reached",
}


def reason(error: BaseException) -> str:
    """What went wrong, as the end of a sentence about the store."""
    text = str(error)
    if isinstance(error, S3Error):
        return f"it answered {error.code}"
    if found := _CODE.search(text) or _STATUS.search(text):
        return f"it answered {found[1]}"
    for mark, meaning in _KINDS.items():
        if mark in text:
            return meaning
    if isinstance(error, urllib3.exceptions.HTTPError):
        return _reason_of_connection(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"it failed with {type(error).__name__}"


def tells_no_bucket(error: BaseException) -> bool:
    """Whether it is the bucket that is missing, rather than a body in it."""
    return _NO_BUCKET in str(error)


def _reason_of_connection(error: urllib3.exceptions.HTTPError) -> str:
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "it cannot be reached"
    # What goes wrong while a body is sent comes wrapped.
    if any(
        isinstance(each, TimeoutError | urllib3.exceptions.TimeoutError)
        for each in (error, *error.args)
    ):
        return "it did not answer in time"
    return "the connection broke"
