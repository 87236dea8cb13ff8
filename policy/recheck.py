"""The look at the market between the gate's leave and the send: whether what was judged still stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from domain.candle import Quote
from domain.digest import plain
from domain.instrument import Instrument
from domain.money import BPS
from domain.order import OrderRequest, Side
from policy.policy import Policy
from policy.trigger import met, target_met


def moved(
    order: OrderRequest,
    *,
    judged: Quote,
    quote_now: Quote,
    now: datetime,
    policy: Policy,
    instruments: Mapping[str, Instrument],
) -> str:
    """Why `order`, let through on the quote `judged`, must not be sent on the quote `quote_now`; empty when it may.

    The price that it would meet may not have moved against it by more than the drift that the policy
    allows an entry, or than the collar allows an exit: leaving must not wait for a calm market. Nor may
    it have met the trigger of a stop, its target, or the exits that an entry brings with it.
    RTS 6 Art. 15(1)(a); DESIGN, rule 6.
    """
    if policy.market_data is None or policy.price_collar is None:
        return "the policy sets no limit on prices"
    instrument = instruments.get(order.symbol)
    if instrument is None:
        return f"the instrument {order.symbol} is unknown"
    if not 0 <= Decimal(str((now - quote_now.at).total_seconds())) <= policy.market_data.max_age_of(instrument):
        return f"the quote is not fresh: it is from {quote_now.at.isoformat()}"
    if quote_now.bid > quote_now.ask:
        return "the quote is crossed"
    if order.trigger_price is not None and met(order.trigger_price, side=order.side, quote=quote_now):
        return f"the market has met its trigger {plain(order.trigger_price)}"
    exit_side: Side = order.side if order.type == "stop" else "sell" if order.side == "buy" else "buy"
    if order.stop_price is not None and met(order.stop_price, side=exit_side, quote=quote_now):
        return f"the market has met its stop {plain(order.stop_price)}"
    if order.target_price is not None and target_met(order.target_price, side=exit_side, quote=quote_now):
        return f"the market has met its target {plain(order.target_price)}"
    against = quote_now.ask - judged.ask if order.side == "buy" else judged.bid - quote_now.bid
    band_bps = policy.price_collar.band_bps
    if not order.reduce_only and policy.drift is not None and policy.drift.enabled:
        band_bps = min(band_bps, policy.drift.maximum_bps)
    if against * BPS > band_bps * judged.mid:
        return f"the price moved {plain(against)} against it since it was judged"
    return ""
