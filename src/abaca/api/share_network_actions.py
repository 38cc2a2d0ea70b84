"""``POST /share-networks/{id}/action``: security services, checks, and the status by hand.

A check answers at once: what is asked can be known without asking a backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abaca.api import share_networks
from abaca.api.bodies import Body, Key, boolean, one_of, text
from abaca.api.microversion import V
from abaca.api.policy import ADMIN, MEMBER, Rule
from abaca.api.request import Request
from abaca.api.routing import Action, Route
from abaca.api.share_network_subnets import SUBNET_KEYS
from abaca.db import share_networks as db
from abaca.db.database import Tx
from abaca.errors import Conflict
from abaca.model.share_network import ShareNetwork
from abaca.share import security_services, share_network_subnets
from abaca.share.share_network_subnets import SubnetSpec
from abaca.share.share_networks import managed
from abaca.states import NetworkStatus

CHECK_SINCE = V(2, 63)
SUBNETS_SINCE = V(2, 70)


def add_security_service(request: Request) -> dict[str, Any]:
    """Put a security service on the share network."""
    with request.db.write() as tx:
        network = _network(request, tx)
        service = request.body["security_service_id"]
        security_services.associate(tx, request.ctx, network, service)
        return _shown(request, tx)


def remove_security_service(request: Request) -> dict[str, Any]:
    """Take one off again."""
    with request.db.write() as tx:
        network = _network(request, tx)
        service = request.body["security_service_id"]
        security_services.dissociate(tx, request.ctx, network, service)
        return _shown(request, tx)


def update_security_service(request: Request) -> dict[str, Any]:
    """Put one in the place of another."""
    body = request.body
    with request.db.write() as tx:
        network = _network(request, tx)
        security_services.exchange(
            tx, request.ctx, network, body["current_service_id"], body["new_service_id"]
        )
        return _shown(request, tx)


def add_security_service_check(request: Request) -> dict[str, Any]:
    """Whether a security service could be put on the share network."""
    service = request.body["security_service_id"]
    with request.db.write() as tx:
        hosts = security_services.check_associate(tx, _network(request, tx), service)
    operation = {
        "operation": "add_security_service",
        "current_security_service": None,
        "new_security_service": service,
    }
    return {**_verdict(request, hosts), "requested_operation": operation}


def update_security_service_check(request: Request) -> dict[str, Any]:
    """Whether one could take the place of another."""
    current, new = request.body["current_service_id"], request.body["new_service_id"]
    with request.db.write() as tx:
        hosts = security_services.check_exchange(tx, _network(request, tx), current, new)
    operation = {
        "operation": "update_security_service",
        "current_security_service": current,
        "new_security_service": new,
    }
    return {**_verdict(request, hosts), "requested_operation": operation}


def subnet_create_check(request: Request) -> dict[str, Any]:
    """Whether a subnet could be added."""
    given = {key: value for key, value in request.body.items() if key != "reset_operation"}
    with request.db.write() as tx:
        try:
            hosts = share_network_subnets.check_add(
                tx, request.ctx, _network(request, tx), SubnetSpec(**given)
            )
        except Conflict:
            return {"compatible": False, **_hosts(request, {})}
    return _verdict(request, hosts)


def reset_status(request: Request) -> None:
    """Set the status by hand, and nothing else."""
    with request.db.write() as tx:
        network = _network(request, tx)
        db.change(tx, network.id, status=request.body["status"])


def _network(request: Request, tx: Tx) -> ShareNetwork:
    return managed(tx, request.ctx, request.params["id"])


def _shown(request: Request, tx: Tx) -> dict[str, Any]:
    return share_networks.rendered(request, tx, _network(request, tx))


def _verdict(request: Request, hosts: Mapping[str, bool]) -> dict[str, Any]:
    return {"compatible": all(hosts.values()), **_hosts(request, hosts)}


def _hosts(request: Request, hosts: Mapping[str, bool]) -> dict[str, Any]:
    """Which backends there are is for administrators."""
    return {"hosts_check_result": dict(hosts)} if request.ctx.is_admin else {}


_ID = text(least=1, most=36)
_RESET = Key(name="reset_operation", check=boolean())
_SERVICE = Key(name="security_service_id", check=_ID, required=True)
_EXCHANGE = (
    Key(name="current_service_id", check=_ID, required=True),
    Key(name="new_service_id", check=_ID, required=True),
)
_MANAGE = "share_network:manage"
_SUBNET = Body(None, (*SUBNET_KEYS, Key(name="availability_zone", check=text(least=1)), _RESET))
_STATUS = Body(
    None,
    (
        Key(
            name="status",
            check=one_of(str(NetworkStatus.ACTIVE), str(NetworkStatus.ERROR)),
            required=True,
        ),
    ),
)

RULES = (
    Rule("share_network:add_security_service", MEMBER, "Put a security service on a network."),
    Rule("share_network:remove_security_service", MEMBER, "Take one off a network."),
    Rule("share_network:update_security_service", MEMBER, "Put one in another's place."),
    Rule("share_network:reset_status", ADMIN, "Set the status of a share network by hand."),
)
_ADD, _REMOVE, _UPDATE = (rule.name for rule in RULES[:3])
ROUTES = (
    Route(
        "POST",
        "/share-networks/{id}/action",
        None,
        None,
        actions=(
            Action(
                "add_security_service", add_security_service, _ADD, 200, Body(None, (_SERVICE,))
            ),
            Action(
                "remove_security_service",
                remove_security_service,
                _REMOVE,
                200,
                Body(None, (_SERVICE,)),
            ),
            Action(
                "update_security_service",
                update_security_service,
                _UPDATE,
                body=Body(None, _EXCHANGE),
                since=CHECK_SINCE,
            ),
            Action(
                "add_security_service_check",
                add_security_service_check,
                _ADD,
                body=Body(None, (_SERVICE, _RESET)),
                since=CHECK_SINCE,
            ),
            Action(
                "update_security_service_check",
                update_security_service_check,
                _UPDATE,
                body=Body(None, (*_EXCHANGE, _RESET)),
                since=CHECK_SINCE,
            ),
            Action(
                "share_network_subnet_create_check",
                subnet_create_check,
                _MANAGE,
                body=_SUBNET,
                since=SUBNETS_SINCE,
            ),
            Action(
                "reset_status",
                reset_status,
                "share_network:reset_status",
                body=_STATUS,
                since=CHECK_SINCE,
            ),
        ),
    ),
)
