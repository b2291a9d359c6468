from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.checkout import VERSION, run

pytestmark = pytest.mark.slow

_QUICK_START = """
import asyncio

from flowli import Flowli, Runner, job
from flowli_memory import MemoryDriver


@job
async def greet(name: str) -> str:
    return f"hello {name}"


class App(Flowli):
    greet = greet


async def main() -> None:
    async with App(context=None, driver=MemoryDriver()) as flowli:
        print(await flowli.greet.run("Sam"))
        handle = await flowli.greet.enqueue("Ada")
        await Runner(flowli).run_once()
        print(await handle.result())


asyncio.run(main())
"""


def test_the_quick_start_runs_in_an_empty_environment(clean_python: Path, tmp_path: Path) -> None:
    script = tmp_path / "quickstart.py"
    script.write_text(_QUICK_START, encoding="utf-8")
    assert run(clean_python, script, cwd=tmp_path).stdout.splitlines() == ["hello Sam", "hello Ada"]


def test_the_redis_extra_installs_its_driver(clean_python: Path, tmp_path: Path) -> None:
    said = run(clean_python, "-c", "from flowli_redis import RedisDriver; print(RedisDriver.__name__)", cwd=tmp_path)
    assert said.stdout == "RedisDriver\n"


def test_all_names_that_can_be_imported_are_those_of_the_wheels(clean_python: Path, tmp_path: Path) -> None:
    script = "from importlib.metadata import version; print(version('flowli'), version('flowli-core'))"
    assert run(clean_python, "-c", script, cwd=tmp_path).stdout.split() == [VERSION, VERSION]


@pytest.mark.parametrize("command", [("python", "-m", "flowli"), ("flowli",)], ids=["module", "script"])
def test_without_its_extra_the_command_says_what_to_install(
    command: tuple[str, ...], clean_python: Path, tmp_path: Path
) -> None:
    program = clean_python.with_name(command[0] + clean_python.suffix)
    said = run(program, *command[1:], cwd=tmp_path, code=2)
    assert 'pip install "flowli[cli]"' in said.stderr
    assert "Traceback" not in said.stderr
