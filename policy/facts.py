"""Facts: the frozen picture that a proposal is judged against, with nothing else behind it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Self

from pydantic import model_validator

from domain.candle import Quote
from domain.decision import Proposal
from domain.digest import digest
from domain.instrument import Instrument
from domain.order import ClientOrderId, OrderRequest, OrderState, Side
from domain.portfolio import Portfolio
from domain.value import Amount, Instant, Positive, Symbol, Value


class WorkingOrder(Value):
    """An order that may still trade, by what of it is left."""

    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    remaining: Positive
    limit_price: Positive | None = None
    reduce_only: bool = False
    state: OrderState

    @classmethod
    def of(cls, order: OrderRequest, *, state: OrderState, filled: Decimal = Decimal(0)) -> Self:
        """`order` with `filled` of it done. Raises `ValidationError` when nothing is left."""
        return cls(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            remaining=order.quantity - filled,
            limit_price=order.limit_price,
            reduce_only=order.reduce_only,
            state=state,
        )


class Facts(Value):
    """What was known when a proposal was judged. What is not known is absent, never guessed.

    `working` holds every order of the account that may still trade, also those allowed a moment ago
    and not sent, but not the judged one. `portfolio.marks` prices what `quotes` does not.
    """

    as_of: Instant
    now: Instant
    universe: tuple[Symbol, ...]
    instruments: Mapping[Symbol, Instrument]
    quotes: Mapping[Symbol, Quote]
    portfolio: Portfolio | None
    working: tuple[WorkingOrder, ...] = ()
    day_start_equity: Amount | None
    """Equity when the day began, in UTC."""
    trading_state: str | None
    """`active`, `reducing` or `halted`; anything else refuses."""

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

        Its own order is left out of `working`: judged again after a crash, it does not stand in its own way.
        """
        own = proposal.client_order_id
        working = tuple(order for order in self.working if order.client_order_id != own)
        near = {proposal.symbol, *(order.symbol for order in working)}
        return self.model_copy(
            update={
                "universe": tuple(symbol for symbol in self.universe if symbol in near),
                "instruments": {symbol: found for symbol, found in self.instruments.items() if symbol in near},
                "quotes": {symbol: found for symbol, found in self.quotes.items() if symbol in near},
                "working": working,
            }
        )

    def with_working(self, order: WorkingOrder) -> Facts:
        """These facts after one more order was let through: what the next proposal is judged against."""
        return self.model_copy(update={"working": (*self.working, order)})
