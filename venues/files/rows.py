"""The raw rows of a file of market data as text, from CSV, gzipped CSV or Parquet, within fixed bounds."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TextIO

from domain.errors import UsageError
from venues.files.forms import form_of

COLUMNS = ("timestamp_ms", "open", "high", "low", "close", "volume")

MOST_ROWS = 2_000_000
"""Rows that one file may have: almost four years of 1m bars, about 1.5 GB when read."""

_LONGEST_LINE = 4_096
_BATCH = 8_192
_SAMPLE = 3


class Unreadable(Exception):
    """Reading a file ended at `line`, because of `what`."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


def rows_of(
    path: Path, *, columns: Sequence[str] = COLUMNS, most_rows: int = MOST_ROWS
) -> Iterator[tuple[int, Sequence[str]]]:
    """Each row with its line, counted from 1 with the header; in Parquet, which holds candles, with its row, from 1.

    Raises `Unreadable` for what is not such a file and for more than `most_rows`, and `UsageError`
    when the file can't be opened at all.
    """
    rows = _parquet_rows(path, most_rows) if path.suffix == ".parquet" else _csv_rows(path, columns)
    try:
        for count, row in enumerate(rows, start=1):
            if count > most_rows:
                raise Unreadable(row[0], f"there are more than {most_rows:,} rows; split the file")
            yield row
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}") from error


def _csv_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    line = 1
    try:
        with _opened(path) as handle:
            reader = csv.reader(_lines(handle))
            header = tuple(next(reader, ()))
            if header != tuple(columns):
                form = form_of([header, *_first(reader)]) if columns == COLUMNS else ""
                raise Unreadable(1, _wrong_columns(header, columns) + (f"; {form}" if form else ""))
            for row in reader:
                line = reader.line_num
                yield line, row
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(line, f"the gzip stream is broken here: {error}") from error
    except UnicodeDecodeError as error:
        raise Unreadable(line, "this is not UTF-8 text") from error
    except csv.Error as error:
        raise Unreadable(line, f"this is not CSV: {error}") from error


def _first(reader: Iterator[list[str]]) -> list[list[str]]:
    """A few rows, to tell what kind of file this is, as far as they can be read."""
    with suppress(csv.Error, UnicodeDecodeError, Unreadable, EOFError, zlib.error, OSError):
        return list(islice(reader, _SAMPLE))
    return []


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _lines(handle: TextIO) -> Iterator[str]:
    """Lines of bounded length: a file without line ends must not be read whole."""
    number = 0
    while line := handle.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(("\n", "\r")):
            raise Unreadable(number, f"the line is longer than {_LONGEST_LINE} characters")
        yield line


def _parquet_rows(path: Path, most_rows: int) -> Iterator[tuple[int, Sequence[str]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(f"{path} needs pyarrow", remedy="pip install agentctl[parquet]") from error
    try:
        with parquet.ParquetFile(path) as file:
            header = tuple(file.schema_arrow.names)
            if sorted(header) != sorted(COLUMNS):
                raise Unreadable(1, _wrong_columns(header))
            if file.metadata.num_rows > most_rows:
                raise Unreadable(1, f"there are more than {most_rows:,} rows; split the file")
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(COLUMNS)):
                columns = [batch.column(name).to_pylist() for name in COLUMNS]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield number, ["" if cell is None else str(cell) for cell in cells]
    except pyarrow.ArrowException as error:
        raise Unreadable(1, f"this is not a Parquet file that can be read: {str(error).splitlines()[0]}") from error


def _wrong_columns(header: Sequence[str], columns: Sequence[str] = COLUMNS) -> str:
    faults = [f"no {name!r}" for name in columns if name not in header]
    faults += [f"unknown {name!r}" for name in header if name not in columns]
    what = ", ".join(faults[:8]) or "another order, or one twice"
    return f"the columns must be {','.join(columns)} in this order ({what})"
