"""The environment of each contestant: ours, or one of its own with the versions that ``benchmarks/peers`` pins.

It knows uv and npm; it refuses to know what is measured. An environment is made once and kept until its list changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from sysconfig import get_path

from benchmarks.contestants import Contestant, Kind

__all__ = ["ROOT", "NotInstalledError", "bin_of", "prepare", "versions_of"]

ROOT = Path(__file__).resolve().parent.parent
_LISTS = ROOT / "benchmarks" / "peers"
_MADE = ROOT / ".nox" / "peers"
_PATIENCE = 600.0
"""Seconds for one step of making an environment."""


class NotInstalledError(Exception):
    """A contestant whose environment could not be made; the report says so."""


def bin_of(contestant: Contestant) -> Path:
    """The folder of its programs; for Node the folder that holds ``node_modules``."""
    if contestant.peer is None:
        return Path(sys.executable).parent
    folder = _MADE / contestant.peer
    return folder if contestant.kind is Kind.NODE else folder / "bin"


def prepare(contestant: Contestant) -> None:
    """Make its environment, unless it is there and its list has not changed since. Raises NotInstalledError."""
    if contestant.peer is None:
        _compile_own()
        return
    folder = _MADE / contestant.peer
    wanted = _list_of(contestant).read_text(encoding="utf-8")
    mark = folder / "made-from"
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in _commands(contestant, folder):
        _run(command, folder)
    mark.write_text(wanted, encoding="utf-8")


def versions_of(contestant: Contestant) -> dict[str, str]:
    """Of the distributions that it names."""
    if contestant.peer is None:
        return {name: version(name) for name in contestant.versions}
    if contestant.kind is Kind.NODE:
        said = _run(["node", "--version"], ROOT).strip()
        return {"node": said, **_pinned(_list_of(contestant).read_text(encoding="utf-8"), contestant.versions, ": ")}
    return _pinned(_list_of(contestant).read_text(encoding="utf-8"), contestant.versions, "==")


def _pinned(text: str, names: tuple[str, ...], sign: str) -> dict[str, str]:
    pairs = (line.strip(' ,"').replace('"', "").partition(sign) for line in text.splitlines())
    return {name: pinned.split(" ")[0] for name, _, pinned in pairs if name in names}


def _list_of(contestant: Contestant) -> Path:
    return _LISTS / (f"{contestant.peer}.json" if contestant.kind is Kind.NODE else f"{contestant.peer}.txt")


def _commands(contestant: Contestant, folder: Path) -> list[list[str]]:
    if contestant.kind is Kind.NODE:
        shutil.copy(_list_of(contestant), folder / "package.json")
        return [["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]]
    uv = [sys.executable, "-m", "uv"]
    python = f"{folder}/bin/python"
    return [
        [*uv, "venv", "-q", "--allow-existing", "--python", sys.executable, str(folder)],
        [*uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, "-r", str(_list_of(contestant))],
    ]


@cache
def _compile_own() -> None:
    """Byte code of our own environment and sources, so that no start is slower for being the first."""
    sources = [str(path) for path in (*ROOT.glob("flowli_*/src"), ROOT / "benchmarks")]
    _run([sys.executable, "-m", "compileall", "-q", "-j", "0", get_path("purelib"), *sources], ROOT)


def _run(command: list[str], folder: Path) -> str:
    try:
        plain = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        done = subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise NotInstalledError(f"{' '.join(command[:4])} hangs") from None
    except FileNotFoundError:
        raise NotInstalledError(f"there is no {command[0]} on PATH") from None
    if done.returncode:
        raise NotInstalledError(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-300:]}")
    return done.stdout
