"""The table of a certification as it grows: each step is run, timed, and kept with what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from domain.clock import Clock
from domain.errors import AgentctlError, DatabaseUnavailable, LeaseLost, NotFound, UsageError
from domain.text import visible
from graphs.certification.report import STEPS, Result, Step, StepResult, Watch

_MILLISECOND = timedelta(milliseconds=1)
_TEXT_LIMIT = 400


@dataclass(slots=True)
class Row:
    """What a step fills in while it goes on."""

    sent: str = ""
    answered: str = ""


Work = Callable[[Row], Awaitable[None]]


class Table:
    def __init__(self, watch: Watch, wall: Clock) -> None:
        self._watch = watch
        self._wall = wall
        self._rows: dict[Step, StepResult] = {}

    async def run(self, step: Step, work: Work) -> bool:
        """Whether the step passed. What it raises is why it did not.

        Raises `UsageError` and `NotFound`, which are of what was asked for, and what ends every step: a lost lease
        and a lost database.
        """
        row, began_at = Row(), self._wall.now()
        self._watch.began(step)
        result: Result = "pass"
        try:
            await work(row)
        except (UsageError, NotFound, LeaseLost, DatabaseUnavailable):
            raise
        except AgentctlError as error:
            result, row.answered = "fail", str(error)
        self._keep(step, result, row, elapsed_ms=(self._wall.now() - began_at) // _MILLISECOND)
        return result == "pass"

    def fail(self, why: str) -> None:
        """The first step that has no row yet has failed."""
        step = next((step for step in STEPS if step not in self._rows), None)
        if step is not None:
            self._keep(step, "fail", Row(answered=why), elapsed_ms=0)

    def passed(self, step: Step) -> bool:
        return step in self._rows and self._rows[step].result == "pass"

    def ran(self, step: Step) -> bool:
        return step in self._rows

    def rows(self) -> tuple[StepResult, ...]:
        """In their order, with those that were not run."""
        return tuple(
            self._rows.get(step, StepResult(step=step, result="not run"))
            for step in get_args(Step)
            if step in STEPS or step in self._rows
        )

    def _keep(self, step: Step, result: Result, row: Row, *, elapsed_ms: int) -> None:
        self._rows[step] = StepResult(
            step=step,
            result=result,
            sent=visible(row.sent, limit=_TEXT_LIMIT),
            answered=visible(row.answered, limit=_TEXT_LIMIT),
            elapsed_ms=elapsed_ms,
        )
        self._watch.ended(self._rows[step])
