from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import pytest

from builders.markets import a_venue, recorded
from builders.venue_contract import VenueContract
from domain.clock import TickClock
from domain.venue import Market
from venues.files.market import FileMarket
from venues.paper.venue import PaperVenue
from venues.sim.market import SimMarket


@dataclass
class PaperStage:
    venue: PaperVenue
    symbol: str
    clock: TickClock
    market: Market

    @classmethod
    async def on(cls, market: Market, *, symbol: str):
        clock = TickClock(await anext(market.ticks()))
        currency = (await market.instruments())[symbol].quote
        return cls(a_venue(market, clock, cash="10000", currency=currency), symbol, clock, market)

    async def advance(self, bars: int = 1) -> None:
        for _ in range(bars):
            self.clock.set(await anext(self.market.ticks(after=self.clock.now())))

    def now(self) -> datetime:
        return self.clock.now()


class TestPaperOnTheSimulation(VenueContract):
    @pytest.fixture
    async def stage(self):
        return await PaperStage.on(SimMarket(seed=7), symbol="BTC/USDT")


class RecordedContract(VenueContract):
    folder: ClassVar[str]
    symbol: ClassVar[str]

    @pytest.fixture
    async def stage(self):
        return await PaperStage.on(FileMarket.open(recorded(self.folder), symbols=[self.symbol]), symbol=self.symbol)


class TestPaperOnSpotCandles(RecordedContract):
    folder = "bull-2020-07-1h"
    symbol = "ETH/USDT"


class TestPaperOnPerpetualCandles(RecordedContract):
    folder = "bear-perp-2025-09-1h"
    symbol = "ETH/USDT:USDT"
