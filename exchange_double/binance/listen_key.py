"""The key by which Binance's futures know whose events a connection is told: made, kept alive, dropped.

It lasts an hour from when it was made or last kept alive. Asked for again before that, it is the same one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from exchange_double.binance.errors import BinanceError

LASTS = timedelta(hours=1)


class ListenKey:
    """The one of the account, and none at first."""

    def __init__(self) -> None:
        self._made = 0
        self._until: datetime | None = None

    @property
    def name(self) -> str:
        """The newest, which may have ended."""
        return f"listen{self._made:04d}" if self._made else ""

    def opens(self, name: str, *, now: datetime) -> bool:
        """Whether events are told by this name."""
        return name == self.name and self._until is not None and now < self._until

    def make(self, *, now: datetime) -> None:
        if not self.opens(self.name, now=now):
            self._made += 1
        self._until = now + LASTS

    def keep(self, *, now: datetime) -> None:
        """Raises `BinanceError` when there is none."""
        if not self.opens(self.name, now=now):
            raise BinanceError(-1125, "This listenKey does not exist.")
        self._until = now + LASTS

    def drop(self) -> None:
        self._until = None
