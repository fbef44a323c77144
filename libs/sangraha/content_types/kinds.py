"""The kinds of content that are known by their structure, in the order in which they are tried."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sangraha.content_types import (
    avif,
    bmp,
    gif,
    jpeg,
    json_document,
    pdf,
    png,
    svg,
    tiff,
    webp,
)
from sangraha.content_types.seen import Seen
from sangraha.objects import ObjectType


@dataclass(frozen=True, slots=True)
class Kind:
    """`examine` tells whether bytes are of this kind, and raises DamagedContent where they are,
    but not whole, as far as what was seen of them can tell. `noun` is what people call it.
    """

    type: ObjectType
    content_type: str
    noun: str
    examine: Callable[[Seen], bool]


KINDS: Final = (
    Kind("image", "image/png", png.NOUN, png.examine),
    Kind("image", "image/jpeg", jpeg.NOUN, jpeg.examine),
    Kind("image", "image/gif", gif.NOUN, gif.examine),
    Kind("image", "image/webp", webp.NOUN, webp.examine),
    Kind("image", "image/tiff", tiff.NOUN, tiff.examine),
    Kind("image", "image/bmp", bmp.NOUN, bmp.examine),
    Kind("image", "image/avif", avif.NOUN, avif.examine),
    Kind("pdf", "application/pdf", pdf.NOUN, pdf.examine),
    Kind("json", "application/json", json_document.NOUN, json_document.examine),
    Kind("image", "image/svg+xml", svg.NOUN, svg.examine),
)
