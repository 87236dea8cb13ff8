"""Listeners hear everything in order, and have no say."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings

from builders.context import BRIEF, NOON, an_item, item_lists
from context import ContextBook, ContextItem, Hooks, ItemUpserted, LaneRefreshed, Pieces, Synthesis, Synthesized
from context.hooks import ItemEvicted


class Deaf(Exception):
    pass


def _raises(event: object) -> None:
    raise Deaf


def _made(items: list[ContextItem], hooks: Hooks) -> Synthesis:
    book = ContextBook(items=items, hooks=hooks)
    return book.synthesize(budget=6_000, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)


def test_listeners_are_told_in_the_order_in_which_they_were_added() -> None:
    heard: list[tuple[str, str]] = []
    hooks = Hooks([lambda event: heard.append(("first", type(event).__name__))])
    hooks.add(lambda event: heard.append(("second", type(event).__name__)))
    ContextBook(hooks=hooks).upsert(an_item())
    assert heard == [("first", "ItemUpserted"), ("second", "ItemUpserted")]


def test_an_upsert_is_told_once_and_says_whether_it_merged() -> None:
    heard: list[object] = []
    book = ContextBook(hooks=Hooks([heard.append]))
    book.upsert(an_item(text="first"))
    book.upsert(an_item(text="second"))
    book.upsert(an_item(text="second"))
    assert [(type(e), e.merged) for e in heard if isinstance(e, ItemUpserted)] == [
        (ItemUpserted, False),
        (ItemUpserted, True),
    ]
    assert len(heard) == 2


def test_an_eviction_is_told_after_the_upsert_that_caused_it() -> None:
    heard: list[object] = []
    old, new = an_item("old", available_at=NOON - timedelta(days=1)), an_item("new")
    ContextBook(hooks=Hooks([heard.append]), max_items=1).upsert_all([old, new])
    assert heard == [ItemUpserted(old, merged=False), ItemUpserted(new, merged=False), ItemEvicted(old)]


def test_a_synthesis_is_told_lane_by_lane_and_then_whole() -> None:
    heard: list[object] = []
    made = _made([an_item()], Hooks([heard.append]))
    told = [event for event in heard if not isinstance(event, ItemUpserted)]
    assert [e.usage for e in told if isinstance(e, LaneRefreshed)] == list(made.lanes)
    assert isinstance(told[-1], Synthesized)
    assert told[-1].synthesis is made


def test_a_listener_that_changes_what_it_is_told_and_then_raises_changes_nothing() -> None:
    def meddles(event: object) -> None:
        if isinstance(event, ItemUpserted):
            event.item.readings["rsi"] = Decimal(99)  # type: ignore[index]
        raise Deaf

    item = an_item(readings={"rsi": "31.5"})
    hooks = Hooks([meddles])
    book = ContextBook(items=[item], hooks=hooks)
    assert book.items == (item,)
    assert book.items[0].readings == {"rsi": Decimal("31.5")}
    assert isinstance(hooks.failures[0], TypeError)


def test_a_listener_that_adds_itself_is_told_the_next_event_only() -> None:
    heard: list[object] = []

    def adds(event: object) -> None:
        heard.append(event)
        hooks.add(adds)

    hooks = Hooks([adds])
    book = ContextBook(hooks=hooks)
    book.upsert(an_item("a"))
    assert len(heard) == 1
    book.upsert(an_item("b"))
    assert len(heard) == 3


def test_views_tell_the_same_listeners() -> None:
    heard: list[object] = []
    ContextBook(hooks=Hooks([heard.append])).view("symbol:BTC/USDT").upsert(an_item())
    assert len(heard) == 1


@given(items=item_lists())
@settings(max_examples=15)
def test_a_listener_that_raises_changes_nothing(items: list[ContextItem]) -> None:
    heard: list[object] = []
    hooks = Hooks([_raises, heard.append])
    assert _made(items, hooks).digest == _made(items, Hooks()).digest
    assert len(heard) >= len(hooks.failures) > 0
    assert all(isinstance(error, Deaf) for error in hooks.failures)
