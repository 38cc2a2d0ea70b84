"""Share networks and their subnets, one or more per availability zone."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from abaca.db.tables.base import Name, id_column, metadata, reference, stamps, wire_columns

share_networks = Table(
    "share_networks",
    metadata,
    id_column(),
    Column("project_id", Name, nullable=False),
    Column("user_id", Name),
    Column("name", Name),
    Column("description", Text),
    Column("status", String(32), nullable=False),
    Column("is_public", Boolean, nullable=False, default=False),
    # 1 on the designated default, null elsewhere: unique makes it one at most.
    Column("default_slot", Integer, unique=True),
    *stamps(),
    Index(None, "project_id", "created_at", "id"),
)

share_network_subnets = Table(
    "share_network_subnets",
    metadata,
    id_column(),
    reference("share_network_id", "share_networks.id", cascade=True),
    Column("availability_zone", Name),
    Column("neutron_net_id", Name),
    Column("neutron_subnet_id", Name),
    Column("nova_net_id", Name),
    Column("metadata", JSON, nullable=False, default=dict),
    *stamps(),
)

# What a subnet turned out to be, by the network section that looked at it.
segments = Table(
    "segments",
    metadata,
    Column("section", Name, primary_key=True),
    Column("subnet_key", Name, primary_key=True),
    *wire_columns(),
    # [{"cidr": ..., "gateway": ..., "routes": [[destination, next hop], ...]}, ...]
    Column("subnets", JSON, nullable=False),
)

security_services = Table(
    "security_services",
    metadata,
    id_column(),
    Column("project_id", Name, nullable=False),
    Column("type", String(32), nullable=False),
    Column("name", Name),
    Column("description", Text),
    Column("dns_ip", Name),
    Column("server", Name),
    Column("domain", Name),
    Column("ou", Name),
    Column("user", Name),
    Column("password", Name),
    Column("default_ad_site", Name),
    *stamps(),
    Index(None, "project_id", "created_at", "id"),
)

share_network_security_services = Table(
    "share_network_security_services",
    metadata,
    reference("share_network_id", "share_networks.id", cascade=True),
    reference("security_service_id", "security_services.id"),
    # As the service's own: a share network has one of each type.
    Column("type", String(32), nullable=False),
    PrimaryKeyConstraint("share_network_id", "security_service_id"),
    UniqueConstraint("share_network_id", "type"),
)
