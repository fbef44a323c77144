"""The two ways in which content is damaged, in words for people: cut off, or broken.

MAX_PARTS bounds the work that a hostile body can ask of a walk over its parts.
"""

from typing import Final

from sangraha.errors import DamagedContent

MAX_PARTS: Final = 100_000
"""Chunks, segments or boxes in one file; real files of the sizes judged here have far fewer."""


def cut_off(noun: str) -> DamagedContent:
    """The error for content that ends too early; `noun` as in "PNG image"."""
    return DamagedContent(f"The {noun} is cut off: its end is missing")


def broken(noun: str, why: str) -> DamagedContent:
    """The error for content whose structure is wrong; `why` as in "it has no pixels"."""
    return DamagedContent(f"The {noun} is broken: {why}")


def too_many_parts(noun: str) -> DamagedContent:
    """The error for content of more than MAX_PARTS parts."""
    return broken(noun, f"it is made of more than {MAX_PARTS:,} parts")
