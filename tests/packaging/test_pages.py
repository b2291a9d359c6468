"""A new user follows the page of a framework, with the built wheels and what the page says alone."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.packaging.checkout import ROOT, VERSION
from tests.support.polling import eventually_sync
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Installed = Callable[..., Path]


def _page(name: str) -> str:
    return (ROOT / "docs" / "frameworks" / f"{name}.md").read_text(encoding="utf-8")


def _python(page: str, installed: Installed) -> Path:
    """Of an environment that has what the page installs: Flowli from the wheels, all else from the index."""
    [words] = re.findall(r"`pip install (.*?)`", page)
    ours, *others = (word.strip('"') for word in words.split())
    return installed(f"{ours}=={VERSION}", *others)


def _run(command: Sequence[str | Path], folder: Path, python: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=_env(python), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def _env(python: Path) -> dict[str, str]:
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "DJANGO"))
    }
    return plain | {"PATH": f"{python.parent}{os.pathsep}{plain['PATH']}"}


@pytest.mark.parametrize("name", ["fastapi", "flask"])
def test_the_program_of_the_page_works_and_its_jobs_are_executed(
    name: str, installed: Installed, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    page = _page(name)
    python = _python(page, installed)
    [program] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "on_paper.py").write_text(program, encoding="utf-8")
    _run([python, "on_paper.py"], tmp_path, python)

    # Deployed, as the comment of its runtime says.
    [line] = [line for line in program.splitlines() if "driver=MemoryDriver()" in line]
    deployed = line.partition("#")[0].replace("MemoryDriver()", f'RedisDriver("{valkey_server.url}", prefix="{name}")')
    imported = program.replace("from flowli_memory import MemoryDriver", "from flowli_redis import RedisDriver")
    (tmp_path / "site_of_mine.py").write_text(imported.replace(line, deployed), encoding="utf-8")
    _run([python, "site_of_mine.py"], tmp_path, python)
    _run(["flowli", "runner", "site_of_mine:flowli", "--burst"], tmp_path, python)
    counts = _run(["flowli", "counts", "site_of_mine:flowli", "--json"], tmp_path, python).stdout
    assert '"completed":1' in counts and '"queued":0' in counts


def test_a_project_of_django_by_its_page(installed: Installed, valkey_server: ValkeyServer, tmp_path: Path) -> None:
    page = _page("django")
    python = _python(page, installed)
    _run(["django-admin", "startproject", "mine", "."], tmp_path, python)
    _run([python, "manage.py", "startapp", "shop"], tmp_path, python)
    for name, text in re.findall(r'```python title="(.*?)"\n(.*?)```', page, flags=re.DOTALL):
        file, said = tmp_path / name, text.replace("redis://localhost:6379/0", valkey_server.url)
        before = file.read_text(encoding="utf-8") if name == "mine/settings.py" else ""
        file.write_text(before + said, encoding="utf-8")
    _run([python, "manage.py", "makemigrations", "shop"], tmp_path, python)
    _run([python, "manage.py", "migrate"], tmp_path, python)
    _run([python, "manage.py", "check"], tmp_path, python)
    ask = (
        "from django.test import Client\n"
        "print(Client(HTTP_HOST='localhost').post('/orders', {'number': 'n-1'}).status_code)\n"
    )
    assert _run([python, "manage.py", "shell", "-c", ask], tmp_path, python).stdout.split()[-1] == "202"
    command = [str(python), "manage.py", "flowli", "runner", "--concurrency", "20"]
    see = "from shop.models import Order; print(list(Order.objects.values_list('number', 'confirmed')))"

    def confirmed() -> bool:
        return "('n-1', True)" in _run([python, "manage.py", "shell", "-c", see], tmp_path, python).stdout

    with (tmp_path / "runner.log").open("wb") as log:
        runner = subprocess.Popen(command, cwd=tmp_path, env=_env(python), stdout=log, stderr=log)
        try:
            eventually_sync(confirmed, what="the order is confirmed", within=40)
        finally:
            runner.terminate()
            runner.wait(30)
