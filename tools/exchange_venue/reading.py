"""Reading what an exchange sent, where anything that can't be read is one error."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pydantic import ValidationError

from domain.errors import VenueUnavailable
from domain.text import visible

P = ParamSpec("P")
T = TypeVar("T")


def readable(what: str, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `read` makes of its arguments, with anything that it can't read as one `VenueUnavailable`."""
    try:
        return read(*args, **kwargs)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise VenueUnavailable(f"{what} can't be read: {visible(said, limit=200)}") from error
