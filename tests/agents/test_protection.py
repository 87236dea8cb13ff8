"""A position's stop: where it stands now, and the one order at the venue that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.duty import Duty
from agents.protection import astray, exit_side, stop_of
from agents.risk import Plan, RiskAgent
from builders.desks import SWAP, a_desk, a_position, a_price, an_account, held_at, out, risk_settings
from builders.policy import an_instrument
from builders.tools import BTC, START, STEP
from domain.money import ZERO, on_grid
from domain.order import OrderState
from domain.portfolio import Position
from memory.orders import OrderRecord
from tools.bars import Bar, Bars

TRAILING = risk_settings(trailing=True, max_hold_bars=1_000)
STOPS = frozenset({BTC, SWAP})
SHORT = a_position(SWAP, quantity="-5")
EARLIER = START - 10 * STEP


def closes(symbol: str, *prices: str) -> Bars:
    """Bars up to now that closed at these prices."""
    first = START - len(prices) * STEP
    rows = tuple(
        Bar(first + (n + 1) * STEP, *[Decimal(price)] * 4, volume=Decimal(1)) for n, price in enumerate(prices)
    )
    return Bars(symbol=symbol, timeframe="5m", rows=rows)


async def plan(position: Position, *working: OrderRecord, seen: str = "100", told: Any = (), **over: Any) -> Plan:
    desk = a_desk(
        a_price(position.symbol, bid=seen, ask=seen),
        *told,
        **{"portfolio": an_account(position), "working": working, "venue_stops": STOPS} | over,
    )
    return await RiskAgent()([], desk)


# Where it stands


@pytest.mark.parametrize(
    ("position", "prices", "stands"),
    [
        (a_position(opened_at=EARLIER), ("100", "104.27", "101"), "94"),
        (a_position(opened_at=EARLIER), ("99", "91"), "90"),
        (a_position(SWAP, quantity="-5", opened_at=EARLIER), ("100", "95.73", "99"), "106"),
        (a_position(SWAP, quantity="-5", opened_at=EARLIER), ("101", "109"), "110"),
    ],
)
async def test_a_trailing_stop_follows_the_best_close_at_its_first_distance(
    position: Position, prices: Sequence[str], stands: str
) -> None:
    desk = a_desk(closes(position.symbol, *prices), settings=TRAILING)
    assert await stop_of(position, desk) == Decimal(stands)


async def test_what_closed_before_the_position_was_opened_moves_no_stop() -> None:
    bars = closes(BTC, "150", "150", "101", "102")
    opened = a_position(opened_at=START - 2 * STEP)
    assert await stop_of(opened, a_desk(bars, settings=TRAILING)) == Decimal(92)
    assert await stop_of(a_position(opened_at=START - STEP / 2), a_desk(bars, settings=TRAILING)) == Decimal(90)


@pytest.mark.parametrize(
    ("position", "over"),
    [
        (a_position(opened_at=EARLIER), {}),
        (a_position(opened_at=None), {"settings": TRAILING}),
        (a_position(opened_at=EARLIER, stop_price=None), {"settings": TRAILING}),
    ],
)
async def test_a_stop_that_does_not_trail_stands_where_it_was_set(position: Position, over: dict[str, Any]) -> None:
    assert await stop_of(position, a_desk(closes(BTC, "150"), **over)) == position.stop_price


async def test_without_candles_a_trailing_stop_stands_where_it_was_set_and_not_nowhere() -> None:
    assert await stop_of(a_position(opened_at=EARLIER), a_desk(settings=TRAILING)) == Decimal(90)


walks = st.lists(st.integers(60, 160), min_size=1, max_size=9)


@given(walks, st.booleans(), st.sampled_from(["0.01", "0.5", "3"]))
@hypothesis_settings(max_examples=60, deadline=None)
async def test_a_stop_never_moves_against_its_position_as_bars_close(prices: list[int], short: bool, tick: str) -> None:
    position = a_position(SWAP, quantity="-5" if short else "5", opened_at=START - len(prices) * STEP)
    instruments = {SWAP: an_instrument(SWAP, tick_size=tick)}
    stands = position.stop_price
    for n in range(1, len(prices) + 1):
        at = START - (len(prices) - n) * STEP
        bars = Bars(symbol=SWAP, timeframe="5m", rows=closes(SWAP, *map(str, prices)).rows[:n])
        found = await stop_of(position, a_desk(bars, settings=TRAILING, instruments=instruments, as_of=at))
        assert found is not None
        assert stands is not None
        assert found <= stands if short else found >= stands
        assert found == position.stop_price or on_grid(found, Decimal(tick))
        stands = found


async def test_a_position_is_left_when_the_price_falls_to_a_stop_that_has_trailed() -> None:
    held = a_position(opened_at=EARLIER)
    (left,) = (await plan(held, seen="94", told=[closes(BTC, "104")], settings=TRAILING)).proposals
    assert (left.rationale, left.type, left.quantity) == ("stop", "market", Decimal(5))
    (kept,) = (await plan(held, seen="95", told=[closes(BTC, "104")], settings=TRAILING)).proposals
    assert (kept.type, kept.trigger_price) == ("stop", Decimal(94))


# The order at the venue


@pytest.mark.parametrize(
    ("position", "side", "trigger"),
    [(a_position(), "sell", "90"), (SHORT, "buy", "110"), (a_position(SWAP), "sell", "90")],
)
async def test_a_kept_position_gets_its_stop_where_the_venue_holds_them(
    position: Position, side: str, trigger: str
) -> None:
    (asked,) = (await plan(position)).proposals
    assert (asked.symbol, asked.side, asked.type, asked.quantity) == (position.symbol, side, "stop", Decimal(5))
    assert (asked.trigger_price, asked.reduce_only) == (Decimal(trigger), True)
    assert exit_side(position) == side


@pytest.mark.parametrize("over", [{"venue_stops": frozenset({SWAP})}, {"venue_stops": frozenset()}])
async def test_where_the_venue_holds_no_stops_none_is_asked_for(over: dict[str, Any]) -> None:
    assert await plan(a_position(), **over) == Plan(declined=((BTC, "position kept"),))


@pytest.mark.parametrize(
    ("held", "stays"),
    [
        (held_at("90"), True),
        (held_at("91"), True),  # a tenth of the distance from the entry
        (held_at("91.01"), False),
        (held_at("90", quantity="4"), False),
        (held_at("90", quantity="6", filled="1", state=OrderState.PARTIAL), True),
        (held_at("90", state=OrderState.UNKNOWN), True),
    ],
)
async def test_a_held_stop_that_fits_stays_and_another_is_replaced(held: OrderRecord, stays: bool) -> None:
    found = await plan(a_position(), held)
    if stays:
        assert found == Plan(declined=((BTC, "position kept, its stop held at the venue"),))
        return
    (asked,) = found.proposals
    assert (asked.quantity, asked.trigger_price) == (Decimal(5), Decimal(90))
    assert found.taken_back == ("acstop",)


@pytest.mark.parametrize("sizes", [("2", "3"), ("5", "3"), ("5", "5")])
async def test_of_two_held_stops_both_make_room_for_one(sizes: tuple[str, str]) -> None:
    twice = (held_at("90", quantity=sizes[0]), held_at("90", quantity=sizes[1], id="acother2"))
    found = await plan(a_position(), *twice)
    assert ([p.quantity for p in found.proposals], found.taken_back) == ([Decimal(5)], ("acstop", "acother2"))


async def test_a_stop_is_for_what_is_not_leaving_otherwise() -> None:
    found = await plan(a_position(), out(quantity="2"))
    assert [(p.type, p.quantity) for p in found.proposals] == [("stop", Decimal(3))]
    entry = await plan(a_position(), out(side="buy", quantity="2"))
    assert [(p.type, p.quantity) for p in entry.proposals] == [("stop", Decimal(5))]


async def test_dust_has_no_stop_at_the_venue_and_keeps_none() -> None:
    reason = "position kept, too small for a stop at the venue"
    priced = {BTC: an_instrument(min_notional="451")}
    assert await plan(a_position(), instruments=priced) == Plan(declined=((BTC, reason),))
    found = await plan(a_position(quantity="0.2"), held_at("90", quantity="1"))
    assert found == Plan(declined=((BTC, reason),), taken_back=("acstop",))


@pytest.mark.parametrize("cause", ["stop", "target", "time", "flatten", "halved"])
@pytest.mark.parametrize("position", [a_position(), SHORT])
async def test_an_exit_takes_the_held_stop_back_and_sells_what_it_would_have_sold(
    position: Position, cause: str
) -> None:
    long = position.quantity > 0
    held = held_at("90" if long else "110", position.symbol, exit_side(position))
    old = position.model_copy(update={"opened_at": START - timedelta(days=30)})
    seen, over, leaving = {
        "stop": ("90" if long else "110", {}, "5"),
        "target": ("110" if long else "90", {}, "5"),
        "time": ("100", {"portfolio": an_account(old)}, "5"),
        "flatten": ("100", {"duty": Duty(flatten=True)}, "5"),
        "halved": ("100", {"duty": Duty(halve=True)}, "2.5"),
    }[cause]
    found = await plan(position, held, seen=seen, **over)
    assert found.taken_back == ("acstop",)
    (left,) = found.proposals
    assert (left.type, left.side, left.quantity) == ("market", exit_side(position), Decimal(leaving))


async def test_without_a_quote_the_held_stop_is_all_that_protects_and_stays() -> None:
    found = await RiskAgent()([], a_desk(portfolio=an_account(a_position()), working=(held_at("95"),)))
    assert (found.proposals, found.taken_back) == ((), ())


async def test_what_is_leaving_whole_takes_its_held_stop_back() -> None:
    found = await plan(a_position(), held_at("90"), out(), seen="80")
    assert (found.proposals, found.taken_back) == ((), ("acstop",))


def test_a_stop_goes_with_a_position_of_its_symbol_and_side() -> None:
    long, short = held_at("90"), held_at("110", SWAP, "buy", id="acshort")
    others = (out(), out(SWAP, "buy"))
    assert astray((long, short, *others), an_account(a_position(), SHORT)) == []
    assert astray((long, short, *others), an_account(SHORT)) == [long]
    assert astray((long, short, *others), an_account(a_position(), a_position(SWAP))) == [short]
    assert astray((long, short), an_account()) == [long, short]


@st.composite
def working_exits(draw: st.DrawFn, position: Position) -> tuple[OrderRecord, ...]:
    """Market exits, stops and entries in every state in which an order may still trade."""
    found = []
    for n in range(draw(st.integers(0, 4))):
        quantity = draw(st.integers(1, 12))
        filled = draw(st.integers(0, quantity - 1))
        state = draw(st.sampled_from([OrderState.WORKING, OrderState.PARTIAL, OrderState.UNKNOWN]))
        over: dict[str, Any] = {"quantity": str(quantity), "filled": str(filled), "state": state}
        if draw(st.booleans()):
            trigger = str(draw(st.sampled_from([85, 90, 91, 110, 109, 115])))
            found.append(held_at(trigger, SWAP, exit_side(position), id=f"acstop{n}", **over))
        else:
            side = draw(st.sampled_from(["buy", "sell"]))
            order = out(SWAP, side, **over)
            named = order.request.model_copy(update={"client_order_id": f"acother{n}"})
            found.append(order.model_copy(update={"request": named}))
    return tuple(found)


@given(st.data(), st.integers(-15, 15).filter(bool), st.sampled_from(["0.25", "1", "3"]))
@hypothesis_settings(max_examples=250, deadline=None)
async def test_whatever_is_working_no_more_leaves_than_is_held(data: st.DataObject, quantity: int, lot: str) -> None:
    position = a_position(SWAP, quantity=str(quantity))
    working = data.draw(working_exits(position))
    side = exit_side(position)
    found = await plan(
        position,
        *working,
        seen=data.draw(st.sampled_from(["80", "90", "100", "110", "120"])),
        duty=data.draw(st.sampled_from([Duty(), Duty(halve=True), Duty(flatten=True)])),
        instruments={SWAP: an_instrument(SWAP, lot_size=lot)},
    )
    exits = [o for o in working if o.request.side == side]
    out_already = sum((o.remaining for o in exits if o.request.type != "stop"), ZERO)
    kept = sum((o.remaining for o in exits if o.client_order_id not in found.taken_back), ZERO)
    proposed = sum((p.quantity for p in found.proposals), ZERO)
    assert all((p.side, p.reduce_only) == (side, True) for p in found.proposals)
    assert all(on_grid(p.quantity, Decimal(lot)) for p in found.proposals)
    assert kept + proposed <= max(abs(position.quantity), out_already)
    assert set(found.taken_back) <= {o.client_order_id for o in exits if o.request.type == "stop"}
    if proposed:
        assert kept + proposed <= abs(position.quantity)


@given(st.integers(-15, 15).filter(bool), st.sampled_from(["95", "100", "104"]))
@hypothesis_settings(max_examples=30, deadline=None)
async def test_what_was_placed_is_left_alone_in_the_next_cycle(quantity: int, seen: str) -> None:
    """Or a stop would be taken back and placed anew at every tick."""
    position = a_position(SWAP, quantity=str(quantity))
    (asked,) = (await plan(position, seen=seen)).proposals
    assert asked.trigger_price is not None
    placed = held_at(asked.trigger_price, SWAP, asked.side, asked.quantity)
    assert await plan(position, placed, seen=seen) == Plan(
        declined=((SWAP, "position kept, its stop held at the venue"),)
    )
    assume(abs(quantity) > 1)
    found = await plan(position, placed.model_copy(update={"filled": Decimal(1)}), seen=seen)
    assert (found.taken_back, len(found.proposals)) == (("acstop",), 1)
