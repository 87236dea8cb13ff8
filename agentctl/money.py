"""What the command line does before money moves: the desk is opened with keys, and a person reads what it will do."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from agentctl.keys import required_keys
from agentctl.output import warn
from agentctl.question import when
from agentctl.settings import ExchangeSettings, Settings
from domain.clock import Clock
from domain.decision import Ticket
from domain.digest import plain
from domain.errors import UsageError
from domain.order import OrderRequest
from graphs.live import LiveDesk
from graphs.wall import WallClock
from memory.records import RunHeader
from policy.account import Arming
from tools.exchange_venue import ExchangeKeys, ExchangeVenue


def require_tradable(market: str) -> None:
    """Raises `UsageError` for a market that is no exchange, and for an exchange without keys at hand."""
    if market == "sim" or market.startswith("file:") or "," in market:
        raise UsageError(f"--live: {market} takes no orders", remedy="Name one exchange: --market okx")
    required_keys(market)


@asynccontextmanager
async def live_desk(header: RunHeader, settings: Settings) -> AsyncGenerator[LiveDesk]:
    """The desk of a run at its exchange, closed at the end."""
    keys, at = required_keys(header.market), settings.exchanges.get(header.market, ExchangeSettings())

    def opener(
        spec: str,
        *,
        symbols: Sequence[str],
        currency: str,
        check: Callable[[Ticket, OrderRequest, datetime], None],
        clock: Clock,
    ) -> ExchangeVenue:
        return ExchangeVenue(
            spec,
            keys=ExchangeKeys(api_key=keys.api_key, secret=keys.secret, password=keys.password),
            symbols=symbols,
            currency=currency,
            check=check,
            wall=clock,
            sandbox=at.sandbox,
            base_url=at.base_url,
        )

    desk = LiveDesk.at(header.market, symbols=header.symbols, currency=header.currency, opener=opener, wall=WallClock())
    try:
        yield desk
    finally:
        await desk.venue.aclose()


def agree(header: RunHeader, armed: Arming | None) -> None:
    """Say in words what the run is about to do; at a terminal, a person types the account's name before it does.

    Raises `UsageError` when they type something else. Without a terminal the arming is the person's word.
    """
    for line in _in_words(header, armed):
        warn(line)
    if not sys.stdin.isatty():
        return
    print(f"Type {header.account} to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != header.account:
        raise UsageError("nothing was started", remedy="Leave --live out to trade on paper")


def _in_words(header: RunHeader, armed: Arming | None) -> Sequence[str]:
    beside = [f"{plain(event.quantity)} {event.asset}" for event in header.opening if event.kind == "opening"]
    adopted = [f"{plain(event.quantity)} {event.asset}" for event in header.opening if event.kind == "adoption"]
    lines = [
        f"LIVE: {header.run_id} trades with money on {header.account}",
        f"  it had {plain(header.start_cash)} {header.currency} when its books were opened",
        f"  {', '.join(header.symbols)}, bars of {header.timeframe}, decided by {header.model}",
        f"  under the policy {header.policy_digest[:12]}",
    ]
    if beside:
        lines.append(f"  it found {', '.join(beside)} there, and leaves it alone")
    if adopted:
        lines.append(f"  of that it manages as its own: {', '.join(adopted)}")
    if armed is None:
        lines.append(f"  {header.market} is not armed: it enters nothing, and leaves what it holds when that is due")
    else:
        lines.append(f"  it may enter until {when(armed.until)}, armed by {armed.by}")
    return lines
