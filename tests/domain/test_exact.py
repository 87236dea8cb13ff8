"""Copies of exact types: what is rebuilt, what is refused, and that nothing of the original is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Literal

import pytest

from builders.liars import AnyText, QuietDecimal
from builders.policy import NOW, a_proposal, a_quote, judge
from domain.candle import Quote
from domain.decision import Proposal
from domain.errors import NotExact
from domain.exact import exact
from domain.order import OrderState
from domain.value import Amount, Instant, Value
from policy import Verdict
from policy.verdict import Finding


class Inner(Value):
    size: Amount


class Outer(Value):
    inner: Inner | None = None
    several: tuple[Inner, ...] = ()
    state: OrderState = OrderState.WORKING
    side: Literal["buy", "sell"] = "buy"
    at: Instant = NOW
    count: int = 0


class Liar(Inner):
    pass


class Explosive:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError


class Ours(tzinfo):
    def utcoffset(self, dt: datetime | None) -> timedelta:
        raise RuntimeError


def refusal(value: object, kind: type[Any] = Outer) -> str:
    with pytest.raises(NotExact) as raised:
        exact(kind, value)
    return str(raised.value)


def test_a_copy_says_the_same_and_is_another_object_all_the_way_down() -> None:
    inner = Inner(size=Decimal(1))
    outer = Outer(inner=inner, several=(inner, inner), at=NOW, state=OrderState.FILLED)
    copy = exact(Outer, outer)
    assert copy == outer
    assert copy is not outer
    assert copy.inner is not inner
    assert copy.several[0] is not inner


@pytest.mark.parametrize("value", [a_proposal(), a_quote(), judge(), judge(a_proposal(quantity="500"))])
def test_what_the_gate_works_with_can_be_copied(value: Value) -> None:
    copy = exact(type(value), value)
    assert copy == value
    assert copy.model_dump_json() == value.model_dump_json()


def test_a_copy_is_of_what_is_there_now_and_not_of_a_remembered_digest() -> None:
    proposal = a_proposal()
    before = proposal.digest
    object.__setattr__(proposal, "quantity", Decimal(6))
    assert proposal.digest == before, "this is why a door copies"
    assert exact(Proposal, proposal).digest == a_proposal(quantity="6").digest != before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inner": Liar(size=Decimal(1))}, "inner: is of type Liar"),
        ({"inner": Inner.model_construct(size=QuietDecimal(1))}, "inner: size: is of type QuietDecimal"),
        ({"inner": Inner.model_construct()}, "inner: size: is missing"),
        ({"several": [Inner(size=Decimal(1))]}, "several: is of type list"),
        ({"several": (Liar(size=Decimal(1)),)}, "several: is of type Liar"),
        ({"state": "working"}, "state: is of type str"),
        ({"state": str.__new__(OrderState, "sold")}, "state: is no OrderState"),
        ({"side": AnyText("buy")}, "side: is of type AnyText"),
        ({"at": NOW.replace(tzinfo=Ours())}, "at: has a time zone of type Ours"),
        ({"at": NOW.replace(tzinfo=None)}, "at: Input should have timezone info"),
        ({"at": "2025-01-02"}, "at: is of type str"),
        ({"count": True}, "count: is of type bool"),
        ({"count": 10**5_000}, "Exceeds the limit"),
        ({"inner": Inner.model_construct(size=Decimal("NaN"))}, "inner: Input should be a finite number"),
        ({"side": "hold"}, "side: Input should be 'buy' or 'sell'"),
        ({"inner": 5, "count": "1"}, "inner: is of type int; count: is of type str"),
    ],
)
def test_what_is_not_of_its_exact_type_is_refused_by_name(fields: dict[str, object], message: str) -> None:
    assert message in refusal(Outer().model_copy(update=fields))


def test_an_instant_of_another_zone_is_copied_in_utc() -> None:
    there = Outer.model_construct(**{**Outer().__dict__, "at": NOW.astimezone(timezone(timedelta(hours=2)))})
    assert exact(Outer, there).at.tzinfo is UTC
    assert exact(Outer, there).at == NOW


@pytest.mark.parametrize("value", [None, "text", Inner(size=Decimal(1)), {"side": "buy"}])
def test_what_is_of_another_type_is_refused_whole(value: object) -> None:
    assert "not Outer" in refusal(value)


def test_what_raises_whatever_it_is_asked_is_not_asked() -> None:
    assert "it is of type Explosive, not Outer" in refusal(Explosive())
    assert "inner: is of type Explosive" in refusal(Outer().model_copy(update={"inner": Explosive()}))


class Odd(dict[str, object]):
    pass


@pytest.mark.parametrize(
    "held",
    [
        {**Outer().__dict__, "other": 1},
        {AnyText(name): value for name, value in Outer().__dict__.items()},
        Odd(Outer().__dict__),
    ],
)
def test_what_holds_anything_that_its_type_has_not_is_refused(held: dict[str, object]) -> None:
    value = Outer()
    object.__setattr__(value, "__dict__", held)
    assert "it holds what no Outer does" in refusal(value)


def test_a_finding_that_lies_is_in_no_copy_of_its_verdict() -> None:
    class LyingFinding(Finding):
        pass

    verdict = judge()
    first = verdict.findings[0]
    lying = LyingFinding(first.code, "pass", first.message)
    assert "findings: is of type LyingFinding" in refusal(
        verdict.model_copy(update={"findings": (lying, *verdict.findings[1:])}), Verdict
    )
    unset = object.__new__(Finding)
    assert "findings: it holds what no Finding does" in refusal(
        verdict.model_copy(update={"findings": (unset,)}), Verdict
    )


def test_a_quote_that_is_crossed_is_a_quote() -> None:
    crossed = a_quote(bid="101", ask="99")
    assert exact(Quote, crossed) == crossed
