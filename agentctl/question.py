"""A question to a person about one order: the exact order, and what the gate found. Nothing in it is taken on trust."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from domain.decision import Proposal
from domain.digest import plain
from domain.errors import Refused
from domain.order import OrderRequest
from domain.value import Value
from graphs.archive.verdicts import archived_facts
from graphs.session.session import RunSettings
from memory.archive.archive import Archive
from memory.operators.approvals import Approval
from memory.store.database import Database
from memory.store.records import VerdictRecord
from policy import Finding, Verdict
from policy.case import Case
from policy.ruling import FactMissing

Standing = Literal["pending", "expired", "approved", "rejected"]


class Question(Value):
    """`approval` with what it is about, all of it held against the digests that were asked about."""

    approval: Approval
    proposal: Proposal
    order: OrderRequest
    """What would be sent, and what the ticket would be bound to."""
    verdict: Verdict
    currency: str
    """What prices and the notional are counted in."""
    worst_price: Decimal | None
    """As the gate valued the order; none where it could not."""
    notional: Decimal | None
    """At the worst price."""

    @property
    def asking(self) -> tuple[Finding, ...]:
        """The findings that a yes lets stand aside."""
        return tuple(f for f in self.verdict.findings if f.code in self.approval.codes)

    @property
    def near(self) -> tuple[Finding, ...]:
        """What else was found near its limit."""
        return tuple(f for f in self.verdict.findings if f.outcome == "warn")


def standing(approval: Approval, *, at: datetime) -> Standing:
    """How a question stands: one that nobody answered in time is a no."""
    return "expired" if approval.status == "pending" and at >= approval.expires_at else approval.status


async def open_question(approval: Approval, *, database: Database) -> Question:
    """Read what `approval` is about. Raises `Refused` when that is not what was asked about."""
    archive = Archive(database)
    record = await _record(approval, archive)
    verdict, order = _as_judged(approval, record)
    facts = archived_facts((await archive.blobs([record.facts]))[record.facts], key=record.facts)
    header = (await archive.run(approval.run_id)).header
    policy = RunSettings.model_validate_json(header.era(approval.cycle).settings).policy
    worst_price = _worst_price(Case(record.proposal, facts, policy=policy))
    return Question(
        approval=approval,
        proposal=record.proposal,
        order=order,
        verdict=verdict,
        currency=header.currency,
        worst_price=worst_price,
        notional=None if worst_price is None else order.quantity * worst_price,
    )


def _worst_price(case: Case) -> Decimal | None:
    try:
        return case.worst_price
    except FactMissing:
        return None


async def _record(approval: Approval, archive: Archive) -> VerdictRecord:
    for record in await archive.verdicts(approval.run_id, cycle=approval.cycle):
        if record.id == approval.verdict:
            return record
    raise Refused(f"the verdict that {approval.id} is about is not in the archive", remedy=_remedy(approval))


def _as_judged(approval: Approval, record: VerdictRecord) -> tuple[Verdict, OrderRequest]:
    """The verdict and the order, which a person is shown only as they were judged."""
    try:
        verdict, order = Verdict.model_validate_json(record.verdict), record.proposal.order()
    except ValueError as error:
        raise Refused(f"the verdict that {approval.id} is about can't be read", remedy=_remedy(approval)) from error
    digests = (verdict.digest, record.proposal.digest, verdict.order_digest, order.digest)
    if digests != (approval.verdict, verdict.proposal_digest, approval.order_digest, approval.order_digest):
        raise Refused(
            f"the order that {approval.id} is about was changed since it was judged", remedy=_remedy(approval)
        )
    return verdict, order


def _remedy(approval: Approval) -> str:
    return f"agentctl replay --run {approval.run_id} verifies the run"


def order_in_words(order: OrderRequest) -> str:
    """The whole order in one line, as `buy 0.5 BTC/USDT at the market, IOC`."""
    words = f"{order.side} {plain(order.quantity)} {order.symbol} {_price(order)}, {order.time_in_force}"
    words = f"{words}, post-only" if order.post_only else words
    return f"{words}, reduce-only" if order.reduce_only else words


def _price(order: OrderRequest) -> str:
    if order.trigger_price is not None:
        return f"at the market once it trades at {plain(order.trigger_price)}"
    return "at the market" if order.limit_price is None else f"at {plain(order.limit_price)} or better"


def when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
