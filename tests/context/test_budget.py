"""A budget holds for any text, and a larger one never carries less: for any scores, any lanes, any tokenizer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import chain, combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.context import BRIEF, NOON, OPTIONAL, TEXTS, an_item, item_lists
from builders.work import calls
from context import ContextBook, ContextItem, Lane, LaneSettings, Pieces, Synthesis, Utf8Bytes, Weights, prompt
from context.packing.pack import NOTHING, Compartment, Parcel, pack
from context.tokenizer import Tokenizer
from domain.errors import BudgetTooSmall
from tools.tokenizers import tokenizer_for

properties = settings(max_examples=12)

VOCABULARIES = [tokenizer_for("openai/gpt-5-mini"), tokenizer_for("openai/gpt-4"), Pieces(), Utf8Bytes()]

SCRIPTS = st.one_of(
    TEXTS,
    st.text(alphabet="比特币价格下跌上涨ビットコイン비트코인", max_size=80),
    st.text(alphabet="🚀📉👩‍💻🇺🇸½ﷺ", max_size=40),
    st.text(alphabet=" \u3000\u2028\x85\t\r\n/.,!-#[]\"'\\", max_size=40),
    st.text(alphabet="aE1é", min_size=100, max_size=300),
)


class Crowded:
    """A measure under which the whole is more than its lines."""

    name = "crowded"

    def count(self, text: str) -> int:
        return len(text.split()) + text.count("\n") ** 2 // 4


class Lumpy:
    """A measure under which the whole is more than its lines by what nobody can foresee."""

    name = "lumpy"

    def count(self, text: str) -> int:
        return len(text.split()) + (len(text) * 7919 % 13) * (len(text) > 400)


def carried(lanes: list[Compartment], capacity: int) -> int:
    return sum(
        parcel[pick][1]
        for lane, chosen in zip(lanes, pack(lanes, capacity=capacity), strict=True)
        for parcel, pick in zip(lane.parcels, chosen, strict=True)
        if pick != NOTHING
    )


def optimum(lanes: list[Compartment], capacity: int) -> int:
    """The most points by dynamic programming over every number of tokens, lane by lane."""
    rest = capacity - sum(lane.reserved for lane in lanes)
    total = [0] * (capacity + 1)
    for lane in lanes:
        low, high = (0, lane.reserve) if rest < 0 else (lane.reserved, lane.reserve + int(lane.share * rest))
        alone = [0] * (high + 1)
        for parcel in lane.parcels:
            before = list(alone)
            for tokens, points in parcel:
                for held in range(tokens, high + 1):
                    alone[held] = max(alone[held], before[held - tokens] + points)
        charged = {held: max(held + lane.heading * (held > 0), low) for held in range(high + 1)}
        total = [
            max(
                (total[at - charge] + alone[held] for held, charge in charged.items() if charge <= at),
                default=-(10**12),
            )
            for at in range(capacity + 1)
        ]
    return total[capacity]


def parcel(random: Random, *, density: float, spread: float, shortens: bool) -> Parcel:
    tokens = random.randint(5, 120)
    points = max(1, int(tokens * density * random.uniform(1 - spread, 1 + spread)))
    whole = (tokens, points)
    return (whole, (max(1, tokens // 2), max(1, points // 2))) if shortens and random.random() < 0.5 else (whole,)


def lanes_of(random: Random, *, count: int, size: int, spread: float, shortens: bool) -> list[Compartment]:
    """Lanes of parcels whose points for a token differ by `spread`; zero for parcels that are worth the same."""
    return [
        Compartment(
            [parcel(random, density=5_000, spread=spread, shortens=shortens) for _ in range(size)],
            floor=random.choice([0, 50, 200]),
            share=random.choice([Decimal("0.3"), Decimal("0.5"), Decimal(1)]),
            heading=random.choice([0, 4, 20]),
        )
        for _ in range(count)
    ]


HARD = st.builds(
    lanes_of,
    st.randoms(use_true_random=False),
    count=st.integers(1, 4),
    size=st.integers(5, 60),
    spread=st.sampled_from([0.0, 0.0001, 0.01, 0.5]),
    shortens=st.booleans(),
)

LONG = 20_000


def crowds() -> dict[str, list[Compartment]]:
    """Hundreds of parcels worth nearly the same for a token, in forms that a search can't see through."""
    random = Random(1)
    sizes = [random.randint(10, 130) for _ in range(2_000)]
    return {
        "equal": [Compartment([((size, size * 500),) for size in sizes])],
        "nearly equal": [Compartment([((size, size * 500 + random.randint(-3, 3)),) for size in sizes])],
        "correlated": [Compartment([((size, size * 500 + 10_000),) for size in sizes])],
        "even sizes": [Compartment([((2 * size, size * 1_000),) for size in sizes[:300]], floor=400)] * 2,
        "two sentences": [
            Compartment([((4 * size, size * 2_000), (size, size * 500)) for size in sizes[:300]], share=Decimal("0.6"))
        ]
        * 3,
        "a few long ones": [
            Compartment([((15 * size + 1_000, size * 9_000),) for size in sizes[:6]], share=Decimal("0.3")),
            Compartment([((size, size * 500),) for size in sizes[:1_000]]),
        ],
        "many lanes": [
            Compartment([((size, size * 500),) for size in sizes[at : at + 50]], floor=100, share=Decimal("0.1"))
            for at in range(0, 2_000, 50)
        ],
    }


@settings(max_examples=4)
@given(HARD, st.integers(0, 2_500))
def test_a_larger_capacity_never_carries_less_however_alike_the_parcels(
    lanes: list[Compartment], capacity: int
) -> None:
    worth = [carried(lanes, larger) for larger in range(capacity, capacity + 4)]
    assert worth == sorted(worth)


@pytest.mark.parametrize("seed", range(8))
def test_99_of_100_parts_of_the_best_selection_are_carried(seed: int) -> None:
    random = Random(seed)
    lanes = lanes_of(random, count=random.randint(1, 4), size=random.randint(5, 60), spread=0.5, shortens=True)
    capacity = random.randint(100, 500)
    assert carried(lanes, capacity) >= 0.99 * optimum(lanes, capacity)


@pytest.mark.parametrize("seed", range(4))
def test_of_parcels_alike_the_best_selection_is_nearly_met(seed: int) -> None:
    random = Random(seed)
    lanes = lanes_of(random, count=random.randint(1, 4), size=40, spread=random.choice([0, 0.001, 0.01]), shortens=True)
    capacity = random.randint(300, 500)
    assert carried(lanes, capacity) >= 0.98 * optimum(lanes, capacity)


@pytest.mark.parametrize("crowd", crowds())
def test_a_crowd_is_packed_in_order_of_capacity(crowd: str) -> None:
    lanes = crowds()[crowd]
    worth = [carried(lanes, larger) for larger in range(1_499, 1_502)]
    assert worth == sorted(worth)


@pytest.mark.parametrize("crowd", ["equal", "nearly equal", "even sizes"])
def test_a_crowd_that_is_worth_the_same_for_a_token_fills_99_of_100_tokens(crowd: str) -> None:
    assert carried(crowds()[crowd], LONG) >= 0.99 * 500 * LONG


@pytest.mark.parametrize("heading", [0, 20])
@pytest.mark.parametrize("crowd", crowds())
def test_packing_a_crowd_is_bounded_work(crowd: str, heading: int) -> None:
    lanes = [replace(lane, heading=heading) for lane in crowds()[crowd]]
    assert calls(lambda: pack(lanes, capacity=LONG)) < 1_000_000


def made(
    items: list[ContextItem], *, budget: int, tokenizer: Tokenizer, lanes: LaneSettings | None = None
) -> Synthesis:
    book = ContextBook(lanes, items=items) if lanes else ContextBook(items=items)
    return book.synthesize(budget=budget, tokenizer=tokenizer, as_of=NOON, brief=BRIEF)


@properties
@given(st.lists(SCRIPTS, min_size=1, max_size=12), st.booleans(), st.sampled_from(VOCABULARIES))
def test_the_lines_of_any_script_add_up_to_the_whole_prompt(
    texts: list[str], untrusted: bool, tokenizer: Tokenizer
) -> None:
    items = [
        an_item(
            f"item-{number}",
            text=text,
            tags=(f"lane:{OPTIONAL[number % len(OPTIONAL)]}",),
            trust="untrusted" if untrusted else "venue",
        )
        for number, text in enumerate(texts)
    ]
    synthesis = made(items, budget=20_000, tokenizer=tokenizer)
    lanes = dict.fromkeys(one.lane for one in synthesis.selected)
    assert synthesis.tokens.used == (
        prompt.count(prompt.render(BRIEF, as_of=NOON, lanes=()), tokenizer)
        + sum(tokenizer.count(prompt.heading(lane)) for lane in lanes)
        + sum(one.tokens for one in synthesis.selected)
    )


@properties
@given(item_lists(max_size=15), st.integers(100, 900), st.sampled_from([*VOCABULARIES, Crowded(), Lumpy()]))
def test_a_larger_budget_never_carries_less_under_any_tokenizer(
    items: list[ContextItem], budget: int, tokenizer: Tokenizer
) -> None:
    points = []
    for larger in range(budget, budget + 40, 3):
        try:
            synthesis = made(items, budget=larger, tokenizer=tokenizer)
        except BudgetTooSmall:
            assert not points
            continue
        assert synthesis.tokens.used <= larger
        points.append(synthesis.points)
    assert points == sorted(points)


@properties
@given(item_lists(max_size=6), st.integers(0, 200))
def test_in_a_tight_budget_no_selection_carries_more(items: list[ContextItem], spare: int) -> None:
    lanes = LaneSettings(lanes=tuple(Lane(id=lane) for lane in OPTIONAL))
    items = [item.model_copy(update={"may_shorten": False, "text": f"{n} {item.text}"}) for n, item in enumerate(items)]
    budget = made([], budget=10_000, tokenizer=Pieces()).tokens.used + spare
    whole = made(items, budget=100_000, tokenizer=Pieces(), lanes=lanes).selected
    best = Decimal(0)
    for chosen in chain.from_iterable(combinations(whole, size) for size in range(len(whole) + 1)):
        headings = sum(Pieces().count(prompt.heading(lane)) for lane in {one.lane for one in chosen})
        if headings + sum(one.tokens for one in chosen) <= spare:
            best = max(best, sum((one.score for one in chosen), Decimal(0)))
    assert made(items, budget=budget, tokenizer=Pieces(), lanes=lanes).points == best


SEVERITY_ONLY = Weights(**dict.fromkeys(("confidence", "priority", "recency", "pin"), Decimal(0)))


@properties
@given(st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=15), st.integers(120, 300))
def test_items_of_no_score_at_all_never_make_a_larger_budget_carry_less(
    drawn: list[tuple[int, bool]], budget: int
) -> None:
    lanes = LaneSettings(lanes=(Lane(id="market-data", weights=SEVERITY_ONLY),))
    items = [
        an_item(f"item-{number}", text="word " * words, severity="medium" if counts else "low")
        for number, (words, counts) in enumerate(drawn)
    ]
    points = [
        made(items, budget=larger, tokenizer=Pieces(), lanes=lanes).points for larger in range(budget, budget + 8)
    ]
    assert points == sorted(points)


def test_a_lane_is_opened_only_where_there_is_room_for_its_heading() -> None:
    """The better line of a lane of its own fits without its heading, and the lesser one of an open lane does fit."""
    open_lane, lesser = an_item("open", pinned=True), an_item("less", priority="p3")
    better = an_item("best", text="Up.", tags=("lane:news-sentiment",), priority="p0")
    room = synthesized([open_lane, lesser]).tokens.used
    assert synthesized([better]).selected[0].tokens <= synthesized([lesser]).selected[0].tokens
    carried = synthesized([open_lane, lesser, better], budget=room)
    assert [one.item.id for one in carried.selected] == ["open", "less"]
    assert [drop.item_id for drop in carried.dropped] == ["best"]
    heading = Pieces().count(prompt.heading("news-sentiment"))
    carried = synthesized([open_lane, lesser, better], budget=room + heading)
    assert {one.item.id for one in carried.selected} == {"open", "best"}


def synthesized(items: list[ContextItem], *, budget: int = 10_000) -> Synthesis:
    return ContextBook(items=items).synthesize(budget=budget, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)
