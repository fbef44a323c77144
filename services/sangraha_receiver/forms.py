"""multipart/form-data (RFC 7578), parsed as it arrives: nothing is gathered but small fields."""

from collections import deque
from collections.abc import AsyncIterator
from enum import Enum, auto
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers

from sangraha.errors import InvalidParameter, MalformedRequest
from sangraha.http.bodies import ENVELOPE_BYTES
from sangraha.http.disposition import disposition_file_name, form_file_name

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks


class _Mark(Enum):
    PART_END = auto()
    FORM_END = auto()


class FormReader:
    """The parts of a form, one after the other, from the chunks of a request's body."""

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        """Raises MalformedRequest where the body is no form, or says no boundary."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise MalformedRequest(
                "send files as multipart/form-data with a boundary (curl: -F file=@name)"
            )
        self._chunks = chunks
        # A part's headers, its data piece by piece, its end; and so on until the form's.
        self._events: deque[Headers | bytes | _Mark] = deque()
        self._header = (bytearray(), bytearray())
        self._headers: list[tuple[bytes, bytes]] = []
        self._fields_left = ENVELOPE_BYTES
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as error:
            raise MalformedRequest(f"the form is broken: {error}") from error

    async def parts(self) -> AsyncIterator["FormPart"]:
        """Every part; what was left unread of one is skipped when the next is asked for.

        Raises MalformedRequest where the form is broken or cut off, and what the chunks raise.
        """
        while (event := await self.next()) is not _Mark.FORM_END:
            if isinstance(event, Headers):
                yield FormPart(self, event)
        async for _ in self._chunks:
            # What follows the closing boundary means nothing (RFC 2046, section 5.1.1).
            pass

    async def next(self) -> Headers | bytes | _Mark:
        """What comes next in the form, whatever it is."""
        while not self._events:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                raise MalformedRequest("the form is cut off: its closing boundary is missing")
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise MalformedRequest(f"the form is broken: {error}") from error
        return self._events.popleft()

    def spend(self, size: int, name: str) -> None:
        """Account for bytes that are kept of a field. Raises MalformedRequest for too many."""
        self._fields_left -= size
        if self._fields_left < 0:
            raise MalformedRequest(
                f"the form's fields have more than {ENVELOPE_BYTES} bytes in all, "
                f"those of `{name}` included"
            )

    def _callbacks(self) -> "MultipartCallbacks":
        events = self._events
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": lambda: events.append(Headers(raw=list(self._headers))),
            "on_part_data": lambda data, start, end: events.append(data[start:end]),
            "on_part_end": lambda: events.append(_Mark.PART_END),
            "on_end": lambda: events.append(_Mark.FORM_END),
        }

    def _header_end(self) -> None:
        name, value = self._header
        self._headers.append((bytes(name).lower(), bytes(value)))
        name.clear()
        value.clear()


class FormPart:
    """One part of a form. Its data can be read once, before the next part is asked for."""

    def __init__(self, form: FormReader, headers: Headers) -> None:
        self.headers = headers
        self._form = form
        self._disposition = headers.get("content-disposition")
        _, options = parse_options_header(self._disposition)
        self.name = _text(options.get(b"name", b""))
        if not self.name:
            raise MalformedRequest("a part of the form has no name")

    @property
    def content_type(self) -> str | None:
        """What the client says it is."""
        return self.headers.get("content-type")

    @property
    def is_file(self) -> bool:
        """Whether it has a file name, if only an empty one."""
        try:
            return self.file_name() is not None
        except InvalidParameter:
            return True

    def file_name(self) -> str | None:
        """Its file name, None where it has none. Raises InvalidParameter for one nobody could use.

        Some clients send `filename*` although they must not (RFC 7578, section 4.2).
        """
        name = form_file_name(self._disposition)
        return disposition_file_name(self._disposition) if name is None else name

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its data as it comes in."""
        while isinstance(event := await self._form.next(), bytes):
            yield event

    async def text(self) -> str:
        """The value of a field. Raises MalformedRequest where the form's fields are too long."""
        self._form.spend(len(self.name.encode()), self.name)
        value = bytearray()
        async for chunk in self.chunks():
            self._form.spend(len(chunk), self.name)
            value += chunk
        return _text(bytes(value))


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
