"""Wheels of every distribution, and clean environments that have some of them; each is built once a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.packaging.checkout import MEMBERS, ROOT, VERSION, run

Install = Callable[..., Path]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel for each distribution of the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in (ROOT, *MEMBERS):
        _build(source, folder)
    return folder


@pytest.fixture(scope="session")
def installed(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Makes a new environment in which requirements were installed from the wheels, and nothing else; its python."""

    @cache
    def install(*requirements: str) -> Path:
        environment = tmp_path_factory.mktemp("clean") / "venv"
        uv = (sys.executable, "-m", "uv")
        run(*uv, "venv", "--quiet", "--python", sys.executable, environment)
        python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        options = ("--python", python, "--find-links", wheels, "--constraint", ROOT / "constraints.txt")
        run(*uv, "pip", "install", "--quiet", *options, *requirements, cwd=wheels)
        return python

    return install


@pytest.fixture(scope="session")
def clean_python(installed: Install) -> Path:
    """The python of an environment that has ``flowli[redis]``."""
    return installed(f"flowli[redis]=={VERSION}")


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the example of a driver by somebody else."""
    folder = tmp_path_factory.mktemp("third-party")
    _build(ROOT / "examples" / "third_party_driver", folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _build(source: Path, folder: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
