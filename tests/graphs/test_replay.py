"""Replay of whole runs: identical anywhere while nothing was touched, and whatever was touched is found and named."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table

from agentctl.cli import main
from builders.memory import oversee
from builders.processes import NO_NETWORK, agentctl
from builders.runs import archive, busy, run
from graphs import RunResult, Stop
from graphs.trading.events import Event, NodeEnded
from memory import Ledger
from memory.store.schema import external_events, holdings, leases, metadata

CYCLES = 8
ASKED = busy(cycles=CYCLES)
"""Few cycles that leave a row in every table: a trade that was closed, and the next."""

TABLES = [table for table in metadata.tables.values() if table not in (external_events, holdings, leases)]
"""What a run on paper writes and seals. Nobody else touches its account, and who holds it is no part of it; of the rest
`tests/memory/test_verify.py` sees to it."""
DIFFERENT = 3
ELSEWHERE = {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": "POSIX"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """An archive with one finished run, and the run."""
    folder = tmp_path_factory.mktemp("whole")

    async def work() -> RunResult:
        async with archive(folder) as database:
            ended = await run(database, ASKED)
            await oversee(database, Ledger(database, account="r1", run_id="r1"), run_id="r1")
            return ended

    return folder / "agentctl.db", asyncio.run(work())


@pytest.fixture
def touched(whole: tuple[Path, RunResult], tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of the archive in which one statement was run."""

    def make(statement: str = "", *values: object) -> Path:
        path = tmp_path / "agentctl.db"
        for stale in tmp_path.glob("agentctl.db*"):
            stale.unlink()
        shutil.copy(whole[0], path)
        if statement:
            connection = sqlite3.connect(path)
            with connection:
                assert connection.execute(statement, values).rowcount == 1
            connection.close()
        return path

    return make


def ask(capsys: pytest.CaptureFixture[str], *argv: str, db: Path) -> tuple[int, str, str]:
    """A command in this process: exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as ended:
        main([*argv, "--db", f"sqlite:///{db}"])
    return int(ended.value.code or 0), *capsys.readouterr()


def replayed(capsys: pytest.CaptureFixture[str], db: Path, *, run_id: str = "r1") -> tuple[int, Any]:
    code, out, err = ask(capsys, "replay", "--run", run_id, "--json", db=db)
    assert out, (code, err)
    return code, json.loads(out)


def a_row(db: Path, table: Table, *, pick: random.Random) -> dict[str, Any]:
    connection = sqlite3.connect(db)
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute(f"SELECT * FROM {table.name}")]
    connection.close()
    assert found, f"the run left nothing in {table.name}"
    return pick.choice(found)


def where(table: Table, row: dict[str, Any]) -> tuple[str, list[object]]:
    names = [column.name for column in table.primary_key]
    return " AND ".join(f'"{name}" = ?' for name in names), [row[name] for name in names]


def names(said: str, table: Table, *rows: dict[str, Any]) -> bool:
    """Whether the table stands in `said`, and the key of one of `rows`, without whose row it is."""
    columns = [c.name for c in table.primary_key if c.name not in ("run_id", "account")]
    columns = columns or [table.primary_key.columns[0].name]
    keys = [[f"{name}={row[name]}" for name in columns] for row in rows]
    orders = [[f"client_order_id={row['client_order_id']}"] for row in rows if "client_order_id" in row]
    return f" {table.name} " in said and any(all(part in said for part in key) for key in (*keys, *orders))


def other(value: object) -> object:
    """Another value of the same type, as near as can be."""
    if value is None:
        return "1"
    if isinstance(value, int):
        return value + 7
    text = str(value)
    return text[:-1] + ("1" if text[-1:] != "1" else "2")


def test_a_run_replays_in_another_process_without_a_network(whole: tuple[Path, RunResult], tmp_path: Path) -> None:
    db, result = whole
    ended = agentctl(
        "replay", "--run", "r1", "--db", f"sqlite:///{db}", "--json", folder=tmp_path, env=ELSEWHERE, prelude=NO_NETWORK
    )
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert (report["identical"], report["cycles"], report["first_difference"]) == (True, result.cycles, None)
    assert report["steps"] > CYCLES * 10


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_changed_cell_is_found_and_its_row_named(
    touched: Callable[..., Path], capsys: pytest.CaptureFixture[str], table: Table
) -> None:
    row = a_row(touched(), table, pick=random.Random(table.name))
    place, key = where(table, row)
    for column, value in row.items():
        db = touched(f'UPDATE {table.name} SET "{column}" = ? WHERE {place}', other(value), *key)
        code, report = replayed(capsys, db)
        said = report["first_difference"]
        assert (column, code, report["identical"]) == (column, DIFFERENT, False)
        assert names(said, table, row, row | {column: other(value)}), f"{column}: {said}"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_missing_row_is_found_and_named(
    touched: Callable[..., Path], capsys: pytest.CaptureFixture[str], table: Table
) -> None:
    row = a_row(touched(), table, pick=random.Random(table.name))
    place, key = where(table, row)
    code, report = replayed(capsys, touched(f"DELETE FROM {table.name} WHERE {place}", *key))
    assert code == DIFFERENT
    assert names(report["first_difference"], table, row), report


@pytest.mark.parametrize("cycle", [0, 3, CYCLES - 1])
def test_a_cycle_that_was_cut_out_is_found_wherever_it_stood(
    touched: Callable[..., Path], capsys: pytest.CaptureFixture[str], cycle: int
) -> None:
    code, report = replayed(capsys, touched("DELETE FROM cycles WHERE cycle = ?", cycle))
    assert (code, report["first_difference"]) == (
        DIFFERENT,
        f"the archive was changed: cycles cycle={cycle}: is missing",
    )


@pytest.mark.parametrize("bit", [1, 0x80], ids=["another letter", "no letter at all"])
def test_a_byte_of_the_file_inside_a_stored_text_is_found(
    touched: Callable[..., Path], capsys: pytest.CaptureFixture[str], bit: int
) -> None:
    pick = random.Random(bit)
    for table in TABLES:
        db = touched()
        row = a_row(db, table, pick=pick)
        # SQLite writes the texts of a row one after the other: together they stand nowhere else.
        texts = ["/" if isinstance(value, int) else str(value or "") for value in row.values()]
        together = "".join(texts)
        if table.name == "blobs":  # its text alone: another digest in its row is a torn index, and found as that
            place, first = together.encode()[:100], 64
        else:
            place, first = together.rstrip("/").rpartition("/")[2].encode()[-100:], 0
        image = bytearray(db.read_bytes())
        assert image.count(place) == 1
        image[image.index(place) + pick.randrange(first, len(place))] ^= bit
        db.write_bytes(image)
        code, report = replayed(capsys, db)
        assert (table.name, code) == (table.name, DIFFERENT)
        assert f" {table.name} " in report["first_difference"]


@pytest.mark.slow
def test_a_byte_anywhere_in_the_file_gives_no_traceback(
    touched: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    pick = random.Random(1)
    codes = []
    for _ in range(40):
        db = touched()
        image = bytearray(db.read_bytes())
        image[pick.randrange(len(image))] ^= 1 << pick.randrange(8)
        db.write_bytes(image)
        code, out, err = ask(capsys, "replay", "--run", "r1", "--json", db=db)
        assert "unexpected" not in err
        assert err.count("\n") <= CYCLES + 1
        codes.append(code)
        assert code != 0 or json.loads(out)["identical"] is True
    assert codes.count(DIFFERENT) > len(codes) // 4
    assert set(codes) <= {0, 2, DIFFERENT, 5}


@pytest.mark.parametrize("node", ["tick", "gate", "execution"])
def test_an_unfinished_run_replays_up_to_its_last_closed_cycle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], node: str
) -> None:
    stop = Stop()

    def listen(event: Event) -> None:
        if isinstance(event, NodeEnded) and event.node == node and event.cycle > 3:
            stop.ask()

    async def work() -> RunResult:
        async with archive(tmp_path) as database:
            return await run(database, ASKED, listen=listen, stop=stop)

    cut = asyncio.run(work())
    assert (cut.status, cut.cycles < CYCLES) == ("interrupted", True)
    db = tmp_path / "agentctl.db"
    last = a_row_of_cycle(db, cut.cycles)
    code, report = replayed(capsys, db)
    assert (code, report["identical"], report["cycles"]) == (0, True, cut.cycles)
    connection = sqlite3.connect(db)
    with connection:
        connection.execute("UPDATE tape SET body = body || ' ' WHERE cycle = ? AND node = ?", last)
    connection.close()
    code, report = replayed(capsys, db)
    assert (code, f"tape cycle={last[0]} node={last[1]}" in report["first_difference"]) == (DIFFERENT, True)


@pytest.mark.parametrize(
    "argv", ["runs list", "runs show r1", "run --resume r1 --cycles 9"], ids=["list", "show", "resume"]
)
def test_a_command_that_meets_a_changed_row_names_it_and_stops(
    touched: Callable[..., Path], capsys: pytest.CaptureFixture[str], argv: str
) -> None:
    code, out, err = ask(capsys, *argv.split(), db=touched("UPDATE runs SET body = 'x'"))
    assert (code, out) == (DIFFERENT, "")
    assert err.startswith("error: runs run_id=r1 can't be read")


def test_a_snapshot_that_was_changed_is_not_taken_for_what_it_was(
    touched: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    row = a_row(touched(), metadata.tables["snapshots"], pick=random.Random(1))
    for body in ("x", row["body"].replace('"budget":', '"budget":1')):
        db = touched("UPDATE snapshots SET body = ? WHERE id = ?", body, row["id"])
        code, out, _ = ask(capsys, "replay", row["id"], "--json", db=db)
        assert (code, json.loads(out)["identical"]) == (DIFFERENT, False)
        assert row["id"] in json.loads(out)["first_difference"]


def a_row_of_cycle(db: Path, cycle: int) -> tuple[int, str]:
    connection = sqlite3.connect(db)
    (found,) = connection.execute("SELECT cycle, node FROM tape WHERE cycle = ? LIMIT 1", (cycle,)).fetchall()
    connection.close()
    return int(found[0]), str(found[1])
