"""A clock of one's own for one process, by libfaketime: it can be set forward and back while the process runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

__all__ = ["ShiftedClock"]

_LIBRARIES = "/usr/lib"
_PATTERNS = ("*/faketime/libfaketime.so.1", "faketime/libfaketime.so.1")


def _library() -> Path:
    found = [path for pattern in _PATTERNS for path in sorted(Path(_LIBRARIES).glob(pattern))]
    if found:
        return found[0]
    pytest.skip("no libfaketime: install Debian's package of that name")


class ShiftedClock:
    """The wall clock of a process that is started with `environment`. Its monotonic clock is left alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._ahead_s = 0.0
        self._library = _library()
        self.set(0.0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    @property
    def ahead_s(self) -> float:
        """Of this machine's clock."""
        return self._ahead_s

    def set(self, ahead_s: float) -> None:
        """So many seconds before this machine's clock, or behind it, from now on."""
        self._ahead_s = ahead_s
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_s:+.3f}\n", encoding="ascii")
        fresh.replace(self._file)
