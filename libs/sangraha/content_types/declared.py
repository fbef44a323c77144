"""What a client says its bytes are: used only to refine what they were found to be."""

import re
from typing import Final

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,127}"
_TYPE: Final = re.compile(rf"[ \t]*({_WORD})/({_WORD})[ \t]*")
_PARAMETER: Final = re.compile(
    rf""";[ \t]*({_WORD})=(?:({_WORD})|"((?:[^"\\\x00-\x1f\x7f-\U0010ffff]|\\[ -~])*)")[ \t]*"""
)
_PLAIN: Final = re.compile(_WORD)
_MAX_CHARACTERS: Final = 512
_SUFFIXES: Final = {"application/json": "+json"}


def refine(detected: str, declared: str | None) -> str:
    """The declared content type, normalised, where it says the same as `detected` more exactly.

    That is: the same type with parameters, or one whose structured syntax suffix (RFC 6839)
    names the detected type. Anything else, garbage included, leaves `detected`. Images and PDF
    documents say all of it themselves: a parameter could only mislead a reader.
    """
    if detected.startswith("image/") or detected == "application/pdf":
        return detected
    parsed = _parse(declared or "")
    if parsed is None:
        return detected
    essence, parameters = parsed
    suffix = _SUFFIXES.get(detected)
    if essence != detected and not (suffix and essence.endswith(suffix)):
        return detected
    if suffix:
        # JSON is UTF-8 and defines no charset (RFC 8259, section 11).
        parameters.pop("charset", None)
    return _written(essence, parameters)


def normalised(declared: str | None) -> str | None:
    """The declared content type in one way of writing it; None for none and for garbage."""
    parsed = _parse(declared or "")
    return parsed and _written(*parsed)


def _parse(text: str) -> tuple[str, dict[str, str]] | None:
    """The type in lower case and its parameters (RFC 9110, section 8.3.1); None for garbage."""
    found = _TYPE.match(text)
    if found is None or len(text) > _MAX_CHARACTERS:
        return None
    essence = f"{found[1]}/{found[2]}".lower()
    parameters: dict[str, str] = {}
    at = found.end()
    while at < len(text):
        parameter = _PARAMETER.match(text, at)
        if parameter is None:
            return None
        name, token, quoted = parameter.groups()
        parameters.setdefault(name.lower(), token or re.sub(r"\\(.)", r"\1", quoted or ""))
        at = parameter.end()
    return essence, parameters


def _written(essence: str, parameters: dict[str, str]) -> str:
    return essence + "".join(
        f"; {name}={value if _PLAIN.fullmatch(value) else _quoted(value)}"
        for name, value in parameters.items()
    )


def _quoted(value: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
