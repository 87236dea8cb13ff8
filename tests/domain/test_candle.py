from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.candle import Headline, Quote, Timeframe
from domain.errors import UsageError

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1m", timedelta(minutes=1)),
        ("5m", timedelta(minutes=5)),
        ("4h", timedelta(hours=4)),
        ("1d", timedelta(days=1)),
        ("1w", timedelta(days=7)),
    ],
)
def test_a_timeframe_has_the_length_it_says(text, length):
    assert Timeframe(text).length == length
    assert str(Timeframe(text)) == text


@pytest.mark.parametrize("text", ["", "m", "5", "0m", "-5m", "1.5h", "5M", "5 m", "5m ", "٥m", "5y"])
def test_what_is_not_a_timeframe_is_refused(text):
    with pytest.raises(UsageError):
        Timeframe(text)


def test_the_middle_of_a_quote_is_between_bid_and_ask():
    assert Quote(symbol="BTC/USDT", bid=Decimal(99), ask=Decimal(102), at=NOW).mid == Decimal("100.5")


@pytest.mark.parametrize("bid", ["0", "-1", "NaN", "Infinity"])
def test_a_quote_has_positive_prices(bid):
    with pytest.raises(ValidationError):
        Quote(symbol="BTC/USDT", bid=Decimal(bid), ask=Decimal(102), at=NOW)


def test_a_quote_without_a_time_zone_is_refused():
    with pytest.raises(ValidationError):
        Quote(symbol="BTC/USDT", bid=Decimal(99), ask=Decimal(102), at=datetime(2025, 1, 1))  # noqa: DTZ001


def test_a_headline_cannot_claim_to_be_trusted():
    with pytest.raises(ValidationError):
        Headline.model_validate({"id": "a", "title": "b", "source": "c", "available_at": NOW, "trust": "own"})
