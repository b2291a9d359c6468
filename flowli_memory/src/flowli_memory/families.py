"""Knows which jobs wait for which, and whose records are kept for others. Refuses to know records and shelves."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Families"]


class Families:
    """Parents and children by id, from the instant a child is stored until it is terminal."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, ...]] = {}
        self._children: dict[str, list[str]] = {}
        self._open: dict[str, int] = {}
        """Of a child that waits: how many of its parents are still to end."""
        self._expiries: dict[str, int] = {}
        """When a terminal parent would have gone, were it not kept for its children."""

    def found(self, child: str, parents: Sequence[str], still_open: int) -> None:
        """A child was stored; ``parents`` are those that have a record."""
        self._parents[child] = tuple(parents)
        for parent in parents:
            self._children.setdefault(parent, []).append(child)
        if still_open:
            self._open[child] = still_open

    def parents_of(self, child: str) -> Sequence[str]:
        """Those that had a record when it was stored."""
        return self._parents.get(child, ())

    def is_needed(self, id: str) -> bool:
        """Whether a child waits for this job, or has yet to read its record."""
        return id in self._children

    def pin(self, id: str, expiry: int) -> bool:
        """Whether a job that is terminal has to be kept for its children; then its expiry is remembered."""
        if id not in self._children:
            return False
        self._expiries[id] = expiry
        return True

    def ended(self, parent: str) -> list[str]:
        """The children for which this was the last of their parents to end."""
        ready: list[str] = []
        for child in self._children.get(parent, ()):
            left = self._open.get(child, 0) - 1
            if left == 0:
                ready.append(child)
            if left <= 0:
                self._open.pop(child, None)
            else:
                self._open[child] = left
        return ready

    def release(self, child: str) -> list[tuple[str, int]]:
        """The child is terminal: the terminal parents that nobody needs any more, and their expiries."""
        self._open.pop(child, None)
        free: list[tuple[str, int]] = []
        for parent in self._parents.pop(child, ()):
            children = self._children[parent]
            children.remove(child)
            if not children:
                del self._children[parent]
                if parent in self._expiries:
                    free.append((parent, self._expiries.pop(parent)))
        return free
