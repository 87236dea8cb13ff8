"""What is kept of a certification on the wire: nothing of keys, names, addresses or other money survives."""

from __future__ import annotations

import json
import stat
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import UsageError
from exchange_double.recorded import RecordedExchange
from exchange_double.wire import Request
from venues.exchange.account.recording import Recorder, Recording, WireCall
from venues.exchange.account.scrubbing import HIDDEN, PUBLIC_FIELDS, Owner, Raw, scrubbed
from venues.exchange.guarded_client import Heard

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OURS = "ac" + "1" * 30
OWNER = Owner(
    secrets=("key-12345", "secret-1", "phrase-1"),
    market_ids=frozenset({"BTC-USDT"}),
    currencies=frozenset({"BTC", "USDT"}),
)


def a_raw(answer: Any, *, method: str = "GET", url: str = "https://x/api", signed: bool = True, body: str = "") -> Raw:
    headers = {"OK-ACCESS-KEY": "key-12345", "OK-ACCESS-SIGN": "s"} if signed else {"User-Agent": "a"}
    return Raw(method=method, url=url, headers=headers, body=body, answer=json.dumps(answer))


def answer_of(raw: Raw) -> Any:
    return scrubbed([raw], OWNER)[0].answer


# Nothing that is in here may come out again, wherever it was put.

_WORDS = st.text(string.ascii_letters + string.digits, min_size=12, max_size=24)
_IPS = st.ip_addresses(v=4).map(str)
_IPS6 = st.ip_addresses(v=6).map(str).filter(lambda ip: ip.count(":") >= 4)
_MAILS = st.builds(lambda name, host: f"{name}@{host}.example", _WORDS, _WORDS)
_UIDS = st.integers(10**11, 10**17).map(str)
_NAMES = st.one_of(
    st.sampled_from(["uid", "mainUid", "label", "ip", "ips", "note", "userID", "apiKey", "secret", "email", "totalEq"]),
    st.sampled_from(["totalEquity", "adjEq", "listenKey", "id", "parentUid", "address", "txId", "tag", "accountAlias"]),
    _WORDS,
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_secret_name_address_or_other_money_survives(data: st.DataObject) -> None:
    key, secret, phrase = (data.draw(_WORDS) for _ in range(3))
    account = data.draw(_UIDS)
    mail, ip, ip6 = data.draw(_MAILS), data.draw(_IPS), data.draw(_IPS6)
    other = data.draw(st.decimals("1000000", "9999999", places=7).map(str))
    coin = data.draw(st.sampled_from(["ETH", "DOGE", "XRP", "BNB"]))
    stranger = data.draw(st.text(string.ascii_lowercase, min_size=16, max_size=24))
    hidden = [key, secret, phrase, account, mail, ip, ip6]
    leaf = st.sampled_from([*hidden, *(f"said to {each} just now" for each in hidden)])
    known = st.sampled_from(sorted(PUBLIC_FIELDS - {"instId", "symbol", "ccy", "asset", "coin", "currency"}))
    unknown_leaf = st.one_of(leaf, st.just(other), st.just(stranger))
    rows = data.draw(
        st.lists(
            st.one_of(
                st.dictionaries(known, leaf, max_size=4),
                st.dictionaries(_NAMES, unknown_leaf, min_size=1, max_size=4).map(
                    lambda row: (
                        {name: value for name, value in row.items() if name not in PUBLIC_FIELDS or name == "id"}
                        | {"permissions": {"Spot": []}}
                    )
                ),
                st.just(
                    {
                        data.draw(st.sampled_from(["ccy", "asset", "coin", "currency"])): coin,
                        "cashBal": other,
                        "free": other,
                    }
                ),
                st.just({"instId": f"{coin}-USDT", "pos": other}),
                st.just({"instId": "BTC-USDT", "ordId": stranger, "clOrdId": stranger, "px": other}),
            ),
            max_size=6,
        )
    )
    answer = {"code": "0", "data": rows, **data.draw(st.dictionaries(known, leaf, max_size=3))}
    query = f"symbol=BTCUSDT&timestamp=1700000000000&signature={secret}&apiKey={key}&note={mail}"
    raws = [
        a_raw(answer, url=f"https://x/api/v5/account/balance?{query}"),
        a_raw(
            answer, method="POST", body=json.dumps({"clOrdId": OURS, "passphrase": phrase, "ip": ip, "sign": secret})
        ),
        a_raw({"msg": f"{ip} and {ip6} of {account} are not on the list of {key}"}, signed=False),
        Raw(method="GET", url="https://x/api", headers={"X-KEY": key}, body="", answer=f"<html>{ip} {account}</html>"),
    ]
    owner = Owner(
        secrets=(key, secret, phrase, account),
        market_ids=frozenset({"BTC-USDT"}),
        currencies=frozenset({"BTC", "USDT"}),
    )
    recorder = Recorder(_Clock())
    for raw in raws:
        recorder(
            Heard(
                method=raw.method,
                url=raw.url,
                headers=raw.headers,
                body=raw.body,
                at=NOW,
                status=200,
                answer=raw.answer,
            )
        )
    shown = a_recording(*recorder.calls(owner)).model_dump_json()
    for each in (*hidden, other, stranger):
        assert each not in shown


class _Clock:
    def now(self) -> datetime:
        return NOW


def a_recording(*calls: WireCall) -> Recording:
    return Recording(
        exchange="okx",
        symbol="BTC/USDT",
        sandbox=True,
        version="0",
        started_at=NOW,
        results={"entry": "pass"},
        calls=calls,
    )


def a_call(method: str, path: str, answer: Any, *, status: int | None = 200, after: int = 1, **params: Any) -> WireCall:
    return WireCall(
        step="entry",
        at=NOW + timedelta(seconds=after),
        elapsed_ms=5,
        method=method,
        path=path,
        params=params,
        status=status,
        answer=answer,
    )


# What it is for stays.


def test_the_desks_own_orders_and_what_they_became_stay() -> None:
    placing = a_raw(
        {"data": [{"clOrdId": OURS, "ordId": "77", "sCode": "0"}]}, method="POST", body=json.dumps([{"clOrdId": OURS}])
    )
    rows = [
        {"instId": "BTC-USDT", "algoId": "5", "algoClOrdId": OURS, "ordId": "88", "state": "effective"},
        {"instId": "BTC-USDT", "ordId": "88", "clOrdId": "", "accFillSz": "1"},
        {"instId": "BTC-USDT", "ordId": "99", "clOrdId": "by-hand", "accFillSz": "1"},
    ]
    _, listed = scrubbed([placing, a_raw({"data": rows})], OWNER)
    assert [row["ordId"] for row in listed.answer["data"]] == ["88", "88"]  # type: ignore[index,call-overload]


def test_of_public_lists_the_rows_of_the_market_stay_with_all_their_fields() -> None:
    rows = [{"instId": "BTC-USDT", "tickSz": "0.1", "anything": "x"}, {"instId": "ETH-USDT", "tickSz": "0.01"}]
    assert answer_of(a_raw({"data": rows}, signed=False)) == {"data": rows[:1]}
    assert answer_of(a_raw({"data": [{"ts": "1"}], "bids": [["60000", "1"]]}, signed=False)) == {
        "data": [{"ts": "1"}],
        "bids": [["60000", "1"]],
    }


def test_what_a_header_or_a_parameter_signs_is_signed() -> None:
    for raw in (
        a_raw({"uid": "1234567"}),
        a_raw({"uid": "1234567"}, signed=False, method="POST"),
        a_raw({"uid": "1234567"}, signed=False, url="https://x/api?signature=abc"),
    ):
        assert answer_of(raw) == {}
    assert answer_of(a_raw({"uid": "1234567"}, signed=False)) == {"uid": "1234567"}


def test_sums_over_all_currencies_go_and_the_two_currencies_stay() -> None:
    details = [{"ccy": "USDT", "cashBal": "94.4", "isoEq": "5.4"}, {"ccy": "ETH", "cashBal": "3"}]
    account = {"totalEq": "99999", "isoEq": "77", "walletBalance": "88", "details": details, "uTime": "1"}
    assert answer_of(a_raw({"data": [account]})) == {"data": [{"details": details[:1], "uTime": "1"}]}
    coins = [{"coin": "BTC", "walletBalance": "1"}, {"coin": "ETH", "walletBalance": "2"}]
    unified = {"accountType": "UNIFIED", "walletBalance": "88", "coin": coins}
    assert answer_of(a_raw({"result": {"list": [unified]}})) == {
        "result": {"list": [{"accountType": "UNIFIED", "coin": [{"coin": "BTC", "walletBalance": "1"}]}]}
    }


def test_numbers_stay_as_they_were_sent_and_what_is_no_json_is_left_out() -> None:
    whole = Raw(method="GET", url="https://x/p", headers={}, body="", answer='{"price":0.10,"n":3}')
    broken = Raw(method="GET", url="https://x/p", headers={}, body="", answer='{"price":0.1')
    assert [clean.answer for clean in scrubbed([whole, broken], OWNER)] == [{"price": "0.10", "n": 3}, None]


def test_a_secret_in_words_is_hidden_and_the_words_stay() -> None:
    assert answer_of(a_raw({"msg": "key key-12345 of 10.0.0.7 is not allowed"})) == {
        "msg": f"key {HIDDEN} of {HIDDEN} is not allowed"
    }


# The file.


def test_a_recording_is_for_its_owner_alone_and_read_back_as_it_was(tmp_path: Path) -> None:
    recording, path = a_recording(a_call("GET", "/t", {"ts": "1"})), tmp_path / "r.json"
    recording.write(path)
    assert (stat.S_IMODE(path.stat().st_mode), Recording.read(path)) == (0o600, recording)
    with pytest.raises(UsageError, match="can't be written: File exists"):
        recording.write(path)
    path.write_text("{}")
    with pytest.raises(UsageError, match="is no recording"):
        Recording.read(path)


# Served back.


def ask(exchange: RecordedExchange, method: str, target: str, body: str = "") -> tuple[int | None, Any]:
    answer = exchange.respond(Request(method=method, target=target, body=body)).answer
    assert answer is not None
    return answer.status, None if answer.content_type == "text/html" else json.loads(answer.body)


THEIRS = "ac" + "2" * 30


def test_queries_come_in_any_order_and_their_answers_in_theirs() -> None:
    exchange = RecordedExchange(
        a_recording(
            a_call("GET", "/order", {"state": "live"}, ordId="7"),
            a_call("GET", "/time", {"ts": "1"}),
            a_call("GET", "/order", {"state": "filled"}, ordId="7"),
        )
    )
    assert ask(exchange, "GET", "/time?") == (200, {"ts": "1"})
    states = [ask(exchange, "GET", "/order?ordId=7")[1]["state"] for _ in range(3)]
    assert states == ["live", "filled", "filled"]
    assert ask(exchange, "GET", "/order?ordId=8")[0] == 404
    assert exchange.unmatched == ['GET /order {"ordId": "8"}']


def test_a_change_must_be_the_next_one_and_ends_its_step() -> None:
    exchange = RecordedExchange(
        a_recording(
            a_call("GET", "/open", {"n": 0}),
            a_call("POST", "/order", {"clOrdId": OURS}, clOrdId=OURS, sz="1", px="10"),
            a_call("GET", "/open", {"n": 1}, after=4),
            a_call("POST", "/cancel", None, status=None, clOrdId=OURS),
        )
    )
    assert ask(exchange, "GET", "/open")[1] == {"n": 0}
    placed = json.dumps({"clOrdId": THEIRS, "sz": "1", "px": "10"})
    assert ask(exchange, "POST", "/order", placed.replace('"10"', '"11"'))[0] == 404, "at another price"
    assert ask(exchange, "POST", "/cancel", json.dumps({"clOrdId": THEIRS}))[0] == 404, "before its time"
    assert ask(exchange, "POST", "/order", placed) == (200, {"clOrdId": THEIRS}), "by the id that it has now"
    assert ask(exchange, "POST", "/order", placed)[0] == 404, "once"
    assert ask(exchange, "GET", "/open")[1] == {"n": 1}
    assert exchange.now() == NOW + timedelta(seconds=4)
    assert exchange.missing == ("POST /cancel",)
    assert ask(exchange, "POST", "/cancel", json.dumps({"clOrdId": THEIRS})) == (502, None), "the answer was lost"
    assert exchange.missing == ()


def test_when_something_is_asked_for_is_no_part_of_what_is_asked_for() -> None:
    call = a_call("GET", "/fills", {"n": 1}, begin="1767312000000", limit="100", timestamp="1")
    exchange = RecordedExchange(
        a_recording(call.model_copy(update={"params": {"begin": "1767312000000", "limit": "100"}}))
    )
    assert ask(exchange, "GET", "/fills?limit=100&begin=1767312999999&timestamp=1767312999999&signature=x")[0] == 200
    assert ask(exchange, "GET", "/fills?limit=50&begin=1767312000000")[0] == 404
