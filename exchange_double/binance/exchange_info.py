"""What Binance lists, in its own rows: the grids and minimums of a market are its filters."""

from __future__ import annotations

from decimal import Decimal

from exchange_double.binance.call import Call, answer
from exchange_double.binance.new_stop import FUTURES_KINDS, SPOT_KINDS
from exchange_double.binance.text import Row, market_id, millis, places, text, units
from exchange_double.listing import Listing
from exchange_double.wire import Answer

_MOST = Decimal(9_000)
_PERPETUAL = 4_133_404_800_000
"""Binance's delivery date of what is never delivered."""


def spot(call: Call) -> Answer:
    """The spot markets."""
    return _info([_status(call, listing, _spot_symbol(listing)) for listing in call.wanted()], call)


def futures(call: Call) -> Answer:
    """The USDⓈ-M perpetuals."""
    return _info([_status(call, listing, _futures_symbol(listing)) for listing in call.listings()], call)


def coin_margined(call: Call) -> Answer:
    """Nothing: no market here settles in its base."""
    return _info([], call)


def _status(call: Call, listing: Listing, row: Row) -> Row:
    return {**row, "status": "BREAK"} if listing.symbol in call.engine.suspended else row


def _info(symbols: list[Row], call: Call) -> Answer:
    return answer(
        {
            "timezone": "UTC",
            "serverTime": millis(call.now),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": symbols,
        }
    )


def _spot_symbol(listing: Listing) -> Row:
    return {
        "symbol": market_id(listing.symbol),
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", *SPOT_KINDS],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            *_grids(listing),
            {
                "filterType": "NOTIONAL",
                "minNotional": text(listing.min_notional),
                "applyMinToMarket": True,
                "maxNotional": text(_MOST * 1000),
                "applyMaxToMarket": False,
                "avgPriceMins": 0,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
    }


def _futures_symbol(listing: Listing) -> Row:
    return {
        "symbol": market_id(listing.symbol),
        "pair": market_id(listing.symbol),
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.quote,
        "pricePrecision": places(listing.tick_size),
        "quantityPrecision": places(units(listing.lot_size, listing)),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "triggerProtect": "0.0500",
        "orderTypes": ["LIMIT", "MARKET", *FUTURES_KINDS],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "filters": [*_grids(listing), {"filterType": "MIN_NOTIONAL", "notional": text(listing.min_notional)}],
    }


def _grids(listing: Listing) -> list[Row]:
    tick, step = text(listing.tick_size), text(units(listing.lot_size, listing))
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": text(_MOST * 1000), "tickSize": tick},
        {
            "filterType": "LOT_SIZE",
            "minQty": text(units(listing.min_size, listing)),
            "maxQty": text(_MOST),
            "stepSize": step,
        },
    ]
