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

ITEMS = [a_constraint(), *(a_headline(f"news-{n}", f"比特币 story {n} — “quoted” 🚀") for n in range(20))]

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


@settings(max_examples=40, deadline=None)
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


@pytest.mark.parametrize("which", range(3))
def test_a_changed_byte_in_any_body_is_found(which: int) -> None:
    synthesis = made(ITEMS)
    snapshot, bodies = a_snapshot(synthesis), blobs(synthesis)
    key = snapshot.references[which]
    bodies[key] = bodies[key].replace("a", "b", 1)
    with pytest.raises(Refused, match=key):
        resynthesize(snapshot, bodies, tokenizer=Pieces())


def test_a_changed_field_of_the_snapshot_itself_is_found() -> None:
    synthesis = made(ITEMS)
    changed = a_snapshot(synthesis).model_copy(update={"budget": 450})
    with pytest.raises(Refused, match="does not synthesise"):
        resynthesize(changed, blobs(synthesis), tokenizer=Pieces())


def test_a_missing_body_and_another_tokenizer_are_named() -> None:
    synthesis = made(ITEMS)
    with pytest.raises(NotFound):
        resynthesize(a_snapshot(synthesis), {}, tokenizer=Pieces())
    with pytest.raises(UsageError, match="pieces, not utf8-bytes"):
        resynthesize(a_snapshot(synthesis), blobs(synthesis), tokenizer=Utf8Bytes())


def test_snapshots_of_one_book_share_their_bodies_and_hold_no_other_snapshot() -> None:
    first = made(ITEMS)
    chained = a_snapshot(made(ITEMS, budget=400), previous=a_snapshot(first).id)
    assert set(chained.references) == set(blobs(first))
    assert canonical(chained).count('"synthesis"') == 1
