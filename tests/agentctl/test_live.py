"""What a person sees of a live market between two bars: a line in a log, a word under the table on a terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from agentctl.live import Dashboard, Lines, gate_line
from builders.policy import a_stop, an_exit, judge
from builders.sessions import a_session
from graphs.brake import Brake
from graphs.events import CycleStarted, GateSpoke, MarketSaid

SAID = MarketSaid("waiting for the bar that closes at 12:05 UTC, in 4 min 32 s")


def shown(what: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_in_a_log_it_is_a_line_without_hidden_characters() -> None:
    console = Console(file=io.StringIO(), width=160)
    lines = Lines(console, brake=Brake(), cycles=3)
    lines.hear(SAID)
    lines.hear(MarketSaid("okx \u202edid not\x1b[31m answer"))
    assert console.file.getvalue().splitlines() == [SAID.text, "okx did not[31m answer"]  # type: ignore[attr-defined]


def test_a_stop_that_is_placed_is_no_exit_in_words() -> None:
    stop, exit = a_stop(), an_exit()
    assert f", protect {stop.symbol}: {stop.side} " in gate_line(GateSpoke(0, stop, judge(stop)))
    assert f", leave {exit.symbol}: {exit.side} " in gate_line(GateSpoke(0, exit, judge(exit)))


async def test_on_a_terminal_it_stands_until_the_next_cycle() -> None:
    async with a_session() as session:
        dashboard = Dashboard(session, cycles=3)
        dashboard.hear(SAID)
        assert SAID.text in shown(dashboard)
        dashboard.hear(CycleStarted(1, datetime(2026, 1, 2, tzinfo=UTC)))
        assert "waiting for" not in shown(dashboard)
