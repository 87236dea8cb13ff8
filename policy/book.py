"""One picture by one policy: what positions and working orders come to, worked out once for all proposals judged on it.

No judged order is in it. Working orders count as if all of them filled, at the worst price they can be
expected to fill at, and none on one side offsets one on the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar, cast

from domain.decision import Proposal
from domain.instrument import Instrument
from domain.money import BPS, ZERO
from domain.order import Side
from domain.portfolio import Portfolio
from policy.account import SentOrder, WorkingOrder
from policy.facts import Facts
from policy.market import Bars
from policy.once import once
from policy.policy import Policy
from policy.ruling import FactMissing

T = TypeVar("T")


class Book:
    """Every property raises `FactMissing` when the facts don't hold what it needs. Amounts are in quote currency."""

    def __init__(self, facts: Facts, *, policy: Policy) -> None:
        self.facts = facts
        self.policy = policy
        self._memo: dict[Hashable, object] = {}

    def memo(self, key: Hashable, work: Callable[[], T]) -> T:
        """What `work` returned the first time that it was asked for by `key`: for what costs more than a lookup."""
        if key not in self._memo:
            self._memo[key] = work()
        return cast(T, self._memo[key])

    @once
    def digest(self) -> str:
        return self.facts.digest

    @once
    def portfolio(self) -> Portfolio:
        if self.facts.portfolio is None:
            raise FactMissing("the portfolio is unknown")
        return self.facts.portfolio

    @once
    def slippage(self) -> Decimal:
        """The part of one by which a market order may fill beyond the touch."""
        if self.policy.pricing is None:
            raise FactMissing("the policy says nothing of pricing")
        return self.policy.pricing.market_slippage_bps / BPS

    @once
    def worths(self) -> Mapping[str, Decimal]:
        """Every position at its mark price, with its sign."""
        return {symbol: p.quantity * self.mark(symbol) for symbol, p in self.portfolio.positions.items()}

    @once
    def equity(self) -> Decimal:
        return self.portfolio.cash + sum(self.worths.values(), ZERO)

    @once
    def tied(self) -> Decimal:
        """What positions tie up: a short as much as a long of its size."""
        return sum(map(abs, self.worths.values()), ZERO)

    @once
    def working(self) -> Mapping[str, Sequence[WorkingOrder]]:
        """All working orders by their symbols."""
        working: defaultdict[str, list[WorkingOrder]] = defaultdict(list)
        for order in self.facts.working:
            working[order.symbol].append(order)
        return dict(working)

    @once
    def entries(self) -> Sequence[tuple[WorkingOrder, Decimal]]:
        """Working orders that may add to a position, each with what it is worth at most.

        Reduce-only ones add nothing and, as they may not fill, take nothing away.
        """
        return [
            (o, o.remaining * self.valued_at(o, ask=self.ask(o.symbol)))
            for o in self.facts.working
            if not o.reduce_only
        ]

    @once
    def sides(self) -> tuple[Mapping[str, Decimal], Mapping[str, Decimal]]:
        """By symbol: what is held long plus all buys, what is held short plus all sales."""
        longs: defaultdict[str, Decimal] = defaultdict(Decimal)
        shorts: defaultdict[str, Decimal] = defaultdict(Decimal)
        for symbol, worth in self.worths.items():
            (longs if worth > 0 else shorts)[symbol] += abs(worth)
        for order, worth in self.entries:
            (longs if order.side == "buy" else shorts)[order.symbol] += worth
        return dict(longs), dict(shorts)

    @once
    def exposures(self) -> Mapping[str, Decimal]:
        """Worst exposure of each symbol if all working orders fill: the larger of its two sides."""
        longs, shorts = self.sides
        return {symbol: max(longs.get(symbol, ZERO), shorts.get(symbol, ZERO)) for symbol in sorted({*longs, *shorts})}

    @once
    def gross(self) -> Decimal:
        """All exposures together: shorts add."""
        return sum(self.exposures.values(), ZERO)

    @once
    def exposed(self) -> int:
        """In how many symbols there is any exposure."""
        return sum(map(bool, self.exposures.values()))

    @once
    def worth_ranges(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """By symbol: the least and the most, with its sign, that it may come to be worth.

        From what is held, the least when all working sales fill and no buy, the most when all buys fill
        and no sale. Exits among them take at most what is held.
        """
        least, most = dict(self.worths), dict(self.worths)
        for order, worth in self.entries:
            end, signed = (most, worth) if order.side == "buy" else (least, -worth)
            least.setdefault(order.symbol, ZERO)
            most.setdefault(order.symbol, ZERO)
            end[order.symbol] += signed
        for (symbol, side), quantity in self._leaving.items():
            position = self.portfolio.quantity(symbol)
            if side == "sell" and position > 0:
                least[symbol] -= min(quantity, position) * self.mark(symbol)
            elif side == "buy" and position < 0:
                most[symbol] += min(quantity, -position) * self.mark(symbol)
        return {symbol: (least[symbol], most[symbol]) for symbol in sorted(least)}

    @once
    def net(self) -> tuple[Decimal, Decimal]:
        """The least and the most that all symbols together may come to be worth, with their signs."""
        ranges = self.worth_ranges.values()
        return sum((low for low, _ in ranges), ZERO), sum((high for _, high in ranges), ZERO)

    @once
    def on_margin(self) -> frozenset[str]:
        """Symbols that are not paid for in full: swaps, and anything else while it is held short."""
        return frozenset(
            symbol
            for symbol in self.exposures
            if self.instrument(symbol).kind == "swap" or self.portfolio.quantity(symbol) < 0
        )

    @once
    def risk(self) -> Decimal:
        """What positions, from their mark prices, and working entries, from theirs, may lose to their stops.

        Without a stop a long can lose all that it is worth, and a short any amount, which raises.
        """
        risk = ZERO
        for symbol, position in self.portfolio.positions.items():
            side: Side = "buy" if position.quantity > 0 else "sell"
            mark = self.mark(symbol)
            secured = position.stop_price is not None and (position.stop_price > mark) == (side == "buy")
            # A stop beyond the mark is about to be met, at about the mark.
            distance = ZERO if secured else stop_distance(side, entry=mark, stop=position.stop_price)
            risk += abs(position.quantity) * distance
        for order in self.facts.working:
            if not order.reduce_only:
                distance = stop_distance(order.side, entry=self.entered_at(order), stop=order.stop_price)
                risk += order.remaining * distance
        return risk

    @once
    def committed(self) -> Decimal:
        """Money that working entries may take, fees counted."""
        return sum((worth * self.funded(o.symbol, side=o.side) for o, worth in self.entries), ZERO)

    @once
    def used_ids(self) -> frozenset[str]:
        """Of orders that were let through lately."""
        return frozenset(order.client_order_id for order in self.facts.sent)

    def sent_within(self, window_s: int) -> Mapping[str, Sequence[SentOrder]]:
        """By symbol, what was let through less than `window_s` ago; what claims to be of the future counts too."""

        def lately() -> Mapping[str, Sequence[SentOrder]]:
            since = self.facts.now - timedelta(seconds=window_s)
            sent: defaultdict[str, list[SentOrder]] = defaultdict(list)
            for order in self.facts.sent:
                if order.at > since:
                    sent[order.symbol].append(order)
            return dict(sent)

        return self.memo(("sent within", window_s), lately)

    def instrument(self, symbol: str) -> Instrument:
        instrument = self.facts.instruments.get(symbol)
        if instrument is None:
            raise FactMissing(f"the instrument {symbol} is unknown")
        return instrument

    def bars(self, symbol: str) -> Bars:
        bars = self.facts.bars.get(symbol)
        if bars is None:
            raise FactMissing(f"there are no bars of {symbol}")
        return bars

    def mark(self, symbol: str) -> Decimal:
        mark = self.portfolio.marks.get(symbol)
        if mark is None:
            raise FactMissing(f"the position in {symbol} has no mark price")
        return mark

    def ask(self, symbol: str) -> Decimal:
        quote = self.facts.quotes.get(symbol)
        price = quote.ask if quote else self.portfolio.marks.get(symbol)
        if price is None:
            raise FactMissing(f"the working order in {symbol} has no price")
        return price

    def entered_at(self, order: Proposal | WorkingOrder) -> Decimal:
        """The price from which an entry is furthest from its stop."""
        if order.limit_price is not None:
            return order.limit_price
        ask = self.ask(order.symbol)
        if order.side == "buy":
            return _beyond(max, ask, order.trigger_price) * (1 + self.slippage)
        quote = self.facts.quotes.get(order.symbol)
        return _beyond(min, quote.bid if quote else ask, order.trigger_price) * (1 - self.slippage)

    def valued_at(self, order: Proposal | WorkingOrder, *, ask: Decimal) -> Decimal:
        """The price that an order counts at: the most that it may come to be worth.

        Of a stop it is the worse of its trigger and the ask, with the slippage of the market order that it becomes.
        """
        if order.side == "sell":
            return _beyond(max, _beyond(max, ask, order.limit_price), order.trigger_price)
        if order.limit_price is not None:
            return order.limit_price
        return _beyond(max, ask, order.trigger_price) * (1 + self.slippage)

    def funded(self, symbol: str, *, side: Side) -> Decimal:
        """The part of a notional that must be paid for: all of it and the fee, or nothing."""
        instrument = self.instrument(symbol)
        if side == "sell" and instrument.kind == "spot":
            return ZERO
        return 1 + max(instrument.maker_fee, instrument.taker_fee)

    @once
    def _leaving(self) -> Mapping[tuple[str, Side], Decimal]:
        """What working exits may take, by symbol and side."""
        leaving: defaultdict[tuple[str, Side], Decimal] = defaultdict(Decimal)
        for order in self.facts.working:
            if order.reduce_only:
                leaving[order.symbol, order.side] += order.remaining
        return dict(leaving)


def _beyond(worse: Callable[[Decimal, Decimal], Decimal], price: Decimal, stated: Decimal | None) -> Decimal:
    """The `worse` of a market's price and what an order states, where it states any."""
    return price if stated is None else worse(stated, price)


def stop_distance(side: Side, *, entry: Decimal, stop: Decimal | None) -> Decimal:
    """From an entry to its stop, whichever side that lies on; without one, all that can be lost."""
    if stop is not None:
        return abs(entry - stop)
    if side == "buy":
        return entry
    raise FactMissing("a short position without a stop can lose any amount")
