"""The figures as a table for people."""

import statistics
from collections.abc import Sequence

from loadtest.bodies import MIB, Measured, Pair

HEAD = (
    "| size | PUT straight | through | ratio | GET straight | through | ratio | memory + |\n"
    "|---|---|---|---|---|---|---|---|"
)


def table(results: Sequence[Measured]) -> str:
    """Medians in MB/s, ratios with their spread, and the highest rise of any service's memory."""
    return "\n".join([HEAD, *(row(result) for result in results)])


def row(result: Measured) -> str:
    """One size."""
    service, rise = max(result.memory.items(), key=lambda item: item[1])
    cells = [
        f"{result.size / MIB:g} MiB",
        *columns(result.size, result.put),
        *columns(result.size, result.get),
        f"{rise / MIB:.0f} MiB ({service})",
    ]
    return f"| {' | '.join(cells)} |"


def columns(size: int, pairs: Sequence[Pair]) -> list[str]:
    """Speed straight, speed through Sangraha, ratio."""
    ratios = sorted(pair.ratio for pair in pairs)
    speeds = [
        size / statistics.median(seconds) / 1e6
        for seconds in ([pair.straight for pair in pairs], [pair.sangraha for pair in pairs])
    ]
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return [*(f"{speed:.0f} MB/s" for speed in speeds), spread]
