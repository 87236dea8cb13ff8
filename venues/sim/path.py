"""One simulated symbol: its character, and its bars, one after the other without end.

A path walks in whole ticks and lots, so that no float reaches a price or a quantity.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from domain.candle import Candle, Timeframe
from domain.instrument import Instrument
from venues.costs import PaperCosts
from venues.sim.regimes import noise, weather

START = datetime(2025, 1, 1, tzinfo=UTC)

_FIVE_MINUTES = timedelta(minutes=5)
_HOMEWARD = 0.0008
"""The part of the distance to its first price that a symbol is pulled back per bar: endless, but never to nothing."""
_LARGEST_MOVE = 0.2
_WICK = 0.4
_VOLUME_OF_MOVE = 150.0


@dataclass(frozen=True, slots=True)
class Character:
    """What a simulated symbol is like. Prices in quote currency, `usual_volume` in lots per five minutes."""

    symbol: str
    first_price: Decimal
    tick_size: Decimal
    lot_size: Decimal
    usual_volume: int
    beta: float
    """How much of the common factor it feels."""
    own: float
    """Its own noise, as a part of the phase's volatility."""

    def instrument(self) -> Instrument:
        bare = Instrument(
            symbol=self.symbol,
            kind="spot",
            tick_size=self.tick_size,
            lot_size=self.lot_size,
            min_notional=Decimal(5),
        )
        return PaperCosts().applied(bare)


def _character(base: str, first_price: str, *, tick: str, lot: str, volume: int, beta: float, own: float) -> Character:
    return Character(f"{base}/USDT", Decimal(first_price), Decimal(tick), Decimal(lot), volume, beta, own)


CHARACTERS = {
    character.symbol: character
    for character in (
        _character("BTC", "94000.00", tick="0.01", lot="0.00001", volume=4_000_000, beta=1.0, own=0.25),
        _character("ETH", "3350.00", tick="0.01", lot="0.0001", volume=8_000_000, beta=1.25, own=0.45),
        _character("SOL", "190.00", tick="0.01", lot="0.001", volume=12_000_000, beta=1.5, own=0.7),
        _character("XRP", "2.1000", tick="0.0001", lot="0.1", volume=8_000_000, beta=1.1, own=0.8),
        _character("ADA", "0.8500", tick="0.0001", lot="0.1", volume=6_000_000, beta=1.3, own=0.8),
        _character("DOGE", "0.31500", tick="0.00001", lot="1", volume=9_000_000, beta=1.6, own=0.9),
    )
}
"""Every symbol that can be simulated."""


def path(character: Character, *, seed: int, timeframe: Timeframe) -> Iterator[Candle]:
    """The bars of one symbol, each the function of seed, symbol, timeframe and its number alone."""
    random = Random(f"{seed}/{character.symbol}")
    # Moves grow with the root of time, so that a chart has the same character at every timeframe.
    scale = math.sqrt(timeframe.length / _FIVE_MINUTES)
    tick, lot = character.tick_size, character.lot_size
    first = last = int(character.first_price / tick)
    opened_at = START
    for now in weather(seed):
        own = character.own * now.phase.volatility * noise(random)
        home = _HOMEWARD * (first - last) / first
        move = max(-_LARGEST_MOVE, min(_LARGEST_MOVE, scale * (character.beta * now.factor + own + home)))
        close = max(1, round(last * (1.0 + move)))
        wick = _WICK * scale * character.beta * now.phase.volatility
        high = round(max(last, close) * (1.0 + wick * abs(noise(random))))
        low = max(1, round(min(last, close) * (1.0 - min(0.5, wick * abs(noise(random))))))
        busy = now.phase.activity * (0.5 + random.random()) * (1.0 + _VOLUME_OF_MOVE * abs(move) / scale)
        volume = round(character.usual_volume * busy * scale * scale)
        closed_at = opened_at + timeframe.length
        yield Candle(opened_at, closed_at, last * tick, high * tick, low * tick, close * tick, volume * lot)
        last, opened_at = close, closed_at
