"""Which candle files of a folder a run reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.candle import Timeframe
from domain.errors import SymbolUnknown, UsageError
from venues.files.files import NAMING, CandleFile
from venues.files.forms import json_form
from venues.files.funding import FundingFile
from venues.files.headlines import NAME as HEADLINES
from venues.files.market_file import NAME as MARKET
from venues.files.text_file import require_file

_MOST_NOTES = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """One file a symbol, all of one timeframe and one quote currency."""

    files: tuple[CandleFile, ...]
    timeframe: Timeframe
    notes: tuple[str, ...]
    """Files that were passed over because their names aren't those of candles."""


def choose(path: Path, *, symbols: Sequence[str] | None, timeframe: Timeframe | None) -> Choice:
    """The files at `path` for `symbols` (all, when none are named) at `timeframe` (the only one there).

    Raises `SymbolUnknown` and `UsageError`, each naming what there is.
    """
    if symbols is not None and not symbols:
        raise UsageError("the list of symbols is empty", remedy="Name one, or leave the option out to take all")
    there, notes = _there(path)
    if not there:
        others = "".join(f"; {entry.name}: {form}" for entry in sorted(path.iterdir()) if (form := json_form(entry)))
        raise UsageError(f"{path} has no candle files{others}", remedy=f"Name them {NAMING}")
    missing = [symbol for symbol in symbols or () if symbol not in {file.symbol for file in there}]
    if missing:
        raise SymbolUnknown(f"{path} has no candles of {', '.join(missing)}", remedy=f"There are {_listed(there)}")
    candidates = [file for file in there if symbols is None or file.symbol in symbols]
    timeframes = {file.timeframe.length: file.timeframe for file in candidates}
    if timeframe is None and len(timeframes) > 1:
        names = ", ".join(str(timeframes[length]) for length in sorted(timeframes))
        raise UsageError(f"{path} has several timeframes: {names}", remedy="Choose one with --timeframe")
    chosen = timeframe or next(iter(timeframes.values()))
    files = tuple(file for file in candidates if file.timeframe.length == chosen.length)
    if not files:
        raise UsageError(f"{path} has no {chosen} candles", remedy=f"There are {_listed(there)}")
    without = sorted(set(symbols or ()) - {file.symbol for file in files})
    if without:
        raise SymbolUnknown(
            f"{path} has no {chosen} candles of {', '.join(without)}", remedy=f"There are {_listed(there)}"
        )
    _require_one_each(files)
    _require_one_currency(files)
    return Choice(files, files[0].timeframe, notes)


def _there(path: Path) -> tuple[list[CandleFile], tuple[str, ...]]:
    if not path.is_dir():
        file = CandleFile.named(path)
        if file is None:
            form = f"; {form}" if (form := json_form(path)) else ""
            raise UsageError(f"the name of {path} doesn't say what it holds{form}", remedy=f"Name it {NAMING}")
        try:
            require_file(path)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{path} can't be read: {error}", remedy="Name a candle file, or a folder of some"
            ) from None
        return [file], ()
    # Sorted, since the order of a folder differs between machines.
    entries = sorted(entry for entry in path.iterdir() if entry.is_file())
    files = [file for file in map(CandleFile.named, entries) if file]
    known = {*(file.path for file in files), path / HEADLINES, path / MARKET}
    known |= {entry for entry in entries if FundingFile.named(entry)}
    passed = [f"{entry.name}: passed over, not named like candles" for entry in entries if entry not in known]
    if len(passed) > _MOST_NOTES:
        passed[_MOST_NOTES:] = [f"{len(passed) - _MOST_NOTES} more files passed over"]
    return files, tuple(passed)


def _listed(files: Sequence[CandleFile]) -> str:
    return ", ".join(sorted({f"{file.symbol} {file.timeframe}" for file in files}))


def _require_one_each(files: Sequence[CandleFile]) -> None:
    first: dict[str, CandleFile] = {}
    for file in files:
        other = first.setdefault(file.symbol, file)
        if other is not file:
            raise UsageError(f"{other.path.name} and {file.path.name} hold the same candles", remedy="Keep one")


def _require_one_currency(files: Sequence[CandleFile]) -> None:
    quotes = sorted({file.symbol.split("/")[1].split(":")[0] for file in files})
    if len(quotes) > 1:
        raise UsageError(
            f"the symbols are priced in {' and '.join(quotes)}, and a run has one currency",
            remedy="Choose symbols of one quote currency with --symbols",
        )
