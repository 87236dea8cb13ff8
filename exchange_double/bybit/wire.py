"""Bybit's V5 protocol over the double's engine: which address is what, and what each of them takes; streams too.

Spot and linear USDT perpetuals of one unified account in one-way mode with cross margin. Trailing stops, stops of a
position, amendments, borrowing, hedge mode and isolated margin are not spoken.
A parameter that an address does not know is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from exchange_double.bybit import account, market, orders, queries
from exchange_double.bybit.call import Call, read, refusal, refuse_unknown
from exchange_double.bybit.errors import BybitError
from exchange_double.bybit.session import BybitSession
from exchange_double.bybit.signature import check_signature
from exchange_double.bybit.topics import ENDPOINTS
from exchange_double.engine import Engine
from exchange_double.wire import Answer, Credentials, Effects, Operation, Request, gateway_page

_API, _TESTNET = "/v5/", "/testnet"
_TRADES = frozenset({Operation.PLACE, Operation.CANCEL, Operation.CANCEL_AFTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    operation: Operation
    handle: Callable[[Call], Answer]
    takes: frozenset[str] | None
    """The parameters; `None` where the orders of a body are looked at one by one."""
    public: bool = False


def _public(operation: Operation, handle: Callable[[Call], Answer], takes: str = "") -> _Route:
    return _Route(operation=operation, handle=handle, takes=frozenset(takes.split()), public=True)


def _private(operation: Operation, handle: Callable[[Call], Answer], takes: str = "") -> _Route:
    return _Route(operation=operation, handle=handle, takes=frozenset(takes.split()))


def _order(operation: Operation, handle: Callable[[Call], Answer]) -> _Route:
    return _Route(operation=operation, handle=handle, takes=None)


_MARKETS = "category symbol baseCoin settleCoin"
_PAGED = "startTime endTime limit cursor"
_ORDERS = f"{_MARKETS} orderId orderLinkId orderFilter"

_ROUTES: dict[tuple[str, str], _Route] = {
    ("GET", "market/time"): _public(Operation.TIME, market.time),
    ("GET", "system/status"): _public(Operation.STATUS, market.status, "id state"),
    ("GET", "market/instruments-info"): _public(
        Operation.INSTRUMENTS, market.instruments, "category symbol baseCoin status limit cursor"
    ),
    ("GET", "market/tickers"): _public(Operation.TICKER, market.tickers, "category symbol baseCoin"),
    ("GET", "market/orderbook"): _public(Operation.BOOK, market.book, "category symbol limit"),
    ("GET", "market/kline"): _public(Operation.CANDLES, market.candles, "category symbol interval start end limit"),
    ("GET", "asset/coin/query-info"): _private(Operation.CURRENCIES, account.coins, "coin"),
    ("GET", "asset/transfer/query-inter-transfer-list"): _private(
        Operation.BILLS, account.transfers, f"{_PAGED} coin status transferId"
    ),
    ("GET", "asset/deposit/query-record"): _private(Operation.BILLS, account.chain_records, f"{_PAGED} coin"),
    ("GET", "asset/withdraw/query-record"): _private(
        Operation.BILLS, account.chain_records, f"{_PAGED} coin withdrawID withdrawType"
    ),
    ("GET", "user/query-api"): _private(Operation.SETTINGS, account.key_info),
    ("GET", "account/info"): _private(Operation.SETTINGS, account.info),
    ("GET", "account/wallet-balance"): _private(Operation.BALANCE, account.wallet_balance, "accountType coin"),
    ("GET", "account/fee-rate"): _private(Operation.SETTINGS, account.fee_rates, "category symbol baseCoin"),
    ("GET", "account/transaction-log"): _private(
        Operation.BILLS, account.transaction_log, f"{_PAGED} accountType category currency type"
    ),
    ("GET", "position/list"): _private(Operation.POSITIONS, account.positions, f"{_MARKETS} limit cursor"),
    ("POST", "position/switch-mode"): _private(Operation.SETTINGS, account.switch_mode, "category symbol coin mode"),
    ("POST", "position/set-leverage"): _private(
        Operation.SETTINGS, account.set_leverage, "category symbol buyLeverage sellLeverage"
    ),
    ("POST", "order/create"): _order(Operation.PLACE, orders.place),
    ("POST", "order/create-batch"): _private(Operation.PLACE, orders.place_several, "category request"),
    ("POST", "order/cancel"): _order(Operation.CANCEL, orders.cancel),
    ("POST", "order/cancel-batch"): _private(Operation.CANCEL, orders.cancel_several, "category request"),
    ("POST", "order/cancel-all"): _private(Operation.CANCEL, orders.cancel_all, f"{_MARKETS} orderFilter"),
    ("POST", "order/disconnected-cancel-all"): _private(
        Operation.CANCEL_AFTER, orders.disconnect_protection, "product timeWindow"
    ),
    ("GET", "order/realtime"): _private(
        Operation.OPEN_ORDERS, queries.realtime, f"{_ORDERS} openOnly limit cursor orderStatus"
    ),
    ("GET", "order/history"): _private(Operation.HISTORY, queries.history, f"{_ORDERS} {_PAGED} orderStatus"),
    ("GET", "execution/list"): _private(
        Operation.FILLS, queries.executions, f"{_MARKETS} {_PAGED} orderId orderLinkId execType size"
    ),
}

SPOKEN = tuple(f"{method} {path}" for method, path in _ROUTES)
"""Every address, below `/v5/`."""


class BybitWire:
    """Speaks Bybit, by requests and by streams. Knows nothing but the credentials that it checks against.

    Bybit's environments are hosts of their own; here the testnet's addresses begin with `/testnet`.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.credentials = credentials or Credentials()

    @property
    def name(self) -> str:
        return "bybit"

    def operation(self, request: Request) -> Operation | None:
        """A query by an order's id is one for this order, at whichever of the addresses."""
        route = _route(request)
        if route is None:
            return None
        named = "orderId=" in request.target or "orderLinkId=" in request.target
        return Operation.ORDER if named and route.operation is Operation.OPEN_ORDERS else route.operation

    def answer(self, request: Request, engine: Engine, effects: Effects, *, now: datetime) -> Answer:
        route = _route(request)
        if route is None:
            return self.not_spoken(request)
        try:
            if not route.public:
                self._admit(request, route, now=now)
            fields = read(request)
            if route.takes is not None:
                refuse_unknown(fields, route.takes)
            return route.handle(
                Call(fields=fields, engine=engine, effects=effects, credentials=self.credentials, now=now)
            )
        except BybitError as error:
            return refusal(error, now=now)

    def _admit(self, request: Request, route: _Route, *, now: datetime) -> None:
        """Raises `BybitError` for a wrong signature, and for a key that may not trade."""
        check_signature(request, self.credentials, testnet=request.path.startswith(_TESTNET), now=now)
        if route.operation in _TRADES and "trade" not in self.credentials.permissions:
            raise BybitError(10005, "Permission denied for current apikey")

    def session(self, path: str, engine: Engine) -> BybitSession | None:
        endpoint = ENDPOINTS.get(_below(path.partition("?")[0]))
        if endpoint is None:
            return None
        return BybitSession(endpoint, engine, self.credentials, testnet=path.startswith(_TESTNET))

    def server_error(self, status: int) -> Answer:
        """A gateway's page; with status 200 Bybit's own word that it waited in vain for an answer from within."""
        return refusal(BybitError(10000, "Server Timeout")) if status == 200 else gateway_page(status)

    def rate_limited(self) -> Answer:
        """Of the account: HTTP 200. Where an address of the internet asks too often, it is a page with HTTP 403."""
        return refusal(BybitError(10006, "Too many visits. Exceeded the API Rate Limit."))

    def maintenance(self) -> Answer:
        """Said as any error inside the exchange is, so that it says nothing about what it answers."""
        return refusal(BybitError(10016, "Server error: the service is restarting"))

    def not_spoken(self, request: Request) -> Answer:
        return refusal(BybitError(10017, f"the double does not speak {request.method} {request.path}", status=404))

    def client_settings(self, url: str, *, ahead_ms: int) -> dict[str, object]:
        """For `ccxt.async_support.bybit(settings)`.

        `adjustForTimeDifference` alone is too late: with keys, `load_markets` signs a request before it asks
        for the time. Without `acknowledged`, ccxt's `fetch_order` raises instead of asking.
        """

        def hosts(base: str) -> dict[str, object]:
            return dict.fromkeys(("spot", "futures", "v2", "public", "private"), base) | {"ws": _sockets(base)}

        return {
            "apiKey": self.credentials.key,
            "secret": self.credentials.secret,
            "urls": {"api": hosts(url), "test": hosts(url + _TESTNET), "demotrading": hosts(url + "/demo")},
            "options": {
                "adjustForTimeDifference": True,
                "timeDifference": ahead_ms,
                "fetchOrder": {"acknowledged": True},
            },
        }


def _sockets(base: str) -> dict[str, object]:
    """ccxt's addresses of streams, those that are not spoken too."""
    address = base.replace("http", "ws", 1) + _API
    private = f"{address}private"
    return {
        "public": {kind: f"{address}public/{kind}" for kind in ("spot", "linear", "inverse", "option")},
        "private": {
            "spot": {"unified": private, "nonUnified": private},
            "contract": private,
            "usdc": private,
            "trade": f"{address}trade",
        },
    }


def _route(request: Request) -> _Route | None:
    return _ROUTES.get((request.method, _below(request.path)))


def _below(path: str) -> str:
    """What follows `/v5/`, in either environment."""
    return path.removeprefix(_TESTNET).removeprefix(_API)
