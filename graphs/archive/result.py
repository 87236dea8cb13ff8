"""The document that a run ends with: `run --json` prints it, notebooks get it as a value."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pydantic import Field

from domain.decision import Decision
from domain.money import ZERO
from domain.order import ClientOrderId, OrderState, OrderType, Side
from domain.value import Symbol, Value, absent
from graphs.session.ending import OpenPosition
from graphs.session.eras import EraLine
from memory.ledger.orders import OrderRecord
from memory.operators.controls import Control
from venues.costs import PaperCosts


class OrderLine(Value):
    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    """Average fill price; the limit price before the first fill; none for a market order without fills."""
    state: OrderState
    filled: Decimal
    fee: Decimal
    reason: str = Field(default="", exclude_if=absent)
    """Why it is in this state, where that is not plain."""

    @staticmethod
    def of(record: OrderRecord) -> OrderLine:
        request = record.request
        return OrderLine(
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            quantity=request.quantity,
            price=record.average_price or request.limit_price,
            state=record.state,
            filled=record.filled,
            fee=record.fee,
            reason=record.reason,
        )


class EquityLine(Value):
    start: Decimal
    end: Decimal
    realized: Decimal
    unrealized: Decimal
    fees: Decimal
    funding: Decimal = Field(default=ZERO, exclude_if=absent)
    """What of `realized` perpetuals were paid, less what they paid."""
    contributed: Decimal = Field(default=ZERO, exclude_if=absent)
    """What was brought in, less what was taken out."""
    reconciled: bool
    """The books add up, and end = start + contributed + realized + unrealized - fees."""


class Cost(Value):
    tokens: int
    usd: Decimal | None
    """`None` when a model was asked whose price is not known."""


class Timings(Value):
    """Wall-clock times of this process, in milliseconds; not part of what is digested."""

    cycles: int
    total_ms: float
    median_ms: float
    p95_ms: float
    max_ms: float
    nodes_ms: Mapping[str, float]
    """Mean per cycle and node."""


class RunResult(Value):
    run_id: str
    status: str
    graph: str
    market: str
    timeframe: str
    symbols: tuple[Symbol, ...]
    model: str
    mode: str
    seed: int
    cycles: int
    asked: int | None
    """How many cycles it was to have when it last went on; `None` where it goes on until it is stopped."""
    seal: str
    """The digest that every decision, effect, order and fill of the run ends up in."""
    decisions: tuple[Decision, ...]
    orders: tuple[OrderLine, ...]
    snapshots: tuple[str, ...]
    equity: EquityLine
    cost: Cost
    timings: Timings
    costs: PaperCosts | None = Field(default=None, exclude_if=absent)
    """What trading costs, on paper."""
    notes: tuple[str, ...] = ()
    model_failures: Mapping[str, int] = Field(default={}, exclude_if=absent)
    """Questions to the model that gave no opinion, by kind."""
    trading: Control | None = Field(default=None, exclude_if=absent)
    """What restricts trading for it now; not there while nothing does."""
    open_positions: tuple[OpenPosition, ...] = Field(default=(), exclude_if=absent)
    version: str = ""
    """Of agentctl, that decided last."""
    eras: tuple[EraLine, ...] = Field(default=(), exclude_if=absent)
    """What decided, from which cycle on; empty where nothing ever changed."""
    cut_short: tuple[int, ...] = Field(default=(), exclude_if=absent)
    """Cycles that came to no end of their own."""

    @property
    def venue(self) -> str:
        """Where it trades. A second exchange in `market` only shows and checks prices."""
        return self.market.partition(",")[0]

    @property
    def resume_command(self) -> str:
        """What goes on with it, as far as it was to go."""
        bound = f" --cycles {self.asked}" if self.asked and self.status != "finished" else ""
        return resume_command(self.run_id, live=self.mode == "live") + bound


def resume_command(run_id: str, *, live: bool) -> str:
    """What goes on with a run."""
    return f"agentctl run{' --live' if live else ''} --resume {run_id}"
