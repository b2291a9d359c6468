"""The tutorial, from its first line to its last, as a reader follows it: on the Valkey that `flowli dev` brings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.frameworks.serving import free_port
from tests.support.polling import eventually_sync

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

_PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
_FILES: list[tuple[str, str]] = re.findall(r'```python title="(.*?)"\n(.*?)```', _PAGE, flags=re.DOTALL)
_LOOKS = [line for block in re.findall(r"```text\n(.*?)```", _PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


def _write(folder: Path, port: int, name: str, text: str) -> None:
    (folder / name).write_text(text.replace("localhost:6379", f"localhost:{port}"), encoding="utf-8")


def _run(folder: Path, *command: str) -> list[str]:
    env = {**os.environ, "FLOWLI_APP": "shop:flowli"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _text(name: str, number: int = 0) -> str:
    return [text for found, text in _FILES if found == name][number]


def test_every_block_of_the_page_is_run() -> None:
    assert [name for name, _ in _FILES] == ["shop.py", "first.py", "shop.py", "second.py", "third.py", "test_shop.py"]
    assert len(re.findall(r"```(python|bash)", _PAGE)) == len(_FILES)


def test_the_first_program_needs_no_store(tmp_path: Path) -> None:
    for name in ("shop.py", "first.py"):
        _write(tmp_path, 1, name, _text(name))
    assert _run(tmp_path, "first.py") == [
        "order 1 is charged 19.90",
        "[('input', 'number'), ('input', 'cents')]",
    ]


@pytest.fixture(scope="module")
def dev(folder: Path, port: int) -> Iterator[None]:
    _write(folder, port, "shop.py", _text("shop.py", 1))
    log = folder / "dev.log"
    [line] = [line for line in _LOOKS if line.startswith("flowli dev")]
    command = [sys.executable, "-m", *line.split(), "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        eventually_sync(lambda: "runner started" in log.read_text(), what=f"a runner; see {log}", within=30)
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_the_programs_print_what_the_page_says(dev: None, folder: Path, port: int) -> None:
    del dev
    _write(folder, port, "second.py", _text("second.py"))
    assert _run(folder, "second.py") == ["order 1 is charged 19.90", "True", "ConnectionError 3"]
    _write(folder, port, "third.py", _text("third.py"))
    assert _run(folder, "third.py") == ["scheduled", "order 2 is charged 1.00", "3", "the shop is open"]
    for line in _LOOKS:
        if line.startswith("flowli ") and not line.startswith("flowli dev"):
            assert _run(folder, "-m", *line.split()), line


def test_the_test_of_the_page_passes(folder: Path, port: int) -> None:
    _write(folder, port, "shop.py", _text("shop.py", 1))
    _write(folder, port, "test_shop.py", _text("test_shop.py"))
    assert _run(folder, "test_shop.py") == ["passed"]
