"""The conformance suite, on the fake and on each way of using the standalone plugin."""

from __future__ import annotations

import pytest
from worlds import (
    MANAGED,
    fake_subject,
    flat_values,
    plugin_on,
    register,
    segment,
    standalone_subject,
)

from abaca.db.database import Database
from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.testing.network_suite import NetworkMakerSuite, NetworkPluginSuite, Subject

IPV6 = {"ipv6_gateway": "fd00:10::1", "ipv6_mask": "64"}
FEW_IPV6 = {**IPV6, "ipv6_allowed_ip_ranges": ["fd00:10::10-fd00:10::1b"]}


class _FlatSuite(NetworkPluginSuite):
    """In flat mode a section means one network: there is no wrong subnet, only a wrong section."""

    def test_wrong_network(self, subject: Subject, database: Database) -> None:  # type: ignore[override]
        """A section that can't be used is refused by name, before anything is allocated."""
        assert subject.subnet.key == "net"
        with pytest.raises(InvalidNetwork, match="mask"):
            plugin_on(database, {"gateway": "10.10.0.1"}, DriverMode.FLAT)


class TestStandaloneFlat(_FlatSuite):
    """IPv4, with ranges."""

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """Twelve addresses, in two ranges of different form."""
        values = flat_values("10.10.0.10-10.10.0.17", "10.10.0.32/30")
        return standalone_subject(database, values, DriverMode.FLAT, capacity=12)


class TestStandaloneFlatIpv6(_FlatSuite):
    """IPv6 alone."""

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """Twelve addresses of a /64."""
        return standalone_subject(database, FEW_IPV6, DriverMode.FLAT, capacity=12)


class TestStandaloneFlatDual(_FlatSuite):
    """Both IP versions at once."""

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """Twelve IPv4 addresses, a whole /64 of IPv6."""
        values = {**flat_values("10.10.0.10-10.10.0.21"), **IPV6}
        return standalone_subject(database, values, DriverMode.FLAT, capacity=12)


class TestStandaloneDirect(NetworkPluginSuite):
    """On a tenant's network."""

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """A dual-stack network whose IPv4 side is a /28."""
        tenant = register(database, segment("192.168.5.0/28", "fd00:5::/64"))
        return standalone_subject(database, {}, DriverMode.MANAGED, capacity=13, tenant=tenant)


class TestStandaloneRouted(NetworkMakerSuite):
    """On a service network, with a router to the tenant's."""

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """A /28 carved from the supernet."""
        tenant = register(database, segment("192.168.5.0/24"))
        values = {**MANAGED, "connectivity": "routed"}
        return standalone_subject(database, values, DriverMode.MANAGED, capacity=13, tenant=tenant)


@pytest.mark.every_database
class TestStandaloneOwn(NetworkMakerSuite):
    """On a network made for a share network that names none."""

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """A dual-stack network of our own."""
        values = {**MANAGED, "ipv6_service_cidr": "fd00:254::/48"}
        return standalone_subject(database, values, DriverMode.MANAGED, capacity=13)


class TestFakeFlat(NetworkPluginSuite):
    """The fake in flat mode."""

    @pytest.fixture
    def subject(self) -> Subject:
        """A /28."""
        return fake_subject(DriverMode.FLAT, ["10.99.0.0/28"], capacity=13, net_id=None)

    def test_wrong_network(self, subject: Subject) -> None:
        """A section without a network is refused by name."""
        plugin = subject.make()
        assert plugin.faults("fake", {"cidrs": []}, DriverMode.FLAT)


class TestFakeManaged(NetworkPluginSuite):
    """The fake on a network that a tenant named, dual stack."""

    @pytest.fixture
    def subject(self) -> Subject:
        """A /28 and a /64."""
        cidrs = ["10.99.0.0/28", "fd00:99::/64"]
        return fake_subject(DriverMode.MANAGED, cidrs, capacity=13, net_id="net1")


class TestFakeMade(NetworkMakerSuite):
    """The fake on a network of its own."""

    @pytest.fixture
    def subject(self) -> Subject:
        """A /28."""
        return fake_subject(DriverMode.MANAGED, ["10.99.0.0/28"], capacity=13, net_id=None)
