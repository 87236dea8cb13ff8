"""One account through any course of events: orders, people beside the desk, and messages that come when they like.

A simple venue stands beside the real ledger. After each step the books add up to the last digit; once everything
is told they are what the venue has; and told once more, nothing changes.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from random import Random
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from builders.account_model import INSTRUMENTS, SPOT, SWAP, FeeIn, ModelAccount, ModelOrder
from builders.memory import a_proposal, a_report, admit, an_admission, at, claim
from domain.money import EXACT
from domain.order import Fill, OrderReport, OrderState
from domain.statement import ExternalEvent, adoption, differences, is_swap
from memory import Database, Ledger
from memory.store.schema import accounts, external_events, fills, holdings, order_events, orders, positions

T = TypeVar("T")
START = Decimal(100_000)
COINS = {"BTC": Decimal("0.5"), "BNB": Decimal(2)}
DUST = Decimal("1e-9")
BOOKS = (accounts, orders, order_events, fills, external_events, holdings, positions)

PICK = st.integers(0, 1_000)
SIZES = st.integers(1, 9).map(lambda n: Decimal(n) * Decimal("0.3"))
PRICES = st.integers(90, 120).map(lambda n: Decimal(n) + Decimal("0.07"))
AMOUNTS = st.integers(-50, 50).filter(bool).map(lambda n: Decimal(n) * Decimal("0.37"))
FEES: st.SearchStrategy[FeeIn] = st.sampled_from(["quote", "base", "coin", "rebate"])


class AccountLife(RuleBasedStateMachine):
    """What the venue has, what was told of it so far, and the ledger that was told it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.database = self.run(self.a_database())
        self.minute = 5
        self.ticked = 0
        self.cycle = 0
        self.venue = ModelAccount(cash=START, coins=COINS)
        self.said: list[OrderReport] = []
        """Every message that the venue sent, in its order. Any of them may arrive, at any time, and again."""
        self.booked: dict[str, ExternalEvent] = {}
        self.trades: dict[str, Fill] = {}
        self.opening = [
            ExternalEvent(id=f"opening:{coin}", kind="opening", asset=coin, quantity=held, at=at(0))
            for coin, held in COINS.items()
        ]
        self.ledger = self.a_process()
        self.run(self.ledger.open(currency="USDT", start_cash=START, opening=self.opening))
        self.booked |= {event.id: event for event in self.opening}

    async def a_database(self) -> Database:
        return await Database.in_memory()

    @property
    def now(self) -> datetime:
        """Later each time it is asked, as a venue's trades are."""
        self.ticked += 1
        return at(self.minute) + timedelta(milliseconds=self.ticked)

    def a_process(self) -> Ledger:
        return Ledger(self.database, account="r1", run_id="r1")

    def run(self, doing: Awaitable[T]) -> T:
        async def wait() -> T:
            return await doing

        return self.runner.run(wait())

    def teardown(self) -> None:
        try:
            self.all_is_told(shuffle=7)
        finally:
            self.run(self.database.close())
            self.runner.close()

    def say(self, report: OrderReport, *, heard: bool) -> None:
        self.said.append(report)
        if heard:
            self.hear(report)

    def hear(self, report: OrderReport) -> None:
        self.run(self.ledger.record(report, cycle=self.cycle))
        self.trades |= {fill.trade_id: fill for fill in report.fills}

    def open_order(self, pick: int) -> ModelOrder | None:
        working = [order for order in self.venue.orders if order.arrived and not order.state.terminal]
        return working[pick % len(working)] if working else None

    # What the desk and the venue do

    @rule(
        symbol=st.sampled_from([SPOT, SWAP]),
        side=st.sampled_from(["buy", "sell"]),
        size=SIZES,
        arrives=st.sampled_from([True, True, True, False]),
        trades=st.sampled_from([0, 1, 2]),
        fee_in=FEES,
        answer=st.sampled_from(["told", "lost", "not visible yet", "told, and then not visible"]),
    )
    def the_desk_sends(
        self, symbol: str, side: str, size: Decimal, arrives: bool, trades: int, fee_in: FeeIn, answer: str
    ) -> None:
        self.cycle += 1
        proposal = a_proposal(cycle=self.cycle, as_of=at(self.minute), symbol=symbol, side=side, quantity=size)
        admission = an_admission(proposal)
        self.run(admit(self.ledger, admission, cycle=self.cycle, at=at(self.minute)))
        assert self.run(claim(self.ledger, admission.ticket, cycle=self.cycle, at=at(self.minute)))
        order = self.venue.receive(proposal, arrives=arrives)
        if arrives and trades:
            self.venue.fill(order, size * trades / 2, price=Decimal("101.3"), fee_in=fee_in, at=self.now)
        if answer == "lost":
            return self.hear(a_report(proposal, state=OrderState.UNKNOWN, reason="no answer"))
        if arrives and answer.startswith("told"):
            self.say(order.report(at=at(self.minute)), heard=True)
        if not arrives or "not visible" in answer:
            self.say(order.gone(at=at(self.minute)), heard=True)
        return None

    @precondition(lambda self: self.open_order(0))
    @rule(pick=PICK, size=SIZES, price=PRICES, fee_in=FEES, heard=st.booleans())
    def an_order_trades(self, pick: int, size: Decimal, price: Decimal, fee_in: FeeIn, heard: bool) -> None:
        order = self.open_order(pick)
        assert order is not None
        self.venue.fill(order, min(size, order.left), price=price, fee_in=fee_in, at=self.now)
        self.say(order.report(at=at(self.minute)), heard=heard)

    @precondition(lambda self: self.open_order(0))
    @rule(pick=PICK, trades=st.booleans(), fee_in=FEES, heard=st.booleans(), shows=st.sampled_from([None, 0, 1]))
    def an_order_is_cancelled(self, pick: int, trades: bool, fee_in: FeeIn, heard: bool, shows: int | None) -> None:
        order = self.open_order(pick)
        assert order is not None
        if trades:
            self.venue.fill(order, order.left / 2, price=Decimal("99.5"), fee_in=fee_in, at=self.now)
        order.state = OrderState.CANCELLED
        self.say(order.report(at=at(self.minute), shows=shows), heard=heard)

    @precondition(lambda self: self.said)
    @rule(pick=PICK, times=st.integers(1, 2))
    def a_message_arrives_late_or_again(self, pick: int, times: int) -> None:
        for _ in range(times):
            self.hear(self.said[pick % len(self.said)])

    # What people do

    @rule(
        what=st.sampled_from(["USDT", "BTC", "ETH", "funding", "trade BTC", "trade the swap"]),
        amount=AMOUNTS,
        price=PRICES,
    )
    def people_do_something(self, what: str, amount: Decimal, price: Decimal) -> None:
        match what:
            case "funding":
                self.venue.fund(amount, at=self.now)
            case "trade BTC":
                self.venue.trade_spot(amount, price, at=self.now)
            case "trade the swap":
                self.venue.trade_swap(amount, price, at=self.now)
            case coin:
                self.venue.transfer(coin, amount, at=self.now)

    @precondition(lambda self: self.venue.events)
    @rule(picks=st.lists(PICK, min_size=1, max_size=4))
    def the_desk_learns_of_some_of_it(self, picks: list[int]) -> None:
        self.learn([self.venue.events[pick % len(self.venue.events)] for pick in picks])

    def learn(self, events: list[ExternalEvent]) -> None:
        new = any(event.id not in self.booked for event in events)
        assert self.run(self.ledger.book_external(events, cycle=self.cycle)) == new
        self.booked |= {event.id: event for event in events}

    @rule(what=st.sampled_from(["a tenth", "all", "the swap"]), price=PRICES)
    def the_desk_adopts(self, what: str, price: Decimal) -> None:
        if what == "the swap":
            self.all_is_told(shuffle=1)
            if self.venue.hand.quantity and self.venue.hand.quantity * self.venue.desk.quantity >= 0:
                self.learn([self.an_adoption(SWAP, self.venue.hand_over_swap(), price=self.venue.entry)])
            return
        held = self.run(self.ledger.holdings()).get("BTC", Decimal(0))
        if held > 0:
            quantity = held if what == "all" else held / 10
            self.learn([self.an_adoption("BTC", quantity, price=price)])

    def an_adoption(self, asset: str, quantity: Decimal, *, price: Decimal) -> ExternalEvent:
        id = f"adoption:{len(self.booked)}"
        return adoption(asset, quantity=quantity, price=price, id=id, at=self.now)

    @rule()
    def the_desk_is_started_again(self) -> None:
        self.minute += 1
        self.ledger = self.a_process()
        self.run(self.ledger.open(currency="USDT", start_cash=START, opening=self.opening))

    @rule(shuffle=st.integers(0, 99))
    def all_is_told(self, shuffle: int) -> None:
        """Reconciled: books and venue agree on every amount and order, and the same again changes nothing."""
        events = [*self.venue.events]
        reports = [
            order.report(at=at(self.minute)) if order.arrived else order.gone(at=at(self.minute))
            for order in self.venue.orders
        ]
        Random(shuffle).shuffle(events)
        Random(shuffle).shuffle(reports)
        self.learn(events)
        for report in reports:
            self.hear(report)
        before = self.run(self.rows())
        assert not self.run(self.ledger.book_external(events, cycle=self.cycle))
        assert not self.run(self.ledger.record_all(reports, cycle=self.cycle))
        assert self.run(self.rows()) == before
        expected = self.run(self.ledger.expected(instruments=INSTRUMENTS))
        assert differences(expected, self.venue.statement(at=at(self.minute)), dust=DUST) == ()
        known = {order.client_order_id: order for order in self.run(self.ledger.orders())}
        for order in self.venue.orders:
            state = order.state if order.arrived else OrderState.EXPIRED
            assert known[order.proposal.client_order_id].state is state
        self.run(self.ledger.check())

    async def rows(self) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        async with self.database.reading() as connection:
            for table in BOOKS:
                found |= {(table.name, digest) for digest in await connection.scalars(select(table.c.digest))}
        return found

    # What always holds

    @invariant()
    def cash_positions_and_holdings_are_the_sum_of_what_was_told(self) -> None:
        portfolio = self.run(self.ledger.portfolio(marks={SPOT: Decimal(101), SWAP: Decimal(99)}, as_of=at(0)))
        beside = self.run(self.ledger.holdings())
        told, events = self.trades.values(), self.booked.values()
        with localcontext(EXACT):
            assert portfolio.cash == START + sum(fill.cash for fill in told) + sum(event.cash for event in events)
            for symbol in (SPOT, SWAP):
                asset = symbol if is_swap(symbol) else "BTC"
                taken = [e.quantity for e in events if e.kind == "adoption" and e.asset == asset]
                bought = [f.signed_quantity - f.fee_base for f in told if f.symbol == symbol]
                assert portfolio.quantity(symbol) == sum(bought) - sum(taken)
            for asset in {*beside, *(event.asset for event in events if event.quantity), "BNB"}:
                coins = [f.commission.amount for f in told if f.commission and f.commission.currency == asset]
                due = sum(event.quantity for event in events if event.asset == asset) - sum(coins)
                assert beside.get(asset, Decimal(0)) == due
            gained = portfolio.realized + portfolio.unrealized - portfolio.fees
            assert portfolio.equity == START + portfolio.contributed + gained

    @invariant()
    def an_end_is_never_more_than_its_trades(self) -> None:
        found = {order.client_order_id: order for order in self.run(self.ledger.orders())}
        for order in self.venue.orders:
            known = found[order.proposal.client_order_id]
            told = [f.quantity for f in self.trades.values() if f.client_order_id == known.client_order_id]
            assert known.filled == sum(told)
            assert (known.state is OrderState.FILLED) == (known.filled == known.request.quantity)
            if known.state is OrderState.EXPIRED:  # at this venue no order does: it is what is thought of one unseen
                assert not known.venue_order_id
                assert not known.filled
            if known.state is OrderState.CANCELLED:
                assert order.state is OrderState.CANCELLED
                assert known.filled == order.filled

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        self.run(self.ledger.recheck())


AccountLife.TestCase.settings = settings(max_examples=20, stateful_step_count=25)
TestAccountLife = AccountLife.TestCase


def test_an_account_on_a_file_lives_as_one_in_memory_does(tmp_path: Path) -> None:
    class OnFile(AccountLife):
        async def a_database(self) -> Database:
            folder = tempfile.mkdtemp(dir=tmp_path)
            return await Database.open(f"sqlite:///{folder}/agentctl.db")

    run_state_machine_as_test(OnFile, settings=settings(max_examples=3, stateful_step_count=20))
