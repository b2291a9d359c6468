"""The form of ids and names. It refuses to know what they name and where that is kept.

A made id is 26 characters of Crockford base 32: 48 bits of milliseconds, 16 bits of route, 64 random ones. Made ids
sort by the millisecond they were made in. Every other text has the route 0. In a chain the id of the last step names
all: the steps before the step ``x`` are ``x~0``, ``x~1`` and so on.
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache

from flowli.errors import ValidationError

__all__ = ["check_id", "check_name", "made_at", "make_id", "parent_ids", "root_of", "route_of"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MADE = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
_TO_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_FROM_BYTES = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))

_HALVES = (
    {char: _ALPHABET[at & 15] for at, char in enumerate(_ALPHABET)},
    {char: _ALPHABET[at | 16] for at, char in enumerate(_ALPHABET)},
)

_TIME_LENGTH = 10
_TAIL_LENGTH = 16
_TAILS_AT_ONCE = 256
_END_OF_TIME = 1 << 48
_ROUTES = 1 << 16

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_STEP = re.compile(r"(~[0-9]+)+\Z")
_MOST_ID_BYTES = 200
_SHOWN = 40

_tails: list[str] = []
_stamp: tuple[int, str] = (0, "0" * _TIME_LENGTH)


def make_id(now_ms: int | None = None, *, route: int | None = None) -> str:
    """A new id. ``now_ms`` defaults to this machine's clock; without a ``route`` (0 to 65535) one is drawn at random.

    It may be called from every thread and in every fork: each random tail is taken once.
    """
    millis = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    made, head = _stamp
    if made != millis:
        head = _restamp(millis)
    try:
        tail = _tails.pop()
    except IndexError:
        tail = _refill()
    return head + tail if route is None else head + _with_route(tail, route)


def made_at(id: str) -> int | None:
    """The milliseconds in a made id; None for every other text."""
    if not _MADE.fullmatch(id):
        return None
    return int(id[:_TIME_LENGTH].translate(_TO_DIGITS), 32)


def route_of(id: str) -> int:
    """The route in a made id; 0 for every other text."""
    if not _MADE.fullmatch(id):
        return 0
    return int(id[_TIME_LENGTH : _TIME_LENGTH + 4].translate(_TO_DIGITS), 32) >> 4


def parent_ids(id: str, number: int) -> list[str]:
    """The ids of the ``number`` steps before a step of a chain."""
    return [f"{id}~{place}" for place in range(number)]


def root_of(id: str) -> str:
    """The id of the chain that a step belongs to; of a job outside of any, its own."""
    return _STEP.sub("", id)


def check_id(id: str, *, what: str = "an id") -> str:
    """The user's id as it was given, if it has 1 to 200 bytes in UTF-8; otherwise ValidationError."""
    size = _size(id, what)
    if not 0 < size <= _MOST_ID_BYTES:
        raise ValidationError(f"{what} has 1 to {_MOST_ID_BYTES} bytes in UTF-8, and {_shown(id)} has {size}.")
    return id


def check_name(name: str, *, what: str = "a queue name") -> str:
    """The name of a queue or a prefix as it was given, if stores can hold it; otherwise ValidationError."""
    _size(name, what)
    if not _NAME.fullmatch(name):
        raise ValidationError(
            f"{what} has 1 to 64 characters out of A-Z a-z 0-9 _ . - and {_shown(name)} has not: write another."
        )
    return name


def _restamp(millis: int) -> str:
    global _stamp
    if not 0 <= millis < _END_OF_TIME:
        raise ValidationError(
            "an id is made at an instant from 1970 to the year 10889: pass milliseconds since the epoch."
        )
    head = _digits(millis, _TIME_LENGTH)
    _stamp = (millis, head)
    return head


def _refill() -> str:
    text = os.urandom(_TAIL_LENGTH * _TAILS_AT_ONCE).translate(_FROM_BYTES).decode("ascii")
    first, *others = (text[at : at + _TAIL_LENGTH] for at in range(0, len(text), _TAIL_LENGTH))
    _tails.extend(others)
    return first


def _with_route(tail: str, route: int) -> str:
    if not 0 <= route < _ROUTES:
        raise ValidationError(f"a route is a number from 0 to {_ROUTES - 1}.")
    # The fourth character holds the route's last bit, and four random ones.
    return _route_digits(route >> 1) + _HALVES[route & 1][tail[3]] + tail[4:]


@lru_cache(maxsize=1024)
def _route_digits(number: int) -> str:
    return _digits(number, 3)


def _digits(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * at & 31] for at in reversed(range(length)))


def _size(text: object, what: str) -> int:
    if not isinstance(text, str):
        raise ValidationError(f"{what} must be a str, not {type(text).__name__}.")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ValidationError(
            f"{what} must be text that UTF-8 can hold, and {_shown(text)} has a lone surrogate."
        ) from None


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


if hasattr(os, "register_at_fork"):
    # A child that kept its parent's tails would make the same ids as its parent.
    os.register_at_fork(after_in_child=_tails.clear)
