"""Goes along with the tests of the suite: notes on what each ran, and says in words which verb a driver lacks."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from flowli.driver import Driver
from flowli_conformance.bench import Bench
from flowli_conformance.suite import Suite

__all__ = ["Note", "Recorder", "is_ours"]

_WITHOUT = {
    "abilities": "core cannot know what the store lacks",
    "process_local": "a runner cannot know whether other processes reach the store",
    "open": "nothing can be done with the store",
    "close": "a shutdown leaves connections and waiting calls behind",
    "twin": "a runner cannot renew its leases from a thread of its own",
    "enqueue": "no job can be stored",
    "exchange": "no runner can lease or settle a job",
    "renew": "a job that takes longer than its lease is run twice",
    "act": "no job can be cancelled",
    "outcomes": "nobody can wait for a result",
    "get_jobs": "nobody can look at a job",
    "list_jobs": "nobody can see which jobs failed",
    "overview": "nobody can see how far behind a queue is",
    "announce": "nobody can see which runners are alive",
    "change_schedules": "no schedule can be put, deleted or fired",
    "get_schedules": "nobody can look at a schedule",
    "list_schedules": "no runner finds the schedules that are due",
}
"""What a user of the driver misses, for each verb."""


@dataclass(kw_only=True)
class Note:
    """What a report of pytest does not say by itself; text only, since it travels between processes."""

    suite: str
    module: str
    driver: str = ""
    store: str = ""


def is_ours(item: pytest.Item) -> bool:
    """Whether a test belongs to a class that inherits the suite."""
    cls = item.cls if isinstance(item, pytest.Function) else None
    return cls is not None and issubclass(cls, Suite)


class Recorder:
    """Puts a `Note` on each report. A class has one driver and one store, known since its first test got so far."""

    def __init__(self) -> None:
        self._notes: dict[type, Note] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Name the verb that a fixture missed."""
        return (yield from _in_words(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Name the verb that a test missed."""
        return (yield from _in_words(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note on what a test ran."""
        report = yield
        if isinstance(item, pytest.Function) and item.cls is not None and issubclass(item.cls, Suite):
            vars(report)["flowli_conformance"] = asdict(self._note(item, item.cls))
        return report

    def _note(self, item: pytest.Function, cls: type) -> Note:
        note = self._notes.setdefault(cls, Note(suite=cls.__qualname__, module=cls.__module__))
        found: dict[str, object] = item.funcargs or {}
        for bench in (found.get("bench"), found.get("live")):
            if isinstance(bench, Bench):
                note.driver = _name(bench.driver)
        make_store: Any = found.get("make_store")
        if make_store is not None and not note.driver:
            note.driver = _name(make_store()())
        store = found.get("store_name")
        if isinstance(store, str):
            note.store = store
        return note


def _name(driver: Driver) -> str:
    kind = type(driver)
    return f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"


def _in_words(item: pytest.Item) -> Generator[None]:
    try:
        return (yield)
    except (AttributeError, NotImplementedError) as error:
        verb = _lacking(error)
        if verb is None or not is_ours(item):
            raise
    pytest.fail(f"the driver lacks the verb {verb}: without it {_WITHOUT[verb]}.", pytrace=False)


def _lacking(error: AttributeError | NotImplementedError) -> str | None:
    """The verb that is still to be written, be its body missing or all of it."""
    if isinstance(error, AttributeError):
        return error.name if error.name in _WITHOUT and not hasattr(type(error.obj), error.name) else None
    called = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((name for name in reversed(called) if name in _WITHOUT), None)
