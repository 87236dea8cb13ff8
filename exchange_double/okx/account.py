"""OKX's account: balances, positions, settings, fees, bills."""

from __future__ import annotations

from decimal import Decimal

from exchange_double.okx import account_rows as rows
from exchange_double.okx.call import Call, answer, decimal, page
from exchange_double.okx.errors import wrong
from exchange_double.okx.text import inst_id, inst_type, millis, text, whole
from exchange_double.wire import Answer


def balance(call: Call) -> Answer:
    """All currencies, or those of `ccy`."""
    funds = call.effects.funds or call.engine.funds()
    only = frozenset(name for name in call.query.get("ccy", "").split(",") if name)
    prices = {listing.base: call.engine.last(listing.symbol) for listing in call.engine.listings.values()}
    return answer([rows.balance(funds, only=only, prices={**prices, "USDT": Decimal(1)}, now=call.now)])


def funding_account(call: Call) -> Answer:
    """What lies beside the trading account: all currencies, or those of `ccy`."""
    only = frozenset(name for name in call.query.get("ccy", "").split(",") if name)
    held = {name: text(amount) for name, amount in call.engine.funding_account.items() if not only or name in only}
    return answer(
        [{"ccy": name, "bal": amount, "availBal": amount, "frozenBal": "0"} for name, amount in sorted(held.items())]
    )


def positions(call: Call) -> Answer:
    """The swaps that are not flat."""
    funds, wanted = call.effects.funds or call.engine.funds(), {listing.symbol: listing for listing in call.listings()}
    return answer(
        [
            rows.position(row, listing=wanted[row.position.symbol], last=call.engine.last(row.position.symbol))
            for row in funds.positions
            if row.position.symbol in wanted
        ]
    )


def config(call: Call) -> Answer:
    """Mode, level and what the key may do."""
    permissions = ",".join(call.credentials.permissions)
    return answer(
        [{"uid": "1", "mainUid": "1", "acctLv": "2", "posMode": "net_mode", "perm": permissions, "ip": "", "label": ""}]
    )


def currencies(call: Call) -> Answer:
    """Every currency of a listing."""
    names = {name for listing in call.engine.listings.values() for name in (listing.base, listing.quote)}
    return answer([rows.currency(name) for name in sorted(names)])


def fees(call: Call) -> Answer:
    """Of the first listing that is asked about."""
    listing = next(iter(call.listings()), None)
    if listing is None:
        raise wrong("instType")
    maker, taker = text(-listing.maker_fee), text(-listing.taker_fee)
    suffix = "U" if listing.swap else ""
    fees = {"maker": "", "taker": "", "makerU": "", "takerU": "", f"maker{suffix}": maker, f"taker{suffix}": taker}
    return answer([{"level": "Lv1", "instType": inst_type(listing), **fees, "ts": millis(call.now)}])


def position_mode(call: Call) -> Answer:
    """Net mode is all there is."""
    if call.fields().get("posMode") != "net_mode":
        raise wrong("posMode")
    return answer([{"posMode": "net_mode"}])


def set_leverage(call: Call) -> Answer:
    """Of one swap, from 1 to 125."""
    fields = call.fields()
    listing, leverage = call.listing_of(str(fields.get("instId", ""))), decimal(fields, "lever")
    if not listing.swap or not 1 <= leverage <= 125:
        raise wrong("lever")
    call.engine.set_leverage(listing.symbol, leverage)
    return answer([{"instId": inst_id(listing.symbol), "lever": text(leverage), "mgnMode": "cross"}])


def bills(call: Call) -> Answer:
    """Every change of cash, by type, currency and kind of market."""
    wanted = {key: call.query.get(key, "") for key in ("type", "ccy", "instType")}
    found = [rows.bill(row, listing=call.engine.listings.get(row.symbol)) for row in reversed(call.engine.movements)]
    matching = [row for row in found if all(value in ("", row[key]) for key, value in wanted.items())]
    shown = page(matching, call.query, key=lambda row: whole(row, "billId"))
    return answer(shown)
