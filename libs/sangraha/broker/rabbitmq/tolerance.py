"""Makes pamqp read the properties of every message that RabbitMQ lets through.

RabbitMQ checks neither text nor dates, and pamqp raises in aiormq's reader for what it cannot
read: the connection would end, and again with every redelivery, for all that is consumed on it.
It is no judge of messages: that is for those who handle them.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from pamqp import decode
from pamqp.common import FieldArray, FieldTable

EPOCH: Final = datetime.fromtimestamp(0, UTC)

_LENGTH_BYTES: Final = 4


def install() -> None:
    """Put these decoders in the place of pamqp's own, in this whole process; twice is harmless."""
    decode.METHODS |= {"shortstr": short_string, "timestamp": timestamp, "table": table}
    decode.TABLE_MAPPING |= {b"T": timestamp, b"F": table, b"A": array}


def short_string(value: bytes) -> tuple[int, str]:
    """A short string (AMQP 0-9-1, 4.2.5.3), with "?" for what is not UTF-8."""
    try:
        return decode.short_str(value)
    except UnicodeDecodeError:
        end = 1 + value[0]
        # U+FFFD takes three bytes, and what is published again must still fit into 255.
        return end, value[1:end].decode(errors="replace").replace("\N{REPLACEMENT CHARACTER}", "?")


def timestamp(value: bytes) -> tuple[int, datetime]:
    """A timestamp (4.2.5.4); the epoch where no calendar has the date, as of nanoseconds."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, EPOCH


def table(value: bytes) -> tuple[int, FieldTable]:
    """A field table (4.2.5.5) with what could be read of it; its names are as `short_string`."""
    end = _end(value)
    rest = value[_LENGTH_BYTES:end]
    told: FieldTable = {}
    with suppress(ValueError, RecursionError):
        while rest:
            consumed, name = short_string(rest)
            rest = rest[consumed:]
            consumed, told[name] = decode.embedded_value(rest)
            rest = rest[consumed:]
    return end, told


def array(value: bytes) -> tuple[int, FieldArray]:
    """A field array (4.2.5.5); an empty one where arrays are nested deeper than can be read."""
    try:
        return decode.field_array(value)
    except (ValueError, RecursionError):
        return _end(value), []


def _end(value: bytes) -> int:
    return _LENGTH_BYTES + int.from_bytes(value[:_LENGTH_BYTES])
