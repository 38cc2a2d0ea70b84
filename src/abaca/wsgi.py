"""The API for WSGI servers: ``ABACA_CONFIG=/etc/abaca/abaca.conf gunicorn abaca.wsgi:application``.

The application is made when it is first asked for, in the process that uses it.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


@cache
def _make() -> WSGIApplication:
    from abaca import logs  # noqa: PLC0415 - nothing before it is asked for
    from abaca.config import load  # noqa: PLC0415
    from abaca.service.api import make_api  # noqa: PLC0415
    from abaca.service.state import open_database  # noqa: PLC0415

    config = load(need_backends=False)
    logs.configure(config.service.log_level, config.service.log_format)
    return make_api(config, open_database(config.service), _say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def __getattr__(name: str) -> WSGIApplication:
    if name != "application":
        raise AttributeError(name)
    return _make()
