"""`openstack share network default show`, `set` and `unset` (administrators)."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import urlencode

from osc_lib.command import command

from abaca.osc.columns import Sources

PATH = "/share-networks/default"


class ShowDefaultShareNetwork(command.ShowOne):
    """Show which default applies to shares that name no share network, and who says so."""

    def get_parser(self, prog_name: str) -> Any:
        """For a share type, if one is named."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--share-type",
            metavar="<share-type>",
            help="Name or ID: what applies to shares of this type",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """Names and values."""
        client: Any = self.app.client_manager.abaca  # type: ignore[attr-defined]
        wanted = parsed_args.share_type
        query = f"?{urlencode({'share_type': wanted})}" if wanted else ""
        found = dict(client.call("GET", PATH + query)["default_share_network"])
        found["sources"] = Sources(found["sources"])
        return tuple(found), tuple(found.values())


class SetDefaultShareNetwork(command.Command):
    """Designate a public share network as the default, instead of any other."""

    def get_parser(self, prog_name: str) -> Any:
        """The share network."""
        parser = super().get_parser(prog_name)
        parser.add_argument("network", metavar="<share-network>", help="Name or ID")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """A name is looked for among the public ones: no other can be designated."""
        client: Any = self.app.client_manager.abaca  # type: ignore[attr-defined]
        network_id = client.network(parsed_args.network, is_public="true")
        client.call("PUT", PATH, {"default_share_network": {"share_network_id": network_id}})


class UnsetDefaultShareNetwork(command.Command):
    """Designate no share network as the default."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:  # noqa: ARG002 - the interface
        """None."""
        client: Any = self.app.client_manager.abaca  # type: ignore[attr-defined]
        client.call("DELETE", PATH)
