"""One proposal against one set of facts: the quantities that several checks need, each worked out once.

An order is valued at the worst price it can be expected to fill at, and working orders as if all of
them filled. No order on one side offsets one on the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property

from pydantic import ValidationError

from domain.candle import Quote
from domain.decision import Proposal
from domain.instrument import Instrument
from domain.money import BPS, ZERO
from domain.order import OrderRequest, Side
from domain.portfolio import Portfolio
from policy.facts import Facts
from policy.policy import Policy
from policy.ruling import FactMissing, required


class Case:
    """Every property raises `FactMissing` when the facts don't hold what it needs."""

    def __init__(self, proposal: Proposal, facts: Facts, *, policy: Policy) -> None:
        self.proposal = proposal
        self.facts = facts
        self.policy = policy

    @cached_property
    def order(self) -> OrderRequest | None:
        """What would be sent; none when the proposal's fields make no order."""
        try:
            return self.proposal.order()
        except ValidationError:
            return None

    @cached_property
    def instrument(self) -> Instrument:
        return self.instrument_of(self.proposal.symbol)

    @cached_property
    def currency(self) -> str:
        """What prices and notionals are counted in."""
        return self.instrument.quote

    @cached_property
    def quote(self) -> Quote:
        quote = self.facts.quotes.get(self.proposal.symbol)
        if quote is None:
            raise FactMissing("there is no quote")
        return quote

    @cached_property
    def portfolio(self) -> Portfolio:
        if self.facts.portfolio is None:
            raise FactMissing("the portfolio is unknown")
        return self.facts.portfolio

    @cached_property
    def equity(self) -> Decimal:
        """In the currency that the instrument is priced in: shares of another's equity mean nothing."""
        portfolio = self.portfolio
        if portfolio.currency != self.currency:
            raise FactMissing(f"the account is in {portfolio.currency} and the price in {self.currency}")
        return portfolio.cash + sum((p.quantity * self._mark(s) for s, p in portfolio.positions.items()), ZERO)

    @cached_property
    def held(self) -> Decimal:
        """Signed quantity in the judged symbol."""
        return self.portfolio.quantity(self.proposal.symbol)

    @cached_property
    def queued(self) -> Decimal:
        """What working orders on the same side of the symbol may still trade."""
        symbol, side = self.proposal.symbol, self.proposal.side
        return sum((o.remaining for o in self.facts.working if o.symbol == symbol and o.side == side), ZERO)

    @cached_property
    def reducing(self) -> bool:
        """Whether the order says reduce-only and, by the facts, can do nothing else. Doubt makes it an entry."""
        if not self.proposal.reduce_only or self.facts.portfolio is None:
            return False
        held = self.facts.portfolio.quantity(self.proposal.symbol)
        opposite = held < 0 if self.proposal.side == "buy" else held > 0
        return opposite and self.proposal.quantity + self.queued <= abs(held)

    @cached_property
    def slippage(self) -> Decimal:
        """The part of one by which a market order may fill beyond the touch."""
        return required(self.policy.pricing).market_slippage_bps / BPS

    @cached_property
    def worst_price(self) -> Decimal:
        """A buy's limit, or the ask and slippage; a sale counts at the ask, or its limit when that is higher."""
        return self._valued_at(self.proposal.side, limit_price=self.proposal.limit_price, ask=self.quote.ask)

    @cached_property
    def notional(self) -> Decimal:
        return self.proposal.quantity * self.worst_price

    @cached_property
    def exposures(self) -> Mapping[str, Decimal]:
        """Worst exposure of each symbol if this order and all working ones fill, in quote currency.

        Per symbol the larger of two: what is held long plus all buys, what is held short plus all
        sales. Reduce-only orders add nothing and, as they may not fill, take nothing away.
        """
        longs: defaultdict[str, Decimal] = defaultdict(Decimal)
        shorts: defaultdict[str, Decimal] = defaultdict(Decimal)
        for symbol, position in self.portfolio.positions.items():
            value = position.quantity * self._mark(symbol)
            (longs if value > 0 else shorts)[symbol] += abs(value)
        for order in self.facts.working:
            if not order.reduce_only:
                price = self._valued_at(order.side, limit_price=order.limit_price, ask=self._ask(order.symbol))
                (longs if order.side == "buy" else shorts)[order.symbol] += order.remaining * price
        if not self.reducing:
            (longs if self.proposal.side == "buy" else shorts)[self.proposal.symbol] += self.notional
        return {symbol: max(longs[symbol], shorts[symbol]) for symbol in sorted({*longs, *shorts})}

    @cached_property
    def committed(self) -> Decimal:
        """Money that this order and all working entries may take, fees counted.

        A sale of spot brings money in and takes none; a swap is counted in full, without leverage.
        """
        taken = self.notional * self._funded(self.proposal.symbol, side=self.proposal.side)
        for order in self.facts.working:
            if not order.reduce_only:
                price = self._valued_at(order.side, limit_price=order.limit_price, ask=self._ask(order.symbol))
                taken += order.remaining * price * self._funded(order.symbol, side=order.side)
        return taken

    @cached_property
    def free_cash(self) -> Decimal:
        """Equity that no position ties up. Without shorts this is the cash."""
        tied = sum((abs(p.quantity) * self._mark(s) for s, p in self.portfolio.positions.items()), ZERO)
        return self.equity - tied

    def instrument_of(self, symbol: str) -> Instrument:
        instrument = self.facts.instruments.get(symbol)
        if instrument is None:
            raise FactMissing(f"the instrument {symbol} is unknown")
        return instrument

    def _mark(self, symbol: str) -> Decimal:
        mark = self.portfolio.marks.get(symbol)
        if mark is None:
            raise FactMissing(f"the position in {symbol} has no mark price")
        return mark

    def _ask(self, symbol: str) -> Decimal:
        quote = self.facts.quotes.get(symbol)
        price = quote.ask if quote else self.portfolio.marks.get(symbol)
        if price is None:
            raise FactMissing(f"the working order in {symbol} has no price")
        return price

    def _valued_at(self, side: Side, *, limit_price: Decimal | None, ask: Decimal) -> Decimal:
        if side == "sell":
            return ask if limit_price is None else max(limit_price, ask)
        if limit_price is not None:
            return limit_price
        return ask * (1 + self.slippage)

    def _funded(self, symbol: str, *, side: Side) -> Decimal:
        """The part of a notional that must be paid for: all of it and the fee, or nothing."""
        instrument = self.instrument_of(symbol)
        if side == "sell" and instrument.kind == "spot":
            return ZERO
        return 1 + max(instrument.maker_fee, instrument.taker_fee)
