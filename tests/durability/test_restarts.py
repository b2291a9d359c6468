"""What a server keeps that is killed and started again, with and without an append-only file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from flowli.resp.durability import Durability
from tests.durability.drivers import make, need_waitaof
from tests.support.jobs import job_of
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec")
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


async def _kept(client: str, folder: Path, options: Sequence[str], durability: Durability) -> bool:
    server = ValkeyServer(folder, options=options).start()
    with ExitStack() as stack:
        stack.callback(server.stop)
        driver = make(client, server.url, durability=durability)
        await driver.open()
        await driver.enqueue([job_of("a")])
        server.kill()
        await driver.close()
        server.start()
        driver = make(client, server.url, durability=durability)
        await driver.open()
        (found,) = await driver.get_jobs(["a"])
        await driver.close()
    return found is not None


async def test_without_persistence_a_crash_of_the_server_loses_everything(client: str, tmp_path: Path) -> None:
    assert not await _kept(client, tmp_path, (), "server")


# With everysec and `server` nothing is promised: while the disk is busy with a sync, writing itself waits up to 2 s.
@pytest.mark.parametrize(("options", "durability"), [(ALWAYS, "server"), (EVERYSEC, "fsync"), (ALWAYS, "fsync")])
async def test_an_append_only_file_outlives_the_process(
    client: str, tmp_path: Path, options: Sequence[str], durability: Durability
) -> None:
    need_waitaof(durability)
    assert await _kept(client, tmp_path, options, durability)


def test_the_example_of_the_page_is_accepted() -> None:
    page = (Path(__file__).parents[2] / "docs" / "durability.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    assert str(names["driver"]) == "redis://localhost:6379/0 prefix=default"
