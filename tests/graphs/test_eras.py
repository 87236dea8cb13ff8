"""Settings that change in a run that goes on: from which cycle, who changed what, and what replay and verify say."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.settings import DeskSettings, ResearchSettings
from builders.live import BTC, a_live_stage, faults_of_books
from builders.runs import NOW, a_policy, archive, drive, go_on, options, run, timed
from domain.digest import canonical, digest
from domain.errors import Refused, UsageError
from graphs import policy_in_effect, prepare, resume, start
from graphs.archive.diff import diff_runs
from graphs.archive.snapshots import open_snapshot
from graphs.runs.fork import fork
from graphs.runs.open import playback
from graphs.runs.open_live import went_live
from graphs.runs.replay import ReplayReport, replay_run
from graphs.runs.runner import Runner, Stop
from graphs.session.eras import Change, Changes, era_lines, this_version
from graphs.trading.cycle import Cycle
from graphs.trading.graph import build
from memory import Acts, Archive, Database
from memory.archive.compare import compare, compare_books
from memory.archive.eras import begin_era
from memory.operators.armings import Armings
from memory.store.records import Era
from memory.store.schema import row_digest, runs
from memory.verify import verify

ASKED = timed()
WIDER = DeskSettings(risk=ASKED.desk.risk.model_copy(update={"stop_atr": Decimal(8), "target_atr": Decimal(12)}))
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def a_change(**changes: Any) -> Change:
    return Change(changes=Changes(**{"desk": WIDER} | changes), by="Ada", at=LATER, reason="wider stops")


async def replayed(database: Database, run_id: str = "r1") -> ReplayReport:
    return await replay_run(run_id, source=database, progress=lambda done, cycles: None)


async def changed(database: Database, *, first: int = 3, cycles: int = 6, **changes: Any) -> None:
    """A run that goes on with other settings after its `first` cycles."""
    header, market, model = await prepare(ASKED, run_id="r1", at=NOW)
    await drive(await start(header, market, model, database=database), cycles=first)
    session = await resume("r1", database=database, cycles=cycles, change=a_change(**changes))
    await drive(session, cycles=cycles)


async def test_a_change_decides_from_the_next_cycle_on_and_both_parts_replay(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await changed(database)
        header = (await Archive(database).run("r1")).header
        eras = [closed.record.era async for closed in Archive(database).cycles("r1")]
        faults, report = await verify(database, "r1"), await replayed(database)
        (act,) = await Acts(database).all()
    first, second = header.first_era.digest, header.last_era.digest
    assert eras == [first] * 3 + [second] * 3
    assert (faults, report.identical, report.cycles, report.parts) == ((), True, 6, ())
    assert (act.kind, act.scope, act.by, act.reason, act.at) == ("change", "r1", "Ada", "wider stops", LATER)
    assert act.body == canonical({"from_cycle": 3, "was": first, "now": second})


async def test_what_changed_is_shown_by_its_path_as_in_the_file(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await changed(database, policy=a_policy(name="mine"))
        result = await go_on(database, cycles=6)
    before, after = result.eras
    assert (before.from_cycle, before.changes, before.by) == (0, (), "")
    assert (after.from_cycle, after.by, after.reason, after.policy) == (3, "Ada", "wider stops", "mine")
    assert [str(change) for change in after.changes] == [
        "desk.risk.stop_atr: 6 -> 8",
        "desk.risk.target_atr: 9 -> 12",
        "policy.name: conservative -> mine",
    ]


async def test_a_run_that_goes_on_as_it_was_has_no_eras(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await changed(database, desk=ASKED.desk)
        assert (await Archive(database).run("r1")).header.eras == ()
        assert await Acts(database).all() == ()


async def test_a_tighter_policy_takes_effect_with_the_gate_and_the_stops_stay(tmp_path: Path) -> None:
    policy = policy_in_effect(None)
    assert policy.max_notional is not None
    tight = policy.max_notional.model_copy(update={"share_of_equity": Decimal("0.001")})
    async with archive(tmp_path) as database:
        await changed(database, desk=None, first=2, policy=policy.model_copy(update={"max_notional": tight}))
        verdicts = await Archive(database).verdicts("r1")
        report = await replayed(database)
    assert [(v.cycle, v.outcome) for v in verdicts] == [(0, "allow"), (3, "allow"), (4, "deny")]
    assert report.identical


async def test_a_cycle_that_is_begun_ends_under_its_own_settings(tmp_path: Path) -> None:
    stop = Stop()

    def listen(event: object) -> None:
        if getattr(event, "node", "") == "gate" and getattr(event, "cycle", 0) == 4:
            stop.ask()

    async with archive(tmp_path) as database:
        cut = await run(database, ASKED, listen=listen, stop=stop)
        assert (cut.status, cut.cycles) == ("interrupted", 4)
        session = await resume("r1", database=database, cycles=6, change=a_change())
        result = await drive(session, cycles=6)
        header = (await Archive(database).run("r1")).header
        eras = [closed.record.era async for closed in Archive(database).cycles("r1")]
        report = await replayed(database)
    assert [era.from_cycle for era in header.eras] == [5]
    assert eras == [header.first_era.digest] * 5 + [header.last_era.digest]
    assert [o.side for o in result.orders if o.type == "market"] == ["buy", "sell", "buy"]
    assert report.identical


async def test_a_change_that_is_asked_for_again_is_one_change(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        header, market, model = await prepare(ASKED, run_id="r1", at=NOW)
        await drive(await start(header, market, model, database=database), cycles=3)
        for _ in range(2):
            await resume("r1", database=database, cycles=6, change=a_change())
        assert len((await Archive(database).run("r1")).header.eras) == 1
        await resume("r1", database=database, cycles=6, change=a_change(desk=ASKED.desk))
        result = await go_on(database, cycles=6)
        faults, report = await verify(database, "r1"), await replayed(database)
    assert [line.from_cycle for line in result.eras] == [0, 3, 3]
    assert (faults, report.identical) == ((), True)


async def test_a_run_without_cycles_to_come_takes_no_change(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        with pytest.raises(UsageError, match="all its 6 cycles"):
            await resume("r1", database=database, cycles=6, change=a_change())
        assert (await Archive(database).run("r1")).header.eras == ()


async def test_a_model_without_a_key_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with archive(tmp_path) as database:
        header, market, model = await prepare(ASKED, run_id="r1", at=NOW)
        await drive(await start(header, market, model, database=database), cycles=3)
        with pytest.raises(UsageError, match="OPENAI_API_KEY"):
            await resume("r1", database=database, cycles=6, change=a_change(model="openai/gpt-5-mini"))
        assert (await Archive(database).run("r1")).header.eras == ()


async def test_other_words_reach_the_model_from_the_change_on(tmp_path: Path) -> None:
    worded = WIDER.model_copy(update={"research": ResearchSettings(instructions="Be brief about {symbol}.")})
    async with archive(tmp_path) as database:
        await changed(database, desk=worded)
        kept = await Archive(database).snapshots("r1", limit=None)
        seen = [await open_snapshot(snapshot.id, database=database) for snapshot in kept]
        report = await replayed(database)
    said = {(each.record.cycle >= 3, each.synthesis.brief.instructions[:9]) for each in seen}
    assert said == {(False, "Form one "), (True, "Be brief ")}
    assert report.identical


def _touch(folder: Path, header_of: Any) -> None:
    """Change the body of the run's row, with a digest that fits."""
    with sqlite3.connect(folder / "agentctl.db") as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM runs").fetchone())
        row["body"] = header_of(row["body"])
        connection.execute("UPDATE runs SET body = ?, digest = ?", (row["body"], row_digest(runs, row)))
    connection.close()


@pytest.mark.parametrize(
    ("was", "now", "named"),
    [
        ('"from_cycle":3', '"from_cycle":2', "other settings for cycles cycle=2 than were sealed"),
        ('\\"stop_atr\\":\\"8\\"', '\\"stop_atr\\":\\"9\\"', "other settings for cycles cycle=3 than were sealed"),
        ('"by":"Ada"', '"by":"Eve"', "says of 1 changes what 1 acts on it do not"),
    ],
)
async def test_eras_that_are_changed_later_are_found(tmp_path: Path, was: str, now: str, named: str) -> None:
    async with archive(tmp_path) as database:
        await changed(database)

    def other(body: str) -> str:
        assert was in body
        return body.replace(was, now)

    _touch(tmp_path, other)
    async with archive(tmp_path) as database:
        assert any(named in str(fault) for fault in await verify(database, "r1"))


async def test_an_era_that_no_act_began_is_found(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await changed(database, first=6, cycles=7)
    with sqlite3.connect(tmp_path / "agentctl.db") as connection:
        assert connection.execute("DELETE FROM acts").rowcount == 1
    connection.close()
    async with archive(tmp_path) as database:
        assert "says of 1 changes what 0 acts on it do not" in str((await verify(database, "r1"))[0])


async def test_an_era_begins_after_what_is_decided_and_names_somebody(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        era = Era(from_cycle=5, model="rules", settings="{}", at=LATER, by="Ada")
        with pytest.raises(Refused, match="cycle 5 of r1 is decided"):
            await begin_era(database, "r1", era)
        with pytest.raises(Refused, match="by whom"):
            await begin_era(database, "r1", era.model_copy(update={"from_cycle": 6, "by": ""}))


async def test_a_fork_and_a_diff_use_what_decided_each_cycle(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED, run_id="r0")
        await changed(database)
        child = await fork(
            "r1",
            from_cycle=4,
            changes=Changes(desk=ASKED.desk),
            run_id="r2",
            at=LATER,
            cycles=None,
            database=database,
            progress=lambda done, cycles: None,
        )
        await drive(await resume("r2", database=database), cycles=6)
        faults, report = await verify(database, "r2"), await replayed(database, "r2")
        found = await diff_runs("r0", "r1", database=database)
    assert [(era.from_cycle, era.at) for era in child.eras] == [(3, None), (4, None)]
    assert (faults, report.identical) == ((), True)
    settings = [(d.cycle, d.symbol, d.left, d.right) for d in found.differences if d.aspect == "setting"]
    assert settings == [(3, "desk.risk.stop_atr", "6", "8"), (3, "desk.risk.target_atr", "9", "12")]


async def test_a_diff_says_which_versions_decided(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED, run_id="r0")
        header, market, model = await prepare(ASKED, run_id="r1", at=NOW)
        older = header.model_copy(update={"version": "0.0.9"})
        await drive(await start(older, market, model, database=database), cycles=6)
        found = await diff_runs("r1", "r0", database=database)
    settings = [(d.symbol, d.left, d.right) for d in found.differences if d.aspect == "setting"]
    assert settings == [("version", "0.0.9", this_version())]


@pytest.mark.parametrize("cycle", range(1, 8))
async def test_a_run_can_be_taken_up_in_any_cycle_as_it_stood_then(cycle: int, tmp_path: Path) -> None:
    asked = options(cycles=8, seed=10, symbols=("SOL/USDT", "BTC/USDT"), desk=WIDER)
    async with archive(tmp_path) as source, await Database.in_memory() as into:
        await run(source, asked)
        header = (await Archive(source).run("r1")).header
        session = await playback(header, source=source, into=into, from_cycle=cycle)
        await session.ledger.check()
        runner, seal = Runner(session, build()), (await session.archive.run("r1")).seal
        async for closed in Archive(source).cycles("r1", after=cycle - 1):
            number = closed.record.cycle
            seal = await runner.cycle(
                Cycle(session=session, number=number, as_of=closed.record.as_of, previous_seal=seal)
            )
            assert await compare(into, source, run_id="r1", cycle=number) is None
        assert await compare_books(into, source, account="r1") is None
        assert digest(closed.seal) == digest(seal)


async def test_a_live_run_takes_another_policy_and_replays(tmp_path: Path) -> None:
    policy = policy_in_effect(None).model_copy(update={"name": "mine"})
    with a_live_stage() as live:
        async with archive(tmp_path) as database:
            await live.run(database, cycles=2)
            async with live.opened() as desk:
                session = await resume(
                    "r1",
                    database=database,
                    opener=live.market_of(desk),
                    desk=desk,
                    change=a_change(desk=None, policy=policy),
                )
                await drive(live.at_work(session), cycles=4)
            wrong = [*await faults_of_books(live, database), *await verify(database, "r1")]
            header = (await Archive(database).run("r1")).header
            report = await replayed(database)
    assert wrong == []
    assert [line.policy for line in era_lines(header)] == ["conservative", "mine"]
    assert (report.identical, report.first_difference) == (True, None)


async def test_a_live_cycle_that_another_version_began_is_closed_and_its_order_followed(tmp_path: Path) -> None:
    """Left right after the entry and its stop were sent, and gone on with by another version."""
    stop = Stop()

    def listen(event: object) -> None:
        if getattr(event, "node", "") == "execution":
            stop.ask()

    with a_live_stage() as live:
        async with archive(tmp_path) as database:
            async with live.opened() as desk:
                now = live.stage.wall.now()
                asked = options(market="okx", symbols=(BTC,), cycles=6, desk=live.agents)
                opener = live.market_of(desk)
                header, market, model = await prepare(asked, run_id="r1", at=now, opener=opener)
                until = now + timedelta(days=1)
                await Armings(database).arm("okx", until=until, by="Ada", reason="a trial", at=now)
                older = header.model_copy(update={"version": "0.0.9"})
                older = await went_live(older, desk, database=database, adopt=(), at=now)
                session = live.at_work(await start(older, market, model, database=database, desk=desk))
                cut = await drive(session, cycles=6, listen=listen, stop=stop)
            assert (cut.status, len(cut.orders)) == ("interrupted", 2)
            async with live.opened() as desk:
                session = await live.go_on(database, desk)
                result = await drive(session, cycles=cut.cycles + 3)
            wrong = [*await faults_of_books(live, database), *await verify(database, "r1")]
            report = await replayed(database)
    assert wrong == []
    assert result.cut_short == (cut.cycles,)
    assert [part.identical for part in report.parts] == [True] * len(report.parts)
    assert len({order.client_order_id for order in result.orders}) == len(result.orders)
