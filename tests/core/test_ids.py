"""Ids and names: the made form, what is drawn once and never again, and what users may write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowli.errors import ValidationError
from flowli.ids import check_id, check_name, made_at, make_id, route_of

CROCKFORD = re.compile("[0-9A-HJKMNP-TV-Z]{26}")


def test_a_made_id_is_26_characters_of_crockford_base_32() -> None:
    assert all(CROCKFORD.fullmatch(make_id()) for _ in range(1000))


@given(millis=st.integers(min_value=0, max_value=2**48 - 1), route=st.integers(min_value=0, max_value=2**16 - 1))
@settings(deadline=None)
def test_the_instant_and_the_route_are_read_back(millis: int, route: int) -> None:
    made = make_id(millis, route=route)

    assert CROCKFORD.fullmatch(made)
    assert (made_at(made), route_of(made)) == (millis, route)


def test_the_layout_is_48_bits_of_time_16_of_route_and_64_of_chance() -> None:
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    made = make_id(0x0123_4567_89AB, route=0xCDEF)
    number = sum(digits.index(char) << 5 * place for place, char in enumerate(reversed(made)))

    assert number >> 64 == 0x0123_4567_89AB_CDEF


def test_without_an_instant_the_clock_is_read() -> None:
    before = time.time_ns() // 1_000_000
    instant = made_at(make_id())
    after = time.time_ns() // 1_000_000

    assert instant is not None
    assert before <= instant <= after


def test_ids_sort_by_the_millisecond_they_were_made_in() -> None:
    made = [make_id(millis) for millis in (0, 1, 31, 32, 1023, 1024, 2**40, 2**48 - 1)]

    assert made == sorted(made)


def test_routes_are_drawn_from_the_whole_range() -> None:
    routes = {route_of(make_id()) for _ in range(2000)}

    assert len(routes) > 1500
    assert {route % 16 for route in routes} == set(range(16))


def test_all_64_bits_of_chance_are_drawn_whatever_the_route() -> None:
    tails = [int(make_id(0, route=1)[13:].translate(_PYTHON_DIGITS), 32) & 2**64 - 1 for _ in range(500)]

    assert all(0 < sum(tail >> bit & 1 for tail in tails) < 500 for bit in range(64))


_PYTHON_DIGITS = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789abcdefghijklmnopqrstuv")


def test_threads_never_make_an_id_twice() -> None:
    def make_many(_: int) -> list[str]:
        return [make_id(5) for _ in range(3000)]

    with ThreadPoolExecutor(4) as threads:
        made = [id for ids in threads.map(make_many, range(4)) for id in ids]

    assert len(made) == 12_000
    assert len(set(made)) == 12_000


_FORKING = """
import os
from flowli.ids import make_id

make_id(5)
child = os.fork()
if child:
    os.waitpid(child, 0)
print(*(make_id(5) for _ in range(300)), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_never_makes_an_id_of_its_parent() -> None:
    both = subprocess.run([sys.executable, "-c", _FORKING], capture_output=True, check=True, text=True).stdout.split()

    assert len(both) == 600
    assert len(set(both)) == 600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order-17",
        "00000000000000000000000000"[:25],
        "000000000000000000000000000",
        "80000000000000000000000000",
        "0000000000000000000000000I",
        "0000000000000000000000000u",
        "0000000000000000000000000a",
        "00000000000000000000000000\n",
        "\u0660" * 26,
        "daily:3:1767225600000",
    ],
)
def test_every_other_text_is_at_home_and_has_no_instant(text: str) -> None:
    assert route_of(text) == 0
    assert made_at(text) is None


@pytest.mark.parametrize("millis", [-1, 2**48])
def test_an_instant_that_48_bits_cannot_hold_is_refused(millis: int) -> None:
    with pytest.raises(ValidationError, match="milliseconds since the epoch"):
        make_id(millis)


@pytest.mark.parametrize("route", [-1, 2**16])
def test_a_route_that_16_bits_cannot_hold_is_refused(route: int) -> None:
    with pytest.raises(ValidationError, match="0 to 65535"):
        make_id(route=route)


@pytest.mark.parametrize("id", ["a", "order-17", "x" * 200, "\u00e9" * 100, "two words", "/", "\U0001f980"])
def test_an_id_of_1_to_200_bytes_is_taken_as_it_is(id: str) -> None:
    assert check_id(id) == id


@pytest.mark.parametrize(("id", "size"), [("", 0), ("x" * 201, 201), ("\u00e9" * 101, 202), ("x" * 10**6, 10**6)])
def test_an_id_of_another_length_is_refused_and_shown_in_part(id: str, size: int) -> None:
    with pytest.raises(ValidationError, match=f"has {size}\\.") as refused:
        check_id(id)
    assert len(str(refused.value)) < 150


def test_an_id_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValidationError, match="lone surrogate") as refused:
        check_id("order-\ud800")
    assert str(refused.value).encode()


@pytest.mark.parametrize("id", [None, 17, b"order-17", ["order-17"]])
def test_an_id_that_is_no_text_is_refused_by_its_type(id: object) -> None:
    with pytest.raises(ValidationError, match=f"must be a str, not {type(id).__name__}"):
        check_id(id)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["default", "mail", "a", "A-b_c.9", "x" * 64])
def test_a_name_of_letters_digits_and_three_signs_is_taken_as_it_is(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "two words", "a/b", "a:b", "{a}", "caf\u00e9", "mail\n", "x" * 10**6])
def test_any_other_name_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(ValidationError, match=r"^a prefix has 1 to 64 characters out of A-Z a-z 0-9 _ \. -") as refused:
        check_name(name, what="a prefix")
    assert len(str(refused.value)) < 150


def test_a_name_that_is_no_text_is_refused_by_its_type() -> None:
    with pytest.raises(ValidationError, match="a queue name must be a str, not int"):
        check_name(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
