"""The API as a WSGI application: everything that happens to a request, in order.

1. request ID, security headers, log, metrics    `abaca.api.stamp`
2. ``/``, ``/v2``, ``/healthcheck``, ``/metrics``: no token, any version
3. who asks                                      `Authenticator`
4. which microversion                            `abaca.api.microversion`
5. which route, for that version and project     `abaca.api.routing`
6. is it allowed                                 `abaca.api.policy`
7. is the body right                             `abaca.api.bodies`
8. the handler, again if the database was busy, or another was faster
9. errors in the API's own form                  `abaca.api.rendering`
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import falcon
import structlog

from abaca.api import microversion
from abaca.api.auth import Authenticator, Caller
from abaca.api.observation import add_observation
from abaca.api.policy import Policy
from abaca.api.reading import NUL_REFUSED, read_json
from abaca.api.rendering import write_error, write_json
from abaca.api.request import Query, Request, Response
from abaca.api.routes import ROUTES
from abaca.api.routing import Action, Route, Table
from abaca.api.settings import ApiSettings, CurrentSettings
from abaca.api.stamp import Stamp
from abaca.api.urls import base_url
from abaca.api.versions import Versions
from abaca.context import Context
from abaca.db.database import Database
from abaca.errors import (
    AbacaError,
    BadRequest,
    CommitUnknown,
    DatabaseFault,
    DatabaseUnavailable,
    NotFound,
    RowRefused,
    ServiceUnavailable,
    TransactionRefused,
    Unauthorized,
    WrongSchema,
)

log = structlog.get_logger()

ATTEMPTS = 3
PATIENT_ATTEMPTS = 10
"""Of a transaction that another one was in the way of: a second or two."""
_EXPERIMENTAL = "true"
_PROOFS = ("X-Auth-Token", "Authorization")


def make_app(
    db: Database,
    settings: ApiSettings,
    authenticator: Authenticator,
    policy: Policy,
    routes: tuple[Route, ...] = ROUTES,
    *,
    current: CurrentSettings | None = None,
) -> falcon.App[Any, Any]:
    """The application; call it as WSGI. Thread-safe.

    ``current``: whoever holds it changes some of the settings while it runs.
    """
    app = falcon.App(middleware=[Stamp()])
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(AbacaError, _abaca_error)
    app.add_error_handler(DatabaseFault, _unexpected)
    app.add_error_handler(WrongSchema, _abaca_error)
    app.add_error_handler(falcon.HTTPError, _http_error)
    app.add_route("/", Versions(settings, 300))
    app.add_route("/v2", Versions(settings, 200))
    app.add_sink(_nowhere)  # of the sinks that match, Falcon takes the last one added
    authenticator.mount(app)
    current = current or CurrentSettings(settings)
    api = _Api(db, settings, authenticator, policy, Table(routes), current)
    app.add_sink(api, "/v2/")
    add_observation(app, db, is_admin=api.is_admin)
    return app


@dataclass(frozen=True, slots=True)
class _Api:
    """Everything below ``/v2/``."""

    db: Database
    settings: ApiSettings
    authenticator: Authenticator
    policy: Policy
    table: Table
    current: CurrentSettings

    def __call__(self, req: falcon.Request, resp: falcon.Response, **_: object) -> None:
        ctx = self._context(req, resp)
        parts = [unquote(part) for part in req.path.split("/")[2:]]
        if any("\0" in part for part in parts):
            raise BadRequest(f"The path has {NUL_REFUSED}")
        if parts[0] not in self.table.roots:
            _same_project(parts.pop(0), ctx)
        route, params = self.table.find(req.method, parts, ctx.version)
        req.context.route = f"/v2{route.path}"
        raw = read_json(req, self.settings.max_body_bytes)
        target: Route | Action = route
        if route.actions:
            target, raw = route.action(raw, ctx.version)
            req.context.route += f"#{target.name}"
            if target.body is not None and target.body.root is not None:
                raise TypeError(f"action {target.name}: its body has no root")
        if target.experimental and not ctx.experimental:
            raise NotFound("This is experimental: send X-OpenStack-Manila-API-Experimental: true.")
        request = Request(
            ctx=ctx,
            db=self.db,
            settings=self.current.now,
            policy=self.policy,
            base_url=base_url(req, self.settings),
            path=req.path,
            query=Query(req.query_string),
            params=params,
            body={},
        )
        if target.policy is not None:
            request.require(target.policy)
        if target.body is not None:
            request.body = target.body.parse(raw, ctx.version)
        _write(resp, self._handle(target, request), target.status)

    def is_admin(self, req: falcon.Request) -> bool:
        """Whether the caller sends along what proves to be an administrator."""
        if not any(req.get_header(name) for name in _PROOFS):
            return False
        try:
            return self._asking(req, self.authenticator.authenticate(req)).is_admin
        except (Unauthorized, ServiceUnavailable):
            return False

    def _context(self, req: falcon.Request, resp: falcon.Response) -> Context:
        """Who asks, at which version; the answer says the version in any case."""
        try:
            caller = self.authenticator.authenticate(req)
        except Unauthorized:
            resp.set_header("WWW-Authenticate", self.authenticator.challenge(req))
            raise
        resp.append_header("Vary", microversion.OWN_HEADER)
        resp.append_header("Vary", microversion.COMMON_HEADER)
        version = microversion.requested(
            req.get_header(microversion.OWN_HEADER), req.get_header(microversion.COMMON_HEADER)
        )
        resp.set_header(microversion.OWN_HEADER, str(version))
        resp.set_header(microversion.COMMON_HEADER, f"{microversion.SERVICE_TYPE} {version}")
        experimental = req.get_header(microversion.EXPERIMENTAL_HEADER, default="").lower()
        is_experimental = experimental == _EXPERIMENTAL
        return self._asking(req, caller, version=version, experimental=is_experimental)

    def _asking(self, req: falcon.Request, caller: Caller, **more: Any) -> Context:  # noqa: ANN401 - fields of it
        ctx = Context(
            user_id=caller.user_id,
            project_id=caller.project_id,
            roles=caller.roles,
            request_id=req.context.request_id,
            global_request_id=req.context.global_request_id,
            credentials=dict(caller.credentials),
            **more,
        )
        return replace(ctx, is_admin=self.policy.is_admin(ctx))

    def _handle(self, target: Route | Action, request: Request) -> object:
        """The handler's answer; a transaction that lost against another is tried again.

        Not one that may have been committed: a share would be made twice.
        """
        handler = target.handler
        if handler is None:
            raise TypeError("a route needs a handler or actions")
        attempt = 0
        while True:
            attempt += 1
            try:
                return handler(request)
            except CommitUnknown:
                raise
            except (DatabaseUnavailable, RowRefused) as error:
                most = PATIENT_ATTEMPTS if isinstance(error, TransactionRefused) else ATTEMPTS
                if attempt >= most:
                    raise
                log.warning("database.retry", attempt=attempt, error=error.message)
                # Not in step with whoever was refused at the same time.
                time.sleep(0.03 * attempt * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


def _same_project(project_id: str, ctx: Context) -> None:
    if project_id != ctx.project_id:
        raise BadRequest("Malformed request URL: its project is not the one of the token.")


def _write(resp: falcon.Response, answer: object, status: int) -> None:
    if isinstance(answer, Response):
        for name, value in answer.headers.items():
            resp.set_header(name, value)
        write_json(resp, answer.body, answer.status or status)
    else:
        write_json(resp, answer, status)


def _nowhere(req: falcon.Request, resp: falcon.Response, **_: object) -> None:
    del req, resp
    raise NotFound("The resource could not be found.")


def _abaca_error(
    req: falcon.Request, resp: falcon.Response, error: AbacaError, _params: dict[str, Any]
) -> None:
    if error.status >= 500:  # noqa: PLR2004 - ours to mend
        log.error("request.failed", error=error.message)
    write_error(resp, error, keystone=req.path.startswith("/identity"))


def _http_error(
    _req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: dict[str, Any]
) -> None:
    """What Falcon itself refuses, in the API's form."""
    if error.status_code == 405:  # noqa: PLR2004 - the API knows no 405
        write_error(resp, NotFound("The resource could not be found."))
        return
    kind = {400: "badRequest", 404: "itemNotFound", 413: "overLimit"}
    body = {"code": error.status_code, "message": error.description or error.title or ""}
    write_json(resp, {kind.get(error.status_code, "badRequest"): body}, error.status_code)


def _unexpected(
    req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]
) -> None:
    """A fault of ours: the log has everything, the caller its request ID."""
    log.error("request.crashed", exc_info=error)
    told = f"{AbacaError.generic} Request: {req.context.request_id}."
    write_error(resp, AbacaError(repr(error), told=told))
