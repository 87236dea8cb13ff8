"""Where a certification is done, who is asked before it, and who watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.clock import Clock, Sleep
from domain.venue import AccountVenue
from graphs.certification.market import VenueMarket
from graphs.certification.reading import Intent
from graphs.certification.report import Watch
from graphs.runs.open_live import LiveDesk
from graphs.session.session import Session
from memory.store.database import Database
from policy.account import Arming
from tools.resilience import Plumbing


class Stop(Protocol):
    """Whether the certification was asked to end after the step that it is in."""

    @property
    def requested(self) -> bool: ...


class Operator(Protocol):
    """Who is asked before anything is sent. Each raises where it is not confirmed, or there is nobody to ask."""

    def confirm(self, intent: Intent) -> Arming: ...

    def confirm_cleaning(self, account: str, runs: Sequence[str]) -> Arming:
        """Of what certifications that were killed have left open."""
        ...


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where a certification is done: the account, the ledger, and who watches."""

    exchange: str
    desk: LiveDesk
    witness: AccountVenue
    """The account over a connection that sends nothing."""
    database: Database
    wall: Clock
    sleep: Sleep
    where: str
    sandbox: bool
    operator: Operator
    watch: Watch
    stop: Stop
    notice: Callable[[str], None]
    """Says a line to the operator."""

    def market(self, symbol: str) -> VenueMarket:
        return VenueMarket(self.desk.venue, name=self.exchange, symbol=symbol, wall=self.wall)

    def at_work(self, session: Session) -> Session:
        """`session` with the bench's clock and pauses."""
        session.wall = self.wall
        session.plumbing = Plumbing(session.clock, sleep=self.sleep)
        return session
