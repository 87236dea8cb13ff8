"""A change anywhere in the archive is found and named; two archives are told apart by their first difference."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Table, Text, delete, insert, select, type_coerce, update
from sqlalchemy.types import TypeDecorator

from builders.memory import START, a_cycle, a_header, a_small_run
from domain.errors import NotFound
from memory import Archive, Database, Fault
from memory.archive.compare import compare
from memory.archive.pruning import prune_snapshots
from memory.store.schema import acts, leases, metadata, snapshots, steps, with_digest
from memory.verify import verify

TABLES = [table for table in metadata.tables.values() if table is not leases]
"""Who holds a run or an account is under no seal."""


def raw(table: Table) -> list[object]:
    return [
        type_coerce(column, Text).label(column.name) if isinstance(column.type, TypeDecorator) else column
        for column in table.columns
    ]


async def last_row(database: Database, table: Table) -> dict[str, object]:
    async with database.reading() as connection:
        found = await connection.execute(select(*raw(table)).order_by(*table.primary_key))
        return dict(found.mappings().all()[-1])


async def change(database: Database, table: Table, *, row: dict[str, object], to: dict[str, object]) -> None:
    where = [column == row[column.name] for column in table.primary_key]
    values = {name: type_coerce(value, Text) if isinstance(value, str) else value for name, value in to.items()}
    async with database.transaction() as connection:
        changed = await connection.execute(update(table).where(*where).values(values))
        assert changed.rowcount == 1


def other(value: object) -> object:
    """Another value of the same type, as near as can be."""
    if value is None:
        return "1"
    if isinstance(value, int):
        return value + 7
    text = str(value)
    return text[:-1] + ("1" if text[-1:] != "1" else "2")


def names(faults: tuple[Fault, ...], *, table: Table, row: dict[str, object]) -> bool:
    keys = [str(row[column.name]) for column in table.primary_key]
    keys += [str(row["client_order_id"])] if "client_order_id" in row else []
    return any(fault.table == table.name and any(key in fault.key for key in keys) for fault in faults)


async def test_a_run_that_nobody_touched_has_no_faults(database: Database) -> None:
    await a_small_run(database)
    assert await verify(database, "r1") == ()


async def test_a_run_that_never_was_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound):
        await verify(database, "r1")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_a_changed_cell_is_found_and_its_row_named(database: Database, table: Table) -> None:
    await a_small_run(database)
    row = await last_row(database, table)
    for name, value in row.items():
        changed = {name: other(value)}
        await change(database, table, row=row, to=changed)
        faults = await verify(database, "r1")
        there = row | changed
        assert names(faults, table=table, row=row) or names(faults, table=table, row=there), f"{name}: {faults}"
        await change(database, table, row=row | changed, to={name: value})
    assert await verify(database, "r1") == ()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_a_missing_row_is_found_and_named(database: Database, table: Table) -> None:
    await a_small_run(database)
    row = await last_row(database, table)
    async with database.transaction() as connection:
        await connection.execute(delete(table).where(*(column == row[column.name] for column in table.primary_key)))
    assert names(await verify(database, "r1"), table=table, row=row)


async def test_a_change_with_a_fitting_digest_is_found_by_the_seal(database: Database) -> None:
    await a_small_run(database)
    row = await last_row(database, steps)
    await change(database, steps, row=row, to=with_digest(steps, row | {"body": '{"stance":"hold"}'}))
    (fault,) = await verify(database, "r1")
    assert (fault.table, fault.key) == ("steps", "cycle=2 node=research subject=BTC/USDT")
    assert fault.what == "is not the row that was sealed"


async def test_a_row_added_to_a_closed_cycle_is_found(database: Database) -> None:
    await a_small_run(database)
    row = {"run_id": "r1", "cycle": 1, "node": "risk", "subject": "late", "body": "1"}
    async with database.transaction() as connection:
        await connection.execute(insert(steps).values(with_digest(steps, row)))
    (fault,) = await verify(database, "r1")
    assert str(fault) == "steps cycle=1 node=risk subject=late: was added after the cycle was sealed"


async def test_a_number_written_otherwise_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with await Database.open(f"sqlite:///{path}") as database:
        await a_small_run(database)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE equity SET cash = '10000.0' WHERE cycle = 1")
    connection.close()
    async with await Database.open(f"sqlite:///{path}") as database:
        (fault,) = await verify(database, "r1")
        assert (fault.table, fault.key) == ("equity", "cycle=1")


async def test_text_that_is_no_text_any_more_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with await Database.open(f"sqlite:///{path}") as database:
        await a_small_run(database)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE tape SET body = CAST(x'22ff22' AS TEXT) WHERE cycle = 2 AND n = 1")
    connection.close()
    async with await Database.open(f"sqlite:///{path}") as database:
        faults = await verify(database, "r1")
        assert ("tape", "cycle=2 node=research subject=BTC/USDT n=1") in {(f.table, f.key) for f in faults}


async def test_one_flipped_byte_of_the_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with await Database.open(f"sqlite:///{path}") as database:
        await a_small_run(database)
    image = bytearray(path.read_bytes())
    image[image.index(b'"stance":"sell"') + 11] ^= 1
    path.write_bytes(image)
    async with await Database.open(f"sqlite:///{path}") as database:
        assert await verify(database, "r1") != ()


async def test_an_unfinished_cycle_is_no_fault(database: Database) -> None:
    await a_small_run(database)
    Archive(database).note_step("r1", cycle=3, node="risk", subject="", value=1)
    await database.flush()
    assert await verify(database, "r1") == ()


async def test_another_runs_faults_are_not_this_runs(database: Database) -> None:
    await a_small_run(database, run_id="a")
    await a_small_run(database, run_id="b")
    async with database.transaction() as connection:
        await connection.execute(update(steps).where(steps.c.run_id == "b").values(body="0"))
    assert await verify(database, "a") == ()
    assert await verify(database, "b") != ()


async def test_equal_runs_in_two_databases_compare_as_equal(database: Database) -> None:
    await a_small_run(database)
    async with await Database.in_memory() as fresh:
        await a_small_run(fresh)
        assert await compare(database, fresh, run_id="r1", cycle=1) is None
        assert await compare(database, fresh, run_id="r1", cycle=2) is None


async def test_the_first_difference_is_named_by_table_key_and_field(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    archive.note_step("r1", cycle=1, node="risk", subject="BTC/USDT", value={"size": "1"})
    archive.note_step("r1", cycle=1, node="signal", subject="BTC/USDT", value={"score": "1"})
    await archive.close_cycle("r1", a_cycle(1), timings={})
    async with await Database.in_memory() as fresh:
        replay = Archive(fresh)
        await replay.begin_run(a_header())
        replay.note_step("r1", cycle=1, node="risk", subject="BTC/USDT", value={"size": "2"})
        replay.note_step("r1", cycle=1, node="signal", subject="BTC/USDT", value={"score": "1"})
        await replay.close_cycle("r1", a_cycle(1), timings={})
        fault = await compare(database, fresh, run_id="r1", cycle=1)
    assert fault is not None
    assert (fault.table, fault.key, fault.field) == ("steps", "cycle=1 node=risk subject=BTC/USDT", "body")
    assert '{"size":"1"}' in fault.what
    assert '{"size":"2"}' in fault.what


async def test_a_row_or_a_cycle_on_one_side_only_is_a_difference(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    archive.note_step("r1", cycle=1, node="risk", subject="", value=1)
    await archive.close_cycle("r1", a_cycle(1), timings={})
    async with await Database.in_memory() as fresh:
        replay = Archive(fresh)
        await replay.begin_run(a_header())
        missing = await compare(database, fresh, run_id="r1", cycle=1)
        assert missing == Fault("cycles", "cycle=1", "is not closed there")
        await replay.close_cycle("r1", a_cycle(1), timings={})
        assert await compare(database, fresh, run_id="r1", cycle=1) == Fault(
            "steps", "cycle=1 node=risk subject=", "is not there"
        )


async def test_equal_rows_under_another_configuration_differ_in_their_chain(database: Database) -> None:
    async with await Database.in_memory() as fresh:
        for each, seed in ((database, 7), (fresh, 8)):
            await Archive(each).begin_run(a_header(seed=seed))
            await Archive(each).close_cycle("r1", a_cycle(1), timings={})
        fault = await compare(database, fresh, run_id="r1", cycle=1)
    assert fault is not None
    assert (fault.table, fault.field) == ("cycles", "previous")


async def faults_of_snapshots(database: Database) -> list[str]:
    return [str(fault) for fault in await verify(database, "r1") if fault.table == "snapshots"]


@pytest.mark.parametrize("blobs", ["kept", "gone"])
async def test_an_emptied_context_that_nobody_pruned_is_a_fault(database: Database, blobs: str) -> None:
    await a_small_run(database)
    emptied = {"body": ""} | ({"blobs": "[]"} if blobs == "gone" else {})
    await change(database, snapshots, row=(row := await last_row(database, snapshots)), to=emptied)
    assert await faults_of_snapshots(database) == [
        f"snapshots cycle={row['cycle']} id={row['id']}: is empty, and nobody pruned it"
    ]


async def test_a_prune_accounts_for_the_cycles_before_it_and_for_no_others(database: Database) -> None:
    await a_small_run(database)
    await prune_snapshots(database, "r1", before_cycle=2, at=START)
    assert await verify(database, "r1") == ()
    (later,) = [record for record in await Archive(database).snapshots("r1") if record.cycle == 2]
    async with database.transaction() as connection:
        await connection.execute(update(snapshots).values(body="", blobs="[]"))
    assert await faults_of_snapshots(database) == [f"snapshots cycle=2 id={later.id}: is empty, and nobody pruned it"]


@pytest.mark.parametrize("column", ["subject", "previous", "blobs", "cycle", "id", "digest"])
async def test_what_stays_of_a_pruned_context_is_verified_still(database: Database, column: str) -> None:
    await a_small_run(database)
    await prune_snapshots(database, "r1", before_cycle=3, at=START)
    row = await last_row(database, snapshots)
    await change(database, snapshots, row=row, to={column: other(row[column])})
    assert await faults_of_snapshots(database) != []


async def test_a_prune_whose_act_is_gone_accounts_for_nothing(database: Database) -> None:
    await a_small_run(database)
    await prune_snapshots(database, "r1", before_cycle=2, at=START)
    async with database.transaction() as connection:
        await connection.execute(delete(acts).where(acts.c.kind == "prune"))
    assert len(await faults_of_snapshots(database)) == 1


async def test_a_prune_that_ended_before_it_let_go_is_done_again(database: Database) -> None:
    await a_small_run(database)
    first = await Archive(database).snapshot(str((await last_row(database, snapshots))["id"]))
    await prune_snapshots(database, "r1", before_cycle=3, at=START)
    back = {"body": first.body, "blobs": '["' + first.blobs[0] + '"]'}
    await change(database, snapshots, row=await last_row(database, snapshots), to=back)
    Archive(database).note_blob(f"an item of cycle {first.cycle}")
    await database.flush()
    assert await verify(database, "r1") == ()
    assert (await prune_snapshots(database, "r1", before_cycle=3, at=START)).snapshots == 1
    assert await verify(database, "r1") == ()
