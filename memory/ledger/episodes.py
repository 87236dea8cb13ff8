"""Closed trades out of fills: from flat to flat, the fees of both sides and the funding between counted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from typing import Final, Literal

from domain.decision import Episode
from domain.money import EXACT, ZERO
from domain.order import Fill, OrderRequest
from domain.portfolio import Position
from domain.statement import ExternalEvent
from memory.ledger.external_events import LIQUIDATION

_GRAIN = Decimal("1e-12")
_SHARE = Context(prec=60)
Cause = Literal["stop", "target", "liquidation"]

NO_REQUESTS: Final[Mapping[str, OrderRequest]] = {}


def closed_trades(
    before: Sequence[Fill],
    recorded: Sequence[Fill],
    *,
    requests: Mapping[str, OrderRequest] = NO_REQUESTS,
    funding: Sequence[ExternalEvent] = (),
) -> tuple[Episode, ...]:
    """The trades in one symbol that `recorded` closed, in order. `requests` are the orders behind it, by id.

    `before` are the fills since the position was last flat; both in the order in which they were
    booked. A fill that flips closes one trade and opens the next, and its fee is shared by quantity. `funding` counts
    to the trade that was open when it came: after it began, and no later than it ended.
    """
    paid = [event for event in funding if event.kind == "funding"]
    with localcontext(EXACT):
        return tuple(_with_funding(episode, paid) for episode in _closed(before, recorded, requests))


def _with_funding(episode: Episode, paid: Sequence[ExternalEvent]) -> Episode:
    cash = sum((event.cash for event in paid if episode.opened_at < event.at <= episode.closed_at), ZERO)
    return episode.model_copy(update={"profit": episode.profit + cash, "funding": cash}) if cash else episode


def _closed(
    before: Sequence[Fill], recorded: Sequence[Fill], requests: Mapping[str, OrderRequest]
) -> Iterator[Episode]:
    trade: Position | None = None
    notional = ZERO
    cause: Cause | None = None
    for number, fill in enumerate((*before, *recorded)):
        for part in _parts(trade.quantity if trade else ZERO, fill):
            if trade is None:
                trade, notional, cause = Position(symbol=part.symbol), ZERO, None
            if trade.quantity * part.signed_quantity >= 0:
                notional += part.notional
            elif fill.client_order_id == LIQUIDATION:
                cause = "liquidation"
            elif fill.client_order_id in requests:  # and no remainder that was written off
                request = requests[fill.client_order_id]
                cause = request.leg(fill.price) if request.protects else None
            after = trade.after(part)
            if after.quantity:
                trade = after
                continue
            if number >= len(before):
                yield _episode(trade, after, closing=part, cause=cause, notional=notional)
            trade = None


def _parts(position: Decimal, fill: Fill) -> Iterator[Fill]:
    """`fill` as it is, or cut in two where it goes through zero.

    A fee in base is part of the way: a sale of all that is held may go through zero by its fee alone.
    """
    moved = fill.signed_quantity - fill.fee_base
    if position * moved >= 0 or abs(moved) <= abs(position):
        yield fill
        return
    closing = min(abs(position), fill.quantity)
    fee = _SHARE.divide(fill.fee * closing, fill.quantity).quantize(_GRAIN, context=_SHARE)
    base = position + (closing if fill.side == "buy" else -closing)
    yield fill.model_copy(update={"quantity": closing, "fee": fee, "fee_base": base})
    rest = {"quantity": fill.quantity - closing, "fee": fill.fee - fee, "fee_base": fill.fee_base - base}
    yield fill.model_copy(update=rest)


def _episode(trade: Position, after: Position, *, closing: Fill, cause: Cause | None, notional: Decimal) -> Episode:
    return Episode(
        symbol=trade.symbol,
        direction="long" if trade.quantity > 0 else "short",
        opened_at=trade.opened_at or closing.at,
        closed_at=closing.at,
        notional=notional,
        profit=after.realized - after.fees,
        fees=after.fees,
        cause=cause,
    )
