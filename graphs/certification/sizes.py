"""The least orders by which a venue can be certified, on its grid. Pure."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Final

from domain.candle import Quote
from domain.digest import plain
from domain.errors import UsageError
from domain.instrument import Instrument
from domain.money import BPS, ceil_to, floor_to
from domain.sizing import least_entry
from domain.value import Positive, Value

FAR_BPS: Final = Decimal(1_000)
"""How far below the market the limit order rests that must not fill."""
BOUND_BPS: Final = Decimal(50)
"""How far above the ask the entry may fill."""
STOP_BPS: Final = Decimal(1_000)
"""How far below the price of its order a stop stands: nothing must trigger it meanwhile."""
NEARER_BPS: Final = Decimal(900)
"""... and where it is moved to."""
_DEAR: Final = Decimal("0.005")
"""A fee that no exchange takes of a spot trade."""
_ROOM: Final = Decimal("1.05")
"""Over what the larger order is worth, so that the market may move a little until it is sent."""

_DOWN = Context(prec=60, rounding=ROUND_FLOOR)
_DISPLAY = Context(prec=4, rounding=ROUND_CEILING)


class Sizes(Value):
    """One buy at a limit, with the stop that it names."""

    price: Positive
    quantity: Positive
    stop: Positive

    @property
    def notional(self) -> Decimal:
        return self.price * self.quantity


def far_limit(instrument: Instrument, quote: Quote) -> Sizes:
    """A buy that rests far below the market."""
    return _least(instrument, price=floor_to(_part(quote.bid, -FAR_BPS), instrument.tick_size))


def entry(instrument: Instrument, quote: Quote) -> Sizes:
    """The least buy that fills at once, within its bound, and can be sold again."""
    at_once = ceil_to(quote.ask, instrument.tick_size)
    bound = floor_to(_part(quote.ask, BOUND_BPS), instrument.tick_size)
    return _least(instrument, price=max(at_once, bound))


def stop_below(price: Decimal, instrument: Instrument, *, bps: Decimal) -> Decimal:
    return floor_to(_part(price, -bps), instrument.tick_size)


def needed(instrument: Instrument, quote: Quote) -> Decimal:
    """What a certification must be allowed to spend, in quote currency, with some room."""
    largest = max(far_limit(instrument, quote).notional, entry(instrument, quote).notional)
    return _DISPLAY.multiply(largest, _ROOM)


def allowed(instrument: Instrument, quote: Quote, *, most: Decimal | None) -> Decimal:
    """What it may spend: `most`, or just what it needs. Raises `UsageError` where that is more than `most`."""
    least = needed(instrument, quote)
    if most is not None and most < least:
        raise UsageError(
            f"the least orders in {instrument.symbol} are worth {plain(least)} {instrument.quote}, "
            f"and --most allows {plain(most)}",
            remedy=f"Give --most {plain(least)}, or another --symbol",
        )
    return least if most is None else most


def _least(instrument: Instrument, *, price: Decimal) -> Sizes:
    """The least that can be sold again, also where more is taken as a fee than the instrument states."""
    stop = stop_below(price, instrument, bps=STOP_BPS)
    dear = instrument.model_copy(update={"taker_fee": max(_DEAR, instrument.taker_fee)})
    quantity = least_entry(dear, side="buy", type="limit", price=price, exit=stop)
    return Sizes(price=price, quantity=quantity, stop=stop)


def _part(price: Decimal, bps: Decimal) -> Decimal:
    return _DOWN.multiply(price, _DOWN.divide(BPS + bps, BPS))
