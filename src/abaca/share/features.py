"""What shares of a type offer and how large they may be, as the type's extra specs say."""

from __future__ import annotations

from abaca.errors import BadRequest
from abaca.model.share_type import ShareType
from abaca.share.extra_specs import MAX_SIZE, MIN_SIZE, is_true


def offers(share_type: ShareType, feature: str) -> bool:
    """Whether they have the feature (`abaca.share.extra_specs.SUPPORTS`); unsaid is no."""
    return is_true(share_type.extra_specs.get(feature, ""))


def check_size(share_type: ShareType, size: int) -> None:
    """`BadRequest` if shares of the type may not have this size in GiB."""
    least, most = share_type.extra_specs.get(MIN_SIZE), share_type.extra_specs.get(MAX_SIZE)
    if least is not None and size < int(least):
        raise BadRequest(f"size={size}: shares of type {share_type.name} have at least {least}.")
    if most is not None and size > int(most):
        raise BadRequest(f"size={size}: shares of type {share_type.name} have at most {most}.")
