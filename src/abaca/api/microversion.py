"""Microversions as data: which there are, and which one a request speaks.

`HISTORY` is the published list; the documentation is generated from it. The
maximum is its last entry. A request names its version in the header
``X-OpenStack-Manila-API-Version: X.Y`` or ``OpenStack-API-Version:
shared-file-system X.Y``; without either it speaks 2.0, for ever. Source: the
public "REST API version history" of the Shared File Systems API.
"""

from __future__ import annotations

import re

from abaca.context import Version
from abaca.errors import BadRequest, NotAcceptable

V = Version

OWN_HEADER = "X-OpenStack-Manila-API-Version"
COMMON_HEADER = "OpenStack-API-Version"
EXPERIMENTAL_HEADER = "X-OpenStack-Manila-API-Experimental"
SERVICE_TYPE = "shared-file-system"

HISTORY: tuple[tuple[Version, str], ...] = (
    (V(2, 0), "First version with microversions."),
    (V(2, 1), "Creating a share respects `availability_zone`."),
    (V(2, 2), "Snapshots are optional: `snapshot_support` of shares."),
    (V(2, 3), "Share instances, for administrators."),
    (V(2, 4), "Consistency groups (experimental)."),
    (V(2, 5), "Share migration, for administrators (experimental)."),
    (V(2, 6), "`share_type` of a share is an ID; its name is `share_type_name`."),
    (V(2, 7), "URLs, actions and keys lose the prefix `os-`."),
    (V(2, 8), "A managed share may be made public at once."),
    (V(2, 9), "Export locations are a resource of their own, no longer fields of the share."),
    (V(2, 10), "`access_rules_status` of shares and share instances."),
    (V(2, 11), "Share replicas (experimental)."),
    (V(2, 12), "Snapshots are managed and unmanaged."),
    (V(2, 13), "Access type `cephx`."),
    (V(2, 14), "`preferred` of export locations."),
    (V(2, 15), "Share migration in two phases (experimental)."),
    (V(2, 16), "`user_id` of shares."),
    (V(2, 17), "`user_id` and `project_id` of snapshots."),
    (V(2, 18), "`gateway` of share networks."),
    (V(2, 19), "Snapshot instances, for administrators."),
    (V(2, 20), "`mtu` of share networks."),
    (V(2, 21), "`access_key` of access rules."),
    (V(2, 22), "Share migration takes more options (experimental)."),
    (V(2, 23), "Scheduler pools are filtered by share type."),
    (V(2, 24), "`create_share_from_snapshot_support` is an extra spec of its own."),
    (V(2, 25), "Quota sets with usage: `/detail`."),
    (V(2, 26), "Share networks lose `nova_net_id`."),
    (V(2, 27), "A share is reverted to its latest snapshot."),
    (V(2, 28), "Access rules have transitional states."),
    (V(2, 29), "Share migration's options are mandatory (experimental)."),
    (V(2, 30), "`cast_rules_to_readonly` of share instances."),
    (V(2, 31), "Share groups replace consistency groups (experimental)."),
    (V(2, 32), "Snapshots can be mounted: access rules and export locations of snapshots."),
    (V(2, 33), "`created_at` and `updated_at` of access rules."),
    (V(2, 34), "Share groups in availability zones (experimental)."),
    (V(2, 35), "Shares are filtered by export location."),
    (V(2, 36), "Lists are filtered by part of the name or description: `name~`, `description~`."),
    (V(2, 37), "User messages."),
    (V(2, 38), "Access rules for IPv6 addresses."),
    (V(2, 39), "Quotas per share type."),
    (V(2, 40), "Quotas of share groups."),
    (V(2, 41), "`description` of share types."),
    (V(2, 42), "`with_count` in lists of shares."),
    (V(2, 43), "Share types are filtered by extra spec."),
    (V(2, 44), "`ou` of security services."),
    (V(2, 45), "Access rules are a resource of their own, with metadata."),
    (V(2, 46), "`is_default` of share types."),
    (V(2, 47), "Export locations of share replicas (experimental)."),
    (V(2, 48), "Extra spec `availability_zones` limits where shares of a type may be."),
    (V(2, 49), "Share servers are managed and unmanaged."),
    (V(2, 50), "Share types are updated."),
    (V(2, 51), "Share networks have a subnet per availability zone."),
    (V(2, 52), "User messages are filtered by time of creation."),
    (V(2, 53), "Quotas of share replicas."),
    (V(2, 54), "`progress` of shares and share instances."),
    (V(2, 55), "Share groups are no longer experimental."),
    (V(2, 56), "Share replicas are no longer experimental."),
    (V(2, 57), "Share servers are migrated (experimental)."),
    (V(2, 58), "Share groups in the limits."),
    (V(2, 59), "`details` of a migration's progress (experimental)."),
    (V(2, 60), "URLs need no project ID."),
    (V(2, 61), "Extra specs that limit the size of shares of a type."),
    (V(2, 62), "Quota `per_share_gigabytes`."),
    (V(2, 63), "Security services of share networks in use are added and updated."),
    (V(2, 64), "`force` extends a share without asking the scheduler."),
    (V(2, 65), "`scheduler_hints` when a share is created."),
    (V(2, 66), "Share group types are filtered by group spec."),
    (V(2, 67), "Scheduler hint `only_host`, for administrators."),
    (V(2, 68), "Metadata of shares that only administrators set."),
    (V(2, 69), "The recycle bin: shares are deleted softly, and restored."),
    (V(2, 70), "Share networks have several subnets per availability zone, also while in use."),
    (V(2, 71), "`updated_at` of share instances."),
    (V(2, 72), "Share replicas are created on a share network."),
    (V(2, 73), "Metadata of snapshots."),
    (V(2, 74), "Access rules change while share replicas are in error."),
    (V(2, 75), "How long a share replica waits for quiet before it is promoted."),
    (V(2, 76), "`default_ad_site` of security services."),
    (V(2, 77), "Shares are transferred to other projects."),
    (V(2, 78), "Metadata of share network subnets."),
)

MIN = HISTORY[0][0]
MAX = HISTORY[-1][0]

_PATTERN = re.compile(r"([1-9][0-9]*)\.(0|[1-9][0-9]*)")


def requested(own: str | None, common: str | None) -> Version:
    """The version of a request with these two headers.

    The common header wins where it names this service. ``latest`` is `MAX`.
    `BadRequest` for what is no version, `NotAcceptable` outside `MIN` to `MAX`.
    """
    text = _ours(common) or (own.strip() if own else None)
    if text is None:
        return MIN
    if text.lower() == "latest":
        return MAX
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise BadRequest(
            f"{text!r} is no API version: give a number between {MIN} and {MAX}, or 'latest'."
        )
    version = Version(int(match[1]), int(match[2]))
    if not MIN <= version <= MAX:
        raise NotAcceptable(
            f"Version {version} is not supported by the API. Minimum is {MIN} and maximum is {MAX}."
        )
    return version


def _ours(common: str | None) -> str | None:
    """What the common header says of this service, or None."""
    for part in (common or "").split(","):
        words = part.split()
        if len(words) == 2 and words[0].lower() == SERVICE_TYPE:  # noqa: PLR2004 - name and number
            return words[1]
    return None


def history_document() -> str:
    """The published history as Markdown."""
    return "\n".join(
        [
            "# API versions",
            "",
            f"Generated from `abaca.api.microversion.HISTORY`; Abaca speaks {MIN} to {MAX}.",
            "",
            *(f"- **{version}**: {text}" for version, text in HISTORY),
            "",
        ]
    )
