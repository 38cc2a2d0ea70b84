"""Share servers that were there before: taken over as they run, and left so."""

from __future__ import annotations

from collections.abc import Mapping

from abaca.db import share_servers
from abaca.drivers.driver import Adopts
from abaca.errors import DriverError, InvalidNetwork, RowRefused
from abaca.manager.backend import Backend
from abaca.manager.views import server_view
from abaca.model.share_server import ShareServer
from abaca.network.bound import BoundFlat, BoundManaged
from abaca.steps import step
from abaca.work.lease import Lease


def adopt(
    lease: Lease, backend: Backend, server: ShareServer, network: BoundFlat | BoundManaged
) -> None:
    """The server is Abaca's, with the addresses that it has; shares can be placed on it."""
    driver = backend.driver
    if not isinstance(driver, Adopts):
        raise DriverError(f"driver {driver.name} can't adopt share servers")
    view = server_view(server)
    network.adopt(driver.server_addresses(view, server.driver_options or {}))
    details = driver.ensure_server(view, network)
    record(lease, server, details)


def leave(backend: Backend, server: ShareServer, network: BoundFlat | BoundManaged) -> None:
    """The server runs on as nobody's, and its addresses are given to nobody else.

    InvalidNetwork, and nothing is changed, while it has some of a network whose plugin is
    not the backend's any more: nobody could keep those from being given out.
    """
    if sections := sorted(network.former_admin()):
        raise InvalidNetwork(
            f"the share server has addresses of [{', '.join(sections)}], which the backend no "
            "longer names: reset its state to active, let it be ensured, then unmanage it"
        )
    if isinstance(backend.driver, Adopts):
        backend.driver.leave_server(server_view(server))
    network.forget_all()


@step("server.adopt.record")
def record(lease: Lease, server: ShareServer, details: Mapping[str, str]) -> None:
    """Write down that it is Abaca's."""
    try:
        with lease.write() as tx:
            share_servers.adopted(tx, server.id, details)
    except RowRefused as error:
        raise DriverError(
            f"another share server was made for share network {server.share_network_id} meanwhile"
        ) from error
