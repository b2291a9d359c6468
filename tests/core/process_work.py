"""Jobs that are called in processes of their own; what a module has to have to be imported there."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pydantic import BaseModel

from flowli import Cancel, Retry, Snooze, current_attempt, job

__all__ = ["Sum", "add", "ask", "dawdle", "die", "raise_odd", "report", "who"]


class Sum(BaseModel):
    left: int
    right: int


class Odd(Exception):
    """Cannot be made from its own arguments."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


@job(executor="process")
def add(numbers: Sum) -> int:
    return numbers.left + numbers.right


@job(executor="process")
def who() -> int:
    return os.getpid()


@job(executor="process", max_attempts=2)
def ask(what: str, *, meta: str | None = None) -> str:
    match what:
        case "retry":
            raise Retry("busy", after="1s")
        case "snooze":
            raise Snooze("5m", "not yet")
        case "cancel":
            raise Cancel("no more")
        case "fail":
            raise LookupError("nothing here")
        case "runtime":
            return str(current_attempt().flowli.jobs)
        case _:
            attempt = current_attempt()
            return f"{what} {meta} {attempt.name} {attempt.number} {attempt.token is not None}"


@job(executor="process")
def raise_odd() -> None:
    raise Odd("this", "that")


@job(executor="process")
def die() -> None:
    os._exit(7)


@job(executor="process")
def dawdle(path: str) -> str:
    Path(path).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(600)
    return "too late"


@job(executor="process")
def report(path: str) -> str:
    current_attempt().progress(0.5, "half")
    while not Path(path).exists():
        time.sleep(0.01)
    return "done"
