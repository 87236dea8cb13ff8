"""One archived context as tables, for a terminal and for a page."""

from __future__ import annotations

from agentctl.page import grid, page, paragraph, preformatted
from domain.digest import plain
from graphs.archive.snapshots import Replayed

TableOf = tuple[str, tuple[str, ...], list[tuple[str, ...]], tuple[str, ...]]
"""Title, columns, rows, and the columns of numbers."""


def tables(replayed: Replayed) -> tuple[TableOf, ...]:
    """The lanes with their part of the budget, what was sent, and what was left out with the reason."""
    snapshot, made = replayed.snapshot, replayed.synthesis
    lanes = [
        (
            lane.lane,
            lane.state + (", mandatory" if lane.mandatory else ""),
            str(lane.sent),
            str(lane.left_out),
            str(lane.tokens),
            bar(lane.tokens, snapshot.budget),
        )
        for lane in made.lanes
    ]
    rest = snapshot.tokens - sum(lane.tokens for lane in made.lanes)
    brief = ("brief and headings", "always sent", "", "", str(rest), bar(rest, snapshot.budget))
    sent = [(s.item.id, s.lane, plain(s.score), str(s.tokens), s.item.trust) for s in made.selected]
    dropped = [
        (
            d.item_id,
            d.lane,
            d.reason,
            "" if d.score is None else plain(d.score),
            "" if d.tokens is None else str(d.tokens),
            d.instead,
        )
        for d in made.dropped
    ]
    counts = ("sent", "left out", "tokens")
    return (
        ("lanes", ("lane", "state", *counts, "of the budget"), [brief, *lanes], counts),
        ("sent", ("item", "lane", "score", "tokens", "trust"), list(sent), ("score", "tokens")),
        ("left out", ("item", "lane", "reason", "score", "tokens", "instead"), list(dropped), ("score", "tokens")),
    )


_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(tokens: int, budget: int, *, width: int = 20) -> str:
    """Part of the budget as a bar of `width` blocks, to an eighth of one; what is there at all is seen."""
    if tokens <= 0 or budget <= 0:
        return ""
    whole, rest = divmod(max(1, round(tokens / budget * width * 8)), 8)
    return "█" * whole + _EIGHTHS[rest].strip()


def snapshot_page(replayed: Replayed) -> str:
    """The context as one HTML page."""
    snapshot = replayed.snapshot
    lead = (
        f"Run {replayed.record.run_id}, cycle {snapshot.cycle}, {snapshot.subject}, "
        f"as of {snapshot.as_of:%Y-%m-%d %H:%M} UTC: {snapshot.tokens} of {snapshot.budget} tokens by "
        f"{snapshot.tokenizer}, asked of {snapshot.request.model}."
    )
    grids = [grid(title, columns, rows) for title, columns, rows, _ in tables(replayed)]
    messages = [preformatted(message.role, message.content) for message in replayed.synthesis.messages]
    answer = preformatted("answer", snapshot.answer.body or snapshot.answer.failure)
    notes = [paragraph(f"Note: {note}.") for note in snapshot.answer.notes]
    return page(f"snapshot {replayed.record.id[:12]}", paragraph(lead), *grids, *messages, answer, *notes)
