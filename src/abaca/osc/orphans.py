"""`openstack share orphan list`, `audit` and `repair` (administrators)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from osc_lib.command import command

PATH = "/orphans"
COLUMNS = {
    "ID": "id",
    "Host": "host",
    "Kind": "kind",
    "Resource": "resource_id",
    "Direction": "direction",
    "State": "state",
    "Detail": "detail",
}
LONG = {"First Seen": "first_seen", "Last Seen": "last_seen", "Repaired At": "repaired_at"}
ASKED = {"Host": "host", "Wanted": "wanted", "Last Audit": "finished_at"}
Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def _table(items: Sequence[dict[str, Any]], columns: dict[str, str]) -> Table:
    return tuple(columns), [tuple(item[key] for key in columns.values()) for item in items]


class ListOrphans(command.Lister):
    """List where the database and the world differ: what audits found, suspected, or repaired."""

    def get_parser(self, prog_name: str) -> Any:
        """Filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--backend", metavar="<backend>", help="A backend, or host@backend")
        parser.add_argument(
            "--kind", metavar="<kind>", help="share_server, share, snapshot, network, ..."
        )
        parser.add_argument("--state", choices=("suspected", "found", "repaired"))
        parser.add_argument(
            "--direction", choices=("missing_in_world", "missing_in_ledger", "not_asked")
        )
        parser.add_argument("--long", action="store_true", help="Say when, too")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """One row each, the oldest first."""
        client: Any = self.app.client_manager.abaca  # type: ignore[attr-defined]
        names = ("backend", "kind", "state", "direction")
        wanted = {name: getattr(parsed_args, name) for name in names}
        query = {name: value for name, value in wanted.items() if value is not None}
        found: list[dict[str, Any]] = []
        while True:
            page = client.call("GET", f"{PATH}?{urlencode(query)}")
            found += page["orphans"]
            if "orphans_links" not in page:
                return _table(found, COLUMNS | (LONG if parsed_args.long else {}))
            query["marker"] = found[-1]["id"]


class _Ask(command.Lister):
    action: str

    def get_parser(self, prog_name: str) -> Any:
        """One backend, or all."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--backend", metavar="<backend>", help="A backend, or host@backend (all if left out)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """The backends that were asked; the list shows what comes of it."""
        client: Any = self.app.client_manager.abaca  # type: ignore[attr-defined]
        backend = parsed_args.backend
        body = {self.action: {"backend": backend} if backend else {}}
        return _table(client.call("POST", f"{PATH}/action", body)["audits"], ASKED)


class AuditOrphans(_Ask):
    """Have the database compared with the world now, instead of at the next periodic audit."""

    action = "audit"


class RepairOrphans(_Ask):
    """Have what belongs to nobody removed now, where that is safe; data is never removed."""

    action = "repair"
