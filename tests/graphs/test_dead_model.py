"""A live run whose model dies: it enters nothing more, looks after what it holds, and asks again."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import respx

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.live import BTC, a_live_stage
from builders.models import an_answer, an_error
from builders.runs import archive
from domain.errors import ModelUnavailable
from graphs.runs.replay import replay_run
from graphs.trading.events import Event, MarketSaid
from memory import Archive, Ledger

PATIENT = DeskSettings(
    signal=SignalSettings(threshold="0.1"),
    risk=RiskSettings(reenter_after_bars=0, min_conviction="0.2", max_hold_bars=4),
)
BUY = {
    "stance": "buy",
    "conviction": 0.9,
    "horizon": "swing",
    "evidence": [f"quote:{BTC}", f"indicators:{BTC}"],
    "rationale": "up",
}
MODEL = "openai/gpt-5-mini"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")


def dying(*, after: int) -> list[httpx.Response]:
    return [an_answer(json.dumps(BUY))] * after + [an_error(401, "Incorrect API key provided")] * 99


async def test_what_is_held_is_looked_after_and_nothing_is_entered(tmp_path: Path) -> None:
    said: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, MarketSaid):
            said.append(event.text)

    async with archive(tmp_path) as database:
        with a_live_stage(agents=PATIENT) as live, respx.mock(assert_all_called=False) as wire:
            route = wire.post("https://api.openai.com/v1/chat/completions").mock(side_effect=dying(after=1))
            with pytest.raises(ModelUnavailable, match=f"^{MODEL} can't be asked: auth: ") as ended:
                await live.run(database, cycles=40, listen=listen, model=MODEL)
        assert ended.value.exit_code == 5
        orders = await Ledger(database, account="r1", run_id="r1").orders()
        entries = [order for order in orders if not order.request.reduce_only]
        sold = [order for order in orders if order.request.reduce_only and order.filled]
        assert (len(entries), len(sold)) == (1, 1), "left at its time limit, with the model dead"
        cycles = (await Archive(database).run("r1")).cycles
        assert 2 < route.call_count <= cycles
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
        assert (report.identical, report.first_difference) == (True, None)
    alerts = [text for text in said if text.startswith("ALERT")]
    assert [alert.partition(". ")[0] for alert in alerts] == [
        f"ALERT: {MODEL} can't be asked: auth: Incorrect API key provided"
    ]
    assert "Reduce-only: no new positions" in alerts[0]


async def test_a_live_run_that_holds_nothing_ends(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        with a_live_stage(agents=PATIENT) as live, respx.mock() as wire:
            route = wire.post("https://api.openai.com/v1/chat/completions").mock(side_effect=dying(after=0))
            with pytest.raises(ModelUnavailable):
                await live.run(database, cycles=40, model=MODEL)
        assert route.call_count == 1
        assert await Ledger(database, account="r1", run_id="r1").orders() == ()
