"""The jobs of the simulation: what each attempt does is written in the input, so that a seed decides it.

They know every way in which a handler can end. They refuse to block a thread: there is no time that would pass.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowli import Backoff, Cancel, Defaults, Flowli, Job, Retry, current_attempt, job
from flowli.driver import Driver
from tests.faults.simulation.history import End, History, Run

__all__ = ["DEFAULTS", "Desk", "Plan", "draw", "runtime"]

DEFAULTS = Defaults(max_attempts=3, backoff=Backoff(delay="100ms", max_delay="1s"), max_deliveries=4)
_TIMEOUT_S = 0.8
_ACTS = {
    "return": 8,
    "raise": 4,
    "retry": 2,
    "give up": 1,
    "deaf": 1,
    "on cancel raise": 1,
    "on cancel return": 1,
    "linger": 1,
    "exit": 1,
    "cancel": 1,
}
"""What an attempt may do, and how often it does."""


@dataclass
class Desk:
    """What the handlers of one process are given."""

    process: str
    history: History
    is_over: Callable[[], bool]


@dataclass
class Plan:
    """What each attempt does, and after how many seconds. Attempts beyond the last do as the last."""

    acts: list[str]
    spans: list[float]


def draw(dice: random.Random) -> Plan:
    """A plan of one to three attempts."""
    number = dice.randint(1, 3)
    spans = [0.0 if dice.random() < 0.3 else round(2.5 * dice.random() ** 2, 3) for _ in range(number)]
    return Plan(dice.choices(list(_ACTS), list(_ACTS.values()), k=number), spans)


async def _follow(plan: Plan, desk: Desk, timeout: float | None = None) -> int:
    """One attempt, written down as it goes."""
    attempt, time = current_attempt(), asyncio.get_running_loop().time
    at = min(attempt.number, len(plan.acts)) - 1
    act = plan.acts[at]
    run = Run(str(attempt.job_id), int(attempt.token or 0), attempt.number, desk.process, time(), timeout)
    run.is_deaf = act in ("deaf", "linger")
    desk.history.runs.append(run)
    desk.history.note(f"{desk.process}: {run.id}/{run.token % 100_000} attempt {run.number}: {act} {plan.spans[at]:g}s")
    try:
        await _do(act, plan.spans[at], run, desk)
    except Cancel:
        run.end = End.GAVE_UP
        raise
    except asyncio.CancelledError:
        run.end = End.RAISED if run.cancelled_at is None else End.LEFT
        raise
    except BaseException:
        run.end = End.RAISED
        raise
    else:
        run.end = End.RETURNED
    finally:
        run.ended = time()
        desk.history.note(f"{desk.process}: {run.id}/{run.token % 100_000} {run.end}")
    return run.number


async def _do(act: str, span: float, run: Run, desk: Desk) -> None:
    try:
        await asyncio.sleep(span)
    except asyncio.CancelledError:
        run.cancelled_at = asyncio.get_running_loop().time()
        await _hear(act, span, desk)
    match act:
        case "raise":
            raise LookupError("as planned")
        case "retry":
            raise Retry("as planned", after=f"{int(span * 500)}ms")
        case "give up":
            raise Cancel("as planned")
        case "exit":
            raise SystemExit(3)
        case "cancel":
            raise asyncio.CancelledError("its own, as a library may raise it")
        case _:
            return


async def _hear(act: str, span: float, desk: Desk) -> None:
    """What a handler does when it is cancelled; most leave."""
    match act:
        case "on cancel raise":
            raise ValueError("cleaning up failed")
        case "on cancel return":
            return
        case "linger":
            await asyncio.sleep(span / 4)
            raise asyncio.CancelledError
        case "deaf":
            end = asyncio.get_running_loop().time() + 2 * span
            while asyncio.get_running_loop().time() < end and not desk.is_over():
                try:
                    await asyncio.sleep(0.1)
                except asyncio.CancelledError:
                    continue
        case _:
            raise asyncio.CancelledError


@job
async def plain(plan: Plan, *, ctx: Desk) -> int:
    return await _follow(plan, ctx)


@job(timeout=f"{int(_TIMEOUT_S * 1000)}ms")
async def timed(plan: Plan, *, ctx: Desk) -> int:
    return await _follow(plan, ctx, _TIMEOUT_S)


@job(queue="mail", priority=7, max_attempts=1)
async def once(plan: Plan, *, ctx: Desk) -> int:
    return await _follow(plan, ctx)


@job(result_ttl="0s", max_deliveries=2)
async def traceless(plan: Plan, *, ctx: Desk) -> int:
    return await _follow(plan, ctx)


@job
async def late(plan: Plan, *, ctx: Desk) -> int:
    """Unknown to old processes."""
    return await _follow(plan, ctx)


@job
async def pulse(*, ctx: Desk) -> int:
    """What the schedule makes."""
    return await _follow(Plan(["return"], [0.05]), ctx)


OLD: tuple[Job[Desk, Plan, None, int], ...] = (plain, timed, once, traceless)


def runtime(desk: Desk, driver: Driver, *, is_old: bool = False) -> Flowli[Desk]:
    """The runtime of one process."""
    jobs: list[Job[Desk, Any, None, int]] = [*OLD, pulse] if is_old else [*OLD, late, pulse]
    return Flowli(context=desk, jobs=jobs, driver=driver, defaults=DEFAULTS)
