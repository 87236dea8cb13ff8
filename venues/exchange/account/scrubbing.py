"""What may be shown of a request and its answer. Pure.

Of what was signed, only what is named here stays: fields of orders, trades, the two currencies' balances and the key's
rights. So a field that nobody has heard of is gone with what is in it. Rows of other markets, other currencies and of
orders that are not the desk's are left out, and of what is public only the rows of the market that is traded stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import JsonValue

HIDDEN: Final = "•••"
_LONGEST = 200

_SIGNS = re.compile(r"(?i)sign|key|token|nonce|pass|secret|timestamp|recvwindow")
"""Names of parameters that sign a request, or are different each time."""
_HARMLESS = frozenset({"user-agent", "accept", "accept-encoding", "content-type", "connection", "x-simulated-trading"})
"""Headers that a request without a signature has too."""
_OURS = re.compile(r"^a[cx][0-9a-f]{30}$")
_IP = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])"
)
_MAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+\.[^\s@\"'<>]+")

_MARKET = ("instId", "symbol")
_CURRENCY = ("ccy", "asset", "coin", "currency")
_ORDER_IDS: Final = (
    *("clOrdId", "algoClOrdId", "attachAlgoClOrdId", "ordId", "algoId"),
    *("clientOrderId", "origClientOrderId", "clientAlgoId", "orderId", "actualOrderId"),
    *("orderLinkId",),
)

_ANSWER = "code data msg sCode sMsg ts retCode retMsg retExtInfo result list nextPageCursor time rows total"
_ORDER = """
    instId instType symbol category side posSide positionSide type orderType ordType origType algoType timeInForce
    tdMode state status orderStatus algoStatus sz px avgPx accFillSz fillSz fillPx fillTime price avgPrice origQty
    executedQty cummulativeQuoteQty cumQty cumQuote qty cumExecQty cumExecValue leavesQty quantity stopPrice
    triggerPrice triggerDirection triggerBy workingType slTriggerPx slOrdPx slTriggerPxType tpTriggerPx tpOrdPx
    triggerPx actualSz actualPx actualSide actualPrice reduceOnly closeOnTrigger closePosition stopOrderType
    orderFilter positionIdx isWorking cTime uTime createTime createdTime updatedTime updateTime transactTime
    workingTime triggerTime cancelSource cancelSourceReason rejectReason failCode failReason cancelType ordIdList
    attachAlgoOrds
"""
_TRADE = """
    tradeId billId id execId execType execPrice execQty execTime execFee execValue feeCurrency isMaker isBuyer
    isBestMatch maker buyer commission commissionAsset fee feeCcy quoteQty fills realizedPnl
"""
_MONEY = """
    accountType ccy coin asset currency details balances assets positions cashBal isoEq isoUpl free locked
    walletBalance totalPositionIM totalOrderIM pos positionAmt size contracts markPx markPrice avgPx entryPrice mgnMode
    lever leverage balChg subType income incomeType tranId change transactionTime amount insertTime completeTime
"""
_RIGHTS = """
    perm acctLv posMode enableWithdrawals enableSpotAndMarginTrading enableFutures enableReading permissions readOnly
    ContractTrade Spot Wallet Derivatives unifiedMarginStatus marginMode unified uta
"""
PUBLIC_FIELDS: Final = frozenset(" ".join((_ANSWER, _ORDER, _TRADE, _MONEY, _RIGHTS)).split()) | frozenset(_ORDER_IDS)
"""Fields of signed answers that may be shown, at any depth."""
_WALLETS: Final = ("details", "balances", "assets", "coin")
_OF_WALLETS: Final = frozenset((*_WALLETS, "positions", "accountType", "uTime", "updateTime"))
"""The same beside a list of balances: other numbers there are sums over all currencies."""
_OF_KEYS: Final = frozenset(" ".join((_ANSWER, _RIGHTS)).split()) | _OF_WALLETS
"""The same where an answer says what a key may do: there an `id` is the key's, or the account's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose account it is, as far as it must not be shown, and what of it may be."""

    secrets: Sequence[str]
    """Keys, and what the exchange calls the account."""
    market_ids: frozenset[str]
    """What the exchange calls the market that is traded."""
    currencies: frozenset[str]
    """Its two currencies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """One request and its answer, as they were."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """The same, as it may be shown."""

    path: str
    params: Mapping[str, JsonValue]
    answer: JsonValue


def scrubbed(raws: Sequence[Raw], owner: Owner) -> Sequence[Clean]:
    """Each of `raws` as it may be shown. Which orders are the desk's is learned from all of them together."""
    answers = [_json(raw.answer) for raw in raws]
    scrub = _Scrub(owner, own=_own_ids(raws, answers))
    return [scrub.clean(raw, answer) for raw, answer in zip(raws, answers, strict=True)]


def unsigned_params(raw: Raw) -> dict[str, JsonValue]:
    """The parameters but for those that sign it: see `_params`."""
    return {name: value for name, value in _params(raw).items() if not _SIGNS.search(name)}


def _params(raw: Raw) -> dict[str, JsonValue]:
    """Out of the address and the body: a form, or JSON. A list of one stands for itself."""
    params: dict[str, JsonValue] = dict(parse_qsl(urlsplit(raw.url).query, keep_blank_values=True))
    body = _json(raw.body)
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if isinstance(body, dict):
        params |= body
    elif isinstance(body, list):
        params["orders"] = body
    elif raw.body:
        params |= dict(parse_qsl(raw.body, keep_blank_values=True))
    return params


class _Scrub:
    def __init__(self, owner: Owner, *, own: frozenset[str]) -> None:
        self._owner = owner
        self._own = own
        hidden = sorted({secret for secret in owner.secrets if len(secret) >= 4}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, hidden))) if hidden else None

    def clean(self, raw: Raw, answer: JsonValue) -> Clean:
        params = _params(raw)
        signed = _signed(raw, params)
        return Clean(
            path=self._text(urlsplit(raw.url).path),
            params={name: self._value(value) for name, value in unsigned_params(raw).items()},
            answer=self._private(answer) if signed else self._public(answer),
        )

    def _private(self, tree: JsonValue) -> JsonValue:
        if isinstance(tree, dict):
            return {name: self._private(value) for name, value in tree.items() if name in _kept_of(tree)}
        if isinstance(tree, list):
            return [self._private(row) for row in tree if self._concerns_us(row)]
        return self._value(tree)

    def _public(self, tree: JsonValue) -> JsonValue:
        if isinstance(tree, dict):
            return {name: self._public(value) for name, value in tree.items()}
        if isinstance(tree, list):
            return [self._public(row) for row in tree if not isinstance(row, dict) or self._of_market(row)]
        return self._value(tree)

    def _concerns_us(self, row: JsonValue) -> bool:
        if not isinstance(row, dict):
            return True
        named = [value for name in _CURRENCY if isinstance(value := row.get(name), str) and value]
        ids = {str(value) for name in _ORDER_IDS if (value := row.get(name)) not in (None, "", "0", 0)}
        return (
            self._of_market(row)
            and all(name in self._owner.currencies for name in named)
            and (not ids or bool(ids & self._own))
        )

    def _of_market(self, row: Mapping[str, JsonValue]) -> bool:
        named = [value for name in _MARKET if isinstance(value := row.get(name), str) and value]
        return all(name in self._owner.market_ids for name in named)

    def _value(self, value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {name: self._value(each) for name, each in value.items() if not _SIGNS.search(name)}
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return value if self._text(str(value)) == str(value) else HIDDEN
        return self._text(value)

    def _text(self, text: str) -> str:
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        return _MAIL.sub(HIDDEN, _IP.sub(HIDDEN, text))[:_LONGEST]


def _kept_of(tree: Mapping[str, JsonValue]) -> frozenset[str]:
    if tree.keys() & {"perm", "permissions", "readOnly", "enableWithdrawals"}:
        return _OF_KEYS
    return _OF_WALLETS if any(isinstance(tree.get(name), list) for name in _WALLETS) else PUBLIC_FIELDS


def _signed(raw: Raw, params: Mapping[str, JsonValue]) -> bool:
    """Whether it may have been: all but what is known to be public is."""
    public = raw.method == "GET" and {name.lower() for name in raw.headers} <= _HARMLESS
    return not public or any(_SIGNS.search(name) for name in params)


def _own_ids(raws: Sequence[Raw], answers: Sequence[JsonValue]) -> frozenset[str]:
    """Client order ids of the desk's orders, and what the exchange calls these and what became of them."""
    own = {
        value
        for raw in raws
        if raw.method != "GET"
        for row in _rows(_params(raw))
        for value in row.values()
        if isinstance(value, str) and _OURS.match(value)
    }
    named = [
        {str(value) for name in _ORDER_IDS if (value := row.get(name)) not in (None, "", "0", 0)}
        for answer in answers
        for row in _rows(answer)
    ]
    while more := {each for ids in named if ids & own for each in ids} - own:
        own |= more
    return frozenset(own)


def _rows(tree: JsonValue) -> Iterator[Mapping[str, JsonValue]]:
    """Every object in it."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _rows(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _rows(value)


def _json(text: str) -> JsonValue:
    """`None` where it is none. Numbers with a point stay text, as they were sent."""
    try:
        tree: JsonValue = json.loads(text, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict | list) else None
