"""Each client library can be had without the other, and its driver works so: on a server, in a clean environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.checkout import VERSION, run
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_GREET = """
import asyncio
import sys
from importlib import import_module
from importlib.util import find_spec

from flowli import Flowli, Runner, job


@job
async def greet(name: str) -> str:
    return f"hello {name}"


class App(Flowli):
    greet = greet


async def main(module: str, driver: str, url: str, *absent: str) -> None:
    assert [name for name in absent if find_spec(name)] == []
    made = getattr(import_module(module), driver)(url, prefix=module)
    async with App(context=None, driver=made) as flowli:
        handle = await flowli.greet.enqueue("Ada")
        await Runner(flowli).run_until_idle()
        print(await handle.result(timeout=10))


asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("extra", "module", "driver", "absent"),
    [
        ("redis", "flowli_redis", "RedisDriver", ("glide", "glide_shared", "flowli_glide", "flowli_conformance")),
        ("glide", "flowli_glide", "GlideDriver", ("redis", "valkey", "flowli_redis", "flowli_conformance")),
    ],
)
def test_a_driver_works_where_the_other_client_library_is_not_installed(
    installed: Callable[..., Path],
    valkey_server: ValkeyServer,
    tmp_path: Path,
    extra: str,
    module: str,
    driver: str,
    absent: tuple[str, ...],
) -> None:
    (tmp_path / "greet.py").write_text(_GREET, encoding="utf-8")
    python = installed(f"flowli[{extra}]=={VERSION}")
    said = run(python, "greet.py", module, driver, valkey_server.url, *absent, cwd=tmp_path)
    assert said.stdout == "hello Ada\n"
