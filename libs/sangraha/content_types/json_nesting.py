"""The arrays and objects that are open where a piece of JSON ends, by counting its brackets.

Whether they match is not looked at here: the parser that is given the piece sees that.
"""

from itertools import accumulate
from typing import Final

from sangraha.content_types.damage import broken

NOUN: Final = "JSON document"
MAX_DEPTH: Final = 500
"""Levels of nesting. msgspec's own limit is its caller's: 1,000 less the depth of the stack."""

_NOT_BRACKETS_OR_QUOTES: Final = bytes(range(256)).translate(None, b'[]{}"')
_OPENING: Final = frozenset(b"[{")
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_AROUND: Final = {ord("["): (b"[", b"]"), ord("{"): (b'{"":', b"}")}


class Nesting:
    """What is open after the pieces so far."""

    def __init__(self) -> None:
        self._open = b""

    @property
    def innermost(self) -> bytes:
        """The bracket that opened last and is still open; b"" outside of all."""
        return self._open[-1:]

    def follow(self, text: bytes) -> tuple[bytes, bytes]:
        """Follow a text without escapes that starts by opening the innermost again.

        What must go around it so that all it closes was open, and all it opens is closed but for
        the innermost. Raises DamagedContent for more than MAX_DEPTH levels.
        """
        brackets = text.translate(None, _NOT_BRACKETS_OR_QUOTES).replace(b'""', b"")
        if b'"' in brackets:
            brackets = b"".join(brackets.split(b'"')[::2])
        before = self._open[:-1]
        left, passes = _without_pairs(brackets)
        # Each pass takes away two levels at most: mostly there is no need to look at all brackets.
        may_be_deep = len(before) + 2 * passes + _depth(left) > MAX_DEPTH
        if may_be_deep and len(before) + _depth(brackets) > MAX_DEPTH:
            raise broken(NOUN, f"it is nested more than {MAX_DEPTH:,} levels deep")
        opened: list[int] = []
        closed = 0
        for bracket in left:
            if bracket in _OPENING:
                opened.append(bracket)
            elif opened:
                opened.pop()
            else:
                closed += 1
        untouched = before[: max(0, len(before) - closed)]
        self._open = untouched + bytes(opened)
        # The innermost that is left open must be in the text or around it.
        first = max(0, len(untouched) - 1)
        return (
            b"".join(_AROUND[each][0] for each in before[first:]),
            b"".join(_AROUND[each][1] for each in reversed(self._open[first:-1])),
        )


def without_escapes(text: bytes) -> bytes:
    """The text without what could be taken for a quote that ends a string."""
    return text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text


def _without_pairs(brackets: bytes) -> tuple[bytes, int]:
    """What is left once pairs with nothing within were taken away, and in how many passes.

    A pass is ten times as fast as looking at the brackets one by one: what takes away less than a
    tenth of them is the last.
    """
    passes = 0
    while brackets:
        left = brackets.replace(b"[]", b"").replace(b"{}", b"")
        passes += 1
        is_last = len(left) > len(brackets) * 9 // 10
        brackets = left
        if is_last:
            break
    return brackets, passes


def _depth(brackets: bytes) -> int:
    """How many are open at once at most."""
    return max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b")), default=0)
