"""Tickets, reservations and orders through any course of events: gates, claims, halts, fills, crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from builders.memory import a_fill, a_proposal, a_report, an_admission, at, claim
from domain.decision import Proposal, Ticket
from domain.errors import NotFound, Refused, TicketRefused
from domain.order import OrderState
from memory import Acts, Controls, Database, Ledger
from memory.operators.controls import Level
from memory.store.schema import tickets

T = TypeVar("T")
CAP = Decimal(10)
TTL = 5
STRICTNESS = {"active": 0, "reduce": 1, "flatten": 2, "halt": 3}
OUT = (OrderState.SUBMITTING, OrderState.WORKING, OrderState.PARTIAL, OrderState.UNKNOWN)
SCOPES = st.sampled_from(["*", "r1"])
LEVELS = st.sampled_from(["reduce", "flatten", "halt"])
PICK = st.integers(0, 1_000)


class OrderLife(RuleBasedStateMachine):
    """A small model of one account beside the real ledger; they must agree after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.database = self.run(Database.in_memory())
        self.minute = 5
        self.cycle = 0
        self.proposals: dict[str, Proposal] = {}
        self.tickets: dict[str, Ticket] = {}
        self.states: dict[str, OrderState] = {}
        self.filled: dict[str, Decimal] = {}
        self.sent: dict[str, int] = {}
        self.levels = {"*": "active", "r1": "active"}
        self.acts = 0
        self.latched: set[str] = set()
        self.ledger = self.a_process()
        self.run(self.ledger.open(currency="USDT", start_cash=Decimal(10_000)))

    def run(self, doing: Awaitable[T]) -> T:
        async def wait() -> T:
            return await doing

        return self.runner.run(wait())

    def teardown(self) -> None:
        self.run(self.ledger.check())
        self.run(self.database.close())
        self.runner.close()

    def a_process(self) -> Ledger:
        return Ledger(self.database, account="r1", run_id="r1")

    # What the model says

    @property
    def strictest(self) -> int:
        return max(STRICTNESS[level] for level in self.levels.values())

    def passes(self, key: str) -> bool:
        return self.strictest == 0 or (self.strictest < 3 and self.proposals[key].reduce_only)

    def expired(self, key: str) -> bool:
        return self.tickets[key].expires_at <= at(self.minute)

    def working(self) -> dict[str, Decimal]:
        return {
            key: self.proposals[key].quantity - self.filled[key]
            for key, state in self.states.items()
            if not state.terminal
        }

    def expire_reservations(self) -> None:
        for key, state in self.states.items():
            if state is OrderState.APPROVED and self.expired(key):
                self.states[key] = OrderState.CANCELLED

    def any_of(self, pick: int, *states: OrderState) -> str | None:
        keys = [key for key, state in self.states.items() if not states or state in states]
        return keys[pick % len(keys)] if keys else None

    # What can happen

    @rule(minutes=st.sampled_from([1, 1, TTL]))
    def another_process_goes_on_later(self, minutes: int) -> None:
        self.ledger = self.a_process()
        self.minute += minutes

    @rule(
        sizes=st.lists(st.integers(1, 6), min_size=1, max_size=3),
        reduce_only=st.booleans(),
        dies=st.sampled_from([False, False, False, True]),
    )
    def the_gate_judges(self, sizes: list[int], reduce_only: bool, dies: bool) -> None:
        self._judge(sizes, reduce_only=reduce_only, dies=dies)

    @precondition(lambda self: not self.strictest)
    @rule(reduce_only=st.booleans(), scope=SCOPES, level=LEVELS)
    def a_halt_comes_between_the_gate_and_the_send(self, reduce_only: bool, scope: str, level: Level) -> None:
        before = set(self.states)
        self._judge([1], reduce_only=reduce_only, dies=False)
        self._halt(scope, level)
        for key in sorted(self.states.keys() - before):
            self._claim(key)

    @precondition(lambda self: not self.strictest)
    @rule(size=st.integers(1, 6), claims=st.integers(1, 2))
    def an_order_goes_out(self, size: int, claims: int) -> None:
        before = set(self.states)
        self._judge([size], reduce_only=False, dies=False)
        for key in sorted(self.states.keys() - before) * claims:
            self._claim(key)

    def _judge(self, sizes: list[int], *, reduce_only: bool, dies: bool) -> None:
        self.cycle += 1
        proposals = [
            a_proposal(
                cycle=self.cycle, as_of=at(self.minute), quantity=Decimal(size), reduce_only=reduce_only, agent=f"a{n}"
            )
            for n, size in enumerate(sizes)
        ]

        async def gate() -> list[Proposal]:
            async with self.ledger.gate(cycle=self.cycle, at=at(self.minute)) as held:
                standing = await held.standing(sent_since=at(self.minute - TTL))
                assert standing.control.strictness == self.strictest
                reserved = sum((order.remaining for order in standing.working), Decimal(0))
                allowed = []
                admissions = []
                for proposal in proposals:
                    fits = reserved + proposal.quantity <= CAP
                    lets = standing.control.state == "active" or (
                        standing.control.state == "reducing" and proposal.reduce_only
                    )
                    admission = an_admission(proposal, outcome="allow" if fits and lets else "deny")
                    admissions.append(admission)
                    if fits and lets:
                        reserved += proposal.quantity
                        allowed.append(proposal)
                        assert admission.ticket is not None
                        self.tickets[proposal.client_order_id] = admission.ticket
                await held.keep(admissions)
                if dies:
                    raise KeyboardInterrupt
                return allowed

        if dies:
            with pytest.raises(KeyboardInterrupt):
                self.run(gate())
            return
        allowed = self.run(gate())
        self.expire_reservations()
        for proposal in allowed:
            key = proposal.client_order_id
            self.proposals[key] = proposal
            self.states[key] = OrderState.APPROVED
            self.filled[key] = Decimal(0)
            self.sent[key] = 0

    @precondition(lambda self: self.states)
    @rule(pick=PICK, again=st.booleans())
    def an_order_is_claimed(self, pick: int, again: bool) -> None:
        key = (None if again else self.any_of(pick, OrderState.APPROVED)) or self.any_of(pick)
        assert key is not None
        self._claim(key)

    def _claim(self, key: str) -> None:
        doing = claim(
            self.ledger,
            self.tickets[key],
            cycle=self.cycle,
            at=at(self.minute),
            reducing=self.proposals[key].reduce_only,
        )
        if self.states[key] is not OrderState.APPROVED:
            assert not self.run(doing)
        elif self.expired(key) or not self.passes(key):
            with pytest.raises(TicketRefused):
                self.run(doing)
        else:
            assert self.run(doing)
            self.sent[key] += 1
            self.states[key] = OrderState.SUBMITTING

    @precondition(lambda self: self.states)
    @rule(pick=PICK)
    def an_order_is_withdrawn(self, pick: int) -> None:
        key = self.any_of(pick)
        assert key is not None
        withdrawn = self.run(self.ledger.withdraw(key, reason="not now", cycle=self.cycle, at=at(self.minute)))
        assert withdrawn == (self.states[key] is OrderState.APPROVED)
        if withdrawn:
            self.states[key] = OrderState.CANCELLED

    @precondition(lambda self: self.any_of(0, *OUT))
    @rule(pick=PICK, size=st.integers(1, 6), again=st.booleans())
    def an_order_is_filled(self, pick: int, size: int, again: bool) -> None:
        key = self.any_of(pick, *OUT)
        assert key is not None
        proposal = self.proposals[key]
        quantity = min(Decimal(size), proposal.quantity - self.filled[key])
        fill = a_fill(proposal, quantity=quantity, trade_id=f"{key}-{self.filled[key]}")
        self.filled[key] += quantity
        whole = self.filled[key] == proposal.quantity
        self.states[key] = OrderState.FILLED if whole else OrderState.PARTIAL
        report = a_report(proposal, state=self.states[key], fills=[fill], filled=self.filled[key])
        assert self.run(self.ledger.record(report, cycle=self.cycle))
        if again:
            assert not self.run(self.ledger.record(report, cycle=self.cycle))

    @precondition(lambda self: self.any_of(0, OrderState.SUBMITTING))
    @rule(pick=PICK, end=st.sampled_from([OrderState.CANCELLED, OrderState.REJECTED, OrderState.UNKNOWN]))
    def the_venue_speaks(self, pick: int, end: OrderState) -> None:
        key = self.any_of(pick, OrderState.SUBMITTING)
        assert key is not None
        self.run(self.ledger.record(a_report(self.proposals[key], state=end), cycle=self.cycle))
        self.states[key] = end

    @rule(scope=SCOPES, level=LEVELS)
    def a_person_halts(self, scope: str, level: Level) -> None:
        self._halt(scope, level)

    def _halt(self, scope: str, level: Level) -> None:
        doing = Controls(self.database).halt(scope=scope, level=level, by="Ada", reason="doubt", at=at(self.minute))
        if STRICTNESS[level] < STRICTNESS[self.levels[scope]]:
            with pytest.raises(Refused):
                self.run(doing)
            return
        self.run(doing)
        self.levels[scope] = level
        self.acts += 1

    @precondition(lambda self: self.strictest)
    @rule(scope=SCOPES)
    def a_person_resumes(self, scope: str) -> None:
        doing = Controls(self.database).resume(scope=scope, by="Bob", reason="looked", at=at(self.minute))
        if self.levels[scope] == "active":
            with pytest.raises(Refused):
                self.run(doing)
            return
        self.run(doing)
        self.levels[scope] = "active"
        self.acts += 1

    @precondition(lambda self: self.strictest)
    @rule()
    def all_is_flat(self) -> None:
        self.run(Controls(self.database).flattened(scope="r1", at=at(self.minute)))
        if self.strictest == STRICTNESS["flatten"]:
            self.levels["r1"] = "halt"
            self.acts += 1

    @rule(agent=st.sampled_from(["a0", "a1"]), rearm=st.booleans())
    def an_agent_is_stopped_or_let_go(self, agent: str, rearm: bool) -> None:
        if not rearm:
            self.run(self._latch(agent))
            self.expire_reservations()
            self.acts += agent not in self.latched
            self.latched.add(agent)
            return
        this: dict[str, Any] = {"account": "r1", "agent": agent, "symbol": "BTC/USDT", "at": at(self.minute)}
        doing = Controls(self.database).rearm(**this, by="Ada", reason="sound again")
        if agent not in self.latched:
            with pytest.raises(NotFound):
                self.run(doing)
            return
        self.run(doing)
        self.latched.discard(agent)
        self.acts += 1

    async def _latch(self, agent: str) -> None:
        async with self.ledger.gate(cycle=self.cycle, at=at(self.minute)) as held:
            await held.latch(agent=agent, symbol="BTC/USDT", code="REPEATED_EXECUTION")

    # What always holds

    @invariant()
    def every_ticket_is_used_at_most_once(self) -> None:
        async def used() -> set[str]:
            query = select(tickets.c.client_order_id).where(tickets.c.used_at.is_not(None))
            async with self.database.reading() as connection:
                return set(await connection.scalars(query))

        assert max(self.sent.values(), default=0) <= 1
        assert self.run(used()) == {key for key, times in self.sent.items() if times}

    @invariant()
    def what_is_reserved_is_what_may_still_trade_and_never_too_much(self) -> None:
        orders = self.run(self.ledger.orders(working_only=True))
        reserved = {order.client_order_id: order.remaining for order in orders}
        assert reserved == self.working()
        assert sum(reserved.values(), Decimal(0)) <= CAP
        assert all(self.tickets[key].expires_at - timedelta(minutes=TTL) <= at(self.minute) for key in reserved)

    @invariant()
    def only_a_person_relaxes_the_control(self) -> None:
        control = self.run(Controls(self.database).state("r1"))
        assert control.strictness == self.strictest

    @invariant()
    def every_act_is_kept_and_the_chain_is_whole(self) -> None:
        assert self.run(Acts(self.database).faults()) == ()
        assert len(self.run(Acts(self.database).all(limit=None))) == self.acts


OrderLife.TestCase.settings = settings(max_examples=30, stateful_step_count=40)
TestOrderLife = OrderLife.TestCase
