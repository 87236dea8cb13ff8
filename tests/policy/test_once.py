"""A property that is worked out once."""

from __future__ import annotations

import pytest

from policy.once import once


class Counted:
    """Knows how often it was asked."""

    asked = 0

    @once
    def number(self) -> int:
        """How often it was asked, as of the first time."""
        self.asked += 1
        if self.asked == 1:
            raise ValueError("not yet")
        return self.asked


def test_it_is_worked_out_once_and_what_raises_is_not_kept() -> None:
    one = Counted()
    with pytest.raises(ValueError, match="not yet"):
        _ = one.number
    assert [one.number, one.number, one.asked] == [2, 2, 2]
    assert vars(Counted)["number"].__doc__ == "How often it was asked, as of the first time."
