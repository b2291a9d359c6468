"""Listings and counts over the partitions of a namespace; it knows no script and no id.

A listing goes through the partitions one after the other: the order of the store holds inside each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowli.driver import Millis, Overview, QueueView, Slice, State, StoredJob
from flowli.driver.examination import Examination
from flowli.resp import examining, reading
from flowli.resp.cursors import check_limit
from flowli.resp.namespace import Namespace
from flowli.resp.partitions import Partitions, together

__all__ = ["examine", "list_jobs", "overview"]

_COUNTED = frozenset({"findings", "ghosts", "records", "schedules", "unique_keys", "limits_in_use"})
_CURSOR = re.compile(r"([0-9]{1,3})\.(.*)", re.DOTALL)


async def list_jobs(
    parts: Partitions, state: State, *, queue: str | None, limit: int, cursor: str | None, now: Millis | None
) -> Slice[StoredJob]:
    """Driver.list_jobs. With partitions a cursor says in front in which of them it is."""
    check_limit(limit)
    await parts.look_if_old()
    number, within = _place(cursor, len(parts.all))
    items: list[StoredJob] = []
    for space in parts.all[number:]:
        if len(items) == limit:
            return Slice(items, f"{space.keys.number}.")
        page = await reading.list_jobs(
            space, state, queue=queue, limit=limit - len(items), cursor=within or None, now=now
        )
        items += page.items
        if page.cursor is not None:
            number = space.keys.number
            return Slice(items, f"{number}.{page.cursor}" if number else page.cursor)
        within = ""
    return Slice(items, None)


def _place(cursor: str | None, partitions: int) -> tuple[int, str]:
    """The partition in which a cursor is, and the cursor there. At home it is as it always was."""
    found = _CURSOR.fullmatch(cursor) if cursor else None
    if found is None:
        return 0, cursor or ""
    if int(found[1]) >= partitions:
        message = "The cursor is not one that this listing gave out."
        raise ValueError(message)
    return int(found[1]), found[2]


async def overview(parts: Partitions, queues: Sequence[str] | None, *, now: Millis | None) -> Overview:
    """Driver.overview: sums over the partitions; schedules and runners are at home."""
    await parts.look_if_old()
    if parts.is_one:
        return await reading.overview(parts.home, queues, now=now)
    names = list(dict.fromkeys(await parts.home.learn() if queues is None else queues))

    async def count(space: Namespace) -> Overview:
        return await reading.overview(space, names, now=now)

    home, *others = await together([count(space) for space in (parts.all if names else [parts.home])])
    views = {name: _sum([home.queues[name], *(other.queues[name] for other in others)]) for name in names}
    return Overview(queues=views, schedules=home.schedules, runners=home.runners, now=home.now)


def _sum(views: Sequence[QueueView]) -> QueueView:
    oldest = [view.oldest_ready for view in views if view.oldest_ready is not None]
    return QueueView(
        scheduled=sum(view.scheduled for view in views),
        queued=sum(view.queued for view in views),
        active=sum(view.active for view in views),
        completed=sum(view.completed for view in views),
        failed=sum(view.failed for view in views),
        cancelled=sum(view.cancelled for view in views),
        oldest_ready=min(oldest, default=None),
    )


async def examine(parts: Partitions, where: str, *, allow_eviction: bool, now: Millis | None) -> Examination:
    """Driver.examine: the server once, and one partition after the other. What was counted is summed up."""
    home = await examining.examine(parts.home, where, allow_eviction=allow_eviction, now=now)
    findings, facts = dict.fromkeys(home.findings), dict(home.facts)
    for space in parts.all[1:]:
        found = await examining.examine(space, where, allow_eviction=allow_eviction, now=now)
        findings |= dict.fromkeys(found.findings)
        for name in _COUNTED & found.facts.keys():
            facts[name] = int(facts.get(name) or 0) + int(found.facts[name] or 0)
    return Examination(findings=list(findings), facts=facts)
