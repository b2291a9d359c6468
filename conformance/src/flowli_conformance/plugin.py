"""The pytest plugin: it waits for the first test of the suite, and imports nothing and says nothing before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flowli_conformance.report import Report

__all__ = ["Watch", "pytest_addoption", "pytest_configure"]

_SUITE = "flowli_conformance.suite"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the file into which the table goes."""
    parser.getgroup("flowli", "Flowli conformance suite").addoption(
        "--flowli-report",
        metavar="FILE",
        action="append",
        default=[],
        help="write what the conformance suite ran on, and with what result: JSON for *.json, Markdown otherwise "
        "(a page with marks for it keeps the rest of its text); may be given more than once",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and somebody who waits."""
    config.addinivalue_line("markers", "conformance: a test of the Flowli conformance suite, on some driver")
    config.pluginmanager.register(Watch(config), "flowli_conformance_watch")


class Watch:
    """Marks the tests of the suite where they are collected, and counts their reports where they arrive.

    With pytest-xdist these are different processes: what a row needs to know travels with the report.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._report: Report | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark what is of the suite; from the first such test on, a recorder goes along."""
        if _SUITE not in sys.modules:
            return
        from flowli_conformance.recorder import Recorder, is_ours

        ours = [item for item in items if is_ours(item)]
        for item in ours:
            item.add_marker(pytest.mark.conformance)
        if ours and not self._config.pluginmanager.has_plugin("flowli_conformance_recorder"):
            self._config.pluginmanager.register(Recorder(), "flowli_conformance_recorder")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a report that a recorder has put its note on."""
        note: dict[str, str] | None = getattr(report, "flowli_conformance", None)
        if note is None:
            return
        if self._report is None:
            from flowli_conformance.report import Report

            self._report = Report()
        self._report.add(report, note)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the files that were asked for."""
        if self._report is not None and not hasattr(self._config, "workerinput"):
            paths: list[str] = self._config.getoption("--flowli-report") or []
            for path in paths:
                self._report.write(path)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        if self._report is not None:
            terminalreporter.section("what ran on what")
            for line in self._report.lines():
                terminalreporter.line(line)
