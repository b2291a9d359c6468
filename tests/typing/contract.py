# ruff: noqa: PT017, T201
"""The public surface as code: it type-checks under pyright and mypy strict, and runs.

The runtime is an instance of your class; the class body names the jobs.

    await flowli.send_email.enqueue(SendEmail(...), meta=RequestMeta(...))

* `flowli.` completes to the job names, `flowli.send_email.` to the four strategies.
* Everything in the call is checked: input, meta (required or not), result of `run`/`result()`.
* The context is checked on every access, in `use()`, in `jobs=[...]`, and, with `slot()`,
  on the declaration itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, assert_type

from pydantic import BaseModel

from flowli import (
    Backoff,
    BoundJob,
    Defaults,
    DefinitionError,
    Flowli,
    Job,
    JobHandle,
    Runner,
    StrategyError,
    ValidationError,
    current_attempt,
    job,
)
from flowli_memory import MemoryDriver


# ---------------------------------------------------------------- jobs.py
class SendEmail(BaseModel):
    to: str
    subject: str = "hello"


class AuditLog(BaseModel):
    entity_id: str
    action: str


class RequestMeta(BaseModel):
    request_id: str
    actor_id: str | None = None


class Mailer:
    sent: list[str]

    def __init__(self) -> None:
        self.sent = []

    async def send(self, to: str, subject: str) -> str:
        self.sent.append(f"{to}:{subject}")
        return f"msg-{len(self.sent)}"


class HasMailer(Protocol):
    """What a job needs, as a Protocol: the job stays reusable across runtimes."""

    @property
    def mailer(self) -> Mailer: ...


class HasDb(Protocol):
    @property
    def db(self) -> dict[str, str]: ...


@job(max_attempts=3, backoff=Backoff(delay="2s", max_delay="1m", jitter=True))
async def send_email(input: SendEmail, *, ctx: HasMailer) -> str:
    """Send one email; the result is the provider's message id."""
    return await ctx.mailer.send(input.to, input.subject)


@job
async def create_audit_log(log: AuditLog, *, ctx: AppContext, meta: RequestMeta) -> None:
    ctx.logs.append(f"{meta.request_id} {log.action} {log.entity_id}")


@job
async def resize(path: str, *, meta: RequestMeta | None = None) -> tuple[int, int]:
    return (640, 480) if meta is None else (320, 240)


@job(name="nightly-cleanup")
def cleanup() -> int:  # a plain def runs in a thread
    return 7


@job
async def welcome(input: SendEmail, *, ctx: HasMailer) -> str:
    """A job which enqueues another one, with no import of the runtime (and so no import cycle)."""
    await ctx.mailer.send(input.to, "welcome")
    follow_up = await current_attempt().use(send_email).delay("1d", SendEmail(to=input.to))
    assert_type(follow_up, JobHandle[str])
    return follow_up.id


@job
async def needs_db(input: SendEmail, *, ctx: HasDb) -> str:
    return ctx.db[input.to]


# ---------------------------------------------------------------- app.py
@dataclass
class AppContext:
    mailer: Mailer
    logs: list[str] = field(default_factory=list[str])


class App(Flowli[AppContext]):
    send_email = send_email
    create_audit_log = create_audit_log
    resize = resize
    cleanup = cleanup
    welcome = welcome


shared = AppContext(Mailer())
events: list[str] = []


# context: a value, a factory, an async factory, a generator with teardown, a context manager
def sync_factory() -> AppContext:
    return shared


async def async_factory() -> AppContext:
    return shared


async def with_teardown() -> AsyncIterator[AppContext]:
    events.append("setup")
    try:
        yield shared
    finally:
        events.append("teardown")


@asynccontextmanager
async def context_manager() -> AsyncGenerator[AppContext]:
    yield shared


async def surface(flowli: App) -> None:
    """The surface, as a checker and an IDE see it; `run` is in-process, with a typed result."""
    assert_type(App.send_email, Job[HasMailer, SendEmail, None, str])
    assert_type(flowli.send_email, BoundJob[SendEmail, None, str])
    assert_type(flowli.create_audit_log, BoundJob[AuditLog, RequestMeta, None])
    assert_type(flowli.resize, BoundJob[str, RequestMeta | None, tuple[int, int]])
    assert_type(flowli.cleanup, BoundJob[None, None, int])
    assert_type(await flowli.send_email.run(SendEmail(to="a@b.c")), str)
    assert_type(await flowli.resize.run("x.png"), tuple[int, int])
    assert await flowli.resize.run("x.png", meta=RequestMeta(request_id="r")) == (320, 240)
    assert await flowli.cleanup.run() == 7


async def persisted(flowli: App) -> None:
    """enqueue, delay, schedule; a runner, and a typed result out of the handle."""
    handle = await flowli.send_email.enqueue(SendEmail(to="a@b.c"), max_attempts=5)
    assert_type(handle, JobHandle[str])
    await flowli.create_audit_log.enqueue(
        AuditLog(entity_id="inv_1", action="created"), meta=RequestMeta(request_id="req_1")
    )
    await flowli.cleanup.enqueue()
    late = await flowli.send_email.delay("10m", SendEmail(to="late@b.c"))
    await flowli.send_email.schedule("0 8 * * *", SendEmail(to="daily@b.c"), key="daily", tz="UTC")
    await flowli.cleanup.schedule("0 3 * * *")

    assert await Runner(flowli).run_once() == 3
    result = await handle.result(timeout=1)
    assert_type(result, str)
    assert result == "msg-2", result
    assert (await late.record()).state == "scheduled"
    counts = await flowli.inspect.get_queue_counts()
    assert counts.completed == 3 and counts.scheduled == 1, counts


async def several(flowli: App) -> None:
    """A job that enqueues a job, many at once, and a job held as a value."""
    assert await flowli.welcome.run(SendEmail(to="new@b.c"))
    assert (await flowli.inspect.get_queue_counts()).scheduled == 2
    many = await flowli.send_email.enqueue_many([SendEmail(to=f"{n}@b.c") for n in range(3)])
    assert_type(many, list[JobHandle[str]])
    await flowli.create_audit_log.enqueue_many([AuditLog(entity_id="1", action="a")], meta=RequestMeta(request_id="r"))
    assert_type(flowli.use(send_email), BoundJob[SendEmail, None, str])


async def without_a_class() -> None:
    """jobs=[...]: the context is inferred, every list item checked; and a runtime without any context."""
    plain = Flowli(context=shared, jobs=[send_email, resize])
    assert_type(plain, Flowli[AppContext])
    assert await plain.use(send_email).run(SendEmail(to="z@b.c")) == "msg-4"

    class Tiny(Flowli):
        resize = resize

    assert await Tiny(context=None).resize.run("y.png") == (640, 480)


async def positive() -> None:
    flowli = App(context=shared, driver=MemoryDriver(), defaults=Defaults(max_attempts=3))
    for part in (surface, persisted, several):
        await part(flowli)
    await without_a_class()


async def contexts() -> None:
    for source in (sync_factory, async_factory, context_manager):
        app = App(context=source)
        await app.create_audit_log.run(AuditLog(entity_id="1", action="a"), meta=RequestMeta(request_id="r"))
    app = App(context=with_teardown)
    await app.create_audit_log.run(AuditLog(entity_id="1", action="a"), meta=RequestMeta(request_id="r"))
    assert events == ["setup", "teardown"]


async def friendly_errors() -> None:
    app = App(context=shared)
    try:
        await app.send_email.enqueue(SendEmail(to="x"))
    except StrategyError as exc:
        assert "without a driver" in str(exc)
    try:
        app.use(needs_db)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except DefinitionError as exc:
        assert "Known jobs:" in str(exc)
    try:
        await app.send_email.delay(SendEmail(to="x"))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    except ValidationError as exc:
        assert "call enqueue()" in str(exc)


class Wrong(Flowli[AppContext]):
    unchecked_here = needs_db  # a plain slot: found at the first typed access, below
    checked_here = Flowli[AppContext].slot(needs_db)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def negative(flowli: App) -> None:
    """Never run. Each line must be an error; an unused ignore is an error too."""
    email = SendEmail(to="x")
    # wrong input
    await flowli.send_email.enqueue(AuditLog(entity_id="1", action="a"))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await flowli.send_email.enqueue({"to": "x"})  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await flowli.send_email.enqueue()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    # option names, and the same mistakes with a delay, in bulk, in cron
    await flowli.send_email.enqueue(email, max_atempts=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await flowli.send_email.delay("1m", 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await flowli.send_email.enqueue_many([email, 1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await flowli.send_email.schedule("0 8 * * *", 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    # the context does not leak into the call
    await flowli.send_email.enqueue(email, ctx=shared)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    # a forgotten await
    flowli.send_email.enqueue(email)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    # wrong field
    SendEmail(too="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    # meta is required / not accepted / of another type
    await flowli.create_audit_log.enqueue(AuditLog(entity_id="1", action="a"))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await flowli.send_email.enqueue(email, meta=RequestMeta(request_id="r"))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def negative_results_and_contexts(flowli: App, wrong: Wrong) -> None:
    """Never run, as the one above."""
    email = SendEmail(to="x")
    # wrong result type
    n: int = await flowli.send_email.run(email)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(n)
    # no such job, no such strategy
    flowli.send_emial  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    flowli.send_email.enqeue  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    # context: on access, on use(), in jobs=[...], on construction
    wrong.unchecked_here  # type: ignore[arg-type]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    flowli.use(needs_db)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Flowli(context=shared, jobs=[send_email, needs_db])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    App(context=42)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    App()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


if __name__ == "__main__":
    asyncio.run(positive())
    asyncio.run(contexts())
    asyncio.run(friendly_errors())
    # sync call site: no event loop here
    flowli = App(context=shared, driver=MemoryDriver())
    out = flowli.send_email.sync.run(SendEmail(to="sync@b.c"))
    assert_type(out, str)
    assert out.startswith("msg-")
    print("ok", out)
