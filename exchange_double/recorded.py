"""An exchange that says again what it once said to a certification: see `venues.exchange.account.recording`.

What was recorded falls into steps, each up to a request that changed something. Within a step queries may come in any
order and as often as they like: to the same query the answers come in their order, and the last one again. A change
must be the one that was recorded next, in every parameter. Anything else is refused, and kept in `unmatched`.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from pydantic import JsonValue

from exchange_double.double import Reply
from exchange_double.server import Server
from exchange_double.sockets import Connection
from exchange_double.wire import Answer, Request, gateway_page
from venues.exchange.account.recording import Recording, WireCall
from venues.exchange.account.scrubbing import Raw, unsigned_params

_ID = re.compile(r"\ba[cx][0-9a-f]{30}\b")
_MOMENT = re.compile(r"1\d{12}")
"""Milliseconds: when something is asked for is no part of what is asked for."""

_LOST = 502
"""In place of an answer that was lost: it proves as little, and no HTTP client asks again by itself after it."""

Key = tuple[str, str, str]
"""Method, path and parameters, with the client order ids numbered as they first came."""


class _Ids:
    """Client order ids, numbered as they first come: those of a replay are others than those that were recorded."""

    def __init__(self) -> None:
        self.known: list[str] = []

    def numbered(self, text: str) -> str:
        return _ID.sub(lambda found: f"order {self._number(found[0])}", text)

    def _number(self, id: str) -> int:
        if id not in self.known:
            self.known.append(id)
        return self.known.index(id)


@dataclass(slots=True)
class _Step:
    """What was asked between two changes, and the change at its end."""

    queries: dict[Key, deque[WireCall]] = field(default_factory=dict)
    change: tuple[Key, WireCall] | None = None


class RecordedExchange:
    """Serves a recording. Its time is that of the answer it gave last, and a client's must be the same."""

    url = ""

    def __init__(self, recording: Recording) -> None:
        self._recorded, self._live = _Ids(), _Ids()
        self._steps = deque(_steps(recording, self._recorded))
        self._at = recording.started_at
        self.sockets = _NoStreams()
        self.unmatched: list[str] = []
        """Requests that were not recorded here."""

    def now(self) -> datetime:
        return self._at

    async def sleep(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)

    @property
    def missing(self) -> tuple[str, ...]:
        """Changes that were recorded, and not asked for."""
        return tuple(f"{step.change[1].method} {step.change[1].path}" for step in self._steps if step.change)

    def respond(self, request: Request) -> Reply:
        raw = Raw(method=request.method, url=request.target, headers={}, body=request.body, answer="")
        key = _key(request.method, urlsplit(request.target).path, unsigned_params(raw), self._live)
        call = self._query(key) if request.method == "GET" else self._change(key)
        if call is None:
            self.unmatched.append(" ".join(key))
            return Reply(outcome="answered", answer=Answer(status=404, body='{"msg":"this was not recorded here"}'))
        self._at = max(self._at, call.at)
        if call.status is None:
            return Reply(outcome="answered", answer=gateway_page(_LOST))
        return Reply(outcome="answered", answer=Answer(status=call.status, body=self._body(call)))

    def _query(self, key: Key) -> WireCall | None:
        answers = self._steps[0].queries.get(key) if self._steps else None
        if not answers:
            return None
        return answers.popleft() if len(answers) > 1 else answers[0]

    def _change(self, key: Key) -> WireCall | None:
        due = self._steps[0].change if self._steps else None
        if due is None or due[0] != key:
            return None
        self._steps.popleft()
        return due[1]

    def _body(self, call: WireCall) -> str:
        """With the ids that this client gave its orders."""
        if call.answer is None:
            return ""
        text = json.dumps(call.answer, ensure_ascii=False)
        for theirs, ours in zip(self._recorded.known, self._live.known, strict=False):
            text = text.replace(theirs, ours)
        return text


@contextmanager
def recorded_exchange(recording: Recording) -> Iterator[RecordedExchange]:
    """A recording on 127.0.0.1, gone at the end."""
    exchange = RecordedExchange(recording)
    with Server(exchange) as server:
        exchange.url = server.url
        yield exchange


def _steps(recording: Recording, ids: _Ids) -> Iterator[_Step]:
    step = _Step()
    for call in recording.calls:
        key = _key(call.method, call.path, call.params, ids)
        if call.method == "GET":
            step.queries.setdefault(key, deque()).append(call)
            continue
        step.change = (key, call)
        yield step
        step = _Step()
    yield step


def _key(method: str, path: str, params: Mapping[str, JsonValue], ids: _Ids) -> Key:
    told = {name: value for name, value in sorted(params.items()) if not _MOMENT.fullmatch(str(value))}
    return method, path, ids.numbered(json.dumps(told, sort_keys=True, default=str))


class _NoStreams:
    """Nothing is streamed: a certification opens no streams."""

    def connect(self, target: str, send: Callable[[str | None], None], /) -> Connection | None:
        return None

    def receive(self, connection: Connection, text: str, /) -> None:
        pass

    def leave(self, connection: Connection, /) -> None:
        pass

    def close_all(self) -> None:
        pass
