"""Authority: who may propose an order, on which decision, and who armed a live desk."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.conduct import AuthorityLimits
from policy.ruling import Ruling, deny, passed


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
