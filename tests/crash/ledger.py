"""What a life intended and what it was told, in a file that outlives it. It refuses to judge."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

__all__ = ["Ledger"]


class Ledger:
    """Lines of a letter and an id; each is one short append."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def _write(self, letter: str, id: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{letter} {id}\n")

    def _count(self, letter: str) -> Counter[str]:
        lines = (line.split() for line in self.path.read_text(encoding="utf-8").splitlines())
        return Counter(id for kind, id in lines if kind == letter)

    def intends(self, *ids: str) -> None:
        """These jobs are about to be enqueued."""
        for id in ids:
            self._write("I", id)

    def stored(self, *ids: str) -> None:
        """Their enqueue was acknowledged."""
        for id in ids:
            self._write("A", id)

    def starts(self, id: str) -> None:
        """A handler would start now."""
        self._write("S", id)

    def ends(self, id: str) -> None:
        """A terminal settlement, or a cancellation, is about to be sent."""
        self._write("Q", id)

    def ended(self, id: str) -> None:
        """It was acknowledged: this is how the job ended."""
        self._write("T", id)

    @property
    def acknowledged(self) -> Counter[str]:
        return self._count("A")

    @property
    def started(self) -> Counter[str]:
        return self._count("S")

    @property
    def about_to_end(self) -> Counter[str]:
        return self._count("Q")

    @property
    def over(self) -> Counter[str]:
        return self._count("T")
