"""Every route of the API, and every policy rule: one literal table.

A resource file holds its own ``ROUTES`` and ``RULES``; it serves once it is
named here.
"""

from __future__ import annotations

from abaca.api import (
    access_rules,
    availability_zones,
    default_share_network,
    extensions,
    limits,
    messages,
    orphans,
    quota_class_sets,
    quota_sets,
    scheduler_stats,
    security_services,
    services,
    share_actions,
    share_export_locations,
    share_instances,
    share_metadata,
    share_network_actions,
    share_network_explain,
    share_network_subnet_metadata,
    share_network_subnets,
    share_networks,
    share_servers,
    share_transfers,
    share_types,
    shares,
    snapshot_instances,
    snapshot_metadata,
    snapshots,
)
from abaca.api.policy import Rule
from abaca.api.routing import Route

_RESOURCES = (
    access_rules,
    availability_zones,
    default_share_network,
    extensions,
    limits,
    messages,
    orphans,
    quota_class_sets,
    quota_sets,
    scheduler_stats,
    security_services,
    services,
    share_actions,
    share_export_locations,
    share_instances,
    share_metadata,
    share_network_actions,
    share_network_subnet_metadata,
    share_network_explain,
    share_network_subnets,
    share_networks,
    share_servers,
    share_transfers,
    share_types,
    shares,
    snapshot_instances,
    snapshot_metadata,
    snapshots,
)

ROUTES: tuple[Route, ...] = tuple(route for file in _RESOURCES for route in file.ROUTES)
RULES: tuple[Rule, ...] = tuple(rule for file in _RESOURCES for rule in file.RULES)
