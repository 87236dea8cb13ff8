"""A recorded perpetual on which the rules trade within a few bars, with the funding that a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.runs import options
from domain.candle import Timeframe
from graphs import RunOptions, policy_in_effect
from venues.costs import PaperCosts, PerpetualTerms
from venues.sim.path import CHARACTERS
from venues.sim.story import SimStory

SWAP = "ETH/USDT:USDT"
FIRST_CYCLE = datetime(2025, 1, 1, 23, 30, tzinfo=UTC)
"""Of the 800 bars of five minutes a quarter comes before it."""

SEED = 9
_BARS = 800
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIVE = timedelta(minutes=5)
_LATE_MS = 6
EAGER = DeskSettings(
    signal=SignalSettings(threshold=Decimal("0.1")),
    risk=RiskSettings(
        reenter_after_bars=0,
        min_conviction=Decimal("0.2"),
        max_position=Decimal("0.9"),
        risk_per_trade=Decimal(1),
        stop_atr=Decimal(60),
        target_atr=Decimal(90),
    ),
)
"""It takes nearly all that there is, and keeps it: its exits lie far off."""


def a_perpetual(folder: Path, rate: Callable[[int], str | None] | None = None) -> str:
    """The market of a folder with candles, and with a funding at the open of every bar, by its number from the first
    cycle on, for which `rate` has one."""
    folder.mkdir(exist_ok=True)
    story = SimStory(CHARACTERS["ETH/USDT"], seed=SEED, timeframe=Timeframe("5m"))
    bars = story.window(limit=_BARS, until=FIRST_CYCLE + 600 * _FIVE)
    assert (len(bars), bars[199].closed_at) == (_BARS, FIRST_CYCLE)
    rows = [f"{_ms(b.opened_at)},{b.open},{b.high},{b.low},{b.close},{b.volume}" for b in bars]
    (folder / "ETH-USDT-USDT_5m.csv").write_text("\n".join(["timestamp_ms,open,high,low,close,volume", *rows]) + "\n")
    if rate is not None:
        # One that nobody pays, long before: what is recorded begins before the candles do, and ends after them.
        paid = {FIRST_CYCLE - 300 * _FIVE: "0", FIRST_CYCLE + 700 * _FIVE: "0"}
        paid |= {FIRST_CYCLE + n * _FIVE: found for n in range(600) if (found := rate(n)) is not None}
        lines = [f"{_ms(at) + _LATE_MS},{paid[at]}" for at in sorted(paid)]
        (folder / "ETH-USDT-USDT_funding.csv").write_text("\n".join(["timestamp_ms,funding_rate", *lines]) + "\n")
    return f"file:{folder}"


def on(market: str, **over: object) -> RunOptions:
    """A run that enters soon, by a policy that stands in nobody's way."""
    given = {"market": market, "symbols": (SWAP,), "cycles": 12, "desk": EAGER, "policy": policy_in_effect(LAB)}
    return options(**given | over)


LAB = Path("paper-lab")


def costs(**terms: str) -> PaperCosts:
    return PaperCosts(perpetuals=PerpetualTerms.model_validate(terms))


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
