"""One archived context as tables, for a terminal and for a page."""

from __future__ import annotations

from agentctl.page import grid, page, paragraph, preformatted
from domain.digest import plain
from graphs.archive.snapshots import Replayed

TableOf = tuple[str, tuple[str, ...], list[tuple[str, ...]], tuple[str, ...]]
"""Title, columns, rows, and the columns of numbers."""


def tables(seen: Replayed) -> tuple[TableOf, ...]:
    """The lanes with their part of the budget, what was sent, and what was left out with the reason."""
    kept, made = seen.snapshot, seen.synthesis
    lanes = [
        (
            lane.lane,
            lane.state + (", mandatory" if lane.mandatory else ""),
            str(lane.sent),
            str(lane.left_out),
            str(lane.tokens),
            bar(lane.tokens, kept.budget),
        )
        for lane in made.lanes
    ]
    rest = kept.tokens - sum(lane.tokens for lane in made.lanes)
    brief = ("brief and headings", "always sent", "", "", str(rest), bar(rest, kept.budget))
    sent = [(s.item.id, s.lane, plain(s.score), str(s.tokens), s.item.trust) for s in made.selected]
    left = [
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
        ("left out", ("item", "lane", "reason", "score", "tokens", "instead"), list(left), ("score", "tokens")),
    )


_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(tokens: int, budget: int, *, width: int = 20) -> str:
    """Part of the budget as a bar of `width` blocks, to an eighth of one; what is there at all is seen."""
    if tokens <= 0 or budget <= 0:
        return ""
    whole, rest = divmod(max(1, round(tokens / budget * width * 8)), 8)
    return "█" * whole + _EIGHTHS[rest].strip()


def snapshot_page(seen: Replayed) -> str:
    """The context as one HTML page."""
    kept = seen.snapshot
    lead = (
        f"Run {seen.record.run_id}, cycle {kept.cycle}, {kept.subject}, as of {kept.as_of:%Y-%m-%d %H:%M} UTC: "
        f"{kept.tokens} of {kept.budget} tokens by {kept.tokenizer}, asked of {kept.request.model}."
    )
    grids = [grid(title, columns, rows) for title, columns, rows, _ in tables(seen)]
    said = [preformatted(message.role, message.content) for message in seen.synthesis.messages]
    answer = preformatted("answer", kept.answer.body or kept.answer.failure)
    notes = [paragraph(f"Note: {note}.") for note in kept.answer.notes]
    return page(f"snapshot {seen.record.id[:12]}", paragraph(lead), *grids, *said, answer, *notes)
