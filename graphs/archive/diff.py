"""Two runs, or two snapshots, side by side: what was seen, thought, allowed, ordered and earned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from context import LaneSettings, Snapshot
from domain.decision import Decision
from domain.digest import canonical, jsonable, plain
from domain.value import Value
from graphs.archive.result import OrderLine
from graphs.archive.snapshots import Replayed, open_snapshot
from graphs.archive.verified_run import whole_run
from graphs.session.eras import era_settings
from graphs.session.session import RunSettings
from memory.archive.archive import Archive
from memory.ledger.ledger import Ledger
from memory.store.database import Database
from memory.store.records import ClosedCycle, RunHeader, SnapshotRecord

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


async def diff_runs(first: str, second: str, *, database: Database) -> Diff:
    """Every cycle that either run closed. Both are verified first.

    Raises `NotFound`, and `Refused` for a run that was changed since.
    """
    one, other = await _run(first, database), await _run(second, database)
    settings = _setting_values(one.header, other.header), _setting_values(other.header, one.header)
    diff = _compare(one.run_id, other.run_id, {**settings[0], **one.values}, {**settings[1], **other.values})
    differences = tuple(_with_counts(each, one.contexts, other.contexts) for each in diff.differences)
    return diff.model_copy(update={"differences": differences})


async def diff_snapshots(first: str, second: str, *, database: Database) -> Diff:
    """Two archived contexts, item by item, and their answers. Raises `NotFound` and `Refused`."""
    one, other = await open_snapshot(first, database=database), await open_snapshot(second, database=database)
    return _compare(one.record.id, other.record.id, _snapshot(one), _snapshot(other))


def _compare(first: str, second: str, mine: Sides, other: Sides) -> Diff:
    keys = sorted(mine.keys() | other.keys(), key=lambda key: (-1 if key[1] is None else key[1], key[2], key[0]))
    differences = tuple(
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
    return Diff(left=first, right=second, compared=len(keys), differences=differences)


Contexts = Mapping[tuple[int | None, str], SnapshotRecord]


@dataclass(frozen=True, slots=True)
class _Side:
    header: RunHeader
    values: Sides
    contexts: Contexts

    @property
    def run_id(self) -> str:
        return self.header.run_id


def _setting_values(mine: RunHeader, other: RunHeader) -> Sides:
    """What `mine` was set to at the start, and, where either run has an era that begins later, what it was then.

    Of a later cycle that alone which is not as it was before, on either side.
    """
    values: dict[tuple[Aspect, int | None, str], str] = {}
    for name in ("graph", "market", "timeframe", "seed"):
        values["setting", None, name] = str(getattr(mine, name))
    first = [_settings_at(header, 0) for header in (mine, other)]
    values |= {("setting", None, name): value for name, value in first[0].items()}
    starts = sorted({era.from_cycle for header in (mine, other) for era in header.eras if era.from_cycle})
    before = first
    for start in starts:
        now = [_settings_at(header, start) for header in (mine, other)]
        changed = {
            n for was, new in zip(before, now, strict=True) for n in was.keys() | new if was.get(n) != new.get(n)
        }
        values |= {("setting", start, name): now[0][name] for name in changed if name in now[0]}
        before = now
    return values


def _settings_at(header: RunHeader, cycle: int) -> dict[str, str]:
    era = header.era(cycle)
    settings = RunSettings.model_validate_json(era.settings)
    values = {
        "version": header.version_at(cycle),
        "model": era.model,
        "policy": settings.policy.digest[:12],
        "lanes": ", ".join(lane.id for lane in settings.lanes.lanes),
    }
    values |= {name: value for name, value in era_settings(era).items() if name.startswith("desk.")}
    return values | {name: value for (_, _, name), value in _lanes(settings.lanes).items()}


async def _run(run: str, database: Database) -> _Side:
    archive = Archive(database)
    record = await whole_run(run, database=database)
    header = record.header
    values: dict[tuple[Aspect, int | None, str], str] = {}
    values["length", None, "cycles"] = str(record.cycles)
    async for closed in archive.cycles(header.run_id):
        values |= _cycle(closed)
    contexts: dict[tuple[int | None, str], SnapshotRecord] = {}
    for snapshot in await archive.snapshots(header.run_id, limit=None):
        contexts[snapshot.cycle, snapshot.subject] = snapshot
        values["context", snapshot.cycle, snapshot.subject] = snapshot.id[:12]
    ledger = Ledger(database, account=header.run_id, run_id=header.run_id)
    for order in await ledger.orders():
        values["order", order.cycle, order.request.symbol] = _order(OrderLine.of(order))
    return _Side(header, values, contexts)


def _lanes(settings: LaneSettings) -> dict[tuple[Aspect, int | None, str], str]:
    """The lanes in their order, and of each what is set, with its state."""
    values: dict[tuple[Aspect, int | None, str], str] = {
        ("setting", None, "lanes"): ", ".join(lane.id for lane in settings.lanes)
    }
    for lane in settings.lanes:
        chosen = jsonable(lane.model_dump(exclude={"id"}, exclude_defaults=True) | {"state": lane.state})
        values["setting", None, f"lanes.{lane.id}"] = canonical(chosen)
    return values


def _with_counts(difference: Difference, mine: Contexts, other: Contexts) -> Difference:
    """For contexts that differ: how many items each was sent, and how many of them the other was not."""
    if difference.aspect != "context":
        return difference
    key = (difference.cycle, difference.symbol)
    first, second = _sent(mine.get(key)), _sent(other.get(key))
    counts = {"left": _counted(difference.left, first, second), "right": _counted(difference.right, second, first)}
    return difference.model_copy(update=counts)


def _sent(record: SnapshotRecord | None) -> frozenset[str] | None:
    """The ids of what was sent; `None` where there is no context, or no more."""
    if record is None or record.pruned:
        return None
    return frozenset(Snapshot.model_validate_json(record.body).selected)


def _counted(id: str, sent: frozenset[str] | None, there: frozenset[str] | None) -> str:
    if sent is None:
        return f"{id}: pruned" if id else NOTHING
    alone = "" if there is None else f", {len(sent - there)} only here"
    return f"{id}: {len(sent)} items{alone}"


def _cycle(closed: ClosedCycle) -> dict[tuple[Aspect, int | None, str], str]:
    record = closed.record
    values: dict[tuple[Aspect, int | None, str], str] = {}
    for decision in record.decisions:
        values["stance", record.cycle, decision.symbol] = f"{decision.stance} {plain(decision.conviction)}"
        values["verdict", record.cycle, decision.symbol] = _verdict(decision)
    values["equity", record.cycle, ""] = plain(record.figures.equity) if record.figures else "unknown"
    return values


def _verdict(decision: Decision) -> str:
    why = "; ".join(decision.reasons) if decision.outcome in ("deny", "review") else ""
    return f"{decision.outcome}: {why}" if why else decision.outcome


def _order(order: OrderLine) -> str:
    price = f" at {plain(order.price)}" if order.price is not None else ""
    return f"{order.side} {plain(order.quantity)}{price}, {order.state}"


def _snapshot(replayed: Replayed) -> Sides:
    made = replayed.synthesis
    values: dict[tuple[Aspect, int | None, str], str] = {
        ("setting", None, "model"): replayed.snapshot.request.model,
        ("setting", None, "tokenizer"): replayed.snapshot.tokenizer,
        ("setting", None, "budget"): str(replayed.snapshot.budget),
        ("setting", None, "instructions"): made.brief.instructions,
        ("answer", None, replayed.snapshot.subject): replayed.snapshot.answer.body or replayed.snapshot.answer.failure,
    }
    values |= _lanes(made.settings)
    for sent in made.selected:
        values["item", None, sent.item.id] = sent.line
    for left_out in made.dropped:
        values["item", None, left_out.item_id] = f"left out: {left_out.reason}"
    return values
