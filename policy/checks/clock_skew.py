"""Clock skew: that our clock and the venue's agree."""

from __future__ import annotations

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.limits.market import ClockLimits
from policy.ruling import FactMissing, Ruling, passed


@check(
    code="CLOCK_SKEW",
    source="RTS 25 (Reg. (EU) 2017/574) Art. 3",
    section="clock",
    alike_for_all=True,
)
def clocks_agree(case: Case, limits: ClockLimits) -> Ruling:
    """Refuse every order when our clock is off the venue's by more than `max_skew_ms`, either way.

    A skew that was not measured refuses entries only: a wrong clock makes every age wrong, but
    merely not knowing must not keep anyone from leaving.
    """
    skew = case.facts.clock_skew_ms
    if skew is None:
        if case.reducing:
            return passed("the clock skew is unknown, and the order only reduces")
        raise FactMissing("the clock skew is unknown")
    if abs(skew) > limits.max_skew_ms:
        side = "ahead of" if skew > 0 else "behind"
        message = f"our clock is {plain(abs(skew))} ms {side} the venue's, and {plain(limits.max_skew_ms)} are allowed"
        return Ruling("deny", message, abs(skew), limits.max_skew_ms, "ms")
    return Ruling("pass", "the clocks agree", abs(skew), limits.max_skew_ms, "ms")
