"""The Lua scripts and what a call of one consists of; it knows their headers and nothing of what they do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from flowli.resp.keys import Keys

__all__ = ["SCRIPTS", "Arg", "Call", "Script", "script"]

Arg = bytes | str | int

_HEADER = re.compile(r"^-- (KEYS|USES): *(.*)$", re.MULTILINE)


class Script(NamedTuple):
    """The text of a script, its digest, and the keys of its header: the fixed ones, then those of each queue."""

    name: str
    text: str
    sha: str
    fixed: tuple[str, ...]
    of_queue: tuple[str, ...]

    def call(
        self, keys: Keys, queues: Sequence[str], args: Sequence[Arg], put: Mapping[str, str] | None = None
    ) -> Call:
        """A call with the keys of these queues, in their order; ``put`` gives fixed names another key."""
        named: Sequence[str] = keys.of_script(self.name, self.fixed, self.of_queue, tuple(queues))
        if put:
            named = list(named)
            for name, key in put.items():
                named[self.fixed.index(name)] = key
        return Call(self, named, args)


class Call(NamedTuple):
    """A script with its keys and arguments, ready for EVALSHA."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Arg]

    def command(self, *, by_text: bool = False) -> tuple[Arg, ...]:
        """The words of the command; by text for a server that does not have the script (NOSCRIPT)."""
        words = ("EVAL", self.script.text) if by_text else ("EVALSHA", self.script.sha)
        return (*words, len(self.keys), *self.keys, *self.args)


def _read(name: str) -> str:
    return (files("flowli.resp") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


SCRIPTS = tuple(
    sorted(path.name[:-4] for path in (files("flowli.resp") / "lua").iterdir() if path.name.endswith(".lua"))
)
"""The names of all of them."""


def _prelude(fixed: Sequence[str], of_queue: Sequence[str]) -> str:
    lines = [f"local {name.upper()} = KEYS[{place}]" for place, name in enumerate(fixed, 1)]
    lines += [f"local {name.upper()} = {place}" for place, name in enumerate(of_queue, 1)]
    return "\n".join([*lines, f"local FIXED, STRIDE = {len(fixed)}, {len(of_queue)}\n"])


@cache
def script(name: str) -> Script:
    """The script of a file in ``lua/``, with names for the keys of its header and the parts it uses in front.

    A fixed key becomes a local with its upper case name; a queue's key becomes its place behind the ``FIXED`` keys, of
    which each queue has ``STRIDE``. So a header cannot disagree with what is passed.
    """
    body = _read(name)
    header = dict(_HEADER.findall(body))
    before, _, behind = header["KEYS"].partition("|")
    fixed, of_queue = tuple(before.split()), tuple(behind.split())
    parts = [_read(f"parts/{part}") for part in header["USES"].split()]
    text = "".join([_prelude(fixed, of_queue), *parts, body])
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), fixed, of_queue)
