"""Signal: gathers every source for every symbol at once, and picks who is researched."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence

from pydantic import Field

from agents.desk import Desk
from agents.detectors import Hit, Readings, candidate, hits_on, venue_signals
from agents.evidence import hit_items, indicator_item, lesson_item, news_items, quote_item, readings_of
from agents.learning import lesson
from domain.decision import Signal
from domain.value import Symbol, Value, absent
from policy.market import VenueSignal
from tools.headlines import HeadlinesParams, News, headlines
from tools.indicators import Indicators, IndicatorsParams, indicators
from tools.quotes import QuoteParams, quote


class Scan(Value):
    """The candidates, best first, and why every other symbol was passed over."""

    signals: tuple[Signal, ...] = ()
    quiet: tuple[tuple[Symbol, str], ...] = ()
    venue_signals: tuple[tuple[Symbol, tuple[VenueSignal, ...]], ...] = Field(default=(), exclude_if=absent)
    """Of every symbol whose indicators could be read, candidate or not: what detectors say by venue data alone."""


class SignalAgent:
    """Looks at the whole universe. A source that fails costs its own evidence and nothing else."""

    async def __call__(self, desk: Desk) -> Scan:
        looks = await asyncio.gather(*(self._look(symbol, desk) for symbol in desk.universe))
        candidates = [outcome for outcome, _ in looks if isinstance(outcome, Signal)]
        by_symbol = list(zip(desk.universe, looks, strict=True))
        quiet = {symbol: outcome for symbol, (outcome, _) in by_symbol if isinstance(outcome, str)}
        signals = {symbol: signals for symbol, (_, signals) in by_symbol if signals is not None}
        desk.venue_signals.update(signals)
        scan = queue(candidates, quiet, most=desk.settings.signal.max_candidates)
        return scan.model_copy(update={"venue_signals": tuple(signals.items())})

    async def _look(self, symbol: str, desk: Desk) -> tuple[Signal | str, tuple[VenueSignal, ...] | None]:
        """A signal on one symbol, or why there is none; and what venue data alone says, where it could be read.

        All that was seen goes into the context.
        """
        lookback_s = desk.settings.signal.headline_hours * 3_600
        quote_answer, read, news_answer = await asyncio.gather(
            desk.tools.call(quote, QuoteParams(symbol=symbol)),
            desk.tools.call(indicators, IndicatorsParams(symbol=symbol)),
            desk.tools.call(headlines, HeadlinesParams(symbol=symbol, lookback_s=lookback_s)),
        )
        if quote_answer.value is not None:
            desk.context.upsert(quote_item(quote_answer.value))
        venue = {} if read.value is None else readings_of(read.value)
        hits = self._detect(symbol, venue, read.value, news_answer.value, desk)
        if read.value is None:
            return f"no indicators: {read.error}", None
        signals = venue_signals(venue)
        signal = candidate(symbol, hits)
        if signal is None:
            return "detectors contradict each other" if hits else "no detector fired", signals
        if signal.score < desk.settings.signal.threshold:
            return f"score {signal.score} is below {desk.settings.signal.threshold}", signals
        return signal, signals

    def _detect(
        self, symbol: str, venue: Readings, read: Indicators | None, news: News | None, desk: Desk
    ) -> list[Hit]:
        texts = {}
        if read is not None:
            desk.context.upsert(indicator_item(symbol, read, as_of=desk.as_of))
        if news is not None and news.mean is not None:
            texts["sentiment"] = news.mean
            desk.context.upsert_all(news_items(symbol, news))
        learned = lesson(symbol, desk.memory.episodes(symbol))
        if learned is not None:
            desk.context.upsert(lesson_item(learned, as_of=desk.as_of))
        hits = hits_on(venue, texts)
        desk.context.upsert_all(hit_items(symbol, hits, as_of=desk.as_of))
        return hits


def queue(candidates: Sequence[Signal], quiet: dict[str, str], *, most: int) -> Scan:
    """The `most` best signals by score, ties by symbol; the others are quiet, with the reason."""
    best = heapq.nsmallest(most, candidates, key=lambda s: (-s.score, s.symbol))
    late = {s.symbol: f"{most} stronger candidates" for s in candidates if s not in best}
    return Scan(signals=tuple(best), quiet=tuple(sorted({**quiet, **late}.items())))
