from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from redis.exceptions import ConnectionError

from tests.support.certificates import Authority
from tests.support.outside import outside
from tests.support.proxy import ChaosProxy
from tests.support.resp import take_frame
from tests.support.servers import ValkeyServer
from tests.support.trouble import (
    Blackhole,
    CutAfter,
    CutBefore,
    Delay,
    Fault,
    HalfOpen,
    HoldAfter,
    Narrow,
    Refuse,
    ResetEvery,
)

FRAMES = [
    b"+OK\r\n",
    b":-12\r\n",
    b"$5\r\na\r\nbc\r\n",
    b"$-1\r\n",
    b"*0\r\n",
    b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
    b"%1\r\n+key\r\n*1\r\n_\r\n",
    b">3\r\n+message\r\n+channel\r\n$0\r\n\r\n",
    b"|1\r\n+ttl\r\n:3\r\n+OK\r\n",
    b"PING\r\n",
]


@pytest.fixture
def proxy(valkey_server: ValkeyServer) -> Iterator[ChaosProxy]:
    with ChaosProxy(valkey_server.port) as proxy:
        yield proxy


def _ask(port: int, *requests: tuple[str, ...]) -> bytes:
    """The replies, a line each, as far as they came: the requests travel together."""
    heard = sent = b""
    for request in requests:
        words = "".join(f"${len(word)}\r\n{word}\r\n" for word in request)
        sent += f"*{len(request)}\r\n{words}".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        with suppress(ConnectionResetError):
            while heard.count(b"\r\n") < len(requests) and (chunk := connection.recv(1_000)):
                heard += chunk
    return heard


@pytest.mark.parametrize("frame", FRAMES)
def test_a_message_ends_where_the_next_begins(frame: bytes) -> None:
    data = bytearray(frame + b"+next\r\n")
    assert take_frame(data) == frame
    assert data == b"+next\r\n"


@pytest.mark.parametrize("frame", FRAMES)
def test_a_message_that_is_not_there_whole_is_left(frame: bytes) -> None:
    for end in range(len(frame)):
        data = bytearray(frame[:end])
        assert take_frame(data) is None
        assert data == frame[:end]


def test_requests_pass_and_are_counted(proxy: ChaosProxy) -> None:
    key = uuid4().hex
    assert _ask(proxy.port, ("PING",), ("INCR", key)) == b"+PONG\r\n:1\r\n"
    assert (proxy.requests, proxy.seen(2), proxy.seen(3)) == (2, f"INCR {key}", "")


def test_a_request_that_is_cut_before_was_not_executed(proxy: ChaosProxy, valkey_server: ValkeyServer) -> None:
    key, fault = uuid4().hex, CutBefore(2)
    proxy.set(fault)
    _ask(proxy.port, ("SET", key, "first"), ("SET", key, "second"))
    assert fault.happened.is_set()
    assert _ask(valkey_server.port, ("STRLEN", key)) == b":5\r\n"


def test_a_request_that_is_cut_after_was_executed_and_nothing_behind_it(
    proxy: ChaosProxy, valkey_server: ValkeyServer
) -> None:
    key, fault = uuid4().hex, CutAfter(2)
    proxy.set(fault)
    heard = _ask(proxy.port, ("SET", key, "first"), ("APPEND", key, "2"), ("APPEND", key, "34"))
    assert heard in (b"", b"+OK\r\n")
    assert fault.happened.is_set()
    assert _ask(valkey_server.port, ("STRLEN", key)) == b":6\r\n"


def test_after_a_cut_everything_passes(proxy: ChaosProxy) -> None:
    proxy.set(CutBefore(1))
    assert _ask(proxy.port, ("PING",)) == b""
    assert _ask(proxy.port, ("PING",)) == b"+PONG\r\n"


def test_time_stands_still_while_a_reply_is_held(proxy: ChaosProxy, valkey_server: ValkeyServer) -> None:
    key, fault = uuid4().hex, HoldAfter(1)
    proxy.set(fault)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(f"*2\r\n$4\r\nINCR\r\n$32\r\n{key}\r\n".encode())
        assert fault.happened.wait(10)
        assert _ask(valkey_server.port, ("STRLEN", key)) == b":1\r\n"
        fault.release()
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""


@pytest.mark.anyio
async def test_with_a_certificate_it_is_a_tls_server(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with ChaosProxy(valkey_server.port, tls=authority.serve(authority.issue("127.0.0.1"))) as proxy:
        async with outside(f"{proxy.url}?ssl_ca_certs={authority.root}") as client:
            assert await client.ask("PING") in {True, b"PONG"}
        async with outside(proxy.url) as stranger:
            with pytest.raises(ConnectionError, match="certificate verify failed"):
                await stranger.ask("PING")


def test_a_port_that_refuses_serves_again_later(proxy: ChaosProxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as standing:
        standing.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert standing.recv(100) == b"+PONG\r\n"
        proxy.set(Refuse())
        with suppress(ConnectionResetError):
            assert standing.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        _ask(proxy.port, ("PING",))
    proxy.set(Fault())
    assert _ask(proxy.port, ("PING",)) == b"+PONG\r\n"


def test_every_second_request_is_cut_before_and_after_by_turns(proxy: ChaosProxy, valkey_server: ValkeyServer) -> None:
    key = uuid4().hex
    proxy.set(ResetEvery(2))
    heard = [_ask(proxy.port, ("INCR", key)) for _ in range(8)]
    assert heard == [b":1\r\n", b"", b":2\r\n", b"", b":4\r\n", b"", b":5\r\n", b""]
    assert _ask(valkey_server.port, ("INCR", key)) == b":7\r\n"


@pytest.mark.parametrize(("fault", "executed"), [(Blackhole(), b":0\r\n"), (HalfOpen(), b":5\r\n")])
def test_silence_is_no_end_of_a_connection(
    proxy: ChaosProxy, valkey_server: ValkeyServer, fault: Fault, executed: bytes
) -> None:
    key = uuid4().hex
    proxy.set(fault)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.5) as connection:
        connection.sendall(f"*3\r\n$3\r\nSET\r\n$32\r\n{key}\r\n$5\r\nvalue\r\n".encode())
        with pytest.raises(TimeoutError):
            connection.recv(100)
        assert fault.happened.is_set()
        assert _ask(valkey_server.port, ("STRLEN", key)) == executed
        proxy.set(Fault())
        connection.settimeout(10)
        connection.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"


@pytest.mark.parametrize("fault", [Delay(0.2, jitter=0.05), Narrow(100)])
def test_a_slow_connection_carries_all_in_order(proxy: ChaosProxy, fault: Fault) -> None:
    key = uuid4().hex
    proxy.set(fault)
    began = time.monotonic()
    assert _ask(proxy.port, ("INCR", key), ("INCR", key)) == b":1\r\n:2\r\n"
    assert time.monotonic() - began >= 0.3
