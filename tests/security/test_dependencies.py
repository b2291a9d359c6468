"""X13: few dependencies, each bounded below and above, with licences that a user of an MIT package can live with."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_OURS = re.compile(r"flowli[-_]")
_PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|ISC|MPL)\b|Apache-2", re.IGNORECASE)
_UNBOUNDED = {"tzdata", "uvloop"}
"""Data that has to be the newest; and what is used where it happens to be installed."""


def _projects() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in [_ROOT / "pyproject.toml", *sorted(_ROOT.glob("*/pyproject.toml"))]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        found[path.parent.name] = project
    return found


def _requirements() -> list[tuple[str, str]]:
    """(distribution, requirement) of everything that a user installs, extras included, but our own."""
    found: list[tuple[str, str]] = []
    for name, project in _projects().items():
        listed: list[str] = list(project.get("dependencies", []))
        extras: dict[str, list[str]] = project.get("optional-dependencies", {})
        for extra in extras.values():
            listed += extra
        found += [(name, one) for one in listed if not _OURS.match(one) and _name(one) not in _UNBOUNDED]
    return found


def _name(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


@pytest.mark.parametrize(("of", "requirement"), _requirements())
def test_a_dependency_is_bounded_on_both_sides(of: str, requirement: str) -> None:
    specifier = requirement.partition(";")[0]
    assert ">=" in specifier and "<" in specifier.replace("<=", "<"), f"{of}: {requirement}"


def test_core_needs_little() -> None:
    assert {_name(one) for one in _dependencies("flowli_core")} == {
        "pydantic",
        "croniter",
        "typing-extensions",
        "tzdata",
    }


def _dependencies(name: str) -> list[str]:
    return list(_projects()[name]["dependencies"])


@pytest.mark.parametrize("name", sorted({_name(requirement) for _, requirement in _requirements()}))
def test_a_dependency_has_a_permissive_licence(name: str) -> None:
    metadata: Any = distribution(name).metadata
    said: list[str] = [metadata.get("License-Expression") or "", (metadata.get("License") or "")[:200]]
    classifiers: list[str] = metadata.get_all("Classifier") or []
    said += [one for one in classifiers if one.startswith("License")]
    assert _PERMISSIVE.search(" ".join(said)), said
