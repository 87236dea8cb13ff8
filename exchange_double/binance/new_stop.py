"""A stop as Binance reads it: the order that it places, and what it waits for.

A stop loss waits for a price that is worse than now's, a take profit for a better one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from exchange_double.binance.call import Call, required
from exchange_double.binance.errors import BinanceError, missing, not_required, wrong
from exchange_double.binance.new_order import asked, check_notional, read_price
from exchange_double.orders import NewOrder
from exchange_double.stops import Trigger, TriggerBy

FUTURES = (
    "algoType symbol side positionSide type timeInForce quantity price triggerPrice workingType reduceOnly "
    "clientAlgoId newOrderRespType selfTradePreventionMode"
)
"""The parameters of an algo order. Any other would change what it does, and is refused."""

SPOT_KINDS = {
    "STOP_LOSS": "MARKET",
    "STOP_LOSS_LIMIT": "LIMIT",
    "TAKE_PROFIT": "MARKET",
    "TAKE_PROFIT_LIMIT": "LIMIT",
}
FUTURES_KINDS = {"STOP_MARKET": "MARKET", "STOP": "LIMIT", "TAKE_PROFIT_MARKET": "MARKET", "TAKE_PROFIT": "LIMIT"}
"""What each kind of stop places."""

WATCHED: dict[str, TriggerBy] = {"CONTRACT_PRICE": "last", "MARK_PRICE": "mark"}


def spot_stop(call: Call) -> tuple[NewOrder, Trigger]:
    """An order of one of `SPOT_KINDS`. Raises `BinanceError`."""
    if "quoteOrderQty" in call.params:
        raise not_required("quoteOrderQty")
    return _stop(call, SPOT_KINDS, at="stopPrice", by="last", params=dict(call.params))


def algo_order(call: Call) -> tuple[NewOrder, Trigger]:
    """Of futures. Raises `BinanceError`."""
    params = dict(call.params)
    if required(params, "algoType") != "CONDITIONAL":
        raise wrong("algoType")
    kind, by = required(params, "type"), WATCHED.get(params.get("workingType", "CONTRACT_PRICE"))
    if kind not in FUTURES_KINDS:
        raise BinanceError(-1116, "Invalid orderType.")
    if by is None:
        raise wrong("workingType")
    if FUTURES_KINDS[kind] == "LIMIT":
        params.setdefault("timeInForce", "GTC")
    if "clientAlgoId" in params:
        params["newClientOrderId"] = params["clientAlgoId"]
    return _stop(call, FUTURES_KINDS, at="triggerPrice", by=by, params=params)


def _stop(
    call: Call, kinds: Mapping[str, str], *, at: str, by: TriggerBy, params: dict[str, str]
) -> tuple[NewOrder, Trigger]:
    kind, listing = params["type"], call.listing()
    new = asked(replace(call, params={**params, "type": kinds[kind]}))
    if at not in params:
        raise missing(at)
    price = read_price(params, at, listing)
    check_notional(new, listing, price=new.limit_price if new.limit_price is not None else price)
    below = kind.startswith("STOP") == (new.side == "sell")
    return new, Trigger(price=price, direction="below" if below else "above", by=by)
