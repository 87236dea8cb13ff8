from decimal import Decimal
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from context.packing.pack import NOTHING, Compartment, Parcel, pack

CHOICES = st.tuples(st.integers(1, 40), st.integers(1, 1_000))
PARCELS = st.tuples(CHOICES, st.booleans()).map(
    lambda drawn: (drawn[0], (max(1, drawn[0][0] // 2), max(1, drawn[0][1] // 3))) if drawn[1] else (drawn[0],)
)
SHARES = st.sampled_from([Decimal("0.25"), Decimal("0.5"), Decimal(1)])
COMPARTMENTS = st.lists(
    st.builds(
        Compartment,
        st.lists(PARCELS, max_size=4),
        floor=st.sampled_from([0, 15, 60]),
        share=SHARES,
        heading=st.sampled_from([0, 5, 30]),
    ),
    min_size=1,
    max_size=3,
)


def tokens(parcels: list[Parcel], picks: list[int]) -> int:
    return sum(parcel[pick][0] for parcel, pick in zip(parcels, picks, strict=True) if pick != NOTHING)


def points(parcels: list[Parcel], picks: list[int]) -> int:
    return sum(parcel[pick][1] for parcel, pick in zip(parcels, picks, strict=True) if pick != NOTHING)


def carried(lanes: list[Compartment], capacity: int) -> int:
    return sum(points(lane.parcels, picks) for lane, picks in zip(lanes, pack(lanes, capacity=capacity), strict=True))


def by_trying_all(lanes: list[Compartment], capacity: int) -> int:
    """The best of all selections that keep to the rules, as the documentation of `pack` states them."""
    rest = capacity - sum(lane.reserved for lane in lanes)
    tables = []
    for lane in lanes:
        low, high = (0, lane.reserve) if rest < 0 else (lane.reserved, lane.reserve + int(lane.share * rest))
        every = product(*[range(NOTHING, len(parcel)) for parcel in lane.parcels])
        sizes = [(tokens(lane.parcels, list(p)), points(lane.parcels, list(p))) for p in every]
        tables.append([(max(size + lane.heading * (size > 0), low), worth) for size, worth in sizes if size <= high])
    best = {0: 0}
    for table in tables:
        merged: dict[int, int] = {}
        for (a, left), (b, right) in product(best.items(), table):
            if a + b <= capacity:
                merged[a + b] = max(merged.get(a + b, 0), left + right)
        best = merged
    return max(best.values())


@settings(max_examples=60)
@given(COMPARTMENTS, st.integers(0, 200))
def test_no_selection_carries_more(lanes: list[Compartment], capacity: int) -> None:
    assert carried(lanes, capacity) == by_trying_all(lanes, capacity)


@settings(max_examples=40)
@given(COMPARTMENTS, st.integers(-5, 200))
def test_the_capacity_holds(lanes: list[Compartment], capacity: int) -> None:
    picks = pack(lanes, capacity=capacity)
    held = [tokens(lane.parcels, p) for lane, p in zip(lanes, picks, strict=True)]
    headings = sum(lane.heading for lane, tokens in zip(lanes, held, strict=True) if tokens)
    assert sum(held) + headings <= max(0, capacity)


@settings(max_examples=30)
@given(COMPARTMENTS, st.integers(0, 150))
def test_a_larger_capacity_never_carries_less(lanes: list[Compartment], capacity: int) -> None:
    worth = [carried(lanes, larger) for larger in range(capacity, capacity + 12)]
    assert worth == sorted(worth)


@settings(max_examples=40)
@given(COMPARTMENTS)
def test_each_lane_carries_what_its_floor_holds(lanes: list[Compartment]) -> None:
    picks = pack(lanes, capacity=sum(lane.reserved for lane in lanes) + 30)
    for lane, chosen in zip(lanes, picks, strict=True):
        held, worth = 0, 0
        for parcel in lane.parcels:
            if held + parcel[0][0] <= lane.floor:
                held, worth = held + parcel[0][0], worth + parcel[0][1]
        assert points(lane.parcels, chosen) >= worth


def test_a_flood_of_better_news_leaves_another_lane_its_floor() -> None:
    flood = Compartment([((10, 900),)] * 60)
    quiet = Compartment([((40, 5),)], floor=50)
    news, other = pack([flood, quiet], capacity=200)
    assert other == [0]
    assert news.count(0) == 16


def test_no_lane_takes_more_than_its_share_of_the_rest() -> None:
    greedy = Compartment([((10, 900),)] * 60, share=Decimal("0.5"))
    (picks,) = pack([greedy], capacity=200)
    assert picks.count(0) == 10


def test_a_lane_that_carries_nothing_pays_for_no_heading() -> None:
    lanes = [Compartment([((20, 100),)], heading=10), Compartment([((20, 90),)], heading=10)]
    assert pack(lanes, capacity=30) == [[0], [NOTHING]]
    assert pack(lanes, capacity=59) == [[0], [NOTHING]]
    assert pack(lanes, capacity=60) == [[0], [0]]


def test_a_wording_that_fits_is_better_than_nothing() -> None:
    assert pack([Compartment([((50, 100), (20, 40))])], capacity=30) == [[1]]


def test_hundreds_of_parcels_alike_are_no_trap() -> None:
    alike = [Compartment([((8, 500),)] * 150), Compartment([((8, 500),)] * 150)]
    assert carried(alike, 1_501) == 187 * 500


def test_where_the_search_is_bounded_nearly_all_of_the_budget_is_still_used() -> None:
    lanes = [Compartment([((2 * size, 2 * size * 500),) for size in range(10, 130)] * 3, floor=400) for _ in range(2)]
    assert carried(lanes, 10_001) >= 0.99 * 10_001 * 500
