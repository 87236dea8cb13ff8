"""A proof that what a check lets through keeps its limit, for all numbers; of the checks that guard size and loss.

**On what.** The same code that runs in the gate: `policy/case.py`, `policy/book.py`, `policy/checks/*.py` and the
wrapper in `policy/check.py` run, unchanged, on numbers that stand for all numbers (`builders/symbolic.py`). Every
path through that code is taken, and on each that allows the order z3 shows that no numbers break the claim. One
thing is replaced: the two roundings in `policy.escalation.size_factor`, by "any number from nothing up to the exact
quotient". Two tests hold that replacement, and the arithmetic on symbols, against the real ones.

**What is claimed.** Not what the code computes, but what it is for. Each claim is written here from the raw numbers
alone: any part of every working order and of the judged one fills, at any price up to its worst; then exposure,
net, margin, cash, losses at the stops are within the limit. Of an entry's reward: that it covers its risk whatever of
the counted costs is paid. Of an order that is a matter of opinion: that venue data
says more for it than against it. See each claim.

**Within which shape.** One account with a position of either sign or of nothing in the judged symbol, in another, in
both, or no position at all; up to two working orders besides the judged one, each a buy, a sale or an exit, in either
symbol, at a limit, at the market or at a stop's trigger; spot and swaps. Numbers are unbounded: all reals, above zero
where the domain says so, shares from 0 to 1, slippage up to all of a price; three signals. The quick run has every
single working order, stops beside a position in the judged symbol or none, and pairs at limits beside one. Any pair
without stops, beside two positions, is proven by `make proofs`, but for OPEN_RISK, which would take it minutes; CI has
every sixth.

**What is assumed.** Exact arithmetic: the gate's own traps `Inexact`, and what raises refuses. Validated facts
(prices and quantities above zero, one number per field): `Facts` and the engine's copy of a proposal see to that.
True facts. Nobody's consent, and `on_breach` at deny: an order that a person lets stand is no longer the proof's.
That all findings must pass for an allow is `outcome_of`, which table tests hold.

**What is not proven.** More positions or orders than the shape has (sums over symbols and orders treat all alike);
options; the checks that count, time or correlate; that equity falls no further than the loss limits after the
entry: those limits look back. What an entry may yet lose is bounded by the claims on risk, down to its stops and
no further: a gap through a stop is no part of any claim.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import combinations_with_replacement, islice, product
from types import FunctionType
from typing import Any

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from builders import policy_worlds
from builders.policy import a_policy
from builders.symbolic import Paths, RoundingDown, Symbolic, allowed, counterexample
from builders.symbolic_worlds import JUDGED, OTHER, SIDES, SYMBOLS, Order, Shape, Unaided, World
from domain.decision import Proposal
from domain.money import ZERO
from policy import CHECKS, Facts
from policy.account import EquityMarks
from policy.case import Case
from policy.check import Rule
from policy.escalation import DAY_START, size_factor
from policy.limits.account import (
    CashLimits,
    DailyLossLimits,
    ExposureLimits,
    LeverageLimits,
    NetExposureLimits,
    OpenRiskLimits,
    PositionLimits,
    TradeRiskLimits,
)
from policy.limits.order import NotionalLimits, OrderTypeLimits, RewardRiskLimits, ShortLimits
from policy.ruling import Ruling, deny, passed, within
from policy.trigger import met
from policy.used import loss_from

pytestmark = pytest.mark.slow  # a solver takes its time

Claim = Callable[[World], z3.BoolRef]

BY_CODE = {check.code: check for check in CHECKS}

BUY, SELL = (Order(side) for side in SIDES)
MARKET_BUY, MARKET_SELL = (Order(side, priced=False) for side in SIDES)
EXIT_BUY, EXIT_SELL = (Order(side, exit=True) for side in SIDES)
STOP_BUY, STOP_SELL = (Order(side, priced=False, waits=True) for side in SIDES)
STOP_OUT_BUY, STOP_OUT_SELL = (replace(order, exit=True) for order in (STOP_BUY, STOP_SELL))
ENTRIES = (BUY, SELL, MARKET_BUY, MARKET_SELL)
EXITS = (EXIT_BUY, EXIT_SELL)
STOPS_OUT = (STOP_OUT_BUY, STOP_OUT_SELL)
STOPS = (STOP_BUY, STOP_SELL, *STOPS_OUT)
"""Those that enter are let through by nobody, and may yet be found working."""
NO_STOP = tuple(replace(order, stopped=False) for order in (BUY, SELL))


def elsewhere(*orders: Order) -> tuple[Order, ...]:
    return tuple(replace(order, symbol=OTHER) for order in orders)


AT_LIMITS = (BUY, SELL, EXIT_SELL, *elsewhere(BUY, SELL))
ALL_WORKING = (*ENTRIES, *EXITS, *elsewhere(*ENTRIES, *EXITS))


def shapes(
    judged: tuple[Order, ...], working: tuple[Order, ...] = (), count: int = 0, **over: object
) -> Iterator[Shape]:
    """Every judged order, with every choice of `count` working ones."""
    for order, orders in product(judged, combinations_with_replacement(working, count)):
        yield Shape(order, orders, **over)  # type: ignore[arg-type]


def size(term: z3.ArithRef) -> z3.ArithRef:
    return z3.If(term >= 0, term, -term)


# What may come to pass, and that it is within the limit.


def afterwards(world: World, *symbols: str) -> tuple[list[z3.ArithRef], list[z3.BoolRef]]:
    """What each symbol may come to be worth, with its sign: any part of every entry fills, and any exit."""
    worths: dict[str, z3.ArithRef] = {}
    possible = []
    for symbol in symbols:
        held, kept = world.worth(symbol).term, z3.Real(f"kept {symbol}")
        possible.append(z3.Or(z3.And(kept >= 0, kept <= held), z3.And(held <= kept, kept <= 0)))
        worths[symbol] = kept
    for n, order in enumerate(world.orders):
        if order.symbol in symbols and not order.exit:
            filled, can_be = world.filled(n)
            possible.append(can_be)
            worths[order.symbol] += filled if order.side == "buy" else -filled
    return list(worths.values()), possible


def share_of_equity(world: World) -> z3.ArithRef:
    return (world.share * world.equity).term


def position_kept(world: World) -> z3.BoolRef:
    (worth,), possible = afterwards(world, JUDGED)
    return z3.Implies(z3.And(possible), size(worth) <= share_of_equity(world))


def gross_kept(world: World) -> z3.BoolRef:
    worths, possible = afterwards(world, *SYMBOLS)
    return z3.Implies(z3.And(possible), z3.Sum([size(worth) for worth in worths]) <= share_of_equity(world))


def margin_kept(world: World) -> z3.BoolRef:
    """Of swaps, and of spot that is held short."""
    worths, possible = afterwards(world, *SYMBOLS)
    for n, symbol in enumerate(SYMBOLS):
        if symbol not in world.shape.swaps:
            short = world.held[symbol].term < 0 if symbol in world.held else z3.BoolVal(False)
            worths[n] = z3.If(short, worths[n], 0)
    return z3.Implies(z3.And(possible), z3.Sum([size(worth) for worth in worths]) <= share_of_equity(world))


def net_kept(world: World) -> z3.BoolRef:
    """Of exits only working ones fill, and no further than to flat."""
    net, possible = z3.RealVal(0), []
    for symbol in SYMBOLS:
        held, gone = world.worth(symbol), z3.Real(f"gone {symbol}")
        for side, worth in (("sell", held.term), ("buy", -held.term)):
            exits = [n for n, o in enumerate(world.orders) if o.exit and (o.symbol, o.side) == (symbol, side)]
            most = sum((world.numbers[n].quantity * world.mark[symbol] for n in exits), held.of(0))
            possible.append(z3.Implies(worth >= 0, z3.And(gone >= 0, gone <= worth, gone <= most.term)))
        net += held.term + z3.If(held.term >= 0, -gone, gone)
    for n, order in enumerate(world.orders):
        if not order.exit:
            filled, can_be = world.filled(n)
            possible.append(can_be)
            net += filled if order.side == "buy" else -filled
    return z3.Implies(z3.And(possible), size(net) <= share_of_equity(world))


def reserve_kept(world: World) -> z3.BoolRef:
    """Cash that no short ties up, less all entries and their fees. What a sale of spot brings in is not counted."""
    free, possible = world.cash.term, []
    for symbol in SYMBOLS:
        worth = world.worth(symbol).term
        free += worth - size(worth)
    for n, order in enumerate(world.orders):
        if not order.exit and (order.side == "buy" or order.symbol in world.shape.swaps):
            (filled, can_be), (fee, is_owed) = world.filled(n), world.paid(n)
            possible += [can_be, is_owed]
            free -= filled + fee
    return z3.Implies(z3.And(possible), free >= share_of_equity(world))


def loss_kept(world: World) -> z3.BoolRef:
    """What was lost is less than may be: at the limit nothing is entered any more. No loss is always less."""
    return less_lost(world, world.share)


def fall_kept(world: World) -> z3.BoolRef:
    return less_lost(world, world.fall_share)


def less_lost(world: World, share: Symbolic) -> z3.BoolRef:
    lost = (world.earlier - world.equity).term
    return z3.Or(lost <= 0, lost < (share * world.earlier).term)


def trade_risk_kept(world: World) -> z3.BoolRef:
    """Filled at its furthest price or a better one, and closed at its stop."""
    loss, can_be = world.lost(0)
    return z3.Implies(can_be, loss <= share_of_equity(world))


def open_risk_kept(world: World) -> z3.BoolRef:
    """Any part of every entry fills, and then all is closed at its stop."""
    losses = [world.lost(n) for n, order in enumerate(world.orders) if not order.exit]
    losses += [world.lost_held(symbol) for symbol in world.held]
    possible = z3.And([can_be for _, can_be in losses])
    return z3.Implies(possible, z3.Sum([loss for loss, _ in losses]) <= share_of_equity(world))


def notional_kept(world: World) -> z3.BoolRef:
    """Within the absolute cap; and an entry within its share, which falls with drawdown in a line to nothing."""
    worth, possible = world.filled(0)
    capped = worth <= world.cap.term
    if world.shape.judged.exit:
        return z3.Implies(possible, capped)
    limit, fall = world.fall_share * world.earlier, world.earlier - world.equity
    full_until = world.fall_from * limit
    shrinks = z3.And(world.fall_from.term < 1, fall.term > full_until.term)
    left, over = limit - fall, limit - full_until
    # Compared for what all of the order comes to: a part of it comes to less.
    shrunk = [(most * over).term <= (world.share * world.equity * left).term for most in world.worst(0)]
    shrunk.append(left.term > 0)
    kept = z3.And(capped, worth <= share_of_equity(world), z3.Implies(shrinks, z3.And(shrunk)))
    return z3.Implies(possible, kept)


def reward_kept(world: World) -> z3.BoolRef:
    """Whatever it pays of the costs that were counted, each time: what it gains at its target is at least so many times
    what it loses at its stop. Without a stop a buy loses all of its price, which is a stop at nothing.
    """
    numbers = world.numbers[0]
    stop = world.cash.of(0) if numbers.stop_price is None else numbers.stop_price
    kept = []
    for gained, gains in world.round_trips(numbers.target_price, "the target"):
        for at_stop, loses in world.round_trips(stop, "the stop"):
            kept.append(z3.Implies(z3.And(gains, loses), gained.term >= (world.least_reward * -at_stop).term))
    return z3.And(kept)


def traded(world: World) -> tuple[z3.ArithRef, z3.BoolRef]:
    """What the judged order and all working ones on its side of its symbol trade: any part."""
    amount, side = z3.Real("traded"), world.shape.judged.side
    same = [n for n, order in enumerate(world.orders) if (order.symbol, order.side) == (JUDGED, side)]
    return amount, z3.And(amount >= 0, amount <= z3.Sum([world.numbers[n].quantity.term for n in same]))


def only_reduced(world: World) -> z3.BoolRef:
    """There is something to reduce; it is never more than before, and never on the other side."""
    if JUDGED not in world.held:
        return z3.BoolVal(False)
    amount, possible = traded(world)
    held = world.held[JUDGED].term * (1 if world.shape.judged.side == "sell" else -1)
    return z3.And(held > 0, z3.Implies(possible, z3.And(held - amount >= 0, held - amount <= held)))


def stop_waits(world: World) -> z3.BoolRef:
    """It can only reduce, and the market has yet to fall, or to rise, to its trigger."""
    trigger = world.numbers[0].trigger_price
    assert trigger is not None
    sells = world.shape.judged.side == "sell"
    met = trigger.term >= world.bid[JUDGED].term if sells else trigger.term <= world.ask[JUDGED].term
    return z3.And(only_reduced(world), z3.Not(met))


def not_short(world: World) -> z3.BoolRef:
    """No more is sold than is held, but for swaps where the policy allows it."""
    if world.shape.shorts and JUDGED in world.shape.swaps:
        return z3.BoolVal(True)
    amount, possible = traded(world)
    held = world.held[JUDGED].term if JUDGED in world.held else z3.RealVal(0)
    return z3.Implies(possible, amount <= held)


def outweighed(world: World) -> z3.BoolRef:
    """What venue data says for the judged order weighs more than what it says against it."""
    weights = {side: z3.Sum([s.term for on, s in world.strengths if on == side]) for side in SIDES}
    pro, contra = (weights[side] for side in (SIDES if world.shape.judged.side == SIDES[0] else SIDES[::-1]))
    return pro > contra


CLAIMS: Mapping[str, Claim] = {
    "CASH": reserve_kept,
    "DAILY_LOSS": loss_kept,
    "DRAWDOWN": fall_kept,
    "EXPOSURE": gross_kept,
    "LEVERAGE": margin_kept,
    "MAX_NOTIONAL": notional_kept,
    "NET_EXPOSURE": net_kept,
    "OPEN_RISK": open_risk_kept,
    "ORDER_TYPE": stop_waits,
    "POSITION": position_kept,
    "REDUCE_ONLY": only_reduced,
    "REWARD_RISK": reward_kept,
    "RISK_PER_TRADE": trade_risk_kept,
    "SHORT": not_short,
    "SUPPORT": outweighed,
    "WEEKLY_LOSS": loss_kept,
}
"""By the code of the check that lets nothing through but what keeps it."""


def with_any_rounding(rule: Rule) -> Rule:
    """`rule` with the same code, but that `size_factor` in it rounds to any number that rounding down may give."""
    factor = FunctionType(size_factor.__code__, {**size_factor.__globals__, "DOWN": RoundingDown()})
    return FunctionType(rule.__code__, {**rule.__globals__, "size_factor": factor})


def broken_by(code: str, shape: Shape, rule: Rule | None = None) -> tuple[World, z3.ModelRef | None]:
    """A world of that shape, with numbers that the check lets through and that break its claim, if there are any."""
    world = World(shape)
    claim = CLAIMS[code](world)
    return world, counterexample(world.judge(code, rule), paths=world.paths, domain=world.domain, claim=claim)


def assert_proven(code: str, found: Iterator[Shape]) -> None:
    rule = with_any_rounding(BY_CODE[code].rule) if code == "MAX_NOTIONAL" else None
    for shape in found:
        _, numbers = broken_by(code, shape, rule)
        assert numbers is None, f"{shape} with {numbers}"


LOOKING_BACK = ("DAILY_LOSS", "WEEKLY_LOSS", "DRAWDOWN")
ONE_ORDER = ("MAX_NOTIONAL", "RISK_PER_TRADE")
ONE_SIDE = ("ORDER_TYPE", "REDUCE_ONLY", "SHORT")
OF_OPINION = ("SUPPORT",)
OF_COSTS = ("REWARD_RISK",)
PORTFOLIO = tuple(code for code in CLAIMS if code not in (*LOOKING_BACK, *ONE_ORDER, *ONE_SIDE, *OF_OPINION, *OF_COSTS))
EVERY = bool(os.environ.get("AGENTCTL_EVERY_POINT"))
HELD = ((), (JUDGED,), (OTHER,))
"""But for both."""
KINDS_MATTER = ("LEVERAGE", "CASH")
STOPS_MATTER = ("OPEN_RISK",)


def one_order(code: str) -> Iterator[Shape]:
    exits = (*EXITS, *STOPS_OUT) if code == "MAX_NOTIONAL" else ()
    for held in (*HELD, SYMBOLS):
        yield from shapes((*ENTRIES, *exits, *NO_STOP), held=held)


def one_side(code: str) -> Iterator[Shape]:
    judged = {"ORDER_TYPE": STOPS, "REDUCE_ONLY": (*EXITS, *STOPS_OUT), "SHORT": (SELL, EXIT_SELL, STOP_OUT_SELL)}
    kinds = product(((), (JUDGED,)), (True, False)) if code == "SHORT" else ((SYMBOLS, True),)
    for held, (swaps, shorts) in product(((), SYMBOLS), kinds):
        yield from shapes(judged[code], (*AT_LIMITS, STOP_OUT_SELL), 2, held=held, swaps=swaps, shorts=shorts)


def one_working(code: str) -> Iterator[Shape]:
    """Every working order there is, by itself, and none; with all that bears on this check."""
    for held in HELD:
        yield from shapes((BUY, MARKET_SELL), ALL_WORKING, 1, held=held, swaps=SYMBOLS)
    for held in ((), (JUDGED,)):
        yield from shapes((BUY,), (*STOPS, *elsewhere(STOP_SELL)), 1, held=held, swaps=SYMBOLS)
    yield from shapes(ENTRIES)
    for swaps in ((), (JUDGED,)) if code in KINDS_MATTER else ((),):
        yield from shapes((BUY, SELL), AT_LIMITS, 1, swaps=swaps)
    if code in STOPS_MATTER:
        yield from shapes(NO_STOP, NO_STOP, 1, held=(JUDGED,), stopped=())


def two_working(code: str) -> Iterator[Shape]:
    """Two of them at limits, beside a position in the judged symbol alone."""
    yield from shapes((BUY, SELL), AT_LIMITS, 2, held=(JUDGED,), swaps=(OTHER,) if code in KINDS_MATTER else ())


def all_of_them(code: str) -> Iterator[Shape]:
    """Any two, beside a position in either symbol. `make proofs` proves them all, CI every sixth."""
    pairs = shapes(ENTRIES, ALL_WORKING, 2, swaps=(JUDGED,) if code in KINDS_MATTER else ())
    yield from pairs if EVERY else islice(pairs, PORTFOLIO.index(code), None, 6)


@pytest.mark.parametrize("code", LOOKING_BACK)
def test_no_entry_is_let_through_after_a_loss_at_its_limit_or_beyond(code: str) -> None:
    for held in (*HELD, SYMBOLS):
        assert_proven(code, shapes(ENTRIES, held=held))


@pytest.mark.parametrize("code", ONE_ORDER)
def test_one_order_is_let_through_within_its_own_limit_only(code: str) -> None:
    assert_proven(code, one_order(code))


@pytest.mark.parametrize("code", ONE_SIDE)
def test_no_order_is_let_through_that_takes_more_than_is_held(code: str) -> None:
    assert_proven(code, one_side(code))


@pytest.mark.parametrize("code", OF_OPINION)
def test_no_entry_and_no_exit_by_thesis_is_let_through_that_venue_data_does_not_support(code: str) -> None:
    for held in (*HELD, SYMBOLS):
        assert_proven(code, shapes((*ENTRIES, *EXITS, *STOPS_OUT), held=held))


@pytest.mark.parametrize("code", OF_COSTS)
def test_no_entry_is_let_through_whose_reward_is_less_than_its_part_of_the_risk_once_all_is_paid(code: str) -> None:
    assert_proven(code, shapes((*ENTRIES, *NO_STOP), held=()))


@pytest.mark.parametrize("code", PORTFOLIO)
@pytest.mark.parametrize("found", [one_working, two_working])
def test_whatever_fills_after_an_entry_the_limit_is_kept(code: str, found: Callable[[str], Iterator[Shape]]) -> None:
    assert_proven(code, found(code))


@pytest.mark.slow
@pytest.mark.parametrize("code", [code for code in PORTFOLIO if code != "OPEN_RISK"])
def test_whatever_fills_after_an_entry_the_limit_is_kept_with_any_two_working_orders(code: str) -> None:
    assert_proven(code, all_of_them(code))


# That the proof is of something: checks let orders through, broken ones are caught, and symbols count as decimals do.


@pytest.mark.parametrize("code", CLAIMS)
def test_there_are_orders_that_a_check_lets_through(code: str) -> None:
    judged = {"ORDER_TYPE": STOP_OUT_SELL, "REDUCE_ONLY": EXIT_SELL}.get(code, SELL)
    world = World(Shape(judged, swaps=SYMBOLS))
    rule = with_any_rounding(BY_CODE[code].rule) if code == "MAX_NOTIONAL" else None
    judge = world.judge(code, rule)
    numbers = counterexample(judge, paths=world.paths, domain=world.domain, claim=z3.BoolVal(False))
    assert numbers is not None
    world.paths.found = numbers
    assert allowed(world.judge(code, rule))


def without_working_orders(case: Case, limits: PositionLimits) -> Ruling:
    alone = Case(case.proposal, case.facts.model_copy(update={"working": ()}), policy=case.policy)
    return BY_CODE["POSITION"].rule(alone, limits)


def with_sides_netted(case: Case, limits: PositionLimits) -> Ruling:
    longs, shorts = case.book.sides
    net = longs.get(JUDGED, ZERO) - shorts.get(JUDGED, ZERO)
    net += case.notional if case.proposal.side == "buy" else -case.notional
    return within(abs(net), limits.share_of_equity * case.equity, unit="", warn_at=limits.warn_at)


def at_its_own_limit(case: Case, limits: PositionLimits) -> Ruling:
    """Values a sale at what it asks for, which may be less than the market."""
    price = case.proposal.limit_price or case.quote.ask
    worth = case.position * case.book.mark(JUDGED) - case.proposal.quantity * price
    return within(abs(worth), limits.share_of_equity * case.equity, unit="", warn_at=limits.warn_at)


def without_shorts(case: Case, limits: ExposureLimits) -> Ruling:
    longs, _ = case.book.sides
    gross = sum(longs.values(), ZERO) + case.notional
    return within(gross, limits.gross_share_of_equity * case.equity, unit="", warn_at=limits.warn_at)


def at_one_end_only(case: Case, limits: NetExposureLimits) -> Ruling:
    _, most = case.book.net
    return within(most + case.notional, limits.share_of_equity * case.equity, unit="", warn_at=limits.warn_at)


def without_fees(case: Case, limits: CashLimits) -> Ruling:
    available = case.free_cash - limits.reserve_share_of_equity * case.equity
    return within(case.notional, available, unit="", warn_at=limits.warn_at)


def without_what_is_not_realised(case: Case, limits: DailyLossLimits) -> Ruling:
    cash = case.book.portfolio.cash
    loss = loss_from(case.facts.equity_marks.day_start, cash, share=limits.share_of_day_start, called=DAY_START)
    return within(loss.amount, loss.limit, unit="", warn_at=limits.warn_at)


def up_to_its_limit(case: Case, limits: DailyLossLimits) -> Ruling:
    start = case.facts.equity_marks.day_start
    loss = loss_from(start, case.equity, share=limits.share_of_day_start, called=DAY_START)
    return within(loss.amount, loss.limit, unit="", warn_at=limits.warn_at)


def without_the_judged_order(case: Case, limits: OpenRiskLimits) -> Ruling:
    return within(case.book.risk, limits.share_of_equity * case.equity, unit="", warn_at=limits.warn_at)


def without_a_swap_that_is_new(case: Case, limits: LeverageLimits) -> Ruling:
    exposure = sum((case.exposures[symbol] for symbol in case.book.on_margin), ZERO)
    return within(exposure, limits.maximum * case.equity, unit="", warn_at=limits.warn_at)


def from_the_mark(case: Case, limits: TradeRiskLimits) -> Ruling:
    """Counts from where the market is, not from where the order may fill."""
    assert case.proposal.stop_price is not None
    risk = case.proposal.quantity * abs(case.book.mark(JUDGED) - case.proposal.stop_price)
    return within(risk, limits.share_of_equity * case.equity, unit="", warn_at=limits.warn_at)


def by_the_larger_cap(case: Case, limits: NotionalLimits) -> Ruling:
    assert limits.absolute is not None
    assert limits.share_of_equity is not None
    largest = max(limits.absolute, limits.share_of_equity * case.equity)
    return within(case.notional, largest, unit="", warn_at=limits.warn_at)


def without_drawdown(case: Case, limits: NotionalLimits) -> Ruling:
    assert limits.absolute is not None
    assert limits.share_of_equity is not None
    smallest = min(limits.absolute, limits.share_of_equity * case.equity)
    return within(case.notional, smallest, unit="", warn_at=limits.warn_at)


def without_working_exits(case: Case) -> Ruling:
    opposite = case.position < 0 if case.proposal.side == "buy" else case.position > 0
    return passed("") if opposite and case.proposal.quantity <= abs(case.position) else deny("")


def without_working_sales(case: Case, limits: ShortLimits) -> Ruling:
    return passed("") if case.proposal.quantity <= case.position else deny("")


def whatever_the_market(case: Case, limits: OrderTypeLimits) -> Ruling:
    return passed("") if case.reducing else deny("")


def without_what_speaks_against(case: Case) -> Ruling:
    signals = case.facts.venue_signals[JUDGED]
    return passed("") if any(s.side == case.proposal.side and s.strength > ZERO for s in signals) else deny("")


def for_entries_alone(case: Case) -> Ruling:
    return passed("") if case.reducing else BY_CODE["SUPPORT"].rule(case)


def where_it_says_reduce_only(case: Case, limits: OrderTypeLimits) -> Ruling:
    """Believes the order, without looking at what is held."""
    trigger = case.proposal.trigger_price
    assert trigger is not None
    waits = case.proposal.reduce_only and not met(trigger, side=case.proposal.side, quote=case.quote)
    return passed("") if waits else deny("")


def before_costs(case: Case, limits: RewardRiskLimits) -> Ruling:
    entry, stop, target = case.quote.ask, case.proposal.stop_price, case.proposal.target_price
    assert stop is not None
    assert target is not None
    return passed("") if target - entry >= limits.minimum * (entry - stop) else deny("")


BROKEN = [
    ("POSITION", without_working_orders, Shape(BUY, (BUY,))),
    ("POSITION", with_sides_netted, Shape(BUY, (SELL,))),
    ("POSITION", at_its_own_limit, Shape(SELL)),
    ("EXPOSURE", without_shorts, Shape(BUY)),
    ("NET_EXPOSURE", at_one_end_only, Shape(BUY)),
    ("CASH", without_fees, Shape(BUY)),
    ("DAILY_LOSS", without_what_is_not_realised, Shape(BUY)),
    ("DAILY_LOSS", up_to_its_limit, Shape(BUY)),
    ("OPEN_RISK", without_the_judged_order, Shape(BUY, held=())),
    ("LEVERAGE", without_a_swap_that_is_new, Shape(BUY, held=(), swaps=(JUDGED,))),
    ("REWARD_RISK", before_costs, Shape(MARKET_BUY, held=())),
    ("RISK_PER_TRADE", from_the_mark, Shape(MARKET_BUY)),
    ("MAX_NOTIONAL", by_the_larger_cap, Shape(BUY, held=())),
    ("MAX_NOTIONAL", without_drawdown, Shape(BUY, held=())),
    ("ORDER_TYPE", whatever_the_market, Shape(STOP_OUT_SELL)),
    ("ORDER_TYPE", where_it_says_reduce_only, Shape(STOP_OUT_SELL, held=())),
    ("REDUCE_ONLY", without_working_exits, Shape(EXIT_SELL, (EXIT_SELL,))),
    ("REDUCE_ONLY", without_working_exits, Shape(EXIT_SELL, (STOP_OUT_SELL,))),
    ("REDUCE_ONLY", without_working_exits, Shape(STOP_OUT_SELL, (EXIT_SELL,))),
    ("SHORT", without_working_sales, Shape(SELL, (SELL,))),
    ("SUPPORT", without_what_speaks_against, Shape(BUY)),
    ("SUPPORT", for_entries_alone, Shape(EXIT_SELL)),
]


@pytest.mark.parametrize(("code", "rule", "shape"), BROKEN, ids=lambda given: getattr(given, "__name__", None))
def test_a_broken_check_is_caught_by_numbers_that_the_real_one_refuses(code: str, rule: Rule, shape: Shape) -> None:
    world, numbers = broken_by(code, shape, rule)
    assert numbers is not None
    world.paths.found = numbers
    assert allowed(world.judge(code, rule))
    real = with_any_rounding(BY_CODE[code].rule) if code == "MAX_NOTIONAL" else None
    assert not allowed(world.judge(code, real))


def in_symbols(value: object, paths: Paths) -> object:
    """`value` with a symbol that stands for just that number in place of every decimal."""
    if isinstance(value, Decimal):
        return Symbolic({(): Fraction(value)}, paths)
    if isinstance(value, BaseModel):
        fields: dict[str, Any] = {name: in_symbols(getattr(value, name), paths) for name in type(value).model_fields}
        return type(value).model_construct(**fields)
    if isinstance(value, tuple):
        return tuple(in_symbols(item, paths) for item in value)
    if isinstance(value, Mapping):
        return {key: in_symbols(item, paths) for key, item in value.items()}
    return value


def as_fraction(number: object) -> Fraction | None:
    if isinstance(number, Symbolic):
        return number.parts.get((), Fraction(0))
    return Fraction(number) if isinstance(number, Decimal) else None


PRICED = a_policy(pricing={"market_slippage_bps": 30}, max_notional={"share_of_equity": "0.1", "absolute": "900"})


@given(policy_worlds.proposals(), policy_worlds.facts(troubled=False))
def test_checks_find_the_same_of_symbols_as_of_decimals(proposal: Proposal, facts: Facts) -> None:
    paths = Paths()
    symbols: list[Any] = [in_symbols(value, paths) for value in (proposal, facts, PRICED)]
    for code in CLAIMS:
        of_decimals = BY_CODE[code](Unaided(proposal, facts, policy=PRICED))
        of_symbols = BY_CODE[code](Unaided(symbols[0], symbols[1], policy=symbols[2]))
        assert of_symbols.outcome == of_decimals.outcome, code
        for name in ("observed", "limit"):
            assert as_fraction(getattr(of_symbols, name)) == as_fraction(getattr(of_decimals, name)), code


@given(st.integers(1, 99), st.integers(1, 99), st.integers(-3_000, 20_000), st.integers(1, 20_000))
def test_the_real_size_factor_is_one_of_those_that_stand_for_it(share: int, start: int, equity: int, high: int) -> None:
    limits = {"share_of_high": Decimal(share) / 100, "sizes_fall_from": Decimal(start) / 100}
    limit = limits["share_of_high"] * high
    factor = size_factor(a_policy(drawdown=limits), EquityMarks(high=Decimal(high)), Decimal(equity))
    left, over = limit - max(high - equity, 0), limit - limits["sizes_fall_from"] * limit
    assert 0 <= factor <= 1
    assert factor * over <= max(left, ZERO)
