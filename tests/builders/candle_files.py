"""Candle files on disk, good and bad."""

from __future__ import annotations

import gzip
from pathlib import Path

HEADER = "timestamp_ms,open,high,low,close,volume"
FIRST_MS = 1_735_689_600_000
STEP_MS = 300_000


def a_row(number: int, *, prices: str = "100,101,99,100.5", volume: str = "10") -> str:
    return f"{FIRST_MS + number * STEP_MS},{prices},{volume}"


def rows(*numbers: int) -> str:
    return "\n".join([HEADER, *(a_row(number) for number in numbers)]) + "\n"


CLEAN = rows(*range(6))


def a_file(folder: Path, text: str, *, name: str = "ETH-USDT_5m.csv") -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path
