"""LangGraph's checkpoints: one SQLite file beside the archive, only our own types, one thread a cycle.

The tape is what a run resumes from. Checkpoints are for LangGraph's own tools and for interrupts, so
they are written when a cycle leaves the graph, and only the last cycle's are kept.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiosqlite
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from memory.store.private import private_file, private_folder

_TYPES: Final = (
    ("agents.execution", "Approved"),  # as earlier versions name it
    ("agents.risk", "Plan"),
    ("agents.sending", "Approved"),
    ("agents.signal", "Scan"),
    ("domain.decision", "Episode"),
    ("domain.decision", "Signal"),
    ("domain.decision", "Thesis"),
    ("domain.order", "OrderReport"),
    ("domain.portfolio", "Portfolio"),
    ("graphs.trading.state", "NodeFailure"),
    ("policy.verdict", "Verdict"),
)
"""The types of `CycleState`; a checkpoint that names any other is not read."""


@asynccontextmanager
async def checkpointer(path: Path) -> AsyncGenerator[AsyncSqliteSaver]:
    """The checkpoint store in `path`, made where it is missing."""
    private_folder(path.parent)
    private_file(path)
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=NORMAL")
        saver = AsyncSqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=_TYPES))
        await saver.setup()
        yield saver
