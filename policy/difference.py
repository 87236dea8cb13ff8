"""Two policies side by side: the settings that differ, and which of the two is the tighter in each."""

from __future__ import annotations

from typing import Literal

from domain.value import Value
from policy.file import written
from policy.policy import Policy
from policy.tightness import Pair, differing

Direction = Literal["tighter", "looser", "mixed", "neutral"]
"""`mixed` refuses less in one respect and more in another, or can't be told; `neutral` refuses no more and no less."""


class Change(Value):
    """One setting that is not the same, as a file would write it. `right_is` compares the right to the left."""

    path: str
    left: str
    right: str
    right_is: Direction


def changes(first: Policy, second: Policy) -> tuple[Change, ...]:
    """In the order of the sections; empty for policies that differ in name alone."""
    return tuple(
        Change(path=pair.path, left=written(pair.first), right=written(pair.second), right_is=_direction(pair))
        for pair in differing(first, second)
    )


def _direction(pair: Pair) -> Direction:
    match pair.first_refuses_less, pair.second_refuses_less:
        case True, True:
            return "mixed"
        case True, False:
            return "tighter"
        case False, True:
            return "looser"
        case _:
            return "neutral"
