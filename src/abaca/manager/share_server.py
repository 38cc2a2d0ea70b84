"""Share servers: brought up with their shares, healed, and taken away when nothing is on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from abaca.db import share_instances, share_networks, share_servers
from abaca.db.database import Database, Tx
from abaca.db.tables import now
from abaca.errors import NetworkNotFound
from abaca.manager import adoption
from abaca.manager.access import apply_rules
from abaca.manager.backend import Backend
from abaca.manager.failure import tell_of_server
from abaca.manager.looks import look_at_server
from abaca.manager.views import server_view, share_view
from abaca.model.message import ActionId
from abaca.model.share import Share
from abaca.model.share_server import ShareServer
from abaca.model.task import Task
from abaca.modes import DriverMode
from abaca.network.bound import Binding, BoundFlat, BoundManaged, flat_subnet, helper_for
from abaca.network.plugin import Label, SubnetRef
from abaca.states import ServerStatus, ShareStatus
from abaca.steps import commit, step
from abaca.work.lease import Lease

log = structlog.get_logger()
TAKE_BACK = commit("server.take_back")
_FAILED = {
    ServerStatus.MANAGE_STARTING: ServerStatus.MANAGE_ERROR,
    ServerStatus.UNMANAGE_STARTING: ServerStatus.UNMANAGE_ERROR,
}
KEPT = frozenset({ShareStatus.DELETING, ShareStatus.ERROR_DELETING})
"""Shares that are not brought back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHandler:
    """Handler of `TaskKind.SHARE_SERVER`."""

    db: Database
    backends: Mapping[str, Backend]
    """By ``host@backend``."""
    idle_seconds: float

    def run(self, lease: Lease) -> None:
        """Take the server away if it is to go; else have it serve, with all that is on it."""
        with self.db.read() as tx:
            server = share_servers.get(tx, lease.resource_id)
        if server is None or server.host not in self.backends:
            return
        backend = self.backends[server.host]
        if not server.status.is_ours:
            self._adopt_or_leave(lease, backend, server)
        elif retire(lease, server, self.idle_seconds):
            self._remove(lease, backend, server)
        elif server.unused_since is not None:
            self._follow(lease, backend, server)
            self._wait(lease, server)
        else:
            self._heal(lease, backend, server)

    def superseded(self, _tx: Tx, _task: Task) -> bool:
        """Never: what was begun on a server is finished first."""
        return False

    def failed(self, lease: Lease, error: Exception) -> None:
        """A server that can't be removed shows it; one that can't be healed is tried again.

        Its project is told in any case.
        """
        with lease.conclude() as tx:
            server = share_servers.get(tx, lease.resource_id)
            if server is not None:
                _fail(tx, lease, server, error)
        log.error("share_server_failed", server=lease.resource_id, error=str(error))

    def _adopt_or_leave(self, lease: Lease, backend: Backend, server: ShareServer) -> None:
        """What is not ours is taken over or left, if that is wanted; else not touched."""
        if server.status is ServerStatus.MANAGE_STARTING:
            adoption.adopt(lease, backend, server, network_of(self.db, backend, server))
        elif server.status is ServerStatus.UNMANAGE_STARTING:
            adoption.leave(backend, server, network_of(self.db, backend, server))
            forget(lease, server)

    def _wait(self, lease: Lease, server: ShareServer) -> None:
        assert server.unused_since is not None  # noqa: S101 - for the type checker
        left = server.unused_since + timedelta(seconds=self.idle_seconds) - now()
        lease.postpone(max(0.1, left.total_seconds()))

    def _follow(self, lease: Lease, backend: Backend, server: ShareServer) -> None:
        """Even without shares it follows its subnets: what was removed is not held any longer."""
        if server.status is ServerStatus.ACTIVE and outdated(lease.db, backend, server):
            ensure(lease, backend, server)

    def _remove(self, lease: Lease, backend: Backend, server: ShareServer) -> None:
        backend.driver.remove_server(server_view(server))
        network_of(self.db, backend, server).release_all()
        forget(lease, server)

    def _heal(self, lease: Lease, backend: Backend, server: ShareServer) -> None:
        with self.db.read() as tx:
            ids = share_instances.on_server(tx, server.id)
            found = [share_instances.share_of(tx, item) for item in ids]
        shares = [
            item
            for item in found
            if item is not None and item.instance.made and item.instance.status not in KEPT
        ]
        if not shares:
            # Whoever makes the first share on it brings it up.
            self._follow(lease, backend, server)
            return
        view = server_view(server)
        served = server.status is ServerStatus.ACTIVE and backend.driver.check_server(view)
        ensure(lease, backend, server)
        for share in shares:
            restore(lease, backend, server, share, rules_too=not served)


def _fail(tx: Tx, lease: Lease, server: ShareServer, error: Exception) -> None:
    action = ActionId.UPDATE
    if server.slot is None:
        status = _FAILED.get(server.status, server.status)
        if server.status.is_ours:
            status, action = ServerStatus.ERROR, ActionId.DELETE
        share_servers.set_status(tx, server.id, status)
    tell_of_server(tx, server, lease.task.request_id, action, error)


def ensure(lease: Lease, backend: Backend, server: ShareServer) -> None:
    """The server serves with addresses on all of its subnets, and its row says so."""
    network = network_of(lease.db, backend, server)
    lease.if_lost(lambda: _take_back(lease.db, backend, server, network))
    details = dict(backend.driver.ensure_server(server_view(server), network))
    network.release_others()
    if routes := network.tenant_routes():
        details["tenant_routes"] = ", ".join(
            f"{item.destination} via {item.next_hop}" for item in routes
        )
    if server.status is not ServerStatus.ACTIVE or details != dict(server.details):
        record(lease, server, details)


def _take_back(
    db: Database, backend: Backend, server: ShareServer, network: BoundFlat | BoundManaged
) -> None:
    """Another worker went on with it: it is as that one left it, or gone again.

    One that served before is not removed once its row has gone: it may have been unmanaged.
    """
    with db.write(TAKE_BACK) as tx:
        found = share_servers.get(tx, server.id)
        if found is not None and (found.slot is not None or not found.status.is_ours):
            look_at_server(tx, server.id, server.host, server.project_id)
            return
    if found is not None or server.status is ServerStatus.CREATING:
        backend.driver.remove_server(server_view(server))
        network.release_all()


def outdated(db: Database, backend: Backend, server: ShareServer) -> bool:
    """True if the server's subnets are not those that it has interfaces on."""
    return network_of(db, backend, server).outdated()


def restore(
    lease: Lease, backend: Backend, server: ShareServer | None, share: Share, *, rules_too: bool
) -> None:
    """A share that was made is exported, to those whom its rules admit."""
    lease.check()
    locations = backend.driver.ensure_share(share_view(share, server), None)
    if rules_too:
        with lease.db.read() as tx:
            rules = share_instances.rules(tx, share.id)
        apply_rules(backend, share, server, rules)
    paths = {item.path: (item.preferred, item.is_admin_only) for item in locations}
    with lease.db.read() as tx:
        same = share_instances.exports(tx, share.instance.id) == paths
    if not same:
        record_exports(lease, share, paths)


@step("heal.server.others")
def look_again(lease: Lease, server: ShareServer) -> None:
    """It did not serve when one of its shares was looked at: the others need a look too."""
    with lease.write() as tx:
        look_at_server(tx, server.id, server.host, server.project_id)


def leave(tx: Tx, server_id: str, host: str, project_id: str, *, delay: float) -> None:
    """A share left the server: if it was the last one, have the server looked at later."""
    if share_servers.mark_unused(tx, server_id):
        look_at_server(tx, server_id, host, project_id, delay=delay)


def network_of(db: Database, backend: Backend, server: ShareServer) -> BoundFlat | BoundManaged:
    """The helper of this server: its driver's one source of addresses."""
    plugin, section = backend.plugin, backend.network_section
    if plugin is None or section is None:
        raise NetworkNotFound(f"backend {backend.name} has share servers but no network section")
    return helper_for(
        backend.mode,
        Binding(
            plugin=plugin,
            database=db,
            section=section,
            server_id=server.id,
            subnets=_subnets(db, backend, section, server),
            host=backend.node,
            admin=_admin(db, backend, server),
        ),
    )


def _admin(db: Database, backend: Backend, server: ShareServer) -> Binding | None:
    if (network := backend.admin) is None:
        return None
    return Binding(
        plugin=network.plugin,
        database=db,
        section=network.section,
        server_id=server.id,
        subnets=(flat_subnet(network.section),),
        host=backend.node,
        label=Label.ADMIN,
    )


def _subnets(
    db: Database, backend: Backend, section: str, server: ShareServer
) -> tuple[SubnetRef, ...]:
    if backend.mode is DriverMode.FLAT:
        return (flat_subnet(section),)
    with db.read() as tx:
        network = share_servers.network_of(tx, server)
    owner, subnets = network.project_id, network.subnets_in(server.availability_zone)
    if not subnets:
        # Only a plugin that makes networks is given such a share network: one network for all.
        return (SubnetRef(key=network.id, project_id=owner, share_network_id=network.id),)
    return tuple(
        SubnetRef(
            key=item.id,
            project_id=owner,
            share_network_id=item.share_network_id,
            net_id=item.neutron_net_id or item.nova_net_id,
            subnet_id=item.neutron_subnet_id,
        )
        for item in subnets
    )


@step("server.create.commit")
def record(lease: Lease, server: ShareServer, details: Mapping[str, str]) -> None:
    """Write down that it serves."""
    with lease.write() as tx:
        share_servers.activate(tx, server.id, details)


@step("server.delete.retire")
def retire(lease: Lease, server: ShareServer, idle_seconds: float) -> bool:
    """Take it out of use, so that no share is placed on it any more; False if it is to stay."""
    in_use = server.unused_since is None and server.slot is not None
    if in_use and server.status is not ServerStatus.DELETING:
        return False
    with lease.write() as tx:
        return share_servers.retire(tx, server.id, idle_seconds)


@step("server.delete.commit")
def forget(lease: Lease, server: ShareServer) -> None:
    """Nothing of it is left: delete its row."""
    with lease.conclude() as tx:
        share_servers.remove(tx, server.id)
        share_networks.finish_removal(tx, server.share_network_id)


@step("heal.server.exports")
def record_exports(lease: Lease, share: Share, paths: Mapping[str, tuple[bool, bool]]) -> None:
    """Its share is found elsewhere now."""
    with lease.write() as tx:
        share_instances.export(tx, share.instance.id, paths)
