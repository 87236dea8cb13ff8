"""The picture that the gate judges by: everything the engine may know, gathered once for the proposals of a cycle."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from agents.desk import Desk
from agents.evidence import origin
from domain.candle import Quote, Session
from domain.decision import Thesis
from graphs.session.trading_day import day_start, lookback, week_start
from graphs.trading.cycle import Cycle
from memory.ledger.activity import Spent
from memory.ledger.gate_transaction import Standing, working_order
from policy import Facts, Policy
from policy.account import ClosedTrade, Consent, EquityMarks, Usage
from policy.market import Bars, Support
from tools.history import History, HistoryParams, history
from tools.quotes import QuoteParams, QuoteReading, quote
from tools.sessions import SessionParams, trading_session

_FEWEST_RETURNS: Final = 50
"""For the average volume, and so that another policy can be asked about this picture later."""


@dataclass(frozen=True, slots=True)
class Sights:
    """All that is read before the books are held: nothing slow may happen while they are."""

    now: datetime
    quotes: Mapping[str, Quote]
    dated: frozenset[str]
    """Symbols whose quote is of an earlier cycle."""
    bars: Mapping[str, Bars]
    sessions: Mapping[str, Session]
    equity_marks: EquityMarks
    closed: tuple[ClosedTrade, ...]
    usage: Spent


async def sights(symbols: Collection[str], cycle: Cycle, desk: Desk) -> Sights:
    """Quotes and bars of `symbols`, and the run's own past. What a market does not show is not there."""
    policy, ledger = cycle.session.settings.policy, cycle.session.ledger
    today = day_start(cycle.as_of, policy.day)
    looks = await asyncio.gather(*(_look(symbol, desk, returns=_return_count(policy)) for symbol in sorted(symbols)))
    quotes = {quote.symbol: quote for quote, _ in looks if quote is not None}
    dated = {symbol: cycle.dated[symbol] for symbol in symbols if symbol not in quotes and symbol in cycle.dated}
    return Sights(
        now=desk.effects.now(),
        quotes={symbol: _quote(quote) for symbol, quote in (quotes | dated).items()},
        dated=frozenset(dated),
        bars={past.symbol: _bars(past) for _, past in looks if past is not None},
        sessions=await _sessions(symbols, cycle, desk),
        equity_marks=await ledger.equity_marks(
            cycle.as_of, day_start=today, week_start=week_start(cycle.as_of, policy.day)
        ),
        closed=await ledger.closed_since(cycle.as_of - lookback(policy)),
        usage=await ledger.usage(today),
    )


async def _look(symbol: str, desk: Desk, *, returns: int) -> tuple[QuoteReading | None, History | None]:
    reading, past = await asyncio.gather(
        desk.tools.call(quote, QuoteParams(symbol=symbol)),
        desk.tools.call(history, HistoryParams(symbol=symbol, returns=returns)),
    )
    return reading.value, past.value


def _quote(reading: QuoteReading) -> Quote:
    return Quote(
        symbol=reading.symbol,
        bid=reading.bid,
        ask=reading.ask,
        bid_size=reading.bid_size,
        ask_size=reading.ask_size,
        at=reading.at,
    )


def _bars(past: History) -> Bars:
    return Bars(
        last_close=past.last_close,
        previous_close=past.previous_close,
        average_volume=past.average_volume,
        returns_ppm=past.returns_ppm,
    )


async def _sessions(symbols: Collection[str], cycle: Cycle, desk: Desk) -> dict[str, Session]:
    """Of what doesn't trade around the clock, as the market tells; an effect, so that a replay needs no calendar."""
    instruments = cycle.session.settings.instruments
    sessions: dict[str, Session] = {}
    for symbol in sorted(symbols):
        if symbol in instruments and instruments[symbol].asset_class != "crypto":
            reading = (await desk.tools.call(trading_session, SessionParams(symbol=symbol))).value
            if reading is not None and reading.session is not None:
                sessions[symbol] = reading.session
    return sessions


def picture(
    reads: Sights, standing: Standing, *, theses: Iterable[Thesis], consents: tuple[Consent, ...], cycle: Cycle
) -> Facts:
    """The facts of this moment. What is missing stays missing."""
    session = cycle.session
    used = reads.usage
    return Facts(
        as_of=cycle.as_of,
        now=reads.now,
        mode=session.header.mode,
        armed=cycle.armed,
        trading_state=standing.control.state,
        universe=session.universe,
        instruments=session.settings.instruments,
        suspended=frozenset(cycle.suspended),
        sessions=reads.sessions,
        quotes=reads.quotes,
        dated=reads.dated,
        bars=reads.bars,
        portfolio=cycle.portfolio,
        stops=_trailed(cycle),
        working=tuple(map(working_order, standing.working)),
        equity_marks=reads.equity_marks,
        closed=reads.closed,
        sent=standing.sent,
        latches=standing.latches,
        rearmed=standing.rearmed,
        usage=Usage(
            usd=None if used.usd is None or cycle.usd is None else used.usd + cycle.usd,
            tokens=used.tokens + cycle.tokens,
            tool_calls=used.tool_calls,
            refusals_in_a_row=standing.refusals_in_a_row,
        ),
        reconciled_at=cycle.reconciled_at,
        clock_skew_ms=cycle.clock_skew_ms,
        support={thesis.symbol: tuple(_support(thesis, cycle)) for thesis in theses},
        venue_signals=cycle.venue_signals,
        consents=consents,
    )


def _trailed(cycle: Cycle) -> dict[str, Decimal]:
    """Of positions, where Risk found stops to stand that have moved since their entries."""
    positions = cycle.portfolio.positions if cycle.portfolio else {}
    return {s: stop for s, stop in sorted(cycle.stops.items()) if s in positions and stop != positions[s].stop_price}


def sent_since(policy: Policy, *, now: datetime) -> datetime:
    """From when on sent orders bear on what may be sent now."""
    windows = [
        limits.window_s for limits in (policy.order_rate, policy.repetition, policy.duplicate) if limits is not None
    ]
    return now - timedelta(seconds=max(windows, default=0))


def _return_count(policy: Policy) -> int:
    minimums = [
        limits.minimum_bars for limits in (policy.value_at_risk, policy.correlation) if limits and limits.enabled
    ]
    return max([*minimums, _FEWEST_RETURNS])


def _support(thesis: Thesis, cycle: Cycle) -> Iterable[Support]:
    context = cycle.contexts.get(thesis.symbol)
    items = {one.item.id: one.item for one in context.selected} if context else {}
    for item_id in thesis.evidence:
        source = origin(items[item_id]) if item_id in items else None
        if source is not None:
            yield Support(source=source, trusted=items[item_id].trust == "venue")
