"""What OKX pushes on each of its channels: first when a client subscribes, then when something has changed.

A feed remembers what it has pushed, and pushes what is different. Messages of the channel `books` are numbered, and
name the number of the one before (`prevSeqId`); the checksum is 0, as it is at OKX since June 2026.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from domain.order import Side
from exchange_double.book import Level, changes
from exchange_double.engine import Engine
from exchange_double.events import Event, MarketChanged, OrderChanged, StopChanged
from exchange_double.listing import Listing
from exchange_double.okx import account_rows, algo_rows, market_rows, order_rows
from exchange_double.okx.text import Row, inst_id, inst_type, text
from exchange_double.orders import Order
from exchange_double.sockets import Push
from exchange_double.wire import Operation

_SIDES: tuple[Side, Side] = ("buy", "sell")


class Feed(Protocol):
    """One subscription of one client."""

    def first(self, *, now: datetime) -> Sequence[Push]:
        """At once, for the subscription."""
        ...

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]: ...


class Books:
    """The book: all of it at first, then the levels that changed, each with its size or 0."""

    def __init__(self, arg: Row, engine: Engine, listing: Listing, *, levels: int = 400) -> None:
        self._arg, self._engine, self._listing, self._levels = arg, engine, listing, levels
        self._shown: dict[Side, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}
        self._number = 0

    def first(self, *, now: datetime) -> Sequence[Push]:
        self._shown = {side: self._now(side) for side in _SIDES}
        return [self._push("snapshot", self._shown, before=-1, now=now)]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not _of(event, self._listing):
            return []
        after = {side: self._now(side) for side in _SIDES}
        changed = {side: changes(self._shown[side], after[side]) for side in _SIDES}
        self._shown = after
        if not any(changed.values()):
            return []
        return [self._push("update", changed, before=self._number, now=now)]

    def _now(self, side: Side) -> dict[Decimal, Decimal]:
        depth = self._engine.depth(self._listing.symbol, side)
        return {level.price: level.size for level in depth[: self._levels]}

    def _push(self, action: str, levels: dict[Side, dict[Decimal, Decimal]], *, before: int, now: datetime) -> Push:
        self._number += 1
        bids, asks = ([Level(price, size) for price, size in levels[side].items()] for side in _SIDES)
        numbers = {"checksum": 0, "prevSeqId": before, "seqId": self._number}
        row = market_rows.book(bids, asks, now=now) | numbers
        return _push(self._arg, [row], Operation.STREAM_BOOK, action=action)


class Top:
    """The best few levels, all of them each time one has changed."""

    def __init__(self, arg: Row, engine: Engine, listing: Listing, *, levels: int) -> None:
        self._arg, self._engine, self._listing, self._levels = arg, engine, listing, levels
        self._shown: tuple[tuple[Level, ...], ...] = ()
        self._number = 0

    def first(self, *, now: datetime) -> Sequence[Push]:
        self._shown = tuple(self._engine.depth(self._listing.symbol, side)[: self._levels] for side in _SIDES)
        self._number += 1
        row = market_rows.book(*self._shown, now=now) | {"instId": inst_id(self._listing.symbol), "seqId": self._number}
        return [_push(self._arg, [row], Operation.STREAM_BOOK)]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not _of(event, self._listing):
            return []
        before = self._shown
        pushed = self.first(now=now)
        return pushed if self._shown != before else []


class Tickers:
    """Last price and touch."""

    def __init__(self, arg: Row, engine: Engine, listing: Listing) -> None:
        self._arg, self._engine, self._listing = arg, engine, listing
        self._shown: Row = {}

    def first(self, *, now: datetime) -> Sequence[Push]:
        row = market_rows.ticker(self._listing, self._engine, now=now)
        self._shown = {**row, "ts": ""}
        return [_push(self._arg, [row], Operation.STREAM_TICKER)]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not _of(event, self._listing):
            return []
        before = self._shown
        pushed = self.first(now=now)
        return pushed if self._shown != before else []


class Candles:
    """The bar under way as it changes, and once more when it has closed; then the next."""

    def __init__(self, arg: Row, engine: Engine, listing: Listing, *, interval_s: int) -> None:
        self._arg, self._engine, self._listing, self._interval_s = arg, engine, listing, interval_s
        self._shown: dict[datetime, list[str]] = {}

    def first(self, *, now: datetime) -> Sequence[Push]:
        self._shown = self._rows(now, since=None)
        return [_push(self._arg, [row], Operation.STREAM_CANDLES) for row in self._shown.values()]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not _of(event, self._listing):
            return []
        rows = self._rows(now, since=min(self._shown, default=None))
        changed = [row for at, row in rows.items() if self._shown.get(at) != row]
        self._shown = dict(list(rows.items())[-1:])
        return [_push(self._arg, [row], Operation.STREAM_CANDLES) for row in changed]

    def _rows(self, now: datetime, *, since: datetime | None) -> dict[datetime, list[str]]:
        """Of the bars from `since` on that have opened, oldest first; without it of the newest."""
        opened = [bar for bar in self._engine.bars(self._listing.symbol, self._interval_s) if bar.opened_at <= now]
        first = next((n for n, bar in enumerate(opened) if since is not None and bar.opened_at >= since), -1)
        return {
            bar.opened_at: market_rows.candle(bar, listing=self._listing, interval_s=self._interval_s, now=now)
            for bar in opened[first:]
        }


class Orders:
    """Every order as it becomes something else. Nothing at first."""

    def __init__(self, arg: Row, engine: Engine, symbols: frozenset[str]) -> None:
        self._arg, self._engine, self._symbols = arg, engine, symbols

    def first(self, *, now: datetime) -> Sequence[Push]:
        return []

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not isinstance(event, OrderChanged) or event.order.new.symbol not in self._symbols:
            return []
        return [_push(self._arg, [self._row(event.order)], Operation.STREAM_ORDERS)]

    def _row(self, order: Order) -> Row:
        engine, symbol, fill = self._engine, order.new.symbol, order.last_fill
        row = order_rows.order(
            order,
            listing=engine.listings[symbol],
            leverage=engine.leverage(symbol),
            stop=engine.find_stop(stop_id=order.stop_id) if order.stop_id else None,
        )
        return row | {
            "execType": "" if fill is None else "M" if fill.maker else "T",
            "fillFee": text(-fill.fee) if fill else "",
            "fillFeeCcy": fill.fee_currency if fill else "",
            "fillPnl": text(fill.profit) if fill else "",
            "lastPx": text(engine.last(symbol)),
            "reqId": "",
            "amendResult": "",
            "code": "0",
            "msg": "",
        }


class Algos:
    """Every stop as it becomes something else. Nothing at first."""

    def __init__(self, arg: Row, engine: Engine, symbols: frozenset[str]) -> None:
        self._arg, self._engine, self._symbols = arg, engine, symbols

    def first(self, *, now: datetime) -> Sequence[Push]:
        return []

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if not isinstance(event, StopChanged) or event.stop.new.symbol not in self._symbols:
            return []
        engine, stop, symbol = self._engine, event.stop, event.stop.new.symbol
        row = algo_rows.stop(
            stop,
            listing=engine.listings[symbol],
            became=engine.find(order_id=stop.order_id) if stop.order_id else None,
            leverage=engine.leverage(symbol),
            last=engine.last(symbol),
        )
        return [_push(self._arg, [row], Operation.STREAM_ORDERS)]


class Account:
    """Balances, at first and whenever an order has changed."""

    def __init__(self, arg: Row, engine: Engine) -> None:
        self._arg, self._engine = arg, engine

    def first(self, *, now: datetime) -> Sequence[Push]:
        prices = {listing.base: self._engine.last(listing.symbol) for listing in self._engine.listings.values()}
        row = account_rows.balance(
            self._engine.funds(), only=frozenset(), prices={**prices, "USDT": Decimal(1)}, now=now
        )
        return [_push(self._arg, [row], Operation.STREAM_ORDERS)]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        return self.first(now=now) if isinstance(event, OrderChanged) else []


def symbols_of(engine: Engine, *, kind: str, wanted: str) -> frozenset[str]:
    """Those of OKX's `instType` (`ANY` is all of them) and `instId`, where given."""
    return frozenset(
        listing.symbol
        for listing in engine.listings.values()
        if kind in ("ANY", inst_type(listing)) and wanted in ("", inst_id(listing.symbol))
    )


def _of(event: Event, listing: Listing) -> bool:
    return isinstance(event, MarketChanged) and event.symbol == listing.symbol


def _push(arg: Row, data: Sequence[object], operation: Operation, *, action: str = "") -> Push:
    told = {"arg": arg, **({"action": action} if action else {}), "data": list(data)}
    return Push(json.dumps(told), operation)
