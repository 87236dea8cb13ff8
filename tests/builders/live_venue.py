"""A live venue on the exchange double: the real ccxt, our own clock, and a market that a test drives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from builders.exchanges import FAST, bar_at
from domain.clearance import Check, Cleared, cleared
from domain.decision import Ticket
from domain.order import OrderRequest
from exchange_double.listing import LISTINGS, Listing
from exchange_double.okx import OkxWire
from exchange_double.served import START, ServedDouble
from exchange_double.server import Server
from exchange_double.wire import Wire
from venues.exchange.account import ExchangeKeys, ExchangeVenue

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
KEYS = ExchangeKeys(api_key="double-key", secret="double-secret", password="double-passphrase")


@dataclass
class Present:
    """The one clock of a test: the double's, the venue's, and moved on by every sleep."""

    at: datetime = START
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


def fits(ticket: Ticket, order: OrderRequest, now: datetime) -> Cleared:
    """Of what the policy's engine checks, what a venue can be tested with."""
    return cleared(ticket, order)


@dataclass
class Stage:
    """A venue on a double, and a hand on the market and on time."""

    double: ServedDouble
    present: Present
    venue: ExchangeVenue
    symbol: str
    exchange: str = "okx"

    def now(self) -> datetime:
        return self.present.at

    async def advance(self, bars: int = 1) -> None:
        self.present.at += bars * timedelta(minutes=5)
        with self.double.engine.lock:
            self.double.engine.tick()

    async def hurry(self) -> None:
        """Connect with patience, then give up on an answer after half a second: for faults that never answer."""
        await self.venue.instruments()
        self.venue.market_data._ccxt.timeout = 500

    def another(self, **settings: Any) -> ExchangeVenue:
        """A venue that knows nothing of what the first one sent: after a restart."""
        return make_venue(self.double, self.present, exchange=self.exchange, **settings)


def make_venue(
    double: ServedDouble,
    present: Present,
    *,
    exchange: str = "okx",
    symbols: Sequence[str] = (SPOT, SWAP),
    patience_s: float = 30,
    check: Check = fits,
    sandbox: bool = False,
    **settings: object,
) -> ExchangeVenue:
    return ExchangeVenue(
        exchange,
        keys=KEYS,
        symbols=symbols,
        currency="USDT",
        check=check,
        wall=present,
        sleep=present.sleep,
        sandbox=sandbox,
        base_url=double.url,
        patience_s=patience_s,
        settings={**FAST, "timeout": 10_000, "verify": False, **settings},
    )


def _wire_of(exchange: str) -> tuple[Wire, Sequence[Listing]]:
    """The dialect and what is listed. Skips the test where the double does not speak it."""
    if exchange == "okx":
        return OkxWire(), LISTINGS
    spoken = pytest.importorskip(f"exchange_double.{exchange}", reason=f"the double does not speak {exchange}")
    wire: Wire = getattr(spoken, f"{exchange.capitalize()}Wire")()
    return wire, spoken.LISTINGS


@contextmanager
def a_double(present: Present, *, exchange: str = "okx", cash: int = 100_000) -> Iterator[ServedDouble]:
    """60,000 to 60,001 for two on either side of spot, and deep on the perpetual."""
    wire, listings = _wire_of(exchange)
    double = ServedDouble(wire, present, listings=listings)
    double.engine.deposit("USDT", cash)
    double.engine.set_touch(SPOT, bid="60000", ask="60001", size=2)
    double.engine.set_touch(SWAP, bid="60000", ask="60001", size=20_000)
    with Server(double, sleep=lambda _: asyncio.sleep(0)) as server:
        double.url = server.url
        yield double


@asynccontextmanager
async def a_stage(
    *, exchange: str = "okx", symbol: str = SPOT, cash: int = 100_000, **settings: Any
) -> AsyncIterator[Stage]:
    present = Present()
    with a_double(present, exchange=exchange, cash=cash) as double:
        venue = make_venue(double, present, exchange=exchange, **settings)
        stage = Stage(double, present, venue, symbol, exchange)
        try:
            yield stage
        finally:
            await stage.venue.aclose()


async def a_contract_stage(exchange: str, symbol: str) -> AsyncIterator[Stage]:
    """With bars, and so long after the start that an unknown order is said not to be there."""
    async with a_stage(exchange=exchange, symbol=symbol, symbols=[symbol], patience_s=0) as stage:
        length, now = timedelta(minutes=5), stage.now()
        bars = [bar_at(now + n * length, length=length, base=Decimal(60_000)) for n in range(-50, 20)]
        stage.double.engine.set_bars(symbol, int(length.total_seconds()), bars)
        await stage.advance()
        yield stage
