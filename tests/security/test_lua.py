"""X9: scripts are constant texts that decode nothing, build no name of a key, and bound their loops."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from flowli.resp.scripts import SCRIPTS, script

_FOLDER = files("flowli.resp") / "lua"
_CALL = re.compile(r"redis\.p?call\(\s*([^,)]+)\s*(?:,\s*([^,)\s]+))?")
_COMMANDS_WITHOUT_KEY = {"'TIME'", "'PUBLISH'"}
_OF_THE_CALLER = {
    "many": "command",  # parts/batch.lua: a function of ours, whose callers are looked at
    "probe": "command",
    "examine_index": "ARGV[3] .. 'SCAN'",
}
_KEY = re.compile(r"[A-Z]+|KEYS\[.*|key|line|rank|due|INDEX|BEHIND")


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_decodes_nothing_and_loads_nothing(name: str) -> None:
    text = _without_comments(script(name).text)
    for word in ("cjson", "cmsgpack", "struct", "bit", "loadstring", "load", "dofile", "setfenv", "rawset", "_G"):
        assert not re.search(rf"\b{word}\b", text), word


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_command_names_a_key_that_was_declared(name: str) -> None:
    calls = _CALL.findall(_without_comments(script(name).text))
    wrong = [
        (command, key)
        for command, key in calls
        if command not in {*_COMMANDS_WITHOUT_KEY, *_OF_THE_CALLER.values()} and not _KEY.fullmatch(key)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_the_same_text_whoever_calls_it(name: str) -> None:
    made = script.__wrapped__(name)
    assert (made.sha, made.text) == (script(name).sha, script(name).text)


def test_no_module_writes_lua_of_its_own() -> None:
    sources = Path(str(files("flowli.resp"))).rglob("*.py")
    found = [path.name for path in sources if "redis.call" in path.read_text(encoding="utf-8")]
    assert found == []


def test_every_endless_loop_ends() -> None:
    loops = [
        (path.name, line.strip())
        for path in Path(str(_FOLDER)).rglob("*.lua")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*while\b", line)
    ]
    allowed = (
        "low < high",
        "at <= #ARGV",
        "got < want and not full and skipped < 2000",
        "#els < n",
        "not found and at <= #ARGV",
        "at <= #bonds",
        "from <= #sent",
        "at <= #list",
        "at <= #text",
        "at <= to",
    )
    endless = [(name, line) for name, line in loops if not any(bound in line for bound in allowed)]
    assert endless == [("queued.lua", "while true do")] * 2, "which look at the elements of one millisecond"
