"""An operator's policy file over Abaca's own rules, decided by oslo.policy."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import structlog
from oslo_config import cfg
from oslo_policy import opts, policy

from abaca.context import Context
from abaca.errors import ConfigError

log = structlog.get_logger()
_SIMPLE = re.compile(
    r"(?:[()@!]|\band\b|\bor\b|\bnot\b|\brole:[\w.-]+|\brule:[\w:.-]+"
    r"|\bproject_id:%\(project_id\)s|\bis_admin:True|\s)*"
)


class PolicyFile:
    """Decides by the file where it says something, else by the defaults. Thread-safe."""

    def __init__(self, defaults: Mapping[str, str], file: str) -> None:
        """``defaults``: checks by the name of their rule. `ConfigError` where the file is wrong."""
        if not Path(file).is_file():
            raise ConfigError([f"policy file {file}: there is no such file"])
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        opts._register(conf)  # noqa: SLF001 - oslo.policy has no other way to set its options
        conf.set_override("policy_file", file, group="oslo_policy")
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.suppress_deprecation_warnings = True
        self._lock = threading.Lock()
        for name, check in defaults.items():
            self._enforcer.register_default(policy.RuleDefault(name, check))
        self._load(file)
        unknown = sorted(set(self._enforcer.file_rules) - set(defaults))
        self.unknown = tuple(unknown)
        if unknown:
            log.warning("policy_rules_unknown", file=file, rules=unknown)
        self.simple = all(_SIMPLE.fullmatch(str(item)) for item in self._enforcer.rules.values())
        """True if decisions depend on nothing but the roles and whose project it is."""

    def _load(self, file: str) -> None:
        try:
            self._enforcer.load_rules()
            self._enforcer.check_rules(raise_on_violation=True)
        except Exception as error:  # oslo.policy, YAML and I/O each have their own
            raise ConfigError([f"policy file {file}: {error}"]) from error

    def allows(self, rule: str, ctx: Context, target: Mapping[str, object]) -> bool:
        """Whether this caller may do this to the target."""
        credentials = {
            **ctx.credentials,
            "user_id": ctx.user_id,
            "project_id": ctx.project_id,
            "roles": sorted(ctx.roles),
        }
        with self._lock:
            return bool(self._enforcer.enforce(rule, dict(target), credentials))
