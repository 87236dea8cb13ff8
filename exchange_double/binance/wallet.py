"""Binance's spot account and wallet: balances, what the key may do, coins, deposits and withdrawals, fees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from domain.money import BPS, ZERO
from exchange_double.account import Kind, Movement
from exchange_double.binance.call import Call, Window, answer, limit, required, whole
from exchange_double.binance.errors import wrong
from exchange_double.binance.text import Row, market_id, millis, text
from exchange_double.funds import Balance
from exchange_double.wire import Answer

_QUARTER, _WEEK = timedelta(days=90), timedelta(days=7)
_HALF_YEAR = timedelta(days=183)


def account(call: Call) -> Answer:
    """Every coin that is listed or held, also those that hold nothing."""
    funds = call.effects.funds or call.engine.funds()
    only_held = call.params.get("omitZeroBalances") == "true"
    balances = {name: Balance(cash=ZERO) for name in _coins(call)} | dict(funds.balances)
    return answer(
        {
            **_commissions(call),
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": millis(call.now),
            "accountType": "SPOT",
            "balances": [_balance(name, held) for name, held in sorted(balances.items()) if held.cash or not only_held],
            "permissions": ["SPOT"],
            "uid": 1,
        }
    )


def restrictions(call: Call) -> Answer:
    """What the key may do."""
    may = call.credentials.permissions
    trades = "trade" in may
    return answer(
        {
            "ipRestrict": False,
            "createTime": millis(call.now),
            "enableReading": "read_only" in may,
            "enableWithdrawals": "withdraw" in may,
            "enableInternalTransfer": False,
            "permitsUniversalTransfer": False,
            "enableMargin": False,
            "enableFutures": trades,
            "enableVanillaOptions": False,
            "enablePortfolioMarginTrading": False,
            "enableSpotAndMarginTrading": trades,
        }
    )


def coins(call: Call) -> Answer:
    """Every coin of a listing, each on a network of its own name."""
    return answer([_coin(name) for name in _coins(call)])


def no_pairs(call: Call) -> Answer:
    """There is no margin trading."""
    return answer([])


def fees(call: Call) -> Answer:
    """Of every spot market, or of one."""
    return answer(
        [
            {
                "symbol": market_id(listing.symbol),
                "makerCommission": text(listing.maker_fee),
                "takerCommission": text(listing.taker_fee),
            }
            for listing in call.wanted()
        ]
    )


def deposits(call: Call) -> Answer:
    """What came from outside, newest first."""
    return _transfers(call, lambda row: row.amount > 0, _deposit)


def withdrawals(call: Call) -> Answer:
    """What went outside, newest first."""
    return _transfers(call, lambda row: row.amount < 0, _withdrawal)


def _transfers(call: Call, wanted: Callable[[Movement], bool], row_of: Callable[[Movement], Row]) -> Answer:
    window = Window.of(call).checked(_QUARTER, futures=False).filled_up(_QUARTER, call.now)
    coin, offset = call.params.get("coin", ""), whole(call.params, "offset", 0)
    found: Sequence[Movement] = [
        row
        for row in reversed(call.engine.movements)
        if _moved(row, "") and wanted(row) and coin in ("", row.currency) and window.holds(row.at)
    ]
    return answer([row_of(row) for row in found[offset:][: limit(call, default=1_000, most=1_000)]])


def between_wallets(call: Call) -> Answer:
    """What went from spot to the owner's other wallet that `type` names, or came from there, newest first.

    Of half a year; without a window of the last week.
    """
    source, _, target = required(call.params, "type").partition("_")
    if "MAIN" not in (source, target) or source == target or not target:
        raise wrong("type")
    away = source == "MAIN"
    window = Window.of(call)
    window = window.filled_up(_WEEK, call.now) if window.open else window
    found = [
        _between(row, call.params["type"])
        for row in reversed(call.engine.movements)
        if _moved(row, target if away else source) and (row.amount < 0) is away
        if window.holds(row.at) and row.at > call.now - _HALF_YEAR
    ]
    size, page = min(whole(call.params, "size", 10), 100), whole(call.params, "current", 1)
    return answer({"total": len(found), "rows": found[(page - 1) * size : page * size]})


def _moved(row: Movement, wallet: str) -> bool:
    return row.kind is Kind.TRANSFER and row.wallet == wallet


def _coins(call: Call) -> list[str]:
    return sorted({name for listing in call.engine.listings.values() for name in (listing.base, listing.quote)})


def _commissions(call: Call) -> Row:
    """Of the first spot market: Binance has one rate for all, here each has its own."""
    first = next(iter(call.listings()), None)
    maker, taker = (first.maker_fee, first.taker_fee) if first else (ZERO, ZERO)
    return {
        "makerCommission": int(maker * BPS),
        "takerCommission": int(taker * BPS),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": text(maker), "taker": text(taker), "buyer": text(ZERO), "seller": text(ZERO)},
    }


def _balance(name: str, held: Balance) -> Row:
    """What futures bind, and their losses, can't be spent either: both count as locked."""
    free = max(held.available, ZERO)
    return {"asset": name, "free": text(free), "locked": text(held.cash - free)}


def _coin(name: str) -> Row:
    return {
        "coin": name,
        "name": name,
        "depositAllEnable": True,
        "withdrawAllEnable": True,
        "trading": True,
        "isLegalMoney": False,
        "networkList": [
            {
                "network": name,
                "coin": name,
                "name": name,
                "isDefault": True,
                "depositEnable": True,
                "withdrawEnable": True,
                "withdrawFee": text(ZERO),
                "withdrawMin": text(ZERO),
                "withdrawMax": "9999999",
                "withdrawIntegerMultiple": "0.00000001",
            }
        ],
    }


def _deposit(row: Movement) -> Row:
    return {
        **_transfer(row),
        "amount": text(row.amount),
        "status": 1,
        "insertTime": millis(row.at),
        "completeTime": millis(row.at),
        "confirmTimes": "1/1",
        "unlockConfirm": 0,
        "walletType": 0,
    }


def _withdrawal(row: Movement) -> Row:
    return {
        **_transfer(row),
        "amount": text(-row.amount),
        "transactionFee": text(ZERO),
        "status": 6,
        "applyTime": _written(row.at),
        "completeTime": _written(row.at),
        "confirmNo": 1,
        "walletType": 0,
        "info": "",
    }


def _between(row: Movement, kind: str) -> Row:
    return {
        "asset": row.currency,
        "amount": text(abs(row.amount)),
        "type": kind,
        "status": "CONFIRMED",
        "tranId": int(row.movement_id),
        "timestamp": millis(row.at),
    }


def _transfer(row: Movement) -> Row:
    return {
        "id": row.movement_id,
        "coin": row.currency,
        "network": row.currency,
        "address": "",
        "addressTag": "",
        "txId": row.movement_id,
        "transferType": 0,
    }


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
