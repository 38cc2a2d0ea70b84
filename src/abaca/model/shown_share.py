"""A share as an answer shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from abaca.model.share import ExportLocation, Share
from abaca.model.share_type import ShareType


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortShare:
    """As much of a share as a list in short shows."""

    id: str
    name: str | None


class ShownShare(NamedTuple):
    """A share, its primary instance and its type, in one: nothing but what is shown.

    A tuple as the database gives it, for lists of a thousand: to make a dataclass of
    each row takes longer than all that is done with it.
    """

    id: str
    project_id: str
    user_id: str | None
    name: str | None
    description: str | None
    size: int
    share_proto: str
    share_type_id: str
    share_network_id: str | None
    effective_share_network_id: str | None
    snapshot_id: str | None
    is_public: bool
    is_soft_deleted: bool
    scheduled_to_be_deleted_at: datetime | None
    created_at: datetime
    status: str
    access_rules_status: str
    progress: str | None
    host: str | None
    """``host@backend``; None until it is placed."""
    pool: str | None
    availability_zone: str | None
    share_server_id: str | None
    instance_id: str
    metadata: Mapping[str, str]
    share_type: ShareType
    export_locations: tuple[ExportLocation, ...]

    @property
    def full_host(self) -> str | None:
        """``host@backend#pool``, as the API shows it."""
        return f"{self.host}#{self.pool}" if self.host else None


class ToldShare(NamedTuple):
    """A share as the database tells it: everything that is shown of it, as one text.

    Where the text is the same, so is whatever is made of it.
    """

    project_id: str
    text: str
    """A `ShownShare` in JSON: the array of its fields."""

    @property
    def id(self) -> str:
        """Of the share."""
        return read_share(self.text).id


_decoder = msgspec.json.Decoder(ShownShare, strict=False)  # booleans may be 0 and 1
_encoder = msgspec.json.Encoder()


def read_share(text: str) -> ShownShare:
    """What a `ToldShare` says."""
    return _decoder.decode(text)


def told(share: ShownShare) -> ToldShare:
    """A share as if the database had told it."""
    return ToldShare(share.project_id, _encoder.encode(share).decode())


def shown(share: Share, share_type: ShareType) -> ShownShare:
    """A share that was just made: it is exported nowhere yet."""
    instance = share.instance
    return ShownShare(
        id=share.id,
        project_id=share.project_id,
        user_id=share.user_id,
        name=share.name,
        description=share.description,
        size=share.size,
        share_proto=share.share_proto,
        share_type_id=share.share_type_id,
        share_network_id=share.share_network_id,
        effective_share_network_id=share.effective_share_network_id,
        snapshot_id=share.snapshot_id,
        is_public=share.is_public,
        is_soft_deleted=share.is_soft_deleted,
        scheduled_to_be_deleted_at=share.scheduled_to_be_deleted_at,
        created_at=share.created_at,
        status=instance.status,
        access_rules_status=instance.access_rules_status,
        progress=instance.progress,
        host=instance.host,
        pool=instance.pool,
        availability_zone=instance.availability_zone,
        share_server_id=instance.share_server_id,
        instance_id=instance.id,
        metadata=share.metadata,
        share_type=share_type,
        export_locations=(),
    )
