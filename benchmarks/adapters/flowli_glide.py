"""Flowli over GLIDE: the runtime that `flowli runner` finds, and what a producer calls."""

from __future__ import annotations

from benchmarks.adapters.flowli_jobs import Adapter, make_contestant
from benchmarks.payload import DURABILITY, URL
from flowli_glide import GlideDriver

__all__ = ["adapter", "flowli", "make_driver"]


def make_driver() -> GlideDriver:
    return GlideDriver(URL, prefix="bench", durability=DURABILITY)


flowli = make_contestant(make_driver())
adapter = Adapter(flowli)
