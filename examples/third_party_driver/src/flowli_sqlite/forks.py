"""What happens to open connections when the process forks. It knows the moment, and nothing of SQLite.

SQLite keeps the locks of a process in memory of its own. A child that inherits this memory believes in locks that only
its parent has: it waits for ever for a step whose end it cannot see, or writes to a log that its parent deletes. So no
connection is open while a process forks; the parent makes its own anew.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet

__all__ = ["Suspendable", "suspend_at_forks"]


class Suspendable(Protocol):
    gate: threading.Lock
    """Held by whoever uses it."""

    def suspend(self) -> None: ...


_known: WeakSet[Suspendable] = WeakSet()
_held: list[Suspendable] = []
_forking = threading.Lock()


def suspend_at_forks(connection: Suspendable) -> None:
    """Suspend it before each fork from now on, as soon as the step that it is in has ended."""
    with _forking:
        _known.add(connection)


def _before() -> None:
    _forking.acquire()
    for connection in list(_known):
        connection.gate.acquire()
        _held.append(connection)
        connection.suspend()


def _after() -> None:
    while _held:
        _held.pop().gate.release()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
