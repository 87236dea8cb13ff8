"""HTML pages: self-contained, without scripts, everything from outside escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from domain.errors import UsageError
from domain.text import reveal

_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:2rem;max-width:80rem}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top;white-space:pre-wrap}"
    "th{background:#f3f3f3}pre{white-space:pre-wrap;background:#f8f8f8;padding:1rem}"
)


def page(title: str, *parts: str) -> str:
    """A page with a heading and parts made by the functions below."""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{_safe(title)}</title>\n<style>{_STYLE}</style>\n<h1>{_safe(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</html>\n"
    )


def paragraph(text: str) -> str:
    return f"<p>{_safe(text)}</p>"


def preformatted(title: str, text: str) -> str:
    return f"<h2>{_safe(title)}</h2>\n<pre>{_safe(text)}</pre>"


def grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table under a heading."""
    head = "".join(f"<th>{_safe(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{_safe(title)}</h2>\n<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _safe(text: str) -> str:
    return escape(reveal(text))


def write_page(path: Path, text: str) -> None:
    """Raises `UsageError` when the file can't be written."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", remedy="Name another file") from None
