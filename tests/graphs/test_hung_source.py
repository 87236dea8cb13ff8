"""A source that hangs for one symbol: it is waited for once a cycle, and what is held there can still be left."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from agents.settings import DeskSettings, ReadingSettings, RiskSettings, SignalSettings
from builders.exchanges import Hung
from builders.live import BTC, ETH, a_live_stage
from builders.runs import archive
from builders.sessions import MuteMarket, a_cycle, a_session, passed
from domain.candle import Quote
from domain.instrument import Instrument
from domain.venue import Market
from graphs.runs.replay import replay_run
from graphs.trading.cycle import Cycle
from graphs.trading.events import CycleEnded, Event
from graphs.trading.graph import tick
from memory import Archive, Ledger
from memory.store.records import CycleRecord

BUSY = 45
"""A bar of the simulation at which both symbols trend."""
HURRIED = ReadingSettings(cycle_s=600, read_s="0.05")
IN_AND_OUT = DeskSettings(
    signal=SignalSettings(threshold="0.1"),
    risk=RiskSettings(reenter_after_bars=0, min_conviction="0.2", max_hold_bars=2),
)
"""Enters whenever it can, and leaves after two bars."""


class HungMarket(MuteMarket):
    """`market`, on which quotes of BTC never come. Counts how often each symbol's was asked for."""

    def __init__(self, market: Market) -> None:
        super().__init__(market, mute=())
        self.asked: Counter[str] = Counter()

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        self.asked[symbol] += 1
        if symbol == BTC:
            await asyncio.Future()
        return await super().quote(symbol, as_of=as_of)


def a_record(cycle: Cycle) -> CycleRecord:
    return CycleRecord(cycle=cycle.number, as_of=cycle.as_of, decisions=(), figures=None)


async def test_every_node_after_the_first_fails_at_once_and_in_the_same_words() -> None:
    desk = IN_AND_OUT.model_copy(update={"reading": HURRIED})
    async with a_session(desk=desk) as session:
        session.market = market = HungMarket(session.market)
        await passed(await a_cycle(session, bar=BUSY))
        await session.database.flush()
        bodies = await session.tape.bodies(0, "tool:quote")
        orders = await session.ledger.orders()
    failed = [body for body in bodies if '"failure":"timeout"' in body]
    assert len(failed) > 1, "more than one node asked"
    assert set(failed) == {'{"error":"no answer within 0.05 s","failure":"timeout","name":"quote","value":null}'}
    assert market.asked[BTC] == 1
    assert {order.request.symbol for order in orders} == {ETH}


class Suspending(MuteMarket):
    """`market` of which one symbol shows nothing any more, and says whether it is suspended."""

    def __init__(self, market: Market, *, says_so: bool) -> None:
        super().__init__(market, mute=[ETH])
        self.suspended = {ETH: f"{ETH} is not trading now"} if says_so else {}

    def expect(self, instruments: Mapping[str, Instrument]) -> None:
        """Nothing more is known of them."""


@pytest.mark.parametrize("suspended", [False, True])
async def test_an_older_quote_is_had_of_a_symbol_that_hangs_and_not_of_one_that_is_suspended(suspended: bool) -> None:
    """What is suspended can't be left by any quote, and must not keep the others from being entered."""
    async with a_session() as session:
        first = await a_cycle(session)
        await tick({}, first)
        seen = session.quotes[ETH]
        await session.archive.close_cycle("r1", a_record(first), timings={})
        session.tape.end_cycle()
        session.market = Suspending(session.market, says_so=suspended)
        second = await a_cycle(session, 1, bar=1)
        await tick({}, second)
        assert (first.dated, seen.age_s) == ({}, 0)
        if suspended:
            assert second.dated == {}
        else:
            older = second.dated[ETH]
            assert older == seen.model_copy(update={"age_s": older.age_s})
            assert older.age_s == 300


async def test_what_is_held_in_a_symbol_that_hangs_is_left_by_its_last_quote_and_nothing_is_entered(
    tmp_path: Path,
) -> None:
    """Its time is over while the exchange shows no price of it: it is sold all the same, and says by what."""
    reading = ReadingSettings(cycle_s=600, read_s="1.5")
    async with archive(tmp_path) as database:
        with a_live_stage((BTC, ETH), agents=IN_AND_OUT, reading=reading) as live:
            live.stage.patience_s = 0.5
            live.stage.double.bystander = hung = Hung(live.stage.double)

            def hear(event: Event) -> None:
                if isinstance(event, CycleEnded) and event.cycle == 0:
                    assert event.portfolio.quantity(BTC) > 0
                    hung.symbol = BTC

            await live.run(database, cycles=4, listen=hear)
        assert hung.requests > 0
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
        assert (report.identical, report.first_difference) == (True, None)
        judged = [record for record in await Archive(database).verdicts("r1") if record.cycle > 0]
        orders = {order.client_order_id: order for order in await Ledger(database, account="r1", run_id="r1").orders()}
    exits = [record.proposal for record in judged if record.proposal.reduce_only and not record.proposal.protects]
    (left,) = [proposal for proposal in exits if proposal.symbol == BTC]
    assert re.fullmatch(
        r"time; judged by a quote of 2026-01-02 12:00:30 UTC, \d+\.?\d* s old: none came since", left.rationale
    )
    assert orders[left.client_order_id].filled == left.quantity
    assert {proposal.rationale for proposal in exits if proposal.symbol == ETH} == {"time"}
    while_held = [record for record in judged if record.cycle == 1 and not record.proposal.reduce_only]
    assert all(record.outcome == "deny" for record in while_held)
