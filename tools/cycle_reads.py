"""What the tool calls of one cycle share: the time that they may wait in all, and the answers that failed."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from typing import Any, Final

from tools.resilience import Monotonic
from tools.result import Failure, ToolResult

_NO_REQUEST: Final = frozenset[Failure | None]({None, "open_circuit", "rate_limited"})
"""Failures that cost no time, and may be over when the same is asked again; `None` is none."""


class CycleReads:
    """One for each cycle. Without limits, as in a notebook, a call has what its tool allows.

    Time counts while at least one call is under way: those made at once share it, and nobody reads while a model
    thinks. What answers without a wait is read also when no time is left, so that bars which are already here never
    depend on how quick a machine is.
    """

    def __init__(
        self, *, cycle_s: float = math.inf, read_s: float = math.inf, monotonic: Monotonic = time.monotonic
    ) -> None:
        """`cycle_s` is for all calls together, and `read_s` for one, such as a quote."""
        self._cycle_s = cycle_s
        self._read_s = read_s
        self._monotonic = monotonic
        self._under_way = 0
        self._since = 0.0
        self._spent_s = 0.0
        self._silent: set[str] = set()
        self._failed: dict[Hashable, ToolResult[Any]] = {}

    @contextmanager
    def under_way(self) -> Generator[None]:
        """Around a call that may wait."""
        if not self._under_way:
            self._since = self._monotonic()
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._spent_s += self._monotonic() - self._since

    @property
    def left_s(self) -> float:
        running_s = self._monotonic() - self._since if self._under_way else 0.0
        return max(0.0, self._cycle_s - self._spent_s - running_s)

    def limit(self, timeout_s: float, symbol: str) -> tuple[float, str]:
        """How long a call may wait, of which its tool allows `timeout_s`, and what is said when that is over.

        A symbol that was waited for in vain is not waited for again in the cycle: the others need the time.
        """
        if symbol in self._silent:
            return 0.0, f"no answer, and {symbol} was waited for in this cycle already"
        limit_s = min(timeout_s, self._read_s)
        if self.left_s < limit_s:
            return self.left_s, f"no answer within the {self._cycle_s:g} s that a cycle has to read"
        return limit_s, f"no answer within {limit_s:g} s"

    def failure(self, question: Hashable) -> ToolResult[Any] | None:
        """The failed answer to a question that was asked before in this cycle."""
        return self._failed.get(question)

    def keep(self, question: Hashable, result: ToolResult[Any], *, symbol: str) -> None:
        """Take note of an answer, performed or played back. One that failed is kept, where somebody was asked."""
        if result.failure in _NO_REQUEST:
            return
        self._failed.setdefault(question, result)
        if symbol and result.failure == "timeout":
            self._silent.add(symbol)
