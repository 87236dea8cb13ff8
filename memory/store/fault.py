"""What a verification finds, and what a reader meets: which row, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import RowMapping, Table

from domain.errors import Refused
from memory.store.schema import key_of, row_digest


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


def genuine(table: Table, row: RowMapping) -> None:
    """Raises `Refused` for a row that does not fit its digest: nothing may rest on it."""
    if row["digest"] != row_digest(table, dict(row)):
        raise Refused(
            f"{table.name} {key_of(table, dict(row))} was changed since it was written",
            remedy="agentctl snapshots verify names all that was changed",
        )


@contextmanager
def as_written(table: Table, row: RowMapping) -> Generator[None]:
    """Around the reading of a row: raises `Refused`, naming it, for one that no writer of ours can have written."""
    try:
        yield
    except (ValueError, ArithmeticError) as error:
        raise Refused(
            f"{table.name} {key_of(table, dict(row))} can't be read: it was changed since it was written",
            remedy="agentctl snapshots verify names all that was changed",
        ) from error
