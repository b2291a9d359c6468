"""Model-based testing of drivers: random sequences of verbs beside a reference. It needs the extra ``[model]``."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if find_spec("hypothesis") is None:
    raise ImportError('flowli_conformance.model needs Hypothesis: pip install "flowli-conformance[model]"')

# Before the imports below: an assertion in a module imported earlier would fail without saying what it compared.
pytest.register_assert_rewrite("flowli_conformance.model.reference", "flowli_conformance.model.session")

from flowli_conformance.model.machine import DriverMachine  # noqa: E402
from flowli_conformance.model.reference import Reference  # noqa: E402
from flowli_conformance.model.steps import Ending, Firing, Wish  # noqa: E402
from flowli_conformance.model.suite import DriverModelSuite  # noqa: E402

__all__ = ["DriverMachine", "DriverModelSuite", "Ending", "Firing", "Reference", "Wish"]
