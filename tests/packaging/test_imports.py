from __future__ import annotations

import json
import sys

import pytest

from tests.packaging.checkout import run

_OPTIONAL = {"fakeredis", "glide", "pytest", "redis", "rich", "starlette", "typer", "valkey"}
_OURS = {"flowli_conformance", "flowli_glide", "flowli_memory", "flowli_redis"}
_LOADED = "import json, sys; import flowli; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
_COST = """
import time
import pydantic
pydantic.TypeAdapter(int)
started = time.process_time()
import flowli
print(time.process_time() - started)
"""


def test_importing_flowli_loads_no_client_no_driver_no_framework() -> None:
    loaded = set(json.loads(run(sys.executable, "-c", _LOADED).stdout))
    assert "flowli" in loaded
    assert loaded & (_OPTIONAL | _OURS) == set()


@pytest.mark.slow
def test_importing_flowli_costs_little_beyond_pydantic() -> None:
    """Processor time, and the best of seven runs: what else the machine does is not counted."""
    seconds = min(float(run(sys.executable, "-c", _COST).stdout) for _ in range(7))
    assert seconds < 0.120
