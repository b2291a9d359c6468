from __future__ import annotations
from uuid import uuid4
import pytest, fakeredis
from flowli_redis import RedisDriver
from flowli_conformance.groups.act import ActSuite
from flowli_conformance.groups.claim import ClaimSuite
from flowli_conformance.groups.close import CloseSuite
from flowli_conformance.groups.concurrency import ConcurrencySuite
from flowli_conformance.groups.enqueue import EnqueueSuite
from flowli_conformance.groups.inspect import InspectSuite
from flowli_conformance.groups.lease import LeaseSuite
from flowli_conformance.groups.listing import ListSuite
from flowli_conformance.groups.order import OrderSuite
from flowli_conformance.groups.outcomes import OutcomesSuite
from flowli_conformance.groups.records import RecordsSuite
from flowli_conformance.groups.recovery import RecoverySuite
from flowli_conformance.groups.schedule import ScheduleSuite
from flowli_conformance.groups.settle import SettleSuite
from flowli_conformance.groups.turns import TurnSuite
from flowli_conformance.groups.wait import WaitSuite

class TestVActSuite(ActSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFActSuite(ActSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVClaimSuite(ClaimSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFClaimSuite(ClaimSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVCloseSuite(CloseSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFCloseSuite(CloseSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVConcurrencySuite(ConcurrencySuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFConcurrencySuite(ConcurrencySuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVEnqueueSuite(EnqueueSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFEnqueueSuite(EnqueueSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVInspectSuite(InspectSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFInspectSuite(InspectSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVLeaseSuite(LeaseSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFLeaseSuite(LeaseSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVListSuite(ListSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFListSuite(ListSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVOrderSuite(OrderSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFOrderSuite(OrderSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVOutcomesSuite(OutcomesSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFOutcomesSuite(OutcomesSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVRecordsSuite(RecordsSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFRecordsSuite(RecordsSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVRecoverySuite(RecoverySuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFRecoverySuite(RecoverySuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVScheduleSuite(ScheduleSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFScheduleSuite(ScheduleSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVSettleSuite(SettleSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFSettleSuite(SettleSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVTurnSuite(TurnSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFTurnSuite(TurnSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")


class TestVWaitSuite(WaitSuite):
    @pytest.fixture
    def make_driver(self, valkey_server):
        prefix = uuid4().hex
        return lambda: RedisDriver(valkey_server.url, prefix=prefix)

class TestFWaitSuite(WaitSuite):
    @pytest.fixture
    def make_driver(self):
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")
