"""Who may do what: oslo.policy, with every default here or beside its routes.

Roles, each including the next: ``admin`` (everything, in every project),
``manager`` of a project, ``member``, ``reader``. An operator's policy file
(YAML, as oslo.policy reads it) overrides single rules.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog
from oslo_config import cfg
from oslo_policy import _checks, opts, policy

from abaca.context import Context
from abaca.errors import ConfigError, Forbidden

log = structlog.get_logger()

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

_SIMPLE = re.compile(
    r"(?:[()@!]|\band\b|\bor\b|\bnot\b|\brole:[\w.-]+|\brule:[\w:.-]+"
    r"|\bproject_id:%\(project_id\)s|\bis_admin:True|\s)*"
)


@contextmanager
def _own_checks_only(*, unless: object) -> Iterator[None]:
    """Rules that are read inside have no checks of other packages, but where a file is given.

    oslo.policy loads those for the first rule that it reads: an HTTP client, 5 MB.
    """
    before = _checks.extension_checks
    if unless is None and before is None:
        _checks.extension_checks = {}
    try:
        yield
    finally:
        if unless is None:
            _checks.extension_checks = before


class Policy:
    """Decides; thread-safe. ``file`` is an operator's policy file."""

    def __init__(self, rules: Iterable[Rule] = (), *, file: str | None = None) -> None:
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        opts._register(conf)  # noqa: SLF001 - oslo.policy has no other way to set its options
        if file is not None:
            conf.set_override("policy_file", file, group="oslo_policy")
        self._enforcer = policy.Enforcer(conf, use_conf=file is not None)
        self.unknown: tuple[str, ...] = ()
        """Rules of the file that nothing checks: typing errors, most likely."""
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.suppress_deprecation_warnings = True
        with _own_checks_only(unless=file):
            self._register((*BASE_RULES, *rules))
        if file is not None:
            self._load(file)
        self._simple = self._all_simple()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, frozenset[str], bool], bool] = {}

    def _register(self, defaults: tuple[Rule, ...]) -> None:
        """These are in force, until a file says otherwise."""
        checks = {rule.name: rule.check for rule in defaults}
        for rule in defaults:
            self._enforcer.register_default(
                policy.RuleDefault(rule.name, rule.check, description=rule.description)
            )
        if not self._enforcer.use_conf:
            self._enforcer.set_rules(policy.Rules.from_dict(checks), use_conf=False)

    def _load(self, file: str) -> None:
        """Read the operator's file over the defaults; `ConfigError` where it is wrong."""
        if not Path(file).is_file():
            raise ConfigError([f"policy file {file}: there is no such file"])
        try:
            self._enforcer.load_rules()
            self._enforcer.check_rules(raise_on_violation=True)
        except Exception as error:  # oslo.policy, YAML and I/O each have their own
            raise ConfigError([f"policy file {file}: {error}"]) from error
        unknown = sorted(set(self._enforcer.file_rules) - set(self._enforcer.registered_rules))
        self.unknown = tuple(unknown)
        if unknown:
            log.warning("policy_rules_unknown", file=file, rules=unknown)

    def _all_simple(self) -> bool:
        """True if decisions depend on nothing but the roles and whose project it is."""
        return all(_SIMPLE.fullmatch(str(check)) for check in self._enforcer.rules.values())

    def knows(self, rule: str) -> bool:
        """Whether the rule is registered."""
        return rule in self._enforcer.registered_rules

    def allows(self, rule: str, ctx: Context, target: Mapping[str, object]) -> bool:
        """Whether this caller may do this to the target (its ``project_id``, ``user_id``)."""
        if not self.knows(rule):
            raise KeyError(f"policy rule {rule} is not registered")
        key = (rule, ctx.roles, target.get("project_id") == ctx.project_id)
        if self._simple and key in self._known:
            return self._known[key]
        credentials = {
            **ctx.credentials,
            "user_id": ctx.user_id,
            "project_id": ctx.project_id,
            "roles": sorted(ctx.roles),
        }
        with self._lock:
            allowed = bool(self._enforcer.enforce(rule, dict(target), credentials))
        if self._simple:
            self._known[key] = allowed
        return allowed

    def is_admin(self, ctx: Context) -> bool:
        """Whether the caller is an administrator."""
        return self.allows("context_is_admin", ctx, {"project_id": ctx.project_id})

    def refuse(self, rule: str) -> NoReturn:
        """`Forbidden`, naming the rule that an administrator would change."""
        raise Forbidden(f"Policy does not allow {rule} to be performed with your roles.")
