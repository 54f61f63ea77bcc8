# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of a stack would get at this host's own edge; the connection goes to this machine, whatever DNS says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import own_edge, served, waiting
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation, Gate
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Health, Rules
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

PUBLIC_INTERVAL_SECONDS = 0.05


def endpoints(target: Target, paths: EdgePaths) -> list[Endpoint]:
    """How users ask: the stack's public check, or every route at this host's own edge; none while that waits for its ports."""
    if waiting.waits(paths):
        return []
    check = target.stack.public_check
    if check:
        expectation = Expectation(version=check["version"], release=target.release)
        return [served.public(check, own_edge.endpoint("edge", paths, check, expectation))]
    if not target.routes:
        return []
    own = own_edge.OwnEdge.of(paths)
    return [served.route(key, own.https if own.tls else own.http, tls=own.tls) for key in sorted(target.routes)]


def scheme(stack: Stack, paths: EdgePaths) -> str:
    """Of users' requests, as replicas are told it: https where TLS ends at this host's edge, or in front of it, which only the
    public check tells. Empty when the edge cannot be read.
    """
    if urlsplit(str(stack.public_check.get("url") or "")).scheme == "https":
        return "https"
    with suppress(EdgeError):
        return "https" if own_edge.OwnEdge.of(paths).tls else "http"
    return ""


def public_check(target: Target, paths: EdgePaths, guard: Callable[[], None]) -> Health:
    """What the stack's public check sees at this host's own edge; the connection goes to this machine, whatever DNS says."""
    check = target.stack.public_check
    expectation = Expectation(version=check["version"], release=target.release)
    try:
        endpoint = own_edge.endpoint("edge", paths, check, expectation)
    except EdgeError as exc:
        return Health("edge", check["url"], violation=str(exc))
    rules = Rules(check["successes"], PUBLIC_INTERVAL_SECONDS, deadline_seconds=check["deadline_seconds"])

    def give_up(_: Endpoint) -> str:
        guard()
        return ""

    return Gate(rules, HttpProbe(), SystemClock(), give_up).wait([endpoint])[0]
