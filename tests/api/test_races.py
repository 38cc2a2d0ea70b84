"""Two that make the same thing at the same time, where the database lets both look first."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from abaca.api.app import make_app
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings
from abaca.db import share_types
from abaca.db.database import Database
from api.conftest import ByName, Client
from support.databases import Databases


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_the_slower_one_is_told_who_was_faster(databases: Databases, kind: str) -> None:
    """Refused by the database it looks again, and says what it says to whoever comes later."""
    specs = {"driver_handles_share_servers": "true"}
    body = {"share_type": {"name": "gold", "extra_specs": specs}}
    with databases.one(kind) as url:
        mine, other = Database(url), Database(url)
        faster: list[str] = []

        def just_before(_conn: object, _cursor: object, statement: str, *_: object) -> None:
            if statement.startswith("INSERT INTO share_types ") and not faster:
                faster.append(statement)
                with other.write() as tx:
                    share_types.create(
                        tx, name="gold", description=None, is_public=True, extra_specs=specs
                    )

        event.listen(mine.engine, "before_cursor_execute", just_before)
        client = Client(mine, make_app(mine, ApiSettings(), ByName(), Policy(RULES)))
        lost, later = (client.call("admin", "POST", "/v2/types", body=body) for _ in range(2))
        assert faster
        assert lost.status_code == later.status_code == 409
        assert lost.json == later.json
        mine.close()
        other.close()
