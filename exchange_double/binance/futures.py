"""Binance's USDⓈ-M account: balances, positions, settings and income. One-way positions, cross margin."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.money import ZERO
from exchange_double.account import Kind, Movement
from exchange_double.binance import futures_rows as rows
from exchange_double.binance.call import Call, Window, answer, limit, required, whole
from exchange_double.binance.errors import BinanceError, unsupported, wrong
from exchange_double.binance.text import Row, market_id, text
from exchange_double.funds import Balance, Funds
from exchange_double.wire import Answer

_WEEK = timedelta(days=7)
_HIGHEST_LEVERAGE = 125


def account(call: Call) -> Answer:
    """Version 3: the positions that are not flat."""
    funds = _funds(call)
    positions = [rows.account_position(row, call.engine.listings[row.position.symbol]) for row in funds.positions]
    return answer(rows.account(_balances(funds, call), funds, now=call.now) | {"positions": positions})


def account_with_all(call: Call) -> Answer:
    """Version 2: every market, with its settings."""
    funds = _funds(call)
    held = {row.position.symbol: row for row in funds.positions}
    positions: list[Row] = [
        rows.any_account_position(held.get(listing.symbol), listing, leverage=call.engine.leverage(listing.symbol))
        for listing in call.listings()
    ]
    totals = rows.account(_balances(funds, call), funds, now=call.now)
    return answer(rows.MODES | totals | {"positions": positions})


def balance(call: Call) -> Answer:
    """The coins that markets settle in."""
    return answer([rows.balance(name, held, now=call.now) for name, held in _balances(_funds(call), call).items()])


def positions(call: Call) -> Answer:
    """Version 3: those that are not flat."""
    wanted = {listing.symbol: listing for listing in call.wanted()}
    return answer(
        [
            rows.position(row, wanted[row.position.symbol])
            for row in _funds(call).positions
            if row.position.symbol in wanted
        ]
    )


def all_positions(call: Call) -> Answer:
    """Version 2: of every market, with its settings."""
    held = {row.position.symbol: row for row in _funds(call).positions}
    return answer(
        [
            rows.any_position(
                held.get(listing.symbol),
                listing,
                leverage=call.engine.leverage(listing.symbol),
                mark=call.engine.mark(listing.symbol),
            )
            for listing in call.wanted()
        ]
    )


def position_mode(call: Call) -> Answer:
    """One-way."""
    return answer({"dualSidePosition": False})


def set_position_mode(call: Call) -> Answer:
    """One-way is all there is."""
    match required(call.params, "dualSidePosition"):
        case "false":
            raise BinanceError(-4059, "No need to change position side.")
        case "true":
            raise unsupported()
    raise wrong("dualSidePosition")


def set_margin_type(call: Call) -> Answer:
    """Cross margin is all there is."""
    call.listing()
    match required(call.params, "marginType"):
        case "CROSSED":
            raise BinanceError(-4046, "No need to change margin type.")
        case "ISOLATED":
            raise unsupported()
    raise wrong("marginType")


def set_leverage(call: Call) -> Answer:
    """Of one market, from 1 to 125."""
    listing, leverage = call.listing(), whole(call.params, "leverage", 0)
    if not 1 <= leverage <= _HIGHEST_LEVERAGE:
        raise BinanceError(-4028, f"Leverage {leverage} is not valid")
    call.engine.set_leverage(listing.symbol, Decimal(leverage))
    return answer({"symbol": market_id(listing.symbol), "leverage": leverage, "maxNotionalValue": rows.MOST_NOTIONAL})


def settings(call: Call) -> Answer:
    """Leverage and margin type, market by market."""
    return answer([rows.settings(listing, leverage=call.engine.leverage(listing.symbol)) for listing in call.wanted()])


def account_settings(call: Call) -> Answer:
    """Those that hold everywhere."""
    return answer(rows.MODES | {"dualSidePosition": False})


def brackets(call: Call) -> Answer:
    """One step of margin for every size."""
    return answer([rows.brackets(listing) for listing in call.wanted()])


def fees(call: Call) -> Answer:
    """Of one market."""
    listing = call.listing()
    maker, taker = text(listing.maker_fee), text(listing.taker_fee)
    return answer({"symbol": market_id(listing.symbol), "makerCommissionRate": maker, "takerCommissionRate": taker})


def income(call: Call) -> Answer:
    """Every change of the cash that markets settle in, oldest first; without a window those of the last week."""
    window, wanted = Window.of(call), call.params.get("incomeType", "")
    if window.open:
        window = window.filled_up(_WEEK, call.now)
    symbols = {listing.symbol for listing in call.wanted()}
    found = [
        row
        for movement in call.engine.movements
        if _earned(movement, call) and window.holds(movement.at)
        if "symbol" not in call.params or movement.symbol in symbols
        if (row := rows.income(movement))["incomeType"] == wanted or not wanted
    ]
    most, page = limit(call, default=100, most=1_000), whole(call.params, "page", 1)
    return answer(found[(page - 1) * most : page * most])


def _earned(movement: Movement, call: Call) -> bool:
    """Whether it is of this account: of a perpetual, or a transfer of what perpetuals settle in."""
    if movement.kind is Kind.TRANSFER:
        return movement.currency in _settles(call)
    return movement.symbol in call.engine.listings and call.engine.listings[movement.symbol].swap


def _funds(call: Call) -> Funds:
    return call.effects.funds or call.engine.funds()


def _balances(funds: Funds, call: Call) -> dict[str, Balance]:
    return {name: funds.balances.get(name, Balance(cash=ZERO)) for name in sorted(_settles(call))}


def _settles(call: Call) -> set[str]:
    return {listing.quote for listing in call.listings()}
