"""Checks of conduct: how often and how surely agents act, what they may spend, and who lets them."""

from __future__ import annotations

from decimal import Decimal

from domain.decision import Proposal
from domain.digest import plain
from policy.account import SentOrder, Usage
from policy.case import Case
from policy.check import check
from policy.limits.conduct import (
    AuthorityLimits,
    BudgetLimits,
    ConvictionLimits,
    DuplicateLimits,
    RateLimits,
    RepetitionLimits,
)
from policy.ruling import FactMissing, Ruling, deny, passed, strictest, within
from policy.used import Used


@check(
    code="ORDER_RATE",
    source="RTS 6 Art. 15(1)(d); SEC 15c3-5(c)(1)(ii); FIA 2024, message throttles",
    section="order_rate",
    alike_for_all=True,
)
def rate_within(case: Case, limits: RateLimits) -> Ruling:
    """Refuse more orders than the window holds, in the symbol and in all, the judged one counted.

    Entries leave `kept_for_exits` of both free, so that they can't use up the room to leave. An order that
    replaces a stop leaves room to put that back, and an exit that replaces several for each of them, of half the limit
    at most. An order counts from when it was let through, whatever became of it.
    """
    replaced = len(case.proposal.releases)
    here = 1 + len(case.sent_within(limits.window_s))
    in_all = 1 + sum(map(len, case.book.sent_within(limits.window_s).values()))

    def judged(count: int, limit: int, what: str) -> Ruling:
        unit = f"orders in {limits.window_s} s {what}"
        reserved = limits.kept_for_exits
        if case.reducing:
            reserved = min(replaced, 1 if case.protects else limit // 2)
        return within(Decimal(count), Decimal(max(limit - reserved, 0)), unit=unit, warn_at=limits.warn_at)

    return strictest(judged(here, limits.per_symbol, "in the symbol"), judged(in_all, limits.in_all, "in all"))


@check(
    code="REPEATED_EXECUTION",
    source="RTS 6 Art. 15(3), repeated automated execution throttles",
    section="repetition",
    entry_only=True,
    alike_for_all=True,
)
def not_repeated(case: Case, limits: RepetitionLimits) -> Ruling:
    """Refuse an agent's entry in a symbol that it entered `entries` times in the window, and while it is stopped there.

    The refusal for the count carries its numbers and stops the agent in the symbol, which outlasts
    the window: a person re-arms it, and no leave for one order does. From then on it is counted anew.
    """
    agent, symbol = case.proposal.agent, case.proposal.symbol
    if any(latch.agent == agent and latch.symbol == symbol for latch in case.facts.latches):
        return deny("the agent is stopped in this symbol until a person re-arms it")
    cleared = [each.through for each in case.facts.rearmed if each.agent == agent and each.symbol == symbol]
    entries = 1 + sum(
        order.agent == agent and not order.reduce_only and all(order.at > through for through in cleared)
        for order in case.sent_within(limits.window_s)
    )
    observed, limit, unit = Decimal(entries), Decimal(limits.entries), f"entries in {limits.window_s} s"
    if entries > limits.entries:
        message = f"the agent would enter the symbol {entries} times in {limits.window_s} s, and may {limits.entries}"
        return Ruling("deny", message, observed, limit, unit)
    return Ruling("pass", "within the limit", observed, limit, unit)


@check(
    code="DUPLICATE",
    source="SEC 15c3-5(c)(1)(ii), duplicative orders; DESIGN rule 3",
    section="duplicate",
)
def not_a_duplicate(case: Case, limits: DuplicateLimits) -> Ruling:
    """Refuse an order that is like one sent within the window, or whose intent is among those sent lately.

    Alike are orders of one symbol, side, type, quantity, prices and reduce-only mark, whoever proposed
    them. That an intent is used once, however long ago, is kept by the ledger: facts about a proposal
    leave its own order out, so that it may be judged again after a crash. A protective stop may be put back as it
    was: that no two stand at once is kept by REDUCE_ONLY.
    """
    proposal = case.proposal
    own = case.order.client_order_id if case.order else proposal.client_order_id
    if own in case.book.used_ids:
        return deny("an order with this id was let through before")
    if not case.protects and any(_alike(order, proposal) for order in case.sent_within(limits.window_s)):
        return deny(f"the same order was let through less than {limits.window_s} s ago")
    return passed("no order like it")


def _alike(order: SentOrder, proposal: Proposal) -> bool:
    """Whether an order in the same symbol is like the proposed one."""
    return (
        order.side == proposal.side
        and order.type == proposal.type
        and order.quantity == proposal.quantity
        and order.limit_price == proposal.limit_price
        and order.trigger_price == proposal.trigger_price
        and order.reduce_only == proposal.reduce_only
    )


@check(
    code="AUTHORITY",
    source="RTS 6 Art. 15(5); SEC 15c3-5(c)(2)(iii)",
    section="authority",
)
def authorised(case: Case, limits: AuthorityLimits) -> Ruling:
    """Refuse another agent than those listed, an entry without its decision or on a desk of another mode, and
    a live order on a desk not armed.

    A desk is armed by a named person and until a moment; the moment itself is too late for an entry. What was
    entered may be left and protected whoever armed the desk, and when nobody does any more.
    """
    proposal, facts = case.proposal, case.facts
    if proposal.agent not in limits.agents:
        return deny(f"the agent is not among {', '.join(sorted(limits.agents)) or 'none'}")
    if limits.decision_required and proposal.snapshot is None and not case.reducing:
        return deny("the entry does not name the decision that it rests on")
    if facts.mode not in ("paper", "live"):
        return deny("the mode is unknown")
    if facts.mode not in limits.modes and not case.reducing:
        return deny(f"the policy is for {', '.join(sorted(limits.modes)) or 'no'} desks")
    if facts.mode == "paper":
        return passed("a paper desk")
    if case.reducing:
        return passed("a live desk, and the order only reduces")
    if facts.armed is None:
        return deny("nobody has armed the live desk")
    if not facts.armed.by.strip():
        return deny("the live desk was armed by nobody with a name")
    if facts.now >= facts.armed.until:
        return deny("the live desk is no longer armed")
    return passed("a live desk, armed")


@check(
    code="CONVICTION",
    source="RTS 6 Art. 15(4), trading strategy and risk tolerance",
    section="conviction",
    entry_only=True,
    waivable=True,
)
def sure_enough(case: Case, limits: ConvictionLimits) -> Ruling:
    """Refuse an entry below the minimum conviction; send one below `review_below` to a person."""
    conviction, unit = case.proposal.conviction, "of 1"
    if conviction < limits.minimum:
        message = f"conviction {plain(conviction)} is below {plain(limits.minimum)}"
        return Ruling("deny", message, conviction, limits.minimum, unit)
    if limits.review_below is not None and conviction < limits.review_below:
        message = f"conviction {plain(conviction)} is below {plain(limits.review_below)}: a person decides"
        return Ruling("review", message, conviction, limits.review_below, unit)
    return Ruling("pass", "sure enough", conviction, limits.minimum, unit)


@check(
    code="AGENT_BUDGET",
    source="DESIGN rule 10",
    section="agent_budget",
    entry_only=True,
    alike_for_all=True,
)
def budget_left(case: Case, limits: BudgetLimits) -> Ruling:
    """Refuse an entry once the day's spend, tokens or tool calls are above a limit, or refusals in a row at theirs.

    A spend that includes a model of unknown price is unknown, and refuses. Of several limits the one
    with the largest used part is reported. Before that, no model is asked a question that may cost more than is left
    in dollars or tokens.
    """
    usage = case.facts.usage
    if usage is None:
        raise FactMissing("what the agents have used is unknown")
    row, longest = usage.refusals_in_a_row, limits.refusals_in_a_row
    if longest is not None and row >= longest:
        message = f"{row} entries in a row were refused: a person should look"
        return Ruling("deny", message, Decimal(row), Decimal(longest), "refusals in a row")
    (unit, tightest), *others = _uses(usage, limits).items()  # a budget that is on has a limit
    for name, used in others:
        if used.exceeds(tightest):
            unit, tightest = name, used
    return within(tightest.amount, tightest.limit, unit=unit, warn_at=limits.warn_at)


def _uses(usage: Usage, limits: BudgetLimits) -> dict[str, Used]:
    """Each limit that is set with what of it is used, by its unit."""
    uses = {}
    if limits.usd is not None:
        if usage.usd is None:
            raise FactMissing("a model was asked whose price is unknown")
        uses["USD"] = Used(usage.usd, limits.usd)
    counts = (
        ("tokens", usage.tokens, limits.tokens),
        ("tool calls", usage.tool_calls, limits.tool_calls),
        ("refusals in a row", usage.refusals_in_a_row, limits.refusals_in_a_row),
    )
    for unit, count, limit in counts:
        if limit is not None:
            uses[unit] = Used(Decimal(count), Decimal(limit))
    return uses


@check(
    code="TRADING_STATE",
    source="RTS 6 Art. 12; FIA 2024, kill switch",
    alike_for_all=True,
)
def trading_permitted(case: Case) -> Ruling:
    """Refuse everything but protective stops when halted, entries when reducing, and everything in an unknown state.

    A halt leaves no position without its stop: a stop at the venue that can only reduce is placed in each state.
    """
    match case.facts.trading_state:
        case "active":
            return passed("active")
        case "reducing" if case.reducing:
            return passed("reducing, and the order only reduces")
        case "reducing":
            return deny("only orders that reduce are taken")
        case "halted" if case.protects:
            return passed("halted, and the order only protects")
        case "halted":
            return deny("trading is halted")
        case _:
            return deny("the trading state is unknown")
