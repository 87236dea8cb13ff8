"""The venue contract, run by a live venue on the exchange double."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from builders.okx_venue import SPOT, SWAP, Stage, a_contract_stage
from builders.venue_contract import VenueContract


class ExchangeContract(VenueContract):
    counts_fees = False
    symbol: ClassVar[str]

    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async for stage in a_contract_stage(self.symbol):
            yield stage


class TestSpotAtAnExchange(ExchangeContract):
    symbol = SPOT


class TestPerpetualsAtAnExchange(ExchangeContract):
    symbol = SWAP
