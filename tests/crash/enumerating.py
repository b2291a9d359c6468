"""One fault at each request of a life in turn, until none is left to meet it. It refuses to know what is lived."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager

from tests.crash.killing import live_until
from tests.support.proxy import ChaosProxy
from tests.support.trouble import Fault, Hold

__all__ = ["cut_at_each", "kill_at_each"]


async def cut_at_each(proxy: ChaosProxy, cut: Callable[[int], Fault], live: Callable[[Fault], Awaitable[None]]) -> int:
    """``live`` sets the fault, lives and checks. The number of the first request that was not there."""
    number = 0
    while True:
        number += 1
        fault = cut(number)
        with _at(number, proxy):
            await live(fault)
        if not fault.happened.is_set():
            return number


async def kill_at_each(
    proxy: ChaosProxy,
    hold: Callable[[int], Hold],
    every: int,
    begin: Callable[[], tuple[Sequence[str], Callable[[], Awaitable[None]]]],
) -> int:
    """``begin`` gives the command of a life that is killed, and what heals and checks what is left of it. The number of
    the first request, of each ``every``-th, that was not there."""
    number = 1
    while True:
        (command, heal), fault = begin(), hold(number)
        proxy.set(fault)
        was_killed = await live_until(command, fault)
        with _at(number, proxy):
            await heal()
        if not was_killed:
            return number
        number += every


@contextmanager
def _at(number: int, proxy: ChaosProxy) -> Generator[None]:
    try:
        yield
    except Exception as exc:
        exc.add_note(f"at request {number}: {proxy.seen(number)}")
        raise
