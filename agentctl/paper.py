"""`[paper]` in agentctl.toml: what trading costs on paper, in basis points, as an operator reads it on a price list."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from domain.digest import plain
from domain.errors import UsageError
from domain.money import BPS, ZERO
from domain.statement import is_swap
from domain.value import NonNegative, Value
from venues.costs import FeeSchedule, PaperCosts, PerpetualTerms

_DEFAULTS: Final = PaperCosts()
_TERMS: Final = PerpetualTerms()

_MOST_BPS: Final = 1_000
"""A tenth of the notional, more than any exchange asks for."""

Cost = Annotated[NonNegative, Field(le=_MOST_BPS)]
"""In basis points."""

_COST: Final[TypeAdapter[Decimal]] = TypeAdapter(Cost)


class PaperSettings(Value):
    """What paper trading costs. A run keeps in its header what it began with; `--live` knows none of it."""

    fee_bps: Cost | None = None
    """For each fill, of makers and takers, on spot and on perpetuals; those below come first where they are set."""
    spot_maker_bps: Cost | None = None
    spot_taker_bps: Cost | None = None
    swap_maker_bps: Cost | None = None
    swap_taker_bps: Cost | None = None
    spread_bps: Cost | None = None
    """From bid to ask on recorded and simulated markets, which have no real quotes; when not set, what a bar's range
    suggests: 1 bps and a twentieth of it, at most 50."""
    slippage_bps: Cost = _DEFAULTS.slippage_bps
    """What a market order pays beyond the touch."""
    impact_bps: Cost = _DEFAULTS.impact_bps
    """What it pays besides when it takes all that it may of a bar, and in proportion when it takes less."""
    participation: Annotated[Decimal, Field(gt=0, le=1)] = _DEFAULTS.participation
    """The part of a bar's volume that all orders in a symbol may take together."""
    leverage: Annotated[Decimal, Field(ge=1, le=125)] = _TERMS.leverage
    """Of perpetuals: the notional that one of initial margin carries; 1 lends nothing."""
    maintenance_bps: Annotated[Decimal, Field(gt=0, lt=BPS)] = _TERMS.maintenance * BPS
    """The maintenance margin of perpetuals whose tiers no exchange tells."""
    liquidation_fee_bps: Cost = _TERMS.liquidation_fee * BPS
    """What a liquidation costs, as far as there is anything left."""
    funding_bps: Annotated[Decimal, Field(ge=-100, le=100, allow_inf_nan=False)] = _TERMS.funding_rate * BPS
    """What longs pay shorts every eight hours where neither a file nor the exchange tells the rates; negative: they
    are paid."""

    @model_validator(mode="after")
    def _carries_what_it_opens(self) -> Self:
        if self.maintenance_bps * self.leverage >= BPS:
            raise ValueError(
                f"maintenance_bps {self.maintenance_bps} is no less than the initial margin at a leverage of "
                f"{self.leverage}: lower one of them"
            )
        return self

    @property
    def costs(self) -> PaperCosts:
        """As a run is started with them."""
        spot, swap = _DEFAULTS.spot, _DEFAULTS.swap
        return PaperCosts(
            spot=FeeSchedule(
                maker=self._part(self.spot_maker_bps, spot.maker), taker=self._part(self.spot_taker_bps, spot.taker)
            ),
            swap=FeeSchedule(
                maker=self._part(self.swap_maker_bps, swap.maker), taker=self._part(self.swap_taker_bps, swap.taker)
            ),
            slippage_bps=self.slippage_bps,
            impact_bps=self.impact_bps,
            participation=self.participation,
            spread_bps=self.spread_bps,
            perpetuals=PerpetualTerms(
                leverage=self.leverage,
                maintenance=(self.maintenance_bps / BPS).normalize(),
                liquidation_fee=(self.liquidation_fee_bps / BPS).normalize(),
                funding_rate=(self.funding_bps / BPS).normalize() + ZERO,
            ),
        )

    def _part(self, stated: Decimal | None, default: Decimal) -> Decimal:
        bps = self.fee_bps if stated is None else stated
        return default if bps is None else (bps / BPS).normalize()


def one_fee(fee_bps: Decimal | None) -> dict[str, Any] | None:
    """`--fee-bps` as the table that it stands for: it comes before every fee that is set elsewhere.

    Raises `UsageError` for one that is no fee.
    """
    if fee_bps is None:
        return None
    try:
        _COST.validate_python(fee_bps)
    except ValidationError:
        raise UsageError(f"--fee-bps {fee_bps} is not from 0 to {_MOST_BPS}", remedy="Write --fee-bps 5") from None
    return dict.fromkeys(("fee_bps", "spot_maker_bps", "spot_taker_bps", "swap_maker_bps", "swap_taker_bps"), fee_bps)


def describe(costs: PaperCosts, *, symbols: Sequence[str]) -> str:
    """What a run on paper pays, in a line, of the kinds that it trades."""
    kinds = {is_swap(symbol) for symbol in symbols}
    fees = [
        f"{_of_fills(schedule)} {where}"
        for swap, schedule, where in ((False, costs.spot, "on spot"), (True, costs.swap, "on perpetuals"))
        if swap in kinds
    ]
    spread = "of the quotes, or by the bar" if costs.spread_bps is None else _bps(costs.spread_bps)
    terms = f"; {_perpetual_terms(costs.perpetuals)}" if costs.perpetuals else ""
    return (
        f"fees {', '.join(fees)}; spread {spread}; slippage {_bps(costs.slippage_bps)}; impact up to "
        f"{_bps(costs.impact_bps)}, for {plain(costs.participation * 100)} % of a bar at most{terms}"
    )


def _perpetual_terms(terms: PerpetualTerms) -> str:
    """What perpetuals take besides."""
    sources = sorted({*terms.funding_from.values()}) or [f"{_bps(terms.funding_rate * BPS)} every 8 hours"]
    return (
        f"leverage up to {plain(terms.leverage)}, liquidation fee {_bps(terms.liquidation_fee * BPS)}, funding by "
        f"{', '.join(sources)}"
    )


def _of_fills(schedule: FeeSchedule) -> str:
    maker, taker = _bps(schedule.maker * BPS), _bps(schedule.taker * BPS)
    return maker if maker == taker else f"{maker} (maker) and {taker} (taker)"


def _bps(value: Decimal) -> str:
    return f"{plain(value)} bps"
