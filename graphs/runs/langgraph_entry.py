"""The trading graph for LangGraph's own tools, which bring no desk: each pass is the next bar of a simulated market."""

from __future__ import annotations

from graphs.runs.paper_desk import PaperDesk
from graphs.trading.cycle import Cycle
from graphs.trading.graph import TradingGraph, build


class _Passes:
    """Opens one paper desk, and moves it on by a bar whenever a new pass begins."""

    def __init__(self) -> None:
        self._desk: PaperDesk | None = None

    async def cycle(self, node: str) -> Cycle:
        if self._desk is None:
            self._desk = await PaperDesk.open()
        elif node == "tick":
            await self._desk.advance()
        return self._desk.cycle


def trading() -> TradingGraph:
    """The graph named in `langgraph.json`."""
    return build(cycle_of=_Passes().cycle)
