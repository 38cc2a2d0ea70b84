"""Options to typed values, through a ConfigOpts of our own; remembers which names are known."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from oslo_config import cfg

from abaca.config.raw import Raw, listed, nearest

_PREAMBLE = "is not valid: "


class Values:
    """Parses section by section, and collects faults and notes."""

    def __init__(self, raw: Raw) -> None:
        # It warns of every old name; the notes say the same, once.
        logging.getLogger("oslo_config.cfg").setLevel(logging.ERROR)
        self.raw = raw
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._conf = cfg.ConfigOpts()
        self._conf(
            [],
            project="abaca",
            default_config_files=[str(file) for file in raw.files],
            default_config_dirs=[],
            use_env=False,
        )
        # By section: what each known key is an option of, as (section, option).
        self._known: dict[str, dict[str, tuple[str, str]]] = {}
        self._opaque: set[str] = set()

    def fault(self, section: str, option: str, text: str) -> None:
        """Record one fault; the same one only once."""
        line = f"[{section}] {option}: {text}"
        if line not in self.faults:
            self.faults.append(line)

    def note(self, section: str, option: str, text: str) -> None:
        """Record something worth knowing."""
        line = f"[{section}] {option}: {text}"
        if line not in self.notes:
            self.notes.append(line)

    def allow(self, section: str, *options: str) -> None:
        """These keys are known in that section, besides its options."""
        self._known.setdefault(section, {}).update({item: (section, item) for item in options})

    def allow_all(self, section: str) -> None:
        """Nobody can say which keys that section may have (its driver or plugin is unknown)."""
        self._known.setdefault(section, {})
        self._opaque.add(section)

    def of(self, section: str, options: Sequence[cfg.Opt]) -> dict[str, object]:
        """The values of these options in that section; a fault for each that can't be read."""
        group = None if section == "DEFAULT" else section
        values: dict[str, object] = {}
        for option in options:
            try:
                self._conf.register_opt(option, group=group)
            except cfg.DuplicateOptError:
                self.fault(section, option.dest, "is declared twice, with different meanings")
                continue
            self._learn(section, option)
            try:
                values[option.dest] = (self._conf if group is None else self._conf[group])[
                    option.dest
                ]
            except (ValueError, cfg.Error) as error:
                self.fault(section, option.dest, _refusal(option, self.raw, section, error))
                values[option.dest] = option.default
        return values

    def _learn(self, section: str, option: cfg.Opt) -> None:
        meant = (section, option.dest)
        self._known.setdefault(section, {})[option.dest] = meant
        for old in option.deprecated_opts:
            name = (old.name or option.dest).replace("-", "_")
            self._known.setdefault(old.group or section, {}).setdefault(name, meant)

    def check_names(self, also: dict[str, str]) -> None:
        """A fault for each key that nothing knows; ``also``: keys to pass over, and why."""
        for section, options in self.raw.sections.items():
            known = self._known.get(section)
            if known is None or section in self._opaque:
                continue
            for key in options:
                if key in known:
                    self._note_old(section, key, known[key])
                elif key in also:
                    self.note(section, key, f"not used: {also[key]}")
                else:
                    hint = nearest(key, known) or _elsewhere(key, self._known)
                    self.fault(section, key, f"unknown option{hint}")

    def _note_old(self, section: str, key: str, meant: tuple[str, str]) -> None:
        if meant == (section, key):
            return
        where = meant[1] if meant[0] == section else f"[{meant[0]}] {meant[1]}"
        if self.raw.has(meant[0], meant[1]):
            self.fault(section, key, f"is another name of {where}, which is there too; remove one")
        else:
            self.note(section, key, f"read as {where}")

    def check_sections(self, optional: dict[str, str]) -> None:
        """A fault for each section that nothing knows; ``optional``: unused ones, and why."""
        for section in self.raw.sections:
            if section in self._known:
                continue
            if section in optional:
                self.notes.append(f"[{section}] not used: {optional[section]}")
            else:
                self.faults.append(f"[{section}] unknown section{nearest(section, self._known)}")


def _elsewhere(key: str, known: dict[str, dict[str, tuple[str, str]]]) -> str:
    places = sorted({section for section, keys in known.items() if key in keys})
    return f"; it belongs into [{places[0]}]" if places else ""


def _refusal(option: cfg.Opt, raw: Raw, section: str, error: Exception) -> str:
    text = raw.sections.get(section, {}).get(option.dest)
    choices = getattr(option.type, "choices", None)
    if choices and text is not None:
        return f"{text!r} is unknown; write {listed(map(str, choices))}"
    message = str(error)
    _, found, reason = message.partition(_PREAMBLE)
    return f"{text!r} can't be read: {reason if found else message}"


def path(value: object) -> Path | None:
    """A path, or None where nothing is set."""
    return Path(str(value)) if value else None
