"""Paper is as hard as live: over the same candles a run on each makes the same entries and the same exits."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import NamedTuple

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.live import THIN, LiveStage, faults_of_books
from builders.runs import drive, options
from builders.same_candles import COSTS, SYMBOL, SameMarket, a_played_stage, candles
from graphs import prepare, start
from graphs.archive.verdicts import decisions_of
from memory import Database, Ledger

DESK = DeskSettings(
    signal=SignalSettings(threshold="0.1"),
    risk=RiskSettings(reenter_after_bars=0, min_conviction="0.2", max_hold_bars=1_000),
)
"""Enters whenever it can, and leaves at its stop and its target alone."""
CYCLES = 44
"""Until before the next funding, which the exchange double settles when a test says so."""
CENT = Decimal("0.01")


class Trade(NamedTuple):
    """One trade from its entry to its exit, in what it cost and came to."""

    side: str
    quantity: Decimal
    stop: Decimal | None
    target: Decimal | None
    entered: Decimal | None
    left: Decimal | None
    fees: Decimal
    cause: str | None

    @property
    def gapped(self) -> bool:
        """Whether it was left at an open beyond its stop or target, and not there."""
        levels = [abs((self.left or Decimal(0)) - (level or Decimal(0))) for level in (self.stop, self.target)]
        return min(levels) > 20


async def trades(database: Database) -> list[Trade]:
    ledger = Ledger(database, account="r1", run_id="r1")
    causes = {
        each.proposal.client_order_id: each.proposal.cause async for each in decisions_of("r1", database=database)
    }
    filled = sorted((o for o in await ledger.orders() if o.filled), key=lambda order: order.fills[0].at)
    found = []
    for entry, exit in zip(filled[::2], filled[1::2], strict=False):
        assert (entry.request.reduce_only, exit.request.reduce_only) == (False, True)
        by_venue = exit.request.leg(exit.average_price or Decimal(0)) if exit.request.protects else None
        found.append(
            Trade(
                side=entry.request.side,
                quantity=entry.filled,
                stop=entry.request.stop_price,
                target=entry.request.target_price,
                entered=entry.average_price,
                left=exit.average_price,
                fees=round(entry.fee + exit.fee, 2),
                cause=by_venue or causes[exit.client_order_id],
            )
        )
        assert exit.filled == entry.filled
    return found


async def test_the_same_candles_give_the_same_stops_targets_and_exits_on_paper_and_at_an_exchange() -> None:
    bars = candles(before=400, after=CYCLES + 20)
    with a_played_stage(bars) as stage:
        live = LiveStage(stage, symbols=(SYMBOL,), agents=DESK)
        async with await Database.in_memory() as database:
            async with live.opened() as desk:
                session = await live.begin(database, desk, cycles=CYCLES)
                cash, instruments = session.header.start_cash, session.settings.instruments
                await drive(session, cycles=CYCLES)
            assert await faults_of_books(live, database) == []
            there = await trades(database)
            realized = (
                await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=stage.wall.at)
            ).realized
    here, booked = await on_paper(SameMarket(bars, instruments), cash=cash)
    assert {(trade.cause, trade.gapped) for trade in there} == set(product(("stop", "target"), (False, True)))
    assert here[: len(there)] == there
    assert abs(booked - realized) < CENT


async def on_paper(market: SameMarket, *, cash: Decimal) -> tuple[list[Trade], Decimal]:
    asked = options(
        market="file:memory", symbols=(SYMBOL,), cycles=CYCLES, desk=DESK, policy=THIN, cash=cash, costs=COSTS
    )
    async with await Database.in_memory() as database:
        header, opened, model = await prepare(
            asked, run_id="r1", at=market._ticks[0], opener=lambda spec, **given: market
        )
        session = await start(header, opened, model, database=database)
        await drive(session, cycles=CYCLES + 1)  # an exit of the last cycle is filled with the next bar
        books = await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=market._ticks[-1])
        return await trades(database), books.realized
