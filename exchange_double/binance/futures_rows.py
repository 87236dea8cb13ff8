"""The rows of Binance's USDⓈ-M account. What is short is negative; what was paid is negative in income alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from domain.money import ZERO
from exchange_double.account import Kind, Movement
from exchange_double.binance.text import Row, market_id, millis, text, units
from exchange_double.funds import Balance, Funds, OpenPosition
from exchange_double.listing import Listing

MOST_NOTIONAL = "1000000000"
MODES: Row = {
    "feeTier": 0,
    "canTrade": True,
    "canDeposit": True,
    "canWithdraw": True,
    "updateTime": 0,
    "multiAssetsMargin": False,
    "tradeGroupId": -1,
}
"""How the whole account is set."""

_MAINTENANCE = Decimal("0.004")
_INCOME = {
    Kind.TRADE: "REALIZED_PNL",
    Kind.FEE: "COMMISSION",
    Kind.FUNDING: "FUNDING_FEE",
    Kind.TRANSFER: "TRANSFER",
}


def account(balances: Mapping[str, Balance], funds: Funds, *, now: datetime) -> Row:
    """The totals, and coin by coin."""
    assets = [_asset(name, held, funds, now=now) for name, held in balances.items()]
    total = sum((held.cash for held in balances.values()), ZERO)
    unrealised = sum((held.unrealised for held in balances.values()), ZERO)
    available = text(sum((max(held.available, ZERO) for held in balances.values()), ZERO))
    bound = sum((row.margin for row in funds.positions), ZERO)
    margin = sum((held.margin for held in balances.values()), ZERO)
    return {
        "totalInitialMargin": text(margin),
        "totalMaintMargin": text(sum((_maintenance(row) for row in funds.positions), ZERO)),
        "totalWalletBalance": text(total),
        "totalUnrealizedProfit": text(unrealised),
        "totalMarginBalance": text(total + unrealised),
        "totalPositionInitialMargin": text(bound),
        "totalOpenOrderInitialMargin": text(margin - bound),
        "totalCrossWalletBalance": text(total),
        "totalCrossUnPnl": text(unrealised),
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "assets": assets,
    }


def _asset(name: str, held: Balance, funds: Funds, *, now: datetime) -> Row:
    ours = [row for row in funds.positions if row.position.symbol.endswith(f":{name}")]
    bound = sum((row.margin for row in ours), ZERO)
    return {
        "asset": name,
        "walletBalance": text(held.cash),
        "unrealizedProfit": text(held.unrealised),
        "marginBalance": text(held.equity),
        "maintMargin": text(sum((_maintenance(row) for row in ours), ZERO)),
        "initialMargin": text(held.margin),
        "positionInitialMargin": text(bound),
        "openOrderInitialMargin": text(held.margin - bound),
        "crossWalletBalance": text(held.cash),
        "crossUnPnl": text(held.unrealised),
        "availableBalance": text(max(held.available, ZERO)),
        "maxWithdrawAmount": text(max(held.available, ZERO)),
        "marginAvailable": True,
        "updateTime": millis(now),
    }


def balance(name: str, held: Balance, *, now: datetime) -> Row:
    return {
        "accountAlias": "double",
        "asset": name,
        "balance": text(held.cash),
        "crossWalletBalance": text(held.cash),
        "crossUnPnl": text(held.unrealised),
        "availableBalance": text(max(held.available, ZERO)),
        "maxWithdrawAmount": text(max(held.available, ZERO)),
        "marginAvailable": True,
        "updateTime": millis(now),
    }


def account_position(row: OpenPosition, listing: Listing) -> Row:
    """As the account shows it."""
    return {
        "symbol": market_id(listing.symbol),
        "positionSide": "BOTH",
        "positionAmt": text(units(row.position.size, listing)),
        "unrealizedProfit": text(row.unrealised),
        "isolatedMargin": "0",
        "notional": text(_notional(row)),
        "isolatedWallet": "0",
        "initialMargin": text(row.margin),
        "maintMargin": text(_maintenance(row)),
        "updateTime": millis(row.position.updated_at),
    }


def any_account_position(row: OpenPosition | None, listing: Listing, *, leverage: Decimal) -> Row:
    """As version 2 of the account shows it, flat or not."""
    return {
        "symbol": market_id(listing.symbol),
        "initialMargin": text(row.margin if row else ZERO),
        "maintMargin": text(_maintenance(row) if row else ZERO),
        "unrealizedProfit": text(row.unrealised if row else ZERO),
        "positionInitialMargin": text(row.margin if row else ZERO),
        "openOrderInitialMargin": text(ZERO),
        "leverage": format(leverage, "f"),
        "isolated": False,
        "entryPrice": text(row.average_price if row else ZERO),
        "maxNotional": MOST_NOTIONAL,
        "bidNotional": "0",
        "askNotional": "0",
        "positionSide": "BOTH",
        "positionAmt": text(units(row.position.size, listing) if row else ZERO),
        "notional": text(_notional(row) if row else ZERO),
        "isolatedWallet": "0",
        "updateTime": millis(row.position.updated_at) if row else 0,
    }


def position(row: OpenPosition, listing: Listing) -> Row:
    """With its risk."""
    entry = text(row.average_price)
    return {
        "symbol": market_id(listing.symbol),
        "positionSide": "BOTH",
        "positionAmt": text(units(row.position.size, listing)),
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "markPrice": text(row.mark_price),
        "unRealizedProfit": text(row.unrealised),
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "notional": text(_notional(row)),
        "marginAsset": listing.quote,
        "isolatedWallet": "0",
        "initialMargin": text(row.margin),
        "maintMargin": text(_maintenance(row)),
        "positionInitialMargin": text(row.margin),
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": millis(row.position.updated_at),
    }


def any_position(row: OpenPosition | None, listing: Listing, *, leverage: Decimal, mark: Decimal | None) -> Row:
    """As version 2 shows it, flat or not."""
    entry = text(row.average_price if row else ZERO)
    return {
        "symbol": market_id(listing.symbol),
        "positionAmt": text(units(row.position.size, listing) if row else ZERO),
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "markPrice": text(mark),
        "unRealizedProfit": text(row.unrealised if row else ZERO),
        "liquidationPrice": "0",
        "leverage": format(leverage, "f"),
        "maxNotionalValue": MOST_NOTIONAL,
        "marginType": "cross",
        "isolatedMargin": text(ZERO),
        "isAutoAddMargin": "false",
        "positionSide": "BOTH",
        "notional": text(_notional(row) if row else ZERO),
        "isolatedWallet": "0",
        "updateTime": millis(row.position.updated_at) if row else 0,
    }


def settings(listing: Listing, *, leverage: Decimal) -> Row:
    return {
        "symbol": market_id(listing.symbol),
        "marginType": "CROSSED",
        "isAutoAddMargin": False,
        "leverage": int(leverage),
        "maxNotionalValue": MOST_NOTIONAL,
    }


def brackets(listing: Listing) -> Row:
    one = {
        "bracket": 1,
        "initialLeverage": 125,
        "notionalCap": int(MOST_NOTIONAL),
        "notionalFloor": 0,
        "maintMarginRatio": float(_MAINTENANCE),
        "cum": 0.0,
    }
    return {"symbol": market_id(listing.symbol), "brackets": [one]}


def income(row: Movement) -> Row:
    """One change of cash. The id of the transaction is unique among those of one kind."""
    kind = _INCOME[row.kind]
    return {
        "symbol": market_id(row.symbol),
        "incomeType": kind,
        "income": text(row.amount),
        "asset": row.currency,
        "info": row.reference or kind,
        "time": millis(row.at),
        "tranId": int(row.movement_id),
        "tradeId": row.reference,
    }


def _notional(row: OpenPosition) -> Decimal:
    return row.notional.copy_sign(row.position.size)


def _maintenance(row: OpenPosition) -> Decimal:
    return row.notional * _MAINTENANCE
