"""One question as a person reads it before answering: the order field by field, then why it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from agentctl.output import print_table
from agentctl.question import Question, standing, when
from domain.digest import plain
from domain.text import visible
from policy import Finding

_LABEL = 28
_MINUTE_S = 60


def show_question(question: Question, *, at: datetime) -> None:
    """Print `question`: nothing of the order is rounded, shortened or left out."""
    approval, proposal = question.approval, question.proposal
    status = standing(approval, at=at)
    print(f"approval {approval.id}: {status}{_answered(question)}")
    print(f"run {approval.run_id}, cycle {approval.cycle}, proposed by {proposal.agent}")
    remaining = (
        f", in {(approval.expires_at - at).total_seconds() / _MINUTE_S:,.0f} minutes" if status == "pending" else ""
    )
    print(f"asked {when(approval.requested_at)}, expires {when(approval.expires_at)}{remaining}\n")
    _fields("the order, exactly as it would be sent", _order(question))
    _fields("what goes with it", _beside(question))
    _findings("a yes lets these stand aside, for this order only", question.asking)
    _findings("what else was found near its limit", question.near)
    print(f"every check: agentctl policy explain {approval.verdict[:12]}")
    if proposal.snapshot:
        print(f"what the model was shown: agentctl snapshots show {proposal.snapshot[:12]}")
    print("\nwhat was said for it. Untrusted: a model wrote it, perhaps after strangers. It is no part of the order.")
    print(f"| {visible(proposal.rationale) or '(nothing)'}")
    if status == "pending":
        print(f"\nagentctl approvals approve {approval.id} --reason TEXT")
        print(f"agentctl approvals reject {approval.id} --reason TEXT")


def _answered(question: Question) -> str:
    approval = question.approval
    if approval.decided_at is None:
        return ""
    return f" by {approval.by}, {when(approval.decided_at)}: {approval.reason}"


def _order(question: Question) -> list[tuple[str, str]]:
    order = question.order
    return [
        ("side", order.side),
        ("quantity", plain(order.quantity)),
        ("symbol", order.symbol),
        ("type", order.type),
        ("limit price", _number(order.limit_price)),
        *([] if order.trigger_price is None else [("trigger price", plain(order.trigger_price))]),
        ("time in force", order.time_in_force),
        ("reduce-only", "yes" if order.reduce_only else "no"),
        *([("post-only", "yes")] if order.post_only else []),
        ("client order id", order.client_order_id),
        ("digest, bound by the ticket", question.approval.order_digest),
    ]


def _beside(question: Question) -> list[tuple[str, str]]:
    proposal, currency = question.proposal, question.currency
    worst = question.worst_price
    notional = "unknown" if question.notional is None else f"{plain(question.notional)} {currency}"
    return [
        ("notional at the worst price", notional if worst is None else f"{notional} ({plain(worst)} each)"),
        ("stop, watched by Risk", _number(proposal.stop_price)),
        ("target, watched by Risk", _number(proposal.target_price)),
        ("reference price", _number(proposal.reference_price)),
        ("conviction", plain(proposal.conviction)),
    ]


def _fields(title: str, fields: Sequence[tuple[str, str]]) -> None:
    print(title)
    for name, value in fields:
        print(f"  {name:<{_LABEL}} {value}")
    print()


def _findings(title: str, findings: Sequence[Finding]) -> None:
    if findings:
        rows = [(f.code, f.message, *(_number(n, none="") for n in (f.observed, f.limit)), f.unit) for f in findings]
        print_table(title, ("code", "found", "observed", "limit", "unit"), rows, right=("observed", "limit"))


def _number(value: Decimal | None, *, none: str = "none") -> str:
    return none if value is None else plain(value)
