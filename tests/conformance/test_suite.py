"""What the suite asks of those who inherit it, and of its own tests."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowli_conformance
from flowli.driver import Ability
from flowli_conformance import DriverSuite, EnqueueSuite, OrderSuite, Suite
from flowli_conformance import groups as groups_package

TEST = "test_a_higher_priority_is_served_first"


async def _quietly_passes(self: object) -> None:
    assert self is not None


def _groups() -> list[type[Suite]]:
    exported = [getattr(flowli_conformance, name) for name in flowli_conformance.__all__]
    return [
        value
        for value in exported
        if isinstance(value, type) and issubclass(value, Suite) and value not in (Suite, DriverSuite)
    ]


def _modules() -> list[Path]:
    (folder,) = groups_package.__path__
    return sorted(Path(folder).glob("*.py"))


def _functions() -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    for module in _modules():
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{module.stem}.{node.name}", node


@pytest.mark.parametrize("base", [OrderSuite, DriverSuite])
def test_a_redefined_test_is_refused(base: type[Suite]) -> None:
    with pytest.raises(TypeError, match=f"TestAcme may not redefine {TEST}.*`deviations`"):
        type("TestAcme", (base,), {TEST: _quietly_passes})


def test_a_test_that_is_switched_off_is_refused() -> None:
    with pytest.raises(TypeError, match="may not redefine"):
        type("TestAcme", (OrderSuite,), {TEST: None})


def test_a_test_redefined_by_a_mixin_is_refused() -> None:
    mixin = type("Mixin", (), {TEST: _quietly_passes})
    with pytest.raises(TypeError, match="may not redefine"):
        type("TestAcme", (mixin, OrderSuite), {})


def test_a_test_redefined_further_down_is_refused() -> None:
    middle = type("AcmeSuite", (DriverSuite,), {})
    with pytest.raises(TypeError, match="may not redefine"):
        type("TestAcme", (middle,), {TEST: _quietly_passes})


def test_a_driver_may_have_tests_of_its_own() -> None:
    suite = type("TestAcme", (OrderSuite,), {"test_of_our_own": _quietly_passes})
    assert hasattr(suite, TEST)


def test_two_groups_may_be_inherited_together() -> None:
    suite = type("TestAcme", (OrderSuite, EnqueueSuite), {})
    assert hasattr(suite, TEST)


def test_a_deviation_of_an_unknown_test_is_refused() -> None:
    with pytest.raises(TypeError, match="test_misspelt, which is no test"):
        type("TestAcme", (OrderSuite,), {"deviations": {"test_misspelt": "because"}})


def test_a_deviation_of_something_that_is_no_test_is_refused() -> None:
    with pytest.raises(TypeError, match="make_driver, which is no test"):
        type("TestAcme", (OrderSuite,), {"deviations": {"make_driver": "because"}})


def test_a_deviation_without_a_reason_is_refused() -> None:
    with pytest.raises(TypeError, match=f"no reason for {TEST}"):
        type("TestAcme", (OrderSuite,), {"deviations": {TEST: "  "}})


def test_a_class_with_deviations_can_be_inherited() -> None:
    middle = type("AcmeSuite", (OrderSuite,), {"deviations": {TEST: "no priorities"}})
    suite = type("TestAcme", (middle,), {})
    marks = getattr(getattr(suite, TEST), "pytestmark")  # noqa: B009 - a function has no such attribute for a checker
    assert "xfail" in [mark.name for mark in marks], "the deviations of a parent class stay"


def test_every_group_is_in_the_whole_suite() -> None:
    assert set(_groups()) == set(DriverSuite.__bases__)


@pytest.mark.parametrize("group", _groups())
def test_a_group_runs_on_asyncio(group: type[Suite]) -> None:
    tests = [value for name, value in vars(group).items() if name.startswith("test_")]
    assert tests and all(inspect.iscoroutinefunction(test) for test in tests)


def test_every_assertion_of_the_suite_says_which_guarantee_it_checks() -> None:
    silent = [
        f"{module.stem}:{node.lineno}"
        for module in _modules()
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Assert) and node.msg is None)
        or (isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises")
    ]
    assert silent == []


def test_every_test_of_the_suite_asserts_or_waits_for_something() -> None:
    helpers = {"only", "raises", "promptly", "paired"}
    idle = [
        name
        for name, function in _functions()
        if not any(isinstance(node, ast.Assert) for node in ast.walk(function))
        and not helpers & {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    ]
    assert idle == []


def test_an_ability_that_the_protocol_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="`abilities` of TestAcme names telepathy, .* it knows audit, "):
        type("TestAcme", (OrderSuite,), {"abilities": ["telepathy"]})


def test_an_ability_of_the_protocol_may_be_declared() -> None:
    suite = type("TestAcme", (OrderSuite,), {"abilities": [Ability.WORKFLOWS]})
    assert getattr(suite, "abilities") == ["workflows"]  # noqa: B009 - a type has no such attribute for a checker


def test_a_name_that_the_package_does_not_have_is_missing() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        getattr(flowli_conformance, "Nonsense")  # noqa: B009 - a checker would refuse it, rightly
