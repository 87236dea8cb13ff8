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
from agents.parts import in_parts
from agents.protection import (
    NO_PLAN,
    NO_STOP_AT_VENUE,
    Guard,
    bare,
    cover,
    exit_side,
    guard,
    orphaned_stops,
    seconds_bare,
    stop_of,
    unprotected,
)
from agents.risk import Plan, RiskAgent
from builders.desks import SWAP, a_desk, a_position, a_price, an_account, held_at, out, risk_settings
from builders.policy import an_instrument
from builders.tools import BTC, START, STEP
from domain.decision import Proposal
from domain.money import ZERO, on_grid
from domain.order import OrderState
from domain.portfolio import Position
from domain.sizing import OrderCaps
from memory.ledger.orders import OrderRecord
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


async def guarded(position: Position, *working: OrderRecord, seen: str | None = "100", **over: Any) -> Guard:
    """What the stop of a position needs, once its exits are through."""
    reading = a_price(position.symbol, bid=seen or "1", ask=seen or "1")
    desk = a_desk(
        *([reading] if seen else []),
        **{"portfolio": an_account(position), "working": working, "venue_stops": STOPS} | over,
    )
    return guard(position, await stop_of(position, desk), reading if seen else None, desk, occasion="test")


def asked(found: Guard) -> Proposal:
    assert found.proposal is not None, found
    return found.proposal


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
@hypothesis_settings(max_examples=60)
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
    assert (await plan(held, seen="95", told=[closes(BTC, "104")], settings=TRAILING)).proposals == ()


# The order at the venue


@pytest.mark.parametrize(
    ("position", "side", "trigger"),
    [(a_position(), "sell", "90"), (SHORT, "buy", "110"), (a_position(SWAP), "sell", "90")],
)
async def test_a_kept_position_gets_its_stop_where_the_venue_holds_them(
    position: Position, side: str, trigger: str
) -> None:
    stop = asked(await guarded(position))
    assert (stop.symbol, stop.side, stop.type, stop.quantity) == (position.symbol, side, "stop", Decimal(5))
    assert stop.cause == "protection"
    assert (stop.trigger_price, stop.reduce_only, stop.releases) == (Decimal(trigger), True, ())
    assert exit_side(position) == side


async def test_why_no_stop_is_asked_for_is_said() -> None:
    elsewhere = {"venue_stops": frozenset({SWAP})}
    assert await guarded(a_position(), **elsewhere) == Guard(why=NO_STOP_AT_VENUE)
    assert await guarded(a_position(stop_price=None)) == Guard(why=NO_PLAN)
    assert await guarded(a_position(), seen=None) == Guard(why="there is no quote to judge its stop by")


async def test_a_stop_is_placed_by_an_older_quote_where_none_came_and_says_so() -> None:
    older = a_price(bid="100", ask="100").model_copy(update={"age_s": Decimal(600)})
    stop = asked(await guarded(a_position(), dated={BTC: older}))
    assert stop.rationale.endswith("; judged by a quote of 2025-01-01 00:00:00 UTC, 600 s old: none came since")


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
    found = await guarded(a_position(), held)
    if stays:
        assert found == Guard()
        return
    stop = asked(found)
    assert (stop.quantity, stop.trigger_price) == (Decimal(5), Decimal(90))
    assert (stop.releases, found.withdraw) == (("acstop",), ())


async def test_two_held_stops_both_make_room_for_one() -> None:
    twice = (held_at("90", quantity="4"), held_at("90", quantity="3", id="acother2"))
    stop = asked(await guarded(a_position(), *twice))
    assert (stop.quantity, stop.releases) == (Decimal(5), ("acstop", "acother2"))


async def test_held_stops_that_are_together_for_all_of_it_stay_however_they_are_divided() -> None:
    """What one order may be for in money is less with every tick of a rising price."""
    fine = {BTC: an_instrument(lot_size="0.001")}
    assert await guarded(a_position(), held_at("90", quantity="2"), held_at("90", quantity="3", id="acb")) == Guard()
    caps = {BTC: OrderCaps(max_notional=Decimal(300))}
    parts = in_parts(
        [asked(await guarded(a_position(), instruments=fine, caps=caps))], a_desk(instruments=fine, caps=caps)
    )
    held = [held_at("90", quantity=part.quantity, id=f"acstop{n}") for n, part in enumerate(parts)]
    assert len(held) == 2
    for seen in ("100", "103", "107"):
        assert await guarded(a_position(), *held, seen=seen, instruments=fine, caps=caps) == Guard()


async def test_what_more_stops_would_take_than_one_cycle_sends_goes_on_in_the_next() -> None:
    caps = {BTC: OrderCaps(max_quantity=Decimal(1), orders=2)}
    held: list[OrderRecord] = []
    for _ in range(3):
        stop = asked(await guarded(a_position(), *held, caps=caps))
        assert stop.releases == ()
        parts = in_parts([stop], a_desk(caps=caps))
        held += [held_at("90", quantity=part.quantity, id=f"acstop{len(held) + n}") for n, part in enumerate(parts)]
    assert sum(order.remaining for order in held) == 5
    assert await guarded(a_position(), *held, caps=caps) == Guard()


@pytest.mark.parametrize("state", [OrderState.UNKNOWN, OrderState.SUBMITTING])
async def test_on_a_perpetual_an_exit_in_doubt_costs_no_part_of_the_stop(state: OrderState) -> None:
    """It may be nowhere, and the stop can do no more than reduce."""
    leaving = out(SWAP, quantity="2", state=state)
    assert await guarded(a_position(SWAP), held_at("90", SWAP), leaving) == Guard()
    certain = leaving.model_copy(update={"state": OrderState.WORKING})
    assert asked(await guarded(a_position(SWAP), held_at("90", SWAP), certain)).quantity == 3


@pytest.mark.parametrize("other", ["5", "3"])
async def test_beside_a_held_stop_that_fits_no_other_stays(other: str) -> None:
    twice = (held_at("90"), held_at("90", quantity=other, id="acother2"))
    assert await guarded(a_position(), *twice) == Guard(withdraw=("acother2",))


async def test_a_stop_is_for_what_is_not_leaving_otherwise() -> None:
    assert asked(await guarded(a_position(), out(quantity="2"))).quantity == Decimal(3)
    assert asked(await guarded(a_position(), out(side="buy", quantity="2"))).quantity == Decimal(5)


async def test_dust_has_no_stop_at_the_venue_and_keeps_none_that_would_sell_more_than_is_held() -> None:
    reason = "position kept, too small for a stop at the venue: the notional 450 is below the minimum 451"
    priced = {BTC: an_instrument(min_notional="451")}
    assert await guarded(a_position(), instruments=priced) == Guard(why=reason)
    assert await guarded(a_position(), held_at("90"), instruments=priced) == Guard(why=reason)
    reason = "position kept, too small for a stop at the venue: the quantity 0 is below the lot 0.25"
    found = await guarded(a_position(quantity="0.2"), held_at("90", quantity="1"))
    assert found == Guard(withdraw=("acstop",), why=reason)


async def test_a_suspended_symbol_gets_no_stop_and_keeps_what_it_has() -> None:
    gone = {BTC: "BTC/USDT is not listed on okx"}
    assert await guarded(a_position(), held_at("80"), suspended=gone) == Guard(why=gone[BTC])


async def test_a_position_larger_than_one_stop_may_be_for_is_held_by_several() -> None:
    sized = {BTC: an_instrument(stop_max_quantity="2")}
    held = [held_at("90", quantity=quantity, id=f"acstop{n}") for n, quantity in enumerate(("1.25", "2", "1.75"))]
    assert await guarded(a_position(), *held, instruments=sized) == Guard()
    more = held_at("90", quantity="2", id="acstop3")
    assert await guarded(a_position(), *held, more, instruments=sized) == Guard(withdraw=("acstop3",))
    lacking = asked(await guarded(a_position(), *held[:2], instruments=sized))
    assert (lacking.quantity, lacking.releases) == (Decimal("1.75"), ())  # what stands is not taken back
    moved = asked(await guarded(a_position(), held_at("80", quantity="2"), instruments=sized))
    parts = in_parts([moved], a_desk(instruments=sized))
    assert [part.quantity for part in parts] == [Decimal(2), Decimal("1.75"), Decimal("1.25")]
    assert {(part.trigger_price, part.releases) for part in parts} == {(Decimal(90), ("acstop",))}


async def test_where_the_market_has_passed_a_stop_nothing_that_is_held_is_moved() -> None:
    assert await guarded(a_position(), held_at("84"), seen="85") == Guard()
    assert await guarded(SHORT, held_at("116", SWAP, "buy"), seen="115") == Guard()


@pytest.mark.parametrize(("position", "seen", "trigger"), [(a_position(), "85", "84.5"), (SHORT, "115", "115.5")])
async def test_where_the_market_has_passed_a_stop_that_is_missing_it_waits_just_beyond_the_market(
    position: Position, seen: str, trigger: str
) -> None:
    """As when the exit was refused: what is left unprotected may fall without end."""
    assert asked(await guarded(position, seen=seen)).trigger_price == Decimal(trigger)


async def test_while_nothing_may_be_sent_a_held_stop_is_not_moved_and_a_missing_one_is_placed() -> None:
    halted = {"duty": Duty(entries=False, sends=False)}
    assert await guarded(a_position(), held_at("80"), **halted) == Guard()
    assert asked(await guarded(a_position(), **halted)).trigger_price == Decimal(90)


@pytest.mark.parametrize("cause", ["stop", "target", "time", "flatten", "halved"])
@pytest.mark.parametrize("position", [a_position(), SHORT])
async def test_an_exit_names_the_held_stop_that_it_replaces(position: Position, cause: str) -> None:
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
    (left,) = (await plan(position, held, seen=seen, **over)).proposals
    assert (left.type, left.side, left.quantity) == ("market", exit_side(position), Decimal(leaving))
    assert left.releases == ("acstop",)


async def test_without_a_quote_the_held_stop_is_all_that_protects_and_stays() -> None:
    found = await RiskAgent()([], a_desk(portfolio=an_account(a_position()), working=(held_at("95"),)))
    assert found.proposals == ()
    assert await guarded(a_position(), held_at("95"), seen=None) == Guard()


@pytest.mark.parametrize(
    ("state", "symbol", "gone"),
    [
        (OrderState.WORKING, BTC, ("acstop",)),
        (OrderState.UNKNOWN, BTC, ()),  # it may not be there, and then the stop is all that protects
        (OrderState.WORKING, SWAP, ()),  # neither can do more than reduce
    ],
)
async def test_what_is_leaving_whole_needs_no_stop_besides(state: OrderState, symbol: str, gone: Sequence[str]) -> None:
    position = a_position(symbol)
    found = await guarded(position, held_at("90", symbol), out(symbol, state=state), seen="80")
    assert (found.proposal, found.withdraw) == (None, gone)
    assert found.why.endswith(f"is {state.value}")
    assert (await plan(position, held_at("90", symbol), out(symbol, state=state), seen="80")).proposals == ()


def test_a_stop_goes_with_a_position_of_its_symbol_and_side() -> None:
    long, short = held_at("90"), held_at("110", SWAP, "buy", id="acshort")
    others = (out(), out(SWAP, "buy"))
    assert orphaned_stops((long, short, *others), an_account(a_position(), SHORT)) == []
    assert orphaned_stops((long, short, *others), an_account(SHORT)) == [long]
    assert orphaned_stops((long, short, *others), an_account(a_position(), a_position(SWAP))) == [short]
    assert orphaned_stops((long, short), an_account()) == [long, short]


def test_bare_is_what_could_have_a_stop_at_the_venue_and_has_none() -> None:
    account = an_account(a_position(), SHORT)
    assert bare(account, (), venue_stops=STOPS) == [BTC, SWAP]
    assert bare(account, (held_at("90"),), venue_stops=STOPS) == [SWAP]
    assert bare(account, (), venue_stops={BTC}) == [BTC]
    assert bare(an_account(a_position(stop_price=None)), (), venue_stops=STOPS) == []


@pytest.mark.parametrize(
    ("working", "said"),
    [
        ([held_at("90")], ""),
        ([held_at("90", quantity="2"), held_at("91", quantity="3", id="acother2")], ""),
        ([], "no reason"),
        ([held_at("90", quantity="2")], "its stop covers 2 of 5: no reason"),
        ([held_at("90", state=OrderState.UNKNOWN)], "its stop acstop is in doubt"),
        ([held_at("90", state=OrderState.SUBMITTING)], "its stop acstop is in doubt"),
        ([out()], "no reason"),
    ],
)
def test_a_position_is_protected_by_what_the_venue_has_confirmed(working: list[OrderRecord], said: str) -> None:
    assert unprotected(cover(a_position(), working, lot_size=Decimal("0.01")), why="no reason") == said


def test_what_is_less_than_a_lot_is_not_missed() -> None:
    assert unprotected(cover(a_position(quantity="0.004"), [], lot_size=Decimal("0.01")), why="too small") == ""


def stood(begin_s: int, end_s: int | None = None, *, state: OrderState = OrderState.CANCELLED) -> OrderRecord:
    """A stop that was sent so many seconds after the position was opened, and ended so many after."""
    over = {"submitted_at": START + timedelta(seconds=begin_s)}
    if end_s is None:
        return held_at("90").model_copy(update=over)
    return held_at("90").model_copy(update={**over, "state": state, "updated_at": START + timedelta(seconds=end_s)})


@pytest.mark.parametrize(
    ("stops", "seconds"),
    [
        ([], 100),
        ([stood(2)], 2),
        ([stood(-5)], 0),
        ([stood(2, 50)], 52),
        ([stood(2, 50), stood(51)], 3),
        ([stood(2, 50), stood(20, 60), stood(65, 90)], 17),
        ([stood(2, 3, state=OrderState.REJECTED), stood(7)], 7),
        ([stood(2).model_copy(update={"state": OrderState.UNKNOWN})], 100),
        ([out()], 100),
    ],
)
def test_the_seconds_without_a_stop_are_those_in_which_none_stood(stops: list[OrderRecord], seconds: int) -> None:
    position = a_position(opened_at=START)
    assert seconds_bare(position, stops, until=START + timedelta(seconds=100)) == seconds
    assert seconds_bare(position, stops, until=START) == 0


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
@hypothesis_settings(max_examples=250)
async def test_whatever_is_working_no_more_leaves_than_is_held(data: st.DataObject, quantity: int, lot: str) -> None:
    position = a_position(SWAP, quantity=str(quantity))
    working = data.draw(working_exits(position))
    side = exit_side(position)
    over: dict[str, Any] = {
        "seen": data.draw(st.sampled_from(["80", "90", "100", "110", "120"])),
        "duty": data.draw(st.sampled_from([Duty(), Duty(halve=True), Duty(flatten=True), Duty(sends=False)])),
        "instruments": {SWAP: an_instrument(SWAP, lot_size=lot)},
    }
    exits = (await plan(position, *working, **over)).proposals
    needs = await guarded(position, *working, **over)
    for proposals, gone in ((exits, ()), ((needs.proposal,) if needs.proposal else (), needs.withdraw)):
        same_side = [o for o in working if o.request.side == side]
        released = {*gone, *(id for p in proposals for id in p.releases)}
        assert released <= {o.client_order_id for o in same_side if o.request.protects}
        kept = sum((o.remaining for o in same_side if o.client_order_id not in released), ZERO)
        proposed = sum((p.quantity for p in proposals), ZERO)
        assert all((p.side, p.reduce_only) == (side, True) for p in proposals)
        assert all(on_grid(p.quantity, Decimal(lot)) for p in proposals)
        if proposed:
            assert kept + proposed <= abs(position.quantity)


@given(st.integers(-15, 15).filter(bool), st.sampled_from(["95", "100", "104"]))
@hypothesis_settings(max_examples=30)
async def test_what_was_placed_is_left_alone_in_the_next_cycle(quantity: int, seen: str) -> None:
    """Or a stop would be taken back and placed anew at every tick."""
    position = a_position(SWAP, quantity=str(quantity))
    stop = asked(await guarded(position, seen=seen))
    assert stop.trigger_price is not None
    placed = held_at(stop.trigger_price, SWAP, stop.side, stop.quantity)
    assert await guarded(position, placed, seen=seen) == Guard()
    assume(abs(quantity) > 1)
    found = await guarded(position, placed.model_copy(update={"filled": Decimal(1)}), seen=seen)
    assert asked(found).releases == ("acstop",)
