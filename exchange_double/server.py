"""The double behind a socket: an aiohttp server on 127.0.0.1, on a port that the system picks.

The server runs in a thread and a loop of its own, so that a test may block, and so that a process under test
can be killed and started again while the exchange goes on.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol

from aiohttp import WSMsgType, web

from exchange_double.double import Reply
from exchange_double.sockets import Connection
from exchange_double.wire import Request

Sleep = Callable[[float], Awaitable[None]]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""`SO_LINGER` with no time: closing sends RST, as when a machine goes away."""


class Streams(Protocol):
    """What is done with clients that stay connected. See `exchange_double.sockets.Sockets`."""

    def connect(self, target: str, send: Callable[[str | None], None], /) -> Connection | None: ...

    def receive(self, connection: Connection, text: str, /) -> None: ...

    def leave(self, connection: Connection, /) -> None: ...

    def close_all(self) -> None: ...


class Served(Protocol):
    """What can be served: an `ExchangeDouble`, or a recorded exchange."""

    @property
    def sockets(self) -> Streams: ...

    def respond(self, request: Request) -> Reply: ...


class Server:
    """Serves one double while entered. `url` is where; `sleep` is how a slow answer waits."""

    def __init__(self, double: Served, *, sleep: Sleep = asyncio.sleep) -> None:
        self._double = double
        self._sleep = sleep
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="exchange-double", daemon=True)
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()
        self.url = ""

    def __enter__(self) -> Server:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> str:
        app = web.Application()
        app.router.add_route("*", "/{address:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(self._runner, listening).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    async def _stop(self) -> None:
        """Accept who waits, then close, then let go: asyncio leaks a connection that is accepted while it closes."""
        self._closing.set()
        self._double.sockets.close_all()
        await _turns()
        if self._runner is not None:
            await self._runner.cleanup()
        await _turns()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request)
        reply = self._double.respond(
            Request(
                method=request.method,
                target=request.raw_path,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.text(),
            )
        )
        if reply.delay_s:
            await self._sleep(reply.delay_s)
        if reply.outcome == "silent":
            await self._closing.wait()
        answer = reply.answer
        if reply.outcome != "answered" or answer is None:
            _reset(request.transport)
            return web.Response()
        return web.Response(
            status=answer.status, text=answer.body, content_type=answer.content_type, headers=answer.headers
        )

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """A connection that stays open: what the double sends goes out in order, whichever thread it comes from."""
        outgoing: asyncio.Queue[str | None] = asyncio.Queue()

        def send(text: str | None) -> None:
            self._loop.call_soon_threadsafe(outgoing.put_nowait, text)

        connection = self._double.sockets.connect(request.raw_path, send)
        if connection is None:
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=False)
        try:
            await socket.prepare(request)
            listening = asyncio.create_task(self._listen(socket, connection))
            try:
                while (text := await outgoing.get()) is not None and not socket.closed:
                    await socket.send_str(text)
                await socket.close()
            finally:
                listening.cancel()
                await asyncio.wait([listening])
        except ConnectionResetError:
            pass  # the client went while it was told something
        finally:
            self._double.sockets.leave(connection)
        return socket

    async def _listen(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self._double.sockets.receive(connection, message.data)
            elif message.type is WSMsgType.PING and not connection.silent:
                with suppress(ConnectionError):  # the client may have gone
                    await socket.pong(message.data)
        connection.close()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def _reset(transport: asyncio.Transport | None) -> None:
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
