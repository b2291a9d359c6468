"""Several processes that do the same, for more than one core: a parent starts them, replaces one that dies, ends all.

It knows processes, signals and statuses. It refuses to know what they do: each is a command of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence

from flowli.journal import logger

__all__ = ["ABANDONED", "UNREACHABLE", "USAGE", "Processes", "end_with_parent", "own_number"]

USAGE = 2
"""The exit status of a runner that was called wrongly."""
UNREACHABLE = 3
"""Of one that did not reach the store."""
ABANDONED = 4
"""Of one that had to leave a handler behind."""

_NUMBER = "FLOWLI_PROCESS"
"""The environment variable that says to a process which of its siblings it is, from 1."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STEADY_S = 60.0
"""A process that lived for so long is replaced at once, whatever its predecessors did."""

_LAST_S = 5.0
"""What a process may need beyond the grace before it is killed: two seconds are its own, the rest is the machine's."""


class Processes:
    """``count`` processes of one command, each in a process group of its own: a Ctrl-C reaches it once, from here."""

    def __init__(self, command: Sequence[str], count: int, grace_s: float) -> None:
        self._command = tuple(command)
        self._count = count
        self._grace_s = grace_s
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        """Keep them alive until SIGTERM or SIGINT, pass every signal on, and wait for all; the exit status.

        0 also when jobs were released, ABANDONED if one process had to leave a handler behind or to be killed. The
        status of a process that could not even begin (USAGE, UNREACHABLE at its first start) ends all.
        """
        loop = asyncio.get_running_loop()
        for asked in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(asked, self._stop)
        keepers = [asyncio.create_task(self._keep(number)) for number in range(1, self._count + 1)]
        await self._stopping.wait()
        _, late = await asyncio.wait(keepers, timeout=self._grace_s + _LAST_S)
        if late:
            for number, child in self._children.items():
                logger.error("runner process %d (pid %d) does not end; it is killed", number, child.pid)
                child.kill()
            await asyncio.wait(late)
            self._status = ABANDONED
        logger.info("all %d runner processes have ended", self._count)
        return self._status

    def _stop(self) -> None:
        logger.info(
            "%s %d runner processes", "hurrying" if self._stopping.is_set() else "stopping", len(self._children)
        )
        self._stopping.set()
        for child in self._children.values():
            child.send_signal(signal.SIGTERM)

    async def _keep(self, number: int) -> None:
        """One of them, and its successors."""
        deaths = 0
        while not self._stopping.is_set():
            began_at = time.monotonic()
            status = await self._live(number)
            if self._stopping.is_set():  # one that was asked before it could listen had taken nothing
                self._status = self._status or (0 if status == -signal.SIGTERM else abs(status))
                return
            if status in (USAGE, UNREACHABLE) and deaths == 0:  # it has said why
                self._status = status
                self._stop()
                return
            deaths = 1 if time.monotonic() - began_at > _STEADY_S else deaths + 1
            pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(deaths - 1, 16))
            logger.warning("runner process %d %s; another one starts in %.1fs", number, _describe(status), pause)
            await self._pause(pause)

    async def _live(self, number: int) -> int:
        """Start one and wait for its end. Its input is a pipe that ends with this process, however that ends."""
        child = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, _NUMBER: str(number)},
            process_group=0,
        )
        self._children[number] = child
        logger.info("runner process %d is pid %d", number, child.pid)
        if self._stopping.is_set():
            child.send_signal(signal.SIGTERM)
        try:
            return await child.wait()
        finally:
            del self._children[number]

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


def _describe(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def own_number() -> int | None:
    """Which of its siblings this process is; None for one that was not started here. Asked once: what this process
    starts is not one of them."""
    number = os.environ.pop(_NUMBER, None)
    return None if number is None else int(number)


def end_with_parent() -> None:
    """In a process that was started here: stop as if asked when the parent is gone, with which its input ends."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        logging.getLogger("flowli.runner").warning("the parent process is gone; this one stops")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="flowli-parent", daemon=True).start()
