"""The runner: claims, executes and settles what was persisted, until it is told to stop.

It knows a runner's life: start, ticks, draining, the end. It refuses to know how a job is executed (`flowli.attempts`),
how leases are kept (`flowli.leases`) and how the store is spoken to (`flowli.conversation`).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, Self, TypeVar

from flowli.conversation import Terms
from flowli.declared import reconcile
from flowli.durations import parse_span, to_millis
from flowli.errors import DefinitionError, DriverClosed, StrategyError, ValidationError
from flowli.events import RunnerEvent
from flowli.ids import check_name, make_id
from flowli.journal import Journal, Listener, logger
from flowli.options import Span
from flowli.runtime import Flowli
from flowli.shift import Shift
from flowli.throttling import write_rules

__all__ = ["Runner"]

E = TypeVar("E", bound=RunnerEvent)

_SHORTEST_LEASE = timedelta(milliseconds=100)


class Runner:
    """Executes the persisted jobs of one runtime. Any number of runners may work on one store.

    ``concurrency`` bounds handlers in flight (``def`` handlers: 32 threads). ``lease`` is how long a job stays with a
    runner that is not heard of. ``poll_interval``, and a tenth of it, bounds how late due work is found if a wake-up is
    lost; latency does not depend on it. ``queues=None`` serves every queue; named ones are served strictly in the order
    given; with weights, ``{"mail": 3, "default": 1}``, each gets its share of the jobs while it has some, and none
    starves.
    ``max_jobs_per_tick`` bounds `run_once` alone.
    """

    def __init__(
        self,
        flowli: Flowli[Any],
        *,
        concurrency: int = 100,
        lease: Span = "30s",
        poll_interval: Span = "1s",
        queues: Sequence[str] | Mapping[str, int] | None = None,
        max_jobs_per_tick: int | None = None,
    ) -> None:
        self._core = flowli.__flowli__
        self._core.need_hub("A runner cannot work")
        self._concurrency = _at_least_one("concurrency", concurrency)
        self._most_per_tick = (
            None if max_jobs_per_tick is None else _at_least_one("max_jobs_per_tick", max_jobs_per_tick)
        )
        self._terms = Terms(
            runner=make_id(),
            queues=None if queues is None else _names(queues),
            weights=_weights(queues) if isinstance(queues, Mapping) else None,
            lease_for=to_millis(_span("lease", lease, _SHORTEST_LEASE)),
            poll=to_millis(_span("poll_interval", poll_interval, timedelta(milliseconds=1))),
        )
        self._journal = Journal()
        self._shift: Shift | None = None
        self._stay: AsyncExitStack | None = None
        self._is_taken = False
        self._ending = asyncio.Lock()
        self.abandoned: int = 0
        """Handlers that the last `stop` left behind: they ignored their cancellation, or sit in a thread."""

    @property
    def id(self) -> str:
        """Of this runner, as the store lists it."""
        return self._terms.runner

    @property
    def running(self) -> bool:
        """Between `start` and the end of `stop`, and during `run_once`."""
        return self._shift is not None

    @property
    def consuming(self) -> bool:
        """Whether it takes jobs: it was started, is not being stopped, and the store answers its claims.

        What a readiness probe should ask: a live process that consumes nothing is the outage that nobody sees. It turns
        False within two poll intervals (at least a second) of a cut, and True again by itself.
        """
        return self._shift is not None and self._shift.is_consuming

    def on(self, event: type[E], /) -> Callable[[Listener[E]], Listener[E]]:
        """Call the decorated function, sync or async, for each event of this class. Its exceptions are logged."""
        if not _is_event(event):
            raise DefinitionError(
                "Runner.on() takes a class of flowli.events: @runner.on(JobFailed). RunnerEvent gets every event."
            )

        def add(listener: Listener[E]) -> Listener[E]:
            self._journal.add(event, listener)
            return listener

        return add

    async def run_once(self) -> int:
        """Recover, fire schedules, and execute what was due when it was called; how many attempts it executed."""
        async with self._at_work() as shift:
            return await shift.tick(self._most_per_tick)

    async def run_until_idle(self) -> int:
        """`run_once` until nothing is due: for tests and bursts. How many attempts it executed."""
        async with self._at_work() as shift:
            return await shift.tick_until_idle()

    async def start(self) -> None:
        """Work in the background of this event loop until `stop`. StrategyError if it works already."""
        async with AsyncExitStack() as stack:
            shift = await stack.enter_async_context(self._at_work())
            self._stay = stack.pop_all()
        shift.begin()
        logger.info(
            "runner started  app=%s driver=%s jobs=%d concurrency=%d lease=%gs id=%s",
            self._core.name,
            self._core.driver_name,
            len(self._core.jobs),
            self._concurrency,
            self._terms.lease_for / 1000,
            self.id,
        )

    async def stop(self, grace: Span = "30s") -> None:
        """Claim nothing more, let handlers end for ``grace``, cancel the rest and hand their jobs back; then close.

        It returns within ``grace`` and about two seconds, even if a handler ignores its cancellation (`abandoned`). A
        runner that was not started, or was stopped, stays as it is; one that is being stopped is waited for.
        """
        grace_s = parse_span(grace, what="grace").total_seconds()
        async with self._ending:
            shift, stay, self._stay = self._shift, self._stay, None
            if shift is None or stay is None:
                return
            logger.info("draining  %d running, grace %gs", shift.busy, grace_s)
            async with stay:
                await shift.finish(grace_s)
        logger.info("runner stopped  id=%s", self.id)

    async def run(self, grace: Span = "30s") -> None:
        """Work until SIGTERM or SIGINT, then `stop`. A second signal hands back at once.

        Raises DriverClosed if the driver was closed under it.
        """
        parse_span(grace, what="grace")
        asked = asyncio.Event()

        def ask() -> None:
            if asked.is_set() and self._shift is not None:
                logger.warning("second signal: handing back what is running")
                self._shift.hurry()
            asked.set()

        with _signals(ask):
            await self.start()
            try:
                await self._until(asked)
            finally:
                await self.stop(grace)
        if not asked.is_set():
            raise DriverClosed("The driver was closed under the runner. Stop the runner first.")

    async def _until(self, asked: asyncio.Event) -> None:
        """Until somebody asked, or the work ended by itself."""
        assert self._shift is not None
        signalled = asyncio.create_task(asked.wait())
        try:
            await asyncio.wait({signalled, self._shift.work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            signalled.cancel()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @asynccontextmanager
    async def _at_work(self) -> AsyncGenerator[Shift]:
        """Hold the runtime open, and have a shift."""
        if self._is_taken:
            raise StrategyError(
                "The runner is at work already. Stop it first, or make another one: any number may serve a store."
            )
        self._is_taken = True
        async with AsyncExitStack() as stack:
            stack.callback(self._leave)
            await self._core.enter()
            stack.push_async_callback(self._core.leave)
            await write_rules(self._core)
            await reconcile(self._core)
            driver = await self._core.driver("A runner cannot work")
            self._shift = Shift(self._core, driver, self._terms, self._journal, self._concurrency)
            stack.push_async_callback(self._close, self._shift)
            yield self._shift

    async def _close(self, shift: Shift) -> None:
        self.abandoned = await shift.close()

    def _leave(self) -> None:
        self._shift = None
        self._is_taken = False


def _is_event(event: object) -> bool:
    return isinstance(event, type) and issubclass(event, RunnerEvent)


def _at_least_one(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValidationError(f"{what} is a whole number of at least 1; got {value!r}.")
    return value


def _names(queues: Sequence[str] | Mapping[str, int]) -> tuple[str, ...]:
    if isinstance(queues, str) or not queues:
        raise ValidationError("queues is a list with at least one name, such as ['mail'], or None for every queue.")
    return tuple(check_name(name) for name in queues)


def _weights(queues: Mapping[str, int]) -> dict[str, int]:
    return {name: _at_least_one(f"the weight of queue {name!r}", weight) for name, weight in queues.items()}


def _span(what: str, value: Span, shortest: timedelta) -> timedelta:
    span = parse_span(value, what=what)
    if span < shortest:
        raise ValidationError(f"{what} is at least {shortest.total_seconds():g}s; got {span.total_seconds():g}s.")
    return span


@contextmanager
def _signals(ask: Callable[[], None]) -> Generator[None]:
    """Call ``ask`` for SIGTERM and SIGINT, and put back afterwards what was there."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        loop.add_signal_handler(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
