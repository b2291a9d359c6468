from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.checkout import run

_OPTIONAL = {"fakeredis", "glide", "pytest", "redis", "rich", "starlette", "typer", "valkey"}
_OURS = {"flowli_conformance", "flowli_glide", "flowli_memory", "flowli_redis"}
_LOADED = "import json, sys; import flowli; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
_COST = """
import time
began = time.process_time()
import pydantic
pydantic.TypeAdapter(int)
started = time.process_time()
import flowli
print(started - began, time.process_time() - started)
"""
_OWN_SHARE = 1.3
"""Of what pydantic costs. Measured 0.87."""


def test_importing_flowli_loads_no_client_no_driver_no_framework() -> None:
    loaded = set(json.loads(run(sys.executable, "-c", _LOADED).stdout))
    assert "flowli" in loaded
    assert loaded & (_OPTIONAL | _OURS) == set()


@pytest.mark.slow
def test_importing_flowli_costs_little_beyond_pydantic(tmp_path: Path) -> None:
    """Processor time, the best of seven runs, with bytecode as an installer writes it: compiling is not importing."""
    warm = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    warm["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    command = [sys.executable, "-c", _COST]
    runs: list[tuple[float, ...]] = []
    for _ in range(8):
        said = subprocess.run(command, env=warm, capture_output=True, text=True, check=True).stdout
        runs.append(tuple(map(float, said.split())))
    pydantic, own = (min(costs) for costs in zip(*runs[1:], strict=True))
    assert own < _OWN_SHARE * pydantic
