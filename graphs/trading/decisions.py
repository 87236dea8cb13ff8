"""Decisions: what a cycle came to for each symbol, put together from what its nodes gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from domain.decision import Decision, Proposal, Thesis
from graphs.trading.state import CycleState
from policy import Verdict

_NOBODY = Decimal(0)


def decisions(state: CycleState, *, cycle: int, universe: tuple[str, ...]) -> tuple[Decision, ...]:
    """One line for every symbol of the universe, in its order."""
    theses = {t.symbol: t for t in state.get("theses", [])}
    plan = state.get("plan")
    proposals = {p.digest: p for p in plan.proposals} if plan else {}
    declined = dict(plan.declined) if plan else {}
    verdicts = _by_symbol((*state.get("verdicts", ()), *state.get("verdicts_again", ())))
    quiet = dict(state["scan"].quiet)
    lines = []
    for symbol in universe:
        if symbol in verdicts:
            lines.append(
                _judged(cycle, proposals[verdicts[symbol].proposal_digest], verdicts[symbol], theses.get(symbol))
            )
        elif symbol in theses:
            lines.append(_thought(cycle, theses[symbol], declined.get(symbol)))
        else:
            reasons = [quiet.get(symbol, ""), declined.get(symbol, "")]
            lines.append(
                Decision(
                    cycle=cycle,
                    symbol=symbol,
                    stance="abstain",
                    conviction=_NOBODY,
                    outcome="quiet",
                    reasons=tuple(r for r in reasons if r),
                )
            )
    return tuple(lines)


def _by_symbol(verdicts: Iterable[Verdict]) -> Mapping[str, Verdict]:
    """The last word on each order, and of the orders of one symbol (an exit in parts) the first that is allowed."""
    last = {verdict.client_order_id: verdict for verdict in verdicts}
    by_symbol: dict[str, Verdict] = {}
    for verdict in last.values():
        if verdict.symbol not in by_symbol or (
            by_symbol[verdict.symbol].outcome != "allow" and verdict.outcome == "allow"
        ):
            by_symbol[verdict.symbol] = verdict
    return by_symbol


def _judged(cycle: int, proposal: Proposal, verdict: Verdict, thesis: Thesis | None) -> Decision:
    allowed = verdict.outcome == "allow"
    agreed = thesis is not None and thesis.stance == proposal.side
    failed = (thesis.failure,) if thesis and thesis.failure else ()
    return Decision(
        cycle=cycle,
        symbol=proposal.symbol,
        stance=proposal.side,
        conviction=thesis.conviction if thesis and agreed else proposal.conviction,
        outcome=verdict.outcome,
        reasons=((proposal.rationale,) if allowed else verdict.reasons) + failed,
        client_order_id=verdict.client_order_id if allowed else None,
    )


def _thought(cycle: int, thesis: Thesis, declined: str | None) -> Decision:
    reason = thesis.failure or thesis.rationale
    return Decision(
        cycle=cycle,
        symbol=thesis.symbol,
        stance=thesis.stance,
        conviction=thesis.conviction,
        outcome="abstain" if thesis.stance == "abstain" else "hold",
        reasons=tuple(r for r in (reason, declined) if r),
    )
