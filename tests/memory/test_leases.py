"""Leases: one holder at a time, under a number that rises, and nothing is written under one that was lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import URL, select, update

from builders.memory import a_proposal, admit, an_admission, at, claim
from builders.servers import tell
from domain.errors import LeaseLost, UsageError
from domain.order import OrderState
from memory import Database, Ledger
from memory.store.leases import Lease, LeaseRecord, hold_lease, lease_of, leases_in_force
from memory.store.schema import blobs, leases

RUN, ACCOUNT = "r1", "okx:7"
TESTS = Path(__file__).parents[1]


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with await Database.open(url) as opened:
        yield opened


@asynccontextmanager
async def another(url: str) -> AsyncGenerator[Database]:
    """A database connection of another process, as far as leases go: each holding is of its own."""
    async with await Database.open(url) as opened:
        yield opened


async def told(database: Database, scope: str) -> LeaseRecord:
    async with database.reading() as connection:
        record = await lease_of(connection, scope)
    assert record is not None
    return record


async def passes(url: str, *scopes: str) -> None:
    """The time of the leases passes, whoever holds them."""
    async with another(url) as beside, beside.beside() as connection:
        await connection.execute(update(leases).where(leases.c.scope.in_(scopes)).values(expires_at_ms=1))


async def elsewhere(url: str, scope: str) -> None:
    """From now on the holder of `scope` is on another machine."""
    async with another(url) as beside, beside.beside() as connection:
        away = {"machine": "elsewhere", "host": "elsewhere"}
        await connection.execute(update(leases).where(leases.c.scope == scope).values(away))


async def texts(database: Database) -> set[str]:
    async with database.reading() as connection:
        return set(await connection.scalars(select(blobs.c.body)))


def lease(database: Database) -> Lease:
    assert database.lease is not None
    return database.lease


# Who has it


async def test_a_second_process_is_turned_away_and_told_who_has_it(url: str, database: Database) -> None:
    async with hold_lease(database, RUN), another(url) as other:
        record = await told(other, RUN)
        with pytest.raises(UsageError) as error:
            async with hold_lease(other, RUN):
                pytest.fail("both have it")
        assert f"another process is running {RUN}: {record.in_words}" in str(error.value)
        assert f"{record.expires_at:%H:%M:%S} UTC" in str(error.value)
        async with hold_lease(other, "r2"):
            assert [each.scope for each in await leases_in_force(other)] == [RUN, "r2"]
    assert await leases_in_force(database) == ()


async def test_each_holder_has_a_higher_number_than_the_one_before(url: str, database: Database) -> None:
    tokens = []
    for _ in range(3):
        async with hold_lease(database, RUN) as mine:
            tokens.append(mine.tokens[RUN])
            with pytest.raises(ZeroDivisionError):
                async with another(url) as other, hold_lease(other, "r2"):
                    1 / 0  # noqa: B018
    assert tokens == [1, 2, 3]
    assert (await told(database, "r2")).token == 3


async def test_of_many_that_come_at_once_one_gets_it(url: str, database: Database) -> None:
    async def attempt() -> bool:
        async with another(url) as other:
            try:
                async with hold_lease(other, RUN):
                    got.set()
                    await gone.wait()
                    return True
            except UsageError:
                return False

    got, gone = asyncio.Event(), asyncio.Event()
    trying = [asyncio.create_task(attempt()) for _ in range(8)]
    await asyncio.wait(trying, return_when=asyncio.FIRST_COMPLETED)
    await got.wait()
    gone.set()
    assert sum(await asyncio.gather(*trying)) >= 1
    assert (await told(database, RUN)).token == sum([task.result() for task in trying])


async def test_a_process_of_another_machine_is_waited_for_and_had_when_it_does_not_come(
    url: str, database: Database
) -> None:
    async with hold_lease(database, RUN, ttl_s=600):
        await elsewhere(url, RUN)
        said = Said()
        async with another(url) as other:
            taking = asyncio.create_task(_taken(other, said))
            await said.heard.wait()
            await passes(url, RUN)
            assert await taking == 2
        assert said.texts[0].startswith("process ")
        assert "elsewhere has r1 until " in said.texts[0]


async def test_one_that_goes_on_while_it_is_waited_for_keeps_it(url: str, database: Database) -> None:
    async with hold_lease(database, RUN, ttl_s=600):
        await elsewhere(url, RUN)
        said = Said()
        async with another(url) as other:
            taking = asyncio.create_task(_taken(other, said))
            await said.heard.wait()
            await lease(database).renew()
            with pytest.raises(UsageError, match="another process is running r1"):
                await taking


@dataclass
class Said:
    """What a process that waits says, and when it has said something."""

    texts: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, text: str) -> None:
        self.texts.append(text)
        self.heard.set()


async def _taken(database: Database, said: Said) -> int:
    async with hold_lease(database, RUN, tell=said) as mine:
        return mine.tokens[RUN]


def test_what_a_killed_process_of_this_machine_had_is_had_at_once(url: str) -> None:
    code = f"""
import asyncio
from memory import Database
from memory.store.leases import hold_lease
async def main():
    async with await Database.open({url!r}) as database, hold_lease(database, "r1", ttl_s=600):
        print("held", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=TESTS)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match=f"process {process.pid} on "):
        asyncio.run(number_of_one_more(url))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert asyncio.run(number_of_one_more(url)) == 2


async def number_of_one_more(url: str) -> int:
    async with another(url) as database, hold_lease(database, RUN) as mine:
        return mine.tokens[RUN]


# What is lost


async def test_what_has_run_out_is_not_written_under_and_can_be_taken_again(url: str, database: Database) -> None:
    async with hold_lease(database, RUN) as mine:
        await passes(url, RUN)
        database.note(blobs, {"digest": "x", "body": "x"})
        with pytest.raises(LeaseLost, match="ran out"):
            await database.flush()
        assert await texts(database) == set()
        await mine.regain()
        assert mine.tokens == {RUN: 2}
        await database.flush()
        assert await texts(database) == {"x"}


async def test_what_somebody_had_in_between_is_neither_written_nor_taken_again(url: str, database: Database) -> None:
    async with hold_lease(database, RUN) as mine, another(url) as other:
        await passes(url, RUN)
        async with hold_lease(other, RUN):
            for _ in range(2):
                database.note(blobs, {"digest": "x", "body": "x"})
                with pytest.raises(LeaseLost, match="r1 was taken over by process"):
                    await database.flush()
                with pytest.raises(LeaseLost, match="r1 was taken over by process"):
                    await mine.regain()
                database.forget()
        with pytest.raises(LeaseLost):  # it was let go, and much may have happened
            await mine.regain()
        assert (await told(other, RUN)).token == 2
    assert await texts(database) == set()


async def test_letting_go_of_what_was_lost_takes_nothing_from_its_holder(url: str, database: Database) -> None:
    async with another(url) as other:
        holding = hold_lease(other, RUN)
        async with hold_lease(database, RUN):
            await passes(url, RUN)
            await holding.__aenter__()
            database.note(blobs, {"digest": "x", "body": "x"})
            database.forget()
        assert (await told(database, RUN)).in_force
        await lease(other).renew()
        await holding.__aexit__(None, None, None)


async def test_what_is_noted_by_one_that_lost_it_is_never_written(url: str, database: Database) -> None:
    async with another(url) as other:
        holding = hold_lease(other, RUN)
        mine = hold_lease(database, RUN)
        await mine.__aenter__()
        await passes(url, RUN)
        await holding.__aenter__()
        database.note(blobs, {"digest": "x", "body": "x"})
        with pytest.raises(LeaseLost):
            await mine.__aexit__(None, None, None)
        await database.flush()
        assert await texts(database) == set()
        await holding.__aexit__(None, None, None)


async def test_without_the_account_a_run_writes_and_does_not_send(url: str, database: Database) -> None:
    async with hold_lease(database, RUN) as mine, another(url) as other:
        await mine.take(ACCOUNT)
        await passes(url, ACCOUNT)
        async with hold_lease(other, "r2") as theirs:
            await theirs.take(ACCOUNT)
            async with database.transaction():
                pass
            with pytest.raises(LeaseLost, match="okx:7 was taken over"):
                async with database.transaction(sends=True):
                    pytest.fail("it may not send")
            with pytest.raises(LeaseLost, match="okx:7 was taken over"):
                await mine.regain()


async def test_each_transaction_makes_it_run_longer(url: str, database: Database) -> None:
    async with hold_lease(database, RUN) as mine:
        await mine.take(ACCOUNT)
        before = await told(database, RUN), await told(database, ACCOUNT)
        await asyncio.sleep(0.01)
        async with database.transaction():
            pass
        after = await told(database, RUN), await told(database, ACCOUNT)
        assert all(new.expires_at > old.expires_at for new, old in zip(after, before, strict=True))


async def test_it_is_kept_while_nothing_is_written(url: str, database: Database) -> None:
    async with hold_lease(database, RUN, ttl_s=3):
        before = await told(database, RUN)
        for _ in range(200):
            await asyncio.sleep(0.05)
            if (await told(database, RUN)).expires_at > before.expires_at:
                break
        else:
            pytest.fail("nobody renewed it")
        assert (await told(database, RUN)).token == 1


async def test_a_renewal_takes_along_nothing_that_waits_for_its_own_commit(database: Database) -> None:
    async with hold_lease(database, RUN) as mine:
        database.note(blobs, {"digest": "x", "body": "x"})
        await mine.renew()
        assert await texts(database) == set()
        database.forget()


async def test_a_wait_ends_when_the_lease_is_found_to_be_lost(url: str, database: Database) -> None:
    async with hold_lease(database, RUN, ttl_s=0.3) as mine:
        assert await mine.unless_lost(asyncio.sleep(0, "a tick")) == "a tick"
        await passes(url, RUN)
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(mine.unless_lost(asyncio.Event().wait()), 30)
        database.forget()


async def test_by_our_own_clock_it_has_run_out_before_anybody_else_may_have_it(database: Database) -> None:
    async with hold_lease(database, RUN, ttl_s=600) as mine:
        mine.require()
    async with hold_lease(database, RUN, ttl_s=0.0) as mine:
        with pytest.raises(LeaseLost):
            mine.require()
        database.forget()


# What it guards


async def test_nothing_is_allowed_and_nothing_claimed_under_a_lease_that_was_lost(url: str, database: Database) -> None:
    ledger, admission = Ledger(database, account=RUN, run_id=RUN), an_admission(a_proposal())
    assert admission.ticket is not None
    async with hold_lease(database, RUN):
        await ledger.open(currency="USDT", start_cash=Decimal(10_000))
        await admit(ledger, admission, cycle=1, at=at(5))
        await passes(url, RUN)
        with pytest.raises(LeaseLost):
            await claim(ledger, admission.ticket, at=at(5))
        with pytest.raises(LeaseLost):
            async with ledger.gate(cycle=2, at=at(5)):
                pytest.fail("it was judged")
        with pytest.raises(LeaseLost):
            await ledger.require_lease()
        assert (await ledger.order(admission.ticket.client_order_id)).state is OrderState.APPROVED


async def test_a_terminated_backend_takes_no_lease_along(postgres: URL) -> None:
    """As an advisory lock goes with the connection that has it."""
    url = postgres.render_as_string(hide_password=False)
    async with await Database.open(url) as database, another(url) as other, hold_lease(database, "r9"):
        await tell(postgres, TERMINATED)
        with pytest.raises(UsageError, match="another process is running r9"):
            async with hold_lease(other, "r9"):
                pytest.fail("both have it")
        await lease(database).renew()


async def test_a_server_frees_the_row_of_a_process_that_stands_still_in_its_transaction(postgres: URL) -> None:
    url = postgres.render_as_string(hide_password=False)
    async with await Database.open(url) as database, another(url) as other:
        holding = hold_lease(database, "r10", ttl_s=2)
        await holding.__aenter__()
        still = database.transaction()
        await still.__aenter__()  # and nothing more comes of it
        await elsewhere_is_allowed_to_wait(other)
        assert (await told(other, "r10")).token == 2
        with pytest.raises(Exception, match="failed"):
            await still.__aexit__(None, None, None)
        await holding.__aexit__(None, None, None)


async def elsewhere_is_allowed_to_wait(database: Database) -> None:
    while True:
        try:
            async with hold_lease(database, "r10"):
                return
        except UsageError:
            await asyncio.sleep(0.05)


TERMINATED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
