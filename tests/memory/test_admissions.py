"""The gate's transaction: what stands is read, judged upon and written with the account held."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select

from builders.memory import (
    Watch,
    a_cycle,
    a_fill,
    a_header,
    a_proposal,
    a_question,
    a_report,
    a_ticket,
    admit,
    an_admission,
    at,
    claim,
    trade,
)
from domain.effects import Effects
from domain.errors import LedgerBroken, Refused, ServiceUnavailable, TicketRefused
from domain.order import OrderState
from memory import Admission, Archive, Controls, Database, Ledger, Standing, Tape
from memory.ledger.gate_transaction import EXPIRED
from memory.store.schema import blobs, order_events, tape, verdicts
from policy.account import Latch, SentOrder

STANDING = TypeAdapter(Standing)


async def a_ledger(database: Database, *, run_id: str = "r1") -> Ledger:
    ledger = Ledger(database, account="r1", run_id=run_id)
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    return ledger


async def standing(ledger: Ledger, *, minute: int = 6, since: datetime | None = None) -> Standing:
    async with ledger.gate(cycle=2, at=at(minute)) as held:
        return await held.standing(sent_since=since or at(0))


def entries(count: int, **over: Any) -> list[Admission]:
    return [an_admission(a_proposal(quantity=Decimal(n + 1), **over)) for n in range(count)]


async def rows(database: Database, column: Any) -> list[object]:
    async with database.reading() as connection:
        return list(await connection.scalars(select(column)))


async def some_effects(database: Database, *, cycle: int = 1) -> Effects:
    """Those of a step that has just begun: the tape says what was done before."""
    tape = Tape(database, run_id="r1")
    await tape.begin_cycle(cycle)
    return tape.effects(cycle=cycle, node="gate", subject="", clock=Watch())


# What stands


async def test_a_new_account_stands_empty(database: Database) -> None:
    found = await standing(await a_ledger(database))
    assert (found.working, found.sent, found.latches, found.refusals_in_a_row) == ((), (), (), 0)
    assert found.control.state == "active"


async def test_leave_to_send_counts_from_when_it_was_given(database: Database) -> None:
    ledger, (first, second) = await a_ledger(database), entries(2)
    async with ledger.gate(cycle=1, at=at(5)) as held:
        await held.keep([first, second])
        inside = await held.standing(sent_since=at(0))
    outside = await standing(ledger)
    assert inside == outside
    assert {order.client_order_id for order in outside.working} == {
        first.proposal.client_order_id,
        second.proposal.client_order_id,
    }
    assert {order.state for order in outside.working} == {OrderState.APPROVED}


async def test_orders_of_other_runs_in_the_account_stand_too(database: Database) -> None:
    mine, theirs, (first, second) = await a_ledger(database), await a_ledger(database, run_id="r2"), entries(2)
    await admit(mine, first)
    await admit(theirs, second)
    assert len((await standing(mine)).working) == len((await standing(theirs)).sent) == 2


async def test_what_was_sent_is_told_from_a_moment_on_whatever_became_of_it(database: Database) -> None:
    ledger = await a_ledger(database)
    moments = [at(5), at(6) + timedelta(microseconds=1), at(6) + timedelta(milliseconds=500), at(7)]
    for moment, admission in zip(moments, entries(4, agent="scalper"), strict=True):
        await admit(ledger, admission, at=moment)
    await ledger.withdraw(entries(4, agent="scalper")[3].proposal.client_order_id, reason="", cycle=1, at=at(7))
    for since, expected in (
        (at(5), moments),
        (at(6), moments[1:]),
        (at(6) + timedelta(microseconds=2), moments[2:]),
        (at(7), moments[3:]),
        (at(8), []),
    ):
        found = (await standing(ledger, minute=8, since=since)).sent
        assert [order.at for order in found] == expected
    (last,) = (await standing(ledger, minute=8, since=at(7))).sent
    assert last == SentOrder.of(entries(4, agent="scalper")[3].proposal, at=at(7))


async def test_the_control_and_the_stopped_agents_stand(database: Database) -> None:
    ledger = await a_ledger(database)
    await Controls(database).halt(scope="*", level="flatten", by="Ada", reason="", at=at(1))
    async with ledger.gate(cycle=1, at=at(5)) as held:
        await held.latch(agent="risk", symbol="BTC/USDT", code="REPEATED_EXECUTION")
    found = await standing(ledger)
    assert (found.control.state, found.control.flatten) == ("reducing", True)
    assert found.latches == (Latch(agent="risk", symbol="BTC/USDT"),)
    assert STANDING.validate_json(STANDING.dump_json(found)) == found


async def test_refusals_are_counted_since_the_last_cycle_that_let_an_entry_through(database: Database) -> None:
    ledger = await a_ledger(database)
    counts = []
    story = ["deny", "deny", "review", "allow", "deny", "exit", "deny"]
    for cycle, outcome in enumerate(story, start=1):
        exits = outcome == "exit"
        proposal = a_proposal(cycle=cycle, reduce_only=exits, rationale='"reduce_only":false')
        await admit(ledger, an_admission(proposal, outcome="allow" if exits else outcome), cycle=cycle)
        counts.append((await standing(ledger)).refusals_in_a_row)
    assert counts == [1, 2, 2, 0, 1, 1, 2]
    assert (await standing(await a_ledger(database, run_id="r2"))).refusals_in_a_row == 0


async def test_a_new_day_counts_refusals_anew(database: Database) -> None:
    """Else a run that was refused often enough would be refused for it for ever."""
    ledger, archive = await a_ledger(database), Archive(database)
    await archive.begin_run(a_header())
    for cycle in (1, 2, 3):
        await admit(ledger, an_admission(a_proposal(cycle=cycle), outcome="deny"), cycle=cycle)
        if cycle < 3:
            await archive.close_cycle("r1", a_cycle(cycle), timings={})
    counts = []
    for minute in (0, 5, 6, 11):
        async with ledger.gate(cycle=3, at=at(16)) as held:
            counts.append((await held.standing(sent_since=at(0), day_start=at(minute))).refusals_in_a_row)
    assert counts == [3, 3, 2, 1]


# Reservations that run out


async def test_a_reservation_ends_when_its_ticket_expires(database: Database) -> None:
    ledger, (admission,) = await a_ledger(database), entries(1)
    await admit(ledger, admission)
    assert len((await standing(ledger, minute=9)).working) == 1
    assert (await standing(ledger, minute=10)).working == ()
    order = await ledger.order(admission.proposal.client_order_id)
    assert (order.state, order.reason, order.updated_at) == (OrderState.CANCELLED, EXPIRED, at(10))
    assert not await claim(ledger, admission.ticket, at=at(9)), "a clock that is behind does not bring it back"
    await ledger.check()


async def test_an_order_that_may_be_out_does_not_run_out(database: Database) -> None:
    ledger, (admission,) = await a_ledger(database), entries(1)
    await admit(ledger, admission)
    assert await claim(ledger, admission.ticket)
    assert [order.state for order in (await standing(ledger, minute=99)).working] == [OrderState.SUBMITTING]


async def test_what_is_left_of_a_part_filled_order_stands(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    await admit(ledger, admission)
    assert await claim(ledger, admission.ticket)
    part = a_fill(admission.proposal, quantity=Decimal("0.5"))
    await ledger.record(a_report(admission.proposal, fills=[part]), cycle=1)
    (order,) = (await standing(ledger)).working
    assert order.remaining == Decimal("1.5")


# Writing


async def test_what_expires_and_what_is_admitted_are_one_transaction(database: Database) -> None:
    ledger, (old, new) = await a_ledger(database), entries(2)
    await admit(ledger, old)
    await admit(ledger, new, at=at(20), cycle=1)
    assert [order.state for order in await ledger.orders(working_only=True)] == [OrderState.APPROVED]
    assert sorted(str(state) for state in await rows(database, order_events.c.state)) == [
        "approved",
        "approved",
        "cancelled",
    ]
    await ledger.check()


async def test_an_order_can_be_judged_again_after_a_persons_answer(database: Database) -> None:
    ledger, proposal = await a_ledger(database), a_proposal()
    await admit(ledger, an_admission(proposal, outcome="review"))
    assert await ledger.orders() == ()
    await admit(ledger, an_admission(proposal, n=1), at=at(6))
    assert [order.state for order in await ledger.orders()] == [OrderState.APPROVED]
    found = await Archive(database).verdicts("r1")
    assert [(verdict.n, verdict.outcome) for verdict in found] == [(0, "review"), (1, "allow")]
    await ledger.check()


@pytest.mark.parametrize("asked", [False, True])
async def test_a_gate_that_fails_leaves_nothing_behind(database: Database, asked: bool) -> None:
    ledger, admission = await a_ledger(database), an_admission()

    async def fail() -> None:
        async with ledger.gate(cycle=1, at=at(5)) as held:
            await held.keep([admission])
            if asked:
                await held.ask([a_question(admission)])
            await held.latch(agent="risk", symbol="BTC/USDT", code="X")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await fail()
    await database.flush()
    for column in (verdicts.c.id, blobs.c.digest, order_events.c.state):
        assert await rows(database, column) == []
    assert await Controls(database).latches("r1") == ()
    with pytest.raises(TicketRefused, match="no such ticket"):
        await claim(ledger, admission.ticket, order=admission.proposal.order())


async def test_a_ticket_that_does_not_fit_keeps_nothing_of_the_others(database: Database) -> None:
    ledger, (good, other) = await a_ledger(database), entries(2)
    wrong = a_ticket(other.proposal, verdict_digest=good.verdict_digest)
    with pytest.raises(TicketRefused):
        await admit(ledger, good, other.model_copy(update={"ticket": wrong}))
    assert await ledger.orders() == ()


async def test_a_gate_waits_for_the_one_before_it(url: str) -> None:
    async with await Database.open(url) as one, await Database.open(url) as two:
        ledgers = [await a_ledger(one), await a_ledger(two, run_id="r2")]
        seen: list[int] = []

        async def judge(ledger: Ledger, admission: Admission) -> None:
            async with ledger.gate(cycle=1, at=at(5)) as held:
                seen.append(len((await held.standing(sent_since=at(0))).working))
                await asyncio.sleep(0.01)
                await held.keep([admission])

        await asyncio.gather(*(judge(*each) for each in zip(ledgers, entries(2), strict=True)))
    assert seen == [0, 1]


async def test_an_account_that_was_never_opened_has_no_gate(database: Database) -> None:
    with pytest.raises(LedgerBroken, match="never opened"):
        await admit(Ledger(database, account="x", run_id="x"), an_admission())


async def test_nothing_else_is_read_or_written_while_the_account_is_held(database: Database) -> None:
    ledger = await a_ledger(database)
    async with ledger.gate(cycle=1, at=at(5)):
        with pytest.raises(RuntimeError, match="transaction is open"):
            await ledger.orders()
        with pytest.raises(RuntimeError, match="transaction is open"):
            await ledger.withdraw("acx", reason="", cycle=1, at=at(5))


# Effects within


async def test_what_stood_is_on_the_tape_with_what_was_decided_on_it(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()

    async def gate() -> Standing:
        effects = await some_effects(database)
        async with ledger.gate(cycle=1, at=at(5)) as held:
            found = await effects.once(
                "standing", None, returns=STANDING, perform=lambda: held.standing(sent_since=at(0))
            )
            await held.keep([admission])
            return found

    first = await gate()
    assert await rows(database, tape.c.name) == ["standing"]
    await Controls(database).halt(scope="r1", level="halt", by="Ada", reason="", at=at(5))
    assert await gate() == first, "run again after a crash, the step sees what it saw"


async def test_what_a_failed_gate_saw_is_looked_at_again(database: Database) -> None:
    ledger = await a_ledger(database)
    effects = await some_effects(database)
    fresh = await some_effects(database)

    async def look(effects: Effects, *, fails: bool) -> str:
        async with ledger.gate(cycle=1, at=at(5)) as held:
            seen = await effects.once(
                "standing", None, returns=STANDING, perform=lambda: held.standing(sent_since=at(0))
            )
            if fails:
                raise ServiceUnavailable("the database went away")
        return seen.control.state

    with pytest.raises(ServiceUnavailable):
        await look(effects, fails=True)
    await Controls(database).halt(scope="r1", level="halt", by="Ada", reason="", at=at(5))
    assert await look(fresh, fails=False) == "halted"


async def test_in_the_same_process_too_a_failed_gate_is_looked_at_again(database: Database) -> None:
    ledger, kept = await a_ledger(database), Tape(database, run_id="r1")
    await kept.begin_cycle(1)
    seen = []
    for attempt in range(2):
        effects = kept.effects(cycle=1, node="gate", subject="", clock=Watch())
        try:
            async with ledger.gate(cycle=1, at=at(5)) as held:
                found = await effects.once(
                    "standing", None, returns=STANDING, perform=lambda: held.standing(sent_since=at(0))
                )
                seen.append(found.control.state)
                if attempt == 0:
                    raise ServiceUnavailable("the database went away")
        except ServiceUnavailable:
            await Controls(database).halt(scope="r1", level="halt", by="Ada", reason="", at=at(5))
    assert seen == ["active", "halted"]


async def test_a_claim_that_was_refused_is_refused_again_after_a_crash_whatever_happened_since(
    database: Database,
) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    assert admission.ticket is not None
    await admit(ledger, admission)
    await Controls(database).halt(scope="r1", level="halt", by="Ada", reason="doubt", at=at(5))
    for _ in range(2):
        effects = await some_effects(database)
        given = [(admission.proposal.order(), admission.ticket)]
        (said,) = await ledger.claim(given, cycle=1, at=at(5), reducing=False, effects=effects)
        assert said == "trading is halted by Ada: doubt"
        if (await Controls(database).state("r1")).state == "halted":
            await Controls(database).resume(scope="r1", by="Ada", reason="over", at=at(6))
    assert await rows(database, tape.c.name) == ["ledger:control"]


async def test_the_same_proposal_judged_otherwise_is_refused_whole(database: Database) -> None:
    ledger = await a_ledger(database)
    await trade(ledger, a_proposal())
    denied = an_admission(a_proposal(), outcome="deny")
    with pytest.raises(Refused, match="verdicts cycle=1"):
        await admit(ledger, denied)
