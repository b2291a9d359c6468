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
began = time.process_time()
import pydantic
pydantic.TypeAdapter(int)
started = time.process_time()
import flowli
print(started - began, time.process_time() - started)
"""
_OWN_S, _PYDANTIC_S = 0.120, 0.160
"""What flowli may cost, and what pydantic costs on the machine on which that was decided. A busy machine is slower for
both."""


def test_importing_flowli_loads_no_client_no_driver_no_framework() -> None:
    loaded = set(json.loads(run(sys.executable, "-c", _LOADED).stdout))
    assert "flowli" in loaded
    assert loaded & (_OPTIONAL | _OURS) == set()


@pytest.mark.slow
def test_importing_flowli_costs_little_beyond_pydantic() -> None:
    """Processor time, and the best of seven runs; on a machine that is slower for pydantic too, in proportion."""
    runs = [tuple(map(float, run(sys.executable, "-c", _COST).stdout.split())) for _ in range(7)]
    pydantic, own = (min(costs) for costs in zip(*runs, strict=True))
    assert own < _OWN_S * max(1.0, pydantic / _PYDANTIC_S)
