"""OKX's V5 protocol over the double's engine: which address is what, and the frame around each; streams too.

Spot and linear perpetual swaps of one account in net mode with cross margin. Amendments, hedge mode and isolated
margin are not spoken: their addresses answer 404.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from exchange_double.engine import Engine
from exchange_double.okx import account, algos, market, orders, queries
from exchange_double.okx.call import Call, refusal
from exchange_double.okx.channels import ENDPOINTS
from exchange_double.okx.errors import REFUSALS, OkxError
from exchange_double.okx.session import OkxSession
from exchange_double.okx.signature import check_signature
from exchange_double.orders import Refused
from exchange_double.wire import Answer, Credentials, Effects, Operation, Request, gateway_page

_API = "/api/v5/"
WS_PATH = "/ws/v5"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    operation: Operation
    handle: Callable[[Call], Answer]
    public: bool = False


def _public(operation: Operation, handle: Callable[[Call], Answer]) -> _Route:
    return _Route(operation=operation, handle=handle, public=True)


def _private(operation: Operation, handle: Callable[[Call], Answer]) -> _Route:
    return _Route(operation=operation, handle=handle)


_ROUTES: dict[tuple[str, str], _Route] = {
    ("GET", "public/time"): _public(Operation.TIME, market.time),
    ("GET", "system/status"): _public(Operation.STATUS, market.status),
    ("GET", "public/instruments"): _public(Operation.INSTRUMENTS, market.instruments),
    ("GET", "public/funding-rate-history"): _public(Operation.PERPETUALS, market.funding_rates),
    ("GET", "public/position-tiers"): _public(Operation.PERPETUALS, market.position_tiers),
    ("GET", "market/ticker"): _public(Operation.TICKER, market.ticker),
    ("GET", "market/tickers"): _public(Operation.TICKER, market.tickers),
    ("GET", "market/books"): _public(Operation.BOOK, market.book),
    ("GET", "market/books-full"): _public(Operation.BOOK, market.book),
    ("GET", "market/candles"): _public(Operation.CANDLES, market.candles),
    ("GET", "market/history-candles"): _public(Operation.CANDLES, market.candles),
    ("GET", "asset/currencies"): _private(Operation.CURRENCIES, account.currencies),
    ("GET", "asset/balances"): _private(Operation.BALANCE, account.funding_account),
    ("GET", "account/balance"): _private(Operation.BALANCE, account.balance),
    ("GET", "account/positions"): _private(Operation.POSITIONS, account.positions),
    ("GET", "account/bills"): _private(Operation.BILLS, account.bills),
    ("GET", "account/bills-archive"): _private(Operation.BILLS, account.bills),
    ("GET", "account/config"): _private(Operation.SETTINGS, account.config),
    ("GET", "account/trade-fee"): _private(Operation.SETTINGS, account.fees),
    ("POST", "account/set-position-mode"): _private(Operation.SETTINGS, account.position_mode),
    ("POST", "account/set-leverage"): _private(Operation.SETTINGS, account.set_leverage),
    ("POST", "trade/order"): _private(Operation.PLACE, orders.place),
    ("POST", "trade/batch-orders"): _private(Operation.PLACE, orders.place_several),
    ("POST", "trade/cancel-order"): _private(Operation.CANCEL, orders.cancel),
    ("POST", "trade/cancel-batch-orders"): _private(Operation.CANCEL, orders.cancel_several),
    ("POST", "trade/cancel-all-after"): _private(Operation.CANCEL_AFTER, orders.cancel_after),
    ("GET", "trade/order"): _private(Operation.ORDER, queries.order),
    ("GET", "trade/orders-pending"): _private(Operation.OPEN_ORDERS, queries.open_orders),
    ("GET", "trade/orders-history"): _private(Operation.HISTORY, queries.history),
    ("GET", "trade/orders-history-archive"): _private(Operation.HISTORY, queries.history),
    ("POST", "trade/order-algo"): _private(Operation.PLACE, algos.place),
    ("POST", "trade/cancel-algos"): _private(Operation.CANCEL, algos.cancel),
    ("GET", "trade/order-algo"): _private(Operation.ORDER, algos.one),
    ("GET", "trade/orders-algo-pending"): _private(Operation.OPEN_ORDERS, algos.waiting),
    ("GET", "trade/orders-algo-history"): _private(Operation.HISTORY, algos.history),
    ("GET", "trade/fills"): _private(Operation.FILLS, queries.recent_fills),
    ("GET", "trade/fills-history"): _private(Operation.FILLS, queries.all_fills),
}

SPOKEN = tuple(f"{method} {path}" for method, path in _ROUTES)
"""Every address, below `/api/v5/`."""


class OkxWire:
    """Speaks OKX, by requests and by streams. Knows nothing but the credentials that it checks against."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.credentials = credentials or Credentials()

    @property
    def name(self) -> str:
        return "okx"

    def operation(self, request: Request) -> Operation | None:
        route = _route(request)
        return route.operation if route else None

    def answer(self, request: Request, engine: Engine, effects: Effects, *, now: datetime) -> Answer:
        route = _route(request)
        if route is None:
            return self.not_spoken(request)
        try:
            if not route.public:
                check_signature(request, self.credentials, now=now)
            return route.handle(
                Call(request=request, engine=engine, effects=effects, credentials=self.credentials, now=now)
            )
        except OkxError as error:
            return refusal(error)
        except Refused as refused:
            return refusal(OkxError(*REFUSALS[refused.reason]))

    def session(self, path: str, engine: Engine) -> OkxSession | None:
        endpoint = ENDPOINTS.get(path.partition("?")[0].removeprefix(WS_PATH + "/"))
        return OkxSession(endpoint, engine, self.credentials) if endpoint else None

    def rate_limited(self) -> Answer:
        return refusal(OkxError("50011", "Too Many Requests", status=429))

    def maintenance(self) -> Answer:
        return refusal(OkxError("50001", "Service temporarily unavailable. Try again later.", status=503))

    def server_error(self, status: int) -> Answer:
        return gateway_page(status)

    def not_spoken(self, request: Request) -> Answer:
        return refusal(OkxError("404", f"the double does not speak {request.method} {request.path}", status=404))

    def client_settings(self, url: str, *, ahead_ms: int) -> dict[str, object]:
        """For `ccxt.async_support.okx(settings)`.

        `adjustForTimeDifference` alone is too late: with keys, `load_markets` signs a request before it asks
        for the time.
        """
        addresses = {"rest": url, "ws": url.replace("http", "ws", 1) + WS_PATH}
        return {
            "apiKey": self.credentials.key,
            "secret": self.credentials.secret,
            "password": self.credentials.passphrase,
            "urls": {"api": addresses, "test": addresses},
            "options": {"adjustForTimeDifference": True, "timeDifference": ahead_ms},
        }


def _route(request: Request) -> _Route | None:
    return _ROUTES.get((request.method, request.path.removeprefix(_API)))
