"""Bybit's codes, as far as the double speaks them, and which refusal of the engine each stands for.

Almost every refusal is HTTP 200 with a `retCode`. Spot and derivatives have codes of their own: 170xxx and 110xxx.
Codes are from Bybit's list of errors and from what ccxt's `bybit.py` keeps of answers; the words are our own.
"""

from __future__ import annotations

from exchange_double.orders import Cause, Order, Reason
from exchange_double.stops import Trigger


class BybitError(Exception):
    """A request is answered with this code. `status` is HTTP's."""

    def __init__(self, code: int, message: str, *, status: int = 200) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status


def wrong(parameter: str, why: str = "invalid") -> BybitError:
    return BybitError(10001, f"params error: {parameter} {why}")


def refused(reason: Reason, *, swap: bool) -> BybitError:
    """What the engine's refusal is called in a category."""
    return BybitError(*(_LINEAR if swap else _SPOT)[reason])


_SPOT: dict[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (170121, "Invalid symbol."),
    Reason.BELOW_MINIMUM: (170136, "Order quantity is below the lower limit."),
    Reason.OFF_LOT: (170137, "Order quantity has too many decimals."),
    Reason.OFF_TICK: (170134, "Order price has too many decimals."),
    Reason.NO_FUNDS: (170131, "Insufficient balance."),
    Reason.DUPLICATE_ID: (170141, "Duplicate clientOrderId."),
    Reason.REDUCE_ONLY_ON_SPOT: (170130, "Data sent for parameter 'reduceOnly' is not valid."),
    Reason.NOTHING_TO_REDUCE: (170130, "Data sent for parameter 'reduceOnly' is not valid."),
    Reason.NO_MARKET: (170121, "Invalid symbol."),
    Reason.UNKNOWN_ORDER: (170213, "Order does not exist."),
    Reason.ALREADY_FILLED: (170213, "Order does not exist."),
    Reason.ALREADY_CANCELLED: (170213, "Order does not exist."),
    Reason.ALREADY_TRIGGERED: (170213, "Order does not exist."),
    Reason.WOULD_TRIGGER: (170130, "Data sent for parameter 'triggerPrice' is not valid."),
}

_LINEAR: dict[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (10001, "params error: symbol invalid"),
    Reason.BELOW_MINIMUM: (10001, "The number of contracts is below the minimum limit allowed"),
    Reason.OFF_LOT: (10001, "Qty invalid"),
    Reason.OFF_TICK: (10001, "params error: Price invalid"),
    Reason.NO_FUNDS: (110007, "ab not enough for new order"),
    Reason.DUPLICATE_ID: (110072, "OrderLinkedID is duplicate"),
    Reason.REDUCE_ONLY_ON_SPOT: (110017, "Reduce-only rule not satisfied"),
    Reason.NOTHING_TO_REDUCE: (110017, "current position is zero, cannot fix reduce-only order qty"),
    Reason.NO_MARKET: (10001, "params error: symbol invalid"),
    Reason.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    Reason.ALREADY_FILLED: (110001, "order not exists or too late to cancel"),
    Reason.ALREADY_CANCELLED: (110001, "order not exists or too late to cancel"),
    Reason.ALREADY_TRIGGERED: (110001, "order not exists or too late to cancel"),
}


def would_trigger(trigger: Trigger) -> BybitError:
    """Of perpetuals, to a trigger that is reached already."""
    if trigger.direction == "above":
        return BybitError(110092, f"expect Rising, but trigger_price[{trigger.price}] <= current")
    return BybitError(110093, f"expect Falling, but trigger_price[{trigger.price}] >= current")


def below_notional(*, swap: bool) -> BybitError:
    if swap:
        return BybitError(110094, "Order does not meet the minimum order value")
    return BybitError(170140, "Order value is below the lower limit.")


_ENDS: dict[Cause, tuple[str, str]] = {
    Cause.USER: ("CancelByUser", "EC_PerCancelRequest"),
    Cause.VENUE: ("CancelByAdmin", "EC_Others"),
    Cause.TIMER: ("CancelByDCP", "EC_Others"),
    Cause.POST_ONLY: ("UNKNOWN", "EC_PostOnlyWillTakeLiquidity"),
    Cause.FILL_OR_KILL: ("UNKNOWN", "EC_NoEnoughQtyToFill"),
    Cause.SELF_TRADE: ("CancelBySmp", "EC_BySelfMatch"),
    Cause.REDUCE_ONLY: ("CancelByReduceOnly", "EC_Others"),
    Cause.REFUSED: ("UNKNOWN", "EC_Others"),
}


def end_of(order: Order) -> tuple[str, str]:
    """`cancelType` and `rejectReason` of an order."""
    if order.cause is None:
        return "UNKNOWN", "EC_NoError"
    if order.cause is Cause.IMMEDIATE:
        return "UNKNOWN", "EC_CancelForNoFullFill" if order.filled else "EC_NoImmediateQtyToFill"
    return _ENDS[order.cause]
