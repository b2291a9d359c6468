"""X16, and docs/security.md as a whole: each line names a test that is there; SECURITY.md says how to report."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LINE = re.compile(r"^\| (X\d+) \| .* \| (.*) \|$", re.MULTILINE)
_WAITING = {"X2", "X3", "X4", "X12"}
"""A dashboard, and replay: they come with their features."""
_ELSEWHERE = {"X11"}
"""TLS is tested where the transports are."""


def test_every_line_that_applies_has_a_test_that_is_there() -> None:
    lines = dict(_LINE.findall((_ROOT / "docs" / "security.md").read_text(encoding="utf-8")))
    assert set(lines) >= {f"X{number}" for number in range(1, 17)} - _WAITING - _ELSEWHERE
    for line, cell in lines.items():
        paths = re.findall(r"`(tests/[^`]+)`", cell)
        assert paths and all((_ROOT / path).is_file() for path in paths), line


def test_a_vulnerability_can_be_reported_in_private() -> None:
    text = (_ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for word in ("## Supported versions", "## Report a vulnerability", "privately", "seven days", "advisory"):
        assert word in text, word
