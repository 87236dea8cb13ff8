"""Orders as they are shown where a stop is an order like others: those that wait or failed are among them."""

from __future__ import annotations

from collections.abc import Sequence

from exchange_double.engine import Engine
from exchange_double.orders import Cause, Order, Status
from exchange_double.stops import Stop, StopStatus

_ENDS = {StopStatus.CANCELLED: Cause.USER, StopStatus.FAILED: Cause.REFUSED}


def every_order(engine: Engine) -> Sequence[Order]:
    """Orders and the stops that are orders, oldest first."""
    stops = [as_order(stop, engine) for stop in engine.stops if stop.same_order and not stop.order_id]
    return sorted([*engine.orders, *stops], key=lambda order: int(order.order_id))


def every_open_order(engine: Engine) -> Sequence[Order]:
    """Those that may still trade, oldest first."""
    stops = [as_order(stop, engine) for stop in engine.waiting_stops if stop.same_order]
    return sorted([*engine.open_orders, *stops], key=lambda order: int(order.order_id))


def find_order(engine: Engine, *, order_id: str = "", client_order_id: str = "") -> Order | None:
    """By the venue's id, else the newest under a client's id."""
    found = engine.find(order_id=order_id, client_order_id=client_order_id)
    stop = engine.find_stop(stop_id=order_id, client_order_id=client_order_id)
    if stop is None or not stop.same_order or stop.order_id:
        return found
    waits = as_order(stop, engine)
    return waits if found is None or int(found.order_id) < int(waits.order_id) else found


def stop_of(order: Order, engine: Engine) -> Stop | None:
    """The stop that an order is, or was before it triggered."""
    stop = engine.find_stop(stop_id=order.stop_id) if order.stop_id else None
    return stop if stop is not None and stop.same_order else None


def cancel_order(order: Order, engine: Engine) -> Order:
    """Cancel an order, or a stop that waits. Raises `Refused` when there is nothing to cancel."""
    stop = stop_of(order, engine)
    if stop is None or stop.order_id:
        return engine.cancel(order.order_id)
    return as_order(engine.cancel_stop(stop.stop_id), engine)


def fill_order(order: Order, engine: Engine) -> None:
    """Fill a resting order, or trigger a stop that waits."""
    stop = stop_of(order, engine)
    if stop is not None and stop.waiting:
        engine.trigger(stop.stop_id)
    else:
        engine.fill(order.order_id)


def as_order(stop: Stop, engine: Engine) -> Order:
    """A stop that has not become an order of the book."""
    listing, buys = engine.listings[stop.new.symbol], stop.new.side == "buy"
    return Order(
        order_id=stop.stop_id,
        new=stop.new,
        fee_currency=listing.base if buys and not listing.swap else listing.quote,
        created_at=stop.created_at,
        updated_at=stop.updated_at,
        status=Status.LIVE if stop.waiting else Status.CANCELLED,
        cause=_ENDS.get(stop.status),
        stop_id=stop.stop_id,
    )
