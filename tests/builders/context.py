"""Context items, briefs and books with good defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from context import Brief, ContextItem

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
"""The `as_of` of these tests."""

BRIEF = Brief(system="You are an analyst.", instructions="Take a stance.", subject="BTC/USDT")

OPTIONAL = ("market-data", "market-events", "news-sentiment")


def an_item(item_id: str = "item-1", /, **over: Any) -> ContextItem:
    """Evidence in the lane `market-data`, available an hour ago."""
    fields: dict[str, Any] = {
        "id": item_id,
        "kind": "evidence",
        "text": f"Reading number {item_id}.",
        "tags": ("lane:market-data",),
        "source": "okx",
        "trust": "venue",
        "created_at": NOON - timedelta(hours=1),
        "available_at": NOON - timedelta(hours=1),
    }
    return ContextItem(**(fields | over))


def a_headline(item_id: str, text: str, /, **over: Any) -> ContextItem:
    return an_item(item_id, text=text, **({"tags": ("lane:news-sentiment",), "trust": "untrusted"} | over))


def a_constraint(item_id: str = "constraint-1", /, **over: Any) -> ContextItem:
    fields = {"kind": "constraint", "text": "No shorts.", "tags": ("lane:risk-factors",), "trust": "own"}
    return an_item(item_id, **(fields | over))


WORDS = ("bitcoin", "ether", "slides", "rallies", "inflows", "record", "miners", "sell.", "buy!", "not")

TEXTS = st.one_of(
    st.text(max_size=120),
    st.text(alphabet="比特币价格下跌。上涨！🚀📉 ", max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    st.just("x" * 400),
)


@st.composite
def item_lists(draw: st.DrawFn, *, lanes: tuple[str, ...] = OPTIONAL, max_size: int = 25) -> list[ContextItem]:
    """Evidence of every colour in `lanes`: fresh and stale, early and late, pinned, closed, shortenable."""
    count = draw(st.integers(0, max_size))
    return [
        an_item(
            f"item-{number}",
            text=draw(TEXTS),
            tags=(f"lane:{draw(st.sampled_from(lanes))}",),
            source=draw(st.sampled_from(["okx", "newswire", "blog"])),
            trust=draw(st.sampled_from(["venue", "untrusted"])),
            available_at=NOON + timedelta(minutes=draw(st.integers(-600, 60))),
            priority=draw(st.sampled_from(["p0", "p1", "p2", "p3"])),
            severity=draw(st.sampled_from(["low", "medium", "high", "critical"])),
            confidence=Decimal(draw(st.integers(0, 100))) / 100,
            ttl_s=draw(st.sampled_from([None, None, 7_200])),
            status=draw(st.sampled_from(["open", "open", "open", "closed"])),
            may_shorten=draw(st.booleans()),
        )
        for number in range(count)
    ]


STORIES = (
    "Bitcoin slides below 90,000 dollars as ETF outflows mount",
    "BREAKING: Bitcoin slides below 90,000 dollars amid ETF outflows mounting",
    "Bitcoin is sliding sharply below 90000 dollars on ETF outflows mounting today",
    "Bitcoin slides not below 90,000 dollars as ETF outflows mount",
    "Exchange halts all withdrawals after an attack",
    "Exchange is halting all withdrawals after the attack",
)


@st.composite
def told_items(draw: st.DrawFn, *, lanes: tuple[str, ...], ids: int = 12) -> ContextItem:
    """An item of one of a few ids that tells one of a few stories."""
    return a_headline(
        f"item-{draw(st.integers(1, ids))}",
        draw(st.sampled_from(STORIES)),
        tags=tuple(f"lane:{lane}" for lane in draw(st.sets(st.sampled_from(lanes), max_size=2))),
        source=draw(st.sampled_from(["newswire", "blog"])),
        available_at=NOON + timedelta(minutes=draw(st.integers(-90, 20))),
        priority=draw(st.sampled_from(["p1", "p2"])),
        confidence=Decimal(draw(st.integers(0, 4))) / 4,
        ttl_s=draw(st.sampled_from([None, 1_800, 3_600])),
        pinned=draw(st.sampled_from([False, False, False, True])),
        status=draw(st.sampled_from(["open", "open", "open", "closed"])),
    )
