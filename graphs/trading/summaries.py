"""What a node did, in a few words for people."""

from __future__ import annotations

from domain.digest import plain
from domain.money import ZERO
from graphs.trading.protection_record import Protection
from graphs.trading.state import CycleState


def in_words(node: str, update: CycleState) -> str:
    """One short line on what a node gave."""
    failures = update.get("failures", [])
    if failures:
        return failures[0].error
    match node:
        case "tick":
            line = f"{len(update['reports'])} order reports" if update["reports"] else "nothing working"
            if paid := [event.cash for event in update.get("settled", ()) if event.kind == "funding"]:
                line = f"{line}, funding {plain(sum(paid, ZERO))}"
            if "account" not in update:
                return line
            return f"{line}, account {'proven' if update['account'].proven else 'NOT PROVEN'}"
        case "signal":
            return ", ".join(f"{s.symbol} {s.direction} {plain(s.score)}" for s in update["scan"].signals) or "quiet"
        case "research":
            thesis = update["theses"][0]
            return f"{thesis.stance} {plain(thesis.conviction)}" + (f": {thesis.failure}" if thesis.failure else "")
        case "risk":
            plan = update["plan"]
            orders = [f"{p.side} {plain(p.quantity)} {p.symbol}" for p in plan.proposals]
            return "; ".join(orders or [f"{s}: {why}" for s, why in plan.declined]) or "nothing to do"
        case "protection_first" | "protection" | "protection_again":
            return _protected(update["protection"])
        case "gate":
            return f"{len(update['approved'])} of {len(update['verdicts'])} allowed"
        case "gate_again":
            return f"{len(update['approved'])} of {len(update['verdicts_again'])} allowed after a person's word"
        case "review":
            return f"{len(update['consents'])} let stand" if update["consents"] else "none let stand"
        case "execution" | "execution_again":
            return ", ".join(f"{r.symbol} {r.state.value}" for r in update["reports"])
        case "learning":
            return f"{len(update['episodes'])} trades closed" if update["episodes"] else "nothing closed"
    raise ValueError(f"unknown node {node!r}")


def _protected(protection: Protection) -> str:
    placed = [
        f"stop for {p.symbol} at {plain(p.trigger_price)}" for p in protection.proposals if p.trigger_price is not None
    ]
    missing = [f"{symbol}: {why}" for symbol, why in protection.unprotected]
    return "; ".join([*placed, *missing]) or "every stop stands"
