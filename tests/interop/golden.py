"""A store of layout 1 as data: taken down once, put up again for every later version to read.

``python -m tests.interop.golden`` takes it down anew, which is right only while no release has written the layout.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flowli import Backoff, Flowli, Runner, job
from flowli.driver import Claim, Millis, Turn
from flowli_redis import RedisDriver
from tests.interop.work import Request
from tests.support.outside import Outside, outside
from tests.support.servers import ValkeyServer

__all__ = ["PATH", "PREFIX", "Archive", "put_up"]

PATH = Path(__file__).parent / "golden" / "layout_1.json"
PREFIX = "golden"
_DECADE = "3650d"

_READ = {"string": ("GET",), "hash": ("HGETALL",), "list": ("LRANGE", 0, -1), "zset": ("ZRANGE", 0, -1, "WITHSCORES")}
_WRITE = {"string": "SET", "hash": "HSET", "list": "RPUSH", "zset": "ZADD"}


def _parts(kind: str, reply: Any) -> list[str]:
    """What a reply holds, flat, as text in which each character is a byte."""
    if kind == "hash":  # a mapping in RESP3, and in redis-py
        pairs: dict[Any, Any] = reply
        reply = [item for pair in pairs.items() for item in pair]
    items: list[Any] = [reply] if kind == "string" else list(reply)
    if items and isinstance(items[0], tuple | list):
        items = [part for item in items for part in item]
    if kind == "zset":  # members and scores in turn; written the other way round
        items = [part for place in range(0, len(items), 2) for part in (items[place + 1], items[place])]
    texts = [item.decode("latin-1") if isinstance(item, bytes) else f"{item:.17g}" for item in items]
    return [text.replace(str(PATH.parents[3]), "/app") for text in texts]  # of tracebacks


async def _take_down(operator: Outside) -> dict[str, list[str]]:
    picture: dict[str, list[str]] = {}
    for key in sorted(await operator.keys(f"flowli:{{{PREFIX}}}:*")):
        kind: str = (await operator.ask("TYPE", key)).decode()
        verb, *rest = _READ[kind]
        picture[key] = [_WRITE[kind], *_parts(kind, await operator.ask(verb, key, *rest))]
    return picture


async def put_up(operator: Outside) -> None:
    """Write the store as it was taken down, below `PREFIX`, on a server that has nothing there."""
    picture: dict[str, list[str]] = json.loads(PATH.read_text(encoding="utf-8"))
    for key, (verb, *parts) in picture.items():
        await operator.ask(verb, key, *(part.encode("latin-1") for part in parts))


@job(result_ttl=_DECADE, failed_ttl=_DECADE)
async def weigh(number: int, *, meta: Request | None = None) -> Request:
    if number < 0:
        raise LookupError(f"no {number}")
    return Request(by=f"{meta.by if meta else 'nobody'} äß\x00", weight=number)


class Archive(Flowli):
    weigh = weigh


async def _fill(url: str) -> None:
    """A job in every state, one that failed once, one whose runner went away, and two schedules."""
    driver = RedisDriver(url, prefix=PREFIX)
    async with Archive(context=None, driver=driver) as archive:
        ada = Request(by="Ada")
        await archive.weigh.enqueue(1, meta=ada, id="completed")
        await archive.weigh.enqueue(-2, id="failed")
        await archive.weigh.enqueue(-3, meta=ada, id="retried", max_attempts=2, backoff=Backoff(delay="2s"))
        await Runner(archive).run_once()
        await (await archive.weigh.delay("1h", 4, id="cancelled", result_ttl=_DECADE)).cancel()
        await archive.weigh.enqueue(5, id="left")
        claim = Claim(runner="gone", turn=Turn("gone", 1), queues=None, limit=1, lease_for=Millis(1))
        assert [lease.id for lease in (await driver.exchange([], claim)).leases] == ["left"]
        await archive.weigh.delay(_DECADE, 6, id="later")
        await archive.weigh.enqueue_many([7, 8], meta=ada, ids=["urgent", "{odd}:\x00 ж"], priority=9)
        await archive.weigh.enqueue(9, id="elsewhere", queue="elsewhere")
        await archive.weigh.schedule("0 8 29 2 *", 10, key="leap", tz="Europe/Berlin", meta=ada)
        await archive.weigh.schedule(_DECADE, 11, key="ж:{a}")


async def _renew() -> None:
    with TemporaryDirectory() as folder:
        server = ValkeyServer(Path(folder)).start()
        try:
            await _fill(server.url)
            async with outside(server.url) as operator:
                picture = await _take_down(operator)
        finally:
            server.stop()
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(picture, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_renew())
