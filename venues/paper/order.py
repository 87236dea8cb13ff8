"""One order on the paper venue's book, and the form in which it outlives a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain.candle import Candle
from domain.money import ZERO
from domain.order import Fill, OrderReport, OrderRequest, OrderState
from domain.value import Instant, Value
from venues.costs import fee
from venues.paper.fills import Chance

_AVERAGE_GRAIN = Decimal("1e-12")


class RestoredOrder(Value):
    """An order as the ledger remembers it: what was sent, when, and the venue's last word."""

    request: OrderRequest
    submitted_at: Instant
    report: OrderReport


@dataclass(slots=True)
class PaperOrder:
    """An order with its fills so far. Only the venue changes it."""

    request: OrderRequest
    submitted_at: datetime
    at: datetime
    """When its state last changed."""
    state: OrderState = OrderState.WORKING
    fills: list[Fill] = field(default_factory=list)
    filled: Decimal = ZERO
    reason: str = ""
    triggered: bool = False
    """Of stops: its price has come, and what is left of it is a market order."""
    exit: PaperOrder | None = None
    """The stop that is attached to what this entry filled."""

    @classmethod
    def restored(cls, order: RestoredOrder) -> PaperOrder:
        report = order.report
        confirmed = report.state.terminal or report.state.at_venue
        return cls(
            request=order.request,
            submitted_at=order.submitted_at,
            at=report.at,
            state=report.state if confirmed else OrderState.WORKING,
            fills=list(report.fills),
            filled=sum((fill.quantity for fill in report.fills), ZERO),
            reason=report.reason,
            triggered=bool(report.venue_order_id),
        )

    def attach(self) -> PaperOrder | None:
        """Give what this entry filled its stop, or let that grow. The stop, where it is new."""
        if self.request.stop_price is None or not self.filled:
            return None
        if self.exit is None:
            self.exit = PaperOrder(self.request.exit_order(self.filled), submitted_at=self.submitted_at, at=self.at)
            return self.exit
        if self.exit.state.working and self.exit.request.quantity < self.filled:
            self.exit.request = self.request.exit_order(self.filled)
        return None

    @property
    def remaining(self) -> Decimal:
        return self.request.quantity - self.filled

    @property
    def rank(self) -> tuple[datetime, str, bool]:
        """Who is served first: the older order, and of two sent at once the one whose id sorts first.

        An attached stop comes right after its entry. The rank is a property of the orders alone, so that a restart
        serves them alike.
        """
        entry = self.request.attached_to
        return self.submitted_at, entry or self.request.client_order_id, entry is not None

    def meets(self, bar: Candle) -> bool:
        """Whether the bar works on it: one that opened after it was sent, and on stops also one that closed after that.

        Where a stop was sent while a bar was open, the bar may have met its trigger before. A paper account is not
        better off for that.
        """
        return bar.closed_at > self.submitted_at if self.request.type == "stop" else bar.opened_at >= self.submitted_at

    def waited(self, bar: Candle) -> bool:
        """Whether it was in the book for a whole bar before this one."""
        return bar.opened_at - self.submitted_at >= bar.closed_at - bar.opened_at

    def fill(self, quantity: Decimal, chance: Chance) -> Fill:
        request = self.request
        fill = Fill(
            trade_id=f"{request.client_order_id}-{len(self.fills) + 1}",
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            quantity=quantity,
            price=chance.price,
            fee=fee(quantity * chance.price, chance.rate),
            at=chance.at,
        )
        self.fills.append(fill)
        self.filled += quantity
        self.state = OrderState.PARTIAL if self.remaining else OrderState.FILLED
        self.at = chance.at
        return fill

    def end(self, state: OrderState, *, reason: str, at: datetime) -> None:
        self.state, self.reason, self.at = state, reason, at

    def report(self) -> OrderReport:
        notional = sum((fill.notional for fill in self.fills), ZERO)
        return OrderReport(
            client_order_id=self.request.client_order_id,
            symbol=self.request.symbol,
            state=self.state,
            filled=self.filled,
            average_price=(notional / self.filled).quantize(_AVERAGE_GRAIN) if self.filled else None,
            fills=tuple(self.fills),
            reason=self.reason,
            at=self.at,
            venue_order_id=f"{self.request.client_order_id}-triggered" if self.triggered else "",
            quantity=self.request.quantity if self.request.attached_to is not None else None,
        )
