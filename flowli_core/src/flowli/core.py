"""What a runtime is made of, for the modules behind it: jobs, context, defaults, the driver's hub.

It hangs on a runtime as ``__flowli__``, so that completion of ``flowli.`` shows jobs and little else. It refuses to do
anything with what it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from flowli.coalescing import Coalescers
from flowli.codec import PayloadCodec
from flowli.context import Context
from flowli.driver import Driver
from flowli.errors import StrategyError
from flowli.hub import Hub, hub_of
from flowli.limits import Limits
from flowli.options import Options, resolve
from flowli.outcomes import Watches
from flowli.sealed import Sealed
from flowli.turns import Turns
from flowli.wire import encode_head

if TYPE_CHECKING:
    from flowli.declared import Schedule
    from flowli.job import Job
    from flowli.runtime import Flowli

__all__ = ["Core", "Plan"]


class Plan(NamedTuple):
    """One job on this runtime: its options resolved, and the head of a call that changes none of them."""

    options: Options
    head: bytes


class Core:
    """The parts of one runtime."""

    def __init__(
        self,
        flowli: Flowli[Any],
        *,
        jobs: Mapping[str, Job[Any, Any, Any, Any]],
        context: Context,
        hub: Hub | None,
        driver_name: str | None,
        process_local: bool,
        defaults: Options,
        schedules: Sequence[Schedule[Any]] = (),
        codec: PayloadCodec | None = None,
        limits: Limits,
    ) -> None:
        self.flowli: Flowli[Any] = flowli
        self.jobs: Mapping[str, Job[Any, Any, Any, Any]] = jobs
        self.context: Context = context
        self.hub: Hub | None = hub
        self.driver_name: str | None = driver_name
        self.process_local: bool = process_local
        self.defaults: Options = defaults
        self.schedules: Sequence[Schedule[Any]] = schedules
        self.limits: Limits = limits
        self.codec: PayloadCodec | None = codec
        self._sealed: WeakValueDictionary[int, Sealed] = WeakValueDictionary()
        self.turns: Turns = Turns()
        self.coalescers: Coalescers = Coalescers(self.turns)
        self.watches: Watches = Watches()
        self._plans: dict[str, Plan] = {}
        self._stays: list[AsyncExitStack] = []
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @contextmanager
    def swapped(self, driver: Driver, context: Context | None = None) -> Generator[None]:
        """Another driver, and another context where one is given, for as long as the block lasts: for tests. Nothing of
        the runtime may be under way when it begins or ends."""
        kept = dict(vars(self))
        self.hub, self.driver_name, self.process_local = hub_of(driver), str(driver), driver.process_local
        self.context = context or self.context
        self._sealed = WeakValueDictionary()
        self.turns = Turns()
        self.coalescers, self.watches = Coalescers(self.turns), Watches()
        try:
            yield
        finally:
            vars(self).update(kept)

    @property
    def name(self) -> str:
        """Of the runtime's class, for messages."""
        return type(self.flowli).__name__

    def plan(self, job: Job[Any, Any, Any, Any]) -> Plan:
        """The resolved options of a job; made once."""
        found = self._plans.get(job.name)
        if found is None:
            options = resolve(self.defaults, job.options)
            found = self._plans[job.name] = Plan(options, encode_head(options))
        return found

    def need_hub(self, what: str) -> Hub:
        """The driver's hub; StrategyError where the runtime has none. ``what`` begins the message."""
        if self.hub is None:
            raise StrategyError(
                f"{what} without a driver. Pass one: {self.name}(context=..., driver=RedisDriver('redis://...', "
                f"prefix='app')), or MemoryDriver() in tests; run() works without."
            )
        return self.hub

    async def driver(self, what: str) -> Driver:
        """The running loop's driver, opened on first use; behind the runtime's codec, if it has one."""
        hub = self.need_hub(what)
        driver = hub.ready() or await hub.here()
        if self.codec is None:
            return driver
        # One for all callers of now: only enqueues for the same driver travel together. It holds its driver, so that
        # the number is nobody else's.
        sealed = self._sealed.get(id(driver))
        if sealed is None:
            sealed = self._sealed[id(driver)] = Sealed(driver, self.codec)
        return sealed

    async def enter(self, *, certain: bool = False) -> None:
        """Open the driver and enter the lifespan, until the matching `leave`. ``certain`` is `Hub.hold`'s."""
        async with self._gate(), AsyncExitStack() as stack:
            if self.hub is not None:
                await self.hub.hold(certain=certain)
                stack.push_async_callback(self.hub.release)
            if not self._stays:
                await self.context.enter_lifespan(stack)
            self._stays.append(stack.pop_all())

    async def leave(self) -> None:
        """Undo the last `enter`. The first one, which holds the lifespan, is undone last."""
        async with self._gate():
            await self._stays.pop().aclose()

    def _gate(self) -> asyncio.Lock:
        """Whoever enters while the lifespan is being entered, or left, waits; a lock serves one loop."""
        return self._gates.setdefault(asyncio.get_running_loop(), asyncio.Lock())
