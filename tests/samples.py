"""Files of every kind, made in code: what people would upload, in the sizes tests need.

`each_kind` gives one or more small samples a kind; `mixed` makes any number of larger ones.
"""

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject

from sangraha.objects import ObjectType


@dataclass(frozen=True)
class Sample:
    """A whole file. `file_name` is as a person may have named it."""

    file_name: str
    type: ObjectType
    content_type: str
    body: bytes

    def __repr__(self) -> str:
        return f"Sample({self.file_name!r}, {self.content_type}, {len(self.body)} bytes)"


def photograph(width: int, height: int, seed: int = 1) -> Image.Image:
    """A picture with soft gradients and some noise, so that it compresses like a photograph."""
    rng = random.Random(seed)
    small = Image.frombytes("RGB", (8, 8), rng.randbytes(8 * 8 * 3))
    noise = Image.frombytes("RGB", (width, height), rng.randbytes(width * height * 3))
    return Image.blend(small.resize((width, height), Image.Resampling.BICUBIC), noise, 0.04)


def image(form: str, width: int = 24, height: int = 18, seed: int = 1, **options: object) -> bytes:
    """A photograph in one of Pillow's formats ("PNG", "JPEG", ...), with its options."""
    file = io.BytesIO()
    photograph(width, height, seed).save(file, form, **options)
    return file.getvalue()


def animation(form: str, frames: int = 3, **options: object) -> bytes:
    """Several pictures in one file: GIF, WebP, AVIF, or the pages of a TIFF."""
    file = io.BytesIO()
    first, *others = (photograph(24, 18, seed) for seed in range(frames))
    first.save(file, form, save_all=True, append_images=others, **options)
    return file.getvalue()


def jpeg_with_thumbnail() -> bytes:
    """A camera's JPEG: a whole JPEG, end marker and all, inside its first segment."""
    thumbnail = b"Exif\0\0" + image("JPEG", 8, 8, seed=9)
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    plain = image("JPEG")
    return plain[:2] + segment + plain[2:]


def pdf(pages: int = 3, words: str = "Sangraha") -> bytes:
    """A document of several pages, each with a line of text."""
    writer = PdfWriter()
    for number in range(1, pages + 1):
        page = writer.add_blank_page(width=595, height=842)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 72 770 Td ({words} {number}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def updated_pdf() -> bytes:
    """A document with a second revision appended, as a signature or a form filled in does."""
    writer = PdfWriter(PdfReader(io.BytesIO(pdf(2))), incremental=True)
    writer.add_blank_page(width=100, height=100)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def svg() -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- a drawing -->\n'
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
        '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
        '<title>दिल्ली</title><circle cx="20" cy="20" r="15"/></svg>\n'
    ).encode()


def document(seed: int = 1, depth: int = 6) -> bytes:
    """A JSON document with nesting and Unicode."""
    rng = random.Random(seed)
    words = ["naïve", "Straße", "東京", "مرحبا", "दिल्ली", "🛰️", 'quo"te', "tab\t", "\u2028"]
    value: object = {"reading": rng.uniform(-1e3, 1e3), "count": rng.getrandbits(60)}
    for level in range(depth):
        value = {rng.choice(words): value, "list": [None, True, level, rng.choice(words)]}
    return json.dumps(value, ensure_ascii=seed % 2 == 0).encode()


@cache
def each_kind() -> tuple[Sample, ...]:
    """At least one small sample of every kind."""
    return (
        Sample("plain.png", "image", "image/png", image("PNG")),
        Sample("photo.jpg", "image", "image/jpeg", image("JPEG")),
        Sample("progressive.jpg", "image", "image/jpeg", image("JPEG", progressive=True)),
        Sample("camera.jpg", "image", "image/jpeg", jpeg_with_thumbnail()),
        Sample("still.gif", "image", "image/gif", image("GIF")),
        Sample("moving.gif", "image", "image/gif", animation("GIF", duration=50, loop=0)),
        Sample("lossy.webp", "image", "image/webp", image("WEBP")),
        Sample("lossless.webp", "image", "image/webp", image("WEBP", lossless=True)),
        Sample("moving.webp", "image", "image/webp", animation("WEBP")),
        Sample("scan.tiff", "image", "image/tiff", image("TIFF")),
        Sample("packed.tif", "image", "image/tiff", image("TIFF", compression="tiff_lzw")),
        Sample("pages.tif", "image", "image/tiff", animation("TIFF")),
        Sample("big.tif", "image", "image/tiff", image("TIFF", big_tiff=True)),
        Sample("paint.bmp", "image", "image/bmp", image("BMP")),
        Sample("still.avif", "image", "image/avif", image("AVIF")),
        Sample("moving.avif", "image", "image/avif", animation("AVIF")),
        Sample("drawing.svg", "image", "image/svg+xml", svg()),
        Sample("report.pdf", "pdf", "application/pdf", pdf()),
        Sample("signed.pdf", "pdf", "application/pdf", updated_pdf()),
        Sample("record.json", "json", "application/json", document()),
        Sample("registro.json", "json", "application/json", document(2)),
    )


def mixed(count: int, seed: int = 1) -> list[Sample]:
    """`count` different files: JSON documents, photographs as PNG and JPEG, PDFs of several
    pages, with names in several scripts.
    """
    makers: list[Callable[[int], Sample]] = [
        lambda n: Sample(f"записи {n}.json", "json", "application/json", document(n, 3 + n % 40)),
        lambda n: Sample(f"東京 {n}.png", "image", "image/png", image("PNG", 160, 120, n)),
        lambda n: Sample(f"plage d'été {n}.jpg", "image", "image/jpeg", image("JPEG", 320, 240, n)),
        lambda n: Sample(f"दस्तावेज़ {n}.pdf", "pdf", "application/pdf", pdf(2 + n % 5, f"file {n}")),
    ]
    return [makers[at % len(makers)](seed * 1000 + at) for at in range(count)]


def drawing(shapes: int = 400, encoding: str = "utf-8") -> bytes:
    """An SVG image of many elements."""
    circles = "".join(f'<g id="{n}"><circle r="{n % 40}"/></g>\n' for n in range(shapes))
    document = f'<svg xmlns="http://www.w3.org/2000/svg"><title>चित्र</title>{circles}</svg>\n'
    return document.encode(encoding)


@cache
def each_kind_larger() -> tuple[Sample, ...]:
    """Samples of every kind of which head and tail are a small part: 20 KiB and more."""
    size = (200, 150)
    return (
        Sample("plain.png", "image", "image/png", image("PNG", *size)),
        Sample("photo.jpg", "image", "image/jpeg", image("JPEG", *size, quality=98)),
        Sample(
            "progressive.jpg",
            "image",
            "image/jpeg",
            image("JPEG", *size, quality=98, progressive=True, icc_profile=b"\xff\xd9" * 3000),
        ),
        Sample("still.gif", "image", "image/gif", image("GIF", *size)),
        Sample("lossy.webp", "image", "image/webp", image("WEBP", 400, 300, quality=98)),
        Sample("lossless.webp", "image", "image/webp", image("WEBP", *size, lossless=True)),
        Sample("scan.tiff", "image", "image/tiff", image("TIFF", *size)),
        Sample("strips.tif", "image", "image/tiff", image("TIFF", *size, strip_size=600)),
        Sample("packed.tif", "image", "image/tiff", image("TIFF", *size, compression="tiff_lzw")),
        Sample("big.tif", "image", "image/tiff", image("TIFF", *size, big_tiff=True)),
        Sample("paint.bmp", "image", "image/bmp", image("BMP", *size)),
        Sample("still.avif", "image", "image/avif", image("AVIF", 400, 300, quality=98)),
        Sample("drawing.svg", "image", "image/svg+xml", drawing()),
        Sample("drawing16.svg", "image", "image/svg+xml", drawing(encoding="utf-16")),
        Sample("report.pdf", "pdf", "application/pdf", pdf(100)),
        Sample("record.json", "json", "application/json", document(1, 300)),
    )
