"""TLS as both drivers speak it: chain and host name are verified by default, and each refusal says what to change."""

from __future__ import annotations

import gc
import shutil
import socket
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from glide import (
    AdvancedGlideClientConfiguration,
    GlideClientConfiguration,
    NodeAddress,
    ServerCredentials,
    TlsAdvancedConfiguration,
)

from flowli.errors import DriverUnavailable
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.durability.drivers import CLIENTS, AnyDriver
from tests.support.certificates import Authority, Certificate
from tests.support.jobs import claim_of, job_of
from tests.support.proxy import ChaosProxy
from tests.support.replication import ask
from tests.support.servers import ValkeyServer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    # asyncio leaves the server's side of a handshake that failed to the collector; the server is the test's own proxy.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

SECRET = "hunter2"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def driver_of(
    client: str, port: int, root: Path | None, own: Certificate | None = None, *, user: str = ""
) -> AnyDriver:
    """A driver that speaks TLS and trusts ``root``, or what the system trusts."""
    if client == "redis":
        query = f"ssl_ca_certs={root}&" if root else ""
        query += f"ssl_certfile={own.chain}&ssl_keyfile={own.key}" if own else ""
        login = f"{user}:{SECRET}@" if user else ""
        return RedisDriver(f"rediss://{login}127.0.0.1:{port}/0?{query}".rstrip("?&"), prefix="tls")
    if root is None and own is None and not user:
        return GlideDriver(f"rediss://127.0.0.1:{port}/0", prefix="tls")
    tls = TlsAdvancedConfiguration(
        root_pem_cacerts=root.read_bytes() if root else None,
        client_cert_pem=own.chain.read_bytes() if own else None,
        client_key_pem=own.key.read_bytes() if own else None,
    )
    config = GlideClientConfiguration(
        [NodeAddress("127.0.0.1", port)],
        use_tls=True,
        credentials=ServerCredentials(SECRET, user) if user else None,
        advanced_config=AdvancedGlideClientConfiguration(tls_config=tls),
    )
    return GlideDriver(config, prefix="tls")


async def _serves(driver: AnyDriver) -> bool:
    await driver.open()
    await driver.enqueue([job_of("a")])
    found = (await driver.exchange([], claim_of())).leases
    await driver.close()
    return [lease.id for lease in found] == ["a"]


async def _refusal(driver: AnyDriver) -> str:
    with pytest.raises(DriverUnavailable) as caught:
        await driver.open()
    assert not caught.value.maybe_written, "nothing was sent"
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@pytest.fixture
def front(own: ValkeyServer, authority: Authority) -> Callable[..., Any]:
    """A TLS server before a server of one's own."""

    @contextmanager
    def start(certificate: Certificate, *, ask_clients: bool = False) -> Generator[int, None, None]:
        with ChaosProxy(own.port, tls=authority.serve(certificate, ask_clients=ask_clients)) as proxy:
            yield proxy.port
        gc.collect()

    return start


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path).start()
    ask(server, "ACL", "SETUSER", "shop", "on", f">{SECRET}", "~*", "&*", "+@all")
    yield server
    server.stop()


async def test_a_good_certificate_is_accepted(client: str, authority: Authority, front: Callable[..., Any]) -> None:
    with front(authority.issue("127.0.0.1")) as port:
        assert await _serves(driver_of(client, port, authority.root, user="shop"))


async def test_an_expired_certificate_is_refused(client: str, authority: Authority, front: Callable[..., Any]) -> None:
    with front(authority.issue("127.0.0.1", expired=True)) as port:
        assert "has expired" in await _refusal(driver_of(client, port, authority.root, user="shop"))


async def test_a_certificate_of_another_host_is_refused(
    client: str, authority: Authority, front: Callable[..., Any]
) -> None:
    with front(authority.issue("other.example")) as port:
        assert "is for another host" in await _refusal(driver_of(client, port, authority.root, user="shop"))


async def test_an_unknown_authority_is_refused(
    client: str, authority: Authority, front: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger")
    with front(authority.issue("127.0.0.1")) as port:
        assert "not trusted here" in await _refusal(driver_of(client, port, stranger.root, user="shop"))


async def test_the_authorities_of_the_system_are_the_default(
    client: str, authority: Authority, front: Callable[..., Any]
) -> None:
    """A URL with nothing but rediss:// verifies, too."""
    with front(authority.issue("127.0.0.1")) as port:
        assert "not trusted here" in await _refusal(driver_of(client, port, None))


async def test_a_plain_port_is_refused(client: str, authority: Authority, own: ValkeyServer) -> None:
    said = await _refusal(driver_of(client, own.port, authority.root, user="shop"))
    assert "Is that port one for TLS" in said


async def test_a_clients_certificate_is_shown_to_a_server_that_wants_it(
    client: str, authority: Authority, front: Callable[..., Any]
) -> None:
    own = authority.issue("shop@example.org")
    with front(authority.issue("127.0.0.1"), ask_clients=True) as port:
        assert await _serves(driver_of(client, port, authority.root, own))
        assert "want a client's certificate" in await _refusal(driver_of(client, port, authority.root))


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on PATH (Debian's has TLS built in)")
async def test_a_server_with_tls_of_its_own_serves(
    client: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWLI_TEST_SERVER", "redis-7")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    chain, key = authority.issue("127.0.0.1")
    files = ["--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-ca-cert-file", str(authority.root)]
    server = ValkeyServer(tmp_path, options=["--tls-port", str(port), *files]).start()
    own = authority.issue("shop@example.org")
    assert await _serves(driver_of(client, port, authority.root, own))
    await _refusal(driver_of(client, port, authority.root))
    server.stop()
