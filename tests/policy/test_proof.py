"""A proof that what a check lets through keeps its limit, for all numbers; of the checks that guard size and loss.

**On what.** The same code that runs in the gate: `policy/case.py`, `policy/book.py`, `policy/checks/*.py` and the
wrapper in `policy/check.py` run, unchanged, on numbers that stand for all numbers (`builders/symbolic.py`). Every
path through that code is taken, and on each that allows the order z3 shows that no numbers break the claim. One
thing is replaced: the two roundings in `policy.escalation.size_factor`, by "any number from nothing up to the exact
quotient". Two tests hold that replacement, and the arithmetic on symbols, against the real ones.

**What is claimed.** Not what the code computes, but what it is for. Each claim is written here from the raw numbers
alone: any part of every working order and of the judged one fills, at any price up to its worst; then exposure,
net, margin, cash, losses at the stops are within the limit. See each claim.

**Within which shape.** One account with a position of either sign or of nothing in the judged symbol, in another,
in both, or no position at all; up to two working orders besides the judged one, each a buy, a sale or an exit, in
either symbol, at a limit or at the market; spot and swaps. Numbers are unbounded: all reals, above zero where the domain
says so, shares from 0 to 1. Two working orders that are at the market are among them only in the slow run.

**What is assumed.** Exact arithmetic: the gate's own traps `Inexact`, and what raises refuses. Validated facts
(prices and quantities above zero, one number per field): `Facts` and `WELL_FORMED` see to that, and tests to them.
True facts. Nobody's consent, and `on_breach` at deny: an order that a person lets stand is no longer the proof's.
That all findings must pass for an allow is `outcome_of`, which table tests hold.

**What is not proven.** More positions or orders than the shape has (sums over symbols and orders treat all alike);
options; the checks that count, time or correlate; that equity falls no further than the loss limits after the
entry: those limits look back. What an entry may yet lose is bounded by the claims on risk, down to its stops and
no further: a gap through a stop is no part of any claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import chain, combinations_with_replacement, product
from types import FunctionType

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from builders import policy_worlds
from builders.policy import a_policy
from builders.symbolic import Paths, RoundingDown, Symbolic, allowed, counterexample
from builders.symbolic_worlds import JUDGED, OTHER, SIDES, SYMBOLS, Order, Shape, World
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
    NetExposureLimits,
    OpenRiskLimits,
    PositionLimits,
)
from policy.limits.order import NotionalLimits, ShortLimits
from policy.ruling import Ruling, deny, passed, within
from policy.used import loss_from

Claim = Callable[[World], z3.BoolRef]

BY_CODE = {check.code: check for check in CHECKS}

BUY, SELL = (Order(side) for side in SIDES)
MARKET_BUY, MARKET_SELL = (Order(side, priced=False) for side in SIDES)
EXIT_BUY, EXIT_SELL = (Order(side, exit=True) for side in SIDES)
ENTRIES = (BUY, SELL, MARKET_BUY, MARKET_SELL)
EXITS = (EXIT_BUY, EXIT_SELL)
NO_STOP = tuple(replace(order, stopped=False) for order in (BUY, SELL))


def elsewhere(*orders: Order) -> tuple[Order, ...]:
    return tuple(replace(order, symbol=OTHER) for order in orders)


AT_LIMITS = (BUY, SELL, EXIT_SELL, *elsewhere(BUY, SELL))
ALL_WORKING = (*ENTRIES, *EXITS, *elsewhere(*ENTRIES, *EXITS))


def shapes(judged: tuple[Order, ...], working: tuple[Order, ...] = (), count: int = 0, **over: object) -> Iterator[Shape]:
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
        possible.append(z3.Or(z3.And(0 <= kept, kept <= held), z3.And(held <= kept, kept <= 0)))
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
            possible.append(z3.Implies(worth >= 0, z3.And(0 <= gone, gone <= worth, gone <= most.term)))
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
    return (world.earlier - world.equity).term <= (world.share * world.earlier).term


def fall_kept(world: World) -> z3.BoolRef:
    return (world.earlier - world.equity).term <= (world.fall_share * world.earlier).term


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
    """Within the absolute cap; and an entry within its share, of which a drawdown leaves a part in a line to nothing."""
    worth, possible = world.filled(0)
    capped = worth <= world.cap.term
    if world.shape.judged.exit:
        return z3.Implies(possible, capped)
    limit, fall = world.fall_share * world.earlier, world.earlier - world.equity
    full_until = world.fall_from * limit
    shrinks = z3.And(world.fall_from.term < 1, fall.term > full_until.term)
    left, over, quantity = limit - fall, limit - full_until, world.numbers[0].quantity
    # Compared for what the whole order comes to: a part of it only comes to less.
    shrunk = [(most * over).term <= (world.share * world.equity * left).term for most in world.worst(0)]
    assert quantity is not None
    nothing_left = z3.And(shrinks, left.term <= 0)
    kept = z3.And(capped, worth <= share_of_equity(world), z3.Implies(shrinks, z3.And(shrunk)), z3.Not(nothing_left))
    return z3.Implies(possible, kept)


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


def not_short(world: World) -> z3.BoolRef:
    """No more is sold than is held, but for swaps where the policy allows it."""
    if world.shape.shorts and JUDGED in world.shape.swaps:
        return z3.BoolVal(True)
    amount, possible = traded(world)
    held = world.held[JUDGED].term if JUDGED in world.held else z3.RealVal(0)
    return z3.Implies(possible, amount <= held)


CLAIMS: Mapping[str, Claim] = {
    "CASH": reserve_kept,
    "DAILY_LOSS": loss_kept,
    "DRAWDOWN": fall_kept,
    "EXPOSURE": gross_kept,
    "LEVERAGE": margin_kept,
    "MAX_NOTIONAL": notional_kept,
    "NET_EXPOSURE": net_kept,
    "OPEN_RISK": open_risk_kept,
    "POSITION": position_kept,
    "REDUCE_ONLY": only_reduced,
    "RISK_PER_TRADE": trade_risk_kept,
    "SHORT": not_short,
    "WEEKLY_LOSS": loss_kept,
}
"""By the code of the check that lets nothing through but what keeps it."""


def with_any_rounding(rule: Rule) -> Rule:
    """`rule` with the same code, but that `size_factor` in it rounds to any number that rounding down may give."""
    factor = FunctionType(size_factor.__code__, {**size_factor.__globals__, "_DOWN": RoundingDown()})
    return FunctionType(rule.__code__, {**rule.__globals__, "size_factor": factor})  # type: ignore[attr-defined]


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


if __name__ == "__main__":
    import sys, time
    def timed(code, found, budget=8):
        t=time.time(); n=0; worst=0
        rule = with_any_rounding(BY_CODE[code].rule) if code == "MAX_NOTIONAL" else None
        for shape in found:
            t1=time.time()
            _, numbers = broken_by(code, shape, rule); n+=1
            worst=max(worst,time.time()-t1)
            assert numbers is None, (shape,numbers)
            if time.time()-t>budget: print("budget",end=" "); break
        print(code,n,round(time.time()-t,2),round(worst,2),flush=True)
    for code in ("POSITION","EXPOSURE","NET_EXPOSURE","OPEN_RISK","LEVERAGE","CASH"):
        timed(code, shapes(ENTRIES,ALL_WORKING,1))
        timed(code, shapes(ENTRIES,ALL_WORKING,1,swaps=(JUDGED,), held=()))
        timed(code, shapes((BUY,SELL),AT_LIMITS,2))
    for code in ("DAILY_LOSS","WEEKLY_LOSS","DRAWDOWN","RISK_PER_TRADE"): timed(code,shapes((*ENTRIES,*NO_STOP)))
    timed("REDUCE_ONLY",shapes(EXITS,ALL_WORKING,2)); timed("SHORT",shapes((SELL,EXIT_SELL),ALL_WORKING,2))
    timed("MAX_NOTIONAL",shapes((*ENTRIES,*EXITS),held=()))
    timed("MAX_NOTIONAL",shapes((*ENTRIES,*EXITS)))
