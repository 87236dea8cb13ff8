"""Progress of a run as typed events: what a live table, a log or a notebook listens to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from domain.decision import Decision, Proposal
from domain.order import Fill
from domain.portfolio import Portfolio
from domain.statement import ExternalEvent
from memory.operators.controls import Control
from policy import Verdict


@dataclass(frozen=True, slots=True)
class CycleStarted:
    cycle: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class NodeStarted:
    cycle: int
    node: str
    subject: str


@dataclass(frozen=True, slots=True)
class NodeEnded:
    cycle: int
    node: str
    subject: str
    elapsed_ms: float
    result: str
    """In a few words."""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class GateSpoke:
    cycle: int
    proposal: Proposal
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CycleEnded:
    cycle: int
    as_of: datetime
    decisions: tuple[Decision, ...]
    fills: tuple[Fill, ...]
    portfolio: Portfolio
    elapsed_ms: float
    met: Mapping[str, Literal["stop", "target"]] = field(default_factory=dict)
    """By trade id, which price was met where an order filled that the venue held."""


@dataclass(frozen=True, slots=True)
class ControlRead:
    """The trading state in which a cycle works."""

    cycle: int
    control: Control


@dataclass(frozen=True, slots=True)
class MarketSaid:
    """What a live market waits for, what of it did not answer, and what of a live account a person should know."""

    text: str


@dataclass(frozen=True, slots=True)
class Liquidated:
    """A position on paper that was closed because the account could not keep it."""

    cycle: int
    event: ExternalEvent


Event = CycleStarted | ControlRead | NodeStarted | NodeEnded | GateSpoke | CycleEnded | Liquidated | MarketSaid
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that does not listen."""
