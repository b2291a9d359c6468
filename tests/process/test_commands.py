"""The commands that look and act: what they print, their JSON by its schema, their exit statuses."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from flowli.cli import app
from tests.process.schemas import Act, Answer, Counts, Definition, Explanation, Record, valid
from tests.support.servers import ValkeyServer

RUNTIME = """
from pydantic import BaseModel

from flowli import Flowli, job
from flowli_redis import RedisDriver
from flowli_memory import MemoryDriver


class Order(BaseModel):
    number: int


class Tenant(BaseModel):
    tenant: str


@job(tags=("billing",), max_attempts=1)
async def charge(order: Order, *, meta: Tenant) -> int:
    if order.number < 0:
        raise ValueError("no such order")
    return order.number


@job
async def tick() -> None: ...


class App(Flowli):
    charge = charge
    tick = tick


live = App(context=None, driver=RedisDriver("{url}", prefix="{prefix}"))
nowhere = App(context=None, driver=RedisDriver("redis://:secret@127.0.0.1:1/0"))
in_memory = App(context=None, driver=MemoryDriver())
without = App(context=None)
"""

Flowli = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    name = f"shop_{uuid4().hex}"
    text = RUNTIME.replace("{url}", valkey_server.url).replace("{prefix}", uuid4().hex)
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(f'[tool.flowli]\napp = "{name}:live"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop(name, None)


@pytest.fixture
def flowli(folder: Path) -> Flowli:
    assert folder.is_dir()

    def run(*words: str, status: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, list(words), input=stdin)
        assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
        return result

    return run


def enqueued(flowli: Flowli, number: int) -> str:
    order, tenant = json.dumps({"number": number}), '{"tenant": "acme"}'
    return str(flowli("enqueue", "charge", order, "--meta", tenant).stdout.strip())


def failed(flowli: Flowli, *numbers: int) -> list[str]:
    """Jobs that a runner process has executed, and that failed."""
    ids = [enqueued(flowli, number) for number in numbers]
    program = (
        "import asyncio, sys\n"
        "from flowli import Runner\n"
        "from flowli.cli_target import find_runtime\n"
        "asyncio.run(Runner(find_runtime(None)).run_until_idle())"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=50)
    return ids


def test_jobs_are_described_with_their_schemas(flowli: Flowli) -> None:
    charge, tick = (valid(Definition, line) for line in flowli("jobs", "--json").stdout.splitlines())
    assert (charge["name"], charge["tags"], charge["input_schema"]["required"]) == ("charge", ["billing"], ["number"])
    assert charge["meta_schema"]["required"] == ["tenant"]
    assert (tick["name"], tick["input_schema"]) == ("tick", None)
    assert flowli("jobs").stdout.splitlines()[1].startswith("charge")


def test_a_job_goes_in_and_is_counted_listed_and_shown(flowli: Flowli) -> None:
    id = enqueued(flowli, 7)
    found = valid(Counts, flowli("counts", "--json").stdout)
    assert [(one["queue"], one["queued"]) for one in found["queues"]] == [("default", 1)]
    [line] = flowli("list", "--state", "queued", "--json").stdout.splitlines()
    assert (valid(Record, line)["id"], valid(Record, line)["input"]) == (id, None)
    record = valid(Record, flowli("show", id, "--json").stdout)
    assert (record["input"], record["meta"], record["state"]) == ({"number": 7}, {"tenant": "acme"}, "queued")
    shown = flowli("show", id).stdout
    assert id in shown and '{"number":7}' in shown and "\x1b" not in shown
    assert id in flowli("list", "--state", "queued").stdout


def test_why_a_job_does_not_run_is_explained(flowli: Flowli) -> None:
    id = enqueued(flowli, 7)
    found = valid(Explanation, flowli("explain", id, "--json").stdout)
    assert (found["state"], [one["cause"] for one in found["reasons"]]) == ("queued", ["unserved", "next"])
    assert flowli("explain", id).stdout.splitlines() == [one["text"] for one in found["reasons"]]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("show", "nobody"), 1, "There is no record of job 'nobody'"),
        (("explain", "nobody"), 1, "There is no record of 'nobody'"),
        (("enqueue", "nobody"), 2, "Jobs: charge, tick."),
        (("enqueue", "charge", '{"number": "x"}', "--meta", '{"tenant": "a"}'), 2, "input.number"),
        (("enqueue", "charge", '{"number": 1}'), 2, "meta"),
        (("enqueue", "charge", "{", "--meta", '{"tenant": "a"}'), 2, "input does not validate"),
        (("enqueue", "tick", "--meta", "{}"), 2, "takes no meta"),
        (("list", "--state", "broken"), 2, "is one of scheduled, queued"),
        (("retry",), 2, "Which jobs?"),
        (("retry", "a", "--state", "failed"), 2, "not both"),
        (("retry", "a", "b", "--input", "1"), 2, "--input is for one job"),
        (("retry", "nobody"), 1, "not retried: nobody"),
        (("retry", "nobody", "--rate", "fast"), 2, "'10/s'"),
        (("cancel", "nobody"), 1, "not cancelled: nobody"),
        (("delete", "nobody"), 1, "not deleted: nobody"),
        (("schedules", "pause", "nobody"), 1, "There is no schedule 'nobody'"),
        (("schedules", "show", "nobody"), 1, "There is no schedule 'nobody'"),
        (("list", "--cursor", "nonsense"), 2, "Begin again without one"),
        (("health", "--runner"), 1, "No runner is alive"),
    ],
)
def test_a_refusal_is_prose_on_stderr_with_its_status(
    flowli: Flowli, words: tuple[str, ...], status: int, says: str
) -> None:
    result = flowli(*words, status=status)
    assert says in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("attribute", "status", "says"),
    [
        ("nowhere", 3, "127.0.0.1:1"),
        ("in_memory", 2, "nobody else sees one"),
        ("without", 2, "has no driver"),
        ("absent", 2, "is no runtime. In this module: "),
    ],
)
@pytest.mark.parametrize("command", ["counts", "list", "acts", "health"])
def test_a_store_that_cannot_be_used_is_a_status(
    flowli: Flowli, folder: Path, command: str, attribute: str, status: int, says: str
) -> None:
    [module] = folder.glob("shop_*.py")
    result = flowli(command, f"{module.stem}:{attribute}", status=status)
    assert says in result.stderr and "secret" not in result.stderr


def test_failed_jobs_are_retried_one_edited_and_all_that_match(flowli: Flowli) -> None:
    one, two, three = failed(flowli, -1, -2, -3)
    listed = [valid(Record, line) for line in flowli("list", "--error", "ValueError", "--json").stdout.splitlines()]
    assert {record["id"] for record in listed} == {one, two, three}

    answer = valid(Answer, flowli("retry", one, "--input", '{"number": 5}', "--by", "ada", "--json").stdout)
    assert answer == {"asked": 1, "done": 1, "not_done": []}
    assert valid(Record, flowli("show", one, "--json").stdout)["input"] == {"number": 5}

    asked = flowli("retry", "--job", "charge", status=1, stdin="n\n")
    assert "Retry 2 job(s) with state=failed job=charge?" in asked.stderr
    assert valid(Record, flowli("show", two, "--json").stdout)["state"] == "failed"
    done = flowli("retry", "--tag", "billing", "--yes", "--rate", "1/m")
    assert "2 of 2 job(s) retried" in done.stderr

    acts = [valid(Act, line) for line in flowli("acts", "--json").stdout.splitlines()]
    assert [(act["deed"], act["done"], act["rate"]) for act in acts] == [("replay", 2, "1/m"), ("replay", 1, None)]
    assert (acts[1]["by"], acts[1]["ids"], acts[1]["edited"]) == ("ada", [one], True)
    assert "ada" in flowli("acts").stdout


def test_jobs_are_cancelled_and_deleted(flowli: Flowli) -> None:
    ids = [enqueued(flowli, number) for number in range(3)]
    assert "1 of 1 job(s) cancelled" in flowli("cancel", ids[0]).stderr
    assert "2 of 2 job(s) cancelled" in flowli("cancel", "--state", "queued", stdin="y\n").stderr
    assert flowli("delete", "--state", "cancelled", "--yes", "--json").stdout == '{"asked":3,"done":3,"not_done":[]}\n'
    assert flowli("list", "--state", "cancelled", "--json").stdout == ""


def test_how_far_an_act_is_shows_on_a_screen_alone(flowli: Flowli) -> None:
    for number in range(3):
        enqueued(flowli, number)
    assert flowli("cancel", "--state", "queued", "--yes").stderr == "3 of 3 job(s) cancelled\n"
    ours, screen = pty.openpty()
    try:
        program = [sys.executable, "-c", "from flowli.cli import app; app()"]
        command = [*program, "delete", "--state", "cancelled", "--yes"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=screen, check=True, timeout=50)
    finally:
        os.close(screen)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.stdout == b""
    assert "deleting" in shown and "3 of 3 job(s) deleted" in shown


def test_listings_are_continued(flowli: Flowli) -> None:
    ids = {enqueued(flowli, number) for number in range(3)}
    first = flowli("list", "--state", "queued", "--limit", "2", "--json")
    cursor = first.stderr.split()[-1]
    rest = flowli("list", "--state", "queued", "--limit", "2", "--cursor", cursor, "--json")
    lines = (first.stdout + rest.stdout).splitlines()
    assert {json.loads(line)["id"] for line in lines} == ids and len(lines) == 3 and rest.stderr == ""


def test_schedules_are_looked_at_and_acted_on(flowli: Flowli) -> None:
    program = (
        "import asyncio\n"
        "from flowli.cli_target import find_runtime\n"
        "asyncio.run(find_runtime(None).tick.schedule('0 8 * * *', key='daily', tz='Europe/Berlin'))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=50)
    [line] = flowli("schedules", "list", "--json").stdout.splitlines()
    assert (json.loads(line)["key"], json.loads(line)["is_paused"]) == ("daily", False)
    assert len(json.loads(flowli("schedules", "preview", "daily", "-n", "3", "--json").stdout)) == 3
    flowli("schedules", "pause", "daily")
    assert json.loads(flowli("schedules", "show", "daily", "--json").stdout)["is_paused"] is True
    assert "paused" in flowli("schedules", "list").stdout
    flowli("schedules", "resume", "daily")
    id = flowli("schedules", "trigger", "daily").stdout.strip()
    assert valid(Record, flowli("show", id, "--json").stdout)["schedule_key"] == "daily"
    flowli("schedules", "delete", "daily", status=1, stdin="n\n")
    flowli("schedules", "delete", "daily", "--yes")
    assert flowli("schedules", "list", "--json").stdout == ""


def test_check_says_what_is_wrong(flowli: Flowli, folder: Path) -> None:
    found = json.loads(flowli("check", "--json").stdout)
    assert found["ok"] and [one["what"] for one in found["checks"]][:2] == ["job charge", "job tick"]
    [module] = folder.glob("shop_*.py")
    broken = flowli("check", f"{module.stem}:nowhere", status=1)
    assert "FAIL" in broken.stdout and "127.0.0.1:1" in broken.stderr
    assert "jobs live and end with the process" in flowli("check", f"{module.stem}:in_memory").stdout


def test_health_prints_nothing_and_version_everything(flowli: Flowli) -> None:
    assert flowli("health").stdout == ""
    assert set(json.loads(flowli("version", "--json").stdout)) >= {
        f"flowli-{part}" for part in ("core", "memory", "redis")
    }


def test_options_come_from_the_environment_and_from_pyproject(
    flowli: Flowli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        enqueued(flowli, number)
    settings = (folder / "pyproject.toml").read_text(
        encoding="utf-8"
    ) + '[tool.flowli.list]\nstate = "queued"\nlimit = 2\n'
    (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    assert len(flowli("list", "--json").stdout.splitlines()) == 2
    monkeypatch.setenv("FLOWLI_LIST_LIMIT", "1")
    assert len(flowli("list", "--json").stdout.splitlines()) == 1
    assert len(flowli("list", "--limit", "3", "--json").stdout.splitlines()) == 3
    (folder / "pyproject.toml").write_text("[tool.flowli]\n", encoding="utf-8")
    assert "Which runtime?" in flowli("list", status=2).stderr
    (folder / "pyproject.toml").write_text("[", encoding="utf-8")
    assert "cannot be read" in flowli("list", status=2).stderr


@pytest.mark.slow
def test_the_commands_work_as_processes_in_a_pipe(folder: Path) -> None:
    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "flowli", *words]
        return subprocess.run(line, cwd=folder, input=stdin, capture_output=True, text=True, timeout=50, check=False)

    stored = run("enqueue", "charge", "-", "--meta", '{"tenant": "acme"}', stdin='{"number": 1}')
    assert (stored.returncode, stored.stderr) == (0, ""), stored.stderr
    shown = run("show", stored.stdout.strip(), "--json")
    assert (shown.returncode, json.loads(shown.stdout)["input"]) == (0, {"number": 1})
    listed = run("list", "--state", "queued")
    assert listed.returncode == 0 and stored.stdout.strip() in listed.stdout and "\x1b" not in listed.stdout
    refused = run("delete", "--state", "queued")
    assert (refused.returncode, refused.stdout.strip()) == (1, ""), "nobody answered, so nothing was done"
    assert run("delete", "--state", "queued", "--yes").returncode == 0
    assert run("schedules", "list").returncode == 0
