"""What a reader of the house would trip over, counted over the whole tree."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import flowli
from tests.packaging.checkout import ROOT, python_files, sources, text_files

_MAX_FILE, _MAX_FUNCTION, _MAX_EXPORTS = 400, 40, 40
_HOSTS = ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("debian", "org")
_HOST = re.compile("|".join(rf"\b{name}\.{domain}\b" for name, domain in _HOSTS))
_MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|farm|root)/\w")
_UNFINISHED = re.compile(rf"\b(?:{'|'.join(('TO' + 'DO', 'FIX' + 'ME', 'X' * 3, 'HA' + 'CK'))})\b")
_ALIASES = {"ContextSource"}  # of typing: its text stands below it in the source, and nowhere at run time
_FIXED_WAIT = re.compile(r"\bsleep\((?!0\))")
_VISIBLE = re.compile(r"assert|raises|check|verify|expect|exercise")
_OWN_DISTRIBUTION = re.compile(r"\bflowli-(?:core|memory|redis|glide|conformance)\b")
_MAY_NAME_DISTRIBUTIONS = re.compile(
    r".*pyproject\.toml|.*\.md|constraints\.txt|noxfile\.py|tests/packaging/.*|uv\.lock"
)


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, text in python_files().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.lineno}: {node.name}", node


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    start = (first.end_lineno or first.lineno) + 1 if documented else function.lineno
    return (function.end_lineno or start) - start + 1


def _lines_that_hold(pattern: re.Pattern[str], files: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def _asserts(function: ast.AST) -> bool:
    calls = (ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or any(map(_VISIBLE.search, calls))


def _defined(tree: ast.Module) -> set[str]:
    """The public names that a module makes itself; a type variable is not one."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec"))):
                continue
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                continue
    return {name for name in names if not name.startswith("_")}


def _imported(tree: ast.Module) -> set[str]:
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _exported(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return set(names)
    return None


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(part for part in parts[parts.index("src") + 1 :] if part != "__init__")


def test_no_file_is_longer_than_a_reader_keeps_in_mind() -> None:
    counted = {name: text.count("\n") for name, text in python_files().items()}
    assert {name: lines for name, lines in counted.items() if lines > _MAX_FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    counted = {where: _lines(function) for where, function in _functions()}
    assert {where: lines for where, lines in counted.items() if lines > _MAX_FUNCTION} == {}


def test_every_test_asserts_something_that_can_be_seen() -> None:
    tests = [(where, function) for where, function in _functions() if function.name.startswith("test_")]
    assert [where for where, function in tests if not _asserts(function)] == []


def test_no_test_waits_a_fixed_time() -> None:
    tests = {name: text for name, text in python_files().items() if re.match(r"tests/(.*/)?test_", name)}
    assert _lines_that_hold(_FIXED_WAIT, tests) == []


def test_a_module_exports_all_that_it_defines_and_nothing_that_it_has_not() -> None:
    said: list[str] = []
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        exported, defined = _exported(tree), _defined(tree)
        if exported is None:
            said.append(f"{_module_name(path)} has no __all__")
            continue
        unknown = exported - defined - _imported(tree) if path.name != "__init__.py" else set[str]()
        said += [f"{_module_name(path)}.{name}" for name in sorted((defined - exported) | unknown)]
    assert said == []


def test_every_export_of_a_package_exists() -> None:
    packages = [import_module(_module_name(path)) for path in sources() if path.name == "__init__.py"]
    assert packages
    assert [f"{m.__name__}.{name}" for m in packages for name in m.__all__ if not hasattr(m, name)] == []


def test_the_top_level_is_small() -> None:
    assert 0 < len(flowli.__all__) <= _MAX_EXPORTS


def test_every_name_of_the_top_level_says_what_it_does() -> None:
    said = {name: inspect.getdoc(getattr(flowli, name)) for name in flowli.__all__ if name not in _ALIASES}
    assert [name for name, text in said.items() if not (text or "").strip()] == []


def test_the_type_checkers_look_where_they_are_told_to() -> None:
    # The README's own `.venv` holds nox and nothing else: a setting that names it would win over `--pythonpath`.
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    assert {"venv", "venvPath"}.isdisjoint(settings)


def test_every_session_that_is_named_anywhere_is_there() -> None:
    sessions = set(re.findall(r"@nox\.session(?:\(.*\))?\ndef (\w+)", text_files()["noxfile.py"]))
    named = {name for text in text_files().values() for name in re.findall(r"\bnox -s ([a-z]+)", text)}
    assert sorted(named - sessions) == []


def test_nothing_is_left_unfinished() -> None:
    assert _lines_that_hold(_UNFINISHED, python_files()) == []


def test_no_file_names_a_machine_or_the_host_of_a_registry() -> None:
    assert _lines_that_hold(_MACHINE_PATH, text_files()) + _lines_that_hold(_HOST, text_files()) == []


def test_names_of_distributions_stand_only_in_their_descriptions_and_in_install_lines() -> None:
    free = {name: text for name, text in text_files().items() if not _MAY_NAME_DISTRIBUTIONS.fullmatch(name)}
    assert [line for line in _lines_that_hold(_OWN_DISTRIBUTION, free) if "pip install" not in line] == []


def test_each_distribution_carries_the_licence_of_the_project() -> None:
    licence = text_files()["LICENSE"]
    copies = {name: text for name, text in text_files().items() if name.endswith("/LICENSE")}
    assert len(copies) == len(list(ROOT.glob("*/pyproject.toml")))
    assert [name for name, text in copies.items() if text != licence] == []
