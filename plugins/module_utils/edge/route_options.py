# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a route may say beside host and paths, and how the edge is told of it. Pure.

The options of a route stand in the map of routes, behind its service (service/routing.py), as JSON without blanks. So they are
set and changed at run time, in the same step in which the route changes hands, and a request meets those of one release only.
haproxy.cfg holds one set of rules for all routes, which read them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE, commented_number
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import route_rules, routes
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.routes import folded, host_problem
from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Hsts, Redirect, Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import reached

LONGEST_TIMEOUT_SECONDS = 86400
REDIRECTS = (301, 302, 307, 308)
LONGEST_URL = 1024
PRELOADED_SECONDS = 31536000
_SIZE = re.compile(r"([0-9]{1,12})(b|k|m|g|kb|mb|gb)?\Z")
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3}
UNKNOWN = (
    "the edge of this host was set up before there were options and wildcards of routes, and this release has some; run "
    "playbooks/provision.yml --tags edge for this inventory, which drops no request; then run this again. Nothing was changed"
)
# Options that belong to requests which reach a service.
_OF_SERVICE = ("timeout_seconds", "stream", "max_body", "strip_prefix")
# Those of RFC 3986 without what ends a command of HAProxy's, and what would have to be escaped in JSON.
_URL = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,/:=?@#%]*\Z")


def written(route: Route, path: str, protocol: str = "") -> str:
    """The options of a route of a service that speaks ``protocol``, for one path, as they stand in the map; empty for none."""
    said: dict[str, Any] = {
        "timeout_seconds": route.timeout_seconds,
        "stream": int(route.stream),
        "max_body": size(route.max_body),
        "strip_prefix": path.rstrip("/") if route.strip_prefix else "",
        **(_redirect(route.redirect) if route.redirect else {}),
        **(_hsts(route.hsts) if route.hsts else {}),
        **route_rules.written(route, protocol),
    }
    found = {name: value for name, value in said.items() if value}
    return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else ""


def require_known(paths: EdgePaths) -> None:
    """Raise EdgeError when this host's edge was set up before there were options and wildcards of routes."""
    main = paths.conf / "haproxy.cfg"
    text = EDGE_BASE.text(main)
    if not text.strip():
        raise EDGE_BASE.damaged(main, "it is empty")
    if commented_number(text) < EDGE_BASE.number:
        raise EdgeError(UNKNOWN)


def _redirect(redirect: Redirect) -> dict[str, Any]:
    return {"redirect_status": redirect.status, "redirect_host": folded(redirect.host), "redirect_url": redirect.url}


def _hsts(hsts: Hsts) -> dict[str, Any]:
    more = {"hsts_subdomains": int(hsts.include_subdomains), "hsts_preload": int(hsts.preload)}
    # A text, because 0 is said, too.
    return {"hsts": str(hsts.max_age_seconds), **more}


def size(text: str) -> int:
    """Bytes; 0 for none, and for what is no size."""
    found = _SIZE.match(text.lower())
    return int(found[1]) * 1024 ** _POWERS[(found[2] or "b")[0]] if found else 0


def all_problems(path: str, given: Sequence[Route]) -> list[str]:
    """Of the routes of one service, which stand at ``path``: those of their hosts and paths (see routes.problems), and these."""
    found = routes.problems(path, given)
    return found + [one for index, route in enumerate(given) for one in problems(f"{path}.routes[{index}]", route)]


def problems(path: str, route: Route) -> list[str]:
    """Of the options of the route that stands at ``path``: each with its path, the value and what to write."""
    found = [*_own_problems(route), *route_rules.problems(route)]
    found += [f"hsts.preload: {problem}" for problem in _preload_problems(route.hsts)] if route.hsts else []
    if route.redirect:
        found += [f"redirect{problem}" for problem in _redirect_problems(route.redirect)]
        idle = [name for name in (*_OF_SERVICE, *route_rules.NAMES) if getattr(route, name)]
        found += [
            f"{name}: does nothing where redirect keeps requests from the service; leave one of the two out" for name in idle
        ]
    return [f"{path}.{problem}" for problem in found]


def _own_problems(route: Route) -> Iterator[str]:
    if route.timeout_seconds > LONGEST_TIMEOUT_SECONDS:
        yield f"timeout_seconds: {route.timeout_seconds} is more than a day; write {LONGEST_TIMEOUT_SECONDS} at most"
    if route.max_body and not _SIZE.match(route.max_body.lower()):
        yield f'max_body: {_quoted(route.max_body)} is no size; write a number with b, k, m or g behind it, as in "10m"'
    elif route.max_body and not size(route.max_body):
        yield f"max_body: {_quoted(route.max_body)} would let no body pass; leave it out for bodies of any size"
    if route.strip_prefix and "/" in route.paths:
        yield (
            'strip_prefix: there is nothing to take away from the path "/"; write the prefix in its place, or give "/" a route '
            "without strip_prefix"
        )


def _redirect_problems(redirect: Redirect) -> Iterator[str]:
    if redirect.status not in REDIRECTS:
        yield f".status: {redirect.status} is none of {', '.join(map(str, REDIRECTS))}; write 308 for good, or 307 for now"
    if bool(redirect.host) == bool(redirect.url):
        many = "both host and url are said" if redirect.host else "it says neither host nor url"
        yield f": {many}; write host for the same path of another host, or url for one address"
        return
    problem = host_problem(redirect.host) if redirect.host else url_problem(redirect.url)
    if not problem and "*" in redirect.host:
        problem = f"{_quoted(redirect.host)} is no single host; name the one that requests are sent to"
    if problem:
        yield f".{'host' if redirect.host else 'url'}: {problem}"


def _preload_problems(hsts: Hsts) -> Iterator[str]:
    if hsts.preload and not (hsts.include_subdomains and hsts.max_age_seconds >= PRELOADED_SECONDS):
        yield (
            "browsers take only those into their list that are meant for a year and for all subdomains; write "
            f"include_subdomains: true and max_age_seconds: {PRELOADED_SECONDS}, or leave preload out"
        )


def url_problem(text: str) -> str:
    """Why ``text`` is nothing to redirect to, in words; empty when it is."""
    if len(text) > LONGEST_URL:
        return f"{_quoted(text[:40])}... has {len(text)} characters; a redirect's URL has {LONGEST_URL} at most"
    if not text.startswith(("/", "https://", "http://")) or text.startswith("//"):
        return f'{_quoted(text)} is no address; write a path such as "/new", or a whole URL such as "https://shop.example/new"'
    if not _URL.match(text):
        return f"{_quoted(text)} holds what a URL cannot; write it as browsers show it when it is copied, with %20 for a blank"
    if not text.startswith("/") and (not urlsplit(text).hostname or host_problem(urlsplit(text).hostname or "")):
        return f'{_quoted(text)} names no host; write it as in "https://shop.example/new"'
    return ""


def loops(given: Mapping[str, Route]) -> dict[str, str]:
    """Key (see haproxy.route_key) of a route that redirects to itself, at once or by way of others -> where it leads first. Of
    several that make a circle the first one.

    ``given``: all routes of a stack, by key.
    """
    itself = {key: key for key in given}
    found: dict[str, str] = {}
    circles: set[str] = set()
    for key in given:
        seen = [key]
        while (target := _target(given[seen[-1]], seen[-1])) and (at := reached(itself, target)):
            if at in seen:
                if at == key and at not in circles:
                    found[key] = _target(given[key], key)
                    circles.update(seen)
                break
            seen.append(at)
    return found


def _target(route: Route, key: str) -> str:
    """The key that a request for ``key`` has after the redirect; empty where the route has none."""
    redirect = route.redirect
    if not redirect:
        return ""
    host, _, path = key.partition("/")
    if redirect.host:
        return f"{folded(redirect.host)}/{path}"
    url = urlsplit(redirect.url)
    return f"{folded(url.hostname or host)}{url.path.rstrip('/')}/"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())
