"""Content-Disposition with any Unicode file name, out and in (RFC 6266, RFC 8187)."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from sangraha.errors import InvalidParameter

MAX_FILE_NAME_BYTES: Final = 1024
_ATTR_CHAR: Final = "!#$&+-.^_`|~"
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_KIND: Final = re.compile(rf"[ \t]*(?:{_WORD})[ \t]*")
_PARAMETER: Final = re.compile(
    rf';[ \t]*({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))[ \t]*', re.DOTALL
)
_EXTENDED: Final = re.compile(r"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'(.*)", re.IGNORECASE | re.DOTALL)


def content_disposition(file_name: str | None, download: str | None = None) -> str:
    """`inline`, or `attachment` where a download is asked for, with the file name if there is one.

    `download` is the name to save it by, which an empty one leaves to `file_name`. Names beyond
    plain ASCII go into `filename*` (RFC 8187, section 3.2), with an ASCII rendering in `filename`
    for those who do not know it.
    """
    kind = "inline" if download is None else "attachment"
    name = download or file_name
    if not name:
        return kind
    plain = "".join(char if " " <= char <= "~" and char not in '"\\%' else "_" for char in name)
    if plain == name:
        return f'{kind}; filename="{name}"'
    encoded = quote(name.encode("utf-8", "replace"), safe=_ATTR_CHAR)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def disposition_file_name(header: str | None) -> str | None:
    """The file name in an upload's Content-Disposition; None where it has none, or cannot be read.

    `filename*` counts before `filename` (RFC 6266, section 4.3). Raises InvalidParameter for a
    name nobody could use.
    """
    parameters = _parameters(header or "")
    extended = _EXTENDED.fullmatch(parameters.get("filename*", ""))
    if extended is not None:
        try:
            return checked_file_name(unquote_to_bytes(extended[2]).decode(extended[1]))
        except UnicodeDecodeError:
            raise InvalidParameter(f"the file name is not {extended[1].upper()}") from None
    return checked_file_name(_text(re.sub(r"\\(.)", r"\1", parameters.get("filename", ""))))


def form_file_name(header: str | None) -> str | None:
    """The file name of a part of a form, as browsers write it (WHATWG HTML, section 4.10.21.8).

    None where there is no `filename` at all, "" where it is empty: a part with either is a file or
    not. `filename*` has no place there (RFC 7578, section 4.2). Raises InvalidParameter.
    """
    name = _parameters(header or "").get("filename")
    if name is None:
        return None
    # A backslash is just that, but some clients escape it and quotes by another.
    text = re.sub(r'\\(["\\])', r"\1", _text(name))
    for escaped, char in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        text = text.replace(escaped, char)
    return checked_file_name(text) or ""


def checked_file_name(name: str | None) -> str | None:
    """The same name, None for an empty one. Raises InvalidParameter for one nobody could use."""
    if not name:
        return None
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise InvalidParameter("the file name has control characters or broken Unicode")
    if len(name.encode()) > MAX_FILE_NAME_BYTES:
        raise InvalidParameter(f"the file name has more than {MAX_FILE_NAME_BYTES} bytes")
    return name


def _parameters(header: str) -> dict[str, str]:
    """The parameters by name in lower case, the first of each, as far as they can be read; quoted
    ones without their quotes, but with their backslashes.
    """
    kind = _KIND.match(header)
    found: dict[str, str] = {}
    at = kind.end() if kind else len(header)
    while parameter := _PARAMETER.match(header, at):
        name, quoted, plain = parameter.groups()
        found.setdefault(name.lower(), plain.strip(" \t") if quoted is None else quoted)
        at = parameter.end()
    return found


def _text(value: str) -> str:
    """A header's text, which was read as Latin-1, as the UTF-8 that it nearly always is."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
