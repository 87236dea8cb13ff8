"""How long things took, in milliseconds. Measured, shown and kept; never decided on and never digested."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Final

from graphs.archive.result import Timings
from memory.archive.archive import Archive

CYCLE: Final = "cycle"
"""The time of a whole cycle, among those of its nodes."""


class Stopwatch:
    """Collects the time of each cycle and of each node in it."""

    def __init__(self) -> None:
        self._cycles: list[float] = []
        self._nodes: dict[str, float] = defaultdict(float)

    def cycle(self, elapsed_ms: float, nodes_ms: dict[str, float]) -> None:
        self._cycles.append(elapsed_ms)
        for node, spent in nodes_ms.items():
            self._nodes[node] += spent

    def timings(self) -> Timings:
        spent = sorted(self._cycles)
        if not spent:
            return Timings(cycles=0, total_ms=0, median_ms=0, p95_ms=0, max_ms=0, nodes_ms={})
        return Timings(
            cycles=len(spent),
            total_ms=round(sum(spent), 3),
            median_ms=round(statistics.median(spent), 3),
            p95_ms=round(spent[min(len(spent) - 1, int(len(spent) * 0.95))], 3),
            max_ms=round(spent[-1], 3),
            nodes_ms={node: round(total / len(spent), 3) for node, total in sorted(self._nodes.items())},
        )


async def recorded_timings(archive: Archive, run_id: str) -> Timings:
    """The times of a run's cycles as they were kept; a run that was resumed has them of every process.

    Cycles that an older version closed without them are left out.
    """
    watch = Stopwatch()
    async for closed in archive.cycles(run_id):
        nodes_ms = dict(closed.timings)
        if (spent_ms := nodes_ms.pop(CYCLE, None)) is not None:
            watch.cycle(spent_ms, nodes_ms)
    return watch.timings()
