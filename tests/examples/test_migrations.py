"""The pages on moving: our half of each program, and, with FLOWLI_PEERS=1 (nox -s docs), the other one too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.environments import bin_of, prepare
from benchmarks.lineup import CONTESTANTS
from tests.support.pages import files_of, greetings
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_PAGES = Path(__file__).parents[2] / "docs" / "migrate"
_PEERS = ("celery", "rq", "dramatiq", "arq", "saq", "taskiq")
_SAID = ["hello Ada", "hello Alan"]
_needs_peers = pytest.mark.skipif(
    "FLOWLI_PEERS" not in os.environ, reason="the peers' environments are made by nox -s docs"
)


@pytest.mark.parametrize("peer", _PEERS)
def test_our_half_says_hello_twice(peer: str, tmp_path: Path, server: ValkeyServer) -> None:
    assert greetings(_PAGES / f"{peer}.md", "after", tmp_path, server.url, Path(sys.executable).parent) == _SAID


@_needs_peers
@pytest.mark.parametrize("peer", _PEERS)
def test_their_half_says_the_same(peer: str, tmp_path: Path, server: ValkeyServer) -> None:
    contestant = next(one for one in CONTESTANTS if one.peer == peer)
    prepare(contestant)
    assert greetings(_PAGES / f"{peer}.md", "before", tmp_path, server.url, bin_of(contestant)) == _SAID


@pytest.mark.parametrize("peer", _PEERS)
def test_both_halves_are_whole(peer: str) -> None:
    for half in ("before", "after"):
        assert set(files_of(_PAGES / f"{peer}.md", half)) == {"mail.py", "send.py", "worker"}
