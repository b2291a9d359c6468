"""A life in a process of its own, killed where a hold has time stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.support.trouble import Hold

__all__ = ["live_until"]

_ROOT = Path(__file__).parents[2]


async def live_until(command: Sequence[str], hold: Hold) -> bool:
    """Live until time stands still, and be killed there. False if it came to its end."""
    process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdin=asyncio.subprocess.DEVNULL)
    try:
        while not await asyncio.to_thread(hold.happened.wait, 0.05):
            if process.returncode is not None:
                assert process.returncode == 0, "a life that is not killed ends well"
                return False
        return True
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        hold.release()
