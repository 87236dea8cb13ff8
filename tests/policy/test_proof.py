from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement, product
from types import FunctionType

import pytest
import z3

from builders.symbolic import RoundingDown, allowed, counterexample
from builders.symbolic_worlds import JUDGED, OTHER, SIDES, SYMBOLS, Order, Shape, World
from policy import CHECKS
from policy.check import Rule
from policy.checks.order_size import notional_within
from policy.escalation import size_factor

Claim = Callable[[World], z3.BoolRef]

BUY, SELL = (Order(side) for side in SIDES)
MARKET_BUY, MARKET_SELL = (Order(side, priced=False) for side in SIDES)
ENTRIES = (BUY, SELL, MARKET_BUY, MARKET_SELL)
EXIT_BUY, EXIT_SELL = (Order(side, exit=True) for side in SIDES)


def on(symbol: str, *orders: Order) -> tuple[Order, ...]:
    return tuple(Order(o.side, symbol, exit=o.exit, priced=o.priced, stopped=o.stopped) for o in orders)


ANY_WORKING = tuple(o for symbol in SYMBOLS for o in on(symbol, *ENTRIES, EXIT_BUY, EXIT_SELL))
LIMIT_WORKING = (BUY, SELL, EXIT_BUY, EXIT_SELL, *on(OTHER, BUY, SELL))


def shapes(judged: tuple[Order, ...], working: tuple[Order, ...], count: int, **over: object) -> Iterator[Shape]:
    for order, orders in product(judged, combinations_with_replacement(working, count)):
        yield Shape(order, orders, **over)


def size(term: z3.ArithRef) -> z3.ArithRef:
    return z3.If(term >= 0, term, -term)


# The claims. Each names what may come to pass after the trade by numbers of its own, and says that all of it is kept.


def afterwards(world: World, *symbols: str) -> tuple[list[z3.ArithRef], list[z3.BoolRef]]:
    """What each symbol may come to be worth, with its sign: any part of every entry fills, and any exit."""
    worths, possible = {}, []
    for symbol in symbols:
        held, kept = world.worth(symbol), z3.Real(f"kept {symbol}")
        possible.append(z3.Or(z3.And(0 <= kept, kept <= held), z3.And(held <= kept, kept <= 0)))
        worths[symbol] = kept
    for n, order in enumerate(world.orders):
        if order.symbol in symbols and not order.exit:
            filled, can_be = world.filled(n)
            possible.append(can_be)
            worths[order.symbol] += filled if order.side == "buy" else -filled
    return list(worths.values()), possible


def position_kept(world: World) -> z3.BoolRef:
    (worth,), possible = afterwards(world, JUDGED)
    return z3.Implies(z3.And(possible), size(worth) <= world.share.term * world.equity)


def gross_kept(world: World) -> z3.BoolRef:
    worths, possible = afterwards(world, *SYMBOLS)
    return z3.Implies(z3.And(possible), z3.Sum([size(w) for w in worths]) <= world.share.term * world.equity)


def margin_kept(world: World) -> z3.BoolRef:
    """Swaps, and of spot what is held short."""
    worths, possible = afterwards(world, *SYMBOLS)
    on_margin = [z3.BoolVal(s in world.shape.swaps) if s in world.shape.swaps or s not in world.held else world.held[s].term < 0 for s in SYMBOLS]
    counted = [z3.If(counts, size(worth), 0) for counts, worth in zip(on_margin, worths, strict=True)]
    return z3.Implies(z3.And(possible), z3.Sum(counted) <= world.share.term * world.equity)


def net_kept(world: World) -> z3.BoolRef:
    """Here no exit fills but a working one, and no further than to flat."""
    net, possible = z3.RealVal(0), []
    for symbol in SYMBOLS:
        held, left = world.worth(symbol), z3.Real(f"left {symbol}")
        for side, worth in (("sell", held), ("buy", -held)):
            exits = [n for n, o in enumerate(world.orders) if o.exit and (o.symbol, o.side) == (symbol, side)]
            most = z3.Sum([z3.RealVal(0), *(world.numbers[n].quantity.term * world.mark[symbol].term for n in exits)])
            possible.append(z3.Implies(worth >= 0, z3.And(0 <= left, left <= worth, left <= most)))
        net += z3.If(held >= 0, held - left, held + left)
    for n, order in enumerate(world.orders):
        if not order.exit:
            filled, can_be = world.filled(n)
            possible.append(can_be)
            net += filled if order.side == "buy" else -filled
    return z3.Implies(z3.And(possible), size(net) <= world.share.term * world.equity)


def reserve_kept(world: World) -> z3.BoolRef:
    """Cash, less what shorts and longs tie up beyond it, less all entries with either fee; a sale of spot costs none."""
    free, possible = world.cash.term, []
    for symbol in SYMBOLS:
        free += world.worth(symbol) - size(world.worth(symbol))
    for n, order in enumerate(world.orders):
        if order.exit or (order.side == "sell" and order.symbol not in world.shape.swaps):
            continue
        (filled, can_be), fee, most = world.filled(n), z3.Real(f"fee {n}"), world.numbers[n].quantity.term
        fees = (world.maker[order.symbol].term, world.taker[order.symbol].term)
        possible += [can_be, z3.Or([fee <= most * price * part for price in world.prices(n) for part in fees])]
        free -= filled + fee
    return z3.Implies(z3.And(possible), free >= world.share.term * world.equity)


def loss_kept(world: World) -> z3.BoolRef:
    return world.earlier.term - world.equity <= world.share.term * world.earlier.term


def fall_kept(world: World) -> z3.BoolRef:
    return world.earlier.term - world.equity <= world.fall_share.term * world.earlier.term


def trade_risk_kept(world: World) -> z3.BoolRef:
    loss, can_be = world.lost(0)
    return z3.Implies(can_be, loss <= world.share.term * world.equity)


def open_risk_kept(world: World) -> z3.BoolRef:
    losses = [world.lost(n) for n, order in enumerate(world.orders) if not order.exit]
    losses += [world.lost_held(symbol) for symbol in world.held]
    possible = z3.And([can_be for _, can_be in losses])
    return z3.Implies(possible, z3.Sum([loss for loss, _ in losses]) <= world.share.term * world.equity)


def notional_kept(world: World) -> z3.BoolRef:
    """Within the absolute cap, and an entry within its share, of which drawdown leaves a part."""
    worth, possible = world.filled(0)
    capped = worth <= world.cap.term
    if world.shape.judged.exit:
        return z3.Implies(possible, capped)
    limit, fall = world.fall_share.term * world.earlier.term, world.earlier.term - world.equity
    full_until = world.fall_from.term * limit
    shrinks = z3.And(world.fall_from.term < 1, fall > full_until)
    share = world.share.term * world.equity
    shrunk = z3.And(fall < limit, worth * (limit - full_until) <= share * (limit - fall))
    return z3.Implies(possible, z3.And(capped, worth <= share, z3.Implies(shrinks, shrunk)))


def sold(world: World) -> tuple[z3.ArithRef, z3.BoolRef]:
    """What the judged order and all working ones on its side of its symbol trade: any part of it."""
    amount, side = z3.Real("traded"), world.shape.judged.side
    same = [n for n, order in enumerate(world.orders) if (order.symbol, order.side) == (JUDGED, side)]
    return amount, z3.And(amount >= 0, amount <= z3.Sum([world.numbers[n].quantity.term for n in same]))


def only_reduced(world: World) -> z3.BoolRef:
    traded, possible = sold(world)
    if JUDGED not in world.held:
        return z3.BoolVal(False)
    held = world.held[JUDGED].term if world.shape.judged.side == "sell" else -world.held[JUDGED].term
    return z3.And(held > 0, z3.Implies(possible, z3.And(held - traded >= 0, held - traded <= held)))


def not_sold_short(world: World) -> z3.BoolRef:
    if JUDGED in world.shape.swaps and world.shape.shorts:
        return z3.BoolVal(True)
    traded, possible = sold(world)
    return z3.And(JUDGED in world.held, z3.Implies(possible, traded <= world.held[JUDGED].term) if JUDGED in world.held else False)


def check_all(code, claim, shs, rule=None, budget=60):
    import time
    t=time.time(); n=0; worst=(0,None)
    for shape in shs:
        world=World(shape); t1=time.time()
        c = counterexample(world.judge(code, rule), paths=world.paths, domain=world.domain, claim=claim(world))
        d=time.time()-t1
        if d>worst[0]: worst=(d,shape)
        n+=1
        if c is not None:
            print("BROKEN",code,shape,c); return
        if time.time()-t>budget: print("BUDGET"); break
    print(code, claim.__name__, n, round(time.time()-t,2), worst, flush=True)

def shrinking(rule):
    factor = FunctionType(size_factor.__code__, {**size_factor.__globals__, "_DOWN": RoundingDown()})
    return FunctionType(rule.__code__, {**rule.__globals__, "size_factor": factor})

if __name__ == "__main__":
    for k in (0,1):
        check_all("OPEN_RISK",open_risk_kept,shapes(ENTRIES,ANY_WORKING,k),budget=10)
    for code,claim in (("DAILY_LOSS",loss_kept),("WEEKLY_LOSS",loss_kept),("DRAWDOWN",fall_kept),("RISK_PER_TRADE",trade_risk_kept)):
        check_all(code,claim,shapes(ENTRIES,ANY_WORKING,0))
    check_all("RISK_PER_TRADE",trade_risk_kept,shapes((Order("buy",stopped=False),Order("sell",stopped=False)),ANY_WORKING,0))
    check_all("REDUCE_ONLY",only_reduced,shapes((EXIT_BUY,EXIT_SELL),LIMIT_WORKING,2))
    for sw in ((),(JUDGED,)):
      for a in (True,False):
        check_all("SHORT",not_sold_short,shapes((SELL,EXIT_SELL),LIMIT_WORKING,2,swaps=sw,shorts=a))
    for k in (1,2):
        for code, claim in (("POSITION",position_kept),("EXPOSURE",gross_kept),("NET_EXPOSURE",net_kept)):
            check_all(code,claim,shapes(ENTRIES,ANY_WORKING,k),budget=5)
        for sw in ((JUDGED,),()):
            check_all("LEVERAGE",margin_kept,shapes(ENTRIES,ANY_WORKING,k,swaps=sw),budget=5)
            check_all("CASH",reserve_kept,shapes(ENTRIES,ANY_WORKING,k,swaps=sw),budget=5)
    check_all("MAX_NOTIONAL",notional_kept,shapes((*ENTRIES,EXIT_SELL,EXIT_BUY),ANY_WORKING,0,held=()), shrinking(notional_within.rule),budget=30)
    check_all("MAX_NOTIONAL",notional_kept,shapes((*ENTRIES,EXIT_SELL,EXIT_BUY),ANY_WORKING,0), shrinking(notional_within.rule),budget=30)
