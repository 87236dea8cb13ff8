"""Any exchange by ccxt's unified calls: what is asked, and what is refused for doubt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from domain.errors import VenueUnavailable
from domain.order import OrderRequest
from domain.statement import KeyRights
from exchange_double.served import START
from venues.exchange.account.dialects import ccxt as unified
from venues.exchange.account.dialects import quirks_of
from venues.exchange.account.dialects.dialect import Listing, Name
from venues.exchange.account.dialects.pages import millis
from venues.exchange.client import Row
from venues.exchange.failures import Declined

T = TypeVar("T")


@dataclass
class Somewhere:
    """ccxt's object of an exchange, and the session that asks it."""

    has: dict[str, bool] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    unknown: bool = False

    async def ask(self, what: str, call: Callable[[Any], Awaitable[T]], *, urgent: bool = False) -> T:
        return await call(self)

    async def send(self, what: str, call: Callable[[Any], Awaitable[T]], *, cancel: bool = False) -> T:
        assert cancel
        return await call(self)

    def clock(self) -> datetime:
        return START

    def market(self, symbol: str) -> Row:
        return {"id": symbol}

    async def fetch_order(self, *args: Any) -> Row:
        self.asked.append(("order", *args))
        if self.unknown:
            raise Declined("no such order", kind="absent", code="1")
        return self.rows[0]

    async def cancel_order(self, *args: Any) -> None:
        self.asked.append(("cancel", *args))

    async def fetch_open_orders(self, *args: Any) -> Sequence[Row]:
        self.asked.append(("open", *args))
        return self.rows

    async def fetch_orders(self, *args: Any) -> Sequence[Row]:
        self.asked.append(("all", *args))
        return self.rows

    async def fetch_closed_orders(self, *args: Any) -> Sequence[Row]:
        self.asked.append(("closed", *args))
        return self.rows

    async def fetch_canceled_orders(self, *args: Any) -> Sequence[Row]:
        self.asked.append(("cancelled", *args))
        return self.rows

    async def fetch_my_trades(self, symbol: str, since: int, limit: int) -> Sequence[Row]:
        self.asked.append(("trades", since))
        return [row for row in self.rows if int(str(row["timestamp"])) >= since][:limit]

    async def fetch_order_trades(self, *args: Any) -> Sequence[Row]:
        self.asked.append(("order trades", *args))
        return self.rows

    async def fetch_balance(self, params: dict[str, str]) -> dict[str, Any]:
        self.asked.append(("balance", params))
        return {"total": {"USDT": "1.10", "BTC": None}}

    async def fetch_positions(self, symbols: list[str]) -> Sequence[Row]:
        self.asked.append(("positions", symbols))
        return self.rows


def a_trade(n: int, *, order: str = "7") -> Row:
    return {"id": str(n), "order": order, "timestamp": millis(START + timedelta(seconds=n))}


async def test_an_order_is_asked_for_by_its_own_id_or_by_ours() -> None:
    somewhere = Somewhere(rows=[{"id": "7"}])
    assert await unified.find(somewhere, "A/B", Name(client_order_id="order1")) == {"id": "7"}
    await unified.find(somewhere, "A/B", Name(client_order_id="order1", venue_order_id="7"))
    await unified.cancel(somewhere, "A/B", Name(client_order_id="order1", stop=True))
    assert somewhere.asked == [
        ("order", None, "A/B", {"clientOrderId": "order1"}),
        ("order", "7", "A/B", {}),
        ("cancel", None, "A/B", {"clientOrderId": "order1", "trigger": True}),
    ]
    assert await unified.find(Somewhere(unknown=True), "A/B", Name(client_order_id="order1")) is None


async def test_ended_orders_are_all_orders_or_those_filled_and_those_cancelled() -> None:
    listing = Listing(which="ended", since=START)
    everything, parts = Somewhere(has={"fetchOrders": True}), Somewhere(has={"fetchCanceledOrders": True})
    for somewhere in (everything, parts):
        await unified.orders(somewhere, "A/B", listing)
    assert [asked[0] for asked in everything.asked] == ["all"]
    assert [asked[0] for asked in parts.asked] == ["closed", "cancelled"]
    assert everything.asked[0][2] == millis(START)


@pytest.mark.parametrize("which", ["open", "ended"])
async def test_a_full_page_may_hide_more_and_is_an_error(which: Any) -> None:
    full = Somewhere(rows=[{"id": str(n)} for n in range(100)])
    with pytest.raises(VenueUnavailable):
        await unified.orders(full, "A/B", Listing(which=which))


async def test_trades_are_followed_forward_in_time() -> None:
    somewhere = Somewhere(rows=[a_trade(n) for n in range(250)])
    found = await unified.trades(somewhere, "A/B", START)
    assert [row["id"] for row in found] == [str(n) for n in range(250)]
    assert len(somewhere.asked) == 3


async def test_the_trades_of_an_order_are_its_own_list_or_picked_from_all() -> None:
    row: Row = {"id": "7", "timestamp": millis(START)}
    own = Somewhere(has={"fetchOrderTrades": True}, rows=[a_trade(1)])
    assert await unified.order_trades(own, "A/B", row) == [a_trade(1)]
    mixed = Somewhere(rows=[a_trade(1), a_trade(2, order="8")])
    assert await unified.order_trades(mixed, "A/B", row) == [a_trade(1)]


async def test_what_ccxt_has_no_call_for_is_not_told() -> None:
    somewhere = Somewhere()
    assert await unified.rights(somewhere) == KeyRights(account="", trade=None, withdraw=None)
    assert await unified.transfers(somewhere, ["A/B"], START) is None
    assert await unified.keep_alive(somewhere, ["A/B"], 15) is False
    assert await unified.prepare(somewhere, ["A/B"]) == ()
    assert "check that it nets positions" in (await unified.prepare(somewhere, ["A/B:B"]))[0]
    assert await unified.balances(somewhere, ["A/B:B"]) == {"USDT": Decimal("1.1")}
    assert somewhere.asked == [("balance", {"type": "swap"})]


def an_order(**changes: object) -> OrderRequest:
    given = {"client_order_id": "order1", "symbol": "A/B", "side": "sell", "type": "limit", "quantity": "1"}
    return OrderRequest.model_validate({**given, "limit_price": "2", **changes})


@pytest.mark.parametrize(
    ("order", "params"),
    [
        (an_order(), {"timeInForce": "GTC"}),
        (an_order(time_in_force="IOC"), {"timeInForce": "IOC"}),
        (an_order(post_only=True), {"postOnly": True}),
        (an_order(type="market", limit_price=None), {}),
        (an_order(reduce_only=True), {"timeInForce": "GTC"}),
        (an_order(reduce_only=True, symbol="A/B:B"), {"timeInForce": "GTC", "reduceOnly": True}),
    ],
    ids=lambda value: "",
)
def test_an_order_is_sent_with_what_it_says_and_nothing_else(order: OrderRequest, params: dict[str, object]) -> None:
    assert unified.order(order) == {"clientOrderId": "order1", **params}


def test_each_exchange_has_its_own_word_for_things() -> None:
    known = {name: quirks_of(name) for name in ("okx", "binance", "binanceusdm", "bybit", "kraken")}
    assert {name for name, quirks in known.items() if quirks.shows_ids} == set(known) - {"kraken"}
    assert {name for name, quirks in known.items() if quirks.ids_reused} == {"binance", "binanceusdm"}
    assert {name: quirks.exchange for name, quirks in known.items()} == {name: name for name in known}
