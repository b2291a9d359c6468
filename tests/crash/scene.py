"""Where a life meets its crash: store, proxy, ledger; and the checks that hold after every one of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from uuid import uuid4

from flowli.driver import State, StoredJob
from tests.crash.drivers import DRIVERS
from tests.crash.ledger import Ledger
from tests.crash.life import DAY, START, Life
from tests.support.outside import outside
from tests.support.proxy import ChaosProxy

__all__ = ["Crash", "Scene"]

_PERMANENT = {"meta", "queues", "fence"}
"""Keys that a namespace has for good."""


class Scene:
    """One server behind one proxy."""

    def __init__(self, url: str, proxy: ChaosProxy, folder: Path) -> None:
        self.url = url
        self.proxy = proxy
        self._folder = folder
        self._numbers = count(1)

    def crash(self, kind: str) -> Crash:
        """A fresh namespace, and a ledger for it."""
        return Crash(self, kind, self._folder / f"ledger-{next(self._numbers)}")


class Crash:
    """One namespace in which one life is interrupted. Two drivers reach it: through the proxy, and past it."""

    def __init__(self, scene: Scene, kind: str, path: Path) -> None:
        self._scene = scene
        self.kind = kind
        self.prefix = uuid4().hex
        self.ledger = Ledger(path)
        self._healed = Ledger(path.with_suffix(".healed"))

    @property
    def life(self) -> Life:
        """What is interrupted: it goes through the proxy."""
        return Life(DRIVERS[self.kind](self._scene.proxy.url, self.prefix), self.ledger, name="first")

    @property
    def command(self) -> list[str]:
        """The same life as a process of its own."""
        module = [sys.executable, "-m", "tests.crash.life"]
        return [*module, self.kind, self._scene.proxy.url, self.prefix, str(self.ledger.path)]

    async def execute_all_and_keep_nothing(self) -> None:
        """Another runner, past the proxy, at the instant at which lives begin."""
        life = Life(DRIVERS[self.kind](self._scene.url, self.prefix), self.ledger, name="other")
        await life.open()
        await life.exchange(*(life.ending(lease, keep_for=0) for lease in await life.exchange()))
        await life.close()

    async def heal(self) -> None:
        """A healthy runner finishes, long after every lease has lapsed. Then nothing may be wrong."""
        driver = DRIVERS[self.kind](self._scene.url, self.prefix)
        life = Life(driver, self._healed, name="healer", now=START + DAY)
        await life.open()
        await life.finish()
        records: dict[str, StoredJob] = {}
        for state in State:
            for job in (await driver.list_jobs(state, limit=100, now=life.now)).items:
                records[job.id] = job
        self._check_lost(records)
        self._check_twice(records)
        await life.sweep(100 * DAY)
        await self._check_residue()

    def _check_lost(self, records: Mapping[str, StoredJob]) -> None:
        """What was acknowledged has ended, and nothing is under way."""
        assert [job.id for job in records.values() if not job.state.is_terminal] == [], "nothing waits any more"
        ended = {*records, *(id for id in self.ledger.about_to_end if id == "kept-not")}
        ended |= {"tick" for id in records if id.startswith("tick-")}
        assert set(self.ledger.acknowledged) - ended == set(), "acknowledged, and lost"

    def _check_twice(self, records: Mapping[str, StoredJob]) -> None:
        """Each job ended once, and was not executed after it had."""
        before, after = self.ledger.over, self._healed.over
        assert {id: times for id, times in (before + after).items() if times > 1} == {}, "ended twice"
        assert set(before) & set(self._healed.started) == set(), "executed after it had ended"
        assert len([id for id in records if id.startswith("tick-")]) <= 1, "a schedule fired twice for one instant"

    async def _check_residue(self) -> None:
        async with outside(self._scene.url) as operator:
            root = f"flowli:{{{self.prefix}}}:"
            keys = await operator.keys(f"{root}*")
            left = {key.removeprefix(root) for key in keys if await operator.ask("PTTL", key) == -1}
        assert left - _PERMANENT == set(), "left behind without an owner and without an end"
