"""What is Binance's own: spot and USD-M perpetuals, which are two wallets and two dialects behind one key.

A client order id is free again once its order has ended, so an order is told by its time too. Trades carry no client
order id. Lists go forward by id, and by time in spans of a day (spot) or a week (perpetuals). On perpetuals stops
are algo orders with lists and ids of their own; on spot they are orders like others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.errors import NotTold, Refused, VenueUnavailable
from domain.money import ZERO
from domain.order import OrderRequest
from domain.statement import KeyRights, Transfer, TransferKind
from venues.exchange.account.dialects import binance_wallet
from venues.exchange.account.dialects import ccxt as unified
from venues.exchange.account.dialects.dialect import Asks, Listing, Params, Placed, call, done, listed_rows
from venues.exchange.account.dialects.pages import every, highest, info_of, millis, moment, spans
from venues.exchange.client import Row
from venues.exchange.failures import Codes, Declined, code_in
from venues.exchange.guarded_client import current
from venues.exchange.numbers import exact

RECV_WINDOW_S = 5.0
"""Binance refuses a request that reaches it later than this after it was signed."""

_PAGE = 1_000
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_DONE = frozenset({"-4059", "-4046"})
"""It was so already: no need to change the position side, or the margin type."""
_BOOKED = frozenset({"REALIZED_PNL", "COMMISSION"})
_INCOME: Mapping[str, TransferKind] = {
    "FUNDING_FEE": "funding",
    "INSURANCE_CLEAR": "fee",
    "API_REBATE": "other",
}


def code(answer: object) -> tuple[str, str]:
    """Errors are negative; some answers that went well say 200."""
    code, message = code_in(answer, "code", "msg")
    return (code, message) if code.startswith("-") else ("", "")


def swap(symbol: str) -> bool:
    return ":" in symbol


def sandbox(ccxt: Any) -> None:
    """The test network of spot and perpetuals: ccxt speaks to the latter only when told that one knows it is old."""
    ccxt.set_sandbox_mode(True)
    ccxt.options["disableFuturesSandboxWarning"] = True


def stop(request: OrderRequest) -> Params:
    """A stop market order: `STOP_MARKET` on the last price of a perpetual, `STOP_LOSS` on spot."""
    apart: Params = {"workingType": "CONTRACT_PRICE"} if swap(request.symbol) else {}
    return {**unified.order(request), "stopLossPrice": str(request.trigger_price), **apart}


def batch(symbol: str) -> int:
    """Spot has none. See https://developers.binance.com/docs/derivatives/usds-margined-futures/trade."""
    return 5 if swap(symbol) else 1


def placed(answer: object, names: Sequence[str]) -> Mapping[str, Placed]:
    """Rows are in the order of the request. That of a refusal has a code and no name, so the others must fit theirs."""
    rows = answer if isinstance(answer, list) and all(isinstance(row, Mapping) for row in answer) else []
    if len(rows) != len(names):
        return {}
    pairs = list(zip(names, rows, strict=True))
    if any("code" not in row and row.get("clientOrderId") != name for name, row in pairs):
        return {}
    return {name: _placed(row) for name, row in pairs}


def _placed(row: Mapping[str, object]) -> Placed:
    if "code" in row:
        return Placed(venue_order_id="", code=str(row["code"]), message=str(row.get("msg") or ""))
    return Placed(venue_order_id=str(row.get("orderId") or ""), code="0", message="")


def child(row: Row) -> str:
    order_id = str(info_of(row).get("actualOrderId") or "")
    return "" if order_id == "0" else order_id


async def orders(api: Asks, symbol: str, listing: Listing) -> Sequence[Row]:
    what = f"the {listing.which} orders of {symbol}"
    apart = unified.trigger(listing.stop)
    if listing.which == "open":
        return await api.ask(what, call("fetch_open_orders", symbol, None, None, apart, read=listed_rows), urgent=True)
    since = listing.since or api.clock() - _WEEK

    async def between(start: datetime, end: datetime) -> Sequence[Row]:
        params = {"endTime": millis(end), **apart}
        return await api.ask(
            what, call("fetch_orders", symbol, millis(start), _PAGE, params, read=listed_rows), urgent=True
        )

    async def beyond(params: Params) -> Sequence[Row]:
        query = {**params, **apart}
        return await api.ask(what, call("fetch_orders", symbol, None, _PAGE, query, read=listed_rows), urgent=True)

    key = "algoId" if listing.stop else "orderId"
    return await _walk(api, symbol, since, between=between, beyond=beyond, key=key, what=what)


async def trades(api: Asks, symbol: str, since: datetime) -> Sequence[Row]:
    """Forward from `since`. More than a day of spot begins with the newest thousand, of whatever time: where they
    reach back to before `since` they are all, for ids rise with time.
    """
    what = f"the trades of {symbol}"

    async def between(start: datetime, end: datetime) -> Sequence[Row]:
        params = {"endTime": millis(end)}
        return await api.ask(
            what, call("fetch_my_trades", symbol, millis(start), _PAGE, params, read=listed_rows), urgent=True
        )

    async def beyond(params: Params) -> Sequence[Row]:
        return await api.ask(what, call("fetch_my_trades", symbol, None, _PAGE, params, read=listed_rows), urgent=True)

    if swap(symbol) or api.clock() - since <= _DAY:
        return await _walk(api, symbol, since, between=between, beyond=beyond, key="fromId", what=what)
    newest = await beyond({})
    recent = [row for row in newest if moment(row["timestamp"]) >= since]
    if len(newest) < _PAGE or len(recent) < len(newest):
        return recent
    return await _walk(api, symbol, since, between=between, beyond=beyond, key="fromId", what=what, enough=1)


async def _walk(
    api: Asks,
    symbol: str,
    since: datetime,
    *,
    between: Callable[[datetime, datetime], Awaitable[Sequence[Row]]],
    beyond: Callable[[Params], Awaitable[Sequence[Row]]],
    key: str,
    what: str,
    enough: int = _PAGE,
) -> Sequence[Row]:
    """All rows from `since` on: by time, and from a span that has `enough` by id, which knows no spans."""
    every_row: list[Row] = []
    for start, end in spans(since, api.clock(), _WEEK if swap(symbol) else _DAY):
        rows = await between(start, end)
        every_row += rows
        if len(rows) >= enough:
            first = highest(rows) + 1

            async def page(params: Params, first: int = first) -> Sequence[Row]:
                return await beyond({key: first, **params})

            return [*every_row, *await every(page, size=_PAGE, after=lambda rows: {key: highest(rows) + 1}, what=what)]
    return every_row


async def order_trades(api: Asks, symbol: str, row: Row) -> Sequence[Row]:
    what = f"the trades of the order {row['id']}"
    rows: Sequence[Row] = await api.ask(
        what, call("fetch_my_trades", symbol, None, _PAGE, {"orderId": row["id"]}, read=listed_rows), urgent=True
    )
    if len(rows) < _PAGE:
        return rows
    return [trade for trade in await trades(api, symbol, moment(row["timestamp"])) if trade["order"] == row["id"]]


async def balances(api: Asks, symbols: Sequence[str]) -> Mapping[str, Decimal]:
    """Of the wallets that these symbols trade from, together. ccxt's total of perpetuals counts open gains."""
    wallets: list[Mapping[str, Decimal]] = []
    if any(not swap(symbol) for symbol in symbols):
        spot = call("fetch_balance", {"type": "spot"}, read=_spot)
        wallets.append(await api.ask("the spot balances", spot))
    if any(swap(symbol) for symbol in symbols):
        perpetuals = call("fapiprivatev3_get_account", read=_wallets)
        wallets.append(await api.ask("the perpetuals' balances", perpetuals))
    names = {name for wallet in wallets for name in wallet}
    return {name: sum((wallet.get(name, ZERO) for wallet in wallets), ZERO) for name in sorted(names)}


def _spot(balance: Any) -> Mapping[str, Decimal]:
    """Raises `ValueError` where the answer lists no balances: ccxt reads that as none."""
    answer = current().answer
    if not isinstance(answer, Mapping) or not isinstance(answer.get("balances"), list):
        raise ValueError("it lists no balances")
    return unified.totals(balance)


def _wallets(answer: Any) -> Mapping[str, Decimal]:
    return {str(asset["asset"]): exact(asset["walletBalance"]) for asset in answer["assets"]}


async def positions(api: Asks, symbols: Sequence[str]) -> Sequence[Row]:
    ids = {str(api.market(symbol)["id"]): symbol for symbol in symbols}

    def read(answer: Any) -> Sequence[Row]:
        return [_position(row, ids[row["symbol"]]) for row in answer if row["symbol"] in ids]

    return await api.ask("the positions", call("fapiprivatev3_get_positionrisk", read=read))


def _position(row: Mapping[str, Any], symbol: str) -> Row:
    amount = exact(row["positionAmt"])
    return {
        "symbol": symbol,
        "side": "long" if amount > 0 else "short",
        "contracts": str(abs(amount)),
        "markPrice": row["markPrice"] if amount else None,
        "entryPrice": row["entryPrice"] if amount else None,
    }


async def transfers(api: Asks, symbols: Sequence[str], since: datetime) -> Sequence[Transfer] | None:
    """Of each wallet that these symbols trade from. What went from the one to the other both tell, under its own id."""
    swaps = [symbol for symbol in symbols if swap(symbol)]
    history = list(await _incomes(api, swaps, since) if swaps else ())
    if len(swaps) < len(symbols):
        try:
            history += await binance_wallet.transfers(api, since)
        except NotTold:
            if not swaps:
                raise
    recent = [transfer for transfer in history if transfer.at >= since]
    return sorted(recent, key=lambda transfer: (transfer.at, transfer.id))


async def _incomes(api: Asks, symbols: Sequence[str], since: datetime) -> Sequence[Transfer]:
    """Of the perpetuals' wallet, all but what trades did."""
    ids = {str(api.market(symbol)["id"]): symbol for symbol in symbols}
    incomes: dict[str, Transfer] = {}
    for start, end in spans(since, api.clock(), _WEEK):
        first = start
        while True:
            params = {"startTime": millis(first), "endTime": millis(end), "limit": _PAGE}
            request = call("fapiprivate_get_income", params, read=lambda answer: _income(answer, ids))
            read = await api.ask("the income", request)
            incomes.update((transfer.id, transfer) for transfer, booked in read if not booked)
            if len(read) < _PAGE:
                break
            newest = max(transfer.at for transfer, _ in read)
            if newest <= first:
                raise VenueUnavailable("the income of one moment comes in more than one page")
            first = newest
    return list(incomes.values())


def _income(answer: Any, ids: Mapping[str, str]) -> Sequence[tuple[Transfer, bool]]:
    """All of it, and whether it is a trade's."""
    return [(_transfer(row, ids), row["incomeType"] in _BOOKED) for row in answer]


def _transfer(row: Mapping[str, Any], ids: Mapping[str, str]) -> Transfer:
    amount = exact(row["income"])
    kind = _INCOME.get(row["incomeType"], "other")
    if row["incomeType"] == "TRANSFER":
        kind = "deposit" if amount > 0 else "withdrawal"
    symbol = ids.get(str(row.get("symbol"))) if kind == "funding" else None
    return Transfer(
        # Its `tranId` is unique within a kind only, and a funding of all symbols may share one.
        id=f"{row['incomeType']}-{row['tranId']}-{row.get('symbol') or row['asset']}",
        kind=kind,
        currency=row["asset"],
        amount=amount,
        symbol=symbol,
        at=moment(row["time"]),
    )


async def rights(api: Asks) -> KeyRights:
    """From the key's restrictions, which the test network does not tell."""

    async def ask(ccxt: Any) -> Mapping[str, Any] | None:
        if ccxt.isSandboxModeEnabled:
            return None
        restrictions: Mapping[str, Any] = await ccxt.sapi_get_account_apirestrictions()
        return restrictions

    async def uid(ccxt: Any) -> str:
        return str((await ccxt.private_get_account()).get("uid") or "")

    restrictions = await api.ask("the key's rights", ask)
    try:
        account = await api.ask("the account", uid)
    except Declined:  # a key for perpetuals alone may not ask
        account = ""
    if restrictions is None:
        return KeyRights(account=account, trade=None, withdraw=None)
    trade = any(_flag(restrictions, name) for name in ("enableSpotAndMarginTrading", "enableFutures"))
    return KeyRights(account=account, trade=trade, withdraw=_flag(restrictions, "enableWithdrawals"))


def _flag(restrictions: Mapping[str, Any], name: str) -> bool:
    return str(restrictions.get(name, "")).lower() == "true"


async def prepare(api: Asks, symbols: Sequence[str]) -> Sequence[str]:
    """One-way positions and cross margin for perpetuals."""
    perpetuals = [symbol for symbol in symbols if swap(symbol)]
    if not perpetuals:
        return ()
    one_way = call("fapiprivate_post_positionside_dual", {"dualSidePosition": "false"}, read=done)
    notes = [await _set(api, "one-way mode", one_way)]
    for symbol in perpetuals:
        notes.append(await _set(api, f"cross margin of {symbol}", call("set_margin_mode", "cross", symbol, read=done)))
    return notes


async def _set(api: Asks, what: str, change: Callable[[Any], Awaitable[None]]) -> str:
    try:
        await api.send(what, change)
    except Declined as declined:
        if declined.code in _DONE:
            return f"{what}: so already"
        raise Refused(
            f"{what} can't be had: {declined.message}", remedy="Close what is open there, and set it at Binance"
        ) from None
    return f"{what}: set"


async def keep_alive(api: Asks, symbols: Sequence[str], timeout_s: int) -> bool:
    """`countdownCancelAll` of each perpetual. Spot has none, and with it among the symbols the answer is no."""
    for symbol in symbols:
        if swap(symbol):
            params = {"symbol": api.market(symbol)["id"], "countdownTime": timeout_s * 1_000}
            await api.send(
                f"the dead-man switch of {symbol}", call("fapiprivate_post_countdowncancelall", params, read=done)
            )
    return all(swap(symbol) for symbol in symbols)


BINANCE = replace(
    unified.any_exchange("binance"),
    options={"recvWindow": int(RECV_WINDOW_S * 1_000), "fetchMargins": False},
    codes=Codes(
        duplicate=(("-2010", "duplicate"), ("-4116", ""), ("-20132", "")),
        absent=(("-2011", ""), ("-2013", "")),
        unproven=(
            ("-1000", ""),
            ("-1001", ""),
            ("-1003", ""),
            ("-1006", ""),
            ("-1007", ""),
            ("-1008", ""),
            ("-1015", ""),
            ("-1016", ""),
        ),
        refused=(("-2015", ""), ("-11*", ""), ("-20*", ""), ("-4*", ""), ("-5022", "")),
    ),
    code=code,
    validity_s=RECV_WINDOW_S,
    sandbox=sandbox,
    shows_ids=True,
    ids_reused=True,
    stop=stop,
    stops_apart=swap,
    batch=batch,
    placed=placed,
    orders=orders,
    trades=trades,
    order_trades=order_trades,
    child=child,
    balances=balances,
    positions=positions,
    transfers=transfers,
    rights=rights,
    prepare=prepare,
    keep_alive=keep_alive,
)
BINANCE_USDM = replace(BINANCE, exchange="binanceusdm")
