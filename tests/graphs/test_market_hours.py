"""Runs on assets that don't trade around the clock: the gate knows their sessions, and a replay needs no calendar."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.candle_files import HEADER
from builders.markets import recorded
from builders.policy import finding
from builders.runs import archive, options, run
from builders.sessions import NOW, MuteMarket, an_entry, at_the_gate
from domain.digest import plain
from domain.instrument import Instrument
from domain.money import ZERO
from graphs import prepare, start
from graphs.runs.replay import replay_run
from graphs.trading.gate import gate
from memory import Archive, Database
from policy import Verdict
from venues.files import trading_hours
from venues.files.market import FileMarket

EAGER = DeskSettings(
    signal=SignalSettings(threshold="0.1"), risk=RiskSettings(reenter_after_bars=0, min_conviction="0.2")
)
SHARES = 'asset_class = "equity"\ncalendar = "XNYS"\n'
AAPL, BTC = "AAPL/USD", "BTC/USD"


async def test_a_run_on_shares_trades_in_their_sessions_and_replays_without_a_calendar(tmp_path: Path) -> None:
    shares = tmp_path / "shares"
    shares.mkdir()
    shutil.copy(recorded("dow20-2025-1d") / "AAPL-USD_1d.csv.gz", shares)
    (shares / "market.toml").write_text(SHARES)
    async with archive(tmp_path) as database:
        result = await run(database, options(market=f"file:{shares}", cycles=94))
        verdicts = [
            Verdict.model_validate_json(v.verdict)
            for n in range(94)
            for v in await Archive(database).verdicts("r1", cycle=n)
        ]
        shutil.rmtree(shares)
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert result.equity.reconciled
    missed, *filled = result.orders  # a share that opened too far above the close that it was decided on, and one more
    assert (missed.filled, missed.reason) == (0, f"IOC: the market moved past the limit {plain(missed.price or ZERO)}")
    assert [order for order in filled if order.filled]
    assert {(finding(v, "SESSION").outcome, finding(v, "SESSION").message) for v in verdicts} == {("pass", "open")}
    assert report.identical


def days(folder: Path, name: str, opened: Sequence[datetime], *, timeframe: str = "1d") -> None:
    """Bars of a price that hardly moves."""
    rows = [f"{int(at.timestamp() * 1000)},100,101,99,{100 + n % 2},1000000" for n, at in enumerate(opened)]
    (folder / f"{name}_{timeframe}.csv").write_text("\n".join([HEADER, *rows]) + "\n")


async def judged(folder: Path, symbol: str, *, at: datetime, market: MuteMarket | None = None) -> Verdict:
    """The verdict on an entry at the tick `at`."""
    header, opened, model = await prepare(options(market=f"file:{folder}", desk=EAGER), run_id="r1", at=NOW)
    ticks = [tick async for tick in opened.ticks()]
    async with await Database.in_memory() as database:
        session = await start(header, market or opened, model, database=database)
        cycle = await at_the_gate(session, bar=ticks.index(at))
        return (await gate([await an_entry(cycle, symbol)], cycle)).verdicts[0]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A share, and a coin that trades on weekends too, up to the 20th of January 2025."""
    every = [datetime(2024, 12, 1, tzinfo=UTC) + timedelta(days=n) for n in range(51)]
    days(tmp_path, "BTC-USD", every)
    days(tmp_path, "AAPL-USD", [day for day in every if trading_hours.trading_hours("NYSE").on(day.date())])
    (tmp_path / "market.toml").write_text(SHARES + '[symbols."BTC/USD"]\nasset_class = "crypto"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("day", "symbol", "outcome", "message"),
    [
        (18, AAPL, "pass", "open"),  # when Friday's bar has closed
        (19, AAPL, "deny", "the market is closed"),
        (20, AAPL, "deny", "the market is closed"),
        (10, AAPL, "deny", "the market is closed"),  # after a day of mourning
        (19, BTC, "pass", "crypto is always open"),
    ],
)
async def test_an_order_on_a_weekend_or_a_holiday_is_refused_and_of_what_always_trades_it_is_not(
    mixed: Path, day: int, symbol: str, outcome: str, message: str
) -> None:
    found = finding(await judged(mixed, symbol, at=datetime(2025, 1, day, tzinfo=UTC)), "SESSION")
    assert (found.outcome, found.message) == (outcome, message)


@pytest.mark.parametrize(
    ("hour", "told"), [(15, "open"), (20, "open"), (21, "extended"), (10, "extended"), (9, "extended"), (6, "closed")]
)
async def test_bars_of_hours_are_in_the_session_of_their_close(tmp_path: Path, hour: int, told: str) -> None:
    hours = [datetime(2025, 1, 6, tzinfo=UTC) + timedelta(hours=n) for n in range(72)]
    days(tmp_path, "AAPL-USD", hours, timeframe="1h")
    (tmp_path / "market.toml").write_text(SHARES)
    found = finding(await judged(tmp_path, AAPL, at=datetime(2025, 1, 8, hour, tzinfo=UTC)), "SESSION")
    if told == "extended":
        assert "extended hours" in found.message
    else:
        assert found.message == {"open": "open", "closed": "the market is closed"}[told]


async def test_where_nobody_tells_the_session_of_a_share_it_is_refused(mixed: Path) -> None:
    silent = MuteMarket(FileMarket.open(mixed), mute=())
    found = finding(await judged(mixed, AAPL, at=datetime(2025, 1, 18, tzinfo=UTC), market=silent), "SESSION")
    assert (found.outcome, found.unknown) == ("deny", True)
    assert found.message == "the session of this equity instrument is unknown"


async def test_the_instruments_of_a_folder_say_what_they_are(mixed: Path) -> None:
    found: dict[str, Instrument] = dict(await FileMarket.open(mixed).instruments())
    assert {symbol: one.asset_class for symbol, one in found.items()} == {AAPL: "equity", BTC: "crypto"}
