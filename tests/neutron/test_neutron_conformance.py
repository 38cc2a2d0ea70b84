"""The conformance suite, on a real Neutron: each way of using the plugin."""

from __future__ import annotations

import uuid

import pytest

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.plugin import SubnetRef
from abaca.testing.network_suite import NetworkMakerSuite, NetworkPluginSuite, Subject
from support.neutron.world import Cloud, plugin_on, subject, values

pytestmark = [pytest.mark.xdist_group("neutron"), pytest.mark.slow, pytest.mark.timeout(900)]


def physnet() -> str:
    """A physical network of its own: each carries one flat network."""
    return f"flat{uuid.uuid4().hex[:8]}"


class TestNeutronFlat(NetworkPluginSuite):
    """Ports on a provider network that the operator made."""

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /28: 13 addresses besides the gateway."""
        network = cloud.network(
            "10.10.0.0/28",
            **{"provider:network_type": "flat", "provider:physical_network": physnet()},
        )
        return subject(cloud, network, DriverMode.FLAT, capacity=13)

    def test_wrong_network(self, subject: Subject, cloud: Cloud) -> None:  # type: ignore[override]
        """A section that names a missing network is refused by name, before a port is made."""
        plugin = plugin_on(values(cloud.url, network="no-such"), DriverMode.FLAT)
        for ask in (plugin.status, lambda: plugin.describe(SubnetRef(key=subject.subnet.key))):
            with pytest.raises(InvalidNetwork, match="no network 'no-such'"):
                ask()


class TestNeutronDirect(NetworkPluginSuite):
    """Ports on a tenant's IPv4 subnet, bound to the host."""

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /28 of a VXLAN."""
        network = cloud.network("192.168.5.0/28")
        return subject(cloud, network, DriverMode.MANAGED, capacity=13)


class TestNeutronDirectIpv6(NetworkPluginSuite):
    """The same with IPv6 alone."""

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /124: what is neither the gateway nor the routers' anycast address."""
        network = cloud.network("fd00:5::/124")
        return subject(cloud, network, DriverMode.MANAGED, capacity=15)


class TestNeutronDirectDual(NetworkPluginSuite):
    """Both at once: one port, two addresses."""

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /28 and a whole /64."""
        network = cloud.network("192.168.5.0/28", "fd00:5::/64")
        return subject(cloud, network, DriverMode.MANAGED, capacity=13)


class TestNeutronRouted(NetworkMakerSuite):
    """Ports on networks of ours, which the tenant's router joins."""

    @pytest.fixture
    def subject(self, cloud: Cloud) -> Subject:
        """A /28 carved from the supernet, beside the tenant's own subnet in it."""
        network = cloud.network("10.254.0.0/28")
        cloud.router(*network["subnet_list"])
        more = {"connectivity": "routed", "service_cidr": "10.254.0.0/16", "service_prefix": 28}
        return subject(cloud, network, DriverMode.MANAGED, capacity=13, **more)
