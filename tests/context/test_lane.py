from decimal import Decimal

import pytest
from pydantic import ValidationError

from builders.context import an_item
from context import DEFAULT_LANES, Lane, LaneSettings, TagFilter, Weights


def test_the_five_lanes_of_the_house() -> None:
    lanes = {lane.id: lane.mandatory for lane in DEFAULT_LANES.lanes}
    assert lanes == {
        "strategy": True,
        "risk-factors": True,
        "market-data": False,
        "market-events": False,
        "news-sentiment": False,
    }


def test_a_lane_takes_what_is_tagged_for_it() -> None:
    lane = Lane(id="news")
    assert lane.accepts(an_item(tags=("lane:news", "symbol:BTC/USDT")))
    assert not lane.accepts(an_item(tags=("lane:other",)))


@pytest.mark.parametrize(
    ("tags", "taken"),
    [(("a", "c"), True), (("b", "c"), True), (("a",), False), (("c",), False), (("a", "c", "d"), False)],
)
def test_a_filter_asks_for_any_for_all_and_for_none(tags: tuple[str, ...], taken: bool) -> None:
    lane = Lane(id="odd", takes=TagFilter(any_of=("a", "b"), all_of=("c",), none_of=("d",)))
    assert lane.accepts(an_item(tags=tags)) is taken


def test_an_item_counts_in_the_first_lane_that_would_send_it() -> None:
    settings = LaneSettings(lanes=(Lane(id="a", state="muted"), Lane(id="b"), Lane(id="c")))
    lane = settings.lane_of(an_item(tags=("lane:a", "lane:b", "lane:c")))
    assert lane is not None
    assert lane.id == "b"


def test_lanes_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValidationError, match="whole"):
        Lane(id="a", mandatory=True, item_cap=3)
    for state in ("muted", "disabled"):
        with pytest.raises(ValidationError, match=f"can't be {state}"):
            Lane(id="a", mandatory=True, state=state)
    with pytest.raises(ValidationError, match="above zero"):
        Weights(**dict.fromkeys(Weights.model_fields, Decimal(0)))
    with pytest.raises(ValidationError, match="twice: a"):
        LaneSettings(lanes=(Lane(id="a"), Lane(id="a")))
