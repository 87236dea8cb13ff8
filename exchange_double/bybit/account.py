"""Bybit's account: balances, positions, settings, fees, the key's rights, and the log of what moved cash."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from decimal import Decimal

from domain.money import ZERO
from exchange_double.account import Kind, Movement
from exchange_double.bybit import account_rows as rows
from exchange_double.bybit.call import Call, category, decimal, number, word
from exchange_double.bybit.errors import BybitError, wrong
from exchange_double.bybit.pages import Key, inside, page, window
from exchange_double.bybit.replay import replay, size_at
from exchange_double.bybit.text import Row, category_of, millis, ms, symbol_id, text
from exchange_double.wire import Answer

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_HEDGE = 3
_OTHER_AREAS = (
    "CopyTrading",
    "BlockTrade",
    "Exchange",
    "NFT",
    "Affiliate",
    "Earn",
    "FiatP2P",
    "FiatBybitPay",
    "FiatConvertBroker",
    "FiatGlobalPay",
    "FiatBitPay",
    "BitCard",
    "ByXPost",
)
"""What else a key may be given at Bybit, and none here is."""


def wallet_balance(call: Call) -> Answer:
    """All currencies, or those of `coin`."""
    if word(call.fields, "accountType") != "UNIFIED":
        raise wrong("accountType", "must be UNIFIED")
    only = frozenset(name for name in word(call.fields, "coin").split(",") if name)
    prices = {listing.base: call.engine.last(listing.symbol) for listing in call.engine.listings.values()}
    realised: dict[str, Decimal] = {}
    for listing in call.engine.listings.values():
        if listing.swap:
            realised[listing.quote] = realised.get(listing.quote, ZERO) + _realised(listing.symbol, call)
    wallet = rows.wallet(
        call.effects.funds or call.engine.funds(),
        only=only,
        prices={**prices, "USDT": Decimal(1)},
        realised=realised,
    )
    return call.answer({"list": [wallet]})


def positions(call: Call) -> Answer:
    """Those that are not flat; of a market by name also a flat one."""
    if not {"symbol", "settleCoin"} & set(call.fields):
        raise wrong("symbol", "or settleCoin is required")
    if not 1 <= number(call.fields, "limit", 20) <= 200:
        raise wrong("limit")
    funds, swaps = call.effects.funds or call.engine.funds(), {item.symbol for item in call.listings() if item.swap}
    shown = [
        rows.position(row, realised=_realised(row.position.symbol, call))
        for row in funds.positions
        if row.position.symbol in swaps
    ]
    if not shown and "symbol" in call.fields:
        shown = [
            rows.flat(symbol, leverage=call.engine.leverage(symbol), realised=_realised(symbol, call))
            for symbol in swaps
        ]
    return call.answer({"category": category(call.fields), "list": shown, "nextPageCursor": ""})


def _realised(symbol: str, call: Call) -> Decimal:
    """All that a market ever brought in cash: profits, fees and fundings."""
    return sum((move.amount for move in call.engine.movements if move.symbol == symbol), ZERO)


def info(call: Call) -> Answer:
    """A unified account (2.0) with cross margin."""
    return call.answer(
        {
            "unifiedMarginStatus": 5,
            "marginMode": "REGULAR_MARGIN",
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
            "dcpStatus": "OFF",
            "timeWindow": 0,
            "smpGroup": 0,
            "updatedTime": millis(call.now),
        }
    )


def key_info(call: Call) -> Answer:
    """What the key may do, by Bybit's names of it."""
    may = set(call.credentials.permissions)
    trade, withdraw = "trade" in may, "withdraw" in may
    return call.answer(
        {
            "id": "1",
            "note": "double",
            "apiKey": call.credentials.key,
            "readOnly": 0 if trade or withdraw else 1,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"] if trade else [],
                "Spot": ["SpotTrade"] if trade else [],
                "Wallet": ["AccountTransfer", "Withdraw"] if withdraw else [],
                "Options": [],
                "Derivatives": ["DerivativesTrade"] if trade else [],
            }
            | {area: [] for area in _OTHER_AREAS},
            "ips": ["*"],
            "type": 1,
            "deadlineDay": 90,
            "expiredAt": "2026-12-31T00:00:00Z",
            "createdAt": "2025-12-31T00:00:00Z",
            "unified": 0,
            "uta": 1,
            "userID": 1,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
            "kycLevel": "LEVEL_DEFAULT",
            "kycRegion": "",
            "userIDInt64": "1",
            "inviterIDInt64": "0",
            "affiliateIDInt64": "0",
        }
    )


def fee_rates(call: Call) -> Answer:
    """Of one market, or of a category."""
    shown: list[Row] = [
        {
            "symbol": symbol_id(listing.symbol),
            "takerFeeRate": text(listing.taker_fee),
            "makerFeeRate": text(listing.maker_fee),
            "baseCoin": "",
        }
        for listing in call.listings()
    ]
    return call.answer({"list": shown})


def switch_mode(call: Call) -> Answer:
    """One-way mode is what there is, so that asking for it changes nothing."""
    mode = number(call.fields, "mode", None)
    if mode not in (0, _HEDGE) or not {"symbol", "coin"} & set(call.fields):
        raise wrong("mode")
    if mode == _HEDGE:
        raise BybitError(110029, "Hedge mode is not spoken by the double")
    raise BybitError(110025, "Position mode is not modified")


def set_leverage(call: Call) -> Answer:
    """Of one swap, the same on both sides. What it is already is refused."""
    listing = call.listing(call.fields)
    buy, sell = decimal(call.fields, "buyLeverage"), decimal(call.fields, "sellLeverage")
    if not listing.swap or buy != sell:
        raise wrong("buyLeverage")
    if not 1 <= buy <= 100:
        raise BybitError(110013, "cannot set leverage due to risk limit")
    if buy == call.engine.leverage(listing.symbol):
        raise BybitError(110043, "leverage not modified")
    call.engine.set_leverage(listing.symbol, buy)
    return call.answer({})


def transaction_log(call: Call) -> Answer:
    """A day of the log unless a span is asked for; one line for all that a trade did to a currency."""
    fields, engine = call.fields, call.engine
    if word(fields, "accountType") not in ("", "UNIFIED"):
        raise wrong("accountType", "must be UNIFIED")
    span = window(fields, now=call.now, default=_DAY)
    wanted = category(fields) if "category" in fields else ""
    matching = [
        moves
        for moves in _lines(engine.movements)
        if inside(span, moves[-1].at)
        and word(fields, "currency") in ("", moves[-1].currency)
        and word(fields, "type") in ("", rows.kind(moves[-1]))
        and wanted in ("", _category(moves[-1], call))
    ]
    shown, cursor = page(matching, fields, key=lambda moves: _key(moves[-1]))
    return call.answer({"list": _entries(shown, call), "nextPageCursor": cursor})


def _lines(movements: Sequence[Movement]) -> Collection[Sequence[Movement]]:
    """Together what one trade did to one currency; each other movement alone."""
    lines: dict[tuple[str, str], list[Movement]] = {}
    for move in movements:
        lines.setdefault((move.reference or move.movement_id, move.currency), []).append(move)
    return lines.values()


def _category(move: Movement, call: Call) -> str:
    listing = call.engine.listings.get(move.symbol)
    return category_of(listing) if listing else ""


def _key(move: Movement) -> Key:
    return ms(move.at), int(move.movement_id)


def _entries(lines: Sequence[Sequence[Movement]], call: Call) -> list[Row]:
    engine = call.engine
    after, fills = replay(engine.fills, engine.orders), {fill.trade_id: fill for fill in engine.fills}
    return [
        rows.entry(
            moves,
            fill=fills.get(moves[-1].reference),
            after=after.get(moves[-1].reference),
            size=size_at(moves[-1], engine.movements, engine.fills) if moves[-1].kind is Kind.FUNDING else ZERO,
            listing=engine.listings.get(moves[-1].symbol),
        )
        for moves in lines
    ]


def transfers(call: Call) -> Answer:
    """Between the funding account and this one: that is how a test's deposits come."""
    span = window(call.fields, now=call.now, default=_WEEK)
    found = [
        move
        for move in call.engine.movements
        if move.kind is Kind.TRANSFER and inside(span, move.at) and word(call.fields, "coin") in ("", move.currency)
    ]
    shown, cursor = page(found, call.fields, key=_key)
    return call.answer({"list": [rows.transfer(move) for move in shown], "nextPageCursor": cursor})


def chain_records(call: Call) -> Answer:
    """Deposits and withdrawals of the funding account over a chain: the double has none."""
    return call.answer({"rows": [], "nextPageCursor": ""})


def coins(call: Call) -> Answer:
    """Every currency of a listing."""
    names = {name for listing in call.engine.listings.values() for name in (listing.base, listing.quote)}
    only = word(call.fields, "coin")
    return call.answer({"rows": [rows.coin(name) for name in sorted(names) if only in ("", name)]})
