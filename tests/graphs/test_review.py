"""Questions to a person: a run waits for the answer, goes on with it, and replays with it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from builders.runs import NOW, REVIEWED, a_policy, again, archive, busy, drive, go_on, run
from builders.sessions import MovedMarket, WideMarket
from domain.clock import TickClock
from graphs import RunResult, resume
from graphs.archive.what_if import judge_again
from graphs.runs.fork import fork
from graphs.runs.replay import replay_run
from graphs.session.eras import Changes
from memory import Approvals, Archive, Controls, Database
from memory.operators.approvals import Approval
from memory.store.records import VerdictRecord
from policy import Verdict

ASKED = busy(policy=a_policy(**REVIEWED))
"""An entry in cycle 0, about which a person is asked; its exit in cycle 3 needs nobody; another in cycle 4."""


def quietly(done: int, cycles: int) -> None:
    pass


async def pending(database: Database) -> Approval:
    (asked,) = await Approvals(database).pending()
    return asked


async def answer(database: Database, *, approve: bool = True) -> Approval:
    """A person's word on the one open question, a second after it was asked."""
    asked = await pending(database)
    at = asked.requested_at + timedelta(seconds=1)
    return await Approvals(database).decide(asked.id, approve=approve, by="Ada", reason="I looked at it", at=at)


async def to_the_end(database: Database, result: RunResult, *, approve: bool = True) -> RunResult:
    """Go on, with the same answer to every question."""
    for _ in range(ASKED.cycles + 1):
        if result.status == "finished":
            return result
        await answer(database, approve=approve)
        result = await go_on(database, cycles=ASKED.cycles)
    raise AssertionError("it asks on and on")


async def verdicts(database: Database, cycle: int) -> list[tuple[int, str]]:
    return [(v.n, v.outcome) for v in await Archive(database).verdicts("r1", cycle=cycle)]


def finding(record: VerdictRecord, code: str) -> tuple[str, str]:
    verdict = Verdict.model_validate_json(record.verdict)
    (found,) = [f for f in verdict.findings if f.code == code]
    return found.outcome, found.message


async def identical(database: Database, run_id: str = "r1") -> None:
    report = await replay_run(run_id, source=database, progress=quietly)
    assert (report.first_difference, report.identical) == (None, True)


# Waiting


async def test_a_run_waits_while_a_person_is_asked_about_an_order(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        session_waits = await run(database, ASKED)
        asked = await pending(database)
        (verdict,) = await Archive(database).verdicts("r1")
    assert (session_waits.status, session_waits.cycles, session_waits.orders) == ("interrupted", 0, ())
    assert (asked.run_id, asked.account, asked.cycle, asked.codes) == ("r1", "r1", 0, ("CONVICTION",))
    assert asked.order_digest == verdict.proposal.order().digest
    assert (verdict.outcome, asked.verdict) == ("review", Verdict.model_validate_json(verdict.verdict).digest)


async def test_a_run_that_goes_on_without_an_answer_waits_on_and_repeats_nothing(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        asked = await pending(database)
        for _ in range(2):
            waiting = await go_on(database, cycles=ASKED.cycles)
            assert (waiting.status, waiting.orders) == ("interrupted", ())
            assert await pending(database) == asked
            assert await verdicts(database, 0) == [(0, "review")]
        await to_the_end(database, waiting)
        await identical(database)


# Yes and no


async def test_an_order_that_a_person_lets_stand_is_judged_again_and_sent(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        await answer(database)
        result = await go_on(database, cycles=1)
        first, second = await Archive(database).verdicts("r1", cycle=0)
        await identical(database)
    assert (result.status, [o.side for o in result.orders]) == ("finished", ["buy"])
    assert [(v.n, v.outcome) for v in (first, second)] == [(0, "review"), (1, "allow")]
    assert finding(second, "CONVICTION")[0] == "warn"
    assert finding(second, "CONVICTION")[1].endswith("; Ada lets it stand")
    assert [d.outcome for d in result.decisions] == ["allow"]


async def test_an_order_that_a_person_rejects_is_not_sent_and_the_run_goes_on(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await to_the_end(database, await run(database, ASKED), approve=False)
        outcomes = {outcome for cycle in range(ASKED.cycles) for _, outcome in await verdicts(database, cycle)}
        await identical(database)
    assert (result.status, result.cycles, result.orders, outcomes) == ("finished", ASKED.cycles, (), {"review"})


async def test_a_question_that_expired_is_a_no(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        asked = await pending(database)
        result = await again(database, cycles=1, wall=TickClock(asked.expires_at))
        await identical(database)
    assert (result.status, result.orders) == ("finished", ())


async def test_a_yes_is_no_longer_one_when_the_run_goes_on_after_its_time(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        asked = await answer(database)
        result = await again(database, cycles=1, wall=TickClock(asked.expires_at))
        assert await verdicts(database, 0) == [(0, "review"), (1, "review")]
        await identical(database)
    assert (result.status, result.orders) == ("finished", ())


async def test_a_yes_does_not_help_where_trading_was_halted_meanwhile(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        await answer(database)
        await Controls(database).halt(scope="r1", level="halt", by="Bob", reason="a doubt", at=NOW)
        result = await go_on(database, cycles=1)
        _, second = await Archive(database).verdicts("r1", cycle=0)
        await identical(database)
    assert result.orders == ()
    assert (second.outcome, finding(second, "TRADING_STATE")[0]) == ("deny", "deny")


async def test_a_run_with_questions_ends_as_it_would_have_without_them(tmp_path: Path) -> None:
    async with archive(tmp_path / "asked") as database:
        asked = await to_the_end(database, await run(database, ASKED))
        await identical(database)
    async with archive(tmp_path / "alone") as database:
        alone = await run(database, busy(policy=a_policy(conviction={"minimum": "0.5"})))
    assert asked.orders == alone.orders
    assert [(o.side, o.type) for o in asked.orders] == [("buy", "market"), ("sell", "stop")] * 2


# The other replays


async def test_what_if_judges_both_looks_on_the_facts_of_their_time(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await to_the_end(database, await run(database, ASKED))
        same = await judge_again("r1", ASKED.policy, database=database)
        strict = await judge_again("r1", a_policy(conviction={"minimum": "1"}), database=database)
        looks = [v for cycle in range(ASKED.cycles) for v in await verdicts(database, cycle)]
    assert (same.changes, same.judged) == ((), len(looks))
    assert {(c.was, c.would_be) for c in strict.changes} == {("review", "deny")}, "what a person let stand, stands"


async def test_a_fork_of_a_run_with_questions_plays_the_answers_and_asks_for_itself_after(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await to_the_end(database, await run(database, ASKED))
        before = await Approvals(database).consents(run_id="r1", cycle=0)
        child = await fork(
            "r1",
            from_cycle=2,
            changes=Changes(),
            run_id="r2",
            at=NOW,
            cycles=None,
            database=database,
            progress=quietly,
        )
        assert await Approvals(database).pending() == ()
        assert await Approvals(database).consents(run_id="r1", cycle=0) == before
        waiting = await drive(await resume("r2", database=database), cycles=child.planned_cycles)
        asked = await pending(database)
        await identical(database, "r2")
    assert waiting.status == "interrupted"
    assert (asked.run_id, asked.cycle) == ("r2", waiting.cycles)
    assert waiting.cycles >= 2


async def test_an_answer_to_one_run_is_none_to_another_that_decides_the_same(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        await answer(database)
        twin = await run(database, ASKED, run_id="r2")
        asked = await pending(database)
    assert (twin.status, twin.orders, asked.run_id) == ("interrupted", (), "r2")


# A market that moves meanwhile


@pytest.mark.parametrize(("moved_by", "outcome"), [("0", "allow"), ("0.02", "deny")])
async def test_the_second_look_is_at_the_market_of_its_own_time(tmp_path: Path, moved_by: str, outcome: str) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        await answer(database)
        session = await resume("r1", database=database, cycles=1)
        session.market = MovedMarket(session.market, by=Decimal(moved_by))
        await drive(session, cycles=1)
        looks = [Verdict.model_validate_json(v.verdict) for v in await Archive(database).verdicts("r1", cycle=0)]
        await identical(database)
    assert [look.outcome for look in looks] == ["review", outcome]
    denied = {f.code for f in looks[1].findings if f.outcome == "deny"}
    assert ("DRIFT" in denied) == (outcome == "deny")


# Refusals that a person may override


OVERRIDES = {"review": {"ttl_s": 3_600, "overrides": True}}
NARROW = busy(policy=a_policy(spread={"maximum_bps": 1}, **OVERRIDES))
"""No market of the simulator is so narrow: a person is asked about every entry."""


@pytest.mark.parametrize(("wider_by", "outcome"), [("0", "allow"), ("0.001", "deny")])
async def test_a_yes_covers_the_breach_that_was_shown_and_no_larger_one(
    tmp_path: Path, wider_by: str, outcome: str
) -> None:
    async with archive(tmp_path) as database:
        await run(database, NARROW)
        assert (await answer(database)).codes == ("SPREAD",)
        session = await resume("r1", database=database, cycles=1)
        session.market = WideMarket(session.market, by=Decimal(wider_by))
        result = await drive(session, cycles=1)
        first, second = await Archive(database).verdicts("r1", cycle=0)
        await identical(database)
    assert (first.outcome, second.outcome, len(result.orders)) == ("deny", outcome, int(outcome == "allow"))
    word = "lets it stand" if outcome == "allow" else "was shown less than that"
    assert finding(second, "SPREAD")[1].endswith(f"; Ada {word}")


async def test_nobody_is_asked_about_what_is_unknown(tmp_path: Path) -> None:
    sizeless = a_policy(depth={"enabled": True, "share_of_touch": "1"}, spread={"maximum_bps": 1}, **OVERRIDES)
    async with archive(tmp_path) as database:
        result = await run(database, busy(policy=sizeless, cycles=1))
        (record,) = await Archive(database).verdicts("r1", cycle=0)
        assert await Approvals(database).pending() == ()
    denied = [f for f in Verdict.model_validate_json(record.verdict).findings if f.outcome == "deny"]
    assert (result.status, result.orders) == ("finished", ())
    assert [(f.code, f.unknown) for f in denied] == [("DEPTH", True), ("SPREAD", False)]
