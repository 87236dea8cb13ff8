"""Facts: the frozen picture that a proposal is judged against, with nothing else behind it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Self, TypeVar

from pydantic import Field, model_validator

from domain.candle import Quote, Session
from domain.decision import Proposal
from domain.digest import digest
from domain.instrument import Instrument
from domain.order import OrderState
from domain.portfolio import Portfolio
from domain.value import Amount, Instant, Positive, Symbol, Value, absent
from policy.account import (
    Arming,
    ClosedTrade,
    Consent,
    EquityMarks,
    Latch,
    Rearmed,
    SentOrder,
    Usage,
    WorkingOrder,
)
from policy.limits.conduct import Mode
from policy.market import Bars, Support, VenueSignal

T = TypeVar("T")


class Facts(Value):
    """What was known when a proposal was judged. What is not known is absent, never guessed.

    `working` holds every order of the account that may still trade, also those allowed a moment ago
    and not sent, but not the judged one. `portfolio.marks` prices what `quotes` does not.
    """

    as_of: Instant
    """The moment of the cycle."""
    now: Instant
    """The moment of judging; the age of everything else is counted from here."""
    mode: Mode = "paper"
    armed: Arming | None = None
    trading_state: str | None
    """`active`, `reducing` or `halted`; anything else refuses."""

    universe: tuple[Symbol, ...]
    instruments: Mapping[Symbol, Instrument]
    suspended: frozenset[Symbol] = frozenset()
    """Symbols that the venue does not trade at the moment."""
    sessions: Mapping[Symbol, Session] = {}
    """Where a symbol has sessions, which one it is in. Crypto is open unless it says otherwise."""
    quotes: Mapping[Symbol, Quote]
    dated: frozenset[Symbol] = Field(default=frozenset(), exclude_if=absent)
    """Symbols that showed no quote in this cycle, and whose quote is an older one: for exits only."""
    bars: Mapping[Symbol, Bars] = {}
    deltas: Mapping[Symbol, Amount] = {}
    """Of options, per unit of the underlying."""

    portfolio: Portfolio | None
    stops: Mapping[Symbol, Positive] = Field(default={}, exclude_if=absent)
    """Where the stops of positions stand by now that trail, and are no longer where their entries set them."""
    working: tuple[WorkingOrder, ...] = ()
    equity_marks: EquityMarks = EquityMarks()
    closed: tuple[ClosedTrade, ...] = ()
    """Lately closed trades, the oldest first."""
    sent: tuple[SentOrder, ...] = ()
    """Orders let through lately, the oldest first."""
    latches: tuple[Latch, ...] = ()
    rearmed: tuple[Rearmed, ...] = ()
    usage: Usage | None = None
    reconciled_at: Instant | None = None
    """When the books were last held against the venue's and agreed."""
    clock_skew_ms: Amount | None = None
    """Our clock less the venue's."""

    support: Mapping[Symbol, tuple[Support, ...]] = {}
    """What the thesis on a symbol cites."""
    venue_signals: Mapping[Symbol, tuple[VenueSignal, ...]] = Field(default={}, exclude_if=absent)
    """What detectors found in this cycle by venue data alone. Empty where none fired, absent where none looked."""
    consents: tuple[Consent, ...] = ()

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        for symbol, instrument in self.instruments.items():
            if instrument.symbol != symbol:
                raise ValueError(f"instruments[{symbol}] is of {instrument.symbol}")
        for symbol, quote in self.quotes.items():
            if quote.symbol != symbol:
                raise ValueError(f"quotes[{symbol}] is of {quote.symbol}")
        return self

    @property
    def digest(self) -> str:
        return digest(self)

    def about(self, proposal: Proposal) -> Facts:
        """The part of these facts that bears on `proposal`, small enough to archive with each verdict.

        Its own order is left out of `working` and `sent`: judged again after a crash, it does not stand in
        its own way.
        """
        own = proposal.client_order_id
        working = tuple(order for order in self.working if order.client_order_id != own)
        positions = self.portfolio.positions if self.portfolio else {}
        near = {proposal.symbol, *(order.symbol for order in working), *positions}
        return self.model_copy(
            update={
                "universe": tuple(symbol for symbol in self.universe if symbol in near),
                "instruments": _only(self.instruments, near),
                "suspended": self.suspended & near,
                "sessions": _only(self.sessions, near),
                "quotes": _only(self.quotes, near),
                "dated": self.dated & near,
                "bars": _only(self.bars, near),
                "deltas": _only(self.deltas, near),
                "stops": _only(self.stops, {proposal.symbol}),
                "working": working,
                "sent": tuple(order for order in self.sent if order.client_order_id != own),
                "support": _only(self.support, {proposal.symbol}),
                "venue_signals": _only(self.venue_signals, {proposal.symbol}),
                "consents": tuple(consent for consent in self.consents if consent.client_order_id == own),
            }
        )

    def after(self, proposal: Proposal) -> Facts:
        """These facts once `proposal` was let through: what the next one is judged against."""
        order = WorkingOrder.of(proposal.order(), state=OrderState.APPROVED, stop_price=proposal.stop_price)
        working = [each for each in self.working if not (each.client_order_id in proposal.releases and each.protects)]
        return self.model_copy(
            update={"working": (*working, order), "sent": (*self.sent, SentOrder.of(proposal, at=self.now))}
        )


def _only(by_symbol: Mapping[str, T], symbols: Set[str]) -> dict[str, T]:
    return {symbol: value for symbol, value in by_symbol.items() if symbol in symbols}
