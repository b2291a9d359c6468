"""The application of the mixed-version tests, as it was and as it is: it runs under the old release and under this one.

It uses only what both releases have. Handlers write into the ledger, which is outside of the store.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from flowli import Defaults, Flowli, Job, current_attempt, job
from flowli_redis import RedisDriver
from tests.support.ledger import Ledger

__all__ = [
    "JOBS",
    "Label",
    "Picture",
    "added",
    "beats",
    "current",
    "enqueue_as_before",
    "previous",
    "resize",
    "stick",
    "unchanged",
]


class PictureBefore(BaseModel):
    """With a colour, which this release left out."""

    name: str
    colour: str = "grey"


class Picture(BaseModel):
    name: str


class LabelBefore(BaseModel):
    text: str


class Label(BaseModel):
    """Since this release a size is demanded."""

    text: str
    size: int


def _note() -> int:
    attempt = current_attempt()
    ledger = Ledger(os.environ["FLOWLI_FAULTS_LEDGER"])
    ledger.started(attempt.job_id or "-", attempt.number, attempt.token or 0)
    ledger.ended(attempt.job_id or "-", attempt.token or 0, "done")
    return os.getpid()


@job
async def unchanged(number: int) -> int:
    del number
    return _note()


@job(name="resize")
async def resize_before(picture: PictureBefore) -> int:
    del picture
    return _note()


@job(name="resize")
async def resize(picture: Picture) -> int:
    del picture
    return _note()


@job(name="stick")
async def stick_before(label: LabelBefore) -> int:
    del label
    return _note()


@job(name="stick")
async def stick(label: Label) -> int:
    del label
    return _note()


@job
async def added(number: int) -> int:
    del number
    return _note()


@job
async def beats() -> int:
    return _note()


JOBS: Sequence[Job[None, Any, None, int]] = (unchanged, resize, stick, added, beats)
_JOBS_BEFORE: Sequence[Job[None, Any, None, int]] = (unchanged, resize_before, stick_before, beats)


def _runtime(jobs: Sequence[Job[None, Any, None, int]]) -> Flowli[None]:
    driver = RedisDriver(os.environ["FLOWLI_FAULTS_STORE"], prefix=os.environ["FLOWLI_FAULTS_PREFIX"])
    return Flowli(context=None, jobs=jobs, driver=driver, defaults=Defaults(unknown_ttl="10m"))


def current() -> Flowli[None]:
    """The runner's application in this release."""
    return _runtime(JOBS)


def previous() -> Flowli[None]:
    """The runner's application in the release before."""
    return _runtime(_JOBS_BEFORE)


async def enqueue_as_before(name: str, number: int) -> list[str]:
    """What a producer of the release before enqueues of one job; the ids."""
    inputs: dict[str, list[Any]] = {
        "unchanged": list(range(number)),
        "resize": [PictureBefore(name=str(one), colour="red") for one in range(number)],
        "stick": [LabelBefore(text=str(one)) for one in range(number)],
    }
    [wanted] = [one for one in _JOBS_BEFORE if one.name == name]
    async with previous() as flowli:
        return [handle.id for handle in await flowli.use(wanted).enqueue_many(inputs[name])]


if __name__ == "__main__":
    sys.stdout.write("\n".join(asyncio.run(enqueue_as_before(sys.argv[1], int(sys.argv[2])))))
