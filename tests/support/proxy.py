"""A proxy between a client and a RESP server, in a thread of the test process, that makes trouble.

It counts what passes and does what a `Fault` says. It refuses to know drivers and what a request means.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

from tests.support.resp import take_frame
from tests.support.trouble import Fault, Message, Verdict

__all__ = ["ChaosProxy"]

_PORTS = range(20_000, 32_000)
_AT_ONCE = 65_536


class _Wire:
    """One client, and its connection to the server."""

    def __init__(self, proxy: ChaosProxy, number: int) -> None:
        self._proxy = proxy
        self._number = number
        self._unanswered: deque[int] = deque()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._proxy.server_port)
        except OSError:
            _reset(writer)
            return
        tasks = [asyncio.create_task(self._requests(reader, back)), asyncio.create_task(self._replies(there, writer))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            _reset(writer)
            back.close()  # not reset: what was sent on before is executed

    async def _requests(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        data = bytearray()
        while chunk := await reader.read(_AT_ONCE):
            data += chunk
            while (frame := take_frame(data)) is not None:
                request = self._proxy.count(self._number, frame)
                verdict = await self._proxy.fault.on_request(request)
                if verdict is Verdict.CUT:
                    return
                if verdict is Verdict.PASS:
                    self._unanswered.append(request.number)
                    back.write(frame)
            await back.drain()

    async def _replies(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = bytearray()
        while chunk := await there.read(_AT_ONCE):
            data += chunk
            while (frame := take_frame(data)) is not None:
                # A message of a subscription answers nothing: it counts as 0.
                number = self._unanswered.popleft() if self._unanswered and frame[:1] != b">" else 0
                verdict = await self._proxy.fault.on_reply(Message(number, self._number, frame))
                if verdict is Verdict.CUT:
                    return
                if verdict is Verdict.PASS:
                    writer.write(frame)
            await writer.drain()


def _words(frame: bytes) -> str:
    """The first words of a request."""
    lines = frame.split(b"\r\n")
    return " ".join(line.decode(errors="replace")[:60] for line in lines[2:8:2])


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, so that the other end hears of it at once."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class ChaosProxy:
    """Listens on a port of its own, with ``tls`` as a TLS server, and carries to ``server_port``; a context manager."""

    def __init__(self, server_port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.server_port = server_port
        self.port = 0
        self.fault = Fault()
        self._tls = tls
        self._seen: list[str] = []
        self._connections = 0
        self._carriers: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos proxy", daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *exc: object) -> None:
        self._call(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def requests(self) -> int:
        """How many passed since the fault was set."""
        return len(self._seen)

    @property
    def connections(self) -> int:
        """How many were accepted since the beginning."""
        return self._connections

    def seen(self, number: int) -> str:
        """The beginning of the nth request, for people; what was not seen is empty."""
        return "".join(self._seen[number - 1 : number])

    def set(self, fault: Fault) -> None:
        """From now on this trouble, and requests are counted from 1."""
        self._call(self._set(fault))

    def count(self, connection: int, frame: bytes) -> Message:
        """Number a request."""
        self._seen.append(_words(frame))
        return Message(self.requests, connection, frame)

    def _call(self, call: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(call, self._loop).result(timeout=30)

    async def _set(self, fault: Fault) -> None:
        self.fault = fault
        self._seen.clear()
        if not fault.accepts:
            await self._hang_up()
        elif self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        for port in [self.port] if self.port else random.sample(_PORTS, k=50):
            with suppress(OSError):
                self._server = await asyncio.start_server(self._carry, "127.0.0.1", port, ssl=self._tls)
                self.port = port
                return
        raise RuntimeError(f"fifty ports between {_PORTS.start} and {_PORTS.stop} are all taken")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        if not self.fault.accepts:  # it was accepted a moment before
            _reset(writer)
            return
        task = asyncio.create_task(_Wire(self, self._connections).carry(reader, writer))
        self._carriers.add(task)
        task.add_done_callback(self._carriers.discard)

    async def _hang_up(self) -> None:
        """Listen no more, and reset what stands."""
        if self._server is not None:
            self._server.close()
        self._server = None
        carriers = list(self._carriers)
        for task in carriers:
            task.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
