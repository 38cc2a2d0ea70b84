"""Routes as data: one URL may mean different things at different versions.

A resource file holds its own ``ROUTES``; `abaca.api.routes` joins them. Paths
are written without ``/v2`` and without a project: both forms are served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from abaca.api.bodies import Body
from abaca.api.microversion import MAX, MIN
from abaca.api.request import Request
from abaca.context import Version
from abaca.errors import BadRequest, NotFound

Handler: TypeAlias = Callable[[Request], object]
"""Returns the answer's body (None: empty), or a `abaca.api.request.Response`."""


@dataclass(frozen=True, slots=True)
class Action:
    """One key of the body of ``POST .../action``."""

    name: str
    handler: Handler
    policy: str | None
    status: int = 202
    body: Body | None = None
    since: Version = MIN
    until: Version = MAX
    experimental: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, from version ``since`` to version ``until`` inclusive.

    ``policy`` is checked against the caller's own project before the handler
    runs; a handler that finds a thing checks again with that thing's project.
    ``experimental``: needs the experimental header.
    """

    method: str
    path: str
    handler: Handler | None
    policy: str | None
    status: int = 200
    body: Body | None = None
    since: Version = MIN
    until: Version = MAX
    experimental: bool = False
    actions: tuple[Action, ...] = ()

    def action(self, body: object, version: Version) -> tuple[Action, object]:
        """The action that the body asks for, with what it says about it."""
        if not isinstance(body, dict) or len(body) != 1:
            raise BadRequest("Give a body with exactly one key: the name of the action.")
        ((name, value),) = body.items()
        named = [action for action in self.actions if action.name == name]
        if not named:
            known = ", ".join(a.name for a in self.actions if a.since <= version <= a.until)
            raise BadRequest(f"There is no such action: {name}. There are: {known}.")
        for action in named:
            if action.since <= version <= action.until:
                return action, value
        raise NotFound(f"Action {name} is not part of version {version}.")


def action(
    name: str,
    handler: Handler,
    policy: str | None,
    *,
    status: int = 202,
    body: Body | None = None,
    since: Version = MIN,
    experimental: bool = False,
) -> tuple[Action, ...]:
    """An action under its name, and as ``os-name`` before 2.7.

    The name without prefix came with 2.7, but openstacksdk sends it without a
    version, which is 2.0: so it is known from the beginning.
    """
    plain = Action(name, handler, policy, status, body, since, MAX, experimental=experimental)
    if since >= Version(2, 7):
        return (plain,)
    old = Action(
        f"os-{name}", handler, policy, status, body, since, Version(2, 6), experimental=experimental
    )
    return (plain, old)


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    routes: list[tuple[Route, tuple[str, ...]]] = field(default_factory=list)


class Table:
    """Finds the route of a request; made once from the list of all routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            self._add(route)
        self.roots = frozenset(route.path.split("/")[1] for route in self.routes)

    def _add(self, route: Route) -> None:
        node, names = self._root, []
        for part in route.path.split("/")[1:]:
            if part.startswith("{"):
                names.append(part.strip("{}"))
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.literal.setdefault(part, _Node())
        for other, _ in node.routes:
            same = other.method == route.method
            if same and other.since <= route.until and route.since <= other.until:
                raise ValueError(f"{route.method} {route.path}: two routes for one version")
        node.routes.append((route, tuple(names)))

    def find(self, method: str, parts: list[str], version: Version) -> tuple[Route, dict[str, str]]:
        """The route and its parameters; `NotFound` where this version has none."""
        for node, values in self._nodes(self._root, parts, ()):
            for route, names in node.routes:
                if route.method == method and route.since <= version <= route.until:
                    return route, dict(zip(names, values, strict=True))
        raise NotFound("The resource could not be found.")

    def _nodes(self, node: _Node, parts: list[str], values: tuple[str, ...]) -> Any:  # noqa: ANN401
        if not parts:
            yield node, values
            return
        head, rest = parts[0], parts[1:]
        if head in node.literal:
            yield from self._nodes(node.literal[head], rest, values)
        if node.any is not None:
            yield from self._nodes(node.any, rest, (*values, head))
