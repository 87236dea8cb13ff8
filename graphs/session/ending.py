"""How a run ends: it keeps its positions or closes them, and says what is then open and who looks after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal

from pydantic import Field

from agents.protection import Cover, cover
from domain.digest import plain
from domain.instrument import Instrument
from domain.money import ZERO
from domain.portfolio import Portfolio, Position
from domain.value import Amount, NonNegative, Symbol, Value, absent
from memory.ledger.orders import OrderRecord
from memory.operators.audit_log import HOUSE
from memory.operators.controls import Control

OnExit = Literal["keep", "flatten"]
"""What a run does with its positions when it ends in order."""

CLOSING: Final = Control(
    scope="", state="reducing", flatten=True, by=HOUSE, reason="the run is ending and closes its positions"
)
"""In force in the last cycles of a run that ends with `flatten`, and recorded as what its cycles found."""


class OpenPosition(Value):
    """A position as a run leaves it, with its stop and where that rests."""

    symbol: Symbol
    quantity: Amount
    average_price: Amount | None
    stop_price: Amount | None = Field(default=None, exclude_if=absent)
    target_price: Amount | None = Field(default=None, exclude_if=absent)
    at_venue: NonNegative = Field(default=ZERO, exclude_if=absent)
    """How much of the quantity stop orders at the venue would close; only the run watches the rest."""
    guarded: bool = Field(default=False, exclude_if=absent)
    """Whether that is all of it that can be traded."""
    in_doubt: bool = Field(default=False, exclude_if=absent)
    """Whether a stop order was sent of which it is not known whether the venue has it."""
    targeted: bool = Field(default=False, exclude_if=absent)
    """Whether those stops have the target with them."""

    def describe(self, venue: str) -> str:
        side = "long" if self.quantity > 0 else "short"
        price = f" at {plain(self.average_price)}" if self.average_price is not None else ""
        watched = f"; target {plain(self.target_price)}" if self.target_price is not None else ""
        target = "" if self.guarded and self.targeted else watched
        return f"{self.symbol}: {side} {plain(abs(self.quantity))}{price}; {self._stop(venue)}{target}"

    def _stop(self, venue: str) -> str:
        if self.stop_price is None:
            return "no stop"
        stop = f"stop {plain(self.stop_price)}"
        if self.guarded and self.targeted and self.target_price is not None:
            return f"{stop} and target {plain(self.target_price)} held at {venue}"
        if self.guarded:
            return f"{stop} held at {venue}"
        if self.in_doubt:
            return f"{stop} sent to {venue}, which has not confirmed it"
        if self.at_venue:
            return f"{stop} held at {venue} for {plain(self.at_venue)} of it"
        return f"{stop} watched by the run only"


def open_positions(
    portfolio: Portfolio,
    working: Sequence[OrderRecord],
    *,
    instruments: Mapping[str, Instrument],
    stops: Mapping[str, Decimal],
) -> tuple[OpenPosition, ...]:
    """What `portfolio` holds, with the stop orders among `working`; `stops` is where stops stand that trail."""
    return tuple(
        _open_position(
            position,
            cover(position, working, lot_size=instruments[symbol].lot_size if symbol in instruments else ZERO),
            stop=stops.get(symbol),
        )
        for symbol, position in sorted(portfolio.positions.items())
    )


def unwatched(positions: Sequence[OpenPosition]) -> str:
    """What nobody looks after while the run does not go on."""
    bare = [p.symbol for p in positions if p.stop_price is not None and not p.guarded]
    stops = [f"the stop{'s' if len(bare) > 1 else ''} of {', '.join(bare)}"] if bare else []
    open_ended = [p.symbol for p in positions if p.target_price is not None and not (p.guarded and p.targeted)]
    named = [f"the target{'s' if len(open_ended) > 1 else ''} of {', '.join(open_ended)}"] if open_ended else []
    targets = named if any(p.targeted for p in positions) else ["all targets"]
    return " and ".join([*stops, ", ".join([*targets, "time limits and theses"])])


def _open_position(position: Position, cover: Cover, *, stop: Decimal | None) -> OpenPosition:
    return OpenPosition(
        symbol=position.symbol,
        quantity=position.quantity,
        average_price=position.average_price,
        stop_price=cover.trigger_price or stop or position.stop_price,
        target_price=position.target_price,
        at_venue=cover.at_venue,
        guarded=cover.at_venue > 0 and cover.whole,
        in_doubt=bool(cover.in_doubt),
        targeted=cover.targeted,
    )
