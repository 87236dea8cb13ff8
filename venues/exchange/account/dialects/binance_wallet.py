"""What moved the balances of Binance's spot wallet besides trades: three histories, for it has no one ledger.

Told are deposits, withdrawals, and what went to or came from the wallets of `_WALLETS`. Not told are conversions of
dust and others, dividends, Earn, fiat, gifts, sub-accounts and the other wallets. What is told did move the balance;
where a row leaves that open it is not told. Rules are of the wallet's documentation,
https://developers.binance.com/docs/wallet: `capital/deposite-history`, `capital/withdraw-history` and
`asset/query-user-universal-transfer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from domain.errors import NotTold
from domain.statement import Transfer
from venues.exchange.account.dialects.dialect import Asks, Params
from venues.exchange.account.dialects.pages import every, millis, moment, spans
from venues.exchange.client import Row
from venues.exchange.failures import Declined
from venues.exchange.numbers import exact

_WALLETS = ("UMFUTURE", "CMFUTURE", "MARGIN", "FUNDING")
_RETENTION = timedelta(days=180)
"""How far back transfers between wallets can be asked for: six months."""

_SPOT = "0"
"""`walletType`; 1 is the funding wallet."""
_CREDITED = frozenset({"1", "6"})
"""Success, and credited but not to be withdrawn yet; not pending (0), rejected (2), wrong (7), unconfirmed (8)."""
_COMPLETED = "6"


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """One of Binance's lists, newest first: how it is asked for, and what its rows say."""

    what: str
    address: str
    params: Mapping[str, object]
    span: timedelta
    """The longest time that may be asked about at once."""
    size: int
    """Rows to a page."""
    page: Callable[[int], Params]
    """What asks for a page, counted from 0."""
    rows: Callable[[Any], Sequence[Mapping[str, Any]]]
    transfer: Callable[[Mapping[str, Any]], Transfer | None]
    """`None` for a row that does not certainly say how the spot wallet changed."""


async def transfers(api: Asks, since: datetime) -> Sequence[Transfer]:
    """All of these kinds since then.

    Raises `NotTold` where the key may not read them, and on the test network, which has no such addresses.
    """
    now, entries = api.clock(), list[Transfer]()
    try:
        for history in (_DEPOSITS, _WITHDRAWALS):
            entries += await _read(api, history, since=since, until=now)
        for history in _BETWEEN_WALLETS:
            entries += await _read(api, history, since=max(since, now - _RETENTION), until=now)
    except Declined as declined:
        if declined.kind != "refused":
            raise
        raise NotTold(declined.message, remedy="Let the key read at Binance") from None
    return entries


async def _read(api: Asks, history: _History, *, since: datetime, until: datetime) -> Sequence[Transfer]:
    entries: list[Transfer] = []
    for start, end in spans(since, until, history.span):
        window: Params = {**history.params, "startTime": millis(start), "endTime": millis(end)}
        rows = await _pages(api, history, window)
        entries += [row["transfer"] for row in rows if isinstance(row["transfer"], Transfer)]
    return entries


async def _pages(api: Asks, history: _History, window: Params) -> Sequence[Row]:
    """What comes in between moves rows to later pages: they come twice then, and are kept once."""
    numbers = count(1)

    async def page(params: Params) -> Sequence[Row]:
        return await _page(api, history, {**window, **history.page(0), **params})

    def following(rows: Sequence[Row]) -> Params:
        return history.page(next(numbers))

    return await every(page, size=history.size, after=following, what=history.what)


async def _page(api: Asks, history: _History, params: Params) -> Sequence[Row]:
    async def ask(ccxt: Any) -> Sequence[Row] | None:
        if ccxt.isSandboxModeEnabled:
            return None
        answer = await getattr(ccxt, history.address)(params)
        return [{"id": _id(row), "transfer": history.transfer(row)} for row in history.rows(answer)]

    rows = await api.ask(history.what, ask)
    if rows is None:
        raise NotTold(f"Binance's test network does not tell {history.what}")
    return rows


def _id(row: Mapping[str, Any]) -> str:
    return str(row["tranId"] if "tranId" in row else row["id"])


def _offset(page: int) -> Params:
    return {"limit": 1_000, "offset": 1_000 * page}


def _deposit(row: Mapping[str, Any]) -> Transfer | None:
    """At `insertTime`, when Binance first saw it. It was credited then or later: one that books were opened between
    is not told, rather than told though it may have been in the balances that they were opened with. `completeTime`
    is no help there, for what is credited can be complete only when it may be withdrawn.
    """
    held_up = str(row.get("travelRuleStatus", "0")) == "1"
    if str(row["status"]) not in _CREDITED or str(row.get("walletType")) != _SPOT or held_up:
        return None
    return Transfer(
        id=f"DEPOSIT-{row['id']}",
        kind="deposit",
        currency=row["coin"],
        amount=exact(row["amount"]),
        at=moment(row["insertTime"]),
    )


def _withdrawal(row: Mapping[str, Any]) -> Transfer | None:
    """At `applyTime`: from then on the money is withdrawing, from which it is deducted at `completeTime`. The fee is on
    top of the amount: the documentation leaves that open, and github.com/sjanel/coincenter checks it.

    Told once it is completed, for until then it may be cancelled, rejected or fail, and come back. Of one to another
    account at Binance the fee may be given back, so with a fee it is not told.
    """
    fee = exact(row["transactionFee"])
    inside = str(row.get("transferType")) == "1"
    if str(row["status"]) != _COMPLETED or str(row.get("walletType")) != _SPOT or (inside and fee):
        return None
    return Transfer(
        id=f"WITHDRAWAL-{row['id']}",
        kind="withdrawal",
        currency=row["coin"],
        amount=-(exact(row["amount"]) + fee),
        at=datetime.strptime(row["applyTime"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC),
    )


def _between_wallets(row: Mapping[str, Any]) -> Transfer | None:
    if row["status"] != "CONFIRMED":
        return None
    away = row["type"].startswith("MAIN_")
    amount = exact(row["amount"])
    return Transfer(
        id=f"{row['type']}-{row['tranId']}",
        kind="withdrawal" if away else "deposit",
        currency=row["asset"],
        amount=-amount if away else amount,
        at=moment(row["timestamp"]),
    )


def _listed(answer: Any) -> Sequence[Mapping[str, Any]]:
    return list(answer)


def _counted(answer: Any) -> Sequence[Mapping[str, Any]]:
    return list(answer["rows"]) if int(answer["total"]) else []


_DEPOSITS = _History(
    what="the deposits",
    address="sapi_get_capital_deposit_hisrec",
    params={},
    span=timedelta(days=89),  # of less than 90 days
    size=1_000,
    page=_offset,
    rows=_listed,
    transfer=_deposit,
)
_WITHDRAWALS = _History(
    what="the withdrawals",
    address="sapi_get_capital_withdraw_history",
    params={},
    span=timedelta(days=89),
    size=1_000,
    page=_offset,
    rows=_listed,
    transfer=_withdrawal,
)
_BETWEEN_WALLETS = tuple(
    _History(
        what=f"the transfers {kind}",
        address="sapi_get_asset_transfer",
        params={"type": kind},
        span=timedelta(days=30),  # no bound is documented; without one, the last week is shown
        size=100,
        page=lambda page: {"size": 100, "current": page + 1},
        rows=_counted,
        transfer=_between_wallets,
    )
    for wallet in _WALLETS
    for kind in (f"MAIN_{wallet}", f"{wallet}_MAIN")
)
