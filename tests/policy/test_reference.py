"""The reference as a page: what would break its tables. Its text is held by `tests/docs/test_policy_docs.py`."""

from __future__ import annotations

from builders.policy import a_policy
from policy import CHECKS
from policy.reference import reference


def test_a_bar_in_a_setting_does_not_end_its_cell() -> None:
    page = reference(CHECKS, [a_policy(day={"time_zone": "A|B"})])
    assert '| `day.time_zone` |  | "A\\|B" |' in page
