"""How the `openstack` client finds the commands: the interface of osc-lib's plugins.

An API of its own name beside python-manilaclient's ``share``: the client loads
the commands of the entry point group ``openstack.abaca.v1`` besides those of
``openstack.share.v2``, and neither takes the place of the other.
"""

from __future__ import annotations

import argparse
from typing import Any

from abaca.osc.client import Client

API_NAME = "abaca"
API_VERSION_OPTION = "os_abaca_api_version"
DEFAULT_API_VERSION = "1"
API_VERSIONS = {"1": "abaca.osc.client.Client"}


def make_client(instance: Any) -> Client:
    """The client of the cloud that the `openstack` client is configured for."""
    return Client.of(instance)


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """No option more: session, region and endpoint are those of every other command."""
    return parser
