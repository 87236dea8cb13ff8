"""One proposal against one picture: the quantities that several checks need, each worked out once.

The order is valued at the worst price it can be expected to fill at, on top of all that is in the book.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import ValidationError

from domain.candle import Quote
from domain.decision import Proposal
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import OrderRequest
from policy.account import Consent, SentOrder, WorkingOrder
from policy.book import Book, stop_distance
from policy.facts import Facts
from policy.market import Bars
from policy.once import once
from policy.policy import Policy
from policy.ruling import FactMissing
from policy.verdict import Finding

_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS = Decimal(1_000_000)
"""In a second."""


class Case:
    """Every property raises `FactMissing` when the facts don't hold what it needs."""

    def __init__(self, proposal: Proposal, facts: Facts, *, policy: Policy, book: Book | None = None) -> None:
        """`book` is that of `facts` and `policy`, where it was made before."""
        self.proposal = proposal
        self.facts = facts
        self.policy = policy
        self.book = book or Book(facts, policy=policy)

    @once
    def cached_findings(self) -> dict[str, Finding]:
        """What was found, by code, of all orders on this picture that are alike to a check that is `alike_for_all`.

        Where people have let anything stand, it is for one order, and no two are alike.
        """
        if self.facts.consents:
            return {}
        kind = self.reducing, self.protects, len(self.proposal.releases)
        return self.book.memo(("findings", self.proposal.symbol, self.proposal.agent, *kind), dict[str, Finding])

    @once
    def order(self) -> OrderRequest | None:
        """What would be sent; none when the proposal's fields make no order."""
        try:
            return self.proposal.order()
        except ValidationError:
            return None

    @once
    def instrument(self) -> Instrument:
        return self.instrument_of(self.proposal.symbol)

    @once
    def currency(self) -> str:
        """What prices and notionals are counted in."""
        return self.instrument.quote

    @once
    def quote(self) -> Quote:
        quote = self.facts.quotes.get(self.proposal.symbol)
        if quote is None:
            raise FactMissing("there is no quote")
        return quote

    @once
    def mid(self) -> Decimal:
        """The middle of the market."""
        return self.quote.mid

    @once
    def equity(self) -> Decimal:
        """In the currency that the instrument is priced in: shares of another's equity mean nothing."""
        portfolio = self.book.portfolio
        if portfolio.currency != self.currency:
            raise FactMissing(f"the account is in {portfolio.currency} and the price in {self.currency}")
        return self.book.equity

    @once
    def position(self) -> Decimal:
        """Signed quantity in the judged symbol."""
        return self.book.portfolio.quantity(self.proposal.symbol)

    @once
    def working(self) -> Sequence[WorkingOrder]:
        """All working orders in the judged symbol."""
        return self.book.working.get(self.proposal.symbol, ())

    @once
    def queued(self) -> Decimal:
        """What working orders on the same side of the symbol may still trade, without the stops that it replaces."""
        released = self.proposal.releases
        return sum(
            (
                order.remaining
                for order in self.working
                if order.side == self.proposal.side and not (order.client_order_id in released and order.protects)
            ),
            ZERO,
        )

    @once
    def reducing(self) -> bool:
        """Whether the order says reduce-only and, by the facts, can do nothing else. Doubt makes it an entry."""
        if not self.proposal.reduce_only or self.facts.portfolio is None:
            return False
        position = self.facts.portfolio.quantity(self.proposal.symbol)
        opposite = position < 0 if self.proposal.side == "buy" else position > 0
        return opposite and self.proposal.quantity + self.queued <= abs(position)

    @once
    def protects(self) -> bool:
        """Whether it is a protective stop that, by the facts, can only reduce."""
        return self.reducing and self.proposal.protects

    @once
    def worst_price(self) -> Decimal:
        """A buy's limit, or the ask and slippage; a sale counts at the ask, or its limit when that is higher."""
        return self.book.valued_at(self.proposal, ask=self.quote.ask)

    @once
    def furthest_price(self) -> Decimal:
        """The worst price for the trader that it may fill at: its limit, or the touch and slippage."""
        return self.book.entered_at(self.proposal)

    @once
    def notional(self) -> Decimal:
        return self.proposal.quantity * self.worst_price

    @once
    def exposures(self) -> Mapping[str, Decimal]:
        """Worst exposure of each symbol if this order and all working ones fill: the larger of its two sides."""
        if self.reducing:
            return self.book.exposures
        symbol, (longs, shorts) = self.proposal.symbol, self.book.sides
        own, other = (longs, shorts) if self.proposal.side == "buy" else (shorts, longs)
        judged = max(own.get(symbol, ZERO) + self.notional, other.get(symbol, ZERO))
        return {**self.book.exposures, symbol: judged}

    @once
    def gross(self) -> Decimal:
        """All `exposures` together."""
        symbol = self.proposal.symbol
        return self.book.gross - self.book.exposures.get(symbol, ZERO) + self.exposures.get(symbol, ZERO)

    @once
    def exposed(self) -> int:
        """In how many symbols there is any exposure, the judged one counted."""
        symbol = self.proposal.symbol
        return self.book.exposed - bool(self.book.exposures.get(symbol)) + bool(self.exposures.get(symbol))

    @once
    def risk(self) -> Decimal:
        """What the judged entry may lose from its worst price to its stop."""
        proposal = self.proposal
        return proposal.quantity * stop_distance(proposal.side, entry=self.furthest_price, stop=proposal.stop_price)

    @once
    def committed(self) -> Decimal:
        """Money that this order and all working entries may take, fees counted.

        A sale of spot brings money in and takes none; a swap is counted in full, without leverage.
        """
        taken = self.notional * self.book.funded(self.proposal.symbol, side=self.proposal.side)
        return taken + self.book.committed

    @once
    def free_cash(self) -> Decimal:
        """Equity that no position ties up. Without shorts this is the cash."""
        return self.equity - self.book.tied

    def consent(self, code: str) -> Consent | None:
        """A person's leave that the finding with `code` stands aside for exactly this order."""
        order = self.order
        if order is None:
            return None
        named = (c for c in self.facts.consents if c.order_digest == order.digest and code in c.codes)
        return next((consent for consent in named if self.facts.now < consent.expires_at), None)

    def sent_within(self, window_s: int) -> Sequence[SentOrder]:
        """What was let through in the judged symbol less than `window_s` ago."""
        return self.book.sent_within(window_s).get(self.proposal.symbol, ())

    def age_s(self, at: datetime) -> Decimal:
        """Seconds from `at` to now; negative when it lies ahead."""
        return Decimal((self.facts.now - at) // _MICROSECOND) / _MICROSECONDS

    def bars_of(self, symbol: str) -> Bars:
        return self.book.bars(symbol)

    def instrument_of(self, symbol: str) -> Instrument:
        return self.book.instrument(symbol)
