"""Who takes part: that each peer has its adapter and a list of pinned versions, and says how it is set."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import MEASURES
from benchmarks.contestants import Contestant, Kind
from benchmarks.environments import ROOT, NotInstalledError, prepare, versions_of
from benchmarks.lineup import CONTESTANTS

_PINNED = re.compile(r"[\w.-]+(\[[\w,]+\])?==[\w.]+")
PEERS = [one for one in CONTESTANTS if one.peer is not None]


def named(contestant: Contestant) -> str:
    return contestant.name


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=named)
def test_each_has_an_adapter_and_settings_in_words(contestant: Contestant) -> None:
    path = contestant.adapter if contestant.kind is Kind.NODE else contestant.adapter.replace(".", "/") + ".py"
    assert (ROOT / path).is_file()
    assert contestant.settings
    assert contestant.measures <= set(MEASURES)
    assert "defaults" not in contestant.measures or contestant.defaults


@pytest.mark.parametrize("contestant", PEERS, ids=named)
def test_each_list_pins_every_version(contestant: Contestant) -> None:
    lists = ROOT / "benchmarks/peers"
    if contestant.kind is Kind.NODE:
        wanted = json.loads((lists / f"{contestant.peer}.json").read_text())["dependencies"]
        assert [name for name, version in wanted.items() if not re.fullmatch(r"[\d.]+", version)] == []
    else:
        lines = (lists / f"{contestant.peer}.txt").read_text().splitlines()
        assert [line for line in lines if not _PINNED.fullmatch(line)] == []
        assert set(versions_of(contestant)) == set(contestant.versions)


def test_a_peer_that_cannot_be_installed_is_reported_and_not_dropped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (node,) = [one for one in CONTESTANTS if one.kind is Kind.NODE]
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("benchmarks.environments._MADE", tmp_path)
    with pytest.raises(NotInstalledError, match="no npm on PATH"):
        prepare(node)
