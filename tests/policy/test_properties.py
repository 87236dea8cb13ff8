"""What holds for every proposal, every world and every policy."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from builders.policy import NOW, POLICY, a_policy, a_proposal, judge, some_facts
from builders.policy_worlds import TIGHTER, facts, policy_pairs, proposals
from domain.decision import Proposal
from policy import CHECKS, Facts, Policy, PolicyEngine

few = settings(max_examples=100, deadline=None)

OPEN_HANDED = a_policy(
    order_type={"types": ["market", "limit"], "times_in_force": ["GTC", "IOC", "FOK"]},
    max_notional={"share_of_equity": "0.2"},
    price_collar={"band_bps": 2000},
    position={"share_of_equity": "0.3"},
    exposure={"gross_share_of_equity": "0.5"},
    open_positions={"maximum": 3},
    daily_loss={"share_of_day_start": "0.1"},
    risk_per_trade={"share_of_equity": "0.05"},
    conviction={"minimum": "0.1"},
    short={"allow": True},
    stop={"required": False},
)
"""Wide enough that many drawn proposals pass, so that what is said of allowed ones is not said of none."""


@few
@given(proposals(), facts(), policy_pairs())
def test_tightening_any_limit_never_turns_a_refusal_into_an_allow(
    proposal: Proposal, world: Facts, pair: tuple[Policy, Policy]
) -> None:
    strictness = ("allow", "review", "deny")
    loose, tight = (strictness.index(judge(proposal, world, policy=policy).outcome) for policy in pair)
    assert tight >= loose


@few
@given(facts(troubled=False), policy_pairs())
def test_tightening_any_limit_never_lets_a_good_entry_in(world: Facts, pair: tuple[Policy, Policy]) -> None:
    strictness = ("allow", "review", "deny")
    loose, tight = (strictness.index(judge(a_proposal(quantity="1"), world, policy=policy).outcome) for policy in pair)
    assert tight >= loose


def test_every_number_of_a_policy_has_a_stricter_direction() -> None:
    numbers = {
        (section, name)
        for section, limits in POLICY.model_dump().items()
        if isinstance(limits, dict)
        for name in limits
        if name != "warn_at" and section not in ("symbol", "order_type", "short", "stop")
    }
    assert numbers == set(TIGHTER)


@few
@given(proposals(), facts(), st.text(), st.text())
def test_the_verdict_is_the_same_whatever_the_free_text_says(
    proposal: Proposal, world: Facts, rationale: str, agent: str
) -> None:
    spoken = proposal.model_copy(update={"rationale": rationale, "agent": agent})
    ours, theirs = judge(proposal, world), judge(spoken, world)
    assert (ours.outcome, ours.findings) == (theirs.outcome, theirs.findings)


@few
@given(proposals(), facts(troubled=False))
def test_an_allowed_entry_stays_inside_every_cap(proposal: Proposal, world: Facts) -> None:
    verdict = judge(proposal, world, policy=OPEN_HANDED)
    if verdict.outcome != "allow" or _leaves(proposal, world):
        return
    book = world.portfolio
    assert book is not None
    price = proposal.limit_price or (Decimal(101) if proposal.side == "buy" else Decimal(99))
    after = _worst_quantities(proposal, world)
    assert proposal.quantity * price <= Decimal("0.2") * book.equity
    assert after[proposal.symbol] * min(price, Decimal(100)) <= Decimal("0.3") * book.equity
    assert sum(after.values()) * 85 <= Decimal("0.5") * book.equity
    if proposal.stop_price is not None:
        assert proposal.quantity * abs(price - proposal.stop_price) <= Decimal("0.05") * book.equity
    assert world.day_start_equity is not None
    assert world.day_start_equity - book.equity <= Decimal("0.1") * world.day_start_equity


def _worst_quantities(proposal: Proposal, world: Facts) -> dict[str, Decimal]:
    """Per symbol the larger of all longs and all shorts, counted one by one."""
    assert world.portfolio is not None
    entries = [(o.symbol, o.side, o.remaining) for o in world.working if not o.reduce_only]
    entries.append((proposal.symbol, proposal.side, proposal.quantity))
    worst = {}
    for symbol in world.universe:
        held = world.portfolio.quantity(symbol)
        bought = sum(q for s, side, q in entries if s == symbol and side == "buy")
        sold = sum(q for s, side, q in entries if s == symbol and side == "sell")
        worst[symbol] = max(max(held, Decimal(0)) + bought, max(-held, Decimal(0)) + sold)
    return worst


@few
@given(proposals().map(lambda p: p.model_copy(update={"reduce_only": True})), facts(troubled=False))
def test_an_allowed_reduce_only_order_never_enlarges_or_flips(proposal: Proposal, world: Facts) -> None:
    if judge(proposal, world, policy=OPEN_HANDED).outcome == "allow":
        assert _leaves(proposal, world)


def _leaves(proposal: Proposal, world: Facts) -> bool:
    """Whether a reduce-only order and all working ones on its side leave the position smaller, not flipped."""
    assert world.portfolio is not None
    held = world.portfolio.quantity(proposal.symbol)
    moved = proposal.quantity + sum(
        o.remaining for o in world.working if (o.symbol, o.side) == (proposal.symbol, proposal.side)
    )
    left = held + (moved if proposal.side == "buy" else -moved)
    return proposal.reduce_only and abs(left) < abs(held) and left * held >= 0


@few
@given(proposals(), facts())
def test_nothing_is_allowed_when_halted_stale_or_unknown(proposal: Proposal, world: Facts) -> None:
    verdict = judge(proposal, world, policy=OPEN_HANDED)
    quote = world.quotes.get(proposal.symbol)
    doubts = (
        world.trading_state not in ("active", "reducing"),
        world.trading_state == "reducing" and not proposal.reduce_only,
        quote is None or quote.bid > quote.ask or not 0 <= (NOW - quote.at).total_seconds() <= 900,
        world.portfolio is None,
        proposal.symbol not in world.instruments,
        proposal.symbol not in world.universe,
        world.day_start_equity is None and not proposal.reduce_only,
    )
    if any(doubts):
        assert verdict.outcome == "deny"


@few
@given(proposals(), facts(), st.permutations(CHECKS))
def test_the_order_of_the_checks_is_irrelevant(proposal: Proposal, world: Facts, checks: list[object]) -> None:
    shuffled = PolicyEngine(POLICY, checks=checks).evaluate(proposal, world)  # type: ignore[arg-type]
    assert shuffled.digest == judge(proposal, world).digest


@few
@given(proposals(), facts())
def test_the_facts_about_a_proposal_are_all_that_bears_on_it(proposal: Proposal, world: Facts) -> None:
    assert judge(proposal, world.about(proposal)).findings == judge(proposal, world).findings


@few
@given(st.decimals(min_value="1e-30", max_value="1e30", allow_nan=False, allow_infinity=False))
def test_no_quantity_however_odd_passes_the_caps(quantity: Decimal) -> None:
    if judge(a_proposal(quantity=quantity), some_facts()).outcome == "allow":
        assert quantity * 100 <= 1_000
        assert quantity % Decimal("0.25") == 0


@few
@given(facts(troubled=False))
def test_leaving_a_whole_position_is_allowed_by_a_policy_that_sets_no_entry_limits(world: Facts) -> None:
    leave_only = Policy.model_validate(
        {
            "name": "leave-only",
            "order_type": POLICY.order_type,
            "max_notional": {"share_of_equity": 0},
            "pricing": POLICY.pricing,
            "price_collar": POLICY.price_collar,
            "market_data": POLICY.market_data,
        }
    )
    assert world.portfolio is not None
    for symbol, position in world.portfolio.positions.items():
        side = "sell" if position.quantity > 0 else "buy"
        if any(o.symbol == symbol and o.side == side for o in world.working):
            continue
        out = a_proposal(
            symbol=symbol, side=side, type="market", limit_price=None, quantity=abs(position.quantity), reduce_only=True
        )
        verdict = judge(out, world, policy=leave_only)
        assert verdict.outcome == "allow", verdict.reasons
