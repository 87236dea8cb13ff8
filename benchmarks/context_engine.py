"""The context engine alone: time to synthesise, value against the optimum, upserts, bytes a snapshot.

Run with `python benchmarks/context_engine.py`. Times are CPU times; `loop` is a plain loop of ten million
additions on the same machine, to compare machines by.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from context import DEFAULT_LANES, Brief, ContextBook, ContextItem, ModelAnswer, ModelRequest, Pieces, Snapshot, blobs
from context.packing.pack import NOTHING, Compartment, Parcel, pack
from domain.digest import GENESIS, canonical

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
BRIEF = Brief(system="You are an analyst of one market.", instructions="Take a stance.", subject="BTC/USDT")
LANES = [lane.id for lane in DEFAULT_LANES.lanes if not lane.mandatory]
VOCABULARY = [
    a + b for a in ("ba", "co", "di", "fu", "ge", "li", "mo", "ra", "so", "tu") for b in ("ker", "lance", "ming")
]
BUDGET = 1_500


def an_item(number: int, rng: random.Random) -> ContextItem:
    words = " ".join(rng.choices(VOCABULARY, k=rng.randint(6, 30)))
    return ContextItem(
        id=f"item-{number}",
        kind="evidence",
        text=f"{words} {rng.randint(1, 10**6)}",
        tags=(f"lane:{rng.choice(LANES)}",),
        source=rng.choice(["okx", "newswire", "blog"]),
        trust=rng.choice(["venue", "untrusted"]),
        created_at=NOON - timedelta(seconds=rng.randint(0, 20_000)),
        available_at=NOON - timedelta(seconds=rng.randint(0, 20_000)),
        priority=rng.choice(["p0", "p1", "p2", "p3"]),
        severity=rng.choice(["low", "medium", "high", "critical"]),
        confidence=Decimal(rng.randint(0, 100)) / 100,
    )


def items(count: int, *, seed: int = 1) -> list[ContextItem]:
    rng = random.Random(seed)
    return [an_item(number, rng) for number in range(count)]


def cpu_ms(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1_000


def ten_million_additions() -> None:
    total = 0
    for number in range(10_000_000):
        total += number


def synthesize(book: ContextBook, later_s: int, *, budget: int = BUDGET) -> object:
    as_of = NOON + timedelta(seconds=later_s)
    return book.synthesize(budget=budget, tokenizer=Pieces(), as_of=as_of, brief=BRIEF)


def times(known: list[ContextItem], *, budget: int = BUDGET) -> tuple[float, float]:
    """Milliseconds cold (a new book) and warm (the same book at a later moment), medians."""
    rounds = max(2, min(30, 3_000 // len(known)))
    cold = [cpu_ms(lambda: synthesize(ContextBook(items=known), 0, budget=budget)) for _ in range(rounds)]
    book = ContextBook(items=known)
    synthesize(book, 0, budget=budget)
    warm = [cpu_ms(lambda step=step: synthesize(book, 60 * step, budget=budget)) for step in range(1, 31)]
    return statistics.median(cold), statistics.median(warm)


def after_upserts(count: int, *, changed: int) -> float:
    """Milliseconds to change `changed` items of a book of `count` and synthesise again, median."""
    known, rng = items(count), random.Random(11)
    book = ContextBook(items=known)
    synthesize(book, 0)

    def change(step: int) -> None:
        for item in rng.sample(known, changed):
            book.upsert(item.model_copy(update={"text": f"{item.text} {step}"}))
        synthesize(book, 60 * step)

    return statistics.median(cpu_ms(lambda step=step: change(step)) for step in range(1, 31))


def hostile(count: int) -> list[ContextItem]:
    """News of a hundred stories, each told in as many wordings of falling length: all may stand in for the first."""
    rng = random.Random(2)
    told = [f"{' '.join(rng.choices(VOCABULARY, k=12))} {number}" for number in range(100)]
    return [
        an_item(number, rng).model_copy(
            update={"text": told[number % 100] + " now" * (number // 100), "tags": ("lane:news-sentiment",)}
        )
        for number in range(count)
    ]


def best_by_tokens(parcels: list[Parcel], capacity: int) -> np.ndarray:
    """The most points for each number of tokens, by dynamic programming over all of them."""
    best = np.zeros(capacity + 1, dtype=np.int64)
    for parcel in parcels:
        before = best.copy()
        for tokens, points in parcel:
            if tokens <= capacity:
                best[tokens:] = np.maximum(best[tokens:], before[: capacity + 1 - tokens] + points)
    return best


def optimum(lanes: list[Compartment], capacity: int) -> int:
    """The most points under the same floors and shares, by an independent and exact solver."""
    rest = capacity - sum(lane.reserved for lane in lanes)
    total = np.zeros(capacity + 1, dtype=np.int64)
    for lane in lanes:
        low, high = (0, lane.reserve) if rest < 0 else (lane.reserved, lane.reserve + int(lane.share * rest))
        alone = best_by_tokens(list(lane.parcels), capacity)
        joined = np.full(capacity + 1, -(10**12), dtype=np.int64)
        for tokens in range(min(capacity, high) + 1):
            charge = max(low, tokens + lane.heading * (tokens > 0))
            if charge <= capacity:
                joined[charge:] = np.maximum(joined[charge:], total[: capacity + 1 - charge] + alone[tokens])
        total = joined
    return int(total[capacity])


def random_lanes(rng: random.Random) -> list[Compartment]:
    def parcel() -> Parcel:
        whole = (rng.randint(15, 120), rng.randint(50_000, 950_000))
        return (whole, (whole[0] // 2, whole[1] // 3)) if rng.random() < 0.1 else (whole,)

    return [
        Compartment(
            [parcel() for _ in range(rng.randint(0, 40))],
            floor=rng.choice([0, 200, 400]),
            share=rng.choice([Decimal(1), Decimal("0.5")]),
            heading=rng.randint(3, 12),
        )
        for _ in range(rng.randint(1, 4))
    ]


def quality(books: int, *, tightest: int, widest: int) -> tuple[list[float], list[float]]:
    """Points carried as a part of the optimum, headings included, and milliseconds of each packing."""
    rng = random.Random(7)
    parts, spent = [], []
    for _ in range(books):
        lanes, capacity = random_lanes(rng), rng.randint(tightest, widest)
        picks: list[list[int]] = []
        spent.append(
            cpu_ms(lambda lanes=lanes, capacity=capacity, picks=picks: picks.extend(pack(lanes, capacity=capacity)))
        )
        carried = sum(
            parcel[pick][1]
            for lane, chosen in zip(lanes, picks, strict=True)
            for parcel, pick in zip(lane.parcels, chosen, strict=True)
            if pick != NOTHING
        )
        best = optimum(lanes, capacity)
        parts.append(carried / best if best else 1.0)
    return parts, spent


def snapshot_bytes(snapshots: int, *, size: int, changed: int) -> tuple[float, float]:
    """Bytes of a snapshot, and of the bodies that each adds to an archive where `changed` items move a cycle.

    The bodies are items and the lists of their digests; those of the first snapshot are counted too.
    """
    book, rng, stored, previous, own = ContextBook(items=items(size)), random.Random(3), dict[str, str](), GENESIS, 0
    for cycle in range(snapshots):
        for number in rng.sample(range(size), changed):
            known = book.get(f"item-{number}")
            if known is not None:
                book.upsert(known.model_copy(update={"text": f"{known.text} {cycle}"}))
        synthesis = book.synthesize(budget=BUDGET, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)
        snapshot = Snapshot.of(
            synthesis,
            cycle=cycle,
            previous=previous,
            request=ModelRequest(model="rules"),
            answer=ModelAnswer(body="{}"),
        )
        previous = snapshot.id
        own += len(canonical(snapshot).encode())
        stored |= blobs(synthesis)
    return own / snapshots, sum(len(body.encode()) for body in stored.values()) / snapshots


def main() -> None:
    print(f"loop                  {cpu_ms(ten_million_additions):8.0f} ms")
    cold, warm = times(items(15), budget=2_000)
    print(f"15 items → 2,000      {cold:8.2f} ms cold {warm:8.2f} ms warm")
    for count in (100, 1_000, 10_000):
        cold, warm = times(items(count))
        print(f"{count:6,} items → {BUDGET:,} {cold:8.2f} ms cold {warm:8.2f} ms warm")
    print(f"   10 of 10,000 upserted {after_upserts(10_000, changed=10):5.2f} ms with the synthesis that follows")
    cold, warm = times(hostile(5_000))
    print(f" 5,000 hostile texts  {cold:8.2f} ms cold {warm:8.2f} ms warm")
    known = items(10_000)
    book, full = ContextBook(), ContextBook(items=items(1_000, seed=2), max_items=1_000)
    fresh = cpu_ms(lambda: book.upsert_all(known))
    again = cpu_ms(lambda: book.upsert_all(known))
    evicting = cpu_ms(lambda: full.upsert_all(known[1_000:]))
    print(
        f"upserts a second      {10_000_000 / fresh:8,.0f} new  {10_000_000 / again:8,.0f} merged "
        f"{9_000_000 / evicting:8,.0f} evicting"
    )
    for tightest, widest in ((15, 200), (100, 1_500)):
        parts, spent = quality(1_000, tightest=tightest, widest=widest)
        print(
            f"value / optimum       {min(parts):8.4%} worst {statistics.mean(parts):9.4%} mean of {len(parts):,} books "
            f"in {tightest} to {widest:,} tokens"
        )
        print(f"packing               {statistics.median(spent):8.2f} ms median {max(spent):6.2f} ms worst")
    own, bodies = snapshot_bytes(200, size=500, changed=10)
    print(f"bytes a snapshot      {own:8,.0f} own  {bodies:8,.0f} in shared bodies (500 items, 10 change a cycle)")


if __name__ == "__main__":
    main()
