"""Payoff: what a round trip costs, and what an entry then gains at its target and loses at its stop.

Pure arithmetic, and the only place where costs are held against an edge: Risk sets its widths by it, and the gate its
floor. Counted are the higher of the two fees and an allowance for slippage, each way, and the spread once, whole.
A perpetual's funding is left out, as nobody knows for how long a position is held. Where a spot buy pays its fee in
base currency, the number is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

from domain.digest import plain
from domain.instrument import Instrument
from domain.money import BPS
from domain.order import Side

_DOWN: Final = Context(prec=100, rounding=ROUND_FLOOR)
_PRECISION: Final = Decimal("0.01")
_PERCENT: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """In quote currency, for one unit of the base currency, after all costs. Either may be negative."""

    entry: Decimal
    reward: Decimal
    risk: Decimal

    def covers(self, ratio: Decimal) -> bool:
        """Whether the reward is at least `ratio` times the risk. Compared without dividing."""
        return self.reward >= ratio * self.risk

    def shortfall(self, ratio: Decimal) -> str:
        """Why `covers` does not hold, in parts of the price. Of an entry whose stop is on its losing side."""
        reward, risk = (
            _ratio_text(_DOWN.multiply(part, _PERCENT), over=self.entry) for part in (self.reward, self.risk)
        )
        actual = _ratio_text(self.reward, over=self.risk)
        return f"reward {reward} % after costs against risk {risk} %: {actual} is below {plain(ratio)}"


def round_trip(instrument: Instrument, *, price: Decimal, spread: Decimal, slippage_bps: Decimal) -> Decimal:
    """What it costs to enter and exit one unit at `price`, in quote currency."""
    return 2 * price * _one_way(instrument, slippage_bps) + spread


def payoff(
    side: Side,
    *,
    entry: Decimal,
    stop: Decimal,
    target: Decimal,
    instrument: Instrument,
    spread: Decimal,
    slippage_bps: Decimal,
) -> Payoff:
    """Of an entry on `side`. Each way is charged at its own price."""
    rate = _one_way(instrument, slippage_bps)
    gain, loss = (target - entry, entry - stop) if side == "buy" else (entry - target, stop - entry)
    return Payoff(
        entry=entry,
        reward=gain - (entry + target) * rate - spread,
        risk=loss + (entry + stop) * rate + spread,
    )


def _one_way(instrument: Instrument, slippage_bps: Decimal) -> Decimal:
    """Part of the price that one way costs."""
    return max(instrument.maker_fee, instrument.taker_fee) + slippage_bps / BPS


def _ratio_text(part: Decimal, *, over: Decimal) -> str:
    return plain(_DOWN.divide(part, over).quantize(_PRECISION, context=_DOWN))
