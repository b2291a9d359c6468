"""The thread that hands out replies: GLIDE has one pipe for a process, read by the first loop that made a client.

If that loop is an application's, then a handler that blocks it withholds the replies of every other loop, the one that
renews leases among them, and once it has ended they come no more (valkey-glide #7122). So the first client of the
process is made here, by a loop that is never blocked and never ends. It connects to nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading

from glide import GlideClient, GlideClientConfiguration, NodeAddress

__all__ = ["deliver_in_a_thread"]


class _Delivery:
    """At most one thread for each process: a fork has none, and starts its own."""

    def __init__(self) -> None:
        self._pid = 0
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._pid = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            ready = threading.Event()
            threading.Thread(target=self._run, args=(ready,), name="flowli glide replies", daemon=True).start()
            ready.wait()
            self._pid = os.getpid()

    @staticmethod
    def _run(ready: threading.Event) -> None:
        asyncio.run(_read_for_ever(ready))


async def _read_for_ever(ready: threading.Event) -> None:
    try:
        config = GlideClientConfiguration([NodeAddress()], lazy_connect=True, client_name="flowli-replies")
        client = await GlideClient.create(config)
    finally:
        ready.set()
    await asyncio.get_running_loop().create_future()
    await client.close()


_DELIVERY = _Delivery()


def deliver_in_a_thread() -> None:
    """Have replies handed out by a thread of ours; too late for a process that had a client before the first call."""
    _DELIVERY.start()
