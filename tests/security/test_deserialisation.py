"""X1 and X15: what ships turns no stored bytes into objects or code, and puts nothing into temporary files."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from flowli import Flowli, Runner, job
from flowli.driver import NewJob, State
from flowli_memory import MemoryDriver
from tests.packaging.checkout import python_files

_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "yaml", "jsonpickle", "copyreg"}
_CALLS = {"eval", "exec", "compile", "__import__", "import_string", "load_object"}
_IMPORTERS = {"import_module", "find_spec", "spec_from_file_location"}
_TEMPORARY = {"tempfile", "mkstemp", "mkdtemp"}

_NAMES_OF_OPERATORS = {
    "flowli_core/src/flowli/cli_target.py": "the module that an operator names on the command line",
    "flowli_core/src/flowli/children.py": "the module of a handler that this process has registered, in its child",
    "flowli_core/src/flowli/cli_dev.py": "whether what `flowli dev` works with is there",
    "flowli_core/src/flowli/__main__.py": "whether the libraries of the command line are there",
    "flowli_core/src/flowli/django/runtime.py": "what settings name, and modules of installed applications",
    "flowli_core/src/flowli/django/tasks.py": "Django's own modules, under one of two names",
    "conformance/src/flowli_conformance/__init__.py": "its own modules, from a table in the same file",
    "conformance/src/flowli_conformance/model/__init__.py": "whether hypothesis is there",
}
"""Where a module is imported by a name, and whose name it is. None of them is stored."""

_EVALUATES = {("flowli_core/src/flowli/schema.py", "eval"): "annotations of handlers, as typing.get_type_hints does"}
"""What is evaluated, and whose source it is. None of it is stored."""


def _shipped() -> Iterator[tuple[str, ast.Module]]:
    for name, text in python_files().items():
        if "/src/" in name:
            yield name, ast.parse(text)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def _calls(tree: ast.AST) -> Iterator[str]:
    """Names of functions that are called, and of builtins whatever is done with them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name):
                    yield name
                case ast.Attribute(attr=name, value=ast.Name(id=owner)) if owner != "re":
                    yield name
                case _:
                    continue


def test_the_search_finds_what_it_looks_for() -> None:
    tree = ast.parse(
        "import pickle, os\nfrom yaml import load\neval('1')\nimportlib.import_module(name)\nre.compile('')"
    )
    assert set(_imports(tree)) & _MODULES == {"pickle", "yaml"}
    assert set(_calls(tree)) & (_CALLS | _IMPORTERS) == {"eval", "import_module"}
    assert len(list(_shipped())) > 100


def test_nothing_that_ships_deserialises_objects_or_evaluates() -> None:
    found = {(name, word) for name, tree in _shipped() for word in (*_imports(tree), *_calls(tree))}
    assert {one for one in found if one[1] in _MODULES or one[1] in _CALLS} == set(_EVALUATES)


def test_modules_are_imported_by_name_only_where_an_operator_names_them() -> None:
    found = {name for name, tree in _shipped() if set(_calls(tree)) & _IMPORTERS}
    assert found <= set(_NAMES_OF_OPERATORS), found - set(_NAMES_OF_OPERATORS)


def test_nothing_that_ships_makes_temporary_files() -> None:
    found = [(name, word) for name, tree in _shipped() for word in (*_imports(tree), *_calls(tree))]
    assert [one for one in found if one[1] in _TEMPORARY] == []
    assert [name for name, text in python_files().items() if "/src/" in name and '"/tmp' in text] == []


@job
async def known() -> None: ...


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["os.system", "os:system", "builtins.exec", "tests.security.test_limits", "__init__"])
async def test_the_name_of_a_stored_job_is_looked_up_and_never_imported(name: str) -> None:
    driver = MemoryDriver()
    app = Flowli(context=None, driver=driver, jobs=[known])
    async with app:
        await driver.enqueue([NewJob("a", "default", name, b"1", b'"touch /tmp/never"')])
        await Runner(app).run_once()
        [stored] = await driver.get_jobs(["a"])
    assert stored is not None and stored.state is State.SCHEDULED, "parked: no such job is registered"
