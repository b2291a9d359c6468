"""What ran on what: one row for each test class, as a table, as JSON and as Markdown; it knows no pytest hook.

``python -m flowli_conformance.report PAGE REPORT.json ...`` puts the rows of several runs into one page.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import pytest

__all__ = ["Report", "Row", "main"]

_BEGIN, _END = "<!-- what ran on what: begin -->", "<!-- what ran on what: end -->"
_HEADS = ("suite", "driver", "store", "passed", "failed", "xfailed", "skipped")


@cache
def _version(package: str) -> str:
    """Of the distribution that a package belongs to; empty for one that is not installed."""
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        owners = _owners().get(package, ())
    return next(map(version, owners), "")


@cache
def _owners() -> Mapping[str, Sequence[str]]:
    """Looked up only where a distribution is named unlike its package: it reads the records of all."""
    return packages_distributions()


@dataclass(kw_only=True)
class Row:
    """The results of one test class."""

    suite: str
    module: str
    driver: str = ""
    """The class, and the version of its distribution."""
    store: str = ""
    python: str = field(default_factory=platform.python_version)
    core: str = field(default_factory=lambda: _version("flowli_core"))
    passed: int = 0
    failed: list[str] = field(default_factory=list[str])
    xfailed: dict[str, str] = field(default_factory=dict[str, str])
    """Deviations, each with its reason."""
    skipped: dict[str, str] = field(default_factory=dict[str, str])

    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        numbers = (self.passed, len(self.failed), len(self.xfailed), len(self.skipped))
        return (self.suite, self.driver or "?", self.store or "-", *map(str, numbers))

    def remarks(self) -> Iterator[str]:
        """A line for each reason why something was not simply passed or failed."""
        for what, tests in (("xfailed", self.xfailed), ("skipped", self.skipped)):
            for reason in dict.fromkeys(tests.values()):
                names = [name for name, why in tests.items() if why == reason]
                shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
                yield f"{self.suite}: {what} {shown}: {reason}"


class Report:
    """Collects the reports of pytest into rows."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = {(row.module, row.suite, row.store): row for row in rows}
        self._results: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        self._notes: dict[tuple[str, str], Mapping[str, str]] = {}

    def add(self, report: pytest.TestReport, note: Mapping[str, str]) -> None:
        """Count one phase of one test: a failure of any phase is what counts."""
        place = (note["module"], note["suite"])
        self._notes[place] = {**self._notes.get(place, {}), **{name: text for name, text in note.items() if text}}
        results = self._results.setdefault(place, {})
        test = report.nodeid.rpartition("::")[2]
        if report.failed:
            results[test] = ("failed", "")
        elif report.skipped:
            results.setdefault(test, _reason(report))
        elif report.when == "call":
            results.setdefault(test, ("passed", ""))

    def rows(self) -> list[Row]:
        """In the order in which the classes first reported."""
        return [*self._rows.values(), *(self._row(place) for place in self._results)]

    def lines(self) -> list[str]:
        """The table for a terminal."""
        rows = self.rows()
        cells = [_HEADS, *(row.cells() for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
        return [*table, *(remark for row in rows for remark in row.remarks())]

    def markdown(self) -> str:
        """The table for a page."""
        rows = self.rows()
        heads = (*_HEADS, "Python", "core")
        cells = [heads, ["---"] * len(heads), *((*row.cells(), row.python, row.core) for row in rows)]
        table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in cells)
        remarks = "\n".join(f"- {remark}" for row in rows for remark in row.remarks())
        return f"{table}\n\n{remarks}\n" if remarks else f"{table}\n"

    def write(self, path: str) -> None:
        """Write JSON or Markdown, by the suffix; in a page with marks, between them."""
        file = Path(path)
        if file.suffix == ".json":
            file.write_text(json.dumps([asdict(row) for row in self.rows()], indent=1) + "\n", encoding="utf-8")
            return
        page = file.read_text(encoding="utf-8") if file.exists() else ""
        marked = f"{_BEGIN}\n\n{self.markdown()}\n{_END}"
        old = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.DOTALL)
        text = old.sub(lambda _: marked, page) if old.search(page) else f"{marked}\n"
        file.write_text(text, encoding="utf-8")

    def _row(self, place: tuple[str, str]) -> Row:
        note, results = self._notes[place], self._results[place]
        driver = note.get("driver", "")
        return Row(
            suite=note["suite"],
            module=note["module"],
            driver=f"{driver} {_version(driver.partition('.')[0])}".strip(),
            store=note.get("store", ""),
            passed=sum(result == "passed" for result, _ in results.values()),
            failed=[test for test, (result, _) in results.items() if result == "failed"],
            xfailed={test: why for test, (result, why) in results.items() if result == "xfailed"},
            skipped={test: why for test, (result, why) in results.items() if result == "skipped"},
        )


def _reason(report: pytest.TestReport) -> tuple[str, str]:
    reason: str | None = getattr(report, "wasxfail", None)
    if reason is not None:
        return ("xfailed", reason.removeprefix("reason: "))
    why = report.longrepr[2] if isinstance(report.longrepr, tuple | list) else str(report.longrepr)
    return ("skipped", str(why).removeprefix("Skipped: "))


def main(arguments: Sequence[str]) -> None:
    """Put the rows of JSON reports into a page."""
    page, *reports = arguments
    rows = [Row(**row) for path in reports for row in json.loads(Path(path).read_text(encoding="utf-8"))]
    Report(rows).write(page)


if __name__ == "__main__":
    main(sys.argv[1:])
