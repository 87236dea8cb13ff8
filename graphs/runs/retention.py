"""Retention: how far back a run keeps its contexts while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from domain.clock import Clock
from graphs.session.clocks import WallClock
from memory.archive.pruning import prune_snapshots
from memory.store.database import Database

EVERY_CYCLES: Final = 100
"""Pruning walks the whole archive, and so waits until there is something to let go of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Keep the contexts of a run's last `keep_cycles` cycles.

    Older ones go after every `every_cycles` closed cycles and when the run ends, so that meanwhile at
    most so many cycles more are kept. What stays of them is what `prune_snapshots` says.
    """

    keep_cycles: int
    every_cycles: int = EVERY_CYCLES
    wall: Clock = field(default_factory=WallClock)
    """When it is written down that contexts went."""

    def due(self, *, closed: int) -> bool:
        """Whether a run with so many closed cycles prunes before it goes on."""
        return closed > self.keep_cycles and closed % self.every_cycles == 0

    async def prune(self, database: Database, run_id: str, *, closed: int) -> None:
        if closed > self.keep_cycles:
            before = closed - self.keep_cycles
            await prune_snapshots(database, run_id, before_cycle=before, at=self.wall.now())
