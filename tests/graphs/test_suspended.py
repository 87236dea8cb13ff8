"""A symbol that is delisted or suspended while it is held: it waits and is said, and the others are looked after."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.exchanges import a_stage
from builders.live import BTC, ETH, LiveStage, a_live_stage
from builders.runs import NOW, archive, drive, options
from domain.decision import Decision
from domain.errors import SymbolUnknown, UsageError
from graphs import prepare, resume, start
from graphs.runs.replay import replay_run
from graphs.trading.events import CycleEnded, Event, MarketSaid
from memory import Controls, Database, Ledger

HOLDS = DeskSettings(
    signal=SignalSettings(threshold="0.1"), risk=RiskSettings(min_conviction="0.2", max_hold_bars=1_000)
)
"""Enters both symbols in its first cycle, and keeps them."""

GONE = {"delist": "ETH/USDT is not listed on okx", "suspend": "ETH/USDT is not trading on okx now"}


def said(heard: list[Event]) -> list[str]:
    return [event.text for event in heard if isinstance(event, MarketSaid)]


def lines(heard: list[Event], symbol: str) -> list[Decision]:
    return [
        line for event in heard if isinstance(event, CycleEnded) for line in event.decisions if line.symbol == symbol
    ]


async def held(database: Database) -> dict[str, Decimal]:
    books = await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=NOW)
    return {symbol: position.quantity for symbol, position in books.positions.items()}


async def flattened(live: LiveStage, database: Database, *, cycles: int) -> list[Event]:
    heard: list[Event] = []
    at = live.stage.wall.now()
    await Controls(database).halt(scope="r1", level="flatten", by="Ada", reason="a doubt", at=at)
    result = await live.run(database, cycles=cycles, listen=heard.append)
    assert (result.status, result.cycles) == ("finished", cycles)
    return heard


async def the_same_again(database: Database) -> bool:
    return (await replay_run("r1", source=database, progress=lambda done, planned: None)).identical


@pytest.mark.parametrize("how", ["delist", "suspend"])
async def test_a_live_run_goes_on_without_a_symbol_that_was_delisted_while_it_was_away(
    how: str, tmp_path: Path
) -> None:
    heard: list[Event] = []
    with a_live_stage((BTC, ETH), agents=HOLDS) as live:
        async with archive(tmp_path) as database:
            await live.run(database, cycles=2)
            before = await held(database)
            assert set(before) == {BTC, ETH}
            getattr(live.stage.double.engine, how)(ETH)
            result = await live.run(database, cycles=4, listen=heard.append)
            assert (result.status, result.cycles) == ("finished", 4)
            assert any(text.startswith(f"not traded and not proven, {GONE[how]}") for text in said(heard))
            assert all(f"{GONE[how]}: it can't be exited" in line.reasons for line in lines(heard, ETH))
            assert await held(database) == before
            ended = [event for event in heard if isinstance(event, CycleEnded)]
            assert all(event.portfolio.priced for event in ended)  # so that others can be entered
            await flattened(live, database, cycles=6)
            assert await held(database) == {ETH: before[ETH]}
            stands = await Controls(database).state("r1")
            assert stands.state == "halted"
            assert stands.reason.startswith(f"all is flat but {before[ETH].normalize():f} of ETH/USDT")
            assert await the_same_again(database)


@pytest.mark.parametrize("how", ["delist", "suspend"])
async def test_a_symbol_that_is_delisted_during_a_run_is_found_and_told_and_may_come_back(
    how: str, tmp_path: Path
) -> None:
    heard: list[Event] = []
    with a_live_stage((BTC, ETH), agents=HOLDS) as live:
        engine = live.stage.double.engine

        def listen(event: Event) -> None:
            heard.append(event)
            if isinstance(event, CycleEnded) and event.cycle == 1:
                getattr(engine, how)(ETH)
            if isinstance(event, CycleEnded) and event.cycle == 18:
                engine.relist(ETH)
                live.stage.show()

        async with archive(tmp_path) as database:
            result = await live.run(database, cycles=24, listen=listen)
            assert (result.status, result.cycles) == ("finished", 24)
            assert f"{GONE[how]}: it is neither entered nor exited" in said(heard)
            assert "ETH/USDT is trading on okx again" in said(heard)
            reasons = {line.cycle: line.reasons for line in lines(heard, ETH)}
            assert f"{GONE[how]}: it can't be exited" in reasons[17]
            assert not any("can't be exited" in reason for reason in reasons[23])
            assert not any("can't be exited" in r for line in lines(heard, BTC) for r in line.reasons)
            assert await the_same_again(database)


@pytest.mark.parametrize("exchange", ["okx", "binance", "bybit"])
@pytest.mark.parametrize("kind", ["", ":USDT"])
async def test_so_it_is_at_each_exchange_on_spot_and_on_perpetuals(exchange: str, kind: str, tmp_path: Path) -> None:
    """A delisted perpetual is still in the account's positions: nobody settled it."""
    btc, eth = BTC + kind, ETH + kind
    heard: list[Event] = []
    with a_live_stage((btc, eth), agents=HOLDS, exchange=exchange) as live:
        async with archive(tmp_path) as database:
            await live.run(database, cycles=1)
            before = await held(database)
            assert set(before) == {btc, eth}
            live.stage.double.engine.delist(eth)
            result = await live.run(database, cycles=3, listen=heard.append)
            assert (result.status, result.cycles) == ("finished", 3)
            assert await held(database) == before
    gone = f"{eth} is not listed on {exchange}"
    assert any(text.startswith(f"not traded and not proven, {gone}") for text in said(heard))
    assert all(f"{gone}: it can't be exited" in line.reasons for line in lines(heard, eth))
    assert not any("not proven" in text and "nothing is entered" in text for text in said(heard))


async def test_other_symbols_are_entered_and_exited_beside_one_that_is_gone(tmp_path: Path) -> None:
    """The desk leaves after two bars and enters again: BTC is traded on, and ETH never."""
    eager = HOLDS.model_copy(update={"risk": RiskSettings(reenter_after_bars=0, min_conviction="0.2", max_hold_bars=2)})
    with a_live_stage((BTC, ETH), agents=eager) as live:
        async with archive(tmp_path) as database:
            await live.run(database, cycles=1)
            live.stage.double.engine.delist(ETH)
            await live.run(database, cycles=9)
            fills = await Ledger(database, account="r1", run_id="r1").fills()
            assert [f.side for f in fills if f.symbol == ETH] == ["buy"]
            assert {f.side for f in fills if f.symbol == BTC} == {"buy", "sell"}
            assert sum(f.side == "buy" for f in fills if f.symbol == BTC) >= 2
            assert await the_same_again(database)


async def test_a_run_on_paper_goes_on_without_it_too(tmp_path: Path) -> None:
    with a_stage((BTC, ETH)) as stage:
        async with archive(tmp_path) as database:
            asked = options(market="okx", symbols=(BTC, ETH), cycles=4, desk=HOLDS, cash=20_000)
            header, market, model = await prepare(asked, run_id="r1", at=NOW, opener=stage.opener)
            await drive(await start(header, market, model, database=database), cycles=3)
            before = await held(database)
            assert set(before) == {BTC, ETH}
            stage.double.engine.delist(ETH)
            heard: list[Event] = []
            session = await resume("r1", database=database, opener=stage.opener)
            result = await drive(session, cycles=6, listen=heard.append)
            assert (result.status, result.cycles) == ("finished", 6)
            assert all(f"{GONE['delist']}: it can't be exited" in line.reasons for line in lines(heard, ETH))
            assert any(GONE["delist"] in note for note in session.market.notes)
            assert await held(database) == before
            assert await the_same_again(database)


@pytest.mark.parametrize(("how", "error"), [("delist", SymbolUnknown), ("suspend", UsageError)])
async def test_a_new_run_that_names_it_is_refused(how: str, error: type[Exception]) -> None:
    with a_stage((BTC, ETH)) as stage:
        getattr(stage.double.engine, how)(ETH)
        asked = options(market="okx", symbols=(BTC, ETH), cycles=4, desk=HOLDS)
        with pytest.raises(error, match=GONE[how]):
            await prepare(asked, run_id="r1", at=NOW, opener=stage.opener)
