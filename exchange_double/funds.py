"""What an account may still spend: its cash, what open orders hold back, and what positions bind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from domain.money import ZERO
from exchange_double.account import Account, Position
from exchange_double.listing import Listing
from exchange_double.orders import NewOrder, Order
from exchange_double.stops import Stop, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One currency. `held` is what open spot orders and stops hold back, `margin` what swaps bind."""

    cash: Decimal
    held: Decimal = ZERO
    margin: Decimal = ZERO
    unrealised: Decimal = ZERO

    @property
    def equity(self) -> Decimal:
        return self.cash + self.unrealised

    @property
    def available(self) -> Decimal:
        """A loss that isn't realised can't be spent, nor can a gain."""
        return self.cash - self.held - self.margin + min(self.unrealised, ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPosition:
    """A position with its valuation. `notional` is in quote currency, unsigned."""

    position: Position
    average_price: Decimal
    mark_price: Decimal | None
    notional: Decimal
    unrealised: Decimal
    margin: Decimal
    leverage: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    balances: Mapping[str, Balance]
    positions: tuple[OpenPosition, ...]

    def available(self, currency: str) -> Decimal:
        balance = self.balances.get(currency)
        return balance.available if balance else ZERO


def funds(
    account: Account,
    open_orders: Iterable[Order],
    *,
    holding: Iterable[Stop] = (),
    listings: Mapping[str, Listing],
    mark: Callable[[str], Decimal | None],
    leverage: Mapping[str, Decimal],
) -> Funds:
    """The account as it stands, valued at `mark`; a position without a mark is valued at its cost.

    `holding` are the stops that hold something back.
    """
    held: dict[str, Decimal] = {}
    margin: dict[str, Decimal] = {}
    unrealised: dict[str, Decimal] = {}
    for order in open_orders:
        listing, new = listings[order.new.symbol], order.new
        if not listing.swap and new.side == "sell":
            _add(held, listing.base, order.remaining)
        elif not listing.swap:
            left = order.remaining if new.in_quote else order.remaining * (new.limit_price or ZERO)
            _add(held, listing.quote, left)
        elif not new.reduce_only:
            notional = order.remaining * (new.limit_price or ZERO) * listing.contract_size
            _add(margin, listing.quote, notional / leverage[new.symbol])
    for stop in holding:
        _add(held, *held_by(stop.new, stop.trigger, listings[stop.new.symbol]))
    positions = tuple(
        _valued(position, listings[position.symbol], mark(position.symbol), leverage[position.symbol])
        for position in account.positions.values()
    )
    for valued in positions:
        quote = listings[valued.position.symbol].quote
        _add(margin, quote, valued.margin)
        _add(unrealised, quote, valued.unrealised)
    balances = {
        currency: Balance(
            cash=account.cash.get(currency, ZERO),
            held=held.get(currency, ZERO),
            margin=margin.get(currency, ZERO),
            unrealised=unrealised.get(currency, ZERO),
        )
        for currency in sorted({*account.cash, *held, *margin})
    }
    return Funds(balances=balances, positions=positions)


def held_by(new: NewOrder, trigger: Trigger, listing: Listing) -> tuple[str, Decimal]:
    """What a stop on spot holds back: the currency, and how much of it."""
    if new.side == "sell":
        return listing.base, new.quantity
    return listing.quote, new.quantity * (new.limit_price or trigger.price)


def _valued(position: Position, listing: Listing, mark: Decimal | None, leverage: Decimal) -> OpenPosition:
    units = position.size * listing.contract_size
    value = position.cost if mark is None else units * mark
    return OpenPosition(
        position=position,
        average_price=position.cost / units,
        mark_price=mark,
        notional=abs(value),
        unrealised=value - position.cost,
        margin=abs(value) / leverage,
        leverage=leverage,
    )


def _add(totals: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    totals[currency] = totals.get(currency, ZERO) + amount
