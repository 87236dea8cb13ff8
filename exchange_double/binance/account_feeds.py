"""What Binance pushes of an account: on spot and on futures, each of its own orders, stops and coins alone.

What an order did to the balance is told after the order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from exchange_double.binance import event_rows as rows
from exchange_double.binance.listen_key import ListenKey
from exchange_double.binance.text import Row, millis
from exchange_double.engine import Engine
from exchange_double.events import Event, OrderChanged, StopChanged
from exchange_double.orders import Order, Status
from exchange_double.shown import as_order, stop_of
from exchange_double.sockets import Push
from exchange_double.stops import Stop, StopStatus
from exchange_double.wire import Operation

ACCOUNT = "userData"
"""What such a feed is called among the channels of a connection; it has no name at Binance."""


class SpotAccount:
    """Orders and the stops that are orders, under the number of a subscription."""

    def __init__(self, engine: Engine, *, subscription: int) -> None:
        self._engine, self._subscription = engine, subscription

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        match event:
            case OrderChanged(order=order):
                return self._told(order, now=now)
            case StopChanged(stop=stop) if stop.same_order and stop.status is not StopStatus.TRIGGERED:
                return self._told(as_order(stop, self._engine), now=now)
            case _:  # one that triggered is told as the order that it is
                return []

    def _told(self, order: Order, *, now: datetime) -> Sequence[Push]:
        listing = self._engine.listings[order.new.symbol]
        if listing.swap:
            return []
        return [
            self._push(rows.execution_report(order, stop_of(order, self._engine), now=now)),
            self._push(rows.account_position(self._engine.funds(), listing, now=now)),
        ]

    def _push(self, row: Row) -> Push:
        told = {"subscriptionId": self._subscription, "event": row}
        return Push(json.dumps(told), Operation.STREAM_ORDERS)


class FuturesAccount:
    """Orders, algo orders and the account, for as long as its listen key lasts."""

    def __init__(self, engine: Engine, key: ListenKey, name: str) -> None:
        self._engine, self._key, self._name = engine, key, name
        self._expired = False

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        if self._key.opens(self._name, now=now):
            return [_push(row) for row in self._rows(event, now=now)]
        if self._expired or not self._name:
            return []
        self._expired = True
        return [_push({"e": "listenKeyExpired", "E": millis(now), "listenKey": self._name})]

    def _rows(self, event: Event, *, now: datetime) -> Sequence[Row]:
        match event:
            case OrderChanged(order=order) if self._engine.listings[order.new.symbol].swap:
                return self._of_order(order, now=now)
            case StopChanged(stop=stop) if not stop.same_order:
                return [self._of_stop(stop, ended=None, now=now)]
            case _:
                return []

    def _of_order(self, order: Order, *, now: datetime) -> Sequence[Row]:
        engine, listing = self._engine, self._engine.listings[order.new.symbol]
        told = [rows.order_update(order, listing, now=now)]
        if order.status in (Status.PARTIAL, Status.FILLED):
            told.append(rows.account_update(engine.funds(), listing, now=now))
        stop = engine.find_stop(stop_id=order.stop_id) if order.stop_id else None
        if stop is not None and not order.open:
            told.append(self._of_stop(stop, ended=order, now=now))
        return told

    def _of_stop(self, stop: Stop, *, ended: Order | None, now: datetime) -> Row:
        return rows.algo_update(stop, self._engine.listings[stop.new.symbol], ended=ended, now=now)


def _push(row: Row) -> Push:
    return Push(json.dumps(row), Operation.STREAM_ORDERS)
