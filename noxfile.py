"""How the tree is checked: the commands. Names, paths and versions come from pyproject.toml and constraints.txt."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "quick"]

PROJECT = nox.project.load_toml("pyproject.toml")
MEMBERS: list[str] = PROJECT["tool"]["uv"]["workspace"]["members"]
SHIPPED = [member for member in MEMBERS if member != "conformance"]
FRAMEWORKS: list[str] = sorted(nox.project.load_toml("flowli_core/pyproject.toml")["project"]["optional-dependencies"])
THIRD_PARTY = "examples/third_party_driver"
CONFORM = ("pytest", "-m", "conformance", "-n", "2", "--dist", "loadscope")
CLUSTER = ["tests/redis/test_conformance_cluster.py", "tests/glide/test_conformance_cluster.py"]
REDIS_PY = [CLUSTER[0], "tests/redis/test_conformance_valkey.py", "tests/redis/test_model.py::TestRedisPyModel"]
CONFORMANCE = [
    ("memory", "valkey", ["tests/memory"]),
    ("valkey", "valkey", ["tests/redis", "tests/glide"]),
    ("redis-8", "redis-8", [*REDIS_PY, "tests/glide"]),
    ("redis-7", "redis-7", [*REDIS_PY, "tests/glide"]),
    ("sqlite", "valkey", [f"{THIRD_PARTY}/tests"]),
]
NIGHTLY = [
    ("memory", "tests/memory/test_model.py"),
    ("redis", "tests/redis/test_model.py::TestRedisPyModel"),
    ("glide", "tests/glide/test_model.py"),
    ("fakeredis", "tests/redis/test_model.py::TestFakeRedisModel"),
    ("sqlite", f"{THIRD_PARTY}/tests/test_model.py"),
    ("crash", "tests/crash"),
    ("simulation", "tests/faults/test_simulation.py"),
    ("cron", "tests/faults/test_cron_oracle.py"),
]
DISTURBED = [
    "tests/crash",
    *(f"tests/durability/test_{name}.py" for name in ("failover", "levels", "restarts", "tls")),
    "tests/security/test_acl.py",
]
"""What else makes trouble, through either client: every crash point, failover, restarts, TLS, a user without rights."""

WAITS = [
    "tests/benchmarks/test_harness.py",
    "tests/cluster",
    "tests/crash",
    "tests/packaging/test_authors.py",
    "tests/redis/test_conformance_fakeredis.py",
    *(f"tests/durability/test_{name}.py" for name in ("conformance", "failover", "restarts")),
]
"""What waits for disks, elections, processes, and Lua in Python (fakeredis; the gate has the same scripts on Valkey).
Left out of the gate: `waits` runs it, `cluster`, `conformance` and `faults` more."""

BOUNDED = [
    "tests/core",
    "tests/memory/test_conformance.py",
    "tests/redis/test_conformance_valkey.py",
    "tests/redis/test_opening.py",
    "tests/glide/test_conformance_valkey.py",
    "tests/glide/test_opening.py",
    "tests/process/test_command.py",
]
"""What meets each dependency of a distribution: pydantic, croniter, redis-py, GLIDE, typer, rich, pytest, anyio."""

LOCKED = ["pyproject.toml", *(f"{member}/pyproject.toml" for member in MEMBERS)]
OURS: list[str] = [nox.project.load_toml(path)["project"]["name"] for path in LOCKED]


def install(session: nox.Session, group: str, members: Collection[str] = (*MEMBERS, THIRD_PARTY)) -> None:
    """Install distributions of the checkout and one group of development dependencies, at the pinned versions."""
    build, wanted = (nox.project.dependency_groups(PROJECT, name) for name in ("build", group))
    extras = f"[{','.join(FRAMEWORKS)}]" if group == "dev" else "[cli]"
    paths = [f"./{member}{extras if member == 'flowli_core' else ''}" for member in members]
    editable = [argument for path in (*paths, ".") for argument in ("-e", path)]
    session.install("-c", "constraints.txt", *build)
    session.install("-c", "constraints.txt", "--no-build-isolation", *editable, *wanted)


def check_style(session: nox.Session) -> None:
    """Run ruff and the import contracts."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache")


def check_types(session: nox.Session) -> None:
    """Run both type checkers, and demand that every public symbol has a known type."""
    session.run("mypy")
    here = ("pyright", "--pythonpath", f"{session.bin}/python")
    session.run(*here)
    session.run(*here, "--verifytypes", "flowli", "--ignoreexternal")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that the gate needs."""
    install(session, "dev")
    check_style(session)
    check_types(session)
    left_out = [f"--ignore={place}" for place in WAITS]
    session.run("pytest", "-n", "4", "--dist", "loadfile", "-m", "not cluster", *left_out, *session.posargs)
    if not session.posargs:
        session.run(*CONFORM, f"{THIRD_PARTY}/tests/test_conformance.py")


@nox.session
def waits(session: nox.Session) -> None:
    """What the gate leaves out because it waits for disks, elections and processes."""
    install(session, "dev")
    session.run("pytest", "-n", "4", "--dist", "loadfile", "-m", "not cluster", *WAITS, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and who may import whom."""
    install(session, "lint")
    check_style(session)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy and pyright, over sources, tests and examples; pyright also as if for the Python that comes next."""
    install(session, "dev")
    check_types(session)
    session.run("pyright", "--pythonversion", "3.14", "--pythonpath", f"{session.bin}/python")


@nox.session
def quick(session: nox.Session) -> None:
    """Core and the memory driver: the inner loop."""
    install(session, "dev")
    session.run("pytest", "-m", "not slow", "tests/core", "tests/memory", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """The suite over every driver and server; `-- --keep` writes what ran on what into docs/support.md."""
    install(session, "dev")
    reports = Path(session.create_tmp())
    for old in reports.glob("*.json"):
        old.unlink()
    for name, server, folders in CONFORMANCE:
        if server == "redis-7" and shutil.which("redis-server") is None:
            session.warn("no redis-server on PATH (Debian's package is 7.0): its rows are left out")
            continue
        report = f"--flowli-report={reports / name}.json"
        session.run(*CONFORM, report, *folders, env={"FLOWLI_TEST_SERVER": server})
    page = "docs/support.md" if "--keep" in session.posargs else str(reports / "support.md")
    session.run("python", "-m", "flowli_conformance.report", page, *sorted(map(str, reports.glob("*.json"))))


@nox.session
def cluster(session: nox.Session) -> None:
    """On three primaries and three replicas of each server: the suite through both clients, and what may happen."""
    install(session, "dev")
    for server in ("valkey", "redis-8", "redis-7"):
        if server == "redis-7" and shutil.which("redis-server") is None:
            session.warn("no redis-server on PATH (Debian's package is 7.0): it is left out")
            continue
        folders = ["tests/cluster", *CLUSTER]
        session.run("pytest", "-n", "2", "--dist", "loadscope", *folders, env={"FLOWLI_TEST_SERVER": server})


@nox.session
def faults(session: nox.Session) -> None:
    """One round under faults: `nox -s faults -- SERVER CLIENT`, with --quick for what the gate runs.

    SERVER is valkey, redis-8 or redis-7 (Debian's, on PATH), CLIENT is redis or glide.
    """
    install(session, "dev")
    server, client, *options = [*session.posargs, *("valkey", "redis")[len(session.posargs) :]]
    is_quick = "--quick" in options
    more = [option for option in options if option != "--quick"]
    places = ["tests/faults", "-m", "quick"] if is_quick else ["tests/faults", *DISTURBED]
    meant = ["-k", f"not {'glide' if client == 'redis' else 'redis'}"]
    env = {"FLOWLI_TEST_SERVER": server, "FLOWLI_TEST_CLIENT": client}
    session.run("pytest", "-n", "2", "--dist", "worksteal", *places, *meant, *more, env=env)


@nox.session
def soak(session: nox.Session) -> None:
    """Four runners and two producers under a seeded nemesis: `nox -s soak -- --minutes 60 --seed 7`."""
    install(session, "dev")
    session.run("python", "-m", "tests.faults.soak", *session.posargs)


@nox.session
def nightly(session: nox.Session) -> None:
    """What takes long: 2,000 x 50 steps over each driver, every crash point, simulated lives by the thousand, and cron
    around every change of every zone's clocks. `-- memory` is one of them."""
    install(session, "dev")
    for name, place in NIGHTLY:
        if name in session.posargs or not session.posargs:
            session.run("pytest", place, env={"FLOWLI_PROFILE": "nightly"})


@nox.session
def durability(session: nox.Session) -> None:
    """The whole suite at every level of durability, on a primary with a replica."""
    install(session, "dev")
    env = {"FLOWLI_TEST_DURABILITY": "all"}
    session.run(*CONFORM, "tests/durability/test_conformance.py", *session.posargs, env=env)


@nox.session
def packaging(session: nox.Session) -> None:
    """Wheels, pins, a clean environment, and the rules of the house."""
    install(session, "dev")
    session.run("pytest", "tests/packaging", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run every program of the pages, then build them into site/: no warnings, no network."""
    install(session, "dev")
    session.install("-c", "constraints.txt", *nox.project.dependency_groups(PROJECT, "docs"))
    session.run(
        "pytest",
        "-n",
        "2",
        "tests/examples",
        "tests/frameworks",
        "tests/telemetry",
        "tests/packaging/test_pages.py",
        *session.posargs,
        env={"FLOWLI_PEERS": "1"},
    )
    session.run("zensical", "build", "--strict")


@nox.session(python="3.12")
def frameworks(session: nox.Session) -> None:
    """The frameworks on Python 3.12, where Django is 6 and has tasks of its own."""
    install(session, "dev")
    session.run("pytest", "-n", "2", "tests/frameworks", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Wheels and source archives of all distributions into dist/, and what an index would say of them."""
    groups = [*nox.project.dependency_groups(PROJECT, "build"), *nox.project.dependency_groups(PROJECT, "release")]
    session.install("-c", "constraints.txt", *groups)
    shutil.rmtree("dist", ignore_errors=True)
    for source in (".", *MEMBERS):
        session.run("python", "-m", "build", "--no-isolation", "--outdir", "dist", source)
    session.run("twine", "check", "--strict", *map(str, sorted(Path("dist").iterdir())))


@nox.session
def bounds(session: nox.Session) -> None:
    """Core and the drivers on the lowest versions that their descriptions allow; everything else is on the pinned ones,
    which are near the highest."""
    install(session, "dev")
    lowest = Path(session.create_tmp()) / "lowest.txt"
    described = [f"{member}/pyproject.toml" for member in MEMBERS]
    ours = [argument for name in OURS for argument in ("--no-emit-package", name)]
    options = ["--resolution", "lowest-direct", "--python-version", "3.11", "--all-extras", "--no-emit-index-url"]
    session.run("uv", "pip", "compile", "-q", *options, *ours, *described, "-o", str(lowest))
    session.run("uv", "pip", "install", "-q", "--python", f"{session.bin}/python", "-r", str(lowest))
    session.run("uv", "pip", "freeze", "--python", f"{session.bin}/python")
    session.run("pytest", "-n", "2", "-m", "not slow", *BOUNDED, *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of what is pinned, as PyPI lists them; `-- -s osv` asks OSV instead.

    It fails where it gets no answer, and is no part of the gate, which needs no service but a package index.
    """
    session.install("pip-audit")  # the newest: what is known is not in it
    session.run("pip-audit", "--strict", "--no-deps", "--disable-pip", "-r", "constraints.txt", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The tour of `examples/demo.py`, with a server of its own."""
    install(session, "demo", SHIPPED)
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def pictures(session: nox.Session) -> None:
    """Draw docs/pictures anew: what commands print on a terminal."""
    install(session, "demo", SHIPPED)
    session.run("python", "examples/pictures.py", "docs/pictures")


@nox.session
def bench(session: nox.Session) -> None:
    """Flowli beside bare loops and peers: `nox -s bench -- --quick`; benchmarks/README.md says the rest."""
    install(session, "bench", SHIPPED)
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Write constraints.txt anew: `nox -s lock`, or `nox -s lock -- --upgrade`."""
    session.install("uv")
    left_out = [argument for name in OURS for argument in ("--no-emit-package", name)]
    groups = ["--group", "dev", "--group", "docs", "--group", "release"]
    options = ["--universal", "--python-version", "3.11", "--all-extras", "--no-annotate", *groups]
    command = ["uv", "pip", "compile", "-q", *options, "--no-emit-index-url", *left_out, *session.posargs, *LOCKED]
    session.run(*command, "-o", "constraints.txt", env={"UV_CUSTOM_COMPILE_COMMAND": "nox -s lock"})
