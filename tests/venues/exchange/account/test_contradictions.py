"""Answers that can't be true, or say nothing: the error tree's own errors come out, and never a wrong report.

Recorded answers are read with each of their fields dropped, emptied and of another type.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest

from builders.canned_venue import Canned, a_canned_venue, shared
from builders.live_venue import SPOT, Stage, a_stage
from builders.markets import a_ticket, an_order
from domain.breaker import Breaker
from domain.errors import (
    KeysRefused,
    OrderContradicted,
    OrderStateUnknown,
    ServiceUnavailable,
    VenueRefused,
    VenueUnavailable,
)
from domain.order import OrderReport, OrderRequest, OrderState
from exchange_double import Operation
from exchange_double.faults import (
    AnothersRow,
    ClockSkew,
    Contradicting,
    Emptied,
    IdCutShort,
    RowsTwice,
    WrongSide,
)
from venues.exchange.account import ExchangeVenue

OURS = "order1"
EXCHANGES = pytest.mark.parametrize("exchange", ["okx", "binance", "bybit"])


async def bought(stage: Stage) -> tuple[OrderRequest, OrderReport]:
    order = an_order(symbol=SPOT, quantity="0.5")
    return order, await stage.venue.submit(order, a_ticket(order))


def only_spot(exchange: str) -> dict[str, Any]:
    return {"exchange": exchange, "symbols": [SPOT]}


# At the exchange double.


@EXCHANGES
async def test_an_order_under_a_name_that_was_cut_short_is_unknown_and_then_found_under_its_own(exchange: str) -> None:
    async with a_stage(**only_spot(exchange)) as stage:
        stage.double.faults.add(IdCutShort(), on=Operation.PLACE)
        order, report = await bought(stage)
        assert (report.state, report.evidence) == (OrderState.WORKING, "accepted")
        with pytest.raises(OrderContradicted, match=f"as {report.venue_order_id}, and shows it as"):
            await stage.venue.find(order.client_order_id, SPOT)
        found = await stage.venue.find(order.client_order_id, SPOT)
    assert found is not None
    assert (found.state, found.filled) == (OrderState.FILLED, order.quantity)
    assert found.venue_order_id.startswith(report.venue_order_id)


@EXCHANGES
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("fault", [AnothersRow(), WrongSide(), Emptied(), RowsTwice()], ids=str)
@pytest.mark.parametrize("operation", [Operation.ORDER, Operation.FILLS, Operation.HISTORY, Operation.OPEN_ORDERS])
async def test_an_order_is_never_reported_as_it_is_not(
    exchange: str, fault: Contradicting, operation: Operation, restarted: bool
) -> None:
    async with a_stage(**only_spot(exchange)) as stage:
        order, report = await bought(stage)
        venue = stage.another(symbols=[SPOT]) if restarted else stage.venue
        stage.double.faults.add(fault, on=operation, times=None)
        try:
            found = await venue.find(order.client_order_id, SPOT)
        except (VenueUnavailable, OrderStateUnknown):
            found = None
        finally:
            if restarted:
                await venue.aclose()
        if found is not None and found.side != "sell":  # which the writer knows to be wrong, and a venue anew does not
            assert (found.state, found.filled, found.venue_order_id) == (
                report.state,
                report.filled,
                report.venue_order_id,
            )
            assert {fill.side for fill in found.fills} <= {"buy"}


@EXCHANGES
async def test_the_order_behind_a_trade_is_asked_for_by_the_venues_own_id(exchange: str) -> None:
    async with a_stage(**only_spot(exchange)) as stage:
        order, report = await bought(stage)
        assert await stage.venue.client_order_id_of(report.venue_order_id, SPOT) == order.client_order_id
        assert await stage.venue.client_order_id_of("999999999", SPOT) is None


@pytest.mark.parametrize("body", ['{"code":"0","msg":"","data":[]}', '{"code":"0","msg":""}', '{"code":"0","data":{}}'])
async def test_an_okx_order_of_which_nothing_is_in_the_answer_is_not_told(body: str) -> None:
    async with a_canned_venue("okx", {"GET /api/v5/trade/order": body}, symbols=["LTC/USDT"]) as canned:
        with pytest.raises(VenueUnavailable):
            await canned.venue.find(OURS, "LTC/USDT")


# What is refused, and asked once.


@EXCHANGES
async def test_keys_that_are_refused_are_asked_for_once_and_named(exchange: str) -> None:
    async with a_stage(**only_spot(exchange)) as stage:
        await stage.venue.instruments()
        stage.venue.market_data._ccxt.apiKey = "another"
        before = len(stage.double.journal.of(Operation.BALANCE))
        with pytest.raises(KeysRefused, match="declined") as refused:
            await stage.venue.portfolio()
    assert len(stage.double.journal.of(Operation.BALANCE)) == before + 1
    assert (refused.value.exit_code, isinstance(refused.value, VenueRefused)) == (2, True)
    assert "key" in refused.value.remedy


@EXCHANGES
async def test_a_clock_that_is_off_is_named_as_the_cause(exchange: str) -> None:
    async with a_stage(**only_spot(exchange)) as stage:
        await stage.venue.instruments()
        stage.double.faults.add(ClockSkew(), on=Operation.BALANCE, times=None)
        with pytest.raises(VenueRefused, match=r"this machine's clock was 0 ms .* set it \(NTP\)"):
            await stage.venue.portfolio()


# Recorded answers, broken.

Read = Callable[[ExchangeVenue], Awaitable[object]]


def recorded(method: str, description: str) -> str:
    calls = json.loads(shared("ccxt_static/okx_response.json"))["methods"][method]
    (call,) = [call for call in calls if call["description"].startswith(description)]
    return json.dumps(call["httpResponse"])


def wrapped(row: str) -> str:
    return f'{{"code":"0","data":[{row}],"msg":""}}'


def payload(name: str) -> str:
    return shared(f"exchange_payloads/{name}.json")


def finds(symbol: str) -> Read:
    return lambda venue: venue.find(OURS, symbol)


def trades(symbol: str) -> Read:
    async def read(venue: ExchangeVenue) -> object:
        return await venue.trades(symbol, since=(await venue.time() or _never()).replace(year=2015))

    return read


def _never() -> Any:
    raise AssertionError("the venue tells no time")


async def statement(venue: ExchangeVenue) -> object:
    return await venue.statement()


RECORDED: Mapping[str, tuple[str, str, str, Callable[[], str], Read]] = {
    "okx order": (
        "okx",
        "GET /api/v5/trade/order",
        "LTC/USDT",
        lambda: recorded("fetchOrder", "fetch spot order").replace("e847386590ce4dBC6f7ae74854f6a617", OURS),
        finds("LTC/USDT"),
    ),
    "okx open orders": (
        "okx",
        "GET /api/v5/trade/orders-pending",
        "BTC/USDT:USDT",
        lambda: payload("okx/http_get_orders_pending").replace("client-order-1", OURS),
        finds("BTC/USDT:USDT"),
    ),
    "okx stops": (
        "okx",
        "GET /api/v5/trade/orders-algo-pending",
        "BTC/USDT:USDT",
        lambda: payload("okx/http_get_orders_algo_pending").replace("client_algo_1", OURS),
        finds("BTC/USDT:USDT"),
    ),
    "okx trades": (
        "okx",
        "GET /api/v5/trade/fills-history",
        "LTC/USDT",
        lambda: recorded("fetchMyTrades", "spot trade"),
        trades("LTC/USDT"),
    ),
    "okx balance": (
        "okx",
        "GET /api/v5/account/balance",
        "BTC/USDT:USDT",
        lambda: payload("okx/http_get_account_balance"),
        statement,
    ),
    "okx positions": (
        "okx",
        "GET /api/v5/account/positions",
        "BTC/USDT:USDT",
        lambda: payload("okx/http_get_positions"),
        statement,
    ),
    "bybit ended orders": (
        "bybit",
        "GET /v5/order/history",
        "BTC/USDT:USDT",
        lambda: payload("bybit/http_get_order_partially_filled_rejected").replace(
            "O-20251001-164609-APEX-000-49", OURS
        ),
        finds("BTC/USDT:USDT"),
    ),
    "binance order": (
        "binance",
        "GET /api/v3/order",
        "LTC/BTC",
        lambda: payload("binance/spot__http_json__order_response"),
        finds("LTC/BTC"),
    ),
}

MOST = 120
"""Of one recorded answer: long ones have thousands of places where they can break."""

_BALANCE = "GET /api/v5/account/balance"
GONE = object()
OTHERS = (GONE, None, "", [], {})


def broken(value: object) -> Iterator[tuple[str, object]]:
    """`value` with each of its parts in turn dropped, emptied or of another type, and where."""
    for path in _paths(value, ()):
        retyped = [str(_at(value, path))] if isinstance(_at(value, path), int) else []
        for other in (*OTHERS, *retyped):
            changed = copy.deepcopy(value)
            place: Any = changed
            for step in path[:-1]:
                place = place[step]
            if place[path[-1]] == other:
                continue
            if other is GONE:
                del place[path[-1]]
            else:
                place[path[-1]] = other
            yield f"{'.'.join(map(str, path))} is {'gone' if other is GONE else repr(other)}", changed


def _at(value: Any, path: tuple[Any, ...]) -> object:
    for step in path:
        value = value[step]
    found: object = value
    return found


def _paths(value: object, above: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*above, key)
        yield from _paths(each, (*above, key))


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_answer_that_is_broken_anywhere_is_an_error_or_says_the_same(name: str) -> None:
    exchange, address, symbol, body, read = RECORDED[name]
    whole = json.loads(body())
    if name == "binance order":
        whole["clientOrderId"] = OURS
    answers = {_BALANCE: '{"code":"0","data":[{"details":[]}],"msg":""}'} if exchange == "okx" else {}
    async with a_canned_venue(exchange, {**answers, address: json.dumps(whole)}, symbols=[symbol]) as canned:
        right = await read(canned.venue)
        every = list(broken(whole))
        some = random.Random(name).sample(every, min(MOST, len(every)))
        wrong = [
            found for where, answer in some if (found := await _misread(canned, address, answer, read, right, where))
        ]
    assert wrong == []


async def _misread(canned: Canned, address: str, answer: object, read: Read, right: object, where: str) -> str:
    """What is wrong with how an answer is read; empty where it is an error of the tree, or nothing is wrong."""
    canned.answers[address] = [json.dumps(answer)]
    canned.venue._session._breaker = Breaker(after=10_000, probe_after_s=1)
    try:
        found = await read(canned.venue)
    except ServiceUnavailable:
        return ""
    except Exception as error:  # what must not come out
        return f"{where}: {type(error).__name__}: {error}"
    if isinstance(right, OrderReport):
        if found is None:
            return "" if any(name in where for name in _MAY_BE_NONE) else f"{where}: there is no such order"
        assert isinstance(found, OrderReport)
        said = (found.state, found.filled, found.venue_order_id, found.symbol)
        expected = (right.state, right.filled, right.venue_order_id, right.symbol)
        return "" if said == expected else f"{where}: {said}"
    return ""


_MAY_BE_NONE = (
    "result.list is []",
    "data is []",
    "data.0 is gone",
    "ClOrdId",
    "clOrdId",
    "orderLinkId",
    "list.0 is gone",
)
"""A list without rows, and a row of a list without a client order id, say that there is none of ours."""
