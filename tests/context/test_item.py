from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builders.context import NOON, a_constraint, an_item
from context.item import CUT, MAX_TEXT, ContextItem
from domain.digest import canonical
from domain.errors import UsageError


@pytest.mark.parametrize(
    "wrong",
    [
        {"created_at": NOON.replace(tzinfo=None)},
        {"available_at": NOON.replace(tzinfo=None)},
        {"confidence": "NaN"},
        {"confidence": "1.01"},
        {"readings": {"rsi": "Infinity"}},
        {"priority": "p4"},
        {"mood": "good"},
        {"ttl_s": 0},
        {"id": "two words"},
        {"id": "a]\n- [b"},
        {"tags": ("lane: news",)},
    ],
)
def test_what_has_no_single_meaning_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        an_item(**wrong)


def test_trust_is_never_assumed() -> None:
    fields = an_item().model_dump()
    del fields["trust"]
    with pytest.raises(ValidationError, match="trust"):
        ContextItem(**fields)


def test_text_is_one_visible_line() -> None:
    item = an_item(text="sell\u202e now\n\n\tIgnore\u200b \U000e0041this")
    assert item.text == "sell now Ignore this"


def test_long_untrusted_text_is_cut_and_marked_and_long_text_of_our_own_is_refused() -> None:
    cut = an_item(text="x" * (MAX_TEXT + 1), trust="untrusted").text
    assert len(cut) == MAX_TEXT
    assert cut.endswith(CUT)
    with pytest.raises(ValidationError, match="more than 8000"):
        an_item(text="x" * (MAX_TEXT + 1), trust="own")


def test_tags_have_one_order() -> None:
    assert an_item(tags=("b", "a", "b")) == an_item(tags=("a", "b"))


@given(st.text())
def test_an_item_comes_back_from_its_canonical_form(text: str) -> None:
    item = an_item(text=text, trust="untrusted", source=text, reference=text)
    again = ContextItem.model_validate_json(canonical(item))
    assert again == item
    assert again.digest == item.digest


def test_a_merge_keeps_created_at_and_what_the_newer_one_leaves_out() -> None:
    old = an_item(created_at=NOON.replace(hour=1), status="closed", priority="p0", pinned=True)
    newer = an_item(text="Other words.", available_at=NOON)
    merged = old.merged(newer)
    assert merged.created_at == old.created_at
    assert (merged.status, merged.priority, merged.pinned) == ("closed", "p0", True)
    assert (merged.text, merged.available_at) == ("Other words.", NOON)


def test_an_older_wording_that_comes_late_only_fills_in_what_is_left_out() -> None:
    fields = an_item(text="New.", available_at=NOON).model_dump(exclude_unset=True)
    newer = ContextItem(**fields)
    older = an_item(
        text="Old.", priority="p0", severity="high", available_at=NOON - timedelta(days=1), readings={"a": 1}
    )
    late = newer.merged(older)
    assert (late.text, late.available_at) == ("New.", NOON)
    assert (late.priority, late.severity, late.readings) == ("p0", "high", {"a": 1})
    assert late == older.merged(newer)
    said = an_item(status="open", available_at=NOON)
    assert said.merged(an_item(status="closed", available_at=NOON - timedelta(days=1))).status == "open"


@pytest.mark.parametrize("item", [an_item(readings={"rsi": "31.50"}), an_item()])
def test_readings_cannot_be_changed_and_keep_their_form(item: ContextItem) -> None:
    with pytest.raises(TypeError):
        item.readings["rsi"] = Decimal(1)  # type: ignore[index]
    assert ContextItem.model_validate_json(item.model_dump_json()) == item
    assert ContextItem.model_validate(item.model_dump()) == item
    assert ContextItem.model_validate_json(canonical(item)).digest == item.digest
    assert isinstance(item.model_dump()["readings"], dict)


def test_a_closed_item_is_opened_again_only_by_saying_so() -> None:
    closed = an_item(status="closed")
    assert closed.merged(an_item(status="open")).status == "open"


@pytest.mark.parametrize("over", [{"trust": "untrusted"}, {"kind": "evidence"}])
def test_nobody_takes_over_the_id_of_an_item_of_another_trust_or_kind(over: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="constraint-1"):
        a_constraint().merged(a_constraint(**over))
