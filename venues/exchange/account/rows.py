"""ccxt's rows of orders and trades, read into our words: amounts in base currency, every state with its evidence.

A row that leaves out what matters, or says what is not known here, is an error and never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from domain.errors import VenueUnavailable
from domain.money import ZERO
from domain.order import ClientOrderId, Commission, Fill, OrderReport, OrderState, Side
from domain.statement import Trade
from domain.text import visible
from venues.exchange.account.dialects.pages import info_of, moment
from venues.exchange.account.listed import EXACT, Listed
from venues.exchange.account.reading import readable
from venues.exchange.client import Row
from venues.exchange.numbers import exact

_AN_ID = re.compile(r"[\w.:/-]+")
_AVERAGE_GRAIN = Decimal("1e-12")
_CLIENT_ORDER_ID = TypeAdapter(ClientOrderId)

_STATES: Mapping[str, OrderState] = {
    "open": OrderState.WORKING,
    "pause": OrderState.WORKING,
    "canceling": OrderState.WORKING,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "mmp_canceled": OrderState.CANCELLED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
"""ccxt's words, and two of OKX's that it leaves as they are."""

_REASONS = ("cancelSourceReason", "rejectReason", "failReason", "failCode")
_NO_REASON = frozenset({"", "0", "EC_NoError", "None"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """One order as a row shows it."""

    venue_order_id: str
    client_order_id: str
    """Empty where the order has none."""
    state: OrderState
    side: Side | None
    """`None` where the row does not say, as with the quantity."""
    quantity: Decimal | None
    filled: Decimal
    average_price: Decimal | None
    reason: str
    created_at: datetime | None
    at: datetime
    row: Row


def venue_order(row: Row, listed: Listed) -> VenueOrder:
    """Raises `VenueUnavailable` for a row that does not say what it must."""
    return readable(f"an order of {listed.symbol}", _venue_order, row, listed)


def _venue_order(row: Row, listed: Listed) -> VenueOrder:
    if row.get("symbol") not in (None, listed.symbol):
        raise ValueError(f"it is of {row.get('symbol')}")
    status = str(row.get("status"))
    if status not in _STATES:
        raise ValueError(f"its state is {status!r}")
    state = _STATES[status]
    if row.get("filled") is None and not _waits(row, state):
        raise ValueError("it does not say how much is filled")
    filled = ZERO if row.get("filled") is None else listed.in_base(row["filled"])
    quantity = listed.in_base(row["amount"]) if row.get("amount") is not None else None
    if filled < 0 or (quantity is not None and filled > quantity):
        raise ValueError(f"{filled} of {quantity} is filled")
    side = row.get("side")
    if side not in (None, "buy", "sell"):
        raise ValueError(f"its side is {side!r}")
    if state is OrderState.FILLED and quantity is not None and filled < quantity:
        state = OrderState.CANCELLED  # Bybit's "partially filled, then cancelled" is closed to ccxt
    if state is OrderState.REJECTED and filled:
        state = OrderState.CANCELLED  # taken, filled in part, and then stopped by the venue
    if state is OrderState.WORKING and filled:
        state = OrderState.PARTIAL
    changed = next(
        (row[name] for name in ("lastUpdateTimestamp", "lastTradeTimestamp", "timestamp") if row.get(name)), None
    )
    average = row.get("average")
    return VenueOrder(
        venue_order_id=_id(row.get("id")),
        client_order_id=str(row.get("clientOrderId") or ""),
        state=state,
        side=side,
        quantity=quantity,
        filled=filled,
        average_price=exact(average) if average is not None and filled else None,
        reason=_reason(row) if state.terminal and state is not OrderState.FILLED else "",
        created_at=None if row.get("timestamp") is None else moment(row["timestamp"]),
        at=moment(changed),
        row=row,
    )


def _waits(row: Row, state: OrderState) -> bool:
    """Whether it is a stop that has become no order, which fills nothing; one that was refused did neither."""
    stop = any(row.get(name) for name in ("triggerPrice", "stopPrice", "stopLossPrice"))
    return state is OrderState.REJECTED or (stop and state is not OrderState.FILLED)


def _id(value: object) -> str:
    """Raises `ValueError` for what is none: ccxt makes text of whatever it finds."""
    if value in (None, ""):
        raise ValueError("it has no id")
    if not _AN_ID.fullmatch(str(value)):
        raise ValueError(f"its id is {value!r}")
    return str(value)


def _reason(row: Row) -> str:
    texts = (str(info_of(row).get(name) or "") for name in _REASONS)
    return visible(next((words for words in texts if words not in _NO_REASON), ""), limit=200)


def report(
    order: VenueOrder, *, client_order_id: str, symbol: str, fills: Sequence[Fill], evidence: str
) -> OrderReport:
    """What is proven: the state is the row's, and `filled` at least what the trades show."""
    traded = sum((fill.quantity for fill in fills), ZERO)
    state = OrderState.PARTIAL if traded and order.state is OrderState.WORKING else order.state
    return OrderReport(
        client_order_id=client_order_id,
        symbol=symbol,
        state=state,
        filled=max(order.filled, traded),
        average_price=order.average_price if traded <= order.filled else average(fills),
        fills=tuple(fills),
        reason=order.reason,
        at=max((order.at, *(fill.at for fill in fills))),
        venue_order_id=order.venue_order_id,
        evidence=evidence,
        side=order.side,
        quantity=order.quantity,
    )


def average(fills: Sequence[Fill]) -> Decimal | None:
    if not fills:
        return None
    notional = sum((fill.notional for fill in fills), ZERO)
    return EXACT.divide(notional, sum((fill.quantity for fill in fills), ZERO)).quantize(_AVERAGE_GRAIN, context=EXACT)


def trades(rows: Iterable[Row], listed: Listed, *, client_order_id: Callable[[Row], str]) -> list[Trade]:
    """Each once by its id, oldest first. Raises `VenueUnavailable` for a row that does not say what it must."""
    by_id: dict[str, Trade] = {}
    for row in rows:
        trade = readable(f"a trade of {listed.symbol}", _trade, row, listed, client_order_id(row))
        if by_id.setdefault(trade.trade_id, trade) != trade:
            raise VenueUnavailable(f"the trade {trade.trade_id} of {listed.symbol} comes twice, and differs")
    return sorted(by_id.values(), key=lambda trade: (trade.at, len(trade.trade_id), trade.trade_id))


def _trade(row: Row, listed: Listed, client_order_id: str) -> Trade:
    if row.get("symbol") not in (None, listed.symbol):
        raise ValueError(f"it is of {row.get('symbol')}")
    fee, fee_base, commission = _fees(row, listed)
    side = row.get("side")
    if side not in ("buy", "sell"):
        raise ValueError(f"its side is {side!r}")
    return Trade(
        trade_id=_id(row.get("id")),
        venue_order_id=str(row.get("order") or ""),
        client_order_id=client_order_id,
        symbol=listed.symbol,
        side=side,
        quantity=listed.in_base(row.get("amount")),
        price=exact(row.get("price")),
        fee=fee,
        fee_base=fee_base,
        commission=commission,
        at=moment(row.get("timestamp")),
    )


def _fees(row: Row, listed: Listed) -> tuple[Decimal, Decimal, Commission | None]:
    """In quote, in base, and in a third currency. ccxt's sign is ours: what was paid is positive."""
    several = row.get("fees")
    stated: list[Any] = several if isinstance(several, list) and several else [row.get("fee")]
    sums: dict[str, Decimal] = {}
    for fee in stated:
        cost = fee.get("cost") if fee else None
        if cost is None or not exact(cost):
            continue
        if not fee.get("currency"):
            raise ValueError("its fee is in no currency")
        sums[str(fee["currency"])] = sums.get(str(fee["currency"]), ZERO) + exact(cost)
    quote = sums.pop(listed.instrument.quote, ZERO)
    base = sums.pop(listed.instrument.base, ZERO)
    if len(sums) > 1:
        raise ValueError(f"its fees are in {', '.join(sums)}")
    third = next(iter(sums.items()), None)
    return quote, base, None if third is None else Commission(currency=third[0], amount=third[1])


def fill(trade: Trade, client_order_id: str) -> Fill:
    """The trade as one of our order."""
    return Fill(
        trade_id=trade.trade_id,
        client_order_id=client_order_id,
        symbol=trade.symbol,
        side=trade.side,
        quantity=trade.quantity,
        price=trade.price,
        fee=trade.fee,
        fee_base=trade.fee_base,
        commission=trade.commission,
        at=trade.at,
    )


def could_be_ours(client_order_id: str) -> bool:
    """Whether agentctl could have made such an id."""
    try:
        _CLIENT_ORDER_ID.validate_python(client_order_id)
    except ValidationError:
        return False
    return True
