# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether users are served by what runs: "nothing is to do" is said only after they were asked for.

Containers can be as the release wants them while users get nothing: the edge does not reach a replica, or it hangs.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import Edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import Server
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation, Gate
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer, Health, Rules
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import reached, service_at
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

# One good answer is enough; one that went wrong by chance is asked for again.
ASK = Rules(successes=1, interval_seconds=0.2, timeout_seconds=2.0, deadline_seconds=3.0)
# How long a server that HAProxy calls down may take to come back: four of its checks, and a machine that is busy.
PATIENCE_SECONDS = 3.0
POLL_SECONDS = 0.1
# What is asked as a user is called so; a container's name has no blank.
_USERS = "users of "
# Asked in the place of a wildcard. Nobody's site is called so.
_ANY_LABEL = "any-label-of-a-wildcard"
_NO_ROUTE = b"No service is reached by this address."
_OWN_PAGE = re.compile(rb"<html><body><h1>[45]\d\d ")
_OWN_PAGE_BYTES = 512
_TOO_LATE = "no complete answer within"


class Target(Protocol):
    """What is asked of a host.Target."""

    @property
    def stack(self) -> Stack: ...

    @property
    def routed(self) -> set[str]: ...

    @property
    def routes(self) -> Mapping[str, str]: ...

    def expectation(self, service: str) -> Expectation: ...


class Host(Protocol):
    """What ``due`` asks of a host.StackHost."""

    def plan(
        self, target: Any, observed: Sequence[Replica], edge: Any, replace_created_before: float | None = None
    ) -> list[Step]: ...

    def unanswered(self, target: Any, observed: Sequence[Replica], edge: Any) -> dict[str, str]: ...

    def require_ground(self, target: Any, observed: Sequence[Replica], steps: Sequence[Step]) -> None: ...


def due(
    host: Host, target: Any, observed: Sequence[Replica], edge: Any, replace_created_before: float | None = None
) -> list[Step]:
    """The plan. When nothing is to do, users are asked for, and a replica that they get nothing from is replaced.

    Raises DeployError, before anything is changed, for what would make the plan fail.
    """
    steps = host.plan(target, observed, edge, replace_created_before)
    if not steps:
        why = host.unanswered(target, observed, edge)
        if why:
            steps = host.plan(target, [replace(one, unanswered=why.get(one.name, "")) for one in observed], edge)
    if steps:
        host.require_ground(target, observed, steps)
    return steps


def unanswered(
    target: Target, observed: Sequence[Replica], edge: Edge, users: Sequence[Endpoint], scheme: str = ""
) -> dict[str, str]:
    """Name of a replica that serves -> why users get nothing from it. EdgeError when it is the edge that does not answer them.

    Every replica is asked at the address that the edge has of it, and ``users`` (see ``as_users``) through the edge.
    ``scheme``: of users' requests, see ``as_users``.
    """
    serving = [one for one in observed if one.service in target.routed and one.admitted and one.state is State.RUNNING]
    if not serving:
        return {}
    servers = _servers(edge, serving)
    # Whoever has answered at all, however badly or late: the last try of several may have been cut off by the deadline.
    heard: set[str] = set()

    def fetch(endpoint: Endpoint, timeout: float) -> Answer:
        answer = (_head if isinstance(endpoint.expectation, FromService) else HttpProbe())(endpoint, timeout)
        if answer.status or answer.error.startswith(_TOO_LATE):
            heard.add(endpoint.name)
        return answer

    asked = Gate(ASK, fetch, SystemClock()).wait([*_own(target, serving, servers, scheme), *users])
    results = {one.name: one for one in asked}
    found = {}
    for one in serving:
        server, health = servers.get(one.name), results.get(one.name)
        if server is None or server.is_down:
            found[one.name] = "is not reached by the edge"
        elif health and not health.healthy:
            found[one.name] = f"does not answer as it should: {health.violation}"
    return found or _blame(target, serving, [one for one in asked if one.name.startswith(_USERS)], heard)


def public(check: Mapping[str, str], endpoint: Endpoint) -> Endpoint:
    """A stack's public check, to be asked as a user."""
    return replace(endpoint, name=f"{_USERS}{check['url']}")


def route(key: str, port: int, *, tls: bool) -> Endpoint:
    """One route (see haproxy.route_key), to be asked as a user at the edge's own port on this machine."""
    host, _, path = key.partition("/")
    host = "localhost" if host == "*" else f"{_ANY_LABEL}{host[1:]}" if host.startswith("*.") else host
    url = f"{'https' if tls else 'http'}://{host}/{path.rstrip('/')}"
    return Endpoint(f"{_USERS}{url}", url, address=f"127.0.0.1:{port}", expectation=FromService())


def ask(endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """URL -> why users get nothing from a service there; empty when they do."""
    return {one.url: "" if one.healthy else one.violation for one in Gate(ASK, _head, SystemClock()).wait(endpoints)}


@dataclass(frozen=True)
class FromService(Expectation):
    """Any answer that comes from a service. What the edge says in its place is none; maintenance is meant.

    Who takes longer than anybody is asked here may be one that answers when there is something to say.
    """

    def violation(self, answer: Answer) -> str:
        if answer.error:
            return "" if answer.error.startswith(_TOO_LATE) else answer.error
        own = answer.body == _NO_ROUTE if answer.status == http.HTTPStatus.NOT_FOUND else _OWN_PAGE.match(answer.body)
        return f"status {answer.status} by the edge itself, because no replica answers" if own else ""


class _Head(HttpProbe):
    """The status, and the begin of a bad answer's body: a good one may never end. The certificate is not looked at: this very
    machine is asked, and by the public check it is.
    """

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        return response.read1(_OWN_PAGE_BYTES) if response.status >= http.HTTPStatus.BAD_REQUEST else b""

    def _tls(self, raw: socket.socket, host: str) -> socket.socket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(raw, server_hostname=host)


_head = _Head()


def _servers(edge: Edge, serving: Sequence[Replica]) -> dict[str, Server]:
    """Container -> its place at the edge. What is down there is given a moment: on a busy machine checks are late, too."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    names = {one.name for one in serving}
    while True:
        found = {name: server for name, server in edge.places().items() if name in names}
        if not any(one.is_down for one in found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(POLL_SECONDS)


def _own(target: Target, serving: Sequence[Replica], servers: Mapping[str, Server], scheme: str) -> list[Endpoint]:
    found = []
    for one in serving:
        server, service = servers.get(one.name), target.stack.by_name.get(one.service)
        if server and service and service.health and server.is_resolved:
            url = f"http://{server.address}:{service.health.port or server.port}{service.health.path}"
            found.append(Endpoint(one.name, url, service.asked_with(scheme), expectation=target.expectation(one.service)))
    return found


def _blame(target: Target, serving: Sequence[Replica], asked: Sequence[Health], heard: Collection[str]) -> dict[str, str]:
    """When every replica is well by itself: those whose service does not answer users."""
    found: dict[str, str] = {}
    for one in (one for one in asked if not one.healthy):
        url = urlsplit(one.url)
        service = service_at(reached(target.routes, haproxy.route_key(url.hostname or "", url.path)))
        if not service or one.name not in heard:
            raise EdgeError(
                f"this host's edge does not answer {one.url}: {one.violation}. See why with docker logs --tail 20 "
                "edge-haproxy-1; playbooks/provision.yml --tags edge for this inventory sets it up again. Nothing was changed"
            )
        found |= {two.name: f"does not answer users: {one.url}: {one.violation}" for two in serving if two.service == service}
    return found
