"""What a person sees of a live market between two bars: a line in a log, a word under the table on a terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from agentctl.live import Dashboard, Lines, cycle_of, gate_line
from builders.memory import a_fill, a_proposal
from builders.policy import a_stop, an_exit, judge
from builders.sessions import NOW, a_session
from graphs.session.trading_halt import Brake
from graphs.trading.events import CycleEnded, CycleStarted, GateSpoke, MarketSaid

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


async def test_a_cycle_has_one_number_wherever_it_is_shown() -> None:
    """That of `runs show`, `snapshots show` and `replay --from`; how many are done is said beside it."""
    console = Console(file=io.StringIO(), width=160)
    async with a_session() as session:
        lines, dashboard = Lines(console, brake=Brake(), cycles=60), Dashboard(session, cycles=60)
        books = await session.ledger.portfolio(marks={}, as_of=NOW)
        fill = a_fill(a_proposal())
        for screen in (lines, dashboard):
            screen.hear(CycleStarted(5, NOW))
            screen.hear(GateSpoke(5, an_exit(), judge(an_exit())))
            screen.hear(CycleEnded(5, NOW, (), (fill,), books, 1.0))
    log = console.file.getvalue()  # type: ignore[attr-defined]
    assert [line.partition(":")[0] for line in log.splitlines()] == ["cycle 5", "cycle 5", "cycle 5 (6 of 60)"]
    assert "   cycle 5 (6 of 60)   " in shown(dashboard)
    assert cycle_of(60, 60) == "cycle 60", "one that closes what is held comes after the last"


async def test_on_a_terminal_it_stands_until_the_next_cycle() -> None:
    async with a_session() as session:
        dashboard = Dashboard(session, cycles=3)
        dashboard.hear(SAID)
        assert SAID.text in shown(dashboard)
        dashboard.hear(CycleStarted(1, datetime(2026, 1, 2, tzinfo=UTC)))
        assert "waiting for" not in shown(dashboard)
