"""Small files that must be whole: written beside, renamed; synced where they outlive a reboot."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace the file's content; after a crash it is the old or the new one, never a part.

    Not ``durable``: after a crash of this process only. That is enough for files of a
    running daemon, which a reboot ends too, and spares two waits for the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    draft.rename(path)
    if durable:
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
