"""Rows as drivers see them."""

from __future__ import annotations

from ipaddress import ip_network

from abaca.drivers import driver as contract
from abaca.errors import AccessRuleUnsupported, DriverError
from abaca.model.access_rule import AccessRule
from abaca.model.share import Share
from abaca.model.share_server import ShareServer


def server_view(server: ShareServer) -> contract.Server:
    """A share server as drivers see it."""
    return contract.Server(id=server.id, project_id=server.project_id, identifier=server.identifier)


def share_view(
    share: Share, server: ShareServer | None, *, size_gib: int | None = None
) -> contract.Share:
    """A share's instance as drivers see it, with another size if one is given."""
    instance = share.instance
    if instance.export_id is None:
        raise DriverError(f"share instance {instance.id} was given no export ID")
    return contract.Share(
        id=instance.id,
        project_id=share.project_id,
        size_gib=share.size if size_gib is None else size_gib,
        protocol=share.share_proto,
        export_id=instance.export_id,
        server=None if server is None else server_view(server),
        made=instance.made,
    )


def rule_view(rule: AccessRule) -> contract.AccessRule:
    """An access rule as drivers see it. AccessRuleUnsupported if it names no network."""
    if rule.access_type != "ip":
        raise AccessRuleUnsupported(
            f"access type {rule.access_type} of rule {rule.id}",
            told=f"Access type {rule.access_type} is not supported.",
        )
    return contract.AccessRule(
        network=ip_network(rule.access_to, strict=False),
        level=contract.AccessLevel(rule.access_level),
    )
