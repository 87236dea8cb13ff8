"""Verification of a run: every row against its digest, its seal and its account."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Table, select, text, union
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from memory.archive.eras import era_faults
from memory.archive.high_water import high_faults
from memory.archive.pruning import prune_faults
from memory.ledger.audit import account_faults
from memory.operators.faults import oversight_faults
from memory.store.blobs import in_parts, named_by
from memory.store.database import Database, dropped
from memory.store.fault import Fault
from memory.store.raw_rows import Raw, checked
from memory.store.records import PRUNED, RunHeader
from memory.store.schema import (
    accounts,
    blobs,
    cycles,
    equity,
    external_events,
    fills,
    holdings,
    key_of,
    order_events,
    orders,
    positions,
    runs,
    snapshots,
    tickets,
    verdicts,
)
from memory.store.seal import SEALED, Leaf, leaf_key, leaves_from, seal

_WRITTEN = (orders, order_events, fills, external_events)
"""Tables of accounts whose rows say which run wrote them."""

_STATE_TABLES = (accounts, tickets, positions, holdings)


async def verify(database: Database, run_id: str) -> tuple[Fault, ...]:
    """Everything in the archive of `run_id` that is not as it was written; empty when all is.

    Every row against its digest, every cycle against its seal, the chain of seals, the texts that
    rows rest on, the accounts that the run wrote, and what people did. Raises `NotFound` for a run that left no trace.
    """
    async with database.reading() as connection:
        try:
            faults = await _verify(connection, run_id)
        except DBAPIError as error:
            if dropped(error):
                raise  # of what is written it says nothing
            faults = [Fault("database", "", f"cannot be read: {error.orig}")]
    return tuple(dict.fromkeys(faults))


@dataclass(slots=True)
class _RunRows:
    """What is there of a run, as far as seals are about it."""

    run: Raw | None = None
    leaves: dict[object, set[Leaf]] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    of_accounts: list[tuple[Table, Raw]] = field(default_factory=list)
    """Rows that belong to an account, most of them to an order of it."""
    equity: list[Raw] = field(default_factory=list)
    closed: list[Raw] = field(default_factory=list)
    contexts: list[Raw] = field(default_factory=list)
    """Snapshots, without the bodies that are there."""


async def _verify(connection: AsyncConnection, run_id: str) -> list[Fault]:
    broken = await _file_faults(connection)
    faults: list[Fault] = []
    rows = _RunRows()
    async for row in checked(connection, runs, where=runs.c.run_id == run_id, faults=faults):
        rows.run = row
    for table in SEALED:
        async for row in checked(connection, table, where=table.c.run_id == run_id, faults=faults):
            rows.leaves.setdefault(row["cycle"], set()).add(_leaf(table, row))
            rows.texts.update(_rests_on(table, row))
            if "account" in row:
                rows.of_accounts.append((table, row))
            if table is equity:
                rows.equity.append(row)
            if table is snapshots:
                rows.contexts.append(row if row["body"] == PRUNED else {**row, "body": "kept"})
    rows.closed = [row async for row in checked(connection, cycles, where=cycles.c.run_id == run_id, faults=faults)]
    if rows.run is None and not faults and not broken:
        if not rows.leaves and not rows.closed:
            raise NotFound(f"there is no run {run_id!r}", remedy="agentctl runs list shows those there are")
        faults.append(Fault("runs", f"run_id={run_id}", "is missing"))
    faults += _chain_faults(rows)
    faults += _high_faults(rows)
    if (header := _header(rows.run)) is not None:
        faults += await era_faults(connection, header, rows.closed)
    faults += await prune_faults(connection, run_id, rows.contexts)
    faults += await _text_faults(connection, rows.texts)
    names = await _accounts(connection, run_id, run=rows.run)
    faults += await _strays(connection, rows.of_accounts, accounts_of_run=names)
    for account in names:
        faults += await account_faults(connection, account)
    faults += await oversight_faults(connection)
    return faults + broken  # a row says more than the page that it is on


async def _file_faults(connection: AsyncConnection) -> list[Fault]:
    if connection.dialect.name != "sqlite":
        return []
    lines = await connection.scalars(text("PRAGMA integrity_check(20)"))
    return [Fault("database", "", str(line)) for line in lines if line != "ok"]


def _leaf(table: Table, row: Raw) -> Leaf:
    return Leaf(table.name, tuple(str(row[name]) for name in leaf_key(table)), str(row["digest"]))


def _rests_on(table: Table, row: Raw) -> Collection[str]:
    """The digests of the texts that a row points at; the lists among them point at more."""
    if table is verdicts:
        return [str(row["facts"])]
    if table is snapshots:
        try:
            return [str(item) for item in json.loads(str(row["blobs"]))]
        except (ValueError, TypeError):
            return []  # changed, and found so by its digest
    return []


def _chain_faults(rows: _RunRows) -> Iterator[Fault]:
    """Cycles that don't follow each other or don't fit their seals, and rows that came or went."""
    closed = {row["cycle"] for row in rows.closed}
    unsealed = sorted(number for number in rows.leaves.keys() - closed if isinstance(number, int))
    last = max((number for number in closed if isinstance(number, int)), default=-1)
    yield from (Fault("cycles", f"cycle={number}", "is missing") for number in unsealed if number < last)
    header = _header(rows.run)
    previous = None if header is None else header.config_digest
    for row in rows.closed:
        key = f"cycle={row['cycle']}"
        if previous is not None and row["previous"] != previous:
            yield Fault("cycles", key, "does not follow the seal before it")
        previous = str(row["seal"])
        yield from _seal_faults(row, key=key, there=rows.leaves.get(row["cycle"], set()))
    if rows.run is None:
        return
    count = rows.run["cycles"]
    lost = max(0, count - len(rows.closed)) if isinstance(count, int) else 0
    for cycle in [str(number) for number in unsealed[:lost]] or ([f"one of {count}"] if lost else []):
        yield Fault("cycles", f"cycle={cycle}", "is missing")
    if rows.run["seal"] != previous:
        yield Fault("runs", f"run_id={rows.run['run_id']}", "its seal is not that of its last cycle")


def _header(run: Raw | None) -> RunHeader | None:
    try:
        return None if run is None else RunHeader.model_validate_json(str(run["body"]))
    except ValueError:
        return None  # changed, and found so by its digest


def _high_faults(rows: _RunRows) -> Iterator[Fault]:
    header = _header(rows.run)
    return iter(()) if header is None else high_faults(rows.equity, start_cash=header.start_cash)


def _seal_faults(row: Raw, *, key: str, there: set[Leaf]) -> Iterator[Fault]:
    try:
        due = set(leaves_from(str(row["rows"])))
        parts = {name: str(row[name]) for name in ("previous", "as_of", "body", "rows")}
        sealed = seal(cycle=int(str(row["cycle"])), **parts)
    except (ValueError, TypeError):
        return  # changed, and found so by its digest
    if sealed != row["seal"]:
        yield Fault("cycles", key, "does not fit its seal")
    names = {leaf.table: leaf_key(table) for table in SEALED for leaf in due | there if leaf.table == table.name}
    changed = {(leaf.table, leaf.key) for leaf in due - there} & {(leaf.table, leaf.key) for leaf in there - due}
    for leaf in sorted(due ^ there):
        columns = " ".join(f"{name}={part}" for name, part in zip(names[leaf.table], leaf.key, strict=True))
        if (leaf.table, leaf.key) in changed:
            what = "is not the row that was sealed"
        else:
            what = "is missing" if leaf in due else "was added after the cycle was sealed"
        yield Fault(leaf.table, f"{key} {columns}".strip(), what)


async def _text_faults(connection: AsyncConnection, digests: Collection[str]) -> list[Fault]:
    """Texts that are missing or changed, among `digests` and all that lists under them name."""
    faults: list[Fault] = []
    visited: set[str] = set()
    pending = set(digests)
    while pending:
        visited |= pending
        named: set[str] = set()
        for part in in_parts(pending):
            there: set[object] = set()
            async for row in checked(connection, blobs, where=blobs.c.digest.in_(part), faults=faults):
                there.add(row["digest"])
                named.update(named_by(str(row["body"])))
            faults += [Fault("blobs", f"digest={key}", "is missing") for key in part if key not in there]
        pending = named - visited
    return faults


async def _strays(
    connection: AsyncConnection, rows: Collection[tuple[Table, Raw]], *, accounts_of_run: Collection[str]
) -> list[Fault]:
    """Rows that are in no account, and rows of orders that are gone from theirs."""
    keys = select(orders.c.account, orders.c.client_order_id).where(orders.c.account.in_(accounts_of_run))
    there = {tuple(key) for key in await connection.execute(keys)}
    opened = set(await connection.scalars(select(accounts.c.account).where(accounts.c.account.in_(accounts_of_run))))
    faults = []
    for table, row in rows:
        account, order = row["account"], row.get("client_order_id")
        if (account, order) in there or (order is None and account in opened):
            continue
        if order is None:
            faults.append(Fault(table.name, key_of(table, row), f"is of no account {account}"))
        elif account in opened:
            what = f"is missing from the account {account}, and has {table.name}"
            faults.append(Fault("orders", f"client_order_id={order}", what))
        else:
            faults.append(Fault(table.name, key_of(table, row), f"is of no order of the account {account}"))
    return faults


async def _accounts(connection: AsyncConnection, run_id: str, *, run: Raw | None) -> list[str]:
    """Every account that the run wrote, or should have: a paper run's account has its name."""
    wrote = [select(table.c.account).where(table.c.run_id == run_id) for table in _WRITTEN]
    own = [select(table.c.account).where(table.c.account == run_id) for table in _STATE_TABLES]
    names = set(await connection.scalars(union(*wrote, *own)))
    if run is not None and '"mode":"paper"' in str(run["body"]):
        names.add(run_id)
    return sorted(names)
