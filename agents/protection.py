"""Protection: where a position's stop stands now, and what the venue must hold for it, where it can hold stops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from agents.desk import Desk
from agents.parts import stop_parts
from domain.decision import Proposal
from domain.digest import plain
from domain.instrument import Instrument
from domain.money import ZERO, against, floor_to
from domain.order import OrderState, Side
from domain.portfolio import Portfolio, Position
from domain.value import NonNegative, Positive, Value
from memory.ledger.orders import OrderRecord
from tools.bars import MOST_BARS, CandlesParams, candles
from tools.quotes import QuoteReading

_WORTH_MOVING: Final = Decimal("0.1")
"""Of the distance between entry and stop: a held stop that trails by less stays where it is."""
_RETRY_AFTER: Final = 12
"""Cycles until a move of a stop that the venue refused is asked for again, unless the stop has moved on."""
_UNCONFIRMED: Final = (OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.REJECTED)
NO_PLAN: Final = "its plan has no stop"
NO_STOP_AT_VENUE: Final = "no stop can be held at the venue: only the run watches its stop"


class Guard(Value):
    """What the protection of one position needs."""

    proposal: Proposal | None = None
    """The stop that the venue lacks; larger than one order may be, it goes out in parts (`agents.parts.in_parts`)."""
    withdraw: tuple[str, ...] = ()
    """Client order ids of held stops that must go and need no replacement."""
    why: str = ""
    """Why the venue holds no stop for all of the position, as far as that is known before anything is sent."""
    closing: bool = False
    """Whether that is because the venue is about to close it."""


def exit_side(position: Position) -> Side:
    return "sell" if position.quantity > 0 else "buy"


async def stop_of(position: Position, desk: Desk) -> Decimal | None:
    """Where the stop stands: as it was set, or, when it trails, as far from the best close since as it was from entry.

    It moves in the position's favour only. Closes since the position was opened are looked at, 500 at most.
    """
    stop, average = position.stop_price, position.average_price
    if stop is None or average is None or position.opened_at is None or not desk.settings.risk.trailing:
        return stop
    limit = min(MOST_BARS, (desk.as_of - position.opened_at) // desk.timeframe.length)
    if limit < 1:
        return stop
    bars = (await desk.tools.call(candles, CandlesParams(symbol=position.symbol, limit=limit))).value
    if bars is None or not bars.rows:
        return stop
    closes = [row.close for row in bars.rows if row.closed_at > position.opened_at]
    tick = desk.instruments[position.symbol].tick_size
    if position.quantity > 0:
        return max(stop, floor_to(max(closes, default=average) - (average - stop), tick))
    return min(stop, against(min(closes, default=average) + (stop - average), step=tick, side="buy"))


def older(symbol: str, desk: Desk) -> str:
    """The end of a sentence about what an exit was judged by, where that is no quote of this cycle; empty else."""
    quote = desk.dated.get(symbol)
    if quote is None:
        return ""
    return f"; judged by a quote of {quote.at:%Y-%m-%d %H:%M:%S} UTC, {plain(quote.age_s)} s old: none came since"


def held_stops(position: Position, working: Sequence[OrderRecord]) -> Sequence[OrderRecord]:
    """The protective stops that the venue holds for a position, as far as anyone can tell."""
    return [order for order in _exits(position, working) if order.request.protects]


def orphaned_stops(working: Sequence[OrderRecord], portfolio: Portfolio) -> Sequence[OrderRecord]:
    """Held stops whose position is gone or has turned, as by a trade by hand: it is not theirs to sell."""
    sides = {symbol: exit_side(position) for symbol, position in portfolio.positions.items()}
    return [o for o in working if o.request.protects and sides.get(o.request.symbol) != o.request.side]


def bare(portfolio: Portfolio, working: Sequence[OrderRecord], *, venue_stops: Collection[str]) -> Sequence[str]:
    """The symbols of positions with a stop in their plan for which the venue could hold one and holds none."""
    return [
        symbol
        for symbol, position in sorted(portfolio.positions.items())
        if position.stop_price is not None and symbol in venue_stops and not held_stops(position, working)
    ]


class Cover(Value):
    """What of a position its protective stops cover."""

    needed: NonNegative
    """All of it that can be traded: what is less than a lot can be in no order, and is not missed."""
    at_venue: NonNegative
    """How much of it stops would close that the venue has confirmed."""
    in_doubt: tuple[str, ...] = ()
    """Client order ids of stops that were sent, and that the venue has not confirmed."""
    trigger_price: Positive | None = None
    """That of a confirmed one."""
    targeted: bool = False
    """Whether each of these has a target with it."""

    @property
    def whole(self) -> bool:
        return self.at_venue >= self.needed


def cover(position: Position, working: Sequence[OrderRecord], *, lot_size: Decimal) -> Cover:
    """What the stops among `working` cover, one or several together. Without a lot all of a position is needed."""
    stops = held_stops(position, working)
    confirmed = [order for order in stops if order.state.at_venue]
    return Cover(
        needed=floor_to(abs(position.quantity), lot_size) if lot_size else abs(position.quantity),
        at_venue=_together(confirmed),
        in_doubt=_ids(o for o in stops if o.state in (OrderState.SUBMITTING, OrderState.UNKNOWN)),
        trigger_price=next((order.request.trigger_price for order in confirmed), None),
        targeted=bool(confirmed) and all(order.request.target_price is not None for order in confirmed),
    )


def unprotected(cover: Cover, *, why: str) -> str:
    """Why the venue holds no stop for all that is held; empty where it does. `why` is what is known of it already."""
    if cover.whole:
        return ""
    if cover.in_doubt:
        return f"its stop {cover.in_doubt[0]} is in doubt"
    if cover.at_venue:
        return f"its stop covers {plain(cover.at_venue)} of {plain(cover.needed)}" + (f": {why}" if why else "")
    return why or "it has no stop at the venue"


def seconds_bare(position: Position, orders: Sequence[OrderRecord], *, until: datetime) -> int:
    """For how many whole seconds, from its first fill to `until`, no stop for it was at the venue.

    A stop counts from when it was sent to when it ended. Of one that the venue has not confirmed nothing counts.
    """
    if position.opened_at is None or until <= position.opened_at:
        return 0
    placed = [o for o in held_stops(position, orders) if o.submitted_at and o.state not in _UNCONFIRMED]
    spans = sorted(
        (max(order.submitted_at or until, position.opened_at), order.updated_at if order.state.terminal else until)
        for order in placed
    )
    bare_s, reached = 0.0, position.opened_at
    for begin, end in spans:
        bare_s += max(0.0, (min(begin, until) - reached).total_seconds())
        reached = max(reached, min(end, until))
    return int(bare_s + max(0.0, (until - reached).total_seconds()))


def guard(
    position: Position, stop: Decimal | None, reading: QuoteReading | None, desk: Desk, *, occasion: str
) -> Guard:
    """What a kept position needs for its stop to be at the venue.

    Held stops that fit stay, one or several together, and only what they don't cover is asked for. One of another
    size, or far enough from where the stop stands now, is replaced: the new one names it in `Proposal.releases`, and
    it goes only once the new one was let through. While nothing may be sent a held stop stays as it is, and so it
    does on perpetuals, where nothing need make room, while it is in doubt how much an exit leaves. Where the price
    has passed the stop and nothing is held, the stop waits just beyond the market, at the least distance of a stop,
    until the exit is through.

    `occasion` tells proposals of one cycle apart that are otherwise alike.
    """
    symbol, side, instrument = position.symbol, exit_side(position), desk.instruments[position.symbol]
    if stop is None:
        return Guard(why=NO_PLAN)
    if symbol in desk.suspended:
        return Guard(why=desk.suspended[symbol])
    if symbol not in desk.venue_stops:
        return Guard(why=NO_STOP_AT_VENUE)
    stops = [_on_lot(order, instrument.lot_size) for order in held_stops(position, desk.working)]
    size = abs(position.quantity)
    exits = [order for order in _exits(position, desk.working) if not order.request.protects]
    quantity = floor_to(size - _together(exits), instrument.lot_size)
    too_large = _ids(order for order in stops if order.remaining > size)
    if quantity <= 0 and exits:
        closing = all(order.state.at_venue for order in exits)
        return Guard(
            withdraw=_ids(stops) if closing and instrument.kind != "swap" else (),
            why=_leaving(exits[0]),
            closing=closing,
        )
    parts = stop_parts(quantity, stop, symbol, desk, mid=reading.mid if reading else stop)
    if isinstance(parts, str):
        return Guard(withdraw=too_large, why=f"position kept, too small for a stop at the venue: {parts}")
    near = abs(position.average_price - stop) * _WORTH_MOVING if position.average_price is not None else ZERO
    fits = _fitting([order for order in stops if _near(order.request.trigger_price, stop, near)], parts, to=quantity)
    rest, spare = quantity - _together(fits), _ids(order for order in stops if order not in fits)
    if fits and isinstance(few := stop_parts(rest, stop, symbol, desk, mid=reading.mid if reading else stop), str):
        return Guard(withdraw=spare, why=few if rest else "")
    covered = not too_large and _together(stops) >= quantity
    unclear = instrument.kind == "swap" and any(not order.state.at_venue for order in exits)
    if covered and (reading is None or not desk.duty.sends or unclear or _passed(stop, side, reading)):
        return Guard()
    if reading is None:
        return Guard(why="there is no quote to judge its stop by")
    proposal = Proposal(
        cycle=desk.cycle,
        as_of=desk.as_of,
        agent="risk",
        symbol=symbol,
        side=side,
        type="stop",
        quantity=rest,
        trigger_price=_waiting(stop, side, reading, instrument=instrument, least=desk.settings.risk.min_stop),
        target_price=_waiting_target(position.target_price, side, reading) if symbol in desk.attaches else None,
        reduce_only=True,
        reference_price=reading.mid,
        rationale=f"stop held at the venue, {occasion}{older(symbol, desk)}",
        releases=spare,
        cause="protection",
    )
    return Guard(proposal=proposal)


def put_back(
    refused: Sequence[Proposal],
    stops: Mapping[str, OrderRecord],
    portfolio: Portfolio,
    readings: Mapping[str, QuoteReading | None],
    desk: Desk,
    *,
    occasion: str,
) -> list[Proposal]:
    """In the place of stops that the venue `refused` those that they were to replace, as far as these are gone.

    What was taken once at its price mostly is again. `stops` are the stops before, by id, and `desk.working` is what
    stands by now.
    """
    proposals: list[Proposal] = []
    lacking = {
        symbol: abs(position.quantity) - _together(_exits(position, desk.working))
        for symbol, position in portfolio.positions.items()
    }
    for proposal in refused:
        symbol, instrument, price = proposal.symbol, desk.instruments[proposal.symbol], readings.get(proposal.symbol)
        quantity = floor_to(min(proposal.quantity, lacking.get(symbol, ZERO)), instrument.lot_size)
        stop = stops[proposal.releases[0]].request.trigger_price
        if quantity <= 0 or stop is None or price is None:
            continue
        lacking[symbol] -= quantity
        trigger = _waiting(stop, proposal.side, price, instrument=instrument, least=desk.settings.risk.min_stop)
        back = {
            "quantity": quantity,
            "trigger_price": trigger,
            "target_price": _waiting_target(proposal.target_price, proposal.side, price),
            "releases": (),
            "rationale": f"stop put back, {occasion}{older(symbol, desk)}",
        }
        proposals.append(proposal.model_copy(update=back))
    return proposals


def _on_lot(order: OrderRecord, lot_size: Decimal) -> OrderRecord:
    """A stop as large as the venue makes it: one that was attached and is not confirmed is what was filled."""
    if order.request.attached_to is None or order.state.at_venue:
        return order
    quantity = order.filled + floor_to(order.remaining, lot_size)
    return order.model_copy(update={"request": order.request.model_copy(update={"quantity": quantity})})


def _exits(position: Position, working: Sequence[OrderRecord]) -> Sequence[OrderRecord]:
    side = exit_side(position)
    return [order for order in working if (order.request.symbol, order.request.side) == (position.symbol, side)]


def _fitting(stops: Sequence[OrderRecord], parts: Sequence[Decimal], *, to: Decimal) -> Sequence[OrderRecord]:
    """All of `stops` where they come `to` that together; else for each of the `parts` one of them, as far as they go,
    and where that is not for all of it, others up to that."""
    if _together(stops) == to:
        return stops
    remaining, fitting = list(stops), []
    for quantity in parts:
        order = next((order for order in remaining if order.remaining == quantity), None)
        if order is not None:
            remaining.remove(order)
            fitting.append(order)
    for order in remaining if sum(parts, ZERO) < to else ():
        if _together(fitting) + order.remaining <= to:
            fitting.append(order)
    return fitting


def _together(orders: Iterable[OrderRecord]) -> Decimal:
    return sum((order.remaining for order in orders), ZERO)


def _ids(orders: Iterable[OrderRecord]) -> tuple[str, ...]:
    return tuple(order.client_order_id for order in orders)


def _leaving(order: OrderRecord) -> str:
    return f"its exit {order.client_order_id} is {order.state.value}"


def _near(trigger: Decimal | None, stop: Decimal, near: Decimal) -> bool:
    return trigger is not None and abs(trigger - stop) <= near


def is_move(guard: Guard, position: Position, working: Sequence[OrderRecord]) -> bool:
    """Whether a stop is only to be moved: what is held covers the position where it is."""
    proposal = guard.proposal
    return (
        proposal is not None
        and bool(proposal.releases)
        and _together(held_stops(position, working)) == proposal.quantity
    )


def refused_before(move: Proposal, position: Position, refused: Iterable[OrderRecord], *, cycle: int) -> bool:
    """Whether the venue refused as much as this move of a stop a short while ago: it would again.

    On spot the stop that is moved is taken away for it.
    """
    average, trigger = position.average_price, move.trigger_price
    if average is None or trigger is None:
        return False
    near = abs(average - trigger) * _WORTH_MOVING
    return any(
        order.request.protects
        and (order.request.symbol, order.request.side) == (move.symbol, move.side)
        and cycle - order.cycle < _RETRY_AFTER
        and _near(order.request.trigger_price, trigger, near)
        for order in refused
    )


def _waiting_target(target: Decimal | None, side: Side, reading: QuoteReading) -> Decimal | None:
    """The target of a stop; none where the market has met it, for then the run exits there itself."""
    met = target is not None and (reading.bid >= target if side == "sell" else reading.ask <= target)
    return None if met else target


def _passed(stop: Decimal, side: Side, reading: QuoteReading) -> bool:
    """Whether the market stands at a stop or beyond it, so that one placed there would fire at once."""
    return reading.bid <= stop if side == "sell" else reading.ask >= stop


def _waiting(stop: Decimal, side: Side, reading: QuoteReading, *, instrument: Instrument, least: Decimal) -> Decimal:
    """The trigger for a stop: where it stands, or just beyond a market that has passed it."""
    if not _passed(stop, side, reading):
        return stop
    tick = instrument.tick_size
    gap = max(tick, reading.mid * least)
    if side == "sell":
        return max(tick, floor_to(reading.bid - gap, tick))
    return against(reading.ask + gap, step=tick, side="buy")
