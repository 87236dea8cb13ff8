"""Worlds of a bounded shape with any numbers in them, and what may become of them, said without the gate's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations

import z3

from builders.symbolic import Paths, Symbolic
from domain.candle import Quote
from domain.decision import Proposal
from domain.instrument import Instrument, InstrumentKind
from domain.order import OrderState, Side
from domain.portfolio import Portfolio, Position
from policy import CHECKS, Facts, Policy, WorkingOrder
from policy.account import EquityMarks
from policy.case import Case
from policy.check import Rule
from policy.limits import account, order
from policy.ruling import Ruling, passed

JUDGED, OTHER = "BTC/USDT", "ETH/USDT"
SYMBOLS = (JUDGED, OTHER)
SIDES: tuple[Side, Side] = ("buy", "sell")
NOW = datetime(2025, 1, 2, 12, 0, tzinfo=UTC)
_CHECKS = {check.code: check for check in CHECKS}


@dataclass(frozen=True)
class Order:
    """What of an order is a choice. Its numbers are any."""

    side: Side
    symbol: str = JUDGED
    exit: bool = False
    priced: bool = True
    """A limit order, else a market order."""
    stopped: bool = True


@dataclass(frozen=True)
class Shape:
    """What of a world is a choice."""

    judged: Order
    working: tuple[Order, ...] = ()
    held: tuple[str, ...] = SYMBOLS
    """Where there is a position, long, short or of nothing. Elsewhere the books have none."""
    stopped: tuple[str, ...] = SYMBOLS
    """The positions that have a stop."""
    swaps: tuple[str, ...] = ()
    """The symbols that are swaps; the others are spot."""
    shorts: bool = True
    """Whether the policy allows them."""


@dataclass(frozen=True)
class Numbers:
    """Those of one order."""

    quantity: Symbolic
    limit_price: Symbolic | None
    stop_price: Symbolic | None


class World:
    """The gate's own values around any numbers within the domain, and the terms of those for a claim."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.paths = Paths()
        self.domain: list[z3.BoolRef] = []
        self.cash = self.paths.number("cash")
        self.held = {symbol: self.paths.number(f"held {symbol}") for symbol in shape.held}
        self.mark = {symbol: self._positive(f"mark {symbol}") for symbol in SYMBOLS}
        self.bid = {symbol: self._positive(f"bid {symbol}") for symbol in SYMBOLS}
        self.ask = {symbol: self._positive(f"ask {symbol}") for symbol in SYMBOLS}
        self.stop = {symbol: self._positive(f"stop {symbol}") for symbol in shape.stopped}
        self.maker = {symbol: self._natural(f"maker fee {symbol}") for symbol in SYMBOLS}
        self.taker = {symbol: self._natural(f"taker fee {symbol}") for symbol in SYMBOLS}
        self.earlier = self.paths.number("equity to count losses from")
        self.share = self._part("share")
        self.fall_share = self._part("share of the high")
        self.fall_from = self._part("sizes fall from")
        self.cap = self._positive("absolute cap")
        self.slippage_bps = self._natural("slippage")
        self.orders = (shape.judged, *shape.working)
        self.numbers = tuple(self._numbers(order, n) for n, order in enumerate(self.orders))
        self.domain += [fact for n in range(len(self.orders)) for fact in self._ordered(n)]
        self.proposal = self._proposal()
        self.facts = self._facts()
        self.policy = self._policy()

    def judge(self, code: str, rule: Rule | None = None) -> Callable[[], Ruling]:
        """Runs the check with `code` on this world, or `rule` in its place."""
        check = _CHECKS[code]

        def judged() -> Ruling:
            case = Case(self.proposal, self.facts, policy=self.policy)
            if check.entry_only and case.reducing:
                return passed("passed by")
            limits = () if check.section is None else (getattr(self.policy, check.section),)
            return (rule or check.rule)(case, *limits)

        return judged

    @property
    def equity(self) -> z3.ArithRef:
        return self.cash.term + sum(self.worth(symbol) for symbol in SYMBOLS)

    def worth(self, symbol: str) -> z3.ArithRef:
        """Of what is held, with its sign."""
        held = self.held.get(symbol)
        return z3.RealVal(0) if held is None else held.term * self.mark[symbol].term

    def prices(self, n: int) -> list[z3.ArithRef]:
        """What order `n` is worth at most, per unit: one of these. A buy its limit, or the ask and slippage; a sale
        what is bought back at the ask, or its limit.
        """
        order, limit = self.orders[n], self.numbers[n].limit_price
        ask = self.ask[order.symbol].term
        if order.side == "sell":
            return [ask] if limit is None else [ask, limit.term]
        return [ask * (1 + self.slippage_bps.term / 10_000) if limit is None else limit.term]

    def filled(self, n: int) -> tuple[z3.ArithRef, z3.BoolRef]:
        """What order `n` has traded, in quote currency and without sign: any part of it, at any price up to the worst."""
        worth, quantity = z3.Real(f"filled {n}"), self.numbers[n].quantity.term
        return worth, z3.And(worth >= 0, z3.Or([worth <= quantity * price for price in self.prices(n)]))

    def lost(self, n: int) -> tuple[z3.ArithRef, z3.BoolRef]:
        """What entry `n` has lost when it is closed at its stop, whatever of it was filled, at any price up to the
        furthest. Without a stop a buy can lose all of its worth, and a sale any amount.
        """
        order, numbers, loss = self.orders[n], self.numbers[n], z3.Real(f"lost {n}")
        slippage = self.slippage_bps.term / 10_000
        touch = self.ask[order.symbol].term * (1 + slippage)
        if order.side == "sell":
            touch = self.bid[order.symbol].term * (1 - slippage)
        entry = touch if numbers.limit_price is None else numbers.limit_price.term
        if numbers.stop_price is not None:
            distance = entry - numbers.stop_price.term if order.side == "buy" else numbers.stop_price.term - entry
            return loss, z3.Or(loss <= 0, loss <= numbers.quantity.term * distance)
        return loss, z3.BoolVal(True) if order.side == "sell" else loss <= numbers.quantity.term * entry

    def lost_held(self, symbol: str) -> tuple[z3.ArithRef, z3.BoolRef]:
        """What the position in `symbol` loses from its mark price to its stop; nothing when that is met already."""
        loss, held, mark = z3.Real(f"lost {symbol}"), self.held[symbol].term, self.mark[symbol].term
        if symbol not in self.stop:
            return loss, z3.Or(loss <= 0, z3.And(held > 0, loss <= held * mark), held < 0)
        stop = self.stop[symbol].term
        open_stop = z3.Or(z3.And(held > 0, stop < mark), z3.And(held < 0, stop > mark))
        return loss, z3.Or(loss <= 0, z3.And(open_stop, loss <= held * (mark - stop)))

    def _positive(self, name: str) -> Symbolic:
        number = self.paths.number(name)
        self.domain.append(number.term > 0)
        return number

    def _natural(self, name: str) -> Symbolic:
        number = self.paths.number(name)
        self.domain.append(number.term >= 0)
        return number

    def _part(self, name: str) -> Symbolic:
        number = self._natural(name)
        self.domain.append(number.term <= 1)
        return number

    def _numbers(self, order: Order, n: int) -> Numbers:
        return Numbers(
            quantity=self._positive(f"quantity {n}"),
            limit_price=self._positive(f"limit {n}") if order.priced else None,
            stop_price=self._positive(f"stop {n}") if order.stopped else None,
        )

    def _ordered(self, n: int) -> Iterator[z3.BoolRef]:
        """That of two prices, or fees, the larger makes the larger product: so of all numbers, and hard to find."""
        quantity, symbol, prices = self.numbers[n].quantity.term, self.orders[n].symbol, self.prices(n)
        maker, taker = self.maker[symbol].term, self.taker[symbol].term
        for price in prices:
            worth = quantity * price
            yield worth > 0
            yield z3.And(worth * maker >= 0, worth * taker >= 0)
            yield z3.If(maker >= taker, worth * maker >= worth * taker, worth * maker <= worth * taker)
        for one, other in combinations(prices, 2):
            for part in (1, maker, taker):
                larger, smaller = quantity * one * part, quantity * other * part
                yield z3.If(one >= other, larger >= smaller, larger <= smaller)

    def _proposal(self) -> Proposal:
        judged, numbers = self.orders[0], self.numbers[0]
        return Proposal.model_construct(
            symbol=judged.symbol,
            side=judged.side,
            type="limit" if judged.priced else "market",
            quantity=numbers.quantity,
            limit_price=numbers.limit_price,
            stop_price=numbers.stop_price,
            reduce_only=judged.exit,
        )

    def _facts(self) -> Facts:
        positions = {
            s: Position.model_construct(symbol=s, quantity=quantity, stop_price=self.stop.get(s))
            for s, quantity in self.held.items()
        }
        working = tuple(
            WorkingOrder.model_construct(
                client_order_id=f"ac{n}",
                symbol=order.symbol,
                side=order.side,
                remaining=numbers.quantity,
                limit_price=numbers.limit_price,
                stop_price=numbers.stop_price,
                reduce_only=order.exit,
                state=OrderState.WORKING,
            )
            for n, (order, numbers) in enumerate(zip(self.orders[1:], self.numbers[1:], strict=True))
        )
        return Facts.model_construct(
            as_of=NOW,
            now=NOW,
            trading_state="active",
            universe=SYMBOLS,
            instruments={s: self._instrument(s) for s in SYMBOLS},
            quotes={s: Quote.model_construct(symbol=s, bid=self.bid[s], ask=self.ask[s], at=NOW) for s in SYMBOLS},
            portfolio=Portfolio.model_construct(
                currency="USDT", as_of=NOW, cash=self.cash, positions=positions, marks=self.mark
            ),
            working=working,
            equity_marks=EquityMarks.model_construct(
                day_start=self.earlier, week_start=self.earlier, high=self.earlier
            ),
        )

    def _instrument(self, symbol: str) -> Instrument:
        kind: InstrumentKind = "swap" if symbol in self.shape.swaps else "spot"
        return Instrument.model_construct(
            symbol=symbol, kind=kind, maker_fee=self.maker[symbol], taker_fee=self.taker[symbol]
        )

    def _policy(self) -> Policy:
        share = self.share
        return Policy.model_construct(
            name="symbolic",
            pricing=order.PricingLimits.model_construct(market_slippage_bps=self.slippage_bps),
            max_notional=order.NotionalLimits.model_construct(share_of_equity=share, absolute=self.cap),
            short=order.ShortLimits(allow=self.shape.shorts),
            position=account.PositionLimits.model_construct(share_of_equity=share),
            exposure=account.ExposureLimits.model_construct(gross_share_of_equity=share),
            net_exposure=account.NetExposureLimits.model_construct(share_of_equity=share),
            leverage=account.LeverageLimits.model_construct(maximum=share),
            cash=account.CashLimits.model_construct(reserve_share_of_equity=share),
            daily_loss=account.DailyLossLimits.model_construct(share_of_day_start=share),
            weekly_loss=account.WeeklyLossLimits.model_construct(share_of_week_start=share),
            drawdown=account.DrawdownLimits.model_construct(
                share_of_high=self.fall_share, sizes_fall_from=self.fall_from
            ),
            risk_per_trade=account.TradeRiskLimits.model_construct(share_of_equity=share),
            open_risk=account.OpenRiskLimits.model_construct(share_of_equity=share),
        )
