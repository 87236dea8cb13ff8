"""Exit size: that what an entry buys can be sold again."""

from __future__ import annotations

from domain.money import ZERO
from domain.sizing import after_fee, no_way_out
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, passed


@check(
    code="EXIT_SIZE",
    source="DESIGN section 5, every position can be exited",
    entry_only=True,
)
def can_be_exited(case: Case) -> Ruling:
    """Refuse an entry whose position would be too small for the venue to take an exit or a stop.

    What remains after the fee, on spot in the base currency, and on the lot, must be above every minimum at the
    lowest price at which the entry says that it is exited, less 2 %. A minimum that nobody stated refuses nothing.
    """
    proposal, instrument = case.proposal, case.instrument
    gained = after_fee(proposal.quantity, instrument, side=proposal.side)
    held = case.held if proposal.side == "buy" else -case.held
    if held + gained <= ZERO:
        return passed("it opens nothing")
    exits = [price for price in (proposal.stop_price, proposal.target_price) if price is not None]
    why = no_way_out(held + gained, instrument, price=min([case.mid, *exits]))
    return deny(f"what is bought could not be exited: {why}") if why else passed("it can be exited")
