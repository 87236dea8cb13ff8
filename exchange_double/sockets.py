"""Connections that the double keeps open: what each is sent, in its exchange's dialect, and what goes wrong with it.

No sockets are in here: the server hands in what was received and a way to send. What is pushed meets the script of
faults; answers to requests do not, except that a silent connection is silent for good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

from domain.clock import Clock
from exchange_double import faults
from exchange_double.engine import Engine
from exchange_double.events import Event
from exchange_double.faults import FaultScript
from exchange_double.wire import Operation, Wire

Send: TypeAlias = Callable[[str | None], None]
"""Sends one message; `None` closes the connection. Callable from any thread."""


@dataclass(frozen=True, slots=True)
class Push:
    """One message to a client. `operation` is `None` for the answer to a request."""

    text: str
    operation: Operation | None = None


class Session(Protocol):
    """What one connected client has subscribed to, in one exchange's dialect."""

    @property
    def channels(self) -> Sequence[str]:
        """What it is subscribed to, in the exchange's words."""
        ...

    def receive(self, text: str, *, now: datetime) -> Sequence[Push]:
        """What a client's message is answered with, and pushed at once for it."""
        ...

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        """What is pushed for something that happened."""
        ...


@runtime_checkable
class StreamingWire(Wire, Protocol):
    """A dialect that also has streams."""

    def session(self, path: str, engine: Engine) -> Session | None:
        """For a client that connects to `path`, with its query as sent; `None` for an address that isn't spoken."""
        ...


class Connection:
    """One client, from when it connected until it or the double closes."""

    def __init__(self, session: Session, send: Send, script: FaultScript) -> None:
        self._session = session
        self._send = send
        self._script = script
        self._held: str | None = None
        self.silent = script.take(faults.SocketSilent, Operation.STREAM_OPEN) is not None
        self.closed = False

    @property
    def channels(self) -> tuple[str, ...]:
        """What the client is subscribed to, in the exchange's words."""
        return tuple(self._session.channels)

    def receive(self, text: str, *, now: datetime) -> None:
        self._deliver(self._session.receive(text, now=now))

    def happened(self, event: Event, *, now: datetime) -> None:
        self._deliver(self._session.happened(event, now=now))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._send(None)

    def _deliver(self, pushes: Sequence[Push]) -> None:
        for push in pushes:
            if push.operation is not None:
                self._meet(push.text, push.operation)
            elif not self.silent and not self.closed:
                self._send(push.text)

    def _meet(self, text: str, operation: Operation) -> None:
        """One push, and the first fault that waits for it."""
        take = self._script.take
        if self.silent or self.closed:
            return
        if take(faults.SocketClosed, operation):
            self.close()
        elif take(faults.SocketSilent, operation):
            self.silent = True
        elif take(faults.SocketGap, operation):
            return
        elif take(faults.SocketSwapped, operation):
            self._held = text
        else:
            if take(faults.SocketMalformed, operation):
                text = text[: len(text) * 2 // 3]
            again = take(faults.SocketRepeated, operation)
            late, self._held = self._held, None
            for message in (text, *([text] if again else []), *([late] if late is not None else [])):
                self._send(message)


class Sockets:
    """Every open connection of one double."""

    def __init__(self, wire: Wire, engine: Engine, script: FaultScript, clock: Clock) -> None:
        self._wire = wire
        self._engine = engine
        self._script = script
        self._clock = clock
        self._open: dict[Connection, None] = {}
        self.opened = 0
        """How many ever were."""
        engine.listeners.append(self._happened)

    @property
    def open(self) -> tuple[Connection, ...]:
        """Oldest first."""
        return tuple(self._open)

    def connect(self, path: str, send: Send) -> Connection | None:
        """A new client; `None` where nothing is spoken, or when a fault refuses it."""
        with self._engine.lock:
            session = self._wire.session(path, self._engine) if isinstance(self._wire, StreamingWire) else None
            if session is None or self._script.take(faults.SocketClosed, Operation.STREAM_OPEN):
                return None
            connection = Connection(session, send, self._script)
            self._open[connection] = None
            self.opened += 1
            return connection

    def receive(self, connection: Connection, text: str) -> None:
        with self._engine.lock:
            connection.receive(text, now=self._clock.now())

    def leave(self, connection: Connection) -> None:
        """The client has gone."""
        with self._engine.lock:
            connection.closed = True
            self._open.pop(connection, None)

    def close_all(self) -> None:
        """The exchange closes every connection, as before maintenance."""
        with self._engine.lock:
            for connection in self.open:
                connection.close()

    def _happened(self, event: Event) -> None:
        for connection in self.open:
            connection.happened(event, now=self._clock.now())
