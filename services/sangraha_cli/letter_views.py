"""Dead letters as people read them in a terminal. Whatever is in a message, it controls nothing."""

import io
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sangraha.catalog.dead_letter import DeadLetter
from sangraha_orchestrator.deaths import attempts_before, redrives_of

_FIRST_BYTES: Final = 256
_BYTES_A_LINE: Final = 16
_LEAST_WIDTH: Final = 120
_WHOLE_WIDTH: Final = 10_000


def letter_table(letters: Sequence[DeadLetter]) -> str:
    """A line each."""
    table = Table(box=None, pad_edge=False)
    for heading in ("LETTER", "RECORDED", "ERROR"):
        table.add_column(heading, no_wrap=True)
    table.add_column("REQUESTS", justify="right")
    table.add_column("ATTEMPTS", justify="right")
    table.add_column("REASON", no_wrap=True, overflow="ellipsis")
    for letter in letters:
        table.add_row(
            str(letter.letter_id),
            f"{letter.recorded_at:%Y-%m-%d %H:%M:%S}",
            Text(_visible(letter.fault.error)),
            str(len(letter.request_ids)),
            str(_attempts(letter)),
            Text(_visible(letter.fault.message)),
        )
    return _rendered(table)


def letter_text(letter: DeadLetter) -> str:
    """All that is known of it, and the first bytes of its message."""
    fault = letter.fault
    redriven = "" if letter.redriven_at is None else letter.redriven_at.isoformat()
    facts = {
        "letter": str(letter.letter_id),
        "message": letter.message_id,
        "queue": letter.queue,
        "recorded": letter.recorded_at.isoformat(),
        "redriven": redriven,
        "redrives": str(redrives_of(letter.headers)),
        "attempts": str(_attempts(letter)),
        "error": fault.error,
        "reason": fault.message,
        "host": fault.host,
        "failed": fault.failed_at.isoformat(),
        "bytes": str(letter.body_size),
        **{f"request {n}": str(one) for n, one in enumerate(letter.request_ids, 1)},
        **{f"body {n}": key for n, key in enumerate(letter.body_keys, 1)},
        **{f"header {name}": str(value) for name, value in letter.headers.items()},
    }
    lines = [f"{_visible(name)}: {_visible(value)}" for name, value in facts.items() if value]
    if fault.stack:
        lines += ["stack:", *(f"  {_visible(line)}" for line in fault.stack.splitlines())]
    lines += ["first bytes:", *_dump((letter.body or b"")[:_FIRST_BYTES])]
    return "\n".join(lines) + "\n"


def _attempts(letter: DeadLetter) -> int:
    return attempts_before(letter.headers) + letter.fault.attempts


def _visible(text: str) -> str:
    """Without what a terminal obeys or hides."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _dump(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), _BYTES_A_LINE):
        line = data[start : start + _BYTES_A_LINE]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        yield f"  {start:08x}  {line.hex(' '):<{3 * _BYTES_A_LINE}} {text}"


def _rendered(table: Table) -> str:
    # A terminal's lines are cut, but not in the ids; what goes elsewhere is not cut at all.
    own = Console()
    width = max(own.width, _LEAST_WIDTH) if own.is_terminal else _WHOLE_WIDTH
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(table)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
