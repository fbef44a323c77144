"""Images in the varieties that programs really write are all taken."""

import io

import pytest
from PIL import Image

from sangraha.content_types import judge
from sangraha.errors import DamagedContent
from tests.samples import photograph

VARIETIES = [
    *[("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
    ("PNG", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", "dpi": (300, 300)}),
    *[("JPEG", mode, {}) for mode in ("L", "RGB", "CMYK")],
    ("JPEG", "RGB", {"restart_marker_blocks": 1, "comment": b"\xff\xd9", "quality": 100}),
    ("JPEG", "RGB", {"progressive": True, "optimize": True, "icc_profile": b"\xff\xd9" * 40_000}),
    *[("GIF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")],
    ("GIF", "P", {"interlace": True, "comment": b";" * 600, "transparency": 0}),
    *[("WEBP", mode, {}) for mode in ("L", "RGB", "RGBA")],
    ("WEBP", "RGBA", {"exif": b"Exif\0\0abc", "icc_profile": b"odd", "xmp": b"<x/>"}),
    *[("TIFF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "F", "I;16", "I;16B")],
    *[
        ("TIFF", "RGB", {"compression": compression})
        for compression in ("tiff_deflate", "tiff_lzw", "packbits", "jpeg", "zstd")
    ],
    *[("TIFF", "1", {"compression": compression}) for compression in ("group3", "group4")],
    ("TIFF", "RGB", {"strip_size": 64}),
    *[("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")],
    *[("AVIF", mode, {}) for mode in ("L", "RGB", "RGBA")],
    ("AVIF", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", "quality": 100}),
]


def written(form: str, mode: str, options: dict[str, object]) -> bytes:
    picture = photograph(45, 33)
    picture = (
        picture.convert("L").convert("I").convert(mode) if "I" in mode else picture.convert(mode)
    )
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize(("form", "mode", "options"), VARIETIES)
def test_every_variety_is_taken_and_no_cut_one(
    form: str, mode: str, options: dict[str, object]
) -> None:
    body = written(form, mode, options)
    assert judge(body, ["image"]).content_type == f"image/{form.lower()}"
    assert Image.open(io.BytesIO(body)).format == form
    for length in range(60, len(body.rstrip(b"\0")), 7):
        with pytest.raises(DamagedContent):
            judge(body[:length], ["image"])
