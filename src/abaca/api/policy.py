"""Who may do what: rules as oslo.policy has them, with every default here or beside its routes.

Roles, each including the next: ``admin`` (everything, in every project),
``manager`` of a project, ``member``, ``reader``. An operator's policy file
(YAML, as oslo.policy reads it) overrides single rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from abaca.api.policy_checks import Checks
from abaca.context import Context
from abaca.errors import Forbidden

if TYPE_CHECKING:
    from abaca.api.policy_file import PolicyFile

ADMIN = "rule:context_is_admin"
MANAGER = "rule:project_manager"
MEMBER = "rule:project_member"
READER = "rule:project_reader"
ANYONE = "@"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be allowed; registered beside its routes."""

    name: str
    check: str
    description: str


BASE_RULES = (
    Rule("context_is_admin", "role:admin", "Who is an administrator, in every project."),
    Rule(
        "project_manager",
        "rule:context_is_admin or (role:manager and project_id:%(project_id)s)",
        "Managers of the project that the thing belongs to.",
    ),
    Rule(
        "project_member",
        "rule:project_manager or (role:member and project_id:%(project_id)s)",
        "Members of the project that the thing belongs to.",
    ),
    Rule(
        "project_reader",
        "rule:project_member or (role:reader and project_id:%(project_id)s)",
        "Readers of the project that the thing belongs to.",
    ),
)


class Policy:
    """Decides; thread-safe. ``file`` is an operator's policy file."""

    def __init__(self, rules: Iterable[Rule] = (), *, file: str | None = None) -> None:
        texts = {rule.name: rule.check for rule in (*BASE_RULES, *rules)}
        self._checks = Checks(texts)
        self._file = None if file is None else _policy_file(texts, file)
        self.unknown = () if self._file is None else self._file.unknown
        """Rules of the file that nothing checks: typing errors, most likely."""
        self._simple = self._file is None or self._file.simple
        self._known: dict[tuple[str, frozenset[str], bool], bool] = {}

    def knows(self, rule: str) -> bool:
        """Whether the rule is registered."""
        return rule in self._checks.names

    def allows(self, rule: str, ctx: Context, target: Mapping[str, object]) -> bool:
        """Whether this caller may do this to the target (its ``project_id``, ``user_id``)."""
        if not self.knows(rule):
            raise KeyError(f"policy rule {rule} is not registered")
        key = (rule, ctx.roles, target.get("project_id") == ctx.project_id)
        if self._simple and key in self._known:
            return self._known[key]
        if self._file is None:
            own = "project_id" in target and target["project_id"] == ctx.project_id
            allowed = self._checks.allows(rule, ctx.roles, own=own)
        else:
            allowed = self._file.allows(rule, ctx, target)
        if self._simple:
            self._known[key] = allowed
        return allowed

    def is_admin(self, ctx: Context) -> bool:
        """Whether the caller is an administrator."""
        return self.allows("context_is_admin", ctx, {"project_id": ctx.project_id})

    def refuse(self, rule: str) -> NoReturn:
        """`Forbidden`, naming the rule that an administrator would change."""
        raise Forbidden(f"Policy does not allow {rule} to be performed with your roles.")


def _policy_file(texts: Mapping[str, str], file: str) -> PolicyFile:
    from abaca.api.policy_file import PolicyFile  # noqa: PLC0415 - oslo.policy only where asked for

    return PolicyFile(texts, file)
