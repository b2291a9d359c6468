"""A new author of a driver: an empty folder, the wheels, and the page "Write a driver"."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.checkout import ROOT, VERSION, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_PAGE = (ROOT / "docs" / "write-a-driver.md").read_text(encoding="utf-8")
_MODULE = re.findall(r"^```python\n(.*?)^```", _PAGE, re.DOTALL | re.MULTILINE)[0]
_NOTHING_YET = """
class AcmeDriver:
    def __init__(self, path):
        self.path = path
"""
_DOORS_ALONE = f"""{_NOTHING_YET}
    process_local = False
    abilities = frozenset()

    async def open(self): ...
    async def close(self): ...

    async def enqueue(self, jobs, *, turn=None, now=None):
        raise NotImplementedError
"""
_SUITE = (f"flowli-core=={VERSION}", f"flowli-conformance=={VERSION}")


def _report(python: Path, folder: Path, *, code: int = 0) -> tuple[dict[str, Any], str]:
    """What the whole suite said: of the one class, what failed; and all the lines."""
    said = run(python, "-m", "pytest", "-q", "--tb=line", "--flowli-report=report.json", cwd=folder, code=code)
    (row,) = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return row, said.stdout


@pytest.mark.parametrize("driver", [_NOTHING_YET, _DOORS_ALONE], ids=["nothing", "doors"])
def test_an_author_who_begins_is_told_what_each_test_misses(
    installed: Callable[..., Path], tmp_path: Path, driver: str
) -> None:
    (tmp_path / "acme_driver.py").write_text(driver, encoding="utf-8")
    (tmp_path / "test_acme.py").write_text(_MODULE, encoding="utf-8")
    row, said = _report(installed(*_SUITE), tmp_path, code=1)
    assert len(row["failed"]) > 600
    told = [line for line in said.splitlines() if re.search(r"^(\S+:\d+: )?(E  )?\w*Error", line)]
    assert told == [], "each failure names the verb that is missing, and none is a traceback to be read"
    assert "the driver lacks the verb enqueue: without it no job can be stored." in said


def test_a_driver_of_somebody_else_passes_the_suite_where_nothing_else_is_installed(
    installed: Callable[..., Path], third_party: Path, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "examples" / "third_party_driver" / "tests" / "test_conformance.py", tmp_path)
    row, said = _report(installed(*_SUITE, str(third_party)), tmp_path)
    assert (row["failed"], row["xfailed"]) == ([], {}), said
    undeclared = [why for why in row["skipped"].values() if "does not declare the ability" in why]
    assert len(undeclared) == len(row["skipped"]), "nothing is left out but what the driver does not offer"
    assert row["passed"] > 600
