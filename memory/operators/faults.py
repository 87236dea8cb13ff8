"""What people did to the desk, looked at whole: the chain of acts, and what stands because of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import true
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import GENESIS
from memory.store.fault import Fault
from memory.store.raw_rows import Raw, checked
from memory.store.schema import OVERSIGHT, acts, approvals, controls, key_of, latches

CONTROLLING = frozenset({"halt", "flattened", "resume"})
DECIDING = frozenset({"approve", "reject"})
LATCHING = frozenset({"latch", "rearm"})


async def oversight_faults(connection: AsyncConnection) -> list[Fault]:
    """Acts, controls, approvals and latches that were changed, or that don't follow from each other."""
    faults: list[Fault] = []
    rows = {
        table.name: [row async for row in checked(connection, table, where=true(), faults=faults)]
        for table in OVERSIGHT
    }
    done = rows[acts.name]
    faults += _chain_faults(done)
    if faults:
        return faults  # what follows reads them
    bodies = [(row, json.loads(str(row["body"]))) for row in done]
    return [
        *_control_faults(bodies, rows[controls.name]),
        *_approval_faults(bodies, rows[approvals.name]),
        *_latch_faults(bodies, rows[latches.name]),
    ]


def _chain_faults(done: Sequence[Raw]) -> Iterator[Fault]:
    previous: object = GENESIS
    for place, row in enumerate(done):
        if row["n"] != place:
            yield Fault(acts.name, f"n={place}", f"is missing: the next is {row['n']}")
            return
        if row["previous"] != previous:
            yield Fault(acts.name, key_of(acts, row), "does not follow the act before it")
        previous = row["digest"]


Done = Sequence[tuple[Raw, Mapping[str, Any]]]


def _control_faults(done: Done, rows: Sequence[Raw]) -> Iterator[Fault]:
    due = {row["scope"]: body["control"] for row, body in done if row["kind"] in CONTROLLING}
    there = {row["scope"]: row for row in rows}
    for scope in sorted(due.keys() | there.keys(), key=str):
        key, row = f"scope={scope}", there.get(scope)
        if row is None:
            yield Fault(controls.name, key, "is missing")
        elif scope not in due:
            yield _undone(done, f"controls {key} is {row['state']}")
        elif {**row, "flatten": bool(row["flatten"])} != {**due[scope], "digest": row["digest"]}:
            yield Fault(controls.name, key, "is not what the last act on it made")


def _approval_faults(done: Done, rows: Sequence[Raw]) -> Iterator[Fault]:
    due = {body["approval"]: body["digest"] for row, body in done if row["kind"] in DECIDING}
    there = {row["id"]: row for row in rows}
    for id in sorted(due.keys() | there.keys(), key=str):
        key, row = f"id={id}", there.get(id)
        if row is None:
            yield Fault(approvals.name, key, "is missing, and somebody answered it")
        elif id in due and row["digest"] != due[id]:
            yield Fault(approvals.name, key, "is not what was answered")
        elif id not in due and row["status"] != "pending":
            yield _undone(done, f"approvals {key} is {row['status']}")


def _latch_faults(done: Done, rows: Sequence[Raw]) -> Iterator[Fault]:
    due: dict[tuple[object, ...], object] = {}
    for row, body in done:
        if row["kind"] in LATCHING:
            due[row["scope"], body.get("agent"), body.get("symbol")] = body.get("through")
    there = {(row["account"], row["agent"], row["symbol"]): row["cleared_through"] for row in rows}
    for place in sorted(due.keys() | there.keys(), key=str):
        account, agent, symbol = place
        key = f"agent={agent} symbol={symbol}"
        if place not in there:
            yield Fault(latches.name, key, f"of {account} is missing")
        elif place not in due:
            yield _undone(done, f"latches {key} of {account} stands")
        elif due[place] != there[place]:
            yield Fault(latches.name, key, f"of {account} is not what the last act on it made")


def _undone(done: Done, what: str) -> Fault:
    """Where acts follow each other and one is missing all the same, it was the last, or there was none."""
    return Fault(acts.name, f"n={len(done)}", f"is missing: {what}, and no act made it so")
