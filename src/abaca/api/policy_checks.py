"""The checks of rules that an operator did not change: roles, and whose project it is.

They are written as oslo.policy reads them, and mean the same (a test compares). Its
package is loaded only for a policy file, which can ask for much more than that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Check = Callable[[frozenset[str], bool], bool]
"""From the caller's roles, in lower case, and whether the thing is of its project."""

_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[()@])|(?P<word>and|or)\b|role:(?P<role>[\w.-]+)|rule:(?P<rule>[\w.:-]+)"
    r"|(?P<own>project_id:%\(project_id\)s))"
)


class Checks:
    """Rules by name; decides nothing else than what they say."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._checks: dict[str, Check] = {}
        for name, text in texts.items():
            self._checks[name] = _Reader(text, self._checks).whole()
        self.names = frozenset(texts)

    def allows(self, rule: str, roles: frozenset[str], *, own: bool) -> bool:
        """Whether the rule lets in a caller with these roles. KeyError on unknown."""
        return self._checks[rule](frozenset(role.lower() for role in roles), own)


class _Reader:
    """Reads one check: ``and`` binds closer than ``or``. ValueError where it is none."""

    def __init__(self, text: str, rules: Mapping[str, Check]) -> None:
        self._text, self._at, self._rules = text.rstrip(), 0, rules

    def whole(self) -> Check:
        check = self._any()
        if self._at != len(self._text):
            raise ValueError(f"no check of a rule: {self._text!r}")
        return check

    def _any(self) -> Check:
        parts = [self._all()]
        while self._took("or"):
            parts.append(self._all())
        return lambda roles, own: any(part(roles, own) for part in parts)

    def _all(self) -> Check:
        parts = [self._one()]
        while self._took("and"):
            parts.append(self._one())
        return lambda roles, own: all(part(roles, own) for part in parts)

    def _one(self) -> Check:
        if self._took("("):
            check = self._any()
            if not self._took(")"):
                raise ValueError(f"unbalanced parentheses: {self._text!r}")
            return check
        found = _TOKEN.match(self._text, self._at)
        if found is None or found["word"] or found["sign"] == ")":
            raise ValueError(f"no check of a rule: {self._text[self._at :]!r}")
        self._at = found.end()
        role, rule = found["role"], found["rule"]
        if role is not None:
            return lambda roles, _: role.lower() in roles
        if rule is not None:
            return self._named(rule)
        if found["own"]:
            return lambda _, own: own
        return lambda _roles, _own: True

    def _named(self, rule: str) -> Check:
        if rule not in self._rules:
            raise ValueError(f"no rule {rule} comes before: {self._text!r}")
        return self._rules[rule]

    def _took(self, token: str) -> bool:
        """Pass over this sign or word, if it comes next."""
        found = _TOKEN.match(self._text, self._at)
        if found is None or token not in {found["sign"], found["word"]}:
            return False
        self._at = found.end()
        return True
