"""When a model is dead, and when it is asked again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders.tools import START
from graphs.session.model_health import ModelHealth, Questions


def asked(*failures: str) -> Questions:
    questions = Questions()
    for failure in failures:
        questions.note(failure)
    return questions


@pytest.mark.parametrize("kind", ["auth", "quota", "not_found", "no_server", "bad_request"])
def test_a_model_that_never_answered_is_dead_at_once(kind: str) -> None:
    health = ModelHealth()
    health.close_cycle(asked(f"{kind}: no"), now=START)
    assert health.dead == f"{kind}: no"


@pytest.mark.parametrize(
    ("kind", "cycles"),
    [("auth", 1), ("quota", 1), ("not_found", 1), ("no_server", 3), ("timeout", 3), ("rate_limit", 3)],
)
def test_one_that_answered_before_is_dead_when_it_stays_silent(kind: str, cycles: int) -> None:
    health = ModelHealth()
    health.close_cycle(asked(""), now=START)
    for number in range(1, cycles + 1):
        health.close_cycle(asked(f"{kind}: no"), now=START)
        health.close_cycle(asked(), now=START)  # a cycle without a question says nothing
        assert bool(health.dead) is (number == cycles)


@pytest.mark.parametrize("kind", ["auth", "quota", "not_found", "no_server", "bad_request"])
def test_one_that_does_not_answer_before_the_first_cycle_is_dead(kind: str) -> None:
    health = ModelHealth()
    health.begin(f"{kind}: no", now=START)
    assert health.dead == f"{kind}: no"


@pytest.mark.parametrize("failure", ["", "unreadable: x", "timeout: x", "rate_limit: x", "unavailable: x"])
def test_one_that_is_busy_before_the_first_cycle_is_not(failure: str) -> None:
    health = ModelHealth()
    health.begin(failure, now=START)
    assert health.dead == ""


@pytest.mark.parametrize("answer", ["", "unreadable: x", "refusal: x", "length: x", "empty: x", "blocked: x"])
def test_an_answer_of_any_kind_is_of_a_model_that_lives(answer: str) -> None:
    health = ModelHealth()
    for _ in range(5):
        health.close_cycle(asked("auth: no", answer), now=START)
    assert health.dead == ""


def test_a_dead_model_is_asked_again_after_growing_pauses() -> None:
    health, now, pauses = ModelHealth(), START, []
    for _ in range(9):
        health.close_cycle(asked("auth: no"), now=now)
        assert health.asked_again_at is not None
        pauses.append(int((health.asked_again_at - now).total_seconds() / 60))
        assert "auth: no" in health.pause(now=health.asked_again_at - timedelta(seconds=1))
        assert health.pause(now=health.asked_again_at) == ""
        now = health.asked_again_at
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    health.close_cycle(asked(""), now=now)
    assert (health.dead, health.pause(now=now)) == ("", "")
    health.close_cycle(asked("auth: no"), now=now)
    assert health.asked_again_at == now + timedelta(minutes=1)
