"""An account at a venue as simple as can be: what it holds, its orders and trades, and what others do on it.

It shares no arithmetic with the ledger: swaps are counted in fractions, so that nothing is ever cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Literal

from domain.decision import Proposal
from domain.instrument import Instrument
from domain.order import Commission, Fill, OrderReport, OrderState
from domain.statement import ExternalEvent, Statement

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
_LOT = {"tick_size": Decimal("0.01"), "lot_size": Decimal("0.001")}
INSTRUMENTS = {
    SPOT: Instrument(symbol=SPOT, kind="spot", **_LOT),
    SWAP: Instrument(symbol=SWAP, kind="swap", **_LOT),
}
FeeIn = Literal["quote", "base", "coin", "rebate"]
_DIGITS = Context(prec=60)
_RATE = Decimal("0.001")


@dataclass
class _Swap:
    """Somebody's part of the swap: signed quantity, and the signed sum paid for it."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)

    def trade(self, traded: Fraction, price: Fraction) -> Fraction:
        """Trade, and return what that realised."""
        closing = Fraction(0)
        if self.quantity * traded < 0:
            closing = max(-abs(self.quantity), -abs(traded)) * (1 if self.quantity > 0 else -1)
        released = self.cost * -closing / self.quantity if closing else Fraction(0)
        opening = traded - closing
        self.quantity += traded
        self.cost += opening * price - released
        return -closing * price - released


@dataclass
class ModelOrder:
    """An order as the venue has it."""

    proposal: Proposal
    number: int
    arrived: bool
    state: OrderState = OrderState.WORKING
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), Decimal(0))

    @property
    def left(self) -> Decimal:
        return self.proposal.quantity - self.filled

    def report(self, *, at: datetime, shows: int | None = None) -> OrderReport:
        """The venue's word at this moment; `shows` of its trades, where not all of them are told yet."""
        return OrderReport(
            client_order_id=self.proposal.client_order_id,
            symbol=self.proposal.symbol,
            state=self.state,
            filled=self.filled,
            fills=tuple(self.fills[:shows]),
            at=at,
            venue_order_id=f"v{self.number}",
            evidence="by id",
        )

    def gone(self, *, at: datetime) -> OrderReport:
        """What is said of an order that the venue does not have, or not yet."""
        return OrderReport(
            client_order_id=self.proposal.client_order_id,
            symbol=self.proposal.symbol,
            state=OrderState.EXPIRED,
            reason="the venue has no such order",
            at=at,
            evidence="no such order",
        )


class ModelAccount:
    """One account that a desk and people share. Everything that people do becomes an event for the desk to learn of."""

    def __init__(self, *, cash: Decimal, coins: dict[str, Decimal]) -> None:
        self.wallet = Fraction(cash)
        self.coins = dict(coins)
        self.orders: list[ModelOrder] = []
        self.events: list[ExternalEvent] = []
        self.desk = _Swap()
        self.hand = _Swap()
        self.entry = Decimal(0)
        """At what the people's swap was opened: all of it at once."""
        self._count = 0

    def statement(self, *, at: datetime) -> Statement:
        swaps = self.desk.quantity + self.hand.quantity
        balances = {**self.coins, "USDT": _decimal(self.wallet)}
        return Statement(at=at, balances=balances, positions={SWAP: _decimal(swaps)} if swaps else {})

    # What the desk's orders do

    def receive(self, proposal: Proposal, *, arrives: bool) -> ModelOrder:
        order = ModelOrder(proposal, number=len(self.orders), arrived=arrives)
        self.orders.append(order)
        return order

    def fill(self, order: ModelOrder, quantity: Decimal, *, price: Decimal, fee_in: FeeIn, at: datetime) -> None:
        proposal = order.proposal
        fee = {"quote": quantity * price * _RATE, "rebate": -quantity * price * _RATE}.get(fee_in, Decimal(0))
        base = quantity * _RATE if fee_in == "base" and proposal.symbol == SPOT else Decimal(0)
        coin = Commission(currency="BNB", amount=quantity * _RATE) if fee_in == "coin" else None
        fill = Fill(
            trade_id=f"t{order.number}-{len(order.fills)}",
            client_order_id=proposal.client_order_id,
            symbol=proposal.symbol,
            side=proposal.side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_base=base,
            commission=coin,
            at=at,
        )
        order.fills.append(fill)
        order.state = OrderState.PARTIAL if order.left else OrderState.FILLED
        self.wallet -= Fraction(fee)
        if coin is not None:
            self._give("BNB", -coin.amount)
        if proposal.symbol == SPOT:
            self._give("BTC", fill.signed_quantity - base)
            self.wallet -= Fraction(fill.signed_quantity * price)
        else:
            self.wallet += self.desk.trade(Fraction(fill.signed_quantity), Fraction(price))

    # What people do

    def transfer(self, asset: str, amount: Decimal, *, at: datetime) -> None:
        if asset == "USDT":
            return self._cash("transfer", "USDT", amount, at=at)
        self._give(asset, amount)
        return self._happened("transfer", asset, quantity=amount, at=at)

    def fund(self, amount: Decimal, *, at: datetime) -> None:
        self._cash("funding", SWAP, amount, at=at)

    def trade_spot(self, quantity: Decimal, price: Decimal, *, at: datetime) -> None:
        cash = -quantity * price - abs(quantity) * price * _RATE
        self._give("BTC", quantity)
        self.wallet += Fraction(cash)
        self._happened("trade", "BTC", quantity=quantity, cash=cash, price=price, at=at)

    def trade_swap(self, quantity: Decimal, price: Decimal, *, at: datetime) -> None:
        """Open `quantity`, or close all that is open."""
        if self.hand.quantity:
            quantity = _decimal(-self.hand.quantity)
        else:
            self.entry = price
        gained = self.hand.trade(Fraction(quantity), Fraction(price)) - Fraction(abs(quantity) * price * _RATE)
        self.wallet += gained
        self._happened("trade", SWAP, quantity=quantity, cash=_decimal(gained), price=price, at=at)

    def hand_over_swap(self) -> Decimal:
        """What people held of the swap is the desk's from now on. The venue knows nothing of it."""
        quantity = _decimal(self.hand.quantity)
        self.desk.quantity += self.hand.quantity
        self.desk.cost += self.hand.cost
        self.hand = _Swap()
        return quantity

    def _cash(self, kind: Literal["transfer", "funding"], asset: str, amount: Decimal, *, at: datetime) -> None:
        self.wallet += Fraction(amount)
        self._happened(kind, asset, cash=amount, at=at)

    def _give(self, coin: str, amount: Decimal) -> None:
        self.coins[coin] = self.coins.get(coin, Decimal(0)) + amount

    def _happened(
        self,
        kind: Literal["trade", "transfer", "funding"],
        asset: str,
        *,
        quantity: Decimal = Decimal(0),
        cash: Decimal = Decimal(0),
        price: Decimal | None = None,
        at: datetime,
    ) -> None:
        self._count += 1
        event = ExternalEvent(
            id=f"{kind}:{self._count}", kind=kind, asset=asset, quantity=quantity, cash=cash, price=price, at=at
        )
        self.events.append(event)


def _decimal(value: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
