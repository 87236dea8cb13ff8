"""What agents hand to each other: signals, opinions, theses, proposals, and the decision they add up to."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from domain.digest import digest
from domain.money import ZERO
from domain.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce
from domain.value import Digest, Instant, NonNegative, Positive, Share, Symbol, Value, absent

Stance = Literal["buy", "sell", "hold", "abstain"]
Horizon = Literal["scalp", "intraday", "swing", "position"]
Outcome = Literal["allow", "deny", "review"]
Cause = Literal["entry", "stop", "target", "time", "thesis", "flatten", "halve", "protection"]
"""Why an order is proposed: to enter; to leave at what the position waited for, because its thesis turned, or because
the desk must; or as the stop that the venue holds (`protection`)."""


class Signal(Value):
    """A candidate that detectors found worth a look. `score` in [0, 1] orders the queue."""

    symbol: Symbol
    direction: Side
    score: Share
    detectors: tuple[str, ...]
    """The names of those that fired, strongest first."""


class Opinion(Value):
    """The whole of what a model may say. It holds no number that reaches an order."""

    stance: Stance
    conviction: Share
    horizon: Horizon = "intraday"
    evidence: tuple[str, ...] = ()
    """Ids of context items that it rests on; ids it was not shown are dropped."""
    rationale: str = ""


class Thesis(Value):
    """An opinion about one symbol, with what it was formed on."""

    symbol: Symbol
    stance: Stance
    conviction: Share
    horizon: Horizon
    evidence: tuple[str, ...]
    rationale: str
    snapshot: Digest | None = None
    """The archived context that the model saw; none when no model was asked."""
    failure: str = ""
    """Why a thesis is an abstention that nobody chose: an error, a refusal, an unreadable answer."""


class Proposal(Value):
    """One order that an agent wants, with why. Prices in quote currency, quantity in base currency.

    Code fills every number. `stop_price` and `target_price` are the exits of the position that an entry opens: Risk
    watches them, and the venue where it can. A stop has a target where the venue holds both as one order.
    """

    cycle: int
    as_of: Instant
    agent: str
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Positive
    limit_price: Positive | None = None
    time_in_force: TimeInForce = "GTC"
    reduce_only: bool = False
    stop_price: Positive | None = None
    target_price: Positive | None = None
    reference_price: Positive | None = None
    """The middle of the market that sizes and prices were computed from."""
    conviction: Share = Decimal(1)
    snapshot: Digest | None = None
    rationale: str = ""
    """Free text. It changes the proposal's digest, and no verdict."""
    trigger_price: Positive | None = Field(default=None, exclude_if=absent)
    """Of stops: see `OrderRequest`."""
    post_only: bool = Field(default=False, exclude_if=absent)
    releases: tuple[ClientOrderId, ...] = Field(default=(), exclude_if=absent)
    """Protective stops at the venue that this order replaces: it is judged as if they were gone, and they are taken
    away only once it was let through."""
    cause: Cause | None = Field(default=None, exclude_if=absent)
    """What it is for. An exit by `thesis`, and one that does not say, needs the support that an entry needs; one at a
    stop, a target, a time limit or by an order to close needs none, where that is so."""
    attached: bool = Field(default=False, exclude_if=absent)
    """Of entries: the venue is to attach the stop and the target to what is filled."""

    @property
    def digest(self) -> str:
        return digest(self)

    @property
    def protects(self) -> bool:
        """Whether it is a protective stop: an order that waits at the venue and can only reduce."""
        return self.type == "stop" and self.reduce_only

    @property
    def client_order_id(self) -> ClientOrderId:
        """Derived from the digest, so that a second run of the same step finds the first one's order."""
        return "ac" + self.digest[:30]

    def order(self) -> OrderRequest:
        """The order this proposal asks for, and nothing besides."""
        targeted = self.attached or self.type == "stop"
        return OrderRequest(
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            type=self.type,
            quantity=self.quantity,
            limit_price=self.limit_price,
            time_in_force=self.time_in_force,
            reduce_only=self.reduce_only,
            trigger_price=self.trigger_price,
            post_only=self.post_only,
            stop_price=self.stop_price if self.attached else None,
            target_price=self.target_price if targeted else None,
        )


class Ticket(Value):
    """Leave to send one order once. Issued by the policy engine only, from an allow.

    `seal` is a keyed hash over the other fields: a ticket made by anyone else does not fit.
    """

    id: str
    client_order_id: ClientOrderId
    order_digest: Digest
    verdict_digest: Digest
    issued_at: Instant
    expires_at: Instant
    seal: str


class Decision(Value):
    """One line of a run: what was thought of a symbol in a cycle, and what came of it."""

    cycle: int
    symbol: Symbol
    stance: Stance
    conviction: Share
    outcome: Literal["allow", "deny", "review", "hold", "abstain", "quiet"]
    """The gate's word on the proposal; else `hold`, `abstain`, or `quiet` when no detector fired."""
    reasons: tuple[str, ...]
    client_order_id: ClientOrderId | None = None


class Episode(Value):
    """A closed trade, fees counted: what Learning learns from."""

    symbol: Symbol
    direction: Literal["long", "short"]
    opened_at: Instant
    closed_at: Instant
    notional: NonNegative
    profit: Decimal
    """Realised profit less the fees of both sides, in quote currency; of a perpetual with what funding paid or took."""
    fees: Decimal
    funding: Decimal = Field(default=ZERO, exclude_if=absent)
    """What of the profit is funding."""
    cause: Literal["stop", "target", "liquidation"] | None = Field(default=None, exclude_if=absent)
    """Which price an order that the venue held met, or that the venue liquidated it; `None` where the run sent the
    exit, whose proposal says why."""
