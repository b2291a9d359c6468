"""Every driver of this repository is a `Driver`. Checked, never run."""

from __future__ import annotations

from flowli import Flowli
from flowli.driver import Driver
from flowli_memory import MemoryDriver
from flowli_redis import RedisDriver

memory: Driver = MemoryDriver()
redis: Driver = RedisDriver("redis://localhost:6379/0", prefix="app")
twin: Driver = memory.twin()

for driver in (memory, redis, twin):
    Flowli(context=None, driver=driver)


class Half:
    """Too little to be one."""

    async def open(self) -> None: ...


wrong: Driver = Half()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
Flowli(context=None, driver="redis://localhost")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
