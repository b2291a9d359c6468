"""docs/doctor.md lists every finding there is, with its severity."""

from __future__ import annotations

import re
from pathlib import Path

from flowli.resp.faults import FAULTS

_PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
_ROW = re.compile(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \| (error|warning)", re.MULTILINE)


def _listed() -> dict[str, str]:
    text = _PAGE.read_text(encoding="utf-8")
    return {code.strip("`"): severity for codes, severity in _ROW.findall(text) for code in codes.split(", ")}


def test_the_page_lists_every_fault_of_the_keys() -> None:
    listed = _listed()
    assert {code: listed.get(code) for code in FAULTS} == {code: one[0].value for code, one in FAULTS.items()}


def test_the_page_lists_every_other_code_and_no_more() -> None:
    root = Path(__file__).parents[2] / "flowli_core" / "src" / "flowli"
    sources = "".join((root / name).read_text(encoding="utf-8") for name in ("doctor.py", "resp/condition.py"))
    raised = set(re.findall(r'(?:Finding|_error|_warning|level)\("([a-z-]+)"', sources))
    assert raised
    assert set(_listed()) == raised | set(FAULTS)
