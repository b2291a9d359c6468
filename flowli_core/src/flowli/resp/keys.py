"""The names of the keys of one namespace; it knows their layout and no type or content."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowli.errors import DefinitionError
from flowli.resp.slots import tag_of

__all__ = ["LAYOUT", "Keys"]

LAYOUT = b"1"
"""The number of this layout, kept in ``meta``. A release that changes what a key holds changes it."""

_MOST_REMEMBERED = 1_000
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Keys:
    """Keys are ``flowli:{prefix}:`` and a name; those of a queue end with ``:`` and its name.

    The braces are a hash tag, so that a cluster keeps a partition in one slot: ``{prefix}`` for home, which is all
    there is unless the namespace is divided, ``{prefix/number.tries}`` for the others. A user of an ACL needs
    ``~flowli:{prefix}:*`` and ``&flowli:{prefix}:*``, and ``~flowli:{prefix/*`` for partitions. DefinitionError for a
    prefix of other characters.
    """

    def __init__(self, prefix: str, number: int = 0, base: int = 1) -> None:
        if not _PREFIX.fullmatch(prefix):
            message = f"The prefix {prefix!r} is not allowed: use 1 to 64 letters, digits, '_', '.' or '-'."
            raise DefinitionError(message)
        self.prefix = prefix
        self.number = number
        """Of the partition; home is 0."""
        self._root = f"flowli:{{{tag_of(prefix, number, base)}}}:"
        self._of_script: dict[tuple[str, Sequence[str]], tuple[str, ...]] = {}

    def fixed(self, name: str) -> str:
        """A key that the namespace has once. ``none`` is declared and deleted but never written."""
        return self._root + name

    def of_queue(self, name: str, queue: str) -> str:
        """A key that each queue has."""
        return f"{self._root}{name}:{queue}"

    def of_script(
        self, script: str, fixed: Sequence[str], of_queue: Sequence[str], queues: tuple[str, ...]
    ) -> tuple[str, ...]:
        """All keys of a script, those of each queue in the queues' order; remembered, as nearly every call has them."""
        found = self._of_script.get((script, queues))
        if found is None:
            named = [self.fixed(name) for name in fixed]
            named += [self.of_queue(name, queue) for queue in queues for name in of_queue]
            if len(self._of_script) >= _MOST_REMEMBERED:
                self._of_script.clear()
            found = self._of_script[script, queues] = tuple(named)
        return found

    def wake(self, queue: str) -> str:
        """Holds a token while the queue may have work for an idle runner."""
        return self.of_queue("wake", queue)

    @property
    def call(self) -> str:
        """Holds a token after the first job of a new queue, for a runner that serves whatever there is."""
        return self._root + "call"

    def sent(self, sender: str, chunk: int | str) -> str:
        """Remembers the answer to one chunk of a sender's last enqueue."""
        return f"{self._root}sent:{chunk}:{sender}"

    def channel(self, listener: str) -> str:
        """Where a listener hears of outcomes: a channel, not a key."""
        return f"{self._root}out:{listener}"
