"""Answers that can't be true: what the exchange would say, with ids, sides or rows that are not the order's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import assert_never

from exchange_double import faults
from exchange_double.faults import Contradicting
from exchange_double.wire import Answer

_SIDES = {"buy": "sell", "sell": "buy", "BUY": "SELL", "SELL": "BUY", "Buy": "Sell", "Sell": "Buy"}
_LISTS = frozenset({"data", "list"})


def bent(answer: Answer, fault: Contradicting, *, accepted: Collection[str], ours: Collection[str]) -> Answer:
    """`answer` as `fault` makes it. `accepted` are the venue's ids of new orders, `ours` the client order ids."""
    body = answer.body
    match fault:
        case faults.IdCutShort():
            for order_id in accepted:
                body = re.sub(rf"\b{order_id}\b", order_id[:-2], body)
        case faults.AnothersRow():
            for client_order_id in filter(None, ours):
                body = body.replace(client_order_id, f"web{client_order_id[3:]}")
        case faults.WrongSide():
            body = _rewritten(body, _turned)
        case faults.Emptied():
            body = _rewritten(body, _emptied)
        case faults.RowsTwice():
            body = _rewritten(body, _doubled)
        case _:
            assert_never(fault)
    return replace(answer, body=body)


def _rewritten(body: str, change: Callable[[object], object]) -> str:
    try:
        return json.dumps(change(json.loads(body)))
    except ValueError:
        return body


def _turned(value: object) -> object:
    if isinstance(value, list):
        return [_turned(each) for each in value]
    if not isinstance(value, dict):
        return value
    flags = {name: not value[name] for name in ("isBuyer", "buyer") if isinstance(value.get(name), bool)}
    sides = {name: _SIDES.get(str(value[name]), value[name]) for name in ("side",) if name in value}
    return {name: _turned(each) for name, each in value.items()} | flags | sides


def _emptied(value: object) -> object:
    """Without its rows; an answer that is one row itself, without its fields."""
    if not isinstance(value, dict):
        return []
    if any(isinstance(value.get(name), list) for name in _LISTS):
        return {name: [] if name in _LISTS else each for name, each in value.items()}
    if isinstance(value.get("result"), dict):
        return value | {"result": _emptied(value["result"])}
    return {}


def _doubled(value: object) -> object:
    if isinstance(value, list):
        return [*value, *value]
    if not isinstance(value, dict):
        return value
    return {name: _doubled(each) if name in {*_LISTS, "result"} else each for name, each in value.items()}
