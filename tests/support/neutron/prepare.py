"""Run by Neutron's own Python: ``prepare.py URL`` makes a database as a fresh Neutron has it.

The schema is built from Neutron's models, which is what its migrations end in.
Ports are bound by an agent's row alone: nothing runs on the host ``HOST``, and its
heartbeat lies far ahead, so it is always alive.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import uuid

import sqlalchemy as sa
from neutron.db.migration.models import head

HOST = "agent-host"


def main(url: str) -> None:
    """Schema and agent, once."""
    engine = sa.create_engine(url)
    head.get_metadata().create_all(engine)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    row = {
        "id": str(uuid.uuid4()),
        "agent_type": "Open vSwitch agent",
        "binary": "neutron-openvswitch-agent",
        "topic": "N/A",
        "host": HOST,
        "admin_state_up": True,
        "created_at": now,
        "started_at": now,
        "heartbeat_timestamp": dt.datetime(2099, 1, 1),  # noqa: DTZ001 - as Neutron has it
        "configurations": json.dumps(
            {
                "bridge_mappings": {"physnet1": "br-1", "physnet2": "br-2"},
                "tunnel_types": ["vxlan", "geneve"],
                "tunneling_ip": "127.0.0.1",
                "datapath_type": "netdev",
                "bridge_name": "br-int",
            }
        ),
        "load": 0,
    }
    agents = sa.Table("agents", sa.MetaData(), autoload_with=engine)
    with engine.begin() as connection:
        connection.execute(agents.insert(), row)
        if url.startswith("sqlite"):
            connection.exec_driver_sql("PRAGMA user_version = 1")
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
