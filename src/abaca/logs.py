"""Log lines: an event name with key/values, on standard error. Secrets never get that far."""

from __future__ import annotations

import logging
import sys

# structlog loads rich if it is there, for tracebacks that are not used here: 4 MB, and
# a twentieth of the start. Whatever loads it itself gets it as ever.
_UNUSED = "rich"
if _UNUSED in sys.modules:
    import structlog
else:
    sys.modules[_UNUSED] = None  # type: ignore[assignment]  # "is not there"
    try:
        import structlog
    finally:
        del sys.modules[_UNUSED]
from structlog.typing import EventDict, Processor, WrappedLogger  # noqa: E402 - see above

HIDDEN = "***"
_SECRET = ("password", "secret", "token", "authorization", "credential", "cookie")
_NO_SECRET = frozenset({"lease_token"})


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Values of keys that sound like a secret are not written."""
    for key in event:
        if key not in _NO_SECRET and any(word in key.lower() for word in _SECRET):
            event[key] = HIDDEN
    return event


def configure(level: str, form: str, *, lasting: bool = True) -> None:
    """Log from this level on, as ``text``, ``json``, or (``auto``) text on a terminal, else json.

    The standard library's loggers (of libraries) go the same way, from WARNING on.
    ``lasting``: loggers keep for ever what is in force when they are first used, and are quicker.
    """
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: Processor = (
        # Its usual tracebacks show local variables: passwords and tokens among them.
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if text
        else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    if not text:
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=lasting,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
