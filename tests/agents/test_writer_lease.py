"""The order writer under a lease: neither an order nor a cancel goes out once that is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from builders.office import BTC, Office
from domain.errors import LeaseLost
from domain.order import OrderState
from memory import Database
from memory.store.leases import Holder, Lease, hold_lease
from memory.store.schema import leases


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with await Database.open(f"sqlite:///{tmp_path / 'a.db'}") as opened:
        yield opened


async def passes(database: Database) -> None:
    async with database.beside() as connection:
        await connection.execute(update(leases).values(expires_at_ms=1))


async def test_an_order_is_neither_claimed_nor_sent(database: Database) -> None:
    async with hold_lease(database, "r1") as lease:
        office = await Office.open(database)
        order, ticket = await office.approve()
        await passes(database)
        with pytest.raises(LeaseLost):
            await office.send(order, ticket)
        assert "submit" not in office.calls
        await lease.regain()
        assert (await office.kept(order)).state is OrderState.APPROVED
        assert (await office.send(order, ticket)).state is OrderState.WORKING


async def test_a_stop_stays_where_it_is(database: Database) -> None:
    async with hold_lease(database, "r1") as lease:
        office = await Office.open(database)
        order, ticket = await office.approve(type="limit", limit_price="90")
        await office.send(order, ticket)
        writer, kept = await office.writer(2, node="withdrawal"), await office.kept(order)
        await passes(database)
        with pytest.raises(LeaseLost):
            await writer.cancel(kept)
        assert "cancel" not in office.calls
        await lease.regain()
        assert (await office.kept(order)).state is OrderState.WORKING
        assert (await writer.cancel(kept)).state is OrderState.CANCELLED


class Paused(Lease):
    """Of a process that stood still between its claim and its request, for longer than the lease."""

    def require(self) -> None:
        raise LeaseLost("it may be somebody else's by now")


async def test_what_was_claimed_is_not_sent_when_the_lease_may_have_run_out_since(database: Database) -> None:
    async with hold_lease(database, "r1") as lease:
        office = await Office.open(database)
        order, ticket = await office.approve(symbol=BTC)
        paused = Paused(database, Holder.here(), ttl_s=600, tell=lambda text: None)
        paused._tokens = lease.tokens
        database.lease = paused
        with pytest.raises(LeaseLost, match="somebody else's"):
            await office.send(order, ticket)
        assert "submit" not in office.calls
        database.lease = lease
        assert (await office.kept(order)).state is OrderState.SUBMITTING
