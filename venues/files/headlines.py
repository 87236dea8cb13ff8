"""Recorded headlines: one JSON object a line, checked as strictly as candles are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.candle import Headline
from domain.errors import UsageError
from domain.text import visible
from domain.value import Instant, Symbol
from venues.files.problems import Problems
from venues.files.text_file import is_there, require_file

NAME = "headlines.jsonl"

_LONGEST_LINE = 65_536
_LONGEST_TITLE = 500


class _Line(BaseModel):
    """What a line must hold. Other fields are a collector's own business."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    title: str
    source: str
    symbols: tuple[Symbol, ...]
    published_at: Instant

    def headline(self) -> Headline:
        """As the house may show it: untrusted text without what can't be seen."""
        return Headline(
            id=visible(self.id),
            title=visible(self.title, limit=_LONGEST_TITLE),
            source=visible(self.source),
            symbols=self.symbols,
            available_at=self.published_at,
        )


def read_headlines(path: Path) -> Sequence[Headline]:
    """Every headline of `path`, oldest first; none when there is no such file.

    Raises `MarketDataError` naming each bad line.
    """
    if not is_there(path):
        return ()
    problems = Problems()
    by_id: dict[str, Headline] = {}
    try:
        require_file(path)
        with path.open("rb") as handle:
            number = 0
            while (raw := handle.readline(_LONGEST_LINE)) and not problems.enough:
                number += 1
                headline = _read(raw, path=path, line=number, problems=problems)
                if headline is None:
                    continue
                if headline.id in by_id:
                    problems.add(path, line=number, what=f"the id {headline.id!r} is there twice")
                by_id[headline.id] = headline
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{path} can't be read: {error}", remedy="Write one headline a line into it") from None
    problems.refuse()
    return sorted(by_id.values(), key=lambda headline: (headline.available_at, headline.id))


def _read(raw: bytes, *, path: Path, line: int, problems: Problems) -> Headline | None:
    try:
        headline = _Line.model_validate(json.loads(raw)).headline()
    except ValidationError as error:
        for fault in error.errors():
            field = ".".join(map(str, fault["loc"])) or "the line"
            problems.add(path, line=line, what=f"{field}: {fault['msg']}")
        return None
    except (ValueError, RecursionError) as error:
        problems.add(path, line=line, what=f"this is not one JSON object: {visible(str(error), limit=120)}")
        return None
    if not headline.id or not headline.title:
        problems.add(path, line=line, what="the id and the title must have text that can be seen")
        return None
    return headline
