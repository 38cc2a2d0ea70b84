"""What a tenant is told when work on their share, or its server, failed for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from abaca.db import messages
from abaca.db.database import Tx
from abaca.db.tables import now
from abaca.errors import (
    AbacaError,
    AccessRuleUnsupported,
    AddressesExhausted,
    NetworkError,
    ShrinkRefused,
    StorageFull,
)
from abaca.model.message import ActionId, DetailId, MessageResource
from abaca.model.share import Share
from abaca.model.share_server import ShareServer
from abaca.states import ShareStatus

ACTIONS = {
    ShareStatus.CREATING: ActionId.CREATE,
    ShareStatus.CREATING_FROM_SNAPSHOT: ActionId.CREATE,
    ShareStatus.EXTENDING: ActionId.EXTEND,
    ShareStatus.SHRINKING: ActionId.SHRINK,
    ShareStatus.REVERTING: ActionId.REVERT_TO_SNAPSHOT,
    ShareStatus.DELETING: ActionId.DELETE,
}
QUIET = timedelta(hours=1)
"""What is tried again and again by itself is told so often at most."""
_BY_ERROR: tuple[tuple[type[AbacaError], DetailId], ...] = (
    (AddressesExhausted, DetailId.SUBNET_FULL),
    (NetworkError, DetailId.NO_SHARE_SERVER),
    (StorageFull, DetailId.NO_VALID_HOST),
    (ShrinkRefused, DetailId.DRIVER_REFUSED_SHRINK),
    (AccessRuleUnsupported, DetailId.UNSUPPORTED_CLIENT_ACCESS),
)
_BY_STATUS = {
    ShareStatus.CREATING_FROM_SNAPSHOT: DetailId.DRIVER_FAILED_CREATING_FROM_SNAP,
    ShareStatus.EXTENDING: DetailId.DRIVER_FAILED_EXTEND,
    ShareStatus.SHRINKING: DetailId.DRIVER_FAILED_SHRINK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What failed, why, and what the tenant is told."""

    action: ActionId
    detail: DetailId
    told: str


def failure_of(status: ShareStatus, error: Exception) -> Failure:
    """What to tell about an error met while a share was in this status."""
    detail = _BY_STATUS.get(status, DetailId.UNKNOWN_ERROR)
    return Failure(
        action=ACTIONS.get(status, ActionId.UPDATE),
        detail=_detail(error, detail),
        told=told_of(error),
    )


def told_of(error: Exception) -> str:
    """What a tenant may read of an error."""
    return error.told if isinstance(error, AbacaError) else AbacaError.generic


def _detail(error: Exception, otherwise: DetailId) -> DetailId:
    return next((item for kind, item in _BY_ERROR if isinstance(error, kind)), otherwise)


def tell(tx: Tx, share: Share, request_id: str | None, failure: Failure) -> None:
    """Leave the share's project a message."""
    messages.add(
        tx,
        project_id=share.project_id,
        request_id=request_id,
        resource=MessageResource.SHARE,
        resource_id=share.id,
        action=failure.action,
        detail=failure.detail,
        told=failure.told,
    )


def tell_again(tx: Tx, share: Share, request_id: str | None, failure: Failure) -> None:
    """`tell`, unless the project was told something of this share of late."""
    if not messages.told_since(tx, share.project_id, share.id, now() - QUIET):
        tell(tx, share, request_id, failure)


def tell_of_server(
    tx: Tx, server: ShareServer, request_id: str | None, action: ActionId, error: Exception
) -> None:
    """Leave the server's project a message, unless it was told something of the kind of late.

    It is about the share network: which servers are on it tenants do not see.
    """
    if messages.told_since(tx, server.project_id, server.share_network_id, now() - QUIET):
        return
    messages.add(
        tx,
        project_id=server.project_id,
        request_id=request_id,
        resource=MessageResource.SHARE_NETWORK,
        resource_id=server.share_network_id,
        action=action,
        detail=_detail(error, DetailId.UNKNOWN_ERROR),
        told=told_of(error),
    )
