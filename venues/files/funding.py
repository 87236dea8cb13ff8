"""Recorded funding rates: what a file's name says, and its rates once every row has been checked.

A file is `BASE-QUOTE-SETTLE_funding.csv` or `.csv.gz` beside the candles, with the columns `timestamp_ms,funding_rate`:
when the rate was charged, and as what part of the notional. Nothing is repaired: what is wrong is named by file and
line. The milliseconds by which exchanges are late are cut off.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import mode
from typing import Final

from domain.candle import Candle, FundingRate
from domain.errors import UsageError
from venues.files.checks import wrong_moment
from venues.files.problems import Problems
from venues.files.rows import Unreadable, rows_of

COLUMNS: Final = ("timestamp_ms", "funding_rate")

_NAME = re.compile(
    r"(?P<base>[A-Z0-9]{1,20})-(?P<quote>[A-Z0-9]{1,20})-(?P<settle>[A-Z0-9]{1,20})_funding\.csv(?:\.gz)?"
)
_milliseconds = re.compile("[0-9]{1,18}").fullmatch
_rate = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{0,40})?(?:[eE][-+]?[0-9]{1,2})?").fullmatch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST: Final = Decimal("0.1")
"""Of the notional at once. Exchanges cap their rates at 4 % and less."""
_USUAL: Final = 9
"""Spacings by which the next is judged: exchanges change theirs."""
_MOST_NOTES: Final = 20
_INSTEAD: Final = "[paper] funding_bps is charged"


@dataclass(frozen=True, slots=True)
class FundingFile:
    """One file whose name says what it holds."""

    path: Path
    symbol: str

    @classmethod
    def named(cls, path: Path) -> FundingFile | None:
        """What `path` holds by its name; none when it isn't named like the funding of a linear perpetual."""
        match = _NAME.fullmatch(path.name)
        if match is None or match["settle"] != match["quote"]:
            return None
        return cls(path, f"{match['base']}/{match['quote']}:{match['settle']}")


def funding_files(folder: Path, *, symbols: Collection[str]) -> Mapping[str, FundingFile]:
    """Those of `symbols` that are there. Raises `UsageError` for two of one symbol."""
    by_symbol: dict[str, FundingFile] = {}
    for file in filter(None, map(FundingFile.named, sorted(folder.iterdir()))):
        other = by_symbol.setdefault(file.symbol, file)
        if other is not file and file.symbol in symbols:
            raise UsageError(f"{other.path.name} and {file.path.name} hold the same rates", remedy="Keep one")
    return {symbol: file for symbol, file in by_symbol.items() if symbol in symbols}


def read_funding(
    file: FundingFile, *, candles: Sequence[Candle], problems: Problems, notes: list[str]
) -> tuple[FundingRate, ...]:
    """Every rate, oldest first. What is wrong goes to `problems`; missing times, at which nothing is charged, and what
    the file does not reach of its `candles`, to `notes`. To be used only when `problems` stayed empty."""
    before, rates, gaps = len(problems), list[FundingRate](), list[str]()
    try:
        rates.extend(_rates(file, problems=problems, gaps=gaps))
    except Unreadable as error:
        problems.add(file.path, line=error.line, what=error.what)
    if not rates and len(problems) == before:
        problems.add(file.path, line=1, what="there are no rows")
    notes.extend(gaps[:_MOST_NOTES])
    if len(gaps) > _MOST_NOTES:
        notes.append(f"{file.path.name}: {len(gaps) - _MOST_NOTES} more gaps")
    if rates and candles:
        notes.extend(_beyond(file, rates, candles))
    return tuple(rates)


def _rates(file: FundingFile, *, problems: Problems, gaps: list[str]) -> Iterator[FundingRate]:
    previous: datetime | None = None
    usual: deque[timedelta] = deque(maxlen=_USUAL)
    for line, row in rows_of(file.path, columns=COLUMNS):
        if problems.enough:
            return
        if wrong := _wrong(row):
            problems.add(file.path, line=line, what=wrong)
            continue
        at = _EPOCH + timedelta(seconds=int(row[0]) // 1_000)
        if previous is not None and at <= previous:
            what = "is there twice" if at == previous else "is earlier than the one above it: rows must be oldest first"
            problems.add(file.path, line=line, what=f"timestamp_ms {row[0]} {what}")
            continue
        if previous is not None:
            spacing = at - previous
            if usual and spacing > 1.5 * (step := mode(usual)):
                missing = round(spacing / step) - 1
                gaps.append(f"{file.path.name}:{line}: {missing} fundings missing before {at:%Y-%m-%d %H:%M}")
            usual.append(spacing)
        previous = at
        yield FundingRate(at, Decimal(row[1]))


def _wrong(row: Sequence[str]) -> str:
    """Why the cells are not a time and a rate; empty when they are."""
    if len(row) != len(COLUMNS):
        return f"{len(row)} cells where {len(COLUMNS)} are needed"
    if not _milliseconds(row[0]):
        return f"timestamp_ms {row[0][:40]!r} is not whole milliseconds since 1970"
    if wrong := wrong_moment(int(row[0])):
        return wrong
    if not _rate(row[1]):
        return f"funding_rate {row[1][:40]!r} is not a number"
    if abs(Decimal(row[1])) > _MOST:
        return (
            f"funding_rate {row[1][:40]} is more than a tenth of the notional: is it in per cent, or in basis points?"
        )
    return ""


def _beyond(file: FundingFile, rates: Sequence[FundingRate], candles: Sequence[Candle]) -> Iterator[str]:
    """That the rates begin after the candles, or end before them, by more than a day."""
    day, first, last = timedelta(days=1), rates[0].at, rates[-1].at
    if first - candles[0].opened_at > day:
        yield f"{file.path.name}: begins at {first:%Y-%m-%d %H:%M}, after the candles do: {_INSTEAD} before"
    if candles[-1].closed_at - last > day:
        yield f"{file.path.name}: ends at {last:%Y-%m-%d %H:%M}, before the candles do: {_INSTEAD} after"
