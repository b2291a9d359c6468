"""The programs that fix the public surface run, each in a process of its own. Their types are checked by the gate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent.parent / "typing"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "output"),
    [
        ("quickstart", "hello Sam\nhello Sam\n"),
        ("contract", "ok msg-5\n"),
        ("edge_cases", "ok Clash.use shadows Flowli.use; pick another attribute name.\n"),
    ],
)
def test_a_program_of_the_contract_runs_and_says_what_it_should(program: str, output: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAMS / f"{program}.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")
