"""All tables, in one place to name them from; `metadata` knows every one."""

from __future__ import annotations

from abaca.db.tables.audit import audits, findings
from abaca.db.tables.base import metadata, new_id, now
from abaca.db.tables.network import (
    address_gaps,
    address_pools,
    addresses,
    allocations,
    made_networks,
    tenant_networks,
)
from abaca.db.tables.project import (
    application_credentials,
    projects,
    quota_classes,
    quotas,
    revoked_tokens,
    role_assignments,
    users,
)
from abaca.db.tables.schema import holds, schema_revisions
from abaca.db.tables.share import (
    access_rules,
    backend_exports,
    export_locations,
    share_instances,
    share_metadata,
    share_servers,
    share_transfers,
    shares,
    snapshot_instances,
    snapshot_metadata,
    snapshots,
)
from abaca.db.tables.share_network import (
    security_services,
    segments,
    share_network_security_services,
    share_network_subnets,
    share_networks,
)
from abaca.db.tables.share_type import share_type_extra_specs, share_type_projects, share_types
from abaca.db.tables.work import availability_zones, messages, pools, services, tasks

__all__ = [
    "access_rules",
    "address_gaps",
    "address_pools",
    "addresses",
    "allocations",
    "application_credentials",
    "audits",
    "availability_zones",
    "backend_exports",
    "export_locations",
    "findings",
    "holds",
    "made_networks",
    "messages",
    "metadata",
    "new_id",
    "now",
    "pools",
    "projects",
    "quota_classes",
    "quotas",
    "revoked_tokens",
    "role_assignments",
    "schema_revisions",
    "security_services",
    "segments",
    "services",
    "share_instances",
    "share_metadata",
    "share_network_security_services",
    "share_network_subnets",
    "share_networks",
    "share_servers",
    "share_transfers",
    "share_type_extra_specs",
    "share_type_projects",
    "share_types",
    "shares",
    "snapshot_instances",
    "snapshot_metadata",
    "snapshots",
    "tasks",
    "tenant_networks",
    "users",
]
