"""F8: the server forgets every script and function, ten times a second."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Figure
from tests.faults.lab import Lab, lasts
from tests.faults.load import load
from tests.support.outside import outside

pytestmark = pytest.mark.anyio

_FLUSHES = 50
_OF_OTHERS = "#!lua name=flowli\nredis.register_function('enqueue', function() return redis.error_reply('no') end)"


@pytest.mark.quick
async def test_nobody_notices(lab: Lab, figure: Figure) -> None:
    await lab.start(2)
    async with outside(lab.server.url) as operator, load(lab, 25):
        for _ in range(_FLUSHES):
            await operator.ask("SCRIPT", "FLUSH")
            await operator.ask("FUNCTION", "FLUSH")
            await operator.ask("FUNCTION", "LOAD", "REPLACE", _OF_OTHERS)
            await lasts(0.1)
    await lab.until_over()
    runs = lab.history.runs
    assert len(runs) > _FLUSHES
    assert len({run.job for run in runs}) == len(runs)
    await lab.check()
    figure("SCRIPT FLUSH", f"ok, {_FLUSHES} times under load")
