"""The rows of Bybit's account: balances, positions, and the log of what moved cash.

In the log a fee that was paid is positive and a funding that was paid is negative: change = cashFlow + funding - fee.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from domain.money import ZERO
from exchange_double.account import Kind, Movement
from exchange_double.bybit.replay import After
from exchange_double.bybit.text import Row, category_of, millis, side_text, symbol_id, text
from exchange_double.funds import Balance, Funds, OpenPosition
from exchange_double.listing import Listing
from exchange_double.orders import Fill

_MAINTENANCE = Decimal("0.005")


def wallet(
    funds: Funds,
    *,
    only: frozenset[str],
    prices: Mapping[str, Decimal | None],
    realised: Mapping[str, Decimal],
) -> Row:
    """The unified account. A currency that holds nothing is left out."""
    bound: dict[str, Decimal] = {}
    for row in funds.positions:
        quote = row.position.symbol.partition(":")[2]
        bound[quote] = bound.get(quote, ZERO) + row.margin
    shown = {name: held for name, held in funds.balances.items() if held.cash or held.equity}

    def total(part: str) -> str:
        return text(sum((getattr(held, part) * (prices.get(name) or ZERO) for name, held in shown.items()), ZERO))

    return {
        "accountType": "UNIFIED",
        "totalEquity": total("equity"),
        "totalWalletBalance": total("cash"),
        "totalMarginBalance": total("equity"),
        "totalAvailableBalance": total("available"),
        "totalPerpUPL": total("unrealised"),
        "totalInitialMargin": total("margin"),
        "totalMaintenanceMargin": text(sum((row.notional * _MAINTENANCE for row in funds.positions), ZERO)),
        "accountIMRate": "",
        "accountMMRate": "",
        "accountLTV": "",
        "coin": [
            _coin(name, held, bound=bound.get(name, ZERO), price=prices.get(name))
            | {"cumRealisedPnl": text(realised.get(name, ZERO))}
            for name, held in shown.items()
            if not only or name in only
        ],
    }


def _coin(name: str, held: Balance, *, bound: Decimal, price: Decimal | None) -> Row:
    return {
        "coin": name,
        "equity": text(held.equity),
        "walletBalance": text(held.cash),
        "usdValue": text(None if price is None else held.equity * price),
        "locked": text(held.held),
        "totalOrderIM": text(held.margin - bound),
        "totalPositionIM": text(bound),
        "totalPositionMM": "0",
        "unrealisedPnl": text(held.unrealised),
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "borrowAmount": "0",
        "spotBorrow": "0",
        "accruedInterest": "0",
        "bonus": "0",
        "marginCollateral": True,
        "collateralSwitch": True,
    }


def position(row: OpenPosition, *, realised: Decimal) -> Row:
    held = row.position
    return _position(held.symbol, leverage=row.leverage) | {
        "side": "Buy" if held.size > 0 else "Sell",
        "size": text(abs(held.size)),
        "avgPrice": text(row.average_price),
        "positionValue": text(abs(held.cost)),
        "markPrice": text(row.mark_price),
        "positionIM": text(row.margin),
        "positionMM": text(row.notional * _MAINTENANCE),
        "unrealisedPnl": text(row.unrealised),
        "curRealisedPnl": text(held.profit - held.fee + held.funding),
        "cumRealisedPnl": text(realised),
        "createdTime": millis(held.opened_at),
        "updatedTime": millis(held.updated_at),
    }


def flat(symbol: str, *, leverage: Decimal, realised: Decimal) -> Row:
    """What is shown of a market by name without a position in it."""
    return _position(symbol, leverage=leverage) | {"cumRealisedPnl": text(realised)}


def _position(symbol: str, *, leverage: Decimal) -> Row:
    return {
        "positionIdx": 0,
        "symbol": symbol_id(symbol),
        "side": "",
        "size": "0",
        "avgPrice": "0",
        "positionValue": "",
        "leverage": text(leverage),
        "markPrice": "",
        "positionIM": "",
        "positionMM": "",
        "positionBalance": "0",
        "unrealisedPnl": "",
        "curRealisedPnl": "",
        "liqPrice": "",
        "bustPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "tpslMode": "Full",
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 0,
        "isReduceOnly": False,
        "riskId": 1,
        "riskLimitValue": "",
        "seq": 1,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "createdTime": "0",
        "updatedTime": "0",
    }


def entry(
    moves: Sequence[Movement], *, fill: Fill | None, after: After | None, size: Decimal, listing: Listing | None
) -> Row:
    """One line of the log: all that one trade, transfer or funding did to one currency."""
    last = moves[-1]
    fee = -sum((move.amount for move in moves if move.kind is Kind.FEE), ZERO)
    funding = sum((move.amount for move in moves if move.kind is Kind.FUNDING), ZERO)
    flow = sum((move.amount for move in moves if move.kind in (Kind.TRADE, Kind.TRANSFER)), ZERO)
    return {
        "id": last.movement_id,
        "symbol": symbol_id(last.symbol),
        "category": category_of(listing) if listing else "",
        "side": side_text(fill.side) if fill else "None" if not size else "Buy" if size > 0 else "Sell",
        "transactionTime": millis(last.at),
        "type": kind(last),
        "transSubType": "",
        "qty": text(_quantity(flow, fill=fill, size=size, listing=listing)),
        "size": text(after.size if after and listing and listing.swap else size),
        "currency": last.currency,
        "tradePrice": text(fill.price) if fill else "",
        "funding": text(funding) if last.kind is Kind.FUNDING else "",
        "fee": text(fee),
        "cashFlow": text(flow),
        "change": text(flow + funding - fee),
        "cashBalance": text(last.balance),
        "feeRate": text(fill.fee_rate) if fill and fee else "",
        "bonusChange": "",
        "tradeId": fill.trade_id if fill else "",
        "orderId": fill.order_id if fill else "",
        "orderLinkId": fill.client_order_id if fill else "",
    }


def kind(move: Movement) -> str:
    if move.kind is Kind.TRANSFER:
        return "TRANSFER_IN" if move.amount > 0 else "TRANSFER_OUT"
    return "SETTLEMENT" if move.kind is Kind.FUNDING else "TRADE"


def _quantity(flow: Decimal, *, fill: Fill | None, size: Decimal, listing: Listing | None) -> Decimal:
    """Of a perpetual the contracts, of all else what the currency gained."""
    if listing is None or not listing.swap:
        return flow
    return fill.size if fill else abs(size)


def transfer(move: Movement) -> Row:
    """Money comes to the unified account from the funding account, and goes back there."""
    came = move.amount > 0
    return {
        "transferId": move.movement_id,
        "coin": move.currency,
        "amount": text(abs(move.amount)),
        "fromAccountType": "FUND" if came else "UNIFIED",
        "toAccountType": "UNIFIED" if came else "FUND",
        "timestamp": millis(move.at),
        "status": "SUCCESS",
    }


def coin(name: str) -> Row:
    chain: Row = {"chain": name, "chainType": name, "chainDeposit": "1", "chainWithdraw": "1", "minAccuracy": "8"}
    return {"name": name, "coin": name, "remainAmount": "0", "chains": [chain]}
