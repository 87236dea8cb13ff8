"""What the archive takes in and hands out about runs: headers, cycles, steps, snapshots, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal, Self

from pydantic import Field

from domain.decision import Decision, Outcome, Proposal
from domain.digest import digest
from domain.money import ZERO
from domain.order import ClientOrderId
from domain.portfolio import Portfolio
from domain.statement import ExternalEvent
from domain.value import Amount, Digest, Instant, NonNegative, Symbol, Value, absent
from policy.account import ClosedTrade
from policy.escalation import Step as EscalationStep

RunStatus = Literal["running", "interrupted", "finished", "failed"]
EndStatus = Literal["interrupted", "finished", "failed"]


class Era(Value):
    """What decides from a cycle on: a fork begins a new one, and so does a resume that changes something."""

    from_cycle: int
    model: str
    settings: str
    """As canonical JSON."""
    version: str = Field(default="", exclude_if=absent)
    """That of agentctl which decides, where it is another than before."""
    at: Instant | None = Field(default=None, exclude_if=absent)
    """When a resume began it; the audit log has it too. `None` for what a run or a fork began with."""
    by: str = Field(default="", exclude_if=absent)
    reason: str = Field(default="", exclude_if=absent)

    @property
    def digest(self) -> str:
        version = {"version": self.version} if self.version else {}
        return digest({"model": self.model, "settings": self.settings, **version})


class EarlierLoss(Value):
    """What runs before a live one lost on the same account, from a moment on until it began."""

    since: Instant
    amount: NonNegative


class Before(Value):
    """What the limits of a live run count of the account's earlier runs."""

    losses: tuple[EarlierLoss, ...] = ()
    """In the day and the week in which it began."""
    closed: tuple[ClosedTrade, ...] = ()
    """The trades after which it may still have to rest; the oldest first."""

    def lost_from(self, moment: datetime) -> Decimal:
        """The loss that counts for what is measured from `moment` on, where the run itself began later than that."""
        within = [loss for loss in self.losses if loss.since >= moment]
        return min(within, key=lambda loss: loss.since).amount if within else ZERO


class RunHeader(Value):
    """What a run was started with. Two runs of equal `config_digest` decide the same on the same data."""

    run_id: str
    graph: str
    market: str
    model: str
    mode: Literal["paper", "live"]
    seed: int
    symbols: tuple[Symbol, ...]
    timeframe: str
    currency: str
    start_cash: NonNegative
    policy_digest: Digest
    settings: str
    """Everything else that was set, as canonical JSON."""
    planned_cycles: int | None = Field(default=None, exclude_if=absent)
    """How many were asked for; `None` goes on until it is stopped. What is decided in a cycle does not depend on it."""
    version: str
    created_at: Instant
    parent: str | None = None
    """The run that this one was forked from."""
    eras: tuple[Era, ...] = ()
    """What forks and resumes changed, by the cycles in which they did; of two that begin in one cycle the later."""
    account: str = Field(default="", exclude_if=absent)
    """Of a live run: the venue's account, as `okx:123456`."""
    opened_at: Instant | None = Field(default=None, exclude_if=absent)
    """Of a live run: the moment of the statement that its books were opened with, by the venue's clock."""
    venue_stops: tuple[Symbol, ...] = Field(default=(), exclude_if=absent)
    """The symbols in which the venue holds stops; in the others they are watched at each tick."""
    attaches: tuple[Symbol, ...] = Field(default=(), exclude_if=absent)
    """The symbols in which the venue attaches stop and target to an entry, and holds both as one order."""
    batch: int = Field(default=0, exclude_if=absent)
    """Of a live run: how many entries the venue takes in one request; below 2 each goes alone."""
    opening: tuple[ExternalEvent, ...] = Field(default=(), exclude_if=absent)
    """Of a live run: what the account held then besides cash, and what of it was adopted."""
    before: Before | None = Field(default=None, exclude_if=absent)
    """Of a live run."""

    @property
    def exchange(self) -> str:
        """Of a live run: where it trades. A second exchange in `market` only shows and checks prices."""
        return self.market.partition(",")[0]

    def era(self, cycle: int) -> Era:
        """What decides in `cycle`."""
        begun = [era for era in self.eras if era.from_cycle <= cycle]
        return begun[-1] if begun else self.first_era

    @property
    def first_era(self) -> Era:
        """What the run began with, unless it is a fork."""
        return Era(from_cycle=0, model=self.model, settings=self.settings)

    @property
    def last_era(self) -> Era:
        """What decides from now on."""
        return self.eras[-1] if self.eras else self.first_era

    def version_at(self, cycle: int) -> str:
        """The version of agentctl that decided `cycle`."""
        versions = [era.version for era in self.eras if era.from_cycle <= cycle and era.version]
        return versions[-1] if versions else self.version

    @property
    def config_digest(self) -> str:
        """The digest of what the first cycle is decided by, and not of who, when and how long.

        The first link of the chain of seals.
        """
        left_out = {"run_id", "created_at", "parent", "planned_cycles", "eras", "account", "opened_at"}
        config = {name: getattr(self, name) for name in set(type(self).model_fields) - left_out}
        for late in ("opening", "venue_stops", "attaches", "batch", "before"):
            if not config[late]:
                del config[late]
        return digest(config)


class RunRecord(Value):
    """A run as it stands."""

    header: RunHeader
    status: RunStatus
    ended_at: Instant | None
    cycles: int
    """How many were closed."""
    seal: Digest
    """That of the last closed cycle; before the first, the header's `config_digest`."""

    @property
    def era(self) -> Era:
        """What decides now: in a fork, and after a resume, what was changed last."""
        return self.header.last_era


class Figures(Value):
    """What an account is worth at the end of a cycle, in its currency."""

    cash: Amount
    equity: Amount
    realized: Amount
    unrealized: Amount
    fees: Amount
    contributed: Amount = Field(default=ZERO, exclude_if=absent)
    """What of the equity was brought in since the start, less what was taken out."""

    @property
    def own(self) -> Decimal:
        """What the account would be worth if nothing had been brought in or taken out: what losses are measured on."""
        return self.equity - self.contributed

    @classmethod
    def of(cls, portfolio: Portfolio) -> Self:
        return cls(
            cash=portfolio.cash,
            equity=portfolio.equity,
            realized=portfolio.realized,
            unrealized=portfolio.unrealized,
            fees=portfolio.fees,
            contributed=portfolio.contributed,
        )


class CycleRecord(Value):
    """One closed cycle in short."""

    cycle: int
    as_of: Instant
    era: Digest | None = None
    """The digest of the settings and the model that decided."""
    decisions: tuple[Decision, ...]
    figures: Figures | None
    """`None` when a held position had no price: unknown, not zero."""
    tokens: int = 0
    usd: Decimal | None = None
    """What its model calls cost; `None` where a price is not known."""
    step: EscalationStep = "none"
    """How near the cycle found the account to its loss limits."""
    unprotected: tuple[tuple[Symbol, str], ...] = Field(default=(), exclude_if=absent)
    """The positions for which the venue held no stop when the cycle ended, and why, where it holds any."""
    cut_short: str = Field(default="", exclude_if=absent)
    """Why it came to no end of its own: what it had done by then stands, and nothing more was decided in it."""


class ClosedCycle(Value):
    """A cycle as it is in the chain. `timings` in milliseconds; they are not under the seal."""

    record: CycleRecord
    timings: Mapping[str, float]
    previous: Digest
    seal: Digest


class Step(Value):
    """What one node gave for one subject: canonical JSON and the row's digest."""

    cycle: int
    node: str
    subject: str
    body: str
    digest: Digest


PRUNED = ""
"""Stands where a pruned snapshot's body was. Its row, id and digest stay, and so do the seals over them."""


class SnapshotRecord(Value):
    """One archived context. `body` is canonical JSON; `blobs` are the texts that it points at."""

    run_id: str
    cycle: int
    subject: str
    id: Digest
    previous: Digest | None
    blobs: tuple[Digest, ...]
    body: str
    """`PRUNED` once it was let go."""

    @property
    def pruned(self) -> bool:
        return self.body == PRUNED


class VerdictRecord(Value):
    """One word of the gate, with what it was about. `facts` is the digest of a blob."""

    run_id: str
    cycle: int
    client_order_id: ClientOrderId
    n: int = 0
    """Above 0: judged again after a person's answer."""
    id: Digest
    symbol: Symbol
    outcome: Outcome
    proposal: Proposal
    verdict: str
    facts: Digest
