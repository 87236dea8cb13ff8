"""What is OKX's own.

A refused order is HTTP 200 with `sCode` in its row. An answer to an order says nothing of its state. Client order
ids are used once. Stops are algo orders with lists, ids and addresses of their own, and a triggered one becomes
another order. Lists come newest first, a hundred at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.digest import plain
from domain.errors import Refused, VenueUnavailable
from domain.order import OrderRequest
from domain.statement import KeyRights, Transfer, TransferKind
from venues.exchange.account.dialects import ccxt as unified
from venues.exchange.account.dialects.dialect import Asks, Listing, Name, Params, Placed, all_of, as_rows, call, done
from venues.exchange.account.dialects.pages import every, info_of, lowest, millis, moment
from venues.exchange.client import Row
from venues.exchange.failures import Codes
from venues.exchange.guarded_client import current
from venues.exchange.numbers import exact

VALIDITY_S = 5.0
"""By the header `expTime`: OKX drops an order that reaches it later."""

_PAGE = 100
_CANCEL_ALL_AFTER_S = (10, 120)
_BILLS: Mapping[str, TransferKind] = {"1": "deposit", "7": "interest", "8": "funding"}
"""Kinds of bills that are no trades. `1` is a transfer between OKX's own accounts: a deposit or withdrawal here."""
_TRADES = frozenset({"2", "3", "5", "9", "14", "24", "30"})
"""Trades, deliveries, liquidations, deleveraging and the like: all but these are transfers."""


def code(answer: object) -> tuple[str, str]:
    """Of the first row that was refused, else of the whole answer."""
    if not isinstance(answer, Mapping):
        return "", ""
    rows = answer.get("data")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and str(row.get("sCode", "0")) != "0":
            return str(row["sCode"]), str(row.get("sMsg", ""))
    whole = str(answer.get("code", ""))
    return ("", "") if whole == "0" else (whole, str(answer.get("msg", "")))


def whole(answer: object) -> bool:
    """`data` is a list of rows, also where there is one."""
    rows = answer.get("data") if isinstance(answer, Mapping) else None
    return isinstance(rows, list) and all(isinstance(row, Mapping | list) for row in rows)


def headers(theirs: datetime) -> Mapping[str, str]:
    return {"expTime": str(millis(theirs + timedelta(seconds=VALIDITY_S)))}


def order(request: OrderRequest) -> Params:
    return {**unified.order(request), "tdMode": "cross" if ":" in request.symbol else "cash"}


def stop(request: OrderRequest) -> Params:
    """A conditional order at market, on the last price; with a target `oco`. ccxt would send one on spot as a margin
    order."""
    target: Params = {} if request.target_price is None else {"takeProfitPrice": str(request.target_price)}
    return {
        **order(request),
        "stopLossPrice": str(request.trigger_price),
        **target,
        "algoClOrdId": request.client_order_id,
    }


def attached(request: OrderRequest) -> Params:
    """One algo order, which OKX places once the order is filled, or ends with a part of it filled: `conditional`,
    or `oco` with a target. Under this id it is listed, found and cancelled as others are. ccxt leaves out the id in
    its own words for it.
    """
    exit: Params = {"attachAlgoClOrdId": request.exit_id}
    for kind, price in (("sl", request.stop_price), ("tp", request.target_price)):
        if price is not None:
            exit |= {f"{kind}TriggerPx": plain(price), f"{kind}TriggerPxType": "last", f"{kind}OrdPx": "-1"}
    return {"attachAlgoOrds": [exit]}


def stops_apart(symbol: str) -> bool:
    return True


def batch(symbol: str) -> int:
    return 20


def placed(answer: object, names: Sequence[str]) -> Mapping[str, Placed]:
    rows = answer.get("data") if isinstance(answer, Mapping) else None
    entries = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return {
        str(row["clOrdId"]): Placed(
            venue_order_id=str(row.get("ordId") or ""), code=str(row["sCode"]), message=str(row.get("sMsg") or "")
        )
        for row in entries
        if row.get("clOrdId") and "sCode" in row
    }


def child(row: Row) -> str:
    info = info_of(row)
    return str(info.get("ordId") or "") if _algo(info) else ""


def _algo(info: Mapping[str, object]) -> bool:
    """Whether a row is a stop's. That of the order which a stop became names the stop too."""
    return bool(info.get("algoId")) and "accFillSz" not in info


def client_order_id(row: Row) -> str:
    return str(info_of(row).get("clOrdId") or "")


async def find(api: Asks, symbol: str, name: Name) -> Row | None:
    row = await unified.find(api, symbol, name)
    return None if row is None else _named(row)


async def orders(api: Asks, symbol: str, listing: Listing) -> Sequence[Row]:
    what = f"the {listing.which} orders of {symbol}"
    address = {
        ("open", False): "private_get_trade_orders_pending",
        ("ended", False): "private_get_trade_orders_history",
        ("open", True): "private_get_trade_orders_algo_pending",
        ("ended", True): "private_get_trade_orders_algo_history",
    }[listing.which, listing.stop]
    states = ("effective", "canceled", "order_failed") if listing.stop and listing.which == "ended" else ("",)
    every_row: list[Row] = []
    for state in states:

        async def page(params: Params, state: str = state) -> Sequence[Row]:
            async def ask(ccxt: Any) -> Sequence[Row]:
                market = ccxt.market(symbol)
                query = {
                    "instType": "SWAP" if market["swap"] else "SPOT",
                    "instId": market["id"],
                    **({"ordType": "conditional,oco"} if listing.stop else {}),
                    **({"state": state} if state else {}),
                    **({"begin": str(millis(listing.since))} if listing.since and not listing.stop else {}),
                    **params,
                }
                answer = await getattr(ccxt, address)(query)
                return [_named(row) for row in all_of(ccxt.parse_orders(answer["data"], market), answer["data"])]

            return await api.ask(what, ask, urgent=True)

        every_row += await every(page, size=_PAGE, after=lambda rows: {"after": lowest(rows, _row_id)}, what=what)
    return every_row


def _row_id(info: Mapping[str, object]) -> object:
    """By which lists of orders are walked."""
    return info["algoId"] if _algo(info) else info["ordId"]


def _named(row: Row) -> Row:
    """With the ids of what the row is of, a stop or an order: ccxt takes the one's for the other's.

    The order that a stop became goes by the stop's client order id, unless it has one itself.
    """
    info = info_of(row)
    names = ("algoClOrdId", "clOrdId") if _algo(info) else ("clOrdId", "algoClOrdId")
    filled = {"filled": "0"} if _algo(info) else {}  # what it became fills, and not the stop
    name = next((info[name] for name in names if info.get(name)), None)
    return {**row, **filled, "id": _row_id(info), "clientOrderId": name}


async def trades(api: Asks, symbol: str, since: datetime) -> Sequence[Row]:
    return await _fills(api, symbol, {"begin": str(millis(since))}, what=f"the trades of {symbol}")


async def order_trades(api: Asks, symbol: str, row: Row) -> Sequence[Row]:
    return await _fills(api, symbol, {"ordId": str(row["id"])}, what=f"the trades of the order {row['id']}")


async def _fills(api: Asks, symbol: str, query: Params, *, what: str) -> Sequence[Row]:
    async def page(params: Params) -> Sequence[Row]:
        async def ask(ccxt: Any) -> Sequence[Row]:
            rows: Sequence[Row] = await ccxt.fetch_my_trades(symbol, None, _PAGE, {**query, **params})
            answer: Any = current().answer
            return all_of(rows, answer["data"])

        return await api.ask(what, ask, urgent=True)

    return await every(page, size=_PAGE, after=_older_bills, what=what)


async def balances(api: Asks, symbols: Sequence[str]) -> Mapping[str, Decimal]:
    """Cash, and the margin of isolated positions without what these gained. ccxt's total counts gains."""
    return await api.ask("the balances", call("private_get_account_balance", read=_wallets))


def _wallets(answer: Any) -> Mapping[str, Decimal]:
    (account,) = answer["data"]
    return {str(row["ccy"]): _wallet(row) for row in account["details"]}


def _wallet(row: Mapping[str, object]) -> Decimal:
    isolated = exact(row.get("isoEq") or "0") - exact(row.get("isoUpl") or "0")
    return exact(row["cashBal"]) + isolated


async def funding_account(api: Asks) -> Mapping[str, Decimal]:
    """Where deposits arrive, apart from the trading account. Demo trading has none."""

    async def ask(ccxt: Any) -> Mapping[str, Decimal]:
        if ccxt.isSandboxModeEnabled:
            return {}
        answer = await ccxt.private_get_asset_balances()
        return {str(row["ccy"]): exact(row["availBal"]) for row in answer["data"]}

    return await api.ask("the funding account", ask)


async def positions(api: Asks, symbols: Sequence[str]) -> Sequence[Row]:
    """All there are: OKX takes no more than ten by name."""
    return await api.ask("the positions", call("fetch_positions", read=as_rows))


async def transfers(api: Asks, symbols: Sequence[str], since: datetime) -> Sequence[Transfer] | None:
    """Bills of three months that are no trades: deposits, withdrawals, funding, interest."""

    async def page(params: Params) -> Sequence[Row]:
        query = {"begin": str(millis(since)), **params}
        return await api.ask("the bills", call("private_get_account_bills_archive", query, read=_bills))

    bills = await every(page, size=_PAGE, after=_older_bills, what="the bills")
    read = [bill["transfer"] for bill in bills if str(info_of(bill)["type"]) not in _TRADES]
    recent = [transfer for transfer in read if isinstance(transfer, Transfer) and transfer.at >= since]
    return sorted(recent, key=lambda transfer: (transfer.at, transfer.id))


def _bills(answer: Any) -> Sequence[Row]:
    return [{"id": row["billId"], "info": row, "transfer": _transfer(row)} for row in answer["data"]]


def _older_bills(rows: Sequence[Row]) -> Params:
    return {"after": lowest(rows, lambda info: info["billId"])}


def _transfer(bill: Mapping[str, object]) -> Transfer:
    amount = exact(bill["balChg"])
    kind = _BILLS.get(str(bill["type"]), "other")
    if kind == "deposit" and amount < 0:
        kind = "withdrawal"
    pair = str(bill.get("instId") or "").split("-")
    perpetual = f"{pair[0]}/{pair[1]}:{pair[1]}" if len(pair) == 3 and pair[2] == "SWAP" else None
    return Transfer(
        id=str(bill["billId"]),
        kind=kind,
        currency=str(bill["ccy"]),
        amount=amount,
        symbol=perpetual if kind == "funding" else None,
        at=moment(bill["ts"]),
    )


async def rights(api: Asks) -> KeyRights:
    config = await _config(api)
    may = {word.strip() for word in str(config.get("perm", "")).split(",")}
    known = may != {""}
    return KeyRights(
        account=str(config.get("uid", "")),
        trade="trade" in may if known else None,
        withdraw="withdraw" in may if known else None,
    )


async def prepare(api: Asks, symbols: Sequence[str]) -> Sequence[str]:
    """Net mode, where perpetuals are traded. OKX refuses to change it while there are positions or orders."""
    config = await _config(api)
    if not any(":" in symbol for symbol in symbols):
        return ()
    if str(config.get("acctLv")) == "1":
        raise Refused("the account is in OKX's spot mode", remedy="Choose futures mode at OKX to trade perpetuals")
    if config.get("posMode") == "net_mode":
        return ("positions are in net mode",)
    try:
        await api.send("net mode", call("set_position_mode", False, read=done))
    except VenueUnavailable as error:
        raise Refused(
            f"the account is in long/short mode: {error.message}",
            remedy="Close what is open, and choose one-way (net) mode at OKX",
        ) from None
    return ("positions were set to net mode",)


async def _config(api: Asks) -> Mapping[str, object]:
    return await api.ask("the account's settings", call("private_get_account_config", read=_only))


def _only(answer: Any) -> Mapping[str, object]:
    (row,) = answer["data"]
    return dict(row)


async def keep_alive(api: Asks, symbols: Sequence[str], timeout_s: int) -> bool:
    """`cancel-all-after`, of all symbols. It takes 10 to 120 seconds; stops stay."""
    least, most = _CANCEL_ALL_AFTER_S
    seconds = min(max(timeout_s, least), most) if timeout_s else 0
    await api.send(
        "the dead-man switch", call("private_post_trade_cancel_all_after", {"timeOut": str(seconds)}, read=done)
    )
    return True


OKX = replace(
    unified.any_exchange("okx"),
    codes=Codes(
        duplicate=(("51016", ""), ("51065", "")),
        absent=(("51603", ""), ("51400", ""), ("51401", ""), ("51402", ""), ("51410", "")),
        unproven=(("51149", ""), ("50004", "")),
        refused=(("51*", ""), ("54*", ""), ("59*", "")),
    ),
    code=code,
    whole=whole,
    shows_ids=True,
    validity_s=VALIDITY_S,
    headers=headers,
    order=order,
    stop=stop,
    targeted="oco",
    attached=attached,
    stops_apart=stops_apart,
    batch=batch,
    placed=placed,
    find=find,
    orders=orders,
    trades=trades,
    order_trades=order_trades,
    child=child,
    client_order_id=client_order_id,
    balances=balances,
    funding_account=funding_account,
    positions=positions,
    transfers=transfers,
    rights=rights,
    prepare=prepare,
    keep_alive=keep_alive,
)
