"""The packaged profiles: what they say, and how they stand to each other."""

from __future__ import annotations

from decimal import Decimal

import pytest

from builders.policy import BTC, a_proposal, a_quote, judge, some_bars, some_facts
from graphs.session.profiles import DEFAULT_PROFILE, PROFILES, profile
from policy import Policy
from policy.market import Bars
from policy.tightness import loosened

QUIET = tuple((-1) ** n * 500 for n in range(200))


def calm_bars() -> Bars:
    return some_bars(average_volume="1000", returns_ppm=QUIET)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_spells_out_every_section_but_options(name: str) -> None:
    policy = profile(name)
    assert policy.name == name
    assert {section for section in Policy.model_fields if getattr(policy, section) is None} == {"option"}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_lets_a_small_sure_entry_in(name: str) -> None:
    facts = some_facts(quotes={BTC: a_quote(bid="99.9", ask="100")}, bars={BTC: calm_bars()})
    entry = a_proposal(quantity="1", limit_price="100", stop_price="98", conviction="0.9", reference_price="99.95")
    verdict = judge(entry, facts, policy=profile(name))
    assert verdict.outcome == "allow", verdict.reasons


def test_the_default_profile_is_the_conservative_one() -> None:
    policy = profile(DEFAULT_PROFILE)
    assert policy.name == "conservative"
    assert policy.max_notional is not None
    assert policy.max_notional.share_of_equity == Decimal("0.1")
    assert (policy.short.allow, policy.stop.required, policy.review.overrides) == (False, True, False)


def test_each_profile_is_tighter_than_the_next() -> None:
    conservative, standard, paper = profile("conservative"), profile("standard"), profile("paper-lab")
    assert loosened(conservative, than=standard) == ()
    assert loosened(standard, than=paper) == (
        "review.overrides: true, not false",
        'authority.modes: ["live", "paper"], not ["paper"]',
    )
    assert loosened(profile("prop-firm"), than=conservative) == ("daily_loss.share_of_day_start: 0.045, not 0.03",)


def test_the_prop_firm_profile_stops_short_of_the_firms_own_limits() -> None:
    policy = profile("prop-firm")
    assert policy.drawdown is not None
    assert policy.daily_loss is not None
    assert policy.open_positions is not None
    assert policy.position is not None
    assert policy.conviction is not None
    assert policy.escalation is not None
    assert (policy.drawdown.share_of_high, policy.drawdown.sizes_fall_from) == (Decimal("0.02"), Decimal("0.5"))
    assert policy.daily_loss.share_of_day_start == Decimal("0.045")
    assert (policy.open_positions.maximum, policy.position.share_of_equity) == (5, Decimal("0.1"))
    assert policy.conviction.minimum == Decimal("0.82")
    steps = policy.escalation
    assert (steps.alert_at, steps.halve_at, steps.flatten_at) == (Decimal("0.7"), Decimal("0.9"), Decimal(1))
