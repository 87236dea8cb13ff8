"""What happens to the perpetuals of a paper account besides its orders: funding and liquidation, as events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from domain.candle import Candle, FundingRate
from domain.errors import VenueUnavailable
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import Fill
from domain.statement import ExternalEvent, funding, is_swap
from domain.venue import FundingSource, Market
from venues.costs import PerpetualTerms
from venues.paper.account import Books
from venues.paper.funding import even_rates, payment
from venues.paper.liquidation import Leg, liquidated_at, liquidations

_LATE: Final = timedelta(days=1)
"""How long after its time a rate is looked for that the market had not told."""


class Settlement:
    """Each funding is charged once, on what was held at its time, whenever the market tells its rate.

    The venue reads what is due, then lets time pass bar by bar: `charge` up to a bar's open, `open`, its trades,
    `inside`, what rested, `close`, and `charge` up to its close.
    """

    def __init__(self, market: Market, terms: PerpetualTerms, books: Books) -> None:
        self._market = market
        self._terms = terms
        self._books = books
        self._known_until: dict[str, datetime] = {}
        """By symbol, the last funding whose rate was read."""
        self._held_until: dict[str, datetime] = {}
        """By symbol, up to when it was held, or might have been, as far as it was read."""
        self._due: list[tuple[FundingRate, str, Decimal]] = []
        """Rates that were read and not charged yet, with symbol and mark."""
        self._events: dict[str, ExternalEvent] = {}
        """What happened and was not confirmed, by its id."""

    @property
    def events(self) -> Sequence[ExternalEvent]:
        return tuple(self._events.values())

    def confirm(self, event_ids: Collection[str]) -> None:
        for id in event_ids:
            self._events.pop(id, None)

    def recall(self, made: Fill | ExternalEvent) -> None:
        """Take up where an earlier venue was, with all that happened by then, one after the other."""
        symbol, paid = (made.symbol, False) if isinstance(made, Fill) else (made.asset, made.kind == "funding")
        if not is_swap(symbol):
            return
        if paid or symbol not in self._known_until:
            self._known_until[symbol] = made.at
        self._held_until[symbol] = made.at

    def watches(self, moment: datetime | None) -> bool:
        """Whether a funding may still be due of what is not held any more: markets learn of some late."""
        return moment is not None and any(moment - held_until < _LATE for held_until in self._held_until.values())

    async def read(self, symbols: Collection[str], *, since: datetime, until: datetime) -> None:
        """Learn the rates up to `until` of perpetuals that are held or may come to be, and of those that were lately.

        `since` is up to when that was done before. A symbol whose rates or marks can't be read now is read the next
        time.
        """
        for symbol in symbols:
            self._known_until.setdefault(symbol, since)
            self._held_until[symbol] = until
        for symbol, held_until in self._held_until.items():
            if until - held_until < _LATE:
                await self._read(symbol, since=since, until=until)
        self._due.sort(key=lambda due: (due[0].at, due[1]))

    async def _read(self, symbol: str, *, since: datetime, until: datetime) -> None:
        known = self._known_until[symbol]
        if not self._books.quantity(symbol):
            known = max(known, since - _LATE)
        with suppress(VenueUnavailable):
            for rate in await self._rates(symbol, since=known, until=until):
                bars = await self._market.candles(symbol, limit=1, until=rate.at)
                if bars:
                    self._due.append((rate, symbol, bars[-1].close))
                self._known_until[symbol] = rate.at

    async def _rates(self, symbol: str, *, since: datetime, until: datetime) -> Sequence[FundingRate]:
        """The market's own where it has them, and the one that was set elsewhere and before and after them."""
        market, even = self._market, partial(even_rates, self._terms.funding_rate)
        if symbol not in self._terms.funding_from or not isinstance(market, FundingSource):
            return tuple(even(since=since, until=until))
        rates = await market.funding(symbol, since=since, until=until)
        if (span := market.funding_span(symbol)) is None:
            return rates
        first, last = span
        before = [rate for rate in even(since=since, until=min(until, first)) if rate.at < first]
        return (*before, *rates, *even(since=max(since, last), until=until))

    def charge(self, until: datetime) -> None:
        """Charge what is due by `until`, on what was held just before each funding."""
        while self._due and self._due[0][0].at <= until:
            rate, symbol, mark = self._due.pop(0)
            cash = payment(self._books.held_before(symbol, rate.at), mark=mark, rate=rate.rate)
            if cash:
                self._settle(funding(symbol, cash=cash, rate=rate.rate, at=rate.at))

    def open(self, bars: Mapping[str, Candle]) -> None:
        """The bars open: every perpetual is marked there."""
        self._mark({symbol: bar.open for symbol, bar in bars.items()})

    def close(self, bars: Mapping[str, Candle]) -> None:
        self._mark({symbol: bar.close for symbol, bar in bars.items()})

    def _mark(self, marks: Mapping[str, Decimal]) -> None:
        self._books.marks.update({symbol: mark for symbol, mark in marks.items() if is_swap(symbol)})

    def legs(
        self, bars: Mapping[str, Candle], instruments: Mapping[str, Instrument], *, until_open: bool = False
    ) -> tuple[Leg, ...]:
        """The way of every perpetual that is held through these bars; what has none of them stays at its mark.

        From the open to the adverse extreme, or from the last mark to the open.
        """
        legs = []
        for symbol, position in sorted(self._books.perpetuals.items()):
            bar, mark = bars.get(symbol), self._books.marks.get(symbol) or position.average_price or ZERO
            if bar is None:
                start = end = mark
            elif until_open:
                start, end = mark, bar.open
            else:
                start, end = bar.open, bar.low if position.quantity > 0 else bar.high
            tick_size = instruments[symbol].tick_size
            legs.append(Leg(symbol=symbol, quantity=position.quantity, start=start, end=end, tick_size=tick_size))
        return tuple(legs)

    def liquidated_at(self, legs: Sequence[Leg]) -> Decimal | None:
        """The point of their way at which the account is liquidated, by what it has now; `None` where it is not."""
        return liquidated_at(self._books.cash, legs, self._books.margin)

    def liquidate(self, legs: Sequence[Leg], *, point: Decimal, at: datetime) -> None:
        """Close every perpetual at its mark there."""
        for event in liquidations(self._books.cash, legs, self._terms, point=point, at=at):
            self._settle(event)

    def _settle(self, event: ExternalEvent) -> None:
        self._books.settle(event)
        self._events[event.id] = event
