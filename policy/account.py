"""The parts of the facts that tell of the account and of those who act on it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Self

from pydantic import Field

from domain.decision import Proposal
from domain.digest import digest
from domain.order import ClientOrderId, OrderRequest, OrderState, OrderType, Side
from domain.value import Amount, Digest, Instant, NonNegative, Positive, Symbol, Value, absent
from policy.ruling import Ruling
from policy.verdict import Finding

CONSENT_TOLERANCE = Decimal("0.05")
"""Part of the number that a person was shown by which the breach may have grown since: markets move meanwhile."""


class WorkingOrder(Value):
    """An order that may still trade, by what of it is left. Leave to send one counts from the moment it is given."""

    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    remaining: Positive
    limit_price: Positive | None = None
    stop_price: Positive | None = None
    """Where the position that it opens would be left."""
    reduce_only: bool = False
    state: OrderState
    trigger_price: Positive | None = Field(default=None, exclude_if=absent)
    """Of a stop: until the market meets it, the order waits."""

    @property
    def protects(self) -> bool:
        """Whether it is a protective stop."""
        return self.reduce_only and self.trigger_price is not None

    @classmethod
    def of(
        cls, order: OrderRequest, *, state: OrderState, filled: Decimal = Decimal(0), stop_price: Decimal | None = None
    ) -> Self:
        """`order` with `filled` of it done. Raises `ValidationError` when nothing is left."""
        return cls(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            remaining=order.quantity - filled,
            limit_price=order.limit_price,
            stop_price=stop_price,
            reduce_only=order.reduce_only,
            state=state,
            trigger_price=order.trigger_price,
        )


class SentOrder(Value):
    """An order that was let through lately, whatever became of it. `at` is when the gate let it through."""

    client_order_id: ClientOrderId
    agent: str
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Positive
    limit_price: Positive | None
    reduce_only: bool
    at: Instant
    trigger_price: Positive | None = Field(default=None, exclude_if=absent)

    @classmethod
    def of(cls, proposal: Proposal, *, at: datetime) -> Self:
        return cls(
            client_order_id=proposal.client_order_id,
            agent=proposal.agent,
            symbol=proposal.symbol,
            side=proposal.side,
            type=proposal.type,
            quantity=proposal.quantity,
            limit_price=proposal.limit_price,
            reduce_only=proposal.reduce_only,
            at=at,
            trigger_price=proposal.trigger_price,
        )


class ClosedTrade(Value):
    """A trade that went flat: its profit less the fees of both sides, in the account's currency."""

    symbol: Symbol
    closed_at: Instant
    profit: Amount


class EquityMarks(Value):
    """Equity at the moments that losses are counted from. What is not known is absent, and refuses."""

    day_start: Amount | None = None
    """When the day began, as the policy counts days."""
    week_start: Amount | None = None
    high: Amount | None = None
    """The high-water mark: the most that the equity has been at the end of any cycle."""


class Latch(Value):
    """An agent that is stopped in a symbol until a person re-arms it."""

    agent: str
    symbol: Symbol


class Rearmed(Value):
    """An agent that was stopped in a symbol and re-armed: its entries at or before `through` count no more."""

    agent: str
    symbol: Symbol
    through: Instant


class Usage(Value):
    """What the agents have used since the day began."""

    usd: NonNegative | None
    """`None` once a model was asked whose price is unknown: unknown, not free."""
    tokens: int
    tool_calls: int
    refusals_in_a_row: int
    """Entries that were refused since the last one that was let through."""


class Arming(Value):
    """Who armed a live desk, and until when."""

    by: str
    until: Instant


class Consent(Value):
    """A person's leave for one order: the findings with `codes` stand aside for it, as far as they were `shown`.

    Given for `review`, or to override a limit once; never for a check that can't be waived.
    """

    client_order_id: ClientOrderId
    order_digest: Digest
    codes: frozenset[str]
    shown: tuple[Finding, ...] = ()
    """The findings with `codes` as the person read them. Without the numbers, no finding with numbers stands."""
    by: str
    reason: str
    expires_at: Instant

    @property
    def digest(self) -> str:
        return digest(self)

    def covers(self, code: str, ruling: Ruling) -> bool:
        """Whether `ruling` is what the person let stand under `code`, and not worse.

        Its breach, the distance from its limit to what was observed, may be the one that was shown and 5 % of
        the number observed then (`CONSENT_TOLERANCE`). In another unit it is another finding. One without
        numbers stands by its code, where none were shown.
        """
        if code not in self.codes:
            return False
        approved = [
            (f.observed, f.limit, f.unit) for f in self.shown if f.code == code and f.outcome in ("review", "deny")
        ]
        if ruling.observed is None or ruling.limit is None:
            return all(observed is None for observed, _, _ in approved)
        breach = abs(ruling.observed - ruling.limit)
        return any(
            breach <= abs(observed - limit) + abs(observed) * CONSENT_TOLERANCE
            for observed, limit, unit in approved
            if observed is not None and limit is not None and unit == ruling.unit
        )
