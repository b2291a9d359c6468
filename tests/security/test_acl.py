"""X6: the smallest user of the server is one list, which the page shows and the suite runs as; less than it is refused.

The last holds at `open`, before anything is written: a right that is missing would else be met in the midst of a step.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest

from flowli import Flowli, Runner, job
from flowli.driver import Ability
from flowli.errors import DriverError, DriverUnavailable
from flowli.resp.rights import DOCTOR, ON_CLUSTER, OPTIONAL, REQUIRED, acl_rules
from flowli.resp.scripts import SCRIPTS, script
from flowli_conformance import (
    ActSuite,
    AuditSuite,
    ClaimSuite,
    DeleteSuite,
    EnqueueSuite,
    ExamineSuite,
    FairnessSuite,
    InspectSuite,
    LimitSuite,
    ListSuite,
    OutcomesSuite,
    PauseSuite,
    ProgressSuite,
    RateSuite,
    RecoverySuite,
    ReplaySuite,
    ScheduleSuite,
    SettleSuite,
    UniqueSuite,
    WaitSuite,
    WorkflowSuite,
)
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.support.abilities import OFFERED
from tests.support.jobs import job_of
from tests.support.outside import Outside, outside
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio

_ROOT = Path(__file__).parents[2]
_CALLED = re.compile(r"(?:redis\.p?call|many|try)\('([A-Z]+)'")
_SENT = re.compile(r'Plain\(\s*\(\s*"([A-Z]+)"')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server whose users are changed."""
    server = ValkeyServer(tmp_path_factory.mktemp("acl")).start()
    yield server
    server.stop()


@pytest.fixture
async def operator(server: ValkeyServer) -> AsyncIterator[Outside]:
    async with outside(server.url) as operator:
        yield operator


@pytest.fixture
async def prefix(operator: Outside) -> str:
    """Of an application whose user ``small`` has the rules of the page."""
    prefix = uuid4().hex
    await operator.ask("ACL", "SETUSER", "small", "reset", "on", ">secret", *acl_rules(prefix))
    return prefix


def _url(server: ValkeyServer) -> str:
    return f"redis://small:secret@127.0.0.1:{server.port}/0"


class _Small(
    EnqueueSuite,
    ClaimSuite,
    WaitSuite,
    RecoverySuite,
    SettleSuite,
    ActSuite,
    OutcomesSuite,
    InspectSuite,
    ListSuite,
    ScheduleSuite,
    ExamineSuite,
    AuditSuite,
    DeleteSuite,
    FairnessSuite,
    LimitSuite,
    PauseSuite,
    ProgressSuite,
    RateSuite,
    ReplaySuite,
    UniqueSuite,
    WorkflowSuite,
):
    """What reaches the server: the other groups are about what is on this side of it."""

    abilities: ClassVar[Collection[Ability]] = OFFERED


@pytest.mark.slow
class TestSmallRedis(_Small):
    @pytest.fixture
    def make_driver(self, server: ValkeyServer, prefix: str) -> Callable[[], RedisDriver]:
        return lambda: RedisDriver(_url(server), prefix=prefix)


@pytest.mark.slow
class TestSmallGlide(_Small):
    @pytest.fixture
    def make_driver(self, server: ValkeyServer, prefix: str) -> Callable[[], GlideDriver]:
        return lambda: GlideDriver(_url(server), prefix=prefix)


@pytest.mark.parametrize("command", REQUIRED)
async def test_a_command_that_is_missing_is_named_before_anything_is_written(
    server: ValkeyServer, operator: Outside, prefix: str, command: str
) -> None:
    await operator.ask("ACL", "SETUSER", "small", f"-{command.lower()}")
    with pytest.raises(DriverError, match=rf"the command {command};") as caught:
        await RedisDriver(_url(server), prefix=prefix).open()
    assert not isinstance(caught.value, DriverUnavailable), "trying again does not help"
    assert await operator.keys(f"flowli:{{{prefix}}}:*") == set()


async def test_glide_names_it_too(server: ValkeyServer, operator: Outside, prefix: str) -> None:
    await operator.ask("ACL", "SETUSER", "small", "-zremrangebyrank")
    with pytest.raises(DriverError, match="the command ZREMRANGEBYRANK;"):
        await GlideDriver(_url(server), prefix=prefix).open()


@pytest.mark.slow
async def test_without_subscribe_a_result_is_found_all_the_same(
    server: ValkeyServer, operator: Outside, prefix: str
) -> None:
    @job
    async def greet() -> str:
        return "hello"

    await operator.ask("ACL", "SETUSER", "small", "-subscribe")
    async with Flowli(context=None, jobs=[greet], driver=RedisDriver(_url(server), prefix=prefix)) as app:
        handle = await app.use(greet).enqueue()
        waiting = asyncio.create_task(handle.result(timeout=50))
        await asyncio.gather(app.inspect.get_job(handle.id), Runner(app).run_until_idle())
        assert await waiting == "hello"


@pytest.mark.parametrize("rules", [("resetkeys", "~other:*"), ("resetchannels", "&other:*")])
async def test_keys_and_channels_that_are_missing_are_named(
    server: ValkeyServer, operator: Outside, prefix: str, rules: tuple[str, ...]
) -> None:
    await operator.ask("ACL", "SETUSER", "small", *rules)
    with pytest.raises(DriverError):
        await RedisDriver(_url(server), prefix=prefix).open()
    assert await operator.keys(f"flowli:{{{prefix}}}:*") == set()


@pytest.mark.parametrize("command", sorted({*OPTIONAL, *DOCTOR}))
async def test_what_is_optional_can_be_left_out(
    server: ValkeyServer, operator: Outside, prefix: str, command: str
) -> None:
    await operator.ask("ACL", "SETUSER", "small", f"-{command.lower()}")
    driver = RedisDriver(_url(server), prefix=prefix)
    await driver.open()
    assert [one.id for one in await driver.enqueue([job_of("a")])] == ["a"]
    await driver.close()


async def test_another_application_cannot_be_reached(server: ValkeyServer, operator: Outside, prefix: str) -> None:
    for other in (f"{prefix}x", prefix[:-1], f"x{prefix}"):
        with pytest.raises(DriverError):
            await RedisDriver(_url(server), prefix=other).open()
        assert await operator.keys(f"flowli:{{{other}}}:*") == set()


def test_every_command_that_is_sent_is_on_the_list() -> None:
    scripts = {command for name in SCRIPTS for command in _CALLED.findall(script(name).text)}
    folders = ("flowli_core/src/flowli/resp", "flowli_redis/src", "flowli_glide/src")
    sources = [path.read_text(encoding="utf-8") for folder in folders for path in (_ROOT / folder).rglob("*.py")]
    sent = {command for text in sources for command in _SENT.findall(text)}
    known = {command.partition("|")[0] for command in (*REQUIRED, *OPTIONAL, *DOCTOR, *ON_CLUSTER, "WAITAOF")}
    assert "ZADD" in scripts and "RPUSH" in scripts and "HKEYS" in sent, "the patterns find something"
    assert (scripts | sent) - known == set()
    spelt_otherwise = {"EVAL", "EVALSHA", "SUBSCRIBE", "BZPOPMIN", "HSCAN", "ZSCAN", "SCAN", "DBSIZE", "SELECT", "WAIT"}
    used = scripts | sent | spelt_otherwise
    assert known - {"WAITAOF"} - used == set(), "and nothing is granted that nobody sends"


def test_the_page_shows_the_list() -> None:
    page = (_ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```\nACL SETUSER app on >PASSWORD (.*?)\n```", page, flags=re.DOTALL)
    assert shown.split() == acl_rules("app")
