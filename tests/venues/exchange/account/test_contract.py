"""The venue contract, run by a live venue on the exchange double."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from builders.live_venue import SPOT, SWAP, Stage, a_contract_stage
from builders.venue_contract import VenueContract


class ExchangeContract(VenueContract):
    counts_fees = False

    @pytest.fixture
    async def stage(self, exchange: str, symbol: str) -> AsyncIterator[Stage]:
        async for stage in a_contract_stage(exchange, symbol):
            yield stage


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
@pytest.mark.parametrize("exchange", ["okx", "binance", "bybit"])
class TestAnExchange(ExchangeContract):
    """Each on its own double; those that the double does not speak are skipped."""
