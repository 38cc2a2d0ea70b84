"""`openstack share network publish` and `unpublish`."""

from __future__ import annotations

import argparse
from typing import Any

from osc_lib.command import command


class _SetPublic(command.Command):
    public: bool

    def get_parser(self, prog_name: str) -> Any:
        """One or several share networks."""
        parser = super().get_parser(prog_name)
        parser.add_argument("network", metavar="<share-network>", nargs="+", help="Name or ID")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Find all of them, then change one after the other."""
        client: Any = self.app.client_manager.abaca  # type: ignore[attr-defined]
        for network_id in [client.network(item) for item in parsed_args.network]:
            body = {"share_network": {"is_public": self.public}}
            client.call("PUT", f"/share-networks/{network_id}", body)


class PublishShareNetwork(_SetPublic):
    """Let every project see a share network and make shares on it (administrators)."""

    public = True


class UnpublishShareNetwork(_SetPublic):
    """Take a public share network back, while no other project has shares on it."""

    public = False
