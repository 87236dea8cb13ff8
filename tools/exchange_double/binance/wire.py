"""Binance's REST protocol over the double's engine: which address is what, and which parameters it reads.

Spot and USDⓈ-M perpetuals of one account: the spot wallet and the futures wallet show the same cash. One-way positions,
cross margin. WebSockets, stops and other conditional orders, amendments, order lists, margin, hedge mode and
coin-margined futures are not spoken: their addresses answer 404.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from tools.exchange_double.binance import exchange_info, futures, market, new_order, orders, queries, wallet
from tools.exchange_double.binance.call import Call, parameters, refusal
from tools.exchange_double.binance.errors import BinanceError, refusal_of, unread
from tools.exchange_double.binance.outages import maintenance, outage
from tools.exchange_double.binance.signature import SIGNED_WITH, check_key, check_signature, not_permitted
from tools.exchange_double.engine import Engine
from tools.exchange_double.orders import Refused
from tools.exchange_double.wire import Answer, Credentials, Effects, Operation, Request

_SANDBOX = "/sandbox"
"""Before every address of Binance's test and demo environments, which really are other hosts."""

_TRADES = frozenset({Operation.PLACE, Operation.CANCEL, Operation.CANCEL_AFTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    operation: Operation
    handle: Callable[[Call], Answer]
    reads: frozenset[str]
    signed: bool


def _public(operation: Operation, handle: Callable[[Call], Answer], reads: str = "") -> _Route:
    return _Route(operation=operation, handle=handle, reads=frozenset(reads.split()), signed=False)


def _signed(operation: Operation, handle: Callable[[Call], Answer], reads: str = "") -> _Route:
    return _Route(operation=operation, handle=handle, reads=frozenset(reads.split()) | SIGNED_WITH, signed=True)


_PAGE = "startTime endTime limit"
_TRANSFERS = f"coin offset {_PAGE}"
_EITHER_ID = "symbol orderId origClientOrderId"

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
    ("GET", "/dapi/v1/exchangeInfo"): _public(Operation.INSTRUMENTS, exchange_info.coin_margined),
}

_ROUTES = _SPOT | _WALLET | _FUTURES

SPOKEN = tuple(f"{method} {path}" for method, path in _ROUTES)
"""Every address."""


class BinanceWire:
    """Speaks Binance. Knows nothing but the credentials that it checks against."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.credentials = credentials or Credentials()

    @property
    def name(self) -> str:
        return "binance"

    def operation(self, request: Request) -> Operation | None:
        route = _route(request)
        return route.operation if route else None

    def answer(self, request: Request, engine: Engine, effects: Effects, *, now: datetime) -> Answer:
        route, futures = _route(request), _path(request).startswith("/fapi/")
        if route is None:
            return self.not_spoken(request)
        try:
            params = parameters(request)
            if route.signed:
                self._check(request, params, route.operation, now=now)
            if not params.keys() <= route.reads:
                raise unread(len(params.keys() & route.reads), len(params))
            call = Call(
                request=request,
                params=params,
                futures=futures,
                engine=engine,
                effects=effects,
                credentials=self.credentials,
                now=now,
            )
            return route.handle(call)
        except BinanceError as error:
            return refusal(error)
        except Refused as refused:
            return refusal(refusal_of(refused.reason, futures=futures))

    def rate_limited(self) -> Answer:
        return outage(429)

    def maintenance(self) -> Answer:
        return maintenance()

    def server_error(self, status: int) -> Answer:
        return outage(status)

    def not_spoken(self, request: Request) -> Answer:
        message = f"the double does not speak {request.method} {request.path}"
        return refusal(BinanceError(-5000, message, status=404))

    def client_settings(self, url: str, *, ahead_ms: int) -> dict[str, object]:
        """For `ccxt.async_support.binance(settings)`.

        `adjustForTimeDifference` alone is too late: with keys, `load_markets` signs a request before it asks for
        the time. ccxt goes by the host's name to tell what an error code means on spot and on futures, and here is
        one host, so what it knows of either is handed in as known of both: no code that the double sends is in doubt.
        """
        return {
            "apiKey": self.credentials.key,
            "secret": self.credentials.secret,
            "urls": {"api": _addresses(url), "test": _hosts(url + _SANDBOX), "demo": _hosts(url + _SANDBOX)},
            "options": {"adjustForTimeDifference": True, "timeDifference": ahead_ms},
            "exceptions": {"exact": dict(_meanings())},
        }

    def _check(self, request: Request, params: Mapping[str, str], operation: Operation, *, now: datetime) -> None:
        check_key(request, self.credentials, sandbox=request.path.startswith(_SANDBOX))
        check_signature(request, params, self.credentials, now=now)
        if operation in _TRADES and "trade" not in self.credentials.permissions:
            raise not_permitted()


def _path(request: Request) -> str:
    return request.path.removeprefix(_SANDBOX)


def _route(request: Request) -> _Route | None:
    return _ROUTES.get((request.method, _path(request)))


def _hosts(url: str) -> dict[str, str]:
    """ccxt's names of Binance's addresses, as its test and demo environments have them."""
    spot = dict.fromkeys(("public", "private"), f"{url}/api/v3")
    futures = {
        f"{name}{version.upper() if version != 'v1' else ''}": f"{url}/fapi/{version}"
        for name in ("fapiPublic", "fapiPrivate")
        for version in ("v1", "v2", "v3")
    }
    return {**spot, **futures, "dapiPublic": f"{url}/dapi/v1"}


def _addresses(url: str) -> dict[str, str]:
    """Those of the real exchange: it has a wallet too."""
    return {**_hosts(url), "sapi": f"{url}/sapi/v1"}


@cache
def _meanings() -> Mapping[str, type[Exception]]:
    """What ccxt makes of an error code on futures, and else on spot, whose own codes end before -3000."""
    import ccxt

    known = ccxt.binance().exceptions
    spot = {code: error for code, error in known["spot"]["exact"].items() if int(code) > -3_000}
    return {**spot, **known["linear"]["exact"]}
