"""Two runs, or two snapshots, side by side: what was seen, thought, allowed, ordered and earned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from domain.decision import Decision
from domain.digest import canonical, plain
from domain.value import Value
from graphs.result import OrderLine
from graphs.session import RunSettings
from graphs.snapshots import Replayed, open_snapshot
from memory.archive import Archive
from memory.database import Database
from memory.ledger import Ledger
from memory.records import ClosedCycle

Aspect = Literal["setting", "length", "context", "stance", "verdict", "order", "equity", "item", "answer"]
NOTHING = ""
"""One side has nothing there."""


class Difference(Value):
    """One thing that is not the same. `cycle` and `symbol` are absent where they do not apply."""

    aspect: Aspect
    cycle: int | None = None
    symbol: str = ""
    left: str
    right: str


class Diff(Value):
    """`compared` things, of which `differences` are not the same, in the order of the cycles."""

    left: str
    right: str
    compared: int
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        return not self.differences


Sides = Mapping[tuple[Aspect, int | None, str], str]


async def diff_runs(left: str, right: str, *, database: Database) -> Diff:
    """Every cycle that either run closed. Raises `NotFound`."""
    one, other = await _run(left, database), await _run(right, database)
    return _compare(one[0], other[0], one[1], other[1])


async def diff_snapshots(left: str, right: str, *, database: Database) -> Diff:
    """Two archived contexts, item by item, and their answers. Raises `NotFound` and `Refused`."""
    one, other = await open_snapshot(left, database=database), await open_snapshot(right, database=database)
    return _compare(one.record.id, other.record.id, _snapshot(one), _snapshot(other))


def _compare(left: str, right: str, mine: Sides, other: Sides) -> Diff:
    keys = sorted(mine.keys() | other.keys(), key=lambda key: (-1 if key[1] is None else key[1], key[2], key[0]))
    found = tuple(
        Difference(
            aspect=key[0],
            cycle=key[1],
            symbol=key[2],
            left=mine.get(key, NOTHING),
            right=other.get(key, NOTHING),
        )
        for key in keys
        if mine.get(key) != other.get(key)
    )
    return Diff(left=left, right=right, compared=len(keys), differences=found)


async def _run(run: str, database: Database) -> tuple[str, Sides]:
    archive = Archive(database)
    record = await archive.run(run)
    header = record.header
    said: dict[tuple[Aspect, int | None, str], str] = {}
    for name in ("graph", "market", "timeframe", "seed"):
        said["setting", None, name] = str(getattr(header, name))
    said["setting", None, "model"] = record.era.model
    said["setting", None, "policy"] = RunSettings.model_validate_json(record.era.settings).policy.digest[:12]
    said["length", None, "cycles"] = str(record.cycles)
    async for closed in archive.cycles(header.run_id):
        said |= _cycle(closed)
    for kept in await archive.snapshots(header.run_id, limit=None):
        said["context", kept.cycle, kept.subject] = kept.id[:12]
    ledger = Ledger(database, account=header.run_id, run_id=header.run_id)
    for order in await ledger.orders():
        said["order", order.cycle, order.request.symbol] = _order(OrderLine.of(order))
    return header.run_id, said


def _cycle(closed: ClosedCycle) -> dict[tuple[Aspect, int | None, str], str]:
    record = closed.record
    said: dict[tuple[Aspect, int | None, str], str] = {}
    for decision in record.decisions:
        said["stance", record.cycle, decision.symbol] = f"{decision.stance} {plain(decision.conviction)}"
        said["verdict", record.cycle, decision.symbol] = _verdict(decision)
    said["equity", record.cycle, ""] = plain(record.figures.equity) if record.figures else "unknown"
    return said


def _verdict(decision: Decision) -> str:
    why = "; ".join(decision.reasons) if decision.outcome in ("deny", "review") else ""
    return f"{decision.outcome}: {why}" if why else decision.outcome


def _order(order: OrderLine) -> str:
    price = f" at {plain(order.price)}" if order.price is not None else ""
    return f"{order.side} {plain(order.quantity)}{price}, {order.state}"


def _snapshot(seen: Replayed) -> Sides:
    made = seen.synthesis
    said: dict[tuple[Aspect, int | None, str], str] = {
        ("setting", None, "model"): seen.snapshot.request.model,
        ("setting", None, "tokenizer"): seen.snapshot.tokenizer,
        ("setting", None, "budget"): str(seen.snapshot.budget),
        ("setting", None, "lanes"): canonical(made.settings),
        ("setting", None, "instructions"): made.brief.instructions,
        ("answer", None, seen.snapshot.subject): seen.snapshot.answer.body or seen.snapshot.answer.failure,
    }
    for sent in made.selected:
        said["item", None, sent.item.id] = sent.line
    for left_out in made.dropped:
        said["item", None, left_out.item_id] = f"left out: {left_out.reason}"
    return said
