"""Every public name of the package has a type test: `tests/typing`, which the checkers read and nobody runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flowli
import flowli.codec
import flowli.limiting
import flowli.records

_TEXT = "".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "typing").glob("*.py"))
_INNER = {"Bonding", "Of", "check_limits", "rules_of"}
"""What `flowli.limiting` hands to core alone."""
_PUBLIC = sorted({*flowli.__all__, *flowli.codec.__all__, *flowli.limiting.__all__, *flowli.records.__all__} - _INNER)


@pytest.mark.parametrize("name", _PUBLIC)
def test_a_public_name_has_a_type_test(name: str) -> None:
    assert re.search(rf"\b{name}\b", _TEXT), f"write one for {name} in tests/typing"
