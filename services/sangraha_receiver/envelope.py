"""The JSON envelope of `POST /objects`: `{"data": …}`, whose value's exact bytes are the object."""

from typing import Final

import msgspec

from sangraha.broker.topology import MIB
from sangraha.errors import BodyTooLarge, MalformedRequest
from sangraha.http.disposition import checked_file_name

MAX_ENVELOPE_BYTES: Final = 16 * MIB
"""An envelope is gathered whole before it is looked at."""


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` is kept byte for byte, white space inside it included."""

    data: msgspec.Raw
    file_name: str | None = None
    metadata: dict[str, str] = {}


_DECODER = msgspec.json.Decoder(Envelope)


def parse_envelope(document: bytes | bytearray) -> Envelope:
    """The envelope.

    Raises MalformedRequest, saying what is wrong and what is expected, and InvalidParameter for a
    file name nobody could use.
    """
    try:
        envelope = _DECODER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f'expected JSON of the form {{"data": …}}: {error}') from error
    return msgspec.structs.replace(envelope, file_name=checked_file_name(envelope.file_name))


def envelope_too_large() -> BodyTooLarge:
    """The refusal that says how a larger document gets in."""
    return BodyTooLarge(
        f"an envelope has at most {MAX_ENVELOPE_BYTES} bytes; send a larger JSON document as it "
        "is with PUT, or as the file of a form, to an address in a bucket",
        max_bytes=MAX_ENVELOPE_BYTES,
    )
