"""A cap holds however many come at once, from however many connections and processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from builders.crowd import ACCOUNT, enter_all
from domain.money import ZERO
from domain.order import OrderState
from memory import Database, Ledger
from policy import Verdict

TESTS = Path(__file__).parents[1]
ENTRANTS = 40
PROCESSES = 8


def denials(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings if finding.outcome == "deny"}


async def made(url: str) -> None:
    await (await Database.open(url)).close()


async def reserved(url: str) -> list[Decimal]:
    """What is left of each working order of the account, whose books add up."""
    async with await Database.open(url) as database:
        ledger = Ledger(database, account=ACCOUNT, run_id="r0")
        await ledger.check()
        orders = await ledger.orders(working_only=True)
        assert {order.state for order in orders} == {OrderState.SUBMITTING}
        return [order.remaining for order in orders]


async def test_of_forty_that_come_at_once_two_fit_under_the_cap(url: str) -> None:
    await made(url)
    verdicts = await enter_all(url, 0, ENTRANTS)
    assert Counter(verdict.outcome for verdict in verdicts) == {"allow": 2, "deny": ENTRANTS - 2}
    assert {code for verdict in verdicts for code in denials(verdict)} == {"EXPOSURE"}
    assert sum(await reserved(url), ZERO) == 10


@pytest.mark.slow
def test_of_forty_in_processes_of_their_own_two_fit_under_the_cap(url: str) -> None:
    asyncio.run(made(url))
    code = f"""
import asyncio, sys
from builders.crowd import enter_all
sys.stdin.readline()
found = asyncio.run(enter_all({url!r}, int(sys.argv[1]), {ENTRANTS // PROCESSES}))
print(*(verdict.outcome for verdict in found))
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(n * (ENTRANTS // PROCESSES))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=TESTS,
        )
        for n in range(PROCESSES)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * PROCESSES
    assert Counter(" ".join(said).split()) == {"allow": 2, "deny": ENTRANTS - 2}
    assert sum(asyncio.run(reserved(url)), ZERO) == 10
