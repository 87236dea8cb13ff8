"""Instruments as an exchange describes them, on the grid that it states, in base and quote currency."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches

from pydantic import ValidationError

from domain.errors import SymbolUnknown, UsageError, VenueUnavailable
from domain.instrument import Instrument, InstrumentKind
from domain.money import ZERO
from venues.exchange.client import Precision, Row
from venues.exchange.numbers import exact
from venues.exchange.sizes import part, sizes_of

_FINEST = Decimal("1e-8")
"""No exchange that counts in significant digits goes below."""

_BASE_VOLUME = frozenset({"okx", "binance", "binanceusdm", "bybit", "bitget"})
"""Exchanges of which it is known that candles of swaps count volume in the base currency, not in contracts."""


def listed(markets: Mapping[str, Row], symbol: str, *, exchange: str) -> Row:
    """What `exchange` says of a symbol that can be traded here.

    Raises `SymbolUnknown` naming near ones, and `UsageError` for a market that is closed or of another kind.
    """
    market = markets.get(symbol)
    if market is None:
        near = get_close_matches(symbol, markets, n=3)
        raise SymbolUnknown(
            suspension(markets, symbol, exchange=exchange),
            remedy=f"Did you mean {', '.join(near)}?"
            if near
            else "Write spot as BTC/USDT, a perpetual as BTC/USDT:USDT",
        )
    if why := suspension(markets, symbol, exchange=exchange):
        raise UsageError(why, remedy="Choose another of --symbols")
    if not market.get("spot") and not (market.get("swap") and market.get("linear")):
        raise UsageError(
            f"{symbol} on {exchange} is neither spot nor a linear perpetual", remedy="Only these can be traded"
        )
    return market


def suspension(markets: Mapping[str, Row], symbol: str, *, exchange: str) -> str:
    """Why a symbol is not traded now, in words; empty where it is."""
    market = markets.get(symbol)
    if market is None:
        return f"{symbol} is not listed on {exchange}"
    return f"{symbol} is not trading on {exchange} now" if market.get("active") is False else ""


def carried(
    markets: Mapping[str, Row], symbols: Sequence[str], *, exchange: str, recorded: Collection[str]
) -> tuple[Mapping[str, Row], Mapping[str, str]]:
    """What is listed of the symbols of a run, and why each of them that is `recorded` is not traded now.

    Raises what `listed` does, for all that are not recorded at once, and `VenueUnavailable` for a list without any
    market of a symbol's kind: that is a broken answer, and nothing was delisted.
    """
    faults: list[SymbolUnknown | UsageError] = []
    rows: dict[str, Row] = {}
    suspended: dict[str, str] = {}
    for symbol in symbols:
        why = suspension(markets, symbol, exchange=exchange)
        if not why or symbol not in recorded:
            try:
                rows[symbol] = listed(markets, symbol, exchange=exchange)
            except (SymbolUnknown, UsageError) as fault:
                faults.append(fault)
            continue
        kind = "swap" if ":" in symbol else "spot"
        if not any(market.get(kind) for market in markets.values()):
            raise VenueUnavailable(f"{exchange} lists no {kind} markets at all")
        suspended[symbol] = why
        if symbol in markets:  # what it may still show of it can be read
            rows[symbol] = markets[symbol]
    if faults:
        raise faults[0] if len(faults) == 1 else _together(faults)
    return rows, suspended


def _together(faults: Sequence[SymbolUnknown | UsageError]) -> SymbolUnknown | UsageError:
    """What is wrong with several symbols, as one error."""
    unknown = any(isinstance(fault, SymbolUnknown) for fault in faults)
    words = (f"{fault.message} ({fault.remedy[:1].lower()}{fault.remedy[1:]})" for fault in faults)
    return (SymbolUnknown if unknown else UsageError)("; ".join(words), remedy="Change --symbols")


def contract_size(market: Row) -> Decimal:
    """How much of the base currency one unit of the exchange's sizes is: 1 on spot. Raises `ValueError`."""
    return exact(market.get("contractSize")) if market.get("swap") else Decimal(1)


def instrument_of(
    market: Row, symbol: str, *, exchange: str, precision: Precision, price: Decimal | None = None
) -> Instrument:
    """The instrument, with quantities in base currency. `price` is needed where precision is in digits.

    A maker's rebate is no fee: paper pays none out. Raises `UsageError` when the exchange leaves the grid open.
    """
    kind: InstrumentKind = "spot" if market.get("spot") else "swap"
    steps, fees = part(market, "precision"), {name: market.get(name) for name in ("maker", "taker")}
    try:
        unit = contract_size(market)
        if kind == "swap" and unit != 1 and exchange not in _BASE_VOLUME:
            raise UsageError(
                f"whether {exchange} counts the volume of {symbol} in contracts or in the base currency isn't known",
                remedy="Choose spot there, or another exchange",
            )
        # Where prices are in digits, sizes are still in decimal places: so it is at each such exchange.
        return Instrument.model_validate(
            {
                "symbol": symbol,
                "kind": kind,
                "tick_size": step(steps.get("price"), precision=precision, price=price),
                "lot_size": step(steps.get("amount"), precision="places" if precision == "digits" else precision)
                * unit,
                "maker_fee": _fee(fees["maker"]),
                "taker_fee": _fee(fees["taker"]),
                **sizes_of(market, exchange=exchange, unit=unit),
            }
        )
    except (ValueError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UsageError(
            f"{exchange} does not say on which grid {symbol} trades: {reason}", remedy="Choose another of --symbols"
        ) from error


def step(stated: object, *, precision: Precision, price: Decimal | None = None) -> Decimal:
    """The grid's step from a precision in the exchange's own terms. Raises `ValueError`.

    In significant digits the step grows with the price: it is the one at `price`.
    """
    number = exact(stated)
    if precision == "ticks":
        return number
    if number != number.to_integral_value() or abs(number) > 30:
        raise ValueError(f"{stated!r} is not a number of digits")
    if precision == "places":
        return Decimal(1).scaleb(-int(number))
    if price is None or price <= 0 or number < 1:
        raise ValueError("its step depends on a price")
    return max(_FINEST, Decimal(1).scaleb(price.adjusted() - int(number) + 1))


def _fee(stated: object) -> Decimal:
    return ZERO if stated is None else max(ZERO, exact(stated))


def chosen(symbols: Sequence[str] | None, *, exchange: str) -> tuple[str, ...]:
    """The symbols of a run, each once. Raises `UsageError` when none are named: an exchange lists thousands."""
    if not symbols:
        raise UsageError(f"{exchange} lists too much to trade it all", remedy="Choose: --symbols BTC/USDT,ETH/USDT")
    return tuple(dict.fromkeys(symbols))
