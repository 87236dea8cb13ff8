"""What is seen while a run goes on: a live table on a terminal, plain lines elsewhere, all on stderr."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agentctl.output import stderr_console
from domain.decision import Outcome
from domain.digest import plain
from domain.order import Fill
from domain.text import reveal, visible
from graphs.session.session import Session
from graphs.session.trading_halt import BRAKE, Brake
from graphs.trading.events import (
    ControlRead,
    CycleEnded,
    CycleStarted,
    Event,
    GateSpoke,
    Liquidated,
    MarketSaid,
    NodeEnded,
    NodeStarted,
)
from graphs.trading.graph import NODES
from memory.operators.controls import ACTIVE, Control

_LINES = 8
"""Of what the gate said and what was filled, how much stays in view."""

_REFRESHES_PER_S = 8
_STYLES: Final[dict[Outcome, str]] = {"allow": "green", "review": "magenta", "deny": "yellow"}


class Screen(Protocol):
    def hear(self, event: Event) -> None: ...

    def say(self, text: str) -> None: ...

    def heed(self) -> None:
        """Say that the brake is pulled, when it is, and once."""


class Lines:
    """A line now and then, for logs and pipes."""

    def __init__(self, console: Console, *, brake: Brake, cycles: int | None) -> None:
        """`cycles` is how many there will be; `None`: nobody knows."""
        self._console = console
        self._brake = brake
        self._braked = False
        self._restriction = ""
        self._cycles = cycles
        self._every = max(1, cycles // 20) if cycles else 1

    def hear(self, event: Event) -> None:
        match event:
            case CycleStarted():
                self.heed()
            case ControlRead():
                self._note(event.control)
            case GateSpoke():
                self.say(gate_line(event))
            case Liquidated():
                self.say(liquidation_line(event))
            case MarketSaid():
                self.say(visible(event.text))
            case CycleEnded():
                for fill in event.fills:
                    self.say(fill_line(event, fill))
                if (event.cycle + 1) % self._every == 0:
                    self.say(f"{cycle_of(event.cycle, self._cycles)}: equity {money(event)}")

    def say(self, text: str) -> None:
        self._console.print(reveal(text), markup=False, soft_wrap=True)

    def _note(self, control: Control) -> None:
        """Say how trading is restricted, when that changes."""
        line = control_line(control)
        if line != self._restriction and (line or not self._braked):
            self.say(line or "trading is active again")
        self._restriction = line

    def heed(self) -> None:
        if not self._braked and (braked := brake_line(self._brake)):
            self._braked = True
            self.say(braked)


class Dashboard:
    """One row for each agent, then the gate's last words and the last fills."""

    def __init__(self, session: Session, *, cycles: int | None) -> None:
        self._session = session
        self._cycles = cycles
        self._cycle = 0
        self._equity = ""
        self._as_of = ""
        self._market = ""
        self._control = ACTIVE
        self._agents: dict[str, tuple[str, str, str]] = dict.fromkeys(NODES, ("", "", ""))
        self._last: deque[Text] = deque(maxlen=_LINES)

    def hear(self, event: Event) -> None:
        match event:
            case CycleStarted():
                self._cycle, self._as_of, self._market = event.cycle, f"{event.as_of:%Y-%m-%d %H:%M}", ""
                self._agents = dict.fromkeys(NODES, ("", "", ""))
            case ControlRead():
                self._control = event.control
            case NodeStarted():
                self._agents[event.node] = ("running", "", event.subject)
            case NodeEnded():
                text = f"{event.subject}: {event.result}" if event.subject else event.result
                self._agents[event.node] = ("failed" if event.failed else "done", f"{event.elapsed_ms:.0f} ms", text)
            case GateSpoke():
                style = _STYLES[event.verdict.outcome]
                self._last.append(Text(gate_line(event), style=style, overflow="ellipsis", no_wrap=True))
            case Liquidated():
                self._last.append(Text(liquidation_line(event), style="bold red"))
            case MarketSaid():
                self._market = visible(event.text)
            case CycleEnded():
                self._equity = money(event)
                for fill in event.fills:
                    self._last.append(Text(fill_line(event, fill), style="cyan", overflow="ellipsis", no_wrap=True))

    def say(self, text: str) -> None:
        self._last.append(Text(text, style="bold"))

    def heed(self) -> None:
        """Nothing to do: what is drawn next shows it, for as long as it lasts."""

    def __rich__(self) -> Group:
        header = self._session.header
        table = Table(
            title=f"{header.run_id}  {escape(header.market)}  {self._session.era.model}  {header.mode}"
            f"   {cycle_of(self._cycle, self._cycles)}   {self._as_of}   equity {self._equity}",
            title_justify="left",
            expand=True,
        )
        table.add_column("agent", no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column("elapsed", justify="right", no_wrap=True)
        table.add_column("result", ratio=1, no_wrap=True, overflow="ellipsis")
        for node, (state, elapsed, result) in self._agents.items():
            style = {"running": "bold", "failed": "red"}.get(state, "")
            table.add_row(node, state, elapsed, escape(visible(result)), style=style)
        restriction = brake_line(self._session.brake) or control_line(self._control)
        notices = [Text(restriction, style="bold red")] if restriction else []
        waiting = [Text(self._market, style="dim")] if self._market else []
        return Group(table, *notices, *waiting, *self._last)


def gate_line(event: GateSpoke) -> str:
    """The gate's word on one proposal in one line. A stop that is placed leaves nothing yet."""
    proposal, verdict = event.proposal, event.verdict
    act = "protect" if proposal.protects else "leave" if proposal.reduce_only else "enter"
    order = f"{act} {proposal.symbol}: {proposal.side} {plain(proposal.quantity)}"
    why = "; ".join(verdict.reasons) or proposal.rationale
    return f"cycle {event.cycle}: gate: {verdict.outcome}, {order}" + (f" ({visible(why)})" if why else "")


def brake_line(brake: Brake) -> str:
    """That the brake is pulled, and by what; empty when it isn't."""
    return f"HALTED by {visible(brake.reason)}: the run goes on, and nothing is sent" if brake.reason else ""


def control_line(control: Control) -> str:
    """How trading is restricted, by whom and why; empty while it isn't, and where the brake says it."""
    if control.state == "active" or control.by == BRAKE:
        return ""
    effect = "no orders are sent" if control.state == "halted" else "only exits are sent"
    return visible(f"trading is {control.describe} ({effect})")


def cycle_of(cycle: int, cycles: int | None) -> str:
    """A cycle by the number that it has everywhere, and how far the run is with it.

    A run that closes its positions goes on for some cycles after the last.
    """
    return f"cycle {cycle}" + (f" ({cycle + 1} of {cycles})" if cycles is not None and cycle < cycles else "")


def fill_line(ended: CycleEnded, fill: Fill) -> str:
    why = f" ({ended.met[fill.trade_id]})" if fill.trade_id in ended.met else ""
    return f"cycle {ended.cycle}: filled {fill.side} {plain(fill.quantity)} {fill.symbol} at {plain(fill.price)}{why}"


def liquidation_line(liquidated: Liquidated) -> str:
    event = liquidated.event
    side = "long" if event.quantity < 0 else "short"
    price = plain(event.price) if event.price is not None else ""
    closed = f"{side} {plain(abs(event.quantity))} closed at {price}, fee {plain(event.fee)}"
    why = "the margin balance fell to the maintenance margin"
    return f"cycle {liquidated.cycle}: LIQUIDATED {event.asset}: {closed}; {why}"


def money(event: CycleEnded) -> str:
    books = event.portfolio
    return f"{books.equity:,.2f} {books.currency}" if books.priced else "unknown: a position has no price"


@contextmanager
def screen(session: Session, *, cycles: int | None) -> Generator[Screen]:
    """The way to watch that fits where stderr goes."""
    console = stderr_console()
    if console.is_terminal:
        dashboard = Dashboard(session, cycles=cycles)
        with Live(dashboard, console=console, refresh_per_second=_REFRESHES_PER_S):
            yield dashboard
    else:
        yield Lines(console, brake=session.brake, cycles=cycles)
