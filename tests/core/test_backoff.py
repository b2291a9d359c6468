"""The wait before a retry."""

from __future__ import annotations

import json
import random
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowli.backoff import Backoff
from flowli.durations import LONGEST_SPAN
from flowli.errors import DefinitionError, ValidationError


def least() -> float:
    return 0.0


def greatest() -> float:
    return 1.0


def seconds(backoff: Backoff, *failures: int) -> list[float]:
    return [backoff.wait(count, greatest).total_seconds() for count in failures]


def test_the_default_doubles_from_a_second_to_ten_minutes() -> None:
    assert seconds(Backoff(), 1, 2, 3, 4, 9, 10, 11, 12) == [1, 2, 4, 8, 256, 512, 600, 600]


def test_the_default_jitter_is_down_to_one_half() -> None:
    assert Backoff().wait(3, least) == timedelta(seconds=2)
    assert Backoff().wait(3, lambda: 0.5) == timedelta(seconds=3)


def test_a_fixed_backoff_always_waits_the_same() -> None:
    assert seconds(Backoff(type="fixed", delay="5s", jitter=False), 1, 2, 30, 10**9) == [5, 5, 5, 5]


def test_without_jitter_nothing_is_left_to_chance() -> None:
    backoff = Backoff(jitter=False)

    assert backoff.wait(2, least) == backoff.wait(2, greatest) == timedelta(seconds=2)


def test_the_cap_holds_before_and_after_the_jitter() -> None:
    backoff = Backoff(delay="1s", max_delay="4s", jitter=(0.5, 2.0))

    assert backoff.wait(10, least) == timedelta(seconds=2)
    assert backoff.wait(10, greatest) == timedelta(seconds=4)
    assert backoff.wait(1, greatest) == timedelta(seconds=2)


@pytest.mark.parametrize("failures", [64, 1100, 10**9, 10**100])
def test_no_number_of_failures_overflows(failures: int) -> None:
    assert Backoff().wait(failures, greatest) == timedelta(minutes=10)
    assert Backoff(max_delay=None, jitter=(0.5, 1e300)).wait(failures, greatest) == LONGEST_SPAN


def test_a_delay_of_zero_stays_zero() -> None:
    assert seconds(Backoff(delay="0s"), 1, 2, 100) == [0, 0, 0]


def test_a_wait_is_rounded_up_to_a_millisecond() -> None:
    assert Backoff(delay="1ms").wait(1, least) == timedelta(milliseconds=1)


@given(
    first=st.integers(min_value=0, max_value=600_000),
    failures=st.integers(min_value=1, max_value=10_000),
    low=st.floats(min_value=0, max_value=1),
    drawn=st.floats(min_value=0, max_value=1, exclude_max=True),
)
@settings(deadline=None)
def test_every_wait_lies_between_nothing_and_the_cap(first: int, failures: int, low: float, drawn: float) -> None:
    backoff = Backoff(delay=timedelta(milliseconds=first), jitter=(low, 1.5))

    assert timedelta(0) <= backoff.wait(failures, lambda: drawn) <= timedelta(minutes=10)


def test_any_source_of_chance_serves() -> None:
    waits = {Backoff(delay="10s").wait(1, random.Random(7).random) for _ in range(3)}

    assert len(waits) == 1
    assert timedelta(seconds=5) <= waits.pop() <= timedelta(seconds=10)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"type": "linear"}, "Backoff.type"),
        ({"type": ["fixed"]}, "Backoff.type"),
        ({"delay": 5}, "Backoff.delay is a bare number"),
        ({"delay": "-5s"}, "Backoff.delay is negative"),
        ({"delay": None}, "Backoff.delay must be"),
        ({"max_delay": "soon"}, "Backoff.max_delay"),
        ({"max_delay": "11 years"}, "Backoff.max_delay"),
        ({"delay": "1h"}, "Backoff.delay is 1h, longer than Backoff.max_delay, which is 10m"),
        ({"jitter": 0.5}, "Backoff.jitter"),
        ({"jitter": (1.0, 0.5)}, "Backoff.jitter"),
        ({"jitter": (-0.5, 1.0)}, "Backoff.jitter"),
        ({"jitter": (0.5, float("inf"))}, "Backoff.jitter"),
        ({"jitter": (float("nan"), 1.0)}, "Backoff.jitter"),
        ({"jitter": ("0.5", "1")}, "Backoff.jitter"),
        ({"jitter": (0.5,)}, "Backoff.jitter"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_its_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(DefinitionError, match=field):
        Backoff(**options)


def test_a_longer_delay_needs_no_cap_or_a_longer_one() -> None:
    assert seconds(Backoff(type="fixed", delay="1h", max_delay=None), 5) == [3600]
    assert seconds(Backoff(delay="1h", max_delay="3h"), 1, 2, 3) == [3600, 7200, 10800]


def test_backoffs_that_wait_alike_are_equal_and_hash_alike() -> None:
    written = Backoff(delay="90s", max_delay="1h", jitter=True)
    computed = Backoff(delay=timedelta(minutes=1.5), max_delay="60m", jitter=(0.5, 1.0))

    assert written == computed
    assert hash(written) == hash(computed)
    assert written != Backoff(delay="90s", max_delay="1h", jitter=False)


def test_a_backoff_cannot_be_changed_but_replaced() -> None:
    backoff = Backoff()

    with pytest.raises(FrozenInstanceError):
        backoff.delay = "5s"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert seconds(replace(backoff, delay="5s"), 1, 2) == [5, 10]


def test_the_text_of_a_backoff_shows_what_was_written() -> None:
    assert repr(Backoff(delay="2s")) == "Backoff(type='exponential', delay='2s', max_delay='10m', jitter=True)"


@pytest.mark.parametrize(
    ("backoff", "wire"),
    [
        (Backoff(), ["e", 1000, 600_000, 0.5, 1.0]),
        (Backoff(type="fixed", delay="2s", max_delay=None, jitter=False), ["f", 2000, None, 1.0, 1.0]),
        (Backoff(delay="250ms", max_delay="1m", jitter=(0.8, 1.2)), ["e", 250, 60_000, 0.8, 1.2]),
    ],
)
def test_a_backoff_survives_the_wire(backoff: Backoff, wire: list[object]) -> None:
    stored = json.loads(json.dumps(backoff.to_wire()))

    assert stored == wire
    assert Backoff.from_wire(stored) == backoff


@pytest.mark.parametrize(
    "wire",
    [
        [],
        ["e", 1000, 600_000, 0.5],
        ["x", 1000, 600_000, 0.5, 1.0],
        ["e", "1000", 600_000, 0.5, 1.0],
        ["e", -1, 600_000, 0.5, 1.0],
        ["e", 1000, 10, 0.5, 1.0],
        ["e", 1000, 10**30, 0.5, 1.0],
        ["e", 1000, 600_000, 1.0, 0.5],
    ],
)
def test_a_wire_that_no_backoff_wrote_is_refused(wire: list[object]) -> None:
    with pytest.raises(ValidationError, match="a stored backoff"):
        Backoff.from_wire(wire)
