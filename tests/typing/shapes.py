"""The eight shapes of a handler, and what each allows at the call. Checked, never run."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from flowli import Flowli, Job, job


class M(BaseModel):
    a: int


class C: ...


@job
async def bare() -> int:
    return 1


@job
async def meta_only(*, meta: M) -> int:
    return 1


@job
async def ctx_only(*, ctx: C) -> int:
    return 1


@job
async def ctx_meta(*, ctx: C, meta: M) -> int:
    return 1


@job
async def input_only(input: str) -> int:
    return 1


@job
async def input_meta(input: str, *, meta: M | None = None) -> int:
    return 1


@job
async def input_ctx(input: str, *, ctx: C) -> int:
    return 1


@job
def everything(input: str, *, ctx: C, meta: M) -> int:
    return 1


class A(Flowli[C]):
    bare = bare
    meta_only = meta_only
    ctx_only = ctx_only
    ctx_meta = ctx_meta
    input_only = input_only
    input_meta = input_meta
    input_ctx = input_ctx
    everything = everything


assert_type(meta_only, Job[object, None, M, int])
assert_type(ctx_meta, Job[C, None, M, int])
assert_type(input_meta, Job[object, str, M | None, int])
assert_type(everything, Job[C, str, M, int])


async def calls(a: A) -> None:
    await a.bare.enqueue(priority=3)
    await a.meta_only.enqueue(meta=M(a=1), max_attempts=2)
    await a.ctx_only.delay("1h")
    await a.ctx_meta.schedule("@daily", meta=M(a=1), key="k")
    await a.input_only.enqueue("x", queue="slow")
    await a.input_meta.enqueue("x")
    await a.input_meta.enqueue("x", meta=M(a=1))
    await a.input_ctx.run("x")
    await a.everything.enqueue_many(["x", "y"], meta=M(a=1))


async def mistakes(a: A) -> None:
    await a.meta_only.enqueue()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await a.bare.enqueue(meta=M(a=1))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await a.everything.run("x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await a.bare.enqueue(prio=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
