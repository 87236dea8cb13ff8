"""Forms in which others export candles: told by their first rows, each with what makes a candle file of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?").fullmatch
_TIMES: Final = ("time", "unix", "timestamp", "date", "datetime", "open_time", "timestamp_ms")
_PRICES: Final = {"open", "high", "low", "close"}
_WRITE: Final = "write timestamp_ms,open,high,low,close,volume, the oldest first"


def form_of(rows: Sequence[Sequence[str]]) -> str:
    """What the first rows of a CSV file look like and what to do; empty for what is none of the known forms."""
    if not rows or not rows[0]:
        return ""
    first = rows[0]
    if len(first) >= 6 and all(map(_NUMBER, first[:6])):
        unit = _unit(first[0])
        return (
            f"it looks like an exchange's klines without a header, with times in {unit}: put the header above, and "
            f"keep of each row the first six cells{_converted(unit)}"
        )
    names = [cell.strip().lower() for cell in first]
    if names[0] == "price" and len(rows) > 1 and rows[1][:1] == ["Ticker"]:
        return (
            "it looks like a download of three header rows with dates as text: leave the rows Ticker and Date out, and "
            f"{_WRITE}, with each date as milliseconds since 1970 in UTC"
        )
    if len(first) == 1 and len(rows) > 1 and {cell.strip().lower() for cell in rows[1]} >= _PRICES:
        return f"it looks like a vendor's file with a line above the header: delete that line, and {_vendor(rows[1:])}"
    if set(names) >= _PRICES:
        return f"it looks like an export of candles with columns of its own: {_vendor(rows)}"
    return ""


def _vendor(rows: Sequence[Sequence[str]]) -> str:
    names = [cell.strip().lower() for cell in rows[0]]
    place = next((names.index(name) for name in _TIMES if name in names), None)
    sample = rows[1][place] if place is not None and len(rows) > 1 and place < len(rows[1]) else ""
    volume = "; of its volumes the one in the base currency" if sum("volume" in name for name in names) > 1 else ""
    times = _converted(_unit(sample)) if _NUMBER(sample) else ", with each time as milliseconds since 1970 in UTC"
    return f"{_WRITE}{times}{volume}"


def _unit(time: str) -> str:
    digits = len(time.partition(".")[0])
    return (
        "seconds"
        if digits <= 11
        else "milliseconds"
        if digits <= 14
        else "microseconds"
        if digits <= 17
        else "nanoseconds"
    )


def _converted(unit: str) -> str:
    return {
        "seconds": ", with the seconds times 1,000",
        "milliseconds": "",
        "microseconds": ", with the microseconds divided by 1,000",
        "nanoseconds": ", with the nanoseconds divided by 1,000,000",
    }[unit]


def json_form(path: Path) -> str:
    """What a file that isn't named like candles holds, where it is candles as JSON; empty else."""
    if path.suffix != ".json" or not path.is_file():
        return ""
    with path.open("rb") as file:
        start = b"".join(file.read(200).split())
    if not start.startswith((b"[[", b"[{")):
        return ""
    rows = "arrays [time, open, high, low, close, volume]" if start.startswith(b"[[") else "objects"
    return f"it looks like candles as JSON {rows}: as CSV, {_WRITE}"
