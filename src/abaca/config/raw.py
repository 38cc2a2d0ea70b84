"""What the files say, unknown names included (oslo.config passes over those in silence)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from oslo_config import cfg, iniparser

from abaca.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Sections, their keys (``_`` for ``-``), and the last value of each."""

    files: tuple[Path, ...]
    sections: Mapping[str, Mapping[str, str]]

    def has(self, section: str, *options: str) -> bool:
        """True if the section says any of these."""
        return any(option in self.sections.get(section, {}) for option in options)


def files_of(files: Sequence[Path], folders: Sequence[Path]) -> tuple[Path, ...]:
    """The files, then those of the folders (``*.conf``, sorted): later ones win."""
    return (*files, *(item for folder in folders for item in sorted(folder.glob("*.conf"))))


def read(files: Sequence[Path], folders: Sequence[Path]) -> Raw:
    """Read all of them. ConfigError with a line for each that can't be read."""
    faults = [f"{item}: no such directory" for item in folders if not item.is_dir()]
    sections: dict[str, dict[str, str]] = {}
    every = files_of(files, folders)
    for file in every:
        parsed: dict[str, dict[str, list[str]]] = {}
        try:
            cfg.ConfigParser(str(file), parsed).parse()
        except OSError as error:
            faults.append(f"{file}: {(error.strerror or str(error)).lower()}")
        except UnicodeDecodeError:
            faults.append(f"{file}: is not UTF-8 text")
        except iniparser.ParseError as error:
            faults.append(
                f"{file}:{error.lineno}: {error.msg.lower()}: {error.line or ''}".rstrip(": ")
            )
        for section, options in parsed.items():
            into = sections.setdefault(section, {})
            into.update({key.replace("-", "_"): values[-1] for key, values in options.items()})
    if faults:
        raise ConfigError(faults)
    return Raw(files=every, sections=sections)


def nearest(text: str, names: Iterable[str]) -> str:
    """``; did you mean X?``, or nothing."""
    found = get_close_matches(text, sorted(names), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


def listed(names: Iterable[str], last: str = "or") -> str:
    """``a, b or c``."""
    items = list(names)
    return f" {last} ".join([", ".join(items[:-1]), items[-1]] if items[1:] else items)
