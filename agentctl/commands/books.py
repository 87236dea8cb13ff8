"""`agentctl orders` and `agentctl positions`: the books of a run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from agentctl.archive import find_run, reading, wait
from agentctl.output import INTERRUPTED, print_json, print_table
from agentctl.settings import load_anyway
from agentctl.show import cents, order_table
from agents.protection import held_stops, seconds_bare
from domain.digest import canonical, plain
from domain.portfolio import Portfolio
from domain.statement import is_swap
from domain.text import visible
from domain.value import Value
from graphs.archive.result import OrderLine
from graphs.runs.open import marks_of
from graphs.session.perpetuals import PositionMargin, margins_now
from graphs.session.session import RunSettings
from memory.archive.archive import Archive
from memory.ledger.ledger import Ledger
from memory.ledger.orders import OrderRecord

_LOOK_EVERY_S = 1.0
_GRAIN = Decimal("1e-8")
_HUNDREDTH = Decimal("0.01")


def show_orders(run: str | None, *, working: bool, db: str | None, as_json: bool) -> None:
    settings = load_anyway(db=db, what="the orders")

    async def work() -> tuple[str, list[OrderLine]]:
        async with reading(db, settings=settings) as database:
            run_id = (await find_run(database, run)).header.run_id
            ledger = Ledger(database, account=run_id, run_id=run_id)
            return run_id, [OrderLine.of(order) for order in await ledger.orders(working_only=working)]

    run_id, orders = wait(work())
    if as_json:
        print_json({"run_id": run_id, "orders": orders})
    elif orders:
        order_table(f"orders of {run_id}", orders)
    else:
        print(f"{run_id} has no {'working ' if working else ''}orders")


def watch_orders(run: str | None, *, working: bool, db: str | None, as_json: bool) -> None:
    """Print the orders, then each again when its state or fills change. Ends with Ctrl-C, exit code 130."""
    settings = load_anyway(db=db, what="the orders")

    async def follow() -> None:
        async with reading(db, settings=settings) as database:
            run_id = (await find_run(database, run)).header.run_id
            ledger = Ledger(database, account=run_id, run_id=run_id)
            lines: dict[str, OrderLine] = {}
            while True:
                for order in await ledger.orders(working_only=working):
                    line = OrderLine.of(order)
                    if lines.get(line.client_order_id) != line:
                        lines[line.client_order_id] = line
                        _tell(line, order.updated_at, as_json=as_json)
                await asyncio.sleep(_LOOK_EVERY_S)

    try:
        wait(follow())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _tell(line: OrderLine, at: datetime, *, as_json: bool) -> None:
    if as_json:
        print(canonical({"at": at, **line.model_dump()}), flush=True)
        return
    price = f" at {plain(line.price)}" if line.price is not None else ""
    why = f": {visible(line.reason)}" if line.reason else ""
    print(
        f"{at:%Y-%m-%d %H:%M:%S} {line.client_order_id} {line.state.value}: "
        f"{line.side} {plain(line.filled)} of {plain(line.quantity)} {line.symbol}{price}, fee {plain(line.fee)}{why}",
        flush=True,
    )


class Stopped(Value):
    """The stop of one position of a live run."""

    held_by: Literal["exchange", "run", "nobody"]
    """`run`: only the run watches it. `nobody`: there is none in its plan."""
    bare_s: int
    """For how many seconds since its first fill no stop was at the exchange, up to the last cycle."""


def _stops(books: Portfolio, orders: Sequence[OrderRecord]) -> Mapping[str, Stopped]:
    stops: dict[str, Stopped] = {}
    for symbol, position in books.positions.items():
        there = any(order.state.working for order in held_stops(position, orders))
        held_by: Literal["exchange", "run", "nobody"] = (
            "exchange" if there else "run" if position.stop_price else "nobody"
        )
        stops[symbol] = Stopped(held_by=held_by, bare_s=seconds_bare(position, orders, until=books.as_of))
    return stops


_MARGIN_COLUMNS: Final = ("leverage", "margin", "maintenance", "liquidation price", "funding")


def _margin_cells(margin: PositionMargin | None) -> tuple[str, ...]:
    """Nothing of what is on spot."""
    if margin is None:
        return ("",) * len(_MARGIN_COLUMNS)
    price = margin.liquidation_price
    return (
        f"{plain(margin.leverage.quantize(_HUNDREDTH))}x",
        cents(margin.initial_margin),
        cents(margin.maintenance_margin),
        plain(price.quantize(_GRAIN)) if price is not None else "none",
        cents(margin.funding),
    )


def show_positions(run: str | None, *, db: str | None, as_json: bool) -> None:
    """Raises `LedgerBroken`, exit code 3, when cash and positions are not what the fills make of them."""
    settings = load_anyway(db=db, what="the positions")

    async def work() -> tuple[
        str, Portfolio, Mapping[str, Decimal], Mapping[str, Stopped], Mapping[str, PositionMargin]
    ]:
        async with reading(db, settings=settings) as database:
            run_id = (await find_run(database, run)).header.run_id
            ledger = Ledger(database, account=run_id, run_id=run_id)
            await ledger.check()
            archive = Archive(database)
            last = await archive.last_cycle(run_id)
            record = await find_run(database, run_id)
            header = record.header
            as_of = last.record.as_of if last else header.created_at
            books = await ledger.portfolio(marks={}, as_of=as_of)
            stops = _stops(books, await ledger.orders()) if header.mode == "live" else {}
            margin: Mapping[str, PositionMargin] = {}
            if header.mode == "paper" and any(map(is_swap, books.positions)):
                marks = await marks_of(archive, run_id, cycle=last.record.cycle) if last else {}
                margin = await margins_now(ledger, books, RunSettings.model_validate_json(record.era.settings), marks)
            return run_id, books, await ledger.holdings(), stops, margin

    run_id, books, beside, stops, margin = wait(work())
    if as_json:
        holdings = {"holdings": beside} if beside else {}
        protection = {"stops": stops} if stops else {}
        perpetuals = {"perpetuals": margin} if margin else {}
        fields = {**books.model_dump(exclude={"marks"}), **holdings, **protection, **perpetuals}
        return print_json({"run_id": run_id, **fields, "reconciled": True})
    rows = [
        (
            p.symbol,
            plain(p.quantity),
            plain(p.average_price.quantize(_GRAIN)) if p.average_price else "",
            cents(p.cost),
            plain(p.stop_price) if p.stop_price else "",
            plain(p.target_price) if p.target_price else "",
            f"{p.opened_at:%Y-%m-%d %H:%M}" if p.opened_at else "",
            *((stops[p.symbol].held_by, f"{stops[p.symbol].bare_s} s") if stops else ()),
            *(_margin_cells(margin.get(p.symbol)) if margin else ()),
        )
        for p in books.positions.values()
    ]
    columns: tuple[str, ...] = ("symbol", "quantity", "average price", "cost", "stop", "target", "opened")
    columns += ("stop held by", "without stop") if stops else ()
    columns += _MARGIN_COLUMNS if margin else ()
    right = ("quantity", "average price", "cost", "stop", "target", *_MARGIN_COLUMNS)
    if rows:
        print_table(f"positions of {run_id}", columns, rows, right=right)
    else:
        print(f"{run_id} holds nothing")
    if beside:
        print(
            f"beside it, by hand: {', '.join(f'{plain(amount)} {asset}' for asset, amount in sorted(beside.items()))}"
        )
    totals = f"realized {cents(books.realized)}, fees {cents(books.fees)}"
    print(f"cash {cents(books.cash)} {books.currency}; {totals}; the books add up")
    return None
