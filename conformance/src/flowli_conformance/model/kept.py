"""Sequences that once failed somewhere, as the state machine printed them. They are played before anything is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flowli_conformance.model.machine import DriverMachine

__all__ = ["KEPT"]

KEPT: Mapping[str, Callable[[DriverMachine], None]] = {}
