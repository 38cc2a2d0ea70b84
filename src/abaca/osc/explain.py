"""`openstack share network explain`: where a share would go, and why not elsewhere."""

from __future__ import annotations

import argparse
from typing import Any

from osc_lib.command import command

from abaca.osc.columns import Backends


class ExplainShareNetwork(command.ShowOne):
    """Tell which backends would take a share, and why each other would not; nothing is made."""

    def get_parser(self, prog_name: str) -> Any:
        """The share that is asked about."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--share-type", metavar="<share-type>", help="Name or ID (the default type if left out)"
        )
        parser.add_argument("--size", metavar="<GiB>", type=int, required=True, help="Size in GiB")
        parser.add_argument("--share-network", metavar="<share-network>", help="Name or ID")
        parser.add_argument("--availability-zone", metavar="<zone>", help="Name of a zone")
        parser.add_argument(
            "--share-protocol", metavar="<protocol>", default="NFS", help="NFS if left out"
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """Names and values."""
        client: Any = self.app.client_manager.abaca  # type: ignore[attr-defined]
        network = parsed_args.share_network
        wanted = {
            "size": parsed_args.size,
            "share_type": parsed_args.share_type,
            "share_network_id": client.network(network) if network else None,
            "availability_zone": parsed_args.availability_zone,
            "share_proto": parsed_args.share_protocol,
        }
        body = {"explain": {key: value for key, value in wanted.items() if value is not None}}
        found = dict(client.call("POST", "/share-networks/explain", body)["explanation"])
        found["backends"] = Backends(found["backends"])
        return tuple(found), tuple(found.values())
