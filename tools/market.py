"""Markets by the name they have on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.candle import Timeframe
from domain.errors import UsageError
from domain.venue import Market
from tools.recorded import FileMarket
from tools.sim import SimMarket

_FILE = "file:"


def open_market(spec: str, *, symbols: Sequence[str] | None, timeframe: Timeframe | None, seed: int) -> Market:
    """The market that `spec` names: `sim`, or `file:PATH` for recorded candles.

    `symbols` and `timeframe` left open take the market's own. Raises `UsageError` for another name, and
    what `FileMarket.open` and `SimMarket` raise.
    """
    if spec == "sim":
        return SimMarket(seed=seed, symbols=symbols, timeframe=timeframe)
    if spec.startswith(_FILE) and len(spec) > len(_FILE):
        return FileMarket.open(Path(spec.removeprefix(_FILE)), symbols=symbols, timeframe=timeframe)
    raise UsageError(f"the market {spec!r} is not known, or not built yet", remedy="Known are sim and file:PATH")
