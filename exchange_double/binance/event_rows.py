"""The rows of what Binance pushes of an account: executions on spot, orders and algo orders on futures, balances."""

from __future__ import annotations

from datetime import datetime

from domain.money import ZERO
from exchange_double.binance import algo_rows, order_rows
from exchange_double.binance.text import Row, market_id, millis, text, units
from exchange_double.funds import Balance, Funds
from exchange_double.listing import Listing
from exchange_double.orders import Fill, Order, Status
from exchange_double.stops import Stop


def execution_report(order: Order, stop: Stop | None, *, now: datetime) -> Row:
    """Of an order on spot, or a stop, which is an order there. `c` of one that was cancelled is the cancel's id."""
    shown, fill = order_rows.spot_order(order, stop), _fill(order)
    cancelled = shown["status"] == "CANCELED"
    return {
        "e": "executionReport",
        "E": millis(now),
        "s": shown["symbol"],
        "c": f"cancel_{order.order_id}" if cancelled else shown["clientOrderId"],
        "S": shown["side"],
        "o": shown["type"],
        "f": shown["timeInForce"],
        "q": shown["origQty"],
        "p": shown["price"],
        "P": shown["stopPrice"],
        "F": shown["icebergQty"],
        "g": shown["orderListId"],
        "C": shown["clientOrderId"] if cancelled else "",
        "x": _execution(order),
        "X": shown["status"],
        "r": "NONE",
        "i": shown["orderId"],
        "l": text(fill.size if fill else None),
        "z": shown["executedQty"],
        "L": text(fill.price if fill else None),
        "n": text(fill.fee) if fill else "0",
        "N": fill.fee_currency if fill else None,
        "T": millis(order.updated_at),
        "t": int(fill.trade_id) if fill else -1,
        "w": bool(shown["isWorking"]) and order.open,
        "m": fill.maker if fill else False,
        "M": False,
        "O": millis(order.created_at),
        "Z": shown["cummulativeQuoteQty"],
        "Y": text(fill.size * fill.price if fill else None),
        "Q": shown["origQuoteOrderQty"],
        "W": shown["workingTime"],
        "V": shown["selfTradePreventionMode"],
    }


def account_position(funds: Funds, listing: Listing, *, now: datetime) -> Row:
    """The coins of one spot market."""
    held = {name: funds.balances.get(name, Balance(cash=ZERO)) for name in (listing.base, listing.quote)}
    return {
        "e": "outboundAccountPosition",
        "E": millis(now),
        "u": millis(now),
        "B": [
            {"a": name, "f": text(free := max(row.available, ZERO)), "l": text(row.cash - free)}
            for name, row in held.items()
        ],
    }


def order_update(order: Order, listing: Listing, *, now: datetime) -> Row:
    """Of an order on futures."""
    shown, fill = order_rows.futures_order(order, listing), _fill(order)
    fee = {"n": text(fill.fee), "N": fill.fee_currency} if fill else {}
    row = {
        "s": shown["symbol"],
        "c": shown["clientOrderId"],
        "S": shown["side"],
        "o": shown["type"],
        "f": shown["timeInForce"],
        "q": shown["origQty"],
        "p": shown["price"],
        "ap": shown["avgPrice"],
        "sp": shown["stopPrice"],
        "x": _execution(order),
        "X": shown["status"],
        "i": shown["orderId"],
        "l": text(units(fill.size, listing) if fill else None),
        "z": shown["executedQty"],
        "L": text(fill.price if fill else None),
        **fee,
        "T": millis(order.updated_at),
        "t": int(fill.trade_id) if fill else 0,
        "b": text(None),
        "a": text(None),
        "m": fill.maker if fill else False,
        "R": shown["reduceOnly"],
        "wt": shown["workingType"],
        "ot": shown["origType"],
        "ps": shown["positionSide"],
        "cp": shown["closePosition"],
        "rp": text(fill.profit if fill else None),
        "pP": shown["priceProtect"],
        "V": shown["selfTradePreventionMode"],
        "pm": shown["priceMatch"],
        "gtd": shown["goodTillDate"],
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": millis(now), "T": millis(order.updated_at), "o": row}


def account_update(funds: Funds, listing: Listing, *, now: datetime) -> Row:
    """What a trade on futures changed: the cash, and the position, which may be flat by now."""
    held = funds.balances.get(listing.quote, Balance(cash=ZERO))
    found = next((row for row in funds.positions if row.position.symbol == listing.symbol), None)
    return {
        "e": "ACCOUNT_UPDATE",
        "E": millis(now),
        "T": millis(now),
        "a": {
            "m": "ORDER",
            "B": [{"a": listing.quote, "wb": text(held.cash), "cw": text(held.cash), "bc": "0"}],
            "P": [
                {
                    "s": market_id(listing.symbol),
                    "pa": text(units(found.position.size, listing) if found else None),
                    "ep": text(found.average_price if found else None),
                    "bep": text(found.average_price if found else None),
                    "cr": text(found.position.profit if found else None),
                    "up": text(found.unrealised if found else None),
                    "mt": "cross",
                    "iw": "0",
                    "ps": "BOTH",
                }
            ],
        },
    }


def algo_update(stop: Stop, listing: Listing, *, ended: Order | None, now: datetime) -> Row:
    """Of a stop on futures; `ended` is the order that it became, once that trades no more."""
    shown = algo_rows.algo_with_order(stop, listing, became=ended)
    filled = ended.filled if ended is not None else ZERO
    row = {
        "caid": shown["clientAlgoId"],
        "aid": shown["algoId"],
        "at": shown["algoType"],
        "o": shown["orderType"],
        "s": shown["symbol"],
        "S": shown["side"],
        "ps": shown["positionSide"],
        "f": shown["timeInForce"],
        "q": shown["quantity"],
        "X": shown["algoStatus"],
        "ai": shown["actualOrderId"],
        "ap": shown["actualPrice"],
        "aq": text(units(filled, listing)),
        "act": stop.new.type.upper() if stop.order_id else "0",
        "tp": shown["triggerPrice"],
        "p": shown["price"],
        "V": shown["selfTradePreventionMode"],
        "wt": shown["workingType"],
        "pm": shown["priceMatch"],
        "cp": shown["closePosition"],
        "pP": shown["priceProtect"],
        "R": shown["reduceOnly"],
        "tt": shown["triggerTime"],
        "gtd": shown["goodTillDate"],
        "rm": str(stop.reason.value) if stop.reason else "",
    }
    return {"e": "ALGO_UPDATE", "T": millis(stop.updated_at), "E": millis(now), "o": row}


def _fill(order: Order) -> Fill | None:
    """The trade that an order was changed by."""
    return order.last_fill if order.status in (Status.PARTIAL, Status.FILLED) else None


def _execution(order: Order) -> str:
    if _fill(order) is not None:
        return "TRADE"
    state = order_rows.state(order)
    return "TRADE_PREVENTION" if state == "EXPIRED_IN_MATCH" else state
