"""Every route of the API, and every policy rule: one literal table.

A resource file holds its own ``ROUTES`` and ``RULES``; it serves once it is
named here.
"""

from __future__ import annotations

from abaca.api import (
    availability_zones,
    share_network_subnets,
    share_networks,
    share_types,
)
from abaca.api.policy import Rule
from abaca.api.routing import Route

_RESOURCES = (
    availability_zones,
    share_network_subnets,
    share_networks,
    share_types,
)

ROUTES: tuple[Route, ...] = tuple(route for file in _RESOURCES for route in file.ROUTES)
RULES: tuple[Rule, ...] = tuple(rule for file in _RESOURCES for rule in file.RULES)
