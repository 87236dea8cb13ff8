"""How often a venue is asked: a bucket for everything, and a reserve that only what closes or settles may use."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import Clock, Sleep
from domain.rate import Bucket, Rate

RATE = Rate(per_s=8, burst=16)
RESERVE = Rate(per_s=2, burst=8)
"""Together they stay below what OKX, Binance and Bybit allow one key for its orders."""

_LONGEST_S = 10.0
"""Of waiting for a turn; longer, the caller is better off with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """How many calls could go out at once."""

    open: float
    reserved: float


class Pace:
    """Gives turns. An urgent call takes from the reserve when it would have to wait."""

    def __init__(self, *, rate: Rate, reserve: Rate, wall: Clock, sleep: Sleep) -> None:
        self._open, self._reserve = Bucket(rate), Bucket(reserve)
        self._wall = wall
        self._sleep = sleep

    async def turn(self, *, urgent: bool, cost: int = 1) -> bool:
        """Wait for leave to ask. `False` when that would take too long; nothing is taken then."""
        now = self._wall.now()
        wait_s = self._open.reserve(cost, now=now, within_s=0 if urgent else _LONGEST_S)
        if wait_s is None and urgent:
            wait_s = self._reserve.reserve(cost, now=now, within_s=_LONGEST_S)
        if wait_s is None:
            return False
        if wait_s:
            await self._sleep(wait_s)
        return True

    @property
    def levels(self) -> Levels:
        now = self._wall.now()
        return Levels(open=self._open.level(now), reserved=self._reserve.level(now))
