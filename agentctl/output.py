"""What commands print: results on stdout as a table or one JSON document, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from domain.text import reveal

if TYPE_CHECKING:
    from rich.console import Console


INTERRUPTED = 130
"""The shell's code for Ctrl-C: what was going on is whole, but not done."""

_PIPE_WIDTH = 1_000
"""A table takes what its content needs; in a pipe nothing else bounds it."""


def print_json(value: object) -> None:
    """One JSON document on stdout: money as strings, instants in UTC."""
    from domain.digest import jsonable

    print(json_text(jsonable(value), indent=2))


def json_text(document: object, *, indent: int | None = None) -> str:
    """JSON in which letters of all scripts are letters, and characters that hide or reorder others are escapes."""
    return reveal(json.dumps(document, indent=indent, ensure_ascii=False))


def stderr_console() -> Console:
    """Where progress goes."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
) -> None:
    """A table on stdout; in a pipe it is as wide as its content, so that nothing is cut."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=not console.is_terminal)
    for row in rows:
        table.add_row(*(escape(reveal(cell)) for cell in row))
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(table)


def steadily(done_what: str) -> Callable[[int, int], None]:
    """Progress through cycles: a line on stderr every twentieth of the way."""
    console = stderr_console()

    def tell(done: int, cycles: int) -> None:
        if done % max(1, cycles // 20) == 0:
            console.print(f"{done_what} {done} of {cycles} cycles")

    return tell


def warn(text: str) -> None:
    """One line on stderr."""
    print(reveal(text), file=sys.stderr)
