"""Lists of items that contexts share: the same items give the same lists, and one more changes only a few."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context.manifest import MOST, listing, manifest
from domain.digest import sha256

properties = settings(max_examples=25)

IDS = st.from_regex(r"[a-z0-9:]{1,12}", fullmatch=True)
DIGESTS = st.text(max_size=3).map(sha256)
BOOKS = st.dictionaries(IDS, DIGESTS, max_size=8) | st.dictionaries(IDS, DIGESTS, min_size=MOST, max_size=3 * MOST)


def items_of(key: str, bodies: dict[str, str]) -> list[str]:
    found = listing(bodies[key])
    assert found is not None
    return [*found.items, *(item for below in found.lists for item in items_of(below, bodies))]


def a_book(size: int) -> dict[str, str]:
    return {f"item-{n}": sha256(str(n)) for n in range(size)}


@properties
@given(BOOKS)
def test_a_manifest_names_every_item_once_and_every_list_by_its_digest(items: dict[str, str]) -> None:
    key, bodies = manifest(items)
    assert sorted(items_of(key, bodies)) == sorted(items.values())
    assert all(sha256(body) == each for each, body in bodies.items())


@properties
@given(BOOKS, st.randoms(use_true_random=False))
def test_the_order_in_which_items_came_makes_no_difference(items: dict[str, str], random: object) -> None:
    shuffled = sorted(items.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert manifest(dict(shuffled)) == manifest(items)


@properties
@given(BOOKS)
def test_no_list_is_long(items: dict[str, str]) -> None:
    for body in manifest(items)[1].values():
        found = listing(body)
        assert found is not None
        assert len(found.items) <= MOST
        assert len(found.lists) <= 8


@pytest.mark.parametrize("size", [100, 500, 5_000])
def test_an_item_that_comes_changes_or_goes_changes_only_the_lists_above_it(size: int) -> None:
    _, before = manifest(a_book(size))
    for other in (
        a_book(size) | {"item-7": sha256("changed")},
        a_book(size) | {"item-new": sha256("new")},
        {item_id: digest for item_id, digest in a_book(size).items() if item_id != "item-7"},
    ):
        fresh = manifest(other)[1].keys() - before.keys()
        assert 1 <= len(fresh) <= 6


def test_ten_of_five_hundred_items_change_less_than_a_third_of_the_lists() -> None:
    _, before = manifest(a_book(500))
    fresh = manifest(a_book(500) | {f"item-{n}": sha256("changed") for n in range(0, 500, 50)})[1]
    written = sum(len(body) for key, body in fresh.items() if key not in before)
    assert written < sum(len(body) for body in before.values()) / 3


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", '{"items":3}', '{"lists":["x"]}', '{"items":[],"text":""}', '{"items":']
)
def test_any_other_text_is_no_list(body: str) -> None:
    assert listing(body) is None
