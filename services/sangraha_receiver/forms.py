"""multipart/form-data with one file (RFC 7578), parsed as it arrives, kept in memory."""

import unicodedata
from collections.abc import AsyncIterable
from dataclasses import dataclass
from email.message import Message as MailHeaders
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from sangraha.errors import InvalidParameter, MalformedRequest
from sangraha.http.bodies import ENVELOPE_BYTES, too_large

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELD: Final = "file"
MAX_FILE_NAME_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Form:
    """The file of a form, and its other fields."""

    body: bytes
    file_name: str | None
    content_type: str | None
    fields: dict[str, str]


async def parse_form(content_type: str, chunks: AsyncIterable[bytes], max_body_bytes: int) -> Form:
    """The form in `chunks`.

    Raises MalformedRequest where it is not a whole form with exactly one part named `file`,
    BodyTooLarge where that part has more than `max_body_bytes`, and InvalidParameter for a file
    name nobody could use.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise MalformedRequest(
            "send the file as multipart/form-data with a boundary, in a part named "
            f"`{FILE_FIELD}` (curl: -F {FILE_FIELD}=@name)"
        )
    reader = _FormReader(max_body_bytes)
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise MalformedRequest(f"the form is broken: {error}") from error
    return reader.form()


class _FormReader:
    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._header = (bytearray(), bytearray())
        self._headers: dict[str, str] = {}
        self._data = bytearray()
        self._name = ""
        self._file: tuple[bytes, str | None, str | None] | None = None
        self._fields: dict[str, str] = {}
        self._whole = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._named,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def form(self) -> Form:
        if not self._whole:
            raise MalformedRequest("the form is cut off: its closing boundary is missing")
        if self._file is None:
            raise MalformedRequest(f"the form has no part named `{FILE_FIELD}`")
        body, file_name, content_type = self._file
        return Form(body, file_name, content_type, self._fields)

    def _begin(self) -> None:
        self._headers = {}
        self._data = bytearray()

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        name.clear()
        value.clear()

    def _named(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition"))
        self._name = _text(options.get(b"name", b""))
        if not self._name:
            raise MalformedRequest("a part of the form has no name")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += memoryview(data)[start:end]
        if self._name == FILE_FIELD and len(self._data) > self._max_body_bytes:
            raise too_large(self._max_body_bytes)
        if self._name != FILE_FIELD and len(self._data) > ENVELOPE_BYTES:
            raise MalformedRequest(f"the field `{self._name}` is too long")

    def _part_end(self) -> None:
        if self._name != FILE_FIELD:
            self._fields[self._name] = _text(bytes(self._data))
            return
        if self._file is not None:
            raise MalformedRequest(f"the form has more than one part named `{FILE_FIELD}`")
        disposition = self._headers.get("content-disposition", "")
        self._file = bytes(self._data), _file_name(disposition), self._headers.get("content-type")

    def _end(self) -> None:
        self._whole = True


def _file_name(disposition: str) -> str | None:
    _, options = parse_options_header(disposition)
    if b"filename" in options:
        name = _text(options[b"filename"])
        # How HTML forms escape what would end the parameter (WHATWG HTML, 4.10.21.8).
        for escaped, char in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
            name = name.replace(escaped, char)
    elif "filename*" in disposition:
        headers = MailHeaders()
        headers["Content-Disposition"] = disposition
        name = headers.get_filename() or ""
    else:
        return None
    return checked_file_name(name)


def checked_file_name(name: str | None) -> str | None:
    """The same name, None for an empty one. Raises InvalidParameter for one nobody could use."""
    if not name:
        return None
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise InvalidParameter("the file name has control characters or broken Unicode")
    if len(name.encode()) > MAX_FILE_NAME_BYTES:
        raise InvalidParameter(f"the file name has more than {MAX_FILE_NAME_BYTES} bytes")
    return name


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
