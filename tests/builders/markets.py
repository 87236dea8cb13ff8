"""Bars, markets, orders and tickets for tests of markets and venues, with good defaults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from domain.candle import Candle, Timeframe
from domain.clearance import Cleared, cleared
from domain.clock import TickClock
from domain.decision import Ticket
from domain.errors import TicketRefused
from domain.order import OrderRequest
from domain.venue import Market
from venues.costs import FeeSchedule, PaperCosts
from venues.files.market import FileMarket
from venues.paper.venue import PaperVenue

START = datetime(2025, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
FREE = PaperCosts(
    spot=FeeSchedule(maker=Decimal(0), taker=Decimal(0)),
    swap=FeeSchedule(maker=Decimal(0), taker=Decimal(0)),
    slippage_bps=Decimal(0),
    impact_bps=Decimal(0),
)
"""No fees and no slippage: only the spread is left."""

OHLCV = Path(__file__).parents[2].parent / "shared/data/ohlcv"


def recorded(folder: str) -> Path:
    """A folder of real candles; skips the test where they aren't there."""
    path = OHLCV / folder
    if not path.exists():
        pytest.skip(f"the recorded candles in {folder} are not on this machine")
    return path


def at(bars: int) -> datetime:
    """When the bar of that number opens, and the one before it closes."""
    return START + bars * STEP


def a_bar(number: int, prices: str, *, volume: str = "1000") -> Candle:
    """`prices` are open, high, low and close: `"100 101 99 100"`; a single one stands for all four."""
    parts = [Decimal(price) for price in prices.split()]
    opened, high, low, close = parts if len(parts) == 4 else parts * 4
    return Candle(at(number), at(number + 1), opened, high, low, close, Decimal(volume))


def bars(*prices: str, volume: str = "1000") -> list[Candle]:
    return [a_bar(number, price, volume=volume) for number, price in enumerate(prices)]


def a_market(candles: Sequence[Candle], *, symbol: str = "ETH/USDT") -> FileMarket:
    return FileMarket("file:memory", {symbol: candles}, timeframe=Timeframe("5m"))


def an_order(
    side: str = "buy",
    quantity: str = "1",
    *,
    limit: str | None = None,
    symbol: str = "ETH/USDT",
    tif: str = "GTC",
    reduce_only: bool = False,
    id: str = "order1",
) -> OrderRequest:
    return OrderRequest.model_validate(
        {
            "client_order_id": id,
            "symbol": symbol,
            "side": side,
            "type": "limit" if limit else "market",
            "quantity": quantity,
            "limit_price": limit,
            "time_in_force": tif,
            "reduce_only": reduce_only,
        }
    )


def a_ticket(order: OrderRequest, *, id: str | None = None) -> Ticket:
    return Ticket(
        id=id or f"ticket-{order.client_order_id}",
        client_order_id=order.client_order_id,
        order_digest=order.digest,
        verdict_digest="0" * 64,
        issued_at=START,
        expires_at=START + timedelta(days=3_650),
        seal="",
    )


def fits(ticket: Ticket, order: OrderRequest, now: datetime) -> Cleared:
    """What a ticket office checks, without the seal."""
    copies = cleared(ticket, order)
    if now > copies.ticket.expires_at:
        raise TicketRefused(f"ticket {copies.ticket.id} does not fit")
    return copies


def a_venue(
    market: Market,
    clock: TickClock,
    *,
    cash: str = "10000",
    costs: PaperCosts | None = None,
    currency: str = "USDT",
) -> PaperVenue:
    return PaperVenue(market, clock, currency=currency, start_cash=Decimal(cash), check=fits, costs=costs)


def total(values: Iterable[Decimal]) -> Decimal:
    return sum(values, Decimal(0))
