"""Writes the next migration from what the tables have new: new_migration.py NUMBER TEXT."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from abaca.db.database import Database
from abaca.db.migrate import FOLDER


def main(number: str, text: str) -> None:
    """Migrate an empty SQLite database to the newest revision, compare, and write the next."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/empty.sqlite")
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        try:
            with db.write() as tx:
                config.attributes["connection"] = tx.connection
                config.attributes["batch"] = any(FOLDER.glob("versions/*.py"))
                command.upgrade(config, "heads")
                script = command.revision(config, text, autogenerate=True, rev_id=number)
        finally:
            db.close()
    path = str(getattr(script, "path", ""))
    lines = Path(path).read_text().splitlines(keepends=True)
    Path(path).write_text("".join(line for line in lines if not line.strip().startswith("# ###")))
    ruff = str(Path(sys.executable).with_name("ruff"))
    subprocess.run([ruff, "check", "-q", "--fix", path], check=False)
    subprocess.run([ruff, "format", "-q", path], check=True)
    print(path, "- look it over, and set HEAD in src/abaca/db/migrate.py")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:3])
