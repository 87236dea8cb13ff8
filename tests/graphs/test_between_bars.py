"""Cycles between two bars: what is held is looked after at once, and nobody thinks of anything new."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.exchanges import START, Stage, a_stage
from builders.hearing import Alarm
from builders.live import BTC, a_live_stage, faults_of_books
from builders.runs import a_policy, archive, drive, options
from domain.order import OrderState
from graphs import prepare, start
from graphs.runs.replay import replay_run
from graphs.trading.events import CycleEnded, Event
from memory import Archive, Database, Ledger

HOLDS = DeskSettings(
    signal=SignalSettings(threshold="0.1"), risk=RiskSettings(reenter_after_bars=9, min_conviction="0.2")
)
"""Enters whenever it can, and leaves at its stop and its target."""


def falls(stage: Stage) -> None:
    """The price is far below every stop from now on, though no bar says so yet."""
    stage.bases[BTC] = Decimal(59_000)
    stage.touch()


def climbs(stage: Stage) -> None:
    stage.bases[BTC] = Decimal(61_500)
    stage.touch()


@pytest.mark.parametrize("exchange", ["binance", "okx"])
async def test_a_target_that_is_reached_between_bars_is_taken_then(tmp_path: Path, exchange: str) -> None:
    """At OKX by the exchange itself, and else by the run, which looks at once."""
    ended: list[CycleEnded] = []
    with a_live_stage((BTC,), exchange=exchange, agents=HOLDS) as live:
        alarm = Alarm(live.stage, at=[START + timedelta(seconds=100)], happens=lambda: climbs(live.stage))
        live.alarm = alarm
        async with archive(tmp_path) as database:
            result = await live.run(database, cycles=2, listen=lambda e: _keep(e, ended))
            wrong = await faults_of_books(live, database)
            orders = await Ledger(database, account="r1", run_id="r1").orders()
            closed = await Archive(database).episodes("r1")
            report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert (result.status, wrong) == ("finished", [])
    first, second = ended
    assert second.as_of - first.as_of < timedelta(seconds=200)
    entry, exit = (order for order in orders if order.filled)
    assert (exit.request.side, exit.state) == ("sell", OrderState.FILLED)
    if exchange == "okx":
        assert exit.request.attached_to == entry.client_order_id
        assert [each.cause for each in closed] == ["target"]
    else:
        assert (exit.cycle, exit.request.type) == (1, "market")
    assert second.portfolio.quantity(BTC) < entry.request.quantity / 1_000  # what fees in the base leave over
    assert (report.identical, report.first_difference) == (True, None)
    assert not alarm.hearing.entered


async def test_what_is_held_is_watched_at_its_stop_and_its_target_until_it_is_gone(tmp_path: Path) -> None:
    ended: list[CycleEnded] = []
    with a_live_stage((BTC,), agents=HOLDS) as live:
        live.alarm = Alarm(live.stage, at=[START + timedelta(seconds=100)], happens=lambda: climbs(live.stage))
        async with archive(tmp_path) as database:
            await live.run(database, cycles=3, listen=lambda e: _keep(e, ended))
    held, *_, gone = live.alarm.hearing.watched
    position = ended[0].portfolio.positions[BTC]
    assert dict(held) == {BTC: (position.stop_price, position.target_price)}
    assert dict(gone) == {}


async def test_between_bars_nothing_is_entered_and_no_model_is_asked() -> None:
    ended: list[CycleEnded] = []
    with a_stage((BTC,)) as stage:
        alarm = Alarm(stage, at=[START + timedelta(seconds=s) for s in (60, 120, 180)])
        async with await Database.in_memory() as database:
            asked = options(market="okx", symbols=(BTC,), cycles=5, desk=HOLDS)
            header, market, model = await prepare(
                asked, run_id="r1", at=START, opener=lambda spec, **given: alarm.market(symbols=given["symbols"])
            )
            session = await start(header, market, model, database=database)
            session.wall = stage.wall
            await drive(session, cycles=5, listen=lambda e: _keep(e, ended))
            report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    whys = [{why for decision in each.decisions for why in decision.reasons} for each in ended]
    assert whys[1:4] == [{"no bar has closed since"}] * 3
    assert "no bar has closed since" not in whys[0] | whys[4]
    assert report.identical


async def test_a_stop_that_only_we_watch_is_heeded_between_bars(tmp_path: Path) -> None:
    """On paper under a policy that lets no stops through."""
    ended: list[CycleEnded] = []
    with a_stage((BTC,)) as stage:
        alarm = Alarm(stage, at=[START + timedelta(seconds=700)], happens=lambda: falls(stage))
        async with archive(tmp_path) as database:
            unheld = a_policy(order_type={"types": ["limit", "market"], "times_in_force": ["GTC", "IOC"]})
            asked = options(market="okx", symbols=(BTC,), cycles=4, desk=HOLDS, policy=unheld)
            header, market, model = await prepare(
                asked, run_id="r1", at=START, opener=lambda spec, **given: alarm.market(symbols=given["symbols"])
            )
            session = await start(header, market, model, database=database)
            session.wall = stage.wall
            await drive(session, cycles=4, listen=lambda e: _keep(e, ended))
            orders = await Ledger(database, account="r1", run_id="r1").orders()
    assert [(order.cycle, order.request.side) for order in orders] == [(0, "buy"), (3, "sell")]
    assert ended[3].as_of - ended[2].as_of < timedelta(minutes=3)


@pytest.mark.parametrize("failed", ["", "ValueError: a mistake"])
async def test_streams_that_ended_by_a_mistake_are_told_and_cost_nothing_else(failed: str) -> None:
    with a_stage((BTC,)) as stage:
        alarm = Alarm(stage, at=[])
        alarm.hearing.failed = failed
        market = alarm.market()
        async with market.streaming():
            await anext(market.ticks())
        assert any("ValueError: a mistake" in note for note in market.notes) is bool(failed)


def _keep(event: Event, ended: list[CycleEnded]) -> None:
    if isinstance(event, CycleEnded):
        ended.append(event)
