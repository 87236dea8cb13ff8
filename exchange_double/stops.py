"""Stops as the double's engine keeps them: orders that wait for a price, and what became of each.

A stop is on no book, and holds something back only where the exchange does so. Once the price reaches its trigger,
the order that it holds is placed as any other: it may be refused then, and the stop has failed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from domain.order import Side
from exchange_double.orders import Attached, NewOrder, Reason

TriggerBy = Literal["last", "mark"]
"""Which price is watched."""


class StopStatus(StrEnum):
    WAITING = "waiting"
    TRIGGERED = "triggered"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When an order is placed: once the price is at or `below` this price, or at or `above` it."""

    price: Decimal
    direction: Literal["below", "above"]
    by: TriggerBy = "last"

    def reached(self, price: Decimal) -> bool:
        return price <= self.price if self.direction == "below" else price >= self.price

    def is_stop_loss(self, side: Side) -> bool:
        """Whether an order of this side would leave at a worse price than now; otherwise it takes a profit."""
        return (side == "sell") == (self.direction == "below")


def triggers(attached: Attached, *, sells: bool) -> tuple[Trigger, Trigger | None]:
    """What the exits of an order wait for: the stop, and the target where there is one."""
    losing: Literal["below", "above"] = "below" if sells else "above"
    gaining: Literal["below", "above"] = "above" if sells else "below"
    target = attached.target_price
    return (
        Trigger(price=attached.stop_price, direction=losing),
        None if target is None else Trigger(price=target, direction=gaining),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One stop and what became of it. Every change makes a new value."""

    stop_id: str
    client_order_id: str
    """Of the stop. The order that it becomes has what is in `new`: at some exchanges none, at others this one."""
    same_order: bool = False
    """The order that it becomes is the stop itself: it keeps its id and the time that it was made at."""
    holds: bool = False
    """It holds back what its order will pay with, as that order would. Of spot only."""
    new: NewOrder
    trigger: Trigger
    target: Trigger | None = None
    """Beyond it on the other side: whichever is reached first places the order, and the other is gone."""
    met: Trigger | None = None
    """Which was reached."""
    created_at: datetime
    updated_at: datetime
    form: str = ""
    """What the exchange calls this kind of order, for its wire to show again."""
    status: StopStatus = StopStatus.WAITING
    order_id: str = ""
    """The order that it became."""
    reason: Reason | None = None
    """Why that order was refused."""
    stop_after: Decimal | None = None
    """See `Engine.place`: it happens to the order that this becomes."""

    @property
    def waiting(self) -> bool:
        return self.status is StopStatus.WAITING

    def reached(self, price: Decimal) -> Trigger | None:
        """What this price reaches: the trigger, or else the target."""
        return next((each for each in (self.trigger, self.target) if each and each.reached(price)), None)


class Stops:
    """Every stop ever accepted, and the newest under each client order id."""

    def __init__(self, *, changed: Callable[[Stop], None]) -> None:
        """`changed` is told of every stop as it has become."""
        self._changed = changed
        self._stops: dict[str, Stop] = {}
        self._waiting: dict[str, None] = {}
        self._newest: dict[str, str] = {}

    def put(self, stop: Stop) -> Stop:
        if stop.stop_id not in self._stops and stop.client_order_id:
            self._newest[stop.client_order_id] = stop.stop_id
        self._stops[stop.stop_id] = stop
        if stop.waiting:
            self._waiting[stop.stop_id] = None
        else:
            self.release(stop.stop_id)
        self._changed(stop)
        return stop

    def release(self, stop_id: str) -> None:
        """It waits no longer, and holds nothing back: what becomes of it is about to be put."""
        self._waiting.pop(stop_id, None)

    def find(self, *, stop_id: str, client_order_id: str) -> Stop | None:
        return self._stops.get(stop_id or self._newest.get(client_order_id, ""))

    @property
    def all(self) -> tuple[Stop, ...]:
        """Oldest first."""
        return tuple(self._stops.values())

    @property
    def waiting(self) -> tuple[Stop, ...]:
        """Oldest first."""
        return tuple(self._stops[stop_id] for stop_id in self._waiting)

    def due(self, price: Callable[[str, TriggerBy], Decimal | None]) -> Stop | None:
        """The oldest that waits for no more than what `price` says of its symbol."""
        for stop in self.waiting:
            seen = price(stop.new.symbol, stop.trigger.by)
            if seen is not None and (met := stop.reached(seen)) is not None:
                return replace(stop, met=met)
        return None
