"""What the command line does before money moves: the desk is opened with keys, and a person reads what it will do."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from agentctl.certified import line_of
from agentctl.keys import keys_for, required_keys
from agentctl.output import warn
from agentctl.question import when
from agentctl.settings import Settings
from agentctl.whereto import describe, require_private
from domain.candle import Timeframe
from domain.clearance import Check, Cleared
from domain.clock import Clock
from domain.decision import Ticket
from domain.digest import plain
from domain.errors import TicketRefused, UsageError
from domain.order import OrderRequest
from domain.venue import Market
from graphs.runs.open import OpenMarket, one_currency
from graphs.runs.open_live import LiveDesk
from graphs.session.clocks import WallClock
from graphs.session.session import RunSettings
from memory.store.records import RunHeader
from policy.account import Arming
from venues.exchange.account import ExchangeKeys, ExchangeVenue
from venues.exchange.connection import exchange_class
from venues.exchange.failover import FailoverMarket
from venues.exchange.guarded_client import Listen
from venues.exchange.instruments import chosen
from venues.exchange.market import DEFAULT_TIMEFRAME, ExchangeMarket
from venues.open import Reach, exchange_market, exchanges, is_exchange


def require_tradable(market: str) -> None:
    """Raises `UsageError` for a market that is no exchange, one that nobody knows, and one without keys."""
    if not is_exchange(market):
        raise UsageError(f"--live: {market} takes no orders", remedy="Name an exchange: --market okx")
    first, *others = exchanges(market)
    for exchange in (first, *others):
        exchange_class(exchange)
    required_keys(first)


def reach(settings: Settings, exchange: str) -> Reach:
    at = settings.at_exchange(exchange)
    return Reach(base_url=at.base_url, streams=at.streams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """A desk at an exchange, and the exchange's market as it is seen over the same connection."""

    desk: LiveDesk
    opener: OpenMarket
    where: str
    """The host that it talks to, in words."""
    certification: str
    """How far the exchange was ever tried, in words."""


@asynccontextmanager
async def trading(market: str, *, symbols: Sequence[str], settings: Settings) -> AsyncGenerator[Trading]:
    """What a live run trades with, closed at the end: the account at the first exchange of `market`.

    A second one shows the market while the first can't, and checks its prices. The account's currency is what
    `symbols` are priced in.

    Raises `UsageError` without symbols, for symbols of several currencies, and without keys.
    """
    exchange, *others = exchanges(market)
    for each in (exchange, *others):
        require_private(settings, each)
    keys = required_keys(exchange)
    currency = one_currency(_priced_in(symbol) for symbol in chosen(symbols, exchange=exchange))
    venues: list[ExchangeVenue] = []

    def open_venue(
        spec: str,
        *,
        symbols: Sequence[str],
        currency: str,
        check: Check,
        clock: Clock,
    ) -> ExchangeVenue:
        venue = _venue(spec, settings, keys=keys, symbols=symbols, currency=currency, check=check, wall=clock)
        venues.append(venue)
        return venue

    desk = LiveDesk.at(exchange, symbols=symbols, currency=currency, opener=open_venue, wall=WallClock())
    (venue,) = venues

    def open_market(
        spec: str, *, symbols: Sequence[str] | None, timeframe: Timeframe | None, seed: int, wall: Clock
    ) -> Market:
        stream = venue.stream(timeframe or DEFAULT_TIMEFRAME) if settings.at_exchange(exchange).streams else None
        first = ExchangeMarket(venue.market_data, symbols=symbols, timeframe=timeframe, wall=wall, stream=stream)
        if not others:
            return first
        second = exchange_market(others[0], reach(settings, others[0]), symbols=symbols, timeframe=timeframe, wall=wall)
        return FailoverMarket(first, second, wall=wall)

    try:
        where, certification = where_of(venue, settings), line_of(exchange, settings.data_dir)
        yield Trading(desk=desk, opener=open_market, where=where, certification=certification)
    finally:
        await venue.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certifying:
    """The account that is certified, over two connections: one that sends, and one that sends nothing."""

    desk: LiveDesk
    venue: ExchangeVenue
    """The desk's."""
    witness: ExchangeVenue
    keys: ExchangeKeys
    where: str


@asynccontextmanager
async def certifying(exchange: str, *, symbol: str, settings: Settings, listen: Listen) -> AsyncGenerator[Certifying]:
    """What a certification works with, closed at the end. `listen` hears every request. Raises as `trading` does."""
    require_private(settings, exchange)
    keys, wall = required_keys(exchange), WallClock()
    currency = _priced_in(symbol)
    opened: list[ExchangeVenue] = []

    def open_venue(spec: str, *, symbols: Sequence[str], currency: str, check: Check, clock: Clock) -> ExchangeVenue:
        venue = _venue(
            spec, settings, keys=keys, symbols=symbols, currency=currency, check=check, wall=clock, listen=listen
        )
        opened.append(venue)
        return venue

    desk = LiveDesk.at(exchange, symbols=(symbol,), currency=currency, opener=open_venue, wall=wall)
    witness = open_venue(exchange, symbols=(symbol,), currency=currency, check=_sends_nothing, clock=wall)
    venue = opened[0]
    try:
        yield Certifying(desk=desk, venue=venue, witness=witness, keys=keys, where=where_of(venue, settings))
    finally:
        for each in opened:
            await each.aclose()


@asynccontextmanager
async def probe(exchange: str, settings: Settings) -> AsyncGenerator[ExchangeVenue]:
    """An exchange that is asked and never sent anything, closed at the end; with keys where there are some."""
    keys = keys_for(exchange, os.environ) or ExchangeKeys(api_key=SecretStr(""), secret=SecretStr(""))
    symbols, wall = settings.symbols or ("BTC/USDT",), WallClock()
    currency = _priced_in(symbols[0])
    venue = _venue(exchange, settings, keys=keys, symbols=symbols, currency=currency, check=_sends_nothing, wall=wall)
    try:
        yield venue
    finally:
        await venue.aclose()


def _priced_in(symbol: str) -> str:
    return symbol.rpartition("/")[2].partition(":")[0]


def _venue(
    spec: str,
    settings: Settings,
    *,
    keys: ExchangeKeys,
    symbols: Sequence[str],
    currency: str,
    check: Check,
    wall: Clock,
    listen: Listen | None = None,
) -> ExchangeVenue:
    at = settings.at_exchange(spec)
    if keys.words():
        require_private(settings, spec)
    return ExchangeVenue(
        spec,
        keys=keys,
        symbols=symbols,
        currency=currency,
        check=check,
        wall=wall,
        sandbox=at.sandbox,
        base_url=at.base_url,
        listen=listen,
    )


def where_of(venue: ExchangeVenue, settings: Settings) -> str:
    """Which host `venue` talks to, in words."""
    return describe(venue.destination, venue.name, moved=settings.at_exchange(venue.name).base_url is not None)


def _sends_nothing(ticket: Ticket, order: OrderRequest, at: datetime) -> Cleared:
    raise TicketRefused("nothing is sent from here")


def agree(
    header: RunHeader, armed: Arming | None, *, where: str, certification: str = "", changes: Sequence[str] = ()
) -> None:
    """Say in words what the run is about to do; at a terminal, a person types the account's name before it does.

    Raises `UsageError` when they type something else. Without a terminal the arming is the person's word.
    """
    lines = _in_words(header, armed, where=where, certification=certification)
    for line in (*lines, *(f"  it changes {change}" for change in changes)):
        warn(line)
    if sys.stdin.isatty() and not typed(header.account):
        raise UsageError("nothing was started", remedy="Leave --live out to trade on paper")


def typed(account: str) -> bool:
    """Whether the operator at the terminal types the account's name when asked to."""
    print(f"Type {account} to go on: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == account


def _in_words(header: RunHeader, armed: Arming | None, *, where: str, certification: str) -> Sequence[str]:
    era = header.last_era
    policy = RunSettings.model_validate_json(era.settings).policy.digest if header.eras else header.policy_digest
    beside = [f"{plain(event.quantity)} {event.asset}" for event in header.opening if event.kind == "opening"]
    adopted = [f"{plain(event.quantity)} {event.asset}" for event in header.opening if event.kind == "adoption"]
    lines = [
        f"LIVE: {header.run_id} trades with money on {header.account}",
        f"  orders go to {where}",
        *([f"  {certification}"] if certification else []),
        f"  it had {plain(header.start_cash)} {header.currency} when its books were opened",
        f"  {', '.join(header.symbols)}, bars of {header.timeframe}, decided by {era.model}",
        f"  under the policy {policy[:12]}",
    ]
    if beside:
        lines.append(f"  it found {', '.join(beside)} there, and leaves it alone")
    if adopted:
        lines.append(f"  of that it manages as its own: {', '.join(adopted)}")
    if unheld := [symbol for symbol in header.symbols if symbol not in header.venue_stops]:
        where = f"{header.exchange} holds no stops for {', '.join(unheld)}"
        lines.append(f"  {where}: this run watches them, and nothing protects a position while it does not run")
    for loss in header.before.losses if header.before else ():
        lost = f"{plain(loss.amount)} {header.currency} since {when(loss.since)}"
        lines.append(f"  earlier runs of the account lost {lost}, and that counts towards its loss limits")
    if armed is None:
        lines.append(
            f"  {header.exchange} is not armed: no new positions; open positions are still closed at their stops, "
            "targets and time limits"
        )
    else:
        lines.append(f"  it may enter until {when(armed.until)}, armed by {armed.by}")
    return lines
