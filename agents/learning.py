"""Learning: closed, fee-adjusted trades become episodes, and episodes become lessons for later cycles."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from agents.desk import Desk
from domain.decision import Episode
from domain.money import BPS
from domain.value import Value

WINDOW = 20
"""How many of a symbol's last trades a lesson speaks of."""


class Lesson(Value):
    """What the last trades in one symbol came to, fees counted."""

    symbol: str
    closed_trades: int
    win_rate: Decimal
    expectancy_bps: Decimal
    """Mean profit in basis points of the notional traded."""


class LearningAgent:
    """Names the trades that this cycle closed. Open positions and paper profits teach nothing."""

    async def __call__(self, desk: Desk) -> tuple[Episode, ...]:
        return tuple(await desk.memory.closed_trades())


def lesson(symbol: str, episodes: Sequence[Episode]) -> Lesson | None:
    """The lesson of the last `WINDOW` closed trades of a symbol; none before the first."""
    recent = episodes[-WINDOW:]
    if not recent:
        return None
    traded = sum((e.notional for e in recent), Decimal(0))
    profit = sum((e.profit for e in recent), Decimal(0))
    wins = sum(e.profit > 0 for e in recent)
    return Lesson(
        symbol=symbol,
        closed_trades=len(recent),
        win_rate=(Decimal(wins) / len(recent)).quantize(Decimal("0.01")),
        expectancy_bps=(profit / traded * BPS).quantize(Decimal("0.1")) if traded else Decimal(0),
    )
