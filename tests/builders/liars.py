"""Orders and tickets that are not what they say: each is a way to have more filled than was judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from domain.decision import Ticket
from domain.order import OrderRequest

Attack = Callable[[OrderRequest, Ticket], tuple[OrderRequest, Ticket]]
"""Makes of an order and the ticket that fits it something for seven times as much."""

TIMES = 7


class QuietDecimal(Decimal):
    """Prints a seventh of what it is, and says that it is equal to anything."""

    def __format__(self, spec: str, /) -> str:
        return format(Decimal(self) / TIMES, spec)

    def __str__(self) -> str:
        return str(Decimal(self) / TIMES)

    __hash__ = Decimal.__hash__

    def __eq__(self, other: object) -> bool:
        return True


class AnyText(str):
    """Is equal to any other."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


class LyingOrder(OrderRequest):
    """Has the digest of another order."""

    @property
    def digest(self) -> str:
        return _digests[id(self)]


_digests: dict[int, str] = {}


class TwoFacedOrder(OrderRequest):
    """Shows one quantity to whoever looks first, and another from then on."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name != "quantity":
            return value
        looks = _looks[id(self)] = _looks.get(id(self), 0) + 1
        return value if looks == 1 else value * TIMES


_looks: dict[int, int] = {}


class LyingTicket(Ticket):
    """Is for whatever it is compared with."""


class NoOrder:
    """Has the fields of an order, and says that it is one."""

    def __init__(self, **fields: object) -> None:
        vars(self).update(fields)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return OrderRequest


def more(order: OrderRequest) -> Decimal:
    return order.quantity * TIMES


def changed(order: OrderRequest, **fields: object) -> OrderRequest:
    """The very same object, after its digest was asked for."""
    assert order.digest
    for name, value in fields.items():
        object.__setattr__(order, name, value)
    return order


def _in_its_dict(order: OrderRequest, ticket: Ticket) -> tuple[OrderRequest, Ticket]:
    assert order.digest
    order.__dict__["quantity"] = more(order)
    return order, ticket


def _lying_digest(order: OrderRequest, ticket: Ticket) -> tuple[OrderRequest, Ticket]:
    lying = LyingOrder.model_validate({**order.model_dump(), "quantity": more(order)})
    _digests[id(lying)] = order.digest
    return lying, ticket


def _any_digest(order: OrderRequest, ticket: Ticket) -> tuple[OrderRequest, Ticket]:
    grown = OrderRequest.model_validate({**order.model_dump(), "quantity": more(order)})
    fields = {**ticket.__dict__, "order_digest": AnyText(ticket.order_digest)}
    return grown, Ticket.model_construct(**fields)


def _other_names(order: OrderRequest, ticket: Ticket) -> tuple[OrderRequest, Ticket]:
    fields = {name: AnyText(value) if isinstance(value, str) else value for name, value in ticket.__dict__.items()}
    grown = OrderRequest.model_validate({**order.model_dump(), "quantity": more(order), "client_order_id": "acother"})
    return grown, LyingTicket.model_construct(**fields)


def _with(**over: Callable[[OrderRequest], object]) -> Attack:
    def attack(order: OrderRequest, ticket: Ticket) -> tuple[OrderRequest, Ticket]:
        made = {name: make(order) for name, make in over.items()}
        return OrderRequest.model_construct(**{**order.__dict__, **made}), ticket

    return attack


def _without_a_ticket(ticket: object) -> Attack:
    return lambda order, _: (order, cast(Ticket, ticket))


ATTACKS: Mapping[str, Attack] = {
    "the order was changed after its ticket": lambda order, ticket: (changed(order, quantity=more(order)), ticket),
    "the order was changed in its dict": _in_its_dict,
    "the order got a field that no order has": lambda order, ticket: (_with_field(order), ticket),
    "the order's class lies about its digest": _lying_digest,
    "the order's class shows two quantities": lambda order, ticket: (
        TwoFacedOrder.model_validate(order.model_dump()),
        ticket,
    ),
    "the order is none": lambda order, ticket: (cast(OrderRequest, NoOrder(**order.__dict__)), ticket),
    "the order is a namespace": lambda order, ticket: (cast(OrderRequest, SimpleNamespace(**order.__dict__)), ticket),
    "the quantity prints another number": _with(quantity=lambda order: QuietDecimal(more(order))),
    "the quantity is a number of another kind": _with(quantity=lambda order: float(order.quantity)),
    "the quantity is a text": _with(quantity=lambda order: str(order.quantity)),
    "the side is equal to any": _with(side=lambda order: AnyText("sell" if order.side == "buy" else "buy")),
    "the mark is no switch": _with(reduce_only=lambda order: 0),
    "the ticket is bound to any order": _any_digest,
    "the ticket is equal to any": _other_names,
    "there is no ticket": _without_a_ticket(None),
    "the ticket is a text": _without_a_ticket("ticket"),
    "the ticket is an object": _without_a_ticket(object()),
}


def _with_field(order: OrderRequest) -> OrderRequest:
    order.__dict__["digest"] = order.digest
    order.__dict__["quantity"] = more(order)
    return order
