"""What the API does with security services, and with those of share networks.

They are kept for drivers that have their share servers join a domain. No share
server of any driver so far can take another one while it lives, so a share
network with share servers keeps what it has.
"""

from __future__ import annotations

from collections.abc import Mapping

from abaca.context import Context, Version
from abaca.db import security_services, share_servers
from abaca.db.database import Tx
from abaca.db.tables import new_id, now
from abaca.errors import BadRequest, Conflict, Forbidden, NotFound
from abaca.model.security_service import SecurityService, SecurityServiceType
from abaca.model.share_network import ShareNetwork

UPDATE_SINCE = Version(2, 63)
_WORDS = frozenset({"name", "description"})
FIELDS = ("dns_ip", "server", "domain", "ou", "user", "password", "default_ad_site")


def create(
    tx: Tx, ctx: Context, kind: SecurityServiceType, values: Mapping[str, str | None]
) -> SecurityService:
    """A new one of the caller's project."""
    service = SecurityService(
        id=new_id(),
        project_id=ctx.project_id,
        type=kind,
        name=values.get("name"),
        description=values.get("description"),
        dns_ip=values.get("dns_ip"),
        server=values.get("server"),
        domain=values.get("domain"),
        ou=values.get("ou"),
        user=values.get("user"),
        password=values.get("password"),
        default_ad_site=values.get("default_ad_site"),
        created_at=now(),
        updated_at=None,
    )
    security_services.add(tx, service)
    return service


def own(tx: Tx, ctx: Context, service_id: str, *, lock: bool = False) -> SecurityService:
    """One of the caller's project (an administrator: any); else `NotFound`."""
    project = None if ctx.is_admin else ctx.project_id
    found = security_services.get(tx, service_id, project, lock=lock)
    if found is None:
        raise NotFound(f"Security service {service_id} could not be found.")
    return found


def update(
    tx: Tx, ctx: Context, service_id: str, values: Mapping[str, str | None]
) -> SecurityService:
    """Set these; while share servers use it, name and description only."""
    service = own(tx, ctx, service_id, lock=True)
    if service.in_use and set(values) - _WORDS:
        raise Forbidden(
            f"Security service {service_id} is used by share servers: "
            "only name and description can be changed."
        )
    if "type" in values and security_services.networks_with(tx, service_id):
        raise Forbidden(f"Security service {service_id} is on a share network: its type stays.")
    if values:
        security_services.change(tx, service_id, values)
    return own(tx, ctx, service_id)


def delete(tx: Tx, ctx: Context, service_id: str) -> None:
    """Delete it; `Forbidden`, as clients of this API expect, while share networks have it."""
    own(tx, ctx, service_id, lock=True)
    networks = security_services.networks_with(tx, service_id)
    if networks:
        raise Forbidden(
            f"Security service {service_id} is on share network(s) {', '.join(networks)}: "
            "remove it there first."
        )
    security_services.forget_everywhere(tx, service_id, ())
    security_services.remove(tx, service_id)


def associate(tx: Tx, ctx: Context, network: ShareNetwork, service_id: str) -> None:
    """Put it on a share network that the caller manages; both are of one project."""
    service = _of_project(tx, network, service_id)
    _check_new(tx, network, service)
    _check_unused(tx, ctx, network)
    security_services.associate(tx, network.id, service)


def dissociate(tx: Tx, ctx: Context, network: ShareNetwork, service_id: str) -> None:
    """Take it off a share network again."""
    _of_project(tx, network, service_id)
    _check_unused(tx, ctx, network)
    if not security_services.dissociate(tx, network.id, service_id):
        raise NotFound(f"Share network {network.id} has no security service {service_id}.")


def exchange(tx: Tx, ctx: Context, network: ShareNetwork, current_id: str, service_id: str) -> None:
    """Put another one of the same type in the place of one that the share network has."""
    service = _exchangeable(tx, network, current_id, service_id)
    _check_unused(tx, ctx, network)
    security_services.dissociate(tx, network.id, current_id)
    security_services.associate(tx, network.id, service)


def check_associate(tx: Tx, network: ShareNetwork, service_id: str) -> dict[str, bool]:
    """Whether `associate` would do, by ``host@backend`` with share servers there."""
    _check_new(tx, network, _of_project(tx, network, service_id))
    return _hosts(tx, network)


def check_exchange(
    tx: Tx, network: ShareNetwork, current_id: str, service_id: str
) -> dict[str, bool]:
    """Whether `exchange` would do, by ``host@backend`` with share servers there."""
    _exchangeable(tx, network, current_id, service_id)
    return _hosts(tx, network)


def _of_project(tx: Tx, network: ShareNetwork, service_id: str) -> SecurityService:
    """A security service of the network's own project, administrators or not.

    Another project's would hand its password to whoever uses the share network.
    """
    found = security_services.get(tx, service_id, network.project_id, lock=True)
    if found is None:
        raise NotFound(f"Security service {service_id} could not be found.")
    return found


def _check_new(tx: Tx, network: ShareNetwork, service: SecurityService) -> None:
    for other in security_services.of_network(tx, network.id):
        if other.id == service.id:
            raise Conflict(f"Share network {network.id} has security service {service.id} already.")
        if other.type == service.type:
            raise Conflict(
                f"Share network {network.id} has a security service of type {other.type} already: "
                f"{other.id}."
            )


def _exchangeable(
    tx: Tx, network: ShareNetwork, current_id: str, service_id: str
) -> SecurityService:
    current = _of_project(tx, network, current_id)
    service = _of_project(tx, network, service_id)
    there = {item.id for item in security_services.of_network(tx, network.id)}
    if current_id not in there:
        raise NotFound(f"Share network {network.id} has no security service {current_id}.")
    if service_id in there:
        raise Conflict(f"Share network {network.id} has security service {service_id} already.")
    if current.type != service.type:
        raise BadRequest(
            f"Security service {service_id} is of type {service.type}; "
            f"give one of type {current.type}."
        )
    return service


def _check_unused(tx: Tx, ctx: Context, network: ShareNetwork) -> None:
    count = len(share_servers.of_network(tx, network.id))
    if not count:
        return
    told = (
        f"Share network {network.id} is used by {count} share server(s), which can't take or "
        "leave a security service."
    )
    raise Conflict(told) if ctx.version >= UPDATE_SINCE else Forbidden(told)


def _hosts(tx: Tx, network: ShareNetwork) -> dict[str, bool]:
    return {server.host: False for server in share_servers.of_network(tx, network.id)}
