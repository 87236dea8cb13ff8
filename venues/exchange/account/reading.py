"""Reading what an exchange sent, where anything that can't be read is one error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import ParamSpec, TypeVar

from pydantic import ValidationError

from domain.errors import VenueUnavailable
from domain.text import visible

P = ParamSpec("P")
T = TypeVar("T")

UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading raises of an answer that is empty, too short, or of another type than it should be."""


def readable(what: str, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `read` makes of its arguments, with anything that it can't read as one `VenueUnavailable`."""
    try:
        return read(*args, **kwargs)
    except UNREADABLE as error:
        raise _unread(what, error) from error


def reading(what: str, ask: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[object, object, T]]:
    """`ask`, with an answer that it can't read as one `VenueUnavailable`: it was not told."""

    async def reader(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await ask(*args, **kwargs)
        except UNREADABLE as error:
            raise _unread(what, error) from error

    return reader


def _unread(what: str, error: Exception) -> VenueUnavailable:
    reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return VenueUnavailable(f"{what} can't be read: {type(error).__name__}: {visible(reason, limit=200)}")
