"""The conformance suite, on the fake and on each way of using the standalone plugin."""

from __future__ import annotations

import pytest
from worlds import (
    MANAGED,
    fake_subject,
    flat_values,
    register,
    segment,
    standalone_subject,
)

from abaca.db.database import Database
from abaca.modes import DriverMode
from abaca.testing.network_suite import NetworkMakerSuite, NetworkPluginSuite, Subject

IPV6 = {"ipv6_gateway": "fd00:10::1", "ipv6_mask": "64"}
FEW_IPV6 = {**IPV6, "ipv6_allowed_ip_ranges": ["fd00:10::10-fd00:10::1b"]}


@pytest.mark.every_database
class TestStandaloneFlat(NetworkPluginSuite):
    """IPv4, with ranges."""

    title = "standalone flat"

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """Twelve addresses, in two ranges of different form."""
        values = flat_values("10.10.0.10-10.10.0.17", "10.10.0.32/30")
        return standalone_subject(database, values, DriverMode.FLAT, capacity=12)

    @pytest.fixture
    def wide(self, database: Database) -> Subject:
        """A /64 beside it."""
        values = {**flat_values("10.10.0.10-10.10.0.21"), **IPV6}
        return standalone_subject(database, values, DriverMode.FLAT, capacity=12)


@pytest.mark.every_database
class TestStandaloneFlatIpv6(NetworkPluginSuite):
    """IPv6 alone."""

    title = "standalone flat IPv6"

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """Twelve addresses of a /64."""
        return standalone_subject(database, FEW_IPV6, DriverMode.FLAT, capacity=12)

    @pytest.fixture
    def wide(self, database: Database) -> Subject:
        """All of the /64."""
        return standalone_subject(database, IPV6, DriverMode.FLAT, capacity=1 << 63)


@pytest.mark.every_database
class TestStandaloneFlatDual(NetworkPluginSuite):
    """Both IP versions at once."""

    title = "standalone flat dual"

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """Twelve IPv4 addresses, a whole /64 of IPv6."""
        values = {**flat_values("10.10.0.10-10.10.0.21"), **IPV6}
        return standalone_subject(database, values, DriverMode.FLAT, capacity=12)


@pytest.mark.every_database
class TestStandaloneDirect(NetworkPluginSuite):
    """On a tenant's network."""

    title = "standalone direct"

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """A dual-stack network whose IPv4 side is a /28."""
        tenant = register(database, segment("192.168.5.0/28", "fd00:5::/64"))
        return standalone_subject(database, {}, DriverMode.MANAGED, capacity=13, tenant=tenant)


@pytest.mark.every_database
class TestStandaloneRouted(NetworkMakerSuite):
    """On a service network, with a router to the tenant's."""

    title = "standalone routed"

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """A /28 carved from the supernet."""
        tenant = register(database, segment("192.168.5.0/24"))
        values = {**MANAGED, "connectivity": "routed"}
        return standalone_subject(database, values, DriverMode.MANAGED, capacity=13, tenant=tenant)

    @pytest.fixture
    def wide(self, database: Database) -> Subject:
        """A /64 for a tenant's network of both IP versions."""
        tenant = register(database, segment("192.168.5.0/24", "fd00:5::/64"))
        values = {**MANAGED, "connectivity": "routed", "ipv6_service_cidr": "fd00:254::/48"}
        return standalone_subject(database, values, DriverMode.MANAGED, capacity=13, tenant=tenant)


@pytest.mark.every_database
class TestStandaloneOwn(NetworkMakerSuite):
    """On a network made for a share network that names none."""

    title = "standalone own network"

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """A dual-stack network of our own."""
        values = {**MANAGED, "ipv6_service_cidr": "fd00:254::/48"}
        return standalone_subject(database, values, DriverMode.MANAGED, capacity=13)


class TestFakeFlat(NetworkPluginSuite):
    """The fake in flat mode."""

    title = "fake flat"

    @pytest.fixture
    def subject(self) -> Subject:
        """A /28."""
        return fake_subject(DriverMode.FLAT, ["10.99.0.0/28"], capacity=13, net_id=None)

    @pytest.fixture
    def wide(self) -> Subject:
        """A /64."""
        return fake_subject(DriverMode.FLAT, ["fd00:99::/64"], capacity=1 << 63, net_id=None)


class TestFakeManaged(NetworkPluginSuite):
    """The fake on a network that a tenant named, dual stack."""

    title = "fake tenant network"

    @pytest.fixture
    def subject(self) -> Subject:
        """A /28 and a /64."""
        cidrs = ["10.99.0.0/28", "fd00:99::/64"]
        return fake_subject(DriverMode.MANAGED, cidrs, capacity=13, net_id="net1")


class TestFakeMade(NetworkMakerSuite):
    """The fake on a network of its own."""

    title = "fake own network"

    @pytest.fixture
    def subject(self) -> Subject:
        """A /28 and a /64."""
        cidrs = ["10.99.0.0/28", "fd00:99::/64"]
        return fake_subject(DriverMode.MANAGED, cidrs, capacity=13, net_id=None)
