"""What a verb works with: the keys of a prefix, the way to the store, and the queues known; it knows no verb."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from flowli.driver import Millis
from flowli.errors import DriverUnavailable
from flowli.resp.keys import Keys
from flowli.resp.scripts import Arg, Call

if TYPE_CHECKING:
    from flowli.resp.durability import Confirmation

__all__ = ["BATCH", "Ear", "Namespace", "Plain", "Request", "Transport", "cut", "instant", "with_questions"]

_T = TypeVar("_T")

BATCH = 1_000
"""The most items that one script is given."""

_BATCH_BYTES = 4_000_000
_MOST_MET = 16


class Plain(NamedTuple):
    """A command that is no script."""

    words: tuple[Arg, ...]

    def command(self, *, by_text: bool = False) -> tuple[Arg, ...]:
        """The words, whichever way."""
        del by_text
        return self.words


Request = Call | Plain


def with_questions(requests: Sequence[Request], places: Sequence[int]) -> list[int]:
    """The places, given in order, of what is sent again, and of what stands behind and is no script: it may ask what
    became of it."""
    asks = [at for at, one in enumerate(requests) if isinstance(one, Plain) and at > places[0] and at not in places]
    return sorted([*places, *asks])


class Ear(Protocol):
    """A subscription to the outcomes of some jobs."""

    @property
    def channel(self) -> str: ...

    async def wait(self, seconds: float) -> None:
        """Return when one of the jobs was heard of, when something may have been missed, or after ``seconds``."""


class Transport(Protocol):
    """What a client library has to do for the verbs. Its errors are Flowli's, and hold no argument of any command."""

    async def run(self, requests: Sequence[Request], *, writes: bool, waits: float = 0.0) -> Sequence[Any]:
        """The replies to requests sent together, in order; a script that the server lacks is sent again as text.

        With ``waits`` the last of them may block for so many seconds: all go over one connection, and no other call
        uses it meanwhile."""
        ...

    async def idle(self, keys: Sequence[str], seconds: float, call: Call) -> tuple[Any, Any]:
        """Pop a token from one of these sorted sets, asleep for up to ``seconds``, then at once answer the call.

        Returns what was popped (key, member, score, or None) and the reply. On a connection of its own; whoever cancels
        it takes back both."""
        ...

    def listen(self, ids: Collection[str]) -> AbstractAsyncContextManager[Ear]:
        """Hear of these jobs while the context is open."""
        ...


def instant(now: Millis | None) -> Arg:
    """``now`` as scripts take it."""
    return "" if now is None else now


def cut(items: Sequence[_T], size: Callable[[_T], int] | None = None) -> Iterator[Sequence[_T]]:
    """Pieces of a batch that one script may be given, by count and by bytes; the same batch is always cut alike."""
    if len(items) <= BATCH and size is None:
        if items:
            yield items
        return
    begin = total = 0
    for place, item in enumerate(items):
        weight = size(item) if size else 0
        if place > begin and (place - begin >= BATCH or total + weight > _BATCH_BYTES):
            yield items[begin:place]
            begin, total = place, 0
        total += weight
    if begin < len(items):
        yield items[begin:]


@dataclass(slots=True)
class Namespace:
    """A prefix in a store, as one driver sees it."""

    keys: Keys
    transport: Transport
    confirmation: Confirmation | None = None
    """What has to confirm a write that callers rely on."""
    known: list[str] = field(default_factory=list[str])
    """Queue names as of the last look; `stale` when the store has others."""
    stale: bool = True
    turns: int = 0
    met: dict[str, None] = field(default_factory=dict[str, None])
    """Queues of the last jobs that were named: whose keys a read by id declares at first."""
    idle: dict[str, tuple[float, Sequence[str] | None, Any, Any]] = field(default_factory=dict[str, Any])
    """By the sender of a claim: when, for which queues, and with what its last wait ended that found nothing."""

    pushes: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    """Tokens that are under way."""

    async def one(self, request: Request, *, writes: bool) -> Any:
        """The reply to one request."""
        return (await self.transport.run([request], writes=writes))[0]

    async def confirmed(self, requests: Sequence[Request], lacks: list[str]) -> Any:
        """The reply to the first request, a write that callers rely on; what did not confirm it is put into ``lacks``.

        Without a request it is asked whether all that was written before is confirmed."""
        wanted = self.confirmation
        if wanted is None:
            return await self.one(requests[0], writes=True) if requests else None
        behind = wanted.requests(self.keys)
        replies = await self.transport.run([*requests, *behind], writes=True, waits=wanted.seconds)
        lack = wanted.lacks(replies[-1])
        lacks += [lack] if lack else []
        return replies[0]

    async def push(self, queues: Sequence[bytes]) -> None:
        """Wake a runner of each of these queues, which a script could not reach."""
        if queues:
            tokens = [Plain(("ZADD", self.keys.wake(queue.decode()), 0, "0")) for queue in queues]
            await self.transport.run(tokens, writes=True)

    def push_soon(self, queues: Sequence[bytes]) -> None:
        """The same, without anybody waiting for it: what is lost costs the runners that are idle a look."""
        if queues:
            task = asyncio.create_task(self.push(queues), name="flowli tokens")
            self.pushes.add(task)
            task.add_done_callback(self._pushed)

    def _pushed(self, task: asyncio.Task[None]) -> None:
        self.pushes.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.stale = True  # the way to the store is disturbed: whoever claims next asks it for its queues

    async def complete(
        self,
        queues: Sequence[str],
        build: Callable[[Sequence[str]], Call],
        *,
        writes: bool,
        lacks: list[str] | None = None,
    ) -> Any:
        """The reply of a script that may ask for the keys of further queues, before it has written anything.

        With ``lacks`` it is a write as that of `confirmed`."""
        names = list(dict.fromkeys(queues))
        for _ in range(50):
            call = build(names)
            reply = await (self.one(call, writes=writes) if lacks is None else self.confirmed([call], lacks))
            if not reply or reply[0] != b"again":
                self._meet(names)
                return reply
            further: list[bytes] = reply[1:]
            names = list(dict.fromkeys([*names, *(name.decode() for name in further)]))
        message = "The jobs of this call change queue faster than they can be read; call again."
        raise DriverUnavailable(message)

    def _meet(self, names: Sequence[str]) -> None:
        self.met |= dict.fromkeys(names)
        while len(self.met) > _MOST_MET:
            del self.met[next(iter(self.met))]

    async def queues(self) -> list[str]:
        """The names of all queues that the store knows, asked only when they may have changed."""
        if self.stale:
            await self.learn()
        return self.known

    async def learn(self) -> list[str]:
        """Ask the store for the names of its queues."""
        names = await self.one(Plain(("HKEYS", self.keys.fixed("queues"))), writes=False)
        self.known = sorted(name.decode() for name in names)
        self.stale = False
        return self.known

    def rotated(self) -> list[str]:
        """The known queues, each time beginning with another, so that none waits for ever behind another."""
        if not self.known:
            return []
        first = self.turns % len(self.known)
        self.turns += 1
        return self.known[first:] + self.known[:first]

    @contextmanager
    def after_writes(self, written: bool) -> Generator[None, None, None]:
        """What fails in here may have left something behind, if a step before was written."""
        try:
            yield
        except DriverUnavailable as error:
            error.maybe_written = error.maybe_written or written
            raise
