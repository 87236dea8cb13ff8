"""The tone of a headline by a lexicon: VADER's, with the market's own words added. No model, no network."""

from __future__ import annotations

from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from domain.money import ZERO, reading
from domain.text import visible

_UP = (
    "accumulates accumulation adoption advances bullish climb climbed climbing climbs gains inflow inflows jump jumped "
    "jumps outperform outperforms rally rallied rallies rallying rebound rebounded rebounds recover recovers recovery "
    "rise rises rising rose soar soared soaring soars surge surged surges surging upgrade upgrades"
)
_DOWN = (
    "bankruptcy bearish breach decline declined declines declining delist delists downgrade downgrades drain drained "
    "drop dropped dropping drops dump dumped dumps exploit exploited fall fallen falling falls fell freeze freezes "
    "hack hacked halt halted halts insolvency insolvent lawsuit liquidated liquidation liquidations outage outages "
    "outflow outflows plunge plunged plunges plunging probe rout sank selloff sink sinks slide slides sliding slid "
    "slump slumped slumps tumble tumbled tumbles tumbling underperform withdrawals"
)
_NEUTRAL = "interest like liabilities liability reserve reserves secure security share shares stake trust yield yields"
"""Words of feeling elsewhere and of business here."""

_STRENGTH = 2.0
"""On VADER's scale of -4 to 4: as strong as its own `gain` and `loss` are."""

_GRAIN = Decimal("0.0001")


@cache
def _analyser() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # reads 7,500 lines: only where needed

    analyser = SentimentIntensityAnalyzer()
    analyser.lexicon.update(dict.fromkeys(_UP.split(), _STRENGTH))
    analyser.lexicon.update(dict.fromkeys(_DOWN.split(), -_STRENGTH))
    for word in _NEUTRAL.split():
        analyser.lexicon.pop(word, None)
    return analyser


@lru_cache(maxsize=4_096)  # the same headlines are in view for hours
def sentiment(text: str) -> Decimal:
    """VADER's compound score of `text` in [-1, 1], four places; 0 when no word of it has a known tone.

    Hutto & Gilbert, ICWSM 2014. It reads words, not facts: a fall in fees scores like a fall in price.
    """
    score = reading(_analyser().polarity_scores(visible(text, limit=500))["compound"])
    return score.quantize(_GRAIN) if score is not None else ZERO
