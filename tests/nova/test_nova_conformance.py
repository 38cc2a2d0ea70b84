"""The conformance suite, on a real nova: flat and managed, both IP versions."""

from __future__ import annotations

import pytest

from abaca.db.database import Database
from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.plugin import SubnetRef
from abaca.testing.network_suite import NetworkPluginSuite, Subject
from support.nova.server import DUAL, FLAT, SIX, VLAN, NovaServer
from support.nova.world import access, nova_subject, plugin_on

FEW_SIX = {"network": SIX, "allowed_ip_ranges": ["fd00:80::10-fd00:80::1b"]}


class TestNovaFlat(NetworkPluginSuite):
    """A network by its label, with ranges that an instance and an administrator have a part of."""

    title = "nova flat"

    @pytest.fixture
    def subject(self, nova: NovaServer, database: Database) -> Subject:
        """From .2 to .17, less a name server's, an instance's and a reserved one."""
        values = {
            "network": "flat",
            "allowed_ip_ranges": ["10.50.0.1-10.50.0.7", "10.50.0.8-10.50.0.17"],
        }
        # Here every call may be the last, also those that only ask.
        return nova_subject(
            nova, database, values, DriverMode.FLAT, network=FLAT, capacity=13, asking=()
        )

    @pytest.fixture
    def wide(self, nova: NovaServer, database: Database) -> Subject:
        """A network of both IP versions."""
        values = {"network": DUAL}
        return nova_subject(nova, database, values, DriverMode.FLAT, network=DUAL, capacity=13)

    def test_a_label_that_two_networks_have(self, nova: NovaServer, database: Database) -> None:
        """It is refused, and not as missing: which one is meant, nobody knows."""
        plugin = plugin_on(database, access(nova.url, network="twin"), DriverMode.FLAT)
        with pytest.raises(InvalidNetwork):
            plugin.describe(SubnetRef(key="net"))


class TestNovaFlatIpv6(NetworkPluginSuite):
    """A network of IPv6 alone, by its ID: nova has no fixed IPs there."""

    title = "nova flat IPv6"

    @pytest.fixture
    def subject(self, nova: NovaServer, database: Database) -> Subject:
        """Twelve addresses of a /64."""
        return nova_subject(nova, database, FEW_SIX, DriverMode.FLAT, network=SIX, capacity=12)


class TestNovaManaged(NetworkPluginSuite):
    """A VLAN that the share network names."""

    title = "nova managed"

    @pytest.fixture
    def subject(self, nova: NovaServer, database: Database) -> Subject:
        """A /27 less network, broadcast, gateway, VPN and name server."""
        return nova_subject(nova, database, {}, DriverMode.MANAGED, network=VLAN, capacity=27)

    @pytest.fixture
    def wide(self, nova: NovaServer, database: Database) -> Subject:
        """A network of both IP versions."""
        return nova_subject(nova, database, {}, DriverMode.MANAGED, network=DUAL, capacity=13)

    @pytest.fixture
    def small(self, wide: Subject) -> Subject:
        """That one."""
        return wide


class TestNovaManagedDual(NetworkPluginSuite):
    """A network of both IP versions, for all projects."""

    title = "nova managed dual"

    @pytest.fixture
    def subject(self, nova: NovaServer, database: Database) -> Subject:
        """A /28 and a /64."""
        return nova_subject(nova, database, {}, DriverMode.MANAGED, network=DUAL, capacity=13)
