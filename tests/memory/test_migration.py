"""A database of an older version is brought up to date with everything kept, and still verifies.

`archives/r0001.json` holds every row that the code of revision 0001 left of a small run.
"""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, column, func, insert, inspect, select, table, text
from sqlalchemy.ext.asyncio import create_async_engine

from builders.memory import a_cycle, a_proposal, at, trade
from domain.digest import digest
from memory import Acts, Archive, Controls, Database, Ledger
from memory.store.migrate import SCRIPTS
from memory.store.schema import cycles, equity, fills, metadata, orders, verdicts
from memory.store.seal import leaves_from, leaves_text
from memory.store.sqlite_inline import connect
from memory.store.url import Address
from memory.verify import verify

OLD = Path(__file__).parent / "archives" / "r0001.json"
Rows = dict[str, list[dict[str, Any]]]


def old_rows() -> Rows:
    rows: Rows = json.loads(OLD.read_text())
    return rows


def write(connection: Connection, rows: Rows) -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    for name, values in rows.items():
        for row in values:
            connection.execute(insert(table(name, *(column(key) for key in row))).values(row))


async def an_old_database(url: str, rows: Rows | None = None) -> None:
    """What the code of revision 0001 left behind."""
    address = Address.parse(url)
    if address.path is not None:
        address.path.parent.mkdir(parents=True, exist_ok=True)
    options = {"connect_args": {"async_creator_fn": connect}} if address.sqlite else {}
    engine = create_async_engine(address.url, **options)
    async with engine.begin() as connection:
        await connection.run_sync(write, old_rows() if rows is None else rows)
    await engine.dispose()


def in_state(state: str, *, by: str = "root", reason: str = "by hand") -> Rows:
    """The old rows with a trading state that somebody set, with a fitting digest."""
    rows = old_rows()
    (account,) = rows["accounts"]
    account |= {"trading_state": state, "state_by": by, "state_reason": reason}
    account["digest"] = digest({name: account[name] for name in account if name not in ("account", "digest")})
    return rows


async def test_a_run_of_the_old_version_still_verifies_and_its_seals_are_what_they_were(url: str) -> None:
    await an_old_database(url)
    async with await Database.open(url) as database:
        assert await verify(database, "r1") == ()
        async with database.reading() as connection:
            for name in ("runs", "cycles", "steps", "tape", "blobs", "snapshots", "episodes", "fills", "tickets"):
                count = await connection.scalar(select(func.count()).select_from(metadata.tables[name]))
                assert count == len(old_rows()[name]), name
            seals = list(await connection.scalars(select(cycles.c.seal).order_by(cycles.c.cycle)))
            digests = set(await connection.scalars(select(verdicts.c.digest)))
            filled = set(await connection.scalars(select(fills.c.digest)))
            numbers = set(await connection.scalars(select(verdicts.c.n)))
            agents = set(await connection.scalars(select(orders.c.agent)))
            highs = list(await connection.scalars(select(equity.c.high).order_by(equity.c.cycle)))
    old = old_rows()
    assert seals == [row["seal"] for row in old["cycles"]]
    assert digests == {row["digest"] for row in old["verdicts"]}
    assert filled == {row["digest"] for row in old["fills"]}
    assert (numbers, agents, highs) == ({0}, {"risk"}, [Decimal(10_000)] * 2)


async def test_the_books_of_the_old_version_are_read_and_go_on(url: str) -> None:
    await an_old_database(url)
    async with await Database.open(url) as database:
        ledger = Ledger(database, account="r1", run_id="r1")
        await ledger.open(currency="USDT", start_cash=Decimal(10_000))
        assert {order.agent for order in await ledger.orders()} == {"risk"}
        assert {verdict.n for verdict in await Archive(database).verdicts("r1")} == {0}
        await trade(ledger, a_proposal(cycle=3, as_of=at(15)))
        await Archive(database).close_cycle("r1", a_cycle(3), timings={})
        await ledger.check()
        assert await verify(database, "r1") == ()


def test_the_rows_under_an_old_seal_are_written_as_they_were() -> None:
    for row in old_rows()["cycles"]:
        found = leaves_from(row["rows"])
        assert {leaf.key[1:] for leaf in found if leaf.table == "verdicts"} == {("0",)}
        assert leaves_text(found) == row["rows"]


async def test_an_old_database_has_the_tables_of_a_new_one(url: str, tmp_path: Path) -> None:
    def shape(connection: Connection) -> dict[str, object]:
        found = inspect(connection)
        return {
            name: (
                sorted((c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(name)),
                found.get_pk_constraint(name),
                sorted(index["name"] or "" for index in found.get_indexes(name)),
            )
            for name in metadata.tables
        }

    async def shaped(database: Database) -> dict[str, object]:
        async with database.reading() as connection:
            return await connection.run_sync(shape)

    await an_old_database(url)
    async with await Database.open(url) as old, await Database.in_memory() as made:
        async with old.reading() as connection:
            dialect = connection.dialect.name
        old_shape, new_shape = await shaped(old), await shaped(made)
    if dialect == "sqlite":
        assert old_shape == new_shape
    keys = {name: tuple(this.primary_key.columns.keys()) for name, this in metadata.tables.items()}
    assert {name: tuple(said[1]["constrained_columns"]) for name, said in old_shape.items()} == keys  # type: ignore[index]


@pytest.mark.parametrize(
    ("state", "now"), [("active", "active"), ("reducing", "reducing"), ("halted", "halted"), ("paused", "halted")]
)
async def test_a_state_that_stood_goes_on_standing_with_who_set_it_and_why(url: str, state: str, now: str) -> None:
    await an_old_database(url, in_state(state))
    async with await Database.open(url) as database:
        found = await Controls(database).state("r1")
        assert found.state == now
        if now != "active":
            assert (found.by, found.reason) == ("root", "by hand")
            await Controls(database).resume(scope="r1", by="Ada", reason="over", at=at(99))
            assert [act.kind for act in await Acts(database).all()] == ["resume", "halt"]
        assert await verify(database, "r1") == ()


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("orders", {"reason": "another"}),
        ("accounts", {"cash": "1000000"}),
        ("accounts", {"state_by": "Eve"}),
        ("verdicts", {"outcome": "allow"}),
        ("equity", {"equity": "1"}),
    ],
)
async def test_what_was_changed_by_hand_before_is_found_after(url: str, name: str, changed: dict[str, str]) -> None:
    rows = old_rows()
    rows[name][-1] |= changed
    await an_old_database(url, rows)
    async with await Database.open(url) as database:
        assert name in {fault.table for fault in await verify(database, "r1")}


async def test_the_high_water_mark_of_old_cycles_is_found_from_their_equity(url: str) -> None:
    rows = old_rows()
    for row, value in zip(rows["equity"], ("12000.5", "9000"), strict=True):
        row["equity"] = value
    await an_old_database(url, rows)
    async with await Database.open(url) as database, database.reading() as connection:
        assert list(await connection.scalars(select(equity.c.high).order_by(equity.c.cycle))) == [
            Decimal("12000.5"),
            Decimal("12000.5"),
        ]


async def test_a_migration_that_fails_leaves_the_old_database_as_it_was(url: str) -> None:
    await an_old_database(url)
    address = Address.parse(url)
    options = {"connect_args": {"async_creator_fn": connect}} if address.sqlite else {}
    engine = create_async_engine(address.url, **options)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE latches (x TEXT)"))
    with pytest.raises(Exception, match="latches"):
        await Database.open(url)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT trading_state FROM accounts")) == "active"
        assert await connection.scalar(text("SELECT version_num FROM agentctl_version")) == "0001"
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE latches"))
    await engine.dispose()
    async with await Database.open(url) as database:
        assert await verify(database, "r1") == ()


async def test_two_that_open_an_old_database_at_once_both_get_a_new_one(url: str) -> None:
    await an_old_database(url)
    first, second = await asyncio.gather(Database.open(url), Database.open(url))
    assert await verify(first, "r1") == await verify(second, "r1") == ()
    await first.close()
    await second.close()
