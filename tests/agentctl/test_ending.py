"""What an operator is told when a run ends with open positions, and how it closes them, as the command line has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

import pytest

import graphs.trading.graph
from agentctl.cli import main
from agentctl.output import INTERRUPTED
from agentctl.parting import Ended, parting, tell_failure
from builders.processes import Agentctl, agentctl
from builders.runs import TIMED, drive, timed
from builders.sessions import NOW
from domain.digest import plain
from domain.order import OrderState
from graphs import RunResult, prepare, start
from graphs.session.ending import OnExit
from graphs.trading.cycle import Cycle
from graphs.trading.state import CycleState
from memory import Database

REFUSED = 3


WATCHES = "nobody watches now: time limits and theses"
"""Stop and target are at the venue."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTCTL_DB", "AGENTCTL_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "agentctl.toml").write_text(TIMED)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["run", *argv])
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_a_run_that_keeps_its_positions_shows_each_with_its_stop(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--cycles", "2")
    (line,) = [line for line in out.splitlines() if line.startswith("still open: ")]
    assert code == 0
    assert line.startswith("still open: ETH/USDT: long ")
    assert line.endswith(" held at sim")
    assert "; stop " in line
    assert " and target " in line
    assert "nobody watches" not in err, "a simulated market stands still while nobody looks"
    _, out, _ = run(capsys, "--resume", "last", "--json")
    (position,) = json.loads(out)["open_positions"]
    assert (position["symbol"], position["stop_price"] is None) == ("ETH/USDT", False)


def test_a_run_closes_its_positions_before_it_ends_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--cycles", "2", "--on-exit", "flatten", "--json")
    result = json.loads(out)
    assert (code, [order["side"] for order in result["orders"]]) == (0, ["buy", "sell", "sell"])
    assert "open_positions" not in result
    assert "closing everything by agentctl: the run is ending" in err
    assert "trading is active" not in err
    assert "trading" not in result


def test_a_recorded_market_that_ends_leaves_positions_open_and_says_which(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "--cycles", "2", "--on-exit", "flatten", "--market", f"file:{short_recording(folder)}")
    assert code == 0
    assert ("still open: ETH/USDT" in out) == ("NOT CLOSED: ETH/USDT" in err)


def short_recording(folder: Path) -> Path:
    """Bars of a market that climbs, and ends soon after it can be read."""
    candles = folder / "candles"
    candles.mkdir()
    rows = ["timestamp_ms,open,high,low,close,volume"]
    for n in range(60):
        price = 1000 + 4 * n
        rows.append(f"{1_735_689_600_000 + n * 300_000},{price},{price + 6},{price - 2},{price + 4},1000")
    (candles / "ETH-USDT_5m.csv").write_text("\n".join(rows) + "\n")
    return candles


@pytest.mark.parametrize("argv", [["--on-exit", "sell"], ["--cycles", "-1"]])
def test_what_is_asked_wrongly_is_refused(capsys: pytest.CaptureFixture[str], argv: Sequence[str]) -> None:
    assert run(capsys, *argv)[0] == 2


def test_a_run_that_fails_names_what_it_leaves_open_and_how_it_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, _ = graphs.trading.graph.NODES["learning"]

    async def learning(state: CycleState, cycle: Cycle) -> CycleState:
        if cycle.number == 2:
            raise RuntimeError("the disk is full")
        return await real(state, cycle)

    monkeypatch.setitem(graphs.trading.graph.NODES, "learning", (learning, None))
    code, out, err = run(capsys, "--cycles", "5")
    lines = err.splitlines()
    at = lines.index("open positions:")
    assert (code, out) == (1, "")
    assert lines[at - 1].endswith(" failed; its data is safe")
    assert lines[at + 1].startswith("  ETH/USDT: long ")
    assert lines[at + 2].startswith("fix the cause, then: agentctl run --resume ")
    assert "the disk is full" in lines[-1]


async def test_with_its_database_lost_a_run_says_what_it_last_knew(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    header, market, model = await prepare(timed(), run_id="r1", at=NOW)
    async with await Database.in_memory() as database:
        session = await start(header, market, model, database=database)
        await drive(session, cycles=2)
        session.header = header.model_copy(update={"market": "okx", "mode": "live"})

        async def lost(**asked: Any) -> None:
            raise ConnectionResetError("the database is gone")

        monkeypatch.setattr(session.ledger, "portfolio", lost)
        capsys.readouterr()
        await tell_failure(session)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["run r1 failed; its data is safe", "open positions at the end of its last cycle:"]
    assert lines[2].startswith("  ETH/USDT: long ")
    assert lines[3:] == [
        WATCHES,
        "orders are named as they were at the end of its last cycle; what was sent after that may be out too",
        "fix the cause, then: agentctl run --live --resume r1",
    ]


@pytest.mark.parametrize("lost", [False, True])
async def test_a_run_that_fails_names_every_order_that_may_still_fill(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    header, market, model = await prepare(timed(), run_id="r1", at=NOW)
    async with await Database.in_memory() as database:
        session = await start(header, market, model, database=database)
        await drive(session, cycles=2)
        (bought, *_) = await session.ledger.orders()
        out = bought.model_copy(update={"state": OrderState.WORKING, "filled": Decimal(0), "fills": ()})
        doubtful = out.model_copy(update={"state": OrderState.UNKNOWN})
        session.header = header.model_copy(update={"market": "okx", "mode": "live"})

        async def working(**asked: Any) -> Any:
            if lost:
                raise ConnectionResetError("the database is gone")
            return (out, doubtful)

        session.out = (out,)
        monkeypatch.setattr(session.ledger, "orders", working)
        capsys.readouterr()
        await tell_failure(session)
    lines = capsys.readouterr().err.splitlines()
    rest = f"buy {plain(bought.request.quantity)} ETH/USDT"
    words = [
        f"may still fill, and nobody watches it now: {rest} ({state}), order {bought.client_order_id}"
        for state in (["working"] if lost else ["working", "unknown"])
    ]
    assert [line for line in lines if line.startswith(("may still", "to "))] == [*words, *HOW]
    assert ("orders are named as they were at the end of its last cycle" in " ".join(lines)) is lost
    assert lines[-1] == "fix the cause, then: agentctl run --live --resume r1"


async def a_result(**over: Any) -> RunResult:
    """Of a run that holds, as if it traded at an exchange."""
    header, market, model = await prepare(timed(), run_id="r1", at=NOW)
    async with await Database.in_memory() as database:
        result = await drive(await start(header, market, model, database=database), cycles=2)
    return result.model_copy(update={"market": "okx", "mode": "live", "asked": None} | over)


@pytest.mark.parametrize(
    ("over", "on_exit", "lines"),
    [
        (
            {"status": "finished"},
            "keep",
            [WATCHES, "go on, until stopped, with: agentctl run --live --resume r1 --cycles 0"],
        ),
        (
            {"status": "interrupted"},
            "keep",
            ["interrupted after 2 cycles; nothing is lost", WATCHES, "go on with: agentctl run --live --resume r1"],
        ),
        (
            {"status": "interrupted", "asked": 9, "mode": "paper", "market": "okx,binance"},
            "flatten",
            [
                "interrupted after 2 cycles; nothing is lost",
                "NOT CLOSED: ETH/USDT",
                WATCHES,
                "go on with: agentctl run --resume r1 --cycles 9",
            ],
        ),
        ({"status": "finished", "open_positions": ()}, "keep", []),
        ({"status": "finished", "market": "sim"}, "keep", []),
        (
            {"status": "finished", "market": "sim", "mode": "paper", "asked": 2},
            "keep",
            ["go on, for as many cycles again, with: agentctl run --resume r1 --cycles 4"],
        ),
        ({"status": "finished", "market": "file:candles", "asked": 9}, "keep", []),
    ],
)
async def test_the_last_lines_say_what_nobody_watches_and_what_to_type(
    over: dict[str, Any], on_exit: OnExit, lines: list[str]
) -> None:
    result = await a_result(**over)
    assert list(parting(Ended(result=result.model_copy(update={"decisions": ()}), on_exit=on_exit))) == lines


GO_ON = "go on, until stopped, with: agentctl run --live --resume r1 --cycles 0"
HOW = [
    "to see what is out: agentctl orders --run r1 --working",
    "to cancel entries: agentctl halt --run r1, then agentctl run --live --resume r1 --cycles 0; or cancel them at the "
    "exchange",
]


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"state": "unknown"}, True),
        ({"state": "partial", "filled": Decimal(1)}, True),
        ({"state": "working", "type": "stop"}, False),
        ({"state": "approved"}, False),
        ({"state": "cancelled"}, False),
    ],
)
async def test_an_order_that_may_still_fill_is_named_where_nobody_watches_it(over: dict[str, Any], named: bool) -> None:
    result = await a_result(status="finished", open_positions=())
    order = result.orders[0].model_copy(update={"quantity": Decimal(3), "filled": Decimal(0)} | over)
    order = order.model_copy(update={"state": OrderState(over["state"])})
    lines = list(parting(Ended(result=result.model_copy(update={"orders": (order,)}))))
    rest = plain(order.quantity - order.filled)
    line = f"may still fill, and nobody watches it now: buy {rest} ETH/USDT ({over['state']}), order "
    assert lines == [line + order.client_order_id, *HOW, GO_ON] * named
    on_paper = result.model_copy(update={"orders": (order,), "mode": "paper"})
    assert list(parting(Ended(result=on_paper))) == []


async def test_a_run_with_nothing_left_says_so_and_offers_no_way_on() -> None:
    result = await a_result(status="finished", mode="paper", open_positions=())
    poor = result.equity.model_copy(update={"end": Decimal("0.004")})
    ended = Ended(result=result.model_copy(update={"equity": poor}), nothing_left=True)
    assert list(parting(ended)) == [
        "the account was liquidated and has 0.00 left, less than the least order takes: the run ended after "
        f"{result.cycles} cycles. Start another: agentctl run"
    ]


@pytest.mark.parametrize("tried", [False, True])
async def test_what_was_not_closed_has_the_reason_of_the_cycles_that_closed_and_no_other(tried: bool) -> None:
    result = await a_result(status="interrupted", market="sim")
    why = "; ".join(next(d.reasons for d in reversed(result.decisions) if d.symbol == "ETH/USDT"))
    lines = list(parting(Ended(result=result, on_exit="flatten", tried_to_close=tried)))
    assert why
    assert f"NOT CLOSED: ETH/USDT, for {why}" * tried + "NOT CLOSED: ETH/USDT" * (not tried) in lines


def test_positions_that_a_halt_keeps_open_are_not_explained_by_a_thesis(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "--cycles", "2")
    with pytest.raises(SystemExit):
        main(["halt", "--level", "all"])
    _, _, err = run(capsys, "--resume", "last", "--cycles", "3", "--on-exit", "flatten")
    assert "NOT CLOSED: ETH/USDT" in err.splitlines()


def test_a_halt_file_is_to_be_deleted_before_its_halt_is_lifted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / ".agentctl" / "HALT"
    file.parent.mkdir()
    file.touch()
    code, out, err = run(capsys, "--cycles", "1", "--json")
    run_id = json.loads(out)["run_id"]
    lift = f"agentctl unhalt --run {run_id} --reason TEXT"
    assert code == REFUSED
    assert f"nothing was entered. To lift it: delete {file}, then {lift}\n" in err
    file.unlink()
    _, _, err = run(capsys, "--resume", "last", "--cycles", "2")
    assert f"nothing was entered. To lift it: {lift}\n" in err


@pytest.mark.slow
@pytest.mark.parametrize("signal", [SIGINT, SIGTERM])
def test_ctrl_c_closes_positions_first_where_that_is_asked_for(tmp_path: Path, signal: Any) -> None:
    process = Agentctl("run", "--cycles", "5000", "--on-exit", "flatten", "--json", folder=tmp_path)
    process.wait_for("equity")
    process.send(signal)
    process.wait_for("closing all positions after this cycle; Ctrl-C again to stop at once")
    ended = process.end()
    assert (ended.code, "Traceback" in ended.err) == (INTERRUPTED, False)
    assert "open_positions" not in json.loads(ended.out)
    assert json.loads(agentctl("positions", "--json", folder=tmp_path).out)["positions"] == {}
    assert agentctl("replay", "--run", "last", folder=tmp_path).code == 0


@pytest.mark.slow
def test_a_second_ctrl_c_ends_it_at_once_and_it_can_be_gone_on_with(tmp_path: Path) -> None:
    process = Agentctl("run", "--cycles", "0", "--on-exit", "flatten", "--json", folder=tmp_path)
    process.wait_for("equity")
    process.send(SIGINT)
    process.wait_for("again to stop at once")
    process.send(SIGINT)
    ended = process.end()
    assert (ended.code, json.loads(ended.out)["asked"]) == (INTERRUPTED, None)
    closed = json.loads(ended.out)["cycles"]
    resumed = agentctl("run", "--resume", "last", "--cycles", str(closed + 3), "--json", folder=tmp_path)
    assert (resumed.code, json.loads(resumed.out)["status"]) == (0, "finished")
    assert agentctl("replay", "--run", "last", folder=tmp_path).code == 0
