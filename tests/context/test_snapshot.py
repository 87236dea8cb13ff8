import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.context import BRIEF, NOON, a_constraint, a_headline, item_lists
from context import ContextBook, ContextItem, ModelAnswer, ModelRequest, Pieces, Snapshot, Synthesis, Utf8Bytes, blobs
from context.snapshot import resynthesize
from domain.digest import GENESIS, canonical
from domain.errors import NotFound, Refused, UsageError

ITEMS = [a_constraint(), *(a_headline(f"news-{n}", f"比特币 story {n} — “quoted” 🚀") for n in range(60))]

AGAIN = """
import json, sys
from context import Pieces, Snapshot, resynthesize
snapshot, bodies = json.load(sys.stdin)
again = resynthesize(Snapshot.model_validate_json(snapshot), bodies, tokenizer=Pieces())
print(Snapshot.model_validate_json(snapshot).id, again.digest)
"""


def made(items: list[ContextItem], *, budget: int = 500) -> Synthesis:
    return ContextBook(items=items).synthesize(budget=budget, tokenizer=Pieces(), as_of=NOON, brief=BRIEF)


def a_snapshot(synthesis: Synthesis, *, previous: str = GENESIS, answer: str = '{"stance":"hold"}') -> Snapshot:
    return Snapshot.of(
        synthesis,
        cycle=3,
        request=ModelRequest(model="rules"),
        answer=ModelAnswer(body=answer, input_tokens=400),
        previous=previous,
    )


@settings(max_examples=15)
@given(item_lists(), st.integers(200, 900))
def test_a_snapshot_synthesises_to_the_same_bytes(items: list[ContextItem], budget: int) -> None:
    synthesis = made(items, budget=budget)
    snapshot = Snapshot.model_validate_json(canonical(a_snapshot(synthesis)))
    again = resynthesize(snapshot, blobs(synthesis), tokenizer=Pieces())
    assert again.messages == synthesis.messages
    assert a_snapshot(again).id == a_snapshot(synthesis).id


def test_it_does_so_in_another_process_locale_time_zone_and_hash_seed() -> None:
    synthesis = made(ITEMS)
    snapshot = a_snapshot(synthesis)
    for seed, zone, locale in (("1", "Asia/Tokyo", "C"), ("2", "America/New_York", "tr_TR.UTF-8")):
        done = subprocess.run(
            [sys.executable, "-c", AGAIN],
            input=canonical([canonical(snapshot), blobs(synthesis)]),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "PYTHONUTF8": "1"},
        )
        assert done.stdout.split() == [snapshot.id, synthesis.digest]


def test_the_id_is_over_everything() -> None:
    synthesis = made(ITEMS)
    snapshot = a_snapshot(synthesis)
    assert len({snapshot.id, a_snapshot(synthesis, answer="{}").id, a_snapshot(synthesis, previous="1" * 64).id}) == 3


ALL = blobs(made(ITEMS))
KINDS = {
    "lanes": '{"lanes":[',
    "brief": '{"answer_schema":',
    "list of lists": '{"lists":',
    "list of items": '{"items":',
    "item": '{"available_at":',
}


@pytest.mark.parametrize("beginning", KINDS.values(), ids=KINDS)
def test_there_is_a_body_on_every_level(beginning: str) -> None:
    assert any(body.startswith(beginning) for body in ALL.values())


@settings(max_examples=25)
@given(st.sampled_from(sorted(ALL)), st.data())
def test_a_changed_byte_in_any_body_of_any_level_is_found(key: str, data: st.DataObject) -> None:
    synthesis = made(ITEMS)
    at = data.draw(st.integers(0, len(ALL[key]) - 1))
    changed = ALL[key][:at] + chr(ord(ALL[key][at]) ^ 1) + ALL[key][at + 1 :]
    with pytest.raises(Refused, match=f"{key} was changed"):
        resynthesize(a_snapshot(synthesis), {**ALL, key: changed}, tokenizer=Pieces())


@settings(max_examples=25)
@given(st.sampled_from(sorted(ALL)))
def test_a_missing_body_of_any_level_is_named(key: str) -> None:
    rest = {each: body for each, body in ALL.items() if each != key}
    with pytest.raises(NotFound, match=key):
        resynthesize(a_snapshot(made(ITEMS)), rest, tokenizer=Pieces())


def test_a_manifest_that_is_no_list_is_refused() -> None:
    snapshot = a_snapshot(made(ITEMS))
    misled = snapshot.model_copy(update={"items": snapshot.brief})
    with pytest.raises(Refused, match="no list of items"):
        resynthesize(misled, ALL, tokenizer=Pieces())


def test_a_changed_field_of_the_snapshot_itself_is_found() -> None:
    synthesis = made(ITEMS)
    changed = a_snapshot(synthesis).model_copy(update={"budget": 450})
    with pytest.raises(Refused, match="does not synthesise"):
        resynthesize(changed, blobs(synthesis), tokenizer=Pieces())


def test_another_tokenizer_is_named() -> None:
    synthesis = made(ITEMS)
    with pytest.raises(UsageError, match="pieces, not utf8-bytes"):
        resynthesize(a_snapshot(synthesis), blobs(synthesis), tokenizer=Utf8Bytes())


def test_snapshots_of_one_book_share_their_bodies_and_hold_no_other_snapshot() -> None:
    first = made(ITEMS)
    chained = a_snapshot(made(ITEMS, budget=400), previous=a_snapshot(first).id)
    assert set(chained.references) < set(blobs(first))
    assert canonical(chained).count('"synthesis"') == 1


def test_a_snapshot_of_a_large_book_is_small() -> None:
    small, large = (a_snapshot(made([a_headline(f"news-{n}", f"story {n}") for n in range(size)])) for size in (9, 900))
    assert len(canonical(large)) < len(canonical(small)) + 1_000


def test_what_was_left_out_is_counted_by_reason() -> None:
    synthesis = made(ITEMS)
    assert sum(a_snapshot(synthesis).dropped.values()) == len(synthesis.dropped) > 0
