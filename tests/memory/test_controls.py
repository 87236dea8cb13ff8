"""Halting only tightens, only a person relaxes it, and every act is kept, in a chain."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import delete, insert, select, update

from builders.memory import a_small_run, admit, an_admission, at, claim
from domain.digest import GENESIS
from domain.errors import LedgerBroken, NotFound, Refused, TicketRefused, UsageError
from memory import Acts, Controls, Database, Ledger
from memory.operators.controls import Control, Level
from memory.operators.faults import oversight_faults
from memory.store.schema import acts, controls, latches, with_digest
from policy.account import Latch, Rearmed

LEVELS: tuple[Level, ...] = ("reduce", "flatten", "halt")


async def halt(database: Database, level: Level, *, scope: str = "r1", minute: int = 1) -> Control:
    return await Controls(database).halt(scope=scope, level=level, by="Ada", reason="a doubt", at=at(minute))


async def resume(database: Database, *, scope: str = "r1") -> Control:
    return await Controls(database).resume(scope=scope, by="Bob", reason="looked at it", at=at(9))


async def state(database: Database, account: str = "r1") -> tuple[str, bool]:
    found = await Controls(database).state(account)
    return found.state, found.flatten


async def kinds(database: Database) -> list[str]:
    """What was done, the first first; the chain is whole."""
    assert await Acts(database).faults() == ()
    return [act.kind for act in reversed(await Acts(database).all())]


async def a_stopped_agent(database: Database) -> Ledger:
    ledger = Ledger(database, account="r1", run_id="r1")
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    async with ledger.gate(cycle=1, at=at(5)) as held:
        for _ in range(2):
            await held.latch(agent="risk", symbol="BTC/USDT", code="REPEATED_EXECUTION")
    return ledger


async def test_where_nobody_halted_trading_is_active(database: Database) -> None:
    assert await Controls(database).state("r1") == Control(scope="r1")


@pytest.mark.parametrize(
    ("level", "stands"),
    [("reduce", ("reducing", False)), ("flatten", ("reducing", True)), ("halt", ("halted", False))],
)
async def test_a_halt_says_who_when_and_why(database: Database, level: Level, stands: tuple[str, bool]) -> None:
    given = await halt(database, level)
    found = await Controls(database).state("r1")
    assert found == given
    assert (found.state, found.flatten) == stands
    assert (found.since, found.by, found.reason) == (at(1), "Ada", "a doubt")
    assert await state(database, "another") == ("active", False)


@pytest.mark.parametrize("first", LEVELS)
@pytest.mark.parametrize("second", LEVELS)
async def test_only_what_is_as_strict_or_stricter_is_taken(database: Database, first: Level, second: Level) -> None:
    before = await halt(database, first)
    if LEVELS.index(second) < LEVELS.index(first):
        with pytest.raises(Refused, match="by Ada: a doubt"):
            await halt(database, second, minute=2)
        assert await Controls(database).state("r1") == before
        assert await kinds(database) == ["halt"]
        return
    after = await halt(database, second, minute=2)
    assert after.strictness >= before.strictness
    assert (after == before) == (first == second), "what stands keeps its day and its reason"
    assert await kinds(database) == ["halt", "halt"]


async def test_the_stricter_of_everywhere_and_the_account_is_in_force(database: Database) -> None:
    await halt(database, "reduce", scope="*")
    await halt(database, "halt", scope="r1")
    assert await state(database, "r1") == ("halted", False)
    assert await state(database, "r2") == ("reducing", False)
    await halt(database, "flatten", scope="*", minute=2)
    assert (await state(database, "r1"), await state(database, "r2")) == (("halted", False), ("reducing", True))


async def test_resuming_one_scope_leaves_the_other_halted(database: Database) -> None:
    await halt(database, "halt", scope="*")
    await halt(database, "reduce", scope="r1")
    await resume(database, scope="*")
    assert (await state(database, "r1"), await state(database, "r2")) == (("reducing", False), ("active", False))
    await resume(database)
    assert await state(database) == ("active", False)
    assert await kinds(database) == ["halt", "halt", "resume", "resume"]


async def test_what_is_not_halted_can_not_be_resumed(database: Database) -> None:
    for scope in ("r1", "*"):
        with pytest.raises(Refused, match="not halted"):
            await resume(database, scope=scope)
    await halt(database, "halt")
    await resume(database)
    with pytest.raises(Refused, match="the account r1 is not halted"):
        await resume(database)


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("Bob", ""), (" \u200b\n", "why"), ("Bob", "\u202e\x00")])
async def test_who_resumes_says_who_and_why(database: Database, by: str, reason: str) -> None:
    await halt(database, "halt")
    with pytest.raises(UsageError, match="is empty"):
        await Controls(database).resume(scope="r1", by=by, reason=reason, at=at(2))
    assert await state(database) == ("halted", False)
    assert await kinds(database) == ["halt"]


async def test_what_people_write_is_kept_in_one_short_line(database: Database) -> None:
    reason = "first\nsecond\u202e" + "x" * 500
    found = await Controls(database).halt(scope="r1", level="halt", by="A\x00da", reason=reason, at=at(1))
    assert (found.by, found.reason[:12], len(found.reason)) == ("Ada", "first second", 200)
    (act,) = await Acts(database).all()
    assert (act.by, act.reason, act.scope, act.at) == (found.by, found.reason, "r1", at(1))


async def test_a_flat_account_that_was_to_be_flattened_is_halted(database: Database) -> None:
    await halt(database, "flatten")
    found = await Controls(database).flattened(scope="r1", at=at(2))
    assert (found.state, found.flatten, found.by, found.reason) == (
        "halted",
        False,
        "agentctl",
        "all is flat after: a doubt",
    )
    assert await Controls(database).flattened(scope="r1", at=at(3)) == found, "once is enough"
    assert await kinds(database) == ["halt", "flattened"]


async def test_what_could_not_be_left_is_named_with_the_halt(database: Database) -> None:
    await halt(database, "flatten")
    found = await Controls(database).flattened(scope="r1", at=at(2), but="0.1 of BTC/USDT")
    assert (found.state, found.reason) == ("halted", "all is flat but 0.1 of BTC/USDT, after: a doubt")
    (act, _) = await Acts(database).all()
    assert (act.kind, act.reason) == ("flattened", found.reason)


async def test_one_account_may_be_flat_before_the_others(database: Database) -> None:
    await halt(database, "flatten", scope="*")
    await Controls(database).flattened(scope="r1", at=at(2))
    assert (await state(database, "r1"), await state(database, "r2")) == (("halted", False), ("reducing", True))


async def test_nothing_is_flat_that_nobody_flattened(database: Database) -> None:
    await halt(database, "reduce")
    assert (await Controls(database).flattened(scope="r1", at=at(2))).state == "reducing"
    assert await kinds(database) == ["halt"]


@pytest.mark.parametrize(
    ("level", "reducing", "passes"),
    [("reduce", False, False), ("reduce", True, True), ("flatten", True, True), ("halt", True, False)],
)
@pytest.mark.parametrize("scope", ["*", "r1"])
async def test_a_halt_counts_between_the_gate_and_the_send(
    database: Database, level: Level, reducing: bool, passes: bool, scope: str
) -> None:
    ledger, admission = Ledger(database, account="r1", run_id="r1"), an_admission()
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    await admit(ledger, admission)
    await halt(database, level, scope=scope)
    if passes:
        assert await claim(ledger, admission.ticket, reducing=reducing)
        return
    with pytest.raises(TicketRefused, match="by Ada: a doubt"):
        await claim(ledger, admission.ticket, reducing=reducing)
    await resume(database, scope=scope)
    assert await claim(ledger, admission.ticket, reducing=reducing), "the right to send was not taken"


async def test_an_agent_is_stopped_once_until_a_person_re_arms_it(database: Database) -> None:
    ledger, control = await a_stopped_agent(database), Controls(database)
    (stopped,) = await control.latches("r1")
    assert (stopped.agent, stopped.symbol, stopped.code, stopped.since) == (
        "risk",
        "BTC/USDT",
        "REPEATED_EXECUTION",
        at(5),
    )
    assert await control.latches("r2") == ()
    this = {"account": "r1", "agent": "risk", "symbol": "BTC/USDT", "at": at(6)}
    with pytest.raises(UsageError):
        await control.rearm(**this, by="Ada", reason="")
    await control.rearm(**this, by="Ada", reason="the feed is sound again")
    assert await control.latches("r1") == ()
    with pytest.raises(NotFound, match="not stopped in BTC/USDT"):
        await control.rearm(**this, by="Ada", reason="again")
    assert await kinds(database) == ["latch", "rearm"]
    async with ledger.gate(cycle=2, at=at(7)) as held:
        await held.latch(agent="risk", symbol="BTC/USDT", code="REPEATED_EXECUTION")
    assert await kinds(database) == ["latch", "rearm", "latch"]
    assert [each.since for each in await control.latches("r1")] == [at(7)]


async def test_a_re_armed_agent_begins_anew_from_when_it_was_stopped(database: Database) -> None:
    ledger, control = await a_stopped_agent(database), Controls(database)
    this = {"account": "r1", "agent": "risk", "symbol": "BTC/USDT"}
    await control.rearm(**this, by="Ada", reason="the feed is sound again", at=at(60))
    async with ledger.gate(cycle=2, at=at(7)) as held:
        standing = await held.standing(sent_since=at(0))
        await held.latch(agent="risk", symbol="BTC/USDT", code="REPEATED_EXECUTION")
        again = await held.standing(sent_since=at(0))
    rearmed = Rearmed(agent="risk", symbol="BTC/USDT", through=at(5))
    assert (standing.latches, standing.rearmed) == ((), (rearmed,))
    assert (again.latches, again.rearmed) == ((Latch(agent="risk", symbol="BTC/USDT"),), ())


async def test_a_latch_that_was_cleared_without_an_act_is_found(database: Database) -> None:
    await a_stopped_agent(database)
    async with database.transaction() as connection:
        row = dict((await connection.execute(select(latches))).mappings().one())
        await connection.execute(update(latches).values(with_digest(latches, row | {"cleared_through": at(5)})))
    (fault,) = await Acts(database).faults()
    assert str(fault) == "latches agent=risk symbol=BTC/USDT: of r1 is not what the last act on it made"


async def test_each_act_rests_on_the_one_before_it(database: Database) -> None:
    await halt(database, "reduce")
    await halt(database, "halt")
    await resume(database)
    found = (await Acts(database).all())[::-1]
    assert [act.n for act in found] == [0, 1, 2]
    assert [act.previous for act in found] == [GENESIS, found[0].digest, found[1].digest]
    assert [act.n for act in await Acts(database).all(limit=1)] == [2]


async def test_no_act_is_added_to_one_that_was_changed(database: Database) -> None:
    await halt(database, "reduce")
    async with database.transaction() as connection:
        await connection.execute(update(acts).values(by="Eve"))
    with pytest.raises(Refused, match="acts n=0 was changed"):
        await halt(database, "halt")
    with pytest.raises(Refused, match="acts n=0 was changed"):
        await Acts(database).all()


async def test_a_control_that_was_changed_by_hand_lets_nothing_through(database: Database) -> None:
    ledger, admission = Ledger(database, account="r1", run_id="r1"), an_admission()
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    await admit(ledger, admission)
    await halt(database, "halt")
    async with database.transaction() as connection:
        await connection.execute(update(controls).values(state="active"))
    with pytest.raises(Refused, match="controls scope=r1 was changed"):
        await claim(ledger, admission.ticket)
    with pytest.raises(Refused, match="controls scope=r1 was changed"):
        await Controls(database).state("r1")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("scope", ["r1", "*"])
async def test_a_halt_whose_row_is_gone_is_not_lifted(database: Database, level: Level, scope: str) -> None:
    ledger, admission = Ledger(database, account="r1", run_id="r1"), an_admission()
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    await admit(ledger, admission)
    await halt(database, level, scope=scope)
    async with database.transaction() as connection:
        kept = dict((await connection.execute(select(controls))).mappings().one())
        await connection.execute(delete(controls))
    said = f"controls scope={scope} is not what the last act on it made".replace("*", "[*]")
    with pytest.raises(Refused, match=said):
        await Controls(database).state("r1")
    with pytest.raises(Refused, match=said):
        await claim(ledger, admission.ticket)
    with pytest.raises(Refused, match=said):
        await resume(database, scope=scope)
    async with database.transaction() as connection:
        await connection.execute(insert(controls).values(kept))
    await resume(database, scope=scope)
    assert await state(database) == ("active", False)
    assert await claim(ledger, admission.ticket)


async def test_a_control_with_a_fitting_digest_that_its_last_act_did_not_make_is_refused(database: Database) -> None:
    await halt(database, "reduce")
    async with database.transaction() as connection:
        before = dict((await connection.execute(select(controls))).mappings().one())
    await halt(database, "halt", minute=2)
    async with database.transaction() as connection:
        await connection.execute(update(controls).values(before))
    with pytest.raises(Refused, match="controls scope=r1 is not what the last act"):
        await Controls(database).state("r1")
    assert await state(database, "r2") == ("active", False), "of another account"


async def test_a_control_without_an_act_is_refused(database: Database) -> None:
    await halt(database, "halt")
    async with database.transaction() as connection:
        await connection.execute(delete(acts))
    with pytest.raises(Refused, match="controls scope=r1 is not what the last act"):
        await Controls(database).state("r1")


@pytest.mark.parametrize("change", ["gone", "cleared"])
async def test_a_latch_that_is_not_what_the_last_act_made_lets_nothing_through(database: Database, change: str) -> None:
    ledger, control = await a_stopped_agent(database), Controls(database)
    async with database.transaction() as connection:
        kept = dict((await connection.execute(select(latches))).mappings().one())
        await connection.execute(delete(latches))
        if change == "cleared":
            cleared = with_digest(latches, kept | {"cleared_through": at(5)})
            await connection.execute(insert(latches).values(cleared))
    said = "latches agent=risk symbol=BTC/USDT of r1 is not what the last act on it made"
    with pytest.raises(Refused, match=said):
        await control.latches("r1")
    with pytest.raises(Refused, match=said):
        async with ledger.gate(cycle=2, at=at(7)) as held:
            await held.standing(sent_since=at(0))
    assert await control.latches("r2") == ()
    async with database.transaction() as connection:
        await connection.execute(delete(latches))
        await connection.execute(insert(latches).values(kept))
    await control.rearm(account="r1", agent="risk", symbol="BTC/USDT", by="Ada", reason="sound again", at=at(8))
    assert await control.latches("r1") == ()


async def test_a_control_that_no_act_made_is_found_even_with_a_fitting_digest(database: Database) -> None:
    ledger = Ledger(database, account="r1", run_id="r1")
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    await halt(database, "halt")
    async with database.transaction() as connection:
        row = dict((await connection.execute(select(controls))).mappings().one())
        await connection.execute(update(controls).values(with_digest(controls, row | {"state": "active"})))
    (fault,) = await Acts(database).faults()
    assert str(fault) == "controls scope=r1: is not what the last act on it made"
    with pytest.raises(LedgerBroken, match="controls scope=r1"):
        await ledger.check()


async def test_what_stands_without_an_act_and_what_is_gone_with_one_is_named(database: Database) -> None:
    await a_small_run(database)
    async with database.transaction() as connection:
        row = dict((await connection.execute(select(latches))).mappings().one())
        await connection.execute(delete(latches))
        await connection.execute(insert(latches).values(with_digest(latches, row | {"symbol": "ETH/USDT"})))
        found = [str(fault) for fault in await oversight_faults(connection)]
    assert found == [
        "latches agent=risk symbol=BTC/USDT: of r1 is missing",
        "acts n=3: is missing: latches agent=risk symbol=ETH/USDT of r1 stands, and no act made it so",
    ]
