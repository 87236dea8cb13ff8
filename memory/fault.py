"""What a verification finds: which row, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it was written. `key` names the row within its run or account."""

    table: str
    key: str
    what: str
    field: str = ""
    """The first column that differs, where two rows were compared."""

    def __str__(self) -> str:
        place = f"{self.table} {self.key}".strip()
        return f"{place}: {self.field} {self.what}" if self.field else f"{place}: {self.what}"
