"""Hypothesis strategies for the gate: proposals, facts and policies near the limits, on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from builders.policy import (
    BTC,
    ETH,
    NOW,
    SWAP,
    a_portfolio,
    a_proposal,
    a_quote,
    an_instrument,
    some_bars,
    some_facts,
    working,
)
from domain.candle import Quote
from domain.decision import Proposal
from domain.order import OrderState
from policy import Facts, Policy, WorkingOrder
from policy.account import Arming, ClosedTrade, Consent, Latch, SentOrder, Usage
from policy.market import Bars, Support, VenueSignal
from policy.tightness import SECTIONS, loosened

OPTION = "BTCC/USDT"
SYMBOLS = (BTC, ETH, SWAP, OPTION)
AGENTS = ("risk", "learning")

symbols = st.sampled_from((BTC, BTC, *SYMBOLS))
sides = st.sampled_from(["buy", "sell"])
quantities = st.integers(1, 80).map(lambda n: Decimal(n) / 4)
prices = st.integers(170, 230).map(lambda n: Decimal(n) / 2)
shares = st.integers(0, 100).map(lambda n: Decimal(n) / 100)
snapshots = st.sampled_from(["5" * 64, "5" * 64, None])


def _ago(*seconds: int) -> st.SearchStrategy[Any]:
    return st.sampled_from(seconds).map(lambda s: NOW - timedelta(seconds=s))


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    kind, side = draw(st.sampled_from(["limit", "limit", "market", "stop"])), draw(sides)
    gaining = Decimal(115) if side == "buy" else Decimal(85)
    return a_proposal(
        symbol=draw(symbols),
        agent=draw(st.sampled_from(("risk", "risk", "risk", "learning"))),
        side=side,
        type=kind,
        quantity=draw(quantities),
        limit_price=draw(prices) if kind == "limit" else None,
        time_in_force=draw(st.sampled_from(["GTC", "IOC", "FOK"])),
        reduce_only=draw(st.booleans()),
        stop_price=draw(st.none() | prices),
        target_price=draw(st.sampled_from([gaining, gaining, gaining, None]) | prices),
        reference_price=draw(st.none() | prices),
        conviction=draw(shares),
        snapshot=draw(snapshots),
        trigger_price=draw(prices) if kind == "stop" else None,
        post_only=kind == "limit" and draw(st.booleans()),
    )


@st.composite
def small_entries(draw: st.DrawFn) -> Proposal:
    """Entries that a sound world lets in, unless something in it speaks against them."""
    price = draw(st.sampled_from([Decimal(100), Decimal(100), Decimal("100.5")]))
    return a_proposal(
        symbol=draw(st.sampled_from([BTC, ETH])),
        quantity=draw(st.sampled_from([Decimal(1), Decimal(1), Decimal("0.25"), Decimal(3)])),
        limit_price=price,
        stop_price=price - draw(st.sampled_from([2, 5, 8])),
        conviction=draw(st.sampled_from(["0.5", "0.7", "1"])),
    )


@st.composite
def quotes(draw: st.DrawFn, symbol: str) -> Quote:
    bid = draw(prices)
    ask = bid + draw(st.sampled_from([Decimal(-1), Decimal(0), Decimal("0.5"), Decimal(2), Decimal(30)]))
    size = draw(st.sampled_from([None, "0", "5", "20"]))
    return a_quote(symbol, bid=bid, ask=ask, bid_size=size, ask_size=size, at=draw(_ago(-1, 0, 60, 900, 901)))


@st.composite
def bars(draw: st.DrawFn) -> Bars:
    return some_bars(
        last_close=draw(prices),
        average_volume=draw(st.sampled_from(["0", "20", "100"])),
        returns_ppm=tuple(draw(st.lists(st.integers(-50_000, 50_000), max_size=8))),
    )


@st.composite
def working_orders(draw: st.DrawFn) -> WorkingOrder:
    """Their stops lie on the losing side, as those of all orders do that the gate let through."""
    side, limit = draw(sides), draw(st.none() | prices)
    trigger = draw(st.none() | prices) if limit is None else None
    distance = draw(st.none() | st.sampled_from([Decimal(5), Decimal(40)]))
    entry = limit or trigger or Decimal(100)
    return working(
        client_order_id=f"ac{draw(st.integers(0, 99))}",
        symbol=draw(symbols),
        side=side,
        remaining=draw(quantities),
        limit_price=limit,
        stop_price=None if distance is None else entry - distance if side == "buy" else entry + distance,
        reduce_only=draw(st.booleans()),
        state=draw(st.sampled_from([OrderState.WORKING, OrderState.APPROVED, OrderState.UNKNOWN])),
        trigger_price=trigger,
    )


@st.composite
def sent_orders(draw: st.DrawFn, *, of: st.SearchStrategy[str] = symbols, seconds: tuple[int, ...]) -> SentOrder:
    """Sent so many `seconds` ago. Some of them are like `small_entries`."""
    return SentOrder(
        client_order_id=f"as{draw(st.integers(0, 99))}",
        agent=draw(st.sampled_from(AGENTS)),
        symbol=draw(of),
        side=draw(st.sampled_from(["buy", "buy", "sell"])),
        type="limit",
        quantity=draw(st.sampled_from([Decimal(1), Decimal(3)])),
        limit_price=Decimal(100),
        reduce_only=draw(st.sampled_from([False, False, True])),
        at=draw(_ago(*seconds)),
    )


trades = st.builds(
    ClosedTrade,
    symbol=symbols,
    closed_at=_ago(0, 1_800, 3_600, 3_601, 7_200, 7_201),
    profit=st.sampled_from([Decimal(-5), Decimal(-5), Decimal(0), Decimal(5)]),
)
usages = st.builds(
    Usage,
    usd=st.sampled_from([None, Decimal(0), Decimal("4.99"), Decimal(5), Decimal("5.01")]),
    tokens=st.sampled_from([0, 100_000, 100_001]),
    tool_calls=st.sampled_from([0, 1_000, 1_001]),
    refusals_in_a_row=st.sampled_from([0, 9, 10, 11]),
)
supports = st.lists(
    st.builds(Support, source=st.sampled_from(["okx", "indicators", "newswire"]), trusted=st.booleans()), max_size=3
).map(tuple)
venue_signals = st.lists(
    st.builds(
        VenueSignal,
        detector=st.sampled_from(["trend", "breakout"]),
        side=sides,
        strength=st.sampled_from([Decimal(0), Decimal("0.3"), Decimal("0.8"), Decimal(1)]),
    ),
    max_size=3,
).map(tuple)
armings = st.none() | st.builds(Arming, by=st.sampled_from(["ana", "bo"]), until=_ago(-60, 0, 60))
equities = st.sampled_from([None, Decimal(9_000), Decimal(10_000), Decimal(10_300), Decimal(10_400), Decimal(11_000)])
latches = st.lists(st.builds(Latch, agent=st.sampled_from(AGENTS), symbol=symbols), max_size=1).map(tuple)


def an_option(**over: Any) -> dict[str, Any]:
    """The terms of `OPTION`, a month from expiry."""
    return {"right": "call", "strike": "100", "expires_at": NOW + timedelta(days=30)} | over


@st.composite
def facts(draw: st.DrawFn, *, troubled: bool = True) -> Facts:
    """A world around equity of 10,000; `troubled` ones may miss or doubt anything."""
    held = {s: str(draw(st.integers(-60, 60).map(lambda n: Decimal(n) / 4))) for s in draw(st.sets(symbols))}
    instruments = {s: an_instrument(s) for s in (BTC, ETH, SWAP)}
    instruments[OPTION] = an_instrument(OPTION, kind="option", option=an_option())
    sound = some_facts(
        universe=SYMBOLS,
        instruments=instruments,
        held={symbol: quantity for symbol, quantity in held.items() if Decimal(quantity)},
        working=draw(st.lists(working_orders(), max_size=3)),
        quotes={s: a_quote(s) for s in SYMBOLS},
        bars={s: draw(st.sampled_from([some_bars(), some_bars(returns_ppm=(9_000, -9_000) * 4)])) for s in SYMBOLS},
        deltas={OPTION: "0.4"},
        equity_marks={"day_start": draw(equities.filter(bool)), "week_start": "10400", "high": "10600"},
        support={s: ({"source": "okx", "trusted": True}, {"source": "wire", "trusted": False}) for s in SYMBOLS},
    )
    if not troubled:
        return sound
    books = [sound.portfolio] * 5
    missing = draw(st.sets(symbols, max_size=1))
    return Facts(
        as_of=sound.as_of,
        now=sound.now,
        mode=draw(st.sampled_from(["paper", "paper", "live"])),
        armed=draw(armings),
        trading_state=draw(st.sampled_from(["active"] * 5 + ["reducing", "halted", "paused", None])),
        universe=draw(st.sampled_from([SYMBOLS, SYMBOLS, (ETH,)])),
        instruments={s: i for s, i in sound.instruments.items() if s not in missing},
        suspended=frozenset(draw(st.sets(symbols, max_size=1))) if draw(st.booleans()) else frozenset(),
        sessions=draw(st.dictionaries(symbols, st.sampled_from(["open", "extended", "closed", "maintenance"]))),
        quotes={s: draw(quotes(s)) for s in draw(st.sets(symbols, min_size=2))},
        bars={s: draw(bars()) for s in draw(st.sets(symbols))},
        deltas=draw(st.dictionaries(symbols, st.sampled_from([Decimal("-0.9"), Decimal("0.1"), Decimal("0.4")]))),
        portfolio=draw(st.sampled_from([*books, None, a_portfolio(currency="EUR"), a_portfolio(marks={})])),
        working=sound.working,
        equity_marks={"day_start": draw(equities), "week_start": draw(equities), "high": draw(equities)},
        closed=tuple(sorted(draw(st.lists(trades, max_size=5)), key=lambda trade: trade.closed_at)),
        sent=tuple(
            sorted(
                draw(st.lists(sent_orders(seconds=(0, 59, 60, 61, 3_600, 3_601)), max_size=5)),
                key=lambda order: order.at,
            )
        ),
        latches=draw(latches),
        usage=draw(st.none() | usages),
        reconciled_at=draw(st.none() | _ago(-1, 0, 600, 601)),
        clock_skew_ms=draw(st.sampled_from([None, Decimal(-1_001), Decimal(0), Decimal(1_000)])),
        support=draw(st.dictionaries(symbols, supports)),
        venue_signals=draw(st.dictionaries(symbols, venue_signals)),
    )


@st.composite
def strained(draw: st.DrawFn) -> Facts:
    """A sound world in which one or two things are near a limit, or past it: what lets many an entry in, just."""
    parts: dict[str, st.SearchStrategy[Any]] = {
        "sent": st.lists(
            sent_orders(of=st.just(draw(st.sampled_from([BTC, ETH]))), seconds=(0, 59, 60)), min_size=2, max_size=6
        ).map(lambda found: tuple(sorted(found, key=lambda order: order.at))),
        "closed": st.lists(trades, max_size=4).map(lambda found: tuple(sorted(found, key=lambda t: t.closed_at))),
        "usage": usages,
        "reconciled_at": _ago(0, 599, 600, 601),
        "clock_skew_ms": st.sampled_from([Decimal(-1_000), Decimal(999), Decimal(1_001)]),
        "support": st.fixed_dictionaries({BTC: supports, ETH: supports}),
        "venue_signals": st.fixed_dictionaries({BTC: venue_signals, ETH: venue_signals}),
        "quotes": st.fixed_dictionaries({s: quotes(s) for s in SYMBOLS}),
        "bars": st.fixed_dictionaries({s: bars() for s in SYMBOLS}),
        "working": st.lists(working_orders(), max_size=3).map(tuple),
        "sessions": st.dictionaries(symbols, st.sampled_from(["open", "extended"])),
        "latches": latches,
    }
    names = draw(st.sets(st.sampled_from(sorted(parts)), max_size=2))
    world = draw(facts(troubled=False)).model_copy(update={"portfolio": some_facts().portfolio, "working": ()})
    return world.model_copy(update={name: draw(parts[name]) for name in sorted(names)})


@st.composite
def consents(draw: st.DrawFn, proposal: Proposal, codes: tuple[str, ...]) -> Consent:
    """A person's leave for just this order."""
    return Consent(
        client_order_id=proposal.client_order_id,
        order_digest=proposal.order().digest,
        codes=frozenset(draw(st.sets(st.sampled_from(codes), min_size=1))),
        by="ana",
        reason="seen",
        expires_at=draw(_ago(-60, 0)),
    )


GENEROUS: Mapping[str, Mapping[str, object]] = {
    "review": {"overrides": True},
    "symbol": {},
    "order_type": {
        "types": ["market", "limit", "stop"],
        "times_in_force": ["GTC", "IOC", "FOK"],
        "market_entries": True,
    },
    "pricing": {"market_slippage_bps": 0},
    "max_quantity": {"share_of_bar_volume": 10, "per_symbol": {BTC: 80}},
    "max_notional": {"share_of_equity": 1, "absolute": 10_000},
    "price_collar": {"band_bps": 2_000, "stop_band_bps": 5_000},
    "drift": {"maximum_bps": 5_000},
    "spread": {"maximum_bps": 5_000},
    "depth": {"share_of_touch": 100},
    "short": {"allow": True},
    "stop": {"required": False},
    "reward_risk": {"minimum": 0, "slippage_bps": 0},
    "option": {"minimum_days": 0, "minimum_delta": 0, "maximum_delta": 1, "share_of_equity": 1, "long_only": False},
    "market_data": {"max_age_s": 900, "max_jump_bps": 10_000},
    "session": {"extended_hours": True},
    "reconciliation": {"max_age_s": 600},
    "clock": {"max_skew_ms": 1_000},
    "corroboration": {"enabled": False, "minimum_sources": 1, "trusted": False},
    "position": {"share_of_equity": 1},
    "exposure": {"gross_share_of_equity": 1},
    "net_exposure": {"share_of_equity": 1},
    "leverage": {"maximum": 10},
    "open_positions": {"maximum": 4},
    "correlation": {"threshold": 1, "minimum_bars": 2, "share_of_equity": 1},
    "cash": {"reserve_share_of_equity": 0},
    "daily_loss": {"share_of_day_start": 1},
    "weekly_loss": {"share_of_week_start": 1},
    "drawdown": {"share_of_high": 1},
    "cooldown": {"after_loss_s": 1, "losses_in_a_row": 100, "pause_s": 1},
    "risk_per_trade": {"share_of_equity": 1},
    "open_risk": {"share_of_equity": 1},
    "value_at_risk": {"confidence": "0.5", "minimum_bars": 2, "horizon_bars": 1, "share_of_equity": 1},
    "escalation": {"alert_at": "0.5", "halve_at": "0.75", "flatten_at": 1},
    "order_rate": {"window_s": 1, "per_symbol": 100, "in_all": 100},
    "repetition": {"entries": 100, "window_s": 1},
    "duplicate": {"window_s": 1},
    "authority": {"agents": ["learning", "risk"], "decision_required": False, "modes": ["live", "paper"]},
    "conviction": {"minimum": 0, "review_below": 0},
    "agent_budget": {"usd": 10},
}
"""A policy that allows most of what can be judged, so that a tightened one still allows some. It sets every section."""

_SHARES = (0, "0.01", "0.02", "0.05", "0.1", "0.15", "0.5", 1)
_WINDOWS = (1, 59, 60, 61, 3_600)
_COUNTS = (0, 1, 2, 3, 5)
_BPS = (0, 20, 50, 200, 500, 5_000)
_RUNGS: Mapping[str, tuple[object, ...]] = {
    "warn_at": (0, "0.5", 1),
    "on_breach": ("review", "deny"),
    "enabled": (True, False),
    "market_slippage_bps": (0, 20, 200),
    "slippage_bps": (0, 20, 200),
    "maximum_bps": _BPS,
    "band_bps": (50, 500, 2_000),
    "stop_band_bps": (50, 500, 2_000),
    "max_jump_bps": (50, 500, 2_000),
    "max_age_s": (0, 60, 600, 900),
    "max_age_s_of": ({}, {"spot": 60}, {"swap": 0, "spot": 900}, {"crypto": 30}, {"crypto": 900, "spot": 10}),
    "max_skew_ms": (0, 999, 1_000),
    "absolute": (None, 100, 500, 2_000),
    "share_of_bar_volume": (None, "0.01", "0.05", "0.2", 10),
    "per_symbol": (1, 2, 3, 5),
    "share_of_touch": ("0.1", "0.5", 10),
    "maximum": (0, 1, 2, 3),
    "minimum": (0, "0.5", "0.9"),
    "review_below": (None, 0, "0.7", 1),
    "allow": (True, False),
    "deny": ([], [BTC], [BTC, SWAP]),
    "types": ([], ["market"], ["limit"], ["limit", "market"], ["limit", "market", "stop"]),
    "times_in_force": ([], ["GTC"], ["IOC", "GTC"]),
    "agents": ([], ["risk"], ["learning"], ["learning", "risk"]),
    "modes": ([], ["paper"], ["live"], ["live", "paper"]),
    "allow_unknown": ([], ["paper"], ["live"], ["live", "paper"]),
    "groups": ({}, {"a": [BTC, SWAP]}, {"a": [BTC, ETH, SWAP]}, {"b": [BTC, ETH]}),
    "minimum_bars": (2, 5, 6, 7),
    "horizon_bars": (1, 4, 100),
    "confidence": ("0.5", "0.8", "0.99"),
    "threshold": (0, "0.5", "0.8", 1),
    "minimum_days": (0, 30, 31),
    "maximum_days": (None, 0, 30, 31),
    "trade_share_of_equity": (None, 0, "0.05", 1),
    "maximum_positions": (None, 0, 1, 2),
    "minimum_delta": (0, "0.3", "0.5"),
    "maximum_delta": ("0.3", "0.5", 1),
    "minimum_sources": (1, 2, 3),
    "entries": _COUNTS,
    "in_all": _COUNTS,
    "kept_for_exits": _COUNTS,
    "window_s": _WINDOWS,
    "after_loss_s": _WINDOWS,
    "pause_s": _WINDOWS,
    "losses_in_a_row": (1, 2, 3),
    "usd": (0, 5, 10),
    "tokens": (None, 0, 100_000),
    "tool_calls": (None, 0, 1_000),
    "refusals_in_a_row": (None, 1, 10),
    "ttl_s": (1, 3_600),
    "sizes_fall_from": (0, "0.5", 1),
}
_RUNGS_OF: Mapping[str, tuple[object, ...]] = {
    "reward_risk.minimum": (0, 1, 2, 3),
    "symbol.allow": (None, [], [BTC], [ETH], [BTC, ETH, SWAP]),
    "max_quantity.per_symbol": ({}, {BTC: 1}, {BTC: 3}, {BTC: 3, ETH: 1}),
    "escalation.alert_at": ("0.25", "0.5"),
    "escalation.halve_at": ("0.5", "0.75"),
    "escalation.flatten_at": ("0.75", 1),
}
_SWITCHES = (True, False)


def rungs(section: str, name: str) -> tuple[object, ...]:
    """Values of a setting near what the worlds hold, in no order of strictness."""
    field = SECTIONS[section].model_fields[name]
    if (section_own := _RUNGS_OF.get(f"{section}.{name}")) is not None:
        return section_own
    if field.annotation is bool:
        return _SWITCHES
    return _RUNGS.get(name, _SHARES)


@st.composite
def policy_pairs(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """A policy, and one that is as strict or stricter in a few of its settings, by the direction of each."""
    stated: dict[str, Any] = {section: dict(limits) for section, limits in GENEROUS.items()}
    loose = tight = Policy.model_validate({"name": "both", **stated})
    settings = [(s, name) for s, kind in SECTIONS.items() if s != "day" for name in kind.model_fields]
    for section, name in draw(st.lists(st.sampled_from(settings), min_size=1, max_size=4, unique=True)):
        values = draw(st.tuples(*[st.sampled_from(rungs(section, name))] * 2))
        for one_value, other_value in (values, values[::-1]):
            one, other = with_setting(loose, section, name, one_value), with_setting(tight, section, name, other_value)
            if one and other and not loosened(other, than=one):
                loose, tight = one, other
                break
    if draw(st.integers(0, 4)) == 0:
        gone = draw(st.sampled_from([name for name, field in Policy.model_fields.items() if field.default is None]))
        tight = tight.model_copy(update={gone: None}) if gone != "escalation" else tight
    return loose, tight


def with_setting(policy: Policy, section: str, name: str, value: object) -> Policy | None:
    """`policy` with one setting in place of its own; none when the section can't have it beside its others."""
    stated = policy.model_dump()
    stated[section] = {**(stated[section] or {}), name: value}
    try:
        return Policy.model_validate(stated)
    except ValidationError:
        return None
