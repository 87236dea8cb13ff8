"""Reconciliation: what the ledger holds against what the venue says it holds."""

from __future__ import annotations

from domain.digest import plain
from domain.errors import LedgerBroken
from graphs.session import Session


async def reconcile(session: Session) -> None:
    """Raises `LedgerBroken` naming every amount on which ledger and venue differ, and what does not add up.

    To be called between cycles, when all that the venue did is booked.
    """
    await session.ledger.check()
    theirs = await session.venue.portfolio()
    ours = await session.ledger.portfolio(marks=theirs.marks, as_of=theirs.as_of)
    amounts = {"cash": (ours.cash, theirs.cash)} | {
        symbol: (ours.quantity(symbol), theirs.quantity(symbol))
        for symbol in sorted({*ours.positions, *theirs.positions})
    }
    apart = [f"{name} is {plain(a)} here and {plain(b)} there" for name, (a, b) in amounts.items() if a != b]
    if apart:
        raise LedgerBroken(f"ledger and venue differ: {'; '.join(apart)}", remedy="Nothing more is sent")
