"""Prices that are waited for: stops and targets, told as soon as a quote crosses one."""

from __future__ import annotations

from collections.abc import Mapping

from domain.candle import Quote
from domain.venue import Levels


class PriceWatch:
    """Says once of each level that it was crossed, and again after the price has been back.

    First when the near side of the quote reaches it (the bid a level below, the ask one above), then when the far
    side does: who buys back and who sells wait for different sides, and both should hear of it in time.
    """

    def __init__(self) -> None:
        self._levels: Mapping[str, Levels] = {}
        self._crossed: dict[str, frozenset[str]] = {}

    def watch(self, levels: Mapping[str, Levels]) -> None:
        """From now on these and no others. What is crossed already is told at the next quote, unless it has been."""
        unchanged = {symbol for symbol, watched in levels.items() if self._levels.get(symbol) == watched}
        self._crossed = {symbol: crossed for symbol, crossed in self._crossed.items() if symbol in unchanged}
        self._levels = dict(levels)

    def crossed_by(self, quote: Quote) -> tuple[str, ...]:
        """What this quote has crossed anew, in words."""
        below, above = self._levels.get(quote.symbol, (None, None))
        reached = {
            f"bid at or below {below}": below is not None and quote.bid <= below,
            f"ask at or below {below}": below is not None and quote.ask <= below,
            f"ask at or above {above}": above is not None and quote.ask >= above,
            f"bid at or above {above}": above is not None and quote.bid >= above,
        }
        now = frozenset(words for words, is_reached in reached.items() if is_reached)
        before = self._crossed.get(quote.symbol, frozenset())
        self._crossed[quote.symbol] = now
        return tuple(words for words in reached if words in now - before)
