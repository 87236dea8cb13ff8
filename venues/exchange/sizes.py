"""The least and greatest size of an order as each exchange states them, in base and quote currency.

ccxt's `limits` hold at every exchange; what OKX, Binance and Bybit state besides, or otherwise than ccxt has it, is
in their own rows. A number that is not stated, empty or 0 binds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

from venues.exchange.client import Row
from venues.exchange.numbers import exact

Sizes = Mapping[str, Decimal | bool]
"""Fields of `Instrument`."""

_DOLLARS: Final = frozenset({"USD", "USDT", "USDC", "USDG", "DAI", "TUSD", "FDUSD", "BUSD", "PYUSD"})
"""What an amount that is stated in US dollars may be compared with."""


def sizes_of(market: Row, *, exchange: str, unit: Decimal) -> Sizes:
    """What `exchange` states of a market's orders; `unit` is how much of the base one of its amounts is.

    Raises `ValueError` for what is no number.
    """
    return _stated(_DIALECTS.get(exchange, _unified)(market, unit))


def _unified(market: Row, unit: Decimal) -> Mapping[str, object]:
    limits = part(market, "limits")
    amount, cost, apart = part(limits, "amount"), part(limits, "cost"), part(limits, "market")
    return {
        "min_quantity": _in_base(amount.get("min"), unit),
        "max_quantity": _in_base(amount.get("max"), unit),
        "min_notional": _number(cost.get("min")),
        "max_notional": _number(cost.get("max")),
        "market_min_quantity": _in_base(apart.get("min"), unit),
        "market_max_quantity": _in_base(apart.get("max"), unit),
    }


def _okx(market: Row, unit: Decimal) -> Mapping[str, object]:
    """Swaps count in contracts. Of spot `maxMktSz` and `maxStopSz` are in dollars, and `maxLmtSz` in the base: what
    ccxt has as the most that any order may cost is that of a market order."""
    info = part(market, "info")
    sizes = {**_unified(market, unit), "max_notional": None}
    if not info:
        return sizes
    dollars = str(market.get("quote") or str(market.get("symbol")).partition("/")[2].partition(":")[0]) in _DOLLARS
    limit, at_market, stop = (_number(info.get(name)) for name in ("maxLmtSz", "maxMktSz", "maxStopSz"))
    sizes["max_quantity"] = _in_base(limit, unit)
    if dollars:
        sizes["max_notional"] = _number(info.get("maxLmtAmt"))
        sizes["market_max_notional"] = _number(info.get("maxMktAmt"))
    if market.get("swap"):
        return {**sizes, "market_max_quantity": _in_base(at_market, unit), "stop_max_quantity": _in_base(stop, unit)}
    if dollars:
        sizes["market_max_notional"] = _smaller(sizes.get("market_max_notional"), at_market)
        sizes["stop_max_notional"] = stop
    return sizes


def _binance(market: Row, unit: Decimal) -> Mapping[str, object]:
    """`LOT_SIZE` binds every order and `MARKET_LOT_SIZE` market orders besides; a filter for notionals says whether
    it binds market orders. Its maximum is kept for both: where it does not, that is above what one may be for.

    On futures the minimum does not bind reduce-only orders: its error -4164 says "unless you choose reduce only", and
    "Minimum order notional limit rule for USDⓈ-M futures" (support article 360033161972) says that they are not
    affected.
    """
    filters = part(market, "info").get("filters")
    rows = [row for row in filters if isinstance(row, Mapping)] if isinstance(filters, Iterable) else []
    notional = [row for row in rows if row.get("filterType") in ("MIN_NOTIONAL", "NOTIONAL")]
    binding = [row.get("applyMinToMarket", row.get("applyToMarket", True)) is not False for row in notional]
    return {
        **_unified(market, unit),
        "market_without_minimum": bool(binding) and not any(binding),
        "exits_without_minimum": bool(market.get("swap")),
    }


def _bybit(market: Row, unit: Decimal) -> Mapping[str, object]:
    """Perpetuals state the least notional beside what ccxt reads, and both kinds the most of a market order."""
    lots = part(part(market, "info"), "lotSizeFilter")
    sizes = dict(_unified(market, unit))
    if market.get("swap"):
        sizes["min_notional"] = _number(lots.get("minNotionalValue"))
    limit, at_market = lots.get("maxLimitOrderQty"), lots.get("maxMktOrderQty") or lots.get("maxMarketOrderQty")
    if _number(limit) is not None:
        sizes["max_quantity"] = _in_base(limit, unit)
    return {**sizes, "market_max_quantity": _in_base(at_market, unit)}


_DIALECTS: Final[Mapping[str, Callable[[Row, Decimal], Mapping[str, object]]]] = {
    "okx": _okx,
    "binance": _binance,
    "binanceusdm": _binance,
    "bybit": _bybit,
}


def part(row: Row, name: str) -> Row:
    """What is nested under `name`; empty where nothing is."""
    nested = row.get(name)
    return nested if isinstance(nested, Mapping) else {}


def _stated(values: Mapping[str, object]) -> Sizes:
    return {name: value for name, value in values.items() if isinstance(value, Decimal | bool) and value}


def _number(stated: object) -> Decimal | None:
    return None if stated is None or stated == "" else exact(stated)


def _in_base(stated: object, unit: Decimal) -> Decimal | None:
    number = _number(stated)
    return None if number is None else number * unit


def _smaller(one: object, other: Decimal | None) -> object:
    return other if not isinstance(one, Decimal) or (other is not None and other < one) else one
