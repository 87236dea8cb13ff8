"""What a run tells of its exchange, and what doctor makes of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli import main
from agentctl.vitals import Vitals, publish_vitals, vitals_in
from builders.patience import until
from venues.exchange.account.health import Health
from venues.exchange.stream_health import ShardHealth, ShardState, StreamHealth

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def streams(
    state: ShardState = ShardState.LIVE,
    *,
    failed: str = "",
    begun_s: float = 3_600,
    reconnects: int = 1,
    unread: tuple[str, ...] = (),
) -> StreamHealth:
    """Begun `begun_s` before `NOW`."""
    shard = ShardHealth(name="market 1", state=state, symbols=(), heard_at=NOW, gaps=2, reconnects=reconnects, said="")
    return StreamHealth(
        begun_at=NOW - timedelta(seconds=begun_s),
        shards=(shard,),
        unread=unread,
        gaps=2,
        backfills=0,
        polls=0,
        reconnects=reconnects,
        failed=failed,
    )


def venue(**over: Any) -> Health:
    given: dict[str, Any] = {
        "exchange": "okx",
        "breaker": "closed",
        "failures": 0,
        "last_error": "",
        "last_answer_at": NOW,
        "clock_skew_s": Decimal(0),
        "bucket": Decimal(16),
        "reserve": Decimal(8),
    }
    return Health(**(given | over))


def vitals(*, at: datetime = NOW, venue: Health | None = None, streams: tuple[StreamHealth, ...] = ()) -> Vitals:
    return Vitals(run_id="r1", at=at, shown_by="okx", venue=venue, streams=streams)


OPEN = venue(breaker="open", failures=5, last_error="503")


@pytest.mark.parametrize(
    ("found", "well", "said"),
    [
        (vitals(), True, "run r1 is shown the market by okx"),
        (vitals(venue=venue()), True, "breaker closed; 16 calls free, 8 kept for cancels"),
        (vitals(venue=OPEN), False, "breaker open after 5 failures, the last 503"),
        (vitals(streams=(streams(),)), True, "streams 1 of 1 live, 2 gaps, 1 reconnects"),
        (vitals(streams=(streams(ShardState.DOWN),)), False, "streams 0 of 1 live"),
        (vitals(streams=(streams(failed="ValueError: x"),)), False, "ended by ValueError: x"),
        (vitals(at=NOW - timedelta(seconds=60), venue=OPEN), True, "said nothing since 2026-01-02 11:59:00"),
    ],
)
def test_what_is_wrong_is_said_in_words(found: Vitals, well: bool, said: str) -> None:
    assert found.well(now=NOW) is well
    assert said in found.in_words(now=NOW)


FIRST = ShardState.CONNECTING


@pytest.mark.parametrize(
    ("told", "connecting"),
    [
        (streams(FIRST, begun_s=29, reconnects=0), True),
        (streams(FIRST, begun_s=30, reconnects=0), False),
        (streams(FIRST, begun_s=1, reconnects=1), False),
        (streams(ShardState.DOWN, begun_s=1, reconnects=0), False),
        (streams(FIRST, begun_s=1, reconnects=0, failed="ValueError: x"), False),
        (streams(begun_s=1, reconnects=0, unread=("BTC/USDT",)), True),
        (replace(streams(begun_s=1, unread=("BTC/USDT",)), shards=()), True),
        (replace(streams(FIRST, reconnects=0), begun_at=None), True),
    ],
)
def test_what_connects_for_the_first_time_is_no_failure_for_a_while(told: StreamHealth, connecting: bool) -> None:
    found = vitals(streams=(told,))
    later = NOW + timedelta(seconds=5)  # doctor reads it a little after it was written
    assert found.well(now=later) is connecting
    assert ("streams connecting, " in found.in_words(now=later)) is connecting


def test_what_is_live_at_once_is_not_said_to_connect() -> None:
    found = vitals(streams=(streams(begun_s=1, reconnects=0),))
    assert found.well(now=NOW)
    assert "streams 1 of 1 live" in found.in_words(now=NOW)


async def test_it_is_told_while_a_run_goes_on_and_then_gone(tmp_path: Path) -> None:
    async with publish_vitals(tmp_path, lambda: vitals(venue=venue(), streams=(streams(),))):
        await until(lambda: list(vitals_in(tmp_path)))
        assert list(vitals_in(tmp_path)) == [vitals(venue=venue(), streams=(streams(),))]
    assert list(vitals_in(tmp_path)) == []


async def test_a_run_on_no_exchange_tells_nothing(tmp_path: Path) -> None:
    async with publish_vitals(tmp_path, lambda: None):
        await asyncio.sleep(0)
        assert list(vitals_in(tmp_path)) == []


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "exchange-r0.json").write_text("{}")
    (tmp_path / "exchange-r1.json").write_text(vitals().model_dump_json())
    assert [found.run_id for found in vitals_in(tmp_path)] == ["r1"]


def test_doctor_fails_while_a_run_leaves_its_exchange_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".agentctl").mkdir()
    found = vitals(at=datetime.now(UTC), venue=OPEN)
    (tmp_path / ".agentctl/exchange-r1.json").write_text(found.model_dump_json())
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    assert ended.value.code == 3
    (running,) = [f for f in json.loads(capsys.readouterr().out) if f["check"] == "running"]
    assert (running["ok"], "breaker open" in running["found"]) == (False, True)
