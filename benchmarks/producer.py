"""The process that enqueues: ``python -m benchmarks.producer ADAPTER``, in the environment of the contestant.

It reads one JSON object a line from standard input, does it, and answers with one. It knows how to call an adapter one
by one, from 100 places at once and in bulk, and how long that took; it refuses to know which contestant it is.

An adapter is a module, or what it calls ``adapter``, with ``open``, ``close``, ``one(payload)``, ``nap(payload)`` and,
where the contestant can, ``bulk(payloads)``, ``later(payload, epoch)`` and ``every(payload, interval, key)``: all of
them coroutine functions, or all plain.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import count
from typing import Any

from benchmarks.payload import make_payload

__all__ = ["Producer", "loop_factory", "main"]

AT_ONCE = 100
"""Callers of the concurrent measure, and jobs in a bulk."""

_Call = Callable[..., Awaitable[object]]


class Producer:
    """Calls one adapter. Numbers of jobs go up from ``first``; a measure ends after ``seconds`` or ``limit`` jobs."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter
        self._plain = not inspect.iscoroutinefunction(adapter.one)

    async def one(self, first: int, limit: int, seconds: float) -> dict[str, float]:
        """Each after the answer to the one before."""
        one, taken, ends = self._adapter.one, 0, _deadline(seconds)
        with _Meter() as meter:
            if self._plain:
                while taken < limit and time.perf_counter() < ends:
                    one(make_payload(first + taken))
                    taken += 1
            else:
                while taken < limit and time.perf_counter() < ends:
                    await one(make_payload(first + taken))
                    taken += 1
        return meter.answer(taken)

    async def concurrent(self, first: int, limit: int, seconds: float) -> dict[str, float]:
        """From 100 tasks, or from 100 threads where the adapter has no coroutines."""
        numbers, ends, one = iter(range(first, first + limit)), _deadline(seconds), self._adapter.one
        with _Meter() as meter:
            if self._plain:
                taken = await asyncio.to_thread(_from_threads, one, numbers, ends)
            else:
                taken = sum(await asyncio.gather(*(_from_task(one, numbers, ends) for _ in range(AT_ONCE))))
        return meter.answer(taken)

    async def bulk(self, first: int, limit: int, seconds: float) -> dict[str, float]:
        """100 in a call."""
        bulk, taken, ends = self._call("bulk"), 0, _deadline(seconds)
        with _Meter() as meter:
            while taken < limit and time.perf_counter() < ends:
                size = min(AT_ONCE, limit - taken)
                await bulk([make_payload(first + taken + place) for place in range(size)])
                taken += size
        return meter.answer(taken)

    async def fill(self, first: int, limit: int) -> dict[str, float]:
        """By the fastest way that there is."""
        way = self.bulk if hasattr(self._adapter, "bulk") else self.concurrent
        return await way(first, limit, seconds=3600.0)

    async def nap(self, first: int, limit: int) -> dict[str, float]:
        """Jobs that sleep."""
        nap = self._call("nap")
        with _Meter() as meter:
            for number in range(first, first + limit):
                await nap(make_payload(number))
        return meter.answer(limit)

    async def paced(self, first: int, limit: int, every: float) -> dict[str, Any]:
        """One each ``every`` seconds; when each was sent, by the clock of the ledger."""
        one, sent, began = self._call("one"), list[float](), time.monotonic()
        for place in range(limit):
            await asyncio.sleep(max(0.0, began + place * every - time.monotonic()))
            sent.append(time.monotonic())
            await one(make_payload(first + place))
        return {"sent": sent}

    async def later(self, first: int, limit: int, epoch: float) -> dict[str, float]:
        """All due at the same instant."""
        later, numbers = self._call("later"), iter(range(first, first + limit))

        async def some() -> None:
            for number in numbers:
                await later(make_payload(number), epoch)

        with _Meter() as meter:
            await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        return meter.answer(limit)

    async def every(self, first: int, limit: int, interval: float) -> dict[str, float]:
        """``limit`` schedules."""
        every, numbers = self._call("every"), iter(range(first, first + limit))

        async def some() -> None:
            for number in numbers:
                await every(make_payload(number), interval, f"schedule-{number}")

        with _Meter() as meter:
            await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        return meter.answer(limit)

    def _call(self, name: str) -> _Call:
        function = getattr(self._adapter, name)
        if not self._plain:
            return function  # type: ignore[no-any-return]

        async def call(*arguments: object) -> object:
            return function(*arguments)

        return call

    async def serve(self) -> None:
        """Do what standard input says, until it ends."""
        await self._call("open")()
        for line in sys.stdin:
            asked: dict[str, Any] = json.loads(line)
            _say(await getattr(self, asked.pop("do"))(**asked))
        await self._call("close")()


class _Meter:
    """Wall and CPU time of a block."""

    def __enter__(self) -> _Meter:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *exc: object) -> None:
        self._wall, self._cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu

    def answer(self, taken: int) -> dict[str, float]:
        return {"count": taken, "seconds": self._wall, "cpu": self._cpu}


async def _from_task(one: _Call, numbers: Iterator[int], ends: float) -> int:
    for taken in count():
        number = next(numbers, None) if time.perf_counter() < ends else None
        if number is None:
            return taken
        await one(make_payload(number))
    raise AssertionError("counting ends with the numbers")


def _from_threads(one: Callable[..., object], numbers: Iterator[int], ends: float) -> int:
    def some(_: int) -> int:
        for taken in count():
            number = next(numbers, None) if time.perf_counter() < ends else None
            if number is None:
                return taken
            one(make_payload(number))
        raise AssertionError("counting ends with the numbers")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(some, range(AT_ONCE)))


def _deadline(seconds: float) -> float:
    return time.perf_counter() + seconds


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where the environment has it: the same loop for every contestant."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    except ModuleNotFoundError:
        return None
    return factory


def main() -> None:
    began = time.perf_counter()
    module = import_module(sys.argv[1])
    adapter = getattr(module, "adapter", module)
    abilities = [name for name in ("bulk", "later", "every") if hasattr(adapter, name)]
    _say({"import": time.perf_counter() - began, "abilities": abilities})
    serve: Coroutine[Any, Any, None] = Producer(adapter).serve()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve)


if __name__ == "__main__":
    main()
