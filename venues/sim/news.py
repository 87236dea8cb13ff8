"""Headlines for a simulated symbol: what its last bars did, said late and not always, and rumours that mean nothing."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from decimal import Decimal
from random import Random

from domain.candle import Candle, Headline

_NAMES = {"BTC": "Bitcoin", "ETH": "Ether", "SOL": "Solana", "XRP": "XRP", "ADA": "Cardano", "DOGE": "Dogecoin"}

_LOOKBACK_BARS = 12
_QUIET_BARS = 10
"""How long a newsroom says nothing more of a symbol after a headline on its moves."""
_RUMOUR_PART = 0.02
_LATEST_S = 240
LATEST = timedelta(seconds=_LATEST_S)
"""How long after the close of its bar a headline may come."""

_TEMPLATES = {
    "crash": (
        "{name} plunges {move}% as panic selling hits leveraged longs",
        "{name} crashes {move}%: liquidations cascade across exchanges",
    ),
    "slide": (
        "{name} slides {move}% as sellers stay in control",
        "{name} falls {move}% and traders worry about further losses",
    ),
    "rally": (
        "{name} climbs {move}% on strong demand",
        "{name} gains {move}% as buyers return with confidence",
    ),
    "surge": (
        "{name} surges {move}% in a powerful rally",
        "{name} soars {move}% as optimism sweeps the market",
    ),
    "calm": (
        "{name} trades sideways, hardly changed",
        "Quiet hours for {name}: traders wait for direction",
    ),
    "rumour": (
        "Unconfirmed: large fund said to be buying {name}",
        "Rumour of an exchange outage weighs on {name}, operator denies it",
        "Analyst repeats bold year-end target for {name}",
        "Old {name} wallet moves coins after years; meaning unclear",
        "Survey: small investors feel uncertain about {name}",
    ),
}


class Newsroom:
    """Follows one symbol bar by bar, and now and then has a headline on it."""

    def __init__(self, symbol: str, *, seed: int) -> None:
        self._symbol = symbol
        self._random = Random(f"{seed}/{symbol}/news")
        self._bars: deque[Candle] = deque(maxlen=_LOOKBACK_BARS)
        self._number = 0
        self._silent_until = _LOOKBACK_BARS

    def hear(self, bar: Candle) -> Headline | None:
        """The headline that `bar` leads to, available some time after its close."""
        self._bars.append(bar)
        self._number += 1
        # Drawn at every bar, said or not, so that the stream never depends on what was said before.
        rumour, choice, delay = self._random.random() < _RUMOUR_PART, self._random.random(), self._random.random()
        kind = self._kind()
        if kind is None or self._number < self._silent_until:
            if not rumour:
                return None
            kind = "rumour"
        else:
            self._silent_until = self._number + _QUIET_BARS
        templates = _TEMPLATES[kind]
        title = templates[int(choice * len(templates))].format(
            name=_NAMES[self._symbol.split("/")[0]], move=abs(self._move() * 100).quantize(Decimal("0.1"))
        )
        return Headline(
            id=f"sim-{self._symbol.replace('/', '-').lower()}-{self._number}",
            title=title,
            source="rumour mill" if kind == "rumour" else "sim wire",
            symbols=(self._symbol,),
            available_at=bar.closed_at + timedelta(seconds=1 + int(delay * _LATEST_S)),
        )

    def _move(self) -> Decimal:
        opened = self._bars[0].open
        return (self._bars[-1].close - opened) / opened

    def _kind(self) -> str | None:
        move = self._move()
        if move <= Decimal("-0.045"):
            return "crash"
        if move <= Decimal("-0.015"):
            return "slide"
        if move >= Decimal("0.045"):
            return "surge"
        if move >= Decimal("0.015"):
            return "rally"
        highest, lowest = max(bar.high for bar in self._bars), min(bar.low for bar in self._bars)
        return "calm" if highest - lowest < lowest * Decimal("0.006") else None
