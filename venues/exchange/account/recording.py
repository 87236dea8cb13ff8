"""What went over the wire between a venue and its exchange, to be kept and shown: without keys, names and other money.

A `Recorder` listens to a venue, and a `Recording` is what it heard once `scrubbing` has taken out what is nobody's
business. The exchange double serves one back: `exchange_double.recorded`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from domain.clock import Clock
from domain.digest import jsonable
from domain.errors import UsageError
from domain.value import Instant, Symbol, Value, absent
from venues.exchange.account.scrubbing import Owner, Raw, scrubbed
from venues.exchange.guarded_client import Heard

_MILLISECOND = timedelta(milliseconds=1)


class WireCall(Value):
    """One request and what came back."""

    step: str
    """Of the certification, in which it was made."""
    at: Instant
    """When its answer was there, or it was given up."""
    elapsed_ms: int
    method: str
    path: str
    params: Mapping[str, JsonValue]
    """Of query and body, without what signs them."""
    status: int | None
    """HTTP's; `None` where no answer came."""
    answer: JsonValue
    """`None` where there was none, or none that can be read as JSON."""


class Recording(Value):
    """A certification on the wire, in the order in which the answers came."""

    format: Literal[1] = 1
    exchange: str
    symbol: Symbol
    sandbox: bool
    version: str
    """Of agentctl."""
    started_at: Instant
    results: Mapping[str, str]
    """By step, what came of it."""
    left: tuple[str, ...] = Field(default=(), exclude_if=absent)
    calls: tuple[WireCall, ...]

    def write(self, path: Path) -> None:
        """For the owner alone, and never over another. Raises `UsageError` where it can't be written."""
        text = json.dumps(jsonable(self), indent=1, ensure_ascii=False) + "\n"
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)  # whatever the umask says
                file.write(text)
        except OSError as error:
            raise UsageError(
                f"the recording {path} can't be written: {error.strerror}", remedy="Name another file: --recording FILE"
            ) from None

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Raises `UsageError` for what is none."""
        try:
            return cls.model_validate_json(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise UsageError(f"{path} is no recording: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    step: str
    at: datetime
    heard: Heard


class Recorder:
    """Listens to one venue, or several of one account. What it hears stays in memory until `calls` is asked."""

    def __init__(self, wall: Clock) -> None:
        self._wall = wall
        self._heard: list[_Entry] = []
        self.step = ""

    def __call__(self, heard: Heard) -> None:
        self._heard.append(_Entry(step=self.step, at=self._wall.now(), heard=heard))

    def calls(self, owner: Owner) -> Sequence[WireCall]:
        """All that was heard, scrubbed for `owner`."""
        raws = [
            Raw(
                method=entry.heard.method,
                url=entry.heard.url,
                headers=entry.heard.headers,
                body=entry.heard.body,
                answer=entry.heard.answer,
            )
            for entry in self._heard
        ]
        return [
            WireCall(
                step=entry.step,
                at=entry.at,
                elapsed_ms=max(0, (entry.at - entry.heard.at) // _MILLISECOND),
                method=entry.heard.method,
                path=clean.path,
                params=clean.params,
                status=entry.heard.status,
                answer=clean.answer,
            )
            for entry, clean in zip(self._heard, scrubbed(raws, owner), strict=True)
        ]
