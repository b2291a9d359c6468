"""Handlers that log."""

from __future__ import annotations

import logging

from flowli import Flowli, job


@job
async def plain(word: str) -> None:
    logging.getLogger("shop").info("plain")


@job
def threaded(word: str) -> None:
    logging.getLogger("shop").info("threaded")


class Logged(Flowli):
    plain = plain
    threaded = threaded
