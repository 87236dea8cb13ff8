"""One byte form for equal values, in any process; and a refusal for what has none."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.digest import canonical, digest, instant, jsonable, plain, sha256
from domain.errors import NotCanonical
from domain.value import Value

ROOT = Path(__file__).parents[2]

finite = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)
moments = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
leaves = st.none() | st.booleans() | st.integers() | finite | moments | words
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)


class Colour(Enum):
    RED = "red"


class Shade(StrEnum):
    DARK = "dark"


class Point(Value):
    y: Decimal
    x: Decimal = Decimal(0)


class Line(Value):
    ends: tuple[Point, ...]
    names: Mapping[str, Point]


@dataclasses.dataclass(frozen=True)
class Pair:
    second: int
    first: datetime


@settings(max_examples=100)
@given(values)
def test_canonical_json_is_json_and_reading_it_changes_nothing(value: object) -> None:
    text = canonical(value)
    assert canonical(json.loads(text)) == text


@settings(max_examples=100)
@given(values)
def test_the_two_ways_of_writing_a_value_agree(value: object) -> None:
    plainly = json.dumps(jsonable(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert canonical(value) == plainly


@settings(max_examples=100)
@given(finite, finite)
def test_a_changed_copy_never_has_the_text_of_its_original(one: Decimal, other: Decimal) -> None:
    point = Point(y=one)
    line = Line(ends=(point, point), names={"a": point})
    before = digest(line), digest(point)
    moved = point.model_copy(update={"y": other})
    redrawn = line.model_copy(update={"ends": (moved, point)})
    assert (digest(moved) == before[1]) == (one == other)
    assert (digest(redrawn) == before[0]) == (one == other)
    assert digest(redrawn) == digest(Line.model_validate_json(canonical(redrawn)))
    assert (digest(line), digest(point)) == before


def test_texts_are_forgotten_with_their_values() -> None:
    """A new value may stand where an old one stood in memory."""
    for n in range(1_000):
        assert canonical(Point(y=Decimal(n))) == f'{{"x":"0","y":"{n}"}}'
    point = Point(y=Decimal(1))
    seen = weakref.ref(point)
    canonical(point)
    del point
    assert seen() is None


def test_what_can_change_is_written_anew() -> None:
    line = Line(ends=(), names={"a": Point(y=Decimal(1))})
    first = canonical(line)
    dict.clear(line.names)  # type: ignore[arg-type]
    assert canonical(line) == '{"ends":[],"names":{}}' != first


@settings(max_examples=100)
@given(st.dictionaries(words, values, max_size=6), st.randoms(use_true_random=False))
def test_the_order_in_which_a_mapping_was_made_does_not_matter(value: dict[str, object], random: object) -> None:
    items = list(value.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert canonical(dict(items)) == canonical(value)


@settings(max_examples=100)
@given(finite, st.integers(0, 6))
def test_equal_decimals_have_equal_text_however_they_are_written(value: Decimal, zeros: int) -> None:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, digits + (0,) * zeros, exponent - zeros))
    assert plain(longer) == plain(value)
    assert Decimal(plain(value)) == value


@settings(max_examples=100)
@given(finite, finite)
def test_different_decimals_have_different_text(one: Decimal, other: Decimal) -> None:
    assert (plain(one) == plain(other)) == (one == other)


@settings(max_examples=100)
@given(moments, st.integers(-14 * 60, 14 * 60))
def test_one_moment_has_one_text_in_every_zone(at: datetime, minutes: int) -> None:
    elsewhere = at.astimezone(timezone(timedelta(minutes=minutes)))
    assert instant(elsewhere) == instant(at)
    assert datetime.fromisoformat(instant(at)) == at


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), '"1.5"'),
        (Decimal("-0.00"), '"0"'),
        (Decimal("1E+3"), '"1000"'),
        (Decimal("1E-7"), '"0.0000001"'),
        (Decimal("100"), '"100"'),
        (-0.0, "0.0"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (datetime(2025, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), '"2025-01-01T00:00:00Z"'),
        (datetime(2025, 1, 1, 0, 0, 0, 5, tzinfo=UTC), '"2025-01-01T00:00:00.000005Z"'),
        (timedelta(minutes=1), "60.0"),
        ({"b": 1, "a": (1, 2)}, '{"a":[1,2],"b":1}'),
        ({Colour.RED: Shade.DARK}, '{"red":"dark"}'),
        (frozenset({"b", "a"}), '["a","b"]'),
        ({Decimal(10), Decimal(9)}, '["10","9"]'),
        (Point(y=Decimal("2.0")), '{"x":"0","y":"2"}'),
        (Pair(second=1, first=datetime(2025, 1, 1, tzinfo=UTC)), '{"first":"2025-01-01T00:00:00Z","second":1}'),
        ("é\n\u2028", '"é\\n\u2028"'),
    ],
)
def test_each_kind_of_value_has_this_form(value: object, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        float("nan"),
        float("-inf"),
        datetime(2025, 1, 1),  # noqa: DTZ001
        {1: "a"},
        {None: "a"},
        b"bytes",
        bytearray(b"bytes"),
        object(),
        Point,
        Pair,
        date(2025, 1, 1),
        1j,
        (number for number in (1, 2)),
        10**5_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_single_form_is_refused_at_any_depth(value: object) -> None:
    for nested in (value, [value], {"key": value}, {"key": [{"deep": value}]}):
        with pytest.raises(NotCanonical):
            canonical(nested)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(NotCanonical, match="surrogate"):
        digest({"text": "\ud800"})
    with pytest.raises(NotCanonical):
        sha256("\udfff")


PROBE = """
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from domain.digest import digest
zone = timezone(timedelta(hours=5, minutes=30))
print(digest({
    "set": {"b", "a", "ü", "zz"}, "decimals": {Decimal("1.10"), Decimal("2")},
    "at": datetime(2025, 3, 30, 1, 30, tzinfo=zone), "map": {k: len(k) for k in {"x", "yy", "zzz"}},
}))
"""


def test_another_process_hash_seed_time_zone_and_locale_give_the_same_digest() -> None:
    def probe(**environment: str) -> str:
        run = subprocess.run(
            [sys.executable, "-c", PROBE],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout

    first = probe(PYTHONHASHSEED="0", TZ="UTC", LC_ALL="C")
    assert probe(PYTHONHASHSEED="4711", TZ="America/St_Johns", LC_ALL="C.UTF-8") == first
    assert probe(PYTHONHASHSEED="random", TZ="Asia/Kathmandu", LC_ALL="C") == first
