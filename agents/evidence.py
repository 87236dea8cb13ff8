"""Evidence: tool results and own state as context items, each tagged for its lane and its symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Final

from agents.detectors import Hit
from agents.learning import Lesson
from context import ContextItem
from context.item import MAX_TEXT, Kind, Priority, Trust
from domain.digest import plain, sha256
from domain.portfolio import Portfolio
from domain.value import Value
from tools.bars import Bars
from tools.headlines import News
from tools.indicators import Indicators
from tools.quotes import QuoteReading

_SURE: Final = Decimal(1)
_NONE: Final[Mapping[str, Decimal]] = MappingProxyType({})
_DAY_S: Final = 86_400
_DIGITS: Final = Context(prec=8)
"""Digits of an amount in words: enough for any price, and no grid that a small one would vanish in."""

_OWN_WORK: Final = frozenset({"desk", "detectors", "learning", "sentiment"})
"""Sources of what this desk wrote or worked out itself."""

MANDATE: Final = "Trade only the symbols of the universe. Judge the evidence; never state a price, a size or a limit."


def _tags(lane: str, *symbols: str) -> tuple[str, ...]:
    return (f"lane:{lane}", *(f"symbol:{s}" for s in symbols))


def _words(amount: Decimal) -> str:
    return plain(_DIGITS.plus(amount))


def readings_of(value: Value) -> dict[str, Decimal]:
    """The numbers of a tool's result that are there; what is missing has no entry."""
    return {name: number for name, number in value if isinstance(number, Decimal)}


def _evidence(
    item_id: str,
    text: str,
    *,
    tags: tuple[str, ...],
    source: str,
    trust: Trust,
    at: datetime,
    priority: Priority = "p1",
    confidence: Decimal = _SURE,
    readings: Mapping[str, Decimal] = _NONE,
) -> ContextItem:
    """A piece of evidence, known from `at` on and good for a day."""
    return ContextItem(
        id=item_id,
        kind="evidence",
        text=text,
        tags=tags,
        source=source,
        trust=trust,
        created_at=at,
        available_at=at,
        priority=priority,
        severity="medium",
        confidence=confidence,
        ttl_s=_DAY_S,
        readings=readings,
    )


def _standing(item_id: str, text: str, *, kind: Kind, lane: str, at: datetime, pinned: bool) -> ContextItem:
    """What every prompt carries: our own words, which never go stale within a cycle."""
    return ContextItem(
        id=item_id,
        kind=kind,
        text=text,
        tags=_tags(lane),
        source="desk",
        trust="own",
        created_at=at,
        available_at=at,
        priority="p0",
        severity="high",
        pinned=pinned,
    )


def origin(item: ContextItem) -> str | None:
    """Where evidence comes from in the end: the venue, or one publisher. The desk's own work is no origin."""
    if item.trust == "own" or item.source in _OWN_WORK:
        return None
    return "venue" if item.trust == "venue" else item.source.strip().casefold()


def mandate(universe: Sequence[str], *, as_of: datetime) -> tuple[ContextItem, ...]:
    """The standing goal and constraint."""
    goal = f"Find trades with an edge after costs among {', '.join(universe)}; abstain when the evidence is thin."
    return (
        _standing("goal:edge", goal, kind="goal", lane="strategy", at=as_of, pinned=True),
        _standing("constraint:mandate", MANDATE, kind="constraint", lane="strategy", at=as_of, pinned=True),
    )


def holdings(portfolio: Portfolio | None, *, as_of: datetime) -> ContextItem:
    """What the account holds, as a risk factor."""
    text = "The portfolio can't be priced now."
    if portfolio is not None and portfolio.priced:
        positions = [
            f"{s} {plain(p.quantity)} at average {_words(p.average_price)}"
            for s, p in sorted(portfolio.positions.items())
            if p.average_price is not None
        ]
        equity, cash = _words(portfolio.equity), _words(portfolio.cash)
        text = f"Equity {equity} {portfolio.currency}, cash {cash}; held: {'; '.join(positions) or 'nothing'}."
    return _standing("portfolio", text, kind="constraint", lane="risk-factors", at=as_of, pinned=False)


def indicator_item(symbol: str, indicators: Indicators, *, as_of: datetime) -> ContextItem:
    """All readings of one symbol, in words and as numbers."""
    readings = readings_of(indicators)
    text = ", ".join(f"{name} {plain(value)}" for name, value in readings.items())
    return _evidence(
        f"indicators:{symbol}",
        f"{symbol} indicators: {text}",
        tags=_tags("market-data", symbol),
        source="indicators",
        trust="venue",
        at=as_of,
        confidence=Decimal("0.9"),
        readings=readings,
    )


def quote_item(reading: QuoteReading) -> ContextItem:
    return _evidence(
        f"quote:{reading.symbol}",
        f"{reading.symbol} bid {plain(reading.bid)}, ask {plain(reading.ask)}",
        tags=_tags("market-data", reading.symbol),
        source="quote",
        trust="venue",
        at=reading.at,
    )


def candles_item(symbol: str, bars: Bars, *, as_of: datetime) -> ContextItem:
    """The last bars, oldest first, as many as one item holds."""
    lines = [f"{plain(b.open)} {plain(b.high)} {plain(b.low)} {plain(b.close)} v{plain(b.volume)}" for b in bars.rows]
    head = f"{symbol} last bars (open high low close volume): "
    while len(text := head + "; ".join(lines)) > MAX_TEXT:
        lines.pop(0)
    return _evidence(
        f"candles:{symbol}",
        text,
        tags=_tags("market-data", symbol),
        source="candles",
        trust="venue",
        at=as_of,
        priority="p2",
    )


def hit_items(symbol: str, hits: Sequence[Hit], *, as_of: datetime) -> tuple[ContextItem, ...]:
    """What the detectors said, one item each, untrusted where a text had part in it."""
    return tuple(
        _evidence(
            f"detector:{hit.detector}:{symbol}",
            f"{symbol}: the {hit.detector} detector says {hit.side} with strength {plain(hit.strength)}",
            tags=_tags("market-events", symbol),
            source="detectors",
            trust="own" if hit.trust == "venue" else "untrusted",
            at=as_of,
            confidence=hit.strength,
        )
        for hit in hits
    )


def news_items(symbol: str, news: News) -> tuple[ContextItem, ...]:
    """Each headline about a symbol or the whole market, and their mean sentiment as one reading.

    A headline's id comes from outside: it is hashed before it may name anything.
    """
    if news.mean is None:
        return ()
    tone = _evidence(
        f"sentiment:{symbol}",
        f"{symbol}: mean sentiment of {len(news.items)} headlines {plain(news.mean)}, from -1 to 1",
        tags=_tags("news-sentiment", symbol),
        source="sentiment",
        trust="untrusted",
        at=news.items[0].available_at,
        confidence=Decimal("0.6"),
        readings={"sentiment": news.mean},
    )
    lines = (
        _evidence(
            f"headline:{sha256(line.id)[:16]}",
            line.title,
            tags=_tags("news-sentiment", *line.symbols),
            source=line.source,
            trust="untrusted",
            at=line.available_at,
            priority="p2",
            confidence=Decimal("0.5"),
        )
        for line in news.items
    )
    return (tone, *lines)


def lesson_item(lesson: Lesson, *, as_of: datetime) -> ContextItem:
    won = plain((lesson.win_rate * 100).quantize(Decimal(1)))
    return _evidence(
        f"lesson:{lesson.symbol}",
        f"{lesson.symbol}: of the last {lesson.closed_trades} closed trades {won} % won, "
        f"expectancy {plain(lesson.expectancy_bps)} bps after fees",
        tags=_tags("risk-factors", lesson.symbol),
        source="learning",
        trust="own",
        at=as_of,
        confidence=Decimal("0.8"),
        readings={"closed_trades": Decimal(lesson.closed_trades), "win_rate": lesson.win_rate},
    )
