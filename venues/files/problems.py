"""What is wrong with market data files, collected so that one error can name it all."""

from __future__ import annotations

from pathlib import Path

from domain.errors import MarketDataError

_MOST_LINES = 20
_ENOUGH = 1_000
_REMEDY = "Nothing was read: mend or remove what is named, or take the data from its source again"


class Problems:
    """Collects problems by file and line; shows the first twenty and counts the rest."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def enough(self) -> bool:
        """Whether reading on would only raise the count."""
        return self._count >= _ENOUGH

    def add(self, path: Path, *, line: int, what: str) -> None:
        self._count += 1
        if len(self._lines) < _MOST_LINES:
            self._lines.append(f"{path}:{line}: {what}")

    def refuse(self) -> None:
        """Raises `MarketDataError` naming them, unless there are none."""
        if not self._count:
            return
        if self._count == 1:
            raise MarketDataError(self._lines[0], remedy=_REMEDY)
        many = f"at least {self._count}" if self.enough else str(self._count)
        lines = [f"{many} problems in the market data", *self._lines]
        if self._count > len(self._lines):
            lines.append(f"and {self._count - len(self._lines)} more")
        raise MarketDataError("\n  ".join(lines), remedy=_REMEDY)
