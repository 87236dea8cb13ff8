"""A cycle that another version of agentctl began: closed as it stands, for what it did can't be decided again.

This version may ask for other things in another order than the tape of that cycle holds, and judge them otherwise.
So nothing more is decided in it. Its orders stand in the ledger with all that is known of them, and the cycle after
it asks the venue what became of them before it does anything else: sent ones are followed, unsent ones withdrawn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from agents.protection import cover, unprotected
from domain.errors import LedgerBroken
from domain.value import Symbol
from domain.venue import Market
from graphs.session.session import RunSettings, Session
from memory.archive.archive import Archive
from memory.archive.tape import Tape
from memory.ledger.ledger import Ledger
from memory.store.database import Database
from memory.store.records import CycleRecord, RunHeader, RunRecord

_MODEL_CALLS: Final = "model:"
_REPORTED: Final = ("venue:reports", "venue:settled")
"""One of them begins each cycle on paper."""


async def close_as_it_stands(
    record: RunRecord, market: Market, *, database: Database, version: str, why: str = ""
) -> None:
    """Seal the begun cycle of a run with what is there of it. Its figures are unknown, since nothing was priced.

    Without a `why`: `version` goes on with what another one began.

    Raises `LedgerBroken` for a cycle of which nobody can say when it was.
    """
    header, number = record.header, record.cycles
    archive, tape = Archive(database), Tape(database, run_id=header.run_id)
    last = await archive.last_cycle(header.run_id)
    as_of = await tape.begun_at(number)
    if as_of is None:  # nothing in it had read the clock yet: it was the next tick
        as_of = await anext(market.ticks(after=last.record.as_of if last else None), None)
    if as_of is None:
        raise LedgerBroken(f"cycle {number} of {header.run_id} has effects, and no time")
    ledger = Ledger(database, account=header.run_id, run_id=header.run_id, before=header.before)
    for n, episode in enumerate(await ledger.closed_trades(cycle=number)):
        archive.note_episode(header.run_id, cycle=number, n=n, episode=episode)
    tokens, usd = spent(await tape.bodies(number, _MODEL_CALLS))
    await archive.close_cycle(
        header.run_id,
        CycleRecord(
            cycle=number,
            as_of=as_of,
            era=header.era(number).digest,
            decisions=(),
            figures=None,
            tokens=tokens,
            usd=usd,
            step=last.record.step if last else "none",
            unprotected=await _unprotected(header, ledger, cycle=number, as_of=as_of),
            cut_short=why
            or f"version {header.version_at(number)} began it, and version {version} went on with the run",
        ),
        timings={},
    )


async def _unprotected(
    header: RunHeader, ledger: Ledger, *, cycle: int, as_of: datetime
) -> tuple[tuple[Symbol, str], ...]:
    """What the ledger has no stop at the venue for. The next cycle looks at once."""
    if header.mode != "live" and not header.venue_stops:
        return ()
    instruments = RunSettings.model_validate_json(header.era(cycle).settings).instruments
    positions = (await ledger.portfolio(marks={}, as_of=as_of)).positions
    working = await ledger.orders(working_only=True)
    reasons = {
        symbol: unprotected(
            cover(position, working, lot_size=instruments[symbol].lot_size), why="the cycle was cut short"
        )
        for symbol, position in sorted(positions.items())
    }
    return tuple((symbol, why) for symbol, why in reasons.items() if why)


def spent(answers: Sequence[str]) -> tuple[int, Decimal | None]:
    """The tokens of recorded answers of models and what they cost; as `graphs.trading.cycle` counts them."""
    tokens, usd = 0, Decimal(0)
    known = True
    for body in answers:
        answer = json.loads(body)
        used = int(answer.get("input_tokens", 0)) + int(answer.get("output_tokens", 0))
        tokens += used
        if answer.get("cost_usd") is not None:
            usd += Decimal(answer["cost_usd"])
        elif used or not answer.get("failure"):
            known = False
    return tokens, usd if known else None


async def matched_until(session: Session, *, before: int) -> datetime | None:
    """Up to when a paper venue had matched bars by the end of the last cycle before `before`; `None` for never.

    A cycle that was cut short before it had asked the venue leaves its bars to the next.
    """
    for number in range(before - 1, -1, -1):
        closed = await anext(session.archive.cycles(session.header.run_id, after=number - 1))
        if not closed.record.cut_short or any([await session.tape.bodies(number, name) for name in _REPORTED]):
            return closed.record.as_of
    return None
