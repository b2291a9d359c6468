"""The scripts are sent by digest, are found by text when a server has lost them, and touch only what they declare."""

from __future__ import annotations

from importlib.resources import files

import pytest

from flowli.driver import Act, Deed, Hold, Millis, Settled
from flowli.resp.keys import Keys
from flowli.resp.scripts import script
from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside

pytestmark = pytest.mark.anyio

NAMES = sorted(
    path.name.removesuffix(".lua") for path in (files("flowli.resp") / "lua").iterdir() if path.name != "parts"
)


@pytest.mark.parametrize("name", NAMES)
def test_a_call_passes_the_keys_that_the_header_names(name: str) -> None:
    found = script(name)
    call = found.call(Keys("app"), ["one", "two"], [])
    assert len(call.keys) == len(found.fixed) + 2 * len(found.of_queue), "each queue has each of its keys"
    assert all(key.startswith("flowli:{app}:") for key in call.keys), "every key is in the slot of the namespace"


@pytest.mark.parametrize("name", NAMES)
def test_a_script_names_no_key_but_those_of_its_header(name: str) -> None:
    text = script(name).text
    assert "flowli:" not in text, "no script builds the name of a key"
    assert not text.startswith("#!"), "a shebang line is refused by some stores"
    assert not {"cjson", "cmsgpack", "struct"} & set(text.replace(".", " ").split()), (
        "nor are these libraries everywhere"
    )


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"enqueue"}))
def test_every_script_has_a_header_for_its_reader(name: str) -> None:
    lines = (files("flowli.resp") / "lua" / f"{name}.lua").read_text().splitlines()
    heads = [line.split(":")[0] for line in lines if line.startswith("-- ") and ":" in line]
    assert {"-- KEYS", "-- ARGV", "-- Returns"} <= set(heads), "keys, arguments and reply are said at the top"


async def test_every_verb_survives_a_server_that_forgot_the_scripts(driver: RedisDriver, client: Outside) -> None:
    await driver.enqueue([job_of("a"), job_of("b")])
    leases = (await driver.exchange([], claim_of())).leases
    await client.ask("SCRIPT", "FLUSH")
    assert (await driver.exchange([ended(leases[0])], claim_of())).settled == [Settled.WRITTEN]
    await client.ask("SCRIPT", "FLUSH")
    assert len(await driver.renew([Hold("mail", "b", leases[1].token)], Millis(1_000))) == 1
    await client.ask("SCRIPT", "FLUSH")
    await driver.enqueue([job_of("c")])
    await client.ask("SCRIPT", "FLUSH")
    assert (await driver.act([Act(id="c", deed=Deed.CANCEL)]))[0].done
    await client.ask("SCRIPT", "FLUSH")
    assert [job and job.id for job in await driver.get_jobs(["a", "b", "c"])] == [None, "b", None]


async def test_a_wait_survives_a_server_that_forgot_the_scripts(driver: RedisDriver, client: Outside) -> None:
    await driver.exchange([], claim_of())
    await client.ask("SCRIPT", "FLUSH")
    await driver.enqueue([job_of("a")])
    assert [lease.id for lease in (await driver.exchange([], claim_of(wait=5_000))).leases] == ["a"]
