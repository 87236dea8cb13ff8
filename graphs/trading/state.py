"""What flows through the trading graph in one cycle. Values only: services live on the cycle, not in the state."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

from agents.risk import Plan
from agents.sending import Approved
from agents.signal import Scan
from domain.decision import Episode, Signal, Thesis
from domain.order import OrderReport
from domain.portfolio import Portfolio
from domain.statement import ExternalEvent
from domain.value import Value
from graphs.account.survey import Evidence
from graphs.trading.protection_record import Protection
from policy import Verdict
from policy.account import Consent


class NodeFailure(Value):
    """A node that failed in a way the cycle survives: a value with a name, not a silence."""

    node: str
    subject: str
    error: str


class CycleState(TypedDict, total=False):
    portfolio: Portfolio | None
    reports: Annotated[list[OrderReport], operator.add]
    account: Evidence
    """Of a live desk: what the venue's account showed."""
    settled: list[ExternalEvent]
    """Of a desk on paper: what funding and liquidation did to its perpetuals since the last cycle."""
    scan: Scan
    candidate: Signal
    """Only in the input of one research task."""
    theses: Annotated[list[Thesis], operator.add]
    bare: list[str]
    """Symbols of positions that lack their stop at the venue as the cycle begins."""
    guarded: bool
    """Where something is held and the venue holds stops, and on a live desk: whether stops are to be seen to whatever
    is sent."""
    plan: Plan
    verdicts: list[Verdict]
    approved: list[Approved]
    """Of the last look of the gate."""
    asked: list[str]
    """Client order ids of the orders that a person is asked about."""
    consents: list[Consent]
    verdicts_again: list[Verdict]
    """On orders that a person let stand."""
    protection: Protection
    """As the last look at the stops found and left them."""
    episodes: list[Episode]
    failures: Annotated[list[NodeFailure], operator.add]
