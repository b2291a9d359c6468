"""Limits and fairness as users declare them, on the memory driver in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from flowli import DefinitionError, Flowli, Runner, ValidationError, job
from flowli.driver import Ability, State
from flowli.limiting import Concurrency, Of, Rate
from flowli.records import WaitingFor
from flowli.wire import decode_schedule
from flowli_memory import ManualClock, MemoryDriver
from tests.core.runner_kit import driver_of, record, runtime, until

pytestmark = pytest.mark.anyio

START = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Order:
    customer: str
    items: int = 1


@dataclass
class Meta:
    tenant: str


class Crowd:
    """How many handlers are under way, by key, and how many there were at most."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.gate = asyncio.Event()

    async def stay(self, key: str) -> None:
        self.now[key] += 1
        self.most[key] = max(self.most[key], self.now[key])
        await self.gate.wait()
        self.now[key] -= 1


async def test_no_more_run_at_once_than_a_limit_says() -> None:
    crowd = Crowd()

    @job(limits=[Concurrency(2)])
    async def charge(order: Order) -> None:
        await crowd.stay("all")

    flowli = runtime(charge)
    handles = await flowli.use(charge).enqueue_many([Order("a")] * 6)
    async with Runner(flowli, concurrency=50):
        await until(lambda: crowd.now["all"] == 2)
        waits = [one for handle in handles if (one := await record(flowli, handle.id)).state is State.SCHEDULED]
        assert [one.waiting_for for one in waits] == [WaitingFor.LIMIT] * 4
        assert waits[0].scheduled_for is None
        crowd.gate.set()
        for handle in handles:
            await handle.result(timeout=20)
    assert crowd.most["all"] == 2


async def test_a_key_is_computed_from_the_input() -> None:
    crowd = Crowd()

    @job(limits=[Concurrency(1, key=lambda order: order.customer)])
    async def charge(order: Order) -> None:
        await crowd.stay(order.customer)

    flowli = runtime(charge)
    handles = await flowli.use(charge).enqueue_many([Order(customer) for customer in "aabbc"])
    async with Runner(flowli, concurrency=50):
        await until(lambda: crowd.now.total() == 3)
        crowd.gate.set()
        for handle in handles:
            await handle.result(timeout=20)
    assert crowd.most == {"a": 1, "b": 1, "c": 1}


async def test_a_key_is_computed_from_the_meta_or_from_both() -> None:
    @job(
        limits=[
            Concurrency(1, key=lambda meta: meta.tenant),
            Rate(9, per="1m", key=lambda order, meta: f"{meta.tenant}/{order.customer}"),
        ]
    )
    async def charge(order: Order, *, meta: Meta) -> None: ...

    flowli = runtime(charge)
    await flowli.use(charge).enqueue(Order("c"), meta=Meta("t"))
    await Runner(flowli).run_until_idle()
    assert [(one.name, one.key) for one in await flowli.inspect.get_limits()] == [
        ("charge.concurrency", ""),
        ("charge.rate", "t/c"),
    ]


async def test_a_rate_bounds_starts_in_any_span() -> None:
    clock, started = ManualClock(START), list[datetime]()

    @job(limits=[Rate(3, per="1m")])
    async def call(text: str) -> None:
        started.append(clock.now())

    flowli = runtime(call, clock=clock)
    await flowli.use(call).enqueue_many(["x"] * 10)
    runner = Runner(flowli)
    assert await runner.run_until_idle() == 3
    clock.advance("59s")
    assert await runner.run_until_idle() == 0
    clock.advance("1s")
    assert await runner.run_until_idle() == 3
    assert (await flowli.inspect.get_queue_counts()).scheduled == 4


async def test_a_weight_is_computed_as_a_key_is() -> None:
    crowd = Crowd()

    @job(limits=[Concurrency(10, weight=lambda order: order.items)])
    async def ship(order: Order) -> None:
        await crowd.stay("all")

    flowli = runtime(ship)
    await flowli.use(ship).enqueue_many([Order("a", 6), Order("b", 4), Order("c", 1)])
    async with Runner(flowli, concurrency=50):
        await until(lambda: crowd.now["all"] == 2)
        found = await flowli.inspect.get_limit("ship.concurrency")
        assert found is not None
        assert (found.at_once, found.held, found.waiting, len(found.holders)) == (10, 10, 1, 2)
        crowd.gate.set()
        await until(lambda: crowd.now["all"] == 0)


async def test_jobs_that_name_one_limit_share_it() -> None:
    crowd, shared = Crowd(), Concurrency(1, name="gpu")

    @job(limits=[shared])
    async def train(text: str) -> None:
        await crowd.stay("gpu")

    @job(limits=[shared], queue="fast")
    async def infer(text: str) -> None:
        await crowd.stay("gpu")

    flowli = runtime(train, infer)
    handles = [await flowli.use(one).enqueue("x") for one in (train, infer, train)]
    async with Runner(flowli, concurrency=50):
        await until(lambda: crowd.now["gpu"] == 1)
        crowd.gate.set()
        for handle in handles:
            await handle.result(timeout=20)
    assert crowd.most["gpu"] == 1


async def test_a_limit_is_held_and_released() -> None:
    clock = ManualClock(START)

    @job(limits=[Rate(100, per="1m", name="api", key=lambda text: text)])
    async def call(text: str) -> str:
        return text

    flowli = runtime(call, clock=clock)
    await flowli.control.hold("api", "30s")
    await flowli.control.hold("api", "1h", key="slow")
    await flowli.use(call).enqueue_many(["fast", "slow"])
    assert await Runner(flowli).run_until_idle() == 0
    found = await flowli.inspect.get_limit("api", "fast")
    assert found is not None
    assert found.held_until == datetime(2030, 1, 1, 0, 0, 30, tzinfo=UTC)
    clock.advance("30s")
    assert await Runner(flowli).run_until_idle() == 1
    await flowli.control.release("api", key="slow")
    assert await Runner(flowli).run_until_idle() == 1


async def test_a_retry_draws_again_and_a_lapse_gives_back() -> None:
    clock = ManualClock(START)

    @job(limits=[Concurrency(1)], max_attempts=2)
    async def fail_once(text: str) -> str:
        if not failed:
            failed.append(text)
            raise RuntimeError("once")
        return text

    failed: list[str] = []
    flowli = runtime(fail_once, clock=clock)
    await flowli.use(fail_once).enqueue_many(["a", "b"])
    assert await Runner(flowli).run_until_idle() == 2
    clock.advance("1h")
    assert await Runner(flowli).run_until_idle() == 1
    found = await flowli.inspect.get_limit("fail_once.concurrency")
    assert found is not None
    assert (found.held, found.waiting) == (0, 0)


async def test_rules_of_code_are_written_at_the_start() -> None:
    driver = MemoryDriver()

    def app(at_once: int) -> Flowli[None]:
        @job(name="charge", limits=[Concurrency(at_once)])
        async def charge(text: str) -> None: ...

        return runtime(charge, driver=driver.twin())

    async with app(1):
        pass
    async with app(5) as flowli:
        found = await flowli.inspect.get_limit("charge.concurrency")
    assert found is not None
    assert found.at_once == 5


async def test_jobs_of_a_schedule_are_limited_too() -> None:
    clock = ManualClock(START)

    @job(limits=[Rate(1, per="1h", key=lambda text: text)], fair_by=lambda text: text)
    async def digest(text: str) -> None: ...

    flowli = runtime(digest, clock=clock)
    await flowli.use(digest).schedule("1m", "all", key="digest", misfire="all")
    clock.advance("10m")
    assert await Runner(flowli).run_until_idle() == 1
    [stored] = await (await driver_of(flowli)).get_schedules(["digest"])
    assert stored is not None
    bonds = decode_schedule(stored.body).bonds
    assert bonds is not None
    assert (bonds.group, [need.key for need in bonds.needs]) == ("all", ["all"])


async def test_one_tenant_with_many_jobs_does_not_delay_the_one_of_another() -> None:
    served: list[str] = []

    @job(fair_by=lambda order: order.customer)
    async def ship(order: Order) -> None:
        served.append(order.customer)

    flowli = runtime(ship)
    await flowli.use(ship).enqueue_many([Order("large")] * 1_000)
    await Runner(flowli, concurrency=1, max_jobs_per_tick=10).run_once()
    await flowli.use(ship).enqueue(Order("small"))
    await Runner(flowli, concurrency=1, max_jobs_per_tick=10).run_once()
    assert served.index("small") <= 11


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: Concurrency(0), "whole number from 1"),
        (lambda: Rate(1, per="0s"), "longer than 0"),
        (lambda: Rate(1, per=60), "per"),
        (lambda: Concurrency(1, weight=0), "weight"),
        (lambda: Concurrency(1, name=""), "name of a limit"),
    ],
)
def test_a_limit_out_of_bounds_is_refused_when_it_is_made(made: object, says: str) -> None:
    assert callable(made)
    with pytest.raises(DefinitionError, match=says):
        made()


def test_two_limits_of_one_job_have_two_names() -> None:
    with pytest.raises(DefinitionError, match="two limits named"):

        @job(limits=[Concurrency(1), Concurrency(2, key=lambda text: text)])
        async def charge(text: str) -> None: ...


def test_one_limit_is_the_same_in_every_job() -> None:
    @job(limits=[Concurrency(1, name="api")])
    async def one(text: str) -> None: ...

    @job(limits=[Concurrency(2, name="api")])
    async def two(text: str) -> None: ...

    with pytest.raises(DefinitionError, match="different things of limit 'api'"):
        runtime(one, two)


def test_a_driver_without_limits_is_refused() -> None:
    class Simple(MemoryDriver):
        @property
        def abilities(self) -> frozenset[Ability]:
            return frozenset()

    @job(limits=[Concurrency(1)])
    async def one(text: str) -> None: ...

    with pytest.raises(DefinitionError, match="needs the ability 'limits'"):
        runtime(one, driver=Simple())


KEYS: list[Of] = [lambda text: text[9], lambda text: "", lambda text: "x" * 300]


@pytest.mark.parametrize("key", KEYS)
async def test_a_key_that_cannot_be_computed_refuses_the_call(key: Of) -> None:
    @job(limits=[Concurrency(1, key=key)])
    async def one(text: str) -> None: ...

    with pytest.raises(ValidationError, match="key") as caught:
        await runtime(one).use(one).enqueue("secret")
    assert "secret" not in str(caught.value)


def test_a_key_that_takes_what_there_is_not_is_refused() -> None:
    with pytest.raises(DefinitionError, match="this function takes a, b"):

        @job(limits=[Concurrency(1, key=lambda a, b: a)])
        async def one(text: str) -> None: ...
