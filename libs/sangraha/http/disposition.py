"""Content-Disposition with any Unicode file name (RFC 6266, RFC 8187)."""

from urllib.parse import quote

_ATTR_CHAR = "!#$&+-.^_`|~"


def content_disposition(file_name: str | None) -> str:
    """`inline`, with the file name where there is one.

    Names beyond plain ASCII go into `filename*` (RFC 8187, section 3.2), with an ASCII rendering
    in `filename` for those who do not know it.
    """
    if not file_name:
        return "inline"
    plain = "".join(
        char if " " <= char <= "~" and char not in '"\\%' else "_" for char in file_name
    )
    if plain == file_name:
        return f'inline; filename="{file_name}"'
    encoded = quote(file_name.encode("utf-8", "replace"), safe=_ATTR_CHAR)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
