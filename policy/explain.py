"""A verdict explained: which checks spoke, by which rule, and which size of the same order would have passed."""

from __future__ import annotations

from decimal import Decimal
from inspect import cleandoc
from typing import Final

from domain.decision import Proposal
from domain.digest import plain
from domain.instrument import Instrument
from domain.money import ZERO, floor_to
from domain.sizing import least, least_entry
from domain.value import Positive, Value
from policy.checks import CHECKS
from policy.engine import PolicyEngine
from policy.facts import Facts
from policy.verdict import Finding, Verdict

_RULES: Final = {check.code: check for check in CHECKS}


class Spoken(Value):
    """One finding with the rule behind it. `rule` and `source` are empty for a check that is no longer there."""

    finding: Finding
    rule: str
    """What the check refuses."""
    source: str
    """Where the rule comes from."""
    section: str | None
    """Of the policy, where its limits stand."""
    waivable: bool
    """Whether a person may let it stand for one order."""


class Explanation(Value):
    """Why a verdict is what it is, and what would have passed by the same policy on the same facts."""

    verdict: Verdict
    spoken: tuple[Spoken, ...]
    asked: Positive
    largest: Positive | None
    """The largest quantity found that is allowed, and none when no size would have passed.

    At most what was asked for, or the smallest that the venue takes where less was asked.
    """
    whatever_the_size: tuple[str, ...] = ()
    """Codes that refuse the smallest order too, where no size would have passed."""
    still_so: bool
    """Whether these checks judge as those did that gave the verdict."""

    @property
    def refused_by(self) -> tuple[Spoken, ...]:
        return tuple(each for each in self.spoken if each.finding.outcome in ("deny", "review"))

    @property
    def would_have_passed(self) -> str:
        """In one sentence."""
        if self.verdict.outcome == "allow":
            return "The order was allowed."
        if self.largest is not None:
            return f"A quantity of {plain(self.largest)} would have passed; {plain(self.asked)} was asked for."
        return f"No size would have passed: {', '.join(self.whatever_the_size)} would refuse the smallest too."


def explain(verdict: Verdict, proposal: Proposal, facts: Facts, *, engine: PolicyEngine) -> Explanation:
    """Explain the `verdict` that `engine`'s policy gave on `proposal` and `facts`."""
    now = engine.evaluate(proposal, facts)
    largest, codes = (proposal.quantity, ()) if now.outcome == "allow" else _largest(proposal, facts, engine)
    return Explanation(
        verdict=verdict,
        spoken=tuple(_spoken(finding) for finding in verdict.findings),
        asked=proposal.quantity,
        largest=largest,
        whatever_the_size=codes,
        still_so=now == verdict,
    )


def _spoken(finding: Finding) -> Spoken:
    check = _RULES.get(finding.code)
    if check is None:
        return Spoken(finding=finding, rule="", source="", section=None, waivable=False)
    rule = cleandoc(check.refuses)
    return Spoken(finding=finding, rule=rule, source=check.source, section=check.section, waivable=check.waivable)


def _largest(proposal: Proposal, facts: Facts, engine: PolicyEngine) -> tuple[Decimal | None, tuple[str, ...]]:
    """The largest quantity of the same order that passes, or none and the codes that refuse the smallest.

    Halves the lots between one size that passes and one that does not, so that what is returned was
    evaluated, and one lot more was refused: checks need not grow stricter with size for it to be true.
    """
    instrument = facts.instruments.get(proposal.symbol)
    if instrument is None:
        return None, _refusing(proposal, facts, engine)
    lot = instrument.lot_size
    smallest = _smallest(proposal, facts, instrument)
    refusing = _refusing(_sized(proposal, smallest), facts, engine)
    if refusing:
        return None, refusing
    if smallest >= proposal.quantity:
        return smallest, ()
    passes, refused = smallest, floor_to(proposal.quantity, lot)
    if refused < proposal.quantity:  # off the grid: all the lots below what was asked for may pass
        refused += lot
    while refused - passes > lot:
        middle = floor_to((passes + refused) / 2, lot)
        if _refusing(_sized(proposal, middle), facts, engine):
            refused = middle
        else:
            passes = middle
    return passes, ()


def _smallest(proposal: Proposal, facts: Facts, instrument: Instrument) -> Decimal:
    """The fewest lots that the venue would take at the order's price; of an entry into nothing, and at its exits."""
    quote = facts.quotes.get(proposal.symbol)
    price = proposal.limit_price or proposal.trigger_price or (quote.mid if quote else None)
    position = facts.portfolio.quantity(proposal.symbol) if facts.portfolio else ZERO
    if proposal.reduce_only or position or price is None:
        return least(instrument, type=proposal.type, price=price, reduces=proposal.reduce_only)
    exits = [exit for exit in (proposal.stop_price, proposal.target_price, quote.mid if quote else None) if exit]
    exit = min([price, *exits])
    return least_entry(instrument, side=proposal.side, type=proposal.type, price=price, exit=exit)


def _sized(proposal: Proposal, quantity: Decimal) -> Proposal:
    return proposal.model_copy(update={"quantity": quantity})


def _refusing(proposal: Proposal, facts: Facts, engine: PolicyEngine) -> tuple[str, ...]:
    """The codes that refuse `proposal`, or ask a person; none when it is allowed."""
    findings = engine.evaluate(proposal, facts).findings
    return tuple(finding.code for finding in findings if finding.outcome in ("deny", "review"))
