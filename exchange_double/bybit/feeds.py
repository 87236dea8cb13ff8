"""What Bybit pushes on each of its topics: first when a client subscribes, then when something has changed.

A feed remembers what it has pushed, and pushes what is different. Each message of a book has the number after that of
the message before (`u`), and a snapshot begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from domain.order import Side
from exchange_double.book import Level, changes
from exchange_double.bybit import market_rows, order_rows
from exchange_double.bybit.text import Row, millis, ms, symbol_id
from exchange_double.engine import Engine
from exchange_double.events import Event, MarketChanged, OrderChanged, StopChanged
from exchange_double.listing import Listing
from exchange_double.orders import Order
from exchange_double.shown import as_order, stop_of
from exchange_double.sockets import Push
from exchange_double.stops import Stop
from exchange_double.wire import Operation

_SIDES: tuple[Side, Side] = ("buy", "sell")
_BEFORE_THE_FIRST = 1_000
"""A book whose number is 1 is one of a service that has restarted."""


class Feed(Protocol):
    """One subscription of one client."""

    def first(self, *, now: datetime) -> Sequence[Push]:
        """At once, for the subscription."""
        ...

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]: ...


class Books:
    """The best levels: all of them at first, then those that changed, each with its size or 0.

    With one level all of it is told each time.
    """

    def __init__(self, topic: str, engine: Engine, listing: Listing, *, levels: int) -> None:
        self._topic, self._engine, self._listing, self._levels = topic, engine, listing, levels
        self._shown: dict[Side, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}
        self._number = _BEFORE_THE_FIRST

    def first(self, *, now: datetime) -> Sequence[Push]:
        self._shown = {side: self._now(side) for side in _SIDES}
        return [self._push("snapshot", self._shown, now=now)]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not _of(event, self._listing):
            return []
        after = {side: self._now(side) for side in _SIDES}
        changed = {side: changes(self._shown[side], after[side]) for side in _SIDES}
        self._shown = after
        if not any(changed.values()):
            return []
        whole = self._levels == 1
        return [self._push("snapshot" if whole else "delta", after if whole else changed, now=now)]

    def _now(self, side: Side) -> dict[Decimal, Decimal]:
        depth = self._engine.depth(self._listing.symbol, side)
        return {level.price: level.size for level in depth[: self._levels]}

    def _push(self, kind: str, levels: dict[Side, dict[Decimal, Decimal]], *, now: datetime) -> Push:
        self._number += 1
        bids, asks = (
            [Level(price, levels[side][price]) for price in sorted(levels[side], reverse=side == "buy")]
            for side in _SIDES
        )
        data = market_rows.levels(symbol_id(self._listing.symbol), bids, asks, number=self._number)
        told: Row = {"topic": self._topic, "type": kind, "ts": ms(now), "data": data, "cts": ms(now)}
        return Push(json.dumps(told), Operation.STREAM_BOOK)


class Klines:
    """The candle under way as it changes, and once more when it has closed; then the next."""

    def __init__(self, topic: str, engine: Engine, listing: Listing, *, interval: str, length: timedelta) -> None:
        self._topic, self._engine, self._listing = topic, engine, listing
        self._interval, self._length = interval, length
        self._shown: dict[datetime, Row] = {}

    def first(self, *, now: datetime) -> Sequence[Push]:
        self._shown = self._rows(now, since=None)
        return [self._push(row, now=now) for row in self._shown.values()]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not _of(event, self._listing):
            return []
        rows = self._rows(now, since=min(self._shown, default=None))
        changed = [row for at, row in rows.items() if _but_for_the_time(self._shown.get(at)) != _but_for_the_time(row)]
        self._shown = dict(list(rows.items())[-1:])
        return [self._push(row, now=now) for row in changed]

    def _rows(self, now: datetime, *, since: datetime | None) -> dict[datetime, Row]:
        """Of the candles from `since` on that have opened, oldest first; without it of the newest."""
        bars = self._engine.bars(self._listing.symbol, int(self._length.total_seconds()))
        opened = [bar for bar in bars if bar.opened_at <= now]
        first = next((n for n, bar in enumerate(opened) if since is not None and bar.opened_at >= since), -1)
        return {
            bar.opened_at: market_rows.kline(bar, interval=self._interval, length=self._length, now=now)
            for bar in opened[first:]
        }

    def _push(self, row: Row, *, now: datetime) -> Push:
        told: Row = {"topic": self._topic, "data": [row], "ts": ms(now), "type": "snapshot"}
        return Push(json.dumps(told), Operation.STREAM_CANDLES)


class Orders:
    """Every order, and every stop, as it becomes something else. Nothing at first."""

    def __init__(self, topic: str, engine: Engine, symbols: frozenset[str]) -> None:
        self._topic, self._engine, self._symbols = topic, engine, symbols

    def first(self, *, now: datetime) -> Sequence[Push]:
        return []

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        order, stop = self._changed(event)
        if order is None or order.new.symbol not in self._symbols:
            return []
        row = order_rows.pushed(order, listing=self._engine.listings[order.new.symbol], stop=stop)
        told: Row = {
            "id": f"{order.order_id}-{millis(now)}",
            "topic": self._topic,
            "creationTime": ms(now),
            "data": [row],
        }
        return [Push(json.dumps(told), Operation.STREAM_ORDERS)]

    def _changed(self, event: Event) -> tuple[Order | None, Stop | None]:
        """The order, and the stop that it is or was. A stop that has triggered is told as its order is."""
        match event:
            case OrderChanged():
                return event.order, stop_of(event.order, self._engine)
            case StopChanged() if event.stop.same_order and not event.stop.order_id:
                return as_order(event.stop, self._engine), event.stop
            case _:
                return None, None


def _but_for_the_time(row: Row | None) -> Row | None:
    return None if row is None else {name: value for name, value in row.items() if name != "timestamp"}


def _of(event: Event, listing: Listing) -> bool:
    return isinstance(event, MarketChanged) and event.symbol == listing.symbol
