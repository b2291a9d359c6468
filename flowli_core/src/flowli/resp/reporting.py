"""Reports of running jobs over RESP, in whichever partition each lives; it knows how one is kept, not what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowli.driver import Hold, Millis, Report
from flowli.resp.namespace import Namespace, Plain, cut, instant
from flowli.resp.partitions import Partitions
from flowli.resp.scripts import Arg, script
from flowli.resp.spreading import by_id

__all__ = ["get_reports", "report"]


async def report(parts: Partitions, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None) -> Sequence[bool]:
    """KeepsReports.report."""

    async def call(space: Namespace, some: Sequence[tuple[Hold, bytes]]) -> Sequence[bool]:
        answers: list[bool] = []
        for chunk in cut(some, lambda item: len(item[1])):
            args: list[Arg] = [instant(now), 0]
            for hold, note in chunk:
                args += (hold.id, hold.token, note)
            with space.after_writes(bool(answers)):
                reply: bytes = await space.one(script("report").call(space.keys, [], args), writes=True)
            answers += [letter == ord("K") for letter in reply]
        return answers

    return await by_id(parts, notes, lambda item: item[0].id, call, lambda kept: not kept)


async def get_reports(parts: Partitions, ids: Sequence[str]) -> Sequence[Report | None]:
    """KeepsReports.get_reports: one command for each thousand."""

    async def call(space: Namespace, some: Sequence[str]) -> Sequence[Report | None]:
        reads = [Plain(("HMGET", space.keys.fixed("prog"), *chunk)) for chunk in cut(some)]
        replies = await space.transport.run(reads, writes=False) if reads else ()
        return [_report(value) for reply in replies for value in reply]

    return await by_id(parts, ids, str, call, lambda found: found is None)


def _report(value: Any) -> Report | None:
    if value is None:
        return None
    head, _, note = value.partition(b"\n")
    token, at = head.split()
    return Report(int(token), Millis(int(at)), note)
