"""Binance's error codes, as far as the double speaks them, and which refusal of the engine each stands for.

Codes and the exceptions they become are in ccxt's `binance.py`; the words are Binance's own, since ccxt reads them.
"""

from __future__ import annotations

from exchange_double.listing import Listing
from exchange_double.orders import Reason


class BinanceError(Exception):
    """A request is answered with this code. `status` is HTTP's."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status


def missing(parameter: str) -> BinanceError:
    return BinanceError(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def wrong(parameter: str) -> BinanceError:
    return BinanceError(-1130, f"Data sent for parameter '{parameter}' is not valid.")


def illegal(parameter: str, legal: str) -> BinanceError:
    return BinanceError(-1100, f"Illegal characters found in parameter '{parameter}'; legal range is '{legal}'.")


def unread(read: int, sent: int) -> BinanceError:
    """To a parameter that isn't spoken."""
    return BinanceError(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


def not_required(parameter: str) -> BinanceError:
    return BinanceError(-1106, f"Parameter '{parameter}' sent when not required.")


def bad_combination() -> BinanceError:
    return BinanceError(-1128, "Combination of optional parameters invalid.")


def rejected(message: str) -> BinanceError:
    """A new order that the matching engine did not take."""
    return BinanceError(-2010, message)


def filter_failure(name: str) -> BinanceError:
    return BinanceError(-1013, f"Filter failure: {name}")


def unsupported() -> BinanceError:
    return BinanceError(-1020, "This operation is not supported.")


def no_such_order() -> BinanceError:
    return BinanceError(-2013, "Order does not exist.")


def below_notional(listing: Listing) -> BinanceError:
    if not listing.swap:
        return filter_failure("NOTIONAL")
    least = f"{listing.min_notional:f}"
    return BinanceError(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def too_precise(parameter: str, *, futures: bool) -> BinanceError:
    if futures:
        return BinanceError(-1111, "Precision is over the maximum defined for this asset.")
    return BinanceError(-1111, f"Parameter '{parameter}' has too much precision.")


_SPOT: dict[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Reason.BELOW_MINIMUM: (-1013, "Filter failure: LOT_SIZE"),
    Reason.OFF_LOT: (-1013, "Filter failure: LOT_SIZE"),
    Reason.OFF_TICK: (-1013, "Filter failure: PRICE_FILTER"),
    Reason.NO_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Reason.DUPLICATE_ID: (-2010, "Duplicate order sent."),
    Reason.NO_MARKET: (-2010, "Market is closed."),
    Reason.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
}

_FUTURES: dict[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Reason.BELOW_MINIMUM: (-4004, "Quantity less than min quantity."),
    Reason.OFF_LOT: (-4023, "Quantity not increased by step size."),
    Reason.OFF_TICK: (-4014, "Price not increased by tick size."),
    Reason.NO_FUNDS: (-2019, "Margin is insufficient."),
    Reason.DUPLICATE_ID: (-4116, "ClientOrderId is duplicated."),
    Reason.NO_MARKET: (-2020, "Unable to fill."),
    Reason.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Reason.NOTHING_TO_REDUCE: (-2022, "ReduceOnly Order is rejected."),
}

_UNKNOWN_ORDER = (-2011, "Unknown order sent.")


def refusal_of(reason: Reason, *, futures: bool) -> BinanceError:
    """What Binance says for it. To a cancel of what isn't open it is the same, whatever became of it."""
    return BinanceError(*(_FUTURES if futures else _SPOT).get(reason, _UNKNOWN_ORDER))
