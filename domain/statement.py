"""What a venue says an account holds and did: evidence, before it is in anyone's books.

Quantities are in base currency, prices and cash in quote currency, times are the venue's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Literal

from domain.digest import plain
from domain.money import EXACT, ZERO
from domain.order import Commission, Fill, OrderReport, Side
from domain.value import Amount, Instant, Positive, Symbol, Value

TransferKind = Literal["deposit", "withdrawal", "funding", "interest", "fee", "other"]


class Trade(Value):
    """One trade of the account, whoever sent the order. `client_order_id` is empty where the venue has none."""

    trade_id: str
    venue_order_id: str
    client_order_id: str = ""
    symbol: Symbol
    side: Side
    quantity: Positive
    price: Positive
    fee: Amount = ZERO
    fee_base: Amount = ZERO
    commission: Commission | None = None
    at: Instant


class Transfer(Value):
    """A change of a balance that no trade made. `amount` is signed: what the account gained."""

    id: str
    kind: TransferKind
    currency: str
    amount: Amount
    symbol: Symbol | None = None
    """Of funding: the perpetual."""
    at: Instant


class Statement(Value):
    """What the account holds at one moment, whatever it is locked for, and what of it may still trade."""

    at: Instant
    balances: Mapping[str, Amount]
    """By currency, free and locked together. On swaps the wallet: without what open positions gained or lost."""
    positions: Mapping[Symbol, Amount] = {}
    """Of swaps, signed; spot is in `balances`."""
    marks: Mapping[Symbol, Positive] = {}
    """As far as the venue shows them at the moment."""
    open_orders: tuple[OrderReport, ...] = ()
    """Every order of this desk's symbols that may trade, also such as this desk did not send and without id."""
    strangers: int = 0
    """How many more open orders there are whose client order id is not one that agentctl could have made."""


class KeyRights(Value):
    """What an API key may do, as far as the venue tells; `None` is not told."""

    account: str
    """The venue's own name of the account, such as its user id; empty where it does not tell."""
    trade: bool | None
    withdraw: bool | None


EventKind = Literal["opening", "trade", "transfer", "funding", "adoption", "liquidation"]


class ExternalEvent(Value):
    """A change of the account that this desk's orders did not make. Booked once, by `id`.

    `id` follows from the venue's own (`trade:123`, `transfer:9`), so that seen again it is the same. What is held
    by hand stands beside what the desk manages: the desk neither counts it as its own nor sells it. An adoption
    is how it comes to do both: see `adoption`.
    """

    id: str
    kind: EventKind
    asset: str
    """A currency on spot (`BTC`), the symbol of a swap, or the account's own currency for what moves cash alone."""
    quantity: Amount = ZERO
    """By how much what is held beside the desk's own changed; of a liquidation what was traded of the desk's own."""
    cash: Amount = ZERO
    """By how much the account's cash changed. Of trades in swaps: by what the wallet did, profit and fees."""
    price: Positive | None = None
    at: Instant
    note: str = ""

    @property
    def own(self) -> bool:
        """Whether it is the desk's own result, and nothing that was brought in: see `funding` and `liquidation`."""
        return self.kind == "liquidation" or (self.kind == "funding" and is_swap(self.asset))

    @property
    def trade(self) -> Fill | None:
        """Of a liquidation, the trade that it was, in the form of a fill of no order."""
        if self.kind != "liquidation" or self.price is None or not self.quantity:
            return None
        return Fill(
            trade_id=self.id,
            client_order_id=self.kind,
            symbol=self.asset,
            side="buy" if self.quantity > 0 else "sell",
            quantity=abs(self.quantity),
            price=self.price,
            fee=self.fee,
            at=self.at,
        )

    @property
    def fee(self) -> Decimal:
        """Of a liquidation, all that it moved in cash besides the notional; else nothing."""
        if self.kind != "liquidation" or self.price is None:
            return ZERO
        with localcontext(EXACT):
            return -self.quantity * self.price - self.cash


def funding(symbol: str, *, cash: Decimal, rate: Decimal, at: datetime) -> ExternalEvent:
    """The event by which the desk's own position in a perpetual was paid `cash`, or paid where it is negative.

    It is realised profit or loss of that position, as OKX and Bybit count it.
    """
    return ExternalEvent(
        id=f"funding:{symbol}:{at.isoformat()}",
        kind="funding",
        asset=symbol,
        cash=cash,
        at=at,
        note=f"rate {plain(rate)}",
    )


def liquidation(symbol: str, *, quantity: Decimal, price: Decimal, fee: Decimal, at: datetime) -> ExternalEvent:
    """The event by which the desk's own position in a perpetual was closed by the venue: a trade of signed `quantity`
    for which there was no order. Cash moves as by any trade, and so `fee` is what it moved besides the notional."""
    with localcontext(EXACT):
        cash = -quantity * price - fee
    id = f"liquidation:{symbol}:{at.isoformat()}"
    return ExternalEvent(
        id=id,
        kind="liquidation",
        asset=symbol,
        quantity=quantity,
        cash=cash,
        price=price,
        at=at,
        note=f"fee {plain(fee)}",
    )


def adoption(asset: str, *, quantity: Decimal, price: Decimal, id: str, at: datetime, note: str = "") -> ExternalEvent:
    """The event by which the desk takes over signed `quantity` of what is held beside its own, at `price`.

    Spot is brought in at its worth, and no cash moves. A swap is brought in as if the desk had opened it: cash,
    which counts swaps as paid in full, falls by the notional, and no worth is added. Its price must be the venue's
    entry price, or what it gained before would be missing from the wallet when it is closed; and it can't be brought
    in against one that the desk holds the other way, for what that would realise is in no wallet.
    """
    with localcontext(EXACT):
        cash = -quantity * price if is_swap(asset) else ZERO
        return ExternalEvent(
            id=id, kind="adoption", asset=asset, quantity=-quantity, cash=cash, price=price, at=at, note=note
        )


def trade_event_id(symbol: str, trade_id: str) -> str:
    """Of the event that a trade is which no order of this account made."""
    return f"trade:{symbol}:{trade_id}"


def is_swap(asset: str) -> bool:
    """Whether it names a perpetual, as `BTC/USDT:USDT`, and not a currency or a pair on spot."""
    return ":" in asset


class Expected(Value):
    """What a statement must say if the books are right."""

    balances: Mapping[str, Amount]
    positions: Mapping[Symbol, Amount]
    rounded: str = ""
    """The currency in which swaps were closed, wholly or in part: see `differences`."""


class Difference(Value):
    """One amount on which books and venue differ."""

    asset: str
    ours: Amount
    theirs: Amount


def differences(expected: Expected, statement: Statement, *, dust: Decimal = ZERO) -> tuple[Difference, ...]:
    """Every amount on which the books and a statement differ, by asset; what one of them does not name is 0.

    Spot and positions must agree to the last digit. `dust` is allowed for the currency in which swaps were closed,
    and for nothing else: of an average price that does not end, as of 1 at 10 and 2 at 11, a venue cuts the
    digits where it likes, and we cut the released cost at our own grain. What it cut stays in the wallet when the
    position is flat, so it is allowed from the first close on. Before that, this too must agree exactly.
    """
    pairs = [(expected.balances, statement.balances), (expected.positions, statement.positions)]
    compared = [
        Difference(asset=asset, ours=ours.get(asset, ZERO), theirs=theirs.get(asset, ZERO))
        for ours, theirs in pairs
        for asset in sorted(ours.keys() | theirs.keys())
    ]
    with localcontext(EXACT):
        allowed = {expected.rounded: dust}
        return tuple(apart for apart in compared if abs(apart.ours - apart.theirs) > allowed.get(apart.asset, ZERO))
