"""Trouble that a `ChaosProxy` can make: what becomes of each request and reply, and of new connections.

It knows numbers and times of messages. It refuses to know what a request means.
"""

from __future__ import annotations

import asyncio
import random
import threading
from enum import Enum
from typing import NamedTuple

__all__ = [
    "Blackhole",
    "CutAfter",
    "CutBefore",
    "Delay",
    "Fault",
    "HalfOpen",
    "Hold",
    "HoldAfter",
    "HoldBefore",
    "Message",
    "Narrow",
    "Refuse",
    "ResetEvery",
    "Verdict",
]

_LONGEST_HOLD = 60.0


class Verdict(Enum):
    """What becomes of a message."""

    PASS = "pass"
    SWALLOW = "swallow"
    """It vanishes; the connection stays."""
    CUT = "cut"
    """It vanishes, and both ends of the connection are reset."""


class Message(NamedTuple):
    """A request, or the reply to it."""

    number: int
    """Of the request, over all connections since the fault was set, from 1."""
    connection: int
    data: bytes


class Fault:
    """Trouble. This one makes none: everything passes. Its methods run in the proxy's loop, and may wait there."""

    accepts: bool = True
    """Whether there is a listener at all. Without one connections are refused, and those that stand are reset."""

    def __init__(self) -> None:
        self.happened = threading.Event()
        """Set when the trouble has been made, or is about to be."""

    async def on_request(self, request: Message) -> Verdict:
        """Before it is sent on."""
        del request
        return Verdict.PASS

    async def on_reply(self, reply: Message) -> Verdict:
        """After the server answered, and before the client hears of it."""
        del reply
        return Verdict.PASS


class CutBefore(Fault):
    """The nth request is not sent on: the connection breaks, and nothing was executed."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    async def on_request(self, request: Message) -> Verdict:
        if request.number != self.number:
            return Verdict.PASS
        self.happened.set()
        return Verdict.CUT


class CutAfter(Fault):
    """The nth request is executed and its reply lost. What its connection sent behind it is not sent on."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self._connection: int | None = None

    async def on_request(self, request: Message) -> Verdict:
        if request.number == self.number:
            self._connection = request.connection
        behind = request.number > self.number and request.connection == self._connection
        return Verdict.SWALLOW if behind else Verdict.PASS

    async def on_reply(self, reply: Message) -> Verdict:
        if reply.number != self.number:
            return Verdict.PASS
        self.happened.set()
        return Verdict.CUT


class Hold(Fault):
    """Keeps a message until `release`; then the connection is cut."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self._released = threading.Event()

    def release(self) -> None:
        self._released.set()

    async def _hold(self) -> Verdict:
        self.happened.set()
        await asyncio.to_thread(self._released.wait, _LONGEST_HOLD)
        return Verdict.CUT


class HoldBefore(Hold):
    """Time stands still before the nth request is sent on, so that the client can be killed."""

    async def on_request(self, request: Message) -> Verdict:
        return await self._hold() if request.number == self.number else Verdict.PASS


class HoldAfter(Hold):
    """Time stands still after the nth request was executed, so that the client can be killed."""

    async def on_reply(self, reply: Message) -> Verdict:
        return await self._hold() if reply.number == self.number else Verdict.PASS


class Refuse(Fault):
    """The port is closed, as while a server is away."""

    accepts = False


class ResetEvery(Fault):
    """Each nth request ends its connection, half of them before and half of them after the server executed it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def _is_meant(self, number: int, remainder: int) -> bool:
        meant = number > 0 and number % (2 * self.number) == remainder
        if meant:
            self.happened.set()
        return meant

    async def on_request(self, request: Message) -> Verdict:
        return Verdict.CUT if self._is_meant(request.number, self.number) else Verdict.PASS

    async def on_reply(self, reply: Message) -> Verdict:
        return Verdict.CUT if self._is_meant(reply.number, 0) else Verdict.PASS


class Blackhole(Fault):
    """Connections stand, and nothing comes through in either direction: no FIN, no RST."""

    async def on_request(self, request: Message) -> Verdict:
        del request
        self.happened.set()
        return Verdict.SWALLOW

    async def on_reply(self, reply: Message) -> Verdict:
        del reply
        return Verdict.SWALLOW


class HalfOpen(Fault):
    """Requests arrive and are executed; no reply comes back."""

    async def on_reply(self, reply: Message) -> Verdict:
        del reply
        self.happened.set()
        return Verdict.SWALLOW


class Delay(Fault):
    """Each request arrives ``seconds`` late, give or take ``jitter`` seconds."""

    def __init__(self, seconds: float, jitter: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.jitter = jitter

    async def on_request(self, request: Message) -> Verdict:
        del request
        self.happened.set()
        await asyncio.sleep(max(0.0, self.seconds + random.uniform(-self.jitter, self.jitter)))
        return Verdict.PASS


class Narrow(Fault):
    """Each connection carries so many bytes a second in each direction."""

    def __init__(self, bytes_per_s: float) -> None:
        super().__init__()
        self.bytes_per_s = bytes_per_s

    async def _carry(self, message: Message) -> Verdict:
        self.happened.set()
        await asyncio.sleep(len(message.data) / self.bytes_per_s)
        return Verdict.PASS

    async def on_request(self, request: Message) -> Verdict:
        return await self._carry(request)

    async def on_reply(self, reply: Message) -> Verdict:
        return await self._carry(reply)
