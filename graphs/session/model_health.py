"""Whether a run's model can be asked at all: what its failures come to, and when a dead one is asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from agents.faults import KINDS
from domain.errors import ModelUnavailable

_AT_ONCE: Final = frozenset({"auth", "quota", "not_found"})
"""Asked again they fail again, until a person does something."""
_FROM_THE_START: Final = frozenset({"no_server", "bad_request"})
"""Of a model that never answered they mean the same; one that did may come back."""
_MOST_IN_A_ROW: Final = 3
"""Cycles in which every question failed, whatever of."""
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)

_REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "auth": "Check its key",
        "quota": "Top up the account at the provider, or wait until its quota begins anew",
        "not_found": "Check the model's name: the provider has none of it, or not for this key",
        "no_server": "Start its server, or check the address and the network",
        "bad_request": "The provider takes no such request from this model: choose another",
    }
)


@dataclass(slots=True)
class Questions:
    """What came of the questions of one cycle."""

    answered: bool = False
    failures: list[str] = field(default_factory=list)
    """Of those that the provider did not take or did not answer, each as its kind and words."""

    def note(self, failure: str) -> None:
        """Count one. An answer that can't be read came from a model that lives."""
        kind = failure.partition(":")[0]
        if kind in KINDS:
            self.failures.append(failure)
        else:
            self.answered = True


@dataclass(slots=True)
class ModelHealth:
    """Of one process: a run that goes on asks a model that was dead before."""

    answered: bool = False
    silent_cycles: int = 0
    """In a row, in which there were questions and no answer."""
    dead: str = ""
    """Why the model can't be asked; empty while it can."""
    asked_again_at: datetime | None = None
    _pause: timedelta = _FIRST_PAUSE

    def close_cycle(self, questions: Questions, *, now: datetime) -> None:
        """Take in what came of a cycle's questions."""
        if questions.answered:
            self.answered, self.silent_cycles, self.dead = True, 0, ""
            self.asked_again_at, self._pause = None, _FIRST_PAUSE
        elif questions.failures:
            self.silent_cycles += 1
            if self.dead:
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self.dead = self._death(questions.failures)
            self.asked_again_at = now + self._pause if self.dead else None

    def _death(self, failures: list[str]) -> str:
        kinds = {failure.partition(":")[0]: failure for failure in failures}
        for kind in sorted(kinds.keys() & _AT_ONCE):
            return kinds[kind]
        others = sorted(kinds.keys() & _FROM_THE_START)
        if others and not self.answered:
            return kinds[others[0]]
        return failures[-1] if self.silent_cycles >= _MOST_IN_A_ROW else ""

    def begin(self, failure: str, *, now: datetime) -> None:
        """Take in what came of a question before the first cycle: its failure, empty where it was answered."""
        questions = Questions()
        questions.note(failure)
        self.close_cycle(questions, now=now)

    def pause(self, *, now: datetime) -> str:
        """Why the model is not asked at this moment; empty when it is."""
        if not self.dead or self.asked_again_at is None or now >= self.asked_again_at:
            return ""
        return f"the model can't be asked: {self.dead}; asked again from {self.asked_again_at:%H:%M:%S} UTC on"

    def alert(self, model: str) -> str:
        """What an operator must know while a live account holds something."""
        return (
            f"ALERT: {model} can't be asked: {self.dead}. Reduce-only: no new positions; stops, targets and time "
            "limits go on, and it is asked again"
        )

    def error(self, model: str) -> ModelUnavailable:
        """What ends a run that has nothing to look after."""
        remedy = _REMEDIES.get(self.dead.partition(":")[0], "Wait until the provider answers again")
        return ModelUnavailable(f"{model} can't be asked: {self.dead}", remedy=remedy)
