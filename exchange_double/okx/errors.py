"""OKX's error codes, as far as the double speaks them, and which refusal of the engine each stands for.

Codes and the exceptions they become are in ccxt's `okx.py`; the words are our own short form of OKX's.
"""

from __future__ import annotations

from exchange_double.orders import Cause, Reason


class OkxError(Exception):
    """A request is answered with this code. `status` is HTTP's; a refused order is 200 all the same."""

    def __init__(self, code: str, message: str, *, status: int = 200) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status


def unauthorised(code: str, message: str) -> OkxError:
    return OkxError(code, message, status=401)


def missing(parameter: str) -> OkxError:
    return OkxError("50014", f"Parameter {parameter} can not be empty.", status=400)


def wrong(parameter: str) -> OkxError:
    return OkxError("51000", f"Parameter {parameter} error")


REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_SYMBOL: ("51001", "Instrument ID doesn't exist."),
    Reason.BELOW_MINIMUM: ("51020", "Your order should meet or exceed the minimum order amount."),
    Reason.OFF_LOT: ("51121", "Order quantity must be a multiple of the lot size."),
    Reason.OFF_TICK: ("51000", "Parameter px error"),
    Reason.NO_FUNDS: ("51008", "Order failed. Insufficient balance in account."),
    Reason.DUPLICATE_ID: ("51016", "Client order ID already exists."),
    Reason.REDUCE_ONLY_ON_SPOT: ("51000", "Parameter reduceOnly error"),
    Reason.NOTHING_TO_REDUCE: ("51169", "Order failed because you don't have any positions to reduce or close."),
    Reason.NO_MARKET: ("51000", "Parameter instId error"),
    Reason.UNKNOWN_ORDER: ("51400", "Cancellation failed as the order does not exist."),
    Reason.ALREADY_FILLED: ("51402", "Cancellation failed as the order is already completed."),
    Reason.ALREADY_CANCELLED: ("51401", "Cancellation failed as the order is already canceled."),
    Reason.ALREADY_TRIGGERED: ("51400", "Cancellation failed as the order does not exist."),
    Reason.WOULD_TRIGGER: ("51000", "Parameter triggerPx error"),
}

CANCEL_SOURCES: dict[Cause, tuple[str, str]] = {
    Cause.USER: ("1", "Order canceled by user"),
    Cause.VENUE: ("0", "Order canceled by system"),
    Cause.TIMER: ("20", "Cancel all after triggered"),
    Cause.POST_ONLY: ("31", "The post-only order will take liquidity in taker orders"),
    Cause.FILL_OR_KILL: ("13", "FOK order was canceled due to incompletely filled."),
    Cause.IMMEDIATE: ("14", "IOC order was partially canceled due to incompletely filled."),
    Cause.SELF_TRADE: ("32", "Self trade prevention"),
    Cause.REDUCE_ONLY: ("23", "Reduce-only orders only allow reducing your current position."),
}
"""`cancelSource` and `cancelSourceReason` of an order."""
