"""The JSON envelope of `POST /objects`: `{"data": …}`, whose value's exact bytes are the object."""

import msgspec

from sangraha.errors import MalformedRequest
from sangraha_receiver.forms import checked_file_name


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` is kept byte for byte, white space inside it included."""

    data: msgspec.Raw
    file_name: str | None = None
    metadata: dict[str, str] = {}


_DECODER = msgspec.json.Decoder(Envelope)


def parse_envelope(document: bytes) -> Envelope:
    """The envelope.

    Raises MalformedRequest, saying what is wrong and what is expected, and InvalidParameter for a
    file name nobody could use.
    """
    try:
        envelope = _DECODER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f'expected JSON of the form {{"data": …}}: {error}') from error
    return msgspec.structs.replace(envelope, file_name=checked_file_name(envelope.file_name))
