"""Which address of Binance is what: its operation, who answers it, and which parameters it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exchange_double.binance import (
    algos,
    exchange_info,
    futures,
    listening,
    market,
    new_order,
    new_stop,
    orders,
    queries,
    wallet,
)
from exchange_double.binance.call import Call
from exchange_double.binance.signature import SIGNED_WITH
from exchange_double.wire import Answer, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    operation: Operation
    handle: Callable[[Call], Answer]
    reads: frozenset[str]
    signed: bool
    keyed: bool
    """Whether it carries the API key; what is signed does."""


def _public(operation: Operation, handle: Callable[[Call], Answer], reads: str = "") -> Route:
    return Route(operation=operation, handle=handle, reads=frozenset(reads.split()), signed=False, keyed=False)


def _signed(operation: Operation, handle: Callable[[Call], Answer], reads: str = "") -> Route:
    known = frozenset(reads.split()) | SIGNED_WITH
    return Route(operation=operation, handle=handle, reads=known, signed=True, keyed=True)


def _keyed(operation: Operation, handle: Callable[[Call], Answer], reads: str = "") -> Route:
    return Route(operation=operation, handle=handle, reads=frozenset(reads.split()), signed=False, keyed=True)


_PAGE = "startTime endTime limit"
_TRANSFERS = f"coin offset {_PAGE}"
_EITHER_ID = "symbol orderId origClientOrderId"

_LISTENING = "subType"
"""It means nothing there; ccxt sends it, with the value `None`."""
_EITHER_ALGO_ID = "symbol algoId clientAlgoId"

_SPOT = {
    ("GET", "/api/v3/ping"): _public(Operation.TIME, market.ping),
    ("GET", "/api/v3/time"): _public(Operation.TIME, market.time),
    ("GET", "/api/v3/exchangeInfo"): _public(Operation.INSTRUMENTS, exchange_info.spot, "symbol symbols"),
    ("GET", "/api/v3/ticker/24hr"): _public(Operation.TICKER, market.day_ticker, "symbol symbols"),
    ("GET", "/api/v3/ticker/price"): _public(Operation.TICKER, market.price_ticker, "symbol symbols"),
    ("GET", "/api/v3/ticker/bookTicker"): _public(Operation.TICKER, market.book_ticker, "symbol symbols"),
    ("GET", "/api/v3/depth"): _public(Operation.BOOK, market.book, "symbol limit"),
    ("GET", "/api/v3/klines"): _public(Operation.CANDLES, market.candles, f"symbol interval {_PAGE}"),
    ("POST", "/api/v3/order"): _signed(Operation.PLACE, orders.place, new_order.SPOT),
    ("DELETE", "/api/v3/order"): _signed(Operation.CANCEL, orders.cancel, f"{_EITHER_ID} newClientOrderId"),
    ("DELETE", "/api/v3/openOrders"): _signed(Operation.CANCEL, orders.cancel_all, "symbol"),
    ("GET", "/api/v3/order"): _signed(Operation.ORDER, queries.order, _EITHER_ID),
    ("GET", "/api/v3/openOrders"): _signed(Operation.OPEN_ORDERS, queries.open_orders, "symbol"),
    ("GET", "/api/v3/allOrders"): _signed(Operation.HISTORY, queries.all_orders, f"symbol orderId {_PAGE}"),
    ("GET", "/api/v3/myTrades"): _signed(Operation.FILLS, queries.spot_trades, f"symbol orderId fromId {_PAGE}"),
    ("GET", "/api/v3/account"): _signed(Operation.BALANCE, wallet.account, "omitZeroBalances"),
}

_WALLET = {
    ("GET", "/sapi/v1/system/status"): _public(Operation.STATUS, market.status),
    ("GET", "/sapi/v1/account/apiRestrictions"): _signed(Operation.SETTINGS, wallet.restrictions),
    ("GET", "/sapi/v1/asset/tradeFee"): _signed(Operation.SETTINGS, wallet.fees, "symbol"),
    ("GET", "/sapi/v1/asset/transfer"): _signed(
        Operation.BILLS, wallet.between_wallets, "type startTime endTime current size"
    ),
    ("GET", "/sapi/v1/capital/config/getall"): _signed(Operation.CURRENCIES, wallet.coins),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): _signed(Operation.BILLS, wallet.deposits, _TRANSFERS),
    ("GET", "/sapi/v1/capital/withdraw/history"): _signed(Operation.BILLS, wallet.withdrawals, _TRANSFERS),
    ("GET", "/sapi/v1/margin/allPairs"): _signed(Operation.INSTRUMENTS, wallet.no_pairs),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): _signed(Operation.INSTRUMENTS, wallet.no_pairs),
}

_FUTURES = {
    ("GET", "/fapi/v1/ping"): _public(Operation.TIME, market.ping),
    ("GET", "/fapi/v1/time"): _public(Operation.TIME, market.time),
    ("GET", "/fapi/v1/exchangeInfo"): _public(Operation.INSTRUMENTS, exchange_info.futures),
    ("GET", "/fapi/v1/ticker/24hr"): _public(Operation.TICKER, market.day_ticker, "symbol"),
    ("GET", "/fapi/v1/ticker/price"): _public(Operation.TICKER, market.price_ticker, "symbol"),
    ("GET", "/fapi/v2/ticker/price"): _public(Operation.TICKER, market.price_ticker, "symbol"),
    ("GET", "/fapi/v1/ticker/bookTicker"): _public(Operation.TICKER, market.book_ticker, "symbol"),
    ("GET", "/fapi/v1/premiumIndex"): _public(Operation.TICKER, market.mark_price, "symbol"),
    ("GET", "/fapi/v1/depth"): _public(Operation.BOOK, market.book, "symbol limit"),
    ("GET", "/fapi/v1/klines"): _public(Operation.CANDLES, market.candles, f"symbol interval {_PAGE}"),
    ("POST", "/fapi/v1/order"): _signed(Operation.PLACE, orders.place, new_order.FUTURES),
    ("POST", "/fapi/v1/batchOrders"): _signed(Operation.PLACE, orders.place_several, "batchOrders"),
    ("DELETE", "/fapi/v1/order"): _signed(Operation.CANCEL, orders.cancel, _EITHER_ID),
    ("DELETE", "/fapi/v1/batchOrders"): _signed(
        Operation.CANCEL,
        orders.cancel_several,
        "symbol orderIdList origClientOrderIdList orderidlist origclientorderidlist",
    ),
    ("DELETE", "/fapi/v1/allOpenOrders"): _signed(Operation.CANCEL, orders.cancel_all, "symbol"),
    ("POST", "/fapi/v1/countdownCancelAll"): _signed(
        Operation.CANCEL_AFTER, orders.cancel_after, "symbol countdownTime"
    ),
    ("GET", "/fapi/v1/order"): _signed(Operation.ORDER, queries.order, _EITHER_ID),
    ("GET", "/fapi/v1/openOrder"): _signed(Operation.OPEN_ORDERS, queries.open_order, _EITHER_ID),
    ("GET", "/fapi/v1/openOrders"): _signed(Operation.OPEN_ORDERS, queries.open_orders, "symbol"),
    ("GET", "/fapi/v1/allOrders"): _signed(Operation.HISTORY, queries.all_orders, f"symbol orderId {_PAGE}"),
    ("POST", "/fapi/v1/algoOrder"): _signed(Operation.PLACE, algos.place, new_stop.FUTURES),
    ("DELETE", "/fapi/v1/algoOrder"): _signed(Operation.CANCEL, algos.cancel, _EITHER_ALGO_ID),
    ("DELETE", "/fapi/v1/algoOpenOrders"): _signed(Operation.CANCEL, algos.cancel_all, "symbol"),
    ("GET", "/fapi/v1/algoOrder"): _signed(Operation.ORDER, algos.one, _EITHER_ALGO_ID),
    ("GET", "/fapi/v1/openAlgoOrders"): _signed(Operation.OPEN_ORDERS, algos.waiting, "symbol algoType"),
    ("GET", "/fapi/v1/allAlgoOrders"): _signed(Operation.HISTORY, algos.history, f"symbol algoId {_PAGE}"),
    ("GET", "/fapi/v1/userTrades"): _signed(Operation.FILLS, queries.futures_trades, f"symbol orderId fromId {_PAGE}"),
    ("GET", "/fapi/v2/account"): _signed(Operation.BALANCE, futures.account_with_all),
    ("GET", "/fapi/v3/account"): _signed(Operation.BALANCE, futures.account),
    ("GET", "/fapi/v2/balance"): _signed(Operation.BALANCE, futures.balance),
    ("GET", "/fapi/v3/balance"): _signed(Operation.BALANCE, futures.balance),
    ("GET", "/fapi/v2/positionRisk"): _signed(Operation.POSITIONS, futures.all_positions, "symbol"),
    ("GET", "/fapi/v3/positionRisk"): _signed(Operation.POSITIONS, futures.positions, "symbol"),
    ("GET", "/fapi/v1/positionSide/dual"): _signed(Operation.SETTINGS, futures.position_mode),
    ("POST", "/fapi/v1/positionSide/dual"): _signed(Operation.SETTINGS, futures.set_position_mode, "dualSidePosition"),
    ("POST", "/fapi/v1/marginType"): _signed(Operation.SETTINGS, futures.set_margin_type, "symbol marginType"),
    ("POST", "/fapi/v1/leverage"): _signed(Operation.SETTINGS, futures.set_leverage, "symbol leverage"),
    ("GET", "/fapi/v1/leverageBracket"): _signed(Operation.SETTINGS, futures.brackets, "symbol"),
    ("GET", "/fapi/v1/symbolConfig"): _signed(Operation.SETTINGS, futures.settings, "symbol"),
    ("GET", "/fapi/v1/accountConfig"): _signed(Operation.SETTINGS, futures.account_settings),
    ("GET", "/fapi/v1/commissionRate"): _signed(Operation.SETTINGS, futures.fees, "symbol"),
    ("GET", "/fapi/v1/income"): _signed(Operation.BILLS, futures.income, f"symbol incomeType page {_PAGE}"),
    ("POST", "/fapi/v1/listenKey"): _keyed(Operation.SETTINGS, listening.make, _LISTENING),
    ("PUT", "/fapi/v1/listenKey"): _keyed(Operation.SETTINGS, listening.keep, _LISTENING),
    ("DELETE", "/fapi/v1/listenKey"): _keyed(Operation.SETTINGS, listening.drop, _LISTENING),
    ("GET", "/dapi/v1/exchangeInfo"): _public(Operation.INSTRUMENTS, exchange_info.coin_margined),
}

ROUTES = _SPOT | _WALLET | _FUTURES

SPOKEN = tuple(f"{method} {path}" for method, path in ROUTES)
"""Every address."""
