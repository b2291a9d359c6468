"""Wheels of every distribution, and a clean environment that has them; built once a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.packaging.checkout import MEMBERS, ROOT, VERSION, run


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel for each distribution of the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in (ROOT, *MEMBERS):
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
    return folder


@pytest.fixture(scope="session")
def clean_python(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a new environment in which ``flowli[redis]`` was installed from the wheels, and nothing else."""
    environment = tmp_path_factory.mktemp("clean") / "venv"
    uv = (sys.executable, "-m", "uv")
    run(*uv, "venv", "--quiet", "--python", sys.executable, environment)
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    options = ("--python", python, "--find-links", wheels, "--constraint", ROOT / "constraints.txt")
    run(*uv, "pip", "install", "--quiet", *options, f"flowli[redis]=={VERSION}", cwd=wheels)
    return python
