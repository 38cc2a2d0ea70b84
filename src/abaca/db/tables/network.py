"""Addresses: what share servers hold (the helper's rows), and the standalone plugin's ledger."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint

from abaca.db.tables.base import (
    Name,
    UtcDateTime,
    id_column,
    metadata,
    reference,
    stamps,
    wire_columns,
)

allocations = Table(
    "allocations",
    metadata,
    id_column(),
    reference("share_server_id", "share_servers.id"),
    Column("section", Name, nullable=False),
    Column("subnet_key", Name, nullable=False),
    Column("label", String(16), nullable=False),
    Column("index", Integer, nullable=False),
    # Null until the plugin has answered.
    Column("plugin_id", Name),
    Column("addresses", JSON),
    Column("mac_address", String(32)),
    # As `segments` has it; here too, since one subnet may be another segment on another host.
    Column("segment", JSON),
    # The plugin has let go, and the row is about to follow: it keeps no network up. With
    # addresses: the plugin was told to forget them, and may not have.
    Column("leaving", Boolean, nullable=False, default=False),
    *stamps(),
    UniqueConstraint("share_server_id", "section", "subnet_key", "label", "index"),
)

addresses = Table(
    "addresses",
    metadata,
    Column("pool", Name, primary_key=True),
    Column("address", String(45), primary_key=True),
    # Null where a released claim's address stays out of circulation (unmanage).
    Column("owner", String(64)),
    Column("label", String(16)),
    Column("subnet", Name),
    Column("index", Integer),
    Column("taken_at", UtcDateTime),
    # Given, but whether nobody else has it is still to be found out. Null means no.
    Column("tentative", Boolean),
    # Why it is kept out of circulation without an owner, where it is not an unmanaged server's:
    # "answered" (somebody does, on the wire) or "imported" (an administrator said so) ...
    Column("reason", String(16)),
    # ... and who has it.
    Column("who", String(255)),
    UniqueConstraint("owner", "label", "subnet", "index", "pool"),
)

# The pools that `addresses` and `address_gaps` speak of; its row is locked by writers.
address_pools = Table(
    "address_pools",
    metadata,
    Column("pool", Name, primary_key=True),
    # The ranges and reserved addresses that the gaps were made for, in canonical form.
    Column("spec", Text, nullable=False),
    # Since when it has been fuller than its network section likes; null while it is not.
    Column("filled_at", UtcDateTime),
)

# What is free in a pool: disjoint intervals, so that finding one is an index lookup however
# full or large the pool is. A freed address is an interval of its own until it is used again.
address_gaps = Table(
    "address_gaps",
    metadata,
    Column("pool", Name, primary_key=True),
    # Hexadecimal, of one width within a pool: text order is address order.
    Column("first", String(32), primary_key=True),
    Column("last", String(32), nullable=False),
    # The epoch if never used.
    Column("freed_at", UtcDateTime, nullable=False),
    Index(None, "pool", "freed_at", "first"),
)

tenant_networks = Table(
    "tenant_networks",
    metadata,
    id_column(),
    Column("project_id", Name, nullable=False),
    Column("name", Name, nullable=False),
    *wire_columns(),
    Column("subnets", JSON, nullable=False),
    Column("allocation_ranges", JSON, nullable=False),
    *stamps(),
    UniqueConstraint("project_id", "name"),
)

made_networks = Table(
    "made_networks",
    metadata,
    Column("section", Name, primary_key=True),
    Column("subnet_key", Name, primary_key=True),
    *wire_columns(),
    # Kind of wire and segmentation ID: no two networks share one, whichever section made them.
    Column("wire", String(320), nullable=False, unique=True),
    Column("cidr", String(64), nullable=False),
    # Of the second IP version, if it has two.
    Column("second_cidr", String(64)),
    Column("subnets", JSON, nullable=False),
    *stamps(),
    UniqueConstraint("section", "cidr"),
    UniqueConstraint("section", "second_cidr"),
)
