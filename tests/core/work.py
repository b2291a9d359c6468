"""The jobs, models and services that the tests of core share, and short forms of what they do with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel

from flowli import Cancel, Flowli, Job, JobHandle, Runner, job
from flowli_memory import ManualClock, MemoryDriver

__all__ = [
    "App",
    "Email",
    "HasLog",
    "Point",
    "RequestMeta",
    "Services",
    "add",
    "app",
    "audit",
    "boom",
    "echo",
    "finished",
    "give_up",
    "move",
    "on_clock",
    "send",
    "tick",
]


class Email(BaseModel):
    to: str
    subject: str = "hello"


class RequestMeta(BaseModel):
    request_id: str


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class Services:
    log: list[str] = field(default_factory=list[str])


class HasLog(Protocol):
    @property
    def log(self) -> list[str]: ...


@job
async def send(input: Email, *, ctx: HasLog) -> Email:
    """Send one email."""
    ctx.log.append(input.to)
    return input


@job(queue="audits", priority=3, max_attempts=2)
async def audit(entity: str, *, ctx: HasLog, meta: RequestMeta) -> str:
    ctx.log.append(f"{meta.request_id} {entity}")
    return entity


@job
async def echo(text: str) -> str:
    return text


@job
def add(number: int) -> int:
    return number + 1


@job
async def move(point: Point) -> Point:
    return Point(point.x + 1, point.y)


@job
async def boom(text: str) -> None:
    raise LookupError(text)


@job
async def give_up() -> None:
    raise Cancel("not needed any more")


@job
async def tick() -> None: ...


class App(Flowli[Services]):
    send = send
    audit = audit
    echo = echo
    add = add
    move = move
    boom = boom
    give_up = give_up
    tick = tick


def app(driver: MemoryDriver | None = None) -> App:
    """A runtime with all of these jobs, on a memory driver of its own."""
    return App(context=Services(), driver=driver or MemoryDriver())


def on_clock(clock: ManualClock) -> App:
    """The same, on a clock that the test moves."""
    return app(MemoryDriver(clock=clock))


async def finished(flowli: Flowli[Services], job: Job[Services, str, None, str], text: str = "x") -> JobHandle[str]:
    """The handle of a job that was enqueued, and executed."""
    handle = await flowli.use(job).enqueue(text)
    await Runner(flowli).run_until_idle()
    return handle
