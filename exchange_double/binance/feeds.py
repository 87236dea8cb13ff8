"""What Binance pushes of a market: the changes of its book, and its bars; of spot and of futures.

A feed remembers what it has pushed, and pushes what is different. Changes of a book are numbered by how often the
market has changed, and so is the whole book that REST gives: a client joins the two by these numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from domain.money import ZERO
from domain.order import Side
from exchange_double.binance.text import Row, market_id, millis, text, units
from exchange_double.candles import Bar
from exchange_double.engine import Engine
from exchange_double.events import Event, MarketChanged
from exchange_double.listing import Listing
from exchange_double.sockets import Push
from exchange_double.wire import Operation

_SIDES: tuple[Side, Side] = ("buy", "sell")


class Feed(Protocol):
    """One stream of one client."""

    def first(self, *, now: datetime) -> Sequence[Push]:
        """At once, for the subscription."""
        ...

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]: ...


def update_id(symbol: str, engine: Engine) -> int:
    """The number of a market's book as it is now."""
    return 1 + engine.changes(symbol)


class Depth:
    """The levels of a book that changed, each with its size or 0. Nothing at first: REST gives the whole.

    `U` to `u` are the numbers of the changes in a message; on futures `pu` is `u` of the one before.
    """

    def __init__(self, engine: Engine, listing: Listing) -> None:
        self._engine, self._listing = engine, listing
        self._shown = {side: self._now(side) for side in _SIDES}
        self._number = update_id(listing.symbol, engine)

    def first(self, *, now: datetime) -> Sequence[Push]:
        return []

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not _of(event, self._listing):
            return []
        after = {side: self._now(side) for side in _SIDES}
        changed = {side: _changes(self._shown[side], after[side]) for side in _SIDES}
        self._shown = after
        if not any(changed.values()):
            return []
        before, self._number = self._number, update_id(self._listing.symbol, self._engine)
        futures = {"T": millis(now), "pu": before} if self._listing.swap else {}
        told = {
            "e": "depthUpdate",
            "E": millis(now),
            "s": market_id(self._listing.symbol),
            "U": before + 1,
            "u": self._number,
            **futures,
            "b": self._levels(changed["buy"]),
            "a": self._levels(changed["sell"]),
        }
        return [Push(json.dumps(told), Operation.STREAM_BOOK)]

    def _now(self, side: Side) -> Mapping[Decimal, Decimal]:
        return {level.price: level.size for level in self._engine.depth(self._listing.symbol, side)}

    def _levels(self, levels: Mapping[Decimal, Decimal]) -> list[list[str]]:
        return [[text(price), text(units(size, self._listing))] for price, size in levels.items()]


class Klines:
    """The bar under way at first and as it changes, once more when it has closed; then the next."""

    def __init__(self, engine: Engine, listing: Listing, *, interval: str, interval_s: int) -> None:
        self._engine, self._listing, self._interval = engine, listing, interval
        self._length = timedelta(seconds=interval_s)
        self._shown: dict[datetime, Row] = {}

    def first(self, *, now: datetime) -> Sequence[Push]:
        self._shown = self._rows(now, since=None)
        return [self._push(row, now) for row in self._shown.values()]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not _of(event, self._listing):
            return []
        rows = self._rows(now, since=min(self._shown, default=None))
        changed = [row for at, row in rows.items() if self._shown.get(at) != row]
        self._shown = dict(list(rows.items())[-1:])
        return [self._push(row, now) for row in changed]

    def _rows(self, now: datetime, *, since: datetime | None) -> dict[datetime, Row]:
        """Of the bars from `since` on that have opened, oldest first; without it of the newest."""
        bars = self._engine.bars(self._listing.symbol, self._length // timedelta(seconds=1))
        opened = [bar for bar in bars if bar.opened_at <= now]
        first = next((n for n, bar in enumerate(opened) if since is not None and bar.opened_at >= since), -1)
        return {bar.opened_at: self._row(bar, now) for bar in opened[first:]}

    def _row(self, bar: Bar, now: datetime) -> Row:
        base, closes_at = units(bar.volume, self._listing), bar.opened_at + self._length
        return {
            "t": millis(bar.opened_at),
            "T": millis(closes_at) - 1,
            "s": market_id(self._listing.symbol),
            "i": self._interval,
            "f": -1,
            "L": -1,
            "o": text(bar.open),
            "c": text(bar.close),
            "h": text(bar.high),
            "l": text(bar.low),
            "v": text(base),
            "n": 0,
            "x": closes_at <= now,
            "q": text(base * bar.close),
            "V": text(None),
            "Q": text(None),
            "B": "0",
        }

    def _push(self, row: Row, now: datetime) -> Push:
        told = {"e": "kline", "E": millis(now), "s": row["s"], "k": row}
        return Push(json.dumps(told), Operation.STREAM_CANDLES)


def _of(event: Event, listing: Listing) -> bool:
    return isinstance(event, MarketChanged) and event.symbol == listing.symbol


def _changes(before: Mapping[Decimal, Decimal], after: Mapping[Decimal, Decimal]) -> Mapping[Decimal, Decimal]:
    """The levels that differ, with their new size; those that have gone with 0."""
    gone = {price: ZERO for price in before if price not in after}
    return gone | {price: size for price, size in after.items() if before.get(price) != size}
