"""TOML that a person wrote, within bounds: what no settings file needs is refused before it costs a second."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any, Final

MOST_BYTES: Final = 100_000
"""Of a file that is read. Ours have up to 20,000."""

_DEEPEST: Final = 20
_MOST_DOTS: Final = 100
"""In a line: the library takes quadratic time for a key of many parts."""


def loads(text: str, *, parse_float: Callable[[str], object] = float) -> dict[str, Any]:
    """The tables of `text`. Raises `ValueError` for what isn't TOML, is larger than it may be, or nested too deeply."""
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.count(".") > _MOST_DOTS and not line.lstrip().startswith("#"):
            raise ValueError(f"it has more than {_MOST_DOTS} dots in line {number}")
    try:
        stated = tomllib.loads(text, parse_float=parse_float)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # Python reads no longer ones
        raise ValueError("it has a number of too many digits") from None
    level: list[object] = [stated]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return stated
    raise ValueError("it is nested too deeply")


def _inside(value: object) -> list[object]:
    return [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
