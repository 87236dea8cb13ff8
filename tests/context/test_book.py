from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builders.context import BRIEF, NOON, OPTIONAL, a_constraint, a_headline, an_item, item_lists, told_items
from context import (
    DEFAULT_LANES,
    Brief,
    ContextBook,
    ContextItem,
    Hooks,
    Lane,
    LaneSettings,
    Pieces,
    Synthesis,
    Utf8Bytes,
)
from context.hooks import Event, ItemEvicted
from context.tokenizer import Tokenizer
from domain.errors import BudgetTooSmall, MandatoryOverflow, NotCanonical, UsageError

properties = settings(max_examples=20)


EVERY_LANE = LaneSettings(
    lanes=(
        Lane(id="rules", mandatory=True),
        Lane(id="news"),
        Lane(id="few", item_cap=2, half_life_s=600),
        Lane(id="quiet", state="muted"),
        Lane(id="off", state="disabled"),
    )
)
LANE_IDS = (*(lane.id for lane in EVERY_LANE.lanes), "unheard-of")


class Contrary:
    """A measure under which the whole is more than its parts."""

    name = "contrary"

    def count(self, text: str) -> int:
        return len(text) + text.count("\n") ** 2


def made(
    items: Sequence[ContextItem], *, budget: int = 2_000, tokenizer: Tokenizer | None = None, brief: Brief = BRIEF
) -> Synthesis:
    return ContextBook(items=items).synthesize(budget=budget, tokenizer=tokenizer or Pieces(), as_of=NOON, brief=brief)


@properties
@given(item_lists(), st.integers(0, 1_500), st.sampled_from([Pieces(), Utf8Bytes(), Contrary()]))
def test_the_whole_prompt_fits_its_budget_or_there_is_none(
    items: list[ContextItem], budget: int, tokenizer: Tokenizer
) -> None:
    try:
        synthesis = made(items, budget=budget, tokenizer=tokenizer)
    except BudgetTooSmall:
        return
    assert synthesis.tokens.used <= budget
    assert synthesis.tokens.used >= sum(tokenizer.count(message.content) for message in synthesis.messages)


@properties
@given(item_lists(), st.integers(200, 900))
def test_only_what_is_open_available_fresh_and_in_a_lane_is_sent(items: list[ContextItem], budget: int) -> None:
    for one in made(items, budget=budget).selected:
        assert one.item.status == "open"
        assert one.item.available_at <= NOON
        assert one.item.ttl_s is None or NOON - one.item.available_at <= timedelta(seconds=one.item.ttl_s)
        assert f"lane:{one.lane}" in one.item.tags


@properties
@given(item_lists(), st.integers(200, 900))
def test_every_item_is_sent_or_listed_with_the_reason_once(items: list[ContextItem], budget: int) -> None:
    synthesis = made(items, budget=budget)
    listed = [one.item.id for one in synthesis.selected] + [one.item_id for one in synthesis.dropped]
    assert sorted(listed) == sorted(item.id for item in items)
    assert sum(lane.sent for lane in synthesis.lanes) == len(synthesis.selected)


@properties
@given(item_lists(), st.randoms(use_true_random=False), st.integers(200, 900))
def test_the_order_of_arrival_makes_no_difference(items: list[ContextItem], random: Random, budget: int) -> None:
    shuffled = random.sample(items, len(items))
    assert made(shuffled, budget=budget).digest == made(items, budget=budget).digest


@properties
@given(item_lists(), st.integers(200, 900))
def test_upserting_again_and_synthesizing_again_change_nothing(items: list[ContextItem], budget: int) -> None:
    book = ContextBook(items=items)
    first = book.synthesize(budget=budget, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)
    book.upsert_all(items)
    assert book.synthesize(budget=budget, tokenizer=Pieces(), as_of=NOON, brief=BRIEF).digest == first.digest


@properties
@given(item_lists(), st.integers(200, 900), st.integers(1, 60))
def test_a_larger_budget_never_carries_less(items: list[ContextItem], budget: int, more: int) -> None:
    assert made(items, budget=budget + more).points >= made(items, budget=budget).points


@properties
@given(item_lists(), st.integers(200, 900))
def test_later_items_change_nothing_that_is_sent(items: list[ContextItem], budget: int) -> None:
    known = [item for item in items if item.available_at <= NOON]
    assert made(items, budget=budget).messages == made(known, budget=budget).messages


@properties
@given(item_lists(), st.data())
def test_more_priority_severity_or_confidence_never_lowers_a_rank(
    items: list[ContextItem], data: st.DataObject
) -> None:
    assume(items)
    chosen = data.draw(st.sampled_from(items))
    raised = chosen.model_copy(
        update=data.draw(
            st.sampled_from([{"priority": "p0"}, {"severity": "critical"}, {"confidence": Decimal(1)}]), label="raised"
        )
    )
    others = [item for item in items if item.id != chosen.id]

    def rank(among: list[ContextItem]) -> int:
        ids = [one.item.id for one in made(among, budget=100_000).selected]
        return ids.index(chosen.id) if chosen.id in ids else len(items)

    assert rank([*others, raised]) <= rank(items)


@properties
@given(item_lists(), st.data(), st.integers(100, 1_500))
def test_what_must_be_sent_is_sent_or_the_error_names_its_lane(
    items: list[ContextItem], data: st.DataObject, budget: int
) -> None:
    lane = data.draw(st.sampled_from(OPTIONAL))
    must = [
        a_constraint(),
        an_item("goal", kind="goal", tags=("lane:strategy",), text=data.draw(st.text(max_size=200))),
        an_item("pinned", pinned=True, tags=(f"lane:{lane}",)),
        a_constraint("p0", priority="p0", tags=(f"lane:{lane}",)),
    ]
    needed = made(must, budget=10_000).tokens.used
    if budget < needed:
        with pytest.raises(MandatoryOverflow, match=rf"(?s)(?=.*strategy)(?=.*risk-factors)(?=.*{lane})"):
            made([*items, *must], budget=budget)
    else:
        sent = {one.item.id for one in made([*items, *must], budget=budget).selected}
        assert {item.id for item in must} <= sent


def test_sixty_headlines_never_push_out_a_p0_constraint_nor_another_lanes_floor() -> None:
    flood = [
        a_headline(f"news-{n}", f"Story {n} of a day with very much news indeed", priority="p0", severity="critical")
        for n in range(60)
    ]
    quiet = an_item("candle", priority="p3", available_at=NOON - timedelta(days=2), text="Price is 100.")
    synthesis = made([*flood, a_constraint(priority="p0"), quiet], budget=500)
    sent = {one.item.id for one in synthesis.selected}
    assert {"constraint-1", "candle"} <= sent
    assert any(item_id.startswith("news") for item_id in sent)


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"status": "closed"}, "closed"),
        ({"tags": ("lane:unheard-of",)}, "no_lane"),
        ({"tags": ("lane:off",)}, "disabled"),
        ({"tags": ("lane:quiet",)}, "muted"),
        ({"available_at": NOON + timedelta(microseconds=1)}, "not_yet_available"),
        ({"ttl_s": 3_599}, "stale"),
        ({"text": "long " * 600}, "budget"),
        ({"tags": ("lane:small",), "priority": "p3"}, "cap"),
    ],
)
def test_what_is_left_out_is_listed_with_its_reason(over: dict[str, object], reason: str) -> None:
    lanes = LaneSettings(
        lanes=(
            *DEFAULT_LANES.lanes,
            Lane(id="off", state="disabled"),
            Lane(id="quiet", state="muted"),
            Lane(id="small", item_cap=1),
        )
    )
    book = ContextBook(lanes, items=[an_item("other", tags=("lane:small",)), an_item(**over)])
    synthesis = book.synthesize(budget=400, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)
    assert [(one.item_id, one.reason) for one in synthesis.dropped] == [("item-1", reason)]


def test_an_item_that_is_exactly_as_old_as_its_ttl_is_still_fresh() -> None:
    assert [one.item.id for one in made([an_item(ttl_s=3_600)]).selected] == ["item-1"]


def test_the_order_is_pinned_then_score_then_kind_then_created_at_then_id() -> None:
    items = [
        an_item("e", text="five"),
        an_item("d", text="four"),
        an_item("c", text="three", created_at=NOON - timedelta(hours=2)),
        an_item("b", text="two", kind="goal"),
        an_item("a", text="one", priority="p1"),
        an_item("z", text="zero", pinned=True, priority="p3", confidence="0"),
    ]
    assert [one.item.id for one in made(items).selected] == ["z", "a", "b", "c", "d", "e"]


def test_an_item_is_shortened_only_if_it_says_so_and_at_a_sentence() -> None:
    text = "First the facts. " + "Then a long explanation follows here. " * 30
    assert made([an_item(text=text)], budget=300).selected == ()
    (one,) = made([an_item(text=text, may_shorten=True)], budget=300).selected
    assert one.shortened
    assert one.line.endswith("follows here. […]\n")


def test_a_view_holds_one_symbol_and_what_belongs_to_none() -> None:
    book = ContextBook(
        items=[
            an_item("btc", tags=("lane:market-data", "symbol:BTC/USDT")),
            an_item("eth", tags=("lane:market-data", "symbol:ETH/USDT")),
            a_constraint(),
        ]
    )
    view = book.view("symbol:BTC/USDT")
    assert [item.id for item in view.items] == ["btc", "constraint-1"]


def test_views_and_their_book_do_not_see_each_others_additions() -> None:
    book = ContextBook(items=[a_constraint()])
    one, other = book.view("symbol:BTC/USDT"), book.view("symbol:BTC/USDT")
    one.upsert(an_item("mine"))
    book.upsert(an_item("ours"))
    assert [len(book), len(one), len(other)] == [2, 2, 1]


def test_pruning_forgets_what_can_never_be_sent_again() -> None:
    book = ContextBook(
        items=[an_item("old", ttl_s=60), an_item("closed", status="closed"), an_item("good"), a_constraint()]
    )
    assert book.prune(as_of=NOON) == 2
    assert [item.id for item in book.items] == ["constraint-1", "good"]


def test_a_brief_that_does_not_fit_is_said_in_numbers() -> None:
    with pytest.raises(BudgetTooSmall, match=r"the brief alone takes \d+ of 0 tokens \(pieces\)"):
        made([], budget=0)


@pytest.mark.parametrize("budget", [150.5, float("nan"), "900", True, None])
def test_a_budget_that_is_no_whole_number_is_refused(budget: Any) -> None:
    with pytest.raises(UsageError, match="whole number of tokens"):
        made([], budget=budget)


@pytest.mark.parametrize("must", [{"pinned": True}, {"kind": "constraint", "priority": "p0"}])
@pytest.mark.parametrize("lane", ["unheard-of", "off", "quiet"])
def test_what_must_be_sent_in_no_enabled_lane_is_named(must: dict[str, Any], lane: str) -> None:
    item = an_item("must", tags=(f"lane:{lane}",), ttl_s=7_200, **must)
    book = ContextBook(EVERY_LANE, items=[item])
    with pytest.raises(UsageError, match="no lane sends what must be sent: must"):
        book.synthesize(budget=900, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)
    for changed in ({"status": "closed"}, {"available_at": NOON + timedelta(hours=1)}, {"ttl_s": 60}):
        anew = ContextBook(EVERY_LANE, items=[item.model_copy(update=changed)])
        assert not anew.synthesize(budget=900, tokenizer=Pieces(), as_of=NOON, brief=BRIEF).selected
    book.upsert(item.model_copy(update={"tags": ("lane:news",)}))
    sent = book.synthesize(budget=900, tokenizer=Pieces(), as_of=NOON, brief=BRIEF).selected
    assert [one.item.id for one in sent] == ["must"]


def test_a_muted_lane_is_ranked_capped_and_counted_as_if_it_were_sent() -> None:
    def in_state(state: str) -> Synthesis:
        lanes = LaneSettings(lanes=(Lane(id="market-data", state=state, item_cap=2),))
        items = [an_item("a"), an_item("b", priority="p0"), an_item("c", priority="p1")]
        return ContextBook(lanes, items=items).synthesize(budget=900, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)

    muted, sent = in_state("muted"), in_state("enabled")
    assert not muted.selected
    assert muted.lanes[0].tokens == 0
    assert [(one.item_id, one.score, one.tokens) for one in muted.dropped if one.reason == "muted"] == [
        (one.item.id, one.score, one.tokens) for one in sent.selected
    ]
    assert [one.item_id for one in muted.dropped if one.reason == "cap"] == ["a"]


def test_an_as_of_without_a_zone_is_refused() -> None:
    with pytest.raises(NotCanonical, match="no time zone"):
        ContextBook().synthesize(budget=900, tokenizer=Pieces(), as_of=NOON.replace(tzinfo=None), brief=BRIEF)


def test_a_feed_cannot_overwrite_a_constraint() -> None:
    book = ContextBook(items=[a_constraint()])
    with pytest.raises(UsageError):
        book.upsert(a_headline("constraint-1", "Shorts are fine."))
    assert book.items == (a_constraint(),)


def digest_at(book: ContextBook, minutes: int) -> str:
    """Over what comes out, or what it says why nothing does."""
    as_of = NOON + timedelta(minutes=minutes)
    try:
        return book.synthesize(budget=900, tokenizer=Pieces(), as_of=as_of, brief=BRIEF).digest
    except UsageError as error:  # what is pinned is in no lane that is enabled
        return str(error)


CHANGES = st.one_of(
    st.tuples(st.just("upsert"), st.lists(told_items(lanes=LANE_IDS), min_size=1, max_size=4)),
    st.tuples(st.just("close"), st.integers(1, 12)),
    st.tuples(st.just("retag"), st.integers(1, 12), st.sampled_from(LANE_IDS)),
    st.tuples(st.just("prune"), st.integers(-60, 60)),
    st.tuples(st.just("synthesize"), st.integers(-60, 60)),
)


def change(book: ContextBook, how: tuple[Any, ...]) -> None:
    match how:
        case ("upsert", items):
            book.upsert_all(items)
        case ("prune", minutes):
            book.prune(as_of=NOON + timedelta(minutes=minutes))
        case ("synthesize", minutes):
            digest_at(book, minutes)
        case ("close", number) if known := book.get(f"item-{number}"):
            book.upsert(known.model_copy(update={"status": "closed"}))
        case ("retag", number, lane) if known := book.get(f"item-{number}"):
            book.upsert(known.model_copy(update={"tags": (f"lane:{lane}",)}))


@settings(max_examples=30)
@given(
    st.lists(told_items(lanes=LANE_IDS), max_size=12),
    st.lists(CHANGES, max_size=12),
    st.sampled_from([4, 100]),
    st.randoms(use_true_random=False),
)
def test_a_book_that_was_changed_gives_the_bytes_of_one_made_anew(
    items: list[ContextItem], changes: list[tuple[Any, ...]], max_items: int, random: Random
) -> None:
    book = ContextBook(EVERY_LANE, max_items=max_items)
    for how in [("upsert", items), ("synthesize", 0), *changes]:
        with suppress(UsageError):  # full of what is pinned
            change(book, how)
        anew = ContextBook(EVERY_LANE, items=random.sample(book.items, len(book)))
        for minutes in (-45, 0, 30):
            assert digest_at(book, minutes) == digest_at(anew, minutes)


def test_a_view_of_a_book_that_was_synthesized_goes_its_own_way() -> None:
    book = ContextBook(items=[an_item("a"), an_item("b")])
    before = digest_at(book, 0)
    view = book.view("symbol:BTC/USDT")
    assert digest_at(view, 0) == before
    view.upsert(an_item("c"))
    view.upsert(an_item("a", status="closed"))
    changed = digest_at(view, 0)
    assert digest_at(book, 0) == before
    book.upsert(an_item("d"))
    assert digest_at(book, 0) != before
    assert digest_at(view, 0) == changed


@properties
@given(item_lists(), st.integers(1, 30), st.randoms(use_true_random=False))
def test_a_full_book_keeps_the_newest_evidence_in_whatever_order_it_came(
    items: list[ContextItem], max_items: int, random: Random
) -> None:
    book = ContextBook(items=random.sample(items, len(items)), max_items=max_items)
    newest = sorted(items, key=lambda item: (item.available_at, item.id))[-max_items:]
    assert list(book.items) == sorted(newest, key=lambda item: item.id)


@properties
@given(st.lists(told_items(lanes=LANE_IDS, ids=30), max_size=40), st.integers(1, 8))
def test_a_book_never_holds_more_than_its_bound_and_says_what_it_forgot(
    items: list[ContextItem], max_items: int
) -> None:
    heard: list[Event] = []
    book = ContextBook(EVERY_LANE, hooks=Hooks([heard.append]), max_items=max_items)
    for item in items:
        before = book.items
        heard.clear()
        try:
            book.upsert(item)
        except UsageError:
            assert book.items == before
            continue
        assert len(book) <= max_items
        evicted = [event.item for event in heard if isinstance(event, ItemEvicted)]
        assert {one.id for one in before} | {item.id} == {one.id for one in (*book.items, *evicted)}
        assert not any(one.pinned or "lane:rules" in one.tags for one in evicted)


def test_flooded_with_evidence_a_full_book_keeps_what_must_be_seen() -> None:
    must = [
        a_constraint(),
        an_item("goal", kind="goal", tags=("lane:strategy",)),
        an_item("pinned", pinned=True, available_at=NOON - timedelta(days=9)),
        an_item("mandate", tags=("lane:risk-factors",), available_at=NOON - timedelta(days=9)),
    ]
    book = ContextBook(items=must, max_items=6)
    book.upsert_all(an_item(f"flood-{number}") for number in range(100))
    assert {item.id for item in book.items} == {*(item.id for item in must), "flood-98", "flood-99"}


def test_a_book_full_of_what_must_stay_refuses_more_of_it_and_forgets_newer_evidence() -> None:
    book = ContextBook(items=[a_constraint(f"rule-{number}") for number in range(3)], max_items=3)
    with pytest.raises(UsageError, match=r"none of its 3 items may be evicted for rule-3\. .*larger max_items"):
        book.upsert(a_constraint("rule-3"))
    book.upsert(an_item("news"))
    assert [item.id for item in book.items] == ["rule-0", "rule-1", "rule-2"]


def test_what_was_unpinned_may_be_evicted_and_what_was_pinned_later_may_not() -> None:
    ages = {"older": NOON - timedelta(days=2), "x-1": NOON - timedelta(hours=3), "x-2": NOON - timedelta(hours=1)}
    book = ContextBook(
        items=[an_item(item_id, pinned=item_id == "older", available_at=at) for item_id, at in ages.items()],
        max_items=3,
    )
    book.upsert(an_item("older", pinned=False, available_at=ages["older"]))
    book.upsert(an_item("x-1", pinned=True, available_at=ages["x-1"]))
    book.upsert(an_item("x-3"))
    book.upsert(an_item("x-4"))
    assert [item.id for item in book.items] == ["x-1", "x-3", "x-4"]


def test_an_item_that_was_told_anew_is_as_old_as_its_latest_wording() -> None:
    ages = {f"item-{number}": NOON - timedelta(hours=9 - number) for number in range(4)}
    book = ContextBook(items=[an_item(item_id, available_at=at) for item_id, at in ages.items()], max_items=3)
    book.upsert(an_item("item-1", available_at=NOON))
    book.upsert(an_item("item-4"))
    assert [item.id for item in book.items] == ["item-1", "item-3", "item-4"]


def test_a_book_for_no_items_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        ContextBook(max_items=0)
