"""What is Bybit's own: one unified account, whose addresses take the kind of market as a `category`.

An order is acknowledged before it is matched, so it is looked up after. Live orders and ended ones are two lists with
one shape, walked by a cursor and in spans of a week; stops on spot have a filter of their own, and a triggered stop
stays the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.errors import Refused
from domain.order import OrderRequest
from domain.statement import KeyRights, Transfer, TransferKind
from venues.exchange.account.dialects import ccxt as unified
from venues.exchange.account.dialects.dialect import Asks, Listing, Name, Params, Placed, all_of, as_rows, call, done
from venues.exchange.account.dialects.pages import MOST_PAGES, info_of, millis, moment, spans, too_many
from venues.exchange.client import Row
from venues.exchange.failures import Codes, Declined, code_in
from venues.exchange.numbers import exact

RECV_WINDOW_S = 5.0

_PAGE, _TRADES_PAGE = 50, 100
_WEEK = timedelta(days=7)
_EXECUTED = frozenset({"Trade", "AdlTrade", "BustTrade", "BlockTrade", "MovePosition"})
"""Kinds of executions that change a position at a price; funding and settlements are transfers."""
_LOGGED: Mapping[str, TransferKind] = {
    "TRANSFER_IN": "deposit",
    "TRANSFER_OUT": "withdrawal",
    "SETTLEMENT": "funding",
    "INTEREST": "interest",
    "AUTO_DEDUCTION": "fee",
}
_TRADED = frozenset({"TRADE", "LIQUIDATION", "ADL", "DELIVERY"})
_ONE_WAY_ALREADY = frozenset({"110025"})


def code(answer: object) -> tuple[str, str]:
    code, message = code_in(answer, "retCode", "retMsg")
    return ("", "") if code == "0" else (code, message)


def whole(answer: object) -> bool:
    return isinstance(answer, Mapping) and isinstance(answer.get("result"), Mapping)


def swap(symbol: str) -> bool:
    return ":" in symbol


def category(symbol: str) -> str:
    return "linear" if swap(symbol) else "spot"


async def begin(ccxt: Any) -> None:
    """Which kind of account it is, which ccxt would else ask before the first order."""
    await ccxt.is_unified_enabled()


def stop(request: OrderRequest) -> Params:
    """A conditional market order on the last price. On spot it can't be said from which side the price comes."""
    params: Params = {**unified.order(request), "triggerPrice": str(request.trigger_price)}
    if swap(request.symbol):
        params["triggerDirection"] = "ascending" if request.side == "buy" else "descending"
        params["triggerBy"] = "LastPrice"
    return params


def stops_apart(symbol: str) -> bool:
    return not swap(symbol)


def batch(symbol: str) -> int:
    """See https://bybit-exchange.github.io/docs/v5/order/batch-place."""
    return 20 if swap(symbol) else 10


def placed(answer: object, names: Sequence[str]) -> Mapping[str, Placed]:
    """Ids and codes are two lists in the order of the request. One that was refused may go without its name."""
    rows, codes = _list_in(answer, "result"), _list_in(answer, "retExtInfo")
    if not len(rows) == len(codes) == len(names):
        return {}
    if any(row.get("orderLinkId") not in ("", name) for name, row in zip(names, rows, strict=True)):
        return {}
    return {
        name: Placed(
            venue_order_id=str(row.get("orderId") or "") if row.get("orderLinkId") else "",
            code=str(word.get("code", "")),
            message=str(word.get("msg") or ""),
        )
        for name, row, word in zip(names, rows, codes, strict=True)
    }


def _list_in(answer: object, part: str) -> Sequence[Mapping[str, object]]:
    """Empty where it isn't a list of objects."""
    nested = answer.get(part) if isinstance(answer, Mapping) else None
    listed = nested.get("list") if isinstance(nested, Mapping) else None
    return listed if isinstance(listed, list) and all(isinstance(each, Mapping) for each in listed) else []


def client_order_id(row: Row) -> str:
    return str(info_of(row).get("orderLinkId") or "")


def _filter(symbol: str, stop: bool) -> Params:
    return {} if swap(symbol) else {"orderFilter": "StopOrder" if stop else "Order"}


async def find(api: Asks, symbol: str, name: Name) -> Row | None:
    """Among the live ones and the newest ended ones, then in the history."""
    by = {"orderId": name.venue_order_id} if name.venue_order_id else {"orderLinkId": name.client_order_id}
    query = {**by, **_filter(symbol, name.stop)}
    what = f"the order {name.client_order_id}"
    for address in ("private_get_v5_order_realtime", "private_get_v5_order_history"):
        rows, _ = await _page(api, symbol, address, query, what=what)
        if rows:
            return rows[0]
    return None


async def cancel(api: Asks, symbol: str, name: Name) -> None:
    by: Params = {} if name.venue_order_id else {"orderLinkId": name.client_order_id}
    await api.send(
        f"the cancel of {name.client_order_id}",
        call("cancel_order", name.venue_order_id or None, symbol, {**by, **unified.trigger(name.stop)}, read=done),
        cancel=True,
    )


async def orders(api: Asks, symbol: str, listing: Listing) -> Sequence[Row]:
    what = f"the {listing.which} orders of {symbol}"
    apart: Params = {"limit": _PAGE, **_filter(symbol, listing.stop)}
    if listing.which == "open":
        return await _all(api, symbol, "private_get_v5_order_realtime", apart, what=what)
    history: list[Row] = []
    now = api.clock()
    for start, end in spans(listing.since or now - _WEEK, now, _WEEK):
        query = {**apart, "startTime": millis(start), "endTime": millis(end)}
        history += await _all(api, symbol, "private_get_v5_order_history", query, what=what)
    return history


async def _all(api: Asks, symbol: str, address: str, query: Params, *, what: str) -> Sequence[Row]:
    """Every page, by Bybit's cursor."""
    every_row: list[Row] = []
    cursor = ""
    for _ in range(MOST_PAGES):
        rows, following = await _page(
            api, symbol, address, {**query, **({"cursor": cursor} if cursor else {})}, what=what
        )
        every_row += rows
        if not rows or not following or following == cursor:
            return every_row
        cursor = following
    raise too_many(what)


async def _page(api: Asks, symbol: str, address: str, query: Params, *, what: str) -> tuple[Sequence[Row], str]:
    async def ask(ccxt: Any) -> tuple[Sequence[Row], str]:
        market = ccxt.market(symbol)
        answer = await getattr(ccxt, address)({"category": category(symbol), "symbol": market["id"], **query})
        result = answer["result"]
        listed = _rows(result)
        if address == "private_get_v5_execution_list":
            executed = [row for row in listed if row.get("execType", "Trade") in _EXECUTED]
            rows = all_of(ccxt.parse_trades(executed, market), executed)
        else:
            rows = all_of(ccxt.parse_orders(listed, market), listed)
        return rows, str(result.get("nextPageCursor") or "")

    return await api.ask(what, ask, urgent=True)


def _rows(result: Mapping[str, Any]) -> list[Any]:
    """Raises `ValueError` where there is no list of rows: ccxt reads that as none."""
    rows = result.get("list")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError("there is no list of rows")
    return rows


async def trades(api: Asks, symbol: str, since: datetime) -> Sequence[Row]:
    history: list[Row] = []
    for start, end in spans(since, api.clock(), _WEEK):
        query: Params = {"limit": _TRADES_PAGE, "startTime": millis(start), "endTime": millis(end)}
        history += await _all(api, symbol, "private_get_v5_execution_list", query, what=f"the trades of {symbol}")
    return history


async def order_trades(api: Asks, symbol: str, row: Row) -> Sequence[Row]:
    query: Params = {"limit": _TRADES_PAGE, "orderId": row["id"]}
    what = f"the trades of the order {row['id']}"
    return await _all(api, symbol, "private_get_v5_execution_list", query, what=what)


async def balances(api: Asks, symbols: Sequence[str]) -> Mapping[str, Decimal]:
    """`walletBalance`: without what open positions gained."""
    return await api.ask("the balances", call("fetch_balance", read=unified.totals))


async def positions(api: Asks, symbols: Sequence[str]) -> Sequence[Row]:
    """One symbol a call: ccxt takes no more."""
    rows: list[Row] = []
    for symbol in symbols:
        rows += await api.ask("the positions", call("fetch_positions", [symbol], read=as_rows))
    return rows


async def transfers(api: Asks, symbols: Sequence[str], since: datetime) -> Sequence[Transfer] | None:
    """The transaction log of the unified account, less its trades."""
    ids = {str(api.market(symbol)["id"]): symbol for symbol in symbols if swap(symbol)}
    history: list[Transfer] = []
    for start, end in spans(since, api.clock(), _WEEK):
        cursor = ""
        for _ in range(MOST_PAGES):
            params = {
                "accountType": "UNIFIED",
                "startTime": millis(start),
                "endTime": millis(end),
                "limit": _PAGE,
                **({"cursor": cursor} if cursor else {}),
            }
            request = call("private_get_v5_account_transaction_log", params, read=lambda answer: _logged(answer, ids))
            read, following = await api.ask("the transaction log", request)
            history += read
            if not following or following == cursor:
                break
            cursor = following
        else:
            raise too_many("the transaction log")
    return sorted(history, key=lambda transfer: (transfer.at, transfer.id))


def _logged(answer: Any, ids: Mapping[str, str]) -> tuple[Sequence[Transfer], str]:
    """What was no trade, and the cursor of the next page; empty at the end."""
    result = answer["result"]
    rows = _rows(result)
    following = str(result.get("nextPageCursor") or "") if rows else ""
    return [_transfer(row, ids) for row in rows if row["type"] not in _TRADED], following


def _transfer(row: Mapping[str, Any], ids: Mapping[str, str]) -> Transfer:
    kind = _LOGGED.get(row["type"], "other")
    return Transfer(
        id=str(row["id"]),
        kind=kind,
        currency=row["currency"],
        amount=exact(row["change"]),
        symbol=ids.get(row.get("symbol") or "") if kind == "funding" else None,
        at=moment(row["transactionTime"]),
    )


async def rights(api: Asks) -> KeyRights:
    return await api.ask("the key's rights", call("private_get_v5_user_query_api", read=_rights))


def _rights(answer: Any) -> KeyRights:
    result = answer["result"]
    may = result.get("permissions") or {}
    trading = any(may.get(name) for name in ("ContractTrade", "Spot", "Derivatives"))
    return KeyRights(
        account=str(result.get("userID") or ""),
        trade=trading and str(result.get("readOnly")) == "0",
        withdraw="Withdraw" in (may.get("Wallet") or ()),
    )


async def prepare(api: Asks, symbols: Sequence[str]) -> Sequence[str]:
    """One-way positions for perpetuals. Margin is the account's own setting at Bybit, and left as it is."""
    notes: list[str] = []
    for symbol in (symbol for symbol in symbols if swap(symbol)):
        try:
            await api.send(f"one-way mode of {symbol}", call("set_position_mode", False, symbol, read=done))
        except Declined as declined:
            if declined.code not in _ONE_WAY_ALREADY:
                raise Refused(
                    f"{symbol} can't be set to one-way mode: {declined.message}",
                    remedy="Close what is open there, and choose one-way mode at Bybit",
                ) from None
        notes.append(f"positions in {symbol} are one-way")
    return notes


BYBIT = replace(
    unified.any_exchange("bybit"),
    options={"recvWindow": int(RECV_WINDOW_S * 1_000)},
    codes=Codes(
        duplicate=(("110072", ""), ("170141", "")),
        absent=(
            ("110001", ""),
            ("110008", ""),
            ("110010", ""),
            ("170139", ""),
            ("170142", ""),
            ("170143", ""),
            ("170213", ""),
        ),
        unproven=(("10000", ""), ("10006", ""), ("10016", ""), ("10018", ""), ("10019", ""), ("10429", "")),
        refused=(("110*", ""), ("170*", "")),
    ),
    code=code,
    whole=whole,
    validity_s=RECV_WINDOW_S,
    shows_ids=True,
    begin=begin,
    stop=stop,
    stops_apart=stops_apart,
    batch=batch,
    placed=placed,
    find=find,
    cancel=cancel,
    orders=orders,
    trades=trades,
    order_trades=order_trades,
    client_order_id=client_order_id,
    balances=balances,
    positions=positions,
    transfers=transfers,
    rights=rights,
    prepare=prepare,
)
"""No dead-man switch: Bybit's watches a WebSocket, and is set up by its staff."""
