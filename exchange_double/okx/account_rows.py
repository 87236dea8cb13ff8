"""The rows of OKX's account: balances, positions, bills. A fee that was paid is negative."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from domain.money import ZERO
from exchange_double.account import Kind, Movement
from exchange_double.funds import Balance, Funds, OpenPosition
from exchange_double.listing import Listing
from exchange_double.okx.text import Row, inst_id, inst_type, millis, text


def currency(name: str) -> Row:
    return {"ccy": name, "name": name, "chain": f"{name}-{name}", "canDep": True, "canWd": True, "canInternal": True}


def balance(funds: Funds, *, only: frozenset[str], prices: Mapping[str, Decimal | None], now: datetime) -> Row:
    """The trading account. A currency that holds nothing is left out, as OKX leaves it."""
    shown = {
        name: held for name, held in funds.balances.items() if (held.cash or held.equity) and (not only or name in only)
    }
    total = sum((held.equity * (prices.get(name) or ZERO) for name, held in shown.items()), ZERO)
    return {
        "uTime": millis(now),
        "totalEq": text(total),
        "details": [_detail(name, held, now=now) for name, held in shown.items()],
    }


def _detail(name: str, held: Balance, *, now: datetime) -> Row:
    return {
        "ccy": name,
        "eq": text(held.equity),
        "cashBal": text(held.cash),
        "availBal": text(held.available),
        "availEq": text(held.available),
        "frozenBal": text(held.held + held.margin),
        "ordFrozen": text(held.held),
        "imr": text(held.margin),
        "upl": text(held.unrealised),
        "uTime": millis(now),
    }


def position(row: OpenPosition, *, listing: Listing, last: Decimal | None) -> Row:
    held = row.position
    margin_ratio = row.unrealised / row.margin if row.margin else ZERO
    return {
        "instType": "SWAP",
        "instId": inst_id(held.symbol),
        "mgnMode": "cross",
        "posSide": "net",
        "posId": "1" + millis(held.opened_at),
        "pos": text(held.size),
        "availPos": text(abs(held.size)),
        "avgPx": text(row.average_price),
        "markPx": text(row.mark_price),
        "last": text(last),
        "notionalUsd": text(row.notional),
        "upl": text(row.unrealised),
        "uplRatio": text(margin_ratio),
        "lever": text(row.leverage),
        "imr": text(row.margin),
        "mmr": text(row.notional * Decimal("0.004")),
        "margin": "",
        "mgnRatio": "",
        "liqPx": "",
        "ccy": listing.quote,
        "pnl": text(held.profit),
        "fee": text(-held.fee),
        "fundingFee": text(held.funding),
        "realizedPnl": text(held.profit - held.fee + held.funding),
        "tradeId": held.trade_id,
        "adl": "1",
        "cTime": millis(held.opened_at),
        "uTime": millis(held.updated_at),
    }


_BILL_TYPES = {Kind.TRANSFER: "1", Kind.TRADE: "2", Kind.FEE: "2", Kind.FUNDING: "8"}


def bill(row: Movement, *, listing: Listing | None) -> Row:
    """One change of cash. The fee of a trade is a row of its own here; OKX puts both into one."""
    return {
        "billId": row.movement_id,
        "type": _BILL_TYPES[row.kind],
        "subType": "173" if row.kind is Kind.FUNDING and row.amount < 0 else "174" if row.kind is Kind.FUNDING else "",
        "instType": inst_type(listing) if listing else "",
        "instId": inst_id(listing.symbol) if listing else "",
        "ccy": row.currency,
        "balChg": text(row.amount),
        "bal": text(row.balance),
        "pnl": text(row.amount) if row.kind is Kind.FUNDING else "0",
        "fee": text(row.amount) if row.kind is Kind.FEE else "0",
        "tradeId": row.reference,
        "ordId": "",
        "ts": millis(row.at),
    }
