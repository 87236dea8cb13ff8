"""Worlds of a bounded shape with any numbers in them, and what may become of them, said without the gate's code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import z3

from builders.symbolic import Paths, Symbolic
from domain.candle import Quote
from domain.decision import Proposal
from domain.instrument import Instrument, InstrumentKind
from domain.order import OrderState, Side
from domain.portfolio import Portfolio, Position
from policy import CHECKS, Facts, Policy, WorkingOrder
from policy.account import Consent, EquityMarks
from policy.case import Case
from policy.check import Rule
from policy.limits import account, order
from policy.market import VenueSignal
from policy.verdict import Finding

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
    waits: bool = False
    """A market order that a trigger holds back."""


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
    trigger_price: Symbolic | None
    target_price: Symbolic


class Unaided(Case):
    """A case in which nobody lets anything stand."""

    def consent(self, code: str) -> Consent | None:
        return None


class World:
    """The gate's own values around any numbers within the domain, and the terms of those for a claim."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.paths = Paths()
        self.domain: list[z3.BoolRef] = []
        self.cash = self.paths.any("cash")
        self.held = {symbol: self.paths.any(f"held {symbol}") for symbol in shape.held}
        self.mark = {symbol: self._positive(f"mark {symbol}") for symbol in SYMBOLS}
        self.bid = {symbol: self._positive(f"bid {symbol}") for symbol in SYMBOLS}
        self.ask = {symbol: self._positive(f"ask {symbol}") for symbol in SYMBOLS}
        self.stop = {symbol: self._positive(f"stop {symbol}") for symbol in shape.stopped}
        self.maker = {symbol: self._natural(f"maker fee {symbol}") for symbol in SYMBOLS}
        self.taker = {symbol: self._natural(f"taker fee {symbol}") for symbol in SYMBOLS}
        self.earlier = self.paths.any("equity to count losses from")
        self.share = self._part("share")
        self.fall_share = self._part("share of the high")
        self.fall_from = self._part("sizes fall from")
        self.cap = self._positive("absolute cap")
        self.slippage_bps = self._natural("slippage")
        self.domain.append(self.slippage_bps.term <= 10_000)
        self.least_reward = self._natural("least reward to risk")
        self.allowance_bps = self._natural("allowance for slippage")
        self.strengths = tuple((side, self._part(f"strength {n}")) for n, side in enumerate(("buy", *SIDES)))
        """Of what venue data says of the judged symbol."""
        self.orders = (shape.judged, *shape.working)
        self.numbers = tuple(self._numbers(order, n) for n, order in enumerate(self.orders))
        self.proposal = self._proposal()
        self.facts = self._facts()
        self.policy = self._policy()

    def judge(self, code: str, rule: Rule | None = None) -> Callable[[], Finding]:
        """Runs the check with `code` on this world, with `rule` in place of its own."""
        check = replace(_CHECKS[code], rule=rule or _CHECKS[code].rule)
        return lambda: check(Unaided(self.proposal, self.facts, policy=self.policy))

    @property
    def equity(self) -> Symbolic:
        return sum(map(self.worth, SYMBOLS), self.cash)

    def worth(self, symbol: str) -> Symbolic:
        """Of what is held, with its sign."""
        held = self.held.get(symbol)
        return self.cash.of(0) if held is None else held * self.mark[symbol]

    def worst(self, n: int) -> list[Symbolic]:
        """What all of order `n` comes to at most, in quote currency: one of these.

        A buy at its limit, or at the ask and slippage; a sale at what it costs to buy back, or at its limit. A
        stop at its trigger too, as if that were the market.
        """
        order, numbers, ask = self.orders[n], self.numbers[n], self.ask[self.orders[n].symbol]
        quantity = numbers.quantity
        stated = numbers.trigger_price if numbers.limit_price is None else numbers.limit_price
        if order.side == "buy" and numbers.limit_price is not None:
            return [quantity * numbers.limit_price]
        slipped = quantity if order.side == "sell" else quantity * (1 + self.slippage_bps / 10_000)
        if stated is None:
            return [slipped * ask]
        _ = slipped * (stated - ask)  # the solver learns its sign, and so which of the two is larger
        return [slipped * ask, slipped * stated]

    def filled(self, n: int) -> tuple[z3.ArithRef, z3.BoolRef]:
        """What order `n` has traded, in quote currency, without sign: any part of it, at any price up to the worst."""
        worth = z3.Real(f"filled {n}")
        return worth, z3.And(worth >= 0, z3.Or([worth <= most.term for most in self.worst(n)]))

    def paid(self, n: int) -> tuple[z3.ArithRef, z3.BoolRef]:
        """The fee of order `n`, as maker or as taker."""
        fee, mosts, symbol = z3.Real(f"fee {n}"), self.worst(n), self.orders[n].symbol
        maker, taker = self.maker[symbol], self.taker[symbol]
        # Products whose signs tell the solver which fee is the larger.
        _ = [most * (maker - taker) for most in mosts], [(mosts[0] - mosts[-1]) * part for part in (maker, taker)]
        return fee, z3.Or([fee <= (most * part).term for most in mosts for part in (maker, taker)])

    def lost(self, n: int) -> tuple[z3.ArithRef, z3.BoolRef]:
        """What entry `n` has lost when it is closed at its stop, whatever of it was filled, at any price up to the
        furthest. Without a stop a buy can lose all of its worth, and a sale any amount.
        """
        order, numbers, loss = self.orders[n], self.numbers[n], z3.Real(f"lost {n}")
        slippage = self.slippage_bps / 10_000
        buys = order.side == "buy"
        market = [self.ask[order.symbol] if buys else self.bid[order.symbol]]
        market += [] if numbers.trigger_price is None else [numbers.trigger_price]
        touches = [price * (1 + slippage if buys else 1 - slippage) for price in market]
        entries = touches if numbers.limit_price is None else [numbers.limit_price]
        if (stop := numbers.stop_price) is not None:
            distances = [entry - stop if buys else stop - entry for entry in entries]
            return loss, z3.Or(loss <= 0, *(loss <= (numbers.quantity * distance).term for distance in distances))
        most = z3.Or([loss <= (numbers.quantity * entry).term for entry in entries])
        return loss, most if buys else z3.BoolVal(True)

    def round_trips(self, exit: Symbolic, name: str) -> list[tuple[Symbolic, z3.BoolRef]]:
        """What one unit of the judged entry gains when it is exited at `exit`, each with when it comes to that.

        It is filled at the touch, or at its limit where that is better. It pays any part of what either fee and the
        allowance for slippage come to, each way at its own price, and of the spread.
        """
        limit, buys = self.numbers[0].limit_price, self.shape.judged.side == "buy"
        touch = self.ask[JUDGED] if buys else self.bid[JUDGED]
        cases: list[tuple[Symbolic, z3.BoolRef]] = [(touch, z3.BoolVal(True))]
        if limit is not None:
            better = limit.term < touch.term if buys else limit.term > touch.term
            cases = [(touch, z3.Not(better)), (limit, better)]
        found = []
        for n, (entry, so) in enumerate(cases):
            paid, ways = self.paths.any(f"paid to {name} {n}"), entry + exit
            mosts = [
                ways * (fee + self.allowance_bps / 10_000) + self.ask[JUDGED] - self.bid[JUDGED]
                for fee in (self.maker[JUDGED], self.taker[JUDGED])
            ]
            # Products whose signs tell the solver which fee is the larger, and that what is paid is within it.
            _ = self.least_reward * (ways * (self.maker[JUDGED] - self.taker[JUDGED]))
            _ = [self.least_reward * (most - paid) for most in mosts]
            gained = (exit - entry if buys else entry - exit) - paid
            found.append((gained, z3.And(so, z3.Or([paid.term <= most.term for most in mosts]))))
        return found

    def lost_held(self, symbol: str) -> tuple[z3.ArithRef, z3.BoolRef]:
        """What the position in `symbol` loses from its mark price to its stop; nothing when that is met already."""
        loss, held, mark = z3.Real(f"lost {symbol}"), self.held[symbol], self.mark[symbol]
        long, short = held.term > 0, held.term < 0
        if symbol not in self.stop:
            return loss, z3.Or(loss <= 0, z3.And(long, loss <= (held * mark).term), short)
        stop = self.stop[symbol]
        unmet = z3.Or(z3.And(long, stop.term < mark.term), z3.And(short, stop.term > mark.term))
        return loss, z3.Or(loss <= 0, z3.And(unmet, loss <= (held * (mark - stop)).term))

    def _positive(self, name: str) -> Symbolic:
        number = self.paths.any(name)
        self.domain.append(number.term > 0)
        return number

    def _natural(self, name: str) -> Symbolic:
        number = self.paths.any(name)
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
            trigger_price=self._positive(f"trigger {n}") if order.waits else None,
            target_price=self._positive(f"target {n}"),
        )

    def _proposal(self) -> Proposal:
        judged, numbers = self.orders[0], self.numbers[0]
        return Proposal.model_construct(
            symbol=judged.symbol,
            agent="risk",
            side=judged.side,
            type="limit" if judged.priced else "stop" if judged.waits else "market",
            quantity=numbers.quantity,
            limit_price=numbers.limit_price,
            stop_price=numbers.stop_price,
            target_price=numbers.target_price,
            trigger_price=numbers.trigger_price,
            time_in_force="GTC",
            reduce_only=judged.exit,
            cause="thesis" if judged.exit else "entry",
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
                trigger_price=numbers.trigger_price,
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
            venue_signals={
                JUDGED: tuple(
                    VenueSignal.model_construct(detector=f"d{n}", side=side, strength=strength)
                    for n, (side, strength) in enumerate(self.strengths)
                )
            },
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
            order_type=order.OrderTypeLimits(types=frozenset({"stop"}), times_in_force=frozenset({"GTC"})),
            pricing=order.PricingLimits.model_construct(market_slippage_bps=self.slippage_bps),
            max_notional=order.NotionalLimits.model_construct(share_of_equity=share, absolute=self.cap),
            short=order.ShortLimits(allow=self.shape.shorts),
            reward_risk=order.RewardRiskLimits.model_construct(
                minimum=self.least_reward, slippage_bps=self.allowance_bps
            ),
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
