"""The application that is disturbed. Every handler writes its start and its end into the ledger, and returns its token,
so that what is kept says whose outcome was accepted."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import time
from collections.abc import Generator
from contextlib import contextmanager

from flowli import Backoff, Cancel, Defaults, Flowli, current_attempt, job
from tests.faults.clients import driver_of
from tests.support.ledger import Ledger

__all__ = ["AHEAD_S", "New", "Old", "current", "environment", "previous", "runtime"]

_SOON = Backoff(delay="50ms", max_delay="200ms")
_FOR_EVER = 600


@contextmanager
def _noted() -> Generator[int]:
    """The length of a block, as a run in the ledger."""
    attempt, ledger = current_attempt(), Ledger(os.environ["FLOWLI_FAULTS_LEDGER"])
    id, token = attempt.job_id or "-", attempt.token or 0
    ledger.started(id, attempt.number, token)
    outcome = "stopped"
    try:
        yield token
        outcome = "done"
    except Exception:
        outcome = "raised"
        raise
    finally:
        ledger.ended(id, token, outcome)


def _ledger() -> Ledger:
    return Ledger(os.environ["FLOWLI_FAULTS_LEDGER"])


@job
async def quick(word: str) -> int:
    with _noted() as token:
        del word
        return token


@job(result_ttl="0s")
async def leaves_nothing(word: str) -> int:
    with _noted() as token:
        del word
        return token


@job
async def naps(seconds: float) -> int:
    with _noted() as token:
        await asyncio.sleep(seconds)
        return token


@job
async def hangs_at_first() -> int:
    """Never ends in its first attempt, at once in every other."""
    with _noted() as token:
        if current_attempt().number == 1:
            await asyncio.sleep(_FOR_EVER)
        return token


@job
async def is_deaf() -> int:
    with _noted():
        while True:
            try:
                await asyncio.sleep(_FOR_EVER)
            except asyncio.CancelledError:
                continue


@job
def sits_in_a_thread(seconds: float) -> int:
    with _noted() as token:
        time.sleep(seconds)
        return token


@job
def in_a_thread(word: str) -> int:
    with _noted() as token:
        del word
        return token


@job
async def blocks_the_loop(seconds: float) -> int:
    with _noted() as token:
        time.sleep(seconds)  # noqa: ASYNC251
        return token


@job
async def holds_the_gil(milliseconds: int) -> int:
    """As a C extension does that forgets to let go: not even the thread that renews leases can move."""
    with _noted() as token:
        if current_attempt().number == 1:
            ctypes.PyDLL(None).usleep(milliseconds * 1000)
        return token


@job(max_attempts=3, backoff=_SOON)
async def fails_twice(word: str) -> int:
    with _noted() as token:
        if current_attempt().number < 3:
            raise RuntimeError(f"not yet, {len(word)}; token {token}")
        return token


@job(max_attempts=2, backoff=_SOON)
async def fails(word: str) -> int:
    with _noted() as token:
        raise RuntimeError(f"as it always does, {len(word)}; token {token}")


@job
async def gives_up(word: str) -> int:
    with _noted():
        del word
        raise Cancel


@job
async def orders_another(word: str) -> int:
    """Enqueues a follow-up whose id follows from its own, so that a second run orders nothing new."""
    with _noted() as token:
        attempt, ledger = current_attempt(), _ledger()
        follow_up = f"{attempt.job_id}-next"
        ledger.intends(follow_up)
        await attempt.use(quick).enqueue(word, id=follow_up)
        ledger.stored(follow_up)
        return token


def _about_to_die() -> None:
    with _ledger().trouble("kill", os.getpid()):
        pass


@job(max_deliveries=3)
async def exits() -> int:
    with _noted():
        _about_to_die()
        os._exit(1)


@job(max_deliveries=3)
async def crashes_the_interpreter() -> int:
    with _noted():
        _about_to_die()
        return ctypes.string_at(0)[0]


@job(max_deliveries=3, max_attempts=1)
async def eats_all_memory() -> int:
    """Python turns most of it into MemoryError, which is a failure as any other, and the process lives."""
    with _noted():
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 31, before[1]))
        try:
            return len(bytearray(1 << 40))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


@job
async def ticks() -> int:
    with _noted() as token:
        return token


@job
async def only_in_the_new_version(word: str) -> int:
    with _noted() as token:
        del word
        return token


class Old(Flowli):
    quick = quick
    leaves_nothing = leaves_nothing
    naps = naps
    hangs_at_first = hangs_at_first
    is_deaf = is_deaf
    sits_in_a_thread = sits_in_a_thread
    in_a_thread = in_a_thread
    blocks_the_loop = blocks_the_loop
    holds_the_gil = holds_the_gil
    fails_twice = fails_twice
    fails = fails
    gives_up = gives_up
    orders_another = orders_another
    exits = exits
    crashes_the_interpreter = crashes_the_interpreter
    eats_all_memory = eats_all_memory
    ticks = ticks


class New(Old):
    only_in_the_new_version = only_in_the_new_version


AHEAD_S = "FLOWLI_FAULTS_AHEAD_S"
"""By this variable a runner's process has another wall clock."""

_WHERE = ("FLOWLI_FAULTS_CLIENT", "FLOWLI_FAULTS_STORE", "FLOWLI_FAULTS_PREFIX")


def environment(client: str, url: str, prefix: str, ledger: Ledger) -> dict[str, str]:
    """What tells a runner's process where its store and the ledger are."""
    return {**dict(zip(_WHERE, (client, url, prefix), strict=True)), "FLOWLI_FAULTS_LEDGER": str(ledger.path)}


def _shift_clock(ahead_s: float) -> None:
    """Have this process's clock go so far ahead: libfaketime, which does it for servers, breaks Python's sleep."""
    if ahead_s:
        seconds, nanoseconds = time.time, time.time_ns
        time.time = lambda: seconds() + ahead_s
        time.time_ns = lambda: nanoseconds() + int(ahead_s * 1e9)


def runtime(client: str, url: str, prefix: str) -> New:
    """The application on a store."""
    return New(context=None, driver=driver_of(client, url, prefix), defaults=_defaults())


def current() -> New:
    """The application of a runner's process."""
    _shift_clock(float(os.environ.get(AHEAD_S, "0")))
    return runtime(*(os.environ[name] for name in _WHERE))


def previous() -> Old:
    """As it was before its last job was added."""
    return Old(context=None, driver=driver_of(*(os.environ[name] for name in _WHERE)), defaults=_defaults())


def _defaults() -> Defaults:
    return Defaults(unknown_ttl="10m")
