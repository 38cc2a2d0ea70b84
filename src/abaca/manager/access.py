"""Access rules: applied as a whole, with what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from abaca.drivers import driver as contract
from abaca.errors import AccessRuleUnsupported
from abaca.manager.backend import Backend
from abaca.manager.views import rule_view, share_view
from abaca.model.access_rule import AccessRule
from abaca.model.share import Share
from abaca.model.share_server import ShareServer
from abaca.states import AccessState

LEAVING = frozenset({AccessState.QUEUED_TO_DENY, AccessState.DENYING})
SETTLED = frozenset({AccessState.ACTIVE, AccessState.ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesOutcome:
    """What applying the rules led to."""

    states: Mapping[str, AccessState] = field(default_factory=dict)
    """New states, by rule ID."""
    denied: tuple[str, ...] = ()
    """Rules that are no longer in force, and may go."""
    refused: AccessRuleUnsupported | None = None


def unsettled(rules: Sequence[AccessRule]) -> bool:
    """True if some rule waits to be applied or taken away."""
    return any(rule.state not in SETTLED for rule in rules)


def apply_rules(
    backend: Backend, share: Share, server: ShareServer | None, rules: Sequence[AccessRule]
) -> RulesOutcome:
    """Exactly the rules wanted are in force; those that the backend can't express are in error.

    A rule that is refused takes none of those with it that were in force.
    """
    wanted = [item for item in rules if item.state not in LEAVING | {AccessState.ERROR}]
    denied = tuple(item.id for item in rules if item.state in LEAVING)
    view = share_view(share, server)
    try:
        backend.driver.apply_access(view, _views(wanted))
    except AccessRuleUnsupported as error:
        kept = [item for item in wanted if item.state is AccessState.ACTIVE]
        if len(kept) == len(wanted):
            raise
        backend.driver.apply_access(view, _views(kept))
        states = {item.id: AccessState.ERROR for item in wanted if item not in kept}
        return RulesOutcome(states=states, denied=denied, refused=error)
    states = {item.id: AccessState.ACTIVE for item in wanted}
    return RulesOutcome(states=states, denied=denied)


def _views(rules: Sequence[AccessRule]) -> list[contract.AccessRule]:
    return [rule_view(rule) for rule in rules]
