"""The processes of handlers that ask for one (``executor="process"``): bounded, used again and again, killed with an
attempt that is cancelled.

It knows what crosses into another process: where the handler is defined, input and meta as JSON, and the attempt
without its runtime. It refuses to carry a context. ``serve`` is what runs on the other side.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, NoReturn

from flowli.attempt import Attempt, current
from flowli.errors import FlowliError, StrategyError
from flowli.job import Job
from flowli.schema import dump_json
from flowli.threads import HandlerThreads

__all__ = ["Children", "ProcessDied", "serve"]

_SPAWN = get_context("spawn")
"""A fork of a process with threads, event loops and connections is none that can be relied on."""

_KILLED_S = 1.0


class ProcessDied(FlowliError):
    """The process of a handler ended under it: it was killed from outside, ran out of memory, or crashed."""


class _Order(NamedTuple):
    """What is to be done."""

    module: str
    name: str
    input_json: bytes
    meta_json: bytes | None
    about: tuple[str | None, str, int, int | None, datetime | None]


class _Errand:
    """One call, from its thread to its end."""

    def __init__(self, order: _Order, report: Callable[[bytes], None]) -> None:
        self.order = order
        self.report = report
        self.child: _Child | None = None
        self.is_cancelled = False


class _Child:
    """One process, and the way to it."""

    def __init__(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=serve, args=(theirs,), name="flowli-handler", daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, order: _Order, report: Callable[[bytes], None]) -> Any:
        """The handler's result, or its own exception; ProcessDied."""
        self._pipe.send(order)
        while True:
            how, value, frames = self._hear()
            if how == "returned":
                return value
            if how == "raised":
                value.__flowli_traceback__ = frames
                raise value
            report(value)

    def _hear(self) -> Any:
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join(_KILLED_S)
            raise ProcessDied(
                f"The process of the handler ended with exit code {self._process.exitcode}. Look at what the job does "
                f"to it: memory, native code, os._exit()."
            ) from None
        except Exception as exc:  # of a class that cannot be made from its own arguments
            raise RuntimeError(f"what the handler returned or raised cannot be read here: {exc}") from None

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        """End it at once; whoever asks it is told."""
        self._process.kill()


class Children:
    """The processes of one runner. ``threads`` is a pool with a thread for each, which waits for its answer."""

    def __init__(self, most: int | None = None) -> None:
        self.threads: HandlerThreads = HandlerThreads(most or os.cpu_count() or 1)
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    async def call(
        self,
        job: Job[Any, Any, Any, Any],
        input: Any,
        meta: Any,
        attempt: Attempt,
        report: Callable[[bytes], None],
        threads: Executor,
    ) -> Any:
        """Call a handler in one of them, from a thread of ``threads``. A cancellation kills its process."""
        about = (attempt.job_id, attempt.name, attempt.number, attempt.token, attempt.deadline)
        meta_json = None if job.meta_adapter is None else dump_json(job.meta_adapter, meta)
        handler: Any = job.handler
        order = _Order(handler.__module__, handler.__name__, dump_json(job.input_adapter, input), meta_json, about)
        errand = _Errand(order, report)
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, self._run, errand)
        except asyncio.CancelledError:
            with self._lock:
                errand.is_cancelled = True
                if errand.child is not None:
                    errand.child.kill()
            raise

    def _run(self, errand: _Errand) -> Any:
        child = self._take()
        with self._lock:
            errand.child = child
            self._busy.add(child)
            if errand.is_cancelled or self._is_closed:
                child.kill()
        try:
            return child.ask(errand.order, errand.report)
        finally:
            with self._lock:
                errand.child = None
                self._busy.discard(child)
                if child.is_alive and not (errand.is_cancelled or self._is_closed):
                    self._idle.append(child)
                else:
                    child.kill()

    def _take(self) -> _Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.is_alive:
                    return child
        return _Child()

    def close(self) -> None:
        """Kill them all."""
        with self._lock:
            self._is_closed = True
            for child in (*self._idle, *self._busy):
                child.kill()
            self._idle.clear()
        self.threads.shutdown(wait=False, cancel_futures=True)


# below runs in the other process


class _NoRuntime:
    """Stands for the runtime, which does not cross."""

    def __getattr__(self, name: str) -> NoReturn:
        raise StrategyError(
            f"current_attempt().flowli.{name}: a handler in a process has no runtime. Return what is to be enqueued, "
            f'or take executor="process" out.'
        )


def serve(pipe: Connection) -> None:
    """Do what is asked for until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: it is for the runner, which decides
    lock = threading.Lock()

    def tell(how: str, value: object, frames: str = "") -> None:
        with lock, suppress(BrokenPipeError):
            pipe.send((how, value, frames))

    with suppress(EOFError, KeyboardInterrupt):
        while True:
            order: _Order = pipe.recv()
            try:
                value = _call(order, lambda note: tell("report", note))
                tell("returned", value)
            except BaseException as exc:
                _tell_of(exc, tell)


def _tell_of(error: BaseException, tell: Callable[[str, object, str], None]) -> None:
    frames = "".join(traceback.format_tb(error.__traceback__))
    if isinstance(error, Exception | SystemExit):
        try:
            return tell("raised", error.with_traceback(None), frames)
        except Exception:  # it cannot be sent
            frames += f"{type(error).__qualname__}\n"
    return tell("raised", RuntimeError(f"{type(error).__qualname__}: {error}"), frames)


def _call(order: _Order, report: Callable[[bytes], None]) -> Any:
    found: Any = getattr(import_module(order.module), order.name)
    job: Any = found if hasattr(found, "input_adapter") else Job[Any, Any, Any, Any](found)
    job_id, name, number, token, deadline = order.about
    runtime: Any = _NoRuntime()
    attempt = Attempt(
        job_id=job_id, name=name, number=number, token=token, deadline=deadline, flowli=runtime, _report=report
    )
    current.set(lambda: attempt)
    args = (job.input_adapter.validator.validate_json(order.input_json),) if job.takes_input else ()
    kwargs = {}
    if job.meta_adapter is not None:
        kwargs["meta"] = job.meta_adapter.validator.validate_json(order.meta_json or b"null")
    return job.handler(*args, **kwargs)
