"""The measure `profile` in Markdown: who spent how much on what in a phase. It refuses to know how it was sampled."""

from __future__ import annotations

from benchmarks.figures import Figure, figure_of, names_in, plain
from benchmarks.rounds import Raw
from benchmarks.tables import markdown

__all__ = ["profile_of"]

_MEASURE = "profile"
_OF_PROCESS = {"own %": "itself, % of CPU", "all %": "with what it calls, %"}
_OF_SERVER = {"server us": "µs/job", "calls": "calls/job"}
_NOTE = """Sampled in runs of their own, in the same session: the CPU time of the process by function (compiled code
counts for its caller), and the server's own account by command (those that a script calls are part of `evalsha`)."""


def profile_of(raw: Raw, phase: str) -> list[str]:
    """Its lines; that it was not taken, where it was not."""
    lines = [f"### {phase}", ""]
    if phase == "start":
        return [*lines, "Import of a runner and its driver, in milliseconds by package.", "", *_imports(raw), ""]
    names = [name for name in names_in(raw, _MEASURE) if _keys(raw, name, f"{phase}|")]
    if not names:
        return [*lines, "Not taken: run the measure `profile`.", ""]
    lines += [_NOTE, ""]
    for name in names:
        process = _table(raw, name, phase, "function", _OF_PROCESS)
        server = _table(raw, name, phase, "command of the server", _OF_SERVER)
        lines += [f"**{name}**", "", *process, "", *server, "", _stalls(raw, name, phase), ""]
    return lines


def _imports(raw: Raw) -> list[str]:
    rows = [[name, *pair] for name in names_in(raw, _MEASURE) for pair in _ordered(raw, name, "start|ms|")]
    return markdown(["who", "package", "ms"], rows)


def _ordered(raw: Raw, name: str, front: str) -> list[list[str]]:
    found = {key.removeprefix(front): _figure(raw, name, key) for key in _keys(raw, name, front)}
    return [[what, str(found[what])] for what in sorted(found, key=lambda one: -found[one].median)]


def _table(raw: Raw, name: str, phase: str, title: str, columns: dict[str, str]) -> list[str]:
    first, *others = columns
    rows = [
        [f"`{what}`", value, *(str(_figure(raw, name, f"{phase}|{other}|{what}")) for other in others)]
        for what, value in _ordered(raw, name, f"{phase}|{first}|")
    ]
    return markdown([title, *columns.values()], rows)


def _stalls(raw: Raw, name: str, phase: str) -> str:
    front = f"{phase}|stall ms|"
    longest = plain(_figure(raw, name, f"{phase}|longest ms|").median)
    events = ", ".join(
        f"{key.removeprefix(front)} {plain(_figure(raw, name, key).median)} ms" for key in _keys(raw, name, front)
    )
    return f"Longest command by SLOWLOG: {longest} ms. LATENCY: {events or 'no event of a millisecond'}."


def _keys(raw: Raw, name: str, front: str) -> list[str]:
    rounds = raw["measures"][_MEASURE]["contestants"][name]["rounds"]
    return list(dict.fromkeys(key for one in rounds for key in one if key.startswith(front)))


def _figure(raw: Raw, name: str, key: str) -> Figure:
    found = figure_of(raw, _MEASURE, name, key)
    assert found is not None
    return found
