"""Column types: decimals and instants kept as canonical text, so that one number has one byte form everywhere."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from domain.digest import instant, plain
from domain.errors import Refused


class DecimalText(TypeDecorator[Decimal]):
    """A `Decimal` as `domain.digest.plain` writes it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else plain(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        try:
            return Decimal(value)
        except InvalidOperation:
            raise _changed(value, kind="a decimal") from None


class InstantText(TypeDecorator[datetime]):
    """An aware datetime as `domain.digest.instant` writes it.

    Seconds and microseconds do not sort as text among each other: order by a cycle, or in Python.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else instant(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise _changed(value, kind="an instant") from None


def _changed(value: str, *, kind: str) -> Refused:
    return Refused(
        f"the archive holds {value!r} where {kind} was written: it was changed since",
        remedy="agentctl snapshots verify names all that was changed",
    )
