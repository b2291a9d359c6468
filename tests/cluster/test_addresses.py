"""How a cluster is named, in the same words for both client libraries."""

from __future__ import annotations

import pytest

from flowli.errors import DefinitionError
from flowli.resp.addresses import Address, cluster_of
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver


def test_nodes_login_and_tls_are_read() -> None:
    url = "rediss+cluster://user:p%40ss@one:7000,two,[::1]:7001"
    assert cluster_of(url) == (
        "rediss://user:p%40ss@one:7000",
        [Address("one", 7000), Address("two", 6379), Address("::1", 7001)],
    )
    assert cluster_of("redis://one:7000/0") is None


@pytest.mark.parametrize("driver", [RedisDriver, GlideDriver])
def test_a_driver_says_where_it_is_and_no_secret(driver: type[RedisDriver] | type[GlideDriver]) -> None:
    said = str(driver("redis+cluster://user:CANARY@one:7000,two:7001", prefix="app"))
    assert "one:7000" in said and "(cluster)" in said and "CANARY" not in said


@pytest.mark.parametrize("driver", [RedisDriver, GlideDriver])
@pytest.mark.parametrize("nodes", ["", "one:CANARY", "one,,two", "one:7000/3", "CANARY@"])
def test_another_form_is_refused_without_a_word_of_it(
    driver: type[RedisDriver] | type[GlideDriver], nodes: str
) -> None:
    with pytest.raises(DefinitionError, match=r"redis\+cluster://") as caught:
        driver(f"redis+cluster://{nodes}")
    assert "CANARY" not in str(caught.value)
