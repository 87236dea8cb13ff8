"""Run results and books as tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from agentctl.output import print_table
from agentctl.paper import describe
from agents.models import RULES
from domain.decision import Decision
from domain.digest import plain
from domain.order import PAST_LIMIT
from domain.text import reveal, visible
from graphs.archive.result import OrderLine, RunResult

_MOST_ORDERS = 12
_MOST_REASONS = 5
_MOST_CHANGES = 12


def show_result(result: RunResult) -> None:
    """How a run went: what was decided, what the gate refused, what was traded, what it came to."""
    setting = f"{result.market}, {result.timeframe}, {result.model}, {result.mode}"
    print(f"run {result.run_id} {result.status}: {result.cycles} cycles on {setting}")
    if result.trading is not None:
        print(visible(f"trading: {result.trading.describe}"))
    if result.costs is not None:
        print(f"paper costs: {describe(result.costs, symbols=result.symbols)}")
    for note in result.notes:
        print(reveal(f"note: {note}"))
    _show_eras(result)
    outcomes = Counter(d.outcome for d in result.decisions)
    counted = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.most_common())
    print(f"decisions: {len(result.decisions)} ({counted or 'none'}); contexts archived: {len(result.snapshots)}")
    refused = Counter(
        reason.split(":")[0] for d in result.decisions if d.outcome in ("deny", "review") for reason in d.reasons
    )
    if refused:
        print("refused by: " + ", ".join(f"{code} {n}" for code, n in refused.most_common(_MOST_REASONS)))
    if declined := Counter(filter(None, map(_declined, result.decisions))):
        print("declined: " + "; ".join(f"{n} times {why}" for why, n in declined.most_common(_MOST_REASONS)))
    if result.orders:
        hidden = len(result.orders) - _MOST_ORDERS
        title = f"orders, the last {_MOST_ORDERS} of {len(result.orders)}" if hidden > 0 else "orders"
        order_table(title, result.orders[-_MOST_ORDERS:])
    if missed := sum(PAST_LIMIT in order.reason for order in result.orders):
        print(f"not entered: {missed} times {PAST_LIMIT} before the order could fill")
    money = result.equity
    verdict = (
        "reconciled with every fill and fee" if money.reconciled else "NOT RECONCILED: agentctl positions says why"
    )
    print(
        f"equity: {cents(money.start)} to {cents(money.end)} "
        f"(realized {cents(money.realized)}"
        + (f", of it funding {cents(money.funding)}" if money.funding else "")
        + f", unrealized {cents(money.unrealized)}, fees {cents(money.fees)}"
        + (f", brought in {cents(money.contributed)}" if money.contributed else "")
        + f"), {verdict}"
    )
    for position in result.open_positions:
        print(f"still open: {position.describe(result.venue)}")
    print("; ".join(_spent(result)))
    if result.model_failures:
        kinds = ", ".join(f"{kind} {n}" for kind, n in result.model_failures.items())
        print(f"questions to the model without an answer: {kinds}")
    print(f"replay it to the byte: agentctl replay --run {result.run_id}")


def _show_eras(result: RunResult) -> None:
    """What changed in the run, and from which cycle on; what decided at the start first."""
    for era in result.eras:
        who = f", by {visible(era.by)} on {era.at:%Y-%m-%d %H:%M} UTC" if era.at else ""
        why = f": {visible(era.reason)}" if era.reason else ""
        policy = f"policy {era.policy} {era.policy_digest[:12]}"
        print(f"from cycle {era.from_cycle}: {era.model}, {policy}, version {era.version}, {era.digest[:12]}{who}{why}")
        for change in era.changes[:_MOST_CHANGES]:
            print(f"  {visible(str(change))}")
        if len(era.changes) > _MOST_CHANGES:
            print(f"  and {len(era.changes) - _MOST_CHANGES} more: --json shows all")
    for cycle in result.cut_short:
        print(f"cycle {cycle} was cut short: another version began it, and what it had done by then stands")


def _declined(decision: Decision) -> str:
    """Why Risk proposed no order for what was thought of a symbol; empty where it proposed one or kept a position."""
    if decision.outcome != "hold" or len(decision.reasons) < 2 or decision.reasons[-1].startswith("position kept"):
        return ""
    return visible(decision.reasons[-1])


def _spent(result: RunResult) -> Iterator[str]:
    """What the model and the time came to; nothing of what the rules analyst doesn't take, or nobody measured."""
    cost = result.cost
    usd = "unknown" if cost.usd is None else plain(cost.usd)
    yield (
        "model: rules, no tokens"
        if (result.model, cost.tokens) == (RULES, 0)
        else f"model: {cost.tokens} tokens, {usd} USD"
    )
    if result.timings.median_ms:
        yield f"time per cycle: median {result.timings.median_ms:.1f} ms"


def order_table(title: str, orders: Sequence[OrderLine]) -> None:
    columns = ("order", "symbol", "side", "type", "quantity", "price", "state", "filled", "fee")
    rows = [
        (
            o.client_order_id[:12],
            o.symbol,
            o.side,
            o.type,
            plain(o.quantity),
            plain(o.price) if o.price is not None else "",
            o.state.value,
            plain(o.filled),
            plain(o.fee),
        )
        for o in orders
    ]
    print_table(title, columns, rows, right=("quantity", "price", "filled", "fee"))


def cents(value: Decimal) -> str:
    return f"{value:,.2f}"
