"""Rules are decided as oslo.policy would, without loading it."""

from __future__ import annotations

from itertools import combinations

import pytest
from oslo_config import cfg
from oslo_policy import policy as oslo

from abaca.api.policy import BASE_RULES
from abaca.api.policy_checks import Checks
from abaca.api.routes import RULES

ROLES = ("admin", "manager", "Member", "reader", "service")
EXTRA = {
    "mixed": "role:reader or role:manager and project_id:%(project_id)s",
    "nested": "((role:manager or role:service) and (rule:mixed or role:admin))",
    "anyone": "@",
}


def by_oslo(texts: dict[str, str]) -> oslo.Enforcer:
    """Decides by the same texts."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    enforcer = oslo.Enforcer(conf, use_conf=False)
    enforcer.set_rules(oslo.Rules.from_dict(texts), use_conf=False)
    return enforcer


def test_every_rule_means_what_oslo_policy_takes_it_for() -> None:
    """Each text, for each set of roles, on things of one's own, of others, and of nobody."""
    # One rule for each text that there is.
    distinct = {rule.check: rule for rule in reversed((*BASE_RULES, *RULES))}
    texts = {rule.name: rule.check for rule in reversed(distinct.values())} | EXTRA
    enforcer, checks = by_oslo(texts), Checks(texts)
    callers = [frozenset(some) for size in range(4) for some in combinations(ROLES, size)]
    targets: list[dict[str, object]] = [{"project_id": "red"}, {"project_id": "blue"}, {}]
    seen = set()
    for rule in texts:
        for roles in callers:
            for target in targets:
                own = target.get("project_id") == "red"
                allowed = checks.allows(rule, roles, own=own)
                said = {"roles": sorted(roles), "project_id": "red", "user_id": "alice"}
                assert allowed == bool(enforcer.enforce(rule, target, said)), (rule, roles, target)
                seen.add(allowed)
    assert seen == {True, False}


@pytest.mark.parametrize(
    "text",
    ["", "role:a role:b", "(role:a", "role:a)", "or role:a", "role:a and", "not @", "rule:later"],
)
def test_what_is_no_check_is_refused(text: str) -> None:
    """A rule that can't be read never becomes one that lets everybody, or nobody, in."""
    with pytest.raises(ValueError, match=r"no check|unbalanced|comes before"):
        Checks({"one": text})
