"""A certification against exchange doubles: each step at each exchange, and what becomes of it when something fails."""

from __future__ import annotations

import pytest

from builders.certification import Trials, replayed, results
from builders.live import a_live_stage
from graphs.certification import STEPS
from memory import Database, Ledger
from memory.verify import verify
from tools.exchange_double.recorded import recorded_exchange

at_each_exchange = pytest.mark.parametrize("exchange", ["okx", "binance", "bybit"])
on_each_market = pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])


@at_each_exchange
@on_each_market
async def test_every_step_passes_and_the_recording_of_it_gives_the_same_table(exchange: str, symbol: str) -> None:
    with a_live_stage((symbol,), exchange=exchange) as live:
        trials = Trials.on(live)
        async with await Database.in_memory() as database:
            found = await trials.certify(database)
            assert await verify(database, "c1") == ()
            orders = await Ledger(database, account="c1", run_id="c1").orders()
        assert live.stage.double.placed_twice() == ()
    assert results(found) == dict.fromkeys(STEPS, "pass"), found.steps
    assert (found.passed, found.left, len(orders)) == (True, (), 5)
    recording = trials.recording(found)
    with recorded_exchange(recording) as recorded:
        async with await Database.in_memory() as database:
            again = await replayed(recording, recorded).certify(database)
        assert (recorded.unmatched, recorded.missing) == ([], ()), again.steps
    assert results(again) == results(found), again.steps
