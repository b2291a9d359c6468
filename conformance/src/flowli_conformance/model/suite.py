"""The test class that runs the state machine over one driver. It knows profiles, and no step."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from flowli.driver import Driver
from flowli_conformance.model.kept import KEPT
from flowli_conformance.model.machine import DriverMachine
from flowli_conformance.suite import Suite

__all__ = ["DriverModelSuite"]

_STEPS = 50


class DriverModelSuite(Suite):
    """Random sequences of verbs, compared with a reference after each step. A subclass provides ``make_store``.

    ``make_store`` yields a function without parameters; each call of it makes an empty store, and returns what
    `Suite` calls ``make_driver``: a function that makes one more driver on it, not open yet. Each sequence has a store
    of its own, and two drivers on it.

    The environment variable ``FLOWLI_PROFILE`` chooses how many sequences of 50 steps are drawn: a key of
    ``examples``, "ci" if it is not set. A sequence that fails is made as short as possible and printed.
    """

    examples: ClassVar[Mapping[str, int]] = MappingProxyType({"ci": 200, "nightly": 2_000})

    def test_every_sequence_of_steps_goes_as_the_contract_says(
        self, make_store: Callable[[], Callable[[], Driver]], store_name: str
    ) -> None:
        profile = os.environ.get("FLOWLI_PROFILE", "ci")

        class Machine(DriverMachine):
            def __init__(self) -> None:
                super().__init__(make_store())

        assert profile in self.examples, f"FLOWLI_PROFILE is one of {', '.join(self.examples)}"
        chosen = settings(
            max_examples=self.examples[profile],
            stateful_step_count=_STEPS,
            deadline=None,
            derandomize=False,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        )
        run_state_machine_as_test(Machine, settings=chosen)

    @pytest.mark.parametrize("sequence", KEPT)
    def test_a_sequence_that_once_failed_passes(
        self, make_store: Callable[[], Callable[[], Driver]], store_name: str, sequence: str
    ) -> None:
        check, machine = KEPT[sequence], DriverMachine(make_store())
        try:
            check(machine)
        finally:
            machine.teardown()
