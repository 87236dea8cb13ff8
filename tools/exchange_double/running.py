"""A clock for exchanges that hold a client to the second."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class RunningClock:
    """Starts at `at` when it is made, and runs as fast as the machine's does."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._made = time.monotonic()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._made)
