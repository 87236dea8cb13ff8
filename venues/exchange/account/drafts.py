"""What is sent for an order, and why some orders are not sent at all."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from domain.digest import plain
from domain.money import on_grid
from domain.order import OrderRequest, Side
from domain.sizing import too_large, too_small
from venues.exchange.account.dialects.dialect import Params, Quirks
from venues.exchange.account.listed import Listed
from venues.exchange.guarded_client import text


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The arguments of ccxt's `create_order`. Amounts are in the exchange's unit, and all numbers are text."""

    symbol: str
    type: str
    side: Side
    amount: str
    price: str | None
    params: Params

    def as_row(self) -> dict[str, object]:
        """The same for `create_orders`."""
        return {
            "symbol": self.symbol,
            "type": self.type,
            "side": self.side,
            "amount": self.amount,
            "price": self.price,
            "params": self.params,
        }


def draft(order: OrderRequest, listed: Listed, quirks: Quirks) -> Draft:
    """Call it for an order that `objection` has nothing against."""
    make = quirks.stop if order.type == "stop" and quirks.stop else quirks.order
    targeted = order.type == "stop" and order.target_price is not None
    return Draft(
        symbol=order.symbol,
        type=quirks.targeted if targeted else "limit" if order.type == "limit" else "market",
        side=order.side,
        amount=text(listed.in_theirs(order.quantity)),
        price=None if order.limit_price is None else text(order.limit_price),
        params={**make(order), **(quirks.attached(order) if quirks.attached and order.stop_price else {})},
    )


def objection(order: OrderRequest, listed: Listed, quirks: Quirks, *, currency: str) -> str:
    """Why the order can't be sent as it is; empty when it can.

    What is off the exchange's grid is never rounded: a ticket is for one quantity and one price.
    """
    instrument = listed.instrument
    if instrument.quote != currency:
        return f"{order.symbol} is priced in {instrument.quote}, and the account is in {currency}"
    if order.type == "stop" and quirks.stop is None:
        return f"stops are not held at {quirks.exchange}"
    if (order.stop_price or order.target_price) and quirks.attached is None:
        return f"stops are not attached to entries at {quirks.exchange}, and have no targets"
    if order.type != "limit" and order.time_in_force == "FOK":
        return f"a {order.type} order is filled as far as it goes, and can't be FOK"
    if order.reduce_only and not listed.swap and order.side == "buy":
        return "on spot there is no short position that a buy could reduce"
    price = order.limit_price or order.trigger_price  # a market order's notional is the venue's to say
    if why := too_small(order.quantity, instrument, type=order.type, price=price, reduces=order.reduce_only):
        return why
    if why := too_large(order.quantity, instrument, type=order.type, price=price):
        return why
    checks: list[tuple[str, Decimal | None, Decimal]] = [
        ("quantity", order.quantity, instrument.lot_size),
        ("limit_price", order.limit_price, instrument.tick_size),
        ("trigger_price", order.trigger_price, instrument.tick_size),
        ("stop_price", order.stop_price, instrument.tick_size),
        ("target_price", order.target_price, instrument.tick_size),
    ]
    for name, value, step in checks:
        if value is not None and not on_grid(value, step):
            return f"{name} {plain(value)} is not a multiple of {plain(step)}"
    return ""
